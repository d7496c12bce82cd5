"""Strategies for every kind of record but the invoice."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge, ChargeState
from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.leases import Lease, RentChange
from invoicecore.messages import Message, MessageKind, MessageState
from invoicecore.parties import Biller, BillingCycle, Customer, InvoiceMethod, Policy, Unit
from invoicecore.payments import Allocation, Payment, PaymentMethod, Refund, RefundState, Reversal, ReversalKind
from invoicecore.periods import Frequency
from invoicecore.ports import Event, KeyUse, PayLink
from invoicecore.proration import DayCount
from invoicecore.testing.samples import World
from invoicecore.testing.strategies.values import (
    currencies,
    dates,
    instants,
    items,
    maybe,
    moneys,
    quantities,
    rates,
    texts,
)


def policies() -> SearchStrategy[Policy]:
    """Policies that differ from every preset."""
    return st.builds(
        Policy,
        preset=st.sampled_from(["residents", "clients", "stays"]),
        own_labels=maybe(st.just({"en": {"status": {"open": "Due, ‘now’"}}, "fr": {"status": {"open": "Dû"}}})),
        run_issues=st.booleans(),
        notify_on_publish=maybe(st.booleans()),
        void_drafts=st.booleans(),
        advance_days_email_pdf=st.integers(0, 366),
        due_offset_days=st.integers(-366, 366),
        number_prefix=st.sampled_from(["INV-", "", "Fac. n° "]),
        yearly_numbers=st.booleans(),
        chronological=st.booleans(),
        collect_saved=st.booleans(),
        collect_late=st.booleans(),
        collection_retries=st.sampled_from([(), (3, 7), (1, 60)]),
        link_on_failure=st.booleans(),
        notify_collections=st.booleans(),
        credit_note_prefix=st.sampled_from(["CN-", "Avoir n° "]),
    )


def billers(id: str) -> SearchStrategy[Biller]:
    """Billers of one id."""
    return st.builds(
        Biller,
        id=st.just(id),
        name=texts(),
        currency=currencies(),
        timezone=st.sampled_from(["Europe/Paris", "Pacific/Kiritimati", "UTC"]),
        locale=st.sampled_from(["fr_FR", "en_GB", "en_US"]),
        policy=policies(),
        payments=st.booleans(),
        address=texts(required=False),
        email=maybe(st.just("desk@example.org")),
        version=st.integers(1, 1000),
    )


def units(here: World, id: str) -> SearchStrategy[Unit]:
    """Units of one id; the number is made of the id, so that two ids do not clash."""
    return st.builds(
        Unit,
        id=st.just(id),
        biller=st.just(here.id),
        number=texts(10).map(lambda some: f"{some} {id}"),
        resident=maybe(_customer(here)),
        version=st.integers(1, 1000),
    )


def customers(here: World, id: str) -> SearchStrategy[Customer]:
    """Customers of one id."""
    return st.builds(
        Customer,
        id=st.just(id),
        biller=st.just(here.id),
        name=texts(),
        email=maybe(st.just("someone@example.org")),
        address=texts(required=False),
        locale=maybe(st.just("fr_FR")),
        billing_cycle=st.sampled_from(BillingCycle),
        billing_day=st.sampled_from([1, 15, 31, -1]),
        notify=maybe(st.booleans()),
        next_cycle_on=maybe(dates()),
        version=st.integers(1, 1000),
    )


def charges(here: World, id: str, invoice: str | None = None) -> SearchStrategy[Charge]:
    """Charges of one id, on an invoice when one is named."""
    on_one = (ChargeState.DRAFTED, ChargeState.INVOICED)
    states = on_one if invoice else (ChargeState.OPEN, ChargeState.CANCELLED)
    return st.builds(
        Charge,
        id=st.just(id),
        biller=st.just(here.id),
        customer=_customer(here),
        description=texts(),
        unit_price=moneys(here.biller.currency),
        on=dates(),
        quantity=quantities(),
        taxes=rates(),
        state=st.sampled_from(states),
        invoice=st.just(invoice),
        version=st.integers(1, 1000),
    )


def leases(here: World, id: str) -> SearchStrategy[Lease]:
    """Leases of one id with every field set or not; the schedule is whatever."""
    rents = moneys(here.biller.currency, low=1)
    changes = st.builds(RentChange, since=dates(), rent=rents)
    return st.builds(
        Lease,
        id=st.just(id),
        biller=st.just(here.id),
        customer=_customer(here),
        unit=maybe(_unit(here)),
        rent=rents,
        frequency=st.sampled_from(Frequency),
        starts=dates(),
        ends=maybe(dates()),
        anchor_day=st.sampled_from([None, 1, 31, -1]),
        method=st.sampled_from(InvoiceMethod),
        advance_days=maybe(st.integers(0, 366)),
        day_count=st.sampled_from(DayCount),
        bill_from=maybe(dates()),
        description=texts(required=False),
        taxes=rates(),
        changes=st.lists(changes, max_size=3, unique_by=lambda change: change.since).map(_by_date),
        next_period=st.integers(0, 10_000),
        next_run_on=maybe(dates()),
        finished=st.booleans(),
        invoiced=st.booleans(),
        version=st.integers(1, 1000),
    )


def bookings(here: World, id: str) -> SearchStrategy[Booking]:
    """Bookings of one id, in a group or not."""
    return st.builds(
        Booking,
        id=st.just(id),
        biller=st.just(here.id),
        customer=_customer(here),
        unit=maybe(_unit(here)),
        arrives=dates(),
        departs=dates(),
        items=st.lists(items(here.biller.currency), max_size=3).map(tuple),
        group=maybe(st.sampled_from([group.id for group in here.groups])),
        version=st.integers(1, 1000),
    )


def groups(here: World, id: str) -> SearchStrategy[Group]:
    """Groups of one id."""
    return st.builds(
        Group,
        id=st.just(id),
        biller=st.just(here.id),
        name=texts(),
        organiser=_customer(here),
        version=st.integers(1, 1000),
    )


def payments(here: World, id: str, *invoices: str, collection: str | None = None) -> SearchStrategy[Payment]:
    """Payments of one id over some invoices, each once, by a collection or by hand; they add up to whatever."""
    amounts = moneys(here.biller.currency, low=0)
    return st.builds(
        Payment,
        id=st.just(id),
        biller=st.just(here.id),
        customer=maybe(_customer(here)),
        amount=amounts,
        method=st.sampled_from(PaymentMethod),
        received_on=dates(),
        allocations=st.tuples(*(st.builds(Allocation, invoice=st.just(each), amount=amounts) for each in invoices)),
        credited=amounts,
        reference=texts(required=False),
        actor=maybe(texts(20)),
        collection=st.sampled_from([None, collection]),
    )


def reversals(here: World, id: str, payment: str) -> SearchStrategy[Reversal]:
    """Reversals of one id."""
    return st.builds(
        Reversal,
        id=st.just(id),
        biller=st.just(here.id),
        payment=st.just(payment),
        amount=moneys(here.biller.currency, low=0),
        reversed_on=dates(),
        reason=texts(required=False),
        actor=maybe(texts(20)),
        kind=st.sampled_from(ReversalKind),
        reference=texts(20, required=False),
        cancelled_on=maybe(dates()),
        version=st.integers(1, 1000),
    )


def refunds(here: World, id: str, invoice: str, payment: str | None = None) -> SearchStrategy[Refund]:
    """Refunds of one id, of a payment when one is named."""
    amounts = moneys(here.biller.currency, low=0)
    return st.builds(
        Refund,
        id=st.just(id),
        biller=st.just(here.id),
        invoice=st.just(invoice),
        amount=amounts,
        to_credit=amounts,
        from_credit=amounts,
        method=st.sampled_from(PaymentMethod),
        refunded_on=dates(),
        reference=texts(required=False),
        reason=texts(required=False),
        actor=maybe(texts(20)),
        state=st.sampled_from(RefundState),
        gateway=maybe(st.sampled_from(["cards", "debits"])),
        payment=st.just(payment),
        refunded_before=maybe(amounts),
        submitted_at=maybe(instants()),
        next_try_at=maybe(instants()),
        tries=st.integers(0, 20),
        failed_on=maybe(dates()),
        error=texts(required=False),
        version=st.integers(1, 1000),
        of_credit=maybe(amounts),
    )


def credit_entries(
    here: World, id: str, seq: int, invoice: str | None = None, payment: str | None = None
) -> SearchStrategy[CreditEntry]:
    """Rows of a customer's ledger, in any currency."""
    return currencies().flatmap(
        lambda code: st.builds(
            CreditEntry,
            id=st.just(id),
            biller=st.just(here.id),
            customer=_customer(here),
            seq=st.just(seq),
            kind=st.sampled_from(CreditKind),
            amount=moneys(code),
            balance=moneys(code, low=0),
            on=dates(),
            invoice=st.just(invoice),
            payment=st.just(payment),
            note=texts(required=False),
            actor=maybe(texts(20)),
        )
    )


def events(here: World, subject: str) -> SearchStrategy[Event]:
    """Steps of one subject's timeline."""
    return st.builds(
        Event,
        biller=st.just(here.id),
        subject=st.just(subject),
        version=st.integers(1, 1000),
        step=st.integers(0, 20),
        action=st.sampled_from(["draft", "publish", "void", "apply credit"]),
        at=instants(),
        on=dates(),
        actor=maybe(texts(20)),
        detail=texts(required=False),
    )


def messages(here: World, id: str, invoice: str) -> SearchStrategy[Message]:
    """E-mails of one id about an invoice."""
    return st.builds(
        Message,
        id=st.just(id),
        biller=st.just(here.id),
        kind=st.sampled_from(MessageKind),
        invoice=st.just(invoice),
        to=st.just("someone@example.org"),
        locale=st.sampled_from(["fr_FR", "en_GB"]),
        queued_at=instants(),
        about=maybe(texts(20)),
        state=st.sampled_from(MessageState),
        tries=st.integers(0, 20),
        next_try_at=maybe(instants()),
        sent_at=maybe(instants()),
        error=texts(required=False),
        version=st.integers(1, 1000),
    )


def pay_links(here: World, id: str, invoice: str) -> SearchStrategy[PayLink]:
    """Links of one token to an invoice."""
    return st.builds(
        PayLink,
        id=st.just(id),
        biller=st.just(here.id),
        invoice=st.just(invoice),
        made_at=instants(),
        revoked_at=maybe(instants()),
        version=st.integers(1, 1000),
    )


def key_uses(here: World, id: str) -> SearchStrategy[KeyUse]:
    """Uses of one idempotency key."""
    return st.builds(
        KeyUse,
        id=st.just(id),
        biller=st.just(here.id),
        action=st.sampled_from(["draft", "pay"]),
        digest=st.text("0123456789abcdef", min_size=64, max_size=64),
        results=st.lists(texts(20), max_size=3).map(tuple),
    )


def _customer(here: World) -> SearchStrategy[str]:
    return st.sampled_from([customer.id for customer in here.customers])


def _unit(here: World) -> SearchStrategy[str]:
    return st.sampled_from([unit.id for unit in here.units])


def _by_date(changes: Sequence[RentChange]) -> tuple[RentChange, ...]:
    return tuple(sorted(changes, key=lambda change: change.since))
