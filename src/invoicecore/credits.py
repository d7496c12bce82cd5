"""Credit balances: an append-only ledger per customer and currency, never negative."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

import attrs

from invoicecore.errors import NotEnough
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, exact, minor, zero


class CreditKind(StrEnum):
    """Why the ledger moved (C8)."""

    DEPOSIT = "deposit"
    APPLIED = "applied"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    OVERPAYMENT = "overpayment"


@attrs.frozen(kw_only=True)
class CreditEntry:
    """One row of the ledger: a signed `amount` and the `balance` after it, numbered by `seq` from 1 (C8)."""

    id: str
    biller: str
    customer: str
    seq: int
    kind: CreditKind
    amount: Money
    balance: Money
    on: date
    invoice: str | None = None
    payment: str | None = None
    note: str = ""
    actor: str | None = None


def entry(
    last: CreditEntry | None,
    *,
    id: str,
    biller: str,
    customer: str,
    kind: CreditKind,
    amount: Money,
    on: date,
    invoice: str | None = None,
    payment: str | None = None,
    note: str = "",
    actor: str | None = None,
) -> CreditEntry:
    """The row that follows `last`; NotEnough when the balance would fall below zero (C8)."""
    before = last.balance if last is not None else zero(amount.currency.code)
    after = before + amount
    if minor(after) < 0:
        raise NotEnough("credit", -amount, before)
    return CreditEntry(
        id=id,
        biller=biller,
        customer=customer,
        seq=last.seq + 1 if last is not None else 1,
        kind=kind,
        amount=amount,
        balance=exact(after, "credit balance"),
        on=on,
        invoice=invoice,
        payment=payment,
        note=note,
        actor=actor,
    )


def oldest_due_first(available: Money, invoices: Iterable[Invoice]) -> list[tuple[Invoice, Money]]:
    """How `available` credit settles open invoices: by (due date, number), skipping any with a live collection (C8)."""
    plan = []
    left = available
    payable = (i for i in invoices if i.lifecycle is Lifecycle.OPEN and minor(i.facts.in_flight) == 0)
    for invoice in sorted(payable, key=lambda i: (i.due_on, len(i.number or ""), i.number or "")):
        part = min(left, invoice.balance)
        if part.amount > 0:
            plan.append((invoice, part))
            left = left - part
    return plan
