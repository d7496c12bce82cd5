"""What every journey stands on: who may, which day, whose record, one transaction, one timeline."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Context, Decimal
from itertools import islice
from typing import Protocol, TypeVar

import attrs

from invoicecore.billing.ids import checked_key, digest, id_stream
from invoicecore.billing.wiring import Wiring
from invoicecore.clock import local_date
from invoicecore.collection import SavedMethod
from invoicecore.errors import Interrupted, InvalidValue, KeyReused, NotFound, ObserverFailed, PaymentsOff, legible
from invoicecore.forking import renew_in_children
from invoicecore.invoices import Invoice
from invoicecore.money import Money
from invoicecore.parties import Biller, Customer, Unit, text
from invoicecore.periods import as_date
from invoicecore.plugins import Plugins
from invoicecore.ports import Clock, Event, InvoiceQuery, KeyUse, Reader, Record, Store, Writer

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_TRIES = 5  # of what the store interrupts: the next transaction waits for a store that is restarting

_WIDE = Context(prec=100)  # the thread's own precision may be anything


def again(job: Callable[[], T]) -> T:
    """What a job answers that may be done twice; one that the store interrupted is begun again, a few times."""
    for _ in range(_TRIES - 1):
        try:
            return job()
        except Interrupted:
            continue
    return job()


class _Collector:
    """Python's collector of cycles, and whether it waits for a page."""

    def __init__(self) -> None:
        self.waits = False
        renew_in_children(self)

    def forked(self) -> None:
        """See Inherited.forked; the thread that would have switched it on again may not be in this process."""
        if self.waits:
            self.go_on()

    def wait(self) -> None:
        self.waits = True
        gc.disable()

    def go_on(self) -> None:
        self.waits = False
        gc.enable()


_collector = _Collector()


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the collector of cycles wait for the length of a page, unless it is off already.

    A page makes tens of thousands of objects and no cycle. Every few pages the collector would walk all that the host
    has loaded to find that out: a tenth of a run here, more in a large application.
    """
    if not gc.isenabled():
        yield
        return
    _collector.wait()
    try:
        yield
    finally:
        _collector.go_on()


class Counted(Protocol):
    """A report that says how many of each kind there are."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many, by what they are called."""
        ...


class Desk:
    """What one Billing stands on: store, clock, plugins, wiring, and the biller it is scoped to, if any."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        plugins: Plugins,
        wiring: Wiring,
        scope: str | None = None,
        unheard: list[ObserverFailed] | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.plugins = plugins
        self.wiring = wiring
        self.scope = scope
        self._unheard = unheard

    def quiet(self, unheard: list[ObserverFailed]) -> Desk:
        """The same desk for bulk work: observers that fail are collected, and stop nothing (R18)."""
        return Desk(self.store, self.clock, self.plugins, self.wiring, self.scope, unheard)

    def today(self, biller: Biller, at: datetime | None = None) -> date:
        """The biller's local date at an instant, now by default (M1)."""
        return local_date(at or self.clock.now(), biller.timezone)

    def currency(self, tx: Reader, biller: str) -> str:
        """The currency a biller bills in."""
        return biller_in(tx, biller).currency

    def day(self, biller: Biller, on: date | None, at: datetime | None = None) -> date:
        """The civil date a verb counts for: the one given, or the biller's today (M1)."""
        return as_date(on, "on") if on is not None else self.today(biller, at)

    def owner(self, kind: str, record: object, of: Biller | str | None = None) -> tuple[str, str]:
        """(biller id, record id) of a record or an id. Raises NotFound for one this desk may not see (T1)."""
        ref = ref_of(kind, record)
        biller, mark, _ = ref.partition("_")
        allowed = {self.scope or biller, self.biller_id(of) if of is not None else biller}
        if not mark or allowed != {biller}:
            raise NotFound(kind, ref)
        return biller, ref

    def biller_id(self, biller: Biller | str | None) -> str:
        """The id of a biller this desk may see; None means the one it is scoped to (T1)."""
        if biller is None:
            if self.scope is None:
                raise InvalidValue("biller", None, "is missing", "name the biller, or use billing.scoped(biller)")
            return self.scope
        ref = biller.id if isinstance(biller, Biller) else biller
        if not isinstance(ref, str):
            raise InvalidValue("biller", biller, "is neither a biller nor an id", "give the biller or its id")
        if (self.scope is not None and ref != self.scope) or legible(ref) != ref:
            raise NotFound("biller", ref)
        return ref

    def listed(
        self,
        kind: type[R],
        biller: Biller | str | None,
        *,
        after: str,
        limit: int,
        invoice: Invoice | str | None = None,
        customer: Customer | str | None = None,
        **where: str,
    ) -> list[R]:
        """Records of a biller, an invoice or a customer, by id, those after one; as `where` says besides.

        Raises InvalidValue for a page that cannot be, NotFound.
        """
        checked_page(after, limit)
        owner = biller
        of: tuple[tuple[str, type[Invoice | Customer], Invoice | Customer | str | None], ...]
        of = (("invoice", Invoice, invoice), ("customer", Customer, customer))
        for noun, _, record in of:
            if record is not None:
                owner, where[noun] = self.owner(noun, record, owner)
        ref = self.biller_id(owner)
        with self.view() as tx:
            biller_in(tx, ref)
            for noun, known, record in of:
                if record is not None:
                    one(tx, known, ref, where[noun])
            return tx.find(kind, ref, where, after=after, limit=limit)

    @contextmanager
    def view(self) -> Iterator[Reader]:
        """One consistent view of the store."""
        with self.store.reading() as tx:
            yield tx

    def outside(self) -> None:
        """Refuse to go on within a transaction of this thread: what talks to the outside must not hold one (P2)."""

        def write() -> None:
            with self.store.writing(lasting=False, shared=True):
                pass

        again(write)

    @contextmanager
    def change(
        self,
        action: str,
        biller: str,
        *,
        on: date | None = None,
        actor: str | None = None,
        subject: str | None = None,
        unheard: list[ObserverFailed] | None = None,
        shared: bool = False,
    ) -> Iterator[Change]:
        """One journey's transaction: authorised before, its timeline written with it, observers told after (R18).

        A `shared` one claims what it changes and may run beside others of the same biller (Store.writing).
        An observer that fails raises ObserverFailed after the commit; a bulk journey gives `unheard` to collect it.
        """
        with self.plugins.span(action, biller=biller) as told:
            self.plugins.authorise(action=action, actor=actor, biller=biller, subject=subject)
            at = self.clock.now()
            with self.store.writing(biller=biller, shared=shared) as tx:
                owner = biller_in(tx, biller)
                change = Change(tx, self, owner, action, self.day(owner, on, at), at, actor)
                yield change
                change.finish()
            told["events"] = len(change.events)
        self.tell(change.events, unheard)

    @contextmanager
    def journey(self, name: str, report: Counted, biller: Biller | str | None = None) -> Iterator[None]:
        """A span around a verb that takes many transactions; what it reports is counted at its end."""
        ref = getattr(biller, "id", biller) or self.scope
        with self.plugins.span(name, **({"biller": ref} if isinstance(ref, str) else {})) as told:
            try:
                yield
            finally:
                told.update(report.counts)

    def tell(self, events: Sequence[Event], unheard: list[ObserverFailed] | None = None) -> None:
        """Tell observers what was committed."""
        try:
            self.plugins.observe(events)
        except ObserverFailed as error:
            heard = unheard if unheard is not None else self._unheard
            if heard is None:
                raise
            heard.append(error)


class Change:
    """A transaction in progress: its biller, its day, its writer, and the steps to put on timelines."""

    def __init__(
        self, tx: Writer, desk: Desk, biller: Biller, action: str, on: date, at: datetime, actor: str | None
    ) -> None:
        self.tx = tx
        self.desk = desk
        self.biller = biller
        self.action = action
        self.on = on
        self.at = at
        self.actor = acting(actor)
        self.events: list[Event] = []
        self._key: tuple[str, str] | None = None

    def ids(self, kind: str, count: int = 1) -> list[str]:
        """New ids of this biller."""
        return list(islice(id_stream(self.biller.id, kind, self.at), count))

    def note(self, subject: str, version: int, action: str, detail: str = "", step: int = 0) -> None:
        """Put one step on a record's timeline; `version` is the record's after this transaction."""
        self.events.append(
            Event(
                biller=self.biller.id,
                subject=subject,
                version=version,
                step=step,
                action=action,
                at=self.at,
                on=self.on,
                actor=self.actor,
                detail=detail,
            )
        )

    def payments_on(self) -> None:
        """Refuse when the biller's payments are switched off (R1)."""
        if not self.biller.payments:
            raise PaymentsOff(self.biller.id, self.action)

    def replayed(self, key: str | None, data: Mapping[str, object]) -> tuple[str, ...] | None:
        """The ids an earlier call under this key made, None for a new key; KeyReused for other data (N3)."""
        if key is None:
            return None
        checked_key(key)
        canonical = json.dumps([self.action, _plain(data)])
        said = digest(canonical).hexdigest()
        used = self.tx.get(KeyUse, self.biller.id, [key]).get(key)
        if used is None:
            self._key = (key, said)
            return None
        if used.digest != said:
            raise KeyReused(key, self.action)
        return used.results

    def made(self, *ids: str) -> None:
        """Remember what the key made, if one was given."""
        if self._key is not None:
            key, digest = self._key
            self.tx.add([KeyUse(id=key, biller=self.biller.id, action=self.action, digest=digest, results=tuple(ids))])

    def finish(self) -> None:
        """Write the timeline; called once, at the end of the transaction."""
        if self.events:
            self.tx.add(self.events)

    def again(self, kind: type[R], ids: Sequence[str]) -> list[R]:
        """What a key made before, as it stands now."""
        return [one(self.tx, kind, self.biller.id, ref) for ref in ids]


def _plain(value: object) -> object:
    # One spelling for what means the same: Money("5") and Money("5.00"), 1 and Decimal(1), a tuple and a list.
    if isinstance(value, Money):
        return [_plain(value.amount), value.currency.code]
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int | Decimal):
        return str(Decimal(value).normalize(_WIDE))
    if isinstance(value, Mapping):
        return sorted([str(name), _plain(each)] for name, each in value.items())
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    if attrs.has(type(value)):
        return _plain(attrs.asdict(value, recurse=False))  # type: ignore[arg-type]  # has() has just said so
    return repr(value)


def ref_of(kind: str, record: object) -> str:
    """The id of a record, or the id or number given for it; InvalidValue for what is neither."""
    ref = getattr(record, "id", record)
    if not isinstance(ref, str):
        raise InvalidValue(kind, record, f"is no {kind} and no id", f"give the {kind} or its id")
    if legible(ref) != ref:  # PostgreSQL looks for no NUL, and for no half of a surrogate pair
        raise NotFound(kind, ref)
    return ref


def acting(actor: object) -> str | None:
    """Who acts, as a timeline names them; InvalidValue for what is not text."""
    return text(actor, "actor", required=False) if actor is not None else None


def checked_page(after: object, limit: object) -> None:
    """Refuse what cannot say which page of a list is wanted: an id to go on after, and 1 to 1000 of them."""
    if not isinstance(after, str) or legible(after) != after:
        raise InvalidValue("after", after, "is no id", "give the id of the last one of the page before")
    if type(limit) is not int or not 1 <= limit <= 1000:
        raise InvalidValue("limit", limit, "is not 1 to 1000", "ask for smaller pages, each after the last id")


def biller_in(tx: Reader, biller: str) -> Biller:
    """The biller, or NotFound."""
    return one(tx, Biller, biller, biller)


def one(tx: Reader, kind: type[R], biller: str, ref: str) -> R:
    """The record of that id within a biller, or NotFound (T1)."""
    found = tx.get(kind, biller, [ref]).get(ref)
    if found is None:
        raise _absent(kind, ref)
    return found


def _absent(kind: type[object], ref: str) -> NotFound:
    # As the verbs name it: the same words for an id never given out and for another biller's (T1).
    return NotFound("method" if kind is SavedMethod else kind.__name__.lower(), ref)


def several(tx: Reader, kind: type[R], biller: str, refs: Collection[str]) -> list[R]:
    """The records of those ids in the same order, or NotFound for the first one missing."""
    found = tx.get(kind, biller, list(dict.fromkeys(refs)))
    for ref in refs:
        if ref not in found:
            raise _absent(kind, ref)
    return [found[ref] for ref in refs]


def invoice_in(tx: Reader, biller: str, ref: str, on: date) -> Invoice:
    """The invoice of that id or number within a biller, or NotFound."""
    found = tx.get(Invoice, biller, [ref]).get(ref)
    if found is None:
        numbered = tx.invoices(InvoiceQuery(biller=biller, on=on, number=ref, limit=1))
        if not numbered:
            raise NotFound("invoice", ref)
        found = numbered[0]
    return found


def unit_in(tx: Reader, biller: str, ref: Unit | str) -> Unit | None:
    """The unit of that id or number within a biller, None when there is none. A Unit of another biller: NotFound."""
    key = ref.id if isinstance(ref, Unit) else ref
    if not isinstance(key, str):
        raise InvalidValue("unit", ref, "is neither a unit nor its number", "give the unit, its id or its number")
    number = key.strip()
    sayable = legible(number) == number
    found = tx.get(Unit, biller, [key]).get(key) if sayable else None
    if found is None and not isinstance(ref, Unit) and sayable:
        named = tx.find(Unit, biller, {"number": number}, limit=1)
        found = named[0] if named else None
    if found is None and isinstance(ref, Unit):
        raise NotFound("unit", key)
    return found


def payer_of(tx: Reader, invoice: Invoice) -> Customer | None:
    """Who an invoice will be billed to: its customer, or its unit's primary resident (R19)."""
    ref = invoice.customer
    if ref is None and invoice.unit is not None:
        ref = one(tx, Unit, invoice.biller, invoice.unit).resident
    return one(tx, Customer, invoice.biller, ref) if ref is not None else None
