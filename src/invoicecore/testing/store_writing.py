"""The store contract, part two: transactions, unique keys, versions, numbers, and writers at the same time."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import attrs
import pytest

from invoicecore.alerts import AlertKind
from invoicecore.charges import Charge
from invoicecore.errors import Conflict, InvoicecoreError
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, Status
from invoicecore.leases import Lease, RentChange
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.ports import VERSIONED, Counter, Event, InvoiceQuery, PayLink, Record, Store, Writer
from invoicecore.testing import samples
from invoicecore.testing.checks import (
    Step,
    adding,
    assert_same,
    ids,
    read,
    removing,
    replacing,
    rule,
    stored_invoices,
    there,
    transact,
    write,
)
from invoicecore.testing.samples import AT, DAY, World, world
from invoicecore.testing.store_records import event, one_of_each


class Oops(Exception):
    """What goes wrong in the middle of a transaction."""


def lease_invoice(here: World, id: str, index: int, revision: int = 1, **rest: object) -> Invoice:
    """A lease's invoice for one period and revision (N2)."""
    fields: dict[str, object] = {"lease": "l1", "period_index": index, "revision": revision, **rest}
    return samples.invoice(here, id, kind=InvoiceKind.LEASE, **fields)  # type: ignore[arg-type]  # Invoice's own fields


def taking(here: World, count: int) -> Step:
    """The step that takes some invoice numbers."""
    return lambda writer: writer.take_numbers(here.id, "invoice", count, DAY)


def clashes(here: World) -> list[tuple[str, list[Record], Record]]:
    """(what is taken, who took it, who comes too late) for every unique key of Writer.add."""
    month = date(2026, 5, 1)
    invoice, credit = samples.invoice, samples.credit
    paid: list[Record] = [invoice(here, "i1", number="INV-1"), samples.payment(here, "p1", ("i1", 5))]

    def cycle(id: str, customer: str = "c1") -> Invoice:
        return invoice(here, id, kind=InvoiceKind.CHARGES, cycle=month, customer=customer)

    def link(id: str) -> PayLink:
        return PayLink(id=id, biller=here.id, invoice="i1", made_at=AT)

    return [
        ("a unit's number", [], Unit(id="u9", biller=here.id, number="1")),
        ("an invoice's number", [invoice(here, "i1", number="INV-1")], invoice(here, "i2", number="INV-1")),
        ("a lease's period", [lease_invoice(here, "i1", 3)], lease_invoice(here, "i2", 3)),
        (
            "a lease's period, by a void invoice",
            [lease_invoice(here, "i1", 3, number="INV-1", lifecycle=Lifecycle.VOID, voided_on=DAY)],
            lease_invoice(here, "i2", 3),
        ),
        ("a customer's cycle", [cycle("i1")], cycle("i2")),
        ("a payment's reversal by hand", [*paid, samples.reversal(here, "r1")], samples.reversal(here, "r2")),
        (
            "a payment's reversal by a provider",
            [*paid, samples.reversal(here, "r1", reference="dp_1")],
            samples.reversal(here, "r2", reference="dp_1"),
        ),
        ("a ledger's number", [credit(here, 1)], credit(here, 1, id="another")),
        ("a message", [*paid, samples.message(here, "m1", about="+7")], samples.message(here, "m2", about="+7")),
        ("an invoice's link", [*paid, link("t1")], link("t2")),
        ("an invoice's collection", [*paid, samples.collection(here, "o1")], samples.collection(here, "o2")),
        ("an alert", [samples.alert(here, "a1", "o1")], samples.alert(here, "a2", "o1", text="Once more")),
        (
            "a credit note's number",
            [*paid, samples.credit_note(here, "n1", number="CN-1")],
            samples.credit_note(here, "n2", number="CN-1"),
        ),
    ]


class WritingContract:
    """Part of StoreContract: what a transaction keeps, refuses and takes back."""

    @rule("N2", "C9")
    def test_every_unique_key_is_kept_and_a_clash_takes_everything_back(self, store: Store) -> None:
        """Conflict, and nothing of the transaction stays, neither before the clash nor beside it."""
        for n, (what, before, late) in enumerate(clashes(world())):
            here = world(f"b{n}")
            before = [samples.changed(record, biller=here.id) for record in before]
            late = samples.changed(late, biller=here.id)
            write(store, *here.records, *before)
            late_too = adding(samples.charge(here, "x2"), late, samples.charge(here, "x3"))
            with pytest.raises(Conflict):
                transact(store, adding(samples.charge(here, "x1")), taking(here, 3), late_too)
            with store.reading() as reader:
                assert reader.find(Charge, here.id, {}) == [], f"{what}: a charge stayed"
                assert reader.get(type(late), here.id, [late.id]) == {}, f"{what} was taken twice"
                assert reader.counter(here.id, "invoice") == Counter(), f"{what}: a number is lost"
            for record in before:
                assert_same(there(store, type(record), here.id, record.id), record)
            # Not so for another biller.
            other = world(f"b{n} too")
            write(store, *other.records, *(samples.changed(record, biller=other.id) for record in before))

    def test_every_id_is_taken_once(self, store: Store) -> None:
        """Adding a record again is a Conflict, whatever its kind, and changes nothing."""
        here = world()
        records = one_of_each(here)
        write(store, *records)
        for record in records:
            with pytest.raises(Conflict):
                write(store, record)
            assert_same(there(store, type(record), here.id, record.id), record)
        with pytest.raises(Conflict):
            write(store, samples.charge(here, "x8"), samples.charge(here, "x8"))
        assert read(store, Charge, here.id, "x8") is None

    @rule("N2")
    def test_keys_that_differ_or_are_not_set_do_not_clash(self, store: Store) -> None:
        """Another period, revision, cycle, currency or kind is another key, and no number is no key."""
        here = world()
        may, june = date(2026, 5, 1), date(2026, 6, 1)
        write(
            store,
            *here.records,
            *(samples.invoice(here, f"draft{n}") for n in range(3)),
            lease_invoice(here, "i1", 3),
            lease_invoice(here, "i2", 3, revision=2),
            lease_invoice(here, "i3", 4),
            lease_invoice(here, "i4", 3, lease="l2"),
            *(samples.invoice(here, f"by hand {n}", kind=InvoiceKind.LEASE, lease="l1") for n in range(2)),
            samples.invoice(here, "i5", cycle=may),
            samples.invoice(here, "i6", cycle=june),
            samples.invoice(here, "i7", cycle=may, customer="c2"),
            *(samples.invoice(here, f"nobody's {n}", cycle=may, customer=None) for n in range(2)),
            samples.credit(here, 1),
            samples.credit(here, 2),
            samples.credit(here, 1, currency="JPY"),
            samples.credit(here, 1, customer="c2"),
            samples.charge(here, "i1"),
            *(
                samples.message(here, f"m{n}", "i5", kind=kind, about=about)
                for n, (kind, about) in enumerate(
                    [
                        (MessageKind.REMINDER, "+7"), (MessageKind.REMINDER, "+21"), (MessageKind.RECEIPT, "+7"),
                        (MessageKind.INVOICE_ISSUED, None), (MessageKind.INVOICE_ISSUED, None),
                    ]
                )
            ),
            *(PayLink(id=f"t{n}", biller=here.id, invoice="i5", made_at=AT, revoked_at=AT) for n in range(2)),
            PayLink(id="t3", biller=here.id, invoice="i5", made_at=AT),
            PayLink(id="t4", biller=here.id, invoice="i6", made_at=AT),
            *(samples.collection(here, f"o-{invoice}", invoice) for invoice in ("i5", "i6")),
            samples.payment(here, "p1", ("i5", 5)),
            samples.payment(here, "p2", ("i5", 5)),
            *(
                samples.reversal(here, f"r-{payment}-{reference}", payment, reference=reference)
                for payment in ("p1", "p2")
                for reference in ("", "dp_1", "dp_2")
            ),
            samples.alert(here, "a1", "o-i5"),
            samples.alert(here, "a2", "o-i5", kind=AlertKind.MISMATCH),
            samples.alert(here, "a3", "o-i6"),
            *(samples.credit_note(here, f"n{n}", "i5", number=f"CN-{n}") for n in (1, 2)),
        )  # fmt: skip
        assert len(stored_invoices(store, here.id)) == 14

    @rule("N2")
    def test_replacing_takes_and_frees_unique_keys(self, store: Store) -> None:
        """A number given at publish is taken, one that was given up can be had; a clash changes nothing."""
        here = world()
        one, two = samples.invoice(here, "i1", number="INV-1"), samples.invoice(here, "i2")
        write(store, *here.records, one, two)
        unit = here.units[0]
        published = attrs.evolve(two, number="INV-1", lifecycle=Lifecycle.OPEN)
        for late in (published, attrs.evolve(unit, number="2")):
            with pytest.raises(Conflict):
                transact(store, adding(samples.charge(here, "x1")), replacing(late))
            assert read(store, Charge, here.id, "x1") is None
        assert_same(there(store, Invoice, here.id, "i2"), two)
        with store.writing() as writer:
            writer.replace([attrs.evolve(unit, number="7"), attrs.evolve(published, number="INV-2")])
        write(store, Unit(id="u8", biller=here.id, number="1"))
        with pytest.raises(Conflict):
            write(store, Unit(id="u9", biller=here.id, number="7"))
        with pytest.raises(Conflict):
            write(store, samples.invoice(here, "i3", number="INV-2"))

    @rule("C3", "N2", "R18")
    def test_a_removed_draft_frees_its_keys_and_leaves_its_timeline(self, store: Store) -> None:
        """Its lines go, its period and id can be had again, and what happened to it is still told."""
        here = world()
        draft = lease_invoice(here, "i1", 3)
        write(store, *here.records, draft, samples.invoice(here, "i2"), event(here, "i1", 1, action="draft"))
        with store.writing() as writer:
            writer.remove([draft])
            writer.add([event(here, "i1", 2, action="delete")])
        assert ids(stored_invoices(store, here.id)) == ["i2"]
        assert read(store, Invoice, here.id, "i1") is None
        with store.reading() as reader:
            assert [e.action for e in reader.find(Event, here.id, {"subject": "i1"})] == ["draft", "delete"]
            assert reader.invoices(InvoiceQuery(biller=here.id, on=DAY, lease="l1")) == []
        again = attrs.evolve(draft, title="Once more")
        write(store, again)
        assert_same(there(store, Invoice, here.id, "i1"), again)

    def test_replacing_stores_the_next_version(self, store: Store) -> None:
        """Of every kind that has one; several times in one transaction, each time from the version before."""
        here = world()
        records = [record for record in one_of_each(here) if isinstance(record, VERSIONED)]
        assert {type(record) for record in records} == set(VERSIONED)
        write(store, *one_of_each(here))
        with store.writing() as writer:
            writer.replace(records)
            twice = writer.get(Customer, here.id, ["c1"])["c1"]
            assert twice.version == 2
            writer.replace([attrs.evolve(twice, name="Twice in one go")])
        for record in records:
            if record.id == "c1":
                continue
            assert_same(there(store, type(record), here.id, record.id), samples.changed(record, version=2))
        assert_same(there(store, Customer, here.id, "c1"), attrs.evolve(twice, name="Twice in one go", version=3))

    def test_replacing_writes_everything_anew(self, store: Store) -> None:
        """Lines, taxes and rent changes that are gone are gone, and what it was found by before finds it no more."""
        here = world()
        draft = samples.invoice(here, "i1", unit="u1")
        lease = attrs.evolve(here.leases[0], id="l9", changes=(RentChange(since=DAY, rent=here.money(5)),))
        charge = samples.charge(here, "x1")
        write(store, *here.records, draft, lease, charge)
        other_lines = (attrs.evolve(draft.lines[0], description="B"), attrs.evolve(draft.lines[0], description="A"))
        after: list[Record] = [
            attrs.evolve(draft, lines=other_lines, unit=None, customer="c2", total=here.money(2_000)),
            attrs.evolve(lease, changes=(), next_run_on=DAY, customer="c3"),
            attrs.evolve(charge, customer="c2"),
        ]
        with store.writing() as writer:
            writer.replace(after)
        for record in after:
            assert_same(there(store, type(record), here.id, record.id), samples.changed(record, version=2))
        with store.reading() as reader:
            assert reader.find(Charge, here.id, {"customer": "c1"}) == []
            assert ids(reader.find(Charge, here.id, {"customer": "c2"})) == ["x1"]
            assert ids(reader.find(Lease, here.id, {"customer": "c3"})) == ["l9"]
            assert ids(reader.due_leases(here.id, DAY, after=None, limit=5)) == ["l9"]
            assert reader.invoices(InvoiceQuery(biller=here.id, on=DAY, unit="u1")) == []
            assert ids(reader.invoices(InvoiceQuery(biller=here.id, on=DAY, customers=("c2",)))) == ["i1"]
            assert reader.sums(InvoiceQuery(biller=here.id, on=DAY, customers=("c1",))).counts.get(Status.DRAFT, 0) == 0

    def test_what_is_changed_and_changed_back_in_one_transaction_is_as_it_was(self, store: Store) -> None:
        """Each replacement counts, whatever was read before the first."""
        here = world()
        lease = attrs.evolve(here.leases[0], id="l9", next_run_on=DAY)
        write(store, *here.records, lease)
        with store.writing() as writer:
            found = writer.get(Lease, here.id, ["l9"])["l9"]
            writer.replace([attrs.evolve(found, next_run_on=None, finished=True)])
            writer.replace([attrs.evolve(found, version=2)])
        assert_same(there(store, Lease, here.id, "l9"), attrs.evolve(lease, version=3))

    def test_a_stale_version_is_a_conflict_and_nothing_is_written(self, store: Store) -> None:
        """Replacing or removing what somebody else changed, or what is not there, takes everything back."""
        here = world()
        write(store, *one_of_each(here))
        records = [record for record in one_of_each(here) if isinstance(record, VERSIONED)]
        with store.writing() as writer:
            writer.replace(records)
        draft = samples.invoice(here, "i3")
        gone: list[Record] = [
            samples.changed(record, id="gone") for record in records if not isinstance(record, Biller)
        ]

        attempts = [
            *(replacing(record) for record in [*records, *gone]),
            replacing(attrs.evolve(here.units[0], version=3)),
            replacing(there(store, Unit, here.id, "u3"), here.units[1]),
            removing(draft),
            removing(attrs.evolve(draft, id="gone")),
            removing(attrs.evolve(draft, version=3)),
        ]
        for attempt in attempts:
            with pytest.raises(Conflict):
                transact(store, adding(samples.charge(here, "x9")), attempt)
            assert read(store, Charge, here.id, "x9") is None
        for record in records:
            assert_same(there(store, type(record), here.id, record.id), samples.changed(record, version=2))

    def test_an_exception_takes_everything_back(self, store: Store) -> None:
        """Whatever was added, replaced, removed or counted; the exception itself passes."""
        here = world()
        draft = samples.invoice(here, "i1")
        write(store, *here.records, draft)
        with store.writing() as writer:
            writer.take_numbers(here.id, "invoice", 2, DAY)

        def half(writer: Writer) -> None:
            writer.add([samples.invoice(here, "i2", number="INV-9"), samples.charge(here, "x1"), event(here, "i2", 1)])
            writer.replace([attrs.evolve(draft, title="Other"), attrs.evolve(here.units[0], number="99")])
            writer.replace([attrs.evolve(draft, title="Another", lines=(), version=2)])
            writer.remove([attrs.evolve(draft, version=3)])
            writer.take_numbers(here.id, "invoice", 5, DAY + timedelta(days=1))
            writer.take_numbers(here.id, "other", 5, DAY)
            raise Oops

        with pytest.raises(Oops):
            transact(store, half)
        with store.reading() as reader:
            every = reader.invoices(InvoiceQuery(biller=here.id, on=DAY))
            assert reader.find(Charge, here.id, {}) == []
            assert reader.find(Event, here.id, {}) == []
            assert reader.find(Unit, here.id, {"number": "99"}) == []
            assert reader.counter(here.id, "invoice") == Counter(next=3, last_on=DAY)
            assert reader.counter(here.id, "other") == Counter()
        assert ids(every) == ["i1"]
        assert_same(every[0], draft)
        # What was taken back is free again.
        write(store, samples.invoice(here, "i2", number="INV-9"), Unit(id="u9", biller=here.id, number="99"))

    def test_a_conflict_that_was_swallowed_leaves_no_half_of_its_call(self, store: Store) -> None:
        """Either the whole transaction is lost or only the call that failed; never are some of its records kept."""
        here = world()
        write(store, *here.records)
        with suppress(InvoicecoreError), store.writing() as writer, suppress(Conflict):
            writer.add([samples.charge(here, "x1"), samples.charge(here, "x2"), here.customers[0]])
        with suppress(InvoicecoreError), store.writing() as writer, suppress(Conflict):
            writer.replace([here.units[0], attrs.evolve(here.units[1], version=9)])
        with store.reading() as reader:
            assert reader.find(Charge, here.id, {}) == []
        assert there(store, Unit, here.id, "u1").version == 1

    def test_a_transaction_reads_what_it_wrote(self, store: Store) -> None:
        """By id, field, query, sum, schedule, ledger and counter, before anything is committed."""
        here = world()
        with store.writing() as writer:
            writer.add([*here.records, samples.invoice(here, "i1", number="INV-1"), samples.credit(here, 1)])
            assert set(writer.get(Invoice, here.id, ["i1"])) == {"i1"}
            assert ids(writer.billers()) == [here.id]
            assert ids(writer.find(Unit, here.id, {"number": "2"})) == ["u2"]
            query = InvoiceQuery(biller=here.id, on=DAY, number="INV-1")
            assert ids(writer.invoices(query)) == ["i1"]
            assert writer.sums(query).total == 1_000
            assert writer.last_credits(here.id, ["c1"], "EUR")["c1"].seq == 1
            assert writer.due_leases(here.id, DAY, after=None, limit=5) == []
            writer.replace([attrs.evolve(here.leases[0], next_run_on=DAY)])
            assert ids(writer.due_leases(here.id, DAY, after=None, limit=5)) == ["l1"]
            assert writer.take_numbers(here.id, "invoice", 2, DAY) == Counter()
            assert writer.counter(here.id, "invoice") == Counter(next=3, last_on=DAY)
            writer.remove([])
            writer.add([])
            writer.replace([])

    @rule("N4")
    def test_two_thousand_invoices_are_one_transaction(self, store: Store) -> None:
        """With their charges, timeline and mail, in one call each; one bad row and not one of them stays."""
        here = world()
        write(store, *here.records)
        many = [samples.invoice(here, f"i{n:04d}", number=f"INV-{n:06d}", amount=n + 1) for n in range(2_000)]
        steps = [event(here, invoice.id, 1) for invoice in many]
        bad = attrs.evolve(many[17], id="last")
        with pytest.raises(Conflict):
            write(store, *steps, *many, bad)
        assert stored_invoices(store, here.id) == []
        with store.reading() as reader:
            assert reader.find(Event, here.id, {}) == []
        write(store, *many, *steps)
        assert stored_invoices(store, here.id) == many
        with store.writing() as writer:
            writer.replace([attrs.evolve(invoice, late=True) for invoice in many])
        with store.reading() as reader:
            by_id = reader.get(Invoice, here.id, ids(many))
            assert len(by_id) == 2_000
            assert all(invoice.late and invoice.version == 2 for invoice in by_id.values())
            assert len(reader.find(Event, here.id, {"subject": ids(many)})) == 2_000
            assert reader.sums(InvoiceQuery(biller=here.id, on=DAY)).total == sum(range(1, 2_001))
        drafts = [samples.invoice(here, f"z{n}") for n in range(1_000)]
        write(store, *drafts)
        with pytest.raises(Conflict), store.writing() as writer:
            writer.remove([*drafts[:500], attrs.evolve(drafts[500], version=2), *drafts[501:]])
        assert len(stored_invoices(store, here.id)) == 3_000
        with store.writing() as writer:
            writer.remove(drafts)
        assert len(stored_invoices(store, here.id)) == 2_000

    @rule("N1")
    def test_numbers_have_no_gap_and_no_repeat(self, store: Store) -> None:
        """Each series of each biller counts by itself, in steps of any size; a rollback gives its numbers back."""
        here = world()
        write(store, *here.records)
        with store.writing() as writer:
            assert writer.take_numbers(here.id, "invoice", 1, DAY) == Counter(next=1, last_on=None)
            assert writer.take_numbers(here.id, "invoice", 4, DAY) == Counter(next=2, last_on=DAY)
        with suppress(Oops), store.writing() as writer:
            assert writer.take_numbers(here.id, "invoice", 100, DAY) == Counter(next=6, last_on=DAY)
            raise Oops
        later = DAY + timedelta(days=9)
        with store.writing() as writer:
            assert writer.take_numbers(here.id, "invoice", 1, later) == Counter(next=6, last_on=DAY)
            assert writer.take_numbers(here.id, "invoice/2026", 2_000, DAY) == Counter()
            assert writer.take_numbers(here.id, "invoice", 1, DAY) == Counter(next=7, last_on=later)
        with store.reading() as reader:
            # The latest date stays, so that `chronological` holds whatever came in between (N1).
            assert reader.counter(here.id, "invoice") == Counter(next=8, last_on=later)
            assert reader.counter(here.id, "invoice/2026") == Counter(next=2_001, last_on=DAY)

    @rule("N1")
    def test_every_series_that_was_used_is_listed(self, store: Store) -> None:
        """Those of this biller, each where it stands, also within the transaction that moves it."""
        here, other = world(), world("b2")
        write(store, *here.records, *other.records)
        later = DAY + timedelta(days=9)
        with store.writing() as writer:
            writer.take_numbers(here.id, "invoice", 4, later)
            writer.take_numbers(other.id, "theirs", 1, DAY)
            writer.take_numbers(here.id, "draft", 1, DAY)
            writer.counter(here.id, "only asked for")
            assert writer.counters(here.id)["invoice"] == Counter(next=5, last_on=later)
        with suppress(Oops), store.writing() as writer:
            writer.take_numbers(here.id, "invoice", 1, later)
            writer.take_numbers(here.id, "given back", 1, DAY)
            raise Oops
        with store.reading() as reader:
            wanted = {"invoice": Counter(next=5, last_on=later), "draft": Counter(next=2, last_on=DAY)}
            assert reader.counters(here.id) == wanted
            assert reader.counters(other.id) == {"theirs": Counter(next=2, last_on=DAY)}
            assert reader.counters("nobody") == {}
