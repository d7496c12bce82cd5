"""The simulated GoCardless, judged by GoCardless's own library: what it takes, answers, refuses, signs and breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any, cast

import gocardless_pro
import gocardless_pro.webhooks
import pytest
import requests
from gocardless_pro import errors
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.ports import PaymentGateway
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore_adapters.simulators.gocardless import SCENARIOS, GoCardlessAccess, GoCardlessBench
from invoicecore_adapters.simulators.gocardless.days import after_working_days, rolled, works

TOKEN_LESS = {"GoCardless-Version": "2015-07-06"}
REFERENCE = {"invoicecore": "k3j4h5g6f7d8_col_0abc123def4567890"}


def access(bench: GoCardlessBench) -> GoCardlessAccess:
    return cast(GoCardlessAccess, bench.gateway())


def sdk(bench: GoCardlessBench, *, raising: bool = True, timeout: float = 5.0) -> gocardless_pro.Client:
    """GoCardless's own client, on the simulator."""
    reach = access(bench)
    return gocardless_pro.Client(
        access_token=reach.access_token,
        base_url=reach.base_url + "/",
        timeout=timeout,
        raise_on_idempotency_conflict=raising,
    )


@pytest.fixture
def bench() -> Iterator[GoCardlessBench]:
    bench = GoCardlessBench(lambda reach: cast(PaymentGateway, reach))
    yield bench
    bench.close()


@pytest.fixture
def client(bench: GoCardlessBench) -> gocardless_pro.Client:
    return sdk(bench)


def mandate(bench: GoCardlessBench, currency: str = "GBP") -> str:
    return bench.saved(PaymentMethod.DIRECT_DEBIT, currency)[0]


def asked(mandate: str, amount: object = 1000, **more: object) -> dict[str, Any]:
    return {"amount": amount, "currency": "GBP", "links": {"mandate": mandate}, **more}


def paid(bench: GoCardlessBench, client: gocardless_pro.Client, amount: int = 1000, **more: object) -> str:
    """A payment that is confirmed."""
    payment = client.payments.create(asked(mandate(bench), amount, **more))
    bench.collect(payment.id)
    return str(payment.id)


def new_mandate(client: gocardless_pro.Client, currency: str = "GBP", **more: object) -> str:
    """A mandate given through the API, as it is when it is new."""
    request = client.billing_requests.create({"mandate_request": {"currency": currency, **more}})
    details(client, request.id)
    client.billing_requests.confirm_payer_details(request.id)
    client.billing_requests.fulfil(request.id)
    return str(client.billing_requests.get(request.id).links.mandate_request_mandate)


def details(client: gocardless_pro.Client, request: str) -> None:
    person = {"customer": {"given_name": "Ada", "family_name": "King", "email": "ada@example.com"}}
    client.billing_requests.collect_customer_details(request, params=person)
    account = {"account_holder_name": "Ada King", "account_number": "55779911", "branch_code": "200000"}
    client.billing_requests.collect_bank_account(request, params={**account, "country_code": "GB"})


def instant_request(client: gocardless_pro.Client, **more: object) -> str:
    """A request for an instant payment that waits for the bank only."""
    wanted = {"amount": 2500, "currency": "GBP", "description": "Rent", "metadata": REFERENCE}
    request = client.billing_requests.create({"payment_request": wanted, **more})
    details(client, request.id)
    return str(request.id)


def run(client: gocardless_pro.Client, scenario: str, resource: str) -> None:
    client.scenario_simulators.run(scenario, params={"links": {"resource": resource}})


def actions(client: gocardless_pro.Client, **filters: str) -> list[str]:
    """What happened, in order."""
    return [event.action for event in client.events.all(params=filters)][::-1]


def posts(bench: GoCardlessBench, path: str = "/payments") -> list[str | None]:
    """The keys of the creations that arrived."""
    return [each.key for each in bench.exchanges() if each.method == "POST" and each.path == path]


def effects(bench: GoCardlessBench, kind: EffectKind) -> int:
    return sum(each.kind is kind for each in bench.effects())


def headers(bench: GoCardlessBench) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {access(bench).access_token}",
        "Content-Type": "application/json",
        **TOKEN_LESS,
    }


def raw(bench: GoCardlessBench, method: str, path: str, **how: Any) -> tuple[int, Any]:
    """A request as written by hand."""
    how.setdefault("headers", headers(bench))
    with requests.request(method, bench.server.url + path, timeout=5, **how) as answer:
        return answer.status_code, answer.json()


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_everything_shown_is_a_field_that_the_library_knows(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = paid(bench, client)
    bench.pay_out(payment)
    wanted = {"amount": 100, "total_amount_confirmation": 100, "links": {"payment": payment}}
    client.refunds.create(wanted)
    request = instant_request(client, mandate_request={"currency": "GBP"})
    flow = client.billing_request_flows.create({"links": {"billing_request": request}})
    bench.pay(flow.authorisation_url)
    bench.deliveries()
    found = [flow, client.payouts.list().records[0], client.creditors.list().records[0]]
    for service in (
        client.payments,
        client.refunds,
        client.billing_requests,
        client.mandates,
        client.customers,
        client.events,
        client.webhooks,
        client.payout_items,
    ):
        params = {"payout": found[1].id} if service.RESOURCE_NAME == "payout_items" else {}
        found += service.list(params=params).records
    found.append(client.customer_bank_accounts.get(client.mandates.list().records[0].links.customer_bank_account))
    assert len({type(each) for each in found}) == 12
    for resource in found:
        unknown = [name for name in resource.attributes if not isinstance(getattr(type(resource), name), property)]
        assert not unknown, type(resource)
        links = resource.attributes.get("links", {})
        assert not [name for name in links if not hasattr(type(resource).Links, name)], type(resource)


# --- idempotency, and what the library does about the network ---------------------------------------------------------


def test_a_key_is_used_once_whatever_the_body_says(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    made = client.payments.create(asked(to), headers={"Idempotency-Key": "k1"})
    for body in (asked(to), asked(to, 9999), asked(to, 0)):
        with pytest.raises(errors.IdempotentCreationConflictError) as conflict:
            client.payments.create(body, headers={"Idempotency-Key": "k1"})
        assert conflict.value.conflicting_resource_id == made.id
        assert (conflict.value.code, conflict.value.type) == (409, "invalid_state")
    assert effects(bench, EffectKind.PAYMENT) == 1
    assert client.payments.create(asked(to), headers={"Idempotency-Key": "k2"}).id != made.id


def test_every_creation_uses_its_key_up(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment, key = paid(bench, client), {"Idempotency-Key": "k1"}
    wanted = {"amount": 1, "total_amount_confirmation": 1, "links": {"payment": payment}}
    refund = client.refunds.create(wanted, headers=key)
    with pytest.raises(errors.IdempotentCreationConflictError) as conflict:
        client.refunds.create(wanted, headers=key)
    assert conflict.value.conflicting_resource_id == refund.id
    key, wanted = {"Idempotency-Key": "k2"}, {"mandate_request": {"currency": "GBP"}}
    request = client.billing_requests.create(wanted, headers=key)
    with pytest.raises(errors.IdempotentCreationConflictError) as conflict:
        client.billing_requests.create(wanted, headers=key)
    assert conflict.value.conflicting_resource_id == request.id


def test_a_used_key_may_be_noticed_after_everything_else(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment, key = paid(bench, client), {"Idempotency-Key": "k1"}
    wanted = {"amount": 1, "total_amount_confirmation": 1, "links": {"payment": payment}}
    client.refunds.create(wanted, headers=key)
    bench.provider.account.keys_first = False
    with pytest.raises(errors.InvalidStateError) as refused:
        client.refunds.create(wanted, headers=key)
    assert refused.value.errors[0]["reason"] == "total_amount_confirmation_invalid"
    with pytest.raises(errors.IdempotentCreationConflictError):
        client.refunds.create({**wanted, "total_amount_confirmation": 2}, headers=key)
    for service, body in (
        (client.payments, asked(mandate(bench))),
        (client.billing_requests, {"mandate_request": {"currency": "GBP"}}),
        (client.customers, {"company_name": "Analytical Engines"}),
    ):
        with pytest.raises(errors.IdempotentCreationConflictError):
            service.create(body, headers=key)


def test_the_librarys_default_hides_that_another_amount_was_asked_for(bench: GoCardlessBench) -> None:
    lenient, to = sdk(bench, raising=False), mandate(bench)
    made = lenient.payments.create(asked(to), headers={"Idempotency-Key": "k1"})
    again = lenient.payments.create(asked(to, 9999), headers={"Idempotency-Key": "k1"})
    assert (again.id, again.amount) == (made.id, 1000)


def test_what_was_refused_has_not_used_its_key(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    with pytest.raises(errors.ValidationFailedError):
        client.payments.create(asked(to, 0), headers={"Idempotency-Key": "k1"})
    assert client.payments.create(asked(to), headers={"Idempotency-Key": "k1"}).amount == 1000


def test_flows_are_made_anew_under_the_same_key(client: gocardless_pro.Client) -> None:
    request = client.billing_requests.create({"mandate_request": {"currency": "GBP"}})
    wanted = {"links": {"billing_request": request.id}}
    flows = [client.billing_request_flows.create(wanted, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert len({flow.authorisation_url for flow in flows}) == 2


def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    to = mandate(bench)
    bench.fault("charge", Fault.RESET_AFTER)
    with pytest.raises(errors.IdempotentCreationConflictError) as conflict:
        client.payments.create(asked(to), headers={"Idempotency-Key": "k1"})
    assert posts(bench) == ["k1", "k1"]
    [effect] = [each for each in bench.effects() if each.kind is EffectKind.PAYMENT]
    assert (effect.key, effect.reference) == ("k1", conflict.value.conflicting_resource_id)


def test_a_lost_request_is_repeated_with_a_key_of_the_librarys_own(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    bench.fault("charge", Fault.RESET_BEFORE)
    client.payments.create(asked(mandate(bench)))
    first, second = posts(bench)
    assert first == second is not None
    assert effects(bench, EffectKind.PAYMENT) == 1


def test_no_answer_in_time_is_repeated(bench: GoCardlessBench) -> None:
    hasty, to = sdk(bench, raising=False, timeout=1.0), mandate(bench)
    bench.fault("charge", Fault.STALL_AFTER)
    assert hasty.payments.create(asked(to), headers={"Idempotency-Key": "k1"}).amount == 1000
    assert effects(bench, EffectKind.PAYMENT) == 1


@pytest.mark.parametrize(
    ("fault", "error", "requests_made", "made"),
    [
        (Fault.ERROR_500_BEFORE, errors.GoCardlessInternalError, 1, 0),
        (Fault.ERROR_500_AFTER, errors.GoCardlessInternalError, 1, 1),
        (Fault.RATE_LIMIT, errors.RateLimitError, 1, 0),
        (Fault.UNAUTHORISED, errors.AuthenticationError, 1, 0),
        (Fault.HTML_502_BEFORE, errors.MalformedResponseError, 3, 0),
        (Fault.HTML_502_AFTER, errors.IdempotentCreationConflictError, 2, 1),
        (Fault.HTML_200_AFTER, errors.IdempotentCreationConflictError, 2, 1),
        (Fault.TRUNCATE_AFTER, requests.exceptions.ChunkedEncodingError, 1, 1),
    ],
)
def test_what_the_library_makes_of_a_fault(
    bench: GoCardlessBench,
    client: gocardless_pro.Client,
    fault: Fault,
    error: type[Exception],
    requests_made: int,
    made: int,
) -> None:
    to = mandate(bench)
    bench.fault("charge", fault, times=3 if fault is Fault.HTML_502_BEFORE else 1)
    with pytest.raises(error):
        client.payments.create(asked(to))
    assert (len(posts(bench)), effects(bench, EffectKind.PAYMENT)) == (requests_made, made)


def test_who_asks_too_often_is_told_when_to_come_back(bench: GoCardlessBench) -> None:
    bench.fault("payment", Fault.RATE_LIMIT)
    with requests.get(f"{bench.server.url}/payments/PM1", headers=headers(bench), timeout=5) as answer:
        assert answer.status_code == 429
        assert (answer.headers["ratelimit-remaining"], answer.headers["ratelimit-limit"]) == ("0", "1000")
        assert answer.headers["ratelimit-reset"].endswith("GMT")
        assert answer.json()["error"]["errors"][0]["reason"] == "rate_limit_exceeded"


def test_nobody_listens_until_the_faults_are_cleared(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    bench.fault("charge", Fault.REFUSE)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.payments.create(asked(to))
    bench.clear_faults()
    assert client.payments.create(asked(to)).status == "pending_submission"


def test_nonsense_is_told_in_ways_that_break_clients_differently(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    to, met = mandate(bench), []
    bench.fault("charge", Fault.NONSENSE, times=5)
    for _ in range(3):
        with pytest.raises(Exception) as raised:  # whatever the library makes of it
            client.payments.create(asked(to))
        met.append(type(raised.value))
    assert met == [errors.GoCardlessProError, TypeError, errors.IdempotentCreationConflictError]
    assert effects(bench, EffectKind.PAYMENT) == 0


def test_a_redirect_leads_to_a_success_that_never_was(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    bench.fault("charge", Fault.REDIRECT)
    claimed = client.payments.create(asked(to))
    assert claimed.status == "confirmed"
    assert effects(bench, EffectKind.PAYMENT) == 0
    with pytest.raises(errors.InvalidApiUsageError):
        client.payments.get(claimed.id)


def test_more_fields_and_other_statuses_can_be_told(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment = client.payments.create(asked(mandate(bench)))
    bench.fault("payment", Fault.UNKNOWN_FIELDS)
    assert "colour" in client.payments.get(payment.id).attributes
    bench.fault("payment", Fault.UNKNOWN_STATUS)
    assert client.payments.get(payment.id).status == "in_superposition"
    assert client.payments.get(payment.id).status == "pending_submission"


def test_actions_are_never_repeated_by_the_library(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment = client.payments.create(asked(mandate(bench)))
    bench.fault("cancel", Fault.RESET_AFTER)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.payments.cancel(payment.id)
    assert client.payments.get(payment.id).status == "cancelled"
    assert len([each for each in bench.exchanges() if each.operation == "cancel"]) == 1


# --- strictness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"headers": {}}, (401, "missing_authorization_header")),
        ({"headers": {**TOKEN_LESS, "Authorization": "Bearer nobody"}}, (401, "access_token_not_found")),
        ({"headers": {**TOKEN_LESS, "Authorization": "Basic nobody"}}, (401, "invalid_authorization_header")),
        ({"path": "/payment"}, (404, "path_not_found")),
        ({"path": "/payments/PM1/actions/refund", "method": "POST"}, (404, "path_not_found")),
        ({"path": "/payments/PM1", "method": "DELETE"}, (405, "method_not_allowed")),
        ({"path": "/payments/PM99"}, (404, "resource_not_found")),
        ({"path": "/payments?colour=red"}, (400, "invalid_filters")),
        ({"path": "/payments?limit=501"}, (400, "invalid_filters")),
        ({"path": "/payments?after=PM99"}, (400, "invalid_filters")),
        ({"path": "/payments?created_at[gte]=yesterday"}, (400, "invalid_filters")),
        ({"data": b"{}", "path": "/payments"}, (400, "request_body_not_allowed")),
        ({"method": "POST", "path": "/payments", "data": b"{"}, (400, "invalid_document_structure")),
        ({"method": "POST", "path": "/payments", "data": b"[]"}, (400, "invalid_document_structure")),
        ({"method": "POST", "path": "/payments", "data": b'{"payment":{}}'}, (400, "invalid_document_structure")),
    ],
)
def test_a_request_that_is_wrong_is_refused_in_the_providers_words(
    bench: GoCardlessBench, change: dict[str, Any], reason: tuple[int, str]
) -> None:
    status, body = raw(bench, **{"method": "GET", "path": "/payments", **change})
    error = body["error"]
    assert (status, error["errors"][0]["reason"]) == reason
    assert error["code"] == status
    assert error["type"] == "invalid_api_usage"
    assert set(error) == {"message", "documentation_url", "type", "request_id", "code", "errors"}


def test_the_version_and_the_kind_of_body_are_looked_at(bench: GoCardlessBench) -> None:
    for changed, reason in (
        ({"GoCardless-Version": None}, "missing_version_header"),
        ({"GoCardless-Version": "2014-01-01"}, "version_not_found"),
        ({"Content-Type": "text/plain"}, "invalid_content_type"),
        ({"Idempotency-Key": "k" * 129}, "idempotency_key_too_long"),
    ):
        how = {name: value for name, value in {**headers(bench), **changed}.items() if value is not None}
        _, body = raw(bench, "POST", "/payments", headers=how, data=b'{"payments":{}}')
        assert body["error"]["errors"][0]["reason"] == reason


PAYMENT_FAULTS: list[tuple[dict[str, object], dict[str, str]]] = [
    ({"amount": 10.5}, {"/payments/amount": "must be a number"}),
    ({"amount": True}, {"/payments/amount": "must be a number"}),
    ({"amount": 0}, {"/payments/amount": "must be greater than 0"}),
    ({"amount": -1}, {"/payments/amount": "must be greater than 0"}),
    ({"amount": None}, {"/payments/amount": "can't be blank"}),
    ({"currency": None}, {"/payments/currency": "can't be blank"}),
    ({"currency": "EUR"}, {"/payments/currency": "must match the mandate's scheme"}),
    ({"links": None}, {"/payments/links/mandate": "can't be blank"}),
    (
        {"charge_date": "2026-03-04"},
        {"/payments/charge_date": "must be on or after mandate's next_possible_charge_date"},
    ),
    ({"charge_date": "soon"}, {"/payments/charge_date": "is not a valid date"}),
    ({"reference": "INV-0000012"}, {"/payments/reference": "is too long (maximum is 10 characters)"}),
    ({"retry_if_possible": "yes"}, {"/payments/retry_if_possible": "must be true or false"}),
    ({"metadata": {str(n): "x" for n in range(4)}}, {"/payments/metadata": "cannot have more than 3 keys"}),
    ({"metadata": {"k" * 51: "x"}}, {f"/payments/metadata/{'k' * 51}": "key is too long (maximum is 50 characters)"}),
    ({"metadata": {"k": "x" * 501}}, {"/payments/metadata/k": "is too long (maximum is 500 characters)"}),
    ({"metadata": {"k": 1}}, {"/payments/metadata/k": "must be a string"}),
]


@pytest.mark.parametrize(("change", "faults"), PAYMENT_FAULTS)
def test_fields_that_do_not_pass_are_pointed_at(
    bench: GoCardlessBench, client: gocardless_pro.Client, change: dict[str, object], faults: dict[str, str]
) -> None:
    body = {name: value for name, value in {**asked(mandate(bench)), **change}.items() if value is not None}
    with pytest.raises(errors.ValidationFailedError) as refused:
        client.payments.create(body)
    assert {each["request_pointer"]: each["message"] for each in refused.value.errors} == faults
    assert str(refused.value)  # which the library makes of field, message and pointer
    assert effects(bench, EffectKind.PAYMENT) == 0


@pytest.mark.parametrize("body", [{"statement": "x"}, {"links": {"customer": "CU1"}}, {"metadata": {}, "id": "PM1"}])
def test_a_parameter_nobody_knows_is_refused(
    bench: GoCardlessBench, client: gocardless_pro.Client, body: dict[str, object]
) -> None:
    with pytest.raises(errors.InvalidApiUsageError, match="Unknown parameters"):
        client.payments.create({**asked(mandate(bench)), **body})


def test_links_to_nothing_are_refused(client: gocardless_pro.Client) -> None:
    mandate_request, elsewhere = {"currency": "GBP"}, {"total_amount_confirmation": 1, "links": {"payment": "PM99"}}
    for create, body in (
        (client.payments.create, asked("MD99")),
        (client.refunds.create, {"amount": 1, **elsewhere}),
        (client.billing_request_flows.create, {"links": {"billing_request": "BRQ99"}}),
        (client.billing_requests.create, {"mandate_request": mandate_request, "links": {"customer": "CU99"}}),
        (client.billing_requests.create, {"mandate_request": mandate_request, "links": {"creditor": "CR99"}}),
    ):
        with pytest.raises(errors.InvalidApiUsageError) as refused:
            create(body)
        assert (refused.value.code, refused.value.errors[0]["reason"]) == (404, "link_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"payment_request": {"amount": 100, "currency": "GBP"}},
        {"payment_request": {"amount": 100, "currency": "USD", "description": "x"}},
        {"mandate_request": {"currency": "GBP", "scheme": "sepa_core"}},
        {"mandate_request": {"currency": "XXX"}},
    ],
)
def test_a_billing_request_that_nothing_can_come_of_is_refused(
    client: gocardless_pro.Client, body: dict[str, object]
) -> None:
    with pytest.raises((errors.ValidationFailedError, errors.InvalidApiUsageError)):
        client.billing_requests.create(body)


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_customer_gives_a_mandate_on_a_page(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    request = client.billing_requests.create(
        {"mandate_request": {"currency": "EUR", "metadata": REFERENCE}, "metadata": REFERENCE},
        headers={"Idempotency-Key": "set-up-1"},
    )
    person = {"given_name": "Zoé", "family_name": "Noël", "email": "zoe@example.com"}
    wanted = {"links": {"billing_request": request.id}, "prefilled_customer": person}
    flow = client.billing_request_flows.create({**wanted, "redirect_uri": "http://merchant.example/back?a=1"})
    assert flow.expires_at == "2026-03-09T09:00:00.000Z"
    with requests.get(flow.authorisation_url, timeout=5) as page:
        assert "sepa_core" in page.text
    answer = requests.post(flow.authorisation_url, data={"answer": "accept"}, timeout=5, allow_redirects=False)
    with answer:
        assert answer.headers["Location"] == f"http://merchant.example/back?a=1&outcome=success&id={request.id}"
    done = client.billing_requests.get(request.id)
    assert done.status == "fulfilled"
    made = client.mandates.get(done.links.mandate_request_mandate)
    assert (made.scheme, made.status, made.metadata) == ("sepa_core", "pending_submission", REFERENCE)
    assert client.customers.get(made.links.customer).email == "zoe@example.com"
    assert client.customer_bank_accounts.get(made.links.customer_bank_account).account_number_ending == "06"
    assert actions(client, resource_type="billing_requests") == [
        "created",
        "flow_created",
        "flow_visited",
        "collect_customer_details",
        "collect_bank_account",
        "payer_details_confirmed",
        "fulfilled",
    ]
    [effect] = bench.effects()
    assert (effect.kind, effect.key, effect.reference) == (EffectKind.SETUP, "set-up-1", request.id)


@pytest.mark.parametrize(("currency", "scheme"), [("GBP", "faster_payments"), ("EUR", "sepa_instant_credit_transfer")])
def test_a_payer_pays_at_once_on_a_page(
    bench: GoCardlessBench, client: gocardless_pro.Client, currency: str, scheme: str
) -> None:
    wanted = {"amount": "2500", "currency": currency, "description": "Rent", "metadata": REFERENCE}
    request = client.billing_requests.create({"payment_request": wanted}, headers={"Idempotency-Key": "pay-1"})
    flow = client.billing_request_flows.create(
        {"links": {"billing_request": request.id}, "redirect_uri": bench.return_urls[0]}
    )
    bench.pay(flow.authorisation_url)
    payment = client.payments.get(client.billing_requests.get(request.id).links.payment_request_payment)
    assert (payment.status, payment.amount, payment.scheme) == ("confirmed", 2500, scheme)
    assert payment.metadata == REFERENCE
    assert client.mandates.get(payment.links.mandate).status == "consumed"
    kinds = [(each.kind, each.key) for each in bench.effects()]
    assert kinds == [
        (EffectKind.CHECKOUT, "pay-1"),
        (EffectKind.PAYMENT, "pay-1"),
        (EffectKind.COLLECTED, "pay-1"),
    ]
    bench.pay(flow.authorisation_url)
    assert effects(bench, EffectKind.PAYMENT) == 1
    with requests.get(flow.authorisation_url, timeout=5) as page:
        assert page.status_code == 410


def test_a_payer_may_leave_say_no_or_have_no_money(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    request = instant_request(client)
    flow = client.billing_request_flows.create(
        {"links": {"billing_request": request}, "exit_uri": bench.return_urls[1], "redirect_uri": bench.return_urls[0]}
    )
    bench.leave(flow.authorisation_url)
    with requests.post(flow.authorisation_url, data={"answer": "refuse"}, timeout=5) as page:
        assert "Pay now" in page.text
    with requests.post(flow.authorisation_url, data={"answer": "steal"}, timeout=5) as page:
        assert page.status_code == 400
    with requests.get(flow.authorisation_url.replace("/flow", "/flaw"), timeout=5) as page:
        assert page.status_code == 404
    assert client.billing_requests.get(request).status == "pending"
    assert effects(bench, EffectKind.PAYMENT) == 0
    bench.pay(flow.authorisation_url, decline="insufficient_funds")
    payment = client.billing_requests.get(request).links.payment_request_payment
    assert client.payments.get(payment).status == "failed"
    [event] = client.events.list(params={"payment": payment, "action": "failed"}).records
    assert event.attributes["details"]["cause"] == "insufficient_funds"
    assert {"flow_exited", "bank_authorisation_denied"} <= set(actions(client, billing_request=request))


def test_a_page_ends_with_its_billing_request_and_after_seven_days(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    for end in (lambda id: client.billing_requests.cancel(id), lambda _: bench.move(7 * 86400)):
        request = instant_request(client)
        flow = client.billing_request_flows.create({"links": {"billing_request": request}})
        end(request)
        bench.pay(flow.authorisation_url)
    assert effects(bench, EffectKind.PAYMENT) == 0
    fresh = client.billing_request_flows.create({"links": {"billing_request": request}})
    bench.pay(fresh.authorisation_url)
    assert effects(bench, EffectKind.PAYMENT) == 1
    for action in (client.billing_requests.cancel, client.billing_requests.fulfil):
        with pytest.raises(errors.InvalidStateError):
            action(request)
    with pytest.raises(errors.InvalidStateError):
        client.billing_request_flows.create({"links": {"billing_request": request}})
    assert client.billing_request_flows.initialise(fresh.id).session_token.startswith("sesh_")


def test_an_instant_payment_falls_back_to_a_debit(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    request = instant_request(client, fallback_enabled=True)
    client.billing_requests.fallback(request)
    flow = client.billing_request_flows.create({"links": {"billing_request": request}})
    bench.pay(flow.authorisation_url)
    links = client.billing_requests.get(request).links
    payment = client.payments.get(links.payment_request_payment)
    assert (payment.scheme, payment.status, payment.charge_date) == ("bacs", "pending_submission", "2026-03-09")
    assert payment.links.mandate == links.mandate_request_mandate
    with pytest.raises(errors.InvalidStateError):
        client.billing_requests.fallback(instant_request(client))


def test_nothing_is_fulfilled_before_everything_is_known(client: gocardless_pro.Client) -> None:
    request = client.billing_requests.create({"mandate_request": {"currency": "GBP"}}).id
    with pytest.raises(errors.InvalidStateError):
        client.billing_requests.fulfil(request)
    account = {"account_holder_name": "Ada King", "account_number": "55779911"}
    with pytest.raises(errors.InvalidStateError):  # whose account is it?
        client.billing_requests.collect_bank_account(request, params=account)
    details(client, request)
    assert client.billing_requests.get(request).status == "pending"
    assert client.billing_requests.confirm_payer_details(request).status == "ready_to_fulfil"
    assert client.billing_requests.fulfil(request).status == "fulfilled"


# --- scenarios --------------------------------------------------------------------------------------------------------

Start = Callable[[GoCardlessBench, gocardless_pro.Client], str]


def pending(currency: str) -> Start:
    def start(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
        return str(client.payments.create({**asked(mandate(bench, currency)), "currency": currency}).id)

    return start


def first_payment(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    return str(client.payments.create({**asked(new_mandate(client, "EUR")), "currency": "EUR"}).id)


def refund(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    wanted = {"amount": 100, "total_amount_confirmation": 100, "links": {"payment": paid(bench, client)}}
    return str(client.refunds.create(wanted).id)


def payout(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    payment = paid(bench, client)
    bench.pay_out(payment)
    return str(client.payments.get(payment).links.payout)


def unsigned(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    return new_mandate(client, payer_requested_dual_signature=True)


def in_bacs(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    return new_mandate(client)


def waiting(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    return instant_request(client)


def creditor(bench: GoCardlessBench, client: gocardless_pro.Client) -> str:
    return str(client.creditors.list().records[0].id)


GBP, EUR = pending("GBP"), pending("EUR")
COLLECTED = ["created", "submitted", "confirmed", "paid_out"]
ACTIVE = ["created", "submitted", "active"]

# scenario → (what it starts on, the service that shows it, the status it ends in, the events about it)
RUNS: dict[str, tuple[Start, str, str, list[str]]] = {
    "payment_submitted": (GBP, "payments", "submitted", ["created", "submitted"]),
    "payment_confirmed": (GBP, "payments", "confirmed", COLLECTED[:3]),
    "payment_paid_out": (EUR, "payments", "paid_out", COLLECTED),
    "payment_failed": (first_payment, "payments", "failed", ["created", "submitted", "failed"]),
    "payment_charged_back": (GBP, "payments", "charged_back", [*COLLECTED, "charged_back"]),
    "payment_chargeback_settled": (
        GBP,
        "payments",
        "charged_back",
        [*COLLECTED, "charged_back", "chargeback_settled"],
    ),
    "payment_late_failure": (EUR, "payments", "failed", [*COLLECTED, "failed"]),
    "payment_late_failure_settled": (GBP, "payments", "failed", [*COLLECTED, "failed", "late_failure_settled"]),
    "mandate_activated": (in_bacs, "mandates", "active", ACTIVE),
    "mandate_customer_approval_granted": (
        unsigned,
        "mandates",
        "pending_submission",
        ["created", "customer_approval_granted"],
    ),
    "mandate_customer_approval_skipped": (
        unsigned,
        "mandates",
        "pending_submission",
        ["created", "customer_approval_skipped"],
    ),
    "mandate_failed": (in_bacs, "mandates", "failed", ["created", "submitted", "failed"]),
    "mandate_expired": (in_bacs, "mandates", "expired", [*ACTIVE, "expired"]),
    "mandate_transferred": (in_bacs, "mandates", "active", [*ACTIVE, "transferred"]),
    "mandate_transferred_with_resubmission": (
        in_bacs,
        "mandates",
        "submitted",
        [*ACTIVE, "transferred", "resubmission_requested", "submitted"],
    ),
    "refund_paid": (refund, "refunds", "paid", ["created", "paid"]),
    "refund_settled": (refund, "refunds", "paid", ["created", "paid", "refund_settled"]),
    "refund_bounced": (refund, "refunds", "bounced", ["created", "failed"]),
    "refund_returned": (refund, "refunds", "funds_returned", ["created", "funds_returned"]),
    "payout_bounced": (payout, "payouts", "bounced", ["paid", "bounced"]),
}
REQUESTS = {
    "billing_request_fulfilled": ("pending_submission", ["created"]),
    "billing_request_fulfilled_and_payment_failed": ("failed", ["created", "submitted", "failed"]),
    "billing_request_fulfilled_and_payment_confirmed_to_failed": ("failed", [*COLLECTED[:3], "failed"]),
    "billing_request_fulfilled_and_payment_paid_out": ("paid_out", COLLECTED),
}
VERIFICATIONS = ("action_required", "in_review", "successful")


@pytest.mark.parametrize("scenario", RUNS)
def test_a_scenario_does_what_its_name_says_and_starts_only_where_it_may(
    bench: GoCardlessBench, client: gocardless_pro.Client, scenario: str
) -> None:
    start, service, status, happened = RUNS[scenario]
    resource = start(bench, client)
    run(client, scenario, resource)
    assert getattr(client, service).get(resource).status == status
    name = {"payouts": "payout"}.get(service, service.removesuffix("s"))
    assert actions(client, resource_type=service, **{name: resource}) == happened
    again = {"mandate_customer_approval_granted", "mandate_customer_approval_skipped", "refund_settled"}
    if scenario not in again | {"refund_paid"}:
        with pytest.raises((errors.InvalidStateError, errors.InvalidApiUsageError)):
            run(client, scenario, resource)


@pytest.mark.parametrize("scenario", REQUESTS)
def test_a_scenario_authorises_and_fulfils_a_billing_request(
    bench: GoCardlessBench, client: gocardless_pro.Client, scenario: str
) -> None:
    request = waiting(bench, client)
    run(client, scenario, request)
    done = client.billing_requests.get(request)
    assert done.status == "fulfilled"
    status, happened = REQUESTS[scenario]
    assert client.payments.get(done.links.payment_request_payment).status == status
    assert actions(client, payment=done.links.payment_request_payment, resource_type="payments") == happened
    with pytest.raises(errors.InvalidStateError):
        run(client, scenario, request)
    with pytest.raises(errors.InvalidStateError):  # nothing is known of the payer
        run(client, scenario, client.billing_requests.create({"mandate_request": {"currency": "GBP"}}).id)


def test_every_official_scenario_is_there(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    for status in VERIFICATIONS:
        run(client, f"creditor_verification_status_{status}", creditor(bench, client))
        assert client.creditors.get(creditor(bench, client)).verification_status == status
    with pytest.raises(errors.InvalidStateError):  # of PayTo mandates only, which are not simulated
        run(client, "mandate_suspended_by_payer", mandate(bench))
    with pytest.raises(errors.InvalidApiUsageError):
        run(client, "payment_vanished", "PM1")
    others = {f"creditor_verification_status_{status}" for status in VERIFICATIONS} | {"mandate_suspended_by_payer"}
    assert set(SCENARIOS) == set(RUNS) | set(REQUESTS) | others
    named = gocardless_pro.services.ScenarioSimulatorsService.run.__doc__ or ""
    assert not [name for name in SCENARIOS if name not in named.replace("\n", " ")]


@pytest.mark.parametrize(
    ("scenario", "start"),
    [
        ("payment_confirmed", lambda bench, client: client.payments.create(asked(new_mandate(client))).id),
        ("mandate_activated", lambda bench, client: new_mandate(client, "EUR")),
        ("mandate_failed", lambda bench, client: new_mandate(client, "EUR")),
        ("mandate_transferred", lambda bench, client: new_mandate(client, "SEK")),
        ("mandate_transferred_with_resubmission", lambda bench, client: new_mandate(client, "EUR")),
        ("mandate_expired", lambda bench, client: new_mandate(client, "SEK")),
        ("payment_late_failure", pending("SEK")),
    ],
)
def test_a_scenario_keeps_to_its_schemes(
    bench: GoCardlessBench, client: gocardless_pro.Client, scenario: str, start: Start
) -> None:
    with pytest.raises(errors.InvalidStateError):
        run(client, scenario, start(bench, client))


# --- payments ---------------------------------------------------------------------------------------------------------


def test_the_first_possible_day_is_told_and_moves_on_with_time(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    assert bench.now().date() == date(2026, 3, 2)  # a Monday
    young, old = new_mandate(client), mandate(bench)
    assert client.mandates.get(young).next_possible_charge_date == "2026-03-09"
    assert client.mandates.get(old).next_possible_charge_date == "2026-03-05"
    assert client.payments.create(asked(old)).charge_date == "2026-03-05"
    bench.move(86400)
    assert client.mandates.get(old).next_possible_charge_date == "2026-03-06"
    bench.revoke(old)
    assert client.mandates.get(old).next_possible_charge_date is None


def test_a_day_on_which_no_bank_works_rolls_forward(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment = client.payments.create(asked(mandate(bench), charge_date="2026-03-07"))
    assert payment.charge_date == "2026-03-09"


@given(st.dates(date(2025, 1, 1), date(2030, 1, 1)), st.integers(1, 12))
def test_working_days_are_counted_without_the_others(day: date, count: int) -> None:
    reached = after_working_days(day, count)
    between = [day + timedelta(days=n) for n in range(1, (reached - day).days + 1)]
    assert sum(works(each) for each in between) == count
    assert works(reached)
    assert rolled(reached) == reached


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 7), st.integers(0, 9))
def test_pages_of_a_list_make_the_whole_list_newest_first(limit: int, made: int) -> None:
    bench = GoCardlessBench(lambda reach: cast(PaymentGateway, reach))
    try:
        client, to, others = sdk(bench), mandate(bench), mandate(bench)
        expected = []
        for _ in range(made):
            expected.append(client.payments.create(asked(to)).id)
            client.payments.create(asked(others))
            bench.move(1)
        told = [each.id for each in client.payments.all(params={"mandate": to, "limit": limit})]
        assert told == expected[::-1]
        since = {"created_at[gte]": "2026-03-02T09:00:03.000Z", "created_at[lt]": "2026-03-02T09:00:06.000Z"}
        assert [each.id for each in client.payments.all(params={"mandate": to, **since})] == expected[3:6][::-1]
    finally:
        bench.close()


def test_the_page_before_can_be_asked_for(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    made = [client.payments.create(asked(to)).id for _ in range(5)][::-1]
    second = client.payments.list(params={"limit": 2, "after": made[1]})
    assert [each.id for each in second.records] == made[2:4]
    first = client.payments.list(params={"limit": 2, "before": second.before})
    assert ([each.id for each in first.records], first.before) == (made[:2], None)


def test_a_payment_is_cancelled_only_until_it_is_sent(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    early, late = client.payments.create(asked(to)).id, client.payments.create(asked(to)).id
    assert client.payments.cancel(early, params={"metadata": {"why": "paid in cash"}}).status == "cancelled"
    [event] = client.events.list(params={"payment": early, "action": "cancelled"}).records
    assert (event.details.cause, event.details.origin) == ("payment_cancelled", "api")
    assert event.metadata == {"why": "paid in cash"}
    run(client, "payment_submitted", late)
    for payment in (early, late):
        with pytest.raises(errors.InvalidStateError) as refused:
            client.payments.cancel(payment)
        assert refused.value.errors[0]["reason"] == "cancellation_failed"


def test_a_failed_payment_is_retried_three_times_under_its_own_name(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = client.payments.create(asked(mandate(bench))).id
    with pytest.raises(errors.InvalidStateError, match="Only failed"):
        client.payments.retry(payment)
    for _ in range(3):
        bench.fail(payment, "insufficient_funds")
        assert client.payments.retry(payment).status == "pending_submission"
    retried = ["resubmission_requested", "submitted", "failed", "resubmission_requested"]
    assert actions(client, payment=payment)[-4:] == retried
    bench.fail(payment, "insufficient_funds")
    with pytest.raises(errors.InvalidStateError) as refused:
        client.payments.retry(payment)
    assert refused.value.errors[0]["reason"] == "retry_failed"


def test_a_retried_late_failure_is_collected_a_second_time(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = paid(bench, client)
    bench.reverse(payment, ReversalKind.LATE_FAILURE)
    client.payments.retry(payment)
    bench.collect(payment)
    kinds = [each.kind for each in bench.effects() if each.reference == payment]
    assert kinds == [EffectKind.PAYMENT, EffectKind.COLLECTED, EffectKind.REVERSAL, EffectKind.COLLECTED]
    assert client.payments.get(payment).status == "confirmed"


def test_gocardless_retries_by_itself_what_it_was_allowed_to(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    to = mandate(bench)
    again = client.payments.create(asked(to, retry_if_possible=True)).id
    once = client.payments.create(asked(to)).id
    for payment in (again, once):
        bench.fail(payment, "insufficient_funds")
    told = {event.links.payment: event.details for event in client.events.all(params={"action": "failed"})}
    assert told[again].will_attempt_retry is True
    assert told[once].will_attempt_retry is False
    assert (told[once].origin, told[once].scheme, told[once].reason_code) == ("bank", "bacs", "ARUDD-0")
    bench.move(2 * 86400)
    assert client.payments.get(again).status == "failed"
    bench.move(86400)
    assert client.payments.get(again).status == "pending_submission"
    assert client.payments.get(once).status == "failed"
    [event] = client.events.list(params={"action": "resubmission_requested"}).records
    assert (event.links.payment, event.details.cause) == (again, "payment_autoretried")


def test_only_metadata_and_whether_to_retry_can_be_changed(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = client.payments.create(asked(mandate(bench), metadata=REFERENCE)).id
    changed = client.payments.update(payment, params={"metadata": {"a": "b"}, "retry_if_possible": True})
    assert (changed.metadata, changed.retry_if_possible, changed.amount) == ({"a": "b"}, True, 1000)
    with pytest.raises(errors.InvalidApiUsageError):
        client.payments.update(payment, params={"amount": 1})


def test_money_that_was_taken_back_is_settled_with_the_next_payout(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    late, disputed, refunded, kept = (paid(bench, client, amount) for amount in (1000, 2000, 4000, 8000))
    for payment in (late, disputed, refunded):
        bench.pay_out(payment)
    bench.reverse(late, ReversalKind.LATE_FAILURE)
    bench.reverse(disputed, ReversalKind.CHARGEBACK)
    client.refunds.create({"amount": 300, "total_amount_confirmation": 300, "links": {"payment": refunded}})
    settled = {"late_failure_settled", "chargeback_settled", "refund_settled"}
    assert not settled & set(actions(client))
    bench.pay_out(kept)
    payout = client.payouts.get(client.payments.get(kept).links.payout)
    assert payout.amount == 8000 - 1000 - 2000 - 300
    items = client.payout_items.list(params={"payout": payout.id}).records
    assert {(each.type, each.amount) for each in items} == {
        ("payment_paid_out", "8000.0"),
        ("payment_failed", "-1000.0"),
        ("payment_charged_back", "-2000.0"),
        ("payment_refunded", "-300.0"),
    }
    told = [event for event in client.events.all() if event.action in settled]
    [parent] = client.events.list(params={"payout": payout.id, "action": "paid"}).records
    assert {event.action for event in told} == settled
    assert {event.links.parent_event for event in told} == {parent.id}


def test_a_chargeback_that_is_cancelled_gives_the_money_back(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = paid(bench, client, metadata=REFERENCE)
    bench.pay_out(payment)
    bench.reverse(payment, ReversalKind.CHARGEBACK)
    assert client.payments.get(payment).status == "charged_back"
    bench.undo_reversal(payment)
    assert client.payments.get(payment).status == "paid_out"
    assert actions(client, payment=payment)[-2:] == ["charged_back", "chargeback_cancelled"]
    kinds = [each.kind for each in bench.effects()][-2:]
    assert kinds == [EffectKind.REVERSAL, EffectKind.REVERSAL_CANCELLED]
    bench.pay_out(paid(bench, client))
    assert "chargeback_settled" not in actions(client)


# --- mandates ---------------------------------------------------------------------------------------------------------


def test_a_cancelled_mandate_takes_along_what_was_not_sent(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    to = mandate(bench)
    waiting_, sent = client.payments.create(asked(to)).id, client.payments.create(asked(to)).id
    run(client, "payment_submitted", sent)
    assert client.mandates.cancel(to).status == "cancelled"
    assert client.payments.get(waiting_).status == "cancelled"
    assert client.payments.get(sent).status == "submitted"
    [cause] = client.events.list(params={"mandate": to, "action": "cancelled"}).records
    [effect] = client.events.list(params={"parent_event": cause.id}).records
    assert (effect.links.payment, effect.details.cause) == (waiting_, "mandate_cancelled")
    with pytest.raises(errors.InvalidStateError) as refused:
        client.payments.create(asked(to))
    assert refused.value.errors[0]["reason"] == "mandate_is_inactive"
    with pytest.raises(errors.InvalidStateError):
        client.mandates.cancel(to)


def test_a_new_mandate_of_some_schemes_is_activated_by_its_first_payment(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    to = new_mandate(client, "EUR")
    run(client, "payment_confirmed", client.payments.create({**asked(to), "currency": "EUR"}).id)
    assert client.mandates.get(to).status == "active"
    assert actions(client, mandate=to) == ACTIVE


def test_a_customer_gives_their_mandate_up_at_their_bank(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    bench.revoke(to)
    [event] = client.events.list(params={"mandate": to}).records
    assert (event.action, event.details.origin, event.details.reason_code) == ("cancelled", "bank", "ADDACS-1")


@pytest.mark.parametrize("cause", ["bank_account_closed", "invalid_bank_details", "mandate_cancelled"])
def test_a_payment_that_fails_for_good_ends_its_mandate(
    bench: GoCardlessBench, client: gocardless_pro.Client, cause: str
) -> None:
    to = mandate(bench)
    payment = client.payments.create(asked(to, retry_if_possible=True)).id
    bench.fail(payment, cause)
    assert client.mandates.get(to).status == "cancelled"
    [failed] = client.events.list(params={"payment": payment, "action": "failed"}).records
    assert failed.details.will_attempt_retry is False
    with pytest.raises(errors.InvalidStateError) as refused:
        client.payments.retry(payment)
    assert refused.value.errors[0]["reason"] == "mandate_is_inactive"


def test_a_mandate_is_reinstated_ten_times(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    with pytest.raises(errors.InvalidStateError) as refused:
        client.mandates.reinstate(to)
    assert refused.value.errors[0]["reason"] == "mandate_not_inactive"
    for _ in range(10):
        client.mandates.cancel(to)
        assert client.mandates.reinstate(to).status == "pending_submission"
        run(client, "mandate_activated", to)
    assert actions(client, mandate=to)[-3:] == ["resubmission_requested", "submitted", "reinstated"]
    client.mandates.cancel(to)
    with pytest.raises(errors.InvalidStateError):
        client.mandates.reinstate(to)


def test_a_mandate_that_was_replaced_names_the_new_one(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = mandate(bench)
    payment = client.payments.create(asked(to)).id
    new = bench.replace(to)
    assert client.mandates.get(to).links.new_mandate == new
    assert client.mandates.get(new).status == "active"
    assert client.payments.get(payment).links.mandate == new
    [event] = client.events.list(params={"mandate": to, "action": "replaced"}).records
    assert event.links.new_mandate == new
    with pytest.raises(errors.InvalidStateError) as refused:
        client.payments.create(asked(to))
    assert refused.value.errors[0]["reason"] == "mandate_replaced"
    assert refused.value.errors[0]["links"] == {"new_mandate": new}
    assert client.payments.create(asked(new)).status == "pending_submission"


def test_a_transfer_names_both_bank_accounts(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = new_mandate(client)
    old = client.mandates.get(to).links.customer_bank_account
    run(client, "mandate_transferred", to)
    [event] = client.events.list(params={"mandate": to, "action": "transferred"}).records
    new = client.mandates.get(to).links.customer_bank_account
    assert (event.links.previous_customer_bank_account, event.links.new_customer_bank_account) == (old, new)
    assert client.customer_bank_accounts.get(old).enabled is False


def test_payments_wait_for_the_second_signature(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    to = new_mandate(client, payer_requested_dual_signature=True)
    payment = client.payments.create(asked(to)).id
    assert client.payments.get(payment).status == "pending_customer_approval"
    run(client, "mandate_customer_approval_granted", to)
    assert client.payments.get(payment).status == "pending_submission"
    assert actions(client, payment=payment) == ["created", "customer_approval_granted"]


def test_customers_and_mandates_can_be_changed_and_listed(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    person = {"given_name": "Ada", "family_name": "King", "metadata": REFERENCE}
    made = client.customers.create(person, headers={"Idempotency-Key": "c1"})
    assert client.customers.update(made.id, params={"email": "ada@example.com"}).given_name == "Ada"
    assert client.customers.get(made.id).email == "ada@example.com"
    with pytest.raises(errors.ValidationFailedError):
        client.customers.create({"given_name": "Ada"})
    with pytest.raises(errors.IdempotentCreationConflictError):  # a key is for one resource, of whatever kind
        client.billing_requests.create({"mandate_request": {"currency": "GBP"}}, headers={"Idempotency-Key": "c1"})
    to = mandate(bench, "EUR")
    owner = client.mandates.update(to, params={"metadata": {"a": "b"}}).links.customer
    assert [each.id for each in client.mandates.list(params={"customer": owner, "status": "active"}).records] == [to]
    assert client.mandates.list(params={"scheme": "bacs"}).records == []


# --- refunds ----------------------------------------------------------------------------------------------------------


def give_back(client: gocardless_pro.Client, payment: str, amount: int, total: int, **how: Any) -> Any:
    wanted = {"amount": amount, "total_amount_confirmation": total, "links": {"payment": payment}}
    return client.refunds.create({**wanted, **how})


def test_refunds_add_up_to_what_is_confirmed_and_to_the_payment_at_most(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = paid(bench, client)
    first = give_back(client, payment, 300, 300, metadata=REFERENCE)
    assert (first.status, first.currency, first.links.payment) == ("created", "GBP", payment)
    with pytest.raises(errors.InvalidStateError) as refused:  # as somebody who has not heard of the first
        give_back(client, payment, 300, 300)
    assert refused.value.errors[0]["reason"] == "total_amount_confirmation_invalid"
    with pytest.raises(errors.ValidationFailedError):
        give_back(client, payment, 701, 1001)
    second = give_back(client, payment, 700, 1000)
    assert client.payments.get(payment).amount_refunded == 1000
    assert [each.id for each in client.refunds.list(params={"payment": payment}).records] == [second.id, first.id]
    assert client.refunds.get(first.id).metadata == REFERENCE
    assert effects(bench, EffectKind.REFUND) == 2


def test_a_refund_that_comes_back_counts_no_more(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment = paid(bench, client)
    refund = give_back(client, payment, 300, 300).id
    bench.settle_refund(refund)
    assert client.refunds.get(refund).status == "paid"
    bench.settle_refund(refund, failed=True)
    assert client.refunds.get(refund).status == "bounced"
    assert client.payments.get(payment).amount_refunded == 0
    assert actions(client, refund=refund) == ["created", "paid", "failed"]
    kinds = [each.kind for each in bench.effects()][-2:]
    assert kinds == [EffectKind.REFUND, EffectKind.REFUND_FAILED]
    assert give_back(client, payment, 1000, 1000).status == "created"


def test_a_refund_goes_to_the_banks_with_the_next_batch(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    refund = give_back(client, paid(bench, client), 300, 300).id
    bench.move(86400 - 1)
    assert client.refunds.get(refund).status == "created"
    bench.move(1)
    assert client.refunds.get(refund).status == "submitted"
    with pytest.raises(errors.InvalidStateError):  # too late for it never to leave
        run(client, "refund_returned", refund)
    run(client, "refund_paid", refund)
    assert client.refunds.get(refund).status == "paid"


def test_what_was_not_collected_is_not_refunded(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    waits = client.payments.create(asked(mandate(bench))).id
    disputed = paid(bench, client)
    bench.reverse(disputed, ReversalKind.CHARGEBACK)
    for payment in (waits, disputed):
        with pytest.raises(errors.InvalidStateError) as refused:
            give_back(client, payment, 100, 100)
        assert refused.value.errors[0]["reason"] == "refund_payment_invalid_state"


def test_an_account_may_have_no_money_for_refunds_or_no_right_to_them(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = paid(bench, client)
    bench.provider.account.balance = 99
    with pytest.raises(errors.InvalidStateError) as refused:
        give_back(client, payment, 100, 100)
    assert refused.value.errors[0]["reason"] == "available_refund_amount_insufficient"
    bench.provider.account.can_refund = False
    with pytest.raises(errors.PermissionsError):
        give_back(client, payment, 99, 99)
    assert client.creditors.list().records[0].can_create_refunds is False
    with pytest.raises(errors.PermissionsError):
        client.refunds.create({"amount": 1, "links": {"payment": payment}})


# --- events and webhooks ----------------------------------------------------------------------------------------------


def test_webhooks_are_verified_by_the_library_and_tell_every_event_once(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = paid(bench, client, metadata=REFERENCE)
    [delivery] = bench.deliveries()
    [secret] = access(bench).webhook_secrets
    told = gocardless_pro.webhooks.parse_with_meta(delivery.body, secret, delivery.headers["webhook-signature"])
    assert told.webhook_id in [each.id for each in client.webhooks.list().records]
    assert [each.id for each in told.events] == [each.id for each in client.events.all()][::-1]
    assert [each.attributes for each in told.events][-1] == client.events.list().records[0].attributes
    assert {each.links.payment for each in told.events} == {payment}
    assert {each.attributes["resource_metadata"]["invoicecore"] for each in told.events} == set(REFERENCE.values())
    assert bench.deliveries() == ()
    for body, signature in (
        (delivery.body + b" ", delivery.headers["webhook-signature"]),
        (delivery.body, bench.sign(delivery.body, secret="another")["webhook-signature"]),
        (delivery.body, delivery.headers["webhook-signature"].upper()),
    ):
        with pytest.raises(errors.InvalidSignatureError):
            gocardless_pro.webhooks.parse(body, secret, signature)


def test_the_official_example_is_signed_as_officially(bench: GoCardlessBench) -> None:
    # From the tests of GoCardless's own library.
    body = (
        b'{"events":[{"id":"EV00BD05S5VM2T","created_at":"2018-07-05T09:13:51.404Z","resource_type":"subscriptions",'
        b'"action":"created","links":{"subscription":"SB0003JJQ2MR06"},"details":{"origin":"api","cause":'
        b'"subscription_created","description":"Subscription created via the API."},"metadata":{}},'
        b'{"id":"EV00BD05TB8K63","created_at":"2018-07-05T09:13:56.893Z","resource_type":"mandates",'
        b'"action":"created","links":{"mandate":"MD000AMA19XGEC"},"details":{"origin":"api","cause":'
        b'"mandate_created","description":"Mandate created via the API."},"metadata":{}}]}'
    )
    signed = bench.sign(body, secret="ED7D658C-D8EB-4941-948B-3973214F2D49")
    assert signed["webhook-signature"] == "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"
    found = gocardless_pro.webhooks.parse(body, "ED7D658C-D8EB-4941-948B-3973214F2D49", signed["webhook-signature"])
    assert [each.id for each in found] == ["EV00BD05S5VM2T", "EV00BD05TB8K63"]


def test_a_webhook_has_250_events_at_most(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    request = client.billing_requests.create({"mandate_request": {"currency": "GBP"}}).id
    for _ in range(255):
        client.billing_request_flows.create({"links": {"billing_request": request}})
    assert [len(json.loads(each.body)["events"]) for each in bench.deliveries()] == [250, 6]


def test_webhooks_that_were_not_taken_can_be_sent_again(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    client.payments.create(asked(mandate(bench)))
    assert bench.provider.deliver_to(f"{bench.server.url}/nowhere") == (401,)
    [missed] = client.webhooks.list(params={"successful": "false"}).records
    assert (missed.response_code, missed.url) == (401, f"{bench.server.url}/nowhere")
    client.webhooks.retry(missed.id)
    assert bench.provider.deliver_to(bench.return_urls[0]) == (200,)
    [taken] = client.webhooks.list(params={"successful": "true"}).records
    first, second = (json.loads(each.request_body)["events"] for each in (missed, taken))
    assert first == second


def test_events_older_than_eighteen_months_are_told_no_more(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    payment = client.payments.create(asked(mandate(bench))).id
    bench.move(540 * 86400)
    assert actions(client, payment=payment) == ["created"]
    bench.move(10 * 86400)
    assert actions(client, payment=payment) == []


def test_events_are_found_by_time_and_one_by_one(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment = client.payments.create(asked(mandate(bench))).id
    bench.move(60)
    run(client, "payment_submitted", payment)
    assert actions(client, **{"created_at[gte]": "2026-03-02T09:00:01Z"}) == ["submitted"]
    [event] = client.events.list(params={"created_at[lte]": "2026-03-02T09:00:00.000Z"}).records
    assert client.events.get(event.id).attributes == event.attributes
    assert (event.action, event.details.origin, event.details.cause) == ("created", "api", "payment_created")


# --- the bench --------------------------------------------------------------------------------------------------------


def test_what_is_saved_to_be_declined_fails_when_it_is_collected(
    bench: GoCardlessBench, client: gocardless_pro.Client
) -> None:
    to, owner = bench.saved(PaymentMethod.DIRECT_DEBIT, "EUR", decline="insufficient_funds")
    assert client.mandates.get(to).links.customer == owner
    payment = client.payments.create({**asked(to), "currency": "EUR"}).id
    bench.collect(payment)
    [event] = client.events.list(params={"payment": payment, "action": "failed"}).records
    assert (event.details.cause, event.details.reason_code) == ("insufficient_funds", "AM04")
    assert effects(bench, EffectKind.COLLECTED) == 0


def test_exchanges_have_the_ports_names(bench: GoCardlessBench, client: gocardless_pro.Client) -> None:
    payment = paid(bench, client)
    client.payments.get(payment)
    client.payments.list(params={"mandate": "MD1"})
    client.payments.list(params={"created_at[gte]": "2026-03-01T00:00:00Z", "created_at[lt]": "2026-04-01T00:00:00Z"})
    client.events.list()
    client.events.list(params={"payment": payment})
    refund = give_back(client, payment, 1, 1)
    client.refunds.get(refund.id)
    for body in (
        {"mandate_request": {"currency": "GBP"}},
        {"payment_request": {"amount": 1, "currency": "GBP", "description": "x"}},
    ):
        request = client.billing_requests.create(body)
        client.billing_requests.get(request.id)
        client.billing_request_flows.create({"links": {"billing_request": request.id}})
        client.billing_requests.cancel(request.id)
    client.creditors.list()
    assert [each.operation for each in bench.exchanges()] == [
        *("charge", "payment", "find", "payments", "missed", "payment", "refund", "refund_of"),
        *("setup", "method", "flow", "expire", "checkout", "payment", "flow", "expire", ""),
    ]


def test_no_secret_is_shown(bench: GoCardlessBench) -> None:
    seen = f"{access(bench)!r} {bench.provider!r} {bench!r} {bench.server!r}"
    assert not [secret for secret in bench.secrets if secret in seen]


def test_eight_at_once_with_one_key_make_one_payment(bench: GoCardlessBench) -> None:
    to = mandate(bench)

    def create(_: int) -> str:
        try:
            made = sdk(bench).payments.create(asked(to), headers={"Idempotency-Key": "k1"})
        except errors.IdempotentCreationConflictError as conflict:
            return str(conflict.conflicting_resource_id)
        return str(made.id)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(create, range(8)))) == 1
    assert effects(bench, EffectKind.PAYMENT) == 1
