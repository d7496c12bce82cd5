"""The auditor says nothing of what is rare and right: each of these looks like a loss and is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from auditor import Finding, Moved, audit
from invoicecore import Billing, Frequency, Item, Money, TaxRate
from invoicecore.invoices import Lifecycle
from invoicecore.leases import Lease
from invoicecore.money import minor
from invoicecore.parties import Biller, Customer
from invoicecore.testing import FixedClock
from providers import House

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Inn:
    """A campground with one guest, on an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'inn.db'}"
        self.clock = FixedClock(NOON)
        self.desk = Billing.open(self.url, clock=self.clock)
        self.biller: Biller = self.desk.billers.add(
            name="Inn", currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays"
        )
        self.guest: Customer = self.desk.customers.add(biller=self.biller, name="ann")

    def lease(self, ends: date | None = None) -> Lease:
        """A lease by the month since the month before."""
        return self.desk.leases.add(
            biller=self.biller, customer=self.guest, rent=Money(600, "EUR"), starts=date(2026, 2, 1), ends=ends,
            frequency=Frequency.MONTHLY,
        )  # fmt: skip

    def audited(self, **more: object) -> list[Finding]:
        """What the auditor says of it now."""
        return audit(self.url, at=self.clock.now(), **more)  # type: ignore[arg-type]  # of audit's own


@pytest.fixture
def inn(tmp_path: Path) -> Iterator[Inn]:
    made = Inn(tmp_path)
    yield made
    made.desk.close()


@pytest.mark.parametrize("voided", [True, False], ids=["void", "left as it is"])
def test_a_period_up_to_the_end_a_lease_began_with_is_right_though_it_ends_sooner_now(inn: Inn, voided: bool) -> None:
    lease = inn.lease(ends=date(2026, 3, 20))
    inn.desk.run()
    made = inn.desk.invoices.find(lease=lease).items[-1]
    assert made.period is not None
    assert made.period.end == date(2026, 3, 21)
    if voided:
        inn.desk.invoices.void(made)
    inn.desk.leases.end(lease, date(2026, 3, 10))
    assert inn.audited() == []


def test_a_period_that_was_asked_for_ahead_of_its_time_is_not_early(inn: Inn) -> None:
    lease = inn.lease()
    inn.desk.run()
    inn.desk.leases.generate(lease, key="april")
    may = inn.desk.leases.generate(lease)
    assert inn.audited(by_hand=[may.id]) == []
    assert {(each.kind, each.about) for each in inn.audited()} == {("early", may.id), ("period early", may.id)}


def test_what_a_refund_that_failed_leaves_on_a_void_invoice_is_no_loss(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'house.db'}"
    house = House("gocardless", url)
    try:
        house.save()
        invoice = house.issue(100)
        charged = house.desk.payments.charge(invoice)
        house.bench.collect(charged.reference)
        house.deliver()
        refund = house.desk.payments.refund(invoice, to="gateway")
        house.desk.invoices.void(invoice)
        house.bench.settle_refund(refund.reference, failed=True)
        house.deliver()
        house.desk.deliver()
        after = house.desk.invoices.get(invoice)
        assert after.lifecycle is Lifecycle.VOID
        assert after.facts.held.amount == 100
        effects = [each for each in house.bench.effects() if each.key]
        ledger = [Moved(e.kind.value, e.key or "", e.reference, minor(e.amount) if e.amount else 0) for e in effects]
        assert audit(url, at=house.clock.now(), ledger=ledger) == []
    finally:
        house.close()


def test_a_debit_that_somebody_called_off_is_theirs_to_ask_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'house.db'}"
    house = House("gocardless", url)
    try:
        house.save()
        house.move(hours=3)
        desk = house.desk
        desk.leases.add(
            biller=house.park,
            customer=house.guest,
            rent=Money(300, "EUR"),
            starts=date(2026, 3, 5),
            method="direct_debit",
        )
        desk.run()
        desk.collect()
        [debit] = desk.collections.find(biller=house.park)
        desk.collections.cancel(debit)
        house.deliver()
        desk.deliver()
        assert audit(url, at=house.clock.now(), ledger=[Moved("payment", debit.id, "PM", 30_000)]) == []
    finally:
        house.close()


@pytest.mark.parametrize("included", [True, False], ids=["tax included", "tax on top"])
def test_notes_of_lines_amounts_and_what_is_left_are_right_to_the_cent(inn: Inn, included: bool) -> None:
    rates = [TaxRate(name="VAT", percent="20", category="S"), TaxRate(name="Bed", percent="5.5")]
    prices = [("99.99", (0, 1)), ("10.01", (0,)), ("-3.33", (1,)), ("7.77", ())]
    lines = [Item(description=to, unit_price=Money(to, "EUR"), taxes=tuple(rates[n] for n in of)) for to, of in prices]
    draft = inn.desk.invoices.draft(
        biller=inn.biller, customer=inn.guest, title="All", lines=lines, prices_include_tax=included
    )
    bill = inn.desk.invoices.publish(draft)
    inn.desk.credit_notes.issue(bill, {1: Money("3.33", "EUR"), 3: None})
    inn.desk.payments.record(bill, Money(60, "EUR"))
    inn.desk.credit_notes.issue(bill, amount=Money("41.07", "EUR"))
    inn.desk.payments.refund(bill, Money(20, "EUR"))
    inn.desk.credit_notes.issue(bill, amount=Money("17.01", "EUR"), to="source")
    assert inn.audited() == []
    inn.desk.credit_notes.issue(bill)
    assert inn.audited() == []
