"""The SQLite file behind a store: found by its URL, looked at before it is touched, and set up for many writers."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from invoicecore.errors import Conflict, Interrupted, InvoicecoreError, StoreError
from invoicecore.ports import Finding, Verdict
from invoicecore_adapters.sql.dialects import Bound, Dialect, Row
from invoicecore_adapters.sql.lending import INHERITED, Loan, unmasked
from invoicecore_adapters.sql.migrations import Plan, bring_forward, check_version, stored_version
from invoicecore_adapters.sql.sqlite_faults import fault, told

PATIENCE: Final = 30.0
"""Seconds to wait for other writers."""

_SHOWN: Final = 5  # of what is damaged
_MEGABYTE: Final = 1_000_000
_LITTLE: Final = 100 * _MEGABYTE  # of room on the disk, in bytes

_MOST_VALUES: Final = 5000  # in a statement; an SQLite takes 32,766, before 3.32 it took 999
_OLDEST: Final = (3, 32, 0)


class _Session(sqlite3.Connection):
    """A connection that, closed, keeps no lock.

    SQLite keeps one open, with its transaction, for as long as anything holds a statement of it: after an interrupt the
    traceback does, and what refers to it.
    """

    def close(self) -> None:
        try:
            with suppress(sqlite3.Error):  # it is closed already
                self.rollback()
        finally:
            super().close()


class SqliteFile:
    """A database in one file. One thread of a process writes at a time; writers of other processes are waited for."""

    def __init__(self, url: str) -> None:
        """The file of `sqlite:///relative.db` or `sqlite:////absolute.db`; `?timeout=5` waits five seconds for writers.

        Raises StoreError for a database in memory, a folder that is not there, or a URL of another shape.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise StoreError("the URL is not one of a database; write sqlite:///file.db") from None
        if parsed.drivername not in ("sqlite", "sqlite+pysqlite") or parsed.host or parsed.username:
            raise StoreError(f"{parsed!r} names no SQLite file; write sqlite:///relative.db or sqlite:////absolute.db")
        name = parsed.database or ":memory:"
        if name == ":memory:" or name.startswith("file:"):
            raise StoreError(f"{parsed!r} is not a file; for a store in memory open memory://")
        query = dict(parsed.query)
        wait = query.pop("timeout", str(PATIENCE))
        if (
            query
            or not isinstance(wait, str)
            or not wait.replace(".", "", 1).isascii()
            or not wait.replace(".", "", 1).isdigit()
        ):
            raise StoreError(f"{parsed!r} has options SQLite stores do not take; only ?timeout=SECONDS is known")
        # Absolute, so that a later chdir() does not make another file of it.
        path = Path(name).absolute()
        try:
            if not path.parent.is_dir():
                raise StoreError(f"the folder {path.parent} is not there; make it, or give another path")
            if path.is_dir():
                raise StoreError(f"{path} is a folder; give the path of a file in it")
        except OSError as error:  # a folder that may not be entered, a name that is too long
            raise StoreError(
                f"{path} cannot be opened ({error.strerror}); check the path and the rights on it"
            ) from error
        if sqlite3.sqlite_version_info < _OLDEST:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is too old; use a Python with {'.'.join(map(str, _OLDEST))} or later"
            )
        self.path = path
        self.patience = float(wait)
        self.place = str(path)
        self.dialect: Dialect = SqliteDialect()
        self._open()

    def _open(self) -> None:
        self._writers = threading.RLock()
        self._engine = self._pool()
        self._hasty = self._pool(lasting=False)

    def prepare(self, plan: Plan) -> None:
        """Bring the file to the plan's newest schema; a foreign or newer database is left as it is, to the byte.

        Raises StoreError.
        """
        try:
            if self._version_as_it_is(plan) == plan.newest and self._journal() == "wal":
                return
            self._turn_to_wal()
            with self._engine.connect().execution_options(begin=_TO_WRITE) as connection, connection.begin():
                bring_forward(connection, plan, self.place)
        except SQLAlchemyError as error:
            raise StoreError(f"{self.place}: {self.dialect.told(error)}") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.place}: {fault(error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See Database.reading; the view is that of the first look."""
        with self._begun(self._engine, _TO_READ) as connection:
            yield connection

    @contextmanager
    def writing(self, *, lasting: bool, biller: str | None, shared: bool) -> Iterator[Connection]:
        """See Database.writing; one at a time, whoever's records it changes."""
        try:
            # Threads of one process queue here, in order; SQLite would have them sleep and try their luck.
            if not self._writers.acquire(timeout=self.patience):
                raise StoreError(
                    f"another thread was writing for {self.patience:g} s; try again, write in smaller steps"
                )
            with self._begun(self._engine if lasting else self._hasty, _TO_WRITE) as connection:
                yield connection
        finally:
            # Asked of the lock itself, and called first of all: an interrupt may come between any two calls.
            try:  # noqa: SIM105  # suppress() would be one
                self._writers.release()
            except RuntimeError:  # not this thread's
                pass

    def commit(self, connection: Connection) -> None:
        """See Database.commit."""
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        try:
            connection.commit()
        except BaseException as problem:
            error = unmasked(problem)
            if not isinstance(error, SQLAlchemyError):  # a signal's handler: before it was committed, or after
                if not isinstance(error, Exception) or driver.in_transaction:
                    raise error from None
                raise Interrupted(type(error).__name__, written=None) from error
            reason = self.dialect.told(error)
            if isinstance(reason, Conflict) and (unfit := _unfit(driver.cursor())):
                reason = Conflict("a record that another one refers to", unfit)
            # SQLite keeps a transaction open that it would not commit, and SQLAlchemy takes it for ended.
            driver.rollback()
            raise reason from error

    def findings(self, connection: Connection) -> list[Finding]:
        """See Database.findings: the journal, damage, references, the library, and the room on the disk."""
        ask = connection.exec_driver_sql
        found = []
        mode = str(ask("PRAGMA journal_mode").scalar_one())
        problem = Verdict.OK if mode == "wal" else Verdict.PROBLEM
        found.append(Finding(code="journal" if mode == "wal" else "journal.mode", verdict=problem, data={"mode": mode}))
        if why := _damage(connection):
            found.append(Finding(code="damage.found", verdict=Verdict.PROBLEM, data={"why": why}))
        else:
            found += [Finding(code="damage"), *_references(connection)]
        version = {"version": sqlite3.sqlite_version}
        found.append(
            Finding(code="sqlite", data=version)
            if _resets_safely(sqlite3.sqlite_version_info)
            else Finding(code="sqlite.reset", verdict=Verdict.WARNING, data=version)
        )
        # Asked of the system: a file without the right to be written is opened all the same, and begins as it is told to.
        if not all(os.access(each, os.W_OK) for each in (self.path, self.path.parent)):
            found.append(Finding(code="writing.rights", verdict=Verdict.PROBLEM, data={"place": self.place}))
        return [*found, self._room()]

    def _room(self) -> Finding:
        size = sum(file.stat().st_size for file in (self.path, Path(f"{self.path}-wal")) if file.exists())
        free = shutil.disk_usage(self.path.parent).free
        data = {"free": free // _MEGABYTE, "size": -(-size // _MEGABYTE)}
        if free < _LITTLE:
            return Finding(code="disk.full", verdict=Verdict.PROBLEM, data=data)
        # A backup, and a VACUUM, take as much room as the file has.
        return (
            Finding(code="disk.low", verdict=Verdict.WARNING, data=data)
            if free < 2 * size
            else Finding(code="disk", data=data)
        )

    def forked(self) -> None:
        """See Database.forked."""
        for engine in (self._engine, self._hasty):
            INHERITED.append(engine.pool)
            engine.dispose(close=False)
        self._open()

    def close(self) -> None:
        """See Database.close."""
        self._engine.dispose()
        self._hasty.dispose()

    @contextmanager
    def _begun(self, engine: Engine, begin: str) -> Iterator[Connection]:
        loan = Loan(engine)
        try:
            try:
                connection = loan.take().execution_options(begin=begin)
                connection.begin()
            except SQLAlchemyError as error:
                raise self.dialect.told(error) from error
            yield connection
        except BaseException as error:
            loan.undo(error)
            raise
        finally:
            loan.end()

    def _pool(self, *, lasting: bool = True) -> Engine:
        # They begin their transactions as they are told to. What `lasting` ones commit outlives a loss of power, what
        # others do only the process.
        engine = create_engine(
            "sqlite://",
            creator=partial(self._connect, "FULL" if lasting else "NORMAL"),
            poolclass=QueuePool,
            pool_size=4,
            max_overflow=-1,  # a thread waits for the database, never for a connection
            pool_reset_on_return="rollback",
        )
        _begin_as_told(engine)
        return engine

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        # isolation_level None: the driver begins nothing by itself, so that only our own BEGIN counts.
        connection = sqlite3.connect(
            self.path, timeout=self.patience, isolation_level=None, check_same_thread=False, factory=_Session
        )
        connection.execute("PRAGMA foreign_keys = ON")
        # A page of a run is most of the thousand pages after which the log would be carried over: let it be some pages.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        # With a write-ahead log, NORMAL does not wait for the disk at each commit.
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    def _version_as_it_is(self, plan: Plan) -> int | None:
        """The stored schema's version, read without the right to write; None for no file or an empty one."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return None
        uri = f"file:{quote(str(self.path))}?mode=ro"
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, timeout=self.patience, isolation_level=None),
            poolclass=NullPool,
        )
        with engine.connect() as connection:
            version = stored_version(connection, self.place)
        if version is not None:
            check_version(version, plan, self.place)
        return version

    def _journal(self) -> str:
        connection = sqlite3.connect(self.path, timeout=self.patience)
        try:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        finally:
            connection.close()

    def _turn_to_wal(self) -> None:
        # The change needs the file for itself and does not wait for it, whatever the busy timeout says.
        until = time.monotonic() + self.patience
        while True:
            connection = sqlite3.connect(self.path, timeout=self.patience, isolation_level=None)
            try:
                mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                    raise
                time.sleep(0.01)
                continue
            finally:
                connection.close()
            if mode != "wal":
                raise StoreError(f"{self.place} cannot have a write-ahead log ({mode}); move it to a local disk")
            return


def _damage(connection: Connection) -> str:
    """What is wrong with the file's pages, of tables and of indexes; empty when nothing is."""
    try:
        rows = connection.exec_driver_sql(f"PRAGMA quick_check({_SHOWN})").scalars().all()
    except DBAPIError as error:
        if not getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_CORRUPT"):
            raise
        return str(error.orig)  # so bad that it cannot even be looked at
    return "" if list(rows) == ["ok"] else "; ".join(" ".join(str(row).split()) for row in rows)


def _references(connection: Connection) -> list[Finding]:
    try:
        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    except DBAPIError as error:
        if "foreign key mismatch" not in str(error.orig):
            raise
        return []  # of tables that somebody made otherwise: what they lack is said of the schema
    if not lost:
        return [Finding(code="references")]
    data = {"count": len(lost), "tables": ", ".join(sorted({str(row[0]) for row in lost}))}
    return [Finding(code="references.broken", verdict=Verdict.PROBLEM, data=data)]


def _resets_safely(version: tuple[int, ...]) -> bool:
    """Whether a library is free of the fault that can damage a file when several write and one resets the log.

    https://sqlite.org/wal.html#the_wal_reset_bug: of 3.7.0 to 3.51.2, mended in 3.50.7 and 3.44.6 as well.
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def _begin_as_told(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", _TO_READ))


_TO_READ: Final = "BEGIN"
# A transaction that reads first and writes later would fail at once when another writer came between.
_TO_WRITE: Final = "BEGIN IMMEDIATE"


class _Days(dict[date | None, Bound]):
    def __missing__(self, day: date | None) -> Bound:
        text = self[day] = None if day is None else day.isoformat()
        return text


class _Instants(dict[datetime | None, Bound]):
    def __missing__(self, instant: datetime | None) -> Bound:
        text = self[instant] = None if instant is None else instant.astimezone(UTC).isoformat(" ")
        return text


class SqliteDialect:
    """SQLite's ways: dates and instants are text; an update rewrites the index entries of every column it sets."""

    merging = True
    flags: tuple[Bound, Bound] = (0, 1)

    def days(self) -> Mapping[date | None, Bound]:
        """See Dialect.days."""
        return _Days()

    def instants(self) -> Mapping[datetime | None, Bound]:
        """See Dialect.instants."""
        return _Instants()

    def among(self, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
        """See Dialect.among."""
        return column.in_(values)

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """See Dialect.insert."""
        columns = [column.name for column in table.c]
        marks = f"({', '.join('?' * len(columns))})"
        start = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "
        # Several rows a statement: a tenth of the whole cost of writing is to step from one to the next.
        several = _MOST_VALUES // len(columns)
        many = len(rows) // several * several
        if many:
            groups = [tuple(chain(*rows[n : n + several])) for n in range(0, many, several)]
            _each(connection, start + ", ".join([marks] * several), groups)
        if many < len(rows):
            _each(connection, start + marks, rows[many:])

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
        """See Dialect.update."""
        changes = [f"{column} = ?" for column in changed]
        if counting:
            changes.append(f"{counting} = {counting} + 1")
        tests = " AND ".join(f"{column} = ?" for column in where)
        statement = f"UPDATE {table.name} SET {', '.join(changes)} WHERE {tests}"
        return _each(connection, statement, rows)

    def delete(self, connection: Connection, table: Table, rows: Sequence[Row], *, where: Sequence[str]) -> int:
        """See Dialect.delete."""
        tests = " AND ".join(f"{column} = ?" for column in where)
        return _each(connection, f"DELETE FROM {table.name} WHERE {tests}", rows)

    def told(self, error: Exception, table: Table | None = None) -> InvoicecoreError:
        """See Dialect.told; the way out where there is one."""
        return told(error)


def _each(connection: Connection, statement: str, rows: Sequence[Row]) -> int:
    return connection.exec_driver_sql(statement, cast(list[tuple[Any, ...]], rows)).rowcount


def _unfit(cursor: sqlite3.Cursor) -> str:
    """What refers to nothing, after a commit was refused for it; empty when nothing is found."""
    cursor.execute("PRAGMA foreign_key_check")
    row = cursor.fetchone()
    return f"a row of {row[0].replace('_', ' ')} refers to {row[2].replace('_', ' ')} that are not there" if row else ""
