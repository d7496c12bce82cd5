"""What goes wrong with a call, under its right name: one door through which every call of the SDK goes.

An SDK's error is never shown: its text may quote what was sent, and its `str()` may fail. What is told are our own
words, with the provider's code, parameter and request id if they look like ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

import stripe

from invoicecore.errors import (
    ConfigurationProblem,
    GatewayError,
    InProgress,
    InvalidRequest,
    InvoicecoreError,
    KeyMismatch,
    NotSent,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
)
from invoicecore_adapters.stripe.reading import NAME, Json, part, text
from invoicecore_adapters.stripe.wire import Unsent, hushed, printed

T = TypeVar("T")
E = TypeVar("E", bound=InvoicecoreError)

_TOKEN: Final = re.compile(r"[a-z][a-z0-9_.\[\]]{0,63}")
_REQUEST: Final = re.compile(r"req_[A-Za-z0-9]{1,40}")

_STATES: Final = frozenset(
    """balance_insufficient charge_already_captured charge_already_refunded charge_disputed charge_not_refundable
    intent_invalid_state payment_intent_mandate_invalid payment_intent_unexpected_state
    payment_method_currency_mismatch payment_method_unactivated payment_method_unexpected_state refund_disputed_payment
    setup_intent_unexpected_state""".split()
)
"""Error codes of a request that is right in itself and does not fit the state of what it is about."""

_ABOUT_A_METHOD: Final = frozenset({"payment_method", "customer", "mandate"})
"""Parameters that name something saved: what is wrong with them is that it is gone, or somebody else's."""


def translate(operation: str, call: Callable[[], T]) -> T:
    """What a call returns; whatever it raises becomes a GatewayError, which says whether it may have happened.

    What is not classified is OutcomeUnknown, our own failure to read an answer too.
    """
    if (switch := printed()) is not None:
        raise ConfigurationProblem(NAME, operation, f"the SDK would print what it sends and receives: unset {switch}")
    try:
        with hushed():
            return call()
    except GatewayError as error:
        failure = error
    except Exception as error:  # the SDK raises TypeError and AttributeError on answers it does not expect
        failure = _translated(operation, error)
    raise bare(failure)


def bare(error: E) -> E:
    """An error without what led to it, to be raised outside of every `except`.

    The errors before it and the frames it came through hold answers, what was sent, and secrets: whatever shows the
    local variables of a traceback would show them.
    """
    error.__cause__ = error.__context__ = error.__traceback__ = None
    return error


def afterwards(operation: str, read: Callable[[], T]) -> T:
    """What is read after something was done; that it cannot be read never says that it was not done."""
    try:
        return read()
    except Exception as error:
        kind = type(error).__name__
    raise OutcomeUnknown(NAME, operation, f"it was done, and what became of it cannot be read ({kind})")


def body_of(error: stripe.StripeError) -> Json:
    """The `error` object of an answer, an empty one when it has none."""
    body = error.json_body
    return part(cast(Json, body), "error") if isinstance(body, Mapping) else {}


def _translated(operation: str, error: Exception) -> GatewayError:
    if isinstance(error, Unsent):
        return NotSent(NAME, operation, "the request never left: no connection could be made")
    if isinstance(error, stripe.APIConnectionError):
        return OutcomeUnknown(NAME, operation, "the connection was lost or the answer did not come in time")
    if not isinstance(error, stripe.StripeError):
        return OutcomeUnknown(NAME, operation, f"the answer cannot be read ({type(error).__name__})")
    told, said = body_of(error), _said(error)
    code, status = text(told, "code"), error.http_status
    if isinstance(error, stripe.RateLimitError):
        return RateLimited(NAME, operation, f"too many requests{said}", _retry_after(error))
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return ConfigurationProblem(NAME, operation, f"the key is refused, or lacks the right{said}")
    if isinstance(error, stripe.IdempotencyError):
        return KeyMismatch(NAME, operation, f"the key was used with another request{said}")
    if status == 409:
        return InProgress(NAME, operation, f"the same key is being worked on{said}")
    if isinstance(error, stripe.CardError) and code is not None:
        return StateConflict(NAME, operation, f"it was declined{said}")
    # Only what calls itself a refusal of the request is one: another type is one that nobody knows.
    if isinstance(error, stripe.InvalidRequestError) and text(told, "type") == "invalid_request_error":
        if status == 404 or code == "resource_missing":
            return ObjectNotFound(NAME, operation, f"there is no such object{said}")
        if code in _STATES or (text(told, "param") or "") in _ABOUT_A_METHOD:
            return StateConflict(NAME, operation, f"the state of the object does not allow it{said}")
        return InvalidRequest(NAME, operation, f"the request is refused{said}")
    return OutcomeUnknown(NAME, operation, f"the answer says nothing definite{said}")


def _said(error: stripe.StripeError) -> str:
    told = body_of(error)
    parts = [f"HTTP {error.http_status}"] if isinstance(error.http_status, int) else []
    for name in ("code", "decline_code", "param"):
        value = text(told, name)
        if value is not None and _TOKEN.fullmatch(value):
            parts.append(f"{name} {value}")
    request = error.request_id
    if isinstance(request, str) and _REQUEST.fullmatch(request):
        parts.append(f"request {request}")
    return f" ({', '.join(parts)})" if parts else ""


def _retry_after(error: stripe.StripeError) -> float | None:
    try:
        seconds = float(
            next(value for name, value in dict(error.headers or {}).items() if name.lower() == "retry-after")
        )
    except (StopIteration, TypeError, ValueError):  # none, or a date: the core waits as long as it always does
        return None
    return seconds if 0 <= seconds <= 86_400 else None
