"""Reconciling: every way in which a provider and the books can differ is named, and nothing is changed by looking (D6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import attrs
import pytest

from conftest import NOON
from desks import everything, gateway_of, money, save, store_of
from invoicecore import Billing
from invoicecore.billing.reconciling import DifferenceKind, Reconciliation
from invoicecore.collection import Collection
from invoicecore.errors import InvalidValue, NotWired
from invoicecore.parties import Biller, Customer
from invoicecore.ports import Charge, RefundRequest
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway

DAY = timedelta(days=1)


@pytest.fixture
def gateway(billing: Billing) -> MemoryGateway:
    return gateway_of(billing)


@attrs.frozen
class World:
    """An invoice of 100 paid by a card, and one of 50 whose debit is on its way."""

    billing: Billing
    gateway: MemoryGateway
    park: Biller
    card: Collection
    debit: Collection

    def look(self) -> Reconciliation:
        """What differs over the day, with nothing written."""
        before = everything(store_of(self.billing), self.park)
        found = self.billing.reconcile("memory", since=NOON, until=NOON + DAY)
        assert everything(store_of(self.billing), self.park) == before
        return found

    def hear(self) -> None:
        """Every webhook arrives."""
        for body, headers in self.gateway.webhooks():
            self.billing.receive("memory", body, headers)


def charged(billing: Billing, biller: Biller, who: Customer, amount: str, kind: str) -> Collection:
    method = save(billing, who, kind)
    draft = billing.invoices.draft(
        biller=biller, customer=who, title="Stay", amount=money(amount, biller.currency), due=date(2026, 3, 20)
    )
    invoice = billing.invoices.publish(draft, notify=False)
    return billing.payments.charge(invoice, method=method)


@pytest.fixture
def world(billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer) -> World:
    card = charged(billing, park, guest, "100", "card")
    debit = charged(billing, park, guest, "50", "direct_debit")
    made = World(billing, gateway, park, card, debit)
    made.hear()
    return made


@pytest.mark.rule("D6")
def test_books_that_agree_are_said_to_and_what_is_not_ours_takes_no_part(
    world: World, billing: Billing, gateway: MemoryGateway
) -> None:
    billing.payments.refund(world.card.invoice, money(30), to="gateway")
    gateway.collect(world.debit.reference or "")
    gateway.reverse(world.debit.reference or "")
    world.hear()
    method, owner = gateway.saved(world.card.kind, "EUR")
    stranger = Charge(method=method, owner=owner, amount=money(7), reference="X", description="X")
    gateway.charge(stranger, "a-shop-1")
    found = world.look()
    assert (found.gateway, found.since, found.until) == ("memory", NOON, NOON + DAY)
    assert (found.compared, found.foreign, found.differences) == (2, 1, ())
    [sides] = found.collected
    assert (sides.currency, sides.there, sides.here) == ("EUR", money(150), money(150))


def stranger_under_our_key(world: World) -> None:
    method, owner = world.gateway.saved(world.card.kind, "EUR")
    wanted = Charge(method=method, owner=owner, amount=money(7), reference="X", description="X")
    world.gateway.charge(wanted, f"{world.park.id}_col_lost")


def forgotten(world: World) -> None:
    del world.gateway.provider._things[world.card.reference or ""]


def other_amount(world: World) -> None:
    world.gateway.provider._things[world.card.reference or ""]["amount"] = 9_900


def refunded_there(world: World) -> None:
    wanted = RefundRequest(payment=world.card.reference or "", amount=money(10), refunded_before=money(0))
    world.gateway.refund(wanted, "by-hand-1")


# what happened, the differences as (kind, there, here), and whether they end once the webhooks have come
DIFFERENCES: list[tuple[Callable[[World], object], list[tuple[str, str, str]], bool]] = [
    (stranger_under_our_key, [("unknown_here", "7.00 EUR under {park}_col_lost", "nothing")], False),
    (forgotten, [("missing_there", "nothing", "100.00 EUR succeeded")], False),
    (other_amount, [("amount", "99.00 EUR", "100.00 EUR")], False),
    (
        lambda world: world.gateway.collect(world.debit.reference or ""),
        [("collected", "50.00 EUR", "0.00 EUR"), ("state", "succeeded", "pending")],
        True,
    ),
    (lambda world: world.gateway.reverse(world.card.reference or ""), [("taken_back", "{reversal}", "nothing")], True),
    (refunded_there, [("refunded", "10.00 EUR", "0.00 EUR")], True),
    (
        lambda world: world.gateway.fail(world.debit.reference or "", "insufficient_funds"),
        [("state", "failed", "pending")],
        True,
    ),
]


@pytest.mark.rule("D6")
@pytest.mark.parametrize("happens, differences, heals", DIFFERENCES, ids=[each[1][0][0] for each in DIFFERENCES])
def test_each_difference_is_named_and_those_that_were_only_not_heard_of_end_with_the_webhooks(
    world: World, happens: Callable[[World], object], differences: list[tuple[str, str, str]], heals: bool
) -> None:
    happens(world)
    found = world.look().differences
    taken = world.gateway.provider._things.get(world.card.reference or "", {}).get("reversals", [])
    names = {"park": world.park.id, "reversal": taken[0]["id"] if taken else ""}
    assert [(each.kind.value, each.there, each.here) for each in found] == [
        (kind, there.format(**names), here) for kind, there, here in differences
    ]
    assert {each.biller for each in found} == {world.park.id}
    known = {each.id: (each.invoice, each.reference) for each in (world.card, world.debit)}
    for each in found:
        if each.kind is DifferenceKind.UNKNOWN_HERE:
            assert (each.collection, each.invoice) == (None, None)
        else:
            assert (each.invoice, each.reference) == known[each.collection or ""]
    world.hear()
    assert (world.look().differences == ()) is heals


def test_every_kind_of_difference_is_made_to_happen() -> None:
    assert {kind for _, differences, _ in DIFFERENCES for kind, _, _ in differences} == set(DifferenceKind)


@pytest.mark.rule("D6")
def test_a_period_has_what_was_made_from_its_first_instant_to_before_its_last(world: World, billing: Billing) -> None:
    def compared(since: datetime, until: datetime) -> int:
        found = billing.reconcile("memory", since=since, until=until)
        assert found.differences == ()
        return found.compared

    assert compared(NOON, NOON + timedelta(microseconds=1)) == 2
    assert compared(NOON - DAY, NOON) == 0
    assert compared(NOON + timedelta(microseconds=1), NOON + DAY) == 0


@pytest.mark.rule("D6", "R12")
def test_a_page_that_was_opened_in_one_period_and_paid_in_the_next_is_missing_in_neither(
    billing: Billing, gateway: MemoryGateway, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(80))
    invoice = billing.invoices.publish(draft, notify=False)
    url = billing.payments.checkout(billing.payments.link(invoice).rpartition("/")[2])
    clock.advance(timedelta(hours=13))
    billing.receive("memory", *gateway.pay(url))
    midnight = NOON + timedelta(hours=12)
    before = billing.reconcile("memory", since=midnight - DAY, until=midnight)
    after = billing.reconcile("memory", since=midnight, until=midnight + DAY)
    assert (before.compared, before.differences) == (0, ())
    assert (after.compared, after.differences) == (1, ())


@pytest.mark.rule("D6", "T1")
def test_one_biller_is_compared_by_itself(world: World, billing: Billing, condo: Biller, resident: Customer) -> None:
    charged(billing, condo, resident, "20", "card")
    stranger_under_our_key(world)
    whole = billing.reconcile("memory", since=NOON, until=NOON + DAY)
    assert (whole.compared, whole.foreign, [each.biller for each in whole.differences]) == (4, 0, [world.park.id])
    assert [sides.currency for sides in whole.collected] == ["CAD", "EUR"]
    for mine, foreign in (
        (billing.reconcile("memory", since=NOON, until=NOON + DAY, biller=condo), 3),
        (billing.scoped(condo).reconcile("memory", since=NOON, until=NOON + DAY), 0),
    ):
        assert (mine.compared, mine.foreign, mine.differences) == (1, foreign, ())
        assert world.park.id not in repr(mine)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"since": datetime(2026, 3, 2)}, InvalidValue, "since"),  # as a host may give it
    ({"since": date(2026, 3, 2)}, InvalidValue, "since"),
    ({"until": datetime(2026, 3, 3)}, InvalidValue, "until"),  # as above
    ({"until": NOON}, InvalidValue, "until"),
    ({"gateway": "another"}, NotWired, "another"),
]


@pytest.mark.parametrize("given, error, named", REFUSED, ids=range(len(REFUSED)))
def test_a_period_or_a_gateway_that_is_none_is_refused(
    billing: Billing, given: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        billing.reconcile(**{"gateway": "memory", "since": NOON, "until": NOON + DAY, **given})
