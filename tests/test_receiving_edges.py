"""Receiving where it is awkward: observers that fail, tenants that share a provider, events about nobody, what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest

from collecting import YEARS, Agree, Issue, Save, alerts, lease_by_debit, status, token_of, told
from conftest import NOON
from desks import money, store_of, wired
from invoicecore import Billing, Plugins, Status
from invoicecore.alerts import AlertKind
from invoicecore.collection import CollectionState, MethodState
from invoicecore.errors import (
    InvoicecoreError,
    KeyReused,
    NotAllowed,
    NotFound,
    NotWired,
    ObserverFailed,
    OutcomeUnknown,
    StateConflict,
    StoreError,
)
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.plugins import hookimpl
from invoicecore.ports import GatewayInfo, PaymentSnapshot, PayStatus
from invoicecore.ports.storing import Event
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway
from providers import Faulty, deliver

FRIDAY = date(2026, 3, 6)

D = timedelta


class Bystander:
    """A plugin that fails whenever money is told of, and refuses one record to everybody."""

    refused: str | None = None

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        if self.refused is None and any(each.action in ("paid", "collection succeeded") for each in events):
            raise RuntimeError("observer down")

    @hookimpl
    def authorise(self, action: str, actor: str | None, biller: str, subject: str | None) -> str | None:
        return "not this one" if self.refused is not None and subject == self.refused else None


class Elsewhere(Faulty):
    """A gateway of another name: the one that made what is stored is not here any more."""

    @property
    def info(self) -> GatewayInfo:
        info: GatewayInfo = self.inner.info
        return attrs.evolve(info, name="elsewhere")


@pytest.fixture
def watched(desk: Billing, gateway: Faulty) -> tuple[Billing, Bystander]:
    """The desk with that plugin on it."""
    plugin = Bystander()
    return wired(desk, gateway=gateway, plugins=Plugins.of(plugin)), plugin


def batch(gateway: Faulty, events: Sequence[Any]) -> tuple[bytes, dict[str, str]]:
    """Some of the provider's events in one webhook."""
    made: tuple[bytes, dict[str, str]] = gateway.inner.provider._webhook(list(events))
    return made


def foreign(gateway: Faulty) -> dict[str, Any]:
    """A payment that is not ours, of which an event is told."""
    provider = gateway.inner.provider
    made: dict[str, Any] = provider._payment(None, {"amount": 100, "currency": "EUR", "method": None}, kind="card")
    provider._event("payment.updated", made)
    return made


def states(desk: Billing, invoices: Sequence[Invoice]) -> list[CollectionState]:
    """Where the collections of some invoices stand."""
    return [each.state for invoice in invoices for each in desk.collections.find(invoice=invoice)]


# --- plugins that fail or refuse --------------------------------------------------------------------------------------


@pytest.mark.rule("R18")
@pytest.mark.parametrize("verb", ["collect", "recover", "receive"])
def test_an_observer_that_fails_stops_nothing_and_is_told_at_the_end(
    desk: Billing, park: Biller, save: Save, issue: Issue, gateway: Faulty, clock: FixedClock, agree: Agree,
    watched: tuple[Billing, Bystander], verb: str,
) -> None:  # fmt: skip
    save(PaymentMethod.CARD if verb == "collect" else PaymentMethod.DIRECT_DEBIT)
    if verb == "collect":
        desk.billers.edit(park, policy={"collect_saved": True})
    invoices = [issue(due=NOON.date()) for _ in range(4)]
    if verb != "collect":
        made = [desk.payments.charge(each) for each in invoices]
        deliver(desk, gateway)
        for each in made:
            gateway.inner.collect(each.reference)
        clock.advance(D(days=10) if verb == "recover" else D(0))
    body, headers = batch(gateway, gateway.inner.provider.events[-4:])
    watching = watched[0]
    with pytest.raises(ObserverFailed, match="observer down"):
        watching.receive("memory", body, headers) if verb == "receive" else getattr(watching, verb)()
    assert states(desk, invoices) == [CollectionState.SUCCEEDED] * 4
    agree()


@pytest.mark.rule("R18")
def test_one_record_a_hook_refuses_stops_no_other(
    desk: Billing, park: Biller, save: Save, issue: Issue, watched: tuple[Billing, Bystander]
) -> None:
    save(PaymentMethod.CARD)
    desk.billers.edit(park, policy={"collect_saved": True})
    invoices = [issue(due=NOON.date()) for _ in range(3)]
    watching, plugin = watched
    plugin.refused = desk.collections.find(invoice=invoices[0])[0].id
    report = watching.collect()
    assert (report.succeeded.count, [each.code for each in report.failed]) == (2, ["refused"])
    assert states(desk, invoices) == [CollectionState.RESERVED] + [CollectionState.SUCCEEDED] * 2
    plugin.refused = park.id
    assert [each.code for each in watching.recover().failed] in ([], ["refused"])


# --- tenants, and events about nobody ---------------------------------------------------------------------------------


@pytest.mark.rule("T1")
def test_a_desk_of_one_biller_takes_its_own_of_a_mixed_webhook_and_names_no_other(
    desk: Billing, park: Biller, save: Save, issue: Issue, gateway: Faulty
) -> None:
    other = desk.billers.add(name="Q", currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays")
    stranger = desk.customers.add(biller=other, name="Zoe", email="zoe@example.com")
    save()
    save(who=stranger)
    mine, theirs = desk.payments.charge(issue()), desk.payments.charge(issue(7, who=stranger))
    deliver(desk, gateway)
    gateway.inner.collect(theirs.reference)
    gateway.inner.collect(mine.reference)
    scoped = desk.scoped(park)
    body, headers = batch(gateway, gateway.inner.provider.events[-2:])
    for _ in range(2):
        with pytest.raises(NotFound) as error:
            scoped.receive("memory", body, headers)
        assert other.id not in str(error.value)
    assert scoped.collections.get(mine).state is CollectionState.SUCCEEDED
    assert desk.collections.get(theirs).state is CollectionState.PENDING
    assert {each.state for each in desk.receive("memory", body, headers)} == {"applied", "repeated"}
    assert desk.collections.get(theirs).state is CollectionState.SUCCEEDED


@pytest.mark.rule("T1", "D6")
def test_a_scoped_desk_that_asks_what_it_missed_hears_of_its_own_only(
    desk: Billing, park: Biller, gateway: Faulty, save: Save, issue: Issue
) -> None:
    other = desk.billers.add(name="Q", currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays")
    stranger = desk.customers.add(biller=other, name="Zoe", email="zoe@example.com")
    save()
    save(who=stranger)
    mine, theirs = desk.payments.charge(issue()), desk.payments.charge(issue(7, who=stranger))
    foreign(gateway)
    for each in (mine, theirs):
        gateway.inner.collect(each.reference)
    told = desk.scoped(park).receive_missed("memory", since=NOON - D(days=1))
    assert {each.state for each in told} <= {"applied", "repeated"}
    assert desk.collections.get(mine).state is CollectionState.SUCCEEDED
    assert desk.collections.get(theirs).state is CollectionState.PENDING
    whole = desk.receive_missed("memory", since=NOON - D(days=1))
    assert len(whole) > len(told) > 0
    assert desk.collections.get(theirs).state is CollectionState.SUCCEEDED


def test_events_about_nobody_keep_ours_waiting_for_nothing_and_the_provider_for_seconds(
    desk: Billing, save: Save, issue: Issue, gateway: Faulty, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    save()
    made = desk.payments.charge(issue())
    deliver(desk, gateway)
    for _ in range(20):
        foreign(gateway)
    gateway.inner.collect(made.reference)
    body, headers = batch(gateway, gateway.inner.provider.events[-21:])
    shown = gateway.inner.payment

    def slow(reference: str) -> object:
        clock.advance(D(seconds=1))
        return shown(reference)

    monkeypatch.setattr(gateway.inner, "payment", slow)
    with pytest.raises(OutcomeUnknown, match="no time for all"):
        desk.receive("memory", body, headers)
    assert clock.now() - NOON < D(seconds=10)
    assert desk.collections.get(made).state is CollectionState.SUCCEEDED, "ours came first, though it was told last"


def test_an_event_about_nobody_that_cannot_be_fetched_stops_no_other(
    desk: Billing, save: Save, issue: Issue, gateway: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    save()
    made = desk.payments.charge(issue())
    deliver(desk, gateway)
    poison, harmless = foreign(gateway), foreign(gateway)
    gateway.inner.collect(made.reference)
    shown, asked = gateway.inner.payment, []

    def payment(reference: str) -> object:
        asked.append(reference)
        if reference == poison["id"]:
            raise OutcomeUnknown("memory", "payment", "500")
        return shown(reference)

    monkeypatch.setattr(gateway.inner, "payment", payment)
    # GoCardless' events carry no key of ours: whose it is shows once it is fetched.
    events = [{**each, "key": None} for each in gateway.inner.provider.events[-3:]]
    with pytest.raises(OutcomeUnknown, match="500"):
        desk.receive("memory", *batch(gateway, events))
    assert asked == [poison["id"], harmless["id"], made.reference]
    assert desk.collections.get(made).state is CollectionState.SUCCEEDED


@pytest.mark.parametrize("keyless", [False, True])
def test_many_events_of_one_payment_fetch_it_once(
    desk: Billing, save: Save, issue: Issue, gateway: Faulty, keyless: bool
) -> None:
    save()
    made = desk.payments.charge(issue())
    deliver(desk, gateway)
    there = gateway.inner.provider._get(made.reference, "payment")
    for _ in range(25):
        gateway.inner.provider._event("payment.updated", there)
    events = [{**each, **({"key": None} if keyless else {})} for each in gateway.inner.provider.events[-25:]]
    gateway.calls.clear()
    answers = desk.receive("memory", *batch(gateway, events))
    assert {each.state for each in answers} == {"applied"}
    assert gateway.calls.count("payment") == 1
    desk.receive("memory", *batch(gateway, events))
    assert gateway.calls.count("payment") <= 2


def test_many_events_of_a_payment_that_is_not_ours_fetch_it_once(desk: Billing, gateway: Faulty) -> None:
    there = foreign(gateway)
    for _ in range(9):
        gateway.inner.provider._event("payment.updated", there)
    answers = desk.receive("memory", *batch(gateway, gateway.inner.provider.events[-10:]))
    assert [each.state for each in answers] == ["ignored"] * 10
    assert len({each.event for each in answers}) == 10
    assert gateway.calls.count("payment") == 1


# --- what a provider tells later --------------------------------------------------------------------------------------


@pytest.mark.rule("P4", "D6")
def test_two_disputes_of_one_payment_add_up_and_are_not_told_again(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    made = desk.payments.charge(invoice)
    there = gateway.inner.provider._get(made.reference, "payment")
    for number, owed in ((1, 40), (2, 80)):
        there["reversals"].append({"id": f"dp_{number}", "kind": "chargeback", "amount": 4000, "cancelled": False})
        gateway.inner.pay_out(made.reference)
        deliver(desk, gateway)
        assert desk.invoices.get(invoice).balance == money(owed)
    assert desk.reconcile("memory", since=YEARS[0], until=YEARS[1]).differences == ()
    for each in desk.alerts.find(biller=park):
        desk.alerts.resolve(each, resolution="seen")
    gateway.inner.pay_out(made.reference)
    deliver(desk, gateway)
    assert alerts(desk, park, None) == [AlertKind.CHARGEBACK] * 2
    assert alerts(desk, park) == []
    agree()


@pytest.mark.rule("D3")
def test_a_bounced_debit_that_is_tried_again_is_on_its_way_until_it_is_collected(
    desk: Billing, issue: Issue, save: Save, gateway: Faulty, agree: Agree
) -> None:
    save()
    invoice = issue(due=FRIDAY)
    made = desk.payments.charge(invoice)
    gateway.inner.collect(made.reference)
    gateway.inner.reverse(made.reference, ReversalKind.LATE_FAILURE)
    deliver(desk, gateway)
    again: PaymentSnapshot = gateway.inner.retry(made.reference, "its own")
    assert (again.status, again.collected) == (PayStatus.PENDING, money(100))
    deliver(desk, gateway)
    assert status(desk, invoice) is Status.PENDING
    with pytest.raises(NotAllowed, match="in flight"):
        desk.payments.charge(invoice)
    gateway.inner.collect(made.reference)
    deliver(desk, gateway)
    assert (status(desk, invoice), gateway.inner.payment(made.reference).collected) == (Status.PAID, money(200))
    agree()


@pytest.mark.rule("S9")
def test_the_failure_of_a_customer_nobody_can_write_to_is_told_to_the_biller(
    desk: Billing, park: Biller, issue: Issue, save: Save, gateway: Faulty
) -> None:
    silent = desk.customers.add(biller=park, name="Bo")
    save(who=silent)
    invoice = issue(who=silent)
    made = desk.payments.charge(invoice)
    gateway.inner.fail(made.reference, "insufficient_funds")
    deliver(desk, gateway)
    assert (told(desk, invoice), alerts(desk, park)) == ([], [AlertKind.REFUSED])


# --- a gateway, or payments, that are not there any more --------------------------------------------------------------


@pytest.mark.rule("R1", "D6")
def test_a_page_of_a_gateway_that_was_removed_is_over_when_its_time_is_and_alerted(
    desk: Billing, park: Biller, issue: Issue, clock: FixedClock
) -> None:
    invoice = issue()
    desk.payments.checkout(token_of(desk, invoice))
    later = wired(desk, gateway=Elsewhere(MemoryGateway(clock=clock)))
    for _ in range(3):
        clock.advance(D(days=2))
        later.collect()
        later.recover()
    assert states(desk, [invoice]) == [CollectionState.CANCELLED]
    assert alerts(later, park) == [AlertKind.DOUBTFUL]
    assert later.payments.checkout(token_of(later, invoice)), "the gateway that is there makes one"


@pytest.mark.rule("R1")
def test_what_is_reserved_at_a_gateway_that_was_removed_can_be_called_off_and_paid_by_hand(
    desk: Billing, park: Biller, guest: Customer, save: Save, clock: FixedClock
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    later = wired(desk, gateway=Elsewhere(MemoryGateway(clock=clock)))
    report = later.collect()
    assert [each.code for each in report.failed] == [NotWired.code]
    (waiting,) = later.collections.find(invoice=invoice)
    assert later.collections.cancel(waiting).state is CollectionState.NOT_EXECUTED
    later.payments.record(invoice)
    assert status(later, invoice) is Status.PAID


@pytest.mark.rule("R1")
def test_with_payments_off_what_is_reserved_waits_and_is_named_until_it_is_called_off(
    desk: Billing, park: Biller, guest: Customer, save: Save, gateway: Faulty
) -> None:
    save()
    invoice = lease_by_debit(desk, park, guest)
    desk.billers.edit(park, payments=False)
    report = desk.collect()
    (outcome,) = report.waiting
    assert ("payments are off" in outcome.text, gateway.calls.count("charge")) == (True, 0)
    desk.collections.cancel(outcome.about or "")
    assert status(desk, invoice) is Status.OPEN
    desk.billers.edit(park, payments=True)
    assert desk.collect().count == 0


@pytest.mark.rule("R1")
def test_with_payments_off_the_pages_that_were_open_are_closed(
    desk: Billing, park: Biller, issue: Issue, gateway: Faulty
) -> None:
    url = desk.payments.checkout(token_of(desk, issue()))
    desk.billers.edit(park, payments=False)
    desk.recover()
    with pytest.raises(StateConflict):
        gateway.inner.pay(url)


# --- set-ups ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("C6", "S9")
def test_a_set_up_whose_webhook_was_lost_is_asked_for(
    desk: Billing, guest: Customer, gateway: Faulty, clock: FixedClock
) -> None:
    page = desk.methods.setup(guest, return_url="https://host.example/back")
    gateway.inner.save(page.url)
    assert desk.recover().count == 0
    clock.advance(D(minutes=10))
    desk.recover()
    found = desk.methods.get(page.method)
    assert (found.state, found.chargeable, found.next_try_at) == (MethodState.ACTIVE, True, None)


@pytest.mark.rule("C6")
def test_a_set_up_nobody_finishes_is_asked_for_five_times_less_and_less_often(
    desk: Billing, guest: Customer, gateway: Faulty, clock: FixedClock
) -> None:
    page = desk.methods.setup(guest, return_url="https://host.example/back")
    asked: list[timedelta] = []
    for _ in range(24 * 30):
        before = gateway.calls.count("method")
        desk.recover()
        asked += [clock.now() - NOON] * (gateway.calls.count("method") - before)
        clock.advance(D(hours=1))
    assert len(asked) == 5
    waits = [later - sooner for sooner, later in pairwise(asked)]
    assert waits == sorted(set(waits))
    gateway.inner.save(page.url)
    deliver(desk, gateway)
    assert desk.methods.get(page.method).chargeable, "told after that, it counts"


@pytest.mark.rule("N3", "C6")
def test_a_set_up_under_the_same_key_is_one(desk: Billing, guest: Customer, gateway: Faulty) -> None:
    first = desk.methods.setup(guest, return_url="https://host.example/back", key="mandate-1")
    again = desk.methods.setup(guest, return_url="https://host.example/back", key="mandate-1")
    assert (again.method, again.url) == (first.method, first.url)
    assert len(gateway.inner.provider.held("setup")) == 1
    with pytest.raises(KeyReused):
        desk.methods.setup(guest, return_url="https://elsewhere.example", key="mandate-1")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.rule("D6")
def test_what_a_provider_collected_is_not_reversed_by_hand(
    desk: Billing, issue: Issue, save: Save, agree: Agree
) -> None:
    save(PaymentMethod.CARD)
    invoice = issue()
    desk.payments.charge(invoice)
    with pytest.raises(NotAllowed, match="a provider holds it"):
        desk.payments.reverse(desk.payments.find(invoice=invoice)[0], reason="mistake")
    assert status(desk, invoice) is Status.PAID
    agree()


@pytest.mark.rule("P2")
def test_nothing_asks_a_provider_inside_a_transaction(desk: Billing, save: Save, issue: Issue, gateway: Faulty) -> None:
    saved = save(PaymentMethod.CARD)
    desk.payments.charge(issue())
    body, headers = batch(gateway, gateway.inner.provider.events[-1:])
    (made,) = desk.collections.find(biller=saved.biller)
    verbs: dict[str, Callable[[], object]] = {
        "revoke": lambda: desk.methods.revoke(saved),
        "refresh": lambda: desk.methods.refresh(saved),
        "receive": lambda: desk.receive("memory", body, headers),
        "receive_missed": lambda: desk.receive_missed("memory", since=YEARS[0]),
        "reconcile": lambda: desk.reconcile("memory", since=YEARS[0]),
        "cancel": lambda: desk.collections.cancel(made),
        "recover": desk.recover,
    }
    gateway.calls.clear()
    for name, verb in verbs.items():
        with store_of(desk).writing(), pytest.raises(StoreError, match="transaction"):
            verb()
        assert gateway.calls == [], name
    assert desk.methods.get(saved).state is MethodState.ACTIVE


def wrong_calls(
    desk: Billing, guest: Customer, invoice: Invoice, body: bytes, headers: dict[str, str], wrong: Any
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every parameter of collecting's verbs, given one value."""
    yield "receive gateway", lambda: desk.receive(wrong, body, headers)
    yield "receive body", lambda: desk.receive("memory", wrong, headers)
    yield "receive headers", lambda: desk.receive("memory", body, wrong)
    yield "receive header's value", lambda: desk.receive("memory", body, {"memory-signature": wrong})
    if wrong.__hash__ is not None:
        yield "receive header's name", lambda: desk.receive("memory", body, {wrong: "x"})
    yield "missed since", lambda: desk.receive_missed("memory", since=wrong)
    yield "missed gateway", lambda: desk.receive_missed(wrong, since=YEARS[0])
    yield "reconcile since", lambda: desk.reconcile("memory", since=wrong)
    yield "reconcile until", lambda: desk.reconcile("memory", since=YEARS[0], until=wrong)
    yield "reconcile gateway", lambda: desk.reconcile(wrong, since=YEARS[0])
    yield "charge", lambda: desk.payments.charge(wrong)
    yield "charge method", lambda: desk.payments.charge(invoice, method=wrong)
    yield "charge key", lambda: desk.payments.charge(invoice, key=wrong)
    yield "refund payment", lambda: desk.payments.refund(invoice, to="gateway", payment=wrong)
    yield "refund to", lambda: desk.payments.refund(invoice, to=wrong)
    yield "resolve_refund", lambda: desk.payments.resolve_refund(wrong, outcome="refunded", note="n", reference="r")
    for name in ("return_url", "kind", "cancel_url", "gateway", "scheme"):
        given = {"return_url": "https://host.example", name: wrong}
        yield f"setup {name}", lambda given=given: desk.methods.setup(guest, **given)  # type: ignore[misc]
    yield "setup customer", lambda: desk.methods.setup(wrong, return_url="https://host.example")
    for section in ("methods", "collections", "alerts"):
        part: Any = getattr(desk, section)
        for name in ("state", "after", "limit"):
            given = {"biller": guest.biller, name: wrong}
            yield f"{section}.find {name}", lambda part=part, given=given: part.find(**given)  # type: ignore[misc]
        yield f"{section}.get", lambda part=part: part.get(wrong)  # type: ignore[misc]
    yield "cancel", lambda: desk.collections.cancel(wrong)
    yield "resolve", lambda: desk.collections.resolve(wrong, outcome="collected", note="n", reference="r")
    yield "alerts.resolve", lambda: desk.alerts.resolve(wrong, resolution="n")
    yield "revoke", lambda: desk.methods.revoke(wrong)
    yield "refresh", lambda: desk.methods.refresh(wrong)
    yield "page", lambda: desk.payments.page(wrong)
    yield "checkout", lambda: desk.payments.checkout(wrong)


WRONG = [
    None, 5, 1.5, b"x", "", "x", "x_y", "\ud800", " ", [], {}, object(), True, datetime(2026, 1, 1), date(2026, 1, 1),
    "a" * 5000, float("nan"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:20].partition(" at ")[0])
def test_what_is_wrong_in_a_call_of_collecting_is_a_named_error(
    desk: Billing, guest: Customer, issue: Issue, gateway: Faulty, wrong: object
) -> None:
    invoice = issue()
    foreign(gateway)
    body, headers = batch(gateway, gateway.inner.provider.events[-1:])
    raw = []
    for name, call in wrong_calls(desk, guest, invoice, body, headers, wrong):
        try:
            call()
        except InvoicecoreError:
            continue
        except Exception as error:
            raw.append(f"{name}: {type(error).__name__}: {error}")
    assert raw == []


def test_an_instant_without_its_time_zone_is_refused(desk: Billing) -> None:
    naive = datetime(2026, 1, 1)
    for call in (
        lambda: desk.receive_missed("memory", since=naive),
        lambda: desk.reconcile("memory", since=naive),
        lambda: desk.reconcile("memory", since=YEARS[0], until=naive),
    ):
        with pytest.raises(InvoicecoreError, match="time zone"):
            call()
