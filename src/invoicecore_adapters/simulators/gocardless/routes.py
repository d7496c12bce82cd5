"""The paths of the API: what each takes, what it does, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from invoicecore_adapters.simulators.gocardless import (
    billing,
    collecting,
    listing,
    mandates,
    payments,
    refunds,
    scenarios,
    shapes,
)
from invoicecore_adapters.simulators.gocardless.account import CREDITOR, Account, one
from invoicecore_adapters.simulators.gocardless.calls import Call, Handler, document
from invoicecore_adapters.simulators.gocardless.listing import Filters, paged
from invoicecore_adapters.simulators.gocardless.records import Customer, Mandate, Payment, Refund
from invoicecore_adapters.simulators.gocardless.refusals import Json, invalid, misused, no_path, not_found

VERSION: Final = "2015-07-06"
_LONGEST_KEY: Final = 128


def answer(
    account: Account, method: str, path: str, query: str, body: bytes, key: str | None, pages: str
) -> tuple[int, Json]:
    """Do what a request asks for: (status, body). Raises Refusal."""
    known = False
    for wanted, pattern, handler in _ROUTES:
        match = re.fullmatch(pattern, path)
        known = known or match is not None
        if match and wanted == method:
            if key is not None and len(key) > _LONGEST_KEY:
                raise misused(400, "idempotency_key_too_long", f"The key has more than {_LONGEST_KEY} characters")
            if method == "GET" and body:
                raise misused(400, "request_body_not_allowed", "A GET request has no body")
            id = match.groupdict().get("id", "")
            call = Call(account=account, id=id, query=query, body=document(body), key=key, pages=pages)
            return handler(call)
    raise misused(405, "method_not_allowed", "Method not allowed") if known else no_path()


# --- customers, bank accounts, creditors ---


def _create_customer(call: Call) -> tuple[int, Json]:
    fields = call.made(shapes.CUSTOMER, "customers")
    if not (fields.get("company_name") or (fields.get("given_name") and fields.get("family_name"))):
        raise invalid("customers", {"given_name": "can't be blank", "family_name": "can't be blank"})
    call.account.unused(call.key)
    metadata = fields.pop("metadata", {})
    customer = Customer(
        id=call.account.new_id("CU"), created_at=call.account.now(), key=call.key, metadata=metadata, details=fields
    )
    call.account.customers[customer.id] = customer
    call.account.used(call.key, customer.id)
    return 201, {"customers": customer.shown()}


def _update_customer(call: Call) -> tuple[int, Json]:
    customer = one(call.account.customers, call.id)
    fields = call.changed(shapes.CUSTOMER, "customers")
    customer.metadata = fields.pop("metadata", customer.metadata)
    customer.details.update(fields)
    return 200, {"customers": customer.shown()}


def _customer(call: Call) -> tuple[int, Json]:
    return 200, {"customers": one(call.account.customers, call.id).shown()}


def _customers(call: Call) -> tuple[int, Json]:
    filters = Filters(call.query, ("currency", "sort_direction", "sort_field"))
    return 200, paged("customers", [(each, each.shown()) for each in call.account.customers.values()], filters)


def _bank_account(call: Call) -> tuple[int, Json]:
    return 200, {"customer_bank_accounts": one(call.account.bank_accounts, call.id).shown()}


def _creditor(call: Call) -> tuple[int, Json]:
    if call.id != CREDITOR:
        raise not_found()
    return 200, {"creditors": call.account.creditor()}


def _creditors(call: Call) -> tuple[int, Json]:
    limit = Filters(call.query, ()).limit
    meta = {"cursors": {"before": None, "after": None}, "limit": limit}
    return 200, {"creditors": [call.account.creditor()], "meta": meta}


# --- billing requests and their flows ---


def _create_billing_request(call: Call) -> tuple[int, Json]:
    fields = call.made(shapes.BILLING_REQUEST, "billing_requests")
    request = billing.ask(call.account, fields, call.key)
    call.account.used(call.key, request.id)
    return 201, {"billing_requests": billing.shown(call.account, request)}


def _billing_request(call: Call) -> tuple[int, Json]:
    request = one(call.account.billing_requests, call.id)
    return 200, {"billing_requests": billing.shown(call.account, request)}


def _billing_requests(call: Call) -> tuple[int, Json]:
    filters = Filters(call.query, ("customer", "status"))
    found = [
        (each, billing.shown(call.account, each))
        for each in call.account.billing_requests.values()
        if filters.text("customer") in (None, each.customer) and filters.text("status") in (None, each.status)
    ]
    return 200, paged("billing_requests", found, filters)


def _act_on_billing_request(action: str) -> Handler:
    def handler(call: Call) -> tuple[int, Json]:
        account, request = call.account, one(call.account.billing_requests, call.id)
        match action:
            case "collect_customer_details":
                billing.collect_customer_details(account, request, call.acted(shapes.CUSTOMER_DETAILS))
            case "collect_bank_account":
                billing.collect_bank_account(account, request, call.acted(shapes.BANK_ACCOUNT))
            case "confirm_payer_details":
                call.acted(shapes.PAYER_DETAILS)
                billing.confirm_payer_details(account, request)
            case "fulfil":
                call.acted()
                billing.fulfil(account, request)
            case "fallback":
                call.acted(shapes.NOTHING)
                billing.fall_back(account, request)
            case _:
                call.acted()
                billing.cancel(account, request)
        return 200, {"billing_requests": billing.shown(account, request)}

    return handler


def _create_flow(call: Call) -> tuple[int, Json]:
    # GoCardless makes a new flow each time, whatever the key.
    fields = shapes.read(call.body, "billing_request_flows", shapes.FLOW, "billing_request_flows")
    return 201, {"billing_request_flows": billing.ask_flow(call.account, fields, call.pages).shown()}


def _initialise_flow(call: Call) -> tuple[int, Json]:
    flow = one(call.account.flows, call.id)
    call.acted(shapes.NOTHING)
    billing.initialise(call.account, flow)
    return 200, {"billing_request_flows": flow.shown()}


# --- mandates ---


def _mandate_shown(call: Call, mandate: Mandate) -> Json:
    return mandate.shown(mandates.next_charge_date(call.account, mandate))


def _mandate(call: Call) -> tuple[int, Json]:
    return 200, {"mandates": _mandate_shown(call, one(call.account.mandates, call.id))}


def _mandates(call: Call) -> tuple[int, Json]:
    filters = Filters(call.query, ("creditor", "customer", "customer_bank_account", "reference", "scheme", "status"))
    statuses = (filters.text("status") or "").split(",")
    found = [
        (each, _mandate_shown(call, each))
        for each in call.account.mandates.values()
        if filters.text("customer") in (None, each.customer)
        and filters.text("customer_bank_account") in (None, each.bank_account)
        and filters.text("creditor") in (None, each.creditor)
        and filters.text("reference") in (None, each.reference)
        and filters.text("scheme") in (None, each.scheme)
        and (statuses == [""] or each.status in statuses)
    ]
    return 200, paged("mandates", found, filters)


def _update_mandate(call: Call) -> tuple[int, Json]:
    mandate = one(call.account.mandates, call.id)
    mandate.metadata = call.changed(shapes.METADATA_ONLY, "mandates").get("metadata", mandate.metadata)
    return 200, {"mandates": _mandate_shown(call, mandate)}


def _cancel_mandate(call: Call) -> tuple[int, Json]:
    mandate = one(call.account.mandates, call.id)
    mandates.cancel_by_request(call.account, mandate, call.acted().get("metadata", {}))
    return 200, {"mandates": _mandate_shown(call, mandate)}


def _reinstate_mandate(call: Call) -> tuple[int, Json]:
    mandate = one(call.account.mandates, call.id)
    mandates.reinstate(call.account, mandate, call.acted().get("metadata", {}))
    return 200, {"mandates": _mandate_shown(call, mandate)}


# --- payments ---


def _create_payment(call: Call) -> tuple[int, Json]:
    payment = collecting.ask(call.account, call.made(shapes.PAYMENT, "payments"), call.key)
    call.account.used(call.key, payment.id)
    return 201, {"payments": payment.shown()}


def _payment(call: Call) -> tuple[int, Json]:
    return 200, {"payments": one(call.account.payments, call.id).shown()}


def _payments(call: Call) -> tuple[int, Json]:
    known = ("creditor", "currency", "customer", "mandate", "sort_direction", "sort_field", "status", "subscription")
    filters = Filters(call.query, known)

    def asked(payment: Payment) -> bool:
        customer = call.account.mandates[payment.mandate].customer
        return (
            filters.text("mandate") in (None, payment.mandate)
            and filters.text("customer") in (None, customer)
            and filters.text("creditor") in (None, payment.creditor)
            and filters.text("currency") in (None, payment.currency)
            and filters.text("status") in (None, payment.status)
            and filters.text("subscription") is None
        )

    return 200, paged(
        "payments", [(each, each.shown()) for each in call.account.payments.values() if asked(each)], filters
    )


def _update_payment(call: Call) -> tuple[int, Json]:
    payment = one(call.account.payments, call.id)
    fields = call.changed(shapes.PAYMENT_UPDATE, "payments")
    payment.metadata = fields.get("metadata", payment.metadata)
    payment.retry_if_possible = fields.get("retry_if_possible", payment.retry_if_possible)
    return 200, {"payments": payment.shown()}


def _act_on_payment(act: Callable[[Account, Payment, Json], None]) -> Handler:
    def handler(call: Call) -> tuple[int, Json]:
        payment = one(call.account.payments, call.id)
        act(call.account, payment, call.acted().get("metadata", {}))
        return 200, {"payments": payment.shown()}

    return handler


# --- refunds ---


def _create_refund(call: Call) -> tuple[int, Json]:
    refund = refunds.ask(call.account, call.made(shapes.REFUND, "refunds"), call.key)
    call.account.used(call.key, refund.id)
    return 201, {"refunds": refund.shown()}


def _refund(call: Call) -> tuple[int, Json]:
    return 200, {"refunds": one(call.account.refunds, call.id).shown()}


def _refunds(call: Call) -> tuple[int, Json]:
    filters = Filters(call.query, ("mandate", "payment", "refund_type"))

    def asked(refund: Refund) -> bool:
        return filters.text("payment") in (None, refund.payment) and filters.text("mandate") in (None, refund.mandate)

    return 200, paged(
        "refunds", [(each, each.shown()) for each in call.account.refunds.values() if asked(each)], filters
    )


def _update_refund(call: Call) -> tuple[int, Json]:
    refund = one(call.account.refunds, call.id)
    refund.metadata = call.changed(shapes.METADATA_ONLY, "refunds").get("metadata", refund.metadata)
    return 200, {"refunds": refund.shown()}


# --- events, webhooks, payouts, scenarios ---


def _event(call: Call) -> tuple[int, Json]:
    return 200, {"events": one(call.account.events, call.id).shown()}


def _events(call: Call) -> tuple[int, Json]:
    return 200, listing.events(call.account, call.query)


def _webhooks(call: Call) -> tuple[int, Json]:
    filters = Filters(call.query, ("is_test", "successful"))
    wanted = filters.text("successful")
    found = [(each, each.shown()) for each in call.account.webhooks.values()]
    found = [each for each in found if wanted in (None, str(each[1]["successful"]).lower())]
    return 200, paged("webhooks", found, filters)


def _retry_webhook(call: Call) -> tuple[int, Json]:
    webhook = one(call.account.webhooks, call.id)
    call.acted(shapes.NOTHING)
    call.account.tell_again(webhook)
    return 200, {"webhooks": webhook.shown()}


def _payout(call: Call) -> tuple[int, Json]:
    return 200, {"payouts": one(call.account.payouts, call.id).shown()}


def _payouts(call: Call) -> tuple[int, Json]:
    known = ("creditor", "creditor_bank_account", "currency", "metadata", "payout_type", "reference", "status")
    filters = Filters(call.query, known)
    found = [
        (each, each.shown())
        for each in call.account.payouts.values()
        if filters.text("currency") in (None, each.currency) and filters.text("status") in (None, each.status)
    ]
    return 200, paged("payouts", found, filters)


def _payout_items(call: Call) -> tuple[int, Json]:
    filters = Filters(call.query, ("include_2020_tax_cutover", "payout"))
    items = one(call.account.payouts, filters.text("payout") or "").items_shown()
    meta = {"cursors": {"before": None, "after": None}, "limit": filters.limit}
    return 200, {"payout_items": items, "meta": meta}


def _run_scenario(call: Call) -> tuple[int, Json]:
    resource = call.acted(shapes.SCENARIO)["links"]["resource"]
    scenarios.run(call.account, call.id, resource)
    return 200, {"scenario_simulators": {"id": call.id}}


_ONE: Final = r"/(?P<id>[A-Za-z0-9_]+)"


def _resource(name: str, handlers: Mapping[str, Handler]) -> list[tuple[str, str, Handler]]:
    """Paths of one resource, from the names of what can be done with it."""
    paths = {
        "create": ("POST", f"/{name}"),
        "list": ("GET", f"/{name}"),
        "get": ("GET", f"/{name}{_ONE}"),
        "update": ("PUT", f"/{name}{_ONE}"),
    }
    return [
        (*paths.get(verb, ("POST", f"/{name}{_ONE}/actions/{verb}")), handler) for verb, handler in handlers.items()
    ]


_ROUTES: Final = (
    *_resource(
        "customers",
        {"create": _create_customer, "list": _customers, "get": _customer, "update": _update_customer},
    ),
    *_resource("customer_bank_accounts", {"get": _bank_account}),
    *_resource("creditors", {"list": _creditors, "get": _creditor}),
    *_resource(
        "billing_requests",
        {
            "create": _create_billing_request,
            "list": _billing_requests,
            "get": _billing_request,
            **{
                action: _act_on_billing_request(action)
                for action in (
                    "collect_customer_details",
                    "collect_bank_account",
                    "confirm_payer_details",
                    "fulfil",
                    "fallback",
                    "cancel",
                )
            },
        },
    ),
    *_resource("billing_request_flows", {"create": _create_flow, "initialise": _initialise_flow}),
    *_resource(
        "mandates",
        {
            "list": _mandates,
            "get": _mandate,
            "update": _update_mandate,
            "cancel": _cancel_mandate,
            "reinstate": _reinstate_mandate,
        },
    ),
    *_resource(
        "payments",
        {
            "create": _create_payment,
            "list": _payments,
            "get": _payment,
            "update": _update_payment,
            "cancel": _act_on_payment(payments.cancel_by_request),
            "retry": _act_on_payment(payments.retry_by_request),
        },
    ),
    *_resource("refunds", {"create": _create_refund, "list": _refunds, "get": _refund, "update": _update_refund}),
    *_resource("events", {"list": _events, "get": _event}),
    *_resource("webhooks", {"list": _webhooks, "retry": _retry_webhook}),
    *_resource("payouts", {"list": _payouts, "get": _payout}),
    *_resource("payout_items", {"list": _payout_items}),
    *_resource("scenario_simulators", {"run": _run_scenario}),
)
