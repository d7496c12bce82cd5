"""A host with an app of its own: what the worker processes of test_procrastinate run. The environment says the rest."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector

import workers
from invoicecore import Billing
from invoicecore.billing import running
from invoicecore.errors import StoreError
from invoicecore.ports import Store, Writer
from invoicecore_adapters.procrastinate import install

PAGE = 4
"""Leases a transaction, and SIZE a shard: small, so that a small world has many and a worker dies in the midst of one."""

SIZE = 12


def leave_the_clock_to_others(broker: str) -> None:
    """Runs of this hour and those beside it were deferred by another worker: a test's own is the only one."""
    with psycopg.connect(broker) as connection:
        connection.execute(
            "INSERT INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)"
            " SELECT 'invoicecore.run', 'invoicecore',"
            " extract(epoch FROM date_trunc('hour', now(), 'UTC') + interval '7 minutes' + n * interval '1 hour')"
            " FROM generate_series(-1, 1) AS n"
        )


class Mortal(workers.Wrapped):
    """A store whose process is killed at its nth transaction: before it is committed, or just after."""

    def __init__(self, store: Store, at: int, *, committed: bool) -> None:
        super().__init__(store)
        self._left = at
        self._committed = committed

    def _die(self, committed: bool) -> None:
        if self._left == 0 and committed is self._committed:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self._left -= 1
        with self._store.writing(**how) as tx:
            yield tx
            self._die(False)
        self._die(True)


class Stopping(workers.Wrapped):
    """A store that fails before the commit of every nth transaction."""

    def __init__(self, store: Store, at: int) -> None:
        super().__init__(store)
        self._at = at
        self._count = 0

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self._count += 1
        with self._store.writing(**how) as tx:
            yield tx
            if self._count % self._at == 0:
                raise StoreError("the power is gone")


def open_billing() -> Billing:
    """The desk of a worker, which dies or tells its steps where the environment says so."""
    running.PAGE = PAGE
    moment, _, at = os.environ.get("DIES", "").partition(" ")
    pipe = os.environ.get("STEPS")

    def wrap(store: Store) -> Store:
        if moment:
            return Mortal(store, int(at), committed=moment == "after")
        return workers.Telling(store, workers.Pace(int(pipe))) if pipe else store

    return workers.desk(os.environ["STORE"], wrap=wrap)


app = App(connector=PsycopgConnector(conninfo=os.environ.get("BROKER", "")))
tasks = install(app, open_billing, run=None, deliver=None, remind=None, collect=None, recover=None, size=SIZE)
