"""Refunds: money given back, which may come back from the payer's bank in turn."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from invoicecore.money import from_minor
from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.gocardless import payouts
from invoicecore_adapters.simulators.gocardless.account import Account
from invoicecore_adapters.simulators.gocardless.payments import COLLECTED
from invoicecore_adapters.simulators.gocardless.records import Refund
from invoicecore_adapters.simulators.gocardless.refusals import Json, invalid, link_not_found, misused, wrong_state

BATCH_AFTER: Final = timedelta(days=1)
"""When a new refund has gone to the banks with a batch."""


def ask(account: Account, fields: Json, key: str | None) -> Refund:
    """A refund of a payment, as asked for.

    Refusal unless `total_amount_confirmation` is what will have been refunded in all, which keeps two refunds from
    crossing; for a payment that was not collected, for more than is left, and for more than the account has.
    """
    if not account.can_refund:
        raise misused(403, "insufficient_permissions", "Refunds are not enabled on this account")
    payment = account.payments.get(fields.get("links", {}).get("payment", ""))
    if payment is None:
        raise link_not_found("payment")
    if "total_amount_confirmation" not in fields:
        raise invalid("refunds", {"total_amount_confirmation": "can't be blank"})
    if payment.status not in COLLECTED:
        raise wrong_state("refund_payment_invalid_state", "Payment must be confirmed or paid out to be refunded")
    refunded = payment.amount_refunded + fields["amount"]
    if fields["total_amount_confirmation"] != refunded:
        message = "total_amount_confirmation does not match the total amount refunded for the payment"
        raise wrong_state("total_amount_confirmation_invalid", message)
    if refunded > payment.amount:
        raise invalid("refunds", {"amount": "is more than what is left of the payment"})
    if account.balance is not None and fields["amount"] > account.balance:
        message = "The available refund amount is insufficient"
        raise wrong_state("available_refund_amount_insufficient", message)
    account.unused(key)
    refund = Refund(
        id=account.new_id("RF"),
        created_at=account.now(),
        key=key,
        metadata=fields.get("metadata", {}),
        amount=fields["amount"],
        currency=payment.currency,
        payment=payment.id,
        mandate=payment.mandate,
        reference=fields.get("reference"),
    )
    account.refunds[refund.id] = refund
    payment.amount_refunded = refunded
    if account.balance is not None:
        account.balance -= refund.amount
    account.debits.append(("payment_refunded", refund.id))
    account.event(refund, "created", "payment_refunded", origin="api")
    account.ledger.add(EffectKind.REFUND, refund.id, key=key, amount=from_minor(refund.amount, refund.currency))
    return refund


def submit_when_due(account: Account) -> None:
    """New refunds go to the banks with the next batch, of which no event tells."""
    for refund in account.refunds.values():
        if refund.status == "created" and refund.created_at + BATCH_AFTER <= account.now():
            refund.status = "submitted"


def pay(account: Account, refund: Refund) -> None:
    """The payer has it."""
    refund.status = "paid"
    account.event(refund, "paid", "refund_paid")


def settle(account: Account, refund: Refund) -> None:
    """The payer has it, and a payout was less by it."""
    if refund.status != "paid":
        pay(account, refund)
    if not refund.settled:
        payouts.settle(account, refund.currency)


def bounce(account: Account, refund: Refund) -> None:
    """The payer's bank did not take it, even after it was paid: nothing was given back."""
    refund.status = "bounced"
    account.event(refund, "failed", "refund_failed")
    _undone(account, refund)


def return_funds(account: Account, refund: Refund) -> None:
    """It never left, or came back: the merchant has the money again."""
    counted = refund.status not in ("bounced", "funds_returned")
    refund.status = "funds_returned"
    account.event(refund, "funds_returned", "refund_funds_returned")
    if counted:
        _undone(account, refund)


def _undone(account: Account, refund: Refund) -> None:
    account.payments[refund.payment].amount_refunded -= refund.amount
    account.ledger.add(EffectKind.REFUND_FAILED, refund.id, key=refund.key, amount=refund.money)
    item = ("payment_refunded", refund.id)
    if item in account.debits:
        account.debits.remove(item)
