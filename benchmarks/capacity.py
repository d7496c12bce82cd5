"""What the model of docs/scale.md is fed with, as far as it is measured: a billing's costs on a PostgreSQL of its own.

Linux only: what a process used of a processor, and how long it waited for one, is read from /proc. Seconds are those of
processors, so that a machine that is busy with other things answers nearly the same as an idle one.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import psycopg
from sqlalchemy import Connection

from invoicecore import Billing, Money
from invoicecore.documents import Sheet
from invoicecore.parties import Biller
from invoicecore.ports import Counter
from invoicecore.testing import FixedClock
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.mail.memory import MemoryMailer
from invoicecore_adapters.memory import MemoryGateway
from invoicecore_adapters.pdf.renderer import TypstRenderer
from invoicecore_adapters.simulators.gocardless import GoCardlessAccess, GoCardlessBench
from invoicecore_adapters.sql.postgres import PostgresDatabase
from invoicecore_adapters.sql.writing import SqlWriter

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres import Server, database, drop  # the tests' own: a PostgreSQL from a wheel

NOW = datetime(2026, 4, 24, 9, tzinfo=UTC)
ON = NOW.date()  # a week before the period that begins on 1 May
SHARD = 1000
LARGE = 6  # shards of one biller
SMALL = (150, 4)  # billers, and leases of each
LIVES = 200  # leases followed until their invoice is paid, two months
MONTHS = (NOW, datetime(2026, 5, 25, 9, tzinfo=UTC))
EVENTS = 2  # of a debit: its money came, and was paid out
COMMITS = 200

_TRANSACTIONS = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


class Spent(NamedTuple):
    """Seconds: on the clock, of this process's processor, of its server process's, and waiting for either."""

    clock: float
    worker: float
    server: float
    waited: float

    def since(self, before: Spent) -> Spent:
        """What was spent since."""
        return Spent(*(now - then for now, then in zip(self, before, strict=True)))


class Meter:
    """Reads what this process and all of a server's have used."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._children: list[Path] = []

    def look(self) -> None:
        """Find the server's processes, such as that of a connection made since."""
        postmaster = self._server._process
        assert postmaster is not None
        self._children = [
            path for path in Path("/proc").iterdir() if path.name.isdigit() and _serves(path, postmaster.pid)
        ]

    def read(self) -> Spent:
        """What was spent so far."""
        server, waited = 0, int(Path("/proc/self/schedstat").read_text().split()[1])
        for path in self._children:
            ran, queued, _ = map(int, (path / "schedstat").read_text().split())
            server, waited = server + ran, waited + queued
        return Spent(time.perf_counter(), time.process_time(), server / 1e9, waited / 1e9)

    @contextmanager
    def held(self) -> Iterator[list[Spent]]:
        """What is spent between taking numbers and the end of the commit, while a biller's counter is locked."""
        begun: list[Spent] = []
        found: list[Spent] = []
        take, commit = SqlWriter.take_numbers, PostgresDatabase.commit

        def taking(writer: SqlWriter, biller: str, series: str, count: int, on: date) -> Counter:
            begun.append(self.read())
            return take(writer, biller, series, count, on)

        def committing(database: PostgresDatabase, connection: Connection) -> None:
            commit(database, connection)
            found.extend(self.read().since(each) for each in begun)
            begun.clear()

        with (
            mock.patch.object(SqlWriter, "take_numbers", taking),
            mock.patch.object(PostgresDatabase, "commit", committing),
        ):
            yield found


def _serves(process: Path, postmaster: int) -> bool:
    """Whether a process has a session; what the server's others do, they do beside it."""
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == postmaster and b"[local]" in (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False


class Still:
    """A renderer whose document is there already: drawing is measured by itself."""

    def render(self, sheet: Sheet) -> bytes:
        """The same 31 kB each time."""
        return b"%PDF-1.7\n" + bytes(31_000)


def machine() -> str:
    """What was measured on."""
    cores = os.cpu_count()
    load = os.getloadavg()[0]
    return f"{cores} cores at load {load:.1f}, CPython {platform.python_version()}, PostgreSQL 18"


def measured() -> dict[str, float]:
    """Every measured input of the model by its name; in seconds, bytes, rows or counts for one of what it names."""
    server = _server()
    try:
        meter = Meter(server)
        return {
            "flush_seconds": _flush(server),
            **_run(server, meter),
            **_lives(server, meter),
            "document_worker": _document(),
            **_requests(),
        }
    finally:
        server.stop()


def _server() -> Server:
    return Server(shared_buffers="256MB", max_wal_size="4GB", checkpoint_timeout="1h", autovacuum="off")


# --- the run ----------------------------------------------------------------------------------------------------------


def _run(server: Server, meter: Meter) -> dict[str, float]:
    whole = _shards(server, meter, billers=1, leases=LARGE * SHARD)
    small = _shards(server, meter, billers=SMALL[0], leases=SMALL[1])
    found = {}
    for name in ("decide_worker", "decide_server", "write_worker", "write_server", "wal"):
        # Two equations: what a shard costs is so much a lease, and so much whatever its size.
        lease = (whole[name] - small[name] * LARGE / SMALL[0]) / (LARGE * SHARD - SMALL[1] * LARGE)
        found[f"lease_{name}"] = lease
        found[f"shard_{name}"] = small[name] / SMALL[0] - lease * SMALL[1]
    found["lease_cold_pages"] = whole["cold_pages"] / (LARGE * SHARD)
    found["shard_cold_pages"] = whole["relations"]
    found["biller_cut_worker"] = small["cut_worker"] / SMALL[0]
    found["biller_cut_server"] = small["cut_server"] / SMALL[0]
    return found


def _shards(server: Server, meter: Meter, *, billers: int, leases: int) -> dict[str, float]:
    """A night's run of so many billers, shard by shard, by one worker; sums."""
    url = database(server=server.url)
    with Billing.open(url, clock=FixedClock(NOW)) as billing:
        for _ in range(billers):
            _let(billing, _park(billing), leases)
    server.restart(signal.SIGINT)  # nothing is in memory, and what is written first after a checkpoint is written whole
    with _watching(url) as watched:
        watched.execute("SELECT pg_stat_reset()")
        log = _log(watched)
    with Billing.open(url, clock=FixedClock(NOW)) as billing:
        billing.billers.all()
        meter.look()
        begun = meter.read()
        shards = billing.shards(on=ON)
        cut = meter.read().since(begun)
        begun = meter.read()
        with meter.held() as held:
            made = sum(billing.run_shard(shard).created.count for shard in shards)
        ran = meter.read().since(begun)
    if made != billers * leases or len(held) != len(shards):
        raise SystemExit(f"expected {billers * leases} invoices, got {made}")
    with _watching(url) as watched:
        wal = _log(watched) - log
        [[pages, relations]] = watched.execute(
            "WITH used AS (SELECT heap_blks_read AS pages, heap_blks_hit AS hit FROM pg_statio_user_tables"
            " UNION ALL SELECT idx_blks_read, idx_blks_hit FROM pg_statio_user_indexes)"
            " SELECT sum(pages), count(*) FILTER (WHERE pages + hit > 0) FROM used"
        ).fetchall()
    drop(url, server=server.url)
    worker, server_ = sum(each.worker for each in held), sum(each.server for each in held)
    return {
        "cut_worker": cut.worker,
        "cut_server": cut.server,
        "decide_worker": ran.worker - worker,
        "decide_server": ran.server - server_,
        "write_worker": worker,
        "write_server": server_,
        "wal": wal,
        "cold_pages": float(pages),
        "relations": float(relations),
        "seconds": ran.clock - ran.waited,
    }


def _park(billing: Billing) -> Biller:
    return billing.billers.add(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays")


def _let(billing: Billing, park: Biller, count: int, method: str = "email_pdf") -> None:
    for begin in range(0, count, 5000):
        several = range(begin, min(begin + 5000, count))
        tenants = billing.customers.add_many(
            biller=park, rows=[{"name": f"Locataire {n}", "email": f"t{n}@example.org"} for n in several]
        )
        rows = [
            {
                "customer": tenant,
                "rent": Money(f"{400 + n % 500}.50", "EUR"),
                "starts": date(2025, 1 + n % 12, 1 + n % 28),
                "anchor_day": 1,
                "bill_from": date(2026, 5, 1),
                "method": method,
                "advance_days": 7,
            }
            for n, tenant in zip(several, tenants, strict=True)
        ]
        billing.leases.add_many(biller=park, rows=rows)


# --- runs to check the model by ---------------------------------------------------------------------------------------


def checked(workers: int, parks: int, leases: int) -> float:
    """Seconds that so many processes take to bill the leases of so many billers, a shard each at a time.

    What one process waited for a processor is left out; of several it is in, so let the machine be idle.
    """
    server = _server()
    try:
        if workers == 1:
            return _shards(server, Meter(server), billers=parks, leases=leases // parks)["seconds"]
        url = database(server=server.url)
        with Billing.open(url, clock=FixedClock(NOW)) as billing:
            for _ in range(parks):
                _let(billing, _park(billing), leases // parks)
        spawned = multiprocessing.get_context("spawn")
        ready, took = spawned.Barrier(workers), spawned.SimpleQueue()
        processes = [spawned.Process(target=_part, args=(url, n, workers, ready, took)) for n in range(workers)]
        for process in processes:
            process.start()
        seconds: list[float] = [took.get() for _ in processes]
        for process in processes:
            process.join()
        return max(seconds)
    finally:
        server.stop()


def _part(url: str, number: int, workers: int, ready: Any, took: Any) -> None:
    with Billing.open(url, clock=FixedClock(NOW)) as billing:
        shards = billing.shards(on=ON)
        # Billers side by side, and each one's shards in turn.
        mine = sorted(shards, key=lambda shard: (shard.leases, shard.biller))[number::workers]
        ready.wait()
        begin = time.perf_counter()
        for shard in mine:
            billing.run_shard(shard)
        took.put(time.perf_counter() - begin)


# --- an invoice's life ------------------------------------------------------------------------------------------------


def _lives(server: Server, meter: Meter) -> dict[str, float]:
    """Two lives of an invoice: debited and told of, or e-mailed and paid by transfer."""
    return _life(server, meter, "debit", "direct_debit") | _life(server, meter, "transfer", "email_pdf")


def _life(server: Server, meter: Meter, life: str, method: str) -> dict[str, float]:
    url, clock, pages = database(server=server.url), FixedClock(NOW), "https://pay.example.com"
    gateway = MemoryGateway(clock=clock)
    with Billing.open(url, clock=clock, gateway=gateway) as billing:
        park = _park(billing)
        _let(billing, park, LIVES, method)
        for who in billing.customers.find(biller=park) if life == "debit" else ():
            page = billing.methods.setup(who, kind=method, return_url=pages)
            billing.receive("memory", *gateway.save(page.url))
    for month in MONTHS:  # what the first leaves behind, the second uses again
        clock.set(month)
        with _watching(url) as watched:
            watched.execute("VACUUM")
            before = _stored(watched)
        with Billing.open(
            url, base_url=pages, clock=clock, gateway=gateway, mailer=MemoryMailer(), renderer=Still()
        ) as billing:
            if billing.run().created.count != LIVES:
                raise SystemExit("not every lease was invoiced")
            meter.look()
            spent = _debited(billing, gateway, park, meter, url) if life == "debit" else _paid(billing, park, meter)
            messages = len(billing.messages.find(biller=park, limit=1000))
    with _watching(url) as watched:
        watched.execute("VACUUM")
        after = _stored(watched)
        if life == "debit":
            kept = _one(watched, "SELECT pg_total_relation_size('inbox_events') / (SELECT count(*) FROM inbox_events)")
            spent["event_bytes"] = kept
    drop(url, server=server.url)
    stored = {f"{life}_{name}": (after[name] - before[name]) / LIVES for name in after}
    return spent | stored | {f"{life}_messages": messages / LIVES / len(MONTHS)}


def _debited(billing: Billing, gateway: MemoryGateway, park: Biller, meter: Meter, url: str) -> dict[str, float]:
    debits = _each(meter, "debit", billing.collect, lambda _: LIVES)
    sent = [each.reference or "" for each in billing.collections.find(biller=park, state="pending", limit=LIVES)]
    hooks = [hook for reference in sent for hook in (gateway.collect(reference), gateway.pay_out(reference))]
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as db:
        begun, log = _one(db, _TRANSACTIONS), _log(db)
        events = _each(meter, "event", lambda: [billing.receive("memory", *hook) for hook in hooks], len)
        events["event_transactions"] = (_one(db, _TRANSACTIONS) - begun) / len(hooks)
        events["event_wal"] = (_log(db) - log) / len(hooks)
    billing.deliver()
    if len(hooks) != EVENTS * LIVES or billing.collections.find(biller=park, state="pending"):
        raise SystemExit("not every debit was collected")
    return debits | events


def _paid(billing: Billing, park: Biller, meter: Meter) -> dict[str, float]:
    mails = _each(meter, "message", billing.deliver, lambda report: report.sent.count)
    unpaid = billing.invoices.find(biller=park, status="open", limit=LIVES).items
    return mails | _each(meter, "payment", lambda: [billing.payments.record(invoice) for invoice in unpaid], len)


def _each(meter: Meter, name: str, do: Callable[[], Any], count: Callable[[Any], int]) -> dict[str, float]:
    begun = meter.read()
    done = count(do())
    spent = meter.read().since(begun)
    return {f"{name}_worker": spent.worker / done, f"{name}_server": spent.server / done}


# --- the rest ---------------------------------------------------------------------------------------------------------


def _flush(server: Server) -> float:
    """What a commit waits for the disk: the median of those that do, less that of those that do not."""
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute("CREATE TABLE flushed (n int)")
        took: dict[str, list[float]] = {"on": [], "off": []}
        for n, how in itertools.product(range(COMMITS), took):
            db.execute(f"SET synchronous_commit = {how}")
            begin = time.perf_counter()
            db.execute("INSERT INTO flushed VALUES (%s)", [n])
            took[how].append(time.perf_counter() - begin)
        db.execute("DROP TABLE flushed")
    on, off = (sorted(each)[COMMITS // 2] for each in took.values())
    return on - off


def _document() -> float:
    with Billing.open("memory://", clock=FixedClock(NOW), base_url="https://pay.example.com") as billing:
        park = _park(billing)
        _let(billing, park, 24)
        billing.run()
        sheets = [billing.invoices.sheet(each) for each in billing.invoices.find(biller=park, limit=24).items]
    renderer = TypstRenderer()
    for sheet in sheets[:4]:
        renderer.render(sheet)
    begun = time.process_time()
    for sheet in sheets[4:]:
        renderer.render(sheet)
    return (time.process_time() - begun) / len(sheets[4:])


def _requests() -> dict[str, float]:
    """How many requests GoCardless's simulator is sent for a debit, and for an event before and after its money came."""

    def opened(access: GoCardlessAccess) -> GoCardlessGateway:
        return GoCardlessGateway(
            access_token=access.access_token, webhook_secrets=access.webhook_secrets, base_url=access.base_url
        )

    bench = GoCardlessBench(opened)
    try:
        with Billing.open("memory://", gateway=bench.gateway(), clock=FixedClock(NOW)) as billing:
            park = _park(billing)
            _let(billing, park, 1, "direct_debit")
            [who] = billing.customers.find(biller=park)
            page = billing.methods.setup(who, return_url="https://example.com/back")
            bench.save(page.url)
            billing.methods.refresh(page.method)
            bench.deliveries()
            billing.run()

            def sent(do: Callable[[], object]) -> int:
                before = len(bench.exchanges())
                do()
                return len(bench.exchanges()) - before

            def told() -> None:
                *_, event = (
                    each
                    for hook in bench.deliveries()
                    for each in json.loads(hook.body)["events"]
                    if each["resource_type"] == "payments"
                )
                body = json.dumps({"events": [event]}).encode()
                [received] = billing.receive("gocardless", body, bench.sign(body))
                assert received.state == "applied", received

            debit, early = sent(billing.collect), sent(told)
            [collection] = billing.collections.find(biller=park)
            bench.collect(collection.reference or "")
            return {"debit_requests": debit, "early_event_requests": early, "late_event_requests": sent(told)}
    finally:
        bench.close()


@contextmanager
def _watching(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as db:
        # What a session did is counted when it ends, and it ends a little after its client has gone.
        while _one(db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") > 1:
            time.sleep(0.01)
        yield db


def _one(db: psycopg.Connection[Any], query: str) -> float:
    [[value]] = db.execute(query).fetchall()
    return float(value)


def _log(db: psycopg.Connection[Any]) -> float:
    return _one(db, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")


def _stored(db: psycopg.Connection[Any]) -> dict[str, float]:
    """What the tables take and what was done to them so far."""
    heap = _one(db, "SELECT sum(pg_table_size(relid)) FROM pg_stat_user_tables")
    return {
        "heap_bytes": heap,
        "index_bytes": _one(db, "SELECT sum(pg_indexes_size(relid)) FROM pg_stat_user_tables"),
        "rows": _one(db, "SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables"),
        "wal": _log(db),
        "transactions": _one(db, _TRANSACTIONS),
    }
