"""Collections: attempts to have a provider collect an invoice, the saved methods they use, and why one failed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from invoicecore.errors import legible
from invoicecore.money import Money
from invoicecore.payments import PaymentMethod


class MethodState(StrEnum):
    """What a saved method is good for: OPEN is being set up, PENDING may be charged before the bank has agreed."""

    OPEN = "open"
    PENDING = "pending"
    ACTIVE = "active"
    INACTIVE = "inactive"


@attrs.frozen(kw_only=True)
class SavedMethod:
    """A customer's card or mandate, saved at a provider, to be charged without the customer (C6, S9).

    `id` is the key its set-up was made under. `setup` is the provider's name of the set-up, `reference` of the card or
    mandate once there is one, `owner` of the customer there. `label` masks the number: "Visa •••• 4242". `next_try_at`
    is when a set-up that nobody told the end of is asked for again, `tries` counts those askings.
    """

    id: str
    biller: str
    customer: str
    gateway: str
    kind: PaymentMethod
    made_at: datetime
    state: MethodState = MethodState.OPEN
    setup: str | None = None
    reference: str | None = None
    owner: str | None = None
    scheme: str = ""
    label: str = ""
    reason: str = ""
    tries: int = 0
    next_try_at: datetime | None = None
    version: int = 1

    @property
    def chargeable(self) -> bool:
        """Whether it may be charged now."""
        return self.state in (MethodState.ACTIVE, MethodState.PENDING) and self.reference is not None


class DeclineCode(StrEnum):
    """Why a provider or a bank said no, in one vocabulary; what is not known is UNSPECIFIED."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    DECLINED = "declined"
    EXPIRED = "expired"
    INCORRECT_DETAILS = "incorrect_details"
    AUTHENTICATION_REQUIRED = "authentication_required"
    ACCOUNT_CLOSED = "account_closed"
    MANDATE_CANCELLED = "mandate_cancelled"
    PAYER_REFUSED = "payer_refused"
    LOST_OR_STOLEN = "lost_or_stolen"
    LIMIT_EXCEEDED = "limit_exceeded"
    PROCESSING_ERROR = "processing_error"
    DISPUTED = "disputed"
    UNSPECIFIED = "unspecified"


class Advice(StrEnum):
    """What helps after a decline: the same again later, another method, something only the payer can do, or nothing."""

    RETRY_LATER = "retry_later"
    NEW_METHOD = "new_method"
    PAYER_ACTION = "payer_action"
    NEVER = "never"


@attrs.frozen(kw_only=True)
class Decline:
    """A definite no: a code, what helps, the provider's own code, and whether the provider tries again by itself."""

    code: DeclineCode
    advice: Advice
    raw_code: str = attrs.field(default="", converter=legible)
    provider_will_retry: bool = False


class CollectionState(StrEnum):
    """Where an attempt stands; which ones are live is LIVE (D2).

    RESERVED is intended and not sent, SUBMITTING is being sent, OPEN is a provider's page that waits for its payer,
    CLOSING one that is to be closed, UNKNOWN may have happened. FAILED was declined, NOT_EXECUTED never reached
    anybody's money.
    """

    RESERVED = "reserved"
    SUBMITTING = "submitting"
    OPEN = "open"
    CLOSING = "closing"
    PENDING = "pending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_EXECUTED = "not_executed"


LIVE: Final = frozenset(
    {CollectionState.RESERVED, CollectionState.SUBMITTING, CollectionState.PENDING, CollectionState.UNKNOWN}
)
"""States whose amount is in flight: an opened page is none of them (D2)."""

UNFINISHED: Final = LIVE | {CollectionState.OPEN, CollectionState.CLOSING}
"""States of which an invoice has one collection at most, so that two never collect the same money."""


@attrs.frozen(kw_only=True)
class Collection:
    """One attempt to collect an invoice through a provider; `id` is the operation's key there, for good.

    `method` is the saved method it charges, None for a provider's page (a checkout). `amount` is frozen at
    reservation. `charge_on` is the day asked for, frozen at the first submission, `expected_on` the day the provider
    names. `reference` is the provider's name of the payment, or of its page while there is none. `collected` is all
    that was ever collected by it, reversals notwithstanding. `next_try_at` is when it is looked at next: submitted,
    looked up, polled or tried again; None when nothing is left to do, or when only a person can tell (`error` says
    why). `attempt` counts the tries to collect the invoice by itself.
    """

    id: str
    biller: str
    invoice: str
    customer: str | None
    gateway: str
    kind: PaymentMethod
    amount: Money
    collected: Money
    made_at: datetime
    method: str | None = None
    state: CollectionState = CollectionState.RESERVED
    attempt: int = 1
    charge_on: date | None = None
    expected_on: date | None = None
    reversible_until: date | None = None
    reference: str | None = None
    submitted_at: datetime | None = None
    expires_at: datetime | None = None
    next_try_at: datetime | None = None
    tries: int = 0
    decline: Decline | None = None
    error: str = ""
    actor: str | None = None
    version: int = 1

    @property
    def live(self) -> bool:
        """Whether its amount is in flight (D2)."""
        return self.state in LIVE

    @property
    def unfinished(self) -> bool:
        """Whether the invoice can have no other one beside it."""
        return self.state in UNFINISHED


RETRYING: Final = "being tried again by its provider"
"""The `error` of an UNKNOWN collection whose provider was asked to try it again."""

SUBMIT_LEASE: Final = timedelta(minutes=15)
"""How long a submitter has; after that the collection counts as doubtful and is looked up."""

DOUBTS: Final = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
)
"""How long to wait between looks at a doubtful one; the last one repeats."""

POLLS: Final = (timedelta(hours=1), timedelta(days=1))
"""How long to wait before a pending one is asked for, webhooks or not; the last one repeats."""


SETUP_POLLS: Final = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=3),
)
"""How long to wait between asking what became of a set-up that nobody told the end of; after the last one it is over."""


def wait(waits: tuple[timedelta, ...], tries: int) -> timedelta:
    """The wait after so many tries."""
    return waits[min(max(tries, 1), len(waits)) - 1]
