"""The recurring work as Celery's: `celery -A celery_jobs worker`, and one `celery -A celery_jobs beat` beside it."""

import os
from datetime import UTC, date, datetime, timedelta
from functools import cache

from celery import Celery, chord
from celery.schedules import crontab
from celery.utils.log import get_task_logger

from invoicecore import Billing, Report, Shard
from invoicecore.serde import structure, unstructure

log = get_task_logger(__name__)
app = Celery(
    "billing",
    broker=os.environ.get("CELERY_BROKER", "memory://"),
    backend=os.environ.get("CELERY_RESULTS", "cache+memory://"),
)
# At least once: a task is struck off when it is done, and given to another worker when its worker dies.
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
app.conf.beat_schedule = {
    "run": {"task": "celery_jobs.run", "schedule": crontab(minute="7")},
    "remind": {"task": "celery_jobs.recurring", "args": ["remind"], "schedule": crontab(minute="37")},
    "deliver": {"task": "celery_jobs.recurring", "args": ["deliver"], "schedule": 60.0},
    "collect": {"task": "celery_jobs.recurring", "args": ["collect"], "schedule": 600.0},
    "recover": {"task": "celery_jobs.recurring", "args": ["recover"], "schedule": 300.0},
    "receive_missed": {
        "task": "celery_jobs.receive_missed",
        "schedule": crontab(minute="13", hour="4", day_of_week="1"),
    },
    "reconcile": {"task": "celery_jobs.reconcile", "schedule": crontab(minute="43", hour="4", day_of_week="1")},
}


@cache
def billing() -> Billing:
    """The desk of this process, opened after Celery forked it."""
    return Billing.open(
        os.environ["INVOICECORE_DB"],
        mailer=os.environ.get("INVOICECORE_MAILER"),
        gateway=os.environ.get("INVOICECORE_GATEWAY", "").split(),
        base_url=os.environ.get("INVOICECORE_BASE_URL"),
    )


@app.task(name="celery_jobs.run")
def run(on: str | None = None) -> str | None:
    """Hand the run out; the id of the result that will have the merged report, None when nothing is due."""
    shards = billing().shards(on=date.fromisoformat(on) if on else None)
    if not shards:
        return None
    result = chord(shard.s(unstructure(each)) for each in shards)(told.s())
    return str(result.id)


@app.task(name="celery_jobs.shard", autoretry_for=(Exception,), retry_backoff=True, max_retries=5)
def shard(given: dict[str, object]) -> str:
    return billing().run_shard(structure(given, Shard)).dumps(items=20)


@app.task(name="celery_jobs.told")
def told(reports: list[str]) -> str:
    whole = Report.merged(Report.loads(report) for report in reports)
    log.info("%s", whole)
    return whole.dumps()


@app.task(name="celery_jobs.recurring")
def recurring(verb: str) -> str:
    return repr(getattr(billing(), verb)())


@app.task(name="celery_jobs.receive_missed")
def receive_missed() -> int:
    """Weekly, 30 days back: what one call does not get, the next one does."""
    since = datetime.now(UTC) - timedelta(days=30)
    return sum(len(billing().receive_missed(gateway.name, since=since)) for gateway in billing().gateways)


@app.task(name="celery_jobs.reconcile")
def reconcile() -> int:
    """Weekly: each difference from a provider's books is an error in the log."""
    since = datetime.now(UTC) - timedelta(days=120)
    books = [billing().reconcile(gateway.name, since=since) for gateway in billing().gateways]
    for difference in (each for book in books for each in book.differences):
        log.error("%s", difference)
    return sum(len(book.differences) for book in books)
