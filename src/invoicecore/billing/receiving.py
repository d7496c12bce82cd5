"""Receiving: a gateway's webhook is verified, and the money it tells of recorded, once (D6, N3)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from invoicecore.billing.collecting import Collecting
from invoicecore.billing.desk import Desk
from invoicecore.errors import InvoicecoreError, NotFound, ObserverFailed, StoreError
from invoicecore.payments import PaymentMethod
from invoicecore.ports import Notice


@attrs.frozen(kw_only=True)
class Received:
    """What became of one event: `recorded`, or `refused` with `why`. `payment` is the id of what was recorded."""

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
        try:
            payment = Collecting(self._desk).record(
                notice.invoice,
                notice.amount,
                method=PaymentMethod.CARD,
                reference=notice.reference,
                rest="credit",
                actor=name,
                key=f"{name}/{notice.id}",
            )
        except (StoreError, ObserverFailed):
            raise
        except InvoicecoreError as error:
            return Received(event=notice.id, state="refused", invoice=notice.invoice, why=str(error))
        return Received(event=notice.id, state="recorded", invoice=notice.invoice, payment=payment.id)
