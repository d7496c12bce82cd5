"""The store contract, part one: records come back as they went in, are found, and stay within their biller."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import count
from typing import ClassVar

import attrs
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.alerts import AlertState
from invoicecore.charges import Charge, ChargeState
from invoicecore.collection import CollectionState, MethodState
from invoicecore.credits import CreditEntry
from invoicecore.inbox import InboxState
from invoicecore.invoices import Caveat, Invoice
from invoicecore.money import MAX_MINOR, MIN_MINOR, from_minor
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Payment, Refund, RefundState
from invoicecore.ports import FINDABLE, Counter, Event, InvoiceQuery, KeyUse, PayLink, Record, Store, Sums
from invoicecore.testing import samples, strategies
from invoicecore.testing.checks import assert_same, examples, ids, rule, stored_invoices, there, write
from invoicecore.testing.samples import AT, DAY, World, world

StoreFactory = Callable[[], Store]


def event(here: World, subject: str, version: int, step: int = 0, action: str = "edit") -> Event:
    """A step of a timeline."""
    return Event(biller=here.id, subject=subject, version=version, step=step, action=action, at=AT, on=DAY)


def one_of_each(here: World) -> list[Record]:
    """Records of every kind, more than one of most, what is referred to first; every FINDABLE field is set on some."""
    return [
        *here.records,
        Unit(id="u3", biller=here.id, number="10"),
        samples.invoice(here, "i1", number="INV-1", paid=400),
        samples.invoice(here, "i2", number="INV-2", customer="c2"),
        samples.invoice(here, "i3"),
        samples.charge(here, "x1"),
        samples.charge(here, "x2", "c2", state=ChargeState.CANCELLED),
        samples.charge(here, "x3", state=ChargeState.DRAFTED, invoice="i3"),
        samples.charge(here, "x4", state=ChargeState.INVOICED, invoice="i1"),
        samples.saved_method(here, "w1", state=MethodState.ACTIVE, reference="card"),
        samples.saved_method(here, "w2", "c2", tries=1, next_try_at=AT),
        samples.collection(here, "o1", state=CollectionState.SUCCEEDED, method="w1"),
        samples.collection(here, "o2", state=CollectionState.FAILED),
        samples.collection(here, "o3", next_try_at=AT),
        samples.collection(here, "o4", "i2", customer="c2"),
        attrs.evolve(samples.payment(here, "p1", ("i1", 100), ("i2", 200)), collection="o1"),
        samples.payment(here, "p2", ("i2", 300), customer="c2"),
        samples.payment(here, "p3", credited=5),
        samples.reversal(here, "r1", "p2", cancelled_on=DAY),
        samples.reversal(here, "r2", "p2"),
        samples.refund(here, "f1"),
        samples.refund(
            here, "f2", "i2", payment="p1", state=RefundState.PENDING, next_try_at=AT, of_credit=here.money(3)
        ),
        samples.credit_note(here, "n1", refund="f1", customer="c1"),
        samples.credit_note(here, "n2", "i2", lines=12),
        samples.credit(here, 1, invoice="i1", payment="p1"),
        samples.credit(here, 2, invoice="i2"),
        samples.credit(here, 1, customer="c2"),
        samples.credit(here, 1, currency="USD"),
        *(event(here, subject, version) for subject in ("i1", "l1") for version in (1, 2)),
        samples.message(here, "m1"),
        samples.message(here, "m2", "i2"),
        *(PayLink(id=f"t{n}", biller=here.id, invoice=f"i{n}", made_at=AT) for n in (1, 2)),
        KeyUse(id="key 1", biller=here.id, action="draft", digest="0f", results=("i1", "i2")),
        samples.inbox_event(here, "cards/1", next_try_at=AT),
        samples.inbox_event(here, "cards/2", state=InboxState.PARKED, error="no such payment"),
        samples.alert(here, "a1", "o2", invoice="i1"),
        samples.alert(here, "a2", "cards/2", state=AlertState.RESOLVED, resolved_at=AT, resolved_by="Zoé"),
    ]


def values_of(record: Record, field: str) -> Collection[str]:
    """What a record is found by: the field's value, or for a payment's invoice all it is allocated to."""
    if isinstance(record, Payment) and field == "invoice":
        return {part.invoice for part in record.allocations}
    value = getattr(record, field)
    return set() if value is None else {value}


class RecordsContract:
    """Part of StoreContract: round trips, get and find, tenancy, and what is still there after reopening."""

    persistent: ClassVar[bool] = False
    """Whether what was written is still there when the store is opened again; then override `reopen`."""

    def reopen(self, store: Store) -> Store:
        """Close a store and open what it wrote again; a persistent store's contract overrides this."""
        raise NotImplementedError("set persistent = True and say how to open the same store again")

    @rule("M8", "M11")
    def test_every_kind_of_record_comes_back_exactly(self, store: Store) -> None:
        """Money, dates, fractions, decimals, taxes, None and text in any script, of every kind of record."""
        numbers = count()

        @examples(200)
        @given(data=st.data(), currency=strategies.currencies())
        def check(data: st.DataObject, currency: str) -> None:
            here = world(f"b{next(numbers)}", currency)
            first: list[Record] = [
                samples.invoice(here, "i1", number="INV-1"),
                samples.invoice(here, "i2", number="INV-2"),
                samples.saved_method(here, "w1"),
                samples.collection(here, "o1", "i2"),
                samples.payment(here, "p1", ("i1", 100)),
                samples.refund(here, "f1"),
            ]
            drawn: dict[str, st.SearchStrategy[Record]] = {
                "biller": strategies.billers(f"{here.id} too"),
                "unit": strategies.units(here, "u9"),
                "customer": strategies.customers(here, "c9"),
                "charge": st.sampled_from([None, "i1"]).flatmap(lambda on: strategies.charges(here, "x9", on)),
                "lease": strategies.leases(here, "l9"),
                "booking": strategies.bookings(here, "k9"),
                "group": strategies.groups(here, "g9"),
                "invoice": strategies.invoices(here, "i9", number="INV-9"),
                "payment": strategies.payments(here, "p9", "i2", "i1", collection="o1"),
                "reversal": strategies.reversals(here, "r9", "p1"),
                "refund": st.sampled_from([None, "p1"]).flatmap(lambda of: strategies.refunds(here, "f9", "i1", of)),
                "credit": strategies.credit_entries(here, "e9", 9, "i1", "p1"),
                "event": strategies.events(here, "i1"),
                "message": strategies.messages(here, "m9", "i1"),
                "link": strategies.pay_links(here, "t9", "i1"),
                "key": strategies.key_uses(here, "a key"),
                "method": strategies.saved_methods(here, "w9"),
                "collection": st.sampled_from([None, "w1"]).flatmap(
                    lambda method: strategies.collections(here, "o9", "i1", method)
                ),
                "inbox": strategies.inbox_events(here, "cards/9"),
                "alert": st.sampled_from([None, "i1"]).flatmap(lambda of: strategies.alerts(here, "a9", of)),
                "note": st.sampled_from([None, "f1"]).flatmap(
                    lambda refund: strategies.credit_notes(here, "n9", "i1", refund)
                ),
            }
            record = data.draw(drawn[data.draw(st.sampled_from(sorted(drawn)))])
            write(store, *here.records, *first, record)
            of = record.id if isinstance(record, Biller) else here.id
            assert_same(there(store, type(record), of, record.id), record)
            if isinstance(record, Invoice):
                assert_same(next(each for each in stored_invoices(store, here.id) if each.id == "i9"), record)

        check()

    @rule("M8", "M11")
    def test_money_comes_back_at_the_ends_of_64_bits(self, store: Store) -> None:
        """The smallest and largest amounts in a currency of two decimals, of none and of three."""
        for currency in strategies.CURRENCIES:
            here = world(f"b-{currency}", currency)
            bounds = (MIN_MINOR, MIN_MINOR + 1, -1, 0, 1, MAX_MINOR - 1, MAX_MINOR)
            charges = [
                samples.charge(here, f"x{n}", unit_price=from_minor(bound, currency)) for n, bound in enumerate(bounds)
            ]
            most = samples.invoice(here, "i1", amount=MAX_MINOR, number="INV-1", paid=MAX_MINOR)
            write(store, *here.records, *charges, most)
            for charge in charges:
                assert_same(there(store, Charge, here.id, charge.id), charge)
            assert_same(there(store, Invoice, here.id, "i1"), most)

    @rule("S11")
    def test_an_instant_comes_back_in_utc_to_the_microsecond(self, store: Store) -> None:
        """Outbox and timeline say when, and a local time would say another thing on another machine."""
        here = world()
        given_event = event(here, "i1", 1)
        write(store, *here.records, given_event)
        assert_same(there(store, Event, here.id, given_event.id), given_event)

    def test_what_travels_with_a_result_is_not_stored(self, store: Store) -> None:
        """An invoice's warnings, and until when a refunded payment can be taken back: what is read later has none."""
        here = world()
        invoice = attrs.evolve(samples.invoice(here, "i1"), warnings=(Caveat(code="no_email", text="No address"),))
        write(store, *here.records, invoice, samples.refund(here, "f1", reversible_until=DAY))
        assert there(store, Refund, here.id, "f1").reversible_until is None
        assert there(store, Invoice, here.id, "i1").warnings == ()
        assert all(each.warnings == () for each in stored_invoices(store, here.id))

    def test_records_of_many_kinds_are_written_in_one_call(self, store: Store) -> None:
        """As a bulk journey writes them: one sequence, what is referred to first."""
        here = world()
        records = one_of_each(here)
        write(store, *records)
        for record in records:
            assert_same(there(store, type(record), here.id, record.id), record)

    def test_get_gives_what_there_is_by_id(self, store: Store) -> None:
        """Ids that do not exist are left out, none asked for is none given, and thousands may be asked for at once."""
        here = world()
        write(store, *one_of_each(here))
        with store.reading() as reader:
            assert set(reader.get(Customer, here.id, ["c1", "nobody", "c3"])) == {"c1", "c3"}
            assert reader.get(Customer, here.id, []) == {}
            assert reader.get(Invoice, here.id, ["c1"]) == {}, "a customer's id is no invoice's"
            assert set(reader.get(Invoice, here.id, [f"i{n}" for n in range(40_000)])) == {"i1", "i2", "i3"}

    @rule("S10")
    def test_find_gives_the_records_whose_fields_match(self, store: Store) -> None:
        """Every field of FINDABLE, by one value or several, alone and two together, by id."""
        here = world()
        records = one_of_each(here)
        write(store, *records)
        with store.reading() as reader:
            for kind, fields in FINDABLE.items():
                mine = [record for record in records if type(record) is kind]
                assert set(ids(reader.find(kind, here.id, {}))) == set(ids(mine)), f"all {kind.__name__} records"
                for field in fields:
                    values = sorted({value for record in mine for value in values_of(record, field)})
                    assert values, f"no sample has {kind.__name__}.{field}"
                    for wanted in ([value] for value in values):
                        expected = {r.id for r in mine if wanted[0] in values_of(r, field)}
                        for where in (wanted[0], wanted):
                            found = reader.find(kind, here.id, {field: where})
                            assert len(found) == len(expected), f"{kind.__name__} by {field}={where!r}"
                            assert set(ids(found)) == expected, f"{kind.__name__} by {field}={where!r}"
                    several = reader.find(kind, here.id, {field: [*values, *(f"none {n}" for n in range(3_000))]})
                    assert set(ids(several)) == {r.id for r in mine if values_of(r, field)}
                    assert len(several) == len(set(ids(several))), f"{kind.__name__} by {field} came twice"
                    assert reader.find(kind, here.id, {field: "nothing has this"}) == []
                    assert reader.find(kind, here.id, {field: []}) == [], "among no values there is none"
            both = reader.find(Charge, here.id, {"customer": "c1", "state": ["open", "invoiced"]})
            assert ids(both) == ["x1", "x4"]

    @rule("S10")
    def test_find_pages_through_everything_without_gap_or_repeat(self, store: Store) -> None:
        """`after` is the id of the last record read, in whatever order that kind comes."""
        here = world()
        write(store, *one_of_each(here))
        with store.reading() as reader:
            for kind in FINDABLE:
                whole = reader.find(kind, here.id, {})
                for size in (1, 2, 100):
                    pages, after = [], ""
                    while page := reader.find(kind, here.id, {}, after=after, limit=size):
                        assert len(page) <= size
                        pages += page
                        after = page[-1].id
                        assert len(pages) <= len(whole), f"{kind.__name__} repeats"
                    assert pages == whole, f"{kind.__name__} in pages of {size}"
            assert ids(reader.find(Customer, here.id, {}, after="c1")) == ["c2", "c3"]
            assert ids(reader.find(Customer, here.id, {}, after="c11")) == ["c2", "c3"], (
                "a removed id still has a place"
            )
            assert ids(reader.find(Charge, here.id, {"customer": "c1"}, after="x1", limit=1)) == ["x3"]

    def test_ids_sort_by_code_point(self, store: Store) -> None:
        """In every store alike, whatever the database's language: capitals first, accents last, 10 before 2."""
        here = world()
        names = ["10", "2", "B", "Z", "a", "b", "z", "é", "\uffee", "\U0001f3d5"]
        write(store, here.biller, *(Customer(id=id, biller=here.id, name=id) for id in reversed(names)))
        with store.reading() as reader:
            assert ids(reader.find(Customer, here.id, {})) == names
            assert ids(reader.find(Customer, here.id, {}, after="Z", limit=2)) == ["a", "b"]

    @rule("R18")
    def test_a_timeline_comes_by_subject_version_and_step(self, store: Store) -> None:
        """As numbers: version 10 comes after version 9, whatever order they were written in."""
        here = world()
        steps = [("i1", 10, 0), ("i1", 2, 11), ("l1", 1, 0), ("i1", 2, 2), ("i1", 9, 0), ("a/b", 1, 0)]
        write(store, *here.records, *(event(here, *step) for step in steps))
        with store.reading() as reader:
            every = [(each.subject, each.version, each.step) for each in reader.find(Event, here.id, {})]
            assert every == sorted(steps)
            mine = reader.find(Event, here.id, {"subject": "i1"}, after="i1/2/11")
            assert [(each.version, each.step) for each in mine] == [(9, 0), (10, 0)]

    @rule("C8")
    def test_a_ledger_comes_by_customer_currency_and_number(self, store: Store) -> None:
        """As numbers: entry 10 comes after entry 9."""
        here = world()
        entries = [
            samples.credit(here, seq, customer=customer, currency=currency, id=f"e{n}")
            for n, (customer, currency, seq) in enumerate(
                [("c2", "EUR", 1), ("c1", "EUR", 10), ("c1", "JPY", 1), ("c1", "EUR", 9), ("c1", "EUR", 1)]
            )
        ]
        write(store, *here.records, *entries)
        with store.reading() as reader:
            assert ids(reader.find(CreditEntry, here.id, {})) == ["e4", "e3", "e1", "e2", "e0"]
            assert ids(reader.find(CreditEntry, here.id, {"customer": "c1"}, after="e3", limit=2)) == ["e1", "e2"]

    def test_billers_come_by_id_in_pages(self, store: Store) -> None:
        """The run goes from biller to biller this way."""
        billers = [world(id).biller for id in ("b", "B", "a", "c")]
        write(store, *billers)
        with store.reading() as reader:
            assert ids(reader.billers()) == ["B", "a", "b", "c"]
            assert ids(reader.billers(after="a", limit=1)) == ["b"]
            assert ids(reader.billers(after="b")) == ["c"]
            assert reader.billers(after="c") == []
            assert_same(reader.billers()[1], billers[2])

    @rule("T1")
    def test_billers_do_not_meet_though_their_ids_and_numbers_are_the_same(self, store: Store) -> None:
        """Every read is of one biller, and every unique key is within one."""
        one, two = world("b1"), world("b2", "JPY")
        mine, theirs = one_of_each(one), one_of_each(two)
        write(store, *mine, *theirs)
        extra = samples.invoice(two, "i77", number="INV-77")
        write(store, extra, samples.charge(two, "x77"))
        with store.writing() as writer:
            writer.take_numbers("b2", "invoice", 5, DAY)
        for record in mine:
            assert_same(there(store, type(record), "b1", record.id), record)
        with store.reading() as reader:
            for record in theirs:
                kind = type(record)
                assert_same(reader.get(kind, "b2", [record.id])[record.id], record)
                assert reader.get(kind, "nobody", [record.id]) == {}
            assert reader.get(Invoice, "b1", ["i77"]) == {}
            assert reader.get(Biller, "b1", ["b2"]) == {}, "a biller is its own, and nobody else's"
            for kind in FINDABLE:
                assert set(ids(reader.find(kind, "b1", {}))) == {r.id for r in mine if type(r) is kind}
                assert reader.find(kind, "nobody", {}) == []
            assert ids(reader.invoices(InvoiceQuery(biller="b1", on=DAY))) == ["i1", "i2", "i3"]
            assert reader.sums(InvoiceQuery(biller="b1", on=DAY)).total == 2_000
            assert reader.sums(InvoiceQuery(biller="b2", on=DAY)).total == 3_000
            assert reader.last_credits("b1", ["c1"], "EUR")["c1"].biller == "b1"
            assert reader.last_credits("b2", ["c2"], "EUR") == {}
            assert reader.counter("b1", "invoice") == Counter()

    @rule("R16")
    def test_a_new_store_is_empty_and_shares_nothing_with_another(self, store_factory: StoreFactory) -> None:
        """Every question has an empty answer, sums are zero, and the factory's stores are separate."""
        one, two = store_factory(), store_factory()
        try:
            write(one, *one_of_each(world()))
            with two.reading() as reader:
                assert reader.billers() == []
                assert reader.get(Invoice, "b1", ["i1"]) == {}
                assert all(reader.find(kind, "b1", {}) == [] for kind in FINDABLE)
                query = InvoiceQuery(biller="b1", on=DAY)
                assert reader.invoices(query) == []
                sums = reader.sums(query)
                assert attrs.evolve(sums, counts={}) == Sums(counts={})
                assert not any(sums.counts.values())
                assert reader.due_leases("b1", DAY, after=None, limit=10) == []
                assert reader.due_spans("b1", DAY, size=10) == []
                assert reader.due_customers("b1", DAY, after=None, limit=10) == []
                assert reader.last_credits("b1", ["c1"], "EUR") == {}
                assert reader.counter("b1", "invoice") == Counter(next=1, last_on=None)
                assert reader.counters("b1") == {}
        finally:
            one.close()
            two.close()

    def test_what_was_written_outlives_the_store_if_it_says_so(self, store_factory: StoreFactory) -> None:
        """A persistent store has every record again after reopening; another one must not claim to be persistent."""
        store = store_factory()
        here = world()
        records = one_of_each(here)
        try:
            write(store, *records)
            with store.writing() as writer:
                writer.take_numbers(here.id, "invoice", 7, DAY)
            if not self.persistent:
                says = "reopen() is defined: set persistent = True, or its promise is never tested"
                assert type(self).reopen is RecordsContract.reopen, says
                return
            store = self.reopen(store)
            for record in records:
                assert_same(there(store, type(record), here.id, record.id), record)
            with store.writing() as writer:
                assert writer.take_numbers(here.id, "invoice", 1, DAY) == Counter(next=8, last_on=DAY)
                writer.add([samples.invoice(here, "i9", number="INV-9")])
            store = self.reopen(store)
            assert there(store, Invoice, here.id, "i9").number == "INV-9"
        finally:
            store.close()
