"""The gateway to GoCardless: the contract over a simulated GoCardless, and what is its own."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import pickle
import re
import socket
import ssl
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, permutations
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import quote

import attrs
import pytest
import trustme
from gocardless_pro import Client
from gocardless_pro import errors as sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.collection import Advice, DeclineCode, MethodState
from invoicecore.errors import (
    ConfigurationProblem,
    GatewayError,
    InvalidRequest,
    InvalidValue,
    KeyMismatch,
    MissingExtra,
    NotSent,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
    WebhookRejected,
)
from invoicecore.money import Money
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.plugins import Plugins
from invoicecore.ports import (
    About,
    Capability,
    Charge,
    Checkout,
    Lookup,
    Operation,
    PaymentSnapshot,
    PayStatus,
    RefundRequest,
    Setup,
)
from invoicecore.testing.gateway_bench import Fault
from invoicecore.testing.gateway_contract import GatewayContract
from invoicecore.testing.gateway_items import BenchFactory
from invoicecore_adapters.gocardless import SECRETS, TOKEN, plugin, snapshots
from invoicecore_adapters.gocardless.declines import CAUSES, decline
from invoicecore_adapters.gocardless.faults import after_effect, translate
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.gocardless.reading import METADATA_KEY, Unreadable, money
from invoicecore_adapters.gocardless.schemes import INFO, label
from invoicecore_adapters.gocardless.wire import Answered, NoAnswer, NotConnected
from invoicecore_adapters.simulators.gocardless import GoCardlessAccess, GoCardlessBench, mandates

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = "k3j4h5g6f7d8_col_0abc123def4567890"


def opened(access: GoCardlessAccess) -> GoCardlessGateway:
    return GoCardlessGateway(
        access_token=access.access_token,
        webhook_secrets=access.webhook_secrets,
        base_url=access.base_url,
        environment="sandbox",
        timeout=min(access.timeout, 1.0),
    )


class TestGoCardless(GatewayContract):
    rows = 20

    @pytest.fixture(autouse=True)
    def _short_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("invoicecore_adapters.gocardless.account.PAGE", self.rows)

    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return lambda: GoCardlessBench(opened)


class TestGoCardlessThatJudgesBeforeItKnowsAKey(GatewayContract):
    """The other order in which GoCardless may look at a creation: what is asked for first, then the key."""

    rows = 20

    @pytest.fixture(autouse=True)
    def _short_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("invoicecore_adapters.gocardless.account.PAGE", self.rows)

    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        def made() -> GoCardlessBench:
            bench = GoCardlessBench(opened)
            bench.provider.account.keys_first = False
            return bench

        return made


@pytest.fixture
def bench() -> Iterator[GoCardlessBench]:
    bench = GoCardlessBench(opened)
    yield bench
    bench.close()


# --- declines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cause, code, advice",
    [
        ("insufficient_funds", DeclineCode.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ("refer_to_payer", DeclineCode.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ("bank_account_closed", DeclineCode.ACCOUNT_CLOSED, Advice.NEW_METHOD),
        ("invalid_bank_details", DeclineCode.INCORRECT_DETAILS, Advice.NEW_METHOD),
        ("mandate_cancelled", DeclineCode.MANDATE_CANCELLED, Advice.NEW_METHOD),
        ("authorisation_disputed", DeclineCode.DISPUTED, Advice.NEVER),
        ("payment_stopped", DeclineCode.PAYER_REFUSED, Advice.PAYER_ACTION),
        ("other", DeclineCode.UNSPECIFIED, Advice.NEW_METHOD),
    ],
)
def test_a_cause_is_told_in_our_words(cause: str, code: DeclineCode, advice: Advice) -> None:
    told = decline({"cause": cause, "will_attempt_retry": False})
    assert (told.code, told.advice, told.raw_code, told.provider_will_retry) == (code, advice, cause, False)


@pytest.mark.parametrize("cause", [None, 7, "", "Jane Doe's account", "x" * 200, ["a"]])
def test_a_cause_that_is_none_is_unspecified_and_not_quoted(cause: object) -> None:
    told = decline({"cause": cause})
    assert (told.code, told.raw_code) == (DeclineCode.UNSPECIFIED, "")


def test_it_is_told_whether_gocardless_tries_again_by_itself() -> None:
    assert decline({"cause": "refer_to_payer", "will_attempt_retry": True}).provider_will_retry
    assert not decline({"cause": "refer_to_payer", "will_attempt_retry": "yes"}).provider_will_retry


def test_every_cause_of_a_failed_payment_that_gocardless_documents_is_known() -> None:
    documented = set(
        "refer_to_payer bank_account_closed invalid_bank_details authorisation_disputed return_on_odfi_request "
        "test_failure mandate_cancelled bank_account_transferred direct_debit_not_enabled insufficient_funds "
        "account_blocked_for_any_financial_transaction payment_stopped bank_declined_payment "
        "daily_payment_limit_reached insufficient_payment_permissions payment_violated_mandate_parameters".split()
    )
    assert documented <= set(CAUSES)


# --- snapshots --------------------------------------------------------------------------------------------------------


def raw(status: str = "pending_submission", **changes: object) -> dict[str, Any]:
    return {
        "id": "PM123",
        "created_at": "2026-04-01T12:00:00.000Z",
        "charge_date": "2026-04-21",
        "amount": 1000,
        "amount_refunded": 0,
        "currency": "GBP",
        "status": status,
        "scheme": "bacs",
        "metadata": {METADATA_KEY: KEY},
        "links": {"mandate": "MD123", "creditor": "CR123"},
        **changes,
    }


def past(*actions: str, cause: str = "refer_to_payer") -> list[dict[str, Any]]:
    """Events an hour apart, newest first as they are listed; `created` is always the first of them."""
    events = [
        {
            "id": f"EV{index}",
            "created_at": f"2026-04-{2 + index:02}T12:00:00.000Z",
            "resource_type": "payments",
            "action": action,
            "details": {"cause": cause, "origin": "bank"},
        }
        for index, action in enumerate(("created", *actions))
    ]
    return events[::-1]


@pytest.mark.parametrize(
    "status, actions, shown, times",
    [
        ("pending_customer_approval", [], PayStatus.REQUIRES_ACTION, 0),
        ("pending_submission", [], PayStatus.PENDING, 0),
        ("submitted", ["submitted"], PayStatus.PENDING, 0),
        ("confirmed", ["submitted", "confirmed"], PayStatus.SUCCEEDED, 1),
        ("confirmed", [], PayStatus.SUCCEEDED, 1),  # its event is not told yet
        ("paid_out", ["confirmed", "paid_out"], PayStatus.SUCCEEDED, 1),
        ("cancelled", ["cancelled"], PayStatus.CANCELLED, 0),
        ("customer_approval_denied", ["customer_approval_denied"], PayStatus.FAILED, 0),
        ("failed", ["submitted", "failed"], PayStatus.FAILED, 0),
        ("pending_submission", ["failed", "resubmission_requested"], PayStatus.PENDING, 0),
        ("confirmed", ["failed", "resubmission_requested", "submitted", "confirmed"], PayStatus.SUCCEEDED, 1),
        ("charged_back", ["confirmed", "charged_back"], PayStatus.SUCCEEDED, 1),
        ("charged_back", ["charged_back"], PayStatus.SUCCEEDED, 1),
        ("failed", ["confirmed", "failed"], PayStatus.SUCCEEDED, 1),
        ("failed", ["confirmed", "paid_out", "failed", "late_failure_settled"], PayStatus.SUCCEEDED, 1),
        ("submitted", ["confirmed", "failed", "resubmission_requested", "submitted"], PayStatus.PENDING, 1),
        ("cancelled", ["confirmed", "failed", "resubmission_requested", "cancelled"], PayStatus.SUCCEEDED, 1),
        ("confirmed", ["confirmed", "failed", "resubmission_requested", "confirmed"], PayStatus.SUCCEEDED, 2),
        ("confirmed", ["confirmed", "failed", "resubmission_requested"], PayStatus.SUCCEEDED, 2),  # not told yet
        ("invented_tomorrow", ["submitted"], PayStatus.UNRECOGNISED, 0),
        ("failed", ["confirmed"], PayStatus.UNRECOGNISED, 1),  # when it failed is not told yet
        ("charged_back", ["confirmed"], PayStatus.UNRECOGNISED, 1),
    ],
)
def test_a_payments_status_and_its_past_make_one_truth(
    status: str, actions: list[str], shown: PayStatus, times: int
) -> None:
    told = snapshots.payment(raw(status), past(*actions))
    assert (told.status, told.collected) == (shown, Money("10.00", "GBP") * times)
    assert (told.decline is not None) == (shown is PayStatus.FAILED)
    assert (told.key, told.method, told.expected_on) == (KEY, "MD123", date(2026, 4, 21))


@pytest.mark.parametrize("status", ["failed", "charged_back"])
def test_of_what_failed_before_its_events_were_forgotten_nothing_is_claimed(status: str) -> None:
    forgotten = [event for event in past("confirmed", "submitted", "failed") if event["action"] == "failed"]
    assert snapshots.payment(raw(status), forgotten).status is PayStatus.UNRECOGNISED
    assert snapshots.payment(raw(status), []).status is PayStatus.UNRECOGNISED
    # What it is by now is told, and what came before is not: it may have come and gone more than once.
    assert snapshots.payment(raw(status), past(status)[:1]).status is PayStatus.UNRECOGNISED


def test_a_late_failure_is_money_taken_back_and_never_money_that_did_not_come() -> None:
    told = snapshots.payment(raw("failed"), past("submitted", "confirmed", "failed"))
    [reversal] = told.reversals
    assert (told.status, told.collected, told.decline) == (PayStatus.SUCCEEDED, told.amount, None)
    assert (reversal.id, reversal.kind, reversal.amount) == ("EV3", ReversalKind.LATE_FAILURE, told.amount)
    assert (reversal.cancelled, reversal.reason) == (False, "refer_to_payer")


def test_a_charge_back_that_was_cancelled_stays_a_fact() -> None:
    events = past("confirmed", "charged_back", "chargeback_settled", "chargeback_cancelled", cause="refund_requested")
    told = snapshots.payment(raw("confirmed"), events)
    assert (told.status, told.collected) == (PayStatus.SUCCEEDED, told.amount)
    assert [(each.kind, each.cancelled, each.id) for each in told.reversals] == [(ReversalKind.CHARGEBACK, True, "EV2")]


def test_the_order_in_which_events_are_listed_does_not_matter() -> None:
    events = past("submitted", "confirmed", "paid_out", "charged_back", "chargeback_cancelled", "late_failure_settled")
    told = {snapshots.payment(raw("paid_out"), list(order)) for order in permutations(events)}
    assert len(told) == 1
    assert next(iter(told)).paid_out


def test_within_one_instant_the_list_says_what_came_first() -> None:
    events = [{**event, "created_at": "2026-04-02T12:00:00.000Z"} for event in past("confirmed", "failed")]
    assert snapshots.payment(raw("failed"), events).reversals


@pytest.mark.parametrize("amount, units", [(1000, "10.00"), ("1000", "10.00"), (0, "0.00")])
def test_an_amount_is_a_whole_number_or_its_digits(amount: object, units: str) -> None:
    assert money({"amount": amount, "currency": "GBP"}) == Money(units, "GBP")


@pytest.mark.parametrize("amount", [10.0, True, None, "10.00", "-1", -1, "1e3", [], "١٢", "9" * 30])
def test_anything_else_is_no_amount(amount: object) -> None:
    with pytest.raises((Unreadable, InvalidValue)):
        money({"amount": amount, "currency": "GBP"})


@pytest.mark.parametrize(
    "status, state",
    [
        ("created", RefundState.PENDING),
        ("pending_submission", RefundState.PENDING),
        ("submitted", RefundState.PENDING),
        ("paid", RefundState.SUCCEEDED),
        ("bounced", RefundState.FAILED),
        ("funds_returned", RefundState.FAILED),
        ("cancelled", RefundState.FAILED),
        ("invented_tomorrow", RefundState.PENDING),
    ],
)
def test_a_refunds_state(status: str, state: RefundState) -> None:
    told = snapshots.refund({**raw(status), "id": "RF1", "links": {"payment": "PM123"}})
    assert (told.state, told.payment, told.reason) == (state, "PM123", status if state is RefundState.FAILED else "")


@pytest.mark.parametrize(
    "status, state",
    [
        *[(each, MethodState.PENDING) for each in ("pending_customer_approval", "pending_submission", "submitted")],
        ("active", MethodState.ACTIVE),
        *[
            (each, MethodState.INACTIVE)
            for each in ("failed", "cancelled", "expired", "consumed", "blocked", "suspended_by_payer")
        ],
    ],
)
def test_a_mandates_state(status: str, state: MethodState) -> None:
    mandate = {
        "id": "MD1",
        "status": status,
        "scheme": "sepa_core",
        "next_possible_charge_date": "2026-05-11",
        "links": {"customer": "CU1", "new_mandate": "MD2"},
    }
    told = snapshots.mandate(mandate, "1234")
    inactive = state is MethodState.INACTIVE
    assert (told.state, told.owner, told.replaced_by, told.key) == (state, "CU1", "MD2", None)
    assert (told.label, told.reason) == ("Bank account ••••1234 (SEPA)", status if inactive else "")
    assert told.next_charge_on == (None if inactive else date(2026, 5, 11))


def test_of_a_mandate_whose_status_nobody_knows_nothing_is_claimed() -> None:
    with pytest.raises(Unreadable):
        snapshots.mandate({"id": "MD1", "status": "invented_tomorrow"})


@pytest.mark.parametrize(
    "scheme, ending, shown",
    [("bacs", "11", "Bank account ••••11 (Bacs)"), ("bacs", "", "Bank account (Bacs)"), ("new", "", "Bank account")],
)
def test_a_label_masks_the_number(scheme: str, ending: str, shown: str) -> None:
    assert label(scheme, ending) == shown


def test_what_can_be_taken_back_for_ever_says_so() -> None:
    times = {spec.scheme: spec.reversible_for for spec in INFO.methods}
    assert times["bacs"] is None
    assert times["sepa_core"] == timedelta(weeks=8)


def test_no_more_is_declared_of_keys_and_lists_than_is_known() -> None:
    assert INFO.key_window == timedelta(hours=24)  # a repeat after it might charge again
    assert INFO.lookup is Lookup.FINDS_IF_PRESENT  # that nothing is found does not prove that nothing was made


# --- what goes wrong --------------------------------------------------------------------------------------------------


def answered(status: int, kind: object, *reasons: object, **more: object) -> Answered:
    """What the SDK makes of an error body, as the wire tells it."""
    body = {"code": status, "type": kind, "message": "secret-token of Jane Doe", "request_id": "r", **more}
    if reasons:
        body["errors"] = [{"reason": reason, "message": "Jane Doe"} for reason in reasons]
    try:
        raise sdk.ApiError.exception_for(status, kind, body.get("errors", []))(body)
    except Exception as error:
        return Answered(status, error, 30.0)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise AttributeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "error, expected",
    [
        (NotConnected("ConnectionError"), NotSent),
        (NoAnswer("ReadTimeout"), OutcomeUnknown),
        (Unreadable("no id"), OutcomeUnknown),
        (Answered(302, None), OutcomeUnknown),
        (Answered(200, sdk.MalformedResponseError("?", "<html>", 200)), OutcomeUnknown),
        (Answered(502, sdk.MalformedResponseError("?", "<html>", 502)), OutcomeUnknown),
        (answered(500, "gocardless"), OutcomeUnknown),
        (answered(500, "invalid_state", "mandate_is_inactive"), OutcomeUnknown),
        (answered(503, "invalid_state", "mandate_is_inactive"), OutcomeUnknown),
        (answered(401, "invalid_api_usage", "unauthorized"), ConfigurationProblem),
        (answered(403, "invalid_api_usage", "insufficient_permissions"), ConfigurationProblem),
        (answered(429, "invalid_api_usage", "rate_limit_exceeded"), RateLimited),
        (answered(404, "invalid_api_usage", "resource_not_found"), ObjectNotFound),
        (answered(400, "invalid_api_usage", "invalid_filters"), InvalidRequest),
        (answered(422, "validation_failed"), InvalidRequest),
        (answered(422, "validation_failed", "total_amount_confirmation_invalid"), StateConflict),
        (answered(422, "validation_failed", "available_refund_amount_insufficient"), StateConflict),
        (answered(422, "invalid_state", "total_amount_confirmation_invalid"), StateConflict),
        (answered(422, "invalid_state", "mandate_is_inactive"), StateConflict),
        (answered(422, "invalid_state", "cancellation_failed"), StateConflict),
        (answered(422, "invalid_state", "invented_tomorrow"), StateConflict),
        (answered(422, "invalid_state", "secret-token", "Jane Doe", 7), StateConflict),
        (answered(409, "invalid_state", "idempotent_creation_conflict"), OutcomeUnknown),
        (answered(422, "invented_tomorrow"), OutcomeUnknown),
        (answered(422, "invalid_state", errors=None), OutcomeUnknown),
        (answered(422, None), OutcomeUnknown),
        (Answered(422, Unprintable()), OutcomeUnknown),
        (Unprintable(), OutcomeUnknown),
        (KeyError("secret-token"), OutcomeUnknown),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else None,
)
def test_whatever_goes_wrong_says_whether_it_happened_and_quotes_nobody(
    error: Exception, expected: type[GatewayError]
) -> None:
    told = translate(error, "charge", ("secret-token",))
    assert type(told) is expected
    shown = f"{told} {told!r} {pickle.loads(pickle.dumps(told))}"
    assert "secret-token" not in shown
    assert "Jane" not in shown


def test_who_is_to_wait_is_told_how_long() -> None:
    told = translate(answered(429, "invalid_api_usage", "rate_limit_exceeded"), "charge")
    assert isinstance(told, RateLimited)
    assert told.retry_after == 30.0


def test_a_secret_in_the_providers_own_words_is_not_repeated() -> None:
    assert (
        "sandbox_token"
        not in translate(answered(422, "invalid_state", "sandbox_token"), "charge", ("sandbox_token",)).why
    )


@pytest.mark.parametrize(
    "error", [NotConnected("x"), answered(401, "invalid_api_usage"), answered(404, "invalid_api_usage")]
)
def test_after_an_effect_nothing_fails_as_if_it_had_not_happened(error: Exception) -> None:
    assert type(after_effect(error, "charge")) is OutcomeUnknown


# --- webhooks ---------------------------------------------------------------------------------------------------------

VECTOR_SECRET = "ED7D658C-D8EB-4941-948B-3973214F2D49"
VECTOR_SIGNATURE = "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"
VECTOR = (
    b'{"events":[{"id":"EV00BD05S5VM2T","created_at":"2018-07-05T09:13:51.404Z","resource_type":"subscriptions",'
    b'"action":"created","links":{"subscription":"SB0003JJQ2MR06"},"details":{"origin":"api",'
    b'"cause":"subscription_created","description":"Subscription created via the API."},"metadata":{}},'
    b'{"id":"EV00BD05TB8K63","created_at":"2018-07-05T09:13:56.893Z","resource_type":"mandates","action":"created",'
    b'"links":{"mandate":"MD000AMA19XGEC"},"details":{"origin":"api","cause":"mandate_created",'
    b'"description":"Mandate created via the API."},"metadata":{}}]}'
)


def hearing(*secrets: str, **changes: Any) -> GoCardlessGateway:
    return GoCardlessGateway(access_token="token", webhook_secrets=secrets or (VECTOR_SECRET,), **changes)


def signed(body: bytes, secret: str = VECTOR_SECRET) -> dict[str, str]:
    return {"webhook-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def said(*events: object) -> bytes:
    return json.dumps({"events": events}).encode()


def test_gocardlesss_own_example_is_believed() -> None:
    created, mandate = hearing().notices(VECTOR, {"webhook-signature": VECTOR_SIGNATURE})
    assert (created.id, created.kind, created.about) == ("EV00BD05S5VM2T", "subscriptions.created", About.NOTHING)
    assert (mandate.about, mandate.reference, mandate.key) == (About.METHOD, "MD000AMA19XGEC", None)
    assert mandate.happened_at == datetime(2018, 7, 5, 9, 13, 56, 893000, tzinfo=UTC)


@pytest.mark.parametrize("secrets", [("new", VECTOR_SECRET), (VECTOR_SECRET, "old")])
def test_while_secrets_change_both_are_good(secrets: tuple[str, str]) -> None:
    assert hearing(*secrets).notices(VECTOR, signed(VECTOR))


@pytest.mark.parametrize(
    "headers, reason",
    [
        ({}, "missing"),
        ({"webhook-signature": ""}, "missing"),
        ({"webhook-signature": None}, "missing"),
        ({"webhook-signature": VECTOR_SIGNATURE.upper()}, "bad"),
        ({"webhook-signature": [VECTOR_SIGNATURE]}, "bad"),
        ({"webhook-signature": VECTOR_SIGNATURE.encode()}, "bad"),
        ({"webhook-signature": "é" * 64}, "bad"),
        (signed(VECTOR, "another"), "bad"),
        (None, "malformed"),
    ],
)
def test_what_is_not_signed_by_one_of_our_secrets_is_rejected(headers: Any, reason: str) -> None:
    with pytest.raises(WebhookRejected) as raised:
        hearing().notices(VECTOR, headers)
    assert raised.value.reason == reason


def test_what_is_too_large_is_not_even_looked_at() -> None:
    body = said() + b" " * 3_000_000
    with pytest.raises(WebhookRejected):
        hearing().notices(body, signed(body))


def test_without_any_secret_nothing_is_believed() -> None:
    gateway = GoCardlessGateway(access_token="token")
    with pytest.raises(WebhookRejected):
        gateway.notices(VECTOR, signed(VECTOR, ""))


EVENT = {
    "id": "EV1",
    "created_at": "2026-04-02T12:00:00.000Z",
    "resource_metadata": {METADATA_KEY: KEY},
    "details": {"origin": "bank"},
}


@pytest.mark.parametrize(
    "resource_type, action, links, about, reference",
    [
        ("payments", "confirmed", {"payment": "PM1"}, About.PAYMENT, "PM1"),
        ("payments", "failed", {"payment": "PM1", "parent_event": "EV0"}, About.PAYMENT, "PM1"),
        ("refunds", "paid", {"refund": "RF1"}, About.REFUND, "RF1"),
        ("mandates", "replaced", {"mandate": "MD1", "new_mandate": "MD2"}, About.METHOD, "MD1"),
        ("mandates", "cancelled", {}, About.NOTHING, ""),
        (
            "billing_requests",
            "fulfilled",
            {"billing_request": "BRQ1", "mandate_request": "MRQ1", "mandate_request_mandate": "MD1"},
            About.METHOD,
            "BRQ1",
        ),
        (
            "billing_requests",
            "fulfilled",
            {"billing_request": "BRQ1", "payment_request_payment": "PM1"},
            About.PAYMENT,
            "BRQ1",
        ),
        ("billing_requests", "cancelled", {"billing_request": "BRQ1", "payment_request": "P"}, About.PAYMENT, "BRQ1"),
        ("billing_requests", "flow_visited", {"billing_request": "BRQ1", "payment_request": "P"}, About.NOTHING, ""),
        ("payouts", "paid", {"payout": "PO1"}, About.NOTHING, ""),
        ("inventions", "made", {"payment": "PM1"}, About.NOTHING, ""),
    ],
)
def test_an_event_is_about_what_it_names(
    resource_type: str, action: str, links: dict[str, str], about: About, reference: str
) -> None:
    body = said({**EVENT, "resource_type": resource_type, "action": action, "links": links})
    [told] = hearing().notices(body, signed(body))
    assert (told.about, told.reference, told.kind) == (about, reference, f"{resource_type}.{action}")
    assert told.key == KEY


UNFIT = ["EV\ud800", "EV\0", "EV\n", "EV\x7f", "EVé", "E" * 256]


def two_events(field: str, value: str) -> list[dict[str, Any]]:
    """One that has something nobody can keep, and a good one."""
    good = {**EVENT, "id": "EV2", "resource_type": "payments", "action": "failed", "links": {"payment": "PM1"}}
    unfit: dict[str, Any] = {**good, "id": "EV1"}
    match field:
        case "reference":
            unfit["links"] = {"payment": value}
        case "key":
            unfit["resource_metadata"] = {METADATA_KEY: value}
        case _:
            unfit[field] = value
    return [unfit, good]


@pytest.mark.parametrize("value", UNFIT, ids=ascii)
@pytest.mark.parametrize("field", ["id", "action", "reference", "key"])
def test_an_event_that_nobody_can_keep_is_left_out_and_the_others_are_told(field: str, value: str) -> None:
    body = said(*two_events(field, value))
    assert [each.id for each in hearing().notices(body, signed(body))] == ["EV2"]


@pytest.mark.parametrize("field", ["id", "reference", "key"])
def test_names_of_255_characters_are_told(field: str) -> None:
    body = said(*two_events(field, "~" * 255))
    assert len(hearing().notices(body, signed(body))) == 2


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-23:59", "NaN", 10**30, None])
def test_an_instant_out_of_all_time_is_none(instant: object) -> None:
    body = said({**two_events("id", "EV1")[0], "created_at": instant})
    [told] = hearing().notices(body, signed(body))
    assert told.happened_at is None


@pytest.mark.parametrize("headers", [{}, None, {"webhook-signature": "aa"}, {"webhook-signature": "é"}, "signed"])
def test_a_rejection_brings_no_frame_that_holds_a_secret(headers: Any) -> None:
    gateway, body = GoCardlessGateway(access_token="s3cret", webhook_secrets=["s3cret-too"]), b"{no json"
    with pytest.raises(WebhookRejected) as raised:
        gateway.notices(body, signed(body, "s3cret-too") if headers == "signed" else headers)
    error, frames = raised.value, []
    frame = error.__traceback__.tb_next if error.__traceback__ else None  # the first is this test's own
    while frame is not None:
        frames.append(repr(frame.tb_frame.f_locals))
        frame = frame.tb_next
    assert frames
    assert "s3cret" not in "".join(frames)
    assert error.__cause__ is error.__context__ is None


def test_the_sandboxs_events_are_no_live_ones() -> None:
    for environment in ("sandbox", "live"):
        notices = hearing(environment=environment).notices(VECTOR, signed(VECTOR))
        assert {each.live for each in notices} == {environment == "live"}


HEARING = hearing()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text() | st.sampled_from([*EVENT, "links"]), inside),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "resource_type": st.sampled_from(["payments", "refunds", "mandates", "billing_requests"]) | JSON,
        "action": st.sampled_from(["fulfilled", "failed"]) | JSON,
        "links": st.dictionaries(st.sampled_from(["payment", "mandate", "billing_request", "refund"]), JSON) | JSON,
        "resource_metadata": st.dictionaries(st.just(METADATA_KEY), JSON) | JSON,
        "created_at": JSON,
    },
)


@settings(deadline=None, max_examples=150)
@given(events=st.lists(EVENTS | JSON) | JSON)
def test_whatever_was_signed_nothing_but_a_rejection_leaves(events: object) -> None:
    body = json.dumps({"events": events}).encode()
    try:
        notices = HEARING.notices(body, signed(body))
    except WebhookRejected as error:
        assert error.reason == "malformed"  # noqa: PT017  # both ways are right
    else:
        assert all(type(each.reference) is str and type(each.id) is str and each.id for each in notices)
        names = [name for each in notices for name in (each.id, each.kind, each.reference, each.key or "")]
        assert all(re.fullmatch(r"[ -~]{0,255}", name) for name in names)


@settings(deadline=None, max_examples=100)
@given(
    body=st.binary() | st.text() | st.none() | st.builds(bytearray, st.binary()),
    headers=st.none() | st.dictionaries(st.just("webhook-signature") | st.text(), JSON | st.binary()),
)
def test_whatever_arrives_unsigned_is_rejected(body: Any, headers: Any) -> None:
    with pytest.raises(WebhookRejected):
        HEARING.notices(body, headers)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field, value",
    [
        ("access_token", ""),
        ("access_token", None),
        ("access_token", b"s3cret"),
        ("access_token", "s3cret\n"),
        ("access_token", "s3cret é"),
        ("webhook_secrets", "s3cret"),
        ("webhook_secrets", None),
        ("webhook_secrets", ("",)),
        ("webhook_secrets", ("good", b"s3cret")),
        ("environment", "s3cret"),
        ("base_url", "http://api.example.com"),
        ("base_url", "https://user:s3cret@api.example.com"),
        ("base_url", "https://api.example.com/s3cret"),
        ("base_url", "https://api.example.com?token=s3cret"),
        ("base_url", "ftp://127.0.0.1"),
        ("base_url", "https://[s3cret"),
        ("base_url", b"https://api.example.com"),
        ("creditor", "s3cret"),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("timeout", "20"),
        ("connect_timeout", True),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made_and_never_shown(field: str, value: Any) -> None:
    with pytest.raises(InvalidValue) as raised:
        GoCardlessGateway(**{"access_token": "good", field: value})
    assert raised.value.field == field
    assert "s3cret" not in f"{raised.value} {raised.value!r} {raised.value.__cause__!r}"


def test_no_secret_is_in_what_it_looks_like() -> None:
    gateway = GoCardlessGateway(access_token="s3cret", webhook_secrets=["s3cret-too"], environment="sandbox")
    assert "s3cret" not in f"{gateway!r} {gateway._settings!r}"
    assert "sandbox" in repr(gateway)


def test_a_url_names_the_environment_and_the_secrets_come_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "token")
    monkeypatch.setenv(SECRETS, f"old , {VECTOR_SECRET}")
    gateway = Plugins.of(plugin).gateway("gocardless://sandbox?creditor=CR123")
    assert gateway.notices(VECTOR, signed(VECTOR))[0].live is False
    assert gateway.notices(VECTOR, signed(VECTOR, "old"))
    assert Plugins.of(plugin).gateway("gocardless://live").info.name == "gocardless"


@pytest.mark.parametrize(
    "url",
    [
        "gocardless://",
        "gocardless://elsewhere",
        "gocardless://s3cret@live",
        "gocardless://live/s3cret",
        "gocardless://live?token=s3cret",
        "gocardless://live#s3cret",
        "gocardless://[s3cret",
        "gocardless://live?",
        "gocardless://live?s3cret",
        "gocardless://live?creditor=",
        "gocardless://live?creditor=s3cret",
        "gocardless://live?creditor=CR1&creditor=CR2",
        "gocardless://live?creditor=CR1#s3cret",
        "gocardless://sandbox?creditor=%ff",
        "gocardless://sandbox\n",
        "gocardless://sandbox?api=",
        "gocardless://sandbox?api=s3cret",
        "gocardless://sandbox?api=http://s3cret.example.com",
        "gocardless://sandbox?api=http://127.0.0.1.example.com",
        "gocardless://sandbox?api=https://s3cret@example.com",
        "gocardless://sandbox?api=http://127.0.0.1:80/s3cret",
        "gocardless://sandbox?api=ftp://127.0.0.1",
        "gocardless://sandbox?api=https://a.example&api=https://b.example",
    ],
)
def test_a_url_that_names_anything_else_is_refused_and_not_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "token")
    with pytest.raises(InvalidValue) as raised:
        Plugins.of(plugin).gateway(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["gocardless", "GoCardless", "GOCARDLESS"])
def test_a_scheme_is_the_same_in_capitals(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "token")
    assert Plugins.of(plugin).gateway(f"{scheme}://sandbox?creditor=CR1").info.name == "gocardless"


@pytest.mark.parametrize("written", [lambda url: f"{url}/", lambda url: quote(url, safe="")])
def test_a_url_may_lead_to_another_address_of_the_api(
    bench: GoCardlessBench, written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, bench.secrets[0])
    url = f"gocardless://sandbox?api={written(bench.server.url)}&creditor=CR000SIMULATED"
    Plugins.of(plugin).gateway(url).setup(saving(bench), KEY)
    request = json.loads(bench.exchanges()[0].body)["billing_requests"]
    assert request["links"] == {"creditor": "CR000SIMULATED"}


def test_without_a_token_it_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(InvalidValue, match=TOKEN):
        Plugins.of(plugin).gateway("gocardless://live")


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "token")
    for name in [name for name in sys.modules if name.startswith("invoicecore_adapters.gocardless.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gocardless_pro", None)
    with pytest.raises(MissingExtra, match=r"invoicecore\[gocardless\]"):
        Plugins.of(plugin).gateway("gocardless://live")


# --- on the wire ------------------------------------------------------------------------------------------------------


@pytest.fixture
def dripping() -> Iterator[Callable[..., int]]:
    """Ports that answer every byte of something a moment after the other, until the client leaves."""
    servers: list[socket.socket] = []
    threads: list[Thread] = []

    def serve(answer: bytes, tls: ssl.SSLContext | None = None, pause: float = 0.02) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def drip() -> None:
            connection, _ = server.accept()
            try:
                connection = tls.wrap_socket(connection, server_side=True) if tls else connection
                connection.settimeout(pause)
                for byte in answer:
                    connection.sendall(bytes([byte]))
                    with suppress(TimeoutError):
                        if connection.recv(65536) == b"":
                            return
            except OSError:
                return
            finally:
                connection.close()

        threads.append(Thread(target=drip, daemon=True))
        threads[-1].start()
        port: int = server.getsockname()[1]
        return port

    yield serve
    for thread in threads:
        thread.join(10)
    for server in servers:
        server.close()


DRIPS = {
    "headers": b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 90,
    "a body": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b" " * 5000,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1000,
}


def times_out(url: str, timeout: float = 0.5, within: float = 1.0) -> None:
    gateway = GoCardlessGateway(access_token="token", base_url=url, timeout=timeout)
    began = monotonic()
    with pytest.raises(OutcomeUnknown):
        gateway.refund_of("RF1")
    assert monotonic() - began < within


@pytest.mark.parametrize("answer", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_is_over_in_time(dripping: Callable[..., int], answer: bytes) -> None:
    times_out(f"http://127.0.0.1:{dripping(answer)}")


def test_an_encrypted_answer_that_drips_is_over_in_time(
    dripping: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    times_out(f"https://127.0.0.1:{dripping(DRIPS['headers'], context)}")


def test_a_byte_in_time_gives_no_more_time(dripping: Callable[..., int]) -> None:
    times_out(f"http://127.0.0.1:{dripping(b'HTTP', pause=0.9)}", timeout=1.0, within=1.5)


@pytest.mark.parametrize("status", [302, 304, 307])
def test_a_redirection_that_brings_a_success_along_is_none(dripping: Callable[..., int], status: int) -> None:
    body = json.dumps({"refunds": {**raw("paid"), "id": "RF1"}}).encode()
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: /refunds/RF1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    port = dripping(head + body, pause=0.0001)
    with pytest.raises(OutcomeUnknown):
        GoCardlessGateway(access_token="token", base_url=f"http://127.0.0.1:{port}").refund_of("RF1")


def test_a_certificate_that_nobody_vouches_for_is_sent_nothing(dripping: Callable[..., int]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    gateway = GoCardlessGateway(access_token="token", base_url=f"https://127.0.0.1:{dripping(b'', context)}", timeout=2)
    with pytest.raises(NotSent):
        gateway.charge(charge("MD1"), KEY)


def test_what_speaks_no_tls_was_sent_nothing(bench: GoCardlessBench) -> None:
    url = bench.server.url.replace("http://", "https://")
    gateway = GoCardlessGateway(access_token="token", base_url=url, timeout=2)
    with pytest.raises(NotSent):
        gateway.charge(charge("MD1"), KEY)
    assert not bench.exchanges()


def test_it_says_who_it_is_and_signs_in_with_its_token_whatever_a_netrc_says(
    bench: GoCardlessBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login other password other")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(ObjectNotFound):
        bench.gateway().payment("PM1")
    [exchange] = bench.exchanges()
    assert exchange.headers["authorization"] == f"Bearer {bench.secrets[0]}"
    assert "invoicecore/" in exchange.headers["user-agent"]
    assert exchange.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("reference", ["", "..", "a/b", "PM1?x=1", "é", "x" * 200, None, 7])
def test_a_name_that_gocardless_gives_to_nothing_is_not_asked_for(bench: GoCardlessBench, reference: Any) -> None:
    gateway = bench.gateway()
    for ask in (gateway.payment, gateway.method, gateway.refund_of, lambda name: gateway.cancel(name, KEY)):
        with pytest.raises(ObjectNotFound):
            ask(reference)
    assert not bench.exchanges()


@pytest.mark.parametrize("key", ["", "é", "a b", "x" * 65, None, b"key"])
def test_a_key_that_cannot_travel_is_refused_without_a_request(bench: GoCardlessBench, key: Any) -> None:
    with pytest.raises(InvalidRequest):
        bench.gateway().charge(charge("MD1"), key)
    assert not bench.exchanges()


class Saying:
    """A GoCardless that says to each path, without its query, the bytes it is told to say, and that `heard` each."""

    def __init__(self) -> None:
        self.said: dict[str, bytes] = {}
        self.heard: list[str] = []
        said, heard = self.said, self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(self.path)
                self.rfile.read(int(self.headers.get("content-length", 0)))
                with suppress(OSError):  # who asks leaves before the end of what has none
                    self.wfile.write(said[f"{self.command} {self.path.partition('?')[0]}"])

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def says(self, path: str, what: object, status: int = 200, headers: str = "", method: str = "GET") -> None:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        head = (
            f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        self.said[f"{method} {path}"] = head.encode() + body

    def lists(self, *names: str) -> None:
        """Empty lists."""
        for name in names:
            self.says(f"/{name}", {name: [], "meta": {"cursors": {"after": None}}})

    def gateway(self) -> GoCardlessGateway:
        return GoCardlessGateway(access_token="token", base_url=self.url, timeout=10)


@pytest.fixture
def saying() -> Iterator[Saying]:
    made = Saying()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


REFUND = {**raw("paid"), "id": "RF1", "links": {"payment": "PM1"}}
MANDATE = {"id": "MD1", "status": "active", "scheme": "bacs", "links": {"customer_bank_account": "BA1"}}
PAYMENT = {**raw(), "id": "PM1", "amount": 5120, "links": {"mandate": "MD1"}}
REQUEST = {"id": "BRQ1", "status": "pending", "created_at": "2026-04-01T12:00:00.000Z", "payment_request": PAYMENT}
PAID_REQUEST = {**REQUEST, "links": {"payment_request_payment": "PM1"}}
BANK_ACCOUNT = {"id": "BA1", "account_number_ending": "11"}
ANSWERS = {
    "payments": PAYMENT,
    "refunds": REFUND,
    "mandates": MANDATE,
    "billing_requests": REQUEST,
    "customer_bank_accounts": BANK_ACCOUNT,
}


@pytest.mark.parametrize(
    "ask, of_another",
    [
        (lambda gateway: gateway.payment("PM1"), "payments"),
        (lambda gateway: gateway.payment("BRQ1"), "billing_requests"),
        (lambda gateway: gateway.payment("BRQ1"), "payments"),
        (lambda gateway: gateway.refund_of("RF1"), "refunds"),
        (lambda gateway: gateway.method("MD1"), "mandates"),
        (lambda gateway: gateway.method("MD1"), "customer_bank_accounts"),
        (lambda gateway: gateway.method("BRQ1"), "billing_requests"),
        (lambda gateway: gateway.revoke("MD1", KEY), "mandates"),
        (lambda gateway: gateway.charge(charge("MD1"), KEY), "payments"),  # the key was used before
    ],
    ids="payment page paid-page refund mandate bank-account set-up revoked conflict".split(),
)
def test_an_answer_about_another_object_is_none(
    saying: Saying, ask: Callable[[GoCardlessGateway], object], of_another: str
) -> None:
    saying.lists("events", "refunds")
    for name, answer in ANSWERS.items():
        told = PAID_REQUEST if answer is REQUEST and of_another == "payments" else answer
        saying.says(f"/{name}/{answer['id']}", {name: told})
    saying.says("/mandates/MD1/actions/cancel", {"mandates": MANDATE}, method="POST")
    used = {"reason": "idempotent_creation_conflict", "links": {"conflicting_resource_id": "PM1"}}
    error = {"error": {"type": "invalid_state", "code": 409, "message": "used", "errors": [used]}}
    saying.says("/payments", error, 409, method="POST")
    assert ask(saying.gateway())  # as long as every answer is about what was asked for
    other = {**ANSWERS[of_another], "id": f"{ANSWERS[of_another]['id']}0"}
    for identity in (other["id"], None, [ANSWERS[of_another]["id"]]):
        saying.says(f"/{of_another}/{ANSWERS[of_another]['id']}", {of_another: {**other, "id": identity}})
        with pytest.raises(OutcomeUnknown, match="of another object"):
            ask(saying.gateway())


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "86400"}, 86_400.0),
        ({"Retry-After": "86401"}, 86_400.0),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1e9"}, None),
        ({}, None),
        ({"RateLimit-Reset": "Mon, 04 May 2026 12:00:40 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 40.0),
        ({"RateLimit-Reset": "Mon, 04 May 2026 11:00:00 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 1.0),
        ({"RateLimit-Reset": "Fri, 31 Dec 9999 23:59:59 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 86_400.0),
        ({"RateLimit-Reset": "Fri, 31 Dec 9999 23:59:59 GMT", "Date": "Mon, 04 May 2026 12:00:00"}, None),
        ({"RateLimit-Reset": "Fri, 31 Dec 99999 23:59:59 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, None),
        ({"RateLimit-Reset": "", "Date": ""}, None),
    ],
    ids=str,
)
def test_nobody_has_to_wait_for_longer_than_a_day(
    saying: Saying, headers: Mapping[str, str], seconds: float | None
) -> None:
    error = {"error": {"type": "invalid_api_usage", "code": 429, "errors": [{"reason": "rate_limit_exceeded"}]}}
    saying.says("/refunds/RF1", error, 429, "".join(f"{name}: {value}\r\n" for name, value in headers.items()))
    with pytest.raises(RateLimited) as raised:
        saying.gateway().refund_of("RF1")
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"])
def test_what_is_on_this_machine_is_asked_without_a_proxy(
    saying: Saying, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, saying.url)
    with pytest.raises(NotSent):
        GoCardlessGateway(access_token="token", base_url=f"http://{host}:9", timeout=2).refund_of("RF1")
    assert saying.heard == []


@pytest.mark.parametrize("status", [200, 302, 500])
@pytest.mark.parametrize("packing", ["gzip", "GZIP", "gzip, gzip", "deflate", "br"])
def test_a_packed_answer_is_not_unpacked(saying: Saying, status: int, packing: str) -> None:
    packed = gzip.compress(json.dumps({"refunds": REFUND}).encode() + b" " * 2**26)
    saying.says("/refunds/RF1", packed, status, f"Location: /refunds/RF1\r\nContent-Encoding: {packing}\r\n")
    gateway = saying.gateway()
    tracemalloc.start()
    try:
        with pytest.raises(OutcomeUnknown):
            gateway.refund_of("RF1")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**24


@pytest.mark.parametrize(
    "length, head",
    [("Content-Length: 17000000", b""), ("Transfer-Encoding: chunked", b"1036640\r\n"), ("Connection: close", b"")],
    ids=["a length", "chunks", "the end"],
)
def test_an_answer_that_is_too_long_is_none(saying: Saying, length: str, head: bytes) -> None:
    body = json.dumps({"refunds": REFUND}).encode().ljust(17_000_000)
    end = b"\r\n0\r\n\r\n" if head else b""
    saying.said["GET /refunds/RF1"] = f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode() + head + body + end
    with pytest.raises(OutcomeUnknown, match="no whole answer"):
        saying.gateway().refund_of("RF1")


def test_a_long_answer_is_read(saying: Saying) -> None:
    saying.says("/refunds/RF1", json.dumps({"refunds": REFUND}).encode().ljust(8_000_000))
    assert saying.gateway().refund_of("RF1").reference == "RF1"


@pytest.mark.parametrize("field", ["id", "reference", "key"])
def test_missed_events_that_nobody_can_keep_are_left_out(saying: Saying, field: str) -> None:
    saying.says("/events", {"events": two_events(field, "EV\ud800"), "meta": {"cursors": {"after": "EV2"}}})
    told = saying.gateway().missed(NOON)
    assert ([each.id for each in told.notices], told.cursor) == (["EV2"], "EV2")


def test_a_list_whose_cursor_leads_back_to_itself_ends(saying: Saying) -> None:
    saying.lists("events", "refunds")
    saying.says("/payments", {"payments": [raw()], "meta": {"cursors": {"after": "PM123"}}})
    gateway = saying.gateway()
    account, day = gateway._account, timedelta(days=1)
    assert len(list(islice(account.all(account.payments, {}), 9))) == 2
    assert len(list(islice(gateway.payments(NOON - day, NOON + day), 9))) == 2


@pytest.mark.parametrize(
    "status, shown", [("fulfilling", PayStatus.PENDING), ("fulfilled", PayStatus.PENDING), ("pending", None)]
)
def test_a_page_that_cannot_be_closed_since_it_was_paid_tells_so(
    saying: Saying, status: str, shown: PayStatus | None
) -> None:
    asked = {"amount": 1000, "currency": "GBP"}
    request = {"id": "BRQ1", "created_at": "2026-04-01T12:00:00.000Z", "status": status, "payment_request": asked}
    refused = {"error": {"type": "invalid_state", "code": 422, "errors": [{"reason": "cancellation_failed"}]}}
    saying.says("/billing_requests/BRQ1", {"billing_requests": request})
    saying.says("/billing_requests/BRQ1/actions/cancel", refused, 422, method="POST")
    with ExitStack() as refusal:
        if shown is None:
            refusal.enter_context(pytest.raises(StateConflict))
        assert saying.gateway().expire("BRQ1", "expire-1").status is shown


# --- journeys ---------------------------------------------------------------------------------------------------------


def charge(method: str, amount: str = "51.20", currency: str = "GBP") -> Charge:
    return Charge(
        method=method, owner=None, amount=Money(amount, currency), reference="INV-000012", description="Rent, April"
    )


def charged(bench: GoCardlessBench, key: str = KEY, currency: str = "GBP") -> PaymentSnapshot:
    method, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, currency)
    return bench.gateway().charge(charge(method, currency=currency), key)


def page(bench: GoCardlessBench, expires_at: datetime = NOON) -> Checkout:
    success, cancel = bench.return_urls
    return Checkout(
        amount=Money("51.20", "GBP"),
        reference="INV-000012",
        description="Rent, April",
        locale="fr_FR",
        success_url=success,
        cancel_url=cancel,
        expires_at=expires_at,
        email="tenant@example.net",
    )


def saving(bench: GoCardlessBench, currency: str = "GBP", **changes: Any) -> Setup:
    back, cancel = bench.return_urls
    wanted = Setup(
        kind=PaymentMethod.DIRECT_DEBIT,
        currency=currency,
        name="Ada King",
        locale="en_GB",
        return_url=back,
        cancel_url=cancel,
    )
    return attrs.evolve(wanted, **changes)


@pytest.mark.parametrize("minutes, there", [(0, True), (10, True), (11, False)])
def test_what_was_just_made_is_found_though_our_clock_is_ahead(
    bench: GoCardlessBench, minutes: int, there: bool
) -> None:
    made, ahead = charged(bench), bench.now() + timedelta(minutes=minutes)
    assert bench.gateway().find(Operation.CHARGE, KEY, since=ahead) == (made if there else None)


def test_money_that_was_taken_back_and_collected_again_came_twice(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    bench.collect(made.reference)
    bench.reverse(made.reference, ReversalKind.LATE_FAILURE)
    late = gateway.payment(made.reference)
    assert (late.status, late.collected, len(late.reversals)) == (PayStatus.SUCCEEDED, made.amount, 1)
    again = gateway.retry(made.reference, "retry-1")
    assert (again.status, again.collected, again.reversals) == (PayStatus.PENDING, made.amount, late.reversals)
    bench.collect(made.reference)
    told = gateway.payment(made.reference)
    assert (told.status, told.collected, told.reversals) == (PayStatus.SUCCEEDED, made.amount * 2, late.reversals)


def test_a_charge_back_and_its_end_are_told(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    bench.collect(made.reference)
    bench.reverse(made.reference, ReversalKind.CHARGEBACK)
    [taken] = gateway.payment(made.reference).reversals
    bench.undo_reversal(made.reference)
    told = gateway.payment(made.reference)
    assert told.reversals == (attrs.evolve(taken, cancelled=True),)
    assert (told.status, told.collected) == (PayStatus.SUCCEEDED, made.amount)


def test_what_was_given_back_is_told_when_what_came_is_forgotten(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    bench.collect(made.reference)
    part = RefundRequest(payment=made.reference, amount=Money("10.00", "GBP"), refunded_before=Money("0.00", "GBP"))
    given = gateway.refund(part, "refund-1")
    bench.reverse(made.reference, ReversalKind.LATE_FAILURE)
    bench.move(timedelta(days=600).total_seconds())  # events are told of for eighteen months
    told = gateway.payment(made.reference)
    assert (told.status, told.collected) == (PayStatus.UNRECOGNISED, Money("0.00", "GBP"))
    assert [each.reference for each in told.refunds] == [given.reference]


def test_a_status_that_does_not_fit_is_read_once_more(bench: GoCardlessBench) -> None:
    made = charged(bench)
    bench.fault("payment", Fault.UNKNOWN_STATUS)
    assert bench.gateway().payment(made.reference).status is PayStatus.PENDING
    bench.fault("payment", Fault.UNKNOWN_STATUS, times=9)
    assert bench.gateway().payment(made.reference).status is PayStatus.UNRECOGNISED


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.TRUNCATE_AFTER, Fault.HTML_502_AFTER])
@pytest.mark.parametrize("act", ["cancel", "retry", "revoke", "expire"])
def test_an_action_whose_answer_is_lost_is_looked_at(bench: GoCardlessBench, act: str, fault: Fault) -> None:
    gateway = bench.gateway()
    name, done = waiting_for(bench, act)
    bench.fault(act, fault)
    assert done(getattr(gateway, act)(name, "act-1"))


@pytest.mark.parametrize("act", ["cancel", "retry", "revoke", "expire"])
def test_an_action_that_may_not_have_arrived_is_in_doubt(bench: GoCardlessBench, act: str) -> None:
    gateway = bench.gateway()
    name, done = waiting_for(bench, act)
    bench.fault(act, Fault.RESET_BEFORE)
    with pytest.raises(OutcomeUnknown):
        getattr(gateway, act)(name, "act-1")
    assert done(getattr(gateway, act)(name, "act-1"))


def waiting_for(bench: GoCardlessBench, act: str) -> tuple[str, Callable[[Any], bool]]:
    """Something an action can be done to, and whether it was."""
    if act == "expire":
        reference = bench.gateway().checkout(page(bench), KEY).reference
        return reference, lambda told: told.status is PayStatus.CANCELLED
    if act == "revoke":
        method, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, "GBP")
        return method, lambda told: told.state is MethodState.INACTIVE
    made = charged(bench)
    if act == "cancel":
        return made.reference, lambda told: told.status is PayStatus.CANCELLED
    bench.fail(made.reference, "refer_to_payer")
    return made.reference, lambda told: told.status is PayStatus.PENDING


def test_a_key_used_for_another_mandate_is_a_mismatch(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    other, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, "GBP")
    with pytest.raises(KeyMismatch):
        gateway.charge(charge(other), KEY)
    assert gateway.payment(made.reference).method == made.method


def test_what_the_key_made_for_somebody_else_is_a_mismatch(bench: GoCardlessBench) -> None:
    made = charged(bench)
    bench.provider.account.payments[made.reference].metadata = {}
    with pytest.raises(KeyMismatch):
        bench.gateway().charge(charge(made.method or ""), KEY)


def test_a_page_leads_to_our_key_where_what_came_of_it_has_none(bench: GoCardlessBench) -> None:
    gateway, account = bench.gateway(), bench.provider.account
    paid, saved = gateway.checkout(page(bench), "checkout-1"), gateway.setup(saving(bench), "setup-1")
    bench.pay(paid.url)
    bench.save(saved.url)
    for each in [*account.payments.values(), *account.mandates.values()]:
        each.metadata = {}
    assert gateway.payment(paid.reference).key == "checkout-1"
    assert gateway.method(saved.reference).key == "setup-1"


def test_a_replayed_charge_keeps_its_past(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    bench.collect(made.reference)
    bench.reverse(made.reference, ReversalKind.LATE_FAILURE)
    again = gateway.retry(made.reference, "retry-1")
    assert gateway.charge(charge(made.method or ""), KEY) == again
    assert again.reversals


def test_a_replayed_charge_tells_how_far_it_has_come(bench: GoCardlessBench) -> None:
    made = charged(bench)
    bench.collect(made.reference)
    again = bench.gateway().charge(charge(made.method or ""), KEY)
    assert (again.reference, again.status, again.collected) == (made.reference, PayStatus.SUCCEEDED, made.amount)


def test_what_the_key_made_and_cannot_be_read_is_in_doubt(bench: GoCardlessBench) -> None:
    made = charged(bench)
    bench.fault("payment", Fault.UNAUTHORISED)
    with pytest.raises(OutcomeUnknown) as raised:
        bench.gateway().charge(charge(made.method or ""), KEY)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_a_page_that_was_not_made_for_what_was_is_asked_for_again(bench: GoCardlessBench) -> None:
    gateway = bench.gateway()
    bench.fault("flow", Fault.RATE_LIMIT)
    with pytest.raises(OutcomeUnknown):
        gateway.checkout(page(bench), KEY)
    assert gateway.payment(gateway.checkout(page(bench), KEY).reference).status is PayStatus.OPEN
    assert len([each for each in bench.effects() if each.key == KEY]) == 1


def test_an_address_to_come_back_to_that_is_refused_is_ours_to_mend(bench: GoCardlessBench) -> None:
    with pytest.raises(InvalidRequest):
        bench.gateway().checkout(attrs.evolve(page(bench), success_url=7), KEY)


def test_what_is_paid_or_closed_already_gets_no_new_page(bench: GoCardlessBench) -> None:
    gateway = bench.gateway()
    hosted = gateway.checkout(page(bench), KEY)
    bench.pay(hosted.url)
    with pytest.raises(StateConflict):
        gateway.checkout(page(bench), KEY)


def test_a_payment_on_a_page_is_told_by_its_own_name_and_refunded_by_either(bench: GoCardlessBench) -> None:
    gateway = bench.gateway()
    hosted = gateway.checkout(page(bench), KEY)
    with pytest.raises(StateConflict):
        gateway.cancel(hosted.reference, "cancel-1")
    bench.pay(hosted.url)
    paid = gateway.payment(hosted.reference)
    assert paid == gateway.payment(paid.reference)
    assert (paid.kind, paid.method, paid.key) == (PaymentMethod.TRANSFER, None, KEY)
    part = RefundRequest(payment=hosted.reference, amount=Money("10.00", "GBP"), refunded_before=Money("0.00", "GBP"))
    refund = gateway.refund(part, "refund-1")
    assert refund.payment == paid.reference
    assert gateway.payment(hosted.reference).refunds == (refund,)
    since = bench.now() - timedelta(hours=1)
    assert gateway.find(Operation.REFUND, "refund-1", since=since, within=hosted.reference) == refund


def test_refunds_that_others_made_meanwhile_are_a_conflict(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    bench.collect(made.reference)
    ten = Money("10.00", "GBP")
    wanted = RefundRequest(payment=made.reference, amount=ten, refunded_before=Money("0.00", "GBP"))
    first = gateway.refund(wanted, "refund-1")
    with pytest.raises(StateConflict):
        gateway.refund(wanted, "refund-2")
    assert gateway.refund(attrs.evolve(wanted, refunded_before=ten), "refund-3").reference != first.reference
    with pytest.raises(InvalidRequest):
        gateway.refund(attrs.evolve(wanted, refunded_before=Money("0.00", "EUR")), "refund-4")


def test_a_refund_that_came_back_is_told(bench: GoCardlessBench) -> None:
    gateway, made = bench.gateway(), charged(bench)
    bench.collect(made.reference)
    wanted = RefundRequest(payment=made.reference, amount=made.amount, refunded_before=Money("0.00", "GBP"))
    refund = gateway.refund(wanted, "refund-1")
    bench.settle_refund(refund.reference)
    assert gateway.refund_of(refund.reference).state is RefundState.SUCCEEDED
    bench.settle_refund(refund.reference, failed=True)
    assert gateway.refund_of(refund.reference).state is RefundState.FAILED
    assert [each.state for each in gateway.payment(made.reference).refunds] == [RefundState.FAILED]


def test_a_mandate_that_was_replaced_names_the_new_one(bench: GoCardlessBench) -> None:
    gateway = bench.gateway()
    hosted = gateway.setup(saving(bench), KEY)
    bench.save(hosted.url)
    saved = gateway.method(hosted.reference)
    run(bench, "mandate_activated", saved.reference)
    with bench.provider.lock:
        new = mandates.replace(bench.provider.account, bench.provider.account.mandates[saved.reference])
    told = gateway.method(saved.reference)
    assert (told.state, told.replaced_by) == (MethodState.INACTIVE, new.id)
    assert gateway.method(new.id).state is MethodState.ACTIVE


def run(bench: GoCardlessBench, scenario: str, reference: str) -> None:
    client = Client(access_token=bench.secrets[0], base_url=f"{bench.server.url}/", timeout=5)
    client.scenario_simulators.run(scenario, params={"links": {"resource": reference}})


def test_a_set_up_that_is_given_up_is_closed(bench: GoCardlessBench) -> None:
    gateway = bench.gateway()
    hosted = gateway.setup(saving(bench, "EUR", scheme="sepa_core"), KEY)
    assert gateway.revoke(hosted.reference, "revoke-1").state is MethodState.INACTIVE
    assert gateway.method(hosted.reference).state is MethodState.INACTIVE
    with pytest.raises(StateConflict):
        gateway.setup(saving(bench, "EUR", scheme="sepa_core"), KEY)
    with pytest.raises(KeyMismatch):
        gateway.setup(saving(bench, "GBP"), KEY)


def test_a_page_is_filled_with_what_is_known_and_belongs_to_the_creditor(bench: GoCardlessBench) -> None:
    gateway = GoCardlessGateway(access_token=bench.secrets[0], base_url=bench.server.url, creditor="CR000SIMULATED")
    gateway.setup(saving(bench, email="ada@example.net"), KEY)
    request, flow = (json.loads(each.body) for each in bench.exchanges())
    assert request["billing_requests"]["links"] == {"creditor": "CR000SIMULATED"}
    assert request["billing_requests"]["metadata"] == {METADATA_KEY: KEY}
    sent = flow["billing_request_flows"]
    assert sent["prefilled_customer"] == {"email": "ada@example.net", "given_name": "Ada", "family_name": "King"}
    assert (sent["language"], sent["redirect_uri"], sent["exit_uri"]) == ("en", *bench.return_urls)
    gateway.setup(saving(bench, name="Plato", locale="el_GR"), KEY)
    sent = json.loads(bench.exchanges()[-1].body)["billing_request_flows"]
    assert "prefilled_customer" not in sent
    assert "language" not in sent


def test_a_debit_has_its_day_and_no_longer_description_than_fits(bench: GoCardlessBench) -> None:
    method, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, "GBP")
    day = bench.now().date() + timedelta(days=30)
    bench.gateway().charge(attrs.evolve(charge(method), charge_on=day, description="x" * 300), KEY)
    assert json.loads(bench.exchanges()[-1].body)["payments"] == {
        "amount": 5120,
        "currency": "GBP",
        "charge_date": day.isoformat(),
        "description": "x" * 100,
        "links": {"mandate": method},
        "metadata": {METADATA_KEY: KEY},
    }


def test_a_page_that_is_not_encrypted_is_no_page(bench: GoCardlessBench) -> None:
    bench.provider.pages = "http://pages.example.net"
    with pytest.raises(OutcomeUnknown):
        bench.gateway().checkout(page(bench), KEY)


@pytest.mark.parametrize(
    "changes", [{"scheme": "bacs", "currency": "EUR"}, {"scheme": "faster_payments"}, {"scheme": "x"}]
)
def test_a_scheme_that_does_not_collect_the_currency_is_refused(bench: GoCardlessBench, changes: Any) -> None:
    with pytest.raises(InvalidRequest):
        bench.gateway().setup(saving(bench, **changes), KEY)
    assert not bench.exchanges()


def test_without_the_right_to_read_a_bank_account_a_label_has_no_number(bench: GoCardlessBench) -> None:
    method, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, "GBP")
    gateway = bench.gateway()
    assert gateway.method(method).label == "Bank account ••••11 (Bacs)"
    account = bench.provider.account.bank_accounts
    account.clear()
    assert gateway.method(method).label == "Bank account (Bacs)"


def test_a_list_tells_of_each_payment_what_reading_it_tells(
    bench: GoCardlessBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoicecore_adapters.gocardless.account.PAGE", 2)
    gateway, start = bench.gateway(), bench.now()
    made = [charged(bench, f"key-{number}") for number in range(7)]
    for each in made[1:]:
        bench.collect(each.reference)
    bench.reverse(made[2].reference, ReversalKind.LATE_FAILURE)
    bench.reverse(made[3].reference, ReversalKind.CHARGEBACK)
    bench.reverse(made[4].reference, ReversalKind.CHARGEBACK)
    bench.undo_reversal(made[4].reference)
    some = RefundRequest(payment=made[5].reference, amount=Money("1.00", "GBP"), refunded_before=Money("0.00", "GBP"))
    gateway.refund(some, "refund-1")
    told = list(gateway.payments(start, bench.now() + timedelta(seconds=1)))
    assert {each.reference for each in told} == {each.reference for each in made}
    assert all(each == gateway.payment(each.reference) for each in told)
    assert list(gateway.payments(start - timedelta(days=1), start - timedelta(hours=1))) == []


def test_a_payment_that_fails_while_it_is_listed_is_read_by_itself(
    bench: GoCardlessBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoicecore_adapters.gocardless.account.PAGE", 1)
    gateway, start = bench.gateway(), bench.now()
    older, newer = charged(bench, "key-1"), charged(bench, "key-2")
    listed = gateway.payments(start, bench.now() + timedelta(seconds=1))
    assert next(listed) == newer
    bench.fail(older.reference, "refer_to_payer")
    [told] = listed
    assert (told.reference, told.status) == (older.reference, PayStatus.FAILED)


def test_events_that_were_missed_come_page_by_page(bench: GoCardlessBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invoicecore_adapters.gocardless.account.PAGE", 4)
    gateway, start = bench.gateway(), bench.now()
    for number in range(3):
        bench.collect(charged(bench, f"key-{number}").reference)
        bench.move(60)
    delivered = {notice.id: notice for each in bench.deliveries() for notice in heard(gateway, each)}
    found, cursor = {}, None
    while True:
        told = gateway.missed(start, cursor)
        found |= {notice.id: notice for notice in told.notices}
        moments = [notice.happened_at for notice in told.notices]
        assert moments == sorted(moments, key=lambda moment: moment or NOON)
        if (cursor := told.cursor) is None:
            break
    assert found == delivered


def heard(gateway: GoCardlessGateway, delivery: Any) -> Any:
    return gateway.notices(delivery.body, {name.lower(): value for name, value in delivery.headers.items()})


def test_no_error_keeps_what_the_sdk_raised(bench: GoCardlessBench) -> None:
    bench.fault("charge", Fault.HTML_200_AFTER)
    with pytest.raises(OutcomeUnknown) as raised:
        charged(bench)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_pages_are_for_transfers_and_charges_for_debits() -> None:
    by_kind: Mapping[PaymentMethod, set[Capability]] = {
        kind: {each for spec in INFO.methods if spec.kind is kind for each in spec.can} for kind in PaymentMethod
    }
    assert Capability.CHECKOUT not in by_kind[PaymentMethod.DIRECT_DEBIT]
    assert Capability.CHARGE not in by_kind[PaymentMethod.TRANSFER]
    assert {code for spec in INFO.methods if Capability.CHECKOUT in spec.can for code in spec.currencies} == {
        "GBP",
        "EUR",
    }
