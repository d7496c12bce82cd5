"""Label sets: what each kind of business calls its statuses, its summary cards and the late badge (R13, S8, D4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from invoicecore.errors import InvalidValue
from invoicecore.invoices import Status
from invoicecore.wording.locales import SPOKEN, known, language_of
from invoicecore.wording.sentences import CORE

CARDS: Final[tuple[str, ...]] = ("total", "open", "overdue", "paid")
"""The summary cards; their labels are plural (R13, R16)."""

BADGES: Final[tuple[str, ...]] = ("late",)
"""The badges; `late` says how an invoice was made and is never the word for Overdue (R13, S6)."""

_LANGUAGES: Final = ("en", "fr")  # that every set of own words has
_REFUNDED: Final = "refunded"  # the card beside CARDS where something was refunded: it makes the total add up (R16)
_KEYS: Final = tuple(
    [f"status.{status.value}" for status in Status]
    + [f"card.{card}" for card in (*CARDS, _REFUNDED)]
    + [f"badge.{badge}" for badge in BADGES]
)
_SPARED: Final = f"card.{_REFUNDED}"  # sets were made before there was this card, and are complete without it
_LONGEST: Final = 60


@attrs.frozen(kw_only=True)
class LabelSet:
    """One biller's words, complete in English and French (D4).

    `words` is language (`en`, `fr`) → key (`status.paid`, `card.paid`, `badge.late`) → label. Make one with
    `label_set`, which checks that nothing lacks. A language it does not have is spoken in English.
    """

    name: str
    words: Mapping[str, Mapping[str, str]]


def label_set(name: str, custom: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None) -> LabelSet:
    """The label set of that name, or the biller's own when `custom` is given (D4).

    `custom` is language → `status`, `card` and `badge` → key → label, as in
    `{"en": {"status": {"draft": "Draft", …}, "card": {"total": "Total", …}, "badge": {"late": "Late"}}, "fr": …}`,
    over every `Status`, every card and every badge; the card `refunded` may be left out, and is ours then. Beside `en`
    and `fr` it may have the languages of added catalogues. Raises InvalidValue for an unknown name, and for a custom
    set names each label that lacks, is blank, is not known, or is the same for the late badge as for Overdue (R13).
    """
    if custom is not None:
        return LabelSet(name=name, words=_checked(custom))
    try:
        return LABEL_SETS[name]
    except (KeyError, TypeError):
        raise InvalidValue(
            "labels", name, "is not a label set", f"choose one of {', '.join(LABEL_SETS)}, or give your own"
        ) from None


def status_label(status: Status, *, labels: LabelSet, locale: str) -> str:
    """What one invoice's status is called (R13, S8)."""
    return _word(labels, f"status.{status.value}", locale)


def card_label(card: str, *, labels: LabelSet, locale: str) -> str:
    """What a summary card (`CARDS`, or `refunded`) is called, in the plural (R13); InvalidValue for an unknown card."""
    cards = (*CARDS, _REFUNDED)
    if card not in cards:
        raise InvalidValue("card", card, "is not a summary card", f"choose one of {', '.join(cards)}")
    return _word(labels, f"card.{card}", locale)


def late_badge(*, labels: LabelSet, locale: str) -> str:
    """What the badge of an invoice that was generated late says (R13, S6)."""
    return _word(labels, "badge.late", locale)


def _word(labels: LabelSet, key: str, locale: str) -> str:
    words = labels.words
    if isinstance(words, _PresetWords):
        return words.word(key, locale)
    own = words.get(language_of(locale))
    return (words["en"] if own is None else own)[key]


def _checked(custom: object) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(custom, Mapping):
        raise InvalidValue("own_labels", custom, "is not a mapping", "give {'en': {'status': {…}, …}, 'fr': {…}}")
    here = SPOKEN.value.plain
    faults = [f"{language} is not a language here" for language in custom if language not in here]
    words: dict[str, Mapping[str, str]] = {}
    for language in (*_LANGUAGES, *(one for one in custom if one in here and one not in _LANGUAGES)):
        ours = str(CORE.words(here[language])[f"label.residents.{_SPARED}"])
        given = {_SPARED: ours, **_flat(custom.get(language))}
        good = {key: label.strip() for key, label in given.items() if key in _KEYS and _usable(label)}
        faults += [f"{language}.{key} lacks" for key in _KEYS if key not in given]
        faults += [f"{language}.{key} is not a known label" for key in given if key not in _KEYS]
        faults += [
            f"{language}.{key} is blank, too long or not plain text"
            for key in _KEYS
            if key in given and key not in good
        ]
        late = good.get("badge.late", "")
        if late and late.casefold() == good.get("status.overdue", "").casefold():
            faults.append(f"{language}.badge.late is the word for Overdue")
        words[language] = MappingProxyType(good)
    if faults:
        way_out = f"give each label a text of 1 to {_LONGEST} characters"
        raise InvalidValue("own_labels", sorted(map(str, custom)), "; ".join(faults), way_out)
    return MappingProxyType(words)


def _flat(groups: object) -> dict[str, str]:
    """One language's labels by flat key, unchecked; what is not a mapping has none."""
    if not isinstance(groups, Mapping):
        return {}
    return {
        f"{group}.{name}": label
        for group, entries in groups.items()
        if isinstance(entries, Mapping)
        for name, label in entries.items()
    }


def _usable(label: object) -> bool:
    return isinstance(label, str) and bool(label.strip()) and len(label) <= _LONGEST and label.isprintable()


class _PresetWords(Mapping[str, Mapping[str, str]]):
    """A preset's words, in every language that is spoken, read when they are asked for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def word(self, key: str, locale: str) -> str:
        return str(CORE.words(known(locale))[f"label.{self.name}.{key}"])

    def __getitem__(self, language: str) -> Mapping[str, str]:
        words = CORE.words(SPOKEN.value.plain[language])
        return MappingProxyType({key: str(words[f"label.{self.name}.{key}"]) for key in _KEYS})

    def __iter__(self) -> Iterator[str]:
        return iter(SPOKEN.value.plain)

    def __len__(self) -> int:
        return len(SPOKEN.value.plain)

    def __repr__(self) -> str:
        return f"<the words of {self.name}>"


LABEL_SETS: Final[Mapping[str, LabelSet]] = MappingProxyType(
    {name: LabelSet(name=name, words=_PresetWords(name)) for name in ("residents", "clients", "stays")}
)
"""The label sets of the three presets; their words are in the catalogues, as `label.<preset>.<key>` (R13, S8)."""
