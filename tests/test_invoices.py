"""The rules of an invoice alone: what its lines come to, what its facts say, and which status a date shows."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore import Money, Status, TaxRate
from invoicecore.errors import CurrencyMismatch, InvalidMoney, InvalidValue, MoneyHeld, NotAllowed, NothingToBill
from invoicecore.invoices import (
    TRANSITIONS,
    Invoice,
    InvoiceKind,
    Item,
    Lifecycle,
    Phase,
    allowed,
    amounts,
    as_lines,
    check,
    draft,
    due_at_publish,
    due_by_terms,
    format_number,
    number_series,
    publish,
    site_subtotals,
    status_of,
    void,
    with_lines,
)
from invoicecore.money import MAX_MINOR, from_minor, minor, total
from invoicecore.parties import BillTo, Policy, policy_for
from invoicecore.payments import after_payment, after_refund, after_reversal, refund_shares
from invoicecore.testing.samples import DAY, TOMORROW, YESTERDAY, facts, invoice, world

law = settings(deadline=None, max_examples=300)

HERE = world()
VAT20 = TaxRate(name="VAT 20 %", percent=Decimal(20), category="S")
VAT10 = TaxRate(name="VAT 10 %", percent=Decimal(10), category="S")


def eur(amount: str | int) -> Money:
    return Money(str(amount), "EUR")


def published(amount: int = 1_000, **rest: int) -> Invoice:
    """A published invoice of so many cents, due on DAY."""
    return invoice(HERE, "i1", number="INV-000001", amount=amount, **rest)  # type: ignore[arg-type]  # facts in cents


# --- the status follows from the facts and a date ---------------------------------------------------------------------

# In the order of D2: what comes first wins over all that comes later.
STATUSES = [
    # lifecycle, facts (of 1,000), on the due day, on the day after
    (Lifecycle.DRAFT, {}, Status.DRAFT, Status.DRAFT),
    (Lifecycle.VOID, {}, Status.VOID, Status.VOID),
    (Lifecycle.VOID, {"paid": 1_000, "refunded": 1_000}, Status.VOID, Status.VOID),
    (Lifecycle.OPEN, {"paid": 1_000, "refunded": 1_000}, Status.REFUNDED, Status.REFUNDED),
    (Lifecycle.OPEN, {"credit": 1_000, "refunded": 1_000}, Status.REFUNDED, Status.REFUNDED),
    (Lifecycle.OPEN, {"paid": 600, "credit": 400, "refunded": 1_000}, Status.REFUNDED, Status.REFUNDED),
    (Lifecycle.OPEN, {"paid": 1_000, "refunded": 1_000, "in_flight": 5}, Status.REFUNDED, Status.REFUNDED),
    (Lifecycle.OPEN, {"paid": 1_200, "refunded": 1_200}, Status.REFUNDED, Status.REFUNDED),
    (Lifecycle.OPEN, {"paid": 1_200, "refunded": 1_000}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"paid": 1_000, "refunded": 999}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"paid": 1_000}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"credit": 1_000}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"paid": 1, "credit": 999}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"paid": 1_001}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"paid": 1_000, "in_flight": 1_000}, Status.PAID, Status.PAID),
    (Lifecycle.OPEN, {"in_flight": 1_000}, Status.PENDING, Status.PENDING),
    (Lifecycle.OPEN, {"paid": 400, "in_flight": 600}, Status.PENDING, Status.PENDING),
    (Lifecycle.OPEN, {"in_flight": 999}, Status.OPEN, Status.OVERDUE),
    (Lifecycle.OPEN, {"paid": 400, "in_flight": 599}, Status.OPEN, Status.OVERDUE),
    (Lifecycle.OPEN, {"paid": 400, "refunded": 400}, Status.OPEN, Status.OVERDUE),
    (Lifecycle.OPEN, {"paid": 999}, Status.OPEN, Status.OVERDUE),
    (Lifecycle.OPEN, {}, Status.OPEN, Status.OVERDUE),
]


@pytest.mark.rule("D1", "D2")
@pytest.mark.parametrize("lifecycle, money, on_the_day, after", STATUSES)
def test_the_shown_status_follows_the_facts_in_order(
    lifecycle: Lifecycle, money: dict[str, int], on_the_day: Status, after: Status
) -> None:
    subject = attrs.evolve(published(**money), lifecycle=lifecycle)
    assert subject.status_on(YESTERDAY) is on_the_day
    assert subject.status_on(DAY) is on_the_day
    assert subject.status_on(TOMORROW) is after


@pytest.mark.rule("D2")
def test_the_table_above_shows_every_status() -> None:
    assert {status for *_, early, late in STATUSES for status in (early, late)} == set(Status)


@pytest.mark.rule("D2")
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.DUE])
@pytest.mark.parametrize("day", [date.min, DAY, date.max])
def test_a_phase_that_is_not_due_shows_the_same_on_any_date(phase: Phase, day: date) -> None:
    assert status_of(phase, DAY, day).value == phase.value


@pytest.mark.rule("D2")
@pytest.mark.parametrize(
    "day, shown", [(YESTERDAY, Status.OPEN), (DAY, Status.OPEN), (TOMORROW, Status.OVERDUE), (date.max, Status.OVERDUE)]
)
def test_what_is_due_is_overdue_from_the_day_after(day: date, shown: Status) -> None:
    assert status_of(Phase.DUE, DAY, day) is shown


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    """Invoices with any facts at all, possible or not, amounts small enough to meet often."""
    some = st.sampled_from([0, 1, 2, 3]) | st.integers(0, 2_000)
    paid, credit = draw(some), draw(some)
    subject = published(
        draw(st.sampled_from([1, 2, 3]) | st.integers(1, 2_000)),
        paid=paid,
        credit=credit,
        refunded=draw(some | st.just(paid + credit)),
        in_flight=draw(some),
    )
    return attrs.evolve(subject, lifecycle=draw(st.sampled_from(Lifecycle)))


def words_of_d2(subject: Invoice, day: date) -> str:
    """D2 as the requirements say it, in whole cents."""
    facts = subject.facts
    settled = minor(facts.paid) + minor(facts.credit)
    balance = max(0, minor(subject.total) - settled)
    says = [
        ("draft", subject.lifecycle == "draft"),
        ("void", subject.lifecycle == "void"),
        ("refunded", balance == 0 and settled > 0 and minor(facts.refunded) >= settled),
        ("paid", balance == 0),
        ("pending", minor(facts.in_flight) >= balance),
        ("overdue", day > subject.due_on),
        ("open", True),
    ]
    return next(name for name, holds in says if holds)


@pytest.mark.rule("D1", "D2")
@law
@given(invoices(), st.integers(-3, 3))
def test_the_status_agrees_with_the_facts_on_every_invoice(subject: Invoice, days: int) -> None:
    day = subject.due_on + timedelta(days=days)
    assert subject.status_on(day).value == words_of_d2(subject, day)


@pytest.mark.rule("D1", "D5")
@law
@given(invoices(), st.dates(), st.dates())
def test_the_date_decides_nothing_but_overdue(subject: Invoice, one: date, other: date) -> None:
    shown = {subject.status_on(one), subject.status_on(other)}
    assert len(shown) == 1 or shown == {Status.OPEN, Status.OVERDUE}


# --- what is owed -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("D2")
@law
@given(invoices())
def test_the_balance_is_never_negative_and_never_beyond_the_total(subject: Invoice) -> None:
    assert 0 <= minor(subject.recordable) <= minor(subject.balance) <= minor(subject.total)
    assert minor(subject.balance) == max(0, minor(subject.total) - minor(subject.settled))
    assert minor(subject.recordable) == max(0, minor(subject.balance) - minor(subject.facts.in_flight))


@pytest.mark.rule("D2", "S12")
@law
@given(invoices(), st.data())
def test_a_refund_never_raises_the_balance(subject: Invoice, data: st.DataObject) -> None:
    held = minor(subject.facts.held)
    if held <= 0:
        return
    amount = from_minor(data.draw(st.integers(1, held)), "EUR")
    to_credit, from_credit = refund_shares(subject.facts, amount, to_credit=data.draw(st.booleans()))
    refund = Refund(amount, to_credit, from_credit)
    after = attrs.evolve(subject, facts=after_refund(subject.facts, refund))
    assert after.balance == subject.balance
    assert after.settled == subject.settled
    assert after.facts.held == subject.facts.held - amount


@pytest.mark.rule("D2", "D3")
@law
@given(invoices(), st.integers(1, 3_000))
def test_a_reversal_takes_back_exactly_what_its_payment_did(subject: Invoice, cents: int) -> None:
    amount = from_minor(cents, "EUR")
    paid = attrs.evolve(subject, facts=after_payment(subject.facts, amount))
    assert minor(paid.balance) == max(0, minor(subject.total) - minor(subject.settled) - cents)
    back = attrs.evolve(paid, facts=after_reversal(paid.facts, amount))
    assert back == subject


@pytest.mark.rule("D2")
@pytest.mark.parametrize(
    "money, partly_paid, partly_refunded",
    [
        ({}, False, False),
        ({"paid": 400}, True, False),
        ({"credit": 1}, True, False),
        ({"paid": 1_000}, False, False),
        ({"paid": 1_000, "refunded": 1}, False, True),
        ({"paid": 1_000, "refunded": 1_000}, False, False),
        ({"paid": 400, "refunded": 100}, True, True),
        ({"in_flight": 500}, False, False),
    ],
)
def test_partly_paid_and_partly_refunded_stand_beside_the_status(
    money: dict[str, int], partly_paid: bool, partly_refunded: bool
) -> None:
    subject = published(**money)
    assert (subject.partly_paid, subject.partly_refunded) == (partly_paid, partly_refunded)


# --- lines and taxes --------------------------------------------------------------------------------------------------


@pytest.mark.rule("M10", "M11")
@pytest.mark.parametrize(
    "price, quantity, amount",
    [
        (Money("10.00", "EUR"), "1", "10.00"),
        (Money("0.05", "EUR"), "0.5", "0.03"),  # 2.5 cents: half up
        (Money("-0.05", "EUR"), "0.5", "-0.03"),  # and away from zero
        (Money("0.05", "EUR"), "-0.5", "-0.03"),
        (Money("0.05", "EUR"), "0.49", "0.02"),
        (Money("33.33", "EUR"), "0.333", "11.10"),
        (Money("125", "JPY"), "0.5", "63"),
        (Money("125", "JPY"), "1.5", "188"),
        (Money("1.001", "KWD"), "0.5", "0.501"),
        (Money("1.234", "KWD"), "3", "3.702"),
        (Money("92233720368547758.07", "EUR"), "1", "92233720368547758.07"),
    ],
)
def test_a_line_is_quantity_times_price_rounded_half_up_once(price: Money, quantity: str, amount: str) -> None:
    code = price.currency.code
    (line,) = as_lines([Item(description="It", unit_price=price, quantity=Decimal(quantity))], currency=code)
    assert line.amount == Money(amount, code)
    assert str(line.amount.amount) == amount
    assert (line.unit_price, line.quantity) == (price, Decimal(quantity))


@pytest.mark.rule("M10")
def test_the_total_sums_rounded_lines_and_a_line_may_be_negative() -> None:
    thirds = Item(description="A third", unit_price=eur("0.10"), quantity=Decimal("0.35"))  # 3.5 cents each
    lines = as_lines([thirds, thirds, Item(description="Less", unit_price=eur("-0.01"))], currency="EUR")
    assert amounts(lines, currency="EUR", prices_include_tax=False) == (eur("0.07"), ())


@pytest.mark.rule("M7")
@pytest.mark.parametrize(
    "currency, price, inclusive, net, tax, gross",
    [
        ("EUR", "100.00", False, "100.00", "20.00", "120.00"),
        ("EUR", "100.00", True, "83.33", "16.67", "100.00"),
        ("EUR", "0.03", False, "0.03", "0.01", "0.04"),
        ("JPY", "1000", False, "1000", "200", "1200"),
        ("JPY", "1001", True, "834", "167", "1001"),
        ("KWD", "1.001", False, "1.001", "0.200", "1.201"),
        ("KWD", "1.001", True, "0.834", "0.167", "1.001"),
    ],
)
def test_net_and_tax_make_the_total_with_prices_before_or_after_tax(
    currency: str, price: str, inclusive: bool, net: str, tax: str, gross: str
) -> None:
    lines = as_lines([Item(description="It", unit_price=Money(price, currency), taxes=(VAT20,))], currency=currency)
    subject = new_draft(lines, currency=currency, prices_include_tax=inclusive)
    assert [str(m.amount) for m in (subject.net, subject.taxes[0].tax, subject.total)] == [net, tax, gross]
    assert subject.taxes[0].base == subject.net
    assert subject.prices_include_tax is inclusive


@pytest.mark.rule("M7")
@law
@given(
    st.lists(
        st.tuples(st.integers(1, 10_000), st.sampled_from([(), (VAT20,), (VAT10,), (VAT20, VAT10)])),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_net_plus_taxes_is_the_total_on_every_draft(
    rows: list[tuple[int, tuple[TaxRate, ...]]], inclusive: bool, currency: str
) -> None:
    items = [Item(description="It", unit_price=from_minor(n, currency), taxes=taxes) for n, taxes in rows]
    subject = new_draft(as_lines(items, currency=currency), currency=currency, prices_include_tax=inclusive)
    lines = total([line.amount for line in subject.lines], currency)
    assert subject.net + total([tax.tax for tax in subject.taxes], currency) == subject.total
    assert lines == (subject.total if inclusive else subject.net)


@pytest.mark.rule("M7")
def test_a_tax_is_worked_out_on_the_summed_base_not_on_each_line() -> None:
    items = [Item(description="It", unit_price=eur("0.02"), taxes=(VAT20,))] * 3  # 0.4 cents each, 1.2 together
    subject = new_draft(as_lines(items, currency="EUR"))
    assert [(tax.base, tax.tax) for tax in subject.taxes] == [(eur("0.06"), eur("0.01"))]
    assert subject.total == eur("0.07")


def item(**changes: object) -> Item:
    return Item(**{"description": "It", "unit_price": eur("10.00"), **changes})  # type: ignore[arg-type]  # wrong on purpose


REFUSED_ITEMS = [
    ("ten euros", InvalidValue, "lines[1]", "is not an Item"),
    (item(description=" "), InvalidValue, "lines[1].description", "is blank"),
    (item(description="a\x00b"), InvalidValue, "lines[1].description", "control characters"),
    (item(unit_price=10.0), InvalidMoney, "lines[1].unit_price", "a float is not money"),
    (item(unit_price=eur("0.001")), InvalidMoney, "lines[1].unit_price", "more decimals than EUR has (2)"),
    (item(unit_price=eur("NaN")), InvalidMoney, "lines[1].unit_price", "not a finite amount"),
    (item(unit_price=Money("1", "USD")), CurrencyMismatch, "lines[1].unit_price", "is in USD where EUR is expected"),
    (item(quantity=0.5), InvalidValue, "lines[1].quantity", "a float is not an exact number"),
    (item(quantity=Decimal("Infinity")), InvalidValue, "lines[1].quantity", "not a finite number"),
    (item(quantity=True), InvalidValue, "lines[1].quantity", "a bool is not an exact number"),
    (item(quantity=Decimal(10) ** 17), InvalidMoney, "lines[1].amount", "beyond 64 bits"),
    (item(taxes=VAT20), InvalidValue, "lines[1].taxes", "is not a list of TaxRate"),
    (item(taxes=("20 %",)), InvalidValue, "lines[1].taxes", "is not a TaxRate"),
    (item(taxes=(VAT20, VAT20)), InvalidValue, "lines[1].taxes", "names the same tax twice"),
]


@pytest.mark.rule("M8", "M10", "R4")
@pytest.mark.parametrize("wrong, error, field, reason", REFUSED_ITEMS)
def test_a_wrong_item_is_refused_with_its_place(
    wrong: Item, error: type[InvalidValue], field: str, reason: str
) -> None:
    with pytest.raises(error) as refused:
        as_lines([item(), wrong], currency="EUR")
    assert refused.value.field == field
    assert reason in str(refused.value)
    assert str(refused.value).endswith(refused.value.way_out)


def new_draft(lines: tuple[object, ...], *, currency: str = "EUR", prices_include_tax: bool = False) -> Invoice:
    return draft(
        id="i1",
        biller="b1",
        kind=InvoiceKind.STANDALONE,
        currency=currency,
        title="Work",
        lines=lines,  # type: ignore[arg-type]  # lines of as_lines
        on=DAY,
        due=TOMORROW,
        prices_include_tax=prices_include_tax,
    )


@pytest.mark.rule("M10")
@pytest.mark.parametrize("less", ["-10.00", "-10.01"])
def test_a_total_of_zero_or_less_is_not_drafted(less: str) -> None:
    lines = as_lines([item(), item(description="Discount", unit_price=eur(less))], currency="EUR")
    with pytest.raises(
        NothingToBill, match=r"nothing to bill for Work: the total is -?0.0[01] EUR; add what is owed first"
    ):
        new_draft(lines)
    with pytest.raises(NothingToBill, match="the total would be"):
        with_lines(new_draft(as_lines([item()], currency="EUR")), lines)


@pytest.mark.rule("M8", "M10")
def test_a_total_beyond_64_bits_is_refused() -> None:
    lines = as_lines([item(unit_price=from_minor(MAX_MINOR, "EUR")), item()], currency="EUR")
    with pytest.raises(InvalidMoney, match="beyond 64 bits"):
        new_draft(lines)


@pytest.mark.rule("R8", "N1")
def test_a_new_invoice_is_a_draft_with_a_reference_and_no_number() -> None:
    subject = attrs.evolve(new_draft(as_lines([item()], currency="EUR")), draft_reference="D-000007")
    assert subject.lifecycle is Lifecycle.DRAFT
    assert (subject.number, subject.reference, subject.published) == (None, "D-000007", False)
    assert subject.facts == facts("EUR")


# --- the lifecycle ----------------------------------------------------------------------------------------------------

# (action, lifecycle) -> what it becomes; everything not written here is refused.
LIFECYCLE = {
    ("edit", "draft"): "draft",
    ("publish", "draft"): "open",
    ("delete", "draft"): None,
    ("void", "draft"): "void",
    ("void", "open"): "void",
    ("pay", "open"): "open",
    ("apply credit", "open"): "open",
    ("refund", "open"): "open",
    ("credit", "open"): "open",
    ("refund", "void"): "void",  # money that arrived after it was voided
}
ACTIONS = ("edit", "publish", "delete", "void", "pay", "apply credit", "refund", "credit")


@pytest.mark.rule("R10", "R14", "R15")
def test_the_lifecycle_changes_in_one_table_only() -> None:
    assert TRANSITIONS == LIFECYCLE


@pytest.mark.rule("R10", "R14", "R15", "C6")
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("lifecycle", Lifecycle)
def test_an_action_without_an_entry_is_refused_by_name(action: str, lifecycle: Lifecycle) -> None:
    subject = attrs.evolve(published(paid=400), lifecycle=lifecycle)
    held = action == "void" and lifecycle is Lifecycle.OPEN  # 4.00 is held on it
    if (action, lifecycle.value) in LIFECYCLE and not held:
        check(action, subject, Policy(), DAY)
        return
    with pytest.raises(MoneyHeld if held else NotAllowed) as refused:
        check(action, subject, Policy(), DAY)
    assert (refused.value.action, refused.value.status) == (action, subject.status_on(DAY).value)
    assert refused.value.allowed == allowed(subject, Policy())
    assert f"cannot {action} while {refused.value.status}" in str(refused.value)


@pytest.mark.rule("R14")
@pytest.mark.parametrize(
    "money, held, said",
    [
        ({"paid": 400}, "4.00", ["4.00 EUR is held on it"]),
        ({"in_flight": 500}, "0.00", ["a collection of 5.00 EUR is in flight"]),
        ({"paid": 400, "in_flight": 500}, "4.00", ["4.00 EUR is held on it", "a collection of 5.00 EUR is in flight"]),
        ({"paid": 400, "credit": 300}, "4.00", ["4.00 EUR is held on it"]),
        ({"paid": 400, "refunded": 100}, "3.00", ["3.00 EUR is held on it"]),
    ],
)
def test_void_names_the_sum_held_and_the_ways_out(money: dict[str, int], held: str, said: list[str]) -> None:
    with pytest.raises(MoneyHeld) as refused:
        check("void", published(**money), Policy(), DAY)
    assert refused.value.held == eur(held)
    for words in said:
        assert words in str(refused.value)
    way_out = (
        "Refund it first, or settle it with the payer" if held != "0.00" else "Call it off with collections.cancel"
    )
    assert str(refused.value).endswith(way_out)


@pytest.mark.rule("R14", "C8")
@pytest.mark.parametrize("money", [{}, {"credit": 1_000}, {"paid": 1_000, "refunded": 1_000}])
def test_void_is_open_where_no_money_is_held(money: dict[str, int]) -> None:
    subject = published(**money)
    check("void", subject, Policy(), DAY)
    assert void(subject, on=TOMORROW).status_on(DAY) is Status.VOID
    assert void(subject, on=TOMORROW).voided_on == TOMORROW


@pytest.mark.rule("R15", "C5")
@pytest.mark.parametrize(
    "preset, void_it, delete_it", [("residents", True, False), ("clients", False, True), ("stays", True, True)]
)
def test_whether_drafts_are_voided_or_deleted_is_policy(preset: str, void_it: bool, delete_it: bool) -> None:
    subject, policy = invoice(HERE, "i1"), policy_for(preset)
    can = allowed(subject, policy)
    assert ("void" in can, "delete" in can) == (void_it, delete_it)
    if not void_it:
        with pytest.raises(NotAllowed, match="cannot void while draft: this biller deletes drafts instead"):
            check("void", subject, policy, DAY)
    if not delete_it:
        with pytest.raises(NotAllowed, match="cannot delete while draft: this biller voids drafts instead"):
            check("delete", subject, policy, DAY)


@pytest.mark.rule("C6", "C7")
@pytest.mark.parametrize(
    "money, reason",
    [
        ({"paid": 1_000}, "nothing is left to pay"),
        ({"in_flight": 1_000}, "a collection of 10.00 EUR is in flight"),
        ({"paid": 400, "in_flight": 600}, "a collection of 6.00 EUR is in flight"),
    ],
)
def test_paying_says_why_there_is_nothing_to_record(money: dict[str, int], reason: str) -> None:
    for action in ("pay", "apply credit"):
        with pytest.raises(NotAllowed) as refused:
            check(action, published(**money), Policy(), DAY)
        assert reason in str(refused.value)


@pytest.mark.rule("R10", "R19", "N1")
def test_publishing_numbers_dates_and_freezes_and_changes_nothing_else() -> None:
    before = invoice(HERE, "i1")
    payer = BillTo(name="Someone", email="someone@example.org", address="1 Road", locale="fr_FR")
    after = publish(before, number="INV-000009", on=DAY, due=TOMORROW, bill_to=payer)
    assert after == attrs.evolve(
        before, lifecycle=Lifecycle.OPEN, number="INV-000009", issued_on=DAY, due_on=TOMORROW, bill_to=payer
    )
    assert after.reference == "INV-000009"
    assert after.published


@pytest.mark.rule("N1")
def test_voiding_keeps_the_number() -> None:
    assert void(published(), on=DAY).number == "INV-000001"
    assert void(published(), on=DAY).published
    assert not void(invoice(HERE, "i1"), on=DAY).published


@pytest.mark.rule("R10", "C9")
@pytest.mark.parametrize(
    "by_terms, explicit, due",
    [
        (False, None, YESTERDAY),  # the draft's own, though it has passed
        (False, DAY, DAY),
        (False, TOMORROW, TOMORROW),
        (True, None, DAY + timedelta(days=10)),  # moves with the issue
        (True, TOMORROW, TOMORROW),
    ],
)
def test_the_due_date_at_publish(by_terms: bool, explicit: date | None, due: date) -> None:
    subject = invoice(HERE, "i1", due_on=YESTERDAY, due_by_terms=by_terms)
    assert due_at_publish(subject, Policy(terms_days=10), on=DAY, due=explicit) == due


@pytest.mark.rule("R10")
def test_publish_does_not_move_the_due_date_into_the_past() -> None:
    with pytest.raises(InvalidValue, match=r"due=.*is before 2026-04-24; give that day or a later one"):
        due_at_publish(invoice(HERE, "i1"), Policy(), on=DAY, due=YESTERDAY)


def test_terms_beyond_the_calendar_are_refused() -> None:
    assert due_by_terms(Policy(terms_days=0), date.max) == date.max
    with pytest.raises(InvalidValue, match=r"on=.*leaves no room for the terms; give an earlier day"):
        due_by_terms(Policy(terms_days=1), date.max)


@pytest.mark.rule("N1")
@pytest.mark.parametrize(
    "changes, n, series, number",
    [
        ({}, 1, "invoice/INV-", "INV-000001"),
        ({}, 12_345_678, "invoice/INV-", "INV-12345678"),
        ({"number_prefix": "", "number_digits": 1}, 7, "invoice/", "7"),
        ({"yearly_numbers": True}, 1, "invoice/INV-2026-", "INV-2026-000001"),
        ({"yearly_numbers": True, "number_prefix": "F", "number_digits": 4}, 42, "invoice/F2026-", "F2026-0042"),
    ],
)
def test_a_number_is_printed_as_policy_says(changes: dict[str, object], n: int, series: str, number: str) -> None:
    policy = policy_for("residents", changes)
    assert number_series(policy, DAY) == series
    assert format_number(policy, n, DAY) == number


@pytest.mark.rule("S1", "M5")
@law
@given(st.lists(st.tuples(st.sampled_from(["1", "2", "10", None]), st.integers(-50, 5_000)), min_size=1, max_size=12))
def test_the_subtotals_of_sites_add_up_to_the_lines(rows: list[tuple[str | None, int]]) -> None:
    items = [Item(description="It", unit_price=from_minor(n, "EUR"), site=site) for site, n in rows]
    subject = attrs.evolve(published(), lines=as_lines(items, currency="EUR"))
    sums = site_subtotals(subject)
    assert total(sums.values(), "EUR") == total([line.amount for line in subject.lines], "EUR")
    assert list(sums) == list(dict.fromkeys(site or "" for site, _ in rows))


class Refund:
    """The parts of a refund that move facts."""

    def __init__(self, amount: Money, to_credit: Money, from_credit: Money) -> None:
        self.amount = self.leaving = amount
        self.to_credit, self.from_credit = to_credit, from_credit


@pytest.mark.rule("M11")
def test_a_refusal_writes_money_with_all_its_decimals() -> None:
    # The Lebanese pound has a hundredth; CLDR would print none of it.
    lira = world(currency="LBP")
    with pytest.raises(MoneyHeld, match=r"10\.55 LBP is held on it"):
        check("void", invoice(lira, "i1", number="INV-000001", amount=2_000, paid=1_055), Policy(), DAY)
