"""Between the port's values and the JSON of the provider in memory: what is asked, what is answered, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from invoicecore.collection import Advice, Decline, DeclineCode, MethodState
from invoicecore.errors import (
    ConfigurationProblem,
    GatewayError,
    InProgress,
    InvalidRequest,
    InvalidValue,
    KeyMismatch,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
)
from invoicecore.money import Money, from_minor, minor, positive
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.ports import (
    About,
    Charge,
    Checkout,
    HostedPage,
    MethodSnapshot,
    Notice,
    PaymentSnapshot,
    PayStatus,
    RefundRequest,
    RefundSnapshot,
    ReversalSnapshot,
)
from invoicecore_adapters.memory.held import Answer, Object

NAME: Final = "memory"

DECLINES: Final = {
    "insufficient_funds": (DeclineCode.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
    "card_declined": (DeclineCode.DECLINED, Advice.NEW_METHOD),
    "expired_card": (DeclineCode.EXPIRED, Advice.NEW_METHOD),
    "authentication_required": (DeclineCode.AUTHENTICATION_REQUIRED, Advice.PAYER_ACTION),
    "bank_account_closed": (DeclineCode.ACCOUNT_CLOSED, Advice.NEW_METHOD),
    "mandate_cancelled": (DeclineCode.MANDATE_CANCELLED, Advice.NEW_METHOD),
    "stolen_card": (DeclineCode.LOST_OR_STOLEN, Advice.NEVER),
}

_REFUSALS: Final[dict[str, type[GatewayError]]] = {
    "invalid_request": InvalidRequest,
    "unauthorised": ConfigurationProblem,
    "not_found": ObjectNotFound,
    "state_conflict": StateConflict,
    "key_mismatch": KeyMismatch,
    "in_progress": InProgress,
}

_TEXTS: Final = ("reference", "description", "locale", "success_url", "cancel_url", "email")


def in_utc(at: datetime) -> str:
    """An instant as the provider writes them; they compare as they are."""
    return at.astimezone(UTC).isoformat()


def amount_of(operation: str, wanted: Checkout | Charge | RefundRequest) -> Money:
    """The amount of a request, positive and exact; InvalidRequest."""
    try:
        return positive(wanted.amount)
    except InvalidValue as error:
        raise InvalidRequest(NAME, operation, f"the amount {error.reason}") from None


def to_page(wanted: Checkout, amount: Money) -> Object:
    """What a checkout's page is asked for."""
    texts = {name: getattr(wanted, name) for name in _TEXTS}
    return {**in_minor(amount), **texts, "expires_at": in_utc(wanted.expires_at)}


def from_page(page: Object) -> Checkout:
    """What a checkout's page was asked for."""
    texts = {name: page[name] for name in _TEXTS}
    return Checkout(amount=_money(page), expires_at=datetime.fromisoformat(page["expires_at"]), **texts)


def in_minor(amount: Money) -> Object:
    """Money as the provider takes it."""
    return {"amount": minor(amount), "currency": amount.currency.code}


def read(operation: str, answer: Answer) -> Object:
    """The JSON of a good answer; what is not one is raised."""
    try:
        told: Any = json.loads(answer.body)
        if answer.status == 200 and isinstance(told, dict):
            return told
        error, why = _REFUSALS[told["error"]["type"]], str(told["error"]["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        if answer.status == 429:
            wait = answer.headers.get("retry-after", "")
            raise RateLimited(NAME, operation, "too many requests", float(wait) if wait.isdecimal() else None) from None
        if answer.status in (401, 403):
            raise ConfigurationProblem(NAME, operation, "the provider does not let us in") from None
        raise OutcomeUnknown(NAME, operation, f"an answer that says nothing ({answer.status})") from None
    raise error(NAME, operation, why)


def page_of(told: Object) -> HostedPage:
    """The page of an answer."""
    at = told["expires_at"]
    return HostedPage(url=told["url"], reference=told["id"], expires_at=at and datetime.fromisoformat(at))


def payment_of(told: Object) -> PaymentSnapshot:
    """The payment of an answer."""
    status = PayStatus(told["status"]) if told["status"] in set(PayStatus) else PayStatus.UNRECOGNISED
    expected = told.get("expected_on")
    return PaymentSnapshot(
        reference=told["id"],
        key=told["key"],
        status=status,
        amount=_money(told),
        collected=from_minor(told["collected"], told["currency"]),
        kind=PaymentMethod(told["kind"]),
        created_at=datetime.fromisoformat(told["created"]),
        method=told.get("method"),
        decline=_decline(told["decline"]) if status is PayStatus.FAILED else None,
        expected_on=expected and date.fromisoformat(expected),
        paid_out=told.get("paid_out", False),
        reversals=tuple(
            ReversalSnapshot(
                id=each["id"],
                kind=ReversalKind(each["kind"]),
                amount=from_minor(each["amount"], told["currency"]),
                cancelled=each["cancelled"],
            )
            for each in told["reversals"]
        ),
        refunds=tuple(map(refund_of, told["refunds"])),
    )


def refund_of(told: Object) -> RefundSnapshot:
    """The refund of an answer."""
    return RefundSnapshot(
        reference=told["id"],
        payment=told["payment"],
        amount=_money(told),
        # What is not known to have gone through or to have failed is still on its way.
        state={"succeeded": RefundState.SUCCEEDED, "failed": RefundState.FAILED}.get(
            told["state"], RefundState.PENDING
        ),
        key=told["key"],
        reason=told["reason"],
    )


def method_of(told: Object) -> MethodSnapshot:
    """The method of an answer, or its set-up."""
    day = told.get("next_charge_on")
    return MethodSnapshot(
        reference=told["id"],
        key=told["key"],
        # A state nobody knows is good for nothing until it is read again.
        state=MethodState(told["state"]) if told["state"] in set(MethodState) else MethodState.PENDING,
        kind=PaymentMethod(told["kind"]),
        scheme=told.get("scheme", ""),
        label=told.get("label", ""),
        owner=told.get("owner"),
        next_charge_on=day and date.fromisoformat(day),
        replaced_by=told.get("replaced_by"),
        reason=told.get("reason", ""),
    )


def found_of(told: Object) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot:
    """Whatever was found."""
    readers: Mapping[str, Callable[[Object], PaymentSnapshot | RefundSnapshot | MethodSnapshot]] = {
        "payment": payment_of,
        "refund": refund_of,
        "method": method_of,
    }
    return readers[told["object"]](told)


def notice_of(event: object) -> Notice | None:
    """The notice of an event; None for one that cannot be read, which does not lose the others."""
    try:
        told: Any = event
        about = {"payment": About.PAYMENT, "refund": About.REFUND, "method": About.METHOD}.get(told["about"])
        key, kind = told["key"], told["kind"]
        texts = (told["id"], kind, told["reference"], *(() if key is None else (key,)))
        if not all(isinstance(each, str) for each in texts):
            return None
        at = datetime.fromisoformat(told["at"])
    except (ValueError, TypeError, KeyError):
        return None
    known = kind.partition(".")[0] == told["about"]
    return Notice(
        id=told["id"],
        kind=kind,
        about=about if about is not None and known else About.NOTHING,
        reference=told["reference"],
        key=key,
        happened_at=at,
    )


def _money(told: Object) -> Money:
    return from_minor(told["amount"], told["currency"])


def _decline(told: Object) -> Decline:
    code, advice = DECLINES.get(told["code"], (DeclineCode.UNSPECIFIED, Advice.RETRY_LATER))
    return Decline(code=code, advice=advice, raw_code=told["code"], provider_will_retry=told["will_retry"])
