"""A small world of records to test with: one biller and everything an invoice can refer to.

Ids repeat from biller to biller on purpose: "c1" of one is nobody to another (T1).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs

from invoicecore.alerts import Alert, AlertKind
from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge
from invoicecore.collection import Collection, SavedMethod
from invoicecore.credit_notes import CreditLine, CreditNote
from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.inbox import InboxEvent
from invoicecore.invoices import Invoice, InvoiceKind, Item, Lifecycle, Line, amounts
from invoicecore.leases import Lease
from invoicecore.messages import Message, MessageKind
from invoicecore.money import Money, from_minor
from invoicecore.parties import Biller, Customer, Unit, policy_for
from invoicecore.payments import Allocation, Facts, Payment, PaymentMethod, Refund, Reversal
from invoicecore.periods import Frequency
from invoicecore.ports import R, Record

DAY = date(2026, 4, 24)
"""The day on which the samples happen."""

AT = datetime(2026, 4, 24, 22, 30, 0, 123456, tzinfo=UTC)
"""An instant of that day."""

TOMORROW, YESTERDAY = DAY + timedelta(days=1), DAY - timedelta(days=1)


@attrs.frozen(kw_only=True)
class World:
    """One biller with three customers, two units, two leases, a group of two bookings; all in one currency."""

    biller: Biller
    units: tuple[Unit, ...]
    customers: tuple[Customer, ...]
    leases: tuple[Lease, ...]
    groups: tuple[Group, ...]
    bookings: tuple[Booking, ...]

    @property
    def id(self) -> str:
        """The biller's id."""
        return self.biller.id

    @property
    def records(self) -> list[Record]:
        """Everything in it, what is referred to before what refers to it."""
        return [self.biller, *self.customers, *self.units, *self.leases, *self.groups, *self.bookings]

    def money(self, minor: int) -> Money:
        """So many minor units of its currency."""
        return from_minor(minor, self.biller.currency)


def world(biller: str = "b1", currency: str = "EUR") -> World:
    """A world whose ids are the same for every biller but the biller's own."""
    customers = tuple(
        Customer(id=f"c{n}", biller=biller, name=f"Customer {n}", email=f"c{n}@example.org") for n in (1, 2, 3)
    )
    units = tuple(Unit(id=f"u{n}", biller=biller, number=f"{n}", resident=f"c{n}") for n in (1, 2))
    price = from_minor(62_000, currency)
    return World(
        biller=Biller(
            id=biller,
            name=f"Biller {biller}",
            currency=currency,
            timezone="Europe/Paris",
            locale="fr_FR",
            policy=policy_for("stays"),
        ),
        units=units,
        customers=customers,
        leases=tuple(
            Lease(
                id=f"l{n}",
                biller=biller,
                customer=f"c{n}",
                unit=f"u{n}",
                rent=price,
                frequency=Frequency.MONTHLY,
                starts=date(2026, 1, 1),
            )
            for n in (1, 2)
        ),
        groups=(
            Group(id="g1", biller=biller, name="Family", organiser="c1"),
            Group(id="g2", biller=biller, name="Scouts", organiser="c2"),
        ),
        bookings=tuple(
            Booking(
                id=f"k{n}",
                biller=biller,
                customer="c1",
                unit=f"u{n}",
                arrives=date(2026, 7, 1),
                departs=date(2026, 7, 8),
                items=(Item(description="Pitch", unit_price=price),),
                group="g1",
            )
            for n in (1, 2)
        ),
    )


def changed(record: R, **fields: object) -> R:
    """The record with other fields, for code that does not know which kind it is."""
    return attrs.evolve(record, **fields)  # type: ignore[arg-type]  # its constructor checks them


def facts(
    currency: str,
    *,
    paid: int = 0,
    credit: int = 0,
    refunded: int = 0,
    refunded_credit: int = 0,
    in_flight: int = 0,
    noted: int = 0,
) -> Facts:
    """Money facts in minor units."""
    return Facts(
        paid=from_minor(paid, currency),
        credit=from_minor(credit, currency),
        refunded=from_minor(refunded, currency),
        refunded_credit=from_minor(refunded_credit, currency),
        in_flight=from_minor(in_flight, currency),
        noted=from_minor(noted, currency),
    )


def invoice(
    here: World,
    id: str,
    *,
    amount: int = 1_000,
    number: str | None = None,
    due_on: date = DAY,
    paid: int = 0,
    credit: int = 0,
    refunded: int = 0,
    in_flight: int = 0,
    noted: int = 0,
    **rest: object,
) -> Invoice:
    """An invoice of one untaxed line: published when it has a number, a draft otherwise; `rest` are Invoice's fields."""
    currency = here.biller.currency
    lines = (Line(description="Rent", amount=here.money(amount), unit_price=here.money(amount), quantity=Decimal(1)),)
    total, taxes = amounts(lines, currency=currency, prices_include_tax=False)
    fields: dict[str, object] = {
        "kind": InvoiceKind.STANDALONE,
        "lifecycle": Lifecycle.OPEN if number else Lifecycle.DRAFT,
        "issued_on": DAY if number else None,
        "draft_reference": f"D-{id}",
        "drafted_on": DAY,
        "title": f"Invoice {id}",
        "customer": "c1",
        **rest,
    }
    return Invoice(
        id=id,
        biller=here.id,
        currency=currency,
        lines=lines,
        taxes=taxes,
        total=total,
        facts=facts(currency, paid=paid, credit=credit, refunded=refunded, in_flight=in_flight, noted=noted),
        due_on=due_on,
        number=number,
        **fields,  # type: ignore[arg-type]  # Invoice's own fields, checked by its constructor
    )


def charge(here: World, id: str, customer: str = "c1", **rest: object) -> Charge:
    """An open charge; `rest` are Charge's fields."""
    fields: dict[str, object] = {"description": "Consultation", "unit_price": here.money(8_000), "on": DAY, **rest}
    return Charge(id=id, biller=here.id, customer=customer, **fields)  # type: ignore[arg-type]  # as above


def payment(here: World, id: str, *parts: tuple[str, int], credited: int = 0, customer: str = "c1") -> Payment:
    """A transfer over (invoice id, minor units) parts, the rest credited."""
    return Payment(
        id=id,
        biller=here.id,
        customer=customer,
        amount=here.money(credited + sum(minor for _, minor in parts)),
        method=PaymentMethod.TRANSFER,
        received_on=DAY,
        allocations=tuple(Allocation(invoice=invoice, amount=here.money(minor)) for invoice, minor in parts),
        credited=here.money(credited),
    )


def credit(here: World, seq: int, *, customer: str = "c1", currency: str | None = None, **rest: object) -> CreditEntry:
    """The `seq`-th deposit of ten minor units; `rest` are CreditEntry's fields."""
    code = currency or here.biller.currency
    fields: dict[str, object] = {"id": f"{customer}-{code}-{seq}", "kind": CreditKind.DEPOSIT, "on": DAY, **rest}
    return CreditEntry(
        biller=here.id,
        customer=customer,
        seq=seq,
        amount=from_minor(10, code),
        balance=from_minor(10 * seq, code),
        **fields,  # type: ignore[arg-type]  # as above
    )


def reversal(here: World, id: str, payment: str = "p1", **rest: object) -> Reversal:
    """Five minor units of a payment taken back; `rest` are Reversal's fields."""
    fields: dict[str, object] = {"reversed_on": DAY, "reason": "bounced", **rest}
    return Reversal(id=id, biller=here.id, payment=payment, amount=here.money(5), **fields)  # type: ignore[arg-type]  # as above


def refund(here: World, id: str, invoice: str = "i1", **rest: object) -> Refund:
    """Ten minor units given back, four of them as credit; `rest` are Refund's fields."""
    fields: dict[str, object] = {"method": PaymentMethod.TRANSFER, "refunded_on": DAY, **rest}
    parts = {"amount": here.money(10), "to_credit": here.money(4), "from_credit": here.money(0)}
    return Refund(id=id, biller=here.id, invoice=invoice, **parts, **fields)  # type: ignore[arg-type]  # as above


def message(here: World, id: str, invoice: str = "i1", **rest: object) -> Message:
    """An e-mail about an invoice; `rest` are Message's fields."""
    fields: dict[str, object] = {"kind": MessageKind.INVOICE_ISSUED, "queued_at": AT, **rest}
    return Message(id=id, biller=here.id, invoice=invoice, to="c1@example.org", locale="fr_FR", **fields)  # type: ignore[arg-type]  # as above


def saved_method(here: World, id: str, customer: str = "c1", **rest: object) -> SavedMethod:
    """A card that is being set up; `rest` are SavedMethod's fields."""
    fields: dict[str, object] = {"gateway": "cards", "kind": PaymentMethod.CARD, "made_at": AT, **rest}
    return SavedMethod(id=id, biller=here.id, customer=customer, **fields)  # type: ignore[arg-type]  # as above


def collection(here: World, id: str, invoice: str = "i1", **rest: object) -> Collection:
    """A reserved collection of ten minor units by card; `rest` are Collection's fields."""
    fields: dict[str, object] = {
        "customer": "c1",
        "gateway": "cards",
        "kind": PaymentMethod.CARD,
        "collected": here.money(0),
        "made_at": AT,
        **rest,
    }
    return Collection(id=id, biller=here.id, invoice=invoice, amount=here.money(10), **fields)  # type: ignore[arg-type]  # as above


def inbox_event(here: World, id: str, **rest: object) -> InboxEvent:
    """An event of a provider that waits to be applied; `rest` are InboxEvent's fields."""
    fields: dict[str, object] = {"gateway": "cards", "kind": "payment.paid", "about": "payment", **rest}
    return InboxEvent(id=id, biller=here.id, reference=f"of {id}", received_at=AT, **fields)  # type: ignore[arg-type]  # as above


def alert(here: World, id: str, about: str, **rest: object) -> Alert:
    """An alert nobody has resolved; `rest` are Alert's fields."""
    fields: dict[str, object] = {"kind": AlertKind.DOUBTFUL, "text": "Nobody knows", "raised_at": AT, **rest}
    return Alert(id=id, biller=here.id, about=about, **fields)  # type: ignore[arg-type]  # as above


def credit_note(here: World, id: str, invoice: str = "i1", *, lines: int = 1, **rest: object) -> CreditNote:
    """A note over some untaxed lines of five minor units each; `rest` are CreditNote's fields."""
    each = tuple(CreditLine(line=n, description=f"Line {n}", amount=here.money(5)) for n in range(lines))
    fields: dict[str, object] = {
        "number": f"CN-{id}", "settled": here.money(0), "issued_on": DAY, "lease_ends": DAY, **rest,
    }  # fmt: skip
    return CreditNote(
        id=id,
        biller=here.id,
        invoice=invoice,
        currency=here.biller.currency,
        lines=each,
        taxes=(),
        total=here.money(5 * lines),
        **fields,  # type: ignore[arg-type]  # as above
    )
