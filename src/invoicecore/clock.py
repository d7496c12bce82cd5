"""The present: the machine's clock, and which civil date an instant is in a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """This instant, aware, in UTC."""
        return datetime.now(UTC)


def local_date(at: datetime, timezone: str) -> date:
    """The civil date of an aware instant in an IANA time zone (M1)."""
    import pendulum  # a fifth of what importing this library would cost, and only the desk needs it

    local = pendulum.instance(at).in_timezone(timezone)
    return date(local.year, local.month, local.day)


def start_of(day: date, timezone: str) -> datetime:
    """The instant, in UTC, at which a civil date begins in an IANA time zone (M1)."""
    import pendulum

    begins = pendulum.datetime(day.year, day.month, day.day, tz=timezone)
    return datetime.fromtimestamp(begins.timestamp(), UTC)
