"""Languages: the catalogues are complete, what the code says is in them, and a third language is a file (D4, M11)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from invoicecore import Billing, Frequency, Money, Period
from invoicecore.errors import InvalidValue
from invoicecore.invoices import Status
from invoicecore.wording import (
    CARDS,
    DATE_PATTERNS,
    LABEL_SETS,
    LOCALES,
    Catalogue,
    add_catalogues,
    can_say,
    card_label,
    decimal_mark,
    format_date,
    format_money,
    frequency_name,
    heading,
    label_set,
    language_of,
    late_badge,
    locale_of,
    method_name,
    missing,
    rent_line,
    say,
    status_label,
    stay_line,
)
from invoicecore.wording.catalogue import LOCALE_KEYS, Counting, faults, forms, placeholders
from invoicecore.wording.sentences import CORE, DOMAINS
from invoicecore_adapters.cli import main
from invoicecore_adapters.cli.speech import learn, tell

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEMPLATES = [path for kind in ("jinja", "html", "typ") for path in (ROOT / "src").rglob(f"*.{kind}")]
OURS = sorted((ROOT / "src").rglob("catalogues/*.po"))
THEIRS = Path(__file__).parent / "data" / "catalogues"  # Spanish in full, and a little Polish
CLI = DOMAINS["cli"]
APRIL = Period(date(2026, 4, 1), date(2026, 5, 1))
DAY = date(2026, 4, 3)
NARROW, WIDE = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


@pytest.fixture
def theirs() -> Iterator[None]:
    """The process speaks Spanish and Polish too."""
    with add_catalogues(THEIRS):
        yield


Drop = Callable[..., Path]


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    """Writes a catalogue of these entries into a folder, and gives back the folder."""

    def write(name: str, *entries: str, plural: str = "nplurals=2; plural=(n != 1);", folder: str = "words") -> Path:
        to = tmp_path / folder
        to.mkdir(exist_ok=True)
        head = f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {plural}\\n"\n'
        (to / name).write_text("\n\n".join([head, *entries]) + "\n", "utf-8")
        return to

    return write


def entry(key: str, said: str, *more: str, context: str = "") -> str:
    """One entry of a .po file; with more than one text, one that counts."""
    head = f'msgctxt "{context}"\n' if context else ""
    if not more:
        return f'{head}msgid "{key}"\nmsgstr "{said}"'
    texts = "\n".join(f'msgstr[{n}] "{text}"' for n, text in enumerate((said, *more)))
    return f'{head}msgid "{key}"\nmsgid_plural "{key}"\n{texts}'


DATES = entry("locale.date_pattern", "dd/MM/yyyy")


# --- what we ship is complete ----------------------------------------------------------------------------------------


def test_a_word_of_ours_is_written_in_one_way() -> None:
    for path in OURS:
        assert "vènement" not in path.read_text("utf-8"), f"{path}: write événement"


def test_there_are_catalogues_to_judge() -> None:
    names = {path.relative_to(ROOT / "src").as_posix() for path in OURS}
    for package in ("invoicecore/wording", "invoicecore_adapters/cli"):
        assert {f"{package}/catalogues/en.po", f"{package}/catalogues/fr.po"} <= names
    assert set(DOMAINS) >= {"", "cli"}


@pytest.mark.rule("D4", "R13")
@pytest.mark.parametrize("catalogue", [CORE, CLI], ids=["core", "cli"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_message_lacks_a_translation(catalogue: Catalogue, language: str) -> None:
    english = set(catalogue.ours("en"))
    assert english
    assert english - set(catalogue.ours(language)) == set(), f"no {language} for these"
    assert set(catalogue.ours(language)) - english == set(), "no English for these"
    assert missing(language) == ()


@pytest.mark.rule("D4")
@pytest.mark.parametrize("catalogue", [CORE, CLI], ids=["core", "cli"])
@pytest.mark.parametrize("name", ["en", "fr", *LOCALES])
def test_translations_take_the_data_that_the_english_takes(catalogue: Catalogue, name: str) -> None:
    words = catalogue.ours(name)
    assert faults(words, catalogue.ours("en")) == []
    # In ours every form says its number: French counts 0 as one.
    assert [key for key, it in words.items() if isinstance(it, Counting) and not _all_count(it)] == []


def _all_count(words: Counting) -> bool:
    return all("count" in placeholders(form) for form in words.forms)


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_our_files_are_in_order(path: Path) -> None:
    text = path.read_text("utf-8")
    assert f'"Language: {path.stem}\\n"' in text
    assert "#, fuzzy" not in text
    assert not re.search(r'^msgstr(\[\d\])? ""$', text.partition("\n\n")[2], re.MULTILINE), "an entry is empty"
    entries = re.findall(r'^(?:msgctxt "(.*)"\n)?msgid "(.+)"\n(?:msgid_plural "(.*)")?', text, re.MULTILINE)
    keys = [(context, key) for context, key, _ in entries]
    assert [key for n, key in enumerate(keys) if key in keys[:n]] == [], "an entry is there twice"
    assert [key for _, key, plural in entries if plural not in ("", key)] == [], "msgid_plural is the key again"
    assert {context for context, _ in keys} == {"cli" if "cli" in path.parts else ""}
    assert not {key for _, key in keys} & LOCALE_KEYS


@pytest.mark.rule("R13", "D4")
@pytest.mark.parametrize("locale", ["en_GB", "fr_FR", "es"])
@pytest.mark.parametrize("name", list(LABEL_SETS))
@pytest.mark.usefixtures("theirs")
def test_labels_tell_statuses_apart_in_every_language(name: str, locale: str) -> None:
    labels = label_set(name)
    statuses = [status_label(status, labels=labels, locale=locale) for status in Status]
    assert len(set(statuses)) == len(statuses)
    assert late_badge(labels=labels, locale=locale) not in statuses


# --- what the code says is there, and what is there is said ------------------------------------------------------------

# A call with a text or with a choice of texts says one of these sentences.
SPEAKERS: dict[str, tuple[Catalogue, str]] = {
    "say": (CORE, ""),
    "tell": (CLI, ""),
    "heading": (CORE, "heading."),
    "kind_name": (CORE, "kind."),
    "method_name": (CORE, "method."),
}
# Sentences whose keys are put together from one of these and a value: a status, a method, a code of the run.
DYNAMIC = (
    "alert.", "collection.", "decline.", "doc.pay_", "entry.", "event.", "frequency.", "invoice_method.", "kind.",
    "label.", "mail.reminder_", "method.", "method_state.", "page.", "report.",
)  # fmt: skip


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _spoken(path: Path) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPEAKERS and node.args:
            for text in _texts(node.args[0]):
                yield node.lineno, node.func.id, text


def test_every_sentence_that_the_code_says_is_in_a_catalogue() -> None:
    said = [(path, *found) for path in SOURCES for found in _spoken(path)]
    assert len(said) > 100
    lacking = [
        f"{path.relative_to(ROOT)}:{line}: {speaker}({text!r})"
        for path, line, speaker, text in said
        for catalogue, prefix in (SPEAKERS[speaker],)
        if f"{prefix}{text}" not in catalogue.ours("en")
    ]
    assert lacking == []


def test_every_sentence_of_a_catalogue_is_said_somewhere() -> None:
    texts: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    for path in TEMPLATES:
        texts.update(re.findall(r"""["']([\w.]+)["']""", path.read_text("utf-8")))
    unsaid = [
        key
        for key in CORE.ours("en")
        if not key.startswith(DYNAMIC) and key not in texts and key.removeprefix("heading.") not in texts
    ]
    assert unsaid == [], "nobody says these"
    assert [key for key in CLI.ours("en") if key not in texts] == []
    for prefix in DYNAMIC:
        assert any(key.startswith(prefix) for key in CORE.ours("en")), f"{prefix} is the beginning of no key"


def test_who_can_be_asked_beforehand() -> None:
    assert can_say("event.paid")
    assert not can_say("event.unheard_of")


# --- dates, money, plurals ---------------------------------------------------------------------------------------------


@pytest.mark.rule("M11")
@pytest.mark.usefixtures("theirs")
def test_no_locale_writes_a_year_with_two_digits() -> None:
    assert {"es_ES", "pl_PL", "en_GB"} <= set(LOCALES) == set(DATE_PATTERNS)
    for locale in LOCALES:
        assert DATE_PATTERNS[locale].count("y") == 4
        for day in (date(1999, 12, 31), date(2026, 1, 2), date(805, 6, 7)):
            numbers = sorted(re.findall("[0-9]+", format_date(day, locale)))
            assert numbers == sorted([f"{day.year:04}", f"{day.month:02}", f"{day.day:02}"])


@pytest.mark.rule("M11")
@pytest.mark.parametrize(
    "locale, expected",
    [
        ("en", ["0 nights", "1 night", "2 nights", "1000000 nights"]),
        ("fr", ["0 nuit", "1 nuit", "2 nuits", "1000000 nuits"]),
        ("fr_CA", ["0 nuit", "1 nuit", "2 nuits", "1000000 nuits"]),
        ("es", ["0 noches", "1 noche", "2 noches", "1000000 noches"]),
    ],
)
@pytest.mark.usefixtures("theirs")
def test_each_language_counts_in_its_own_way(locale: str, expected: list[str]) -> None:
    assert [say("nights", locale, count=count) for count in (0, 1, 2, 1_000_000)] == expected


@pytest.mark.usefixtures("theirs")
def test_a_language_of_three_forms_has_them_all() -> None:
    said = {count: say("nights", "pl", count=count) for count in (0, 1, 2, 4, 5, 12, 22, 25, 102, 112, -2)}
    assert said == {
        0: "0 nocy", 1: "jedna noc", 2: "2 noce", 4: "4 noce", 5: "5 nocy", 12: "12 nocy",
        22: "22 noce", 25: "25 nocy", 102: "102 noce", 112: "112 nocy", -2: "-2 noce",
    }  # fmt: skip
    # What lacks is English, with the forms of English.
    assert say("publish_all", "pl", count=2, total="x") == "2 drafts to publish, x in all"
    assert say("publish_all", "pl", count=1, total="x") == "1 draft to publish, x in all"


def test_a_header_without_plural_forms_counts_as_its_language_does(tmp_path: Path) -> None:
    nights = entry("nights", "{count} noc", "{count} noce", "{count} nocy")
    (tmp_path / "pl.po").write_text(f"{DATES}\n\n{nights}\n", "utf-8")
    with add_catalogues(tmp_path):
        assert [say("nights", "pl", count=count) for count in (1, 2, 5)] == ["1 noc", "2 noce", "5 nocy"]


# --- Spanish, by dropping in a file ------------------------------------------------------------------------------------


@pytest.mark.rule("D4", "R13", "S2", "M11")
@pytest.mark.usefixtures("theirs")
def test_spanish_is_spoken_once_its_catalogue_is_there() -> None:
    assert (locale_of("es"), locale_of("ES-es"), language_of("es")) == ("es_ES", "es_ES", "es")
    assert format_date(DAY, "es") == "03/04/2026"
    assert format_money(Money("1234567.50", "EUR"), "es") == f"1.234.567,50{WIDE}€"
    assert decimal_mark("es") == ","
    labels = label_set("stays")
    assert {status.value: status_label(status, labels=labels, locale="es") for status in Status} == {
        "draft": "Borrador",
        "open": "Sin pagar",
        "paid": "Pagada",
        "pending": "Pago en curso",
        "overdue": "Vencida",
        "void": "Anulada",
        "refunded": "Reembolsada",
    }
    cards = [card_label(card, labels=label_set("residents"), locale="es") for card in CARDS]
    assert cards == ["Total", "Abiertas", "Vencidas", "Pagadas"]
    assert late_badge(labels=labels, locale="es") == "Emitida con retraso"
    line = rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=True, locale="es")
    assert line == "Alquiler - Mensual (prorrateado)\n01/04/2026 - 30/04/2026"
    stay = stay_line(arrives=date(2026, 7, 1), departs=date(2026, 7, 2), locale="es_ES", unit="12")
    assert stay == "Alojamiento - Parcela 12\n01/07/2026 - 02/07/2026 (1 noche)"
    assert say("due_passed", "es", due=DAY) == "La fecha de vencimiento 03/04/2026 ya ha pasado"
    assert say("in_flight", "es", amount=Money("5", "EUR")) == f"5,00{WIDE}€ en curso de cobro"
    assert (heading("due", "es"), method_name("cash", "es")) == ("Vencimiento", "Efectivo")
    assert tell("dry_run", "es") == "Simulación: no se ha escrito nada."


@pytest.mark.usefixtures("theirs")
def test_our_spanish_lacks_only_what_came_after_it() -> None:
    lacking = missing("es")
    assert sum(key not in lacking for key in CORE.ours("en")) >= 140
    assert sum(f"cli:{key}" not in lacking for key in CLI.ours("en")) >= 35


@pytest.mark.rule("D4", "M11")
@pytest.mark.usefixtures("theirs")
def test_a_biller_bills_in_spanish_from_the_lease_to_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'rent.db'}"
    with Billing.open(url) as billing:
        park = billing.billers.add(
            name="Los Pinos", currency="EUR", timezone="Europe/Madrid", locale="es", preset="stays"
        )
        guest = billing.customers.add(biller=park, name="Ana García", email="ana@example.com")
        billing.leases.add(
            biller=park, customer=guest, unit="12", rent=Money("620.00", "EUR"), frequency=Frequency.MONTHLY,
            starts=date(2026, 4, 1), anchor_day=1,
        )  # fmt: skip
        report = billing.run(on=date(2026, 4, 1))
        assert park.locale == "es_ES"
        assert report.invoices[0].lines[0].description == "Alquiler - Mensual\n01/04/2026 - 30/04/2026"
        billing.invoices.publish_all(biller=park, on=date(2026, 4, 1))
    capsys.readouterr()
    assert main(["--db", url, "summary", "--on", "2026-05-20"]) == 0
    told = capsys.readouterr().out
    assert f"620,00{WIDE}€" in told
    assert "Vencidas" in told
    assert re.search(r"^Facturas: .*Vencida", told, re.MULTILINE)
    assert main(["--db", url, "invoices", "--on", "2026-05-20"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("Número", "Cliente", "Vencimiento", "Vencida", "01/04/2026"))
    assert main(["--db", url, "invoices", "--on", "2026-05-20", "--lang", "fr"]) == 0
    assert "Échéance" in capsys.readouterr().out


def test_a_language_is_gone_when_its_catalogues_are() -> None:
    before = rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=False, locale="fr")
    added = add_catalogues(str(THEIRS))
    assert added.locales == ("es", "pl")
    assert "es_ES" in LOCALES
    assert set(label_set("stays").words) == {"en", "fr", "es", "pl"}
    added.remove()
    added.remove()
    assert "es_ES" not in LOCALES
    assert set(label_set("stays").words) == {"en", "fr"}
    with pytest.raises(InvalidValue, match=r"choose one of en_CA, en_GB, en_US, fr_CA, fr_FR, en, fr$"):
        say("rent", "es")
    with pytest.raises(InvalidValue, match="not a supported locale"):
        rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=False, locale="es_ES")
    assert rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=False, locale="fr") == before


@pytest.mark.rule("D4")
@pytest.mark.usefixtures("theirs")
def test_a_billers_own_words_may_have_the_third_language_too() -> None:
    def words(language: str) -> dict[str, dict[str, str]]:
        return {
            "status": {status.value: f"{status.value} {language}" for status in Status},
            "card": {card: f"{card}s {language}" for card in CARDS},
            "badge": {"late": f"made late {language}"},
        }

    both = label_set("mine", {"en": words("en"), "fr": words("fr")})
    assert status_label(Status.PAID, labels=both, locale="es") == "paid en"
    three = label_set("mine", {"en": words("en"), "fr": words("fr"), "es": words("es")})
    assert status_label(Status.PAID, labels=three, locale="es") == "paid es"
    assert late_badge(labels=three, locale="pl") == "made late en"
    with pytest.raises(InvalidValue, match=r"es\.card\.paid lacks"):
        label_set("mine", {"en": words("en"), "fr": words("fr"), "es": {**words("es"), "card": {}}})
    with pytest.raises(InvalidValue, match="de is not a language here"):
        label_set("mine", {"en": words("en"), "fr": words("fr"), "de": words("de")})


# --- countries and what they inherit -----------------------------------------------------------------------------------


@pytest.mark.rule("M11")
def test_a_country_inherits_words_and_dates_from_its_language(drop: Drop) -> None:
    drop("es.po", DATES, entry("rent", "Alquiler"), entry("method.cheque", "Cheque"))
    drop("es_MX.po", entry("rent", "Renta"))
    with add_catalogues(drop("es-US.po", entry("locale.date_pattern", "MM/dd/yyyy"))) as added:
        assert added.locales == ("es_US", "es", "es_MX")
        assert [say("rent", locale) for locale in ("es", "es_MX", "es_US")] == ["Alquiler", "Renta", "Alquiler"]
        assert format_date(DAY, "es-mx") == "03/04/2026"
        assert format_date(DAY, "es_US") == "04/03/2026"
        assert format_money(Money("1234.50", "USD"), "es_US") == "$1,234.50"
        assert method_name("cash", "es_MX") == "Cash"
        with pytest.raises(InvalidValue, match="not a supported locale"):
            locale_of("es_AR")


@pytest.mark.rule("M11")
def test_a_language_alone_means_the_country_that_its_file_says(drop: Drop) -> None:
    with add_catalogues(drop("es.po", DATES, entry("locale.region", "es_MX"), entry("rent", "Renta"))):
        assert locale_of("es") == "es_MX"
        assert format_money(Money("1234.50", "MXN"), "es") == "$1,234.50"
        assert say("rent", "es_MX") == "Renta"


def test_a_country_of_ours_may_be_added_without_a_word(drop: Drop) -> None:
    with add_catalogues(drop("fr_BE.po", DATES)):
        assert locale_of("fr") == "fr_FR"
        assert (say("rent", "fr_BE"), frequency_name(Frequency.YEARLY, "fr-be")) == ("Loyer", "Annuel")
        assert missing("fr_BE") == ()


def test_a_script_is_part_of_a_locale_where_cldr_says_so(drop: Drop) -> None:
    drop("zh_CN.po", entry("pay_now", "立即付款"))
    with add_catalogues(drop("zh.po", entry("locale.date_pattern", "yyyy年MM月dd日"), entry("rent", "租金"))) as added:
        assert added.locales == ("zh", "zh_Hans_CN")
        assert locale_of("zh_CN") == locale_of("zh") == locale_of("zh-Hans-CN") == "zh_Hans_CN"
        assert (say("rent", "zh"), say("pay_now", "zh")) == ("租金", "立即付款")
        assert format_date(DAY, "zh") == "2026年04月03日"


# --- a host's own words ------------------------------------------------------------------------------------------------


def test_one_sentence_of_ours_is_replaced_and_the_others_stay(drop: Drop) -> None:
    assert say("pay_now", "en") == "Pay Now"
    drop("en.po", entry("pay_now", "Settle this"), entry("dry_run", "Only trying.", context="cli"))
    with add_catalogues(drop("fr.po", entry("rent", "Redevance"))):
        assert [say("pay_now", one) for one in ("en", "en_US", "fr")] == [
            "Settle this",
            "Settle this",
            "Payer maintenant",
        ]
        assert tell("dry_run", "en_CA") == "Only trying."
        assert say("partly_paid", "en") == "Partly paid"
        line = rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=False, locale="fr_CA")
        assert line == "Redevance - Mensuel\n2026-04-01 - 2026-04-30"
        assert missing("fr") == missing("en") == ()
    assert say("pay_now", "en") == "Pay Now"
    line = rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=False, locale="fr_CA")
    assert line == "Loyer - Mensuel\n2026-04-01 - 2026-04-30"


def test_a_hosts_word_goes_before_our_countrys_and_its_countrys_before_its_own(drop: Drop) -> None:
    folder = drop("fr.po", entry("method.direct_debit", "Débit direct"))
    with add_catalogues(folder):
        assert [method_name("direct_debit", one) for one in ("fr_FR", "fr_CA")] == ["Débit direct", "Débit direct"]
    drop("fr_CA.po", entry("method.direct_debit", "Débit automatique"))
    with add_catalogues(folder):
        assert [method_name("direct_debit", one) for one in ("fr_FR", "fr_CA")] == ["Débit direct", "Débit automatique"]
    assert method_name("direct_debit", "fr_CA") == "Débit préautorisé"


def test_what_a_host_changes_in_english_is_said_where_a_translation_lacks(drop: Drop) -> None:
    drop("es.po", DATES)
    with add_catalogues(drop("en.po", entry("rent", "Pitch fee"))):
        assert say("rent", "es") == "Pitch fee"


def test_a_label_is_replaced_for_one_country(drop: Drop) -> None:
    with add_catalogues(drop("fr_CA.po", entry("label.stays.status.void", "Nulle"))):
        labels = label_set("stays")
        void = [status_label(Status.VOID, labels=labels, locale=one) for one in ("fr_FR", "fr_CA")]
        assert void == ["Annulée", "Nulle"]


def test_the_last_folder_goes_before_the_ones_before_it(drop: Drop) -> None:
    first = add_catalogues(drop("en.po", entry("rent", "one"), entry("site", "first {unit}"), folder="a"))
    second = add_catalogues(drop("en.po", entry("rent", "two"), folder="b"))
    assert (say("rent", "en"), say("site", "en", unit="1")) == ("two", "first 1")
    first.remove()
    assert (say("rent", "en"), say("site", "en", unit="1")) == ("two", "Site 1")
    second.remove()
    assert say("rent", "en") == "Rent"


def test_what_later_catalogues_need_is_not_taken_away_under_them(drop: Drop) -> None:
    first = add_catalogues(drop("es.po", DATES, folder="a"))
    second = add_catalogues(drop("es.po", entry("rent", "Alquiler"), folder="b"))
    with pytest.raises(InvalidValue, match="how es_ES writes a date"):
        first.remove()
    assert say("rent", "es") == "Alquiler"
    second.remove()
    first.remove()
    assert "es_ES" not in LOCALES


def test_what_is_fuzzy_or_empty_is_said_in_the_next_language(drop: Drop) -> None:
    fuzzy = "#, fuzzy\n" + entry("rent", "Alquitrán")
    half = entry("nights", "{count} noche", "")
    with add_catalogues(drop("es.po", DATES, fuzzy, half, entry("pay_now", ""), entry("partly_paid", " "))):
        assert [say(key, "es") for key in ("rent", "pay_now", "partly_paid")] == ["Rent", "Pay Now", "Partly paid"]
        assert say("nights", "es", count=2) == "2 nights"
        assert {"rent", "nights", "pay_now"} <= set(missing("es"))
    with add_catalogues(drop("fr.po", "#, fuzzy\n" + entry("rent", "Lover"))):
        assert say("rent", "fr") == "Loyer"


@pytest.mark.rule("D4")
def test_what_lacks_is_listed_for_the_translator(drop: Drop) -> None:
    with add_catalogues(drop("es.po", DATES, entry("rent", "Alquiler"), entry("dry_run", "Nada.", context="cli"))):
        lacking = missing("es")
        assert lacking == missing("es_ES")
        assert "rent" not in lacking
        assert "cli:dry_run" not in lacking
        assert {"pro_rata", "label.stays.status.open", "nights", "cli:nothing_due"} <= set(lacking)
        assert not set(lacking) & LOCALE_KEYS
    with pytest.raises(InvalidValue, match="not a supported locale"):
        missing("es")


# --- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, entries, reason, way_out",
    [
        ("es.po", [DATES, entry("rnet", "Alquiler")], "rnet is not a known sentence", "correct these entries"),
        ("es.po", [DATES, entry("dry_rnu", "x", context="cli")], "dry_rnu is not a known sentence", "correct these"),
        (
            "es.po",
            [DATES, entry("site", "Parcela {unidad}")],
            r"site has other placeholders .* has \{unit\}",
            "correct",
        ),
        ("es.po", [DATES, entry("site", "Parcela")], r"site has other placeholders .* has \{unit\}", "correct"),
        ("es.po", [DATES, entry("rent", "Alquiler {x}")], "rent has other placeholders .* has none", "correct"),
        ("es.po", [DATES, entry("site", "Parcela {unit!r}")], "site has other placeholders", "correct"),
        ("es.po", [DATES, entry("site", "Parcela {unit:>9}")], "site has other placeholders", "correct"),
        ("es.po", [DATES, entry("site", "Parcela {unit.__class__}")], "site has other placeholders", "correct"),
        ("es.po", [DATES, entry("site", "Parcela {}")], "site has other placeholders", "correct"),
        ("es.po", [DATES, entry("site", "Parcela {unit")], "site has a broken placeholder", "correct"),
        ("es.po", [DATES, entry("nights", "noches")], "nights counts: it needs msgid_plural", "correct"),
        ("es.po", [DATES, entry("rent", "a", "b")], "rent does not count: no msgid_plural", "correct"),
        ("es.po", [DATES, entry("nights", "una", "{n} noches")], "nights has other placeholders", "correct"),
        ("es.po", [DATES, entry("rnet", "a"), entry("tner", "b")], "rnet is not .*; tner is not", "correct"),
        ("es.po", [entry("rent", "Alquiler")], "does not say how es_ES writes a date", "locale.date_pattern"),
        ("es_MX.po", [entry("rent", "Renta")], "does not say how es_MX writes a date", "locale.date_pattern"),
        ("fr_BE.po", [entry("rent", "Loyer")], "does not say how fr_BE writes a date", "locale.date_pattern"),
        ("es.po", [entry("locale.date_pattern", "dd/MM/yy")], "has locale.date_pattern 'dd/MM/yy'", "four digits"),
        ("es.po", [entry("locale.date_pattern", "d/M/yyyy")], "has locale.date_pattern", "once each"),
        ("es.po", [entry("locale.date_pattern", "dd/MM/yyyyy")], "has locale.date_pattern", "once each"),
        ("es.po", [entry("locale.date_pattern", "MM/yyyy")], "has locale.date_pattern", "once each"),
        ("es.po", [entry("locale.date_pattern", "dd 'de' MM yyyy")], "has locale.date_pattern", "once each"),
        ("es.po", [entry("locale.date_pattern", "dd{0}MM/yyyy")], "has locale.date_pattern", "once each"),
        ("fr_FR.po", [entry("locale.date_pattern", "dd/MM/yy")], "has locale.date_pattern", "four digits"),
        ("es.po", [DATES, entry("locale.region", "fr_FR")], "has locale.region 'fr_FR'", "begins with es_"),
        ("es.po", [DATES, entry("locale.region", "es")], "has locale.region 'es'", "begins with es_"),
        ("es.po", [DATES, entry("locale.region", "nowhere")], "has locale.region 'nowhere'", "begins with es_"),
        ("es_MX.po", [DATES, entry("locale.region", "es_MX")], "has a locale.region", "file of the language"),
        ("xx.po", [DATES], "not named by a locale that CLDR knows", "as es.po"),
        ("es_ZZ.po", [DATES], "not named by a locale that CLDR knows", "as es.po"),
        ("spanish.po", [DATES], "not named by a locale that CLDR knows", "as es.po"),
        (
            "es.po",
            [DATES, *(entry(f"label.stays.{key}", "Tarde") for key in ("badge.late", "status.overdue"))],
            "label.stays.badge.late is the word for Overdue",
            "say how the invoice was made",
        ),
        (
            "fr.po",
            [entry("label.stays.badge.late", "EN RETARD")],
            "label.stays.badge.late is the word for Overdue",
            "say how the invoice was made",
        ),
    ],
)
def test_a_catalogue_that_would_say_it_wrong_is_refused(
    drop: Drop, name: str, entries: list[str], reason: str, way_out: str
) -> None:
    folder = drop(name, *entries)
    drop("en.po", entry("rent", "Hire"))
    with pytest.raises(InvalidValue) as refused:
        add_catalogues(folder)
    assert (refused.value.field, refused.value.value) == ("catalogues", name)
    assert re.search(reason, refused.value.reason)
    assert way_out in refused.value.way_out
    assert say("rent", "en") == "Rent", "what is refused changes nothing"
    assert len(LOCALES) == 5


@pytest.mark.parametrize(
    "plural",
    [
        "nplurals=2; plural=(n != 1) * 2;",
        "nplurals=2; plural=n/0;",
        "nplurals=2; plural=m > 1;",
        "nplurals=2; plural=__import__;",
        "nplurals=2; plural=n%3;",
        "nplurals=two; plural=(n != 1);",
    ],
)
def test_plural_forms_that_do_not_count_are_refused(drop: Drop, plural: str) -> None:
    with pytest.raises(InvalidValue, match=r"es\.po.*(Plural-Forms that do not count|not a \.po file)"):
        add_catalogues(drop("es.po", DATES, plural=plural))


def test_more_forms_than_the_header_says_are_refused(drop: Drop) -> None:
    with pytest.raises(InvalidValue, match=r"es\.po.*is not a \.po file"):
        add_catalogues(drop("es.po", DATES, entry("nights", "{count} noche", "{count} noches", "{count} más")))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing but a comment\n",
        b'{"rent": "Alquiler"}',
        b"rent: Alquiler\n",
        b"\x89PNG\r\n\x1a\n",
        'msgid "rent"\nmsgstr "Alqu\N{LATIN SMALL LETTER I WITH ACUTE}ler"\n'.encode("latin-1"),
        b'msgid "rent"\nmsgstr "Alquiler\n',
        b'msgid "rent"\nmsgid "site"\n',
        b'msgstr "Alquiler"\n',
    ],
)
def test_a_file_that_is_not_a_catalogue_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "es.po").write_bytes(content)
    with pytest.raises(InvalidValue) as refused:
        add_catalogues(tmp_path)
    assert (refused.value.field, refused.value.value) == ("catalogues", "es.po")
    assert "es_ES" not in LOCALES


def test_a_file_of_another_language_is_refused(tmp_path: Path) -> None:
    french = (ROOT / "src/invoicecore/wording/catalogues/fr.po").read_bytes()
    (tmp_path / "es.po").write_bytes(french)
    with pytest.raises(InvalidValue, match=r"es\.po.*says Language: fr"):
        add_catalogues(tmp_path)


def test_two_files_for_one_locale_are_refused(drop: Drop) -> None:
    drop("es-ES.po", DATES)
    with pytest.raises(InvalidValue, match=r"es_ES\.po.*speaks for es_ES, as es-ES\.po does"):
        add_catalogues(drop("es_ES.po", DATES))


def test_a_folder_without_catalogues_is_refused(tmp_path: Path) -> None:
    (tmp_path / "es.mo").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "es.mo"):
        with pytest.raises(InvalidValue, match=r"give the folder that has the \.po files"):
            add_catalogues(folder)


def test_other_files_of_the_folder_are_left_alone_and_windows_ends_of_line_read(drop: Drop, tmp_path: Path) -> None:
    folder = drop("es.po", DATES, entry("rent", "Alquiler"))
    (folder / "es.po~").write_bytes(b"x")
    (folder / "README.md").write_bytes(b"x")
    windows = (folder / "es.po").read_bytes().replace(b"\n", b"\r\n")
    (folder / "es.po").write_bytes(b"\xef\xbb\xbf" + windows)
    with add_catalogues(folder):
        assert say("rent", "es") == "Alquiler"


# --- packages, threads, the command ------------------------------------------------------------------------------------


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Catalogue]]:
    """A package with a catalogue of its own, opened when asked."""
    words = tmp_path / "strangers_portal" / "catalogues"
    words.mkdir(parents=True)
    (words.parent / "__init__.py").touch()
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    (words / "en.po").write_text(head + entry("hello", "Hello {name}, it is {day}", context="portal") + "\n", "utf-8")
    (words / "fr.po").write_text(head + entry("hello", "Bonjour {name}, le {day}", context="portal") + "\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda: Catalogue("strangers_portal", domain="portal")
    DOMAINS.pop("portal", None)
    sys.modules.pop("strangers_portal", None)


def test_a_strangers_package_speaks_by_its_own_catalogues(stranger: Callable[[], Catalogue], drop: Drop) -> None:
    portal = stranger()
    assert portal.say("hello", "fr_CA", name="Ana", day=DAY) == "Bonjour Ana, le 2026-04-03"
    assert portal.say("hello", "en", name="Ana", day=DAY) == "Hello Ana, it is 03/04/2026"
    with pytest.raises(KeyError, match="no sentence 'rent'; known: hello"):
        portal.say("rent", "en")
    folder = drop("es.po", DATES, entry("hello", "Hola {name}, hoy es {day}", context="portal"))
    with add_catalogues(folder):
        assert portal.say("hello", "es", name="Ana", day=DAY) == "Hola Ana, hoy es 03/04/2026"
        assert "portal:hello" not in missing("es")
    with pytest.raises(InvalidValue, match="hello has other placeholders"):
        add_catalogues(drop("es.po", DATES, entry("hello", "Hola", context="portal")))


def test_words_of_a_package_that_comes_later_wait_for_it(stranger: Callable[[], Catalogue], drop: Drop) -> None:
    folder = drop("es.po", DATES, entry("hello", "Hola {name}, hoy es {day}", context="portal"))
    with add_catalogues(folder):
        assert stranger().say("hello", "es", name="Ana", day=DAY) == "Hola Ana, hoy es 03/04/2026"
    DOMAINS.pop("portal")
    with add_catalogues(drop("es.po", DATES, entry("hello", "Hola", context="portal"))):
        portal = stranger()
        with pytest.raises(InvalidValue, match=r"es\.po.*hello has other placeholders"):
            portal.say("hello", "es", name="Ana", day=DAY)


def test_a_domain_belongs_to_one_package() -> None:
    with pytest.raises(InvalidValue, match=r"domain='cli': is the domain of invoicecore_adapters\.cli"):
        Catalogue("strangers_portal", domain="cli")


def test_a_package_without_english_words_is_a_mistake_that_is_named() -> None:
    try:
        with pytest.raises(InvalidValue, match=r"package='json'.*has no catalogues/en\.po"):
            Catalogue("json", domain="json").say("hello", "en")
    finally:
        del DOMAINS["json"]


def test_threads_add_and_speak_at_once(drop: Drop) -> None:
    folders = [drop("en.po", entry("rent", f"Rent {n}"), folder=f"f{n}") for n in range(8)]

    def one(n: int) -> set[str]:
        said = set()
        for _ in range(20):
            with add_catalogues(folders[n]):
                said |= {say("rent", "en"), say("rent", "fr")}
                said.add(rent_line(frequency=Frequency.MONTHLY, period=APRIL, partial=False, locale="en")[:6].strip())
        return said

    with ThreadPoolExecutor(8) as pool:
        heard = set().union(*pool.map(one, range(8)))
    assert heard <= {"Loyer", *(f"Rent {n}" for n in range(8))}
    assert say("rent", "en") == "Rent"


def test_the_command_learns_from_its_environment(drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = drop("es.po", DATES, entry("rent", "Alquiler"), entry("dry_run", "Nada.", context="cli"), folder="a")
    two = drop("en.po", entry("rent", "Hire"), folder="b")
    separator = ";" if sys.platform == "win32" else ":"
    monkeypatch.setenv("INVOICECORE_CATALOGUES", f"{one}{separator}{two}")
    for _ in range(2):
        learn()
        assert (say("rent", "es"), say("rent", "en"), tell("dry_run", "es")) == ("Alquiler", "Hire", "Nada.")
    monkeypatch.setenv("INVOICECORE_CATALOGUES", str(tmp_path / "nowhere"))
    with pytest.raises(InvalidValue, match="nowhere"):
        learn()
    assert say("rent", "en") == "Rent"
    monkeypatch.delenv("INVOICECORE_CATALOGUES")
    learn()
    assert len(LOCALES) == 5


def test_importing_the_library_reads_no_catalogue_and_loads_no_reader() -> None:
    script = (
        "import sys, invoicecore, invoicecore_adapters.cli.speech;"
        "from invoicecore.wording.sentences import CORE;"
        "print([m for m in ('babel.messages', 'gettext', 'pkgutil') if m in sys.modules], CORE._ours)"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert child.stdout.strip() == "[] {}", child.stderr


def test_every_form_is_heard_of() -> None:
    assert forms("one") == ("one",)
    assert forms(Counting(("a", "b"), lambda n: n != 1)) == ("a", "b")


@pytest.mark.parametrize(
    "body, said",
    [
        ('msgid "rent"\nmsgstr "Alquiler\n', "line 5"),
        ('msgid "rent"\nmsgstr Alquiler\n', "line 5"),
        ('msgid "rent"\nmsgstr "Al"quiler"\n', "line 5"),
        ('msgid "rent"\nmsgstr "Alquiler"\n\nmsgid "rent"\nmsgstr "Renta"\n', "rent twice"),
        ('msgid "rent"\nmsgstr "Alquiler"\nnonsense\n', "line 6"),
    ],
)
def test_a_catalogue_that_is_not_well_formed_is_not_taken_at_all(tmp_path: Path, body: str, said: str) -> None:
    head = 'msgid ""\nmsgstr "Language: es\\nPlural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    (tmp_path / "es.po").write_text(head + body, "utf-8")
    with pytest.raises(InvalidValue, match=said):
        add_catalogues(tmp_path)
