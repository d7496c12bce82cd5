"""Statements of account: what a customer was charged and paid between two dates, and the balance through it (D1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum

import attrs

from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, total, zero
from invoicecore.payments import Payment, Refund, Reversal


class EntryKind(StrEnum):
    """What moved the account."""

    INVOICE = "invoice"
    VOID = "void"
    PAYMENT = "payment"
    REVERSAL = "reversal"
    REFUND = "refund"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


@attrs.frozen(kw_only=True)
class Entry:
    """One step of an account: `charged` raises what is owed, `paid` lowers it; either may be negative.

    A refund to the payer lowers both: the money goes back, and what it was for is no longer charged (D2). `reference`
    is the invoice's number or the payment's reference, `about` the invoices it touches, `title` the invoice's.
    """

    on: date
    kind: EntryKind
    charged: Money
    paid: Money
    reference: str = ""
    title: str = ""
    about: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Statement:
    """A customer's account from `since` to `until`, both inclusive.

    `opening` is the balance before the first day, `balances[i]` the one after `entries[i]`, `closing` the last: what
    is owed less the credit there is, negative when the customer is owed.
    """

    customer: str
    since: date
    until: date
    opening: Money
    entries: tuple[Entry, ...]
    balances: tuple[Money, ...]
    closing: Money


def account(
    invoices: Iterable[Invoice],
    payments: Sequence[Payment],
    reversals: Sequence[Reversal],
    refunds: Iterable[Refund],
    credits: Iterable[CreditEntry],
    *,
    currency: str,
) -> list[Entry]:
    """Every step of a customer's account, by date; to the end of it: Σ balances of published invoices − credit."""
    none = zero(currency)
    entries: list[Entry] = []
    numbers: dict[str, str] = {}
    bounced = {reversal.payment: reversal.reversed_on for reversal in reversals}
    voided: dict[str, date] = {}
    paid: dict[str, list[tuple[str, Money]]] = {}
    for payment in payments:
        for part in payment.allocations:
            paid.setdefault(part.invoice, []).append((payment.id, part.amount))
    for invoice in invoices:
        if invoice.issued_on is None:
            continue
        numbers[invoice.id] = invoice.reference
        charge = Entry(
            on=invoice.issued_on, kind=EntryKind.INVOICE, charged=invoice.total, paid=none,
            reference=invoice.reference, title=invoice.title, about=(invoice.id,),
        )  # fmt: skip
        entries.append(charge)
        if invoice.lifecycle is Lifecycle.VOID and invoice.voided_on is not None:
            # What had been settled by money on that day stays charged; credit that had been applied has become credit
            # again. A payment that bounced later had settled it then.
            voided[invoice.id] = invoice.voided_on
            kept = [
                part for payment, part in paid.get(invoice.id, ()) if bounced.get(payment, date.max) > invoice.voided_on
            ]
            settled = total(kept, currency) + invoice.facts.credit
            back = settled - invoice.total
            entries.append(attrs.evolve(charge, on=invoice.voided_on, kind=EntryKind.VOID, charged=back))
    by_id = {payment.id: payment for payment in payments}
    for payment in payments:
        about = tuple(part.invoice for part in payment.allocations)
        entries.append(
            Entry(
                on=payment.received_on,
                kind=EntryKind.PAYMENT,
                charged=none,
                paid=payment.amount,
                reference=payment.reference or _named(about, numbers),
                about=about,
            )
        )
    for reversal in reversals:
        payment = by_id[reversal.payment]
        about = tuple(part.invoice for part in payment.allocations)
        # What a void invoice had been settled with is owed by nobody when it bounces.
        void = [
            part.amount for part in payment.allocations if voided.get(part.invoice, date.max) < reversal.reversed_on
        ]
        entries.append(
            Entry(
                on=reversal.reversed_on,
                kind=EntryKind.REVERSAL,
                charged=none - total(void, currency),
                paid=-reversal.amount,
                reference=payment.reference or _named(about, numbers),
                about=about,
            )
        )
    for refund in refunds:
        cash = refund.amount - refund.to_credit
        entries.append(
            Entry(
                on=refund.refunded_on,
                kind=EntryKind.REFUND,
                charged=-refund.amount,
                paid=-cash,
                reference=_named((refund.invoice,), numbers),
                about=(refund.invoice,),
            )
        )
    for row in credits:
        if row.kind is CreditKind.DEPOSIT:
            kind = EntryKind.DEPOSIT
        elif row.kind is CreditKind.WITHDRAWN and row.payment is None:  # the others are part of what caused them
            kind = EntryKind.WITHDRAWAL
        else:
            continue
        entries.append(Entry(on=row.on, kind=kind, charged=none, paid=row.amount, title=row.note))
    order = list(EntryKind)
    return sorted(entries, key=lambda entry: (entry.on, order.index(entry.kind)))


def statement(entries: Iterable[Entry], *, customer: str, since: date, until: date, currency: str) -> Statement:
    """The part of an account between two dates, both inclusive, with the balances through it."""
    opening = zero(currency)
    shown: list[Entry] = []
    for entry in entries:
        if entry.on < since:
            opening = opening + entry.charged - entry.paid
        elif entry.on <= until:
            shown.append(entry)
    balances: list[Money] = []
    running = opening
    for entry in shown:
        running = running + entry.charged - entry.paid
        balances.append(running)
    return Statement(
        customer=customer,
        since=since,
        until=until,
        opening=opening,
        entries=tuple(shown),
        balances=tuple(balances),
        closing=running,
    )


def _named(invoices: Iterable[str], numbers: dict[str, str]) -> str:
    return ", ".join(numbers[ref] for ref in invoices if ref in numbers)
