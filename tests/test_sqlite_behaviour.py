"""What the SQLite file itself is like: transactions, versions, plans, faults, and several processes at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import Connection, event, inspect

from desks import Drawer, Post, Scribe, money
from invoicecore import Billing
from invoicecore.alerts import Alert
from invoicecore.charges import Charge
from invoicecore.collection import Collection
from invoicecore.credits import CreditEntry
from invoicecore.errors import Conflict, InvalidValue, LeaseFrozen, MissingExtra, StoreError
from invoicecore.invoices import Invoice, Status
from invoicecore.leases import Lease
from invoicecore.messages import Message, MessageKind
from invoicecore.money import MAX_MINOR
from invoicecore.payments import Payment, Refund, Reversal, after_note
from invoicecore.plugins import Plugins
from invoicecore.ports import FINDABLE, WAITING, Event, InvoiceQuery, Order, PayLink, Reader
from invoicecore.testing import FixedClock, samples
from invoicecore.testing.samples import DAY, world
from invoicecore_adapters import sql
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.migrations import APPLICATION, FIRST, PLAN, Plan, Step
from invoicecore_adapters.sql.store import SqlStore

HERE = world()
NOW = datetime(2026, 4, 24, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rent.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{path}")
    with made.writing() as writer:
        writer.add(HERE.records)
    yield made
    made.close()


@contextmanager
def sent_by(store: SqlStore) -> Iterator[list[tuple[str, Any]]]:
    """What the store sends meanwhile, with its values."""
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, ___: object, ____: object) -> None:
        sent.append((statement, values))

    event.listen(store._database._engine, "before_cursor_execute", note)
    yield sent
    event.remove(store._database._engine, "before_cursor_execute", note)


def in_processes(count: int, script: str, *arguments: object) -> list[subprocess.CompletedProcess[str]]:
    """Run a script in several processes that begin at the same moment."""
    start = time.time() + 1.0 + count * 0.15
    head = f"import sys, time\nsys.path[:0] = {[p for p in sys.path if p]!r}\n"
    begin = f"\ntime.sleep(max(0, {start} - time.time()))\n"
    imports, _, rest = script.partition("# go\n")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", head + imports + begin + rest, *map(str, arguments), str(n)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]
    done = []
    for child in children:
        out, err = child.communicate(timeout=120)
        done.append(subprocess.CompletedProcess(child.args, child.returncode, out, err))
    return done


# --- transactions -----------------------------------------------------------------------------------------------------


def test_every_connection_has_a_write_ahead_log_foreign_keys_full_sync_and_patience(store: SqlStore) -> None:
    with store._database._engine.connect() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar() == "wal"
        assert ask("PRAGMA foreign_keys").scalar() == 1
        assert ask("PRAGMA synchronous").scalar() == 2
        assert ask("PRAGMA busy_timeout").scalar() == 30_000


def test_writing_begins_immediately_and_reading_does_not_lock_out_writers(store: SqlStore) -> None:
    with sent_by(store) as sent, store.reading() as reader:
        reader.counter("b1", "invoice")
        with store.writing() as writer:
            writer.take_numbers("b1", "invoice", 1, DAY)
    begun = [statement for statement, _ in sent if statement.startswith("BEGIN")]
    assert begun == ["BEGIN", "BEGIN IMMEDIATE"]


@pytest.mark.rule("N1")
def test_reading_before_writing_never_fails_under_other_writers(path: Path, store: SqlStore) -> None:
    others = [SqlStore(f"sqlite:///{path}") for _ in range(4)]  # a pool each, as other processes have

    def publish(one: SqlStore) -> None:
        for _ in range(25):
            with one.writing() as writer:
                before = writer.counter("b1", "invoice")
                assert writer.take_numbers("b1", "invoice", 1, DAY) == before

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(publish, others))
    with store.reading() as reader:
        assert reader.counter("b1", "invoice").next == 101
    for other in others:
        other.close()


def test_a_view_is_that_of_the_moment_its_block_began(store: SqlStore) -> None:
    with store.reading() as reader:
        with store.writing() as writer:
            writer.add([samples.charge(HERE, "x1")])
        assert reader.get(Charge, "b1", ["x1"]) == {}


def test_another_writer_that_does_not_end_is_a_store_error_with_a_way_out(path: Path, store: SqlStore) -> None:
    hurried = SqlStore(f"sqlite:///{path}?timeout=0.1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="try again"), hurried.writing():
            pytest.fail("wrote beside another writer")
        other.execute("ROLLBACK")
    with hurried.writing() as writer:
        writer.take_numbers("b1", "invoice", 1, DAY)
    hurried.close()


def test_another_thread_that_does_not_end_writing_is_a_store_error_with_a_way_out(path: Path, store: SqlStore) -> None:
    hurried = SqlStore(f"sqlite:///{path}?timeout=0.1")
    told: list[BaseException] = []

    def wait() -> None:
        try:
            with hurried.writing():
                pass
        except StoreError as error:
            told.append(error)

    with hurried.writing():
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert "try again" in str(told[0])
    hurried.close()


def test_writing_within_writing_is_refused_at_once(store: SqlStore) -> None:
    with store.writing() as writer:
        with pytest.raises(StoreError, match="writing already"), store.writing():
            pytest.fail("two transactions of one thread")
        writer.add([samples.charge(HERE, "x1")])
    with store.reading() as reader:
        assert set(reader.get(Charge, "b1", ["x1"])) == {"x1"}


def test_a_transaction_that_is_over_and_a_store_that_is_closed_say_so(store: SqlStore) -> None:
    with store.writing() as writer:
        pass
    with pytest.raises(StoreError, match="over"):
        writer.take_numbers("b1", "invoice", 1, DAY)
    with store.reading() as reader:
        pass
    with pytest.raises(StoreError, match="over"):
        reader.billers()
    store.close()
    with pytest.raises(StoreError, match="closed"), store.reading():
        pytest.fail("read from a closed store")


def test_what_refers_to_nothing_is_a_conflict_that_says_what(store: SqlStore) -> None:
    with pytest.raises(Conflict, match="invoices refers to customers"), store.writing() as writer:
        writer.add([samples.invoice(HERE, "i1", customer="nobody")])
    with store.reading() as reader:
        assert reader.invoices(InvoiceQuery(biller="b1", on=DAY)) == []


def test_what_does_not_wait_is_never_due(store: SqlStore) -> None:
    with store.reading() as reader, pytest.raises(InvalidValue, match="does not wait"):
        reader.due(Payment, "b1", NOW, after=None, limit=1)


def test_of_what_was_read_only_the_columns_that_differ_are_set(store: SqlStore) -> None:
    with sent_by(store) as sent, store.writing() as writer:
        found = writer.get(Lease, "b1", ["l1", "l2"])
        first = attrs.evolve(found["l1"], next_period=5, next_run_on=DAY)
        writer.replace([first, attrs.evolve(found["l2"], next_period=5, invoiced=not found["l2"].invoiced)])
    [narrow] = [statement for statement, _ in sent if statement.startswith("UPDATE")]
    changed = narrow.partition(" SET ")[2].partition(" WHERE ")[0]
    assert changed == "next_period = ?, next_run_on = ?, invoiced = ?, version = version + 1", (
        "a column that is set costs its index and its foreign key"
    )
    with sent_by(store) as sent, store.writing() as writer:  # what was not read may differ in any
        writer.replace([attrs.evolve(first, rent=HERE.money(5), version=2)])
    [wide] = [statement for statement, _ in sent if statement.startswith("UPDATE")]
    assert "rent_minor = ?" in wide
    assert "customer = ?" in wide
    with store.reading() as reader:
        stored = reader.get(Lease, "b1", ["l1", "l2"])
    assert stored["l1"] == attrs.evolve(first, rent=HERE.money(5), version=3)
    assert stored["l2"] == attrs.evolve(found["l2"], next_period=5, invoiced=not found["l2"].invoiced, version=2)


def test_what_was_read_before_it_was_changed_in_the_same_transaction_is_no_measure(store: SqlStore) -> None:
    with store.writing() as writer:
        was = writer.get(Lease, "b1", ["l1"])["l1"]
        writer.replace([attrs.evolve(was, next_period=5)])
        writer.replace([attrs.evolve(was, version=2)])  # as it was at first
    with store.reading() as reader:
        assert reader.get(Lease, "b1", ["l1"])["l1"] == attrs.evolve(was, version=3)


@pytest.mark.rule("R14")
def test_lines_are_written_again_for_drafts_only(store: SqlStore) -> None:
    draft, published = samples.invoice(HERE, "i1"), samples.invoice(HERE, "i2", number="INV-1")
    with store.writing() as writer:
        writer.add([draft, published])
    with sent_by(store) as sent, store.writing() as writer:
        writer.replace([published])
    assert not [statement for statement, _ in sent if " lines" in statement]
    with store.writing() as writer:
        writer.replace([attrs.evolve(draft, lines=())])
    with store.reading() as reader:
        assert reader.get(Invoice, "b1", ["i1"])["i1"].lines == ()


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("M8", "D1")
def test_a_person_can_read_the_tables(path: Path, store: SqlStore) -> None:
    with store.writing() as writer:
        writer.add([samples.invoice(HERE, "i1", number="INV-1", amount=1250, paid=250)])
    with closing(sqlite3.connect(path)) as person:
        row = person.execute(
            "SELECT number, currency, total_minor, paid_minor, due_on, phase, c.name, l.description FROM invoices i"
            " JOIN customers c ON c.biller = i.biller AND c.id = i.customer"
            " JOIN lines l ON l.biller = i.biller AND l.invoice = i.id"
        ).fetchone()
        assert row == ("INV-1", "EUR", 1250, 250, "2026-04-24", "due", "Customer 1", "Rent")
        assert person.execute("PRAGMA foreign_key_check").fetchall() == []
        assert person.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.rule("T1")
def test_every_key_and_every_index_begins_with_the_biller(store: SqlStore) -> None:
    with store._database._engine.connect() as connection:
        tables = inspect(connection)
        for name in metadata.tables:
            if name in ("billers", "meta"):  # the biller itself; the schema's version
                continue
            assert tables.get_pk_constraint(name)["constrained_columns"][0] == "biller", name
            for index in tables.get_indexes(name):
                if index["name"] == "pay_links_by_token":  # who has a token knows no biller
                    continue
                assert index["column_names"][0] == "biller", index
            for reference in tables.get_foreign_keys(name):
                assert reference["constrained_columns"][0] == "biller", reference


@pytest.mark.rule("R16")
def test_sums_pass_64_bits(store: SqlStore) -> None:
    with store.writing() as writer:
        writer.add([samples.invoice(HERE, f"i{n}", number=f"{n}", amount=MAX_MINOR, paid=3) for n in range(5)])
    with store.reading() as reader:
        sums = reader.sums(InvoiceQuery(biller="b1", on=DAY))
    assert (sums.total, sums.paid, sums.open) == (5 * MAX_MINOR, 15, 5 * (MAX_MINOR - 3))


def test_the_urls_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    odd = "a file #1 100%?.db".replace("?", "")
    for url, file in (("sqlite:///near.db", "near.db"), (f"sqlite:///{tmp_path}/{odd}", odd)):
        store = sql.open_sql(url)
        with store.writing() as writer:
            writer.add([HERE.biller])
        monkeypatch.chdir("/")  # a relative path is that of the moment it was opened
        with store.reading() as reader:
            assert len(reader.billers()) == 1
        store.close()
        monkeypatch.chdir(tmp_path)
        assert (tmp_path / file).exists()
        sql.open_sql(url).close()


@pytest.mark.parametrize(
    "url, told",
    [
        ("sqlite://", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite:///file:x?mode=memory", "memory://"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder"),
        ("sqlite:////tmp", "is a folder"),
        ("sqlite:///x.db?cache=shared", "timeout"),
        ("sqlite://host/x.db", "sqlite:///"),
        ("mysql:///x.db", "sqlite:///"),
    ],
)
def test_a_url_that_cannot_be_opened_says_what_to_write(url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told):
        SqlStore(url)


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE photos (id INTEGER PRIMARY KEY, taken_on DATE)")
        theirs.execute("INSERT INTO photos VALUES (1, '2026-01-01')")
        theirs.commit()


def foreign_meta(path: Path) -> None:
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE meta (name TEXT, value TEXT)")
        theirs.commit()


def foreign_in_wal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("PRAGMA journal_mode = WAL")
    foreign(path)


def newer(path: Path) -> None:
    SqlStore(f"sqlite:///{path}", plan=Plan(steps=[Step(version=99, title="tomorrow", apply=nothing)])).close()


def text(path: Path) -> None:
    path.write_text("unit,number\nu1,1\n")


def long_text(path: Path) -> None:
    path.write_text("unit,number\nu1,1\n" * 1000)


def nothing(connection: Connection) -> None:
    pass


@pytest.mark.parametrize(
    "make, told",
    [
        (foreign, "photos"),
        (foreign_meta, "meta"),
        (foreign_in_wal, "photos"),
        (newer, "99"),
        (text, "not an SQLite"),
        (long_text, "not an SQLite"),
    ],
)
def test_somebody_elses_or_a_newer_file_is_refused_and_left_as_it_is(
    make: Callable[[Path], None], told: str, path: Path
) -> None:
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=told) as refused:
        SqlStore(f"sqlite:///{path}")
    assert str(path) in str(refused.value)
    assert path.read_bytes() == before


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    SqlStore(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as person:
        assert person.execute("SELECT application, version FROM meta").fetchall() == [(APPLICATION, PLAN.newest)]


def test_eight_processes_that_open_a_new_file_at_once_all_get_it(path: Path) -> None:
    script = """
from invoicecore_adapters.sql import store
# go
made = store.SqlStore(f"sqlite:///{sys.argv[1]}")
with made.reading() as reader:
    print(len(reader.billers()))
"""
    done = in_processes(8, script, path)
    assert [(child.returncode, child.stdout) for child in done] == [(0, "0\n")] * 8, done[0].stderr


@pytest.mark.rule("N1", "N2")
def test_eight_processes_that_publish_leave_no_gap_though_some_fail(path: Path, store: SqlStore) -> None:
    script = """
from invoicecore.testing import samples
from invoicecore_adapters.sql import store
# go
here, me = samples.world(), sys.argv[2]
made = store.SqlStore(f"sqlite:///{sys.argv[1]}")
for turn in range(20):
    try:
        with made.writing() as writer:
            n = writer.take_numbers("b1", "invoice", 2, samples.DAY).next
            writer.add([samples.invoice(here, f"{me}-{turn}-{i}", number=f"{n + i:06d}") for i in (0, 1)])
            if turn % 5 == int(me) % 5:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
"""
    done = in_processes(8, script, path)
    assert [child.returncode for child in done] == [0] * 8, [child.stderr for child in done]
    with store.reading() as reader:
        found = reader.invoices(InvoiceQuery(biller="b1", on=DAY, order=Order.NUMBER))
        assert [invoice.number for invoice in found] == [f"{n:06d}" for n in range(1, 8 * 16 * 2 + 1)]
        assert reader.counter("b1", "invoice").next == 8 * 16 * 2 + 1


def test_a_process_killed_within_a_transaction_leaves_nothing_of_it(path: Path, store: SqlStore) -> None:
    script = """
import os, signal
from invoicecore.testing import samples
from invoicecore_adapters.sql import store
# go
made = store.SqlStore(f"sqlite:///{sys.argv[1]}")
with made.writing() as writer:
    writer.add([samples.invoice(samples.world(), f"i{n:05d}", number=f"{n}") for n in range(5000)])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (done,) = in_processes(1, script, path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with store.writing() as writer:
        assert writer.invoices(InvoiceQuery(biller="b1", on=DAY)) == []
        writer.add([samples.invoice(HERE, "i00001", number="1")])
    with closing(sqlite3.connect(path)) as person:
        assert person.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # this test forks on purpose
def test_a_store_works_on_both_sides_of_a_fork(store: SqlStore) -> None:
    with store.reading() as reader:
        assert len(reader.billers()) == 1
    child = os.fork()
    if child == 0:
        try:
            with store.writing() as writer:
                writer.add([samples.charge(HERE, "child")])
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with store.writing() as writer:
        writer.add([samples.charge(HERE, "parent")])
        assert set(writer.get(Charge, "b1", ["child", "parent"])) == {"child", "parent"}


# --- schema versions --------------------------------------------------------------------------------------------------


def later(apply: Callable[[Connection], None], version: int = PLAN.newest + 1) -> Plan:
    """The plan of a later library, whose schema has one more step."""

    def create(connection: Connection) -> None:
        metadata.create_all(connection)
        apply(connection)

    return Plan(create=create, steps=[*PLAN.steps, Step(version=version, title="add notes", apply=apply)])


def add_notes(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE notes (biller TEXT, id TEXT, PRIMARY KEY (biller, id))")
    connection.exec_driver_sql("INSERT INTO notes SELECT biller, id FROM customers")
    time.sleep(0.05)


def test_an_older_schema_is_brought_forward_once_by_whoever_comes_first(path: Path, store: SqlStore) -> None:
    url, plan = f"sqlite:///{path}", later(add_notes)
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: SqlStore(url, plan=plan), range(6)))
    for each in opened:
        with each.reading() as reader:
            assert len(reader.billers()) == 1, "what was there is still there"
        each.close()
    with closing(sqlite3.connect(path)) as person:
        assert person.execute("SELECT version FROM meta").fetchall() == [(PLAN.newest + 1,)]
        assert person.execute("SELECT count(*) FROM notes").fetchone() == (3,)


def test_several_steps_are_taken_in_turn_and_a_new_file_starts_at_the_end(path: Path, store: SqlStore) -> None:
    taken: list[int] = []
    numbers = [PLAN.newest + n for n in (1, 2, 3)]
    steps = [Step(version=n, title=f"{n}", apply=lambda _, n=n: taken.append(n)) for n in numbers]  # type: ignore[misc]  # binds the loop's value
    SqlStore(f"sqlite:///{path}", plan=Plan(steps=steps[:2])).close()
    SqlStore(f"sqlite:///{path}", plan=Plan(steps=steps)).close()
    assert taken == numbers
    SqlStore(f"sqlite:///{path.with_name('new.db')}", plan=Plan(steps=steps)).close()
    assert taken == numbers


def test_a_step_that_fails_is_taken_back_whole(path: Path, store: SqlStore) -> None:
    def half(connection: Connection) -> None:
        add_notes(connection)
        connection.exec_driver_sql("ALTER TABLE customers ADD COLUMN note TEXT")
        connection.exec_driver_sql("SELECT this FROM nowhere")

    with pytest.raises(StoreError, match=rf"migration {PLAN.newest + 1} \(add notes\) failed"):
        SqlStore(f"sqlite:///{path}", plan=later(half))
    with closing(sqlite3.connect(path)) as person:
        assert person.execute("SELECT version FROM meta").fetchall() == [(PLAN.newest,)]
        tables = {name for (name,) in person.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == set(metadata.tables)
        assert "note" not in {row[1] for row in person.execute("PRAGMA table_info(customers)")}
    with store.reading() as reader:  # and this library still works with it
        assert len(reader.billers()) == 1


def test_a_store_that_is_open_stops_when_a_newer_library_has_moved_on(path: Path, store: SqlStore) -> None:
    SqlStore(f"sqlite:///{path}", plan=later(add_notes)).close()
    with pytest.raises(StoreError, match="upgrade invoicecore"), store.writing():
        pytest.fail("wrote into a schema it does not know")
    with pytest.raises(StoreError, match="upgrade invoicecore"), store.reading():
        pytest.fail("read a schema it does not know")


def test_a_store_that_is_open_stops_when_an_older_backup_was_put_back(path: Path, store: SqlStore) -> None:
    with closing(sqlite3.connect(path)) as person:
        person.execute(f"UPDATE meta SET version = {PLAN.newest - 1}")
        person.commit()
    with pytest.raises(StoreError, match=f"went back to schema version {PLAN.newest - 1}.*open the store again"):
        store.writing().__enter__()


def test_a_version_that_is_no_number_is_refused(path: Path, store: SqlStore) -> None:
    with closing(sqlite3.connect(path)) as person:
        person.execute("UPDATE meta SET version = 'seven'")
        person.commit()
    with pytest.raises(StoreError, match="'seven', which is no number; restore a backup"):
        SqlStore(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="'seven', which is no number; restore a backup"), store.reading():
        pytest.fail("read a schema it does not know")


def written_by(version: int, path: Path) -> Path:
    """A file that an older library wrote: tests/data has what each schema left behind."""
    with closing(sqlite3.connect(path)) as person:
        person.executescript((Path(__file__).parent / "data" / f"schema-{version}.sql").read_text("utf-8"))
        assert person.execute("SELECT version FROM meta").fetchall() == [(version,)]
    return path


@pytest.fixture
def old(path: Path) -> Path:
    """A file that the first schema's library wrote, with three billers, their invoices and four e-mails."""
    return written_by(FIRST, path)


def shape_of(path: Path) -> dict[str, object]:
    """Every table's columns in order and every index's columns, as a stranger sees them."""
    with closing(sqlite3.connect(path)) as person:
        names = person.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
        columns = {
            name: [(c[1], c[3], c[5]) for c in person.execute(f"PRAGMA table_info({name})")]
            for kind, name in names
            if kind == "table"
        }
        indexes = {
            name: (
                [row[2] for row in person.execute(f"PRAGMA index_info({name})")],
                person.execute(
                    "SELECT tbl_name, sql LIKE '%UNIQUE%', substr(sql, instr(sql || ' WHERE ', ' WHERE ')) "
                    "FROM sqlite_master WHERE name = ?",
                    (name,),
                ).fetchone(),
            )
            for kind, name in names
            if kind == "index"
        }
        return {"columns": columns, "indexes": indexes, "references": {
            name: sorted(row[2:5] for row in person.execute(f"PRAGMA foreign_key_list({name})")) for name in columns
        }}  # fmt: skip


@pytest.mark.parametrize("version", range(FIRST, PLAN.newest))
def test_every_older_schema_becomes_what_a_new_file_has(version: int, path: Path, tmp_path: Path) -> None:
    old = written_by(version, path)
    SqlStore(f"sqlite:///{old}").close()
    SqlStore(f"sqlite:///{tmp_path / 'new.db'}").close()
    assert shape_of(old) == shape_of(tmp_path / "new.db")
    with closing(sqlite3.connect(old)) as person:
        assert person.execute("SELECT version FROM meta").fetchall() == [(PLAN.newest,)]
        assert person.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert person.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.rule("R7", "N1", "C8")
def test_what_the_first_schema_kept_is_still_there_and_its_e_mails_go_out(old: Path) -> None:
    post = Post()
    given = {"mailer": post, "renderer": Drawer(), "composer": Scribe()}
    with Billing.open(f"sqlite:///{old}", clock=FixedClock(NOW), plugins=Plugins.of(sql.plugin), **given) as billing:  # type: ignore[arg-type]  # parts by name
        queued = [message for each in billing.billers.all() for message in billing.messages.find(biller=each)]
        assert [(m.state.value, m.tries, m.next_try_at, m.version) for m in queued] == [
            ("queued", 0, m.queued_at, 1) for m in queued
        ]
        report = billing.deliver()
        assert (report.sent, report.cancelled, report.deferred) == (3, 1, 0)
        assert sorted(mail.to for mail in post.sent) == ["alice@example.com", "noah@example.com", "noah@example.com"]
        assert {mail.id for mail in post.sent} <= {message.id for message in queued}
        condo = next(each for each in billing.billers.all() if each.name == "Maple Court")
        assert billing.invoices.outstanding(biller=condo) == money("110.00", "CAD")
        [draft] = billing.invoices.find(biller=condo, status="draft").items
        assert billing.invoices.publish(draft, on=date(2026, 3, 2)).number == "INV-000003"
        edited = billing.billers.edit(condo, policy={"reminders": (7,)})
        assert edited.policy.reminders == (7,)


@pytest.mark.rule("M9", "P5")
def test_notes_of_the_third_schema_are_for_the_end_of_their_lease_where_it_has_ended(path: Path) -> None:
    with Billing.open(f"sqlite:///{written_by(3, path)}", clock=FixedClock(NOW), plugins=Plugins.of(sql.plugin)) as old:
        park = next(each for each in old.billers.all() if each.name == "Les Pins")
        notes = old.credit_notes.find(biller=park)
        ended = date(2026, 5, 20)
        assert [(n.number, n.lease_ends) for n in notes] == [
            ("CN-000001", ended), ("CN-000002", None), ("CN-000003", ended),
        ]  # fmt: skip
        leases = old.leases.find(biller=park)
        assert [old.credit_notes.propose(lease) for lease in leases] == [[], []]
        with pytest.raises(LeaseFrozen, match="CN-000003 credited days after it"):
            old.leases.end(leases[0], date(2026, 5, 31))


@pytest.mark.rule("M9", "P5")
@pytest.mark.parametrize("ends, known", [("2026-05-30", date(2026, 5, 30)), ("2026-05-31", None), ("2026-07-15", None)])
def test_a_note_of_the_third_schema_is_for_no_end_that_left_what_was_billed_whole(
    ends: str, known: date | None, path: Path
) -> None:
    with closing(sqlite3.connect(written_by(3, path))) as person, person:
        person.execute("UPDATE leases SET ends = ? WHERE ends IS NULL", (ends,))
    with Billing.open(f"sqlite:///{path}", clock=FixedClock(NOW), plugins=Plugins.of(sql.plugin)) as old:
        park = next(each for each in old.billers.all() if each.name == "Les Pins")
        assert {n.number: n.lease_ends for n in old.credit_notes.find(biller=park)}["CN-000002"] == known


@pytest.mark.rule("D3", "S12", "R16", "T2")
def test_what_the_second_schema_kept_counts_as_it_did_and_can_be_collected(path: Path) -> None:
    written_by(2, path)
    store = SqlStore(f"sqlite:///{path}")
    with closing(store), store.writing() as writer:
        billers = {biller.name: biller for biller in writer.billers()}
        on = date(2026, 4, 24)
        sums = {name: writer.sums(InvoiceQuery(biller=biller.id, on=on)) for name, biller in billers.items()}
        # As the library of that schema summed them.
        assert {name: (s.total, s.paid, s.refunded, s.open, s.overdue) for name, s in sums.items()} == {
            "Harley & Co": (8_000, 0, 8_000, 0, 0),
            "Les Pins": (62_000, 0, 0, 0, 62_000),
            "Maple Court": (106_234, 34_000, 12_000, 0, 60_234),
        }
        condo = billers["Maple Court"]
        # A credit note's number is none of the invoices', whose prefix is what credit notes have by default.
        assert (condo.policy.number_prefix, condo.policy.credit_note_prefix) == ("CN-", "CRN-")
        assert billers["Les Pins"].policy.credit_note_prefix == "CN-"
        [bounced] = writer.find(Reversal, condo.id, {})
        assert (bounced.kind, bounced.reference, bounced.cancelled_on, bounced.version) == ("by_hand", "", None, 1)
        refunds = [refund for biller in billers.values() for refund in writer.find(Refund, biller.id, {})]
        assert [(r.state, r.gateway, r.next_try_at, r.tries, r.version) for r in refunds] == [
            ("succeeded", None, None, 0, 1)
        ] * 3
        payments = writer.find(Payment, condo.id, {})
        assert [payment.collection for payment in payments] == [None] * 3
        assert [len(writer.find(PayLink, biller.id, {})) for biller in billers.values()].count(0) == 1
        [reminder] = writer.due(Message, billers["Les Pins"].id, NOW, after=None, limit=9)
        assert reminder.kind is MessageKind.REMINDER
        # What is new works on what is old.
        writer.replace([attrs.evolve(bounced, cancelled_on=on)])
        again = attrs.evolve(bounced, id="again", version=1)
        writer.add([again, attrs.evolve(again, id="and undone", cancelled_on=on)])
        [roof] = [each for each in writer.invoices(InvoiceQuery(biller=condo.id, on=on)) if each.title == "Roof"]
        theirs = (samples.collection(HERE, "o1"), samples.credit_note(HERE, "n1"))
        writer.add([samples.changed(each, biller=condo.id, invoice=roof.id, customer=None) for each in theirs])
        writer.replace([attrs.evolve(roof, facts=after_note(roof.facts, money("10.00", "CAD")))])
        after = writer.sums(InvoiceQuery(biller=condo.id, on=on))
        assert (after.total, after.overdue) == (105_234, 59_234)


def test_four_processes_that_open_an_old_file_at_once_all_get_the_new_one(old: Path, tmp_path: Path) -> None:
    script = """
from invoicecore.messages import Message
from invoicecore_adapters.sql import store
# go
made = store.SqlStore(f"sqlite:///{sys.argv[1]}")
with made.reading() as reader:
    print(sum(len(reader.find(Message, biller.id, {"state": "queued"})) for biller in reader.billers()))
"""
    done = in_processes(4, script, old)
    assert [(child.returncode, child.stdout) for child in done] == [(0, "4\n")] * 4, [c.stderr for c in done]
    SqlStore(f"sqlite:///{tmp_path / 'new.db'}").close()
    assert shape_of(old) == shape_of(tmp_path / "new.db")


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_a_store_error_and_loses_nothing(path: Path, store: SqlStore) -> None:
    with store._database._engine.connect() as connection:  # the pool's only connection, used again below
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(StoreError, match="disk is full"), store.writing() as writer:
        writer.add([samples.charge(HERE, f"x{n}") for n in range(5000)])
    with store._database._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    with store.writing() as writer:
        assert writer.find(Charge, "b1", {}) == []
        writer.add([samples.charge(HERE, "x1")])


def test_a_damaged_file_is_a_store_error(path: Path, store: SqlStore) -> None:
    with store.writing() as writer:
        writer.add([samples.charge(HERE, f"x{n:04d}", description="Consultation " * 20) for n in range(500)])
    store.close()
    whole = bytearray(path.read_bytes())
    for at in range(4096 * 60, len(whole)):
        whole[at] = 0xA5
    path.write_bytes(whole)

    def read() -> None:
        damaged = SqlStore(f"sqlite:///{path}")
        with closing(damaged), damaged.reading() as reader:
            reader.find(Charge, "b1", {})
            reader.find(Charge, "b1", {"state": "open"})

    with pytest.raises(StoreError, match="restore a backup"):
        read()


def test_without_sqlalchemy_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtra, match=r"invoicecore\[sql\]"):
        Plugins.of(sql.plugin).store("sqlite:///x.db")


def test_offering_the_store_does_not_load_sqlalchemy() -> None:
    script = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; import invoicecore_adapters.sql as s; s.plugin.stores()"
    ask = f"{script}; print('sqlalchemy' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60)
    assert child.stdout == "False\n", child.stderr


# --- plans: asked of the database, not of a clock ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """A store that is only asked."""
    made = SqlStore(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'rent.db'}")
    with made.writing() as writer:
        writer.add(HERE.records)
        writer.add([samples.credit(HERE, 1), Event(biller="b1", subject="i1", version=1, action="x", at=NOW, on=DAY)])
    yield made
    made.close()


def plans(store: SqlStore, question: Callable[[Reader], object]) -> list[str]:
    """The steps SQLite takes for each statement of a question."""
    with store.reading() as reader:
        with sent_by(store) as sent:
            question(reader)
        connection = reader._connection.connection  # type: ignore[attr-defined]  # the store's own reader
        steps = []
        for statement, values in sent:
            rows = connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            steps.append(" / ".join(row[3] for row in rows if row[3] != "SCAN CONSTANT ROW"))
    assert steps, "nothing was asked"
    return steps


def asked(**wanted: Any) -> Callable[[Reader], object]:
    """A page of invoices."""
    return lambda reader: reader.invoices(InvoiceQuery(biller="b1", on=DAY, limit=50, **wanted))


PLACES: dict[str, tuple[Any, str]] = {
    "created": ("i1", "i1"),
    "due": (DAY, "i1"),
    "number": ("1", "i1"),
    "total": (1, "i1"),
}
LIVE = (Status.DRAFT, Status.OPEN, Status.OVERDUE, Status.PENDING)


@pytest.mark.rule("S10")
@pytest.mark.parametrize("further", [False, True], ids=["first page", "further page"])
@pytest.mark.parametrize("order", list(Order))
def test_every_order_walks_an_index(order: Order, further: bool, quiet: SqlStore) -> None:
    after = PLACES[order.value.lstrip("-")] if further else None
    (plan,) = plans(quiet, asked(order=order, after=after))
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan
    if further:
        assert any(bound in plan for bound in ("id>", "id<", "(due_on,id)", "number>", "(total_minor,id)")), plan


@pytest.mark.rule("D5", "S10")
@pytest.mark.parametrize("further", [False, True], ids=["first page", "further page"])
@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("statuses", [*([one] for one in Status), [Status.OPEN, Status.PENDING], LIVE], ids=str)
def test_every_status_is_found_by_index_in_every_order(
    statuses: list[Status], order: Order, further: bool, quiet: SqlStore
) -> None:
    after = PLACES[order.value.lstrip("-")] if further else None
    (plan,) = plans(quiet, asked(order=order, after=after, status=frozenset(statuses)))
    assert "SCAN" not in plan
    by_status = "phase=?" in plan
    if order.value.lstrip("-") in ("created", "due"):
        assert by_status
        assert "TEMP B-TREE" not in plan, "a list by status is in order of creation or due date as it comes"
    else:
        # No index has both; what is not settled yet is little and sorted, the settled rest is met soon in order.
        assert by_status == set(statuses).issubset(LIVE), plan
        assert ("TEMP B-TREE" in plan) == by_status


@pytest.mark.rule("S10", "T2")
@pytest.mark.parametrize("status", [frozenset(), frozenset({Status.OVERDUE}), frozenset({Status.DRAFT, Status.OPEN})])
@pytest.mark.parametrize("order", [Order.CREATED, Order.DUE_DESC, Order.NUMBER, Order.TOTAL])
@pytest.mark.parametrize(
    "wanted, used",
    [
        ({"customers": ("c1",)}, "customer=?"),
        ({"customers": ("c1", "c2")}, "customer=?"),
        ({"customers": ("c1",), "published": True}, "customer=?"),
        ({"customers": ("c1",), "payable": True}, "customer=?"),
        ({"customers": ("c1",), "drafted_on": DAY}, "customer=?"),
        ({"unit": "u1"}, "unit=?"),
        ({"lease": "l1"}, "lease=?"),
        ({"lease": "l1", "period_index": 3}, "lease=? AND period_index=?"),
        ({"leases": ("l1", "l2"), "drafted_on": DAY, "claims": True}, "lease>? AND lease<?"),
        ({"leases": ("l1", "l2"), "customers": ("c1",)}, "customer=?"),
        ({"lease": "l1", "unit": "u1", "customers": ("c1",)}, "lease=?"),
        ({"booking": "k1"}, "booking=?"),
        ({"group": "g1"}, "booking_group=?"),
        ({"number": "INV-1"}, "number=?"),
        ({"drafted_on": DAY}, "drafted_on=?"),
    ],
    ids=str,
)
def test_every_filter_uses_the_index_that_leaves_fewest(
    wanted: dict[str, Any], used: str, order: Order, status: frozenset[Status], quiet: SqlStore
) -> None:
    for plan in (
        *plans(quiet, asked(order=order, status=status, **wanted)),
        *plans(quiet, asked(order=order, status=status, after=PLACES[order.value.lstrip("-")], **wanted)),
    ):
        assert f"(biller=? AND {used}" in plan
        assert "SCAN" not in plan
        one_customer = len(wanted.get("customers", ())) < 2
        one_by_one = used.startswith("lease") or "number" in wanted
        if order is Order.CREATED and not one_by_one and one_customer:
            assert "TEMP B-TREE" not in plan, "these indexes end with the id"


@pytest.mark.rule("R16", "S13")
@pytest.mark.parametrize("wanted, used", [({}, "phase=?"), ({"lease": "l1"}, "lease=?")], ids=str)
def test_sums_walk_the_index_of_each_status_or_of_a_filter(wanted: dict[str, Any], used: str, quiet: SqlStore) -> None:
    (plan,) = plans(quiet, lambda reader: reader.sums(InvoiceQuery(biller="b1", on=DAY, **wanted)))
    assert "SCAN" not in plan
    assert plan.count("SEARCH invoices") == plan.count(f"(biller=? AND {used}")


@pytest.mark.rule("S4", "C9")
@pytest.mark.parametrize("after", [None, (DAY - timedelta(days=3), "x")], ids=["first page", "further page"])
def test_what_is_due_is_walked_in_order(after: tuple[date, str] | None, quiet: SqlStore) -> None:
    leases = plans(quiet, lambda reader: reader.due_leases("b1", DAY, after=after, limit=5))
    customers = plans(quiet, lambda reader: reader.due_customers("b1", DAY, after=after, limit=5))
    for plan in (*leases, *customers):
        assert "next_" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.rule("S4", "N4")
@pytest.mark.parametrize("after", [None, (DAY - timedelta(days=3), "l4")], ids=["first page", "further page"])
def test_a_part_of_what_is_due_is_a_walk_along_the_leases(after: tuple[date, str] | None, quiet: SqlStore) -> None:
    (plan,) = plans(quiet, lambda reader: reader.due_leases("b1", DAY, after=after, limit=5, among=("l1", "l9")))
    assert plan == "SEARCH leases USING INDEX sqlite_autoindex_leases_1 (biller=? AND id>? AND id<?)"


@pytest.mark.rule("S4", "N4")
def test_what_is_due_is_cut_from_its_index_alone(quiet: SqlStore) -> None:
    (plan,) = plans(quiet, lambda reader: reader.due_spans("b1", DAY, size=1000))
    assert "SEARCH leases USING COVERING INDEX leases_by_next_run_on (biller=? AND next_run_on<?)" in plan
    assert "SCAN leases" not in plan


@pytest.mark.rule("S10", "T1")
@pytest.mark.parametrize("kind, field", [(kind, field) for kind, fields in FINDABLE.items() for field in fields])
@pytest.mark.parametrize("several", [False, True], ids=["one value", "several"])
def test_every_findable_field_has_its_index(kind: type[Any], field: str, several: bool, quiet: SqlStore) -> None:
    where: dict[str, Any] = {field: ["a", "b"] if several else "a"}
    for plan in plans(quiet, lambda reader: reader.find(kind, "b1", where, limit=50)):
        column = {"group": "booking_group"}.get(field, field)
        assert f"(biller=? AND {column}=?" in plan, plan
        assert "SCAN" not in plan.replace("SCAN anon", "")


@pytest.mark.rule("R7", "C6")
@pytest.mark.parametrize("kind", WAITING)
@pytest.mark.parametrize("after", [None, (NOW, "m1")], ids=["first page", "further page"])
def test_what_waits_is_found_by_its_instant(
    kind: type[Any], after: tuple[datetime, str] | None, quiet: SqlStore
) -> None:
    (plan,) = plans(quiet, lambda reader: reader.due(kind, "b1", NOW, after=after, limit=50))
    assert "_by_next_try_at" in plan
    assert "next_try_at" in plan.partition("(biller=?")[2]
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    "kind, field", [(kind, field) for kind in (Message, Collection, Alert) for field in FINDABLE[kind]]
)
def test_pages_of_what_piles_up_are_in_order_as_they_come(kind: type[Any], field: str, quiet: SqlStore) -> None:
    (plan,) = plans(quiet, lambda reader: reader.find(kind, "b1", {field: "x"}, after="m1", limit=50))
    assert f"(biller=? AND {field}=? AND id>?)" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.rule("T2")
def test_a_link_is_found_by_its_token_alone(quiet: SqlStore) -> None:
    (plan,) = plans(quiet, lambda reader: reader.pay_link("token"))
    assert plan == "SEARCH pay_links USING INDEX pay_links_by_token (id=?)"


@pytest.mark.rule("P3")
@pytest.mark.parametrize("further", [False, True], ids=["first page", "further page"])
def test_what_reminders_look_for_is_found_by_status_and_due_date(further: bool, quiet: SqlStore) -> None:
    statuses, after = frozenset({Status.OPEN, Status.OVERDUE}), (DAY, "i1") if further else None
    (plan,) = plans(quiet, asked(order=Order.DUE, status=statuses, due_by=DAY, after=after))
    assert "(biller=? AND phase=? AND " in plan
    assert "due_on" in plan.partition("phase=? AND ")[2]
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("kind", list(FINDABLE))
def test_pages_of_every_kind_walk_its_key(kind: type[Any], quiet: SqlStore) -> None:
    after = {CreditEntry: "c1-EUR-1", Event: "i1/1/0"}.get(kind, "x")
    for plan in plans(quiet, lambda reader: reader.find(kind, "b1", {}, after=after, limit=9)):
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


def test_the_newest_credit_is_found_without_reading_the_ledger(quiet: SqlStore) -> None:
    (plan,) = plans(quiet, lambda reader: reader.last_credits("b1", ["c1", "c2"], "EUR"))
    assert "COVERING INDEX" in plan
    assert "customer=? AND currency=? AND seq=?" in plan
