"""Issuing: what happens to drafts when they become invoices, whoever publishes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import attrs

from invoicecore.altering import altered
from invoicecore.billing.desk import Change, one
from invoicecore.billing.drafting import reach
from invoicecore.billing.notifying import queue
from invoicecore.billing.scheduling import close_pages, reserve_issued
from invoicecore.charges import Charge, ChargeState
from invoicecore.credits import CreditEntry, CreditKind, entry, oldest_due_first
from invoicecore.errors import NotAllowed
from invoicecore.invoices import Caveat, Invoice, InvoiceKind, format_number, number_series, publish
from invoicecore.leases import Lease
from invoicecore.messages import MessageKind
from invoicecore.money import Money
from invoicecore.parties import Biller, BillTo, Customer, InvoiceMethod, Policy, Unit, bill_to
from invoicecore.payments import after_credit
from invoicecore.ports import Counter, InvoiceQuery, Reader
from invoicecore.wording import say


def issue(
    change: Change,
    drafts: Sequence[Invoice],
    wants: Callable[[Invoice, Customer | None], bool],
    *,
    payers: Mapping[str, Customer] | None = None,
    methods: Mapping[str, InvoiceMethod] | None = None,
    new: bool = False,
    action: str = "published",
) -> list[Invoice]:
    """Publish drafts in one transaction: numbers, payers frozen, charges locked, credit applied, collections reserved,
    notices queued.

    The drafts were judged before and carry their due date: each takes the next number in this order (N1). `new` adds
    them instead of replacing them, as the run does. Raises NotAllowed when policy `chronological` forbids the date.
    """
    if not drafts:
        return []
    biller, tx, on = change.biller, change.tx, change.on
    who = payers if payers is not None else payers_of(tx, biller, drafts)
    policy = biller.policy
    series = number_series(policy, on)
    counter = tx.take_numbers(biller.id, series, len(drafts), on)
    if (refused := out_of_order(policy, counter, on)) is not None:
        raise refused
    bills: dict[str, BillTo] = {}
    issued: list[Invoice] = []
    for n, draft in enumerate(drafts, counter.next):
        payer = who.get(draft.id)
        if payer is not None and payer.id not in bills:
            bills[payer.id] = bill_to(payer, biller)
        invoice = publish(
            draft,
            number=format_number(policy, n, on),
            on=on,
            due=draft.due_on,
            bill_to=bills[payer.id] if payer is not None else None,
        )
        if payer is not None and invoice.customer is None:
            invoice = attrs.evolve(invoice, customer=payer.id)
        issued.append(invoice)
    _lock_charges(change, issued)
    if policy.apply_credit:
        issued = _apply_credit(change, issued, new=new)
    issued, collections, without = reserve_issued(change, issued, methods or _methods(tx, issued))

    def told_of(invoice: Invoice) -> bool:
        # Who should be debited and cannot be is asked for the money instead (S9).
        return invoice.id in who and (invoice.id in without or wants(invoice, who[invoice.id]))

    told = [(invoice, who[invoice.id]) for invoice in issued if told_of(invoice)]
    queue(change, MessageKind.INVOICE_ISSUED, told)
    if new:
        tx.add(issued)
    else:
        tx.replace(issued)
    tx.add(collections)
    flying = {collection.invoice: collection.amount for collection in collections}
    step = 0 if new else 1
    written = []
    for invoice in issued:
        change.note(invoice.id, invoice.version + step, action, invoice.number or "")
        if invoice.id in flying:
            amount = str(flying[invoice.id].amount)
            change.note(invoice.id, invoice.version + step, "collection reserved", amount, step=2)
        caveats = due_passed(biller, invoice.due_on, on)
        payer = who.get(invoice.id)
        if payer is None or (payer.email is None and told_of(invoice)):
            unit = one(tx, Unit, biller.id, invoice.unit) if invoice.unit and payer is None and not new else None
            caveats += reach(biller, unit, payer)
        if invoice.id in without:
            caveats += (no_method(biller),)
        if step or caveats:
            invoice = altered(invoice, version=invoice.version + step, warnings=caveats)
        written.append(invoice)
    return written


def no_method(biller: Biller) -> Caveat:
    """That a debit cannot be made, and the invoice is sent with a link instead (S9)."""
    return Caveat(code="no_method", text=say("no_method", biller.locale))


def _methods(tx: Reader, issued: Sequence[Invoice]) -> dict[str, InvoiceMethod]:
    leases = {invoice.lease for invoice in issued if invoice.lease is not None}
    found = tx.get(Lease, issued[0].biller, leases) if leases else {}
    return {invoice.id: found[invoice.lease].method for invoice in issued if invoice.lease in found}


def out_of_order(policy: Policy, counter: Counter, on: date) -> NotAllowed | None:
    """What refuses an issue date before the last of its series, where policy says `chronological` (N1)."""
    last = counter.last_on
    if not policy.chronological or last is None or on >= last:
        return None
    return NotAllowed("publish", "draft", ("publish on a later day",), f"{on} is before the last issue date {last}")


def move_credit(
    change: Change,
    customer: str,
    kind: CreditKind,
    amount: Money,
    *,
    invoice: str | None = None,
    payment: str | None = None,
    note: str = "",
) -> CreditEntry:
    """Write the next row of a customer's credit ledger; NotEnough when it would fall below zero (C8)."""
    last = change.tx.last_credits(change.biller.id, [customer], change.biller.currency).get(customer)
    row = entry(
        last,
        id=change.ids("crd")[0],
        biller=change.biller.id,
        customer=customer,
        kind=kind,
        amount=amount,
        on=change.on,
        invoice=invoice,
        payment=payment,
        note=note,
        actor=change.actor,
    )
    change.tx.add([row])
    return row


def _apply_credit(change: Change, issued: Sequence[Invoice], *, new: bool) -> list[Invoice]:
    # Before notices, oldest due first over all the customer's open invoices, those just issued among them (C8).
    biller, tx = change.biller, change.tx
    customers = {invoice.customer for invoice in issued if invoice.customer is not None}
    lasts = tx.last_credits(biller.id, customers, biller.currency)
    funded = {who: last for who, last in lasts.items() if last.balance.amount > 0}
    if not funded:
        return list(issued)
    fresh = {invoice.id: invoice for invoice in issued}
    wanted = InvoiceQuery(biller=biller.id, on=change.on, customers=tuple(funded), payable=True)
    older = [invoice for invoice in tx.invoices(wanted) if invoice.id not in fresh]
    entries: list[CreditEntry] = []
    changed: list[Invoice] = []
    for who, last in funded.items():
        mine = [invoice for invoice in (*older, *issued) if invoice.customer == who]
        for invoice, part in oldest_due_first(last.balance, mine):
            last = entry(
                last, id="", biller=biller.id, customer=who, kind=CreditKind.APPLIED, amount=-part, on=change.on,
                invoice=invoice.id, actor=change.actor,
            )  # fmt: skip
            entries.append(last)
            after = attrs.evolve(invoice, facts=after_credit(invoice.facts, part))
            if invoice.id in fresh:
                fresh[invoice.id] = after
            else:
                changed.append(after)
            version = invoice.version + (0 if new and invoice.id in fresh else 1)
            change.note(invoice.id, version, "credit applied", str(part.amount), step=1)
    ids = change.ids("crd", len(entries))
    tx.add([attrs.evolve(row, id=id) for id, row in zip(ids, entries, strict=True)])
    tx.replace(changed)
    close_pages(change, changed)
    return [fresh[invoice.id] for invoice in issued]


def wishes(biller: Biller, draft: Invoice, payer: Customer | None) -> bool:
    """Whether a notice is wished: by the client, else by the biller's policy, else by the draft (R7, C4)."""
    if payer is not None and payer.notify is not None:
        return payer.notify
    policy = biller.policy.notify_on_publish
    return policy if policy is not None else draft.notify


def payers_of(tx: Reader, biller: Biller, drafts: Sequence[Invoice]) -> dict[str, Customer]:
    """Who each draft will be billed to, by draft id: its customer, or its unit's primary resident (R19)."""
    units = tx.get(Unit, biller.id, {draft.unit for draft in drafts if draft.unit and not draft.customer})
    refs = {}
    for draft in drafts:
        ref = draft.customer or (units[draft.unit].resident if draft.unit in units else None)
        if ref is not None:
            refs[draft.id] = ref
    people = tx.get(Customer, biller.id, set(refs.values()))
    return {draft: people[ref] for draft, ref in refs.items() if ref in people}


def _lock_charges(change: Change, issued: Sequence[Invoice]) -> None:
    refs = [invoice.id for invoice in issued if invoice.kind is InvoiceKind.CHARGES]
    if not refs:
        return
    drafted = change.tx.find(Charge, change.biller.id, {"invoice": refs})
    change.tx.replace([attrs.evolve(charge, state=ChargeState.INVOICED) for charge in drafted])


def due_passed(biller: Biller, due_on: date, on: date) -> tuple[Caveat, ...]:
    """A caveat when an invoice is overdue from its issue on (R10)."""
    if due_on >= on:
        return ()
    return (Caveat(code="due_passed", text=say("due_passed", biller.locale, due=due_on)),)
