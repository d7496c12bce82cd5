"""E-mails and letters to test with: an invoice in English and one in French, and what both look like when they arrive."""

from __future__ import annotations

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import attrs

from invoicecore.documents import Fact, Letter, Paper, Party, Sheet, SheetKind
from invoicecore.ports import Attachment, Composed, Mail

PAY = "https://pay.example.com/i/4f9c2d7be1a84c06b3d5"
SENDER = "billing@example.com"


def a_mail(**changes: object) -> Mail:
    """An e-mail with a PDF; the changes are Mail's fields, and `subject`, `text`, `html`."""
    content = Composed(
        subject="Invoice INV-000012 from Les Pins",
        text="Hello Alice,\n\n.starts with a dot\nFrom here on: 620.00 €\n" + "long " * 300 + "\n",
        html="<!DOCTYPE html>\n<html lang='en'><body><p>Hello <b>Alice</b>: 620.00 €</p></body></html>\n",
    )
    content = attrs.evolve(
        content, **{name: changes.pop(name) for name in ("subject", "text", "html") if name in changes}
    )  # type: ignore[arg-type]  # texts, as a test gives them
    mail = Mail(
        id="msg-0001",
        to_name="Alice Martin",
        to="alice@example.org",
        sender="Les Pins",
        reply_to="office@les-pins.example",
        language="en",
        date=datetime(2026, 4, 24, 9, 30, tzinfo=UTC),
        content=content,
        attachments=(
            Attachment(filename="INV-000012.pdf", media_type="application/pdf", content=b"%PDF-1.7\r\n.\r\n\0\xff"),
        ),
    )
    return attrs.evolve(mail, **changes)  # type: ignore[arg-type]  # Mail's own fields, as a test gives them


def parsed(message: bytes) -> EmailMessage:
    """A message as the standard library reads it."""
    return cast(EmailMessage, message_from_bytes(message, policy=policy.default))


def body(message: EmailMessage, kind: str) -> str:
    """The text of the `plain` or `html` part, with plain line ends."""
    part = message.get_body((kind,))
    assert part is not None, f"there is no {kind} part"
    return str(part.get_content()).replace("\r\n", "\n")


def _sheet(locale: str, heading: str) -> Sheet:
    return Sheet(
        kind=SheetKind.INVOICE,
        biller="b1",
        locale=locale,
        language=locale.replace("_", "-"),
        paper=Paper.A4,
        title=f"{heading} INV-000012, Les Pins",
        heading=heading,
        reference="INV-000012",
        filename="INV-000012",
        dated=date(2026, 4, 24),
        issuer=Party(heading="", name="Les Pins"),
        customer=None,
        facts=(),
    )


ENGLISH = Letter(
    kind="invoice_issued",
    locale="en_GB",
    language="en-GB",
    subject="Invoice INV-000012 from Maple Court",
    greeting="Dear Alice Martin,",
    paragraphs=(
        "Your invoice for Rent, May 2026 is ready for payment. It covers the period from 1 May 2026 to 31 May 2026 "
        "for unit 12.",
        "The invoice is attached as a PDF.",
    ),
    facts=(
        Fact(label="Invoice", value="INV-000012"),
        Fact(label="Unit", value="12"),
        Fact(label="Due date", value="30 April 2026"),
        Fact(label="Balance due", value="£620.00"),
    ),
    action=Fact(label="Pay Now", value=PAY),
    closing="Kind regards,",
    sender="Maple Court",
    sheet=_sheet("en_GB", "Invoice"),
)

FRENCH = Letter(
    kind="invoice_issued",
    locale="fr_CA",
    language="fr-CA",
    subject="Facture INV-000012 de Camping « Les Pins »",
    greeting="Bonjour Élodie Tremblay-Côté,",
    paragraphs=(
        "Votre facture « Loyer de l’emplacement 12, mai 2026 » est prête à être payée, par carte ou par virement.",
        "La facture est jointe en PDF.",
    ),
    facts=(
        Fact(label="Facture", value="INV-000012"),
        Fact(label="Emplacement", value="12"),
        Fact(label="Date d’échéance", value="30 avril 2026"),
        Fact(label="Solde à payer", value="1\N{NARROW NO-BREAK SPACE}620,00\N{NO-BREAK SPACE}$"),
    ),
    action=Fact(label="Payer maintenant", value=PAY),
    closing="Cordialement,",
    sender="Camping « Les Pins »",
    sheet=_sheet("fr_CA", "Facture"),
)
