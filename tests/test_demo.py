"""The demo: three businesses, half a year, on a fresh database, the same on any day and machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invoicecore import Billing, Status
from invoicecore.money import total
from invoicecore_adapters.cli import main
from invoicecore_adapters.cli.demo import LAST, SOURCES, examples


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(place: Path) -> list[dict]:
    """What the demo tells machines, run once."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["--json", "demo", "--dir", str(place)]) == 0
    return json.loads(out.getvalue())["billers"]


def test_every_status_and_every_side_of_it_can_be_seen(told: list[dict]) -> None:
    residents, clients, stays = told
    seen = {status for one in told for status, count in one["counts"].items() if count}
    assert seen == {status.value for status in Status} - {"pending"}  # nothing here collects from a bank
    assert residents["counts"]["void"] == 2
    assert clients["counts"]["open"]
    assert stays["counts"]["refunded"] == 1
    every = [invoice for one in told for invoice in one["invoices"]]
    assert any(invoice["late"] for invoice in every)
    assert any(invoice["facts"]["credit"]["amount"] != "0.00" for invoice in every)


def test_the_same_labels_are_not_shared_by_the_three(told: list[dict]) -> None:
    labels = [{i["status"]: i["status_label"] for i in one["invoices"]} for one in told]
    assert labels[0]["overdue"] == "En retard"
    assert labels[1]["open"] == "Ready for payment"
    assert labels[2]["open"] == "Unpaid"


@pytest.mark.rule("R16")
def test_the_cards_add_up(told: list[dict], place: Path) -> None:
    with Billing.open(f"sqlite:///{place / 'demo.db'}") as billing:
        for biller in billing.billers.all():
            cards = billing.invoices.summary(biller=biller, on=LAST)
            parts = total([cards.open, cards.overdue, cards.paid, cards.refunded], biller.currency)
            assert parts == cards.total
            outstanding = billing.invoices.outstanding(biller=biller, on=LAST)
            assert outstanding == cards.open + cards.overdue


@pytest.mark.rule("N1")
def test_numbers_have_no_gap(told: list[dict]) -> None:
    for one in told:
        numbers = sorted(invoice["number"] for invoice in one["invoices"] if invoice["number"])
        assert [int(number[-4:]) for number in numbers] == list(range(1, len(numbers) + 1))


def test_another_demo_is_the_same_and_shows_each_system_in_its_own_words(
    told: list[dict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "new" / "folder" / "demo.db"
    assert main(["demo", "--dir", str(database.parent)]) == 0
    out, err = capsys.readouterr()
    assert err == f"invoicecore demo: {database}\n"
    for words in (
        "Les Érables du Canal",
        "Ouvertes",
        "Payées",
        "Annulée",
        "Ready for payment",
        "Heron Lake",
        "Unpaid",
        "Refunded",
        "Paid · Late",
    ):
        assert words in out, words
    listing = ["invoices", "--json", "--on", str(LAST), "--order=-created", "--limit", "1000"]
    assert main([*listing, "--db", f"sqlite:///{database}"]) == 0
    again = json.loads(capsys.readouterr().out)["billers"]
    assert seen(again) == seen(told)


def seen(billers: list[dict]) -> list[tuple]:
    """What does not depend on the ids of one database."""
    return sorted(
        (one["biller"]["name"], i["reference"], i["title"], i["status"], str(i["total"]), str(i["balance"]))
        for one in billers
        for i in one["invoices"]
    )


def test_the_demo_does_not_touch_a_database_that_is_there(place: Path, told: list[dict]) -> None:
    assert main(["demo", "--dir", str(place)]) == 4


def test_the_examples_are_found_and_their_people_are_not_real() -> None:
    for source in SOURCES:
        path = examples() / source
        files = [path] if path.is_file() else sorted(path.glob("*.csv"))
        for file in files:
            for word in file.read_text("utf-8-sig").replace(";", " ").replace('"', " ").split():
                assert "@" not in word or word.rstrip(",").endswith("example.org")
