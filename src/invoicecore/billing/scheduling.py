"""Scheduling: what is to be collected, and what is to be called off, stored with what causes it (S9, C6, D6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import attrs

from invoicecore.billing.desk import Change
from invoicecore.clock import start_of
from invoicecore.collection import Collection, CollectionState, SavedMethod
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import zero
from invoicecore.parties import Biller, InvoiceMethod
from invoicecore.payments import PaymentMethod, after_flight
from invoicecore.ports import Reader


def reserved(
    change: Change,
    invoice: Invoice,
    method: SavedMethod,
    *,
    id: str,
    charge_on: date | None,
    attempt: int = 1,
) -> Collection:
    """The intent to collect what an invoice still asks for by a saved method; the caller writes it and its flight."""
    return Collection(
        id=id,
        biller=invoice.biller,
        invoice=invoice.id,
        customer=invoice.customer,
        gateway=method.gateway,
        kind=method.kind,
        amount=invoice.recordable,
        collected=zero(invoice.currency),
        made_at=change.at,
        method=method.id,
        charge_on=charge_on,
        next_try_at=change.at,
        attempt=attempt,
        actor=change.actor,
    )


def reserve_issued(
    change: Change, issued: Sequence[Invoice], methods: Mapping[str, InvoiceMethod]
) -> tuple[list[Invoice], list[Collection], frozenset[str]]:
    """Reserve a collection for each invoice that is collected by itself: leases by Direct Debit, others by policy (S9).

    `methods` are those of the invoices' leases, by invoice. Returns the invoices with their flight, the collections to
    write after them, and the ids of invoices by Direct Debit whose customer has no mandate: they are sent a link.
    """
    found = collected_by(change.tx, change.biller, issued, methods)
    if not found:
        return list(issued), [], frozenset()
    ids = iter(change.ids("col", len(found)))
    made: dict[str, Collection] = {}
    for invoice in issued:
        method = found.get(invoice.id)
        if method is None or (invoice.lease and invoice.late and not change.biller.policy.collect_late):
            continue  # what is caught up late is collected by staff, or not (S7)
        collection = reserved(change, invoice, method, id=next(ids), charge_on=invoice.due_on)
        if method.kind is not PaymentMethod.DIRECT_DEBIT and invoice.due_on > change.on:
            # A card is charged on the day itself; a debit is announced to the bank days before.
            collection = attrs.evolve(collection, next_try_at=start_of(invoice.due_on, change.biller.timezone))
        made[invoice.id] = collection
    flying = [
        attrs.evolve(invoice, facts=after_flight(invoice.facts, made[invoice.id].amount))
        if invoice.id in made
        else invoice
        for invoice in issued
    ]
    return flying, list(made.values()), frozenset(lacking(found, methods))


def collected_by(
    tx: Reader, biller: Biller, invoices: Sequence[Invoice], methods: Mapping[str, InvoiceMethod]
) -> dict[str, SavedMethod | None]:
    """By which saved method each invoice that is to be collected by itself can be, by its id; None: by none (S9)."""
    wanted = [
        invoice
        for invoice in invoices
        if (methods.get(invoice.id) is InvoiceMethod.DIRECT_DEBIT if invoice.lease else biller.policy.collect_saved)
        and invoice.recordable.amount > 0
        and invoice.customer is not None
    ]
    if not wanted or not biller.payments:
        return {}
    customers = sorted({invoice.customer for invoice in wanted if invoice.customer is not None})
    saved: dict[str, list[SavedMethod]] = {}
    for method in tx.find(SavedMethod, biller.id, {"customer": customers}):
        saved.setdefault(method.customer, []).append(method)
    found: dict[str, SavedMethod | None] = {}
    for invoice in wanted:
        debit = methods.get(invoice.id) is InvoiceMethod.DIRECT_DEBIT
        mine = saved.get(invoice.customer or "", [])
        found[invoice.id] = usable([m for m in mine if not debit or m.kind is PaymentMethod.DIRECT_DEBIT])
    return found


def lacking(found: Mapping[str, SavedMethod | None], methods: Mapping[str, InvoiceMethod]) -> list[str]:
    """The invoices by Direct Debit among them whose customer has no mandate."""
    return [id for id, method in found.items() if method is None and methods.get(id) is InvoiceMethod.DIRECT_DEBIT]


def usable(methods: Sequence[SavedMethod]) -> SavedMethod | None:
    """The saved method to charge: the newest that can be."""
    good = [method for method in methods if method.chargeable]
    return max(good, key=lambda method: method.id) if good else None


def close_all_pages(change: Change) -> None:
    """Have every provider's page of a biller closed: it takes no payments any more (R1)."""
    opened = change.tx.find(Collection, change.biller.id, {"state": CollectionState.OPEN.value})
    change.tx.replace([attrs.evolve(each, state=CollectionState.CLOSING, next_try_at=change.at) for each in opened])


def close_pages(change: Change, invoices: Sequence[Invoice]) -> None:
    """Have what asks for money that is not owed any more, of invoices as they are now, closed or called off soon."""
    if not invoices:
        return
    now = {invoice.id: invoice for invoice in invoices}
    states = [CollectionState.OPEN.value, CollectionState.PENDING.value]
    changed = []
    for found in change.tx.find(Collection, change.biller.id, {"invoice": list(now), "state": states}):
        invoice = now[found.invoice]
        if found.state is CollectionState.OPEN:
            changed.append(attrs.evolve(found, state=CollectionState.CLOSING, next_try_at=change.at, tries=0))
        elif invoice.lifecycle is not Lifecycle.OPEN or invoice.balance < found.amount:
            changed.append(attrs.evolve(found, next_try_at=change.at))
    change.tx.replace(changed)
