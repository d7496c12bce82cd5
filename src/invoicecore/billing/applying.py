"""Applying: what a provider holds becomes facts here, whatever was told before, in any order and any number of times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert, overdrawn, settle_alerts
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.notifying import queue, tell_payer
from invoicecore.clock import start_of
from invoicecore.collection import (
    DOUBTS,
    POLLS,
    UNFINISHED,
    Advice,
    Collection,
    CollectionState,
    Decline,
    DeclineCode,
    SavedMethod,
    wait,
)
from invoicecore.errors import Conflict
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import Message, MessageKind
from invoicecore.money import Money, zero
from invoicecore.parties import Customer, Policy
from invoicecore.payments import Payment, Refund, RefundState, Reversal
from invoicecore.ports import GatewayInfo, PaymentSnapshot, PayStatus, RefundSnapshot, ReversalSnapshot

_AGAIN = 8  # how often a snapshot is fetched anew because somebody else applied one meanwhile

Fetch = Callable[[Collection], PaymentSnapshot]
"""Fetches a collection's payment from its provider; no transaction is open meanwhile."""


def take_in(
    desk: Desk,
    action: str,
    collection: Collection,
    fetch: Fetch,
    *,
    actor: str | None = None,
    beside: Callable[[Change], None] = lambda change: None,
) -> Collection:
    """Fetch a payment afresh and apply it to its collection; `beside` is written in the same transaction.

    A snapshot is only applied to the facts it was fetched after: an older one never undoes what a newer one said.
    """
    info = desk.wiring.gateway_named(collection.gateway).info
    current = collection
    for _ in range(_AGAIN):
        snapshot = fetch(current)
        try:
            with desk.change(action, current.biller, actor=actor, subject=current.id) as change:
                found = one(change.tx, Collection, current.biller, current.id)
                if found.version == current.version:
                    after = apply_payment(change, found, snapshot, info)
                    beside(change)
                    return after
                current = found
        except Conflict:
            with desk.view() as tx:
                current = one(tx, Collection, current.biller, current.id)
    raise Conflict(f"collection {collection.id}", "others keep changing it")


def apply_payment(change: Change, before: Collection, told: PaymentSnapshot, info: GatewayInfo) -> Collection:
    """Write down what a snapshot says beyond what is known: money, what was taken back or returned, and the state.

    Money a provider reports is always stored in full (D6). The collection as it is afterwards.
    """
    currency = before.amount.currency.code
    if told.amount.currency.code != currency:
        odd = f"the provider holds {told.amount.amount} {told.amount.currency.code}, {before.amount.amount} {currency} was asked for"
        alert(change, AlertKind.MISMATCH, before.id, odd, invoice=before.invoice)
        return before
    if told.amount != before.amount:
        odd = f"the provider holds {told.amount.amount} {currency}, {before.amount.amount} was asked for"
        alert(change, AlertKind.MISMATCH, before.id, odd, invoice=before.invoice)
    if told.status is PayStatus.UNRECOGNISED:
        odd = "the provider shows a status that is not known here; nothing was concluded from it"
        alert(change, AlertKind.UNRECOGNISED, before.id, odd, invoice=before.invoice)
    ledger = Ledger(change)
    now = _moved(change, before, told, info)
    if before.live and not now.live:
        ledger.fly(before.invoice, -before.amount)
    elif now.live and not before.live:
        ledger.fly(before.invoice, before.amount)
    _money(change, ledger, now, told)
    now = attrs.evolve(now, collected=max(before.collected, told.collected))
    given_up = _provider_retries(before) and not _provider_retries(now)
    if now.state is CollectionState.FAILED and (before.state is not CollectionState.FAILED or given_up):
        now = failed(change, ledger, now)
    sent = before.state in (CollectionState.SUBMITTING, CollectionState.UNKNOWN) and now.method is not None
    if sent and now.state is CollectionState.PENDING and change.biller.policy.notify_collections:
        tell(change, MessageKind.COLLECTION_NOTICE, ledger.invoice(now.invoice), now.id)
    if now != before:
        change.tx.replace([now])
    if before.state in (CollectionState.UNKNOWN, CollectionState.SUBMITTING) and now.state is not before.state:
        settle_alerts(change, before.id, AlertKind.DOUBTFUL, f"the provider told: {now.state.value}")
    if now.state is not before.state:
        ledger.note(before.invoice, f"collection {now.state.value}", str(before.amount.amount))
    ledger.write()
    return attrs.evolve(now, version=before.version + 1) if now != before else before


def _moved(change: Change, before: Collection, told: PaymentSnapshot, info: GatewayInfo) -> Collection:
    """The collection in the state the snapshot shows, with what else it tells of it."""
    state = _state(before, told)
    if state in UNFINISHED and not before.unfinished and _other(change, before):
        # Its provider tries again by itself while something else collects the invoice: that one stays.
        odd = "the provider collects it again while something else collects the invoice; cancel one of the two there"
        alert(change, AlertKind.DOUBTFUL, before.id, odd, invoice=before.invoice)
        state = before.state
    decline = told.decline
    if state is CollectionState.FAILED and decline is None:
        asks = told.status is PayStatus.REQUIRES_ACTION
        decline = before.decline or Decline(
            code=DeclineCode.AUTHENTICATION_REQUIRED if asks else DeclineCode.UNSPECIFIED,
            advice=Advice.PAYER_ACTION if asks else Advice.NEW_METHOD,
        )
    now = attrs.evolve(
        before,
        state=state,
        reference=told.reference,
        kind=told.kind,
        decline=decline if state is not CollectionState.SUCCEEDED else None,
        expected_on=told.expected_on or before.expected_on,
        reversible_until=before.reversible_until,
        error="" if state is not before.state else before.error,
    )
    if state is CollectionState.SUCCEEDED and before.reversible_until is None:
        currency = before.amount.currency.code
        currency = told.amount.currency.code
        spec = next((spec for spec in info.methods if spec.kind is told.kind and currency in spec.currencies), None)
        if spec is not None and spec.reversible_for is not None:
            now = attrs.evolve(now, reversible_until=change.on + spec.reversible_for)
    return attrs.evolve(now, **_schedule(change, before, now))


def _schedule(change: Change, before: Collection, now: Collection) -> dict[str, Any]:
    """When it is looked at next: what was told before its time changes nothing of that."""
    same = now.state is before.state
    if same and (before.next_try_at is None or before.next_try_at > change.at):
        return {}
    if now.state in UNFINISHED:
        tries = before.tries + 1 if same else 0
        return {"tries": tries, "next_try_at": _next_look(change, now, tries)}
    retried = same and now.state is CollectionState.FAILED and not _provider_retries(before)
    if retried:
        return {}
    return {"next_try_at": change.at + POLLS[-1] if _provider_retries(now) else None}


def _provider_retries(collection: Collection) -> bool:
    failed = collection.state is CollectionState.FAILED
    return failed and collection.decline is not None and collection.decline.provider_will_retry


def _state(before: Collection, told: PaymentSnapshot) -> CollectionState:
    page = before.method is None and before.state in (CollectionState.OPEN, CollectionState.CLOSING)
    match told.status:
        case PayStatus.SUCCEEDED:
            return CollectionState.SUCCEEDED
        case PayStatus.PENDING:
            return CollectionState.PENDING
        case PayStatus.CANCELLED:
            done = before.state in (CollectionState.SUCCEEDED, CollectionState.FAILED)
            return before.state if done else CollectionState.CANCELLED
        case PayStatus.FAILED | PayStatus.REQUIRES_ACTION:
            # A page lets its payer try again; money that was collected is taken back by a reversal, not by a status.
            return before.state if page or before.collected.amount > 0 else CollectionState.FAILED
        case PayStatus.OPEN:
            return CollectionState.UNKNOWN if before.state is CollectionState.SUBMITTING else before.state
    return before.state


def _next_look(change: Change, now: Collection, tries: int) -> datetime:
    at = change.at
    if now.state is CollectionState.PENDING:
        poll = at + wait(POLLS, tries)
        if now.expected_on is None:
            return poll
        return max(poll, start_of(now.expected_on, change.biller.timezone) + timedelta(days=2))
    if now.state in (CollectionState.UNKNOWN, CollectionState.SUBMITTING):
        return at + wait(DOUBTS, tries)
    if now.state is CollectionState.OPEN:
        return max(now.expires_at or at, at + timedelta(hours=1))
    return at + wait(DOUBTS, tries)


def _other(change: Change, mine: Collection) -> bool:
    states = [state.value for state in UNFINISHED]
    found = change.tx.find(Collection, mine.biller, {"invoice": mine.invoice, "state": states})
    return any(each.id != mine.id for each in found)


# --- money ------------------------------------------------------------------------------------------------------------


def _money(change: Change, ledger: Ledger, now: Collection, told: PaymentSnapshot) -> None:
    """Payments, reversals and refunds the snapshot tells of beyond those recorded, in the order they can have happened."""
    arrived = _chunks(told.collected - now.collected, told.amount)
    if not (arrived or told.reversals or told.refunds):
        return
    payments = change.tx.find(Payment, now.biller, {"collection": now.id}) if now.collected.amount > 0 else []
    known = _reversals(change, payments)
    # What was cancelled since takes nothing, so it comes first, whatever the order it is told in.
    fresh = sorted((each for each in told.reversals if each.id not in known), key=lambda each: not each.cancelled)
    for each in told.reversals:
        if each.cancelled and each.id in known and known[each.id].cancelled_on is None:
            ledger.undo(known[each.id])
            settle_alerts(change, known[each.id].id, AlertKind.CHARGEBACK, "cancelled by the bank")
    taken = {reversal.payment for reversal in known.values() if reversal.cancelled_on is None}
    while arrived or fresh:
        there = [payment for payment in payments if payment.id not in taken]
        if fresh and there:
            reversal = _take_back(change, ledger, now, there[-1], fresh.pop(0))
            if reversal.cancelled_on is None:
                taken.add(reversal.payment)
        elif arrived:
            payments.append(_collect(change, ledger, now, arrived.pop(0), told))
        else:
            odd = f"the provider took {fresh[0].amount.amount} back beyond what was collected ({fresh[0].id})"
            alert(change, AlertKind.MISMATCH, now.id, odd, invoice=now.invoice)
            break
    for refund in told.refunds:
        apply_refund(change, ledger, payments, refund, now.gateway)


def _chunks(amount: Money, most: Money) -> list[Money]:
    # Money that was collected, taken back and collected again came in as many payments.
    parts = []
    while amount.amount > 0:
        parts.append(min(amount, most))
        amount = amount - parts[-1]
    return parts


def _reversals(change: Change, payments: Sequence[Payment]) -> dict[str, Reversal]:
    if not payments:
        return {}
    found = change.tx.find(Reversal, payments[0].biller, {"payment": [payment.id for payment in payments]})
    return {reversal.reference: reversal for reversal in found}


def _collect(change: Change, ledger: Ledger, collection: Collection, amount: Money, told: PaymentSnapshot) -> Payment:
    invoice = ledger.invoice(collection.invoice)
    owed = invoice.balance if invoice.lifecycle is Lifecycle.OPEN else zero(invoice.currency)
    part = min(amount, owed) if invoice.customer is not None else amount  # nobody else could hold the rest
    payment = ledger.pay(
        [invoice],
        amount,
        [part],
        customer=invoice.customer,
        method=told.kind,
        received_on=change.on,
        reference=told.reference,
        collection=collection.id,
    )
    if amount > owed:
        held = "it is the customer's credit" if invoice.customer is not None else "it is held on the invoice"
        odd = f"{(amount - owed).amount} {invoice.currency} more than was owed came in; {held}, refund it or keep it"
        alert(change, AlertKind.OVERPAID, payment.id, odd, invoice=invoice.id)
    if part.amount > 0:
        tell_payer(change, MessageKind.RECEIPT, invoice, payment.id, notify=None)
    return payment


def _take_back(
    change: Change, ledger: Ledger, collection: Collection, payment: Payment, told: ReversalSnapshot
) -> Reversal:
    reversal = ledger.reverse(
        payment, min(told.amount, payment.amount), kind=told.kind, reason=told.reason, reference=told.id
    )
    if told.cancelled:
        return ledger.undo(reversal)
    text = f"{told.amount.amount} {told.amount.currency.code} was taken back ({told.kind.value}): {told.reason or 'no reason given'}"
    alert(change, AlertKind(told.kind.value), reversal.id, text, invoice=collection.invoice)
    invoice = ledger.invoice(collection.invoice)
    overdrawn(change, invoice, reversal)
    if change.biller.policy.notify_collections and invoice.balance.amount > 0:
        tell(change, MessageKind.PAYMENT_REVERSED, invoice, reversal.id)
    return reversal


def apply_refund(
    change: Change, ledger: Ledger, payments: Sequence[Payment], told: RefundSnapshot, gateway: str
) -> Refund | None:
    """Write down where a refund stands; one that was made elsewhere is recorded too (D6). None: nothing to hang it on."""
    biller = change.biller.id
    refund = change.tx.get(Refund, biller, [told.key]).get(told.key) if told.key else None
    if refund is None:
        same = change.tx.find(Refund, biller, {"payment": [payment.id for payment in payments]})
        refund = next((each for each in same if each.reference == told.reference), None)
    if refund is None:
        return _refunded_elsewhere(change, ledger, payments, told, gateway)
    after = attrs.evolve(refund, reference=told.reference)
    if refund.state.counts and not told.state.counts:
        after = attrs.evolve(ledger.refund_failed(refund, RefundState.FAILED, told.reason), reference=told.reference)
        text = f"{refund.amount.amount} {refund.amount.currency.code} did not reach the payer: {told.reason or 'no reason given'}"
        alert(change, AlertKind.REFUND_FAILED, refund.id, text, invoice=refund.invoice)
    elif not refund.state.counts and told.state.counts:
        ledger.refund_again(refund)
        after = attrs.evolve(after, state=told.state, failed_on=None, error="")
    elif told.state.counts:
        after = attrs.evolve(after, state=told.state, next_try_at=None, error="")
        if told.state is RefundState.PENDING:
            early = refund.state is told.state and refund.next_try_at is not None and refund.next_try_at > change.at
            tries = refund.tries if early else 1 if refund.state is not told.state else refund.tries + 1
            poll = refund.next_try_at if early else change.at + wait(POLLS, tries)
            after = attrs.evolve(after, tries=tries, next_try_at=poll)
    if after != refund:
        change.tx.replace([after])
        if refund.state in (RefundState.UNKNOWN, RefundState.SUBMITTING):
            settle_alerts(change, refund.id, AlertKind.DOUBTFUL, f"the provider told: {after.state.value}")
        return attrs.evolve(after, version=refund.version + 1)
    return refund


def _refunded_elsewhere(
    change: Change, ledger: Ledger, payments: Sequence[Payment], told: RefundSnapshot, gateway: str
) -> Refund | None:
    if not told.state.counts or not payments:
        return None
    payment = payments[-1]
    text = f"{told.amount.amount} {told.amount.currency.code} was refunded at the provider, not from here ({told.reference})"
    invoice = ledger.invoice(payment.allocations[0].invoice) if payment.allocations else None
    alert(
        change, AlertKind.REFUNDED_ELSEWHERE, told.reference, text, invoice=invoice.id if invoice is not None else None
    )
    if invoice is None:
        return None
    nothing = zero(invoice.currency)
    refund = Refund(
        id=change.ids("ref")[0],
        biller=change.biller.id,
        invoice=invoice.id,
        amount=told.amount,
        to_credit=nothing,
        from_credit=nothing,
        method=payment.method,
        refunded_on=change.on,
        reference=told.reference,
        reason=told.reason,
        state=told.state,
        gateway=gateway,
        payment=payment.id,
        next_try_at=change.at + POLLS[0] if told.state is RefundState.PENDING else None,
    )
    ledger.refund(refund)
    ledger.note(invoice.id, "refunded", f"{told.amount.amount} at the provider")
    return refund


def drop(change: Change, ledger: Ledger, found: Collection, why: str, decline: Decline | None = None) -> Collection:
    """End a collection that never reached the provider; with a decline, the customer is asked to pay another way."""
    ended = attrs.evolve(found, state=CollectionState.NOT_EXECUTED, next_try_at=None, error=why, decline=decline)
    if found.live:
        ledger.fly(found.invoice, -found.amount)
    ledger.note(found.invoice, f"collection {ended.state.value}", why)
    if decline is not None:
        ended = failed(change, ledger, ended)
    change.tx.replace([ended])
    ledger.write()
    return attrs.evolve(ended, version=found.version + 1)


def fail_reserved(change: Change, method: SavedMethod) -> None:
    """What was about to be collected by a method that can no longer be charged is asked for with a link instead (S9)."""
    waiting = {"customer": method.customer, "state": CollectionState.RESERVED.value}
    for found in change.tx.find(Collection, method.biller, waiting):
        if found.method == method.id:
            why = "the saved method can no longer be charged"
            decline = Decline(code=DeclineCode.MANDATE_CANCELLED, advice=Advice.NEW_METHOD, raw_code=method.reason)
            alert(change, AlertKind.NO_METHOD, found.id, f"{why}: {method.label or method.id}", invoice=found.invoice)
            drop(change, Ledger(change), found, why, decline)


# --- a failure, and what follows from it ------------------------------------------------------------------------------


def failed(change: Change, ledger: Ledger, now: Collection) -> Collection:
    """After a collection failed: tried again by policy, or the customer is asked to pay another way."""
    policy = change.biller.policy
    if _provider_retries(now):
        return now
    days = _retry_in(policy, now)
    if days is not None:
        return attrs.evolve(
            now, next_try_at=start_of(change.on + timedelta(days=days), change.biller.timezone), tries=0
        )
    invoice = ledger.invoice(now.invoice)
    if policy.link_on_failure and invoice.balance.amount > 0:
        tell(change, MessageKind.COLLECTION_FAILED, invoice, now.id)
    return now


def _retry_in(policy: Policy, failed: Collection) -> int | None:
    """In how many days a failed collection is tried again, None when it is not."""
    helps = failed.decline is not None and failed.decline.advice is Advice.RETRY_LATER
    if failed.method is None or not helps or failed.attempt > len(policy.collection_retries):
        return None
    return policy.collection_retries[failed.attempt - 1]


def tell(change: Change, kind: MessageKind, invoice: Invoice, about: str) -> None:
    """Queue an e-mail to the payer of an invoice, once; nothing without one who has an address."""
    if invoice.customer is None:
        return
    queued = change.tx.find(Message, change.biller.id, {"invoice": invoice.id})
    if any(message.kind is kind and message.about == about for message in queued):
        return
    who = one(change.tx, Customer, change.biller.id, invoice.customer)
    queue(change, kind, [(invoice, who)], about)
