"""Payment gateways: a provider's page to pay on, and what the provider tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from invoicecore.money import Money


@attrs.frozen(kw_only=True)
class Checkout:
    """A request for a provider's payment page for an invoice.

    `key` is the operation's own: the same key never makes a second charge. `success_url` and `cancel_url` are where
    the payer comes back to.
    """

    key: str
    biller: str
    invoice: str
    reference: str
    description: str
    amount: Money
    email: str | None
    locale: str
    success_url: str
    cancel_url: str


@attrs.frozen(kw_only=True)
class Notice:
    """One event of a gateway's webhook: money it has received for an invoice. `id` is the event's own.

    `invoice` is the one the checkout was made for, `reference` the provider's name of the payment.
    """

    id: str
    biller: str
    invoice: str
    amount: Money
    reference: str


class PaymentGateway(Protocol):
    """What takes payments: for the time being it opens a provider's page and tells of what was paid there."""

    @property
    def name(self) -> str:
        """What its webhooks are addressed to: `/webhooks/{name}`."""
        ...

    def checkout(self, wanted: Checkout) -> str:
        """The URL of a short-lived page of the provider, on which the payer pays (R12)."""
        ...

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """The events of a webhook, verified before anything of it is read; BadSignature when it is not the provider's.

        `headers` are by lower-case name. What it does not know is left out.
        """
        ...
