"""Stripe on loopback: what it does with a request, and its pages for people."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from invoicecore.testing.clock import FixedClock
from invoicecore.testing.gateway_bench import Fault
from invoicecore_adapters.simulators.pages import answered, go_to, page
from invoicecore_adapters.simulators.server import LoopbackServer, Provider, Request, Response
from invoicecore_adapters.simulators.stripe import checkout
from invoicecore_adapters.simulators.stripe.account import Account, Object, expanded
from invoicecore_adapters.simulators.stripe.forms import parameters
from invoicecore_adapters.simulators.stripe.keys import Keys
from invoicecore_adapters.simulators.stripe.refusals import Refused, refused
from invoicecore_adapters.simulators.stripe.routes import Route, found

_VERSION: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(\.[a-z]+)?")
_PAGES: Final = "/c/pay/"
_FORM: Final = "application/x-www-form-urlencoded"


class StripeSimulator(Provider):
    """A Stripe account behind an HTTP server of its own: `account` is its truth, `server` its door.

    `api_key` is the one it knows, `secrets` those its webhooks are signed with. Its clock stands at the hour of the
    machine, or at `at`, until it is moved. `at_work` is called with the operation's name after a request has claimed
    its idempotency key and before it does anything: two requests can be made to meet there.
    """

    def __init__(
        self,
        *,
        api_key: str = "sk_test_simulated",
        secrets: Sequence[str] = ("whsec_simulated",),
        api_version: str = "2026-10-28.endive",
        at: datetime | None = None,
    ) -> None:
        self._api_key = api_key
        self.account = Account(FixedClock(at or datetime.now(UTC).replace(microsecond=0)), secrets, api_version)
        self.at_work: Callable[[str], None] = lambda operation: None
        self._keys = Keys()
        self.server = LoopbackServer(self)

    def start(self) -> StripeSimulator:
        """Listen."""
        self.account.pages = self.server.start().url
        return self

    def close(self) -> None:
        """Stop listening; harmless to repeat."""
        self.server.close()

    def __enter__(self) -> StripeSimulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the server's questions ---

    def operation(self, request: Request) -> str | None:
        """The port's name of a request."""
        if request.path.startswith(_PAGES):
            return None
        known = found(request.method, request.path)
        if known is None:
            return ""
        route, id = known
        if isinstance(route.operation, str):
            return route.operation
        return route.operation(self.account, request.body.decode("utf-8", "replace") or request.query, id)

    def handle(self, request: Request) -> Response:
        """Answer a request to the API, or show a page."""
        with self.account.lock:
            checkout.lapse(self.account)
        if request.path.startswith(_PAGES):
            return self._page(request)
        number = self.account.id("req")
        try:
            response = self._api(request, number)
        except Refused as refusal:
            response = refusal.response()
        headers = {
            **response.headers,
            "Request-Id": number,
            "Stripe-Version": request.headers.get("stripe-version", self.account.api_version),
        }
        if (key := self.key(request)) is not None:
            headers["Idempotency-Key"] = key
        return Response(status=response.status, body=response.body, headers=headers)

    def refusal(self, fault: Fault) -> Response:
        """Stripe's own words for what goes wrong."""
        match fault:
            case Fault.RATE_LIMIT:
                error = refused(
                    "Request rate limit exceeded. You can learn more about rate limits here "
                    "https://docs.stripe.com/rate-limits.",
                    code="rate_limit",
                    status=429,
                )
                return Response.of({"error": error.error}, 429, {"Retry-After": "2"})
            case Fault.UNAUTHORISED:
                error = _unauthorised()
            case Fault.NONSENSE:
                return Response.of({"error": {"type": "penguin_error", "code": None, "message": None}}, 400)
            case _:
                error = refused("Sorry! There was an error while talking to one of our servers.", type="api_error")
                error.status = 500
        return error.response()

    def pretended(self, request: Request) -> Response:
        """What a request would have answered, without its effect."""
        with self.account.pretending():
            keyless = {name: value for name, value in request.headers.items() if name != "idempotency-key"}
            return self.handle(
                Request(
                    method=request.method,
                    path=request.path,
                    query=request.query,
                    headers={**keyless, "authorization": f"Bearer {self._api_key}"},
                    body=request.body,
                )
            )

    def altered(self, fault: Fault, response: Response) -> Response:
        """A good answer with fields or with statuses that nobody knows, in every object of it."""
        if response.status != 200:
            return response

        def change(value: Any) -> Any:
            if isinstance(value, list):
                return [change(one) for one in value]
            if not isinstance(value, dict):
                return value
            changed = {name: change(one) for name, one in value.items()}
            if "object" in value and fault is Fault.UNKNOWN_FIELDS:
                changed["penguins"] = {"object": "penguin", "data": [1, None, {"deep": ""}]}
            elif value.get("status") is not None and "object" in value:
                changed["status"] = "waddling"
            return changed

        return Response.of(change(response.json()), headers=response.headers)

    def remember(self, request: Request, response: Response) -> None:
        """A 500 is an answer too, and stays one under its key."""
        if (key := self.key(request)) is not None and request.method == "POST":
            self._keys.store(key, response)

    # --- the API ---

    def _api(self, request: Request, number: str) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._api_key}":
            raise _unauthorised()
        version = request.headers.get("stripe-version", self.account.api_version)
        if not _VERSION.fullmatch(version):
            raise refused(f"Invalid Stripe API version: {version}")
        known = found(request.method, request.path)
        if known is None:
            raise refused(
                f"Unrecognized request URL ({request.method}: {request.path}). Please see https://stripe.com/docs or "
                "we can help at https://support.stripe.com/.",
                status=404,
            )
        route, id = known
        if request.method == "GET":
            return self._done(route, parameters(request.query, route.shape), id, (number, None))
        if request.body and request.headers.get("content-type", "").partition(";")[0] != _FORM:
            raise refused(f"Invalid request: send parameters as {_FORM}")
        params = parameters(_text(request.body), route.shape)
        key = self.key(request)
        if key is None:
            return self._done(route, params, id, (number, None))
        stored = self._keys.claim(key, request.path, params, self.account.clock.now())
        if stored is not None:
            return Response(
                status=stored.status, body=stored.body, headers={**stored.headers, "Idempotent-Replayed": "true"}
            )
        self.at_work(self.operation(request) or "")
        response = self._done(route, params, id, (number, key))
        self._keys.store(key, response)
        return response

    def _done(self, route: Route, params: dict[str, Any], id: str, cause: tuple[str, str | None]) -> Response:
        """Do it; a refusal of what was begun is an answer like another."""
        expand = params.get("expand", [])
        with self.account.lock:
            self.account.cause = cause
            try:
                return Response.of(expanded(self.account, route.act(self.account, copy.deepcopy(params), id), expand))
            except Refused as refusal:
                return refusal.response()
            finally:
                self.account.cause = (None, None)

    # --- pages ---

    def _page(self, request: Request) -> Response:
        with self.account.lock:
            session = self.account.objects.get(request.path.removeprefix(_PAGES))
            if session is None or session["object"] != "checkout.session":
                return page("Not found", "There is no such page.", {}, status=404)
            if session["status"] != "open":
                text = {"complete": "You have paid already.", "expired": "This page has expired."}[session["status"]]
                return page("Nothing to do", text, {}, status=410)
            notice = ""
            match answered(request):
                case "good":
                    checkout.complete(self.account, session)
                case "debit":
                    checkout.complete(self.account, session, debit=True)
                case "declined":
                    checkout.complete(self.account, session, decline="generic_decline")
                    notice = "Your card was declined. "
                case "leave":
                    return go_to(session["cancel_url"] or session["success_url"])
            if session["status"] == "complete":
                return go_to(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
            return page(_title(session), f"{notice}Whatever you press, no money moves.", _buttons(session))


def _title(session: Object) -> str:
    if session["mode"] == "setup":
        return "Save a way to pay"
    return f"Pay {session['amount_total']} {session['currency'].upper()} (in its smallest unit)"


def _buttons(session: Object) -> dict[str, str]:
    types = session["payment_method_types"]
    verb = "Save" if session["mode"] == "setup" else "Pay with"
    buttons = {"good": f"{verb} a good card", "declined": f"{verb} a card that is declined"} if "card" in types else {}
    if types[-1] != "card":
        buttons["debit"] = f"{verb} a bank account ({types[-1]})"
    return {**buttons, "leave": "Leave"}


def _unauthorised() -> Refused:
    return refused("Invalid API Key provided: sk_test_********ated", status=401)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise refused("Invalid request: the body is not UTF-8") from error
