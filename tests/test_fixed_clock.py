"""The clock for tests stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from invoicecore.errors import InvalidValue
from invoicecore.testing import FixedClock

NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)


def test_it_stands_still_and_moves_when_told():
    clock = FixedClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(hours=36)) == clock.now() == datetime(2026, 4, 26, 0, tzinfo=UTC)
    clock.set(NOON)
    assert clock.now() == NOON


def test_it_speaks_utc_whatever_it_was_given():
    clock = FixedClock(datetime(2026, 4, 24, 14, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == NOON
    assert clock.now().utcoffset() == timedelta(0)


def test_a_naive_instant_and_a_step_back_are_refused():
    with pytest.raises(InvalidValue, match="no time zone"):
        FixedClock(datetime(2026, 4, 24))
    clock = FixedClock(NOON)
    with pytest.raises(InvalidValue, match="no time zone"):
        clock.set(datetime(2026, 4, 24))
    with pytest.raises(InvalidValue, match="back in time"):
        clock.advance(timedelta(seconds=-1))
    assert clock.now() == NOON
