"""Credit notes: never beyond their invoice, in lines, tax and total, over any number of notes (P5, M7, N1, R16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON
from desks import Post, all_of, everything, money, store_of, wiring_of
from invoicecore import Billing, InvoiceMethod, Item, Money, Period
from invoicecore.collection import Collection, CollectionState
from invoicecore.credit_notes import Credited, CreditNote, left, note_number, note_series, take_back
from invoicecore.documents import SheetKind
from invoicecore.errors import (
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    InvoicecoreError,
    KeyReused,
    NotAllowed,
    NotEnough,
    NotFound,
)
from invoicecore.invoices import Invoice, InvoiceKind, Line, as_lines, draft, format_number, number_series
from invoicecore.leases import Lease, rent_charged, unused_lines
from invoicecore.messages import MessageKind
from invoicecore.money import from_minor, minor, total
from invoicecore.parties import PRESETS, Biller, Customer
from invoicecore.payments import PaymentMethod, RefundState
from invoicecore.taxes import TaxRate
from invoicecore.testing import FixedClock

TODAY = date(2026, 3, 2)
VAT20, VAT10 = TaxRate(name="VAT", percent=20, category="S"), TaxRate(name="VAT", percent=10, category="S")
GST, QST = TaxRate(name="GST", percent=5), TaxRate(name="QST", percent=Decimal("9.975"))


def invoice(*items: tuple[str, tuple[TaxRate, ...]], included: bool = False) -> Invoice:
    """A draft of those prices, as far as the rules look."""
    lines = as_lines(
        [Item(description=f"Line {n}", unit_price=money(price), taxes=taxes) for n, (price, taxes) in enumerate(items)],
        currency="EUR",
    )
    return draft(
        id="b_inv_1", biller="b", kind=InvoiceKind.STANDALONE, currency="EUR", title="T", lines=lines, on=TODAY, due=TODAY,
        prices_include_tax=included,
    )  # fmt: skip


def noted(of: Invoice, part: Credited, n: int = 1) -> CreditNote:
    return CreditNote(
        id=f"b_crn_{n}", biller="b", invoice=of.id, number=f"CN-{n}", currency=of.currency, lines=part.lines,
        taxes=part.taxes, total=part.total, settled=part.total, issued_on=TODAY, prices_include_tax=of.prices_include_tax,
    )  # fmt: skip


def told(part: Credited) -> tuple[list[tuple[int, str]], list[tuple[str, str, str]], str]:
    lines = [(line.line, str(line.amount.amount)) for line in part.lines]
    taxes = [(f"{each.rate.percent}", str(each.base.amount), str(each.tax.amount)) for each in part.taxes]
    return lines, taxes, str(part.total.amount)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("N1", "P5")
@pytest.mark.parametrize(
    "first, then, field",
    [
        (
            {"number_prefix": "FA-", "credit_note_prefix": "FA-2026-"},
            {"yearly_numbers": True, "credit_note_prefix": "AV-"},
            "policy.number_prefix",
        ),
        (
            {"number_prefix": "CN-", "credit_note_prefix": "C/"},
            {"number_prefix": "I-", "credit_note_prefix": "CN-"},
            "policy.credit_note_prefix",
        ),
        (
            {"number_prefix": "I-", "credit_note_prefix": "N-"},
            {"number_prefix": "N-", "credit_note_prefix": "M-"},
            "policy.number_prefix",
        ),
    ],
)
def test_a_note_and_an_invoice_never_have_one_number_whatever_the_policy_becomes(
    first: dict[str, Any], then: dict[str, Any], field: str, billing: Billing
) -> None:
    park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays", policy=first)
    guest = billing.customers.add(biller=park, name="Ana")
    made = billing.invoices.publish(billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(100)))
    billing.credit_notes.issue(made, amount=money(10))
    with pytest.raises(InvalidValue, match="whose numbers would come again; give a prefix") as refused:
        billing.billers.edit(park, policy=then)
    assert refused.value.field == field
    assert billing.billers.get(park) == park
    billing.billers.edit(park, policy={"terms_days": 7, "number_prefix": "NEW-"})


# --- what is taken back -----------------------------------------------------------------------------------------------

TWO = (("100.00", (VAT20,)), ("50.00", (VAT10,)))


@pytest.mark.rule("P5", "M7")
@pytest.mark.parametrize(
    "items, included, lines, amount, expected",
    [
        # all of it: the invoice's own lines and taxes
        (TWO, False, None, None, ([(0, "100.00"), (1, "50.00")], [("20", "100.00", "20.00"), ("10", "50.00", "5.00")], "175.00")),
        (TWO, True, None, None, ([(0, "100.00"), (1, "50.00")], [("20", "83.33", "16.67"), ("10", "45.45", "4.55")], "150.00")),
        # one line, and a part of one: before tax where the prices are
        (TWO, False, {1: None}, None, ([(1, "50.00")], [("10", "50.00", "5.00")], "55.00")),
        (TWO, False, {0: money("30.00")}, None, ([(0, "30.00")], [("20", "30.00", "6.00")], "36.00")),
        (TWO, True, {0: money("30.00")}, None, ([(0, "30.00")], [("20", "25.00", "5.00")], "30.00")),
        # an amount is with tax, and spread over what is left of the lines
        (TWO, False, None, money("87.50"), ([(0, "50.00"), (1, "25.00")], [("20", "50.00", "10.00"), ("10", "25.00", "2.50")], "87.50")),
        (TWO, False, {0: money("30.00")}, money("36.00"), ([(0, "30.00")], [("20", "30.00", "6.00")], "36.00")),
        (TWO, False, {0: None}, money("12.00"), ([(0, "10.00")], [("20", "10.00", "2.00")], "12.00")),
        (TWO, True, None, money("15.00"), ([(0, "10.00"), (1, "5.00")], [("20", "8.33", "1.67"), ("10", "4.55", "0.45")], "15.00")),
        # no base has 0.03 with 20 % as its total: the tax is moved by a cent
        ((("1.00", (VAT20,)),), False, None, money("0.03"), ([(0, "0.03")], [("20", "0.03", "0.00")], "0.03")),
        # a discount goes back with what it was for
        ((("100.00", (VAT20,)), ("-40.00", (VAT20,))), False, None, None,
         ([(0, "100.00"), (1, "-40.00")], [("20", "60.00", "12.00")], "72.00")),
        ((("100.00", ()), ("-40.00", ())), False, None, money("6.00"), ([(0, "10.00"), (1, "-4.00")], [], "6.00")),
        # two taxes on one base
        ((("100.00", (GST, QST)),), False, {0: money("50.00")}, None,
         ([(0, "50.00")], [("5", "50.00", "2.50"), ("9.975", "50.00", "4.99")], "57.49")),
        ((("10.00", ()),), False, None, None, ([(0, "10.00")], [], "10.00")),
    ],
)  # fmt: skip
def test_a_note_takes_back_lines_with_their_tax(
    items: Sequence[Any],
    included: bool,
    lines: Mapping[int, Money | None] | None,
    amount: Money | None,
    expected: object,
) -> None:
    assert told(take_back(invoice(*items, included=included), (), lines, amount)) == expected


@pytest.mark.rule("P5", "M7")
def test_the_tax_of_parts_adds_up_to_the_tax_of_the_invoice() -> None:
    of = invoice(
        ("0.03", (VAT20,)), ("0.03", (VAT20,)), ("0.03", (VAT20,))
    )  # 0.09 and 0.02 of tax: each alone would have 0.01
    notes: list[CreditNote] = []
    for place in range(3):
        notes.append(noted(of, take_back(of, notes, {place: None}), place))
    assert [str(note.taxes[0].tax.amount) for note in notes] == ["0.01", "0.00", "0.01"]
    assert total([note.total for note in notes], "EUR") == of.total


@pytest.mark.rule("P5", "M7")
def test_a_tax_that_was_moved_is_made_good_by_later_notes_that_have_it_and_by_no_other() -> None:
    of = invoice(("1.00", (GST, QST)), ("1.00", (VAT20,)))
    first = noted(of, take_back(of, (), {0: None}, money("0.04")))
    assert told(first) == ([(0, "0.03")], [("5", "0.03", "0.01"), ("9.975", "0.03", "0.00")], "0.04")  # type: ignore[arg-type]
    # GST on 0.04 is 0.00 so far: no tax goes the other way.
    small = take_back(of, [first], {0: money("0.01")})
    assert told(small) == ([(0, "0.01")], [("5", "0.01", "0.00"), ("9.975", "0.01", "0.00")], "0.01")
    # Another line's note has none of it.
    assert told(take_back(of, [first], {1: None})) == ([(1, "1.00")], [("20", "1.00", "0.20")], "1.20")
    rest = take_back(of, [first])
    assert told(rest)[1] == [("5", "0.97", "0.04"), ("9.975", "0.97", "0.10"), ("20", "1.00", "0.20")]


@pytest.mark.rule("P5")
def test_what_is_left_follows_from_the_notes_before() -> None:
    of = invoice(*TWO)
    first = noted(of, take_back(of, (), {0: money("60.00")}))
    rest = left(of, [first])
    assert (rest.lines, rest.total) == ((money("40.00"), money("50.00")), money("103.00"))
    assert rest.taxes == {VAT20: money("8.00"), VAT10: money("5.00")}
    second = noted(of, take_back(of, [first]), 2)
    assert told(second) == ([(0, "40.00"), (1, "50.00")], [("20", "40.00", "8.00"), ("10", "50.00", "5.00")], "103.00")  # type: ignore[arg-type]
    assert left(of, [first, second]).total == money(0)


REFUSED: list[tuple[Sequence[Any], Any, Any, type[InvoicecoreError], str]] = [
    (TWO, {2: None}, None, InvalidValue, r"lines\[2\]"),
    (TWO, {-1: None}, None, InvalidValue, r"lines\[-1\]"),
    (TWO, {True: None}, None, InvalidValue, r"lines\[True\]"),
    (TWO, {"0": None}, None, InvalidValue, r"lines\['0'\]"),
    (TWO, {}, None, InvalidValue, "lines={}"),
    (TWO, [0], None, InvalidValue, "lines="),
    (TWO, {0: money("100.01")}, None, NotEnough, "100.01 EUR of line 0 asked for, 100.00 EUR available"),
    (TWO, {0: money(0)}, None, InvalidMoney, r"lines\[0\].*zero"),
    (TWO, {0: money(-1)}, None, InvalidMoney, r"lines\[0\].*other sign"),
    (TWO, {0: Money("1", "USD")}, None, CurrencyMismatch, r"lines\[0\]"),
    (TWO, {0: money("0.001")}, None, InvalidMoney, r"lines\[0\]"),
    (TWO, {0: 5}, None, InvalidMoney, r"lines\[0\]"),
    (TWO, {0: money(1), 1: None}, money(1), InvalidValue, "amount.*is not the 56.20 EUR that the lines come to"),
    (TWO, None, money("175.01"), NotEnough, "175.01 EUR of the invoice asked for, 175.00 EUR available"),
    (TWO, {1: None}, money("55.01"), NotEnough, "55.01 EUR of the invoice asked for, 55.00 EUR available"),
    (TWO, None, money(0), InvalidMoney, "amount"),
    (TWO, None, Money("1", "USD"), CurrencyMismatch, "amount"),
    # a line that a discount made cheaper
    ((("100.00", ()), ("-40.00", ())), {0: None}, None, NotEnough, "100.00 EUR of the invoice .* 60.00 EUR available"),
    ((("100.00", ()), ("-40.00", ())), {1: None}, None, InvalidMoney, "lines.*not more than zero"),
    ((("100.00", ()), ("-40.00", ())), {1: money("-41.00")}, None, NotEnough, "line 1"),
    ((("100.00", (VAT20,)), ("-40.00", (VAT20,)), ("500.00", ())), {0: None}, None, NotEnough, "the tax VAT"),
]  # fmt: skip


@pytest.mark.rule("P5", "M8")
@pytest.mark.parametrize("items, lines, amount, error, says", REFUSED)
def test_what_goes_beyond_or_is_not_there_is_refused(
    items: Sequence[Any], lines: Any, amount: Any, error: type[InvoicecoreError], says: str
) -> None:
    with pytest.raises(error, match=says):
        take_back(invoice(*items), (), lines, amount)


@pytest.mark.rule("P5")
def test_a_line_that_is_credited_in_full_is_said_to_be() -> None:
    of = invoice(*TWO)
    first = noted(of, take_back(of, (), {0: None}))
    with pytest.raises(InvalidValue, match=r"lines\[0\]=0: is credited in full; leave it out"):
        take_back(of, [first], {0: None, 1: None})


@pytest.mark.rule("P5", "N1")
def test_notes_have_a_series_of_their_own_written_as_the_invoices_numbers_are() -> None:
    policy = PRESETS["stays"]
    assert (note_series(policy, TODAY), note_number(policy, 7, TODAY)) == ("credit_note/CN-", "CN-000007")
    yearly = attrs.evolve(policy, credit_note_prefix="AV-", yearly_numbers=True, number_digits=4)
    assert (note_series(yearly, TODAY), note_number(yearly, 7, TODAY)) == ("credit_note/AV-2026-", "AV-2026-0007")
    assert note_series(yearly, TODAY) != number_series(yearly, TODAY)
    assert note_number(yearly, 7, TODAY) != format_number(yearly, 7, TODAY)


RATES = (VAT20, VAT10, GST, QST, TaxRate(name="Exempt", percent=0))
ITEMS = st.lists(
    st.tuples(
        st.integers(-3_00, 90_00).filter(bool).map(lambda units: str(from_minor(units, "EUR").amount)),
        st.lists(st.sampled_from(RATES), max_size=2, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=5,
)
STEP = st.tuples(
    st.sampled_from(["whole", "line", "part", "amount", "amount of a line"]), st.integers(0, 4), st.integers(1, 100)
)


def attempt(of: Invoice, notes: Sequence[CreditNote], how: str, place: int, share: int) -> Credited:
    rest = left(of, notes)
    place %= len(of.lines)
    if how == "whole":
        return take_back(of, notes)
    if how == "line":
        return take_back(of, notes, {place: None})
    if how == "part":
        return take_back(of, notes, {place: from_minor(minor(rest.lines[place]) * share // 100, "EUR")})
    amount = from_minor(minor(rest.total) * share // 100, "EUR")
    return take_back(of, notes, None if how == "amount" else {place: None}, amount)


@pytest.mark.rule("P5", "M5", "M7")
@given(ITEMS, st.booleans(), st.lists(STEP, max_size=8))
def test_notes_never_exceed_the_invoice_and_a_last_one_makes_them_add_up(
    items: list[Any], included: bool, steps: list[tuple[str, int, int]]
) -> None:
    try:
        of = invoice(*items, included=included)
    except InvoicecoreError:
        return
    notes: list[CreditNote] = []
    for n, (how, place, share) in enumerate(steps):
        with suppress(InvoicecoreError):
            part = attempt(of, notes, how, place, share)
            assert part.total.amount > 0
            lines = [line.amount for line in part.lines]
            taxes = [each.tax for each in part.taxes]
            assert part.total == total(lines if included else [*lines, *taxes], "EUR")
            if how.startswith("amount"):
                assert part.total == from_minor(minor(left(of, notes).total) * share // 100, "EUR")
            notes.append(noted(of, part, n))
        rest = left(of, notes)
        assert rest.total.amount >= 0
        for line, there in zip(of.lines, rest.lines, strict=True):
            assert min(line.amount.amount, 0) <= there.amount <= max(line.amount.amount, 0)
        if all(line.amount.amount > 0 for line in of.lines):
            assert all(0 <= rest.taxes[each.rate].amount <= each.tax.amount for each in of.taxes)
    if left(of, notes).total.amount > 0:
        last = take_back(of, notes)
        notes.append(noted(of, last, 99))
        rest = left(of, notes)
        assert rest.total.amount == 0
        assert all(each.amount == 0 for each in rest.lines)
        assert all(each.amount == 0 for each in rest.taxes.values())
        for each in of.taxes:
            mine = [tax for note in notes for tax in note.taxes if tax.rate == each.rate]
            assert total([tax.base for tax in mine], "EUR") == each.base
            assert total([tax.tax for tax in mine], "EUR") == each.tax


# --- at the desk ------------------------------------------------------------------------------------------------------


def issued(billing: Billing, biller: Biller, who: Customer | None, amount: str = "100", **given: Any) -> Invoice:
    on = given.pop("on", None)
    given = {"title": "Stay", "customer": who, "amount": money(amount, biller.currency), **given}
    if "lines" in given:
        del given["amount"]
    return billing.invoices.publish(billing.invoices.draft(biller=biller, **given), notify=False, on=on)


def held(billing: Billing, of: Invoice) -> tuple[str, str, str, str]:
    """(balance, status, held, credit of the customer) as they stand."""
    now = billing.invoices.get(of)
    credit = billing.credits.balance(now.customer) if now.customer else money(0)
    return (
        str(now.balance.amount), now.status_on(billing.today(now.biller)).value,
        str(now.facts.held.amount), str(credit.amount),
    )  # fmt: skip


def paid(amount: str) -> Callable[[Billing, Customer, Invoice], object]:
    return lambda billing, _, of: billing.payments.record(of, money(amount))


def paid_by_credit(billing: Billing, guest: Customer, of: Invoice) -> None:
    billing.credits.deposit(guest, money(100))
    billing.credits.apply(of)


def refunded_before(billing: Billing, _: Customer, of: Invoice) -> None:
    billing.payments.record(of)
    billing.payments.refund(of)


BECOMES = [
    # what was paid, the note, to -> settled, given back (to credit of it), then balance, status, held, credit
    (None, None, None, ("100.00", None), ("0.00", "paid", "0.00", "0.00")),
    (None, "30", None, ("30.00", None), ("70.00", "open", "0.00", "0.00")),
    (paid("100"), None, None, ("0.00", ("100.00", "100.00")), ("0.00", "refunded", "0.00", "100.00")),
    (paid("100"), "30", "credit", ("0.00", ("30.00", "30.00")), ("0.00", "paid", "70.00", "30.00")),
    (paid("100"), None, "source", ("0.00", ("100.00", "0.00")), ("0.00", "refunded", "0.00", "0.00")),
    (paid("60"), None, "source", ("40.00", ("60.00", "0.00")), ("0.00", "refunded", "0.00", "0.00")),
    (paid("60"), "40", None, ("40.00", None), ("0.00", "paid", "60.00", "0.00")),
    (paid("60"), "30", None, ("30.00", None), ("10.00", "open", "60.00", "0.00")),
    # what was paid by credit goes back to credit only
    (paid_by_credit, "25", "source", ("0.00", ("25.00", "25.00")), ("0.00", "paid", "75.00", "25.00")),
    # money that was given back before is not given back again
    (refunded_before, None, None, ("0.00", None), ("0.00", "refunded", "0.00", "0.00")),
]


@pytest.mark.rule("P5", "S12", "D2", "R16")
@pytest.mark.parametrize("before, amount, to, expected, after", BECOMES)
def test_a_note_settles_what_is_owed_and_gives_the_rest_back(
    billing: Billing, park: Biller, guest: Customer, before: Any, amount: str | None, to: str | None,
    expected: tuple[str, tuple[str, str] | None], after: tuple[str, str, str, str],
) -> None:  # fmt: skip
    of = issued(billing, park, guest)
    if before is not None:
        before(billing, guest, of)
    note = billing.credit_notes.issue(of, amount=money(amount) if amount else None, to=to, reason="Left early")
    refunds = [each for each in billing.payments.refunds(of) if each.id == note.refund]
    given = (str(refunds[0].amount.amount), str(refunds[0].to_credit.amount)) if refunds else None
    assert (str(note.settled.amount), given) == expected
    assert held(billing, of) == after
    assert (note.number, note.invoice, note.customer, note.issued_on) == ("CN-000001", of.id, guest.id, TODAY)
    assert note.bill_to == billing.invoices.get(of).bill_to
    if refunds:
        assert (refunds[0].reference, refunds[0].reason) == ("CN-000001", "Left early")
    cards = billing.invoices.summary(biller=park)
    assert cards.total == cards.open + cards.overdue + cards.paid + cards.refunded
    assert billing.credit_notes.get(note) == note == billing.credit_notes.get(note.id)


@pytest.mark.rule("P5", "R14")
def test_a_draft_a_void_invoice_and_one_that_is_credited_in_full_are_not_credited(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    draft_ = billing.invoices.draft(biller=park, customer=guest, title="D", amount=money(5))
    void = billing.invoices.void(issued(billing, park, guest))
    whole = issued(billing, park, guest)
    billing.credit_notes.issue(whole)
    before = everything(store_of(billing), park)
    for of, status, why in (
        (draft_, "draft", "while draft"),
        (void, "void", "while void"),
        (whole, "paid", "all of it is credited"),
    ):
        with pytest.raises(NotAllowed, match=why) as caught:
            billing.credit_notes.issue(of)
        assert (caught.value.action, caught.value.status) == ("credit", status)
        assert "credit" not in caught.value.allowed
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("P5", "N1")
@pytest.mark.parametrize(
    "given, error, says",
    [
        ({"amount": money(101)}, NotEnough, "101.00 EUR of the invoice asked for, 100.00 EUR available"),
        ({"lines": {1: None}}, InvalidValue, r"lines\[1\]"),
        ({"to": "nobody"}, InvalidValue, "to='nobody'"),
        ({"on": TODAY - timedelta(days=1)}, InvalidValue, "on=.*when the invoice was issued"),
        ({"amount": money(0)}, InvalidMoney, "amount"),
        ({"notify": "yes"}, InvalidValue, "notify"),
        ({"reason": "x" * 2001}, InvalidValue, "reason"),
    ],
)
def test_what_is_refused_writes_nothing_and_takes_no_number(
    billing: Billing, park: Biller, guest: Customer, given: Any, error: type[Exception], says: str
) -> None:
    of = issued(billing, park, guest)
    before = everything(store_of(billing), park)
    with pytest.raises(error, match=says):
        billing.credit_notes.issue(of, **given)
    assert everything(store_of(billing), park) == before
    assert billing.credit_notes.issue(of).number == "CN-000001"


@pytest.mark.rule("P5", "C8")
def test_without_a_customer_there_is_no_credit_to_give_it_back_to(billing: Billing, condo: Biller) -> None:
    billing.units.add(biller=condo, number="9")
    of = issued(billing, condo, None, unit="9")
    billing.payments.record(of, money(40, "CAD"))
    with pytest.raises(InvalidValue, match="needs a customer"):
        billing.credit_notes.issue(of, to="credit")
    note = billing.credit_notes.issue(of)
    [refund] = billing.payments.refunds(of)
    assert (note.settled, refund.to_credit, refund.amount) == (money(60, "CAD"), money(0, "CAD"), money(40, "CAD"))


@pytest.mark.rule("P5", "N1")
def test_notes_are_numbered_in_a_series_of_each_biller_that_invoices_do_not_move(
    billing: Billing, park: Biller, guest: Customer, practice: Biller, client: Customer
) -> None:
    billing.billers.edit(practice, policy={"credit_note_prefix": "AV", "yearly_numbers": True, "number_digits": 3})
    first, second = issued(billing, park, guest), issued(billing, park, guest)
    numbers = [billing.credit_notes.issue(of, amount=money(10)).number for of in (first, second, first)]
    assert numbers == ["CN-000001", "CN-000002", "CN-000003"]
    assert billing.credit_notes.issue(issued(billing, practice, client)).number == "AV2026-001"
    assert issued(billing, park, guest).number == "INV-000003"


@pytest.mark.rule("P5", "N1")
def test_by_policy_no_note_is_dated_before_the_one_before_it(billing: Billing, park: Biller, guest: Customer) -> None:
    billing.billers.edit(park, policy={"chronological": True})
    of = issued(billing, park, guest)
    billing.credit_notes.issue(of, amount=money(10), on=TODAY + timedelta(days=3))
    with pytest.raises(NotAllowed, match="before the last credit note's date 2026-03-05"):
        billing.credit_notes.issue(of, amount=money(10), on=TODAY + timedelta(days=2))
    assert billing.credit_notes.issue(of, on=TODAY + timedelta(days=3)).number == "CN-000002"


@pytest.mark.rule("P5", "N3")
def test_the_same_key_gives_the_note_back_and_other_data_under_it_is_an_error(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    of = issued(billing, park, guest)
    note = billing.credit_notes.issue(of, {0: money("5")}, key="k")
    before = everything(store_of(billing), park)
    assert billing.credit_notes.issue(of.id, {0: money("5.00")}, key="k") == note
    for other in ({"lines": {0: money(6)}}, {"lines": {0: None}}, {"amount": money(5)}, {"lines": {0: money(5)}, "to": "source"},
                  {"lines": {0: money(5)}, "reason": "r"}, {"lines": {0: money(5)}, "notify": True}):  # fmt: skip
        with pytest.raises(KeyReused):
            billing.credit_notes.issue(of, key="k", **other)  # type: ignore[arg-type]
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("P5", "R18")
def test_a_note_is_on_the_invoices_timeline_with_what_was_given_back(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    of = issued(billing, park, guest)
    billing.payments.record(of, money(70))
    billing.credit_notes.issue(of, amount=money(80), to="source", actor="ana", on=TODAY + timedelta(days=2))
    steps = [(e.action, e.detail, e.actor, e.on) for e in billing.invoices.timeline(of)[-2:]]
    day = TODAY + timedelta(days=2)
    assert steps == [("credited", "CN-000001 80.00", "ana", day), ("refunded", "50.00 to source", "ana", day)]


@pytest.mark.rule("P5", "P3", "D2")
def test_a_note_over_all_that_is_owed_ends_the_asking(billing: Billing, park: Biller, guest: Customer) -> None:
    billing.billers.edit(park, policy={"reminders": (7,)})
    of = issued(billing, park, guest)
    billing.credit_notes.issue(of)
    report = billing.remind(biller=park, on=of.due_on + timedelta(days=8))
    assert report.created == 0
    assert billing.invoices.outstanding(biller=park, customer=guest) == money(0)


@pytest.mark.rule("P5", "D3")
def test_a_payment_that_bounces_after_it_was_credited_and_given_back_is_owed_again(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    of = issued(billing, park, guest)
    payment = billing.payments.record(of)
    billing.credit_notes.issue(of, to="source")
    billing.payments.reverse(payment)
    assert held(billing, of) == ("100.00", "open", "-100.00", "0.00")
    assert billing.customers.statement(guest, since=TODAY).closing == money(100)


@pytest.mark.rule("P5")
def test_a_page_that_asks_for_more_than_is_owed_now_is_closed(billing: Billing, park: Biller, guest: Customer) -> None:
    of = issued(billing, park, guest)
    page = Collection(
        id=f"{park.id}_col_1", biller=park.id, invoice=of.id, customer=guest.id, gateway="memory",
        kind=PaymentMethod.CARD, amount=of.total, collected=money(0), made_at=NOON, state=CollectionState.OPEN,
    )  # fmt: skip
    with store_of(billing).writing() as tx:
        tx.add([page])
    billing.credit_notes.issue(of, amount=money(10))
    [after] = all_of(store_of(billing), park, Collection)
    assert (after.state, after.next_try_at) == (CollectionState.CLOSING, NOON)


@pytest.mark.rule("P5", "T1")
def test_notes_are_found_by_biller_invoice_customer_and_number_and_by_no_other_biller(
    billing: Billing, park: Biller, guest: Customer, condo: Biller
) -> None:
    other = billing.customers.add(biller=park, name="Bob")
    first, second = issued(billing, park, guest), issued(billing, park, other)
    a, b, c = (billing.credit_notes.issue(of, amount=money(10)) for of in (first, second, first))
    found = billing.credit_notes.find
    assert found(biller=park) == [a, b, c]
    assert found(invoice=first) == [a, c] == found(customer=guest) == found(invoice=first.id, customer=guest.id)
    assert found(biller=park, number="CN-000002") == [b]
    assert found(biller=condo) == []
    elsewhere = billing.scoped(condo).credit_notes
    for refused in (
        lambda: elsewhere.find(invoice=first), lambda: elsewhere.find(customer=guest), lambda: elsewhere.get(a),
        lambda: elsewhere.sheet(a), lambda: elsewhere.pdf(a.id), lambda: elsewhere.issue(first),
        lambda: found(biller=condo, invoice=first), lambda: found(invoice=f"{park.id}_inv_none"),
        lambda: billing.credit_notes.get(f"{park.id}_crn_none"),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            refused()
    with pytest.raises(InvalidValue, match="biller"):
        found()


# --- leases that end early --------------------------------------------------------------------------------------------

VAT = TaxRate(name="VAT", percent=20, category="S")


def lease_of(billing: Billing, guest: Customer, **given: Any) -> Lease:
    return billing.leases.add(
        customer=guest, rent=money(620), advance_days=60,
        **{"starts": date(2026, 4, 1), "method": InvoiceMethod.EMAIL_PDF, **given},
    )  # fmt: skip


@pytest.mark.rule("M9", "P5", "M7")
@pytest.mark.parametrize(
    "taxes, may, june",
    [((), ("420.00", "420.00"), ("620.00", "620.00")), ((VAT,), ("420.00", "504.00"), ("620.00", "744.00"))],
)
def test_a_lease_that_ended_early_proposes_notes_that_issue_takes_as_they_are(
    billing: Billing, park: Biller, guest: Customer, taxes: Any, may: tuple[str, str], june: tuple[str, str]
) -> None:
    lease = lease_of(billing, guest, taxes=taxes)
    billing.run(biller=park, on=date(2026, 4, 15))  # April, May and June
    assert billing.credit_notes.propose(lease) == []
    ended = billing.leases.end(lease, date(2026, 5, 10), on=date(2026, 5, 2))
    proposals = billing.credit_notes.propose(lease)
    assert [(str(p.lines[0].amount), str(p.amount.amount)) for p in proposals] == [may, june]
    # What leases.end names is worth what the notes come to, with tax.
    assert [(each.invoice, each.amount) for each in ended.to_credit] == [(p.invoice, p.amount) for p in proposals]
    assert {p.reason for p in proposals} == {"Le bail a pris fin le 10/05/2026"}
    first, second = proposals
    # All of a proposal, and its amount with it.
    note = billing.credit_notes.issue(
        first.invoice, first.lines, first.amount, reason=first.reason, on=date(2026, 5, 2)
    )
    assert (note.total, note.reason) == (first.amount, first.reason)
    # A part of it is credited another way: the rest is proposed.
    billing.credit_notes.issue(second.invoice, {0: money(20)}, on=date(2026, 5, 2))
    [rest] = billing.credit_notes.propose(lease)
    assert rest.lines == {0: money(600)}
    billing.credit_notes.issue(rest.invoice, rest.lines, on=date(2026, 5, 2))
    assert billing.credit_notes.propose(lease) == []
    april, may_, june_ = billing.invoices.find(biller=park, lease=lease, on=date(2026, 5, 2)).items
    assert (june_.balance, april.balance) == (money(0), april.total)
    assert may_.balance == may_.total - first.amount


@pytest.mark.rule("M9", "P5")
def test_the_last_days_are_credited_first_where_the_rent_changed(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    lease = lease_of(billing, guest)
    billing.leases.change_rent(lease, money(930), date(2026, 5, 21))
    billing.run(biller=park, on=date(2026, 4, 1))
    may = billing.invoices.find(biller=park, lease=lease).items[1]
    assert [str(line.amount.amount) for line in may.lines] == ["400.00", "330.00"]
    billing.leases.end(lease, date(2026, 5, 15))
    [proposal] = [p for p in billing.credit_notes.propose(lease) if p.invoice == may.id]
    assert proposal.lines == {0: money(100), 1: money(330)}


@pytest.mark.rule("M9", "P5")
def test_what_else_is_on_a_rent_invoice_stays_and_a_discount_is_given_back_in_proportion() -> None:
    def line(amount: str, place: int | None) -> Line:
        period = Period(date(2026, 5, place), date(2026, 5, place + 1)) if place else None
        return Line(description="L", amount=money(amount), unit_price=money(amount), period=period)

    mixed = (line("300", 1), line("30", None), line("200", 11))
    assert unused_lines(mixed, money(250)) == {2: money(200), 0: money(50)}
    assert unused_lines(mixed, money(500)) == {2: money(200), 0: money(300)}
    assert unused_lines((line("300", 1), line("-60", None)), money(80)) == {0: money(100), 1: money(-20)}
    assert [rent_charged(each) for each in (mixed, mixed[1:2], (line("300", 1), line("-60", None)))] == [
        money(500), money(30), money(240),
    ]  # fmt: skip


@pytest.mark.rule("M9", "R14")
@pytest.mark.parametrize(
    "edited, credit",
    [
        ({"lines": ["rent"]}, "420.00"),
        ({"lines": ["rent", "electricity"]}, "420.00"),
        ({"lines": ["rent", "discount"]}, "378.00"),  # 21 of 31 days of the 558 that were charged
        ({"lines": ["electricity"]}, "33.87"),  # nothing says what is rent: all of it is for the month
        ({"amount": "310"}, "210.00"),
        ({"amount": "200"}, "135.48"),
        ({"amount": "930"}, "630.00"),
    ],
)
def test_a_rent_that_was_edited_is_given_back_for_the_days_after_the_end_and_nothing_else_is(
    billing: Billing, park: Biller, guest: Customer, edited: dict[str, Any], credit: str
) -> None:
    billing.billers.edit(park, policy={"run_issues": False})
    lease = lease_of(billing, guest, starts=date(2026, 5, 1))
    [draft_] = billing.run(biller=park, on=date(2026, 4, 1)).invoices[:1]
    [rent] = draft_.lines
    prices = {"rent": (rent.description, "620"), "electricity": ("Electricity", "50"), "discount": ("Less", "-62")}
    if "amount" in edited:
        billing.invoices.edit(draft_, amount=money(edited["amount"]))
    else:
        items = [Item(description=prices[what][0], unit_price=money(prices[what][1])) for what in edited["lines"]]
        billing.invoices.edit(draft_, lines=items)
    invoice = billing.invoices.publish(draft_, on=date(2026, 4, 24))
    ended = billing.leases.end(lease, date(2026, 5, 10), on=date(2026, 5, 2))
    assert [str(each.amount.amount) for each in ended.to_credit if each.invoice == invoice.id] == [credit]
    [proposal] = [each for each in billing.credit_notes.propose(lease) if each.invoice == invoice.id]
    assert str(billing.credit_notes.issue(invoice, proposal.lines, on=date(2026, 5, 2)).total.amount) == credit


@pytest.mark.rule("M9", "P5")
def test_what_is_to_be_credited_for_an_end_is_what_notes_for_it_leave(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    lease = lease_of(billing, guest, starts=date(2026, 5, 1))
    invoice = billing.run(biller=park, on=date(2026, 4, 1)).invoices[0]

    def to_credit(day: int) -> list[str]:
        ended = billing.leases.end(lease, date(2026, 5, day), on=date(2026, 5, 2))
        amounts = [str(each.amount.amount) for each in ended.to_credit if each.invoice == invoice.id]
        proposed = [each for each in billing.credit_notes.propose(lease) if each.invoice == invoice.id]
        assert amounts == [str(each.amount.amount) for each in proposed]
        for each in proposed:
            billing.credit_notes.issue(invoice, each.lines, on=date(2026, 5, 2))
        return amounts

    # Two days without water have nothing to do with how long the lease goes on.
    billing.credit_notes.issue(invoice, amount=money(31), on=date(2026, 4, 3))
    assert [to_credit(25), to_credit(20), to_credit(20)] == [["120.00"], ["100.00"], []]
    assert billing.invoices.get(invoice).balance == money("369.00")  # 20 of 31 days, less the two
    notes = billing.credit_notes.find(invoice=invoice)
    assert [note.lease_ends for note in notes] == [None, date(2026, 5, 25), date(2026, 5, 20)]
    # No more than there is: the rest of the rent went back before.
    billing.credit_notes.issue(invoice, amount=money(300), on=date(2026, 5, 2))
    assert to_credit(1) == ["69.00"]
    assert to_credit(1) == []


@pytest.mark.rule("M9", "P5")
def test_drafts_and_void_invoices_of_an_ended_lease_are_not_proposed(
    billing: Billing, condo: Biller, resident: Customer
) -> None:
    lease = billing.leases.add(
        customer=resident, rent=money(620, "CAD"), starts=date(2026, 4, 1), advance_days=60, method="manual"
    )
    draft_, other = (billing.leases.generate(lease, on=date(2026, 3, 20)) for _ in range(2))
    billing.invoices.void(billing.invoices.publish(other, on=date(2026, 3, 20)))
    assert draft_.number is None
    assert [each.invoice for each in billing.leases.end(lease, date(2026, 4, 10)).to_credit] == [draft_.id]
    assert billing.credit_notes.propose(lease) == []
    with pytest.raises(NotFound):
        billing.credit_notes.propose("nobody_lea_1")


# --- on paper ---------------------------------------------------------------------------------------------------------


def spaces(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


PAPER = {
    "en_GB": (
        "Credit note",
        [("Number", "CN-000001"), ("Issue date", "09/03/2026"), ("Credits invoice", "INV-000001"), ("Invoice date", "02/03/2026")],
        [("Pitch", "TVA 10%", "€50.00"), ("Canoe", "TVA 20%", "€60.00")],
        [("Total credited without tax", "€110.00"), ("TVA 10% on €50.00", "€5.00"), ("TVA 20% on €60.00", "€12.00"),
         ("Total credited", "€127.00"), ("Taken off invoice INV-000001", "€82.00"), ("Paid back", "€45.00")],
        "Credit note CN-000001 of 09/03/2026 gave back €45.00.",
    ),
    "fr_FR": (
        "Avoir",
        [("Numéro", "CN-000001"), ("Date d'émission", "09/03/2026"), ("Facture créditée", "INV-000001"),
         ("Date de la facture", "02/03/2026")],
        [("Pitch", "TVA 10 %", "50,00 €"), ("Canoe", "TVA 20 %", "60,00 €")],
        [("Total crédité hors taxes", "110,00 €"), ("TVA 10 % sur 50,00 €", "5,00 €"), ("TVA 20 % sur 60,00 €", "12,00 €"),
         ("Total crédité", "127,00 €"), ("Déduit de la facture INV-000001", "82,00 €"), ("Remboursé", "45,00 €")],
        "L'avoir CN-000001 du 09/03/2026 a restitué 45,00 €.",
    ),
}  # fmt: skip


@pytest.mark.rule("P5", "S11", "M11")
@pytest.mark.parametrize("locale", PAPER)
def test_a_note_says_what_it_credits_and_what_became_of_it(
    billing: Billing, clock: FixedClock, park: Biller, locale: str
) -> None:
    heading, facts, rows, figures, told_ = PAPER[locale]
    tva20, tva10 = TaxRate(name="TVA", percent=20), TaxRate(name="TVA", percent=10)
    who = billing.customers.add(biller=park, name="Zoé", locale=locale, address="1 Rue")
    items = [
        Item(description="Pitch", unit_price=money(100), taxes=(tva10,)),
        Item(description="Canoe", unit_price=money(60), taxes=(tva20,)),
    ]
    of = issued(billing, park, who, lines=items)
    billing.payments.record(of, money(100))
    note = billing.credit_notes.issue(
        of, {0: money(50), 1: None}, to="source", reason="Left\nearly", on=date(2026, 3, 9)
    )
    sheet = billing.credit_notes.sheet(note)
    assert (sheet.kind, sheet.heading, sheet.reference, sheet.dated) == (
        SheetKind.CREDIT_NOTE, heading, "CN-000001", date(2026, 3, 9),
    )  # fmt: skip
    assert [(fact.label, fact.value) for fact in sheet.facts] == facts
    assert [tuple(map(spaces, row)) for group in sheet.tables[0].groups for row in group.rows] == rows
    assert [(spaces(figure.label), spaces(figure.value)) for figure in sheet.figures] == figures
    assert (sheet.subject, sheet.description, sheet.pay, sheet.marks) == ("Stay", "Left\nearly", None, ())
    assert sheet.customer is not None
    assert (sheet.customer.name, sheet.customer.lines) == ("Zoé", ("1 Rue",))
    # The invoice says so too.
    invoice_ = billing.invoices.sheet(of)
    labels = [(spaces(figure.label), spaces(figure.value)) for figure in invoice_.figures]
    assert labels[-2][0] == f"{heading} CN-000001 {'of' if locale == 'en_GB' else 'du'} 09/03/2026"
    assert "82" in labels[-2][1]
    assert spaces(invoice_.notes[0]) == told_
    # The same on any day, whatever happens to the customer.
    before = billing.credit_notes.pdf(note)
    clock.advance(timedelta(days=400))
    billing.customers.edit(who, name="Someone", locale="en_US")
    assert billing.credit_notes.pdf(note) == before


@pytest.mark.rule("P5", "S12")
def test_a_note_whose_refund_came_back_does_not_say_that_it_was_paid(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    of = issued(billing, park, guest)
    billing.payments.record(of)
    note = billing.credit_notes.issue(of, to="source")
    [refund] = billing.payments.refunds(of)
    with store_of(billing).writing() as tx:
        tx.replace([attrs.evolve(refund, state=RefundState.FAILED, failed_on=TODAY)])
    figures = [spaces(figure.label) for figure in billing.credit_notes.sheet(note).figures]
    assert figures == ["Total crédité"]
    assert billing.invoices.sheet(of).notes == ("Plus rien à payer",)


@pytest.mark.rule("P5", "R7")
@pytest.mark.parametrize(
    "amount, to, says",
    [
        (None, "credit", ["Voici l'avoir CN-000001 de 100,00 € sur la facture INV-000001.", "40,00 € ont été déduits de ce qui est à payer.",
                          "60,00 € ont été portés à votre crédit."]),
        (None, "source", ["Voici l'avoir CN-000001 de 100,00 € sur la facture INV-000001.", "40,00 € ont été déduits de ce qui est à payer.",
                          "60,00 € vous sont remboursés."]),
        ("10", None, ["Voici l'avoir CN-000001 de 10,00 € sur la facture INV-000001.", "10,00 € ont été déduits de ce qui est à payer.",
                      "Il reste 30,00 € à payer sur la facture INV-000001."]),
    ],
)  # fmt: skip
def test_a_note_goes_out_with_its_document_if_it_is_wished(
    billing: Billing, park: Biller, guest: Customer, amount: str | None, to: str | None, says: list[str]
) -> None:
    post = wiring_of(billing).mailer
    assert isinstance(post, Post)
    of = issued(billing, park, guest)
    billing.payments.record(of, money(60))
    note = billing.credit_notes.issue(of, amount=money(amount) if amount else None, to=to, notify=True)
    [message] = billing.messages.find(invoice=of)
    assert (message.kind, message.about, message.to) == (MessageKind.CREDIT_NOTE, note.id, "alice@example.com")
    assert billing.deliver().sent == 1
    [letter], [mail] = post.letters, post.sent
    assert [spaces(text) for text in letter.paragraphs] == [*says, "Avoir en pièce jointe (PDF)."]
    assert (letter.kind, letter.subject, letter.action) == ("credit_note", "Avoir CN-000001 de Les Pins", None)
    assert letter.sheet == billing.credit_notes.sheet(note)
    assert [attachment.filename for attachment in mail.attachments] == ["Avoir-CN-000001.pdf"]


@pytest.mark.rule("P5", "R7")
@pytest.mark.parametrize(
    "policy, wish, expected", [(False, None, 0), (True, None, 1), (True, False, 0), (False, True, 1)]
)
def test_who_is_told_of_a_note_follows_the_call_then_the_policy(
    billing: Billing, park: Biller, guest: Customer, policy: bool, wish: bool | None, expected: int
) -> None:
    billing.billers.edit(park, policy={"notify_on_payment": policy})
    of = issued(billing, park, guest)
    billing.credit_notes.issue(of, notify=wish)
    assert len(billing.messages.find(invoice=of)) == expected
