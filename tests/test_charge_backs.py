"""Charge-backs beside refunds, voids, credit notes and credit: what a customer has is what was paid, less what went back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from desks import all_of, money, store_of
from invoicecore import Invoice
from invoicecore.alerts import Alert, AlertKind, AlertState
from invoicecore.credits import CreditEntry
from invoicecore.messages import MessageKind
from invoicecore.payments import ReversalKind
from providers import House

Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Builds houses on files of their own, and tears them down."""
    made: list[House] = []

    def new(name: str, **how: Any) -> House:
        made.append(House(name, f"sqlite:///{tmp_path / f'{len(made)}.db'}", **how))
        return made[-1]

    yield new
    for house in made:
        house.close()


def collected(house: House) -> tuple[Invoice, str]:
    """(an invoice of 100.00 that was collected by a saved method, the provider's name of the payment)."""
    if not house.desk.methods.find(customer=house.guest):
        house.save()
    invoice = house.issue()
    reference = str(house.desk.payments.charge(invoice).reference)
    if house.name != "stripe":  # a card is collected at once
        house.bench.collect(reference)
    house.deliver()
    assert house.status(invoice) == "paid"
    return invoice, reference


def there(house: House, kind: AlertKind, state: AlertState | None = AlertState.OPEN) -> list[Alert]:
    found = all_of(store_of(house.desk), house.park, Alert)
    return [each for each in found if each.kind is kind and state in (None, each.state)]


@pytest.mark.rule("D2", "D6", "P4", "C8")
@pytest.mark.parametrize("after", ["voided before", "voided after", "credited after", "left open"])
@pytest.mark.parametrize("to", ["gateway", "credit"])
@pytest.mark.parametrize("name", ["memory", "stripe"])
def test_a_charge_back_won_after_a_refund_gives_nobody_the_money_again(
    name: str, to: str, after: str, build: Build
) -> None:
    house = build(name)
    invoice, reference = collected(house)
    house.desk.payments.refund(invoice, to=to)
    house.deliver()
    kept = house.desk.credits.balance(house.guest)
    assert kept == money(100 if to == "credit" else 0)
    if after == "voided before":
        house.desk.invoices.void(invoice)
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    assert house.desk.invoices.get(invoice).facts.held == money(-100)
    if after == "voided after":
        house.desk.invoices.void(invoice)
    if after == "credited after":
        house.desk.credit_notes.issue(invoice, reason="it was no stay")
    house.bench.undo_reversal(reference)
    house.deliver()
    assert house.desk.invoices.get(invoice).facts.held == money(0)
    assert house.desk.credits.balance(house.guest) == kept
    assert there(house, AlertKind.REVERSED_AFTER_REFUND) == [], "as much has come in again as went out"
    assert there(house, AlertKind.OVERPAID) == []
    house.check()


@pytest.mark.rule("D6", "P4")
def test_an_invoice_paid_anew_keeps_what_it_misses_and_the_rest_of_a_won_charge_back_is_credit(build: Build) -> None:
    house = build("memory")
    invoice, reference = collected(house)
    house.desk.payments.refund(invoice, money(40), to="gateway")
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    house.desk.payments.record(invoice, money(90))
    house.bench.undo_reversal(reference)
    house.deliver()
    assert house.desk.invoices.get(invoice).facts.held == money(60)
    assert house.desk.credits.balance(house.guest) == money(90)
    house.check()


@pytest.mark.rule("D3", "D6", "C8")
def test_an_invoice_that_credit_of_a_charged_back_payment_had_settled_is_named_and_its_payer_told(build: Build) -> None:
    house = build("memory", policy={"apply_credit": True})
    first = house.issue()
    page = house.page(first)
    house.desk.payments.record(first)
    house.bench.pay(page)  # it is open yet: credit, which settles the next invoice
    house.deliver()
    second = house.issue()
    assert house.status(second) == "paid"
    [paid] = house.charges()
    house.bench.reverse(paid.reference)
    house.deliver()
    assert (house.status(first), house.desk.invoices.get(second).balance) == ("paid", money(100))
    [told] = there(house, AlertKind.CHARGEBACK)
    assert house.desk.invoices.get(second).reference in told.text
    assert [each.kind for each in house.desk.messages.find(invoice=second)][-1] is MessageKind.PAYMENT_REVERSED
    assert MessageKind.PAYMENT_REVERSED not in [each.kind for each in house.desk.messages.find(invoice=first)]
    house.desk.deliver()
    assert f"{house.desk.invoices.get(second).number}" in house.post.letters[-1].subject
    house.check()


@pytest.mark.rule("P4")
def test_a_receipt_that_bounced_after_several_refunds_is_told_of_with_the_whole_sum(build: Build) -> None:
    house = build("memory")
    invoices = [house.issue(350), house.issue(1), house.issue(20)]
    payment = house.desk.payments.record(invoices)
    for each in invoices[:2]:
        house.desk.payments.refund(each, to="source")
    house.desk.payments.reverse(payment, reason="the cheque bounced")
    [told] = there(house, AlertKind.REVERSED_AFTER_REFUND)
    assert told.text.startswith("351.00 EUR had been refunded")
    assert all(house.desk.invoices.get(each).reference in told.text for each in invoices[:2])


@pytest.mark.rule("D6")
def test_what_a_charge_back_gives_back_twice_is_told_of_twice(build: Build) -> None:
    house = build("memory")
    invoice, reference = collected(house)
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    house.desk.payments.record(invoice)
    for _ in range(2):
        house.bench.undo_reversal(reference)
        house.deliver()
        assert house.desk.credits.balance(house.guest) == money(100)
        [told] = there(house, AlertKind.OVERPAID)
        house.desk.alerts.resolve(told, resolution="seen")
        house.bench.reverse(reference, ReversalKind.CHARGEBACK)
        house.deliver()
        assert house.desk.credits.balance(house.guest) == money(0)
    assert len(all_of(store_of(house.desk), house.park, CreditEntry)) == 4
    house.check()


@pytest.mark.rule("P4", "S12")
def test_a_refund_that_comes_back_after_a_charge_back_leaves_nothing_to_look_at(build: Build) -> None:
    house = build("memory")
    invoice, reference = collected(house)
    refund = house.desk.payments.refund(invoice, to="gateway")
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    assert len(there(house, AlertKind.REVERSED_AFTER_REFUND)) == 1
    house.bench.settle_refund(str(refund.reference), failed=True)
    house.deliver()
    assert house.desk.invoices.get(invoice).facts.held == money(0)
    assert there(house, AlertKind.REVERSED_AFTER_REFUND) == []
    house.check()
