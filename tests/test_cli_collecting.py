"""The commands that talk to providers, over both adapters and their simulators: what they say, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest

from invoicecore.clock import SystemClock
from invoicecore.payments import ReversalKind
from invoicecore.testing import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Fault
from invoicecore_adapters.cli import main
from invoicecore_adapters.gocardless import settings
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
        # A sandbox on this machine: the URL names an environment, and not an address.
        monkeypatch.setitem(settings._ADDRESSES, "sandbox", bank.server.url)
        monkeypatch.setenv("INVOICECORE_GOCARDLESS_TOKEN", bank.secrets[0])
        monkeypatch.setenv("INVOICECORE_GOCARDLESS_WEBHOOK_SECRET", bank.secrets[1])
        monkeypatch.setenv("INVOICECORE_STRIPE_KEY", cards.secrets[0])
        monkeypatch.setenv("INVOICECORE_STRIPE_WEBHOOK_SECRET", cards.secrets[1])
        monkeypatch.setenv("INVOICECORE_GATEWAY", f"{stripe_url(cards)} gocardless://sandbox")
        (tmp_path / "park.json").write_text(json.dumps(PARK), "utf-8")
        assert run("load", "park.json", "--on", "2026-04-01").code == 0
        yield made
    finally:
        bank.close()
        cards.close()


def stripe_url(cards: StripeBench) -> str:
    return f"stripe://?timeout=2&api={quote(cards.simulator.server.url, safe='')}"


def test_look(park: Park) -> None:
    f = open("/tmp/team/demo/look.txt", "w")
    def show(*words):
        for extra in ((), ("--lang", "fr"), ("--json",)):
            a = park(*words, *extra)
            print("$", *words, *extra, "->", a.code, file=f)
            print(a.out + a.err, file=f)
    f = open("/tmp/team/demo/look.txt", "w")
    import builtins
    show("collect")
    show("mandates")
    show("alerts")
    m = park.mandate()
    show("mandates")
    show("receive", "gocardless", "--since", "2026-04-01")
    assert park("run", "--on", "2026-04-27").code == 0
    park.at(datetime(2026, 4, 27, 9, tzinfo=UTC))
    show("collect")
    show("invoices", "--on", "2026-04-27")
    debit = next(each.reference for each in park.bank.effects() if each.kind == "payment")
    park.at(datetime(2026, 5, 4, 9, tzinfo=UTC))
    park.bank.collect(debit)
    show("reconcile", "gocardless", "--since", "2026-04-01")
    print(park.receive(), file=f)
    show("reconcile", "gocardless", "--since", "2026-04-01")
    park.bank.reverse(debit, ReversalKind.LATE_FAILURE); park.receive()
    show("alerts")
    show("recover")
    show("refund", "INV-000001", "20.00", "--to", "gateway")
    show("mandates", "--set-up", "Bo Berg")
    show("mandates", "--revoke", m)
    show("alerts", "--resolve", "x")
    show("receive", "gocardless", "--body", "nowhere")
    show("receive", "nowhere", "--body", "park.json")
    show("receive", "gocardless", "--body", "park.json")
    show("receive", "gocardless", "--body", "park.json", "--header", "x")
    park.bank.fault("payments", Fault.REFUSE)
    show("reconcile", "gocardless", "--since", "2026-04-01")
    show("collect", "--gateway", "stripe://?api=ftp://x")
    show("collect", "--gateway", "nowhere://")
    show("collect", "--gateway", "memory://", "--gateway", "memory://")
    show("link", "INV-000001")
    show("deliver")
