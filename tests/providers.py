"""What tests of collecting share: businesses at simulated providers, faults, and the law that books and provider agree."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from desks import BASE, Drawer, Post, Scribe, all_of, everything, facts_from_rows, money, store_of, wiring
from invoicecore import Billing, Plugins
from invoicecore.collection import UNFINISHED, Collection, CollectionState, SavedMethod
from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.errors import GatewayError, OutcomeUnknown
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import Message
from invoicecore.money import Money, total, zero
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment, PaymentMethod, Refund, Reversal
from invoicecore.ports import PaymentGateway, PaymentSnapshot, Store, Writer
from invoicecore.testing import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Effect, EffectKind
from invoicecore_adapters import memory, sql
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.memory import MemoryGateway
from invoicecore_adapters.memory.bench import MemoryBench
from invoicecore_adapters.simulators.gocardless import GoCardlessBench
from invoicecore_adapters.simulators.stripe import StripeBench
from invoicecore_adapters.stripe.gateway import StripeGateway
from workers import Pace, Telling, Wrapped

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PATIENCE = 60.0  # seconds; no answer is held back here, so only a busy machine is slow, which is no fault
YEARS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


class Killed(BaseException):
    """The process is gone: nothing catches it, as nothing catches SIGKILL."""


class Faulty:
    """A gateway; `plan("charge", fault, when)` makes the next charge go wrong before or after its effect."""

    def __init__(self, gateway: Any) -> None:
        self.inner = gateway
        self.plans: dict[str, list[tuple[BaseException, str]]] = {}
        self.calls: list[str] = []
        self.meanwhile: dict[tuple[str, str], Callable[[], object]] = {}
        self.always: Callable[[str], object] = lambda operation: None

    def when(self, operation: str, moment: str, does: Callable[[], object]) -> None:
        """Have something happen once, right "before" an operation's request or right "after" its effect."""
        self.meanwhile[operation, moment] = does

    def plan(self, operation: str, fault: BaseException | None = None, *, when: str = "before", times: int = 1) -> None:
        """Have the next calls of an operation raise, before or after the provider did what was asked."""
        raised = fault if fault is not None else OutcomeUnknown("memory", operation, "no answer")
        self.plans.setdefault(operation, []).extend([(raised, when)] * times)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found) or name in ("provider", "webhooks"):
            return found

        def called(*given: object, **named: object) -> object:
            self.calls.append(name)
            plans = self.plans.get(name, [])
            fault, when = plans.pop(0) if plans else (None, "")
            if fault is not None and when == "before":
                raise fault
            self.meanwhile.pop((name, "before"), lambda: None)()
            self.always(name)
            answer = found(*given, **named)
            self.always(name)
            self.meanwhile.pop((name, "after"), lambda: None)()
            if fault is not None:
                raise fault
            return answer

        return called


def deliver(billing: Billing, gateway: MemoryGateway | Faulty) -> list[Any]:
    """Hand every webhook there is to the desk, in order."""
    told = []
    for body, headers in gateway.webhooks():
        told += billing.receive("memory", body, headers)
    return told


def books_agree(
    billing: Billing,
    biller: Biller,
    held: Iterable[PaymentSnapshot],
    effects: Sequence[Effect] | None = None,
    others: Mapping[Biller, dict[str, object]] | None = None,
    orphans: Iterable[str] = (),
) -> None:
    """What is stored follows from what the provider holds and did: invariants I1 to I6 of collecting, for every invoice.

    Call it when nothing is under way: events delivered, `recover` done. With `effects`, the provider's ledger, the
    books are held against that too, without anybody's snapshot; `others` are tenants and all that was stored of them,
    `orphans` the keys of payments that are known to be stored nowhere any more.
    """
    store = store_of(billing)
    collections: dict[str, Collection] = {each.id: each for each in all_of(store, biller, Collection)}
    payments, reversals, refunds = (all_of(store, biller, kind) for kind in (Payment, Reversal, Refund))
    told = {snapshot.key: snapshot for snapshot in held if snapshot.key in collections}
    for key, found in collections.items():
        snapshot = told.get(key)
        mine = [payment for payment in payments if payment.collection == key]
        code = found.amount.currency.code
        there = snapshot.collected if snapshot is not None else zero(code)
        assert total([payment.amount for payment in mine], code) == there, f"I2 {key}: not what was collected"
        ids = {payment.id for payment in mine}
        back = {each.reference for each in reversals if each.payment in ids and each.cancelled_on is None}
        assert back == {each.id for each in (snapshot.reversals if snapshot else ()) if not each.cancelled}, f"I2 {key}"
        ours = total([each.amount for each in refunds if each.payment in ids and each.state.counts], code)
        theirs = total([each.amount for each in (snapshot.refunds if snapshot else ()) if each.state.counts], code)
        assert ours == theirs, f"I2 {key}: not what was refunded"
        waits = found.next_try_at is not None or any(a.about == key for a in billing.alerts.find(biller=found.biller))
        assert not found.unfinished or waits, f"I4 {key} is {found.state} and nobody looks at it"
    for invoice in all_of(store, biller, Invoice):
        assert sum(each.invoice == invoice.id and each.state in UNFINISHED for each in collections.values()) <= 1
        assert invoice.facts == facts_from_rows(store, biller, invoice), (
            f"I2 {invoice.reference}: its rows say otherwise"
        )
        if invoice.lifecycle is Lifecycle.OPEN and invoice.balance.amount == 0:
            evidence = invoice.facts.settled + invoice.facts.noted
            assert evidence >= invoice.total, f"I3 {invoice.reference} is paid without money"
    waiting = [each for each in all_of(store, biller, InboxEvent) if each.state is InboxState.WAITING]
    assert all(each.next_try_at is not None for each in waiting), "I4: an event waits and nobody looks at it"
    queued = Counter((each.kind, each.invoice, each.about) for each in all_of(store, biller, Message) if each.about)
    assert set(queued.values()) <= {1}, f"I5: told twice: {[each for each, times in queued.items() if times > 1]}"
    if effects is not None:
        _ledger_agrees(billing, biller, collections, effects, set(orphans))
    for other, before in (others or {}).items():
        assert everything(store, other) == before, f"I6: something of {other.name} changed"


def _ledger_agrees(
    billing: Billing,
    biller: Biller,
    collections: Mapping[str, Collection],
    effects: Sequence[Effect],
    orphans: set[str],
) -> None:
    """Every invoice's money and status as the provider's ledger of what really happened implies them (I1, I2, I3)."""
    made = Counter(each.key for each in effects if each.kind is EffectKind.PAYMENT and each.key)
    assert set(made.values()) <= {1}, f"I1: charged twice: {[key for key, times in made.items() if times > 1]}"
    given = Counter(each.key for each in effects if each.kind is EffectKind.REFUND and each.key)
    assert set(given.values()) <= {1}, f"I1: refunded twice: {[key for key, times in given.items() if times > 1]}"
    store, code = store_of(billing), biller.currency
    # One whose own record is lost, with the backup that was restored, is written down as made elsewhere.
    known = {name for each in all_of(store, biller, Refund) for name in (each.id, each.reference)}
    unknown = {e.key for e in effects if e.kind is EffectKind.REFUND and not known & {e.key, e.reference}}
    unknown = {key for key in unknown if key is not None and key.startswith(biller.id)}
    assert not unknown, f"I1: refunded under keys that are stored nowhere: {unknown}"
    payments, reversals, refunds = (all_of(store, biller, kind) for kind in (Payment, Reversal, Refund))
    lost = {key for key in made if key.startswith(f"{biller.id}_col") and key not in collections}
    assert lost == orphans, f"I1: charged under keys that are stored nowhere: {lost}"
    alerted = {each.about for each in billing.alerts.find(biller=biller, limit=500)}
    assert lost <= alerted, f"I4: nobody is told of {lost - alerted}"
    into, out = {EffectKind.COLLECTED: 1, EffectKind.REVERSAL_CANCELLED: 1}, {EffectKind.REVERSAL: -1}
    taken = {each.payment for each in reversals if each.cancelled_on is None}
    standing = [each for each in payments if each.collection is None and each.id not in taken]
    entries = [each for each in all_of(store, biller, CreditEntry) if each.payment is None]
    moved = [each.amount for each in entries if each.kind in (CreditKind.DEPOSIT, CreditKind.WITHDRAWN)]
    whole = total([each.amount for each in standing] + moved, code)
    for invoice in all_of(store, biller, Invoice):
        keys = {key for key, each in collections.items() if each.invoice == invoice.id}
        by_hand = [part.amount for each in standing for part in each.allocations if part.invoice == invoice.id]
        came = _sum(effects, keys, into | out, code)
        whole, net = whole + came, came + total(by_hand, code)
        paid = invoice.facts.paid
        brought = [each for each in payments if each.collection in keys]
        if (
            invoice.lifecycle is Lifecycle.OPEN
            and len(brought) + len(by_hand) <= 1
            and invoice.facts.credit.amount == 0
        ):
            # What was given back of it came in before, whatever a credit note took off afterwards.
            asked = max(invoice.total - invoice.facts.noted, invoice.facts.refunded)
            implied = min(net, asked) if invoice.customer is not None else net
            assert paid == implied, f"I2 {invoice.reference}: {paid}, the ledger says {implied}"
        assert paid <= net, f"I3 {invoice.reference}: {paid} of {net} that came"
        back = {each.id: each for each in refunds if each.invoice == invoice.id and each.gateway and each.id in given}
        gone = _sum(effects, set(back), {EffectKind.REFUND: 1, EffectKind.REFUND_FAILED: -1}, code)
        ours = total([each.amount for each in back.values() if each.state.counts], code)
        assert ours == gone, f"I2 {invoice.reference}: {ours} refunded, the ledger says {gone}"
    newest = {each.customer: each.balance for each in all_of(store, biller, CreditEntry)}
    here = total([each.facts.settled for each in all_of(store, biller, Invoice)], code) + total(newest.values(), code)
    counted = [each for each in refunds if each.state.counts]
    there = whole + total(
        [each.to_credit for each in counted] + [-each.of_credit for each in counted if each.of_credit], code
    )
    assert here == there, f"I2: {here} are here, {there} came in"


def _sum(effects: Sequence[Effect], keys: set[str], signs: Mapping[EffectKind, int], code: str) -> Money:
    return total([e.amount * signs[e.kind] for e in effects if e.key in keys and e.kind in signs and e.amount], code)


def until_quiet(billing: Billing, biller: Biller, step: Callable[[], object], most: int = 20) -> None:
    """Repeat a step until it changes nothing that is stored any more (I7)."""
    for _ in range(most):
        before = everything(store_of(billing), biller)
        step()
        if everything(store_of(billing), biller) == before:
            return
    raise AssertionError(f"still changing after {most} rounds")


class Mortal(Wrapped):
    """A store whose process dies at a transaction: `dies(n)` kills at the n-th from now, before or after its commit."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.inner = store
        self._left: tuple[int, str] | None = None
        self.error: BaseException = Killed()

    def dies(self, transaction: int, when: str = "before", error: BaseException | None = None) -> None:
        """Raise at that transaction; without an error it is the process that is gone."""
        self._left, self.error = (transaction, when), error if error is not None else Killed()

    def lives(self) -> None:
        """Nothing is planned any more."""
        self._left = None

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        when = self._count()
        with self._store.writing(**how) as tx:
            yield tx
            if when == "before":
                raise self.error
        if when == "after":
            raise self.error

    def _count(self) -> str:
        if self._left is None:
            return ""
        left, when = self._left
        self._left = (left - 1, when) if left > 1 else None
        return when if left <= 1 else ""


def stripe_bench() -> StripeBench:
    """A Stripe whose clock is the test's."""
    return StripeBench(
        lambda access: StripeGateway(
            api_key=access.api_key,
            webhook_secrets=access.webhook_secrets,
            base_url=access.base_url,
            timeout=PATIENCE,
            clock=access.clock,
        ),
        at=NOON,
    )


def gocardless_bench() -> GoCardlessBench:
    """A GoCardless whose clock is the test's."""
    made = GoCardlessBench(
        lambda access: GoCardlessGateway(
            access_token=access.access_token,
            webhook_secrets=access.webhook_secrets,
            base_url=access.base_url,
            timeout=PATIENCE,
        )
    )
    made.provider.clock.set(NOON)
    return made


def memory_bench() -> MemoryBench:
    """A provider in memory whose clock is the test's."""
    made = MemoryBench()
    made.provider._clock.set(NOON)  # type: ignore[attr-defined]  # it is a FixedClock
    return made


class House:
    """A business that bills in euros and is paid through one simulated provider, over the wire where there is one.

    `gateway` is a Faulty around the adapter, `store` a Mortal; `kind` is what its customer saves there: a card at
    Stripe, a mandate elsewhere. `bystander` is another tenant of the same desk; nothing of it ever changes (I6).
    """

    def __init__(
        self,
        name: str,
        url: str = "memory://",
        *,
        policy: Mapping[str, object] | None = None,
        timezone: str = "Europe/Paris",
    ) -> None:
        self.name = name
        benches: dict[str, Callable[[], Any]] = {
            "stripe": stripe_bench, "gocardless": gocardless_bench, "memory": memory_bench,
        }  # fmt: skip
        self.bench = benches[name]()
        self.kind = PaymentMethod.CARD if name == "stripe" else PaymentMethod.DIRECT_DEBIT
        clocks: dict[str, Callable[[], Any]] = {
            "stripe": lambda: self.bench.simulator.account.clock,
            "gocardless": lambda: self.bench.provider.clock,
            "memory": lambda: self.bench.provider._clock,
        }
        self.clock: FixedClock = clocks[name]()
        self.url, self.post, self.held = url, Post(), list[Delivery]()
        self.desk = self.open()
        self.park = self.desk.billers.add(
            name="Les Pins", currency="EUR", timezone=timezone, locale="fr_FR", preset="stays"
        )
        if policy:
            self.park = self.desk.billers.edit(self.park, policy=policy)
        self.guest = self.desk.customers.add(biller=self.park, name="Alice Martin", email="alice@example.com")
        self.bystander = self.desk.billers.add(
            name="Maple Court", currency="EUR", timezone="UTC", locale="en_GB", preset="residents"
        )
        who = self.desk.customers.add(biller=self.bystander, name="Noah", email="noah@example.com")
        draft = self.desk.invoices.draft(biller=self.bystander, customer=who, title="Fee", amount=money(100))
        self.theirs = self.desk.invoices.publish(draft)
        self.before = everything(store_of(self.desk), self.bystander)

    def open(self) -> Billing:
        """A new desk on the same file and provider, as a process that starts again."""
        if self.url == "memory://" and hasattr(self, "store"):
            store = self.store
        else:
            store = Mortal(Plugins.of(memory.plugin, sql.plugin).store(self.url))
        self.store: Mortal = store
        self.gateway = Faulty(self.bench.gateway())
        return opened(store, self.gateway, self.clock, self.post)

    def restart(self) -> None:
        """The process is gone, another one starts."""
        if self.url != "memory://":
            self.desk.close()
        self.desk = self.open()

    def save(self, who: Customer | None = None) -> SavedMethod:
        """A method of the customer, saved on the provider's page and told by webhook."""
        page = self.desk.methods.setup(who or self.guest, kind=self.kind, return_url="https://host.example/back")
        self.bench.save(page.url)
        self.deliver()
        return self.desk.methods.get(page.method)

    def issue(self, amount: str | int = 100, *, due: date = date(2026, 3, 20), who: Customer | None = None) -> Invoice:
        """An invoice of the park, published."""
        guest = who or self.guest
        draft = self.desk.invoices.draft(biller=self.park, customer=guest, title="Stay", amount=money(amount), due=due)
        return self.desk.invoices.publish(draft)

    def page(self, invoice: Invoice) -> str:
        """The provider's page for an invoice."""
        return self.desk.payments.checkout(self.desk.payments.link(invoice).rsplit("/", 1)[1])

    def status(self, invoice: Invoice) -> str:
        """The invoice's status now."""
        return self.desk.invoices.get(invoice).status_on(self.clock.now().date()).value

    def move(self, **by: float) -> None:
        """Let time pass, here and at the provider."""
        seconds = timedelta(**by).total_seconds()
        if self.name == "memory":
            self.clock.advance(timedelta(seconds=seconds))
        else:
            self.bench.move(seconds)

    def sent(self) -> list[Delivery]:
        """The webhooks sent since this was last asked."""
        return list(self.bench.deliveries())

    def hand(self, delivery: Delivery) -> list[Any]:
        """Hand one webhook to the desk."""
        return list(self.desk.receive(self.name, delivery.body, delivery.headers))

    def deliver(self) -> list[Any]:
        """Hand every webhook there is to the desk, in order."""
        return [told for delivery in self.sent() for told in self.hand(delivery)]

    def charges(self, kind: EffectKind = EffectKind.PAYMENT) -> list[Effect]:
        """What really happened, of one kind, for the park."""
        return [e for e in self.bench.effects() if e.kind is kind and (e.key or "").startswith(self.park.id)]

    def requests(self, operation: str) -> int:
        """How many requests of an operation reached the provider."""
        return sum(each.operation == operation for each in self.bench.exchanges())

    def alerts(self) -> set[str]:
        """The kinds of the park's open alerts."""
        return {each.kind.value for each in self.desk.alerts.find(biller=self.park, limit=500)}

    def rest(self, *, rounds: int = 40) -> None:
        """Bring everything to rest: no fault any more, time passes, webhooks arrive or are fetched, nothing is doubtful."""
        self.bench.clear_faults()
        self.gateway.plans.clear()
        self.gateway.meanwhile.clear()
        self.store.lives()
        for delivery in self.held:
            self.hand(delivery)
        self.held.clear()
        for _ in range(rounds):
            self.deliver()
            self.desk.collect()
            self.desk.recover()
            found = all_of(store_of(self.desk), self.park, Collection)
            busy = {CollectionState.RESERVED, CollectionState.SUBMITTING, CollectionState.UNKNOWN}
            waits = [each for each in found if each.next_try_at and each.state in busy | {CollectionState.CLOSING}]
            # What is only to be sent on its due date is no doubt.
            waits = [each for each in waits if each.state is not CollectionState.RESERVED or each.error]
            waits += [
                each
                for each in all_of(store_of(self.desk), self.park, Refund)
                if each.next_try_at and each.state.value in ("reserved", "submitting", "unknown")
            ]
            waits += [e for e in all_of(store_of(self.desk), self.park, InboxEvent) if e.next_try_at]
            if not waits:
                break
            self.move(hours=5)
        else:
            told = {each.about for each in self.desk.alerts.find(biller=self.park, limit=500)}
            forgotten = [each for each in waits if each.id not in told]
            assert not forgotten, f"I4: a doubt without an end that no person hears of: {forgotten}"
        with contextlib.suppress(GatewayError):
            self.desk.receive_missed(self.name, since=NOON - timedelta(days=1))
        self.deliver()

    def check(self, orphans: Iterable[str] = ()) -> None:
        """Everything at rest, and I1 to I7 hold."""
        self.rest()

        def step() -> None:
            self.deliver()
            self.desk.collect()
            self.desk.recover()
            self.desk.receive_missed(self.name, since=NOON - timedelta(days=1))

        until_quiet(self.desk, self.park, step)
        gateway: PaymentGateway = self.gateway.inner
        books_agree(
            self.desk, self.park, gateway.payments(*YEARS), self.bench.effects(), {self.bystander: self.before}, orphans
        )

    def close(self) -> None:
        """Stop the provider, close the file."""
        self.bench.clear_faults()
        self.desk.close()
        self.bench.close()


def opened(store: Store, gateway: Any, clock: FixedClock, post: Post) -> Billing:
    """A desk on a store, with this gateway and an outside in memory."""
    plugins = Plugins.of()
    wired = wiring(plugins, clock, mailer=post, renderer=Drawer(), composer=Scribe(), gateway=gateway, base_url=BASE)
    return Billing(store, clock=clock, plugins=plugins, wiring=wired)


# --- processes that are killed ----------------------------------------------------------------------------------------


class _Stopping(Wrapped):
    """A store whose process tells, and stays there, once a collection is stored in one of some states."""

    def __init__(
        self, store: Store, biller: str, states: frozenset[CollectionState], there: Callable[[], None]
    ) -> None:
        super().__init__(store)
        self._biller, self._states, self._there = biller, states, there

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self._store.writing(**how) as tx:
            yield tx
        with self._store.reading() as found:
            if any(each.state in self._states for each in found.find(Collection, self._biller, {})):
                self._there()


POINTS = {
    "F1 after the intent": {CollectionState.RESERVED},
    "F2 before the request": {CollectionState.SUBMITTING},
    "F3 before the answer": set(),
    "F4 after the answer": set(),
    "F5 after the outcome": {CollectionState.PENDING, CollectionState.SUCCEEDED},
}
"""Where a process that charges is killed: the states it has just stored, none where its provider is what is waited for."""


def charge_and_stay(
    talk: Connection, name: str, url: str, access: tuple[str, str, str], invoice: str, point: str
) -> None:
    """Charge an invoice in a process of its own, and wait at a point for the end."""

    def there() -> None:
        talk.send("there")
        talk.recv()

    address, secret, signing = access
    gateway: Any = (
        StripeGateway(api_key=secret, webhook_secrets=(signing,), base_url=address, timeout=PATIENCE)
        if name == "stripe"
        else GoCardlessGateway(access_token=secret, webhook_secrets=(signing,), base_url=address, timeout=PATIENCE)
    )
    faulty = Faulty(gateway)
    if point.startswith("F4"):
        faulty.when("charge", "after", there)
    store = _Stopping(sql.open_sql(url), invoice.partition("_")[0], frozenset(POINTS[point]), there)
    opened(store, faulty, FixedClock(NOON), Post()).payments.charge(invoice)


def collect_and_tell(url: str, at: datetime, access: tuple[str, str, str], pace: Pace) -> None:
    """Collect what is due in a process of its own, telling each step: of the store, and of the way to Stripe."""
    address, secret, signing = access
    store = Telling(sql.open_sql(url), pace)
    gateway = Faulty(StripeGateway(api_key=secret, webhook_secrets=(signing,), base_url=address, timeout=PATIENCE))
    gateway.always = lambda operation: pace.step() if operation == "charge" else None
    with opened(store, gateway, FixedClock(at), Post()) as billing:
        billing.collect()
