"""What differs from one database to another: how values are bound, rows written in bulk, and faults told.

The rest of this package speaks SQL that SQLite and PostgreSQL read alike, through SQLAlchemy Core. What each of the two
does in its own way is in `sqlite` and `postgres`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from invoicecore.errors import Conflict, InvoicecoreError
from invoicecore.ports import Finding
from invoicecore_adapters.sql.indexes import UNIQUE_KEYS

if TYPE_CHECKING:
    from invoicecore_adapters.sql.migrations import Plan

T = TypeVar("T")

Bound: TypeAlias = str | int | date | datetime | None
"""What a driver is handed: dates, instants and flags are turned into what it knows beforehand."""

Row: TypeAlias = tuple[Bound, ...]
"""The values of one row, in the order of its table's columns."""


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


class Dialect(Protocol):
    """One database's ways.

    `days[x]`, `instants[x]` and `flags[x]` of a batch are what a date, an instant and a boolean are bound as. `merging`
    says that it walks the parts of a union side by side, when the whole is to be in order.
    """

    merging: bool
    flags: tuple[Bound, Bound]

    def days(self) -> Mapping[date | None, Bound]:
        """Each date of a batch as the driver takes it, made once."""
        ...

    def instants(self) -> Mapping[datetime | None, Bound]:
        """Each instant of a batch as the driver takes it, made once."""
        ...

    def among(self, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
        """That a column is one of thousands of values."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Write rows of all columns, in the table's order."""
        ...

    def update(
        self,
        connection: Connection,
        table: Table,
        rows: Sequence[Row],
        *,
        changed: Sequence[str],
        where: Sequence[str],
        counting: str | None = None,
    ) -> int:
        """Set the `changed` columns of the rows that equal in `where`, and say how many did.

        Each row has the values of `changed` and `where`, in that order. The column `counting` is moved on by one.
        """
        ...

    def delete(self, connection: Connection, table: Table, rows: Sequence[Row], *, where: Sequence[str]) -> int:
        """Delete the rows that equal in some columns, and say how many were."""
        ...

    def told(self, error: Exception, table: Table | None = None) -> InvoicecoreError:
        """What the database or its driver raised, in our words; `table` is what was being written.

        Raises an error that is neither's as it is: a signal's handler may raise its own within a statement.
        """
        ...


def conflict_of(table: str, columns: Sequence[str]) -> Conflict:
    """The Conflict for a taken key of a table, in the words of the domain."""
    rest = [column for column in columns if column != "biller"]
    known = UNIQUE_KEYS.get((table, *rest))
    if known is not None:
        return Conflict(known, "it is taken")
    return Conflict(f"the key ({', '.join(rest)}) of {table.replace('_', ' ')}", "it is taken")


class Database(Protocol):
    """The database of one store: how to reach it, and how its transactions begin and end.

    `place` is its name in messages, without secrets.
    """

    dialect: Dialect
    place: str

    def prepare(self, plan: Plan) -> None:
        """Bring it to the plan's newest schema; a foreign or newer database is left as it is. Raises StoreError."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection within a transaction that has one view and writes nothing. Raises StoreError."""
        ...

    def writing(self, *, lasting: bool, biller: str | None, shared: bool) -> AbstractContextManager[Connection]:
        """A connection within a transaction, whose turn it is (see Store.writing); rolled back unless committed."""
        ...

    def commit(self, connection: Connection) -> None:
        """Commit, or raise what `told` makes of the reason why not."""
        ...

    def findings(self, connection: Connection) -> list[Finding]:
        """How the database itself is, asked within a transaction that reads (see Examinable)."""
        ...

    def forked(self) -> None:
        """Leave to the parent process what it opened; called in a child before anything else."""
        ...

    def close(self) -> None:
        """Release every connection."""
        ...
