"""The ledger: what money received, taken back and returned does to invoices and credit, each invoice written once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert, settle_overdrawn
from invoicecore.billing.desk import Change, one
from invoicecore.billing.issuing import move_credit
from invoicecore.billing.scheduling import close_pages
from invoicecore.collection import Collection
from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, total, zero
from invoicecore.payments import (
    Allocation,
    Payment,
    PaymentMethod,
    Refund,
    RefundState,
    Reversal,
    ReversalKind,
    after_credit,
    after_failed_refund,
    after_flight,
    after_payment,
    after_refund,
    after_reversal,
)


class Ledger:
    """The money one transaction moves; `write` ends it.

    Invoices are read through it and changed in it, so that each is written once whatever happens to it.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self._before: dict[str, Invoice] = {}
        self._now: dict[str, Invoice] = {}
        self._steps: dict[str, int] = {}
        self.reopened: list[str] = []
        """Invoices whose credit was taken back again: they had been settled by what a payment left."""

    def read(self, refs: Iterable[str]) -> list[Invoice]:
        """The invoices of those ids as they stand in this transaction; NotFound."""
        wanted = list(dict.fromkeys(refs))
        missing = [ref for ref in wanted if ref not in self._now]
        for ref, found in self._change.tx.get(Invoice, self._change.biller.id, missing).items():
            self._before[ref] = self._now[ref] = found
        return [self._now[ref] if ref in self._now else self._absent(ref) for ref in wanted]

    def invoice(self, ref: str) -> Invoice:
        """The invoice of that id as it stands in this transaction; NotFound."""
        return self.read([ref])[0]

    def _absent(self, ref: str) -> Invoice:
        return one(self._change.tx, Invoice, self._change.biller.id, ref)  # raises NotFound

    def note(self, ref: str, action: str, detail: str = "") -> None:
        """Put a step on an invoice's timeline, after those of this transaction; the invoice gets a version by it."""
        step = self._steps.get(ref, 0)
        self._steps[ref] = step + 1
        self._change.note(ref, self.invoice(ref).version + 1, action, detail, step=step)

    def _put(self, invoice: Invoice) -> None:
        self._now[invoice.id] = invoice

    def write(self) -> None:
        """Write every invoice that changed, and have the pages closed that ask for what is not owed any more."""
        changed = [each for ref, each in self._now.items() if each is not self._before[ref] or ref in self._steps]
        self._change.tx.replace(changed)
        close_pages(self._change, [each for each in changed if each.balance != self._before[each.id].balance])
        for each in changed:
            if self._before[each.id].facts.held.amount < 0 <= each.facts.held.amount:
                settle_overdrawn(self._change, each)

    def pay(
        self,
        invoices: Sequence[Invoice],
        amount: Money,
        parts: Sequence[Money],
        *,
        customer: str | None,
        method: PaymentMethod,
        received_on: date,
        reference: str = "",
        collection: str | None = None,
    ) -> Payment:
        """Record money received: `parts` of it settle the invoices, the rest becomes the customer's credit (C7, D6)."""
        change = self._change
        allocations = [
            Allocation(invoice=invoice.id, amount=part)
            for invoice, part in zip(invoices, parts, strict=True)
            if part.amount > 0
        ]
        left = amount
        for allocation in allocations:
            left = left - allocation.amount
        payment = Payment(
            id=change.ids("pay")[0],
            biller=change.biller.id,
            customer=customer,
            amount=amount,
            method=method,
            received_on=received_on,
            allocations=tuple(allocations),
            credited=left,
            reference=reference,
            actor=change.actor,
            collection=collection,
        )
        change.tx.add([payment])
        for allocation in allocations:
            invoice = self.invoice(allocation.invoice)
            self._put(attrs.evolve(invoice, facts=after_payment(invoice.facts, allocation.amount)))
            self.note(allocation.invoice, "paid", f"{allocation.amount.amount} {method}")
        if not allocations:
            change.note(payment.id, 1, "paid", f"{amount.amount} {method}")
        if left.amount > 0 and customer is not None:
            move_credit(change, customer, CreditKind.OVERPAYMENT, left, payment=payment.id)
        return payment

    def reverse(
        self,
        payment: Payment,
        amount: Money,
        *,
        kind: ReversalKind = ReversalKind.BY_HAND,
        reason: str = "",
        reference: str = "",
    ) -> Reversal:
        """Take `amount` of a payment back: its invoices are owed again, credit it left is taken back where it is (D2)."""
        change, before = self._change, self._reversed(payment)
        # As it stands: what another reversal gave back in this transaction may have become credit instead.
        payment = one(change.tx, Payment, change.biller.id, payment.id)
        for ref, part in _parts(payment, before, before + amount):
            invoice = self.invoice(ref)
            self._put(attrs.evolve(invoice, facts=after_reversal(invoice.facts, part)))
            self.note(ref, "payment reversed", str(part.amount))
        lost = self.take_credit_back(payment, _credit(payment, before, before + amount))
        reversal = Reversal(
            id=change.ids("rev")[0],
            biller=change.biller.id,
            payment=payment.id,
            amount=amount - lost,
            reversed_on=change.on,
            reason=reason,
            actor=change.actor,
            kind=kind,
            reference=reference,
        )
        change.tx.add([reversal])
        return reversal

    def undo(self, reversal: Reversal) -> Reversal:
        """Cancel a reversal: its money is there again, for the same invoices as far as they still ask for it (D3).

        What they do not ask for any more, because they were paid in another way meanwhile, becomes the customer's
        credit with an alert (D6); without a customer it is held on them.
        """
        change = self._change
        payment = one(change.tx, Payment, change.biller.id, reversal.payment)
        before = self._reversed(payment)
        beyond = _credit(payment, before - reversal.amount, before)
        spare = zero(change.biller.currency)
        kept = {part.invoice: part.amount for part in payment.allocations}
        for ref, part in _parts(payment, before - reversal.amount, before):
            invoice = self.invoice(ref)
            owed = invoice.balance if invoice.lifecycle is Lifecycle.OPEN else zero(invoice.currency)
            # What went out of it beyond what it holds it misses, also when it is void or credited since (P4).
            missing = max(-invoice.facts.held, zero(invoice.currency))
            back = min(part, max(owed, missing)) if payment.customer is not None else part
            self._put(attrs.evolve(invoice, facts=after_payment(invoice.facts, back)))
            self.note(ref, "reversal cancelled", str(back.amount))
            spare, kept[ref] = spare + (part - back), kept[ref] - (part - back)
        if spare.amount > 0:
            left = tuple(Allocation(invoice=ref, amount=part) for ref, part in kept.items() if part.amount > 0)
            change.tx.replace([attrs.evolve(payment, allocations=left, credited=payment.credited + spare)])
        credit = beyond + spare
        if credit.amount > 0 and payment.customer is not None:
            move_credit(change, payment.customer, CreditKind.OVERPAYMENT, credit, payment=payment.id)
            told = f"{credit.amount} {credit.currency.code} is there again and not owed any more; it is the customer's credit"
            about = payment.allocations[0].invoice if payment.allocations else None
            # Told of the reversal: the next one of this payment that is won is something new.
            alert(change, AlertKind.OVERPAID, reversal.id, told, invoice=about)
        cancelled = attrs.evolve(reversal, cancelled_on=change.on)
        change.tx.replace([cancelled])
        return cancelled

    def _reversed(self, payment: Payment) -> Money:
        """How much of a payment is taken back as it stands."""
        found = self._change.tx.find(Reversal, payment.biller, {"payment": payment.id})
        return total([each.amount for each in found if each.cancelled_on is None], payment.amount.currency.code)

    def refund(self, refund: Refund) -> None:
        """Record a new refund: its money has left the invoice, or is leaving it, and the credit it is of (S12)."""
        refund = self._without_spent(refund)
        invoice = self.invoice(refund.invoice)
        self._change.tx.add([refund])
        self._put(attrs.evolve(invoice, facts=after_refund(invoice.facts, refund)))
        if refund.to_credit.amount > 0 and invoice.customer is not None:
            move_credit(self._change, invoice.customer, CreditKind.RETURNED, refund.to_credit, invoice=invoice.id)

    def refund_failed(self, refund: Refund, state: RefundState, why: str) -> Refund:
        """A refund that gave nothing back, or came back: its money is held again, and its credit there again."""
        invoice = self.invoice(refund.invoice)
        if refund.of_credit is not None and refund.of_credit.amount > 0 and invoice.customer is not None:
            move_credit(
                self._change, invoice.customer, CreditKind.OVERPAYMENT, refund.of_credit, payment=refund.payment
            )
        self._put(attrs.evolve(invoice, facts=after_failed_refund(invoice.facts, refund)))
        self.note(refund.invoice, "refund failed", str(refund.amount.amount))
        return attrs.evolve(refund, state=state, failed_on=self._change.on, next_try_at=None, error=why)

    def refund_again(self, refund: Refund) -> Refund:
        """A refund that was thought to have given nothing back did; the refund, with what credit there still was."""
        refund = self._without_spent(refund)
        invoice = self.invoice(refund.invoice)
        self._put(attrs.evolve(invoice, facts=after_refund(invoice.facts, refund)))
        self.note(refund.invoice, "refunded", str(refund.amount.amount))
        return refund

    def _without_spent(self, refund: Refund) -> Refund:
        """The refund once the credit it is of was taken; what was spent of that meanwhile leaves the invoice instead."""
        if refund.of_credit is None or refund.of_credit.amount <= 0 or refund.payment is None:
            return refund
        payment = one(self._change.tx, Payment, refund.biller, refund.payment)
        return attrs.evolve(refund, of_credit=refund.of_credit - self.take_credit_back(payment, refund.of_credit))

    def reserve(self, collection: Collection) -> None:
        """Store a new attempt, its amount in flight from now on (D2), and write the books."""
        self._change.tx.add([collection])
        self.fly(collection.invoice, collection.amount)
        self.note(collection.invoice, "collection reserved", str(collection.amount.amount))
        self.write()

    def fly(self, ref: str, amount: Money) -> None:
        """A collection of `amount` went live; a negative amount when it is live no more (D2)."""
        invoice = self.invoice(ref)
        self._put(attrs.evolve(invoice, facts=after_flight(invoice.facts, amount)))

    def take_credit_back(self, payment: Payment, wanted: Money) -> Money:
        """Take back credit a payment left, also where it was applied meanwhile; what could not be taken back."""
        change, customer = self._change, payment.customer
        nothing = zero(change.biller.currency)
        if wanted.amount <= 0 or customer is None:
            return nothing
        rows = change.tx.find(CreditEntry, payment.biller, {"customer": customer})
        short = wanted - rows[-1].balance
        for row in reversed(rows):
            if short.amount <= 0:
                break
            if row.kind is not CreditKind.APPLIED or row.invoice is None:
                continue
            invoice = self.invoice(row.invoice)
            part = min(short, invoice.facts.credit_held)
            if invoice.lifecycle is Lifecycle.OPEN and part.amount > 0:
                short = short - part
                self._put(attrs.evolve(invoice, facts=after_credit(invoice.facts, -part)))
                move_credit(change, customer, CreditKind.RETURNED, part, invoice=invoice.id, payment=payment.id)
                self.note(invoice.id, "credit returned", str(part.amount))
                self.reopened.append(invoice.id)
        lost = max(short, nothing)
        if wanted > lost:
            move_credit(change, customer, CreditKind.WITHDRAWN, lost - wanted, payment=payment.id)
        return lost


def _parts(payment: Payment, after: Money, until: Money) -> list[tuple[str, Money]]:
    """How the part of a payment from `after` to `until` is spread over its invoices, in their order."""
    parts, start = [], zero(payment.amount.currency.code)
    for allocation in payment.allocations:
        end = start + allocation.amount
        part = min(end, until) - max(start, after)
        if part.amount > 0:
            parts.append((allocation.invoice, part))
        start = end
    return parts


def _credit(payment: Payment, after: Money, until: Money) -> Money:
    """The rest of that part: what had not settled invoices but become credit."""
    rest = until - after
    for _, part in _parts(payment, after, until):
        rest = rest - part
    return min(max(rest, zero(rest.currency.code)), payment.credited)
