"""Statements of account: what a customer was charged and paid between two dates, and the balance through it (D1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum

import attrs

from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, total, zero
from invoicecore.payments import Payment, Refund, RefundState, Reversal


class EntryKind(StrEnum):
    """What moved the account."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    VOID = "void"
    PAYMENT = "payment"
    REVERSAL = "reversal"
    REVERSAL_CANCELLED = "reversal_cancelled"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


@attrs.frozen(kw_only=True)
class Entry:
    """One step of an account: `charged` raises what is owed, `paid` lowers it; either may be negative.

    A refund to the payer lowers both: the money goes back, and what it was for is no longer charged (D2). The refund
    of a credit note lowers `paid` alone, since the note itself is what lowers `charged` (P5). `reference` is the
    invoice's or the note's number or the payment's reference, `about` the invoices it touches, `title` the invoice's.
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
    notes: Sequence[CreditNote],
    credits: Iterable[CreditEntry],
    *,
    currency: str,
) -> list[Entry]:
    """Every step of a customer's account, by date; to the end of it: Σ balances of published invoices − credit."""
    issued = {invoice.id: invoice for invoice in invoices if invoice.issued_on is not None}
    numbers = {ref: invoice.reference for ref, invoice in issued.items()}
    voided = {
        ref: invoice.voided_on
        for ref, invoice in issued.items()
        if invoice.lifecycle is Lifecycle.VOID and invoice.voided_on is not None
    }
    given = [refund for refund in refunds if refund.state is not RefundState.NOT_EXECUTED]
    entries = [
        *_charges(issued, voided, payments, reversals, notes, currency),
        *_received(payments, reversals, voided, numbers, currency),
        *_returned(given, notes, numbers, currency),
        *_credits(credits, currency),
    ]
    order = list(EntryKind)
    return sorted(entries, key=lambda entry: (entry.on, order.index(entry.kind)))


def _charges(
    issued: Mapping[str, Invoice],
    voided: Mapping[str, date],
    payments: Iterable[Payment],
    reversals: Iterable[Reversal],
    notes: Iterable[CreditNote],
    currency: str,
) -> Iterator[Entry]:
    """Invoices as they were issued, and as they were voided."""
    none = zero(currency)
    payments = list(payments)
    for invoice in issued.values():
        charge = Entry(
            on=invoice.issued_on or date.max, kind=EntryKind.INVOICE, charged=invoice.total, paid=none,
            reference=invoice.reference, title=invoice.title, about=(invoice.id,),
        )  # fmt: skip
        yield charge
        if invoice.id not in voided:
            continue
        # What had been settled by money on that day stays charged, and what credit notes had taken off is not taken off
        # again; credit that had been applied has become credit again. A payment that bounced later had settled it then.
        day = voided[invoice.id]
        gone: dict[str, Money] = {}
        for each in reversals:
            if each.reversed_on <= day and (each.cancelled_on is None or each.cancelled_on > day):
                gone[each.payment] = gone.get(each.payment, none) + each.amount
        kept = [
            _allocated(payment, payment.amount, invoice.id)
            - _allocated(payment, gone.get(payment.id, none), invoice.id)
            for payment in payments
        ]
        noted = [note.settled for note in notes if note.invoice == invoice.id]
        settled = total(kept, currency) + total(noted, currency) + invoice.facts.credit
        yield attrs.evolve(charge, on=day, kind=EntryKind.VOID, charged=settled - invoice.total)


def _received(
    payments: Iterable[Payment],
    reversals: Sequence[Reversal],
    voided: Mapping[str, date],
    numbers: Mapping[str, str],
    currency: str,
) -> Iterator[Entry]:
    """Payments, those that were taken back, and those of them that were restored."""
    told: dict[str, Entry] = {}
    by_id: dict[str, Payment] = {}
    for payment in payments:
        about = tuple(part.invoice for part in payment.allocations)
        by_id[payment.id] = payment
        told[payment.id] = Entry(
            on=payment.received_on, kind=EntryKind.PAYMENT, charged=zero(currency), paid=payment.amount,
            reference=payment.reference or _named(about, numbers), about=about,
        )  # fmt: skip
        yield told[payment.id]
    steps = [(each.reversed_on, EntryKind.REVERSAL, each) for each in reversals]
    steps += [(each.cancelled_on, EntryKind.REVERSAL_CANCELLED, each) for each in reversals if each.cancelled_on]
    gone: dict[str, Money] = {}  # of each payment: several parts of it may be taken back, one after the other
    for day, kind, reversal in sorted(steps, key=lambda step: step[:2]):
        payment, entry = by_id[reversal.payment], told[reversal.payment]
        before = gone.get(payment.id, zero(currency))
        after = before + reversal.amount if kind is EntryKind.REVERSAL else before - reversal.amount
        gone[payment.id] = after
        # What a void invoice had been settled with is owed by nobody when it bounces.
        void = [
            _allocated(payment, before, ref) - _allocated(payment, after, ref)
            for ref in entry.about
            if voided.get(ref, date.max) < day
        ]
        yield attrs.evolve(entry, on=day, kind=kind, charged=total(void, currency), paid=before - after)


def _returned(
    refunds: Iterable[Refund], notes: Iterable[CreditNote], numbers: Mapping[str, str], currency: str
) -> Iterator[Entry]:
    """Credit notes, refunds, and those refunds that came back."""
    none = zero(currency)
    amounts = {refund.id: refund.leaving for refund in refunds}
    noted = set()
    for note in notes:
        # What had been given back before the note is no longer charged since then.
        credited = note.settled + (amounts.get(note.refund, none) if note.refund is not None else none)
        noted.add(note.refund)
        yield Entry(
            on=note.issued_on, kind=EntryKind.CREDIT_NOTE, charged=-credited, paid=none,
            reference=note.number, title=_named((note.invoice,), numbers), about=(note.invoice,),
        )  # fmt: skip
    for refund in refunds:
        cash = refund.amount - refund.to_credit
        entry = Entry(
            on=refund.refunded_on, kind=EntryKind.REFUND, charged=none if refund.id in noted else -refund.leaving,
            paid=-cash, reference=_named((refund.invoice,), numbers), about=(refund.invoice,),
        )  # fmt: skip
        if entry.charged.amount or entry.paid.amount:  # what a note gave as credit stands in the note alone
            yield entry
        if refund.failed_on is not None:
            yield attrs.evolve(
                entry, on=refund.failed_on, kind=EntryKind.REFUND_FAILED, charged=refund.leaving, paid=cash
            )


def _credits(rows: Iterable[CreditEntry], currency: str) -> Iterator[Entry]:
    """Credit that was added and paid out; what else moved it is part of what caused it."""
    for row in rows:
        if row.kind is CreditKind.DEPOSIT:
            kind = EntryKind.DEPOSIT
        elif row.kind is CreditKind.WITHDRAWN and row.payment is None:
            kind = EntryKind.WITHDRAWAL
        else:
            continue
        yield Entry(on=row.on, kind=kind, charged=zero(currency), paid=row.amount, title=row.note)


def _allocated(payment: Payment, amount: Money, invoice: str) -> Money:
    """The part of `amount` of a payment that is one invoice's: it lies on its invoices in their order."""
    left = amount
    for part in payment.allocations:
        taken = min(left, part.amount)
        if part.invoice == invoice:
            return taken
        left = left - taken
    return left - left


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


def _named(invoices: Iterable[str], numbers: Mapping[str, str]) -> str:
    return ", ".join(numbers[ref] for ref in invoices if ref in numbers)
