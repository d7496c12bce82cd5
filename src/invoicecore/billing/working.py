"""Working: what `collect` and `recover` share: due records in order, where one bad one never stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeVar

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert
from invoicecore.billing.desk import Change, Desk, acting, again, one
from invoicecore.billing.outcomes import Attempts, Outcome
from invoicecore.billing.submitting import ODD
from invoicecore.collection import DOUBTS, Collection, CollectionState, SavedMethod, wait
from invoicecore.errors import (
    Busy,
    ConfigurationProblem,
    Conflict,
    GatewayError,
    InvoicecoreError,
    KeyMismatch,
    NotSent,
    ObjectNotFound,
    ObserverFailed,
    PluginError,
    RateLimited,
    Refused,
    StoreError,
)
from invoicecore.inbox import InboxEvent
from invoicecore.parties import Biller
from invoicecore.payments import Refund

W = TypeVar("W", Collection, Refund, InboxEvent, SavedMethod)

PAGE = 200  # records looked at in one view

LATER = (NotSent, RateLimited, ConfigurationProblem)
"""What says nothing of one collection: the provider cannot be reached, or does not let us in."""


class Working:
    """One call of `collect` or `recover`: biller by biller, what is due, in order."""

    def __init__(self, desk: Desk, *, actor: str | None, progress: Callable[[int], None] | None) -> None:
        self._unheard: list[ObserverFailed] = []
        self._desk = desk.quiet(self._unheard)
        self._actor = acting(actor)
        self._progress = progress
        self._down: set[str] = set()
        self._refused: dict[str, str] = {}
        self.report = Attempts()
        desk.outside()  # refused within a transaction (P2)

    def ended(self) -> Attempts:
        """The report; raises ObserverFailed when an observer failed, and everything is committed then (R18)."""
        if self._unheard:
            raise self._unheard[0]
        return self.report

    def _each(self, billers: Iterable[Biller], work: Callable[[Biller], None]) -> None:
        """One biller after the other: one that a hook refuses or another writer keeps stops no other (R18)."""
        for biller in billers:
            try:
                work(biller)
            except (Refused, Busy) as error:
                self.report.tell("failed", Outcome(code=error.code, text=str(error), biller=biller.id))

    def _due(self, kind: type[W], biller: Biller, do: Callable[[W], None]) -> None:
        at, after = self._desk.clock.now(), None
        while True:
            page = again(partial(self._due_page, kind, biller, at, after))
            for record in page:
                if getattr(record, "gateway", None) not in self._down:
                    self._one(biller, record, do)
            if self._progress is not None:
                self._progress(self.report.count)
            if len(page) < PAGE:
                return
            after = (page[-1].next_try_at or at, page[-1].id)

    def _due_page(self, kind: type[W], biller: Biller, at: datetime, after: tuple[datetime, str] | None) -> list[W]:
        with self._desk.view() as tx:
            return tx.due(kind, biller.id, at, after=after, limit=PAGE)

    def _one(self, biller: Biller, record: W, do: Callable[[W], None]) -> None:
        try:
            again(lambda: do(record))  # what it finds changed since it was read, it leaves alone
        except (StoreError, PluginError):
            raise
        except (InvoicecoreError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            text = f"{type(error).__name__}: {error}"
            code = getattr(error, "code", "failed")
            self.report.tell("failed", Outcome(code=code, text=text, biller=biller.id, about=record.id))
            if isinstance(error, GatewayError):
                self.trouble(error, record.id)
                self._postpone(record, error)

    def trouble(self, error: GatewayError | None, subject: str) -> None:
        """Leave a provider alone for the rest of this call when it cannot be reached, or lets nobody in."""
        if not isinstance(error, LATER):
            return
        first = self._refused.setdefault(error.gateway, subject)
        # A right that is missing may concern one method only: another one is tried before all are left waiting.
        if not isinstance(error, ConfigurationProblem) or first != subject:
            self._down.add(error.gateway)
            self.report.stopped = str(error)

    def _postpone(self, record: W, error: GatewayError) -> None:
        """What could not be asked for is asked for later, less and less often, and a person hears of it."""
        if isinstance(record, InboxEvent):
            return  # it has waits of its own
        try:
            again(lambda: self._put_off(record, error))
        except Conflict:
            return  # somebody else has dealt with it

    def _put_off(self, record: W, error: GatewayError) -> None:
        with self._desk.change("recover", record.biller, actor=self._actor, subject=record.id) as change:
            found = one(change.tx, type(record), record.biller, record.id)
            if found.version != record.version or found.next_try_at is None:
                return
            later = change.at + wait(DOUBTS, found.tries + 1)
            after = attrs.evolve(found, tries=found.tries + 1, next_try_at=later)
            if isinstance(after, Collection):
                after = self._doubted(change, after, error)
            elif isinstance(after, Refund):
                after = attrs.evolve(after, error=error.why)
            change.tx.replace([after])

    def _doubted(self, change: Change, found: Collection, error: GatewayError) -> Collection:
        if isinstance(error, KeyMismatch):
            alert(change, AlertKind.MISMATCH, found.id, str(error), invoice=found.invoice)
        lost = isinstance(error, ObjectNotFound) and bool(found.error) and found.live
        odd = not isinstance(error, LATER) and found.live and found.tries > ODD
        if lost or odd:
            text = f"the provider cannot tell what became of {found.amount.amount} {found.amount.currency.code}: {error.why}; look there for {found.reference or found.id}, then collections.resolve"
            alert(change, AlertKind.DOUBTFUL, found.id, text, invoice=found.invoice)
        if lost:
            found = attrs.evolve(found, state=CollectionState.UNKNOWN, next_try_at=None)
        return attrs.evolve(found, error=error.why)

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
