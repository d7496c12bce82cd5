"""What each money fact does to the money an invoice holds: pure values, and laws over any sequence of them."""

from __future__ import annotations

from datetime import date

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicecore import Money
from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, Line, Phase, Status, status_of
from invoicecore.money import from_minor, minor
from invoicecore.payments import (
    Facts,
    PaymentMethod,
    Refund,
    after_credit,
    after_failed_refund,
    after_payment,
    after_refund,
    after_reversal,
    is_zero,
    no_facts,
    refund_shares,
)

DUE = date(2026, 3, 10)
BEFORE, AFTER = date(2026, 3, 9), date(2026, 3, 11)


def eur(cents: int) -> Money:
    return from_minor(cents, "EUR")


def facts(
    *, paid: int = 0, credit: int = 0, refunded: int = 0, refunded_credit: int = 0, in_flight: int = 0, noted: int = 0
) -> Facts:
    return Facts(
        paid=eur(paid),
        credit=eur(credit),
        refunded=eur(refunded),
        refunded_credit=eur(refunded_credit),
        in_flight=eur(in_flight),
        noted=eur(noted),
    )


def invoice(total: int, held: Facts, lifecycle: Lifecycle = Lifecycle.OPEN) -> Invoice:
    return Invoice(
        id="b_inv_1",
        biller="b",
        kind=InvoiceKind.STANDALONE,
        lifecycle=lifecycle,
        currency="EUR",
        title="Dues",
        lines=(Line(description="Dues", amount=eur(total), unit_price=eur(total)),),
        taxes=(),
        total=eur(total),
        facts=held,
        drafted_on=date(2026, 3, 2),
        due_on=DUE,
        number=None if lifecycle is Lifecycle.DRAFT else "INV-000001",
    )


def refund(amount: int, to_credit: int, from_credit: int) -> Refund:
    return Refund(
        id="r",
        biller="b",
        invoice="b_inv_1",
        amount=eur(amount),
        to_credit=eur(to_credit),
        from_credit=eur(from_credit),
        method=PaymentMethod.TRANSFER,
        refunded_on=DUE,
    )


@pytest.mark.rule("D2")
@pytest.mark.parametrize(
    "held, settled, balance, recordable, is_held",
    [
        pytest.param(facts(), 0, 100, 100, 0, id="nothing yet"),
        pytest.param(facts(paid=40), 40, 60, 60, 40, id="a part is paid"),
        pytest.param(facts(paid=60, credit=40), 100, 0, 0, 100, id="money and credit settle alike"),
        pytest.param(facts(paid=100, refunded=30), 100, 0, 0, 70, id="a refund does not raise the balance"),
        pytest.param(facts(paid=40, refunded=40), 40, 60, 60, 0, id="nor when only a part was paid"),
        pytest.param(facts(paid=130), 130, 0, 0, 130, id="the balance is never negative"),
        pytest.param(facts(refunded=100), 0, 100, 100, -100, id="a refunded payment that bounced"),
        pytest.param(facts(paid=30, in_flight=50), 30, 70, 20, 30, id="what is in flight is not recordable"),
        pytest.param(facts(paid=30, noted=50), 30, 20, 20, 30, id="what was credited is not owed"),
        pytest.param(facts(in_flight=120), 0, 100, 0, 0, id="more in flight than owed leaves nothing"),
    ],
)
def test_settled_balance_recordable_and_held_follow_from_the_facts(
    held: Facts, settled: int, balance: int, recordable: int, is_held: int
) -> None:
    it = invoice(100, held)
    assert (it.settled, it.balance, it.recordable, it.facts.held) == tuple(
        map(eur, (settled, balance, recordable, is_held))
    )


@pytest.mark.rule("D1", "D2")
@pytest.mark.parametrize(
    "lifecycle, held, before, after",
    [
        pytest.param(Lifecycle.DRAFT, facts(), Status.DRAFT, Status.DRAFT, id="a draft"),
        pytest.param(Lifecycle.VOID, facts(paid=100), Status.VOID, Status.VOID, id="void wins over all money"),
        pytest.param(Lifecycle.OPEN, facts(), Status.OPEN, Status.OVERDUE, id="open until its due date"),
        pytest.param(Lifecycle.OPEN, facts(paid=99), Status.OPEN, Status.OVERDUE, id="a cent is owed"),
        pytest.param(Lifecycle.OPEN, facts(paid=100), Status.PAID, Status.PAID, id="paid"),
        pytest.param(Lifecycle.OPEN, facts(paid=50, credit=50), Status.PAID, Status.PAID, id="paid by both"),
        pytest.param(Lifecycle.OPEN, facts(paid=130), Status.PAID, Status.PAID, id="more than paid"),
        pytest.param(Lifecycle.OPEN, facts(paid=100, refunded=99), Status.PAID, Status.PAID, id="partly refunded"),
        pytest.param(Lifecycle.OPEN, facts(paid=100, refunded=100), Status.REFUNDED, Status.REFUNDED, id="refunded"),
        pytest.param(
            Lifecycle.OPEN, facts(paid=40, refunded=40), Status.OPEN, Status.OVERDUE, id="a refunded part is not all"
        ),
        pytest.param(Lifecycle.OPEN, facts(refunded=100), Status.OPEN, Status.OVERDUE, id="refunded, then bounced"),
        pytest.param(Lifecycle.OPEN, facts(in_flight=100), Status.PENDING, Status.PENDING, id="all in flight"),
        pytest.param(Lifecycle.OPEN, facts(in_flight=99), Status.OPEN, Status.OVERDUE, id="not quite all in flight"),
        pytest.param(
            Lifecycle.OPEN, facts(paid=70, in_flight=30), Status.PENDING, Status.PENDING, id="the rest is in flight"
        ),
        pytest.param(
            Lifecycle.OPEN, facts(paid=100, in_flight=100), Status.PAID, Status.PAID, id="paid while in flight"
        ),
    ],
)
def test_the_status_is_the_first_that_fits_and_only_overdue_looks_at_the_date(
    lifecycle: Lifecycle, held: Facts, before: Status, after: Status
) -> None:
    it = invoice(100, held, lifecycle)
    assert (it.status_on(BEFORE), it.status_on(DUE), it.status_on(AFTER)) == (before, before, after)


@pytest.mark.rule("D3")
def test_a_paid_invoice_is_owed_again_when_its_payment_bounces() -> None:
    paid = attrs.evolve(invoice(100, facts()), facts=after_payment(no_facts("EUR"), eur(100)))
    bounced = attrs.evolve(paid, facts=after_reversal(paid.facts, eur(100)))
    assert (paid.status_on(BEFORE), bounced.status_on(BEFORE), bounced.status_on(AFTER)) == (
        Status.PAID,
        Status.OPEN,
        Status.OVERDUE,
    )


@pytest.mark.rule("S12")
@pytest.mark.parametrize(
    "held, amount, to_credit, shares",
    [
        pytest.param(facts(paid=100), 30, False, (0, 0), id="money goes back to the payer"),
        pytest.param(facts(paid=100), 30, True, (30, 0), id="or becomes credit"),
        pytest.param(facts(paid=60, credit=40), 60, False, (0, 0), id="to the payer, money first"),
        pytest.param(facts(paid=60, credit=40), 61, False, (1, 1), id="beyond the money, credit is credit again"),
        pytest.param(facts(paid=60, credit=40), 100, False, (40, 40), id="all of both"),
        pytest.param(facts(paid=60, credit=40), 30, True, (30, 30), id="to credit, the credit share first"),
        pytest.param(facts(paid=60, credit=40), 100, True, (100, 40), id="all to credit"),
        pytest.param(facts(credit=40), 40, False, (40, 40), id="credit never leaves as money"),
        pytest.param(
            facts(paid=60, credit=40, refunded=60), 10, False, (10, 10), id="the money is gone, credit remains"
        ),
        pytest.param(
            facts(paid=60, credit=40, refunded=40, refunded_credit=40), 10, True, (10, 0), id="the credit is gone"
        ),
        pytest.param(
            facts(paid=0, credit=40, refunded=10), 30, False, (30, 30), id="refunded money bounced: credit is left"
        ),
    ],
)
def test_a_refund_goes_where_the_money_came_from(
    held: Facts, amount: int, to_credit: bool, shares: tuple[int, int]
) -> None:
    assert refund_shares(held, eur(amount), to_credit=to_credit) == tuple(map(eur, shares))


@pytest.mark.rule("D2")
def test_being_partly_paid_or_partly_refunded_is_a_fact_beside_the_status() -> None:
    table = {
        (0, 0): (False, False),
        (40, 0): (True, False),
        (100, 0): (False, False),
        (100, 30): (False, True),
        (100, 100): (False, False),
        (40, 10): (True, True),
        (40, 40): (True, False),
    }
    found = {}
    for paid, refunded in table:
        it = invoice(100, facts(paid=paid, refunded=refunded))
        found[paid, refunded] = (it.partly_paid, it.partly_refunded)
    assert found == table


@pytest.mark.rule("D1")
def test_an_amount_is_zero_when_no_minor_unit_is_there() -> None:
    assert [is_zero(from_minor(n, code)) for n in (-1, 0, 1) for code in ("EUR", "JPY", "KWD")] == [
        *[False] * 3,
        *[True] * 3,
        *[False] * 3,
    ]


# What the desk would refuse is left out.
TOTAL = 10_000


@pytest.mark.rule("D1", "D2", "S12")
@given(
    st.lists(
        st.tuples(st.sampled_from(["pay", "credit", "refund", "refund to credit", "reverse"]), st.integers(1, TOTAL)),
        max_size=30,
    )
)
def test_whatever_happens_money_is_neither_made_nor_lost(steps: list[tuple[str, int]]) -> None:
    now = no_facts("EUR")
    wallet, ledger = 0, TOTAL  # what the payer handed over for good, and the credit there is
    payments: list[int] = []
    for step, wanted in steps:
        it = invoice(TOTAL, now)
        owed, held = minor(it.recordable), minor(now.held)
        if step == "pay" and owed:
            amount = min(wanted, owed)
            now, wallet = after_payment(now, eur(amount)), wallet + amount
            payments.append(amount)
        elif step == "credit" and owed and ledger:
            amount = min(wanted, owed, ledger)
            now, ledger = after_credit(now, eur(amount)), ledger - amount
        elif step == "reverse" and payments:
            amount = payments.pop(wanted % len(payments))
            now, wallet = after_reversal(now, eur(amount)), wallet - amount
        elif step.startswith("refund") and held > 0:
            amount = min(wanted, held)
            to_credit, from_credit = refund_shares(now, eur(amount), to_credit=step == "refund to credit")
            assert eur(0) <= from_credit <= to_credit <= eur(amount)
            assert from_credit <= now.credit_held
            now = after_refund(now, refund(amount, minor(to_credit), minor(from_credit)))
            ledger += minor(to_credit)
            wallet -= amount - minor(to_credit)
        # What the payer gave is on the invoice or in the ledger, to the cent, and nowhere else.
        assert wallet == minor(now.held) + (ledger - TOTAL)
        assert now.cash_held + now.credit_held == now.held
        assert minor(now.credit_held) >= 0
        after = invoice(TOTAL, now)
        assert minor(after.balance) + minor(now.settled) == TOTAL
        assert (after.phase in (Phase.PAID, Phase.REFUNDED)) == is_zero(after.balance)


@pytest.mark.rule("D2", "D6", "S12")
def test_what_of_a_refund_was_taken_from_credit_had_left_no_invoice() -> None:
    before = facts(paid=60)
    whole = attrs.evolve(refund(100, 0, 0), of_credit=eur(40))
    after = after_refund(before, whole)
    assert (refund(100, 0, 0).leaving, whole.leaving) == (eur(100), eur(60))
    assert (after.refunded, after.held) == (eur(60), eur(0))
    assert after_failed_refund(after, whole) == before


@pytest.mark.rule("D1", "D2")
@given(st.sampled_from(Phase), st.dates(), st.dates())
def test_only_what_is_due_depends_on_the_date(phase: Phase, due: date, day: date) -> None:
    shown = status_of(phase, due, day)
    if phase is Phase.DUE:
        assert shown is (Status.OVERDUE if day > due else Status.OPEN)
    else:
        assert shown.value == phase.value


@pytest.mark.rule("D2")
@given(
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 2 * 10**6),
    st.integers(0, 10**6),
)
def test_the_phase_is_the_first_that_fits_in_the_order_of_the_rule(
    total: int, paid: int, credit: int, refunded: int, in_flight: int
) -> None:
    it = invoice(total, facts(paid=paid, credit=credit, refunded=refunded, in_flight=in_flight))
    settled = paid + credit
    balance = max(0, total - settled)
    if balance == 0:
        expected = Phase.REFUNDED if refunded >= settled else Phase.PAID
    else:
        expected = Phase.PENDING if in_flight >= balance else Phase.DUE
    assert it.phase is expected
    assert minor(it.balance) == balance
    assert minor(it.recordable) == max(0, balance - in_flight)
