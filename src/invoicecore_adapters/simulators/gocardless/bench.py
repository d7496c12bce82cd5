"""A GatewayBench for gateways to GoCardless: payers, banks and time, on the simulated provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

import attrs

from invoicecore.collection import DeclineCode
from invoicecore.errors import InvalidValue
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.ports import PaymentGateway
from invoicecore.testing.gateway_bench import Delivery, Effect, Exchange, Fault
from invoicecore_adapters.simulators.gocardless import collecting, flow_pages, mandates, payments, payouts, refunds
from invoicecore_adapters.simulators.gocardless.account import CREDITOR, one
from invoicecore_adapters.simulators.gocardless.days import scheme_for
from invoicecore_adapters.simulators.gocardless.records import BankAccount, Customer, Mandate, Payment
from invoicecore_adapters.simulators.gocardless.simulator import GoCardless
from invoicecore_adapters.simulators.server import LoopbackServer

_TOKEN: Final = "sandbox_kX9-bench-token-7f3a1c"
_SECRET: Final = "bench-webhook-secret-51e0b2"

_DECLINES: Final[Mapping[str, str]] = {
    "authorisation_disputed": DeclineCode.DISPUTED,
    "bank_account_closed": DeclineCode.ACCOUNT_CLOSED,
    "bank_declined_payment": DeclineCode.DECLINED,
    "daily_payment_limit_reached": DeclineCode.LIMIT_EXCEEDED,
    "insufficient_funds": DeclineCode.INSUFFICIENT_FUNDS,
    "invalid_bank_details": DeclineCode.INCORRECT_DETAILS,
    "mandate_cancelled": DeclineCode.MANDATE_CANCELLED,
    "other": DeclineCode.UNSPECIFIED,
    "payment_stopped": DeclineCode.PAYER_REFUSED,
    "refer_to_payer": DeclineCode.INSUFFICIENT_FUNDS,
    "struck_by_lightning": DeclineCode.UNSPECIFIED,  # which nobody knows
}


@attrs.frozen(kw_only=True)
class GoCardlessAccess:
    """What a gateway needs to reach the simulated provider; `timeout` in seconds."""

    base_url: str
    access_token: str = attrs.field(repr=False)
    webhook_secrets: tuple[str, ...] = attrs.field(repr=False)
    timeout: float = 2.0


class GoCardlessBench:
    """See GatewayBench. `make` opens the gateway under test.

    The creation of a flow, which asks for the page of a billing request that is there, is the operation "flow".
    Debits wait until `collect` or `fail`; an instant payment is decided when the page is answered.
    """

    def __init__(self, make: Callable[[GoCardlessAccess], PaymentGateway]) -> None:
        self._make = make
        self.provider = GoCardless(access_token=_TOKEN, webhook_secret=_SECRET)
        self.server = LoopbackServer(self.provider).start()
        self.provider.pages = self.server.url

    @property
    def secrets(self) -> tuple[str, ...]:
        """See GatewayBench."""
        return (_TOKEN, _SECRET)

    @property
    def return_urls(self) -> tuple[str, str]:
        """See GatewayBench."""
        return (f"{self.server.url}{flow_pages.RETURNS}success", f"{self.server.url}{flow_pages.RETURNS}cancel")

    def gateway(self, *, webhook_secrets: Sequence[str] | None = None) -> PaymentGateway:
        """See GatewayBench."""
        secrets = (_SECRET,) if webhook_secrets is None else tuple(webhook_secrets)
        return self._make(GoCardlessAccess(base_url=self.server.url, access_token=_TOKEN, webhook_secrets=secrets))

    def now(self) -> datetime:
        """See GatewayBench."""
        return self.provider.clock.now()

    def move(self, seconds: float) -> None:
        """See GatewayBench."""
        self.provider.move(seconds)

    def pay(self, url: str, *, decline: str | None = None) -> None:
        """See GatewayBench; on a page that is over nothing happens."""
        _press(url, "accept" if decline is None else f"decline:{decline}")

    def save(self, url: str) -> None:
        """See GatewayBench."""
        _press(url, "accept")

    def leave(self, url: str) -> None:
        """See GatewayBench."""
        _press(url, "exit")

    def saved(self, kind: PaymentMethod, currency: str, *, decline: str | None = None) -> tuple[str, str | None]:
        """See GatewayBench; an active mandate, made without us. What is declined fails when it is collected."""
        scheme = scheme_for(currency)
        if kind is not PaymentMethod.DIRECT_DEBIT or scheme is None:
            raise InvalidValue("kind", kind, "is not saved here", "ask for a direct debit in a currency of a scheme")
        with self.provider.lock:
            account = self.provider.account
            customer = Customer(
                id=account.new_id("CU"),
                created_at=account.now(),
                details={"given_name": "Ada", "family_name": "King", "email": "ada@example.com"},
            )
            bank_account = BankAccount(
                id=account.new_id("BA"),
                created_at=account.now(),
                customer=customer.id,
                holder="ADA KING",
                ending="11",
                country="GB" if currency == "GBP" else "FR",
                currency=currency,
            )
            mandate = Mandate(
                id=account.new_id("MD"),
                created_at=account.now(),
                creditor=CREDITOR,
                customer=customer.id,
                bank_account=bank_account.id,
                scheme=scheme.name,
                currency=currency,
                reference="SAVED-1",
                status="active",
                decline=decline,
            )
            account.customers[customer.id] = customer
            account.bank_accounts[bank_account.id] = bank_account
            account.mandates[mandate.id] = mandate
        return mandate.id, customer.id

    def collect(self, reference: str) -> None:
        """See GatewayBench."""
        with self.provider.lock:
            collecting.collect(self.provider.account, self._payment(reference))

    def fail(self, reference: str, code: str) -> None:
        """See GatewayBench."""
        with self.provider.lock:
            collecting.fail(self.provider.account, self._payment(reference), code)

    def pay_out(self, reference: str) -> None:
        """See GatewayBench."""
        with self.provider.lock:
            payouts.pay_out(self.provider.account, self._payment(reference))

    def reverse(self, reference: str, kind: ReversalKind) -> None:
        """See GatewayBench."""
        with self.provider.lock:
            account, payment = self.provider.account, self._payment(reference)
            if kind is ReversalKind.CHARGEBACK:
                payments.charge_back(account, payment)
            elif kind is ReversalKind.LATE_FAILURE:
                collecting.fail(account, payment, "refer_to_payer")
            else:
                raise InvalidValue("kind", kind, "is nothing a bank does", "ask for a late failure or a charge-back")

    def undo_reversal(self, reference: str) -> None:
        """See GatewayBench; only a charge-back can be."""
        with self.provider.lock:
            payments.cancel_chargeback(self.provider.account, self._payment(reference))

    def settle_refund(self, reference: str, *, failed: bool = False) -> None:
        """See GatewayBench."""
        with self.provider.lock:
            act = refunds.bounce if failed else refunds.pay
            act(self.provider.account, one(self.provider.account.refunds, reference))

    def revoke(self, method: str) -> None:
        """See GatewayBench."""
        with self.provider.lock:
            account = self.provider.account
            mandate = one(account.mandates, method)
            mandates.end(account, mandate, "cancelled", "mandate_cancelled", reason_code="ADDACS-1")

    def replace(self, method: str) -> str:
        """Have GoCardless put a new mandate in a mandate's place; the new one's name."""
        with self.provider.lock:
            account = self.provider.account
            return mandates.replace(account, one(account.mandates, method)).id

    def declines(self) -> Mapping[str, str]:
        """See GatewayBench: causes of `failed` events."""
        return _DECLINES

    def effects(self) -> Sequence[Effect]:
        """See GatewayBench."""
        return self.provider.ledger.effects()

    def exchanges(self) -> Sequence[Exchange]:
        """See GatewayBench."""
        return self.server.exchanges()

    def fault(self, operation: str, fault: Fault, *, times: int = 1) -> None:
        """See GatewayBench."""
        self.server.fault(operation, fault, times=times)

    def clear_faults(self) -> None:
        """See GatewayBench."""
        self.server.clear_faults()

    def deliveries(self) -> Sequence[Delivery]:
        """See GatewayBench."""
        with self.provider.lock:
            return self.provider.deliveries.take()

    def sign(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> Mapping[str, str]:
        """See GatewayBench; GoCardless signs no time, so `at` changes nothing."""
        return self.provider.sign(body, secret)

    def close(self) -> None:
        """See GatewayBench."""
        self.server.close()

    def _payment(self, reference: str) -> Payment:
        """A payment by its own name, or by that of the billing request it came from."""
        request = self.provider.account.billing_requests.get(reference)
        return one(self.provider.account.payments, reference if request is None else request.payment or "")


class _Stay(HTTPRedirectHandler):
    """A payer who stays: where the page sends them is the host's, and need not be there."""

    def redirect_request(self, *_: object) -> None:
        return None


def _press(url: str, answer: str) -> None:
    """Open a page and press a button; a page that is over has none."""
    opener = build_opener(ProxyHandler({}), _Stay())
    try:
        opener.open(url, timeout=10).close()
        opener.open(url, data=urlencode({"answer": answer}).encode(), timeout=10).close()
    except HTTPError as answered:
        answered.close()
        if answered.code not in (302, 303, 410):
            raise
