"""What the provider's objects mean: payment intents, sessions, refunds, disputes and saved methods as port values.

Pure functions over JSON. A status that is not known claims nothing; what must be there and is not is Unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from invoicecore.collection import MethodState
from invoicecore.money import zero
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.ports import MethodSnapshot, PaymentSnapshot, PayStatus, RefundSnapshot, ReversalSnapshot
from invoicecore_adapters.stripe.amounts import of_provider
from invoicecore_adapters.stripe.declines import decline_of
from invoicecore_adapters.stripe.reading import Json, id_at, instant, key_of, listed, needed, part, text, whole

SCHEMES: Final[Mapping[str, str]] = {
    "card": "card",
    "sepa_debit": "sepa_core",
    "bacs_debit": "bacs",
    "us_bank_account": "ach",
    "acss_debit": "pad",
    "au_becs_debit": "becs",
}
"""The provider's types of methods that are saved → the schemes they belong to."""

_LABELS: Final = {"sepa_core": "SEPA", "bacs": "Bacs", "ach": "ACH", "pad": "PAD", "becs": "BECS"}
_BRANDS: Final = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "Eftpos",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
_LAST: Final = re.compile(r"[0-9A-Za-z]{2,4}")

_CARDS: Final = frozenset("card card_present interac_present link".split())
_TRANSFERS: Final = frozenset("customer_balance pay_by_bank".split())

_STATUSES: Final = {
    "requires_confirmation": PayStatus.OPEN,
    "requires_action": PayStatus.REQUIRES_ACTION,
    "processing": PayStatus.PENDING,
    "requires_capture": PayStatus.PENDING,  # held, and not ours yet
    "succeeded": PayStatus.SUCCEEDED,
    "canceled": PayStatus.CANCELLED,
}
_MOVING: Final = frozenset({PayStatus.PENDING, PayStatus.SUCCEEDED, PayStatus.UNRECOGNISED})

_REFUND_STATES: Final = {
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}

_OF_THE_BANK: Final = frozenset(
    "bank_cannot_process check_returned incorrect_account_details insufficient_funds".split()
)
"""Reasons of disputes that nobody has raised: the bank found later that it cannot pay."""


def kind_of_type(type: str | None) -> PaymentMethod:
    """What kind of method one of the provider's types is."""
    if type in _CARDS:
        return PaymentMethod.CARD
    if type in SCHEMES or (type or "").endswith("_debit"):
        return PaymentMethod.DIRECT_DEBIT
    return PaymentMethod.TRANSFER if type in _TRANSFERS else PaymentMethod.OTHER


def payment(
    intent: Json, page: Json | None = None, *, refunds: Sequence[Json] = (), disputes: Sequence[Json] = ()
) -> PaymentSnapshot:
    """A payment intent as it is now, with its page if it has one.

    While the page is open the payer may try again, whatever was declined before: the payment is OPEN, by its page's
    name. Money counts as soon as the intent says so. `refunds` and `disputes` are all that there are of it.
    """
    status = _status(intent, page)
    currency = needed(intent, "currency").upper()
    refused = part(intent, "last_payment_error")
    told = status in (PayStatus.FAILED, PayStatus.REQUIRES_ACTION) and refused
    open_page = page if page is not None and status is PayStatus.OPEN else None
    reversals = (reversal(each) for each in disputes)
    return PaymentSnapshot(
        reference=needed(open_page or intent, "id"),
        key=key_of(intent) or (key_of(page) if page is not None else None),
        status=status,
        amount=of_provider(intent),
        collected=of_provider(intent, "amount_received") if status is PayStatus.SUCCEEDED else zero(currency),
        kind=kind_of_type(_type(intent)),
        created_at=instant(intent, "created"),
        method=id_at(intent, "payment_method") or id_at(refused, "payment_method"),
        decline=decline_of(refused) if told else None,
        reversals=tuple(each for each in reversals if each is not None),
        refunds=tuple(refund(each) for each in refunds),
    )


def page_alone(page: Json) -> PaymentSnapshot:
    """A page nobody has tried to pay on yet: OPEN, CANCELLED once it is closed, PENDING when it was just submitted."""
    statuses = {"open": PayStatus.OPEN, "expired": PayStatus.CANCELLED, "complete": PayStatus.PENDING}
    amount = of_provider(page, "amount_total")
    types = page.get("payment_method_types")
    type = "card" if not isinstance(types, list) or "card" in types else next(iter(types), None)
    return PaymentSnapshot(
        reference=needed(page, "id"),
        key=key_of(page),
        status=statuses.get(text(page, "status") or "", PayStatus.UNRECOGNISED),
        amount=amount,
        collected=zero(amount.currency.code),
        kind=kind_of_type(type),
        created_at=instant(page, "created"),
    )


def refund(of: Json) -> RefundSnapshot:
    """A refund; one of a status we do not know is PENDING: its money counts as gone or going."""
    return RefundSnapshot(
        reference=needed(of, "id"),
        payment=id_at(of, "payment_intent") or id_at(of, "charge") or "",
        amount=of_provider(of),
        state=_REFUND_STATES.get(text(of, "status") or "", RefundState.PENDING),
        key=key_of(of),
        reason=text(of, "failure_reason") or "",
    )


def reversal(dispute: Json) -> ReversalSnapshot | None:
    """A dispute that took money; None for an inquiry, and for one that was prevented before money moved.

    A debit that a bank returns after it succeeded is told as a dispute too, with the bank's reason.
    """
    status, reason = text(dispute, "status") or "", text(dispute, "reason") or ""
    moves = [whole(each, "amount") for each in listed(dispute, "balance_transactions")]
    taken, given_back = sum(move < 0 for move in moves), sum(move > 0 for move in moves)
    if status.startswith("warning_") or (status == "prevented" and not taken):
        return None
    return ReversalSnapshot(
        id=needed(dispute, "id"),
        kind=ReversalKind.LATE_FAILURE if reason in _OF_THE_BANK else ReversalKind.CHARGEBACK,
        amount=of_provider(dispute),
        cancelled=status == "won" or 0 < taken <= given_back,
        reason=reason,
    )


def method(of: Json, *, key: str | None = None, mandate: Json | None = None) -> MethodSnapshot:
    """A saved method: INACTIVE once it belongs to no customer, or its mandate is no longer active."""
    type = needed(of, "type")
    owner, agreed = id_at(of, "customer"), text(mandate or {}, "status")
    state, reason = MethodState.ACTIVE, ""
    if owner is None:
        state, reason = MethodState.INACTIVE, "detached"
    elif agreed == "inactive":
        state, reason = MethodState.INACTIVE, "mandate inactive"
    elif agreed == "pending":
        state = MethodState.PENDING
    return MethodSnapshot(
        reference=needed(of, "id"),
        key=key or key_of(part(of, "customer")),
        state=state,
        kind=kind_of_type(type),
        scheme=SCHEMES.get(type, type),
        label=label(of),
        owner=owner,
        reason=reason,
    )


def set_up(page: Json | None, intent: Json) -> MethodSnapshot:
    """A set-up: its method once it succeeded, OPEN while something is left to do, INACTIVE when nothing comes of it.

    `page` is the page it is done on, `intent` the set-up intent, empty when the page has none.
    """
    status, page_status = text(intent, "status"), text(page, "status") if page is not None else "complete"
    key = key_of(intent) or (key_of(page) if page is not None else None)
    if status == "succeeded" and (saved := part(intent, "payment_method")):
        return method(saved, key=key, mandate=part(intent, "mandate"))
    over = page_status == "expired" or status == "canceled"
    failed = (
        page_status == "complete" and status == "requires_payment_method" and bool(part(intent, "last_setup_error"))
    )
    types = (page or intent).get("payment_method_types")
    type = next((each for each in types if isinstance(each, str)), "card") if isinstance(types, list) else "card"
    return MethodSnapshot(
        reference=needed(page if page is not None else intent, "id"),
        key=key,
        state=MethodState.INACTIVE if over or failed else MethodState.OPEN,
        kind=kind_of_type(type),
        scheme=SCHEMES.get(type, type),
        owner=id_at(page or intent, "customer"),
        reason=decline_of(part(intent, "last_setup_error")).raw_code if failed else "expired" if over else "",
    )


def label(of: Json) -> str:
    """How a method is shown, such as "Visa •••• 4242"."""
    type = text(of, "type") or ""
    brand = text(of, type, "display_brand") or text(of, type, "brand") or ""
    name = _BRANDS.get(brand, "Card") if type == "card" else _LABELS.get(SCHEMES.get(type, ""), "")
    last = text(of, type, "last4") or ""
    return f"{name} •••• {last}".strip() if _LAST.fullmatch(last) else name


def _status(intent: Json, page: Json | None) -> PayStatus:
    known = text(intent, "status") or ""
    if known == "requires_payment_method":
        status = PayStatus.FAILED if part(intent, "last_payment_error") else PayStatus.OPEN
    else:
        status = _STATUSES.get(known, PayStatus.UNRECOGNISED)
    if page is None or status in _MOVING:
        return status
    match text(page, "status"):
        case "open":
            return PayStatus.OPEN
        case "expired":
            return PayStatus.CANCELLED
        case "complete":
            return PayStatus.PENDING if status is PayStatus.OPEN else status
        case _:
            return PayStatus.UNRECOGNISED


def _type(intent: Json) -> str | None:
    """The type of the method a payment was made by, or is to be made by."""
    for path in (
        ("latest_charge", "payment_method_details"),
        ("last_payment_error", "payment_method"),
        ("payment_method",),
    ):
        if (found := text(intent, *path, "type")) is not None:
            return found
    types = intent.get("payment_method_types")
    if not isinstance(types, list) or "card" in types:
        return "card"
    return next((each for each in types if isinstance(each, str)), None)
