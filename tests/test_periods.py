"""Periods are half-open, cycles tile the calendar, and every period is computed from the anchor."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import attrs
import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.errors import InvalidValue
from invoicecore.periods import Cycle, Frequency, Period, as_date, clamp_day

law = settings(deadline=None, max_examples=300)
MONTHLY, QUARTERLY, YEARLY = Frequency.MONTHLY, Frequency.QUARTERLY, Frequency.YEARLY
MONTH_BASED = [frequency for frequency in Frequency if frequency.months]
WEEK_BASED = [frequency for frequency in Frequency if frequency.weeks]
days = st.dates(date(1950, 1, 1), date(2150, 12, 31))


def d(text: str) -> date:
    return date.fromisoformat(text)


@st.composite
def cycles(draw: st.DrawFn) -> Cycle:
    frequency = draw(st.sampled_from(Frequency))
    anchors = st.none() if frequency.weeks else st.none() | st.just(-1) | st.integers(1, 31)
    return Cycle(starts=draw(days), frequency=frequency, anchor_day=draw(anchors))


@pytest.mark.rule("M3")
def test_only_the_end_of_a_period_is_exclusive() -> None:
    april = Period(date(2026, 4, 1), date(2026, 5, 1))
    assert april.days == 30
    assert april.last_day == date(2026, 4, 30)
    assert date(2026, 4, 1) in april
    assert date(2026, 4, 30) in april
    assert date(2026, 5, 1) not in april
    assert date(2026, 3, 31) not in april
    assert april == Period.inclusive(date(2026, 4, 1), date(2026, 4, 30))


@pytest.mark.rule("M3")
def test_one_day_is_a_period() -> None:
    day = date(2026, 4, 1)
    assert Period.inclusive(day, day) == Period(start=day, end=date(2026, 4, 2))


@pytest.mark.rule("M3")
@pytest.mark.parametrize("end", [date(2026, 4, 1), date(2026, 3, 31)])
def test_a_period_ends_after_it_starts(end: date) -> None:
    with pytest.raises(InvalidValue, match="not after the start") as caught:
        Period(date(2026, 4, 1), end)
    assert caught.value.field == "end"


@pytest.mark.rule("M3")
def test_an_inclusive_period_names_its_own_fields_when_refused() -> None:
    with pytest.raises(InvalidValue, match="before the first day") as caught:
        Period.inclusive(date(2026, 4, 2), date(2026, 4, 1))
    assert caught.value.field == "last"
    with pytest.raises(InvalidValue, match="outside of the calendar"):
        Period.inclusive(date(9999, 12, 1), date(9999, 12, 31))


@pytest.mark.rule("M3")
@pytest.mark.parametrize(
    "other, shared",
    [
        (("2026-04-10", "2026-04-20"), ("2026-04-10", "2026-04-20")),
        (("2026-03-01", "2026-04-11"), ("2026-04-01", "2026-04-11")),
        (("2026-04-30", "2026-06-01"), ("2026-04-30", "2026-05-01")),
        (("2026-05-01", "2026-06-01"), None),
        (("2026-03-01", "2026-04-01"), None),
    ],
)
def test_two_periods_share_the_days_both_have(other: tuple[str, str], shared: tuple[str, str] | None) -> None:
    april = Period(date(2026, 4, 1), date(2026, 5, 1))
    second = Period(d(other[0]), d(other[1]))
    expected = None if shared is None else Period(d(shared[0]), d(shared[1]))
    assert april.intersection(second) == second.intersection(april) == expected


@pytest.mark.rule("M1")
def test_a_moment_is_not_a_day() -> None:
    noon = datetime(2026, 4, 1, 12, tzinfo=UTC)
    with pytest.raises(InvalidValue, match="a moment, not a day") as caught:
        Period(noon, date(2026, 5, 1))
    assert caught.value.field == "start"
    with pytest.raises(InvalidValue) as caught:
        Period(date(2026, 4, 1), datetime(2026, 5, 1))
    assert caught.value.field == "end"
    with pytest.raises(InvalidValue):
        Cycle(starts=noon, frequency=MONTHLY)
    with pytest.raises(InvalidValue):
        Cycle(starts=date(2026, 4, 1), frequency=MONTHLY).index_of(noon)
    with pytest.raises(InvalidValue):
        _ = noon in Period(date(2026, 4, 1), date(2026, 5, 1))
    with pytest.raises(InvalidValue, match="str is not a date"):
        as_date("2026-04-01", "due")


@pytest.mark.rule("M1")
def test_a_pendulum_date_comes_in_as_a_plain_one() -> None:
    period = Period(pendulum.date(2026, 4, 1), date(2026, 5, 1))
    assert type(period.start) is date
    assert period == Period(date(2026, 4, 1), date(2026, 5, 1))


def test_periods_and_cycles_cannot_be_changed() -> None:
    period = Period(date(2026, 4, 1), date(2026, 5, 1))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        period.start = date(2026, 4, 2)  # type: ignore[misc]  # the point of the test
    assert len({period, Period(date(2026, 4, 1), date(2026, 5, 1))}) == 1
    assert not hasattr(period, "__dict__")


@pytest.mark.rule("M2")
@pytest.mark.parametrize(
    "frequency, value, months, weeks",
    [
        (Frequency.WEEKLY, "weekly", 0, 1),
        (Frequency.FORTNIGHTLY, "fortnightly", 0, 2),
        (Frequency.FOUR_WEEKLY, "four_weekly", 0, 4),
        (Frequency.MONTHLY, "monthly", 1, 0),
        (Frequency.QUARTERLY, "quarterly", 3, 0),
        (Frequency.HALF_YEARLY, "half_yearly", 6, 0),
        (Frequency.YEARLY, "yearly", 12, 0),
    ],
)
def test_a_frequency_is_months_or_weeks(frequency: Frequency, value: str, months: int, weeks: int) -> None:
    assert Frequency(value) is frequency
    assert (frequency.value, frequency.months, frequency.weeks) == (value, months, weeks)


@pytest.mark.rule("M2", "C9")
@pytest.mark.parametrize(
    "year, month, day, clamped",
    [
        (2026, 2, 31, "2026-02-28"),
        (2028, 2, 31, "2028-02-29"),
        (2026, 2, 29, "2026-02-28"),
        (1900, 2, 29, "1900-02-28"),
        (2000, 2, 30, "2000-02-29"),
        (2026, 4, 31, "2026-04-30"),
        (2026, 4, 30, "2026-04-30"),
        (2026, 5, -1, "2026-05-31"),
        (2026, 2, -1, "2026-02-28"),
        (2026, 2, 1, "2026-02-01"),
    ],
)
def test_a_day_the_month_lacks_is_its_last_one(year: int, month: int, day: int, clamped: str) -> None:
    assert clamp_day(year, month, day) == d(clamped)


@pytest.mark.rule("M2")
@pytest.mark.parametrize("day", [0, 32, -2, 1.0, True, None, "1"])
def test_a_day_no_month_has_is_refused(day: object) -> None:
    with pytest.raises(InvalidValue):
        clamp_day(2026, 1, day)  # type: ignore[arg-type]  # what a caller without mypy may do


@pytest.mark.rule("M2")
@pytest.mark.parametrize("year, month", [(0, 1), (10000, 1), (2026, 0), (2026, 13)])
def test_a_month_the_calendar_lacks_is_refused(year: int, month: int) -> None:
    with pytest.raises(InvalidValue):
        clamp_day(year, month, 31)


@pytest.mark.rule("M2")
@pytest.mark.parametrize(
    "starts, frequency, anchor, turns",
    [
        # anchored on the 31st: clamped where needed, never for good
        ("2026-01-31", MONTHLY, None, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", MONTHLY, None, ["2028-01-31", "2028-02-29", "2028-03-31"]),
        ("2026-01-30", MONTHLY, None, ["2026-01-30", "2026-02-28", "2026-03-30"]),
        ("2026-01-29", MONTHLY, None, ["2026-01-29", "2026-02-28", "2026-03-29"]),
        ("2028-01-29", MONTHLY, None, ["2028-01-29", "2028-02-29", "2028-03-29"]),
        ("2026-02-28", MONTHLY, -1, ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-02-28", MONTHLY, 31, ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-02-28", MONTHLY, None, ["2026-02-28", "2026-03-28", "2026-04-28"]),
        ("2026-02-27", MONTHLY, -1, ["2026-01-31", "2026-02-28", "2026-03-31"]),
        # the anchor day before the start: period 0 begins before it
        ("2026-04-10", MONTHLY, 1, ["2026-04-01", "2026-05-01", "2026-06-01"]),
        ("2026-04-10", MONTHLY, 15, ["2026-03-15", "2026-04-15", "2026-05-15"]),
        ("2026-01-10", MONTHLY, 15, ["2025-12-15", "2026-01-15"]),
        ("2026-03-01", MONTHLY, 31, ["2026-02-28", "2026-03-31"]),
        ("2026-03-25", QUARTERLY, None, ["2026-03-25", "2026-06-25", "2026-09-25", "2026-12-25", "2027-03-25"]),
        ("2026-04-10", QUARTERLY, 1, ["2026-04-01", "2026-07-01", "2026-10-01"]),
        ("2026-11-30", QUARTERLY, None, ["2026-11-30", "2027-02-28", "2027-05-30"]),
        ("2026-08-31", Frequency.HALF_YEARLY, None, ["2026-08-31", "2027-02-28", "2027-08-31", "2028-02-29"]),
        ("2024-02-29", YEARLY, None, ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2026-06-10", YEARLY, 24, ["2026-05-24", "2027-05-24"]),
        ("2026-04-08", Frequency.WEEKLY, None, ["2026-04-08", "2026-04-15", "2026-04-22"]),
        ("2026-12-24", Frequency.FORTNIGHTLY, None, ["2026-12-24", "2027-01-07", "2027-01-21"]),
        ("2028-02-14", Frequency.FOUR_WEEKLY, None, ["2028-02-14", "2028-03-13", "2028-04-10"]),
    ],
)
def test_a_cycle_turns_on_its_anchor(starts: str, frequency: Frequency, anchor: int | None, turns: list[str]) -> None:
    cycle = Cycle(starts=d(starts), frequency=frequency, anchor_day=anchor)
    expected = [Period(d(start), d(end)) for start, end in pairwise(turns)]
    assert [cycle.period(n) for n in range(len(expected))] == expected
    assert d(starts) in cycle.period(0)


@pytest.mark.rule("M2")
def test_periods_before_the_start_have_negative_numbers() -> None:
    cycle = Cycle(starts=date(2026, 3, 31), frequency=MONTHLY)
    assert cycle.period(-1) == Period(date(2026, 2, 28), date(2026, 3, 31))
    assert cycle.index_of(date(2026, 3, 30)) == -1
    weekly = Cycle(starts=date(2026, 4, 8), frequency=Frequency.WEEKLY)
    assert weekly.index_of(date(2026, 4, 7)) == -1


@pytest.mark.rule("M2")
@pytest.mark.parametrize("anchor", [0, 32, -2, 1.0, True, "1"])
def test_an_anchor_no_month_has_is_refused(anchor: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        Cycle(starts=date(2026, 1, 1), frequency=MONTHLY, anchor_day=anchor)  # type: ignore[arg-type]  # as above
    assert caught.value.field == "anchor_day"


@pytest.mark.rule("M2")
@pytest.mark.parametrize("frequency", WEEK_BASED)
@pytest.mark.parametrize("anchor", [1, 31, -1])
def test_a_week_based_cycle_takes_no_anchor_day(frequency: Frequency, anchor: int) -> None:
    with pytest.raises(InvalidValue, match="weekday") as caught:
        Cycle(starts=date(2026, 1, 1), frequency=frequency, anchor_day=anchor)
    assert caught.value.field == "anchor_day"


@pytest.mark.rule("M2")
def test_a_frequency_is_given_as_one_not_as_its_name() -> None:
    with pytest.raises(InvalidValue) as caught:
        Cycle(starts=date(2026, 1, 1), frequency="monthly")  # type: ignore[arg-type]  # what a caller may do
    assert caught.value.field == "frequency"


@pytest.mark.rule("M2")
@pytest.mark.parametrize("frequency", Frequency)
@pytest.mark.parametrize("n", [10**6, -(10**6), 10**12])
def test_a_period_beyond_the_calendar_is_refused_clearly(frequency: Frequency, n: int) -> None:
    with pytest.raises(InvalidValue, match="years 1 to 9999"):
        Cycle(starts=date(2026, 1, 31), frequency=frequency).period(n)


@pytest.mark.rule("M2")
@pytest.mark.parametrize(
    "cycle",
    [
        Cycle(starts=date(9999, 12, 5), frequency=MONTHLY),
        Cycle(starts=date(9999, 12, 30), frequency=Frequency.WEEKLY),
        Cycle(starts=date(1, 1, 5), frequency=MONTHLY, anchor_day=20),
    ],
)
def test_a_period_cut_by_the_edge_of_the_calendar_is_refused(cycle: Cycle) -> None:
    with pytest.raises(InvalidValue, match="years 1 to 9999"):
        cycle.period(0)


@pytest.mark.rule("M2")
def test_a_year_can_see_53_weekly_periods_begin() -> None:
    cycle = Cycle(starts=date(2026, 1, 1), frequency=Frequency.WEEKLY)  # a Thursday, as is 31 December
    begun = [n for n in range(60) if cycle.period(n).start.year == 2026]
    assert begun == list(range(53))
    assert cycle.index_of(date(2026, 12, 31)) == 52


@pytest.mark.rule("M2")
@law
@given(cycles(), st.integers(-500, 500))
def test_periods_tile_without_gap_or_overlap(cycle: Cycle, n: int) -> None:
    this, after = cycle.period(n), cycle.period(n + 1)
    assert this.end == after.start
    if cycle.frequency.weeks:
        assert this.days == 7 * cycle.frequency.weeks
    else:
        months = cycle.frequency.months
        assert (after.start.year * 12 + after.start.month) - (this.start.year * 12 + this.start.month) == months


@pytest.mark.rule("M2")
@law
@given(cycles(), st.integers(-500, 500), st.integers(0, 400))
def test_the_index_of_any_day_of_a_period_is_its_number(cycle: Cycle, n: int, offset: int) -> None:
    period = cycle.period(n)
    day = period.start + timedelta(days=offset % period.days)
    assert cycle.index_of(day) == n
    assert cycle.index_of(period.last_day) == n


@pytest.mark.rule("M2")
@law
@given(cycles(), days)
def test_every_day_lies_in_the_period_of_its_index(cycle: Cycle, day: date) -> None:
    assert day in cycle.period(cycle.index_of(day))
    assert cycle.starts in cycle.period(0)


@pytest.mark.rule("M2")
@law
@given(days, st.sampled_from(MONTH_BASED), st.integers(1, 31), st.integers(-300, 300))
def test_every_turn_is_the_anchor_day_or_the_months_last(
    starts: date, frequency: Frequency, anchor: int, n: int
) -> None:
    turn = Cycle(starts=starts, frequency=frequency, anchor_day=anchor).period(n).start
    if turn.day != anchor:
        assert turn.day < anchor
        assert (turn + timedelta(days=1)).day == 1


@pytest.mark.rule("M2")
@law
@given(days, st.sampled_from(MONTH_BASED), st.integers(-300, 300))
def test_an_anchor_on_the_last_day_always_turns_on_the_last_day(starts: date, frequency: Frequency, n: int) -> None:
    cycle = Cycle(starts=starts, frequency=frequency, anchor_day=-1)
    assert (cycle.period(n).start + timedelta(days=1)).day == 1


@pytest.mark.rule("M3")
@law
@given(days, st.integers(1, 800), days, st.integers(1, 800))
def test_a_shared_period_has_exactly_the_shared_days(a: date, length_a: int, b: date, length_b: int) -> None:
    first, second = Period(a, a + timedelta(days=length_a)), Period(b, b + timedelta(days=length_b))
    shared = first.intersection(second)
    both = {a + timedelta(days=n) for n in range(length_a)} & {b + timedelta(days=n) for n in range(length_b)}
    assert (shared.days if shared else 0) == len(both)
    assert shared is None or (shared.start in both and shared.last_day in both)
