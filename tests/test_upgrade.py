"""Two versions of the library on one database: the older one refuses or has finished, in every verb, and nothing is lost.

This library plays the older one. The newer one is this library with a plan of one step more.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

import postgres
import test_disk
import workers
from crews import Life
from desks import Post, all_of, gateway_of, parameters, verb_of, wired, wiring, wiring_of
from invoicecore import Billing, Plugins
from invoicecore.billing import delivering, publishing, running, working
from invoicecore.collection import Collection
from invoicecore.errors import StoreError
from invoicecore.invoices import Invoice
from invoicecore.messages import LEASE, Message
from invoicecore.parties import Customer
from invoicecore.ports import Reader, Store, Writer
from invoicecore.testing import FixedClock, samples
from invoicecore.testing.checks import write
from invoicecore_adapters.sql.migrations import PLAN, Plan, Step
from invoicecore_adapters.sql.store import SqlStore
from scenes import CALLS, stage
from test_cli import Command, command
from test_disk import NOON, SMALL, VERBS, Desk, collecting, copied
from test_processes import quick
from workers import Wrapped
from worlds import World, assert_sound, build, outcome

__all__ = ["command", "quick"]  # fixtures


@pytest.fixture
def world(quick: Path) -> World:
    """A world before its first run, in a file."""
    return build(f"sqlite:///{quick / 'x.db'}")


REFUSED = rf"schema version {PLAN.newest + 1}, this invoicecore knows {PLAN.newest}; upgrade invoicecore"


def later(*statements: str) -> Plan:
    """The plan of a newer library, whose last step does this."""

    def apply(connection: Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    return Plan(steps=[*PLAN.steps, Step(version=PLAN.newest + 1, title="tomorrow", apply=apply)])


# What the newer library of these tests can still work with, and what the older one could not even read.
HARMLESS = later("ALTER TABLE invoices ADD COLUMN notes TEXT")
UNREADABLE = later(
    "ALTER TABLE invoices RENAME COLUMN title TO heading",
    "ALTER TABLE customers RENAME TO people",
    "ALTER TABLE counters RENAME COLUMN next_number TO following",
)


def migrate(url: str, plan: Plan = HARMLESS) -> None:
    """What happens when the first process of the newer library opens the database."""
    SqlStore(url, plan=plan).close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/x.db"
        return
    made = postgres.new()
    yield made
    postgres.drop(made)


def everything_of(url: str) -> list[object]:
    """Every row of every table, whatever the schema."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as person:
            return sorted(person.iterdump())
    with postgres.rows_of(url) as rows:
        names = rows.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        return [(name, sorted(map(repr, rows.execute(f"SELECT * FROM {name}")))) for (name,) in names]  # type: ignore[call-overload]  # the table's own name


# --- every verb -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [HARMLESS, UNREADABLE], ids=["a column more", "other names"])
def test_every_verb_of_an_older_library_refuses_and_touches_nothing(plan: Plan, url: str) -> None:
    clock, plugins = FixedClock(NOON), Plugins.of()
    with Billing(SqlStore(url), clock=clock, plugins=plugins, wiring=wiring(plugins, clock)) as billing:
        scene = stage(billing)
        migrate(url, plan)
        before, post = everything_of(url), wiring_of(billing).mailer
        assert isinstance(post, Post)
        sent, effects = len(post.sent), len(gateway_of(billing).provider.ledger)
        for name, call in CALLS.items():
            with pytest.raises(StoreError, match=REFUSED):
                verb_of(billing, name)(**call(scene))
            if "key" in parameters(verb_of(billing, name)):
                with pytest.raises(StoreError, match=REFUSED):
                    verb_of(billing, name)(**call(scene), key="k-1")
        assert len(post.sent) == sent
        assert len(gateway_of(billing).provider.ledger) == effects
        assert everything_of(url) == before


def test_the_command_of_an_older_library_says_what_to_do(command: Command, tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/invoicecore.db", UNREADABLE)
    before = (tmp_path / "invoicecore.db").read_bytes()
    for words in (["run"], ["deliver", "--mailer", "files://post"], ["invoices"], ["export", "all.jsonl"]):
        told = command(*words)
        assert told.code == 4
        assert "upgrade invoicecore" in told.err
    assert (tmp_path / "invoicecore.db").read_bytes() == before


# --- in the middle of a journey ---------------------------------------------------------------------------------------


class Overtaken(Wrapped):
    """A store whose database is migrated by a newer library right before one of its transactions begins."""

    def __init__(self, store: Store, url: str, at: int) -> None:
        super().__init__(store)
        self._url = url
        self._left = at

    def _next(self) -> None:
        self._left -= 1
        if self._left == -1:
            migrate(self._url)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        self._next()
        with self._store.reading() as tx:
            yield tx

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self._next()
        with self._store.writing(**how) as tx:
            yield tx


def on(desk: Desk, store: Store) -> Desk:
    """The same outside and clock on another store."""
    parts = wiring_of(desk.billing)
    billing = wired(desk.billing, store=store, mailer=parts.mailer, gateway=list(parts.gateways), base_url=None)
    return Desk(billing=billing, clock=desk.clock, post=desk.post, store=desk.store)


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (running, publishing, delivering, working):
        monkeypatch.setattr(module, "PAGE", 2 * SMALL)


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.rule("N1", "N2", "N4")
@pytest.mark.parametrize("verb, step", [("run", 9), ("publish_all", 2)])
def test_wherever_a_newer_library_comes_in_between_the_rest_is_its_work(
    verb: str, step: int, world: World, quick: Path
) -> None:
    if verb == "publish_all":
        with closing(test_disk.opened(world.url)) as desk:
            test_disk.bill(desk)
    undisturbed = copied(world, quick / "undisturbed")
    with closing(test_disk.opened(undisturbed.url)) as desk:
        VERBS[verb](desk)
    stopped = 0
    for at in count(step=step):
        disturbed = copied(world, quick / f"at {at}")
        with closing(test_disk.opened(disturbed.url)) as desk:
            refused = ends_refused(lambda: VERBS[verb](on(desk, Overtaken(desk.store, disturbed.url, at))))  # noqa: B023  # called at once
        assert_sound(disturbed.url)
        if not refused:
            break
        stopped += 1
        with closing(test_disk.opened(disturbed.url, SqlStore(disturbed.url, plan=HARMLESS))) as desk:
            VERBS[verb](desk)
        assert_sound(disturbed.url)
        assert outcome(disturbed.url) == outcome(undisturbed.url)
    assert stopped > 3


def ends_refused(work: Callable[[], object]) -> bool:
    """Whether it is refused for being of an older library; it may end well, and in no other way."""
    try:
        work()
    except StoreError as error:
        refusal = str(error)
    else:
        return False
    assert "upgrade invoicecore" in refusal
    return True


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.rule("R7", "R12")
def test_e_mails_that_an_older_library_had_in_hand_go_out_by_the_newer_one(world: World, quick: Path) -> None:
    with closing(test_disk.opened(world.url)) as desk:
        desk.billing.run(on=workers.RUNS[2])
    stopped = 0
    for at in count(step=9):
        disturbed = copied(world, quick / f"at {at}")
        with closing(test_disk.opened(disturbed.url)) as desk:
            older = on(desk, Overtaken(desk.store, disturbed.url, at))
            if not ends_refused(older.billing.deliver):
                break
            stopped += 1
            desk.clock.advance(LEASE + timedelta(minutes=1))  # whoever had some has them no more
            newer = on(desk, SqlStore(disturbed.url, plan=HARMLESS))
            newer.billing.deliver()
            messages = all_of(newer.billing._desk.store, world.park, Message)
            newer.billing._desk.store.close()
            ids = [mail.id for mail in desk.post.sent]
        assert {message.state.value for message in messages} == {"sent"}
        assert set(ids) == {message.id for message in messages}
        assert len(ids) - len(set(ids)) <= 1, "the one that was sent and could not be noted"
    assert stopped > 3


@pytest.mark.rule("P1", "D6", "S9")
def test_collections_that_an_older_library_had_in_hand_are_charged_once(tmp_path: Path) -> None:
    stopped = 0
    for at in count(step=11):
        folder = tmp_path / f"at {at}"
        folder.mkdir()
        desk, url, park = collecting(folder)
        with closing(desk):
            if not ends_refused(on(desk, Overtaken(desk.store, url, at)).billing.collect):
                break
            stopped += 1
            newer = on(desk, SqlStore(url, plan=HARMLESS))
            for _ in range(3):
                desk.clock.advance(timedelta(minutes=20))
                newer.billing.collect()
                newer.billing.recover()
            invoices, collections = (all_of(newer.billing._desk.store, park, kind) for kind in (Invoice, Collection))
            newer.billing._desk.store.close()
            charged = [each.key for each in gateway_of(desk.billing).provider.ledger if each.kind == "payment"]
        assert {invoice.status_on(NOON.date()).value for invoice in invoices} == {"paid"}
        assert sorted(map(str, charged)) == sorted(each.id for each in collections)
        assert len(charged) == len(invoices)
    assert stopped > 3


# --- at the same time -------------------------------------------------------------------------------------------------


def test_a_transaction_that_is_open_ends_before_the_schema_moves_on(url: str) -> None:
    here = samples.world()
    with closing(SqlStore(url)) as older:
        write(older, *here.records)
        with older.writing(biller=here.id) as tx:
            tx.add([samples.charge(here, "x1")])
            migration = threading.Thread(target=migrate, args=(url, UNREADABLE))
            migration.start()
            migration.join(0.3)
            assert migration.is_alive(), "it waits"
            tx.add([samples.charge(here, "x2")])
            assert set(tx.get(Customer, here.id, ["c1"])) == {"c1"}, "what the older one knows is still there"
        migration.join(60)
        assert not migration.is_alive()
        with pytest.raises(StoreError, match=REFUSED), older.writing(biller=here.id):
            pytest.fail("wrote into a schema it does not know")
    charges = [line for line in everything_of(url) if "x1" in str(line) or "x2" in str(line)]
    assert charges, "what it wrote was taken along"


def test_a_view_that_is_open_stays_as_it_was(url: str) -> None:
    here = samples.world()
    with closing(SqlStore(url)) as older:
        write(older, *here.records, samples.invoice(here, "i1"))
        with older.reading() as tx:
            assert set(tx.get(Invoice, here.id, ["i1"])) == {"i1"}
            migration = threading.Thread(target=migrate, args=(url, UNREADABLE))
            migration.start()
            migration.join(0.3)
            assert tx.get(Invoice, here.id, ["i1"])["i1"].title, "by the names it knows"
            assert set(tx.get(Customer, here.id, ["c1"])) == {"c1"}
        migration.join(60)
        assert not migration.is_alive()
        with pytest.raises(StoreError, match=REFUSED), older.reading():
            pytest.fail("read a schema it does not know")


@pytest.mark.rule("N1", "N2", "N4", "S7", "C9")
def test_a_process_that_bills_while_another_one_upgrades_stops_or_has_finished(world: World, quick: Path) -> None:
    undisturbed = copied(world, quick / "undisturbed")
    whole = Life(workers.bill_everything, undisturbed.url).completes()
    stopped = 0
    for nth in range(1, 8):
        disturbed = copied(world, quick / f"after {nth}")
        life = Life(workers.bill_everything, disturbed.url)
        assert life.runs_for(whole * nth // 8)
        migrate(disturbed.url)
        life.runs_for(10**9)
        stopped += life.ended() != 0
        assert_sound(disturbed.url)
        with closing(test_disk.opened(disturbed.url, SqlStore(disturbed.url, plan=HARMLESS))) as desk:
            test_disk.bill(desk)
            test_disk.publish(desk)
        assert_sound(disturbed.url)
        assert outcome(disturbed.url) == outcome(undisturbed.url)
    assert stopped > 3
