"""Shared work by Procrastinate: real workers on a real PostgreSQL, killed at any moment; each invoice is made once.

`INVOICECORE_WORKER_KILLS` sets how many workers are killed at random moments (6 without it), and
`INVOICECORE_KILL_SEED` repeats the moments, as far as a machine repeats itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Status
from procrastinate.periodic import PeriodicDeferrer
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

import postgres
import procrastinate_host
import workers
from desks import Post, all_of, money, store_of, wiring
from invoicecore import Billing, Invoice, Plugins, Report, Shard
from invoicecore.billing import running
from invoicecore.errors import InvalidValue, StoreError
from invoicecore.leases import Lease
from invoicecore.parties import Biller
from invoicecore.serde import structure, unstructure
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory, sql
from invoicecore_adapters import procrastinate as adapter
from invoicecore_adapters.procrastinate import Tasks, install
from invoicecore_adapters.procrastinate.tasks import ATTEMPTS

KILLS = int(os.environ.get("INVOICECORE_WORKER_KILLS", "6"))
SEED = int(os.environ.get("INVOICECORE_KILL_SEED", str(random.SystemRandom().randrange(10**6))))
HERE = Path(__file__).parent
ON = date(2026, 4, 24)


# --- a broker, a store, and who works ---------------------------------------------------------------------------------


def plain(url: str) -> str:
    """The URL as libpq and psycopg take it."""
    return url.replace("+psycopg", "", 1)


@pytest.fixture
def broker() -> Iterator[str]:
    """A database with Procrastinate's tables and no job."""
    url = postgres.database()
    with App(connector=PsycopgConnector(conninfo=plain(url))).open() as app:
        app.schema_manager.apply_schema()
    yield plain(url)
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new store that several processes can use."""
    if request.param == "postgresql":
        url = postgres.new()
        yield url
        postgres.drop(url)
    else:
        yield f"sqlite:///{tmp_path}/x.db"


def tenants(billing: Billing, biller: Biller, count: int) -> list[Lease]:
    """So many leases of a biller, all due on ON."""
    people = billing.customers.add_many(biller=biller, rows=[{"name": f"T{n}"} for n in range(count)])
    rows = [{"customer": who, "rent": money(600 + n), "starts": date(2026, 5, 1)} for n, who in enumerate(people)]
    return billing.leases.add_many(biller=biller, rows=rows)


def founded(billing: Billing, name: str = "Les Pins", preset: str = "stays") -> Biller:
    return billing.billers.add(name=name, currency="EUR", timezone="Europe/Paris", locale="en_GB", preset=preset)


def build(url: str) -> int:
    """A park of 40 leases, another of 15, a practice with 5 clients' months; how many invoices are due on ON."""
    with workers.desk(url) as billing:
        tenants(billing, founded(billing), 40)
        tenants(billing, founded(billing, "Les Saules"), 15)
        practice = founded(billing, "Dr Roy", "clients")
        rows = [{"name": f"C{n}", "billing_cycle": "monthly"} for n in range(5)]
        for who in billing.customers.add_many(biller=practice, rows=rows, on=date(2026, 3, 20)):
            billing.charges.add(customer=who, description="Hour", amount=money(80), on=date(2026, 3, 24))
        return billing.run(on=ON, dry_run=True).created.count


def assert_once(url: str, count: int) -> None:
    """So many invoices, none of a period or month twice, numbers without a gap, and nothing left to do."""
    with workers.desk(url) as billing:
        invoices = [i for biller in billing.billers.all() for i in all_of(store_of(billing), biller, Invoice)]
        assert len({(i.biller, i.lease, i.period_index, i.customer, i.cycle) for i in invoices}) == count
        assert len(invoices) == count
        for biller in billing.billers.all():
            numbers = sorted(i.number for i in invoices if i.biller == biller.id and i.number)
            assert numbers == [f"INV-{n:06d}" for n in range(1, len(numbers) + 1)]
        assert billing.run(on=ON).created == 0


def made(url: str) -> int:
    """How many invoices there are."""
    with workers.desk(url) as billing:
        return sum(len(all_of(store_of(billing), biller, Invoice)) for biller in billing.billers.all())


def jobs(broker: str, where: str = "true", **given: object) -> list[dict[str, Any]]:
    """The jobs as they are stored, by id."""
    with psycopg.connect(broker, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM procrastinate_jobs WHERE {where} ORDER BY id", given).fetchall()  # type: ignore[arg-type]  # a test's own words


def change(broker: str, statement: str) -> None:
    """What time or a person does to the broker."""
    with psycopg.connect(broker) as connection:
        connection.execute(statement)  # type: ignore[arg-type]  # a test's own words


def let_time_pass(broker: str) -> None:
    """Workers that are dead have been silent for long, and what waits to be tried again has waited."""
    change(broker, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    change(broker, "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")


class Host:
    """An app in this process, on a desk of the test's."""

    def __init__(self, broker: str, open_billing: Callable[[], Billing], **options: Any) -> None:
        self.broker = broker
        self.app = App(connector=PsycopgConnector(conninfo=broker))
        quiet: dict[str, Any] = dict.fromkeys(("run", "deliver", "remind", "collect", "recover"))
        self.tasks: Tasks = install(self.app, open_billing, **{**quiet, **options})

    def work(self) -> None:
        """Do all the jobs there are, and those that they leave."""
        self.app.run_worker(wait=False, install_signal_handlers=False, listen_notify=False)

    def defer(self, task: Any, **given: object) -> None:
        with self.app.open():
            task.defer(**given)

    def plan(self, **given: object) -> str:
        """Plan a run, and do nothing more of it; what the plan says of itself."""
        self.defer(self.tasks.run, **{"on": ON.isoformat(), **given})
        assert asyncio.run(self._next()) == "takes its turn"
        return asyncio.run(self._next())

    async def _next(self) -> str:
        """Do the next job, as a worker does."""
        async with self.app.open_async():
            manager = self.app.job_manager
            job = await manager.fetch_job(None, await manager.register_worker())
            assert job is not None
            task = self.app.tasks[job.task_name]
            context = JobContext(app=self.app, job=job, start_timestamp=0.0, abort_reason=lambda: None)
            told = await task(*([context] if task.pass_context else []), **job.task_kwargs)
            await manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
            return str(told)

    def progress(self) -> tuple[int, int, int]:
        """(done, failed, left) of ON."""
        with self.app.open():
            found = self.tasks.progress(ON)
        assert found.shards == found.done + found.failed + found.left
        return found.done, found.failed, found.left

    @property
    def report(self) -> Report:
        with self.app.open():
            return self.tasks.progress(ON).report

    def revive(self) -> None:
        """What a worker does each minute about jobs of dead ones."""
        with suppress(AlreadyEnqueued):  # by the clock of a worker that was killed
            self.defer(self.app.tasks["invoicecore.revive"])


@pytest.fixture
def host(broker: str, store: str) -> Host:
    """An app whose desk has PAGE leases a transaction and SIZE a shard, on a park of 40 leases and more."""
    build(store)
    return Host(broker, lambda: workers.desk(store), size=procrastinate_host.SIZE)


# --- planning ---------------------------------------------------------------------------------------------------------


def test_a_plan_is_a_job_for_each_shard_by_turns_of_their_billers(host: Host, store: str) -> None:
    with workers.desk(store) as billing:
        shards = billing.shards(on=ON, size=procrastinate_host.SIZE)
    assert host.plan() == "7 shards deferred, 0 left to those at work on their billers"
    made = jobs(host.broker, "task_name = 'invoicecore.shard'")
    assert {job["queueing_lock"] for job in made} == {shard.key for shard in shards}
    assert [structure(job["args"]["shard"], Shard) for job in made] == list(shards)
    per_biller = [job["args"]["shard"]["biller"] for job in made]
    assert len(set(per_biller[:3])) == 3, "one of each biller first"
    assert per_biller[-2:] == [max(per_biller, key=per_biller.count)] * 2
    assert host.progress() == (0, 0, 7)


def test_a_second_plan_leaves_alone_what_is_being_done_and_plans_the_rest(host: Host, store: str) -> None:
    host.plan()
    assert host.plan() == "0 shards deferred, 7 left to those at work on their billers"
    with workers.desk(store) as billing:
        late = founded(billing, "Les Ormes")
        tenants(billing, late, 3)
    assert host.plan() == "1 shards deferred, 7 left to those at work on their billers"
    host.work()
    assert host.progress() == (8, 0, 0)
    assert host.plan() == "0 shards deferred, 0 left to those at work on their billers"
    assert_once(store, 63)
    assert (host.report.created, host.report.existing) == (63, 0)


def test_what_workers_have_in_hand_is_not_planned_again(host: Host) -> None:
    host.plan()
    change(host.broker, "UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo'")
    assert host.plan() == "0 shards deferred, 7 left to those at work on their billers"
    assert host.progress() == (0, 0, 7)


@pytest.mark.rule("M1")
def test_a_plan_may_be_of_a_day_and_a_biller_and_is_of_each_billers_today(host: Host, store: str) -> None:
    with workers.desk(store) as billing:
        saules = next(biller for biller in billing.billers.all() if biller.name == "Les Saules")
    host.plan(biller=saules.id)
    assert {job["args"]["shard"]["biller"] for job in jobs(host.broker, "task_name = 'invoicecore.shard'")} == {
        saules.id
    }
    host.plan(on=None)
    days = Counter(job["args"]["shard"]["on"] for job in jobs(host.broker, "task_name = 'invoicecore.shard'"))
    assert days == {"2026-04-24": 2, "2026-07-01": 7}
    host.work()
    assert (host.progress(), host.report.created.count) == ((2, 0, 0), 15)


def test_runs_deferred_by_hand_wait_neither_for_each_other_nor_for_one_of_another_day(host: Host, store: str) -> None:
    with workers.desk(store) as billing:
        pins, saules, _ = sorted(billing.billers.all(), key=lambda biller: biller.name, reverse=True)
    with host.app.open():
        host.tasks.run.configure(schedule_in={"days": 7}).defer(on="2026-05-01")
        for biller in (pins, saules):
            host.tasks.run.defer(on=ON.isoformat(), biller=biller.id)
    host.work()
    assert {job["args"]["shard"]["biller"] for job in jobs(host.broker, "task_name = 'invoicecore.shard'")} == {
        pins.id,
        saules.id,
    }
    [later] = jobs(host.broker, "status = 'todo'")
    assert later["args"] == {"on": "2026-05-01"}


def test_the_clocks_run_is_deferred_once_and_done_whatever_was_deferred_by_hand(broker: str, store: str) -> None:
    build(store)
    host = Host(broker, lambda: workers.desk(store), run="7 * * * *")
    with host.app.open():
        host.tasks.run.configure(schedule_in={"days": 7}).defer(on=ON.isoformat())
    at = datetime(2026, 4, 24, 0, 7, 30, tzinfo=UTC)
    assert deferred(host, at)["run"] == 1
    assert deferred(host, at + timedelta(hours=1))["run"] == 0, "what waits is not deferred twice"
    host.work()
    assert Counter(job["args"]["shard"]["on"] for job in jobs(broker, "task_name = 'invoicecore.shard'")) == {
        "2026-07-01": 3  # of the desk's own day
    }


def test_plans_take_turns_whoever_deferred_them(host: Host) -> None:
    host.defer(host.tasks.run, on=ON.isoformat())
    host.defer(host.tasks.run, on=ON.isoformat())
    for _ in range(2):
        assert asyncio.run(host._next()) == "takes its turn"
    first, second = jobs(host.broker, "status = 'todo'")
    assert first["lock"] == second["lock"] == "invoicecore.run"

    async def fetch() -> list[int | None]:
        async with host.app.open_async():
            manager = host.app.job_manager
            worker = await manager.register_worker()
            return [job.id if job else None for job in [await manager.fetch_job(None, worker) for _ in range(2)]]

    assert asyncio.run(fetch()) == [first["id"], None]


def test_what_shards_told_is_forgotten_after_90_days(host: Host) -> None:
    host.plan()
    host.work()
    assert host.progress()[0] == 7
    change(
        host.broker,
        "UPDATE invoicecore_shard_reports SET told_at = now() -"
        " CASE WHEN shard LIKE '%months' THEN interval '89 days' ELSE interval '91 days' END",
    )
    host.plan()
    assert host.progress() == (1, 0, 0)


def test_a_role_that_may_not_create_tables_plans_where_the_table_is_there(broker: str, store: str) -> None:
    build(store)
    Host(broker, lambda: workers.desk(store)).plan(on="2020-01-01")
    role = f"limited_{postgres.name_of(broker)}"
    change(
        broker,
        f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    try:
        Host(f"{broker}&options=-crole%3D{role}", lambda: workers.desk(store)).plan()
        assert len(jobs(broker, "args->'shard'->>'on' = '2026-04-24'")) == 3
    finally:
        change(broker, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_there_is_no_progress_before_the_first_plan(broker: str) -> None:
    host = Host(broker, lambda: pytest.fail("nothing to work on"))
    assert (host.progress(), repr(host.report)) == ((0, 0, 0), repr(Report(dry_run=False)))


# --- shards -----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("N1", "N2")
def test_progress_is_visible_while_shards_are_done_one_by_one(host: Host, store: str) -> None:
    host.plan()
    created = []
    for done in range(1, 8):
        asyncio.run(host._next())
        assert host.progress() == (done, 0, 7 - done)
        created.append(host.report.created.count)
    assert created == sorted(created)
    assert created[-1] == 60

    async def ask() -> object:
        async with host.app.open_async():
            return await host.tasks.progress_async(ON)

    found = asyncio.run(ask())
    with host.app.open():
        assert repr(host.tasks.progress(ON)) == repr(found)
    assert_once(store, 60)


@pytest.mark.rule("N2")
def test_of_several_attempts_at_a_shard_the_one_that_accounts_for_most_is_told(
    host: Host, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PAGE", procrastinate_host.PAGE)
    host.plan()
    again = [job["args"] for job in jobs(host.broker, "task_name = 'invoicecore.shard'")]
    with workers.desk(store) as billing:  # a worker that did one page of each and died
        doomed = Billing(procrastinate_host.Stopping(store_of(billing), at=2), clock=FixedClock(workers.NOON))
        for shard in billing.shards(on=ON, size=procrastinate_host.SIZE):
            with suppress(StoreError):
                doomed.run_shard(shard)
    host.work()
    first = (host.report.created.count, host.report.existing.count)
    assert sum(first) == 60
    assert first[1] > 0
    for args in again:
        host.defer(host.app.tasks["invoicecore.shard"], **args)
        host.defer(host.app.tasks["invoicecore.shard"], **{**args, "plan": args["plan"] + 1})
    host.work()
    assert (host.report.created.count, host.report.existing.count) == first
    assert_once(store, 60)


@pytest.mark.rule("N2")
def test_a_worker_that_found_a_shard_in_other_hands_does_not_have_the_last_word(host: Host) -> None:
    host.plan()
    host.work()
    # On PostgreSQL it passes over the leases another one has, and ends before that one has committed.
    early = Report(dry_run=False).dumps().replace("'", "''")
    change(host.broker, f"UPDATE invoicecore_shard_reports SET invoices = 0, report = '{early}'")
    assert (host.report.created, host.report.existing) == (0, 0)
    for job in jobs(host.broker, "task_name = 'invoicecore.shard'"):
        host.defer(host.app.tasks["invoicecore.shard"], **job["args"])
    host.work()
    assert host.report.created.count + host.report.existing.count == 60


@pytest.mark.rule("N2", "N4")
def test_over_several_plans_of_a_day_what_was_made_adds_up_and_what_failed_is_of_the_newest(broker: str) -> None:
    store = postgres.new()
    build(store)
    host = Host(broker, lambda: workers.desk(store))

    def another_hour() -> tuple[int, int, int]:
        host.plan()
        host.work()
        told = host.report
        return told.created.count, told.existing.count, told.failed.count

    with workers.desk(store) as billing:
        [pins] = [biller for biller in billing.billers.all() if biller.name == "Les Pins"]
        [practice] = [biller for biller in billing.billers.all() if biller.name == "Dr Roy"]
        first, *_, last = sorted(lease.id for lease in billing.leases.find(biller=pins))
        change(
            plain(store),
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            f" IF NEW.lease IN ('{first}', '{last}') THEN RAISE EXCEPTION 'no' USING ERRCODE = '22003'; END IF;"
            " RETURN NEW; END$$; CREATE TRIGGER refuse BEFORE INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        assert another_hour() == (58, 0, 2)
        assert another_hour() == (58, 0, 2), "those that still fail have failed once"
        change(plain(store), "DROP TRIGGER refuse ON invoices")
        late = billing.customers.add(biller=practice, name="Late", billing_cycle="monthly", on=date(2026, 3, 20))
        billing.charges.add(customer=late, description="Hour", amount=money(80), on=date(2026, 3, 24))
        assert another_hour() == (61, 0, 0), "the same leases and the same months as before, under the same names"
        assert another_hour() == (61, 0, 0)
    kept = [outcome.invoice for outcome in host.report.created]
    assert len(kept) == len(set(kept))
    assert_once(store, 61)
    postgres.drop(store)


def test_mail_and_money_do_not_wait_for_a_large_run(host: Host) -> None:
    host.plan()
    host.defer(host.tasks.recover)
    asyncio.run(host._next())
    assert jobs(host.broker, "status = 'succeeded'")[-1]["task_name"] == "invoicecore.recover"
    assert len(jobs(host.broker, "status = 'todo'")) == 7


def test_a_shard_that_fails_is_tried_again_and_then_planned_anew(broker: str, store: str) -> None:
    count, down = build(store), [True]

    class Down(workers.Wrapped):
        def writing(self, **how: Any) -> Any:
            if down:
                raise StoreError("the disk is full")
            return super().writing(**how)

    host = Host(broker, lambda: workers.desk(store, wrap=Down), size=procrastinate_host.SIZE)
    host.plan()
    for attempt in range(1, ATTEMPTS + 1):
        host.work()
        waiting = jobs(broker, "task_name = 'invoicecore.shard' AND status = 'todo'")
        assert {(job["attempts"], job["scheduled_at"] is None) for job in waiting} == {(attempt, False)}
        assert host.progress() == (0, 0, 7)
        assert host.plan() == "0 shards deferred, 7 left to those at work on their billers"
        let_time_pass(broker)
    host.work()
    assert host.progress() == (0, 7, 0)
    down.clear()
    assert host.plan() == "7 shards deferred, 0 left to those at work on their billers"
    assert host.progress() == (0, 0, 7)
    host.work()
    assert host.progress() == (7, 0, 0)
    assert_once(store, count)


def test_what_failed_and_was_planned_anew_in_other_shards_is_not_told_of_any_more(host: Host, store: str) -> None:
    host.plan()
    asyncio.run(host._next())
    change(host.broker, "UPDATE procrastinate_jobs SET status = 'failed' WHERE status = 'todo'")
    assert host.progress() == (1, 6, 0)
    with workers.desk(store) as billing:
        saules = next(biller for biller in billing.billers.all() if biller.name == "Les Saules")
        one = tenants(billing, saules, 1)[0]
        billing.run_shard(Shard(biller=saules.id, on=ON, leases=("", one.id), due=16))
    host.plan()
    failed = host.progress()[1]
    assert failed == len(jobs(host.broker, "status = 'failed' AND args->'shard'->>'biller' = %(it)s", it=saules.id)), (
        "nothing of Les Saules was planned again: a person finds the failed jobs where they were"
    )
    host.work()
    assert host.progress()[2] == 0


# --- workers that die -------------------------------------------------------------------------------------------------


def worker(broker: str, store: str, *, pipe: int | None = None, **environment: str) -> subprocess.Popen[bytes]:
    """A process that works until there is nothing to do."""
    told = {"STEPS": str(pipe)} if pipe is not None else {}
    return subprocess.Popen(
        [sys.executable, "-m", "procrastinate", "--app=procrastinate_host.app", "worker", "--one-shot"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)]),
            "BROKER": broker,
            "STORE": store,
            **told,
            **environment,
        },
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[pipe] if pipe is not None else [],
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    _, said = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return process.returncode


@pytest.mark.rule("N1", "N2", "S7", "C9")
def test_workers_side_by_side_do_every_shard_once(broker: str, store: str) -> None:
    count = build(store)
    host = Host(broker, lambda: workers.desk(store), size=procrastinate_host.SIZE)
    host.plan()
    crew = [worker(broker, store) for _ in range(3)]
    assert [ended(process) for process in crew] == [0, 0, 0]
    assert host.progress() == (7, 0, 0)
    assert (host.report.created, host.report.existing, host.report.failed) == (count, 0, 0)
    assert_once(store, count)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")
@pytest.mark.rule("N1", "N2", "N4", "S7", "C9")
@pytest.mark.parametrize("dies", ["before 2", "after 1", "after 5"])
def test_a_worker_killed_within_a_shard_costs_nothing_but_time(broker: str, store: str, dies: str) -> None:
    count = build(store)
    host = Host(broker, lambda: workers.desk(store), size=procrastinate_host.SIZE)
    host.plan()
    assert ended(worker(broker, store, DIES=dies)) == -signal.SIGKILL
    [stalled] = jobs(broker, "status = 'doing' AND task_name = 'invoicecore.shard'")
    done, failed, left = host.progress()
    assert (done + left, failed) == (7, 0)
    assert left > 0
    committed = made(store) - host.report.created.count
    assert committed > 0 or dies.startswith("before")
    host.revive()
    assert ended(worker(broker, store)) == 0
    assert host.progress() == (6, 0, 1), "its worker may be alive: it was heard of a moment ago"
    let_time_pass(broker)
    host.revive()
    assert ended(worker(broker, store)) == 0
    assert host.progress() == (7, 0, 0)
    assert jobs(broker, "id = %(id)s", id=stalled["id"])[0]["attempts"] == 2
    report = host.report
    assert report.created.count + report.existing.count == count
    assert report.existing == committed, "what the dead one had made of its shard"
    assert_once(store, count)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")
@pytest.mark.rule("N1", "N2", "N4", "S7", "C9")
def test_whenever_workers_are_killed_all_is_done_in_the_end(broker: str, store: str) -> None:
    count, chance, kills = build(store), random.Random(SEED), 0
    host = Host(broker, lambda: workers.desk(store), size=procrastinate_host.SIZE)
    host.plan()
    while host.progress()[2]:
        mine, theirs = os.pipe()
        process = worker(broker, store, pipe=theirs)
        os.close(theirs)
        steps = chance.randrange(1, 80) if kills < KILLS else 10**9
        if all(os.read(mine, 1) for _ in range(steps)):
            for _ in range(chance.randrange(40_000)):
                pass  # on into the step
            process.kill()
        os.close(mine)
        kills += ended(process) == -signal.SIGKILL
        let_time_pass(broker)
        host.revive()
    assert host.progress() == (7, 0, 0), f"seed {SEED}"
    assert host.report.created.count + host.report.existing.count == count, f"seed {SEED}"
    assert host.report.failed == 0
    assert_once(store, count)
    assert kills > 1
    print(f"{kills} workers killed, seed {SEED}")


def stalled(host: Host, task: str, *, attempts: int = 0, **given: object) -> int:
    """The id of a job whose worker died long ago."""
    change(
        host.broker,
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')",
    )
    host.defer(host.app.tasks[task], **given)
    change(
        host.broker,
        f"UPDATE procrastinate_jobs SET status = 'doing', attempts = {attempts},"
        " worker_id = (SELECT max(id) FROM procrastinate_workers)"
        " WHERE id = (SELECT max(id) FROM procrastinate_jobs)",
    )
    return int(jobs(host.broker)[-1]["id"])


def status_of(host: Host, job: int) -> tuple[str, int]:
    [found] = jobs(host.broker, "id = %(id)s", id=job)
    return found["status"], found["attempts"]


@pytest.fixture
def idle(broker: str) -> Host:
    """An app whose desk has nobody to bill."""
    return Host(broker, lambda: Billing.open("memory://", plugins=Plugins.of(memory.plugin)))


def test_a_shard_that_kills_its_workers_fails_in_the_end(idle: Host) -> None:
    shard = unstructure(Shard(biller="nobody000000", on=ON))
    once = stalled(idle, "invoicecore.shard", attempts=ATTEMPTS - 1, shard=shard)
    often = stalled(idle, "invoicecore.shard", attempts=ATTEMPTS, shard=shard)
    idle.revive()
    asyncio.run(idle._next())
    assert status_of(idle, once) == ("todo", ATTEMPTS)
    assert status_of(idle, often)[0] == "failed"


def test_stalled_work_gives_way_where_the_next_is_waiting_already(idle: Host) -> None:
    dead = stalled(idle, "invoicecore.recover")
    idle.defer(idle.tasks.recover)
    idle.revive()
    idle.work()
    assert status_of(idle, dead)[0] == "aborted"
    assert [job["status"] for job in jobs(idle.broker, "task_name = 'invoicecore.recover'")] == ["aborted", "succeeded"]


def test_the_hosts_own_jobs_are_left_alone(idle: Host) -> None:
    @idle.app.task(name="theirs", queue="invoicecore")
    def theirs() -> None:
        """Whatever the host does."""

    dead = stalled(idle, "theirs")
    idle.revive()
    idle.work()
    assert status_of(idle, dead) == ("doing", 0)


def test_a_revival_that_died_keeps_the_next_from_nothing(idle: Host) -> None:
    dead, other = stalled(idle, "invoicecore.revive"), stalled(idle, "invoicecore.remind")
    idle.revive()
    idle.work()
    assert status_of(idle, other)[0] == "succeeded"
    assert status_of(idle, dead)[0] in ("succeeded", "aborted"), "the minute's own may be waiting by now"


# --- the rest of the recurring work -----------------------------------------------------------------------------------


def deferred(host: Host, *instants: datetime) -> Counter[str]:
    """What the clock of a worker has deferred by the last of some instants."""

    async def tick() -> None:
        async with host.app.open_async():
            deferrer = PeriodicDeferrer(registry=host.app.periodic_registry)
            for instant in instants:
                await deferrer.defer_jobs(deferrer.get_previous_tasks(at=instant.timestamp()))

    before = {job["id"] for job in jobs(host.broker)}
    asyncio.run(tick())
    return Counter(
        job["task_name"].removeprefix("invoicecore.") for job in jobs(host.broker) if job["id"] not in before
    )


def test_each_task_is_deferred_at_its_times_once_whoever_looks_at_the_clock(broker: str) -> None:
    def nobody() -> Billing:
        pytest.fail("nothing is done yet")

    host = Host.__new__(Host)
    host.broker, host.app = broker, App(connector=PsycopgConnector(conninfo=broker))
    host.tasks = install(host.app, nobody)
    at = datetime(2026, 4, 24, 0, 7, 30, tzinfo=UTC)
    every = {"run": 1, "deliver": 1, "collect": 1, "recover": 1, "revive": 1}
    assert deferred(host, at) == every, "reminders are due at 37"
    assert deferred(host, at) == {}, "another worker finds it done"
    assert deferred(host, at + timedelta(hours=12, minutes=30)) == {"remind": 1}, "what waits is not deferred twice"
    change(broker, "UPDATE procrastinate_jobs SET status = 'succeeded'")
    assert deferred(host, at + timedelta(days=1), at + timedelta(days=1, minutes=1)) == every
    assert [job["args"] for job in jobs(broker, "task_name = 'invoicecore.run'")] == [
        {"timestamp": int(datetime(2026, 4, day, 0, 7, tzinfo=UTC).timestamp())} for day in (24, 25)
    ]


def test_a_task_has_the_times_it_was_given_or_none(broker: str) -> None:
    host = Host(broker, lambda: pytest.fail("nothing is done yet"), run="30 3 * * *", deliver="*/2 * * * *")
    at = datetime(2026, 4, 24, 3, 31, tzinfo=UTC)
    assert deferred(host, at) == {"run": 1, "deliver": 1, "revive": 1}
    assert set(host.app.tasks) >= {"invoicecore.remind", "invoicecore.collect", "invoicecore.recover"}


def test_the_recurring_work_is_done(broker: str, store: str) -> None:
    build(store)
    post, done = Post(), []

    class Heard(Billing):
        def collect(self, **how: Any) -> Any:
            done.append("collect")
            return super().collect(**how)

        def recover(self, **how: Any) -> Any:
            done.append("recover")
            return super().recover(**how)

    plugins = Plugins.of()
    clock = FixedClock(datetime(2026, 5, 20, 12, tzinfo=UTC))
    desk = Heard(sql.open_sql(store), clock=clock, plugins=plugins, wiring=wiring(plugins, clock, mailer=post))
    park = next(biller for biller in desk.billers.all() if biller.name == "Les Pins")
    desk.billers.edit(park, policy={"reminders": (0, 7)})
    guest = desk.customers.add(biller=park, name="Ana", email="ana@example.com")
    desk.leases.add(biller=park, customer=guest, rent=money(500), starts=date(2026, 5, 1))
    host = Host(broker, lambda: desk)
    host.defer(host.tasks.run)
    host.work()
    clock.advance(timedelta(days=30))
    for task in (host.tasks.remind, host.tasks.deliver, host.tasks.collect, host.tasks.recover):
        host.defer(task)
        host.work()
    assert {job["status"] for job in jobs(broker)} == {"succeeded"}
    assert [letter.subject.split()[0] for letter in post.letters] == ["Invoice", "Reminder:"]
    assert done == ["collect", "recover"]


# --- the app of the environment ---------------------------------------------------------------------------------------


def command(words: Sequence[str], **environment: str) -> str:
    """What Procrastinate's own command says, on the app that is made from the environment."""
    app = "--app=invoicecore_adapters.procrastinate.app"
    done = subprocess.run(
        [sys.executable, "-m", "procrastinate", app, *words],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("INVOICECORE_")},
            "PYTHONPATH": str(HERE.parent / "src"),
            **environment,
        },
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_app_of_the_environment_works_by_procrastinates_own_command() -> None:
    url = postgres.new()
    count = build(url)
    named = f"{url}&timeout=5"  # an option of the store's, and none of libpq's
    command(["schema", "--apply"], INVOICECORE_DB=named)
    procrastinate_host.leave_the_clock_to_others(plain(url))
    command(["defer", "invoicecore.run", '{"on": "2026-04-24"}'], INVOICECORE_DB=named)
    command(["worker", "--one-shot"], INVOICECORE_DB=named)
    host = Host(plain(url), lambda: pytest.fail("nothing is left"))
    assert (host.progress(), host.report.created.count) == ((3, 0, 0), count)
    assert jobs(plain(url), "status = 'succeeded'") == []
    assert_once(url, count)
    postgres.drop(url)


@pytest.mark.parametrize(
    "given, absent",
    [
        ({}, {"deliver", "collect", "recover"}),
        ({"INVOICECORE_MAILER": "console://"}, {"collect", "recover"}),
        ({"INVOICECORE_GATEWAY": "memory:// stripe://"}, {"deliver"}),
        ({"INVOICECORE_GATEWAY": "memory://", "INVOICECORE_MAILER": "console://"}, set()),
    ],
    ids=["nothing", "a mailer", "gateways", "both"],  # a set has no order of its own
)
def test_what_has_nothing_to_work_with_is_not_called(
    given: dict[str, str], absent: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(monkeypatch, INVOICECORE_DB="sqlite:///x.db", INVOICECORE_BROKER="postgresql://here/jobs", **given)
    called = {
        name.removeprefix("invoicecore.") for name, _ in adapter.app_from_environment().periodic_registry.periodic_tasks
    }
    assert called == {"run", "deliver", "remind", "collect", "recover", "revive"} - absent


def bare(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    """An environment that says so much and no more."""
    for name in [name for name in os.environ if name.startswith("INVOICECORE_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://user:s3cret@host/jobs",
        "postgresql+asyncpg://user:s3cret@host/jobs",
        "mysql://user:s3cret@host/jobs",
        "postgresql://user:one@s3cret@host/jobs",
        "postgresql://user:one@s3/s3cret@host/jobs",
        "postgresql://user:s3cret@host:s3cret/jobs",
        "postgresql://user@host/jobs?row_factory=s3cret",
        "user:s3cret",
    ],
)
def test_a_broker_that_cannot_be_one_is_refused_at_once_and_never_quoted(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(monkeypatch, INVOICECORE_DB="sqlite:///x.db", INVOICECORE_BROKER=url)
    with pytest.raises(InvalidValue, match="INVOICECORE_BROKER") as told:
        adapter.app_from_environment()
    assert "s3cret" not in "".join(traceback.format_exception(told.value))
    assert "s3cret" not in repr(vars(told.value))


@pytest.mark.parametrize("variable", ["INVOICECORE_BROKER", "INVOICECORE_DB"])
def test_the_brokers_url_is_read_as_the_stores_is(variable: str, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    password = "one two+%2B%40"
    url = broker.replace("postgres@", f"postgres:{password}@").replace("postgresql://", "postgresql+psycopg://")
    asked = f"{url}&options=-c+search_path%3Dpublic+-c+work_mem%3D77MB&timeout=5"
    bare(monkeypatch, **{"INVOICECORE_DB": "sqlite:///x.db", variable: asked})
    app = adapter.app_from_environment()
    with app.open():
        assert app.connector.get_sync_connector().execute_query_one("SHOW work_mem") == {"work_mem": "77MB"}
        assert app.connector.get_sync_connector().execute_query_one("SHOW client_encoding") == {
            "client_encoding": "UTF8"
        }
    # What libpq gets is what the store's driver gets.
    given: Any = app.connector
    assert conninfo_to_dict(given._pool_args["conninfo"])["password"] == "one two++@"


@pytest.mark.parametrize(
    "environment, missing",
    [({}, "INVOICECORE_DB"), ({"INVOICECORE_DB": "sqlite:///x.db"}, "INVOICECORE_BROKER")],
    ids=["no store", "no broker"],
)
def test_what_is_missing_in_the_environment_is_named(
    environment: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(monkeypatch, **environment)
    with pytest.raises(InvalidValue, match=f"{missing}.*is not set; set it to the URL"):
        _ = adapter.app


def test_without_procrastinate_it_names_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['procrastinate'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'procrastinate' else find(name, *rest)\n"
        "try:\n    import invoicecore_adapters.procrastinate\nexcept ImportError as error:\n"
        "    print(type(error).__name__, error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(HERE.parent / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    wanted = "MissingExtra Work by Procrastinate needs an extra: pip install 'invoicecore[procrastinate]'"
    assert told.stdout.strip() == wanted, told.stderr
