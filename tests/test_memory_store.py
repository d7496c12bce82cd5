"""The store in memory passes the contract, and what it does beyond it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from invoicecore.errors import Conflict, InvalidValue, StoreError
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, from_minor
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment
from invoicecore.plugins import Plugins
from invoicecore.ports import InvoiceQuery
from invoicecore.testing import StoreContract, samples
from invoicecore.testing.checks import difference, ids, stored_invoices, write
from invoicecore.testing.samples import DAY, world
from invoicecore_adapters.memory import MemoryStore, plugin


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store_factory(self):
        return MemoryStore


class TestPersistence:
    """The contract's own answer to stores that keep, forget, or do not say."""

    class Keeps(StoreContract):
        persistent = True

        def reopen(self, store):
            store.close = lambda: None
            again = MemoryStore()
            again._tables = store._tables
            return again

    class Forgets(StoreContract):
        persistent = True

        def reopen(self, store):
            return MemoryStore()

    class DoesNotSay(Keeps):
        persistent = False

    class DoesNotSayHow(StoreContract):
        persistent = True

    def ask(self, contract):
        contract().test_what_was_written_outlives_the_store_if_it_says_so(MemoryStore)

    def test_a_store_that_keeps_its_word_passes(self):
        self.ask(self.Keeps)

    def test_a_store_that_forgets_does_not(self):
        with pytest.raises(AssertionError, match="no Biller 'b1' of biller 'b1' in the store"):
            self.ask(self.Forgets)

    def test_reopen_is_not_left_untested(self):
        with pytest.raises(AssertionError, match="set persistent = True"):
            self.ask(self.DoesNotSay)

    def test_a_persistent_store_says_how_it_is_reopened(self):
        with pytest.raises(NotImplementedError, match="say how to open"):
            self.ask(self.DoesNotSayHow)


@pytest.fixture
def store():
    return MemoryStore()


def test_the_plugin_opens_a_new_store_for_each_memory_url():
    plugins = Plugins.of(plugin)
    one, two = plugins.store("memory://"), plugins.store("memory://")
    assert isinstance(one, MemoryStore)
    assert one is not two


@pytest.mark.parametrize("url", ["memory://somewhere", "memory:///tmp/x", "memory://?a=1"])
def test_a_memory_url_names_nothing(url):
    with pytest.raises(InvalidValue, match="names something in memory"):
        Plugins.of(plugin).store(url)


def test_a_transaction_inside_another_of_the_same_thread_is_refused(store):
    with store.writing(), pytest.raises(StoreError, match="writing already"), store.writing():
        pass
    with store.writing() as writer:
        writer.add([world().biller])


def test_a_reader_inside_a_transaction_sees_what_it_wrote(store):
    with store.writing() as writer:
        writer.add([world().biller])
        with store.reading() as reader:
            assert ids(reader.billers()) == ["b1"]


def test_a_transaction_is_over_when_its_block_is(store):
    with store.writing() as writer:
        pass
    with store.reading() as reader:
        pass
    for late in (lambda: writer.add([world().biller]), lambda: reader.billers(), lambda: writer.counter("b1", "n")):
        with pytest.raises(StoreError, match="over"):
            late()


def test_a_closed_store_is_refused(store):
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"), store.reading():
        pass
    with pytest.raises(StoreError, match="closed"), store.writing():
        pass


def test_a_swallowed_conflict_comes_back_at_the_end(store):
    here = world()
    write(store, *here.records)

    def swallow():
        with store.writing() as writer:
            writer.add([samples.charge(here, "x1")])
            with suppress(Conflict):
                writer.add([here.biller])

    with pytest.raises(Conflict, match="biller b1"):
        swallow()
    with store.reading() as reader:
        assert reader.get(Customer, "b1", ["x1"]) == {}


@pytest.mark.parametrize(
    "kind, where, reason",
    [
        (Payment, {"reference": "x"}, "no field to find a Payment by"),
        (Customer, {"name": "x"}, "no field to find a Customer by"),
        (Invoice, {}, "not found by fields"),
        (Biller, {}, "not found by fields"),
    ],
)
def test_what_cannot_be_found_by_is_refused(store, kind, where, reason):
    with store.reading() as reader, pytest.raises(InvalidValue, match=reason):
        reader.find(kind, "b1", where)


def test_what_does_not_wait_is_never_due(store):
    with store.reading() as reader, pytest.raises(InvalidValue, match="does not wait"):
        reader.due(Payment, "b1", samples.AT, after=None, limit=1)


@pytest.mark.parametrize("verb", ["add", "replace"])
def test_only_records_are_written_and_nothing_beside_them(store, verb):
    with store.writing() as writer, pytest.raises(InvalidValue):
        getattr(writer, verb)([world().biller, "not a record"])
    with store.reading() as reader:
        assert reader.billers() == []


def test_only_drafts_are_removed(store):
    here = world()
    open_one = samples.invoice(here, "i1", number="INV-1")
    write(store, *here.records, open_one)
    with store.writing() as writer, pytest.raises(InvalidValue, match="only drafts"):
        writer.remove([open_one])
    assert stored_invoices(store, "b1") == [open_one]


def test_nothing_is_left_in_the_indexes_after_a_rollback(store):
    here = world()
    write(store, *here.records)
    tables = store._tables
    before = (dict(tables.taken), {key: dict(ids) for key, ids in tables.found.items()}, dict(tables.counters))

    def fail():
        with store.writing() as writer:
            writer.add([samples.invoice(here, "i1", number="INV-1", lease="l1", period_index=3)])
            writer.replace([attrs.evolve(here.leases[0], next_run_on=DAY), attrs.evolve(here.units[0], number="7")])
            writer.take_numbers("b1", "invoice", 3, DAY)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert (tables.taken, tables.found, tables.counters) == before


def test_questions_about_few_of_many_invoices_do_not_look_at_all(store):
    here = world()
    many = [samples.invoice(here, f"i{n:05d}", number=f"INV-{n:05d}", paid=1_000) for n in range(2_000)]
    write(store, *here.records, *many, samples.invoice(here, "due", number="INV-X", customer="c2"))
    with store.reading() as reader:
        for filters in (
            {"number": "INV-X"},
            {"customers": ("c2",)},
            {"payable": True},
            {"number": "INV-X", "unit": None},
        ):
            query = InvoiceQuery(biller="b1", on=DAY, **filters)
            assert len(list(reader._candidates(query))) == 1
            assert ids(reader.invoices(query)) == ["due"]


@pytest.mark.parametrize(
    "stored, given, where",
    [
        (1, 1, ""),
        ("open", Lifecycle.OPEN, "a str came back"),
        ((1, 2), (1,), "tuple: 2 came back for 1"),
        ((1, 2), (1, 3), "tuple[1]: 2 came back for 3"),
        (world().units[0], world().units[1], "Unit.id: 'u1' came back for 'u2'"),
        (world().money(1), world("b1", "USD").money(1), "Money.currency: 'EUR' came back for 'USD'"),
        (Money("1.00", "EUR"), from_minor(100, "EUR"), ""),
        (Money("1.0", "EUR"), from_minor(100, "EUR"), "Money.amount: Decimal('1.0') came back for Decimal('1.00')"),
        (Decimal("1.50"), Decimal("1.5"), "Decimal: Decimal('1.50') came back for Decimal('1.5')"),
    ],
)
def test_the_contract_says_where_two_values_differ(stored, given, where):
    assert where in difference(stored, given)
    assert bool(difference(stored, given)) == bool(where)


STRANGER = """
import pytest
from invoicecore.testing import StoreContract
from invoicecore_adapters.memory import MemoryStore, MemoryWriter

class Backwards(MemoryWriter):
    def billers(self, **page):
        return super().billers(**page)[::-1]

class Wrong(MemoryStore):
    reader = writer = Backwards

@pytest.fixture
def store_factory():
    return Wrong

class TestWrong(StoreContract):
    pass

class TestWrongAgain(StoreContract):
    @pytest.fixture
    def store_factory(self):
        return MemoryStore
"""


def test_a_stranger_adopts_the_contract_and_is_told_what_is_wrong(tmp_path):
    """In a strict project of its own, in one process, twice; failures show both sides of the comparison."""
    (tmp_path / "test_stores.py").write_text(STRANGER)
    chosen = "billers_come or status_filters or outlives"
    command = [
        "pytest",
        "-q",
        "-W",
        "error",
        "--strict-markers",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "-k",
        chosen,
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )
    assert "1 failed, 5 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED test_stores.py::TestWrong::test_billers_come_by_id_in_pages" in done.stdout
    assert "At index 0 diff: 'c' != 'B'" in done.stdout
