"""GoCardless's resources as the port's snapshots: pure, and nothing claimed of what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from invoicecore.collection import Decline, MethodState
from invoicecore.money import from_minor, minor, zero
from invoicecore.payments import PaymentMethod, RefundState
from invoicecore.ports import MethodSnapshot, PaymentSnapshot, PayStatus, RefundSnapshot, ReversalSnapshot
from invoicecore_adapters.gocardless.declines import decline
from invoicecore_adapters.gocardless.history import History, history
from invoicecore_adapters.gocardless.reading import Raw, Unreadable, day, inner, instant, key_of, link, money, text
from invoicecore_adapters.gocardless.schemes import kind_of, label

_PAYMENT: Final = {
    "pending_customer_approval": PayStatus.REQUIRES_ACTION,
    "pending_submission": PayStatus.PENDING,
    "submitted": PayStatus.PENDING,
    "confirmed": PayStatus.SUCCEEDED,
    "paid_out": PayStatus.SUCCEEDED,
    "cancelled": PayStatus.CANCELLED,
    "customer_approval_denied": PayStatus.FAILED,
    "failed": PayStatus.FAILED,
    "charged_back": PayStatus.SUCCEEDED,
}
_REQUEST: Final = {
    "pending": PayStatus.OPEN,
    "ready_to_fulfil": PayStatus.OPEN,
    # From here on the payer has agreed, and the payment is about to be there.
    "fulfilling": PayStatus.PENDING,
    "fulfilled": PayStatus.PENDING,
    "cancelled": PayStatus.CANCELLED,
}
_MANDATE: Final = {
    "pending_customer_approval": MethodState.PENDING,
    "pending_submission": MethodState.PENDING,
    "submitted": MethodState.PENDING,
    "active": MethodState.ACTIVE,
    "failed": MethodState.INACTIVE,
    "cancelled": MethodState.INACTIVE,
    "expired": MethodState.INACTIVE,
    "consumed": MethodState.INACTIVE,
    "blocked": MethodState.INACTIVE,
    "suspended_by_payer": MethodState.INACTIVE,
}
_REFUND: Final = {
    "created": RefundState.PENDING,
    "pending_submission": RefundState.PENDING,
    "submitted": RefundState.PENDING,
    "paid": RefundState.SUCCEEDED,
    "cancelled": RefundState.FAILED,
    "bounced": RefundState.FAILED,
    "funds_returned": RefundState.FAILED,
}
_KEPT: Final = frozenset({"confirmed", "paid_out"})
_LOST: Final = frozenset({"failed", "charged_back"})


def payment(raw: Raw, events: Iterable[Raw] = (), refunds: Sequence[RefundSnapshot] = ()) -> PaymentSnapshot:
    """A payment with all that was ever collected of it and taken back, from its status and its events.

    A status tells only the last of it: a payment that failed once it was confirmed has SUCCEEDED and was taken back
    (a late failure), one that is collected again after that has collected twice. UNRECOGNISED when the status is not
    known, or says what its events do not bear out.
    """
    status, amount, past = text(raw, "status"), money(raw), history(events)
    times = past.times + 1 if status in _KEPT and not past.held else past.times
    shown = _shown(status, past)
    return PaymentSnapshot(
        reference=text(raw, "id"),
        key=key_of(raw),
        status=shown,
        amount=amount,
        collected=from_minor(minor(amount) * times, amount.currency.code),
        kind=(kind := kind_of(str(raw.get("scheme") or ""))),
        created_at=instant(raw.get("created_at")),
        # What a payer lets go at their bank is good for that one payment: nothing is saved.
        method=link(raw, "mandate") if kind is PaymentMethod.DIRECT_DEBIT else None,
        decline=_decline(status, past) if shown is PayStatus.FAILED else None,
        expected_on=day(raw.get("charge_date")),
        paid_out=status == "paid_out",
        reversals=tuple(
            ReversalSnapshot(id=each.id, kind=each.kind, amount=amount, cancelled=each.cancelled, reason=each.reason)
            for each in past.taken_back
        ),
        refunds=tuple(refunds),
    )


def _shown(status: str, past: History) -> PayStatus:
    known = _PAYMENT.get(status, PayStatus.UNRECOGNISED)
    if status in _KEPT or known is PayStatus.UNRECOGNISED:
        return known
    # What the events say must end where the status is. It does not when one of them is not told yet, or no longer:
    # a failure whose past is not known may be a late one.
    if past.held or (status in _LOST and not past.whole) or (status == "charged_back" and not past.taken_back):
        return PayStatus.UNRECOGNISED
    if past.times and known in (PayStatus.FAILED, PayStatus.CANCELLED):
        return PayStatus.SUCCEEDED
    return known


def _decline(status: str, past: History) -> Decline:
    return decline({"cause": status} if status == "customer_approval_denied" else past.failure)


def page_payment(raw: Raw) -> PaymentSnapshot:
    """The payment of a billing request that has none yet, under the billing request's own name."""
    asked = inner(raw, "payment_request")
    amount = money(asked)
    return PaymentSnapshot(
        reference=text(raw, "id"),
        key=key_of(raw),
        status=_REQUEST.get(text(raw, "status"), PayStatus.UNRECOGNISED),
        amount=amount,
        collected=zero(amount.currency.code),
        kind=PaymentMethod.TRANSFER,
        created_at=instant(raw.get("created_at")),
    )


def refund(raw: Raw) -> RefundSnapshot:
    """A refund; one whose status is not known is still PENDING, so that it is looked at again."""
    status = text(raw, "status")
    state = _REFUND.get(status, RefundState.PENDING)
    return RefundSnapshot(
        reference=text(raw, "id"),
        payment=link(raw, "payment") or "",
        amount=money(raw),
        state=state,
        key=key_of(raw),
        reason=status if state is RefundState.FAILED else "",
    )


def mandate(raw: Raw, ending: str = "") -> MethodSnapshot:
    """A mandate; `ending` is the last digits of its bank account's number.

    Raises Unreadable for a status that is not known: neither usable nor lost can be said of it.
    """
    status, scheme = text(raw, "status"), str(raw.get("scheme") or "")
    state = _MANDATE.get(status)
    if state is None:
        raise Unreadable("a mandate's status that is not known")
    return MethodSnapshot(
        reference=text(raw, "id"),
        key=key_of(raw),
        state=state,
        kind=PaymentMethod.DIRECT_DEBIT,
        scheme=scheme,
        label=label(scheme, ending),
        owner=link(raw, "customer"),
        next_charge_on=day(raw.get("next_possible_charge_date")) if state is not MethodState.INACTIVE else None,
        replaced_by=link(raw, "new_mandate"),
        reason=status if state is MethodState.INACTIVE else "",
    )


def page_mandate(raw: Raw) -> MethodSnapshot:
    """The mandate of a billing request that has none yet, under the billing request's own name."""
    status, scheme = text(raw, "status"), str(inner(raw, "mandate_request").get("scheme") or "")
    gone = status == "cancelled"
    return MethodSnapshot(
        reference=text(raw, "id"),
        key=key_of(raw),
        state=MethodState.INACTIVE if gone else MethodState.OPEN,
        kind=PaymentMethod.DIRECT_DEBIT,
        scheme=scheme,
        owner=link(raw, "customer"),
        reason=status if gone else "",
    )


def made_of(raw: Raw, name: str) -> str | None:
    """The id of what a billing request made: its `payment` or its `mandate`, None while there is none."""
    return link(raw, f"{name}_request_{name}") or link(inner(raw, f"{name}_request"), name)
