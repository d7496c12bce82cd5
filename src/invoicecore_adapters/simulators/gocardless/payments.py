"""What happens to payments, from their creation to the last charge-back, and what it does to money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.gocardless.account import Account
from invoicecore_adapters.simulators.gocardless.records import Event, Payment
from invoicecore_adapters.simulators.gocardless.refusals import wrong_state

CANCELLABLE: Final = frozenset({"pending_customer_approval", "pending_submission"})
COLLECTED: Final = frozenset({"confirmed", "paid_out"})
MOST_RETRIES: Final = 3

RETRY_AFTER: Final = timedelta(days=3)
"""How long GoCardless waits before it tries a payment again by itself."""

REASON_CODES: Final[Mapping[str, Mapping[str, str]]] = {
    "bacs": {
        "authorisation_disputed": "ARUDD-5",
        "bank_account_closed": "ARUDD-B",
        "insufficient_funds": "ARUDD-0",
        "invalid_bank_details": "ARUDD-5",
        "mandate_cancelled": "ARUDD-1",
        "refer_to_payer": "ARUDD-0",
    },
    "sepa_core": {
        "authorisation_disputed": "MD01",
        "bank_account_closed": "AC04",
        "insufficient_funds": "AM04",
        "invalid_bank_details": "AC01",
        "mandate_cancelled": "MD01",
        "refer_to_payer": "MS03",
        "refund_requested": "MD06",
    },
}
"""The banks' own codes for causes, by scheme; every other is "OTHER"."""


def submit(account: Account, payment: Payment) -> None:
    """It goes to the banks: too late to cancel it."""
    payment.status = "submitted"
    account.event(payment, "submitted", "payment_submitted")


def confirm(account: Account, payment: Payment) -> None:
    """It was collected, as far as anybody can tell: the banks had time enough to object."""
    if payment.status in CANCELLABLE:
        submit(account, payment)
    payment.status = "confirmed"
    account.event(payment, "confirmed", "payment_confirmed")
    account.ledger.add(EffectKind.COLLECTED, payment.id, key=payment.key, amount=payment.money)


def fail(account: Account, payment: Payment, cause: str, *, again: bool) -> Event:
    """The bank says no, before it was collected or after (a late failure); GoCardless tries it `again`, or not.

    One that was paid out is taken back in the next payout.
    """
    if payment.status in CANCELLABLE:
        submit(account, payment)
    late, was_paid_out = payment.status in COLLECTED, payment.status == "paid_out"
    payment.status = "failed"
    payment.retry_at = account.now() + RETRY_AFTER if again else None
    event = account.event(
        payment,
        "failed",
        cause,
        origin="bank",
        scheme=payment.scheme,
        reason_code=REASON_CODES.get(payment.scheme, {}).get(cause, "OTHER"),
        will_attempt_retry=again,
        not_retried_reason="failure_filter_applied" if payment.retry_if_possible and not again else None,
    )
    if late:
        account.ledger.add(EffectKind.REVERSAL, payment.id, key=payment.key, amount=payment.money)
    if was_paid_out:
        account.debits.append(("payment_failed", payment.id))
    return event


def cancel(account: Account, payment: Payment, *, cause: str, origin: str, parent: Event | None = None) -> Event:
    """It is never collected."""
    payment.status = "cancelled"
    return account.event(payment, "cancelled", cause, origin=origin, parent=parent)


def cancel_by_request(account: Account, payment: Payment, metadata: dict[str, str]) -> None:
    """We cancel it; Refusal once it was sent."""
    if payment.status not in CANCELLABLE:
        raise wrong_state("cancellation_failed", "Payment cannot be cancelled as it has already been submitted")
    cancel(account, payment, cause="payment_cancelled", origin="api").metadata = metadata


def retry_by_request(account: Account, payment: Payment, metadata: dict[str, str]) -> None:
    """We have a failed one tried again; Refusal when it has not failed, was tried too often, or its mandate is over."""
    mandate = account.mandates[payment.mandate]
    if payment.status != "failed":
        raise wrong_state("retry_failed", "Only failed payments can be retried")
    if payment.retries >= MOST_RETRIES:
        raise wrong_state("retry_failed", "Payment has been retried too many times")
    if mandate.status != "active":
        raise wrong_state("mandate_is_inactive", "Mandate is failed, cancelled or expired")
    _resubmit(account, payment, "payment_retried", origin="api").metadata = metadata


def retry_when_due(account: Account) -> None:
    """Try again what GoCardless said it would, once its time has come."""
    for payment in account.payments.values():
        if payment.retry_at is not None and payment.retry_at <= account.now():
            _resubmit(account, payment, "payment_autoretried", origin="gocardless")


def _resubmit(account: Account, payment: Payment, cause: str, *, origin: str) -> Event:
    payment.status, payment.retry_at = "pending_submission", None
    payment.retries += 1
    return account.event(payment, "resubmission_requested", cause, origin=origin)


def charge_back(account: Account, payment: Payment, cause: str = "refund_requested") -> None:
    """The payer had their bank take a collected one back."""
    payment.before_chargeback, payment.status = payment.status, "charged_back"
    code = REASON_CODES.get(payment.scheme, {}).get(cause, "OTHER")
    account.event(payment, "charged_back", cause, origin="bank", scheme=payment.scheme, reason_code=code)
    account.ledger.add(EffectKind.REVERSAL, payment.id, key=payment.key, amount=payment.money)
    if payment.before_chargeback == "paid_out":
        account.debits.append(("payment_charged_back", payment.id))


def cancel_chargeback(account: Account, payment: Payment) -> None:
    """The bank gives a charge-back up, mostly because the payer asked for it: the money is ours again."""
    payment.status, payment.before_chargeback = payment.before_chargeback or "confirmed", None
    account.event(payment, "chargeback_cancelled", "payment_confirmed", origin="bank")
    account.ledger.add(EffectKind.REVERSAL_CANCELLED, payment.id, key=payment.key, amount=payment.money)
    item = ("payment_charged_back", payment.id)
    if item in account.debits:
        account.debits.remove(item)
