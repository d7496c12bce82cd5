"""Recovering: what is reserved is sent, what is doubtful is looked up, what is pending is asked for; nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert
from invoicecore.billing.applying import drop, take_in
from invoicecore.billing.debiting import call_off, close_page, unfinished
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.outcomes import Attempts, Outcome
from invoicecore.billing.receiving import Received, Receiving
from invoicecore.billing.refunding import recover_refund
from invoicecore.billing.scheduling import reserved
from invoicecore.billing.submitting import LATER, send, submit
from invoicecore.collection import Advice, Collection, CollectionState, Decline, DeclineCode, SavedMethod
from invoicecore.errors import (
    InvoicecoreError,
    PluginError,
    Refused,
    StateConflict,
    StoreError,
)
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.parties import Biller
from invoicecore.payments import Refund, RefundState
from invoicecore.ports import Capability, Lookup, Operation, PaymentSnapshot

W = TypeVar("W", Collection, Refund, InboxEvent)

PAGE = 200  # records looked at in one view

MARGIN = timedelta(hours=1)
"""How long before a key's guarantee ends nothing is sent again under it: clocks differ, and requests take time."""

_AGAIN = 3  # how often a doubtful one is asked for again under its key before it is looked up
_RETRIED = frozenset({CollectionState.FAILED, CollectionState.NOT_EXECUTED})
_DOUBTFUL = frozenset({CollectionState.SUBMITTING, CollectionState.UNKNOWN})
_PAGES = frozenset({CollectionState.OPEN, CollectionState.CLOSING})


class _Working:
    """What `collect` and `recover` share: biller by biller, due records in order, one bad one never stops the rest."""

    def __init__(self, desk: Desk, *, actor: str | None, progress: Callable[[int], None] | None) -> None:
        self._desk = desk
        self._actor = actor
        self._progress = progress
        self.report = Attempts()
        desk.outside()  # refused within a transaction (P2)

    def _each(self, billers: Iterable[Biller], work: Callable[[Biller], None]) -> None:
        """One biller after the other: one that a hook refuses is reported and does not stop the rest (R18)."""
        for biller in billers:
            try:
                work(biller)
            except Refused as error:
                self.report.tell("failed", Outcome(code=error.code, text=str(error), biller=biller.id))

    def _due(self, kind: type[W], biller: Biller, do: Callable[[W], None]) -> None:
        at, after = self._desk.clock.now(), None
        while True:
            with self._desk.view() as tx:
                page = tx.due(kind, biller.id, at, after=after, limit=PAGE)
            for record in page:
                try:
                    do(record)
                except (StoreError, PluginError, Refused):
                    raise
                except (InvoicecoreError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
                    text = f"{type(error).__name__}: {error}"
                    code = getattr(error, "code", "failed")
                    self.report.tell("failed", Outcome(code=code, text=text, biller=biller.id, about=record.id))
            if self._progress is not None:
                self._progress(self.report.count)
            if len(page) < PAGE:
                return
            after = (page[-1].next_try_at or at, page[-1].id)

    def _told(self, collection: Collection) -> None:
        self.report.tell(
            _TALLY[collection.state],
            Outcome(
                code=collection.state.value,
                text=collection.error or (collection.decline.code.value if collection.decline else ""),
                biller=collection.biller,
                customer=collection.customer,
                amount=collection.amount,
                invoice=collection.invoice,
                about=collection.id,
                due_on=collection.expected_on,
            ),
        )


_TALLY = {
    CollectionState.RESERVED: "waiting",
    CollectionState.SUBMITTING: "waiting",
    CollectionState.OPEN: "waiting",
    CollectionState.CLOSING: "waiting",
    CollectionState.PENDING: "pending",
    CollectionState.UNKNOWN: "doubtful",
    CollectionState.SUCCEEDED: "succeeded",
    CollectionState.FAILED: "failed",
    CollectionState.CANCELLED: "cancelled",
    CollectionState.NOT_EXECUTED: "cancelled",
}


class Collecting(_Working):
    """One call of `Billing.collect`."""

    def __init__(self, desk: Desk, *, actor: str | None, progress: Callable[[int], None] | None) -> None:
        super().__init__(desk, actor=actor, progress=progress)
        self._down: dict[str, str] = {}

    def collect_each(self, billers: Iterable[Biller]) -> None:
        """Collect for one biller after the other."""
        self._each(billers, self.collect)

    def collect(self, biller: Biller) -> None:
        """Send what is reserved and due of one biller, and try again what failed and is due to be."""
        self._desk.plugins.authorise(action="collect", actor=self._actor, biller=biller.id)
        if not biller.payments:
            return
        self._due(Collection, biller, lambda found: self._one(biller, found))

    def _one(self, biller: Biller, found: Collection) -> None:
        if found.gateway in self._down:
            return  # it waits, in its order, until its provider is there again
        if found.decline is not None and found.decline.provider_will_retry:
            return  # its provider tries again by itself: `recover` looks at it
        if found.state in _RETRIED:
            again = self._retried(biller, found)
            if again is None or again.state is not CollectionState.RESERVED:
                return
            found = again
        if found.state is not CollectionState.RESERVED:
            return
        sent = submit(self._desk, found, actor=self._actor, action="collect")
        if isinstance(sent.error, LATER):
            self._down[found.gateway] = self.report.stopped = str(sent.error)
        self._told(sent.collection)
        after = sent.collection
        if after.expected_on is not None and after.live:
            with self._desk.view() as tx:
                due = one(tx, Invoice, after.biller, after.invoice).due_on
            if after.expected_on > due:
                text = f"collected on {after.expected_on}, after it is due on {due}"
                outcome = Outcome(
                    code="after_due", text=text, biller=after.biller, invoice=after.invoice, about=after.id
                )
                self.report.tell("warnings", attrs.evolve(outcome, due_on=due))

    def _retried(self, biller: Biller, found: Collection) -> Collection | None:
        """A failed collection, tried again: by the provider where it can, else as a new one; None when it is not needed."""
        gateway = self._desk.wiring.gateway_named(found.gateway)
        with self._desk.change("collect", biller.id, actor=self._actor, subject=found.id) as change:
            before = one(change.tx, Collection, biller.id, found.id)
            if before.version != found.version:
                return None
            ledger = Ledger(change)
            invoice = ledger.invoice(found.invoice)
            open_page = unfinished(change, found.invoice)
            wanted = invoice.lifecycle is Lifecycle.OPEN and invoice.recordable.amount > 0 and open_page is None
            method = one(change.tx, SavedMethod, biller.id, found.method or "")
            if not (wanted and method.chargeable):
                change.tx.replace([attrs.evolve(before, next_try_at=None)])
                return None
            same = before.reference is not None and gateway.info.can(Capability.RETRY, kind=before.kind)
            if (
                same
                and invoice.recordable >= before.amount
                and not (before.decline and before.decline.provider_will_retry)
            ):
                going = attrs.evolve(
                    before, state=CollectionState.UNKNOWN, attempt=before.attempt + 1, tries=0, next_try_at=change.at,
                )  # fmt: skip
                change.tx.replace([going])
                ledger.fly(invoice.id, before.amount)
                ledger.note(invoice.id, "collection retried", str(before.amount.amount))
                ledger.write()
            else:
                change.tx.replace([attrs.evolve(before, next_try_at=None)])
                again = reserved(
                    change, invoice, method, id=change.ids("col")[0], charge_on=change.on, attempt=before.attempt + 1
                )
                change.tx.add([again])
                ledger.fly(invoice.id, again.amount)
                ledger.note(invoice.id, "collection reserved", str(again.amount.amount))
                ledger.write()
                return again
        going = attrs.evolve(going, version=before.version + 1)
        reference = before.reference or ""

        def fetch(current: Collection) -> PaymentSnapshot:
            try:
                return gateway.retry(reference, f"{before.id}/retry{going.attempt}")
            except StateConflict:
                return gateway.payment(reference)

        after = take_in(self._desk, "collect", going, fetch, actor=self._actor)
        self._told(after)
        return after


class Recovering(_Working):
    """One call of `Billing.recover`."""

    def recover_each(self, billers: Iterable[Biller]) -> None:
        """Recover for one biller after the other."""
        self._each(billers, self.recover)

    def recover(self, biller: Biller) -> None:
        """Resolve what is due of one biller: events that wait, refunds, collections, pages."""
        self._desk.plugins.authorise(action="recover", actor=self._actor, biller=biller.id)
        self._due(InboxEvent, biller, self._event)
        self._due(Refund, biller, self._refund)
        self._due(Collection, biller, self._collection)

    def _event(self, event: InboxEvent) -> None:
        told: Received = Receiving(self._desk, actor=self._actor).apply(event)
        tally = "waiting" if told.state in (InboxState.WAITING.value, InboxState.PARKED.value) else "events"
        self.report.tell(tally, Outcome(code=told.state, text=told.why, biller=event.biller, about=event.id))

    def _refund(self, refund: Refund) -> None:
        after = recover_refund(self._desk, refund, actor=self._actor)
        tally = {RefundState.SUCCEEDED: "succeeded", RefundState.PENDING: "pending"}.get(after.state)
        tally = tally or ("doubtful" if after.state.counts else "failed")
        outcome = Outcome(code=f"refund_{after.state.value}", text=after.error, biller=after.biller, about=after.id)
        self.report.tell(tally, attrs.evolve(outcome, invoice=after.invoice, amount=after.amount))

    def _collection(self, found: Collection) -> None:
        if found.state in _PAGES:
            self._told(self._page(found))
        elif found.state is CollectionState.PENDING:
            self._told(self._pending(found))
        elif found.state in _DOUBTFUL:
            self._told(self._doubtful(found))
        elif found.state is CollectionState.FAILED and found.decline and found.decline.provider_will_retry:
            self._told(self._read(found))

    def _page(self, page: Collection) -> Collection:
        closing = page.state is CollectionState.CLOSING
        over = page.expires_at is not None and page.expires_at <= self._desk.clock.now()
        if closing or over or page.reference is None:
            return close_page(self._desk, page, actor=self._actor, action="recover")
        return self._read(page)

    def _pending(self, pending: Collection) -> Collection:
        with self._desk.view() as tx:
            invoice = one(tx, Invoice, pending.biller, pending.invoice)
        gateway = self._desk.wiring.gateway_named(pending.gateway)
        if invoice.balance < pending.amount and gateway.info.can(Capability.CANCEL, kind=pending.kind):
            try:  # it was paid in another way meanwhile
                return call_off(self._desk, pending, actor=self._actor, action="recover")
            except StateConflict:
                pass  # too late: what comes in beyond what is owed becomes credit (D6)
        return self._read(pending)

    def _read(self, found: Collection) -> Collection:
        gateway = self._desk.wiring.gateway_named(found.gateway)
        return take_in(
            self._desk, "recover", found, lambda current: gateway.payment(current.reference or ""), actor=self._actor
        )

    def _doubtful(self, found: Collection) -> Collection:
        """Ask again under the same key while the provider guarantees it; else look; what cannot be told goes to a person."""
        if found.reference is not None:
            return self._read(found)
        gateway = self._desk.wiring.gateway_named(found.gateway)
        now = self._desk.clock.now()
        since = found.submitted_at or found.made_at
        with self._desk.view() as tx:
            invoice = one(tx, Invoice, found.biller, found.invoice)
            method = one(tx, SavedMethod, found.biller, found.method or "")
        sure = now < since + gateway.info.key_window - MARGIN
        if sure and found.tries <= _AGAIN:
            mine = self._claimed(found, now)
            if mine is None:
                return found
            return send(
                self._desk, gateway, mine, method, invoice, actor=self._actor, action="recover", replay=True
            ).collection
        told = gateway.find(Operation.CHARGE, found.id, since=since - timedelta(days=1), within=method.reference)
        if isinstance(told, PaymentSnapshot):
            answers = [told]
            return take_in(
                self._desk,
                "recover",
                found,
                lambda _: answers.pop() if answers else gateway.payment(told.reference),
                actor=self._actor,
            )
        with self._desk.change("recover", found.biller, actor=self._actor, subject=found.id) as change:
            current = one(change.tx, Collection, found.biller, found.id)
            if current.version != found.version:
                return current
            if gateway.info.lookup is Lookup.PROVES_ABSENCE:
                decline = Decline(code=DeclineCode.PROCESSING_ERROR, advice=Advice.RETRY_LATER, raw_code="absent")
                return drop(change, Ledger(change), current, "the provider never had it", decline)
            return _left_to_a_person(change, current) if not sure else _waits(change, current)

    def _claimed(self, found: Collection, now: datetime) -> Collection | None:
        with self._desk.change("recover", found.biller, actor=self._actor, subject=found.id) as change:
            current = one(change.tx, Collection, found.biller, found.id)
            if current.version != found.version:
                return None
            mine = attrs.evolve(current, state=CollectionState.UNKNOWN, next_try_at=now + timedelta(minutes=15))
            change.tx.replace([mine])
            return attrs.evolve(mine, version=current.version + 1)


def _waits(change: Change, current: Collection) -> Collection:
    later = attrs.evolve(
        current, state=CollectionState.UNKNOWN, tries=current.tries + 1, next_try_at=change.at + timedelta(hours=4)
    )
    change.tx.replace([later])
    return attrs.evolve(later, version=current.version + 1)


def _left_to_a_person(change: Change, current: Collection) -> Collection:
    why = "nobody knows whether it was collected, and the provider no longer guarantees that asking again does not charge twice"
    text = f"{current.amount.amount} {current.amount.currency.code}: {why}; look there for {current.id}, then collections.resolve"
    alert(change, AlertKind.DOUBTFUL, current.id, text, invoice=current.invoice)
    left = attrs.evolve(current, state=CollectionState.UNKNOWN, next_try_at=None, error=why)
    change.tx.replace([left])
    return attrs.evolve(left, version=current.version + 1)
