"""Everything a contributor or a CI runs: `python -m pip install nox && python -m nox`.

Each session makes its own environment from pyproject.toml, so a fresh clone and a bare Python 3.11 are enough.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_venv = "yes"  # pip still reinstalls this project each time; only its dependencies are kept
nox.options.error_on_missing_interpreters = False

HERE = Path(__file__).parent
VERSIONS = ("3.11", "3.12", "3.13")
GROUPS = nox.project.dependency_groups
PROJECT = nox.project.load_toml("pyproject.toml")

# One worker takes a whole file: contracts' own tests must run in one process (docs/architecture.md).
# A worker that dies (a test that hangs is ended) is not replaced: its successors would begin the same test again.
PYTEST = ("pytest", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", "--max-worker-restart", "0")
PLUGIN = HERE / "tests" / "example_plugin"
PYTHON_FILES = ("src", "tests", "noxfile.py", "benchmarks", "examples")


@nox.session
def demo(session: nox.Session) -> None:
    """Load the example businesses, run months of billing, write their PDFs and e-mails, and show the result."""
    session.install(".[cli,pdf,mail,stripe,gocardless,testing]")
    session.run("invoicecore", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite on the Python that runs nox."""
    session.install(".[all,testing]", *GROUPS(PROJECT, "test"))
    session.run(*PYTEST, *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The pay pages in a real browser: Debian's chromium, driven by Playwright."""
    session.install(".[sql,pdf,mail,web,testing]", *GROUPS(PROJECT, "browser"))
    session.run("pytest", "tests/browser", *session.posargs)  # without chromium it says what to install


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """The test suite on each supported Python found here; those not found are named, and only finding none fails."""
    found = {version: interpreter(version) for version in VERSIONS}
    red = []
    for version, python in found.items():
        if python is None:
            continue
        venv = HERE / ".nox" / f"matrix-{version.replace('.', '-')}"
        bin_dir = venv / ("Scripts" if os.name == "nt" else "bin")
        session.log(f"Python {version}: {python}")
        try:
            session.run(python, "-m", "venv", "--clear", str(venv), external=True)
            session.run(
                *(str(bin_dir / "python"), "-m", "pip", "install", "--quiet"),
                *(".[all,testing]", *GROUPS(PROJECT, "test")),
                external=True,
            )
            session.run(str(bin_dir / "python"), "-m", *PYTEST, *session.posargs, external=True)
        except CommandFailed:
            red.append(version)
    skipped = [version for version, python in found.items() if python is None]
    ran = [version for version in VERSIONS if version not in skipped]
    session.log(f"ran: {', '.join(ran) or 'none'}; skipped, no such Python here: {', '.join(skipped) or 'none'}")
    if not ran:
        session.error(f"no Python of {', '.join(VERSIONS)} was found")
    if red:
        session.error(f"red on {', '.join(red)}")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and its formatting; `nox -s lint -- --fix` repairs what can be repaired."""
    session.install(*GROUPS(PROJECT, "lint"))
    paths = [path for path in PYTHON_FILES if (HERE / path).exists()]
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", *paths)
        session.run("ruff", "format", *paths)
    else:
        session.run("ruff", "check", *paths)
        session.run("ruff", "format", "--check", *paths)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict over what is shipped and over what runs it."""
    session.install(".[all,testing]", "nox", *GROUPS(PROJECT, "types"))
    session.run("mypy", "--strict", "src", "noxfile.py", "benchmarks")
    with session.chdir(PLUGIN):
        session.run("mypy", "--strict", "src", "tests", env={"MYPYPATH": os.pathsep.join(["src", "tests"])})


@nox.session
def docs(session: nox.Session) -> None:
    """Run every code block of the docs, and follow every link between pages."""
    session.install(".[all,testing]", *GROUPS(PROJECT, "test"))
    session.run("pytest", "tests/test_docs.py", *session.posargs)


# What is tested is the wheel just built: pip would keep an older one that has the same version.
@nox.session(reuse_venv=False)
def plugin(session: nox.Session) -> None:
    """The wheel, and a stranger's gateway beside it, found and tested where no source of this checkout is in reach."""
    with tempfile.TemporaryDirectory() as folder:
        away = Path(folder).resolve()
        # From a copy: a build may leave its traces where it is done.
        copy = shutil.copytree(PLUGIN, away / "plugin", ignore=shutil.ignore_patterns("__pycache__", ".*"))
        session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(away), str(HERE))
        [wheel] = away.glob("invoicecore-*.whl")
        session.install(f"invoicecore[testing] @ {wheel.as_uri()}", str(copy))
        with session.chdir(copy):
            session.run("python", "-c", INSTALLED)
            session.run("pytest", "-p", "no:cacheprovider", *session.posargs)


INSTALLED = """
import invoicecore, invoicecore_pennypay, sysconfig
from invoicecore import Plugins
packages = sysconfig.get_path("purelib")
for module in (invoicecore, invoicecore_pennypay):
    assert module.__file__.startswith(packages), f"{module.__file__} is not in {packages}"
[row] = [row for row in Plugins.discover().listing() if "pennypay" in row.offers.get("gateways", ())]
print(f"{row.name} {row.version} of {row.distribution}: found by its entry point, beside {invoicecore.__file__}")
"""


@nox.session
def soak(session: nox.Session) -> None:
    """Two simulated years of billing by processes that are killed, then the auditor; `-- postgres` for the other database."""
    session.install(".[all,testing]", *GROUPS(PROJECT, "test"))
    session.run("python", "tests/soak.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The billing run against raw inserts of the same rows; PDFs against bare typst, the outbox against smtplib; collections
    and events against the bare SDK."""
    session.install(".[sql,postgres,pdf,mail,gocardless,testing]", *GROUPS(PROJECT, "bench"))
    scripts = [word for word in session.posargs if word.endswith(".py")] or [
        "benchmarks/run.py",
        "benchmarks/papers.py",
        "benchmarks/collecting.py",
    ]
    for script in scripts:
        session.run("python", script, *(word for word in session.posargs if not word.endswith(".py")))


@nox.session
def bench_peers(session: nox.Session) -> None:
    """The billing run beside django-silver and what Django's users write, each in an environment of its own."""
    session.install(".[sql,postgres]", *GROUPS(PROJECT, "bench"))
    peers = ["--django", environment(session, "django", sys.executable)]
    if old := interpreter("3.11"):
        peers += ["--silver", environment(session, "silver", old)]
    else:
        session.warn("django-silver needs Python 3.11, which was not found here: it is left out")
    session.run("python", "benchmarks/peers/compare.py", *peers, *session.posargs)


def environment(session: nox.Session, name: str, python: str) -> str:
    """The Python of a peer's own environment, made or brought up to date."""
    venv = HERE / ".nox" / f"peer-{name}"
    session.run(python, "-m", "venv", str(venv), external=True)
    its_python = str(venv / ("Scripts" if os.name == "nt" else "bin") / "python")
    requirements = HERE / "benchmarks" / "peers" / f"{name}.txt"
    session.run(its_python, "-m", "pip", "install", "--quiet", "-r", str(requirements), external=True)
    return its_python


def interpreter(version: str) -> str | None:
    """A Python of this version that runs and can make environments; a pyenv shim that answers 'not found' is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        sys.executable,
        shutil.which(f"python{version}"),
        *(str(path / "bin" / "python") for path in sorted(pyenv.glob(f"{version}*"), reverse=True)),
    ]
    probe = "import ensurepip, sqlite3, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        try:
            answer = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None
