"""Words for people: label sets, sentences, invoice lines, dates and money (R13, S2, M11).

English and French are here, and any other language that a host adds as a catalogue (`add_catalogues`).
"""

from __future__ import annotations

from invoicecore.wording.labels import (
    BADGES,
    CARDS,
    LABEL_SETS,
    LabelSet,
    card_label,
    label_set,
    late_badge,
    status_label,
)
from invoicecore.wording.languages import AddedCatalogues, add_catalogues, missing
from invoicecore.wording.locales import (
    DATE_PATTERNS,
    LOCALES,
    decimal_mark,
    format_date,
    format_money,
    language_of,
    locale_of,
)
from invoicecore.wording.sentences import (
    Catalogue,
    can_say,
    frequency_name,
    heading,
    kind_name,
    method_name,
    rent_line,
    say,
    stay_line,
)

__all__ = [
    "BADGES",
    "CARDS",
    "DATE_PATTERNS",
    "LABEL_SETS",
    "LOCALES",
    "AddedCatalogues",
    "Catalogue",
    "LabelSet",
    "add_catalogues",
    "can_say",
    "card_label",
    "decimal_mark",
    "format_date",
    "format_money",
    "frequency_name",
    "heading",
    "kind_name",
    "label_set",
    "language_of",
    "late_badge",
    "locale_of",
    "method_name",
    "missing",
    "rent_line",
    "say",
    "status_label",
    "stay_line",
]
