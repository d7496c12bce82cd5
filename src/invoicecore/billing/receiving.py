"""Receiving: a provider's events are verified, stored once, and each is a doorbell: what it is about is fetched afresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from invoicecore.alerts import AlertKind
from invoicecore.billing.alerting import alert
from invoicecore.billing.applying import take_in, told_first
from invoicecore.billing.desk import Change, Desk
from invoicecore.billing.methods import apply_method, newest
from invoicecore.collection import Collection, SavedMethod
from invoicecore.errors import (
    Conflict,
    GatewayError,
    InvalidValue,
    NotFound,
    NotWired,
    ObjectNotFound,
    ObserverFailed,
    OutcomeUnknown,
    PluginError,
    Refused,
    StoreError,
    legible,
)
from invoicecore.inbox import InboxEvent, InboxState, applied, failed
from invoicecore.parties import Biller
from invoicecore.payments import Payment
from invoicecore.ports import About, Notice, PaymentGateway, PaymentSnapshot

_LEASE = timedelta(minutes=1)  # how long an event is its receiver's before `recover` may take it
_BUDGET = timedelta(seconds=5)  # how long a provider may wait for its answer; what is left waits for `recover`


@attrs.frozen(kw_only=True)
class Received:
    """What became of one event.

    `state`: `applied`; `repeated`, it was before; `ignored`, it is of no use here or about what is not ours; `waiting`
    and `parked`, stored but not applied, `why` says so. `invoice` and `payment` are what it was about, if anything.
    """

    event: str
    state: str
    invoice: str | None = None
    payment: str | None = None
    why: str = ""


class Receiving:
    """One call of `Billing.receive`, or of `Billing.receive_missed`."""

    def __init__(self, desk: Desk, *, actor: str | None = None) -> None:
        self._unheard: list[ObserverFailed] = []
        self._desk = desk.quiet(self._unheard)
        self._actor = actor
        self._elsewhere = False
        self._failure: Exception | None = None

    def receive(self, name: str, body: bytes, headers: Mapping[str, str]) -> tuple[Received, ...]:
        """Verify, store, then apply each event; NotFound for a gateway that is not here, WebhookRejected."""
        gateway = self._gateway(name)
        given: object = body
        if not isinstance(given, (bytes, bytearray)):
            raise InvalidValue("body", type(given).__name__, "is not bytes", "give the request's body as it came")
        named: object = headers
        if not isinstance(named, Mapping) or not all(isinstance(each, str) for pair in named.items() for each in pair):
            raise InvalidValue("headers", type(named).__name__, "are no headers", "give a mapping of names to texts")
        self._desk.outside()
        lower = {header.lower(): value for header, value in headers.items()}
        told = self._take(gateway, gateway.notices(bytes(body), lower))
        if self._failure is not None:
            raise self._failure
        if self._elsewhere:
            # Somebody else's money: it is told again until a desk hears of it that may write it down.
            raise NotFound("biller", "…")
        if self._unheard:
            raise self._unheard[0]
        return tuple(told)

    def missed(self, name: str, since: datetime) -> tuple[Received, ...]:
        """Every event since an instant, those that were received skipped; under a scope those of its biller."""
        gateway = self._gateway(name)
        instant: object = since
        if not isinstance(instant, datetime) or instant.tzinfo is None:
            raise InvalidValue("since", since, "is no instant with its time zone", "give an aware datetime")
        self._desk.outside()
        told: list[Received] = []
        cursor: str | None = None
        while True:
            page = gateway.missed(since, cursor)
            told += self._take(gateway, page.notices, unhurried=True)
            cursor = page.cursor
            if cursor is None:
                break
        if self._failure is not None:
            raise self._failure
        if self._unheard:
            raise self._unheard[0]
        if self._desk.scope is not None:  # what is nobody's here may be another biller's (T1)
            told = [each for each in told if each.state != InboxState.IGNORED.value]
        return tuple(told)

    def _gateway(self, name: str) -> PaymentGateway:
        try:
            return self._desk.wiring.gateway_named(name)
        except NotWired as error:
            raise NotFound("gateway", name) from error

    def _take(self, gateway: PaymentGateway, notices: Sequence[Notice], *, unhurried: bool = False) -> list[Received]:
        began = self._desk.clock.now()
        stored = self._store(gateway, notices)
        told: dict[str, Received] = {}
        done: dict[tuple[str, str], tuple[Received, str]] = {}
        # Those that are stored come first: what is foreign must not keep them waiting.
        for notice in sorted(notices, key=lambda each: each.id not in stored):
            known = stored.get(notice.id)
            late = not unhurried and self._desk.clock.now() - began > _BUDGET
            about = (notice.about.value, notice.reference)
            if notice.about is About.NOTHING:
                one_told = Received(event=notice.id, state=InboxState.IGNORED.value, why="of a kind not needed here")
            elif known is not None and known.state in (InboxState.APPLIED, InboxState.IGNORED):
                one_told = Received(event=notice.id, state="repeated")
            elif known is not None and late:
                one_told = Received(event=notice.id, state=known.state.value, why="applied soon")
            elif known is None and late:
                self._failure = self._failure or OutcomeUnknown(
                    gateway.info.name, "receive", "there was no time for all"
                )
                continue
            elif about in done:  # fetched for another event of these, so it is told already
                before, owner = done[about]
                event = known or self._event(gateway, notice, owner, began)
                one_told = self._beside(event) if event.biller else attrs.evolve(before, event=notice.id)
            else:
                try:
                    one_told = self.apply(known or self._event(gateway, notice, "", began))
                except (StoreError, PluginError, Refused):
                    raise
                except Exception as error:  # not stored, so its provider tells it again; the others are dealt with
                    self._failure = self._failure or error
                    continue
                owner = known.biller if known is not None else (one_told.invoice or "").partition("_")[0]
                if one_told.state == InboxState.APPLIED.value and owner:
                    done[about] = one_told, owner
                elif one_told.state == InboxState.IGNORED.value and known is None:
                    done[about] = one_told, ""  # of somebody else
            told[notice.id] = one_told
        return [told[notice.id] for notice in notices if notice.id in told]

    def _beside(self, event: InboxEvent) -> Received:
        """An event about what was just fetched for another one."""
        with self._desk.change("receive", event.biller, actor=self._actor or event.gateway) as change:
            _mark(change, event, event.biller)
        return Received(event=event.id.partition("/")[2], state=InboxState.APPLIED.value)

    def _store(self, gateway: PaymentGateway, notices: Sequence[Notice]) -> dict[str, InboxEvent]:
        """The stored events of those notices whose biller is known, new ones among them, in one transaction a biller."""
        mine: dict[str, list[Notice]] = {}
        for notice in notices:
            if notice.key is not None and notice.about is not About.NOTHING:
                mine.setdefault(notice.key.partition("_")[0], []).append(notice)
        stored: dict[str, InboxEvent] = {}
        for biller, some in mine.items():
            if not self._known(biller):
                continue
            try:
                found = self._stored(gateway, biller, some)
            except Conflict:  # somebody else is receiving the same
                found = self._stored(gateway, biller, some)
            stored.update({event.id.partition("/")[2]: event for event in found.values()})
        return stored

    def _stored(self, gateway: PaymentGateway, biller: str, some: Sequence[Notice]) -> dict[str, InboxEvent]:
        with self._desk.change("receive", biller, actor=self._actor or gateway.info.name) as change:
            at = change.at
            fresh = {event.id: event for event in (self._event(gateway, notice, biller, at) for notice in some)}
            found = change.tx.get(InboxEvent, biller, list(fresh))
            change.tx.add([event for id, event in fresh.items() if id not in found])
        return fresh | found

    def _known(self, biller: str) -> bool:
        if self._desk.scope not in (None, biller):
            self._elsewhere = True
            return False
        with self._desk.view() as tx:
            return biller in tx.get(Biller, biller, [biller])

    def _event(self, gateway: PaymentGateway, notice: Notice, biller: str, at: datetime) -> InboxEvent:
        return InboxEvent(
            id=f"{gateway.info.name}/{notice.id}",
            biller=biller,
            gateway=gateway.info.name,
            kind=notice.kind,
            about=notice.about.value,
            reference=notice.reference,
            received_at=at,
            next_try_at=at + _LEASE,
        )

    def apply(self, event: InboxEvent) -> Received:
        """Fetch what an event is about and write it down; an event whose biller is not known yet has none.

        What goes wrong is the event's: it waits, and is parked at last. Raises StoreError, PluginError and Refused,
        and GatewayError for an event that is not stored: its provider tells it again.
        """
        name = event.id.partition("/")[2]
        try:
            gateway = self._desk.wiring.gateway_named(event.gateway)
            if event.about == About.METHOD.value:
                return self._method(event, name, gateway)
            return self._payment(event, name, gateway)
        except ObjectNotFound as error:
            return self._ignored(event, name, error.why)
        except (StoreError, PluginError, Refused):
            raise
        except Exception as error:
            if not event.biller:
                raise
            return self._put_off(event, name, error)

    def _payment(self, event: InboxEvent, name: str, gateway: PaymentGateway) -> Received:
        reference = event.reference
        if event.about == About.REFUND.value:
            reference = gateway.refund_of(reference).payment
        told = gateway.payment(reference)
        owner = self._owner(told.key)
        if owner is None or told.key is None:
            return self._ignored(event, name, "it is not ours")
        with self._desk.view() as tx:
            collection = tx.get(Collection, owner, [told.key]).get(told.key)
        if collection is None:
            return self._orphan(event, name, owner, told)
        after = take_in(
            self._desk,
            "receive",
            collection,
            told_first(told, gateway),
            actor=self._actor or event.gateway,
            beside=lambda change: _mark(change, event, owner),
        )
        with self._desk.view() as tx:
            payments = tx.find(Payment, owner, {"collection": after.id})
        newest = max((payment.id for payment in payments), default=None)
        return Received(event=name, state=InboxState.APPLIED.value, invoice=after.invoice, payment=newest)

    def _method(self, event: InboxEvent, name: str, gateway: PaymentGateway) -> Received:
        told = newest(gateway, event.reference)
        owner = self._owner(told.key)
        if owner is None or told.key is None:
            return self._ignored(event, name, "it is not ours")
        for _ in range(8):
            try:
                with self._desk.change(
                    "receive", owner, actor=self._actor or event.gateway, subject=told.key
                ) as change:
                    method = change.tx.get(SavedMethod, owner, [told.key]).get(told.key)
                    if method is not None:
                        apply_method(change, method, told)
                    _mark(change, event, owner, InboxState.APPLIED if method is not None else InboxState.IGNORED)
                state = InboxState.APPLIED if method is not None else InboxState.IGNORED
                return Received(event=name, state=state.value, why="" if method is not None else "it is not known here")
            except Conflict:
                continue
        raise Conflict(f"method {told.key}", "others keep changing it")

    def _owner(self, key: str | None) -> str | None:
        """The biller whose key it is; None for an object that is not ours."""
        biller = key.partition("_")[0] if key is not None else ""
        return biller if biller and self._known(biller) else None

    def _orphan(self, event: InboxEvent, name: str, owner: str, told: PaymentSnapshot) -> Received:
        """A payment under a key of ours that is not stored here: after a backup was restored, or from another copy."""
        why = f"the provider holds a payment under {told.key}, which is not stored here: {told.reference}"
        with self._desk.change("receive", owner, actor=self._actor or event.gateway) as change:
            alert(change, AlertKind.DOUBTFUL, told.key or told.reference, why)
            _mark(change, event, owner, InboxState.IGNORED)
        return Received(event=name, state=InboxState.IGNORED.value, why=why)

    def _ignored(self, event: InboxEvent, name: str, why: str) -> Received:
        if event.biller:
            with self._desk.change("receive", event.biller, actor=self._actor or event.gateway) as change:
                _mark(change, event, event.biller, InboxState.IGNORED, why)
        return Received(event=name, state=InboxState.IGNORED.value, why=why)

    def _put_off(self, event: InboxEvent, name: str, error: Exception) -> Received:
        why = error.why if isinstance(error, GatewayError) else legible(f"{type(error).__name__}: {error}")
        with self._desk.change("receive", event.biller, actor=self._actor or event.gateway) as change:
            stored = change.tx.get(InboxEvent, event.biller, [event.id]).get(event.id, event)
            if stored.state in (InboxState.APPLIED, InboxState.IGNORED):
                return Received(event=name, state="repeated")
            after = failed(stored, change.at, why)
            change.tx.replace([after])
            if after.state is InboxState.PARKED:
                alert(
                    change,
                    AlertKind.POISON,
                    event.id,
                    f"the event {name} of {event.gateway} was tried {after.tries} times: {why}",
                )
        return Received(event=name, state=after.state.value, why=why)


def _mark(change: Change, event: InboxEvent, owner: str, state: InboxState = InboxState.APPLIED, why: str = "") -> None:
    """Note in the transaction of its effect that an event is done, also one that had no biller to be stored under."""
    stored = change.tx.get(InboxEvent, owner, [event.id]).get(event.id)
    if stored is None:
        change.tx.add([attrs.evolve(applied(event), biller=owner, state=state, error=why)])
    elif stored.state is not state:
        change.tx.replace([attrs.evolve(applied(stored), state=state, error=why)])
