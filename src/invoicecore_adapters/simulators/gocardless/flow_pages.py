"""The pages a payer meets: what a billing request asks for, and what each button does."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from invoicecore.money import from_minor
from invoicecore_adapters.simulators.gocardless import billing, collecting
from invoicecore_adapters.simulators.gocardless.account import Account
from invoicecore_adapters.simulators.gocardless.records import BillingRequest, Flow
from invoicecore_adapters.simulators.pages import answered, go_to, page
from invoicecore_adapters.simulators.server import Request, Response

RETURNS = "/billing/static/return/"

_DECLINE = "decline:"
_ACCOUNTS = {
    "EUR": {"iban": "FR1420041010050500013M02606", "country_code": "FR"},
    "GBP": {"account_number": "55779911", "branch_code": "200000", "country_code": "GB"},
}


def show(account: Account, request: Request) -> Response:
    """The page of a flow, or what comes after a button on it."""
    if request.path.startswith(RETURNS):
        return page("Back at the merchant", "Whatever happened is not decided here.", {})
    flow = account.flows.get(parse_qs(request.query).get("id", [""])[0])
    if flow is None or request.path != billing.FLOW_PAGE:
        return page("Not found", "There is no such page.", {}, status=404)
    asked = billing.of_flow(account, flow)
    if asked is None:
        return page("This page is over", "It was used, cancelled, or is too old.", {}, status=410)
    answer = answered(request)
    if answer is None:
        links = {"billing_request_flow": flow.id}
        account.event(asked, "flow_visited", "billing_request_flow_visited", origin="payer", links=links)
        return _question(asked)
    return _answered(account, flow, asked, answer)


def _question(asked: BillingRequest) -> Response:
    payment = asked.payment_request
    buttons = {"accept": "Set up the direct debit"} if payment is None else {"accept": "Pay now"}
    if payment is not None:
        buttons[f"{_DECLINE}insufficient_funds"] = "Pay from an empty account"
        buttons["refuse"] = "Say no at the bank"
        if asked.fallback_enabled and not asked.fallback_occurred:
            buttons["fall_back"] = "Pay by direct debit instead"
    buttons["exit"] = "Go back"
    if payment is None:
        text = f"A direct debit mandate ({(asked.mandate_request or {}).get('scheme')}) for Simulated Merchant."
    else:
        text = f"{payment['description']}: {from_minor(payment['amount'], payment['currency'])} to Simulated Merchant."
    return page("Simulated bank payments", text, buttons)


def _answered(account: Account, flow: Flow, asked: BillingRequest, answer: str) -> Response:
    links = {"billing_request_flow": flow.id}
    if answer == "exit":
        account.event(asked, "flow_exited", "billing_request_flow_exited", origin="payer", links=links)
        return _on(flow.settings.get("exit_uri"), {}, "You may close this page.")
    if answer == "refuse":
        name = "bank_authorisation_denied"
        account.event(asked, name, f"billing_request_{name}", origin="payer", links=links)
        return _question(asked)
    if answer == "fall_back":
        billing.fall_back(account, asked)
    elif answer != "accept" and not (answer.startswith(_DECLINE) and asked.payment_request is not None):
        return page("No such answer", "Go back and press a button.", {}, status=400)
    _details(account, flow, asked)
    if answer.startswith(_DECLINE):
        billing.fulfil(account, asked, "payer")
        collecting.fail(account, account.payments[asked.payment or ""], answer.removeprefix(_DECLINE))
    else:
        billing.fulfil_and_confirm(account, asked)
    outcome = {"outcome": "success", "id": asked.id}
    return _on(flow.settings.get("redirect_uri"), outcome, "Thank you. You may close this page.")


def _details(account: Account, flow: Flow, asked: BillingRequest) -> None:
    """What a payer types in, for whatever the billing request still waits for."""
    person = {"given_name": "Frank", "family_name": "Osborne", **flow.settings.get("prefilled_customer", {})}
    name = person.get("company_name") or f"{person['given_name']} {person['family_name']}"
    waits = [step for step, done in asked.actions.items() if not done]
    if "collect_customer_details" in waits:
        billing.collect_customer_details(account, asked, {"customer": person}, "payer")
    if "collect_bank_account" in waits:
        bank = _ACCOUNTS.get(asked.currency, _ACCOUNTS["GBP"])
        billing.collect_bank_account(account, asked, {"account_holder_name": name, **bank}, "payer")
    if "confirm_payer_details" in waits:
        billing.confirm_payer_details(account, asked, "payer")
    if "bank_authorisation" in waits:
        billing.authorise(account, asked)


def _on(url: str | None, more: dict[str, str], otherwise: str) -> Response:
    if not url:
        return page("Done", otherwise, {})
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(more)) if part)
    return go_to(urlunsplit(parts._replace(query=query)))
