"""Reminders and late fees: which step an unpaid invoice has reached, and what being late costs (P3, S5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from invoicecore.invoices import Invoice, InvoiceKind, Phase
from invoicecore.money import Money, positive, times, total, zero
from invoicecore.parties import LateFee


def counts_from(invoice: Invoice) -> date:
    """The day reminders and fees count from: the later of due and issue date (S5)."""
    return max(invoice.due_on, invoice.issued_on or invoice.due_on)


def remindable(invoice: Invoice) -> bool:
    """Whether something is left to ask for: nothing is at balance zero, void, or under a covering collection (P3)."""
    return invoice.phase is Phase.DUE


def step_reached(invoice: Invoice, steps: Sequence[int], on: date) -> int | None:
    """The latest step whose day has come, None before the first one.

    Days up to the issue date do not count: the invoice itself was sent then.
    """
    start, issued = counts_from(invoice), invoice.issued_on
    reached = [step for step in steps if (day := _moved(start, step)) <= on and (issued is None or day > issued)]
    return max(reached, default=None)


def step_name(step: int) -> str:
    """A step as a message remembers it: `-3`, `0`, `+7`."""
    return f"{step:+}" if step else "0"


def fees_reached(invoice: Invoice, fee: LateFee, on: date) -> int:
    """How many late fees an unpaid invoice has come to by a day; an invoice of nothing but fees comes to none (P3)."""
    if not invoice.total > _fees_on(invoice):
        return 0
    late = (on - counts_from(invoice)).days - fee.after_days
    if late < 0:
        return 0
    return 1 if fee.every_days is None else 1 + late // fee.every_days


def fee_amount(invoice: Invoice, fee: LateFee, charged: Money) -> Money:
    """The next fee of an invoice that was charged so much before: never more than what the cap leaves.

    A percentage is of the balance without the fees that are on the invoice, rounded half-up once to the minor unit.
    """
    if fee.amount is not None:
        wanted = _of(fee.amount, invoice.currency)
    else:
        owed = max(invoice.balance - _fees_on(invoice), zero(invoice.currency))
        wanted = times(owed, (fee.percent or Decimal(0)) / 100)
    if fee.cap is not None:
        wanted = min(wanted, _of(fee.cap, invoice.currency) - charged)
    return max(wanted, zero(invoice.currency))


def check_fee(fee: LateFee | None, currency: str) -> None:
    """Refuse a fee or a cap that the currency cannot express (M8). Raises InvalidMoney."""
    for field in ("amount", "cap"):
        if fee is not None and (value := getattr(fee, field)) is not None:
            positive(Money(value, currency), f"late_fee.{field}", currency=currency)


FEE_CHARGE = "fee"
"""The kind in the id of a charge that is a late fee, as an invoice's line names it."""


def _fees_on(invoice: Invoice) -> Money:
    if invoice.kind is InvoiceKind.FEE:
        return invoice.total
    fees = (line.amount for line in invoice.lines if line.charge is not None and f"_{FEE_CHARGE}_" in line.charge)
    return total(fees, invoice.currency)


def _of(amount: Decimal, currency: str) -> Money:
    return positive(Money(amount, currency), "late_fee", currency=currency)


def _moved(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.max if days > 0 else date.min
