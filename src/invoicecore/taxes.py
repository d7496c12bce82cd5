"""Taxes of an invoice: per rate on the summed base, never per line (M7)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from attrs import field, frozen

from invoicecore.errors import InvalidValue, legible
from invoicecore.money import Money, allocate, currency_of, exact, from_minor, half_up, minor

__all__ = ["Breakdown", "TaxAmount", "TaxRate", "breakdown", "tax_rates"]

# EN 16931, code list UNTDID 5305: what the category says about the rate (BR-S-05, BR-Z-05, BR-E-05, BR-AE-05, BR-IC-05,
# BR-G-05, BR-O-05; IGIC and IPSI, L and M, may have any).
_CATEGORIES: Final = {
    "S": "above",
    "Z": "zero",
    "E": "zero",
    "AE": "zero",
    "K": "zero",
    "G": "zero",
    "O": "zero",
    "L": "any",
    "M": "any",
}
_MAX_PERCENT: Final = Decimal(10_000)
_MAX_DECIMALS: Final = 10
_LONGEST: Final = 100  # characters of a name


def _name(value: str) -> str:
    given: object = value
    if not isinstance(given, str) or not given.strip():
        raise InvalidValue("name", given, "a tax needs a name", "give one, such as 'TVA 20 %'")
    return given


def _percent(value: Decimal | int | str) -> Decimal:
    given: object = value
    if isinstance(given, bool) or not isinstance(given, (Decimal, int, str)):
        raise InvalidValue(
            "percent", given, f"a {type(given).__name__} is not an exact number", "write it as Decimal('5.5') or '5.5'"
        )
    try:
        percent = Decimal(given)
    except InvalidOperation:
        raise InvalidValue("percent", value, "is not a number", "write it as Decimal('5.5') or '5.5'") from None
    if not percent.is_finite() or not 0 <= percent <= _MAX_PERCENT:
        raise InvalidValue("percent", value, f"is not between 0 and {_MAX_PERCENT}", "give 20 for twenty per cent")
    # Checked on the exponent, before anything writes a million zeros out.
    exponent = percent.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MAX_DECIMALS:
        raise InvalidValue("percent", value, f"has more than {_MAX_DECIMALS} decimals", "round it before")
    # One way to write each rate, so that equal rates also print and store alike: 20, not 20.00 or 2E+1.
    plain = format(percent.copy_abs(), "f")  # abs() would round to the thread's context
    return Decimal(plain.rstrip("0").rstrip(".") if "." in plain else plain)


@frozen(slots=True, kw_only=True)
class TaxRate:
    """A named tax as a percentage of a base, with its EN 16931 category where it is a VAT (M7).

    `percent` is a Decimal (an int or a string is taken too, never a float), 0 or more: 20 is twenty per cent.
    `category` is S, Z, E, AE, K, G, O, L or M; S asks for a percentage above zero, Z, E, AE, K, G and O for zero.
    Raises InvalidValue (field "name", "percent" or "category").
    """

    name: str = field(converter=_name)
    percent: Decimal = field(converter=_percent)
    category: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.category is None:
            return
        given: object = self.category
        rule = _CATEGORIES.get(given) if isinstance(given, str) else None
        if rule is None:
            raise InvalidValue(
                "category", self.category, "is not a VAT category of EN 16931", f"give one of {', '.join(_CATEGORIES)}"
            )
        if rule == "zero" and self.percent:
            raise InvalidValue(
                "category", self.category, f"asks for 0 % and the rate is {self.percent} %", "use S, or 0 per cent"
            )
        if rule == "above" and not self.percent:
            raise InvalidValue("category", self.category, "asks for a rate above 0 %", "use Z, E or another for 0 %")


@frozen(slots=True, kw_only=True)
class TaxAmount:
    """One rate's share of an invoice: the summed base without tax, and the tax on it (M7)."""

    rate: TaxRate
    base: Money
    tax: Money


@frozen(slots=True, kw_only=True)
class Breakdown:
    """An invoice's totals: `net` + `tax` = `gross`, and `tax` = the sum of `per_rate`, exactly (M7).

    `per_rate` stands in the order in which the rates first appear on the lines.
    """

    net: Money
    tax: Money
    gross: Money
    per_rate: tuple[TaxAmount, ...]


def breakdown(
    lines: Iterable[tuple[Money, tuple[TaxRate, ...]]], *, currency: str, prices_include_tax: bool = False
) -> Breakdown:
    """The taxes of an invoice's lines, each line with any number of rates on its one base (M7).

    Line amounts may be negative. With prices that exclude tax, net is the sum of the lines and each rate's tax is
    half-up(percent of its summed base). With prices that include it, gross is the sum of the lines; per set of rates,
    net = half-up(sum ÷ (1 + Σ percent)), tax = gross - net, shared by percent (largest remainder).
    Raises CurrencyMismatch or InvalidMoney (field "lines[i]"), InvalidValue when one line names a rate twice.
    """
    code = currency_of(currency).code
    order: dict[TaxRate, int] = {}
    sums: dict[frozenset[TaxRate], int] = {}
    for index, (amount, rates) in enumerate(lines):
        where = f"lines[{index}]"
        for rate in rates:
            order.setdefault(_rate(rate, where), len(order))
        group = frozenset(rates)
        if len(group) != len(rates):
            raise InvalidValue(where, rates, "names the same tax twice", "name each rate once per line")
        sums[group] = sums.get(group, 0) + minor(exact(amount, where, currency=code))
    bases = dict.fromkeys(order, 0)
    taxes = dict.fromkeys(order, 0)
    net = sum(sums.values())
    if prices_include_tax:
        net = 0
        for group, gross in sums.items():
            ranked = sorted(group, key=order.__getitem__)
            without = half_up(Fraction(gross) / (1 + sum(_ratio(rate) for rate in ranked)))
            net += without
            for rate, share in zip(ranked, _share(gross - without, ranked, code), strict=True):
                bases[rate] += without
                taxes[rate] += share
    else:
        for group, base in sums.items():
            for rate in group:
                bases[rate] += base
        taxes = {rate: half_up(base * _ratio(rate)) for rate, base in bases.items()}
    tax = sum(taxes.values())
    return Breakdown(
        net=from_minor(net, code, "net"),
        tax=from_minor(tax, code, "tax"),
        gross=from_minor(net + tax, code, "gross"),
        per_rate=tuple(
            TaxAmount(rate=rate, base=from_minor(bases[rate], code, "base"), tax=from_minor(taxes[rate], code, "tax"))
            for rate in order
        ),
    )


def tax_rates(value: object, field: str) -> tuple[TaxRate, ...]:
    """The rates a caller put on a line, each once (M7). Raises InvalidValue with `field` named."""
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise InvalidValue(
            field, value, "is not a list of TaxRate", "give a tuple of TaxRate(name='VAT', percent='20')"
        )
    rates = tuple(_rate(rate, field) for rate in value)
    for rate in rates:  # here and not in TaxRate, which also reads what is stored
        if len(rate.name) > _LONGEST or legible(rate.name) != rate.name:
            reason = f"is not one line of at most {_LONGEST} characters"
            raise InvalidValue(f"{field}.name", rate.name[:40], reason, "shorten it, without control characters")
    if len(set(rates)) != len(rates):
        raise InvalidValue(field, rates, "names the same tax twice", "name each rate once per line")
    return rates


def _rate(rate: object, where: str) -> TaxRate:
    if not isinstance(rate, TaxRate):
        raise InvalidValue(where, rate, "is not a TaxRate", "give TaxRate(name='VAT', percent='20')")
    return rate


def _ratio(rate: TaxRate) -> Fraction:
    return Fraction(rate.percent) / 100


def _share(tax: int, ranked: list[TaxRate], code: str) -> list[int]:
    # A set whose rates are all zero has no tax to share, and no weights to share it by.
    if not tax:
        return [0] * len(ranked)
    return [minor(part) for part in allocate(from_minor(tax, code, "tax"), [rate.percent for rate in ranked])]
