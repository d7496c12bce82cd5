"""One catalogue: a .po file of gettext, read into sentences by key, and what is wrong with it (D4, M11).

An entry's msgid is our key and its msgstr the sentence; `{name}` takes data. A sentence that counts has its key as
msgid_plural too, and the forms that the file's own Plural-Forms header tells apart. What is fuzzy or empty is not
there: the next catalogue in line is asked. The msgctxt of an entry is the domain of the package that says it, and the
core's own sentences have none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from string import Formatter
from types import MappingProxyType
from typing import Final

import attrs

from invoicecore.errors import InvalidValue

LOCALE_KEYS: Final = frozenset({"locale.date_pattern", "locale.region"})
"""What a catalogue says of its locale itself, beside sentences."""

_FORMATTER: Final = Formatter()
# Every rule of CLDR for whole numbers repeats within a thousand, but for millions.
_COUNTS_TRIED: Final = (*range(1000), 10_000, 100_000, 1_000_000, 1_000_001, 2_000_000)


@attrs.frozen(eq=False)
class Counting:
    """A sentence that counts: its forms, and which of them a number takes."""

    forms: tuple[str, ...]
    form_of: Callable[[int], int]

    def form(self, count: int) -> str:
        """The form for a whole number; below zero as above it."""
        return self.forms[self.form_of(abs(count))]


Entry = str | Counting
Entries = Mapping[str, Entry]


@attrs.frozen(eq=False, kw_only=True)
class PoFile:
    """What one .po file says: its name, its locale in CLDR's spelling, and domain → key → sentence."""

    name: str
    locale: str
    domains: Mapping[str, Entries]

    def of(self, domain: str) -> Entries:
        """The sentences of one domain; none where the file has none."""
        return self.domains.get(domain, {})


def read(data: bytes, name: str) -> PoFile:
    """The .po file called `name`, which is its locale: `es.po`, `es_MX.po`.

    Raises InvalidValue for a locale that CLDR does not know, for what is not a .po file in UTF-8, for a header that
    speaks of another language, and for plural forms that do not count.
    """
    # Neither is needed before somebody is spoken to.
    from gettext import c2py

    from babel.messages.pofile import PoFileError, read_po

    locale = _locale(name)
    way_out = "check it with `msgfmt --check`"
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _refused(name, f"is not a .po file in UTF-8 ({error})", way_out) from None
    lines = text.split("\n")  # not splitlines(), which knows more ends of a line than gettext does
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):
            raise _refused(name, f"is not a .po file in line {number}: {line!r:.80}", way_out)
    try:
        # The locale is for the plural forms it has by default.
        catalogue = read_po(lines, locale=locale, abort_invalid=True)
    except (PoFileError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _refused(name, f"is not a .po file in UTF-8 ({error})", way_out) from None
    if "msgid" not in text:
        raise _refused(name, "is not a .po file, it has no entries", "begin with a copy of en.po")
    spoken = catalogue.locale_identifier
    if spoken and not _same(spoken, name):
        raise _refused(name, f"says Language: {spoken}", "name the file and its Language header alike")
    forms, expression = catalogue.num_plurals, catalogue.plural_expr
    try:
        form_of = c2py(expression)
        counts = all(0 <= form_of(n) < forms for n in _COUNTS_TRIED)
    except (ValueError, ArithmeticError, RecursionError):
        counts = False
    if not counts:
        way_out = "take the line for your language from the manual of gettext"
        raise _refused(name, f"has Plural-Forms that do not count: nplurals={forms}; plural={expression};", way_out)
    entries = Counter((each["domain"] or "", each["key"]) for each in _ENTRY.finditer(text))
    domains: dict[str, dict[str, Entry]] = {}
    for message in catalogue:
        said, key = message.string, message.id
        if not key or message.fuzzy:
            continue
        words = domains.setdefault(message.context or "", {})
        first = key if isinstance(key, str) else key[0]
        if entries[message.context or "", first] > 1:
            raise _refused(name, f"has {first} twice", "leave one of them")
        if isinstance(key, str):
            if isinstance(said, str) and said.strip():
                words[key] = said
        elif said and all(form.strip() for form in said):
            words[key[0]] = Counting(tuple(said), form_of)
    return PoFile(
        name=name,
        locale=locale,
        domains=MappingProxyType({domain: MappingProxyType(words) for domain, words in domains.items()}),
    )


# Babel takes what it can get: a string whose quotes do not close would lose its last letter.
_LINE: Final = re.compile(r"""\s*(#.*|((msgctxt|msgid|msgid_plural|msgstr(\[\d+\])?)\s+)?"([^"\\]|\\.)*"\s*)?""")
_ENTRY: Final = re.compile(r'(?:^msgctxt "(?P<domain>[^"]*)"\n)?^msgid "(?P<key>[^"]+)"$', re.MULTILINE)


def faults(words: Entries, english: Entries) -> list[str]:
    """What of these sentences cannot stand in for the English ones, each in a few words."""
    found = []
    for key, entry in words.items():
        wanted = english.get(key)
        if wanted is None:
            if key not in LOCALE_KEYS:
                found.append(f"{key} is not a known sentence")
        elif isinstance(entry, Counting) != isinstance(wanted, Counting):
            found.append(
                f"{key} {'counts: it needs' if isinstance(wanted, Counting) else 'does not count: no'} msgid_plural"
            )
        else:
            found += _wrong_data(key, entry, wanted)
    return found


def placeholders(template: str) -> frozenset[str]:
    """The names a sentence wants data for."""
    return frozenset(name for _, name, _, _ in _FORMATTER.parse(template) if name is not None)


def forms(entry: Entry) -> tuple[str, ...]:
    """Every text of a sentence: one, or its plural forms."""
    return entry.forms if isinstance(entry, Counting) else (entry,)


def _wrong_data(key: str, entry: Entry, wanted: Entry) -> list[str]:
    data = placeholders(forms(wanted)[-1])
    found = []
    for form in forms(entry):
        try:
            parts = [
                (name, spec, conversion) for _, name, spec, conversion in _FORMATTER.parse(form) if name is not None
            ]
        except ValueError as error:
            found.append(f"{key} has a broken placeholder ({error})")
            continue
        given = {name for name, _, _ in parts}
        # A form that is for one number only may spell it: "one night".
        optional = {"count"} if isinstance(wanted, Counting) else set()
        if any(spec or conversion for _, spec, conversion in parts) or not data - optional <= given <= data:
            shown = ", ".join(f"{{{name}}}" for name in sorted(data)) or "none"
            found.append(f"{key} has other placeholders than the English sentence, which has {shown}")
    return found


def _locale(name: str) -> str:
    from babel import Locale, UnknownLocaleError

    stem = name.removesuffix(".po")
    try:
        locale = Locale.parse(stem.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = None
    if locale is None or not _same(
        f"{locale.language}_{locale.territory}" if locale.territory else locale.language, name
    ):
        way_out = "name the file by its language, as es.po, or by its language and country, as es_MX.po"
        raise _refused(name, "is not named by a locale that CLDR knows", way_out)
    return str(locale)


def _same(locale: str, name: str) -> bool:
    """Whether a locale and a file's name mean the same language and country; the script may be left out."""

    def parts(text: str) -> tuple[str, ...]:
        return tuple(part for part in text.lower().replace("-", "_").split("_") if len(part) != 4)

    return parts(locale) == parts(name.removesuffix(".po"))


def _refused(name: str, reason: str, way_out: str) -> InvalidValue:
    return InvalidValue("catalogues", name, reason, way_out)
