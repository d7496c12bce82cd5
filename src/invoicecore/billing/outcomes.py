"""What a run reports: outcomes, tallied by kind, counted exactly and kept up to a bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import total_ordering
from itertools import islice

import attrs

from invoicecore.invoices import Invoice
from invoicecore.money import Money
from invoicecore.periods import Period
from invoicecore.wording import say

KEEP = 1000  # items a report keeps of each kind, so that a run of a million leases stays flat in memory


@attrs.frozen(kw_only=True)
class Outcome:
    """What the run did, or did not do, for one lease or client: a code, a sentence, and what it is about.

    `invoice` is the id of what was made, None in a dry run; it takes no part in equality, so that a dry run and the
    run itself compare equal. `about` is the id of the collection, refund or event. `data` is what the sentence takes, so that it can be said in another language too.
    """

    code: str
    text: str
    biller: str
    lease: str | None = None
    customer: str | None = None
    period: Period | None = None
    amount: Money | None = None
    due_on: date | None = None
    late: bool = False
    invoice: str | None = attrs.field(default=None, eq=False)
    about: str | None = None
    data: Mapping[str, str | int | date] = attrs.field(factory=dict, eq=False, repr=False)


@total_ordering
class Tally:
    """How many, and the first `KEEP` of them. Equal to another with the same count and items, and to that number."""

    def __init__(self) -> None:
        self.count = 0
        self._items: list[Outcome] = []

    @property
    def items(self) -> tuple[Outcome, ...]:
        """The first outcomes, at most KEEP."""
        return tuple(self._items)

    @property
    def full(self) -> bool:
        """Whether no more items are kept; counting goes on."""
        return len(self._items) >= KEEP

    @property
    def truncated(self) -> bool:
        """Whether there were more than are kept."""
        return self.count > len(self._items)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome, and keep it while there is room."""
        self.count += 1
        if not self.full:
            self._items.append(outcome)

    def take(self, count: int, items: Iterable[Outcome]) -> None:
        """Count so many more, of which some are at hand: they are kept while there is room."""
        self.count += count
        self._items += islice(items, KEEP - len(self._items))

    def __len__(self) -> int:
        return self.count

    def __int__(self) -> int:
        return self.count

    def __lt__(self, other: int) -> bool:
        return self.count < other

    def __bool__(self) -> bool:
        return self.count > 0

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.count == other
        return isinstance(other, Tally) and (self.count, self.items) == (other.count, other.items)

    __hash__ = None  # type: ignore[assignment]  # it grows while the run goes on

    def __repr__(self) -> str:
        return f"Tally({self.count})"


class Report:
    """What a run did: tallies of created, existing (made for this day before), late, skipped, failed and warnings.

    `late` are those of `created` whose period had begun. `invoices` are the first KEEP made, unwritten in a dry run.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.created = Tally()
        self.existing = Tally()
        self.late = Tally()
        self.skipped = Tally()
        self.failed = Tally()
        self.warnings = Tally()
        self._invoices: list[Invoice] = []

    @property
    def invoices(self) -> tuple[Invoice, ...]:
        """The first invoices made, at most KEEP."""
        return tuple(self._invoices)

    def tell(self, kind: str, outcome: Outcome) -> None:
        """Count one outcome under created, existing, late, skipped, failed or warnings."""
        tally: Tally = getattr(self, kind)
        tally.add(outcome)

    def keep(self, invoice: Invoice) -> None:
        """Keep an invoice that was made, while there is room."""
        if len(self._invoices) < KEEP:
            self._invoices.append(invoice)

    def add(self, invoice: Invoice, locale: str) -> None:
        """Count one invoice made, and keep it while there is room."""
        # Sentences and items are worth their time only while they are kept.
        self.keep(invoice)
        for tally in (self.created, self.late) if invoice.late else (self.created,):
            if tally.full:
                tally.count += 1
            else:
                code = "created" if tally is self.created else "late"
                tally.add(about(invoice, code, locale, written=not self.dry_run))

    @classmethod
    def merged(cls, reports: Iterable[Report]) -> Report:
        """What several reports say together: counts are added up, the first KEEP items of each kind are kept.

        A dry run among them makes it one.
        """
        whole = cls(dry_run=False)
        for report in reports:
            whole.dry_run = whole.dry_run or report.dry_run
            for name in _KINDS:
                tally: Tally = getattr(report, name)
                getattr(whole, name).take(tally.count, tally)
            whole._invoices += report._invoices[: KEEP - len(whole._invoices)]
        return whole

    def dumps(self, *, items: int = KEEP) -> str:
        """The report as JSON: its counts, and the first `items` of each kind; of invoices their ids, in the items."""
        from invoicecore import serde

        tallies = {name: getattr(self, name) for name in _KINDS}
        kept = {name: _Kept(count=tally.count, items=tally.items[:items]) for name, tally in tallies.items()}
        return serde.dumps(_Stored(dry_run=self.dry_run, **kept))

    @classmethod
    def loads(cls, text: str) -> Report:
        """A report from what `dumps` gave. Raises BadFile for anything else."""
        from invoicecore import serde

        stored = serde.loads(text, _Stored, source="a report")
        report = cls(dry_run=stored.dry_run)
        for name in _KINDS:
            kept: _Kept = getattr(stored, name)
            getattr(report, name).take(kept.count, kept.items)
        return report

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return _counts(self, _KINDS)

    def __repr__(self) -> str:
        return f"Report({_told(self.counts)}, dry_run={self.dry_run})"


@attrs.frozen(kw_only=True)
class _Kept:
    count: int
    items: tuple[Outcome, ...]


@attrs.frozen(kw_only=True)
class _Stored:
    """A report as it is written down."""

    dry_run: bool
    created: _Kept
    existing: _Kept
    late: _Kept
    skipped: _Kept
    failed: _Kept
    warnings: _Kept


_KINDS = ("created", "existing", "late", "skipped", "failed", "warnings")


class Deliveries:
    """What `deliver` did: tallies of messages sent, deferred (tried again later), failed (for good) and cancelled.

    `stopped` says why nothing could be sent any more: the rest waits in the outbox.
    """

    def __init__(self) -> None:
        self.sent = Tally()
        self.deferred = Tally()
        self.failed = Tally()
        self.cancelled = Tally()
        self.stopped = ""

    def tell(self, kind: str, outcome: Outcome) -> None:
        """Count one outcome under sent, deferred, failed or cancelled."""
        tally: Tally = getattr(self, kind)
        tally.add(outcome)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return _counts(self, ("sent", "deferred", "failed", "cancelled"))

    def __repr__(self) -> str:
        return f"Deliveries({_told(self.counts)}, stopped={self.stopped!r})"


class Attempts:
    """What `collect` or `recover` did: tallies of collections and refunds by where they stand now.

    `succeeded`, `pending` (on its way), `failed` (declined, or could not be dealt with), `doubtful` (may have happened),
    `waiting` (not sent yet, or tried later), `cancelled`; `events` are those applied; `warnings` tell of debits that are
    collected after the due date (P1). `stopped` says why a provider was not asked any more.
    """

    def __init__(self) -> None:
        self.succeeded = Tally()
        self.pending = Tally()
        self.failed = Tally()
        self.doubtful = Tally()
        self.waiting = Tally()
        self.cancelled = Tally()
        self.events = Tally()
        self.warnings = Tally()
        self.stopped = ""

    @property
    def count(self) -> int:
        """How many collections, refunds and events were dealt with."""
        return sum(getattr(self, name).count for name in _ATTEMPTS)

    def tell(self, kind: str, outcome: Outcome) -> None:
        """Count one outcome under one of the tallies."""
        tally: Tally = getattr(self, kind)
        tally.add(outcome)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return _counts(self, (*_ATTEMPTS, "warnings"))

    def __repr__(self) -> str:
        return f"Attempts({_told(self.counts)}, stopped={self.stopped!r})"


_ATTEMPTS = ("succeeded", "pending", "failed", "doubtful", "waiting", "cancelled", "events")


def _counts(report: Report | Deliveries | Attempts, kinds: Iterable[str]) -> dict[str, int]:
    return {kind: getattr(report, kind).count for kind in kinds}


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={count}" for name, count in counts.items())


def about(invoice: Invoice, code: str, locale: str, *, written: bool = True) -> Outcome:
    """The outcome that tells of one invoice of the run."""
    return Outcome(
        code=code,
        text=invoice.title if code == "created" else say(code, locale),
        biller=invoice.biller,
        lease=invoice.lease,
        customer=invoice.customer,
        period=invoice.period,
        amount=invoice.total,
        due_on=invoice.due_on,
        late=invoice.late,
        invoice=invoice.id if written else None,
    )
