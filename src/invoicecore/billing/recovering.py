"""Recovering: what is doubtful is looked up, what is pending is asked for, what waits is applied; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert, settle_alerts
from invoicecore.billing.applying import drop, drop_unchargeable, take_in, told_first
from invoicecore.billing.collecting import not_retried
from invoicecore.billing.debiting import call_off, close_page, unfinished
from invoicecore.billing.desk import Change, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.methods import newest, take_method
from invoicecore.billing.outcomes import Outcome
from invoicecore.billing.receiving import Receiving
from invoicecore.billing.refunding import recover_refund
from invoicecore.billing.scheduling import reserved
from invoicecore.billing.submitting import MARGIN, send
from invoicecore.billing.working import Working
from invoicecore.collection import RETRYING, SETUP_POLLS, Collection, CollectionState, MethodState, SavedMethod
from invoicecore.errors import NotSupported, NotWired, StateConflict
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.parties import Biller
from invoicecore.payments import Refund, RefundState
from invoicecore.ports import Capability, Lookup, Operation, PaymentGateway, PaymentSnapshot, PayStatus

_AGAIN = 3  # how often a doubtful one is asked for again under its key before it is looked up
_DOUBTFUL = frozenset({CollectionState.SUBMITTING, CollectionState.UNKNOWN})
_PAGES = frozenset({CollectionState.OPEN, CollectionState.CLOSING})


class Recovering(Working):
    """One call of `Billing.recover`."""

    def recover_each(self, billers: Iterable[Biller]) -> None:
        """Recover for one biller after the other."""
        self._each(billers, self.recover)

    def recover(self, biller: Biller) -> None:
        """Resolve what is due of one biller: events that wait, set-ups, refunds, collections, pages."""
        self._desk.plugins.authorise(action="recover", actor=self._actor, biller=biller.id)
        self._due(InboxEvent, biller, self._event)
        self._due(SavedMethod, biller, self._method)
        self._due(Refund, biller, self._refund)
        self._due(Collection, biller, self._collection)

    def _event(self, event: InboxEvent) -> None:
        told = Receiving(self._desk, actor=self._actor).apply(event)
        tally = "waiting" if told.state in (InboxState.WAITING.value, InboxState.PARKED.value) else "events"
        self.report.tell(tally, Outcome(code=told.state, text=told.why, biller=event.biller, about=event.id))

    def _method(self, method: SavedMethod) -> None:
        """What became of a set-up that nobody told the end of."""
        found = method
        if method.setup is not None and method.state is MethodState.OPEN:
            told = newest(self._desk.wiring.gateway_named(method.gateway), method.reference or method.setup)
            found = take_method(self._desk, method, told, actor=self._actor, action="recover")
        if found.state is MethodState.OPEN:
            with self._desk.change("recover", found.biller, actor=self._actor, subject=found.id) as change:
                current = one(change.tx, SavedMethod, found.biller, found.id)
                tries = current.tries + 1
                later = change.at + SETUP_POLLS[tries] if tries < len(SETUP_POLLS) else None
                change.tx.replace([attrs.evolve(current, tries=tries, next_try_at=later)])
        outcome = Outcome(code=found.state.value, text=found.label, biller=found.biller, about=found.id)
        self.report.tell("waiting" if found.state is MethodState.OPEN else "events", outcome)

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
            self._told(self._pending(found))

    def _page(self, page: Collection) -> Collection:
        closing = page.state is CollectionState.CLOSING
        over = page.expires_at is not None and page.expires_at <= self._desk.clock.now()
        if not (closing or over or page.reference is None):
            return self._read(page)
        try:
            return close_page(self._desk, page, actor=self._actor, action="recover")
        except NotWired as error:
            if not over:
                raise
            with self._desk.change("recover", page.biller, actor=self._actor, subject=page.id) as change:
                current = one(change.tx, Collection, page.biller, page.id)
                text = f"its page is over, and nobody could ask whether it was paid: {error}"
                alert(change, AlertKind.DOUBTFUL, page.id, text, invoice=page.invoice)
                change.tx.replace(
                    [attrs.evolve(current, state=CollectionState.CANCELLED, next_try_at=None, error=text)]
                )
                return one(change.tx, Collection, page.biller, page.id)

    def _pending(self, pending: Collection) -> Collection:
        with self._desk.view() as tx:
            invoice = one(tx, Invoice, pending.biller, pending.invoice)
        gateway = self._desk.wiring.gateway_named(pending.gateway)
        owed = invoice.balance.amount if invoice.lifecycle is Lifecycle.OPEN else 0
        # What a payer sent from a page is let through while anything is owed: nobody could ask them for the rest.
        too_much = owed < pending.amount.amount if pending.method is not None else owed <= 0
        if too_much and gateway.info.can(Capability.CANCEL, kind=pending.kind):
            try:  # it was paid in another way meanwhile, credited or voided
                return call_off(
                    self._desk,
                    pending,
                    actor=self._actor,
                    action="recover",
                    beside=lambda change: _collect_the_rest(change, pending.id),
                )
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
        gateway = self._desk.wiring.gateway_named(found.gateway)
        if found.reference is not None:
            return self._after_retry(found, gateway) if found.error == RETRYING else self._read(found)
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
        try:
            told = gateway.find(Operation.CHARGE, found.id, since=since - timedelta(days=1), within=method.reference)
        except NotSupported:
            told = None
        if isinstance(told, PaymentSnapshot):
            return take_in(self._desk, "recover", found, told_first(told, gateway), actor=self._actor)
        with self._desk.change("recover", found.biller, actor=self._actor, subject=found.id) as change:
            current = one(change.tx, Collection, found.biller, found.id)
            if current.version != found.version:
                return current
            if gateway.info.lookup is Lookup.PROVES_ABSENCE and gateway.info.can(Capability.LOOKUP, kind=found.kind):
                return _once_more(change, current, method)
            return _left_to_a_person(change, current) if not sure else _waits(change, current)

    def _after_retry(self, found: Collection, gateway: PaymentGateway) -> Collection:
        """What became of a retry that nobody saw the answer of: still failed, it was not made."""
        told = gateway.payment(found.reference or "")
        if told.status is PayStatus.FAILED:
            return not_retried(self._desk, found, "", actor=self._actor)
        return take_in(self._desk, "recover", found, told_first(told, gateway), actor=self._actor)

    def _claimed(self, found: Collection, now: datetime) -> Collection | None:
        with self._desk.change("recover", found.biller, actor=self._actor, subject=found.id) as change:
            current = one(change.tx, Collection, found.biller, found.id)
            if current.version != found.version:
                return None
            mine = attrs.evolve(current, state=CollectionState.UNKNOWN, next_try_at=now + timedelta(minutes=15))
            change.tx.replace([mine])
            return attrs.evolve(mine, version=current.version + 1)


def _once_more(change: Change, current: Collection, method: SavedMethod) -> Collection:
    """A charge that the provider has certainly never had is reserved anew, under a new key, if it is still owed."""
    why = "the provider never had it"
    ended = drop(change, Ledger(change), current, why)
    settle_alerts(change, current.id, AlertKind.DOUBTFUL, why)
    _anew(change, current, method)
    return ended


def _collect_the_rest(change: Change, ref: str) -> None:
    """A debit that was called off because less is owed is followed by one of what still is (S9)."""
    ended = one(change.tx, Collection, change.biller.id, ref)
    if ended.state is CollectionState.CANCELLED and unfinished(change, ended.invoice) is None:
        # A webhook that was quicker could not know who had cancelled it.
        settle_alerts(change, ref, AlertKind.NO_METHOD, "it was of more than is owed, and called off")
        _anew(change, ended, one(change.tx, SavedMethod, ended.biller, ended.method or ""))


def _anew(change: Change, ended: Collection, method: SavedMethod) -> None:
    """Reserve what an invoice still asks for after a collection that was not made; without a method, ask for it (S9)."""
    ledger = Ledger(change)
    invoice = ledger.invoice(ended.invoice)
    if invoice.lifecycle is not Lifecycle.OPEN or invoice.recordable.amount <= 0:
        return
    again = reserved(change, invoice, method, id=change.ids("col")[0], charge_on=ended.charge_on, attempt=ended.attempt)
    ledger.reserve(again)
    if not method.chargeable:
        drop_unchargeable(change, Ledger(change), again, method)


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
