"""Idempotency keys: every verb that creates something or moves money, by introspection, on every store (N3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from conftest import NOON
from desks import all_of, everything, faces, parameters, store_of, verb_of, wiring_of
from invoicecore import Billing, Money, Plugins
from invoicecore.credits import CreditEntry
from invoicecore.errors import KeyReused, StoreError
from invoicecore.parties import Biller
from invoicecore.ports import KeyUse, Reader, Store, Writer
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory
from scenes import CALLS, OTHERWISE, Scene, stage

WITHOUT_KEY = {
    "run": "each invoice has a key of its own: the lease's period, the client's month (N2, C9)",
    "run_shard": "as the run",
    "remind": "each reminder is of one step, each fee of one count, once",
    "deliver": "each message is sent once",
    "billers.edit": "changes what is there",
    "units.assign": "changes what is there",
    "customers.edit": "changes what is there",
    "charges.edit": "changes what is there",
    "charges.cancel": "changes what is there, once",
    "charges.release": "changes what is there, once",
    "leases.edit": "changes what is there",
    "leases.end": "changes what is there",
    "invoices.edit": "changes what is there",
    "invoices.delete_draft": "changes what is there, once",
    "invoices.publish_all": "publishes what is a draft: a repeat finds none",
    "payments.link": "the same link each time",
    "payments.revoke_link": "revokes what is live: a repeat finds none",
    "messages.retry": "changes what is there, once",
    "collect": "each collection is sent once, under a key of its own",
    "recover": "asks for what is there, under the keys it was made under",
    "receive_missed": "each event is applied once",
    "methods.refresh": "changes what is there",
    "methods.revoke": "changes what is there, once",
    "collections.cancel": "changes what is there, once",
    "collections.resolve": "changes what is there, once",
    "payments.resolve_refund": "changes what is there, once",
    "alerts.resolve": "changes what is there, once",
}


@pytest.fixture
def scene(billing: Billing) -> Scene:
    return stage(billing)


def of(billing: Billing, scene: Scene, verb: str, made: object) -> Biller:
    """The biller in whose rows the verb wrote."""
    return billing.billers.get(made) if isinstance(made, Biller) else scene.biller


@pytest.mark.rule("N3")
def test_every_verb_that_writes_takes_a_key_or_says_why_not() -> None:
    with Billing.open("memory://", plugins=Plugins.of(memory.plugin)) as billing:
        writing = {name for name, verb in faces(billing) if "actor" in parameters(verb)}
        keyed = {name for name, verb in faces(billing) if "key" in parameters(verb)}
    assert keyed == set(OTHERWISE)
    assert keyed | set(WITHOUT_KEY) == writing
    assert not keyed & set(WITHOUT_KEY)


@pytest.mark.rule("N3")
@pytest.mark.parametrize("verb", OTHERWISE)
def test_the_same_key_gives_the_first_result_back_and_writes_nothing(
    billing: Billing, clock: FixedClock, scene: Scene, verb: str
) -> None:
    given = CALLS[verb](scene)
    first = verb_of(billing, verb)(**given, key="k-1")
    biller = of(billing, scene, verb, first)
    before = everything(store_of(billing), biller)
    clock.set(NOON.replace(day=3))  # a retry may come a day later
    again = verb_of(billing, verb)(**given, key="k-1")
    assert again == first
    assert everything(store_of(billing), biller) == before


@pytest.mark.rule("N3")
@pytest.mark.parametrize("verb", OTHERWISE)
def test_other_data_under_the_same_key_is_an_error(billing: Billing, scene: Scene, verb: str) -> None:
    given = CALLS[verb](scene)
    first = verb_of(billing, verb)(**given, key="k-1")
    biller = of(billing, scene, verb, first)
    before = everything(store_of(billing), biller)
    with pytest.raises(KeyReused) as caught:
        verb_of(billing, verb)(**{**given, **OTHERWISE[verb](scene)}, key="k-1")
    assert caught.value.key == "k-1"
    assert everything(store_of(billing), biller) == before


@pytest.mark.rule("N3")
@pytest.mark.parametrize("verb", [verb for verb in OTHERWISE if verb != "billers.add"])
def test_a_key_used_by_another_verb_is_an_error(billing: Billing, scene: Scene, verb: str) -> None:
    other = "groups.add" if verb != "groups.add" else "units.add"
    verb_of(billing, other)(**CALLS[other](scene), key="k-1")
    before = everything(store_of(billing), scene.biller)
    with pytest.raises(KeyReused):
        verb_of(billing, verb)(**CALLS[verb](scene), key="k-1")
    assert everything(store_of(billing), scene.biller) == before


@pytest.mark.rule("N3", "T1")
@pytest.mark.parametrize("verb", [verb for verb in OTHERWISE if verb != "billers.add"])
def test_each_biller_has_keys_of_its_own(billing: Billing, scene: Scene, verb: str) -> None:
    verb_of(billing, verb)(**CALLS[verb](scene), key="k-1")
    elsewhere = stage(billing)
    before = everything(store_of(billing), scene.biller)
    verb_of(billing, verb)(**CALLS[verb](elsewhere), key="k-1")
    assert [use.id for use in keys_of(billing, elsewhere.biller)] == ["k-1"]
    assert everything(store_of(billing), scene.biller) == before


def keys_of(billing: Billing, biller: Biller) -> list[KeyUse]:
    with store_of(billing).reading() as tx:
        return list(tx.get(KeyUse, biller.id, ["k-1"]).values())


@pytest.mark.rule("N3")
@pytest.mark.parametrize("verb", OTHERWISE)
def test_without_a_key_nothing_is_remembered(billing: Billing, scene: Scene, verb: str) -> None:
    made = verb_of(billing, verb)(**CALLS[verb](scene))
    assert keys_of(billing, of(billing, scene, verb, made)) == []


class FullDisk:
    """A store whose disk is full at the end of each transaction, while it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.full = False

    def reading(self) -> AbstractContextManager[Reader]:
        return self._store.reading()

    @contextmanager
    def writing(self, *, lasting: bool = True, **turn: Any) -> Iterator[Writer]:
        with self._store.writing(lasting=lasting, **turn) as tx:
            yield tx
            if self.full and lasting:
                raise StoreError("the disk is full")

    def close(self) -> None:
        self._store.close()


@pytest.mark.rule("N3")
@pytest.mark.parametrize("verb", OTHERWISE)
def test_a_key_whose_first_call_failed_is_free(billing: Billing, clock: FixedClock, scene: Scene, verb: str) -> None:
    disk = FullDisk(store_of(billing))
    desk = Billing(disk, clock=clock, wiring=wiring_of(billing))
    disk.full = True
    with pytest.raises(StoreError):
        verb_of(desk, verb)(**CALLS[verb](scene), key="k-1")
    disk.full = False
    made = verb_of(desk, verb)(**CALLS[verb](scene), key="k-1")
    assert len(keys_of(billing, of(billing, scene, verb, made))) == 1


@pytest.mark.rule("N3")
def test_money_written_another_way_is_the_same_data(billing: Billing, scene: Scene) -> None:
    first = billing.payments.record(scene.open, Money("5", "EUR"), method="cash", key="k-1")
    assert billing.payments.record(scene.open.id, Money("5.00", "EUR"), method="cash", key="k-1") == first


@pytest.mark.rule("N3")
def test_the_first_result_comes_back_though_the_world_moved_on(billing: Billing, scene: Scene) -> None:
    payment = billing.payments.record(scene.open, key="pay")
    refund = billing.payments.refund(scene.open, key="refund")
    billing.payments.reverse(payment)
    billing.billers.edit(scene.biller, payments=False)
    assert billing.payments.record(scene.open, key="pay") == payment
    assert billing.payments.refund(scene.open, key="refund") == refund


@pytest.mark.rule("N3", "C8")
def test_a_deposit_and_a_withdrawal_of_the_same_data_are_not_the_same(billing: Billing, scene: Scene) -> None:
    billing.credits.deposit(scene.customer, Money("5", "EUR"), key="k-1")
    with pytest.raises(KeyReused):
        billing.credits.withdraw(scene.customer, Money("5", "EUR"), key="k-1")


@pytest.mark.rule("N3", "C8")
def test_a_repeated_deposit_settles_nothing_twice(billing: Billing, scene: Scene) -> None:
    billing.billers.edit(scene.biller, policy={"apply_credit": True})
    for _ in range(3):
        billing.credits.deposit(scene.customer, scene.open.total, key="k-1")
    deposits = [row for row in all_of(store_of(billing), scene.biller, CreditEntry) if row.kind == "deposit"]
    assert len(deposits) == 2, "one in the scene, one under the key"


@pytest.mark.rule("N3")
def test_the_same_money_written_otherwise_is_the_same_request(billing: Billing, scene: Scene) -> None:
    made = billing.charges.add(
        customer=scene.customer, description="Ice", amount=Money("5", "EUR"), quantity=2, on=date(2026, 3, 2), key="ice"
    )
    again = billing.charges.add(
        customer=scene.customer,
        description="Ice",
        amount=Money("5.00", "EUR"),
        quantity=Decimal("2.0"),
        on=date(2026, 3, 2),
        key="ice",
    )
    assert again == made
    with pytest.raises(KeyReused):
        billing.charges.add(
            customer=scene.customer, description="Ice", amount=Money("5.01", "EUR"), quantity=2, key="ice"
        )
