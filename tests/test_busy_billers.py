"""A biller that another transaction keeps: the others are served, it is named in the report, and its turn comes later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any

import pytest

import postgres
from desks import money, save, wired
from invoicecore import Billing, Frequency
from invoicecore.errors import Busy, StoreError
from invoicecore.parties import Biller, InvoiceMethod
from invoicecore.testing import FixedClock
from invoicecore_adapters.sql.store import SqlStore

NOON = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


@pytest.fixture
def url() -> Iterator[str]:
    """A database whose writers wait for an instant only."""
    made = postgres.new()
    yield made + ("&" if "?" in made else "?") + "timeout=0.2"
    postgres.drop(made)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def desk(url: str, clock: FixedClock) -> Iterator[Billing]:
    with Billing.open(url, clock=clock) as made:
        yield wired(made)


@pytest.fixture
def parks(desk: Billing) -> list[Biller]:
    """Three billers by id, each with a lease that is debited and one that is invoiced by e-mail."""
    made = []
    for n in range(3):
        park = desk.billers.add(name=f"P{n}", currency="EUR", timezone="UTC", locale="en_GB", preset="residents")
        desk.billers.edit(park, policy={"run_issues": True, "reminders": (1,)})
        for method in (InvoiceMethod.DIRECT_DEBIT, InvoiceMethod.EMAIL_PDF):
            who = desk.customers.add(biller=park, name="Alice", email="alice@example.com")
            if method is InvoiceMethod.DIRECT_DEBIT:
                save(desk, who)
            desk.leases.add(
                biller=park, customer=who, rent=money(500), frequency=Frequency.MONTHLY, starts=date(2026, 3, 7),
                method=method,
            )  # fmt: skip
        made.append(park)
    return sorted(made, key=lambda park: park.id)


@pytest.mark.rule("R18")
def test_a_biller_that_somebody_keeps_is_reported_and_stops_no_other(
    desk: Billing, parks: list[Biller], clock: FixedClock, url: str
) -> None:
    journeys: dict[str, tuple[timedelta, Callable[[], Any], str]] = {
        "run": (timedelta(), desk.run, "created"),
        "deliver": (timedelta(), desk.deliver, "sent"),
        "collect": (timedelta(days=4), desk.collect, "pending"),
        "recover": (timedelta(days=9), desk.recover, "pending"),
        "remind": (timedelta(days=30), desk.remind, "created"),
    }
    kept = parks[0]
    with closing(SqlStore(url)) as somebody:
        for name, (wait, journey, tally) in journeys.items():
            clock.advance(wait)
            with somebody.writing(biller=kept.id):
                report = journey()
            assert report.failed == 1, (name, report)
            [failed] = report.failed
            assert (failed.code, failed.biller) == ("busy", kept.id), name
            others = getattr(report, tally).count
            assert others > 0, name
            report = journey()
            assert (getattr(report, tally).count, report.failed) == (others // 2, 0), name


def test_the_one_that_is_asked_for_and_kept_is_raised(desk: Billing, parks: list[Biller], url: str) -> None:
    with closing(SqlStore(url)) as somebody, somebody.writing(biller=parks[0].id):
        with pytest.raises(Busy, match=f"the records of biller {parks[0].id} for too long; try again") as busy:
            desk.run(biller=parks[0])
        assert busy.value.biller == parks[0].id


def test_a_store_that_somebody_keeps_whole_stops_a_run_at_once(desk: Billing, parks: list[Biller], url: str) -> None:
    with closing(SqlStore(url)) as somebody, somebody.writing(), pytest.raises(StoreError, match="too long") as raised:
        desk.run()
    assert type(raised.value) is StoreError
    assert desk.run().created == 6
