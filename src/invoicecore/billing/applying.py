"""Applying: what a provider holds becomes facts here, whatever was told before, in any order and any number of times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.accounting import write_money
from invoicecore.billing.alerting import alert, settle_alerts
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.notifying import tell_once
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
from invoicecore.errors import Conflict, Interrupted, KeyMismatch
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import MessageKind
from invoicecore.parties import Policy
from invoicecore.ports import GatewayInfo, PaymentGateway, PaymentSnapshot, PayStatus

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
    calling_off: bool = False,
) -> Collection:
    """Fetch a payment afresh and apply it to its collection; `beside` is written in the same transaction.

    A snapshot is only applied to the facts it was fetched after: an older one never undoes what a newer one said.
    """
    info = desk.wiring.gateway_named(collection.gateway).info
    current = collection
    for _ in range(_AGAIN):
        snapshot = fetch(current)
        if snapshot.key is not None and snapshot.key != collection.id:
            raise KeyMismatch(collection.gateway, "payment", f"{snapshot.reference} was made under another key")
        try:
            with desk.change(action, current.biller, actor=actor, subject=current.id) as change:
                found = one(change.tx, Collection, current.biller, current.id)
                if found.version == current.version:
                    after = apply_payment(change, found, snapshot, info, calling_off=calling_off)
                    beside(change)
                    return after
                current = found
        except (Conflict, Interrupted):  # and what an interrupted commit may have written is seen now
            with desk.view() as tx:
                current = one(tx, Collection, current.biller, current.id)
    raise Conflict(f"collection {collection.id}", "others keep changing it")


def told_first(told: PaymentSnapshot, gateway: PaymentGateway) -> Fetch:
    """A fetch that first answers what was told already, and asks the provider only should that be outdated."""
    answers = [told]
    return lambda _: answers.pop() if answers else gateway.payment(told.reference)


def apply_payment(
    change: Change, before: Collection, told: PaymentSnapshot, info: GatewayInfo, *, calling_off: bool = False
) -> Collection:
    """Write down what a snapshot says beyond what is known: money, what was taken back or returned, and the state.

    Money a provider reports is always stored in full (D6). `calling_off`: that it is cancelled is what was wanted. The
    collection as it is afterwards.
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
    over = told.status in (PayStatus.SUCCEEDED, PayStatus.FAILED, PayStatus.CANCELLED)
    if over and told.collected < before.collected:
        odd = f"the provider holds {told.collected.amount} {currency}, {before.collected.amount} was written down here"
        alert(change, AlertKind.MISMATCH, before.id, odd, invoice=before.invoice)
    ledger = Ledger(change)
    now = _moved(change, before, told, info)
    if before.live and not now.live:
        ledger.fly(before.invoice, -before.amount)
    elif now.live and not before.live:
        ledger.fly(before.invoice, before.amount)
    write_money(change, ledger, now, told)
    now = attrs.evolve(now, collected=max(before.collected, told.collected))
    given_up = _provider_retries(before) and not _provider_retries(now)
    if now.state is CollectionState.FAILED and (before.state is not CollectionState.FAILED or given_up):
        now = failed(change, ledger, now)
    elif now.state is CollectionState.CANCELLED and before.live and now.method is not None and not calling_off:
        now = _cancelled(change, ledger, now)
    sent = before.state in (CollectionState.SUBMITTING, CollectionState.UNKNOWN) and now.method is not None
    if sent and now.state is CollectionState.PENDING and change.biller.policy.notify_collections:
        tell_once(change, MessageKind.COLLECTION_NOTICE, ledger.invoice(now.invoice), now.id)
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
    if state is CollectionState.CANCELLED and before.state is state:
        decline = decline or before.decline  # told again, it is what was concluded the first time
    now = attrs.evolve(
        before,
        state=state,
        reference=told.reference,
        kind=told.kind,
        decline=decline if state is not CollectionState.SUCCEEDED else None,
        expected_on=told.expected_on or before.expected_on,
        error="" if before.next_try_at is not None else before.error,
    )
    if state is CollectionState.SUCCEEDED and before.reversible_until is None:
        currency = told.amount.currency.code
        spec = next((spec for spec in info.methods if spec.kind is told.kind and currency in spec.currencies), None)
        if spec is not None and spec.reversible_for is not None:
            now = attrs.evolve(now, reversible_until=change.on + spec.reversible_for)
    return attrs.evolve(now, **_schedule(change, before, now))


def _schedule(change: Change, before: Collection, now: Collection) -> dict[str, Any]:
    """When it is looked at next: what was told before its time changes nothing of that."""
    same = now.state is before.state
    if now.state is CollectionState.PENDING and not _owed(change, now):
        return {"next_try_at": change.at} if not same else {}  # to be called off
    if same and (before.next_try_at is None or before.next_try_at > change.at):
        return {}
    if now.state in UNFINISHED:
        tries = before.tries + 1 if same else 0
        return {"tries": tries, "next_try_at": _next_look(change, now, tries)}
    if same and now.state is CollectionState.FAILED and not _provider_retries(before):
        return {}
    return {"next_try_at": change.at + POLLS[-1] if _provider_retries(now) else None}


def _owed(change: Change, collection: Collection) -> bool:
    """Whether its invoice still asks for what a collection collects."""
    invoice = one(change.tx, Invoice, collection.biller, collection.invoice)
    return invoice.lifecycle is Lifecycle.OPEN and invoice.balance >= collection.amount


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
        case PayStatus.OPEN if before.method is not None:
            # Made and not confirmed: a moment later that may change, minutes later nobody is left to confirm it.
            doubt = {
                CollectionState.SUBMITTING: CollectionState.UNKNOWN,
                CollectionState.UNKNOWN: CollectionState.FAILED,
            }
            return doubt.get(before.state, before.state)
    return before.state


def _next_look(change: Change, now: Collection, tries: int) -> datetime:
    at = change.at
    if now.state is CollectionState.PENDING:
        poll = at + wait(POLLS, tries)
        if now.expected_on is None:
            return poll
        return max(poll, start_of(now.expected_on, change.biller.timezone) + timedelta(days=2))
    if now.state is CollectionState.OPEN:
        return max(now.expires_at or at, at + timedelta(hours=1))
    return at + wait(DOUBTS, tries)


def _other(change: Change, mine: Collection) -> bool:
    states = [state.value for state in UNFINISHED]
    found = change.tx.find(Collection, mine.biller, {"invoice": mine.invoice, "state": states})
    return any(each.id != mine.id for each in found)


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


def drop_unchargeable(change: Change, ledger: Ledger, found: Collection, method: SavedMethod) -> Collection:
    """End a collection that was never sent, because its method can no longer be charged; somebody is told (S9)."""
    why = "the saved method can no longer be charged"
    decline = Decline(code=DeclineCode.MANDATE_CANCELLED, advice=Advice.NEW_METHOD, raw_code=method.reason)
    alert(change, AlertKind.NO_METHOD, found.id, f"{why}: {method.label or method.id}", invoice=found.invoice)
    return drop(change, ledger, found, why, decline)


def fail_reserved(change: Change, method: SavedMethod) -> None:
    """What was about to be collected by a method that can no longer be charged is asked for with a link instead (S9)."""
    waiting = {"customer": method.customer, "state": CollectionState.RESERVED.value}
    for found in change.tx.find(Collection, method.biller, waiting):
        if found.method == method.id:
            drop_unchargeable(change, Ledger(change), found, method)


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
    owed = invoice.lifecycle is Lifecycle.OPEN and invoice.balance.amount > 0
    if owed and policy.link_on_failure and not tell_once(change, MessageKind.COLLECTION_FAILED, invoice, now.id):
        told = f"a collection of {now.amount.amount} {invoice.currency} failed and the customer has no e-mail address"
        alert(change, AlertKind.REFUSED, now.id, told, invoice=invoice.id)
    return now


def _cancelled(change: Change, ledger: Ledger, now: Collection) -> Collection:
    """After a debit was cancelled at the provider or with its mandate: it is asked for in another way (S9)."""
    invoice = ledger.invoice(now.invoice)
    if invoice.lifecycle is not Lifecycle.OPEN or invoice.balance.amount <= 0:
        return now
    decline = Decline(code=DeclineCode.MANDATE_CANCELLED, advice=Advice.NEW_METHOD)
    alert(change, AlertKind.NO_METHOD, now.id, "the debit was cancelled, or its mandate", invoice=invoice.id)
    return failed(change, ledger, attrs.evolve(now, decline=now.decline or decline))


def _retry_in(policy: Policy, failed: Collection) -> int | None:
    """In how many days a failed collection is tried again, None when it is not."""
    helps = failed.decline is not None and failed.decline.advice is Advice.RETRY_LATER
    if failed.method is None or not helps or failed.attempt > len(policy.collection_retries):
        return None
    return policy.collection_retries[failed.attempt - 1]
