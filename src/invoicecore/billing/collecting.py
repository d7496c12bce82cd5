"""Collecting: what is reserved goes out to its providers, and what failed is tried again (S9, P1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert
from invoicecore.billing.applying import take_in
from invoicecore.billing.debiting import unfinished
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.notifying import tell_once
from invoicecore.billing.outcomes import Outcome
from invoicecore.billing.scheduling import reserved
from invoicecore.billing.submitting import submit
from invoicecore.billing.working import LATER, Working
from invoicecore.collection import DOUBTS, RETRYING, Collection, CollectionState, SavedMethod, wait
from invoicecore.errors import GatewayError, StateConflict
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller
from invoicecore.ports import Capability, PaymentGateway, PaymentSnapshot

_RETRIED = frozenset({CollectionState.FAILED, CollectionState.NOT_EXECUTED})


class Collecting(Working):
    """One call of `Billing.collect`."""

    def collect_each(self, billers: Iterable[Biller]) -> None:
        """Collect for one biller after the other."""
        self._each(billers, self.collect)

    def collect(self, biller: Biller) -> None:
        """Send what is reserved and due of one biller, and try again what failed and is due to be."""
        self._desk.plugins.authorise(action="collect", actor=self._actor, biller=biller.id)
        do = self._send if biller.payments else self._wait
        self._due(Collection, biller, do)

    def _wait(self, found: Collection) -> None:
        if found.state is CollectionState.RESERVED:
            why = "the biller's payments are off: it waits, or is called off with collections.cancel"
            self._told(attrs.evolve(found, error=why))

    def _send(self, found: Collection) -> None:
        if found.decline is not None and found.decline.provider_will_retry:
            return  # its provider tries again by itself: `recover` looks at it
        if found.state in _RETRIED:
            again = self._retried(found)
            if again is None:
                return
            found = again
        if found.state is not CollectionState.RESERVED:
            return
        sent = submit(self._desk, found, actor=self._actor, action="collect")
        self.trouble(None if sent.alone else sent.error, found.id)
        self._told(sent.collection)
        self._after_due(sent.collection)

    def _after_due(self, sent: Collection) -> None:
        """Name a debit that is collected after its invoice is due (P1)."""
        if sent.expected_on is None or not sent.live:
            return
        with self._desk.view() as tx:
            due = one(tx, Invoice, sent.biller, sent.invoice).due_on
        if sent.expected_on > due:
            text = f"collected on {sent.expected_on}, after it is due on {due}"
            told = Outcome(code="after_due", text=text, biller=sent.biller, invoice=sent.invoice, about=sent.id)
            self.report.tell("warnings", attrs.evolve(told, due_on=due))

    def _retried(self, found: Collection) -> Collection | None:
        """A failed collection, tried again: by the provider where it can, else as a new one, which is the answer."""
        gateway = self._desk.wiring.gateway_named(found.gateway)
        with self._desk.change("collect", found.biller, actor=self._actor, subject=found.id) as change:
            before = one(change.tx, Collection, found.biller, found.id)
            if before.version != found.version:
                return None
            ledger = Ledger(change)
            method = _ready(change, ledger, before)
            if method is None:
                return None
            if not _retried_there(gateway, before, ledger.invoice(before.invoice)):
                return _anew(change, ledger, before, method)
            # Until the provider has answered, it may be under way.
            going = attrs.evolve(
                before,
                state=CollectionState.UNKNOWN,
                attempt=before.attempt + 1,
                tries=0,
                next_try_at=change.at + wait(DOUBTS, 1),
                error=RETRYING,
            )
            change.tx.replace([going])
            ledger.fly(before.invoice, before.amount)
            ledger.note(before.invoice, "collection retried", str(before.amount.amount))
            ledger.write()
        self._by_provider(gateway, attrs.evolve(going, version=before.version + 1))
        return None

    def _by_provider(self, gateway: PaymentGateway, going: Collection) -> None:
        reference = going.reference or ""

        def fetch(current: Collection) -> PaymentSnapshot:
            try:
                return gateway.retry(reference, f"{going.id}/retry{going.attempt}")
            except StateConflict:
                return gateway.payment(reference)

        try:
            self._told(take_in(self._desk, "collect", going, fetch, actor=self._actor))
        except GatewayError as error:
            self.trouble(error, going.id)
            if isinstance(error, LATER):  # nothing happened, so it does not count as a try
                self._told(not_retried(self._desk, going, error.why, actor=self._actor))


def _ready(change: Change, ledger: Ledger, before: Collection) -> SavedMethod | None:
    """The method to try a failed collection again with; None when it is not tried now, and that is written down."""
    invoice = ledger.invoice(before.invoice)
    if invoice.lifecycle is not Lifecycle.OPEN or invoice.recordable.amount <= 0:
        change.tx.replace([attrs.evolve(before, next_try_at=None)])
        return None
    if unfinished(change, before.invoice) is not None:  # its payer is on a page: not beside that
        change.tx.replace([attrs.evolve(before, next_try_at=change.at + timedelta(hours=1))])
        return None
    method = one(change.tx, SavedMethod, before.biller, before.method or "")
    if method.chargeable:
        return method
    change.tx.replace([attrs.evolve(before, next_try_at=None)])
    alert(change, AlertKind.NO_METHOD, before.id, "the saved method can no longer be charged", invoice=invoice.id)
    if change.biller.policy.link_on_failure:
        tell_once(change, MessageKind.COLLECTION_FAILED, invoice, before.id)
    return None


def _retried_there(gateway: PaymentGateway, before: Collection, invoice: Invoice) -> bool:
    can = before.reference is not None and gateway.info.can(Capability.RETRY, kind=before.kind)
    return can and invoice.recordable >= before.amount


def _anew(change: Change, ledger: Ledger, before: Collection, method: SavedMethod) -> Collection:
    invoice = ledger.invoice(before.invoice)
    change.tx.replace([attrs.evolve(before, next_try_at=None)])
    again = reserved(change, invoice, method, id=change.ids("col")[0], charge_on=change.on, attempt=before.attempt + 1)
    ledger.reserve(again)
    return again


def not_retried(desk: Desk, going: Collection, why: str, *, actor: str | None) -> Collection:
    """A retry that certainly did not happen: the collection is as it was, and tried again later."""
    with desk.change("collect", going.biller, actor=actor, subject=going.id) as change:
        found = one(change.tx, Collection, going.biller, going.id)
        if found.version != going.version:
            return found
        ledger = Ledger(change)
        ledger.fly(found.invoice, -found.amount)
        later = change.at + wait(DOUBTS, found.tries + 3)
        back = attrs.evolve(
            found, state=CollectionState.FAILED, attempt=found.attempt - 1, next_try_at=later, error=why
        )
        change.tx.replace([back])
        ledger.write()
        return attrs.evolve(back, version=found.version + 1)
