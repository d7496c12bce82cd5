"""GoCardless's own scenario simulators: the names, the states each may start in, and what it brings about.

The names and rules are those of `ScenarioSimulatorsService.run` in GoCardless's library. Two states are taken for
another: a refund that was just `created` counts as `pending_submission`, and `activated` is `active`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from invoicecore_adapters.simulators.gocardless import billing, collecting, mandates, payments, payouts, refunds
from invoicecore_adapters.simulators.gocardless.account import CREDITOR, Account, one
from invoicecore_adapters.simulators.gocardless.collecting import not_ready
from invoicecore_adapters.simulators.gocardless.days import SCHEMES
from invoicecore_adapters.simulators.gocardless.records import BillingRequest, Mandate, Payment, Refund
from invoicecore_adapters.simulators.gocardless.refusals import not_found

Scenario = Callable[[Account, str], None]


def run(account: Account, name: str, resource: str) -> None:
    """Run a scenario on a resource; Refusal for an unknown name, no such resource, or one that is not ready for it."""
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise not_found()
    scenario(account, resource)


def _in(status: str, allowed: Collection[str]) -> None:
    if status not in allowed:
        raise not_ready(f"The resource is {status}; the scenario starts from {', '.join(sorted(allowed))}")


# --- payments ---


def _submitted(account: Account, id: str) -> None:
    payment = _pending(account, id)
    payments.submit(account, payment)


def _confirmed(account: Account, id: str) -> None:
    payment = _pending(account, id)
    collecting.must_be_able(account, payment)
    collecting.collect(account, payment)


def _paid_out(account: Account, id: str) -> None:
    _confirmed(account, id)
    payouts.pay_out(account, one(account.payments, id))


def _failed(account: Account, id: str) -> None:
    payment = _pending(account, id)
    collecting.must_be_able(account, payment)
    mandate = account.mandates[payment.mandate]
    payments.submit(account, payment)
    if mandate.status == "pending_submission":
        mandates.activate(account, mandate)
    collecting.fail(account, payment, "test_failure")


def _charged_back(account: Account, id: str) -> None:
    _paid_out(account, id)
    payments.charge_back(account, one(account.payments, id))


def _chargeback_settled(account: Account, id: str) -> None:
    _charged_back(account, id)
    payouts.settle(account, one(account.payments, id).currency)


def _late_failure(account: Account, id: str) -> None:
    payment = one(account.payments, id)
    _in(payment.status, ("pending_submission", "paid_out"))
    if payment.scheme == "autogiro":
        raise not_ready("Late failures do not happen to Autogiro payments")
    if payment.status == "pending_submission":
        _paid_out(account, id)
    collecting.fail(account, payment, "test_failure")


def _late_failure_settled(account: Account, id: str) -> None:
    _late_failure(account, id)
    payouts.settle(account, one(account.payments, id).currency)


def _pending(account: Account, id: str) -> Payment:
    payment = one(account.payments, id)
    _in(payment.status, ("pending_submission",))
    return payment


# --- mandates ---


def _activated(account: Account, id: str) -> None:
    mandate = _new(account, id)
    if SCHEMES[mandate.scheme].with_first_payment:
        raise not_ready("Mandates of this scheme are activated with their first payment")
    mandates.activate(account, mandate)


def _approval(how: str) -> Scenario:
    def scenario(account: Account, id: str) -> None:
        mandate = one(account.mandates, id)
        _in(mandate.status, ("pending_customer_approval",))
        _only(mandate, "bacs", "sepa_core")
        mandates.approve(account, mandate, how)

    return scenario


def _mandate_failed(account: Account, id: str) -> None:
    mandate = one(account.mandates, id)
    _in(mandate.status, ("pending_submission", "submitted"))
    _not(mandate, "sepa_core")
    if mandate.status == "pending_submission":
        mandates.submit(account, mandate)
    mandates.end(account, mandate, "failed", "invalid_bank_details", reason_code="AUDDIS-5")


def _expired(account: Account, id: str) -> None:
    mandate = _new(account, id)
    if not SCHEMES[mandate.scheme].expires:
        raise not_ready("Mandates of this scheme do not expire")
    mandates.activate(account, mandate)
    mandates.end(account, mandate, "expired", "mandate_expired", origin="gocardless")


def _transferred(account: Account, id: str) -> None:
    mandate = _new(account, id)
    _only(mandate, "bacs", "sepa_core")
    mandates.activate(account, mandate)
    mandates.transfer(account, mandate)


def _transferred_with_resubmission(account: Account, id: str) -> None:
    mandate = _new(account, id)
    _only(mandate, "bacs")
    mandates.activate(account, mandate)
    mandates.transfer(account, mandate, resubmitted=True)


def _suspended(account: Account, id: str) -> None:
    mandate = one(account.mandates, id)
    _in(mandate.status, ("active",))
    _only(mandate, "pay_to")


def _new(account: Account, id: str) -> Mandate:
    mandate = one(account.mandates, id)
    _in(mandate.status, ("pending_submission",))
    return mandate


def _only(mandate: Mandate, *schemes: str) -> None:
    if mandate.scheme not in schemes:
        raise not_ready(f"Only for mandates of {', '.join(schemes)}")


def _not(mandate: Mandate, scheme: str) -> None:
    if mandate.scheme == scheme:
        raise not_ready(f"Not for mandates of {scheme}")


# --- refunds, payouts, creditors ---


def _refund_in(account: Account, id: str, *allowed: str) -> Refund:
    refund = one(account.refunds, id)
    _in("pending_submission" if refund.status == "created" else refund.status, allowed)
    return refund


def _refund_paid(account: Account, id: str) -> None:
    refunds.pay(account, _refund_in(account, id, "pending_submission", "submitted"))


def _refund_settled(account: Account, id: str) -> None:
    refunds.settle(account, _refund_in(account, id, "pending_submission", "submitted", "paid"))


def _refund_bounced(account: Account, id: str) -> None:
    refunds.bounce(account, _refund_in(account, id, "pending_submission", "submitted", "paid"))


def _refund_returned(account: Account, id: str) -> None:
    refunds.return_funds(account, _refund_in(account, id, "pending_submission"))


def _payout_bounced(account: Account, id: str) -> None:
    payout = one(account.payouts, id)
    _in(payout.status, ("paid",))
    payouts.bounce(account, payout)


def _verification(status: str) -> Scenario:
    def scenario(account: Account, id: str) -> None:
        if id != CREDITOR:
            raise not_found()
        account.verification_status = status

    return scenario


# --- billing requests ---


def _fulfilled(account: Account, id: str) -> BillingRequest:
    request = one(account.billing_requests, id)
    _in(request.status, ("pending",))
    waits = [name for name, done in request.actions.items() if not done]
    if waits != ["bank_authorisation"]:
        raise not_ready("Every action but bank_authorisation must be completed, of a request for a payment")
    billing.authorise(account, request)
    billing.fulfil(account, request, "payer")
    return request


def _paid(account: Account, id: str) -> Payment:
    return account.payments[_fulfilled(account, id).payment or ""]


def _fulfilled_only(account: Account, id: str) -> None:
    _fulfilled(account, id)


def _fulfilled_and_failed(account: Account, id: str) -> None:
    collecting.fail(account, _paid(account, id), "test_failure")


def _fulfilled_confirmed_failed(account: Account, id: str) -> None:
    payment = _paid(account, id)
    payments.confirm(account, payment)
    collecting.fail(account, payment, "test_failure")


def _fulfilled_paid_out(account: Account, id: str) -> None:
    payment = _paid(account, id)
    payments.confirm(account, payment)
    payouts.pay_out(account, payment)


SCENARIOS: Final[dict[str, Scenario]] = {
    "creditor_verification_status_action_required": _verification("action_required"),
    "creditor_verification_status_in_review": _verification("in_review"),
    "creditor_verification_status_successful": _verification("successful"),
    "payment_confirmed": _confirmed,
    "payment_paid_out": _paid_out,
    "payment_failed": _failed,
    "payment_charged_back": _charged_back,
    "payment_chargeback_settled": _chargeback_settled,
    "payment_late_failure": _late_failure,
    "payment_late_failure_settled": _late_failure_settled,
    "payment_submitted": _submitted,
    "mandate_activated": _activated,
    "mandate_customer_approval_granted": _approval("granted"),
    "mandate_customer_approval_skipped": _approval("skipped"),
    "mandate_failed": _mandate_failed,
    "mandate_expired": _expired,
    "mandate_transferred": _transferred,
    "mandate_transferred_with_resubmission": _transferred_with_resubmission,
    "mandate_suspended_by_payer": _suspended,
    "refund_paid": _refund_paid,
    "refund_settled": _refund_settled,
    "refund_bounced": _refund_bounced,
    "refund_returned": _refund_returned,
    "payout_bounced": _payout_bounced,
    "billing_request_fulfilled": _fulfilled_only,
    "billing_request_fulfilled_and_payment_failed": _fulfilled_and_failed,
    "billing_request_fulfilled_and_payment_confirmed_to_failed": _fulfilled_confirmed_failed,
    "billing_request_fulfilled_and_payment_paid_out": _fulfilled_paid_out,
}
"""Every official scenario, by name."""
