"""A rent in proportion to the days occupied: exact, rounded once, and explained (M4, M6, S3)."""

from __future__ import annotations

from calendar import isleap, monthrange
from datetime import date
from enum import Enum
from fractions import Fraction

from attrs import frozen

from invoicecore.errors import InvalidValue
from invoicecore.money import Money, exact, from_minor, half_up, minor
from invoicecore.periods import Frequency, Period

__all__ = ["DayCount", "Proration", "prorate"]


class DayCount(Enum):
    """What a day of rent is measured against (M4).

    On a rent paid every n weeks, every count but ACTUAL and NONE charges rent ÷ (7·n) per day: a week has no calendar
    month or year of its own. On a rent of several months, month counts take that many months of the same length.
    """

    ACTUAL = "actual"
    """Days occupied ÷ days of the real, aligned period."""
    ACTUAL_MONTH = "actual_month"
    """÷ days of the calendar month of the first occupied day (times the rent's months)."""
    THIRTY = "thirty"
    """Real days ÷ 30 (times the rent's months): the banker's month, dearer than the rent for 31 days."""
    THIRTY_STRICT = "thirty_strict"
    """30/360: days counted as if each month had 30, its last day being the 30th, ÷ 30 (times the rent's months)."""
    YEAR_365 = "year_365"
    """The year's rent ÷ 365, leap years too."""
    YEAR_ACTUAL = "year_actual"
    """The year's rent ÷ the days, 365 or 366, of the year of the first occupied day."""
    YEAR_360 = "year_360"
    """The year's rent ÷ 360."""
    NONE = "none"
    """No proration: the whole period is due."""


@frozen(slots=True, kw_only=True)
class Proration:
    """How a prorated amount came about, kept with its line (M6).

    `amount` is `exact` (in minor units) rounded half-up once. `days` were charged on a base of `of_days`, as
    `day_count` counts both; under NONE they are the same, the whole period.
    """

    amount: Money
    days: int
    of_days: int
    exact: Fraction
    day_count: DayCount


def prorate(
    rent: Money,
    *,
    occupied: Period,
    period: Period,
    frequency: Frequency = Frequency.MONTHLY,
    day_count: DayCount = DayCount.ACTUAL,
) -> Proration:
    """What the occupied days of a period cost, when the whole period costs `rent` (M4, S3).

    `period` is the aligned period. The day count is applied literally, so some give more than the rent: billing calls
    this for partial periods only and clamps. ACTUAL and NONE measure against `period` and refuse days outside of it;
    the others look at `occupied` and `frequency` alone, so these days may reach beyond it.
    Raises InvalidValue (field "occupied", "frequency" or "day_count"), InvalidMoney for a rent that is not exact or a
    result beyond 64 bits of minor units.
    """
    rent = exact(rent, "rent")
    if not isinstance(day_count, DayCount):
        raise InvalidValue("day_count", day_count, "is not a DayCount", "give one, such as DayCount.ACTUAL")
    if not isinstance(frequency, Frequency):
        raise InvalidValue("frequency", frequency, "is not a Frequency", "give one, such as Frequency.MONTHLY")
    days, of_days, rents = _measure(occupied, period, frequency, day_count)
    value = Fraction(minor(rent) * rents * days, of_days)
    return Proration(
        amount=from_minor(half_up(value), rent.currency.code),
        days=days,
        of_days=of_days,
        exact=value,
        day_count=day_count,
    )


def _measure(occupied: Period, period: Period, frequency: Frequency, day_count: DayCount) -> tuple[int, int, int]:
    # (days charged, days of the base, how many rents the base costs)
    if day_count in (DayCount.ACTUAL, DayCount.NONE):
        if occupied.start < period.start or occupied.end > period.end:
            raise InvalidValue(
                "occupied",
                occupied,
                f"does not lie within the period {period.start} to {period.last_day}",
                "clip it with occupied.intersection(period)",
            )
        return (occupied.days if day_count is DayCount.ACTUAL else period.days), period.days, 1
    if frequency.weeks:
        return occupied.days, 7 * frequency.weeks, 1
    first = occupied.start
    if day_count is DayCount.ACTUAL_MONTH:
        return occupied.days, monthrange(first.year, first.month)[1] * frequency.months, 1
    if day_count is DayCount.THIRTY:
        return occupied.days, 30 * frequency.months, 1
    if day_count is DayCount.THIRTY_STRICT:
        return _day_360(occupied.last_day) - _day_360(first) + 1, 30 * frequency.months, 1
    if day_count is DayCount.YEAR_365:
        year = 365
    elif day_count is DayCount.YEAR_ACTUAL:
        year = 366 if isleap(first.year) else 365
    else:
        year = 360
    return occupied.days, year, 12 // frequency.months


def _day_360(day: date) -> int:
    # Whatever its number, a month's last day is its 30th; first and last occupied day both count. So one day is
    # always one day (never none for 30 January alone, never three for 28 February), at the price that the two parts
    # of a cut month need not add up to 30.
    last = monthrange(day.year, day.month)[1]
    return day.year * 360 + day.month * 30 + (30 if day.day == last else day.day)
