"""The simulated Stripe, asked by Stripe's own SDK; and the server, ledger and deliveries every simulator shares."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.errors import InvalidValue
from invoicecore.money import Money
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.testing import FixedClock
from invoicecore.testing.checks import all_at_once
from invoicecore.testing.gateway_bench import Delivery, EffectKind, Fault, GatewayBench
from invoicecore_adapters.simulators.ledger import Deliveries, Ledger
from invoicecore_adapters.simulators.server import LoopbackServer, Provider, Request, Response
from invoicecore_adapters.simulators.stripe import StripeAccess, StripeBench
from invoicecore_adapters.simulators.stripe.account import KINDS
from invoicecore_adapters.simulators.stripe.amounts import PADDED, THREE_DECIMAL, TWO_DECIMAL, ZERO_DECIMAL, money
from invoicecore_adapters.simulators.stripe.cards import TEST_METHODS

KEY = "k3j4h5g6f7d8_col_0abc123def4567890"
EARLIER = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NO_REDIRECTS = {"enabled": True, "allow_redirects": "never"}


class Quitting:
    """In place of a gateway: these tests speak to Stripe with its own SDK."""

    def close(self) -> None:
        pass


@pytest.fixture
def bench() -> Iterator[StripeBench]:
    with closing(StripeBench(lambda access: Quitting(), at=EARLIER)) as bench:  # type: ignore[arg-type,return-value]
        yield bench


@pytest.fixture
def client(bench: StripeBench) -> Iterator[stripe.StripeClient]:
    with sdk(bench) as client:
        yield client


class sdk:
    """Stripe's SDK, pointed at the simulator; its connections are closed at the end."""

    def __init__(self, bench: StripeBench, *, api_key: str | None = None, retries: int = 0) -> None:
        self.http = stripe.RequestsClient(timeout=1.0)
        self.client = stripe.StripeClient(
            api_key or bench.secrets[0],
            base_addresses={"api": bench.simulator.server.url},
            max_network_retries=retries,
            http_client=self.http,
        )

    def __enter__(self) -> stripe.StripeClient:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.http.close()  # type: ignore[no-untyped-call]  # the SDK has no types here


def charge(client: stripe.StripeClient, bench: StripeBench, *, key: str = KEY, **changes: Any) -> stripe.PaymentIntent:
    """A saved card is charged as a gateway does it."""
    if "payment_method" not in changes:
        method, customer = bench.saved(PaymentMethod.CARD, "EUR")
        changes = {"payment_method": method, "customer": customer, **changes}
    params = {
        "amount": 1234,
        "currency": "eur",
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": NO_REDIRECTS,
        "metadata": {"invoicecore": key},
        **changes,
    }
    return client.v1.payment_intents.create(params, {"idempotency_key": key})  # type: ignore[arg-type]


def session(client: stripe.StripeClient, *, key: str = KEY, **changes: Any) -> Any:
    """A page to pay 12.34 EUR on."""
    price = {"currency": "eur", "unit_amount": 1234, "product_data": {"name": "INV-000012"}}
    params: dict[str, Any] = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": "https://rent.example.org/paid?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://rent.example.org/left",
        "metadata": {"invoicecore": key},
        "payment_intent_data": {"metadata": {"invoicecore": key}},
    } | changes
    params = {name: value for name, value in params.items() if value is not None}
    return client.v1.checkout.sessions.create(params, {"idempotency_key": key})  # type: ignore[arg-type]


def kinds(bench: StripeBench) -> list[EffectKind]:
    return [effect.kind for effect in bench.effects()]


def events(bench: StripeBench) -> list[str]:
    return [json.loads(delivery.body)["type"] for delivery in bench.deliveries()]


def test_the_bench_is_a_bench_and_tells_a_gateway_all_it_needs() -> None:
    given: list[StripeAccess] = []

    def make(access: StripeAccess) -> Any:
        given.append(access)
        return Quitting()

    with closing(StripeBench(make, at=EARLIER)) as stripe_bench:
        bench: GatewayBench = stripe_bench
        bench.gateway()
        bench.gateway(webhook_secrets=["one", "two"])
        assert {access.base_url for access in given} == {stripe_bench.simulator.server.url}
        assert [access.webhook_secrets for access in given] == [bench.secrets[1:], ("one", "two")]
        assert given[0].clock.now() == bench.now() == EARLIER
        assert not [secret for secret in bench.secrets if secret in repr(given)]


# --- what goes wrong on the way ---------------------------------------------------------------------------------------

LOST = stripe.APIConnectionError
FAULTS: dict[Fault, tuple[type[Exception] | None, int]] = {
    Fault.REFUSE: (LOST, 0),
    Fault.RESET_BEFORE: (LOST, 0),
    Fault.RESET_AFTER: (LOST, 1),
    Fault.STALL_AFTER: (LOST, 1),
    Fault.TRUNCATE_AFTER: (LOST, 1),
    Fault.HTML_502_BEFORE: (stripe.APIError, 0),
    Fault.HTML_502_AFTER: (stripe.APIError, 1),
    Fault.HTML_200_AFTER: (stripe.APIError, 1),
    Fault.ERROR_500_BEFORE: (stripe.APIError, 0),
    Fault.ERROR_500_AFTER: (stripe.APIError, 1),
    Fault.REDIRECT: (None, 0),
    Fault.RATE_LIMIT: (stripe.RateLimitError, 0),
    Fault.UNAUTHORISED: (stripe.AuthenticationError, 0),
    Fault.NONSENSE: (stripe.StripeError, 0),
    Fault.UNKNOWN_FIELDS: (None, 1),
    Fault.UNKNOWN_STATUS: (None, 1),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_reaches_the_sdk_as_what_it_is_and_leaves_its_effect_or_none(
    fault: Fault, bench: StripeBench, client: stripe.StripeClient
) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    bench.fault("charge", fault)
    error, effects = FAULTS[fault]
    if error is None:
        charge(client, bench, payment_method=method, customer=customer)
    else:
        with pytest.raises(error):
            charge(client, bench, payment_method=method, customer=customer)
    assert kinds(bench).count(EffectKind.COLLECTED) == effects
    assert [one.operation for one in bench.exchanges() if one.operation] == ["charge"] * (fault is not Fault.REFUSE)
    bench.clear_faults()
    if fault is not Fault.ERROR_500_AFTER:
        assert charge(client, bench, payment_method=method, customer=customer).status == "succeeded"
        assert kinds(bench).count(EffectKind.COLLECTED) == 1, "the same key has one effect"


def test_the_tables_of_these_tests_know_every_fault() -> None:
    assert set(FAULTS) | {Fault.DRIP_AFTER} == set(Fault)


def test_an_answer_that_drips_never_ends_until_the_server_does(bench: StripeBench) -> None:
    bench.fault("missed", Fault.DRIP_AFTER)
    with closing(socket.create_connection(("127.0.0.1", bench.simulator.server.port), timeout=10)) as wire:
        key = bench.secrets[0]
        wire.sendall(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        told = b""
        while not told.endswith(b'{\n  "obj'):
            told += wire.recv(1)
        bench.close()
        while wire.recv(1):
            pass


def test_faults_are_for_one_operation_and_for_as_many_requests_as_was_said(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    bench.fault("charge", Fault.HTML_502_BEFORE, times=2)
    session(client, key="other")
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            charge(client, bench)
    assert charge(client, bench).status == "succeeded"


def test_what_was_planned_is_forgotten_when_it_is_cleared(bench: StripeBench, client: stripe.StripeClient) -> None:
    bench.fault("missed", Fault.HTML_502_BEFORE, times=50)
    bench.clear_faults()
    assert client.v1.events.list().data == []


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
def test_a_reset_is_a_reset_and_no_polite_end(fault: Fault, bench: StripeBench) -> None:
    bench.fault("missed", fault)
    with closing(socket.create_connection(("127.0.0.1", bench.simulator.server.port), timeout=10)) as wire:
        wire.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            wire.recv(1)


def test_nobody_listens_until_it_is_cleared_and_then_on_the_same_port(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    address = bench.simulator.server.url
    bench.fault("charge", Fault.REFUSE)
    for _ in range(3):
        with pytest.raises(LOST) as raised:
            client.v1.events.list()
        assert "refused" in str(raised.value).lower()
    bench.clear_faults()
    assert client.v1.events.list().data == []
    assert bench.simulator.server.url == address


def test_what_was_stored_under_a_key_stays_a_500_whatever_was_done(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    bench.fault("charge", Fault.ERROR_500_AFTER)
    for _ in range(3):
        with pytest.raises(stripe.APIError) as raised:
            charge(client, bench, payment_method=method, customer=customer)
        assert raised.value.http_status == 500
    assert kinds(bench).count(EffectKind.COLLECTED) == 1
    [intent] = client.v1.payment_intents.list({"customer": customer or ""}).data
    assert intent.metadata["invoicecore"] == KEY, "it is found by its key"


def test_the_sdk_tries_again_under_the_same_key_and_is_told_of_the_first_answer(
    bench: StripeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0)
    for number, fault in enumerate([Fault.RESET_AFTER, Fault.STALL_AFTER, Fault.HTML_502_AFTER]):
        bench.fault("charge", fault)
        before = len(bench.exchanges())
        with sdk(bench, retries=2) as client:
            intent = charge(client, bench, key=f"{KEY}{number}")
        answer = intent.last_response
        assert answer is not None
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert [one.key for one in bench.exchanges()[before:]] == [f"{KEY}{number}"] * 2
        assert len([one for one in bench.effects() if one.key == f"{KEY}{number}"]) == 2  # made, and collected


def test_the_sdk_does_not_try_again_when_there_are_too_many_requests(bench: StripeBench) -> None:
    bench.fault("charge", Fault.RATE_LIMIT)
    with sdk(bench, retries=2) as client, pytest.raises(stripe.RateLimitError) as raised:
        charge(client, bench)
    assert len(bench.exchanges()) == 1
    assert (raised.value.headers or {})["Retry-After"] == "2"


@pytest.mark.parametrize("number, method", [(1, "GET"), (2, "POST")])
def test_a_redirect_is_followed_to_a_success_that_never_happened(
    number: int, method: str, bench: StripeBench, client: stripe.StripeClient
) -> None:
    bench.fault("charge", Fault.REDIRECT, times=number)
    for _ in range(number):
        told = charge(client, bench)
    assert (told.status, told.amount_received, told.metadata["invoicecore"]) == ("succeeded", 1234, KEY)
    assert bench.exchanges()[-1].method == method
    assert bench.exchanges()[-1].operation == ""
    assert bench.effects() == ()
    assert not [one for one in events(bench) if "charge" in one or "payment_intent" in one]
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent"):
        client.v1.payment_intents.retrieve(told.id)


def test_a_good_answer_may_have_more_in_it_or_a_status_nobody_knows(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    bench.fault("charge", Fault.UNKNOWN_FIELDS)
    told = charge(client, bench)
    assert told.status == "succeeded"
    assert "penguins" in told
    bench.fault("payment", Fault.UNKNOWN_STATUS)
    params: Any = {"expand": ["latest_charge"]}
    strange: Any = client.v1.payment_intents.retrieve(told.id, params)
    assert (strange.status, strange.latest_charge.status) == ("waddling", "waddling")


def test_closing_ends_what_stalls_and_leaves_no_thread() -> None:
    bench = StripeBench(lambda access: Quitting(), at=EARLIER)  # type: ignore[arg-type,return-value]
    bench.fault("missed", Fault.STALL_AFTER)
    before = set(threading.enumerate())
    wire = http.client.HTTPConnection("127.0.0.1", bench.simulator.server.port, timeout=30)
    wire.request("GET", "/v1/events", headers={"Authorization": f"Bearer {bench.secrets[0]}"})
    while not bench.exchanges():
        pass  # it is on its way
    idle = socket.create_connection(("127.0.0.1", bench.simulator.server.port))  # says nothing, as browsers do
    bench.close()
    bench.close()
    with pytest.raises((http.client.BadStatusLine, ConnectionError)):
        wire.getresponse()
    wire.close()
    idle.close()
    assert set(threading.enumerate()) - before == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", bench.simulator.server.port))


# --- keys -------------------------------------------------------------------------------------------------------------


def test_the_first_answer_under_a_key_is_the_answer(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    told = [charge(client, bench, payment_method=method, customer=customer) for _ in range(3)]
    assert len({one.id for one in told}) == 1
    replayed = [(one.last_response.headers if one.last_response else {}).get("Idempotent-Replayed") for one in told]
    assert replayed == [None, "true", "true"]
    assert kinds(bench).count(EffectKind.COLLECTED) == 1
    assert charge(client, bench, key="another", payment_method=method, customer=customer).id != told[0].id


def test_a_decline_is_an_answer_and_stays_one(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR", decline="insufficient_funds")
    told = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as raised:
            charge(client, bench, payment_method=method, customer=customer)
        told.append(raised.value.error.payment_intent.id)  # type: ignore[union-attr]
    assert told[0] == told[1]
    assert len(client.v1.payment_intents.list().data) == 1


@pytest.mark.parametrize("change", [{"amount": 1235}, {"metadata": {"invoicecore": "x"}}, {"description": "more"}])
def test_a_key_that_was_used_for_something_else_is_refused(
    change: dict[str, Any], bench: StripeBench, client: stripe.StripeClient
) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    charge(client, bench, payment_method=method, customer=customer)
    with pytest.raises(stripe.IdempotencyError) as raised:
        charge(client, bench, payment_method=method, customer=customer, **change)
    assert (raised.value.http_status, raised.value.code) == (400, None)
    assert kinds(bench).count(EffectKind.COLLECTED) == 1


def test_a_key_is_good_for_one_address_only(bench: StripeBench, client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": KEY})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        session(client)


def test_two_at_once_under_one_key_are_one_and_a_409(bench: StripeBench) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    begun, go_on = threading.Event(), threading.Event()

    def wait(operation: str) -> None:
        begun.set()
        assert go_on.wait(30)

    bench.simulator.at_work = wait
    told: list[Any] = []

    def first() -> None:
        with sdk(bench) as client:
            client.v1.customers.retrieve(customer or "")  # reading takes no key and waits for nobody
            told.append(charge(client, bench, payment_method=method, customer=customer))

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(30)
    try:
        with sdk(bench) as client, pytest.raises(stripe.APIError) as raised:
            charge(client, bench, payment_method=method, customer=customer)
    finally:
        go_on.set()
        thread.join()
    assert (raised.value.http_status, raised.value.code) == (409, None)
    assert raised.value.error is not None
    assert raised.value.error.code == "idempotency_key_in_use"
    with sdk(bench) as client:
        assert charge(client, bench, payment_method=method, customer=customer).id == told[0].id


def test_many_at_once_under_one_key_have_one_effect(bench: StripeBench) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")

    def attempt(_: int) -> str | None:
        try:
            with sdk(bench) as client:
                return charge(client, bench, payment_method=method, customer=customer).id
        except stripe.APIError as error:
            return None if error.http_status == 409 else str(error)

    told = set(all_at_once(8, attempt)) - {None}
    assert len(told) == 1
    assert kinds(bench).count(EffectKind.COLLECTED) == 1


def test_a_key_is_forgotten_after_a_day(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    first = charge(client, bench, payment_method=method, customer=customer)
    bench.move(24 * 3600 - 1)
    assert charge(client, bench, payment_method=method, customer=customer).id == first.id
    bench.move(1)
    assert charge(client, bench, payment_method=method, customer=customer).id != first.id


def test_what_never_began_is_not_stored(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    with pytest.raises(stripe.InvalidRequestError):  # not checked before it is sent, and not begun
        charge(client, bench, payment_method=method, customer=customer, penguins=1)
    with sdk(bench, api_key="sk_test_another") as stranger, pytest.raises(stripe.AuthenticationError):
        charge(stranger, bench, payment_method=method, customer=customer)
    assert charge(client, bench, payment_method=method, customer=customer).status == "succeeded"


def test_what_began_and_was_refused_is_stored(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    for amount in (1235, 1235):
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
            client.v1.refunds.create({"payment_intent": intent.id, "amount": amount}, {"idempotency_key": "r"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1}, {"idempotency_key": "r"})


def test_a_key_has_255_characters_at_most(client: stripe.StripeClient) -> None:
    assert client.v1.customers.create({}, {"idempotency_key": "k" * 255}).id
    with pytest.raises(stripe.InvalidRequestError, match="up to 255"):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})


# --- what Stripe does not take ----------------------------------------------------------------------------------------

STRICT: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "a parameter nobody knows": ({"penguins": 1}, "parameter_unknown", "penguins"),
    "one of another version": ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
    "one deep inside that nobody knows": (
        {"automatic_payment_methods": {**NO_REDIRECTS, "x": 1}},
        "parameter_unknown",
        "automatic_payment_methods[x]",
    ),
    "half a cent": ({"amount": 10.5}, "parameter_invalid_integer", "amount"),
    "an amount in words": ({"amount": "ten"}, "parameter_invalid_integer", "amount"),
    "nothing": ({"amount": 0}, "parameter_invalid_integer", "amount"),
    "less than nothing": ({"amount": -5}, "parameter_invalid_integer", "amount"),
    "too little": ({"amount": 49}, "amount_too_small", "amount"),
    "too much": ({"amount": 100_000_000}, "amount_too_large", "amount"),
    "a currency nobody takes": ({"currency": "xxx"}, None, "currency"),
    "an empty text": ({"description": ""}, "parameter_invalid_empty", "description"),
    "a truth that is none": ({"confirm": "perhaps"}, None, "confirm"),
    "a choice that is none": ({"setup_future_usage": "always"}, None, "setup_future_usage"),
    "a list that is a text": ({"expand": "customer"}, None, "expand"),
    "a text that is a list": ({"description": ["a"]}, None, "description"),
    "too long a value of metadata": ({"metadata": {"invoicecore": "k" * 501}}, None, "metadata[invoicecore]"),
    "too long a name of metadata": ({"metadata": {"k" * 41: "v"}}, None, "metadata"),
    "too much metadata": ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
    "a customer who is not there": ({"customer": "cus_nobody"}, "resource_missing", "customer"),
    "a method that is not there": ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
    "ISK with decimals": ({"currency": "isk", "amount": 123_450_1}, None, "amount"),
    "UGX with decimals": ({"currency": "ugx", "amount": 123_450_1}, None, "amount"),
    "KWD to the last decimal": ({"currency": "kwd", "amount": 1_2345}, None, "amount"),
    "a payment that may redirect, without an address": ({"automatic_payment_methods": {"enabled": True}}, None, None),
    "without a payer, and not confirmed": ({"confirm": False}, None, "off_session"),
}


@pytest.mark.parametrize("case", STRICT)
def test_stripe_does_not_take(case: str, bench: StripeBench, client: stripe.StripeClient) -> None:
    changes, code, param = STRICT[case]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        charge(client, bench, **changes)
    assert (raised.value.http_status, raised.value.code, raised.value.param) == (400, code, param)
    assert bench.effects() == ()


def test_stripe_takes_the_least_it_takes(bench: StripeBench, client: stripe.StripeClient) -> None:
    assert charge(client, bench, amount=50).status == "succeeded"
    assert charge(client, bench, key="2", amount=1, currency="vnd").status == "succeeded"


def test_what_is_needed_and_left_out_is_named(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payment_intents.create({"currency": "eur"})  # type: ignore[typeddict-item]
    assert (raised.value.code, raised.value.param) == ("parameter_missing", "amount")


SESSIONS: dict[str, tuple[dict[str, Any], str | None]] = {
    "no mode": ({"mode": None}, "mode"),
    "no address to come back to": ({"success_url": None}, "success_url"),
    "an address that is none": ({"success_url": "rent.example.org"}, "success_url"),
    "nothing to pay": ({"line_items": None}, "line_items"),
    "a price that is not there": ({"line_items": [{"price": "price_1", "quantity": 1}]}, "line_items[0][price]"),
    "too short a life": ({"expires_at": int(EARLIER.timestamp()) + 1799}, "expires_at"),
    "too long a life": ({"expires_at": int(EARLIER.timestamp()) + 86401}, "expires_at"),
    "a language nobody speaks": ({"locale": "fr-FR"}, "locale"),
    "two customers": ({"customer": "cus_1", "customer_email": "a@example.org"}, "customer_email"),
    "no method for the currency": ({"allowed_payment_method_types": ["us_bank_account"]}, "allowed_payment_method_types"),
    "a set-up's words for a payment": ({"setup_intent_data": {"description": "x"}}, "setup_intent_data"),
    "a payment's words for a set-up": ({"mode": "setup"}, "line_items"),
    "a set-up in no currency": (
        {"mode": "setup", "line_items": None, "payment_intent_data": None},
        "currency",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SESSIONS)
def test_stripe_makes_no_page_with(case: str, bench: StripeBench, client: stripe.StripeClient) -> None:
    changes, param = SESSIONS[case]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        session(client, **changes)
    assert (raised.value.http_status, raised.value.param) == (400, param)
    assert bench.effects() == ()


def test_an_address_or_an_object_that_is_not_there_is_a_404(bench: StripeBench, client: stripe.StripeClient) -> None:
    for read in (
        lambda: client.v1.payment_intents.retrieve("pi_nobody"),
        lambda: client.v1.customers.retrieve("pi_nobody"),
        lambda: client.v1.refunds.retrieve("nobody"),
        lambda: client.raw_request("get", "/v1/penguins"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            read()
        assert raised.value.http_status == 404
    assert bench.exchanges()[-1].operation == ""


@given(
    amount=st.integers(1, 10**6),
    currency=st.sampled_from(sorted(ZERO_DECIMAL | PADDED | THREE_DECIMAL | TWO_DECIMAL)),
)
def test_an_amount_is_what_stripe_says_it_is(amount: int, currency: str) -> None:
    factor = 100 if currency in PADDED else 10 if currency in THREE_DECIMAL else 1
    worth = money(amount * factor, currency)
    units = {3: 1000, 0: 1}.get(3 if currency in THREE_DECIMAL else 0 if currency in ZERO_DECIMAL else 2, 100)
    assert worth == Money(Decimal(amount * factor) / units, currency.upper())


# --- paying -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, (type, _) in TEST_METHODS.items() if type == "card"])
def test_stripes_test_cards_do_what_they_are_for(name: str, bench: StripeBench, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada"}).id
    decline = TEST_METHODS[name][1]
    if decline is None:
        assert charge(client, bench, payment_method=name, customer=customer).status == "succeeded"
        return
    with pytest.raises(stripe.CardError) as raised:
        charge(client, bench, payment_method=name, customer=customer)
    error = raised.value.error
    assert error is not None
    assert raised.value.http_status == 402
    assert error.decline_code == decline
    assert raised.value.request_id
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    kept = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert kept.last_payment_error is not None
    assert (kept.amount_received, kept.last_payment_error.decline_code) == (0, decline)
    assert kept.payment_method is None, "it waits for another one"
    assert bench.effects() == ()
    assert events(bench)[-3:] == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_the_bench_has_a_code_nobody_knows_and_declines_with_every_code(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    for code in bench.declines():
        method, customer = bench.saved(PaymentMethod.CARD, "EUR", decline=code)
        with pytest.raises(stripe.CardError) as raised:
            charge(client, bench, key=code, payment_method=method, customer=customer)
        assert raised.value.error is not None
        assert raised.value.error.decline_code == code
    assert "unspecified" in bench.declines().values()


def test_a_card_that_is_charged_is_collected_at_once(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    assert (intent.status, intent.amount_received, intent.livemode) == ("succeeded", 1234, False)
    effects = bench.effects()
    assert [(one.kind, one.key, one.reference, one.amount) for one in effects] == [
        (EffectKind.PAYMENT, KEY, intent.id, Money("12.34", "EUR")),
        (EffectKind.COLLECTED, KEY, intent.id, Money("12.34", "EUR")),
    ]
    assert events(bench)[-3:] == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.mark.parametrize("currency, amount, worth", [("jpy", 5000, "5000"), ("isk", 500_000, "5000"),
                                                     ("kwd", 12_340, "12.340"), ("eur", 5000, "50.00")])  # fmt: skip
def test_the_ledger_says_what_an_amount_really_is(
    currency: str, amount: int, worth: str, bench: StripeBench, client: stripe.StripeClient
) -> None:
    charge(client, bench, amount=amount, currency=currency)
    assert bench.effects()[0].amount == Money(worth, currency.upper())


@pytest.mark.parametrize("currency, type", [("EUR", "sepa_debit"), ("USD", "us_bank_account"), ("GBP", "bacs_debit")])
@pytest.mark.parametrize("code", [None, "insufficient_funds"])
def test_a_bank_debit_is_decided_later(
    currency: str, type: str, code: str | None, bench: StripeBench, client: stripe.StripeClient
) -> None:
    method, customer = bench.saved(PaymentMethod.DIRECT_DEBIT, currency)
    intent = charge(client, bench, payment_method=method, customer=customer, currency=currency.lower())
    assert (intent.status, intent.amount_received) == ("processing", 0)
    assert kinds(bench) == [EffectKind.PAYMENT]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payment_intents.cancel(intent.id)
    assert raised.value.code == "payment_intent_unexpected_state"
    bench.deliveries()
    if code is None:
        bench.collect(intent.id)
    else:
        bench.fail(intent.id, code)
    expand: Any = {"expand": ["latest_charge", "payment_method"]}
    told: Any = client.v1.payment_intents.retrieve(intent.id, expand)
    assert told.latest_charge.payment_method_details.type == type
    if code is None:
        assert (told.status, told.amount_received) == ("succeeded", 1234)
        assert kinds(bench) == [EffectKind.PAYMENT, EffectKind.COLLECTED]
        assert events(bench) == ["charge.succeeded", "payment_intent.succeeded"]
    else:
        assert (told.status, told.amount_received) == ("requires_payment_method", 0)
        assert (told.last_payment_error.code, told.latest_charge.failure_code) == (code, code)
        assert kinds(bench) == [EffectKind.PAYMENT]
        assert events(bench) == ["charge.failed", "payment_intent.payment_failed"]
    with pytest.raises(ValueError, match="only a payment that is processing"):
        bench.collect(intent.id)


def test_a_method_is_charged_for_its_own_customer_only_and_not_after_it_was_taken_away(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    other = client.v1.customers.create({"name": "Ada"}).id
    for owner in ({"customer": other}, {}):
        with pytest.raises(stripe.InvalidRequestError, match="attached to the customer"):
            charge(client, bench, key=str(owner), payment_method=method, **owner)
    client.v1.payment_methods.detach(method)
    assert client.v1.payment_methods.retrieve(method).customer is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charge(client, bench, key="3", payment_method=method, customer=customer)
    with pytest.raises(stripe.InvalidRequestError, match="not attached"):
        client.v1.payment_methods.detach(method)
    assert bench.effects() == ()


def test_a_method_given_up_at_the_bank_is_no_good(bench: StripeBench, client: stripe.StripeClient) -> None:
    debit, owner = bench.saved(PaymentMethod.DIRECT_DEBIT, "EUR")
    card, holder = bench.saved(PaymentMethod.CARD, "EUR")
    bench.deliveries()
    bench.revoke(debit)
    bench.revoke(card)
    assert events(bench) == ["mandate.updated", "payment_method.detached"]
    for method, customer in ((debit, owner), (card, holder)):
        with pytest.raises(stripe.InvalidRequestError):
            charge(client, bench, key=method, payment_method=method, customer=customer)
    assert bench.effects() == ()


def test_the_mandate_of_a_method_is_named_by_its_set_up(bench: StripeBench, client: stripe.StripeClient) -> None:
    debit, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, "EUR")
    card, _ = bench.saved(PaymentMethod.CARD, "EUR")
    [setup] = client.v1.setup_intents.list({"payment_method": debit}).data
    assert client.v1.mandates.retrieve(str(setup.mandate)).status == "active"
    bench.revoke(debit)
    assert client.v1.mandates.retrieve(str(setup.mandate)).status == "inactive"
    [setup] = client.v1.setup_intents.list({"payment_method": card}).data
    assert setup.mandate is None
    with pytest.raises(InvalidValue, match="cannot be saved in JPY"):
        bench.saved(PaymentMethod.DIRECT_DEBIT, "JPY")


def test_what_is_saved_while_paying_can_be_charged_later(bench: StripeBench, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada"}).id
    page = session(client, customer=customer, payment_intent_data={"setup_future_usage": "off_session"})
    bench.pay(page.url)
    [method] = client.v1.payment_methods.list({"customer": customer}).data
    assert charge(client, bench, key="2", payment_method=method.id, customer=customer).status == "succeeded"


def test_what_was_not_saved_is_used_up(bench: StripeBench, client: stripe.StripeClient) -> None:
    page = session(client)
    bench.pay(page.url)
    intent = client.v1.payment_intents.list().data[0]
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charge(client, bench, key="2", payment_method=str(intent.payment_method))


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_page_is_paid_once_and_its_payment_is_made_when_it_is_tried(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    page = session(client)
    assert (page.status, page.payment_status, page.payment_intent) == ("open", "unpaid", None)
    assert page.expires_at == int((EARLIER + timedelta(hours=24)).timestamp())
    bench.leave(page.url)
    bench.pay(page.url, decline="insufficient_funds")
    tried: Any = client.v1.checkout.sessions.retrieve(page.id, {"expand": ["payment_intent"]})
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    assert tried.payment_intent.last_payment_error.decline_code == "insufficient_funds"
    with pytest.raises(stripe.InvalidRequestError, match="expire the session"):
        client.v1.payment_intents.cancel(tried.payment_intent.id)
    bench.pay(page.url)
    bench.pay(page.url)
    paid: Any = client.v1.checkout.sessions.retrieve(page.id, {"expand": ["payment_intent"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.payment_intent.id == tried.payment_intent.id, "a payment intent is used until it succeeds"
    assert paid.payment_intent.metadata["invoicecore"] == KEY
    assert [(one.kind, one.key) for one in bench.effects()] == [
        (EffectKind.CHECKOUT, KEY),
        (EffectKind.PAYMENT, KEY),
        (EffectKind.COLLECTED, KEY),
    ]
    assert events(bench) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_metadata_of_the_session_alone_does_not_reach_the_payment(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    page = session(client, payment_intent_data=None)
    bench.pay(page.url)
    told: Any = client.v1.checkout.sessions.retrieve(page.id, {"expand": ["payment_intent"]})
    assert (told.metadata["invoicecore"], told.payment_intent.metadata.to_dict()) == (KEY, {})


@pytest.mark.parametrize("how", ["asked", "in time"])
def test_a_closed_page_takes_no_money(how: str, bench: StripeBench, client: stripe.StripeClient) -> None:
    page = session(client)
    bench.pay(page.url, decline="generic_decline")
    bench.deliveries()
    if how == "asked":
        client.v1.checkout.sessions.expire(page.id)
    else:
        bench.move(24 * 3600)
    assert events(bench) == ["payment_intent.canceled", "checkout.session.expired"]
    bench.pay(page.url)
    told: Any = client.v1.checkout.sessions.retrieve(page.id, {"expand": ["payment_intent"]})
    assert (told.status, told.payment_intent.status) == ("expired", "canceled")
    assert kinds(bench) == [EffectKind.CHECKOUT]
    with pytest.raises(stripe.InvalidRequestError, match=r'status in \["open"\]'):
        client.v1.checkout.sessions.expire(page.id)


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_page_paid_from_a_bank_is_complete_before_it_is_paid(
    outcome: str, bench: StripeBench, client: stripe.StripeClient
) -> None:
    page = session(client)
    bench.pay_by_debit(page.url)
    told = client.v1.checkout.sessions.retrieve(page.id)
    assert (told.status, told.payment_status) == ("complete", "unpaid")
    assert events(bench)[-1] == "checkout.session.completed"
    if outcome == "succeeded":
        bench.collect(page.id)
    else:
        bench.fail(page.id, "insufficient_funds")
    told = client.v1.checkout.sessions.retrieve(page.id)
    assert told.payment_status == ("paid" if outcome == "succeeded" else "unpaid")
    assert events(bench)[-1] == f"checkout.session.async_payment_{outcome}"


def test_a_payer_may_stop_where_the_bank_asks(bench: StripeBench, client: stripe.StripeClient) -> None:
    page = session(client)
    bench.challenge(page.url)
    told: Any = client.v1.checkout.sessions.retrieve(page.id, {"expand": ["payment_intent"]})
    assert (told.status, told.payment_intent.status) == ("open", "requires_action")
    assert told.payment_intent.next_action.redirect_to_url.url
    bench.pay(page.url)
    assert client.v1.payment_intents.retrieve(told.payment_intent.id).status == "succeeded"


@pytest.mark.parametrize("currency, types, type", [("eur", ["card"], "card"), ("eur", ["sepa_debit"], "sepa_debit"),
                                                   ("usd", ["us_bank_account"], "us_bank_account")])  # fmt: skip
def test_a_method_is_saved_on_a_page_and_charged_afterwards(
    currency: str, types: list[str], type: str, bench: StripeBench, client: stripe.StripeClient
) -> None:
    customer = client.v1.customers.create({"name": "Ada"}).id
    setup: dict[str, Any] = {
        "mode": "setup",
        "currency": currency,
        "customer": customer,
        "allowed_payment_method_types": types,
        "setup_intent_data": {"metadata": {"invoicecore": KEY}},
        "line_items": None,
        "payment_intent_data": None,
    }
    page = session(client, **setup)
    assert (page.payment_status, page.payment_intent) == ("no_payment_required", None)
    waiting = client.v1.setup_intents.retrieve(page.setup_intent)
    assert (waiting.status, waiting.payment_method, waiting.metadata["invoicecore"]) == (  # type: ignore[index]
        "requires_payment_method",
        None,
        KEY,
    )
    bench.save(page.url)
    saved: Any = client.v1.setup_intents.retrieve(page.setup_intent, {"expand": ["payment_method", "mandate"]})
    assert (saved.status, saved.payment_method.type, saved.payment_method.customer) == ("succeeded", type, customer)
    assert (saved.mandate is None) == (type == "card")
    assert [one.operation for one in bench.exchanges()] == ["customer", "setup", "method", "method"]
    assert kinds(bench) == [EffectKind.SETUP]
    told = charge(client, bench, key="2", payment_method=saved.payment_method.id, customer=customer, currency=currency)
    assert told.status == ("succeeded" if type == "card" else "processing")


class NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def browse(url: str, answer: str | None = None) -> tuple[int, str, str | None]:
    """(status, page, where it sends the browser): a page is opened, or a button is pressed."""
    opener = build_opener(ProxyHandler({}), NoRedirects())
    data = None if answer is None else urlencode({"answer": answer}).encode()
    try:
        with opener.open(url, data, timeout=10) as told:
            return told.status, told.read().decode(), None
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers.get("Location")


def test_a_person_pays_in_a_browser(bench: StripeBench, client: stripe.StripeClient) -> None:
    page = session(client)
    status, html, _ = browse(page.url)
    assert status == 200
    assert {name for name in ("good", "declined", "debit", "leave") if f'value="{name}"' in html} == {
        "good", "declined", "debit", "leave"
    }  # fmt: skip
    assert browse(page.url, "leave")[::2] == (303, "https://rent.example.org/left")
    assert "declined" in browse(page.url, "declined")[1]
    assert kinds(bench) == [EffectKind.CHECKOUT]
    assert browse(page.url, "good")[::2] == (303, f"https://rent.example.org/paid?session={page.id}")
    assert browse(page.url)[0] == browse(page.url, "good")[0] == 410
    assert kinds(bench) == [EffectKind.CHECKOUT, EffectKind.PAYMENT, EffectKind.COLLECTED]
    assert browse(f"{bench.simulator.server.url}/c/pay/cs_nobody")[0] == 404
    assert [one.operation for one in bench.exchanges()] == ["checkout"], "people are no requests to the API"


# --- money that goes back ---------------------------------------------------------------------------------------------


def test_a_payment_is_given_back_in_parts_and_no_further(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    part: Any = {"payment_intent": intent.id, "amount": 1000, "metadata": {"invoicecore": "r1"}}
    first: Any = client.v1.refunds.create(part, {"idempotency_key": "r1"})
    assert (first.status, first.amount, first.metadata["invoicecore"]) == ("succeeded", 1000, "r1")
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 235})
    client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})
    assert raised.value.code == "charge_already_refunded"
    refunds = [one for one in bench.effects() if one.kind is EffectKind.REFUND]
    assert [one.amount for one in refunds] == [Money("10.00", "EUR"), Money("2.34", "EUR")]
    assert (refunds[0].key, refunds[0].reference) == ("r1", first.id)
    assert len(client.v1.refunds.list({"payment_intent": intent.id}).data) == 2
    told: Any = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.refunds"]})
    assert (told.amount_received, told.latest_charge.amount_refunded, told.latest_charge.refunded) == (1234, 1234, True)
    assert len(told.latest_charge.refunds.data) == 2


@pytest.mark.parametrize("failed", [False, True])
def test_a_debits_refund_is_decided_later(failed: bool, bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.DIRECT_DEBIT, "EUR")
    intent = charge(client, bench, payment_method=method, customer=customer)
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        client.v1.refunds.create({"payment_intent": intent.id})
    bench.collect(intent.id)
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    assert refund.status == "pending"
    bench.settle_refund(refund.id, failed=failed)
    assert client.v1.refunds.retrieve(refund.id).status == ("failed" if failed else "succeeded")


def test_a_refund_may_fail_after_it_succeeded(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    refund = client.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "r"})
    bench.deliveries()
    bench.settle_refund(refund.id, failed=True)
    assert events(bench) == ["charge.refund.updated", "refund.failed"]
    assert client.v1.refunds.retrieve(refund.id).failure_reason
    assert [(one.kind, one.key) for one in bench.effects()][-2:] == [
        (EffectKind.REFUND, "r"),
        (EffectKind.REFUND_FAILED, "r"),
    ]
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 1234, "it can be given back again"


def test_a_dispute_takes_money_and_gives_it_back_when_it_is_won(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    intent = charge(client, bench)
    bench.deliveries()
    bench.reverse(intent.id, ReversalKind.CHARGEBACK)
    assert events(bench) == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    [dispute] = client.v1.disputes.list({"payment_intent": intent.id}).data
    assert (dispute.status, [one.net for one in dispute.balance_transactions]) == ("needs_response", [-1234])
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert raised.value.code == "charge_disputed"
    bench.undo_reversal(intent.id)
    assert events(bench) == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]
    dispute = client.v1.disputes.retrieve(dispute.id)
    assert (dispute.status, [one.net for one in dispute.balance_transactions]) == ("won", [-1234, 1234])
    assert [(one.kind, one.key) for one in bench.effects()][-2:] == [
        (EffectKind.REVERSAL, KEY),
        (EffectKind.REVERSAL_CANCELLED, KEY),
    ]
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded", "a payment does not tell of it"


def test_a_dispute_may_be_lost(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    bench.reverse(intent.id, ReversalKind.CHARGEBACK)
    [dispute] = client.v1.disputes.list().data
    bench.change_dispute(dispute.id, "lost")
    assert kinds(bench)[-1] is EffectKind.REVERSAL
    assert events(bench)[-1] == "charge.dispute.closed"


def test_an_inquiry_moves_no_money_until_it_becomes_a_dispute(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    bench.deliveries()
    id = bench.inquire(intent.id)
    bench.change_dispute(id, "warning_under_review")
    assert events(bench) == ["charge.dispute.created", "charge.dispute.updated"]
    assert EffectKind.REVERSAL not in kinds(bench)
    assert client.v1.disputes.retrieve(id).balance_transactions == []
    bench.change_dispute(id, "needs_response")
    assert "charge.dispute.funds_withdrawn" in events(bench)
    assert kinds(bench)[-1] is EffectKind.REVERSAL


def test_a_bank_may_refuse_a_debit_after_it_was_paid(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.DIRECT_DEBIT, "EUR")
    intent = charge(client, bench, payment_method=method, customer=customer)
    bench.collect(intent.id)
    bench.reverse(intent.id, ReversalKind.LATE_FAILURE)
    [dispute] = client.v1.disputes.list().data
    assert (dispute.status, dispute.reason) == ("lost", "insufficient_funds")
    assert kinds(bench)[-1] is EffectKind.REVERSAL


def test_what_is_paid_out_says_so(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    path: Any = {"expand": ["latest_charge.balance_transaction"]}
    before: Any = client.v1.payment_intents.retrieve(intent.id, path)
    bench.pay_out(intent.id)
    after: Any = client.v1.payment_intents.retrieve(intent.id, path)
    told = [one.latest_charge.balance_transaction.status for one in (before, after)]
    assert told == ["pending", "available"]
    assert events(bench)[-1] == "payout.paid"


# --- lists, shapes, events --------------------------------------------------------------------------------------------


def test_lists_come_in_pages_newest_first(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, customer = bench.saved(PaymentMethod.CARD, "EUR")
    made = []
    for number in range(7):
        made.append(charge(client, bench, key=f"k{number}", payment_method=method, customer=customer).id)
        bench.move(60)
    charge(client, bench, key="foreign")
    found = client.v1.payment_intents.list({"customer": customer or "", "limit": 3})
    assert [one.id for one in found.data] == made[:3:-1]
    assert found.has_more
    assert not client.v1.payment_intents.list({"customer": customer or "", "limit": 7}).has_more
    assert [one.id for one in found.auto_paging_iter()] == made[::-1]
    since = int(EARLIER.timestamp()) + 4 * 60
    late = client.v1.payment_intents.list({"customer": customer or "", "created": {"gte": since}})
    assert [one.id for one in late.data] == made[:3:-1]
    assert not late.has_more
    early = client.v1.payment_intents.list({"customer": customer or "", "created": {"lt": since, "gt": since - 180}})
    assert [one.id for one in early.data] == made[3:1:-1]
    older = client.v1.payment_intents.list({"customer": customer or "", "ending_before": made[1], "limit": 2})
    assert [one.id for one in older.data] == made[3:1:-1]
    operations = [one.operation for one in bench.exchanges() if one.method == "GET"]
    assert set(operations) == {"find"}
    client.v1.payment_intents.list()
    assert bench.exchanges()[-1].operation == "payments"


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"starting_after": "pi_nobody"}, {"status": "x"}])
def test_a_list_takes_only_what_stripe_takes(params: Any, client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.list(params)


def test_what_cannot_be_expanded_is_refused(bench: StripeBench, client: stripe.StripeClient) -> None:
    intent = charge(client, bench)
    for path in ("amount", "penguins", "latest_charge.penguins"):
        params: Any = {"expand": [path]}
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            client.v1.payment_intents.retrieve(intent.id, params)
    params = {"expand": ["data.latest_charge"]}
    listed: Any = client.v1.payment_intents.list(params)
    assert listed.data[0].latest_charge.object == "charge"


def a_busy_day(bench: StripeBench, client: stripe.StripeClient) -> None:
    """One of everything."""
    intent = charge(client, bench)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    bench.reverse(intent.id, ReversalKind.CHARGEBACK)
    bench.pay_out(intent.id)
    for number, type in enumerate(("card", "sepa_debit")):
        page = session(client, key=f"s{number}", mode="setup", currency="eur", line_items=None,
                       payment_intent_data=None, customer_creation="always",
                       allowed_payment_method_types=[type])  # fmt: skip
        bench.save(page.url)
    bench.pay(session(client, key="p").url)
    bench.pay(session(client, key="d").url, decline="lost_card")


def test_every_object_is_what_the_sdk_says_it_is(bench: StripeBench, client: stripe.StripeClient) -> None:
    a_busy_day(bench, client)
    objects = bench.simulator.account.objects.values()
    assert {one["object"] for one in objects} == set(KINDS)
    for one in objects:
        shape = KINDS[one["object"]][1].__annotations__
        named = {"object"} | {name for name in shape if not name.startswith("_") and name != "OBJECT_NAME"}
        kind = one["object"]
        assert set(one) <= named, f"a {kind} has no {set(one) - named}"
        required = {name for name in named - {"object"} if type(None) not in get_args(shape[name])}
        absent = {name for name in required if one[name] is None and "Optional" not in str(shape[name])}
        assert not absent, f"a {kind} always has {absent}"


def test_an_account_says_nothing_of_what_it_keeps_to_itself(bench: StripeBench, client: stripe.StripeClient) -> None:
    method, _ = bench.saved(PaymentMethod.CARD, "EUR", decline="lost_card")
    assert "lost_card" not in json.dumps(bench.simulator.account.objects)
    assert client.v1.payment_methods.retrieve(method).card is not None


def test_events_are_signed_and_the_sdk_believes_them(bench: StripeBench, client: stripe.StripeClient) -> None:
    bench.simulator.account.clock.set(datetime.now(UTC))  # the SDK compares with the machine's clock
    a_busy_day(bench, client)
    deliveries = bench.deliveries()
    secret = bench.secrets[1]
    for delivery in deliveries:
        event: Any = stripe.Webhook.construct_event(delivery.body, delivery.headers["Stripe-Signature"], secret)
        assert event.livemode is False
        assert event.api_version == "2026-10-28.endive"
        assert event.data.object.id
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.body + b" ", delivery.headers["Stripe-Signature"], secret)
    told = [json.loads(delivery.body)["id"] for delivery in deliveries]
    assert [one.id for one in client.v1.events.list({"limit": 100}).data] == told[::-1]
    assert bench.deliveries() == ()
    [*_, created] = client.v1.events.list({"type": "payment_intent.created"}).data
    assert created.data.object["status"] == "requires_payment_method", "an event tells of what was then"


def test_signatures_can_be_of_another_secret_or_time_and_of_any_bytes(bench: StripeBench) -> None:
    bench.simulator.account.clock.set(datetime.now(UTC))
    verify: Callable[..., Any] = stripe.WebhookSignature.verify_header
    verify("{}", bench.sign(b"{}", secret="another")["Stripe-Signature"], "another", 300)
    with pytest.raises(stripe.SignatureVerificationError, match="No signatures found"):
        verify("{}", bench.sign(b"{}", secret="another")["Stripe-Signature"], bench.secrets[1], 300)
    stale = bench.sign(b"{}", at=bench.now() - timedelta(seconds=310))["Stripe-Signature"]
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        verify("{}", stale, bench.secrets[1], 300)
    assert bench.sign(b"\xff")["Stripe-Signature"].count("v1=") == 1
    bench.simulator.account.secrets = ("old", "new")  # while a secret is replaced Stripe signs with both
    both = bench.sign(b"{}")["Stripe-Signature"]
    for secret in ("old", "new"):
        verify("{}", both, secret, 300)


def test_events_are_kept_thirty_days_and_found_by_time_and_type(
    bench: StripeBench, client: stripe.StripeClient
) -> None:
    charge(client, bench)
    bench.move(86400)
    charge(client, bench, key="2")
    since = int(bench.now().timestamp())
    late = client.v1.events.list({"created": {"gte": since}, "types": ["charge.succeeded"]})
    assert [one.type for one in late.data] == ["charge.succeeded"]
    request = late.data[0].request
    assert request is not None
    assert request.idempotency_key == "2"
    assert len(client.v1.events.list({"type": "payment_intent.succeeded"}).data) == 2
    bench.move(29.5 * 86400)
    assert len(client.v1.events.list({"type": "payment_intent.succeeded"}).data) == 1


# --- deliveries, the ledger, and a provider of one's own --------------------------------------------------------------


def packed(events: Any) -> Delivery:
    return Delivery(body=",".join(event["id"] for event in events).encode(), headers={"X-Sign": "me"})


def queue(count: int) -> Deliveries:
    deliveries = Deliveries(packed)
    for number in range(count):
        deliveries.put({"id": str(number)})
    return deliveries


def taken(deliveries: Deliveries) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries.take()]


def test_deliveries_are_made_once_in_order_and_otherwise_as_they_are_told() -> None:
    deliveries = queue(3)
    assert (taken(deliveries), taken(deliveries)) == (["0", "1", "2"], [])
    deliveries = queue(3)
    deliveries.drop_all()
    assert taken(deliveries) == []
    deliveries.normal()
    assert taken(deliveries) == []
    deliveries = queue(2)
    deliveries.duplicate_all(3)
    assert taken(deliveries) == ["0", "1"] * 3
    deliveries = queue(5)
    deliveries.batch(2)
    assert taken(deliveries) == ["0,1", "2,3", "4"]
    deliveries = queue(2)
    deliveries.delay_all()
    assert taken(deliveries) == []
    deliveries.normal()
    assert taken(deliveries) == ["0", "1"]
    for wrong in (deliveries.batch, deliveries.duplicate_all):
        with pytest.raises(InvalidValue):
            wrong(0)


@given(st.integers(0, 30), st.integers(), st.integers(1, 3))
def test_what_is_mixed_is_neither_more_nor_less_and_mixed_the_same_way_again(
    count: int, seed: int, copies: int
) -> None:
    mixed = []
    for _ in range(2):
        deliveries = queue(count)
        deliveries.shuffle_all(seed)
        deliveries.duplicate_all(copies)
        mixed.append(taken(deliveries))
    assert mixed[0] == mixed[1]
    assert sorted(mixed[0]) == sorted([str(number) for number in range(count)] * copies)


def test_what_is_mixed_is_mixed_across_batches() -> None:
    deliveries = queue(20)
    deliveries.shuffle_all(1)
    deliveries.batch(2)
    assert set(taken(deliveries)) - {f"{number},{number + 1}" for number in range(0, 20, 2)}


def test_the_ledger_keeps_everything_at_the_providers_time() -> None:
    clock = FixedClock(EARLIER)
    ledger = Ledger(clock)
    all_at_once(8, lambda number: ledger.add(EffectKind.PAYMENT, f"p{number}", key=None))
    clock.advance(timedelta(days=1))
    ledger.add(EffectKind.COLLECTED, "p0", key=KEY, amount=Money("1.00", "EUR"))
    assert len(ledger.effects()) == 9
    assert {one.at for one in ledger.effects()} == {EARLIER, EARLIER + timedelta(days=1)}


class Post(Provider):
    """The smallest provider: it takes letters, and answers as it is told to."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.letters: list[Request] = []

    def operation(self, request: Request) -> str | None:
        return "letter"

    def handle(self, request: Request) -> Response:
        if request.path == "/broken":
            raise KeyError("nobody thought of it")
        self.letters.append(request)
        return Response.of({"letters": len(self.letters)}, self.status)

    def refusal(self, fault: Fault) -> Response:
        return Response.of({"error": fault.value}, 500)

    def pretended(self, request: Request) -> Response:
        return Response.of({"letters": 1})

    def altered(self, fault: Fault, response: Response) -> Response:
        return response


def test_webhooks_are_delivered_over_http_for_whoever_wants_to_see_them() -> None:
    provider = Post(status=202)
    with LoopbackServer(provider) as server:
        assert queue(2).deliver_to(f"{server.url}/hooks?tenant=1") == (202, 202)
        provider.status = 400
        assert queue(1).deliver_to(server.url) == (400,)
        server.fault("letter", Fault.RESET_BEFORE)
        assert queue(1).deliver_to(server.url) == (0,)
    assert queue(1).deliver_to(server.url) == (0,)
    letter = provider.letters[0]
    assert (letter.method, letter.path, letter.query, letter.body) == ("POST", "/hooks", "tenant=1", b"0")
    assert letter.headers["x-sign"] == "me"


def test_a_mistake_in_a_simulator_is_not_taken_for_a_fault() -> None:
    server = LoopbackServer(Post()).start()
    assert queue(1).deliver_to(f"{server.url}/broken") == (500,)
    with pytest.raises(ExceptionGroup, match="the simulator is wrong") as raised:
        server.close()
    assert raised.group_contains(KeyError)
    server.close()


def test_a_fault_happens_at_least_once() -> None:
    server = LoopbackServer(Post())
    with pytest.raises(InvalidValue, match="how many requests"):
        server.fault("letter", Fault.RESET_AFTER, times=0)


def test_more_than_a_megabyte_is_not_read() -> None:
    with LoopbackServer(Post()) as server:
        wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        wire.putrequest("POST", "/")
        wire.putheader("Content-Length", str(2**20 + 1))
        wire.endheaders()
        answer = wire.getresponse()
        assert answer.status == 413
        answer.read()
        wire.close()
