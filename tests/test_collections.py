"""Collecting through a provider: the intent, the charge, what becomes of it, and that doubt is never guessed away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from threading import Thread
from typing import Any

import attrs
import pytest

from collecting import DUE, TODAY, Issue, Save, lease_by_debit, status
from conftest import NOON
from desks import everything, money, store_of, wired
from invoicecore import Billing, Frequency, InvoiceMethod, Money, Status
from invoicecore.alerts import AlertKind, AlertState
from invoicecore.collection import Collection, CollectionState, DeclineCode, MethodState
from invoicecore.errors import (
    ConfigurationProblem,
    GatewayError,
    InvalidRequest,
    InvalidValue,
    KeyMismatch,
    NoSavedMethod,
    NotAllowed,
    NotFound,
    NotSent,
    PaymentsOff,
    RateLimited,
    StateConflict,
    StoreError,
)
from invoicecore.invoices import Invoice
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.ports import Charge, Lookup, PaymentSnapshot
from invoicecore.testing import FixedClock
from providers import Faulty, Killed, deliver


class Careless:
    """A gateway that works out its minor units in the very Money it was handed and answers with; a host does so too."""

    def __init__(self, inner: Faulty) -> None:
        self.inner, self.answered = inner, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        in_cents(wanted.amount)
        told = self.inner.charge(wanted, key)
        self.answered = [Money("100.00", "EUR"), Money("100.00", "EUR")]
        return attrs.evolve(told, amount=self.answered[0], collected=self.answered[1])


def in_cents(amount: Money) -> None:
    with contextlib.suppress(AttributeError):
        amount.amount *= 100  # type: ignore[misc]  # Money is Final for mypy only


# --- the main paths ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("S9", "S8", "P1", "D2")
def test_a_lease_by_direct_debit_is_pending_from_the_run_on_and_paid_on_confirmation_not_before(
    desk: Billing, park: Biller, guest: Customer, gateway: Faulty, save: Save, agree: Callable[[], None]
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    assert status(desk, invoice) is Status.PENDING
    assert gateway.calls.count("charge") == 0, "the run talks to nobody"
    report = desk.collect()
    assert (report.pending, report.succeeded, report.failed) == (1, 0, 0)
    (made,) = desk.collections.find(biller=park)
    assert (made.state, made.charge_on, made.amount) == (CollectionState.PENDING, date(2026, 3, 6), money(620))
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.PENDING
    gateway.inner.collect(made.reference)
    assert status(desk, invoice) is Status.PENDING, "nobody told us yet"
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.PAID
    (payment,) = desk.payments.find(invoice=invoice)
    assert (payment.collection, payment.method, payment.amount) == (made.id, PaymentMethod.DIRECT_DEBIT, money(620))
    agree()


@pytest.mark.rule("P1")
def test_the_charge_date_is_the_later_of_due_and_possible_and_those_after_due_are_named(
    desk: Billing, issue: Issue, save: Save
) -> None:
    save()
    late, early = issue(due=TODAY), issue(due=date(2026, 4, 20))
    first = desk.payments.charge(late)
    second = desk.payments.charge(early)
    assert first.charge_on is not None
    assert first.charge_on > TODAY
    assert second.charge_on == date(2026, 4, 20)


@pytest.mark.rule("P1")
def test_a_debit_that_is_collected_after_its_due_date_is_among_the_warnings(
    desk: Billing, park: Biller, guest: Customer, save: Save
) -> None:
    save()
    desk.leases.add(
        biller=park, customer=guest, rent=money(50), frequency=Frequency.WEEKLY, starts=date(2026, 3, 3),
        method=InvoiceMethod.DIRECT_DEBIT,
    )  # fmt: skip
    desk.run(on=TODAY)
    (told,) = desk.collect().warnings
    assert (told.code, told.due_on) == ("after_due", date(2026, 3, 2))


@pytest.mark.rule("C6", "M8")
def test_neither_a_gateway_nor_a_host_changes_what_is_kept_by_changing_the_money_it_was_shown(
    billing: Billing, desk: Billing, park: Biller, gateway: Faulty, issue: Issue, save: Save
) -> None:
    save(PaymentMethod.CARD)
    invoice, other = issue(), issue()
    careless = Careless(gateway)
    made = wired(billing, gateway=careless).payments.charge(invoice)
    assert (made.state, made.amount, made.collected) == (CollectionState.SUCCEEDED, money(100), money(100))
    before = repr(everything(store_of(billing), park))
    (payment,) = desk.payments.find(invoice=invoice)
    shown = desk.invoices.get(other)
    for amount in (*careless.answered, made.amount, made.collected, payment.amount, payment.allocations[0].amount):
        in_cents(amount)
    for amount in (shown.total, shown.balance, shown.facts.paid, shown.lines[0].amount, shown.lines[0].unit_price):
        in_cents(amount)
    assert repr(everything(store_of(billing), park)) == before
    assert desk.invoices.summary(biller=park).total == money(200)
    assert (shown.total, payment.amount) == (money(100), money(100))


@pytest.mark.rule("C6")
def test_a_saved_card_is_charged_at_once(desk: Billing, issue: Issue, save: Save, agree: Callable[[], None]) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    made = desk.payments.charge(invoice)
    assert (made.state, made.collected) == (CollectionState.SUCCEEDED, money(100))
    assert status(desk, invoice) is Status.PAID
    agree()


@pytest.mark.rule("C6")
def test_a_decline_is_an_answer_and_the_customer_is_sent_a_link(
    desk: Billing, park: Biller, guest: Customer, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    saved = save(PaymentMethod.CARD)
    gateway.inner.provider._things[saved.reference]["declines"] = "insufficient_funds"
    invoice = issue()
    made = desk.payments.charge(invoice)
    assert made.state is CollectionState.FAILED
    assert made.decline is not None
    assert made.decline.code is DeclineCode.INSUFFICIENT_FUNDS
    assert status(desk, invoice) is Status.OPEN
    assert [each.kind for each in desk.messages.find(invoice=invoice)] == [MessageKind.COLLECTION_FAILED]
    agree()


@pytest.mark.rule("C6", "S9")
def test_by_policy_a_customer_with_a_saved_card_is_charged_on_the_due_date(
    desk: Billing, park: Biller, issue: Issue, save: Save, clock: FixedClock, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    desk.billers.edit(park, policy={"collect_saved": True})
    invoice = issue(due=date(2026, 3, 5))
    assert status(desk, invoice) is Status.PENDING
    assert desk.collect().count == 0
    clock.advance(timedelta(days=3))
    assert desk.collect().succeeded == 1
    assert status(desk, invoice, date(2026, 3, 5)) is Status.PAID
    agree()


@pytest.mark.rule("S9")
def test_without_a_mandate_a_lease_by_direct_debit_is_sent_a_link_and_the_run_says_so(
    desk: Billing, park: Biller, guest: Customer
) -> None:
    desk.leases.add(
        biller=park, customer=guest, rent=money(50), frequency=Frequency.WEEKLY, starts=date(2026, 3, 3),
        method=InvoiceMethod.DIRECT_DEBIT,
    )  # fmt: skip
    report = desk.run(on=TODAY)
    assert [told.code for told in report.warnings] == ["no_method"]
    (invoice,) = report.invoices
    assert status(desk, invoice) is Status.OPEN
    assert [each.kind for each in desk.messages.find(invoice=invoice)] == [MessageKind.INVOICE_ISSUED]


@pytest.mark.rule("S7")
@pytest.mark.parametrize(("policy", "pending"), [({}, 1), ({"collect_late": True}, 3)])
def test_late_catch_up_is_collected_by_itself_only_where_policy_says_so(
    desk: Billing, park: Biller, guest: Customer, save: Save, policy: dict[str, bool], pending: int
) -> None:
    save()
    desk.billers.edit(park, policy=policy)
    desk.leases.add(
        biller=park, customer=guest, rent=money(50), frequency=Frequency.MONTHLY, starts=date(2026, 1, 5),
        method=InvoiceMethod.DIRECT_DEBIT,
    )  # fmt: skip
    report = desk.run(on=TODAY)
    assert (report.created, report.late) == (3, 2)
    assert desk.collect().pending == pending


# --- a mandate, and what becomes of it --------------------------------------------------------------------------------


@pytest.mark.rule("S9")
def test_a_mandate_cancelled_before_it_is_debited_falls_back_to_a_link(
    desk: Billing, park: Biller, guest: Customer, gateway: Faulty, save: Save, agree: Callable[[], None]
) -> None:
    saved = save()
    invoice = lease_by_debit(desk, park, guest)
    gateway.inner.give_up(saved.reference)
    report = desk.collect()  # F24: between reservation and submission
    assert (report.cancelled, report.pending) == (1, 0)
    assert gateway.calls.count("charge") == 0
    assert desk.methods.get(saved).state is MethodState.INACTIVE
    assert status(desk, invoice) is Status.OPEN
    assert MessageKind.COLLECTION_FAILED in [each.kind for each in desk.messages.find(invoice=invoice)]
    assert [each.kind for each in desk.alerts.find(biller=park)] == [AlertKind.NO_METHOD]
    agree()


@pytest.mark.rule("C6")
def test_a_customer_without_a_saved_method_is_a_named_error_and_nothing_is_written(
    desk: Billing, issue: Issue, park: Biller, guest: Customer
) -> None:
    invoice = issue()
    with pytest.raises(NoSavedMethod) as told:
        desk.payments.charge(invoice)
    assert told.value.customer == guest.id
    assert desk.collections.find(biller=park) == []


@pytest.mark.rule("C6", "R1", "T1")
def test_a_charge_is_refused_for_drafts_paid_invoices_payments_off_and_strangers_methods(
    desk: Billing, park: Biller, condo: Biller, resident: Customer, guest: Customer, issue: Issue, save: Save
) -> None:
    saved = save(PaymentMethod.CARD)
    draft = desk.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(10), due=DUE)
    with pytest.raises(NotAllowed):
        desk.payments.charge(draft)
    paid = issue()
    desk.payments.record(paid)
    with pytest.raises(NotAllowed, match="nothing is left to pay"):
        desk.payments.charge(paid)
    other = desk.customers.add(biller=park, name="Bo")
    with pytest.raises(InvalidValue, match="another customer"):
        desk.payments.charge(issue(who=other), method=saved)
    with pytest.raises(NotFound):
        desk.payments.charge(issue(), method=f"{condo.id}_met_1")
    theirs = issue()
    desk.billers.edit(park, payments=False)
    with pytest.raises(PaymentsOff):
        desk.payments.charge(theirs)


@pytest.mark.rule("D2", "R14")
def test_one_collection_is_live_at_a_time_and_the_invoice_cannot_be_voided_or_paid_beside_it(
    desk: Billing, issue: Issue, save: Save
) -> None:
    save()
    invoice = issue()
    desk.payments.charge(invoice)
    with pytest.raises(NotAllowed, match="in flight"):
        desk.payments.charge(invoice)
    with pytest.raises(NotAllowed, match="in flight"):
        desk.payments.record(invoice, money(1))
    with pytest.raises(NotAllowed, match="in flight"):
        desk.invoices.void(invoice)
    assert desk.payments.page(desk.payments.link(invoice).rsplit("/", 1)[1]).state.value == "in_flight"  # type: ignore[union-attr]


@pytest.mark.rule("N3")
def test_the_same_key_charges_once(
    desk: Billing, issue: Issue, save: Save, park: Biller, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    first = desk.payments.charge(invoice, key="pay-1")
    again = desk.payments.charge(invoice, key="pay-1")
    assert first == again
    assert len(desk.collections.find(biller=park)) == 1
    agree()


@pytest.mark.rule("P2")
def test_what_talks_to_a_provider_refuses_to_run_inside_a_transaction(desk: Billing, issue: Issue, save: Save) -> None:
    save(PaymentMethod.CARD)
    invoice, other = issue(), issue()
    desk.payments.charge(other)
    with desk._desk.store.writing():
        for verb in (
            lambda: desk.payments.charge(invoice),
            lambda: desk.payments.refund(other, to="gateway"),
            desk.collect,
            desk.recover,
        ):
            with pytest.raises(StoreError):
                verb()


# --- doubt ------------------------------------------------------------------------------------------------------------

WENT_WRONG: dict[str, tuple[BaseException | None, str]] = {
    "no answer before the effect": (None, "before"),
    "no answer after the effect": (None, "after"),
    "killed before the request": (Killed(), "before"),
    "killed before the answer": (Killed(), "after"),
}


@pytest.mark.rule("D3", "D6")
@pytest.mark.parametrize("kind", [PaymentMethod.CARD, PaymentMethod.DIRECT_DEBIT])
@pytest.mark.parametrize("how", WENT_WRONG)
def test_a_charge_that_may_have_happened_is_unknown_until_it_is_found_out_and_charged_once(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Callable[[], None],
    kind: PaymentMethod, how: str,
) -> None:  # fmt: skip
    save(kind)
    invoice = issue()
    fault, when = WENT_WRONG[how]
    gateway.plan("charge", fault, when=when)
    with contextlib.suppress(Killed):
        assert desk.payments.charge(invoice).state is CollectionState.UNKNOWN
    assert status(desk, invoice) is Status.PENDING, "it may have happened"
    with pytest.raises(NotAllowed):
        desk.payments.charge(invoice)
    clock.advance(timedelta(minutes=20))
    desk.recover()
    agree()
    if kind is PaymentMethod.CARD:
        assert status(desk, invoice) is Status.PAID
    assert sum(each.kind == "payment" for each in gateway.inner.provider.ledger) == 1


@pytest.mark.parametrize("after", [False, True])
def test_one_whose_key_is_forgotten_is_looked_up_and_never_sent_again(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Callable[[], None], after: bool
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    gateway.plan("charge", when="after" if after else "before")
    desk.payments.charge(invoice)
    clock.advance(timedelta(hours=25))  # F10
    calls = gateway.calls.count("charge")
    desk.recover()
    assert gateway.calls.count("charge") == calls
    agree()
    assert status(desk, invoice) is (Status.PAID if after else Status.PENDING)
    desk.collect()  # what the provider certainly never had goes out under a new key
    agree()
    assert status(desk, invoice) is Status.PAID
    assert sum(each.kind == "payment" for each in gateway.inner.provider.ledger) == 1


def test_what_nobody_can_tell_is_left_to_a_person_and_their_word_is_kept(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        "invoicecore_adapters.memory.gateway.INFO", attrs.evolve(gateway.info, lookup=Lookup.FINDS_IF_PRESENT)
    )
    save(PaymentMethod.CARD)
    invoice, other = issue(), issue()
    gateway.plan("charge", times=2)
    doubtful = [desk.payments.charge(each) for each in (invoice, other)]
    clock.advance(timedelta(hours=25))
    assert desk.recover().doubtful == 2
    clock.advance(timedelta(days=30))
    assert desk.recover().count == 0, "time never resolves a doubt"
    told = desk.alerts.find(biller=park)
    assert [each.kind for each in told] == [AlertKind.DOUBTFUL] * 2
    with pytest.raises(InvalidValue, match="outcome"):
        desk.collections.resolve(doubtful[0], outcome="perhaps", note="?")
    with pytest.raises(InvalidValue, match="note"):
        desk.collections.resolve(doubtful[0], outcome="collected", note=" ")
    paid = desk.collections.resolve(
        doubtful[0], outcome="collected", note="seen in the dashboard", reference="pi_1", actor="ana"
    )
    lost = desk.collections.resolve(doubtful[1], outcome="not_collected", note="asked support", actor="ana")
    assert (paid.state, lost.state) == (CollectionState.SUCCEEDED, CollectionState.NOT_EXECUTED)
    assert (status(desk, invoice), desk.invoices.get(other).facts.in_flight) == (Status.PAID, money(0))
    assert desk.alerts.find(biller=park) == []
    assert {each.state for each in desk.alerts.find(biller=park, state=None)} == {AlertState.RESOLVED}
    with pytest.raises(NotAllowed):
        desk.collections.resolve(paid, outcome="collected", note="again", reference="pi_1")


def test_a_key_that_made_something_else_is_quarantined(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    gateway.plan("charge", KeyMismatch("memory", "charge", "other money under this key"))  # F13
    made = desk.payments.charge(invoice)
    assert (made.state, made.next_try_at) == (CollectionState.UNKNOWN, None)
    assert [each.kind for each in desk.alerts.find(biller=park)] == [AlertKind.MISMATCH]
    clock.advance(timedelta(days=2))
    assert desk.recover().count == 0


LATER: list[GatewayError] = [
    NotSent("memory", "charge", "refused"),
    RateLimited("memory", "charge", "too many", retry_after=30),
]


@pytest.mark.parametrize("fault", LATER, ids=lambda fault: fault.code)
def test_while_a_provider_cannot_be_reached_collections_wait_in_their_order_and_nobody_is_blamed(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, fault: GatewayError,
    agree: Callable[[], None],
) -> None:  # fmt: skip
    save(PaymentMethod.CARD)
    desk.billers.edit(park, policy={"collect_saved": True})
    invoices = [issue(due=TODAY) for _ in range(3)]
    gateway.plan("charge", fault)  # F29, F30
    report = desk.collect()
    assert report.waiting == 1
    assert report.stopped
    assert gateway.calls.count("charge") == 1, "the others were not even tried"
    assert [status(desk, each) for each in invoices] == [Status.PENDING] * 3
    assert desk.messages.find(biller=park) == []
    assert desk.alerts.find(biller=park) == []
    clock.advance(timedelta(hours=13))
    assert desk.collect().succeeded == 3
    agree()


def test_a_key_without_rights_stops_its_gateway_only_when_two_are_refused_and_is_alerted_once(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    desk.billers.edit(park, policy={"collect_saved": True})
    for _ in range(3):
        issue(due=TODAY)
    gateway.plan("charge", ConfigurationProblem("memory", "charge", "the key was revoked"), times=2)  # F30
    report = desk.collect()
    assert (report.waiting, gateway.calls.count("charge")) == (2, 2)
    assert report.stopped
    assert [each.kind for each in desk.alerts.find(biller=park)] == [AlertKind.CONFIGURATION]
    assert desk.messages.find(biller=park) == []
    clock.advance(timedelta(hours=13))
    assert desk.collect().succeeded == 3
    agree()


def test_a_charge_that_certainly_did_not_happen_raises_and_waits_or_ends(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save(PaymentMethod.CARD)
    first, second, third = issue(), issue(), issue()
    gateway.plan("charge", NotSent("memory", "charge", "refused"))
    with pytest.raises(NotSent):
        desk.payments.charge(first)
    gateway.plan("charge", InvalidRequest("memory", "charge", "too small"))
    with pytest.raises(InvalidRequest):
        desk.payments.charge(second)
    gateway.plan("charge", StateConflict("memory", "charge", "the card is gone"))
    with pytest.raises(StateConflict):
        desk.payments.charge(third)
    states = [desk.collections.find(invoice=each)[0].state for each in (first, second, third)]
    assert states == [CollectionState.RESERVED, CollectionState.NOT_EXECUTED, CollectionState.NOT_EXECUTED]
    clock.advance(timedelta(minutes=10))
    assert desk.collect().succeeded == 1
    assert [status(desk, each) for each in (first, second, third)] == [Status.PAID, Status.OPEN, Status.OPEN]


def test_two_who_submit_the_same_charge_it_once(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    desk.billers.edit(park, policy={"collect_saved": True})
    for _ in range(6):
        issue(due=TODAY)
    workers = [Thread(target=desk.collect) for _ in range(4)]  # F8
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    desk.collect()
    agree()
    assert sum(each.kind == "payment" for each in gateway.inner.provider.ledger) == 6


# --- what comes later -------------------------------------------------------------------------------------------------


@pytest.mark.rule("D3", "S9")
def test_a_debit_that_fails_late_opens_its_invoice_again_and_both_sides_are_told(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.PAID
    gateway.inner.reverse(made.reference, ReversalKind.LATE_FAILURE)
    deliver(desk, gateway)
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.OPEN
    assert MessageKind.PAYMENT_REVERSED in [each.kind for each in desk.messages.find(invoice=invoice)]
    assert [each.kind for each in desk.alerts.find(invoice=invoice)] == [AlertKind.LATE_FAILURE]
    agree()


@pytest.mark.rule("D3", "P4")
def test_a_charge_back_that_is_won_closes_the_invoice_again(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    made = desk.payments.charge(invoice)
    gateway.inner.reverse(made.reference, ReversalKind.CHARGEBACK)
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.OPEN
    gateway.inner.undo_reversal(made.reference)
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.PAID
    assert desk.alerts.find(invoice=invoice) == []
    gateway.inner.reverse(made.reference, ReversalKind.CHARGEBACK)  # and again
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.OPEN
    agree()


@pytest.mark.rule("S9", "D3")
def test_a_failed_debit_is_tried_again_by_policy_and_then_the_customer_gets_a_link(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Callable[[], None]
) -> None:
    desk.billers.edit(park, policy={"collection_retries": (3, 7)})
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    for days, then in ((3, CollectionState.PENDING), (7, CollectionState.PENDING)):
        gateway.inner.fail(made.reference, "insufficient_funds")
        deliver(desk, gateway)
        assert status(desk, invoice) is Status.OPEN
        assert MessageKind.COLLECTION_FAILED not in [each.kind for each in desk.messages.find(invoice=invoice)]
        clock.advance(timedelta(days=days - 1))
        assert desk.collect().count == 0
        clock.advance(timedelta(days=1))
        desk.collect()
        assert desk.collections.get(made).state is then
    gateway.inner.fail(made.reference, "insufficient_funds")
    deliver(desk, gateway)
    assert MessageKind.COLLECTION_FAILED in [each.kind for each in desk.messages.find(invoice=invoice)]
    agree()


@pytest.mark.rule("D6")
def test_a_page_paid_while_the_invoice_was_paid_elsewhere_becomes_credit_with_an_alert(
    desk: Billing, park: Biller, guest: Customer, issue: Issue, gateway: Faulty, agree: Callable[[], None]
) -> None:
    invoice = issue()
    token = desk.payments.link(invoice).rsplit("/", 1)[1]
    url = desk.payments.checkout(token)
    desk.payments.record(invoice)
    gateway.inner.pay(url)  # F22: before anybody could close it
    deliver(desk, gateway)
    assert desk.credits.balance(guest) == money(100)
    assert [each.kind for each in desk.alerts.find(biller=park)] == [AlertKind.OVERPAID]
    agree()


@pytest.mark.rule("D6", "R12")
def test_a_page_is_closed_once_its_invoice_is_paid_elsewhere_void_or_charged(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    ways: list[Callable[[Invoice], object]] = [
        lambda each: desk.payments.record(each),
        lambda each: desk.invoices.void(each),
        lambda each: desk.payments.charge(each),
        lambda each: desk.payments.revoke_link(each),
    ]
    for way in ways:
        invoice = issue()
        url = desk.payments.checkout(desk.payments.link(invoice).rsplit("/", 1)[1])
        way(invoice)
        desk.recover()
        with pytest.raises(StateConflict):
            gateway.inner.pay(url)
    agree()


@pytest.mark.rule("D6")
def test_money_for_an_invoice_without_a_customer_is_held_on_it(
    desk: Billing, park: Biller, gateway: Faulty, agree: Callable[[], None]
) -> None:
    desk.units.add(biller=park, number="9")
    draft = desk.invoices.draft(biller=park, unit="9", title="Fee", amount=money(100), due=DUE)
    invoice = desk.invoices.publish(draft)
    url = desk.payments.checkout(desk.payments.link(invoice).rsplit("/", 1)[1])
    desk.invoices.void(invoice)
    gateway.inner.pay(url)
    deliver(desk, gateway)
    held = desk.invoices.get(invoice)
    assert (held.status_on(TODAY), held.facts.held) == (Status.VOID, money(100))
    assert desk.payments.refund(held, to="gateway").state is RefundState.SUCCEEDED
    agree()


@pytest.mark.rule("D6")
def test_a_pending_debit_is_called_off_when_the_invoice_was_paid_in_another_way(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Callable[[], None]
) -> None:
    invoice = issue()
    url = desk.payments.checkout(desk.payments.link(invoice).rsplit("/", 1)[1])
    saved = save()
    gateway.plan("expire", StateConflict("memory", "expire", "the payer is at it"))
    gateway.inner.pay(url)  # F23, told of only after the debit was made
    with pytest.raises(NotAllowed):
        desk.payments.charge(invoice, method=saved)
    agree()
    assert status(desk, invoice) is Status.PAID


# --- refunds ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S12")
def test_refunds_through_the_provider_in_parts_are_never_more_than_was_taken(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    desk.payments.charge(invoice)
    first = desk.payments.refund(invoice, money(30), to="gateway", reason="broken heater")
    assert (first.state, first.gateway, first.refunded_before) == (RefundState.SUCCEEDED, "memory", money(0))
    second = desk.payments.refund(invoice, money(20), to="gateway")
    assert second.refunded_before == money(30)
    with pytest.raises(Exception, match="51"):
        desk.payments.refund(invoice, money(51), to="gateway")
    desk.payments.refund(invoice, to="gateway")
    assert status(desk, invoice) is Status.REFUNDED
    agree()


@pytest.mark.rule("S12")
@pytest.mark.parametrize("how", WENT_WRONG)
def test_a_refund_that_may_have_happened_is_made_once(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Callable[[], None], how: str
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    desk.payments.charge(invoice)
    fault, when = WENT_WRONG[how]
    gateway.plan("refund", fault, when=when)
    with contextlib.suppress(Killed):
        assert desk.payments.refund(invoice, money(40), to="gateway").state is RefundState.UNKNOWN
    assert desk.invoices.get(invoice).facts.held == money(60), "it is reserved, whatever becomes of it"
    clock.advance(timedelta(minutes=20))
    desk.recover()
    agree()
    assert sum(each.kind == "refund" for each in gateway.inner.provider.ledger) == 1
    (refund,) = desk.payments.refunds(invoice)
    assert refund.state is RefundState.SUCCEEDED


@pytest.mark.rule("S12", "P4")
def test_a_refund_that_comes_back_is_held_again_and_alerted(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    desk.payments.charge(invoice)
    refund = desk.payments.refund(invoice, to="gateway")
    assert status(desk, invoice) is Status.REFUNDED
    assert refund.reversible_until is not None, "a card payment can still be charged back (P4)"
    gateway.inner.settle_refund(refund.reference, failed=True)  # F27
    deliver(desk, gateway)
    assert (status(desk, invoice), desk.invoices.get(invoice).facts.held) == (Status.PAID, money(100))
    assert [each.kind for each in desk.alerts.find(invoice=invoice)] == [AlertKind.REFUND_FAILED]
    agree()


@pytest.mark.rule("P4")
def test_a_charge_back_after_a_refund_is_stored_in_full_and_alerted(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    made = desk.payments.charge(invoice)
    desk.payments.refund(invoice, money(40), to="gateway")
    # The provider of this test takes back only what is left; a bank takes it all (F26).
    gateway.inner.provider._things[made.reference]["reversals"].append(
        {"id": "rev_x", "kind": "chargeback", "amount": 10000, "cancelled": False}
    )
    gateway.inner.pay_out(made.reference)
    deliver(desk, gateway)
    kinds = {each.kind for each in desk.alerts.find(invoice=invoice)}
    assert kinds == {AlertKind.CHARGEBACK, AlertKind.REVERSED_AFTER_REFUND}
    assert desk.invoices.get(invoice).facts.held == money(-40)
    agree()


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_an_event_is_stored_once_and_told_as_repeated_afterwards(
    desk: Billing, issue: Issue, gateway: Faulty, agree: Callable[[], None]
) -> None:
    invoice = issue()
    body, headers = gateway.inner.pay(desk.payments.checkout(desk.payments.link(invoice).rsplit("/", 1)[1]))
    states = [desk.receive("memory", body, headers)[0].state for _ in range(10)]
    assert states == ["applied"] + ["repeated"] * 9
    agree()


def test_events_that_cannot_be_applied_wait_and_are_parked_at_last_and_the_others_go_on(
    desk: Billing, park: Biller, issue: Issue, gateway: Faulty, clock: FixedClock
) -> None:
    first, second = issue(), issue()
    bodies = [
        gateway.inner.pay(desk.payments.checkout(desk.payments.link(each).rsplit("/", 1)[1]))
        for each in (first, second)
    ]
    gateway.plan("payment", ZeroDivisionError("poison"))  # F18
    told = [desk.receive("memory", *each)[0] for each in bodies]
    assert [each.state for each in told] == ["waiting", "applied"]
    assert status(desk, second) is Status.PAID
    for _ in range(8):
        gateway.plans["payment"] = [(ZeroDivisionError("poison"), "before")]
        clock.advance(timedelta(days=1))
        desk.recover()
    (alert,) = desk.alerts.find(biller=park)
    assert (alert.kind, "ZeroDivisionError" in alert.text) == (AlertKind.POISON, True)
    gateway.plans.clear()
    told = desk.receive_missed("memory", since=NOON)
    assert "applied" in {each.state for each in told}, "told again, it is tried again"
    assert status(desk, first) is Status.PAID


def test_webhooks_that_were_lost_are_made_up_for(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    invoice, other = issue(), issue()
    debit = desk.payments.charge(invoice)
    gateway.inner.pay(desk.payments.checkout(desk.payments.link(other).rsplit("/", 1)[1]))
    gateway.inner.collect(debit.reference)
    gateway.webhooks()  # lost, every one (F16)
    told = desk.receive_missed("memory", since=NOON - timedelta(days=1))
    assert {each.state for each in told} <= {"applied", "repeated", "ignored"}
    assert (status(desk, invoice), status(desk, other)) == (Status.PAID, Status.PAID)
    assert {each.state for each in desk.receive_missed("memory", since=NOON - timedelta(days=1))} <= {
        "repeated",
        "ignored",
    }


def test_without_any_webhook_a_pending_debit_is_asked_for(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    invoice = issue()
    debit = desk.payments.charge(invoice)
    gateway.inner.collect(debit.reference)
    gateway.webhooks()
    clock.advance(timedelta(days=30))
    assert desk.recover().succeeded == 1
    assert status(desk, invoice, date(2026, 4, 1)) is Status.PAID


@pytest.mark.rule("T1")
def test_an_event_for_what_is_not_ours_is_an_answer_and_writes_nothing(
    desk: Billing, park: Biller, issue: Issue, gateway: Faulty
) -> None:
    method, owner = gateway.inner.saved(PaymentMethod.CARD, "EUR")
    for key in ("somebody-else", f"{park.id}_col_0000000000000000000000"):
        gateway.inner.charge(
            Charge(method=method, owner=owner, amount=money(5), reference="X", description="not ours"), key
        )
    told = deliver(desk, gateway)
    assert {each.state for each in told} == {"ignored"}
    (orphan,) = desk.alerts.find(biller=park)  # F33: a key of ours that is not stored here
    assert orphan.kind is AlertKind.DOUBTFUL


def test_a_collection_can_be_called_off_until_the_bank_has_it(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, agree: Callable[[], None]
) -> None:
    save()
    desk.billers.edit(park, policy={"collect_saved": True})
    waiting = issue()
    (reserved,) = desk.collections.find(invoice=waiting)
    assert desk.collections.cancel(reserved).state is CollectionState.NOT_EXECUTED
    assert status(desk, waiting) is Status.OPEN
    pending = desk.payments.charge(waiting)
    assert desk.collections.cancel(pending).state is CollectionState.CANCELLED
    assert desk.collections.cancel(pending).state is CollectionState.CANCELLED
    gone = desk.payments.charge(waiting)
    gateway.inner.collect(gone.reference)
    with pytest.raises(StateConflict):
        desk.collections.cancel(gone)
    agree()
    with pytest.raises(NotAllowed, match="it is over"):
        desk.collections.cancel(gone)


def test_collections_are_found_by_invoice_customer_and_state(
    desk: Billing, park: Biller, guest: Customer, issue: Issue, save: Save
) -> None:
    save(PaymentMethod.CARD)
    first, second = issue(), issue()
    made: list[Collection] = [desk.payments.charge(each) for each in (first, second)]
    assert desk.collections.find(biller=park) == made
    assert desk.collections.find(invoice=second) == made[1:]
    assert desk.collections.find(customer=guest, state="succeeded", limit=1) == made[:1]
    assert desk.collections.find(customer=guest, after=made[0].id) == made[1:]
    with pytest.raises(InvalidValue, match="state"):
        desk.collections.find(biller=park, state="gone")
