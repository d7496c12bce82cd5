"""The tasks: a run planned and done shard by shard, the rest of the recurring work, and what dead workers left."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable
from datetime import date
from typing import Any, Final, cast

import attrs
from procrastinate import App, JobContext, RetryStrategy
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.tasks import Task
from procrastinate.types import JSONDict

from invoicecore import Billing, Shard
from invoicecore.serde import structure, unstructure
from invoicecore_adapters.procrastinate import progress as book
from invoicecore_adapters.procrastinate.progress import Progress

ATTEMPTS: Final = 6
"""How often a shard or a plan is begun before it has failed: by a worker, or by one that died of it."""

# After 3, 9, 27 … seconds: the database that was away is back, or it takes a person.
_AGAIN: Final = RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=3)

# Plans take turns: who cuts second sees what the first has deferred.
_TURN: Final = "invoicecore.run"


@attrs.frozen(kw_only=True)
class Tasks:
    """The tasks of an app, to be deferred by hand too, and how far a run has come.

    `run` takes `on` (a date as text) and `biller`, both optional, and waits for no other run; the others take nothing.
    """

    app: App
    run: Task[Any, Any, Any]
    deliver: Task[Any, Any, Any]
    remind: Task[Any, Any, Any]
    collect: Task[Any, Any, Any]
    recover: Task[Any, Any, Any]

    def progress(self, on: date) -> Progress:
        """How far the run of a day has come; the day is each biller's own."""
        return book.progress(self.app.connector, on)

    async def progress_async(self, on: date) -> Progress:
        """As `progress`, where an event loop runs."""
        return await book.progress_async(self.app.connector, on)


def install(
    app: App,
    open_billing: Callable[[], Billing],
    *,
    run: str | None = "7 * * * *",
    deliver: str | None = "* * * * *",
    remind: str | None = "37 * * * *",
    collect: str | None = "*/10 * * * *",
    recover: str | None = "*/5 * * * *",
    size: int = 1000,
    queue: str = "invoicecore",
) -> Tasks:
    """Add the tasks to an app, each at the times a cron expression says, in UTC; None: only when it is deferred by hand.

    `open_billing` opens the desk, once in each process that works. `size` is how many leases a shard has. Jobs of workers
    that died are found every minute and done again.
    """
    billing = _once(open_billing)

    @app.task(name="invoicecore.run", queue=queue, retry=_AGAIN, pass_context=True)
    async def plan(
        context: JobContext, timestamp: int | None = None, on: str | None = None, biller: str | None = None
    ) -> str:
        """Cut the run, and defer a job for each shard of what nobody is working on."""
        if context.job.lock is None:
            # Deferred by hand, perhaps long ago and for today: a lock it had while it waited would have kept back all
            # that came after it.
            await plan.configure(lock=_TURN).defer_async(on=on, biller=biller)
            return "takes its turn"
        day = date.fromisoformat(on) if on is not None else None
        shards = await asyncio.to_thread(lambda: billing().shards(on=day, biller=biller, size=size))
        await book.prepare(app.connector)
        busy = await book.under_way(app.connector)
        free = [shard for shard in shards if (shard.biller, shard.on.isoformat()) not in busy]
        if free:
            jobs = [_job(shard, context.job.id or 0) for shard in free]
            await app.job_manager.batch_defer_jobs_async(jobs=jobs)
        return f"{len(free)} shards deferred, {len(shards) - len(free)} left to those at work on their billers"

    # Below the rest, so that a large run does not keep e-mails and collections waiting.
    @app.task(name="invoicecore.shard", queue=queue, priority=-1, retry=_AGAIN)
    async def work(shard: dict[str, object], plan: int = 0) -> str:
        """Do one shard, and write down what it told."""
        part = structure(shard, Shard, source="a shard")
        report = await asyncio.to_thread(lambda: billing().run_shard(part))
        await book.keep(app.connector, part, plan, report)
        return repr(report)

    def _job(shard: Shard, plan: int) -> Job:
        given = cast(JSONDict, {"shard": unstructure(shard), "plan": plan})
        return work.configure(queueing_lock=shard.key, task_kwargs=given).job

    def recurring(name: str, cron: str | None) -> Task[Any, Any, Any]:
        @app.task(
            name=f"invoicecore.{name}",
            queue=queue,
            lock=f"invoicecore.{name}",
            queueing_lock=f"invoicecore.{name}",
        )
        async def task(timestamp: int | None = None) -> str:
            return repr(await asyncio.to_thread(lambda: getattr(billing(), name)()))

        if cron is not None:
            app.periodic(cron=cron, periodic_id="invoicecore")(task)
        return task

    # It has no lock: one that is stalled itself must not keep the next from beginning.
    @app.periodic(cron="* * * * *", periodic_id="invoicecore")
    @app.task(name="invoicecore.revive", queue=queue, queueing_lock="invoicecore.revive", pass_context=True)
    async def revive(context: JobContext, timestamp: int | None = None) -> str:
        """Have the jobs done again whose workers died."""
        ours = {name for name in app.tasks if name.startswith("invoicecore.")}
        stalled = [job for job in await app.job_manager.get_stalled_jobs(queue=queue) if job.task_name in ours]
        for job in stalled:
            if job.attempts >= ATTEMPTS:
                await app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
                continue
            try:
                await app.job_manager.retry_job(job)
            except UniqueViolation:  # another one that does the same is waiting already
                await app.job_manager.finish_job(job, Status.ABORTED, delete_job=False)
        return f"{len(stalled)} jobs of workers that died"

    if run is not None:
        app.periodic(cron=run, periodic_id="invoicecore", lock=_TURN, queueing_lock=_TURN)(plan)
    return Tasks(
        app=app,
        run=plan,
        deliver=recurring("deliver", deliver),
        remind=recurring("remind", remind),
        collect=recurring("collect", collect),
        recover=recurring("recover", recover),
    )


def _once(make: Callable[[], Billing]) -> Callable[[], Billing]:
    """The desk of this process, opened when first needed and closed at its end."""
    lock = threading.Lock()
    made: list[Billing] = []

    def get() -> Billing:
        with lock:
            if not made:
                made.append(make())
                atexit.register(made[0].close)
            return made[0]

    return get
