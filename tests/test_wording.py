"""What people read: label sets, sentences, lines, dates and money in English and French."""

from __future__ import annotations

import copy
import decimal
from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import pytest
from babel.dates import format_date as babel_date
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.alerts import AlertKind
from invoicecore.collection import CollectionState, DeclineCode, MethodState
from invoicecore.errors import InvalidMoney, InvalidValue
from invoicecore.invoices import InvoiceKind, Status
from invoicecore.money import Money, decimals, from_minor
from invoicecore.parties import PRESETS, InvoiceMethod
from invoicecore.payments import PaymentMethod
from invoicecore.periods import Frequency, Period
from invoicecore.statements import EntryKind
from invoicecore.wording import (
    BADGES,
    CARDS,
    DATE_PATTERNS,
    LABEL_SETS,
    LOCALES,
    card_label,
    format_date,
    format_money,
    frequency_name,
    heading,
    kind_name,
    label_set,
    language_of,
    late_badge,
    locale_of,
    method_name,
    rent_line,
    say,
    status_label,
    stay_line,
)
from invoicecore.wording.catalogue import LOCALE_KEYS, Counting, Entries, faults, forms, placeholders
from invoicecore.wording.sentences import CORE

LANGUAGES = ("en", "fr")
APRIL = Period(date(2026, 4, 1), date(2026, 5, 1))

STATUSES: dict[tuple[str, str], dict[str, str]] = {
    ("residents", "en"): {
        "draft": "Draft", "open": "Open", "paid": "Paid", "pending": "Pending",
        "overdue": "Overdue", "void": "Void", "refunded": "Refunded",
    },
    ("residents", "fr"): {
        "draft": "Brouillon", "open": "Ouverte", "paid": "Payée", "pending": "Paiement en cours",
        "overdue": "En retard", "void": "Annulée", "refunded": "Remboursée",
    },
    ("clients", "en"): {
        "draft": "Draft", "open": "Ready for payment", "paid": "Paid", "pending": "Pending",
        "overdue": "Overdue", "void": "Void", "refunded": "Refunded",
    },
    ("clients", "fr"): {
        "draft": "Brouillon", "open": "À payer", "paid": "Payée", "pending": "Paiement en cours",
        "overdue": "En retard", "void": "Annulée", "refunded": "Remboursée",
    },
    ("stays", "en"): {
        "draft": "Draft", "open": "Unpaid", "paid": "Paid", "pending": "Pending",
        "overdue": "Overdue", "void": "Voided", "refunded": "Refunded",
    },
    ("stays", "fr"): {
        "draft": "Brouillon", "open": "Impayée", "paid": "Payée", "pending": "Prélèvement en cours",
        "overdue": "En retard", "void": "Annulée", "refunded": "Remboursée",
    },
}  # fmt: skip


def own_words() -> dict[str, dict[str, dict[str, str]]]:
    """A complete set of a biller's own, as plain data."""
    return {
        language: {
            "status": {status.value: f"{status.value} {language}" for status in Status},
            "card": {card: f"{card}s {language}" for card in CARDS},
            "badge": {"late": f"made late {language}"},
        }
        for language in LANGUAGES
    }


# --- label sets ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("R13", "S8", "D4")
@pytest.mark.parametrize("name, language", list(STATUSES))
def test_every_label_set_says_every_status_in_its_own_words(name: str, language: str) -> None:
    labels = label_set(name)
    said = {status.value: status_label(status, labels=labels, locale=language) for status in Status}
    assert said == STATUSES[name, language]


@pytest.mark.rule("R13", "R16")
@pytest.mark.parametrize(
    "name, locale, expected",
    [
        ("residents", "en_US", ["Total", "Open", "Overdue", "Paid"]),
        ("residents", "fr_CA", ["Total", "Ouvertes", "En retard", "Payées"]),
        ("clients", "en_GB", ["Total", "Ready for payment", "Overdue", "Paid"]),
        ("clients", "fr_FR", ["Total", "À payer", "En retard", "Payées"]),
        ("stays", "en_GB", ["Total", "Unpaid", "Overdue", "Paid"]),
        ("stays", "fr_FR", ["Total", "Impayées", "En retard", "Payées"]),
    ],
)
def test_summary_cards_are_plural(name: str, locale: str, expected: list[str]) -> None:
    assert [card_label(card, labels=label_set(name), locale=locale) for card in CARDS] == expected


@pytest.mark.parametrize("locale, said", [("en_GB", "Refunded"), ("fr_CA", "Remboursées")])
def test_the_card_of_refunds_is_plural_and_a_billers_own_where_it_has_a_word_for_it(locale: str, said: str) -> None:
    for name in LABEL_SETS:
        assert card_label("refunded", labels=label_set(name), locale=locale) == said
    words = own_words()
    # Sets that were made before there was a word for it stay good.
    assert card_label("refunded", labels=label_set("mine", words), locale=locale) == said
    for language in LANGUAGES:
        words[language]["card"]["refunded"] = f"given back {language}"
    assert card_label("refunded", labels=label_set("mine", words), locale=locale) == f"given back {locale[:2]}"


@pytest.mark.rule("R13", "S6")
@pytest.mark.parametrize("name", list(LABEL_SETS))
def test_the_late_badge_is_never_the_word_for_overdue(name: str) -> None:
    labels = label_set(name)
    assert late_badge(labels=labels, locale="en") == "Late"
    assert late_badge(labels=labels, locale="fr") == "Émise tardivement"
    for locale in LOCALES:
        assert late_badge(labels=labels, locale=locale) != status_label(Status.OVERDUE, labels=labels, locale=locale)


@pytest.mark.rule("R13", "D4")
@pytest.mark.parametrize("name", list(LABEL_SETS))
def test_every_label_set_has_the_same_complete_keys_in_both_languages(name: str) -> None:
    cards = (*CARDS, "refunded")
    keys = {f"status.{s.value}" for s in Status} | {f"card.{c}" for c in cards} | {f"badge.{b}" for b in BADGES}
    words = LABEL_SETS[name].words
    assert set(words) == set(LANGUAGES)
    for language in LANGUAGES:
        assert set(words[language]) == keys
        statuses = [words[language][f"status.{status.value}"] for status in Status]
        assert len(set(statuses)) == len(statuses), "two statuses share a word"


@pytest.mark.rule("D4")
def test_every_preset_names_a_label_set_that_exists() -> None:
    assert {policy.labels for policy in PRESETS.values()} == set(LABEL_SETS)


@pytest.mark.rule("D4")
def test_a_biller_may_bring_its_own_words() -> None:
    labels = label_set("residents", own_words())
    assert status_label(Status.VOID, labels=labels, locale="fr_CA") == "void fr"
    assert card_label("paid", labels=labels, locale="en_US") == "paids en"
    assert late_badge(labels=labels, locale="fr") == "made late fr"


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(words: dict[str, Any]) -> None:
        *parents, last = path
        for name in parents:
            words = words[name]
        del words[last]

    return change


def _with(value: object, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(words: dict[str, Any]) -> None:
        *parents, last = path
        for name in parents:
            words = words.setdefault(name, {})
        words[last] = value

    return change


@pytest.mark.rule("D4", "R13")
@pytest.mark.parametrize(
    "change, expected",
    [
        (_without("fr", "status", "pending"), "fr.status.pending lacks"),
        (_without("en", "card", "open"), "en.card.open lacks"),
        (_without("fr", "badge"), "fr.badge.late lacks"),
        (_with("text", "en", "badge"), "en.badge.late lacks"),
        (_with("  ", "en", "status", "paid"), "en.status.paid is blank, too long or not plain text"),
        (_with("x" * 61, "en", "status", "paid"), "en.status.paid is blank, too long or not plain text"),
        (_with("a\nb", "en", "status", "paid"), "en.status.paid is blank, too long or not plain text"),
        (_with(7, "en", "status", "paid"), "en.status.paid is blank, too long or not plain text"),
        (_with("Oups", "fr", "status", "opne"), "fr.status.opne is not a known label"),
        (_with("OVERDUE EN", "en", "badge", "late"), "en.badge.late is the word for Overdue"),
        (_with({}, "de"), "de is not a language here"),
    ],
)
def test_an_incomplete_set_is_refused_with_exactly_what_lacks(
    change: Callable[[dict[str, Any]], None], expected: str
) -> None:
    words = own_words()
    change(words)
    with pytest.raises(InvalidValue) as refused:
        label_set("mine", words)
    assert refused.value.field == "own_labels"
    assert refused.value.reason == expected


@pytest.mark.rule("D4")
def test_every_fault_of_a_set_is_named_at_once() -> None:
    words = own_words()
    del words["fr"]
    del words["en"]["card"]["total"]
    with pytest.raises(InvalidValue) as refused:
        label_set("mine", words)
    lacking = [fault.removesuffix(" lacks") for fault in refused.value.reason.split("; ")]
    everything = {f"status.{s.value}" for s in Status} | {f"card.{c}" for c in CARDS} | {"badge.late"}
    assert sorted(lacking) == sorted({"en.card.total"} | {f"fr.{key}" for key in everything})


@pytest.mark.parametrize("custom", [[], "words", 3])
def test_own_words_that_are_not_a_mapping_are_refused(custom: Any) -> None:
    with pytest.raises(InvalidValue, match="own_labels"):
        label_set("mine", custom)


def test_a_set_of_own_words_does_not_follow_later_changes_of_the_data() -> None:
    words = own_words()
    labels = label_set("mine", words)
    before = copy.deepcopy({language: dict(labels.words[language]) for language in LANGUAGES})
    words["en"]["status"]["paid"] = "changed"
    assert {language: dict(labels.words[language]) for language in LANGUAGES} == before
    with pytest.raises(TypeError):
        labels.words["en"]["status.paid"] = "changed"  # type: ignore[index]


@pytest.mark.parametrize("name", ["resident", "", None, ["residents"]])
def test_an_unknown_label_set_is_refused_with_the_known_ones(name: Any) -> None:
    with pytest.raises(InvalidValue, match="residents, clients, stays"):
        label_set(name)


def test_an_unknown_card_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidValue, match="total, open, overdue, paid"):
        card_label("draft", labels=label_set("stays"), locale="en")


# --- locales, dates, money ------------------------------------------------------------------------------------------


@pytest.mark.rule("M11")
@pytest.mark.parametrize(
    "given_, expected",
    [
        ("fr_FR", "fr_FR"),
        ("fr-FR", "fr_FR"),
        ("FR-fr", "fr_FR"),
        ("fr", "fr_FR"),
        ("fr-CA", "fr_CA"),
        ("en", "en_GB"),
        ("en-gb", "en_GB"),
        ("en_US", "en_US"),
        ("EN_CA", "en_CA"),
    ],
)
def test_a_locale_is_accepted_in_every_usual_spelling(given_: str, expected: str) -> None:
    assert locale_of(given_) == expected
    assert language_of(given_) == expected[:2]


@pytest.mark.rule("M11")
@pytest.mark.parametrize("value", ["de_DE", "fr_BE", "", "fr_FR.UTF-8", "français", None, 3, ["fr"]])
def test_an_unsupported_locale_is_refused_with_the_known_ones(value: object) -> None:
    with pytest.raises(InvalidValue) as refused:
        locale_of(value, "customer.locale")
    assert refused.value.field == "customer.locale"
    assert all(name in str(refused.value) for name in (*LOCALES, "fr", "en"))


@pytest.mark.rule("M11")
@pytest.mark.parametrize(
    "locale, expected",
    [
        ("fr_FR", "03/04/2026"),
        ("fr_CA", "2026-04-03"),
        ("en_GB", "03/04/2026"),
        ("en_US", "04/03/2026"),
        ("en_CA", "2026-04-03"),
        ("fr", "03/04/2026"),
        ("en", "03/04/2026"),
        ("fr-CA", "2026-04-03"),
    ],
)
def test_each_locale_writes_dates_in_one_explicit_way(locale: str, expected: str) -> None:
    assert format_date(date(2026, 4, 3), locale) == expected


@pytest.mark.rule("M11")
@given(day=st.dates(), locale=st.sampled_from(LOCALES))
def test_dates_agree_with_the_pattern_as_cldr_reads_it(day: date, locale: str) -> None:
    assert format_date(day, locale) == babel_date(day, DATE_PATTERNS[locale], locale=locale)


NARROW, WIDE = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


@pytest.mark.rule("M11", "R4")
@pytest.mark.parametrize(
    "amount, currency, locale, expected",
    [
        ("1234.50", "EUR", "fr_FR", f"1{NARROW}234,50{WIDE}€"),
        ("1234567.00", "EUR", "fr_FR", f"1{NARROW}234{NARROW}567,00{WIDE}€"),
        ("1234.50", "CAD", "fr_CA", f"1{WIDE}234,50{WIDE}$"),
        ("1234.50", "GBP", "en_GB", "£1,234.50"),
        ("-1234.50", "GBP", "en_GB", "-£1,234.50"),
        ("1234.50", "USD", "en_US", "$1,234.50"),
        ("1234.50", "CAD", "en_CA", "$1,234.50"),
        ("1234.50", "CAD", "en_US", "CA$1,234.50"),
        ("0", "EUR", "en_GB", "€0.00"),
        ("0.05", "EUR", "fr", f"0,05{WIDE}€"),
        ("1234", "JPY", "en_US", "¥1,234"),
        ("1234", "JPY", "fr_FR", f"1{NARROW}234{WIDE}JPY"),
        ("1.234", "KWD", "fr_FR", f"1,234{WIDE}KWD"),
        ("1234.5", "KWD", "en_GB", f"KWD{WIDE}1,234.500"),
        ("-1.5", "CHF", "en_GB", f"-CHF{WIDE}1.50"),
        ("12.34", "ALL", "en_GB", f"ALL{WIDE}12.34"),  # CLDR's default digits are 0 here and would hide the cents
    ],
)
def test_money_is_written_by_the_locale_with_the_decimals_of_its_currency(
    amount: str, currency: str, locale: str, expected: str
) -> None:
    assert format_money(Money(amount, currency), locale) == expected


@pytest.mark.rule("M11", "M8")
@given(
    units=st.integers(-(2**63), 2**63 - 1),
    currency=st.sampled_from(["EUR", "USD", "CAD", "JPY", "KWD", "ALL", "HUF", "CHF", "XOF", "TND"]),
    locale=st.sampled_from(LOCALES),
)
def test_printed_money_can_be_read_back_to_the_last_minor_unit(units: int, currency: str, locale: str) -> None:
    said = format_money(from_minor(units, currency), locale)
    assert ("-" in said) == (units < 0)
    mark = "," if locale.startswith("fr") else "."
    assert int("".join(c for c in said if c.isdecimal())) == abs(units)
    places = decimals(currency)
    digits = said.rpartition(mark)[2] if places else ""
    assert sum(c.isdecimal() for c in digits) == places


@pytest.mark.rule("M11")
def test_a_host_that_lowered_its_decimal_precision_still_prints_every_cent() -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        assert format_money(Money("7654321.09", "EUR"), "en_GB") == "€7,654,321.09"


@pytest.mark.rule("M8")
def test_an_amount_with_more_decimals_than_its_currency_is_not_rounded_away() -> None:
    with pytest.raises(InvalidMoney):
        format_money(Money("1.005", "EUR"), "en_GB")


# --- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S2", "M3", "M11")
@pytest.mark.parametrize(
    "locale, partial, expected",
    [
        ("en_GB", False, "Rent - Monthly\n01/04/2026 - 30/04/2026"),
        ("en_GB", True, "Rent - Monthly (pro-rata)\n01/04/2026 - 30/04/2026"),
        ("en", True, "Rent - Monthly (pro-rata)\n01/04/2026 - 30/04/2026"),
        ("en_US", False, "Rent - Monthly\n04/01/2026 - 04/30/2026"),
        ("en_CA", False, "Rent - Monthly\n2026-04-01 - 2026-04-30"),
        ("fr_FR", False, "Loyer - Mensuel\n01/04/2026 - 30/04/2026"),
        ("fr_FR", True, "Loyer - Mensuel (au prorata)\n01/04/2026 - 30/04/2026"),
        ("fr-CA", True, "Loyer - Mensuel (au prorata)\n2026-04-01 - 2026-04-30"),
    ],
)
def test_a_rent_line_says_what_it_covers(locale: str, partial: bool, expected: str) -> None:
    assert rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=partial, locale=locale) == expected


@pytest.mark.rule("S2")
@pytest.mark.parametrize(
    "frequency, english, french",
    [
        (Frequency.WEEKLY, "Weekly", "Hebdomadaire"),
        (Frequency.FORTNIGHTLY, "Fortnightly", "Toutes les deux semaines"),
        (Frequency.FOUR_WEEKLY, "Four-weekly", "Toutes les quatre semaines"),
        (Frequency.MONTHLY, "Monthly", "Mensuel"),
        (Frequency.QUARTERLY, "Quarterly", "Trimestriel"),
        (Frequency.HALF_YEARLY, "Half-yearly", "Semestriel"),
        (Frequency.YEARLY, "Yearly", "Annuel"),
    ],
)
def test_every_frequency_has_a_name_on_the_line_and_in_tables(frequency: Frequency, english: str, french: str) -> None:
    assert (frequency_name(frequency, "en"), frequency_name(frequency, "fr")) == (english, french)
    line = rent_line(frequency=frequency, period=APRIL, partial=False, locale="fr_FR")
    assert line.splitlines()[0] == f"Loyer - {french}"


@pytest.mark.rule("S2")
def test_a_lease_may_call_its_rent_something_else() -> None:
    line = rent_line(frequency=Frequency.WEEKLY, period=APRIL, partial=True, locale="en", what="Pitch fee {unit}")
    assert line == "Pitch fee {unit} - Weekly (pro-rata)\n01/04/2026 - 30/04/2026"


@pytest.mark.rule("S2", "M3")
def test_a_period_of_one_day_begins_and_ends_on_it() -> None:
    one = Period(date(2026, 4, 1), date(2026, 4, 2))
    line = rent_line(frequency=Frequency.MONTHLY, period=one, partial=True, locale="en")
    assert line.endswith("\n01/04/2026 - 01/04/2026")


@pytest.mark.rule("S1", "M3")
@pytest.mark.parametrize(
    "nights, locale, data, expected",
    [
        (4, "en_GB", {}, "Accommodation\n01/07/2026 - 05/07/2026 (4 nights)"),
        (1, "en_GB", {"unit": "12"}, "Accommodation - Site 12\n01/07/2026 - 02/07/2026 (1 night)"),
        (0, "en_GB", {}, "Accommodation\n01/07/2026 - 01/07/2026 (0 nights)"),
        (2, "en_US", {"what": "Cabin"}, "Cabin\n07/01/2026 - 07/03/2026 (2 nights)"),
        (4, "fr_FR", {"unit": "12"}, "Hébergement - Emplacement 12\n01/07/2026 - 05/07/2026 (4 nuits)"),
        (1, "fr_CA", {}, "Hébergement\n2026-07-01 - 2026-07-02 (1 nuit)"),
        (0, "fr_FR", {}, "Hébergement\n01/07/2026 - 01/07/2026 (0 nuit)"),
    ],
)
def test_a_stay_line_counts_nights_between_arrival_and_departure(
    nights: int, locale: str, data: dict[str, str], expected: str
) -> None:
    arrives = date(2026, 7, 1)
    assert stay_line(arrives=arrives, departs=arrives + timedelta(days=nights), locale=locale, **data) == expected


# --- the catalogue ---------------------------------------------------------------------------------------------------


def data_of(words: Entries, key: str) -> frozenset[str]:
    return frozenset().union(*map(placeholders, forms(words[key])))


@pytest.mark.rule("D4", "R13")
def test_every_sentence_is_translated() -> None:
    english, french = set(CORE.ours("en")), set(CORE.ours("fr"))
    assert len(english) > 100
    assert english - french == set(), "no French for these"
    assert french - english == set(), "no English for these"
    for language in LANGUAGES:
        assert [key for key, entry in CORE.ours(language).items() if not all(map(str.strip, forms(entry)))] == []


@pytest.mark.rule("D4")
def test_translations_use_the_same_data() -> None:
    english, french = CORE.ours("en"), CORE.ours("fr")
    differ = {
        key: (data_of(english, key), data_of(french, key))
        for key in english
        if data_of(english, key) != data_of(french, key)
    }
    assert differ == {}


def test_sentences_that_count_have_both_forms() -> None:
    counting = {key for key, entry in CORE.ours("en").items() if isinstance(entry, Counting)}
    assert {"nights", "publish_all"} <= counting
    for language in LANGUAGES:
        words = CORE.ours(language)
        assert {key for key, entry in words.items() if isinstance(entry, Counting)} == counting
        for key in counting:
            assert len(forms(words[key])) == 2
            assert all("count" in placeholders(form) for form in forms(words[key]))


def test_regional_sentences_replace_ones_that_exist_and_take_the_same_data() -> None:
    regional = {locale: CORE.ours(locale) for locale in LOCALES if CORE.ours(locale)}
    assert set(regional) == {"en_US", "fr_CA"}
    for words in regional.values():
        assert faults(words, CORE.ours("en")) == []
        assert not set(words) & LOCALE_KEYS


@pytest.mark.rule("R1", "R3", "R9", "R10", "S7", "M10", "D6", "C8")
@pytest.mark.parametrize(
    "key, data, english, french",
    [
        ("payments_off", {}, "Payments are off", "Les paiements sont désactivés"),
        ("nothing_due", {}, "Nothing due", "Rien à facturer"),
        ("already_there", {"extra": 1}, "Already invoiced", "Déjà facturé"),
        ("due_passed", {"due": date(2026, 4, 3)}, "The due date 03/04/2026 has passed",
         "La date d'échéance du 03/04/2026 est dépassée"),
        ("no_resident", {"unit": "12{x}"}, "Unit 12{x} has no primary resident",
         "L'unité 12{x} n'a pas de résident principal"),
        ("no_email", {"name": "Ana"}, "Ana has no e-mail address", "Ana n'a pas d'adresse courriel"),
        ("many_periods", {"count": 1}, "1 period at once", "1 période à la fois"),
        ("many_periods", {"count": 12}, "12 periods at once", "12 périodes à la fois"),
        ("late", {}, "Issued after its period had begun", "Émise après le début de sa période"),
        ("finished", {}, "The lease has ended", "Le bail est terminé"),
        ("overpaid_to_credit", {"amount": Money("5", "EUR")}, "€5.00 more than was due became credit",
         f"5,00{WIDE}€ de trop-perçu porté au crédit"),
    ],
)  # fmt: skip
def test_sentences_for_people(key: str, data: dict[str, object], english: str, french: str) -> None:
    assert say(key, "en_GB", **data) == english
    assert say(key, "fr_FR", **data) == french


def test_every_sentence_can_be_said_in_every_locale() -> None:
    for key in CORE.ours("en"):
        data: dict[str, object] = dict.fromkeys(data_of(CORE.ours("en"), key), "x") | {"count": 2}
        for locale in LOCALES:
            said = say(key, locale, **data)
            assert said.strip()
            assert "{" not in said


def test_an_unknown_sentence_is_a_mistake_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"no sentence 'nothing'; known: .*many_periods, .*nothing_due"):
        say("nothing", "en")


@pytest.mark.parametrize("key, data", [("due_passed", {}), ("publish_all", {"count": 2}), ("no_email", {"unit": "1"})])
def test_data_that_lacks_is_a_mistake_that_names_what_is_needed(key: str, data: dict[str, object]) -> None:
    with pytest.raises(KeyError, match="needs"):
        say(key, "fr", **data)


def test_a_sentence_that_counts_wants_a_count() -> None:
    with pytest.raises(KeyError, match="count="):
        say("nights", "en")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_method_kind_and_heading_has_a_name(locale: str) -> None:
    assert len({method_name(method, locale) for method in PaymentMethod}) == len(PaymentMethod)
    kinds = {*(kind.value for kind in InvoiceKind), "one_time"}
    assert len({kind_name(kind, locale) for kind in kinds}) == len(kinds)
    assert len({say(f"invoice_method.{method}", locale) for method in InvoiceMethod}) == len(InvoiceMethod)
    columns = ["number", "customer", "unit", "issued", "due", "total", "balance", "status"]
    assert len({heading(column, locale) for column in columns}) == len(columns)


@pytest.mark.rule("D4", "S9", "D6")
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "family, values",
    [
        ("collection", CollectionState),
        ("decline", DeclineCode),
        ("method_state", MethodState),
        ("alert", AlertKind),
        ("entry", EntryKind),
    ],
)
def test_every_state_reason_and_alert_has_words_of_its_own(locale: str, family: str, values: type[StrEnum]) -> None:
    said = {value: say(f"{family}.{value.value}", locale) for value in values}
    assert len(set(said.values())) == len(said)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_state_of_a_collection_has_a_step_of_the_timeline(locale: str) -> None:
    said = [say(f"event.collection_{state.value}", locale) for state in CollectionState]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("locale, note", [("en_US", "Credit note"), ("fr_FR", "Avoir"), ("fr_CA", "Note de crédit")])
def test_a_credit_note_is_called_as_its_country_calls_it(locale: str, note: str) -> None:
    assert {say("doc.credit_note", locale), say("entry.credit_note", locale)} == {note}
    assert note.casefold() in say("mail.credit_note", locale, number="1", amount="5", invoice="2").casefold()


@pytest.mark.parametrize(
    "locale, cheque, debit",
    [
        ("en_GB", "Cheque", "Direct Debit"),
        ("en_US", "Check", "Direct Debit"),
        ("fr_FR", "Chèque", "Prélèvement automatique"),
        ("fr_CA", "Chèque", "Débit préautorisé"),
    ],
)
def test_a_country_may_have_its_own_word(locale: str, cheque: str, debit: str) -> None:
    assert (method_name("cheque", locale), method_name("direct_debit", locale)) == (cheque, debit)
