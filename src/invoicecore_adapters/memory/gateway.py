"""A payment gateway in memory (`memory://`): for demos and for hosts' tests, with nothing to install or to sign up for.

It is written like any other gateway, over requests and answers in JSON, so it also shows how one is written. What its
payers and banks do is said to its `provider`, or to the gateway itself, which passes it on:

    gateway = MemoryGateway(clock=clock)
    body, headers = gateway.pay(url)     # the payer pays; the webhook the provider sends
    gateway.collect(reference)           # a debit's money arrives; fail(), reverse(), revoke() and more are as short
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from invoicecore.errors import InvalidRequest, NotSent, NotSupported, OutcomeUnknown, WebhookRejected
from invoicecore.money import minor
from invoicecore.payments import PaymentMethod
from invoicecore.ports import (
    Capability,
    Charge,
    Checkout,
    Clock,
    GatewayInfo,
    HostedPage,
    Lookup,
    MethodSnapshot,
    MethodSpec,
    Notice,
    NoticePage,
    Operation,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    Setup,
)
from invoicecore_adapters.memory.answering import KEY_WINDOW
from invoicecore_adapters.memory.held import SIGNATURE, Ask, Object, signed
from invoicecore_adapters.memory.provider import MemoryProvider
from invoicecore_adapters.memory.reading import (
    NAME,
    amount_of,
    found_of,
    from_page,
    in_minor,
    in_utc,
    method_of,
    notice_of,
    page_of,
    payment_of,
    read,
    refund_of,
    to_page,
)

_TOLERANCE: Final = timedelta(minutes=5)
_LONGEST: Final = 1_000_000  # bytes of a webhook

_BY_BANK: Final = frozenset({Capability.CHARGE_DATE, Capability.CANCEL, Capability.RETRY})
_ON_PAGE: Final = frozenset({Capability.CHECKOUT, Capability.EXPIRE})

INFO: Final = GatewayInfo(
    name=NAME,
    methods=(
        MethodSpec(
            kind=PaymentMethod.CARD,
            scheme="card",
            currencies=frozenset("AUD CAD CHF CZK DKK EUR GBP ISK JPY KWD MXN NOK NZD PLN SEK TND USD".split()),
            can=frozenset(Capability) - _BY_BANK,
            reversible_for=timedelta(days=120),
        ),
        MethodSpec(
            kind=PaymentMethod.DIRECT_DEBIT,
            scheme="bank_debit",
            currencies=frozenset("AUD CAD DKK EUR GBP NZD SEK USD".split()),
            can=frozenset(Capability) - _ON_PAGE,
            synchronous=False,
        ),
    ),
    key_window=KEY_WINDOW,
    lookup=Lookup.PROVES_ABSENCE,
    signed_timestamp=True,
    most_events=250,
)
"""What the memory gateway declares: cards, and debits that arrive when `collect` says so."""

_NEEDS: Final = {
    "checkout": Capability.CHECKOUT,
    "expire": Capability.EXPIRE,
    "setup": Capability.SETUP,
    "revoke": Capability.REVOKE,
    "charge": Capability.CHARGE,
    "cancel": Capability.CANCEL,
    "retry": Capability.RETRY,
    "refund": Capability.REFUND,
    "refund_of": Capability.REFUND,
    "find": Capability.LOOKUP,
    "payments": Capability.LISTING,
    "missed": Capability.BACKFILL,
    "notices": Capability.WEBHOOKS,
}


class MemoryGateway:
    """A PaymentGateway that moves no money; gateways given the same `provider` see the same payments.

    Without one it has a provider of its own, whose pages are at `pages` and whose time is `clock`'s. Every secret of
    `webhook_secrets` is accepted, the provider's own if none are given.
    """

    def __init__(
        self,
        pages: str = "https://checkout.example",
        *,
        clock: Clock | None = None,
        provider: MemoryProvider | None = None,
        webhook_secrets: Sequence[str] | None = None,
    ) -> None:
        self.provider = provider or MemoryProvider(pages, clock=clock)
        self._secrets = (self.provider.webhook_secret,) if webhook_secrets is None else tuple(webhook_secrets)
        self.pay = self.provider.pay
        self.save = self.provider.save
        self.saved = self.provider.saved
        self.collect = self.provider.collect
        self.fail = self.provider.fail
        self.pay_out = self.provider.pay_out
        self.reverse = self.provider.reverse
        self.undo_reversal = self.provider.undo_reversal
        self.settle_refund = self.provider.settle_refund
        self.give_up = self.provider.revoke
        self.webhooks = self.provider.webhooks

    def __repr__(self) -> str:
        return f"MemoryGateway({self.provider.pages!r})"

    @property
    def info(self) -> GatewayInfo:
        """See PaymentGateway.info."""
        return INFO

    @property
    def checkouts(self) -> dict[str, Checkout]:
        """What was asked of every checkout's page, by its reference, in order."""
        return {str(page["id"]): from_page(page) for page in self.provider.held("checkout")}

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """See PaymentGateway.checkout."""
        amount = amount_of("checkout", wanted)
        self._takes("checkout", None, amount.currency.code)
        return page_of(self._ask("checkout", key, **to_page(wanted, amount)))

    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.expire."""
        return payment_of(self._ask("expire", key, reference=reference))

    def setup(self, wanted: Setup, key: str) -> HostedPage:
        """See PaymentGateway.setup."""
        self._takes("setup", wanted.kind, wanted.currency)
        return page_of(
            self._ask("setup", key, kind=wanted.kind.value, currency=wanted.currency, back=wanted.return_url)
        )

    def method(self, reference: str) -> MethodSnapshot:
        """See PaymentGateway.method."""
        return method_of(self._ask("method", reference=reference))

    def revoke(self, reference: str, key: str) -> MethodSnapshot:
        """See PaymentGateway.revoke."""
        return method_of(self._ask("revoke", key, reference=reference))

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        amount = amount_of("charge", wanted)
        self._takes("charge", None, amount.currency.code)
        day = None if wanted.charge_on is None else wanted.charge_on.isoformat()
        asked = {"method": wanted.method, "charge_on": day, "reference": wanted.reference}
        return payment_of(self._ask("charge", key, **in_minor(amount), **asked))

    def cancel(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.cancel."""
        return payment_of(self._ask("cancel", key, reference=reference))

    def retry(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.retry."""
        return payment_of(self._ask("retry", key, reference=reference))

    def payment(self, reference: str) -> PaymentSnapshot:
        """See PaymentGateway.payment."""
        return payment_of(self._ask("payment", reference=reference))

    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        """See PaymentGateway.refund."""
        amount = amount_of("refund", wanted)
        self._takes("refund", None, amount.currency.code)
        asked = {"payment": wanted.payment, "refunded_before": minor(wanted.refunded_before)}
        return refund_of(self._ask("refund", key, **in_minor(amount), **asked))

    def refund_of(self, reference: str) -> RefundSnapshot:
        """See PaymentGateway.refund_of."""
        return refund_of(self._ask("refund_of", reference=reference))

    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """See PaymentGateway.find."""
        asked = {"operation": operation.value, "key": key, "since": in_utc(since), "within": within}
        found = self._ask("find", **asked)["found"]
        return None if found is None else found_of(found)

    def payments(self, since: datetime, until: datetime) -> Iterator[PaymentSnapshot]:
        """See PaymentGateway.payments."""
        asked = {"since": in_utc(since), "until": in_utc(until)}
        cursor, more = None, True
        while more:
            page = self._ask("payments", **asked, cursor=cursor)
            yield from map(payment_of, page["rows"])
            cursor = page["cursor"]
            more = cursor is not None

    def missed(self, since: datetime, cursor: str | None = None) -> NoticePage:
        """See PaymentGateway.missed."""
        page = self._ask("missed", since=in_utc(since), cursor=cursor)
        return NoticePage(notices=tuple(filter(None, map(notice_of, page["rows"]))), cursor=page["cursor"])

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        self._claims("notices")
        self._verify(body, headers.get(SIGNATURE))
        try:
            events = json.loads(body)["events"]
            if not isinstance(events, list):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            raise WebhookRejected(NAME, "malformed") from None
        return tuple(notice for event in events if (notice := notice_of(event)) is not None)

    def close(self) -> None:
        """See PaymentGateway.close; there is nothing to end."""

    def _verify(self, body: bytes, header: object) -> None:
        if not header:
            raise WebhookRejected(NAME, "missing")
        if len(body) > _LONGEST:
            raise WebhookRejected(NAME, "malformed")
        given = dict(part.partition("=")[::2] for part in str(header).split(","))
        try:
            at = datetime.fromtimestamp(int(given["t"]), UTC)
        except (KeyError, ValueError, OverflowError, OSError):
            raise WebhookRejected(NAME, "bad") from None
        told = str(header).encode("utf-8", "replace")
        # All are compared, so that how long it takes says nothing.
        matches = [
            hmac.compare_digest(told, signed(body, each, at)[SIGNATURE].encode()) for each in self._secrets if each
        ]
        if not any(matches):
            raise WebhookRejected(NAME, "bad")
        if abs(self.provider.now() - at) > _TOLERANCE:
            raise WebhookRejected(NAME, "stale")

    def _can(self, operation: str, kind: PaymentMethod | None = None, currency: str | None = None) -> bool:
        return operation not in _NEEDS or self.info.can(_NEEDS[operation], kind=kind, currency=currency)

    def _claims(self, operation: str, kind: PaymentMethod | None = None) -> None:
        if not self._can(operation, kind):
            raise NotSupported(NAME, operation, f"no {kind or 'method'} of it can {_NEEDS[operation]}")

    def _takes(self, operation: str, kind: PaymentMethod | None, currency: str) -> None:
        self._claims(operation, kind)
        if not self._can(operation, kind, currency):
            raise InvalidRequest(NAME, operation, f"{currency} is none of its currencies")

    def _ask(self, operation: str, key: str | None = None, /, **asked: object) -> Object:
        self._claims(operation)
        headers = {"authorization": f"Bearer {self.provider.api_key}", "user-agent": "invoicecore/memory"}
        if key is not None:
            headers["idempotency-key"] = key
        ask = Ask(operation=operation, headers=headers, body=json.dumps(asked, sort_keys=True).encode())
        try:
            answer = self.provider.answer(ask)
        except ConnectionRefusedError:
            raise NotSent(NAME, operation, "the provider cannot be reached") from None
        except OSError:
            raise OutcomeUnknown(NAME, operation, "no answer came") from None
        return read(operation, answer)


def open_gateway(url: str) -> MemoryGateway:
    """The gateway of `memory://`, or of `memory://host:port/path` whose pages are there, by http."""
    parts = urlsplit(url)
    return MemoryGateway(f"http://{parts.netloc}{parts.path}") if parts.netloc else MemoryGateway()
