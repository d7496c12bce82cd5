"""What goes wrong between us and a payment provider; each error answers "may it have happened?"."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from invoicecore.errors.domain import InvoicecoreError, legible


class Executed(StrEnum):
    """Whether what was asked of a provider may have happened: no, unknown, or something else than was asked."""

    NO = "no"
    UNKNOWN = "unknown"
    OTHER = "other"


class GatewayError(InvoicecoreError):
    """A provider did not do what was asked, or nobody knows: `gateway`, `operation`, `why`, and `executed`.

    `why` is the adapter's own words: never a header, a secret, a card number, an IBAN or a client's token.
    """

    code = "gateway"
    executed: ClassVar[Executed] = Executed.UNKNOWN
    _way_out: ClassVar[str] = "it is looked up, never guessed: call billing.recover()"

    def __init__(self, gateway: str, operation: str, why: str) -> None:
        self.gateway = gateway
        self.operation = operation
        self.why = legible(why)  # it is kept, and what a provider says may have anything in it
        super().__init__(f"{operation} by {gateway!r}: {self.why}; {self._way_out}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.gateway, self.operation, self.why))


class OutcomeUnknown(GatewayError):
    """No answer, half an answer or one that says nothing: it may have happened. What is not classified is this."""

    code = "outcome_unknown"


class InProgress(OutcomeUnknown):
    """The provider is still at the same request under the same key."""

    code = "in_progress"


class GatewayFailed(OutcomeUnknown):
    """The gateway's own fault: it raised what is no GatewayError, or answered what is no answer. Raised by the desk."""

    code = "gateway_failed"
    _way_out = "it is looked up, never guessed: have the gateway mended, and call billing.recover()"


class KeyMismatch(GatewayError):
    """The key has made something else than what is asked for now: other money, or for somebody else."""

    code = "key_mismatch"
    executed = Executed.OTHER
    _way_out = "nothing more is done with it; see what the provider holds under this key, then resolve it"


class NotExecuted(GatewayError):
    """Certain not to have happened."""

    code = "not_executed"
    executed = Executed.NO
    _way_out = "nothing happened at the provider"


class NotSupported(NotExecuted):
    """The gateway does not claim this capability; no request was made."""

    code = "not_supported"
    _way_out = "see gateway.info for what it can do, and choose another way or another gateway"


class InvalidRequest(NotExecuted):
    """The provider, or its adapter before any request, refuses what is asked: an amount, a currency, a missing field."""

    code = "invalid_request"
    _way_out = "nothing happened at the provider; correct what it names"


class ConfigurationProblem(NotExecuted):
    """The provider does not let us in: a wrong or revoked key, or one without the right."""

    code = "configuration"
    _way_out = "nothing happened at the provider; check the gateway's key and its rights"


class StateConflict(NotExecuted):
    """The provider's object is in a state that does not allow this: refunded already, a mandate that is cancelled."""

    code = "state_conflict"
    _way_out = "nothing happened at the provider; the object is read again"


class ObjectNotFound(StateConflict):
    """The provider has no such object, or not for this account."""

    code = "object_not_found"


class NotSent(NotExecuted):
    """The request never left: refused connection, unknown host, no TLS."""

    code = "not_sent"
    _way_out = "nothing happened at the provider; it is tried again later"


class RateLimited(NotExecuted):
    """Too many requests: `retry_after` is how many seconds the provider asks to wait, None when it does not say."""

    code = "rate_limited"
    _way_out = "nothing happened at the provider; it is tried again later"

    def __init__(self, gateway: str, operation: str, why: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(gateway, operation, why)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.gateway, self.operation, self.why, self.retry_after))


class WebhookRejected(InvoicecoreError):
    """A webhook that is not the gateway's, or cannot be read: nothing of it was believed.

    `reason` is "missing", "bad" or "stale" of a signature, or "malformed".
    """

    code = "webhook_rejected"

    def __init__(self, gateway: str, reason: str) -> None:
        self.gateway = gateway
        self.reason = reason
        told = "is malformed" if reason == "malformed" else f"has a {reason} signature"
        super().__init__(f"the webhook of {gateway!r} {told}; check the secret it is verified with, and the address")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.gateway, self.reason))
