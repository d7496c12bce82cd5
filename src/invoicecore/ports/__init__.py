"""What the core asks of the outside, in domain words: a store, a mailer, a renderer, a composer, a gateway and a clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from invoicecore.ports.paying import (
    Checkout,
    Notice,
    PaymentGateway,
)
from invoicecore.ports.sending import (
    Attachment,
    Composed,
    Composer,
    Mail,
    Mailer,
    Renderer,
)
from invoicecore.ports.storing import (
    FINDABLE,
    VERSIONED,
    Counter,
    Event,
    InvoiceQuery,
    KeyUse,
    Order,
    PayLink,
    R,
    Reader,
    Record,
    Store,
    Sums,
    Writer,
)


class Clock(Protocol):
    """The one source of the present."""

    def now(self) -> datetime:
        """This instant, aware, in UTC (M1)."""
        ...


__all__ = [
    "FINDABLE",
    "VERSIONED",
    "Attachment",
    "Checkout",
    "Clock",
    "Composed",
    "Composer",
    "Counter",
    "Event",
    "InvoiceQuery",
    "KeyUse",
    "Mail",
    "Mailer",
    "Notice",
    "Order",
    "PayLink",
    "PaymentGateway",
    "R",
    "Reader",
    "Record",
    "Renderer",
    "Store",
    "Sums",
    "Writer",
]
