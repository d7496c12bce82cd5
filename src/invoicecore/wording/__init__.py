"""Words for people, in English and French: label sets, sentences, invoice lines, dates and money (R13, S2, M11)."""

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
from invoicecore.wording.locales import DATE_PATTERNS, LOCALES, format_date, format_money, language_of, locale_of
from invoicecore.wording.sentences import (
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
    "LabelSet",
    "card_label",
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
    "rent_line",
    "say",
    "status_label",
    "stay_line",
]
