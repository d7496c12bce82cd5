"""Whichever transaction of a journey the store interrupts, in whatever way, the journey goes on and does each thing once.

Every transaction of every repeatable journey, one at a time: before it begins, undone at its end, or committed with its
answer lost. test_restarts has real servers do it, at random moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import attrs
import pytest

from desks import Post, all_of, money, save, wiring
from invoicecore import Billing, Frequency, Plugins
from invoicecore.billing import delivering, publishing, reminding, running
from invoicecore.collection import Collection, CollectionState
from invoicecore.errors import Interrupted
from invoicecore.invoices import Invoice
from invoicecore.messages import LEASE, Message, MessageKind
from invoicecore.parties import Biller
from invoicecore.ports import Reader, Store, Writer
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway, MemoryStore
from providers import YEARS, Faulty
from workers import NOON, Wrapped

DAY = NOON.date()


class Interrupting(Wrapped):
    """Interrupts one transaction that is to come: `before` it begins, `undone` at its end, or with its answer `lost`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.count = 0
        self.plan: tuple[int, str] = (0, "")

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        with self._ended(), self._store.reading() as tx:
            yield tx

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self._ended(lasting=True), self._store.writing(**how) as tx:
            yield tx
            if self.plan == (self.count, "undone"):
                raise Interrupted("the server restarts", written=False)

    @contextmanager
    def _ended(self, *, lasting: bool = False) -> Iterator[None]:
        self.count += 1
        now = self.count
        if self.plan == (now, "before") or (self.plan == (now, "undone") and not lasting):
            raise Interrupted("the server restarts", written=False)
        yield
        if self.plan == (now, "lost") and lasting:
            raise Interrupted("the connection is gone", written=None)


@attrs.frozen(kw_only=True)
class House:
    """A business in memory, and what is around it."""

    store: MemoryStore
    clock: FixedClock
    gateway: MemoryGateway
    post: Post
    park: Biller

    def desk(self, store: Store, gateway: Any = None) -> Billing:
        """A desk on a store of its records."""
        plugins = Plugins.of()
        parts = wiring(plugins, self.clock, mailer=self.post, gateway=gateway or self.gateway)
        return Billing(store, clock=self.clock, plugins=plugins, wiring=parts)

    def all(self, kind: Any) -> list[Any]:
        """Every record of a kind."""
        return all_of(self.store, self.park, kind)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for journey in (running, publishing, reminding, delivering):
        monkeypatch.setattr(journey, "PAGE", 2)


def house() -> House:
    """Five leases that are due, five drafts."""
    clock = FixedClock(NOON)
    store, gateway, post = MemoryStore(), MemoryGateway(clock=clock), Post()
    made = Billing(store, clock=clock)
    park = made.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
    park = made.billers.edit(park, policy={"reminders": (7,), "collect_saved": True})
    here = House(store=store, clock=clock, gateway=gateway, post=post, park=park)
    who = made.customers.add(biller=park, name="Alice", email="alice@example.com")
    for n in range(5):
        made.leases.add(biller=park, customer=who, unit=str(n), rent=money(600), frequency=Frequency.MONTHLY,
                        starts=DAY, ends=date(2026, 8, 1), anchor_day=1)  # fmt: skip
        made.invoices.draft(biller=park, customer=who, title=str(n), amount=money(10), due=date(2026, 7, 10))
    return here


def publish(here: House) -> None:
    here.desk(here.store).invoices.publish_all(biller=here.park)


def saved(here: House) -> None:
    """A card that is charged for what is due."""
    desk = here.desk(here.store)
    [who] = desk.customers.find(biller=here.park)
    save(desk, who, "card")
    publish(here)
    here.clock.set(NOON + timedelta(days=10))


def doubtful(here: House) -> None:
    """What was charged, with every answer lost."""
    saved(here)
    lossy = Faulty(here.gateway)
    lossy.plan("charge", when="after", times=5)
    here.desk(here.store, lossy).collect()
    assert {each.state for each in here.all(Collection)} == {CollectionState.UNKNOWN}
    here.clock.advance(timedelta(hours=1))


def nothing(here: House) -> None:
    """As it is."""


def run(desk: Billing, here: House) -> None:
    report = desk.run(on=DAY)
    assert (report.created.count + report.existing.count, report.failed.count) == (5, 0)


def run_shards(desk: Billing, here: House) -> None:
    for shard in desk.shards(on=DAY, size=2):
        assert desk.run_shard(shard).failed == 0


def all_billed(here: House) -> None:
    made = [each for each in here.all(Invoice) if each.lease]
    assert len(made) == len({each.lease for each in made}) == 5
    assert sorted(each.number for each in made) == [f"INV-{n:06d}" for n in range(1, 6)]


def publish_all(desk: Billing, here: House) -> None:
    report = desk.invoices.publish_all(biller=here.park)
    assert (len(report.published), report.failed) == (5, ())


def all_published(here: House) -> None:
    assert sorted(each.number for each in here.all(Invoice)) == [f"INV-{n:06d}" for n in range(1, 6)]
    assert len(here.all(Message)) == 5


def remind(desk: Billing, here: House) -> None:
    assert desk.remind(on=date(2026, 7, 20)).failed == 0


def all_reminded(here: House) -> None:
    told = Counter(each.invoice for each in here.all(Message) if each.kind is MessageKind.REMINDER)
    assert sorted(told.values()) == [1] * 5


def deliver(desk: Billing, here: House) -> None:
    desk.deliver()
    here.clock.advance(LEASE)  # what was taken by a commit whose answer was lost is free again
    desk.deliver()


def all_sent(here: House) -> None:
    assert sorted(mail.id for mail in here.post.sent) == sorted(each.id for each in here.all(Message))
    assert {each.state.value for each in here.all(Message)} == {"sent"}


def collect(desk: Billing, here: House) -> None:
    assert desk.collect().failed == 0
    here.clock.advance(timedelta(minutes=20))
    desk.recover()


def recover(desk: Billing, here: House) -> None:
    desk.recover()


def all_collected(here: House) -> None:
    desk = here.desk(here.store)
    here.clock.advance(timedelta(hours=2))
    desk.recover()
    charged = Counter(each.key for each in here.gateway.payments(*YEARS))
    found = desk.collections.find(biller=here.park)
    assert {each.state for each in found} == {CollectionState.SUCCEEDED}
    assert charged == {each.id: 1 for each in found}
    assert {each.balance for each in here.all(Invoice)} == {money(0)}
    assert len(found) == 5


@pytest.mark.rule("N1", "N2", "S9", "R7", "R11", "P3", "D3")
@pytest.mark.parametrize("way", ["before", "undone", "lost"])
@pytest.mark.parametrize(
    "before, journey, after",
    [
        (nothing, run, all_billed),
        (nothing, run_shards, all_billed),
        (nothing, publish_all, all_published),
        (publish, remind, all_reminded),
        (publish, deliver, all_sent),
        (saved, collect, all_collected),
        (doubtful, recover, all_collected),
    ],
    ids=lambda each: each.__name__,
)
def test_whichever_transaction_is_interrupted_the_journey_goes_on(
    before: Callable[[House], None],
    journey: Callable[[Billing, House], None],
    after: Callable[[House], None],
    way: str,
) -> None:
    number = count = 0
    while number <= count:  # at first none
        here = house()
        before(here)
        store = Interrupting(here.store)
        store.plan = (number, way)
        journey(here.desk(store), here)
        count = count or store.count
        after(here)
        number += 1
    assert count > 3
