"""Sentences, names and invoice lines, spoken from the catalogue (S2, R3, R9, R10, S7, M10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from invoicecore.errors import InvalidValue
from invoicecore.money import Money
from invoicecore.periods import Frequency, Period
from invoicecore.wording.locales import SPOKEN, Spoken, ancestors, format_date, format_money, known
from invoicecore.wording.outside import packaged

if TYPE_CHECKING:  # what reads catalogues is imported when one is read
    from invoicecore.wording.catalogue import Entries, Entry


class Catalogue:
    """The sentences of one package, in the `catalogues` folder beside its code, and what a host added to them.

    `package` is the package's dotted name; its folder has one .po file per language (`en.po` is complete and is what
    all others are measured by) or country. `domain` is the msgctxt of its entries, so that one file of a host's can
    have words for several packages; the core has the empty one.
    """

    __slots__ = ("_ours", "domain", "package")

    package: str
    domain: str

    def __init__(self, package: str, *, domain: str) -> None:
        other = DOMAINS.get(domain)
        if other is not None and other.package != package:
            raise InvalidValue("domain", domain, f"is the domain of {other.package}", "choose another for your package")
        self.package = package
        self.domain = domain
        self._ours: dict[str, Entries] = {}
        DOMAINS[domain] = self

    def say(self, key: str, locale: str, /, **data: object) -> str:
        """The sentence for people, with dates and money in `data` written as the locale writes them; see `say`."""
        return self.sentence(key, locale, data)

    def sentence(self, key: str, locale: str, data: Mapping[str, object]) -> str:
        """`say`, with its data as a mapping."""
        locale = known(locale)
        words = self.words(locale)
        entry = words.get(key)
        if entry is None:
            raise KeyError(f"no sentence {key!r}; known: {', '.join(sorted(words))}")
        if not isinstance(entry, str):
            count = data.get("count")
            if not isinstance(count, int):
                raise KeyError(f"sentence {key!r} counts: give count= as a whole number")
            entry = entry.form(count)
        shown = {name: _shown(value, locale) for name, value in data.items()}
        try:
            return entry.format_map(shown)
        except KeyError:
            from invoicecore.wording.catalogue import placeholders

            raise KeyError(f"sentence {key!r} needs {', '.join(sorted(placeholders(entry)))}") from None

    def words(self, locale: str) -> Entries:
        """Key → sentence in a locale of `LOCALES`: the host's words before ours, a country's before its language's,
        and English for what lacks."""
        spoken = SPOKEN.value
        found = spoken.words.get((self, locale))
        if found is None:
            found = spoken.words[self, locale] = self.merged(spoken, locale)
        return found

    def merged(self, spoken: Spoken, locale: str) -> Entries:
        """`words` as they would be with `spoken`; InvalidValue for words that cannot stand in for the English ones."""
        words = {**self.ours("en"), **self.added(spoken, "en")}
        lineage = ancestors(locale)
        for name in lineage:
            words |= self.ours(name)
        for name in lineage:
            words |= self.added(spoken, name)
        return words

    def ours(self, name: str) -> Entries:
        """What the package itself says in a language or a country, without what it inherits."""
        found = self._ours.get(name)
        if found is None:
            from invoicecore.wording.catalogue import read

            data = packaged(self.package, f"catalogues/{name}.po")
            if data is None and name == "en":
                way_out = "put the sentences there in English, in a folder beside the package's __init__.py"
                raise InvalidValue("package", self.package, "has no catalogues/en.po", way_out)
            found = self._ours[name] = {} if data is None else read(data, f"{name}.po").of(self.domain)
        return found

    def added(self, spoken: Spoken, name: str) -> Entries:
        """What hosts added for a language or a country, the newest first, without what it inherits."""
        words: dict[str, Entry] = {}
        for layer in spoken.layers:
            if name in layer:
                from invoicecore.wording.catalogue import LOCALE_KEYS, faults

                given = layer[name].of(self.domain)
                wrong = faults(given, self.ours("en"))
                if wrong:
                    way_out = "correct these entries, or leave them out to have ours"
                    raise InvalidValue("catalogues", layer[name].name, "; ".join(wrong), way_out)
                words |= {key: entry for key, entry in given.items() if key not in LOCALE_KEYS}
        return words


DOMAINS: Final[dict[str, Catalogue]] = {}
"""Domain → the catalogue that speaks for it; a package that is not imported has none yet."""

CORE: Final = Catalogue("invoicecore.wording", domain="")


def say(key: str, locale: str, **data: object) -> str:
    """The catalogue's sentence for people, with dates and money in `data` written as the locale writes them.

    A sentence that counts takes `count` and has the plural forms of its language; French counts 0 as one. Data a
    sentence does not mention is ignored. Raises KeyError for an unknown key (the known ones named) and for data that
    lacks (named): both are mistakes of the program. InvalidValue for an unsupported locale.
    """
    return CORE.sentence(key, locale, data)


def can_say(key: str) -> bool:
    """Whether there is a sentence of that key."""
    return key in CORE.ours("en")


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
    return _rent_line(SPOKEN.value, frequency, period.start, period.end, partial, known(locale), what)


# The run describes a hundred thousand leases in a handful of different ways. What is spoken is part of the question:
# words that have been replaced are not remembered.
@lru_cache(maxsize=4096)
def _rent_line(
    _: Spoken, frequency: Frequency, start: date, end: date, partial: bool, locale: str, what: str | None
) -> str:
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


def _shown(value: object, locale: str) -> str:
    if isinstance(value, Money):
        return format_money(value, locale)
    if isinstance(value, date):
        return format_date(value, locale)
    return str(value)
