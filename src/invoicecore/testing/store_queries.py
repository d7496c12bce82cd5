"""The store contract, part three: questions about invoices, sums, schedules and ledgers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import combinations, count

import attrs
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, Phase, Status
from invoicecore.money import MAX_MINOR, minor
from invoicecore.parties import BillingCycle, Customer
from invoicecore.ports import InvoiceQuery, Order, PayLink, Reader, Store, Sums
from invoicecore.testing import samples, strategies
from invoicecore.testing.checks import assert_same, examples, ids, rule, write
from invoicecore.testing.samples import AT, DAY, TOMORROW, YESTERDAY, World, world
from invoicecore.testing.strategies import sort_value


def matches(invoice: Invoice, wanted: InvoiceQuery) -> bool:
    """Whether an invoice matches every filter that is given: what a store's own language must agree with (D5)."""
    return (
        invoice.biller == wanted.biller
        and (not wanted.status or invoice.status_on(wanted.on) in wanted.status)
        and (not wanted.kinds or invoice.kind in wanted.kinds)
        and (not wanted.customers or invoice.customer in wanted.customers)
        and (wanted.published is None or invoice.published is wanted.published)
        and (wanted.due_by is None or invoice.due_on <= wanted.due_by)
        and (wanted.leases is None or wanted.leases[0] <= (invoice.lease or "") <= wanted.leases[1])
        and (not wanted.claims or invoice.period_index is not None or invoice.cycle is not None)
        and (not wanted.payable or (invoice.lifecycle is Lifecycle.OPEN and minor(invoice.balance) > 0))
        and all(
            getattr(wanted, field) is None or getattr(invoice, field) == getattr(wanted, field)
            for field in ("unit", "lease", "period_index", "booking", "group", "number", "drafted_on")
        )
    )


def in_order(invoices: Iterable[Invoice], order: Order) -> list[Invoice]:
    """Invoices as an order lists them; the descending ones are the very reverse, ties included."""
    numbered = order in (Order.NUMBER, Order.NUMBER_DESC)
    listed = [invoice for invoice in invoices if invoice.published or not numbered]
    return sorted(listed, key=lambda each: (sort_value(each, order), each.id), reverse=order.value.startswith("-"))


def pages(reader: Reader, wanted: InvoiceQuery, size: int) -> Iterator[list[Invoice]]:
    """Page after page of a query, each from the last item of the one before."""
    wanted = attrs.evolve(wanted, limit=size)
    while page := reader.invoices(wanted):
        yield page
        wanted = attrs.evolve(wanted, after=(sort_value(page[-1], wanted.order), page[-1].id))


def fold(invoices: Iterable[Invoice], on: date) -> Sums:
    """The sums of some invoices, from their own properties alone (R16, S13)."""
    counts = dict.fromkeys(Status, 0)
    total = paid = refunded = unpaid = overdue = 0
    for invoice in invoices:
        counts[invoice.status_on(on)] += 1
        if invoice.published and invoice.lifecycle is not Lifecycle.VOID:
            total += minor(invoice.total) - minor(invoice.facts.noted)
            paid += minor(invoice.facts.held)
            refunded += minor(invoice.facts.refunded)
            if on > invoice.due_on:
                overdue += minor(invoice.balance)
            else:
                unpaid += minor(invoice.balance)
    return Sums(counts=counts, total=total, paid=paid, refunded=refunded, open=unpaid, overdue=overdue)


def assert_sums(sums: Sums, expected: Sums) -> None:
    """Fail unless sums are equal; a status nobody has may be left out of the counts."""
    assert {status: sums.counts.get(status, 0) for status in Status} == expected.counts
    assert attrs.evolve(sums, counts={}) == attrs.evolve(expected, counts={})
    assert all(type(getattr(sums, name)) is int for name in ("total", "paid", "refunded", "open", "overdue"))


def gallery(here: World) -> list[Invoice]:
    """One invoice for each filter to find, in every status."""
    make = samples.invoice
    return [
        make(here, "draft", unit="u1", drafted_on=YESTERDAY),
        make(here, "void draft", lifecycle=Lifecycle.VOID, voided_on=DAY, customer="c2"),
        make(here, "void", number="INV-1", lifecycle=Lifecycle.VOID, voided_on=DAY, unit="u2"),
        make(here, "due today", number="INV-2", paid=400, customer=None),
        make(here, "due yesterday", number="INV-3", due_on=YESTERDAY, credit=100, kind=InvoiceKind.CHARGES, cycle=DAY),
        make(here, "due tomorrow", number="INV-4", due_on=TOMORROW, kind=InvoiceKind.LEASE, lease="l1", period_index=0),
        make(here, "pending", number="INV-5", due_on=YESTERDAY, in_flight=1_000, lease="l2", period_index=1),
        make(here, "partly in flight", number="INV-6", due_on=YESTERDAY, in_flight=999, paid=0),
        make(here, "paid", number="INV-7", paid=1_000, kind=InvoiceKind.BOOKING, booking="k1"),
        make(here, "paid and more", number="INV-8", paid=700, credit=400, booking="k2", group="g2"),
        make(here, "partly refunded", number="INV-9", paid=1_000, refunded=999, kind=InvoiceKind.GROUP, group="g1"),
        make(here, "refunded", number="INV-0", paid=1_000, refunded=1_000, customer="c3"),
        make(here, "refunded, then bounced", number="INV-A", refunded=1_000, due_on=YESTERDAY),
        make(here, "credited", number="INV-B", noted=1_000),
        make(here, "partly credited", number="INV-C", noted=300, paid=200),
        make(here, "pending but for a credit note", number="INV-D", noted=300, in_flight=700),
        make(here, "credited and refunded", number="INV-E", noted=400, paid=600, refunded=600),
    ]


# Every filter of InvoiceQuery, with values that find some of the gallery and leave some.
FILTERS: dict[str, list[object]] = {
    "status": [frozenset({status}) for status in Status],
    "kinds": [frozenset({InvoiceKind.LEASE}), frozenset({InvoiceKind.GROUP, InvoiceKind.BOOKING})],
    "customers": [("c1",), ("c2", "c3", "c2"), tuple(f"c{n}" for n in range(2, 3_000))],
    "unit": ["u1", "u2"],
    "lease": ["l1", "l2"],
    "leases": [("l1", "l1"), ("l1a", "l3"), ("l1", "l2")],
    "period_index": [0, 1],
    "booking": ["k1", "k2"],
    "group": ["g1", "g2"],
    "number": ["INV-3"],
    "drafted_on": [DAY, YESTERDAY],
    "published": [True, False],
    "payable": [True],
    "due_by": [DAY, YESTERDAY],
    "claims": [True],
}


class QueriesContract:
    """Part of StoreContract: the store's own query language agrees with the values."""

    @rule("S10", "R8")
    def test_each_filter_finds_what_it_says(self, store: Store) -> None:
        """Alone, each with something to find and something to leave."""
        here = world()
        invoices = gallery(here)
        write(store, *here.records, *invoices)
        every = InvoiceQuery(biller=here.id, on=DAY)
        asked = {field.name for field in attrs.fields(InvoiceQuery)} - {"biller", "on", "order", "after", "limit"}
        assert FILTERS.keys() == asked
        with store.reading() as reader:
            for name, values in FILTERS.items():
                for value in values:
                    wanted = attrs.evolve(every, **{name: value})  # type: ignore[arg-type]  # one field of many types
                    expected = [invoice for invoice in in_order(invoices, Order.CREATED) if matches(invoice, wanted)]
                    assert 0 < len(expected) < len(invoices), f"{name}={value} tells nothing apart"
                    assert ids(reader.invoices(wanted)) == ids(expected), f"{name}={value}"
            assert ids(reader.invoices(every)) == ids(in_order(invoices, Order.CREATED))
            for found, given_one in zip(reader.invoices(every), in_order(invoices, Order.CREATED), strict=True):
                assert_same(found, given_one)
            assert reader.invoices(attrs.evolve(every, customers=("c1",), unit="none")) == []

    @rule("S10")
    def test_two_filters_together_find_what_both_say(self, store: Store) -> None:
        """Every two values of every two filters."""
        here = world()
        invoices = gallery(here)
        write(store, *here.records, *invoices)
        asked = [(name, value) for name, values in FILTERS.items() for value in values]
        with store.reading() as reader:
            for (name, value), (other, also) in combinations(asked, 2):
                if name != other:
                    wanted = InvoiceQuery(biller=here.id, on=DAY, **{name: value, other: also})  # type: ignore[arg-type]  # fields of many types
                    expected = [invoice for invoice in in_order(invoices, Order.CREATED) if matches(invoice, wanted)]
                    assert ids(reader.invoices(wanted)) == ids(expected), f"{name}={value}, {other}={also}"

    @rule("S10", "D5")
    def test_filters_combined_agree_with_the_values(self, store: Store) -> None:
        """Any filters together, in any order, on any day, give what matches each of them, and the sums of it."""
        numbers = count()

        @examples(150)
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            here = world(f"b{next(numbers)}")
            invoices = data.draw(strategies.invoice_sets(here))
            write(store, *here.records, *invoices)
            with store.reading() as reader:
                for wanted in data.draw(st.lists(strategies.queries(here), min_size=1, max_size=5)):
                    expected = [invoice for invoice in invoices if matches(invoice, wanted)]
                    assert ids(reader.invoices(wanted)) == ids(in_order(expected, wanted.order))
                    assert_sums(reader.sums(wanted), fold(expected, wanted.on))
                    assert reader.count(wanted) == len(expected)

        check()

    @rule("D1", "D2", "D5")
    def test_status_filters_agree_with_the_status_shown(self, store: Store) -> None:
        """On every invoice, in every phase, on every day about its due date and far from it, by every set."""
        numbers = count()

        @examples(150)
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            here = world(f"b{next(numbers)}")
            phases = data.draw(st.lists(st.sampled_from(Phase), max_size=6))
            invoices = [
                data.draw(
                    strategies.invoices(here, f"i{n}", number=f"INV-{n}", phase=phase, revision=n, detailed=False)
                )
                for n, phase in enumerate(phases)
            ]
            assert [invoice.phase for invoice in invoices] == phases
            write(store, *here.records, *invoices)
            about = [invoice.due_on + timedelta(days=n) for invoice in invoices for n in (-1, 0, 1) if _fits(invoice)]
            some = data.draw(st.lists(st.sampled_from(about) if about else strategies.dates(), max_size=3))
            some.append(data.draw(strategies.dates()))
            several = data.draw(st.frozensets(st.sampled_from(Status), min_size=2))
            with store.reading() as reader:
                for on in some:
                    for wanted in (*(frozenset({status}) for status in Status), several):
                        found = reader.invoices(InvoiceQuery(biller=here.id, on=on, status=wanted))
                        expected = {invoice.id for invoice in invoices if invoice.status_on(on) in wanted}
                        assert set(ids(found)) == expected, f"{sorted(wanted)} on {on}"
                    counts = reader.sums(InvoiceQuery(biller=here.id, on=on)).counts
                    assert sum(counts.values()) == len(invoices)

        check()

    @rule("S10")
    def test_every_order_pages_through_the_whole_without_gap_or_repeat(self, store: Store) -> None:
        """By (sort value, id), also where many tie; the descending orders are the very reverse."""
        here = world()
        invoices = [
            samples.invoice(
                here,
                f"i{n:02d}",
                number=f"INV-{97 * n % 100:02d}" if n % 5 else None,
                amount=1_000 + n % 3,
                due_on=DAY + timedelta(days=n * 7 % 4),
                customer=f"c{n % 3 + 1}",
            )
            for n in range(40)
        ]
        write(store, *here.records, *invoices)
        filters: list[dict[str, tuple[str, ...]]] = [{}, {"customers": ("c1", "c3")}]
        with store.reading() as reader:
            for order in Order:
                for chosen in filters:
                    wanted = InvoiceQuery(biller=here.id, on=DAY, order=order, customers=chosen.get("customers", ()))
                    whole = in_order([invoice for invoice in invoices if matches(invoice, wanted)], order)
                    assert ids(reader.invoices(wanted)) == ids(whole), order
                    for size in (1, 7, 100):
                        seen: list[str] = []
                        for page in pages(reader, wanted, size):
                            assert len(page) <= size, f"{order}: a page is longer than its limit"
                            seen += ids(page)
                            assert len(seen) <= len(whole), f"{order} in pages of {size} repeats"
                        assert seen == ids(whole), f"{order} in pages of {size}"
            removed = InvoiceQuery(biller=here.id, on=DAY, after=("i05x", "i05x"), limit=1)
            assert ids(reader.invoices(removed)) == ["i06"], "the last one read may be gone by now"

    @rule("R16", "S13")
    def test_sums_are_of_everything_that_matches_whatever_the_page(self, store: Store) -> None:
        """Order, `after` and limit choose what is listed, not what is counted; drafts and void ones are only counted."""
        here = world()
        invoices = gallery(here)
        write(store, *here.records, *invoices)
        expected = fold(invoices, DAY)
        with store.reading() as reader:
            for order in Order:
                after = ("INV-9", "zzz") if "number" in order else ("zzz", "zzz")
                wanted = InvoiceQuery(biller=here.id, on=DAY, order=order, limit=1)
                assert_sums(reader.sums(wanted), expected)
                assert reader.count(attrs.evolve(wanted, limit=1)) == sum(expected.counts.values())
                if order in (Order.CREATED, Order.NUMBER):
                    assert_sums(reader.sums(attrs.evolve(wanted, after=after)), expected)
            sums = reader.sums(InvoiceQuery(biller=here.id, on=DAY))
        # Written out once, so that the fold itself is held to the rule.
        assert (sums.total, sums.paid, sums.refunded) == (12_000, 1_801, 3_599)
        assert (sums.open, sums.overdue) == (600 + 1_000 + 500 + 700, 900 + 1_000 + 1_000 + 1_000)
        overpaid = 100  # by "paid and more", the only one that holds more than it was billed
        assert sums.total + overpaid == sums.open + sums.overdue + sums.paid + sums.refunded
        assert sums.counts[Status.DRAFT] == 1
        assert sums.counts[Status.VOID] == 2

    @rule("R16", "M8")
    def test_sums_may_be_larger_than_any_amount(self, store: Store) -> None:
        """Each amount fits 64 bits; their sum need not, and is exact all the same."""
        here = world()
        invoices = [
            samples.invoice(here, "i1", number="INV-1", amount=MAX_MINOR),
            samples.invoice(here, "i2", number="INV-2", amount=MAX_MINOR, due_on=YESTERDAY),
            samples.invoice(here, "i3", number="INV-3", amount=MAX_MINOR, due_on=YESTERDAY, paid=1),
            samples.invoice(here, "i4", number="INV-4", amount=MAX_MINOR, paid=MAX_MINOR),
            samples.invoice(here, "i5", number="INV-5", amount=MAX_MINOR, paid=MAX_MINOR),
            samples.invoice(here, "i6", number="INV-6", amount=MAX_MINOR, paid=MAX_MINOR, refunded=MAX_MINOR),
            samples.invoice(here, "i7", number="INV-7", amount=MAX_MINOR, paid=MAX_MINOR, refunded=MAX_MINOR),
            samples.invoice(here, "i8", number="INV-8", amount=MAX_MINOR, refunded=MAX_MINOR),
        ]
        write(store, *here.records, *invoices)
        with store.reading() as reader:
            assert_sums(reader.sums(InvoiceQuery(biller=here.id, on=DAY)), fold(invoices, DAY))

    @rule("R16", "S13", "M8")
    def test_sums_agree_with_a_fold_over_the_invoices(self, store: Store) -> None:
        """Whatever was paid, returned or is in flight, and however large."""
        numbers = count()

        @examples(100)
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            here = world(f"b{next(numbers)}", data.draw(strategies.currencies()))
            invoices = data.draw(strategies.invoice_sets(here, largest=MAX_MINOR))
            write(store, *here.records, *invoices)
            on = data.draw(strategies.dates())
            with store.reading() as reader:
                sums = reader.sums(InvoiceQuery(biller=here.id, on=on))
                assert_sums(sums, fold(invoices, on))
                mine = reader.sums(InvoiceQuery(biller=here.id, on=on, customers=("c1",)))
                assert_sums(mine, fold([invoice for invoice in invoices if invoice.customer == "c1"], on))

        check()

    @rule("S4", "S7")
    def test_due_leases_come_by_date_in_pages(self, store: Store) -> None:
        """Those whose day has come, that day included, by (day, id); leases without a day never do."""
        here = world()
        days = [DAY, TOMORROW, YESTERDAY, None, DAY, date(2020, 2, 29), DAY]
        leases = [
            attrs.evolve(here.leases[0], id=f"d{n}", next_run_on=day, finished=day is None)
            for n, day in enumerate(days)
        ]
        write(store, *here.records, *leases)
        with store.reading() as reader:
            due = reader.due_leases(here.id, DAY, after=None, limit=100)
            assert ids(due) == ["d5", "d2", "d0", "d4", "d6"]
            assert_same(due[0], leases[5])
            assert ids(reader.due_leases(here.id, DAY, after=(DAY, "d0"), limit=1)) == ["d4"]
            assert ids(reader.due_leases(here.id, DAY, after=(YESTERDAY, "d9"), limit=2)) == ["d0", "d4"]
            assert reader.due_leases(here.id, date(2019, 1, 1), after=None, limit=5) == []
            assert ids(reader.due_leases(here.id, TOMORROW, after=(DAY, "d6"), limit=5)) == ["d1"]
            seen, after = [], None
            while page := reader.due_leases(here.id, DAY, after=after, limit=2):
                assert len(page) <= 2
                seen += ids(page)
                last = page[-1]
                assert last.next_run_on is not None
                after = (last.next_run_on, last.id)
                assert len(seen) <= len(due), "due leases repeat"
            assert seen == ids(due)

    @rule("S4", "N4")
    def test_due_leases_between_two_ids_come_by_id_in_pages(self, store: Store) -> None:
        """Both ends included, whatever the day each came due on; nothing beyond, and nothing that is not due."""
        here, there = world("b1"), world("b2")
        days = [DAY, TOMORROW, YESTERDAY, None, DAY, date(2020, 2, 29), DAY]
        for one in (here, there):
            leases = [attrs.evolve(one.leases[0], id=f"d{n}", next_run_on=day) for n, day in enumerate(days)]
            write(store, *one.records, *leases)
        for opened in (store.reading, store.writing):
            with opened() as tx:
                found = tx.due_leases(here.id, DAY, after=None, limit=100, among=("d0", "d5"))
                assert ids(found) == ["d0", "d2", "d4", "d5"]
                assert {lease.biller for lease in found} == {here.id}
                assert ids(tx.due_leases(here.id, DAY, after=None, limit=100, among=("d0a", "d4"))) == ["d2", "d4"]
                assert ids(tx.due_leases(here.id, DAY, after=None, limit=2, among=("d2", "d6"))) == ["d2", "d4"]
                assert ids(tx.due_leases(here.id, DAY, after=(DAY, "d4"), limit=2, among=("d2", "d6"))) == ["d5", "d6"]
                assert ids(tx.due_leases(here.id, DAY, after=(DAY, "d6"), limit=2, among=("d2", "d6"))) == []
                assert ids(tx.due_leases(here.id, TOMORROW, after=None, limit=9, among=("d1", "d3"))) == ["d1", "d2"]
                assert ids(tx.due_leases(here.id, DAY, after=None, limit=9, among=("d3", "d3"))) == []
                assert ids(tx.due_leases(here.id, DAY, after=None, limit=9, among=("d6", "d0"))) == []

    @rule("S4", "N4")
    def test_the_due_leases_are_cut_into_spans_by_id(self, store: Store) -> None:
        """Each due lease is in exactly one span; each span but the last has as many as were asked for."""
        here, there = world("b1"), world("b2")
        days = [DAY, YESTERDAY, None, TOMORROW]
        leases = [attrs.evolve(here.leases[0], id=f"d{n:02d}", next_run_on=days[n % 4]) for n in range(24)]
        write(store, *here.records, *leases, *there.records)
        due = [lease.id for lease in leases if lease.next_run_on in (DAY, YESTERDAY)]
        with store.reading() as reader:
            assert reader.due_spans(here.id, DAY, size=5) == [
                (due[0], due[4], 5), (due[5], due[9], 5), (due[10], due[11], 2),
            ]  # fmt: skip
            assert reader.due_spans(here.id, DAY, size=12) == [(due[0], due[11], 12)]
            assert reader.due_spans(here.id, DAY, size=1) == [(id, id, 1) for id in due]
            assert reader.due_spans(here.id, YESTERDAY, size=100) == [("d01", "d21", 6)]
            assert reader.due_spans(here.id, date(2019, 1, 1), size=100) == []
            assert reader.due_spans(there.id, DAY, size=100) == []
            for size in (1, 5, 7, 100):
                spans = [(first, last) for first, last, _ in reader.due_spans(here.id, DAY, size=size)]
                parts = [reader.due_leases(here.id, DAY, after=None, limit=100, among=span) for span in spans]
                assert [lease.id for part in parts for lease in part] == due

    @rule("C9")
    def test_due_customers_come_by_date_in_pages(self, store: Store) -> None:
        """Those whose billing day has come, that day included, by (day, id)."""
        here = world()
        days = [DAY, TOMORROW, YESTERDAY, None, DAY]
        customers = [
            Customer(id=f"d{n}", biller=here.id, name="D", billing_cycle=BillingCycle.MONTHLY, next_cycle_on=day)
            for n, day in enumerate(days)
        ]
        write(store, *here.records, *customers)
        with store.reading() as reader:
            due = reader.due_customers(here.id, DAY, after=None, limit=100)
            assert ids(due) == ["d2", "d0", "d4"]
            assert_same(due[0], customers[2])
            assert ids(reader.due_customers(here.id, DAY, after=(YESTERDAY, "d2"), limit=1)) == ["d0"]
            assert ids(reader.due_customers(here.id, DAY, after=(DAY, "d0"), limit=5)) == ["d4"]
            assert reader.due_customers(here.id, date(2019, 1, 1), after=None, limit=5) == []

    @rule("T1", "T2")
    def test_a_link_is_found_by_its_token_whoever_its_biller_is(self, store: Store) -> None:
        """Revoked ones too, which open nothing; a token nobody was given finds nothing."""
        here, there = world("b1"), world("b2")
        links = {
            one.id: PayLink(id=f"token of {one.id}", biller=one.id, invoice="i1", made_at=AT) for one in (here, there)
        }
        for one in (here, there):
            write(store, *one.records, samples.invoice(one, "i1", number="INV-1"), links[one.id])
        with store.writing() as writer:
            assert_same(writer.pay_link("token of b2"), links["b2"])
            writer.replace([attrs.evolve(links["b1"], revoked_at=AT)])
            writer.add([PayLink(id="another", biller="b1", invoice="i1", made_at=AT)])
        with store.reading() as reader:
            assert_same(reader.pay_link("token of b1"), attrs.evolve(links["b1"], revoked_at=AT, version=2))
            assert reader.pay_link("token of b3") is None
            assert ids(reader.find(PayLink, "b1", {"invoice": "i1"})) == ["another", "token of b1"]

    @rule("C8")
    def test_the_last_credit_of_each_customer_has_the_highest_number(self, store: Store) -> None:
        """Per currency; a customer without entries is left out, and thousands may be asked for at once."""
        here = world()
        entries = [
            *(samples.credit(here, seq) for seq in (2, 10, 9, 1)),
            samples.credit(here, 3, customer="c2"),
            samples.credit(here, 30, currency="JPY"),
            samples.credit(here, 4, customer="c2", currency="JPY", id="0"),
        ]
        write(store, *here.records, *entries)
        with store.reading() as reader:
            asked = [f"c{n}" for n in range(3_000)]
            euros = reader.last_credits(here.id, asked, "EUR")
            assert {customer: entry.seq for customer, entry in euros.items()} == {"c1": 10, "c2": 3}
            assert_same(euros["c1"], entries[1])
            yen = reader.last_credits(here.id, ["c2", "c3"], "JPY")
            assert {customer: entry.seq for customer, entry in yen.items()} == {"c2": 4}
            assert reader.last_credits(here.id, [], "EUR") == {}
            assert reader.last_credits(here.id, ["c1"], "USD") == {}


def _fits(invoice: Invoice) -> bool:
    return date.min < invoice.due_on < date.max
