"""Rows as records: what `rows` wrote, built again; what a page of rows shares is made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, TypeAlias, TypeVar, cast

from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge, ChargeState
from invoicecore.credits import CreditEntry, CreditKind
from invoicecore.invoices import Invoice, InvoiceKind, Item, Lifecycle, Line, Share
from invoicecore.leases import Lease, RentChange
from invoicecore.messages import Message, MessageKind, MessageState
from invoicecore.money import Money, from_minor
from invoicecore.parties import Biller, BillingCycle, BillTo, Customer, InvoiceMethod, Policy, Unit
from invoicecore.payments import (
    Allocation,
    Facts,
    Payment,
    PaymentMethod,
    Refund,
    RefundState,
    Reversal,
    ReversalKind,
)
from invoicecore.periods import Frequency, Period
from invoicecore.ports import Event, KeyUse, PayLink
from invoicecore.proration import DayCount
from invoicecore.serde import loads
from invoicecore.taxes import TaxAmount, TaxRate

Found: TypeAlias = Sequence[Any]
"""One row as the database gave it, columns in the table's order."""

T = TypeVar("T")

_CYCLES: Final = {cycle.value: cycle for cycle in BillingCycle}
_KINDS: Final = {kind.value: kind for kind in InvoiceKind}
_LIFECYCLES: Final = {lifecycle.value: lifecycle for lifecycle in Lifecycle}
_FREQUENCIES: Final = {frequency.value: frequency for frequency in Frequency}
_METHODS: Final = {method.value: method for method in InvoiceMethod}
_DAY_COUNTS: Final = {count.value: count for count in DayCount}
_ONE: Final = Decimal(1)


class Moneys(dict[int, Money]):
    """Each amount of one currency that a page has, made once."""

    def __init__(self, currency: str) -> None:
        super().__init__()
        self._currency = currency

    def __missing__(self, whole: int) -> Money:
        money = self[whole] = from_minor(whole, self._currency)
        return money


class _Currencies(dict[str, Moneys]):
    def __missing__(self, currency: str) -> Moneys:
        moneys = self[currency] = Moneys(currency)
        return moneys


class _Periods(dict[tuple[date, date], Period]):
    def __missing__(self, days: tuple[date, date]) -> Period:
        period = self[days] = Period(*days)
        return period


class Page:
    """The records of one answer; `moneys[currency][minor units]` are its amounts."""

    def __init__(self) -> None:
        self.moneys = _Currencies()
        self._periods = _Periods()
        self._read: dict[tuple[str, object], object] = {}

    def json(self, text: str | None, kind: type[T], empty: T) -> T:
        """A value that is stored as text, read once for a page; `empty` where there is none."""
        if text is None:
            return empty
        key = (text, kind)
        value = self._read.get(key)
        if value is None:
            value = self._read[key] = loads(text, kind, source="stored record")
        return cast(T, value)

    def biller(self, row: Found) -> Biller:
        """A biller of its row."""
        id, name, currency, timezone, locale, policy, payments, address, email, version = row
        return Biller(
            id=id,
            name=name,
            currency=currency,
            timezone=timezone,
            locale=locale,
            policy=loads(policy, Policy, source="stored policy"),
            payments=payments,
            address=address,
            email=email,
            version=version,
        )

    def customer(self, row: Found) -> Customer:
        """A customer of its row."""
        biller, id, name, email, address, locale, cycle, day, notify, next_cycle_on, version = row
        return Customer(
            id=id,
            biller=biller,
            name=name,
            email=email,
            address=address,
            locale=locale,
            billing_cycle=_CYCLES[cycle],
            billing_day=day,
            notify=notify,
            next_cycle_on=next_cycle_on,
            version=version,
        )

    def unit(self, row: Found) -> Unit:
        """A unit of its row."""
        biller, id, number, resident, version = row
        return Unit(id=id, biller=biller, number=number, resident=resident, version=version)

    def group(self, row: Found) -> Group:
        """A group of its row."""
        biller, id, name, organiser, version = row
        return Group(id=id, biller=biller, name=name, organiser=organiser, version=version)

    def booking(self, row: Found) -> Booking:
        """A booking of its row."""
        biller, id, customer, unit, group, arrives, departs, items, version = row
        return Booking(
            id=id,
            biller=biller,
            customer=customer,
            unit=unit,
            arrives=arrives,
            departs=departs,
            items=self.json(items, tuple[Item, ...], ()),
            group=group,
            version=version,
        )

    def lease(self, row: Found) -> Lease:
        """A lease of its row."""
        # fmt: off
        (
            biller, id, customer, unit, currency, rent, frequency, starts, ends, anchor_day, method, advance_days,
            day_count, bill_from, description, taxes, changes, next_period, next_run_on, finished, invoiced, version,
        ) = row
        # fmt: on
        return Lease(
            id=id,
            biller=biller,
            customer=customer,
            unit=unit,
            rent=self.moneys[currency][rent],
            frequency=_FREQUENCIES[frequency],
            starts=starts,
            ends=ends,
            anchor_day=anchor_day,
            method=_METHODS[method],
            advance_days=advance_days,
            day_count=_DAY_COUNTS[day_count],
            bill_from=bill_from,
            description=description,
            taxes=self.json(taxes, tuple[TaxRate, ...], ()) if taxes else (),
            changes=self.json(changes, tuple[RentChange, ...], ()) if changes else (),
            next_period=next_period,
            next_run_on=next_run_on,
            finished=finished,
            invoiced=invoiced,
            version=version,
        )

    def charge(self, row: Found) -> Charge:
        """A charge of its row."""
        biller, id, customer, description, currency, price, quantity, on, taxes, state, invoice, version = row
        return Charge(
            id=id,
            biller=biller,
            customer=customer,
            description=description,
            unit_price=self.moneys[currency][price],
            on=on,
            quantity=Decimal(quantity),
            taxes=self.json(taxes, tuple[TaxRate, ...], ()),
            state=ChargeState(state),
            invoice=invoice,
            version=version,
        )

    def invoice(self, row: Found, lines: Iterable[Found], taxes: Iterable[Found]) -> Invoice:
        """An invoice of its row and those of its lines and taxes, in their order."""
        # fmt: off
        (
            biller, id, kind, lifecycle, _, number, draft_reference, title, description, customer, unit, lease,
            booking, group, currency, total, paid, credit, refunded, refunded_credit, in_flight, inclusive, notify,
            name, email, address, locale, drafted_on, due_on, due_by_terms, issued_on, voided_on, late,
            start, end, period_index, revision, cycle, version, noted,
        ) = row
        # fmt: on
        moneys = self.moneys[currency]
        return Invoice(
            id=id,
            biller=biller,
            kind=_KINDS[kind],
            lifecycle=_LIFECYCLES[lifecycle],
            currency=currency,
            title=title,
            lines=tuple([self._line(line, moneys) for line in lines]),
            taxes=tuple([self.tax(tax, moneys) for tax in taxes]),
            total=moneys[total],
            facts=Facts(
                paid=moneys[paid],
                credit=moneys[credit],
                refunded=moneys[refunded],
                refunded_credit=moneys[refunded_credit],
                in_flight=moneys[in_flight],
                noted=moneys[noted],
            ),
            drafted_on=drafted_on,
            due_on=due_on,
            due_by_terms=due_by_terms,
            draft_reference=draft_reference,
            number=number,
            description=description,
            customer=customer,
            unit=unit,
            lease=lease,
            booking=booking,
            group=group,
            prices_include_tax=inclusive,
            notify=notify,
            bill_to=None if name is None else BillTo(name=name, email=email, address=address, locale=locale),
            issued_on=issued_on,
            voided_on=voided_on,
            late=late,
            period=None if start is None else self._periods[start, end],
            period_index=period_index,
            revision=revision,
            cycle=cycle,
            version=version,
        )

    def _line(self, row: Found, moneys: Moneys) -> Line:
        _, _, _, description, quantity, price, amount, taxes, start, end, days, of_days, count, exact, charge, site = (
            row
        )
        return Line(
            description=description,
            amount=moneys[amount],
            unit_price=moneys[price],
            quantity=_ONE if quantity == "1" else Decimal(quantity),
            taxes=self.json(taxes, tuple[TaxRate, ...], ()) if taxes else (),
            period=None if start is None else self._periods[start, end],
            share=None
            if days is None
            else Share(days=days, of_days=of_days, day_count=_DAY_COUNTS[count], exact=Fraction(exact)),
            charge=charge,
            site=site,
        )

    def tax(self, row: Found, moneys: Moneys) -> TaxAmount:
        """What one rate came to, of its row."""
        _, _, _, name, percent, category, base, tax = row
        return TaxAmount(
            rate=TaxRate(name=name, percent=Decimal(percent), category=category), base=moneys[base], tax=moneys[tax]
        )

    def payment(self, row: Found, allocations: Iterable[Found]) -> Payment:
        """A payment of its row and those of its allocations, in their order."""
        biller, id, customer, currency, amount, credited, method, received_on, reference, actor, collection, version = (
            row
        )
        moneys = self.moneys[currency]
        return Payment(
            id=id,
            biller=biller,
            customer=customer,
            amount=moneys[amount],
            method=PaymentMethod(method),
            received_on=received_on,
            allocations=tuple(Allocation(invoice=part[3], amount=moneys[part[4]]) for part in allocations),
            credited=moneys[credited],
            reference=reference,
            actor=actor,
            collection=collection,
            version=version,
        )

    def reversal(self, row: Found) -> Reversal:
        """A reversal of its row."""
        biller, id, payment, currency, amount, on, reason, actor, kind, reference, cancelled_on, version = row
        return Reversal(
            id=id,
            biller=biller,
            payment=payment,
            amount=self.moneys[currency][amount],
            reversed_on=on,
            reason=reason,
            actor=actor,
            kind=ReversalKind(kind),
            reference=reference,
            cancelled_on=cancelled_on,
            version=version,
        )

    def refund(self, row: Found) -> Refund:
        """A refund of its row."""
        # fmt: off
        (
            biller, id, invoice, currency, amount, to_credit, from_credit, method, on, reference, reason, actor, state,
            gateway, payment, before, submitted_at, next_try_at, tries, failed_on, error, version,
            of_credit,
        ) = row
        # fmt: on
        moneys = self.moneys[currency]
        return Refund(
            id=id,
            biller=biller,
            invoice=invoice,
            amount=moneys[amount],
            to_credit=moneys[to_credit],
            from_credit=moneys[from_credit],
            method=PaymentMethod(method),
            refunded_on=on,
            reference=reference,
            reason=reason,
            actor=actor,
            state=RefundState(state),
            gateway=gateway,
            payment=payment,
            refunded_before=None if before is None else moneys[before],
            submitted_at=submitted_at,
            next_try_at=next_try_at,
            tries=tries,
            failed_on=failed_on,
            error=error,
            version=version,
            of_credit=None if of_credit is None else moneys[of_credit],
        )

    def credit_entry(self, row: Found) -> CreditEntry:
        """A credit entry of its row."""
        biller, id, customer, currency, seq, kind, amount, balance, on, invoice, payment, note, actor = row
        moneys = self.moneys[currency]
        return CreditEntry(
            id=id,
            biller=biller,
            customer=customer,
            seq=seq,
            kind=CreditKind(kind),
            amount=moneys[amount],
            balance=moneys[balance],
            on=on,
            invoice=invoice,
            payment=payment,
            note=note,
            actor=actor,
        )

    def event(self, row: Found) -> Event:
        """An event of its row."""
        biller, subject, version, step, action, at, on, actor, detail = row
        return Event(
            biller=biller,
            subject=subject,
            version=version,
            step=step,
            action=action,
            at=at,
            on=on,
            actor=actor,
            detail=detail,
        )

    def message(self, row: Found) -> Message:
        """A message of its row."""
        # fmt: off
        (
            biller, id, kind, invoice, to, locale, queued_at, about, state, tries, next_try_at, sent_at, error, version,
        ) = row
        # fmt: on
        return Message(
            id=id,
            biller=biller,
            kind=MessageKind(kind),
            invoice=invoice,
            to=to,
            locale=locale,
            queued_at=queued_at,
            about=about,
            state=MessageState(state),
            tries=tries,
            next_try_at=next_try_at,
            sent_at=sent_at,
            error=error,
            version=version,
        )

    def pay_link(self, row: Found) -> PayLink:
        """A link of its row."""
        biller, id, invoice, made_at, revoked_at, version = row
        return PayLink(id=id, biller=biller, invoice=invoice, made_at=made_at, revoked_at=revoked_at, version=version)

    def key_use(self, row: Found) -> KeyUse:
        """The use of a key of its row."""
        biller, id, action, digest, results = row
        return KeyUse(
            id=id, biller=biller, action=action, digest=digest, results=self.json(results, tuple[str, ...], ())
        )
