"""The worker files of examples/workers do what docs/workers.md says: by Procrastinate, Celery, cron and systemd."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery.contrib.testing.worker import start_worker
from procrastinate import App, PsycopgConnector

import postgres
from desks import all_of, money, store_of
from invoicecore import Billing, Invoice, Report
from invoicecore.payments import Reversal, ReversalKind
from invoicecore_adapters.cli import main
from invoicecore_adapters.memory import MemoryGateway
from procrastinate_host import leave_the_clock_to_others

ROOT = Path(__file__).parent.parent
FILES = ROOT / "examples" / "workers"
ON = date(2026, 4, 24)
WEEKLY = ("receive_missed", "reconcile")


def build(url: str) -> None:
    """A park of five leases that are due on ON, and one guest with an address."""
    with Billing.open(url) as billing:
        park = billing.billers.add(
            name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays"
        )
        rows = [{"name": f"T{n}", "email": "ana@example.com" if n == 0 else None} for n in range(5)]
        for who in billing.customers.add_many(biller=park, rows=rows):
            # One period each: what else is due does not depend on the day these tests are run.
            billing.leases.add(
                biller=park, customer=who, rent=money(600), starts=date(2026, 5, 1), ends=date(2026, 5, 31)
            )


def imported(name: str) -> Iterator[Any]:
    """A module of the examples, under its name."""
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


def invoices(url: str) -> list[Invoice]:
    with Billing.open(url) as billing:
        [park] = billing.billers.all()
        return all_of(store_of(billing), park, Invoice)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of these five leases, named in the environment with what else a worker is wired to."""
    url = f"sqlite:///{tmp_path}/x.db"
    build(url)
    for name, value in {"DB": url, "MAILER": f"files://{tmp_path}/mail", "GATEWAY": "memory://"}.items():
        monkeypatch.setenv(f"INVOICECORE_{name}", value)
    monkeypatch.setenv("INVOICECORE_BASE_URL", "https://pay.example.com")
    return url


# --- what was lost ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bank() -> MemoryGateway:
    """A provider that the desks of a test share."""
    return MemoryGateway()


@pytest.fixture
def charged_back(store: str, bank: MemoryGateway) -> Callable[[], int]:
    """A debit was charged back and the webhook was lost: gives how many reversals are known here."""
    with Billing.open(store, gateway=bank) as billing:
        [park] = billing.billers.all()
        guest = billing.customers.add(biller=park, name="Ana")
        page = billing.methods.setup(guest, return_url="https://example.com/thanks")
        billing.receive("memory", *bank.save(page.url))
        today = billing.today(park)
        draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(80), due=today)
        debit = billing.payments.charge(billing.invoices.publish(draft))
        assert debit.reference is not None
        billing.receive("memory", *bank.collect(debit.reference))
        bank.reverse(debit.reference, ReversalKind.CHARGEBACK)

    def known() -> int:
        with Billing.open(store) as billing:
            return len(all_of(store_of(billing), park, Reversal))

    assert known() == 0
    return known


# --- Procrastinate ----------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a store on PostgreSQL that has Procrastinate's tables too."""
    url = postgres.new()
    with App(connector=PsycopgConnector(conninfo=url.replace("+psycopg", ""))).open() as app:
        app.schema_manager.apply_schema()
    leave_the_clock_to_others(url.replace("+psycopg", ""))
    build(url)
    yield url
    postgres.drop(url)


def run_in(folder: Path, words: list[str], url: str, *, gateway: str = "") -> str:
    """What a command says in a folder, on the store and broker of one URL."""
    done = subprocess.run(
        [sys.executable, *words],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("INVOICECORE_")},
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)]),
            "INVOICECORE_DB": url,
            "INVOICECORE_GATEWAY": gateway,
            "INVOICECORE_BROKER": url.replace("+psycopg", ""),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_host_has_the_work_in_an_app_of_its_own_and_sees_how_far_it_is(server: str) -> None:
    own = ["-m", "procrastinate", "--app=jobs.app"]
    run_in(FILES, [*own, "defer", "invoicecore.run", f'{{"on": "{ON}"}}'], server)
    run_in(FILES, [*own, "worker", "--one-shot"], server)
    told = run_in(FILES, ["progress.py", ON.isoformat()], server)
    assert told == "1 of 1 shards done, 0 failed, 0 left\n5 invoices made, 0 leases failed\n"
    assert len(invoices(server)) == 5


@pytest.fixture
def jobs(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the host's app, on a broker that nobody asks."""
    monkeypatch.setenv("INVOICECORE_BROKER", "")
    yield from imported("jobs")


def test_a_task_of_the_hosts_own_fetches_what_webhooks_did_not_bring_once_a_week(
    jobs: Any,
    store: str,
    bank: MemoryGateway,
    charged_back: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(jobs, "open_billing", lambda: Billing.open(store, gateway=bank))
    jobs.reconcile()
    assert "TAKEN_BACK" in caplog.text
    caplog.clear()
    for _ in range(2):  # known events are skipped
        jobs.receive_missed()
        assert charged_back() == 1
    jobs.reconcile()
    assert not caplog.records


def test_a_worker_does_the_weekly_tasks_too(server: str) -> None:
    own = ["-m", "procrastinate", "--app=jobs.app"]
    for name in ("receive_missed", "reconcile"):
        run_in(FILES, [*own, "defer", f"jobs.{name}"], server, gateway="memory://")
    run_in(FILES, [*own, "worker", "--one-shot"], server, gateway="memory://")
    with psycopg.connect(server.replace("+psycopg", "")) as connection:
        left = "SELECT task_name FROM procrastinate_jobs WHERE task_name LIKE 'jobs.%'"
        assert connection.execute(left).fetchall() == [], "what is done is deleted, what failed is not"


def test_the_unit_of_systemd_starts_a_worker(server: str) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # as its own documentation has it
    unit.read(FILES / "invoicecore-worker@.service")
    program, *words = shlex.split(unit["Service"]["ExecStart"].replace("%p", "invoicecore-worker").replace("%i", "1"))
    assert Path(program).name == "procrastinate"
    own = ["-m", "procrastinate", "--app=invoicecore_adapters.procrastinate.app"]
    run_in(ROOT, [*own, "defer", "invoicecore.run", f'{{"on": "{ON}"}}'], server)
    run_in(ROOT, ["-m", "procrastinate", *words, "--one-shot"], server)
    assert len(invoices(server)) == 5


# --- Celery -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded() -> Iterator[Any]:
    """The module of the tasks, imported once, as a process of Celery's does."""
    yield from imported("celery_jobs")


@pytest.fixture
def celery_jobs(loaded: Any, store: str) -> Iterator[Any]:
    """The tasks on the store, done where they are called."""
    loaded.app.conf.update(task_always_eager=True, task_store_eager_result=True)
    yield loaded
    if loaded.billing.cache_info().currsize:
        loaded.billing().close()
        loaded.billing.cache_clear()


def test_shards_are_tasks_of_celery_that_need_no_server_here(celery_jobs: Any, store: str) -> None:
    first = celery_jobs.run.delay(ON.isoformat()).get()
    assert Report.loads(celery_jobs.app.AsyncResult(first).get()).created == 5
    assert celery_jobs.run.delay(ON.isoformat()).get() is None
    assert len(invoices(store)) == 5


def test_a_worker_of_celery_does_the_shards_and_merges_what_they_tell(celery_jobs: Any, store: str) -> None:
    celery_jobs.app.conf.task_always_eager = False
    with start_worker(celery_jobs.app, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        result = celery_jobs.run.delay(ON.isoformat()).get(timeout=60)
        report = Report.loads(celery_jobs.app.AsyncResult(result).get(timeout=60))
    assert (report.created, report.failed) == (5, 0)
    assert len(invoices(store)) == 5


def test_celerys_clock_calls_everything_there_is_to_call(celery_jobs: Any, store: str) -> None:
    with Billing.open(store) as billing:
        billing.run(on=ON)
    done = {}
    for name, entry in celery_jobs.app.conf.beat_schedule.items():
        done[name] = celery_jobs.app.tasks[entry["task"]].delay(*entry.get("args", ())).get()
    assert set(done) == {"run", "remind", "deliver", "collect", "recover", *WEEKLY}
    assert done["deliver"].startswith("Deliveries(sent=1")


def test_celerys_weekly_tasks_fetch_what_webhooks_did_not_bring(
    celery_jobs: Any,
    store: str,
    bank: MemoryGateway,
    charged_back: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Billing.open(store, gateway=bank) as billing, monkeypatch.context() as patch:
        patch.setattr(celery_jobs, "billing", lambda: billing)
        assert celery_jobs.reconcile.delay().get() == 1
        assert celery_jobs.receive_missed.delay().get() > 0
        assert celery_jobs.reconcile.delay().get() == 0
    assert charged_back() == 1


# --- cron -------------------------------------------------------------------------------------------------------------


def lines_of_cron() -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The variables, and (when, what) of each line."""
    text = [line for line in (FILES / "crontab").read_text().splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in text if re.match(r"\w+=", line))
    rest = [line.split(maxsplit=6) for line in text if not re.match(r"\w+=", line)]
    assert {words[5] for words in rest} == {"billing"}
    return variables, [(" ".join(words[:5]), words[6]) for words in rest]


def as_cron_calls(words: str) -> list[str]:
    """A command as the shell has it, to which cron hands a % that was written with a stroke before it."""
    assert not re.search(r"(?<!\\)%", words), "cron ends the command there"
    told = subprocess.run(
        ["/bin/sh", "-c", "printf '%s\\n' " + words.replace("\\%", "%")], capture_output=True, text=True, check=True
    )
    return told.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="the crontab is for GNU's date")
def test_crons_commands_do_the_recurring_work_and_may_be_called_again(
    store: str, capfd: pytest.CaptureFixture[str]
) -> None:
    variables, lines = lines_of_cron()
    assert {name for name in variables if name.startswith("INVOICECORE_")} == {
        name for name in os.environ if name.startswith("INVOICECORE_")
    }
    with Billing.open(store) as billing:
        billing.run(on=ON)
    for _ in range(2):
        told: dict[str, Any] = {}
        for _, words in lines:
            program, *argv = as_cron_calls(words)
            assert program == "invoicecore"
            assert main([word.replace("stripe", "memory") for word in argv]) == 0, words
            said = capfd.readouterr().out
            told[argv[0]] = json.loads(said) if "--json" in argv else said
    assert set(told) == {"run", "remind", "deliver", "collect", "recover", "receive", "reconcile"}
    assert told["deliver"]["sent"]["count"] == 0, "once is enough"
    assert "No differences" in told["reconcile"]


def test_cron_asks_the_provider_as_far_back_as_the_page_says() -> None:
    back = {
        words.split()[1]: int(found[1])
        for _, words in lines_of_cron()[1]
        if (found := re.search(r"(\d+) days ago", words))
    }
    page = (ROOT / "docs" / "workers.md").read_text()
    assert dict(re.findall(r"\| `(\w+)` \| (\d+) days \|", page)) == {
        "receive_missed": str(back["receive"]),
        "reconcile": str(back["reconcile"]),
    }


def test_cron_calls_as_often_as_the_tasks_are_deferred(jobs: Any) -> None:
    _, lines = lines_of_cron()
    app = App(connector=PsycopgConnector())
    from invoicecore_adapters.procrastinate import install

    install(app, lambda: pytest.fail("nothing is done"))
    crons = {
        key[0].removeprefix("invoicecore."): task.cron for key, task in app.periodic_registry.periodic_tasks.items()
    }
    crons.pop("revive")
    weekly = {
        key[0].removeprefix("jobs."): task.cron for key, task in jobs.app.periodic_registry.periodic_tasks.items()
    }
    crons |= {name: weekly[name] for name in WEEKLY}
    crons["receive"] = crons.pop("receive_missed")
    assert {shlex.split(words)[1]: when for when, words in lines} == crons
