"""What is on paper is what is stored: random invoices drawn as PDF, and text that means harm, on every surface."""

from __future__ import annotations

import email
import io
import re
import unicodedata
from datetime import date, timedelta
from decimal import Decimal
from email import policy
from pathlib import Path

import pikepdf
import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoicecore import Billing, Invoice, Item, Money, Plugins
from invoicecore.errors import InvalidValue
from invoicecore.taxes import TaxRate
from invoicecore.testing import FixedClock
from invoicecore.wording import format_date, format_money
from invoicecore_adapters import mail, memory, pdf, sql
from invoicecore_adapters.cli import main
from invoicecore_adapters.mail.memory import MemoryMailer
from invoicecore_adapters.mail.mime import message_bytes
from invoicecore_adapters.pdf import TypstRenderer

DAY = date(2026, 3, 2)
PAGES = "https://pay.example.com"
RENDERER = TypstRenderer()

words = st.text(
    st.characters(codec="utf-8", categories=("Lu", "Ll", "Nd", "Pd", "Po", "Sc"), max_codepoint=0x17F),
    min_size=1,
    max_size=30,
).filter(lambda text: text.strip() != "")
amounts = st.integers(1, 9_999_999)
vat = st.sampled_from(
    [
        (),
        (TaxRate(name="TVA", percent=Decimal(20)),),
        (TaxRate(name="GST", percent=Decimal(5)), TaxRate(name="QST", percent=Decimal("9.975"))),
    ]
)
lines = st.lists(
    st.builds(lambda what, cents, count, taxes: (what, cents, count, taxes), words, amounts, st.integers(1, 9), vat),
    min_size=1,
    max_size=8,
)


def squeezed(text: str) -> str:
    """Text without white space and hyphens, as it can be compared whatever the line breaks; composed."""
    return re.sub(r"[\s\u00a0\u202f\u200b\u00ad]+", "", unicodedata.normalize("NFKC", text))


def text_of(document: bytes) -> str:
    return squeezed("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages))


@pytest.fixture
def desk(clock: FixedClock) -> Billing:
    plugins = Plugins.of(memory.plugin, mail.plugin, pdf.plugin)
    return Billing.open("memory://", clock=clock, plugins=plugins, renderer=RENDERER, base_url=PAGES)


@pytest.mark.rule("S11", "M11")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    locale=st.sampled_from(["fr_FR", "fr_CA", "en_GB", "en_US", "en_CA"]),
    title=words, name=words, items=lines, paid=st.integers(0, 100), inclusive=st.booleans(),
)  # fmt: skip
def test_the_text_of_a_pdf_has_every_fact_of_its_invoice(
    desk: Billing, locale: str, title: str, name: str, items: list, paid: int, inclusive: bool
) -> None:
    park = desk.billers.add(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale=locale, preset="stays")
    guest = desk.customers.add(biller=park, name=name)
    given_lines = [
        Item(description=what, unit_price=Money(Decimal(cents) / 100, "EUR"), quantity=Decimal(count), taxes=taxes)
        for what, cents, count, taxes in items
    ]
    draft = desk.invoices.draft(
        biller=park, customer=guest, title=title, lines=given_lines, prices_include_tax=inclusive, on=DAY
    )
    invoice = desk.invoices.publish(draft, on=DAY)
    part = Money(Decimal(int(invoice.total.amount * paid)) / 100, "EUR")
    if part.amount > 0:
        desk.payments.record(invoice, part, on=DAY)
        invoice = desk.invoices.get(invoice)
    told = text_of(desk.invoices.pdf(invoice))
    expected = [invoice.number, title, name, format_date(DAY, locale), format_date(invoice.due_on, locale), "Les Pins"]
    expected += [format_money(money, locale) for money in (invoice.total, invoice.balance)]
    expected += [format_money(tax.tax, locale) for tax in invoice.taxes]
    expected += [format_money(-part, locale)] if part.amount > 0 else []
    for line in invoice.lines:
        expected += [line.description, format_money(line.amount, locale)]
    if invoice.balance.amount > 0:
        expected.append(desk.payments.link(invoice))
    for fact in expected:
        assert squeezed(fact) in told, f"{fact!r} is not on the page"


@pytest.mark.rule("S11")
def test_the_same_facts_give_the_same_bytes_on_any_day_and_other_facts_other_bytes(
    desk: Billing, clock: FixedClock
) -> None:
    park = desk.billers.add(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays")
    guest = desk.customers.add(biller=park, name="Claire")
    draft = desk.invoices.draft(biller=park, customer=guest, title="Séjour", amount=Money("80.00", "EUR"), on=DAY)
    invoice = desk.invoices.publish(draft, on=DAY)
    before = desk.invoices.pdf(invoice)
    clock.advance(timedelta(days=400))
    assert desk.invoices.pdf(invoice) == before
    desk.payments.record(invoice, Money("30.00", "EUR"), received_on=DAY)
    assert desk.invoices.pdf(invoice) != before


@pytest.mark.rule("S11", "S6")
def test_every_kind_of_invoice_is_a_document_of_its_language_and_standards(desk: Billing) -> None:
    park = desk.billers.add(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_CA", preset="stays")
    guest = desk.customers.add(biller=park, name="Claire", email="claire@example.com")
    charge = desk.charges.add(customer=guest, description="Blanchisserie", amount=Money("5.00", "EUR"), on=DAY)
    lease = desk.leases.add(
        biller=park, customer=guest, unit="12", rent=Money("620.00", "EUR"), starts=DAY, method="manual"
    )
    nights = [Item(description="Nuitée", unit_price=Money("20.00", "EUR"), quantity=Decimal(2))]
    stay = {"arrives": date(2026, 5, 1), "departs": date(2026, 5, 3), "items": nights}
    booking = desk.bookings.add(biller=park, customer=guest, unit="3", **stay)
    group = desk.groups.add(biller=park, name="Cyclistes", organiser=guest)
    desk.bookings.add(biller=park, customer=guest, unit="4", group=group, **stay)
    desk.bookings.add(biller=park, customer=guest, unit="5", group=group, **stay)
    made: list[Invoice] = [
        desk.invoices.draft(biller=park, customer=guest, title="Seule", amount=Money("9.00", "EUR"), on=DAY),
        desk.invoices.draft_from_charges(guest, [charge], on=DAY),
        desk.leases.generate(lease, on=DAY),
        desk.invoices.draft_booking(booking, on=DAY),
        *desk.invoices.draft_group(group, on=DAY),
    ]
    marks = {"standalone": "Brouillon", "lease": "Émisetardivement", "group": "Emplacement5"}
    for invoice in made:
        document = desk.invoices.pdf(invoice)
        with pikepdf.open(io.BytesIO(document)) as opened:
            assert opened.Root.MarkInfo.Marked
            assert str(opened.Root.Lang) == "fr-CA"
            meta = opened.open_metadata()
            assert (meta["pdfaid:part"], meta["pdfaid:conformance"], meta["pdfuaid:part"]) == ("3", "A", "1")
            assert invoice.reference in meta["dc:title"]
        assert squeezed(marks.get(invoice.kind.value, "")) in text_of(document), invoice.kind
    void = desk.invoices.void(desk.invoices.publish(made[0], on=DAY), on=DAY)
    assert "Annulée" in text_of(desk.invoices.pdf(void))


# --- text that means harm ---------------------------------------------------------------------------------------------

HOSTILE = {
    "bidi": "Rent \u202e0.001 ton\u202c\u2066x\u2069",
    "long": "A" * 400 + " " + "word " * 15,
    "emoji": "Pitch 🏕️ 👩‍👩‍👧 é\u0301",
    "html": "<script>alert(1)</script><b>&amp;'\"",
    "typst": '#panic("x") $ a_1 $ *b* @c `d` // e [f] \\ "g"',
    "format": "{0} {name} {biller.__class__} %s %(a)s",
    "rich": "[bold red]x[/bold red] [link=https://evil.example]y[/link]",
    "other scripts": "Ωμέγα Жук שלום سلام 你好",
}


@pytest.fixture
def shop(tmp_path: Path, clock: FixedClock):
    """A desk on a file, for the surfaces that a command shows too."""
    plugins = Plugins.of(sql.plugin, memory.plugin, mail.plugin, pdf.plugin)
    post = MemoryMailer()
    url = f"sqlite:///{tmp_path}/shop.db"
    with Billing.open(
        url, clock=clock, plugins=plugins, mailer=post, renderer=RENDERER, base_url=PAGES, gateway="memory://"
    ) as billing:
        yield billing, post, url


@pytest.mark.rule("R12", "S11")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_every_field_is_only_text_on_every_surface(
    shop, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    billing, post, url = shop
    short = text[:45].strip()
    park = billing.billers.add(
        name=text, currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays", address=text,
        policy={"notify_on_payment": True},
    )  # fmt: skip
    guest = billing.customers.add(
        biller=park, name=text, email="guest@example.com", address=f"{text[:200]}\n{text[:200]}"
    )
    unit = billing.units.add(biller=park, number=short, resident=guest)
    tax = TaxRate(name=short, percent=Decimal(20))
    items = [Item(description=f"{text}\n{text}", unit_price=Money("50.00", "EUR"), taxes=(tax,), site=short)]
    draft = billing.invoices.draft(
        biller=park, customer=guest, unit=unit, title=text, lines=items, description=f"{text}\n{text}", on=DAY
    )
    invoice = billing.invoices.publish(draft, notify=True, on=DAY)
    payment = billing.payments.record(invoice, Money("30.00", "EUR"), reference=text, on=DAY)
    billing.payments.refund(invoice, Money("10.00", "EUR"), reason=text, on=DAY)
    for document in (
        billing.invoices.pdf(invoice),
        billing.payments.receipt_pdf(payment),
        billing.customers.statement_pdf(guest, since=DAY, until=DAY),
    ):
        told = text_of(document)
        assert "€30.00" in told or "€60.00" in told
        assert not set("\u202e\u202c\u2066\u2069") & set(told)
    assert billing.deliver().sent.count == 3
    for sent in post.sent:
        raw = message_bytes(sent, "billing@example.com")
        message = email.message_from_bytes(raw, policy=policy.default)
        assert [part.get_content_type() for part in message.iter_attachments()] == ["application/pdf"]
        assert message["To"].addresses[0].addr_spec == "guest@example.com"
        assert message["Bcc"] is None
        html = message.get_body(("html",)).get_content()
        assert "<script" not in html
        assert not set("\u202e\u2066") & set(html + sent.content.text + sent.content.subject)
    assert "\n" not in "".join(sent.content.subject for sent in post.sent)
    # The command shows it too, and colours nothing by it.
    for words_ in (("show", invoice.number or ""), ("invoices",), ("summary",)):
        assert main(["--db", url, *words_, "--on", "2026-03-02"]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "60.00" in out


@pytest.mark.parametrize(
    "text",
    ["a\x00b", "a\r\nBcc: x@example.com", "a\x1b[31m", "a\x7f", "\ud800", "A" * 10_240],
    ids=lambda text: ascii(text[:10]),
)
def test_what_is_no_text_is_refused_at_the_door(shop, text: str) -> None:
    billing, _, _ = shop
    here = {"currency": "EUR", "timezone": "Europe/Paris", "locale": "en_GB"}
    park = billing.billers.add(name="Les Pins", **here)
    guest = billing.customers.add(biller=park, name="Claire", email="claire@example.com")
    draft = billing.invoices.draft(biller=park, customer=guest, title="Pitch", amount=Money("5.00", "EUR"), on=DAY)
    invoice = billing.invoices.publish(draft, on=DAY)
    billing.payments.record(invoice, Money("2.00", "EUR"), on=DAY)
    for refused in (
        lambda: billing.billers.add(name=text, **here),
        lambda: billing.customers.add(biller=park, name=text),
        lambda: billing.customers.add(biller=park, name="C", email=f"c{text}@example.com"),
        lambda: billing.units.add(biller=park, number=text),
        lambda: billing.invoices.draft(biller=park, customer=guest, title=text, amount=Money("5.00", "EUR"), on=DAY),
        lambda: billing.payments.record(invoice, Money("1.00", "EUR"), reference=text, on=DAY),
        lambda: billing.payments.refund(invoice, reason=text, on=DAY),
        lambda: billing.charges.add(customer=guest, description=text, amount=Money("5.00", "EUR"), on=DAY),
    ):
        with pytest.raises(InvalidValue):
            refused()
