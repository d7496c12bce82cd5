"""Label sets: what each kind of business calls its statuses, its summary cards and the late badge (R13, S8, D4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from invoicecore.errors import InvalidValue
from invoicecore.invoices import Status
from invoicecore.wording.locales import language_of

CARDS: Final[tuple[str, ...]] = ("total", "open", "overdue", "paid")
"""The summary cards; their labels are plural (R13, R16)."""

BADGES: Final[tuple[str, ...]] = ("late",)
"""The badges; `late` says how an invoice was made and is never the word for Overdue (R13, S6)."""

_LANGUAGES: Final = ("en", "fr")
_KEYS: Final = tuple(
    [f"status.{status.value}" for status in Status]
    + [f"card.{card}" for card in CARDS]
    + [f"badge.{badge}" for badge in BADGES]
)
_LONGEST: Final = 60


@attrs.frozen(kw_only=True)
class LabelSet:
    """One biller's words, complete in English and French (D4).

    `words` is language (`en`, `fr`) → key (`status.paid`, `card.paid`, `badge.late`) → label. Make one with
    `label_set`, which checks that nothing lacks.
    """

    name: str
    words: Mapping[str, Mapping[str, str]]


def label_set(name: str, custom: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None) -> LabelSet:
    """The label set of that name, or the biller's own when `custom` is given (D4).

    `custom` is language → `status`, `card` and `badge` → key → label, as in
    `{"en": {"status": {"draft": "Draft", …}, "card": {"total": "Total", …}, "badge": {"late": "Late"}}, "fr": …}`,
    over every `Status`, every card and every badge. Raises InvalidValue for an unknown name, and for a custom set
    names each label that lacks, is blank, is not known, or is the same for the late badge as for Overdue (R13).
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
    return labels.words[language_of(locale)][f"status.{status.value}"]


def card_label(card: str, *, labels: LabelSet, locale: str) -> str:
    """What a summary card (`CARDS`) is called, in the plural (R13); InvalidValue for an unknown card."""
    found = labels.words[language_of(locale)].get(f"card.{card}")
    if found is None:
        raise InvalidValue("card", card, "is not a summary card", f"choose one of {', '.join(CARDS)}")
    return found


def late_badge(*, labels: LabelSet, locale: str) -> str:
    """What the badge of an invoice that was generated late says (R13, S6)."""
    return labels.words[language_of(locale)]["badge.late"]


def _checked(custom: object) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(custom, Mapping):
        raise InvalidValue("own_labels", custom, "is not a mapping", "give {'en': {'status': {…}, …}, 'fr': {…}}")
    faults = [f"{language} is not a language here" for language in custom if language not in _LANGUAGES]
    words: dict[str, Mapping[str, str]] = {}
    for language in _LANGUAGES:
        given = _flat(custom.get(language))
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


def _preset(name: str, en: Mapping[str, str], fr: Mapping[str, str]) -> LabelSet:
    return LabelSet(name=name, words=MappingProxyType({"en": MappingProxyType(en), "fr": MappingProxyType(fr)}))


_RESIDENTS_EN: Final = {
    "status.draft": "Draft",
    "status.open": "Open",
    "status.paid": "Paid",
    "status.pending": "Pending",
    "status.overdue": "Overdue",
    "status.void": "Void",
    "status.refunded": "Refunded",
    "card.total": "Total",
    "card.open": "Open",
    "card.overdue": "Overdue",
    "card.paid": "Paid",
    "badge.late": "Late",
}
# The words of page 002; Pending says that the payment is on its way, because "en attente" is what the page calls Open.
_RESIDENTS_FR: Final = {
    "status.draft": "Brouillon",
    "status.open": "Ouverte",
    "status.paid": "Payée",
    "status.pending": "Paiement en cours",
    "status.overdue": "En retard",
    "status.void": "Annulée",
    "status.refunded": "Remboursée",
    "card.total": "Total",
    "card.open": "Ouvertes",
    "card.overdue": "En retard",
    "card.paid": "Payées",
    "badge.late": "Émise tardivement",
}

LABEL_SETS: Final[Mapping[str, LabelSet]] = MappingProxyType(
    {
        "residents": _preset("residents", _RESIDENTS_EN, _RESIDENTS_FR),
        # Page 003 has no table of statuses; its notice calls a finalized invoice "ready for payment".
        "clients": _preset(
            "clients",
            {**_RESIDENTS_EN, "status.open": "Ready for payment", "card.open": "Ready for payment"},
            {**_RESIDENTS_FR, "status.open": "À payer", "card.open": "À payer"},
        ),
        "stays": _preset(
            "stays",
            {**_RESIDENTS_EN, "status.open": "Unpaid", "status.void": "Voided", "card.open": "Unpaid"},
            {
                **_RESIDENTS_FR,
                "status.open": "Impayée",
                "status.pending": "Prélèvement en cours",
                "card.open": "Impayées",
            },
        ),
    }
)
"""The label sets of the three presets (R13, S8)."""
