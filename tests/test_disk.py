"""A disk that is full and a database that is read-only: told clearly, nothing lost, and on with the work afterwards.

The disk is filled in two ways that need no rights: the file may not have more pages, so that what does not fit fails in
the middle of a transaction; and no file of the process may grow further, so that the log cannot be written and commits
fail. A database is made read-only by its rights, in a process that has given up root's, and by connections that may not
write, as on a volume that was mounted again.
"""

from __future__ import annotations

import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import event

import workers
from desks import Post, all_of, everything, facts_from_rows, gateway_of, money, wiring
from invoicecore import Billing, Plugins
from invoicecore.billing import delivering, publishing, running, working
from invoicecore.collection import Collection
from invoicecore.errors import StoreError
from invoicecore.invoices import Invoice
from invoicecore.messages import LEASE, Message
from invoicecore.parties import Biller
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway
from invoicecore_adapters.sql.sqlite import SqliteFile
from invoicecore_adapters.sql.store import SqlStore
from worlds import World, assert_sound, build, outcome

NOON = workers.NOON
SMALL = workers.SMALL


@attrs.frozen(kw_only=True)
class Desk:
    """A desk on a file, its clock, and what it sends."""

    billing: Billing
    clock: FixedClock
    post: Post
    store: SqlStore

    @property
    def file(self) -> Any:
        """What is behind the store: a SqliteFile, and what only it has."""
        return self.store._database

    def close(self) -> None:
        self.billing.close()


def opened(url: str, store: SqlStore | None = None) -> Desk:
    clock, post, plugins, store = FixedClock(NOON), Post(), Plugins.of(), store or SqlStore(url)
    parts = wiring(plugins, clock, mailer=post, base_url=None, gateway=MemoryGateway(clock=clock))
    return Desk(billing=Billing(store, clock=clock, plugins=plugins, wiring=parts), clock=clock, post=post, store=store)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small world has many transactions."""
    for module in (running, publishing, delivering, working):
        monkeypatch.setattr(module, "PAGE", SMALL)


def copied(world: World, folder: Path) -> World:
    """The same world in another file; the desk that made it is closed, so all of it is in the one file."""
    folder.mkdir()
    shutil.copy(world.url.removeprefix("sqlite:///"), folder / "x.db")
    return attrs.evolve(world, url=f"sqlite:///{folder / 'x.db'}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world before its first run."""
    return build(f"sqlite:///{tmp_path_factory.mktemp('disk') / 'x.db'}")


@pytest.fixture
def world(built: World, tmp_path: Path) -> World:
    return copied(built, tmp_path / "world")


def collecting(folder: Path) -> tuple[Desk, str, Biller]:
    """A desk with cards that are to be charged today, each once."""
    url = f"sqlite:///{folder / 'collecting.db'}"
    desk = opened(url)
    billing = desk.billing
    park = billing.billers.add(
        name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays",
        policy={"collect_saved": True},
    )  # fmt: skip
    for n in range(3 * SMALL):
        who = billing.customers.add(biller=park, name=f"T{n}", email=f"t{n}@example.com")
        page = billing.methods.setup(who, kind="card", return_url="https://app.example/")
        gateway_of(billing).save(page.url)
        billing.methods.refresh(page.method)
        due = NOON.date()
        draft = billing.invoices.draft(biller=park, customer=who, title="Stay", amount=money(100 + n), due=due)
        billing.invoices.publish(draft)
    return desk, url, park


# --- filling a disk ---------------------------------------------------------------------------------------------------


@contextmanager
def few_pages(desk: Desk, room: int) -> Iterator[None]:
    """The file may have so many pages more than it has."""
    with closing(sqlite3.connect(desk.file.place)) as person:
        [pages] = person.execute("PRAGMA page_count").fetchone()

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + room}")

    engines = (desk.file._engine, desk.file._hasty)
    for engine in engines:
        engine.dispose()
        event.listen(engine, "connect", limit)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "connect", limit)
            with engine.connect() as connection:  # it works on, and is not opened anew
                connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")


@contextmanager
def no_growth(desk: Desk, room: int) -> Iterator[None]:
    """No file of this process may grow beyond a few blocks, which are for the log."""
    with closing(sqlite3.connect(desk.file.place)) as person:
        person.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    longest = 40_000 + room * 4096  # what is shared beside the log has 32 kB
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def noted(errors: list[StoreError]) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        errors.append(error)


Filled = Callable[[Desk, int], AbstractContextManager[None]]
filled = pytest.mark.parametrize(
    "fill, told",
    [(few_pages, "the disk is full, nothing of this was written; free some space"), (no_growth, "the disk")],
    ids=["no page left", "no log can grow"],
)


def until_done(desk: Desk, fill: Filled, told: str, work: Callable[[], object], check: Callable[[], object]) -> int:
    """Do some work on a disk that is full again and again, with a little more room each time; how often it failed."""
    for room in range(500):
        errors: list[StoreError] = []
        with fill(desk, room), noted(errors):
            work()
        if not errors:
            return room
        assert told in str(errors[0])
        check()
    raise AssertionError("there was never room enough")


# --- full -------------------------------------------------------------------------------------------------------------


def bill(desk: Desk) -> None:
    for day in workers.RUNS:
        desk.billing.run(on=day)


def publish(desk: Desk) -> None:
    for biller in desk.billing.billers.all():
        desk.billing.invoices.publish_all(biller=biller)


@filled
@pytest.mark.rule("N1", "N2", "N4", "S7")
def test_a_run_and_publishing_on_a_full_disk_lose_nothing_and_go_on(
    fill: Filled, told: str, world: World, tmp_path: Path
) -> None:
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN, "a file that may not grow is an error, not the end"
    undisturbed = copied(world, tmp_path / "undisturbed")
    with closing(opened(undisturbed.url)) as desk:
        bill(desk)
        publish(desk)
    with closing(opened(world.url)) as desk:
        assert until_done(desk, fill, told, lambda: bill(desk), lambda: assert_sound(world.url)) > 5
        assert until_done(desk, fill, told, lambda: publish(desk), lambda: assert_sound(world.url)) > 1
    assert_sound(world.url)
    assert outcome(world.url) == outcome(undisturbed.url)


@filled
@pytest.mark.rule("R7", "R12", "S9")
def test_e_mails_on_a_full_disk_all_go_out_and_a_repeat_is_recognisable(fill: Filled, told: str, world: World) -> None:
    def work() -> None:
        try:
            desk.billing.deliver()
        finally:
            desk.clock.advance(LEASE + timedelta(minutes=1))  # whoever had some has them no more

    with closing(opened(world.url)) as desk:
        bill(desk)
        failed = until_done(desk, fill, told, work, lambda: assert_sound(world.url))
        assert failed > 5 or fill is few_pages  # what is noted of an e-mail finds room in the pages there are
        desk.billing.deliver()
        messages = all_of(desk.store, world.park, Message)
        ids = [mail.id for mail in desk.post.sent]
    assert len(messages) > 100
    assert {message.state.value for message in messages} == {"sent"}
    assert set(ids) == {message.id for message in messages}
    assert len(ids) - len(set(ids)) <= failed, "one e-mail twice at most for each time that it could not be noted"


@filled
@pytest.mark.rule("P1", "D6", "S9")
def test_collections_on_a_full_disk_are_charged_once_each_and_none_is_forgotten(
    fill: Filled, told: str, tmp_path: Path
) -> None:
    def work() -> None:
        try:
            desk.billing.collect()
            desk.billing.recover()
        finally:
            desk.clock.advance(timedelta(minutes=20))

    def sound() -> None:
        with closing(sqlite3.connect(desk.file.place)) as person:
            assert person.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert person.execute("PRAGMA foreign_key_check").fetchall() == []
        for invoice in all_of(desk.store, park, Invoice):
            assert invoice.facts == facts_from_rows(desk.store, park, invoice)

    desk, _, park = collecting(tmp_path)
    with closing(desk):
        assert until_done(desk, fill, told, work, sound) > (5 if fill is no_growth else 0)
        for _ in range(3):
            work()
        sound()
        invoices = all_of(desk.store, park, Invoice)
        collections = all_of(desk.store, park, Collection)
        charged = [each.key or "" for each in gateway_of(desk.billing).provider.ledger if each.kind == "payment"]
    assert {invoice.status_on(NOON.date()).value for invoice in invoices} == {"paid"}
    assert sorted(charged) == sorted(each.id for each in collections), "none twice, whatever could not be noted"
    assert len(charged) == len(invoices) == 3 * SMALL


# --- read-only --------------------------------------------------------------------------------------------------------

VERBS: dict[str, Callable[[Desk], object]] = {
    "run": bill,
    "publish_all": publish,
    "deliver": lambda desk: desk.billing.deliver(),
    "collect": lambda desk: desk.billing.collect(),
}


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(verb: str, world: World, tmp_path: Path) -> str:
    """A file in which the verb has something to do."""
    if verb == "collect":
        desk, url, _ = collecting(tmp_path)
        desk.close()
        return url
    with closing(opened(world.url)) as desk:
        desk.billing.run(on=workers.RUNS[2])
    return world.url


def held(desk: Desk) -> list[dict[str, object]]:
    return [everything(desk.store, biller) for biller in desk.billing.billers.all()]


def test_a_database_that_became_read_only_is_told_read_on_and_written_again(
    verb: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_reading(self: SqliteFile, synchronous: str) -> sqlite3.Connection:
        uri = f"file:{self.path}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=0.1, isolation_level=None, check_same_thread=False)

    with closing(opened(url)) as desk:
        before = held(desk)
        with monkeypatch.context() as patched:
            patched.setattr(SqliteFile, "_connect", only_reading)
            desk.file.forked()  # every connection is opened anew
            with pytest.raises(StoreError, match="cannot be written to; give this user the right to"):
                VERBS[verb](desk)
            assert held(desk) == before, "it can still be read"
            assert desk.post.sent == []
            assert gateway_of(desk.billing).provider.ledger == []
        desk.file.forked()
        assert held(desk) == before
        VERBS[verb](desk)
        assert held(desk) != before


WITHOUT_RIGHTS = """
import os, sys
sys.path[:0] = {path!r}
import test_disk, workers
from invoicecore.errors import StoreError
warm = test_disk.opened("sqlite:///{warm}")  # all that is imported late is here now: others may not enter its folder
test_disk.VERBS["{verb}"](warm)
warm.billing.examine()
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    desk = test_disk.opened("sqlite:///{place}?timeout=0.1")
    print("read", sum(len(desk.billing.invoices.find(biller=each).items) for each in desk.billing.billers.all()))
    print("found", *(each.code for each in desk.billing.examine() if each.verdict == "problem"))
    test_disk.VERBS["{verb}"](desk)
    print("written")
except StoreError as error:
    print("refused", error)
"""


@pytest.mark.parametrize("folder", [0o777, 0o555], ids=["the file", "the file and its folder"])
def test_a_file_without_the_right_to_write_is_refused_and_left_as_it_is(folder: int, verb: str, url: str) -> None:
    # Not in pytest's own folder, which others may not enter.
    place = Path(tempfile.mkdtemp(prefix="invoicecore-"))
    try:
        path, warm = place / "x.db", place / "warm.db"
        for each in (path, warm):
            shutil.copy(url.removeprefix("sqlite:///"), each)
        before = path.read_bytes()
        path.chmod(0o444)
        place.chmod(folder)
        script = WITHOUT_RIGHTS.format(path=[p for p in sys.path if p], warm=warm, place=path, verb=verb)
        child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        assert child.returncode == 0, child.stderr
        *read, refused = child.stdout.splitlines()
        assert re.match("refused .*(cannot be written to|cannot be opened)", refused), child.stdout
        assert read == [] or read[1:] == ["found writing.rights"], "where it can be read, it is read"
        assert (folder == 0o777) is bool(read)
        assert path.read_bytes() == before
    finally:
        place.chmod(0o700)
        shutil.rmtree(place)
