"""Charges: open until invoiced, on one live invoice at most, and a client's monthly cycle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desks import all_of, everything, store_of
from invoicecore import Billing, Money, Status, TaxRate
from invoicecore.charges import Charge, ChargeState, check, cycle_due, next_cycle_after
from invoicecore.errors import (
    AlreadyBilled,
    Conflict,
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    KeyReused,
    NotAllowed,
    NotFound,
    NothingToBill,
)
from invoicecore.invoices import Invoice, InvoiceKind
from invoicecore.messages import Message
from invoicecore.money import MAX_MINOR, from_minor, total
from invoicecore.parties import Biller, BillingCycle, Customer
from invoicecore.periods import clamp_day
from invoicecore.testing import FixedClock

TODAY = date(2026, 3, 2)
DUE = date(2026, 3, 20)
VAT20 = TaxRate(name="VAT 20 %", percent=Decimal(20), category="S")

Owe = Callable[..., Charge]


def gbp(amount: str | int) -> Money:
    return Money(str(amount), "GBP")


@pytest.fixture
def owe(billing: Billing, client: Customer) -> Owe:
    """Charges the client 80 GBP for a session, whatever else is asked for."""

    def made(**changes: object) -> Charge:
        given = {"customer": client, "description": "Session", "amount": gbp(80), **changes}
        return billing.charges.add(**given)  # type: ignore[arg-type]  # wrong on purpose in some tests

    return made


def states(billing: Billing, biller: Biller) -> dict[str, str]:
    return {charge.description: charge.state.value for charge in all_of(store_of(billing), biller, Charge)}


# --- recording charges ------------------------------------------------------------------------------------------------


@pytest.mark.rule("C1", "M10")
def test_a_charge_is_open_and_dated_today(billing: Billing, client: Customer, owe: Owe) -> None:
    charge = owe(quantity=Decimal("1.5"), amount=gbp("33.33"), taxes=[VAT20])
    assert (charge.state, charge.invoice, charge.on) == (ChargeState.OPEN, None, TODAY)
    assert (charge.unit_price, charge.amount, charge.taxes) == (gbp("33.33"), gbp("50.00"), (VAT20,))
    assert billing.charges.get(charge) == charge
    older = owe(on=date(2026, 1, 5), description="Old")
    assert billing.charges.open_for(client) == [older, charge]
    assert [step.action for step in billing.invoices.timeline(charge.id)] == ["added"]


@pytest.mark.rule("C1", "R4", "M8")
@pytest.mark.parametrize(
    "wrong, error, field, reason",
    [
        ({"description": " "}, InvalidValue, "description", "is blank"),
        ({"description": None}, InvalidValue, "description", "is not text"),
        ({"amount": gbp(0)}, InvalidValue, "amount", "makes a charge of zero"),
        ({"quantity": 0}, InvalidValue, "quantity", "makes a charge of zero"),
        ({"amount": gbp("0.001")}, InvalidMoney, "amount", "more decimals than GBP has (2)"),
        ({"amount": Money("1", "EUR")}, CurrencyMismatch, "amount", "is in EUR where GBP is expected"),
        ({"amount": 80}, InvalidMoney, "amount", "int is not money"),
        ({"quantity": 1.5}, InvalidValue, "quantity", "a float is not an exact number"),
        ({"quantity": None}, InvalidValue, "quantity", "a NoneType is not an exact number"),
        ({"quantity": 10**20}, InvalidMoney, "amount", "beyond 64 bits"),
        ({"taxes": VAT20}, InvalidValue, "taxes", "is not a list of TaxRate"),
        ({"taxes": ["20"]}, InvalidValue, "taxes", "is not a TaxRate"),
        ({"taxes": [VAT20, VAT20]}, InvalidValue, "taxes", "names the same tax twice"),
        ({"on": "2026-01-01"}, InvalidValue, "on", "a str is not a date"),
    ],
)
def test_a_wrong_charge_is_refused_and_writes_nothing(
    billing: Billing,
    practice: Biller,
    client: Customer,
    owe: Owe,
    wrong: dict[str, object],
    error: type[InvalidValue],
    field: str,
    reason: str,
) -> None:
    good = owe()
    before = everything(store_of(billing), practice)
    with pytest.raises(error) as refused:
        owe(**wrong)
    assert (refused.value.field, reason in str(refused.value)) == (field, True)
    assert str(refused.value).endswith(refused.value.way_out)
    if "on" not in wrong:  # in many(), the row is named too
        row = {"description": "x", "amount": gbp(1), **wrong}
        with pytest.raises(error) as refused:
            billing.charges.add_many(customer=client, rows=[{"description": "x", "amount": gbp(1)}, row])
        assert refused.value.field == f"rows[1].{field}"
        changed = {name: value for name, value in wrong.items() if value is not None}
        if changed:
            with pytest.raises(error):
                billing.charges.edit(good, **changed)  # type: ignore[arg-type]  # wrong on purpose
    assert everything(store_of(billing), practice) == before


@pytest.mark.rule("C1", "N3")
def test_many_charges_are_recorded_at_once_each_on_its_day(billing: Billing, client: Customer) -> None:
    rows: list[dict[str, object]] = [
        {"description": "a", "amount": gbp(1), "on": date(2026, 2, 1), "taxes": None},
        {"description": "b", "amount": gbp("-0.50"), "quantity": 2},
    ]
    made = billing.charges.add_many(customer=client, rows=rows, on=date(2026, 2, 3), key="k")
    assert [(c.description, c.amount, c.on) for c in made] == [
        ("a", gbp(1), date(2026, 2, 1)),
        ("b", gbp(-1), date(2026, 2, 3)),
    ]
    assert billing.charges.add_many(customer=client, rows=rows, on=date(2026, 2, 3), key="k") == made
    with pytest.raises(InvalidValue, match=r"rows\[1\]\.price=1: is not a field here; choose from description, amount"):
        billing.charges.add_many(customer=client, rows=[rows[0], {"price": 1}])
    assert billing.charges.add_many(customer=client, rows=[]) == []


@pytest.mark.rule("N3", "C1")
def test_a_charge_is_recorded_once_per_key_whatever_became_of_it(
    billing: Billing, practice: Biller, clock: FixedClock, client: Customer, owe: Owe
) -> None:
    first = owe(key="k")
    invoice = billing.invoices.publish(billing.invoices.draft_from_charges(client))
    billing.billers.edit(practice, payments=False)
    clock.advance(timedelta(days=3))
    again = owe(key="k")
    assert (again.id, again.state, again.invoice) == (first.id, ChargeState.INVOICED, invoice.id)
    others: list[dict[str, object]] = [
        {"amount": gbp(81)},
        {"description": "x"},
        {"quantity": 2},
        {"taxes": [VAT20]},
        {"on": date(2026, 1, 1)},
    ]
    for other in others:
        with pytest.raises(KeyReused):
            owe(key="k", **other)
    assert len(all_of(store_of(billing), practice, Charge)) == 1


# --- drafting charges -------------------------------------------------------------------------------------------------


@pytest.mark.rule("C2", "C9")
def test_all_open_charges_go_on_one_draft_by_date(
    billing: Billing, practice: Biller, client: Customer, owe: Owe
) -> None:
    newer = owe(description="Newer", taxes=[VAT20])
    older = owe(description="Older", on=date(2026, 1, 5), amount=gbp("10.50"), quantity=3)
    billing.charges.cancel(owe(description="Cancelled"))
    other = billing.customers.add(biller=practice, name="Other")
    billing.charges.add(customer=other, description="Not mine", amount=gbp(1))
    made = billing.invoices.draft_from_charges(client, description="For January", notify=True)
    assert [(line.description, line.amount, line.charge) for line in made.lines] == [
        ("Older", gbp("31.50"), older.id),
        ("Newer", gbp(80), newer.id),
    ]
    assert (made.total, made.kind, made.customer) == (gbp("127.50"), InvoiceKind.CHARGES, client.id)
    assert (made.due_on, made.due_by_terms, made.notify) == (TODAY + timedelta(days=30), True, True)
    assert (made.title, made.description, made.reference) == ("Charges", "For January", "D-000001")
    assert billing.invoices.get(made) == made
    assert states(billing, practice) == {
        "Newer": "drafted", "Older": "drafted", "Cancelled": "cancelled", "Not mine": "open",
    }  # fmt: skip
    assert {charge.invoice for charge in (billing.charges.get(newer), billing.charges.get(older))} == {made.id}
    assert billing.charges.open_for(client) == []


@pytest.mark.rule("C2")
def test_chosen_charges_go_on_a_draft_and_the_rest_stay_open(billing: Billing, client: Customer, owe: Owe) -> None:
    one, two, three = (owe(description=text) for text in "abc")
    made = billing.invoices.draft_from_charges(client, [two, one.id, two], title="Chosen", due=DUE)
    assert ([line.charge for line in made.lines], made.due_on) == ([one.id, two.id], DUE)
    assert billing.charges.open_for(client) == [three]


@pytest.mark.rule("C2", "R4", "R5")
def test_what_cannot_be_drafted_is_refused_and_writes_nothing(
    billing: Billing, practice: Biller, client: Customer, owe: Owe
) -> None:
    other = billing.customers.add(biller=practice, name="Other")
    theirs = billing.charges.add(customer=other, description="x", amount=gbp(1))
    with pytest.raises(NothingToBill, match="nothing to bill for Oliver Jones: no open charge"):
        billing.invoices.draft_from_charges(client)
    mine = owe()
    gone, drafted = billing.charges.cancel(owe()), owe()
    first = billing.invoices.draft_from_charges(client, [drafted])
    before = everything(store_of(billing), practice)
    cases: list[tuple[type[Exception], str, dict[str, object]]] = [
        (NothingToBill, "no open charge", {"charges": []}),
        (NotFound, theirs.id, {"charges": [mine, theirs]}),
        (NotFound, "nothing", {"charges": ["nothing"]}),
        (NotAllowed, f"cannot invoice charge {gone.id} while cancelled; allowed now: nothing", {"charges": [gone]}),
        (AlreadyBilled, f"charge {drafted.id} is already on invoice {first.id}; void or", {"charges": [drafted]}),
        (InvalidValue, "title='': is blank", {"title": ""}),
        (InvalidValue, "due=.*is before 2026-03-02", {"due": date(2026, 3, 1)}),
        (InvalidValue, "notify=1: is not a yes or no", {"notify": 1}),
        (InvalidValue, "prices_include_tax='x': is not a yes or no", {"prices_include_tax": "x"}),
    ]
    for error, words, asked in cases:
        with pytest.raises(error, match=words):
            billing.invoices.draft_from_charges(client, **asked)  # type: ignore[arg-type]  # wrong on purpose
    owe(description="A refund", amount=gbp(-80))
    with pytest.raises(NothingToBill, match=r"the total is 0\.00 GBP"):
        billing.invoices.draft_from_charges(client)
    billing.charges.cancel(billing.charges.open_for(client)[-1])
    assert states(billing, practice) == {"Session": "drafted", "x": "open", "A refund": "cancelled"}
    assert everything(store_of(billing), practice)["Invoice"] == before["Invoice"]


@pytest.mark.rule("N3", "C2", "R3")
def test_charges_are_drafted_once_per_key(
    billing: Billing, practice: Biller, clock: FixedClock, client: Customer, owe: Owe
) -> None:
    billing.customers.edit(client, email=None)
    owe()
    first = billing.invoices.draft_from_charges(client, key="k")
    assert [warning.code for warning in first.warnings] == ["no_email"]
    owe(description="Later")
    again = billing.invoices.draft_from_charges(client, key="k")
    assert (again, again.warnings) == (first, first.warnings)
    billing.invoices.publish(first)
    billing.billers.edit(practice, payments=False)
    clock.advance(timedelta(days=90))
    assert billing.invoices.draft_from_charges(client, key="k").number == "INV-000001"
    others: list[dict[str, object]] = [
        {"title": "x"},
        {"charges": []},
        {"due": DUE},
        {"notify": True},
        {"description": "x"},
        {"prices_include_tax": True},
    ]
    for other in others:
        with pytest.raises(KeyReused):
            billing.invoices.draft_from_charges(client, key="k", **other)  # type: ignore[arg-type]  # one at a time


@pytest.mark.rule("C2", "N3")
def test_threads_that_draft_at_once_put_each_charge_on_one_invoice(
    billing: Billing, practice: Biller, client: Customer, owe: Owe
) -> None:
    charges = [owe(description=f"{n}") for n in range(6)]

    def draft(n: int) -> Invoice | None:
        # Half of them ask for all, the others for a choice that overlaps with everybody else's.
        chosen = None if n % 2 else [charges[n % 6], charges[(n + 1) % 6]]
        try:
            return billing.invoices.draft_from_charges(client, chosen)
        except (AlreadyBilled, NothingToBill, Conflict):
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [invoice for invoice in pool.map(draft, range(16)) if invoice is not None]
    on = [line.charge for invoice in made for line in invoice.lines]
    assert len(on) == len(set(on))
    assert set(on) == {charge.id for charge in charges}
    stored = {charge.id: charge.invoice for charge in all_of(store_of(billing), practice, Charge)}
    assert stored == {line.charge: invoice.id for invoice in made for line in invoice.lines}


@pytest.mark.rule("N3", "C2")
def test_threads_with_one_key_make_one_draft(billing: Billing, client: Customer, owe: Owe, practice: Biller) -> None:
    owe()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: billing.invoices.draft_from_charges(client, key="k").id, range(12)))
    assert len(set(made)) == 1
    assert len(billing.invoices.find(biller=practice).items) == 1


# --- a charge's life --------------------------------------------------------------------------------------------------


@pytest.mark.rule("C1", "M7")
def test_the_draft_follows_its_charge(billing: Billing, client: Customer, owe: Owe) -> None:
    one = owe(description="a")
    owe(description="b", amount=gbp(20))
    draft = billing.invoices.draft_from_charges(client)
    edited = billing.charges.edit(one, description="A", amount=gbp(50), quantity=2, taxes=[VAT20], on=date(2026, 1, 1))
    assert edited == billing.charges.get(one)
    assert (edited.version, edited.state, edited.amount, edited.on) == (
        3,
        ChargeState.DRAFTED,
        gbp(100),
        date(2026, 1, 1),
    )
    after = billing.invoices.get(draft)
    assert [(line.description, line.amount, line.charge) for line in after.lines] == [
        ("A", gbp(100), one.id),
        ("b", gbp(20), draft.lines[1].charge),
    ]
    assert (after.total, after.taxes[0].tax) == (gbp(140), gbp(20))
    assert billing.invoices.timeline(draft)[-1].action == "charge edited"
    # From a draft nothing may be taken until nothing is left of it.
    with pytest.raises(NothingToBill, match=r"the total would be -80\.00 GBP"):
        billing.charges.edit(one, amount=gbp(-50), taxes=[])
    assert billing.invoices.get(draft) == after


@pytest.mark.rule("C1", "C2")
@pytest.mark.parametrize(
    "state, can",
    [
        (ChargeState.OPEN, ("edit", "cancel", "invoice")),
        (ChargeState.DRAFTED, ("edit",)),
        (ChargeState.INVOICED, ()),
        (ChargeState.CANCELLED, ()),
    ],
)
@pytest.mark.parametrize("action", ["edit", "cancel", "invoice"])
def test_what_a_charge_allows_follows_its_state(state: ChargeState, can: tuple[str, ...], action: str) -> None:
    on = "i1" if state in (ChargeState.DRAFTED, ChargeState.INVOICED) else None
    charge = Charge(
        id="c", biller="b", customer="u", description="x", unit_price=gbp(1), on=TODAY, state=state, invoice=on
    )
    if action in can:
        check(action, charge)
    elif action == "invoice" and on is not None:
        with pytest.raises(AlreadyBilled) as taken:
            check(action, charge)
        assert (taken.value.what, taken.value.invoice) == ("charge c", "i1")
    else:
        with pytest.raises(NotAllowed) as refused:
            check(action, charge)
        assert (refused.value.status, refused.value.allowed) == (state.value, can)


@pytest.mark.rule("C1", "C3", "C4", "C5")
def test_a_charge_through_draft_delete_publish_and_void(
    billing: Billing, practice: Biller, client: Customer, owe: Owe
) -> None:
    charge = owe()
    draft = billing.invoices.draft_from_charges(client)
    with pytest.raises(NotAllowed, match=f"cannot cancel charge {charge.id} while drafted; allowed now: edit"):
        billing.charges.cancel(charge)
    billing.invoices.delete_draft(draft)
    assert billing.charges.open_for(client) == [billing.charges.get(charge)]
    with pytest.raises(NotFound):
        billing.invoices.get(draft)
    assert billing.invoices.find(biller=practice).items == ()
    second = billing.invoices.publish(billing.invoices.draft_from_charges(client))
    assert second.number == "INV-000001"
    assert states(billing, practice) == {"Session": "invoiced"}
    for call in (lambda: billing.charges.edit(charge, amount=gbp(1)), lambda: billing.charges.cancel(charge)):
        with pytest.raises(NotAllowed, match="while invoiced; allowed now: nothing"):
            call()
    assert billing.invoices.visible_to(client).items == (second,)
    billing.invoices.void(second)
    assert (states(billing, practice), billing.charges.open_for(client)) == ({"Session": "invoiced"}, [])
    billing.charges.cancel(owe(description="Other"))
    assert states(billing, practice) == {"Session": "invoiced", "Other": "cancelled"}


@pytest.mark.rule("C5", "C2")
def test_voiding_opens_the_charges_again_only_when_asked(billing: Billing, client: Customer, owe: Owe) -> None:
    charge = owe()
    first = billing.invoices.publish(billing.invoices.draft_from_charges(client))
    billing.invoices.void(first, release_charges=True)
    (free,) = billing.charges.open_for(client)
    assert (free.id, free.invoice) == (charge.id, None)
    second = billing.invoices.publish(billing.invoices.draft_from_charges(client))
    assert (second.number, second.lines) == ("INV-000002", first.lines)
    assert billing.invoices.get(first).lines == first.lines


@pytest.mark.rule("R15", "C3")
def test_a_voided_draft_of_charges_opens_them_again(billing: Billing, condo: Biller, resident: Customer) -> None:
    billing.charges.add(customer=resident, description="Key", amount=Money("5", "CAD"))
    billing.invoices.void(billing.invoices.draft_from_charges(resident))
    assert [charge.description for charge in billing.charges.open_for(resident)] == ["Key"]


@pytest.mark.rule("C1", "C4")
def test_the_amount_of_a_charges_draft_is_edited_through_its_charges(
    billing: Billing, client: Customer, owe: Owe
) -> None:
    owe()
    draft = billing.invoices.draft_from_charges(client)
    with pytest.raises(NotAllowed) as refused:
        billing.invoices.edit(draft, amount=gbp(1))
    assert str(refused.value).endswith("Edit its charges, the draft follows")
    after = billing.invoices.edit(draft, title="March", due=DUE, notify=True, description="x")
    assert (after.title, after.due_on, after.total, after.lines) == ("March", DUE, gbp(80), draft.lines)


# --- the monthly cycle ------------------------------------------------------------------------------------------------


def monthly(billing: Billing, biller: Biller, day: int = 1, on: date = TODAY, **rest: object) -> Customer:
    given = {"name": "Monthly", "email": "m@example.com", "billing_cycle": "monthly", "billing_day": day, **rest}
    return billing.customers.add(biller=biller, on=on, **given)  # type: ignore[arg-type]  # names of add()


@pytest.mark.rule("C9")
def test_a_month_is_billed_once_from_its_billing_day_with_what_came_before(billing: Billing, practice: Biller) -> None:
    who = monthly(billing, practice)
    for on in (date(2026, 3, 5), date(2026, 3, 31), date(2026, 4, 1)):
        billing.charges.add(customer=who, description=f"{on.day}", amount=gbp(10), on=on)
    assert billing.run(on=date(2026, 3, 31)).created == 0
    report = billing.run(on=date(2026, 4, 1))
    (made,) = report.invoices
    assert [line.description for line in made.lines] == ["5", "31"]
    assert (made.cycle, made.customer, made.kind) == (date(2026, 4, 1), who.id, InvoiceKind.CHARGES)
    assert (made.status_on(date(2026, 4, 1)), made.due_on, made.reference) == (
        Status.DRAFT,
        date(2026, 5, 1),
        "D-000001",
    )
    assert [charge.description for charge in billing.charges.open_for(who)] == ["1"]
    before = everything(store_of(billing), practice)
    for day in (date(2026, 4, 1), date(2026, 4, 2), date(2026, 4, 30)):
        assert billing.run(on=day).created == 0
    assert everything(store_of(billing), practice) == before
    # published later, it is due by the terms from then
    assert billing.invoices.publish(made, on=date(2026, 4, 10)).due_on == date(2026, 5, 10)


@pytest.mark.rule("C9", "S7")
def test_missed_months_merge_into_one(billing: Billing, practice: Biller) -> None:
    who = monthly(billing, practice, day=15)
    for on in (date(2026, 3, 3), date(2026, 4, 20), date(2026, 6, 14), date(2026, 6, 15)):
        billing.charges.add(customer=who, description=f"{on}", amount=gbp(10), on=on)
    (made,) = billing.run(on=date(2026, 7, 14)).invoices
    assert [line.description for line in made.lines] == ["2026-03-03", "2026-04-20", "2026-06-14"]
    assert made.cycle == date(2026, 6, 1)
    assert billing.customers.get(who).next_cycle_on == date(2026, 7, 15)
    (rest,) = billing.run(on=date(2026, 7, 15)).invoices
    assert ([line.description for line in rest.lines], rest.cycle) == (["2026-06-15"], date(2026, 7, 1))


@pytest.mark.rule("C9", "C4", "N1")
def test_policy_says_whether_the_run_finalizes(billing: Billing, practice: Biller) -> None:
    billing.billers.edit(practice, policy={"run_issues": True, "notify_on_publish": True, "terms_days": 14})
    who = monthly(billing, practice)
    charge = billing.charges.add(customer=who, description="x", amount=gbp(10), on=TODAY)
    (made,) = billing.run(on=date(2026, 4, 3)).invoices
    assert (made.number, made.issued_on, made.due_on) == ("INV-000001", date(2026, 4, 3), date(2026, 4, 17))
    assert made.bill_to is not None
    assert billing.invoices.get(made) == made
    assert (billing.charges.get(charge).state, billing.charges.get(charge).invoice) == (ChargeState.INVOICED, made.id)
    assert [mail.to for mail in all_of(store_of(billing), practice, Message)] == ["m@example.com"]
    assert billing.invoices.visible_to(who).items == (made,)


@pytest.mark.rule("C9", "M10")
@pytest.mark.parametrize("amounts", [[], ["10", "-10"], ["5", "-6"]])
def test_a_month_with_nothing_to_bill_is_skipped_and_its_charges_wait(
    billing: Billing, practice: Biller, amounts: list[str]
) -> None:
    who = monthly(billing, practice)
    for amount in amounts:
        billing.charges.add(customer=who, description=amount, amount=gbp(amount))
    report = billing.run(on=date(2026, 4, 1))
    assert [(one.code, one.customer) for one in report.skipped] == [("nothing_due", who.id)]
    assert (report.created, len(billing.charges.open_for(who))) == (0, len(amounts))
    assert billing.run(on=date(2026, 4, 1)).skipped == 0  # the month is dealt with
    billing.charges.add(customer=who, description="more", amount=gbp(20), on=date(2026, 4, 2))
    (made,) = billing.run(on=date(2026, 5, 1)).invoices
    assert len(made.lines) == len(amounts) + 1


@pytest.mark.rule("C9", "R1")
def test_a_biller_without_payments_bills_no_month(billing: Billing, practice: Biller) -> None:
    who = monthly(billing, practice)
    billing.charges.add(customer=who, description="x", amount=gbp(10))
    billing.billers.edit(practice, payments=False)
    before = everything(store_of(billing), practice)
    assert [one.code for one in billing.run(on=date(2026, 4, 1)).skipped] == ["payments_off"]
    assert everything(store_of(billing), practice) == before
    billing.billers.edit(practice, payments=True)
    assert billing.run(on=date(2026, 4, 2)).created == 1


@pytest.mark.rule("C9", "C3")
def test_a_deleted_month_waits_for_the_next_and_a_client_without_a_cycle_for_ever(
    billing: Billing, practice: Biller, client: Customer
) -> None:
    who = monthly(billing, practice)
    for each in (who, client):
        billing.charges.add(customer=each, description="x", amount=gbp(10))
    (made,) = billing.run(on=date(2026, 4, 1)).invoices
    billing.invoices.delete_draft(made)
    assert billing.run(on=date(2026, 4, 2)).created == 0
    (again,) = billing.run(on=date(2026, 5, 1)).invoices
    assert (again.customer, again.cycle) == (who.id, date(2026, 5, 1))
    assert len(billing.charges.open_for(client)) == 1


@pytest.mark.rule("C9")
def test_another_billing_day_never_bills_a_month_twice(billing: Billing, practice: Biller) -> None:
    who = monthly(billing, practice)
    billing.charges.add(customer=who, description="a", amount=gbp(10))
    (first,) = billing.run(on=date(2026, 4, 1)).invoices
    billing.customers.edit(who, billing_day=15, on=date(2026, 4, 2))
    billing.charges.add(customer=who, description="b", amount=gbp(10), on=date(2026, 4, 3))
    report = billing.run(on=date(2026, 4, 15))
    assert (report.created, report.failed) == (0, 0)
    (second,) = billing.run(on=date(2026, 5, 15)).invoices
    assert (first.cycle, second.cycle) == (date(2026, 4, 1), date(2026, 5, 1))
    assert [line.description for line in second.lines] == ["b"]


@pytest.mark.rule("C9")
def test_a_dry_run_answers_the_same_and_writes_nothing(billing: Billing, practice: Biller) -> None:
    who = monthly(billing, practice)
    billing.charges.add(customer=who, description="x", amount=gbp(10))
    before = everything(store_of(billing), practice)
    dry = billing.run(on=date(2026, 4, 1), dry_run=True)
    assert everything(store_of(billing), practice) == before
    done = billing.run(on=date(2026, 4, 1))
    assert dry.created == done.created == 1
    assert list(dry.created) == list(done.created)


@pytest.mark.rule("C9")
def test_one_bad_client_does_not_stop_the_rest(billing: Billing, practice: Biller) -> None:
    bad, good = monthly(billing, practice, name="Bad"), monthly(billing, practice, name="Good")
    most = from_minor(MAX_MINOR, "GBP")
    for who, amount in ((bad, most), (bad, most), (good, gbp(10))):
        billing.charges.add(customer=who, description="x", amount=amount)
    report = billing.run(on=date(2026, 4, 1))
    assert [(one.code, one.customer) for one in report.failed] == [("failed", bad.id)]
    assert "beyond 64 bits" in next(iter(report.failed)).text
    assert [invoice.customer for invoice in report.invoices] == [good.id]


@pytest.mark.rule("C9")
@pytest.mark.parametrize(
    "billing_day, day, after",
    [
        (1, date(2026, 3, 1), date(2026, 4, 1)),
        (1, date(2026, 3, 2), date(2026, 4, 1)),
        (15, date(2026, 3, 14), date(2026, 3, 15)),
        (15, date(2026, 12, 15), date(2027, 1, 15)),
        (31, date(2026, 1, 31), date(2026, 2, 28)),
        (31, date(2026, 2, 28), date(2026, 3, 31)),
        (31, date(2028, 2, 1), date(2028, 2, 29)),
        (30, date(2026, 2, 27), date(2026, 2, 28)),
        (-1, date(2026, 4, 29), date(2026, 4, 30)),
        (-1, date(2026, 4, 30), date(2026, 5, 31)),
    ],
)
def test_the_next_billing_day(billing_day: int, day: date, after: date) -> None:
    assert next_cycle_after(a_client(billing_day), day) == after


def a_client(billing_day: int, next_on: date | None = None) -> Customer:
    return Customer(
        id="c", biller="b", name="C", billing_cycle=BillingCycle.MONTHLY, billing_day=billing_day, next_cycle_on=next_on
    )


@pytest.mark.rule("C9")
@given(st.sampled_from([-1, *range(1, 32)]), st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 800))
def test_billing_days_come_once_a_month_and_the_last_one_reached_is_due(billing_day: int, day: date, wait: int) -> None:
    first = next_cycle_after(a_client(billing_day), day)
    assert first is not None
    second = next_cycle_after(a_client(billing_day), first)
    assert second is not None
    assert day < first < second
    assert (second.year * 12 + second.month) - (first.year * 12 + first.month) == 1
    assert first == clamp_day(first.year, first.month, billing_day)
    on = day + timedelta(days=wait)
    due = cycle_due(a_client(billing_day, first), on)
    if on < first:
        assert due is None
    else:
        following = next_cycle_after(a_client(billing_day), due) if due else None
        assert due is not None
        assert following is not None
        assert first <= due <= on < following


@pytest.mark.rule("C9")
def test_a_client_without_a_cycle_has_no_next_day() -> None:
    none = Customer(id="c", biller="b", name="C")
    assert (next_cycle_after(none, TODAY), cycle_due(none, TODAY)) == (None, None)


@pytest.mark.rule("C2", "M7", "M10", "M11")
@pytest.mark.parametrize(
    "currency, price, tax, gross",
    [("EUR", "33.33", "13.33", "79.99"), ("JPY", "333", "133", "799"), ("KWD", "3.333", "1.333", "7.999")],
)
def test_charges_add_up_in_each_currency(billing: Billing, currency: str, price: str, tax: str, gross: str) -> None:
    biller = billing.billers.add(name="B", currency=currency, timezone="UTC", locale="en_GB", preset="clients")
    who = billing.customers.add(biller=biller, name="P")
    for _ in range(2):
        billing.charges.add(customer=who, description="x", amount=Money(price, currency), taxes=[VAT20])
    net = billing.invoices.draft_from_charges(who)
    assert [str(money.amount) for money in (net.taxes[0].tax, net.total)] == [tax, gross]
    billing.invoices.delete_draft(net)
    gross_prices = billing.invoices.draft_from_charges(who, prices_include_tax=True)
    assert gross_prices.total == total([line.amount for line in gross_prices.lines], currency)
    assert gross_prices.net + gross_prices.taxes[0].tax == gross_prices.total


@pytest.mark.rule("C8", "C5")
def test_the_charges_of_a_void_invoice_can_be_released_later(
    billing: Billing, practice: Biller, client: Customer
) -> None:
    charge = billing.charges.add(customer=client, description="Advice", amount=Money("80.00", "GBP"))
    invoice = billing.invoices.publish(billing.invoices.draft_from_charges(client))
    with pytest.raises(NotAllowed, match=r"release charge .* while invoiced: it is on no void invoice"):
        billing.charges.release(charge)
    billing.invoices.void(invoice)
    assert billing.charges.get(charge).state is ChargeState.INVOICED
    with pytest.raises(AlreadyBilled, match="release the charge"):
        billing.invoices.draft_from_charges(client, [charge])
    assert billing.charges.release(charge).state is ChargeState.OPEN
    assert billing.charges.open_for(client) == [billing.charges.get(charge)]
    assert billing.invoices.draft_from_charges(client).total == Money("80.00", "GBP")
    with pytest.raises(NotAllowed, match="while drafted"):
        billing.charges.release(charge)
