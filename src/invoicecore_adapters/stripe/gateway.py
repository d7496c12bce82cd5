"""The gateway: each operation of the port as requests to the provider, every one through one door for its faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from invoicecore.clock import SystemClock
from invoicecore.collection import MethodState
from invoicecore.errors import (
    InvalidValue,
    InvoicecoreError,
    KeyMismatch,
    MissingExtra,
    NotSupported,
    StateConflict,
    WebhookRejected,
)
from invoicecore.money import Money
from invoicecore.ports import (
    Charge,
    Checkout,
    Clock,
    GatewayInfo,
    HostedPage,
    MethodSnapshot,
    Notice,
    NoticePage,
    Operation,
    PaymentSnapshot,
    PayStatus,
    RefundRequest,
    RefundSnapshot,
    Setup,
)

try:
    import requests  # noqa: F401 - what the SDK is made to speak through
    import stripe
except ImportError as error:
    raise MissingExtra("Stripe", "stripe") from error

from invoicecore_adapters.stripe import asking, snapshots, webhooks
from invoicecore_adapters.stripe.declared import API_VERSION, INFO
from invoicecore_adapters.stripe.faults import afterwards, bare, body_of, translate
from invoicecore_adapters.stripe.objects import ROWS, Objects, missing
from invoicecore_adapters.stripe.reading import (
    NAME,
    Json,
    Unreadable,
    instant,
    is_id,
    key_of,
    listed,
    needed,
    part,
    text,
)
from invoicecore_adapters.stripe.settings import address_of, check_secret, check_unprinted, is_here
from invoicecore_adapters.stripe.wire import Wire

if TYPE_CHECKING:
    from stripe.params import EventListParams

_SKEW: Final = timedelta(minutes=10)
"""How far the provider's clock may be from ours when something is looked for by its time."""


class StripeGateway:
    """A PaymentGateway on Stripe's API, for one account. Nothing is retried in here: `billing.recover()` does it.

    Threads may share it. It sends to `base_url` and follows no redirect; it keeps nothing between two calls, and a forked process may go on with it.
    """

    def __init__(
        self,
        api_key: str,
        *,
        webhook_secrets: Sequence[str] = (),
        base_url: str | None = None,
        connect_timeout: float = 3.0,
        timeout: float = 20.0,
        clock: Clock | None = None,
    ) -> None:
        """Speak for the account of `api_key`; nothing is connected yet.

        `webhook_secrets` are those of its endpoint, several while one replaces another; without any, webhooks are
        refused. `base_url` is https, or http on this machine. `timeout` is in seconds and holds from
        a request's start to the end of its answer; on this machine no proxy is used.
        `clock` tells the age of a webhook and how long a page may last. Raises InvalidValue naming the field, never
        showing a secret.
        """
        check_unprinted()
        check_secret("api_key", api_key)
        if api_key.startswith("pk_"):
            raise InvalidValue("api_key", "…", "is a publishable key", "give the secret key, sk_… or rk_…")
        if isinstance(webhook_secrets, str) or not isinstance(webhook_secrets, Sequence):
            raise InvalidValue("webhook_secrets", "…", "is not a sequence of texts", "write ('whsec_…',)")
        for secret in webhook_secrets:
            check_secret("webhook_secrets", secret)
        for field, seconds in (("connect_timeout", connect_timeout), ("timeout", timeout)):
            if type(seconds) not in (int, float) or not 0 < seconds <= 600:
                raise InvalidValue(field, seconds, "is out of range", "give seconds, more than 0 and up to 600")
        self._webhook_secrets = tuple(webhook_secrets)
        self._base_url = stripe.DEFAULT_API_BASE if base_url is None else address_of(base_url)
        self._clock = clock or SystemClock()
        self._wire = Wire(float(connect_timeout), float(timeout), here=is_here(self._base_url))
        client = self._client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": self._base_url},
            max_network_retries=0,
            http_client=self._wire,
        )
        self._objects = Objects(client)

    def __repr__(self) -> str:
        return f"StripeGateway({self._base_url!r}, webhook_secrets={len(self._webhook_secrets)})"

    @property
    def info(self) -> GatewayInfo:
        """See PaymentGateway.info."""
        return INFO

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """See PaymentGateway.checkout: a hosted Checkout page; InvalidRequest for one of more than 24 hours."""

        def ask() -> HostedPage:
            params = asking.checkout_params(wanted, key, self._clock.now())
            page = self._client.v1.checkout.sessions.create(params, {"idempotency_key": key}).to_dict()
            _same("checkout", key, page, snapshots.page_alone(page).amount, wanted.amount)
            return _hosted(page)

        return translate("checkout", ask)

    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.expire."""

        def ask() -> PaymentSnapshot:
            page = reference
            if is_id(reference, "pi"):
                page = needed(self._objects.page_of(reference) or _none("expire", "the payment has no page"), "id")
            elif not is_id(reference, "cs"):
                raise missing("expire")
            try:
                self._client.v1.checkout.sessions.expire(page, {}, {"idempotency_key": key})
            except stripe.InvalidRequestError:
                found = self._objects.payment(page)
                if found.status is PayStatus.OPEN:
                    raise
                return found
            return afterwards("expire", lambda: self._objects.payment(page))

        return translate("expire", ask)

    def setup(self, wanted: Setup, key: str) -> HostedPage:
        """See PaymentGateway.setup: a hosted Checkout page for a customer that is made for it, under a key of its own."""

        def ask() -> HostedPage:
            asking.setup_type(wanted)  # refuses before the customer is made
            customer = self._client.v1.customers.create(
                asking.customer_params(wanted, key), {"idempotency_key": f"{key}-customer"}
            )
            params = asking.setup_params(wanted, key, needed(customer.to_dict(), "id"))
            page = self._client.v1.checkout.sessions.create(params, {"idempotency_key": key}).to_dict()
            _same("setup", key, page)
            return _hosted(page)

        return translate("setup", ask)

    def method(self, reference: str) -> MethodSnapshot:
        """See PaymentGateway.method; takes the name of a method, of its page or of its set-up intent."""
        return translate("method", lambda: self._objects.method(reference))

    def revoke(self, reference: str, key: str) -> MethodSnapshot:
        """See PaymentGateway.revoke: the method is detached, the page of one that is being set up is closed."""

        def ask() -> MethodSnapshot:
            if not is_id(reference):
                raise missing("revoke")
            try:
                if is_id(reference, "cs"):
                    self._client.v1.checkout.sessions.expire(reference, {}, {"idempotency_key": key})
                else:
                    self._client.v1.payment_methods.detach(reference, {}, {"idempotency_key": key})
            except stripe.InvalidRequestError:
                found = self._objects.method(reference)
                if found.state is not MethodState.INACTIVE:
                    raise
                return found
            return afterwards("revoke", lambda: self._objects.method(reference))

        return translate("revoke", ask)

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge: off session; what needs the payer is FAILED with AUTHENTICATION_REQUIRED."""

        def ask() -> PaymentSnapshot:
            params = asking.charge_params(wanted, key)
            try:
                made = self._client.v1.payment_intents.create(params, {"idempotency_key": key})
                intent: Json = made.to_dict()
                again = _replayed(made)
            except stripe.CardError as error:
                intent, again = part(body_of(error), "payment_intent"), _has_replayed(error.headers)
                if not intent:
                    raise
            except stripe.InvalidRequestError as error:
                if text(body_of(error), "type") == "invalid_request_error" and self._given_up(wanted.method):
                    raise StateConflict(NAME, "charge", "the method was given up") from None
                raise
            # What is replayed is the answer of that time; what became of it is asked for.
            told = afterwards(
                "charge", lambda: self._objects.payment(needed(intent, "id")) if again else snapshots.payment(intent)
            )
            _same("charge", key, intent, told.amount, wanted.amount)
            return told

        return translate("charge", ask)

    def _given_up(self, method: str) -> bool:
        """Whether that is why a charge was refused: the provider has no code for it."""
        try:
            return self._objects.method(method).state is MethodState.INACTIVE
        except Exception:  # then what was refused is told as it was
            return False

    def cancel(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.cancel."""

        def ask() -> PaymentSnapshot:
            if not is_id(reference, "pi"):
                raise missing("cancel")
            try:
                self._client.v1.payment_intents.cancel(reference, {}, {"idempotency_key": key})
            except stripe.InvalidRequestError:
                found = self._objects.payment(reference)
                if found.status is not PayStatus.CANCELLED:
                    raise
                return found
            return afterwards("cancel", lambda: self._objects.payment(reference))

        return translate("cancel", ask)

    def retry(self, reference: str, key: str) -> PaymentSnapshot:
        """Not claimed: the provider does not try a payment again by itself; charge again under a new key."""
        raise NotSupported(NAME, "retry", "a failed payment is not tried again under its name")

    def payment(self, reference: str) -> PaymentSnapshot:
        """See PaymentGateway.payment."""
        return translate("payment", lambda: self._objects.payment(reference))

    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        """See PaymentGateway.refund; `refunded_before` is not asked for by this provider."""

        def ask() -> RefundSnapshot:
            params = asking.refund_params(wanted, key)
            if not is_id(wanted.payment, "pi"):
                raise missing("refund")
            made = self._client.v1.refunds.create(params, {"idempotency_key": key})
            of = made.to_dict()
            again = _replayed(made)
            told = afterwards(
                "refund", lambda: self._objects.refund(needed(of, "id")) if again else snapshots.refund(of)
            )
            _same("refund", key, of, told.amount, wanted.amount)
            return told

        return translate("refund", ask)

    def refund_of(self, reference: str) -> RefundSnapshot:
        """See PaymentGateway.refund_of."""
        return translate("refund_of", lambda: self._objects.refund(reference))

    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """See PaymentGateway.find: in the provider's lists, which are newer than its search."""
        created = int((since - _SKEW).timestamp())

        def ask() -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
            match operation:
                case Operation.CHARGE:
                    found = _keyed(self._objects.intents(since=created, owner=self._objects.owner_of(within)), key)
                    return None if found is None else self._objects.payment(needed(found, "id"))
                case Operation.REFUND:
                    found = _keyed(self._objects.refunds(since=created, of=within), key)
                    return None if found is None else snapshots.refund(found)
                case Operation.CHECKOUT:
                    found = _keyed(self._objects.pages(since=created), key)
                    return None if found is None else self._objects.payment(needed(found, "id"))
                case Operation.SETUP:
                    found = _keyed(self._objects.pages(since=created), key)
                    return None if found is None else self._objects.method(needed(found, "id"))

        return translate("find", ask)

    def payments(self, since: datetime, until: datetime) -> Iterator[PaymentSnapshot]:
        """See PaymentGateway.payments; of what others made, what cannot be read is left out."""
        intents = self._objects.intents(since=int(since.timestamp()), until=ceil(until.timestamp()))
        # Not a loop over the intents: an error leaves through this frame, and is not to show one.
        read = map(self._objects.told_if_readable, intents)
        within = (each for each in read if each is not None and since <= each.created_at < until)
        while (told := translate("payments", lambda: next(within, None))) is not None:
            yield told

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        try:
            return webhooks.notices(body, headers, self._webhook_secrets, self._clock.now())
        except WebhookRejected as error:
            rejected = error
        raise bare(rejected)

    def missed(self, since: datetime, cursor: str | None = None) -> NoticePage:
        """See PaymentGateway.missed: of the last 30 days. Pages go backwards in time, each is oldest first."""

        def ask() -> NoticePage:
            params: EventListParams = {"created": {"gte": int(since.timestamp())}, "limit": ROWS}
            if cursor is not None:
                params["starting_after"] = cursor
            page = self._client.v1.events.list(params).to_dict()
            events = listed(page)
            told = []
            for event in reversed(events):
                with suppress(Unreadable, InvoicecoreError):  # one that cannot be read does not lose the others
                    told.append(webhooks.notice(event))
            names = [name for each in events if is_id(name := text(each, "id"))] if page.get("has_more") else []
            return NoticePage(
                notices=tuple(each for each in told if each is not None), cursor=str(names[-1]) if names else None
            )

        return translate("missed", ask)

    def close(self) -> None:
        """See PaymentGateway.close; a later call connects again."""
        self._wire.close()


def _keyed(objects: Iterator[Json], key: str) -> Json | None:
    return next((each for each in objects if key_of(each) == key), None)


def _same(operation: str, key: str, made: Json, amount: Money | None = None, wanted: Money | None = None) -> None:
    if key_of(made) != key or amount != wanted:
        raise KeyMismatch(NAME, operation, "what was made under the key is of another amount, or of another key")


def _hosted(page: Json) -> HostedPage:
    expires_at = instant(page, "expires_at") if type(page.get("expires_at")) is int else None
    return HostedPage(url=needed(page, "url"), reference=needed(page, "id"), expires_at=expires_at)


def _replayed(made: stripe.StripeObject) -> bool:
    answer = made.last_response
    return answer is not None and _has_replayed(answer.headers)


def _has_replayed(headers: Mapping[str, str] | None) -> bool:
    return any(name.lower() == "idempotent-replayed" and value == "true" for name, value in (headers or {}).items())


def _none(operation: str, why: str) -> Json:
    raise StateConflict(NAME, operation, why)
