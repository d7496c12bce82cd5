"""What differs from one database to another, all of it: how values are bound, transactions begin, and faults are told.

The rest of this package speaks SQL that SQLite and PostgreSQL read alike, through SQLAlchemy Core or, on the bulk
path, in statements made from the tables of `schema`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import ColumnElement, Table
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from invoicecore.errors import Conflict, InvoicecoreError, StoreError
from invoicecore_adapters.sql.indexes import UNIQUE_KEYS

T = TypeVar("T")

Bound = str | int | None
"""What a driver is handed: dates and flags are turned into these beforehand, where the driver has no such type."""


class unindexed(FunctionElement[T]):
    """A column as it is, but no reason to use an index.

    SQLite weighs indexes without knowing how many rows share a value, and would walk a whole biller in order rather
    than sort the few invoices of one lease. PostgreSQL knows better and is left alone.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[T]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed)
def _plain(element: unindexed[T], compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(unindexed, "sqlite")
def _with_plus(element: unindexed[T], compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


class Days(dict[date | None, Bound]):
    """Each date of a batch as the driver takes it, made once."""

    def __missing__(self, day: date | None) -> Bound:
        text = self[day] = None if day is None else day.isoformat()
        return text


class Instants(dict[datetime | None, Bound]):
    """Each instant of a batch as the driver takes it, made once."""

    def __missing__(self, instant: datetime | None) -> Bound:
        text = self[instant] = None if instant is None else instant.astimezone(UTC).isoformat(" ")
        return text


@attrs.frozen(kw_only=True)
class Dialect:
    """One database's ways.

    `placeholder` stands for a value in a statement, `same` compares two values of which both may be NULL, `flags[x]` is
    what a boolean is bound as.
    """

    name: str
    placeholder: str
    same: str
    begin_reading: str
    begin_writing: str
    days: Callable[[], Days]
    instants: Callable[[], Instants]
    flags: tuple[Bound, Bound]
    told: Callable[[SQLAlchemyError], InvoicecoreError]
    unfit: Callable[[DBAPICursor], str]

    def insert(self, table: Table) -> str:
        """INSERT of one row of all columns, in the table's order."""
        columns = [column.name for column in table.c]
        values = ", ".join([self.placeholder] * len(columns))
        return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})"

    def update(
        self,
        table: Table,
        columns: Sequence[str],
        where: Sequence[str],
        same: Sequence[str] = (),
        *,
        counting: str | None = None,
    ) -> str:
        """UPDATE of some columns of the rows that equal in others and are the `same` in more; values in that order.

        The column `counting` is moved on by one.
        """
        changes = [f"{column} = {self.placeholder}" for column in columns]
        if counting:
            changes.append(f"{counting} = {counting} + 1")
        more = "".join(f" AND {column} {self.same} {self.placeholder}" for column in same)
        return f"UPDATE {table.name} SET {', '.join(changes)} WHERE {self._equal(where)}{more}"

    def delete(self, table: Table, where: Sequence[str]) -> str:
        """DELETE of the rows that equal in some columns."""
        return f"DELETE FROM {table.name} WHERE {self._equal(where)}"

    def _equal(self, columns: Sequence[str]) -> str:
        return " AND ".join(f"{column} = {self.placeholder}" for column in columns)


def conflict_of(table: str, columns: Sequence[str]) -> Conflict:
    """The Conflict for a taken key of a table, in the words of the domain."""
    rest = [column for column in columns if column != "biller"]
    known = UNIQUE_KEYS.get((table, *rest))
    if known is not None:
        return Conflict(known, "it is taken")
    return Conflict(f"the key ({', '.join(rest)}) of {table.replace('_', ' ')}", "it is taken")


_SQLITE_UNIQUE: Final = re.compile(r"UNIQUE constraint failed: (.+)")
_SQLITE_CHECK: Final = re.compile(r"CHECK constraint failed: (.+)")


def _sqlite_told(error: SQLAlchemyError) -> InvoicecoreError:
    """The fault in our words; the way out where there is one."""
    if not isinstance(error, DBAPIError):
        return StoreError(f"the store refused a statement ({error}); this is a bug in the SQL store, report it")
    text = str(error.orig)
    if isinstance(error, IntegrityError):
        if unique := _SQLITE_UNIQUE.search(text):
            pairs = [part.strip().partition(".") for part in unique[1].split(",")]
            return conflict_of(pairs[0][0], [column for _, _, column in pairs])
        if "FOREIGN KEY" in text:
            return Conflict("a record that another one refers to", "it is not in this biller's store")
        if check := _SQLITE_CHECK.search(text):
            return StoreError(f"the check {check[1]!r} failed, nothing was written; this is a bug, report it")
    return sqlite_fault(error.orig)


def sqlite_fault(error: BaseException | None) -> StoreError:
    """What the driver says, with the way out."""
    code = getattr(error, "sqlite_errorname", None) or ""
    for start, way_out in _SQLITE_FAULTS.items():
        if code.startswith(start):
            return StoreError(f"{error}: {way_out}")
    return StoreError(f"the database failed ({code or type(error).__name__}: {error}); nothing of this was written")


_SQLITE_FAULTS: Final[Mapping[str, str]] = {
    "SQLITE_BUSY": "another writer held the database for too long; try again, and keep transactions short",
    "SQLITE_LOCKED": "another connection of this process holds the table; try again, and keep transactions short",
    "SQLITE_FULL": "the disk is full, nothing of this was written; free some space and try again",
    "SQLITE_IOERR": "the disk failed; check it, then the file with `PRAGMA integrity_check`",
    "SQLITE_CORRUPT": "the file is damaged; restore a backup, or try `sqlite3 FILE .recover`",
    "SQLITE_NOTADB": "the file is not an SQLite database; give the path of one, or of a file that does not exist yet",
    "SQLITE_READONLY": "the file or its folder cannot be written to; give this user the right to, or another path",
    "SQLITE_CANTOPEN": "the file cannot be opened; check the path and the rights on it and on its folder",
    "SQLITE_PERM": "the file may not be opened; check the rights on it",
    "SQLITE_TOOBIG": "a text is longer than the database takes; shorten it",
}


def _sqlite_unfit(cursor: DBAPICursor) -> str:
    """What refers to nothing, after a commit was refused for it; empty when nothing is found."""
    cursor.execute("PRAGMA foreign_key_check")
    row = cursor.fetchone()
    return f"a row of {row[0].replace('_', ' ')} refers to {row[2].replace('_', ' ')} that are not there" if row else ""


SQLITE: Final = Dialect(
    name="sqlite",
    placeholder="?",
    same="IS",
    begin_reading="BEGIN",
    # A transaction that reads first and writes later would fail at once when another writer came between.
    begin_writing="BEGIN IMMEDIATE",
    days=Days,
    instants=Instants,
    flags=(0, 1),
    told=_sqlite_told,
    unfit=_sqlite_unfit,
)
