"""Receiving: a gateway's webhook is verified, and the money it tells of recorded, once (D6, N3)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from invoicecore.billing.collecting import Collecting
from invoicecore.billing.desk import Desk, one
from invoicecore.billing.issuing import move_credit
from invoicecore.credits import CreditKind
from invoicecore.errors import Conflict, InvoicecoreError, KeyReused, NotAllowed, NotFound, PluginError, StoreError
from invoicecore.invoices import Invoice
from invoicecore.money import positive
from invoicecore.payments import Payment, PaymentMethod
from invoicecore.ports import Notice


@attrs.frozen(kw_only=True)
class Received:
    """What became of one event: `recorded`, or `refused` with `why`. `payment` is the id of what was recorded.

    `why` also says so when all of it became the customer's credit, because the invoice asked for nothing any more.
    """

    event: str
    state: str
    invoice: str
    payment: str | None = None
    why: str = ""


class Receiving:
    """One call of `Billing.receive`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def receive(self, name: str, body: bytes, headers: Mapping[str, str]) -> tuple[Received, ...]:
        """Verify, then record each event's money; NotFound for another gateway's name, BadSignature."""
        gateway = self._desk.wiring.gateway
        if gateway.name != name:
            raise NotFound("gateway", name)
        lower = {header.lower(): value for header, value in headers.items()}
        return tuple(self._record(name, notice) for notice in gateway.notices(body, lower))

    def _record(self, name: str, notice: Notice) -> Received:
        if self._desk.scope not in (None, notice.biller):
            # Somebody else's money: it is told again until a desk hears of it that may write it down.
            raise NotFound("biller", notice.biller)
        why = ""
        try:
            try:
                payment = Collecting(self._desk).record(
                    notice.invoice,
                    notice.amount,
                    method=PaymentMethod.CARD,
                    reference=notice.reference,
                    rest="credit",
                    actor=name,
                    key=_key(name, notice),
                )
            except (NotAllowed, KeyReused) as error:
                payment = self._credit(name, notice)
                why = str(error) if isinstance(error, NotAllowed) else "all of it became credit"
        except (StoreError, Conflict, PluginError):
            raise  # nothing is wrong with the event: the gateway tells it again
        except InvoicecoreError as error:
            return Received(event=notice.id, state="refused", invoice=notice.invoice, why=str(error))
        return Received(event=notice.id, state="recorded", invoice=notice.invoice, payment=payment.id, why=why)

    def _credit(self, name: str, notice: Notice) -> Payment:
        """Record money for an invoice that takes none any more, all of it as its customer's credit (D6)."""
        biller, ref = self._desk.owner("invoice", notice.invoice)
        with self._desk.change("payments.record", biller, actor=name, subject=ref) as change:
            paid = positive(notice.amount, "amount", currency=change.biller.currency)
            wanted = {"invoice": ref, "amount": paid, "reference": notice.reference, "rest": "all"}
            if (made := change.replayed(_key(name, notice), wanted)) is not None:
                return change.again(Payment, made)[0]
            invoice = one(change.tx, Invoice, biller, ref)
            if invoice.customer is None:
                raise NotAllowed("pay", invoice.status_on(change.on).value, (), "it has no customer to hold the credit")
            payment = Payment(
                id=change.ids("pay")[0],
                biller=biller,
                customer=invoice.customer,
                amount=paid,
                method=PaymentMethod.CARD,
                received_on=change.on,
                allocations=(),
                credited=paid,
                reference=notice.reference,
                actor=name,
            )
            change.tx.add([payment])
            move_credit(change, invoice.customer, CreditKind.OVERPAYMENT, paid, payment=payment.id)
            change.made(payment.id)
            change.note(payment.id, 1, "paid", f"{paid.amount} {PaymentMethod.CARD}")
        return payment


def _key(name: str, notice: Notice) -> str:
    return f"{name}/{notice.id}"
