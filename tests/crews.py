"""Processes that tests start: lives that tell their steps and are killed at one of them, crews that begin together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.reduction
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

import workers

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_children: Any = multiprocessing.get_context(METHOD)


@cache
def children() -> Any:
    """Where child processes come from: a server that has everything imported, and whose children share nothing with us."""
    if METHOD == "forkserver":
        _children.set_forkserver_preload(
            ["providers", "invoicecore_adapters.sql.store", "invoicecore_adapters.sql.postgres"]
        )
        before = dict(os.environ)
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # Python 3.11 does not hand it our path itself
        try:
            multiprocessing.forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(before)
    return _children


CREW = 3
"""How many work at once while they are killed."""


class Life:
    """One child process that does a job, at its own pace or, when it is `held`, as far as it may go; `told` are its steps."""

    def __init__(self, job: Callable[..., object], *given: object, held: bool = False) -> None:
        self.told = Counter[bytes]()
        self.steps, told = children().Pipe(duplex=False)
        turns, self._turns = children().Pipe(duplex=False)
        self.process = children().Process(target=_live, args=(told, turns, job, *given))
        self.process.start()
        told.close()
        turns.close()
        if not held:
            self._turns.close()

    def may_go(self, turns: int) -> None:
        """Let it go on so many turns, each a transaction or an e-mail."""
        with suppress(BrokenPipeError):  # it is done
            os.write(self._turns.fileno(), b"." * turns)

    def forget(self) -> None:
        """Forget the steps it has told of so far."""
        os.set_blocking(self.steps.fileno(), False)
        with suppress(BlockingIOError):
            while self._told(4096):
                pass
        os.set_blocking(self.steps.fileno(), True)

    def runs_for(self, steps: int) -> bool:
        """Wait for so many steps; False when its work was done before."""
        return all(self._told(1) for _ in range(steps))

    def killed(self) -> bool:
        """Kill it; False when it had come to its end by itself."""
        self.process.kill()
        code = self.ended()
        assert code in (0, -signal.SIGKILL), "it failed: see what it printed"
        return code != 0

    def ended(self) -> int | None:
        """Wait for its end; how it ended."""
        self.process.join(120)
        self.steps.close()
        self._turns.close()
        code: int | None = self.process.exitcode
        return code

    def completes(self) -> int:
        """Let it come to its end; how many steps that took."""
        self._turns.close()
        count = 0
        while told := self._told(4096):
            count += len(told)
        assert self.ended() == 0, "it failed: see what it printed"
        return count

    def _told(self, most: int) -> bytes:
        told = os.read(self.steps.fileno(), most)
        self.told.update(bytes([each]) for each in told)
        return told


def _live(told: Connection, turns: Connection, job: Callable[..., object], *given: object) -> None:
    job(*given, workers.Pace(told.fileno(), turns.fileno()))


def spin(chance: random.Random) -> None:
    """Go on into a step: where a process is killed is no round number of steps."""
    for _ in range(chance.randrange(40_000)):
        pass


def harassed(start: Callable[[], Life], chance: random.Random, *, kills: int, steps: int) -> list[Life]:
    """Some `held` lives at once, of which one after the other is killed within so many steps and replaced; those killed.

    The last of them come to their end.
    """
    dead = list[Life]()
    with at_once(start) as crew:
        while crew and len(dead) < kills:
            victim = crew.pop(chance.randrange(len(crew)))
            victim.forget()
            for each in crew:
                each.may_go(chance.randrange(3))
            victim.may_go(steps)
            if victim.runs_for(chance.randrange(1, steps)):
                spin(chance)
                if victim.killed():
                    dead.append(victim)
                    crew.append(start())
            else:
                victim.completes()
        for each in crew:
            each.completes()
    return dead


@contextmanager
def at_once(start: Callable[[], Life]) -> Iterator[list[Life]]:
    """Some lives; those that are left when a test fails are killed."""
    crew = [start() for _ in range(CREW)]
    try:
        yield crew
    except BaseException:
        for each in crew:
            each.process.kill()
        raise


class Crew:
    """Child processes that start one job at the same moment."""

    def __init__(self, jobs: Sequence[tuple[object, ...]]) -> None:
        self.members: list[tuple[Any, Connection]] = []
        for job in jobs:
            mine, theirs = children().Pipe()
            process = children().Process(target=workers.at_the_line, args=(theirs, *job))
            process.start()
            theirs.close()
            self.members.append((process, mine))
        for _, talk in self.members:
            assert talk.recv() == "ready"

    def start(self) -> None:
        """Say go."""
        for _, talk in self.members:
            talk.send("go")

    def results(self, *, but: Sequence[int] = ()) -> list[Any]:
        """What came of each, in order; an error of one of them is raised here."""
        found = []
        for number, (process, talk) in enumerate(self.members):
            if number in but:
                continue
            while True:
                told = talk.recv_bytes()
                if told != b".":
                    break
            _, result = multiprocessing.reduction.ForkingPickler.loads(told)
            process.join(120)
            talk.close()
            if isinstance(result, BaseException):
                raise result
            assert process.exitcode == 0
            found.append(result)
        return found


def together(*jobs: tuple[object, ...]) -> list[Any]:
    """What came of jobs that several processes did at once."""
    crew = Crew(jobs)
    crew.start()
    return crew.results()
