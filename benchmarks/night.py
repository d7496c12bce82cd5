"""The simulation of a night's run: shards, workers, billers' counters, and one database; no clock and no chance."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from functools import cache
from heapq import heapify, heappop, heappush, heapreplace
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

SHARD: Final = 1000  # leases

Inputs = Mapping[str, float]
"""What things cost, by name: see benchmarks/capacity.json."""


class Task(NamedTuple):
    """Shards done one after the other; `biller` is None when nobody else works on their billers."""

    biller: int | None
    leases: int
    shards: int = 1


class Night(NamedTuple):
    """What came of a run: how long it took in seconds, leases done, and which share of its time each station worked."""

    seconds: float
    leases: int
    busy: dict[str, float]
    loads: dict[str, float]


# --- who bills --------------------------------------------------------------------------------------------------------


@cache
def billers(leases: int, mean: float, tail: float) -> tuple[int, ...]:
    """How many leases each biller has, the largest first: the quantiles of a Pareto law, which add up to `leases`."""
    number = max(1, round(leases / mean))
    weights = [((n + 0.5) / number) ** (-1 / tail) for n in range(number)]
    scale, marks, run = leases / sum(weights), [0], 0.0
    for weight in weights:
        run += weight * scale
        marks.append(round(run))
    marks[-1] = leases
    return tuple(sorted((after - before for before, after in pairwise(marks)), reverse=True))


def spread(sizes: Sequence[int], *, together: int = SHARD) -> list[Task]:
    """A night's tasks with the shards of each biller spread evenly over the queue."""
    placed = [((n + 0.5) / len(some), task) for some in _cut(sizes, together) for n, task in enumerate(some)]
    return [task for _, task in sorted(placed, key=lambda each: each[0])]


def by_turns(sizes: Sequence[int], *, together: int = SHARD) -> list[Task]:
    """The same tasks, one of each biller and then the next of each, as `billing.shards()` gives them."""
    *several, rest = _cut(sizes, together)
    placed = [*((0, task) for task in rest), *((n, task) for some in several for n, task in enumerate(some))]
    return [task for _, task in sorted(placed, key=lambda each: each[0])]


def one_by_one(sizes: Sequence[int], *, together: int = SHARD) -> list[Task]:
    """The same tasks biller by biller, in no order of size: what a queue is that asks for each biller's shards in turn."""
    *several, rest = _cut(sizes, together)
    several += [[task] for task in rest]
    Random(1).shuffle(several)
    return [task for some in several for task in some]


def _cut(sizes: Sequence[int], together: int) -> list[list[Task]]:
    """The shards of each biller that has several, and last those of billers that have one each.

    Nobody waits for those, so that a few of them, with so many leases `together`, are simulated as one task.
    """
    found: list[list[Task]] = []
    rest: list[Task] = []
    shards = leases = 0
    for biller, each in enumerate(sizes):
        if each > SHARD:
            found.append([Task(biller, min(SHARD, each - begin)) for begin in range(0, each, SHARD)])
            continue
        shards, leases = shards + (each > 0), leases + each
        if leases >= together:
            rest.append(Task(None, leases, shards))
            shards = leases = 0
    return [*found, [*rest, Task(None, leases, shards)] if leases else rest]


# --- the night --------------------------------------------------------------------------------------------------------


class Station:
    """Servers that take what comes in turn, each one thing at a time."""

    def __init__(self, servers: int) -> None:
        self.servers = servers
        self.busy = 0.0
        self._free = [0.0] * servers

    def serve(self, at: float, seconds: float) -> float:
        """When what comes at an instant, after all that came before, is done."""
        self.busy += seconds
        done = max(at, self._free[0]) + seconds
        heapreplace(self._free, done)
        return done


def night(tasks: Sequence[Task], workers: int, inputs: Inputs, *, cold: float = 0.0, shared: bool = False) -> Night:
    """Run a night's tasks by so many workers on one database, whose pages are `cold` to that share.

    A worker reads and decides, waits for its biller's counter, holds it while it writes and commits, and takes the next
    task. Workers have a core each; `shared`, they have those of the database.
    """
    queue = iter(tasks)
    cores, disk, log = Station(round(inputs["cores"])), Station(round(inputs["reads_at_once"])), Station(1)
    own = Station(workers)
    waiting: dict[int, deque[int]] = {}  # workers, by the biller whose counter is held
    holding: dict[int, float] = {}  # seconds for which it was
    events: list[tuple[float, int]] = []
    done = [0]

    def cost(task: Task, name: str) -> float:
        return task.shards * inputs[f"shard_{name}"] + task.leases * inputs[f"lease_{name}"]

    def work(number: int) -> Generator[float | None, float, None]:
        now = yield 0.0
        for task in queue:
            mine = cores if shared else own
            now = yield mine.serve(now, cost(task, "decide_worker"))
            now = yield disk.serve(now, cold * task.leases * inputs["lease_cold_pages"] * inputs["read_seconds"])
            now = yield cores.serve(now, cost(task, "decide_server"))
            if task.biller in waiting:
                waiting[task.biller].append(number)
                now = yield None  # until whoever holds the counter has committed
            elif task.biller is not None:
                waiting[task.biller] = deque()
            begun = now
            now = yield mine.serve(now, cost(task, "write_worker"))
            now = yield disk.serve(now, cold * task.shards * inputs["shard_cold_pages"] * inputs["read_seconds"])
            now = yield cores.serve(now, cost(task, "write_server"))
            now = yield log.serve(now, cost(task, "wal") / inputs["log_a_second"])
            now = yield now + task.shards * inputs["flush_seconds"]
            done[0] += task.leases
            if task.biller is not None:
                holding[task.biller] = holding.get(task.biller, 0.0) + now - begun
                if others := waiting[task.biller]:
                    heappush(events, (now, others.popleft()))
                else:
                    del waiting[task.biller]

    several = [work(number) for number in range(workers)]
    now = 0.0
    for number, worker in enumerate(several):
        next(worker)
        events.append((0.0, number))
    heapify(events)
    while events:
        at, number = heappop(events)
        try:
            until = several[number].send(at)
        except StopIteration:
            now = at
            continue
        if until is not None:
            heappush(events, (until, number))
    stations = {"workers": own, "cores": cores, "disk": disk, "log": log}
    busy = {name: station.busy for name, station in stations.items()}
    loads = {name: station.busy / station.servers / now for name, station in stations.items()}
    loads["counter"] = max(holding.values(), default=0.0) / now
    return Night(now, done[0], busy, loads)


def held(leases: int, shards: int, inputs: Inputs, *, cold: float = 0.0) -> float:
    """Seconds for which a biller's counter is locked at least, to number so many leases in so many shards."""
    costs = ("write_worker", "write_server")
    work = sum(shards * inputs[f"shard_{each}"] + leases * inputs[f"lease_{each}"] for each in costs)
    log = (shards * inputs["shard_wal"] + leases * inputs["lease_wal"]) / inputs["log_a_second"]
    return work + log + shards * (inputs["flush_seconds"] + cold * inputs["shard_cold_pages"] * inputs["read_seconds"])


def alone(leases: int, shards: int, inputs: Inputs, *, cold: float = 0.0) -> float:
    """Seconds that one worker takes with nobody beside it: the sum of all that it does."""
    costs = ("decide_worker", "decide_server")
    work = sum(shards * inputs[f"shard_{each}"] + leases * inputs[f"lease_{each}"] for each in costs)
    reads = cold * leases * inputs["lease_cold_pages"] * inputs["read_seconds"]
    return work + reads + held(leases, shards, inputs, cold=cold)
