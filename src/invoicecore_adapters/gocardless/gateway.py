"""The gateway to GoCardless: Direct Debit mandates and the debits on them, and payments by bank on a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from invoicecore.collection import MethodState
from invoicecore.errors import (
    InvalidRequest,
    InvalidValue,
    KeyMismatch,
    NotSupported,
    ObjectNotFound,
    StateConflict,
    WebhookRejected,
)
from invoicecore.money import Money, exact, minor, positive
from invoicecore.payments import PaymentMethod
from invoicecore.ports import (
    Capability,
    Charge,
    Checkout,
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
from invoicecore_adapters.gocardless import snapshots, webhooks
from invoicecore_adapters.gocardless.account import Account
from invoicecore_adapters.gocardless.books import Books, Past, is_page
from invoicecore_adapters.gocardless.faults import told, translate
from invoicecore_adapters.gocardless.reading import (
    METADATA_KEY,
    Raw,
    Unreadable,
    inner,
    instant,
    key_of,
    link,
    money,
    text,
)
from invoicecore_adapters.gocardless.schemes import INFO, LANGUAGES, NAME, scheme_for
from invoicecore_adapters.gocardless.settings import Environment, checked
from invoicecore_adapters.gocardless.wire import Answered, Wire

_KEY: Final = re.compile(r"[!-~]{1,64}")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_DESCRIPTION: Final = 100

_EVER: Final = datetime(2011, 1, 1, tzinfo=UTC)  # before there was anything


class GoCardlessGateway:
    """A PaymentGateway over GoCardless's API; safe to share between threads, and without any global state.

    Each request is tried once and is over after `timeout` seconds, whatever comes back and however slowly; an operation
    makes a few of them. Nothing sleeps.
    """

    def __init__(
        self,
        *,
        access_token: str,
        webhook_secrets: Sequence[str] = (),
        environment: Environment = "live",
        base_url: str | None = None,
        creditor: str | None = None,
        timeout: float = 20.0,
        connect_timeout: float = 5.0,
    ) -> None:
        """Nothing is connected yet.

        `webhook_secrets` are all that may sign a webhook, the old one too while they change; without any, every
        webhook is refused. `base_url` replaces the environment's address. `creditor` ("CR…") is needed where the
        account has several. Raises InvalidValue naming the field, and never shows what it was.
        """
        self._settings = checked(
            access_token=access_token,
            webhook_secrets=webhook_secrets,
            environment=environment,
            base_url=base_url,
            creditor=creditor,
            timeout=timeout,
            connect_timeout=connect_timeout,
        )
        settings = self._settings
        wire = Wire(
            settings.base_url,
            settings.access_token,
            timeout=settings.timeout,
            connect_timeout=settings.connect_timeout,
            here=settings.here,
        )
        self._account = Account(wire, (settings.access_token, *settings.webhook_secrets))
        self._books = Books(self._account)

    def __repr__(self) -> str:
        return f"GoCardlessGateway(environment={self._settings.environment!r}, base_url={self._settings.base_url!r})"

    @property
    def info(self) -> GatewayInfo:
        """See PaymentGateway.info."""
        return INFO

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._account.secrets

    # --- pages --------------------------------------------------------------------------------------------------------

    @told("checkout")
    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """See PaymentGateway.checkout: a payment by bank, in pounds or euros.

        The same key gives the same billing request, and a new page for it. A page is open for seven days: close it
        with `expire` when it is to end before.
        """
        amount = _amount(wanted.amount, Capability.CHECKOUT, "checkout")
        asked = {
            "amount": minor(amount),
            "currency": amount.currency.code,
            "description": _described(wanted.description or wanted.reference),
            "metadata": _metadata(key, "checkout"),
        }
        made = self._requested("checkout", {"payment_request": asked}, key)
        _agree("checkout", made, key, money(inner(made, "payment_request")) == amount)
        return self._page("checkout", made, (wanted.success_url, wanted.cancel_url), wanted.locale, wanted.email)

    @told("expire")
    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.expire: the billing request is cancelled, and every page of it with it."""
        read = partial(self._books.payment, _known(reference, "expire"))
        if not is_page(reference):
            return read()
        cancel = self._account.billing_requests.cancel
        closed = {PayStatus.CANCELLED, PayStatus.PENDING, PayStatus.SUCCEEDED, PayStatus.FAILED}
        return self._account.act(
            "expire", cancel, reference, _checked(key, "expire"), read, lambda now: now.status in closed
        )

    @told("setup")
    def setup(self, wanted: Setup, key: str) -> HostedPage:
        """See PaymentGateway.setup: a mandate of the currency's scheme, or of the one that is asked for."""
        if wanted.kind is not PaymentMethod.DIRECT_DEBIT:
            raise NotSupported(NAME, "setup", f"a method of the kind {wanted.kind.value} cannot be saved")
        scheme = wanted.scheme or scheme_for(wanted.currency)
        if not any(
            Capability.SETUP in spec.can and spec.scheme == scheme and wanted.currency in spec.currencies
            for spec in INFO.methods
        ):
            raise InvalidRequest(NAME, "setup", "no scheme of that name collects that currency")
        asked = {"scheme": scheme, "currency": wanted.currency, "metadata": _metadata(key, "setup")}
        made = self._requested("setup", {"mandate_request": asked}, key)
        there = inner(made, "mandate_request")
        _agree("setup", made, key, (there.get("scheme"), there.get("currency")) == (scheme, wanted.currency))
        return self._page(
            "setup", made, (wanted.return_url, wanted.cancel_url), wanted.locale, wanted.email, wanted.name
        )

    def _requested(self, operation: str, asked: Mapping[str, object], key: str) -> Raw:
        creditor = self._settings.creditor
        links = {"links": {"creditor": creditor}} if creditor else {}
        params = {**asked, **links, "metadata": _metadata(key, operation)}
        made, _ = self._account.create(self._account.billing_requests, params, key, operation)
        return made

    def _page(
        self, operation: str, made: Raw, back: tuple[str, str], locale: str, email: str | None, name: str = ""
    ) -> HostedPage:
        """A new page for a billing request, filled with what is known of the payer, who may change it."""
        if made.get("status") in ("fulfilled", "cancelled"):
            raise StateConflict(NAME, operation, f"what the key made is {made['status']} already")
        given, _, family = name.strip().rpartition(" ")
        payer = {"email": email, **({"given_name": given, "family_name": family} if given else {})}
        language = locale[:2].lower()
        flow = {
            "redirect_uri": back[0],
            "exit_uri": back[1],
            "links": {"billing_request": text(made, "id")},
            "prefilled_customer": {field: value for field, value in payer.items() if value},
            "language": language if language in LANGUAGES else None,
        }
        page = self._account.page_for({field: value for field, value in flow.items() if value}, operation)
        url = text(page, "authorisation_url")
        if not url.startswith("https://") and not (self._settings.here and url.startswith("http://127.0.0.1:")):
            raise Unreadable("a page that is not encrypted")
        return HostedPage(url=url, reference=text(made, "id"), expires_at=instant(page.get("expires_at")))

    # --- methods ------------------------------------------------------------------------------------------------------

    @told("method")
    def method(self, reference: str) -> MethodSnapshot:
        """See PaymentGateway.method: a mandate by its own name or by its billing request's."""
        return self._books.method(_known(reference, "method"))

    @told("revoke")
    def revoke(self, reference: str, key: str) -> MethodSnapshot:
        """See PaymentGateway.revoke: the mandate is cancelled, and every debit on it that was not sent yet."""
        _checked(key, "revoke")
        account, name = self._account, self._books.method(_known(reference, "revoke")).reference
        service = account.billing_requests if is_page(name) else account.mandates
        gone = MethodState.INACTIVE
        return account.act(
            "revoke", service.cancel, name, key, partial(self._books.method, name), lambda now: now.state is gone
        )

    # --- payments -----------------------------------------------------------------------------------------------------

    @told("charge")
    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge: PENDING at first. InvalidRequest for a day before the mandate's first possible one.

        A payment's reference is left out: what it may be depends on the scheme and the account's plan.
        """
        amount = _amount(wanted.amount, Capability.CHARGE, "charge")
        mandate = _known(wanted.method, "charge")
        params = {
            "amount": minor(amount),
            "currency": amount.currency.code,
            "description": _described(wanted.description or wanted.reference),
            "links": {"mandate": mandate},
            "metadata": _metadata(key, "charge"),
            **({"charge_date": wanted.charge_on.isoformat()} if wanted.charge_on else {}),
        }
        try:
            made, again = self._account.create(self._account.payments, params, key, "charge")
        except Answered as refusal:
            before = self._before(refusal, Operation.CHARGE, key, mandate)
            if isinstance(before, PaymentSnapshot) and before.amount == amount:
                return before
            raise _other("charge") from None
        _agree("charge", made, key, money(made) == amount and link(made, "mandate") == mandate)
        snapshot = snapshots.payment(made)
        if snapshot.status is PayStatus.PENDING and not again:
            return snapshot
        return self._account.after(partial(self._books.payment, snapshot.reference), "charge")

    @told("cancel")
    def cancel(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.cancel: possible until the payment is sent to the banks."""
        name = self._paid("cancel", reference)
        return self._account.act(
            "cancel",
            self._account.payments.cancel,
            name,
            _checked(key, "cancel"),
            partial(self._books.payment, name),
            lambda now: now.status is PayStatus.CANCELLED,
        )

    @told("retry")
    def retry(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.retry: possible three times for a payment, while its mandate is active."""
        name = self._paid("retry", reference)
        return self._account.act(
            "retry",
            self._account.payments.retry,
            name,
            _checked(key, "retry"),
            partial(self._books.payment, name),
            lambda now: now.status is PayStatus.PENDING,
            when_too_late=False,  # a payment that is on its way cannot be retried, and that is no success
        )

    @told("payment")
    def payment(self, reference: str) -> PaymentSnapshot:
        """See PaymentGateway.payment."""
        return self._books.payment(_known(reference, "payment"))

    def _paid(self, operation: str, reference: str) -> str:
        name = self._books.paid_by(_known(reference, operation))
        if name is None:
            raise StateConflict(NAME, operation, "nobody has paid on this page yet")
        return name

    def _before(
        self, refusal: Answered, operation: Operation, key: str, within: str
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot:
        """What the key made before, though its creation is refused now; raises the refusal when it made nothing.

        Whether a used key is noticed before what is asked for is judged is written nowhere: the refunds of a payment
        may have grown by this very one.
        """
        fault = translate(refusal, operation.value, self._account.secrets)
        if not isinstance(fault, (StateConflict, InvalidRequest)):
            raise refusal
        look = partial(self._books.find, operation, key, _EVER, within)
        found = self._account.after(look, operation.value)
        if found is None:
            raise refusal
        return found

    # --- refunds ------------------------------------------------------------------------------------------------------

    @told("refund")
    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        """See PaymentGateway.refund: GoCardless refuses when `refunded_before` is not what it holds."""
        amount = _amount(wanted.amount, Capability.REFUND, "refund")
        try:
            before = exact(wanted.refunded_before, "refunded_before", currency=amount.currency.code)
        except InvalidValue as error:
            raise InvalidRequest(NAME, "refund", error.reason) from None
        metadata = _metadata(key, "refund")
        payment = self._paid("refund", wanted.payment)
        params = {
            "amount": minor(amount),
            "total_amount_confirmation": minor(before) + minor(amount),
            "links": {"payment": payment},
            "metadata": metadata,
        }
        try:
            made, _ = self._account.create(self._account.refunds, params, key, "refund")
        except Answered as refusal:
            there = self._before(refusal, Operation.REFUND, key, payment)
            if isinstance(there, RefundSnapshot) and there.amount == amount:
                return there
            raise _other("refund") from None
        _agree("refund", made, key, money(made) == amount and link(made, "payment") == payment)
        return snapshots.refund(made)

    @told("refund_of")
    def refund_of(self, reference: str) -> RefundSnapshot:
        """See PaymentGateway.refund_of."""
        return self._books.refund(_known(reference, "refund_of"))

    # --- looking ------------------------------------------------------------------------------------------------------

    @told("find")
    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """See PaymentGateway.find; without `within`, a list of everything since then is gone through."""
        return self._books.find(operation, key, since, within)

    def payments(self, since: datetime, until: datetime) -> Iterator[PaymentSnapshot]:
        """See PaymentGateway.payments; the newest first."""
        past = self._past(since)
        after: str | None = None
        while True:
            found, following = self._listed(since, until, after, past)
            yield from found
            if following is None or following == after:
                return
            after = following

    @told("payments")
    def _past(self, since: datetime) -> Past:
        return self._books.past(since)

    @told("payments")
    def _listed(
        self, since: datetime, until: datetime, after: str | None, past: Past
    ) -> tuple[list[PaymentSnapshot], str | None]:
        return self._books.payments(since, until, after, past)

    # --- events -------------------------------------------------------------------------------------------------------

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices; nothing but WebhookRejected leaves."""
        settings = self._settings
        try:
            said = webhooks.verified(body, headers, settings.webhook_secrets)
            return webhooks.notices(said, live=settings.environment == "live")
        except WebhookRejected as rejection:
            reason = rejection.reason
        except Exception:  # whatever a stranger's body can break: it is refused, never half read
            reason = "malformed"
        # Another one, from here: the frames of the first hold the secrets, and reporters of errors show frames.
        raise WebhookRejected(NAME, reason)

    @told("missed")
    def missed(self, since: datetime, cursor: str | None = None) -> NoticePage:
        """See PaymentGateway.missed: the newest page first, each in order; GoCardless tells of 18 months."""
        return self._books.missed(since, cursor, live=self._settings.environment == "live")

    def close(self) -> None:
        """See PaymentGateway.close; no connection outlives its request."""


def _metadata(key: str, operation: str) -> dict[str, str]:
    return {METADATA_KEY: _checked(key, operation)}


def _checked(key: object, operation: str) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidRequest(NAME, operation, "the key is not 1 to 64 printable ASCII characters")
    return key


def _known(reference: object, operation: str) -> str:
    """A name that GoCardless can have given; ObjectNotFound without asking for any other."""
    if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
        raise ObjectNotFound(NAME, operation, "GoCardless gives no such names")
    return reference


def _amount(amount: object, capability: Capability, operation: str) -> Money:
    """Money that a method with this capability takes; InvalidRequest before any request."""
    try:
        wanted = positive(amount)
    except InvalidValue as error:
        raise InvalidRequest(NAME, operation, f"the amount {error.reason}") from None
    if not INFO.can(capability, currency=wanted.currency.code):
        raise InvalidRequest(NAME, operation, f"{wanted.currency.code} is not a currency it takes for this")
    return wanted


def _described(words: str) -> str:
    return words[:_LONGEST_DESCRIPTION]


def _other(operation: str) -> KeyMismatch:
    return KeyMismatch(NAME, operation, "the key has made something else before")


def _agree(operation: str, made: Raw, key: str, same: bool) -> None:
    """What the key has made is what is asked for now, or the key is no good for it."""
    if not same or key_of(made) != key:
        raise KeyMismatch(NAME, operation, "what was made under the key is not what is asked for")
