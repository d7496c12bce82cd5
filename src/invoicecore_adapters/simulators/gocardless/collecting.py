"""Where payments and mandates meet: a payment is asked for on a mandate, is collected, or fails and takes it along."""

from __future__ import annotations

from datetime import date
from typing import Final

from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.gocardless import mandates, payments
from invoicecore_adapters.simulators.gocardless.account import CREDITOR, Account, one
from invoicecore_adapters.simulators.gocardless.days import SCHEMES, rolled
from invoicecore_adapters.simulators.gocardless.records import Payment
from invoicecore_adapters.simulators.gocardless.refusals import Json, Refusal, invalid, link_not_found, wrong_state

ENDS_MANDATE: Final = frozenset(
    {"bank_account_closed", "direct_debit_not_enabled", "invalid_bank_details", "mandate_cancelled"}
)
"""Causes of a failure that cost the mandate too."""

_LONGEST_REFERENCE: Final = {"bacs": 10, "ach": 10, "autogiro": 11, "pad": 0}


def ask(account: Account, fields: Json, key: str | None) -> Payment:
    """A payment on a mandate, as asked for; Refusal for a dead mandate, a day too early or another currency."""
    mandate = account.mandates.get(fields["links"]["mandate"])
    if mandate is None:
        raise link_not_found("mandate")
    if mandate.replaced_by is not None:
        links = {"new_mandate": mandate.replaced_by}
        raise wrong_state("mandate_replaced", "Mandate has been replaced", links=links)
    earliest = mandates.next_charge_date(account, mandate)
    if earliest is None:
        raise wrong_state("mandate_is_inactive", "Mandate is failed, cancelled or expired")
    wanted = date.fromisoformat(fields["charge_date"]) if "charge_date" in fields else earliest
    faults = {}
    if wanted < earliest:
        faults["charge_date"] = "must be on or after mandate's next_possible_charge_date"
    if fields["currency"] != mandate.currency:
        faults["currency"] = "must match the mandate's scheme"
    longest = _LONGEST_REFERENCE.get(mandate.scheme, 140)
    if len(fields.get("reference", "")) > longest:
        faults["reference"] = f"is too long (maximum is {longest} characters)"
    if faults:
        raise invalid("payments", faults)
    account.unused(key)
    waits = mandate.status == "pending_customer_approval"
    return add(
        account,
        Payment(
            id=account.new_id("PM"),
            created_at=account.now(),
            key=key,
            metadata=fields.get("metadata", {}),
            amount=fields["amount"],
            currency=fields["currency"],
            scheme=mandate.scheme,
            creditor=CREDITOR,
            mandate=mandate.id,
            charge_date=rolled(wanted),
            status="pending_customer_approval" if waits else "pending_submission",
            description=fields.get("description"),
            reference=fields.get("reference"),
            retry_if_possible=fields.get("retry_if_possible", False),
            app_fee=fields.get("app_fee"),
        ),
    )


def add(account: Account, payment: Payment) -> Payment:
    """A payment that is there from now on."""
    account.payments[payment.id] = payment
    account.event(payment, "created", "payment_created", origin="api")
    account.ledger.add(EffectKind.PAYMENT, payment.id, key=payment.key, amount=payment.money)
    return payment


def collect(account: Account, payment: Payment) -> None:
    """Its money arrives, unless its mandate was made to decline: the mandate is active at the latest now."""
    mandate = account.mandates[payment.mandate]
    if mandate.decline is not None:
        fail(account, payment, mandate.decline)
        return
    if payment.status in payments.CANCELLABLE:
        payments.submit(account, payment)
    if mandate.status in ("pending_submission", "submitted"):
        mandates.activate(account, mandate)
    payments.confirm(account, payment)


def fail(account: Account, payment: Payment, cause: str) -> None:
    """The bank says no; when there is no account behind the mandate any more, the mandate ends too."""
    mandate, ends = one(account.mandates, payment.mandate), cause in ENDS_MANDATE
    again = payment.retry_if_possible and not ends and payment.retries < payments.MOST_RETRIES
    event = payments.fail(account, payment, cause, again=again)
    if ends and mandate.status in mandates.CHARGEABLE:
        code = event.details["reason_code"]
        mandates.end(account, mandate, "cancelled", cause, reason_code=code, parent=event)


def must_be_able(account: Account, payment: Payment) -> None:
    """Refusal unless the mandate behind a pending payment lets it be collected, as the scenarios demand."""
    mandate = account.mandates[payment.mandate]
    scheme = SCHEMES.get(mandate.scheme)
    new = scheme is not None and scheme.with_first_payment and mandate.status in ("pending_submission", "submitted")
    if not new and mandate.status not in ("active", "consumed"):
        raise not_ready("The payment's mandate must be active")


def not_ready(message: str) -> Refusal:
    """A scenario that cannot be run on a resource as it is."""
    return wrong_state("invalid_state_for_scenario", message)
