"""Every key begins with the biller, so the tables can be cut by it: the whole contract holds on partitioned tables (T1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import attrs
import pytest
from sqlalchemy import Connection, MetaData, UniqueConstraint

import postgres
from invoicecore import Billing
from invoicecore.ports import Store
from invoicecore.testing import StoreContract
from invoicecore_adapters.sql import schema
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.migrations import PLAN
from invoicecore_adapters.sql.store import SqlStore

PARTS: Final = 4

WHOLE: Final = {
    schema.meta.name: "one row, whose schema this is",
    schema.pay_links.name: "found by a token before anybody knows whose it is: the routing table of the pay pages",
}
"""The tables that are not cut, and why not."""


def partitioned(connection: Connection) -> None:
    """Create the tables cut by a hash of the biller, those in WHOLE as they are."""
    cut = MetaData()
    for table in metadata.tables.values():
        copy = table.to_metadata(cut)
        if table.name not in WHOLE:
            key = "id" if table is schema.billers else "biller"
            copy.dialect_options["postgresql"]["partition_by"] = f"HASH ({key})"
    cut.create_all(connection)
    for name in cut.tables:
        for n in range(PARTS if name not in WHOLE else 0):
            connection.exec_driver_sql(
                f"CREATE TABLE {name}_{n} PARTITION OF {name} FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {n})"
            )


@cache
def _cut() -> str:
    url = postgres.database()
    SqlStore(url, plan=attrs.evolve(PLAN, create=partitioned)).close()
    return url


class KeptStore(SqlStore):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@pytest.mark.rule("T1")
class TestPartitionedStore(StoreContract):
    persistent = True

    @pytest.fixture
    def store_factory(self) -> Iterator[Callable[[], Store]]:
        opened = []

        def fresh() -> Store:
            opened.append(KeptStore(postgres.database(_cut())))
            return opened[-1]

        yield fresh
        for store in opened:
            store.close()
            postgres.drop(store.url)

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, KeptStore)
        store.close()
        return KeptStore(store.url)


@pytest.mark.rule("T1")
@pytest.mark.parametrize("name", sorted(set(metadata.tables) - set(WHOLE)))
def test_every_key_and_every_reference_begins_with_the_biller(name: str) -> None:
    table = metadata.tables[name]
    leader = "id" if table is schema.billers else "biller"
    keys = [table.primary_key, *(each for each in table.constraints if isinstance(each, UniqueConstraint))]
    columns = [[column.name for column in key.columns] for key in keys]
    columns += [[column.name for column in index.columns] for index in table.indexes]
    columns += [list(reference.column_keys) for reference in table.foreign_key_constraints]
    assert {first for first, *_ in columns} == {leader}


def test_a_partition_holds_the_records_of_its_billers_and_no_others() -> None:
    url = postgres.database(_cut())
    with postgres.rows_of(url) as db:
        for biller in ("b1", "b2", "b3", "b4", "b5"):
            db.execute("INSERT INTO billers VALUES (%s, 'B', 'EUR', 'UTC', 'en_GB', '{}', true, '', NULL, 1)", [biller])
            db.execute(
                "INSERT INTO customers VALUES (%s, 'c1', 'C', NULL, '', NULL, 'none', 1, NULL, NULL, 1)", [biller]
            )
        homes = dict(db.execute("SELECT biller, tableoid::regclass::text FROM customers").fetchall())
        plan = "\n".join(row for (row,) in db.execute("EXPLAIN SELECT * FROM customers WHERE biller = 'b1'"))
    assert len(set(homes.values())) > 1
    assert homes["b1"] in plan
    assert not any(other in plan for other in set(homes.values()) - {homes["b1"]})
    postgres.drop(url)


def test_what_changes_one_billers_records_touches_its_parts_alone() -> None:
    url = postgres.database(_cut())
    store = SqlStore(url)
    with Billing(store) as billing:
        parks = [
            billing.billers.add(name=name, currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
            for name in "ABCDE"
        ]
        people = [billing.customers.add_many(biller=park, rows=[{"name": "C"}] * 2) for park in parks]
        with store.writing(biller=parks[0].id) as tx, postgres.rows_of(url) as db:
            tx.replace(people[0])
            touched = {
                name
                for (name,) in db.execute(
                    "SELECT relation::regclass::text FROM pg_locks WHERE mode = 'RowExclusiveLock'"
                )
            }
            [(home, *_)] = db.execute(
                "SELECT DISTINCT tableoid::regclass::text FROM customers WHERE biller = %s", [parks[0].id]
            ).fetchall()
    assert touched & {f"customers_{n}" for n in range(PARTS)} == {home}
    postgres.drop(url)
