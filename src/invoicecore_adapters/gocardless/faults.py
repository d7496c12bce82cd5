"""What went wrong, in the port's words: whether it may have happened, and nothing the provider wrote by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from gocardless_pro import errors as sdk  # type: ignore[import-untyped]  # the SDK has no types

from invoicecore.errors import (
    ConfigurationProblem,
    GatewayError,
    InvalidRequest,
    NotExecuted,
    NotSent,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
)
from invoicecore_adapters.gocardless.reading import Unreadable
from invoicecore_adapters.gocardless.schemes import NAME
from invoicecore_adapters.gocardless.wire import Answered, NoAnswer, NotConnected

STATES: Final = frozenset(
    {
        "available_refund_amount_insufficient",
        "bank_account_disabled",
        "billing_request_already_fulfilled",
        "cancellation_failed",
        "mandate_is_inactive",
        "mandate_not_inactive",
        "mandate_replaced",
        "number_of_refunds_exceeded",
        "refund_is_unreachable",
        "refund_payment_invalid_state",
        "retry_failed",
        "total_amount_confirmation_invalid",
    }
)
"""Reasons that are about the state of an object, whatever type of error they arrive as."""

_NOT_THERE: Final = frozenset({"resource_not_found", "link_not_found"})
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,60}")

P = ParamSpec("P")
R = TypeVar("R")


class Holder(Protocol):
    """Whoever has secrets: none of them is ever in an error."""

    @property
    def _secrets(self) -> tuple[str, ...]: ...


H = TypeVar("H", bound=Holder)


def told(operation: str) -> Callable[[Callable[Concatenate[H, P], R]], Callable[Concatenate[H, P], R]]:
    """Let a method raise GatewayError and nothing else, without a chain: what is in it was written by others."""

    def around(method: Callable[Concatenate[H, P], R]) -> Callable[Concatenate[H, P], R]:
        @wraps(method)
        def told_method(self: H, /, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(self, *args, **kwargs)
            except Exception as error:
                fault = translate(error, operation, self._secrets)
            fault.__cause__ = fault.__context__ = fault.__traceback__ = None
            raise fault

        return told_method

    return around


def after_effect(error: Exception, operation: str, secrets: tuple[str, ...] = ()) -> GatewayError:
    """The same of a later step, when an earlier one had its effect: it cannot be that nothing happened."""
    fault = translate(error, operation, secrets)
    if isinstance(fault, NotExecuted):
        return OutcomeUnknown(NAME, operation, f"it was made, but then {fault.why}")
    return fault


def translate(error: Exception, operation: str, secrets: tuple[str, ...] = ()) -> GatewayError:
    """The error of the port for whatever an SDK call raised (reference of the taxonomy: invoicecore.errors.paying).

    In doubt it may have happened. The SDK's exceptions are never made text of: some fail at that, others quote.
    """
    match error:
        case GatewayError():
            return error
        case NotConnected():
            return NotSent(NAME, operation, f"no connection ({error})")
        case NoAnswer():
            return OutcomeUnknown(NAME, operation, f"no whole answer came ({error})")
        case Answered():
            return _of_answer(error, operation, secrets)
        case Unreadable():
            return OutcomeUnknown(NAME, operation, f"the answer cannot be read: {error}")
    return OutcomeUnknown(NAME, operation, f"it was not understood ({type(error).__name__})")


def _of_answer(answer: Answered, operation: str, secrets: tuple[str, ...]) -> GatewayError:
    why = _told(answer, secrets)
    if answer.status >= 500:
        return OutcomeUnknown(NAME, operation, why)
    words = set(_words(answer.why))
    match answer.why:
        case sdk.AuthenticationError() | sdk.PermissionsError():
            return ConfigurationProblem(NAME, operation, why)
        case sdk.RateLimitError():
            return RateLimited(NAME, operation, why, answer.retry_after)
        case sdk.IdempotentCreationConflictError():
            return OutcomeUnknown(NAME, operation, f"the key was used before, and not told for what ({why})")
        case sdk.ApiError() if words & STATES:
            return StateConflict(NAME, operation, why)
        case sdk.InvalidStateError():
            return StateConflict(NAME, operation, why)
        case sdk.InvalidApiUsageError() if answer.status == 404 or words & _NOT_THERE:
            return ObjectNotFound(NAME, operation, why)
        case sdk.ValidationFailedError() | sdk.InvalidApiUsageError():
            return InvalidRequest(NAME, operation, why)
    return OutcomeUnknown(NAME, operation, why)


def _told(answer: Answered, secrets: tuple[str, ...]) -> str:
    """The status, and of the provider's words only those that are identifiers: anything else may quote somebody."""
    said = ", ".join(dict.fromkeys(_words(answer.why)))
    for secret in secrets:
        said = said.replace(secret, "…")
    return f"answered {answer.status}" + (f" ({said})" if said else "")


def _words(why: object) -> Iterator[str]:
    body = getattr(why, "error", None)
    if not isinstance(why, sdk.ApiError) or not isinstance(body, dict):
        return
    told = body.get("errors")
    for each in [body, *(told if isinstance(told, list) else [])]:
        if isinstance(each, dict):
            for name in ("type", "reason", "field"):
                value = each.get(name)
                if isinstance(value, str) and _WORD.fullmatch(value):
                    yield value
