"""What the PostgreSQL server and its driver refuse, in our words, each with a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import errors
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree

from invoicecore.errors import Conflict, Interrupted, InvalidValue, InvoicecoreError, StoreError
from invoicecore_adapters.sql.dialects import conflict_of
from invoicecore_adapters.sql.lending import known

_FAULTS: Final[Mapping[type[psycopg.Error], str]] = {
    errors.LockNotAvailable: "another writer held it for too long; try again, and keep transactions short",
    errors.DiskFull: "the server's disk is full, nothing of this was written; free some space and try again",
    errors.OutOfMemory: "the server is out of memory; try again with less at once",
    errors.TooManyConnections: "the server takes no more connections; close some, or raise its max_connections",
    errors.ReadOnlySqlTransaction: "the database is read-only, perhaps a standby; give the URL of the primary",
    errors.FeatureNotSupported: "this server does not do that; of a standby, give the URL of the primary",
    errors.InsufficientPrivilege: "this role may not; grant it the right, or use another",
    errors.InvalidSchemaName: "no schema of the search_path is there for this role; create it and grant USAGE on it, "
    "or take search_path out of the URL",
    errors.UndefinedTable: "a table is gone, or not in this role's search_path; open the store again, or restore a backup",
    errors.DuplicateTable: "something else has the name of one of ours; give ours a schema or a database of their own",
    errors.InvalidCatalogName: "there is no such database on this server; create it with `createdb`",
    errors.InvalidAuthorizationSpecification: "the server does not let this role in; check the URL and pg_hba.conf",
    errors.QueryCanceled: "the server stopped the statement; raise its statement_timeout, or try again",
    errors.IndexCorrupted: "the database is damaged; restore a backup",
    errors.DataCorrupted: "the database is damaged; restore a backup",
    psycopg.OperationalError: "the server cannot be reached or is not well; check the URL and that it runs",
}


# What a session that the server has ended was told: it shuts down, it crashed, or its patience was at an end.
_ENDED: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04"})

# Of a connection that was turned away the driver has the words only. Those whose reason outlasts any waiting, on a server
# that speaks English; what others say is waited for.
_TURNED_AWAY: Final[Mapping[str, type[psycopg.Error]]] = {
    r"too many|connection slots": errors.TooManyConnections,
    r'database ".*" does not exist': errors.InvalidCatalogName,
    r"permission denied for database": errors.InsufficientPrivilege,
    r"pg_hba\.conf|password|role .* does not exist|log in": errors.InvalidAuthorizationSpecification,
}


def told(error: Exception, table: Table | None = None) -> InvoicecoreError:
    """What the server or its driver raised, in our words; Interrupted for what may be tried again.

    Raises what did not come from there.
    """
    cause = _cause(known(error, psycopg.Error))
    if isinstance(error, NoneFree):
        return StoreError(f"no connection was free in time ({error.args[0]}); use fewer threads, or try again")
    if not isinstance(cause, psycopg.Error):
        return StoreError(f"the store refused a statement ({error}); this is a bug in the SQL store, report it")
    diag = cause.diag
    words = words_of(error)
    if isinstance(cause, errors.UniqueViolation):
        columns = (diag.message_detail or "").partition("(")[2].partition(")")[0].split(", ")
        return conflict_of(table.name if table is not None else diag.table_name or "", columns)
    if isinstance(cause, errors.ForeignKeyViolation):
        return Conflict("a record that another one refers to", diag.message_detail or "it is not there")
    if isinstance(cause, errors.CheckViolation):
        return StoreError(f"the check {diag.constraint_name!r} failed, nothing was written; this is a bug, report it")
    if isinstance(cause, errors.SerializationFailure | errors.DeadlockDetected) or lost(error):
        return Interrupted(words, written=False)
    if isinstance(cause, psycopg.DataError):
        return InvalidValue("records", "a value", f"cannot be stored: {words}", "use 64-bit numbers and UTF-8")
    for kind, way_out in _FAULTS.items():
        if issubclass(_kind(cause), kind):
            return StoreError(f"{words}: {way_out}")
    return StoreError(f"the database failed ({cause.sqlstate or type(cause).__name__}: {words}); nothing was written")


def words_of(error: BaseException) -> str:
    """What was said, on one line."""
    cause = _cause(error)
    said = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return " ".join((said or str(cause) or type(cause).__name__).split())


def lost(error: BaseException) -> bool:
    """Whether the connection is gone, or not to be had just now."""
    cause = _cause(error)
    if not isinstance(cause, psycopg.Error):
        return False
    # What the server itself says has a state; a socket that broke or was never opened has none.
    return cause.sqlstate in _ENDED or (
        isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None and _kind(cause) is type(cause)
    )


def crowded(error: BaseException) -> bool:
    """Whether the server takes no more connections."""
    return _kind(_cause(error)) is errors.TooManyConnections


def late(error: BaseException) -> bool:
    """Whether a lock was waited for in vain."""
    return isinstance(_cause(error), errors.LockNotAvailable)


def _cause(error: BaseException) -> BaseException:
    """What the driver raised."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _kind(cause: BaseException) -> type[BaseException]:
    """What is wrong, by its kind of error."""
    if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
        for words, kind in _TURNED_AWAY.items():
            if re.search(words, str(cause)):
                return kind
    return type(cause)
