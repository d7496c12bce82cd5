"""Every action from every status under every preset, through the desk, on every store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import attrs
import pytest

from desks import everything, fly, store_of
from invoicecore import Billing, Item, Money, Status
from invoicecore.errors import MoneyHeld, NotAllowed
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.ports import Event

TODAY = date(2026, 3, 2)
DUE = date(2026, 3, 20)
PRESETS = {"residents": "EUR", "clients": "JPY", "stays": "KWD"}
TOTAL = 100

ACTIONS = ("edit", "publish", "delete", "void", "pay", "apply credit", "refund", "credit")


@attrs.frozen
class State:
    """How an invoice of 100 comes to be as it is: money facts, and what it shows today."""

    name: str
    shows: Status
    paid: int = 0
    credit: int = 0
    refunded: int = 0
    in_flight: int = 0
    due: date = DUE
    published: bool = True
    voided: bool = False


STATES = (
    State("draft", Status.DRAFT, published=False),
    State("draft past its due date", Status.DRAFT, published=False, due=date(2026, 2, 1)),
    State("voided draft", Status.VOID, published=False, voided=True),
    State("open", Status.OPEN),
    State("overdue", Status.OVERDUE, due=date(2026, 3, 1)),
    State("partly paid", Status.OPEN, paid=40),
    State("partly paid by credit", Status.OPEN, credit=40),
    State("partly paid and overdue", Status.OVERDUE, paid=40, due=date(2026, 3, 1)),
    State("partly in flight", Status.OPEN, in_flight=30),
    State("pending", Status.PENDING, in_flight=100),
    State("pending for the rest", Status.PENDING, paid=40, in_flight=60),
    State("paid", Status.PAID, paid=100),
    State("paid by credit", Status.PAID, credit=100),
    State("paid and partly refunded", Status.PAID, paid=100, refunded=30),
    State("refunded", Status.REFUNDED, paid=100, refunded=100),
    State("void", Status.VOID, voided=True),
)

# What each action makes of each state that allows it: the status it shows today afterwards (None: it is gone).
ALLOWED: dict[str, dict[str, Status | None]] = {
    "edit": {"draft": Status.DRAFT, "draft past its due date": Status.DRAFT},
    "publish": {"draft": Status.OPEN, "draft past its due date": Status.OVERDUE},
    "delete": {"draft": None, "draft past its due date": None},
    "void": {
        "draft": Status.VOID,
        "draft past its due date": Status.VOID,
        "open": Status.VOID,
        "overdue": Status.VOID,
        "partly paid by credit": Status.VOID,  # the credit returns
        "paid by credit": Status.VOID,
        "refunded": Status.VOID,
    },
    "pay": {
        "open": Status.PAID,
        "overdue": Status.PAID,
        "partly paid": Status.PAID,
        "partly paid by credit": Status.PAID,
        "partly paid and overdue": Status.PAID,
        "partly in flight": Status.PENDING,  # 70 recorded, the other 30 are on their way
    },
    "refund": {
        "partly paid": Status.OPEN,  # money went back, what is owed stays
        "partly paid by credit": Status.OPEN,
        "partly paid and overdue": Status.OVERDUE,
        "pending for the rest": Status.PENDING,
        "paid": Status.REFUNDED,
        "paid by credit": Status.REFUNDED,
        "paid and partly refunded": Status.REFUNDED,
    },
}
ALLOWED["apply credit"] = ALLOWED["pay"]
ALLOWED["credit"] = {  # in full: what was owed is not any more, what was paid is the customer's credit
    state.name: Status.REFUNDED if state.paid or state.credit else Status.PAID
    for state in STATES
    if state.published and not state.voided
}


def allowed(state: State, preset: str) -> set[str]:
    """The actions this table allows: by state, and for drafts by preset (R15, C5)."""
    can = {action for action in ACTIONS if state.name in ALLOWED[action]}
    if not state.published:
        can -= {"residents": {"delete"}, "clients": {"void"}, "stays": set[str]()}[preset]
    return can


@attrs.frozen
class Scene:
    """A biller, its customer with credit to spend, and one invoice in a state."""

    biller: Biller
    customer: Customer
    invoice: Invoice


def money(amount: int, currency: str) -> Money:
    return Money(amount, currency)


def scene(billing: Billing, preset: str, state: State) -> Scene:
    """The invoice by the desk's verbs as far as they reach; what only a gateway records goes through the store."""
    currency = PRESETS[preset]
    biller = billing.billers.add(
        name="House", currency=currency, timezone="Europe/Paris", locale="en_GB", preset=preset,
        policy={"void_drafts": True} if state.voided and not state.published else None,
    )  # fmt: skip
    customer = billing.customers.add(biller=biller, name="Payer", email="payer@example.com")
    invoice = billing.invoices.draft(
        biller=biller, customer=customer, title="Dues", amount=money(TOTAL, currency), due=state.due,
        on=date(2026, 1, 15),
    )  # fmt: skip
    billing.credits.deposit(customer, money(1_000, currency))
    if state.published:
        invoice = billing.invoices.publish(invoice)
    if state.paid:
        billing.payments.record(invoice, money(state.paid, currency))
    if state.credit:
        billing.credits.apply(invoice, money(state.credit, currency))
    if state.refunded:
        billing.payments.refund(invoice, money(state.refunded, currency))
    if state.voided:
        billing.invoices.void(invoice)
    if state.in_flight:
        fly(billing, invoice, money(state.in_flight, currency))
    return Scene(biller, customer, billing.invoices.get(invoice))


def act(billing: Billing, action: str, invoice: Invoice) -> object:
    """Do what the action says, with whole amounts."""
    do: dict[str, Callable[[], object]] = {
        "edit": lambda: billing.invoices.edit(invoice, title="Other dues"),
        "publish": lambda: billing.invoices.publish(invoice),
        "delete": lambda: billing.invoices.delete_draft(invoice),
        "void": lambda: billing.invoices.void(invoice),
        "pay": lambda: billing.payments.record(invoice),
        "apply credit": lambda: billing.credits.apply(invoice),
        "refund": lambda: billing.payments.refund(invoice),
        "credit": lambda: billing.credit_notes.issue(invoice),
    }
    return do[action]()


SCENES = [pytest.param(preset, state, id=f"{preset}, {state.name}") for preset in PRESETS for state in STATES]
CELLS = [
    pytest.param(preset, state, action, id=f"{preset}: {action} while {state.name}")
    for preset in PRESETS
    for state in STATES
    for action in ACTIONS
    if action in allowed(state, preset)
]


@pytest.mark.rule("R10", "R14", "R15", "C5", "D2")
@pytest.mark.parametrize("preset, state, action", CELLS)
def test_an_allowed_action_has_the_result_the_table_says(
    billing: Billing, preset: str, state: State, action: str
) -> None:
    here = scene(billing, preset, state)
    act(billing, action, here.invoice)
    becomes = ALLOWED[action][state.name]
    kept = billing.invoices.find(biller=here.biller).items
    assert [invoice.status_on(TODAY) for invoice in kept] == ([] if becomes is None else [becomes])


@pytest.mark.rule("R10", "R14", "R15", "C4", "C5", "C6", "D2")
@pytest.mark.parametrize("preset, state", SCENES)
def test_every_other_action_is_refused_by_name_and_writes_nothing(billing: Billing, preset: str, state: State) -> None:
    here = scene(billing, preset, state)
    assert here.invoice.status_on(TODAY) is state.shows
    before, can = everything(store_of(billing), here.biller), allowed(state, preset)
    for action in [action for action in ACTIONS if action not in can]:
        with pytest.raises(NotAllowed) as refused:
            act(billing, action, here.invoice)
        error = refused.value
        assert (error.action, error.status, set(error.allowed)) == (action, state.shows.value, can)
        held = action == "void" and state.published and not state.voided
        assert isinstance(error, MoneyHeld) is held
        assert f"cannot {action} while {state.shows.value}" in str(error)
        assert f"allowed now: {', '.join(error.allowed) or 'nothing'}" in str(error)
        assert everything(store_of(billing), here.biller) == before


@pytest.mark.rule("R14", "C8")
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("state", [state for state in STATES if state.credit], ids=lambda state: state.name)
def test_voiding_returns_the_applied_credit_in_the_same_step(billing: Billing, preset: str, state: State) -> None:
    here = scene(billing, preset, state)
    currency = PRESETS[preset]
    assert billing.credits.balance(here.customer) == money(1_000 - state.credit, currency)
    void = billing.invoices.void(here.invoice, reason="wrong person", actor="ann")
    assert billing.credits.balance(here.customer) == money(1_000, currency)
    last = billing.credits.history(here.customer)[-1]
    assert (last.kind, last.amount, last.invoice) == ("returned", money(state.credit, currency), here.invoice.id)
    assert void.facts.credit == money(0, currency)
    assert void == billing.invoices.get(void)
    steps = [(step.action, step.detail, step.actor) for step in billing.invoices.timeline(void)][-2:]
    assert ("voided", "wrong person", "ann") in steps


@pytest.mark.rule("N1", "R14")
@pytest.mark.parametrize("preset", PRESETS)
def test_a_void_invoice_keeps_its_number_and_its_customer_still_sees_it(billing: Billing, preset: str) -> None:
    here = scene(billing, preset, STATES[3])
    billing.invoices.void(here.invoice)
    assert billing.invoices.get(here.invoice).number == "INV-000001"
    assert [invoice.id for invoice in billing.invoices.visible_to(here.customer).items] == [here.invoice.id]
    again = billing.invoices.draft(
        biller=here.biller, customer=here.customer, title="Dues, corrected", amount=money(90, PRESETS[preset])
    )
    assert billing.invoices.publish(again).number == "INV-000002"


@pytest.mark.rule("R18")
def test_the_timeline_says_what_when_and_who_and_outlives_a_deleted_draft(billing: Billing) -> None:
    here = scene(billing, "stays", STATES[0])
    billing.invoices.edit(here.invoice, title="Edited", actor="ann")
    billing.invoices.delete_draft(here.invoice, actor="bob")
    steps = billing.invoices.timeline(here.invoice)
    assert [(step.action, step.actor) for step in steps] == [("drafted", None), ("edited", "ann"), ("deleted", "bob")]
    assert [(step.version, step.step) for step in steps] == [(1, 0), (2, 0), (3, 0)]
    assert all(step.at == store_clock(billing) for step in steps)
    assert [step.on for step in steps] == [date(2026, 1, 15), TODAY, TODAY]


def store_clock(billing: Billing) -> object:
    return billing._desk.clock.now()


@pytest.mark.rule("R18")
def test_every_action_leaves_exactly_one_more_step_or_the_credit_beside_it(billing: Billing) -> None:
    here = scene(billing, "stays", STATES[0])
    wanted = ["drafted"]
    for action, step in (
        ("edit", "edited"),
        ("publish", "published"),
        ("pay", "paid"),
        ("refund", "refunded"),
        ("void", "voided"),
    ):
        act(billing, action, billing.invoices.get(here.invoice))
        wanted.append(step)
        assert [one.action for one in billing.invoices.timeline(here.invoice)] == wanted
    with store_of(billing).reading() as tx:
        assert len(tx.find(Event, here.biller.id, {"subject": here.invoice.id})) == len(wanted)


@pytest.mark.rule("D3")
def test_paid_is_not_final(billing: Billing) -> None:
    here = scene(billing, "clients", STATES[3])
    payment = billing.payments.record(here.invoice)
    assert billing.invoices.get(here.invoice).status_on(TODAY) is Status.PAID
    billing.payments.reverse(payment, reason="bounced")
    after = billing.invoices.get(here.invoice)
    assert after.status_on(TODAY) is Status.OPEN
    assert after.balance == money(TOTAL, "JPY")


@pytest.mark.rule("R14")
def test_a_published_invoice_keeps_its_lines_whatever_happens_to_it(billing: Billing) -> None:
    here = scene(billing, "stays", STATES[3])
    lines = (Item(description="Other", unit_price=money(5, "KWD"), quantity=Decimal(1)),)
    for change in ({"title": "x"}, {"amount": money(5, "KWD")}, {"lines": lines}, {"due": DUE}, {"notify": True}):
        with pytest.raises(NotAllowed, match="cannot edit while open; allowed now: void, pay, apply credit, credit"):
            billing.invoices.edit(here.invoice, **change)  # type: ignore[arg-type]  # one field at a time
    assert billing.invoices.get(here.invoice) == here.invoice
