"""Guarding: whatever a gateway raises or answers, it is told as a gateway's error, and stops nobody else's money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import attrs
import pytest

from collecting import TODAY, YEARS, Agree, Issue, Save, alerts, status, token_of
from desks import money
from invoicecore import Billing, Money, Status
from invoicecore.alerts import AlertKind
from invoicecore.collection import Collection, CollectionState, SavedMethod
from invoicecore.errors import GatewayFailed, MissingExtra, NotSent, OutcomeUnknown, StoreError, WebhookRejected
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.ports import PaymentSnapshot, RefundSnapshot, ReversalSnapshot
from invoicecore.testing import FixedClock
from providers import Faulty, Killed, deliver

FRIDAY = date(2026, 3, 6)
RAW = OSError("connection reset by peer")  # what its author forgot to translate
TOLD = "OSError: connection reset by peer"


@attrs.frozen
class Owed:
    """One of several billers, with what its customer owes and is collected by."""

    biller: Biller
    customer: Customer
    invoice: Invoice
    method: SavedMethod

    def collection(self, desk: Billing) -> Collection:
        """The one collection of it."""
        (found,) = desk.collections.find(invoice=self.invoice)
        return found


Town = Callable[..., list[Owed]]


@pytest.fixture
def town(desk: Billing, save: Save, issue: Issue) -> Town:
    """Makes three billers whose customers are collected from by themselves, in the order they are collected for."""

    def made(kind: PaymentMethod = PaymentMethod.DIRECT_DEBIT, *, due: date = TODAY) -> list[Owed]:
        billers = [
            desk.billers.add(
                name=name, currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays",
                policy={"collect_saved": True},
            )
            for name in "ABC"
        ]  # fmt: skip
        owed = []
        for biller in sorted(billers, key=lambda each: each.id):
            who = desk.customers.add(biller=biller, name="N", email="n@example.com")
            method = save(kind, who=who)
            owed.append(Owed(biller, who, issue(80, due=due, who=who), method))
        return owed

    return made


def breaks(gateway: Faulty, verb: str, when: Callable[..., bool], wrong: Any = RAW) -> None:
    """Have a verb go wrong each time it is asked for one thing: raise, or answer what is made of its answer."""
    good = getattr(gateway.inner, verb)

    def bad(*given: Any, **named: Any) -> object:
        if not when(*given):
            return good(*given, **named)
        if isinstance(wrong, BaseException):
            raise wrong
        return wrong(good(*given, **named))

    setattr(gateway.inner, verb, bad)


def daily(desk: Billing, gateway: Faulty, clock: FixedClock, days: int) -> None:
    """Let so many days pass, with what a host does every day."""
    for _ in range(days):
        deliver(desk, gateway)
        desk.collect()
        desk.recover()
        clock.advance(timedelta(days=1))


# --- an exception of its own ------------------------------------------------------------------------------------------


@pytest.mark.rule("D3", "S9", "T1")
def test_a_method_that_cannot_be_read_keeps_no_other_biller_waiting_and_a_person_hears_of_it(
    desk: Billing, gateway: Faulty, clock: FixedClock, town: Town
) -> None:
    bad, *rest = owed = town()
    breaks(gateway, "method", lambda reference: reference == bad.method.reference)
    report = desk.collect()
    assert (report.pending.count, report.waiting.count, report.stopped) == (2, 1, "")
    assert [each.collection(desk).state for each in rest] == [CollectionState.PENDING] * 2
    waits = bad.collection(desk)
    assert (waits.state, waits.error) == (CollectionState.RESERVED, TOLD)
    assert waits.next_try_at is not None
    assert waits.next_try_at > clock.now(), "less and less often"
    daily(desk, gateway, clock, 12)
    assert [alerts(desk, each.biller) for each in owed] == [[AlertKind.DOUBTFUL], [], []]
    (alert,) = desk.alerts.find(biller=bad.biller)
    assert TOLD in alert.text
    assert "collections.cancel" in alert.text
    del gateway.inner.method  # it is mended
    daily(desk, gateway, clock, 1)
    assert bad.collection(desk).state is CollectionState.PENDING
    assert alerts(desk, bad.biller) == []


@pytest.mark.rule("D3", "T1")
def test_a_payment_that_cannot_be_read_keeps_no_other_biller_waiting_and_a_person_hears_of_it(
    desk: Billing, gateway: Faulty, clock: FixedClock, town: Town
) -> None:
    owed = town()
    desk.collect()
    for each in owed:
        gateway.inner.collect(each.collection(desk).reference)
    gateway.webhooks()  # lost
    lost = owed[0].collection(desk).reference
    breaks(gateway, "payment", lambda reference: reference == lost)
    daily(desk, gateway, clock, 14)
    assert [status(desk, each.invoice) for each in owed] == [Status.PENDING, Status.PAID, Status.PAID]
    assert [alerts(desk, each.biller) for each in owed] == [[AlertKind.DOUBTFUL], [], []]
    (alert,) = desk.alerts.find(biller=owed[0].biller)
    assert TOLD in alert.text
    del gateway.inner.payment
    daily(desk, gateway, clock, 2)
    assert status(desk, owed[0].invoice) is Status.PAID


@pytest.mark.rule("D3", "D6")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_charge_that_raises_is_in_doubt_is_looked_up_and_made_once(
    desk: Billing, gateway: Faulty, clock: FixedClock, town: Town, when: str
) -> None:
    owed = town(PaymentMethod.CARD)
    gateway.plan("charge", RuntimeError("client closed"), when=when)
    report = desk.collect()
    assert (report.doubtful.count, report.succeeded.count, report.stopped) == (1, 2, "")
    (doubt,) = report.doubtful.items
    assert doubt.text == "RuntimeError: client closed"
    assert owed[0].collection(desk).state is CollectionState.UNKNOWN
    clock.advance(timedelta(hours=1))
    daily(desk, gateway, clock, 1)
    assert [status(desk, each.invoice) for each in owed] == [Status.PAID] * 3
    keys = [effect.key for effect in gateway.inner.provider.ledger if effect.kind == "payment"]
    assert len(keys) == len(set(keys)) == 3


@pytest.mark.rule("P4", "D3")
def test_a_refund_that_raises_is_in_doubt_and_made_once(
    desk: Billing, gateway: Faulty, clock: FixedClock, save: Save, issue: Issue, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    desk.payments.charge(invoice)
    gateway.plan("refund", RuntimeError("client closed"), when="after")
    refund = desk.payments.refund(invoice, money(30), to="gateway")
    assert (refund.state, refund.error) == (RefundState.UNKNOWN, "RuntimeError: client closed")
    clock.advance(timedelta(hours=1))
    desk.recover()
    (found,) = desk.payments.refunds(invoice)
    assert found.state is RefundState.SUCCEEDED
    agree()


@pytest.mark.rule("D6")
def test_every_way_in_tells_of_a_gateways_exception_as_a_gateways_error_that_names_it(
    desk: Billing, gateway: Faulty, guest: Customer, save: Save, issue: Issue
) -> None:
    saved, invoice = save(), issue()
    token = token_of(desk, invoice)
    ways: dict[str, Callable[[], object]] = {
        "setup": lambda: desk.methods.setup(guest, return_url="https://host.example/back"),
        "method": lambda: desk.methods.refresh(saved),
        "checkout": lambda: desk.payments.checkout(token),
        "notices": lambda: desk.receive("memory", b"{}", {}),
        "missed": lambda: desk.receive_missed("memory", since=YEARS[0]),
        "payments": lambda: desk.reconcile("memory", since=YEARS[0], until=YEARS[1]),
    }
    for verb, way in ways.items():
        gateway.plan(verb, KeyError("data"))
        with pytest.raises(GatewayFailed, match=f"{verb} by 'memory': KeyError: 'data'; .*recover") as raised:
            way()
        assert isinstance(raised.value, OutcomeUnknown)
        assert isinstance(raised.value.__cause__, KeyError)


def test_a_list_of_payments_that_breaks_while_it_is_read_is_told_so_too(
    desk: Billing, gateway: Faulty, town: Town
) -> None:
    town(PaymentMethod.CARD)
    desk.collect()
    listed = gateway.inner.payments

    def some(since: datetime, until: datetime) -> object:
        yield next(iter(listed(since, until)))
        raise RAW

    gateway.inner.payments = some
    with pytest.raises(GatewayFailed, match=TOLD):
        desk.reconcile("memory", since=YEARS[0], until=YEARS[1])


@pytest.mark.parametrize(
    "error",
    [
        NotSent("memory", "method", "refused"),
        WebhookRejected("memory", "bad"),
        MissingExtra("the gateway", "pennypay"),
        StoreError("the host's store is beneath it"),
        Killed(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_said_in_the_librarys_words_or_ends_the_process_passes_as_it_is(
    desk: Billing, gateway: Faulty, save: Save, error: BaseException
) -> None:
    saved = save()
    gateway.plan("method", error)
    with pytest.raises(type(error)) as raised:
        desk.methods.refresh(saved)
    assert raised.value is error


# --- an answer that is none -------------------------------------------------------------------------------------------

WRONG: dict[str, Callable[[PaymentSnapshot], object]] = {
    "nothing at all": lambda told: None,
    "a mapping": lambda told: {"reference": told.reference},
    "no number": lambda told: attrs.evolve(told, collected=Money("NaN", "EUR")),
    "a float": lambda told: attrs.evolve(told, collected=80.0),  # type: ignore[arg-type]  # that is what is wrong
    "a part of a cent": lambda told: attrs.evolve(told, collected=Money("80.001", "EUR")),
    "two currencies": lambda told: attrs.evolve(told, collected=Money("80", "USD")),
    "no reference": lambda told: attrs.evolve(told, reference=""),
    "less than nothing": lambda told: attrs.evolve(told, collected=money(-80)),
    "a time for a day": lambda told: attrs.evolve(told, expected_on=datetime(2026, 3, 6, 9)),
    "words of its own": lambda told: attrs.evolve(told, status="succeeded"),  # type: ignore[arg-type]  # wrong on purpose
    "no names": lambda told: attrs.evolve(told, reversals=(_back(id=None),)),
    "no reason": lambda told: attrs.evolve(told, reversals=(_back(reason=None),)),
    "a debit for a refund": lambda told: attrs.evolve(told, refunds=(_refund(amount=money(-5)),)),
    "nothing in a list": lambda told: attrs.evolve(told, refunds=(None,)),  # type: ignore[arg-type]  # wrong on purpose
}


def _back(**odd: Any) -> ReversalSnapshot:
    return ReversalSnapshot(**{"id": "r1", "kind": ReversalKind.CHARGEBACK, "amount": money(5), **odd})


def _refund(**odd: Any) -> RefundSnapshot:
    return RefundSnapshot(
        **{"reference": "f1", "payment": "p1", "amount": money(5), "state": RefundState.PENDING, **odd}
    )


@pytest.mark.rule("D3", "D6", "M8")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_charge_that_went_through_and_is_answered_with_no_answer_is_looked_up_and_at_last_alerted(
    desk: Billing, gateway: Faulty, clock: FixedClock, town: Town, wrong: str
) -> None:
    owed = town(PaymentMethod.CARD)
    bad = owed[0].collection(desk).id
    breaks(gateway, "charge", lambda wanted, key: key == bad, WRONG[wrong])
    breaks(gateway, "find", lambda operation, key, **_: key == bad, WRONG[wrong])
    report = desk.collect()
    assert (report.doubtful.count, report.succeeded.count, report.failed.count) == (1, 2, 0)
    assert "its answer is none" in owed[0].collection(desk).error
    gateway.webhooks()  # lost
    asked = len(gateway.calls)
    for _ in range(48):
        desk.recover()
        clock.advance(timedelta(minutes=20))
    assert len(gateway.calls) - asked <= 8, "in sixteen hours"
    if wrong == "nothing at all":  # a search that answers so has found nothing
        return
    daily(desk, gateway, clock, 10)
    assert alerts(desk, owed[0].biller) == [AlertKind.DOUBTFUL]
    assert status(desk, owed[0].invoice) is Status.PENDING
    del gateway.inner.charge, gateway.inner.find
    daily(desk, gateway, clock, 2)
    assert status(desk, owed[0].invoice) is Status.PAID
    assert alerts(desk, owed[0].biller) == []


@pytest.mark.rule("P1", "T1")
@pytest.mark.parametrize("odd", [{"label": None}, {"reason": None}, {"next_charge_on": datetime(2026, 3, 6, 9)}])
def test_a_method_that_no_store_would_keep_or_give_back_keeps_nobody_else_waiting(
    desk: Billing, gateway: Faulty, town: Town, odd: dict[str, Any]
) -> None:
    bad, *_ = town()
    breaks(
        gateway, "method", lambda reference: reference == bad.method.reference, lambda told: attrs.evolve(told, **odd)
    )
    report = desk.collect()
    assert (report.pending.count, report.waiting.count, report.stopped) == (2, 1, "")
    assert f"its answer is none: {next(iter(odd))} is a" in bad.collection(desk).error


@pytest.mark.rule("D6")
def test_a_payment_of_others_in_money_nobody_knows_is_still_not_ours(
    desk: Billing, gateway: Faulty, town: Town
) -> None:
    town(PaymentMethod.CARD)
    desk.collect()

    def anothers(told: Any) -> object:
        return (attrs.evolve(each, key=None, collected=Money("1.5", "XAU")) for each in told)

    breaks(gateway, "payments", lambda *_: True, anothers)
    assert desk.reconcile("memory", since=YEARS[0], until=YEARS[1]).foreign == 3
