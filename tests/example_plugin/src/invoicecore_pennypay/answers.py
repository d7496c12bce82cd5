"""Pennypay's JSON as the port's values. What is missing raises, and Wire calls that an answer nobody can read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from invoicecore.money import from_minor
from invoicecore.payments import PaymentMethod, RefundState
from invoicecore.ports import About, HostedPage, Notice, PaymentSnapshot, PayStatus, RefundSnapshot
from invoicecore_pennypay.wire import OURS, Json, T

# What is in none of these is never guessed at: it is UNRECOGNISED, PENDING, or about NOTHING.
STATUSES: Final = {"open": PayStatus.OPEN, "paid": PayStatus.SUCCEEDED, "closed": PayStatus.CANCELLED}
REFUNDS: Final = {"succeeded": RefundState.SUCCEEDED, "failed": RefundState.FAILED}
ABOUT: Final = {"order": About.PAYMENT, "refund": About.REFUND}


def of(reference: str, read: Callable[[Json], T]) -> Callable[[Json], T]:
    """Read what is told of `reference`; what is told of another, as on a connection gone astray, is no answer to it."""

    def told(thing: Json) -> T:
        if thing["id"] != reference:
            raise ValueError("it is about something else")
        return read(thing)

    return told


def page(order: Json) -> HostedPage:
    end = datetime.fromisoformat(order["expires_at"])
    return HostedPage(url=order["url"], reference=order["id"], expires_at=end)


def payment(order: Json) -> PaymentSnapshot:
    return PaymentSnapshot(
        reference=order["id"],
        key=order["metadata"].get(OURS),
        status=STATUSES.get(order["status"], PayStatus.UNRECOGNISED),
        amount=from_minor(order["amount"], order["currency"]),
        collected=from_minor(order["paid"], order["currency"]),
        kind=PaymentMethod.CARD,
        created_at=datetime.fromisoformat(order["created"]),
        refunds=tuple(map(refund, order["refunds"])),
    )


def payments(told: Json) -> tuple[list[PaymentSnapshot], str | None]:
    return list(map(payment, told["rows"])), told["cursor"]


def refund(told: Json) -> RefundSnapshot:
    return RefundSnapshot(
        reference=told["id"],
        payment=told["order"],
        amount=from_minor(told["amount"], told["currency"]),
        state=REFUNDS.get(told["status"], RefundState.PENDING),
        key=told["metadata"].get(OURS),
    )


def notice(event: Json) -> Notice:
    return Notice(
        id=event["id"],
        kind=event["type"],
        about=ABOUT.get(event["type"].partition(".")[0], About.NOTHING),
        reference=event["object"],
        key=event["metadata"].get(OURS),
        live=event["live"],
        happened_at=datetime.fromisoformat(event["created"]),
    )
