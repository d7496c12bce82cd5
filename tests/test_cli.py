"""The command: words in, an answer out, an exit code that means something, and never a traceback."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import attrs
import pytest

from invoicecore import Billing, Money, Plugins, Status, hookimpl
from invoicecore.errors import InvoicecoreError
from invoicecore.payments import PaymentMethod
from invoicecore.ports import Order
from invoicecore_adapters import memory
from invoicecore_adapters.cli import main
from invoicecore_adapters.cli.arguments import METHODS, NO_DAY, ORDERS, STATUSES
from invoicecore_adapters.cli.tables import Column, Screen
from invoicecore_adapters.telemetry import JsonLines, Telemetry

RUN = [sys.executable, "-c", "import sys; from invoicecore_adapters.cli import main; sys.exit(main())"]

PARK: dict[str, list[dict]] = {
    "billers": [
        {
            "ref": "pins",
            "name": "Les Pins",
            "currency": "EUR",
            "timezone": "Europe/Paris",
            "locale": "fr_FR",
            "preset": "stays",
        }
    ],
    "customers": [
        {"ref": "C-1", "name": "Ana Lima", "email": "ana@example.org"},
        {"ref": "C-2", "name": "Bo [bold]Berg[/bold]"},
    ],
    "leases": [
        {"ref": "L-1", "customer": "C-1", "unit": "12", "rent": "1620.00", "frequency": "monthly", "starts": "2026-04-01"},
        {"ref": "L-2", "customer": "C-2", "unit": "2", "rent": "90.00", "frequency": "monthly", "starts": "2026-04-10", "anchor_day": 1},
    ],
}  # fmt: skip
HOA = {
    "billers": [
        {"ref": "oaks", "name": "The Oaks", "currency": "USD", "timezone": "America/New_York", "locale": "en_US"}
    ],
    "customers": [{"ref": "R-1", "name": "Kim Ito", "email": "kim@example.org"}],
    "units": [{"number": "1", "resident": "R-1"}, {"number": "2"}],
    "assessments": [
        {"ref": "A-1", "title": "Dues", "due": "2026-05-01", "amount": "250.00", "on": "2026-04-01"},
    ],
}


@attrs.frozen
class Answer:
    code: int
    out: str
    err: str

    @property
    def data(self) -> dict:
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs one command in a folder of its own and gives back what came of it."""
    monkeypatch.chdir(tmp_path)
    for name in ("INVOICECORE_DB", "INVOICECORE_CATALOGUES"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Answer:
        code = main(words)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Answer(code, told.out, told.err)

    return run


@pytest.fixture
def park(command: Command, tmp_path: Path) -> Command:
    """The command, with a campground's leases loaded and its April invoiced."""
    (tmp_path / "park.json").write_text(json.dumps(PARK), "utf-8")
    assert command("load", "park.json", "--on", "2026-03-01").code == 0
    assert command("run", "--on", "2026-04-05").code == 0
    return command


@pytest.fixture
def both(park: Command, tmp_path: Path) -> Command:
    """The command, with the campground and a condominium of two drafts."""
    (tmp_path / "hoa.json").write_text(json.dumps(HOA), "utf-8")
    assert park("load", "hoa.json", "--on", "2026-04-01").code == 0
    return park


# --- load and run -----------------------------------------------------------------------------------------------------


def test_load_says_how_many_rows_of_each_section_were_written(command: Command, tmp_path: Path) -> None:
    (tmp_path / "park.json").write_text(json.dumps(PARK), "utf-8")
    first = command("load", "park.json")
    assert first.code == 0
    assert "leases            2" in first.out
    assert first.out.splitlines()[-1] == "park.json: 5 created, 0 there already, 0 not written."
    again = command("load", "park.json", "--json")
    assert again.data["counts"]["leases"] == {"created": 0, "existing": 2, "changed": 0, "blocked": 0, "failed": 0}


def test_load_of_a_bad_file_names_every_fault_writes_nothing_and_exits_1(command: Command, tmp_path: Path) -> None:
    leases = [{**PARK["leases"][0], "rent": 1620.0}, {**PARK["leases"][1], "customer": "C-9"}]
    (tmp_path / "park.json").write_text(json.dumps({**PARK, "leases": leases}), "utf-8")
    told = command("load", "park.json")
    assert told.code == 1
    assert not told.out
    assert "leases[0].rent: 1620.0: is a number with a point" in told.err
    assert "leases[1].customer: 'C-9': is none of the customers" in told.err
    assert not (tmp_path / "invoicecore.db").exists()
    for_machines = json.loads(command("--json", "load", "park.json").err)["error"]
    assert for_machines["code"] == "bad_file"
    assert [fault["path"] for fault in for_machines["faults"]] == ["leases[0].rent", "leases[1].customer"]


def test_load_with_check_only_looks(command: Command, tmp_path: Path) -> None:
    (tmp_path / "park.json").write_text(json.dumps(PARK), "utf-8")
    assert command("load", "--check", "park.json").out == "park.json: no faults in 5 rows.\n"
    assert not (tmp_path / "invoicecore.db").exists()


def test_load_of_a_changed_row_exits_3_and_names_it(park: Command, tmp_path: Path) -> None:
    (tmp_path / "park.json").write_text(
        json.dumps({**PARK, "leases": [{**PARK["leases"][0], "rent": "1.00"}]}), "utf-8"
    )
    told = park("load", "park.json", "--on", "2026-03-01")
    assert told.code == 3
    assert "leases[0] L-1: it was loaded before with other data" in told.out


def test_run_tells_counts_and_what_was_made_and_a_second_run_makes_nothing(park: Command) -> None:
    told = park("run", "--on", "2026-04-24", "--json")
    assert told.code == 0
    assert told.data["created"]["count"] == 2
    assert told.data["created"]["items"][0]["amount"] == {"amount": "1620.00", "currency": "EUR"}
    assert park("run", "--on", "2026-04-24", "--json").data["created"]["count"] == 0


def test_a_dry_run_answers_the_same_and_writes_nothing(park: Command) -> None:
    dry = park("run", "--on", "2026-04-24", "--dry-run", "--json").data
    assert park("invoices", "--json").data["billers"][0]["invoices"].__len__() == 2
    real = park("run", "--on", "2026-04-24", "--json").data
    assert dry["dry_run"] is True
    assert dry["created"]["count"] == real["created"]["count"] == 2


def test_run_speaks_the_billers_language(park: Command) -> None:
    told = park("run", "--on", "2026-04-24").out
    assert "Créées" in told
    assert "Loyer - Mensuel" in told
    assert "Created" in park("run", "--on", "2026-05-24", "--lang", "en").out


def test_a_run_gives_every_reason_in_the_language_that_was_asked_for(command: Command, tmp_path: Path) -> None:
    # Too little for a day of it to be a cent: nothing is due for what is left of April.
    small = {**PARK["leases"][0], "ref": "L-3", "rent": "0.01", "starts": "2026-04-30", "anchor_day": 1}
    english = [{**PARK["billers"][0], "locale": "en_GB"}]
    (tmp_path / "park.json").write_text(
        json.dumps({**PARK, "billers": english, "leases": [*PARK["leases"], small]}), "utf-8"
    )
    assert command("load", "park.json", "--on", "2026-03-01").code == 0
    told = command("run", "--on", "2026-04-30", "--lang", "fr").out
    assert "Émise après le début de sa période" in told
    assert "Rien à facturer" in told
    assert "Issued after" not in told
    assert "Nothing due" not in told


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R13", "S8", "M11")
def test_invoices_are_a_table_in_the_billers_words_with_amounts_to_the_right(park: Command) -> None:
    lines = park("invoices", "--on", "2026-04-20").out.splitlines()
    assert lines[0] == "Les Pins, au 20/04/2026"
    head = next(line for line in lines if line.startswith("Numéro"))
    rows = [line for line in lines if line.startswith("INV-")]
    assert head.split() == "Numéro Unité Client Titre Émise le Échéance Total Solde Statut".split()
    assert "1\N{NARROW NO-BREAK SPACE}620,00\N{NO-BREAK SPACE}€" in rows[0]
    end = head.index("Total") + len("Total")
    assert {row[:end].rstrip()[-1] for row in rows} == {"€"}
    assert all("En retard" in row for row in rows)
    assert "Émise tardivement" in rows[0]
    assert not any(line != line.rstrip() for line in lines)


def test_names_with_markup_are_shown_as_they_are(park: Command) -> None:
    assert "Bo [bold]Berg[/bold]" in park("invoices").out


def test_invoices_can_be_filtered_ordered_and_paged(park: Command) -> None:
    def found(*words: str) -> list[str]:
        (one,) = park("invoices", "--json", *words).data["billers"]
        return [invoice["number"] for invoice in one["invoices"]]

    assert found("--customer", "ana lima") == found("--customer", "ANA@example.org") == ["INV-000001"]
    assert found("--unit", "2") == ["INV-000002"]
    assert found("--order", "total") == ["INV-000002", "INV-000001"]
    assert found("--status", "paid") == []
    assert found("--status", "paid", "--status", "overdue", "--on", "2026-04-30") == ["INV-000001", "INV-000002"]
    (page,) = park("invoices", "--json", "--limit", "1").data["billers"]
    assert found("--limit", "1", "--after", page["next"]) == ["INV-000002"]


def test_a_mark_that_is_wrong_is_refused_in_one_sentence(park: Command) -> None:
    told = park("invoices", "--after", "nonsense")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "after: 'nonsense': is" in told.err


def test_show_tells_lines_money_and_timeline(park: Command) -> None:
    park("pay", "INV-000002", "20", "--method", "cheque", "--reference", "n° 7", "--on", "2026-04-12", "--actor", "zoé")
    told = park("show", "INV-000002", "--on", "2026-04-20").out
    for words in (
        "Loyer - Mensuel (au prorata) · 10/04/2026 - 30/04/2026",
        "Chèque",
        "n° 7",
        "zoé",
        "Solde",
        "En retard",
    ):
        assert words in told
    data = park("show", "INV-000002", "--json", "--on", "2026-04-20").data
    assert (data["status"], data["status_label"]) == ("overdue", "En retard")
    assert data["balance"] == {"amount": "43.00", "currency": "EUR"}
    assert [step["action"] for step in data["timeline"]][-1] == "paid"
    assert data["payments"][0]["reference"] == "n° 7"


@pytest.mark.parametrize(
    "language, taken_back, restored_amount",
    [("fr", "Paiement annulé", "-20,00\N{NO-BREAK SPACE}€"), ("en", "Payment reversed", "-€20.00")],
)
def test_show_tells_what_was_taken_back_under_the_payment(
    park: Command, tmp_path: Path, language: str, taken_back: str, restored_amount: str
) -> None:
    park("pay", "INV-000002", "20", "--on", "2026-04-12")
    with Billing.open(f"sqlite:///{tmp_path / 'invoicecore.db'}") as billing:
        (payment,) = billing.payments.find(invoice=park("show", "INV-000002", "--json").data["id"])
        billing.payments.reverse(payment, reason="bounced", on=date(2026, 4, 14))
    told = park("show", "INV-000002", "--on", "2026-04-20", "--lang", language).out.splitlines()
    received = next(i for i, line in enumerate(told) if line.startswith("12/04/2026"))
    assert re.fullmatch(rf"14/04/2026 +{taken_back} +{restored_amount}", told[received + 1])


@pytest.mark.parametrize(
    "days, english, french",
    [
        (7, "7 days after it was due", "7 jours après l'échéance"),
        (1, "1 day after it was due", "1 jour après l'échéance"),
        (0, "on the day it was due", "le jour de l'échéance"),
        (-3, "3 days before it is due", "3 jours avant l'échéance"),
    ],
)
def test_show_says_in_words_when_a_reminder_went_out(
    command: Command, tmp_path: Path, days: int, english: str, french: str
) -> None:
    biller = {**PARK["billers"][0], "policy": {"reminders": [days]}}
    (tmp_path / "park.json").write_text(
        json.dumps({**PARK, "billers": [biller], "leases": [{**PARK["leases"][0], "starts": "2026-05-01"}]}), "utf-8"
    )
    assert command("load", "park.json", "--on", "2026-03-01").code == 0
    command("run", "--on", "2026-04-24")
    due = date.fromisoformat(command("show", "INV-000001", "--json").data["due_on"])
    command("remind", "--on", str(due + timedelta(days=days)))
    told = command("show", "INV-000001", "--lang", "en").out
    assert english in told
    assert french in command("show", "INV-000001").out
    assert not re.search(r" [+-]?[0-9]$", told, re.MULTILINE)


def test_a_reminder_of_an_invoice_that_was_issued_after_it_was_due_counts_from_the_issue(
    command: Command, tmp_path: Path
) -> None:
    biller = {**PARK["billers"][0], "policy": {"reminders": [7]}}
    (tmp_path / "park.json").write_text(json.dumps({**PARK, "billers": [biller]}), "utf-8")
    command("load", "park.json", "--on", "2026-03-01")
    command("run", "--on", "2026-04-05")
    command("remind", "--on", "2026-04-12")
    assert "7 jours après l'émission" in command("show", "INV-000001").out
    assert "7 days after it was issued" in command("show", "INV-000001", "--lang", "en").out


def test_the_card_of_refunds_is_in_the_words_of_the_biller(park: Command) -> None:
    park("pay", "INV-000001", "100", "--on", "2026-04-12")
    park("refund", "INV-000001", "--on", "2026-04-13")
    head = park("summary", "--on", "2026-04-20").out.splitlines()[1]
    assert head.split("   ")[-1].strip() == "Remboursées"


@pytest.mark.rule("R16")
def test_summary_shows_the_cards_of_every_biller_in_its_own_words(both: Command) -> None:
    told = both("summary", "--on", "2026-04-20").out
    assert "Impayées" in told
    assert "Draft 2" in told
    cards = {one["biller"]["name"]: one for one in both("summary", "--json", "--on", "2026-04-20").data["billers"]}
    assert cards["Les Pins"]["cards"]["overdue"] == {"amount": "1683.00", "currency": "EUR"}
    assert cards["The Oaks"]["counts"]["draft"] == 2


def test_plugins_are_listed_with_what_they_offer(command: Command) -> None:
    told = command("plugins", "--json").data["plugins"]
    assert {plugin["name"] for plugin in told} >= {"memory", "sql"}
    assert "stores: memory" in command("plugins").out


# --- changing ---------------------------------------------------------------------------------------------------------


def test_publish_takes_an_id_or_a_drafts_reference_and_gives_the_number(both: Command) -> None:
    (drafts,) = both("invoices", "--json", "--biller", "The Oaks").data["billers"]
    first, second = drafts["invoices"]
    told = both("publish", first["id"], "--on", "2026-04-02")
    assert (told.code, told.out) == (0, "INV-000001 published: $250.00, due 05/01/2026.\n")
    again = both("publish", second["draft_reference"], "--on", "2026-04-02", "--json").data["invoice"]
    assert (again["number"], again["status"]) == ("INV-000002", "open")
    assert again["warnings"][0]["code"] == "no_resident"


@pytest.mark.rule("R11")
def test_publish_all_says_the_count_and_total_first_and_then_what_became_of_each(both: Command) -> None:
    told = both("publish", "--all", "--yes", "--biller", "the oaks", "--on", "2026-04-02")
    assert told.code == 0
    assert told.err == "2 drafts to publish, $500.00 in all\n"
    assert told.out.splitlines()[-2:] == ["2 published, 0 failed.", "INV-000002: Unit 2 has no primary resident"]
    assert both("publish", "--all", "--yes", "--biller", "the oaks").out == "There are no drafts.\n"


def test_publish_wants_one_invoice_or_all(both: Command) -> None:
    assert both("publish").code == 2
    assert both("publish", "X", "--all").code == 2
    assert both("publish", "--all", "--due", "2026-05-01").code == 2


def test_pay_without_an_amount_pays_what_is_owed_and_a_key_never_pays_twice(park: Command) -> None:
    told = park("pay", "INV-000001", "--on", "2026-04-12")
    assert told.code == 0
    assert "0,00\N{NO-BREAK SPACE}€ restent à payer" in told.out
    for _ in range(2):
        assert park("pay", "INV-000002", "10,50", "--key", "bank-1", "--on", "2026-04-12").code == 0
    assert park("show", "INV-000002", "--json").data["balance"]["amount"] == "52.50"


@pytest.mark.parametrize("words", [("pay", "INV-000001", "5"), ("refund", "INV-000001", "5")])
def test_money_of_a_day_to_come_is_refused(park: Command, words: tuple[str, ...]) -> None:
    park("pay", "INV-000001", "100", "--on", "2026-04-12")
    held = park("show", "INV-000001", "--json").data["balance"]
    told = park(*words, "--on", str(date.today() + timedelta(days=3)))
    assert told.code == 1
    assert re.search(
        r"on: [0-9-]{10}: is after [0-9-]{10}, which is today where Les Pins is; give the day it was \w+( \w+)?, or ",
        told.err,
    )
    assert park("show", "INV-000001", "--json").data["balance"] == held
    assert park(*words, "--on", str(date.today() - timedelta(days=1))).code == 0


def test_too_much_money_is_refused_with_the_amount_due_unless_the_rest_becomes_credit(park: Command) -> None:
    told = park("pay", "INV-000002", "100", "--json")
    error = json.loads(told.err)["error"]
    assert (told.code, error["code"]) == (1, "overpayment")
    assert error["due"] == {"amount": "63.00", "currency": "EUR"}
    assert "37,00" in park("pay", "INV-000002", "100", "--rest", "credit").out


@pytest.mark.rule("R14")
def test_void_is_refused_while_money_is_held_and_refund_is_the_way_out(park: Command) -> None:
    park("pay", "INV-000001", "100", "--on", "2026-04-12")
    told = park("void", "INV-000001")
    assert told.code == 1
    assert "Refund it first" in told.err
    assert park("refund", "INV-000001", "--on", "2026-04-13").code == 0
    assert park("void", "INV-000001", "--reason", "erreur", "--on", "2026-04-14").out == "INV-000001 est annulée.\n"


@pytest.mark.parametrize("amount", ["ten", "1.005", "-5", "0", "NaN", "1e2", "10,5,0"])
def test_what_is_no_amount_is_refused_in_one_sentence(park: Command, amount: str) -> None:
    told = park("pay", "INV-000001", "--on", "2026-04-12", "--", amount)
    assert told.code == 1, told
    assert told.err.count("\n") == 1
    assert "amount" in told.err


def test_words_and_options_may_stand_in_any_order(park: Command) -> None:
    for words in (
        ["INV-000001", "5"],
        ["--method", "cash", "INV-000001", "5"],
        ["INV-000001", "--method", "cash", "5"],
    ):
        assert park("pay", "--on", "2026-04-12", *words).code == 0
    assert park("show", "INV-000001", "--json").data["settled"]["amount"] == "15.00"


def test_a_decimal_comma_is_for_those_who_speak_french(both: Command) -> None:
    both("publish", "--all", "--yes", "--biller", "The Oaks", "--on", "2026-04-02")
    assert both("pay", "INV-000001", "1,5", "--biller", "The Oaks", "--on", "2026-04-12").code == 1
    assert both("pay", "INV-000001", "1,50", "--biller", "The Oaks", "--lang", "fr", "--on", "2026-04-12").code == 0


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_a_number_that_two_billers_have_wants_a_biller_and_says_which_there_are(both: Command) -> None:
    both("publish", "--all", "--yes", "--biller", "The Oaks", "--on", "2026-04-02")
    told = both("show", "INV-000001")
    assert told.code == 2
    assert "Les Pins" in told.err
    assert "The Oaks" in told.err
    assert both("show", "INV-000001", "--biller", "LES PINS").code == 0


def test_who_wants_one_biller_says_which_there_are_and_how_to_name_one(both: Command) -> None:
    for words in (("publish", "--all", "--yes"), ("statement", "Ana Lima", "--since", "2026-04-01")):
        told = both(*words)
        assert told.code == 2
        assert re.search(
            r"there are 2 billers here and this is about one, name it with --biller: \S+ \(Les Pins\); \S+ \(The Oaks\)",
            told.err,
        )


@pytest.mark.parametrize(
    "command",
    ["run", "remind", "deliver", "collect", "recover", "invoices", "summary", "alerts", "mandates", "doctor", "export",
     "reconcile"],
)  # fmt: skip
def test_help_says_that_a_command_is_about_all_billers(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--biller BILLER only this one (default: all)" in told


@pytest.mark.parametrize(
    "command, said",
    [
        ("show", "whose it is, where several billers have that number"),
        ("publish", "with --all whose drafts; not needed where there is one"),
        ("statement", "whose customer it is; not needed where there is one"),
        ("pdf", "a file that is there is overwritten"),
        ("pdf", "in the payer's language"),
        ("statement", "in the customer's language"),
    ],
)
def test_help_says_what_else_is_to_be_known(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_the_docs_name_every_command_that_takes_no_day() -> None:
    text = (Path(__file__).parents[1] / "docs" / "cli.md").read_text("utf-8")
    (row,) = re.findall(r"^\| `--on DATE` .* Not for (.*?): they go by the clock", text, re.MULTILINE)
    assert re.findall("`(.*?)`", row) == sorted(NO_DAY)


def test_what_is_not_there_is_named(park: Command) -> None:
    for words in (("show", "INV-9"), ("invoices", "--customer", "nobody"), ("summary", "--biller", "nobody")):
        told = park(*words)
        assert told.code == 1
        assert words[-1] in told.err


def test_the_language_is_the_billers_unless_another_is_asked_for(park: Command) -> None:
    assert "Overdue" in park("summary", "--lang", "en", "--on", "2026-04-20").out
    assert park("summary", "--lang", "de").code == 2


# --- the command line itself ------------------------------------------------------------------------------------------


def test_the_options_for_everywhere_may_stand_before_or_after_the_command(park: Command) -> None:
    before, after = park("--json", "--lang", "en", "summary"), park("summary", "--json", "--lang", "en")
    assert before.data == after.data
    assert park("--json", "invoices", "--lang", "en").data["billers"][0]["invoices"][0]["status_label"] != "Impayée"


def test_the_store_comes_from_the_option_the_environment_or_the_current_folder(
    park: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("INVOICECORE_DB", f"sqlite:///{tmp_path / 'invoicecore.db'}")
    assert park("summary").code == 0
    assert park("summary", "--db", f"sqlite:///{tmp_path / 'other.db'}").code == 4


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("run", "--on", "yesterday"),
        ("run", "--on", "20260401"),
        ("pay",),
        ("invoices", "--status", "late"),
    ],
)
def test_what_is_not_understood_exits_2(command: Command, words: tuple[str, ...]) -> None:
    assert command(*words).code == 2


@pytest.mark.parametrize("url", ["sqlite:///nowhere/x.db", "oracle://x", "rent.db", "sqlite:///text.db"])
def test_a_store_that_cannot_be_used_exits_4_without_making_one(command: Command, tmp_path: Path, url: str) -> None:
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to be one" * 40)
    told = command("summary", "--db", url)
    assert (told.code, told.out) == (4, "")
    assert told.err.startswith("invoicecore: ")
    assert not (tmp_path / "rent.db").exists()


def test_a_mistake_in_the_program_is_one_sentence_too(park: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("invoicecore_adapters.cli.commands.the_billers", broken)
    told = park("summary")
    assert told.code == 5
    assert "RuntimeError: boom" in told.err


def test_some_items_failing_exits_3(park: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from invoicecore import leases

    def broken(lease: object, *_: object, **__: object) -> None:
        raise InvoicecoreError("a lease that cannot be billed")

    monkeypatch.setattr(leases, "lease_lines", broken)
    told = park("run", "--on", "2026-05-24", "--json")
    assert told.code == 3
    assert told.data["failed"]["count"] == 2


@pytest.mark.rule("R18")
def test_a_host_that_refuses_is_obeyed_and_the_actor_is_told_to_it(
    park: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Host:
        @hookimpl
        def authorise(self, action: str, actor: str | None) -> str | None:
            return "only the treasurer may" if action == "payments.record" and actor != "treasurer" else None

    discover = Plugins.discover
    monkeypatch.setattr(Plugins, "discover", lambda *more: discover(*more, Host()))
    told = park("pay", "INV-000001", "--actor", "clerk")
    assert told.code == 1
    assert "only the treasurer may" in told.err
    assert park("pay", "INV-000001", "--actor", "treasurer").code == 0


def test_the_choices_of_the_command_line_are_the_librarys() -> None:
    assert tuple(status.value for status in Status) == STATUSES
    assert tuple(method.value for method in PaymentMethod) == METHODS
    assert tuple(order.value for order in Order) == ORDERS


# --- as its own process -----------------------------------------------------------------------------------------------


def child(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    clean = {k: v for k, v in os.environ.items() if k != "INVOICECORE_DB"}
    return subprocess.run([*RUN, *words], cwd=cwd, capture_output=True, env={**clean, **environment}, timeout=60)


def test_output_is_utf_8_and_without_colour_in_a_pipe_whatever_the_locale(park: Command, tmp_path: Path) -> None:
    told = child("invoices", cwd=tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii", FORCE_COLOR="", TERM="xterm")
    assert told.returncode == 0
    assert "Échéance" in told.stdout.decode("utf-8")
    assert b"\x1b" not in told.stdout + told.stderr


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x1c"])
def test_a_row_of_a_table_is_one_line_in_a_pipe_whatever_is_in_it(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table([Column("Name"), Column("Unit")], [[f"Ana{odd}Lima", "12"], ["Bo", "2"]])
    head, _, ana, bo, rest = capsys.readouterr().out.split("\n")
    assert (head.split(), ana.endswith("12"), bo.split(), rest) == (["Name", "Unit"], True, ["Bo", "2"], "")


def test_the_line_of_the_log_in_the_docs_is_as_a_run_writes_it() -> None:
    page = Path(__file__).parents[1] / "docs" / "operations.md"
    [sample] = [line for line in page.read_text("utf-8").splitlines() if line.startswith('{"at"')]
    lines = io.StringIO()
    handler, log = logging.StreamHandler(lines), logging.getLogger("invoicecore")
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        Billing.open("memory://", plugins=Plugins.of(memory.plugin, Telemetry())).run()
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    told = json.loads(lines.getvalue())
    assert list(told) == list(json.loads(sample))
    assert sample == json.dumps(json.loads(sample)), "it is not written so"
    assert lines.getvalue() == json.dumps(told) + "\n"


def test_a_reader_that_has_read_enough_is_no_error(park: Command, tmp_path: Path) -> None:
    command = " ".join(f"'{word}'" for word in RUN)
    script = f"{command} invoices --json | true; {command} invoices | head -n 1"
    told = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, timeout=60)
    assert b"Traceback" not in told.stderr
    assert b"BrokenPipe" not in told.stderr


def test_help_lists_commands_and_exit_codes_and_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from invoicecore_adapters.cli import main; main(['--help']);"
        "print(sorted({'invoicecore', 'rich', 'sqlalchemy', 'attrs', 'babel'} & set(sys.modules)))"
    )
    started = time.perf_counter()
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    took = time.perf_counter() - started
    assert told.stdout.splitlines()[-1] == "[]"
    assert "exit codes:" in told.stdout
    assert "  publish" in told.stdout
    assert took < 5  # a machine under load; the figure itself is measured by the bench


def test_two_days_of_work_from_the_shell_leave_what_the_desk_sees(park: Command, tmp_path: Path) -> None:
    for words in (["run", "--on", "2026-04-24"], ["pay", "INV-000003", "--on", "2026-04-28"]):
        assert child(*words, cwd=tmp_path).returncode == 0
    with Billing.open(f"sqlite:///{tmp_path / 'invoicecore.db'}") as billing:
        (biller,) = billing.billers.all()
        invoice = billing.invoices.get("INV-000003", biller=biller)
        assert invoice.status_on(date(2026, 4, 28)) is Status.PAID
        assert invoice.settled == invoice.total != Money(0, "EUR")


# --- an answer that cannot be told, or not shown ----------------------------------------------------------------------

WITHOUT_RICH = [
    sys.executable,
    "-c",
    "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None;"
    "from invoicecore_adapters.cli import main; sys.exit(main())",
]


def shell(script: str, cwd: Path) -> tuple[int, str]:
    """The exit code of `invoicecore` in a script that calls it `$@`, by the file `code`, and what stderr got."""
    (cwd / "code").unlink(missing_ok=True)
    told = subprocess.run(["sh", "-c", script, "sh", *RUN], cwd=cwd, capture_output=True, text=True, timeout=60)
    return int((cwd / "code").read_text()), told.stderr


@pytest.mark.parametrize("json_too", ["", "--json"])
@pytest.mark.parametrize(
    "script",
    [
        '{ sleep 0.1; "$@" WORDS; echo $? > code; } | true',
        '"$@" WORDS >&-; echo $? > code',
        '"$@" WORDS >/dev/full; echo $? > code',
        '"$@" WORDS >/dev/full 2>/dev/full; echo $? > code',
        '"$@" WORDS >&- 2>&-; echo $? > code',
    ],
)
def test_a_broken_output_does_not_make_a_payment_look_as_if_it_had_failed(
    park: Command, tmp_path: Path, script: str, json_too: str
) -> None:
    words = f"pay INV-000001 5 --on 2026-04-12 {json_too}"
    code, err = shell(script.replace("WORDS", words), tmp_path)
    assert code == 0
    assert park("show", "INV-000001", "--json").data["settled"]["amount"] == "5.00"
    if "2>" not in script:
        assert err.count("\n") == 1
        assert "done and written" in err


@pytest.mark.parametrize("words", ["publish D-000001", "load park.json", "void INV-000001", "run --on 2026-05-24"])
def test_every_change_is_done_whatever_becomes_of_its_answer(both: Command, tmp_path: Path, words: str) -> None:
    if words.startswith("run"):
        words += " --biller 'Les Pins'"
    on = "" if "--on" in words else " --on 2026-04-12" if "load" not in words else " --on 2026-03-01"
    biller = " --biller 'Les Pins'" if words.startswith("void") else ""
    assert shell(f'"$@" {words}{on}{biller} >/dev/full; echo $? > code', tmp_path)[0] == 0


def test_a_question_whose_answer_is_lost_is_no_mistake_of_the_program(park: Command, tmp_path: Path) -> None:
    assert shell('{ sleep 0.1; "$@" invoices; echo $? > code; } | true', tmp_path) == (0, "")
    code, err = shell('"$@" invoices >/dev/full; echo $? > code', tmp_path)
    assert code == 4
    assert "could not be written" in err


def test_without_rich_nothing_is_changed_before_the_extra_is_named(park: Command, tmp_path: Path) -> None:
    def bare(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        return subprocess.run(
            [*WITHOUT_RICH, *words], cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=60
        )

    before = sorted(tmp_path.iterdir())
    for words in (["pay", "INV-000001", "5", "--on", "2026-04-12"], ["void", "INV-000001"], ["demo"]):
        told = bare(*words)
        assert told.returncode == 4
        assert "invoicecore[cli]" in told.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert park("show", "INV-000001", "--json").data["settled"]["amount"] == "0.00"
    assert bare("pay", "INV-000001", "5", "--on", "2026-04-12", "--json").returncode == 0


def test_a_language_nobody_speaks_is_found_before_anything_is_changed(park: Command) -> None:
    assert park("void", "INV-000001", "--lang", "de").code == 2
    assert park("show", "INV-000001", "--json").data["status"] != "void"


@pytest.mark.parametrize(
    "amount, reason",
    [
        ("1.000", "separator of thousands, or too many decimals"),
        ("1,000", "separator of thousands, or too many decimals"),
        ("1 0 0,5", "is not an amount"),
        ("1 00", "is not an amount"),
        ("1.000,00", "is not an amount"),
    ],
)
@pytest.mark.rule("M8")
def test_an_amount_that_may_be_a_thousand_is_refused(park: Command, amount: str, reason: str) -> None:
    for verb in ("pay", "refund"):
        told = park(verb, "INV-000001", amount, "--on", "2026-04-12")
        assert told.code == 1
        assert reason in told.err
        assert "write" in told.err
    assert park("pay", "INV-000001", "1 000,50", "--on", "2026-04-12").code == 0


# --- the command line, continued --------------------------------------------------------------------------------------


@pytest.mark.rule("R11")
def test_publish_all_asks_or_is_told_not_to(both: Command) -> None:
    for more in ([], ["--json"]):
        told = both("publish", "--all", "--biller", "the oaks", *more)
        assert told.code == 2
        assert "--yes" in told.err
    told = both("publish", "--all", "--biller", "the oaks", "--on", "2026-04-02", "--json", "--yes")
    assert len(told.data["published"]) == 2


def test_the_day_may_stand_before_the_command_and_an_order_may_begin_with_a_sign(park: Command) -> None:
    before, after = park("--on", "2026-04-20", "--json", "summary"), park("summary", "--on", "2026-04-20", "--json")
    assert before.data == after.data
    for words in (["--order", "-total"], ["--order=-total"]):
        (one,) = park("invoices", "--json", *words).data["billers"]
        assert [invoice["number"] for invoice in one["invoices"]] == ["INV-000001", "INV-000002"]
    assert park("--on", "2026-04-20", "plugins").code == 2


@pytest.mark.parametrize(
    "words",
    [("pay",), ("dance",), ("run", "--on", "soon"), ("invoices", "--limit", "0"), ("invoices", "--limit", "1001")],
)
def test_what_is_not_understood_is_told_to_machines_too(command: Command, words: tuple[str, ...]) -> None:
    told = command(*words, "--json")
    assert told.code == 2
    error = json.loads(told.err)["error"]
    assert error["code"] == "usage"
    assert error["message"]


def test_a_draft_that_is_published_is_known_by_its_reference(both: Command) -> None:
    assert both("publish", "D-000001", "--on", "2026-04-02").code == 0
    told = both("publish", "D-000001", "--on", "2026-04-02")
    assert told.code == 1
    assert "D-000001 is published as INV-000001" in told.err


def test_show_tells_refunds_credit_and_the_steps_in_the_readers_words(park: Command) -> None:
    park("pay", "INV-000001", "100", "--on", "2026-04-12")
    park("refund", "INV-000001", "40", "--to", "credit", "--reason", "rabais", "--on", "2026-04-13")
    told = park("show", "INV-000001", "--on", "2026-04-14").out
    for words in (
        "Crédit de Ana Lima\N{NO-BREAK SPACE}: 40,00",
        "rabais",
        "Porté au crédit",
        "Paiement reçu",
        "Publiée",
    ):
        assert words in told
    assert "100,00\N{NO-BREAK SPACE}€, Virement bancaire" in told
    assert park("show", "INV-000001", "--json").data["credit"] == {"amount": "40.00", "currency": "EUR"}
    assert "Statut\N{NO-BREAK SPACE}: " in told


def test_a_void_invoice_owes_nothing(park: Command) -> None:
    park("pay", "INV-000001", "100", "--on", "2026-04-12")
    park("refund", "INV-000001", "--on", "2026-04-13")
    park("void", "INV-000001", "--on", "2026-04-14")
    told = park("show", "INV-000001", "--on", "2026-04-14")
    assert "Solde" not in told.out
    assert "Payée en partie" not in told.out
    data = park("show", "INV-000001", "--json").data
    assert (data["balance"]["amount"], data["recordable"]["amount"]) == ("0.00", "0.00")


def test_sentences_have_no_words_of_python(both: Command) -> None:
    past = both("publish", "D-000001", "--on", "2026-04-02", "--due", "2026-03-01")
    assert past.code == 1
    assert "due: 2026-03-01: is before 2026-04-02" in past.err
    park = partial(both, "--lang", "en")
    over = park("pay", "INV-000002", "100")
    assert "(--rest credit)" in over.err
    assert json.loads(park("pay", "INV-000002", "100", "--json").err)["error"]["message"] == over.err[13:-1]


def test_a_run_names_who_failed_and_not_the_class_of_the_error(park: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from invoicecore import leases

    def broken(lease: object, *_: object, **__: object) -> None:
        raise InvoicecoreError("a lease that cannot be billed")

    monkeypatch.setattr(leases, "lease_lines", broken)
    told = park("run", "--on", "2026-05-24").out
    assert "InvoicecoreError" not in told
    (row,) = [line for line in told.splitlines() if line.startswith("Ana Lima")]
    assert row.split("   ")[1:] == ["12", "a lease that cannot be billed"] or "12" in row


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_a_narrow_screen_breaks_no_word_and_cuts_no_number(
    park: Command, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("invoicecore_adapters.cli.tables._ENDLESS", width)
    told = park("invoices", "--on", "2026-04-20").out
    for words in ("INV-000001", "1\N{NARROW NO-BREAK SPACE}620,00\N{NO-BREAK SPACE}€", "retard", "tardivement"):
        assert words in told
    assert "…" not in told
    if width >= 60:
        assert max(map(len, told.splitlines())) <= width
