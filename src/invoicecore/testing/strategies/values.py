"""Strategies for the values records are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from invoicecore.invoices import Item, Line, Share
from invoicecore.money import MAX_MINOR, MIN_MINOR, Money, from_minor
from invoicecore.periods import Period
from invoicecore.proration import DayCount
from invoicecore.taxes import TaxRate
from invoicecore.testing.samples import DAY

T = TypeVar("T")

CURRENCIES = ("EUR", "JPY", "KWD")
"""Two decimals, none, three (M11)."""

_BOUNDS = (0, 1, -1, 99, 100, 101, MAX_MINOR, MAX_MINOR - 1, MIN_MINOR, MIN_MINOR + 1)
# What has broken somebody's store before: quotes, wildcards, placeholders, line breaks, accents, another direction.
_AWKWARD = (
    'O\'Brien & "Sons"',
    "100% _real_ %s {} :name ? \\ \\n",
    "Rent - Monthly\n01/04/2026 - 30/04/2026",
    "Résidence « Les Pins » – n° 5",
    "e\u0301 is not é",
    "שלום 東京 🏕️",
    "NULL",
)
_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])


def currencies() -> SearchStrategy[str]:
    """A currency code of two, no or three decimals."""
    return st.sampled_from(CURRENCIES)


def minors(low: int = MIN_MINOR, high: int = MAX_MINOR) -> SearchStrategy[int]:
    """Minor units, the ends of 64 bits among them."""
    bounds = [low, high, *(each for each in _BOUNDS if low <= each <= high)]
    small = st.integers(max(low, -100_000), min(high, 100_000)) if low <= 100_000 and high >= -100_000 else st.nothing()
    return st.sampled_from(bounds) | st.integers(low, high) | small


def moneys(currency: str | None = None, low: int = MIN_MINOR, high: int = MAX_MINOR) -> SearchStrategy[Money]:
    """Exact money, in one currency or any of CURRENCIES."""
    codes = st.just(currency) if currency else currencies()
    return st.builds(from_minor, minors(low, high), codes)


def dates(low: date = date.min, high: date = date.max) -> SearchStrategy[date]:
    """Civil dates: the calendar's ends, leap days, and mostly days near the samples' own."""
    some = [date(2024, 2, 29), date(2026, 12, 31), date(2027, 1, 1), low, high]
    near = st.integers(-400, 400).map(lambda days: DAY + timedelta(days=days))
    fits = (near | st.sampled_from(some)).filter(lambda day: low <= day <= high)
    return fits | st.dates(low, high)


def instants() -> SearchStrategy[datetime]:
    """Aware instants in UTC, to the microsecond."""
    return st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))


def texts(longest: int = 60, *, required: bool = True) -> SearchStrategy[str]:
    """Text as people write it, in any script, with line breaks and quotes; trimmed, as the library stores it."""
    free = st.text(_LETTERS | st.just("\n"), max_size=longest).map(str.strip)
    some = st.sampled_from(_AWKWARD) | free
    return some.filter(bool) if required else some | st.just("")


def maybe(strategy: SearchStrategy[T]) -> SearchStrategy[T | None]:
    """`strategy`, or None."""
    return st.none() | strategy


def quantities() -> SearchStrategy[Decimal]:
    """Quantities; `1.50` is another value to print than `1.5`, and both are drawn."""
    return st.sampled_from(
        [Decimal(1), Decimal("1.50"), Decimal("1.5"), Decimal("-2"), Decimal("0.333")]
    ) | st.decimals(-1000, 1000, places=3)


def periods() -> SearchStrategy[Period]:
    """Periods of one day to some years."""
    return st.builds(
        lambda start, days: Period(start, start + timedelta(days=days)),
        dates(date(1900, 1, 1), date(2900, 1, 1)),
        st.integers(1, 800),
    )


def tax_rates() -> SearchStrategy[TaxRate]:
    """Named rates, with and without a VAT category."""
    return st.sampled_from(
        [
            TaxRate(name="TVA 20 %", percent=Decimal(20), category="S"),
            TaxRate(name="TVA 5,5 %", percent=Decimal("5.5"), category="S"),
            TaxRate(name="Exonéré", percent=Decimal(0), category="E"),
            TaxRate(name="Taxe de séjour", percent=Decimal("1.2345678901")),
        ]
    )


def rates() -> SearchStrategy[tuple[TaxRate, ...]]:
    """The rates of one line, each once."""
    return st.lists(tax_rates(), max_size=2, unique=True).map(tuple)


def shares() -> SearchStrategy[Share]:
    """How a prorated line came about; the fraction may be longer than 64 bits."""
    return st.builds(
        Share,
        days=st.integers(1, 366),
        of_days=st.integers(1, 366),
        day_count=st.sampled_from(DayCount),
        exact=st.fractions(0, 10**6, max_denominator=10**4)
        | st.just(Fraction(10**30 + 1, 3 * 10**25))
        | st.just(Fraction(-7, 3)),
    )


def items(currency: str) -> SearchStrategy[Item]:
    """What to bill, in one currency."""
    return st.builds(
        Item,
        description=texts(),
        unit_price=moneys(currency),
        quantity=quantities(),
        taxes=rates(),
        site=maybe(texts(10)),
    )


def lines(currency: str, *, charge: str | None = None) -> SearchStrategy[Line]:
    """Invoice lines with every field set or not; amounts are whatever, nothing here adds up."""
    return st.builds(
        Line,
        description=texts(),
        amount=moneys(currency),
        unit_price=moneys(currency),
        quantity=quantities(),
        taxes=rates(),
        period=maybe(periods()),
        share=maybe(shares()),
        charge=st.just(charge),
        site=maybe(texts(10)),
    )
