"""The host's hooks at the desk: who may do what, and what observers hear, for every verb by introspection (R18)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from desks import everything, faces, money, parameters, store_of, verb_of, wiring_of
from invoicecore import Billing, Plugins, hookimpl
from invoicecore.errors import InvoicecoreError, NotFound, ObserverFailed, Overpayment, Refused, StoreError
from invoicecore.parties import Biller
from invoicecore.ports import Event
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory
from scenes import CALLS, TODAY, Scene, stage
from test_keys import FullDisk


class Host:
    """An application: it refuses what it is told to, and remembers what it was asked and told."""

    plugin_name = "host"

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.refused_subjects: set[str] = set()
        self.asked: list[tuple[str, str | None, str, str | None]] = []
        self.told: list[tuple[Event, ...]] = []
        self.deaf = False

    @hookimpl
    def authorise(self, action: str, actor: str | None, biller: str, subject: str | None) -> str | None:
        self.asked.append((action, actor, biller, subject))
        return "not your role" if action in self.refused or subject in self.refused_subjects else None

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        self.told.append(tuple(events))
        if self.deaf:
            raise RuntimeError("the wire is cut")


@pytest.fixture(params=["memory", "sqlite"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Hooks are called around the store, whatever it is: two kinds will do."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/x.db"


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def scene(billing: Billing) -> Scene:
    """Staged at a desk without the host, so that it hears only what the test does."""
    made = stage(billing)
    # Something for the run to do.
    billing.leases.add(biller=made.biller, customer=made.customer, rent=money(10), starts=TODAY)
    return made


@pytest.fixture
def desk(billing: Billing, clock: FixedClock, host: Host, scene: Scene) -> Billing:
    """A desk on the same store, with the host."""
    return Billing(store_of(billing), clock=clock, plugins=Plugins.of(host), wiring=wiring_of(billing))


with Billing.open("memory://", plugins=Plugins.of(memory.plugin)) as _any:
    VERBS: dict[str, dict[str, str]] = {name: parameters(verb) for name, verb in faces(_any)}
WRITING = [name for name, given in VERBS.items() if "actor" in given]
# Nobody who acts is named to these: the one is done by the gateway, the other by the payer.
BY_OTHERS = {"receive": "memory", "payments.checkout": "payer"}
READING = [name for name in VERBS if name not in WRITING and name not in BY_OTHERS]
# What it did stands in the message's own records, and in no timeline.
SILENT = {"deliver"}
# What is asked about by another name; and what leaves steps on timelines in several transactions.
ASKED_AS = {"receive_missed": "receive", "run_shard": "run"}
SEVERAL = {"payments.charge", "receive_missed"}


@pytest.mark.rule("R18")
def test_every_verb_has_a_call_in_these_tests() -> None:
    assert set(CALLS) == set(VERBS)


@pytest.mark.rule("R18")
@pytest.mark.parametrize("verb", WRITING)
def test_every_verb_that_writes_can_be_refused_and_then_writes_nothing(
    billing: Billing, desk: Billing, host: Host, scene: Scene, verb: str
) -> None:
    verb_of(desk, verb)(**CALLS[verb](scene), actor="ana")
    action, actor, biller, subject = host.asked[0]
    assert (action.split(".")[0], actor) == (ASKED_AS.get(verb, verb).split(".")[0], "ana")
    assert biller == scene.biller.id or verb == "billers.add"
    assert subject is None or subject.startswith(biller)

    fresh = stage(billing)
    billing.leases.add(biller=fresh.biller, customer=fresh.customer, rent=money(10), starts=TODAY)
    before, billers = everything(store_of(billing), fresh.biller), billing.billers.all()
    host.refused.add(action)
    host.told.clear()
    with pytest.raises(Refused) as caught:
        verb_of(desk, verb)(**CALLS[verb](fresh), actor="ana")
    assert (caught.value.action, caught.value.actor, caught.value.reason) == (action, "ana", "not your role")
    assert everything(store_of(billing), fresh.biller) == before
    assert billing.billers.all() == billers
    assert host.told == []


@pytest.mark.rule("R18")
@pytest.mark.parametrize("verb", READING)
def test_reading_is_not_asked_about_nor_told_of(desk: Billing, host: Host, scene: Scene, verb: str) -> None:
    verb_of(desk, verb)(**CALLS[verb](scene))
    assert (host.asked, host.told) == ([], [])


@pytest.mark.rule("R18")
@pytest.mark.parametrize("verb", [verb for verb in WRITING if verb not in SILENT])
def test_observers_hear_of_every_committed_transaction_once(
    billing: Billing, desk: Billing, host: Host, scene: Scene, verb: str
) -> None:
    before = events(billing, scene.biller)
    made = verb_of(desk, verb)(**CALLS[verb](scene), actor="ana")
    biller = made if isinstance(made, Biller) else scene.biller
    if made is biller:
        before = [event for event in before if event.biller == biller.id]
    fresh = [event for event in events(billing, biller) if event not in before]
    heard = [event for told in host.told for event in told]
    assert (len(host.told) > 1) == (verb in SEVERAL), "each of the other calls is one transaction"
    assert sorted(heard, key=lambda e: e.id) == sorted(fresh, key=lambda e: e.id)
    assert len({event.id for event in heard}) == len(heard) > 0
    assert {event.actor for event in heard} == {"ana"}


def events(billing: Billing, biller: Biller) -> list[Event]:
    with store_of(billing).reading() as tx:
        return tx.find(Event, biller.id, {})


@pytest.mark.rule("R18", "D6", "R12")
@pytest.mark.parametrize("verb, by", BY_OTHERS.items())
def test_what_a_gateway_and_a_payer_do_is_done_in_their_name_and_can_be_refused(
    billing: Billing, desk: Billing, host: Host, scene: Scene, verb: str, by: str
) -> None:
    before = everything(store_of(billing), scene.biller)
    host.refused.add(verb)
    with pytest.raises(Refused):  # so that a gateway tells it again
        verb_of(desk, verb)(**CALLS[verb](scene))
    assert everything(store_of(billing), scene.biller) == before
    host.refused.clear()
    verb_of(desk, verb)(**CALLS[verb](scene))
    assert {(action, actor) for action, actor, _, _ in host.asked} == {(verb, by)}
    assert {event.actor for told in host.told for event in told} <= {by}


@pytest.mark.rule("R18", "D6")
def test_money_a_gateway_tells_of_is_recorded_in_its_name(desk: Billing, host: Host, scene: Scene) -> None:
    [told] = desk.receive(**CALLS["receive"](scene))  # type: ignore[arg-type]  # as the scene has them
    assert (told.state, desk.invoices.get(scene.open).balance) == ("applied", money(0))
    assert desk.payments.get(told.payment or "").actor == "memory"
    assert {event.actor for event in host.told[-1]} == {"memory"}


@pytest.mark.rule("R18")
@pytest.mark.parametrize("verb", WRITING)
def test_a_transaction_that_fails_at_its_end_writes_nothing_and_tells_nobody(
    billing: Billing, clock: FixedClock, host: Host, scene: Scene, verb: str
) -> None:
    disk = FullDisk(store_of(billing))
    desk = Billing(disk, clock=clock, plugins=Plugins.of(host), wiring=wiring_of(billing))
    before, billers = everything(store_of(billing), scene.biller), billing.billers.all()
    disk.full = True
    with pytest.raises(StoreError, match="the disk is full"):
        verb_of(desk, verb)(**CALLS[verb](scene))
    assert everything(store_of(billing), scene.biller) == before
    assert billing.billers.all() == billers
    assert host.told == []


@pytest.mark.rule("R18")
def test_what_a_rule_refuses_is_told_to_nobody(desk: Billing, host: Host, scene: Scene) -> None:
    with pytest.raises(Overpayment):
        desk.payments.record(scene.open, money(101))
    with pytest.raises(InvoicecoreError):
        desk.invoices.publish(scene.open)
    assert host.told == []


@pytest.mark.rule("R18", "N3")
def test_a_repeat_under_a_key_is_asked_about_and_told_to_nobody(desk: Billing, host: Host, scene: Scene) -> None:
    desk.payments.record(scene.open, key="k")
    host.told.clear()
    desk.payments.record(scene.open, key="k")
    assert host.told == []
    host.refused.add("payments.record")
    with pytest.raises(Refused):
        desk.payments.record(scene.open, key="k")


@pytest.mark.rule("R18")
def test_a_receipt_over_several_invoices_is_asked_about_for_each(desk: Billing, host: Host, scene: Scene) -> None:
    host.refused_subjects.add(scene.paid.id)
    with pytest.raises(Refused):
        desk.payments.record([scene.open, scene.paid])
    assert desk.invoices.get(scene.open).balance == money(100)
    host.refused_subjects.clear()
    host.asked.clear()
    desk.payments.record([scene.open, scene.paid], actor="ana")
    assert sorted(host.asked, key=lambda asked: asked[3] or "") == [
        ("payments.record", "ana", scene.biller.id, ref) for ref in sorted([scene.open.id, scene.paid.id])
    ]


@pytest.mark.rule("R18")
def test_a_deaf_observer_does_not_undo_what_was_committed(desk: Billing, host: Host, scene: Scene) -> None:
    host.deaf = True
    with pytest.raises(ObserverFailed, match="the change is committed: do not repeat it"):
        desk.payments.record(scene.open)
    assert desk.invoices.get(scene.open).balance == money(0)


@pytest.mark.rule("R18", "N1")
def test_a_deaf_observer_loses_no_number(desk: Billing, host: Host, scene: Scene) -> None:
    host.deaf = True
    with pytest.raises(ObserverFailed):
        desk.invoices.publish(scene.draft)
    host.deaf = False
    another = desk.invoices.draft(biller=scene.biller, customer=scene.customer, title="T", amount=money(1))
    number = desk.invoices.get(scene.draft).number or ""
    assert desk.invoices.publish(another).number == f"INV-{int(number[4:]) + 1:06}"


@pytest.mark.rule("R18")
def test_an_observer_may_use_the_desk_itself(billing: Billing, clock: FixedClock, scene: Scene) -> None:
    class Eager:
        plugin_name = "eager"

        @hookimpl
        def observe(self, events: Sequence[Event]) -> None:
            for event in events:
                if event.action == "paid":
                    desk.credits.deposit(scene.other, money(1), note=event.subject)

    desk = Billing(store_of(billing), clock=clock, plugins=Plugins.of(Eager()))
    desk.payments.record(scene.open)
    assert [row.note for row in desk.credits.history(scene.other)] == [scene.open.id]


@pytest.mark.rule("R18", "T1")
def test_nobody_is_asked_about_what_this_desk_may_not_see(
    billing: Billing, clock: FixedClock, host: Host, scene: Scene
) -> None:
    elsewhere = stage(billing)
    desk = Billing(store_of(billing), clock=clock, plugins=Plugins.of(host)).scoped(scene.biller)
    with pytest.raises(NotFound):
        desk.payments.record(elsewhere.open)
    assert host.asked == []


@pytest.mark.rule("R18")
def test_every_step_says_what_when_and_who(billing: Billing, clock: FixedClock, scene: Scene) -> None:
    clock.advance(timedelta(hours=1))
    billing.invoices.publish(scene.draft, actor="ana", on=TODAY + timedelta(days=5))
    last = billing.invoices.timeline(scene.draft)[-1]
    assert (last.action, last.actor, last.at, last.on) == ("published", "ana", clock.now(), TODAY + timedelta(days=5))
