"""What the billing run and publishing cost, as a ratio to raw writes of the same rows in the same run; what two workers are
worth; and what starting up costs.

python benchmarks/run.py                     both databases, 20,000 and 100,000 leases, 9 paired rounds
python benchmarks/run.py --databases sqlite --leases 5000 --rounds 3
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import floor
import floor_postgres
from stores import DATABASES, Database

from invoicecore import Billing, Money, Shard
from invoicecore.billing import publishing, running

ON = date(2026, 4, 24)  # a week before the period that begins on 1 May
BILLERS, EACH = 8, 2_500  # of what two workers share
ENGINES = {"sqlite": "sqlite://", "postgresql": "postgresql+psycopg://"}


class Floor(Protocol):
    """Raw writes to one database."""

    def pages(self, before: str, after: str, items_a_page: int) -> Any:
        """What to write, a page a transaction."""

    def write(self, url: str, work: Any) -> None:
        """Write it."""


FLOORS: dict[str, Floor] = {"sqlite": floor, "postgresql": floor_postgres}


class Journey(NamedTuple):
    """What is measured: how it is done over so many leases, and how many of them are in a transaction."""

    name: str
    work: Callable[[str, int], float]
    page: int


def main() -> int:
    """Measure and print; exit code 0 unless something made the wrong number of invoices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--leases", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--one-run", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one_run:
        _bill(given.one_run, 0)
        print(f"{peak_kib() / 1024:.0f}")
        return 0
    print(f"{platform.python_implementation()} {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
          f"{os.cpu_count()} cores; {given.rounds} paired rounds\n")  # fmt: skip
    print(f"{'':<24}{'leases':>8} {'ours µs/inv':>12} {'floor µs/inv':>13} {'inv/s':>8} {'ratio':>6} {'quartiles':>13} "
          f"{'nothing due':>12} {'peak MB':>8}")  # fmt: skip
    for name in given.databases:
        with DATABASES[name]() as new:
            for leases in given.leases:
                _measure(name, new(f"b{leases}"), leases, given.rounds)
    print(f"\ntwo workers over {BILLERS} billers of {EACH:,} leases, beside one")
    for name in given.databases:
        with DATABASES[name]() as new:
            _shared(name, new("shared"), given.rounds)
    print()
    _start_up()
    return 0


def _measure(name: str, database: Database, leases: int, rounds: int) -> None:
    """The run that publishes, then publishing the drafts of one that does not."""
    load(_url(name, database.url), leases)
    database.keep(0)
    database.restore(0)
    _draft(_url(name, database.url), leases)
    database.keep(1)
    for kept, journey in enumerate(
        (Journey("run", _bill, running.PAGE), Journey("publish_all", _publish, publishing.PAGE))
    ):
        database.restore(kept)
        journey.work(_url(name, database.url), leases)
        work = FLOORS[name].pages(database.kept(kept), database.url, journey.page)
        ours, floors, idle = [], [], []
        for _ in range(rounds):
            database.restore(kept)
            ours.append(journey.work(_url(name, database.url), leases))
            idle.append(journey.work(_url(name, database.url), 0))
            database.restore(kept)
            begin = time.perf_counter()
            FLOORS[name].write(database.url, work)
            floors.append(time.perf_counter() - begin)
        ratios = [mine / raw for mine, raw in zip(ours, floors, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        mine, raw = statistics.median(ours), statistics.median(floors)
        peak = ""
        if journey.name == "run":
            database.restore(kept)
            command = [sys.executable, __file__, "--one-run", _url(name, database.url)]
            peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(f"{f'{name}, {journey.name}':<24}{leases:>8,} {mine / leases * 1e6:>12.1f} {raw / leases * 1e6:>13.1f} "
              f"{leases / mine:>8,.0f} {middle:>6.2f} {f'{low:.2f}–{high:.2f}':>13} "
              f"{statistics.median(idle) / mine:>12.2%} {peak:>8}")  # fmt: skip


def _url(name: str, url: str) -> str:
    return ENGINES[name] + url.partition("://")[2]


def load(url: str, leases: int, name: str = "Les Pins") -> None:
    """A new biller and its leases, each due for one period."""
    with Billing.open(url) as billing:
        park = billing.billers.add(name=name, currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays")
        for begin in range(0, leases, 5000):
            several = range(begin, min(begin + 5000, leases))
            tenants = billing.customers.add_many(
                biller=park, rows=[{"name": f"Locataire {n}", "email": f"t{n}@example.org"} for n in several]
            )
            billing.leases.add_many(
                biller=park,
                rows=[
                    {
                        "customer": tenant,
                        "rent": Money(f"{400 + n % 500}.50", "EUR"),
                        "starts": date(2025, 1 + n % 12, 1 + n % 28),
                        "anchor_day": 1,
                        "bill_from": date(2026, 5, 1),
                    }
                    for n, tenant in zip(several, tenants, strict=True)
                ],
            )


def _bill(url: str, expected: int) -> float:
    with Billing.open(url) as billing:
        begin = time.perf_counter()
        report = billing.run(on=ON)
        took = time.perf_counter() - begin
    if (expected and report.created.count != expected) or report.failed:
        raise SystemExit(f"expected {expected} invoices, got {report}: {list(report.failed)[:3]}")
    return took


def _draft(url: str, leases: int) -> None:
    with Billing.open(url) as billing:
        [park] = billing.billers.all()
        billing.billers.edit(park, policy={"run_issues": False})
    _bill(url, leases)


def _publish(url: str, expected: int) -> float:
    with Billing.open(url) as billing:
        [park] = billing.billers.all()
        begin = time.perf_counter()
        report = billing.invoices.publish_all(biller=park, on=ON)
        took = time.perf_counter() - begin
    if len(report.published) != expected or report.failed:
        raise SystemExit(f"expected {expected} published, got {len(report.published)}: {report.failed[:3]}")
    return took


# --- workers ----------------------------------------------------------------------------------------------------------

_desk: Billing


def _shared(name: str, database: Database, rounds: int) -> None:
    url = _url(name, database.url)
    for n in range(BILLERS):
        load(url, EACH, f"Parc {n}")
    with Billing.open(url) as billing:
        shards = billing.shards(on=ON)
    database.keep(0)
    took: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, times in took.items():
            database.restore(0)
            with multiprocessing.get_context("spawn").Pool(workers, _ready, (url,)) as pool:
                pool.map(_hold, range(workers), chunksize=1)
                begin = time.perf_counter()
                made = sum(pool.map(_work, shards, chunksize=1))
                times.append(time.perf_counter() - begin)
            if made != BILLERS * EACH:
                raise SystemExit(f"expected {BILLERS * EACH} invoices, got {made}")
    ratios = [one / two for one, two in zip(took[1], took[2], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"{name:<12} {BILLERS * EACH / statistics.median(took[1]):>8,.0f} inv/s alone, "
          f"{BILLERS * EACH / statistics.median(took[2]):>8,.0f} together: {middle:.2f} times ({low:.2f}–{high:.2f})")  # fmt: skip


def _ready(url: str) -> None:
    global _desk
    _desk = Billing.open(url)


def _hold(_: int) -> None:
    time.sleep(0.2)  # long enough that every worker gets one of these, and so is warm


def _work(shard: Shard) -> int:
    return _desk.run_shard(shard).created.count


# --- starting up ------------------------------------------------------------------------------------------------------


def peak_kib() -> int:
    """The most memory this process has held."""
    # On Linux ru_maxrss survives exec: it would be what the parent held when it started this process.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def _start_up() -> None:
    bare = _time([sys.executable, "-c", "pass"])
    imported = _time([sys.executable, "-c", "import invoicecore"])
    # What the installed `invoicecore` command does.
    command = "import sys; from invoicecore_adapters.cli import main; sys.exit(main(['--help']))"
    helped = _time([sys.executable, "-c", command])
    print(f"bare interpreter {bare * 1e3:.0f} ms, import invoicecore +{(imported - bare) * 1e3:.0f} ms, "
          f"invoicecore --help {helped * 1e3:.0f} ms (medians of 15)")  # fmt: skip
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import invoicecore"], capture_output=True, text=True
    )
    rows = [line.removeprefix("import time:").split("|") for line in told.stderr.splitlines()[1:]]
    own: dict[str, int] = {}
    for self_us, _, name in rows:
        top = name.strip().split(".")[0]
        own[top] = own.get(top, 0) + int(self_us)
    dearest = sorted(own.items(), key=lambda item: -item[1])[:8]
    print("what the import costs, own ms by package: " + ", ".join(f"{name} {us / 1000:.0f}" for name, us in dearest))


def _time(command: list[str]) -> float:
    taken = []
    for _ in range(15):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


if __name__ == "__main__":
    sys.exit(main())
