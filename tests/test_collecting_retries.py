"""A collection that failed: who tries it again, when and how often, and whom its failure is told to."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from collecting import Agree, Issue, Save, Shows, alerts, ring, status, told
from desks import money
from invoicecore import Billing, Status
from invoicecore.alerts import AlertKind
from invoicecore.collection import Collection, CollectionState, DeclineCode
from invoicecore.parties import Biller
from invoicecore.payments import PaymentMethod
from invoicecore.ports import PayStatus
from invoicecore.testing import FixedClock
from providers import Faulty, deliver

THREE_DAYS = timedelta(days=3)


@pytest.fixture
def bounced(desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty) -> Collection:
    """A debit of 100 that failed, and that is to be tried again once, in three days."""
    desk.billers.edit(park, policy={"collection_retries": (3,)})
    save()
    made = desk.payments.charge(issue())
    gateway.inner.fail(made.reference, "insufficient_funds")
    deliver(desk, gateway)
    return desk.collections.get(made)


# --- tried again by policy --------------------------------------------------------------------------------------------


@pytest.mark.rule("S9", "M1")
def test_a_retry_goes_out_when_its_day_begins_where_the_biller_is(
    desk: Billing, bounced: Collection, clock: FixedClock
) -> None:
    clock.set(datetime.fromisoformat("2026-03-04T22:59:00+00:00"))
    assert desk.collect().count == 0
    clock.set(datetime.fromisoformat("2026-03-04T23:00:00+00:00"))  # midnight in Paris
    assert desk.collect().pending == 1
    assert desk.collections.get(bounced).state is CollectionState.PENDING


@pytest.mark.rule("D2", "S9")
def test_two_who_try_the_same_failed_debit_again_have_it_in_flight_once(
    desk: Billing, bounced: Collection, issue: Issue, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    second = desk.payments.charge(issue())
    gateway.inner.fail(second.reference, "insufficient_funds")
    deliver(desk, gateway)
    clock.advance(THREE_DAYS)
    gateway.when("retry", "after", desk.collect)  # another worker, while the first has both in hand
    desk.collect()
    assert gateway.calls.count("retry") == 2
    for each in (bounced, second):
        assert desk.invoices.get(each.invoice).facts.in_flight == money(100)
    agree()


@pytest.mark.rule("P5", "D6", "S9")
def test_a_failed_debit_of_more_than_is_owed_since_is_tried_again_as_one_of_what_is_owed(
    desk: Billing, bounced: Collection, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    desk.credit_notes.issue(bounced.invoice, amount=money(40))
    clock.advance(THREE_DAYS)
    desk.collect()
    first, second = desk.collections.find(invoice=bounced.invoice)
    assert (first.state, second.state, second.amount) == (CollectionState.FAILED, CollectionState.PENDING, money(60))
    assert "retry" not in gateway.calls
    agree()


@pytest.mark.rule("S9", "P5")
def test_what_is_left_of_a_debit_that_was_called_off_counts_the_tries_before(
    desk: Billing, bounced: Collection, clock: FixedClock
) -> None:
    clock.advance(THREE_DAYS)
    desk.collect()
    assert desk.collections.get(bounced).attempt == 2
    desk.credit_notes.issue(bounced.invoice, amount=money(40))
    clock.advance(timedelta(minutes=1))
    desk.recover()
    first, rest = desk.collections.find(invoice=bounced.invoice)
    assert (first.state, rest.amount, rest.attempt) == (CollectionState.CANCELLED, money(60), 2)


@pytest.mark.rule("S9", "C6")
def test_a_card_that_is_declined_is_tried_again_as_often_as_policy_says_and_no_more(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock
) -> None:
    desk.billers.edit(park, policy={"collection_retries": (1, 1)})
    saved = save(PaymentMethod.CARD)
    gateway.inner.provider._things[saved.reference]["declines"] = "insufficient_funds"
    invoice = issue()
    desk.payments.charge(invoice)
    for _ in range(6):
        clock.advance(timedelta(days=1))
        desk.collect()
    assert [each.attempt for each in desk.collections.find(invoice=invoice)] == [1, 2, 3]
    assert told(desk, invoice) == ["collection_failed"]


@pytest.mark.rule("S9")
def test_a_debit_that_failed_and_is_cancelled_there_afterwards_is_still_tried_again(
    desk: Billing, bounced: Collection, gateway: Faulty, shows: Shows
) -> None:
    shows(status=PayStatus.CANCELLED)
    ring(desk, gateway, bounced)
    after = desk.collections.get(bounced)
    assert after.next_try_at is not None
    assert (after.state, after.next_try_at) == (CollectionState.FAILED, bounced.next_try_at)


# --- tried again by its provider --------------------------------------------------------------------------------------


@pytest.mark.rule("S9", "D3")
def test_what_its_provider_tries_again_by_itself_is_asked_for_though_every_webhook_is_lost(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, clock: FixedClock, agree: Agree
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    gateway.inner.fail(made.reference, "insufficient_funds", again=True)
    deliver(desk, gateway)
    gateway.inner.retry(made.reference, "its own")
    gateway.inner.collect(made.reference)
    gateway.inner.webhooks()  # all of them are lost
    clock.advance(timedelta(days=2))
    desk.recover()
    assert status(desk, invoice) is Status.PAID
    agree()


@pytest.mark.rule("S9")
def test_when_the_provider_gives_up_trying_again_by_itself_the_customer_is_asked_to_pay(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    gateway.inner.fail(made.reference, "insufficient_funds", again=True)
    deliver(desk, gateway)
    assert told(desk, invoice) == []
    gateway.inner.provider._things[made.reference]["decline"]["will_retry"] = False
    ring(desk, gateway, made)
    assert told(desk, invoice) == ["collection_failed"]


# --- who is told ------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S9")
def test_a_debit_that_waits_for_its_payer_to_agree_is_said_to(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, shows: Shows
) -> None:
    save()
    made = desk.payments.charge(issue())
    shows(status=PayStatus.REQUIRES_ACTION, decline=None)
    ring(desk, gateway, made)
    after = desk.collections.get(made)
    assert after.state is CollectionState.FAILED
    assert after.decline is not None
    assert after.decline.code is DeclineCode.AUTHENTICATION_REQUIRED


@pytest.mark.rule("S9", "P5")
@pytest.mark.parametrize("how", ["it fails", "it is cancelled there"])
def test_a_debit_that_is_over_once_nothing_is_owed_is_no_news_to_anybody(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, how: str
) -> None:
    save()
    invoice = issue()
    made = desk.payments.charge(invoice)
    desk.credit_notes.issue(invoice)
    if how == "it fails":
        gateway.inner.fail(made.reference, "account_closed")
    else:
        gateway.inner.cancel(made.reference, "by somebody in the dashboard")
    deliver(desk, gateway)
    state = CollectionState.FAILED if how == "it fails" else CollectionState.CANCELLED
    assert (desk.collections.get(made).state, alerts(desk, park)) == (state, [])
    assert "collection_failed" not in told(desk, invoice)


@pytest.mark.rule("S9", "C6")
def test_a_method_given_up_ends_what_waits_for_it_and_nothing_that_waits_for_another(
    desk: Billing, park: Biller, issue: Issue, save: Save
) -> None:
    mandate, card = save(), save(PaymentMethod.CARD)
    desk.billers.edit(park, policy={"collect_saved": True})
    invoice = issue()
    (waits,) = desk.collections.find(invoice=invoice)
    assert (waits.method, waits.state) == (card.id, CollectionState.RESERVED)
    desk.methods.revoke(mandate)
    assert desk.collections.get(waits).state is CollectionState.RESERVED
    assert (told(desk, invoice), alerts(desk, park)) == ([], [])
    desk.methods.revoke(card)
    assert desk.collections.get(waits).state is CollectionState.NOT_EXECUTED
    assert (told(desk, invoice), alerts(desk, park)) == (["collection_failed"], [AlertKind.NO_METHOD])
