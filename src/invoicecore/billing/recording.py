"""Recording by hand: payments, their reversal, refunds, and the credit ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeVar

import attrs

from invoicecore.billing.alerting import overdrawn
from invoicecore.billing.desk import Change, Desk, one, several
from invoicecore.billing.issuing import move_credit
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.notifying import tell_payer
from invoicecore.billing.scheduling import close_pages
from invoicecore.credits import CreditEntry, CreditKind, oldest_due_first
from invoicecore.errors import InvalidValue, NotAllowed, NotEnough, NotFound, Overpayment
from invoicecore.invoices import Invoice, check
from invoicecore.messages import MessageKind
from invoicecore.money import Money, positive, total, zero
from invoicecore.parties import Customer, member, text, yes_or_no
from invoicecore.payments import (
    Payment,
    PaymentMethod,
    Refund,
    Reversal,
    after_credit,
)
from invoicecore.periods import as_date
from invoicecore.ports import InvoiceQuery

M = TypeVar("M", Payment, Refund)


class Recording:
    """Money received and returned by hand: the ledger's part of `billing.payments`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def record(
        self,
        invoice: Invoice | str | Sequence[Invoice | str],
        amount: Money | None = None,
        *,
        method: PaymentMethod | str = PaymentMethod.TRANSFER,
        received_on: date | None = None,
        reference: str = "",
        rest: str | None = None,
        notify: bool | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Payment:
        """Record money received elsewhere for one invoice, or one receipt over several of a customer's (C7).

        Without `amount` it is the whole recordable balance (balance − in flight). Several invoices are settled in the
        order given. `received_on` is the civil date it came, `on` unless given and never after it. `rest="credit"`
        turns what is left over into the customer's credit, else more than is due raises Overpayment (D6). `notify`
        e-mails the receipt or does not; None leaves it to the policy. Raises NotAllowed by status, InvalidValue,
        InvalidMoney, CurrencyMismatch, NotFound.
        """
        given = list(invoice) if isinstance(invoice, Sequence) and not isinstance(invoice, str) else [invoice]
        if not given:
            raise InvalidValue("invoice", given, "is empty", "name at least one invoice")
        owners = dict.fromkeys(self._desk.owner("invoice", ref) for ref in given)
        refs = [ref for _, ref in owners]
        biller = next(iter(owners))[0]
        for its_biller, ref in owners:
            if its_biller != biller:
                raise NotFound("invoice", ref)
        if rest not in (None, "credit"):
            raise InvalidValue("rest", rest, "is not known", "give rest='credit', or leave it out")
        for ref in refs[1:]:  # change() asks for the first
            self._desk.plugins.authorise(action="payments.record", actor=actor, biller=biller, subject=ref)
        with self._desk.change("payments.record", biller, on=on, actor=actor, subject=refs[0]) as change:
            how = member(PaymentMethod, method, "method")
            day = _past(received_on, "received_on", change.on)
            paid = positive(amount, "amount", currency=change.biller.currency) if amount is not None else None
            wanted = {"invoices": refs, "amount": paid, "method": how, "received_on": received_on,
                      "reference": reference, "rest": rest, **_wish(notify)}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                return change.again(Payment, made)[0]
            invoices = several(change.tx, Invoice, biller, refs)
            for one_invoice in invoices:
                check("pay", one_invoice, change.biller.policy, change.on)
            customer = _same_customer(invoices)
            due = total([i.recordable for i in invoices], change.biller.currency)
            paid = paid if paid is not None else due
            if paid > due and rest is None:
                raise Overpayment(paid, due)
            parts, left = [], paid
            for one_invoice in invoices:
                parts.append(min(left, one_invoice.recordable))
                left = left - parts[-1]
            if left.amount > 0 and customer is None:
                raise InvalidValue("rest", rest, "needs a customer to hold the credit", "pay what is due only")
            ledger = Ledger(change)
            payment = ledger.pay(
                ledger.read(refs),
                paid,
                parts,
                customer=customer,
                method=how,
                received_on=day,
                reference=text(reference, "reference", required=False),
            )
            change.made(payment.id)
            if payment.allocations:
                first = ledger.invoice(payment.allocations[0].invoice)
                tell_payer(change, MessageKind.RECEIPT, first, payment.id, notify=notify)
            ledger.write()
        return payment

    def reverse(
        self,
        payment: Payment | str,
        *,
        reason: str = "",
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Reversal:
        """Take a bounced or mistaken payment back whole: its invoices are owed again (D2).

        Credit it had left is taken back too, where it was applied from those invoices, the latest first. What was paid
        out of it meanwhile cannot be: the reversal's `amount` is then so much less than the payment's. Raises
        NotAllowed when already reversed, NotFound, KeyReused.
        """
        biller, ref = self._desk.owner("payment", payment)
        with self._desk.change("payments.reverse", biller, on=on, actor=actor, subject=ref) as change:
            if (made := change.replayed(key, {"payment": ref, "reason": reason})) is not None:
                return change.again(Reversal, made)[0]
            found = one(change.tx, Payment, biller, ref)
            if found.collection is not None:
                why = "a provider holds it, and tells when it is taken back"
                raise NotAllowed("reverse", "collected", ("refund",), why, "Refund it with to='gateway'")
            standing = [r for r in change.tx.find(Reversal, biller, {"payment": ref}) if r.cancelled_on is None]
            if standing:
                raise NotAllowed("reverse", "reversed", ())
            ledger = Ledger(change)
            reversal = ledger.reverse(found, found.amount, reason=text(reason, "reason", required=False))
            overdrawn(change, ledger.read(part.invoice for part in found.allocations), reversal)
            ledger.write()
            change.made(reversal.id)
        return reversal

    def get(self, payment: Payment | str) -> Payment:
        """The payment; NotFound otherwise."""
        biller, ref = self._desk.owner("payment", payment)
        with self._desk.view() as tx:
            return one(tx, Payment, biller, ref)

    def find(self, *, invoice: Invoice | str | None = None, customer: Customer | str | None = None) -> list[Payment]:
        """The payments of an invoice or of a customer, oldest first."""
        if (invoice is None) == (customer is None):
            raise InvalidValue(
                "invoice", invoice, "and customer: exactly one is needed", "name an invoice or a customer"
            )
        if invoice is not None:
            return self._of(Payment, invoice)
        biller, ref = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            one(tx, Customer, biller, ref)
            return tx.find(Payment, biller, {"customer": ref})

    def refunds(self, invoice: Invoice | str) -> list[Refund]:
        """The refunds of an invoice, oldest first."""
        return self._of(Refund, invoice)

    def _of(self, kind: type[M], invoice: Invoice | str) -> list[M]:
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.view() as tx:
            one(tx, Invoice, biller, ref)
            return tx.find(kind, biller, {"invoice": ref})


class Credits:
    """Money a customer has in advance: `billing.credits`. Security deposits are not credit (C8)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def deposit(
        self,
        customer: Customer | str,
        amount: Money,
        *,
        note: str = "",
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> CreditEntry:
        """Add to a customer's credit; by policy it settles open invoices at once, oldest due first (C8).

        Raises InvalidMoney, CurrencyMismatch, NotFound, KeyReused.
        """
        biller, who = self._desk.owner("customer", customer)
        with self._desk.change("credits.deposit", biller, on=on, actor=actor, subject=who) as change:
            given = positive(amount, "amount", currency=change.biller.currency)
            if (made := change.replayed(key, {"customer": who, "amount": given, "note": note})) is not None:
                return change.again(CreditEntry, made)[0]
            one(change.tx, Customer, biller, who)
            row = move_credit(change, who, CreditKind.DEPOSIT, given, note=text(note, "note", required=False))
            change.made(row.id)
            change.note(row.id, 1, "deposited", str(given.amount))
            if change.biller.policy.apply_credit:
                wanted = InvoiceQuery(biller=biller, on=change.on, customers=(who,), payable=True)
                _settle(change, who, oldest_due_first(row.balance, change.tx.invoices(wanted)))
        return row

    def apply(
        self,
        invoice: Invoice | str,
        amount: Money | None = None,
        *,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> CreditEntry:
        """Settle an invoice with its customer's credit: `amount`, or as much as there is and is owed (C8, C6).

        Raises NotAllowed by status or without a customer's credit, NotEnough, Overpayment, InvalidMoney, NotFound.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.change("credits.apply", biller, on=on, actor=actor, subject=ref) as change:
            asked = positive(amount, "amount", currency=change.biller.currency) if amount is not None else None
            if (made := change.replayed(key, {"invoice": ref, "amount": asked})) is not None:
                return change.again(CreditEntry, made)[0]
            before = one(change.tx, Invoice, biller, ref)
            check("apply credit", before, change.biller.policy, change.on)
            who = before.customer
            last = change.tx.last_credits(biller, [who], change.biller.currency).get(who) if who is not None else None
            there = last.balance if last is not None else zero(change.biller.currency)
            if who is None or there.amount <= 0:
                raise NotEnough("credit", asked if asked is not None else before.recordable, there)
            asked = asked if asked is not None else min(there, before.recordable)
            if asked > before.recordable:
                raise Overpayment(asked, before.recordable)
            row = _settle(change, who, [(before, asked)])[0]
            change.made(row.id)
        return row

    def withdraw(
        self,
        customer: Customer | str,
        amount: Money,
        *,
        note: str = "",
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> CreditEntry:
        """Pay credit out to the customer. Raises NotEnough beyond the balance, InvalidMoney, NotFound (C8)."""
        biller, who = self._desk.owner("customer", customer)
        with self._desk.change("credits.withdraw", biller, on=on, actor=actor, subject=who) as change:
            asked = positive(amount, "amount", currency=change.biller.currency)
            if (made := change.replayed(key, {"customer": who, "amount": asked, "note": note})) is not None:
                return change.again(CreditEntry, made)[0]
            one(change.tx, Customer, biller, who)
            row = move_credit(change, who, CreditKind.WITHDRAWN, -asked, note=text(note, "note", required=False))
            change.made(row.id)
            change.note(row.id, 1, "withdrawn", str(asked.amount))
        return row

    def balance(self, customer: Customer | str) -> Money:
        """The customer's credit now, zero without any."""
        biller, who = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            one(tx, Customer, biller, who)
            currency = self._desk.currency(tx, biller)
            last = tx.last_credits(biller, [who], currency).get(who)
            return last.balance if last is not None else zero(currency)

    def history(self, customer: Customer | str) -> list[CreditEntry]:
        """Every row of the customer's ledger, oldest first (C8)."""
        biller, who = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            one(tx, Customer, biller, who)
            return tx.find(CreditEntry, biller, {"customer": who})


def _settle(change: Change, customer: str, plan: Sequence[tuple[Invoice, Money]]) -> list[CreditEntry]:
    rows = []
    for invoice, part in plan:
        rows.append(move_credit(change, customer, CreditKind.APPLIED, -part, invoice=invoice.id))
        change.note(invoice.id, invoice.version + 1, "credit applied", str(part.amount))
    change.tx.replace([attrs.evolve(i, facts=after_credit(i.facts, part)) for i, part in plan])
    close_pages(change, [attrs.evolve(i, facts=after_credit(i.facts, part)) for i, part in plan])
    return rows


def _wish(notify: bool | None) -> dict[str, object]:
    # Only what was said is part of the request: a key from before there was a wish stays the same request (N3).
    return {} if notify is None else {"notify": yes_or_no(notify, "notify")}


def _past(day: date | None, field: str, today: date) -> date:
    given = as_date(day, field) if day is not None else today
    if given > today:
        raise InvalidValue(field, given, f"is after {today}", "give that day or an earlier one")
    return given


def _same_customer(invoices: Sequence[Invoice]) -> str | None:
    customers = {invoice.customer for invoice in invoices}
    if len(customers) > 1:
        raise InvalidValue(
            "invoice",
            [i.reference for i in invoices],
            "belong to several customers",
            "record a payment for each customer",
        )
    return customers.pop()
