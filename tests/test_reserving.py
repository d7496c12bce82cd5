"""Bookings and groups: what a stay is, and who is billed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desks import all_of, everything, store_of
from invoicecore import Billing, Item, Money, Status, TaxRate
from invoicecore.bookings import Booking, Group, booking_lines, check_sites, shared_lines
from invoicecore.errors import (
    AlreadyBilled,
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    KeyReused,
    NotFound,
    NothingToBill,
)
from invoicecore.invoices import Invoice, InvoiceKind, Line, as_lines, site_subtotals
from invoicecore.money import from_minor, minor, total
from invoicecore.parties import Biller, Customer
from invoicecore.periods import Period
from invoicecore.testing import FixedClock

TODAY = date(2026, 3, 2)
ARRIVES, DEPARTS = date(2026, 7, 1), date(2026, 7, 5)
VAT10 = TaxRate(name="TVA 10 %", percent=Decimal(10), category="S")
CITY = TaxRate(name="Taxe de séjour", percent=Decimal("1.5"))

Book = Callable[..., Booking]


def eur(amount: str | int) -> Money:
    return Money(str(amount), "EUR")


STAY = (
    Item(description="Pitch", unit_price=eur("25.00"), quantity=Decimal(4), taxes=(VAT10, CITY)),
    Item(description="Electricity", unit_price=eur("4.33"), quantity=Decimal(4), taxes=(VAT10,)),
    Item(description="Dog", unit_price=eur("3.01")),
)


@pytest.fixture
def book(billing: Billing, park: Biller, guest: Customer) -> Book:
    """Books four nights on site 12 for the guest."""

    def made(**changes: object) -> Booking:
        given = {"customer": guest, "unit": "12", "arrives": ARRIVES, "departs": DEPARTS, "items": STAY, **changes}
        return billing.bookings.add(**given)  # type: ignore[arg-type]  # wrong on purpose in some tests

    return made


@attrs.frozen
class Party:
    """A group of three bookings on sites 2, 10 and none, and two people besides the organiser who may pay."""

    group: Group
    stays: tuple[Booking, ...]
    ann: Customer
    bob: Customer


@pytest.fixture
def party(billing: Billing, park: Biller, guest: Customer, book: Book) -> Party:
    ann, bob = (billing.customers.add(biller=park, name=name, email=f"{name}@example.com") for name in ("ann", "bob"))
    group = billing.groups.add(biller=park, name="Scouts", organiser=guest)
    stays = tuple(book(unit=site, customer=who, group=group) for site, who in (("10", ann), ("2", bob), (None, bob)))
    return Party(group, stays, ann, bob)


# --- bookings ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S1", "M3")
def test_a_booking_is_kept_as_it_was_made(billing: Billing, park: Biller, guest: Customer, book: Book) -> None:
    made = book()
    assert (made.arrives, made.departs, made.nights, made.items) == (ARRIVES, DEPARTS, 4, STAY)
    assert billing.bookings.get(made) == made
    assert [unit.number for unit in billing.units.find(biller=park)] == ["12"]  # registered on the spot
    again = book(arrives=DEPARTS, departs=DEPARTS + timedelta(days=1))
    assert (again.unit, again.nights) == (made.unit, 1)
    assert billing.bookings.find(biller=park) == [made, again]


@pytest.mark.rule("S1", "M3", "M8")
@pytest.mark.parametrize(
    "wrong, error, field, reason",
    [
        ({"departs": ARRIVES}, InvalidValue, "departs", "is not after the arrival on 2026-07-01"),
        ({"departs": ARRIVES - timedelta(days=1)}, InvalidValue, "departs", "give at least one night"),
        ({"arrives": "2026-07-01"}, InvalidValue, "arrives", "a str is not a date"),
        ({"items": ()}, InvalidValue, "items", "is empty"),
        ({"items": ("Pitch",)}, InvalidValue, "items[0]", "is not an Item"),
        ({"items": (STAY[0], Item(description="", unit_price=eur(1)))}, InvalidValue, "items[1].description", "blank"),
        (
            {"items": (Item(description="x", unit_price=eur("0.001")),)},
            InvalidMoney,
            "items[0].unit_price",
            "more decimals than EUR has",
        ),
        (
            {"items": (Item(description="x", unit_price=Money("1", "USD")),)},
            CurrencyMismatch,
            "items[0].unit_price",
            "is in USD where EUR is expected",
        ),
        (
            {"items": (Item(description="x", unit_price=eur(1), quantity=1.5),)},  # type: ignore[arg-type]
            InvalidValue,
            "items[0].quantity",
            "a float is not an exact number",
        ),
        (
            {"items": (Item(description="x", unit_price=eur(1), taxes=("10 %",)),)},  # type: ignore[arg-type]
            InvalidValue,
            "items[0].taxes",
            "is not a TaxRate",
        ),
    ],
)
def test_a_wrong_booking_is_refused_and_writes_nothing(
    billing: Billing,
    park: Biller,
    book: Book,
    wrong: dict[str, object],
    error: type[InvalidValue],
    field: str,
    reason: str,
) -> None:
    before = everything(store_of(billing), park)
    with pytest.raises(error) as refused:
        book(**wrong)
    assert (type(refused.value), refused.value.field) == (error, field)
    assert reason in str(refused.value)
    assert str(refused.value).endswith(refused.value.way_out)
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("S1", "T1")
def test_a_booking_names_a_customer_and_a_group_of_its_biller(
    billing: Billing, book: Book, resident: Customer, condo: Biller
) -> None:
    theirs = billing.groups.add(biller=condo, name="Party", organiser=resident)
    for wrong in ({"group": theirs}, {"group": "nothing"}, {"customer": "nobody"}):
        with pytest.raises(NotFound):
            book(**wrong)
    assert billing.groups.find(biller=condo) == [theirs]


@pytest.mark.rule("N3", "S1")
def test_bookings_and_groups_are_made_once_per_key(billing: Billing, park: Biller, guest: Customer, book: Book) -> None:
    group = billing.groups.add(biller=park, name="Scouts", organiser=guest, key="g")
    assert billing.groups.add(biller=park, name="Scouts", organiser=guest, key="g") == group
    with pytest.raises(KeyReused):
        billing.groups.add(biller=park, name="Others", organiser=guest, key="g")
    with pytest.raises(InvalidValue, match="name=' ': is blank"):
        billing.groups.add(biller=park, name=" ", organiser=guest)
    first = book(key="b")
    assert book(key="b") == first
    others: list[dict[str, object]] = [
        {"unit": "13"},
        {"arrives": ARRIVES + timedelta(days=1)},
        {"departs": DEPARTS + timedelta(days=1)},
        {"items": STAY[:2]},
        {"group": group},
    ]
    for other in others:
        with pytest.raises(KeyReused):
            book(key="b", **other)
    assert all_of(store_of(billing), park, Booking) == [first]


# --- drafting a booking -----------------------------------------------------------------------------------------------


@pytest.mark.rule("S1", "M7", "M10")
def test_a_booking_is_drafted_with_all_its_items(billing: Billing, guest: Customer, book: Book) -> None:
    stay = book()
    made = billing.invoices.draft_booking(stay, due=ARRIVES, description="Gate code 12", notify=True)
    assert [(line.description, line.amount) for line in made.lines] == [
        ("Pitch", eur(100)),
        ("Electricity", eur("17.32")),
        ("Dog", eur("3.01")),
    ]
    assert [(tax.rate, tax.base, tax.tax) for tax in made.taxes] == [
        (VAT10, eur("117.32"), eur("11.73")),
        (CITY, eur(100), eur("1.50")),
    ]
    assert (made.total, made.net, made.kind) == (eur("133.56"), eur("120.33"), InvoiceKind.BOOKING)
    assert (made.customer, made.booking, made.unit, made.due_on) == (guest.id, stay.id, stay.unit, ARRIVES)
    assert (made.title, made.notify, made.description) == ("Réservation", True, "Gate code 12")
    assert billing.invoices.get(made) == made
    assert billing.invoices.find(booking=stay).items == (made,)


@pytest.mark.rule("S1", "M7")
def test_a_booking_priced_with_tax_totals_what_was_quoted(billing: Billing, book: Book) -> None:
    made = billing.invoices.draft_booking(book(), prices_include_tax=True)
    assert made.total == eur("120.33")
    assert made.net + total([tax.tax for tax in made.taxes], "EUR") == made.total
    assert made.net < made.total


@pytest.mark.rule("S1", "R4", "R5")
def test_a_booking_is_on_one_live_invoice(billing: Billing, park: Biller, guest: Customer, book: Book) -> None:
    stay = book()
    first = billing.invoices.draft_booking(stay)
    before = everything(store_of(billing), park)
    with pytest.raises(AlreadyBilled, match=f"booking {stay.id} is already on invoice D-000001; void or delete"):
        billing.invoices.draft_booking(stay)
    assert everything(store_of(billing), park) == before
    billing.invoices.delete_draft(first)
    second = billing.invoices.publish(billing.invoices.draft_booking(stay))
    with pytest.raises(AlreadyBilled, match="INV-000001"):
        billing.invoices.draft_booking(stay)
    billing.invoices.void(second)
    assert billing.invoices.draft_booking(stay).lines == second.lines
    with pytest.raises(NothingToBill, match=r"the total is 0\.00 EUR"):
        billing.invoices.draft_booking(book(items=[Item(description="Free", unit_price=eur(0))]))
    for wrong, words in (({"title": ""}, "title='': is blank"), ({"due": date(2026, 3, 1)}, "is before 2026-03-02")):
        with pytest.raises(InvalidValue, match=words):
            billing.invoices.draft_booking(book(), **wrong)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.rule("N3", "S1", "R3")
def test_a_booking_is_drafted_once_per_key(
    billing: Billing, park: Biller, clock: FixedClock, guest: Customer, book: Book
) -> None:
    billing.customers.edit(guest, email=None)
    stay = book()
    first = billing.invoices.draft_booking(stay, key="k")
    again = billing.invoices.draft_booking(stay, key="k")
    assert (again, [warning.code for warning in again.warnings]) == (first, ["no_email"])
    billing.invoices.publish(first)
    billing.billers.edit(park, payments=False)
    clock.advance(timedelta(days=200))
    assert billing.invoices.draft_booking(stay, key="k").number == "INV-000001"
    others: list[dict[str, object]] = [
        {"title": "x"},
        {"due": ARRIVES},
        {"notify": True},
        {"description": "x"},
        {"prices_include_tax": True},
    ]
    for other in others:
        with pytest.raises(KeyReused):
            billing.invoices.draft_booking(stay, key="k", **other)  # type: ignore[arg-type]  # one at a time
    with pytest.raises(KeyReused):
        billing.invoices.draft_booking(book(), key="k")


@pytest.mark.rule("S1")
def test_threads_that_draft_one_booking_make_one_invoice(billing: Billing, park: Biller, book: Book) -> None:
    stay = book()

    def draft(_: int) -> Invoice | None:
        try:
            return billing.invoices.draft_booking(stay)
        except AlreadyBilled:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [invoice for invoice in pool.map(draft, range(12)) if invoice is not None]
    assert billing.invoices.find(biller=park).items == tuple(made)
    assert len(made) == 1


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S1", "M5")
def test_a_group_is_one_invoice_to_its_organiser_broken_down_by_site(
    billing: Billing, guest: Customer, party: Party
) -> None:
    (made,) = billing.invoices.draft_group(party.group)
    assert (made.kind, made.customer, made.group, made.title) == (
        InvoiceKind.GROUP,
        guest.id,
        party.group.id,
        "Scouts",
    )
    assert [line.site for line in made.lines] == ["10"] * 3 + ["2"] * 3 + [party.stays[2].id] * 3
    stored = billing.invoices.get(made)
    assert stored == made
    subtotals = site_subtotals(stored)
    assert subtotals == dict.fromkeys(("10", "2", party.stays[2].id), eur("120.33"))
    assert total(subtotals.values(), "EUR") == stored.net
    assert billing.invoices.find(group=party.group).items == (made,)


@pytest.mark.rule("S1", "M5")
def test_payers_with_their_bookings_each_get_those_and_no_others(billing: Billing, party: Party) -> None:
    ten, two, none = party.stays
    made = billing.invoices.draft_group(party.group, payers={party.bob.id: [two, none.id], party.ann.id: (ten,)})
    assert [invoice.customer for invoice in made] == [party.bob.id, party.ann.id]
    assert [list(site_subtotals(invoice)) for invoice in made] == [["2", none.id], ["10"]]
    (whole,) = _whole(billing, party)
    assert sum((len(invoice.lines) for invoice in made), 0) == len(whole.lines)
    assert total([invoice.net for invoice in made], "EUR") == whole.net


def _whole(billing: Billing, party: Party) -> Sequence[Invoice]:
    for invoice in billing.invoices.find(group=party.group).items:
        billing.invoices.void(invoice)
    return billing.invoices.draft_group(party.group)


@pytest.mark.rule("S1", "M5")
@pytest.mark.parametrize(
    "weights, nets",
    [
        ((1, 1), ["180.51", "180.48"]),  # nine lines, each split for itself: the odd cents go to the first
        ((2, 1), ["240.69", "120.30"]),
        ((Decimal("0.5"), Decimal("0.25")), ["240.69", "120.30"]),
        ((1, 0), ["360.99"]),
    ],
)
def test_payers_by_weight_share_every_line(
    billing: Billing, party: Party, weights: tuple[int | Decimal, ...], nets: list[str]
) -> None:
    made = billing.invoices.draft_group(
        party.group, payers=dict(zip((party.ann.id, party.bob.id), weights, strict=True))
    )
    assert [str(invoice.net.amount) for invoice in made] == nets
    (whole,) = _whole(billing, party)
    for n, line in enumerate(whole.lines):
        assert total([invoice.lines[n].amount for invoice in made], "EUR") == line.amount
        assert {(invoice.lines[n].site, invoice.lines[n].taxes) for invoice in made} == {(line.site, line.taxes)}
    for invoice in made:
        assert billing.invoices.get(invoice).lines == invoice.lines
        assert total(site_subtotals(invoice).values(), "EUR") == invoice.net


@pytest.mark.rule("S1")
def test_wrong_payers_are_refused_and_nothing_is_drafted(
    billing: Billing, park: Biller, party: Party, book: Book, resident: Customer
) -> None:
    ten, two, none = party.stays
    ann, bob, stranger = party.ann.id, party.bob.id, book()
    before = everything(store_of(billing), park)
    cases: list[tuple[Mapping[str, object], type[Exception], str]] = [
        ({ann: [ten, two]}, InvalidValue, f"payers=.*{none.id}.*leaves bookings without a payer"),
        ({ann: [ten, two, none], bob: [ten]}, InvalidValue, f"payers=.*{ten.id}.*has bookings with two payers"),
        ({ann: [ten, ten, two, none]}, InvalidValue, "has bookings with two payers"),
        ({ann: [ten, two, none, stranger]}, InvalidValue, f"payers=.*{stranger.id}.*no such group"),
        ({ann: [ten, two, none], bob: 1}, InvalidValue, "payers=1: mixes bookings and weights"),
        ({ann: 0.5, bob: 0.5}, InvalidValue, "payers=0.5: mixes bookings and weights; give every payer bookings, or a"),
        ({ann: None}, InvalidValue, "payers=None: mixes bookings and weights"),
        ({ann: ten.id}, InvalidValue, "mixes bookings and weights"),
        ({ann: 0, bob: 0}, InvalidValue, "all weights are zero"),
        ({ann: -1, bob: 2}, InvalidValue, "a weight is below zero"),
        ({"nobody": 1}, NotFound, "nobody"),
        ({resident.id: 1}, NotFound, resident.id),
    ]
    for payers, error, words in cases:
        with pytest.raises(error, match=words):
            billing.invoices.draft_group(party.group, payers=payers)  # type: ignore[arg-type]  # wrong on purpose
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("S1")
def test_a_group_and_its_bookings_are_billed_once_between_them(
    billing: Billing, park: Biller, guest: Customer, party: Party
) -> None:
    alone = billing.invoices.draft_booking(party.stays[0])
    with pytest.raises(AlreadyBilled, match=f"booking {party.stays[0].id} is already on invoice D-000001"):
        billing.invoices.draft_group(party.group, payers={party.ann.id: party.stays})
    (others,) = billing.invoices.draft_group(party.group)
    assert set(site_subtotals(others)) == {"2", party.stays[2].id}
    with pytest.raises(AlreadyBilled, match=f"group {party.group.id} is already on invoice D-000001"):
        billing.invoices.draft_group(party.group)
    billing.invoices.delete_draft(alone)
    billing.invoices.delete_draft(others)
    made = billing.invoices.draft_group(party.group, payers={party.ann.id: 1, party.bob.id: 1})
    with pytest.raises(AlreadyBilled, match=f"group {party.group.id} is already on invoice"):
        billing.invoices.draft_group(party.group)
    with pytest.raises(AlreadyBilled, match="the group of booking"):
        billing.invoices.draft_booking(party.stays[0])
    billing.invoices.void(billing.invoices.publish(made[0]))
    with pytest.raises(AlreadyBilled):
        billing.invoices.draft_group(party.group)
    billing.invoices.void(made[1])
    assert len(billing.invoices.draft_group(party.group)) == 1
    empty = billing.groups.add(biller=park, name="Nobody yet", organiser=guest)
    with pytest.raises(NothingToBill, match="nothing to bill for Nobody yet: the group has no booking"):
        billing.invoices.draft_group(empty)


@pytest.mark.rule("S1", "C3")
@pytest.mark.parametrize("gone", ["deleted", "void"])
def test_what_one_payer_is_not_billed_any_more_can_be_billed_again_while_the_others_invoice_stands(
    billing: Billing, guest: Customer, party: Party, gone: str
) -> None:
    ten, two, none = party.stays
    payers: dict[str, Sequence[Booking]] = {party.ann.id: [ten], party.bob.id: [two, none]}
    anns, bobs = billing.invoices.draft_group(party.group, payers=payers)
    if gone == "deleted":
        billing.invoices.delete_draft(anns)
    else:
        billing.invoices.void(billing.invoices.publish(anns))
    for other in (two, none):
        with pytest.raises(AlreadyBilled, match=bobs.reference):
            billing.invoices.draft_booking(other)
    with pytest.raises(AlreadyBilled, match=bobs.reference):
        billing.invoices.draft_group(party.group, payers=payers)
    alone = billing.invoices.draft_booking(ten)
    assert (alone.customer, alone.total) == (party.ann.id, anns.total)
    with pytest.raises(AlreadyBilled, match=alone.reference):
        billing.invoices.draft_group(party.group)
    billing.invoices.delete_draft(alone)
    (again,) = billing.invoices.draft_group(party.group, payers={party.bob.id: [ten]})
    assert (again.customer, again.total, set(site_subtotals(again))) == (party.bob.id, anns.total, {"10"})
    for sites in (None, {guest.id: 1}):
        with pytest.raises(AlreadyBilled, match=f"group {party.group.id}"):
            billing.invoices.draft_group(party.group, payers=sites)


@pytest.mark.rule("S1")
def test_a_site_that_comes_to_a_billed_group_is_billed_by_itself(billing: Billing, party: Party, book: Book) -> None:
    (whole,) = billing.invoices.draft_group(party.group)
    late = book(unit="31", group=party.group)
    (more,) = billing.invoices.draft_group(party.group)
    assert (set(site_subtotals(whole)), set(site_subtotals(more))) == ({"2", "10", party.stays[2].id}, {"31"})
    with pytest.raises(AlreadyBilled, match=more.reference):
        billing.invoices.draft_booking(late)


@pytest.mark.rule("S1")
def test_a_groups_second_stay_on_a_site_is_billed_beside_its_first(billing: Billing, party: Party, book: Book) -> None:
    (whole,) = billing.invoices.draft_group(party.group)
    billing.payments.record(billing.invoices.publish(whole))
    again = book(unit="10", group=party.group, arrives=date(2026, 8, 1), departs=date(2026, 8, 5))
    (more,) = billing.invoices.draft_group(party.group)
    assert [line.period for line in more.lines] == [again.period] * len(again.items)
    with pytest.raises(AlreadyBilled, match=more.reference):
        billing.invoices.draft_booking(again)
    billing.invoices.delete_draft(more)
    assert billing.invoices.draft_booking(again).total == more.total
    with pytest.raises(AlreadyBilled):
        billing.invoices.draft_group(party.group)


@pytest.mark.rule("S1")
def test_of_two_stays_on_a_site_each_payer_is_billed_for_their_own(billing: Billing, party: Party, book: Book) -> None:
    ten, *_ = party.stays
    again = book(unit="10", group=party.group, arrives=date(2026, 8, 1), departs=date(2026, 8, 5))
    payers = {party.ann.id: [ten], party.bob.id: [again, *party.stays[1:]]}
    anns, bobs = billing.invoices.draft_group(party.group, payers=payers)
    billing.invoices.delete_draft(bobs)
    (rest,) = billing.invoices.draft_group(party.group, payers={party.bob.id: payers[party.bob.id]})
    assert rest.total == bobs.total
    billing.invoices.delete_draft(anns)
    assert billing.invoices.draft_booking(ten).total == anns.total


@pytest.mark.rule("S1")
@pytest.mark.parametrize("worded", [{}, {"description": "Pitch and electricity"}])
def test_a_line_that_does_not_say_which_of_a_sites_stays_it_is_for_stands_for_all(
    billing: Billing, party: Party, book: Book, worded: dict[str, str]
) -> None:
    (whole,) = billing.invoices.draft_group(party.group)
    items = [
        Item(description=line.description, unit_price=line.unit_price, quantity=line.quantity, site=line.site)
        for line in whole.lines
    ]
    billing.invoices.edit(whole, lines=[attrs.evolve(items[0], **worded), *items[1:]])
    again = book(unit="10", group=party.group, arrives=date(2026, 8, 1), departs=date(2026, 8, 5))
    if worded:
        with pytest.raises(AlreadyBilled, match=whole.reference):
            billing.invoices.draft_booking(again)
    else:  # what says the same is for the same nights
        assert billing.invoices.draft_booking(again).booking == again.id


@pytest.mark.rule("S1", "M5")
@pytest.mark.parametrize("first, second, billed_later", [("50", "70", "50"), ("50", "50", None), ("50", "60", None)])
def test_of_two_alike_lines_the_one_left_in_a_draft_is_told_by_its_amount_and_is_billed_once(
    billing: Billing, park: Biller, guest: Customer, book: Book, first: str, second: str, billed_later: str | None
) -> None:
    group = billing.groups.add(biller=park, name="Fishing club", organiser=guest)
    for day, price in ((1, first), (5, second)):
        items = [Item(description="Pitch", unit_price=eur(price))]
        book(group=group, arrives=date(2026, 7, day), departs=date(2026, 7, day + 2), items=items)
    (whole,) = billing.invoices.draft_group(group)
    left = "70" if second == "70" else "50" if second == "50" else "55"
    billing.invoices.edit(whole, lines=[Item(description="Pitch", unit_price=eur(left), site="12")])
    if billed_later is None:  # nobody knows which of the two was dropped
        with pytest.raises(AlreadyBilled, match=whole.reference):
            billing.invoices.draft_group(group)
    else:
        (more,) = billing.invoices.draft_group(group)
        assert (more.total, more.lines[0].period) == (eur(billed_later), Period(date(2026, 7, 1), date(2026, 7, 3)))


@pytest.mark.rule("S1")
def test_a_group_invoice_with_a_line_of_nobodys_site_stands_for_all_of_them(billing: Billing, party: Party) -> None:
    ten, two, none = party.stays
    anns, bobs = billing.invoices.draft_group(party.group, payers={party.ann.id: [ten], party.bob.id: [two, none]})
    billing.invoices.edit(bobs, lines=[Item(description="All of us", unit_price=eur("300.00"))])
    billing.invoices.delete_draft(anns)
    with pytest.raises(AlreadyBilled, match=bobs.reference):
        billing.invoices.draft_booking(ten)


@pytest.mark.rule("N3", "S1", "R3")
def test_a_group_is_drafted_once_per_key(billing: Billing, park: Biller, party: Party, book: Book) -> None:
    billing.customers.edit(party.ann, email=None)
    ten, two, none = party.stays
    payers: dict[str, Sequence[Booking | str]] = {party.ann.id: [ten], party.bob.id: [two, none]}
    first = billing.invoices.draft_group(party.group, payers=payers, key="k")
    again = billing.invoices.draft_group(party.group, payers={who: tuple(b) for who, b in payers.items()}, key="k")
    assert again == first
    assert [[w.code for w in one.warnings] for one in again] == [["no_email"], []]
    book(group=party.group)  # the state moved on; the request is the same
    billing.invoices.publish(first[0])
    billing.billers.edit(park, payments=False)
    assert [one.id for one in billing.invoices.draft_group(party.group, payers=payers, key="k")] == [
        one.id for one in first
    ]
    others: list[dict[str, object]] = [
        {"payers": None},
        {"payers": {party.ann.id: 1, party.bob.id: 2}},
        {"payers": {party.ann.id: [two], party.bob.id: [ten, none]}},
        {"payers": payers, "title": "x"},
        {"payers": payers, "due": ARRIVES},
        {"payers": payers, "notify": True},
        {"payers": payers, "prices_include_tax": True},
        {"payers": payers, "description": "x"},
    ]
    for other in others:
        with pytest.raises(KeyReused):
            billing.invoices.draft_group(party.group, key="k", **other)  # type: ignore[arg-type]  # one at a time


@pytest.mark.rule("S1")
def test_threads_that_draft_a_group_and_its_bookings_bill_each_site_once(
    billing: Billing, park: Biller, party: Party
) -> None:
    def draft(n: int) -> Sequence[Invoice]:
        try:
            if n % 2:
                return billing.invoices.draft_group(party.group)
            return (billing.invoices.draft_booking(party.stays[n // 2 % 3]),)
        except AlreadyBilled:
            return ()

    with ThreadPoolExecutor(8) as pool:
        made = [invoice for some in pool.map(draft, range(12)) for invoice in some]
    ten, two, none = party.stays
    sites = {ten.id: "10", two.id: "2", none.id: none.id}
    billed = [[sites[each.booking]] if each.booking else list(site_subtotals(each)) for each in made]
    assert sorted(site for some in billed for site in some) == sorted(sites.values())
    assert {invoice.status_on(TODAY) for invoice in billing.invoices.find(biller=park).items} == {Status.DRAFT}


# --- the rules alone --------------------------------------------------------------------------------------------------


@pytest.mark.rule("S1")
def test_every_site_has_exactly_one_payer() -> None:
    check_sites({"a": ["1", "2"], "b": ["3"], "c": []}, ["1", "2", "3"])
    for payers, words in (
        ({"a": ["1", "2"], "b": ["2", "3"]}, "two payers"),
        ({"a": ["1"]}, "without a payer"),
        ({"a": ["1", "2", "3", "4"]}, "no such group"),
    ):
        with pytest.raises(InvalidValue, match=words) as refused:
            check_sites(payers, ["1", "2", "3"])
        assert refused.value.field == "payers"


@pytest.mark.rule("S1", "M10")
def test_the_lines_of_a_booking_carry_their_site() -> None:
    stay = Booking(
        id="k", biller="b", customer="c", unit=None, arrives=ARRIVES, departs=DEPARTS, items=STAY, group=None
    )
    assert {line.site for line in booking_lines(stay, currency="EUR", site="7")} == {"7"}
    assert [line.amount for line in booking_lines(stay, currency="EUR")] == [eur(100), eur("17.32"), eur("3.01")]


@pytest.mark.rule("S1", "M5")
@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(-5_000, 50_000), min_size=1, max_size=6),
    st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_the_shares_of_every_line_add_up_to_it(amounts: list[int], weights: list[int], currency: str) -> None:
    items = [
        Item(description=f"{n}", unit_price=from_minor(amount, currency), site=f"{n % 2}")
        for n, amount in enumerate(amounts)
    ]
    lines = as_lines(items, currency=currency)
    shares = shared_lines(lines, {f"p{n}": weight for n, weight in enumerate(weights)})
    assert list(shares) == [f"p{n}" for n in range(len(weights))]
    for line in lines:
        parts: list[Line] = [p for mine in shares.values() for p in mine if p.description == line.description]
        assert sum(minor(part.amount) for part in parts) == minor(line.amount)
        assert all((p.site, p.unit_price, p.quantity) == (line.site, p.amount, 1) for p in parts)
    for n, weight in enumerate(weights):
        assert weight or not shares[f"p{n}"]
