"""Money that goes back: refunds, which may fail after they succeeded, and disputes, which may be won."""

from __future__ import annotations

from typing import Any

from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.stripe.account import Account, Object
from invoicecore_adapters.simulators.stripe.amounts import checked
from invoicecore_adapters.simulators.stripe.refusals import refused


def create_refund(account: Account, params: dict[str, Any]) -> Object:
    """POST /v1/refunds, of a payment intent or a charge: at once for a card, later for a bank debit."""
    if ("payment_intent" in params) == ("charge" in params):
        raise refused("One of the following params should be provided for this request: payment_intent or charge.")
    if "payment_intent" in params:
        intent = account.the("payment_intent", params["payment_intent"], param="payment_intent")
        charge = account.objects.get(intent["latest_charge"] or "")
        if charge is None or intent["status"] != "succeeded":
            raise refused(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
    else:
        charge = account.the("charge", params["charge"], param="charge")
        intent = account.objects[charge["payment_intent"]]
    if charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} has not succeeded.", code="charge_not_refundable", param="charge")
    if charge["disputed"] and not _refundable(account, charge):
        raise refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise refused(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", param="charge"
        )
    amount = params.get("amount", left)
    checked(amount, charge["currency"], least=False)
    if amount > left:
        raise refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")
    card = charge["payment_method_details"]["type"] == "card"
    made = account.add(
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"type": charge["payment_method_details"]["type"]},
        metadata=params.get("metadata", {}),
        payment_intent=intent["id"],
        payment_method=charge["payment_method"],
        pending_reason=None if card else "processing",
        reason=params.get("reason"),
        status="succeeded" if card else "pending",
    )
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    account.effect(EffectKind.REFUND, made, key=account.key_of(made["id"]), amount=amount)
    account.happened("refund.created", made)
    account.happened("charge.refunded", charge)
    return made


def _refundable(account: Account, charge: Object) -> bool:
    return all(one["is_charge_refundable"] for one in account.all("dispute") if one["charge"] == charge["id"])


def settle_refund(account: Account, refund: Object, *, failed: bool) -> None:
    """A pending refund goes through, or one in any state fails: its money is ours again."""
    refund["pending_reason"] = None
    if not failed:
        refund["status"] = "succeeded"
        account.happened("refund.updated", refund)
        return
    charge = account.objects[refund["charge"]]
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    key = account.key_of(refund["id"])
    account.effect(EffectKind.REFUND_FAILED, refund, key=key, amount=refund["amount"])
    account.happened("charge.refund.updated", refund)
    account.happened("refund.failed", refund)


def dispute(account: Account, intent: Object, *, status: str = "needs_response", reason: str = "fraudulent") -> Object:
    """The payer's bank takes a payment back, or only asks (status `warning_needs_response`): then no money moves."""
    charge = account.objects[intent["latest_charge"] or ""]
    type = charge["payment_method_details"]["type"]
    about: dict[str, Any] = {"type": type}
    if type == "card":
        case = "inquiry" if status.startswith("warning_") else "chargeback"
        about["card"] = {"brand": "visa", "case_type": case, "network": "visa", "network_reason_code": "10.4"}
    made = account.add(
        "dispute",
        amount=charge["amount"],
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={"enhanced_evidence": {}},
        evidence_details={
            "due_by": account.time() + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=status.startswith("warning_"),
        payment_intent=intent["id"],
        payment_method_details=about,
        reason=reason,
        status=status,
    )
    charge["disputed"] = True
    account.happened("charge.dispute.created", made)
    if not status.startswith("warning_"):
        _moved(account, made, -1)
    return made


def change_dispute(account: Account, made: Object, status: str) -> None:
    """A dispute goes on: an inquiry becomes one that takes money, and one that took money is won or lost."""
    before, made["status"] = made["status"], status
    if before.startswith("warning_") and not status.startswith("warning_"):
        made["is_charge_refundable"] = False
        _moved(account, made, -1)
    elif status == "won":
        _moved(account, made, 1)
    closed = status in ("won", "lost", "warning_closed", "prevented")
    account.happened("charge.dispute.closed" if closed else "charge.dispute.updated", made)


def _moved(account: Account, made: Object, sign: int) -> None:
    """Take the money, or give it back."""
    intent = account.objects[made["payment_intent"]]
    entry = account.add(
        "balance_transaction",
        amount=sign * made["amount"],
        available_on=account.time(),
        balance_type="payments",
        currency=made["currency"],
        fee=0,
        fee_details=[],
        net=sign * made["amount"],
        reporting_category="dispute" if sign < 0 else "dispute_reversal",
        source=made["id"],
        status="available",
        type="adjustment",
    )
    made["balance_transactions"].append({**entry})
    kind = EffectKind.REVERSAL if sign < 0 else EffectKind.REVERSAL_CANCELLED
    account.effect(kind, made, key=account.key_of(intent["id"]), amount=made["amount"])
    account.happened(f"charge.dispute.funds_{'withdrawn' if sign < 0 else 'reinstated'}", made)
