"""Moving: all that a store has arrives in another one or in a file, to the letter, whatever interrupts it."""

from __future__ import annotations

import errno
import gzip
import itertools
import json
import os
import resource
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

import postgres
from desks import everything, money, store_of
from invoicecore import Billing, Plugins
from invoicecore.charges import Charge, ChargeState
from invoicecore.errors import BadFile, Interrupted, InvalidValue, NotFound, StoreError
from invoicecore.invoices import Lifecycle
from invoicecore.moving import FileSource, Moved, StoreSource, files, is_arriving, move, pages, putting, save, tallies
from invoicecore.moving.files import new_file
from invoicecore.moving.kinds import KINDS, REFERENCES
from invoicecore.parties import Biller
from invoicecore.ports import Counter, Event, Record, Store, Writer
from invoicecore.testing import FixedClock, samples
from invoicecore.testing.checks import assert_same, write
from invoicecore.testing.samples import AT, DAY, World, world
from invoicecore.testing.store_records import one_of_each
from invoicecore_adapters import memory, sql
from invoicecore_adapters.memory import MemoryStore, MemoryWriter
from invoicecore_adapters.sql.columns import metadata
from invoicecore_adapters.sql.shelves import SHELVES
from scenes import CALLS, TODAY, stage
from workers import Wrapped

KINDS_OF_STORE = ("memory", "sqlite", "postgresql")
PLUGINS = Plugins.of(memory.plugin, sql.plugin)
NewStore = Callable[[str], Store]


@pytest.fixture
def new(tmp_path: Path) -> Iterator[NewStore]:
    """Opens a new and empty store of a kind."""
    opened: dict[str, Store] = {}

    def made(kind: str) -> Store:
        url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/{len(opened)}.db"}.get(kind) or postgres.new()
        store = opened[f"{url}#{len(opened)}"] = PLUGINS.store(url)
        return store

    yield made
    for url, store in opened.items():
        store.close()
        if url.startswith("postgresql"):
            postgres.drop(url.partition("#")[0])


@pytest.fixture
def full(new: NewStore) -> Store:
    """A store with two billers that have records of every kind, and series that stand somewhere."""
    store = new("memory")
    filled(store)
    return store


def filled(store: Store) -> None:
    for here in (world("b1"), world("b2", "JPY")):
        write(store, *one_of_each(here))
        with store.writing() as tx:
            tx.replace([attrs.evolve(here.customers[0], name="Zoé")])
            tx.take_numbers(here.id, "invoice/INV-", 7, DAY)
            tx.take_numbers(here.id, "invoice/INV-", 3, DAY - timedelta(days=40))
            tx.take_numbers(here.id, "draft", 1, DAY + timedelta(days=1))


def held(store: Store) -> dict[str, object]:
    """Everything of every biller, and where each series stands."""
    with store.reading() as tx:
        billers = tx.billers()
        counters = {biller.id: tx.counters(biller.id) for biller in billers}
    return {biller.id: (everything(store, biller), counters[biller.id]) for biller in billers}


# --- everything arrives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", KINDS_OF_STORE)
@pytest.mark.parametrize("here", KINDS_OF_STORE)
def test_everything_of_every_biller_arrives_to_the_letter(here: str, there: str, new: NewStore) -> None:
    source, target = new(here), new(there)
    filled(source)
    told = move(StoreSource(source), target)
    assert told.differences == ()
    assert held(target) == held(source)
    with target.reading() as tx:
        assert tx.counters("b1") == {
            "invoice/INV-": Counter(next=11, last_on=DAY),
            "draft": Counter(next=2, last_on=DAY + timedelta(days=1)),
        }
        for record in one_of_each(world("b1")):
            if record.id != "c1":
                assert_same(tx.get(type(record), "b1", [record.id])[record.id], record)
        assert tx.get(type(world().customers[0]), "b1", ["c1"])["c1"].version == 2


@pytest.mark.parametrize("there", ["sqlite", "postgresql"])
def test_a_desk_goes_on_where_it_was(
    there: str, billing: Billing, new: NewStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    scene = stage(billing)
    before = billing.invoices.summary(biller=scene.biller, on=TODAY)
    target = new(there)
    assert move(StoreSource(store_of(billing)), target).differences == ()
    after = Billing(target, clock=clock, plugins=PLUGINS, wiring=billing._desk.wiring)
    assert after.invoices.summary(biller=scene.biller, on=TODAY) == before
    assert after.invoices.publish(scene.draft).number == billing.invoices.publish(scene.draft).number
    for verb in ("deliver", "collect", "recover"):
        getattr(after, verb)(**CALLS[verb](scene))
    # What the provider did meanwhile is known to both: nothing was charged twice.
    assert after.reconcile(**CALLS["reconcile"](scene)).differences == ()  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("name", ["book.jsonl", "book.jsonl.gz"])
def test_a_file_brings_everything_too(name: str, full: Store, new: NewStore, tmp_path: Path) -> None:
    file, again = tmp_path / name, tmp_path / f"again-{name}"
    assert save(StoreSource(full), file).differences == ()
    target = new("sqlite")
    assert move(FileSource(file), target).differences == ()
    assert held(target) == held(full)
    # The same records make the same file, whatever store they are in.
    assert save(StoreSource(target), again).differences == ()
    assert again.read_bytes() == file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600, "it is full of names and addresses"


def test_one_biller_of_several_can_be_moved(full: Store, new: NewStore, tmp_path: Path) -> None:
    target = new("sqlite")
    move(StoreSource(full, ["b2"]), target)
    assert set(held(target)) == {"b2"}
    save(StoreSource(full, ["b1"]), tmp_path / "b1.jsonl")
    move(FileSource(tmp_path / "b1.jsonl"), target)
    assert held(target) == held(full)
    with pytest.raises(NotFound, match="b9"):
        save(StoreSource(full, ["b9"]), tmp_path / "b9.jsonl")
    assert sorted(file.name for file in tmp_path.glob("*jsonl*")) == ["b1.jsonl"]


def test_a_store_without_billers_makes_a_file_without_any(new: NewStore, tmp_path: Path) -> None:
    file = tmp_path / "none.jsonl"
    assert save(StoreSource(new("memory")), file) == Moved(source={}, target={})
    assert FileSource(file).billers() == []
    assert move(FileSource(file), new("memory")) == Moved(source={}, target={})


# --- pages ------------------------------------------------------------------------------------------------------------


def test_every_kind_of_record_is_moved_after_what_it_refers_to() -> None:
    assert set(KINDS.values()) == set(get_args(Record))
    place = {SHELVES[kind].table.name: n for n, kind in enumerate(KINDS.values())}
    of = {part.name: shelf.table.name for shelf in SHELVES.values() for part, _ in shelf.parts}
    together = {("charges", "invoices"), ("invoices", "charges")}
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            one, other = of.get(table.name, table.name), key.column.table.name
            if one in place and one != other and (one, other) not in together:
                assert place[other] < place[one], f"{one} refers to {other}"


def rebilled(here: World, names: str) -> list[Record]:
    """Void invoices whose charges went on to the next one, in this order of making, and a charge that is on none."""
    records: list[Record] = [*here.records]
    for n, name in enumerate(names):
        line = samples.invoice(here, name).lines[0]
        lines = [attrs.evolve(line, charge="x0")] + [attrs.evolve(line, charge=f"x{k}") for k in range(1, n + 2)]
        void = samples.invoice(here, name, lifecycle=Lifecycle.VOID, voided_on=DAY)
        records.append(attrs.evolve(void, lines=tuple(lines)))
    for n, name in enumerate(names):
        records.append(samples.charge(here, f"x{n + 1}", state=ChargeState.INVOICED, invoice=name))
    return [*records, samples.charge(here, "x0")]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_charges_that_went_from_invoice_to_invoice_arrive_in_whatever_order_these_were_made(
    size: int, new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", size)
    for names in itertools.permutations("mnop"):
        source, target = new("memory"), new("memory")
        write(source, *rebilled(world(), "".join(names)))
        seen: list[str] = []
        for page in StoreSource(source).pages():
            seen += [record.id for record in page.records]
            for record in page.records:
                named = {line.charge for line in getattr(record, "lines", ())} | {getattr(record, "invoice", None)}
                assert named - {None} <= set(seen), "a page refers to what comes later"
        assert len(seen) == len(set(seen)), "something comes twice"
        assert move(StoreSource(source), target).differences == ()
        assert held(target) == held(source)


def test_such_charges_arrive_where_references_are_checked_at_each_commit(
    new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 1)
    for names, there in itertools.product(("mnop", "ponm", "omnp"), ("sqlite", "postgresql")):
        source, target = new("sqlite"), new(there)
        write(source, *rebilled(world(), names))
        assert move(StoreSource(source), target).differences == ()


def test_a_charge_of_an_invoice_that_is_gone_is_told_and_not_lost(new: NewStore) -> None:
    source, here = new("memory"), world()
    write(source, *here.records, samples.charge(here, "x1", state=ChargeState.INVOICED, invoice="i9"))
    with pytest.raises(StoreError, match="1 charges of biller b1 are on invoices that are not there"):
        move(StoreSource(source), new("memory"))


def test_every_reference_of_the_tables_is_one_that_a_move_looks_at() -> None:
    kind_of = {shelf.table.name: kind for kind, shelf in SHELVES.items()}
    known = {
        (SHELVES[kind].table.name, {"group": "booking_group"}.get(field, field), SHELVES[other].table.name)
        for kind, fields in REFERENCES.items()
        for field, other in fields.items()
    }
    wanted = {
        (name, key.column_keys[-1], key.referred_table.name)
        for name, table in metadata.tables.items()
        for key in table.foreign_key_constraints
        if name in kind_of and key.referred_table.name != "billers"
    }
    assert known == wanted


LOST = [
    ("DELETE FROM customers WHERE id = 'c1'", "refers to customer c1, which is not there"),
    ("DELETE FROM payments", "refers to payment [^ ]+, which is not there"),
    ("DELETE FROM lines WHERE invoice = 'i1'", "invoice i1 has no lines"),
    ("UPDATE allocations SET invoice = 'i9'", "payment [^ ]+ refers to invoice i9, which is not there"),
    ("UPDATE lines SET charge = 'x9' WHERE position = 0", "refers to charge x9, which is not there"),
]


@pytest.mark.parametrize("statement, told", LOST)
def test_a_store_in_which_something_refers_to_nothing_is_not_said_to_have_arrived(
    statement: str, told: str, new: NewStore, tmp_path: Path
) -> None:
    source = PLUGINS.store(f"sqlite:///{tmp_path}/lost.db")
    write(source, *one_of_each(world()))
    with closing(sqlite3.connect(tmp_path / "lost.db")) as hand:  # which looks at no reference
        hand.execute(statement)
        hand.commit()
    with pytest.raises(StoreError, match=f"biller b1 is not whole: .*{told}.*restore a backup"):
        save(StoreSource(source), tmp_path / "book.jsonl")
    assert not (tmp_path / "book.jsonl").exists()
    with pytest.raises(StoreError, match=told):
        move(StoreSource(source), new("memory"))
    source.close()


@pytest.mark.parametrize("there", ["sqlite", "postgresql"])
def test_a_file_in_which_something_refers_to_nothing_is_refused_with_what_it_is(
    there: str, new: NewStore, tmp_path: Path
) -> None:
    source, here = new("memory"), world()
    write(source, here.biller, *here.customers[1:], *here.units)
    with new_file(tmp_path / "book.jsonl") as put:
        for page in StoreSource(source).pages(checked=False):
            put(page)
    with pytest.raises(InvalidValue, match=r"is not whole: unit [^ ]+ refers to customer c1, which is not there"):
        move(FileSource(tmp_path / "book.jsonl"), new(there))


def test_a_biller_is_read_as_it_was_when_its_turn_came(new: NewStore) -> None:
    source, here = new("sqlite"), world()
    write(source, *one_of_each(here))
    before = held(source)
    target = new("memory")
    moving = iter(StoreSource(source).pages())
    first = next(moving)
    write(source, samples.charge(here, "x77"))
    with source.writing() as tx:
        tx.take_numbers("b1", "invoice/INV-", 1, DAY)
    into = putting.Putting(target, resume=False)
    for page in (first, *moving):
        into.put(page)
    assert held(target) == before


def test_memory_stays_flat_however_many_there_are(new: NewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 50)

    def peak(count: int) -> int:
        source, here = new("sqlite"), world()
        bills = [samples.invoice(here, f"i{n:05d}", number=f"{n}") for n in range(count)]
        steps = [Event(biller="b1", subject=each.id, version=1, action="x", at=AT, on=DAY) for each in bills]
        write(source, *here.records, *bills, *steps)
        del bills, steps
        target = new("sqlite")
        tracemalloc.start()
        try:
            assert move(StoreSource(source), target).differences == ()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)  # what is imported and compiled once
    assert peak(1500) < 1.3 * peak(300)


# --- what stands in the way -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", KINDS_OF_STORE)
def test_a_biller_that_is_there_is_refused_before_anything_is_written(full: Store, there: str, new: NewStore) -> None:
    target = new(there)
    write(target, *world("b2", "JPY").records)
    before = held(target)
    with pytest.raises(InvalidValue, match=r"Biller b2.*is in that store already; .*resume=True"):
        move(StoreSource(full), target)
    assert held(target) == before


def test_a_store_cannot_be_moved_into_itself(full: Store) -> None:
    with pytest.raises(InvalidValue, match="is in that store already"):
        move(StoreSource(full), full)


def test_a_file_that_is_there_is_left_alone(full: Store, tmp_path: Path) -> None:
    file = tmp_path / "book.jsonl"
    file.write_text("precious")
    with pytest.raises(InvalidValue, match="is there already"):
        save(StoreSource(full), file)
    assert file.read_text() == "precious"


class Cut(Exception):
    """The power is gone."""


class Dying(Wrapped):
    """A store that is cut off at one of its transactions, before or after that is committed."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        super().__init__(store)
        self._left = at
        self._after = after

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self._left -= 1
        with self._store.writing(**how) as tx:
            yield tx
            if self._left < 0 and not self._after:
                raise Cut
        if self._left < 0:
            raise Cut


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("there", KINDS_OF_STORE)
def test_a_move_that_was_cut_off_anywhere_is_gone_on_with(
    there: str, after: bool, full: Store, new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    wanted = held(full)
    source, cuts = StoreSource(full), 0
    for at in itertools.count(step={"memory": 1, "sqlite": 7, "postgresql": 17}[there]):
        target = new(there)
        try:
            move(source, Dying(target, at, after=after))
            break
        except Cut:
            cuts += 1
        with target.reading() as tx:
            begun = tx.billers()
            for biller in begun[-1:]:
                unfinished = tx.counters(biller.id) == {}
                assert biller.payments is not unfinished, "half a book must not be billed from"
                assert is_arriving(tx, biller) is unfinished
        if begun:
            with pytest.raises(InvalidValue, match="resume=True"):
                move(source, target)
        assert move(source, target, resume=True).differences == ()
        assert held(target) == wanted
    assert cuts > 3


def test_a_biller_that_was_changed_is_known_to_be_arriving_once_its_invoices_come(
    new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    source, here = new("sqlite"), world()
    write(source, *one_of_each(here))
    with source.writing() as tx:
        tx.replace([attrs.evolve(here.biller, payments=True)])
        tx.take_numbers("b1", "draft", 1, DAY)
    known: list[bool] = []
    for at in itertools.count(1):
        target = new("sqlite")
        with suppress(Cut):
            move(StoreSource(source), Dying(target, at, after=False))
            break
        with target.reading() as tx:
            known.append(is_arriving(tx, tx.billers()[0]))
    assert known == sorted(known), "it was known, and is not any more"
    assert known[-1]
    with target.reading() as tx:
        assert not is_arriving(tx, tx.billers()[0])
    with source.reading() as tx:
        assert not is_arriving(tx, tx.billers()[0])


def test_a_biller_that_takes_no_payments_and_gives_numbers_is_not_arriving(new: NewStore) -> None:
    store, here = new("memory"), world()
    write(store, *one_of_each(here))
    with store.writing() as tx:
        tx.replace([attrs.evolve(here.biller, payments=False)])
        assert is_arriving(tx, tx.billers()[0])  # for all that its records tell
        tx.take_numbers("b1", "draft", 1, DAY)
        assert not is_arriving(tx, tx.billers()[0])


@pytest.mark.parametrize("there", KINDS_OF_STORE)
def test_the_last_page_of_each_biller_outlasts_a_loss_of_power(there: str, full: Store, new: NewStore) -> None:
    last: dict[str, bool] = {}

    class Asked(Wrapped):
        @contextmanager
        def writing(self, **how: Any) -> Iterator[Writer]:
            last[how["biller"]] = how["lasting"]
            with self._store.writing(**how) as tx:
                yield tx

    move(StoreSource(full), Asked(new(there)))
    assert last == {"b1": True, "b2": True}


class Interrupting(Wrapped):
    """A store that is interrupted at the end of every transaction but each third, half of the time after the commit."""

    count = 0

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self.count += 1
        turn = self.count % 4
        with self._store.writing(**how) as tx:
            yield tx
            if turn == 1:
                raise Interrupted("the server restarts", written=False)
        if turn == 2:
            raise Interrupted("the connection is gone", written=None)


def test_a_store_that_is_interrupted_again_and_again_gets_everything_once(
    full: Store, new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    for start in range(4):
        target = new("memory")
        flickering = Interrupting(target)
        flickering.count = start
        assert move(StoreSource(full), flickering).differences == ()
        assert held(target) == held(full)


def test_a_store_that_stays_away_is_given_up(full: Store, new: NewStore) -> None:
    class Away(Wrapped):
        def writing(self, **how: Any) -> AbstractContextManager[Writer]:
            raise Interrupted("the server is away", written=False)

    with pytest.raises(Interrupted):
        move(StoreSource(full), Away(new("memory")))


def test_going_on_twice_changes_nothing(full: Store, new: NewStore) -> None:
    target = new("sqlite")
    move(StoreSource(full), target)
    before = held(target)
    assert move(StoreSource(full), target, resume=True).differences == ()
    assert held(target) == before


def cut_off(full: Store, target: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    with pytest.raises(Cut):
        move(StoreSource(full), Dying(target, 6, after=True))


@pytest.mark.parametrize("there", KINDS_OF_STORE)
def test_what_somebody_changed_meanwhile_is_not_gone_on_with(
    there: str, full: Store, new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = new(there)
    cut_off(full, target, monkeypatch)
    with target.writing() as tx:
        tx.replace([tx.get(type(world().customers[1]), "b1", ["c2"])["c2"]])
    with pytest.raises(InvalidValue, match=r"customer='c2': is not the same in that store; .*begin again"):
        move(StoreSource(full), target, resume=True)


def test_a_source_that_moved_on_is_not_gone_on_with(
    full: Store, new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = new("memory")
    cut_off(full, target, monkeypatch)
    with full.writing() as tx:
        tx.replace([tx.get(Biller, "b1", ["b1"])["b1"]])
    with pytest.raises(InvalidValue, match="not as an interrupted move left it"):
        move(StoreSource(full), target, resume=True)


def test_a_store_that_gave_numbers_meanwhile_is_not_gone_on_with(
    full: Store, new: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = new("memory")
    cut_off(full, target, monkeypatch)
    with target.writing() as tx:
        tx.take_numbers("b1", "draft", 40, DAY)
    with pytest.raises(InvalidValue, match="gave numbers in that store"):
        move(StoreSource(full), target, resume=True)
    with target.reading() as tx:
        assert tx.counters("b1") == {"draft": Counter(next=41, last_on=DAY)}


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(full: Store, tmp_path: Path) -> Path:
    save(StoreSource(full), tmp_path / "book.jsonl")
    return tmp_path / "book.jsonl"


def refused(file: Path, new: NewStore, told: str) -> None:
    """The file is refused, and not a record of it is written."""
    target = new("memory")
    with pytest.raises(BadFile, match=told):
        move(FileSource(file), target)
    assert held(target) == {}


def test_a_file_is_lines_of_records_under_their_kind(file: Path) -> None:
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert lines[0] == {"invoicecore": "export", "format": 1}
    assert lines[-1] == {"billers": 2}
    assert all(len(line) == 1 for line in lines[1:])
    assert [name for name, _ in itertools.groupby(next(iter(line)) for line in lines)][1:4] == [
        "biller",
        "page",
        "customer",
    ]
    [charge, *_] = [line["charge"] for line in lines if "charge" in line]
    assert charge["unit_price"]["currency"] == "EUR"


def test_a_file_that_is_cut_short_anywhere_is_refused(file: Path, new: NewStore) -> None:
    whole = file.read_bytes().splitlines(keepends=True)
    for lines in range(len(whole)):
        file.write_bytes(b"".join(whole[:lines]))
        refused(file, new, "cut short")
    file.write_bytes(b"".join(whole)[:-20])
    refused(file, new, "is not JSON|cut short")


def test_a_file_that_lost_or_gained_a_line_is_refused(file: Path, new: NewStore) -> None:
    whole = file.read_bytes().splitlines(keepends=True)
    for n in range(1, len(whole)):
        file.write_bytes(b"".join(whole[:n] + whole[n + 1 :]))
        refused(file, new, "line")
        file.write_bytes(b"".join(whole[: n + 1] + whole[n:]))
        refused(file, new, "line")


@pytest.mark.parametrize(
    "old, fresh, told",
    [
        ('"name":"Zoé"', '"name":"Zoe"', "digests are not those"),
        ('"next":11', '"next":12', "digests are not those"),
        ('"amount":"10.00"', '"amount":"10.01"', "digests are not those|sums are not those"),
        ('"format":1', '"format":2', "upgrade it"),
        ('"format":1', '"format":true', "upgrade it"),
        ('"invoicecore":"export"', '"other":"export"', "give a file that `invoicecore export` wrote"),
        ('"customer":{"id":"c2"', '"customers":{"id":"c2"', "line [0-9]+: 'customers': does not fit"),
        ('"customer":{"id":"c2"', '"customer":{"odd":1,"id":"c2"', r"line [0-9]+(?s:.)*odd"),
        ('"customer":{"id":"c2","biller":"b1"', '"customer":{"id":"c2","biller":"b2"', "is not of biller b1"),
    ],
)
def test_a_file_that_was_changed_is_refused(old: str, fresh: str, told: str, file: Path, new: NewStore) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, fresh, 1), "utf-8")
    refused(file, new, told)


def test_a_packed_file_that_is_damaged_is_refused(full: Store, new: NewStore, tmp_path: Path) -> None:
    file = tmp_path / "book.jsonl.gz"
    save(StoreSource(full), file)
    whole = file.read_bytes()
    for damaged in (whole[:-9], whole[: len(whole) // 2], b"", whole[:200] + b"\xa5" * 40 + whole[240:], b"plain text"):
        file.write_bytes(damaged)
        refused(file, new, "damaged|cut short|JSON")
    file.write_bytes(gzip.compress(b"unit,number\n1,1\n"))
    refused(file, new, "is not JSON")


def test_a_file_that_is_not_there_is_told(tmp_path: Path, new: NewStore) -> None:
    refused(tmp_path / "nothing.jsonl", new, "No such file")


def test_a_file_that_could_not_be_written_to_its_end_does_not_appear(full: Store, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name in ("book.jsonl", "book.jsonl.gz"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
        try:
            with pytest.raises(StoreError, match="cannot be written: File too large; make room"):
                save(StoreSource(full), tmp_path / name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StoreError, match="cannot be written: No such file or directory"):
        save(StoreSource(full), tmp_path / "nowhere" / "book.jsonl")
    assert list(tmp_path.glob("*.jsonl*")) == []
    save(StoreSource(full), tmp_path / "book.jsonl")


def test_of_two_that_write_one_file_the_slower_is_refused_and_the_other_is_whole(full: Store, tmp_path: Path) -> None:
    file, first = tmp_path / "book.jsonl", next(iter(StoreSource(full).pages()))
    slow = new_file(file)
    put = slow.__enter__()
    put(first)
    assert save(StoreSource(full), file).differences == ()
    whole = file.read_bytes()
    put(first)
    with pytest.raises(InvalidValue, match="is there already"):
        slow.__exit__(None, None, None)
    assert file.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [file], "there is litter"


def test_where_there_are_no_links_a_file_is_not_written_over_either(
    full: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a disk that knows no links.
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(files.os, "link", refused)
    file = tmp_path / "book.jsonl"
    with pytest.raises(InvalidValue, match="is there already"), new_file(file):
        file.write_text("precious")
    assert file.read_text() == "precious"
    file.unlink()
    assert save(StoreSource(full), file).differences == ()
    assert list(tmp_path.iterdir()) == [file]


def test_a_name_that_no_file_can_have_is_refused_before_anything_is_written(full: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for file, why in (
        (tmp_path / "file" / "book.jsonl", "Not a directory"),
        (tmp_path / ("x" * 300 + ".jsonl"), "File name too long"),
    ):
        with pytest.raises(StoreError, match=f"cannot be written: {why}"), new_file(file):
            pytest.fail("it began to write")
    longest = tmp_path / ("é" * 120 + ".jsonl")
    assert save(StoreSource(full), longest).differences == ()


def test_what_can_be_read_only_once_is_refused_before_anything_is_written(
    full: Store, new: NewStore, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    refused(pipe, new, "is a folder, a pipe or a device, and the file is read twice; give the file itself")
    refused(tmp_path, new, "is a folder, a pipe or a device")


# --- verified ---------------------------------------------------------------------------------------------------------


def losing(change: Callable[[Record], Record | None]) -> Store:
    """A store in memory that loses or changes records while they are written."""

    class Losing(MemoryWriter):
        def add(self, records):  # type: ignore[no-untyped-def]  # as MemoryWriter's
            super().add([kept for record in records if (kept := change(record)) is not None])

    store = MemoryStore()
    store.writer = Losing
    return store


def cheaper(record: Record) -> Record:
    if isinstance(record, Charge) and record.id == "x1":
        return attrs.evolve(record, unit_price=money("0.01"))
    return record


def owed(record: Record) -> Record:
    if record.id == "i1" and hasattr(record, "facts"):
        return samples.changed(record, facts=attrs.evolve(record.facts, paid=record.facts.paid + money("0.01")))
    return record


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda record: None if record.id == "m2" else record, {("counts", "message"), ("digests", "message")}),
        (lambda record: None if isinstance(record, Event) and record.version == 2 else record,
         {("counts", "event"), ("digests", "event")}),
        (cheaper, {("digests", "charge")}),
        (owed, {("digests", "invoice"), ("sums", "paid EUR"), ("sums", "balance EUR")}),
        (lambda record: samples.changed(record, version=9) if record.id == "u1" else record, {("digests", "unit")}),
    ],
)  # fmt: skip
def test_what_was_lost_or_changed_on_the_way_is_told(
    change: Callable[[Record], Record | None], told: set[tuple[str, str]], new: NewStore
) -> None:
    source = new("memory")
    write(source, *one_of_each(world()))
    found = move(StoreSource(source), losing(change)).differences
    assert {(each.part, each.key) for each in found} == told
    assert {each.biller for each in found} == {"b1"}
    assert all(each.source != each.target for each in found)


def test_a_series_that_stands_elsewhere_is_told(full: Store) -> None:
    class Forgets(MemoryWriter):
        def take_numbers(self, biller: str, series: str, count: int, on: date) -> Counter:
            return super().take_numbers(biller, series, count - (series == "draft"), on)

    target = MemoryStore()
    target.writer = Forgets
    first, _ = [each for each in move(StoreSource(full), target).differences if each.part == "counters"]
    assert (first.part, first.key, first.source, first.target) == (
        "counters",
        "draft",
        Counter(next=2, last_on=DAY + timedelta(days=1)),
        Counter(next=1, last_on=DAY + timedelta(days=1)),
    )


def test_the_totals_are_those_of_all_billers_together(full: Store, new: NewStore) -> None:
    source, target = move(StoreSource(full), new("sqlite")).totals
    assert source == target
    assert source.counts["customer"] == 6
    # Two published invoices of 1000 minor units each, 400 of the first paid; the ledger's last entries.
    assert source.sums["total"] == {"EUR": 2_000, "JPY": 2_000}
    assert source.sums["paid"] == {"EUR": 400, "JPY": 400}
    assert source.sums["balance"] == {"EUR": 1_600, "JPY": 1_600}


@pytest.mark.rule("R16")
def test_totals_are_of_what_is_billed_and_of_money_that_is_held() -> None:
    here = world()
    settled = samples.invoice(here, "i1", number="INV-1", amount=1_000, paid=700, credit=200, refunded=100)
    void = samples.invoice(here, "i2", number="INV-2", lifecycle=Lifecycle.VOID, voided_on=DAY)
    page = pages.Page(biller="b1", records=(settled, void, samples.invoice(here, "i3")))
    [tally] = tallies.tallied([page]).values()
    assert tally.sums == {"total": {"EUR": 1_000}, "paid": {"EUR": 800}, "balance": {"EUR": 100}}


def test_one_digest_tells_where_series_stand_and_since_when() -> None:
    counters = [
        Counter(next=2, last_on=DAY),
        Counter(next=2, last_on=DAY + timedelta(days=1)),
        Counter(next=3, last_on=DAY),
    ]
    tallied = [tallies.tallied([pages.Page(biller="b1", counters={"draft": each})])["b1"] for each in counters]
    assert len({tally.digest for tally in tallied}) == 3
    assert len({tallies.merged([tally]).digest for tally in tallied}) == 3


def test_progress_is_told_after_each_page(full: Store, new: NewStore) -> None:
    told: list[int] = []
    moved = move(StoreSource(full), new("memory"), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == sum(moved.totals[0].counts.values())
