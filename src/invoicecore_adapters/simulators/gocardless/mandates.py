"""What happens to mandates, and what that does to the payments on them."""

from __future__ import annotations

from datetime import date
from typing import Final

from invoicecore_adapters.simulators.gocardless import payments
from invoicecore_adapters.simulators.gocardless.account import CREDITOR, Account
from invoicecore_adapters.simulators.gocardless.days import SCHEMES, after_working_days
from invoicecore_adapters.simulators.gocardless.records import BankAccount, Event, Mandate
from invoicecore_adapters.simulators.gocardless.refusals import wrong_state

CHARGEABLE: Final = frozenset({"pending_customer_approval", "pending_submission", "submitted", "active"})
"""Statuses in which a mandate takes payments."""

MOST_REINSTATES: Final = 10


def create(
    account: Account,
    *,
    customer: str,
    bank_account: BankAccount,
    scheme: str,
    key: str | None = None,
    metadata: dict[str, str] | None = None,
    reference: str | None = None,
    dual_signature: bool = False,
    origin: str = "api",
) -> Mandate:
    """A mandate that a customer has just given."""
    mandate = Mandate(
        id=account.new_id("MD"),
        created_at=account.now(),
        key=key,
        metadata=dict(metadata or {}),
        creditor=CREDITOR,
        customer=customer,
        bank_account=bank_account.id,
        scheme=scheme,
        currency=bank_account.currency,
        reference=reference or f"SIM-{len(account.mandates) + 1}",
        status="pending_customer_approval" if dual_signature else "pending_submission",
    )
    account.mandates[mandate.id] = mandate
    account.event(mandate, "created", "mandate_created", origin=origin)
    return mandate


def next_charge_date(account: Account, mandate: Mandate) -> date | None:
    """The first day a new payment can be collected on; it moves on with time, and is none for a dead mandate."""
    scheme = SCHEMES.get(mandate.scheme)
    if scheme is None or mandate.status not in CHARGEABLE:
        return None
    notice = scheme.notice_active if mandate.status == "active" else scheme.notice_new
    return after_working_days(account.now().date(), notice)


def submit(account: Account, mandate: Mandate) -> None:
    """It goes to the banks."""
    mandate.status = "submitted"
    account.event(mandate, "submitted", "mandate_submitted")


def activate(account: Account, mandate: Mandate) -> None:
    """It goes to the banks, and no bank objects."""
    if mandate.status == "pending_submission":
        submit(account, mandate)
    mandate.status = "active"
    if mandate.reinstated:
        account.event(mandate, "reinstated", "mandate_reinstated")
    else:
        account.event(mandate, "active", "mandate_activated")


def approve(account: Account, mandate: Mandate, how: str) -> None:
    """Its second signatory has signed ("granted"), or need not ("skipped"); its payments go on."""
    mandate.status = "pending_submission"
    action = f"customer_approval_{how}"
    parent = account.event(mandate, action, action, origin="customer")
    for payment in account.payments.values():
        if payment.mandate == mandate.id and payment.status == "pending_customer_approval":
            payment.status = "pending_submission"
            account.event(
                payment, "customer_approval_granted", "customer_approval_granted", origin="customer", parent=parent
            )


def end(
    account: Account,
    mandate: Mandate,
    action: str,
    cause: str,
    *,
    origin: str = "bank",
    reason_code: str | None = None,
    parent: Event | None = None,
) -> Event:
    """It is over ("cancelled", "failed", "expired", "blocked"): what was not sent on it yet is cancelled with it."""
    mandate.status = action
    scheme = mandate.scheme if origin == "bank" else None
    event = account.event(mandate, action, cause, origin=origin, parent=parent, scheme=scheme, reason_code=reason_code)
    for payment in list(account.payments.values()):
        if payment.mandate == mandate.id and payment.status in payments.CANCELLABLE:
            payments.cancel(account, payment, cause="mandate_cancelled", origin=origin, parent=event)
    return event


def cancel_by_request(account: Account, mandate: Mandate, metadata: dict[str, str]) -> None:
    """We give it up; Refusal when it is over already."""
    if mandate.status not in CHARGEABLE:
        raise wrong_state("cancellation_failed", "Mandate cannot be cancelled")
    end(account, mandate, "cancelled", "mandate_cancelled", origin="api").metadata = metadata


def reinstate(account: Account, mandate: Mandate, metadata: dict[str, str]) -> None:
    """Send one that is over to the banks again; Refusal when it is not, or was too often."""
    if mandate.status in CHARGEABLE:
        raise wrong_state("mandate_not_inactive", "Mandate is already active or being submitted")
    if mandate.replaced_by is not None:
        raise wrong_state("mandate_replaced", "Mandate was replaced", links={"new_mandate": mandate.replaced_by})
    if mandate.status not in ("cancelled", "expired") or mandate.reinstated >= MOST_REINSTATES:
        raise wrong_state("reinstatement_failed", "Mandate cannot be reinstated")
    mandate.reinstated += 1
    mandate.status = "pending_submission"
    event = account.event(mandate, "resubmission_requested", "resubmission_requested", origin="api")
    event.metadata = metadata


def replace(account: Account, mandate: Mandate) -> Mandate:
    """A new mandate takes its place, as when the creditor's own number changes; what was not sent yet moves over."""
    bank_account = account.bank_accounts[mandate.bank_account]
    new = create(
        account,
        customer=mandate.customer,
        bank_account=bank_account,
        scheme=mandate.scheme,
        key=mandate.key,
        metadata=mandate.metadata,
        origin="gocardless",
    )
    new.status, mandate.status, mandate.replaced_by = mandate.status, "cancelled", new.id
    account.event(mandate, "replaced", "scheme_identifier_changed", links={"new_mandate": new.id})
    for payment in account.payments.values():
        if payment.mandate == mandate.id and payment.status in payments.CANCELLABLE:
            payment.mandate = new.id
    return new


def transfer(account: Account, mandate: Mandate, *, resubmitted: bool = False) -> None:
    """Its customer changed banks: the same mandate, on another account."""
    old = account.bank_accounts[mandate.bank_account]
    new = BankAccount(
        id=account.new_id("BA"),
        created_at=account.now(),
        customer=old.customer,
        holder=old.holder,
        ending="99",
        country=old.country,
        currency=old.currency,
    )
    account.bank_accounts[new.id] = new
    old.enabled, mandate.bank_account = False, new.id
    links = {"previous_customer_bank_account": old.id, "new_customer_bank_account": new.id}
    account.event(mandate, "transferred", "bank_account_transferred", origin="bank", links=links)
    if resubmitted:
        mandate.status = "pending_submission"
        account.event(mandate, "resubmission_requested", "bank_account_transferred", origin="bank")
        submit(account, mandate)
