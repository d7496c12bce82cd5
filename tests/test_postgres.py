"""What PostgreSQL itself is like behind a store: its faults in our words, who waits for whom, forks, and who may open it.

Every fault is the server's own: sessions are ended, locks held, rights taken away. Where a fault costs a whole server
(a full disk, a damaged file) a trigger raises its code. Servers that die while workers work are in test_restarts.
"""

from __future__ import annotations

import gc
import itertools
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import attrs
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

import postgres
import workers
from desks import all_of, money, store_of
from invoicecore import Billing, Frequency
from invoicecore.charges import Charge
from invoicecore.errors import Interrupted, KeyReused, MissingExtra, NotAllowed, StoreError
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment
from invoicecore.plugins import Plugins
from invoicecore.ports import Finding, Record, Verdict, Writer
from invoicecore.testing import samples
from invoicecore.testing.samples import DAY, world
from invoicecore_adapters import sql as adapter
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.migrations import APPLICATION, PLAN, Plan, Step
from invoicecore_adapters.sql.store import SqlStore

HERE, THERE = world(), world("b2")
_numbers = itertools.count(1)


@pytest.fixture
def url() -> Iterator[str]:
    """A database with the newest schema and nothing in it."""
    made = postgres.new()
    yield made
    postgres.drop(made)


@pytest.fixture
def empty() -> Iterator[str]:
    """A database without a schema."""
    made = postgres.database()
    yield made
    postgres.drop(made)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """A store of two billers."""
    made = SqlStore(url)
    with made.writing() as writer:
        writer.add([*HERE.records, *THERE.records])
    yield made
    made.close()


def asked(url: str, **options: str) -> str:
    """The URL with options."""
    return url + ("&" if "?" in url else "?") + "&".join(f"{key}={quote(value)}" for key, value in options.items())


def ask(url: str, statement: str, *given: object) -> list[tuple[Any, ...]]:
    """What a stranger is answered."""
    with postgres.rows_of(url) as connection:
        answer = connection.execute(statement, given)
        return answer.fetchall() if answer.description else []


def cut_off(url: str) -> None:
    """End every session of a database, as an operator does, and wait until they are gone."""
    ask(
        url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )


def wait_for(url: str, statement: str) -> None:
    """Wait until a question about the server has an answer."""
    until = time.monotonic() + 60
    while not ask(url, statement):
        assert time.monotonic() < until, f"never: {statement}"
        time.sleep(0.005)


WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def role(url: str) -> Iterator[str]:
    """A role that may log in and, in this database, do nothing yet."""
    name = f"ic_{os.getpid()}_{next(_numbers)}"
    ask(url, f"CREATE ROLE {name} LOGIN")
    yield name
    ask(url, f"DROP OWNED BY {name}")
    ask(url, f"DROP ROLE {name}")


def by(role: str, url: str, **options: str) -> str:
    """The URL of a database for a role."""
    scheme, _, rest = url.partition("://")
    return asked(f"{scheme}://{role}@{rest.rpartition('@')[2]}", **options)


@contextmanager
def behind(job: Callable[[], object]) -> Iterator[Future[object]]:
    """A job in a thread of its own meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(job)


# --- what the server refuses, in our words ----------------------------------------------------------------------------


def test_writers_that_stand_in_each_others_way_are_told_apart_and_one_goes_on(url: str, store: SqlStore) -> None:
    first, second = HERE.units[:2]
    one, other = threading.Event(), threading.Event()
    quick = SqlStore(asked(url, options="-c deadlock_timeout=20ms"))

    def crosswise() -> None:
        with quick.writing(biller="b1", shared=True) as writer:
            writer.replace([second])
            one.set()
            other.wait(60)
            writer.replace([first])

    def straight() -> None:
        with quick.writing(biller="b1", shared=True) as writer:
            writer.replace([first])
            one.wait(60)
            other.set()
            writer.replace([second])

    with closing(quick), ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(job) for job in (crosswise, straight)]
        errors = [error for job in jobs if (error := job.exception(60)) is not None]
    [undone] = errors
    assert isinstance(undone, Interrupted)
    assert undone.written is False
    assert "deadlock" in undone.reason
    with store.reading() as reader:
        assert {unit.version for unit in reader.get(type(first), "b1", [first.id, second.id]).values()} == {2}


@pytest.mark.parametrize(
    "state, kind, told",
    [
        ("40001", Interrupted, "do it again"),
        ("53100", StoreError, "free some space"),
        ("53200", StoreError, "less at once"),
        ("XX001", StoreError, "restore a backup"),
        ("XX002", StoreError, "restore a backup"),
        ("XX000", StoreError, "nothing was written"),
    ],
)
def test_what_the_server_says_of_itself_has_a_way_out(
    state: str, kind: type[StoreError], told: str, url: str, store: SqlStore
) -> None:
    body = f"BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{state}'; END"
    ask(url, f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    ask(url, "CREATE TRIGGER fail BEFORE INSERT ON charges FOR EACH ROW EXECUTE FUNCTION fail()")
    with pytest.raises(kind, match=f"so it is.*{told}") as failed, store.writing(biller="b1") as writer:
        writer.add([samples.charge(HERE, "x1")])
    assert type(failed.value) is kind


@pytest.mark.parametrize("timeout", ["0.05", "0"])
def test_a_writer_that_waited_long_enough_says_so(timeout: str, url: str, store: SqlStore) -> None:
    hasty = SqlStore(asked(url, timeout=timeout))
    with closing(hasty), store.writing(biller="b1"), behind(lambda: enter(hasty)) as their:
        error = their.exception(60)
    assert isinstance(error, StoreError)
    assert "too long; try again" in str(error)


def test_a_turn_that_cannot_even_be_asked_for_keeps_no_connection(url: str, store: SqlStore) -> None:
    hasty = SqlStore(asked(url, timeout="0.2"))
    kept = []
    with closing(hasty):
        for _ in range(20):  # more than there are connections
            with pytest.raises(UnicodeEncodeError) as error:
                enter(hasty, "half \ud800 of one")
            kept.append(error)  # as what reports errors does, so that nothing of it is given back by chance
        assert enter(hasty)


def enter(store: SqlStore, biller: str | None = "b1", *, shared: bool = False) -> bool:
    """Write something in a turn."""
    with store.writing(biller=biller, shared=shared) as writer:
        writer.take_numbers(biller or "b1", "invoice", 1, DAY)
    return True


def test_a_statement_the_server_stops_says_so(url: str, store: SqlStore) -> None:
    impatient = SqlStore(asked(url, options="-c statement_timeout=50ms"))
    stopped = pytest.raises(StoreError, match="raise its statement_timeout")
    with closing(impatient), locked(url, "charges"), stopped, impatient.reading() as reader:
        reader.find(Charge, "b1", {})


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Somebody has a whole table for themselves meanwhile."""
    with postgres.rows_of(url) as somebody:
        somebody.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield
        somebody.rollback()


def test_after_a_look_that_failed_nothing_is_taken_for_written(url: str, store: SqlStore) -> None:
    """The server undoes the transaction then, and answers the commit as if nothing were."""
    impatient = SqlStore(asked(url, options="-c statement_timeout=50ms"))

    def swallow() -> None:
        with impatient.writing(biller="b1") as writer:
            writer.take_numbers("b1", "invoice", 5, DAY)
            with suppress(StoreError):
                writer.find(Charge, "b1", {})

    with closing(impatient), locked(url, "charges"), pytest.raises(StoreError, match="statement_timeout"):
        swallow()
    with store.reading() as reader:
        assert reader.counter("b1", "invoice").next == 1


def test_a_database_that_may_only_be_read_is_read_and_says_so_to_writers(url: str, store: SqlStore) -> None:
    ask(url, f"ALTER DATABASE {postgres.name_of(url)} SET default_transaction_read_only = on")
    frozen = SqlStore(url)
    with closing(frozen):
        for _ in range(2):  # the second time on a connection that has read before
            with frozen.reading() as reader:
                assert len(reader.billers()) == 2
            with pytest.raises(StoreError, match="read-only"), frozen.writing(biller="b1") as writer:
                writer.add([samples.charge(HERE, "x1")])


def test_nobody_writes_while_they_read(store: SqlStore) -> None:
    for _ in range(2):
        with store.reading() as reader:
            ask: Any = reader._connection.exec_driver_sql  # type: ignore[attr-defined]
            with pytest.raises(DBAPIError, match="read-only"):
                ask("DELETE FROM charges")
        enter(store)


def test_a_role_without_the_right_is_told_so_and_reads_what_it_may(url: str, store: SqlStore, role: str) -> None:
    ask(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    guest = SqlStore(by(role, url))
    with closing(guest):
        with guest.reading() as reader:
            assert len(reader.billers()) == 2
        with pytest.raises(StoreError, match="grant it the right"), guest.writing(biller="b1") as writer:
            writer.add([samples.charge(HERE, "x1")])
    ask(url, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
    with pytest.raises(StoreError, match="grant it the right"):
        SqlStore(by(role, url))


def test_a_role_that_may_not_create_opens_what_is_new_enough_and_nothing_else(
    url: str, store: SqlStore, role: str
) -> None:
    with pytest.raises(StoreError, match="grant it the right"):
        SqlStore(by(role, url), plan=later())
    ask(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    clerk = SqlStore(by(role, url))
    with closing(clerk):
        assert enter(clerk)


def test_a_schema_that_is_not_there_is_named(empty: str) -> None:
    with pytest.raises(StoreError, match="search_path"):
        SqlStore(asked(empty, options="-c search_path=nowhere"))


def test_a_schema_of_its_own_holds_it(empty: str) -> None:
    ask(empty, "CREATE SCHEMA ours")
    ask(empty, "CREATE TABLE public.invoices (no int)")
    url = asked(empty, options="-c search_path=ours")
    for _ in range(2):
        SqlStore(url).close()
    assert ask(empty, "SELECT version FROM ours.meta") == [(PLAN.newest,)]


@pytest.mark.parametrize(
    "setting",
    ["datestyle = 'German, DMY'", "datestyle = 'SQL'", "client_encoding = 'LATIN1'", "timezone = 'Asia/Tokyo'"],
)
def test_how_a_database_would_rather_show_things_makes_no_difference(setting: str, url: str, store: SqlStore) -> None:
    ask(url, f"ALTER DATABASE {postgres.name_of(url)} SET {setting}")
    other = SqlStore(url)
    mail = samples.message(HERE, "m1", error="Łódź, 3 € – 日本")
    with closing(other):
        with other.writing() as writer:
            writer.add([samples.invoice(HERE, "i1"), mail])
        with other.reading() as reader:
            found = reader.get(type(mail), "b1", ["m1"])
        assert found == {"m1": mail}
        assert found["m1"].queued_at.utcoffset() == timedelta(0)  # or its day would be another, and so its digest


def test_what_the_environment_would_rather_have_makes_no_difference(
    url: str, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGDATESTYLE", "German, DMY")
    test_how_a_database_would_rather_show_things_makes_no_difference("datestyle = 'SQL'", url, store)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
def test_a_database_that_lacks_characters_is_refused_before_anything_is_made(encoding: str) -> None:
    with encoded(encoding) as url:
        with pytest.raises(StoreError, match=rf"has the encoding {encoding}.* ENCODING 'UTF8' TEMPLATE template0"):
            SqlStore(url)
        assert ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_database_that_takes_every_byte_holds_every_character() -> None:
    with encoded("SQL_ASCII") as url, workers.desk(url) as billing:
        park = billing.billers.add(name="Łódź 日本", currency="EUR", timezone="UTC", locale="fr_FR")
        assert billing.billers.get(park.id).name == "Łódź 日本"


@contextmanager
def encoded(encoding: str) -> Iterator[str]:
    """The URL of a new database of an encoding."""
    name = f"ic_{os.getpid()}_{encoding}".lower()
    url = postgres._renamed(postgres.server_url(), name).replace("postgresql://", "postgresql+psycopg://", 1)
    with psycopg.connect(postgres.server_url(), autocommit=True) as server:
        server.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0".encode()
        )
    try:
        yield url
    finally:
        postgres.drop(url)


def test_a_table_that_went_away_is_told_with_what_to_do(url: str, store: SqlStore) -> None:
    ask(url, "ALTER TABLE meta RENAME TO atem")
    for how in (store.reading, store.writing):
        with pytest.raises(StoreError, match=r'"meta" does not exist: a table is gone.*restore a backup'), how():
            pytest.fail("it is not known whose tables these are")


def test_a_role_that_may_not_use_the_schema_is_told_to_be_granted_it(url: str, store: SqlStore, role: str) -> None:
    ask(url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(StoreError, match="is there for this role; create it and grant USAGE on it"):
        SqlStore(by(role, url))


# --- what it says of itself -------------------------------------------------------------------------------------------


def found(store: SqlStore) -> dict[str, Finding]:
    each = {finding.code: finding for finding in store.findings()}
    assert ("writing" in each) != ("writing.refused" in each)
    return each


def test_a_server_that_is_well_says_so(store: SqlStore) -> None:
    told = found(store)
    assert "writing" in told
    assert told["connections"].verdict is Verdict.OK


def test_where_transactions_are_read_only_writing_is_said_to_be_refused(url: str, store: SqlStore) -> None:
    frozen = SqlStore(asked(url, options="-c default_transaction_read_only=on"))
    with closing(frozen):
        told = found(frozen)["writing.refused"]
    assert (told.verdict, told.data["why"]) == (Verdict.PROBLEM, "its transactions are read-only")


@pytest.mark.parametrize("lacking", ["INSERT", "UPDATE", "DELETE"])
def test_a_role_that_may_not_write_everywhere_is_told_where(lacking: str, url: str, store: SqlStore, role: str) -> None:
    ask(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    ask(url, f"REVOKE INSERT, UPDATE, DELETE ON meta FROM {role}")
    clerk = SqlStore(by(role, url))
    with closing(clerk):
        assert "writing" in found(clerk)
        ask(url, f"REVOKE {lacking} ON payments, events FROM {role}")
        assert found(clerk)["writing.refused"].data["why"] == "this role may not write in events, payments"


def test_a_role_like_any_other_counts_the_connections_of_all(url: str, store: SqlStore, role: str) -> None:
    ask(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    clerk = SqlStore(by(role, url))
    with closing(clerk), ExitStack() as others:
        before: Any = found(clerk)["connections"].data["taken"]
        for _ in range(5):
            others.enter_context(postgres.rows_of(url))
        after: Any = found(clerk)["connections"].data["taken"]
    assert after >= before + 5


# --- the way to the server --------------------------------------------------------------------------------------------


def test_a_database_that_is_not_there_is_told_at_once(url: str) -> None:
    with pytest.raises(StoreError, match="createdb"):
        SqlStore(asked(postgres._renamed(url, "not_there"), timeout="600"))


def test_a_role_the_server_does_not_know_is_told_at_once(url: str) -> None:
    with pytest.raises(StoreError, match=r"does not let this role in; check the URL and pg_hba\.conf"):
        SqlStore(by("stranger", url, timeout="600"))


def test_a_server_that_takes_no_more_connections_is_waited_for(url: str, store: SqlStore, role: str) -> None:
    ask(url, f"ALTER ROLE {role} CONNECTION LIMIT 1")
    ask(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    with psycopg.connect(by(role, url).replace("+psycopg", "")) as only:
        with pytest.raises(StoreError, match="takes no more connections; close some"):
            SqlStore(by(role, url, timeout="0.1"))
        with behind(lambda: SqlStore(by(role, url, timeout="600")).close()) as their:
            with pytest.raises(TimeoutError):
                their.result(0.3)  # refused meanwhile, and asking again
            only.close()
            their.result(60)


def test_threads_beyond_the_connections_there_are_wait_for_one(url: str) -> None:
    few = SqlStore(asked(url, timeout="0.05"))
    with closing(few), ThreadPoolExecutor(15) as pool:
        there, leave = threading.Barrier(16), threading.Event()

        def stay() -> None:
            with few.reading():
                there.wait(60)
                leave.wait(60)

        staying = [pool.submit(stay) for _ in range(15)]
        there.wait(60)
        with pytest.raises(StoreError, match="no connection was free in time"), few.reading():
            pytest.fail("a sixteenth connection")
        leave.set()
        for each in staying:
            each.result(60)
        with few.reading() as reader:
            assert reader.billers() == []


@pytest.mark.parametrize("place", ["127.0.0.1:1", "nowhere.invalid"])
def test_a_server_that_is_not_there_is_waited_for_and_then_named(place: str) -> None:
    url = f"postgresql+psycopg://user:{SECRET}@{place}/rent?timeout=0.1"
    with pytest.raises(StoreError, match=rf"user:\*\*\*@{place}/rent cannot be reached.*check the URL") as told:
        SqlStore(url)
    assert type(told.value) is StoreError, "doing it again does not help"
    assert_untold(told.value)


def test_a_server_that_never_answers_is_not_waited_for_longer_than_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        begun = time.monotonic()
        with pytest.raises(StoreError, match="cannot be reached"):
            SqlStore(f"postgresql://user@{host}:{port}/rent?timeout=0.1")
        assert time.monotonic() - begun < 60


SECRET = "s3cret"


def assert_untold(error: BaseException) -> None:
    """The secret is nowhere in an error, nor in how it is printed."""
    assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in repr(vars(error))


@pytest.mark.parametrize(
    "url, told",
    [
        ("postgresql+psycopg://user:s3cret@host", "names no database"),
        ("postgresql+psycopg2://user:s3cret@host/rent", "names no database for psycopg"),
        ("postgresql+asyncpg://user:s3cret@host/rent", "names no database for psycopg"),
        ("postgresql://user:s3cret@host:s3cret/rent", "is not one of a database"),
        ("postgresql:s3cret", "is not one of a database"),
        ("postgresql://user:s3cret@host/rent?timeout=soon", "write .timeout=30"),
        ("postgresql://user:s3cret@host/rent?timeout=-1", "write .timeout=30"),
        ("postgresql://user:s3cret@host/rent?timeout=1&timeout=2", "write .timeout=30"),
        ("postgresql:///rent?host=127.0.0.1&port=1&password=s3cret&timeout=0", "host=127.0.0.1&port=1 cannot be reached"),
        ("postgresql://user:s3cret@/rent?host=/nowhere&colour=s3cret", "colour"),
        ("postgresql://user:one@s3cret@host/rent", "the user and the password as %40"),
        ("postgresql://user:one@s3/s3cret@host/rent", "the user and the password as %40"),
        ("postgresql://user:one?@s3cret@host/rent", "the user and the password as %40"),
        ("postgresql://user@/rent?host=/nowhere&prepare_threshold=s3cret", "no option prepare_threshold"),
        ("postgresql://user@/rent?row_factory=s3cret&cursor_factory=s3cret", "no option cursor_factory, row_factory"),
        ("postgresql://user@/rent?conninfo=password%3Ds3cret", "no option conninfo"),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_opened_says_what_to_write_and_no_password(url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as refused:
        SqlStore(url)
    assert_untold(refused.value)


def test_a_timeout_longer_than_the_server_counts_is_as_long_as_it_does(url: str) -> None:
    SqlStore(asked(url, timeout="99999999999")).close()


def test_without_psycopg_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "invoicecore_adapters.sql.postgres", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'invoicecore\[postgres\]'"):
        Plugins.of(adapter.plugin).store("postgresql+psycopg://user@host/rent")


# --- sessions that end ------------------------------------------------------------------------------------------------


def test_connections_that_died_meanwhile_are_replaced(url: str, store: SqlStore) -> None:
    with store.reading(), store.reading():
        pass  # several are kept
    cut_off(url)
    for _ in range(3):
        with store.reading() as reader:
            assert len(reader.billers()) == 2
    cut_off(url)
    assert enter(store)


def test_a_session_the_server_was_tired_of_is_replaced(url: str) -> None:
    idle = SqlStore(asked(url, options="-c idle_session_timeout=20ms"))
    with closing(idle):
        gone = "SELECT 1 WHERE (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) = 1"
        wait_for(url, gone)
        with idle.reading() as reader:
            assert reader.billers() == []


def test_a_transaction_the_server_was_tired_of_is_undone_and_may_be_done_again(url: str, store: SqlStore) -> None:
    slow = SqlStore(asked(url, options="-c idle_in_transaction_session_timeout=20ms"))

    def dawdle() -> None:
        with slow.writing(biller="b1") as writer:
            writer.take_numbers("b1", "invoice", 1, DAY)
            wait_for(url, "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'idle in transaction'"
                          " AND datname = current_database())")  # fmt: skip
            writer.add([samples.charge(HERE, "x1")])

    with closing(slow), pytest.raises(Interrupted) as told:
        dawdle()
    assert told.value.written is False


def test_a_view_whose_session_ends_after_the_last_look_is_whole(url: str, store: SqlStore) -> None:
    with store.reading() as reader:
        found = reader.billers()
        cut_off(url)
    assert len(found) == 2
    with store.reading() as reader:
        assert reader.billers() == found


LOOKS: dict[str, Callable[[Any], object]] = {
    "look": lambda tx: tx.find(Charge, "b1", {}),
    "bulk": lambda tx: tx.add([samples.charge(HERE, "x1")]),
    "change": lambda tx: tx.replace([HERE.units[0]]),
    "stale": lambda tx: tx.replace([attrs.evolve(HERE.units[0], version=7)]),
    "numbers": lambda tx: tx.take_numbers("b1", "invoice", 1, DAY),
    "claim": lambda tx: tx.due_leases("b1", DAY, after=None, limit=1),
}


@pytest.mark.parametrize("how", LOOKS)
def test_a_session_that_ends_within_a_transaction_has_written_nothing(how: str, url: str, store: SqlStore) -> None:
    def write() -> None:
        with store.writing(biller="b1") as writer:
            writer.take_numbers("b1", "invoice", 3, DAY)
            cut_off(url)
            LOOKS[how](writer)

    with pytest.raises(Interrupted, match="do it again") as told:
        write()
    assert told.value.written is False
    with store.writing(biller="b1") as writer:  # and whoever comes next has a connection that works
        assert writer.take_numbers("b1", "invoice", 3, DAY).next == 1


def test_an_interruption_that_was_swallowed_is_raised_at_the_end(url: str, store: SqlStore) -> None:
    def swallow() -> None:
        with store.writing(biller="b1") as writer:
            cut_off(url)
            with suppress(StoreError):
                writer.find(Charge, "b1", {})

    with pytest.raises(Interrupted):
        swallow()


def test_no_connection_is_lost_however_often_sessions_end(url: str, store: SqlStore) -> None:
    for _ in range(20):  # more than there are
        with suppress(Interrupted), store.writing(biller="b1") as writer:
            cut_off(url)
            writer.add([samples.charge(HERE, "x1")])
        with store.reading() as reader:
            reader.billers()
            cut_off(url)
    assert store._database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]


class Line:
    """The line to a server. It can be told to break at the next commit: that is done, and its answer gets lost."""

    def __init__(self, url: str) -> None:
        self._there = conninfo_to_dict(url.replace("+psycopg", "", 1))
        self._near = socket.create_server(("127.0.0.1", 0))
        self._carriers: list[threading.Thread] = []
        self._over = False
        self.breaks = threading.Event()
        rest = {key: str(value) for key, value in self._there.items() if key not in ("host", "port", "dbname")}
        host, port = self._near.getsockname()
        self.url = asked(f"postgresql+psycopg://{host}:{port}/{self._there['dbname']}", **rest)
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        while True:
            near, _ = self._near.accept()
            if self._over:
                near.close()
                return
            self._carriers.append(threading.Thread(target=self._carry, args=(near, self._reach())))
            self._carriers[-1].start()

    def _reach(self) -> socket.socket:
        host, port = str(self._there.get("host") or "localhost"), int(self._there.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, suppress(OSError):
            while True:
                for source in select.select([near, far], [], [])[0]:
                    data = source.recv(65536)
                    (far if source is near else near).sendall(data)
                    if not data:
                        return
                    if source is near and b"COMMIT\0" in data and self.breaks.is_set():
                        self.breaks.clear()
                        far.recv(1)  # it is done
                        return

    def close(self) -> None:
        """End, once those who talk have."""
        self._over = True
        socket.create_connection(self._near.getsockname()).close()
        for thread in (self._listener, *self._carriers):
            thread.join(60)
        self._near.close()


@pytest.fixture
def line(url: str) -> Iterator[Line]:
    made = Line(url)
    yield made
    made.close()


@pytest.fixture
def desk(url: str, line: Line) -> Iterator[Billing]:
    """A desk at the far end of a line."""
    with workers.desk(line.url) as made:
        yield made


@pytest.fixture
def park(desk: Billing) -> Biller:
    return desk.billers.add(name="Les Pins", currency="EUR", timezone="UTC", locale="fr_FR", preset="stays")


@pytest.fixture
def drafts(desk: Billing, park: Biller) -> list[Invoice]:
    """Ten drafts of ten euros."""
    who = desk.customers.add(biller=park, name="Alice", email="alice@example.com")
    return [desk.invoices.draft(biller=park, customer=who, title=str(n), amount=money(10)) for n in range(10)]


@pytest.mark.rule("N1", "N3")
def test_a_commit_whose_answer_is_lost_says_that_nobody_knows_and_the_key_finds_it(
    desk: Billing, line: Line, drafts: list[Invoice], park: Biller
) -> None:
    line.breaks.set()
    with pytest.raises(Interrupted, match="under the same key, or look first") as told:
        desk.invoices.publish(drafts[0], key="publish 1")
    assert told.value.written is None
    published = desk.invoices.publish(drafts[0], key="publish 1")
    assert published.number == "INV-000001"
    line.breaks.set()
    with pytest.raises(Interrupted) as told:
        desk.payments.record(published, money(4), key="pay 1")
    assert told.value.written is None
    paid = desk.payments.record(published, money(4), key="pay 1")
    assert desk.invoices.get(published).balance == money(6)
    with pytest.raises(KeyReused):
        desk.payments.record(published, money(5), key="pay 1")
    assert all_of(store_of(desk), park, Payment) == [paid]


@pytest.mark.rule("N1", "D6")
def test_without_a_key_looking_tells_whether_it_was_written(
    desk: Billing, line: Line, drafts: list[Invoice], park: Biller
) -> None:
    line.breaks.set()
    with pytest.raises(Interrupted):
        desk.invoices.publish(drafts[0])
    assert desk.invoices.get(drafts[0]).lifecycle is Lifecycle.OPEN
    with pytest.raises(NotAllowed):
        desk.invoices.publish(drafts[0])
    line.breaks.set()
    with pytest.raises(Interrupted):
        desk.payments.record(drafts[0])
    assert desk.invoices.get(drafts[0]).balance == money(0)
    with pytest.raises(NotAllowed):
        desk.payments.record(drafts[0])


def test_a_session_that_ends_at_the_commit_has_written_nothing_though_nobody_knows(
    desk: Billing, url: str, drafts: list[Invoice], park: Biller
) -> None:
    ask(url, "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS"
             " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$")  # fmt: skip
    ask(url, "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED"
             " FOR EACH ROW EXECUTE FUNCTION cut()")  # fmt: skip
    with pytest.raises(Interrupted) as told:
        desk.invoices.publish(drafts[0], key="publish 1")
    assert told.value.written is None
    ask(url, "DROP TRIGGER cut ON events")
    assert desk.invoices.get(drafts[0]) == drafts[0]
    assert desk.invoices.publish(drafts[0], key="publish 1").number == "INV-000001"


@pytest.mark.rule("R11", "N1")
def test_publishing_all_goes_on_after_a_commit_whose_answer_was_lost(
    desk: Billing, line: Line, drafts: list[Invoice], park: Biller
) -> None:
    line.breaks.set()
    report = desk.invoices.publish_all(biller=park)
    assert not line.breaks.is_set()
    assert {each.invoice.id for each in report.published} == {draft.id for draft in drafts}
    assert [each.invoice.number for each in report.published] == [f"INV-{n:06d}" for n in range(1, 11)]
    assert report.failed == ()


# --- who waits for whom -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mine, theirs",
    [
        ({"biller": "b1"}, {"biller": "b2"}),
        ({"biller": "b1", "shared": True}, {"biller": "b1", "shared": True}),
        ({"biller": "b1"}, {"shared": True}),
        ({"shared": True}, {"shared": True}),
    ],
)
def test_these_do_not_wait_for_each_other(mine: dict[str, Any], theirs: dict[str, Any], store: SqlStore) -> None:
    with store.writing(**mine) as writer:
        writer.add([samples.charge(HERE, "mine")])

        def write() -> None:
            with store.writing(**theirs) as other:
                other.add([samples.charge(THERE, "theirs")])

        with behind(write) as their:
            their.result(60)
    with store.reading() as reader:
        assert reader.get(Charge, "b1", ["mine"]).keys() | reader.get(Charge, "b2", ["theirs"]).keys() == {
            "mine",
            "theirs",
        }


@pytest.mark.parametrize(
    "mine, theirs",
    [
        ({"biller": "b1"}, {"biller": "b1"}),
        ({"biller": "b1"}, {"biller": "b1", "shared": True}),
        ({"biller": "b1", "shared": True}, {"biller": "b1"}),
        ({}, {"biller": "b1"}),
        ({"shared": True}, {}),
        ({}, {}),
    ],
)
def test_these_take_turns_and_see_what_was_left(
    mine: dict[str, Any], theirs: dict[str, Any], url: str, store: SqlStore
) -> None:
    def look() -> set[str]:
        with store.writing(**theirs) as other:
            return set(other.get(Charge, "b1", ["mine"]))

    with ThreadPoolExecutor(1) as pool:
        with store.writing(**mine) as writer:
            their = pool.submit(look)
            wait_for(url, WAITING)
            assert not their.done()
            writer.add([samples.charge(HERE, "mine")])
        assert their.result(60) == {"mine"}


@pytest.mark.rule("N2")
def test_writers_side_by_side_are_given_each_number_once(url: str, store: SqlStore) -> None:
    def take() -> int:
        with store.writing(biller="b1", shared=True) as writer:
            return writer.take_numbers("b1", "draft", 1, DAY).next

    assert take() == 1
    with ThreadPoolExecutor(2) as pool:
        with (
            postgres.rows_of(url) as third,
            third.transaction(),
        ):  # has looked at the series, and is about to move it on
            third.execute("SELECT next_number FROM counters FOR UPDATE")
            taken = [pool.submit(take) for _ in range(2)]
            wait_for(url, f"{WAITING} HAVING count(*) = 2")
        assert sorted(each.result(60) for each in taken) == [2, 3]


@pytest.mark.parametrize(
    "claim",
    [
        lambda writer: writer.due_leases("b1", DAY, after=None, limit=9),
        lambda writer: writer.due_leases("b1", DAY, after=None, limit=9, among=("l1", "l1")),
        lambda writer: writer.due_customers("b1", DAY, after=None, limit=9),
        lambda writer: writer.due(Message, "b1", samples.AT, after=None, limit=9),
    ],
    ids=["leases", "leases of a part", "customers", "messages"],
)
def test_what_one_writer_has_claimed_another_one_passes_over(
    claim: Callable[[Writer], Sequence[Record]], store: SqlStore
) -> None:
    with store.writing() as writer:
        writer.replace([attrs.evolve(writer.get(Lease, "b1", ["l1"])["l1"], next_run_on=DAY)])
        writer.replace([attrs.evolve(writer.get(Customer, "b1", ["c1"])["c1"], next_cycle_on=DAY)])
        writer.add([samples.invoice(HERE, "i1"), samples.message(HERE, "m1", next_try_at=samples.AT)])

    def claimed() -> list[str]:
        with store.writing(biller="b1", shared=True) as other:
            return [record.id for record in claim(other)]

    with store.writing(biller="b1", shared=True) as writer:
        [mine] = claim(writer)
        with behind(claimed) as their:
            assert their.result(60) == []
    assert claimed() == [mine.id]


def test_what_refers_to_a_lease_that_a_run_has_does_not_wait_for_it(store: SqlStore) -> None:
    with store.writing() as writer:
        writer.replace([attrs.evolve(writer.get(Lease, "b1", ["l1"])["l1"], next_run_on=DAY)])
    with store.writing(biller="b1", shared=True) as run:
        [claimed] = run.due_leases("b1", DAY, after=None, limit=1)

        def write() -> None:
            with store.writing(biller="b1", shared=True) as other:
                other.add([samples.changed(samples.invoice(HERE, "i1"), lease=claimed.id, period_index=0)])

        with behind(write) as their:
            their.result(60)


@pytest.mark.rule("N2", "S7")
def test_a_lease_that_another_run_has_is_passed_over_and_run_later(url: str) -> None:
    with workers.desk(url) as billing:
        park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="fr_FR", preset="stays")
        who = billing.customers.add(biller=park, name="Alice", email="alice@example.com")
        leases = [
            billing.leases.add(biller=park, customer=who, unit=str(n), rent=money(600), frequency=Frequency.MONTHLY,
                               starts=date(2026, 7, 1), ends=date(2026, 8, 1), anchor_day=1)
            for n in range(3)
        ]  # fmt: skip
        on = date(2026, 7, 1)
        with store_of(billing).writing(biller=park.id, shared=True) as another:
            [claimed] = another.due_leases(park.id, on, after=None, limit=1)
            with behind(lambda: billing.run(on=on)) as their:
                made: Any = their.result(60)
        assert {each.lease for each in made.invoices} == {each.id for each in leases} - {claimed.id}
        later = billing.run(on=on)
        assert [each.lease for each in later.invoices] == [claimed.id]
        assert billing.run(on=on).created == 0
        assert [lease.next_period for lease in all_of(store_of(billing), park, Lease)] == [1, 1, 1]


# --- forks ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # this test forks on purpose
def test_a_fork_leaves_the_connections_of_its_parent_alone(url: str, store: SqlStore) -> None:
    with store.reading(), store.reading():
        pass  # one of them is used while forking, the other is not
    with store.writing(biller="b1") as writer:
        writer.add([samples.charge(HERE, "parent")])
        before = sessions(url)
        child = os.fork()
        if child == 0:
            try:
                with store.writing(biller="b2") as other:
                    other.add([samples.charge(THERE, "child")])
                    own: Any = other._connection.exec_driver_sql("SELECT pg_backend_pid()")  # type: ignore[attr-defined]
                    assert own.scalar_one() not in before
                store.close()
                gc.collect()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert sessions(url) >= before
        assert set(writer.get(Charge, "b1", ["parent"])) == {"parent"}
    with store.reading() as reader:
        assert set(reader.get(Charge, "b1", ["parent"])) == {"parent"}
        assert set(reader.get(Charge, "b2", ["child"])) == {"child"}
    assert sessions(url) >= before


def sessions(url: str) -> set[int]:
    return {pid for (pid,) in ask(url, "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                                       " AND pid <> pg_backend_pid()")}  # fmt: skip


# --- who made this database -------------------------------------------------------------------------------------------


def later() -> Plan:
    """The plan of a later library, whose schema has one more step."""

    def add_notes(connection: Any) -> None:
        connection.exec_driver_sql("CREATE TABLE notes (biller TEXT, id TEXT, PRIMARY KEY (biller, id))")
        connection.exec_driver_sql("INSERT INTO notes SELECT biller, id FROM customers")

    def create(connection: Any) -> None:
        metadata.create_all(connection)
        add_notes(connection)

    step = Step(version=PLAN.newest + 1, title="add notes", apply=add_notes)
    return Plan(create=create, steps=[*PLAN.steps, step])


def test_many_that_open_an_empty_database_at_once_all_get_it_and_one_makes_it(empty: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: SqlStore(empty), range(6)))
    for each in opened:
        with each.reading() as reader:
            assert reader.billers() == []
        each.close()
    assert ask(empty, "SELECT application, version FROM meta") == [(APPLICATION, PLAN.newest)]


def test_an_older_schema_is_brought_forward_once_by_whoever_comes_first(url: str, store: SqlStore) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: SqlStore(url, plan=later()), range(6)))
    for each in opened:
        with each.reading() as reader:
            assert len(reader.billers()) == 2, "what was there is still there"
        each.close()
    assert ask(url, "SELECT count(*) FROM notes") == ask(url, "SELECT count(*) FROM customers")
    with pytest.raises(StoreError, match="upgrade invoicecore"), store.writing(biller="b1"):
        pytest.fail("wrote into a schema it does not know")
    with pytest.raises(StoreError, match="upgrade invoicecore"):
        SqlStore(url)


def test_a_schema_waits_for_those_who_write_and_they_for_it(url: str, store: SqlStore) -> None:
    with ThreadPoolExecutor(1) as pool:
        with store.writing(biller="b1", shared=True) as writer:
            opening = pool.submit(SqlStore, url, plan=later())
            wait_for(url, WAITING)
            writer.add([Customer(id="c9", biller="b1", name="Late")])
        opening.result(60).close()
    assert ("c9",) in ask(url, "SELECT id FROM notes")


def test_opening_goes_on_when_the_session_that_makes_the_schema_ends(empty: str) -> None:
    ended = []

    def create(connection: Any) -> None:
        metadata.create_all(connection)
        if not ended:
            ended.append(True)
            cut_off(empty)
            connection.exec_driver_sql("SELECT 1")

    SqlStore(empty, plan=Plan(create=create, steps=PLAN.steps)).close()
    assert ended
    assert ask(empty, "SELECT version FROM meta") == [(PLAN.newest,)]


@pytest.mark.parametrize("table", ["meta", "invoices"])
def test_somebody_elses_tables_of_our_names_are_left_as_they_are(table: str, empty: str) -> None:
    ask(empty, f"CREATE TABLE {table} (name TEXT, value TEXT)")
    with pytest.raises(StoreError, match=rf"{postgres.name_of(empty)}.* holds other tables \({table}\)"):
        SqlStore(empty)
    assert ask(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [(table,)]


@pytest.mark.parametrize(
    "theirs",
    [
        "VIEW public.events AS SELECT 1 AS x",
        "MATERIALIZED VIEW public.events AS SELECT 1 AS x",
        "SEQUENCE public.events",
        "TABLE public.mine (x int); CREATE INDEX invoices_by_customer ON public.mine (x)",
        "FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE public.events (x int) SERVER s",
    ],
)
def test_whatever_else_has_one_of_our_names_leaves_no_half_made_store(theirs: str, empty: str) -> None:
    ask(empty, f"CREATE {theirs}")
    before = ask(empty, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"already exists: something else has the name of one of ours"):
            SqlStore(empty)
    assert before == ask(empty, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")


@pytest.mark.parametrize(
    "theirs", ["TABLE public.events (x int)", "TABLE public.meta (x int)", "VIEW public.events AS SELECT 1 AS x"]
)
def test_the_first_schema_of_the_path_is_ours_whatever_the_others_hold(theirs: str, empty: str) -> None:
    ask(empty, f"CREATE SCHEMA ours; CREATE {theirs}")
    for _ in range(2):
        with workers.desk(asked(empty, options="-c search_path=ours,public")) as billing:
            billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="fr_FR")
    assert ask(empty, "SELECT count(*) FROM ours.billers") == [(2,)]
    made = ask(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'ours'")
    assert {name for (name,) in made} == set(metadata.tables)


def test_a_store_further_along_the_path_is_neither_hidden_nor_taken_for_that_of_the_first_schema(empty: str) -> None:
    ask(empty, "CREATE SCHEMA ours")
    SqlStore(empty).close()
    with pytest.raises(StoreError, match=r"not in the first schema of its search_path; name the schema"):
        SqlStore(asked(empty, options="-c search_path=ours,public"))
    assert ask(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'ours'") == []


def test_somebody_elses_tables_of_other_names_may_stand_beside_ours(empty: str) -> None:
    ask(empty, "CREATE TABLE photos (id INTEGER PRIMARY KEY, taken_on DATE)")
    ask(empty, "INSERT INTO photos VALUES (1, '2026-01-01')")
    for _ in range(2):
        SqlStore(empty).close()
    assert ask(empty, "SELECT count(*) FROM photos, meta") == [(1,)]
