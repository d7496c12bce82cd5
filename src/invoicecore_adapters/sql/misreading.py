"""Stored values that are none of their kind: which record has them, so that a person can look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Table

from invoicecore.errors import InvoicecoreError, StoreError
from invoicecore_adapters.sql.records import Found

UNREADABLE = (InvoicecoreError, ValueError, TypeError, LookupError, ArithmeticError)
"""What the core raises for a value that it does not know."""


def misread_row(connection: Connection, table: Table, statement: Executable, error: ValueError) -> StoreError:
    """What to say when the rows of a statement over a table have a value that is none of its column's."""
    result = connection.execute(statement)
    names, cursor = list(result.keys()), result.cursor
    for row in cursor.fetchall():  # as the driver has them
        for name, value in zip(names, row, strict=True):
            read = table.c[name].type.dialect_impl(connection.dialect).result_processor(connection.dialect, None)
            try:
                if read is not None:
                    read(value)
            except ValueError:
                return _told(table, dict(zip(names, row, strict=True)), f"{name}: {value!r}")
    return _told(table, {}, str(error))


def misread_record(
    make: Callable[..., object], table: Table, rows: Iterable[tuple[Found, *tuple[Sequence[Found], ...]]]
) -> StoreError:
    """What to say when one of these rows, with its parts, is not made into a record."""
    for row, *parts in rows:
        try:
            make(row, *parts)
        except UNREADABLE as error:
            named = dict(zip(table.c.keys(), row, strict=True))
            said = str(error)
            name = next((name for name, value in named.items() if _is_said(value, said)), None)
            return _told(table, named, said if name is None else f"{name}: {said}")
    return _told(table, {}, "it was read the second time")


def _is_said(value: Any, said: str) -> bool:
    return isinstance(value, str) and value != "" and repr(value) in said


def _told(table: Table, row: Mapping[str, Any], why: str) -> StoreError:
    keys = [str(row[key.name]) for key in table.primary_key if key.name in row and key.name != "biller"]
    what = " ".join([table.name.replace("_", " "), "/".join(keys)]).strip()
    return StoreError(
        f"{what} cannot be read ({why}); perhaps a newer invoicecore wrote it: upgrade, or restore a backup"
    )
