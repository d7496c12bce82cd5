"""The commands that talk to providers, over both adapters and their simulators: what they say, and how they end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest

from invoicecore import Billing
from invoicecore.clock import SystemClock
from invoicecore.payments import ReversalKind
from invoicecore.testing import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Fault
from invoicecore_adapters.cli import main
from invoicecore_adapters.simulators.gocardless import GoCardlessBench
from invoicecore_adapters.simulators.stripe import StripeBench
from providers import gocardless_bench, stripe_bench

START = datetime(2026, 4, 20, 9, tzinfo=UTC)
PAGES = "https://pay.example.com"
KEYS = (
    "INVOICECORE_DB", "INVOICECORE_CATALOGUES", "INVOICECORE_MAILER", "INVOICECORE_BASE_URL",
)  # fmt: skip
PARK = {
    "billers": [
        {"ref": "heron", "name": "Heron Lake", "currency": "GBP", "timezone": "Europe/London", "locale": "en_GB", "preset": "stays"}
    ],
    "customers": [
        {"ref": "T-1", "name": "Ana Lima", "email": "ana@example.org"},
        {"ref": "T-2", "name": "Bo Berg", "email": "bo@example.org"},
    ],
    "leases": [
        {"ref": "L-1", "customer": "T-1", "unit": "12", "rent": "620.00", "frequency": "monthly", "starts": "2026-05-01", "method": "direct_debit"},
        {"ref": "L-2", "customer": "T-2", "unit": "14", "rent": "90.00", "frequency": "monthly", "starts": "2026-05-01"},
    ],
}  # fmt: skip


@attrs.frozen
class Answer:
    code: int
    out: str
    err: str

    @property
    def data(self) -> dict:
        return json.loads(self.out)


@attrs.define
class Park:
    """A campground's command line, its two providers, and the clock they all live by."""

    run: Callable[..., Answer]
    clock: FixedClock
    bank: GoCardlessBench
    cards: StripeBench
    folder: Path

    def __call__(self, *words: str) -> Answer:
        return self.run(*words)

    def at(self, when: datetime) -> None:
        """It is another day, everywhere."""
        self.clock.set(when)
        for bench in (self.bank, self.cards):
            bench.move((when - bench.now()).total_seconds())

    def hand(self, name: str, delivery: Delivery, *words: str) -> Answer:
        """Give a webhook to the command as a file and its headers."""
        (self.folder / "body").write_bytes(delivery.body)
        headers = [word for header in delivery.headers.items() for word in ("--header", ": ".join(header))]
        return self("receive", name, "--body", str(self.folder / "body"), *headers, *words)

    def receive(self) -> list[int]:
        """Everything that both have sent."""
        found = [("gocardless", each) for each in self.bank.deliveries()]
        found += [("stripe", each) for each in self.cards.deliveries()]
        return [self.hand(name, delivery).code for name, delivery in found]

    def mandate(self) -> str:
        """Ana signs a mandate; its id."""
        page = self("mandates", "--set-up", "Ana Lima", "--by", "gocardless", "--return-url", PAGES, "--json").data
        self.bank.save(page["url"])
        assert set(self.receive()) == {0}
        return page["method"]

    def debit(self) -> str:
        """May is invoiced and its debit is on its way; the provider's name of it."""
        self.mandate()
        assert self("run", "--on", "2026-04-27").code == 0
        self.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
        assert self("collect").code == 0
        return next(each.reference for each in self.bank.effects() if each.kind == "payment")

    def paid(self) -> str:
        """And collected."""
        debit = self.debit()
        self.at(datetime(2026, 5, 4, 9, tzinfo=UTC))
        self.bank.collect(debit)
        assert set(self.receive()) == {0}
        return debit


@pytest.fixture
def park(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Park]:
    """A campground with a tenant by Direct Debit and one by e-mail, and both providers on loopback."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    clock = FixedClock(START)
    monkeypatch.setattr(SystemClock, "now", lambda self: clock.now())

    def run(*words: str) -> Answer:
        code = main(words)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert not any(secret in told.out + told.err for bench in (bank, cards) for secret in bench.secrets)
        return Answer(code, told.out, told.err)

    bank, cards = gocardless_bench(), stripe_bench()
    try:
        made = Park(run, clock, bank, cards, tmp_path)
        made.at(START)
        monkeypatch.setenv("INVOICECORE_GOCARDLESS_TOKEN", bank.secrets[0])
        monkeypatch.setenv("INVOICECORE_GOCARDLESS_WEBHOOK_SECRET", bank.secrets[1])
        monkeypatch.setenv("INVOICECORE_STRIPE_KEY", cards.secrets[0])
        monkeypatch.setenv("INVOICECORE_STRIPE_WEBHOOK_SECRET", cards.secrets[1])
        monkeypatch.setenv("INVOICECORE_GATEWAY", f"{stripe_url(cards)} {gocardless_url(bank)}")
        (tmp_path / "park.json").write_text(json.dumps(PARK), "utf-8")
        assert run("load", "park.json", "--on", "2026-04-01").code == 0
        yield made
    finally:
        bank.close()
        cards.close()


def stripe_url(cards: StripeBench) -> str:
    return f"stripe://?timeout=2&api={quote(cards.simulator.server.url, safe='')}"


def gocardless_url(bank: GoCardlessBench) -> str:
    return f"gocardless://sandbox?api={bank.server.url}/"


# --- mandates ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("C6", "S9")
def test_a_mandate_is_set_up_told_by_a_webhook_and_listed(park: Park) -> None:
    page = park("mandates", "--set-up", "ana@example.org", "--by", "gocardless", "--return-url", PAGES)
    assert page.code == 0
    assert page.out.startswith(park.bank.server.url)
    assert "Being set up" in park("mandates").out
    park.bank.save(page.out.strip())
    deliveries = park.bank.deliveries()
    told = [park.hand("gocardless", delivery) for delivery in deliveries]
    assert [answer.code for answer in told] == [0] * len(deliveries)
    assert lines(park("mandates", "--customer", "Ana Lima"))[2].split("   ")[:4] == [
        "Ana Lima", "Direct Debit", "Bank account ••••11 (Bacs)", "Waiting for the bank",
    ]  # fmt: skip
    assert "Client     Type                      Moyen" in park("mandates", "--lang", "fr").out
    (method,) = park("mandates", "--json").data["methods"]
    assert (method["gateway"], method["state"], method["scheme"]) == ("gocardless", "pending", "bacs")
    assert park("mandates", "--customer", "Bo Berg").out == "There are no saved mandates or cards.\n"


@pytest.mark.rule("C6")
def test_a_mandate_is_given_up_at_the_provider(park: Park) -> None:
    method = park.mandate()
    assert (
        park("mandates", "--revoke", method).out
        == "Bank account ••••11 (Bacs) is given up and is not charged any more.\n"
    )
    assert park("mandates", "--revoke", method, "--json").data["state"] == "inactive"  # harmless to repeat
    assert "No longer usable" in park("mandates").out
    assert "Plus utilisable" in park("mandates", "--lang", "fr").out


def test_a_card_is_saved_with_the_first_gateway_that_can(park: Park) -> None:
    page = park("mandates", "--set-up", "Bo Berg", "--kind", "card", "--return-url", PAGES, "--json").data
    park.cards.save(page["url"])
    assert set(park.receive()) == {0}
    assert "Visa •••• 4242" in park("mandates").out


# --- collect and recover ----------------------------------------------------------------------------------------------


@pytest.mark.rule("S9", "P1")
@pytest.mark.parametrize(
    "language, heads, warning",
    [
        ("en", "Collected   On their way", "Warnings: INV-000002, collected on 04/05/2026, after its due date 30/04/2026"),
        ("fr", "Encaissés   En cours", "Avertissements : INV-000002, encaissement le 04/05/2026, après l'échéance du 30/04/2026"),
    ],
)  # fmt: skip
def test_collect_sends_what_is_due_and_warns_of_a_late_day(park: Park, language: str, heads: str, warning: str) -> None:
    park.mandate()
    park("run", "--on", "2026-04-27")
    park.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
    told = park("collect", "--lang", language)
    assert told.code == 0
    assert told.out.startswith(heads)
    assert lines(told)[2].split() == ["0", "1", "0", "0", "0", "0", "0", "1"]
    assert one_space(lines(told)[3]) == warning
    again = park("collect", "--json").data  # harmless to repeat
    assert {kind for kind, tally in again.items() if kind != "stopped" and tally["count"]} == set()
    assert "Pending" in park("invoices", "--on", "2026-04-28").out


@pytest.mark.rule("D6", "P2")
def test_collect_says_that_a_provider_is_down_and_everything_waits(park: Park) -> None:
    park.mandate()
    park("run", "--on", "2026-04-27")
    park.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
    park.bank.fault("charge", Fault.REFUSE)
    told = park("collect")
    assert told.code == 3
    assert lines(told)[2].split() == ["0", "0", "0", "0", "1", "0", "0", "0"]
    assert lines(told)[-1].startswith("The provider could not be asked any more, and the rest waits: ")
    again = park("collect", "--lang", "fr")
    assert again.code in (0, 3)  # it is tried again a little later
    park.bank.clear_faults()
    park.at(datetime(2026, 4, 27, 19, tzinfo=UTC))
    assert park("collect", "--json").data["pending"]["count"] == 1


@pytest.mark.parametrize("language, amount", [("fr", "620,00\N{NO-BREAK SPACE}£GB"), ("en", "£620.00")])
def test_each_step_of_a_collection_tells_its_amount_as_money(park: Park, language: str, amount: str) -> None:
    park.paid()
    (number,) = [each["number"] for each in invoices(park) if each["total"]["amount"] == "620.00"]
    shown = park("show", number, "--lang", language).out
    assert shown.count(amount) >= 6
    assert "620.00" not in shown.replace("£620.00", "")


def test_the_words_of_who_settled_a_collection_are_shown_as_they_were_written(park: Park) -> None:
    park.mandate()
    park("run", "--on", "2026-04-27")
    park.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
    park.bank.fault("charge", Fault.RESET_BEFORE)
    assert park("collect").code == 3
    with Billing.open(f"sqlite:///{park.folder / 'invoicecore.db'}") as billing:
        (number,) = [each["number"] for each in invoices(park) if each["total"]["amount"] == "620.00"]
        (doubtful,) = billing.collections.find(invoice=billing.invoices.get(number, biller=billing.billers.all()[0]))
        billing.collections.resolve(doubtful, outcome="not_collected", note="620 is not on our account")
    assert "620 is not on our account" in park("show", number).out


def test_a_gateway_that_is_missing_is_to_be_given_as_it_is_at_a_terminal(park: Park, monkeypatch) -> None:
    park.mandate()
    park("run", "--on", "2026-04-27")
    park.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
    monkeypatch.setenv("INVOICECORE_GATEWAY", stripe_url(park.cards))
    told = park("collect")
    assert told.code == 3
    assert "there is no gateway 'gocardless' here; give --gateway URL" in told.out
    assert "Billing.open" not in told.out


@pytest.mark.rule("D3")
def test_recover_finds_out_what_became_of_a_charge_without_an_answer(park: Park) -> None:
    park.mandate()
    park("run", "--on", "2026-04-27")
    park.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
    park.bank.fault("charge", Fault.RESET_AFTER)
    doubtful = park("collect")
    assert doubtful.code == 3
    assert lines(doubtful)[2].split()[3] == "1"
    assert lines(doubtful)[-1].startswith("In doubt: INV-000002, ")
    assert "Incertains" in park("recover", "--lang", "fr").out
    park.at(datetime(2026, 4, 27, 10, tzinfo=UTC))
    told = park("recover")
    assert told.code == 0
    assert lines(told)[2].split()[:4] == ["0", "1", "0", "0"]
    assert len([each for each in park.bank.effects() if each.kind == "payment"]) == 1


@pytest.mark.rule("S9", "D4")
@pytest.mark.parametrize(
    "language, why",
    [
        ("en", "Failed: INV-000002, There was not enough money in the account at that moment."),
        ("fr", "Échoués : INV-000002, Le solde du compte était insuffisant à ce moment-là."),
    ],
)
def test_a_debit_that_failed_is_told_with_its_reason_in_words(park: Park, language: str, why: str) -> None:
    debit = park.debit()
    park.at(datetime(2026, 5, 8, 9, tzinfo=UTC))
    park.bank.fail(debit, "insufficient_funds")
    park.bank.deliveries()  # the webhooks are lost
    told = park("recover", "--lang", language)
    assert told.code == 3
    assert one_space(lines(told)[-1]) == why


# --- receive ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("D6")
def test_receive_takes_a_webhook_as_it_came_and_knows_it_the_second_time(park: Park) -> None:
    debit = park.debit()
    park.bank.deliveries()
    park.at(datetime(2026, 5, 4, 9, tzinfo=UTC))
    park.bank.collect(debit)
    (delivery,) = park.bank.deliveries()
    told = park.hand("gocardless", delivery)
    assert (told.code, lines(told)[2].split()) == (0, ["4", "0", "0", "0", "0"])
    assert lines(told)[0].split("   ") == ["Applied", "Known already", "Not for us", "Waiting", "Given up"]
    again = park.hand("gocardless", delivery, "--lang", "fr")
    assert lines(again)[0].split("   ") == ["Appliqués", "Déjà connus", "Pas pour nous", "En attente", "Abandonnés"]
    assert lines(again)[2].split() == ["0", "4", "0", "0", "0"]
    events = park.hand("gocardless", delivery, "--json").data["events"]
    assert [event["state"] for event in events] == ["repeated"] * 4
    assert "Paid" in park("invoices", "--on", "2026-05-04").out


@pytest.mark.rule("D6")
def test_receive_since_a_day_asks_the_provider_for_what_was_lost(park: Park) -> None:
    assert park("receive", "gocardless", "--since", "2026-05-01").out == "There were no events.\n"
    debit = park.debit()
    park.at(datetime(2026, 5, 4, 9, tzinfo=UTC))
    park.bank.collect(debit)
    park.bank.deliveries()  # lost
    told = park("receive", "gocardless", "--since", "2026-05-01")
    assert (told.code, lines(told)[2].split()[0]) == (0, "4")
    assert "Paid" in park("invoices", "--on", "2026-05-04").out


def test_an_event_that_cannot_be_applied_now_waits_and_exits_3(park: Park) -> None:
    debit = park.debit()
    park.bank.deliveries()
    park.at(datetime(2026, 5, 4, 9, tzinfo=UTC))
    park.bank.collect(debit)
    (delivery,) = park.bank.deliveries()
    park.bank.fault("payment", Fault.ERROR_500_BEFORE, times=20)
    told = park.hand("gocardless", delivery)
    assert told.code == 3
    assert int(lines(told)[2].split()[3]) > 0
    assert any(line.startswith("EV") for line in lines(told)[3:])


# --- refunds ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S12", "P4")
def test_a_refund_by_the_provider_says_what_came_of_it(park: Park) -> None:
    park.paid()
    told = park("refund", "INV-000002", "20.00", "--to", "gateway")
    assert (told.code, told.out) == (0, "£20.00 of INV-000002 are on their way back through the provider.\n")
    more = park("refund", "INV-000002", "5.00", "--to", "gateway", "--lang", "fr")
    assert one_space(more.out) == "5,00 £GB de INV-000002 sont en cours de remboursement par le prestataire."
    third = park("refund", "INV-000002", "1.00", "--to", "gateway", "--json", "--key", "once").data["refund"]
    assert (third["gateway"], third["state"]) == ("gocardless", "pending")
    assert (
        park("refund", "INV-000002", "1.00", "--to", "gateway", "--json", "--key", "once").data["refund"]["id"]
        == third["id"]
    )


def test_a_refund_without_an_answer_exits_3_and_recover_finds_out(park: Park) -> None:
    park.paid()
    park.bank.fault("refund", Fault.RESET_AFTER)
    told = park("refund", "INV-000002", "20.00", "--to", "gateway")
    assert (told.code, told.out) == (
        3, "Nobody knows yet whether £20.00 of INV-000002 were refunded; run recover.\n"
    )  # fmt: skip
    park.at(datetime(2026, 5, 4, 10, tzinfo=UTC))
    assert park("recover").code == 0
    assert len([each for each in park.bank.effects() if each.kind == "refund"]) == 1


# --- reconcile --------------------------------------------------------------------------------------------------------


@pytest.mark.rule("D6")
def test_reconcile_names_every_difference_and_exits_3(park: Park) -> None:
    debit = park.debit()
    park.at(datetime(2026, 5, 4, 9, tzinfo=UTC))
    park.bank.collect(debit)
    asked = ("reconcile", "gocardless", "--since", "2026-04-01", "--until", "2026-05-04")
    told = park(*asked)
    assert told.code == 3
    assert lines(told)[:2] == ["Payments compared: 1; not ours: 0.", "Collected: £620.00 at the provider, £0.00 here."]
    assert [line.split() for line in lines(told)[4:]] == [
        ["INV-000002", debit, "Collected", "differs", "£620.00", "£0.00"],
        ["INV-000002", debit, "State", "differs", "Collected", "On", "its", "way"],
    ]
    french = park(*asked, "--lang", "fr")
    assert french.code == 3
    assert "Paiements comparés : 1 ; pas à nous : 0." in one_space(french.out)
    assert "État différent" in french.out
    kinds = [each["kind"] for each in park(*asked, "--json").data["differences"]]
    assert kinds == ["collected", "state"]
    park.receive()
    after = park(*asked)
    assert (after.code, lines(after)[-1]) == (0, "No differences.")


# --- alerts -----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("D3", "R18")
def test_alerts_are_listed_and_resolved_with_a_note(park: Park) -> None:
    assert park("alerts").out == "There is nothing to look at.\n"
    debit = park.paid()
    park.bank.reverse(debit, ReversalKind.LATE_FAILURE)
    park.receive()
    told = park("alerts")
    assert told.code == 0
    assert lines(told)[2].startswith("04/05/2026   A collected payment failed afterwards   INV-000002   ")
    assert "Un paiement encaissé a échoué après coup" in park("alerts", "--lang", "fr").out
    (alert,) = park("alerts", "--json").data["alerts"]
    resolved = park("alerts", "--resolve", alert["id"], "--note", "she pays by card", "--actor", "eve")
    assert resolved.out == "Resolved: A collected payment failed afterwards.\n"
    assert park("alerts", "--lang", "fr").out == "Il n'y a rien à examiner.\n"
    assert park("alerts", "--resolve", alert["id"], "--note", "again").code == 1


# --- which gateways, and what is refused ------------------------------------------------------------------------------


def test_gateways_come_from_the_options_or_else_from_the_environment(
    park: Park, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ("--gateway", stripe_url(park.cards), "--gateway", gocardless_url(park.bank))
    known = park("receive", "nowhere", "--since", "2026-04-01").err
    assert known.endswith("name one of those given with --gateway: stripe, gocardless\n")
    monkeypatch.delenv("INVOICECORE_GATEWAY")
    for words in (
        ("collect",), ("recover",), ("receive", "stripe"), ("reconcile", "stripe", "--since", "2026-04-01"),
        ("mandates", "--set-up", "Ana Lima", "--return-url", PAGES), ("mandates", "--revoke", "x"),
        ("refund", "INV-000001", "--to", "gateway"),
    ):  # fmt: skip
        refused = park(*words)
        assert refused.code == 1
        told = (
            "invoicecore: there is no gateway here; give --gateway URL, such as stripe://, or set INVOICECORE_GATEWAY\n"
        )
        assert refused.err == told
    assert park("mandates").code == 0  # only looks at what is here
    assert park("collect", *both).code == 0
    assert park("reconcile", "gocardless", "--since", "2026-04-01", *both).code == 0
    assert park("reconcile", "stripe", "--since", "2026-04-01", *both).code == 0


REFUSALS = [
    (("collect", "--on", "2026-04-01"), 2, "unrecognized arguments: --on"),
    (("collect", "--gateway", "nowhere://"), 4, "known names: gocardless, memory, stripe"),
    (("collect", "--gateway", "stripe://?api=ftp://x"), 4, "a gateway cannot be opened: "),
    (("collect", "--gateway", "stripe://?key=NOT_SET"), 4, "'NOT_SET': is not set in the environment"),
    (("collect", "--gateway", "memory://", "--gateway", "memory://"), 4, "has one name twice"),
    (("mandates", "--set-up", "Ana Lima"), 2, "--set-up needs --return-url"),
    (("mandates", "--set-up", "Nobody", "--return-url", PAGES), 1, "no customer 'Nobody' here"),
    (("mandates", "--set-up", "Ana Lima", "--return-url", PAGES, "--by", "paypenny"), 1, "is none of those here"),
    (("mandates", "--set-up", "Ana Lima", "--revoke", "x"), 2, "give one of the two"),
    (("mandates", "--revoke", "x"), 1, "no method 'x' here"),
    (("alerts", "--resolve", "x"), 2, "--resolve needs --note"),
    (("alerts", "--resolve", "x", "--note", "done"), 1, "no alert 'x' here"),
    (("receive", "gocardless", "--since", "2026-04-01", "--body", "x"), 2, "leave out --body and --header"),
    (("receive", "gocardless", "--body", "nowhere"), 1, "'nowhere': cannot be read"),
    (("receive", "gocardless", "--body", "park.json"), 1, "has a missing signature"),
    (("receive", "gocardless", "--body", "park.json", "--header", "Webhook-Signature: 00"), 1, "has a bad signature"),
    (("receive", "gocardless", "--body", "park.json", "--header", "x"), 1, "write it as 'Name: value'"),
    (("reconcile", "gocardless"), 2, "--since"),
    (("reconcile", "gocardless", "--since", "2026-05-01", "--until", "2026-04-01"), 1, "give a later instant"),
    (("refund", "INV-000009", "--to", "gateway"), 1, "no invoice 'INV-000009' here"),
]  # fmt: skip


@pytest.mark.parametrize("words, code, told", REFUSALS, ids=[" ".join(words)[:60] for words, _, _ in REFUSALS])
def test_what_is_refused_is_one_sentence_with_the_way_out(
    park: Park, words: tuple[str, ...], code: int, told: str
) -> None:
    answer = park(*words)
    assert answer.code == code
    assert told in answer.err
    assert answer.out == ""
    if code != 2:
        assert answer.err.count("\n") == 1
    machine = park(*words, "--json")
    assert machine.code == code
    assert json.loads(machine.err)["error"]["code"]


@pytest.mark.parametrize(
    "fault, told",
    [(Fault.REFUSE, "no connection"), (Fault.UNAUTHORISED, "check the gateway's key"), (Fault.HTML_502_BEFORE, "")],
)
def test_a_provider_that_cannot_be_used_exits_4(park: Park, fault: Fault, told: str) -> None:
    park.bank.fault("payments", fault, times=20)
    answer = park("reconcile", "gocardless", "--since", "2026-04-01")
    assert answer.code == 4
    assert told in answer.err
    assert "billing." not in answer.err


@pytest.mark.parametrize("words", [("alerts",), ("mandates",), ("reconcile", "stripe", "--since", "2026-04-01")])
def test_a_list_that_cannot_be_told_has_changed_nothing(
    park: Park, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        answer = park(*words)
        monkeypatch.undo()
    assert (answer.code, "the answer could not be written" in answer.err) == (4, True)


def invoices(park: Park) -> list[dict]:
    return park("invoices", "--json").data["billers"][0]["invoices"]


def lines(answer: Answer) -> list[str]:
    return answer.out.splitlines()


def one_space(text: str) -> str:
    """With one kind of space."""
    return " ".join(text.split())
