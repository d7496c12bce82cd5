"""The pay page in a real browser: without JavaScript, by keyboard, on a telephone and a desk, by day and by night.

`INVOICECORE_SCREENSHOTS` names a folder for the pictures that are taken on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from playwright.sync_api import Browser, Page
from provider import Provider, providing

from invoicecore import Billing, Item, Money, Plugins, TaxRate
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.testing import FixedClock
from invoicecore_adapters import sql
from web_server import NOW, Server, serving

if TYPE_CHECKING:  # where it is missing, the fixture says so
    from playwright.sync_api import Browser, Page

PHONE, DESK = (320, 640), (1280, 900)
LANGUAGES = ("en", "fr")
PAGES = "https://pay.example.com"


@attrs.frozen(kw_only=True)
class World:
    """A server, its provider, and the paths of links by language and state."""

    server: Server
    provider: Provider
    links: dict[str, str]

    def url(self, name: str) -> str:
        """The address of a link's page."""
        return self.server.url + self.links[name]


def stage(billing: Billing, language: str) -> Iterator[tuple[str, str]]:
    """A biller with an invoice in each state, as (name, path)."""
    english = language == "en"
    currency = "GBP" if english else "EUR"
    biller = billing.billers.add(
        name="Hill Street Practice" if english else "Camping « Les Pins »",
        currency=currency,
        timezone="Europe/London" if english else "Europe/Paris",
        locale="en_GB" if english else "fr_FR",
        preset="clients" if english else "stays",
        email="office@example.com",
        address="12 Hill Street\nBath BA1 5AA" if english else "14 chemin de la Plage\n40600 Biscarrosse",
    )
    who = billing.customers.add(
        biller=biller, name="Oliver Jones" if english else "Élodie Tremblay-Côté", email="payer@example.com"
    )
    tax = TaxRate(name="VAT" if english else "TVA", percent=Decimal(20))
    says = (
        ("Consultation, first hour", "Report, per page")
        if english
        else ("Emplacement 12, tente", "Taxe de séjour, par nuit")
    )

    def issue(title: str) -> Invoice:
        lines = [
            Item(description=says[0], unit_price=Money("80.00", currency), taxes=(tax,)),
            Item(description=says[1], unit_price=Money("4.50", currency), quantity=Decimal(3)),
        ]
        drafted = billing.invoices.draft(biller=biller, customer=who, title=title, lines=lines, due=date(2026, 4, 1))
        return billing.invoices.publish(drafted)

    title = "Consultations in March 2026" if english else "Séjour du 1er au 4 mars 2026"
    become: dict[str, Callable[[Invoice], object]] = {
        "open": lambda invoice: None,
        "keyboard": lambda invoice: None,
        "slow": lambda invoice: None,
        "part": lambda invoice: billing.payments.record(invoice, Money("20.00", currency)),
        "paid": lambda invoice: billing.payments.record(invoice),
        "refunded": lambda invoice: (
            billing.payments.record(invoice),
            billing.payments.refund(invoice, invoice.total),
        ),
        "void": lambda invoice: billing.invoices.void(invoice),
        "long": lambda invoice: None,
    }
    for name, act in become.items():
        invoice = issue(title if name != "long" else "Unbreakable" * 40 + " \N{PILE OF POO} <b>bold</b>")
        link = billing.payments.link(invoice)
        act(invoice)
        yield f"{name}-{language}", link.removeprefix(PAGES)
    yield f"group-{language}", billing.payments.link(shared(billing, biller, who)).removeprefix(PAGES)
    yield f"unknown-{language}", "/pay/not-a-link"


def shared(billing: Billing, biller: Biller, who: Customer) -> Invoice:
    """One invoice for two sites, each with its subtotal (S1)."""
    group = billing.groups.add(biller=biller, name="Cyclists", organiser=who)
    for site in ("12", "14"):
        stay = {"arrives": date(2026, 5, 1), "departs": date(2026, 5, 3)}
        nights = [Item(description="Pitch", unit_price=Money("20", biller.currency), quantity=Decimal(2))]
        billing.bookings.add(biller=biller, customer=who, unit=site, group=group, items=nights, **stay)
    [drafted, *_] = billing.invoices.draft_group(group)
    return billing.invoices.publish(drafted)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A real server on a file, and a provider beside it."""
    folder = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{folder / 'x.db'}"
    with Billing.open(url, clock=FixedClock(NOW), plugins=Plugins.of(sql.plugin), base_url=PAGES) as billing:
        links = dict(pair for language in LANGUAGES for pair in stage(billing, language))
    with providing() as provider, serving(url, folder / "log", pages=provider.url) as server:
        provider.server = server
        yield World(server=server, provider=provider, links=links)


@contextmanager
def opened(
    chromium: Browser, *, language: str = "en", size: tuple[int, int] = DESK, dark: bool = False
) -> Iterator[Page]:
    """A tab without JavaScript, in which nothing may be blocked or fail."""
    context = chromium.new_context(
        java_script_enabled=False,
        locale={"en": "en-GB", "fr": "fr-FR"}[language],
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    try:
        yield page
    finally:
        context.close()
    assert [each for each in complaints if "404" not in each] == []


WORDS = {
    "en": {
        "pay": "Pay Now", "paid": "This invoice is paid. Thank you.", "thanks": "Thank you, your payment is being",
        "void": "This invoice has been cancelled.", "unknown": "This link does not open an invoice",
        "refunded": "the money has been returned", "pdf": "Open the invoice as a PDF", "heading": "Invoice",
    },
    "fr": {
        "pay": "Payer maintenant", "paid": "Cette facture est payée. Merci.", "thanks": "Merci, votre paiement est",
        "void": "Cette facture a été annulée.", "unknown": "Ce lien n'ouvre aucune facture",
        "refunded": "puis remboursée", "pdf": "Ouvrir la facture en PDF", "heading": "Facture",
    },
}  # fmt: skip


@pytest.mark.rule("R12", "T2")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_payer_pays_by_keyboard_without_javascript(
    chromium: Browser, world: World, pictures: Path, language: str
) -> None:
    said = WORDS[language]
    world.provider.prompt = True
    with opened(chromium, language=language) as page:
        page.goto(world.url(f"keyboard-{language}"))
        page.keyboard.press("Tab")  # the button is the first thing that the keyboard reaches
        page.screenshot(path=pictures / f"focus-{language}.png", full_page=True)
        assert page.locator("button:focus").inner_text() == said["pay"]
        page.keyboard.press("Enter")
        page.wait_for_url(f"{world.provider.url}/**")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/pay/*?back=paid")
        assert page.get_by_text(said["paid"]).is_visible()
        assert page.get_by_role("button").count() == 0
        page.go_back()  # to the provider, and from there to the page that had the button
        page.goto(world.url(f"keyboard-{language}"))
        assert page.get_by_text(said["paid"]).is_visible()


@pytest.mark.rule("R12")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_payer_who_is_back_before_the_webhook_is_thanked(
    chromium: Browser, world: World, pictures: Path, language: str
) -> None:
    world.provider.prompt = False
    with opened(chromium, language=language, size=PHONE) as page:
        page.goto(world.url(f"slow-{language}"))
        page.get_by_role("button", name=WORDS[language]["pay"]).click()
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url("**/pay/*?back=paid")
        page.screenshot(path=pictures / f"thanks-{language}.png", full_page=True)
        assert page.get_by_text(WORDS[language]["thanks"]).is_visible()
        assert page.get_by_role("button").count() == 0
        page.get_by_role("link").first.click()
        assert page.url.endswith("?back=paid")
        page.get_by_role("link").nth(1).click()
        assert page.get_by_role("button", name=WORDS[language]["pay"]).is_visible()


def test_the_button_works_by_plain_http_and_not_from_a_strangers_page(chromium: Browser, world: World) -> None:
    # Under a name and without https, a browser says no Sec-Fetch-Site: there is the Origin to go by.
    here = world.url("open-en").replace("127.0.0.1", "pages.test")
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(here)
        with page.expect_request(lambda request: request.method == "POST") as pressed:
            page.get_by_role("button", name=WORDS["en"]["pay"]).click()
        headers = pressed.value.all_headers()
        assert "sec-fetch-site" not in headers
        assert here.startswith(headers["origin"])
        assert here not in headers.get("referer", "")
        page.wait_for_url(f"{world.provider.url}/**")
        form = f"<form method=post action={here}><button>Go</button></form>"
        page.route("http://stranger.test/**", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto("http://stranger.test/")
        with page.expect_navigation() as answer:
            page.get_by_role("button").click()
        assert answer.value.status == 403


@pytest.mark.rule("R12", "T2")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", ["open", "part", "paid", "refunded", "void", "unknown", "long", "group"])
def test_each_page_can_be_read_on_every_screen(
    chromium: Browser, world: World, pictures: Path, state: str, language: str, size: tuple[int, int], dark: bool
) -> None:
    said = WORDS[language]
    with opened(chromium, language=language, size=size, dark=dark) as page:
        page.goto(world.url(f"{state}-{language}"))
        name = f"{state}-{language}-{size[0]}-{'dark' if dark else 'light'}.png"
        page.screenshot(path=pictures / name, full_page=True)
        if state in said:
            assert page.get_by_text(said[state]).first.is_visible()
        assert page.get_by_role("button", name=said["pay"]).count() == (state in ("open", "part", "long", "group"))
        if state != "unknown":
            assert page.get_by_role("link", name=said["pdf"]).is_visible()
            assert page.get_by_role("heading", level=1).inner_text().startswith(said["heading"])
            assert page.get_by_role("table").count() == 1
            assert page.get_by_role("banner").is_visible()
            assert page.get_by_role("contentinfo").is_visible()
        assert page.get_by_role("main").count() == 1
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.locator("html").get_attribute("lang") == {"en": "en-GB", "fr": "fr-FR"}[language]


LOOK = """() => {
  const seen = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const box = element.getBoundingClientRect();
    if (!own || !box.width || getComputedStyle(element).clipPath !== 'none') continue;
    let ground = element;
    while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
    seen.push([
      element.textContent.trim().slice(0, 40),
      getComputedStyle(element).color,
      getComputedStyle(ground || document.documentElement).backgroundColor,
      box.left, box.right,
    ]);
  }
  return seen;
}"""


def contrast(first: str, second: str) -> float:
    """How much two colours differ, as WCAG 2 measures it."""

    def light(colour: str) -> float:
        parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(first), light(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("state", ["open", "part", "paid", "refunded", "void", "unknown", "long", "slow", "group"])
def test_text_stands_out_and_stays_on_the_screen(
    chromium: Browser, world: World, state: str, size: tuple[int, int], dark: bool
) -> None:
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    for language in LANGUAGES:
        page.goto(world.url(f"{state}-{language}") + ("?back=paid" if state == "slow" else ""))
        seen = page.evaluate(LOOK)
        assert len(seen) >= 2
        for text, colour, ground, left, right in seen:
            assert contrast(colour, ground) >= 4.5, (text, colour, ground)
            assert -1 <= left <= right <= size[0] + 1, text
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    context.close()


def test_text_at_twice_its_size_stays_on_the_screen(chromium: Browser, world: World, pictures: Path) -> None:
    context = chromium.new_context(viewport={"width": 640, "height": 900})
    page = context.new_page()
    page.goto(world.url("part-fr"))
    page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    page.screenshot(path=pictures / "twice-fr.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    assert page.get_by_role("rowheader").first.bounding_box()["width"] > 200
    context.close()


def test_on_paper_there_is_no_button(chromium: Browser, world: World, pictures: Path) -> None:
    with opened(chromium) as page:
        page.goto(world.url("open-en"))
        page.emulate_media(media="print")
        page.screenshot(path=pictures / "print-en.png", full_page=True)
        assert not page.get_by_role("button").is_visible()
        assert page.get_by_role("table").is_visible()


def test_the_pdf_opens_from_the_page(chromium: Browser, world: World) -> None:
    with opened(chromium) as page:
        page.goto(world.url("open-fr"))
        link = page.get_by_role("link", name=WORDS["fr"]["pdf"]).get_attribute("href")
        answer = page.request.get(world.url("open-fr").rpartition("/")[0] + f"/{link}")
        assert answer.body().startswith(b"%PDF-")
