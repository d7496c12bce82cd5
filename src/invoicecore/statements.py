"""Statements of account: what a customer was charged and paid between two dates, and the balance through it (D1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    refunds: Sequence[Refund],
    notes: Sequence[CreditNote],
    credits: Iterable[CreditEntry],
    *,
    currency: str,
) -> list[Entry]:
    """Every step of a customer's account, by date; to the end of it: Σ balances of published invoices − credit."""
    none = zero(currency)
    entries: list[Entry] = []
    numbers: dict[str, str] = {}
    away: dict[str, list[Reversal]] = {}
    for reversal in reversals:
        away.setdefault(reversal.payment, []).append(reversal)
    noted: dict[str, Money] = {}
    for note in notes:
        noted[note.invoice] = noted.get(note.invoice, none) + note.settled
    voided: dict[str, date] = {}
    paid: dict[str, list[tuple[Payment, Money]]] = {}
    for payment in payments:
        for part in payment.allocations:
            paid.setdefault(part.invoice, []).append((payment, part.amount))
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
            # What had been settled by money on that day stays charged, and so does what credit notes had taken off;
            # credit that had been applied has become credit again. A payment that bounced later had settled it then.
            day = voided[invoice.id] = invoice.voided_on
            kept = []
            for payment, part in paid.get(invoice.id, ()):
                gone = [_part(payment, each, invoice.id) for each in away.get(payment.id, ()) if _away(each, day)]
                kept += [part, -total(gone, currency)]
            settled = total(kept, currency) + invoice.facts.credit + noted.get(invoice.id, none)
            back = settled - invoice.total
            entries.append(attrs.evolve(charge, on=day, kind=EntryKind.VOID, charged=back))
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
        there = Entry(
            on=reversal.reversed_on,
            kind=EntryKind.REVERSAL,
            charged=none,
            paid=-reversal.amount,
            reference=payment.reference or _named(about, numbers),
            about=about,
        )
        back = attrs.evolve(
            there, on=reversal.cancelled_on or date.max, kind=EntryKind.REVERSAL_CANCELLED, paid=reversal.amount
        )
        for entry in (there, back) if reversal.cancelled_on is not None else (there,):
            # What a void invoice had been settled with is owed by nobody when it bounces.
            void = [_part(payment, reversal, ref) for ref in about if voided.get(ref, date.max) < entry.on]
            sign = 1 if entry is back else -1
            entries.append(attrs.evolve(entry, charged=sign * total(void, currency)))
    of_note = {note.refund: note for note in notes if note.refund is not None}
    by_ref = {refund.id: refund for refund in refunds if refund.state is not RefundState.NOT_EXECUTED}
    for note in notes:
        given = by_ref[note.refund].amount if note.refund in by_ref else none
        entries.append(
            Entry(
                on=note.issued_on,
                kind=EntryKind.CREDIT_NOTE,
                charged=-(note.settled + given),
                paid=none,
                reference=note.number,
                title=_named((note.invoice,), numbers),
                about=(note.invoice,),
            )
        )
    for refund in by_ref.values():
        cash = refund.amount - refund.to_credit
        there = Entry(
            on=refund.refunded_on,
            kind=EntryKind.REFUND,
            charged=-refund.amount if refund.id not in of_note else none,
            paid=-cash,
            reference=_named((refund.invoice,), numbers),
            about=(refund.invoice,),
        )
        if there.charged.amount or there.paid.amount:  # what a note gave to credit stands in the note
            entries.append(there)
        if refund.failed_on is not None:
            back = attrs.evolve(
                there, on=refund.failed_on, kind=EntryKind.REFUND_FAILED, charged=refund.amount, paid=cash
            )
            entries.append(back)
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


def _away(reversal: Reversal, day: date) -> bool:
    """Whether a payment that was taken back was away at the end of a day."""
    return reversal.reversed_on <= day and (reversal.cancelled_on is None or reversal.cancelled_on > day)


def _part(payment: Payment, reversal: Reversal, invoice: str) -> Money:
    """What a reversal took from one invoice: a payment is taken back from its invoices in their order."""
    left = reversal.amount
    for part in payment.allocations:
        taken = min(left, part.amount)
        if part.invoice == invoice:
            return taken
        left = left - taken
    return left - left


def _named(invoices: Iterable[str], numbers: dict[str, str]) -> str:
    return ", ".join(numbers[ref] for ref in invoices if ref in numbers)
