"""The credit note as a sheet: which invoice it credits, what of it, and what became of the money (P5, S11)."""

from __future__ import annotations

import attrs

from invoicecore.credit_notes import CreditNote
from invoicecore.documents.invoice import rate_name, sums
from invoicecore.documents.sheet import Column, Figure, Rows, Sheet, SheetKind, Table
from invoicecore.documents.words import begun, fact, payer, plain, plain_lines
from invoicecore.invoices import Invoice
from invoicecore.money import Money
from invoicecore.parties import Biller, locale_of_payer
from invoicecore.payments import Refund, is_zero
from invoicecore.wording import format_date, format_money, say


def credit_note_sheet(note: CreditNote, *, invoice: Invoice, refund: Refund | None, biller: Biller) -> Sheet:
    """The credit note in words; its amounts are above zero, as EN 16931 has them, under "Credited".

    `refund` is the note's own, None where nothing was given back by it.
    """
    locale = locale_of_payer(note.bill_to, biller)
    heading, number, of = say("doc.credit_note", locale), plain(note.number), plain(invoice.reference)
    facts = [
        fact("heading.number", number, locale),
        fact("doc.issue_date", format_date(note.issued_on, locale), locale),
        fact("doc.credits_invoice", of, locale),
    ]
    if invoice.issued_on is not None:
        facts.append(fact("doc.invoice_date", format_date(invoice.issued_on, locale), locale))
    sheet = begun(
        SheetKind.CREDIT_NOTE,
        biller=biller,
        locale=locale,
        heading=heading,
        reference=number,
        named=number,
        file=number,
        dated=note.issued_on,
    )
    return attrs.evolve(
        sheet,
        customer=payer(note.bill_to, locale) if note.bill_to is not None else None,
        facts=tuple(facts),
        subject=plain(invoice.title),
        description="\n".join(plain_lines(note.reason)),
        tables=(_lines(note, locale),),
        figures=(*_sums(note, locale), *_became(note, of, refund, locale)),
    )


def given_back(refund: Refund | None) -> tuple[Money, Money] | None:
    """(to credit, to the payer) of a note's refund; None without one, and for one that gave nothing back."""
    return (refund.to_credit, refund.leaving - refund.to_credit) if refund is not None and refund.state.counts else None


def _lines(note: CreditNote, locale: str) -> Table:
    taxed = any(line.taxes for line in note.lines)
    columns = [Column(heading=say("heading.description", locale))]
    columns += [Column(heading=say("heading.tax", locale), number=True)] if taxed else []
    columns.append(Column(heading=say("doc.credited", locale), number=True))
    rows = []
    for line in note.lines:
        cells = ["\n".join(plain_lines(line.description))]
        cells += [" + ".join(rate_name(rate, locale) for rate in line.taxes)] if taxed else []
        rows.append((*cells, format_money(line.amount, locale)))
    return Table(columns=tuple(columns), groups=(Rows(rows=tuple(rows)),))


def _sums(note: CreditNote, locale: str) -> list[Figure]:
    return sums(
        note.total,
        note.taxes,
        locale,
        included=note.prices_include_tax,
        net=say("doc.net_credited", locale),
        whole=say("doc.total_credited", locale),
    )


def _became(note: CreditNote, of: str, refund: Refund | None, locale: str) -> list[Figure]:
    to_credit, cash = given_back(refund) or (None, None)
    became = (
        (say("doc.taken_off", locale, number=of), note.settled),
        (say("doc.kept_as_credit", locale), to_credit),
        (say("doc.paid_back", locale), cash),
    )
    return [
        Figure(label=label, value=format_money(amount, locale))
        for label, amount in became
        if amount is not None and not is_zero(amount)
    ]
