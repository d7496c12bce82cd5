"""A Store in a relational database: an SQLite file, or a PostgreSQL server."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from invoicecore.errors import StoreError
from invoicecore.ports import Finding, Reader, Verdict, Writer
from invoicecore_adapters.sql.dialects import Database
from invoicecore_adapters.sql.examining import schema_findings
from invoicecore_adapters.sql.migrations import APPLICATION, PLAN, Plan, check_version
from invoicecore_adapters.sql.queries import SqlReader
from invoicecore_adapters.sql.writing import SqlWriter


class SqlStore:
    """Records in relational tables that a person can query.

    Safe between threads and between processes. After a fork the child opens connections of its own; a transaction that
    was open while forking belongs to the parent.
    """

    def __init__(self, url: str, *, plan: Plan = PLAN) -> None:
        """Open the database a URL names, creating its tables when it is new and migrating them when they are old.

        Raises StoreError for a database that cannot be reached or used, or is somebody else's or newer.
        """
        self._database = _database(url)
        self._plan = plan
        self._pid = os.getpid()
        self._writing_here = threading.local()
        self._closed = False
        try:
            self._database.prepare(plan)
        except BaseException:
            self._database.close()  # what was opened to find that out
            raise

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """See Store.reading; the view is that of the moment the block begins."""
        self._usable()
        with self._database.reading() as connection:
            self._check_version(connection)
            reader = SqlReader(connection, self._database.dialect)
            try:
                yield reader
            finally:
                reader.end()

    @contextmanager
    def writing(self, *, lasting: bool = True, biller: str | None = None, shared: bool = False) -> Iterator[Writer]:
        """See Store.writing; StoreError when this thread is writing already, or others write for too long.

        An error of a statement that was swallowed inside the block is raised again at its end, and nothing is kept. A
        child that was forked inside the block and reaches its end gets StoreError: the transaction is its parent's.
        """
        self._usable()
        if getattr(self._writing_here, "now", False):
            raise StoreError("this thread is writing already; do it in the same transaction")
        self._writing_here.now, pid = True, os.getpid()
        try:
            with self._database.writing(lasting=lasting, biller=biller, shared=shared) as connection:
                self._check_version(connection)
                writer = SqlWriter(connection, self._database.dialect)
                try:
                    yield writer
                    if writer.broken is not None:
                        raise writer.broken
                    if os.getpid() != pid:
                        raise StoreError("this transaction is the parent process's; write in one of this process")
                    self._database.commit(connection)
                finally:
                    writer.end()
        finally:
            self._writing_here.now = False

    def findings(self) -> Sequence[Finding]:
        """See Examinable.findings: the schema, whether it can be written, and what the database says of itself."""
        self._usable()
        with self._database.reading() as connection:
            self._check_version(connection)
            try:
                found = [*schema_findings(connection, self._plan.newest), *self._database.findings(connection)]
            except SQLAlchemyError as error:
                raise self._database.dialect.told(error) from error
        if any(each.code == "writing.refused" for each in found):
            return found
        try:
            with self.writing(lasting=False, shared=True):
                return [*found, Finding(code="writing")]
        except StoreError as error:
            return [*found, Finding(code="writing.refused", verdict=Verdict.PROBLEM, data={"why": str(error)})]

    def close(self) -> None:
        """See Store.close."""
        self._own_process()
        self._closed = True
        self._database.close()

    def _check_version(self, connection: Connection) -> None:
        # Reading fixes the view; what it reads is whether another version of this library moved on meanwhile.
        try:
            version = connection.exec_driver_sql(
                f"SELECT version FROM meta WHERE application = '{APPLICATION}'"
            ).scalar_one()
        except SQLAlchemyError as error:
            raise self._database.dialect.told(error) from error
        check_version(version, self._plan, self._database.place)
        if version < self._plan.newest:
            raise StoreError(
                f"{self._database.place} went back to schema version {version}, perhaps with a backup; "
                "open the store again, which brings it forward"
            )

    def _usable(self) -> None:
        self._own_process()
        if self._closed:
            raise StoreError("this store is closed; open another one")

    def _own_process(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._writing_here = threading.local()
            self._database.forked()


def _database(url: str) -> Database:
    if url.partition(":")[0].partition("+")[0] == "postgresql":
        from invoicecore_adapters.sql.postgres import PostgresDatabase  # its driver is an extra of its own

        return PostgresDatabase(url)
    from invoicecore_adapters.sql.sqlite import SqliteFile

    return SqliteFile(url)
