"""The walls between the rooms (docs/architecture.md), read from the source: nothing here imports the code it judges.

Each check takes a root that holds `src/` and `pyproject.toml` and returns one sentence per violation. Every check is
run on this repository, and on a small tree with a planted violation, which it must name.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE, ADAPTERS = "invoicecore", "invoicecore_adapters"

# A room is a module of src/invoicecore, or a package of that name.
RINGS: dict[int, tuple[str, ...]] = {
    0: ("altering", "errors", "money", "periods", "proration", "taxes"),
    1: (
        "parties",
        "payments",
        "messages",
        "collection",
        "inbox",
        "alerts",
        "invoices",
        "wording",
        "charges",
        "leases",
        "bookings",
        "credits",
        "credit_notes",
        "reminders",
        "statements",
        "documents",
    ),
    2: ("ports", "clock"),
    3: ("forking", "spans", "plugins", "serde", "moving", "billing"),
    4: ("testing",),
}
RING_OF = {room: ring for ring, rooms in RINGS.items() for room in rooms}
# Within ring 1 a room imports only rooms of an earlier step.
RING_1_STEPS = (
    {"parties", "payments", "inbox", "alerts"},
    {"messages", "collection"},  # a message's error is text as parties have it
    {"invoices"},
    {"wording"},
    {"charges", "leases", "bookings", "credits", "credit_notes"},
    {"reminders", "statements"},
    {"documents"},
)
STEP_OF = {room: step for step, rooms in enumerate(RING_1_STEPS) for room in rooms}

# What has a clock, chance, or an outside; and the two libraries that belong to ring 3.
IMPURE_MODULES = frozenset(
    "asyncio builtins concurrent ctypes fcntl glob http importlib io logging multiprocessing os pathlib random secrets "
    "select selectors shutil signal socket sqlite3 ssl subprocess sys tempfile threading time urllib uuid warnings "
    "pluggy cattrs".split()
)
# Words are data that come in files: the one module of the inner rings that reads them, and shares them in a process.
OUTSIDE = "invoicecore.wording.outside"
IMPURE_CALLS = frozenset("open print input exec eval compile __import__ breakpoint now today utcnow".split())
IMPURE_ATTRIBUTES = frozenset("now today utcnow fromtimestamp utcfromtimestamp".split())

# A library that only one kind of room may know. The clock is where an instant becomes a date.
DOORS = {
    "pendulum": {"periods", "clock"},
    "moneyed": {"money"},
    "cattrs": {"serde"},
}
VENDORS = tuple(
    "adyen aiosmtp asyncpg braintree celery cockroach django gocardless mailgun mariadb mollie mongo mysql paypal "
    "postgres postmark opentelemetry procrastinate psycopg sendgrid smtp sqlalchemy sqlite starlette stripe typst".split()
)
# What `import invoicecore` must leave alone: vendors' libraries, the adapters, and what only tests need.
NOT_LOADED = frozenset(
    "sqlalchemy sqlite3 psycopg procrastinate stripe gocardless_pro opentelemetry smtplib typst rich starlette django "
    "httpx requests "
    "pytest _pytest hypothesis".split()
) | {ADAPTERS}

# `invoicecore web` serves the pay pages; the demo runs both gateways against their simulators, on a clock of its own,
# which no URL could give them; its log is written in the lines of the telemetry.
SERVES = {"cli": {"web", "stripe", "gocardless", "simulators", "telemetry"}}
# Shells over Billing, and providers for tests: nothing looks them up by name.
NOT_PLUGINS = {"cli", "web", "simulators", "procrastinate"}
NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "misc"}
MOST_LINES = 450


# --- reading a tree ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Module:
    name: str  # dotted: invoicecore.billing.drafting; a package has the name of its folder
    path: Path
    tree: ast.Module
    text: str

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def room(self) -> str:
        """The first name below the import package; empty for its `__init__`."""
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def ring(self) -> int | None:
        return RING_OF.get(self.room) if self.package == CORE else None

    def at(self, node: ast.AST | int) -> str:
        return f"{self.path.as_posix()}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Import:
    target: str  # the module meant, as deep as this tree knows it
    names: tuple[str, ...]  # what is taken from it; empty for `import x`
    line: int


@cache
def modules(root: Path) -> dict[str, Module]:
    found = {}
    for path in sorted((root / "src").rglob("*.py")):
        parts = path.relative_to(root / "src").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            text = path.read_text("utf-8")
            found[name] = Module(name, path.relative_to(root), ast.parse(text, str(path)), text)
    return found


def core(root: Path) -> Iterator[Module]:
    return (module for module in modules(root).values() if module.package == CORE)


def adapters(root: Path) -> Iterator[Module]:
    return (module for module in modules(root).values() if module.package == ADAPTERS)


def imports(module: Module, root: Path, *, typing: bool = True) -> Iterator[Import]:
    """Every import, wherever it stands: in a function, and under TYPE_CHECKING unless `typing` is False."""
    known = modules(root)
    apart = set() if typing else {each for node in ast.walk(module.tree) if _for_types(node) for each in ast.walk(node)}
    for node in ast.walk(module.tree):
        if node in apart:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                here = module.name.split(".")
                up = node.level - (1 if module.is_package else 0)
                source = ".".join([*here[: len(here) - up], *([source] if source else [])])
            submodules = [alias.name for alias in node.names if f"{source}.{alias.name}" in known]
            for name in submodules:
                yield Import(f"{source}.{name}", (), node.lineno)
            names = tuple(alias.name for alias in node.names if alias.name not in submodules)
            if names:
                yield Import(source, names, node.lineno)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def bare_strings(tree: ast.AST) -> set[ast.Constant]:
    """Docstrings, of attributes too: strings that are statements."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


# --- rule 1: a module imports its own ring or lower -------------------------------------------------------------------


def every_module_has_a_room(root: Path) -> list[str]:
    return [
        f"{module.at(1)}: `{module.room}` has no room: place it in RINGS, or in a room that is there"
        for module in core(root)
        if module.room and module.ring is None
    ]


def imports_go_inwards(root: Path) -> list[str]:
    wrong = []
    for module in core(root):
        if module.ring is None:
            continue
        for found in imports(module, root):
            if not below(found.target, CORE):
                continue
            room = found.target.split(".")[1] if "." in found.target else ""
            where = f"{module.at(found.line)}: {module.room} (ring {module.ring})"
            if not room:
                if module.ring < 4:
                    wrong.append(f"{where} imports the package root; import the room that has {', '.join(found.names)}")
            elif RING_OF.get(room, 99) > module.ring:
                wrong.append(f"{where} imports {room} (ring {RING_OF.get(room, 'unknown')})")
            elif module.ring == RING_OF[room] == 1 and room != module.room and STEP_OF[room] >= STEP_OF[module.room]:
                wrong.append(f"{where} imports {room}, which does not come before it in RING_1_STEPS")
    return wrong


def no_import_runs_in_a_circle(root: Path) -> list[str]:
    known = modules(root)
    graph: dict[str, set[str]] = {}
    for module in known.values():
        targets = {found.target for found in imports(module, root)} & set(known)
        graph[module.name] = targets - {module.name}
    circles: list[str] = []
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            circle = [*path[path.index(name) :], name]
            circles.append(f"{known[name].at(1)}: imports run in a circle: {' -> '.join(circle)}")
        elif name not in done:
            for target in sorted(graph[name]):
                visit(target, [*path, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return circles


# --- rule 2: rings 0 and 1 are pure -----------------------------------------------------------------------------------


def the_inner_rings_are_pure(root: Path) -> list[str]:
    wrong = []
    for module in core(root):
        if module.ring not in (0, 1) or module.name == OUTSIDE:
            continue
        for found in imports(module, root, typing=False):
            if found.target.partition(".")[0] in IMPURE_MODULES:
                wrong.append(f"{module.at(found.line)}: {module.room} is pure and imports {found.target}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                wrong.append(f"{module.at(node)}: {module.room} is pure and calls {node.func.id}()")
            elif isinstance(node, ast.Attribute) and node.attr in IMPURE_ATTRIBUTES:
                wrong.append(f"{module.at(node)}: {module.room} is pure and reaches for .{node.attr}; take the day")
    return wrong


def each_library_has_its_door(root: Path) -> list[str]:
    return [
        f"{module.at(found.line)}: {library} is for {' and '.join(sorted(doors))} only"
        for module in core(root)
        for found in imports(module, root)
        for library, doors in DOORS.items()
        if below(found.target, library)
        and not (module.room in doors or (module.name.rpartition(".")[2] in doors and (module.ring or 0) >= 2))
    ]


# --- rule 3: the core knows no adapter and no vendor ------------------------------------------------------------------


def the_core_knows_no_adapter(root: Path) -> list[str]:
    return [
        f"{module.at(found.line)}: the core imports {found.target}"
        for module in core(root)
        for found in imports(module, root)
        if below(found.target, ADAPTERS)
    ]


def the_core_spells_no_vendor(root: Path) -> list[str]:
    wrong = []
    for module in core(root):
        prose = bare_strings(module.tree)
        for node in ast.walk(module.tree):
            if node in prose:
                continue
            for word in _words(node):
                wrong += [
                    f"{module.at(node)}: the core spells {vendor!r} in {word!r}"
                    for vendor in (*VENDORS, ADAPTERS)
                    if vendor in word.casefold()
                ]
    return wrong


def _words(node: ast.AST) -> Iterator[str]:
    """The names and texts one node spells itself."""
    for field in ("id", "attr", "arg", "name", "asname", "module", "value", "names"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value
        elif isinstance(node, ast.Global | ast.Nonlocal) and field == "names":
            yield from node.names


# --- rule 4: adapters know the core's public modules and their vendor -------------------------------------------------


def adapters_know_only_the_public_core(root: Path) -> list[str]:
    wrong = []
    for module in adapters(root):
        for found in imports(module, root):
            where = f"{module.at(found.line)}: adapter {module.room or '__init__'}"
            if below(found.target, CORE):
                private = [part for part in (*found.target.split("."), *found.names) if _private(part)]
                if private:
                    wrong.append(f"{where} imports the core's private {', '.join(private)}")
            elif below(found.target, ADAPTERS):
                others = {found.target.split(".")[1]} if "." in found.target else set(found.names)
                others -= {module.room, *SERVES.get(module.room, ())}
                if others:
                    wrong.append(f"{where} imports another adapter: {', '.join(sorted(others))}")
    return wrong


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def importing_the_core_is_light(root: Path) -> list[str]:
    """Asks a child process, since what is imported by what is imported counts too."""
    script = (
        "import json, sys; before = set(sys.modules); import invoicecore;"
        "print(json.dumps(sorted({m.partition('.')[0] for m in set(sys.modules) - before})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120)
    if child.returncode:
        return [f"`import invoicecore` fails: {child.stderr.strip()}"]
    return [f"`import invoicecore` loads {name}" for name in json.loads(child.stdout) if name in NOT_LOADED]


# --- rule 5: billing and testing are at the top -----------------------------------------------------------------------


def only_the_root_imports_billing(root: Path) -> list[str]:
    return [
        f"{module.at(found.line)}: {module.name} imports billing; take it from `invoicecore`"
        for module in modules(root).values()
        for found in imports(module, root)
        if below(found.target, f"{CORE}.billing") and module.name != CORE and not below(module.name, f"{CORE}.billing")
    ]


def the_core_does_not_import_testing(root: Path) -> list[str]:
    return [
        f"{module.at(found.line)}: {module.name} imports testing"
        for module in core(root)
        for found in imports(module, root)
        if below(found.target, f"{CORE}.testing") and not below(module.name, f"{CORE}.testing")
    ]


# --- rule 6: built-in adapters are found as a stranger's are ----------------------------------------------------------


def built_in_adapters_are_entry_points(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    entries: dict[str, str] = project.get("entry-points", {}).get(CORE, {})
    targets = {**entries, **project.get("scripts", {})}
    known = modules(root)
    wrong = []
    for name, target in targets.items():
        dotted, _, attribute = target.partition(":")
        if dotted not in known:
            wrong.append(f"pyproject.toml: entry point {name} names {dotted}, which does not exist")
        elif attribute not in _defined(known[dotted]):
            wrong.append(f"pyproject.toml: entry point {name} names {attribute}, which {dotted} does not define")
    registered = {target.partition(":")[0].split(".")[1] for target in entries.values() if below(target, ADAPTERS)}
    rooms = {module.room for module in adapters(root)} - {""} - NOT_PLUGINS
    wrong += [
        f"pyproject.toml: adapter {room} is not in the entry-point group {CORE}"
        for room in sorted(rooms - registered)
        if not room.startswith("_")
    ]
    return wrong


def _defined(module: Module) -> set[str]:
    names: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


# --- rule 7: habits of every file -------------------------------------------------------------------------------------


def nothing_is_validated_by_assert(root: Path) -> list[str]:
    return [
        f"{module.at(node)}: `assert` disappears under -O; raise an error"
        for module in modules(root).values()
        if not below(module.name, f"{CORE}.testing")  # contracts are pytest tests
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
    ]


def no_public_signature_says_any(root: Path) -> list[str]:
    """`dict[str, Any]` says something; `Any`, alone or in a union, says nothing."""
    return [
        f"{module.at(line)}: bare Any in the public {name}"
        for module in modules(root).values()
        if not any(_private(part) for part in module.name.split("."))
        for name, line, annotation in _public_annotations(module.tree.body)
        if _is_any(annotation)
    ]


def _public_annotations(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, int, ast.expr]]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _public_annotations([*node.body, *node.orelse], prefix)
        elif isinstance(node, ast.ClassDef) and not _private(node.name):
            yield from _public_annotations(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _private(node.name):
            args = node.args
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            for found in [arg.annotation for arg in every if arg] + [node.returns]:
                if found is not None:
                    yield f"{prefix}{node.name}()", found.lineno, found
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not _private(node.target.id):
            yield f"{prefix}{node.target.id}", node.lineno, node.annotation


def _is_any(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _is_any(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp):
        return _is_any(node.left) or _is_any(node.right)
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _last_name(node.value) in {"Optional", "Union", "ClassVar", "Final"} and any(map(_is_any, inside))
    return _last_name(node) == "Any"


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


IGNORE = re.compile(r"#\s*(?:type:\s*ignore(?P<code>\[[^\]]*\])?|(?:ruff:\s*)?noqa(?P<rules>:(?:[\s,]*[A-Z]+\d+)+)?)")


def each_ignore_has_its_reason(root: Path) -> list[str]:
    wrong = []
    for module in modules(root).values():
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            if token.type == tokenize.COMMENT and (found := list(IGNORE.finditer(token.string))):
                if any(not (match["code"] or match["rules"]) for match in found):
                    wrong.append(f"{module.at(token.start[0])}: {token.string!r} does not say what it ignores")
                elif len(re.findall(r"\w+", IGNORE.sub("", token.string))) < 2:
                    wrong.append(f"{module.at(token.start[0])}: {token.string!r} gives no reason")
    return wrong


def no_file_is_two_rooms(root: Path) -> list[str]:
    return [
        f"{module.at(1)}: {lines} lines, more than {MOST_LINES}: two rooms in one?"
        for module in modules(root).values()
        if (lines := module.text.count("\n")) > MOST_LINES
    ]


def names_say_what_is_inside(root: Path) -> list[str]:
    return [
        f"{module.at(1)}: {part!r} does not say what is inside"
        for module in modules(root).values()
        for part in module.name.split(".")[-1:]
        if NAMES_THAT_SAY_NOTHING & set(part.split("_"))
    ]


# --- the rules hold here ----------------------------------------------------------------------------------------------

Check = Callable[[Path], list[str]]
CHECKS: tuple[Check, ...] = (
    every_module_has_a_room,
    imports_go_inwards,
    no_import_runs_in_a_circle,
    the_inner_rings_are_pure,
    each_library_has_its_door,
    the_core_knows_no_adapter,
    the_core_spells_no_vendor,
    adapters_know_only_the_public_core,
    importing_the_core_is_light,
    only_the_root_imports_billing,
    the_core_does_not_import_testing,
    built_in_adapters_are_entry_points,
    nothing_is_validated_by_assert,
    no_public_signature_says_any,
    each_ignore_has_its_reason,
    no_file_is_two_rooms,
    names_say_what_is_inside,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_rule_holds_in_this_repository(check: Check) -> None:
    violations = check(ROOT)
    assert not violations, "\n" + "\n".join(violations)


# --- and each rule can fail -------------------------------------------------------------------------------------------

PYPROJECT = """\
[project]
name = "invoicecore"
[project.scripts]
invoicecore = "invoicecore_adapters.cli:main"
[project.entry-points.invoicecore]
memory = "invoicecore_adapters.memory:plugin"
"""

# A house in order, with the things that look like violations and are none.
IN_ORDER = {
    "pyproject.toml": PYPROJECT,
    "src/invoicecore/__init__.py": "from invoicecore.billing import Billing\n",
    "src/invoicecore/money.py": (
        '"""As Stripe and SQLite do."""\nfrom decimal import Decimal\nfrom typing import Any\n'
        "def total(table: dict[str, Any], today: object) -> None: ...\n"
        "def _loose(anything: Any) -> Any: ...\n"
        "x: int = ''  # type: ignore[assignment]  # the reason is here\n"
        "from .errors import *  # noqa: F403 - every error is public here\n"
    ),
    "src/invoicecore/errors.py": "",
    "src/invoicecore/periods.py": "import pendulum\n",
    "src/invoicecore/invoices/__init__.py": "from invoicecore.invoices.lines import Line\n",
    "src/invoicecore/invoices/lines.py": "from ..payments import Payment\nclass Line: ...\n",
    "src/invoicecore/payments.py": "from invoicecore import money\nclass Payment: ...\n",
    "src/invoicecore/wording/__init__.py": "from invoicecore.invoices import Line\n",
    "src/invoicecore/documents.py": "from invoicecore.statements import Line\n",
    "src/invoicecore/statements.py": "from invoicecore.leases import Line\n",
    "src/invoicecore/leases.py": (
        "from typing import TYPE_CHECKING\nfrom invoicecore.wording import Line\n"
        "if TYPE_CHECKING:\n    from pathlib import Path\n"
    ),
    "src/invoicecore/wording/outside.py": "from pathlib import Path\nfrom threading import Lock\n",
    "src/invoicecore/billing/__init__.py": "from .drafting import draft\nclass Billing: ...\n",
    "src/invoicecore/billing/drafting.py": "import uuid, datetime\nnow = datetime.datetime.now()\ndef draft(): ...\n",
    "src/invoicecore/testing/__init__.py": "from invoicecore import Billing\nassert Billing\n",
    "src/invoicecore_adapters/memory.py": "from invoicecore.money import total\nplugin = total\n",
    "src/invoicecore_adapters/cli/__init__.py": "from invoicecore_adapters.cli.show import main\n",
    "src/invoicecore_adapters/cli/show.py": (
        "from invoicecore import Billing\ndef main():\n    from invoicecore_adapters.web import serve\n"
    ),
    "src/invoicecore_adapters/web.py": "def serve(): ...\n",
}

PLANTED: list[tuple[Check, str, str, str]] = [
    (every_module_has_a_room, "src/invoicecore/stuff.py", "", "`stuff` has no room"),
    (every_module_has_a_room, "src/invoicecore/stuff/deep.py", "", "`stuff` has no room"),
    (
        imports_go_inwards,
        "src/invoicecore/money.py",
        "from invoicecore.invoices import Line",
        "money (ring 0) imports invo",
    ),
    (imports_go_inwards, "src/invoicecore/money.py", "from . import ports", "imports the package root"),
    (imports_go_inwards, "src/invoicecore/money.py", "def f():\n  import invoicecore.serde", "imports serde (ring 3)"),
    (
        imports_go_inwards,
        "src/invoicecore/payments.py",
        "from .invoices import Line",
        "payments (ring 1) imports invoices",
    ),
    (imports_go_inwards, "src/invoicecore/credits.py", "from .leases import Lease", "credits (ring 1) imports leases"),
    (imports_go_inwards, "src/invoicecore/reminders.py", "from .documents import S", "reminders (ring 1) imports docu"),
    (
        imports_go_inwards,
        "src/invoicecore/invoices/lines.py",
        "from ..wording import s",
        "invoices (ring 1) imports word",
    ),
    (imports_go_inwards, "src/invoicecore/ports.py", "from invoicecore import Billing", "imports the package root"),
    (
        imports_go_inwards,
        "src/invoicecore/taxes.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from invoicecore.invoices import Line",
        "taxes.py:3: taxes (ring 0) imports invoices (ring 1)",
    ),
    (
        no_import_runs_in_a_circle,
        "src/invoicecore/errors.py",
        "from invoicecore.money import total",
        "errors -> invoicecore",
    ),
    (
        no_import_runs_in_a_circle,
        "src/invoicecore/billing/drafting.py",
        "from . import Billing",
        "drafting -> invoicecore.b",
    ),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "import uuid", "leases is pure and imports uuid"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "from os.path import join", "imports os.path"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "import time", "imports time"),
    (the_inner_rings_are_pure, "src/invoicecore/wording/labels.py", "from pathlib import Path", "wording is pure and"),
    (the_inner_rings_are_pure, "src/invoicecore/wording/sentences.py", "import threading", "imports threading"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "import random", "imports random"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "import logging", "imports logging"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "import sqlite3", "imports sqlite3"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "from pluggy import HookimplMarker", "imports pluggy"),
    (the_inner_rings_are_pure, "src/invoicecore/leases.py", "from cattrs import Converter", "imports cattrs"),
    (the_inner_rings_are_pure, "src/invoicecore/invoices/lines.py", "open('x')", "invoices is pure and calls open()"),
    (the_inner_rings_are_pure, "src/invoicecore/periods.py", "import datetime\ndatetime.date.today()", "for .today"),
    (the_inner_rings_are_pure, "src/invoicecore/periods.py", "field(factory=datetime.now)", "reaches for .now"),
    (the_inner_rings_are_pure, "src/invoicecore/periods.py", "today()", "calls today()"),
    (
        each_library_has_its_door,
        "src/invoicecore/leases.py",
        "import pendulum",
        "pendulum is for clock and periods only",
    ),
    (each_library_has_its_door, "src/invoicecore/ports.py", "from pendulum.tz import x", "pendulum is for clock and"),
    (
        each_library_has_its_door,
        "src/invoicecore/invoices/clock.py",
        "import pendulum",
        "pendulum is for clock and periods",
    ),
    (each_library_has_its_door, "src/invoicecore/charges.py", "from moneyed import Money", "moneyed is for money only"),
    (each_library_has_its_door, "src/invoicecore/billing/x.py", "import cattrs", "cattrs is for serde only"),
    (
        the_core_knows_no_adapter,
        "src/invoicecore/plugins.py",
        "import invoicecore_adapters.memory",
        "the core imports inv",
    ),
    (the_core_spells_no_vendor, "src/invoicecore/ports.py", "URL = 'SQLite:///x.db'", "spells 'sqlite' in 'SQLite:///"),
    (the_core_spells_no_vendor, "src/invoicecore/ports.py", "class StripeGateway: ...", "spells 'stripe'"),
    (the_core_spells_no_vendor, "src/invoicecore/ports.py", "def f(smtp_host=1): ...", "spells 'smtp' in 'smtp_host'"),
    (the_core_spells_no_vendor, "src/invoicecore/ports.py", "x = f'gocardless-{1}'", "spells 'gocardless'"),
    (the_core_spells_no_vendor, "src/invoicecore/ports.py", "from sqlalchemy import text", "spells 'sqlalchemy'"),
    (
        the_core_spells_no_vendor,
        "src/invoicecore/ports.py",
        "load('invoicecore_adapters')",
        "spells 'invoicecore_adapters'",
    ),
    (
        adapters_know_only_the_public_core,
        "src/invoicecore_adapters/memory.py",
        "from invoicecore._x import y",
        "private _x",
    ),
    (
        adapters_know_only_the_public_core,
        "src/invoicecore_adapters/memory.py",
        "from invoicecore.money import _y",
        "_y",
    ),
    (
        adapters_know_only_the_public_core,
        "src/invoicecore_adapters/cli/x.py",
        "from .. import memory",
        "adapter: memory",
    ),
    (
        adapters_know_only_the_public_core,
        "src/invoicecore_adapters/cli/x.py",
        "import invoicecore_adapters.sql.q",
        "r: sql",
    ),
    (
        adapters_know_only_the_public_core,
        "src/invoicecore_adapters/web.py",
        "import invoicecore_adapters.cli",
        "adapter: cli",
    ),
    (
        importing_the_core_is_light,
        "src/invoicecore/serde.py",
        "raise ImportError('spilt')",
        "`import invoicecore` fails",
    ),
    (importing_the_core_is_light, "src/invoicecore/serde.py", "import pytest", "`import invoicecore` loads pytest"),
    (importing_the_core_is_light, "src/invoicecore/serde.py", "import sqlite3", "`import invoicecore` loads sqlite3"),
    (only_the_root_imports_billing, "src/invoicecore/serde.py", "from . import billing", "serde imports billing"),
    (
        only_the_root_imports_billing,
        "src/invoicecore/testing/x.py",
        "import invoicecore.billing.drafting",
        "testing.x impo",
    ),
    (
        only_the_root_imports_billing,
        "src/invoicecore_adapters/memory.py",
        "from invoicecore.billing import x",
        "ory impo",
    ),
    (
        the_core_does_not_import_testing,
        "src/invoicecore/__init__.py",
        "from .testing import x",
        "invoicecore imports test",
    ),
    (
        built_in_adapters_are_entry_points,
        "src/invoicecore_adapters/sql/__init__.py",
        "",
        "adapter sql is not in the entry",
    ),
    (
        built_in_adapters_are_entry_points,
        "src/invoicecore_adapters/memory.py",
        "",
        "names plugin, which invoicecore_ada",
    ),
    (
        built_in_adapters_are_entry_points,
        "pyproject.toml",
        PYPROJECT.replace("y:p", "i:p"),
        "memori, which does not exist",
    ),
    (
        nothing_is_validated_by_assert,
        "src/invoicecore/money.py",
        "def f(x):\n    assert x",
        "money.py:2: `assert` disap",
    ),
    (no_public_signature_says_any, "src/invoicecore/money.py", "def f(x: Any) -> None: ...", "the public f()"),
    (
        no_public_signature_says_any,
        "src/invoicecore/money.py",
        "class A:\n def f(self) -> 'Any | None': ...",
        "c A.f()",
    ),
    (no_public_signature_says_any, "src/invoicecore/money.py", "class A:\n x: typing.Any = 1", "the public A.x"),
    (each_ignore_has_its_reason, "src/invoicecore/money.py", "x = 1  # type: ignore[misc]", "gives no reason"),
    (each_ignore_has_its_reason, "src/invoicecore/money.py", "x = 1  # type: ignore  # as it is", "does not say what"),
    (each_ignore_has_its_reason, "src/invoicecore/money.py", "x = 1  # noqa: E501", "gives no reason"),
    (each_ignore_has_its_reason, "src/invoicecore/money.py", "x = 1  # noqa", "does not say what"),
    (no_file_is_two_rooms, "src/invoicecore/money.py", "x = 1\n" * 451, "money.py:1: 451 lines"),
    (names_say_what_is_inside, "src/invoicecore_adapters/sql/utils.py", "", "'utils' does not say what is inside"),
    (names_say_what_is_inside, "src/invoicecore/billing/_store_helpers.py", "", "'_store_helpers' does not say"),
]


def grow(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_house_in_order_passes(check: Check, tmp_path: Path) -> None:
    assert check(grow(tmp_path, IN_ORDER)) == []


@pytest.mark.parametrize(
    "check, file, text, named", PLANTED, ids=[f"{plant[0].__name__}-{plant[3]}" for plant in PLANTED]
)
def test_a_planted_violation_is_named(check: Check, file: str, text: str, named: str, tmp_path: Path) -> None:
    files = {**IN_ORDER, file: text}
    if check is importing_the_core_is_light:
        files["src/invoicecore/__init__.py"] = "import invoicecore.serde\n"
    violations = check(grow(tmp_path, files))
    assert any(named in violation for violation in violations), violations


def test_every_rule_has_a_planted_violation() -> None:
    assert {plant[0] for plant in PLANTED} == set(CHECKS)


def test_every_room_of_ring_1_has_its_step() -> None:
    assert set(STEP_OF) == set(RINGS[1])
