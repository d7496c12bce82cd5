"""Pay pages: what a link shows, the way to the provider and back, and what a stranger learns (T2, R12, R1)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from desks import money, resent, unreachable
from invoicecore import Billing, Plugins
from invoicecore.billing.wiring import Wiring
from invoicecore.documents import Sheet
from invoicecore.errors import (
    ConfigurationProblem,
    Conflict,
    InvalidValue,
    MissingExtra,
    OutcomeUnknown,
    RenderFailed,
    StateConflict,
    StoreError,
    WebhookRejected,
)
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.ports import Checkout, GatewayInfo, HostedPage, Notice, PayLink, Reader, Store, Writer
from invoicecore.testing import FixedClock
from invoicecore_adapters import sql
from invoicecore_adapters.memory import MemoryGateway, MemoryStore
from invoicecore_adapters.web import HideTokens, app, serve
from invoicecore_adapters.web.limits import ALL, EACH, Guesses, Rate
from invoicecore_adapters.web.pages import locale_for
from web_server import NOW, Server, serving

BASE = "https://pay.example.com"
SPACE = re.compile("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]")


class PlainRenderer:
    """A renderer whose documents are a line of text."""

    def render(self, sheet: Sheet) -> bytes:
        return f"%PDF {sheet.reference}".encode()


class Ticking:
    """A clock of seconds that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def gateway(clock: FixedClock) -> MemoryGateway:
    return MemoryGateway(clock=clock)


@pytest.fixture
def billing(store: Store, gateway: MemoryGateway, clock: FixedClock) -> Iterator[Billing]:
    """A desk that serves pay pages, with a gateway and a renderer that cost nothing."""
    wiring = Wiring(Plugins.of(), gateway=gateway, base_url=BASE, renderer=PlainRenderer())
    with Billing(store, clock=clock, wiring=wiring) as desk:
        yield desk


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


@pytest.fixture
def site(billing: Billing, ticking: Ticking) -> Starlette:
    return app(billing, clock=ticking)


def issued(
    billing: Billing, who: Customer, *, title: str = "Pitch 12", amount: str = "120", due: date = date(2026, 4, 1)
) -> Invoice:
    """A published invoice of a customer."""
    owed = money(amount, billing.billers.get(who.biller).currency)
    return billing.invoices.publish(
        billing.invoices.draft(biller=who.biller, customer=who, title=title, amount=owed, due=due)
    )


def path_of(link: str) -> str:
    """The path of a link below the address of the pages."""
    assert link.startswith(BASE)
    return link.removeprefix(BASE)


def ask(
    served: ASGIApp,
    path: str,
    method: str = "GET",
    *,
    client: str = "203.0.113.7",
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
    content: bytes | None = None,
    base: str = "http://pages",
) -> httpx.Response:
    """One request, answered in this process."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=served, client=(client, 1))  # type: ignore[arg-type]  # ASGI's own types differ
        async with httpx.AsyncClient(transport=transport, base_url=base) as browser:
            return await browser.request(method, path, headers=headers, content=content)

    return asyncio.run(asked())


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self._hidden = tag == "style"
        self.links += [value or "" for name, value in attributes if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def read(answer: httpx.Response) -> _Text:
    """The page as a reader has it."""
    page = _Text()
    page.feed(answer.text)
    return page


def words(answer: httpx.Response) -> str:
    """The page's text, every run of spaces one space."""
    return " ".join(SPACE.sub(" ", " ".join(read(answer).words)).split())


# --- what a page says -------------------------------------------------------------------------------------------------


@pytest.mark.rule("R12", "T2")
def test_the_page_of_a_link_says_what_is_owed_to_whom_and_by_when(
    billing: Billing, site: Starlette, practice: Biller, client: Customer
) -> None:
    invoice = issued(billing, client, title="Consultations in March", amount="93.50")
    page = ask(site, path_of(billing.payments.link(invoice)))
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en-GB">' in page.text
    for said in (
        "Harley & Co", f"Invoice {invoice.number}", "Consultations in March", "Amount due £93.50",
        "Due date 01/04/2026", "Please pay by 01/04/2026.", "Pay Now", "Bill to Oliver Jones", "Balance due £93.50",
    ):  # fmt: skip
        assert said in words(page)
    assert read(page).tags["h1"] == 1


@pytest.mark.rule("R12", "T2")
def test_the_page_speaks_the_payers_language(billing: Billing, site: Starlette, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, guest, title="Emplacement 12")
    page = ask(site, path_of(billing.payments.link(invoice)), headers={"accept-language": "en"})
    assert '<html lang="fr-FR">' in page.text
    for said in (f"Facture {invoice.number}", "Montant à payer 120,00 €", "À payer au plus tard le 01/04/2026."):
        assert said in words(page)
    assert ask(site, path_of(billing.payments.link(invoice)), headers={"accept-language": "de"}).text == page.text


def paid(billing: Billing, invoice: Invoice, store: Store) -> None:
    billing.payments.record(invoice)


def refunded(billing: Billing, invoice: Invoice, store: Store) -> None:
    billing.payments.record(invoice)
    billing.payments.refund(invoice, invoice.total)


def void(billing: Billing, invoice: Invoice, store: Store) -> None:
    billing.invoices.void(invoice)


def off(billing: Billing, invoice: Invoice, store: Store) -> None:
    billing.billers.edit(invoice.biller, payments=False)


def overdue(billing: Billing, invoice: Invoice, store: Store) -> None:
    billing._desk.clock.advance(timedelta(days=60))  # type: ignore[attr-defined]  # a FixedClock


def in_flight(billing: Billing, invoice: Invoice, store: Store) -> None:
    with store.writing() as tx:
        now = tx.get(Invoice, invoice.biller, [invoice.id])[invoice.id]
        facts = attrs.evolve(now.facts, in_flight=now.total)
        tx.replace([attrs.evolve(now, facts=facts)])


def nothing(billing: Billing, invoice: Invoice, store: Store) -> None:
    pass


STATES = [
    (nothing, True, "Please pay by 01/04/2026.", "À payer au plus tard le 01/04/2026."),
    (overdue, True, "This invoice was due on 01/04/2026. Please pay it now.",
     "Cette facture était à payer le 01/04/2026. Merci de la régler dès maintenant."),
    (paid, False, "This invoice is paid. Thank you.", "Cette facture est payée. Merci."),
    (refunded, False, "This invoice was paid, and the money has been returned.",
     "Cette facture a été payée, puis remboursée."),
    (void, False, "This invoice has been cancelled. There is nothing to pay.",
     "Cette facture a été annulée. Il n'y a rien à payer."),
    (off, False, "This invoice cannot be paid online. Please contact {biller}.",
     "Cette facture ne peut pas être payée en ligne. Veuillez vous adresser à {biller}."),
    (in_flight, False, "Your payment is being processed. There is nothing left for you to do.",
     "Votre paiement est en cours de traitement. Vous n'avez plus rien à faire."),
]  # fmt: skip


@pytest.mark.rule("R12", "T2", "R1")
@pytest.mark.parametrize("becomes, payable, english, french", STATES, ids=[each[0].__name__ for each in STATES])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_state_is_said_and_only_what_can_be_paid_has_a_button(
    billing: Billing, site: Starlette, store: Store, practice: Biller, park: Biller, client: Customer, guest: Customer,
    language: str, becomes: Callable[[Billing, Invoice, Store], None], payable: bool, english: str, french: str,
) -> None:  # fmt: skip
    biller, who, said = (practice, client, english) if language == "en" else (park, guest, french)
    invoice = issued(billing, who)
    path = path_of(billing.payments.link(invoice))
    becomes(billing, invoice, store)
    page = ask(site, path)
    assert page.status_code == 200
    assert said.format(biller=biller.name) in words(page)
    assert read(page).tags["button"] == payable
    assert [link for link in read(page).links if link.endswith("/invoice.pdf")]
    pressed = ask(site, path, "POST")
    assert pressed.status_code == 303
    assert pressed.headers["location"].startswith("https://checkout.example/") == payable


@pytest.mark.rule("R12")
def test_what_is_paid_in_part_is_asked_for_without_that_part(
    billing: Billing, site: Starlette, gateway: MemoryGateway, client: Customer
) -> None:
    invoice = issued(billing, client)
    billing.payments.record(invoice, money(20, "GBP"))
    path = path_of(billing.payments.link(invoice))
    assert "Amount due £100.00" in words(ask(site, path))
    ask(site, path, "POST")
    [wanted] = gateway.checkouts.values()
    assert wanted.amount == money(100, "GBP")


@pytest.mark.rule("R12")
@pytest.mark.parametrize("becomes", [nothing, in_flight, overdue])
def test_a_payer_who_comes_back_is_thanked_and_not_asked_again(
    billing: Billing, site: Starlette, store: Store, client: Customer, becomes: Callable[..., None]
) -> None:
    invoice = issued(billing, client)
    path = path_of(billing.payments.link(invoice))
    becomes(billing, invoice, store)
    page = ask(site, f"{path}?back=paid")
    assert "Thank you, your payment is being confirmed." in words(page)
    assert not read(page).tags["button"]
    token = path.rpartition("/")[2]
    assert {f"./{token}?back=paid", f"./{token}"} < set(read(page).links)


def test_a_page_has_no_script_and_takes_nothing_from_elsewhere(
    billing: Billing, site: Starlette, client: Customer
) -> None:
    page = ask(site, path_of(billing.payments.link(issued(billing, client))))
    assert not read(page).tags.keys() & {"script", "img", "iframe", "object", "embed", "base", "input"}
    assert not re.search(r"\son\w+=|style=|javascript:", page.text)
    assert not [link for link in read(page).links if not link.startswith("./") and link != "data:,"]


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "</style><style>*{display:none}",
    "\N{RIGHT-TO-LEFT OVERRIDE}00.1 \N{POP DIRECTIONAL FORMATTING}\N{RIGHT-TO-LEFT ISOLATE}x",
    "👩‍👩‍👧‍👦 Zoë’s & Šárka’s",
    "W" * 500,
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_people_entered_is_text_and_nothing_else(billing: Billing, site: Starlette, text: str) -> None:
    biller = billing.billers.add(name=text[:100], currency="GBP", timezone="UTC", locale="en_GB", preset="clients")
    who = billing.customers.add(biller=biller, name=text[:100])
    drafted = billing.invoices.draft(
        biller=biller, customer=who, title=text, amount=money(5, "GBP"), description=f"{text}\n{text * 20}"[:5000]
    )
    page = ask(site, path_of(billing.payments.link(billing.invoices.publish(drafted))))
    assert page.status_code == 200
    plain = ask(site, path_of(billing.payments.link(issued(billing, billing.customers.add(biller=biller, name="x")))))
    assert read(page).tags["script"] == read(page).tags["img"] == 0
    assert read(page).tags["style"] == read(plain).tags["style"] == 1
    assert not set(page.text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00")
    shown = "".join(c for c in text if c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert " ".join(shown.split()) in words(page)


def test_a_title_with_a_control_character_never_comes_this_far(billing: Billing, client: Customer) -> None:
    for text in ("a\x00b", "a\x1b[31mb", "a\ud800b"):
        with pytest.raises(InvalidValue):
            issued(billing, client, title=text)


# --- the way to the provider ------------------------------------------------------------------------------------------


@pytest.mark.rule("R12")
def test_the_button_leads_to_a_checkout_made_at_that_moment(
    billing: Billing, site: Starlette, gateway: MemoryGateway, client: Customer
) -> None:
    link = billing.payments.link(issued(billing, client))
    ask(site, path_of(link))
    assert gateway.checkouts == {}
    pressed = ask(site, path_of(link), "POST")
    [(ref, wanted)] = gateway.checkouts.items()
    assert (pressed.status_code, pressed.headers["location"]) == (303, f"https://checkout.example/{ref}")
    assert (wanted.success_url, wanted.cancel_url) == (f"{link}?back=paid", link)


def test_a_payment_that_was_made_meanwhile_leads_back_to_the_page(
    billing: Billing, site: Starlette, client: Customer
) -> None:
    invoice = issued(billing, client)
    link = billing.payments.link(invoice)
    billing.payments.record(invoice)
    pressed = ask(site, path_of(link), "POST")
    assert pressed.status_code == 303
    assert str(httpx.URL(link).join(pressed.headers["location"])) == link


@attrs.define
class Broken:
    """A gateway that fails in its own way; its provider expects `status` as the answer to what is not its own."""

    error: Exception | None = None
    url: str = ""
    status: int = 400

    @property
    def info(self) -> GatewayInfo:
        return attrs.evolve(MemoryGateway().info, name="broken", bad_signature_status=self.status)

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        if self.error is not None:
            error = self.error
            error.args = (*error.args, wanted.success_url)
            raise error
        return HostedPage(url=self.url, reference="chk_1")

    def notices(self, body: bytes, headers: Mapping[str, str]) -> list[Notice]:
        if self.error is not None:
            raise self.error
        return []

    def close(self) -> None:
        """Nothing to end."""


def broken_in(way: str) -> Broken:
    """One that fails as a checkout of any provider may."""
    errors = {
        "connection": ConnectionError("sk_live_123 refused"),
        "unknown": OutcomeUnknown("broken", "checkout", "sk_live_123"),
        "key": ConfigurationProblem("broken", "checkout", "sk_live_123"),
        "conflict": StateConflict("broken", "checkout", "sk_live_123"),
    }
    return Broken(errors[way]) if way in errors else Broken(url="javascript:alert(1)")


@pytest.mark.rule("T2")
@pytest.mark.parametrize("way", ["connection", "unknown", "key", "conflict", "address"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_provider_that_fails_is_said_without_saying_why(
    store: Store, clock: FixedClock, billing: Billing, park: Biller, guest: Customer, client: Customer,
    way: str, language: str, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    link = billing.payments.link(issued(billing, client if language == "en" else guest))
    broken = broken_in(way)
    wired = Billing(store, clock=clock, wiring=Wiring(Plugins.of(), gateway=broken, base_url=BASE))
    pressed = ask(app(wired), path_of(link), "POST")
    assert pressed.status_code == 503
    said = {"en": "Nothing was charged.", "fr": "Rien n'a été débité."}
    assert said[language] in words(pressed)
    token = link.rpartition("/")[2]
    for secret in ("sk_live_123", "javascript", "Traceback", "gateway", token):
        assert secret not in pressed.text
    assert caplog.records
    assert token not in caplog.text
    if broken.error is not None:
        assert "sk_live_123" in caplog.text


@pytest.mark.rule("R12", "R1")
def test_where_no_gateway_is_wired_the_page_says_so_and_a_press_is_one_line_in_the_log(
    store: Store, clock: FixedClock, billing: Billing, client: Customer, practice: Biller,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    path = path_of(billing.payments.link(issued(billing, client)))
    site = app(Billing(store, clock=clock, wiring=Wiring(Plugins.of(), base_url=BASE)))
    page = ask(site, path)
    assert f"This invoice cannot be paid online. Please contact {practice.name}." in words(page)
    assert not read(page).tags["button"]
    pressed = ask(site, path, "POST")
    assert (pressed.status_code, pressed.headers["location"]) == (303, f".{path.removeprefix('/pay')}")
    [record] = caplog.records
    assert re.fullmatch(r"a checkout failed: there is no gateway here; give gateway= [^\n]+", record.getMessage())


def test_what_is_not_wired_or_installed_is_one_line_in_the_log(
    store: Store, clock: FixedClock, gateway: MemoryGateway, billing: Billing, client: Customer,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def missing(self: PlainRenderer, sheet: Sheet) -> bytes:
        raise MissingExtra("Documents", "pdf")

    path = path_of(billing.payments.link(issued(billing, client)))
    monkeypatch.setattr(PlainRenderer, "render", missing)
    wiring = Wiring(Plugins.of(), gateway=gateway, renderer=PlainRenderer())
    site = app(Billing(store, clock=clock, wiring=wiring))
    answers = [ask(site, path, "POST"), ask(site, f"{path}/invoice.pdf")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "Nothing was charged." in words(answers[0])
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "a checkout failed", "a PDF failed",
    ]  # fmt: skip
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "site_of, status",
    [("same-origin", 303), ("none", 303), (None, 303), ("cross-site", 403), ("same-site", 403), ("x", 403)],
)
def test_only_our_own_page_presses_the_button(
    billing: Billing, site: Starlette, gateway: MemoryGateway, client: Customer, site_of: str | None, status: int
) -> None:
    path = path_of(billing.payments.link(issued(billing, client)))
    headers = {"sec-fetch-site": site_of} if site_of else {}
    assert ask(site, path, "POST", headers=headers).status_code == status
    assert len(gateway.checkouts) == (status == 303)
    if status == 403:
        assert ask(site, path, headers=headers).status_code == 200  # a link in a mail program's web page


ORIGINS = [
    # where we are asked, Origin, other headers, whether it is ours
    ("http://pages", "http://pages", {}, True),
    ("http://pages:8000", "http://pages:8000", {}, True),
    ("http://pages", "http://PAGES:80", {}, True),
    ("https://pages", "https://pages", {}, True),
    ("https://pages", "https://pages:443", {}, True),
    ("http://pages", "https://pages", {}, True),  # a proxy took https off and did not say so
    ("https://pages", "http://pages", {}, False),
    ("http://pages", "http://pages:8000", {}, False),
    ("http://pages", "https://elsewhere.example", {}, False),
    ("http://pages", "https://pages.elsewhere.example", {}, False),
    ("http://pages", "null", {}, False),
    ("http://pages", "", {}, False),
    ("http://pages", "file://pages", {}, False),
    ("http://pages", "http://pages:x", {}, False),
    ("http://pages", "http://[", {}, False),
    ("http://pages", "https://elsewhere.example", {"sec-fetch-site": "same-origin"}, True),  # the browser knows better
    ("http://pages", "http://pages", {"sec-fetch-site": "cross-site"}, False),
    ("http://10.0.0.9", "https://pages", {"x-forwarded-host": "pages"}, True),
    ("http://10.0.0.9", "https://pages", {"x-forwarded-host": "x, pages", "x-forwarded-proto": "https"}, True),
    ("http://10.0.0.9", "https://x", {"x-forwarded-host": "x, pages"}, False),
    ("http://10.0.0.9", "http://pages", {"x-forwarded-host": "pages", "x-forwarded-proto": "https"}, False),
]


@pytest.mark.parametrize("base, origin, headers, ours", ORIGINS)
def test_a_browser_that_says_only_the_origin_is_judged_by_it(
    billing: Billing, gateway: MemoryGateway, client: Customer, base: str, origin: str, headers: dict[str, str], ours: bool
) -> None:  # fmt: skip
    site = app(billing, trusted_proxies=["203.0.113.7"])
    path = path_of(billing.payments.link(issued(billing, client)))
    pressed = ask(site, path, "POST", headers={"origin": origin, **headers}, base=base)
    assert (pressed.status_code, len(gateway.checkouts)) == ((303, 1) if ours else (403, 0))
    if not ours:
        assert "The payment was not started" in words(pressed)


def test_a_forwarded_host_is_believed_of_a_named_proxy_only(
    billing: Billing, site: Starlette, client: Customer
) -> None:
    path = path_of(billing.payments.link(issued(billing, client)))
    headers = {"origin": "https://pages", "x-forwarded-host": "pages"}
    assert ask(site, path, "POST", headers=headers, base="http://10.0.0.9").status_code == 403


# --- the document -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("T2", "S11")
def test_the_pdf_opens_by_token(billing: Billing, site: Starlette, client: Customer) -> None:
    invoice = issued(billing, client)
    path = path_of(billing.payments.link(invoice))
    [link] = [link for link in read(ask(site, path)).links if link.endswith(".pdf")]
    answer = ask(site, str(httpx.URL(f"http://x{path}").join(link).path))
    assert (answer.status_code, answer.content) == (200, f"%PDF {invoice.number}".encode())
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f'inline; filename="Invoice-{invoice.number}.pdf"'
    assert answer.headers["cache-control"] == "no-store"
    billing.payments.revoke_link(invoice)
    assert ask(site, f"{path}/invoice.pdf").status_code == 404


def test_a_document_that_cannot_be_drawn_is_said_in_the_payers_language(
    billing: Billing,
    site: Starlette,
    guest: Customer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(self: PlainRenderer, sheet: Sheet) -> bytes:
        raise RenderFailed("it", "secret")

    path = path_of(billing.payments.link(issued(billing, guest)))
    monkeypatch.setattr(PlainRenderer, "render", refuse)
    answer = ask(site, f"{path}/invoice.pdf")
    assert (answer.status_code, "secret" in answer.text) == (503, False)
    assert "Veuillez réessayer dans quelques minutes." in words(answer)
    assert "secret" in caplog.text


# --- what a token tells -----------------------------------------------------------------------------------------------

MALFORMED = [
    "",
    "x",
    "a/b",
    "%2e%2e",
    "%00",
    "é",
    "x" * 300,
    "' OR 1=1 --",
    "<script>",
    "%F0%9F",
    "a%0Ab",
    "..%2f..",
    "a?b",
]


@pytest.mark.rule("T2")
@pytest.mark.parametrize("document", ["", "/invoice.pdf"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wrong_revoked_and_malformed_tokens_have_the_same_answer_to_the_byte(
    billing: Billing, client: Customer, document: str, method: str
) -> None:
    invoice = issued(billing, client)
    revoked = path_of(billing.payments.link(invoice))
    billing.payments.revoke_link(invoice)
    wanted = ask(app(billing), revoked + document, method)
    assert wanted.status_code == (404 if method == "GET" or not document else wanted.status_code)
    for token in ("A" * 32, *MALFORMED):
        answer = ask(app(billing), f"/pay/{token}{document}", method)
        assert (answer.status_code, answer.content, answer.headers) == (
            wanted.status_code, wanted.content, wanted.headers,
        ), token  # fmt: skip
    for told in (invoice.number or "", client.name, "Harley", "GBP"):
        assert told not in wanted.text


@pytest.mark.rule("T2")
def test_a_link_shows_its_own_invoice_and_nothing_of_another(
    billing: Billing, site: Starlette, client: Customer, guest: Customer
) -> None:
    mine, theirs = issued(billing, client, title="Mine"), issued(billing, guest, title="Theirs")
    also = issued(billing, client, title="Also mine")
    for path in (path_of(billing.payments.link(mine)), path_of(billing.payments.link(theirs))):
        other, shown = ("Theirs", "Mine") if "Mine" in ask(site, path).text else ("Mine", "Theirs")
        assert shown in words(ask(site, path))
        assert other not in ask(site, path).text.replace("Also mine", "")
        assert "Also mine" not in ask(site, path).text
    assert also.id not in ask(site, path_of(billing.payments.link(mine))).text


@pytest.mark.rule("T2", "T1")
def test_a_desk_of_one_biller_opens_no_link_of_another(
    billing: Billing, practice: Biller, client: Customer, guest: Customer
) -> None:
    mine, theirs = (path_of(billing.payments.link(issued(billing, who))) for who in (client, guest))
    site = app(billing.scoped(practice))
    assert ask(site, mine).status_code == 200
    assert ask(site, theirs).content == ask(site, "/pay/x").content


@pytest.mark.rule("T2", "C6")
@pytest.mark.parametrize("document", ["", "/invoice.pdf"])
def test_no_token_opens_a_draft(
    billing: Billing, store: Store, site: Starlette, client: Customer, document: str
) -> None:
    draft = billing.invoices.draft(biller=client.biller, customer=client, title="Secret", amount=money(5, "GBP"))
    with store.writing() as tx:
        tx.add([PayLink(id="T" * 32, biller=draft.biller, invoice=draft.id, made_at=NOW)])
    answer = ask(site, f"/pay/{'T' * 32}{document}")
    assert (answer.status_code, answer.content) == (404, ask(site, "/pay/x").content)
    if not document:
        assert ask(site, f"/pay/{'T' * 32}", "POST").status_code == 404


class Listening:
    """A store that writes down what it is asked."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.asked: list[str] = []

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        self.asked.append("reading")
        with self._inner.reading() as tx:
            yield _Heard(tx, self.asked)  # type: ignore[misc]  # every method of a Reader, by its name

    def writing(self, **how: Any) -> AbstractContextManager[Writer]:
        self.asked.append("writing")
        return self._inner.writing(**how)

    def close(self) -> None:
        self._inner.close()


class _Heard:
    def __init__(self, tx: Reader, asked: list[str]) -> None:
        self._tx = tx
        self._asked = asked

    def __getattr__(self, name: str) -> object:
        self._asked.append(name)
        return getattr(self._tx, name)


@pytest.mark.rule("T2")
def test_the_store_is_asked_the_same_for_every_token(
    billing: Billing, store: Store, clock: FixedClock, client: Customer
) -> None:
    invoice, other = issued(billing, client), issued(billing, client)
    right, revoked = (path_of(billing.payments.link(each)) for each in (invoice, other))
    billing.payments.revoke_link(other)
    listening = Listening(store)
    site = app(Billing(listening, clock=clock))

    def asked(path: str) -> list[str]:
        listening.asked.clear()
        ask(site, path)
        return list(listening.asked)

    wanted = asked("/pay/" + "A" * 32)
    assert wanted == ["reading", "pay_link", "get", "get"]
    for path in (revoked, "/pay/", "/pay/x/y", "/pay/%00", f"/pay/{'x' * 300}", "/pay/é"):
        assert asked(path) == wanted, path
    assert asked(right)[: len(wanted)] == wanted
    assert "writing" not in asked(right)


@pytest.mark.parametrize(
    "accepted, locale",
    [
        ("", "en_GB"), ("fr", "fr_FR"), ("fr-CA,fr;q=0.9", "fr_CA"), ("de-DE,de;q=0.9,fr;q=0.5,en;q=0.4", "fr_FR"),
        ("fr;q=0,en", "en_GB"), ("en;q=0.1,fr-BE;q=0.7", "fr_FR"), ("*", "en_GB"), ("de", "en_GB"), ("en-US", "en_US"),
        ("fr;q=nan", "en_GB"), (";;;,,,=", "en_GB"), ("fr" * 10_000, "en_GB"), ("x," * 5000 + "fr", "en_GB"),
    ],
)  # fmt: skip
def test_the_unknown_page_speaks_the_language_a_browser_asks_for(site: Starlette, accepted: str, locale: str) -> None:
    assert locale_for(accepted) == locale
    answer = ask(site, "/pay/x", headers={"accept-language": accepted})
    assert f'<html lang="{locale.replace("_", "-")}">' in answer.text
    assert answer.headers["vary"] == "Accept-Language"
    title = "Ce lien n'ouvre aucune facture" if locale.startswith("fr") else "This link does not open an invoice"
    assert title in words(answer)


# --- how often wrong ones may be tried --------------------------------------------------------------------------------


@pytest.mark.rule("T2")
def test_wrong_tokens_are_counted_by_address_and_refused_until_time_has_passed(
    billing: Billing, site: Starlette, ticking: Ticking, client: Customer
) -> None:
    path = path_of(billing.payments.link(issued(billing, client)))
    unknown = ask(site, "/pay/x", client="198.51.100.1").content
    for _ in range(EACH.burst):
        assert ask(site, path).status_code == 200  # right ones cost nothing
        assert ask(site, "/pay/x").status_code == 404
    for refused in (ask(site, "/pay/x"), ask(site, path), ask(site, path, "POST"), ask(site, f"{path}/invoice.pdf")):
        assert (refused.status_code, refused.content) == (429, unknown)
        assert refused.headers["retry-after"] == "6"
    assert ask(site, path, client="198.51.100.1").status_code == 200
    ticking.now += 6
    assert ask(site, path).status_code == 200
    assert ask(site, "/pay/x").status_code == 404
    assert ask(site, "/pay/x").status_code == 429
    ticking.now += 10_000
    assert [ask(site, "/pay/x").status_code for _ in range(EACH.burst + 1)] == [404] * EACH.burst + [429]


@pytest.mark.parametrize(
    "first, second, together",
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("203.0.113.1", "203.0.113.2", False),
        ("203.0.113.1", "::ffff:203.0.113.1", True),
        ("", "not an address", True),
    ],
)
def test_an_address_of_ipv6_is_counted_by_its_network(site: Starlette, first: str, second: str, together: bool) -> None:
    for _ in range(EACH.burst):
        ask(site, "/pay/x", client=first)
    assert (ask(site, "/pay/x", client=second).status_code == 429) == together


PROXIES = [
    # trusted, peer, X-Forwarded-For, whom it is counted for
    ([], "203.0.113.9", "198.51.100.7", "203.0.113.9"),
    (["203.0.113.9"], "203.0.113.9", "198.51.100.7", "198.51.100.7"),
    (["203.0.113.9"], "203.0.113.9", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
    (["203.0.113.9", "10.0.0.0/8"], "203.0.113.9", "1.1.1.1, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
    (["203.0.113.9"], "203.0.113.9", "198.51.100.7:4711", "198.51.100.7"),
    (["203.0.113.9"], "203.0.113.9", "[2001:db8::1]:4711", "2001:db8::/64"),
    (["203.0.113.9"], "203.0.113.9", "198.51.100.7, nonsense", "203.0.113.9"),
    (["203.0.113.9"], "203.0.113.9", "", "203.0.113.9"),
    (["203.0.113.9"], "198.51.100.1", "1.1.1.1", "198.51.100.1"),
    (["2001:db8::/32"], "2001:db8::5", "198.51.100.7", "198.51.100.7"),
]


@pytest.mark.parametrize("trusted, peer, forwarded, counted", PROXIES)
def test_a_proxy_is_believed_only_when_it_is_named(
    billing: Billing, trusted: list[str], peer: str, forwarded: str, counted: str
) -> None:
    site = app(billing, trusted_proxies=trusted, clock=Ticking())
    for n in range(EACH.burst):
        written = f"8.8.8.{n}, {forwarded}" if forwarded else ""  # what a client writes itself changes nothing
        headers = {"x-forwarded-for": written} if written else {}
        assert ask(site, "/pay/x", client=peer, headers=headers).status_code == 404
    address = counted.replace("::/64", "::7")
    direct = {"x-forwarded-for": address} if address != peer else {}
    assert ask(site, "/pay/x", client=peer, headers=direct).status_code == 429
    assert ask(site, "/pay/x", client="192.0.2.200").status_code == 404


def test_several_lines_of_forwarded_for_are_one_list(billing: Billing) -> None:
    site = app(billing, trusted_proxies=["10.0.0.1"], clock=Ticking())
    for n in range(EACH.burst + 1):
        lines = [("x-forwarded-for", f"8.8.8.{n}"), ("x-forwarded-for", "198.51.100.7")]
        status = ask(site, "/pay/x", client="10.0.0.1", headers=lines).status_code
    assert status == 429


@pytest.mark.parametrize("trusted", ["nginx", "10.0.0.0/33", "10.0.0.1/8"])
def test_a_proxy_that_is_no_address_is_refused(billing: Billing, trusted: str) -> None:
    with pytest.raises(InvalidValue, match="is no address and no network"):
        app(billing, trusted_proxies=[trusted])


def test_a_proxy_that_was_not_named_is_mentioned_once(site: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        ask(site, "/pay/x", client="127.0.0.1", headers={"x-forwarded-for": "198.51.100.7"})
    assert len([record for record in caplog.records if "trusted_proxies" in record.message]) == 1


def test_a_flood_from_many_addresses_is_bounded_and_locks_nobody_else_out() -> None:
    ticking = Ticking()
    guesses = Guesses(ticking, each=Rate(5, 10.0), together=Rate(50, 1.0), remembered=1000)
    assert [guesses.wrong(f"a{n}") for n in range(50)] == [0.0] * 50
    assert guesses.wrong("b") == 1.0
    assert guesses.wait("a3") == 1.0  # it got one wrong lately
    assert guesses.wait("c") == 0.0  # it did not
    ticking.now += 1
    assert guesses.wait("a3") == 0.0
    assert guesses.wrong("a3") == 0.0
    assert guesses.wrong("a4") == 1.0
    ticking.now += 1000
    assert guesses.wait("a4") == 0.0


def test_a_flood_through_the_pages_is_answered_429(billing: Billing, store: Store, client: Customer) -> None:
    path = path_of(billing.payments.link(issued(billing, client)))
    site = app(billing, clock=Ticking())

    async def flood() -> list[int]:
        found = []
        for n in range(ALL.burst + 5):
            transport = httpx.ASGITransport(app=site, client=(f"10.0.{n // 256}.{n % 256}", 1))  # type: ignore[arg-type]  # ASGI's own types differ
            async with httpx.AsyncClient(transport=transport, base_url="http://pages") as browser:
                found.append((await browser.get("/pay/x")).status_code)
        return found

    assert Counter(asyncio.run(flood())) == {404: ALL.burst, 429: 5}
    assert ask(site, path, client="192.0.2.1").status_code == 200


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    guesses = Guesses(Ticking(), each=Rate(2, 10.0), together=Rate(10_000, 0.1), remembered=100)
    for n in range(1000):
        guesses.wrong(f"a{n}")
    assert len(guesses) == 100


# --- webhooks ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("D6", "N3", "R12")
def test_a_webhook_pays_once_however_often_it_comes_and_the_page_says_so(
    billing: Billing, site: Starlette, gateway: MemoryGateway, client: Customer
) -> None:
    invoice = issued(billing, client)
    path = path_of(billing.payments.link(invoice))
    body, headers = gateway.pay(ask(site, path, "POST").headers["location"])
    shouted = {name.upper(): value for name, value in headers.items()}
    first, second = (ask(site, "/webhooks/memory", "POST", headers=shouted, content=body) for _ in range(2))
    [payment] = billing.payments.find(invoice=invoice)
    assert first.status_code == second.status_code == 200
    name = json.loads(body)["events"][0]["id"]
    assert first.json()["events"] == [{"event": name, "state": "applied", "invoice": invoice.id, "payment": payment.id}]
    assert second.json()["events"] == [{"event": name, "state": "repeated", "invoice": None, "payment": None}]
    assert "This invoice is paid. Thank you." in words(ask(site, f"{path}?back=paid"))


@pytest.mark.rule("D6")
@pytest.mark.parametrize("becomes", [paid, refunded, void])
def test_money_for_an_invoice_that_takes_none_is_kept_as_credit_and_an_alert_says_so(
    billing: Billing, site: Starlette, store: Store, gateway: MemoryGateway, client: Customer,
    becomes: Callable[[Billing, Invoice, Store], None],
) -> None:  # fmt: skip
    invoice = issued(billing, client)
    body, headers = gateway.pay(ask(site, path_of(billing.payments.link(invoice)), "POST").headers["location"])
    becomes(billing, invoice, store)
    answer = ask(site, "/webhooks/memory", "POST", headers=headers, content=body)
    [event] = answer.json()["events"]
    assert (answer.status_code, event["state"]) == (200, "applied")
    assert billing.payments.get(event["payment"]).credited == invoice.total
    assert billing.credits.balance(client) == invoice.total
    assert [alert.about for alert in billing.alerts.find(invoice=invoice)] == [event["payment"]]


@pytest.mark.parametrize("key", [None, "nobody000000_col_1"])
def test_an_event_that_is_not_of_ours_is_ignored_and_not_asked_for_again(
    billing: Billing, site: Starlette, gateway: MemoryGateway, client: Customer, key: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    url = ask(site, path_of(billing.payments.link(issued(billing, client))), "POST").headers["location"]
    gateway.provider._things[url.rpartition("/")[2]]["key"] = key
    body, headers = gateway.pay(url)
    answer = ask(site, "/webhooks/memory", "POST", headers=headers, content=body)
    assert answer.status_code == 200
    [event] = answer.json()["events"]
    assert (event["state"], event["invoice"], event["payment"]) == ("ignored", None, None)
    assert caplog.records == [], "a provider's account may have other uses"


@pytest.mark.rule("D6", "N3")
def test_an_event_that_cannot_be_applied_now_is_kept_and_the_log_says_so(
    billing: Billing, site: Starlette, gateway: MemoryGateway, client: Customer, clock: FixedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    invoice = issued(billing, client)
    body, headers = gateway.pay(ask(site, path_of(billing.payments.link(invoice)), "POST").headers["location"])
    with unreachable(gateway):
        answer = ask(site, "/webhooks/memory", "POST", headers=headers, content=body)
    [event] = answer.json()["events"]
    assert (answer.status_code, event["state"]) == (200, "waiting")
    [record] = caplog.records
    assert (record.levelname, "is waiting: the provider cannot be reached" in record.getMessage()) == ("WARNING", True)
    clock.advance(timedelta(minutes=2))
    billing.recover()
    assert len(billing.payments.find(invoice=invoice)) == 1
    body, headers = resent(gateway, body)
    answer = ask(site, "/webhooks/memory", "POST", headers=headers, content=body)
    assert [event["state"] for event in answer.json()["events"]] == ["repeated"]


@pytest.mark.rule("N3")
def test_an_event_whose_writing_fails_is_recorded_when_it_is_told_again(
    billing: Billing, site: Starlette, store: Store, gateway: MemoryGateway, client: Customer,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    invoice = issued(billing, client)
    body, headers = gateway.pay(ask(site, path_of(billing.payments.link(invoice)), "POST").headers["location"])
    for error in (Conflict("invoice", invoice.id), StoreError("locked: sqlite:///secret.db")):

        @contextmanager
        def writing(error: Exception = error, **how: Any) -> Iterator[Writer]:
            raise error
            yield

        with monkeypatch.context() as patch:
            patch.setattr(store, "writing", writing)
            answer = ask(site, "/webhooks/memory", "POST", headers=headers, content=body)
        assert (answer.status_code, answer.json()) == (500, {"error": "failed"})
    assert caplog.text.count("Traceback") == 2
    answer = ask(site, "/webhooks/memory", "POST", headers=headers, content=body)
    assert (answer.status_code, answer.json()["events"][0]["state"]) == (200, "applied")
    assert len(billing.payments.find(invoice=invoice)) == 1


@pytest.mark.parametrize(
    "error, status, code",
    [
        (WebhookRejected("broken", "bad"), 400, "webhook_rejected"),
        (WebhookRejected("broken", "malformed"), 498, "webhook_rejected"),
        (StoreError("locked: sqlite:///secret.db"), 500, "failed"),
        (RuntimeError("secret"), 500, "failed"),
        (LookupError("secret"), 500, "failed"),
    ],
)
def test_a_webhook_that_fails_says_so_and_nothing_more(
    store: Store, clock: FixedClock, error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    wiring = Wiring(Plugins.of(), gateway=Broken(error, status=status))
    answer = ask(app(Billing(store, clock=clock, wiring=wiring)), "/webhooks/broken", "POST", content=b"secret body")
    assert (answer.status_code, answer.json()) == (status, {"error": code})
    assert "secret body" not in caplog.text
    assert bool(caplog.records) == (status == 500)


def test_a_webhook_of_another_gateway_finds_nothing(site: Starlette, store: Store) -> None:
    for served in (site, app(Billing(store))):
        for name in ("stripe", "x" * 100, "%2e%2e"):
            answer = ask(served, f"/webhooks/{name}", "POST", content=b"{}")
            assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})


def test_a_body_that_is_too_long_is_not_read(site: Starlette, gateway: MemoryGateway) -> None:
    limit = 1 << 20
    assert ask(site, "/webhooks/memory", "POST", content=b"x" * limit).status_code == 400
    assert ask(site, "/webhooks/memory", "POST", content=b"x" * (limit + 1)).status_code == 413
    for length in ("99999999999999999999999999", str(limit + 1)):
        assert (
            ask(site, "/webhooks/memory", "POST", content=b"x", headers={"content-length": length}).status_code == 413
        )


def test_a_long_body_in_pieces_is_left_where_it_passes_the_limit(site: Starlette) -> None:
    read = 0
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": read < 15}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/webhooks/memory", "headers": [], "query_string": b"",
        "client": None, "scheme": "http", "server": None, "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    asyncio.run(site(scope, receive, send))  # type: ignore[arg-type]  # plain dicts
    assert (sent[0]["status"], read) == (413, 11)


# --- headers, errors, mounts ------------------------------------------------------------------------------------------

ALWAYS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "strict-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


@pytest.mark.rule("T2")
def test_every_answer_has_the_headers_that_keep_it_to_itself(
    billing: Billing, site: Starlette, client: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(billing.payments.link(issued(billing, client)))
    asked = [
        (path, "GET", 200), (path, "HEAD", 200), (path, "POST", 303), (f"{path}/invoice.pdf", "GET", 200),
        ("/pay/x", "GET", 404), ("/elsewhere", "GET", 404), (path, "DELETE", 405), ("/health", "GET", 200),
        ("/webhooks/memory", "POST", 400), ("/webhooks/other", "POST", 404), ("/webhooks/memory", "GET", 405),
    ]  # fmt: skip
    answers = []
    for where, method, status in asked:
        answers.append(ask(site, where, method))
        assert answers[-1].status_code == status, (where, method)
    monkeypatch.setattr(billing.payments, "page", lambda token: 1 / 0)
    answers.append(ask(site, path))
    assert answers[-1].status_code == 503
    for answer in answers:
        assert ALWAYS.items() <= dict(answer.headers).items()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "permissions-policy" in answer.headers
        assert "strict-transport-security" not in answer.headers
        assert "set-cookie" not in answer.headers


def test_the_policy_allows_our_style_and_the_way_to_the_provider(site: Starlette) -> None:
    for base, form in (
        ("https://pages", "form-action 'self' https:"),
        ("http://pages", "form-action 'self' https: http:"),
    ):
        answer = ask(site, "/pay/x", base=base)
        style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].endswith(form)


@pytest.mark.parametrize(
    "base, trusted, forwarded, https",
    [
        ("https://pages", [], None, True), ("http://pages", [], None, False), ("http://pages", [], "https", False),
        ("http://pages", ["203.0.113.7"], "https", True), ("http://pages", ["203.0.113.7"], "http", False),
        ("http://pages", ["203.0.113.7"], "https, http", False),
    ],
)  # fmt: skip
def test_only_https_is_asked_for_again(
    billing: Billing, base: str, trusted: list[str], forwarded: str | None, https: bool
) -> None:
    headers = {"x-forwarded-proto": forwarded} if forwarded else {}
    answer = ask(app(billing, trusted_proxies=trusted), "/health", base=base, headers=headers)
    assert ("strict-transport-security" in answer.headers) == https


@pytest.mark.rule("T2")
def test_a_store_that_fails_is_said_kindly_and_logged_without_the_token(
    billing: Billing, site: Starlette, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = "Q" * 32

    def page(token: str) -> None:
        raise StoreError(f"SELECT … [parameters: ({token!r},)]")

    monkeypatch.setattr(billing.payments, "page", page)
    for path in (f"/pay/{token}", f"/pay/{token}/invoice.pdf"):
        answer = ask(site, path, headers={"accept-language": "fr"})
        assert answer.status_code == 503
        assert "Cela ne fonctionne pas pour le moment" in words(answer)
        assert "SELECT" not in answer.text
    assert "SELECT" in caplog.text
    assert token not in caplog.text


def test_a_link_is_not_mended_by_a_redirect(billing: Billing, site: Starlette, client: Customer) -> None:
    path = path_of(billing.payments.link(issued(billing, client)))
    for wrong in (f"{path}/", "/pay", "/health/", f"/{path}"):
        assert ask(site, wrong).status_code == 404


def test_health_is_ok_while_the_store_is_not_asked(store: Store) -> None:
    listening = Listening(store)
    answer = ask(app(Billing(listening)), "/health")
    assert (answer.status_code, answer.text, listening.asked) == (200, "ok", [])


def by_starlette(site: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Route("/", lambda request: PlainTextResponse("host")), Mount("/a/billing", site)])


def by_hand(site: ASGIApp) -> ASGIApp:
    """As an app beside Django does it: the path whole, the prefix as root_path."""

    async def dispatch(scope: dict[str, object], receive: object, send: object) -> None:
        assert str(scope["path"]).startswith("/a/billing/")
        await site({**scope, "root_path": "/a/billing"}, receive, send)  # type: ignore[arg-type]  # plain dicts

    return dispatch  # type: ignore[return-value]  # plain dicts


@pytest.mark.parametrize("mounted", [by_starlette, by_hand])
def test_below_a_prefix_every_link_stays_below_it(
    billing: Billing, site: Starlette, client: Customer, mounted: Callable[[ASGIApp], ASGIApp]
) -> None:
    host = mounted(site)
    invoice = issued(billing, client)
    here = httpx.URL("http://pages/a/billing" + path_of(billing.payments.link(invoice)))
    page = ask(host, here.path)
    assert page.status_code == 200
    for link in set(read(page).links) - {"data:,"}:
        followed = here.join(link)
        assert followed.path.startswith("/a/billing/pay/")
        assert ask(host, followed.path).status_code == 200
    assert ask(host, here.path, "POST").headers["location"].startswith("https://checkout.example/")
    billing.payments.record(invoice)
    assert here.join(ask(host, here.path, "POST").headers["location"]) == here


def test_a_hosts_templates_and_style_go_before_ours(billing: Billing, client: Customer, tmp_path: Path) -> None:
    (tmp_path / "pay.html.jinja").write_text(
        '{% extends "invoicecore/pay.html.jinja" %}{% block header %}<p>{{ sheet.issuer.name }} Group</p>{% endblock %}'
    )
    (tmp_path / "page.css").write_text("body { color: teal }")
    path = path_of(billing.payments.link(issued(billing, client)))
    page = ask(app(billing, templates=tmp_path), path)
    assert "Harley & Co Group" in words(page)
    assert "Pay Now" in words(page)
    assert "color: teal" in page.text
    plain = ask(app(billing), path)
    assert plain.headers["content-security-policy"] != page.headers["content-security-policy"]


def test_templates_that_cannot_be_are_refused_at_the_start(billing: Billing, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="is not a folder"):
        app(billing, templates=tmp_path / "none")
    (tmp_path / "page.css").write_text("</style><script>")
    with pytest.raises(InvalidValue, match="style sheet"):
        app(billing, templates=tmp_path)


def test_without_its_libraries_the_extra_is_named() -> None:
    script = (
        "import importlib.util as u; real = u.find_spec; "
        "u.find_spec = lambda name: None if name == 'starlette' else real(name); import invoicecore_adapters.web"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "MissingExtra: A site of pay pages needs an extra: pip install 'invoicecore[web]'" in child.stderr


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("T2")
@pytest.mark.parametrize(
    "message, data, logged",
    [
        ('%s - "%s %s HTTP/%s" %d', ("1.1.1.1:1", "GET", "/b/pay/SECRET?back=paid", "1.1", 200),
         '1.1.1.1:1 - "GET /b/pay/…?back=paid HTTP/1.1" 200'),
        ('%s - "%s %s HTTP/%s" %d', ("1.1.1.1:1", "GET", "/pay/SECRET/invoice.pdf", "1.1", 200),
         '1.1.1.1:1 - "GET /pay/… HTTP/1.1" 200'),
        ("GET http://x/pay/SECRET 200", (), "GET http://x/pay/… 200"),
        ("%(url)s", ({"url": "/pay/SECRET"},), "/pay/…"),
        ("nothing %d%%", (7,), "nothing 7%"),
    ],
)  # fmt: skip
def test_an_access_log_says_nothing_of_a_token(message: str, data: tuple[object, ...], logged: str) -> None:
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 1, message, data, None)
    assert HideTokens().filter(record)
    assert record.getMessage() == logged


# --- in a process of its own ------------------------------------------------------------------------------------------


@attrs.frozen
class World:
    server: Server
    link: str
    french: str
    revoked: str
    store: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server on a file with an invoice in English, one in French, and one whose link was revoked."""
    folder = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{folder / 'x.db'}"
    with Billing.open(url, clock=FixedClock(NOW), plugins=Plugins.of(sql.plugin), base_url=BASE) as billing:
        links = []
        for currency, locale in (("GBP", "en_GB"), ("EUR", "fr_FR"), ("GBP", "en_GB")):
            biller = billing.billers.add(
                name="Les Pins", currency=currency, timezone="UTC", locale=locale, preset="stays"
            )
            who = billing.customers.add(biller=biller, name="Alice Martin", email="alice@example.com")
            invoice = issued(billing, who)
            links.append(path_of(billing.payments.link(invoice)))
        billing.payments.revoke_link(invoice)
    with serving(url, folder / "log") as server:
        yield World(server, *links, url)


@pytest.fixture
def browser(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.server.url, trust_env=False, timeout=60) as each:
        yield each


@pytest.mark.rule("R12", "T2")
def test_a_served_page_is_paid_and_then_says_so(world: World, browser: httpx.Client) -> None:
    assert browser.get("/health").text == "ok"
    assert "Pay Now" in words(browser.get(world.link))
    pressed = browser.post(world.link)
    assert (pressed.status_code, pressed.headers["location"][:25]) == (303, "https://checkout.example/")
    webhook = world.server.paid(pressed.headers["location"])
    back = httpx.URL(webhook.success_url)
    assert str(back) == f"{world.server.url}{world.link}?back=paid"
    assert "Thank you, your payment is being confirmed." in words(browser.get(back))
    told = browser.post("/webhooks/memory", content=webhook.body, headers=webhook.headers)
    assert (told.status_code, told.json()["events"][0]["state"]) == (200, "applied")
    assert "This invoice is paid. Thank you." in words(browser.get(back))
    again = browser.post(world.link)
    assert (again.status_code, str(again.url.join(again.headers["location"]))) == (303, world.server.url + world.link)


@pytest.mark.rule("R12", "S11")
def test_a_served_page_in_french_has_its_pdf(world: World, browser: httpx.Client) -> None:
    page = browser.get(world.french)
    assert "Payer maintenant" in words(page)
    document = browser.get(f"{world.french}/invoice.pdf")
    assert document.content.startswith(b"%PDF-")
    assert document.headers["content-type"] == "application/pdf"


@pytest.mark.rule("T2")
def test_served_answers_of_wrong_tokens_are_the_same_and_their_headers_too(world: World, browser: httpx.Client) -> None:
    answers = [browser.get(path) for path in (world.revoked, "/pay/" + "A" * 32, "/pay/x%00y", "/pay/a/b")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple((k, v) for k, v in answer.headers.items() if k != "date") for answer in answers}) == 1
    assert ALWAYS.items() <= dict(answers[0].headers).items()
    assert "server" not in answers[0].headers
    head = browser.head(world.french)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.rule("T2")
def test_no_token_is_in_the_servers_log(world: World, browser: httpx.Client) -> None:
    for path in (world.link, world.french, f"{world.french}/invoice.pdf", f"{world.french}?back=paid", "/pay/x%20y/z"):
        browser.get(path)
    browser.post(world.french)
    browser.post("/webhooks/memory", content=b"x")
    logged = world.server.log.read_text("utf-8")
    assert '"GET /pay/…' in logged
    assert '"POST /webhooks/memory HTTP/1.1" 400' in logged
    for path in (world.link, world.french, world.revoked):
        assert path.rpartition("/")[2] not in logged
    assert "x%20y" not in logged


@contextmanager
def connected(server: Server, sent: bytes = b"") -> Iterator[socket.socket]:
    """A connection to a server, on which something was sent already."""
    with socket.create_connection((httpx.URL(server.url).host, httpx.URL(server.url).port or 0), 60) as each:
        each.sendall(sent)
        yield each


def rest(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            found += part
    return found


def answered(connection: socket.socket) -> bytes:
    """One answer, of which the length is known."""
    found, wanted = bytearray(), 0
    while not wanted or len(found) < wanted:
        part = connection.recv(1 << 20)
        assert part, found[:500]
        found += part
        if not wanted and (ends := found.find(b"\r\n\r\n")) > 0:
            length = re.search(rb"content-length: (\d+)", found[:ends])
            assert length is not None
            wanted = ends + 4 + int(length[1])
    return bytes(found)


def asked(path: str) -> bytes:
    """A request."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


HEALTH = asked("/health")
SLOW = b"POST /webhooks/memory HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1"
FOR_EVER = {"head": 600.0, "idle": 600, "stop": 600}


def test_a_body_that_does_not_come_is_answered_408_and_closed(tmp_path: Path) -> None:
    with serving("memory://", tmp_path / "log", body_seconds=0.2, limits=FOR_EVER) as server, ExitStack() as many:
        for connection in [many.enter_context(connected(server, SLOW)) for _ in range(50)]:
            answer = rest(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nconnection: close\r\n" in answer
            assert answer.endswith(b'{"error":"too_slow"}')
        with connected(server, HEALTH) as connection:
            assert answered(connection).endswith(b"ok")


def test_a_body_in_pieces_has_one_deadline_for_all(billing: Billing) -> None:
    site = app(billing, body_seconds=0.05)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.001)  # a client that is never quite silent
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    for version in ("1.1", "2"):
        scope = {
            "type": "http", "method": "POST", "path": "/webhooks/memory", "headers": [], "query_string": b"",
            "client": None, "scheme": "http", "server": None, "http_version": version, "root_path": "",
        }  # fmt: skip
        asyncio.run(site(scope, receive, send))  # type: ignore[arg-type]  # plain dicts
        [start, _] = sent
        assert start["status"] == 408
        assert ((b"connection", b"close") in start["headers"]) == (version == "1.1")  # type: ignore[operator]  # a list
        sent.clear()


@pytest.mark.parametrize(
    "begun",
    [b"", b"G", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ids=["silent", "a letter", "half a head"],
)
def test_a_head_that_does_not_come_is_not_waited_for(tmp_path: Path, begun: bytes) -> None:
    with (
        serving("memory://", tmp_path / "log", limits={**FOR_EVER, "head": 0.2}) as server,
        connected(server, begun) as connection,
    ):
        assert rest(connection) == b""


def test_a_body_that_nobody_wants_is_not_waited_for(tmp_path: Path) -> None:
    asked = b"POST /pay/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1"
    with (
        serving("memory://", tmp_path / "log", limits={**FOR_EVER, "head": 0.2}) as server,
        connected(server, asked) as connection,
    ):
        assert answered(connection).startswith(b"HTTP/1.1 404 ")
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"1")  # for uvicorn alone, this is a client that is busy
        assert rest(connection) == b""


SLOW_APP = """
import asyncio, sys
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from invoicecore_adapters.web import Limits, serve

begun, go = asyncio.Event(), asyncio.Event()

async def work(request):
    begun.set()
    await go.wait()
    return PlainTextResponse("done")

async def wait(request):
    await begun.wait()
    return PlainTextResponse("begun")

async def let(request):
    go.set()
    return PlainTextResponse("let")

async def big(request):
    return PlainTextResponse("x" * 20_000_000)

routes = [Route("/work", work), Route("/begun", wait), Route("/let", let), Route("/big", big)]
limits = Limits(head=0.2, answer=float(sys.argv[1]), idle=600, stop=600, connections=3)
serve(Starlette(routes=routes), port=0, ready=lambda url: print(url, flush=True), limits=limits)
"""


@pytest.fixture
def slow_app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that waits 0.2 s for its clients, of an app that takes its time, or has much to say."""
    command = [sys.executable, "-c", SLOW_APP, str(request.param)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as child,
    ):
        assert child.stdout is not None
        try:
            yield Server(child.stdout.readline().strip(), tmp_path / "log", child)
        finally:
            child.terminate()


def once(server: Server, path: str) -> bytes:
    """The answer to a request on a connection of its own."""
    with connected(server, asked(path)) as connection:
        return answered(connection)


@pytest.mark.parametrize("slow_app", [0.2], indirect=True)
def test_an_answer_that_takes_its_time_is_waited_for(slow_app: Server) -> None:
    with connected(slow_app, asked("/work")) as working:
        assert once(slow_app, "/begun").endswith(b"begun")
        for _ in range(2):  # twice the time that is given to whoever says nothing
            with connected(slow_app) as silent:
                assert rest(silent) == b""
        assert once(slow_app, "/let").endswith(b"let")
        assert answered(working).endswith(b"done")


@pytest.mark.parametrize("slow_app", [600], indirect=True)
def test_an_answer_that_is_taken_later_comes_whole(slow_app: Server) -> None:
    with connected(slow_app, asked("/big")) as slow:
        assert slow.recv(1) == b"H"
        for _ in range(2):  # twice the time that is given to whoever says nothing
            with connected(slow_app) as silent:
                assert rest(silent) == b""
        assert len(answered(slow).partition(b"\r\n\r\n")[2]) == 20_000_000


@pytest.mark.parametrize("slow_app", [0.2], indirect=True)
def test_an_answer_that_nobody_takes_is_not_kept(slow_app: Server) -> None:
    with ExitStack() as many:
        slow = [many.enter_context(connected(slow_app, asked("/big"))) for _ in range(3)]
        for connection in slow:
            assert connection.recv(1) == b"H"
        assert once(slow_app, "/let").startswith(b"HTTP/1.1 503 ")
        while once(slow_app, "/let").startswith(b"HTTP/1.1 503 "):
            pass  # until it has let one go
        assert min(len(rest(connection)) for connection in slow) < 20_000_000


def test_a_server_that_is_told_to_end_ends_though_clients_are_slow(tmp_path: Path) -> None:
    with (
        serving("memory://", tmp_path / "log", body_seconds=600, limits={**FOR_EVER, "stop": 1}) as server,
        ExitStack() as many,
    ):
        slow = [many.enter_context(connected(server, SLOW)) for _ in range(50)]
        many.enter_context(connected(server, SLOW[:20]))
        idle = many.enter_context(connected(server, HEALTH))
        answered(idle)  # the others were accepted before it
        assert server.end() == -signal.SIGTERM
        assert rest(idle) == b""
        assert all(b" 200 " not in rest(connection) for connection in slow)


def test_more_connections_than_there_may_be_are_answered_503_and_many_more_not_at_all(tmp_path: Path) -> None:
    limits = {**FOR_EVER, "connections": 3}
    with serving("memory://", tmp_path / "log", limits=limits) as server, ExitStack() as many:

        def another() -> bytes:
            connection = many.enter_context(connected(server, HEALTH))
            return answered(connection)

        assert [another()[:13] for _ in range(3)] == [b"HTTP/1.1 200 "] * 3
        refused = another()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert refused.endswith(b"Service Unavailable")
        for _ in range(3):  # these say nothing, and stay
            many.enter_context(connected(server))
        with connected(server) as beyond:
            with suppress(BrokenPipeError, ConnectionResetError):
                beyond.sendall(HEALTH)
            assert rest(beyond) == b""
        many.close()
        answer = another()
        while answer.startswith(b"HTTP/1.1 503 "):  # until it has seen them go
            answer = another()
        assert answer.endswith(b"ok")


def test_an_address_that_is_taken_or_is_none_is_refused() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InvalidValue, match="cannot be listened on"),
    ):
        serve(PlainTextResponse("x"), port=taken.getsockname()[1])
    for host, port in (("127.0.0.1", 70_000), ("127.0.0.1", -1), ("no such host.invalid", 0)):
        with pytest.raises(InvalidValue, match="choose another"):
            serve(PlainTextResponse("x"), host, port)
