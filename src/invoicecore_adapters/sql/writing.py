"""What a transaction writes: batches of prebuilt tuples handed to the driver, one statement per table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from operator import itemgetter
from typing import Final, TypedDict, cast

from sqlalchemy import Connection, Executable, Table, select, text
from sqlalchemy.exc import SQLAlchemyError

from invoicecore.errors import Conflict, Interrupted, InvalidValue, InvoicecoreError
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.leases import Lease
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment
from invoicecore.ports import VERSIONED, Counter, R, Record
from invoicecore_adapters.sql import schema
from invoicecore_adapters.sql.dialects import Dialect, Row
from invoicecore_adapters.sql.queries import SqlReader
from invoicecore_adapters.sql.records import Found
from invoicecore_adapters.sql.rows import Batch
from invoicecore_adapters.sql.shelves import SHELVES, Shelf

# Rows built at once: enough to spread a statement's cost thin, few enough to keep memory flat.
_AT_ONCE: Final = 5000


class _Claim(TypedDict):
    skip_locked: bool
    key_share: bool


# Rows others have claimed are passed over. Records that refer to a claimed one may be written meanwhile: its key stays.
_CLAIM: Final[_Claim] = {"skip_locked": True, "key_share": True}
_COUNTER: Final = text(
    "INSERT INTO counters (biller, series, next_number) VALUES (:biller, :series, 1) ON CONFLICT DO NOTHING"
)


class SqlWriter(SqlReader):
    """One transaction; after a statement that failed it is `broken`, refuses to go on, and must not be committed.

    Part of a failed batch may be in, and PostgreSQL undoes everything for a look that failed while it answers the commit
    as if nothing were: whoever swallows the error does not get to keep it.
    """

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        super().__init__(connection, dialect)
        self.broken: InvoicecoreError | None = None
        self._seen: dict[tuple[object, object, object], Found] = {}

    def add(self, records: Sequence[Record]) -> None:
        """See Writer.add; InvalidValue for what is no record, CurrencyMismatch for one that mixes currencies."""
        for kind, some in _by_kind(records).items():
            shelf = SHELVES[kind]
            for start in range(0, len(some), _AT_ONCE):
                chunk, batch = some[start : start + _AT_ONCE], Batch(self._dialect)
                self._insert(shelf.table, [shelf.row(batch, record) for record in chunk])
                self._add_parts(shelf, batch, chunk)

    def replace(self, records: Sequence[Record]) -> None:
        """See Writer.replace; InvalidValue for a kind without versions.

        Lines and taxes are written anew for drafts only: those of a published invoice never change (R14).
        """
        for kind, some in _by_kind(records).items():
            if kind not in VERSIONED:
                raise InvalidValue("records", some[0], "has no version and is never changed", "add a new one instead")
            shelf = SHELVES[kind]
            for start in range(0, len(some), _AT_ONCE):
                chunk, batch = some[start : start + _AT_ONCE], Batch(self._dialect)
                rows = [shelf.row(batch, record) for record in chunk]
                if self._change(shelf, rows, self._differing(shelf, batch, rows)) != len(rows):
                    raise self._stale(shelf, chunk)
                if kind is Invoice:
                    drafts = [each for each in cast(Sequence[Invoice], chunk) if each.lifecycle is Lifecycle.DRAFT]
                    self._remove_parts(shelf, drafts)
                    self._add_parts(shelf, batch, drafts)
                elif shelf.parts:
                    self._remove_parts(shelf, cast(Sequence[Payment], chunk))
                    self._add_parts(shelf, batch, chunk)

    def _change(self, shelf: Shelf, rows: list[Row], changed: Sequence[str]) -> int:
        """Set some columns of the rows whose version is that stored, and say how many there were."""
        names = [column.name for column in shelf.table.c]
        keys = [name for name in names if name in ("biller", "id", "version")]
        values = itemgetter(*(names.index(name) for name in (*changed, *keys)))
        return self._update(shelf.table, [values(row) for row in rows], changed=changed, where=keys, counting="version")

    def _saw(self, shelf: Shelf, rows: Sequence[Found]) -> None:
        if "version" in shelf.table.c:
            self._seen.update(((shelf.table, row[0], row[1]), row) for row in rows)

    def _differing(self, shelf: Shelf, batch: Batch, rows: list[Row]) -> list[str]:
        """The columns in which some row is another than was read in this transaction; all when one was not read.

        What is not sent need not be taken apart and put together again; on SQLite a column that is set costs its index
        entries and foreign keys, whether its value changes or not. The version says that it is what was read.
        """
        columns = list(shelf.table.c)
        version = [column.name for column in columns].index("version")
        seen = [self._seen.get((shelf.table, row[0], row[1])) for row in rows]
        was = [old for old, row in zip(seen, rows, strict=True) if old is not None and old[version] == row[version]]
        if len(was) < len(rows):
            return [column.name for column in columns if column.name not in ("biller", "id", "version")]
        compared = zip(columns, zip(*rows, strict=True), zip(*was, strict=True), strict=True)
        return [column.name for column, new, old in compared if new != old and new != batch.bound(column, old)]

    def remove(self, invoices: Sequence[Invoice]) -> None:
        """See Writer.remove; InvalidValue for what is not a draft."""
        for invoice in invoices:
            if invoice.lifecycle is not Lifecycle.DRAFT:
                raise InvalidValue(
                    "invoices", invoice.id, f"is {invoice.lifecycle}", "only drafts are removed; void it"
                )
        if not invoices:
            return
        shelf = SHELVES[Invoice]
        self._remove_parts(shelf, invoices)
        rows: list[Row] = [(each.biller, each.id, each.version) for each in invoices]
        if self._delete(shelf.table, rows, where=("biller", "id", "version")) != len(invoices):
            raise self._stale(shelf, invoices)

    def take_numbers(self, biller: str, series: str, count: int, on: date) -> Counter:
        """See Writer.take_numbers."""
        self._rows_changed(_COUNTER, {"biller": biller, "series": series})
        before = self._counter(biller, series, claim=True)
        latest = on if before.last_on is None else max(before.last_on, on)
        row: Row = (before.next + count, self._dialect.days()[latest], biller, series)
        self._update(schema.counters, [row], changed=("next_number", "last_on"), where=("biller", "series"))
        return before

    def due_leases(
        self,
        biller: str,
        on: date,
        *,
        after: tuple[date, str] | None,
        limit: int,
        among: tuple[str, str] | None = None,
    ) -> list[Lease]:
        """See Reader.due_leases; the rows are locked where the transaction itself does not lock out other writers."""
        query = self._due_leases(biller, on, after, among).limit(limit)
        return list(self._records(Lease, query.with_for_update(**_CLAIM)))

    def due_customers(self, biller: str, on: date, *, after: tuple[date, str] | None, limit: int) -> list[Customer]:
        """See Reader.due_customers; locked likewise."""
        query = self._due(schema.customers, "next_cycle_on", biller, on, after).limit(limit)
        return list(self._records(Customer, query.with_for_update(**_CLAIM)))

    def due(
        self, kind: type[R], biller: str, at: datetime, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[R]:
        """See Reader.due; locked likewise."""
        query = self._waiting(kind, biller, at, after).limit(limit)
        return list(self._records(kind, query.with_for_update(**_CLAIM)))

    def _add_parts(self, shelf: Shelf, batch: Batch, records: Sequence[Record]) -> None:
        for table, rows_of in shelf.parts:
            self._insert(table, [row for record in records for row in rows_of(batch, record)])

    def _remove_parts(self, shelf: Shelf, records: Sequence[Invoice | Payment]) -> None:
        for table, _ in shelf.parts:
            self._delete(table, [(record.biller, record.id) for record in records], where=("biller", shelf.noun))

    def _insert(self, table: Table, rows: list[Row]) -> None:
        with self._written(table) as connection:
            if rows:
                self._dialect.insert(connection, table, rows)

    def _update(
        self,
        table: Table,
        rows: list[Row],
        *,
        changed: Sequence[str],
        where: Sequence[str],
        counting: str | None = None,
    ) -> int:
        with self._written(table) as connection:
            return self._dialect.update(connection, table, rows, changed=changed, where=where, counting=counting)

    def _delete(self, table: Table, rows: list[Row], *, where: Sequence[str]) -> int:
        with self._written(table) as connection:
            return self._dialect.delete(connection, table, rows, where=where) if rows else 0

    def _rows_changed(self, statement: Executable, values: Mapping[str, object]) -> None:
        with self._written(None) as connection:
            connection.execute(statement, values)

    @contextmanager
    def _written(self, table: Table | None) -> Iterator[Connection]:
        """The connection to write with; what fails is told in our words, and breaks the transaction."""
        connection = self._live()
        try:
            yield connection
        except (OverflowError, UnicodeEncodeError) as error:
            self.broken = InvalidValue(
                "records", "a value", f"cannot be stored: {error}", "use 64-bit numbers and UTF-8"
            )
            raise self.broken from error
        except BaseException as error:  # the driver's own too, where a dialect speaks to it directly
            # Until it is known what it was: an interrupt passes as it is, and whoever swallows it keeps nothing either.
            self.broken = Interrupted(type(error).__name__, written=False)
            if not isinstance(error, Exception):
                raise
            self.broken = self._dialect.told(error, table)
            raise self.broken from error

    def _stale(self, shelf: Shelf, records: Sequence[Record]) -> Conflict:
        """The Conflict that names the record somebody else changed."""
        # Undone first: the rows this batch did change would look as if others had changed them.
        transaction = self._connection.get_transaction()
        if transaction is not None:
            try:
                transaction.rollback()
            except SQLAlchemyError as error:
                raise self._told(error) from error
        table = shelf.table
        seen: dict[str, int | None] = {}
        for record in records:
            owner = table.c.id == record.id if isinstance(record, Biller) else table.c.biller == record.biller
            found = self._rows(select(table.c.version).where(owner, table.c.id == record.id))
            have, version = found[0][0] if found else None, getattr(record, "version", None)
            if have != version or record.id in seen:
                told = "it is gone" if have is None else f"version {have} is stored, {version} was given"
                detail = "it is given twice" if have == version else told
                self.broken = Conflict(f"{shelf.noun} {record.id}", detail)
                return self.broken
            seen[record.id] = have
        self.broken = Conflict(f"one of {len(records)} records", "its version is stale")
        return self.broken

    def _told(self, error: SQLAlchemyError) -> InvoicecoreError:
        self.broken = super()._told(error)
        return self.broken

    def _live(self) -> Connection:
        if self.broken is not None:
            raise self.broken
        return super()._live()


def _by_kind(records: Sequence[Record]) -> dict[type[object], list[Record]]:
    """The records by kind, what is referred to before what refers to it."""
    found: dict[type[object], list[Record]] = {kind: [] for kind in SHELVES}
    for record in records:
        some = found.get(type(record))
        if some is None:
            raise InvalidValue("records", record, "is not a record", "give records of invoicecore.ports.Record")
        some.append(record)
    return {kind: some for kind, some in found.items() if some}
