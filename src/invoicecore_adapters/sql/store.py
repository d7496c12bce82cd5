"""A Store in a relational database, by default an SQLite file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from invoicecore.errors import Conflict, InvoicecoreError, StoreError
from invoicecore.ports import Reader, Writer
from invoicecore_adapters.sql.dialects import SQLITE, Dialect
from invoicecore_adapters.sql.migrations import APPLICATION, PLAN, Plan, check_version
from invoicecore_adapters.sql.queries import SqlReader
from invoicecore_adapters.sql.sqlite import SqliteFile
from invoicecore_adapters.sql.writing import SqlWriter

# Pools inherited through fork(): kept, because closing a connection that the parent still uses could end its locks.
_INHERITED: Final[list[object]] = []


class SqlStore:
    """Records in relational tables that a person can query.

    Safe between threads and between processes. One thread of a process writes at a time; writers of other processes
    are waited for. After a fork the child opens connections of its own; a transaction that was open while forking
    belongs to the parent.
    """

    def __init__(self, url: str, *, plan: Plan = PLAN) -> None:
        """Open the database a URL names, creating its tables when it is new and migrating them when they are old.

        Raises StoreError for a missing folder, a database in memory, somebody else's or a newer database.
        """
        self._file = SqliteFile.of(url)
        self._dialect: Dialect = SQLITE
        self._plan = plan
        self._file.prepare(plan)
        self._closed = False
        self._connect()

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._writers = threading.Lock()
        self._writing_here = threading.local()
        self._engine: Engine = self._file.engine()
        self._hasty: Engine = self._file.engine(lasting=False)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """See Store.reading; the view is that of the moment the block begins."""
        with self._transaction(self._dialect.begin_reading) as connection:
            reader = SqlReader(connection, self._dialect)
            try:
                yield reader
            finally:
                reader.end()

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Iterator[Writer]:
        """See Store.writing; StoreError when this thread is writing already, or others write for too long.

        An error of a write that was swallowed inside the block is raised again at its end, and nothing is kept.
        """
        self._own_process()
        if getattr(self._writing_here, "now", False):
            raise StoreError("this thread is writing already; do it in the same transaction")
        # Threads of one process queue here, in order; SQLite would have them sleep and try their luck.
        if not self._writers.acquire(timeout=self._file.patience):
            raise StoreError(
                f"another thread was writing for {self._file.patience:g} s; try again, write in smaller steps"
            )
        try:
            self._writing_here.now = True
            with self._transaction(self._dialect.begin_writing, lasting=lasting) as connection:
                writer = SqlWriter(connection, self._dialect)
                try:
                    yield writer
                    if writer.broken is not None:
                        raise writer.broken
                    self._commit(connection)
                finally:
                    writer.end()
        finally:
            self._writing_here.now = False
            self._writers.release()

    def close(self) -> None:
        """See Store.close."""
        self._own_process()
        self._closed = True
        self._engine.dispose()
        self._hasty.dispose()

    @contextmanager
    def _transaction(self, begin: str, *, lasting: bool = True) -> Iterator[Connection]:
        """A connection within a transaction, rolled back at the end unless it was committed."""
        self._own_process()
        if self._closed:
            raise StoreError("this store is closed; open another one")
        try:
            connection = (self._engine if lasting else self._hasty).connect().execution_options(begin=begin)
        except SQLAlchemyError as error:
            raise self._dialect.told(error) from error
        try:
            try:
                connection.begin()
                # Reading fixes the view; what it reads is whether another version of this library moved on meanwhile.
                version = connection.exec_driver_sql(
                    f"SELECT version FROM meta WHERE application = '{APPLICATION}'"
                ).scalar_one()
            except SQLAlchemyError as error:
                raise self._dialect.told(error) from error
            check_version(version, self._plan, self._file.place)
            yield connection
        finally:
            connection.close()

    def _commit(self, connection: Connection) -> None:
        driver = connection.connection
        try:
            connection.commit()
        except SQLAlchemyError as error:
            told: InvoicecoreError = self._dialect.told(error)
            if isinstance(told, Conflict) and (unfit := self._dialect.unfit(driver.cursor())):
                told = Conflict("a record that another one refers to", unfit)
            # SQLite keeps a transaction open that it would not commit, and SQLAlchemy takes it for ended.
            driver.rollback()
            raise told from error

    def _own_process(self) -> None:
        if self._pid != os.getpid():
            for engine in (self._engine, self._hasty):
                _INHERITED.append(engine.pool)
                engine.dispose(close=False)
            self._connect()
