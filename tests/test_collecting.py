"""Money taken and returned by hand, through the desk, on every store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from desks import all_of, everything, facts_from_rows, fly, money, store_of
from invoicecore import Billing, Money, Status
from invoicecore.credits import CreditKind
from invoicecore.errors import (
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    MoneyHeld,
    NotAllowed,
    NotEnough,
    NotFound,
    Overpayment,
)
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Allocation, Payment, PaymentMethod, Refund, Reversal

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


@pytest.mark.rule("C7")
def test_marking_as_paid_takes_the_whole_balance_dated_today(billing: Billing, issue: Issue) -> None:
    invoice = issue()
    payment = billing.payments.record(invoice)
    assert payment.amount == money(100)
    assert payment.received_on == TODAY
    assert payment.allocations == (Allocation(invoice=invoice.id, amount=money(100)),)
    assert (payment.credited, payment.method) == (money(0), PaymentMethod.TRANSFER)
    paid = billing.invoices.get(invoice)
    assert (paid.status_on(TODAY), paid.balance, paid.facts.paid) == (Status.PAID, money(0), money(100))


@pytest.mark.rule("C7")
def test_money_received_elsewhere_keeps_its_method_date_reference_and_actor(billing: Billing, issue: Issue) -> None:
    invoice = issue()
    made = billing.payments.record(
        invoice,
        money("40.10"),
        method="cheque",
        received_on=TODAY - timedelta(days=3),
        reference="  cheque 42 ",
        actor="ana",
    )
    stored = billing.payments.get(made)
    assert stored == made
    assert (stored.method, stored.received_on, stored.reference, stored.actor, stored.customer) == (
        PaymentMethod.CHEQUE,
        TODAY - timedelta(days=3),
        "cheque 42",
        "ana",
        invoice.customer,
    )
    after = billing.invoices.get(invoice)
    assert (after.balance, after.partly_paid, after.status_on(TODAY)) == (money("59.90"), True, Status.OPEN)


@pytest.mark.rule("C7")
def test_parts_add_up_until_nothing_is_recordable(billing: Billing, issue: Issue) -> None:
    invoice = issue()
    for part in (30, 30, 40):
        billing.payments.record(invoice, money(part))
    assert [each.amount for each in billing.payments.find(invoice=invoice)].count(money(30)) == 2
    assert billing.invoices.get(invoice).status_on(TODAY) is Status.PAID
    with pytest.raises(NotAllowed, match="cannot pay while paid: nothing is left to pay; allowed now: refund"):
        billing.payments.record(invoice, money(1))


@pytest.mark.rule("C7", "D2")
def test_only_what_is_not_in_flight_is_recordable(billing: Billing, issue: Issue) -> None:
    invoice = issue()
    fly(billing, invoice, money(70))
    with pytest.raises(Overpayment) as caught:
        billing.payments.record(invoice, money(31))
    assert (caught.value.amount, caught.value.due) == (money(31), money(30))
    assert billing.payments.record(invoice).amount == money(30)
    now = billing.invoices.get(invoice)
    assert (now.status_on(DUE + timedelta(days=1)), now.balance) == (Status.PENDING, money(70))
    with pytest.raises(NotAllowed, match="cannot pay while pending"):
        billing.payments.record(invoice)


@pytest.mark.rule("C7")
def test_one_receipt_settles_several_invoices_in_the_order_given(billing: Billing, issue: Issue) -> None:
    first, second, third = issue(100), issue(50), issue(30)
    payment = billing.payments.record([second, first.id, third], money(120), reference="one cheque")
    assert payment.allocations == (
        Allocation(invoice=second.id, amount=money(50)),
        Allocation(invoice=first.id, amount=money(70)),
    )
    assert [billing.invoices.get(each).balance for each in (first, second, third)] == [money(30), money(0), money(30)]
    assert billing.payments.find(invoice=first) == billing.payments.find(invoice=second) == [payment]
    assert billing.payments.find(invoice=third) == []
    assert billing.payments.find(customer=first.customer) == [payment]


@pytest.mark.rule("C7")
def test_without_an_amount_one_receipt_settles_them_all(billing: Billing, issue: Issue) -> None:
    invoices = [issue(100), issue(50)]
    assert billing.payments.record(invoices).amount == money(150)
    assert {billing.invoices.get(each).status_on(TODAY) for each in invoices} == {Status.PAID}


@pytest.mark.rule("C7", "D2")
@pytest.mark.parametrize("amount", [None, money(130)])
def test_a_receipt_over_several_leaves_out_what_is_in_flight_on_each(
    billing: Billing, issue: Issue, amount: Money | None
) -> None:
    first, second = issue(100), issue(100)
    fly(billing, first, money(70))
    assert billing.payments.record([first, second], amount).allocations == (
        Allocation(invoice=first.id, amount=money(30)),
        Allocation(invoice=second.id, amount=money(100)),
    )


@pytest.mark.rule("C7")
def test_an_invoice_named_twice_is_settled_once(billing: Billing, issue: Issue) -> None:
    invoice = issue(100)
    payment = billing.payments.record([invoice, invoice.id])
    assert payment.allocations == (Allocation(invoice=invoice.id, amount=money(100)),)


@pytest.mark.rule("C7", "D6", "C8")
def test_too_much_by_hand_is_refused_with_what_is_due_unless_the_rest_is_asked_to_be_credit(
    billing: Billing, issue: Issue, guest: Customer, park: Biller
) -> None:
    invoice = issue(100)
    before = everything(store_of(billing), park)
    with pytest.raises(Overpayment) as caught:
        billing.payments.record(invoice, money("100.01"))
    assert (caught.value.amount, caught.value.due) == (money("100.01"), money(100))
    assert "rest='credit'" in str(caught.value)
    assert everything(store_of(billing), park) == before
    payment = billing.payments.record(invoice, money(130), rest="credit")
    assert (payment.amount, payment.credited) == (money(130), money(30))
    assert billing.credits.balance(guest) == money(30)
    [row] = billing.credits.history(guest)
    assert (row.kind, row.payment, row.invoice) == (CreditKind.OVERPAYMENT, payment.id, None)


@pytest.mark.rule("C7")
def test_asking_for_the_rest_as_credit_changes_nothing_when_there_is_none(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    payment = billing.payments.record(issue(100), money(100), rest="credit")
    assert payment.credited == money(0)
    assert billing.credits.history(guest) == []


@pytest.mark.rule("C7")
def test_a_receipt_is_of_one_customer(billing: Billing, issue: Issue, park: Biller) -> None:
    other = billing.customers.add(biller=park, name="Bob")
    with pytest.raises(InvalidValue, match="several customers"):
        billing.payments.record([issue(), issue(customer=other)])
    assert all_of(store_of(billing), park, Payment) == []


@pytest.mark.rule("T1")
def test_a_receipt_never_crosses_billers(billing: Billing, issue: Issue, condo: Biller, resident: Customer) -> None:
    draft = billing.invoices.draft(biller=condo, customer=resident, title="Dues", amount=money(100, "CAD"))
    elsewhere = billing.invoices.publish(draft)
    mine = issue()
    with pytest.raises(NotFound):
        billing.payments.record([mine, elsewhere])
    assert billing.invoices.get(mine).balance == money(100)
    assert billing.invoices.get(elsewhere).balance == money(100, "CAD")


@pytest.mark.rule("C7", "M8", "M1")
@pytest.mark.parametrize(
    "given, error, field",
    [
        pytest.param({"amount": Money("0", "EUR")}, InvalidMoney, "amount", id="nothing"),
        pytest.param({"amount": Money("-1", "EUR")}, InvalidMoney, "amount", id="less than nothing"),
        pytest.param({"amount": Money("1.005", "EUR")}, InvalidMoney, "amount", id="half a cent"),
        pytest.param({"amount": Money("1", "USD")}, CurrencyMismatch, "amount", id="dollars"),
        pytest.param({"amount": Money("NaN", "EUR")}, InvalidMoney, "amount", id="not a number"),
        pytest.param({"amount": Money("Infinity", "EUR")}, InvalidMoney, "amount", id="no end"),
        pytest.param({"amount": Money("1e20", "EUR")}, InvalidMoney, "amount", id="beyond 64 bits"),
        pytest.param({"amount": 5.0}, InvalidMoney, "amount", id="a float"),
        pytest.param({"amount": "5"}, InvalidMoney, "amount", id="text"),
        pytest.param({"method": "barter"}, InvalidValue, "method", id="an unknown method"),
        pytest.param({"method": None}, InvalidValue, "method", id="no method"),
        pytest.param({"received_on": TODAY + timedelta(days=1)}, InvalidValue, "received_on", id="tomorrow"),
        pytest.param({"received_on": "2026-03-02"}, InvalidValue, "received_on", id="a date as text"),
        pytest.param({"rest": "cash"}, InvalidValue, "rest", id="an unknown rest"),
        pytest.param({"rest": True}, InvalidValue, "rest", id="a flag as rest"),
        pytest.param({"reference": "a\x00b"}, InvalidValue, "reference", id="a control character"),
        pytest.param({"reference": "x" * 501}, InvalidValue, "reference", id="a reference without end"),
        pytest.param({"reference": 5}, InvalidValue, "reference", id="a reference that is no text"),
        pytest.param({"key": "  "}, InvalidValue, "key", id="a blank key"),
        pytest.param({"key": "x" * 256}, InvalidValue, "key", id="a key without end"),
        pytest.param({"key": 5}, InvalidValue, "key", id="a key that is no text"),
        pytest.param({"on": "today"}, InvalidValue, "on", id="a day as text"),
    ],
)
def test_recording_refuses_what_is_no_money_day_or_method(
    billing: Billing, issue: Issue, park: Biller, given: dict[str, object], error: type[InvalidValue], field: str
) -> None:
    invoice = issue()
    before = everything(store_of(billing), park)
    with pytest.raises(error) as caught:
        billing.payments.record(invoice, **given)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("C7")
@pytest.mark.parametrize("nothing", [[], (), None, 5, [5], [None]])
def test_recording_names_at_least_one_invoice(billing: Billing, nothing: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        billing.payments.record(nothing)  # type: ignore[arg-type]
    assert caught.value.field == "invoice"


@pytest.mark.rule("C6", "D2")
@pytest.mark.parametrize("verb", ["record", "refund", "apply"])
def test_no_money_touches_a_draft(billing: Billing, park: Biller, guest: Customer, verb: str) -> None:
    billing.credits.deposit(guest, money(100))
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(100))
    before = everything(store_of(billing), park)
    part = billing.credits if verb == "apply" else billing.payments
    with pytest.raises(NotAllowed) as caught:
        getattr(part, verb)(draft, money(1))
    assert caught.value.status == "draft"
    assert set(caught.value.allowed) == {"edit", "publish", "delete", "void"}
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("R14")
@pytest.mark.parametrize("verb", ["record", "refund", "apply"])
def test_no_money_touches_a_void_invoice(billing: Billing, issue: Issue, guest: Customer, verb: str) -> None:
    billing.credits.deposit(guest, money(100))
    void = billing.invoices.void(issue())
    part = billing.credits if verb == "apply" else billing.payments
    with pytest.raises(NotAllowed, match=r"while void.*allowed now: nothing"):
        getattr(part, verb)(void, money(1))


@pytest.mark.rule("R1", "C7")
def test_money_is_recorded_reversed_and_refunded_while_payments_are_off(
    billing: Billing, issue: Issue, park: Biller, guest: Customer
) -> None:
    invoice = issue()
    billing.billers.edit(park, payments=False)
    payment = billing.payments.record(invoice, money(60))
    billing.payments.refund(invoice, money(10))
    billing.payments.reverse(payment)
    billing.credits.deposit(guest, money(5))
    assert billing.credits.apply(invoice).amount == money(-5)


@pytest.mark.rule("D2", "D3")
def test_a_reversal_takes_the_whole_payment_back_from_every_invoice_and_from_credit(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    first, second = issue(100), issue(50)
    payment = billing.payments.record([first, second], money(170), rest="credit")
    reversal = billing.payments.reverse(payment, reason="the cheque bounced", actor="ana")
    assert (reversal.amount, reversal.payment, reversal.reversed_on, reversal.actor) == (
        money(170),
        payment.id,
        TODAY,
        "ana",
    )
    for invoice in (first, second):
        again = billing.invoices.get(invoice)
        assert (again.balance, again.status_on(DUE), again.status_on(DUE + timedelta(days=1))) == (
            invoice.total,
            Status.OPEN,
            Status.OVERDUE,
        )
    assert billing.credits.balance(guest) == money(0)
    assert [row.kind for row in billing.credits.history(guest)] == [CreditKind.OVERPAYMENT, CreditKind.WITHDRAWN]
    assert billing.payments.get(payment) == payment, "the payment stays as it was: it is history"


@pytest.mark.rule("D2")
def test_a_payment_is_reversed_once(billing: Billing, issue: Issue, park: Biller) -> None:
    payment = billing.payments.record(issue())
    billing.payments.reverse(payment)
    with pytest.raises(NotAllowed, match="cannot reverse while reversed"):
        billing.payments.reverse(payment)
    assert len(all_of(store_of(billing), park, Reversal)) == 1


@pytest.mark.rule("D2", "C8")
def test_a_reversal_takes_its_credit_back_where_it_was_applied_the_latest_first(
    billing: Billing, issue: Issue, guest: Customer, park: Biller
) -> None:
    payment = billing.payments.record(issue(100), money(160), rest="credit")
    billing.credits.deposit(guest, money(5))
    early, later = issue(40), issue(25)
    billing.credits.apply(early)
    billing.credits.apply(later)
    assert billing.credits.balance(guest) == money(0)
    reversal = billing.payments.reverse(payment)
    assert reversal.amount == money(160)
    assert billing.credits.balance(guest) == money(0)
    after = [billing.invoices.get(each) for each in (early, later)]
    assert [each.facts.credit for each in after] == [money(5), money(0)]
    assert [each.balance for each in after] == [money(35), money(25)]
    for each in after:
        assert each.facts == facts_from_rows(store_of(billing), park, each)


@pytest.mark.rule("C8", "D2")
def test_a_reversal_says_what_was_paid_out_of_its_credit_and_cannot_be_taken_back(
    billing: Billing, issue: Issue, guest: Customer, park: Biller
) -> None:
    invoice = issue(100)
    payment = billing.payments.record(invoice, money(130), rest="credit")
    billing.credits.withdraw(guest, money(10))
    reversal = billing.payments.reverse(payment)
    assert (payment.amount, reversal.amount) == (money(130), money(120))
    assert billing.credits.balance(guest) == money(0)
    after = billing.invoices.get(invoice)
    assert (after.balance, after.facts) == (money(100), facts_from_rows(store_of(billing), park, after))


@pytest.mark.rule("D2", "C8", "S12")
def test_a_reversal_takes_no_credit_from_an_invoice_whose_credit_was_given_back(
    billing: Billing, issue: Issue, guest: Customer
) -> None:
    payment = billing.payments.record(issue(100), money(150), rest="credit")
    settled = issue(50)
    billing.credits.apply(settled)
    billing.payments.refund(settled, to="credit")
    billing.credits.withdraw(guest, money(50))
    assert billing.payments.reverse(payment).amount == money(100)
    after = billing.invoices.get(settled)
    assert (after.status_on(TODAY), after.balance) == (Status.REFUNDED, money(0))


@pytest.mark.rule("D2", "D3", "R14")
def test_a_payment_is_reversed_after_its_invoice_was_refunded_and_voided(
    billing: Billing, issue: Issue, park: Biller
) -> None:
    invoice = issue()
    payment = billing.payments.record(invoice)
    billing.payments.refund(invoice)
    assert billing.invoices.get(invoice).status_on(TODAY) is Status.REFUNDED
    billing.invoices.void(invoice)
    billing.payments.reverse(payment)
    after = billing.invoices.get(invoice)
    assert (after.status_on(TODAY), after.facts.held) == (Status.VOID, money(-100))
    assert after.facts == facts_from_rows(store_of(billing), park, after)
    assert billing.invoices.summary(biller=park).total == money(0)


@pytest.mark.rule("S12", "D2")
def test_a_refund_in_part_then_in_full(billing: Billing, issue: Issue) -> None:
    invoice = issue()
    billing.payments.record(invoice)
    part = billing.payments.refund(invoice, money(30), method="card", reference="r1", reason="noise", actor="ana")
    assert (part.amount, part.to_credit, part.from_credit, part.refunded_on) == (money(30), money(0), money(0), TODAY)
    assert (part.method, part.reference, part.reason, part.actor) == (PaymentMethod.CARD, "r1", "noise", "ana")
    now = billing.invoices.get(invoice)
    assert (now.status_on(TODAY), now.partly_refunded, now.balance) == (Status.PAID, True, money(0))
    rest = billing.payments.refund(invoice)
    assert rest.amount == money(70)
    assert billing.invoices.get(invoice).status_on(TODAY) is Status.REFUNDED
    assert {each.id for each in billing.payments.refunds(invoice)} == {part.id, rest.id}
    with pytest.raises(NotAllowed, match="cannot refund while refunded: no money is held on it"):
        billing.payments.refund(invoice)


@pytest.mark.rule("S12")
def test_more_than_is_held_is_not_refunded(billing: Billing, issue: Issue, park: Biller) -> None:
    invoice = issue()
    billing.payments.record(invoice, money(40))
    with pytest.raises(NotEnough) as caught:
        billing.payments.refund(invoice, money("40.01"))
    assert (caught.value.asked, caught.value.available) == (money("40.01"), money(40))
    assert all_of(store_of(billing), park, Refund) == []


@pytest.mark.rule("S12")
def test_an_invoice_nothing_was_paid_on_has_nothing_to_refund(billing: Billing, issue: Issue) -> None:
    with pytest.raises(NotAllowed, match="no money is held"):
        billing.payments.refund(issue())


@pytest.mark.rule("S12", "C8")
def test_the_share_paid_by_credit_goes_back_to_credit_only(billing: Billing, issue: Issue, guest: Customer) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(40))
    billing.credits.apply(invoice)
    billing.payments.record(invoice)
    refund = billing.payments.refund(invoice, money(70))
    assert (refund.to_credit, refund.from_credit) == (money(10), money(10))
    assert billing.credits.balance(guest) == money(10)
    rest = billing.payments.refund(invoice)
    assert (rest.to_credit, rest.from_credit) == (money(30), money(30))
    assert billing.credits.balance(guest) == money(40)
    assert [row.kind for row in billing.credits.history(guest)][-2:] == [CreditKind.RETURNED] * 2


@pytest.mark.rule("S12", "C8")
def test_money_may_be_refunded_to_credit(billing: Billing, issue: Issue, guest: Customer) -> None:
    invoice = issue(100)
    billing.payments.record(invoice)
    refund = billing.payments.refund(invoice, money(30), to="credit")
    assert (refund.to_credit, refund.from_credit) == (money(30), money(0))
    [row] = billing.credits.history(guest)
    assert (row.kind, row.amount, row.invoice) == (CreditKind.RETURNED, money(30), invoice.id)


@pytest.mark.rule("S12", "M8")
@pytest.mark.parametrize(
    "given, error, field",
    [
        ({"to": "me"}, InvalidValue, "to"),
        ({"to": None}, InvalidValue, "to"),
        ({"amount": Money("0", "EUR")}, InvalidMoney, "amount"),
        ({"amount": Money("1", "USD")}, CurrencyMismatch, "amount"),
        ({"amount": Money("0.001", "EUR")}, InvalidMoney, "amount"),
        ({"method": "barter"}, InvalidValue, "method"),
        ({"reason": "\x07"}, InvalidValue, "reason"),
        ({"reference": None}, InvalidValue, "reference"),
    ],
)
def test_refunding_refuses_what_it_cannot_mean(
    billing: Billing, issue: Issue, park: Biller, given: dict[str, object], error: type[InvalidValue], field: str
) -> None:
    invoice = issue()
    billing.payments.record(invoice)
    before = everything(store_of(billing), park)
    with pytest.raises(error) as caught:
        billing.payments.refund(invoice, **given)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("S12", "C7")
def test_without_a_customer_nothing_becomes_credit(billing: Billing, condo: Biller) -> None:
    billing.units.add(biller=condo, number="9")
    draft = billing.invoices.draft(biller=condo, unit="9", title="Dues", amount=money(100, "CAD"))
    invoice = billing.invoices.publish(draft)
    with pytest.raises(InvalidValue, match="needs a customer to hold the credit"):
        billing.payments.record(invoice, money(130, "CAD"), rest="credit")
    payment = billing.payments.record(invoice)
    assert payment.customer is None
    with pytest.raises(InvalidValue, match="needs a customer to hold the credit"):
        billing.payments.refund(invoice, to="credit")
    assert billing.payments.refund(invoice).amount == money(100, "CAD")


@pytest.mark.rule("R14", "C8")
def test_void_is_refused_while_money_is_held_and_returns_applied_credit(
    billing: Billing, issue: Issue, guest: Customer, park: Biller
) -> None:
    invoice = issue(100)
    billing.credits.deposit(guest, money(40))
    billing.credits.apply(invoice)
    billing.payments.record(invoice, money(10))
    with pytest.raises(MoneyHeld) as caught:
        billing.invoices.void(invoice)
    assert caught.value.held == money(10)
    assert "refund" in caught.value.allowed
    assert "Refund it first, or settle it with the payer" in str(caught.value)
    refund = billing.payments.refund(invoice, money(10))
    assert refund.to_credit == money(0), "money first: the credit stays on the invoice"
    billing.invoices.void(invoice)
    assert billing.credits.balance(guest) == money(40)
    after = billing.invoices.get(invoice)
    assert (after.facts.held, after.facts) == (money(0), facts_from_rows(store_of(billing), park, after))


@pytest.mark.rule("R14")
def test_void_is_refused_while_a_collection_is_live(billing: Billing, issue: Issue) -> None:
    invoice = issue()
    fly(billing, invoice, money(1))
    with pytest.raises(MoneyHeld, match="in flight"):
        billing.invoices.void(invoice)


@pytest.mark.rule("R18")
def test_every_movement_of_money_is_on_the_invoices_timeline(billing: Billing, issue: Issue, guest: Customer) -> None:
    first, second = issue(100), issue(50)
    billing.credits.deposit(guest, money(20))
    billing.credits.apply(second, actor="carl")
    payment = billing.payments.record([first, second], actor="ana", on=TODAY + timedelta(days=1))
    billing.payments.refund(first, money(5), actor="bea")
    billing.payments.reverse(payment, actor="dan")
    steps = [(step.action, step.actor, step.detail) for step in billing.invoices.timeline(first)]
    assert steps[-3:] == [
        ("paid", "ana", "100.00 transfer"),
        ("refunded", "bea", "5.00 to source"),
        ("payment reversed", "dan", "100.00"),
    ]
    applied = [(step.action, step.actor, step.detail) for step in billing.invoices.timeline(second)]
    assert ("credit applied", "carl", "20.00") in applied
    assert [step.on for step in billing.invoices.timeline(first) if step.action == "paid"] == [
        TODAY + timedelta(days=1)
    ]
    for invoice in (first, second):
        versions = [step.version for step in billing.invoices.timeline(invoice)]
        assert versions == list(range(1, billing.invoices.get(invoice).version + 1))


@pytest.mark.rule("C7")
def test_payments_are_found_by_one_invoice_or_one_customer(billing: Billing, issue: Issue, guest: Customer) -> None:
    invoice = issue()
    with pytest.raises(InvalidValue):
        billing.payments.find()
    with pytest.raises(InvalidValue):
        billing.payments.find(invoice=invoice, customer=guest)
    assert billing.payments.find(customer=guest) == []


@pytest.mark.rule("T1")
@pytest.mark.parametrize("verb, kind", [("find", "invoice"), ("find", "customer"), ("refunds", "invoice")])
def test_payments_of_what_does_not_exist_are_not_found_rather_than_none(
    billing: Billing, park: Biller, verb: str, kind: str
) -> None:
    given = {kind: f"{park.id}_{'inv' if kind == 'invoice' else 'cus'}_never"}
    with pytest.raises(NotFound) as caught:
        getattr(billing.payments, verb)(**given)
    assert (caught.value.kind, caught.value.key) == (kind, given[kind])


@pytest.mark.rule("C7", "M8")
@pytest.mark.parametrize(
    "currency, amount, part", [("EUR", "0.01", "0.01"), ("JPY", "1000", "999"), ("KWD", "1.001", "0.001")]
)
def test_money_is_recorded_to_the_last_minor_unit_of_every_currency(
    billing: Billing, currency: str, amount: str, part: str
) -> None:
    biller = billing.billers.add(name="B", currency=currency, timezone="UTC", locale="en_GB", preset="stays")
    who = billing.customers.add(biller=biller, name="C")
    draft = billing.invoices.draft(biller=biller, customer=who, title="T", amount=Money(amount, currency))
    invoice = billing.invoices.publish(draft)
    billing.payments.record(invoice, Money(part, currency))
    assert billing.invoices.get(invoice).balance == Money(amount, currency) - Money(part, currency)


@pytest.mark.rule("C7", "M8")
def test_the_largest_amounts_are_settled_and_given_back_exactly(
    billing: Billing, park: Biller, guest: Customer, issue: Issue
) -> None:
    largest = Money("92233720368547758.07", "EUR")
    invoice = issue("92233720368547758.07")
    billing.payments.record(invoice)
    billing.payments.refund(invoice)
    assert billing.invoices.get(invoice).status_on(TODAY) is Status.REFUNDED
    assert billing.invoices.summary(biller=park).refunded == largest
