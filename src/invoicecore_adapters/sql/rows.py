"""Records as rows: tuples in the order of the table's columns, as the driver binds them.

A billing run writes hundreds of thousands of them, so this is plain code: no reflection, no copying, and each date,
instant and amount of a batch is converted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, cast

import attrs
from sqlalchemy import Table

from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge
from invoicecore.credits import CreditEntry
from invoicecore.errors import CurrencyMismatch
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.money import Money, minor
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.ports import Event, KeyUse, PayLink, Record
from invoicecore.serde import dumps
from invoicecore_adapters.sql import schema
from invoicecore_adapters.sql.dialects import Bound, Dialect

Row: TypeAlias = tuple[Bound, ...]


class Batch:
    """The rows of one bulk write, sharing what their records share."""

    def __init__(self, dialect: Dialect) -> None:
        self._days = dialect.days()
        self._instants = dialect.instants()
        self._flags = dialect.flags
        self._minors: dict[int, int] = {}
        self._kept: list[Money] = []
        self._texts: dict[object, str] = {}

    def _minor(self, money: Money, currency: str) -> int:
        # By identity: a run's lines, totals and zeros are mostly the same few objects. They are kept alive meanwhile,
        # so that no other object can come to live under the same id.
        whole = self._minors.get(id(money))
        if whole is None:
            if money.currency.code != currency:
                raise CurrencyMismatch(
                    "amount", money, f"is in {money.currency.code} on a record in {currency}", "give one"
                )
            whole = self._minors[id(money)] = minor(money)
            self._kept.append(money)
        return whole

    def _json(self, values: tuple[object, ...]) -> str | None:
        if not values:
            return None
        text = self._texts.get(values)
        if text is None:
            text = self._texts[values] = dumps(values)
        return text

    def biller(self, it: Biller) -> Row:
        """A row of billers."""
        return (
            it.id,
            it.name,
            it.currency,
            it.timezone,
            it.locale,
            dumps(it.policy),
            self._flags[it.payments],
            it.address,
            it.email,
            it.version,
        )

    def customer(self, it: Customer) -> Row:
        """A row of customers."""
        return (
            it.biller,
            it.id,
            it.name,
            it.email,
            it.address,
            it.locale,
            it.billing_cycle.value,
            it.billing_day,
            None if it.notify is None else self._flags[it.notify],
            self._days[it.next_cycle_on],
            it.version,
        )

    def unit(self, it: Unit) -> Row:
        """A row of units."""
        return (it.biller, it.id, it.number, it.resident, it.version)

    def group(self, it: Group) -> Row:
        """A row of booking_groups."""
        return (it.biller, it.id, it.name, it.organiser, it.version)

    def booking(self, it: Booking) -> Row:
        """A row of bookings."""
        return (
            it.biller,
            it.id,
            it.customer,
            it.unit,
            it.group,
            self._days[it.arrives],
            self._days[it.departs],
            dumps(it.items),
            it.version,
        )

    def lease(self, it: Lease) -> Row:
        """A row of leases."""
        days = self._days
        currency = it.rent.currency.code
        return (
            it.biller,
            it.id,
            it.customer,
            it.unit,
            currency,
            self._minor(it.rent, currency),
            it.frequency._value_,
            days[it.starts],
            days[it.ends],
            it.anchor_day,
            it.method._value_,
            it.advance_days,
            it.day_count._value_,
            days[it.bill_from],
            it.description,
            self._json(it.taxes) if it.taxes else None,
            dumps(it.changes) if it.changes else None,
            it.next_period,
            days[it.next_run_on],
            self._flags[it.finished],
            self._flags[it.invoiced],
            it.version,
        )

    def charge(self, it: Charge) -> Row:
        """A row of charges."""
        currency = it.unit_price.currency.code
        return (
            it.biller,
            it.id,
            it.customer,
            it.description,
            currency,
            self._minor(it.unit_price, currency),
            str(it.quantity),
            self._days[it.on],
            self._json(it.taxes),
            it.state.value,
            it.invoice,
            it.version,
        )

    def invoice(self, it: Invoice) -> Row:
        """A row of invoices, its phase worked out by the core (D1)."""
        days, flags, whole, currency = self._days, self._flags, self._minor, it.currency
        facts, period, payer = it.facts, it.period, it.bill_to
        return (
            it.biller,
            it.id,
            it.kind._value_,
            it.lifecycle._value_,
            it.phase._value_,
            it.number,
            it.draft_reference,
            it.title,
            it.description,
            it.customer,
            it.unit,
            it.lease,
            it.booking,
            it.group,
            currency,
            whole(it.total, currency),
            whole(facts.paid, currency),
            whole(facts.credit, currency),
            whole(facts.refunded, currency),
            whole(facts.refunded_credit, currency),
            whole(facts.in_flight, currency),
            flags[it.prices_include_tax],
            flags[it.notify],
            *((None, None, None, None) if payer is None else (payer.name, payer.email, payer.address, payer.locale)),
            days[it.drafted_on],
            days[it.due_on],
            flags[it.due_by_terms],
            days[it.issued_on],
            days[it.voided_on],
            flags[it.late],
            *((None, None) if period is None else (days[period.start], days[period.end])),
            it.period_index,
            it.revision,
            days[it.cycle],
            it.version,
        )

    def lines(self, it: Invoice) -> Iterator[Row]:
        """An invoice's rows of lines."""
        days, currency = self._days, it.currency
        for position, line in enumerate(it.lines):
            period, share = line.period, line.share
            yield (
                it.biller,
                it.id,
                position,
                line.description,
                str(line.quantity),
                self._minor(line.unit_price, currency),
                self._minor(line.amount, currency),
                self._json(line.taxes) if line.taxes else None,
                *((None, None) if period is None else (days[period.start], days[period.end])),
                *(
                    (None, None, None, None)
                    if share is None
                    else (share.days, share.of_days, share.day_count._value_, str(share.exact))
                ),
                line.charge,
                line.site,
            )

    def invoice_taxes(self, it: Invoice) -> Iterator[Row]:
        """An invoice's rows of invoice_taxes."""
        for position, tax in enumerate(it.taxes):
            yield (
                it.biller,
                it.id,
                position,
                tax.rate.name,
                str(tax.rate.percent),
                tax.rate.category,
                self._minor(tax.base, it.currency),
                self._minor(tax.tax, it.currency),
            )

    def payment(self, it: Payment) -> Row:
        """A row of payments."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.customer,
            currency,
            self._minor(it.amount, currency),
            self._minor(it.credited, currency),
            it.method.value,
            self._days[it.received_on],
            it.reference,
            it.actor,
        )

    def allocations(self, it: Payment) -> Iterator[Row]:
        """A payment's rows of allocations."""
        currency = it.amount.currency.code
        for position, part in enumerate(it.allocations):
            yield (it.biller, it.id, position, part.invoice, self._minor(part.amount, currency))

    def reversal(self, it: Reversal) -> Row:
        """A row of reversals."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.payment,
            currency,
            self._minor(it.amount, currency),
            self._days[it.reversed_on],
            it.reason,
            it.actor,
        )

    def refund(self, it: Refund) -> Row:
        """A row of refunds."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.invoice,
            currency,
            self._minor(it.amount, currency),
            self._minor(it.to_credit, currency),
            self._minor(it.from_credit, currency),
            it.method.value,
            self._days[it.refunded_on],
            it.reference,
            it.reason,
            it.actor,
        )

    def credit_entry(self, it: CreditEntry) -> Row:
        """A row of credit_entries."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.customer,
            currency,
            it.seq,
            it.kind.value,
            self._minor(it.amount, currency),
            self._minor(it.balance, currency),
            self._days[it.on],
            it.invoice,
            it.payment,
            it.note,
            it.actor,
        )

    def event(self, it: Event) -> Row:
        """A row of events."""
        return (
            it.biller,
            it.subject,
            it.version,
            it.step,
            it.action,
            self._instants[it.at],
            self._days[it.on],
            it.actor,
            it.detail,
        )

    def message(self, it: Message) -> Row:
        """A row of messages."""
        return (
            it.biller,
            it.id,
            it.kind.value,
            it.invoice,
            it.to,
            it.locale,
            self._instants[it.queued_at],
            it.about,
            it.state.value,
            it.tries,
            self._instants[it.next_try_at],
            self._instants[it.sent_at],
            it.error,
            it.version,
        )

    def pay_link(self, it: PayLink) -> Row:
        """A row of pay_links."""
        return (
            it.biller,
            it.id,
            it.invoice,
            self._instants[it.made_at],
            self._instants[it.revoked_at],
            it.version,
        )

    def key_use(self, it: KeyUse) -> Row:
        """A row of key_uses."""
        return (it.biller, it.id, it.action, it.digest, dumps(it.results))


@attrs.frozen
class Shelf:
    """Where one kind of record is kept: its table, how its row is made, and the tables of its parts.

    `noun` names it in a message; `fields` maps a record's field to the column of another name. `hot` are the columns
    that journeys change in bulk: where only these differ, nothing else is written.
    """

    noun: str
    table: Table
    row: Callable[[Batch, Record], Row]
    parts: tuple[tuple[Table, Callable[[Batch, Record], Iterator[Row]]], ...] = ()
    fields: Mapping[str, str] = attrs.Factory(dict)
    hot: tuple[str, ...] = ()


_RowOf: TypeAlias = Callable[[Batch, Record], Row]
_RowsOf: TypeAlias = Callable[[Batch, Record], Iterator[Row]]


def _shelf(noun: str, table: Table, row: object, *parts: tuple[Table, object], hot: str = "", **fields: str) -> Shelf:
    # Batch's methods each take their own kind; SHELVES pairs them with it, which a type cannot say.
    cast_parts = tuple((table, cast(_RowsOf, rows)) for table, rows in parts)
    return Shelf(noun, table, cast(_RowOf, row), cast_parts, fields, tuple(hot.split()))


# What is referred to comes before what refers to it; add() writes in this order.
SHELVES: Final[Mapping[type[object], Shelf]] = {
    Biller: _shelf("biller", schema.billers, Batch.biller),
    Customer: _shelf("customer", schema.customers, Batch.customer, hot="next_cycle_on"),
    Unit: _shelf("unit", schema.units, Batch.unit),
    Group: _shelf("group", schema.booking_groups, Batch.group),
    Booking: _shelf("booking", schema.bookings, Batch.booking, group="booking_group"),
    Lease: _shelf("lease", schema.leases, Batch.lease, hot="next_period next_run_on finished invoiced"),
    Invoice: _shelf(
        "invoice",
        schema.invoices,
        Batch.invoice,
        (schema.lines, Batch.lines),
        (schema.invoice_taxes, Batch.invoice_taxes),
        hot="lifecycle phase number paid_minor credit_minor refunded_minor refunded_credit_minor in_flight_minor "
        "bill_to_name bill_to_email bill_to_address bill_to_locale due_on issued_on voided_on",
    ),
    Charge: _shelf("charge", schema.charges, Batch.charge, hot="state invoice"),
    Payment: _shelf("payment", schema.payments, Batch.payment, (schema.allocations, Batch.allocations)),
    Reversal: _shelf("reversal", schema.reversals, Batch.reversal),
    Refund: _shelf("refund", schema.refunds, Batch.refund),
    CreditEntry: _shelf("credit entry", schema.credit_entries, Batch.credit_entry),
    Event: _shelf("event", schema.events, Batch.event),
    Message: _shelf(
        "message", schema.messages, Batch.message, hot="state tries next_try_at sent_at error", to="recipient"
    ),
    PayLink: _shelf("link", schema.pay_links, Batch.pay_link),
    KeyUse: _shelf("key", schema.key_uses, Batch.key_use),
}
