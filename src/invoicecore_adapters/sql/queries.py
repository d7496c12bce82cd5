"""What a transaction reads: every answer from an index, parts of a page of records in one statement each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as Many
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Executable, Select, Table, func, literal, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from invoicecore.charges import Charge
from invoicecore.credits import CreditEntry
from invoicecore.errors import InvalidValue, InvoicecoreError, StoreError
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment
from invoicecore.ports import FINDABLE, WAITING, Counter, Event, InvoiceQuery, PayLink, R, Sums
from invoicecore_adapters.sql import schema
from invoicecore_adapters.sql.dialects import Dialect, unindexed
from invoicecore_adapters.sql.listing import counted, listed, summed, sums_of
from invoicecore_adapters.sql.misreading import UNREADABLE, misread_record, misread_row
from invoicecore_adapters.sql.records import Found, Page
from invoicecore_adapters.sql.shelves import SHELVES, Shelf

T = TypeVar("T")
Query: TypeAlias = Select[*tuple[Any, ...]]

# Ids per statement: the cost of a statement is spread thin, and every database takes so many parameters.
_AT_ONCE: Final = 1000
# As an event writes its version and step into its id; more digits are no number a column holds.
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}")

_FINDABLE: Final[Mapping[type[object], tuple[str, ...]]] = dict(FINDABLE.items())
_ORDERED_BY: Final[Mapping[type[object], tuple[str, ...]]] = {
    Event: ("subject", "version", "step"),
    CreditEntry: ("customer", "currency", "seq"),
}


class SqlReader:
    """One consistent view; every method is the port's of the same name."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._over = False

    def end(self) -> None:
        """Refuse every call from now on."""
        self._over = True

    def get(self, kind: type[R], biller: str, ids: Many[str]) -> dict[str, R]:
        """See Reader.get."""
        shelf = _shelf_of(kind)
        found: dict[str, R] = {}
        for some in _chunks(filter(_storable, dict.fromkeys(ids))):
            for record in self._records(kind, _of(shelf, biller).where(self._among(shelf.table, kind, some))):
                found[record.id] = record
        return found

    def find(
        self,
        kind: type[R],
        biller: str,
        where: Mapping[str, str | Many[str]],
        *,
        after: str = "",
        limit: int | None = None,
    ) -> list[R]:
        """See Reader.find; InvalidValue for a field that is not FINDABLE, or a place (`after`) that is nowhere."""
        shelf = _shelf_of(kind)
        known = _FINDABLE.get(kind)
        if known is None:
            raise InvalidValue("kind", kind.__name__, "is not found by fields", "use get(), billers() or invoices()")
        query = _of(shelf, biller)
        for field, wanted in where.items():
            if field not in known:
                raise InvalidValue(
                    "where", field, f"is no field to find a {kind.__name__} by", f"use {', '.join(known)}"
                )
            query = query.where(self._matches(shelf, kind, biller, field, wanted))
        # Found by one value, they come in order from its index (but a customer's charges come by state); those found
        # by several values are sorted.
        walked = all(isinstance(wanted, str) for wanted in where.values()) and (kind, *where) != (Charge, "customer")
        names = _ORDERED_BY.get(kind, ("id",))
        places = [shelf.table.c[name] if walked else unindexed(shelf.table.c[name]) for name in names]
        if after:
            query = query.where(tuple_(*places) > self._place(kind, shelf.table, biller, after, names))
        query = query.order_by(*places)
        return list(self._records(kind, query if limit is None else query.limit(limit)))

    def billers(self, *, after: str = "", limit: int = 1000) -> list[Biller]:
        """See Reader.billers."""
        table = schema.billers
        query = select(table).where(table.c.id > after).order_by(table.c.id).limit(limit)
        return list(self._records(Biller, query))

    def invoices(self, wanted: InvoiceQuery) -> list[Invoice]:
        """See Reader.invoices."""
        statement = listed(wanted, merging=self._dialect.merging)
        return [] if statement is None else list(self._records(Invoice, statement))

    def sums(self, wanted: InvoiceQuery) -> Sums:
        """See Reader.sums."""
        statement = summed(wanted)
        return sums_of([] if statement is None else self._rows(statement))

    def count(self, wanted: InvoiceQuery) -> int:
        """See Reader.count."""
        statement = counted(wanted)
        return 0 if statement is None else sum(int(row[0]) for row in self._rows(statement))

    def due_leases(
        self,
        biller: str,
        on: date,
        *,
        after: tuple[date, str] | None,
        limit: int,
        among: tuple[str, str] | None = None,
    ) -> list[Lease]:
        """See Reader.due_leases."""
        return list(self._records(Lease, self._due_leases(biller, on, after, among).limit(limit)))

    def due_spans(self, biller: str, on: date, *, size: int) -> list[tuple[str, str, int]]:
        """See Reader.due_spans."""
        table = schema.leases
        place = func.row_number().over(order_by=table.c.id) - 1
        due = select(table.c.id, place.label("place")).where(table.c.biller == biller, table.c.next_run_on <= on)
        each = due.subquery()
        first, last = func.min(each.c.id), func.max(each.c.id)
        spans = select(first, last, func.count()).group_by(each.c.place // size).order_by(first)
        return [(row[0], row[1], row[2]) for row in self._rows(spans)]

    def due_customers(self, biller: str, on: date, *, after: tuple[date, str] | None, limit: int) -> list[Customer]:
        """See Reader.due_customers."""
        query = self._due(schema.customers, "next_cycle_on", biller, on, after)
        return list(self._records(Customer, query.limit(limit)))

    def due(
        self, kind: type[R], biller: str, at: datetime, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[R]:
        """See Reader.due; InvalidValue for a kind that does not wait."""
        return list(self._records(kind, self._waiting(kind, biller, at, after).limit(limit)))

    def pay_link(self, token: str) -> PayLink | None:
        """See Reader.pay_link."""
        return next(self._records(PayLink, select(schema.pay_links).where(schema.pay_links.c.id == token)), None)

    def last_credits(self, biller: str, customers: Many[str], currency: str) -> dict[str, CreditEntry]:
        """See Reader.last_credits."""
        table = schema.credit_entries
        found: dict[str, CreditEntry] = {}
        for some in _chunks(dict.fromkeys(customers)):
            newest = (
                select(table.c.customer, func.max(table.c.seq).label("seq"))
                .where(
                    table.c.biller == biller, self._dialect.among(table.c.customer, some), table.c.currency == currency
                )
                .group_by(table.c.customer)
                .subquery()
            )
            query = select(table).join(
                newest,
                (table.c.biller == biller)
                & (table.c.customer == newest.c.customer)
                & (table.c.currency == currency)
                & (table.c.seq == newest.c.seq),
            )
            found |= {entry.customer: entry for entry in self._records(CreditEntry, query)}
        return found

    def counter(self, biller: str, series: str) -> Counter:
        """See Reader.counter."""
        return self._counter(biller, series, claim=False)

    def counters(self, biller: str) -> dict[str, Counter]:
        """See Reader.counters."""
        table = schema.counters
        query = select(table.c.series, table.c.next_number, table.c.last_on).where(table.c.biller == biller)
        rows = self._read(table, query)
        return {series: Counter(next=number, last_on=last_on) for series, number, last_on in rows}

    def _counter(self, biller: str, series: str, *, claim: bool) -> Counter:
        table = schema.counters
        query = select(table.c.next_number, table.c.last_on).where(table.c.biller == biller, table.c.series == series)
        rows = self._read(table, query.with_for_update() if claim else query)
        return Counter(next=rows[0][0], last_on=rows[0][1]) if rows else Counter()

    def _waiting(self, kind: type[object], biller: str, at: datetime, after: tuple[datetime, str] | None) -> Query:
        if kind not in WAITING:
            raise InvalidValue("kind", kind.__name__, "does not wait", "give one of invoicecore.ports.WAITING")
        return self._due(SHELVES[kind].table, "next_try_at", biller, at, after)

    def _due_leases(
        self, biller: str, on: date, after: tuple[date, str] | None, among: tuple[str, str] | None
    ) -> Query:
        if among is None:
            return self._due(schema.leases, "next_run_on", biller, on, after)
        # Along the primary key: the index of what is due would be walked whole for each part of it.
        table, (first, last) = schema.leases, among
        query = select(table).where(table.c.biller == biller, table.c.id <= last, unindexed(table.c.next_run_on) <= on)
        return query.where(table.c.id > after[1] if after else table.c.id >= first).order_by(table.c.id)

    def _due(self, table: Table, column: str, biller: str, on: date, after: tuple[date, str] | None) -> Query:
        day = table.c[column]
        query = select(table).where(table.c.biller == biller, day <= on)
        if after is not None:
            query = query.where(tuple_(day, table.c.id) > tuple_(literal(after[0], day.type), literal(after[1])))
        return query.order_by(day, table.c.id)

    def _place(
        self, kind: type[R], table: Table, biller: str, after: str, names: tuple[str, ...]
    ) -> tuple[object, ...]:
        """Where the record of an id stands in its kind's order."""
        if names == ("id",):
            return (after,)  # it need not be there any more
        query = select(*(table.c[name] for name in names))
        rows = self._rows(query.where(table.c.biller == biller, self._among(table, kind, [after])))
        if not rows:
            raise InvalidValue(
                "after", after, f"is no {kind.__name__} of this biller", "give the id of the last one read"
            )
        return tuple(rows[0])

    def _records(self, kind: type[R], statement: Executable) -> Iterator[R]:
        """The records of the rows a statement over the kind's table finds, in its order, with their parts."""
        page, shelf = Page(), SHELVES[kind]
        rows = self._read(shelf.table, statement)
        self._saw(shelf, rows)
        make = partial(cast(Callable[..., R], shelf.record), page)
        found = [self._parts(table, rows) for table, _ in shelf.parts]
        parts = [[each.get(row[1], ()) for row in rows] for each in found]
        try:
            return iter([make(*row_and_parts) for row_and_parts in zip(rows, *parts, strict=True)])
        except UNREADABLE as error:
            raise misread_record(make, shelf.table, zip(rows, *parts, strict=True)) from error

    def _saw(self, shelf: Shelf, rows: Sequence[Found]) -> None:
        """Told of every row that was read; a writer compares with them."""

    def _parts(self, table: Table, rows: Sequence[Found]) -> Mapping[str, Sequence[Found]]:
        """The rows of a table of parts by the record they belong to, in their order."""
        whole = table.c[1]  # biller, what it is a part of, position
        found: defaultdict[str, list[Found]] = defaultdict(list)
        for some in _chunks([row[1] for row in rows]):
            query = select(table).where(table.c.biller == rows[0][0], self._dialect.among(whole, some))
            for part in self._read(table, query):
                found[part[1]].append(part)
        for several in found.values():
            if len(several) > 1:
                several.sort(key=lambda part: cast(int, part[2]))
        return found

    def _among(self, table: Table, kind: type[object], ids: Sequence[str]) -> ColumnElement[bool]:
        if kind is not Event:
            return self._dialect.among(table.c.id, ids)
        # An event's id is made of its key: subject/version/step.
        keys = [key for id in ids if (key := _event_key(id))]
        return tuple_(table.c.subject, table.c.version, table.c.step).in_(keys)

    def _matches(
        self, shelf: Shelf, kind: type[object], biller: str, field: str, wanted: str | Many[str]
    ) -> ColumnElement[bool]:
        if kind is Payment and field == "invoice":
            parts = schema.allocations
            paid = select(parts.c.payment).where(parts.c.biller == biller, self._equal(parts.c.invoice, wanted))
            return shelf.table.c.id.in_(paid)
        return self._equal(shelf.table.c[shelf.fields.get(field, field)], wanted)

    def _equal(self, column: ColumnElement[Any], wanted: str | Many[str]) -> ColumnElement[bool]:
        if isinstance(wanted, str):
            return column == str(wanted)
        return self._dialect.among(column, [str(each) for each in wanted if _storable(each)])

    def _read(self, table: Table, statement: Executable) -> Sequence[Found]:
        """The rows of a statement over a table, told by their keys where one cannot be read."""
        try:
            return self._rows(statement)
        except InvoicecoreError:
            raise
        except ValueError as error:  # a text that is no date, in a database that keeps dates as text
            raise misread_row(self._connection, table, statement, error) from error

    def _rows(self, statement: Executable) -> Sequence[Found]:
        self._live()
        try:
            return self._connection.execute(statement).all()
        except SQLAlchemyError as error:
            raise self._told(error) from error
        except UnicodeEncodeError:  # half a surrogate pair is in no database, and so is nothing that would match it
            return []
        except OverflowError as error:
            raise InvalidValue("query", "a value", f"cannot be stored: {error}", "use 64-bit numbers") from error

    def _told(self, error: SQLAlchemyError) -> InvoicecoreError:
        return self._dialect.told(error)

    def _live(self) -> Connection:
        if self._over:
            raise StoreError("this transaction is over; open another one")
        return self._connection


def _shelf_of(kind: type[object]) -> Shelf:
    shelf = SHELVES.get(kind)
    if shelf is None:
        raise InvalidValue("kind", kind, "is not a kind of record", "give one of invoicecore.ports.Record")
    return shelf


def _of(shelf: Shelf, biller: str) -> Query:
    table = shelf.table
    return select(table).where((table.c.id if table is schema.billers else table.c.biller) == biller)


def _event_key(id: str) -> tuple[str, int, int] | None:
    parts = id.rsplit("/", 2)
    if len(parts) != 3 or not all(_WHOLE.fullmatch(part) for part in parts[1:]):
        return None
    return (parts[0], int(parts[1]), int(parts[2]))


def _storable(text: str) -> bool:
    """Whether a text can be in a database; half a surrogate pair cannot."""
    return text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while some := list(islice(left, _AT_ONCE)):
        yield some
