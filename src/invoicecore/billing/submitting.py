"""Submitting: an intended collection is sent to its provider, once, and what came of it is written down (P1, S9)."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert
from invoicecore.billing.applying import drop, drop_unchargeable, take_in, told_first
from invoicecore.billing.desk import Change, Desk, one
from invoicecore.billing.ledger import Ledger
from invoicecore.billing.methods import newest, take_method
from invoicecore.collection import (
    DOUBTS,
    SUBMIT_LEASE,
    Advice,
    Collection,
    CollectionState,
    Decline,
    DeclineCode,
    SavedMethod,
    wait,
)
from invoicecore.errors import (
    ConfigurationProblem,
    Conflict,
    Executed,
    GatewayError,
    GatewayFailed,
    InvalidRequest,
    NotSent,
    RateLimited,
    StateConflict,
)
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.ports import Capability, Charge, MethodSnapshot, Operation, PaymentGateway, PaymentSnapshot, PayStatus

MARGIN = timedelta(hours=1)
"""How long before a key's guarantee ends nothing is sent again under it: clocks differ, and requests take time."""

ODD = 8
"""How often in a row a provider may fail to tell of one before a person hears of it."""

_A_DAY = 86_400.0  # seconds: nobody asks us to wait longer in earnest
_LATER = (NotSent, RateLimited, ConfigurationProblem)


@attrs.frozen(kw_only=True)
class Sent:
    """A collection after its submission: `error` is what the provider, or the way to it, said instead of an answer.

    `alone`: whatever the error is, it says nothing of other collections.
    """

    collection: Collection
    error: GatewayError | None = None
    alone: bool = False


def submit(desk: Desk, collection: Collection, *, actor: str | None, action: str) -> Sent:
    """Send a RESERVED collection to its provider; nothing is open meanwhile, and a kill at any point loses nothing.

    What stands in the way is in the answer; a collection somebody else has taken is answered as it is.
    """
    gateway = desk.wiring.gateway_named(collection.gateway)
    try:
        method, fresh = _method(desk, gateway, collection, actor, action)
        before = _sent_before(desk, gateway, collection, method)
    except (*_LATER, StateConflict, InvalidRequest) as error:
        return Sent(collection=_refused(desk, collection, error, actor, action), error=error)
    except GatewayError as error:  # only the method and the past were asked for: nothing can have happened
        later, alone = NotSent(error.gateway, error.operation, error.why), isinstance(error, GatewayFailed)
        waits = _refused(desk, collection, later, actor, action, odd=True)
        return Sent(collection=waits, error=later, alone=alone)
    if before is not None:
        return Sent(collection=take_in(desk, action, collection, told_first(before, gateway), actor=actor))
    with desk.change(action, collection.biller, actor=actor, subject=collection.id) as change:
        found = one(change.tx, Collection, collection.biller, collection.id)
        if found.state is not CollectionState.RESERVED:
            return Sent(collection=found)
        ledger = Ledger(change)
        invoice = ledger.invoice(found.invoice)
        if invoice.lifecycle is not Lifecycle.OPEN or invoice.balance.amount <= 0:
            return Sent(collection=drop(change, ledger, found, "it is not owed any more"))
        if invoice.balance < found.amount:  # a credit note took a part off: nothing was sent yet
            ledger.fly(invoice.id, invoice.balance - found.amount)
            found = attrs.evolve(found, amount=invoice.balance)
        if not method.chargeable:
            return Sent(collection=drop_unchargeable(change, ledger, found, method))
        claimed = attrs.evolve(
            found,
            state=CollectionState.SUBMITTING,
            charge_on=_charge_on(found, fresh),
            submitted_at=found.submitted_at or change.at,
            tries=found.tries + 1,
            next_try_at=change.at + SUBMIT_LEASE,
        )
        change.tx.replace([claimed])
        ledger.write()
        claimed = attrs.evolve(claimed, version=found.version + 1)
    return send(desk, gateway, claimed, method, invoice, actor=actor, action=action)


def send(
    desk: Desk,
    gateway: PaymentGateway,
    collection: Collection,
    method: SavedMethod,
    invoice: Invoice,
    *,
    actor: str | None,
    action: str,
    replay: bool = False,
) -> Sent:
    """Make the charge of a collection that is this caller's; with `replay`, again under its key, after a doubt."""
    request = Charge(
        method=method.reference or "",
        owner=method.owner,
        amount=collection.amount,
        reference=invoice.reference,
        description=invoice.title,
        charge_on=collection.charge_on,
    )
    try:
        snapshot = gateway.charge(request, collection.id)
    except GatewayError as error:
        found = _looked_up(gateway, collection) if replay and error.executed is Executed.OTHER else None
        if found is None:
            after = _doubt(desk, collection, error, actor, action, replay=replay)
            if isinstance(error, StateConflict):
                _read_again(desk, gateway, method, actor, action)
            return Sent(collection=after, error=error)
        snapshot = found  # the request is another one since, but what the first one made is what was wanted
    try:
        # Told by the answer; should a webhook have been quicker, by what the provider holds after that.
        after = take_in(desk, action, collection, told_first(snapshot, gateway), actor=actor)
    except GatewayError as error:  # it happened: only how it stands is not known
        return Sent(collection=_doubt(desk, collection, error, actor, action, replay=True), error=error)
    return Sent(collection=after)


def _read_again(desk: Desk, gateway: PaymentGateway, method: SavedMethod, actor: str | None, action: str) -> None:
    """See whether a method whose charge was refused was given up at the provider: then another one is charged next."""
    with suppress(GatewayError, Conflict):  # the charge is over: it is read again when it is refused again
        take_method(desk, method, newest(gateway, method.reference or ""), actor=actor, action=action)


def _looked_up(gateway: PaymentGateway, collection: Collection) -> PaymentSnapshot | None:
    """What a doubtful charge made, if that is what is wanted and can be found."""
    since = (collection.submitted_at or collection.made_at) - timedelta(days=1)
    try:
        found = gateway.find(Operation.CHARGE, collection.id, since=since)
    except GatewayError:
        return None
    return found if isinstance(found, PaymentSnapshot) and found.amount == collection.amount else None


def _sent_before(
    desk: Desk, gateway: PaymentGateway, collection: Collection, method: SavedMethod
) -> PaymentSnapshot | None:
    """What a charge that has waited for longer than its key is remembered made before, in a past that is lost here.

    A restored backup does not know what was sent after it was taken, and the provider, asked again, may not either:
    only its lists do. None for a charge that never was, or that cannot be looked up.
    """
    waited = desk.clock.now() - collection.made_at
    if waited < gateway.info.key_window - MARGIN or not gateway.info.can(Capability.LOOKUP, kind=method.kind):
        return None
    since = collection.made_at - timedelta(days=1)
    found = gateway.find(Operation.CHARGE, collection.id, since=since, within=method.reference)
    # One that was made and never confirmed collects nothing.
    return found if isinstance(found, PaymentSnapshot) and found.status is not PayStatus.OPEN else None


def _method(
    desk: Desk, gateway: PaymentGateway, collection: Collection, actor: str | None, action: str
) -> tuple[SavedMethod, MethodSnapshot | None]:
    """The saved method, and what the provider says of it now where charges have dates (P1)."""
    with desk.view() as tx:
        method = one(tx, SavedMethod, collection.biller, collection.method or "")
    if method.reference is None or not gateway.info.can(Capability.CHARGE_DATE, kind=method.kind):
        return method, None
    fresh = newest(gateway, method.reference)
    return take_method(desk, method, fresh, actor=actor, action=action), fresh


def _charge_on(collection: Collection, fresh: MethodSnapshot | None) -> date | None:
    """The later of the day asked for and the first the provider can do; None where charges have no dates (P1)."""
    if fresh is None:
        return None
    days = [day for day in (collection.charge_on, fresh.next_charge_on) if day is not None]
    return max(days) if days else None


def _refused(
    desk: Desk, collection: Collection, error: GatewayError, actor: str | None, action: str, *, odd: bool = False
) -> Collection:
    """After an error before anything was sent: the collection waits, or ends; `odd`: and a person hears of it at last."""
    with desk.change(action, collection.biller, actor=actor, subject=collection.id) as change:
        found = one(change.tx, Collection, collection.biller, collection.id)
        if found.state is not CollectionState.RESERVED:
            return found
        tried = attrs.evolve(found, tries=found.tries + 1)
        if odd and tried.tries > ODD:
            what = f"{found.amount.amount} {found.amount.currency.code}"
            text = f"{what} cannot be sent to the provider: {error.why}; it is tried again, or called off with collections.cancel"
            alert(change, AlertKind.DOUBTFUL, found.id, text, invoice=found.invoice)
        return _not_executed(change, tried, error)


def _doubt(
    desk: Desk, collection: Collection, error: GatewayError, actor: str | None, action: str, *, replay: bool
) -> Collection:
    """After an error of the charge itself: what is certain not to have happened waits or ends, the rest is doubtful."""
    with desk.change(action, collection.biller, actor=actor, subject=collection.id) as change:
        found = one(change.tx, Collection, collection.biller, collection.id)
        if found.state not in (CollectionState.SUBMITTING, CollectionState.UNKNOWN):
            return found  # somebody learned what became of it meanwhile
        if error.executed is Executed.NO and not replay:
            return _not_executed(change, found, error)
        # The same request may have gone through before: that this one did not proves nothing.
        unknown = attrs.evolve(
            found,
            state=CollectionState.UNKNOWN,
            next_try_at=change.at + wait(DOUBTS, found.tries),
            tries=found.tries + 1 if replay else found.tries,
            error=error.why,
        )
        if error.executed is Executed.OTHER:
            unknown = attrs.evolve(unknown, next_try_at=None)
            alert(change, AlertKind.MISMATCH, found.id, str(error), invoice=found.invoice)
        change.tx.replace([unknown])
        return attrs.evolve(unknown, version=found.version + 1)


def _not_executed(change: Change, found: Collection, error: GatewayError) -> Collection:
    if isinstance(error, _LATER):
        after = wait(DOUBTS, found.tries)
        if isinstance(error, RateLimited) and error.retry_after is not None and 0 <= error.retry_after <= _A_DAY:
            after = timedelta(seconds=error.retry_after)
        waiting = attrs.evolve(found, state=CollectionState.RESERVED, next_try_at=change.at + after, error=error.why)
        if isinstance(error, ConfigurationProblem):
            alert(change, AlertKind.CONFIGURATION, f"{change.biller.id}/{error.gateway}", str(error))
        change.tx.replace([waiting])
        return attrs.evolve(waiting, version=found.version + 1)
    ledger = Ledger(change)
    alert(change, AlertKind.REFUSED, found.id, str(error), invoice=found.invoice)
    gone = isinstance(error, StateConflict)
    decline = Decline(
        code=DeclineCode.MANDATE_CANCELLED if gone else DeclineCode.PROCESSING_ERROR,
        advice=Advice.NEW_METHOD,
        raw_code=error.code,
    )
    return drop(change, ledger, found, error.why, decline)
