"""What most tests stand on: a store of each kind, a clock that stands still, a desk, and three small businesses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collecting import agree, desk, finds_only, gateway, issue, save, shows
from desks import BASE, Drawer, Post, Scribe
from hygiene import pytest_runtest_makereport, pytest_runtest_protocol
from invoicecore import Billing, Plugins
from invoicecore.parties import Biller, Customer
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory, sql

__all__ = [
    "NOON",
    "agree",
    "desk",
    "finds_only",
    "gateway",
    "issue",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "save",
    "shows",
]
# The hooks: nothing of collecting leaks a secret; the fixtures in lower case: what tests of collecting stand on.

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""The instant at which the tests happen: a Monday, the same civil date in all three businesses' zones."""


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new and empty store; every test that asks for it runs once for each kind."""
    if request.param == "postgresql":
        import postgres  # the browser's session has no PostgreSQL

        with postgres.lent() as url:
            yield url
    else:
        yield "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/x.db"


@pytest.fixture
def clock() -> FixedClock:
    """Monday 2 March 2026, noon in UTC, until the test moves it."""
    return FixedClock(NOON)


@pytest.fixture
def billing(store_url: str, clock: FixedClock) -> Iterator[Billing]:
    """A desk on a new store of each kind, with the built-in stores, an outside in memory and no other plugin."""
    with Billing.open(
        store_url,
        clock=clock,
        plugins=Plugins.of(memory.plugin, sql.plugin),
        mailer=Post(),
        renderer=Drawer(),
        composer=Scribe(),
        gateway=memory.MemoryGateway(clock=clock),
        base_url=BASE,
    ) as desk:
        yield desk


@pytest.fixture
def park(billing: Billing) -> Biller:
    """A campground: stays, Europe/Paris, EUR."""
    return billing.billers.add(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays")


@pytest.fixture
def guest(billing: Billing, park: Biller) -> Customer:
    """A customer of the park."""
    return billing.customers.add(biller=park, name="Alice Martin", email="alice@example.com")


@pytest.fixture
def condo(billing: Billing) -> Biller:
    """A condominium: residents, America/Toronto, CAD."""
    return billing.billers.add(
        name="Maple Court", currency="CAD", timezone="America/Toronto", locale="en_CA", preset="residents"
    )


@pytest.fixture
def resident(billing: Billing, condo: Biller) -> Customer:
    """A customer of the condo, the primary resident of its unit 1."""
    who = billing.customers.add(biller=condo, name="Noah Tremblay", email="noah@example.com")
    billing.units.add(biller=condo, number="1", resident=who)
    return who


@pytest.fixture
def practice(billing: Billing) -> Biller:
    """A practice: clients, Europe/London, GBP."""
    return billing.billers.add(
        name="Harley & Co", currency="GBP", timezone="Europe/London", locale="en_GB", preset="clients"
    )


@pytest.fixture
def client(billing: Billing, practice: Biller) -> Customer:
    """A customer of the practice."""
    return billing.customers.add(biller=practice, name="Oliver Jones", email="oliver@example.com")
