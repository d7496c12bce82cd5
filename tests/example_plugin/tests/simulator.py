"""Pennypay on loopback: what the real one does, as far as a gateway can tell them apart."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import Any
from urllib.parse import parse_qs

from invoicecore.money import from_minor
from invoicecore.testing import FixedClock
from invoicecore.testing.gateway_bench import Delivery, EffectKind, Fault
from invoicecore_adapters.simulators.ledger import Deliveries, Event, Ledger
from invoicecore_adapters.simulators.pages import answered, page
from invoicecore_adapters.simulators.server import Provider, Request, Response

Json = dict[str, Any]

API_KEY = "penny_key_that_nobody_may_see"
WEBHOOK_SECRET = "penny_secret_that_nobody_may_see"
ROWS = 2  # so few that three payments are two pages


class Pennypay(Provider):
    """A Provider: LoopbackServer serves it, and makes its answers go wrong as it is told to."""

    def __init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 4, 24, 9, 30, tzinfo=UTC))
        self.ledger = Ledger(self.clock)
        self.deliveries = Deliveries(self._webhook)
        self.url = ""
        self.astray: str | None = None  # what is told of, whatever was asked about, as on a connection gone astray
        self._things: dict[str, Json] = {}
        self._answers: dict[str | None, tuple[Request, Response]] = {}
        self._lock = RLock()

    # --- what the server asks of it -----------------------------------------------------------------------------------

    def operation(self, request: Request) -> str | None:
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "orders"):
                return "checkout"
            case ("POST", "orders", _, "close"):
                return "expire"
            case ("POST", "refunds"):
                return "refund"
            case ("GET", "orders" | "refunds"):
                return "find" if "key" in _query(request) else "payments"
            case ("GET", "orders", _):
                return "payment"
            case ("GET", "refunds", _):
                return "refund_of"
            case (_, "pay", _):
                return None
        return ""

    def handle(self, request: Request) -> Response:
        kind, _, id = request.path.strip("/").partition("/")
        with self._lock:
            if kind == "pay":
                return self._page(id, answered(request))
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return _refused(401, "unauthorised")
            if request.method == "GET":
                return self._one(self.astray or id) if id else self._list(kind, _query(request))
            key = self.key(request)
            asked, answer = self._answers.get(key) or (request, self._change(kind, id, json.loads(request.body)))
            if (asked.path, asked.body) != (request.path, request.body):
                return _refused(409, "key_reused")
            if answer.status == 200:
                self._answers[key] = asked, answer
            return answer

    def refusal(self, fault: Fault) -> Response:
        match fault:
            case Fault.RATE_LIMIT:
                return Response.of({"error": {"type": "slow_down"}}, 429, {"Retry-After": "7"})
            case Fault.UNAUTHORISED:
                return _refused(401, "unauthorised")
            case Fault.NONSENSE:
                return Response.of({"error": {"type": None}, "errors": None}, 418)
        return _refused(500, "broken")

    def pretended(self, request: Request) -> Response:
        order = {"id": "elsewhere", "status": "paid", "paid": 1, "amount": 1, "currency": "EUR", "refunds": []}
        return Response.of({**order, "metadata": {}, "created": "2026-04-24T09:30:00+00:00"})

    def altered(self, fault: Fault, response: Response) -> Response:
        told: Any = response.json()
        change = {"status": "levitating"} if fault is Fault.UNKNOWN_STATUS else {"surprise": [{"of": None}]}
        return Response.of({**told, **change}, response.status)

    # --- what happens at it -------------------------------------------------------------------------------------------

    def fail(self, refund: str) -> None:
        """The bank sends a refund back."""
        with self._lock:
            self._things[refund]["status"] = "failed"
            self._happened(EffectKind.REFUND_FAILED, self._things[refund], "refund.failed")

    def sign(self, body: bytes, secret: str, at: datetime) -> dict[str, str]:
        second = str(int(at.timestamp()))
        digest = hmac.new(secret.encode(), f"{second}.".encode() + body, "sha256").hexdigest()
        return {"Pennypay-Signature": f"{second}.{digest}"}

    def _page(self, id: str, answer: str | None) -> Response:
        order = self._shown(id)
        if order is None or order["status"] != "open":
            return page("Pennypay", "There is nothing to pay here.", {}, status=410)
        if answer == "pay":
            self._things[id] |= {"status": "paid", "paid": order["amount"]}
            self._happened(EffectKind.PAYMENT, self._things[id])
            self._happened(EffectKind.COLLECTED, self._things[id], "order.paid")
            return page("Pennypay", "Paid.", {})
        return page("Pennypay", order["description"], {"pay": "Pay", "decline": "Pay with an empty card"})

    def _change(self, kind: str, id: str, asked: Json) -> Response:
        if id:  # /orders/<id>/close
            order = self._things.get(id.removesuffix("/close"))
            if order is None:
                return _refused(404, "not_found")
            order["status"] = "paid" if order["paid"] else "closed"
            return Response.of(self._shown(order["id"]))
        made = {**asked, "id": f"{kind[:2]}_{len(self._things)}", "created": self.clock.now().isoformat()}
        if kind == "orders":
            made |= {"status": "open", "paid": 0, "refunds": [], "url": f"{self.url}/pay/{made['id']}"}
            effect, event = EffectKind.CHECKOUT, None
        else:
            order = self._things.get(asked["order"])
            if order is None:
                return _refused(404, "not_found")
            if sum(each["amount"] for each in (asked, *order["refunds"])) > order["paid"]:
                return _refused(422, "not_possible")
            made |= {"status": "succeeded"}
            order["refunds"].append(made)
            effect, event = EffectKind.REFUND, "refund.succeeded"
        self._things[made["id"]] = made
        self._happened(effect, made, event)
        return Response.of(made)

    def _one(self, id: str) -> Response:
        shown = self._shown(id)
        return _refused(404, "not_found") if shown is None else Response.of(shown)

    def _list(self, kind: str, query: dict[str, str]) -> Response:
        rows = [each for id in self._things if id.startswith(kind[:2]) and (each := self._shown(id))]
        if "key" in query:
            return Response.of({"rows": [each for each in rows if each["metadata"]["invoicecore"] == query["key"]]})
        rows = [each for each in rows if query["since"] <= each["created"] < query["until"]]
        end = int(query["cursor"] or 0) + ROWS
        return Response.of({"rows": rows[end - ROWS : end], "cursor": str(end) if rows[end:] else None})

    def _shown(self, id: str) -> Json | None:
        thing = self._things.get(id)
        over = thing is not None and thing["status"] == "open" and thing["expires_at"] <= self.clock.now().isoformat()
        return {**thing, "status": "closed"} if thing is not None and over else thing

    def _happened(self, effect: EffectKind, thing: Json, event: str | None = None) -> None:
        amount, key = from_minor(thing["amount"], thing["currency"]), thing["metadata"]["invoicecore"]
        self.ledger.add(effect, thing["id"], key=key, amount=amount)
        if event is not None:
            told = {"id": f"ev_{len(self.ledger.effects())}", "type": event, "object": thing["id"], "live": True}
            self.deliveries.put({**told, "metadata": thing["metadata"], "created": self.clock.now().isoformat()})

    def _webhook(self, events: Sequence[Event]) -> Delivery:
        body = json.dumps(events[0]).encode()
        return Delivery(body=body, headers=self.sign(body, WEBHOOK_SECRET, self.clock.now()))


def _query(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}


def _refused(status: int, type: str) -> Response:
    return Response.of({"error": {"type": type}}, status)
