"""The SQL store is a store: it passes the contract every store passes, on an SQLite file and on PostgreSQL.

What both say in the same words when a write is refused is here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest

import postgres
from invoicecore import Billing
from invoicecore.charges import Charge
from invoicecore.errors import Conflict, InvalidValue, NotFound, StoreError
from invoicecore.invoices import Invoice, InvoiceKind
from invoicecore.messages import Message
from invoicecore.parties import Customer, Unit
from invoicecore.payments import Facts
from invoicecore.ports import InvoiceQuery, Store
from invoicecore.testing import StoreContract, samples
from invoicecore.testing.samples import DAY, world
from invoicecore_adapters.sql.rows import Batch
from invoicecore_adapters.sql.sqlite import SqliteDialect
from invoicecore_adapters.sql.store import SqlStore

HERE = world()


class KeptStore(SqlStore):
    """The store under test, which remembers its URL so that it can be opened again."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class _Kept(StoreContract):
    persistent = True

    def reopen(self, store: Store) -> Store:
        if not isinstance(store, KeptStore):
            pytest.fail("the contract handed over another store")
        store.close()
        return KeptStore(store.url)


class TestSqlStore(_Kept):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        numbers, opened = count(), []

        def fresh() -> Store:
            opened.append(KeptStore(f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"))
            return opened[-1]

        yield fresh
        for store in opened:
            store.close()


class TestPostgresStore(_Kept):
    @pytest.fixture
    def store_factory(self) -> Iterator[Callable[[], Store]]:
        opened = []
        with ExitStack() as stack:

            def fresh() -> Store:
                opened.append(KeptStore(stack.enter_context(postgres.lent())))
                return opened[-1]

            yield fresh
            for store in opened:
                store.close()


# --- rows -------------------------------------------------------------------------------------------------------------


def test_amounts_that_are_made_for_a_row_and_forgotten_are_each_their_own() -> None:
    batch, none = Batch(SqliteDialect()), HERE.money(0)

    def paid(cents: int) -> Facts:
        return Facts(
            paid=HERE.money(cents), credit=none, refunded=none, refunded_credit=none, in_flight=none, noted=none
        )

    assert [batch.minor(HERE.money(cents), "EUR") for cents in range(100)] == [*range(100)]
    assert [batch.facts(paid(cents), "EUR")[0] for cents in range(100)] == [*range(100)]


def test_what_waits_is_due_at_its_instant_whatever_zone_it_is_given_in(store: SqlStore) -> None:
    eleven, tokyo = datetime(2026, 4, 24, 11, tzinfo=UTC), timezone(timedelta(hours=9))
    with store.writing() as writer:
        writer.add([samples.invoice(HERE, "i1"), samples.message(HERE, "m1", next_try_at=eleven.astimezone(tokyo))])
    with store.reading() as reader:
        for zone in (UTC, tokyo, timezone(timedelta(hours=-5))):
            for at, due in ((eleven - timedelta(seconds=1), []), (eleven, ["m1"])):
                found = reader.due(Message, "b1", at.astimezone(zone), after=None, limit=9)
                assert [message.id for message in found] == due


# --- what is refused, in words ----------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """A store on each database, with a biller and what belongs to it."""
    url = postgres.new() if request.param == "postgresql" else f"sqlite:///{tmp_path}/x.db"
    made = SqlStore(url)
    with made.writing() as writer:
        writer.add(HERE.records)
    yield made
    made.close()
    if request.param == "postgresql":
        postgres.drop(url)


def test_after_a_failed_write_nothing_more_is_written_and_nothing_kept(store: SqlStore) -> None:
    def swallow() -> None:
        with store.writing() as writer:
            writer.add([samples.charge(HERE, "x1")])
            with suppress(Conflict):
                writer.replace([attrs.evolve(HERE.customers[0], version=7)])
            with suppress(Conflict):
                writer.add([samples.charge(HERE, "x2")])

    with pytest.raises(Conflict, match="customer c1"):
        swallow()
    with store.reading() as reader:
        assert reader.find(Charge, "b1", {}) == []


def test_a_stale_version_names_the_record_and_both_versions(store: SqlStore) -> None:
    with store.writing() as writer:
        writer.replace([HERE.units[1]])
    with pytest.raises(Conflict, match=r"unit u2 .* version 2 is stored, 1 was given"), store.writing() as writer:
        writer.replace([HERE.units[0], HERE.units[1]])
    with pytest.raises(Conflict, match=r"unit u1 .* given twice"), store.writing() as writer:
        writer.replace([HERE.units[0], HERE.units[0]])
    with pytest.raises(Conflict, match=r"unit u9 .* gone"), store.writing() as writer:
        writer.replace([attrs.evolve(HERE.units[0], id="u9", number="9")])


@pytest.mark.rule("N2", "C9", "N1", "D2", "C8", "P5")
def test_a_taken_key_is_named_in_the_words_of_the_domain(store: SqlStore) -> None:
    def lease_invoice(id: str, **rest: Any) -> Invoice:
        return samples.invoice(HERE, id, lease="l1", period_index=4, kind=InvoiceKind.LEASE, **rest)

    pairs: list[tuple[str, list[Any]]] = [
        ("unit number", [Unit(id="u9", biller="b1", number="77"), Unit(id="u8", biller="b1", number="77")]),
        ("invoice number", [samples.invoice(HERE, "i1", number="A"), samples.invoice(HERE, "i2", number="A")]),
        ("lease's period", [lease_invoice("i3"), lease_invoice("i4", customer="c2")]),
        ("billing month", [samples.invoice(HERE, id, cycle=date(2026, 4, 1)) for id in ("i5", "i6")]),
        ("next credit entry", [samples.credit(HERE, 1), attrs.evolve(samples.credit(HERE, 1), id="other")]),
        (
            "payment's reversal",
            [
                samples.payment(HERE, "p1", credited=1),
                *(samples.reversal(HERE, id) for id in ("r1", "r2")),
            ],
        ),
        (
            "invoice's unfinished collection",
            [samples.invoice(HERE, "i1"), *(samples.collection(HERE, id) for id in ("o1", "o2"))],
        ),
        ("the alert", [samples.alert(HERE, id, "o1") for id in ("a1", "a2")]),
        (
            "credit note's number",
            [samples.invoice(HERE, "i1"), *(samples.credit_note(HERE, id, number="CN-1") for id in ("n1", "n2"))],
        ),
    ]
    for name, records in pairs:
        with pytest.raises(Conflict, match=name), store.writing() as writer:
            writer.add(records)
    with store.writing() as writer:  # the next revision of the same period is free
        writer.add([lease_invoice("i3"), lease_invoice("i4", revision=2)])


def test_what_refers_to_nothing_is_a_conflict_when_it_is_committed(store: SqlStore) -> None:
    with pytest.raises(Conflict, match=r"another one refers to.*customers"), store.writing() as writer:
        writer.add([samples.invoice(HERE, "i1", customer="nobody")])
    with store.reading() as reader:
        assert reader.invoices(InvoiceQuery(biller="b1", on=DAY)) == []


def test_a_value_no_database_takes_is_refused_and_named(store: SqlStore) -> None:
    with pytest.raises(InvalidValue, match="cannot be stored"), store.writing() as writer:
        writer.add([Customer(id="c9", biller="b1", name="\ud800")])
    with pytest.raises(InvalidValue, match="has no version"), store.writing() as writer:
        writer.replace([samples.credit(HERE, 1)])


@pytest.mark.rule("T1")
def test_what_no_database_takes_was_never_given_out_as_an_id(store: SqlStore) -> None:
    half = "\ud800"
    with store.reading() as reader:
        assert set(reader.get(Customer, "b1", [half, "c1"])) == {"c1"}
        assert reader.get(Customer, half, ["c1"]) == {}
        assert {each.id for each in reader.find(Unit, "b1", {"number": [half, "1"]})} == {
            each.id for each in reader.find(Unit, "b1", {"number": "1"})
        }
        assert reader.count(InvoiceQuery(biller="b1", on=DAY, number=half)) == 0
    with Billing(store) as billing:
        here = billing.scoped("b1")
        for look in (here.invoices.get, here.customers.get, here.leases.get, billing.billers.get):
            with pytest.raises(NotFound):
                look(half)


@pytest.mark.rule("C8")
def test_the_tables_refuse_a_negative_credit_balance(store: SqlStore) -> None:
    below = attrs.evolve(samples.credit(HERE, 1), balance=HERE.money(-1))
    with pytest.raises(StoreError, match="credit_never_negative"), store.writing() as writer:
        writer.add([below])
