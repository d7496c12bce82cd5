"""PostgreSQL's schema: made once, brought forward once, by whoever comes first; and what every earlier one left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Final

import attrs
import pytest
from sqlalchemy import Connection, inspect

import postgres
from desks import money
from invoicecore import Billing, Plugins
from invoicecore.errors import StoreError
from invoicecore.parties import Customer
from invoicecore.testing.samples import world
from invoicecore_adapters import sql
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.migrations import PLAN, Plan, Step
from invoicecore_adapters.sql.store import SqlStore

FIRST: Final = 3
"""The first schema version there ever was on PostgreSQL."""

HERE = world()


@pytest.fixture
def url() -> Iterator[str]:
    """A database with one biller and its customers."""
    made = postgres.new()
    store = SqlStore(made)
    with store.writing() as writer:
        writer.add(HERE.records)
    store.close()
    yield made
    postgres.drop(made)


def later(step: Step) -> Plan:
    return attrs.evolve(PLAN, steps=(*PLAN.steps, step))


def add_notes(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE notes (biller TEXT, id TEXT, PRIMARY KEY (biller, id))")
    connection.exec_driver_sql("INSERT INTO notes SELECT biller, id FROM customers")


NOTES = Step(version=PLAN.newest + 1, title="add notes", apply=add_notes)


def shape_of(url: str) -> dict[str, object]:
    """Every table's columns, indexes and references, as a stranger sees them."""
    store = SqlStore(url)
    with store.reading() as reader:
        look = inspect(reader._connection)  # type: ignore[attr-defined]  # the store's own reader
        found: dict[str, object] = {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(name)],
                sorted(
                    (index["name"] or "", index["column_names"], index["unique"]) for index in look.get_indexes(name)
                ),
                sorted(map(str, look.get_foreign_keys(name))),
                look.get_pk_constraint(name)["constrained_columns"],
            )
            for name in look.get_table_names()
        }
    store.close()
    return found


def test_an_older_schema_is_brought_forward_once_by_whoever_comes_first(url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: SqlStore(url, plan=later(NOTES)), range(6)))
    for each in opened:
        with each.reading() as reader:
            assert len(reader.billers()) == 1, "what was there is still there"
        each.close()
    with postgres.rows_of(url) as db:
        assert db.execute("SELECT version FROM meta").fetchall() == [(PLAN.newest + 1,)]
        assert db.execute("SELECT count(*) FROM notes").fetchone() == (3,)


def test_a_step_that_fails_is_taken_back_whole(url: str) -> None:
    def half(connection: Connection) -> None:
        add_notes(connection)
        connection.exec_driver_sql("ALTER TABLE customers ADD COLUMN note TEXT")
        connection.exec_driver_sql("SELECT this FROM nowhere")

    before = shape_of(url)
    with pytest.raises(StoreError, match=rf"migration {PLAN.newest + 1} \(add notes\) failed"):
        SqlStore(url, plan=later(attrs.evolve(NOTES, apply=half)))
    assert shape_of(url) == before


def test_a_migration_waits_for_who_is_writing_and_stops_whoever_comes_after(url: str) -> None:
    older = SqlStore(url)
    begun, opened = threading.Event(), []

    def upgrade() -> None:
        begun.set()
        opened.append(SqlStore(url, plan=later(NOTES)))

    upgrading = threading.Thread(target=upgrade)
    with older.writing(biller=HERE.id) as writer:
        upgrading.start()
        begun.wait()
        writer.add([Customer(id="late", biller=HERE.id, name="Late")])
    upgrading.join()
    with postgres.rows_of(url) as db:
        assert db.execute("SELECT count(*) FROM notes WHERE id = 'late'").fetchone() == (1,), (
            "it saw what was committed"
        )
    with pytest.raises(StoreError, match="upgrade invoicecore"), older.writing(biller=HERE.id):
        pytest.fail("wrote into a schema it does not know")
    with pytest.raises(StoreError, match="upgrade invoicecore"), older.reading():
        pytest.fail("read a schema it does not know")
    for store in (older, *opened):
        store.close()


@pytest.mark.parametrize("version", range(FIRST, PLAN.newest + 1))
def test_every_older_schema_becomes_what_a_new_database_has(version: int) -> None:
    old, new = _written_by(version), postgres.new()
    assert shape_of(old) == shape_of(new)
    assert set(shape_of(new)) == set(metadata.tables)
    for each in (old, new):
        postgres.drop(each)


@pytest.mark.rule("R16", "N1", "C8")
def test_what_the_first_schema_kept_counts_as_it_did_and_goes_on() -> None:
    url = _written_by(FIRST)
    with Billing.open(url, plugins=Plugins.of(sql.plugin)) as billing:
        condo, park = sorted(billing.billers.all(), key=lambda biller: biller.name, reverse=True)
        assert billing.invoices.outstanding(biller=condo) == money("375.00", "CAD")
        assert billing.invoices.outstanding(biller=park) == money("1040.71")
        [draft] = billing.invoices.find(biller=condo, status="draft").items
        assert billing.invoices.publish(draft, on=date(2026, 3, 2)).number == "INV-000002"
        assert billing.run(on=date(2026, 3, 25), biller=park).created.count == 1
    postgres.drop(url)


@pytest.mark.rule("M9", "P5")
@pytest.mark.parametrize("last_day, kept", [(date(2026, 3, 30), date(2026, 3, 30)), (date(2026, 3, 31), None)])
def test_a_note_of_the_third_schema_is_for_the_end_of_its_lease_where_the_period_goes_beyond_that(
    last_day: date, kept: date | None
) -> None:
    url = _written_by(3)
    with postgres.rows_of(url) as db:
        db.execute(
            "INSERT INTO credit_notes SELECT (jsonb_populate_record(note, jsonb_build_object('biller', rent.biller, "
            "'invoice', rent.id, 'customer', rent.customer))).* FROM credit_notes note, invoices rent "
            "WHERE rent.lease IS NOT NULL AND rent.period_end = '2026-04-01'"
        )
        db.execute("UPDATE leases SET ends = %s", [last_day])
        db.commit()
    SqlStore(url).close()
    with postgres.rows_of(url) as db:
        found = db.execute("SELECT lease_ends FROM credit_notes ORDER BY biller DESC").fetchall()
        assert found == [(kept,), (None,)]
    postgres.drop(url)


def _written_by(version: int) -> str:
    url = postgres.database()
    with postgres.rows_of(url) as db:
        db.execute((Path(__file__).parent / "data" / f"postgres-{version}.sql").read_bytes())
        assert db.execute("SELECT version FROM meta").fetchall() == [(version,)]
    return url
