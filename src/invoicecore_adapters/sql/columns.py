"""What the tables are made of: columns of each sort, keys led by the biller, and references within one (T1)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.sql.schema import SchemaItem

from invoicecore_adapters.sql.instants import Instant

metadata = MetaData()
"""All the tables; what creates them imports the modules that have them."""

# By code point, as SQLite sorts and the port asks for, whatever the database's own language.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_STRING = String().with_variant(String(collation="C"), "postgresql")


def text(name: str, *, null: bool = False) -> Column[str]:
    """Words."""
    return Column(name, _TEXT, nullable=null)


def id_(name: str, *, null: bool = False) -> Column[str]:
    """The id of a record, or what it refers to."""
    return Column(name, _STRING, nullable=null)


def minor(name: str, *, null: bool = False) -> Column[int]:
    """Money in minor units of the currency beside it (M8)."""
    return Column(name, BigInteger, nullable=null)


def whole(name: str, *, null: bool = False) -> Column[int]:
    """A whole number that stays small."""
    return Column(name, Integer, nullable=null)


def day(name: str, *, null: bool = False) -> Column[date]:
    """A civil date."""
    return Column(name, Date, nullable=null)


def instant(name: str, *, null: bool = False) -> Column[datetime]:
    """A point in time, in UTC."""
    return Column(name, Instant, nullable=null)


def flag(name: str, *, null: bool = False) -> Column[bool]:
    """Yes or no."""
    return Column(name, Boolean(create_constraint=False), nullable=null)


def of_biller() -> ForeignKeyConstraint:
    """That the biller is there."""
    return ForeignKeyConstraint(["biller"], ["billers.id"], deferrable=True, initially="DEFERRED")


def refers(column: str, table: str) -> ForeignKeyConstraint:
    """That a column names a row of a table, of the same biller.

    Deferred: a journey may write a charge before the invoice it is on; only what is committed must fit together.
    """
    return ForeignKeyConstraint(
        ["biller", column], [f"{table}.biller", f"{table}.id"], deferrable=True, initially="DEFERRED"
    )


def table(name: str, *items: SchemaItem, key: tuple[str, ...] = ("biller", "id"), clustered: bool = False) -> Table:
    """A table of `metadata`.

    A clustered one is its own primary key index: one tree to write, right for narrow rows read by their key.
    """
    return Table(name, metadata, *items, PrimaryKeyConstraint(*key), sqlite_with_rowid=not clustered)
