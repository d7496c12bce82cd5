"""What a payment provider in memory holds: its objects, its ledger, its events, and the webhooks that tell of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from threading import RLock
from typing import Any, Final

import attrs

from invoicecore.clock import SystemClock
from invoicecore.errors import NotFound
from invoicecore.ports import Clock

NOTICE_DAYS: Final = 3
"""Working days a bank wants to know of a debit beforehand."""

SIGNATURE: Final = "memory-signature"
"""The header of a webhook: `t=` the second it was signed, `v1=` the HMAC-SHA256 of that, a dot and the body."""


def signed(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The headers of a webhook signed at an instant."""
    second = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), second.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {SIGNATURE: f"t={second},v1={digest}"}


def working_day(day: date, later: int = 0) -> date:
    """The first working day from `day` on, or so many working days after that."""
    while day.weekday() > 4 or later:
        later -= day.weekday() < 5
        day += timedelta(days=1)
    return day


@attrs.frozen(kw_only=True)
class Ask:
    """A request as it reaches the provider."""

    operation: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes


@attrs.frozen(kw_only=True)
class Answer:
    """What the provider answers; `headers` are by lower-case name."""

    status: int
    body: bytes
    headers: Mapping[str, str] = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class Happening:
    """One line of the ledger of what really happened; `amount` in minor units, None of what moves no money."""

    kind: str
    key: str | None
    reference: str
    amount: int | None
    currency: str | None
    at: datetime


class Refused(Exception):
    """The provider says no: an HTTP status, a type for the gateway, and why."""

    def __init__(self, status: int, type: str, why: str) -> None:
        super().__init__(why)
        self.answer = Answer(
            status=status, body=json.dumps({"error": {"type": type, "message": why}}, sort_keys=True).encode()
        )


class Absent(Refused, NotFound):
    """What the provider does not hold, as a gateway is told and as a test's own call is."""

    def __init__(self, what: str, id: str) -> None:
        NotFound.__init__(self, what, id)
        self.answer = Refused(404, "not_found", f"there is no such {what}").answer


# Objects are what goes over the wire: one shape to keep, to send and to look at.
Object = dict[str, Any]


class Held:
    """The provider's objects by reference, and what happened to them."""

    def __init__(self, pages: str, clock: Clock | None) -> None:
        self.api_key = f"mem_key_{secrets.token_urlsafe(24)}"
        self.webhook_secret = f"mem_whs_{secrets.token_urlsafe(24)}"
        self.pages = pages.rstrip("/")
        self.ledger: list[Happening] = []
        self.events: list[Object] = []
        self._clock = clock or SystemClock()
        self._ahead = timedelta(0)
        self._lock = RLock()
        self._things: dict[str, Object] = {}

    def now(self) -> datetime:
        """The provider's time."""
        return self._clock.now() + self._ahead

    def move(self, seconds: float) -> None:
        """Let time pass at the provider, beyond what its clock says."""
        self._ahead += timedelta(seconds=seconds)

    def _get(self, reference: str, *objects: str) -> Object:
        thing = self._things.get(reference)
        if thing is None or thing["object"] not in objects:
            raise Absent(objects[0], reference)
        return thing

    def _payment(self, key: str | None, asked: Object, *, kind: str) -> Object:
        payment: Object = {
            "object": "payment",
            "id": self._new("pay"),
            "key": key,
            "kind": kind,
            "amount": asked["amount"],
            "currency": asked["currency"],
            "collected": 0,
            "state": "pending",
            "waits": True,
            "method": asked.get("method"),
            "decline": None,
            "expected_on": None,
            "paid_out": False,
            "reversals": [],
            "refunds": [],
            "created": self.now().isoformat(),
        }
        self._things[payment["id"]] = payment
        self._happened("payment", payment)
        return payment

    def _collected(self, payment: Object) -> tuple[bytes, dict[str, str]]:
        payment |= {"state": "succeeded", "waits": False, "collected": payment["collected"] + payment["amount"]}
        self._happened("collected", payment)
        return self._event("payment.succeeded", payment)

    def _method(self, key: str | None, kind: str, currency: str, declines: str | None) -> Object:
        card = kind == "card"
        id = self._new("met")
        self._things[id] = {
            "object": "method",
            "id": id,
            "key": key,
            "state": "active",
            "kind": kind,
            "currency": currency,
            "scheme": "card" if card else "bank_debit",
            "label": f"{'Visa' if card else 'Bank'} •••• {1000 + len(self._things) % 9000}",
            "owner": self._new("own"),
            "declines": declines,
            "replaced_by": None,
            "reason": "",
            "created": self.now().isoformat(),
        }
        return self._things[id]

    def _give_up(self, reference: str, reason: str) -> Object:
        method = self._get(reference, "method")
        if method["state"] != "inactive":
            method |= {"state": "inactive", "reason": reason}
            self._event("method.inactive", method)
        return self._shown(method)

    def _kept(self, payment: Object) -> int:
        taken: int = sum(each["amount"] for each in payment["reversals"] if not each["cancelled"])
        return int(payment["collected"]) - taken

    def _status(self, thing: Object) -> str:
        if thing["object"] == "payment":
            # What was collected, bounced and is tried again waits; after that a status takes nothing back.
            return "succeeded" if thing["collected"] and not thing["waits"] else str(thing["state"])
        if thing["made"] is not None:
            return "paid"
        over = thing["closed"] or (thing.get("expires_at") or "9") <= self.now().isoformat()
        return "cancelled" if over else "open"

    def _shown(self, thing: Object) -> Object:
        """A thing as it is told: a page as what was made on it, or as what it waits for."""
        if thing.get("made"):
            return self._shown(self._things[thing["made"]])
        shown = dict(thing)
        if thing["object"] == "checkout":
            shown |= {"object": "payment", "kind": "card", "collected": 0, "reversals": [], "refunds": []}
        if shown["object"] == "payment":
            shown["status"] = self._status(thing)
        if thing["object"] == "setup":
            shown |= {"object": "method", "state": "open"}
        if thing["object"] == "method" and thing["kind"] != "card":
            shown["next_charge_on"] = working_day(self.now().date(), NOTICE_DAYS).isoformat()
        return shown

    def _shown_page(self, thing: Object) -> Object:
        return {name: thing.get(name) for name in ("object", "id", "url", "expires_at")}

    def _new(self, prefix: str) -> str:
        return f"{prefix}_{secrets.token_urlsafe(12)}"

    def _happened(self, kind: str, thing: Object) -> None:
        self.ledger.append(
            Happening(
                kind=kind,
                key=thing["key"],
                reference=thing["id"],
                amount=thing.get("amount"),
                currency=thing.get("currency"),
                at=self.now(),
            )
        )

    def _event(self, kind: str, thing: Object) -> tuple[bytes, dict[str, str]]:
        event = {"id": self._new("evt"), "kind": kind, "about": thing["object"], "reference": thing["id"]}
        self.events.append(event | {"key": thing["key"], "at": self.now().isoformat()})
        return self._webhook(self.events[-1:])

    def _webhook(self, events: Sequence[Object]) -> tuple[bytes, dict[str, str]]:
        body = json.dumps({"events": list(events)}, sort_keys=True).encode()
        return body, signed(body, self.webhook_secret, self.now())
