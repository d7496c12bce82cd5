"""Billing requests and their pages: how a payer gives a mandate, pays at once, or does both."""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta
from typing import Final

from invoicecore.money import from_minor
from invoicecore.testing.gateway_bench import EffectKind
from invoicecore_adapters.simulators.gocardless import collecting, mandates, payments
from invoicecore_adapters.simulators.gocardless.account import CREDITOR, Account, one
from invoicecore_adapters.simulators.gocardless.days import INSTANT, SCHEMES, rolled, scheme_for
from invoicecore_adapters.simulators.gocardless.records import BankAccount, BillingRequest, Customer, Flow, Payment
from invoicecore_adapters.simulators.gocardless.refusals import Json, invalid, link_not_found, wrong_state

FLOW_LASTS: Final = timedelta(days=7)
FLOW_PAGE: Final = "/billing/static/flow"
_OPEN: Final = frozenset({"pending", "ready_to_fulfil"})


def ask(account: Account, fields: Json, key: str | None) -> BillingRequest:
    """A billing request, as asked for; Refusal for neither a mandate nor a payment, or what no scheme collects."""
    mandate, payment = fields.get("mandate_request"), fields.get("payment_request")
    faults = _faults(mandate, payment)
    if faults:
        raise invalid("billing_requests", faults)
    links = fields.get("links", {})
    known: dict[str, Container[str]] = {
        "customer": account.customers,
        "customer_bank_account": account.bank_accounts,
        "creditor": (CREDITOR,),
    }
    for name, id in links.items():
        if id not in known[name]:
            raise link_not_found(name)
    if mandate is not None:
        currency = mandate.get("currency") or SCHEMES[mandate["scheme"]].currency
        chosen = scheme_for(currency)
        mandate = {"currency": currency, "scheme": chosen.name if chosen else None, "metadata": {}, **mandate}
    if payment is not None:
        payment = {"scheme": INSTANT[payment["currency"]], "metadata": {}, **payment}
    steps = ["collect_customer_details", "collect_bank_account"]
    steps += ["confirm_payer_details"] * (mandate is not None) + ["bank_authorisation"] * (payment is not None)
    account.unused(key)
    request = BillingRequest(
        id=account.new_id("BRQ"),
        created_at=account.now(),
        key=key,
        metadata=fields.get("metadata", {}),
        creditor=CREDITOR,
        actions=dict.fromkeys(steps, False),
        mandate_request=mandate,
        payment_request=payment,
        fallback_enabled=fields.get("fallback_enabled", False),
        customer=links.get("customer"),
        bank_account=links.get("customer_bank_account"),
        purpose_code=fields.get("purpose_code"),
    )
    account.billing_requests[request.id] = request
    account.event(request, "created", "billing_request_created", origin="api")
    if payment is not None:
        amount = from_minor(payment["amount"], payment["currency"])
        account.ledger.add(EffectKind.CHECKOUT, request.id, key=key, amount=amount)
    else:
        account.ledger.add(EffectKind.SETUP, request.id, key=key)
    return request


def _faults(mandate: Json | None, payment: Json | None) -> dict[str, str]:
    faults = {}
    if mandate is None and payment is None:
        faults["mandate_request"] = "or payment_request must be given"
    if mandate is not None:
        scheme = SCHEMES.get(mandate["scheme"]) if "scheme" in mandate else scheme_for(mandate.get("currency", ""))
        if scheme is None or scheme.currency != mandate.get("currency", scheme.currency):
            faults["mandate_request/scheme"] = "is not supported for this currency"
    if payment is not None and payment["currency"] not in INSTANT:
        faults["payment_request/currency"] = "must be GBP or EUR"
    return faults


def shown(account: Account, request: BillingRequest) -> Json:
    """A billing request with what is known of its payer."""
    resources = {}
    if request.customer is not None:
        resources["customer"] = account.customers[request.customer].shown()
    if request.bank_account is not None:
        resources["customer_bank_account"] = account.bank_accounts[request.bank_account].shown()
    return request.shown(resources)


def collect_customer_details(account: Account, request: BillingRequest, fields: Json, origin: str = "api") -> None:
    """Who the payer is."""
    _must_wait_for(request, "collect_customer_details")
    details = {**fields.get("customer", {}), **fields.get("customer_billing_detail", {})}
    metadata = details.pop("metadata", {})
    if request.customer is None:
        customer = Customer(id=account.new_id("CU"), created_at=account.now(), metadata=metadata, details=details)
        account.customers[customer.id] = customer
        request.customer = customer.id
    else:
        account.customers[request.customer].details.update(details)
    _done(account, request, "collect_customer_details", origin)


def collect_bank_account(account: Account, request: BillingRequest, fields: Json, origin: str = "api") -> None:
    """Where the payer's money is; Refusal without an account number."""
    _must_wait_for(request, "collect_bank_account")
    if request.customer is None:
        raise wrong_state("billing_request_action_required", "Customer details must be collected first")
    number = fields.get("iban") or fields.get("account_number") or ""
    if len(number) < 4:
        raise invalid("data", {"account_number": "can't be blank"})
    bank_account = BankAccount(
        id=account.new_id("BA"),
        created_at=account.now(),
        metadata=fields.get("metadata", {}),
        customer=request.customer,
        holder=fields["account_holder_name"].upper()[:18],
        ending=number[-2:],
        country=fields.get("country_code") or (number[:2] if fields.get("iban") else "GB"),
        currency=request.currency,
    )
    account.bank_accounts[bank_account.id] = bank_account
    request.bank_account = bank_account.id
    _done(account, request, "collect_bank_account", origin)


def confirm_payer_details(account: Account, request: BillingRequest, origin: str = "api") -> None:
    """The payer has read their details again, as the schemes of mandates demand."""
    _must_wait_for(request, "confirm_payer_details")
    _done(account, request, "confirm_payer_details", origin, action="payer_details_confirmed")


def authorise(account: Account, request: BillingRequest) -> None:
    """The payer's bank lets an instant payment go."""
    _must_wait_for(request, "bank_authorisation")
    _done(account, request, "bank_authorisation", "payer", action="bank_authorisation_authorised")


def fall_back(account: Account, request: BillingRequest) -> None:
    """Collect by direct debit what was to be paid at once; Refusal unless that was allowed for."""
    if request.status not in _OPEN or not request.fallback_enabled or request.fallback_occurred:
        raise wrong_state("fallback_failed", "Billing request cannot fall back to direct debit")
    request.fallback_occurred = True
    request.actions.pop("bank_authorisation", None)
    scheme = scheme_for(request.currency)
    if request.mandate_request is None and scheme is not None:
        request.mandate_request = {"currency": request.currency, "scheme": scheme.name, "metadata": {}}
        request.actions["confirm_payer_details"] = False
    _ready(request)


def fulfil(account: Account, request: BillingRequest, origin: str = "api") -> None:
    """Make what was asked for: the mandate, the payment; Refusal before every action is done."""
    if request.status != "ready_to_fulfil" or request.customer is None or request.bank_account is None:
        raise wrong_state("billing_request_not_ready", "Billing request is not ready to be fulfilled")
    bank_account = account.bank_accounts[request.bank_account]
    if request.mandate_request is not None:
        asked = request.mandate_request
        request.mandate = mandates.create(
            account,
            customer=request.customer,
            bank_account=bank_account,
            scheme=asked["scheme"],
            key=request.key,
            metadata=asked["metadata"],
            reference=asked.get("reference"),
            dual_signature=asked.get("payer_requested_dual_signature", False),
        ).id
    if request.payment_request is not None:
        request.payment = _pay(account, request, request.payment_request, bank_account).id
    request.status = "fulfilled"
    links = {name: id for name, id in request.links.items() if name != "payment_request"}
    account.event(request, "fulfilled", "billing_request_fulfilled", origin=origin, links=links)


def _pay(account: Account, request: BillingRequest, asked: Json, bank_account: BankAccount) -> Payment:
    mandate_id, scheme, day = request.mandate, asked["scheme"], rolled(account.now().date())
    if request.fallback_occurred and mandate_id is not None:
        mandate = account.mandates[mandate_id]
        scheme, day = mandate.scheme, mandates.next_charge_date(account, mandate) or day
    else:  # what a payer lets go at their bank is a mandate too, good for that one payment
        once = mandates.create(
            account, customer=bank_account.customer, bank_account=bank_account, scheme=scheme, origin="gocardless"
        )
        once.status, mandate_id = "consumed", once.id
        account.event(once, "consumed", "mandate_consumed")
    return collecting.add(
        account,
        Payment(
            id=account.new_id("PM"),
            created_at=account.now(),
            key=request.key,
            metadata=asked["metadata"],
            amount=asked["amount"],
            currency=asked["currency"],
            scheme=scheme,
            creditor=CREDITOR,
            mandate=mandate_id,
            charge_date=day,
            description=asked["description"],
            reference=asked.get("reference"),
            retry_if_possible=asked.get("retry_if_possible", False),
            app_fee=asked.get("app_fee"),
        ),
    )


def fulfil_and_confirm(account: Account, request: BillingRequest, origin: str = "payer") -> None:
    """Make what was asked for; a payment let go at the payer's bank arrives within seconds."""
    fulfil(account, request, origin)
    if request.payment is not None and not request.fallback_occurred:
        payments.confirm(account, account.payments[request.payment])


def cancel(account: Account, request: BillingRequest) -> None:
    """Nothing comes of it, and its pages are over; Refusal when something has come of it, or it was cancelled."""
    if request.status not in _OPEN:
        raise wrong_state("cancellation_failed", "Billing request is already fulfilled or cancelled")
    request.status = "cancelled"
    account.event(request, "cancelled", "billing_request_cancelled", origin="api")


def ask_flow(account: Account, fields: Json, pages: str) -> Flow:
    """A page for a billing request; any number of them, as GoCardless compares no keys here."""
    wanted = fields.pop("links")["billing_request"]
    request = account.billing_requests.get(wanted)
    if request is None:
        raise link_not_found("billing_request")
    if request.status not in _OPEN:
        raise wrong_state("billing_request_not_open", "Billing request is already fulfilled or cancelled")
    id = account.new_id("BRF")
    flow = Flow(
        id=id,
        created_at=account.now(),
        billing_request=request.id,
        expires_at=account.now() + FLOW_LASTS,
        settings=fields,
        url=f"{pages}{FLOW_PAGE}?id={id}",
    )
    account.flows[id] = flow
    account.event(
        request, "flow_created", "billing_request_flow_created", origin="api", links={"billing_request_flow": id}
    )
    return flow


def initialise(account: Account, flow: Flow) -> None:
    """A fresh token for whoever shows the page themselves."""
    flow.token = account.new_id("sesh_")


def of_flow(account: Account, flow: Flow) -> BillingRequest | None:
    """The billing request of a page that can still be answered; None when it is over."""
    request = one(account.billing_requests, flow.billing_request)
    return request if request.status in _OPEN and account.now() < flow.expires_at else None


def _must_wait_for(request: BillingRequest, action: str) -> None:
    if request.status not in _OPEN or action not in request.actions:
        raise wrong_state("billing_request_action_not_allowed", f"Billing request does not wait for {action}")


def _done(account: Account, request: BillingRequest, step: str, origin: str, *, action: str | None = None) -> None:
    request.actions[step] = True
    name = action or step
    account.event(request, name, f"billing_request_{name}", origin=origin, links=_payer(request))
    _ready(request)


def _payer(request: BillingRequest) -> dict[str, str]:
    links = {"customer": request.customer, "customer_bank_account": request.bank_account}
    return {name: value for name, value in links.items() if value}


def _ready(request: BillingRequest) -> None:
    if all(request.actions.values()):
        request.status = "ready_to_fulfil"
