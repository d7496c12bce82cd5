"""What an SQLite file and its driver refuse, in our words, each with a way out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError

from invoicecore.errors import Conflict, InvoicecoreError, StoreError
from invoicecore_adapters.sql.dialects import conflict_of
from invoicecore_adapters.sql.lending import known

_UNIQUE: Final = re.compile(r"UNIQUE constraint failed: (.+)")
_CHECK: Final = re.compile(r"CHECK constraint failed: (.+)")

_FAULTS: Final[Mapping[str, str]] = {
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


def told(error: Exception) -> InvoicecoreError:
    """What SQLite or its driver raised, in our words; raises what did not come from there."""
    error = known(error, sqlite3.Error)
    if not isinstance(error, DBAPIError):
        return StoreError(f"the store refused a statement ({error}); this is a bug in the SQL store, report it")
    text = str(error.orig)
    if isinstance(error, IntegrityError):
        if unique := _UNIQUE.search(text):
            pairs = [part.strip().partition(".") for part in unique[1].split(",")]
            return conflict_of(pairs[0][0], [column for _, _, column in pairs])
        if "FOREIGN KEY" in text:
            return Conflict("a record that another one refers to", "it is not in this biller's store")
        if check := _CHECK.search(text):
            return StoreError(f"the check {check[1]!r} failed, nothing was written; this is a bug, report it")
    return fault(error.orig)


def fault(error: BaseException | None) -> StoreError:
    """What the driver says, with the way out."""
    code = getattr(error, "sqlite_errorname", None) or ""
    for start, way_out in _FAULTS.items():
        if code.startswith(start):
            return StoreError(f"{error}: {way_out}")
    if str(error).startswith(("no such column", "no such table")):
        return StoreError(f"{error}: somebody has changed the tables; see what `invoicecore doctor` says of the schema")
    return StoreError(f"the database failed ({code or type(error).__name__}: {error}); nothing of this was written")
