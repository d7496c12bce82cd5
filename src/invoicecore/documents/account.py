"""Statements of account and receipts as sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from invoicecore.documents.invoice import dates_of, money_or_blank
from invoicecore.documents.sheet import Column, Figure, Mark, Rows, Sheet, SheetKind, Table
from invoicecore.documents.words import (
    begun,
    days_text,
    fact,
    payer,
    plain,
    plain_lines,
)
from invoicecore.invoices import Invoice, InvoiceKind
from invoicecore.money import total
from invoicecore.parties import Biller, BillTo, Customer, bill_to, locale_of_payer
from invoicecore.payments import Payment, Reversal, is_zero
from invoicecore.statements import Entry, Statement
from invoicecore.wording import format_date, format_money, method_name, say


def statement_sheet(statement: Statement, *, customer: Customer, biller: Biller) -> Sheet:
    """A customer's account between two dates, in words."""
    who = bill_to(customer, biller)
    locale = locale_of_payer(who, biller)
    heading = say("doc.statement", locale)
    dates = days_text(statement.since, statement.until, locale)
    columns = (
        Column(heading=say("heading.date", locale)),
        Column(heading=say("heading.description", locale)),
        *(Column(heading=say(key, locale), number=True) for key in ("doc.charged", "doc.paid", "heading.balance")),
    )
    opening = ("", say("doc.opening", locale), "", "", format_money(statement.opening, locale))
    rows = [opening]
    for entry, balance in zip(statement.entries, statement.balances, strict=True):
        rows.append(
            (
                format_date(entry.on, locale),
                _said(entry, locale),
                money_or_blank(entry.charged, locale),
                money_or_blank(entry.paid, locale),
                format_money(balance, locale),
            )
        )
    owed = statement.closing.amount >= 0
    closing = Figure(
        label=say("doc.balance_due" if owed else "doc.in_your_favour", locale),
        value=format_money(statement.closing if owed else -statement.closing, locale),
        strong=True,
    )
    sheet = begun(
        SheetKind.STATEMENT,
        biller=biller,
        locale=locale,
        heading=heading,
        reference="",
        named=dates,
        file=f"{statement.since}-{statement.until}",
        dated=statement.until,
    )
    return attrs.evolve(
        sheet,
        customer=payer(who, locale),
        facts=(fact("heading.period", dates, locale),),
        tables=(Table(columns=columns, groups=(Rows(rows=tuple(rows)),)),),
        figures=(closing,),
    )


def receipt_sheet(
    payment: Payment,
    *,
    who: BillTo | None,
    invoices: Mapping[str, Invoice],
    units: Mapping[str, str],
    biller: Biller,
    reversal: Reversal | None,
    completes: bool,
) -> Sheet:
    """A receipt for a payment; for residential rent in France a *quittance* once the rent is paid in full.

    A landlord gives a quittance for rent that is paid in full and a receipt (*reçu*) for a part of it (loi no 89-462
    du 6 juillet 1989, article 21). It goes with the payment that `completes` the rent; those before it stay receipts,
    and one that was reversed says so. The law is that of the landlord's country, whatever the tenant speaks.
    """
    locale = locale_of_payer(who, biller)
    settled = [invoices[part.invoice] for part in payment.allocations]
    quittance = reversal is None and completes and biller.locale.endswith("_FR") and is_quittance(settled)
    heading = say("doc.quittance" if quittance else "doc.receipt", locale)
    numbers = ", ".join(plain(invoice.reference) for invoice in settled)
    facts = [
        fact("doc.received_on", format_date(payment.received_on, locale), locale),
        fact("heading.method", method_name(payment.method.value, locale), locale),
    ]
    if payment.reference:
        facts.append(fact("heading.reference", plain(payment.reference), locale))
    facts += [fact("heading.unit", plain(unit), locale) for unit in dict.fromkeys(units.values())]
    figures = [Figure(label=say("doc.received", locale), value=format_money(payment.amount, locale), strong=True)]
    if not is_zero(payment.credited):
        figures.append(Figure(label=say("doc.kept_as_credit", locale), value=format_money(payment.credited, locale)))
    notes = []
    if quittance:
        # Of the whole rent, whatever earlier payments or credit gave of it, without what was credited of it and without
        # what was paid beyond it.
        rent = total([invoice.total - invoice.facts.noted for invoice in settled], payment.amount.currency.code)
        notes.append(say("doc.quittance_text", locale, issuer=plain(biller.name), amount=rent))
    elif reversal is None:
        notes += [
            say("doc.left_on", locale, amount=invoice.balance, number=plain(invoice.reference))
            for invoice in settled
            if not is_zero(invoice.balance)
        ]
    else:
        notes.append(say("doc.reversed_on", locale, day=reversal.reversed_on))
    sheet = begun(
        SheetKind.RECEIPT,
        biller=biller,
        locale=locale,
        heading=heading,
        reference=numbers,
        named=numbers,
        file="-".join(filter(None, (numbers, payment.received_on.isoformat()))),
        dated=payment.received_on,
    )
    return attrs.evolve(
        sheet,
        marks=(Mark(code="reversed", label=say("doc.reversed", locale)),) if reversal is not None else (),
        customer=attrs.evolve(payer(who, locale), heading=say("doc.received_from", locale))
        if who is not None
        else None,
        facts=tuple(facts),
        tables=(_allocated(payment, invoices, locale),) if settled else (),
        figures=tuple(figures),
        notes=tuple(notes),
    )


def is_quittance(settled: Sequence[Invoice]) -> bool:
    """Whether what a payment settled is rent, and all of it is paid."""
    return bool(settled) and all(
        invoice.kind is InvoiceKind.LEASE and invoice.facts.refunded.amount == 0 and is_zero(invoice.balance)
        for invoice in settled
    )


def _allocated(payment: Payment, invoices: Mapping[str, Invoice], locale: str) -> Table:
    rows = []
    for part in payment.allocations:
        invoice = invoices[part.invoice]
        said = [f"{say('doc.invoice', locale)} {plain(invoice.reference)}", plain(invoice.title)]
        said += [dates_of(invoice.period, locale)] if invoice.period is not None else []
        rows.append(("\n".join(said), format_money(invoice.total, locale), format_money(part.amount, locale)))
    headings = ("heading.description", "heading.total", "doc.paid")
    columns = tuple(Column(heading=say(key, locale), number=i > 0) for i, key in enumerate(headings))
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),))


def _said(entry: Entry, locale: str) -> str:
    what = say(f"entry.{entry.kind.value}", locale)
    if entry.reference:
        what = f"{what} {plain(entry.reference)}"
    return "\n".join([what, *plain_lines(entry.title)])
