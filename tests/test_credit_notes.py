"""Credit notes: never beyond their invoice, in lines, tax and total, over any number of notes (P5, M7, N1, R16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desks import money
from invoicecore import Money
from invoicecore.credit_notes import Credited, CreditNote, left, note_number, note_series, take_back
from invoicecore.errors import CurrencyMismatch, InvalidMoney, InvalidValue, InvoicecoreError, NotEnough
from invoicecore.invoices import Invoice, InvoiceKind, Item, as_lines, draft, format_number, number_series
from invoicecore.money import from_minor, minor, total
from invoicecore.parties import PRESETS
from invoicecore.taxes import TaxRate

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
