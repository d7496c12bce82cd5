"""How a payment provider in memory answers a gateway: in JSON, once per key and request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from invoicecore.ports import Clock
from invoicecore_adapters.memory.held import NOTICE_DAYS, Answer, Ask, Held, Object, Refused, working_day

KEY_WINDOW: Final = timedelta(hours=24)
"""How long a key is remembered."""

_PAGE: Final = 50  # rows of an answer that lists


class Answering(Held):
    """What is asked of the provider, one method each; requests that it refuses change nothing."""

    def __init__(self, pages: str, clock: Clock | None) -> None:
        super().__init__(pages, clock)
        self._keys: dict[tuple[str, str], tuple[datetime, bytes, str]] = {}
        self._operations: dict[str, Callable[[str | None, Object], Object]] = {
            "checkout": self._checkout,
            "expire": lambda key, asked: self._close(asked["reference"]),
            "setup": self._setup,
            "method": lambda key, asked: self._shown(self._get(asked["reference"], "method", "setup")),
            "revoke": lambda key, asked: self._give_up(asked["reference"], "revoked by us"),
            "charge": self._charge,
            "cancel": lambda key, asked: self._cancel(asked["reference"]),
            "retry": lambda key, asked: self._retry(asked["reference"]),
            "payment": lambda key, asked: self._shown(self._get(asked["reference"], "payment", "checkout")),
            "refund": self._refund,
            "refund_of": lambda key, asked: self._get(asked["reference"], "refund"),
            "find": lambda key, asked: {"found": self._found(asked)},
            "payments": self._list,
            "missed": self._missed,
        }

    def answer(self, ask: Ask) -> Answer:
        """Do what a request asks, once per key and request."""
        with self._lock:
            try:
                if ask.headers.get("authorization") != f"Bearer {self.api_key}":
                    raise Refused(401, "unauthorised", "no such API key")
                key = ask.headers.get("idempotency-key")
                done = self._replayed(ask, key) or self._operations[ask.operation](key, json.loads(ask.body))
            except Refused as refused:
                return refused.answer
            if key is not None:
                self._keys.setdefault((ask.operation, key), (self.now(), ask.body, str(done["id"])))
            return Answer(status=200, body=json.dumps(done, sort_keys=True).encode())

    def _replayed(self, ask: Ask, key: str | None) -> Object | None:
        known = self._keys.get((ask.operation, key or ""))
        if known is None or key is None:
            return None
        first, body, made = known
        if self.now() - first > KEY_WINDOW:
            del self._keys[ask.operation, key]
            return None
        if body != ask.body:
            raise Refused(409, "key_mismatch", "the key came with another request before")
        thing = self._things[made]
        return self._shown_page(thing) if ask.operation in ("checkout", "setup") else self._shown(thing)

    def _checkout(self, key: str | None, asked: Object) -> Object:
        _above_zero(asked)
        return self._opened("checkout", "chk", key, asked)

    def _setup(self, key: str | None, asked: Object) -> Object:
        return self._opened("setup", "set", key, asked)

    def _opened(self, object: str, prefix: str, key: str | None, asked: Object) -> Object:
        id = self._new(prefix)
        page = {**asked, "object": object, "id": id, "key": key, "made": None, "closed": False}
        self._things[id] = page | {"url": f"{self.pages}/{id}", "created": self.now().isoformat()}
        self._happened(object, self._things[id])
        return self._shown_page(self._things[id])

    def _close(self, reference: str) -> Object:
        page = self._get(reference, "checkout", "payment")
        if page["object"] == "checkout" and page["made"] is None and not page["closed"]:
            page["closed"] = True
            self._event("checkout.closed", page)
        return self._shown(page)

    def _charge(self, key: str | None, asked: Object) -> Object:
        _above_zero(asked)
        method = self._get(asked["method"], "method")
        if method["state"] == "inactive":
            raise Refused(409, "state_conflict", "the method is inactive")
        if method["currency"] != asked["currency"] and method["kind"] != "card":
            raise Refused(400, "invalid_request", f"the method is for {method['currency']}")
        if method["kind"] == "card":
            payment = self._payment(key, asked, kind="card")
            if method["declines"] is None:
                self._collected(payment)
            else:
                self._things[payment["id"]] |= {
                    "state": "failed",
                    "waits": False,
                    "decline": {"code": method["declines"], "will_retry": False},
                }
                self._event("payment.failed", payment)
            return self._shown(payment)
        earliest = working_day(self.now().date(), NOTICE_DAYS)
        day = date.fromisoformat(asked["charge_on"]) if asked["charge_on"] else earliest
        if day < earliest:
            raise Refused(400, "invalid_request", f"{earliest} is the first day the bank can collect it")
        payment = self._payment(key, asked, kind=method["kind"])
        payment["expected_on"] = working_day(day).isoformat()
        self._event("payment.created", payment)
        return self._shown(payment)

    def _cancel(self, reference: str) -> Object:
        payment = self._get(reference, "payment")
        if payment["state"] != "cancelled":
            if not payment["waits"] or payment["collected"]:
                raise Refused(409, "state_conflict", "it is too late to cancel it")
            payment |= {"state": "cancelled", "waits": False}
            self._event("payment.cancelled", payment)
        return self._shown(payment)

    def _retry(self, reference: str) -> Object:
        payment = self._get(reference, "payment")
        bounced = payment["collected"] and self._kept(payment) < payment["amount"]
        if payment["kind"] == "card" or payment["waits"] or not (payment["state"] == "failed" or bounced):
            raise Refused(409, "state_conflict", "there is nothing to try again")
        day = working_day(self.now().date(), NOTICE_DAYS).isoformat()
        payment |= {"state": "pending", "waits": True, "decline": None, "expected_on": day}
        self._event("payment.retried", payment)
        return self._shown(payment)

    def _refund(self, key: str | None, asked: Object) -> Object:
        _above_zero(asked)
        payment = self._get(asked["payment"], "payment")
        before = sum(each["amount"] for each in payment["refunds"] if each["state"] != "failed")
        if asked["currency"] != payment["currency"]:
            raise Refused(400, "invalid_request", f"the payment is in {payment['currency']}")
        if asked["amount"] > self._kept(payment) - before:
            raise Refused(409, "state_conflict", "there is not so much left to give back")
        if asked["refunded_before"] != before:
            raise Refused(409, "state_conflict", "something else was refunded of it meanwhile")
        done = payment["kind"] == "card"
        refund = {
            "object": "refund",
            "id": self._new("ref"),
            "key": key,
            "payment": payment["id"],
            "amount": asked["amount"],
            "currency": payment["currency"],
            "state": "succeeded" if done else "pending",
            "reason": "",
            "created": self.now().isoformat(),
        }
        self._things[refund["id"]] = refund
        payment["refunds"].append(refund)
        self._happened("refund", refund)
        self._event(f"refund.{refund['state']}", refund)
        return refund

    def _found(self, asked: Object) -> Object | None:
        wanted = "payment" if asked["operation"] == "charge" else asked["operation"]
        for thing in self._things.values():
            within = asked["within"] in (None, thing.get("method"), thing.get("payment"))
            if (
                thing["object"] == wanted
                and thing["key"] == asked["key"]
                and thing["created"] >= asked["since"]
                and within
            ):
                return self._shown(thing)
        return None

    def _list(self, key: str | None, asked: Object) -> Object:
        rows = [
            self._shown(each)
            for each in self._things.values()
            if each["object"] == "payment" and asked["since"] <= each["created"] < asked["until"]
        ]
        return _paged(rows, asked["cursor"])

    def _missed(self, key: str | None, asked: Object) -> Object:
        return _paged([each for each in self.events if each["at"] >= asked["since"]], asked["cursor"])


def _above_zero(asked: Object) -> None:
    if type(asked["amount"]) is not int or asked["amount"] <= 0:
        raise Refused(400, "invalid_request", "the amount is not above zero")


def _paged(rows: Sequence[Object], cursor: str | None) -> Object:
    start = int(cursor or 0)
    more = str(start + _PAGE) if start + _PAGE < len(rows) else None
    return {"rows": list(rows[start : start + _PAGE]), "cursor": more}
