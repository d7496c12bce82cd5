"""GoCardless on loopback: its HTTP face, its words for errors, and its webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from threading import RLock
from typing import Final
from urllib.parse import parse_qs

from invoicecore.testing.clock import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Fault
from invoicecore_adapters.simulators.gocardless import flow_pages, payments, refunds, routes
from invoicecore_adapters.simulators.gocardless.account import Account
from invoicecore_adapters.simulators.gocardless.records import Webhook, instant
from invoicecore_adapters.simulators.gocardless.refusals import Json, Refusal, internal, misused
from invoicecore_adapters.simulators.ledger import Deliveries, Event, Ledger
from invoicecore_adapters.simulators.pages import page
from invoicecore_adapters.simulators.server import Provider, Request, Response

SIGNATURE: Final = "webhook-signature"
MOST_EVENTS: Final = 250
"""Events in one webhook at most."""

_START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_RATE: Final = 1000

# What the port calls a request: (method, first word of the path, action or "one" or "") → its name there.
_OPERATIONS: Final[Mapping[tuple[str, str, str], str]] = {
    ("POST", "billing_request_flows", ""): "flow",
    ("POST", "billing_requests", "cancel"): "expire",
    ("GET", "billing_requests", ""): "find",
    ("GET", "mandates", "one"): "method",
    ("POST", "mandates", "cancel"): "revoke",
    ("POST", "payments", ""): "charge",
    ("GET", "payments", "one"): "payment",
    ("POST", "payments", "cancel"): "cancel",
    ("POST", "payments", "retry"): "retry",
    ("POST", "refunds", ""): "refund",
    ("GET", "refunds", "one"): "refund_of",
}

# Errors of types nobody knows, or with what belongs to them missing; each breaks a client that trusts them elsewhere.
_NONSENSE: Final[tuple[tuple[int, Json], ...]] = (
    (422, {"error": {"type": "quantum_flux", "errors": None}}),
    (422, {"error": {"type": "invalid_state", "code": 422, "message": None, "errors": None}}),
    (
        409,
        {
            "error": {
                "type": "invalid_state",
                "errors": [{"reason": "idempotent_creation_conflict", "message": "?", "links": {}}],
            }
        },
    ),
    (400, {"error": {"type": "validation_failed", "errors": [{"field": "amount"}]}}),
    (418, {"problem": "none"}),
)

_PRETENDED: Final[Mapping[str, Json]] = {
    "payments": {"status": "confirmed", "links": {"mandate": "MD99999999"}},
    "refunds": {"status": "paid", "links": {"payment": "PM99999999"}},
    "mandates": {"status": "active", "scheme": "bacs", "links": {"customer": "CU99999999"}},
    "billing_requests": {
        "status": "fulfilled",
        "links": {"mandate_request_mandate": "MD99999999", "payment_request_payment": "PM99999999"},
    },
    "billing_request_flows": {"authorisation_url": "https://elsewhere.invalid/flow"},
}


class GoCardless(Provider):
    """The simulated provider; serve it with a LoopbackServer, and tell it by `pages` where that is.

    One account with one access token and one webhook endpoint, whose secret signs. Python tests reach into `account`
    under `lock`; everything else goes through the API, the pages or the scenario simulators.
    """

    def __init__(self, *, access_token: str, webhook_secret: str, clock: FixedClock | None = None) -> None:
        self.clock = clock or FixedClock(_START)
        self.ledger = Ledger(self.clock)
        self.deliveries = Deliveries(self._pack)
        self.deliveries.batch(MOST_EVENTS)
        self.account = Account(self.ledger, self.deliveries.put)
        self.lock = RLock()
        self.pages = ""
        self.endpoint = "https://merchant.invalid/webhooks"
        self._token, self._secret = access_token, webhook_secret
        self._requests, self._nonsense = count(1), count()

    def __repr__(self) -> str:
        return f"GoCardless(at={self.pages!r})"

    def move(self, seconds: float) -> None:
        """Let time pass, and do what was due: GoCardless's own retries, and refunds that go to the banks."""
        with self.lock:
            self.clock.advance(timedelta(seconds=seconds))
            payments.retry_when_due(self.account)
            refunds.submit_when_due(self.account)

    def sign(self, body: bytes, secret: str | None = None) -> dict[str, str]:
        """The headers of a webhook: hex HMAC-SHA256 over the raw body, with no time in it."""
        key = (self._secret if secret is None else secret).encode()
        return {"content-type": "application/json", SIGNATURE: hmac.new(key, body, hashlib.sha256).hexdigest()}

    def deliver_to(self, url: str) -> tuple[int, ...]:
        """POST the webhooks that wait to `url`, note what it answered in the list of webhooks, and give it."""
        self.endpoint = url
        before = set(self.account.webhooks)
        statuses = self.deliveries.deliver_to(url)
        sent = [webhook for id, webhook in self.account.webhooks.items() if id not in before]
        for webhook, status in zip(sent, statuses, strict=True):
            webhook.answers.append(status)
        return statuses

    def operation(self, request: Request) -> str | None:
        """See Provider; a flow, the page of a checkout or set-up that was asked for before, is "flow"."""
        if request.path.startswith("/billing/static/"):
            return None
        parts = request.path.strip("/").split("/")
        resource, rest = parts[0], parts[1:]
        action = "" if not rest else rest[2] if len(rest) == 3 else "one"
        query = parse_qs(request.query)
        match request.method, resource, action:
            case "POST", "billing_requests", "":
                return "checkout" if b'"payment_request"' in request.body else "setup"
            case "GET", "billing_requests", "one":
                with self.lock:
                    asked = self.account.billing_requests.get(rest[0])
                return "payment" if asked is None or asked.payment_request is not None else "method"
            case "GET", "payments", "":
                return "payments" if {"created_at[lt]", "created_at[lte]"} & set(query) else "find"
            case "GET", "refunds", "":
                return "find" if "created_at[gte]" in query else "payment"
            case "GET", "events", "":
                return "payment" if "payment" in query else "missed"
        return _OPERATIONS.get((request.method, resource, action), "")

    def handle(self, request: Request) -> Response:
        """See Provider."""
        with self.lock:
            if request.path.startswith("/billing/static/"):
                try:
                    return flow_pages.show(self.account, request)
                except Refusal as refused:
                    return page("That did not work", refused.message, {}, status=refused.status)
            try:
                self._admit(request)
                status, body = routes.answer(
                    self.account,
                    request.method,
                    request.path,
                    request.query,
                    request.body,
                    self.key(request),
                    self.pages,
                )
            except Refusal as refused:
                return self._refused(refused)
        return self._response(status, body)

    def _admit(self, request: Request) -> None:
        """What is looked at before the path: who asks, in which version, in JSON."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            raise misused(401, "missing_authorization_header", "Unauthorized")
        if scheme.lower() != "bearer":
            raise misused(401, "invalid_authorization_header", "Unauthorized")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise misused(401, "access_token_not_found", "Unauthorized")
        version = request.headers.get("gocardless-version")
        if version is None:
            raise misused(400, "missing_version_header", "The GoCardless-Version header is missing")
        if version != routes.VERSION:
            raise misused(400, "version_not_found", "No such version of the API")
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if request.method in ("POST", "PUT") and request.body and kind != "application/json":
            raise misused(415, "invalid_content_type", "The content type must be application/json")

    def refusal(self, fault: Fault) -> Response:
        """See Provider."""
        match fault:
            case Fault.UNAUTHORISED:
                return self._refused(misused(401, "unauthorized", "Unauthorized"))
            case Fault.RATE_LIMIT:
                return self._refused(misused(429, "rate_limit_exceeded", "Rate limit exceeded"), left=0)
            case Fault.NONSENSE:
                status, body = _NONSENSE[next(self._nonsense) % len(_NONSENSE)]
                return self._response(status, body)
            case _:
                return self._refused(internal())

    def pretended(self, request: Request) -> Response:
        """See Provider."""
        parts = request.path.strip("/").split("/")
        resource = parts[0]
        try:
            fields = next(iter(json.loads(request.body).values()))
        except (ValueError, AttributeError, StopIteration):
            fields = {}
        shown = {
            "id": parts[1] if len(parts) > 1 else "XX99999999",
            "created_at": instant(self.clock.now()),
            "amount": 1000,
            "amount_refunded": 0,
            "currency": "GBP",
            "charge_date": self.clock.now().date().isoformat(),
            "metadata": {},
            **(fields if isinstance(fields, dict) else {}),
            **_PRETENDED.get(resource, {}),
        }
        return self._response(200 if len(parts) > 1 else 201, {resource: shown})

    def altered(self, fault: Fault, response: Response) -> Response:
        """See Provider."""
        body = json.loads(response.body)
        for name, found in body.items():
            for record in found if isinstance(found, list) else [found]:
                if name != "meta" and isinstance(record, dict):
                    if fault is Fault.UNKNOWN_STATUS:
                        if "status" in record:
                            record["status"] = "in_superposition"
                    else:
                        record["colour"] = {"of": ["money", None, 1.5]}
        if fault is Fault.UNKNOWN_FIELDS:
            body["weather"] = None
        return self._response(response.status, body)

    def _refused(self, refused: Refusal, *, left: int = _RATE - 1) -> Response:
        return self._response(refused.status, refused.body(f"req-{next(self._requests):06d}"), left=left)

    def _response(self, status: int, body: Json, *, left: int = _RATE - 1) -> Response:
        # The reset is by the world's clock: whoever waits for it does so in the world.
        reset = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        headers = {"ratelimit-limit": str(_RATE), "ratelimit-remaining": str(left), "ratelimit-reset": reset}
        return Response.of(body, status, headers)

    def _pack(self, events: Sequence[Event]) -> Delivery:
        id = self.account.new_id("WB")
        body = json.dumps({"events": list(events), "meta": {"webhook_id": id}}).encode()
        headers = self.sign(body)
        self.account.webhooks[id] = Webhook(
            id=id, created_at=self.clock.now(), url=self.endpoint, body=body.decode(), headers=headers
        )
        return Delivery(body=body, headers=headers)
