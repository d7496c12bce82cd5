"""Documenting: invoices, statements and receipts as sheets and as PDFs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import attrs

from invoicecore.billing.desk import Desk, biller_in, one
from invoicecore.billing.issuing import payers_of
from invoicecore.billing.linking import links_in, urls_of
from invoicecore.collection import Collection
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.errors import InvalidValue
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.money import zero
from invoicecore.parties import Biller, BillTo, Customer, InvoiceMethod, Unit, bill_to
from invoicecore.payments import Payment, Refund, Reversal, ReversalKind, settles_yet
from invoicecore.periods import as_date
from invoicecore.ports import InvoiceQuery, Reader

if TYPE_CHECKING:  # documents are imported when one is made: most processes make none
    from invoicecore.documents import Sheet
    from invoicecore.documents.invoice import Beside
    from invoicecore.statements import Statement


def sheets_of(invoices: Sequence[Invoice], besides: Mapping[str, Beside], urls: Mapping[str, str]) -> dict[str, Sheet]:
    """The sheet of each invoice by its id; `urls` are their pay pages."""
    from invoicecore.documents.invoice import invoice_sheet

    return {each.id: invoice_sheet(each, attrs.evolve(besides[each.id], url=urls.get(each.id))) for each in invoices}


def besides_of(tx: Reader, biller: Biller, invoices: Sequence[Invoice]) -> dict[str, Beside]:
    """What stands beside each invoice on its sheet, by its id, from a few reads for all of them."""
    from invoicecore.documents.invoice import Beside

    refs = [invoice.id for invoice in invoices]
    payments, _ = _standing(tx, biller, tx.find(Payment, biller.id, {"invoice": refs}))
    paid: dict[str, list[Payment]] = {}
    for payment in payments:
        for part in payment.allocations:
            paid.setdefault(part.invoice, []).append(payment)
    refunds: dict[str, list[Refund]] = {}
    for refund in tx.find(Refund, biller.id, {"invoice": refs}):
        refunds.setdefault(refund.invoice, []).append(refund)
    notes: dict[str, list[CreditNote]] = {}
    for note in tx.find(CreditNote, biller.id, {"invoice": refs}):
        notes.setdefault(note.invoice, []).append(note)
    units = tx.get(Unit, biller.id, {invoice.unit for invoice in invoices if invoice.unit})
    leases = tx.get(Lease, biller.id, {invoice.lease for invoice in invoices if invoice.lease})
    payers = payers_of(tx, biller, [invoice for invoice in invoices if invoice.bill_to is None])
    besides = {}
    for invoice in invoices:
        payer = payers.get(invoice.id)
        besides[invoice.id] = Beside(
            biller=biller,
            who=bill_to(payer, biller) if payer is not None else None,
            unit=units[invoice.unit].number if invoice.unit in units else None,
            payments=paid.get(invoice.id, ()),
            refunds=refunds.get(invoice.id, ()),
            notes=notes.get(invoice.id, ()),
            method=leases[invoice.lease].method if invoice.lease in leases else None,
        )
    debits = {ref for ref in refs if besides[ref].method is InvoiceMethod.DIRECT_DEBIT}
    waiting = debits - _to_be_collected(tx, biller, debits)
    return besides | {ref: attrs.evolve(besides[ref], method=None) for ref in waiting}


def _to_be_collected(tx: Reader, biller: Biller, debits: set[str]) -> set[str]:
    """Those of some invoices by Direct Debit of which a collection is under way or is tried again (S9)."""
    if not debits:
        return set()
    found = tx.find(Collection, biller.id, {"invoice": debits})
    return {each.invoice for each in found if each.live or each.next_try_at is not None}


def _standing(tx: Reader, biller: Biller, payments: Sequence[Payment]) -> tuple[list[Payment], dict[str, Reversal]]:
    """Payments with what they settle yet, and the last reversal of each that was taken back whole, by its id (D2, D3)."""
    found = tx.find(Reversal, biller.id, {"payment": [payment.id for payment in payments]})
    standing = [each for each in found if each.cancelled_on is None]
    taken = {payment.id: zero(biller.currency) for payment in payments}
    for each in standing:
        taken[each.payment] = taken[each.payment] + each.amount
    # By hand all of it is taken back; less is told where credit it had left was paid out meanwhile.
    whole = {payment.id for payment in payments if taken[payment.id] >= payment.amount}
    whole |= {each.payment for each in standing if each.kind is ReversalKind.BY_HAND}
    there = [attrs.evolve(each, allocations=settles_yet(each, taken[each.id])) for each in payments]
    return there, {each.payment: each for each in standing if each.payment in whole}


def notes_of(tx: Reader, biller: Biller, notes: Sequence[CreditNote]) -> dict[str, Sheet]:
    """The sheet of each credit note by its id."""
    from invoicecore.documents.credit_note import credit_note_sheet

    invoices = tx.get(Invoice, biller.id, {note.invoice for note in notes})
    refunds = tx.get(Refund, biller.id, {note.refund for note in notes if note.refund is not None})
    return {
        note.id: credit_note_sheet(
            note, invoice=invoices[note.invoice], refund=refunds.get(note.refund or ""), biller=biller
        )
        for note in notes
    }


def receipts_of(tx: Reader, biller: Biller, payments: Sequence[Payment]) -> dict[str, Sheet]:
    """The receipt of each payment by its id."""
    from invoicecore.documents.account import receipt_sheet

    invoices = tx.get(Invoice, biller.id, {part.invoice for payment in payments for part in payment.allocations})
    units = tx.get(Unit, biller.id, {invoice.unit for invoice in invoices.values() if invoice.unit})
    customers = tx.get(Customer, biller.id, {payment.customer for payment in payments if payment.customer})
    beside = tx.find(Payment, biller.id, {"invoice": list(invoices)})
    there, reversals = _standing(tx, biller, list({each.id: each for each in (*payments, *beside)}.values()))
    # Of all that were paid for each invoice and not reversed, the last.
    last: dict[str, str] = {}
    for each in sorted(there, key=lambda one: (one.received_on, one.id)):
        last |= {part.invoice: each.id for part in each.allocations}
    sheets = {}
    for payment in payments:
        mine = {part.invoice: invoices[part.invoice] for part in payment.allocations}
        sheets[payment.id] = receipt_sheet(
            payment,
            who=_payer(payment, mine, customers, biller),
            invoices=mine,
            units={ref: units[invoice.unit].number for ref, invoice in mine.items() if invoice.unit in units},
            biller=biller,
            reversal=reversals.get(payment.id),
            completes=all(last.get(ref) == payment.id for ref in mine),
        )
    return sheets


def _payer(
    payment: Payment, invoices: Mapping[str, Invoice], customers: Mapping[str, Customer], biller: Biller
) -> BillTo | None:
    frozen = next((invoice.bill_to for invoice in invoices.values() if invoice.bill_to is not None), None)
    if frozen is not None:
        return frozen
    customer = customers.get(payment.customer or "")
    return bill_to(customer, biller) if customer is not None else None


class DocumentingInvoices:
    """The documents of `billing.invoices`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def sheet(self, invoice: Invoice | str) -> Sheet:
        """What the invoice's document says, in the payer's language: for a renderer or a page of your own (S11).

        A payable invoice has its stable link on it where the host serves pay pages, which is made if there is none yet.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.view() as tx:
            owner, found = biller_in(tx, biller), one(tx, Invoice, biller, ref)
            besides, live = besides_of(tx, owner, [found]), links_in(tx, owner, [found])
        return sheets_of([found], besides, urls_of(self._desk, owner, [found], live))[ref]

    def pdf(self, invoice: Invoice | str) -> bytes:
        """The invoice as a PDF: drafts and void ones marked, late ones with their badge (S11, S6).

        Its bytes depend on what is stored, the templates and the locale, never on the day it is read. Raises NotFound,
        PluginError without a renderer or with one that makes no bytes, MissingExtra naming what to install, RenderFailed.
        """
        sheet = self.sheet(invoice)
        return self._desk.wiring.draw(sheet)


class DocumentingCustomers:
    """The documents of `billing.customers`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def statement(self, customer: Customer | str, *, since: date, until: date | None = None) -> Statement:
        """A customer's invoices, payments, refunds and credit from `since` to `until`, inclusive, and the balance (D1).

        `until` None is today. Up to today, the closing balance is what is owed less the credit there is. Raises
        InvalidValue for an end before its beginning, NotFound.
        """
        from invoicecore.statements import account, statement

        biller, ref = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            owner = biller_in(tx, biller)
            first, last = as_date(since, "since"), self._desk.day(owner, until)
            if last < first:
                raise InvalidValue("until", last, f"is before {first}", "give that day or a later one")
            one(tx, Customer, biller, ref)
            invoices = tx.invoices(InvoiceQuery(biller=biller, on=last, customers=(ref,), published=True))
            payments = tx.find(Payment, biller, {"customer": ref})
            entries = account(
                invoices,
                payments,
                tx.find(Reversal, biller, {"payment": [payment.id for payment in payments]}),
                tx.find(Refund, biller, {"invoice": [invoice.id for invoice in invoices]}),
                tx.find(CreditNote, biller, {"invoice": [invoice.id for invoice in invoices]}),
                tx.find(CreditEntry, biller, {"customer": ref}),
                currency=owner.currency,
            )
        return statement(entries, customer=ref, since=first, until=last, currency=owner.currency)

    def statement_pdf(self, customer: Customer | str, *, since: date, until: date | None = None) -> bytes:
        """The statement of account as a PDF, in the customer's language (S11). Raises as `statement` and `invoices.pdf` do."""
        from invoicecore.documents.account import statement_sheet

        facts = self.statement(customer, since=since, until=until)
        biller, ref = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            sheet = statement_sheet(facts, customer=one(tx, Customer, biller, ref), biller=biller_in(tx, biller))
        return self._desk.wiring.draw(sheet)


class DocumentingPayments:
    """The documents of `billing.payments`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def receipt(self, payment: Payment | str) -> Sheet:
        """What the payment's receipt says; for residential rent in France a *quittance* once the rent is paid in full."""
        biller, ref = self._desk.owner("payment", payment)
        with self._desk.view() as tx:
            return receipts_of(tx, biller_in(tx, biller), [one(tx, Payment, biller, ref)])[ref]

    def receipt_pdf(self, payment: Payment | str) -> bytes:
        """The payment's receipt as a PDF (S11). Raises NotFound, and as `invoices.pdf` does."""
        return self._desk.wiring.draw(self.receipt(payment))
