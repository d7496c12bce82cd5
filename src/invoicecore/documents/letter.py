"""Letters: what each e-mail says, in the payer's language (R7, R12)."""

from __future__ import annotations

from datetime import date

from invoicecore.collection import Collection
from invoicecore.credit_notes import CreditNote
from invoicecore.documents.credit_note import given_back
from invoicecore.documents.invoice import due_passed_at_issue
from invoicecore.documents.sheet import Fact, Letter, Sheet
from invoicecore.documents.words import fact, plain
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller
from invoicecore.payments import Payment, Refund, Reversal, ReversalKind, is_zero
from invoicecore.wording import format_date, format_money, method_name, say


def invoice_letter(invoice: Invoice, sheet: Sheet, biller: Biller) -> Letter:
    """ "Here is your invoice", with Pay Now unless nothing is left to pay (R7, R12, C4)."""
    due = "notice_was_due" if due_passed_at_issue(invoice) else "notice_due"
    due = due if invoice.balance == invoice.total else "notice_part_due"
    said = [_said(invoice, biller, sheet, due if _owed(invoice) else "notice_paid")]
    if not is_zero(invoice.facts.credit):
        said.append(say("mail.credit", sheet.locale, amount=invoice.facts.credit))
    subject = _said(invoice, biller, sheet, "notice_subject")
    return _letter(MessageKind.INVOICE_ISSUED, subject, said, invoice, sheet, biller)


def reminder_letter(
    invoice: Invoice, sheet: Sheet, biller: Biller, step: int, *, on: date, url: str | None = None
) -> Letter:
    """ "Still to be paid", worded for the day it goes out, which may be later than the step's (P3).

    `url` is its pay page: after the due date it is offered for a debit too, which has not come through.
    """
    late = on > invoice.due_on
    when = "after" if late else "before"
    said = [_said(invoice, biller, sheet, f"mail.reminder_{when}"), say("mail.crossed", sheet.locale)]
    subject = _said(invoice, biller, sheet, f"mail.reminder_{when}_subject")
    return _letter(
        MessageKind.REMINDER, subject, said, invoice, sheet, biller, step=step, late=late, url=url if late else None
    )


def receipt_letter(payment: Payment, invoice: Invoice, sheet: Sheet, biller: Biller) -> Letter:
    """ "We have received your payment", with its receipt (C7)."""
    locale = sheet.locale
    facts = (
        fact("heading.amount", format_money(payment.amount, locale), locale),
        fact("doc.received_on", format_date(payment.received_on, locale), locale),
        fact("heading.method", method_name(payment.method.value, locale), locale),
    )
    said = [say("mail.receipt", locale, amount=payment.amount, day=payment.received_on)]
    if not is_zero(payment.credited):
        said.append(say("overpaid_to_credit", locale, amount=payment.credited))
    subject = say("mail.receipt_subject", locale, biller=plain(biller.name))
    return _letter(MessageKind.RECEIPT, subject, said, invoice, sheet, biller, facts=facts, payable=False)


def refund_letter(refund: Refund, invoice: Invoice, sheet: Sheet, biller: Biller) -> Letter:
    """ "We have given money back", to the payer or as credit (S12)."""
    locale, cash = sheet.locale, refund.amount - refund.to_credit
    said = []
    if not is_zero(cash):
        said.append(say("mail.refund", locale, amount=cash, number=plain(invoice.reference)))
    if not is_zero(refund.to_credit):
        said.append(say("mail.refund_to_credit", locale, amount=refund.to_credit, number=plain(invoice.reference)))
    facts = [
        fact("heading.amount", format_money(refund.amount, locale), locale),
        fact("heading.date", format_date(refund.refunded_on, locale), locale),
    ]
    if refund.reason:
        facts.append(fact("heading.reason", plain(refund.reason), locale))
    subject = say("mail.refund_subject", locale, biller=plain(biller.name))
    return _letter(MessageKind.REFUND, subject, said, invoice, sheet, biller, facts=tuple(facts), payable=False)


def credit_note_letter(
    note: CreditNote, refund: Refund | None, invoice: Invoice, sheet: Sheet, biller: Biller
) -> Letter:
    """ "Here is a credit note", with what became of its amount; `sheet` is the note's own (P5)."""
    locale, number = sheet.locale, plain(note.number)
    said = [say("mail.credit_note", locale, number=number, amount=note.total, invoice=plain(invoice.reference))]
    if not is_zero(note.settled):
        said.append(say("mail.credit_note_settled", locale, amount=note.settled))
    to_credit, cash = given_back(refund) or (None, None)
    if to_credit is not None and not is_zero(to_credit):
        said.append(say("mail.credit_note_to_credit", locale, amount=to_credit))
    if cash is not None and not is_zero(cash):
        said.append(say("mail.credit_note_paid_back", locale, amount=cash))
    if _owed(invoice):
        said.append(say("doc.left_on", locale, amount=invoice.balance, number=plain(invoice.reference)))
    subject = say("mail.credit_note_subject", locale, number=number, biller=plain(biller.name))
    return _letter(MessageKind.CREDIT_NOTE, subject, said, invoice, sheet, biller, facts=sheet.facts, payable=False)


def collection_notice_letter(
    collection: Collection, label: str, invoice: Invoice, sheet: Sheet, biller: Biller
) -> Letter:
    """ "We will collect": the amount, the day the money is expected, and from what; `label` masks its number (S9)."""
    locale, day = sheet.locale, collection.expected_on or collection.charge_on
    given = {"amount": collection.amount, "number": plain(invoice.reference), "biller": plain(biller.name)}
    if day is not None:
        said = [say("mail.collection_notice", locale, day=day, **given)]
    else:
        said = [say("mail.collection_notice_soon", locale, **given)]
    facts = [fact("heading.amount", format_money(collection.amount, locale), locale)]
    if day is not None:
        facts.append(fact("doc.expected_on", format_date(day, locale), locale))
    how = method_name(collection.kind.value, locale)
    facts.append(fact("heading.method", f"{how} ({plain(label)})" if label else how, locale))
    subject = say("mail.collection_notice_subject", locale, **given)
    return _letter(
        MessageKind.COLLECTION_NOTICE, subject, said, invoice, sheet, biller, facts=tuple(facts), payable=False
    )


def collection_failed_letter(
    collection: Collection, invoice: Invoice, sheet: Sheet, biller: Biller, *, url: str | None
) -> Letter:
    """ "The payment did not go through", why in plain words, and another way to pay (S9). `url` is the pay page."""
    locale = sheet.locale
    given = {"amount": collection.amount, "number": plain(invoice.reference), "biller": plain(biller.name)}
    said = [say("mail.collection_failed", locale, **given)]
    if collection.decline is not None:
        said.append(say(f"decline.{collection.decline.code.value}", locale))
    if url is not None:
        said.append(say("mail.pay_otherwise", locale, amount=invoice.recordable))
    subject = say("mail.collection_failed_subject", locale, **given)
    return _letter(MessageKind.COLLECTION_FAILED, subject, said, invoice, sheet, biller, late=True, url=url)


def payment_reversed_letter(
    reversal: Reversal, payment: Payment, invoice: Invoice, sheet: Sheet, biller: Biller, *, url: str | None
) -> Letter:
    """ "Your payment has gone back", so that the invoice is open again (D3). `url` is its pay page."""
    locale, number = sheet.locale, plain(invoice.reference)
    by_hand = reversal.kind is ReversalKind.BY_HAND
    key = "mail.payment_reversed_by_hand" if by_hand else "mail.payment_reversed"
    said = [
        say(key, locale, amount=reversal.amount, day=payment.received_on),
        say("mail.open_again", locale, number=number, amount=invoice.balance),
    ]
    if not by_hand:
        said.append(say("mail.not_recognised", locale))
    subject = say("mail.payment_reversed_subject", locale, number=number, biller=plain(biller.name))
    return _letter(MessageKind.PAYMENT_REVERSED, subject, said, invoice, sheet, biller, late=True, url=url)


def _letter(
    kind: MessageKind,
    subject: str,
    said: list[str],
    invoice: Invoice,
    sheet: Sheet,
    biller: Biller,
    *,
    facts: tuple[Fact, ...] | None = None,
    payable: bool = True,
    step: int | None = None,
    late: bool = False,
    url: str | None = None,
) -> Letter:
    locale = sheet.locale
    pay = sheet.pay if payable else None
    if pay is not None:
        url = url or pay.url
        if url is None:
            said.append(_asked(invoice, sheet) if late else pay.text)
    name = sheet.customer.name if sheet.customer is not None else ""
    return Letter(
        kind=kind.value,
        locale=locale,
        language=sheet.language,
        subject=subject,
        greeting=say("notice_hello", locale, name=name),
        paragraphs=(*said, say("mail.attached", locale, document=sheet.heading)),
        facts=facts if facts is not None else _facts(invoice, sheet),
        action=Fact(label=say("pay_now", locale), value=url) if pay is not None and url is not None else None,
        closing=say("mail.closing", locale),
        sender=plain(biller.name),
        sheet=sheet,
        step=step,
    )


def _asked(invoice: Invoice, sheet: Sheet) -> str:
    # After the due date nobody is told to wait for a debit that has not come through.
    number = plain(invoice.reference)
    return say("doc.pay_by_reference_now", sheet.locale, amount=invoice.recordable, number=number)


def _facts(invoice: Invoice, sheet: Sheet) -> tuple[Fact, ...]:
    locale = sheet.locale
    facts = [
        fact("heading.invoice", plain(invoice.reference), locale),
        fact("heading.title", plain(invoice.title), locale),
        fact("heading.total", format_money(invoice.total, locale), locale),
        fact("doc.due_date", format_date(invoice.due_on, locale), locale),
    ]
    if invoice.balance != invoice.total:
        facts.append(fact("doc.balance_due", format_money(invoice.balance, locale), locale))
    return tuple(facts)


def _said(invoice: Invoice, biller: Biller, sheet: Sheet, key: str) -> str:
    return say(
        key,
        sheet.locale,
        number=plain(invoice.reference),
        biller=plain(biller.name),
        amount=invoice.balance,
        due=invoice.due_on,
    )


def _owed(invoice: Invoice) -> bool:
    return invoice.lifecycle is Lifecycle.OPEN and not is_zero(invoice.balance)
