"""Debiting: charging a customer's saved method now, and looking at, cancelling or settling an attempt (C6, S9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import settle_alerts
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.scheduling import reserved, usable
from invoicecore.collection import UNFINISHED, Collection, CollectionState, SavedMethod
from invoicecore.errors import (
    Executed,
    GatewayError,
    InvalidValue,
    NoSavedMethod,
    NotAllowed,
    NotSupported,
    ObjectNotFound,
    StateConflict,
)
from invoicecore.invoices import Invoice, Lifecycle, check
from invoicecore.money import zero
from invoicecore.parties import Biller, Customer, member, text

if TYPE_CHECKING:
    from invoicecore.ports import PaymentSnapshot


class ChargingPayments:
    """The charging part of `billing.payments`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def charge(
        self,
        invoice: Invoice | str,
        *,
        method: SavedMethod | str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Collection:
        """Collect what an invoice asks for by its customer's saved method, the newest or the one named (C6, P1).

        The intent is committed first, the provider asked with nothing open, the outcome committed last. A decline is
        an answer: the collection FAILED, its `decline` says why. So is doubt: UNKNOWN, which `recover` resolves.
        A page the payer had opened is closed first, and what was paid there counts. Raises NoSavedMethod, NotAllowed
        by status or while a collection is live, PaymentsOff (R1), NotWired, StoreError inside a transaction (P2), and
        GatewayError when it certainly did not happen; one that says "later" is tried again by `collect`.
        """
        from invoicecore.billing.submitting import submit  # only who uses a gateway pays for it

        biller, ref = self._desk.owner("invoice", invoice)
        wanted = self._desk.owner("method", method, biller)[1] if method is not None else None
        self._desk.outside()
        made = None
        for _ in range(4):
            with self._desk.change("payments.charge", biller, on=on, actor=actor, subject=ref) as change:
                if (again := change.replayed(key, {"invoice": ref, "method": wanted})) is not None:
                    made = change.again(Collection, again)[0]
                    break
                found = one(change.tx, Invoice, biller, ref)
                check("pay", found, change.biller.policy, change.on)
                change.payments_on()
                page = unfinished(change, ref)
                if page is None:
                    made = self._reserve(change, found, wanted)
                    change.made(made.id)
                    break
            close_page(self._desk, page, actor=actor, action="payments.charge")
        if made is None:
            raise NotAllowed("charge", "open", (), "its payer is on the provider's page", "Try again in some minutes")
        if made.state is not CollectionState.RESERVED:
            return made
        sent = submit(self._desk, made, actor=actor, action="payments.charge")
        waits = sent.collection.state in (CollectionState.RESERVED, CollectionState.NOT_EXECUTED)
        if sent.error is not None and waits:
            raise sent.error
        return sent.collection

    def _reserve(self, change: Change, invoice: Invoice, wanted: str | None) -> Collection:
        tx, biller = change.tx, change.biller.id
        if wanted is not None:
            method = one(tx, SavedMethod, biller, wanted)
            if method.customer != invoice.customer:
                raise InvalidValue("method", wanted, "is another customer's", "give one of the invoice's customer")
            found = method if method.chargeable else None
        else:
            saved = tx.find(SavedMethod, biller, {"customer": invoice.customer}) if invoice.customer else []
            found = usable(saved)
        if found is None:
            raise NoSavedMethod(invoice.customer, wanted)
        self._desk.wiring.gateway_named(found.gateway)  # refuses before anything is written
        # What was to be tried again is tried now.
        waits = [CollectionState.FAILED.value, CollectionState.NOT_EXECUTED.value]
        later = tx.find(Collection, biller, {"invoice": invoice.id, "state": waits})
        tx.replace([attrs.evolve(each, next_try_at=None) for each in later if each.next_try_at is not None])
        collection = reserved(change, invoice, found, id=change.ids("col")[0], charge_on=invoice.due_on)
        Ledger(change).reserve(collection)
        return collection


class Collections:
    """Attempts to collect through a provider: `billing.collections`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        invoice: Invoice | str | None = None,
        customer: Customer | str | None = None,
        state: CollectionState | str | None = None,
        after: str = "",
        limit: int = 50,
    ) -> list[Collection]:
        """Collections of a biller, an invoice or a customer, in one state if given, oldest first, those after an id.

        Raises InvalidValue for an unknown state or a limit beyond 1000, NotFound.
        """
        where = {} if state is None else {"state": member(CollectionState, state, "state").value}
        return self._desk.listed(
            Collection, biller, after=after, limit=limit, invoice=invoice, customer=customer, **where
        )

    def get(self, collection: Collection | str) -> Collection:
        """The collection as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("collection", collection)
        with self._desk.view() as tx:
            return one(tx, Collection, biller, ref)

    def cancel(self, collection: Collection | str, *, on: date | None = None, actor: str | None = None) -> Collection:
        """Call off a collection: one not sent yet, a page that waits for its payer, a debit the bank does not have yet.

        Harmless to repeat. Raises NotAllowed in other states, StateConflict when it is too late and the debit goes on,
        StoreError inside a transaction (P2), GatewayError, NotFound.
        """
        from invoicecore.billing.applying import drop

        biller, ref = self._desk.owner("collection", collection)
        self._desk.outside()
        with self._desk.change("collections.cancel", biller, on=on, actor=actor, subject=ref) as change:
            found = one(change.tx, Collection, biller, ref)
            if found.state is CollectionState.RESERVED:
                return drop(change, Ledger(change), found, "called off")
        if found.state in (CollectionState.CANCELLED, CollectionState.NOT_EXECUTED):
            return found
        if found.state in (CollectionState.OPEN, CollectionState.CLOSING):
            return close_page(self._desk, found, actor=actor, action="collections.cancel")
        if found.state is not CollectionState.PENDING or found.reference is None:
            why = "nobody knows what became of it" if found.live else "it is over"
            raise NotAllowed("cancel", found.state.value, (), why)
        return call_off(self._desk, found, actor=actor, action="collections.cancel")

    def resolve(
        self,
        collection: Collection | str,
        *,
        outcome: str,
        note: str,
        reference: str = "",
        on: date | None = None,
        actor: str | None = None,
    ) -> Collection:
        """Settle a doubtful collection by what a person found at the provider: "collected" or "not_collected".

        Only an UNKNOWN one; the note says how it was found out, and is on the invoice's timeline with who said so
        (R18). `reference` is the provider's name of the payment, needed for "collected". Money the provider tells
        of later counts; that it holds less than was written down is an alert. Raises NotAllowed, InvalidValue, NotFound.
        """
        biller, ref = self._desk.owner("collection", collection)
        if outcome not in ("collected", "not_collected"):
            raise InvalidValue("outcome", outcome, "is not known", "give 'collected' or 'not_collected'")
        how = text(note, "note")
        named = text(reference, "reference", required=outcome == "collected")
        with self._desk.change("collections.resolve", biller, on=on, actor=actor, subject=ref) as change:
            found = one(change.tx, Collection, biller, ref)
            if found.state is not CollectionState.UNKNOWN:
                raise NotAllowed("resolve", found.state.value, (), "only an unknown one is in doubt")
            ledger = Ledger(change)
            ledger.fly(found.invoice, -found.amount)
            after = attrs.evolve(found, next_try_at=None, error=how, reference=named or found.reference)
            if outcome == "collected":
                invoice = ledger.invoice(found.invoice)
                owed = invoice.balance if invoice.lifecycle is Lifecycle.OPEN else zero(invoice.currency)
                part = min(found.amount, owed) if invoice.customer is not None else found.amount
                ledger.pay(
                    [invoice], found.amount, [part], customer=invoice.customer, method=found.kind,
                    received_on=change.on, reference=named, collection=found.id,
                )  # fmt: skip
                after = attrs.evolve(after, state=CollectionState.SUCCEEDED, collected=found.amount)
            else:
                after = attrs.evolve(after, state=CollectionState.NOT_EXECUTED)
            ledger.note(found.invoice, f"collection {after.state.value}", how)
            change.tx.replace([after])
            ledger.write()
            settle_alerts(change, found.id, AlertKind.DOUBTFUL, how)
            settle_alerts(change, found.id, AlertKind.MISMATCH, how)
            return one(change.tx, Collection, biller, ref)


def unfinished(change: Change, invoice: str) -> Collection | None:
    """The collection an invoice cannot have another one beside, if there is one."""
    states = [state.value for state in UNFINISHED]
    found = change.tx.find(Collection, change.biller.id, {"invoice": invoice, "state": states}, limit=1)
    return found[0] if found else None


def close_page(desk: Desk, page: Collection, *, actor: str | None, action: str) -> Collection:
    """Close a provider's page, unless it was paid before: then that is written down. Raises GatewayError."""
    from invoicecore.billing.applying import take_in
    from invoicecore.ports import Capability

    gateway = desk.wiring.gateway_named(page.gateway)

    def fetch(current: Collection) -> PaymentSnapshot:
        name = current.reference or ""
        if not gateway.info.can(Capability.EXPIRE, currency=page.amount.currency.code):
            return gateway.payment(name)
        try:
            return gateway.expire(name, f"{page.id}/close")
        except (StateConflict, NotSupported):
            return gateway.payment(name)

    if page.reference is None or page.state not in (CollectionState.OPEN, CollectionState.CLOSING):
        return forget_page(desk, page, actor=actor, action=action)
    try:
        return take_in(desk, action, page, fetch, actor=actor)
    except ObjectNotFound:
        return forget_page(desk, page, actor=actor, action=action)


def forget_page(desk: Desk, page: Collection, *, actor: str | None, action: str) -> Collection:
    """End a page nobody was ever sent to: its address was never given out."""
    with desk.change(action, page.biller, actor=actor, subject=page.id) as change:
        found = one(change.tx, Collection, page.biller, page.id)
        if found.state not in (CollectionState.OPEN, CollectionState.CLOSING) or found.reference != page.reference:
            return found
        ended = attrs.evolve(found, state=CollectionState.CANCELLED, next_try_at=None)
        change.tx.replace([ended])
        return attrs.evolve(ended, version=found.version + 1)


def call_off(
    desk: Desk,
    pending: Collection,
    *,
    actor: str | None,
    action: str,
    beside: Callable[[Change], None] = lambda change: None,
) -> Collection:
    """Have the provider cancel a debit it has not sent yet; `beside` is written with what came of it.

    Raises StateConflict when it is too late, GatewayError.
    """
    from invoicecore.billing.applying import take_in

    gateway = desk.wiring.gateway_named(pending.gateway)
    name = pending.reference or ""

    def fetch(current: Collection) -> PaymentSnapshot:
        try:
            return gateway.cancel(name, f"{pending.id}/cancel")
        except GatewayError as error:
            if error.executed is not Executed.UNKNOWN:
                raise
            return gateway.payment(name)  # it may have happened: look

    return take_in(desk, action, pending, fetch, actor=actor, beside=beside, calling_off=True)
