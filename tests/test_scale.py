"""The capacity model keeps its laws, its page shows what it says, and what the page tells a host to do works."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import postgres
from invoicecore import Billing, Money
from invoicecore_adapters.sql.columns import metadata

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import night as model
import scale

GIVEN, INPUTS, CHECKED = scale.read()
PLENTY = {**INPUTS, "cores": 10_000, "reads_at_once": 10_000, "log_a_second": 1e15}
"""A database that is never what is waited for."""

Order = Callable[..., list[model.Task]]

sizes = st.lists(st.integers(1, 30_000), min_size=1, max_size=40)
workers = st.integers(1, 80)
orders = st.sampled_from([model.spread, model.by_turns, model.one_by_one])


# --- who bills --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leases", scale.SIZES)
def test_billers_have_all_the_leases_and_the_largest_a_good_part(leases: int) -> None:
    found = model.billers(leases, 200, 1.2)
    assert (len(found), sum(found)) == (leases // 200, leases)
    assert list(found) == sorted(found, reverse=True)
    assert min(found) >= 0
    assert found[0] > 10 * 200
    assert sorted(found)[len(found) // 2] < 100  # most are small


@given(sizes, orders, st.integers(1, 5000))
def test_every_order_of_the_queue_has_every_lease_once(sizes: list[int], order: Order, together: int) -> None:
    tasks = order(sizes, together=together)
    assert sum(task.leases for task in tasks) == sum(sizes)
    assert sum(task.shards for task in tasks) == sum(-(-size // model.SHARD) for size in sizes)
    for biller, size in enumerate(sizes):
        own = [task.leases for task in tasks if task.biller == biller]
        assert sum(own) == (size if size > model.SHARD else 0)


# --- the night's laws -------------------------------------------------------------------------------------------------


def costs(tasks: list[model.Task], *names: str) -> float:
    return sum(
        task.shards * INPUTS[f"shard_{name}"] + task.leases * INPUTS[f"lease_{name}"]
        for task in tasks
        for name in names
    )


@given(sizes, orders, workers)
def test_work_is_neither_lost_nor_made(sizes: list[int], order: Order, workers: int) -> None:
    tasks = order(sizes)
    found = model.night(tasks, workers, INPUTS)
    assert found.leases == sum(sizes)
    assert found.busy["workers"] == pytest.approx(costs(tasks, "decide_worker", "write_worker"))
    assert found.busy["cores"] == pytest.approx(costs(tasks, "decide_server", "write_server"))
    assert found.busy["log"] == pytest.approx(costs(tasks, "wal") / INPUTS["log_a_second"])


@given(sizes, orders, workers, st.sampled_from([0.0, 0.5, 1.0]))
def test_no_night_is_shorter_than_what_each_part_of_it_takes(
    sizes: list[int], order: Order, workers: int, cold: float
) -> None:
    tasks = order(sizes)
    found = model.night(tasks, workers, INPUTS, cold=cold)
    whole = sum(model.alone(task.leases, task.shards, INPUTS, cold=cold) for task in tasks)
    numbers = max(
        sum(model.held(task.leases, task.shards, INPUTS, cold=cold) for task in tasks if task.biller == biller)
        for biller in range(len(sizes))
    )
    almost = 1 - 1e-9
    assert found.seconds >= almost * whole / workers
    assert found.seconds >= almost * numbers
    assert found.seconds <= whole / almost
    assert all(load <= 1 / almost for load in found.loads.values())


@given(sizes, orders, st.sampled_from([0.0, 1.0]))
def test_one_worker_takes_the_sum_of_all_it_does(sizes: list[int], order: Order, cold: float) -> None:
    tasks = order(sizes)
    whole = sum(model.alone(task.leases, task.shards, INPUTS, cold=cold) for task in tasks)
    assert model.night(tasks, 1, INPUTS, cold=cold).seconds == pytest.approx(whole)


@pytest.mark.parametrize("workers", [2, 5, 20])
def test_workers_of_billers_of_one_shard_share_the_night_evenly(workers: int) -> None:
    found = model.night(model.spread([1000] * 40), workers, PLENTY)
    assert found.seconds == pytest.approx(40 / workers * model.alone(1000, 1, PLENTY))


@pytest.mark.parametrize("workers", [10, 40])
def test_shards_of_one_biller_are_written_one_after_the_other(workers: int) -> None:
    found = model.night(model.spread([40_000]), workers, PLENTY)
    first = model.alone(1000, 1, PLENTY) - model.held(1000, 1, PLENTY)
    assert found.seconds == pytest.approx(first + 40 * model.held(1000, 1, PLENTY))
    assert found.loads["counter"] > 0.95


def test_a_database_of_one_core_is_what_many_workers_wait_for() -> None:
    tasks = model.spread([1000] * 400)
    found = model.night(tasks, 64, {**INPUTS, "cores": 1})
    assert found.seconds == pytest.approx(costs(tasks, "decide_server", "write_server"), rel=0.02)
    assert scale.saturated(found).startswith("the database's cores")


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(1, 40))
def test_more_workers_are_never_slower_where_no_biller_is_waited_for(sizes: list[int], workers: int) -> None:
    # One task more or less beside the last one: that is all the order in which they are taken can do.
    tasks = [model.Task(None, size) for size in sorted(sizes, reverse=True)]
    fewer, more = (model.night(tasks, number, PLENTY).seconds for number in (workers, workers + 1))
    assert more <= fewer * (1 + 1e-9)


@pytest.mark.parametrize("leases", scale.SIZES[:3])
def test_more_workers_are_hardly_ever_slower_where_billers_are_waited_for(leases: int) -> None:
    tasks = model.spread(model.billers(leases, 200, 1.2))
    nights = [model.night(tasks, workers, INPUTS).seconds for workers in (1, 2, 4, 8, 16, 32, 64)]
    assert all(more <= fewer * 1.2 for more, fewer in zip(nights[1:], nights, strict=False)), nights
    assert nights[0] > 3 * nights[2]


@pytest.mark.parametrize("order", [model.spread, model.by_turns])  # the third is another shuffle each time
@pytest.mark.parametrize("workers", [4, 64])
def test_small_billers_put_together_to_be_simulated_as_one_change_little(order: Order, workers: int) -> None:
    sizes = model.billers(1_000_000, 200, 1.2)
    each, several = (model.night(order(sizes, together=leases), workers, INPUTS) for leases in (1, model.SHARD))
    assert several.seconds == pytest.approx(each.seconds, rel=0.05)


def test_the_simulation_agrees_with_what_was_measured() -> None:
    """One worker over 100,000 leases: what a busy machine is off by, and what worker and server do at once."""
    [alone] = [check for check in CHECKED if check["workers"] == 1]
    assert alone["leases"] == 100_000
    assert 0.7 < scale.foretold(alone, INPUTS) / alone["seconds"] < 1.4


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_limit_moves_with_what_is_limited_and_no_other_does() -> None:
    before = {limit.name: limit.leases for limit in scale.limits(INPUTS)}
    after = {limit.name: limit.leases for limit in scale.limits({**INPUTS, "gocardless_a_minute": 2000})}
    moved = {name for name in before if after[name] != before[name]}
    assert moved == {"GoCardless, until all is submitted", "GoCardless, spread evenly"}
    assert all(after[name] == pytest.approx(2 * before[name]) for name in moved)


def test_limits_are_told_in_the_order_in_which_they_are_met() -> None:
    found = [limit.leases for limit in scale.limits(INPUTS)]
    assert found == sorted(found)


@pytest.mark.parametrize(
    "value, shown",
    [(0, "0"), (0.0978, "0.098"), (1, "1"), (1.0, "1"), (1.04, "1.0"), (7.03, "7.0"), (12.34, "12"), (456, "460"),
     (1234, "1,200"), (83_500_000, "84,000,000")],
)  # fmt: skip
def test_numbers_are_shown_with_two_digits_that_count(value: float, shown: str) -> None:
    assert scale._number(value) == shown


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_tables_of_the_page_are_what_the_simulation_prints() -> None:
    shown, text = scale.tables(GIVEN, INPUTS, CHECKED), scale.PAGE.read_text("utf-8")
    assert set(re.findall(r"<!-- scale\.py: (\w+) -->", text)) == set(shown)
    assert scale.page_with(text, shown) == text, "run `python benchmarks/scale.py --write`"
    changed = scale.page_with(text, {**shown, "night": "| other |\n"})
    assert changed != text
    assert scale.page_with(changed, shown) == text


@pytest.fixture
def cut_database() -> Iterator[str]:
    url = postgres.new()
    yield url
    postgres.drop(url)


@pytest.mark.rule("T1")
def test_the_pages_sql_cuts_a_database_with_all_that_is_in_it(cut_database: str) -> None:
    [sql] = re.findall(r"```sql\n(.*?)```", scale.PAGE.read_text("utf-8"), flags=re.DOTALL)
    with Billing.open(cut_database) as billing:
        parks = [
            billing.billers.add(name=name, currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
            for name in ("North", "South", "East")
        ]
        for park in parks:
            for tenant in billing.customers.add_many(biller=park, rows=[{"name": f"Tenant {n}"} for n in range(3)]):
                billing.leases.add(biller=park, customer=tenant, rent=Money("62.00", "EUR"), starts=date(2026, 5, 1))
        assert billing.run(on=date(2026, 4, 24)).created.count == 9
    before, rules = contents(cut_database), definitions(cut_database)
    with postgres.rows_of(cut_database) as db:
        db.autocommit = True
        db.execute(sql)  # type: ignore[arg-type]  # of the page
        cut = {name for (name,) in db.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")}
    assert cut == set(metadata.tables) - {"meta", "pay_links"}
    assert contents(cut_database) == before
    assert definitions(cut_database) == rules
    with Billing.open(cut_database) as billing:
        made = billing.run(on=date(2026, 5, 25))
        assert made.created.count == 9
        assert not made.failed
        listed = [invoice.number for park in parks for invoice in billing.invoices.find(biller=park).items]
        assert len(listed) == 18


@pytest.mark.rule("T1")
def test_a_database_is_cut_with_the_rights_of_its_roles_and_not_below_somebodys_view(cut_database: str) -> None:
    [sql] = re.findall(r"```sql\n(.*?)```", scale.PAGE.read_text("utf-8"), flags=re.DOTALL)
    role = f"worker_{os.getpid()}"
    with Billing.open(cut_database) as billing:
        park = billing.billers.add(name="North", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        tenant = billing.customers.add(biller=park, name="Tenant")
        billing.leases.add(biller=park, customer=tenant, rent=Money("62.00", "EUR"), starts=date(2026, 5, 1))
    with postgres.rows_of(cut_database) as db:
        db.autocommit = True
        db.execute(f"CREATE ROLE {role} LOGIN")  # type: ignore[arg-type]  # of our own name
        try:
            db.execute("CREATE SCHEMA report")
            db.execute("CREATE VIEW report.unpaid AS SELECT * FROM public.invoices WHERE phase = 'due'")
            db.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")  # type: ignore[arg-type]  # likewise
            with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="invoices"):
                db.execute(sql)  # type: ignore[arg-type]  # of the page
            db.execute("ROLLBACK")
            assert db.execute("SELECT 1 FROM pg_class WHERE relkind = 'p'").fetchall() == []
            db.execute("DROP VIEW report.unpaid")
            db.execute(sql)  # type: ignore[arg-type]  # of the page
            scheme, _, rest = cut_database.partition("://")
            with Billing.open(f"{scheme}://{role}@{rest.rpartition('@')[2]}") as worker:
                assert worker.run(on=date(2026, 4, 24)).created.count == 1
        finally:
            db.execute(f"DROP OWNED BY {role}")  # type: ignore[arg-type]  # likewise
            db.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]  # likewise


def contents(url: str) -> dict[str, list[object]]:
    with postgres.rows_of(url) as db:
        return {
            name: sorted(map(str, db.execute(f"SELECT * FROM {name}")))  # type: ignore[arg-type]  # of our own names
            for name in metadata.tables
        }


def definitions(url: str) -> tuple[list[object], list[object]]:
    """Constraints and indexes of the tables, by what they say; those of parts follow from them."""
    with postgres.rows_of(url) as db:
        constraints = db.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f', 'c') AND conparentid = 0"
            " AND NOT (SELECT relispartition FROM pg_class WHERE pg_class.oid = conrelid) ORDER BY 1, 2"
        ).fetchall()
        indexes = db.execute(
            "SELECT tablename, replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes"
            " JOIN pg_class ON relname = indexname"
            " WHERE schemaname = 'public' AND NOT relispartition ORDER BY 1, 2"
        ).fetchall()
    return constraints, indexes
