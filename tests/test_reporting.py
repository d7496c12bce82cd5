"""Lists, pages, summary cards and what is owed, on every store: each agrees with the invoices one by one."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    run_state_machine_as_test,
)
from hypothesis.stateful import (
    rule as step,
)

from conftest import NOON
from desks import all_of, facts_from_rows, fly, money, store_of
from invoicecore import Billing, Frequency, InvoiceMethod, Item, Plugins, Status
from invoicecore.billing.reporting import Summary
from invoicecore.credits import CreditEntry
from invoicecore.errors import InvalidValue, InvoicecoreError, NotFound
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle
from invoicecore.money import Money, from_minor, minor, zero
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory, sql

TODAY = date(2026, 3, 2)


@attrs.frozen
class Town:
    """A park with an invoice of every kind and in every status, and everything they can be found by."""

    park: Biller
    guest: Customer
    invoices: tuple[Invoice, ...]
    filters: dict[str, list[object]]


@pytest.fixture
def town(billing: Billing, clock: FixedClock, park: Biller, guest: Customer) -> Town:
    bob = billing.customers.add(biller=park, name="Bob")
    idle = billing.customers.add(biller=park, name="Idle")
    billing.billers.edit(park, policy={"run_issues": True})
    tick = lambda: clock.advance(timedelta(milliseconds=5))  # noqa: E731  # ids sort by the instant they were made

    lease = billing.leases.add(
        biller=park, customer=bob, unit="12", rent=money(620), frequency=Frequency.MONTHLY, starts=date(2026, 1, 1),
        method=InvoiceMethod.EMAIL_PDF,
    )  # fmt: skip
    party = billing.groups.add(biller=park, name="Cyclists", organiser=guest)
    stays = [
        billing.bookings.add(
            biller=park, customer=who, unit=unit, arrives=date(2026, 5, 1), departs=date(2026, 5, 3),
            items=[Item(description="Pitch", unit_price=money(20), quantity=2)], group=group,  # type: ignore[arg-type]
        )
        for who, unit, group in ((guest, "3", None), (bob, "4", party))
    ]  # fmt: skip
    for month in (1, 2, 3):
        tick()
        billing.run(on=date(2026, month, 1))
    tick()
    invoices = [billing.invoices.draft_booking(stays[0])]
    tick()
    invoices += billing.invoices.draft_group(party)
    for number, (who, amount, due) in enumerate(
        itertools.product((guest, bob), (money(100), money("99.99")), (0, 10)), 1
    ):
        tick()
        unit = {"unit": "12"} if number % 2 else {}
        invoices.append(
            billing.invoices.draft(
                biller=park,
                customer=who,
                title=f"T{number}",
                amount=amount,
                due=TODAY + timedelta(days=due),
                **unit,  # type: ignore[arg-type]
            )
        )
    tick()
    for draft in invoices[:-2]:
        billing.invoices.publish(draft, on=TODAY)
    paid, refunded, half, void, pending = (each.id for each in invoices[2:7])
    billing.payments.record(paid)
    billing.payments.record(refunded)
    billing.payments.refund(refunded)
    billing.payments.record(half, money("33.33"))
    billing.payments.refund(half, money("3.33"))
    billing.invoices.void(void)
    billing.invoices.void(invoices[-1])
    with store_of(billing).writing() as tx:
        now = tx.get(Invoice, park.id, [pending])[pending]
        tx.replace([attrs.evolve(now, facts=attrs.evolve(now.facts, in_flight=now.balance))])
    return Town(
        park=billing.billers.get(park),
        guest=guest,
        invoices=tuple(all_of(store_of(billing), park, Invoice)),
        filters={
            "customer": [guest, bob.id, idle],
            "unit": ["12", "3", billing.units.find(biller=park)[0]],
            "lease": [lease],
            "booking": [stays[0], stays[1].id],
            "group": [party],
            "kind": list(InvoiceKind),
        },
    )


DAYS = (date(2026, 1, 1), TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=10), date(2030, 1, 1))


def expected(town: Town, billing: Billing, **wanted: object) -> list[Invoice]:
    """The invoices a filter means, found one by one."""
    ids = {name: getattr(value, "id", value) for name, value in wanted.items()}
    if isinstance(wanted.get("unit"), str):
        ids["unit"] = next(u.id for u in billing.units.find(biller=town.park) if u.number == wanted["unit"])
    return [each for each in town.invoices if all(getattr(each, name) == value for name, value in ids.items())]


@pytest.mark.rule("S10", "S1")
def test_the_town_has_an_invoice_of_every_kind_but_two_and_in_every_status(town: Town) -> None:
    assert {each.kind for each in town.invoices} == set(InvoiceKind) - {InvoiceKind.CHARGES, InvoiceKind.FEE}
    shown = {each.status_on(day) for each in town.invoices for day in DAYS}
    assert shown == set(Status)


@pytest.mark.rule("S10")
def test_invoices_are_found_by_every_filter_and_by_any_two(billing: Billing, town: Town) -> None:
    singles = [{name: value} for name, values in town.filters.items() for value in values]
    pairs = [{**a, **b} for a, b in itertools.combinations(singles, 2) if not set(a) & set(b)]
    for wanted in [{}, *singles, *pairs]:
        page = billing.invoices.find(biller=town.park, limit=1000, **wanted)  # type: ignore[arg-type]
        assert list(page.items) == expected(town, billing, **wanted), wanted
        assert page.next is None


@pytest.mark.rule("S10")
@pytest.mark.parametrize("name", ["customer", "lease", "booking", "group"])
def test_the_biller_may_be_left_out_when_another_filter_names_it(billing: Billing, town: Town, name: str) -> None:
    [value, *_] = town.filters[name]
    assert list(billing.invoices.find(**{name: value}).items) == expected(town, billing, **{name: value})  # type: ignore[arg-type]


@pytest.mark.rule("D5", "D1", "S10")
def test_a_status_filter_is_true_of_exactly_the_invoices_that_show_it_on_that_day(billing: Billing, town: Town) -> None:
    sets: list[Sequence[Status]] = [[each] for each in Status] + [list(p) for p in itertools.combinations(Status, 2)]
    for day, some in itertools.product(DAYS, sets):
        page = billing.invoices.find(biller=town.park, status=some, on=day, limit=1000)
        assert list(page.items) == [each for each in town.invoices if each.status_on(day) in some], (day, some)


@pytest.mark.rule("D5", "M1")
def test_without_a_day_a_status_is_judged_on_the_billers_own_today(
    billing: Billing, clock: FixedClock, town: Town
) -> None:
    due = next(each for each in town.invoices if each.status_on(TODAY) is Status.OPEN and each.due_on == TODAY)
    clock.set(NOON.replace(hour=22, minute=59))  # 23:59 in Paris
    assert due in billing.invoices.find(biller=town.park, status="open").items
    clock.advance(timedelta(minutes=1))
    assert due in billing.invoices.find(biller=town.park, status="overdue").items


ORDERS: dict[str, Callable[[Invoice], tuple[object, str]]] = {
    "created": lambda each: (each.id, each.id),
    "due": lambda each: (each.due_on, each.id),
    "number": lambda each: (each.number, each.id),
    "total": lambda each: (each.total.amount, each.id),
}


@pytest.mark.rule("S10")
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_in_every_order_add_up_to_the_whole_list(
    billing: Billing, town: Town, order: str, descending: bool, limit: int
) -> None:
    whole = [each for each in town.invoices if order != "number" or each.published]
    whole.sort(key=ORDERS[order], reverse=descending)  # type: ignore[arg-type]
    got: list[Invoice] = []
    after = None
    while True:
        sort = f"-{order}" if descending else order
        page = billing.invoices.find(biller=town.park, order=sort, after=after, limit=limit)
        assert 0 < len(page.items) <= limit
        got += page.items
        if (after := page.next) is None:
            break
        assert len(page.items) == limit
    assert got == whole


@pytest.mark.rule("S10")
def test_a_page_goes_on_where_it_stopped_though_invoices_come_and_change_between(
    billing: Billing, clock: FixedClock, town: Town
) -> None:
    first = billing.invoices.find(biller=town.park, order="created", limit=5)
    clock.advance(timedelta(seconds=1))
    fresh = billing.invoices.draft(biller=town.park, customer=town.guest, title="New", amount=money(1))
    rest = billing.invoices.find(biller=town.park, order="created", after=first.next, limit=1000)
    assert [each.id for each in (*first.items, *rest.items)] == [*(each.id for each in town.invoices), fresh.id]


def mark(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.rule("S10")
@pytest.mark.parametrize(
    "order, after",
    [
        pytest.param("created", "", id="empty"),
        pytest.param("created", "!", id="no base64"),
        pytest.param("created", "é", id="no ascii"),
        pytest.param("created", "bm90IGpzb24", id="no json"),
        pytest.param("created", mark(), id="nothing in it"),
        pytest.param("created", mark("created", "x"), id="too little in it"),
        pytest.param("created", mark("created", "x", "y", "z"), id="too much in it"),
        pytest.param("created", base64.b64encode(b"5").decode(), id="a number"),
        pytest.param("created", base64.b64encode(b'"abc"').decode(), id="three letters"),
        pytest.param("created", base64.b64encode(b"[" * 6000).decode(), id="a deep hole"),
        pytest.param("created", mark("-created", "x", "x"), id="of another direction"),
        pytest.param("due", mark("total", 5, "x"), id="of another order"),
        pytest.param("due", mark("due", "soon", "x"), id="no date"),
        pytest.param("due", mark("due", 5, "x"), id="a number for a date"),
        pytest.param("total", mark("total", "5", "x"), id="text for a number"),
        pytest.param("total", mark("total", True, "x"), id="a flag for a number"),
        pytest.param("total", mark("total", 1.5, "x"), id="a float for a number"),
        pytest.param("total", mark("total", 10**30, "x"), id="a number beyond 64 bits"),
        pytest.param("number", mark("number", None, "x"), id="no number"),
        pytest.param("created", mark("created", "x", None), id="no id"),
        pytest.param("created", mark("created", "\ud800", "x"), id="half a character"),
        pytest.param("number", mark("number", "x", "\udfff"), id="half a character as id"),
        pytest.param("created", 5, id="not even text"),
        pytest.param("created", b"abc", id="bytes"),
    ],
)
def test_a_page_mark_that_was_tampered_with_is_refused(billing: Billing, town: Town, order: str, after: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        billing.invoices.find(biller=town.park, order=order, after=after)
    assert caught.value.field == "after"
    assert "give the `next` of a page in the same order" in str(caught.value)


@pytest.mark.rule("S10", "T1")
def test_a_page_mark_of_another_biller_shows_nothing_of_it(billing: Billing, town: Town, condo: Biller) -> None:
    billing.units.add(biller=condo, number="9")
    for _ in range(3):
        billing.invoices.draft(biller=condo, unit="9", title="Dues", amount=money(100, "CAD"))
    foreign = billing.invoices.find(biller=condo, limit=1).next
    page = billing.invoices.find(biller=town.park, after=foreign, limit=1000)
    assert {each.biller for each in page.items} <= {town.park.id}


@pytest.mark.rule("S10")
@pytest.mark.parametrize(
    "given, field",
    [
        ({"status": "late"}, "status"),
        ({"status": []}, "status"),
        ({"status": ["open", "x"]}, "status"),
        ({"kind": "rent"}, "kind"),
        ({"order": "name"}, "order"),
        ({"order": None}, "order"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": None}, "limit"),
        ({"on": "2026-03-02"}, "on"),
        ({"on": NOON}, "on"),
        ({"customer": 5}, "customer"),
        ({"unit": 5}, "unit"),
        ({"biller": 5}, "biller"),
        ({"biller": None}, "biller"),
    ],
)
def test_a_list_refuses_what_it_does_not_know(
    billing: Billing, town: Town, given: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        billing.invoices.find(**{"biller": town.park, **given})  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.rule("T1", "S10")
@pytest.mark.parametrize("name", ["customer", "lease", "booking", "group", "unit", "biller"])
def test_a_filter_by_what_does_not_exist_is_not_found_rather_than_empty(
    billing: Billing, town: Town, name: str
) -> None:
    ref = "nobody" if name == "biller" else f"{town.park.id}_x_never"
    for verb in (billing.invoices.find, billing.invoices.summary):
        with pytest.raises(NotFound) as caught:
            verb(**{"biller": town.park, name: ref})  # type: ignore[operator]
        assert (caught.value.kind, caught.value.key) == (name, ref)


@pytest.mark.rule("N1", "T1")
def test_an_invoice_is_got_by_id_and_by_number_within_its_biller(billing: Billing, town: Town, condo: Biller) -> None:
    one = next(each for each in town.invoices if each.published)
    assert one.number is not None
    assert billing.invoices.get(one) == billing.invoices.get(one.id) == one
    assert billing.invoices.get(one.number, biller=town.park) == one
    assert billing.scoped(town.park).invoices.get(one.number) == one
    for ref in (one, one.id, one.number):
        with pytest.raises(NotFound):
            billing.invoices.get(ref, biller=condo)
        with pytest.raises(NotFound):
            billing.scoped(condo).invoices.get(ref)
    for nothing in (5, None, [one.id]):
        with pytest.raises(InvalidValue):
            billing.invoices.get(nothing)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue):
            billing.invoices.get(nothing, biller=town.park)  # type: ignore[arg-type]


@pytest.mark.rule("N1", "T1")
def test_a_number_with_an_underscore_in_its_prefix_is_found_under_a_scope(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    billing.billers.edit(park, policy={"number_prefix": "A_"})
    draft = billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(1))
    number = billing.invoices.publish(draft).number
    assert number == "A_000001"
    assert billing.scoped(park).invoices.get(number).id == draft.id


@pytest.mark.rule("R8", "T2")
def test_a_customer_sees_their_own_invoices_that_were_ever_published(billing: Billing, town: Town) -> None:
    for who in {each.customer for each in town.invoices if each.customer}:
        mine = [each for each in town.invoices if each.customer == who and each.published]
        assert list(billing.invoices.visible_to(who, limit=1000).items) == mine
        for day, status in itertools.product(DAYS, Status):
            shown = billing.invoices.visible_to(who, status=status, on=day, limit=1000).items
            assert list(shown) == [each for each in mine if each.status_on(day) is status]
    hidden = [each for each in town.invoices if each.lifecycle is Lifecycle.VOID and not each.published]
    seen = [each for each in town.invoices if each.lifecycle is Lifecycle.VOID and each.published]
    assert hidden
    assert seen, "the void ones: one was published, the other never"


@pytest.mark.rule("R8", "R19", "T2")
def test_a_later_occupant_sees_nothing_of_the_unit_before(billing: Billing, condo: Biller, resident: Customer) -> None:
    draft = billing.invoices.draft(biller=condo, unit="1", title="Dues", amount=money(100, "CAD"))
    later = billing.customers.add(biller=condo, name="Later", email="later@example.com")
    assert billing.invoices.visible_to(resident).items == ()
    invoice = billing.invoices.publish(draft)
    billing.units.assign("1", later, biller=condo)
    assert [each.id for each in billing.invoices.visible_to(resident).items] == [invoice.id]
    assert billing.invoices.visible_to(later).items == ()


def cards(invoices: Sequence[Invoice], day: date, currency: str) -> Summary:
    """The summary cards added up one by one, by the words of the rule."""
    counted = [each for each in invoices if each.published and each.lifecycle is not Lifecycle.VOID]

    def add(amounts: Iterator[Money]) -> Money:
        return sum(amounts, zero(currency))

    late = [each for each in counted if day > each.due_on]
    return Summary(
        total=add(each.total - each.facts.noted for each in counted),
        paid=add(each.facts.held for each in counted),
        open=add(each.balance for each in counted if each not in late),
        overdue=add(each.balance for each in late),
        refunded=add(each.facts.refunded for each in counted),
        counts={status: sum(1 for each in invoices if each.status_on(day) is status) for status in Status},
    )


@pytest.mark.rule("R16", "S13")
def test_the_cards_add_up_for_the_biller_and_for_every_filter_on_every_day(billing: Billing, town: Town) -> None:
    singles: list[dict[str, object]] = [{}, *({n: v} for n, values in town.filters.items() for v in values)]
    for wanted, day in itertools.product(singles, DAYS):
        found = billing.invoices.summary(biller=town.park, on=day, **wanted)  # type: ignore[arg-type]
        assert found == cards(expected(town, billing, **wanted), day, "EUR"), (wanted, day)
        assert found.total == found.open + found.overdue + found.paid + found.refunded


@pytest.mark.rule("S13")
def test_outstanding_is_what_is_owed_late_and_pending_ones_too(billing: Billing, town: Town) -> None:
    def owed(**wanted: object) -> Money:
        return sum(
            (each.balance for each in expected(town, billing, **wanted) if each.lifecycle is Lifecycle.OPEN),
            zero("EUR"),
        )

    [lease], [guest, bob, idle] = town.filters["lease"], town.filters["customer"]
    assert billing.invoices.outstanding(biller=town.park) == owed()
    assert billing.invoices.outstanding(lease=lease) == owed(lease=lease) == money(1860)  # type: ignore[arg-type]
    assert billing.invoices.outstanding(customer=guest) == owed(customer=guest)  # type: ignore[arg-type]
    assert billing.invoices.outstanding(customer=idle) == money(0)  # type: ignore[arg-type]
    both = billing.invoices.outstanding(customer=bob, lease=lease)  # type: ignore[arg-type]
    assert both == owed(customer=bob, lease=lease)
    days = {billing.invoices.outstanding(biller=town.park, on=day).amount for day in DAYS}
    assert len(days) == 1, "the day moves money between the cards, never in or out"


@pytest.mark.rule("R16")
def test_a_biller_without_invoices_has_cards_of_zero_in_its_currency(billing: Billing) -> None:
    for code in ("EUR", "JPY", "KWD"):
        biller = billing.billers.add(name="B", currency=code, timezone="UTC", locale="en_GB")
        nothing = zero(code)
        assert billing.invoices.summary(biller=biller) == Summary(
            total=nothing,
            paid=nothing,
            open=nothing,
            overdue=nothing,
            refunded=nothing,
            counts=dict.fromkeys(Status, 0),
        )


@pytest.mark.rule("R16", "M8")
def test_cards_hold_more_than_one_amount_can(billing: Billing, park: Biller, guest: Customer) -> None:
    largest = Money("92233720368547758.07", "EUR")
    for _ in range(3):
        draft = billing.invoices.draft(biller=park, customer=guest, title="T", amount=largest)
        billing.invoices.publish(draft)
    assert billing.invoices.summary(biller=park).total.amount == largest.amount * 3


@pytest.mark.rule("R18")
def test_a_timeline_tells_every_step_of_any_record_oldest_first(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    billing.billers.edit(park, name="Les Pins bleus", actor="ana")
    billing.customers.edit(guest, name="Alicia", actor="bea")
    steps = {
        what: [(step.action, step.actor, step.version) for step in billing.invoices.timeline(what)]  # type: ignore[arg-type]
        for what in (park, guest.id)
    }
    assert steps == {
        park: [("added", None, 1), ("edited", "ana", 2)],
        guest.id: [("added", None, 1), ("edited", "bea", 2)],
    }
    with pytest.raises(NotFound):
        billing.invoices.timeline(f"{park.id}_inv_never")


class Desk(RuleBasedStateMachine):
    """Anything may happen at the desk, in any order; what it says of itself stays true."""

    scheme = "memory"
    amounts = st.integers(1, 500)
    picks = st.integers(0, 1000)
    days = st.integers(0, 40)

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = FixedClock(NOON)
        url = "memory://" if self.scheme == "memory" else f"sqlite:///{Path(self.folder.name) / 'x.db'}"
        self.billing = Billing.open(url, clock=self.clock, plugins=Plugins.of(memory.plugin, sql.plugin))
        self.invoices: list[str] = []
        self.payments: list[str] = []
        self.numbers: list[str] = []

    @initialize(automatic=st.booleans(), currency=st.sampled_from(["EUR", "JPY", "KWD"]))
    def found(self, automatic: bool, currency: str) -> None:
        self.currency = currency
        self.biller = self.billing.billers.add(
            name="B", currency=currency, timezone="Europe/Paris", locale="en_GB", preset="stays",
            policy={"apply_credit": automatic},
        )  # fmt: skip
        self.people = [self.billing.customers.add(biller=self.biller, name=name) for name in "AB"]
        self.billing.units.add(biller=self.biller, number="1")  # nobody lives there

    def teardown(self) -> None:
        self.billing.close()
        self.folder.cleanup()

    def some(self, things: Sequence[str], pick: int) -> str:
        return things[pick % len(things)]

    def money(self, amount: int) -> Money:
        return from_minor(amount, self.currency)

    @step(amount=amounts, days=days, who=st.integers(0, 2), publish=st.booleans())
    def draft(self, amount: int, days: int, who: int, publish: bool) -> None:
        whom = {"customer": self.people[who]} if who < 2 else {"unit": "1"}
        due = TODAY + timedelta(days=days)
        made = self.billing.invoices.draft(
            biller=self.biller,
            title="T",
            amount=self.money(amount),
            due=due,
            on=TODAY,
            **whom,  # type: ignore[arg-type]
        )
        self.invoices.append(made.id)
        if publish:
            self.publish(len(self.invoices) - 1)

    @precondition(lambda self: self.invoices)
    @step(pick=picks)
    def publish(self, pick: int) -> None:
        try:
            made = self.billing.invoices.publish(self.some(self.invoices, pick))
        except InvoicecoreError:
            return
        assert made.number is not None
        self.numbers.append(made.number)

    @step()
    def publish_all(self) -> None:
        report = self.billing.invoices.publish_all(biller=self.biller)
        self.numbers += [each.invoice.number or "" for each in report.published]

    @precondition(lambda self: self.invoices)
    @step(picks=st.lists(picks, min_size=1, max_size=3), amount=st.none() | amounts, rest=st.booleans())
    def pay(self, picks: list[int], amount: int | None, rest: bool) -> None:
        chosen = [self.some(self.invoices, pick) for pick in picks]
        given = None if amount is None else self.money(amount)
        try:
            made = self.billing.payments.record(chosen, given, rest="credit" if rest else None)
        except InvoicecoreError:
            return
        assert sum((part.amount for part in made.allocations), made.credited) == made.amount
        self.payments.append(made.id)

    @precondition(lambda self: self.payments)
    @step(pick=picks)
    def reverse(self, pick: int) -> None:
        try:
            self.billing.payments.reverse(self.some(self.payments, pick))
        except InvoicecoreError:
            return

    @precondition(lambda self: self.invoices)
    @step(pick=picks, amount=st.none() | amounts, to=st.sampled_from(["source", "credit"]))
    def refund(self, pick: int, amount: int | None, to: str) -> None:
        given = None if amount is None else self.money(amount)
        try:
            self.billing.payments.refund(self.some(self.invoices, pick), given, to=to)
        except InvoicecoreError:
            return

    @precondition(lambda self: self.invoices)
    @step(pick=picks)
    def void(self, pick: int) -> None:
        try:
            self.billing.invoices.void(self.some(self.invoices, pick))
        except InvoicecoreError:
            return

    @precondition(lambda self: self.invoices)
    @step(pick=picks)
    def delete(self, pick: int) -> None:
        ref = self.some(self.invoices, pick)
        try:
            self.billing.invoices.delete_draft(ref)
        except InvoicecoreError:
            return
        self.invoices.remove(ref)

    @step(who=st.integers(0, 1), amount=amounts)
    def deposit(self, who: int, amount: int) -> None:
        self.billing.credits.deposit(self.people[who], self.money(amount))

    @step(who=st.integers(0, 1), amount=amounts)
    def withdraw(self, who: int, amount: int) -> None:
        try:
            self.billing.credits.withdraw(self.people[who], self.money(amount))
        except InvoicecoreError:
            return

    @precondition(lambda self: self.invoices)
    @step(pick=picks, amount=st.none() | amounts)
    def apply(self, pick: int, amount: int | None) -> None:
        given = None if amount is None else self.money(amount)
        try:
            self.billing.credits.apply(self.some(self.invoices, pick), given)
        except InvoicecoreError:
            return

    @precondition(lambda self: self.invoices)
    @step(pick=picks, share=st.integers(0, 2))
    def collect(self, pick: int, share: int) -> None:
        """A collection begins, covers a part or all, or ends."""
        now = self.billing.invoices.get(self.some(self.invoices, pick))
        if now.lifecycle is Lifecycle.OPEN:
            fly(self.billing, now, self.money(minor(now.balance) * share // 2))

    @precondition(lambda self: self.invoices)
    @step(pick=picks, amount=st.none() | amounts)
    def credit(self, pick: int, amount: int | None) -> None:
        given = None if amount is None else self.money(amount)
        try:
            self.billing.credit_notes.issue(self.some(self.invoices, pick), amount=given)
        except InvoicecoreError:
            return

    @invariant()
    def cards_add_up_and_agree_with_every_invoice(self) -> None:
        if not hasattr(self, "biller"):
            return
        stored = all_of(store_of(self.billing), self.biller, Invoice)
        assert sorted(each.id for each in stored) == sorted(self.invoices)
        for day in (TODAY, TODAY + timedelta(days=20), TODAY + timedelta(days=41)):
            found = self.billing.invoices.summary(biller=self.biller, on=day)
            assert found == cards(stored, day, self.currency)
            assert found.total == found.open + found.overdue + found.paid + found.refunded
            for status in Status:
                page = self.billing.invoices.find(biller=self.biller, status=status, on=day, limit=1000)
                assert list(page.items) == [each for each in stored if each.status_on(day) is status]

    @invariant()
    def facts_are_the_sums_over_the_rows(self) -> None:
        if not hasattr(self, "biller"):
            return
        for each in all_of(store_of(self.billing), self.biller, Invoice):
            assert each.facts == facts_from_rows(store_of(self.billing), self.biller, each), each.reference
            assert minor(each.facts.credit_held) >= 0
            assert each.settled <= each.total
            if each.lifecycle is Lifecycle.VOID:
                assert minor(each.facts.credit_held) == 0
                assert minor(each.facts.cash_held) <= 0

    @invariant()
    def credit_is_the_sum_of_its_rows_and_never_negative(self) -> None:
        if not hasattr(self, "biller"):
            return
        for who in self.people:
            rows = self.billing.credits.history(who)
            running = zero(self.currency)
            for n, row in enumerate(rows, 1):
                running = running + row.amount
                assert (row.seq, row.balance) == (n, running)
                assert minor(running) >= 0
            assert self.billing.credits.balance(who) == running

    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        """What came in and did not go out again is held on invoices or is credit."""
        if not hasattr(self, "biller"):
            return
        store = store_of(self.billing)
        stored = all_of(store, self.biller, Invoice)
        held = sum(minor(each.facts.held) for each in stored)
        credit = sum(minor(self.billing.credits.balance(who)) for who in self.people)
        paid = all_of(store, self.biller, Payment)
        bounced = {each.payment for each in all_of(store, self.biller, Reversal)}
        came = sum(minor(each.amount) for each in paid if each.id not in bounced)
        went = sum(minor(each.amount) - minor(each.to_credit) for each in all_of(store, self.biller, Refund))
        rows = all_of(store, self.biller, CreditEntry)
        by_hand = sum(minor(row.amount) for row in rows if row.invoice is None and row.payment is None)
        assert came - went + by_hand == held + credit

    @invariant()
    def numbers_have_no_gap_and_no_repeat(self) -> None:
        if not hasattr(self, "biller"):
            return
        stored = all_of(store_of(self.billing), self.biller, Invoice)
        given = sorted(each.number for each in stored if each.number)
        assert given == [f"INV-{n:06d}" for n in range(1, len(given) + 1)] == sorted(self.numbers)


class DeskOnSqlite(Desk):
    scheme = "sqlite"


@pytest.mark.rule("R16", "D1", "D2", "D5", "C8", "N1", "S13", "D3", "S12")
@pytest.mark.parametrize("machine, examples", [(Desk, 60), (DeskOnSqlite, 12)], ids=["memory", "sqlite"])
def test_whatever_happens_at_the_desk_its_books_stay_true(machine: type[Desk], examples: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.rule("R16")
def test_the_cards_can_be_narrowed_to_a_status(billing: Billing, park: Biller, guest: Customer) -> None:
    day = date(2026, 3, 2)
    for amount in ("10.00", "20.00"):
        draft = billing.invoices.draft(biller=park, customer=guest, title="Pitch", amount=Money(amount, "EUR"))
        invoice = billing.invoices.publish(draft)
    billing.payments.record(invoice)
    paid = billing.invoices.summary(biller=park, status="paid", on=day)
    assert (paid.total, paid.paid, paid.open) == (Money("20.00", "EUR"), Money("20.00", "EUR"), Money("0.00", "EUR"))
    assert {status.value: n for status, n in paid.counts.items() if n} == {"paid": 1}
    both = billing.invoices.summary(biller=park, status=["paid", "open"], on=day)
    assert both == billing.invoices.summary(biller=park, on=day)
