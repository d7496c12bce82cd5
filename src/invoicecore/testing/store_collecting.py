"""The store contract, part four: what waits for its time, and what collecting through providers asks of a store."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import attrs
import pytest

from invoicecore.alerts import Alert, AlertState
from invoicecore.charges import Charge
from invoicecore.collection import UNFINISHED, Collection, CollectionState
from invoicecore.credit_notes import CreditNote
from invoicecore.errors import Conflict
from invoicecore.invoices import Invoice
from invoicecore.payments import Refund, RefundState, Reversal
from invoicecore.ports import WAITING, Record, Store, Writer
from invoicecore.testing import samples
from invoicecore.testing.checks import (
    A_MOMENT,
    Running,
    all_at_once,
    assert_same,
    ids,
    replacing,
    rule,
    there,
    transact,
    write,
)
from invoicecore.testing.samples import AT, DAY, World, world

TICK: Final = timedelta(microseconds=1)


def waiting(here: World, id: str, at: datetime | None) -> list[Record]:
    """One record of each kind of WAITING, tried next at an instant; collections are over, so that many may be."""
    return [
        samples.message(here, id, next_try_at=at),
        samples.collection(here, id, state=CollectionState.FAILED, next_try_at=at),
        samples.refund(here, id, next_try_at=at),
        samples.inbox_event(here, id, next_try_at=at),
        samples.saved_method(here, id, next_try_at=at),
    ]


def when(record: Record) -> datetime | None:
    """When something that waits is taken up."""
    at: datetime | None = getattr(record, "next_try_at")  # noqa: B009  # every kind of WAITING has it
    return at


class CollectingContract:
    """Part of StoreContract: due records of every kind that waits, and keys that are free again once it is over."""

    @rule("R7", "S9", "C6")
    def test_what_waits_comes_by_instant_in_pages(self, store: Store) -> None:
        """Of each kind its own: those whose time has come, to the microsecond, by (instant, id); others never."""
        here, other = world("b1"), world("b2")
        early = AT - timedelta(days=400)
        tries = [AT, AT + TICK, AT - TICK, None, AT, early]
        mine = [record for n, at in enumerate(tries) for record in waiting(here, f"d{n}", at)]
        assert {type(record) for record in mine} == set(WAITING)
        for one, records in ((here, mine), (other, waiting(other, "theirs", early))):
            write(store, *one.records, samples.invoice(one, "i1", number="INV-1"), *records)
        for kind in WAITING:
            with store.reading() as reader:
                assert ids(reader.due(kind, here.id, AT, after=None, limit=100)) == ["d5", "d2", "d0", "d4"], kind
                assert ids(reader.due(kind, other.id, AT, after=None, limit=100)) == ["theirs"]
                seen: list[str] = []
                after: tuple[datetime, str] | None = None
                while page := reader.due(kind, here.id, AT, after=after, limit=3):
                    seen += ids(page)
                    last = when(page[-1])
                    after = None if last is None else (last, page[-1].id)
                    assert len(page) <= 3
                    assert len(seen) <= 4, f"{kind.__name__} repeats"
                assert seen == ["d5", "d2", "d0", "d4"]
            with store.writing() as writer:
                due = writer.due(kind, here.id, AT, after=None, limit=100)
                assert ids(due) == ["d5", "d2", "d0", "d4"]
                assert_same(due[2], next(record for record in mine if type(record) is kind))
                assert ids(writer.due(kind, here.id, AT, after=(AT - TICK, "d2"), limit=1)) == ["d0"]
                assert ids(writer.due(kind, here.id, AT + TICK, after=(AT, "d0"), limit=5)) == ["d4", "d1"]
                assert writer.due(kind, here.id, early - TICK, after=None, limit=5) == []
                writer.replace([samples.changed(due[0], next_try_at=None)])
                assert ids(writer.due(kind, here.id, AT, after=None, limit=100)) == ["d2", "d0", "d4"]

    @rule("N2", "C6")
    def test_what_a_writer_took_up_no_other_writer_has(self, store: Store) -> None:
        """While one holds what is due another waits, or gets the rest; afterwards it sees it moved on."""
        here = world()
        due = [record for n in range(6) for record in waiting(here, f"d{n}", AT)]
        write(store, *here.records, samples.invoice(here, "i1", number="INV-1"), *due)

        def take(kind: type[Record], writer: Writer, limit: int) -> list[str]:
            mine = writer.due(kind, here.id, AT, after=None, limit=limit)
            writer.replace([samples.changed(record, next_try_at=AT + TICK) for record in mine])
            return ids(mine)

        def take_the_rest(kind: type[Record]) -> list[str]:
            with store.writing() as writer:
                return take(kind, writer, 10)

        for kind in WAITING:
            with store.writing() as writer:
                held = ids(writer.due(kind, here.id, AT, after=None, limit=4))
                other = Running(lambda kind=kind: take_the_rest(kind))  # type: ignore[misc]  # the default binds the loop's value
                other.within(A_MOMENT)
                assert take(kind, writer, 4) == held == ["d0", "d1", "d2", "d3"]
            assert other.result() == ["d4", "d5"] or other.result() == [], kind
            rest = take_the_rest(kind)
            assert sorted([*held, *other.result(), *rest]) == [f"d{n}" for n in range(6)]

    @rule("D2", "N2")
    def test_an_invoice_has_one_unfinished_collection(self, store: Store) -> None:
        """Whatever its state; a finished one leaves room, and cannot come back while another is under way."""
        for n, state in enumerate(CollectionState):
            here = world(f"b{n}")
            first = samples.collection(here, "o1", state=state)
            write(store, *here.records, samples.invoice(here, "i1", number="INV-1"), first)
            second = samples.collection(here, "o2")
            if state in UNFINISHED:
                with pytest.raises(Conflict):
                    write(store, second)
                finished = attrs.evolve(first, state=CollectionState.CANCELLED)
                transact(store, replacing(finished))
                first = attrs.evolve(finished, version=2)
            write(store, second)
            with pytest.raises(Conflict):
                transact(store, replacing(attrs.evolve(first, state=CollectionState.PENDING)))
            with store.reading() as reader:
                assert ids(reader.find(Collection, here.id, {"invoice": "i1"})) == ["o1", "o2"]
                under_way = sorted(UNFINISHED)
                assert ids(reader.find(Collection, here.id, {"invoice": "i1", "state": under_way})) == ["o2"]
            # What it makes of itself is not in its own way.
            for number, later in enumerate((CollectionState.SUBMITTING, CollectionState.UNKNOWN), start=1):
                transact(store, replacing(attrs.evolve(second, state=later, version=number)))

    @rule("D2", "N2")
    def test_of_those_that_reserve_an_invoice_at_once_one_does(self, store: Store) -> None:
        """The others are told, and nothing of theirs stays."""
        here = world()
        write(store, *here.records, samples.invoice(here, "i1", number="INV-1"))

        def reserve(worker: int) -> int:
            with suppress(Conflict):
                write(store, samples.charge(here, f"x{worker}"), samples.collection(here, f"o{worker}"))
                return 1
            return 0

        assert sum(all_at_once(4, reserve)) == 1
        with store.reading() as reader:
            (won,) = reader.find(Collection, here.id, {"invoice": "i1"})
            assert ids(reader.find(Charge, here.id, {})) == [won.id.replace("o", "x")]

    @rule("D3")
    def test_a_cancelled_reversal_makes_room_for_another(self, store: Store) -> None:
        """A charge-back that was won is undone and stays to be read; two of one reference that count at once there are never."""
        here = world()
        first = samples.reversal(here, "r1")
        paid: list[Record] = [samples.invoice(here, "i1", number="INV-1"), samples.payment(here, "p1", ("i1", 5))]
        write(store, *here.records, *paid, first)
        with pytest.raises(Conflict):
            write(store, samples.reversal(here, "r2"))
        transact(store, replacing(attrs.evolve(first, cancelled_on=DAY)))
        write(store, samples.reversal(here, "r2"))
        with pytest.raises(Conflict):
            transact(store, replacing(attrs.evolve(first, version=2)))
        with pytest.raises(Conflict):
            write(store, samples.reversal(here, "r3"))
        write(store, samples.reversal(here, "r4", cancelled_on=DAY))
        with store.reading() as reader:
            assert ids(reader.find(Reversal, here.id, {"payment": "p1"})) == ["r1", "r2", "r4"]

    @rule("D3")
    def test_a_payment_has_one_reversal_of_each_reference(self, store: Store) -> None:
        """A provider's partial disputes stand side by side, each once; by hand, without a reference, there is one."""
        here = world()
        paid: list[Record] = [samples.invoice(here, "i1", number="INV-1"), samples.payment(here, "p1", ("i1", 5))]
        write(store, *here.records, *paid, samples.reversal(here, "by hand"))
        for reference in ("dp_1", "dp_2", "DP_1"):
            write(store, samples.reversal(here, reference, reference=reference))
        for reference in ("", "dp_1", "dp_2"):
            with pytest.raises(Conflict):
                write(store, samples.reversal(here, "late", reference=reference))
        with pytest.raises(Conflict):
            transact(store, replacing(samples.reversal(here, "dp_1", reference="dp_2")))
        transact(store, replacing(samples.reversal(here, "dp_1", reference="dp_1", cancelled_on=DAY)))
        write(store, samples.reversal(here, "dp_1 again", reference="dp_1"))
        with store.reading() as reader:
            found = ids(reader.find(Reversal, here.id, {"payment": "p1"}))
        assert found == ["DP_1", "by hand", "dp_1", "dp_1 again", "dp_2"]

    @rule("S12")
    def test_a_refund_is_found_by_where_it_stands(self, store: Store) -> None:
        """As it moves on, with what the provider says, and by the payment it is of."""
        here = world()
        first = samples.refund(here, "f1", state=RefundState.RESERVED, payment="p1", next_try_at=AT)
        paid: list[Record] = [samples.invoice(here, "i1", number="INV-1"), samples.payment(here, "p1", ("i1", 50))]
        write(store, *here.records, *paid, first, samples.refund(here, "f2"))
        then = attrs.evolve(
            first,
            state=RefundState.FAILED,
            gateway="cards",
            reference="re_1",
            refunded_before=here.money(0),
            submitted_at=AT,
            next_try_at=None,
            tries=3,
            failed_on=DAY,
            error="the account is closed",
        )
        transact(store, replacing(then))
        assert_same(there(store, Refund, here.id, "f1"), attrs.evolve(then, version=2))
        with store.reading() as reader:
            assert reader.find(Refund, here.id, {"state": "reserved"}) == []
            assert ids(reader.find(Refund, here.id, {"state": "failed", "payment": "p1"})) == ["f1"]
            assert ids(reader.find(Refund, here.id, {"state": ["failed", "succeeded"]})) == ["f1", "f2"]

    @rule("P4")
    def test_a_resolved_alert_is_not_raised_again(self, store: Store) -> None:
        """Of one kind and about one thing there is one, open or resolved."""
        here = world()
        first = samples.alert(here, "a1", "o1")
        write(store, *here.records, first)
        resolved = attrs.evolve(first, state=AlertState.RESOLVED, resolved_at=AT, resolved_by="Zoé", resolution="paid")
        transact(store, replacing(resolved))
        with pytest.raises(Conflict):
            write(store, samples.alert(here, "a2", "o1"))
        with store.reading() as reader:
            assert reader.find(Alert, here.id, {"state": "open"}) == []
            assert_same(
                reader.find(Alert, here.id, {"state": "resolved", "about": "o1"})[0], attrs.evolve(resolved, version=2)
            )

    @rule("P5")
    def test_a_credit_note_comes_back_with_its_lines_in_order(self, store: Store) -> None:
        """As many as there are, and those of another biller's note of the same id are not among them."""
        here, other = world("b1"), world("b2", "JPY")
        for one, lines in ((here, 12), (other, 3)):
            note = samples.credit_note(one, "n1", lines=lines)
            write(store, *one.records, samples.invoice(one, "i1", number="INV-1"), note)
            assert_same(there(store, CreditNote, one.id, "n1"), note)
        write(store, samples.credit_note(here, "n2", lines=2, customer="c2"))
        with store.reading() as reader:
            notes = reader.find(CreditNote, here.id, {"invoice": "i1"})
            assert [(note.id, [line.line for line in note.lines]) for note in notes] == [
                ("n1", list(range(12))),
                ("n2", [0, 1]),
            ]
            assert ids(reader.find(CreditNote, here.id, {"number": "CN-n2", "customer": "c2"})) == ["n2"]

    @rule("P5", "D2")
    def test_what_credit_notes_took_off_is_kept_with_the_invoice(self, store: Store) -> None:
        """As the other facts are, and changed as they are: the balance falls and the status with it."""
        here = world()
        invoice = samples.invoice(here, "i1", number="INV-1", noted=400)
        write(store, *here.records, invoice)
        assert_same(there(store, Invoice, here.id, "i1"), invoice)
        credited = attrs.evolve(invoice, facts=samples.facts(here.biller.currency, noted=1_000))
        transact(store, replacing(credited))
        assert_same(there(store, Invoice, here.id, "i1"), attrs.evolve(credited, version=2))
