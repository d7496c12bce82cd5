"""The credit ledger: pure rows, and credit through the desk on every store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desks import all_of, everything, fly, money, store_of
from invoicecore import Billing, Money, Status
from invoicecore.credits import CreditEntry, CreditKind, entry, oldest_due_first
from invoicecore.errors import (
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    NotAllowed,
    NotEnough,
    NotFound,
    Overpayment,
)
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, Line
from invoicecore.money import from_minor, minor
from invoicecore.parties import Biller, Customer
from invoicecore.payments import no_facts

TODAY = date(2026, 3, 2)
DUE = date(2026, 3, 20)

Issue = Callable[..., Invoice]


@pytest.fixture
def issue(billing: Billing, park: Biller, guest: Customer) -> Issue:
    """Drafts and publishes an invoice of the guest."""

    def made(amount: str | int = 100, *, due: date = DUE, customer: Customer = guest, **rest: object) -> Invoice:
        draft = billing.invoices.draft(biller=park, customer=customer, title="Stay", amount=money(amount), due=due)
        return billing.invoices.publish(draft, **rest)  # type: ignore[arg-type]

    return made


def row(last: CreditEntry | None, amount: int, **rest: object) -> CreditEntry:
    return entry(
        last,
        id="e",
        biller="b",
        customer="c",
        kind=CreditKind.DEPOSIT,
        amount=from_minor(amount, "EUR"),
        on=TODAY,
        **rest,  # type: ignore[arg-type]
    )


@pytest.mark.rule("C8")
def test_each_row_carries_its_number_its_amount_and_the_balance_after_it() -> None:
    first = row(None, 500)
    second = row(first, -200)
    assert [(each.seq, each.amount, each.balance) for each in (first, second)] == [
        (1, money("5.00"), money("5.00")),
        (2, money("-2.00"), money("3.00")),
    ]


@pytest.mark.rule("C8")
@pytest.mark.parametrize("balance, amount", [(0, -1), (500, -501)])
def test_a_row_that_would_make_the_balance_negative_is_refused(balance: int, amount: int) -> None:
    last = row(None, balance) if balance else None
    with pytest.raises(NotEnough) as caught:
        row(last, amount)
    assert (caught.value.what, caught.value.asked, caught.value.available) == (
        "credit",
        from_minor(-amount, "EUR"),
        from_minor(balance, "EUR"),
    )


@pytest.mark.rule("C8", "M8")
def test_a_balance_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InvalidMoney):
        row(row(None, 2**63 - 1), 1)


@pytest.mark.rule("C8")
@given(st.lists(st.integers(-1000, 1000), max_size=40))
def test_a_ledger_adds_up_and_is_never_negative(amounts: list[int]) -> None:
    last: CreditEntry | None = None
    kept: list[int] = []
    for amount in amounts:
        try:
            last = row(last, amount)
        except NotEnough:
            assert sum(kept) + amount < 0
            continue
        kept.append(amount)
        assert minor(last.balance) == sum(kept) >= 0
        assert last.seq == len(kept)


def candidate(n: int, *, owed: int, due: int, in_flight: int = 0, lifecycle: Lifecycle = Lifecycle.OPEN) -> Invoice:
    price = from_minor(owed, "EUR")
    return Invoice(
        id=f"b_inv_{n}",
        biller="b",
        kind=InvoiceKind.STANDALONE,
        lifecycle=lifecycle,
        currency="EUR",
        title="Dues",
        lines=(Line(description="Dues", amount=price, unit_price=price),),
        taxes=(),
        total=price,
        facts=attrs.evolve(no_facts("EUR"), in_flight=from_minor(in_flight, "EUR")),
        drafted_on=TODAY,
        due_on=DUE + timedelta(days=due),
        number=f"INV-{n}",
    )


@pytest.mark.rule("C8")
def test_credit_settles_by_due_date_then_number_and_skips_what_is_being_collected() -> None:
    late, ninth, tenth = candidate(1, owed=50, due=5), candidate(9, owed=30, due=0), candidate(10, owed=30, due=0)
    busy = candidate(2, owed=40, due=-9, in_flight=1)
    others = [
        candidate(n, owed=40, due=-9, lifecycle=state) for n, state in ((3, Lifecycle.DRAFT), (4, Lifecycle.VOID))
    ]
    plan = oldest_due_first(from_minor(75, "EUR"), [late, tenth, busy, *others, ninth])
    assert [(invoice.number, minor(part)) for invoice, part in plan] == [("INV-9", 30), ("INV-10", 30), ("INV-1", 15)]


@pytest.mark.rule("C8")
@given(
    st.integers(0, 500),
    st.lists(st.tuples(st.integers(1, 100), st.integers(-5, 5), st.sampled_from([0, 0, 1])), max_size=12),
)
def test_what_credit_settles_is_all_there_is_or_all_that_is_owed(
    available: int, owed: list[tuple[int, int, int]]
) -> None:
    invoices = [candidate(n, owed=o, due=due, in_flight=busy) for n, (o, due, busy) in enumerate(owed)]
    plan = oldest_due_first(from_minor(available, "EUR"), invoices)
    free = [invoice for invoice in invoices if not minor(invoice.facts.in_flight)]
    assert sum(minor(part) for _, part in plan) == min(available, sum(minor(invoice.balance) for invoice in free))
    assert all(minor(part) > 0 for _, part in plan)
    assert [part == invoice.balance for invoice, part in plan[:-1]] == [True] * max(len(plan) - 1, 0)
    order = [(invoice.due_on, int((invoice.number or "")[4:])) for invoice, _ in plan]
    assert order == sorted((invoice.due_on, int((invoice.number or "")[4:])) for invoice in free)[: len(plan)]


@pytest.mark.rule("C8")
def test_deposits_applications_and_withdrawals_are_all_rows_of_the_ledger(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(150), note=" in advance ", actor="ana")
    billing.credits.apply(invoice, money(30), actor="bea")
    billing.credits.apply(invoice)
    billing.credits.withdraw(guest, money(50), note="moving out")
    rows = billing.credits.history(guest)
    assert [(r.seq, r.kind, r.amount, r.balance, r.invoice, r.on) for r in rows] == [
        (1, CreditKind.DEPOSIT, money(150), money(150), None, TODAY),
        (2, CreditKind.APPLIED, money(-30), money(120), invoice.id, TODAY),
        (3, CreditKind.APPLIED, money(-70), money(50), invoice.id, TODAY),
        (4, CreditKind.WITHDRAWN, money(-50), money(0), None, TODAY),
    ]
    assert [(r.note, r.actor) for r in rows] == [("in advance", "ana"), ("", "bea"), ("", None), ("moving out", None)]
    assert billing.credits.balance(guest) == money(0)
    assert billing.invoices.get(invoice).status_on(TODAY) is Status.PAID


@pytest.mark.rule("C8", "M8")
@pytest.mark.parametrize("verb", ["deposit", "withdraw"])
@pytest.mark.parametrize(
    "amount, error",
    [
        (Money("0", "EUR"), InvalidMoney),
        (Money("-5", "EUR"), InvalidMoney),
        (Money("1.001", "EUR"), InvalidMoney),
        (Money("NaN", "EUR"), InvalidMoney),
        (Money("5", "JPY"), CurrencyMismatch),
        (5, InvalidMoney),
    ],
)
def test_credit_moves_by_exact_positive_money_of_the_billers_currency(
    billing: Billing, guest: Customer, park: Biller, verb: str, amount: Money, error: type[InvalidMoney]
) -> None:
    billing.credits.deposit(guest, money(10))
    before = everything(store_of(billing), park)
    with pytest.raises(error) as caught:
        getattr(billing.credits, verb)(guest, amount)
    assert caught.value.field == "amount"
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("C8")
def test_credit_is_never_negative(billing: Billing, issue: Issue, guest: Customer, park: Biller) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(40))
    before = everything(store_of(billing), park)
    with pytest.raises(NotEnough) as caught:
        billing.credits.withdraw(guest, money("40.01"))
    assert (caught.value.asked, caught.value.available) == (money("40.01"), money(40))
    with pytest.raises(NotEnough):
        billing.credits.apply(invoice, money(41))
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("C8")
def test_applying_more_than_is_owed_is_refused_with_what_is_due(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(500))
    with pytest.raises(Overpayment) as caught:
        billing.credits.apply(invoice, money("100.01"))
    assert caught.value.due == money(100)


@pytest.mark.rule("C7", "C8")
def test_credit_settles_no_more_than_what_is_not_in_flight(billing: Billing, issue: Issue, guest: Customer) -> None:
    invoice = issue(100)
    part = billing.payments.record(invoice, money(40))
    fly(billing, invoice, money(60))
    billing.payments.reverse(part)  # 100 are owed again, and 60 of them are on their way
    billing.credits.deposit(guest, money(100))
    with pytest.raises(Overpayment) as caught:
        billing.credits.apply(invoice, money(41))
    assert caught.value.due == money(40)
    assert billing.credits.apply(invoice).amount == money(-40)


@pytest.mark.rule("C8")
def test_without_credit_there_is_nothing_to_apply(billing: Billing, issue: Issue, condo: Biller) -> None:
    with pytest.raises(NotEnough):
        billing.credits.apply(issue(100))
    billing.units.add(biller=condo, number="9")
    draft = billing.invoices.draft(biller=condo, unit="9", title="Dues", amount=money(100, "CAD"))
    with pytest.raises(NotEnough):
        billing.credits.apply(billing.invoices.publish(draft))


@pytest.mark.rule("C8")
def test_a_paid_invoice_takes_no_credit(billing: Billing, issue: Issue, guest: Customer) -> None:
    invoice = issue(100)
    billing.payments.record(invoice)
    billing.credits.deposit(guest, money(1))
    with pytest.raises(NotAllowed, match="cannot apply credit while paid"):
        billing.credits.apply(invoice)


@pytest.mark.rule("C8")
def test_credit_applies_to_nobody_elses_invoice(billing: Billing, issue: Issue, park: Biller, guest: Customer) -> None:
    bob = billing.customers.add(biller=park, name="Bob")
    billing.credits.deposit(bob, money(100))
    with pytest.raises(NotEnough):
        billing.credits.apply(issue(100))
    assert billing.credits.balance(bob) == money(100)
    assert billing.credits.balance(guest) == money(0)


@pytest.mark.rule("C8")
def test_without_the_policy_a_deposit_and_a_publish_touch_nothing(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    first = issue(100)
    billing.credits.deposit(guest, money(150))
    second = issue(100)
    assert [billing.invoices.get(each).balance for each in (first, second)] == [money(100)] * 2


@pytest.fixture
def automatic(billing: Billing, park: Biller) -> Biller:
    """The park, whose credit settles invoices by itself."""
    return billing.billers.edit(park, policy={"apply_credit": True})


@pytest.mark.rule("C8")
def test_a_deposit_settles_open_invoices_oldest_due_first(
    billing: Billing, automatic: Biller, issue: Issue, guest: Customer, park: Biller
) -> None:
    later, sooner = issue(50, due=DUE + timedelta(days=1)), issue(40)
    busy = issue(30, due=TODAY)
    bob = billing.customers.add(biller=park, name="Bob")
    of_bob = issue(10, due=TODAY, customer=bob)
    draft = billing.invoices.draft(biller=park, customer=guest, title="Draft", amount=money(10), due=TODAY)
    with store_of(billing).writing() as tx:
        now = tx.get(Invoice, park.id, [busy.id])[busy.id]
        tx.replace([attrs.evolve(now, facts=attrs.evolve(now.facts, in_flight=money(1)))])
    billing.credits.deposit(guest, money(60))
    balances = [billing.invoices.get(each).balance for each in (sooner, later, busy, of_bob, draft)]
    assert balances == [money(0), money(30), money(30), money(10), money(10)]
    assert [(r.kind, r.invoice) for r in billing.credits.history(guest)] == [
        (CreditKind.DEPOSIT, None),
        (CreditKind.APPLIED, sooner.id),
        (CreditKind.APPLIED, later.id),
    ]


@pytest.mark.rule("C8", "R7")
def test_at_publish_credit_settles_the_oldest_first_those_just_published_among_them(
    billing: Billing, automatic: Biller, issue: Issue, guest: Customer, park: Biller
) -> None:
    billing.billers.edit(park, policy={"apply_credit": False})
    billing.credits.deposit(guest, money(100))
    old = issue(30, due=DUE + timedelta(days=5))
    billing.billers.edit(park, policy={"apply_credit": True})
    fresh = issue(90, due=DUE)
    assert fresh.balance == money(0), "what publish returns has the credit on it"
    assert billing.invoices.get(old).balance == money(20)
    assert billing.credits.balance(guest) == money(0)
    steps = [step.action for step in billing.invoices.timeline(fresh)]
    assert steps == ["drafted", "published", "credit applied"]


@pytest.mark.rule("C8")
def test_voiding_returns_applied_credit_in_the_same_transaction(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(60))
    billing.credits.apply(invoice)
    billing.invoices.void(invoice)
    last = billing.credits.history(guest)[-1]
    assert (last.kind, last.amount, last.invoice) == (CreditKind.RETURNED, money(60), invoice.id)
    assert billing.credits.balance(guest) == money(60)
    steps = billing.invoices.timeline(invoice)
    assert {step.action for step in steps if step.version == steps[-1].version} == {"voided", "credit returned"}


@pytest.mark.rule("C8", "S12")
def test_credit_refunded_to_credit_is_not_returned_again_by_a_void(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(60))
    billing.credits.apply(invoice)
    billing.payments.refund(invoice, money(25))
    billing.invoices.void(invoice)
    assert billing.credits.balance(guest) == money(60)


@pytest.mark.rule("C8")
def test_a_customer_without_credit_has_none_and_no_history(billing: Billing, guest: Customer) -> None:
    assert billing.credits.balance(guest) == Money("0.00", "EUR")
    assert billing.credits.history(guest) == []


@pytest.mark.rule("T1")
@pytest.mark.parametrize("verb", ["balance", "history", "deposit", "withdraw"])
def test_the_credit_of_nobody_is_not_found(billing: Billing, park: Biller, verb: str) -> None:
    amount = [money(1)] if verb in ("deposit", "withdraw") else []
    with pytest.raises(NotFound) as caught:
        getattr(billing.credits, verb)(f"{park.id}_cus_never", *amount)
    assert caught.value.kind == "customer"
    assert all_of(store_of(billing), park, CreditEntry) == []


@pytest.mark.rule("C8")
def test_a_note_with_control_characters_is_refused(billing: Billing, guest: Customer) -> None:
    with pytest.raises(InvalidValue) as caught:
        billing.credits.deposit(guest, money(1), note="\x1b[2J")
    assert caught.value.field == "note"
