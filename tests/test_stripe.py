"""The gateway to Stripe: the contract over a simulated Stripe, and what is its own."""

from __future__ import annotations

import gzip
import json
import logging
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import attrs
import pytest
import stripe
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from invoicecore.collection import Advice, DeclineCode, MethodState
from invoicecore.errors import (
    ConfigurationProblem,
    Executed,
    GatewayError,
    InProgress,
    InvalidRequest,
    InvalidValue,
    KeyMismatch,
    MissingExtra,
    NotSent,
    NotSupported,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
    WebhookRejected,
)
from invoicecore.money import Money, currency_of, decimals, from_minor, minor, zero
from invoicecore.payments import PaymentMethod, RefundState, ReversalKind
from invoicecore.plugins import Plugins
from invoicecore.ports import (
    About,
    Charge,
    Checkout,
    HostedPage,
    Lookup,
    Notice,
    Operation,
    PayStatus,
    RefundRequest,
    Setup,
)
from invoicecore.testing import FixedClock
from invoicecore.testing.checks import examples
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore.testing.gateway_contract import GatewayContract
from invoicecore.testing.gateway_items import BenchFactory
from invoicecore_adapters import stripe as adapter
from invoicecore_adapters.simulators.stripe import StripeAccess, StripeBench
from invoicecore_adapters.stripe import amounts, asking, declines, faults, snapshots, webhooks
from invoicecore_adapters.stripe.gateway import StripeGateway
from invoicecore_adapters.stripe.wire import Wire, hushed

KEY = "k3j4h5g6f7d8_col_0abc123def456789"
API_KEY = "sk_test_51ThisIsNotToBeSeen"
SECRET = "whsec_ThisIsNotToBeSeen"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = int(NOON.timestamp())

INTENT: Mapping[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 5120,
    "amount_received": 5120,
    "currency": "eur",
    "created": AT,
    "metadata": {"invoicecore": KEY},
    "payment_method": "pm_1",
    "payment_method_types": ["card", "sepa_debit"],
}


def opened(access: StripeAccess) -> StripeGateway:
    return StripeGateway(
        access.api_key,
        webhook_secrets=access.webhook_secrets,
        base_url=access.base_url,
        connect_timeout=access.timeout,
        timeout=access.timeout,
        clock=access.clock,
    )


class Bench(StripeBench):
    """The bench, whose bank accounts were saved by a set-up, as a real one's are: it knows their mandates."""

    def saved(self, kind: PaymentMethod, currency: str, *, decline: str | None = None) -> tuple[str, str | None]:
        method, owner = super().saved(kind, currency, decline=decline)
        account = self.simulator.account
        mandate = account.hidden[method]["mandate"]
        if mandate is not None:
            account.add(
                "setup_intent",
                customer=owner,
                payment_method=method,
                mandate=mandate,
                status="succeeded",
                usage="off_session",
            )
        return method, owner


class TestStripeGateway(GatewayContract):
    rows = 100

    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return lambda: Bench(opened)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with closing(Bench(opened, at=NOON)) as bench:
        yield bench


@pytest.fixture
def gateway(bench: Bench) -> StripeGateway:
    made = bench.gateway()
    assert isinstance(made, StripeGateway)
    return made


def euros(amount: str) -> Money:
    return Money(amount, "EUR")


def a_page(**changes: Any) -> Checkout:
    page = Checkout(
        amount=euros("51.20"),
        reference="INV-000012",
        description="Rent, April 2026",
        locale="fr_FR",
        success_url="https://rent.example.org/paid",
        cancel_url="https://rent.example.org/pay/s3cret-token",
        expires_at=NOON + timedelta(hours=20),
        email="elodie@example.net",
    )
    return attrs.evolve(page, **changes)


def a_charge(bench: Bench, kind: PaymentMethod = PaymentMethod.CARD, **changes: Any) -> Charge:
    method, owner = bench.saved(kind, "EUR")
    charge = Charge(method=method, owner=owner, amount=euros("51.20"), reference="INV-000012", description="Rent")
    return attrs.evolve(charge, **changes)


# --- configuration ----------------------------------------------------------------------------------------------------

WRONG: Mapping[str, dict[str, Any]] = {
    "no key": {"api_key": ""},
    "a key of bytes": {"api_key": API_KEY.encode()},
    "no text for a key": {"api_key": None},
    "a key with a line end": {"api_key": f"{API_KEY}\n"},
    "a publishable key": {"api_key": "pk_test_51ThisIsNotToBeSeen"},
    "an empty secret": {"webhook_secrets": (SECRET, "")},
    "a secret of bytes": {"webhook_secrets": (SECRET.encode(),)},
    "a text for secrets": {"webhook_secrets": SECRET},
    "a set of secrets": {"webhook_secrets": {SECRET}},
    "no secrets": {"webhook_secrets": None},
    "an address in clear": {"base_url": "http://api.example.org"},
    "an address with a password": {"base_url": f"https://user:{API_KEY}@api.example.org"},
    "an address with a path": {"base_url": "https://api.example.org/stripe"},
    "an address that cannot be read": {"base_url": "https://[half"},
    "an address of bytes": {"base_url": b"https://api.example.org"},
    "a timeout of none": {"timeout": 0},
    "a timeout that never comes": {"timeout": float("nan")},
    "a timeout in words": {"connect_timeout": "3"},
    "a timeout of truth": {"timeout": True},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_a_wrong_configuration_is_refused_at_once_and_no_secret_is_shown(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as raised:
        StripeGateway(**{"api_key": API_KEY, "webhook_secrets": (SECRET,), **given})
    assert "NotToBeSeen" not in f"{raised.value} {raised.value!r} {raised.value.value!r}"


def test_what_it_looks_like_shows_no_secret() -> None:
    with closing(StripeGateway(API_KEY, webhook_secrets=(SECRET,))) as gateway:
        assert repr(gateway) == "StripeGateway('https://api.stripe.com', webhook_secrets=1)"


def test_a_url_finds_its_secrets_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICECORE_STRIPE_KEY", API_KEY)
    monkeypatch.setenv("INVOICECORE_STRIPE_WEBHOOK_SECRET", f"{SECRET}, whsec_the_new_one ,")
    monkeypatch.setenv("OTHER_KEY", "rk_live_another")
    plugins = Plugins.of(adapter.plugin)
    assert repr(plugins.gateway("stripe://")) == "StripeGateway('https://api.stripe.com', webhook_secrets=2)"
    assert repr(adapter.open_stripe("STRIPE://")) == repr(plugins.gateway("stripe://"))
    other = "stripe://?key=OTHER_KEY&webhook_secret=NOT_THERE&timeout=5&api=http://127.0.0.1:9"
    assert repr(plugins.gateway(other)) == "StripeGateway('http://127.0.0.1:9', webhook_secrets=0)"


@pytest.mark.parametrize(
    "url",
    [
        f"stripe://{API_KEY}",
        f"stripe://{API_KEY}@api.example.org",
        f"stripe://?key={API_KEY}",
        f"stripe://?webhook_secret={SECRET}",
        f"stripe://?secret={SECRET}",
        "stripe://?key=A_KEY&key=A_KEY",
        "stripe://?timeout",
        "stripe://?timeout=soon",
        "stripe://?key=NOT_THERE",
        "stripe://#more",
        "stripe:",
    ],
)
def test_a_url_that_is_wrong_is_refused_and_no_secret_is_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICECORE_STRIPE_KEY", API_KEY)
    monkeypatch.setenv("A_KEY", API_KEY)
    with pytest.raises(InvalidValue) as raised:
        adapter.open_stripe(url)
    assert "NotToBeSeen" not in f"{raised.value} {raised.value!r}"


def test_without_the_sdk_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOICECORE_STRIPE_KEY", API_KEY)
    monkeypatch.delitem(sys.modules, "invoicecore_adapters.stripe.gateway")
    monkeypatch.setitem(sys.modules, "stripe", None)
    with pytest.raises(MissingExtra, match=r"pip install 'invoicecore\[stripe\]'"):
        adapter.open_stripe("stripe://")


# --- amounts ----------------------------------------------------------------------------------------------------------


def test_every_currency_it_takes_is_one_of_ours() -> None:
    assert {currency_of(code).code for code in amounts.CURRENCIES} == amounts.CURRENCIES
    assert set(amounts.LEAST) <= amounts.CURRENCIES


@pytest.mark.parametrize(
    "amount, code, theirs",
    [
        ("12.50", "EUR", 1250),
        ("500", "JPY", 500),
        ("5", "ISK", 500),
        ("5", "UGX", 500),
        ("5.00", "MGA", 5),
        ("1.250", "KWD", 1250),
        ("175.00", "HUF", 17500),
        ("0.50", "EUR", 50),
    ],
)
def test_an_amount_is_written_in_the_providers_units(amount: str, code: str, theirs: int) -> None:
    assert amounts.to_provider(Money(amount, code), "charge") == theirs


@pytest.mark.parametrize(
    "amount, code, why",
    [
        ("5.50", "MGA", "decimals"),
        ("1.255", "KWD", "third decimal"),
        ("0.49", "EUR", "less than"),
        ("174.99", "HUF", "less than"),
        ("0.00", "EUR", "greater than zero"),
        ("-1.00", "EUR", "greater than zero"),
        ("1.005", "EUR", "refused"),
    ],
)
def test_an_amount_that_cannot_be_written_is_refused_and_never_rounded(amount: str, code: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        amounts.to_provider(Money(amount, code), "charge")


def test_of_a_refund_there_is_no_smallest_amount() -> None:
    assert amounts.to_provider(euros("0.01"), "refund", least=False) == 1


@examples(300)
@given(code=st.sampled_from(sorted(amounts.CURRENCIES)), units=st.integers(1, 10**9))
def test_what_is_written_is_read_as_the_same_amount(code: str, units: int) -> None:
    amount = from_minor(units, code)
    try:
        theirs = amounts.to_provider(amount, "charge", least=False)
    except InvalidRequest:
        assert decimals(code) == 3 or code == "MGA"
        return
    assert amounts.of_provider({"amount": theirs, "currency": code.lower()}) == amount


@pytest.mark.parametrize("theirs", [12.5, "1250", True, None, 1e3])
def test_an_amount_that_is_no_whole_number_is_not_believed(theirs: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        amounts.of_provider({"amount": theirs, "currency": "eur"})


def test_an_amount_with_decimals_its_currency_has_not_is_not_believed() -> None:
    with pytest.raises(ValueError, match="decimals"):
        amounts.of_provider({"amount": 1250, "currency": "isk"})


# --- declines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, code, advice",
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "insufficient_funds", "retry_later"),
        ({"code": "card_declined", "decline_code": "generic_decline"}, "declined", "payer_action"),
        ({"code": "card_declined", "decline_code": "do_not_honor"}, "declined", "payer_action"),
        ({"code": "card_declined", "decline_code": "fraudulent"}, "declined", "new_method"),
        ({"code": "expired_card", "decline_code": "expired_card"}, "expired", "new_method"),
        ({"code": "incorrect_cvc", "decline_code": "incorrect_cvc"}, "incorrect_details", "new_method"),
        ({"code": "authentication_required"}, "authentication_required", "payer_action"),
        ({"code": "account_closed"}, "account_closed", "new_method"),
        ({"code": "debit_not_authorized"}, "mandate_cancelled", "new_method"),
        ({"code": "payment_method_customer_decline"}, "payer_refused", "payer_action"),
        ({"code": "card_declined", "decline_code": "pickup_card"}, "lost_or_stolen", "new_method"),
        ({"code": "card_declined", "decline_code": "card_velocity_exceeded"}, "limit_exceeded", "retry_later"),
        ({"code": "card_declined", "decline_code": "issuer_not_available"}, "processing_error", "retry_later"),
        # Networks fine whoever charges these cards again.
        ({"code": "card_declined", "decline_code": "do_not_try_again"}, "declined", "new_method"),
        ({"code": "card_declined", "decline_code": "revocation_of_all_authorizations"}, "declined", "new_method"),
        ({"code": "card_declined", "decline_code": "stop_payment_order"}, "declined", "new_method"),
        ({"code": "card_declined", "decline_code": "duplicate_transaction"}, "declined", "never"),
        ({"code": "card_declined", "decline_code": "waddled_away"}, "unspecified", "payer_action"),
        ({"code": "card_declined"}, "declined", "payer_action"),
        ({"code": None, "decline_code": 7}, "unspecified", "payer_action"),
        ({}, "unspecified", "payer_action"),
    ],
)
def test_a_decline_is_told_in_our_words(error: dict[str, Any], code: str, advice: str) -> None:
    told = declines.decline_of(error)
    assert (told.code, told.advice) == (DeclineCode(code), Advice(advice))
    theirs = [each for each in (error.get("decline_code"), error.get("code"), "") if isinstance(each, str)]
    assert told.raw_code == theirs[0]


# --- faults -----------------------------------------------------------------------------------------------------------


class Canned(stripe.HTTPClient):
    """An HTTP client that answers each request with the same."""

    name = "canned"

    def __init__(self, body: object, status: int, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._answer = (body if isinstance(body, bytes) else json.dumps(body).encode(), status, headers)

    def request(self, *_: object, **__: object) -> Any:
        return self._answer


def translated(body: object, status: int, headers: Mapping[str, str] | None = None) -> GatewayError:
    """What becomes of an answer, read by the SDK."""
    client = stripe.StripeClient(API_KEY, http_client=Canned(body, status, headers or {}))
    with pytest.raises(GatewayError) as raised:
        faults.translate("charge", lambda: client.v1.payment_intents.create({"amount": 1, "currency": "eur"}).to_dict())
    shown_with_it = (raised.value.__context__, raised.value.__cause__)
    assert shown_with_it == (None, None), "an error of the SDK holds the answer, and what was sent"
    assert str(raised.value)
    assert repr(raised.value)
    return raised.value


def refusal(code: str | None = None, param: str | None = None, type: str = "invalid_request_error") -> object:
    return {"error": {"type": type, "code": code, "param": param, "message": "No such thing: elodie@example.net"}}


@pytest.mark.parametrize(
    "body, status, error",
    [
        (refusal("parameter_missing", "amount"), 400, InvalidRequest),
        (refusal(), 400, InvalidRequest),
        (refusal("resource_missing", "payment_method"), 400, ObjectNotFound),
        (refusal("resource_missing", "intent"), 404, ObjectNotFound),
        (refusal("charge_already_refunded"), 400, StateConflict),
        (refusal("payment_intent_unexpected_state"), 400, StateConflict),
        (refusal(param="payment_method"), 400, StateConflict),
        (refusal(type="idempotency_error"), 400, KeyMismatch),
        (refusal("idempotency_key_in_use"), 409, InProgress),
        (refusal(), 401, ConfigurationProblem),
        (refusal(), 403, ConfigurationProblem),
        (refusal("rate_limit"), 429, RateLimited),
        (refusal("lock_timeout"), 429, RateLimited),
        (refusal("balance_insufficient", type="card_error"), 402, StateConflict),
        (refusal(type="card_error"), 402, OutcomeUnknown),
        (refusal(type="api_error"), 500, OutcomeUnknown),
        (refusal(type="brand_new_error"), 400, OutcomeUnknown),
        (refusal(type="brand_new_error"), 404, OutcomeUnknown),
        (b"<html>proxy</html>", 502, OutcomeUnknown),
        (b"<html>proxy</html>", 200, OutcomeUnknown),
        (b"\xff\xfe", 200, OutcomeUnknown),
        (b"", 200, OutcomeUnknown),
        (b"[]", 200, OutcomeUnknown),
        (b"null", 400, OutcomeUnknown),
        ({"error": None}, 400, OutcomeUnknown),
        ({"error": "text"}, 400, OutcomeUnknown),
        ({"error": []}, 400, OutcomeUnknown),
        ({"error": {"type": None, "code": 7, "param": ["x"], "message": None}}, 400, OutcomeUnknown),
        ({"id": "pi_1"}, 302, OutcomeUnknown),
        ({"id": "pi_1"}, 307, OutcomeUnknown),
    ],
)
def test_each_answer_is_told_under_its_name(body: object, status: int, error: type[GatewayError]) -> None:
    told = translated(body, status)
    assert type(told) is error
    assert "elodie" not in f"{told} {told!r}", "the provider's text quotes what was sent"


def test_what_is_told_names_what_helps_to_find_it() -> None:
    told = translated(refusal("parameter_missing", "line_items[0][quantity]"), 400, {"request-id": "req_aB3"})
    assert "HTTP 400, code parameter_missing, param line_items[0][quantity], request req_aB3" in str(told)


@pytest.mark.parametrize(
    "headers, seconds", [({"Retry-After": "7"}, 7.0), ({}, None), ({"retry-after": "Sun, 22 Nov"}, None)]
)
def test_how_long_to_wait_is_told(headers: Mapping[str, str], seconds: float | None) -> None:
    told = translated(refusal("rate_limit"), 429, headers)
    assert isinstance(told, RateLimited)
    assert told.retry_after == seconds


def asked_at(url: str) -> GatewayError:
    gateway = StripeGateway(API_KEY, base_url=url, connect_timeout=2, timeout=2)
    with closing(gateway), pytest.raises(GatewayError) as raised:
        gateway.payment("pi_1")
    return raised.value


def test_what_never_left_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert type(asked_at(f"http://127.0.0.1:{port}")) is NotSent


def test_who_speaks_no_tls_is_sent_nothing(bench: Bench) -> None:
    assert type(asked_at(bench.simulator.server.url.replace("http://", "https://"))) is NotSent
    assert not bench.exchanges()


def test_who_is_not_who_they_say_is_sent_nothing() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)  # of an authority that nobody trusts
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as one:
                one.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert type(asked_at(f"https://127.0.0.1:{server.getsockname()[1]}")) is NotSent
        thread.join(10)


def test_an_earlier_failure_of_the_callers_says_nothing_of_this_one(bench: Bench, gateway: StripeGateway) -> None:
    charge = a_charge(bench)
    bench.fault("charge", Fault.RESET_AFTER)
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    except OSError as refused:
        from urllib3.exceptions import NewConnectionError

        try:
            raise NewConnectionError(None, "refused") from refused  # type: ignore[arg-type]  # of no connection at all
        except NewConnectionError:
            with pytest.raises(OutcomeUnknown):
                gateway.charge(charge, KEY)


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.UNAUTHORISED, Fault.RESET_BEFORE, Fault.NONSENSE])
def test_what_was_done_and_cannot_be_read_afterwards_is_never_told_as_not_done(
    bench: Bench, gateway: StripeGateway, fault: Fault
) -> None:
    charge = a_charge(bench)
    first = gateway.charge(charge, KEY)
    bench.fault("payment", fault, times=9)
    with pytest.raises(GatewayError) as raised:
        gateway.charge(charge, KEY)  # replayed, and then read afresh
    assert raised.value.executed is Executed.UNKNOWN
    bench.clear_faults()
    assert gateway.charge(charge, KEY) == first


def test_a_repeated_charge_tells_what_became_of_it_and_not_what_was_answered_then(
    bench: Bench, gateway: StripeGateway
) -> None:
    charge = a_charge(bench, PaymentMethod.DIRECT_DEBIT)
    pending = gateway.charge(charge, KEY)
    bench.collect(pending.reference)
    assert (pending.status, gateway.charge(charge, KEY).status) == (PayStatus.PENDING, PayStatus.SUCCEEDED)


@pytest.mark.parametrize(
    "changes", [{"amount": 6230}, {"currency": "usd"}, {"metadata": {"invoicecore": "another"}}, {"metadata": {}}]
)
def test_an_answer_about_something_else_than_was_asked_for_is_not_taken_for_it(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    intent = {**INTENT, **changes}
    monkeypatch.setattr(Wire, "request", lambda *_, **__: (json.dumps(intent).encode(), 200, {}))
    charge = Charge(method="pm_1", owner="cus_1", amount=euros("51.20"), reference="INV-1", description="Rent")
    with pytest.raises(KeyMismatch):
        gateway.charge(charge, KEY)
    monkeypatch.setattr(Wire, "request", lambda *_, **__: (json.dumps(INTENT).encode(), 200, {}))
    assert gateway.charge(charge, KEY).amount == charge.amount


def test_a_repeated_charge_that_was_declined_is_the_same_decline(bench: Bench, gateway: StripeGateway) -> None:
    method, owner = bench.saved(PaymentMethod.CARD, "EUR", decline="lost_card")
    charge = a_charge(bench, method=method, owner=owner)
    first = gateway.charge(charge, KEY)
    assert gateway.charge(charge, KEY) == first
    assert first.status is PayStatus.FAILED
    assert first.decline is not None
    assert (first.decline.code, first.decline.advice) == (DeclineCode.LOST_OR_STOLEN, Advice.NEW_METHOD)


def test_the_users_netrc_file_does_not_replace_the_key(
    bench: Bench, gateway: StripeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(ObjectNotFound):
        gateway.payment("pi_nobody")
    assert bench.exchanges()[-1].headers["authorization"] == f"Bearer {bench.secrets[0]}"


def test_records_of_the_sdk_are_kept_back_for_our_calls_and_for_no_others(
    gateway: StripeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = gateway.checkout(a_page(), KEY)
    for secret in (page.url, "elodie@example.net", "s3cret-token", KEY):
        assert secret not in caplog.text
    logger = logging.getLogger("stripe")
    with hushed():
        other = threading.Thread(target=logger.info, args=("another thread's",))
        other.start()
        other.join()
        logger.info("ours")
    logger.info("the host's")
    assert [each.message for each in caplog.records if each.name == "stripe"] == ["another thread's", "the host's"]


# --- the wire ---------------------------------------------------------------------------------------------------------


@contextmanager
def talking(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that lets `answer` speak on each connection, and ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak(one: socket.socket) -> None:
            with suppress(OSError, ValueError), one:
                one.settimeout(10)
                answer(one)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=speak, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def asked_of(one: socket.socket) -> bytes:
    """The head of a request, whose body has come too."""
    got = b""
    while b"\r\n\r\n" not in got:
        if not (more := one.recv(65_536)):
            raise EOFError
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    if found := re.search(rb"content-length: (\d+)", head.lower()):
        while len(body) < int(found[1]):
            body += one.recv(65_536)
    return head


def whole(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def opened_at(url: str, timeout: float = 5) -> StripeGateway:
    return StripeGateway(API_KEY, webhook_secrets=(SECRET,), base_url=url, timeout=timeout)


CHARGE = Charge(method="pm_1", owner="cus_1", amount=euros("51.20"), reference="INV-1", description="Rent")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "then",
    [b"", whole(b"", "502 Bad Gateway"), bytes([21, 3, 3, 0, 2, 2, 48]), bytes([21, 3, 3, 0, 2, 2, 70])],
    ids=["nothing", "plain text", "alert of an authority", "alert of a version"],
)
def test_what_fails_after_a_request_was_sent_is_never_told_as_not_sent(
    version: ssl.TLSVersion, then: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setattr(stripe, "ca_bundle_path", str(tmp_path / "authority.pem"))
    context.minimum_version = context.maximum_version = version
    made = []

    def answer(one: socket.socket) -> None:
        encrypted = context.wrap_socket(one, server_side=True)
        made.append(asked_of(encrypted))
        with socket.socket(fileno=encrypted.detach()) as under:
            under.sendall(then)

    with talking(answer) as port, pytest.raises(OutcomeUnknown):
        opened_at(f"https://127.0.0.1:{port}").charge(CHARGE, KEY)
    assert [each.split()[:2] for each in made] == [[b"POST", b"/v1/payment_intents"]]


def test_each_request_has_a_connection_of_its_own() -> None:
    """One that is kept is shared with a forked process, which reads the answers of the other."""
    heads = []

    def answer(one: socket.socket) -> None:
        with suppress(EOFError):
            while head := asked_of(one):
                heads.append((one, head.lower()))
                one.sendall(whole(json.dumps(INTENT).encode()))

    with talking(answer) as port, closing(opened_at(f"http://127.0.0.1:{port}")) as gateway:
        assert [gateway.payment("pi_1").reference for _ in range(3)] == ["pi_1"] * 3
    assert len({id(one) for one, _ in heads}) == 3
    assert all(b"connection: close" in head for _, head in heads)


@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_an_answer_before_the_answer_makes_no_answer_of_the_next_request(status: str) -> None:
    def answer(one: socket.socket) -> None:
        late = b""
        with suppress(EOFError):
            while head := asked_of(one):
                one.sendall(late or f"HTTP/1.1 {status}\r\nLink: </x>\r\n\r\n".encode())
                name = head.split(b"/payment_intents/")[1].split(b"?")[0].decode()
                late = whole(json.dumps({**INTENT, "id": name}).encode())

    with talking(answer) as port, closing(opened_at(f"http://127.0.0.1:{port}")) as gateway:
        for name in ("pi_1", "pi_2", "pi_3"):
            with pytest.raises(OutcomeUnknown):
                gateway.payment(name)


PAGE = {"id": "cs_1", "mode": "payment", "status": "open", "amount_total": 5120, "currency": "eur", "created": AT}
SAVING = {"id": "cs_1", "mode": "setup", "status": "open"}
REFUND = {"id": "re_1", "payment_intent": "pi_1", "amount": 100, "currency": "eur", "status": "succeeded"}
SAVED = {"id": "pm_1", "type": "card", "card": {"brand": "visa", "last4": "4242"}, "customer": "cus_1"}


@pytest.mark.parametrize(
    "call, reference, answer",
    [
        ("payment", "pi_1", INTENT),
        ("payment", "cs_1", PAGE),
        ("refund_of", "re_1", REFUND),
        ("method", "pm_1", SAVED),
        ("method", "cs_1", SAVING),
        ("method", "seti_1", {"id": "seti_1", "status": "requires_payment_method"}),
    ],
)
def test_an_answer_about_another_object_is_not_taken_for_the_one_asked_for(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch, call: str, reference: str, answer: Mapping[str, Any]
) -> None:
    for name in (f"{reference}x", None, reference):
        body = json.dumps({**answer, "id": name}).encode()
        monkeypatch.setattr(Wire, "request", lambda *_, body=body, **__: (body, 200, {}))
        if name == reference:
            assert getattr(gateway, call)(reference).reference == reference
        else:
            with pytest.raises(OutcomeUnknown):
                getattr(gateway, call)(reference)


@pytest.mark.parametrize(
    "first, again",
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 100000\r\n\r\n", b"a"),
    ],
    ids=["header", "continue", "body", "chunk", "trailer", "redirect"],
)
def test_an_answer_that_drips_is_not_waited_for(first: bytes, again: bytes) -> None:
    over = threading.Event()

    def answer(one: socket.socket) -> None:
        asked_of(one)
        one.sendall(first)
        for _ in range(300):
            one.sendall(again)
            if over.wait(0.02):
                return

    with talking(answer) as port:
        gateway, began = opened_at(f"http://127.0.0.1:{port}", timeout=0.3), monotonic()
        with pytest.raises(OutcomeUnknown):
            gateway.charge(CHARGE, KEY)
        took = monotonic() - began
        over.set()
    assert took < 2


def test_an_encoded_answer_is_neither_asked_for_nor_read() -> None:
    heads = []

    def answer(one: socket.socket) -> None:
        heads.append(asked_of(one).lower())
        one.sendall(whole(gzip.compress(json.dumps(INTENT).encode()), headers="Content-Encoding: gzip\r\n"))

    with talking(answer) as port, pytest.raises(OutcomeUnknown):
        opened_at(f"http://127.0.0.1:{port}").payment("pi_1")
    assert b"accept-encoding: identity" in heads[0]


@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
def test_an_answer_without_end_is_read_up_to_a_size(status: str) -> None:
    sent = 0

    def answer(one: socket.socket) -> None:
        nonlocal sent
        asked_of(one)
        one.sendall(f"HTTP/1.1 {status}\r\nLocation: /\r\n\r\n".encode())
        for _ in range(150):
            one.sendall(bytes(1_000_000))
            sent += 1_000_000

    with talking(answer) as port, pytest.raises(OutcomeUnknown):
        opened_at(f"http://127.0.0.1:{port}", timeout=20).payment("pi_1")
    assert sent < 100_000_000


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"])
def test_no_proxy_stands_between_us_and_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with talking(lambda one: seen.append(asked_of(one))) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        for scheme in ("http", "https"):
            assert type(asked_at(f"{scheme}://{host}:{port}")) is NotSent
    assert not seen


@pytest.mark.parametrize("said", [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nnot TLS at all"])
def test_a_proxy_on_the_way_is_told_no_more_than_where_to(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def answer(one: socket.socket) -> None:
        seen.append(asked_of(one))
        one.sendall(said)

    with talking(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
        monkeypatch.delenv("https_proxy", raising=False)
        assert type(asked_at("https://api.example.org")) is NotSent
    assert seen[0].startswith(b"CONNECT api.example.org:443 ")
    assert API_KEY.encode() not in seen[0]


@pytest.mark.parametrize("owner, name", [(stripe, "log"), (stripe._util, "STRIPE_LOG")], ids=["setting", "environment"])
@pytest.mark.parametrize("level", ["debug", "info"])
def test_nothing_is_sent_while_the_sdk_would_print_it(
    bench: Bench,
    gateway: StripeGateway,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    owner: object,
    name: str,
    level: str,
) -> None:
    monkeypatch.setattr(owner, name, level)
    with pytest.raises(InvalidValue, match="unset"):
        StripeGateway(API_KEY)
    with pytest.raises(ConfigurationProblem, match="unset"):
        gateway.checkout(a_page(), KEY)
    assert capfd.readouterr() == ("", "")
    assert not bench.exchanges()


def held_by(error: BaseException | None) -> str:
    """All that an error shows to whoever prints its chain with the local variables of our frames."""
    told = []
    while error is not None:
        told.append(repr(error))
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != __file__:
                told.append(repr(trace.tb_frame.f_locals))
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return " ".join(told)


LEAK = {"client_secret": "pi_1_secret_NotToBeSeen", "description": "NotToBeSeen"}
REFUSED = {"error": {"type": "invalid_request_error", "message": "NotToBeSeen", "payment_intent": LEAK}}


@pytest.mark.parametrize(
    "call, answers",
    [
        (lambda it: it.charge(CHARGE, KEY), {"POST": (200, {**INTENT, **LEAK, "amount": 1})}),
        (
            lambda it: it.charge(CHARGE, KEY),
            {"POST": (400, REFUSED), "GET": (200, {**SAVED, "customer": None, **LEAK})},
        ),
        (lambda it: it.charge(CHARGE, KEY), {"POST": (400, REFUSED), "GET": (400, REFUSED)}),
        (lambda it: it.revoke("cs_1", KEY), {"POST": (400, REFUSED), "GET": (200, {**SAVING, **LEAK})}),
        (lambda it: it.expire("cs_1", KEY), {"POST": (400, REFUSED), "GET": (200, {**PAGE, **LEAK})}),
        (lambda it: it.expire("cs_1", KEY), {"POST": (400, REFUSED), "GET": (200, {**SAVING, **LEAK})}),
        (lambda it: it.payment("pi_2"), {"GET": (200, {**INTENT, **LEAK})}),
        (
            lambda it: list(it.payments(NOON, NOON + timedelta(hours=1))),
            {"GET": (200, {"data": [{**INTENT, **LEAK}, {**INTENT, **LEAK, "currency": None}], "has_more": False})},
        ),
        (lambda it: it.notices(b"{}", {"stripe-signature": "t=1,v1=0"}), {}),
        (lambda it: it.notices(b"[]", signed(b"[]")), {}),
    ],
    ids="mismatch given_up refused revoked expired no_page another listed badly_signed malformed".split(),
)
def test_an_error_leaves_without_what_it_was_made_of(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[StripeGateway], object], answers: dict[str, tuple[int, object]]
) -> None:
    def request(_: object, method: str, *__: object) -> Any:
        status, body = answers[method.upper()]
        return json.dumps(body).encode(), status, {}

    monkeypatch.setattr(Wire, "request", request)
    gateway = StripeGateway(API_KEY, webhook_secrets=(SECRET,), clock=FixedClock(NOON))
    with pytest.raises((GatewayError, WebhookRejected)) as raised:
        call(gateway)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert "NotToBeSeen" not in held_by(raised.value)


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_page_is_asked_for_so_that_its_payment_leads_to_our_key(bench: Bench, gateway: StripeGateway) -> None:
    page = gateway.checkout(a_page(), KEY)
    session = bench.simulator.account.objects[page.reference]
    assert (session["client_reference_id"], session["metadata"], session["locale"]) == (KEY, {"invoicecore": KEY}, "fr")
    assert page.expires_at == NOON + timedelta(hours=20)
    bench.pay(page.url)
    paid = gateway.payment(page.reference)
    assert (paid.key, paid.status, paid.collected, paid.kind) == (
        KEY,
        PayStatus.SUCCEEDED,
        euros("51.20"),
        PaymentMethod.CARD,
    )
    assert paid.reference.startswith("pi_")
    assert gateway.payment(paid.reference) == paid


def test_a_page_of_more_than_a_day_is_refused_without_a_request(bench: Bench, gateway: StripeGateway) -> None:
    with pytest.raises(InvalidRequest, match="24 hours"):
        gateway.checkout(a_page(expires_at=NOON + timedelta(hours=24, seconds=1)), KEY)
    assert not bench.exchanges()
    assert gateway.checkout(a_page(expires_at=NOON + timedelta(hours=24)), KEY).expires_at == NOON + timedelta(hours=24)


def test_a_page_of_less_than_half_an_hour_is_refused_unless_it_is_there_already(
    bench: Bench, gateway: StripeGateway
) -> None:
    wanted = a_page(expires_at=NOON + timedelta(minutes=30))
    page = gateway.checkout(wanted, KEY)
    bench.move(60)
    assert gateway.checkout(wanted, KEY) == page
    with pytest.raises(InvalidRequest):
        gateway.checkout(wanted, "another")


def test_a_bank_debit_on_a_page_is_pending_until_its_money_arrives(bench: Bench, gateway: StripeGateway) -> None:
    page = gateway.checkout(a_page(), KEY)
    bench.pay_by_debit(page.url)
    pending = gateway.payment(page.reference)
    assert (pending.status, pending.kind) == (PayStatus.PENDING, PaymentMethod.DIRECT_DEBIT)
    assert pending.collected == zero("EUR")
    bench.collect(pending.reference)
    assert gateway.payment(page.reference).collected == euros("51.20")


def test_a_bank_debit_on_a_page_that_fails_is_over(bench: Bench, gateway: StripeGateway) -> None:
    page = gateway.checkout(a_page(), KEY)
    bench.pay_by_debit(page.url)
    pending = gateway.payment(page.reference)
    bench.fail(pending.reference, "account_closed")
    for name in (page.reference, pending.reference):
        failed = gateway.payment(name)
        assert failed.status is PayStatus.FAILED
        assert failed.decline is not None
        assert failed.decline.code is DeclineCode.ACCOUNT_CLOSED


def test_a_payer_who_was_declined_may_try_again_as_long_as_the_page_is_open(
    bench: Bench, gateway: StripeGateway
) -> None:
    page = gateway.checkout(a_page(), KEY)
    bench.pay(page.url, decline="insufficient_funds")
    intent = bench.simulator.account.objects[page.reference]["payment_intent"]
    for name in (page.reference, intent):
        told = gateway.payment(name)
        assert (told.status, told.reference, told.decline) == (PayStatus.OPEN, page.reference, None)
    assert gateway.expire(intent, "closing").status is PayStatus.CANCELLED
    for name in (page.reference, intent):
        assert gateway.payment(name).status is PayStatus.CANCELLED


def test_a_payer_who_has_to_confirm_keeps_the_page_open(bench: Bench, gateway: StripeGateway) -> None:
    page = gateway.checkout(a_page(), KEY)
    bench.challenge(page.url)
    intent = bench.simulator.account.objects[page.reference]["payment_intent"]
    for name in (page.reference, intent):
        told = gateway.payment(name)
        assert (told.status, told.reference) == (PayStatus.OPEN, page.reference)


def test_a_page_to_save_on_is_no_payment_and_a_page_to_pay_on_no_method(gateway: StripeGateway) -> None:
    wanted = Setup(
        kind=PaymentMethod.CARD,
        currency="EUR",
        name="É",
        locale="fr",
        return_url="https://x.org",
        cancel_url="https://x.org",
    )
    saving, paying = gateway.setup(wanted, KEY), gateway.checkout(a_page(), "other")
    for wrong in (lambda: gateway.payment(saving.reference), lambda: gateway.method(paying.reference)):
        with pytest.raises(ObjectNotFound):
            wrong()


@pytest.mark.parametrize(
    "ours, theirs",
    [("fr_CA", "fr-CA"), ("fr_FR", "fr"), ("en_GB", "en-GB"), ("de", "de"), ("eo", "auto"), ("", "auto")],
)
def test_a_locale_is_the_nearest_the_provider_has(ours: str, theirs: str) -> None:
    assert asking.locale_of(ours) == theirs


# --- methods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, currency, scheme, label",
    [
        (PaymentMethod.CARD, "EUR", "card", "Visa •••• 4242"),
        (PaymentMethod.DIRECT_DEBIT, "EUR", "sepa_core", "SEPA •••• 3000"),
        (PaymentMethod.DIRECT_DEBIT, "GBP", "bacs", "Bacs •••• 2345"),
        (PaymentMethod.DIRECT_DEBIT, "USD", "ach", "ACH •••• 6789"),
        (PaymentMethod.DIRECT_DEBIT, "CAD", "pad", "PAD •••• 6789"),
        (PaymentMethod.DIRECT_DEBIT, "AUD", "becs", "BECS •••• 3456"),
    ],
)
def test_a_method_is_saved_shown_by_its_last_digits_and_given_up(
    bench: Bench, gateway: StripeGateway, kind: PaymentMethod, currency: str, scheme: str, label: str
) -> None:
    wanted = Setup(
        kind=kind,
        currency=currency,
        name="Élodie",
        locale="fr_CA",
        return_url="https://rent.example.org/saved",
        cancel_url="https://rent.example.org/left",
        email="elodie@example.net",
    )
    page = gateway.setup(wanted, KEY)
    open_one = gateway.method(page.reference)
    assert (open_one.state, open_one.reference, open_one.kind, open_one.scheme) == (
        MethodState.OPEN,
        page.reference,
        kind,
        scheme,
    )
    bench.save(page.url)
    saved = gateway.method(page.reference)
    assert (saved.state, saved.key, saved.kind) == (MethodState.ACTIVE, KEY, kind)
    assert (saved.scheme, saved.label) == (scheme, label)
    assert gateway.method(saved.reference) == saved
    made = bench.simulator.account.objects[page.reference]["setup_intent"]
    assert gateway.method(made) == saved
    charge = Charge(
        method=saved.reference,
        owner=saved.owner,
        amount=Money("51.20", currency),
        reference="INV-1",
        description="Rent",
    )
    assert gateway.charge(charge, "a charge").key == "a charge"
    gone = gateway.revoke(saved.reference, "away")
    assert (gone.state, gone.key) == (MethodState.INACTIVE, KEY), "it names no customer any more, and is ours"
    with pytest.raises(StateConflict):
        gateway.charge(charge, "another charge")


@pytest.mark.parametrize(
    "agreed, state",
    [
        (None, MethodState.ACTIVE),
        ("active", MethodState.ACTIVE),
        ("pending", MethodState.PENDING),  # its bank has not agreed yet: nothing can be charged
        ("inactive", MethodState.INACTIVE),
    ],
)
def test_a_debit_can_be_charged_when_its_mandate_is_active(agreed: str | None, state: MethodState) -> None:
    saved = {"id": "pm_1", "type": "bacs_debit", "customer": "cus_1", "bacs_debit": {"last4": "2345"}}
    assert snapshots.method(saved, mandate={"status": agreed} if agreed else None).state is state


@pytest.mark.parametrize(
    "page, state, reason",
    [
        ("open", MethodState.OPEN, ""),  # the payer may try another card
        ("complete", MethodState.INACTIVE, "lost_card"),
        ("expired", MethodState.INACTIVE, "expired"),
    ],
)
def test_a_set_up_that_was_declined_goes_on_as_long_as_its_page_is_open(
    page: str, state: MethodState, reason: str
) -> None:
    declined = {"id": "seti_1", "status": "requires_payment_method", "last_setup_error": ERROR}
    told = snapshots.set_up({"id": "cs_1", "status": page, "payment_method_types": ["card"]}, declined)
    assert (told.reference, told.state, told.reason) == ("cs_1", state, reason)


def test_a_page_to_save_on_is_closed_by_giving_it_up(gateway: StripeGateway) -> None:
    wanted = Setup(
        kind=PaymentMethod.CARD,
        currency="EUR",
        name="É",
        locale="fr",
        return_url="https://x.org",
        cancel_url="https://x.org",
    )
    page = gateway.setup(wanted, KEY)
    for key in ("once", "twice"):
        told = gateway.revoke(page.reference, key)
        assert (told.state, told.reference) == (MethodState.INACTIVE, page.reference)


@pytest.mark.parametrize(
    "changes",
    [{"kind": PaymentMethod.CASH}, {"currency": "JPY"}, {"scheme": "bacs"}],
    ids=["kind", "currency", "scheme"],
)
def test_a_method_that_cannot_be_saved_is_refused_before_a_customer_is_made(
    bench: Bench, gateway: StripeGateway, changes: dict[str, Any]
) -> None:
    wanted = Setup(
        kind=PaymentMethod.DIRECT_DEBIT,
        currency="EUR",
        name="É",
        locale="fr",
        return_url="https://x.org",
        cancel_url="https://x.org",
    )
    with pytest.raises(InvalidRequest):
        gateway.setup(attrs.evolve(wanted, **changes), KEY)
    assert not bench.exchanges()


def test_a_charge_on_a_day_is_not_claimed(bench: Bench, gateway: StripeGateway) -> None:
    charge, before = a_charge(bench, charge_on=NOON.date()), len(bench.exchanges())
    with pytest.raises(NotSupported):
        gateway.charge(charge, KEY)
    assert len(bench.exchanges()) == before


def test_a_charge_of_less_than_can_be_charged_is_refused_without_a_request(
    bench: Bench, gateway: StripeGateway
) -> None:
    charge, before = a_charge(bench, amount=euros("0.49")), len(bench.exchanges())
    with pytest.raises(InvalidRequest, match="less than can be charged"):
        gateway.charge(charge, KEY)
    assert len(bench.exchanges()) == before


def test_a_payment_that_has_arrived_is_never_told_as_cancelled(bench: Bench, gateway: StripeGateway) -> None:
    paid = gateway.charge(a_charge(bench), KEY)
    with pytest.raises(StateConflict):
        gateway.cancel(paid.reference, "cancel")
    assert gateway.payment(paid.reference) == paid


def test_as_long_as_is_declared_a_repeated_charge_makes_no_second_one(bench: Bench, gateway: StripeGateway) -> None:
    charge = a_charge(bench)
    paid = gateway.charge(charge, KEY)
    bench.move((gateway.info.key_window - timedelta(seconds=1)).total_seconds())
    assert gateway.charge(charge, KEY) == paid
    assert [each.kind for each in bench.effects()].count(EffectKind.PAYMENT) == 1


def test_that_nothing_is_found_is_not_declared_to_prove_that_nothing_was_made(gateway: StripeGateway) -> None:
    assert gateway.info.lookup is Lookup.FINDS_IF_PRESENT  # its lists are not promised to show at once what was made


@pytest.mark.parametrize(
    "scheme, days",
    [("card", 540), ("sepa_core", 396), ("ach", 60), ("pad", 90), ("bacs", None), ("becs", None)],
)
def test_how_long_money_may_be_taken_back_is_declared_by_the_schemes_rules(
    gateway: StripeGateway, scheme: str, days: int | None
) -> None:
    [spec] = [each for each in gateway.info.methods if each.scheme == scheme]
    assert spec.reversible_for == (None if days is None else timedelta(days=days))


@pytest.mark.parametrize("minutes, there", [(0, True), (10, True), (11, False)])
def test_what_was_just_made_is_found_though_our_clock_is_ahead(
    bench: Bench, gateway: StripeGateway, minutes: int, there: bool
) -> None:
    paid = gateway.charge(a_charge(bench), KEY)
    assert gateway.find(Operation.CHARGE, KEY, since=NOON + timedelta(minutes=minutes)) == (paid if there else None)


def test_a_list_of_payments_ends_within_a_second_and_loses_none(bench: Bench, gateway: StripeGateway) -> None:
    gateway.charge(a_charge(bench), KEY)
    hour, half = timedelta(hours=1), NOON + timedelta(milliseconds=500)  # the provider tells whole seconds
    lists = [(NOON - hour, NOON), (NOON, half), (half, NOON + hour)]
    assert [len(list(gateway.payments(since, until))) for since, until in lists] == [0, 1, 0]


# --- facts ------------------------------------------------------------------------------------------------------------

ERROR = {"code": "card_declined", "decline_code": "lost_card", "payment_method": {"id": "pm_9", "type": "sepa_debit"}}


@pytest.mark.parametrize(
    "status, page, expected",
    [
        ("succeeded", None, PayStatus.SUCCEEDED),
        ("succeeded", "open", PayStatus.SUCCEEDED),
        ("succeeded", "expired", PayStatus.SUCCEEDED),
        ("processing", None, PayStatus.PENDING),
        ("processing", "complete", PayStatus.PENDING),
        ("processing", "open", PayStatus.PENDING),  # on its way: nobody is to pay again
        ("processing", "expired", PayStatus.PENDING),
        ("requires_capture", None, PayStatus.PENDING),
        ("requires_action", None, PayStatus.REQUIRES_ACTION),
        ("requires_action", "open", PayStatus.OPEN),
        ("requires_action", "complete", PayStatus.REQUIRES_ACTION),
        ("requires_confirmation", None, PayStatus.OPEN),
        ("requires_payment_method", None, PayStatus.OPEN),
        ("requires_payment_method", "open", PayStatus.OPEN),
        ("requires_payment_method", "complete", PayStatus.PENDING),
        ("requires_payment_method", "expired", PayStatus.CANCELLED),
        ("canceled", None, PayStatus.CANCELLED),
        ("canceled", "expired", PayStatus.CANCELLED),
        ("marvellous", None, PayStatus.UNRECOGNISED),
        ("marvellous", "open", PayStatus.UNRECOGNISED),
        ("requires_payment_method", "marvellous", PayStatus.UNRECOGNISED),
        (None, None, PayStatus.UNRECOGNISED),
    ],
)
def test_what_a_payment_is_follows_from_its_intent_and_its_page(
    status: str | None, page: str | None, expected: PayStatus
) -> None:
    told = snapshots.payment({**INTENT, "status": status}, None if page is None else {"id": "cs_1", "status": page})
    assert told.status is expected
    assert minor(told.collected) == (5120 if expected is PayStatus.SUCCEEDED else 0)
    assert told.reference == ("cs_1" if expected is PayStatus.OPEN and page else "pi_1")


def test_of_a_payment_counts_what_was_received() -> None:
    told = snapshots.payment({**INTENT, "amount_received": 5000})
    assert (told.amount, told.collected) == (euros("51.20"), euros("50.00"))


@pytest.mark.parametrize(
    "page, status",
    [
        (None, PayStatus.FAILED),
        ("complete", PayStatus.FAILED),
        ("open", PayStatus.OPEN),
        ("expired", PayStatus.CANCELLED),
    ],
)
def test_a_payment_that_was_declined_failed_unless_its_page_says_otherwise(page: str | None, status: PayStatus) -> None:
    intent = {**INTENT, "status": "requires_payment_method", "last_payment_error": ERROR, "payment_method": None}
    told = snapshots.payment(intent, None if page is None else {"id": "cs_1", "status": page})
    assert (told.status, told.method, told.kind) == (status, "pm_9", PaymentMethod.DIRECT_DEBIT)
    assert (told.decline is not None) is (status is PayStatus.FAILED)


@pytest.mark.parametrize(
    "status, moves, reversal, cancelled",
    [
        ("warning_needs_response", [], False, False),
        ("warning_under_review", [], False, False),
        ("warning_closed", [], False, False),
        ("needs_response", [], True, False),
        ("needs_response", [-5120], True, False),
        ("under_review", [-5120], True, False),
        ("under_review", [-5120, 5120], True, True),  # given back while it goes on
        ("appeal_under_review", [-5120, 5120, -5120], True, False),
        ("lost", [-5120], True, False),
        ("won", [-5120, 5120], True, True),
        ("won", [-5120], True, True),
        ("prevented", [], False, False),
        ("prevented", [-5120], True, False),
        ("marvellous", [-5120], True, False),
    ],
)
def test_a_dispute_takes_money_unless_it_only_asks(
    status: str, moves: list[int], reversal: bool, cancelled: bool
) -> None:
    dispute = {
        "id": "du_1",
        "status": status,
        "amount": 5120,
        "currency": "eur",
        "reason": "fraudulent",
        "balance_transactions": [{"amount": move} for move in moves],
    }
    told = snapshots.payment(INTENT, disputes=[dispute])
    assert [(each.kind, each.amount, each.cancelled) for each in told.reversals] == (
        [(ReversalKind.CHARGEBACK, euros("51.20"), cancelled)] if reversal else []
    )
    assert told.collected == euros("51.20")


def test_an_inquiry_moves_no_money_until_it_becomes_a_dispute(bench: Bench, gateway: StripeGateway) -> None:
    paid = gateway.charge(a_charge(bench), KEY)
    inquiry = bench.inquire(paid.reference)
    assert gateway.payment(paid.reference) == paid
    bench.change_dispute(inquiry, "needs_response")
    [reversal] = gateway.payment(paid.reference).reversals
    assert (reversal.id, reversal.kind, reversal.cancelled) == (inquiry, ReversalKind.CHARGEBACK, False)


@pytest.mark.parametrize(
    "status, state",
    [
        ("pending", RefundState.PENDING),
        ("requires_action", RefundState.PENDING),
        ("succeeded", RefundState.SUCCEEDED),
        ("failed", RefundState.FAILED),
        ("canceled", RefundState.FAILED),
        ("marvellous", RefundState.PENDING),
        (None, RefundState.PENDING),
    ],
)
def test_a_refund_counts_until_it_surely_failed(status: str | None, state: RefundState) -> None:
    of = {"id": "re_1", "payment_intent": "pi_1", "amount": 100, "currency": "eur", "status": status, "metadata": None}
    assert (snapshots.refund(of).state, snapshots.refund(of).key) == (state, None)


def test_a_repeated_refund_tells_what_became_of_it_and_not_what_was_answered_then(
    bench: Bench, gateway: StripeGateway
) -> None:
    paid = gateway.charge(a_charge(bench), KEY)
    wanted = RefundRequest(payment=paid.reference, amount=euros("51.20"), refunded_before=zero("EUR"))
    given = gateway.refund(wanted, "refund")
    bench.settle_refund(given.reference, failed=True)
    again = gateway.refund(wanted, "refund")
    assert (given.state, again.reference, again.state) == (RefundState.SUCCEEDED, given.reference, RefundState.FAILED)


def test_all_refunds_of_a_payment_are_told_however_many(bench: Bench, gateway: StripeGateway) -> None:
    paid = gateway.charge(a_charge(bench), KEY)
    part = RefundRequest(payment=paid.reference, amount=euros("0.10"), refunded_before=zero("EUR"))
    keys = [f"refund-{number}" for number in range(103)]
    for key in keys:
        gateway.refund(part, key)
    assert {each.key for each in gateway.payment(paid.reference).refunds} == set(keys)


def test_what_others_made_and_cannot_be_read_does_not_stop_the_list(bench: Bench, gateway: StripeGateway) -> None:
    ours = gateway.charge(a_charge(bench), KEY)
    account = bench.simulator.account
    strange = account.add("payment_intent", amount=1, amount_received=0, currency="xau", status="succeeded")
    listed = list(gateway.payments(NOON - timedelta(hours=1), NOON + timedelta(hours=1)))
    assert [each.reference for each in listed] == [ours.reference]
    strange["metadata"] = {"invoicecore": "ours"}
    with pytest.raises(OutcomeUnknown):
        list(gateway.payments(NOON - timedelta(hours=1), NOON + timedelta(hours=1)))


@pytest.mark.parametrize("reference", ["", "nobody", "pi_", "pi_1/cancel", "pi_é", "../v1/refunds", "ch_1", "pi_1\n"])
def test_what_is_no_name_of_a_payment_is_not_asked_for(bench: Bench, gateway: StripeGateway, reference: str) -> None:
    for call in (gateway.payment, gateway.refund_of):
        with pytest.raises(ObjectNotFound):
            call(reference)
    for act in (gateway.expire, gateway.cancel):
        with pytest.raises(ObjectNotFound):
            act(reference, KEY)
    assert not bench.exchanges()


# --- webhooks ---------------------------------------------------------------------------------------------------------

EVENT: Mapping[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": AT,
    "livemode": True,
    "data": {"object": INTENT},
}


def signed(body: bytes, *, secret: str = SECRET, at: int = AT) -> dict[str, str]:
    """Headers as the SDK makes them for a text; of what is none, as the documentation says."""
    return {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)}


def heard(event: object, *, secrets: tuple[str, ...] = (SECRET,)) -> Any:
    body = json.dumps(event).encode()
    [notice] = webhooks.notices(body, signed(body), secrets, NOON)
    return notice


def rejection(body: Any, headers: Any, *, secrets: tuple[str, ...] = (SECRET,)) -> str:
    with pytest.raises(WebhookRejected) as raised:
        webhooks.notices(body, headers, secrets, NOON)
    assert raised.value.__context__ is None
    return raised.value.reason


def test_an_event_rings_for_what_it_is_about() -> None:
    notice = heard(EVENT)
    assert (notice.id, notice.kind, notice.about, notice.reference) == (
        "evt_1",
        "payment_intent.succeeded",
        About.PAYMENT,
        "pi_1",
    )
    assert (notice.key, notice.live, notice.happened_at) == (KEY, True, NOON)


@pytest.mark.parametrize(
    "kind, object, about, reference",
    [
        (
            "checkout.session.completed",
            {"object": "checkout.session", "id": "cs_1", "mode": "payment"},
            "payment",
            "cs_1",
        ),
        ("checkout.session.expired", {"object": "checkout.session", "id": "cs_1", "mode": "setup"}, "method", "cs_1"),
        (
            "checkout.session.completed",
            {"object": "checkout.session", "id": "cs_1", "mode": "subscription"},
            "nothing",
            "cs_1",
        ),
        ("charge.failed", {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}, "payment", "pi_1"),
        ("charge.failed", {"object": "charge", "id": "ch_1", "payment_intent": None}, "nothing", "ch_1"),
        (
            "charge.dispute.created",
            {"object": "dispute", "id": "du_1", "payment_intent": {"id": "pi_1"}},
            "payment",
            "pi_1",
        ),
        ("charge.refund.updated", {"object": "refund", "id": "re_1"}, "refund", "re_1"),
        ("refund.failed", {"object": "refund", "id": "re_1"}, "refund", "re_1"),
        ("setup_intent.succeeded", {"object": "setup_intent", "id": "seti_1"}, "method", "seti_1"),
        ("payment_method.detached", {"object": "payment_method", "id": "pm_1"}, "method", "pm_1"),
        ("mandate.updated", {"object": "mandate", "id": "mandate_1", "payment_method": "pm_1"}, "method", "pm_1"),
        ("customer.created", {"object": "customer", "id": "cus_1"}, "nothing", "cus_1"),
        ("payment_intent.succeeded", {"object": "payment_intent", "id": "../pi"}, "nothing", "../pi"),
        ("payment_intent.succeeded", "pi_1", "nothing", "pi_1"),
        ("waddle.began", {"object": "waddle"}, "nothing", ""),
    ],
)
def test_what_an_event_is_about(kind: str, object: object, about: str, reference: str) -> None:
    notice = heard({**EVENT, "type": kind, "data": {"object": object}})
    assert (notice.about, notice.reference, notice.key) == (About(about), reference, None)


@pytest.mark.parametrize(
    "changes",
    [{"account": "acct_1"}, {"object": "v2.core.event"}, {"data": None}, {"data": {"object": []}}],
    ids=["of a connected account", "a thin one", "without data", "of a list"],
)
def test_an_event_whose_object_we_cannot_fetch_is_about_nothing(changes: dict[str, Any]) -> None:
    assert heard({**EVENT, **changes}).about is About.NOTHING


@pytest.mark.parametrize("live", [True, False, None, "true"])
def test_a_test_modes_event_is_told_as_one(live: object) -> None:
    assert heard({**EVENT, "livemode": live}).live is (live is True)


def test_either_of_two_secrets_is_good_while_one_replaces_the_other() -> None:
    assert heard(EVENT, secrets=("whsec_new", SECRET)).id == "evt_1"
    body = json.dumps(EVENT).encode()
    old, new = signed(body)["stripe-signature"], signed(body, secret="whsec_new")["stripe-signature"]
    both = {"stripe-signature": f"{old},{new.partition(',')[2]},v0=0000"}
    assert [each.id for each in webhooks.notices(body, both, ("whsec_new",), NOON)] == ["evt_1"]


BODY = json.dumps(EVENT).encode()
GOOD = signed(BODY)["stripe-signature"]


@pytest.mark.parametrize(
    "body, header, reason",
    [
        (BODY, None, "missing"),
        (BODY, "", "missing"),
        (BODY, " ", "missing"),
        (BODY, [GOOD], "missing"),
        (BODY, "nonsense", "bad"),
        (BODY, GOOD.replace("v1=", "v0="), "bad"),
        (BODY, GOOD.replace("v1=", "v1=é"), "bad"),
        (BODY, GOOD[:-1], "bad"),
        (BODY, GOOD.upper(), "bad"),
        (BODY, GOOD.replace("t=", "t=+"), "bad"),
        (BODY, f"{GOOD},t={AT}", "bad"),
        (BODY, GOOD.partition(",")[2], "bad"),
        (BODY, "t=,v1=", "bad"),
        (BODY, "t=" + "9" * 400 + ",v1=0", "bad"),
        (BODY + b" ", GOOD, "bad"),
        (json.dumps(EVENT, indent=1).encode(), GOOD, "bad"),
        (BODY.decode(), GOOD, "malformed"),
        (b" " * 2_000_000, GOOD, "malformed"),
        (BODY, signed(BODY, at=AT - 301)["stripe-signature"], "stale"),
        (BODY, signed(BODY, at=AT + 301)["stripe-signature"], "stale"),
        (BODY, signed(BODY, secret="whsec_other")["stripe-signature"], "bad"),
    ],
)
def test_what_was_not_signed_so_is_rejected(body: Any, header: Any, reason: str) -> None:
    assert rejection(body, {} if header is None else {"stripe-signature": header}) == reason


def test_an_old_signature_is_not_made_young_by_a_second_time() -> None:
    """The SDK reads 1_795 as a number and believes the first of two times: nobody else is to believe the second."""
    old = signed(BODY, at=AT - 86_400)["stripe-signature"]
    for first in (str(AT - 86_400), f"{AT - 86_400:_}", f" {AT - 86_400}"):
        header = f"t={first},t={AT},{old.partition(',')[2]}"
        assert rejection(BODY, {"stripe-signature": header}) == "bad"


@pytest.mark.parametrize("secrets", [(), ("whsec_other",)])
def test_without_the_right_secret_nothing_is_believed(secrets: tuple[str, ...]) -> None:
    assert rejection(BODY, signed(BODY), secrets=secrets) == "bad"
    assert rejection(BODY, signed(BODY, secret=""), secrets=secrets) == "bad"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_signature_is_good_for_five_minutes(seconds: int) -> None:
    assert webhooks.notices(BODY, signed(BODY, at=AT + seconds), (SECRET,), NOON)


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b"null", b"{}", b"not JSON", b'{"id": "evt_1"}', b'{"id": 7, "type": "x"}', b"[" * 100_000, b""],
)
def test_what_is_signed_and_is_no_event_is_malformed(body: bytes) -> None:
    assert rejection(body, signed(body)) == "malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("id object type data created livemode account metadata mode".split()), inner)
    ),
    max_leaves=12,
)


@examples(300)
@given(body=st.binary(max_size=80), header=st.none() | st.text(max_size=80) | st.binary(max_size=9) | st.integers())
@example(body=b"\xff", header="t=1,v1=\udcff")
def test_whatever_comes_unsigned_is_rejected_and_nothing_else_happens(body: bytes, header: object) -> None:
    rejection(body, {"stripe-signature": header})
    rejection(body, {})


@examples(300)
@given(event=JSON | st.fixed_dictionaries({key: JSON | st.just(EVENT[key]) for key in EVENT}))
def test_whatever_is_signed_is_an_event_or_malformed(event: object) -> None:
    body = json.dumps(event).encode()
    reason = ""
    told: tuple[Notice, ...] = ()
    try:
        told = webhooks.notices(body, signed(body), (SECRET,), NOON)
    except WebhookRejected as error:
        reason = error.reason
    assert reason in ("", "malformed")
    for notice in told:
        assert notice.id
        assert notice.about is About.NOTHING or notice.reference
        for kept in (notice.id, notice.kind, notice.reference, notice.key or ""):
            assert kept.isascii()
            assert kept.isprintable()
            assert len(kept) <= 255


NOT_TO_KEEP = ["\ud800", "\0", "é", "x" * 256, "a\nb"]


@pytest.mark.parametrize("word", NOT_TO_KEEP, ids=["surrogate", "nul", "accent", "long", "line"])
@pytest.mark.parametrize("where", ["id", "type", "reference", "key"])
def test_an_event_that_no_store_could_keep_is_left_out(where: str, word: str) -> None:
    object = {"object": "payment_intent", "id": "pi_1", "metadata": {"invoicecore": KEY}}
    event = {**EVENT, "data": {"object": object}}
    assert webhooks.notice(event) is not None
    match where:
        case "reference":
            object["id"] = word
        case "key":
            object["metadata"] = {"invoicecore": word}
        case _:
            event[where] = word
    body = json.dumps(event).encode()
    assert webhooks.notices(body, signed(body), (SECRET,), NOON) == ()


def test_an_event_that_no_store_could_keep_loses_no_other_of_its_page(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [{**EVENT, "id": name} for name in ("evt_3", "evt_2", "evt_\ud800")]
    page = {"object": "list", "data": events, "has_more": True}
    monkeypatch.setattr(Wire, "request", lambda *_, **__: (json.dumps(page).encode(), 200, {}))
    told = gateway.missed(NOON - timedelta(hours=1))
    assert ([each.id for each in told.notices], told.cursor) == (["evt_2", "evt_3"], "evt_2")


@examples(200)
@given(body=st.text(st.characters(codec="utf-8"), max_size=50), at=st.integers(AT - 300, AT + 300), flip=st.integers(0))
def test_a_signature_is_good_for_us_when_it_is_for_the_sdk(body: str, at: int, flip: int) -> None:
    place, headers = flip % (len(body) + 1), signed(body.encode(), at=at)
    for changed in (body.encode(), f"{body[:place]}x{body[place:]}".encode()):
        try:
            good = bool(stripe.WebhookSignature.verify_header(changed, headers["stripe-signature"], SECRET))
        except stripe.SignatureVerificationError:
            good = False
        assert (rejection(changed, headers) == "malformed") is good  # no text of these is an event


def test_a_gateway_hears_by_its_own_clock() -> None:
    with closing(StripeGateway(API_KEY, webhook_secrets=(SECRET,), clock=FixedClock(NOON))) as gateway:
        [notice] = gateway.notices(BODY, signed(BODY))
    assert notice.reference == "pi_1"


def test_missed_events_are_oldest_first_on_each_page_and_one_that_is_strange_loses_no_other(
    bench: Bench, gateway: StripeGateway
) -> None:

    def charge(key: str) -> None:
        gateway.charge(a_charge(bench), key)

    charge("first")
    bench.simulator.account.add("event", type=None, data={})
    charge("second")
    page = gateway.missed(NOON - timedelta(hours=1))
    keys = [each.key for each in page.notices if each.kind == "payment_intent.succeeded"]
    assert (keys, page.cursor) == (["first", "second"], None)


def test_a_page_is_a_hosted_page_whose_address_is_not_shown(gateway: StripeGateway) -> None:
    page = gateway.checkout(a_page(), KEY)
    assert isinstance(page, HostedPage)
    assert page.url not in repr(page)
