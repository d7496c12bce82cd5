"""What a SQL store says of itself: a schema that lost something, references to nothing, a file nobody can write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

import postgres
from invoicecore.ports import Examinable, Finding, Verdict
from invoicecore.testing.checks import write
from invoicecore.testing.samples import invoice, world
from invoicecore_adapters.sql import sqlite
from invoicecore_adapters.sql.migrations import PLAN
from invoicecore_adapters.sql.store import SqlStore
from test_partitions import partitioned
from test_sqlite_behaviour import written_by


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rent.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{path}?timeout=0.1")
    write(made, *world().records, invoice(world(), "i1"))
    yield made
    made.close()


def told(store: Examinable) -> dict[str, Finding]:
    return {each.code: each for each in store.findings()}


def person(path: Path, *statements: str) -> None:
    """What somebody does to a file by hand."""
    with closing(sqlite3.connect(path)) as hand:
        for statement in statements:
            hand.execute(statement)
        hand.commit()


def test_a_store_that_is_well_says_so_of_everything(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite.sqlite3, "sqlite_version_info", (3, 51, 3))
    found = store.findings()
    assert [each.code for each in found] == ["schema", "journal", "damage", "references", "sqlite", "disk", "writing"]
    assert {each.verdict for each in found} == {Verdict.OK}
    assert found[0].data == {"version": PLAN.newest}


def test_an_index_that_is_gone_is_a_problem_and_how_to_make_it_again_is_told(store: SqlStore, path: Path) -> None:
    person(path, "DROP INDEX invoices_by_customer", "DROP INDEX collections_unique_invoice")
    found = told(store)["schema.indexes"]
    assert found.verdict is Verdict.PROBLEM
    assert (found.data["count"], found.data["missing"]) == (2, "invoices_by_customer, collections_unique_invoice")
    person(path, *str(found.data["mending"]).split("; "))
    assert "schema" in told(store)
    with pytest.raises(sqlite3.IntegrityError):
        person(path, *["INSERT INTO collections (biller, id, invoice, gateway, kind, currency, amount_minor, "
                       "collected_minor, made_at, state, attempt, tries, error, version) VALUES "
                       f"('b1', '{n}', 'i1', 'g', 'card', 'EUR', 1, 0, '2026', 'pending', 1, 0, '', 1)" for n in (1, 2)])  # fmt: skip


def test_a_column_or_table_that_is_gone_is_a_problem(store: SqlStore, path: Path) -> None:
    person(path, "ALTER TABLE messages DROP COLUMN error", "DROP TABLE credit_note_taxes")
    found = told(store)["schema.columns"]
    assert found.verdict is Verdict.PROBLEM
    assert set(str(found.data["missing"]).split(", ")) == {"messages.error", "credit_note_taxes"}


@pytest.mark.parametrize(
    "otherwise",
    [
        "CREATE INDEX alerts_unique_kind_about ON alerts (biller, kind, about)",
        "CREATE UNIQUE INDEX alerts_unique_kind_about ON alerts (kind, about)",
        "CREATE UNIQUE INDEX alerts_unique_kind_about ON alerts (biller, kind, about) WHERE state = 'open'",
    ],
)
def test_an_index_that_somebody_made_otherwise_is_a_problem_until_it_is_as_it_was(
    otherwise: str, store: SqlStore, path: Path
) -> None:
    person(path, "DROP INDEX alerts_unique_kind_about", otherwise)
    found = told(store)["schema.indexes"]
    assert found.data["missing"] == "alerts_unique_kind_about"
    person(path, *str(found.data["mending"]).split("; "))
    assert "schema" in told(store)


def test_a_key_a_reference_and_a_check_that_are_gone_are_a_problem(store: SqlStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as hand:
        made = dict(hand.execute("SELECT name, sql FROM sqlite_master WHERE name IN ('alerts', 'counters')").fetchall())
    for table, gone in (
        ("alerts", "FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED"),
        ("counters", "CONSTRAINT numbers_from_one CHECK (next_number >= 1)"),
        ("counters", "PRIMARY KEY (biller, series)"),
    ):
        assert gone in made[table]
        made[table] = made[table].replace(gone, "CHECK (1)").replace(" WITHOUT ROWID", "")
    person(path, "DROP TABLE alerts", "DROP TABLE counters", *made.values())
    found = told(store)["schema.constraints"]
    assert found.verdict is Verdict.PROBLEM
    assert found.data["missing"] == "counters (biller, series), numbers_from_one, alerts.invoice"
    assert "export --to" in str(found.data["mending"])


@pytest.mark.parametrize("version", range(1, PLAN.newest))
def test_a_file_that_older_libraries_made_is_well_once_it_is_opened(version: int, path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{written_by(version, path)}")) as store:
        assert {"schema", "damage", "references"} <= told(store).keys()


def test_an_owners_own_tables_and_indexes_are_nobodys_business(store: SqlStore, path: Path) -> None:
    person(path, "CREATE TABLE notes (id TEXT)", "CREATE INDEX mine ON invoices (title)")
    assert "schema" in told(store)


def test_a_reference_to_nothing_is_a_problem(store: SqlStore, path: Path) -> None:
    person(path, "PRAGMA foreign_keys = OFF", "DELETE FROM customers WHERE id = 'c1'")
    found = told(store)["references.broken"]
    assert found.verdict is Verdict.PROBLEM
    assert "invoices" in str(found.data["tables"])
    assert found.data["count"] == 6  # an invoice, a lease, a unit, a group and two bookings


def test_another_journal_is_a_problem(store: SqlStore, path: Path) -> None:
    store._database._engine.dispose()  # type: ignore[attr-defined]  # nobody may look meanwhile
    person(path, "PRAGMA journal_mode = DELETE")
    assert told(store)["journal.mode"].data == {"mode": "delete"}


@pytest.mark.parametrize(
    "version, safe",
    [
        ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False), ((3, 50, 6), False),
        ((3, 50, 7), True), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True),
    ],
)  # fmt: skip
def test_a_library_that_may_damage_a_file_of_several_writers_is_a_warning(
    version: tuple[int, ...], safe: bool, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite.sqlite3, "sqlite_version_info", version)
    found = told(store)
    assert ("sqlite" in found, "sqlite.reset" in found) == (safe, not safe)
    assert safe or found["sqlite.reset"].verdict is Verdict.WARNING


def test_room_on_the_disk_is_weighed_against_the_file(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_room(free: int) -> dict[str, Finding]:
        monkeypatch.setattr(sqlite.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        return told(store)

    full = with_room(99_000_000)["disk.full"]
    assert (full.verdict, full.data) == (Verdict.PROBLEM, {"free": 99, "size": 1})
    assert with_room(101_000_000)["disk"].verdict is Verdict.OK
    monkeypatch.setattr(sqlite, "_LITTLE", 0)
    assert with_room(100_000)["disk.low"].verdict is Verdict.WARNING


def test_a_file_that_somebody_else_keeps_is_told(store: SqlStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = told(store)["writing.refused"]
        assert found.verdict is Verdict.PROBLEM
        assert "another writer held the database" in str(found.data["why"])
        other.execute("ROLLBACK")
    assert "writing" in told(store)


def test_a_file_that_may_not_be_written_is_told(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # As for a user without the right, or on a volume that was mounted again: tests/test_disk.py has the real thing.
    monkeypatch.setattr(sqlite.os, "access", lambda path, how: Path(path).is_dir())
    found = told(store)["writing.rights"]
    assert (found.verdict, found.data) == (Verdict.PROBLEM, {"place": store._database.place})


def overwritten(path: Path, name: str) -> None:
    """The first page of a table or an index is overwritten, as by a disk that fails."""
    with closing(sqlite3.connect(path)) as hand:
        [page] = hand.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()
    whole = bytearray(path.read_bytes())
    whole[4096 * (page - 1) : 4096 * page] = b"\xaa" * 4096
    path.write_bytes(whole)


@pytest.mark.parametrize("what", ["invoices", "invoices_by_customer", "alerts_unique_kind_about"])
def test_damage_of_a_table_or_an_index_is_a_problem_and_the_rest_is_told(
    what: str, store: SqlStore, path: Path
) -> None:
    store.close()
    overwritten(path, what)
    with closing(SqlStore(f"sqlite:///{path}")) as damaged:
        found = told(damaged)
    assert found["damage.found"].verdict is Verdict.PROBLEM
    assert found["damage.found"].data["why"]
    assert {"schema", "journal", "disk"} <= found.keys()
    assert "damage" not in found


def test_postgresql_tells_of_its_schema_as_well() -> None:
    url = postgres.new()
    with closing(SqlStore(url)) as store:
        assert {"schema", "writing"} <= set(told(store))
        with postgres.rows_of(url) as rows:
            rows.execute("DROP INDEX invoices_by_customer")
            rows.execute("DROP INDEX alerts_unique_kind_about")
        found = told(store)["schema.indexes"]
        with postgres.rows_of(url) as rows:
            for statement in str(found.data["mending"]).split("; "):
                rows.execute(statement)  # type: ignore[call-overload]  # what was told is SQL
        assert "schema" in told(store)
    postgres.drop(url)


@pytest.mark.parametrize(
    "otherwise, code, missing",
    [
        ("ALTER TABLE events DROP CONSTRAINT events_pkey", "schema.constraints", "events (biller, subject, version, step)"),
        ("ALTER TABLE alerts DROP CONSTRAINT alerts_biller_invoice_fkey", "schema.constraints", "alerts.invoice"),
        ("ALTER TABLE counters DROP CONSTRAINT numbers_from_one", "schema.constraints", "numbers_from_one"),
        ("DROP INDEX alerts_by_about; CREATE INDEX alerts_by_about ON alerts (about)", "schema.indexes", "alerts_by_about"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'alerts_unique_kind_about'::regclass",
         "schema.indexes", "alerts_unique_kind_about"),
        ("DROP INDEX collections_unique_invoice; "
         "CREATE UNIQUE INDEX collections_unique_invoice ON collections (biller, invoice)",
         "schema.indexes", "collections_unique_invoice"),
    ],
)  # fmt: skip
def test_postgresql_tells_of_what_keeps_its_rows_fit_and_how_to_put_it_back(
    otherwise: str, code: str, missing: str
) -> None:
    url = postgres.new()
    with closing(SqlStore(url)) as store:
        assert "schema" in told(store)
        with postgres.rows_of(url) as rows:
            for statement in otherwise.split("; "):
                rows.execute(statement)  # type: ignore[call-overload]  # it is SQL
        found = told(store)[code]
        assert (found.verdict, found.data["missing"]) == (Verdict.PROBLEM, missing)
        with postgres.rows_of(url) as rows:
            for statement in str(found.data["mending"]).split("; "):
                rows.execute(statement)  # type: ignore[call-overload]  # what was told is SQL
        assert "schema" in told(store)
    postgres.drop(url)


def test_tables_that_are_cut_by_biller_are_well() -> None:
    url = postgres.database()
    with closing(SqlStore(url, plan=attrs.evolve(PLAN, create=partitioned))) as store:
        assert "schema" in told(store)
    postgres.drop(url)


def test_postgresql_tells_of_its_server_and_of_who_keeps_others_waiting() -> None:
    url = postgres.new()
    with closing(SqlStore(url)) as store:
        found = told(store)
        assert found["server"].verdict is Verdict.OK
        assert str(found["server"].data["version"]).split(".")[0].isdigit()
        assert found["server.fsync"].verdict is Verdict.PROBLEM, "the tests' own server has none"
        assert (found["connections"].verdict, "connections.idle" in found) == (Verdict.OK, False)
    postgres.drop(url)
