"""What billing costs against size, 1,000 to 1,000,000 leases of one biller: time and memory of one process each.

python benchmarks/growth.py                                                      both databases, up to 100,000
python benchmarks/growth.py --databases postgresql --leases 1000000 --json growth.json --svg docs/growth.svg

Figures of other sizes and databases that the JSON file holds are kept, and drawn too: `--databases` without a name after
it measures nothing, and draws what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from chart import Line, Panel, svg
from run import load, peak_kib

from invoicecore import Billing, Invoice
from invoicecore.billing.reporting import Page
from invoicecore.parties import Biller

MONTHS = (date(2026, 4, 24), date(2026, 5, 25))  # days on which all leases are due: one run publishes, one drafts
WARM = 100  # leases of another biller, billed first: what a process does once is no cost of a lease
TIMES = 20  # of what takes milliseconds, the median is told

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

Figures = dict[str, float]


def main() -> int:
    """Measure, print, and write what is wanted; exit code 0 unless a run made the wrong number of invoices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leases", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--databases", nargs="*", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    parser.add_argument("--step", nargs=3, metavar=("STEP", "URL", "LEASES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step, url, leases = given.step
        print(json.dumps(STEPS[step](url, int(leases))))
        return 0
    found: dict[str, dict[str, Figures]] = {}  # by database, then by size as JSON's keys are
    machine = ""
    if given.json and given.json.exists():
        kept = json.loads(given.json.read_text())
        found, machine = kept["figures"], kept["machine"]
    if given.databases:
        machine = _machine({*found, *given.databases})
    print(machine)
    for name in given.databases:
        print(f"\n{NAMES[name]}, leases: " + ", ".join(f"{leases:,}" for leases in sorted(given.leases)))
        told = [_measured(name, leases) for leases in sorted(given.leases)]
        for figure in told[0]:
            print(f"{figure:<28}" + "".join(f"{figures[figure]:>12,.1f}" for figures in told))
        for leases, figures in zip(sorted(given.leases), told, strict=True):
            found.setdefault(name, {})[str(leases)] = figures
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "figures": found}, indent=1) + "\n")
    if given.svg:
        given.svg.write_text(_drawn(found, machine))
    return 0


def _machine(databases: set[str]) -> str:
    """When and with what it is measured."""
    words = [f"{platform.python_implementation()} {platform.python_version()}"]
    if "sqlite" in databases:
        words.append(f"SQLite {sqlite3.sqlite_version}")
    if "postgresql" in databases:
        sys.path.append(str(Path(__file__).parents[1] / "tests"))
        from postgres import _programs  # the tests' own, as below

        told = subprocess.run([_programs() / "postgres", "--version"], check=True, stdout=subprocess.PIPE, text=True)
        words.append(f"PostgreSQL {told.stdout.split()[-1]}")
    return f"{date.today()}: {', '.join(words)}, {os.cpu_count()} cores"


def _measured(name: str, leases: int) -> Figures:
    with DATABASES[name]() as url:
        return _child("load", url, leases) | _child("bill", url, leases) | _child("read", url, leases)


def _child(step: str, url: str, leases: int) -> Figures:
    told = subprocess.run(
        [sys.executable, __file__, "--step", step, url, str(leases)], check=True, stdout=subprocess.PIPE, text=True
    )
    figures: Figures = json.loads(told.stdout)
    return figures


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="invoicecore-growth-") as folder:
        yield f"sqlite:///{folder}/growth.db"


@contextmanager
def _postgresql() -> Iterator[str]:
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from postgres import Server  # the tests' own: a PostgreSQL from a wheel

    server = Server(max_wal_size="4GB")
    try:
        yield server.url.replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.stop()


DATABASES = {"sqlite": _sqlite, "postgresql": _postgresql}


# --- the steps, each in a process of its own --------------------------------------------------------------------------


def _load(url: str, leases: int) -> Figures:
    begin = time.perf_counter()
    for name, count in (("Warm", WARM), ("Les Pins", leases)):
        load(url, count, name)
    return {"loading, µs a lease": (time.perf_counter() - begin) / leases * 1e6}


def _bill(url: str, leases: int) -> Figures:
    with Billing.open(url) as billing:
        warm, park = sorted(billing.billers.all(), key=lambda biller: biller.name, reverse=True)
        _run(billing, warm, MONTHS[0], WARM)
        figures = {
            "run, s": _run(billing, park, MONTHS[0], leases),
            "nothing due, ms": _run(billing, park, MONTHS[0], 0) * 1e3,
        }
        figures["run, µs an invoice"] = figures["run, s"] / leases * 1e6
        figures["run, peak MB"] = peak_kib() / 1024
        billing.billers.edit(park, policy={"run_issues": False})
        _run(billing, park, MONTHS[1], leases)
        begin = time.perf_counter()
        report = billing.invoices.publish_all(biller=park, on=MONTHS[1])
        figures["publish_all, µs an invoice"] = (time.perf_counter() - begin) / leases * 1e6
        if len(report.published) != leases:
            raise SystemExit(f"expected {leases} published, got {len(report.published)}, failed {report.failed[:3]}")
        figures["publish_all, peak MB"] = peak_kib() / 1024
    return figures


def _run(billing: Billing, biller: Biller, on: date, expected: int) -> float:
    begin = time.perf_counter()
    report = billing.run(on=on, biller=biller)
    took = time.perf_counter() - begin
    if report.created.count != expected or report.failed:
        raise SystemExit(f"expected {expected} invoices, got {report}: {list(report.failed)[:3]}")
    return took


def _read(url: str, leases: int) -> Figures:
    with Billing.open(url) as billing:
        [park] = [biller for biller in billing.billers.all() if biller.name == "Les Pins"]
        return _reading(billing, park, leases) | {"reading, peak MB": peak_kib() / 1024}


def _reading(billing: Billing, park: Biller, leases: int) -> Figures:
    find, get = billing.invoices.find, billing.invoices.get

    def listed(after: str | None = None, limit: int = 50) -> Page[Invoice]:
        return find(biller=park, status="open", order="due", on=MONTHS[0], after=after, limit=limit)

    begin = time.perf_counter()
    page, last, count = listed(limit=1000), None, 0
    while page.next is not None:
        last, count = page.next, count + len(page.items)
        page = listed(last, limit=1000)
    walked = time.perf_counter() - begin
    if count + len(page.items) != 2 * leases:
        raise SystemExit(f"expected {2 * leases} in the list, got {count + len(page.items)}")
    return {
        "list, µs an invoice": walked / 2 / leases * 1e6,
        "first page of 50, ms": _median(listed),
        "last page of 50, ms": _median(lambda: listed(last)),
        "summary, ms": _median(lambda: billing.invoices.summary(biller=park, on=MONTHS[0])),
        "by number, ms": _median(lambda: get(f"INV-{leases:06}", biller=park)),
        "of one customer, ms": _median(lambda: find(biller=park, customer=page.items[-1].customer)),
    }


def _median(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e3


STEPS: dict[str, Callable[[str, int], Figures]] = {"load": _load, "bill": _bill, "read": _read}


def _drawn(found: dict[str, dict[str, Figures]], machine: str) -> str:
    def lines(*figures: str, names: tuple[str, ...] = ("",)) -> list[Line]:
        return [
            Line(
                NAMES[database] + name,
                sorted((float(size), told[figure]) for size, told in sizes.items()),
                colour=list(NAMES).index(database),
                dashed=n > 0,
            )
            for database, sizes in found.items()
            for n, (figure, name) in enumerate(zip(figures, names, strict=True))
        ]

    return svg(
        [
            Panel("A run of all leases", "seconds", lines("run, s"), proportional=True),
            Panel("Its peak memory", "MB", lines("run, peak MB")),
            Panel(
                "Fifty invoices of a list by due date",
                "ms",
                lines("first page of 50, ms", "last page of 50, ms", names=(": first page", ": last page")),
            ),
        ],
        f"{machine}. Dotted, on the left: in proportion to the number of leases.",
    )


if __name__ == "__main__":
    sys.exit(main())
