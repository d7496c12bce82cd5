"""Bookings and groups of bookings: stays by the night, and who pays for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import attrs

from invoicecore.errors import InvalidValue
from invoicecore.invoices import Item, Line, as_lines
from invoicecore.money import allocate
from invoicecore.periods import Period


@attrs.frozen(kw_only=True)
class Booking:
    """A stay of one customer on one site: nights = departs − arrives (M3). `items` are accommodation, add-ons, fees."""

    id: str
    biller: str
    customer: str
    unit: str | None
    arrives: date
    departs: date
    items: tuple[Item, ...]
    group: str | None = None
    version: int = 1

    @property
    def nights(self) -> int:
        """Nights stayed (M3)."""
        return (self.departs - self.arrives).days

    @property
    def period(self) -> Period:
        """Its nights, from the arrival to the departure."""
        return Period(self.arrives, self.departs)


@attrs.frozen(kw_only=True)
class Group:
    """Several bookings under one organiser (S1)."""

    id: str
    biller: str
    name: str
    organiser: str
    version: int = 1


def booking_lines(booking: Booking, *, currency: str, site: str | None = None) -> tuple[Line, ...]:
    """The booking's items as lines of its nights, marked with their site on a group invoice (S1)."""
    lines = as_lines([attrs.evolve(item, site=site) for item in booking.items], currency=currency)
    return tuple(attrs.evolve(line, period=booking.period) for line in lines)


def check_sites(payers: Mapping[str, Sequence[str]], bookings: Sequence[str]) -> None:
    """Every booking of the group is paid by exactly one payer (S1); InvalidValue names what is missing or doubled."""
    given = [booking for sites in payers.values() for booking in sites]
    doubled = sorted({b for b in given if given.count(b) > 1})
    if doubled:
        raise InvalidValue("payers", doubled, "has bookings with two payers", "give each booking to one payer")
    missing, strange = sorted(set(bookings) - set(given)), sorted(set(given) - set(bookings))
    if missing:
        raise InvalidValue("payers", missing, "leaves bookings without a payer", "give each booking to one payer")
    if strange:
        raise InvalidValue("payers", strange, "names bookings of no such group", "give bookings of this group only")


def shared_lines(lines: Sequence[Line], weights: Mapping[str, int | Decimal]) -> dict[str, tuple[Line, ...]]:
    """Each line split over the payers by weight, so that the shares of every line add up to it (S1, M5)."""
    shares: dict[str, list[Line]] = {payer: [] for payer in weights}
    for line in lines:
        for payer, part in zip(weights, allocate(line.amount, tuple(weights.values())), strict=True):
            if part.amount:
                shares[payer].append(attrs.evolve(line, amount=part, unit_price=part, quantity=Decimal(1)))
    return {payer: tuple(mine) for payer, mine in shares.items()}
