"""What is not certain of a collection: doubt and its end, answers that are late, and words that are not of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collecting import Agree, Issue, Save, Shows, alerts, ring, status
from desks import money
from invoicecore import Billing, Status
from invoicecore.alerts import AlertKind
from invoicecore.collection import CollectionState
from invoicecore.errors import KeyMismatch, NotSent, RateLimited
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller
from invoicecore.payments import PaymentMethod
from invoicecore.ports import PayStatus
from invoicecore.testing import FixedClock
from providers import Faulty, deliver

MINUTES, HOUR, WEEKS = timedelta(minutes=20), timedelta(hours=1), timedelta(days=40)


# --- before it is sent ------------------------------------------------------------------------------------------------


@pytest.mark.rule("S9", "P1")
def test_what_is_called_off_while_its_mandate_is_looked_at_is_not_sent(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    invoice = issue()
    gateway.plan("method", NotSent("memory", "method", "refused"))
    with pytest.raises(NotSent):
        desk.payments.charge(invoice)
    (waits,) = desk.collections.find(invoice=invoice)
    clock.advance(HOUR)
    gateway.when("method", "after", lambda: desk.collections.cancel(waits))
    desk.collect()
    assert desk.collections.get(waits).state is CollectionState.NOT_EXECUTED
    assert "charge" not in gateway.calls
    assert desk.invoices.get(invoice).facts.in_flight == money(0)


@pytest.mark.rule("S9")
def test_a_provider_that_asks_to_be_left_alone_for_years_is_asked_again_within_minutes(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    invoice = issue()
    gateway.plan("charge", RateLimited("memory", "charge", "slow down", retry_after=1e9))
    with pytest.raises(RateLimited):
        desk.payments.charge(invoice)
    (waits,) = desk.collections.find(invoice=invoice)
    assert waits.next_try_at == clock.now() + timedelta(minutes=5)


# --- doubt, and how it ends -------------------------------------------------------------------------------------------


@pytest.mark.rule("S9")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_debit_that_was_in_doubt_is_announced_to_its_payer_once_it_is_certain(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, when: str
) -> None:
    def announced() -> int:
        return [each.kind for each in desk.messages.find(invoice=invoice)].count(MessageKind.COLLECTION_NOTICE)

    save()
    invoice = issue()
    gateway.plan("charge", when=when)
    made = desk.payments.charge(invoice)
    assert (made.state, announced()) == (CollectionState.UNKNOWN, 0)
    clock.advance(MINUTES)
    desk.recover()
    assert (desk.collections.get(made).state, announced()) == (CollectionState.PENDING, 1)


@pytest.mark.rule("S9", "P5")
def test_a_debit_in_doubt_of_more_than_is_owed_since_is_called_off_as_soon_as_it_is_certain(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save()
    invoice = issue()
    gateway.plan("charge", when="after")
    made = desk.payments.charge(invoice)
    desk.credit_notes.issue(invoice, amount=money(40))
    clock.advance(MINUTES)
    desk.recover()
    assert desk.collections.get(made).state is CollectionState.PENDING
    desk.recover()
    over, rest = desk.collections.find(invoice=invoice)
    assert (over.id, over.state, rest.amount) == (made.id, CollectionState.CANCELLED, money(60))
    agree()


@pytest.mark.rule("S9")
def test_the_looks_at_what_was_long_in_doubt_count_anew_once_it_is_on_its_way(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    gateway.plan("charge", times=3)
    made = desk.payments.charge(issue())
    for _ in range(2):
        clock.advance(HOUR)
        desk.recover()
    assert desk.collections.get(made).tries > 1
    clock.advance(HOUR)
    desk.recover()
    after = desk.collections.get(made)
    assert (after.state, after.tries) == (CollectionState.PENDING, 0)


@pytest.mark.rule("D3", "D6")
def test_an_answer_that_was_lost_makes_no_doubt_of_what_a_webhook_has_told(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    gateway.plan("charge", when="after")
    gateway.when("charge", "after", lambda: deliver(desk, gateway))
    made = desk.payments.charge(invoice)
    assert (made.state, status(desk, invoice)) == (CollectionState.SUCCEEDED, Status.PAID)
    assert desk.collections.get(made).state is CollectionState.SUCCEEDED
    agree()


@pytest.mark.rule("D3", "D6")
def test_what_was_charged_for_certain_is_in_doubt_and_not_taken_for_unsent_when_it_cannot_be_looked_at(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    def given_up() -> None:
        clock.advance(HOUR)
        gateway.plan("charge")
        desk.recover()

    save()
    gateway.when("charge", "after", given_up)  # another worker takes it for lost, and does not learn of it either
    gateway.plan("payment", NotSent("memory", "payment", "refused"))
    made = desk.payments.charge(issue())
    assert made.state is CollectionState.UNKNOWN
    agree()
    assert desk.collections.get(made).state is CollectionState.PENDING


@pytest.mark.rule("D3")
def test_what_a_doubtful_charges_key_made_of_another_amount_is_left_to_a_person(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    gateway.plan("charge", when="after")
    made = desk.payments.charge(issue())
    (there,) = gateway.inner.provider.held("payment")
    gateway.inner.provider._things[there["id"]]["amount"] = 6_000
    gateway.plan("charge", KeyMismatch("memory", "charge", "the key has made something else"))
    clock.advance(MINUTES)
    desk.recover()
    left = desk.collections.get(made)
    assert (left.state, left.next_try_at, alerts(desk, park)) == (CollectionState.UNKNOWN, None, [AlertKind.MISMATCH])


@pytest.mark.rule("D3", "R18")
@pytest.mark.usefixtures("finds_only")
def test_what_a_person_settles_while_it_is_looked_up_stays_settled(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save()
    invoice = issue()
    gateway.plan("charge")
    made = desk.payments.charge(invoice)
    clock.advance(gateway.info.key_window + HOUR)
    gateway.when(
        "find", "after", lambda: desk.collections.resolve(made, outcome="not_collected", note="not in the dashboard")
    )
    desk.recover()
    assert desk.collections.get(made).state is CollectionState.NOT_EXECUTED
    assert (status(desk, invoice), alerts(desk, park)) == (Status.OPEN, [])


@pytest.mark.rule("R18")
def test_what_a_person_settles_of_a_key_that_made_something_else_is_no_alert_any_more(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty
) -> None:
    save()
    gateway.plan("charge", KeyMismatch("memory", "charge", "the key has made something else"))
    made = desk.payments.charge(issue())
    assert (made.state, alerts(desk, park)) == (CollectionState.UNKNOWN, [AlertKind.MISMATCH])
    desk.collections.resolve(made, outcome="not_collected", note="not there")
    assert alerts(desk, park) == []


# --- words that are late, of something else, or less than was told before ---------------------------------------------


@pytest.mark.rule("D6")
def test_another_collections_payment_under_a_collections_name_is_not_written_down(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    save()
    mine, others = (desk.payments.charge(issue()) for _ in range(2))
    gateway.inner.collect(others.reference)
    shown = gateway.inner.payment
    monkeypatch.setattr(gateway.inner, "payment", lambda reference: shown(others.reference))
    clock.advance(WEEKS)
    desk.recover()
    assert desk.collections.get(mine).state is CollectionState.PENDING
    assert desk.payments.find(invoice=mine.invoice) == []


@pytest.mark.rule("D3", "D6")
def test_what_was_fetched_before_a_newer_word_was_written_down_is_fetched_again(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)

    def quicker() -> None:
        gateway.inner.collect(made.reference)
        deliver(desk, gateway)

    clock.advance(WEEKS)
    gateway.when("payment", "after", quicker)  # what `recover` has read is old by now
    desk.recover()
    assert (desk.collections.get(made).state, status(desk, invoice)) == (CollectionState.SUCCEEDED, Status.PAID)
    assert desk.invoices.get(invoice).facts.in_flight == money(0)
    agree()


@pytest.mark.rule("D3")
def test_a_failure_told_of_money_that_came_takes_nothing_back_until_a_reversal_does(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, shows: Shows
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    made = desk.payments.charge(invoice)
    shows(status=PayStatus.FAILED)
    ring(desk, gateway, made)
    assert (desk.collections.get(made).state, status(desk, invoice)) == (CollectionState.SUCCEEDED, Status.PAID)


@pytest.mark.rule("P1")
def test_the_day_a_debit_is_expected_on_is_kept_where_a_later_word_does_not_name_it(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, shows: Shows
) -> None:
    save()
    made = desk.payments.charge(issue())
    assert made.expected_on is not None
    shows(expected_on=None)
    clock.advance(WEEKS)
    desk.recover()
    assert desk.collections.get(made).expected_on == made.expected_on


@pytest.mark.rule("P4")
def test_until_when_a_payment_can_be_taken_back_counts_from_when_it_came_and_not_from_the_last_look(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    save(PaymentMethod.CARD)
    made = desk.payments.charge(issue())
    assert made.reversible_until is not None
    clock.advance(WEEKS)
    ring(desk, gateway, made)
    assert desk.collections.get(made).reversible_until == made.reversible_until
