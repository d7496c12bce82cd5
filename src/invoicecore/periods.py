"""Periods of days, and cycles of periods counted from an anchor (M2, M3).

Only standard-library date arithmetic: the billing run asks for a period of every lease, and pendulum's month
arithmetic costs forty times as much and clamps from the previous result, which M2 forbids.
"""

from __future__ import annotations

from calendar import isleap
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from enum import Enum
from typing import Final

from attrs import field, frozen

from invoicecore.errors import InvalidValue

__all__ = ["LAST_DAY", "Cycle", "Frequency", "Period", "as_date", "clamp_day"]

LAST_DAY: Final = -1
"""The anchor day that means "the last day of the month"."""

_ONE_DAY: Final = timedelta(days=1)
_MONTH_DAYS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def as_date(value: object, field: str = "date") -> date:
    """A plain `datetime.date`, whatever subclass of it came in (M1).

    A datetime is refused although it is a date by inheritance: which day it falls on depends on a time zone.
    Raises InvalidValue with `field` named.
    """
    if type(value) is date:
        return value
    if isinstance(value, datetime):
        raise InvalidValue(field, value, "is a moment, not a day", "give its date() in the biller's time zone")
    if isinstance(value, date):  # pendulum.Date and friends: the same day, without their arithmetic
        return date(value.year, value.month, value.day)
    raise InvalidValue(field, value, f"a {type(value).__name__} is not a date", "give a datetime.date")


def _start(value: date) -> date:
    return as_date(value, "start")


def _end(value: date) -> date:
    return as_date(value, "end")


def _starts(value: date) -> date:
    return as_date(value, "starts")


def clamp_day(year: int, month: int, day: int) -> date:
    """A day of a month, or the month's last day where it has no such day; -1 is the last day (M2, C9).

    `day` is 1 to 31 or -1. Raises InvalidValue for any other day, and for a month outside of the years 1 to 9999.
    """
    if not MINYEAR <= year <= MAXYEAR:
        raise _beyond_calendar(year)
    if not 1 <= month <= 12:
        raise InvalidValue("month", month, "is not a month", "give 1 to 12")
    _anchor(day, "day")
    if 1 <= day <= 28:
        return date(year, month, day)
    last = 29 if month == 2 and isleap(year) else _MONTH_DAYS[month]
    return date(year, month, last if day == LAST_DAY or day > last else day)


@frozen(slots=True)
class Period:
    """Days from `start` up to, not including, `end` (M3).

    Both are plain dates. Raises InvalidValue when the end is not after the start, or for a datetime.
    """

    start: date = field(converter=_start)
    end: date = field(converter=_end)

    def __attrs_post_init__(self) -> None:
        if self.end <= self.start:
            raise InvalidValue(
                "end", self.end, f"is not after the start {self.start}", "give the day after the last day of the period"
            )

    @classmethod
    def inclusive(cls, first: date, last: date) -> Period:
        """The period of the days from `first` to `last`, both counted.

        Raises InvalidValue when `last` is before `first`, or is the calendar's last day.
        """
        last_day = as_date(last, "last")
        if last_day == date.max:
            raise _beyond_calendar(MAXYEAR + 1)
        if last_day < as_date(first, "first"):
            raise InvalidValue("last", last, f"is before the first day {first}", "swap them")
        return cls(first, last_day + _ONE_DAY)

    @property
    def days(self) -> int:
        """How many days it has; at least one."""
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        """Its last day, which belongs to it (M3)."""
        return self.end - _ONE_DAY

    def __contains__(self, day: object) -> bool:
        """Whether a day belongs to it; raises InvalidValue for a datetime."""
        return self.start <= as_date(day, "day") < self.end

    def intersection(self, other: Period) -> Period | None:
        """The days both have, or None when they share none."""
        start = max(self.start, other.start)
        end = min(self.end, other.end)
        return Period(start, end) if start < end else None


_LENGTHS: Final = {  # months, weeks
    "weekly": (0, 1),
    "fortnightly": (0, 2),
    "four_weekly": (0, 4),
    "monthly": (1, 0),
    "quarterly": (3, 0),
    "half_yearly": (6, 0),
    "yearly": (12, 0),
}


class Frequency(Enum):
    """How long one period of a cycle is: a number of months or of weeks, never both (M2).

    The value is the lower-case name. `months` is 1, 3, 6, 12 or 0; `weeks` is 1, 2, 4 or 0.
    """

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    FOUR_WEEKLY = "four_weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"

    def __init__(self, value: str) -> None:
        # Kept on the member: a property would look it up for every period of every lease.
        self.months, self.weeks = _LENGTHS[value]

    __hash__ = object.__hash__  # Enum's own is not in C, and each lease's periods are looked up by it


@frozen(slots=True, kw_only=True)
class Cycle:
    """Periods that tile the calendar without a gap, each computed from the anchor alone (M2).

    `starts` is the first day billed; period 0 is the one that contains it. Month-based cycles turn on `anchor_day`,
    1 to 31 (clamped in shorter months) or -1 (the last day), by default the day of `starts`; they count from the last
    anchor day on or before `starts`, quarters and years too. Week-based cycles turn on the weekday of `starts`.
    Raises InvalidValue for another anchor day, an anchor day on a week-based cycle, or a datetime.
    """

    starts: date = field(converter=_starts)
    frequency: Frequency
    anchor_day: int | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.frequency, Frequency):
            raise InvalidValue("frequency", self.frequency, "is not a Frequency", "give one, such as Frequency.MONTHLY")
        if self.anchor_day is None:
            return
        if self.frequency.weeks:
            raise InvalidValue(
                "anchor_day",
                self.anchor_day,
                f"a {self.frequency.value} cycle turns on the weekday it starts on",
                "leave anchor_day out",
            )
        _anchor(self.anchor_day, "anchor_day")

    def period(self, n: int) -> Period:
        """The aligned period `n`; 0 contains `starts`, negative ones come before.

        Raises InvalidValue when it does not lie within the years 1 to 9999.
        """
        months = self.frequency.months
        if months:
            start = self._origin() + n * months
            return Period(self._day_of_month(start), self._day_of_month(start + months))
        length = 7 * self.frequency.weeks
        try:
            start_day = self.starts + timedelta(days=n * length)
            return Period(start_day, start_day + timedelta(days=length))
        except OverflowError:
            raise _beyond_calendar(f"period {n}") from None

    def index_of(self, day: date) -> int:
        """The number of the period that contains a day: the inverse of `period`.

        Raises InvalidValue for a datetime.
        """
        day = as_date(day, "day")
        weeks = self.frequency.weeks
        if weeks:
            return (day - self.starts).days // (7 * weeks)
        origin, months = self._origin(), self.frequency.months
        n = (day.year * 12 + day.month - 1 - origin) // months
        # A period that begins in this day's month may begin after the day; then the one before has it.
        return n if self._day_of_month(origin + n * months) <= day else n - 1

    def _origin(self) -> int:
        # Months since year 0 of the month in which period 0 begins.
        starts = self.starts
        origin = starts.year * 12 + starts.month - 1
        if self.anchor_day is None or clamp_day(starts.year, starts.month, self.anchor_day) <= starts:
            return origin
        return origin - 1

    def _day_of_month(self, months: int) -> date:
        anchor = self.anchor_day
        return clamp_day(months // 12, months % 12 + 1, self.starts.day if anchor is None else anchor)


def _anchor(day: object, field: str) -> int:
    if type(day) is int and (1 <= day <= 31 or day == LAST_DAY):
        return day
    raise InvalidValue(field, day, "is not a day of a month", "give 1 to 31, or -1 for the last day")


def _beyond_calendar(value: object) -> InvalidValue:
    return InvalidValue(
        "date", value, "lies outside of the calendar, years 1 to 9999", "give a day or a period within it"
    )
