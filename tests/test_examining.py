"""Examining: what waits too long, was given up or stands in doubt is told, and what is well is told to be well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import attrs
import pytest

from desks import everything, gateway_of, money, store_of, unreachable, wiring_of
from invoicecore import Billing
from invoicecore.alerts import AlertState
from invoicecore.billing import examining
from invoicecore.collection import CollectionState, MethodState
from invoicecore.errors import MailDeferred, MailRefused, NotFound
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.parties import Biller, Customer
from invoicecore.payments import RefundState
from invoicecore.ports import Finding, Record, Verdict
from invoicecore.testing import FixedClock
from scenes import Scene, stage

TODAY = date(2026, 3, 2)
CHECKS = ("mail", "collections", "refunds", "events", "methods", "alerts", "runs", "drafts", "clock", "imports")


def told(billing: Billing, biller: Biller | None = None) -> dict[str, Finding]:
    """What is not well of the work, by its code; what stores say of themselves has tests of its own."""
    found = [each for each in billing.examine(biller=biller) if each.verdict is not Verdict.OK]
    return {each.code: each for each in found if each.code.partition(".")[0] in CHECKS}


def issued(billing: Billing, who: Customer, title: str = "Stay") -> None:
    draft = billing.invoices.draft(biller=who.biller, customer=who, title=title, amount=money(100))
    billing.invoices.publish(draft, notify=True)


def put(billing: Billing, record: Record, **fields: object) -> None:
    """Have a record be otherwise, as a worker that died would have left it."""
    with store_of(billing).writing() as tx:
        tx.replace([attrs.evolve(record, **fields)])  # type: ignore[arg-type]  # its own fields


def answer(billing: Billing, error: Exception | None) -> None:
    def refuse(_: object) -> None:
        if error is not None:
            raise error

    wiring_of(billing).mailer.answer = refuse  # type: ignore[attr-defined]  # a Post


# --- well -------------------------------------------------------------------------------------------------------------


def test_a_new_desk_is_well_and_says_so_of_each_thing(billing: Billing, park: Biller) -> None:
    work = billing.examine(biller=park)
    assert [(each.code, each.verdict) for each in work] == [(check, Verdict.OK) for check in CHECKS]
    assert told(billing) == {}


def test_a_scene_at_rest_is_well_but_for_its_alert(billing: Billing, clock: FixedClock) -> None:
    scene = stage(billing)
    billing.deliver()
    assert set(told(billing, scene.biller)) == {"alerts.open"}


def test_nothing_is_changed(billing: Billing, clock: FixedClock) -> None:
    scene = stage(billing)
    clock.advance(timedelta(days=40))
    before = everything(store_of(billing), scene.biller)
    billing.examine()
    assert everything(store_of(billing), scene.biller) == before


# --- e-mails ----------------------------------------------------------------------------------------------------------


def test_an_e_mail_that_nobody_sends_is_told_after_an_hour(
    billing: Billing, guest: Customer, clock: FixedClock
) -> None:
    issued(billing, guest)
    issued(billing, guest, "Boat")
    clock.advance(timedelta(minutes=59))
    assert told(billing) == {}
    clock.advance(timedelta(minutes=1))
    found = told(billing)["mail.waiting"]
    assert (found.verdict, found.data) == (Verdict.WARNING, {"count": 2, "since": TODAY})
    billing.deliver()
    assert "mail.waiting" not in told(billing)


def test_an_e_mail_that_is_put_off_again_and_again_is_failing(
    billing: Billing, guest: Customer, clock: FixedClock
) -> None:
    issued(billing, guest)
    answer(billing, MailDeferred("greylisted"))
    for _ in range(examining.IN_VAIN):
        assert "mail.failing" not in told(billing)
        billing.deliver()
        clock.advance(timedelta(hours=1))
    assert told(billing)["mail.failing"].data["count"] == 1


def test_an_e_mail_that_was_refused_is_told_for_a_month(billing: Billing, guest: Customer, clock: FixedClock) -> None:
    issued(billing, guest)
    answer(billing, MailRefused("no such user"))
    billing.deliver()
    clock.advance(timedelta(days=29))
    assert told(billing)["mail.failed"].data == {"count": 1, "since": TODAY}
    clock.advance(timedelta(days=2))
    assert "mail.failed" not in told(billing)


# --- providers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scene(billing: Billing) -> Scene:
    made = stage(billing)
    billing.deliver()
    return made


def refund_of(scene: Scene, billing: Billing) -> Record:
    return billing.payments.refunds(billing.invoices.get(scene.unsure.invoice))[0]


@pytest.mark.parametrize(
    "code, verdict, arrange",
    [
        ("collections.waiting", Verdict.WARNING, lambda b, s: (s.reserved, {})),
        (
            "collections.submitting",
            Verdict.WARNING,
            lambda b, s: (s.reserved, {"state": CollectionState.SUBMITTING, "next_try_at": s.reserved.made_at}),
        ),
        (
            "collections.failing",
            Verdict.WARNING,
            lambda b, s: (s.reserved, {"tries": 3, "next_try_at": s.reserved.made_at + timedelta(days=30)}),
        ),
        ("collections.doubtful", Verdict.PROBLEM, lambda b, s: (b.collections.get(s.doubtful), {"next_try_at": None})),
        ("refunds.waiting", Verdict.WARNING, lambda b, s: (refund_of(s, b), {})),
        (
            "refunds.submitting",
            Verdict.WARNING,
            lambda b, s: (refund_of(s, b), {"state": RefundState.SUBMITTING}),
        ),
        ("refunds.failing", Verdict.WARNING, lambda b, s: (refund_of(s, b), {"tries": 5})),
        ("refunds.doubtful", Verdict.PROBLEM, lambda b, s: (refund_of(s, b), {"next_try_at": None})),
        ("methods.waiting", Verdict.WARNING, lambda b, s: (b.methods.get(s.fresh), {"state": MethodState.OPEN})),
    ],
)
def test_what_stands_at_a_provider_for_too_long_is_told(
    code: str,
    verdict: Verdict,
    arrange: Callable[[Billing, Scene], tuple[Record, dict[str, object]]],
    billing: Billing,
    scene: Scene,
    clock: FixedClock,
) -> None:
    assert code not in told(billing)
    record, fields = arrange(billing, scene)
    put(billing, record, **fields)
    clock.advance(timedelta(hours=8))
    found = told(billing)[code]
    assert found.verdict is verdict
    count = found.data["count"]
    assert isinstance(count, int)
    assert count >= 1


def test_collections_that_wait_because_payments_are_off_are_no_news(
    billing: Billing, scene: Scene, clock: FixedClock
) -> None:
    clock.advance(timedelta(hours=8))
    assert "collections.waiting" in told(billing)
    billing.billers.edit(scene.biller, payments=False)
    assert "collections.waiting" not in told(billing)


def test_events_that_wait_or_were_given_up_are_told(billing: Billing, park: Biller, clock: FixedClock) -> None:
    now = clock.now()
    made = [
        InboxEvent(id=f"memory/{n}", biller=park.id, gateway="memory", kind="x", about="payment", reference="p",
                   received_at=now, **rest)  # type: ignore[arg-type]
        for n, rest in enumerate(
            ({"next_try_at": now}, {"next_try_at": now + timedelta(days=9), "tries": 4}, {"state": InboxState.PARKED})
        )
    ]  # fmt: skip
    with store_of(billing).writing() as tx:
        tx.add(made)
    clock.advance(timedelta(hours=2))
    counts = {code: found.data["count"] for code, found in told(billing, park).items()}
    assert counts == {"events.waiting": 1, "events.failing": 1, "events.parked": 1}


def test_an_alert_is_told_until_somebody_resolves_it(billing: Billing, scene: Scene) -> None:
    assert told(billing)["alerts.open"].data == {"count": 1, "since": TODAY}
    billing.alerts.resolve(scene.alert, resolution="the guest was called")
    assert billing.alerts.get(scene.alert).state is AlertState.RESOLVED
    assert "alerts.open" not in told(billing)


# --- runs, drafts, clocks ---------------------------------------------------------------------------------------------


def test_a_run_that_nobody_started_is_told(
    billing: Billing, park: Biller, guest: Customer, practice: Biller, client: Customer, clock: FixedClock
) -> None:
    billing.leases.add(biller=park, customer=guest, unit="12", rent=money(620), starts=TODAY)
    billing.customers.edit(client, billing_cycle="monthly")
    clock.advance(timedelta(days=1))
    assert "runs.missed" not in told(billing), "what was added today could not be billed a week ago"
    billing.run()
    clock.advance(timedelta(days=22))  # April is to be billed from the 25th, the client on the 1st
    assert "runs.missed" not in told(billing)
    clock.advance(timedelta(days=10))
    assert told(billing)["runs.missed"].data == {"count": 2, "since": date(2026, 3, 26)}
    billing.billers.edit(park, payments=False)  # it is not billed, and that is as it should be
    assert told(billing)["runs.missed"].data == {"count": 1, "since": date(2026, 4, 1)}
    billing.run()
    assert "runs.missed" not in told(billing)


def test_drafts_that_a_run_left_are_told_after_a_week(
    billing: Billing, park: Biller, guest: Customer, clock: FixedClock
) -> None:
    billing.billers.edit(park, policy={"run_issues": False})
    billing.leases.add(biller=park, customer=guest, unit="12", rent=money(620), starts=TODAY)
    billing.invoices.draft(biller=park, customer=guest, title="By hand", amount=money(1))
    billing.run()
    clock.advance(timedelta(days=6))
    assert "drafts.left" not in told(billing)
    clock.advance(timedelta(days=1))
    assert told(billing)["drafts.left"].data == {"count": 1, "since": TODAY}
    billing.invoices.publish_all(biller=park)
    assert "drafts.left" not in told(billing)


def test_a_timeline_ahead_of_this_clock_is_a_problem(billing: Billing, guest: Customer, clock: FixedClock) -> None:
    issued(billing, guest)
    clock.set(clock.now() - timedelta(minutes=4))
    assert "clock.ahead" not in told(billing)
    clock.set(clock.now() - timedelta(minutes=4))
    assert told(billing)["clock.ahead"].verdict is Verdict.PROBLEM


# --- whose ------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("T1")
def test_one_biller_hears_of_its_own_only_and_nothing_of_the_store(
    billing: Billing, guest: Customer, resident: Customer, condo: Biller, clock: FixedClock
) -> None:
    issued(billing, guest)
    issued(billing, guest)
    clock.advance(timedelta(hours=2))
    both = {each.code.partition(".")[0] for each in billing.examine()}
    assert set(CHECKS) <= both
    for desk in (billing.scoped(condo), billing):
        found = desk.examine(biller=condo)
        assert [each.code for each in found] == list(CHECKS)
    assert "mail.waiting" in told(billing.scoped(guest.biller))
    with pytest.raises(NotFound):
        billing.scoped(condo).examine(biller=guest.biller)


def test_counts_are_of_all_billers_and_the_day_is_the_earliest(
    billing: Billing, guest: Customer, resident: Customer, clock: FixedClock
) -> None:
    issued(billing, guest)
    clock.advance(timedelta(days=3))
    draft = billing.invoices.draft(biller=resident.biller, customer=resident, title="Dues", amount=money(1, "CAD"))
    billing.invoices.publish(draft, notify=True)
    clock.advance(timedelta(days=1))
    assert told(billing)["mail.waiting"].data == {"count": 2, "since": TODAY}


def test_what_a_provider_that_is_away_leaves_is_told_in_the_end(
    billing: Billing, scene: Scene, clock: FixedClock
) -> None:
    with unreachable(gateway_of(billing)):
        for _ in range(4):
            clock.advance(timedelta(days=1))
            billing.collect()
            billing.recover()
    assert "collections.failing" in told(billing)
