"""A pytest plugin: after each test, what it logged, printed and stored holds no secret and no account.

It is on for the whole suite: `conftest` takes its hooks, and test_collecting_faults_late proves that they catch what is
planted. Tests of collecting are heard down to DEBUG as well.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

HEARD = ("test_collecti", "test_receiving", "test_stripe", "test_gocardless", "test_gateway_contract")
"""How the files begin whose tests are heard down to DEBUG."""

PLANTED = ("test_gateway_mutants",)
"""Whose tests leak on purpose: a gateway that logs its key is one of the mutants the contract must notice."""

NEVER = tuple(
    re.compile(pattern)
    for pattern in (
        rb"\b[sr]k_(test|live)_\w{8}",  # Stripe's API keys
        rb"\bwhsec_\w{8}",
        rb"\bmem_(key|whs)_[\w-]{10}",
        rb"sandbox_kX9-bench-token|bench-webhook-secret",
        rb"4242[ -]?4242[ -]?4242[ -]?4242",
        rb"\b(FR|DE|GB|NL|ES|IT|BE|AT|IE|PT)\d{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4} ?[A-Z0-9]{3,}",  # an IBAN
        rb"\bcs_(test|live)_\w+#fid",  # the part of a page's address that opens it
        rb"\b(pi|seti)_\w+_secret_\w",
    )
)


_LEVEL = logging.getLogger().level
_NOISE = re.compile(r"^DEBUG +(urllib3|asyncio|gocardless|stripe).*\n?", re.MULTILINE)


def leaks(text: bytes) -> list[str]:
    """What must never be seen, found in a text; only how it begins, so that nothing shows it."""
    return [
        f"{found.group()[:6].decode(errors='replace')}…"
        for pattern in NEVER
        for found in [pattern.search(text)]
        if found
    ]


def stored(folders: Iterable[Path]) -> bytes:
    """Every byte of the databases below some folders, journals too."""
    return b"\n".join(file.read_bytes() for each in folders for file in sorted(each.rglob("*.db*")))


def _heard(item: pytest.Item) -> bool:
    return item.path.name.startswith(HEARD)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hear everything that is logged, down to DEBUG, while a test of collecting runs."""
    root = logging.getLogger()
    if _heard(item):
        root.setLevel(logging.DEBUG)
    try:
        return (yield)
    finally:  # after its fixtures: caplog puts back what it has found
        root.setLevel(_LEVEL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that left a secret somewhere."""
    report = yield
    if _heard(item):  # what was only heard to be looked through is not shown
        report.sections = [(name, _NOISE.sub("", text)) for name, text in report.sections]
    if not item.path.name.startswith(PLANTED) and call.when in ("call", "teardown"):
        said = "\n".join(content for _, _, content in item._report_sections).encode()
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        found = leaks(said) + [f"{each} in a database" for each in leaks(stored([folder] if folder else []))]
        if found:
            report.outcome, report.longrepr = "failed", f"{item.nodeid} leaked: {', '.join(found)}"
    return report
