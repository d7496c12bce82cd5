"""Collecting where it is awkward: others' troubles, doubt, mandates that change, money nobody owes, retries that are lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import attrs
import pytest

from collecting import INFO, YEARS, Agree, Issue, Save, alerts, lease_by_debit, status, token_of, told
from desks import money
from invoicecore import Billing, Status
from invoicecore.alerts import AlertKind
from invoicecore.collection import CollectionState, DeclineCode
from invoicecore.errors import (
    ConfigurationProblem,
    InvalidValue,
    NotAllowed,
    NotFound,
    NotSent,
    ObjectNotFound,
    OutcomeUnknown,
    StateConflict,
)
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.ports import Capability, PayStatus, RefundRequest
from invoicecore.testing import FixedClock
from providers import Faulty, House, Killed, deliver

FRIDAY = date(2026, 3, 6)
GONE = ObjectNotFound("memory", "payment", "no such payment")
UNREADABLE = OutcomeUnknown("memory", "payment", "the answer cannot be read")
DOWN = NotSent("memory", "payment", "refused")

D = timedelta


@pytest.fixture
def gocardless() -> Iterator[House]:
    """A business that collects by what is saved, from mandates at GoCardless."""
    house = House("gocardless", policy={"collect_saved": True})
    yield house
    house.close()


def test_whatever_a_provider_says_is_kept_in_characters_every_store_takes(
    desk: Billing, gateway: Faulty, save: Save, issue: Issue
) -> None:
    save()
    gateway.plan("charge", NotSent("memory", "charge", "down\0 at\x1b[31m\ud800"), times=9)
    with pytest.raises(NotSent, match="down\ufffd at\ufffd"):
        desk.payments.charge(invoice := issue(10))
    (made,) = desk.collections.find(invoice=invoice)
    assert made.error == "down\ufffd at\ufffd[31m\ufffd"


def daily(desk: Billing, gateway: Faulty, clock: FixedClock, days: int) -> None:
    """Let so many days pass, with what a host does every day."""
    for _ in range(days):
        clock.advance(D(days=1))
        deliver(desk, gateway)
        desk.collect()
        desk.recover()


def states(desk: Billing, invoice: object) -> list[CollectionState]:
    """Where the collections of an invoice stand, oldest first."""
    return [each.state for each in desk.collections.find(invoice=invoice)]  # type: ignore[arg-type]


# --- one that is bad, and one that nobody can tell of -----------------------------------------------------------------


@pytest.mark.rule("D3", "T1")
def test_a_method_the_provider_refuses_to_show_keeps_no_other_and_no_other_biller_waiting(
    desk: Billing, save: Save, issue: Issue, gateway: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, invoices = [], []
    made = [
        desk.billers.add(
            name=name, currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays",
            policy={"collect_saved": True},
        )
        for name in "ABC"
    ]  # fmt: skip
    billers = sorted(made, key=lambda biller: biller.id)  # as they are collected for
    for biller in billers:
        for _ in range(2):
            who = desk.customers.add(biller=biller, name="N", email="n@example.com")
            saved.append(save(who=who))
            invoices.append(issue(10, who=who))
    bad, shown = saved[0].reference, gateway.inner.method

    def method(reference: str) -> object:
        if reference == bad:
            raise ConfigurationProblem("memory", "method", "this token may not see that mandate")
        return shown(reference)

    monkeypatch.setattr(gateway.inner, "method", method)
    desk.collect()
    assert [states(desk, each) for each in invoices] == [[CollectionState.RESERVED]] + [[CollectionState.PENDING]] * 5
    assert [kind for biller in billers for kind in alerts(desk, biller)] == [AlertKind.CONFIGURATION]


def test_a_payment_that_is_gone_is_asked_for_twice_and_left_to_a_person(
    desk: Billing, park: Biller, save: Save, issue: Issue, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    invoice = issue(due=FRIDAY)
    made = desk.payments.charge(invoice)
    gateway.plan("payment", GONE, times=99)
    clock.advance(D(days=8))
    assert desk.recover().failed == 1
    assert (desk.collections.get(made).state, alerts(desk, park)) == (CollectionState.PENDING, [])
    clock.advance(D(hours=1))
    desk.recover()
    left = desk.collections.get(made)
    assert (left.state, left.next_try_at, alerts(desk, park)) == (CollectionState.UNKNOWN, None, [AlertKind.DOUBTFUL])
    clock.advance(D(days=365))
    assert (desk.recover().count, gateway.calls.count("payment")) == (0, 2)
    desk.collections.resolve(made, outcome="not_collected", note="asked support")
    assert (status(desk, invoice), alerts(desk, park)) == (Status.OPEN, [])


def test_an_answer_nobody_can_read_is_asked_for_less_and_less_often_and_alerted(
    desk: Billing, park: Biller, save: Save, issue: Issue, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    made = desk.payments.charge(issue(due=FRIDAY))
    deliver(desk, gateway)
    gateway.calls.clear()
    gateway.plan("payment", UNREADABLE, times=999)
    clock.advance(D(days=8))
    for _ in range(200):
        desk.recover()
        clock.advance(D(minutes=5))
    assert gateway.calls.count("payment") <= 5, "in sixteen hours"
    daily(desk, gateway, clock, 10)
    left = desk.collections.get(made)
    assert (left.state, alerts(desk, park)) == (CollectionState.PENDING, [AlertKind.DOUBTFUL])
    gateway.plans.clear()
    gateway.inner.collect(made.reference)
    daily(desk, gateway, clock, 2)
    assert desk.collections.get(made).state is CollectionState.SUCCEEDED


@pytest.mark.rule("D6", "R14")
@pytest.mark.parametrize(
    ("amount", "collected", "credit"), [(0, 80, 0), ("0.01", 80, 0), (80, 80_000_000, 79_999_920), (80, 161, 81)]
)
def test_money_beyond_what_was_asked_for_came_in_once_in_full_and_a_person_looks_at_it(
    desk: Billing, park: Biller, guest: Customer, save: Save, issue: Issue, gateway: Faulty,
    monkeypatch: pytest.MonkeyPatch, amount: int | str, collected: int, credit: int,
) -> None:  # fmt: skip
    """However many times the amount it is, it is not that many payments."""
    save(PaymentMethod.CARD)
    invoice, charge = issue(80), gateway.inner.charge

    def odd(*given: object) -> object:
        return attrs.evolve(charge(*given), amount=money(amount), collected=money(collected))

    monkeypatch.setattr(gateway.inner, "charge", odd)
    assert desk.payments.charge(invoice).collected == money(collected)
    (payment,) = desk.payments.find(invoice=invoice)
    assert payment.amount == money(collected)
    assert (status(desk, invoice), desk.credits.balance(guest)) == (Status.PAID, money(credit))
    assert AlertKind.MISMATCH in alerts(desk, park)


def test_a_provider_that_is_down_is_asked_once_and_the_report_says_that_it_stopped(
    desk: Billing, save: Save, issue: Issue, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    for _ in range(12):
        desk.payments.charge(issue(5, due=FRIDAY))
    gateway.plan("payment", DOWN, times=99)
    clock.advance(D(days=10))
    for asked in (1, 2):
        report = desk.recover()
        assert (gateway.calls.count("payment"), report.failed.count) == (asked, 1)
        assert "refused" in report.stopped


def test_with_a_provider_that_has_no_lookup_a_charge_in_doubt_goes_to_a_person(
    desk: Billing, park: Biller, save: Save, issue: Issue, gateway: Faulty, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    blind = [attrs.evolve(spec, can=spec.can - {Capability.LOOKUP}) for spec in gateway.info.methods]
    monkeypatch.setattr(INFO, attrs.evolve(gateway.info, methods=tuple(blind)))
    save()
    invoice = issue()
    gateway.plan("charge", times=9)
    desk.payments.charge(invoice)
    daily(desk, gateway, clock, 5)
    (left,) = desk.collections.find(invoice=invoice)
    assert (left.state, left.next_try_at, alerts(desk, park)) == (CollectionState.UNKNOWN, None, [AlertKind.DOUBTFUL])


@pytest.mark.rule("D3")
def test_what_was_certainly_never_sent_is_reserved_anew_under_another_key(
    desk: Billing, park: Biller, guest: Customer, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    gateway.plan("charge", Killed())
    with pytest.raises(Killed):
        desk.collect()
    clock.advance(D(hours=26))
    desk.recover()
    first, second = desk.collections.find(invoice=invoice)
    assert (first.state, second.state) == (CollectionState.NOT_EXECUTED, CollectionState.RESERVED)
    assert (second.amount, second.method, second.attempt) == (first.amount, first.method, first.attempt)
    assert (status(desk, invoice), told(desk, invoice), alerts(desk, park)) == (Status.PENDING, [], [])
    assert desk.collect().pending == 1
    agree()


# --- mandates that change ---------------------------------------------------------------------------------------------


@pytest.mark.rule("S9")
@pytest.mark.parametrize("way", ["webhook", "refresh"])
def test_what_is_reserved_goes_out_to_the_mandate_that_replaced_its_own(
    desk: Billing, park: Biller, guest: Customer, save: Save, gateway: Faulty, agree: Agree, way: str
) -> None:
    saved = save()
    invoice = lease_by_debit(desk, park, guest)
    new = gateway.inner.provider.replace(saved.reference)
    if way == "webhook":
        deliver(desk, gateway)
    else:
        desk.methods.refresh(saved)
    now = desk.methods.get(saved)
    assert (now.reference, now.chargeable) == (new, True)
    assert (status(desk, invoice), told(desk, invoice)) == (Status.PENDING, [])
    assert desk.collect().pending == 1
    assert [each["method"] for each in gateway.inner.provider.held("payment")] == [new]
    agree()
    assert alerts(desk, park) == []


@pytest.mark.rule("S9")
def test_a_mandate_that_gocardless_replaced_is_charged_in_place_of_the_old_one(gocardless: House) -> None:
    saved = gocardless.save()
    invoice = gocardless.issue(due=date(2026, 3, 6))
    new = gocardless.bench.replace(saved.reference)
    gocardless.deliver()
    now = gocardless.desk.methods.get(saved)
    assert (now.reference, now.chargeable, gocardless.alerts()) == (new, True, set())
    assert gocardless.desk.collect().pending == 1
    (made,) = gocardless.desk.collections.find(invoice=invoice)
    assert gocardless.gateway.inner.payment(made.reference).method == new


@pytest.mark.rule("S9")
def test_a_debit_that_was_cancelled_at_the_provider_is_asked_for_with_a_link(
    desk: Billing, park: Biller, guest: Customer, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    desk.collect()
    (made,) = desk.collections.find(invoice=invoice)
    gateway.inner.cancel(made.reference, "dashboard")
    deliver(desk, gateway)
    after = desk.collections.get(made)
    assert (after.state, after.decline and after.decline.code) == (
        CollectionState.CANCELLED,
        DeclineCode.MANDATE_CANCELLED,
    )
    daily(desk, gateway, clock, 2)
    assert (told(desk, invoice), alerts(desk, park)) == (["collection_failed"], [AlertKind.NO_METHOD])
    assert status(desk, invoice) is Status.OPEN
    agree()


@pytest.mark.rule("S9")
def test_a_debit_that_was_cancelled_with_its_mandate_is_asked_for_with_a_link(gocardless: House) -> None:
    saved = gocardless.save()
    invoice = gocardless.issue(due=date(2026, 3, 6))
    gocardless.desk.collect()
    gocardless.deliver()
    gocardless.bench.revoke(saved.reference)
    gocardless.deliver()
    (made,) = gocardless.desk.collections.find(invoice=invoice)
    assert (made.state, gocardless.status(invoice)) == (CollectionState.CANCELLED, "open")
    assert told(gocardless.desk, invoice) == ["collection_failed"]
    assert gocardless.alerts() == {"no_method"}


@pytest.mark.rule("S9")
def test_a_debit_we_called_off_is_no_news_to_anybody(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    desk.collections.cancel(made)
    deliver(desk, gateway)
    assert (told(desk, invoice), alerts(desk, park), states(desk, invoice)) == ([], [], [CollectionState.CANCELLED])
    agree()


# --- pages and debits that outlive what is owed -----------------------------------------------------------------------


@pytest.mark.rule("D6", "R12")
def test_a_page_whose_invoice_was_charged_while_it_was_made_is_closed_and_not_given_out(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    gateway.when("checkout", "after", lambda: desk.payments.charge(invoice))
    with pytest.raises(NotAllowed, match="nothing is left to pay"):
        desk.payments.checkout(token_of(desk, invoice))
    (page,) = gateway.inner.provider.held("checkout")
    with pytest.raises(StateConflict):
        gateway.inner.pay(page["url"])
    agree()
    assert (status(desk, invoice), states(desk, invoice)) == (
        Status.PAID,
        [CollectionState.CANCELLED, CollectionState.SUCCEEDED],
    )


@pytest.mark.rule("D6", "R12")
def test_a_page_made_while_a_part_was_paid_asks_for_the_rest(
    desk: Billing, issue: Issue, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    invoice = issue()

    def meanwhile() -> None:
        desk.payments.record(invoice, money(40))
        clock.advance(D(minutes=1))
        desk.recover()

    gateway.when("checkout", "after", meanwhile)
    url = desk.payments.checkout(token_of(desk, invoice))
    first, second = gateway.inner.provider.held("checkout")
    assert (second["url"], second["amount"], first["closed"]) == (url, 6000, True)
    gateway.inner.pay(url)
    agree()
    assert status(desk, invoice) is Status.PAID


@pytest.mark.rule("S12", "S9")
def test_a_credit_note_makes_what_is_reserved_less(
    desk: Billing, park: Biller, guest: Customer, save: Save, agree: Agree
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    desk.credit_notes.issue(invoice, amount=money(20))
    assert desk.collect().pending == 1
    (made,) = desk.collections.find(invoice=invoice)
    assert (made.amount, desk.invoices.get(invoice).facts.in_flight) == (money(600), money(600))
    assert status(desk, invoice) is Status.PENDING
    agree()


@pytest.mark.rule("S12", "D6")
@pytest.mark.parametrize("amount", [100, 30])
def test_a_pending_debit_of_more_than_is_owed_is_called_off_at_the_next_recover(
    desk: Billing, park: Biller, issue: Issue, save: Save, agree: Agree, amount: int
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    desk.credit_notes.issue(invoice, amount=money(amount))
    desk.recover()
    assert desk.collections.get(made).state is CollectionState.CANCELLED
    assert (told(desk, invoice), alerts(desk, park)) == ([], [])
    agree()


def days_pass(house: House, days: int) -> None:
    """Let so many days pass at a house, with what a host does every day."""
    for _ in range(days):
        house.desk.collect()
        house.desk.recover()
        house.desk.deliver()
        house.deliver()
        house.move(days=1)


@pytest.mark.rule("S9", "P5")
@pytest.mark.parametrize("name", ["memory", "gocardless"])
def test_what_is_left_of_a_debit_that_was_called_off_is_announced_and_collected_anew(name: str) -> None:
    with contextlib.closing(House(name)) as house:
        house.save()
        invoice = lease_by_debit(house.desk, house.park, house.guest)
        house.desk.collect()
        house.deliver()
        house.desk.credit_notes.issue(invoice, amount=money(20), reason="One night without water")
        days_pass(house, 2)
        first, second = house.desk.collections.find(invoice=invoice)
        assert (first.state, second.state) == (CollectionState.CANCELLED, CollectionState.PENDING)
        assert (second.amount, second.method, second.attempt) == (money(600), first.method, first.attempt)
        assert (house.status(invoice), told(house.desk, invoice), house.alerts()) == ("pending", [], set())
        notices = [each for each in house.desk.messages.find(invoice=invoice) if each.about == second.id]
        assert [(each.kind.value, each.state.value) for each in notices] == [("collection_notice", "sent")]
        house.bench.collect(second.reference)
        house.check()
        assert house.status(invoice) == "paid"
        assert house.desk.credits.balance(house.guest) == money(0)


@pytest.mark.rule("S9", "P5")
def test_what_is_left_of_a_debit_that_was_called_off_is_asked_for_with_a_link_without_a_mandate(
    desk: Billing, park: Biller, guest: Customer, save: Save, agree: Agree
) -> None:
    saved = save()
    invoice = lease_by_debit(desk, park, guest)
    desk.collect()
    desk.methods.revoke(saved)  # the debit under way goes on
    desk.credit_notes.issue(invoice, amount=money(20))
    desk.recover()
    assert states(desk, invoice) == [CollectionState.CANCELLED, CollectionState.NOT_EXECUTED]
    assert (told(desk, invoice), alerts(desk, park)) == (["collection_failed"], [AlertKind.NO_METHOD])
    assert (status(desk, invoice), desk.invoices.get(invoice).recordable) == (Status.OPEN, money(600))
    agree()


@pytest.mark.rule("S9", "P5")
@pytest.mark.parametrize("way", ["its webhook is quicker", "the process dies"])
def test_what_is_left_is_collected_anew_whoever_learns_first_that_the_debit_was_called_off(
    desk: Billing, park: Biller, guest: Customer, save: Save, gateway: Faulty, agree: Agree, way: str
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    desk.collect()
    desk.credit_notes.issue(invoice, amount=money(20))
    if way == "the process dies":
        gateway.plan("cancel", Killed(), when="after")
        with pytest.raises(Killed):
            desk.recover()
    else:
        gateway.when("cancel", "after", lambda: deliver(desk, gateway))
    desk.recover()
    assert states(desk, invoice) == [CollectionState.CANCELLED, CollectionState.RESERVED]
    assert (status(desk, invoice), alerts(desk, park)) == (Status.PENDING, [])
    assert desk.collect().pending == 1
    desk.deliver()
    failed = [each for each in desk.messages.find(invoice=invoice) if each.kind.value == "collection_failed"]
    assert all(each.state.value == "cancelled" for each in failed), "nobody is asked for what is collected"
    agree()


@pytest.mark.rule("S9", "D6", "P5")
@pytest.mark.parametrize("name", ["memory", "gocardless", "stripe"])
def test_what_a_debit_that_can_no_longer_be_called_off_brings_too_much_is_credit_and_an_alert(name: str) -> None:
    with contextlib.closing(House(name)) as house:
        house.kind = PaymentMethod.DIRECT_DEBIT
        house.save()
        invoice = lease_by_debit(house.desk, house.park, house.guest)
        house.desk.collect()
        house.deliver()
        (debit,) = house.desk.collections.find(invoice=invoice)
        house.bench.collect(debit.reference)  # and nobody is told yet
        house.sent()
        house.desk.credit_notes.issue(invoice, amount=money(20))
        days_pass(house, 2)
        assert [each.state for each in house.desk.collections.find(invoice=invoice)] == [CollectionState.SUCCEEDED]
        assert (house.status(invoice), house.alerts()) == ("paid", {"overpaid"})
        assert house.desk.credits.balance(house.guest) == money(20)
        house.check()


@pytest.mark.rule("D6")
@pytest.mark.parametrize("way", ["paid on a page", "void"])
def test_what_its_provider_tries_again_of_itself_is_called_off_once_it_is_not_owed(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree, way: str
) -> None:
    save()
    invoice = issue(due=FRIDAY)
    made = desk.payments.charge(invoice)
    gateway.inner.fail(made.reference, "insufficient_funds", again=True)
    deliver(desk, gateway)
    assert told(desk, invoice) == [], "its provider tries again"
    if way == "void":
        desk.invoices.void(invoice)
    else:
        desk.receive("memory", *gateway.inner.pay(desk.payments.checkout(token_of(desk, invoice))))
    gateway.inner.retry(made.reference, "its own")
    deliver(desk, gateway)
    clock.advance(D(minutes=1))
    desk.recover()
    assert gateway.inner.payment(made.reference).status is PayStatus.CANCELLED
    assert desk.invoices.get(invoice).facts.in_flight == money(0)
    assert alerts(desk, park) == []
    agree()


# --- money that was given back, or is not there -----------------------------------------------------------------------


@pytest.fixture
def overpaid(desk: Billing, issue: Issue, gateway: Faulty) -> str:
    """An invoice of 100 that was paid by hand, and again on its page: the second became credit."""
    invoice = issue()
    url = desk.payments.checkout(token_of(desk, invoice))
    desk.payments.record(invoice)
    desk.receive("memory", *gateway.inner.pay(url))
    return invoice.id


@pytest.mark.rule("S12", "D6", "C8")
def test_what_was_paid_too_much_is_refunded_out_of_the_credit_it_became(
    desk: Billing, guest: Customer, overpaid: str, agree: Agree
) -> None:
    assert desk.credits.balance(guest) == money(100)
    (payment,) = [each for each in desk.payments.find(customer=guest) if each.collection]
    made = desk.payments.refund(overpaid, money(30), to="gateway", payment=payment)
    assert (made.state, made.of_credit, desk.credits.balance(guest)) == (RefundState.SUCCEEDED, money(30), money(70))
    desk.payments.refund(overpaid, to="gateway", payment=payment)
    assert (desk.credits.balance(guest), desk.invoices.get(overpaid).facts.paid) == (money(0), money(100))
    with pytest.raises(NotAllowed, match="no payment that came through"):
        desk.payments.refund(overpaid, money(1), to="gateway", payment=desk.payments.find(invoice=overpaid)[0])
    agree()


@pytest.mark.rule("S12", "D6", "C8")
def test_what_was_paid_too_much_and_refunded_in_a_dashboard_is_no_credit_any_more(
    desk: Billing, park: Biller, guest: Customer, overpaid: str, gateway: Faulty, agree: Agree
) -> None:
    (collection,) = desk.collections.find(invoice=overpaid)
    wanted = RefundRequest(payment=collection.reference or "", amount=money(100), refunded_before=money(0))
    gateway.inner.refund(wanted, "dashboard")
    deliver(desk, gateway)
    assert desk.credits.balance(guest) == money(0)
    assert [each.of_credit for each in desk.payments.refunds(overpaid)] == [money(100)]
    assert sorted(alerts(desk, park)) == [AlertKind.OVERPAID, AlertKind.REFUNDED_ELSEWHERE]
    for each in desk.alerts.find(biller=park):
        desk.alerts.resolve(each, resolution="seen")
    gateway.inner.pay_out(collection.reference)
    deliver(desk, gateway)
    assert set(alerts(desk, park, None)) == {AlertKind.OVERPAID, AlertKind.REFUNDED_ELSEWHERE}
    assert alerts(desk, park) == []
    assert desk.reconcile("memory", since=YEARS[0], until=YEARS[1]).differences == ()
    agree()


@pytest.mark.rule("S12", "D3")
@pytest.mark.usefixtures("finds_only")
@pytest.mark.parametrize(
    ("outcome", "state", "held"),
    [("refunded", RefundState.SUCCEEDED, 60), ("not_refunded", RefundState.NOT_EXECUTED, 100)],
)
def test_a_refund_nobody_can_tell_of_is_settled_by_a_person(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, outcome: str,
    state: RefundState, held: int,
) -> None:  # fmt: skip
    save(PaymentMethod.CARD)
    invoice = issue()
    desk.payments.charge(invoice)
    gateway.plan("refund", times=20)
    refund = desk.payments.refund(invoice, money(40), to="gateway")
    with pytest.raises(NotFound):
        desk.payments.resolve_refund(f"{park.id}_ref_0", outcome="refunded", note="?", reference="x")
    for wrong, said, note in (
        ("outcome", "perhaps", "?"),
        ("note", "refunded", " "),
        ("reference", "refunded", "seen"),
    ):
        with pytest.raises(InvalidValue, match=wrong):
            desk.payments.resolve_refund(refund, outcome=said, note=note)
    daily(desk, gateway, clock, 5)
    (stuck,) = desk.payments.refunds(invoice)
    assert (stuck.state, stuck.next_try_at, alerts(desk, park)) == (RefundState.UNKNOWN, None, [AlertKind.DOUBTFUL])
    after = desk.payments.resolve_refund(refund, outcome=outcome, note="in the dashboard", reference="re_1")
    assert (after.state, desk.invoices.get(invoice).facts.held) == (state, money(held))
    assert alerts(desk, park) == []
    with pytest.raises(NotAllowed, match="in doubt"):
        desk.payments.resolve_refund(refund, outcome=outcome, note="again", reference="re_1")


@pytest.mark.rule("S12", "P4")
def test_a_refund_that_waits_is_not_made_once_the_payment_was_charged_back(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    made = desk.payments.charge(invoice)
    gateway.plan("refund", NotSent("memory", "refund", "down"))
    with pytest.raises(NotSent):
        desk.payments.refund(invoice, to="gateway")
    gateway.inner.reverse(made.reference, ReversalKind.CHARGEBACK)
    deliver(desk, gateway)
    assert sorted(alerts(desk, park)) == [AlertKind.CHARGEBACK, AlertKind.REVERSED_AFTER_REFUND]
    clock.advance(D(hours=1))
    desk.recover()
    assert gateway.calls.count("refund") == 1, "it was not sent"
    assert [each.state for each in desk.payments.refunds(invoice)] == [RefundState.NOT_EXECUTED]
    assert (alerts(desk, park), status(desk, invoice)) == ([AlertKind.CHARGEBACK], Status.OPEN)
    agree()


@pytest.mark.rule("S12")
def test_a_refund_after_money_was_collected_again_says_what_was_refunded_before(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save()
    invoice = issue(due=FRIDAY)
    made = desk.payments.charge(invoice)
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    first = desk.payments.refund(invoice, money(20), to="gateway")
    gateway.inner.settle_refund(first.reference)
    gateway.inner.reverse(made.reference, ReversalKind.LATE_FAILURE)
    deliver(desk, gateway)
    gateway.inner.retry(made.reference, "its own")
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    assert len(desk.payments.find(invoice=invoice)) == 2
    second = desk.payments.refund(invoice, money(10), to="gateway")
    assert (second.state, second.refunded_before) == (RefundState.PENDING, money(20))
    agree()


@pytest.mark.rule("D3")
@pytest.mark.usefixtures("finds_only")
def test_what_a_person_said_was_collected_is_held_against_what_the_provider_tells_later(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty
) -> None:
    save()
    invoice = issue()
    gateway.plan("charge", when="after")
    made = desk.payments.charge(invoice)
    with pytest.raises(InvalidValue, match="reference"):
        desk.collections.resolve(made, outcome="collected", note="thought so")
    (there,) = gateway.inner.provider.held("payment")
    after = desk.collections.resolve(made, outcome="collected", note="in the dashboard", reference=there["id"])
    assert (after.state, status(desk, invoice)) == (CollectionState.SUCCEEDED, Status.PAID)
    gateway.inner.fail(there["id"], "insufficient_funds")
    deliver(desk, gateway)
    assert alerts(desk, park) == [AlertKind.MISMATCH]
    (difference,) = desk.reconcile("memory", since=YEARS[0], until=YEARS[1]).differences
    assert (difference.there, difference.here) == ("0.00 EUR", "100.00 EUR")


@pytest.mark.usefixtures("finds_only")
def test_what_a_person_said_was_collected_can_be_refunded_by_the_provider(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    gateway.plan("charge", when="after")
    made = desk.payments.charge(invoice)
    (there,) = gateway.inner.provider.held("payment")
    desk.collections.resolve(made, outcome="collected", note="in the dashboard", reference=there["id"])
    assert desk.payments.refund(invoice, money(40), to="gateway").state is RefundState.SUCCEEDED
    agree()


# --- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S9")
@pytest.mark.parametrize("what", ["revoked", "page open", "provider down", "killed"])
def test_a_retry_that_something_stands_in_the_way_of_is_not_lost(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree, what: str
) -> None:
    desk.billers.edit(park, policy={"collection_retries": (3,)})
    saved = save()
    invoice = issue(due=date(2026, 3, 5))
    made = desk.payments.charge(invoice)
    gateway.inner.fail(made.reference, "insufficient_funds")
    deliver(desk, gateway)
    if what == "revoked":
        gateway.inner.give_up(saved.reference)
        deliver(desk, gateway)
    clock.set(datetime(2026, 3, 6, 9, tzinfo=clock.now().tzinfo))
    if what == "page open":
        desk.payments.checkout(token_of(desk, invoice))
    gateway.plan(
        "retry", {"killed": Killed(), "provider down": DOWN}.get(what), times=what in ("killed", "provider down")
    )
    with contextlib.suppress(Killed):
        desk.collect()
    if what == "killed":
        assert status(desk, invoice) is Status.PENDING, "it may be under way"
    daily(desk, gateway, clock, 6)
    if what == "revoked":
        assert (told(desk, invoice), alerts(desk, park)) == (["collection_failed"], [AlertKind.NO_METHOD])
        assert "retry" not in gateway.calls
    else:
        assert (desk.collections.get(made).state, told(desk, invoice)) == (CollectionState.PENDING, [])
        assert desk.collections.get(made).attempt == 2
        assert [each["kind"] for each in gateway.inner.provider.events].count("payment.retried") == 1
    agree()


@pytest.mark.rule("S9", "C6")
def test_a_charge_by_hand_takes_the_place_of_the_retry_that_was_to_come(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    desk.billers.edit(park, policy={"collection_retries": (2, 2)})
    save()
    invoice = issue(due=date(2026, 3, 5))
    for _ in range(2):
        made = desk.payments.charge(invoice)
        gateway.inner.fail(made.reference, "insufficient_funds")
        deliver(desk, gateway)
    first, second = desk.collections.find(invoice=invoice)
    assert (first.next_try_at, second.next_try_at) != (None, None)
    assert first.next_try_at is None
    for _ in range(12):
        for each in desk.collections.find(invoice=invoice, state="pending"):
            gateway.inner.fail(each.reference, "insufficient_funds")
        daily(desk, gateway, clock, 1)
    asked = [each["kind"] for each in gateway.inner.provider.events]
    assert (asked.count("payment.created"), asked.count("payment.retried")) == (2, 2)
    assert told(desk, invoice) == ["collection_failed"]


@pytest.mark.rule("C8", "S10")
def test_credit_that_settles_an_older_invoice_at_a_publication_closes_its_page(
    desk: Billing, park: Biller, issue: Issue, clock: FixedClock, agree: Agree
) -> None:
    desk.billers.edit(park, policy={"apply_credit": True})
    older = issue(due=date(2026, 3, 5))
    desk.payments.checkout(token_of(desk, older))
    large = issue(300)
    desk.payments.record(large)
    desk.payments.refund(large, money(100), to="credit")
    issue(30, due=date(2026, 3, 25))
    assert status(desk, older) is Status.PAID
    clock.advance(D(minutes=1))
    desk.recover()
    assert [each.state for each in desk.collections.find(invoice=older)] == [CollectionState.CANCELLED]
    agree()
