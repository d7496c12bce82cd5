"""The gateway to Pennypay: what it can do, and the port's verbs as requests.

Pennypay has one object per payment, an order: a page until it is paid. It speaks JSON, counts in minor units, compares
what comes under a key it knows, and gives back our key in the `metadata` of whatever was made.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn
from urllib.parse import quote, urlencode

from invoicecore.clock import SystemClock
from invoicecore.errors import InvalidRequest, InvalidValue, NotSupported, WebhookRejected
from invoicecore.money import Money, minor, positive
from invoicecore.payments import PaymentMethod
from invoicecore.ports import (
    Capability,
    Checkout,
    Clock,
    GatewayInfo,
    HostedPage,
    Lookup,
    MethodSpec,
    Notice,
    Operation,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
)
from invoicecore_pennypay.answers import notice, of, page, payment, payments, refund
from invoicecore_pennypay.wire import NAME, Json, Wire

LIVE: Final = "https://api.pennypay.example"

SIGNATURE: Final = "pennypay-signature"
"""A webhook's header: the second it was signed, a dot, and the HMAC-SHA256 of that second, a dot and the body."""

TOLERANCE: Final = 300
"""Seconds that a webhook may be old."""

CARDS: Final = MethodSpec(
    kind=PaymentMethod.CARD,
    scheme="card",
    currencies=frozenset({"EUR", "GBP", "JPY", "USD"}),
    can=frozenset(map(Capability, "checkout expire refund partial_refund lookup webhooks listing".split())),
    reversible_for=timedelta(days=120),
)
INFO: Final = GatewayInfo(
    name=NAME,
    methods=(CARDS,),
    key_window=timedelta(days=1),
    lookup=Lookup.PROVES_ABSENCE,
    provider_api_version="1",
    signed_timestamp=True,
)


def unclaimed(operation: str) -> Callable[..., NoReturn]:
    """A verb that INFO does not claim: it is refused without any request."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotSupported(NAME, operation, "Pennypay has nothing of the kind")

    return refuse


class PennypayGateway:
    """A PaymentGateway: cards, on Pennypay's own page. It keeps nothing between calls, besides its settings.

    `timeout` is for each whole answer, in seconds; each of `webhook_secrets` is good. Raises InvalidValue as Wire does.
    """

    def __init__(
        self,
        api_key: str,
        webhook_secrets: Sequence[str] = (),
        *,
        api: str = LIVE,
        timeout: float = 20.0,
        clock: Clock | None = None,
    ) -> None:
        self._wire = Wire(api, api_key, timeout)
        if isinstance(webhook_secrets, str):
            raise InvalidValue("webhook_secrets", "…", "is one text", "give a list of them")
        self._secrets = [secret.encode() for secret in webhook_secrets if secret]  # with an empty one anybody signs
        self._clock = clock or SystemClock()

    @property
    def info(self) -> GatewayInfo:
        return INFO

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        texts = {name: getattr(wanted, name) for name in ("reference", "description", "locale", "email")}
        urls = {"success_url": wanted.success_url, "cancel_url": wanted.cancel_url}
        asked = {**amount("checkout", wanted.amount), **texts, **urls, "expires_at": instant(wanted.expires_at)}
        return self._wire.post("checkout", "/orders", key, asked, page)

    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        return self._wire.post("expire", f"/orders/{quote(reference, safe='')}/close", key, {}, of(reference, payment))

    def payment(self, reference: str) -> PaymentSnapshot:
        return self._wire.get("payment", f"/orders/{quote(reference, safe='')}", of(reference, payment))

    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        asked = {**amount("refund", wanted.amount), "order": wanted.payment}
        return self._wire.post("refund", "/refunds", key, asked, refund)

    def refund_of(self, reference: str) -> RefundSnapshot:
        return self._wire.get("refund_of", f"/refunds/{quote(reference, safe='')}", of(reference, refund))

    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | None:
        # Pennypay finds by the whole key, at once and for ever, so `since` and `within` have nothing to narrow.
        query = urlencode({"key": key})
        if operation is Operation.CHECKOUT:
            return self._wire.get("find", f"/orders?{query}", lambda told: next(map(payment, told["rows"]), None))
        if operation is Operation.REFUND:
            return self._wire.get("find", f"/refunds?{query}", lambda told: next(map(refund, told["rows"]), None))
        return None

    def payments(self, since: datetime, until: datetime) -> Iterator[PaymentSnapshot]:
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode({"since": instant(since), "until": instant(until), "cursor": cursor})
            rows, cursor = self._wire.get("payments", f"/orders?{query}", payments)
            yield from rows

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        if not (header := headers.get(SIGNATURE)):
            raise WebhookRejected(NAME, "missing")
        at, _, given = str(header).encode(errors="replace").partition(b".")
        signed = [hmac.new(secret, at + b"." + body, "sha256").hexdigest().encode() for secret in self._secrets]
        matches = [hmac.compare_digest(given, each) for each in signed]  # all, so that the time it takes tells nothing
        if not any(matches):
            raise WebhookRejected(NAME, "bad")
        try:
            told, age = notice(json.loads(body)), self._clock.now().timestamp() - int(at)
        except Exception:  # whatever it is, it is none of Pennypay's events
            raise WebhookRejected(NAME, "malformed") from None
        if abs(age) > TOLERANCE:
            raise WebhookRejected(NAME, "stale")
        return [told]

    def close(self) -> None:
        """Nothing is kept open."""

    setup = unclaimed("setup")
    method = unclaimed("method")
    revoke = unclaimed("revoke")
    charge = unclaimed("charge")
    cancel = unclaimed("cancel")
    retry = unclaimed("retry")
    missed = unclaimed("missed")


def amount(operation: str, wanted: Money) -> Json:
    """Money as Pennypay takes it; InvalidRequest for what is none, before any request."""
    try:
        exact = positive(wanted)
    except InvalidValue as error:
        raise InvalidRequest(NAME, operation, f"the amount {error.reason}") from None
    code = exact.currency.code
    if code not in CARDS.currencies:
        raise InvalidRequest(NAME, operation, f"{code} is none of its currencies")
    return {"amount": minor(exact), "currency": code}


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
