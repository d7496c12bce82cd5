"""The locales that are spoken here, and how each writes a date and an amount (M11)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, overload

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol, get_decimal_symbol, parse_pattern

from invoicecore.errors import InvalidValue
from invoicecore.money import Money, decimals, minor
from invoicecore.wording.outside import Shared

if TYPE_CHECKING:
    from invoicecore.wording.catalogue import Entries, PoFile

# One explicit pattern per locale, in CLDR's letters: CLDR's own short dates change between its versions and drop the
# century (M11).
_OUR_PATTERNS: Final[Mapping[str, str]] = {
    "en_CA": "yyyy-MM-dd",
    "en_GB": "dd/MM/yyyy",
    "en_US": "MM/dd/yyyy",
    "fr_CA": "yyyy-MM-dd",
    "fr_FR": "dd/MM/yyyy",
}
# A language alone means the country whose rules the pages were written by: day before month in both.
_OUR_PLAIN: Final[Mapping[str, str]] = {"en": "en_GB", "fr": "fr_FR"}

Layer: TypeAlias = "Mapping[str, PoFile]"
"""The catalogues of one folder: locale → file."""


class Spoken:
    """What this process can speak: ours, and what a host has added; replaced as a whole, never changed.

    `layers` is what was added, the oldest first; `patterns` locale → the pattern of its dates; `plain` language → the
    locale it means; `words` catalogue and locale → the sentences that were asked for already.
    """

    __slots__ = ("layers", "patterns", "plain", "spellings", "templates", "words")

    def __init__(self, layers: tuple[Layer, ...], patterns: Mapping[str, str], plain: Mapping[str, str]) -> None:
        self.layers: Final = layers
        self.patterns: Final = MappingProxyType(patterns)
        self.plain: Final = MappingProxyType(plain)
        self.words: Final[dict[tuple[object, str], Entries]] = {}
        # zh_CN.po is the file of zh_Hans_CN.
        files = {file.name.removesuffix(".po"): file.locale for layer in layers for file in layer.values()}
        self.spellings: Final[Mapping[str, str]] = {
            **{stem.replace("-", "_").lower(): name for stem, name in files.items() if name in patterns},
            **{name.lower(): name for name in patterns},
            **{language.lower(): name for language, name in plain.items()},
        }
        self.templates: Final[Mapping[str, str]] = {
            name: pattern.replace("yyyy", "{0.year:04}").replace("MM", "{0.month:02}").replace("dd", "{0.day:02}")
            for name, pattern in patterns.items()
        }


SPOKEN: Final = Shared(Spoken((), _OUR_PATTERNS, _OUR_PLAIN))


def speaking(layers: Sequence[Layer]) -> Spoken:
    """What is spoken with these catalogues added to ours; InvalidValue for a locale they do not describe well."""
    patterns, plain = dict(_OUR_PATTERNS), dict(_OUR_PLAIN)
    for layer in layers:
        given = {name: _pattern(file) for name, file in layer.items()}
        # A language before its countries: they inherit its pattern.
        for name, file in sorted(layer.items(), key=lambda one: len(ancestors(one[0]))):
            if Locale.parse(name).territory is None:
                region = _region(file, plain)
                plain[name] = region
                pattern = given.get(region) or given[name]
            else:
                if "locale.region" in file.of(""):
                    raise InvalidValue(
                        "catalogues", file.name, "has a locale.region", "say it in the file of the language only"
                    )
                region = name
                pattern = next((given[one] for one in reversed(ancestors(name)) if given.get(one)), None)
            if pattern is not None:
                patterns[region] = pattern
            elif region not in patterns:
                example = "dd/MM/yyyy"
                raise InvalidValue(
                    "catalogues",
                    file.name,
                    f"does not say how {region} writes a date",
                    f'give it an entry msgid "locale.date_pattern", such as msgstr "{example}"',
                )
    return Spoken(tuple(layers), patterns, plain)


def ancestors(locale: str) -> tuple[str, ...]:
    """A locale's catalogues from the language to the country: `es_MX` → `es`, `es_MX`."""
    parts = locale.split("_")
    return tuple("_".join(parts[: n + 1]) for n in range(len(parts)))


def _region(file: PoFile, plain: Mapping[str, str]) -> str:
    """The country whose rules a language alone means: what the file says, else what holds, else CLDR's likely one."""
    said = file.of("").get("locale.region")
    if said is None and file.locale in plain:
        return plain[file.locale]
    try:
        if said is None:
            from babel.core import get_global

            likely = get_global("likely_subtags").get(file.locale, "")
            found = Locale.parse(f"{file.locale}_{likely.rpartition('_')[2]}")
        else:
            found = Locale.parse(str(said).replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        found = None
    if found is None or found.territory is None or file.locale not in ancestors(str(found)):
        raise InvalidValue(
            "catalogues",
            file.name,
            f"does not say which country {file.locale} alone means" if said is None else f"has locale.region {said!r}",
            f'give it an entry msgid "locale.region" with a locale of CLDR that begins with {file.locale}_',
        )
    return str(found)


def _pattern(file: PoFile) -> str | None:
    said = file.of("").get("locale.date_pattern")
    if said is None:
        return None
    pattern = str(said).strip()
    letters = sorted(re.findall("[A-Za-z]+", pattern))
    if letters != ["MM", "dd", "yyyy"] or re.search("['{}%]", pattern) or not pattern.isprintable():
        raise InvalidValue(
            "catalogues",
            file.name,
            f"has locale.date_pattern {pattern!r}",
            "write yyyy, MM and dd once each, in CLDR's letters, with what stands between them: a year has four digits",
        )
    return pattern


class _Patterns(Mapping[str, str]):
    def __getitem__(self, locale: str) -> str:
        return SPOKEN.value.patterns[locale]

    def __iter__(self) -> Iterator[str]:
        return iter(SPOKEN.value.patterns)

    def __len__(self) -> int:
        return len(SPOKEN.value.patterns)

    def __repr__(self) -> str:
        return repr(dict(self))


class _Locales(Sequence[str]):
    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return tuple(SPOKEN.value.patterns)[index]

    def __contains__(self, locale: object) -> bool:
        return locale in SPOKEN.value.patterns

    def __len__(self) -> int:
        return len(SPOKEN.value.patterns)

    def __repr__(self) -> str:
        return repr(tuple(self))


DATE_PATTERNS: Final[Mapping[str, str]] = _Patterns()
"""Locale → the pattern of its dates in CLDR's letters, the locales of added catalogues included."""

LOCALES: Final[Sequence[str]] = _Locales()
"""The supported locales in their canonical spelling, those of added catalogues included."""


# An amount that would lose a digit raises instead of being printed rounded.
_EXACT: Final = Context(prec=40, traps=[Inexact, InvalidOperation])


def locale_of(value: object, field: str = "locale") -> str:
    """The canonical spelling of a supported locale: `fr-FR`, `FR_fr` and plain `fr` are all `fr_FR` (M11).

    Plain `en` is `en_GB`. Raises InvalidValue with `field` and the supported locales named.
    """
    spoken = SPOKEN.value
    if isinstance(value, str):
        found = spoken.spellings.get(value.replace("-", "_").lower())
        if found is not None:
            return found
    choice = ", ".join((*spoken.patterns, *spoken.plain))
    raise InvalidValue(field, value, "is not a supported locale", f"choose one of {choice}")


def known(locale: str) -> str:
    """`locale_of`, without its work when the spelling is canonical already, as it is on every stored record."""
    return locale if locale in SPOKEN.value.templates else locale_of(locale)


def language_of(locale: str) -> str:
    """`en`, `fr` or the language of an added catalogue; InvalidValue for an unsupported locale (D4)."""
    return known(locale).partition("_")[0]


def format_date(day: date, locale: str) -> str:
    """A date by the locale's one explicit pattern, `DATE_PATTERNS` (M11).

    Raises InvalidValue for an unsupported locale.
    """
    templates = SPOKEN.value.templates
    template = templates.get(locale)
    return (templates[locale_of(locale)] if template is None else template).format(day)


def format_money(money: Money, locale: str) -> str:
    """An amount as CLDR writes it in the locale, always with all decimals of the currency's `sub_unit` (M11).

    French amounts carry the no-break spaces of CLDR (U+202F or U+00A0), and a currency without a symbol of its own is
    set off by U+00A0. Raises InvalidMoney for an amount that is not exact money, InvalidValue for an unsupported
    locale.
    """
    return _amount(minor(money), money.currency.code, known(locale))


def decimal_mark(locale: str) -> str:
    """What stands before the decimals of a number in the locale, by CLDR; InvalidValue for an unsupported locale."""
    return get_decimal_symbol(known(locale))


# Rents repeat: a run over many leases prints a few hundred different amounts. What CLDR says of a locale does not
# change with the catalogues.
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
