"""The PostgreSQL server behind a store (extra `postgres`): turns by biller, binary COPY, and faults that may be tried again."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, Engine, Table, Text, any_, create_engine, event, literal, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from invoicecore.errors import Busy, Interrupted, InvoicecoreError, MissingExtra, StoreError
from invoicecore.ports import Finding, Verdict
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.dialects import Bound, Dialect, Row
from invoicecore_adapters.sql.lending import Loan, unmasked
from invoicecore_adapters.sql.migrations import Plan, bring_forward, check_version, stored_version
from invoicecore_adapters.sql.schema import meta

try:
    import psycopg
except ImportError as error:
    raise MissingExtra("the PostgreSQL store", "postgres") from error

from invoicecore_adapters.sql.postgres_faults import crowded, late, lost, told, words_of

PATIENCE: Final = 30.0
"""Seconds to wait for other writers, for a free connection, and for a server that is starting."""

_PARTING: Final = 5.0  # seconds to tell a server to stop
_LONGEST: Final = 2**31 - 1  # milliseconds the server takes as a timeout
_SHOWN: Final = frozenset({"host", "port"})  # of a URL's options; a password may be among the others
_OPTIONS: Final = frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())
_ENCODINGS: Final = ("UTF8", "SQL_ASCII")  # those that hold every character: the second one does not look
_OLDEST: Final = 130000  # partitioned tables that others refer to, and nothing here that is younger
_NAMED: Final = 5  # tables in a sentence
_FEW: Final = 10  # rows of an update for which no plan is a bad one

# Advisory locks have two numbers: ours, and what is locked. A turn in the whole store, or in one biller's records.
_STORE: Final = 0x1C0DE
_BILLER: Final = 0x1C0DF
_TURNS: Final[Mapping[tuple[bool, bool], str]] = {
    # (names a biller, is shared)
    (False, False): f"SELECT pg_advisory_xact_lock({_STORE}, 0)",
    (False, True): f"SELECT pg_advisory_xact_lock_shared({_STORE}, 0)",
    (True, False): f"SELECT pg_advisory_xact_lock_shared({_STORE}, 0), "
    f"pg_advisory_xact_lock({_BILLER}, hashtext(%(biller)s))",
    (True, True): f"SELECT pg_advisory_xact_lock_shared({_STORE}, 0), "
    f"pg_advisory_xact_lock_shared({_BILLER}, hashtext(%(biller)s))",
}

# A transaction that is open and does nothing keeps its locks, and the server from clearing up behind it. A role sees those
# of its own sessions; of all it sees but the number.
_HOW_IT_IS: Final = """
SELECT current_setting('server_version'), current_setting('fsync'), pg_is_in_recovery(),
    (SELECT sum(numbackends)::int FROM pg_stat_database),
    current_setting('max_connections')::int,
    count(*), coalesce(max(extract(epoch FROM now() - state_change) / 60)::int, 0)
FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%%' AND now() - state_change > interval '5 minutes'
"""

# A transaction begins all the same where its first statement that writes will be refused.
_REFUSED: Final = """
SELECT current_setting('default_transaction_read_only')::bool, array_agg(DISTINCT name ORDER BY name)
FROM unnest(%(tables)s::text[]) AS name, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS verb
WHERE NOT has_table_privilege(to_regclass(name), verb)
"""


class _Session(psycopg.Connection[tuple[Any, ...]]):
    """A connection that never waits for the driver's own lock, which a call that was interrupted may hold for ever."""

    def rollback(self) -> None:
        if self.lock.locked() or self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
            self.close()
            raise psycopg.OperationalError("the connection was left in the midst of a statement")
        super().rollback()

    def close(self) -> None:
        try:
            # A server at work, or waiting for a lock, would only learn at the end of it that nobody is there any more.
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                with suppress(psycopg.Error):
                    self.cancel_safe(timeout=_PARTING)
        finally:
            super().close()


def _session(_dialect: object, _record: object, args: Sequence[Any], options: Mapping[str, Any]) -> _Session:
    return _Session.connect(*args, **options)


class PostgresDatabase:
    """A database of a PostgreSQL server. Writers of different billers work side by side, those of one in turn.

    The turn is a lock of the server's that ends with the transaction: what is read after it has been got is what the
    writer before left.
    """

    def __init__(self, url: str) -> None:
        """The database of `postgresql+psycopg://user@host/name`; `?timeout=5` waits five seconds, the rest is libpq's.

        Raises StoreError for a URL of another shape.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # a port that is no number
            raise StoreError("the URL is not one of a database; write postgresql+psycopg://user@host/name") from None
        # What follows the first @ of a password is read as the host, which is shown.
        if "@" in (parsed.host or "") or ("@" in (parsed.database or "") and url.count("@") > 1):
            raise StoreError("the URL has an @ too many; write those of the user and the password as %40")
        query = dict(parsed.query)
        self.place = parsed.set(query={k: v for k, v in query.items() if k in _SHOWN}).render_as_string()
        if parsed.drivername not in ("postgresql", "postgresql+psycopg") or not parsed.database:
            raise StoreError(f"{self.place} names no database for psycopg; write postgresql+psycopg://user@host/name")
        wait = query.pop("timeout", str(PATIENCE))
        if not isinstance(wait, str) or not wait.replace(".", "", 1).isdecimal() or not wait.isascii():
            raise StoreError(f"{self.place}: timeout is a number of seconds; write ?timeout=30")
        if unknown := sorted(query.keys() - _OPTIONS):
            raise StoreError(f"{self.place}: libpq has no option {', '.join(unknown)}; take it out of the URL")
        self.patience = float(wait)
        self.dialect: Dialect = PostgresDialect()
        # Of a server that does not even refuse, the driver would wait for minutes; less than two seconds it does not.
        reach = str(min(max(math.ceil(self.patience), 2), _LONGEST // 1000))
        query = {"connect_timeout": reach, **query, "client_encoding": "utf8"}
        self._url = parsed.set(drivername="postgresql+psycopg", query=query)
        self._open()

    def _open(self) -> None:
        self._engine = create_engine(
            self._url, pool_size=5, max_overflow=10, pool_timeout=self.patience, use_native_hstore=False
        )
        event.listen(self._engine, "do_connect", _session)
        patience = min(max(int(self.patience * 1000), 1), _LONGEST)  # none at all would be without end

        @event.listens_for(self._engine, "connect")
        def ready(connection: psycopg.Connection, _: object) -> None:
            connection.autocommit = True
            # Instants are read as ISO 8601 has them, whatever the database, the role or the environment would rather see.
            connection.execute(f"SET lock_timeout = {patience}; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'")
            connection.autocommit = False

        self._readers = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._writers = self._engine.execution_options(isolation_level="READ COMMITTED")

    def prepare(self, plan: Plan) -> None:
        """See Database.prepare; a role that may not create tables can open what is new enough."""
        until = time.monotonic() + self.patience
        while True:
            try:
                return self._prepare(plan)
            except Interrupted:  # whatever it did, looking again tells
                if time.monotonic() > until:
                    raise

    def _prepare(self, plan: Plan) -> None:
        try:
            with self.reading() as connection:
                self._check_server(connection)
                version = stored_version(connection, self.place, beside_others=True)
            if version == plan.newest:
                return
            if version is not None:
                check_version(version, plan, self.place)
            # Alone in the store: writers wait, and whoever else would migrate finds it done.
            with self.writing(lasting=True, biller=None, shared=False) as connection:
                bring_forward(connection, plan, self.place, beside_others=True)
                self.commit(connection)
        except SQLAlchemyError as error:
            told = self.dialect.told(error)
            raise told if isinstance(told, Interrupted) else StoreError(f"{self.place}: {told}") from error

    def _check_server(self, connection: Connection) -> None:
        if _driver(connection).info.server_version < _OLDEST:
            raise StoreError(f"{self.place} is older than PostgreSQL {_OLDEST // 10000}; upgrade the server")
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding not in _ENCODINGS:
            raise StoreError(
                f"{self.place} has the encoding {encoding}, which lacks characters; "
                "make one by CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
            )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See Database.reading; the view is that of the first look."""
        # Said here rather than by the driver, which would turn it round for writers: where the server's own word is that
        # nothing may be written now, it counts.
        with self._begun(self._readers, "SET TRANSACTION READ ONLY") as connection:
            yield connection

    @contextmanager
    def writing(self, *, lasting: bool, biller: str | None, shared: bool) -> Iterator[Connection]:
        """See Database.writing; what is read in it is the newest that is committed. Every one is `lasting`.

        A commit that does not wait for the log outlives this process, but not the server's: when one of its processes
        dies, the others lose what they had not written yet, and e-mails that were sent would be sent again.
        """
        with self._begun(self._writers, _TURNS[biller is not None, shared], biller) as connection:
            yield connection

    def commit(self, connection: Connection) -> None:
        """See Database.commit; Interrupted with `written` None when nobody knows whether it was."""
        try:
            connection.commit()
        except BaseException as problem:
            error = unmasked(problem)
            if not isinstance(error, Exception):
                raise error from None
            # Whatever a signal's handler raised meanwhile, the server may have had the word by then.
            if lost(error) or not isinstance(error, (SQLAlchemyError, psycopg.Error)):
                raise Interrupted(words_of(error), written=None) from error
            raise self.dialect.told(error) from error

    def findings(self, connection: Connection) -> list[Finding]:
        """See Database.findings: the server, what it may lose, connections, who keeps others waiting, and rights."""
        row = connection.exec_driver_sql(_HOW_IT_IS).one()
        version, fsync, standby, taken, places, idle, minutes = row
        found = [Finding(code="server", data={"version": version})]
        if fsync != "on":
            found.append(Finding(code="server.fsync", verdict=Verdict.PROBLEM, data={"version": version}))
        if standby:
            found.append(Finding(code="server.standby", verdict=Verdict.PROBLEM, data={"version": version}))
        data = {"taken": taken, "places": places}
        scarce = taken > 0.8 * places
        code, verdict = ("connections.few", Verdict.WARNING) if scarce else ("connections", Verdict.OK)
        found.append(Finding(code=code, verdict=verdict, data=data))
        if idle:
            data = {"count": idle, "minutes": minutes}
            found.append(Finding(code="connections.idle", verdict=Verdict.WARNING, data=data))
        tables = [name for name in metadata.tables if name != meta.name]  # which nobody writes but who migrates
        frozen, shut = connection.exec_driver_sql(_REFUSED, {"tables": tables}).one()
        if standby or frozen or shut:
            lacking = f"this role may not write in {', '.join((shut or ())[:_NAMED])}"
            why = "it is a standby" if standby else "its transactions are read-only" if frozen else lacking
            found.append(Finding(code="writing.refused", verdict=Verdict.PROBLEM, data={"why": why}))
        return found

    def forked(self) -> None:
        """See Database.forked."""
        self._engine.dispose(close=False)
        self._open()

    def close(self) -> None:
        """See Database.close."""
        self._engine.dispose()

    @contextmanager
    def _begun(self, engine: Engine, first: str, biller: str | None = None) -> Iterator[Connection]:
        loan = Loan(engine)
        try:
            yield self._connected(loan, first, biller)
        except BaseException as error:
            loan.undo(error)
            raise
        finally:
            loan.end()

    def _connected(self, loan: Loan, first: str, biller: str | None) -> Connection:
        """A connection that has answered within its transaction. Nothing was done yet: one that is dead is replaced."""
        until = time.monotonic() + self.patience
        while True:
            try:
                connection = loan.take()
                connection.exec_driver_sql(first, {"biller": biller} if biller is not None else {})
                return connection
            except (SQLAlchemyError, psycopg.Error) as error:
                loan.undo(error)
                loan.end()
                if biller is not None and late(error) and self._open_to_billers():
                    raise Busy(biller) from error
                told = self.dialect.told(error)
                if not lost(error) and not crowded(error):
                    raise told from error
                if time.monotonic() > until:
                    words = f"{self.place} cannot be reached ({words_of(error)})"
                    unreachable = StoreError(f"{words}; check the URL, and that the server runs")
                    raise unreachable if isinstance(told, Interrupted) else told from error
                time.sleep(0.05)  # a server that restarts is back soon

    def _open_to_billers(self) -> bool:
        """Whether nobody has the whole store: who could not get a turn then waited for its biller's."""
        with suppress(SQLAlchemyError), self._readers.connect() as connection:
            return bool(
                connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock_shared({_STORE}, 0)").scalar_one()
            )
        return False


class PostgresDialect:
    """PostgreSQL's ways: rows go in by binary COPY, and are changed by a join with arrays of their values."""

    merging = False
    flags: tuple[Bound, Bound] = (False, True)

    def days(self) -> Mapping[date | None, Bound]:
        """See Dialect.days."""
        return _AsIs()

    def instants(self) -> Mapping[datetime | None, Bound]:
        """See Dialect.instants."""
        return _AsIs()

    def among(self, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
        """See Dialect.among; one array is bound, and not a thousand values."""
        return column == any_(literal(list(values), postgresql.ARRAY(Text)))

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """See Dialect.insert."""
        statement, types = _copy(table)
        with _driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

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
        sets = [f"{column} = given.{column}" for column in changed]
        if counting:
            sets.append(f"{counting} = {table.name}.{counting} + 1")
        columns = (*changed, *where)
        given = _given(table, columns)
        statement = f"UPDATE {table.name} SET {', '.join(sets)} FROM {given} WHERE {_equal(table, where)}"
        return _with_arrays(connection, table, statement, columns, where, rows)

    def delete(self, connection: Connection, table: Table, rows: Sequence[Row], *, where: Sequence[str]) -> int:
        """See Dialect.delete."""
        statement = f"DELETE FROM {table.name} USING {_given(table, where)} WHERE {_equal(table, where)}"
        return _with_arrays(connection, table, statement, where, where, rows)

    def told(self, error: Exception, table: Table | None = None) -> InvoicecoreError:
        """See Dialect.told; Interrupted for what may be tried again."""
        return told(error, table)


class _AsIs(dict[Any, Any]):
    def __missing__(self, value: object) -> object:
        self[value] = value
        return value


def _driver(connection: Connection) -> psycopg.Connection[tuple[Any, ...]]:
    return cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)


@cache
def _types(table: Table) -> Mapping[str, str]:
    """Each column's type as the server calls it."""
    names = {"VARCHAR": "text", "TEXT": "text", "INTEGER": "int4", "BIGINT": "int8", "BOOLEAN": "bool", "DATE": "date"}
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # of a version it has no types for
    compiled = {column.name: column.type.compile(dialect).partition(" COLLATE")[0] for column in table.c}
    return {name: names.get(kind, "timestamptz") for name, kind in compiled.items()}


@cache
def _copy(table: Table) -> tuple[str, tuple[str, ...]]:
    types = _types(table)
    return f"COPY {table.name} ({', '.join(types)}) FROM STDIN (FORMAT BINARY)", tuple(types.values())


def _equal(table: Table, columns: Sequence[str]) -> str:
    return " AND ".join(f"{table.name}.{column} = given.{column}" for column in columns)


def _given(table: Table, columns: Sequence[str]) -> str:
    arrays = ", ".join(f"%s::{_types(table)[column]}[]" for column in columns)
    return f"unnest({arrays}) AS given({', '.join(columns)})"


def _with_arrays(
    connection: Connection,
    table: Table,
    statement: str,
    columns: Sequence[str],
    where: Sequence[str],
    rows: Sequence[Row],
) -> int:
    if not rows:
        return 0
    values: list[object] = [list(column) for column in zip(*rows, strict=True)]
    if where[0] == "biller" and len(owners := set(cast(list[str], values[columns.index("biller")]))) == 1:
        # Said once more by itself: where tables are cut by biller, no other part of them is even looked at. So are the
        # keys, for what is known of a biller that came lately is that it has no rows, and all of them would be read.
        statement += f" AND {table.name}.biller = %s AND {table.name}.{where[1]} = ANY(%s::text[])"
        values += [*owners, values[columns.index(where[1])]]
    with _driver(connection).cursor() as cursor:
        if len(rows) <= _FEW:
            return cursor.execute(statement, values).rowcount
        # For the same reason each row that is found would be compared with all that are given.
        cursor.execute("SET LOCAL enable_nestloop = off")
        done = cursor.execute(statement, values).rowcount
        cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")
        return done
