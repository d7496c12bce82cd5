"""Records as rows: tuples in the order of the table's columns, as the driver binds them.

A billing run writes hundreds of thousands of them, so this is plain code: no reflection, no copying, and each date,
instant and amount of a batch is converted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Date

from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.errors import CurrencyMismatch
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.money import Money, minor
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Facts, Payment, Refund, Reversal
from invoicecore.ports import Event, KeyUse, PayLink
from invoicecore.serde import dumps
from invoicecore_adapters.sql.dialects import Dialect, Row
from invoicecore_adapters.sql.instants import Instant


class Batch:
    """The rows of one bulk write, sharing what their records share.

    `days[x]`, `instants[x]` and `flags[x]` are what a date, an instant and a boolean are bound as.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.days = dialect.days()
        self.instants = dialect.instants()
        self.flags = dialect.flags
        self._minors: dict[int, int] = {}
        self._facts: dict[int, tuple[int, ...]] = {}
        self._kept: list[object] = []
        self._texts: dict[object, str] = {}

    def bound(self, column: Column[Any], values: tuple[Any, ...]) -> tuple[Any, ...]:
        """A column's values as they were read, the way they are bound."""
        if isinstance(column.type, Date):
            return tuple(self.days[value] for value in values)
        if isinstance(column.type, Instant):
            return tuple(self.instants[value] for value in values)
        return values

    def minor(self, money: Money, currency: str) -> int:
        """An amount in minor units; CurrencyMismatch for one of another currency than its record's."""
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

    def facts(self, facts: Facts, currency: str) -> tuple[int, ...]:
        """What is paid, credit, refunded, refunded to credit, in flight and noted, in minor units."""
        whole = self._facts.get(id(facts))  # a run's invoices share those of what nothing has happened to
        if whole is None:
            amounts = (
                facts.paid, facts.credit, facts.refunded, facts.refunded_credit, facts.in_flight, facts.noted
            )  # fmt: skip
            whole = self._facts[id(facts)] = tuple(self.minor(amount, currency) for amount in amounts)
            self._kept.append(facts)
        return whole

    def json(self, values: tuple[object, ...]) -> str | None:
        """A list of values as text, None for none; written once for a batch."""
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
            self.flags[it.payments],
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
            None if it.notify is None else self.flags[it.notify],
            self.days[it.next_cycle_on],
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
            self.days[it.arrives],
            self.days[it.departs],
            dumps(it.items),
            it.version,
        )

    def lease(self, it: Lease) -> Row:
        """A row of leases."""
        days = self.days
        currency = it.rent.currency.code
        return (
            it.biller,
            it.id,
            it.customer,
            it.unit,
            currency,
            self.minor(it.rent, currency),
            it.frequency._value_,
            days[it.starts],
            days[it.ends],
            it.anchor_day,
            it.method._value_,
            it.advance_days,
            it.day_count._value_,
            days[it.bill_from],
            it.description,
            self.json(it.taxes) if it.taxes else None,
            dumps(it.changes) if it.changes else None,
            it.next_period,
            days[it.next_run_on],
            self.flags[it.finished],
            self.flags[it.invoiced],
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
            self.minor(it.unit_price, currency),
            str(it.quantity),
            self.days[it.on],
            self.json(it.taxes),
            it.state.value,
            it.invoice,
            it.version,
        )

    def invoice(self, it: Invoice) -> Row:
        """A row of invoices, its phase worked out by the core (D1)."""
        days, flags, currency = self.days, self.flags, it.currency
        period, payer = it.period, it.bill_to
        *moved, noted = self.facts(it.facts, currency)
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
            self.minor(it.total, currency),
            *moved,
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
            noted,
        )

    def lines(self, it: Invoice) -> Iterator[Row]:
        """An invoice's rows of lines."""
        days, currency = self.days, it.currency
        for position, line in enumerate(it.lines):
            period, share = line.period, line.share
            yield (
                it.biller,
                it.id,
                position,
                line.description,
                str(line.quantity),
                self.minor(line.unit_price, currency),
                self.minor(line.amount, currency),
                self.json(line.taxes) if line.taxes else None,
                *((None, None) if period is None else (days[period.start], days[period.end])),
                *(
                    (None, None, None, None)
                    if share is None
                    else (share.days, share.of_days, share.day_count._value_, str(share.exact))
                ),
                line.charge,
                line.site,
            )

    def taxes(self, it: Invoice | CreditNote) -> Iterator[Row]:
        """An invoice's rows of invoice_taxes, or a credit note's of credit_note_taxes."""
        for position, tax in enumerate(it.taxes):
            yield (
                it.biller,
                it.id,
                position,
                tax.rate.name,
                str(tax.rate.percent),
                tax.rate.category,
                self.minor(tax.base, it.currency),
                self.minor(tax.tax, it.currency),
            )

    def payment(self, it: Payment) -> Row:
        """A row of payments."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.customer,
            currency,
            self.minor(it.amount, currency),
            self.minor(it.credited, currency),
            it.method.value,
            self.days[it.received_on],
            it.reference,
            it.actor,
            it.collection,
            it.version,
        )

    def allocations(self, it: Payment) -> Iterator[Row]:
        """A payment's rows of allocations."""
        currency = it.amount.currency.code
        for position, part in enumerate(it.allocations):
            yield (it.biller, it.id, position, part.invoice, self.minor(part.amount, currency))

    def reversal(self, it: Reversal) -> Row:
        """A row of reversals."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.payment,
            currency,
            self.minor(it.amount, currency),
            self.days[it.reversed_on],
            it.reason,
            it.actor,
            it.kind.value,
            it.reference,
            self.days[it.cancelled_on],
            it.version,
        )

    def refund(self, it: Refund) -> Row:
        """A row of refunds."""
        currency = it.amount.currency.code
        return (
            it.biller,
            it.id,
            it.invoice,
            currency,
            self.minor(it.amount, currency),
            self.minor(it.to_credit, currency),
            self.minor(it.from_credit, currency),
            it.method.value,
            self.days[it.refunded_on],
            it.reference,
            it.reason,
            it.actor,
            it.state.value,
            it.gateway,
            it.payment,
            None if it.refunded_before is None else self.minor(it.refunded_before, currency),
            self.instants[it.submitted_at],
            self.instants[it.next_try_at],
            it.tries,
            self.days[it.failed_on],
            it.error,
            it.version,
            None if it.of_credit is None else self.minor(it.of_credit, currency),
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
            self.minor(it.amount, currency),
            self.minor(it.balance, currency),
            self.days[it.on],
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
            self.instants[it.at],
            self.days[it.on],
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
            self.instants[it.queued_at],
            it.about,
            it.state.value,
            it.tries,
            self.instants[it.next_try_at],
            self.instants[it.sent_at],
            it.error,
            it.version,
        )

    def pay_link(self, it: PayLink) -> Row:
        """A row of pay_links."""
        return (
            it.biller,
            it.id,
            it.invoice,
            self.instants[it.made_at],
            self.instants[it.revoked_at],
            it.version,
        )

    def key_use(self, it: KeyUse) -> Row:
        """A row of key_uses."""
        return (it.biller, it.id, it.action, it.digest, dumps(it.results))
