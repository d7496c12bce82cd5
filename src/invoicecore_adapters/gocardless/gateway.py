"""The gateway to GoCardless: Direct Debit mandates and the debits on them, and payments by bank on a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from invoicecore.errors import (
    ConfigurationProblem,
    GatewayError,
    InvalidRequest,
    KeyMismatch,
    NotSupported,
    ObjectNotFound,
    OutcomeUnknown,
    StateConflict,
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
from invoicecore_adapters.gocardless.faults import after_effect, told
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
from invoicecore_adapters.gocardless.settings import Environment, Settings
from invoicecore_adapters.gocardless.wire import Wire

_KEY: Final = re.compile(r"[!-~]{1,64}")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DESCRIPTION: Final = 100
_SKEW: Final = timedelta(minutes=10)
"""How far our clock may be ahead of theirs when something is looked for that was just made."""


class GoCardlessGateway:
    """A PaymentGateway over GoCardless's API; safe to share between threads, and without any global state.

    Each request is tried once and over after `timeout` seconds, whatever comes back and however slowly; an operation
    makes at most six, but for what lists. Nothing sleeps.
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

        `webhook_secrets` are all those that may sign a webhook, the old one too while they change; without any, every
        webhook is refused. `base_url` replaces the environment's address. `creditor` ("CR…") is needed where the
        account has several. Raises InvalidValue naming the field, never showing a secret.
        """
        self._settings = Settings.of(
            access_token=access_token,
            webhook_secrets=webhook_secrets,
            environment=environment,
            base_url=base_url,
            creditor=creditor,
            timeout=timeout,
            connect_timeout=connect_timeout,
        )
        wire = Wire(
            self._settings.base_url,
            access_token,
            timeout=timeout,
            connect_timeout=connect_timeout,
            here=self._settings.here,
        )
        self._account = Account(wire)

    def __repr__(self) -> str:
        return f"GoCardlessGateway({self._settings.environment!r}, {self._settings.base_url!r})"

    @property
    def info(self) -> GatewayInfo:
        """See PaymentGateway.info."""
        return INFO

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._settings.access_token, *self._settings.webhook_secrets)

    # --- pages --------------------------------------------------------------------------------------------------------

    @told("checkout")
    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """See PaymentGateway.checkout: a payment by bank, in pounds or euros.

        The same key gives the same billing request and a new page for it. A page is open for seven days; close it with
        `expire` when it is to end before.
        """
        amount = _amount(wanted.amount, Capability.CHECKOUT, "checkout")
        request = {
            "payment_request": {
                "amount": minor(amount),
                "currency": amount.currency.code,
                "description": _described(wanted.description, wanted.reference),
                "metadata": _metadata(key, "checkout"),
            },
            **self._for_creditor(key, "checkout"),
        }
        made, _ = self._account.create(self._account.billing_requests, request, key, "checkout")
        asked = inner(made, "payment_request")
        _agree("checkout", made, key, money(asked) == amount)
        return self._page("checkout", made, wanted.success_url, wanted.cancel_url, wanted.locale, wanted.email)

    @told("expire")
    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.expire: the billing request is cancelled, and every page of it with it."""
        if not _is_page(reference):
            return self._payment(reference)
        try:
            self._account.act(self._account.billing_requests.cancel, _known(reference, "expire"), _checked(key, "expire"))
        except Exception as error:
            return self._happened("expire", error, reference, lambda now: now.status is not PayStatus.OPEN)
        return self._afterwards("expire", reference)

    @told("setup")
    def setup(self, wanted: Setup, key: str) -> HostedPage:
        """See PaymentGateway.setup: a mandate of the currency's scheme, or of the one that is asked for."""
        if wanted.kind is not PaymentMethod.DIRECT_DEBIT:
            raise NotSupported(NAME, "setup", f"a method of the kind {wanted.kind.value} cannot be saved")
        scheme = wanted.scheme or scheme_for(wanted.currency)
        if not any(scheme == spec.scheme and Capability.SETUP in spec.can and wanted.currency in spec.currencies for spec in INFO.methods):
            raise InvalidRequest(NAME, "setup", f"no scheme collects {wanted.currency} by this name")
        request = {
            "mandate_request": {
                "scheme": scheme,
                "currency": wanted.currency,
                "metadata": _metadata(key, "setup"),
            },
            **self._for_creditor(key, "setup"),
        }
        made, _ = self._account.create(self._account.billing_requests, request, key, "setup")
        asked = inner(made, "mandate_request")
        _agree("setup", made, key, (asked.get("scheme"), asked.get("currency")) == (scheme, wanted.currency))
        return self._page("setup", made, wanted.return_url, wanted.cancel_url, wanted.locale, wanted.email, wanted.name)

    def _for_creditor(self, key: str, operation: str) -> dict[str, object]:
        creditor = self._settings.creditor
        links = {"links": {"creditor": creditor}} if creditor else {}
        return {"metadata": _metadata(key, operation), **links}

    def _page(
        self, operation: str, made: Raw, success: str, cancel: str, locale: str, email: str | None, name: str = ""
    ) -> HostedPage:
        """A new page for a billing request; the payer may change who they are on it."""
        if made.get("status") in ("fulfilled", "cancelled"):
            raise StateConflict(NAME, operation, f"what the key made is {made['status']} already")
        given, _, family = name.strip().rpartition(" ")
        person = {"email": email, "given_name": given, "family_name": family} if given else {"email": email}
        language = locale[:2].lower()
        flow = {
            "redirect_uri": success,
            "exit_uri": cancel,
            "links": {"billing_request": text(made, "id")},
            "prefilled_customer": {field: value for field, value in person.items() if value},
            "language": language if language in LANGUAGES else "",
        }
        try:
            page = self._account.flow({field: value for field, value in flow.items() if value})
            url = text(page, "authorisation_url")
            if not (url.startswith("https://") or (self._settings.here and url.startswith("http://127.0.0.1"))):
                raise Unreadable("a page that is not encrypted")
            return HostedPage(url=url, reference=text(made, "id"), expires_at=instant(page.get("expires_at")))
        except Exception as error:
            raise after_effect(error, operation, self._secrets) from None

    # --- methods ------------------------------------------------------------------------------------------------------

    @told("method")
    def method(self, reference: str) -> MethodSnapshot:
        """See PaymentGateway.method: a mandate by its name or by its billing request's.

        `next_charge_on` changes with time and with the mandate: read it just before a charge.
        """
        return self._method(_known(reference, "method"))

    @told("revoke")
    def revoke(self, reference: str, key: str) -> MethodSnapshot:
        """See PaymentGateway.revoke: the mandate is cancelled, and every debit on it that was not sent yet."""
        _checked(key, "revoke")
        before = self._method(_known(reference, "revoke"))
        service = self._account.billing_requests if _is_page(before.reference) else self._account.mandates
        if before.state is MethodState.INACTIVE:
            return before
        try:
            self._account.act(service.cancel, before.reference, key)
        except Exception as error:
            return self._given_up(error, reference)
        try:
            return self._method(before.reference)
        except Exception as error:
            raise after_effect(error, "revoke", self._secrets) from None

    def _method(self, reference: str) -> MethodSnapshot:
        if not _is_page(reference):
            return self._mandate(reference)
        request = self._request(reference)
        made = snapshots.made_of(request, "mandate")
        if made is None:
            return snapshots.page_mandate(request)
        return snapshots.with_key(self._mandate(made), key_of(request))

    def _mandate(self, reference: str) -> MethodSnapshot:
        raw = self._account.read(self._account.mandates, reference)
        account = link(raw, "customer_bank_account")
        ending = ""
        try:
            if account is not None:
                found = self._account.read(self._account.bank_accounts, account).get("account_number_ending")
                ending = found if isinstance(found, str) and found.isalnum() and len(found) <= 4 else ""
        except Exception as error:
            if not isinstance(translate(error, "method"), ConfigurationProblem | ObjectNotFound):
                raise  # the account's number is for show: without the right to read it, there is none
        return snapshots.mandate(raw, ending)
