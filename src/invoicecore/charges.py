"""Charges: what a client owes before it is invoiced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

import attrs

from invoicecore.errors import AlreadyBilled, NotAllowed
from invoicecore.invoices import Line
from invoicecore.money import Money, times
from invoicecore.parties import BillingCycle, Customer
from invoicecore.periods import clamp_day
from invoicecore.taxes import TaxRate


class ChargeState(StrEnum):
    """Open until it is on an invoice; locked once that is published (C1, C4)."""

    OPEN = "open"
    DRAFTED = "drafted"
    INVOICED = "invoiced"
    CANCELLED = "cancelled"


@attrs.frozen(kw_only=True)
class Charge:
    """`quantity` × `unit_price` owed by a client since the day `on` (C1). `invoice` is the one it is on, if any."""

    id: str
    biller: str
    customer: str
    description: str
    unit_price: Money
    on: date
    quantity: Decimal = Decimal(1)
    taxes: tuple[TaxRate, ...] = ()
    state: ChargeState = ChargeState.OPEN
    invoice: str | None = None
    version: int = 1

    @property
    def amount(self) -> Money:
        """half-up(quantity × unit price), once (M10)."""
        return times(self.unit_price, self.quantity)


def check(action: str, charge: Charge) -> None:
    """Refuse what the charge's state does not allow: edit while open or drafted, cancel and invoice only while open (C1).

    Raises AlreadyBilled for `invoice` when it is on a live invoice (C2), else NotAllowed naming the state.
    """
    can = {
        ChargeState.OPEN: ("edit", "cancel", "invoice"),
        ChargeState.DRAFTED: ("edit",),
        ChargeState.INVOICED: (),
        ChargeState.CANCELLED: (),
    }[charge.state]
    if action in can:
        return
    if action == "invoice" and charge.invoice is not None:
        raise AlreadyBilled(f"charge {charge.id}", charge.invoice)
    raise NotAllowed(f"{action} charge {charge.id}", charge.state.value, can)


def line(charge: Charge) -> Line:
    """The charge as an invoice line (C2)."""
    return Line(
        description=charge.description,
        amount=charge.amount,
        unit_price=charge.unit_price,
        quantity=charge.quantity,
        taxes=charge.taxes,
        charge=charge.id,
    )


def on_invoice(charges: Sequence[Charge], invoice: str, state: ChargeState) -> tuple[Charge, ...]:
    """The charges as they stand on that invoice."""
    return tuple(attrs.evolve(charge, state=state, invoice=invoice) for charge in charges)


def released(charges: Sequence[Charge]) -> tuple[Charge, ...]:
    """The charges open again (C3, C8)."""
    return tuple(attrs.evolve(charge, state=ChargeState.OPEN, invoice=None) for charge in charges)


def next_cycle_after(customer: Customer, day: date) -> date | None:
    """The first billing day strictly after `day`; None for a client without a cycle (C9)."""
    if customer.billing_cycle is BillingCycle.NONE:
        return None
    here = clamp_day(day.year, day.month, customer.billing_day)
    if here > day:
        return here
    month = date(day.year, day.month, 1) + timedelta(days=32)
    return clamp_day(month.year, month.month, customer.billing_day)


def cycle_due(customer: Customer, on: date) -> date | None:
    """The last billing day on or before `on` that the client's cycle has reached; missed months merge (C9)."""
    if customer.next_cycle_on is None or on < customer.next_cycle_on:
        return None
    here = clamp_day(on.year, on.month, customer.billing_day)
    if here <= on:
        return max(here, customer.next_cycle_on)
    before = date(on.year, on.month, 1) - timedelta(days=1)
    return max(clamp_day(before.year, before.month, customer.billing_day), customer.next_cycle_on)
