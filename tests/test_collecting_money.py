"""The money a provider tells of: what comes in, what is taken back of it, and what is given back there or from here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from collecting import Agree, Issue, Save, Shows, alerts, ring, status, token_of, told
from desks import all_of, money, store_of
from invoicecore import Billing, Invoice, Status
from invoicecore.alerts import AlertKind
from invoicecore.collection import Collection
from invoicecore.errors import NotEnough, NotSupported, StateConflict
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, Refund, RefundState, Reversal, ReversalKind
from invoicecore.ports import RefundRequest, RefundSnapshot
from invoicecore.testing import FixedClock
from providers import Faulty, deliver

Return = Callable[..., RefundSnapshot]


@pytest.fixture
def by_card(desk: Billing, issue: Issue, save: Save) -> Collection:
    """An invoice of 100 that was paid by a saved card."""
    save(PaymentMethod.CARD)
    return desk.payments.charge(issue())


@pytest.fixture
def refunded_there(gateway: Faulty) -> Return:
    """Gives 40 of a payment back at the provider itself, where nothing is known of it here."""

    def made(of: Collection, amount: int = 40, before: int = 0) -> RefundSnapshot:
        wanted = RefundRequest(payment=of.reference or "", amount=money(amount), refunded_before=money(before))
        return gateway.inner.refund(wanted, f"dashboard {before}")  # type: ignore[no-any-return]  # it is any gateway

    return made


def collected(desk: Billing, gateway: Faulty, invoice: Invoice) -> Collection:
    """A debit of an invoice whose money has come."""
    made = desk.payments.charge(invoice)
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    return made


def fails_and_arrives(
    desk: Billing, gateway: Faulty, refund: Refund, of: Collection, meanwhile: Callable[[], None]
) -> None:
    """Have a refund be told to have failed, and then to have arrived after all."""
    there = gateway.inner.provider._things[refund.reference]
    before = there["state"]
    gateway.inner.settle_refund(refund.reference, failed=True)
    deliver(desk, gateway)
    meanwhile()
    there["state"] = before
    ring(desk, gateway, of)


# --- what comes in ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("D6")
def test_money_that_settles_nothing_sends_no_receipt_of_the_invoice(
    desk: Billing, park: Biller, issue: Issue, gateway: Faulty
) -> None:
    desk.billers.edit(park, policy={"notify_on_payment": True})
    invoice = issue()
    url = desk.payments.checkout(token_of(desk, invoice))
    desk.payments.record(invoice, notify=False)
    desk.receive("memory", *gateway.inner.pay(url))
    assert alerts(desk, park) == [AlertKind.OVERPAID]
    assert told(desk, invoice) == []


@pytest.mark.rule("D3", "D6")
def test_what_came_twice_and_was_taken_back_once_between_is_two_payments_though_it_is_told_at_once(
    desk: Billing, guest: Customer, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    gateway.inner.collect(made.reference)
    gateway.inner.reverse(made.reference, ReversalKind.LATE_FAILURE)
    gateway.inner.retry(made.reference, "its own")
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    assert [each.amount for each in desk.payments.find(invoice=invoice)] == [money(100), money(100)]
    assert (status(desk, invoice), desk.credits.balance(guest)) == (Status.PAID, money(0))
    agree()


# --- what is taken back -----------------------------------------------------------------------------------------------


@pytest.mark.rule("D3", "P4")
def test_no_more_is_taken_back_of_a_payment_than_it_brought(
    desk: Billing, park: Biller, by_card: Collection, gateway: Faulty
) -> None:
    gateway.inner.provider._things[by_card.reference]["reversals"].append(
        {"id": "rev_x", "kind": "chargeback", "amount": 11500, "cancelled": False}  # with the bank's fee
    )
    ring(desk, gateway, by_card)
    assert [each.amount for each in all_of(store_of(desk), park, Reversal)] == [money(100)]
    assert desk.invoices.get(by_card.invoice).facts.paid == money(0)


@pytest.mark.rule("D3")
def test_a_biller_that_tells_nothing_of_collections_tells_nobody_of_a_charge_back(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty
) -> None:
    desk.billers.edit(park, policy={"notify_collections": False})
    save()
    invoice = issue()
    made = collected(desk, gateway, invoice)
    gateway.inner.reverse(made.reference, ReversalKind.CHARGEBACK)
    deliver(desk, gateway)
    assert (status(desk, invoice), told(desk, invoice)) == (Status.OPEN, [])


@pytest.mark.rule("D3", "D6", "C8")
def test_a_charge_back_that_is_won_and_followed_by_another_takes_back_the_credit_it_had_become(
    desk: Billing, guest: Customer, by_card: Collection, gateway: Faulty, agree: Agree
) -> None:
    gateway.inner.reverse(by_card.reference)
    deliver(desk, gateway)
    invoice = desk.invoices.get(by_card.invoice)
    desk.payments.record(invoice)
    gateway.inner.undo_reversal(by_card.reference)
    gateway.inner.reverse(by_card.reference)
    deliver(desk, gateway)  # told of both at once
    assert (status(desk, invoice), desk.credits.balance(guest)) == (Status.PAID, money(0))
    agree()


@pytest.mark.rule("D3", "D6")
def test_of_two_payments_that_stand_the_one_that_came_last_is_taken_back(
    desk: Billing, guest: Customer, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save()
    invoice = issue()
    made = collected(desk, gateway, invoice)
    gateway.inner.reverse(made.reference)
    gateway.inner.retry(made.reference, "its own")
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    gateway.inner.undo_reversal(made.reference)
    deliver(desk, gateway)
    assert (status(desk, invoice), desk.credits.balance(guest)) == (Status.PAID, money(100))
    gateway.inner.reverse(made.reference, ReversalKind.LATE_FAILURE)
    deliver(desk, gateway)
    assert (status(desk, invoice), desk.credits.balance(guest)) == (Status.OPEN, money(100))
    agree()


# --- what is given back there, and told of here ----------------------------------------------------------------------


@pytest.mark.rule("D6", "S12")
def test_a_refund_made_elsewhere_that_had_failed_before_anybody_heard_of_it_gave_nothing_back(
    desk: Billing, park: Biller, by_card: Collection, gateway: Faulty, refunded_there: Return
) -> None:
    refund = refunded_there(by_card)
    gateway.inner.settle_refund(refund.reference, failed=True)
    deliver(desk, gateway)
    assert desk.invoices.get(by_card.invoice).facts.held == money(100)
    assert (desk.payments.refunds(by_card.invoice), alerts(desk, park)) == ([], [])


@pytest.mark.rule("D6", "S12")
def test_a_refund_on_its_way_that_was_made_at_the_provider_is_asked_for_until_it_has_arrived(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, refunded_there: Return
) -> None:
    save()
    invoice = issue()
    refund = refunded_there(collected(desk, gateway, invoice))
    deliver(desk, gateway)
    assert [each.state for each in desk.payments.refunds(invoice)] == [RefundState.PENDING]
    gateway.inner.settle_refund(refund.reference)
    gateway.inner.webhooks()  # all of them are lost
    clock.advance(timedelta(days=1))
    desk.recover()
    assert [each.state for each in desk.payments.refunds(invoice)] == [RefundState.SUCCEEDED]


@pytest.mark.rule("D6", "S12", "C8")
def test_a_refund_made_elsewhere_of_a_charge_back_that_is_won_is_of_the_credit_it_became(
    desk: Billing, guest: Customer, by_card: Collection, gateway: Faulty, refunded_there: Return, agree: Agree
) -> None:
    gateway.inner.reverse(by_card.reference)
    deliver(desk, gateway)
    invoice = desk.invoices.get(by_card.invoice)
    desk.payments.record(invoice)
    gateway.inner.undo_reversal(by_card.reference)
    refunded_there(by_card, 100)
    deliver(desk, gateway)  # told of both at once
    assert (status(desk, invoice), desk.credits.balance(guest)) == (Status.PAID, money(0))
    agree()


@pytest.mark.rule("D3", "D6", "S12", "C8")
@pytest.mark.parametrize("amounts", [(100, 100), (150,), (150, 50), (60, 60, 80)])
def test_what_is_given_back_there_of_a_debit_that_came_twice_takes_its_credit_too(
    desk: Billing, guest: Customer, issue: Issue, save: Save, gateway: Faulty, refunded_there: Return, agree: Agree,
    amounts: tuple[int, ...],
) -> None:  # fmt: skip
    save()
    invoice = issue()
    made = collected(desk, gateway, invoice)
    gateway.inner.reverse(made.reference)
    gateway.inner.retry(made.reference, "its own")
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    gateway.inner.undo_reversal(made.reference)
    deliver(desk, gateway)
    assert desk.credits.balance(guest) == money(100)  # the first 100 is not owed any more
    given = 0
    for amount in amounts:
        refunded_there(made, amount, given)
        deliver(desk, gateway)
        given += amount
    there = desk.invoices.get(invoice).facts.held, desk.credits.balance(guest)
    assert there == (money(0), money(200 - given))
    agree()


@pytest.mark.rule("D6", "S12", "C8")
def test_a_refund_that_came_back_is_not_counted_where_one_made_elsewhere_is_taken_off(
    desk: Billing, guest: Customer, issue: Issue, gateway: Faulty, refunded_there: Return, agree: Agree
) -> None:
    invoice = issue()
    url = desk.payments.checkout(token_of(desk, invoice))
    desk.payments.record(invoice, money(60))
    desk.receive("memory", *gateway.inner.pay(url))  # 40 of it settle the invoice, 60 are credit
    failed = desk.payments.refund(invoice, money(30), to="gateway")
    gateway.inner.settle_refund(failed.reference, failed=True)
    deliver(desk, gateway)
    (made,) = desk.collections.find(invoice=invoice)
    refunded_there(made, 40)
    deliver(desk, gateway)
    assert (desk.invoices.get(invoice).facts.held, desk.credits.balance(guest)) == (money(60), money(60))
    agree()


@pytest.mark.rule("D6", "S12", "C8")
def test_a_refund_made_elsewhere_of_more_than_came_takes_none_of_the_customers_other_credit(
    desk: Billing, guest: Customer, by_card: Collection, gateway: Faulty, refunded_there: Return
) -> None:
    desk.credits.deposit(guest, money(50))
    refund = refunded_there(by_card, 100)
    gateway.inner.provider._things[refund.reference]["amount"] = 11_500  # with the bank's fee
    deliver(desk, gateway)
    assert [each.leaving for each in desk.payments.refunds(by_card.invoice)] == [money(115)]
    assert desk.credits.balance(guest) == money(50)


# --- what is given back from here -------------------------------------------------------------------------------------


@pytest.mark.rule("S12")
def test_no_more_is_given_back_by_the_provider_than_is_still_held_after_what_was_given_back_by_hand(
    desk: Billing, by_card: Collection, agree: Agree
) -> None:
    desk.payments.refund(by_card.invoice, money(40))
    with pytest.raises(NotEnough) as caught:
        desk.payments.refund(by_card.invoice, money(61), to="gateway")
    assert caught.value.available == money(60)
    assert desk.payments.refund(by_card.invoice, to="gateway").amount == money(60)
    agree()


@pytest.mark.rule("S12", "D6")
def test_a_refund_the_provider_refuses_shows_what_was_refunded_there_before_any_webhook_does(
    desk: Billing, park: Biller, by_card: Collection, refunded_there: Return, agree: Agree
) -> None:
    refunded_there(by_card, 100)
    with pytest.raises(StateConflict):
        desk.payments.refund(by_card.invoice, to="gateway")
    states = sorted(each.state for each in desk.payments.refunds(by_card.invoice))
    assert states == [RefundState.NOT_EXECUTED, RefundState.SUCCEEDED]
    assert AlertKind.REFUNDED_ELSEWHERE in alerts(desk, park)
    agree()


@pytest.mark.rule("S12", "P4")
def test_a_refund_in_doubt_is_asked_for_though_its_payment_was_charged_back_meanwhile(
    desk: Billing, by_card: Collection, gateway: Faulty, clock: FixedClock, shows: Shows
) -> None:
    gateway.plan("refund", when="after")
    refund = desk.payments.refund(by_card.invoice, money(40), to="gateway")
    assert refund.state is RefundState.UNKNOWN
    shows(refunds=())  # as it was before the refund
    desk.receive("memory", *gateway.inner.reverse(by_card.reference))
    assert [each.state for each in desk.payments.refunds(by_card.invoice)] == [RefundState.UNKNOWN]
    clock.advance(timedelta(minutes=20))
    desk.recover()
    assert [each.state for each in desk.payments.refunds(by_card.invoice)] == [RefundState.SUCCEEDED]


@pytest.mark.rule("S12", "D6")
def test_a_refund_that_was_told_to_have_failed_and_arrived_after_all_has_left_the_invoice(
    desk: Billing, by_card: Collection, gateway: Faulty
) -> None:
    def held() -> object:
        return desk.invoices.get(by_card.invoice).facts.held

    def back() -> None:
        assert held() == money(100)

    refund = desk.payments.refund(by_card.invoice, money(40), to="gateway")
    fails_and_arrives(desk, gateway, refund, by_card, back)
    (after,) = desk.payments.refunds(by_card.invoice)
    assert (after.state, after.failed_on, after.error) == (RefundState.SUCCEEDED, None, "")
    assert held() == money(60)


@pytest.mark.rule("S12", "D6", "C8")
def test_a_refund_of_credit_that_arrived_after_all_takes_its_credit_again(
    desk: Billing, issue: Issue, guest: Customer, gateway: Faulty
) -> None:
    def back() -> None:
        assert desk.credits.balance(guest) == money(100)

    invoice = issue()
    url = desk.payments.checkout(token_of(desk, invoice))
    desk.payments.record(invoice)
    desk.receive("memory", *gateway.inner.pay(url))
    (payment,) = [each for each in desk.payments.find(customer=guest) if each.collection]
    refund = desk.payments.refund(invoice, money(30), to="gateway", payment=payment)
    assert desk.credits.balance(guest) == money(70)
    (collection,) = desk.collections.find(invoice=invoice)
    fails_and_arrives(desk, gateway, refund, collection, back)
    assert desk.payments.refunds(invoice)[0].state is RefundState.SUCCEEDED
    assert desk.credits.balance(guest) == money(70)


@pytest.mark.rule("S12", "R18")
@pytest.mark.usefixtures("finds_only")
def test_a_refund_that_was_left_to_a_person_and_is_told_of_after_all_is_no_alert_any_more(
    desk: Billing, park: Biller, by_card: Collection, gateway: Faulty, clock: FixedClock
) -> None:
    deliver(desk, gateway)
    gateway.plan("refund", when="after")
    gateway.plan("find", NotSupported("memory", "find", "nothing is looked up here"), times=9)
    refund = desk.payments.refund(by_card.invoice, money(40), to="gateway")
    assert refund.state is RefundState.UNKNOWN
    clock.advance(gateway.info.key_window + timedelta(days=1))
    desk.recover()
    assert alerts(desk, park) == [AlertKind.DOUBTFUL]
    deliver(desk, gateway)
    assert [each.state for each in desk.payments.refunds(by_card.invoice)] == [RefundState.SUCCEEDED]
    assert alerts(desk, park) == []
