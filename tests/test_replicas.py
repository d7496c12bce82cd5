"""A desk on a standby shows what the primary had a moment ago, and writes nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest

import postgres
from invoicecore import Billing, Money
from invoicecore.errors import StoreError

DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The URLs of a primary and of a standby that follows it."""
    primary = postgres.Server(fsync="off")
    copied = primary.folder / "copied"
    backup = primary._postgres.with_name("pg_basebackup")
    subprocess.run(
        [backup, "-D", copied, "-d", primary.url, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
        check=True, capture_output=True, cwd=primary.folder, **primary._user,
    )  # fmt: skip
    try:
        standby = subprocess.Popen(
            [primary._postgres, "-D", copied, "-k", primary.folder, "-h", "", "-p", "5433"],
            cwd=primary.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **primary._user,
        )  # fmt: skip
        yield primary.url, f"{primary.url}&port=5433"
        standby.kill()
        standby.wait()
    finally:
        primary.stop()


def caught_up(primary: str, standby: str) -> None:
    """Wait until the standby has replayed all that the primary wrote."""
    with psycopg.connect(primary) as db:
        [written] = db.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ["0/0"]
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with psycopg.connect(standby) as db:
                [there] = db.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone() or [False]
            if there:
                return
        except psycopg.OperationalError:
            pass  # it is starting
    raise TimeoutError("the standby does not catch up")


def store(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def test_a_desk_on_a_standby_lists_what_was_so_a_moment_ago_and_refuses_to_write(servers: tuple[str, str]) -> None:
    primary, standby = servers
    with Billing.open(store(primary)) as billing:
        park = billing.billers.add(name="Park", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        guest = billing.customers.add(biller=park, name="Alice")
        draft = billing.invoices.draft(
            biller=park, customer=guest, title="Stay", amount=Money("80.00", "EUR"), due=date(2026, 3, 9), on=DAY
        )
        caught_up(primary, standby)
        with Billing.open(store(standby)) as reports, psycopg.connect(standby, autocommit=True) as follower:
            assert [each.id for each in reports.invoices.find(biller=park, on=DAY).items] == [draft.id]
            follower.execute("SELECT pg_wal_replay_pause()")
            billing.invoices.publish(draft, on=DAY)
            stale = reports.invoices.get(draft.id)
            assert (stale, stale.status_on(DAY).value) == (draft, "draft")
            follower.execute("SELECT pg_wal_replay_resume()")
            caught_up(primary, standby)
            assert reports.invoices.get(draft.id) == billing.invoices.get(draft.id)
            [totals] = {
                str(reports.invoices.summary(biller=park, on=DAY)),
                str(billing.invoices.summary(biller=park, on=DAY)),
            }
            assert "80" in totals
            with pytest.raises(StoreError, match="give the URL of the primary"):
                reports.invoices.void(draft.id, on=DAY)
            said = {finding.code: finding.data for finding in reports.examine()}
            assert (said["writing.refused"], "writing" in said) == ({"why": "it is a standby"}, False)
