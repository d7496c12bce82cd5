"""What goes wrong later, F20 to F35: secrets that change, races with people, money that comes back, providers that are down.

As in test_collecting_faults: each test is named by its scenario and ends with `House.check`, I1 to I7.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import hygiene
from desks import all_of, everything, money, store_of
from invoicecore.collection import CollectionState, MethodState
from invoicecore.errors import (
    GatewayError,
    NotAllowed,
    NotFound,
    WebhookRejected,
)
from invoicecore.messages import MessageKind
from invoicecore.payments import RefundState, Reversal, ReversalKind
from invoicecore.ports import Charge, RefundRequest
from invoicecore.testing.gateway_bench import Delivery, Fault
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.stripe.gateway import StripeGateway
from providers import NOON, House

Build = Callable[..., House]
TODAY = NOON.date()


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


@pytest.fixture(params=["stripe", "gocardless"])
def house(request: pytest.FixtureRequest, build: Build) -> House:
    """A business whose cards are at Stripe, or whose debits are at GoCardless."""
    return build(request.param)


def collected(house: House, amount: int = 100) -> tuple[Any, str]:
    """(an invoice that was collected by a saved method, the provider's name of the payment)."""
    if not house.desk.methods.find(customer=house.guest):
        house.save()
    invoice = house.issue(amount)
    reference = str(house.desk.payments.charge(invoice).reference)
    if house.name == "gocardless":
        house.bench.collect(reference)
    house.deliver()
    assert house.status(invoice) == "paid"
    return invoice, reference


def mails(house: House, kind: MessageKind) -> int:
    return [each.kind for each in house.desk.messages.find(biller=house.park, limit=500)].count(kind)


# --- F20, F21, F34: who says so ---------------------------------------------------------------------------------------


@pytest.mark.rule("D6")
def test_f20_while_secrets_are_rotated_both_count_and_afterwards_only_the_new_one(house: House) -> None:
    old, new = house.bench.secrets[1], "whsec_the_new_secret_of_this_endpoint"
    invoices = [house.issue() for _ in range(3)]
    for invoice in invoices:
        house.bench.pay(house.page(invoice))
    bodies = [each.body for each in house.sent()]

    def tell(secret: str) -> list[Any]:
        return [
            told
            for body in bodies
            for told in house.hand(Delivery(body=body, headers=house.bench.sign(body, secret=secret)))
        ]

    house.gateway.inner = house.bench.gateway(webhook_secrets=(new, old))
    assert tell(old)
    assert {each.state for each in tell(new)} <= {"repeated", "ignored"}
    house.gateway.inner = house.bench.gateway(webhook_secrets=(new,))
    assert tell(new)
    with pytest.raises(WebhookRejected) as told:
        tell(old)
    assert told.value.reason == "bad"
    house.gateway.inner = house.bench.gateway()
    assert [house.status(each) for each in invoices] == ["paid"] * 3
    house.check()


@pytest.mark.rule("D6", "T1")
@pytest.mark.parametrize("secret", ["whsec_somebody_elses_secret", "x"], ids=["F21 forged", "F34 another endpoint's"])
def test_f21_and_f34_a_webhook_that_is_not_ours_is_rejected_and_nothing_is_written(house: House, secret: str) -> None:
    invoice = house.issue()
    house.bench.pay(house.page(invoice))
    before = everything(store_of(house.desk), house.park)
    kept = house.sent()
    for delivery in kept:
        with pytest.raises(WebhookRejected):
            house.hand(Delivery(body=delivery.body, headers=house.bench.sign(delivery.body, secret=secret)))
        with pytest.raises(WebhookRejected):
            house.hand(Delivery(body=delivery.body + b" ", headers=delivery.headers))
    assert everything(store_of(house.desk), house.park) == before
    assert house.status(invoice) == "open"
    house.check()


@pytest.mark.rule("D6", "T1")
def test_f21_what_a_valid_event_claims_is_not_believed_but_fetched(build: Build) -> None:
    house = build("stripe")
    invoice = house.issue()
    url = house.page(invoice)
    house.bench.pay(url, decline="generic_decline")
    session = json.loads(json.dumps(house.bench.simulator.account.objects[url.rpartition("/")[2]], default=str))
    event = {"id": "evt_1", "object": "event", "type": "checkout.session.completed", "livemode": False, "created": 1,
             "data": {"object": {**session, "payment_status": "paid", "status": "complete"}}}  # fmt: skip
    body = json.dumps(event).encode()
    house.hand(Delivery(body=body, headers=house.bench.sign(body)))
    assert house.status(invoice) == "open"
    house.check()


@pytest.mark.rule("T1")
def test_f21_a_valid_event_about_somebody_elses_object_has_no_effect(house: House) -> None:
    saved = house.save()
    wanted = Charge(method=saved.reference or "", owner=saved.owner, amount=money(5), reference="X", description="X")
    before = everything(store_of(house.desk), house.park)
    for key in ("someone-else-1", "zzzzzzzzzzzz_col_0000000000000000000000"):
        house.gateway.inner.charge(wanted, key)
    assert {each.state for each in house.deliver()} == {"ignored"}
    assert everything(store_of(house.desk), house.park) == before
    mine = house.issue()
    house.bench.pay(house.page(mine))
    delivery = next(each for each in house.sent() if house.park.id.encode() in each.body)
    with pytest.raises(NotFound):  # told again, until a desk hears of it that may write it down
        house.desk.scoped(house.bystander).receive(house.name, delivery.body, delivery.headers)
    house.hand(delivery)
    house.check()
    assert house.status(mine) == "paid"


# --- F22 to F28: people meanwhile, and money that comes back ----------------------------------------------------------


@pytest.mark.rule("D6", "R12")
def test_f22_a_page_that_is_paid_while_the_saved_method_is_about_to_be_charged(house: House) -> None:
    house.save()
    invoice = house.issue()
    url = house.page(invoice)
    house.gateway.when("expire", "before", lambda: house.bench.pay(url))
    with pytest.raises(NotAllowed):
        house.desk.payments.charge(invoice)
    house.check()
    assert (house.status(invoice), len(house.charges())) == ("paid", 1)


@pytest.mark.rule("D6")
def test_f22_a_page_that_is_paid_after_the_money_came_another_way_is_credit_and_an_alert(house: House) -> None:
    invoice = house.issue()
    url = house.page(invoice)
    house.desk.payments.record(invoice)
    house.bench.pay(url)
    house.check()
    assert house.alerts() == {"overpaid"}
    assert house.desk.credits.balance(house.guest) == money(100)


@pytest.mark.rule("D6", "R12")
def test_f23_while_a_debit_is_pending_the_link_pays_nothing_twice(build: Build) -> None:
    """The link is blocked, not the debit cancelled: the debit is what the customer agreed to."""
    house = build("gocardless")
    house.save()
    invoice = house.issue()
    url = house.page(invoice)
    made = house.desk.payments.charge(invoice)
    house.bench.pay(url)  # its page was closed with the charge
    with pytest.raises(NotAllowed):
        house.page(invoice)
    house.bench.collect(made.reference)
    house.check()
    assert (house.status(invoice), len(house.charges())) == ("paid", 1)
    assert house.desk.credits.balance(house.guest) == money(0)


@pytest.mark.rule("S9")
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_f24_a_method_given_up_between_the_intent_and_the_charge(house: House, told: bool) -> None:
    saved = house.save()
    house.desk.billers.edit(house.park, policy={"collect_saved": True})
    invoice = house.issue(due=TODAY)
    assert house.status(invoice) == "pending"
    house.bench.revoke(saved.reference)
    if told:
        house.deliver()
    else:
        house.sent()
    house.desk.collect()
    assert (house.status(invoice), house.charges()) == ("open", [])
    assert mails(house, MessageKind.COLLECTION_FAILED) == 1
    assert house.alerts() & {"no_method", "refused"}
    house.check()
    assert house.desk.methods.refresh(saved).state is MethodState.INACTIVE


@pytest.mark.rule("S9", "C6")
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_f24_a_method_given_up_at_the_provider_gives_way_to_another_of_its_customer(house: House, told: bool) -> None:
    """A card that was taken from its customer names no customer any more, and is ours all the same."""
    older = house.save()
    house.move(minutes=1)
    newer = house.save()
    house.desk.billers.edit(house.park, policy={"collect_saved": True})
    house.bench.revoke(newer.reference)
    if told:
        assert "applied" in {each.state for each in house.deliver()}
        assert house.desk.methods.get(newer).state is MethodState.INACTIVE
    else:
        house.sent()
    invoices = []
    for _ in range(3):
        invoices.append(house.issue(due=TODAY))
        house.desk.collect()
    assert house.desk.methods.get(newer).state is MethodState.INACTIVE, "read again when it was refused"
    made = [house.desk.collections.find(invoice=each)[0] for each in invoices]
    assert [each.method for each in made] == [older.id if told else newer.id, older.id, older.id]
    assert len(house.charges()) == (3 if told else 2)
    assert mails(house, MessageKind.COLLECTION_FAILED) == (0 if told else 1)
    house.check()


@pytest.mark.rule("D6", "S9")
def test_f24_a_method_given_up_and_the_refusal_lost_ends_or_is_told_to_a_person(build: Build) -> None:
    house = build("stripe")
    saved = house.save()
    invoice = house.issue()
    house.bench.revoke(saved.reference)
    house.sent()
    house.bench.fault("charge", Fault.RESET_AFTER)  # an intent that waits for a method for ever: nothing was charged
    house.desk.payments.charge(invoice)
    for _ in range(20):
        house.move(hours=13)
        house.desk.recover()
    [found] = house.desk.collections.find(invoice=invoice)
    assert not found.live or house.alerts(), f"{found.state} for ten days, and nobody hears of it"
    house.check()


@pytest.mark.rule("D3", "D2", "S9")
def test_f25_a_late_failure_long_after_its_money_was_credited_onward(build: Build) -> None:
    house = build("gocardless")
    house.save()
    first = house.issue()
    url = house.page(first)
    house.desk.payments.record(first)
    house.bench.pay(url)  # too much: it becomes credit
    house.deliver()
    onward = house.issue()
    house.desk.credits.apply(onward)
    assert house.status(onward) == "paid"
    house.move(days=60)
    house.bench.reverse(house.charges()[0].reference, ReversalKind.LATE_FAILURE)
    house.deliver()
    house.deliver()
    assert (house.status(first), house.status(onward)) == ("paid", "overdue"), "the credit is not there any more"
    [reversal] = all_of(store_of(house.desk), house.park, Reversal)
    assert reversal.reversed_on == date(2026, 5, 1), "today's, whatever period was closed"
    assert "late_failure" in house.alerts()
    house.check()


@pytest.mark.rule("D3", "S9")
def test_f25_a_late_failure_opens_its_invoice_again_and_tells_once(build: Build) -> None:
    house = build("gocardless")
    invoice, reference = collected(house)
    house.move(days=60)
    house.bench.reverse(reference, ReversalKind.LATE_FAILURE)
    for delivery in house.sent() * 3:
        house.hand(delivery)
    house.check()
    assert house.status(invoice) == "overdue"
    assert mails(house, MessageKind.PAYMENT_REVERSED) == 1


@pytest.mark.rule("P4")
def test_f26_a_charge_back_of_all_after_a_refund_of_part(build: Build) -> None:
    house = build("stripe")
    invoice, reference = collected(house)
    house.desk.payments.refund(invoice, money(40), to="gateway")
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.check()
    assert house.alerts() == {"chargeback", "reversed_after_refund"}
    assert house.desk.invoices.get(invoice).facts.held == money(-40)


@pytest.mark.rule("S12", "P4")
def test_f27_a_refund_that_comes_back_after_it_succeeded(house: House) -> None:
    invoice, _ = collected(house)
    refund = house.desk.payments.refund(invoice, money(100), to="gateway")
    house.bench.settle_refund(refund.reference)
    house.deliver()
    assert house.status(invoice) == "refunded"
    house.bench.settle_refund(refund.reference, failed=True)
    house.check()
    assert (house.status(invoice), house.alerts()) == ("paid", {"refund_failed"})
    assert house.desk.invoices.get(invoice).facts.held == money(100)
    again = house.desk.payments.refund(invoice, money(100), to="gateway")
    assert again.state in (RefundState.SUCCEEDED, RefundState.PENDING)
    house.check()


@pytest.mark.rule("S12", "P4")
def test_f28_a_refund_that_crosses_one_made_in_the_dashboard(house: House) -> None:
    invoice, reference = collected(house)
    by_hand = RefundRequest(payment=reference, amount=money(70), refunded_before=money(0))
    house.bench.gateway().refund(by_hand, "made-in-the-dashboard")
    house.sent()  # nobody told us
    with pytest.raises(GatewayError) as told:
        house.desk.payments.refund(invoice, money(50), to="gateway")
    assert told.value.executed.value == "no"
    assert house.alerts() == {"refund_failed", "refunded_elsewhere"}
    assert house.desk.invoices.get(invoice).facts.held == money(30)
    house.desk.payments.refund(invoice, money(30), to="gateway")
    house.rest()
    assert house.status(invoice) == "refunded"


@pytest.mark.rule("S12", "D6")
def test_f28_a_refund_in_the_dashboard_of_what_a_won_charge_back_gave_back_is_of_the_credit(build: Build) -> None:
    house = build("gocardless")
    invoice, reference = collected(house)
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    house.desk.payments.record(invoice, money(100))
    house.bench.undo_reversal(reference)  # credit, told together with what takes it
    by_hand = RefundRequest(payment=reference, amount=money(100), refunded_before=money(0))
    house.bench.gateway().refund(by_hand, "made-in-the-dashboard")
    house.check()
    assert house.status(invoice) == "paid"
    assert house.desk.credits.balance(house.guest) == money(0)


# --- F29 to F32: a provider that is down, locked, changed or not there -------------------------------------------------


@pytest.mark.rule("D3", "S9")
def test_f29_three_days_without_the_provider_blame_nobody_and_are_made_up_for(house: House) -> None:
    """The one that was tried waits a little longer than those behind it, so that none blocks the others."""
    house.save()
    house.desk.billers.edit(house.park, policy={"collect_saved": True})
    invoices = [house.issue(10 + n, due=TODAY) for n in range(4)]
    house.bench.fault("charge", Fault.REFUSE)
    for _ in range(12):
        report = house.desk.collect()
        assert report.stopped or not report.count
        house.move(hours=6)
    assert [house.status(each) for each in invoices] == ["pending"] * 4
    assert house.desk.messages.find(biller=house.park) == []
    house.bench.clear_faults()
    house.bench.fault("charge", Fault.RATE_LIMIT)
    asked = house.requests("charge")
    assert house.desk.collect().stopped
    assert house.requests("charge") == asked + 1, "the limit is respected"
    house.move(hours=13)
    assert house.desk.collect().count == 4
    house.check()
    assert sorted(e.amount.amount for e in house.charges() if e.amount) == [10, 11, 12, 13]
    assert mails(house, MessageKind.COLLECTION_FAILED) == 0


@pytest.mark.rule("D6")
def test_f30_revoked_credentials_stop_the_account_and_alert_once(house: House) -> None:
    house.save()
    house.desk.billers.edit(house.park, policy={"collect_saved": True})
    invoices = [house.issue(10 + n, due=TODAY) for n in range(3)]
    house.bench.fault("charge", Fault.UNAUTHORISED, times=50)
    for before in range(5):
        report = house.desk.collect()
        assert report.stopped
        assert house.requests("charge") <= 2 * (before + 1), "a second one is tried: the right may concern one method"
        house.move(hours=13)
    alerts = house.desk.alerts.find(biller=house.park)
    assert [each.kind.value for each in alerts] == ["configuration"]
    assert not any(secret in each.text for each in alerts for secret in house.bench.secrets)
    assert [house.status(each) for each in invoices] == ["pending"] * 3
    house.check()
    assert len(house.charges()) == 3


@pytest.mark.rule("D3", "D6")
@pytest.mark.parametrize("operation", ["charge", "payment"])
def test_f31_a_status_nobody_knows_concludes_nothing(house: House, operation: str) -> None:
    house.save()
    invoice = house.issue()
    if operation == "charge":
        house.bench.fault("charge", Fault.UNKNOWN_STATUS)
        house.bench.fault("payment", Fault.UNKNOWN_STATUS)
        made = house.desk.payments.charge(invoice)
    else:
        made = house.desk.payments.charge(invoice)
        house.bench.fault("payment", Fault.UNKNOWN_STATUS, times=50)
        if house.name == "gocardless":
            house.bench.collect(made.reference)
        house.deliver()
    found = house.desk.collections.get(made)
    assert found.state is not CollectionState.FAILED
    if operation == "payment":
        assert house.alerts() == {"unrecognised"}
    # The card's answer said so before, and the bank's own event that the money came.
    assert house.status(invoice) == ("paid" if operation == "payment" else "pending")
    house.check()
    if house.name == "gocardless" and operation == "charge":
        house.bench.collect(house.charges()[0].reference)
        house.check()
    assert house.status(invoice) == "paid"


@pytest.mark.rule("D3", "D6")
@pytest.mark.parametrize(
    "fault",
    [
        Fault.HTML_502_BEFORE,
        Fault.HTML_502_AFTER,
        Fault.HTML_200_AFTER,
        Fault.TRUNCATE_AFTER,
        Fault.REDIRECT,
        Fault.NONSENSE,
    ],
)
def test_f32_what_a_proxy_says_is_no_answer(house: House, fault: Fault) -> None:
    house.save()
    invoice = house.issue()
    house.bench.fault("charge", fault)
    made = house.desk.payments.charge(invoice)
    assert made.state is CollectionState.UNKNOWN
    house.check()
    if house.name == "gocardless":
        house.bench.collect(house.charges()[0].reference)
        house.check()
    assert (house.status(invoice), len(house.charges())) == ("paid", 1)


@pytest.mark.rule("D3")
@pytest.mark.parametrize("address", ["https://nowhere.invalid", "https://127.0.0.1:{port}"], ids=["DNS", "TLS"])
def test_f32_without_a_name_or_a_certificate_nothing_was_sent(house: House, address: str) -> None:
    house.save()
    invoice = house.issue()
    server = house.bench.simulator.server if house.name == "stripe" else house.bench.server
    secret, signing = house.bench.secrets
    there, url = house.gateway.inner, address.format(port=server.port)
    house.gateway.inner = (
        StripeGateway(secret, webhook_secrets=(signing,), base_url=url, timeout=2)
        if house.name == "stripe"
        else GoCardlessGateway(access_token=secret, webhook_secrets=(signing,), base_url=url, timeout=2)
    )
    with contextlib.suppress(GatewayError):  # it certainly did not happen, or nobody knows
        house.desk.payments.charge(invoice)
    told = repr(house.desk.collections.find(invoice=invoice))
    assert not any(each in told for each in house.bench.secrets)
    house.gateway.inner.close()
    house.gateway.inner = there
    assert house.status(invoice) == "pending"
    house.check()
    if house.name == "gocardless":
        house.bench.collect(house.charges()[0].reference)
        house.check()
    assert (house.status(invoice), len(house.charges())) == ("paid", 1)


# --- F33, F35: a backup, and days ------------------------------------------------------------------------------------


@pytest.mark.rule("D6")
def test_f33_what_a_restored_backup_does_not_know_is_reported(house: House, tmp_path: Path) -> None:
    house.save()
    invoice, later = house.issue(), house.issue()
    backup = tmp_path / "backup.db"
    with (
        closing(sqlite3.connect(house.url.removeprefix("sqlite:///"))) as source,
        closing(sqlite3.connect(backup)) as to,
    ):
        source.backup(to)
    lost = [house.desk.payments.charge(each) for each in (invoice, later)]
    if house.name == "gocardless":
        for each in lost:
            house.bench.collect(each.reference)
    house.deliver()
    house.url = f"sqlite:///{backup}"
    house.restart()
    assert [house.status(each) for each in (invoice, later)] == ["open", "open"]
    found = house.desk.reconcile(house.name, since=NOON - timedelta(days=1), until=datetime(2027, 1, 1, tzinfo=UTC))
    named = [(each.kind.value, each.reference) for each in found.differences]
    assert sorted(named) == sorted(("unknown_here", each.reference) for each in lost)
    house.desk.receive_missed(house.name, since=NOON - timedelta(days=1))
    orphans = house.desk.alerts.find(biller=house.park)
    assert {(each.kind.value, each.about) for each in orphans} == {("doubtful", each.id) for each in lost}
    house.check(orphans={each.id for each in lost})


@pytest.mark.rule("M1", "S9", "P1")
def test_f35_a_charge_goes_out_when_its_day_begins_where_the_biller_is(build: Build) -> None:
    house = build("stripe", timezone="Pacific/Auckland", policy={"collect_saved": True})
    house.save()
    invoice = house.issue(due=date(2026, 3, 5))  # begins at 11:00 on the 4th in UTC
    house.move(hours=46, minutes=59)
    assert house.desk.collect().count == 0
    house.move(minutes=1)
    assert house.desk.collect().succeeded == 1
    assert house.charges()[0].at == datetime(2026, 3, 4, 11, tzinfo=UTC)
    assert house.desk.payments.find(invoice=invoice)[0].received_on == date(2026, 3, 5)
    house.check()


@pytest.mark.rule("P1", "M1")
def test_f35_a_debit_asks_for_no_day_before_it_is_due_or_possible(build: Build) -> None:
    house = build("gocardless", timezone="Pacific/Auckland")
    saved = house.save()
    soon, later = house.issue(due=date(2026, 3, 3)), house.issue(due=date(2026, 4, 4))
    first = house.gateway.inner.method(saved.reference).next_charge_on
    made = [house.desk.payments.charge(each) for each in (soon, later)]
    assert [each.charge_on for each in made] == [first, date(2026, 4, 4)]
    assert made[1].expected_on == date(2026, 4, 6), "a Saturday: the provider names the bank's day"
    house.check()


# --- hygiene ----------------------------------------------------------------------------------------------------------

PLANTED = {
    "a log": "logging.getLogger('x').debug('sent with %s', 'sk_test_' + '51Planted0Key')",
    "a print": "print('DE89' + '370400440532013000')",
    "a database": "(tmp_path / 'x.db').write_bytes(b'4242' * 4)",
    "a page": "logging.getLogger('x').info('cs_test_' + 'abc#fid' + 'k')",
    "a token": "print('pi_1_' + 'secret_abc')",
    "nothing": "print('Visa **** 4242, pi_123, cs_test_abc, EV00000023')",
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_watch_over_secrets_catches_what_is_planted(tmp_path: Path, what: str) -> None:
    (tmp_path / "test_collecting_planted.py").write_text(
        f"import logging\ndef test_it(tmp_path):\n    {PLANTED[what]}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "hygiene", "-p", "no:cacheprovider", "--rootdir", ".", "."]
    ran = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(Path(hygiene.__file__).parent)}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert ("leaked" in ran.stdout) == (what != "nothing"), ran.stdout
    assert ran.returncode == (what != "nothing")


def test_the_watch_over_secrets_is_on_here(request: pytest.FixtureRequest) -> None:
    hooks = request.config.hook.pytest_runtest_makereport.get_hookimpls()
    assert any(hook.function is hygiene.pytest_runtest_makereport for hook in hooks)
    assert request.node.path.name.startswith(hygiene.HEARD)
