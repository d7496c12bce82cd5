"""How far a day's run has come: what its shards told, in a table of our own beside the jobs.

Jobs have no results, and are deleted once they are done where the host says so; what they told stays for 90 days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

import attrs
from procrastinate.connector import BaseConnector

from invoicecore import Report, Shard

ITEMS: Final = 20  # outcomes of each kind a shard keeps; counts are exact whatever it is

_THERE: Final = "SELECT to_regclass('invoicecore_shard_reports') IS NOT NULL AS there"
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS invoicecore_shard_reports (
    run_on date NOT NULL,
    biller text NOT NULL,
    shard text NOT NULL,
    plan bigint NOT NULL,
    invoices bigint NOT NULL,
    report text NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_on, biller, shard)
)"""
_FORGET: Final = "DELETE FROM invoicecore_shard_reports WHERE told_at < now() - interval '90 days'"

# Of several attempts at a shard the one that accounts for most is kept: the last to end has seen what all of them made.
# A shard is named with its plan, for the next plan of a day may have the same leases or months again.
_KEEP: Final = """
INSERT INTO invoicecore_shard_reports AS kept (run_on, biller, shard, plan, invoices, report)
VALUES (%(on)s, %(biller)s, %(shard)s, %(plan)s, %(invoices)s, %(report)s)
ON CONFLICT (run_on, biller, shard) DO UPDATE
SET invoices = greatest(kept.invoices, excluded.invoices), told_at = now(),
    report = CASE WHEN excluded.invoices > kept.invoices THEN excluded.report ELSE kept.report END"""

_UNDER_WAY: Final = """
SELECT DISTINCT args->'shard'->>'biller' AS biller, args->'shard'->>'on' AS run_on
FROM procrastinate_jobs
WHERE task_name = 'invoicecore.shard' AND status IN ('todo', 'doing')"""

# A shard that failed is told of until a later plan has gone over its biller again.
_COUNT: Final = """
WITH shards AS (
    SELECT biller, plan, 'done' AS state FROM invoicecore_shard_reports WHERE run_on = %(on)s
    UNION ALL
    SELECT job.args->'shard'->>'biller', (job.args->>'plan')::bigint,
        CASE WHEN job.status IN ('todo', 'doing') THEN 'left' ELSE 'failed' END
    FROM procrastinate_jobs job
    WHERE job.task_name = 'invoicecore.shard' AND job.status <> 'succeeded'
        AND job.args->'shard'->>'on' = %(day)s
        AND NOT EXISTS (
            SELECT FROM invoicecore_shard_reports told
            WHERE told.run_on = %(on)s AND told.biller = job.args->'shard'->>'biller'
                AND told.shard = concat(job.args->>'plan', '/', job.queueing_lock)
        )
), plans AS (
    SELECT biller, max(plan) AS newest FROM shards GROUP BY biller
)
SELECT state, count(*) AS count FROM shards JOIN plans USING (biller)
WHERE state <> 'failed' OR plan = newest
GROUP BY state"""
_TOLD: Final = (
    "SELECT biller, plan, report FROM invoicecore_shard_reports WHERE run_on = %(on)s ORDER BY biller, plan, shard"
)


@attrs.frozen(kw_only=True)
class Progress:
    """How far the run of a day has come: how many shards are done, failed (no more tried) and left; and what they told.

    `report` has the shards that are done, merged: counts are exact, of the items each shard kept the first 20. Over several
    plans of the day `created`, `late` and `warnings` add up; `skipped` and `failed` are of each biller's newest.
    """

    on: date
    done: int
    failed: int
    left: int
    report: Report

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return self.done + self.failed + self.left


async def prepare(connector: BaseConnector) -> None:
    """Make the table where it is not there yet, and forget what is old."""
    # Asked first: a role that may not create tables may go on where somebody else did.
    if not (await connector.execute_query_one_async(_THERE))["there"]:
        await connector.execute_query_async(_CREATE)
    await connector.execute_query_async(_FORGET)


async def keep(connector: BaseConnector, shard: Shard, plan: int, report: Report) -> None:
    """Write down what one attempt at a shard told."""
    await connector.execute_query_async(
        _KEEP,
        on=shard.on,
        biller=shard.biller,
        shard=f"{plan}/{shard.key}",
        plan=plan,
        invoices=report.created.count + report.existing.count,
        report=report.dumps(items=ITEMS),
    )


async def under_way(connector: BaseConnector) -> frozenset[tuple[str, str]]:
    """The billers and days that have shards waiting or being done."""
    return frozenset((row["biller"], row["run_on"]) for row in await connector.execute_query_all_async(_UNDER_WAY))


async def progress_async(connector: BaseConnector, on: date) -> Progress:
    """How far the run of a day has come."""
    if not (await connector.execute_query_one_async(_THERE))["there"]:
        return _progress(on, [], [])
    counts = await connector.execute_query_all_async(_COUNT, on=on, day=on.isoformat())
    return _progress(on, counts, await connector.execute_query_all_async(_TOLD, on=on))


def progress(connector: BaseConnector, on: date) -> Progress:
    """How far the run of a day has come, where nothing is asynchronous."""
    sync = connector.get_sync_connector()
    if not sync.execute_query_one(_THERE)["there"]:
        return _progress(on, [], [])
    counts = sync.execute_query_all(_COUNT, on=on, day=on.isoformat())
    return _progress(on, counts, sync.execute_query_all(_TOLD, on=on))


def _progress(on: date, counts: Iterable[Mapping[str, object]], told: Iterable[Mapping[str, object]]) -> Progress:
    found = {str(row["state"]): int(str(row["count"])) for row in counts}
    reports = (_of_day(rows) for _, rows in groupby(told, key=itemgetter("biller")))
    return Progress(
        on=on,
        done=found.get("done", 0),
        failed=found.get("failed", 0),
        left=found.get("left", 0),
        report=Report.merged(reports),
    )


def _of_day(told: Iterable[Mapping[str, object]]) -> Report:
    """What the plans of a day did for one biller; `told` is in their order.

    What was made adds up, with what was said of it; how the rest stands, the newest plan says. What a plan finds there
    already has been told of by those before it, unless there is more of it.
    """
    plans = [
        Report.merged(Report.loads(str(row["report"])) for row in rows)
        for _, rows in groupby(told, key=itemgetter("plan"))
    ]
    day, known = Report(dry_run=False), 0
    for each in plans:
        known = max(known, each.existing.count) + each.created.count
        _take(day, each, "created", "late", "warnings")
    _take(day, plans[-1], "skipped", "failed")
    own, count = {outcome.invoice for outcome in day.created}, known - day.created.count
    found = dict.fromkeys(outcome for each in plans for outcome in each.existing if outcome.invoice not in own)
    day.existing.take(count, islice(found, count))
    return day


def _take(day: Report, plan: Report, *kinds: str) -> None:
    for kind in kinds:
        tally = getattr(plan, kind)
        getattr(day, kind).take(tally.count, tally)
