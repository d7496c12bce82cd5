"""Examining: what waits for longer than it should, what was given up, what nobody looked at, and whether clocks agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Final

import attrs

from invoicecore.alerts import Alert, AlertState
from invoicecore.billing.desk import Desk
from invoicecore.billing.ids import first_id
from invoicecore.collection import Collection, CollectionState, SavedMethod
from invoicecore.errors import StoreError
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.invoices import Status
from invoicecore.messages import Message, MessageState
from invoicecore.moving import is_arriving
from invoicecore.parties import Biller
from invoicecore.payments import Refund, RefundState
from invoicecore.ports import Event, Finding, InvoiceQuery, Order, Reader, Verdict

Work = Message | Collection | Refund | InboxEvent | SavedMethod
"""What waits for a worker."""

LATE: Final = timedelta(hours=1)
"""How long after its time something may wait before it is worth a word."""

MISSED: Final = timedelta(days=2)
"""How long after its day a lease or a client may wait for the run."""

LEFT: Final = timedelta(days=7)
"""How long a draft that a run made may wait to be published."""

RECENT: Final = timedelta(days=30)
"""How long an e-mail that was refused for good is spoken of."""

AHEAD: Final = timedelta(minutes=5)
"""How far the timeline of the newest invoice may be ahead of this host's clock."""

IN_VAIN: Final = 3
"""After how many tries in vain something counts as failing."""

SHOWN: Final = 5
"""Billers that are named."""

ENOUGH: Final = 1000
"""Records of a kind that are looked at; of more it is said that there are at least so many."""

# What waits for workers: its name, and the states in which it may be tried in vain.
_WAITING: Final[tuple[tuple[str, type[Work], tuple[str, ...]], ...]] = (
    ("mail", Message, (MessageState.QUEUED,)),
    ("collections", Collection, (CollectionState.RESERVED, CollectionState.UNKNOWN)),
    ("refunds", Refund, (RefundState.RESERVED, RefundState.UNKNOWN)),
    ("events", InboxEvent, (InboxState.WAITING,)),
    ("methods", SavedMethod, ()),
)
_LAST: Final = "\U0010ffff"  # after every id
_UNKNOWN: Final = frozenset({CollectionState.UNKNOWN, RefundState.UNKNOWN})
_SUBMITTING: Final = frozenset({CollectionState.SUBMITTING, RefundState.SUBMITTING})


@attrs.define
class _Found:
    """What one code was found of, over all billers."""

    verdict: Verdict
    count: int = 0
    since: date | None = None


class Examining:
    """One call of `Billing.examine`, biller by biller."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._at = desk.clock.now()
        self._found: dict[str, _Found] = {}
        self._arriving: list[str] = []  # what was moved of them is not all there is
        self._unread: list[str] = []  # why something could not be looked at

    def examine(self, biller: Biller) -> None:
        """Look at one biller's work, in one view."""
        with self._readable(), self._desk.view() as tx:
            for name, kind, states in _WAITING:
                self._waiting(tx, biller, name, kind)
                self._failing(tx, biller, name, kind, states)
            self._given_up(tx, biller)
            self._runs(tx, biller)
            self._clock(tx, biller)
            if is_arriving(tx, biller):
                self._arriving.append(biller.id)

    def examine_each(self, billers: Iterable[Biller]) -> None:
        """Look at the work of each."""
        with self._readable():
            for biller in billers:
                self.examine(biller)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        # What cannot be read is what somebody wants to hear about, with all the rest that can.
        try:
            yield
        except StoreError as error:
            self._unread.append(str(error))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found of each thing that was looked at; that it is well where nothing was."""
        checks = [name for name, _, _ in _WAITING] + ["alerts", "runs", "drafts", "clock"]
        told: list[Finding] = []
        for check in checks:
            bad = [
                Finding(code=code, verdict=found.verdict, data={"count": found.count, "since": found.since})
                for code, found in self._found.items()
                if code.startswith(f"{check}.")
            ]
            # Of what was not looked at everywhere, nothing says that it is well.
            told += bad or ([] if self._unread else [Finding(code=check)])
        if self._arriving:
            data = {"count": len(self._arriving), "billers": ", ".join(self._arriving[:SHOWN])}
            told.append(Finding(code="imports.unfinished", verdict=Verdict.PROBLEM, data=data))
        elif not self._unread:
            told.append(Finding(code="imports"))
        if self._unread:
            told.append(Finding(code="work.unreadable", verdict=Verdict.PROBLEM, data={"why": self._unread[0]}))
        return tuple(told)

    def _tell(self, code: str, days: Sequence[date | datetime | None], verdict: Verdict = Verdict.WARNING) -> None:
        if not days:
            return
        found = self._found.setdefault(code, _Found(verdict))
        found.count += len(days)
        known = [day.date() if isinstance(day, datetime) else day for day in days if day is not None]
        found.since = min((day for day in (*known, found.since) if day is not None), default=None)

    def _waiting(self, tx: Reader, biller: Biller, name: str, kind: type[Work]) -> None:
        due = tx.due(kind, biller.id, self._at, after=None, limit=ENOUGH)
        began = [each for each in due if getattr(each, "state", None) in _SUBMITTING]
        late = [each for each in due if each not in began and (each.next_try_at or self._at) <= self._at - LATE]
        # Whoever sent these has died, or its answer was lost: their time is that somebody else looks.
        self._tell(f"{name}.submitting", [each.next_try_at for each in began])
        if biller.payments or kind is not Collection:  # collections wait while payments are off
            self._tell(f"{name}.waiting", [each.next_try_at for each in late])

    def _failing(self, tx: Reader, biller: Biller, name: str, kind: type[Work], states: Sequence[str]) -> None:
        if not states:
            return
        tried = tx.find(kind, biller.id, {"state": states}, limit=ENOUGH)
        waits = [each.next_try_at for each in tried if each.tries >= IN_VAIN]
        self._tell(f"{name}.failing", [at for at in waits if at is not None])
        doubtful = [each for each in tried if each.state in _UNKNOWN and each.next_try_at is None]
        self._tell(f"{name}.doubtful", [getattr(each, "submitted_at", None) for each in doubtful], Verdict.PROBLEM)

    def _given_up(self, tx: Reader, biller: Biller) -> None:
        after = first_id(biller.id, "msg", self._at - RECENT)
        failed = tx.find(Message, biller.id, {"state": MessageState.FAILED}, after=after, limit=ENOUGH)
        self._tell("mail.failed", [each.queued_at for each in failed])
        parked = tx.find(InboxEvent, biller.id, {"state": InboxState.PARKED}, limit=ENOUGH)
        self._tell("events.parked", [each.received_at for each in parked])
        alerts = tx.find(Alert, biller.id, {"state": AlertState.OPEN}, limit=ENOUGH)
        self._tell("alerts.open", [each.raised_at for each in alerts])

    def _runs(self, tx: Reader, biller: Biller) -> None:
        today = self._desk.today(biller, self._at)
        if biller.payments:
            due = today - MISSED
            # What was added since may have been due before it was there. A client's cycle that no run has met begins
            # at the beginning of time.
            old = {kind: first_id(biller.id, kind, self._at - MISSED) for kind in ("lea", "cus")}
            leases = tx.due_leases(biller.id, due, after=None, limit=ENOUGH)
            clients = tx.due_customers(biller.id, due, after=(date.min, _LAST), limit=ENOUGH)
            self._tell("runs.missed", [each.next_run_on for each in leases if each.id < old["lea"]])
            self._tell("runs.missed", [each.next_cycle_on for each in clients if each.id < old["cus"]])
        drafts = tx.invoices(
            InvoiceQuery(biller=biller.id, on=today, status=frozenset({Status.DRAFT}), claims=True, limit=ENOUGH)
        )
        self._tell("drafts.left", [each.drafted_on for each in drafts if each.drafted_on <= today - LEFT])

    def _clock(self, tx: Reader, biller: Biller) -> None:
        # Ids sort by time: whatever was made by a clock that was ahead is the newest.
        newest = tx.invoices(InvoiceQuery(biller=biller.id, on=self._at.date(), order=Order.CREATED_DESC, limit=1))
        steps = tx.find(Event, biller.id, {"subject": [each.id for each in newest]})
        self._tell("clock.ahead", [each.at for each in steps if each.at > self._at + AHEAD], Verdict.PROBLEM)
