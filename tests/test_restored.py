"""An older backup is restored: what the provider has and we lack is named, and what can be proved is charged once (D6).

Everything that can be under way when a backup is taken is under way here, and goes on after it: then the copy is what
the business works with. On an SQLite file and on PostgreSQL, with both providers.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import postgres
from auditor import Moved, audit
from desks import all_of, money, store_of
from invoicecore.alerts import AlertKind
from invoicecore.billing.reconciling import DifferenceKind, Reconciliation
from invoicecore.collection import Collection, CollectionState
from invoicecore.errors import NotSent, OutcomeUnknown
from invoicecore.money import minor
from invoicecore.payments import Refund, ReversalKind
from invoicecore.testing.gateway_bench import EffectKind
from providers import NOON, House

BEFORE, LATER = NOON - timedelta(days=1), datetime(2027, 1, 1, tzinfo=UTC)


class Restored:
    """A business whose backup was taken in the middle of its work, and which is that backup from `restore` on."""

    def __init__(self, provider: str, database: str, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.urls = [f"sqlite:///{folder / 'x.db'}" if database == "sqlite" else postgres.database()]
        self.house = House(provider, self.urls[0])
        self.house.save()
        self._work()
        self._back_up()
        self._go_on()
        self.restore()

    def _charged(self, amount: int, fault: BaseException | None = None, when: str = "before") -> Collection:
        """A charge of an invoice of so much, perhaps one that goes wrong."""
        invoice = self.house.issue(amount)
        if fault is not None:
            self.house.gateway.plan("charge", fault, when=when)
        with suppress(NotSent):
            self.house.desk.payments.charge(invoice)
        [made] = self.house.desk.collections.find(invoice=invoice)
        return made

    def _work(self) -> None:
        name = self.house.name
        self.paid, self.refunded, self.taken_back = (self._charged(amount) for amount in (101, 102, 103))
        if name == "gocardless":
            for each in (self.paid, self.refunded, self.taken_back):
                self.house.bench.collect(each.reference)
        self.house.deliver()
        self.pending = self._charged(104)
        self.reserved = self._charged(105, NotSent(name, "charge", "no route"))
        self.doubtful = self._charged(106, OutcomeUnknown(name, "charge", "no answer"), "after")
        self.unsent = self._charged(107, OutcomeUnknown(name, "charge", "no answer"), "before")
        self.unpaid = self.house.issue(108)
        self.house.gateway.plan("refund", NotSent(name, "refund", "no route"))
        with suppress(NotSent):
            self.house.desk.payments.refund(self.paid.invoice, money(11), to="gateway")

    def _back_up(self) -> None:
        if self.database == "sqlite":
            self.urls.append(f"sqlite:///{self.folder / 'backup.db'}")
            with (
                closing(sqlite3.connect(self.urls[0].removeprefix("sqlite:///"))) as source,
                closing(sqlite3.connect(self.urls[1].removeprefix("sqlite:///"))) as to,
            ):
                source.backup(to)
            return
        self.house.desk.close()  # a database that is copied has no other guests
        self.urls.append(postgres.database(self.urls[0]))
        self.house.restart()

    def _go_on(self) -> None:
        house = self.house
        house.move(hours=1)
        house.desk.collect()
        house.desk.recover()
        if house.name == "gocardless":
            house.bench.collect(self.pending.reference)
        house.desk.payments.refund(self.refunded.invoice, money(20), to="gateway")
        house.bench.reverse(self.taken_back.reference, ReversalKind.CHARGEBACK)
        self.on_known = house.desk.payments.charge(self.unpaid)
        self.on_unknown = house.desk.payments.charge(house.issue(109))
        if house.name == "gocardless":
            house.bench.collect(self.on_known.reference)
        house.deliver()
        self.made = [each.key for each in house.charges()]

    def restore(self) -> None:
        """Work with the backup from now on."""
        self.house.url = self.urls[1]
        self.house.restart()

    def look(self) -> Reconciliation:
        """What differs from the provider."""
        return self.house.desk.reconcile(self.house.name, since=BEFORE, until=LATER)

    def close(self) -> None:
        self.house.close()
        if self.database == "postgres":
            for url in self.urls:
                postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["gocardless", "stripe"])
def restored(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[Restored]:
    business = Restored(request.param, database, tmp_path)
    yield business
    business.close()


def states(business: Restored) -> dict[str, CollectionState]:
    return {each.id: each.state for each in all_of(store_of(business.house.desk), business.house.park, Collection)}


@pytest.mark.rule("D6")
def test_reconciling_names_each_payment_that_the_backup_lacks_and_each_that_moved_on(restored: Restored) -> None:
    debits = restored.house.name == "gocardless"
    told = restored.look()
    named = {(each.kind, each.reference): each for each in told.differences}
    missing = {reference for kind, reference in named if kind is DifferenceKind.UNKNOWN_HERE}
    assert missing == {restored.on_known.reference, restored.on_unknown.reference}
    assert all(restored.on_known.id not in each.there for each in told.differences if each.collection)
    assert restored.on_known.id in named[DifferenceKind.UNKNOWN_HERE, restored.on_known.reference or ""].there
    assert (DifferenceKind.REFUNDED, restored.refunded.reference) in named
    assert (DifferenceKind.TAKEN_BACK, restored.taken_back.reference) in named
    if debits:
        assert (DifferenceKind.COLLECTED, restored.pending.reference) in named
    about = {each.collection for each in told.differences}
    assert {restored.refunded.id, restored.taken_back.id} <= about
    assert restored.paid.id not in about, "what did not change since is not a difference"


@pytest.mark.rule("D6", "P1")
def test_nothing_is_charged_again_that_was_under_way_when_the_backup_was_taken(restored: Restored) -> None:
    desk, house = restored.house.desk, restored.house
    before = states(restored)
    under_way = (restored.reserved.id, restored.doubtful.id, restored.unsent.id)
    assert {before[each] for each in under_way} <= {CollectionState.RESERVED, CollectionState.UNKNOWN}
    for _ in range(3):
        desk.receive_missed(house.name, since=BEFORE)
        desk.recover()
        desk.collect()
        house.move(hours=2)
    made = Counter(each.key for each in house.charges())
    assert set(made.values()) == {1}, "each key was charged once"
    assert list(made) == restored.made, "and no other one than before"
    after = states(restored)
    wanted = CollectionState.PENDING if house.name == "gocardless" else CollectionState.SUCCEEDED
    assert {after[each] for each in under_way} == {wanted}
    assert after[restored.pending.id] is CollectionState.SUCCEEDED


@pytest.mark.rule("D6", "P4")
def test_what_was_missed_is_fetched_and_what_is_not_known_any_more_is_told(restored: Restored) -> None:
    desk, house = restored.house.desk, restored.house
    desk.receive_missed(house.name, since=BEFORE)
    lost = {restored.on_known.id, restored.on_unknown.id}
    found = desk.alerts.find(biller=house.park, limit=500)
    assert {each.about for each in found if each.kind is AlertKind.DOUBTFUL} >= lost
    given = {each.amount: each.state for each in all_of(store_of(desk), house.park, Refund)}
    assert given.keys() == {money(11), money(20)}, "one is written down that was not asked for here"
    assert given[money(20)].counts
    assert AlertKind.REFUNDED_ELSEWHERE in {each.kind for each in found}
    assert AlertKind.CHARGEBACK in {each.kind for each in found}
    assert house.status(desk.invoices.get(restored.pending.invoice)) == "paid"
    desk.recover()
    desk.collect()
    desk.recover()
    kinds = {each.kind for each in restored.look().differences}
    assert kinds == {DifferenceKind.UNKNOWN_HERE}, "what is left is what the backup never knew"
    house.check(orphans=lost)


@pytest.mark.rule("D6", "C7")
def test_a_person_who_reads_what_is_named_settles_it_without_a_second_charge(restored: Restored) -> None:
    """The orphan of a known invoice is recorded by hand: nothing asks for that money again."""
    desk, house = restored.house.desk, restored.house
    desk.receive_missed(house.name, since=BEFORE)
    [named] = [each for each in restored.look().differences if each.reference == restored.on_known.reference]
    assert named.kind is DifferenceKind.UNKNOWN_HERE
    desk.payments.record(restored.unpaid, reference=named.reference, method="other")
    for each in desk.alerts.find(biller=house.park, limit=500):
        desk.alerts.resolve(each, resolution="found by reconciling")
    desk.collect()
    assert house.status(restored.unpaid) == "paid"
    assert [each.key for each in house.charges()].count(restored.on_known.id) == 1
    assert len(house.charges()) == len(restored.made)


@pytest.mark.rule("D6", "N1")
def test_the_auditor_finds_in_a_restored_backup_what_reconciling_names_and_nothing_else(restored: Restored) -> None:
    desk, house = restored.house.desk, restored.house
    desk.receive_missed(house.name, since=BEFORE)
    desk.collect()
    desk.recover()
    desk.deliver()
    named = {each.there.rpartition(" ")[2] for each in restored.look().differences}
    effects = [each for each in house.bench.effects() if each.key]
    ledger = [Moved(e.kind.value, e.key or "", e.reference, minor(e.amount) if e.amount else 0) for e in effects]
    over = {each.id for each in all_of(store_of(desk), house.park, Collection) if not each.live}
    findings = audit(
        house.url,
        at=house.clock.now(),
        ledger=ledger,
        waiting={e.key or "" for e in effects if e.kind == "payment"} - over - named,
    )
    assert {each.about for each in findings if each.kind == "unknown here"} == named
    assert [each for each in findings if each.kind != "unknown here"] == []


@pytest.mark.rule("D6", "P1")
def test_what_waited_in_the_backup_is_looked_up_before_it_is_sent_days_later(restored: Restored) -> None:
    """Cards wait for their due date, and a provider forgets a key after a day: only its lists know of the charge."""
    desk, house = restored.house.desk, restored.house
    house.move(hours=50)
    desk.collect()  # a host's timers ask nobody whether a backup was restored
    made = [each.key for each in house.charges()]
    assert made == restored.made
    wanted = CollectionState.PENDING if house.name == "gocardless" else CollectionState.SUCCEEDED
    assert states(restored)[restored.reserved.id] is wanted
    desk.recover()
    assert len(house.charges(EffectKind.REFUND)) == 2, "one that waited too, and the one made afterwards"
