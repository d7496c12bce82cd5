"""The bench a gateway is tested on: a simulated provider whose payers, bank and network do what the test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import attrs

from invoicecore.money import Money
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.ports import PaymentGateway


class Fault(StrEnum):
    """What can go wrong with a request. "After" means that the provider has done what was asked before it goes wrong."""

    REFUSE = "refuse"  # nothing listens
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    STALL_AFTER = "stall_after"  # no answer for longer than the gateway's timeout
    DRIP_AFTER = "drip_after"  # an answer byte by byte, for ever; its head too, or what may come before it, by turns
    TRUNCATE_AFTER = "truncate_after"
    HTML_502_BEFORE = "html_502_before"
    HTML_502_AFTER = "html_502_after"
    HTML_200_AFTER = "html_200_after"
    ERROR_500_BEFORE = "error_500_before"
    ERROR_500_AFTER = "error_500_after"  # stored, where the provider stores its answers by key
    REDIRECT = "redirect"  # to a page that answers with a success in the provider's own shape
    RATE_LIMIT = "rate_limit"  # with the time to wait; after the first it may be none that can be waited for
    UNAUTHORISED = "unauthorised"
    NONSENSE = "nonsense"  # an error of a type nobody knows, with fields missing or null
    UNKNOWN_FIELDS = "unknown_fields"  # a good answer with more in it than is documented
    UNKNOWN_STATUS = "unknown_status"  # a good answer whose status nobody knows


class EffectKind(StrEnum):
    """What really happened at the provider."""

    CHECKOUT = "checkout"  # a page was made
    SETUP = "setup"
    PAYMENT = "payment"  # a payment was made: money is or will be on its way
    COLLECTED = "collected"  # its money arrived
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    REVERSAL = "reversal"
    REVERSAL_CANCELLED = "reversal_cancelled"


@attrs.frozen(kw_only=True)
class Effect:
    """One line of the provider's append-only ledger of what really happened: the truth that everything is judged by.

    `key` is the operation's under which it was made, as it arrived, or that of what it happened to.
    """

    kind: EffectKind
    key: str | None
    reference: str
    amount: Money | None
    at: datetime


@attrs.frozen(kw_only=True)
class Exchange:
    """One request as it reached the provider; `operation` is the port's name of it ("charge"), "" for what is unknown."""

    operation: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    key: str | None


@attrs.frozen(kw_only=True)
class Delivery:
    """One webhook as the provider sends it."""

    body: bytes
    headers: Mapping[str, str]


class GatewayBench(Protocol):
    """What the author of a gateway supplies for GatewayContract; amounts are `Money`, references the provider's."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret the gateway is configured with: none may ever be seen."""
        ...

    @property
    def return_urls(self) -> tuple[str, str]:
        """(success, cancel): addresses it is fine to send a payer back to."""
        ...

    def gateway(self, *, webhook_secrets: Sequence[str] | None = None) -> PaymentGateway:
        """A new gateway for this provider, as after a restart, with short timeouts (2 s at most)."""
        ...

    def now(self) -> datetime:
        """The provider's time."""
        ...

    def move(self, seconds: float) -> None:
        """Let time pass at the provider."""
        ...

    def pay(self, url: str, *, decline: str | None = None) -> None:
        """Be the payer on a checkout's page: pay, or try to with what is declined with the provider's code `decline`."""
        ...

    def save(self, url: str) -> None:
        """Be the customer on a set-up's page: save a good method."""
        ...

    def leave(self, url: str) -> None:
        """Be a payer or customer who opens a page and goes away, to the address the page sends them back to."""
        ...

    def saved(self, kind: PaymentMethod, currency: str, *, decline: str | None = None) -> tuple[str, str | None]:
        """(method, owner) of a method saved before; its charges are declined with the provider's code `decline` if given."""
        ...

    def collect(self, reference: str) -> None:
        """Have a pending payment's money arrive."""
        ...

    def fail(self, reference: str, code: str) -> None:
        """Have a pending payment fail with the provider's code."""
        ...

    def pay_out(self, reference: str) -> None:
        """Have a collected payment's money paid out to us."""
        ...

    def reverse(self, reference: str, kind: ReversalKind) -> None:
        """Have a collected payment's money taken back."""
        ...

    def undo_reversal(self, reference: str) -> None:
        """Have the last reversal of a payment cancelled."""
        ...

    def settle_refund(self, reference: str, *, failed: bool = False) -> None:
        """Have a pending refund go through, or one in any state fail."""
        ...

    def revoke(self, method: str) -> None:
        """Have the customer give a method up at their bank."""
        ...

    def declines(self) -> Mapping[str, str]:
        """The provider's decline codes to try: code → the DeclineCode expected; with one nobody knows."""
        ...

    def effects(self) -> Sequence[Effect]:
        """The ledger, in order."""
        ...

    def exchanges(self) -> Sequence[Exchange]:
        """Every request that arrived, in order; those faulted before the provider did anything too."""
        ...

    def fault(self, operation: str, fault: Fault, *, times: int = 1) -> None:
        """Have the next requests of an operation of the port go wrong."""
        ...

    def clear_faults(self) -> None:
        """Have everything work again."""
        ...

    def deliveries(self) -> Sequence[Delivery]:
        """The webhooks sent since this was last asked, in order, one event each unless the provider batches."""
        ...

    def sign(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> Mapping[str, str]:
        """Headers that sign a body as the provider does, with another secret or time if given."""
        ...

    def close(self) -> None:
        """Stop its servers."""
        ...
