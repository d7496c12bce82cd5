"""Checkout sessions: pages on which somebody pays once (mode=payment) or saves a method (mode=setup)."""

from __future__ import annotations

from typing import Any, Final

from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.stripe import payments
from invoicecore_adapters.simulators.stripe.account import Account, Object
from invoicecore_adapters.simulators.stripe.amounts import checked
from invoicecore_adapters.simulators.stripe.cards import DEBITS
from invoicecore_adapters.simulators.stripe.refusals import Refused, missing, refused

_SHORTEST: Final = 30 * 60
_LONGEST: Final = 24 * 3600
_OF_PAYMENTS: Final = ("line_items", "payment_intent_data", "submit_type", "invoice_creation")


def create_session(account: Account, params: dict[str, Any]) -> Object:
    """POST /v1/checkout/sessions."""
    mode = params.get("mode")
    if mode is None:
        raise refused("Missing required param: mode.", code="parameter_missing", param="mode")
    if mode == "subscription":
        raise refused("This simulator has no subscriptions: use mode=payment or mode=setup", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise refused("This simulator has only pages of its own: leave out ui_mode", param="ui_mode")
    _address(params, "success_url", needed=True)
    _address(params, "cancel_url", needed=False)
    if "customer" in params:
        for other in ("customer_email", "customer_creation"):
            if other in params:
                raise refused(f"You may only specify one of these parameters: customer, {other}.", param=other)
        account.the("customer", params["customer"], param="customer")
    expires_at = _expiry(account, params)
    amount, currency = _priced(params) if mode == "payment" else _set_up(params)
    known = [kind for kind in ("card", DEBITS.get(currency)) if kind]
    allowed = params.get("allowed_payment_method_types", known)
    types = [kind for kind in known if kind in allowed]
    if not types:
        raise refused(f"No valid payment method types for {currency}.", param="allowed_payment_method_types")
    made = account.add(
        "checkout.session",
        amount_subtotal=amount,
        amount_total=amount,
        automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
        cancel_url=params.get("cancel_url"),
        client_reference_id=params.get("client_reference_id"),
        currency=currency,
        custom_fields=[],
        custom_text={"after_submit": None, "shipping_address": None, "submit": None},
        customer=params.get("customer"),
        customer_creation=params.get("customer_creation", None if "customer" in params else "if_required"),
        customer_email=params.get("customer_email"),
        expires_at=expires_at,
        locale=params.get("locale"),
        metadata=params.get("metadata", {}),
        mode=mode,
        payment_method_options={},
        payment_method_types=types,
        payment_status="unpaid" if mode == "payment" else "no_payment_required",
        shipping_options=[],
        status="open",
        success_url=params["success_url"],
        ui_mode="hosted_page",
    )
    made["url"] = f"{account.pages}/c/pay/{made['id']}"
    account.hidden[made["id"]] |= {"intent": params.get("payment_intent_data", {})}
    if mode == "setup":
        data = params.get("setup_intent_data", {})
        intent = make_setup(account, types, customer=params.get("customer"), **data)
        made["setup_intent"] = intent["id"]
        account.effect(EffectKind.SETUP, made, key=account.key_of(made["id"]))
    else:
        account.effect(EffectKind.CHECKOUT, made, key=account.key_of(made["id"]), amount=amount)
    return made


def _address(params: dict[str, Any], name: str, *, needed: bool) -> None:
    value = params.get(name)
    if value is None:
        if needed:
            raise refused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    elif not value.startswith(("https://", "http://")):
        raise refused("Not a valid URL", code="url_invalid", param=name)
    elif len(value) > 5000:
        raise refused(f"Invalid {name}: must be at most 5000 characters", param=name)


def _expiry(account: Account, params: dict[str, Any]) -> int:
    expires_at: int = params.get("expires_at", account.time() + _LONGEST)
    if expires_at < account.time() + _SHORTEST:
        raise refused(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at"
        )
    if expires_at > account.time() + _LONGEST:
        raise refused(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at"
        )
    return expires_at


def _priced(params: dict[str, Any]) -> tuple[int, str]:
    if "setup_intent_data" in params:
        raise refused("You can not pass `setup_intent_data` in `payment` mode.", param="setup_intent_data")
    lines = params.get("line_items") or []
    if not lines:
        raise refused("The `line_items` parameter is required in payment mode.", param="line_items")
    amount, currencies = 0, set()
    for number, line in enumerate(lines):
        where = f"line_items[{number}]"
        if "price" in line:
            raise missing("price", line["price"], param=f"{where}[price]")
        price = line.get("price_data")
        if price is None:
            raise refused("You must specify either `price` or `price_data`.", param=where)
        if "product" in price:
            raise missing("product", price["product"], param=f"{where}[price_data][product]")
        if "product_data" not in price or "unit_amount" not in price:
            raise refused(
                "You must specify `product_data` and `unit_amount`.",
                code="parameter_missing",
                param=f"{where}[price_data]",
            )
        if "quantity" not in line:
            raise refused("Missing required param: quantity.", code="parameter_missing", param=f"{where}[quantity]")
        checked(price["unit_amount"], price["currency"], param=f"{where}[price_data][unit_amount]", least=False)
        amount += price["unit_amount"] * line["quantity"]
        currencies.add(price["currency"].lower())
    if len(currencies) != 1 or params.get("currency", "").lower() not in {"", *currencies}:
        raise refused("All prices on a Checkout Session must be expressed in the same currency", param="line_items")
    currency = currencies.pop()
    checked(amount, currency, param="line_items")
    return amount, currency


def _set_up(params: dict[str, Any]) -> tuple[None, str]:
    for name in _OF_PAYMENTS:
        if name in params:
            raise refused(f"You can not pass `{name}` in `setup` mode.", param=name)
    if "currency" not in params:
        raise refused("You must provide `currency` in `setup` mode.", code="parameter_missing", param="currency")
    return None, params["currency"].lower()


def lapse(account: Account) -> None:
    """Close the sessions whose time has come."""
    for session in account.all("checkout.session"):
        if session["status"] == "open" and session["expires_at"] <= account.time():
            _closed(account, session)


def expire(account: Account, session: Object) -> Object:
    """POST /v1/checkout/sessions/:id/expire."""
    if session["status"] != "open":
        raise refused(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`."
        )
    return _closed(account, session)


def _closed(account: Account, session: Object) -> Object:
    session |= {"status": "expired", "url": None}
    intent = account.objects.get(session["payment_intent"] or "")
    if intent is not None:
        payments.void(account, intent, "expired")
    account.happened("checkout.session.expired", session)
    return session


def complete(account: Account, session: Object, *, debit: bool = False, decline: str | None = None) -> None:
    """Somebody pays on a session's page, or saves a method; with a code it is declined. Nothing on a closed page."""
    if session["status"] != "open":
        return
    kept = account.hidden[session["id"]]
    debit = debit or "card" not in session["payment_method_types"]
    if debit and session["payment_method_types"] == ["card"]:
        raise ValueError(f"{session['id']} takes cards only")
    type = session["payment_method_types"][-1] if debit else "card"
    account.cause = (None, None)
    method = payments.make_method(account, type, decline=decline)
    future = kept["intent"].get("setup_future_usage") is not None
    if session["customer"] is None and (future or session["customer_creation"] == "always"):
        customer = account.add("customer", email=session["customer_email"], name="Jenny Rosen")
        session["customer"] = customer["id"]
        account.happened("customer.created", customer)
    if session["mode"] == "setup":
        succeed(account, account.objects[session["setup_intent"]], method, session["customer"])
    elif not _paid(account, session, method):
        return
    session |= {"status": "complete", "url": None}
    account.happened("checkout.session.completed", session)


def challenge(account: Account, session: Object) -> None:
    """Somebody begins to pay on an open page and stops where their bank asks for a confirmation."""
    intent = _intent(account, session)
    method = payments.make_method(account, "card")
    url = f"{account.pages}/challenge/{intent['id']}"
    redirect = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": session["success_url"]}}
    intent |= {"status": "requires_action", "payment_method": method["id"], "next_action": redirect}
    account.happened("payment_intent.requires_action", intent)


def make_setup(account: Account, types: list[str], **values: object) -> Object:
    """A set-up without a method yet."""
    made = account.add(
        "setup_intent",
        automatic_payment_methods={"enabled": True, "allow_redirects": "always"},
        payment_method_options={},
        payment_method_types=types,
        status="requires_payment_method",
        usage="off_session",
    )
    made |= values
    account.happened("setup_intent.created", made)
    return made


def succeed(account: Account, setup: Object, method: Object, customer: str | None) -> None:
    """A method is saved; a bank account's mandate is named by its set-up, and nowhere on the method itself."""
    if customer is not None:
        payments.attach(account, method, customer)
    mandate = account.hidden[method["id"]]["mandate"]
    setup |= {"status": "succeeded", "customer": customer, "payment_method": method["id"], "mandate": mandate}
    account.happened("setup_intent.succeeded", setup)


def _paid(account: Account, session: Object, method: Object) -> bool:
    intent = _intent(account, session)
    intent |= {"customer": session["customer"], "next_action": None}
    try:
        payments.charge(account, intent, method)
    except Refused:  # the payer sees it on the page, and may try again
        return False
    session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    return True


def _intent(account: Account, session: Object) -> Object:
    """A session's intent: made when it is first tried, not before."""
    if session["payment_intent"] is not None:
        return account.objects[session["payment_intent"]]
    data = account.hidden[session["id"]]["intent"]
    intent = payments.make_intent(
        account,
        amount=session["amount_total"],
        currency=session["currency"],
        types=list(session["payment_method_types"]),
        customer=session["customer"],
        **{name: value for name, value in data.items() if name in ("description", "metadata", "setup_future_usage")},
    )
    account.hidden[intent["id"]] |= {"session": session["id"], "key": account.key_of(session["id"])}
    session["payment_intent"] = intent["id"]
    return intent
