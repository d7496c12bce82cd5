"""What the billing run costs, as a ratio to raw inserts of the same rows in the same run; and what starting up costs.

python benchmarks/run.py                     20,000 and 100,000 due leases, 9 paired rounds
python benchmarks/run.py --leases 5000 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from floor import pages, write

from invoicecore import Billing, Money
from invoicecore.billing.running import PAGE

ON = date(2026, 4, 24)  # a week before the period that begins on 1 May


def main() -> int:
    """Measure and print; exit code 0 unless a run made the wrong number of invoices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leases", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--one-run", metavar="DB", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one_run:
        return _one_run(Path(given.one_run))
    print(f"{platform.python_implementation()} {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
          f"{os.cpu_count()} cores; {given.rounds} paired rounds, {PAGE} leases a transaction\n")  # fmt: skip
    print(f"{'leases':>8} {'run µs/inv':>11} {'floor µs/inv':>13} {'inv/s':>8} {'ratio':>6} {'quartiles':>13} "
          f"{'nothing due':>12} {'peak MB':>8}")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="invoicecore-bench-") as folder:
        for leases in given.leases:
            _measure(Path(folder), leases, given.rounds)
    print()
    _start_up()
    return 0


def _measure(folder: Path, leases: int, rounds: int) -> None:
    template, work = folder / f"{leases}.db", folder / "work.db"
    _load(template, leases)
    _copy(template, work)
    _bill(work, leases)
    floor = pages(template, work, PAGE)
    runs, floors, idle = [], [], []
    for _ in range(rounds):
        _copy(template, work)
        runs.append(_bill(work, leases))
        idle.append(_bill(work, 0))
        _copy(template, work)
        begin = time.perf_counter()
        write(work, floor)
        floors.append(time.perf_counter() - begin)
    ratios = [ours / theirs for ours, theirs in zip(runs, floors, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    run, raw = statistics.median(runs), statistics.median(floors)
    nothing = statistics.median(idle) / run
    _copy(template, work)
    peak = subprocess.run(
        [sys.executable, __file__, "--one-run", str(work)], check=True, capture_output=True, text=True
    ).stdout.split()
    print(f"{leases:>8,} {run / leases * 1e6:>11.1f} {raw / leases * 1e6:>13.1f} {leases / run:>8,.0f} {middle:>6.2f} "
          f"{f'{low:.2f}–{high:.2f}':>13} {nothing:>11.2%} {peak[-1]:>8}")  # fmt: skip


def _load(path: Path, leases: int) -> None:
    with Billing.open(f"sqlite:///{path}") as billing:
        park = billing.billers.add(
            name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays"
        )
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


def _copy(source: Path, target: Path) -> None:
    for end in ("-wal", "-shm"):
        Path(f"{target}{end}").unlink(missing_ok=True)
    shutil.copyfile(source, target)


def _bill(path: Path, expected: int) -> float:
    with Billing.open(f"sqlite:///{path}") as billing:
        begin = time.perf_counter()
        report = billing.run(on=ON)
        took = time.perf_counter() - begin
    if report.created.count != expected or report.failed:
        raise SystemExit(f"expected {expected} invoices, got {report}: {list(report.failed)[:3]}")
    return took


def _one_run(path: Path) -> int:
    with Billing.open(f"sqlite:///{path}") as billing:
        billing.run(on=ON)
    print(f"{_peak_kib() / 1024:.0f}")
    return 0


def _peak_kib() -> int:
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
