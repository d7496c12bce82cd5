"""A Stripe account: its objects in Stripe's own shape, its events, and what it keeps to itself."""

from __future__ import annotations

import copy
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from secrets import token_hex
from threading import RLock
from typing import Any, Final

import stripe

from invoicecore.testing.clock import FixedClock
from invoicecore.testing.gateway_bench import Delivery, EffectKind
from invoicecore_adapters.simulators.ledger import Deliveries, Event, Ledger
from invoicecore_adapters.simulators.stripe.amounts import money
from invoicecore_adapters.simulators.stripe.forms import blank
from invoicecore_adapters.simulators.stripe.refusals import missing, refused

Object = dict[str, Any]
"""One object of Stripe's, as it stands in an answer."""

KINDS: Final[dict[str, tuple[str, type[stripe.StripeObject]]]] = {
    "customer": ("cus", stripe.Customer),
    "checkout.session": ("cs_test", stripe.checkout.Session),
    "payment_intent": ("pi", stripe.PaymentIntent),
    "setup_intent": ("seti", stripe.SetupIntent),
    "payment_method": ("pm", stripe.PaymentMethod),
    "mandate": ("mandate", stripe.Mandate),
    "charge": ("ch", stripe.Charge),
    "refund": ("re", stripe.Refund),
    "dispute": ("du", stripe.Dispute),
    "balance_transaction": ("txn", stripe.BalanceTransaction),
    "event": ("evt", stripe.Event),
    "payout": ("po", stripe.Payout),
}
"""Stripe's name of a kind of object → what its ids begin with, and the SDK's class of it."""

_EVENTS_KEPT: Final = timedelta(days=30)
_DEEPEST: Final = 4


class Account:
    """Everything of one account. `lock` is held by whoever reads or changes it.

    `hidden` is what Stripe knows of an object and does not tell; `cause` is (request, key) of what is being done.
    """

    def __init__(self, clock: FixedClock, secrets: Sequence[str], api_version: str) -> None:
        self.lock = RLock()
        self.clock = clock
        self.secrets = tuple(secrets)
        self.api_version = api_version
        self.pages = ""
        self.objects: dict[str, Object] = {}
        self.hidden: dict[str, dict[str, Any]] = {}
        self.cause: tuple[str | None, str | None] = (None, None)
        self.ledger = Ledger(clock)
        self.deliveries = Deliveries(self._packed)
        self._numbers = count(1)
        self._salt = token_hex(4)
        self._pretending = False

    def time(self) -> int:
        """Now, in seconds."""
        return int(self.clock.now().timestamp())

    def id(self, prefix: str) -> str:
        """A new id; no two accounts have the same."""
        return f"{prefix}_{self._salt}{next(self._numbers):010d}"

    def add(self, kind: str, *, prefix: str | None = None, **values: object) -> Object:
        """A new object with every field its kind has."""
        usual, shape = KINDS[kind]
        made = blank(shape)
        made |= {"id": self.id(prefix or usual), "object": kind, "livemode": False, "created": self.time()}
        made |= {"metadata": {}} if "metadata" in made else {}
        made |= values
        unknown = set(made) - set(blank(shape)) - {"created", "livemode"}
        if unknown:
            raise ValueError(f"a {kind} has no {', '.join(sorted(unknown))}: correct the simulator")
        for extra in ("created", "livemode"):
            if extra not in blank(shape):
                del made[extra]
        self.objects[made["id"]] = made
        self.hidden[made["id"]] = {"made": self.time(), "key": self.cause[1]}
        return made

    def the(self, kind: str, id: str, *, param: str | None = None) -> Object:
        """An object by its id; Stripe's refusal when there is none of that kind."""
        found = self.objects.get(id)
        if found is None or found["object"] != kind:
            raise missing(kind, id, param=param)
        return found

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind, newest first; events only as long as Stripe keeps them."""
        oldest = int((self.clock.now() - _EVENTS_KEPT).timestamp()) if kind == "event" else 0
        return [
            one
            for one in reversed(self.objects.values())
            if one["object"] == kind and self.hidden[one["id"]]["made"] >= oldest
        ]

    def key_of(self, id: str | None) -> str | None:
        """The idempotency key an object was made under."""
        found: str | None = self.hidden.get(id or "", {}).get("key")
        return found

    def effect(self, kind: EffectKind, subject: Object, *, key: str | None, amount: int | None = None) -> None:
        """Write down that something really happened; `amount` is Stripe's, None for what has none."""
        if not self._pretending:
            worth = None if amount is None else money(amount, subject["currency"])
            self.ledger.add(kind, subject["id"], key=key, amount=worth)

    def happened(self, type: str, subject: Object) -> None:
        """An event about an object as it is now."""
        request, key = self.cause
        event = self.add(
            "event",
            type=type,
            api_version=self.api_version,
            data={"object": copy.deepcopy(subject)},
            pending_webhooks=1,
            request={"id": request, "idempotency_key": key},
        )
        if not self._pretending:
            self.deliveries.put(event)

    @contextmanager
    def pretending(self) -> Iterator[None]:
        """What is done in here was never done."""
        with self.lock:
            before = copy.deepcopy(self.objects), copy.deepcopy(self.hidden)
            self._pretending = True
            try:
                yield
            finally:
                self.objects, self.hidden = before
                self._pretending = False

    def signature(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> str:
        """The Stripe-Signature header of a body, made by Stripe's own code; one `v1` for each secret of the account."""
        timestamp = int((at or self.clock.now()).astimezone(UTC).timestamp())
        secrets = (secret,) if secret is not None else self.secrets
        return ",".join([f"t={timestamp}", *(f"v1={_signed(body, one, timestamp)}" for one in secrets)])

    def _packed(self, events: Sequence[Event]) -> Delivery:
        if len(events) != 1:
            raise ValueError("Stripe sends one event in each webhook: do not batch")
        body = json.dumps(events[0], indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": self.signature(body),
        }
        return Delivery(body=body, headers=headers)


def _signed(body: bytes, secret: str, timestamp: int) -> str:
    try:
        header: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp)
    except UnicodeDecodeError:  # Stripe sends no such body; somebody who means harm may
        return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()
    return header.rpartition("v1=")[2]


def listed(account: Account, kind: str, params: dict[str, Any], url: str, filters: Sequence[str] = ()) -> Object:
    """A page of a list: newest first, from `starting_after` or up to `ending_before`, filtered by fields and `created`."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise refused("This value must be between 1 and 100.", code="parameter_invalid_integer", param="limit")
    found = account.all(kind)
    for cursor in ("starting_after", "ending_before"):
        if cursor in params and params[cursor] not in {one["id"] for one in found}:
            raise missing(kind, params[cursor], param=cursor)
    if "starting_after" in params:
        found = found[[one["id"] for one in found].index(params["starting_after"]) + 1 :]
    if "ending_before" in params:
        found = found[: [one["id"] for one in found].index(params["ending_before"])]
    found = [
        one
        for one in found
        if _within(one, params.get("created"))
        and all(one[name] == params[name] for name in filters if name in params)
        and ("types" not in params or one["type"] in params["types"])
    ]
    page = found[-limit:] if "ending_before" in params else found[:limit]
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": page}


def _within(one: Object, created: int | dict[str, int] | None) -> bool:
    at = one["created"]
    match created:
        case None:
            return True
        case int():
            return bool(at == created)
        case _:
            return all(
                {"gt": at > than, "gte": at >= than, "lt": at < than, "lte": at <= than}[name]
                for name, than in created.items()
            )


def expanded(account: Account, one: Object, paths: Sequence[str]) -> Object:
    """A copy in which the ids at `paths` ("latest_charge.balance_transaction", "data.charge") are objects."""
    whole = copy.deepcopy(one)
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST + (steps[0] == "data"):
            raise refused("You cannot expand more than 4 levels of a property", param="expand")
        _expand(account, whole, steps, path)
    return whole


def _expand(account: Account, at: Object, steps: Sequence[str], path: str) -> None:
    if not steps:
        return
    first, *rest = steps
    if first == "refunds" and at["object"] == "charge":
        refunds = listed(account, "refund", {"limit": 100}, f"/v1/charges/{at['id']}/refunds")
        refunds["data"] = copy.deepcopy([one for one in refunds["data"] if one["charge"] == at["id"]])
        at["refunds"] = refunds
    value = at.get(first, "")
    if isinstance(value, str) and value in account.objects:
        value = at[first] = copy.deepcopy(account.objects[value])
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and "object" in one:
            _expand(account, one, rest, path)
        elif one is not None:
            raise refused(f"This property cannot be expanded ({path}).", param="expand")
