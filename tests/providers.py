"""What tests of collecting share: a gateway whose requests go wrong when told to, and the law that books and provider agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from desks import all_of, everything, store_of
from invoicecore import Billing
from invoicecore.collection import LIVE, UNFINISHED, Collection
from invoicecore.errors import OutcomeUnknown
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, total, zero
from invoicecore.parties import Biller
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.ports import PaymentSnapshot
from invoicecore_adapters.memory import MemoryGateway


class Killed(BaseException):
    """The process is gone: nothing catches it, as nothing catches SIGKILL."""


class Faulty:
    """A memory gateway; `plan("charge", fault, when)` makes the next charge go wrong before or after its effect."""

    def __init__(self, gateway: MemoryGateway) -> None:
        self.inner = gateway
        self.plans: dict[str, list[tuple[BaseException, str]]] = {}
        self.calls: list[str] = []

    def plan(self, operation: str, fault: BaseException | None = None, *, when: str = "before", times: int = 1) -> None:
        """Have the next calls of an operation raise, before or after the provider did what was asked."""
        raised = fault if fault is not None else OutcomeUnknown("memory", operation, "no answer")
        self.plans.setdefault(operation, []).extend([(raised, when)] * times)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found) or name in ("provider", "webhooks"):
            return found

        def called(*given: object, **named: object) -> object:
            self.calls.append(name)
            plans = self.plans.get(name, [])
            fault, when = plans.pop(0) if plans else (None, "")
            if fault is not None and when == "before":
                raise fault
            answer = found(*given, **named)
            if fault is not None:
                raise fault
            return answer

        return called


def deliver(billing: Billing, gateway: MemoryGateway | Faulty) -> list[Any]:
    """Hand every webhook there is to the desk, in order."""
    told = []
    for body, headers in gateway.webhooks():
        told += billing.receive("memory", body, headers)
    return told


def books_agree(billing: Billing, biller: Biller, held: Iterable[PaymentSnapshot]) -> None:
    """What is stored follows from what the provider holds: invariants I1, I2, I3, I4 of collecting, for every invoice.

    Call it when nothing is under way: events delivered, `recover` done.
    """
    store = store_of(billing)
    collections: dict[str, Collection] = {each.id: each for each in all_of(store, biller, Collection)}
    payments, reversals, refunds = (all_of(store, biller, kind) for kind in (Payment, Reversal, Refund))
    told = {snapshot.key: snapshot for snapshot in held if snapshot.key in collections}
    for key, found in collections.items():
        snapshot = told.get(key)
        mine = [payment for payment in payments if payment.collection == key]
        code = found.amount.currency.code
        there = snapshot.collected if snapshot is not None else zero(code)
        assert total([payment.amount for payment in mine], code) == there, f"{key}: not what was collected"
        ids = {payment.id for payment in mine}
        back = {each.reference for each in reversals if each.payment in ids and each.cancelled_on is None}
        assert back == {each.id for each in (snapshot.reversals if snapshot else ()) if not each.cancelled}, key
        ours = total([each.amount for each in refunds if each.payment in ids and each.state.counts], code)
        theirs = total([each.amount for each in (snapshot.refunds if snapshot else ()) if each.state.counts], code)
        assert ours == theirs, f"{key}: not what was refunded"
        waits = found.next_try_at is not None or any(a.about == key for a in billing.alerts.find(biller=found.biller))
        assert not found.unfinished or waits, f"{key} is {found.state} and nobody looks at it"
    for invoice in all_of(store, biller, Invoice):
        live = [each for each in collections.values() if each.invoice == invoice.id and each.state in LIVE]
        assert total([each.amount for each in live], invoice.currency) == invoice.facts.in_flight
        assert sum(each.invoice == invoice.id and each.state in UNFINISHED for each in collections.values()) <= 1
        assert invoice.facts.paid == _paid(invoice, payments, reversals)
        if invoice.lifecycle is Lifecycle.OPEN and invoice.balance.amount == 0:
            evidence = invoice.facts.settled + invoice.facts.noted
            assert evidence >= invoice.total, f"{invoice.reference} is paid without money"
    waiting = [each for each in all_of(store, biller, InboxEvent) if each.state is InboxState.WAITING]
    assert all(each.next_try_at is not None for each in waiting)


def _paid(invoice: Invoice, payments: list[Payment], reversals: list[Reversal]) -> Money:
    """Payments − reversals allocated to an invoice, from the rows."""
    sums = zero(invoice.currency)
    for payment in payments:
        taken = [each for each in reversals if each.payment == payment.id and each.cancelled_on is None]
        for part in payment.allocations:
            if part.invoice == invoice.id:
                sums = sums + part.amount - (part.amount if taken else zero(invoice.currency))
    return sums


def until_quiet(billing: Billing, biller: Biller, step: Callable[[], object], most: int = 20) -> None:
    """Repeat a step until it changes nothing that is stored any more (I7)."""
    for _ in range(most):
        before = everything(store_of(billing), biller)
        step()
        if everything(store_of(billing), biller) == before:
            return
    raise AssertionError(f"still changing after {most} rounds")
