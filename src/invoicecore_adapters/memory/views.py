"""What a transaction of the store in memory can do: read, and write with an undo log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as Many
from datetime import date, datetime
from heapq import nlargest, nsmallest
from typing import Final, TypeVar, cast, get_args

import attrs

from invoicecore.credits import CreditEntry
from invoicecore.errors import Conflict, InvalidValue, StoreError
from invoicecore.invoices import Invoice, Lifecycle, Phase, Status, status_of
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.money import minor
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Refund
from invoicecore.ports import VERSIONED, WAITING, Counter, Event, InvoiceQuery, Order, PayLink, R, Record, Sums
from invoicecore_adapters.memory.tables import DUE, FIELDS, QUERIED, Kind, Tables, Value, biller_of, unique_keys

T = TypeVar("T")

_KINDS: Final[frozenset[Kind]] = frozenset(get_args(Record))
_DESCENDING: Final = frozenset({Order.CREATED_DESC, Order.DUE_DESC, Order.NUMBER_DESC, Order.TOTAL_DESC})
_PHASES: Final[Mapping[Status, Phase]] = {
    Status.OPEN: Phase.DUE,
    Status.OVERDUE: Phase.DUE,
    Status.DRAFT: Phase.DRAFT,
    Status.PAID: Phase.PAID,
    Status.PENDING: Phase.PENDING,
    Status.VOID: Phase.VOID,
    Status.REFUNDED: Phase.REFUNDED,
}
_SORTED_BY: Final[Mapping[Order, Callable[[Invoice], str | int | date]]] = {
    Order.CREATED: lambda invoice: invoice.id,
    Order.CREATED_DESC: lambda invoice: invoice.id,
    Order.DUE: lambda invoice: invoice.due_on,
    Order.DUE_DESC: lambda invoice: invoice.due_on,
    Order.NUMBER: lambda invoice: invoice.number or "",
    Order.NUMBER_DESC: lambda invoice: invoice.number or "",
    Order.TOTAL: lambda invoice: minor(invoice.total),
    Order.TOTAL_DESC: lambda invoice: minor(invoice.total),
}


class MemoryReader:
    """What a transaction reads; every answer is made of the frozen records themselves."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._over = False

    def end(self) -> None:
        """Refuse every call from now on."""
        self._over = True

    def _live(self) -> Tables:
        if self._over:
            raise StoreError("this transaction is over; open another one")
        return self._tables

    def get(self, kind: type[R], biller: str, ids: Many[str]) -> dict[str, R]:
        """See Reader.get."""
        rows = self._live().of(kind, biller)
        return {id: cast(R, rows[id]) for id in ids if id in rows}

    def find(
        self,
        kind: type[R],
        biller: str,
        where: Mapping[str, str | Many[str]],
        *,
        after: str = "",
        limit: int | None = None,
    ) -> list[R]:
        """See Reader.find; InvalidValue for a field that is not FINDABLE."""
        tables = self._live()
        rows = tables.of(kind, biller)
        known = FIELDS.get(kind)
        if known is None:
            raise InvalidValue("kind", kind.__name__, "is not found by fields", "use get(), billers() or invoices()")
        ids: set[str] | None = None
        for field, wanted in where.items():
            if field not in known:
                raise InvalidValue(
                    "where", field, f"is no field to find a {kind.__name__} by", f"use {', '.join(known)}"
                )
            values = {wanted} if isinstance(wanted, str) else set(wanted)
            hits = {id for value in values for id in tables.found.get((kind, biller, field, value), ())}
            ids = hits if ids is None else ids & hits
        found = list(rows.values()) if ids is None else [rows[id] for id in ids]
        start = _place_after(kind, rows, after) if after else None
        return cast(list[R], _page(found, _place, after=start, limit=limit))

    def billers(self, *, after: str = "", limit: int = 1000) -> list[Biller]:
        """See Reader.billers."""
        found = [
            cast(Biller, row)
            for (kind, _), rows in self._live().rows.items()
            if kind is Biller
            for row in rows.values()
        ]
        return _page(found, lambda biller: biller.id, after=after or None, limit=limit)

    def invoices(self, wanted: InvoiceQuery) -> list[Invoice]:
        """See Reader.invoices."""
        numbered = wanted.order in (Order.NUMBER, Order.NUMBER_DESC)
        found = [invoice for invoice in self._matching(wanted) if invoice.published or not numbered]
        key = _SORTED_BY[wanted.order]
        return _page(
            found,
            lambda invoice: (key(invoice), invoice.id),
            after=wanted.after,
            limit=wanted.limit,
            descending=wanted.order in _DESCENDING,
        )

    def count(self, wanted: InvoiceQuery) -> int:
        """See Reader.count."""
        return sum(1 for _ in self._matching(wanted))

    def sums(self, wanted: InvoiceQuery) -> Sums:
        """See Reader.sums."""
        counts = dict.fromkeys(Status, 0)
        total = paid = refunded = unpaid = overdue = 0
        for invoice in self._matching(wanted):
            counts[invoice.status_on(wanted.on)] += 1
            if self._counted(invoice):
                total += minor(invoice.total) - minor(invoice.facts.noted)
                paid += minor(invoice.facts.held)
                refunded += minor(invoice.facts.refunded)
                # A pending invoice has a date like any other, and counts by it (R16).
                if status_of(Phase.DUE, invoice.due_on, wanted.on) is Status.OVERDUE:
                    overdue += minor(invoice.balance)
                else:
                    unpaid += minor(invoice.balance)
        return Sums(counts=counts, total=total, paid=paid, refunded=refunded, open=unpaid, overdue=overdue)

    def due_leases(
        self,
        biller: str,
        on: date,
        *,
        after: tuple[date, str] | None,
        limit: int,
        among: tuple[str, str] | None = None,
    ) -> list[Lease]:
        """See Reader.due_leases; the writer's lock is the claim."""
        leases = self._with_dates(Lease, biller)
        if among is None:
            return _due(leases, lambda lease: lease.next_run_on, on, after, limit)
        first, last = among
        ready = [each for each in leases if first <= each.id <= last and each.next_run_on and each.next_run_on <= on]
        return _page(ready, lambda lease: lease.id, after=after and after[1], limit=limit)

    def due_spans(self, biller: str, on: date, *, size: int) -> list[tuple[str, str, int]]:
        """See Reader.due_spans."""
        leases = self._with_dates(Lease, biller)
        ids = sorted(each.id for each in leases if each.next_run_on and each.next_run_on <= on)
        spans = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [(span[0], span[-1], len(span)) for span in spans]

    def due_customers(self, biller: str, on: date, *, after: tuple[date, str] | None, limit: int) -> list[Customer]:
        """See Reader.due_customers."""
        return _due(self._with_dates(Customer, biller), lambda customer: customer.next_cycle_on, on, after, limit)

    def due(
        self, kind: type[R], biller: str, at: datetime, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[R]:
        """See Reader.due; InvalidValue for a kind that does not wait."""
        if kind not in WAITING:
            raise InvalidValue("kind", kind.__name__, "does not wait", "give one of invoicecore.ports.WAITING")
        return _due(self._with_dates(kind, biller), _next_try, at, after, limit)

    def pay_link(self, token: str) -> PayLink | None:
        """See Reader.pay_link."""
        tables = self._live().rows.items()
        found = (rows[token] for (kind, _), rows in tables if kind is PayLink and token in rows)
        return cast(PayLink | None, next(found, None))

    def last_credits(self, biller: str, customers: Many[str], currency: str) -> dict[str, CreditEntry]:
        """See Reader.last_credits."""
        tables = self._live()
        rows = tables.of(CreditEntry, biller)
        newest: dict[str, CreditEntry] = {}
        for customer in customers:
            for id in tables.found.get((CreditEntry, biller, "customer", customer), ()):
                entry = cast(CreditEntry, rows[id])
                if entry.amount.currency.code == currency and (
                    customer not in newest or entry.seq > newest[customer].seq
                ):
                    newest[customer] = entry
        return newest

    def counter(self, biller: str, series: str) -> Counter:
        """See Reader.counter."""
        return self._live().counters.get((biller, series), Counter())

    def counters(self, biller: str) -> dict[str, Counter]:
        """See Reader.counters."""
        return {series: counter for (owner, series), counter in self._live().counters.items() if owner == biller}

    def _matching(self, wanted: InvoiceQuery) -> Iterator[Invoice]:
        return (invoice for invoice in self._candidates(wanted) if self._matches(invoice, wanted))

    def _matches(self, invoice: Invoice, wanted: InvoiceQuery) -> bool:
        return (
            (not wanted.status or invoice.status_on(wanted.on) in wanted.status)
            and (not wanted.kinds or invoice.kind in wanted.kinds)
            and (not wanted.customers or invoice.customer in wanted.customers)
            and wanted.unit in (None, invoice.unit)
            and wanted.lease in (None, invoice.lease)
            and (wanted.leases is None or wanted.leases[0] <= (invoice.lease or "") <= wanted.leases[1])
            and wanted.period_index in (None, invoice.period_index)
            and wanted.booking in (None, invoice.booking)
            and wanted.group in (None, invoice.group)
            and wanted.number in (None, invoice.number)
            and wanted.drafted_on in (None, invoice.drafted_on)
            and wanted.published in (None, invoice.published)
            and (not wanted.claims or not (invoice.period_index is None and invoice.cycle is None))
            and (wanted.due_by is None or invoice.due_on <= wanted.due_by)
            and (not wanted.payable or (invoice.lifecycle is Lifecycle.OPEN and invoice.balance.amount > 0))
        )

    def _counted(self, invoice: Invoice) -> bool:
        return invoice.published and invoice.lifecycle is not Lifecycle.VOID

    def _candidates(self, wanted: InvoiceQuery) -> Iterable[Invoice]:
        """The invoices of the shortest index that can hold the answer; the caller still checks every filter."""
        tables = self._live()
        rows = tables.of(Invoice, wanted.biller)
        questions: list[Many[tuple[str, Value]]] = [
            [(field, value)] for field in QUERIED[1:] if (value := getattr(wanted, field)) is not None
        ]
        if wanted.customers:
            questions.append({("customer", customer) for customer in wanted.customers})
        if wanted.status:
            questions.append({("phase", _PHASES[status]) for status in wanted.status})
        if wanted.payable:
            questions.append({("phase", Phase.DUE), ("phase", Phase.PENDING)})
        best: list[Many[str]] = [rows]
        for question in questions:
            buckets: list[Many[str]] = [
                tables.found.get((Invoice, wanted.biller, field, value), {}) for field, value in question
            ]
            best = min(best, buckets, key=lambda some: sum(map(len, some)))
        return (cast(Invoice, rows[id]) for bucket in best for id in bucket)

    def _with_dates(self, kind: type[R], biller: str) -> list[R]:
        tables = self._live()
        rows = tables.of(kind, biller)
        return [cast(R, rows[id]) for id in tables.found.get((kind, biller, *DUE), ())]


class MemoryWriter(MemoryReader):
    """One transaction; what it did can be undone until it is over."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._undo: list[Callable[[], object]] = []
        self.broken: Conflict | None = None

    def add(self, records: Sequence[Record]) -> None:
        """See Writer.add."""
        tables = self._live()
        for record in records:
            if type(record) not in _KINDS:
                raise InvalidValue("records", record, "is not a record", "give records of invoicecore.ports.Record")
        for record in records:
            kind = type(record)
            if record.id in tables.of(kind, biller_of(record)):
                raise self._conflict(f"{kind.__name__.lower()} {record.id}", "the id is taken")
            self._put(record)

    def replace(self, records: Sequence[Record]) -> None:
        """See Writer.replace; InvalidValue for a kind without versions."""
        for record in records:
            if not isinstance(record, VERSIONED):
                raise InvalidValue("records", record, "has no version and is never changed", "add a new one instead")
        for record in records:
            self._check_version(record)
            self._put(attrs.evolve(record, version=self._next_version(record)))  # type: ignore[arg-type]  # a union

    def remove(self, invoices: Sequence[Invoice]) -> None:
        """See Writer.remove; InvalidValue for what is not a draft."""
        for invoice in invoices:
            if invoice.lifecycle is not Lifecycle.DRAFT:
                raise InvalidValue(
                    "invoices", invoice.id, f"is {invoice.lifecycle}", "only drafts are removed; void it"
                )
        for invoice in invoices:
            self._check_version(invoice)
            self._swap(Invoice, invoice.biller, invoice.id, None)

    def take_numbers(self, biller: str, series: str, count: int, on: date) -> Counter:
        """See Writer.take_numbers."""
        counters = self._live().counters
        before = self.counter(biller, series)
        old = counters.get((biller, series))
        self._undo.append(lambda: _restore(counters, (biller, series), old))
        latest = on if before.last_on is None else max(before.last_on, on)
        counters[biller, series] = Counter(next=before.next + count, last_on=latest)
        return before

    def roll_back(self) -> None:
        """Take back everything, the latest first."""
        while self._undo:
            self._undo.pop()()

    def _put(self, record: Record) -> None:
        # What travels with a result and is never stored.
        if isinstance(record, Invoice) and record.warnings:
            record = attrs.evolve(record, warnings=())
        elif isinstance(record, Refund) and record.reversible_until:
            record = attrs.evolve(record, reversible_until=None)
        kind, biller = type(record), biller_of(record)
        for unique in unique_keys(record):
            owner = self._live().taken.get((kind, biller, unique))
            if owner is not None and owner != record.id:
                raise self._conflict(f"{unique[0]} {'/'.join(map(str, unique[1:]))}", f"{owner} has it")
        self._swap(kind, biller, record.id, record)

    def _swap(self, kind: Kind, biller: str, id: str, record: Record | None) -> None:
        tables = self._live()
        old = tables.put(kind, biller, id, record)
        self._undo.append(lambda: tables.put(kind, biller, id, old))

    def _check_version(self, record: Record) -> None:
        kind = type(record)
        stored = self._live().of(kind, biller_of(record)).get(record.id)
        have = getattr(stored, "version", None)
        if have != getattr(record, "version", None) or have is None:
            detail = "it is gone" if stored is None else f"version {have} is stored"
            raise self._conflict(f"{kind.__name__.lower()} {record.id}", detail)

    def _next_version(self, record: Record) -> int:
        return int(getattr(record, "version", 0)) + 1

    def _conflict(self, what: str, detail: str) -> Conflict:
        # Half of an add() may be in by now: whoever swallows the error must not get to commit it.
        self.broken = Conflict(what, detail)
        return self.broken


def _place(record: Record) -> tuple[str | int, ...]:
    if isinstance(record, Event):
        return (record.subject, record.version, record.step)
    if isinstance(record, CreditEntry):
        return (record.customer, record.amount.currency.code, record.seq)
    return (record.id,)


def _place_after(kind: Kind, rows: Mapping[str, Record], after: str) -> tuple[str | int, ...]:
    """Where the list goes on: after the record of that id, which for most kinds need not be there any more."""
    if kind not in (Event, CreditEntry):
        return (after,)
    if after not in rows:
        raise InvalidValue("after", after, f"is no {kind.__name__} of this biller", "give the id of the last one read")
    return _place(rows[after])


def _page(
    found: Iterable[T],
    key: Callable[[T], object],
    *,
    after: object = None,
    limit: int | None = None,
    descending: bool = False,
) -> list[T]:
    """The first `limit` by `key` of those after `after`; descending is the very reverse, ties included."""
    place = cast(Callable[[T], date], key)  # any sortable will do, and a page's keys are all of one type
    if after is not None:
        start = cast(date, after)
        found = [each for each in found if (place(each) < start if descending else place(each) > start)]
    if limit is None:
        return sorted(found, key=place, reverse=descending)
    return nlargest(limit, found, key=place) if descending else nsmallest(limit, found, key=place)


def _next_try(record: Record) -> datetime | None:
    return cast(Message, record).next_try_at  # as every kind of WAITING has it


def _due(
    found: Iterable[T], day: Callable[[T], date | None], on: date, after: tuple[date, str] | None, limit: int
) -> list[T]:
    ready = [each for each in found if (next_on := day(each)) is not None and next_on <= on]
    return _page(ready, lambda each: (day(each), cast(Lease, each).id), after=after, limit=limit)


def _restore(counters: dict[tuple[str, str], Counter], key: tuple[str, str], old: Counter | None) -> None:
    if old is None:
        del counters[key]
    else:
        counters[key] = old
