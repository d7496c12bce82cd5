"""What goes wrong on the way to a provider and back, F1 to F19: processes killed, answers lost, webhooks mixed.

Each test is named by its scenario, runs over the provider's real SDK and its simulator on loopback, on a real file, and
ends with one question: do the books agree with the provider's own ledger (I1 to I7, `House.check`)? What goes wrong
later, F20 to F35, is in test_collecting_faults_late; F36, everything at random, in test_collecting_machine.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from desks import Post, all_of, money, store_of
from invoicecore import Billing
from invoicecore.collection import Collection, CollectionState
from invoicecore.errors import StoreError
from invoicecore.inbox import InboxEvent
from invoicecore.invoices import Invoice
from invoicecore.messages import MessageKind
from invoicecore.payments import Payment, ReversalKind
from invoicecore.ports import Charge, Mail
from invoicecore.testing.gateway_bench import Delivery, EffectKind, Fault
from invoicecore_adapters.stripe.gateway import StripeGateway
from providers import NOON, POINTS, House, Killed, Mortal, charge_and_stay, opened

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
CHILDREN: Any = multiprocessing.get_context(METHOD)

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


@pytest.fixture(params=["stripe", "gocardless"])
def house(request: pytest.FixtureRequest, build: Build) -> House:
    """A business whose cards are at Stripe, or whose debits are at GoCardless; payers get their receipts."""
    return build(request.param, policy={"notify_on_payment": True})


def paid_or_pending(house: House, invoice: Invoice) -> None:
    """It was charged once; a debit is on its way, and is collected now."""
    assert len(house.charges()) == 1
    if house.name == "gocardless":
        assert house.status(invoice) == "pending"
        house.bench.collect(house.charges()[0].reference)
        house.check()
    assert house.status(invoice) == "paid"
    assert len(house.charges(EffectKind.COLLECTED)) == 1


def told_once(house: House, *kinds: MessageKind) -> None:
    """Every e-mail goes out once, and these are among them."""
    house.desk.deliver()
    house.desk.deliver()
    sent = [mail.id for mail in house.post.sent]
    assert len(sent) == len(set(sent))
    queued = [each.kind for each in house.desk.messages.find(biller=house.park, limit=500)]
    assert [queued.count(kind) for kind in kinds] == [1] * len(kinds)


# --- F1 to F6: processes that are killed ------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")
@pytest.mark.rule("D3", "D6", "P2")
@pytest.mark.parametrize("point", POINTS)
def test_f1_to_f5_wherever_a_process_that_charges_is_killed_the_next_one_charges_once(house: House, point: str) -> None:
    house.save()
    invoice = house.issue()
    server = house.bench.simulator.server if house.name == "stripe" else house.bench.server
    if point.startswith("F3"):
        house.bench.fault("charge", Fault.STALL_AFTER)  # the answer is held until its client is gone
    mine, theirs = CHILDREN.Pipe()
    given = (theirs, house.name, house.url, (server.url, *house.bench.secrets), invoice.id, point)
    child = CHILDREN.Process(target=charge_and_stay, args=given)
    child.start()
    theirs.close()
    if point.startswith("F3"):
        waiting = threading.Event()
        while not house.charges():
            assert child.is_alive()
            waiting.wait(0.01)
    else:
        assert mine.recv() == "there"
    child.kill()
    child.join(60)
    mine.close()
    assert child.exitcode == -signal.SIGKILL
    assert len(house.charges()) == (0 if point[:2] in ("F1", "F2") else 1)
    house.restart()
    assert house.status(invoice) == ("paid" if point[:2] == "F5" and house.name == "stripe" else "pending")
    house.check()
    paid_or_pending(house, invoice)
    told_once(house, MessageKind.RECEIPT)


@pytest.mark.rule("R7")
def test_f6_a_mail_that_was_accepted_before_the_kill_goes_out_again_under_its_own_name(house: House) -> None:
    """The one message that was in flight is visibly the same; test_processes kills real deliverers over SMTP."""
    house.save()
    house.desk.payments.charge(house.issue())
    house.check()

    class Dying(Post):
        def send(self, mail: Mail) -> None:
            super().send(mail)
            raise Killed

    dying = Dying()
    with pytest.raises(Killed):
        opened(house.store, house.gateway, house.clock, dying).deliver()
    house.move(hours=2)
    house.restart()
    house.desk.deliver()
    assert [mail.id for mail in dying.sent] == [mail.id for mail in house.post.sent][: len(dying.sent)]
    told = [mail.id for mail in house.post.sent]
    assert len(told) == len(set(told))
    house.check()


# --- F7 to F13: doubt -------------------------------------------------------------------------------------------------


@pytest.mark.rule("D3", "D6")
def test_f7_an_outcome_that_cannot_be_stored_is_found_out_again(house: House) -> None:
    house.save()
    invoice = house.issue()
    full = StoreError("the disk is full")
    house.gateway.when("charge", "after", lambda: house.store.dies(1, "before", full))
    with pytest.raises(StoreError):
        house.desk.payments.charge(invoice)
    assert len(house.charges()) == 1
    [found] = house.desk.collections.find(invoice=invoice)
    assert found.state is CollectionState.SUBMITTING
    house.check()
    paid_or_pending(house, invoice)


@pytest.mark.rule("D3", "P1")
def test_f8_two_workers_that_pick_the_same_attempts_charge_each_once(build: Build, house: House) -> None:
    house.save()
    house.desk.billers.edit(house.park, policy={"collect_saved": True})
    for _ in range(4):
        house.issue(due=NOON.date())
    desks = [opened(Mortal(house.store.inner), house.bench.gateway(), house.clock, Post()) for _ in range(3)]
    workers = [threading.Thread(target=desk.collect) for desk in desks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    house.check()
    assert len(house.charges()) == 4


@pytest.mark.rule("D3")
def test_f9_a_second_worker_replays_what_the_first_still_has_under_way(build: Build) -> None:
    house = build("stripe")
    house.save()
    invoice = house.issue()
    arrived, go = threading.Event(), threading.Event()

    def slow(operation: str) -> None:
        if operation == "charge" and not arrived.is_set():
            arrived.set()
            go.wait(60)

    house.bench.simulator.at_work = slow
    secret, signing = house.bench.secrets
    patient = StripeGateway(secret, webhook_secrets=(signing,), base_url=house.bench.simulator.server.url, timeout=60)
    first = opened(Mortal(house.store.inner), patient, house.clock, Post())
    worker = threading.Thread(target=lambda: first.payments.charge(invoice))
    worker.start()
    assert arrived.wait(60)
    house.move(minutes=16)
    assert house.desk.recover().doubtful == 1, "its key is in use"
    go.set()
    worker.join(60)
    patient.close()
    assert house.status(invoice) == "paid", "the first one's answer counts"
    house.check()
    paid_or_pending(house, invoice)


@pytest.mark.rule("D6")
@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
def test_f10_after_the_key_is_forgotten_it_is_looked_up_and_nothing_is_sent_again(house: House, fault: Fault) -> None:
    house.save()
    invoice = house.issue()
    house.bench.fault("charge", fault)
    assert house.desk.payments.charge(invoice).state is CollectionState.UNKNOWN
    sent = house.requests("charge")
    house.sent()  # lost
    house.move(hours=25)
    house.desk.recover()
    house.move(days=40)
    house.desk.recover()
    assert house.requests("charge") == sent
    house.check()
    if fault is Fault.RESET_AFTER:
        paid_or_pending(house, invoice)
        return
    assert house.alerts() == {"doubtful"}, "not found is no proof: a person decides"
    assert house.status(invoice) == "pending"
    [found] = house.desk.collections.find(invoice=invoice)
    house.desk.collections.resolve(found, outcome="not_collected", note="not in the dashboard", actor="ana")
    house.check()
    again = house.desk.payments.charge(invoice)
    assert again.id != found.id
    paid_or_pending(house, invoice)


@pytest.mark.rule("D6")
def test_f11_a_stored_error_that_is_replayed_for_ever_is_looked_behind(build: Build) -> None:
    house = build("stripe")
    house.save()
    invoice = house.issue()
    house.bench.fault("charge", Fault.ERROR_500_AFTER)
    assert house.desk.payments.charge(invoice).state is CollectionState.UNKNOWN
    house.sent()  # lost
    for _ in range(8):
        house.move(hours=2)
        house.desk.recover()
    assert house.status(invoice) == "paid"
    assert house.requests("charge") <= 5
    house.check()
    paid_or_pending(house, invoice)


def claimed(house: House) -> tuple[Invoice, Collection]:
    """An invoice whose collection is claimed, by a process that was killed before it sent anything."""
    saved = house.save()
    invoice = house.issue()
    house.gateway.plan("charge", Killed())
    with pytest.raises(Killed):
        house.desk.payments.charge(invoice)
    house.restart()
    [found] = house.desk.collections.find(invoice=invoice)
    other = Charge(method=saved.reference or "", owner=saved.owner, amount=money(99), reference="X", description="X")
    house.bench.gateway().charge(other, found.id)  # its configuration was edited, or its database: another amount
    return invoice, found


@pytest.mark.rule("D6")
def test_f12_another_amount_at_the_provider_is_stored_as_it_is_and_alerted(house: House) -> None:
    invoice, found = claimed(house)
    if house.name == "gocardless":
        house.bench.collect(house.charges()[0].reference)
    house.deliver()
    assert "mismatch" in house.alerts()
    [payment] = house.desk.payments.find(invoice=invoice)
    assert (payment.amount, payment.collection) == (money(99), found.id)
    assert house.desk.invoices.get(invoice).balance == money(1)
    house.check()


@pytest.mark.rule("D6")
def test_f13_a_key_that_made_something_else_is_not_sent_again(house: House) -> None:
    invoice, _ = claimed(house)
    house.sent()  # lost: nobody tells what the key made
    house.move(minutes=20)
    house.desk.recover()
    [after] = house.desk.collections.find(invoice=invoice)
    assert (after.state, after.next_try_at) == (CollectionState.UNKNOWN, None)
    assert house.alerts() == {"mismatch"}
    sent = house.requests("charge")
    house.move(days=3)
    house.desk.recover()
    assert house.requests("charge") == sent
    assert len(house.charges()) == 1
    assert house.status(invoice) == "pending"
    house.check()


# --- F14 to F19: webhooks ---------------------------------------------------------------------------------------------


@pytest.mark.rule("D3")
def test_f14_a_webhook_that_is_quicker_than_the_answer(house: House) -> None:
    house.save()
    invoice = house.issue()
    early: list[Any] = []
    house.gateway.when("charge", "after", lambda: early.extend(house.deliver()))
    house.desk.payments.charge(invoice)
    assert "applied" in {each.state for each in early}
    house.check()
    paid_or_pending(house, invoice)


@pytest.mark.rule("D6")
def test_f15_ten_copies_at_once_count_once(house: House) -> None:
    house.save()
    invoice = house.issue()
    made = house.desk.payments.charge(invoice) if house.name == "gocardless" else None
    if made is not None:
        house.deliver()
        house.bench.collect(made.reference)
    else:
        house.bench.pay(house.page(invoice))
    copies = [each for each in house.sent() for _ in range(10)]
    desks = [opened(Mortal(house.store.inner), house.bench.gateway(), house.clock, Post()) for _ in range(5)]

    def take(desk: Billing, some: list[Delivery]) -> None:
        for each in some:
            desk.receive(house.name, each.body, each.headers)

    takers = [threading.Thread(target=take, args=(desk, copies[n::5])) for n, desk in enumerate(desks)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    house.check()
    assert len(all_of(store_of(house.desk), house.park, Payment)) == 1
    paid_or_pending(house, invoice) if made is None else None
    told_once(house, MessageKind.RECEIPT)


@pytest.mark.rule("D6", "S9")
@pytest.mark.parametrize("way", ["missed", "polled"])
def test_f16_every_webhook_is_lost_and_the_books_agree_all_the_same(house: House, way: str) -> None:
    saved = house.save()
    charged, paged = house.issue(), house.issue()
    made = house.desk.payments.charge(charged, method=saved)
    house.bench.pay(house.page(paged))
    if made.state is CollectionState.PENDING:
        house.bench.collect(made.reference)
    house.sent()
    if way == "missed":
        house.desk.receive_missed(house.name, since=NOON - timedelta(days=1))
    else:
        for _ in range(30):
            house.move(days=1)
            house.desk.recover()
    assert (house.status(charged), house.status(paged)) == ("paid", "paid")
    house.check()


@pytest.mark.rule("D3")
def test_f17_webhooks_two_months_late_and_backwards(house: House) -> None:
    house.save()
    invoice = house.issue()
    reference = str(house.desk.payments.charge(invoice).reference)
    house.deliver()
    deliveries = (house.bench.simulator.account if house.name == "stripe" else house.bench.provider).deliveries
    deliveries.delay_all()
    if house.name == "gocardless":
        house.bench.collect(reference)
    reverse = ReversalKind.CHARGEBACK
    house.bench.reverse(reference, reverse)
    house.bench.undo_reversal(reference)
    house.bench.reverse(reference, reverse)
    house.move(days=60)
    deliveries.normal()
    late = house.sent()
    assert len(late) >= 4
    for delivery in reversed(late):
        house.hand(delivery)
    assert house.status(invoice) == "overdue"
    assert house.alerts() == {"chargeback"}
    house.check()
    assert len(house.desk.payments.find(invoice=invoice)) == 1


@pytest.mark.rule("D3")
def test_f17_a_charge_back_that_was_won_and_made_again_while_nobody_listened(build: Build) -> None:
    house = build("stripe")
    house.save()
    invoice = house.issue()
    reference = str(house.desk.payments.charge(invoice).reference)
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    house.bench.undo_reversal(reference)
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.check()
    assert (house.status(invoice), house.alerts()) == ("open", {"chargeback"})


@pytest.mark.rule("D3", "D6")
def test_f17_so_too_when_the_invoice_was_paid_in_another_way_meanwhile(build: Build) -> None:
    house = build("stripe")
    house.save()
    invoice = house.issue()
    reference = str(house.desk.payments.charge(invoice).reference)
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)
    house.deliver()
    house.desk.payments.record(invoice, money(100))
    house.bench.undo_reversal(reference)  # what comes back is credit,
    house.bench.reverse(reference, ReversalKind.CHARGEBACK)  # and that is what is taken back again
    house.check()
    assert house.status(invoice) == "paid"
    assert house.desk.credits.balance(house.guest) == money(0)


@pytest.mark.rule("D6")
def test_f18_a_poisonous_event_in_a_batch_of_250_loses_no_other(build: Build) -> None:
    house = build("gocardless")
    house.save()
    invoices = [house.issue() for _ in range(3)]
    references = [str(house.desk.payments.charge(each).reference) for each in invoices]
    house.deliver()
    for reference in references:
        house.bench.collect(reference)
    events = [event for each in house.sent() for event in json.loads(each.body)["events"]]
    broken: list[object] = [None, "event", {"id": "EV1"}, {**events[0], "links": None}, {**events[0], "id": 7}]
    foreign = {"resource_type": "payouts", "action": "paid", "links": {"payout": "PO1"}, "details": {}}
    filling = [{**foreign, "id": f"EVX{n}", "created_at": events[0]["created_at"]} for n in range(250)]
    batch = (filling[:100] + broken + events + filling[100:])[:250]
    body = json.dumps({"events": batch, "meta": {"webhook_id": "WB1"}}).encode()
    house.gateway.plan("payment", ZeroDivisionError("poison"))  # and one of ours that cannot be applied now
    told = house.hand(Delivery(body=body, headers=house.bench.sign(body)))
    assert {each.state for each in told} >= {"applied", "waiting", "ignored"}
    assert [house.status(each) for each in invoices].count("paid") >= 2
    house.check()
    assert [house.status(each) for each in invoices] == ["paid"] * 3


@pytest.mark.rule("D6")
@pytest.mark.parametrize("transaction", [1, 2, 3])
def test_f19_an_endpoint_that_dies_before_it_answers_is_told_again(house: House, transaction: int) -> None:
    invoice = house.issue()
    url = house.page(invoice)
    house.sent()
    house.bench.pay(url)
    delivery = next(each for each in house.sent() if b"fulfilled" in each.body or b"checkout.session" in each.body)
    if house.name == "gocardless":  # one event of it
        event = [e for e in json.loads(delivery.body)["events"] if e["action"] == "fulfilled"][:1]
        body = json.dumps({"events": event, "meta": {}}).encode()
        delivery = Delivery(body=body, headers=house.bench.sign(body))
    house.store.dies(transaction, "after")
    with pytest.raises(Killed) if transaction < 3 else contextlib.suppress(Killed):
        house.hand(delivery)
    house.restart()
    assert {each.state for each in house.hand(delivery)} <= {"applied", "repeated"}
    assert [each.state for each in house.hand(delivery)] == ["repeated"]
    assert len(all_of(store_of(house.desk), house.park, InboxEvent)) == 1
    house.check()
    assert house.status(invoice) == "paid"
