"""Registering: billers, units, customers, charges, bookings and groups, before anything is billed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from invoicecore.billing.desk import Change, Desk, biller_in, one, unit_in
from invoicecore.billing.ids import new_biller_id
from invoicecore.billing.scheduling import close_all_pages
from invoicecore.credit_notes import check_series
from invoicecore.errors import InvalidValue, NotFound
from invoicecore.leases import Lease, moved_on
from invoicecore.money import currency_of
from invoicecore.parties import (
    Biller,
    BillingCycle,
    Customer,
    Policy,
    Unit,
    changed_policy,
    email_address,
    known_fields,
    listed,
    member,
    natural_key,
    policy_for,
    text,
    yes_or_no,
)
from invoicecore.periods import clamp_day
from invoicecore.ports import InvoiceQuery, Reader
from invoicecore.reminders import check_fee
from invoicecore.wording import label_set, locale_of


class Billers:
    """The businesses that bill: `billing.billers`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        name: str,
        currency: str,
        timezone: str,
        locale: str,
        preset: str = "residents",
        policy: Policy | Mapping[str, object] | None = None,
        payments: bool = True,
        address: str = "",
        email: str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Biller:
        """Register a business that bills in one currency, lives in one time zone and starts from a preset (R1, D4).

        `policy` changes fields of the preset's policy, or is a whole Policy. Raises InvalidValue naming the field; under a scope NotFound.
        """
        if self._desk.scope is not None:
            raise NotFound("biller", name)
        biller = Biller(
            id=new_biller_id(key),
            name=text(name, "name"),
            currency=currency_of(currency).code,
            timezone=_timezone(timezone),
            locale=locale_of(locale),
            policy=_usable(policy_for(preset, policy), currency),
            payments=yes_or_no(payments, "payments"),
            address=text(address, "address", required=False, lines=True),
            email=email_address(email),
        )
        with self._desk.plugins.span("billers.add", biller=biller.id) as told:
            self._desk.plugins.authorise(action="billers.add", actor=actor, biller=biller.id)
            at = self._desk.clock.now()
            with self._desk.store.writing(biller=biller.id) as tx:
                change = Change(tx, self._desk, biller, "billers.add", self._desk.day(biller, on, at), at, actor)
                if change.replayed(key, _data(biller)) is not None:
                    return biller_in(tx, biller.id)
                tx.add([biller])
                change.made(biller.id)
                change.note(biller.id, biller.version, "added")
                change.finish()
            told["events"] = len(change.events)
        self._desk.tell(change.events)
        return biller

    def edit(
        self,
        biller: Biller | str,
        *,
        name: str | None = None,
        locale: str | None = None,
        payments: bool | None = None,
        policy: Policy | Mapping[str, object] | None = None,
        address: str | None = None,
        email: str | None = None,
        on: date | None = None,
        actor: str | None = None,
    ) -> Biller:
        """Change what may change of a biller; currency and time zone may not (R1, D4).

        New advance days move the next run date of every lease that follows the policy (S4). With payments switched off,
        providers' pages that were open are closed by `recover`, and what was reserved waits. Raises InvalidValue.
        """
        ref = self._desk.biller_id(biller)
        with self._desk.change("billers.edit", ref, on=on, actor=actor, subject=ref) as change:
            before = change.biller
            after = attrs.evolve(
                before,
                name=text(name, "name") if name is not None else before.name,
                locale=locale_of(locale) if locale is not None else before.locale,
                payments=yes_or_no(payments, "payments") if payments is not None else before.payments,
                policy=_usable(changed_policy(before.policy, policy or {}), before.currency),
                address=text(address, "address", required=False, lines=True) if address is not None else before.address,
                email=email_address(email) if email is not None else before.email,
            )
            if _numbering(before.policy) != _numbering(after.policy):
                check_series(after.policy, change.tx.counters(ref))
            change.tx.replace([after])
            if _advance(before.policy) != _advance(after.policy):
                _reschedule(change, after.policy)
            if before.payments and not after.payments:
                close_all_pages(change)
            change.note(ref, before.version + 1, "edited")
        return attrs.evolve(after, version=before.version + 1)

    def get(self, biller: Biller | str) -> Biller:
        """The biller as it stands; NotFound otherwise."""
        ref = self._desk.biller_id(biller)
        with self._desk.view() as tx:
            return biller_in(tx, ref)

    def all(self) -> list[Biller]:
        """Every biller this desk may see, by id."""
        with self._desk.view() as tx:
            if self._desk.scope is not None:
                return [biller_in(tx, self._desk.scope)]
            found = page = tx.billers()
            while page:
                page = tx.billers(after=page[-1].id)
                found = found + page
            return found


class Units:
    """Dwellings, pitches and sites: `billing.units`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        biller: Biller | str | None = None,
        number: str,
        resident: Customer | str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Unit:
        """Register a unit; its number is unique within the biller. Raises InvalidValue, Conflict, NotFound."""
        ref = self._desk.biller_id(biller)
        with self._desk.change("units.add", ref, on=on, actor=actor) as change:
            who = customer_ref(change.tx, self._desk, ref, resident)
            number = text(number, "number", longest=50)
            if (made := change.replayed(key, {"number": number, "resident": who})) is not None:
                return change.again(Unit, made)[0]
            if change.tx.find(Unit, ref, {"number": number}, limit=1):
                raise InvalidValue("number", number, "is another unit's", "give each unit a number of its own")
            unit = Unit(id=change.ids("unt")[0], biller=ref, number=number, resident=who)
            change.tx.add([unit])
            change.made(unit.id)
            change.note(unit.id, 1, "added")
        return unit

    def assign(
        self,
        unit: Unit | str,
        customer: Customer | str | None,
        *,
        biller: Biller | str | None = None,
        on: date | None = None,
        actor: str | None = None,
    ) -> Unit:
        """Make a customer the unit's primary resident, or None for nobody; published invoices keep theirs (R19)."""
        named = biller is not None or self._desk.scope is not None
        ref = self._desk.biller_id(biller) if named else self._desk.owner("unit", unit)[0]
        subject = unit.id if isinstance(unit, Unit) else unit
        with self._desk.change("units.assign", ref, on=on, actor=actor, subject=subject) as change:
            found = unit_in(change.tx, ref, unit)
            if found is None:
                raise NotFound("unit", unit)
            after = attrs.evolve(found, resident=customer_ref(change.tx, self._desk, ref, customer))
            change.tx.replace([after])
            change.note(found.id, found.version + 1, "assigned", after.resident or "")
        return attrs.evolve(after, version=found.version + 1)

    def find(self, *, biller: Biller | str | None = None) -> list[Unit]:
        """The biller's units in the natural order of their numbers, lived in or not (R2)."""
        ref = self._desk.biller_id(biller)
        with self._desk.view() as tx:
            biller_in(tx, ref)
            return sorted(tx.find(Unit, ref, {}), key=lambda unit: natural_key(unit.number))


class Registering:
    """Residents, clients, guests and tenants: `billing.customers`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        *,
        biller: Biller | str | None = None,
        name: str,
        email: str | None = None,
        address: str = "",
        locale: str | None = None,
        billing_cycle: BillingCycle | str = BillingCycle.NONE,
        billing_day: int = 1,
        notify: bool | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Customer:
        """Register a payer. A monthly cycle begins with the last billing day that its first run has reached (C9).

        Raises InvalidValue naming the field, NotFound for the biller.
        """
        row: dict[str, object] = {
            "name": name, "email": email, "address": address, "locale": locale,
            "billing_cycle": billing_cycle, "billing_day": billing_day, "notify": notify,
        }  # fmt: skip
        return self.add_many(biller=biller, rows=[row], on=on, actor=actor, key=key)[0]

    def add_many(
        self,
        rows: Iterable[Mapping[str, object]],
        *,
        biller: Biller | str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> list[Customer]:
        """Register many payers in one transaction, rows with the names of add(); one bad row refuses them all."""
        ref = self._desk.biller_id(biller)
        given = as_rows(rows)
        with self._desk.change("customers.add", ref, on=on, actor=actor) as change:
            if (made := change.replayed(key, {"rows": given})) is not None:
                return change.again(Customer, made)
            ids = change.ids("cus", len(given))
            customers = [
                _customer(row, at, id=id, biller=ref)
                for id, row, at in zip(ids, given, places("rows", given), strict=True)
            ]
            change.tx.add(customers)
            change.made(*ids)
            for customer in customers:
                change.note(customer.id, 1, "added")
        return customers

    def edit(
        self, customer: Customer | str, *, on: date | None = None, actor: str | None = None, **changes: object
    ) -> Customer:
        """Change fields of add(). Published invoices keep the payer as it was (R19). Raises InvalidValue, NotFound."""
        biller, ref = self._desk.owner("customer", customer)
        with self._desk.change("customers.edit", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Customer, biller, ref)
            row = attrs.asdict(before, filter=attrs.filters.include(*_CUSTOMER_FIELDS))
            after = _customer({**row, **changes}, "", id=ref, biller=biller)
            same_cycle = (before.billing_cycle, before.billing_day) == (after.billing_cycle, after.billing_day)
            after = attrs.evolve(
                after,
                version=before.version,
                next_cycle_on=before.next_cycle_on if same_cycle else _past_billed(change, after),
            )
            change.tx.replace([after])
            change.note(ref, before.version + 1, "edited")
        return attrs.evolve(after, version=before.version + 1)

    def get(self, customer: Customer | str) -> Customer:
        """The customer as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("customer", customer)
        with self._desk.view() as tx:
            return one(tx, Customer, biller, ref)

    def find(self, *, biller: Biller | str | None = None) -> list[Customer]:
        """The biller's customers, oldest first."""
        ref = self._desk.biller_id(biller)
        with self._desk.view() as tx:
            biller_in(tx, ref)
            return tx.find(Customer, ref, {})


def unit_or_new(change: Change, unit: Unit | str | None) -> str | None:
    """The id of a unit, registered on the spot when its number is new: a lease or booking names its pitch (S1)."""
    if unit is None:
        return None
    found = unit_in(change.tx, change.biller.id, unit)
    if found is None:
        found = Unit(id=change.ids("unt")[0], biller=change.biller.id, number=text(unit, "unit", longest=50))
        change.tx.add([found])
        change.note(found.id, 1, "added")
    return found.id


_CUSTOMER_FIELDS = ("name", "email", "address", "locale", "billing_cycle", "billing_day", "notify")


def _customer(row: Mapping[str, object], at: str, *, id: str, biller: str) -> Customer:
    known_fields(row, _CUSTOMER_FIELDS, at)
    cycle = member(BillingCycle, row.get("billing_cycle") or BillingCycle.NONE, at + "billing_cycle")
    billing_day = row.get("billing_day", 1)
    if type(billing_day) is not int or not (1 <= billing_day <= 31 or billing_day == -1):
        raise InvalidValue(at + "billing_day", billing_day, "is no day of a month", "give 1 to 31, or -1 for the last")
    notify, locale = row.get("notify"), row.get("locale")
    return Customer(
        id=id,
        biller=biller,
        name=text(row.get("name"), at + "name"),
        email=email_address(row.get("email"), at + "email"),
        address=text(row.get("address", ""), at + "address", required=False, lines=True),
        locale=locale_of(locale, at + "locale") if locale else None,
        billing_cycle=cycle,
        billing_day=billing_day,
        notify=None if notify is None else yes_or_no(notify, at + "notify"),
        # Due at once: the first run, whatever its day, goes by the last billing day it has reached (C9).
        next_cycle_on=date.min if cycle is BillingCycle.MONTHLY else None,
    )


def _past_billed(change: Change, customer: Customer) -> date | None:
    # A month that was billed on the old day is claimed: its invoice stands, and the next one is the month after's (C9).
    if customer.next_cycle_on is None:
        return None
    wanted = InvoiceQuery(biller=customer.biller, on=change.on, customers=(customer.id,), claims=True)
    months = [invoice.cycle for invoice in change.tx.invoices(wanted) if invoice.cycle is not None]
    if not months:
        return customer.next_cycle_on
    following = max(months) + timedelta(days=32)
    return clamp_day(following.year, following.month, customer.billing_day)


def customer_ref(tx: Reader, desk: Desk, biller: str, customer: Customer | str | None) -> str | None:
    """The id of a customer that exists within the biller, None for None; NotFound otherwise (T1)."""
    if customer is None:
        return None
    return one(tx, Customer, biller, desk.owner("customer", customer, biller)[1]).id


def _reschedule(change: Change, policy: Policy) -> None:
    after = ""
    while page := change.tx.find(Lease, change.biller.id, {}, after=after, limit=1000):
        after = page[-1].id
        moved = [(old, moved_on(old, policy, old.next_period, invoiced=False)) for old in page]
        change.tx.replace([new for old, new in moved if new.next_run_on != old.next_run_on])


def _numbering(policy: Policy) -> tuple[str, str, bool]:
    return policy.number_prefix, policy.credit_note_prefix, policy.yearly_numbers


def _advance(policy: Policy) -> tuple[int, int]:
    return policy.advance_days_email_pdf, policy.advance_days_direct_debit


def _usable(policy: Policy, currency: str) -> Policy:
    label_set(policy.labels, policy.own_labels)  # refuses an unknown or incomplete label set (D4)
    check_fee(policy.late_fee, currency)
    return policy


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise InvalidValue("timezone", name, "is not a time zone", "give an IANA name such as Europe/Paris") from error
    return name


def as_rows(rows: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The rows of a bulk call; InvalidValue for one that is not a mapping of field names."""
    given: list[object] = listed(rows, "rows", "rows")
    for i, row in enumerate(given):
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise InvalidValue(f"rows[{i}]", row, "is not a mapping of field names", "give a dict for each row")
    return [row for row in given if isinstance(row, Mapping)]


def places(name: str, rows: Sequence[object]) -> list[str]:
    """How an error names each row's fields: `rows[3].`, plainly for a single row."""
    # A single row is add() itself: its fields are named plainly.
    return [""] if len(rows) == 1 else [f"{name}[{i}]." for i in range(len(rows))]


def _data(biller: Biller) -> dict[str, object]:
    return attrs.asdict(attrs.evolve(biller, id=""), recurse=False)
