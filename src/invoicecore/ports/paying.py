"""Payment gateways: what a provider is asked for, and what it answers, in one vocabulary.

A gateway's author implements PaymentGateway and adopts `invoicecore.testing.GatewayContract`. A decline is a result;
whatever leaves doubt is a GatewayError that says whether it may have happened. Amounts are `Money` from our own guard:
positive, exact, of one currency. Secrets belong to the gateway's configuration and are in no request and no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import attrs

from invoicecore.collection import Decline, MethodState
from invoicecore.money import Money, fixed
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind

PORT_VERSION = 1
"""The version of this port; a gateway says which one it implements."""


class Capability(StrEnum):
    """What a gateway may claim for a kind of method. What is not claimed raises NotSupported without any request."""

    CHECKOUT = "checkout"  # a page on which the payer pays once
    EXPIRE = "expire"  # such a page can be closed before it is paid
    SETUP = "setup"  # a page on which the payer saves a method
    REVOKE = "revoke"
    CHARGE = "charge"  # charge a saved method without the payer
    CHARGE_DATE = "charge_date"  # on a day that is asked for
    CANCEL = "cancel"
    RETRY = "retry"  # the provider tries a failed payment again, under the same reference
    REFUND = "refund"  # in full
    PARTIAL_REFUND = "partial_refund"  # in parts, and several of them
    LOOKUP = "lookup"  # what was made under a key
    WEBHOOKS = "webhooks"
    BACKFILL = "backfill"  # events that were missed
    LISTING = "listing"  # all payments of a period
    DISPUTES = "disputes"  # charge-backs are told of


class Lookup(StrEnum):
    """What `find` answering None proves: nothing, or that nothing was made."""

    FINDS_IF_PRESENT = "finds_if_present"
    PROVES_ABSENCE = "proves_absence"


@attrs.frozen(kw_only=True)
class MethodSpec:
    """One kind of method a gateway takes: its scheme ("bacs", "sepa_core", "card"), its currencies, what it can do.

    `synchronous`: a charge is decided in its answer, else it is PENDING first. `reversible_for` is how long money may
    be taken back after it was collected, None for ever. `least` is the smallest amount in minor units, by currency.
    """

    kind: PaymentMethod
    scheme: str
    currencies: frozenset[str]
    can: frozenset[Capability]
    synchronous: bool = True
    reversible_for: timedelta | None = None
    least: Mapping[str, int] = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class GatewayInfo:
    """What a gateway declares of itself, as data: equal for every instance, and fit for JSON.

    `key_window` is how long the same key is sure to give the same effect. `bad_signature_status` is what its provider
    expects as the answer to a webhook that is not its own; `signed_timestamp`: its webhooks are signed with their time.
    """

    name: str
    methods: tuple[MethodSpec, ...]
    key_window: timedelta
    lookup: Lookup
    port_version: int = PORT_VERSION
    provider_api_version: str = ""
    bad_signature_status: int = 400
    signed_timestamp: bool = False
    most_events: int = 1

    def can(self, capability: Capability, *, kind: PaymentMethod | None = None, currency: str | None = None) -> bool:
        """Whether some method has a capability, of that kind and in that currency if given."""
        return any(
            capability in spec.can
            and (kind is None or spec.kind is kind)
            and (currency is None or currency in spec.currencies)
            for spec in self.methods
        )


class PayStatus(StrEnum):
    """Where a payment stands. UNRECOGNISED is a status of the provider we do not know: it claims nothing."""

    OPEN = "open"
    REQUIRES_ACTION = "requires_action"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNRECOGNISED = "unrecognised"


@attrs.frozen(kw_only=True)
class Checkout:
    """A request for a provider's page on which an invoice is paid, once (R12).

    `reference` is the invoice's number; `success_url` and `cancel_url` are where the payer comes back to, which proves
    nothing. The page lasts until `expires_at` at most.
    """

    amount: Money
    reference: str
    description: str
    locale: str
    success_url: str
    cancel_url: str
    expires_at: datetime
    email: str | None = None


@attrs.frozen(kw_only=True)
class Setup:
    """A request for a provider's page on which a customer saves a method of one kind, to be charged later."""

    kind: PaymentMethod
    currency: str
    name: str
    locale: str
    return_url: str
    cancel_url: str
    email: str | None = None
    scheme: str | None = None


@attrs.frozen(kw_only=True)
class HostedPage:
    """A provider's page: `url` to send the payer to, never stored; `reference` is the provider's name of it."""

    url: str = attrs.field(repr=False)
    reference: str
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Charge:
    """A request to charge a saved method: `method` and `owner` as its snapshot names them; `charge_on` or as soon as possible."""

    method: str
    owner: str | None
    amount: Money
    reference: str
    description: str
    charge_on: date | None = None


@attrs.frozen(kw_only=True)
class RefundRequest:
    """A request to give back part or all of a payment; `refunded_before` is what we hold was refunded of it so far."""

    payment: str
    amount: Money
    refunded_before: Money
    description: str = ""


@attrs.frozen(kw_only=True)
class ReversalSnapshot:
    """Money of a payment that was taken back: `id` is the provider's name of it, the same each time it is told."""

    id: str
    kind: ReversalKind
    amount: Money = attrs.field(converter=fixed)
    cancelled: bool = False
    reason: str = ""


@attrs.frozen(kw_only=True)
class RefundSnapshot:
    """A refund as the provider has it: PENDING, SUCCEEDED or FAILED; `key` is ours, None for one made elsewhere."""

    reference: str
    payment: str
    amount: Money = attrs.field(converter=fixed)
    state: RefundState
    key: str | None = None
    reason: str = ""


@attrs.frozen(kw_only=True)
class PaymentSnapshot:
    """A payment as the provider has it now: the whole truth about it, whatever was told before.

    `reference` is the provider's name of the payment, or of its page while there is none; `key` is the operation's,
    None for what was not made by us. `amount` is what was asked for. `collected` is all that was ever collected,
    before `reversals` and `refunds`, which are cumulative; while PENDING it is zero, or what was taken back before.
    `decline` says why a FAILED one failed. `expected_on` is the day a debit is collected.
    """

    reference: str
    key: str | None
    status: PayStatus
    amount: Money = attrs.field(converter=fixed)
    collected: Money = attrs.field(converter=fixed)
    kind: PaymentMethod
    created_at: datetime
    method: str | None = None
    decline: Decline | None = None
    expected_on: date | None = None
    paid_out: bool = False
    reversals: tuple[ReversalSnapshot, ...] = ()
    refunds: tuple[RefundSnapshot, ...] = ()


@attrs.frozen(kw_only=True)
class MethodSnapshot:
    """A saved method as the provider has it now, or its set-up while `state` is OPEN.

    `reference` is the method's (the set-up's while OPEN), `owner` the provider's customer. `next_charge_on` is the
    first day a debit can be collected, to be read again each time (P1). `replaced_by` is the method to use instead.
    """

    reference: str
    key: str | None
    state: MethodState
    kind: PaymentMethod
    scheme: str = ""
    label: str = ""
    owner: str | None = None
    next_charge_on: date | None = None
    replaced_by: str | None = None
    reason: str = ""


class About(StrEnum):
    """What an event is about; of NOTHING nothing is done, because it is of a kind we have no use for."""

    PAYMENT = "payment"
    REFUND = "refund"
    METHOD = "method"
    NOTHING = "nothing"


@attrs.frozen(kw_only=True)
class Notice:
    """One event of a provider, a doorbell: what it is about is fetched afresh. `id` is the event's own.

    `key` is the operation's if the event carries it. `live` is False for a test mode's event: an object of another
    mode is not found when it is fetched, so this is for logs. Nothing in it names a person or an account.
    """

    id: str
    kind: str
    about: About
    reference: str
    key: str | None = None
    live: bool = True
    happened_at: datetime | None = None


@attrs.frozen(kw_only=True)
class NoticePage:
    """Events that were missed, oldest first as far as the provider can; `cursor` fetches the next page, None at the end."""

    notices: tuple[Notice, ...]
    cursor: str | None


class Operation(StrEnum):
    """What was made under a key."""

    CHECKOUT = "checkout"
    SETUP = "setup"
    CHARGE = "charge"
    REFUND = "refund"


class PaymentGateway(Protocol):
    """A payment provider. Safe to share between threads; it keeps nothing between calls and changes no global state.

    Every key is at most 64 ASCII characters and reaches the provider as it is. An operation under the same key with
    the same request has one effect, within `info.key_window`; with another request it is a KeyMismatch. An operation
    that no method claims raises NotSupported, a currency no method takes InvalidRequest, both without any request.
    Every method raises GatewayError and nothing else.
    """

    @property
    def info(self) -> GatewayInfo:
        """What it is and can do."""
        ...

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """A page on which the payer pays; the same key gives the same page, or one for the same payment (R12)."""
        ...

    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        """Close a page: CANCELLED once it is closed, harmless to repeat; what was paid before is told instead."""
        ...

    def setup(self, wanted: Setup, key: str) -> HostedPage:
        """A page on which the payer saves a method."""
        ...

    def method(self, reference: str) -> MethodSnapshot:
        """A method, or a set-up, by the provider's name; ObjectNotFound."""
        ...

    def revoke(self, reference: str, key: str) -> MethodSnapshot:
        """Give a method up: INACTIVE, harmless to repeat."""
        ...

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """Charge a saved method; a decline is FAILED. StateConflict when the method is inactive."""
        ...

    def cancel(self, reference: str, key: str) -> PaymentSnapshot:
        """Cancel a payment that was not sent yet; StateConflict when it is too late, and the payment goes on."""
        ...

    def retry(self, reference: str, key: str) -> PaymentSnapshot:
        """Have a failed payment tried again, under the same reference; StateConflict when it cannot be."""
        ...

    def payment(self, reference: str) -> PaymentSnapshot:
        """A payment by its own name or by its page's, as it is now; ObjectNotFound."""
        ...

    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        """Give money back; StateConflict or InvalidRequest when there is not so much to give back."""
        ...

    def refund_of(self, reference: str) -> RefundSnapshot:
        """A refund by the provider's name, as it is now; ObjectNotFound."""
        ...

    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """What was made under a key from `since` on, as far as the provider tells (`info.lookup`); None otherwise.

        `within` narrows it: the method a charge was made to, the payment a refund is of.
        """
        ...

    def payments(self, since: datetime, until: datetime) -> Iterator[PaymentSnapshot]:
        """Every payment made from `since` to before `until`, ours or not."""
        ...

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """The events of a webhook, in order, verified before anything of it is read. No request is made.

        `headers` are by lower-case name. Raises WebhookRejected. An event that cannot be read does not lose the others.
        """
        ...

    def missed(self, since: datetime, cursor: str | None = None) -> NoticePage:
        """Events from `since` on, a page at a time, whether they were delivered or not."""
        ...

    def close(self) -> None:
        """End connections; harmless to repeat."""
        ...
