"""The invoice as a sheet: what is stored about it, in words; the same on whatever day it is asked for (S11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import attrs

from invoicecore.credit_notes import CreditNote
from invoicecore.documents.sheet import Column, Fact, Figure, HowToPay, Mark, Rows, Sheet, SheetKind, Table
from invoicecore.documents.words import (
    begun,
    days_text,
    fact,
    number_text,
    payer,
    percent_text,
    plain,
    plain_lines,
)
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, Line, Status, site_subtotals
from invoicecore.money import Money, zero
from invoicecore.parties import Biller, BillTo, InvoiceMethod, locale_of_payer
from invoicecore.payments import Payment, Refund, is_zero
from invoicecore.periods import Period
from invoicecore.taxes import TaxAmount, TaxRate
from invoicecore.wording import (
    LabelSet,
    format_date,
    format_money,
    label_set,
    late_badge,
    method_name,
    say,
    status_label,
)


@attrs.frozen(kw_only=True)
class Beside:
    """What is known beside an invoice when its sheet is made.

    `who` is its payer, frozen or, for a draft, as it would be; `unit` its unit's number; `payments` those that settle
    it and were not reversed; `notes` its credit notes; `method` its lease's, by Direct Debit only while a collection
    is under way; `url` the stable link to its pay page, None for none.
    """

    biller: Biller
    who: BillTo | None = None
    unit: str | None = None
    payments: Sequence[Payment] = ()
    refunds: Sequence[Refund] = ()
    notes: Sequence[CreditNote] = ()
    method: InvoiceMethod | None = None
    url: str | None = None


def invoice_sheet(invoice: Invoice, beside: Beside) -> Sheet:
    """The invoice in words: its parties, lines, taxes, what was paid and what is left to pay (S11, S1, R12)."""
    biller, who = beside.biller, invoice.bill_to or beside.who
    locale = locale_of_payer(who, biller)
    labels = label_set(biller.policy.labels, biller.policy.own_labels)
    heading = say("doc.invoice", locale)
    reference = plain(invoice.reference)
    sheet = begun(
        SheetKind.INVOICE,
        biller=biller,
        locale=locale,
        heading=heading,
        reference=reference,
        named=reference,
        file=reference,
        dated=invoice.issued_on or invoice.drafted_on,
    )
    return attrs.evolve(
        sheet,
        marks=_marks(invoice, labels, locale),
        customer=payer(who, locale) if who is not None else None,
        facts=_facts(invoice, beside, locale),
        subject=plain(invoice.title),
        description="\n".join(plain_lines(invoice.description)),
        tables=(_lines(invoice, locale),),
        figures=(*_sums(invoice, locale), *_settled(invoice, beside, locale)),
        pay=how_to_pay(invoice, beside, locale),
        notes=_notes(invoice, beside, locale),
    )


def dates_of(period: Period, locale: str) -> str:
    """First and last day of a period."""
    return days_text(period.start, period.last_day, locale)


def how_to_pay(invoice: Invoice, beside: Beside, locale: str) -> HowToPay | None:
    """The way to pay what is left, or that it is being debited; None when neither, and before it is published (R7, R12, C6)."""
    if invoice.lifecycle is not Lifecycle.OPEN:
        return None
    moving, amount, url = invoice.facts.in_flight, invoice.recordable, beside.url
    if beside.method is InvoiceMethod.DIRECT_DEBIT and (is_zero(moving) or is_zero(amount)):
        key, url = "doc.pay_by_debit", None  # a link beside it would have it paid twice
        amount = max(amount, moving)
    else:
        key = "doc.pay_online" if url else "doc.pay_by_reference"
        if due_passed_at_issue(invoice):
            key += "_now"
    if is_zero(amount):
        return None
    said = say(key, locale, amount=amount, due=invoice.due_on, number=plain(invoice.reference))
    return HowToPay(
        heading=say("doc.how_to_pay", locale),
        text=said,
        url=url,
        alternative=say("doc.qr", locale, number=plain(invoice.reference)) if url else "",
    )


def due_passed_at_issue(invoice: Invoice) -> bool:
    """Whether it was due before it was issued, so that nobody is asked to pay by a day that is gone (S6, R10)."""
    return invoice.issued_on is not None and invoice.due_on < invoice.issued_on


def _marks(invoice: Invoice, labels: LabelSet, locale: str) -> tuple[Mark, ...]:
    marks = []
    for code, status in ((Lifecycle.DRAFT, Status.DRAFT), (Lifecycle.VOID, Status.VOID)):
        if invoice.lifecycle is code:
            marks.append(Mark(code=code.value, label=status_label(status, labels=labels, locale=locale)))
    if invoice.late:
        marks.append(Mark(code="late", label=late_badge(labels=labels, locale=locale)))
    return tuple(marks)


def _facts(invoice: Invoice, beside: Beside, locale: str) -> tuple[Fact, ...]:
    def day(key: str, value: date | None) -> list[Fact]:
        return [fact(key, format_date(value, locale), locale)] if value is not None else []

    facts = [fact("heading.number" if invoice.number else "heading.reference", plain(invoice.reference), locale)]
    facts += day("doc.issue_date", invoice.issued_on) or day("doc.drafted_on", invoice.drafted_on)
    facts += day("doc.due_date", invoice.due_on)
    facts += day("doc.voided_on", invoice.voided_on)
    if invoice.period is not None:
        facts.append(fact("heading.period", dates_of(invoice.period, locale), locale))
    if beside.unit is not None:
        facts.append(fact("heading.unit", plain(beside.unit), locale))
    return tuple(facts)


def _lines(invoice: Invoice, locale: str) -> Table:
    counted = any(line.quantity != 1 for line in invoice.lines)
    taxed = any(line.taxes for line in invoice.lines)
    columns = [Column(heading=say("heading.description", locale))]
    columns += [
        Column(heading=say(key, locale), number=True) for key in ("heading.quantity", "heading.price") if counted
    ]
    columns += [Column(heading=say("heading.tax", locale), number=True)] if taxed else []
    columns.append(Column(heading=say("heading.amount", locale), number=True))

    def row(line: Line) -> tuple[str, ...]:
        cells = ["\n".join(_description(line, locale))]
        if counted:
            cells += [number_text(line.quantity, locale), format_money(line.unit_price, locale)]
        if taxed:
            cells.append(" + ".join(rate_name(rate, locale) for rate in line.taxes))
        return (*cells, format_money(line.amount, locale))

    if invoice.kind is not InvoiceKind.GROUP and not any(line.site for line in invoice.lines):
        return Table(columns=tuple(columns), groups=(Rows(rows=tuple(map(row, invoice.lines))),))
    groups = []
    for site, subtotal in site_subtotals(invoice).items():
        heading = say("site", locale, unit=plain(site)) if site else ""
        groups.append(
            Rows(
                heading=heading,
                rows=tuple(row(line) for line in invoice.lines if (line.site or "") == site),
                subtotal=Fact(label=say("heading.subtotal", locale), value=format_money(subtotal, locale)),
            )
        )
    return Table(columns=tuple(columns), groups=tuple(groups))


def _description(line: Line, locale: str) -> tuple[str, ...]:
    lines = plain_lines(line.description)
    if line.share is not None and line.share.days != line.share.of_days:
        lines += (say("share_of_days", locale, count=line.share.days, of_days=line.share.of_days),)  # M6
    return lines


def rate_name(rate: TaxRate, locale: str) -> str:
    """A tax rate by name, with its percentage unless the name has it: "TVA 20 %", "GST 5%"."""
    percent = number_text(rate.percent, locale)
    return plain(rate.name) if percent in rate.name else f"{plain(rate.name)} {percent_text(rate.percent, locale)}"


def sums(
    total: Money, taxes: Sequence[TaxAmount], locale: str, *, included: bool, net: str, whole: str
) -> list[Figure]:
    """What the lines come to: the total, called `whole`, and where there is tax each rate's and the `net` without it."""

    def tax(each: TaxAmount, key: str) -> Figure:
        label = say(key, locale, tax=rate_name(each.rate, locale), base=each.base)
        return Figure(label=label, value=format_money(each.tax, locale))

    gross = Figure(label=whole, value=format_money(total, locale), strong=True)
    if not taxes:
        return [gross]
    without = total
    for each in taxes:
        without = without - each.tax
    bare = Figure(label=net, value=format_money(without, locale))
    if included:
        return [gross, *(tax(each, "doc.tax_included") for each in taxes), bare]
    return [bare, *(tax(each, "doc.tax_on") for each in taxes), gross]


def _sums(invoice: Invoice, locale: str) -> list[Figure]:
    return sums(
        invoice.total,
        invoice.taxes,
        locale,
        included=invoice.prices_include_tax,
        net=say("doc.net", locale),
        whole=say("heading.total", locale),
    )


def _settled(invoice: Invoice, beside: Beside, locale: str) -> list[Figure]:
    if not invoice.published:
        return []
    figures = []
    for payment in sorted(beside.payments, key=lambda each: (each.received_on, each.id)):
        for part in payment.allocations:
            if part.invoice == invoice.id:
                label = say(
                    "doc.payment", locale, day=payment.received_on, method=method_name(payment.method.value, locale)
                )
                figures.append(Figure(label=label, value=format_money(-part.amount, locale)))
    if not is_zero(invoice.facts.credit):
        figures.append(
            Figure(label=say("doc.credit_applied", locale), value=format_money(-invoice.facts.credit, locale))
        )
    for note in beside.notes:
        if not is_zero(note.settled):
            label = say("doc.credit_note_of", locale, number=plain(note.number), day=note.issued_on)
            figures.append(Figure(label=label, value=format_money(-note.settled, locale)))
    if invoice.lifecycle is Lifecycle.VOID:
        return figures
    due = Figure(label=say("doc.balance_due", locale), value=format_money(invoice.balance, locale), strong=True)
    return [*figures, due]


def _notes(invoice: Invoice, beside: Beside, locale: str) -> tuple[str, ...]:
    notes = []
    if not is_zero(invoice.facts.in_flight):
        notes.append(say("in_flight", locale, amount=invoice.facts.in_flight))
    by_note = {note.refund: note for note in beside.notes}
    for refund in beside.refunds:
        if not refund.state.counts:
            continue
        if (note := by_note.get(refund.id)) is not None:
            given = {"number": plain(note.number), "day": note.issued_on, "amount": refund.leaving}
            notes.append(say("doc.credit_note_given_back", locale, **given))
        elif not is_zero(refund.leaving):  # what was taken from the payer's credit had left no invoice
            key = "doc.refunded_to_credit" if refund.to_credit == refund.amount else "doc.refunded"
            notes.append(say(key, locale, amount=refund.leaving, day=refund.refunded_on))
    if invoice.lifecycle is Lifecycle.OPEN and is_zero(invoice.balance):
        notes.append(say("nothing_left", locale))
    return tuple(notes)


def money_or_blank(amount: Money, locale: str) -> str:
    """An amount, or nothing where it is zero: a column of few amounts is easier to read."""
    return format_money(amount, locale) if amount != zero(amount.currency.code) else ""
