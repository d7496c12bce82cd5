"""Accounting: payments, reversals and refunds that a provider's snapshot tells of, written down once each (D3, D6, P4)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert, overdrawn, settle_alerts
from invoicecore.billing.desk import Change, several
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.notifying import tell_once, tell_payer
from invoicecore.collection import POLLS, Collection, wait
from invoicecore.invoices import Lifecycle
from invoicecore.messages import MessageKind
from invoicecore.money import Money, total, zero
from invoicecore.payments import Payment, Refund, RefundState, Reversal
from invoicecore.ports import PaymentSnapshot, RefundSnapshot, ReversalSnapshot


def write_money(change: Change, ledger: Ledger, now: Collection, told: PaymentSnapshot) -> None:
    """Payments, reversals and refunds the snapshot tells of beyond those recorded, in the order they can have happened."""
    arrived = _chunks(told.collected - now.collected, told.amount, 1 + len(told.reversals))
    if arrived and arrived[-1] > told.amount == now.amount:
        odd = f"the provider says it collected {told.collected.amount} where {told.amount.amount} was asked for"
        alert(change, AlertKind.MISMATCH, now.id, odd, invoice=now.invoice)
    if not (arrived or told.reversals or told.refunds):
        return
    payments = change.tx.find(Payment, now.biller, {"collection": now.id}) if now.collected.amount > 0 else []
    known = _reversals(change, payments)
    # What was cancelled since takes nothing, so it comes first, whatever the order it is told in.
    fresh = sorted((each for each in told.reversals if each.id not in known), key=lambda each: not each.cancelled)
    for each in told.reversals:
        if each.cancelled and each.id in known and known[each.id].cancelled_on is None:
            known[each.id] = ledger.undo(known[each.id])  # its money may be taken back again below
            settle_alerts(change, known[each.id].id, AlertKind.CHARGEBACK, "cancelled by the bank")
    left = {payment.id: payment.amount for payment in payments}
    for reversal in known.values():
        if reversal.cancelled_on is None and reversal.payment in left:
            left[reversal.payment] = left[reversal.payment] - reversal.amount
    while arrived or fresh:
        there = [payment for payment in payments if left[payment.id].amount > 0]
        if fresh and there:
            payment, each = there[-1], fresh.pop(0)
            amount = min(each.amount, left[payment.id])
            if _take_back(change, ledger, now, payment, each, amount).cancelled_on is None:
                left[payment.id] = left[payment.id] - amount
        elif arrived:
            payments.append(_collect(change, ledger, now, arrived.pop(0), told))
            left[payments[-1].id] = payments[-1].amount
        else:
            odd = f"the provider took {fresh[0].amount.amount} back beyond what was collected ({fresh[0].id})"
            alert(change, AlertKind.MISMATCH, now.id, odd, invoice=now.invoice)
            break
    for refund in told.refunds:
        _apply_refund(change, ledger, now, payments, refund)


def _chunks(amount: Money, most: Money, times: int) -> list[Money]:
    # Money that was collected, taken back and collected again came in as many payments. What is beyond that has no such
    # reason, and is stored all the same (D6): in the last of them, however small or odd `most` is.
    parts: list[Money] = []
    while amount.amount > 0:
        last = len(parts) == times - 1 or most.amount <= 0
        parts.append(amount if last else min(amount, most))
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
    change: Change, ledger: Ledger, collection: Collection, payment: Payment, told: ReversalSnapshot, amount: Money
) -> Reversal:
    reversal = ledger.reverse(payment, amount, kind=told.kind, reason=told.reason, reference=told.id)
    if told.cancelled:
        return ledger.undo(reversal)
    invoice, *others = ledger.read([collection.invoice, *ledger.reopened])
    text = f"{told.amount.amount} {told.amount.currency.code} was taken back ({told.kind.value}): {told.reason or 'no reason given'}"
    if others:
        text += f"; also open again, as credit of it had settled them: {', '.join(each.reference for each in others)}"
    alert(change, AlertKind(told.kind.value), reversal.id, text, invoice=collection.invoice)
    overdrawn(change, [invoice], reversal)
    for each in (invoice, *others):
        if change.biller.policy.notify_collections and each.balance.amount > 0:
            tell_once(change, MessageKind.PAYMENT_REVERSED, each, reversal.id)
    return reversal


def _apply_refund(
    change: Change, ledger: Ledger, collection: Collection, payments: Sequence[Payment], told: RefundSnapshot
) -> None:
    """Write down where a refund stands; one that was made elsewhere is recorded too (D6)."""
    refund = change.tx.get(Refund, collection.biller, [told.key]).get(told.key) if told.key else None
    if refund is None:
        same = change.tx.find(Refund, collection.biller, {"payment": [payment.id for payment in payments]})
        refund = next((each for each in same if each.reference == told.reference), None)
    if refund is not None:
        settle(change, ledger, refund, told)
    elif told.state.counts and payments:
        _refunded_elsewhere(change, ledger, collection, payments, told)


def settle(change: Change, ledger: Ledger, refund: Refund, told: RefundSnapshot) -> Refund:
    """Write down where a refund of ours stands at its provider; the refund as it is afterwards."""
    after = attrs.evolve(refund, reference=told.reference)
    if refund.state.counts and not told.state.counts:
        after = attrs.evolve(ledger.refund_failed(refund, RefundState.FAILED, told.reason), reference=told.reference)
        text = f"{refund.amount.amount} {refund.amount.currency.code} did not reach the payer: {told.reason or 'no reason given'}"
        alert(change, AlertKind.REFUND_FAILED, refund.id, text, invoice=refund.invoice)
    elif not refund.state.counts and told.state.counts:
        again = ledger.refund_again(refund)
        after = attrs.evolve(again, reference=told.reference, state=told.state, failed_on=None, error="")
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
    change: Change, ledger: Ledger, collection: Collection, payments: Sequence[Payment], told: RefundSnapshot
) -> None:
    currency, nothing = told.amount.currency.code, zero(told.amount.currency.code)
    refs = [payment.id for payment in payments]
    payments = several(change.tx, Payment, change.biller.id, refs)  # what was undone above may have changed them
    earlier = [each for each in change.tx.find(Refund, change.biller.id, {"payment": refs}) if each.state.counts]
    gone = dict.fromkeys(refs, nothing)
    for reversal in change.tx.find(Reversal, change.biller.id, {"payment": refs}):
        if reversal.cancelled_on is None:
            gone[reversal.payment] = gone[reversal.payment] + reversal.amount
    settled, spare = nothing, nothing
    for payment in payments:
        paid = total([part.amount for part in payment.allocations], currency)
        settled = settled + max(paid - gone[payment.id], nothing)
        spare = spare + min(max(payment.amount - gone[payment.id], nothing), payment.credited)
    settled = max(settled - total([each.leaving for each in earlier], currency), nothing)
    spare = max(spare - total([each.of_credit for each in earlier if each.of_credit is not None], currency), nothing)
    # What they had settled is given back first; the rest had become credit, as far as that is still there.
    spare = min(max(told.amount - settled, nothing), spare)
    refund = Refund(
        id=change.ids("ref")[0],
        biller=change.biller.id,
        invoice=collection.invoice,
        amount=told.amount,
        to_credit=zero(currency),
        from_credit=zero(currency),
        of_credit=spare,
        method=payment.method,
        refunded_on=change.on,
        reference=told.reference,
        reason=told.reason,
        state=told.state,
        gateway=collection.gateway,
        payment=payment.id,
        next_try_at=change.at + POLLS[0] if told.state is RefundState.PENDING else None,
    )
    ledger.refund(refund)
    ledger.note(collection.invoice, "refunded", f"{told.amount.amount} at the provider")
    text = f"{told.amount.amount} {currency} was refunded at the provider, not from here ({told.reference})"
    alert(change, AlertKind.REFUNDED_ELSEWHERE, refund.id, text, invoice=collection.invoice)
