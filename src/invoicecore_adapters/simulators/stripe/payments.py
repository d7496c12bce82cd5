"""Payment intents and their charges: cards are decided at once, bank debits later."""

from __future__ import annotations

from typing import Any, Final

from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.stripe.account import Account, Object
from invoicecore_adapters.simulators.stripe.amounts import checked
from invoicecore_adapters.simulators.stripe.cards import DEBITS, TEST_METHODS, card_error, debit_error, details
from invoicecore_adapters.simulators.stripe.refusals import Refused, missing, refused

_CANCELLABLE: Final = {"requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"}
_USED_UP: Final = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use "
    "a PaymentMethod multiple times, you must attach it to a Customer first."
)


# --- methods ---


def make_method(account: Account, type: str, *, customer: str | None = None, decline: str | None = None) -> Object:
    """A new card or bank account; a bank account has a mandate. Its charges are declined with `decline` if given."""
    empty_address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    billing = {"address": empty_address, "email": None, "name": "Jenny Rosen", "phone": None, "tax_id": None}
    made = account.add(
        "payment_method", type=type, customer=customer, billing_details=billing, allow_redisplay="limited"
    )
    made[type] = details(type)
    account.hidden[made["id"]] |= {"decline": decline, "spent": False, "mandate": None}
    if type != "card":
        mandate = account.add(
            "mandate",
            customer_acceptance={
                "accepted_at": account.time(),
                "online": {"ip_address": "127.0.0.1", "user_agent": "simulator"},
                "type": "online",
            },
            multi_use={},
            payment_method=made["id"],
            payment_method_details={"type": type, type: {}},
            status="active",
            type="multi_use",
        )
        account.hidden[made["id"]]["mandate"] = mandate["id"]
    return made


def method_named(account: Account, id: str, *, param: str | None = "payment_method") -> Object:
    """A payment method by its id; Stripe's names of test methods give a new one each time."""
    if id in TEST_METHODS:
        type, decline = TEST_METHODS[id]
        return make_method(account, type, decline=decline)
    found = account.objects.get(id)
    if found is None or found["object"] != "payment_method":
        raise missing("PaymentMethod", id, param=param)
    return found


def attach(account: Account, method: Object, customer: str) -> None:
    """Make a method a customer's own."""
    if method["customer"] is None and account.hidden[method["id"]]["spent"]:
        raise refused(_USED_UP)
    if method["customer"] not in (None, customer):
        raise refused("The payment method you provided has already been attached to a customer.", param="customer")
    method["customer"] = customer
    account.happened("payment_method.attached", method)


def detach(account: Account, method: Object) -> None:
    """Take a method from its customer, for good."""
    if method["customer"] is None:
        raise refused(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    method["customer"] = None
    account.hidden[method["id"]]["spent"] = True
    account.happened("payment_method.detached", method)


# --- intents ---


def make_intent(account: Account, *, amount: int, currency: str, types: list[str], **values: object) -> Object:
    """A payment intent without a method yet."""
    made = account.add(
        "payment_intent",
        amount=amount,
        currency=currency,
        amount_capturable=0,
        amount_received=0,
        amount_details={"tip": {}},
        automatic_payment_methods={"enabled": True, "allow_redirects": "always"},
        capture_method="automatic_async",
        confirmation_method="automatic",
        payment_method_options={},
        payment_method_types=types,
        status="requires_payment_method",
    )
    made["client_secret"] = f"{made['id']}_secret_{made['id'][-6:]}"
    made |= values
    account.happened("payment_intent.created", made)
    return made


def create_intent(account: Account, params: dict[str, Any]) -> Object:
    """POST /v1/payment_intents: with `confirm` it is charged at once, and a decline is a 402."""
    currency = params["currency"].lower()
    checked(params["amount"], currency)
    confirm = params.get("confirm", False)
    if params.get("off_session") and not confirm:
        raise refused("off_session can only be set when confirm=true", param="off_session")
    automatic = params.get("automatic_payment_methods", {})
    if confirm and "return_url" not in params and automatic.get("allow_redirects") != "never":
        raise refused(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. "
            "If you don't want to accept redirect-based payment methods, set "
            "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to "
            "`never` when creating Setup Intents and Payment Intents."
        )
    if "customer" in params:
        account.the("customer", params["customer"], param="customer")
    known = [kind for kind in ("card", DEBITS.get(currency)) if kind]
    allowed = params.get("allowed_payment_method_types", known)
    types = [kind for kind in known if kind in allowed]
    if not types:
        raise refused("No valid payment method types for this Payment Intent.", param="allowed_payment_method_types")
    intent = make_intent(
        account,
        amount=params["amount"],
        currency=currency,
        types=types,
        **{
            name: params[name]
            for name in ("customer", "description", "metadata", "receipt_email", "setup_future_usage",
                         "statement_descriptor", "statement_descriptor_suffix")
            if name in params
        },
    )  # fmt: skip
    if "payment_method" in params:
        method = method_named(account, params["payment_method"])
        usable(account, intent, method)
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_confirmation"
        if confirm:
            charge(account, intent, method)
    elif confirm:
        raise refused(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    return intent


def usable(account: Account, intent: Object, method: Object) -> None:
    """Refuse a method that cannot pay an intent."""
    kept = account.hidden[method["id"]]
    if kept["spent"] and method["customer"] is None:
        raise refused(_USED_UP)
    if method["customer"] is not None and intent["customer"] != method["customer"]:
        raise refused(
            f"The customer does not have a payment method with the ID {method['id']}. The payment method must be "
            "attached to the customer.",
            param="payment_method",
        )
    if method["type"] not in intent["payment_method_types"]:
        raise refused(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    if kept["mandate"] is not None and account.objects[kept["mandate"]]["status"] == "inactive":
        raise refused(
            "The mandate of this PaymentMethod is inactive.", code="payment_intent_mandate_invalid", param="mandate"
        )


def charge(account: Account, intent: Object, method: Object) -> None:
    """Charge a method: a card answers at once (Refused with 402 when it is declined), a bank debit is processing."""
    kept = account.hidden[method["id"]]
    card = method["type"] == "card"
    made = account.add(
        "charge",
        prefix="ch" if card else "py",
        amount=intent["amount"],
        amount_captured=0,
        amount_refunded=0,
        billing_details=method["billing_details"],
        captured=False,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        fraud_details={},
        metadata=dict(intent["metadata"]),
        paid=False,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"type": method["type"], method["type"]: _told(method, kept["mandate"])},
        refunded=False,
        status="pending",
    )
    intent |= {"payment_method": method["id"], "latest_charge": made["id"], "last_payment_error": None}
    if card and kept["decline"]:
        raise decline(account, intent, card_error(kept["decline"]))
    if method["customer"] is None:
        if intent["customer"] is not None and intent["setup_future_usage"] is not None:
            attach(account, method, intent["customer"])
        else:
            kept["spent"] = True
    account.effect(EffectKind.PAYMENT, intent, key=account.key_of(intent["id"]), amount=intent["amount"])
    if card:
        succeed(account, intent)
        return
    intent["status"] = "processing"
    account.happened("charge.pending", made)
    account.happened("payment_intent.processing", intent)


def _told(method: Object, mandate: str | None) -> Object:
    left_out = {"display_brand", "networks", "three_d_secure_usage", "status_details", "generated_from"}
    told = {name: value for name, value in method[method["type"]].items() if name not in left_out}
    return {**told, "mandate": mandate, **({"network": "visa"} if method["type"] == "card" else {})}


def succeed(account: Account, intent: Object) -> None:
    """The money of an intent's charge arrived."""
    made = account.objects[intent["latest_charge"]]
    balance = account.add(
        "balance_transaction",
        amount=intent["amount"],
        available_on=account.time() + 7 * 86400,
        balance_type="payments",
        currency=intent["currency"],
        fee=0,
        fee_details=[],
        net=intent["amount"],
        reporting_category="charge",
        source=made["id"],
        status="pending",
        type="charge" if made["id"].startswith("ch_") else "payment",
    )
    made |= {
        "amount_captured": intent["amount"],
        "balance_transaction": balance["id"],
        "captured": True,
        "outcome": {"network_status": "approved_by_network", "reason": None, "type": "authorized"},
        "paid": True,
        "status": "succeeded",
    }
    intent |= {"amount_received": intent["amount"], "status": "succeeded", "last_payment_error": None}
    account.effect(EffectKind.COLLECTED, intent, key=account.key_of(intent["id"]), amount=intent["amount"])
    account.happened("charge.succeeded", made)
    account.happened("payment_intent.succeeded", intent)


def decline(account: Account, intent: Object, error: dict[str, Any]) -> Refused:
    """An intent's charge failed; what to answer whoever waits for it. The intent waits for another method."""
    made = account.objects[intent["latest_charge"]]
    method = account.objects[made["payment_method"]]
    made |= {
        "failure_code": error["code"],
        "failure_message": error["message"],
        "outcome": {
            "network_status": "declined_by_network",
            "reason": error.get("decline_code"),
            "type": "issuer_declined",
        },
        "status": "failed",
    }
    told = {**error, "charge": made["id"], "payment_method": {**method}}
    intent |= {"last_payment_error": told, "payment_method": None, "status": "requires_payment_method"}
    account.happened("charge.failed", made)
    account.happened("payment_intent.payment_failed", intent)
    return Refused(402, {**told, "payment_intent": {**intent}})


def cancel(account: Account, intent: Object, params: dict[str, Any]) -> Object:
    """POST /v1/payment_intents/:id/cancel."""
    if account.hidden[intent["id"]].get("session") and intent["status"] != "requires_capture":
        raise refused(
            "You cannot cancel this PaymentIntent because it was created by a Checkout Session: expire the session.",
            code="payment_intent_unexpected_state",
        )
    if intent["status"] not in _CANCELLABLE:
        raise refused(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(sorted(_CANCELLABLE))}.",
            code="payment_intent_unexpected_state",
            payment_intent={**intent},
        )
    return void(account, intent, params.get("cancellation_reason"))


def void(account: Account, intent: Object, reason: str | None) -> Object:
    """Nothing can be paid with an intent any more."""
    intent |= {"status": "canceled", "canceled_at": account.time(), "cancellation_reason": reason}
    account.happened("payment_intent.canceled", intent)
    return intent


# --- what the bank does later ---


def settle(account: Account, intent: Object, code: str | None) -> None:
    """A bank debit's money arrives, or it fails with a code; its checkout session is told of."""
    if intent["status"] != "processing":
        raise ValueError(f"{intent['id']} is {intent['status']}: only a payment that is processing can be settled")
    code = code or account.hidden[intent["payment_method"]]["decline"]
    if code is None:
        succeed(account, intent)
    else:
        decline(account, intent, debit_error(code))
    session = account.objects.get(account.hidden[intent["id"]].get("session", ""))
    if session is not None:
        session["payment_status"] = "paid" if code is None else "unpaid"
        outcome = "succeeded" if code is None else "failed"
        account.happened(f"checkout.session.async_payment_{outcome}", session)
