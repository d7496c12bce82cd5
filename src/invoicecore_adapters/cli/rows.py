"""The rows a business writes down: what each section of a file has, and what one row can be refused for alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Final, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from invoicecore.errors import BadFile, InvalidMoney, InvalidValue
from invoicecore.money import Money, currency_of, exact, positive
from invoicecore.parties import PRESETS, BillingCycle, InvoiceMethod, Policy, email_address, policy_for, text
from invoicecore.periods import Frequency, clamp_day
from invoicecore.proration import DayCount
from invoicecore.serde import structure, unstructure
from invoicecore.taxes import TaxRate
from invoicecore.wording import label_set, locale_of
from invoicecore_adapters.cli.numbers import finer_than

# A ref becomes part of an idempotency key, which has 255 characters in all.
_LONGEST_REF: Final = 100


@attrs.frozen(kw_only=True)
class BillerRow:
    """A business that bills; `ref` is its own short name for itself."""

    ref: str
    name: str
    currency: str
    timezone: str
    locale: str
    preset: str = "residents"
    payments: bool = True
    address: str = ""
    email: str | None = None
    policy: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class CustomerRow:
    """A resident, client, guest or tenant; `biller` may be left out where the file has one."""

    ref: str
    biller: str | None = None
    name: str
    email: str | None = None
    address: str = ""
    locale: str | None = None
    billing_cycle: BillingCycle = BillingCycle.NONE
    billing_day: int = 1
    notify: bool | None = None


@attrs.frozen(kw_only=True)
class UnitRow:
    """A dwelling, pitch or site; `share` is its part of what is split over all units of an assessment."""

    number: str
    biller: str | None = None
    resident: str | None = None
    share: Decimal | None = None

    @property
    def ref(self) -> str:
        """A unit is known by its number."""
        return self.number


@attrs.frozen(kw_only=True)
class LeaseRow:
    """Rent of a unit, a period at a time; `ends` is the last day."""

    ref: str
    customer: str
    biller: str | None = None
    unit: str | None = None
    rent: Decimal
    frequency: Frequency
    starts: date
    ends: date | None = None
    anchor_day: int | None = None
    method: InvoiceMethod = InvoiceMethod.EMAIL_PDF
    advance_days: int | None = None
    day_count: DayCount = DayCount.ACTUAL
    bill_from: date | None = None
    description: str = ""
    taxes: tuple[TaxRate, ...] = ()


@attrs.frozen(kw_only=True)
class ChargeRow:
    """What a client owes since a day; `amount` is the price of one."""

    ref: str
    customer: str
    biller: str | None = None
    description: str
    amount: Decimal
    on: date
    quantity: Decimal = Decimal(1)
    taxes: tuple[TaxRate, ...] = ()


@attrs.frozen(kw_only=True)
class GroupRow:
    """Several bookings under one organiser."""

    ref: str
    name: str
    organiser: str
    biller: str | None = None


@attrs.frozen(kw_only=True)
class ItemRow:
    """One item of a booking: accommodation, an add-on, a fee."""

    description: str
    unit_price: Decimal
    quantity: Decimal = Decimal(1)
    taxes: tuple[TaxRate, ...] = ()


@attrs.frozen(kw_only=True)
class BookingRow:
    """A stay from a day of arrival to a day of departure."""

    ref: str
    customer: str
    biller: str | None = None
    unit: str | None = None
    arrives: date
    departs: date
    items: tuple[ItemRow, ...]
    group: str | None = None


@attrs.frozen(kw_only=True)
class AssessmentRow:
    """One title for many units: each owes `amount`, or `total` is split by the units' shares (R17)."""

    ref: str
    biller: str | None = None
    title: str
    due: date
    on: date | None = None
    amount: Decimal | None = None
    total: Decimal | None = None
    units: tuple[str, ...] | None = None
    description: str = ""
    notify: bool = False


Row = BillerRow | CustomerRow | UnitRow | LeaseRow | ChargeRow | GroupRow | BookingRow | AssessmentRow

SECTIONS: Final[Mapping[str, type[Row]]] = {
    "billers": BillerRow,
    "customers": CustomerRow,
    "units": UnitRow,
    "leases": LeaseRow,
    "charges": ChargeRow,
    "groups": GroupRow,
    "bookings": BookingRow,
    "assessments": AssessmentRow,
}
"""Section → its rows, in the order in which they are written: what is referred to comes first."""

Fault = tuple[str, object, str]


def faults_of(row: Row) -> Iterator[Fault]:
    """(field, value, reason) of what one row is refused for, whatever else the file has."""
    yield from _refused(row, "ref", lambda value: text(value, "ref", longest=_LONGEST_REF))
    match row:
        case BillerRow():
            yield from _refused(row, "name", lambda value: text(value, "name"))
            yield from _refused(row, "currency", currency_of)
            yield from _refused(row, "timezone", _timezone)
            yield from _refused(row, "locale", locale_of)
            yield from _refused(row, "email", email_address)
            yield from _policy_faults(row)
        case CustomerRow():
            yield from _refused(row, "name", lambda value: text(value, "name"))
            yield from _refused(row, "email", email_address)
            yield from _refused(row, "locale", locale_of)
            yield from _refused(row, "billing_day", lambda day: clamp_day(2000, 1, day))
        case LeaseRow():
            yield from _refused(row, "anchor_day", lambda day: clamp_day(2000, 1, day))
            if row.ends is not None and row.ends < row.starts:
                yield "ends", row.ends, f"is before the lease starts on {row.starts}; give its last day"
        case UnitRow():
            if row.share is not None and row.share < 0:
                yield "share", row.share, "is less than nothing; give its part of the whole"
        case ChargeRow():
            yield from _refused(row, "description", lambda value: text(value, "description", longest=2000, lines=True))
        case GroupRow():
            yield from _refused(row, "name", lambda value: text(value, "name"))
        case BookingRow():
            if row.departs <= row.arrives:
                yield "departs", row.departs, f"is not after the arrival on {row.arrives}; give at least one night"
            if not row.items:
                yield "items", row.items, "is empty; give what the stay costs"
        case AssessmentRow():
            yield from _refused(row, "title", lambda value: text(value, "title"))
            if (row.amount is None) == (row.total is None):
                yield "amount", row.amount, "give either amount, what each unit owes, or total, what is split"


def readable(data: Mapping[str, object], kind: type[Row], unread: Collection[str]) -> dict[str, object]:
    """The row with stand-ins for what could not be read, so that the rest of it can be."""
    fields = attrs.fields_dict(kind)
    kept = {name: value for name, value in data.items() if name in fields and name not in unread}
    hints = get_type_hints(kind)
    for name, field in fields.items():
        if name in unread and field.default is attrs.NOTHING:
            kept[name] = _STAND_INS.get(hints[name], [])
    return kept


_STAND_INS: Final[Mapping[object, object]] = {
    str: "?",
    Decimal: "1",
    date: "2000-01-01",
    Frequency: Frequency.MONTHLY.value,
}


def amounts_of(row: Row, currency: str) -> Iterator[Fault]:
    """(field, value, reason) of the amounts of a row that are no money in that currency."""
    for field in ("rent", "amount", "total"):
        value = getattr(row, field, None)
        if value is not None:
            # A charge may be a credit to the client; nothing else may be negative.
            guard = exact if isinstance(row, ChargeRow) else positive
            yield from _checked(field, value, partial(_money, field, guard, currency))
    for i, item in enumerate(row.items if isinstance(row, BookingRow) else ()):
        yield from _checked(f"items[{i}].unit_price", item.unit_price, partial(_money, "unit_price", exact, currency))


def policy_of(row: BillerRow) -> Policy:
    """The biller's policy: its preset with the fields of the row changed. Raises BadFile or InvalidValue."""
    base = unstructure(policy_for(row.preset))
    return structure({**base, **row.policy}, Policy) if isinstance(base, dict) else policy_for(row.preset)


def _policy_faults(row: BillerRow) -> Iterator[Fault]:
    if row.preset not in PRESETS:
        yield "preset", row.preset, f"is not a preset; choose one of {', '.join(PRESETS)}"
        return
    try:
        policy = policy_of(row)
        label_set(policy.labels, policy.own_labels)
    except BadFile as error:
        yield from ((f"policy.{path}", value, reason) for path, value, reason in error.faults)
    except InvalidValue as error:
        yield f"policy.{error.field.rpartition('.')[2]}", error.value, f"{error.reason}; {error.way_out}"


def _refused(row: Row, field: str, check: Callable[[Any], object]) -> Iterator[Fault]:
    value = getattr(row, field)
    if value is not None:
        yield from _checked(field, value, check)


def _checked(field: str, value: object, check: Callable[[Any], object]) -> Iterator[Fault]:
    try:
        check(value)
    except InvalidValue as error:
        yield field, value, f"{error.reason}; {error.way_out}"


def _money(field: str, guard: Callable[[object], Money], currency: str, amount: Decimal) -> Money:
    too_fine = finer_than(amount, currency)
    if too_fine is not None:
        raise InvalidMoney(field, amount, *too_fine)
    return guard(Money(amount, currency))


def _timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue("timezone", name, "is not a time zone", "give an IANA name such as Europe/Paris") from None
