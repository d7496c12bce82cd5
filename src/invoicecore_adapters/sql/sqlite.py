"""The SQLite file behind a store: found by its URL, looked at before it is touched, and set up for many writers."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from invoicecore.errors import StoreError
from invoicecore_adapters.sql.dialects import SQLITE, sqlite_fault
from invoicecore_adapters.sql.migrations import Plan, bring_forward, check_version, stored_version

PATIENCE: Final = 30.0
"""Seconds to wait for other writers."""

_OLDEST: Final = (3, 30, 0)  # FILTER on aggregates; ON CONFLICT and row values are older


@attrs.frozen(kw_only=True)
class SqliteFile:
    """One database file; `patience` is how many seconds to wait for other writers."""

    path: Path
    patience: float = PATIENCE

    @classmethod
    def of(cls, url: str) -> SqliteFile:
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
        if not path.parent.is_dir():
            raise StoreError(f"the folder {path.parent} is not there; make it, or give another path")
        if path.is_dir():
            raise StoreError(f"{path} is a folder; give the path of a file in it")
        if sqlite3.sqlite_version_info < _OLDEST:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is too old; use a Python with {'.'.join(map(str, _OLDEST))} or later"
            )
        return cls(path=path, patience=float(wait))

    @property
    def place(self) -> str:
        """The file as messages name it."""
        return str(self.path)

    def prepare(self, plan: Plan) -> None:
        """Bring the file to the plan's newest schema; a foreign or newer database is left as it is, to the byte.

        Raises StoreError.
        """
        try:
            if self._version_as_it_is(plan) == plan.newest and self._journal() == "wal":
                return
            self._turn_to_wal()
            engine = self.engine()
            try:
                with engine.connect().execution_options(begin=SQLITE.begin_writing) as connection, connection.begin():
                    bring_forward(connection, plan, self.place)
            finally:
                engine.dispose()
        except SQLAlchemyError as error:
            raise StoreError(f"{self.place}: {SQLITE.told(error)}") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.place}: {sqlite_fault(error)}") from error

    def engine(self, *, lasting: bool = True) -> Engine:
        """A pool of connections that begin their transactions as they are told to, and wait for other writers.

        What `lasting` ones commit outlives a loss of power, what others do only the process.
        """
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
        connection = sqlite3.connect(self.path, timeout=self.patience, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
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


def _begin_as_told(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", SQLITE.begin_reading))
