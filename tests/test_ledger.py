"""The ledger: whatever is paid, taken back, undone and returned, in any order, no money is made and none is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import NOON
from desks import all_of, facts_from_rows, money, store_of
from invoicecore import Billing, Plugins
from invoicecore.billing.desk import Change
from invoicecore.billing.ledger import Ledger
from invoicecore.collection import Collection, CollectionState
from invoicecore.credits import CreditEntry
from invoicecore.errors import InvoicecoreError, NotFound
from invoicecore.invoices import Invoice
from invoicecore.money import Money, from_minor, minor, total
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Payment, PaymentMethod, Refund, RefundState, Reversal, ReversalKind, refund_shares
from invoicecore.ports import Event
from invoicecore.testing import FixedClock
from invoicecore_adapters import memory

TODAY = date(2026, 3, 2)


class Books:
    """Two customers with three invoices each at a desk of their own, and the ledger's acts on them, one transaction each."""

    def __init__(self, billing: Billing) -> None:
        self.billing = billing
        self.park = billing.billers.add(
            name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays"
        )
        self.people = [billing.customers.add(biller=self.park, name=name) for name in "AB"]
        self.invoices = [
            billing.invoices.publish(
                billing.invoices.draft(biller=self.park, customer=who, title="T", amount=money("0.10")), notify=False
            )
            for who in self.people
            for _ in range(3)
        ]

    @contextmanager
    def ledger(self) -> Iterator[tuple[Change, Ledger]]:
        with self.billing._desk.change("test", self.park.id) as change:
            ledger = Ledger(change)
            yield change, ledger
            ledger.write()

    def rows(self, kind: type[Payment | Reversal | Refund | CreditEntry | Invoice]) -> list:  # type: ignore[type-arg]
        return all_of(store_of(self.billing), self.park, kind)

    def pay(self, a: int, b: int, cents: int) -> None:
        """So much for one or two invoices of one customer; what is not owed becomes credit."""
        who = self.people[a % 2]
        mine = [each for each in self.invoices if each.customer == who.id]
        refs = list(dict.fromkeys([mine[a % 3].id, mine[b % 3].id]))
        with self.ledger() as (_, ledger):
            found, left, parts = ledger.read(refs), from_minor(cents, "EUR"), []
            for each in found:
                parts.append(min(left, each.recordable))
                left = left - parts[-1]
            ledger.pay(
                found, from_minor(cents, "EUR"), parts, customer=who.id, method=PaymentMethod.CARD, received_on=TODAY
            )

    def reverse(self, a: int, b: int, cents: int) -> None:
        """Part or all of a payment that stands."""
        back = {each.payment for each in self.rows(Reversal) if each.cancelled_on is None}
        if there := [each for each in self.rows(Payment) if each.id not in back]:
            payment = there[a % len(there)]
            with self.ledger() as (_, ledger):
                ledger.reverse(payment, min(from_minor(cents, "EUR"), payment.amount), kind=ReversalKind.CHARGEBACK)

    def undo(self, a: int, b: int, cents: int) -> None:
        if there := [each for each in self.rows(Reversal) if each.cancelled_on is None]:
            with self.ledger() as (_, ledger):
                ledger.undo(there[a % len(there)])

    def refund(self, a: int, b: int, cents: int) -> None:
        """Some of what is held of an invoice, to credit or to the payer; one a provider makes only of what was money."""
        with self.ledger() as (change, ledger):
            invoice = ledger.invoice(self.invoices[a % len(self.invoices)].id)
            amount = min(from_minor(cents, "EUR"), invoice.facts.held)
            if amount.amount <= 0:
                return
            to_credit, from_credit = refund_shares(invoice.facts, amount, to_credit=bool(b % 2))
            refund = Refund(
                id=change.ids("ref")[0], biller=self.park.id, invoice=invoice.id, amount=amount, to_credit=to_credit,
                from_credit=from_credit, method=PaymentMethod.CARD, refunded_on=TODAY,
                state=RefundState.SUCCEEDED if to_credit.amount else RefundState.PENDING,
            )  # fmt: skip
            ledger.refund(refund)

    def refund_failed(self, a: int, b: int, cents: int) -> None:
        if there := [each for each in self.rows(Refund) if each.state is RefundState.PENDING]:
            with self.ledger() as (change, ledger):
                failed = ledger.refund_failed(there[a % len(there)], RefundState.FAILED, "the account is closed")
                change.tx.replace([failed])

    def refund_again(self, a: int, b: int, cents: int) -> None:
        if there := [each for each in self.rows(Refund) if each.state is RefundState.FAILED]:
            refund = there[a % len(there)]
            with self.ledger() as (change, ledger):
                ledger.refund_again(refund)
                change.tx.replace([attrs.evolve(refund, state=RefundState.PENDING)])

    def apply(self, a: int, b: int, cents: int) -> None:
        try:
            self.billing.credits.apply(self.invoices[a % len(self.invoices)])
        except InvoicecoreError:
            return

    def withdraw(self, a: int, b: int, cents: int) -> None:
        who = self.people[a % 2]
        amount = min(from_minor(cents, "EUR"), self.billing.credits.balance(who))
        if amount.amount > 0:
            self.billing.credits.withdraw(who, amount)

    def held(self) -> tuple[Money, Money]:
        """What came in and has not gone out by the rows, and where it is by the invoices and the credit."""
        paid = total([each.amount for each in self.rows(Payment)], "EUR")
        back = total([each.amount for each in self.rows(Reversal) if each.cancelled_on is None], "EUR")
        gone = total([each.amount - each.to_credit for each in self.rows(Refund) if each.state.counts], "EUR")
        out = total(
            [row.amount for row in self.rows(CreditEntry) if row.invoice is None and row.payment is None], "EUR"
        )
        here = total([each.facts.held for each in self.rows(Invoice)], "EUR")
        return paid - back - gone + out, here + total([self.billing.credits.balance(who) for who in self.people], "EUR")


ACTS: tuple[Callable[[Books, int, int, int], None], ...] = (
    Books.pay,
    Books.pay,
    Books.reverse,
    Books.undo,
    Books.refund,
    Books.refund_failed,
    Books.refund_again,
    Books.apply,
    Books.withdraw,
)
steps = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 11), st.integers(0, 11), st.integers(1, 40)), max_size=14
)


@pytest.mark.rule("D1", "D2", "D3", "D6", "C8", "S12")
@settings(deadline=None, max_examples=150)
@given(steps)
# Credit that was paid out and then taken back with its payment, which is undone; and a refund of a payment that is gone.
@example([(Books.pay, 0, 0, 40), (Books.withdraw, 0, 0, 40), (Books.reverse, 0, 0, 40), (Books.undo, 0, 0, 1)])
@example([(Books.pay, 0, 0, 10), (Books.refund, 0, 0, 10), (Books.reverse, 0, 0, 10), (Books.refund_failed, 0, 0, 1)])
def test_no_money_is_made_and_none_is_lost_whatever_happens_in_any_order(
    done: Sequence[tuple[Callable[[Books, int, int, int], None], int, int, int]],
) -> None:
    with Billing.open("memory://", plugins=Plugins.of(memory.plugin), clock=FixedClock(NOON)) as billing:
        books = Books(billing)
        for act, a, b, cents in done:
            act(books, a, b, cents)
            told, there = books.held()
            assert told == there
            for who in books.people:
                rows = billing.credits.history(who)
                assert all(minor(row.balance) >= 0 for row in rows)
                assert billing.credits.balance(who) == total([row.amount for row in rows], "EUR")
            for invoice in books.rows(Invoice):
                assert invoice.facts == facts_from_rows(store_of(billing), books.park, invoice)
                assert minor(invoice.facts.paid) >= 0
                assert minor(invoice.facts.credit_held) >= 0


@pytest.fixture
def invoice(billing: Billing, park: Biller, guest: Customer) -> Invoice:
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(100))
    return billing.invoices.publish(draft, notify=False)


@pytest.mark.rule("R18", "D2")
def test_an_invoice_is_written_once_however_much_happens_to_it_and_each_step_is_told(
    billing: Billing, park: Biller, guest: Customer, invoice: Invoice
) -> None:
    with billing._desk.change("test", park.id) as change:
        ledger = Ledger(change)
        paid = {"customer": guest.id, "method": PaymentMethod.CARD, "received_on": TODAY}
        payment = ledger.pay(ledger.read([invoice.id]), money(60), [money(60)], **paid)  # type: ignore[arg-type]
        reversal = ledger.reverse(payment, money(60))
        ledger.undo(reversal)
        ledger.pay(ledger.read([invoice.id]), money(70), [money(40)], **paid)  # type: ignore[arg-type]  # as above
        ledger.write()
    after = billing.invoices.get(invoice)
    assert (after.version, after.facts.paid, billing.credits.balance(guest)) == (
        invoice.version + 1, money(100), money(30),
    )  # fmt: skip
    steps = [event for event in all_of(store_of(billing), park, Event) if event.subject == invoice.id]
    last = [(event.version, event.step, event.action) for event in steps][-4:]
    assert last == [
        (after.version, 0, "paid"), (after.version, 1, "payment reversed"), (after.version, 2, "reversal cancelled"),
        (after.version, 3, "paid"),
    ]  # fmt: skip


@pytest.mark.rule("D2")
def test_what_changes_what_is_owed_has_the_open_page_closed_and_what_does_not_leaves_it(
    billing: Billing, park: Biller, guest: Customer, invoice: Invoice
) -> None:
    payment = billing.payments.record(invoice, money(10))
    billing.payments.checkout(billing.payments.link(invoice).rpartition("/")[2])

    def page() -> Collection:
        [found] = billing.collections.find(invoice=invoice)
        return found

    with billing._desk.change("test", park.id) as change:
        ledger = Ledger(change)
        ledger.note(invoice.id, "looked at")
        ledger.write()
    assert page().state is CollectionState.OPEN
    billing.payments.reverse(payment)
    assert (page().state, page().next_try_at) == (CollectionState.CLOSING, NOON)


def test_an_invoice_that_is_not_there_is_named(billing: Billing, park: Biller) -> None:
    with billing._desk.change("test", park.id) as change, pytest.raises(NotFound, match="invoice"):
        Ledger(change).read([f"{park.id}_inv_never"])
