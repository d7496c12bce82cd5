"""Crediting: a published invoice is taken back by numbered notes, in parts or in full (P5, R14, M9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import attrs

from invoicecore.billing import ending
from invoicecore.billing.desk import Change, Desk, biller_in, one
from invoicecore.billing.documenting import notes_of
from invoicecore.billing.issuing import move_credit
from invoicecore.billing.notifying import tell_payer
from invoicecore.billing.refunding import by_gateway, submit_refund
from invoicecore.billing.scheduling import close_pages
from invoicecore.credit_notes import (
    CreditNote,
    Proposal,
    left,
    note_number,
    note_series,
    shares,
    take_back,
)
from invoicecore.credits import CreditKind
from invoicecore.errors import InvalidValue, NotAllowed
from invoicecore.invoices import Invoice, Lifecycle, allowed, check
from invoicecore.leases import Lease, unused_part
from invoicecore.messages import MessageKind
from invoicecore.money import Money
from invoicecore.parties import Biller, Customer, locale_of_payer, text, yes_or_no
from invoicecore.payments import PaymentMethod, Refund, after_note, after_refund, refund_shares
from invoicecore.ports import InvoiceQuery
from invoicecore.wording import say

if TYPE_CHECKING:
    from invoicecore.documents import Sheet


class CreditNotes:
    """Notes that take published invoices back: `billing.credit_notes`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def issue(
        self,
        invoice: Invoice | str,
        lines: Mapping[int, Money | None] | None = None,
        amount: Money | None = None,
        *,
        to: str | None = None,
        reason: str = "",
        notify: bool | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> CreditNote:
        """Credit a published invoice: all that is left of it, some `lines`, or an `amount` with tax (P5).

        `lines` are amounts by the place of a line, from 0, as they stand on the invoice: before tax where its prices
        are; None is what is left of the line. `amount` alone is spread over them. What is still owed is settled first;
        the rest, which was paid, is given back: `to="credit"` as the customer's credit, the default where there is a
        customer, `to="source"` as money you give back yourself, `to="gateway"` through the provider that took it, of
        one payment: should it fail, the note stands, the money is held, and an alert says so. What was paid by credit
        goes to credit only. `notify`
        e-mails the note or does not; None leaves it to the policy. It is dated `on`, not before its invoice.

        Raises NotAllowed for a draft, a void invoice and one that is credited in full, NotEnough beyond what is left
        of a line or in all, or beyond one payment of a provider, StoreError inside a transaction with a provider (P2), InvalidValue, InvalidMoney, CurrencyMismatch, NotFound, KeyReused.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        if to not in (None, "credit", "source", "gateway"):
            raise InvalidValue("to", to, "is not known", "give 'credit', 'source' or 'gateway'")
        if to == "gateway":
            self._desk.outside()
        refund: Refund | None = None
        with self._desk.change("credit_notes.issue", biller, on=on, actor=actor, subject=ref) as change:
            wanted = {"invoice": ref, "lines": lines, "amount": amount, "to": to, "reason": reason,
                      **({} if notify is None else {"notify": yes_or_no(notify, "notify")})}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return change.again(CreditNote, made)[0]
            before = one(change.tx, Invoice, biller, ref)
            earlier = change.tx.find(CreditNote, biller, {"invoice": ref})
            _check(before, earlier, change)
            part = take_back(before, earlier, lines, amount)
            settled, rest = shares(before, part.total)
            note = CreditNote(
                id=change.ids("crn")[0],
                biller=biller,
                invoice=ref,
                number=_number(change),
                currency=before.currency,
                lines=part.lines,
                taxes=part.taxes,
                total=part.total,
                settled=settled,
                issued_on=change.on,
                prices_include_tax=before.prices_include_tax,
                customer=before.customer,
                bill_to=before.bill_to,
                reason=text(reason, "reason", required=False, longest=2000, lines=True),
                actor=change.actor,
                lease_ends=_lease_ends(change, before),
            )
            after = attrs.evolve(before, facts=after_note(before.facts, settled))
            change.note(ref, before.version + 1, "credited", f"{note.number} {part.total.amount}")
            if rest.amount > 0:
                wanted_to = to or ("credit" if before.customer else "source")
                refund, after = _give_back(change, after, note, rest, wanted_to)
                note = attrs.evolve(note, refund=refund.id)
            change.tx.replace([after])
            change.tx.add([note])
            close_pages(change, [after])
            change.made(note.id)
            tell_payer(change, MessageKind.CREDIT_NOTE, before, note.id, notify=notify)
        if refund is not None and refund.gateway is not None:
            submit_refund(self._desk, refund, actor=actor, action="credit_notes.issue")
        return note

    def propose(self, lease: Lease | str) -> list[Proposal]:
        """What to credit of a lease's invoices beyond its end, so far as it is not credited yet; writes nothing (M9).

        Each is for `issue(proposal.invoice, proposal.lines, reason=proposal.reason)`; `amount` is with tax. Drafts are
        not among them: edit or delete those.
        """
        biller, ref = self._desk.owner("lease", lease)
        with self._desk.view() as tx:
            owner, found = biller_in(tx, biller), one(tx, Lease, biller, ref)
            invoices = tx.invoices(InvoiceQuery(biller=biller, on=self._desk.today(owner), lease=ref))
            notes = ending.notes_of(tx, biller, invoices)
        proposals = []
        for invoice in invoices:
            earlier = notes.get(invoice.id, ())
            if invoice.lifecycle is Lifecycle.OPEN and (lines := ending.to_credit(found, invoice, earlier)):
                locale = locale_of_payer(invoice.bill_to, owner)
                proposals.append(
                    Proposal(
                        invoice=invoice.id,
                        reference=invoice.reference,
                        lines=lines,
                        amount=take_back(invoice, earlier, lines).total,
                        reason=say("lease_ended_on", locale, day=found.ends),
                    )
                )
        return proposals

    def get(self, note: CreditNote | str) -> CreditNote:
        """The credit note; NotFound otherwise."""
        biller, ref = self._desk.owner("creditnote", note)
        with self._desk.view() as tx:
            return one(tx, CreditNote, biller, ref)

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        invoice: Invoice | str | None = None,
        customer: Customer | str | None = None,
        number: str | None = None,
    ) -> list[CreditNote]:
        """Credit notes, oldest first: of a biller, of one invoice or customer, or of a number, as they are given."""
        owner, where = biller, dict[str, str]()
        for kind, given in (("invoice", invoice), ("customer", customer)):
            if given is not None:
                owner, where[kind] = self._desk.owner(kind, given, owner)
        owner = self._desk.biller_id(owner)
        with self._desk.view() as tx:
            biller_in(tx, owner)
            if invoice is not None:
                one(tx, Invoice, owner, where["invoice"])
            if customer is not None:
                one(tx, Customer, owner, where["customer"])
            if number is not None:
                where["number"] = text(number, "number")
            return tx.find(CreditNote, owner, where)

    def sheet(self, note: CreditNote | str) -> Sheet:
        """What the credit note's document says, in the payer's language, for a renderer or a page of your own (S11)."""
        biller, ref = self._desk.owner("creditnote", note)
        with self._desk.view() as tx:
            return notes_of(tx, biller_in(tx, biller), [one(tx, CreditNote, biller, ref)])[ref]

    def pdf(self, note: CreditNote | str) -> bytes:
        """The credit note as a PDF, the same on any day (S11). Raises NotFound, and as `invoices.pdf` does."""
        sheet = self.sheet(note)
        return self._desk.wiring.draw(sheet)


def _check(invoice: Invoice, earlier: Sequence[CreditNote], change: Change) -> None:
    if invoice.lifecycle is not Lifecycle.OPEN:
        check("credit", invoice, change.biller.policy, change.on)
    if left(invoice, earlier).total.amount <= 0:
        can = [action for action in allowed(invoice, change.biller.policy) if action != "credit"]
        raise NotAllowed("credit", invoice.status_on(change.on).value, can, "all of it is credited")
    if invoice.issued_on is not None and change.on < invoice.issued_on:
        reason = f"is before {invoice.issued_on}, when the invoice was issued"
        raise InvalidValue("on", change.on, reason, "give that day or a later one")


def _number(change: Change) -> str:
    """The next number of the biller's credit notes (N1)."""
    policy, on = change.biller.policy, change.on
    counter = change.tx.take_numbers(change.biller.id, note_series(policy, on), 1, on)
    if policy.chronological and counter.last_on is not None and on < counter.last_on:
        reason = f"{on} is before the last credit note's date {counter.last_on}"
        raise NotAllowed("credit", "open", ("credit on a later day",), reason)
    return note_number(policy, counter.next, on)


def _give_back(change: Change, invoice: Invoice, note: CreditNote, amount: Money, to: str) -> tuple[Refund, Invoice]:
    """Give back what was paid of a credited invoice, as a refund of it; the refund, and the invoice after it (S12)."""
    if to == "gateway":
        refund = by_gateway(change, invoice, amount, None, note.reason)
        change.desk.wiring.gateway_named(refund.gateway or "")  # refuses before anything is written
        change.tx.add([refund])
        change.note(invoice.id, invoice.version + 1, "refunded", f"{amount.amount} to {to}", step=1)
        return refund, attrs.evolve(invoice, facts=after_refund(invoice.facts, refund))
    to_credit, from_credit = refund_shares(invoice.facts, amount, to_credit=to == "credit")
    if to_credit.amount > 0 and invoice.customer is None:
        raise InvalidValue("to", to, "needs a customer to hold the credit", "give it back to the source")
    refund = Refund(
        id=change.ids("ref")[0],
        biller=invoice.biller,
        invoice=invoice.id,
        amount=amount,
        to_credit=to_credit,
        from_credit=from_credit,
        method=PaymentMethod.TRANSFER,
        refunded_on=change.on,
        reference=note.number,
        reason=note.reason,
        actor=change.actor,
    )
    change.tx.add([refund])
    if to_credit.amount > 0 and invoice.customer is not None:
        move_credit(change, invoice.customer, CreditKind.RETURNED, to_credit, invoice=invoice.id)
    change.note(invoice.id, invoice.version + 1, "refunded", f"{amount.amount} to {to}", step=1)
    return refund, attrs.evolve(invoice, facts=after_refund(invoice.facts, refund))


def _lease_ends(change: Change, invoice: Invoice) -> date | None:
    """The last day of the invoice's lease, where the invoice goes beyond it."""
    if invoice.lease is None or invoice.period is None:
        return None
    lease = one(change.tx, Lease, invoice.biller, invoice.lease)
    return lease.ends if unused_part(lease, invoice.period) is not None else None
