"""The store contract, part five: several threads at the same time, and one that is interrupted."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest

from invoicecore.charges import Charge
from invoicecore.credits import CreditEntry
from invoicecore.errors import Conflict, StoreError
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.parties import Customer
from invoicecore.payments import after_payment
from invoicecore.ports import Store, Writer
from invoicecore.testing import samples
from invoicecore.testing.checks import (
    A_MOMENT,
    Running,
    all_at_once,
    ids,
    rule,
    stored_invoices,
    there,
    transact,
    write,
)
from invoicecore.testing.samples import DAY, TOMORROW, world


class Oops(Exception):
    """What goes wrong in the middle of a transaction."""


class Interrupt(BaseException):
    """What a signal, a cancelled task or a green thread's timeout raises: no Exception."""


class ThreadsContract:
    """Part of StoreContract: isolation, and writers that want the same thing at once."""

    def test_nobody_sees_what_is_not_committed(self, store: Store) -> None:
        """Another thread's reader waits or sees what was; after a rollback it never saw anything else."""
        here = world()
        write(store, *here.records)

        def look() -> tuple[int, Invoice | None, int]:
            with store.reading() as reader:
                found = reader.find(Charge, here.id, {})
                return len(found), reader.get(Invoice, here.id, ["i1"]).get("i1"), reader.counter(here.id, "n").next

        with suppress(Oops), store.writing() as writer:
            writer.add([samples.charge(here, "x1"), samples.invoice(here, "i1", number="INV-1")])
            writer.take_numbers(here.id, "n", 1, DAY)
            meanwhile = Running(look)
            meanwhile.within(A_MOMENT)
            raise Oops
        assert meanwhile.result() == (0, None, 1)

    def test_an_interrupt_takes_everything_back_too(self, store: Store) -> None:
        """It passes as it is, keeps nothing, and the next transaction begins at once."""
        here = world()
        write(store, *here.records)

        def cut_off(writer: Writer) -> None:
            writer.add([samples.charge(here, "x1")])
            writer.take_numbers(here.id, "n", 1, DAY)
            raise Interrupt

        with pytest.raises(Interrupt):
            transact(store, cut_off)
        write(store, samples.charge(here, "x2"))
        with store.reading() as reader:
            assert ids(reader.find(Charge, here.id, {})) == ["x2"]
            assert reader.counter(here.id, "n").next == 1

    def test_a_thread_that_is_writing_begins_no_other_transaction(self, store: Store) -> None:
        """It would wait for itself, or what it is told was written would be lost with the outer one."""
        here = world()
        write(store, *here.records)
        with store.writing() as writer:
            writer.add([samples.charge(here, "x1")])
            with pytest.raises(StoreError), store.writing() as inner:
                inner.add([samples.charge(here, "x2")])
            writer.add([samples.charge(here, "x3")])
        with store.reading() as reader:
            assert ids(reader.find(Charge, here.id, {})) == ["x1", "x3"]

    def test_a_reader_has_one_view_however_long_it_looks(self, store: Store) -> None:
        """A writer waits, or writes what this reader does not see; half of a transaction is never seen."""
        here = world()
        write(store, *here.records)
        with store.reading() as reader:
            assert reader.find(Charge, here.id, {}) == []
            writing = Running(lambda: write(store, samples.charge(here, "x1"), samples.invoice(here, "i1")))
            writing.within(A_MOMENT)
            assert reader.find(Charge, here.id, {}) == []
            assert reader.get(Invoice, here.id, ["i1"]) == {}
        writing.result()
        assert len(stored_invoices(store, here.id)) == 1

    @rule("N1")
    def test_threads_that_publish_take_consecutive_numbers(self, store: Store) -> None:
        """In the order they commit, each once, though some of them fail half-way."""
        here = world()
        write(store, *here.records)

        def publish(worker: int) -> None:
            for turn in range(5):
                with suppress(Oops), store.writing() as writer:
                    n = writer.take_numbers(here.id, "invoice", 1, DAY).next
                    writer.add([samples.invoice(here, f"i-{worker}-{turn}", number=f"INV-{n:06d}")])
                    if turn == worker:
                        raise Oops

        all_at_once(4, publish)
        numbers = sorted(invoice.reference for invoice in stored_invoices(store, here.id))
        assert numbers == [f"INV-{n:06d}" for n in range(1, 17)]

    @rule("N2")
    def test_threads_that_change_one_invoice_lose_no_update(self, store: Store) -> None:
        """Read, change, write, at the same time: each change is on top of all before, or is refused and done again."""
        here = world()
        write(store, *here.records, samples.invoice(here, "i1", number="INV-1"))

        def pay(worker: int) -> None:
            paid = 0
            while paid < 5:
                try:
                    with store.writing() as writer:
                        invoice = writer.get(Invoice, here.id, ["i1"])["i1"]
                        writer.replace([attrs.evolve(invoice, facts=after_payment(invoice.facts, here.money(1)))])
                        writer.add([samples.payment(here, f"p-{worker}-{paid}", ("i1", 1))])
                except Conflict:
                    continue
                paid += 1

        all_at_once(4, pay)
        after = there(store, Invoice, here.id, "i1")
        assert after.facts.paid == here.money(20), "a payment was written over"
        assert after.version == 21

    @rule("N2")
    def test_transactions_of_one_biller_follow_one_another(self, store: Store) -> None:
        """Each reads what the one before wrote, so that none is refused and no update lost."""
        here = world()
        write(store, *here.records, samples.invoice(here, "i1", number="INV-1"))

        def pay(worker: int) -> None:
            for _ in range(5):
                with store.writing(biller=here.id) as writer:
                    invoice = writer.get(Invoice, here.id, ["i1"])["i1"]
                    writer.replace([attrs.evolve(invoice, facts=after_payment(invoice.facts, here.money(1)))])

        all_at_once(4, pay)
        assert there(store, Invoice, here.id, "i1").facts.paid == here.money(20)

    @rule("C8")
    def test_threads_that_take_the_same_key_leave_one(self, store: Store) -> None:
        """Of writers that judged by the same reading, one wins and the others are told."""
        here = world()
        write(store, *here.records)

        def claim(worker: int) -> list[int]:
            won = []
            for seq in range(1, 6):
                with suppress(Conflict):
                    entry = samples.credit(here, seq, id=f"e{worker}-{seq}")
                    write(store, entry, samples.charge(here, f"x{worker}-{seq}"))
                    won.append(seq)
            return won

        assert sorted(seq for won in all_at_once(4, claim) for seq in won) == [1, 2, 3, 4, 5]
        with store.reading() as reader:
            entries = reader.find(CreditEntry, here.id, {})
            assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
            charges = reader.find(Charge, here.id, {})
            assert {charge.id for charge in charges} == {entry.id.replace("e", "x") for entry in entries}

    @rule("N2")
    def test_what_a_writer_claims_no_other_writer_has(self, store: Store) -> None:
        """While a run holds a page of leases another run waits, or gets others; afterwards it sees them moved on."""
        here = world()
        leases = [attrs.evolve(here.leases[0], id=f"d{n}", next_run_on=DAY) for n in range(6)]
        write(store, *here.records, *leases)

        def claim(limit: int) -> list[str]:
            with store.writing() as writer:
                page = writer.due_leases(here.id, DAY, after=None, limit=limit)
                writer.replace([attrs.evolve(lease, next_run_on=None) for lease in page])
                return ids(page)

        with store.writing() as writer:
            mine = writer.due_leases(here.id, DAY, after=None, limit=4)
            other = Running(lambda: claim(10))
            other.within(A_MOMENT)
            writer.replace([attrs.evolve(lease, next_run_on=TOMORROW) for lease in mine])
        assert not set(other.result()) & set(ids(mine))

    @rule("N2", "S7")
    def test_threads_that_run_share_the_work(self, store: Store) -> None:
        """Every due lease and customer is had by exactly one of them."""
        here = world()
        leases = [attrs.evolve(here.leases[0], id=f"d{n:02d}", next_run_on=DAY) for n in range(24)]
        customers = [Customer(id=f"d{n:02d}", biller=here.id, name="D", next_cycle_on=DAY) for n in range(24)]
        write(store, *here.records, *leases, *customers)

        def run(worker: int) -> list[str]:
            done: list[str] = []
            for _ in range(8):
                with store.writing() as writer:
                    some: list[Lease] = writer.due_leases(here.id, DAY, after=None, limit=2)
                    others: list[Customer] = writer.due_customers(here.id, DAY, after=None, limit=2)
                    writer.replace([attrs.evolve(lease, next_run_on=None) for lease in some])
                    writer.replace([attrs.evolve(customer, next_cycle_on=None) for customer in others])
                done += [f"lease {id}" for id in ids(some)] + [f"customer {id}" for id in ids(others)]
            return done

        had = [each for done in all_at_once(3, run) for each in done]
        assert len(had) == len(set(had)), "two had the same"
        rest = run(0) + run(0)
        assert sorted(had + rest) == sorted(f"{kind} d{n:02d}" for kind in ("lease", "customer") for n in range(24))
