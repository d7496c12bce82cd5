"""A small soak on each database: months of billing by processes that are killed, and the auditor finds nothing wrong.

`nox -s soak` plays the full size. INVOICECORE_SOAK_SEED repeats what chance decided, as far as processes side by side
repeat themselves.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import postgres
from soak import SEED, Size, quickest, soak

SMALL = Size(leases=40, months=3, workers=3, step=5, kills=0.9)


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory where there is one."""
    with TemporaryDirectory(dir=quickest()) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, quick: Path) -> Iterator[str]:
    """The URL of an empty store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{quick / 'soak.db'}"
    else:
        made = postgres.database()
        yield made
        postgres.drop(made)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")
@pytest.mark.rule("N1", "N2", "S7", "D2", "D3", "D6", "C8", "N3", "R7")
def test_months_of_billing_by_processes_that_are_killed_leave_nothing_to_find(url: str, quick: Path) -> None:
    verdict = soak(url, SMALL, SEED, quick)
    print(verdict)
    assert not verdict.findings, verdict
    assert not verdict.troubles, verdict
    figures = verdict.figures
    for name in ("kills", "webhooks lost", "webhooks late", "webhooks doubled", "rows of refunds", "late invoices"):
        assert figures[name] > 0, f"{name}: nothing of the kind happened\n{verdict}"
    assert figures["rows of invoices"] > 100, verdict
