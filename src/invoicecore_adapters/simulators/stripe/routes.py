"""Stripe's addresses: what each is called in the port's words, which parameters it takes, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import attrs
from stripe import params as shapes
from stripe.params import checkout as checkout_shapes

from invoicecore_adapters.simulators.stripe import checkout, payments, reversals
from invoicecore_adapters.simulators.stripe.account import Account, Object, listed

Act = Callable[[Account, dict[str, Any], str], Object]
"""What an address does: (account, parameters, the id in its path or "")."""


@attrs.frozen
class Route:
    """One address. `operation` is the port's name of it, or a function that tells it from (account, body, id)."""

    method: str
    path: re.Pattern[str]
    operation: str | Callable[[Account, str, str], str]
    shape: type
    act: Act


def _route(method: str, path: str, operation: str | Callable[[Account, str, str], str], shape: type, act: Act) -> Route:
    return Route(method, re.compile("/v1/" + path.replace(":id", "(?P<id>[^/]+)")), operation, shape, act)


def _get(kind: str) -> Act:
    def act(account: Account, params: dict[str, Any], id: str) -> Object:
        return account.the(kind, id)

    return act


def _list(kind: str, path: str, *filters: str) -> Act:
    def act(account: Account, params: dict[str, Any], id: str) -> Object:
        return listed(account, kind, params, f"/v1/{path}", filters)

    return act


def _create_customer(account: Account, params: dict[str, Any], id: str) -> Object:
    told = ("address", "description", "email", "metadata", "name", "phone", "preferred_locales", "tax_exempt")
    made = account.add(
        "customer",
        balance=0,
        delinquent=False,
        invoice_prefix=account.id("X")[-8:].upper(),
        **{name: params[name] for name in told if name in params},
    )
    account.happened("customer.created", made)
    return made


def _confirm(account: Account, params: dict[str, Any], id: str) -> Object:
    intent = account.the("payment_intent", id)
    method = payments.method_named(account, params.get("payment_method") or intent["payment_method"] or "")
    payments.usable(account, intent, method)
    payments.charge(account, intent, method)
    return intent


def _attach(account: Account, params: dict[str, Any], id: str) -> Object:
    account.the("customer", params["customer"], param="customer")
    method = payments.method_named(account, id, param=None)
    payments.attach(account, method, params["customer"])
    return method


def _detach(account: Account, params: dict[str, Any], id: str) -> Object:
    method = payments.method_named(account, id, param=None)
    payments.detach(account, method)
    return method


def _method(account: Account, params: dict[str, Any], id: str) -> Object:
    return payments.method_named(account, id, param=None)


def _new_session(account: Account, body: str, id: str) -> str:
    return "setup" if "mode=setup" in body.split("&") else "checkout"


def _session(account: Account, body: str, id: str) -> str:
    return "method" if account.objects.get(id, {}).get("mode") == "setup" else "payment"


def _intents(account: Account, query: str, id: str) -> str:
    return "find" if "customer=" in query else "payments"


SESSIONS, INTENTS, METHODS = "checkout/sessions", "payment_intents", "payment_methods"

ROUTES: Final = (
    _route("POST", "customers", "customer", shapes.CustomerCreateParams, _create_customer),
    _route("GET", "customers", "customer", shapes.CustomerListParams, _list("customer", "customers", "email")),
    _route("GET", "customers/:id", "customer", shapes.CustomerRetrieveParams, _get("customer")),
    _route(
        "POST",
        SESSIONS,
        _new_session,
        checkout_shapes.SessionCreateParams,
        lambda a, p, _: checkout.create_session(a, p),
    ),
    _route(
        "GET",
        SESSIONS,
        "find",
        checkout_shapes.SessionListParams,
        _list("checkout.session", SESSIONS, "customer", "payment_intent", "status"),
    ),
    _route("GET", f"{SESSIONS}/:id", _session, checkout_shapes.SessionRetrieveParams, _get("checkout.session")),
    _route(
        "POST",
        f"{SESSIONS}/:id/expire",
        "expire",
        checkout_shapes.SessionExpireParams,
        lambda a, p, id: checkout.expire(a, a.the("checkout.session", id)),
    ),
    _route("POST", INTENTS, "charge", shapes.PaymentIntentCreateParams, lambda a, p, _: payments.create_intent(a, p)),
    _route("GET", INTENTS, _intents, shapes.PaymentIntentListParams, _list("payment_intent", INTENTS, "customer")),
    _route("GET", f"{INTENTS}/:id", "payment", shapes.PaymentIntentRetrieveParams, _get("payment_intent")),
    _route("POST", f"{INTENTS}/:id/confirm", "charge", shapes.PaymentIntentConfirmParams, _confirm),
    _route(
        "POST",
        f"{INTENTS}/:id/cancel",
        "cancel",
        shapes.PaymentIntentCancelParams,
        lambda a, p, id: payments.cancel(a, a.the("payment_intent", id), p),
    ),
    _route(
        "GET", METHODS, "find", shapes.PaymentMethodListParams, _list("payment_method", METHODS, "customer", "type")
    ),
    _route("GET", f"{METHODS}/:id", "method", shapes.PaymentMethodRetrieveParams, _method),
    _route("POST", f"{METHODS}/:id/attach", "customer", shapes.PaymentMethodAttachParams, _attach),
    _route("POST", f"{METHODS}/:id/detach", "revoke", shapes.PaymentMethodDetachParams, _detach),
    _route(
        "GET",
        "setup_intents",
        "find",
        shapes.SetupIntentListParams,
        _list("setup_intent", "setup_intents", "customer", "payment_method"),
    ),
    _route("GET", "setup_intents/:id", "method", shapes.SetupIntentRetrieveParams, _get("setup_intent")),
    _route("GET", "mandates/:id", "method", shapes.MandateRetrieveParams, _get("mandate")),
    _route("POST", "refunds", "refund", shapes.RefundCreateParams, lambda a, p, _: reversals.create_refund(a, p)),
    _route("GET", "refunds", "find", shapes.RefundListParams, _list("refund", "refunds", "charge", "payment_intent")),
    _route("GET", "refunds/:id", "refund_of", shapes.RefundRetrieveParams, _get("refund")),
    _route(
        "GET", "disputes", "payment", shapes.DisputeListParams, _list("dispute", "disputes", "charge", "payment_intent")
    ),
    _route("GET", "disputes/:id", "payment", shapes.DisputeRetrieveParams, _get("dispute")),
    _route(
        "GET", "charges", "payment", shapes.ChargeListParams, _list("charge", "charges", "customer", "payment_intent")
    ),
    _route("GET", "charges/:id", "payment", shapes.ChargeRetrieveParams, _get("charge")),
    _route(
        "GET",
        "balance_transactions/:id",
        "payment",
        shapes.BalanceTransactionRetrieveParams,
        _get("balance_transaction"),
    ),
    _route("GET", "events", "missed", shapes.EventListParams, _list("event", "events", "type")),
    _route("GET", "events/:id", "missed", shapes.EventRetrieveParams, _get("event")),
)


def found(method: str, path: str) -> tuple[Route, str] | None:
    """The route of an address, and the id in its path."""
    for route in ROUTES:
        match = route.path.fullmatch(path)
        if match is not None and route.method == method:
            return route, match.groupdict().get("id") or ""
    return None
