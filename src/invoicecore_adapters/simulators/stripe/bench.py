"""The bench for gateways to Stripe: its payers, banks and network do what the test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from invoicecore.errors import InvalidValue
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.ports import PaymentGateway
from invoicecore.testing.clock import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Effect, Exchange, Fault
from invoicecore_adapters.simulators.stripe import checkout, payments, reversals
from invoicecore_adapters.simulators.stripe.account import Object
from invoicecore_adapters.simulators.stripe.cards import DEBITS
from invoicecore_adapters.simulators.stripe.simulator import StripeSimulator

_DECLINES: Final = {
    "insufficient_funds": "insufficient_funds",
    "generic_decline": "declined",
    "lost_card": "lost_or_stolen",
    "expired_card": "expired",
    "incorrect_cvc": "incorrect_details",
    "card_velocity_exceeded": "limit_exceeded",
    "processing_error": "processing_error",
    "authentication_required": "authentication_required",
    "waddled_away": "unspecified",
}


@attrs.frozen(kw_only=True)
class StripeAccess:
    """What a gateway needs to reach the simulator; `clock` is the simulator's, `timeout` is in seconds."""

    base_url: str
    api_key: str = attrs.field(repr=False)
    webhook_secrets: tuple[str, ...] = attrs.field(repr=False)
    timeout: float
    clock: FixedClock


class StripeBench:
    """A GatewayBench over a Stripe of its own; `make` gives the gateway that is tested."""

    def __init__(self, make: Callable[[StripeAccess], PaymentGateway], *, at: datetime | None = None) -> None:
        self._make = make
        self._api_key = "sk_test_51Simulated0Key0That0Nobody0May0See"
        self._webhook_secret = "whsec_Simulated0Secret0That0Nobody0May0See"
        self._gateways: list[PaymentGateway] = []
        self.simulator = StripeSimulator(api_key=self._api_key, secrets=(self._webhook_secret,), at=at).start()
        self._account = self.simulator.account

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret the gateway is configured with."""
        return (self._api_key, self._webhook_secret)

    @property
    def return_urls(self) -> tuple[str, str]:
        """(success, cancel)."""
        return ("https://rent.example.org/paid", "https://rent.example.org/left")

    def gateway(self, *, webhook_secrets: Sequence[str] | None = None) -> PaymentGateway:
        """A new gateway."""
        made = self._make(
            StripeAccess(
                base_url=self.simulator.server.url,
                api_key=self._api_key,
                webhook_secrets=(self._webhook_secret,) if webhook_secrets is None else tuple(webhook_secrets),
                timeout=2.0,
                clock=self._account.clock,
            )
        )
        self._gateways.append(made)
        return made

    def now(self) -> datetime:
        """The simulator's time."""
        return self._account.clock.now()

    def move(self, seconds: float) -> None:
        """Let time pass: pages expire."""
        with self._account.lock:
            self._account.clock.advance(timedelta(seconds=seconds))
            checkout.lapse(self._account)

    def pay(self, url: str, *, decline: str | None = None) -> None:
        """Pay on a page: with a card where it takes one, else from a bank account. A closed page takes nothing."""
        with self._account.lock:
            checkout.lapse(self._account)
            checkout.complete(self._account, self._session(url), decline=decline)

    def pay_by_debit(self, url: str) -> None:
        """Pay on a page from a bank account, though it takes cards too: `collect` or `fail` decides. Stripe's own."""
        with self._account.lock:
            checkout.complete(self._account, self._session(url), debit=True)

    def challenge(self, url: str) -> None:
        """Begin to pay on a page, and stop where the bank asks for a confirmation. Stripe's own."""
        with self._account.lock:
            checkout.challenge(self._account, self._session(url))

    def save(self, url: str) -> None:
        """Save a good method on a page."""
        self.pay(url)

    def leave(self, url: str) -> None:
        """Open a page and go away."""
        self._session(url)

    def saved(self, kind: PaymentMethod, currency: str, *, decline: str | None = None) -> tuple[str, str | None]:
        """(payment method, customer), saved by a set-up that names its mandate, if it has one.

        A bank account's payment with `decline` fails when it is collected.
        """
        types = {PaymentMethod.CARD: "card", PaymentMethod.DIRECT_DEBIT: DEBITS.get(currency.lower())}
        type = types.get(kind)
        if type is None:
            raise InvalidValue("kind", kind, f"cannot be saved in {currency}", "use a card, or a bank debit's currency")
        with self._account.lock:
            customer = self._account.add("customer", name="Jenny Rosen", email="jenny@example.org")
            method = payments.make_method(self._account, type, decline=decline)
            checkout.succeed(self._account, checkout.make_setup(self._account, [type]), method, customer["id"])
        return method["id"], customer["id"]

    def collect(self, reference: str) -> None:
        """A bank debit's money arrives."""
        with self._account.lock:
            payments.settle(self._account, self._intent(reference), None)

    def fail(self, reference: str, code: str) -> None:
        """A bank debit fails."""
        with self._account.lock:
            payments.settle(self._account, self._intent(reference), code)

    def pay_out(self, reference: str) -> None:
        """A payment's money becomes available and is paid out: its balance transaction says so."""
        with self._account.lock:
            charge = self._account.objects[self._intent(reference)["latest_charge"]]
            balance = self._account.objects[charge["balance_transaction"]]
            balance["status"] = "available"
            payout = self._account.add(
                "payout",
                amount=balance["net"],
                currency=balance["currency"],
                arrival_date=self._account.time(),
                automatic=True,
                method="standard",
                reconciliation_status="completed",
                source_type="card",
                status="paid",
                type="bank_account",
            )
            self._account.happened("payout.paid", payout)

    def reverse(self, reference: str, kind: ReversalKind) -> None:
        """A dispute that takes the money; the bank's late refusal of a debit is one that is lost from the start."""
        with self._account.lock:
            late = kind is ReversalKind.LATE_FAILURE
            reversals.dispute(
                self._account,
                self._intent(reference),
                status="lost" if late else "needs_response",
                reason="insufficient_funds" if late else "fraudulent",
            )

    def undo_reversal(self, reference: str) -> None:
        """The last dispute is won."""
        with self._account.lock:
            intent = self._intent(reference)
            last = next(one for one in self._account.all("dispute") if one["payment_intent"] == intent["id"])
            reversals.change_dispute(self._account, last, "won")

    def inquire(self, reference: str) -> str:
        """The payer's bank asks about a payment, which moves no money; the dispute's id. Stripe's own."""
        with self._account.lock:
            made = reversals.dispute(self._account, self._intent(reference), status="warning_needs_response")
        return str(made["id"])

    def change_dispute(self, id: str, status: str) -> None:
        """A dispute or an inquiry goes on, to any of Stripe's statuses. Stripe's own."""
        with self._account.lock:
            reversals.change_dispute(self._account, self._account.the("dispute", id), status)

    def settle_refund(self, reference: str, *, failed: bool = False) -> None:
        """A refund goes through, or fails."""
        with self._account.lock:
            reversals.settle_refund(self._account, self._account.the("refund", reference), failed=failed)

    def revoke(self, method: str) -> None:
        """A card is taken from its customer; a bank account's mandate becomes inactive."""
        with self._account.lock:
            mandate = self._account.hidden[method]["mandate"]
            if mandate is None:
                payments.detach(self._account, self._account.objects[method])
                return
            self._account.objects[mandate]["status"] = "inactive"
            self._account.happened("mandate.updated", self._account.objects[mandate])

    def declines(self) -> Mapping[str, str]:
        """Stripe's decline codes → ours."""
        return dict(_DECLINES)

    def effects(self) -> Sequence[Effect]:
        """The ledger."""
        return self._account.ledger.effects()

    def exchanges(self) -> Sequence[Exchange]:
        """Every request."""
        return self.simulator.server.exchanges()

    def fault(self, operation: str, fault: Fault, *, times: int = 1) -> None:
        """Have the next requests of an operation go wrong; REFUSE holds for all until `clear_faults()`."""
        self.simulator.server.fault(operation, fault, times=times)

    def clear_faults(self) -> None:
        """Have everything work again."""
        self.simulator.server.clear_faults()

    def deliveries(self) -> Sequence[Delivery]:
        """The webhooks sent since this was last asked."""
        return self._account.deliveries.take()

    def sign(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> Mapping[str, str]:
        """Headers that sign a body."""
        return {"Stripe-Signature": self._account.signature(body, secret=secret, at=at)}

    def close(self) -> None:
        """Close the gateways and the server."""
        for gateway in self._gateways:
            gateway.close()
        self.simulator.close()

    def _session(self, url: str) -> Object:
        return self._account.the("checkout.session", url.rpartition("/")[2])

    def _intent(self, reference: str) -> Object:
        if reference.startswith("cs_"):
            reference = self._account.the("checkout.session", reference)["payment_intent"] or ""
        return self._account.the("payment_intent", reference)
