"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from invoicecore.errors import InvalidValue


class FixedClock:
    """A Clock for tests: `now()` is the instant it was given, in UTC, until `set` or `advance` changes it (M1)."""

    def __init__(self, instant: datetime) -> None:
        self._now = _aware(instant)

    def now(self) -> datetime:
        """The instant it stands at, aware, in UTC."""
        return self._now

    def set(self, instant: datetime) -> None:
        """Stand at another instant, earlier or later; InvalidValue for one without a time zone."""
        self._now = _aware(instant)

    def advance(self, by: timedelta) -> datetime:
        """Move on by `by` and return the new instant; InvalidValue for a step back (use `set`)."""
        if by < timedelta(0):
            raise InvalidValue("by", by, "goes back in time", "use set() to do that on purpose")
        self._now += by
        return self._now


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise InvalidValue(
            "instant", instant, "has no time zone", "give an aware datetime, such as one with tzinfo=UTC"
        )
    return instant.astimezone(UTC)
