"""Statements of account: what was charged and paid, and a balance that agrees with everything else (D1, S13, C8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import NOON
from desks import money
from invoicecore import Billing, Money, Plugins
from invoicecore.billing.ledger import Ledger
from invoicecore.credits import CreditKind
from invoicecore.documents.account import statement_sheet
from invoicecore.errors import InvalidValue, InvoicecoreError, NotFound
from invoicecore.invoices import Invoice
from invoicecore.money import total
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment, PaymentMethod, Refund, RefundState, Reversal, ReversalKind
from invoicecore.statements import Statement
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory

TODAY = date(2026, 3, 2)


def issued(billing: Billing, biller: Biller, who: Customer, amount: str = "100", **given: Any) -> Invoice:
    draft = billing.invoices.draft(biller=biller, customer=who, title="Stay", amount=money(amount, biller.currency))
    return billing.invoices.publish(draft, notify=False, **given)


def told(statement: Statement) -> list[tuple[str, str, str, str, str]]:
    rows = zip(statement.entries, statement.balances, strict=True)
    return [
        (entry.on.isoformat(), entry.kind.value, str(entry.charged.amount), str(entry.paid.amount), str(after.amount))
        for entry, after in rows
    ]


@pytest.mark.rule("D1", "S13")
def test_a_statement_tells_every_step_with_the_balance_after_it(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    day = iter(TODAY + timedelta(days=n) for n in range(20))
    first = issued(billing, park, guest, on=next(day))
    billing.credits.deposit(guest, money(15), on=next(day))
    payment = billing.payments.record(first, money(120), rest="credit", reference="CHQ 7", on=next(day))
    billing.payments.reverse(payment, on=next(day))
    billing.payments.record(first, on=next(day))
    billing.payments.refund(first, money(30), on=next(day))
    billing.payments.refund(first, money(20), to="credit", on=next(day))
    second = issued(billing, park, guest, "50", on=next(day))
    billing.credits.apply(second, money(35), on=next(day))
    billing.invoices.void(second, on=next(day))
    billing.credits.withdraw(guest, money(10), on=next(day))
    statement = billing.customers.statement(guest, since=TODAY, until=TODAY + timedelta(days=30))
    assert told(statement) == [
        ("2026-03-02", "invoice", "100.00", "0.00", "100.00"),
        ("2026-03-03", "deposit", "0.00", "15.00", "85.00"),
        ("2026-03-04", "payment", "0.00", "120.00", "-35.00"),
        ("2026-03-05", "reversal", "0.00", "-120.00", "85.00"),
        ("2026-03-06", "payment", "0.00", "100.00", "-15.00"),
        ("2026-03-07", "refund", "-30.00", "-30.00", "-15.00"),
        ("2026-03-08", "refund", "-20.00", "0.00", "-35.00"),
        ("2026-03-09", "invoice", "50.00", "0.00", "15.00"),
        ("2026-03-11", "void", "-50.00", "0.00", "-35.00"),
        ("2026-03-12", "withdrawal", "0.00", "-10.00", "-25.00"),
    ]
    assert [entry.reference for entry in statement.entries][:3] == ["INV-000001", "", "CHQ 7"]
    assert statement.closing == money(-25)
    assert billing.credits.balance(guest) == money(25)
    assert billing.invoices.outstanding(customer=guest) == money(0)


@pytest.mark.rule("D1", "D2", "C8")
def test_what_of_a_bounced_payment_had_left_as_credit_stays_taken(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    payment = billing.payments.record(issued(billing, park, guest), money(120), rest="credit")
    billing.credits.withdraw(guest, money(15))
    assert billing.payments.reverse(payment).amount == money(105)
    statement = billing.customers.statement(guest, since=TODAY)
    assert statement.closing == billing.invoices.outstanding(customer=guest) - billing.credits.balance(guest)
    assert statement.closing == money(100)


@pytest.mark.rule("D1", "R8")
def test_drafts_and_other_customers_are_on_no_statement(billing: Billing, park: Biller, guest: Customer) -> None:
    other = billing.customers.add(biller=park, name="Bob")
    issued(billing, park, other)
    billing.invoices.draft(biller=park, customer=guest, title="D", amount=money(9))
    statement = billing.customers.statement(guest, since=date(2020, 1, 1))
    assert (statement.entries, statement.opening, statement.closing) == ((), money(0), money(0))


@pytest.mark.rule("M3", "D1")
def test_both_days_are_inclusive_and_what_was_before_is_the_opening_balance(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    for n in range(4):
        issued(billing, park, guest, str(10 ** n), on=TODAY + timedelta(days=n))  # fmt: skip
    middle = billing.customers.statement(guest, since=TODAY + timedelta(1), until=TODAY + timedelta(2))
    assert (middle.opening, middle.closing) == (money(1), money(111))
    assert [entry.charged for entry in middle.entries] == [money(10), money(100)]
    alone = billing.customers.statement(guest, since=TODAY, until=TODAY)
    assert (alone.opening, alone.closing, alone.since, alone.until) == (money(0), money(1), TODAY, TODAY)


def test_an_end_before_the_beginning_is_refused(billing: Billing, guest: Customer) -> None:
    with pytest.raises(InvalidValue, match="until"):
        billing.customers.statement(guest, since=TODAY, until=TODAY - timedelta(days=1))
    with pytest.raises(InvalidValue, match="until"):
        billing.customers.statement(guest, since=TODAY + timedelta(days=1))
    with pytest.raises(InvalidValue, match="since"):
        billing.customers.statement(guest, since="2026-03-02")  # type: ignore[arg-type]


@pytest.mark.rule("T1")
def test_a_statement_of_another_billers_customer_is_not_found(billing: Billing, condo: Biller, guest: Customer) -> None:
    for verb in (billing.scoped(condo).customers.statement, billing.scoped(condo).customers.statement_pdf):
        with pytest.raises(NotFound):
            verb(guest, since=TODAY)


@pytest.mark.rule("S11", "M11")
@pytest.mark.parametrize(
    "locale, currency, heading, money_text, day",
    [
        ("fr_FR", "EUR", "Relevé de compte", "1 500,00 €", "02/03/2026"),
        ("en_GB", "GBP", "Statement", "£1,500.00", "02/03/2026"),
        ("en_US", "JPY", "Statement", "¥1,500", "03/02/2026"),
        ("en_US", "KWD", "Statement", "KWD 1,500.000", "03/02/2026"),
    ],
)
def test_a_statement_is_written_in_the_customers_language_and_the_same_on_any_day(
    billing: Billing, clock: FixedClock, locale: str, currency: str, heading: str, money_text: str, day: str
) -> None:
    shop = billing.billers.add(name="S", currency=currency, timezone="UTC", locale="en_GB", preset="stays")
    who = billing.customers.add(biller=shop, name="C", locale=locale)
    issued(billing, shop, who, "1500", on=TODAY)

    def pdf() -> bytes:
        return billing.customers.statement_pdf(who, since=TODAY, until=TODAY)

    first = pdf()
    clock.advance(timedelta(days=400))
    assert pdf() == first
    sheet = statement_sheet(
        billing.customers.statement(who, since=TODAY, until=TODAY), customer=who, biller=billing.billers.get(shop)
    )
    assert heading in sheet.heading
    [closing] = sheet.figures
    assert closing.value.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ") == money_text
    [opening, row] = sheet.tables[0].groups[0].rows
    assert (row[0], row[-1]) == (day, closing.value)
    assert opening[0] == ""
    assert str(sheet).encode() in first or repr(sheet).encode() in first


@pytest.mark.rule("C8", "S11")
def test_a_balance_in_the_customers_favour_says_so_without_a_sign(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    billing.credits.deposit(guest, money(20))
    facts = billing.customers.statement(guest, since=TODAY)
    [closing] = statement_sheet(facts, customer=guest, biller=park).figures
    assert facts.closing == money(-20)
    assert "20,00" in closing.value
    assert "-" not in closing.value
    assert "\N{MINUS SIGN}" not in closing.value
    owed = statement_sheet(facts, customer=guest, biller=park).figures[0].label
    issued(billing, park, guest)
    facts = billing.customers.statement(guest, since=TODAY)
    assert statement_sheet(facts, customer=guest, biller=park).figures[0].label != owed


# --- laws -------------------------------------------------------------------------------------------------------------

Act = Callable[[Billing, Biller, Customer, list[Invoice], list[Payment], int, date], object]


def pick(things: list[Any], n: int) -> Any:
    return things[n % len(things)]


ACTS: dict[str, Act] = {
    "publish": lambda b, park, who, inv, pay, n, on: inv.append(issued(b, park, who, f"{n % 90 + 10}.{n % 100:02}", on=on)),
    "pay": lambda b, park, who, inv, pay, n, on: pay.append(b.payments.record(pick(inv, n), on=on)),
    "pay in part": lambda b, park, who, inv, pay, n, on: pay.append(
        b.payments.record(pick(inv, n), money(f"{n % 40 + 1}"), on=on)
    ),
    "pay too much": lambda b, park, who, inv, pay, n, on: pay.append(
        b.payments.record(pick(inv, n), money(200), rest="credit", on=on)
    ),
    "pay several": lambda b, park, who, inv, pay, n, on: pay.append(
        b.payments.record([pick(inv, n), pick(inv, n + 1)], on=on)
    ),
    "reverse": lambda b, park, who, inv, pay, n, on: b.payments.reverse(pick(pay, n), on=on),
    "refund": lambda b, park, who, inv, pay, n, on: b.payments.refund(pick(inv, n), on=on),
    "refund a part": lambda b, park, who, inv, pay, n, on: b.payments.refund(pick(inv, n), money(f"{n % 30 + 1}"), on=on),
    "refund to credit": lambda b, park, who, inv, pay, n, on: b.payments.refund(pick(inv, n), to="credit", on=on),
    "deposit": lambda b, park, who, inv, pay, n, on: b.credits.deposit(who, money(f"{n % 70 + 1}"), on=on),
    "withdraw": lambda b, park, who, inv, pay, n, on: b.credits.withdraw(who, money(f"{n % 20 + 1}"), on=on),
    "apply": lambda b, park, who, inv, pay, n, on: b.credits.apply(pick(inv, n), on=on),
    "void": lambda b, park, who, inv, pay, n, on: b.invoices.void(pick(inv, n), on=on),
    "note": lambda b, park, who, inv, pay, n, on: b.credit_notes.issue(pick(inv, n), on=on),
    "note to source": lambda b, park, who, inv, pay, n, on: b.credit_notes.issue(pick(inv, n), to="source", on=on),
    "note of a part": lambda b, park, who, inv, pay, n, on: b.credit_notes.issue(
        pick(inv, n), amount=money(f"{n % 30 + 1}"), to=pick(["source", "credit"], n), on=on
    ),
    "restore": lambda b, park, who, inv, pay, n, on: restored(b, pick(pay, n), on),
    "dispute a part": lambda b, park, who, inv, pay, n, on: disputed(b, pick(pay, n), money(f"{n % 60 + 1}"), on),
    "refund with credit": lambda b, park, who, inv, pay, n, on: refunded_with_credit(b, pick(pay, n), n % 2 == 0, on),
    "refund fails": lambda b, park, who, inv, pay, n, on: came_back(b, pick(b.payments.refunds(pick(inv, n)), n), on),
}  # fmt: skip


def restored(billing: Billing, payment: Payment, on: date) -> None:
    """The reversal of a payment is cancelled, as a charge-back that was won is, while its invoices are still owed."""
    invoices = {part.invoice: billing.invoices.get(part.invoice) for part in payment.allocations}
    if any(invoices[part.invoice].balance < part.amount for part in payment.allocations):
        return
    with billing._desk.change("restore", payment.biller, on=on) as change:
        ledger = Ledger(change)
        for reversal in change.tx.find(Reversal, payment.biller, {"payment": payment.id}):
            if reversal.cancelled_on is None:
                ledger.undo(reversal)
        ledger.write()


def disputed(billing: Billing, payment: Payment, part: Money, on: date) -> None:
    """A part of a payment, beside others, is taken back through the payer's bank, as far as it is there."""
    with billing._desk.change("dispute", payment.biller, on=on) as change:
        earlier = change.tx.find(Reversal, payment.biller, {"payment": payment.id})
        taken = total([each.amount for each in earlier if each.cancelled_on is None], "EUR")
        if part <= payment.amount - taken:
            ledger, name = Ledger(change), f"dp_{len(earlier)}"
            ledger.reverse(payment, part, kind=ReversalKind.CHARGEBACK, reference=name)
            ledger.write()


def refunded_with_credit(billing: Billing, payment: Payment, arrives: bool, on: date) -> None:
    """A provider gives back what a payment holds on its first invoice, and the credit it had left."""
    [invoice, *_] = [billing.invoices.get(part.invoice) for part in payment.allocations]
    left = min(max(invoice.facts.cash_held, money(0)), payment.allocations[0].amount)
    with billing._desk.change("refund", payment.biller, on=on) as change:
        ledger = Ledger(change)
        last = change.tx.last_credits(payment.biller, [payment.customer or ""], "EUR")
        there = [entry.balance for entry in last.values()]
        spare = min([payment.credited, *there]) if there else money(0)
        refund = Refund(
            id=change.ids("ref")[0], biller=payment.biller, invoice=invoice.id, amount=left + spare, to_credit=money(0),
            from_credit=money(0), of_credit=spare, method=PaymentMethod.CARD, refunded_on=on, gateway="cards",
            payment=payment.id,
        )  # fmt: skip
        ledger.refund(refund)
        ledger.write()
    if not arrives:
        came_back(billing, refund, on)


def came_back(billing: Billing, refund: Refund, on: date, state: RefundState = RefundState.FAILED) -> None:
    """A refund to the payer did not reach them."""
    if refund.to_credit.amount or not refund.state.counts:
        return
    with billing._desk.change("refund failed", refund.biller, on=on) as change:
        ledger = Ledger(change)
        change.tx.replace([ledger.refund_failed(refund, state, "the account is closed")])
        ledger.write()


def settled(billing: Billing, invoice: Invoice) -> list[str]:
    """What the figures of an invoice's sheet come to, without their labels."""
    return [re.sub(r"[^\d,-]", "", figure.value) for figure in billing.invoices.sheet(invoice).figures]


@pytest.mark.rule("D2", "S11")
def test_a_payment_that_bounced_is_off_its_invoice_though_credit_it_had_left_was_paid_out(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest, "600")
    cheque = billing.payments.record(invoice, money(650), method="cheque", rest="credit")
    billing.credits.withdraw(guest, money(50))
    assert billing.payments.reverse(cheque, reason="bounced").amount == money(600)
    assert settled(billing, invoice) == ["600,00", "600,00"]
    billing.payments.record(invoice, method="cash")
    assert settled(billing, invoice) == ["600,00", "-600,00", "0,00"]
    assert [mark.code for mark in billing.payments.receipt(cheque).marks] == ["reversed"]


@pytest.mark.rule("D3", "S11")
def test_what_a_charge_back_took_of_a_payment_is_off_the_invoices_it_paid_in_their_order(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    first, second = issued(billing, park, guest, "100"), issued(billing, park, guest, "50")
    payment = billing.payments.record([first, second], money(170), rest="credit")
    shown = [["100,00", "-100,00", "0,00"], ["50,00", "-50,00", "0,00"]]
    for part, after in (
        (0, shown),
        (25, [["100,00", "-75,00", "25,00"], shown[1]]),
        (85, [["100,00", "100,00"], ["50,00", "-40,00", "10,00"]]),
        (60, [["100,00", "100,00"], ["50,00", "50,00"]]),
    ):
        if part:
            disputed(billing, payment, money(part), TODAY)
        assert [settled(billing, each) for each in (first, second)] == after
    assert [mark.code for mark in billing.payments.receipt(payment).marks] == ["reversed"]


@pytest.mark.rule("P5", "S12", "D1")
def test_a_credit_note_lowers_what_is_charged_and_what_it_gave_back_stands_beside_it(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    day = iter(TODAY + timedelta(days=n) for n in range(20))
    first, second = issued(billing, park, guest, on=next(day)), issued(billing, park, guest, "50", on=next(day))
    billing.payments.record(first, money(70), on=next(day))
    billing.credit_notes.issue(first, amount=money(20), on=next(day))  # off what is owed
    billing.credit_notes.issue(first, amount=money(30), to="source", on=next(day))  # 10 off, 20 back
    billing.credit_notes.issue(second, on=next(day))
    billing.credit_notes.issue(first, amount=money(15), to="credit", on=next(day))
    statement = billing.customers.statement(guest, since=TODAY, until=TODAY + timedelta(days=30))
    assert told(statement) == [
        ("2026-03-02", "invoice", "100.00", "0.00", "100.00"),
        ("2026-03-03", "invoice", "50.00", "0.00", "150.00"),
        ("2026-03-04", "payment", "0.00", "70.00", "80.00"),
        ("2026-03-05", "credit_note", "-20.00", "0.00", "60.00"),
        ("2026-03-06", "credit_note", "-30.00", "0.00", "30.00"),
        ("2026-03-06", "refund", "0.00", "-20.00", "50.00"),
        ("2026-03-07", "credit_note", "-50.00", "0.00", "0.00"),
        ("2026-03-08", "credit_note", "-15.00", "0.00", "-15.00"),
    ]
    entry = statement.entries[3]
    assert (entry.reference, entry.title, entry.about) == ("CN-000001", "INV-000001", (first.id,))
    rows = statement_sheet(statement, customer=guest, biller=park).tables[0].groups[0].rows
    assert rows[4][1] == "Avoir CN-000001\nINV-000001"


@pytest.mark.rule("D3", "S12", "D1")
@pytest.mark.parametrize("noted", [False, True], ids=["a refund", "a credit note's"])
def test_a_refund_that_came_back_and_a_payment_that_was_restored_are_both_told(
    billing: Billing, park: Biller, guest: Customer, noted: bool
) -> None:
    day = [TODAY + timedelta(days=n) for n in range(20)]
    invoice = issued(billing, park, guest)
    payment = billing.payments.record(invoice, on=day[1])
    billing.payments.reverse(payment, on=day[2])
    restored(billing, payment, day[3])
    if noted:
        billing.credit_notes.issue(invoice, to="source", on=day[4])
    else:
        billing.payments.refund(invoice, on=day[4])
    [refund] = billing.payments.refunds(invoice)
    came_back(billing, refund, day[5])
    statement = billing.customers.statement(guest, since=TODAY, until=day[9])
    given = [
        ("2026-03-06", "credit_note", "-100.00", "0.00", "-100.00"),
        ("2026-03-06", "refund", "0.00", "-100.00", "0.00"),
    ]
    assert told(statement) == [
        ("2026-03-02", "invoice", "100.00", "0.00", "100.00"),
        ("2026-03-03", "payment", "0.00", "100.00", "0.00"),
        ("2026-03-04", "reversal", "0.00", "-100.00", "100.00"),
        ("2026-03-05", "reversal_cancelled", "0.00", "100.00", "0.00"),
        *(given if noted else [("2026-03-06", "refund", "-100.00", "-100.00", "0.00")]),
        ("2026-03-07", "refund_failed", "100.00", "100.00", "0.00"),
    ]
    assert billing.invoices.sheet(invoice).notes == ("Plus rien à payer",)


@pytest.mark.rule("D2", "D6", "S12", "D1")
def test_a_refund_of_credit_too_lowers_what_is_charged_by_what_left_the_invoice_alone(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    day = [TODAY + timedelta(days=n) for n in range(9)]
    invoice = issued(billing, park, guest)
    payment = billing.payments.record(invoice, money(140), rest="credit", on=day[1])
    refunded_with_credit(billing, payment, arrives=True, on=day[2])
    [refund] = billing.payments.refunds(invoice)
    assert (refund.amount, refund.leaving) == (money(140), money(100))
    assert billing.invoices.get(invoice).facts.held == billing.credits.balance(guest) == money(0)
    assert "100,00" in billing.invoices.sheet(invoice).notes[0]
    came_back(billing, refund, day[3])
    assert told(billing.customers.statement(guest, since=TODAY, until=day[8])) == [
        ("2026-03-02", "invoice", "100.00", "0.00", "100.00"),
        ("2026-03-03", "payment", "0.00", "140.00", "-40.00"),
        ("2026-03-04", "refund", "-100.00", "-140.00", "0.00"),
        ("2026-03-05", "refund_failed", "100.00", "140.00", "-40.00"),
    ]
    assert billing.credits.balance(guest) == money(40)


@pytest.mark.rule("D2", "D6", "S12")
def test_an_invoice_says_nothing_of_what_was_given_back_of_credit_alone(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    payment = billing.payments.record(invoice, money(140), rest="credit")
    billing.payments.refund(invoice)
    refunded_with_credit(billing, payment, arrives=True, on=TODAY)
    assert [refund.leaving for refund in billing.payments.refunds(invoice)] == [money(100), money(0)]
    notes = [note for note in billing.invoices.sheet(invoice).notes if "00" in note]
    assert len(notes) == 1, notes
    assert told(billing.customers.statement(guest, since=TODAY))[-1][1:] == ("refund", "0.00", "-40.00", "0.00")


@pytest.mark.rule("D2", "D3", "D1")
def test_parts_of_a_payment_are_taken_back_one_after_the_other(billing: Billing, park: Biller, guest: Customer) -> None:
    day = [TODAY + timedelta(days=n) for n in range(12)]
    first, second = issued(billing, park, guest), issued(billing, park, guest, "50")
    payment = billing.payments.record([first, second], on=day[1])
    disputed(billing, payment, money(70), day[2])
    billing.payments.refund(second, on=day[3])
    billing.invoices.void(second, on=day[4])
    disputed(billing, payment, money(50), day[5])
    disputed(billing, payment, money(30), day[6])
    statement = billing.customers.statement(guest, since=TODAY, until=day[9])
    assert [row[1:4] for row in told(statement) if row[1] in ("void", "reversal")] == [
        ("reversal", "0.00", "-70.00"),
        ("void", "0.00", "0.00"),
        ("reversal", "-20.00", "-50.00"),
        ("reversal", "-30.00", "-30.00"),
    ]
    assert statement.closing == billing.invoices.outstanding(customer=guest) - billing.credits.balance(guest)


@pytest.mark.rule("S12", "D1")
def test_a_refund_that_never_happened_is_on_no_statement(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    billing.payments.record(invoice)
    refund = billing.payments.refund(invoice, money(30))
    came_back(billing, refund, TODAY, RefundState.NOT_EXECUTED)
    kinds = [entry.kind.value for entry in billing.customers.statement(guest, since=TODAY).entries]
    assert kinds == ["invoice", "payment"]


@pytest.mark.rule("P5", "D1", "R14")
def test_what_a_note_had_taken_off_is_not_taken_off_again_by_a_void(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    billing.credit_notes.issue(invoice, amount=money(30))
    billing.invoices.void(invoice)
    assert told(billing.customers.statement(guest, since=TODAY))[1:] == [
        ("2026-03-02", "credit_note", "-30.00", "0.00", "70.00"),
        ("2026-03-02", "void", "-70.00", "0.00", "0.00"),
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 999), st.integers(0, 3)), max_size=25),
    st.booleans(),
    st.integers(0, 40),
)
@pytest.mark.rule("D1", "S13", "C8", "D2", "P5", "R16")
def test_up_to_today_the_closing_balance_is_what_is_owed_less_the_credit(
    history: list[tuple[str, int, int]], apply_credit: bool, cut: int
) -> None:
    clock = FixedClock(NOON)
    with Billing.open("memory://", clock=clock, plugins=Plugins.of(memory.plugin)) as billing:
        park = billing.billers.add(
            name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays", policy={"apply_credit": apply_credit}
        )  # fmt: skip
        who = billing.customers.add(biller=park, name="A")
        invoices = [issued(billing, park, who)]
        payments: list[Payment] = []
        for act, n, days in history:
            clock.advance(timedelta(days=days))
            with suppress(InvoicecoreError, ZeroDivisionError):  # what a rule refuses, and an empty list
                ACTS[act](billing, park, who, invoices, payments, n, billing.today(park))
        today = billing.today(park)
        whole = billing.customers.statement(who, since=TODAY)
        owed, credit = billing.invoices.outstanding(biller=park, customer=who), billing.credits.balance(who)
        assert whole.closing == owed - credit
        cards = billing.invoices.summary(biller=park)
        assert cards.total == cards.open + cards.overdue + cards.paid + cards.refunded
        assert whole.opening == money(0)
        running = whole.opening
        for entry, after in zip(whole.entries, whole.balances, strict=True):
            running = running + entry.charged - entry.paid
            assert running == after
        assert [entry.on for entry in whole.entries] == sorted(entry.on for entry in whole.entries)
        middle = TODAY + timedelta(days=cut)
        if middle < today:
            first = billing.customers.statement(who, since=TODAY, until=middle)
            second = billing.customers.statement(who, since=middle + timedelta(days=1))
            assert first.closing == second.opening
            assert first.entries + second.entries == whole.entries
            assert first.balances + second.balances == whole.balances
        deposits = [row.amount for row in billing.credits.history(who) if row.kind is CreditKind.DEPOSIT]
        assert sum((d for d in deposits), Money(0, "EUR")) == sum(
            (entry.paid for entry in whole.entries if entry.kind.value == "deposit"), Money(0, "EUR")
        )


@pytest.mark.rule("D1", "D2")
def test_what_bounces_after_a_void_changes_no_statement_of_before(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    day = [TODAY + timedelta(days=n) for n in range(30)]
    invoice = issued(billing, park, guest, on=day[0])
    payment = billing.payments.record(invoice, money(40), on=day[4])
    billing.payments.refund(invoice, on=day[7])
    billing.invoices.void(invoice, on=day[9])
    before = billing.customers.statement(guest, since=day[0], until=day[14])
    billing.payments.reverse(payment, on=day[19])
    assert billing.customers.statement(guest, since=day[0], until=day[14]) == before
    assert before.closing == money(0)
    after = billing.customers.statement(guest, since=day[0], until=day[25])
    assert after.closing == money(0)
    assert told(after)[-1] == (day[19].isoformat(), "reversal", "-40.00", "-40.00", "0.00")
