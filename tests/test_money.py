"""Money is let in exactly or not at all, and no split loses or makes a cent."""

from __future__ import annotations

import copy
import decimal
import pickle
from decimal import Decimal
from fractions import Fraction

import moneyed
import pytest
from babel.core import get_global
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.errors import CurrencyMismatch, InvalidMoney, InvalidValue
from invoicecore.money import (
    MAX_MINOR,
    MIN_MINOR,
    Currency,
    Money,
    allocate,
    currency_of,
    decimals,
    exact,
    fixed,
    from_minor,
    half_up,
    minor,
    positive,
    split_exact,
    times,
    total,
    zero,
)

law = settings(deadline=None, max_examples=200)
codes = st.sampled_from(["EUR", "JPY", "KWD"])
cents = st.integers(MIN_MINOR, MAX_MINOR)
small = st.integers(-(10**9), 10**9)
weights_of_any_kind = st.lists(
    st.integers(0, 10**6)
    | st.decimals(0, 1000, places=4)
    | st.fractions(min_value=0, max_value=1000, max_denominator=1000),
    min_size=1,
    max_size=12,
).filter(any)


def mutated(**attributes: object) -> Money:
    money = Money("1.00", "EUR")
    for name, value in attributes.items():
        setattr(money, name, value)
    return money


@pytest.mark.rule("M8", "M11")
@pytest.mark.parametrize(
    "given_amount, code, printed",
    [
        ("12.5", "EUR", "12.50"),
        ("1.500", "EUR", "1.50"),
        ("1E+2", "EUR", "100.00"),
        ("-0", "EUR", "0.00"),
        ("0E+999999", "EUR", "0.00"),
        ("0E-999999", "EUR", "0.00"),
        ("85000.000", "JPY", "85000"),
        ("1.5", "KWD", "1.500"),
        ("92233720368547758.07", "EUR", "92233720368547758.07"),
        ("-92233720368547758.08", "EUR", "-92233720368547758.08"),
        ("9223372036854775807", "JPY", "9223372036854775807"),
        ("9223372036854775.807", "KWD", "9223372036854775.807"),
    ],
)
def test_an_amount_comes_in_with_its_currencys_decimals(given_amount: str, code: str, printed: str) -> None:
    assert str(exact(Money(given_amount, code)).amount) == printed


@pytest.mark.rule("M8")
@pytest.mark.parametrize(
    "value, reason",
    [
        (12.5, "float is not money"),
        (12, r"int is not money; write Money\('12.50', 'EUR'\)"),
        ("12.50", "str is not money"),
        (Decimal("12.50"), "Decimal is not money"),
        (None, "NoneType is not money"),
        (Money("NaN", "EUR"), "not a finite"),
        (Money("sNaN", "EUR"), "not a finite"),
        (Money("Infinity", "EUR"), "not a finite"),
        (Money("-Infinity", "EUR"), "not a finite"),
        (Money("1.505", "EUR"), "more decimals than EUR has"),
        (Money("0.1", "JPY"), "more decimals than JPY has"),
        (Money("1.5005", "KWD"), "more decimals than KWD has"),
        (Money("1." + "0" * 80 + "1", "EUR"), "more decimals than EUR has"),
        (Money("1E-999999", "EUR"), "more decimals than EUR has"),
        (Money("92233720368547758.08", "EUR"), "beyond 64 bits"),
        (Money("-92233720368547758.09", "EUR"), "beyond 64 bits"),
        (Money("9223372036854775808", "JPY"), "beyond 64 bits"),
        (Money("1E+999999", "EUR"), "beyond 64 bits"),
        (Money("1", "XAU"), "metal, fund or test"),
        (Money("1", "XTS"), "metal, fund or test"),
        (Money("1", "XXX"), "metal, fund or test"),
        (Money("1", "XDR"), "metal, fund or test"),
        (Money("1", "CLF"), "metal, fund or test"),
        (Money("1", "CHE"), "metal, fund or test"),
        (Money("1", "DEM"), "withdrawn"),
        (mutated(amount=1.5), "its amount is a float"),
        (mutated(amount=1), "its amount is a int"),
        (mutated(currency="EUR"), "its currency is not a Currency"),
    ],
)
def test_what_is_not_exact_money_is_refused_with_the_field_named(value: object, reason: str) -> None:
    with pytest.raises(InvalidMoney, match=reason) as caught:
        exact(value, "rent")
    assert caught.value.field == "rent"
    assert str(caught.value).startswith("rent=")
    assert caught.value.way_out in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.rule("R4", "M8")
def test_money_in_another_currency_is_a_mismatch_that_names_both() -> None:
    with pytest.raises(CurrencyMismatch, match="is in USD where EUR is expected") as caught:
        exact(Money("1", "USD"), "deposit", currency="EUR")
    assert caught.value.field == "deposit"
    with pytest.raises(InvalidValue, match="not a known currency"):
        exact(Money("1", "USD"), currency="EURO")


@pytest.mark.rule("M8")
def test_what_comes_in_is_a_copy_that_its_giver_can_no_longer_change() -> None:
    class HostMoney(Money):
        pass

    given_money = HostMoney("10.00", "EUR")
    kept = exact(given_money)
    assert not isinstance(kept, HostMoney)
    given_money.amount = Decimal("99.00")  # type: ignore[misc]  # Money is Final for mypy only
    assert kept == Money("10.00", "EUR")


@pytest.mark.rule("M8")
@pytest.mark.parametrize(
    "ours",
    [
        exact(Money("12.50", "EUR")),
        from_minor(1250, "EUR"),
        fixed(Money("12.50", "EUR")),
        from_minor(1000, "EUR") + Money("2.50", "EUR"),
        sum([from_minor(625, "EUR")] * 2),
        -from_minor(-1250, "EUR"),
        from_minor(125, "EUR") * 10,
        pickle.loads(pickle.dumps(from_minor(1250, "EUR"))),
        copy.deepcopy(from_minor(1250, "EUR")),
    ],
    ids=["exact", "minor", "fixed", "sum", "sum of", "negated", "times", "pickled", "copied"],
)
def test_money_of_ours_is_like_any_other_and_nobody_can_assign_to_it(ours: Money) -> None:
    plain = Money("12.50", "EUR")
    assert (ours == plain, plain == ours, ours != plain, hash(ours) == hash(plain)) == (True, True, False, True)
    assert (repr(ours), str(ours), isinstance(ours, Money)) == (repr(plain), str(plain), True)
    for name, value in (("amount", Decimal("99")), ("currency", Currency("USD")), ("other", 1)):
        with pytest.raises(AttributeError, match=f"the {name} of money"):
            setattr(ours, name, value)
        with pytest.raises(AttributeError, match=f"the {name} of money"):
            delattr(ours, name)
    assert ours == plain


@pytest.mark.rule("M8", "M11")
def test_a_currency_object_of_ones_own_does_not_change_the_decimals() -> None:
    forged = Money("1.5", Currency("EUR", sub_unit=1000))
    assert exact(forged).currency.sub_unit == 100
    with pytest.raises(InvalidMoney, match="more decimals"):
        exact(Money("1.505", Currency("EUR", sub_unit=1000)))


@pytest.mark.rule("R4")
@pytest.mark.parametrize("amount", ["0", "-0.01"])
def test_zero_and_less_are_not_positive(amount: str) -> None:
    with pytest.raises(InvalidMoney, match="greater than zero") as caught:
        positive(Money(amount, "EUR"), "amount", currency="EUR")
    assert caught.value.field == "amount"
    assert positive(Money("0.01", "EUR")) == Money("0.01", "EUR")


@pytest.mark.rule("M11")
@pytest.mark.parametrize(
    "code, places", [("JPY", 0), ("EUR", 2), ("KWD", 3), ("ISK", 0), ("MGA", 2), ("MRU", 2), ("TND", 3), ("XOF", 0)]
)
def test_decimals_come_from_the_sub_unit(code: str, places: int) -> None:
    assert decimals(code) == places
    assert {c.sub_unit for c in moneyed.CURRENCIES.values()} <= {10**n for n in range(6)}


@pytest.mark.rule("M8", "M11")
def test_a_registered_currency_is_taken_unless_its_sub_unit_has_no_decimal_form() -> None:
    moneyed.CURRENCIES["QQA"] = Currency("QQA", sub_unit=10)
    moneyed.CURRENCIES["QQB"] = Currency("QQB", sub_unit=5)
    try:
        assert from_minor(15, "QQA").amount == Decimal("1.5")
        with pytest.raises(InvalidValue, match="1/5"):
            decimals("QQB")
        with pytest.raises(InvalidMoney, match="1/5"):
            exact(Money("1", "QQB"))
    finally:
        del moneyed.CURRENCIES["QQA"], moneyed.CURRENCIES["QQB"]


@pytest.mark.rule("M8")
@pytest.mark.parametrize("code", ["eur", "EURO", "", "ZZZ", None, 978, ["EUR"]])
def test_an_unknown_currency_is_refused_with_the_field_named(code: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        currency_of(code, "biller.currency")  # type: ignore[arg-type]  # what a caller without mypy may do
    assert caught.value.field == "biller.currency"


@pytest.mark.rule("M8")
def test_currencies_let_in_are_those_somebody_pays_with_today() -> None:
    """CLDR is the second opinion on our list; money let in wrongly or shut out shows here after an upgrade."""
    tender = {
        code
        for currencies in get_global("territory_currencies").values()
        for code, _, ends, legal in currencies
        if ends is None and legal
    }
    ours = set()
    for code in moneyed.CURRENCIES:
        try:
            ours.add(currency_of(code).code)
        except InvalidValue:
            continue
    assert ours - {"BGN"} == (tender - {"BGN"}) & set(moneyed.CURRENCIES)  # lev: gone in 2026, still on invoices


@pytest.mark.rule("M8", "M11")
@pytest.mark.parametrize(
    "amount, code, units",
    [("12.50", "EUR", 1250), ("12", "JPY", 12), ("1.25", "KWD", 1250), ("-0.01", "EUR", -1), ("1E+3", "EUR", 100000)],
)
def test_minor_units_are_whole(amount: str, code: str, units: int) -> None:
    assert minor(Money(amount, code)) == units
    assert from_minor(units, code) == Money(amount, code)


@pytest.mark.rule("M8")
@pytest.mark.parametrize(
    "bad",
    [
        *(Money(amount, "EUR") for amount in ("NaN", "Infinity", "1.505", "92233720368547758.08", "1E+999999")),
        *(Money("1", "XAU"), mutated(amount=1.5), mutated(currency="EUR"), 5),
    ],
)
def test_minor_units_of_what_is_not_exact_money_are_refused(bad: Money) -> None:
    minor(Money("1", "EUR"))  # so that the quick way through is taken
    with pytest.raises(InvalidMoney):
        minor(bad)


@pytest.mark.rule("M8")
@pytest.mark.parametrize("amount", [MAX_MINOR + 1, MIN_MINOR - 1, 1.0, True, Decimal(1), "1", None])
def test_minor_units_that_are_not_64_bit_integers_make_no_money(amount: object) -> None:
    with pytest.raises(InvalidMoney) as caught:
        from_minor(amount, "EUR", "fee")  # type: ignore[arg-type]  # what a caller without mypy may do
    assert caught.value.field == "fee"


@pytest.mark.rule("M8", "M11")
@law
@given(cents, codes)
def test_minor_units_there_and_back_are_the_same(units: int, code: str) -> None:
    money = from_minor(units, code)
    assert minor(money) == units
    assert exact(money) == money
    assert str(exact(money).amount) == str(money.amount)


@pytest.mark.rule("M8")
@law
@given(cents, codes)
def test_a_thread_with_a_poor_decimal_context_gets_the_same_cents(units: int, code: str) -> None:
    with decimal.localcontext(decimal.Context(prec=3, traps=[])):
        assert minor(exact(from_minor(units, code))) == units


@pytest.mark.rule("M10", "M8")
def test_a_total_takes_one_currency_and_64_bits() -> None:
    assert total([], "JPY") == zero("JPY") == Money(0, "JPY")
    assert total(iter([Money("1.10", "EUR"), Money("-0.20", "EUR")]), "EUR") == Money("0.90", "EUR")
    with pytest.raises(CurrencyMismatch):
        total([Money("1", "EUR"), Money("1", "USD")], "EUR")
    with pytest.raises(InvalidMoney, match="float is not money"):
        total([1.0], "EUR")  # type: ignore[list-item]  # what a caller without mypy may do
    with pytest.raises(InvalidMoney, match="beyond 64 bits") as caught:
        total([from_minor(MAX_MINOR, "EUR"), from_minor(1, "EUR")], "EUR")
    assert caught.value.field == "total"
    assert total([from_minor(MAX_MINOR, "EUR"), from_minor(1, "EUR"), from_minor(-1, "EUR")], "EUR").amount > 0


@pytest.mark.rule("M4")
@pytest.mark.parametrize(
    "value, rounded", [("5/2", 3), ("-5/2", -3), ("7/3", 2), ("-7/3", -2), ("1/2", 1), ("-1/2", -1), ("0", 0), ("4", 4)]
)
def test_halves_round_away_from_zero(value: str, rounded: int) -> None:
    assert half_up(Fraction(value)) == rounded


@pytest.mark.rule("M10")
@pytest.mark.parametrize(
    "price, code, quantity, amount",
    [
        ("10.00", "EUR", 3, "30.00"),
        ("0.33", "EUR", Decimal("1.5"), "0.50"),  # 0.495
        ("0.05", "EUR", Decimal("0.5"), "0.03"),  # 0.025: up, not to even
        ("-0.05", "EUR", Decimal("0.5"), "-0.03"),
        ("0.05", "EUR", Decimal("-0.5"), "-0.03"),
        ("101", "JPY", Decimal("0.5"), "51"),
        ("1.001", "KWD", Decimal("0.5"), "0.501"),
        ("3.00", "EUR", Decimal(1) / Decimal(3), "1.00"),
        ("3.00", "EUR", 0, "0.00"),
    ],
)
def test_a_line_is_rounded_once_half_up(price: str, code: str, quantity: Decimal | int, amount: str) -> None:
    assert times(Money(price, code), quantity) == Money(amount, code)


@pytest.mark.rule("M10", "M8")
@pytest.mark.parametrize(
    "quantity", [1.5, True, "2", None, Fraction(1, 2), Decimal("NaN"), Decimal("Infinity"), Decimal("1E+999999")]
)
def test_a_quantity_that_is_not_exact_is_refused(quantity: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        times(Money("1.00", "EUR"), quantity)  # type: ignore[arg-type]  # what a caller without mypy may do
    assert caught.value.field == "quantity"


@pytest.mark.rule("M8")
def test_a_line_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InvalidMoney, match="beyond 64 bits"):
        times(from_minor(MAX_MINOR, "EUR"), 2)


@pytest.mark.rule("M5")
@pytest.mark.parametrize(
    "amount, code, weights, parts",
    [
        ("100.00", "EUR", (1, 1, 1), ("33.34", "33.33", "33.33")),
        ("-100.00", "EUR", (1, 1, 1), ("-33.34", "-33.33", "-33.33")),
        ("0.05", "EUR", (3, 7), ("0.02", "0.03")),  # 1.5 and 3.5: the tie goes to the first
        ("100", "JPY", (1, 1, 1), ("34", "33", "33")),
        ("1.000", "KWD", (1, 1, 1), ("0.334", "0.333", "0.333")),
        ("0.01", "EUR", (0, 1, 0), ("0.00", "0.01", "0.00")),
        ("0.00", "EUR", (1, 2), ("0.00", "0.00")),
        ("10.00", "EUR", (Decimal("0.125"), Decimal("0.375"), Fraction(1, 2)), ("1.25", "3.75", "5.00")),
        ("0.02", "EUR", (1, 1, 1), ("0.01", "0.01", "0.00")),
        ("1.00", "EUR", (5,), ("1.00",)),
    ],
)
def test_a_split_gives_the_rest_to_the_largest_remainders_then_by_order(
    amount: str, code: str, weights: tuple[int | Decimal | Fraction, ...], parts: tuple[str, ...]
) -> None:
    assert allocate(Money(amount, code), weights=weights) == tuple(Money(part, code) for part in parts)


@pytest.mark.rule("M5")
@pytest.mark.parametrize(
    "weights", [(), (0, 0), (1, -1), (1, 0.5), (True, 1), ("1",), (Decimal("NaN"),), (Decimal("1E-999999"),)]
)
def test_weights_that_share_nothing_out_are_refused(weights: tuple[object, ...]) -> None:
    with pytest.raises(InvalidValue) as caught:
        allocate(Money("1.00", "EUR"), weights)  # type: ignore[arg-type]  # what a caller without mypy may do
    assert caught.value.field == "weights"


@pytest.mark.rule("M5")
@law
@given(cents, codes, weights_of_any_kind)
def test_a_split_conserves_money_and_stays_within_a_minor_unit(
    units: int, code: str, weights: list[int | Decimal | Fraction]
) -> None:
    parts = [minor(part) for part in allocate(from_minor(units, code), weights)]
    whole = sum(Fraction(weight) for weight in weights)
    assert sum(parts) == units
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - units * Fraction(weight) / whole) < 1
        assert weight or not part


@pytest.mark.rule("M5")
@law
@given(st.integers(-MAX_MINOR, MAX_MINOR), weights_of_any_kind)
def test_a_negative_amount_is_split_as_the_mirror_image(units: int, weights: list[int | Decimal | Fraction]) -> None:
    there = allocate(from_minor(units, "EUR"), weights)
    assert allocate(from_minor(-units, "EUR"), weights) == tuple(-part for part in there)


@pytest.mark.rule("M5", "M9")
@pytest.mark.parametrize(
    "parts, amounts",
    [
        ((Fraction(100, 3),) * 3, (34, 33, 33)),
        ((Fraction(1, 2), Fraction(1, 2)), (1, 0)),
        ((Fraction(-1, 2), Fraction(-1, 2)), (-1, 0)),
        ((Fraction(1, 2),), (1,)),
        ((Fraction(1, 4), Fraction(1, 4)), (1, 0)),
        ((Fraction(1, 5), Fraction(1, 5)), (0, 0)),
        ((Fraction(5, 2), Fraction(-5, 2)), (3, -3)),
        ((3, Fraction(1, 3)), (3, 0)),
        ((), ()),
    ],
)
def test_exact_parts_are_rounded_together(parts: tuple[Fraction, ...], amounts: tuple[int, ...]) -> None:
    assert split_exact(parts, "JPY") == tuple(from_minor(amount, "JPY") for amount in amounts)


@pytest.mark.rule("M5")
@pytest.mark.parametrize("part", [0.5, Decimal("0.5"), True, None])
def test_parts_that_are_not_fractions_are_refused(part: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        split_exact([part], "EUR")  # type: ignore[list-item]  # what a caller without mypy may do
    assert caught.value.field == "parts"


@pytest.mark.rule("M5", "M9")
@law
@given(st.lists(st.fractions(-(10**9), 10**9, max_denominator=372), max_size=12))
def test_parts_rounded_together_add_up_to_the_rounded_sum(parts: list[Fraction]) -> None:
    amounts = [minor(part) for part in split_exact(parts, "EUR")]
    assert sum(amounts) == half_up(sum(parts, Fraction(0)))
    assert all(abs(amount - part) < 1 for amount, part in zip(amounts, parts, strict=True))
    if sum(parts):
        assert split_exact([-part for part in parts], "EUR") == tuple(from_minor(-amount, "EUR") for amount in amounts)


@pytest.mark.rule("M10")
@law
@given(st.lists(small), codes)
def test_a_total_is_the_sum_of_minor_units(units: list[int], code: str) -> None:
    assert minor(total((from_minor(unit, code) for unit in units), code)) == sum(units)
