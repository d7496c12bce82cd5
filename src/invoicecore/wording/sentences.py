"""Sentences, names and invoice lines, spoken from the catalogue (S2, R3, R9, R10, S7, M10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from string import Formatter
from typing import Final

from invoicecore.money import Money
from invoicecore.periods import Frequency, Period
from invoicecore.wording.catalogue import REGIONAL, SENTENCES
from invoicecore.wording.locales import format_date, format_money, known


def say(key: str, locale: str, **data: object) -> str:
    """The catalogue's sentence for people, with dates and money in `data` written as the locale writes them.

    A sentence that counts has `.one` and `.other` forms and takes `count`; French counts 0 as one. Data a sentence
    does not mention is ignored. Raises KeyError for an unknown key (the known ones named) and for data that lacks
    (named): both are mistakes of the program. InvalidValue for an unsupported locale.
    """
    locale = known(locale)
    template = _template(key, locale, data)
    shown = {name: _shown(value, locale) for name, value in data.items()}
    try:
        return template.format_map(shown)
    except KeyError:
        raise KeyError(f"sentence {key!r} needs {', '.join(sorted(placeholders(template)))}") from None


def method_name(method: str, locale: str) -> str:
    """What a way of paying is called: cash, cheque, transfer, card, direct_debit, other (C7)."""
    return say(f"method.{method}", locale)


def frequency_name(frequency: Frequency, locale: str) -> str:
    """What a frequency is called (M2)."""
    return say(f"frequency.{frequency.value}", locale)


def kind_name(kind: str, locale: str) -> str:
    """What a kind of invoice is called: booking, lease, group, standalone, one_time, charges (S1)."""
    return say(f"kind.{kind}", locale)


def heading(column: str, locale: str) -> str:
    """The heading of a column in a table for people: `number`, `customer`, `due`, `balance` and so on."""
    return say(f"heading.{column}", locale)


def rent_line(*, frequency: Frequency, period: Period, partial: bool, locale: str, what: str | None = None) -> str:
    """What a lease line covers: its frequency, then, on a second line, its first and last day (S2, M3).

    `Rent - Monthly (pro-rata)`, a line break, `01/04/2026 - 30/04/2026`; `what` replaces the word for rent.
    Raises InvalidValue for an unsupported locale.
    """
    return _rent_line(frequency, period.start, period.end, partial, known(locale), what)


# The run describes a hundred thousand leases in a handful of different ways.
@lru_cache(maxsize=4096)
def _rent_line(frequency: Frequency, start: date, end: date, partial: bool, locale: str, what: str | None) -> str:
    name = frequency_name(frequency, locale)
    first = f"{what or say('rent', locale)} - {name}" + (f" ({say('pro_rata', locale)})" if partial else "")
    last_day = Period(start, end).last_day
    return f"{first}\n{format_date(start, locale)} - {format_date(last_day, locale)}"


def stay_line(*, arrives: date, departs: date, locale: str, what: str | None = None, unit: str | None = None) -> str:
    """What an accommodation line covers: the site if known, then arrival, departure and nights (S1, M3).

    `Accommodation - Site 12`, a line break, `01/07/2026 - 05/07/2026 (4 nights)`: the second date is the day of
    departure. `what` replaces the word for accommodation. Raises InvalidValue for an unsupported locale.
    """
    site = f" - {say('site', locale, unit=unit)}" if unit else ""
    nights = say("nights", locale, count=(departs - arrives).days)
    dates = f"{format_date(arrives, locale)} - {format_date(departs, locale)}"
    return f"{what or say('accommodation', locale)}{site}\n{dates} ({nights})"


def _template(key: str, locale: str, data: Mapping[str, object]) -> str:
    words = SENTENCES[locale[:2]]
    found = REGIONAL.get(locale, {}).get(key) or words.get(key)
    if found is not None:
        return found
    if f"{key}.one" in words:
        count = data.get("count")
        if not isinstance(count, int):
            raise KeyError(f"sentence {key!r} counts: give count= as a whole number")
        return words[f"{key}.{'one' if _is_one(count, locale[:2]) else 'other'}"]
    raise KeyError(f"no sentence {key!r}; known: {', '.join(sorted({k.removesuffix('.other') for k in words}))}")


def _is_one(count: int, language: str) -> bool:
    """CLDR's plural rules for whole numbers: French says 0 nuit, English 0 nights."""
    return abs(count) == 1 or (language == "fr" and count == 0)


def _shown(value: object, locale: str) -> str:
    if isinstance(value, Money):
        return format_money(value, locale)
    if isinstance(value, date):
        return format_date(value, locale)
    return str(value)


_FORMATTER: Final = Formatter()


def placeholders(template: str) -> frozenset[str]:
    """The names a sentence wants data for."""
    return frozenset(name for _, name, _, _ in _FORMATTER.parse(template) if name)
