"""The locales that are spoken here, and how each writes a date and an amount (M11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from babel import Locale
from babel.numbers import get_currency_symbol, parse_pattern

from invoicecore.errors import InvalidValue
from invoicecore.money import Money, decimals, minor

DATE_PATTERNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en_CA": "yyyy-MM-dd",
        "en_GB": "dd/MM/yyyy",
        "en_US": "MM/dd/yyyy",
        "fr_CA": "yyyy-MM-dd",
        "fr_FR": "dd/MM/yyyy",
    }
)
"""One explicit pattern per supported locale, in CLDR's letters: CLDR's own short dates change between its versions and
drop the century (M11)."""

LOCALES: Final[tuple[str, ...]] = tuple(DATE_PATTERNS)
"""The supported locales in their canonical spelling."""

# A language alone means the country whose rules the pages were written by: day before month in both.
_PLAIN: Final = {"en": "en_GB", "fr": "fr_FR"}
_SPELLINGS: Final[Mapping[str, str]] = {**{name.lower(): name for name in LOCALES}, **_PLAIN}
_DATE_TEMPLATES: Final[Mapping[str, str]] = {
    name: pattern.replace("yyyy", "{0.year:04}").replace("MM", "{0.month:02}").replace("dd", "{0.day:02}")
    for name, pattern in DATE_PATTERNS.items()
}


# An amount that would lose a digit raises instead of being printed rounded.
_EXACT: Final = Context(prec=40, traps=[Inexact, InvalidOperation])


def locale_of(value: object, field: str = "locale") -> str:
    """The canonical spelling of a supported locale: `fr-FR`, `FR_fr` and plain `fr` are all `fr_FR` (M11).

    Plain `en` is `en_GB`. Raises InvalidValue with `field` and the supported locales named.
    """
    if isinstance(value, str):
        found = _SPELLINGS.get(value.replace("-", "_").lower())
        if found is not None:
            return found
    raise InvalidValue(field, value, "is not a supported locale", f"choose one of {', '.join((*LOCALES, *_PLAIN))}")


def known(locale: str) -> str:
    """`locale_of`, without its work when the spelling is canonical already, as it is on every stored record."""
    return locale if locale in _DATE_TEMPLATES else locale_of(locale)


def language_of(locale: str) -> str:
    """`en` or `fr`; InvalidValue for an unsupported locale (D4)."""
    return known(locale)[:2]


def format_date(day: date, locale: str) -> str:
    """A date by the locale's one explicit pattern, `DATE_PATTERNS` (M11).

    Raises InvalidValue for an unsupported locale.
    """
    return _DATE_TEMPLATES[known(locale)].format(day)


def format_money(money: Money, locale: str) -> str:
    """An amount as CLDR writes it in the locale, always with all decimals of the currency's `sub_unit` (M11).

    French amounts carry the no-break spaces of CLDR (U+202F or U+00A0), and a currency without a symbol of its own is
    set off by U+00A0. Raises InvalidMoney for an amount that is not exact money, InvalidValue for an unsupported
    locale.
    """
    return _amount(minor(money), money.currency.code, known(locale))


# Rents repeat: a run over many leases prints a few hundred different amounts.
@lru_cache(maxsize=8192)
def _amount(units: int, code: str, locale: str) -> str:
    value = Decimal(units).scaleb(-decimals(code), _EXACT)
    # Babel reads the decimal context of the thread: a host that lowered its precision would print amounts it does not owe.
    with localcontext(_EXACT):
        return _writer(code, locale)(value)


@lru_cache(maxsize=512)
def _writer(code: str, locale: str) -> Callable[[Decimal], str]:
    cldr = Locale.parse(locale)
    standard = cldr.currency_formats["standard"].pattern
    # CLDR's currencySpacing, which Babel leaves out: a symbol that is a letter does not touch a digit (KWD 1.000).
    if standard.startswith("¤#") and get_currency_symbol(code, cldr)[-1].isalpha():
        standard = standard.replace("¤#", "¤\N{NO-BREAK SPACE}#", 1)
    pattern = parse_pattern(standard)
    # Not CLDR's digits for the currency: they are 0 for some that have cents on paper, and would hide them (M11).
    pattern.frac_prec = (decimals(code), decimals(code))

    def write(value: Decimal) -> str:
        return str(pattern.apply(value, cldr, currency=code, currency_digits=False))

    return write
