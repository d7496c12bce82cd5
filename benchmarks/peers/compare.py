"""What the billing run costs beside what others get for the same work: each in its own environment, in alternating rounds.

python benchmarks/peers/compare.py --django PYTHON --silver PYTHON      (or `nox -s bench_peers`, which makes both)

A round runs ours, then a peer at its size, then ours at that size, and so on; each ratio is that of two runs of one round.
Only the run is timed: every run begins on a fresh copy of the same loaded database, connected, warm.
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
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))
from stores import DATABASES, Database

HERE = Path(__file__).parent
EXACT = ("invoices", "last number", "lines")  # what django-silver writes as we do; its totals to a ten-thousandth


class Peer(NamedTuple):
    """Another way to do it: who runs it, over how many leases, and how many times its speed is the aim."""

    name: str
    python: str
    script: str
    argument: str
    leases: int
    aim: int
    same: bool = True  # whether it writes what ours does, or only what is like it


class Child:
    """A process that loads, runs and tells."""

    def __init__(self, python: str, script: str, database: Database, argument: str = "") -> None:
        self._database = database
        self._process = subprocess.Popen(
            [python, str(HERE / script), database.url, *filter(None, [argument])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def load(self, leases: int) -> None:
        """Load so many, and keep the database as it is then."""
        self.ask(f"load {leases}")
        self._database.keep(leases)

    def run(self, leases: int) -> tuple[float, float]:
        """Seconds of a run over so many, and of a second one with nothing due."""
        self._database.restore(leases)
        return float(str(self.ask("run"))), float(str(self.ask("run")))

    def written(self) -> dict[str, str]:
        """What is in its tables after the last run."""
        told = self.ask("written")
        assert isinstance(told, dict)
        return told

    def ask(self, order: str) -> object:
        """Its answer; SystemExit where it died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(order, file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            raise SystemExit(f"{self._process.args!r} died at {order!r}") from None

    def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


Runs = dict[str, dict[int, list[tuple[float, float]]]]
"""Seconds of every round, with something due and with nothing, by who ran and over how many leases."""


def main() -> int:
    """Measure, print, and write the figures where they are wanted; exit code 0 unless somebody wrote something else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--django", metavar="PYTHON", help="of an environment with peers/django.txt")
    parser.add_argument("--silver", metavar="PYTHON", help="of an environment with peers/silver.txt")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--leases", type=int, default=20_000, help="of ours beside every peer's own size")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures")
    given = parser.parse_args()
    peers = []
    if given.django:
        peers += [
            Peer("Django, one invoice at a time", given.django, "django_loop.py", "", 500, 20),
            Peer("Django, bulk, one UPDATE", given.django, "django_bulk.py", "one_update", 5_000, 5),
            Peer("Django, bulk, bulk_update", given.django, "django_bulk.py", "bulk_update", 5_000, 5),
        ]
    if given.silver:
        peers.append(Peer("django-silver", given.silver, "silver_docs.py", "", 200, 60, same=False))
    if not peers:
        parser.error("nobody to compare with: give --django, --silver or both")
    machine = (
        f"{platform.python_implementation()} {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{os.cpu_count()} cores; {given.rounds} rounds"
    )
    print(machine)
    found: dict[str, object] = {"machine": machine}
    for name in given.databases:
        with DATABASES[name]() as new:
            runs = measure(new, peers, given.leases, given.rounds)
        show(name, runs, peers, given.leases)
        found[name] = runs
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    return 0


def measure(new: Callable[[str], Database], peers: list[Peer], leases: int, rounds: int) -> Runs:
    """The seconds of all runs; the first round warms up, is compared row by row in number, and is not counted."""
    runs: Runs = {}
    with ExitStack() as stack:
        ours = Child(sys.executable, "ours.py", new("ours"))
        stack.callback(ours.end)
        for size in sorted({leases, *(peer.leases for peer in peers)}):
            ours.load(size)
        theirs = {}
        for n, peer in enumerate(peers):
            theirs[peer] = child = Child(peer.python, peer.script, new(f"peer{n}"), peer.argument)
            stack.callback(child.end)
            child.load(peer.leases)
        for counted in range(rounds + 1):
            ran = [("ours", leases, ours.run(leases))]
            for peer in peers:
                ran.append((peer.name, peer.leases, theirs[peer].run(peer.leases)))
                ran.append((f"ours beside {peer.name}", peer.leases, ours.run(peer.leases)))
                agree(peer, ours.written(), theirs[peer].written())
            if counted:
                for name, size, seconds in ran:
                    runs.setdefault(name, {}).setdefault(size, []).append(seconds)
    return runs


def agree(peer: Peer, ours: dict[str, str], theirs: dict[str, str]) -> None:
    """SystemExit unless the peer wrote what we did."""
    names = ours if peer.same else EXACT
    wrong = [f"{name} {theirs[name]}, ours {ours[name]}" for name in names if theirs[name] != ours[name]]
    if abs(int(theirs["total"]) / int(ours["total"]) - 1) > 1e-4:
        wrong.append(f"total {theirs['total']}, ours {ours['total']}")
    if ours["invoices"] != str(peer.leases) or wrong:
        raise SystemExit(f"{peer.name} wrote something else than ours: {'; '.join(wrong)}")


def show(database: str, runs: Runs, peers: list[Peer], leases: int) -> None:
    """The table of one database."""
    large = runs["ours"][leases]
    print(
        f"\n{f'{database}, invoices a second':<31}| leases    peer    ours  ratio quartiles   "
        f"| {f'ours, {leases:,}':>12}  ratio quartiles     aim"
    )
    for peer in peers:
        theirs, beside = runs[peer.name][peer.leases], runs[f"ours beside {peer.name}"][peer.leases]
        print(
            f"{peer.name:<31}|{peer.leases:>7,} {speed(theirs, peer.leases):>7,.0f} {speed(beside, peer.leases):>7,.0f} "
            f"{ratio(theirs, peer.leases, beside, peer.leases)} | {speed(large, leases):>12,.0f} "
            f"{ratio(theirs, peer.leases, large, leases)} {peer.aim:>5}"
        )
    print(f"{database}, nothing due, milliseconds")
    for peer in peers:
        theirs, beside = runs[peer.name][peer.leases], runs[f"ours beside {peer.name}"][peer.leases]
        print(
            f"{peer.name:<31}|{peer.leases:>7,} {idle(theirs):>7,.1f} {idle(beside):>7,.1f}{'|':>20} {idle(large):>12,.1f}"
        )


def speed(runs: list[tuple[float, float]], leases: int) -> float:
    """Invoices a second, the median."""
    return leases / statistics.median(seconds for seconds, _ in runs)


def idle(runs: list[tuple[float, float]]) -> float:
    """Milliseconds of a run with nothing due, the median."""
    return statistics.median(nothing for _, nothing in runs) * 1e3


def ratio(theirs: list[tuple[float, float]], their_size: int, ours: list[tuple[float, float]], our_size: int) -> str:
    """How many times as fast ours is: the median over the rounds, and quartiles."""
    times = [(our_size / mine) / (their_size / other) for (mine, _), (other, _) in zip(ours, theirs, strict=True)]
    low, middle, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
    return f"{middle:>6.1f} {f'{low:.1f}–{high:.1f}':<11}"


if __name__ == "__main__":
    sys.exit(main())
