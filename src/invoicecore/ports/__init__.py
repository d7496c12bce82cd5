"""What the core asks of the outside, in domain words: a store, a mailer, a renderer, a composer, a gateway and a clock."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from invoicecore.ports.storing import (
    FINDABLE,
    VERSIONED,
    WAITING,
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

if TYPE_CHECKING:
    from invoicecore.ports.examining import Examinable, Finding, Verdict
    from invoicecore.ports.paying import (
        PORT_VERSION,
        About,
        Capability,
        Charge,
        Checkout,
        GatewayInfo,
        HostedPage,
        Lookup,
        MethodSnapshot,
        MethodSpec,
        Notice,
        NoticePage,
        Operation,
        PaymentGateway,
        PaymentSnapshot,
        PayStatus,
        RefundRequest,
        RefundSnapshot,
        ReversalSnapshot,
        Setup,
    )
    from invoicecore.ports.sending import Attachment, Composed, Composer, Mail, Mailer, Renderer


class Clock(Protocol):
    """The one source of the present."""

    def now(self) -> datetime:
        """This instant, aware, in UTC (M1)."""
        ...


def __getattr__(name: str) -> object:
    # What most processes never use is imported when it is asked for: `import invoicecore` need not pay for it.
    if name in __all__:
        from invoicecore.ports import examining, paying, sending

        return next(getattr(module, name) for module in (paying, sending, examining) if hasattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "FINDABLE",
    "PORT_VERSION",
    "VERSIONED",
    "WAITING",
    "About",
    "Attachment",
    "Capability",
    "Charge",
    "Checkout",
    "Clock",
    "Composed",
    "Composer",
    "Counter",
    "Event",
    "Examinable",
    "Finding",
    "GatewayInfo",
    "HostedPage",
    "InvoiceQuery",
    "KeyUse",
    "Lookup",
    "Mail",
    "Mailer",
    "MethodSnapshot",
    "MethodSpec",
    "Notice",
    "NoticePage",
    "Operation",
    "Order",
    "PayLink",
    "PayStatus",
    "PaymentGateway",
    "PaymentSnapshot",
    "R",
    "Reader",
    "Record",
    "RefundRequest",
    "RefundSnapshot",
    "Renderer",
    "ReversalSnapshot",
    "Setup",
    "Store",
    "Sums",
    "Verdict",
    "Writer",
]
