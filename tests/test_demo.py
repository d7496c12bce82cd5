"""The demo: three businesses, half a year, on a fresh database, the same on any day and machine."""

from __future__ import annotations

import email
import json
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from invoicecore import Billing, Status
from invoicecore.money import total
from invoicecore_adapters.cli import main
from invoicecore_adapters.cli.demo import LAST, SOURCES, examples

Capsys = pytest.CaptureFixture[str]


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
    assert seen == {status.value for status in Status}
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


STORIES = {
    "Bilal and Hana Qureshi": (
        ("2026-02-24", "Pending", ("Direct Debit: £655.00 asked for, expected on 02/03/2026", "E-mail: what will be collected, and when")),
        ("2026-03-04", "Paid", ("Direct Debit: £655.00 collected", "E-mail: a receipt")),
    ),
    "Denis Okafor": (
        ("2026-04-29", "Pending", ("Direct Debit: £560.00 asked for, expected on 04/05/2026", "E-mail: what will be collected, and when")),
        ("2026-05-06", "Paid", ("Direct Debit: £560.00 collected", "E-mail: a receipt")),
        ("2026-05-18", "Overdue", ("Alert: A collected payment failed afterwards", "E-mail: it is to be paid again, with a link", "E-mail: a reminder")),
        ("2026-05-24", "Overdue", ("E-mail: a reminder",)),
    ),
    "Sophie Lemieux-Tremblay": (
        ("2026-04-10", "Ouverte", ("Carte : La carte a expiré.", "Courriel : le motif, et un lien pour payer")),
        ("2026-04-14", "Payée", ("Carte : 411,24 $ payés avec le lien",)),
    ),
    "Anneke de Vries": (
        ("2026-03-24", "Paid", ("Card: £139.20 paid with the link", "E-mail: a receipt")),
        ("2026-03-27", "Refunded", ("£139.20 refunded by the provider", "E-mail: what was refunded")),
    ),
}  # fmt: skip


@pytest.mark.rule("D3", "P4", "S9", "S12")
@pytest.mark.parametrize("who", STORIES)
def test_what_is_collected_is_told_day_by_day_in_the_billers_words(who: str, told: list[dict]) -> None:
    stories = {story["customer"]["name"]: story["days"] for one in told for story in one["collected"]}
    assert stories.keys() == STORIES.keys()
    days = [(day["on"], day["status_label"], tuple(plain(news) for news in day["news"])) for day in stories[who]]
    assert days == list(STORIES[who])


@pytest.mark.rule("S9")
def test_a_declined_card_is_answered_with_an_e_mail_that_has_the_reason_and_a_link(
    told: list[dict], place: Path
) -> None:
    mails = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in place.rglob("*.eml")]
    (mail,) = [
        mail for mail in mails if "sophie.lt@example.org" in mail["to"] and "La carte a expiré." in text_of(mail)
    ]
    assert "https://pay.example.com/pay/" in text_of(mail)


def text_of(mail: EmailMessage) -> str:
    """An e-mail's plain text."""
    body = mail.get_body(("plain",))
    return body.get_content() if body is not None else ""


def plain(text: str) -> str:
    """With one kind of space."""
    return " ".join(text.split())


@pytest.mark.rule("S9")
def test_what_is_collected_by_direct_debit_is_not_recorded_by_hand(told: list[dict], place: Path) -> None:
    with Billing.open(f"sqlite:///{place / 'demo.db'}") as billing:
        park = next(biller for biller in billing.billers.all() if biller.policy.preset == "stays")
        debited = [lease for lease in billing.leases.find(biller=park) if lease.method.value == "direct_debit"]
        assert len(debited) == 2
        payments = []
        for lease in debited:
            invoices = billing.invoices.find(customer=lease.customer, limit=100).items
            collections = [billing.collections.find(invoice=invoice) for invoice in invoices]
            assert [len(found) for found in collections] == [1] * len(invoices)
            payments += [paid for invoice in invoices for paid in billing.payments.find(invoice=invoice)]
        assert len(payments) > 8
        assert {(paid.method.value, paid.collection is not None) for paid in payments} == {("direct_debit", True)}


def test_the_demo_names_every_extra_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capsys) -> None:
    monkeypatch.setattr("invoicecore_adapters.cli.demo.find_spec", lambda name: None if name == "stripe" else name)
    assert main(["demo", "--dir", str(tmp_path)]) == 4
    assert "invoicecore[cli,pdf,mail,stripe,gocardless,testing]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rule("N1")
def test_numbers_have_no_gap(told: list[dict]) -> None:
    for one in told:
        numbers = sorted(invoice["number"] for invoice in one["invoices"] if invoice["number"])
        assert [int(number[-4:]) for number in numbers] == list(range(1, len(numbers) + 1))


def test_another_demo_is_the_same_and_shows_each_system_in_its_own_words(
    told: list[dict], tmp_path: Path, capsys: Capsys
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
        "Encaissé par prélèvement et par carte",
        "Collected by Direct Debit and card",
        *(story["invoice"] for one in told for story in one["collected"]),
        *(news for days in STORIES.values() for _, _, told_then in days for news in told_then),
    ):
        assert words in plain(out), words
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
