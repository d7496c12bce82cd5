"""Taxes are computed per rate on the invoice's summed base, and nothing is lost between net and gross."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.errors import CurrencyMismatch, InvalidMoney, InvalidValue
from invoicecore.money import MAX_MINOR, Money, from_minor, half_up, minor
from invoicecore.taxes import Breakdown, TaxAmount, TaxRate, breakdown

law = settings(deadline=None, max_examples=200)

VAT20 = TaxRate(name="TVA 20 %", percent=Decimal(20), category="S")
VAT10 = TaxRate(name="TVA 10 %", percent=Decimal(10), category="S")
VAT0 = TaxRate(name="Exempt", percent=Decimal(0), category="E")
GST = TaxRate(name="GST", percent=Decimal(5))
QST = TaxRate(name="QST", percent=Decimal("9.975"))
FREE = TaxRate(name="City tax", percent=Decimal(0))
ALL = (VAT20, VAT10, VAT0, GST, QST, FREE)

Lines = list[tuple[Money, tuple[TaxRate, ...]]]


def eur(amount: str) -> Money:
    return Money(amount, "EUR")


def totals(result: Breakdown) -> tuple[str, str, str]:
    return str(result.net.amount), str(result.tax.amount), str(result.gross.amount)


def per_rate(result: Breakdown) -> list[tuple[str, str, str]]:
    return [(share.rate.name, str(share.base.amount), str(share.tax.amount)) for share in result.per_rate]


@pytest.mark.rule("M7")
def test_an_invoice_without_lines_or_taxes_is_all_zero_or_all_net() -> None:
    assert totals(breakdown([], currency="EUR")) == ("0.00", "0.00", "0.00")
    for inclusive in (False, True):
        result = breakdown([(eur("12.34"), ())], currency="EUR", prices_include_tax=inclusive)
        assert totals(result) == ("12.34", "0.00", "12.34")
        assert result.per_rate == ()


@pytest.mark.rule("M7")
def test_a_tax_is_rounded_on_the_summed_base_not_per_line() -> None:
    # 20 % of 0.03 is 0.006: per line 0.01 each, together 0.018
    result = breakdown([(eur("0.03"), (VAT20,))] * 3, currency="EUR")
    assert totals(result) == ("0.09", "0.02", "0.11")


@pytest.mark.rule("M7")
def test_two_taxes_stand_on_one_base() -> None:
    result = breakdown([(Money("100.00", "CAD"), (GST, QST))], currency="CAD")
    assert totals(result) == ("100.00", "14.98", "114.98")  # 9.975 is 9.98, on 100 and not on 105
    assert per_rate(result) == [("GST", "100.00", "5.00"), ("QST", "100.00", "9.98")]


@pytest.mark.rule("M7")
def test_rates_stand_in_the_order_of_the_lines() -> None:
    result = breakdown(
        [(eur("10.00"), (VAT10,)), (eur("100.00"), (VAT20,)), (eur("-5.00"), (VAT10,)), (eur("3.00"), ())],
        currency="EUR",
    )
    assert per_rate(result) == [("TVA 10 %", "5.00", "0.50"), ("TVA 20 %", "100.00", "20.00")]
    assert totals(result) == ("108.00", "20.50", "128.50")


@pytest.mark.rule("M7")
def test_a_rate_of_zero_keeps_its_base_for_the_vat_category() -> None:
    for inclusive in (False, True):
        result = breakdown([(eur("10.00"), (VAT0,))], currency="EUR", prices_include_tax=inclusive)
        assert result.per_rate == (TaxAmount(rate=VAT0, base=eur("10.00"), tax=eur("0.00")),)


@pytest.mark.rule("M7")
@pytest.mark.parametrize(
    "gross, code, rates, expected, shares",
    [
        ("120.00", "EUR", (VAT20,), ("100.00", "20.00", "120.00"), ["20.00"]),
        ("100.00", "EUR", (VAT20,), ("83.33", "16.67", "100.00"), ["16.67"]),
        ("-100.00", "EUR", (VAT20,), ("-83.33", "-16.67", "-100.00"), ["-16.67"]),
        ("114.98", "EUR", (GST, QST), ("100.00", "14.98", "114.98"), ["5.00", "9.98"]),
        ("0.01", "EUR", (VAT20,), ("0.01", "0.00", "0.01"), ["0.00"]),
        ("1000", "JPY", (VAT10,), ("909", "91", "1000"), ["91"]),
        ("10.000", "KWD", (GST,), ("9.524", "0.476", "10.000"), ["0.476"]),
        ("105.00", "EUR", (GST, FREE), ("100.00", "5.00", "105.00"), ["5.00", "0.00"]),
    ],
)
def test_included_tax_is_what_is_left_of_the_price_after_the_net(
    gross: str, code: str, rates: tuple[TaxRate, ...], expected: tuple[str, str, str], shares: list[str]
) -> None:
    result = breakdown([(Money(gross, code), rates)], currency=code, prices_include_tax=True)
    assert totals(result) == expected
    assert [str(share.tax.amount) for share in result.per_rate] == shares


@pytest.mark.rule("M7")
def test_included_tax_is_taken_out_per_set_of_rates_in_whatever_order_they_stand() -> None:
    lines = [(eur("57.49"), (GST, QST)), (eur("57.49"), (QST, GST)), (eur("105.00"), (GST,))]
    result = breakdown(lines, currency="EUR", prices_include_tax=True)
    assert totals(result) == ("200.00", "19.98", "219.98")
    assert per_rate(result) == [("GST", "200.00", "10.00"), ("QST", "100.00", "9.98")]


@pytest.mark.rule("M5", "M7")
def test_an_indivisible_cent_of_included_tax_goes_to_the_rate_named_first() -> None:
    here, there = TaxRate(name="State", percent=10), TaxRate(name="City", percent=10)
    for rates in ((here, there), (there, here)):
        result = breakdown([(eur("0.06"), rates)], currency="EUR", prices_include_tax=True)
        assert per_rate(result) == [(rates[0].name, "0.05", "0.01"), (rates[1].name, "0.05", "0.00")]


@pytest.mark.rule("M8")
def test_a_percentage_keeps_its_digits_in_a_thread_with_a_poor_decimal_context() -> None:
    with decimal.localcontext(decimal.Context(prec=2)):
        assert TaxRate(name="QST", percent="9.975") == QST


@pytest.mark.rule("M7", "M8")
def test_a_line_that_cannot_be_taxed_is_named_by_its_place() -> None:
    good = (eur("1.00"), (VAT20,))
    with pytest.raises(CurrencyMismatch) as mismatch:
        breakdown([good, (Money("1", "USD"), (VAT20,))], currency="EUR")
    assert mismatch.value.field == "lines[1]"
    with pytest.raises(InvalidMoney) as inexact:
        breakdown([good, (eur("0.001"), ())], currency="EUR")
    assert inexact.value.field == "lines[1]"
    with pytest.raises(InvalidValue, match="same tax twice"):
        breakdown([(eur("1.00"), (VAT20, VAT20))], currency="EUR")
    with pytest.raises(InvalidValue, match="not a TaxRate"):
        breakdown([(eur("1.00"), (20,))], currency="EUR")  # type: ignore[list-item]  # what a caller may do
    with pytest.raises(InvalidMoney, match="beyond 64 bits") as overflow:
        breakdown([(from_minor(MAX_MINOR, "EUR"), (VAT20,))], currency="EUR")
    assert overflow.value.field == "gross"


@pytest.mark.rule("M7")
@pytest.mark.parametrize("percent", ["5.50", Decimal("5.5"), Decimal("55E-1")])
def test_a_percentage_has_one_form_however_it_is_written(percent: Decimal | str) -> None:
    rate = TaxRate(name="VAT", percent=percent)  # type: ignore[arg-type,unused-ignore]  # the converter takes strings
    assert str(rate.percent) == "5.5"
    assert hash(rate) == hash(TaxRate(name="VAT", percent=Decimal("5.5")))


@pytest.mark.rule("M7")
@pytest.mark.parametrize(
    "percent, printed", [(20, "20"), ("20.00", "20"), ("2E+1", "20"), ("0.0", "0"), ("-0", "0"), ("100", "100")]
)
def test_a_whole_percentage_is_written_without_decimals(percent: int | str, printed: str) -> None:
    assert str(TaxRate(name="VAT", percent=percent).percent) == printed


@pytest.mark.rule("M7", "M8")
@pytest.mark.parametrize(
    "percent", [5.5, True, None, "five", "NaN", "Infinity", "-1", "10001", "1E+999999", "1E-999999", "0.00000000001"]
)
def test_a_percentage_that_is_not_exact_or_not_sensible_is_refused(percent: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        TaxRate(name="VAT", percent=percent)  # type: ignore[arg-type]  # what a caller without mypy may do
    assert caught.value.field == "percent"


@pytest.mark.rule("M7")
@pytest.mark.parametrize(
    "category, percent, fine",
    [
        *((category, 0, True) for category in ("Z", "E", "AE", "K", "G", "O", "L", "M")),
        *((category, 5, False) for category in ("Z", "E", "AE", "K", "G", "O")),
        ("S", 5, True), ("S", 0, False), ("L", 7, True), ("M", 4, True), (None, 5, True),
        ("s", 5, False), ("VAT", 5, False), ("", 0, False), ("B", 0, False),
    ],
)  # fmt: skip
def test_a_vat_category_is_one_of_en_16931_and_fits_its_rate(category: str | None, percent: int, fine: bool) -> None:
    if fine:
        assert TaxRate(name="VAT", percent=percent, category=category).category == category
        return
    with pytest.raises(InvalidValue) as caught:
        TaxRate(name="VAT", percent=percent, category=category)
    assert caught.value.field == "category"


@pytest.mark.rule("M7")
@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_tax_has_a_name(name: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        TaxRate(name=name, percent=20)  # type: ignore[arg-type]  # what a caller without mypy may do
    assert caught.value.field == "name"


currencies = st.sampled_from(["EUR", "JPY", "KWD"])
sets_of_rates = st.lists(st.sampled_from(ALL), unique=True, max_size=4).map(tuple)
raw_lines = st.lists(st.tuples(st.integers(-(10**10), 10**10), sets_of_rates), max_size=8)


def lines_of(raw: Sequence[tuple[int, tuple[TaxRate, ...]]], code: str) -> Lines:
    return [(from_minor(units, code), rates) for units, rates in raw]


@pytest.mark.rule("M5", "M7")
@law
@given(raw_lines, currencies, st.booleans())
def test_net_and_tax_make_gross_and_the_lines_are_one_of_them(
    raw: list[tuple[int, tuple[TaxRate, ...]]], code: str, inclusive: bool
) -> None:
    result = breakdown(lines_of(raw, code), currency=code, prices_include_tax=inclusive)
    summed = sum(units for units, _ in raw)
    assert minor(result.net) + minor(result.tax) == minor(result.gross)
    assert minor(result.gross if inclusive else result.net) == summed
    assert sum(minor(share.tax) for share in result.per_rate) == minor(result.tax)
    assert [share.rate for share in result.per_rate] == list(dict.fromkeys(rate for _, rates in raw for rate in rates))


@pytest.mark.rule("M7")
@law
@given(raw_lines, currencies)
def test_a_tax_on_top_is_the_rate_of_its_summed_base(raw: list[tuple[int, tuple[TaxRate, ...]]], code: str) -> None:
    for share in breakdown(lines_of(raw, code), currency=code).per_rate:
        base = sum(units for units, rates in raw if share.rate in rates)
        assert minor(share.base) == base
        assert minor(share.tax) == half_up(base * Fraction(share.rate.percent) / 100)


@pytest.mark.rule("M7")
@law
@given(st.integers(-(10**10), 10**10), sets_of_rates.filter(any), currencies)
def test_an_included_tax_is_within_two_minor_units_of_its_rate_on_the_net(
    units: int, rates: tuple[TaxRate, ...], code: str
) -> None:
    result = breakdown(lines_of([(units, rates)], code), currency=code, prices_include_tax=True)
    for share in result.per_rate:
        assert abs(minor(share.tax) - minor(share.base) * Fraction(share.rate.percent) / 100) < 2


@pytest.mark.rule("M7")
@law
@given(raw_lines, currencies, st.booleans())
def test_the_order_of_the_lines_changes_no_total(
    raw: list[tuple[int, tuple[TaxRate, ...]]], code: str, inclusive: bool
) -> None:
    there = breakdown(lines_of(raw, code), currency=code, prices_include_tax=inclusive)
    back = breakdown(lines_of(raw[::-1], code), currency=code, prices_include_tax=inclusive)
    assert (there.net, there.tax, there.gross) == (back.net, back.tax, back.gross)
