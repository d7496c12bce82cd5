"""Alerts: raised once of the same thing, found until somebody says how they were dealt with (D6, R18)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from conftest import NOON
from desks import everything, gateway_of, money, save, store_of
from invoicecore import Billing
from invoicecore.alerts import AlertKind, AlertState
from invoicecore.errors import InvalidValue, NotAllowed, NotFound
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway


@pytest.fixture
def gateway(billing: Billing) -> MemoryGateway:
    return gateway_of(billing)


def charged(billing: Billing, park: Biller, guest: Customer) -> tuple[Invoice, str]:
    """An invoice paid by a card, and the provider's name of the payment."""
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(50))
    invoice = billing.invoices.publish(draft, notify=False)
    return invoice, billing.payments.charge(invoice).reference or ""


@pytest.fixture
def paid(billing: Billing, park: Biller, guest: Customer) -> tuple[Invoice, str]:
    save(billing, guest, "card")
    return charged(billing, park, guest)


@pytest.mark.rule("D6", "D3", "R18")
def test_an_alert_is_there_until_somebody_says_how_it_was_dealt_with(
    billing: Billing, gateway: MemoryGateway, park: Biller, clock: FixedClock, paid: tuple[Invoice, str]
) -> None:
    invoice, reference = paid
    billing.receive("memory", *gateway.reverse(reference))
    [alert] = billing.alerts.find(biller=park)
    assert (alert.kind, alert.state, alert.invoice, alert.raised_at) == (
        AlertKind.CHARGEBACK, AlertState.OPEN, invoice.id, NOON,
    )  # fmt: skip
    assert "50.00 EUR was taken back" in alert.text
    clock.advance(timedelta(hours=1))
    done = billing.alerts.resolve(alert, resolution="  The guest was called.  ", actor="ana")
    assert (done.state, done.resolution, done.resolved_by, done.resolved_at) == (
        AlertState.RESOLVED, "The guest was called.", "ana", NOON + timedelta(hours=1),
    )  # fmt: skip
    assert billing.alerts.find(biller=park) == []
    assert billing.alerts.find(biller=park, state="resolved") == billing.alerts.find(biller=park, state=None) == [done]
    assert billing.alerts.get(alert.id) == done
    [step] = billing.invoices.timeline(done.id)
    assert (step.action, step.actor, step.detail) == ("resolved", "ana", "The guest was called.")
    with pytest.raises(NotAllowed, match="resolve"):
        billing.alerts.resolve(alert, resolution="again")
    assert billing.alerts.get(alert) == done


@pytest.mark.rule("D6")
def test_what_is_found_again_is_one_alert_and_a_resolved_one_opens_again_only_with_something_new(
    billing: Billing, gateway: MemoryGateway, park: Biller, clock: FixedClock, paid: tuple[Invoice, str]
) -> None:
    reference = paid[1]
    gateway.provider._things[reference]["amount"] = 7_000  # other money than was asked for
    told = []
    for _ in range(3):
        told.append(gateway.pay_out(reference))
        billing.receive("memory", *told[-1])
    [alert] = billing.alerts.find(biller=park)
    assert (alert.kind, alert.version) == (AlertKind.MISMATCH, 1)
    done = billing.alerts.resolve(alert, resolution="seen")
    clock.advance(timedelta(hours=1))
    billing.receive("memory", *gateway.pay_out(reference))
    assert billing.alerts.find(biller=park) == []
    gateway.provider._things[reference]["amount"] = 6_000
    billing.receive("memory", *gateway.pay_out(reference))
    [again] = billing.alerts.find(biller=park)
    assert (again.id, again.state, again.raised_at) == (done.id, AlertState.OPEN, NOON + timedelta(hours=1))


@pytest.mark.rule("D3", "D6")
def test_a_charge_back_that_is_won_answers_its_alert_itself(
    billing: Billing, gateway: MemoryGateway, park: Biller, paid: tuple[Invoice, str]
) -> None:
    invoice, reference = paid
    billing.receive("memory", *gateway.reverse(reference))
    billing.receive("memory", *gateway.undo_reversal(reference))
    assert billing.alerts.find(biller=park) == []
    [done] = billing.alerts.find(invoice=invoice, state=None)
    assert (done.state, done.resolution, done.resolved_by) == (AlertState.RESOLVED, "cancelled by the bank", "memory")
    assert billing.invoices.get(invoice).balance == money(0)


def test_alerts_are_found_by_invoice_and_in_pages(
    billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer, clock: FixedClock,
    paid: tuple[Invoice, str],
) -> None:  # fmt: skip
    pairs = [paid, *(charged(billing, park, guest) for _ in range(2))]
    for _, reference in pairs:
        billing.receive("memory", *gateway.reverse(reference))
        clock.advance(timedelta(seconds=1))
    found = billing.alerts.find(biller=park)
    assert [alert.invoice for alert in found] == [invoice.id for invoice, _ in pairs]
    assert billing.alerts.find(invoice=pairs[1][0]) == [found[1]]
    assert billing.alerts.find(biller=park, limit=2) == found[:2]
    assert billing.alerts.find(biller=park, after=found[1].id) == found[2:]
    with pytest.raises(InvalidValue, match="state"):
        billing.alerts.find(biller=park, state="gone")
    for strange in (f"{park.id}_inv_never", "nobody000000_inv_1"):
        with pytest.raises(NotFound):
            billing.alerts.find(invoice=strange)


@pytest.mark.rule("R18")
@pytest.mark.parametrize("resolution", ["", "   ", "a\x00b", "x" * 501, None])
def test_a_resolution_that_says_nothing_is_refused_and_nothing_is_written(
    billing: Billing, gateway: MemoryGateway, park: Biller, paid: tuple[Invoice, str], resolution: Any
) -> None:
    billing.receive("memory", *gateway.reverse(paid[1]))
    [alert] = billing.alerts.find(biller=park)
    before = everything(store_of(billing), park)
    with pytest.raises(InvalidValue, match="resolution"):
        billing.alerts.resolve(alert, resolution=resolution)
    for strange in (f"{park.id}_alr_never", "nobody000000_alr_1"):
        with pytest.raises(NotFound):
            billing.alerts.resolve(strange, resolution="done")
    assert everything(store_of(billing), park) == before
