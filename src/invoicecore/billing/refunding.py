"""Refunding: money of an invoice given back by hand, through the provider that took it, or as credit (S12, P4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert, settle_alerts
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.notifying import tell_payer
from invoicecore.collection import DOUBTS, SUBMIT_LEASE, Collection, wait
from invoicecore.errors import (
    ConfigurationProblem,
    Executed,
    GatewayError,
    InvalidValue,
    KeyMismatch,
    NotAllowed,
    NotEnough,
    NotSent,
    NotSupported,
    RateLimited,
)
from invoicecore.invoices import Invoice, Lifecycle, check
from invoicecore.messages import MessageKind
from invoicecore.money import Money, positive, total, zero
from invoicecore.parties import member, text, yes_or_no
from invoicecore.payments import Payment, PaymentMethod, Refund, RefundState, Reversal, refund_shares

if TYPE_CHECKING:
    from invoicecore.ports import PaymentGateway, RefundSnapshot

_LATER = (NotSent, RateLimited, ConfigurationProblem)


class Refunding:
    """The refunds of `billing.payments`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def refund(
        self,
        invoice: Invoice | str,
        amount: Money | None = None,
        *,
        to: str = "source",
        payment: Payment | str | None = None,
        method: PaymentMethod | str = PaymentMethod.TRANSFER,
        reference: str = "",
        reason: str = "",
        notify: bool | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Refund:
        """Give back all or part of the money held on an invoice (S12).

        `to="source"` records what you gave back yourself, by `method`; `to="credit"` makes it the customer's credit;
        `to="gateway"` has the provider give it back where it came from: of the payment named, or of the newest with
        enough left; of one that is named, what became credit as well. The share that was paid by credit goes to credit
        only. A refund by a provider is stored before it
        is asked for, so that no two are more than is held; what came of it is its `state`, and `reversible_until`
        warns until when the payment can still be taken back as well (P4). `notify` tells the payer or does not; None
        leaves it to the policy.

        Raises NotAllowed when nothing is held, NotEnough for more than is held, InvalidValue, InvalidMoney,
        CurrencyMismatch, NotFound; by a provider also StoreError inside a transaction (P2), NotWired, and GatewayError
        when it certainly did not happen.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        if to not in ("source", "credit", "gateway"):
            raise InvalidValue("to", to, "is not known", "give 'source', 'credit' or 'gateway'")
        if payment is not None and to != "gateway":
            raise InvalidValue("payment", payment, "is only for to='gateway'", "leave it out")
        named = self._desk.owner("payment", payment, biller)[1] if payment is not None else None
        if to == "gateway":
            self._desk.outside()
        with self._desk.change("payments.refund", biller, on=on, actor=actor, subject=ref) as change:
            how = member(PaymentMethod, method, "method")
            asked = positive(amount, "amount", currency=change.biller.currency) if amount is not None else None
            wanted = {"invoice": ref, "amount": asked, "to": to, "method": how, "reference": reference,
                      "reason": reason, **({} if named is None else {"payment": named}),
                      **({} if notify is None else {"notify": yes_or_no(notify, "notify")})}  # fmt: skip
            if (made := change.replayed(key, wanted)) is not None:
                refund = change.again(Refund, made)[0]
            else:
                before = one(change.tx, Invoice, biller, ref)
                if named is None or before.lifecycle is Lifecycle.DRAFT:
                    check("refund", before, change.biller.policy, change.on)
                if to == "gateway":
                    refund = by_gateway(change, before, asked, named, reason)
                    self._desk.wiring.gateway_named(refund.gateway or "")  # refuses before anything is written
                else:
                    refund = _by_hand(change, before, asked, to, how, reference, reason)
                record(change, refund, notify=notify)
                change.made(refund.id)
        if refund.gateway is None or refund.state is not RefundState.RESERVED:
            return refund
        return self._sent(refund, actor)

    def resolve_refund(
        self,
        refund: Refund | str,
        *,
        outcome: str,
        note: str,
        reference: str = "",
        on: date | None = None,
        actor: str | None = None,
    ) -> Refund:
        """Settle a doubtful refund by what a person found at the provider: "refunded" or "not_refunded".

        Only an UNKNOWN one; the note says how it was found out, and is on the invoice's timeline with who said so
        (R18). `reference` is the provider's name of the refund, needed for "refunded". Raises NotAllowed, InvalidValue,
        NotFound.
        """
        biller, ref = self._desk.owner("refund", refund)
        if outcome not in ("refunded", "not_refunded"):
            raise InvalidValue("outcome", outcome, "is not known", "give 'refunded' or 'not_refunded'")
        how = text(note, "note")
        named = text(reference, "reference", required=outcome == "refunded")
        with self._desk.change("payments.resolve_refund", biller, on=on, actor=actor, subject=ref) as change:
            found = one(change.tx, Refund, biller, ref)
            if found.state is not RefundState.UNKNOWN:
                raise NotAllowed("resolve", found.state.value, (), "only an unknown one is in doubt")
            ledger = Ledger(change)
            if outcome == "refunded":
                after = attrs.evolve(found, state=RefundState.SUCCEEDED, reference=named, next_try_at=None, error=how)
            else:
                after = ledger.refund_failed(found, RefundState.NOT_EXECUTED, how)
            change.tx.replace([after])
            ledger.note(found.invoice, f"refund {after.state.value}", how)
            ledger.write()
            for kind in (AlertKind.DOUBTFUL, AlertKind.MISMATCH):
                settle_alerts(change, found.id, kind, how)
            return one(change.tx, Refund, biller, ref)

    def _sent(self, refund: Refund, actor: str | None) -> Refund:
        until = reversible_until(self._desk, refund)
        after, error = submit_refund(self._desk, refund, actor=actor, action="payments.refund")
        if error is not None and error.executed is Executed.NO:
            raise error
        return attrs.evolve(after, reversible_until=until)


def record(change: Change, refund: Refund, *, notify: bool | None) -> None:
    """Write a new refund and what it does to its invoice, tell the payer if wished, and put it on the timeline."""
    ledger = Ledger(change)
    invoice = ledger.invoice(refund.invoice)
    ledger.refund(refund)
    tell_payer(change, MessageKind.REFUND, invoice, refund.id, notify=notify)
    to = "gateway" if refund.gateway else "credit" if refund.to_credit == refund.amount else "source"
    ledger.note(refund.invoice, "refunded", f"{refund.amount.amount} to {to}")
    ledger.write()


def _by_hand(
    change: Change, before: Invoice, asked: Money | None, to: str, how: PaymentMethod, reference: str, reason: str
) -> Refund:
    held = before.facts.held
    asked = asked if asked is not None else held
    if asked > held:
        raise NotEnough("money held", asked, held)
    to_credit, from_credit = refund_shares(before.facts, asked, to_credit=to == "credit")
    if to_credit.amount > 0 and before.customer is None:
        raise InvalidValue("to", to, "needs a customer to hold the credit", "refund to the source")
    return Refund(
        id=change.ids("ref")[0],
        biller=before.biller,
        invoice=before.id,
        amount=asked,
        to_credit=to_credit,
        from_credit=from_credit,
        method=how,
        refunded_on=change.on,
        reference=text(reference, "reference", required=False),
        reason=text(reason, "reason", required=False),
        actor=change.actor,
    )


def by_gateway(change: Change, before: Invoice, asked: Money | None, named: str | None, reason: str) -> Refund:
    """A refund for a provider to make, of one payment of an invoice that it took; the caller writes and submits it.

    Of a payment that is named, what it left as credit can be given back too, as far as that is still there. Raises
    NotAllowed without such a payment, NotEnough when none of them has so much left.
    """
    tx, biller, nothing = change.tx, change.biller.id, zero(before.currency)
    if named is not None:
        payments = [one(tx, Payment, biller, named)]
    else:
        payments = tx.find(Payment, biller, {"invoice": before.id})
    ours = tx.get(Collection, biller, [each.collection for each in payments if each.collection is not None])
    of = {each.id: ours[each.collection] for each in payments if each.collection in ours}
    back = tx.find(Reversal, biller, {"payment": list(of)})
    gone = {reversal.payment for reversal in back if reversal.cancelled_on is None}
    payments = [each for each in payments if each.id in of and of[each.id].invoice == before.id and each.id not in gone]
    if not payments:
        why = "no payment that came through a provider is held on it"
        raise NotAllowed("refund by the provider", before.status_on(change.on).value, ("refund by hand",), why)
    refunds = [each for each in tx.find(Refund, biller, {"payment": list(of)}) if each.state.counts]

    def settled(payment: Payment) -> Money:
        here = total([part.amount for part in payment.allocations if part.invoice == before.id], before.currency)
        given = total([each.leaving for each in refunds if each.payment == payment.id], before.currency)
        return max(min(here - given, before.facts.cash_held), nothing)

    def spare(payment: Payment) -> Money:
        if named is None or payment.customer is None:
            return nothing
        last = tx.last_credits(biller, [payment.customer], before.currency).get(payment.customer)
        given = total([each.of_credit or nothing for each in refunds if each.payment == payment.id], before.currency)
        return max(min(payment.credited - given, last.balance if last is not None else nothing), nothing)

    newest = sorted(payments, key=lambda payment: payment.id, reverse=True)
    left = {payment.id: settled(payment) + spare(payment) for payment in newest}
    enough = [payment for payment in newest if left[payment.id].amount > 0 and left[payment.id] >= (asked or nothing)]
    if not enough:
        most = max(left.values())
        raise NotEnough("money of one payment through a provider", asked or most, most)
    payment = enough[0]
    amount = asked or left[payment.id]
    collection = of[payment.id]
    siblings = [each.id for each in tx.find(Payment, biller, {"collection": collection.id})]
    all_of_it = [each for each in tx.find(Refund, biller, {"payment": siblings}) if each.state.counts]
    return Refund(
        id=change.ids("ref")[0],
        biller=biller,
        invoice=before.id,
        amount=amount,
        to_credit=nothing,
        from_credit=nothing,
        of_credit=max(amount - settled(payment), nothing) if named is not None else None,
        method=payment.method,
        refunded_on=change.on,
        reason=text(reason, "reason", required=False, longest=2000, lines=True),
        actor=change.actor,
        state=RefundState.RESERVED,
        gateway=collection.gateway,
        payment=payment.id,
        refunded_before=total([each.amount for each in all_of_it], before.currency),
        next_try_at=change.at,
    )


def reversible_until(desk: Desk, refund: Refund) -> date | None:
    """Until when the payment a refund is of can still be taken back, if that is not over yet (P4)."""
    with desk.view() as tx:
        collection = _collection(tx.get(Payment, refund.biller, [refund.payment or ""]).get(refund.payment or ""))
        found = tx.get(Collection, refund.biller, [collection]).get(collection)
    until = found.reversible_until if found is not None else None
    return until if until is not None and until > refund.refunded_on else None


def _collection(payment: Payment | None) -> str:
    return (payment.collection if payment is not None else None) or ""


def submit_refund(
    desk: Desk, refund: Refund, *, actor: str | None, action: str, replay: bool = False
) -> tuple[Refund, GatewayError | None]:
    """Send a stored refund to its provider, or again under its key after a doubt; the refund after it, and what went wrong."""
    from invoicecore.ports import RefundRequest  # only who uses a gateway pays for it

    gateway = desk.wiring.gateway_named(refund.gateway or "")
    with desk.change(action, refund.biller, actor=actor, subject=refund.id) as change:
        found = one(change.tx, Refund, refund.biller, refund.id)
        doubtful = found.state in (RefundState.SUBMITTING, RefundState.UNKNOWN)
        if found.state is not RefundState.RESERVED and not (replay and doubtful):
            return found, None
        payment = one(change.tx, Payment, found.biller, found.payment or "")
        collection = one(change.tx, Collection, found.biller, payment.collection or "")
        standing = change.tx.find(Reversal, found.biller, {"payment": payment.id})
        if not doubtful and any(each.cancelled_on is None for each in standing):
            ledger = Ledger(change)
            why = "the payment was taken back before it could be refunded"
            change.tx.replace([ledger.refund_failed(found, RefundState.NOT_EXECUTED, why)])
            ledger.write()
            return one(change.tx, Refund, found.biller, found.id), None
        claimed = attrs.evolve(
            found,
            state=RefundState.SUBMITTING,
            submitted_at=found.submitted_at or change.at,
            tries=found.tries + 1,
            next_try_at=change.at + SUBMIT_LEASE,
        )
        change.tx.replace([claimed])
    request = RefundRequest(
        payment=collection.reference or "",
        amount=claimed.amount,
        refunded_before=claimed.refunded_before or zero(claimed.amount.currency.code),
        description=claimed.reason,
    )
    try:
        told = gateway.refund(request, claimed.id)
    except GatewayError as error:
        after = _not_refunded(desk, claimed, collection, error, actor, action, replay=replay)
        return after, error if after.state is not RefundState.SUCCEEDED else None
    return settle_refund(desk, claimed, told, actor=actor, action=action), None


def settle_refund(desk: Desk, refund: Refund, told: RefundSnapshot, *, actor: str | None, action: str) -> Refund:
    """Write down how the provider has a refund of ours now."""
    from invoicecore.billing.accounting import settle

    with desk.change(action, refund.biller, actor=actor, subject=refund.id) as change:
        ledger = Ledger(change)
        settle(change, ledger, one(change.tx, Refund, refund.biller, refund.id), told)
        ledger.write()
        return one(change.tx, Refund, refund.biller, refund.id)


def _not_refunded(
    desk: Desk,
    refund: Refund,
    collection: Collection,
    error: GatewayError,
    actor: str | None,
    action: str,
    *,
    replay: bool,
) -> Refund:
    sure = error.executed is Executed.NO and not replay
    with desk.change(action, refund.biller, actor=actor, subject=refund.id) as change:
        found = one(change.tx, Refund, refund.biller, refund.id)
        if found.state is not RefundState.SUBMITTING:
            return found
        ledger = Ledger(change)
        if sure and isinstance(error, _LATER):
            after = attrs.evolve(
                found, state=RefundState.RESERVED, next_try_at=change.at + wait(DOUBTS, found.tries), error=error.why
            )
        elif sure:
            after = ledger.refund_failed(found, RefundState.NOT_EXECUTED, error.why)
            alert(change, AlertKind.REFUND_FAILED, found.id, str(error), invoice=found.invoice)
        else:
            stuck = isinstance(error, KeyMismatch)
            after = attrs.evolve(
                found,
                state=RefundState.UNKNOWN,
                next_try_at=None if stuck else change.at + wait(DOUBTS, found.tries),
                error=error.why,
            )
            if stuck:
                alert(change, AlertKind.MISMATCH, found.id, str(error), invoice=found.invoice)
        change.tx.replace([after])
        ledger.write()
    if sure and not isinstance(error, _LATER):
        # Perhaps somebody refunded it at the provider: see what is held there (P4).
        _look(desk, collection, actor, action)
    with desk.view() as tx:
        return one(tx, Refund, refund.biller, refund.id)


def _look(desk: Desk, collection: Collection, actor: str | None, action: str) -> None:
    from invoicecore.billing.applying import take_in

    gateway = desk.wiring.gateway_named(collection.gateway)
    try:
        take_in(desk, action, collection, lambda _: gateway.payment(collection.reference or ""), actor=actor)
    except GatewayError:
        return  # it is looked at again when it is polled, or told of


def recover_refund(desk: Desk, refund: Refund, *, actor: str | None) -> Refund:
    """Find out what became of a refund: by asking again under its key, by looking it up, or by asking how it stands."""
    from invoicecore.ports import Lookup

    gateway = desk.wiring.gateway_named(refund.gateway or "")
    if refund.state is RefundState.RESERVED:
        # It waits, so perhaps it was sent in a past that is lost with a restored backup, under a key forgotten since.
        made = _looked_up(desk, gateway, refund, datetime.combine(refund.refunded_on, time(), UTC) - timedelta(days=2))
        if made is None:
            return submit_refund(desk, refund, actor=actor, action="recover")[0]
        return settle_refund(desk, refund, made, actor=actor, action="recover")
    if refund.state is RefundState.PENDING or refund.reference:
        return settle_refund(desk, refund, gateway.refund_of(refund.reference), actor=actor, action="recover")
    since = refund.submitted_at or desk.clock.now()
    within = desk.clock.now() < since + gateway.info.key_window - timedelta(hours=1)
    if within and refund.tries <= 3:
        return submit_refund(desk, refund, actor=actor, action="recover", replay=True)[0]
    told = _looked_up(desk, gateway, refund, since - timedelta(days=1))
    if told is not None:
        return settle_refund(desk, refund, told, actor=actor, action="recover")
    with desk.change("recover", refund.biller, actor=actor, subject=refund.id) as change:
        found = one(change.tx, Refund, refund.biller, refund.id)
        if found.version != refund.version:
            return found
        ledger = Ledger(change)
        if gateway.info.lookup is Lookup.PROVES_ABSENCE:
            after = ledger.refund_failed(found, RefundState.NOT_EXECUTED, "the provider never had it")
            settle_alerts(change, found.id, AlertKind.DOUBTFUL, "the provider never had it")
            alert(change, AlertKind.REFUND_FAILED, found.id, "the provider never had it", invoice=found.invoice)
        elif within:
            later = change.at + wait(DOUBTS, found.tries)
            after = attrs.evolve(found, state=RefundState.UNKNOWN, tries=found.tries + 1, next_try_at=later)
        else:
            after = attrs.evolve(found, state=RefundState.UNKNOWN, next_try_at=None)
            what = f"{found.amount.amount} {found.amount.currency.code}"
            told_so = f"nobody knows whether {what} was refunded; look at the provider for {found.id}, then payments.resolve_refund"
            alert(change, AlertKind.DOUBTFUL, found.id, told_so, invoice=found.invoice)
        change.tx.replace([after])
        ledger.write()
        return one(change.tx, Refund, refund.biller, refund.id)


def _looked_up(desk: Desk, gateway: PaymentGateway, refund: Refund, since: datetime) -> RefundSnapshot | None:
    """What a refund's key has made since an instant, as far as the provider tells."""
    from invoicecore.ports import Operation, RefundSnapshot

    with desk.view() as tx:
        payment = one(tx, Payment, refund.biller, refund.payment or "")
        collection = one(tx, Collection, refund.biller, payment.collection or "")
    try:
        found = gateway.find(Operation.REFUND, refund.id, since=since, within=collection.reference)
    except NotSupported:
        return None
    return found if isinstance(found, RefundSnapshot) else None
