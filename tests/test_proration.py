"""Proration reproduces what landlords, statutes and other systems publish, and rounds once."""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.errors import InvalidMoney, InvalidValue
from invoicecore.money import MAX_MINOR, Money, decimals, from_minor, half_up, minor, split_exact
from invoicecore.periods import Cycle, Frequency, Period
from invoicecore.proration import DayCount, Proration, prorate

law = settings(deadline=None, max_examples=200)

Case = Mapping[str, object]
CASES: dict[str, Case] = {
    case["id"]: case for case in json.loads((Path(__file__).parent / "cases" / "proration.json").read_text())["cases"]
}

DAY_COUNTS = {
    "actual_period": DayCount.ACTUAL,
    "actual_month": DayCount.ACTUAL_MONTH,
    "thirty_actual": DayCount.THIRTY,
    "thirty_strict": DayCount.THIRTY_STRICT,
    "annual_365": DayCount.YEAR_365,
    "annual_actual": DayCount.YEAR_ACTUAL,
    "annual_360": DayCount.YEAR_360,
    "per_year_365": DayCount.YEAR_365,
    "none_full_period": DayCount.NONE,
    # A week's rent has one price per day, whichever count but ACTUAL and NONE is named (M4).
    "weekly_daily": DayCount.YEAR_365,
    "fortnightly_daily": DayCount.YEAR_365,
    "four_weekly_daily": DayCount.YEAR_365,
}

SKIPPED_BY_DESIGN = {
    "uk-tilt-leadin": "rounds the daily rate first; we round once (M4)",
    "us-askme-800": "rounds the daily rate first; we round once (M4)",
    "fr-luko-in": "the source counts 21 days where its dates make 22",
    "au-hood-380": "a rent is never converted to another frequency (S3)",
    "au-ristic-200-exact": "a rent is never converted to another frequency (S3)",
    "au-365-12": "a rent is never converted to another frequency (S3)",
    "uk-rra-3042": "a rent is never converted to another frequency (S3)",
    "us-rvpark-weekly-extra": "an overstay has a daily price of its own, it is not a proration",
}

DAILY_RATES = {"au-vcat-weekly": DayCount.ACTUAL, "au-vcat-monthly": DayCount.YEAR_365}  # one day's proration
# Conventions of their own that give the same amount here: outside of February, and up to a month's 30th.
AGREEING = {
    "us-nest-1350": DayCount.THIRTY,
    "ca-pv-30day-aug8": DayCount.THIRTY_STRICT,
    "ca-pv-30day-29th": DayCount.THIRTY_STRICT,
}
WHOLE_MONTHS_FIRST = {"au-rest-vacate"}  # whole months at the rent, then a proration of the rest
REPRODUCED = sorted(CASES.keys() - SKIPPED_BY_DESIGN.keys() - DAILY_RATES.keys() - AGREEING.keys() - WHOLE_MONTHS_FIRST)


def text(case: Case, name: str) -> str:
    value = case[name]
    assert isinstance(value, str)
    return value


def frequency_of(case: Case) -> Frequency:
    return Frequency({"annual": "yearly"}.get(text(case, "frequency"), text(case, "frequency")))


def occupied_in(case: Case) -> Period:
    return Period.inclusive(
        date.fromisoformat(text(case, "occupied_from")), date.fromisoformat(text(case, "occupied_to"))
    )


def period_of(case: Case) -> Period:
    if "period_start" in case:
        return Period.inclusive(
            date.fromisoformat(text(case, "period_start")), date.fromisoformat(text(case, "period_end"))
        )
    return month_of(occupied_in(case).start)


def month_of(day: date) -> Period:
    return Cycle(starts=day, frequency=Frequency.MONTHLY, anchor_day=1).period(0)


def as_printed(case: Case, result: Proration) -> Decimal:
    # Where the source prints whole units, our exact value is rounded to whole units too.
    if case.get("rounding") == "integer":
        return Decimal(half_up(result.exact / 10 ** decimals(text(case, "currency"))))
    return result.amount.amount


@pytest.mark.rule("M4")
@pytest.mark.parametrize("case_id", AGREEING)
def test_a_convention_not_offered_is_reproduced_where_a_day_count_agrees_with_it(case_id: str) -> None:
    case = CASES[case_id]
    result = prorate(
        Money(text(case, "rent"), text(case, "currency")),
        occupied=occupied_in(case),
        period=period_of(case),
        frequency=frequency_of(case),
        day_count=AGREEING[case_id],
    )
    assert (result.days, result.amount.amount) == (case["days"], Decimal(text(case, "expected")))


@pytest.mark.rule("M4", "S3")
@pytest.mark.parametrize("case_id", REPRODUCED)
def test_a_published_case_comes_out_as_published(case_id: str) -> None:
    case = CASES[case_id]
    day_count = DAY_COUNTS[text(case, "convention")]
    result = prorate(
        Money(text(case, "rent"), text(case, "currency")),
        occupied=occupied_in(case),
        period=period_of(case),
        frequency=frequency_of(case),
        day_count=day_count,
    )
    assert as_printed(case, result) == Decimal(text(case, "expected"))
    assert result.day_count is day_count
    if day_count is not DayCount.NONE:
        assert result.days == case["days"]
    if "cited_ratio" in case:
        assert f"{result.days}/{result.of_days}" == case["cited_ratio"]


@pytest.mark.rule("M4", "S3")
@pytest.mark.parametrize(
    "case_id", [i for i in REPRODUCED if "period_start" in CASES[i] or CASES[i]["convention"] == "actual_month"]
)
def test_the_default_day_count_agrees_wherever_the_period_is_the_base(case_id: str) -> None:
    case = CASES[case_id]
    result = prorate(
        Money(text(case, "rent"), text(case, "currency")),
        occupied=occupied_in(case),
        period=period_of(case),
        frequency=frequency_of(case),
    )
    assert result.amount.amount == Decimal(text(case, "expected"))
    assert result.day_count is DayCount.ACTUAL


@pytest.mark.rule("M4")
@pytest.mark.parametrize("case_id, day_count", DAILY_RATES.items())
def test_a_published_daily_rate_is_the_price_of_one_day(case_id: str, day_count: DayCount) -> None:
    case = CASES[case_id]
    frequency = frequency_of(case)
    period = Cycle(starts=date(2026, 4, 1), frequency=frequency).period(0)
    result = prorate(
        Money(text(case, "rent"), text(case, "currency")),
        occupied=Period(period.start, period.start + timedelta(days=1)),
        period=period,
        frequency=frequency,
        day_count=day_count,
    )
    assert result.amount.amount == Decimal(text(case, "expected"))


@pytest.mark.rule("M4", "S3")
@pytest.mark.parametrize("case_id", sorted(WHOLE_MONTHS_FIRST))
def test_whole_months_cost_the_rent_and_the_rest_is_prorated(case_id: str) -> None:
    case = CASES[case_id]
    rent = Money(text(case, "rent"), text(case, "currency"))
    last_month = month_of(occupied_in(case).last_day)
    rest = occupied_in(case).intersection(last_month)
    assert rest is not None
    assert rest.days == case["balance_days"]
    part = prorate(rent, occupied=rest, period=last_month, day_count=DayCount.YEAR_365)
    assert case["full_months"] == 1
    assert (rent + part.amount).amount == Decimal(text(case, "expected"))


@pytest.mark.rule("M4")
def test_every_published_case_is_reproduced_or_skipped_for_a_reason() -> None:
    assert SKIPPED_BY_DESIGN.keys() <= CASES.keys()
    assert {*REPRODUCED, *DAILY_RATES, *AGREEING, *WHOLE_MONTHS_FIRST, *SKIPPED_BY_DESIGN} == CASES.keys()
    assert all(SKIPPED_BY_DESIGN.values())
    assert {text(CASES[case_id], "convention") for case_id in REPRODUCED} == DAY_COUNTS.keys()


@pytest.mark.rule("M4")
def test_our_table_of_cases_is_not_shorter_than_it_was() -> None:
    assert len(CASES) >= 46
    assert len(REPRODUCED) >= 32


@pytest.mark.rule("M4")
def test_the_source_that_miscounts_its_days_would_charge_more_for_the_days_it_names() -> None:
    case = CASES["fr-luko-in"]
    result = prorate(
        Money("800.00", "EUR"), occupied=occupied_in(case), period=period_of(case), day_count=DayCount.YEAR_365
    )
    assert (result.days, result.amount) == (22, Money("578.63", "EUR"))


APRIL = Period(date(2026, 4, 1), date(2026, 5, 1))


@pytest.mark.rule("M6")
def test_a_proration_says_how_it_came_about() -> None:
    result = prorate(Money("620.00", "EUR"), occupied=Period(date(2026, 4, 10), APRIL.end), period=APRIL)
    assert result == Proration(
        amount=Money("434.00", "EUR"), days=21, of_days=30, exact=Fraction(43400), day_count=DayCount.ACTUAL
    )


@pytest.mark.rule("M4", "M11")
@pytest.mark.parametrize(
    "rent, code, days, amount",
    [
        ("1000.01", "EUR", 15, "500.01"),  # 500.005
        ("-1000.01", "EUR", 15, "-500.01"),  # a concession is the mirror image
        ("1001", "JPY", 15, "501"),
        ("100.001", "KWD", 15, "50.001"),
        ("100", "JPY", 1, "3"),
        ("100.000", "KWD", 1, "3.333"),
        ("0.00", "EUR", 1, "0.00"),
    ],
)
def test_an_amount_is_rounded_half_up_to_the_currencys_minor_unit(rent: str, code: str, days: int, amount: str) -> None:
    occupied = Period(APRIL.start, APRIL.start + timedelta(days=days))
    assert prorate(Money(rent, code), occupied=occupied, period=APRIL).amount == Money(amount, code)


FULL_PERIODS = [
    # frequency, first day; then what a whole period costs of a rent of 3600.00 under each count
    (Frequency.MONTHLY, "2026-01-01", DayCount.THIRTY, "3720.00", 30),
    (Frequency.MONTHLY, "2026-02-01", DayCount.THIRTY, "3360.00", 30),
    (Frequency.MONTHLY, "2026-02-01", DayCount.THIRTY_STRICT, "3600.00", 30),
    (Frequency.MONTHLY, "2026-01-01", DayCount.THIRTY_STRICT, "3600.00", 30),
    (Frequency.QUARTERLY, "2026-01-01", DayCount.THIRTY, "3600.00", 90),
    (Frequency.QUARTERLY, "2026-01-01", DayCount.THIRTY_STRICT, "3600.00", 90),
    (Frequency.HALF_YEARLY, "2026-01-01", DayCount.THIRTY_STRICT, "3600.00", 180),
    (Frequency.YEARLY, "2026-01-01", DayCount.THIRTY_STRICT, "3600.00", 360),
    (Frequency.YEARLY, "2026-01-01", DayCount.THIRTY, "3650.00", 360),
    (Frequency.YEARLY, "2026-01-01", DayCount.YEAR_365, "3600.00", 365),
    (Frequency.YEARLY, "2028-01-01", DayCount.YEAR_365, "3609.86", 365),
    (Frequency.YEARLY, "2028-01-01", DayCount.YEAR_ACTUAL, "3600.00", 366),
    (Frequency.YEARLY, "2026-01-01", DayCount.YEAR_360, "3650.00", 360),
    (Frequency.QUARTERLY, "2026-01-01", DayCount.YEAR_360, "3600.00", 360),
    (Frequency.HALF_YEARLY, "2026-01-01", DayCount.YEAR_365, "3570.41", 365),
    (Frequency.QUARTERLY, "2026-01-01", DayCount.ACTUAL_MONTH, "3483.87", 93),
    (Frequency.WEEKLY, "2026-01-01", DayCount.YEAR_365, "3600.00", 7),
    (Frequency.FORTNIGHTLY, "2026-01-01", DayCount.THIRTY, "3600.00", 14),
    (Frequency.FOUR_WEEKLY, "2026-01-01", DayCount.ACTUAL_MONTH, "3600.00", 28),
    (Frequency.FOUR_WEEKLY, "2026-01-01", DayCount.THIRTY_STRICT, "3600.00", 28),
]


@pytest.mark.rule("M4")
@pytest.mark.parametrize("frequency, first, day_count, amount, of_days", FULL_PERIODS)
def test_a_day_count_is_applied_literally_whatever_the_rent_covers(
    frequency: Frequency, first: str, day_count: DayCount, amount: str, of_days: int
) -> None:
    period = Cycle(starts=date.fromisoformat(first), frequency=frequency).period(0)
    result = prorate(Money("3600.00", "EUR"), occupied=period, period=period, frequency=frequency, day_count=day_count)
    assert (result.amount, result.of_days) == (Money(amount, "EUR"), of_days)


@pytest.mark.rule("M4")
@pytest.mark.parametrize(
    "first, last, days",
    [
        ("2026-01-30", "2026-01-30", 1),
        ("2026-01-31", "2026-01-31", 1),
        ("2026-01-30", "2026-01-31", 1),
        ("2026-02-28", "2026-02-28", 1),
        ("2028-02-28", "2028-02-28", 1),
        ("2028-02-28", "2028-02-29", 3),
        ("2026-02-27", "2026-02-28", 4),
        ("2026-04-01", "2026-04-30", 30),
        ("2026-04-10", "2026-05-09", 30),
        ("2026-01-01", "2026-12-31", 360),
    ],
)
def test_a_month_of_30_360_ends_on_its_30th(first: str, last: str, days: int) -> None:
    occupied = Period.inclusive(date.fromisoformat(first), date.fromisoformat(last))
    result = prorate(Money("30.00", "EUR"), occupied=occupied, period=APRIL, day_count=DayCount.THIRTY_STRICT)
    assert (result.days, result.of_days) == (days, 30)


@pytest.mark.rule("M4")
@pytest.mark.parametrize("day_count", [DayCount.ACTUAL, DayCount.NONE])
@pytest.mark.parametrize("first, end", [("2026-03-31", "2026-04-05"), ("2026-04-05", "2026-05-02")])
def test_days_outside_of_the_period_are_refused_where_the_period_is_the_base(
    day_count: DayCount, first: str, end: str
) -> None:
    outside = Period(date.fromisoformat(first), date.fromisoformat(end))
    with pytest.raises(InvalidValue, match=r"intersection\(period\)") as caught:
        prorate(Money("1.00", "EUR"), occupied=outside, period=APRIL, day_count=day_count)
    assert caught.value.field == "occupied"


@pytest.mark.rule("M4")
def test_without_proration_the_whole_period_is_due() -> None:
    result = prorate(
        Money("620.00", "EUR"), occupied=Period(date(2026, 4, 30), APRIL.end), period=APRIL, day_count=DayCount.NONE
    )
    assert (result.amount, result.days, result.of_days) == (Money("620.00", "EUR"), 30, 30)


@pytest.mark.rule("M8")
def test_a_rent_that_is_not_exact_is_refused() -> None:
    with pytest.raises(InvalidMoney) as caught:
        prorate(Money("NaN", "EUR"), occupied=APRIL, period=APRIL)
    assert caught.value.field == "rent"
    with pytest.raises(InvalidMoney, match="beyond 64 bits"):
        prorate(
            from_minor(MAX_MINOR, "EUR"), occupied=Cycle(starts=date(2026, 1, 1), frequency=Frequency.MONTHLY).period(0),
            period=APRIL, day_count=DayCount.THIRTY,
        )  # fmt: skip


@pytest.mark.parametrize("field, value", [("day_count", "actual"), ("frequency", "monthly")])
def test_names_in_place_of_enums_are_refused(field: str, value: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        prorate(Money("1.00", "EUR"), occupied=APRIL, period=APRIL, **{field: value})  # type: ignore[arg-type]  # the point
    assert caught.value.field == field


rents = st.builds(from_minor, st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))


@st.composite
def cut_periods(draw: st.DrawFn) -> tuple[Frequency, Period, list[Period]]:
    """An aligned period, and the same period cut in up to four parts."""
    frequency = draw(st.sampled_from(Frequency))
    starts = draw(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
    anchor = None if frequency.weeks else draw(st.none() | st.just(-1) | st.integers(1, 31))
    period = Cycle(starts=starts, frequency=frequency, anchor_day=anchor).period(draw(st.integers(0, 40)))
    cuts = draw(st.sets(st.integers(1, period.days - 1), max_size=3))
    edges = [period.start, *(period.start + timedelta(days=cut) for cut in sorted(cuts)), period.end]
    return frequency, period, [Period(a, b) for a, b in pairwise(edges)]


@pytest.mark.rule("M4", "M5", "M9")
@law
@given(rents, cut_periods())
def test_the_parts_of_a_period_add_up_to_the_rent_before_rounding(
    rent: Money, cut: tuple[Frequency, Period, list[Period]]
) -> None:
    frequency, period, parts = cut
    exacts = [prorate(rent, occupied=part, period=period, frequency=frequency).exact for part in parts]
    assert sum(exacts) == minor(rent)
    assert sum(minor(part) for part in split_exact(exacts, rent.currency.code)) == minor(rent)


@pytest.mark.rule("M4", "M6")
@law
@given(rents, cut_periods(), st.sampled_from(DayCount))
def test_an_amount_is_its_exact_value_rounded_once(
    rent: Money, cut: tuple[Frequency, Period, list[Period]], day_count: DayCount
) -> None:
    frequency, period, parts = cut
    result = prorate(rent, occupied=parts[0], period=period, frequency=frequency, day_count=day_count)
    value = Decimal(result.exact.numerator) / Decimal(result.exact.denominator)
    assert minor(result.amount) == value.quantize(Decimal(1), ROUND_HALF_UP)
    assert result.days >= 1
    assert result.of_days >= 7
    per_year = day_count in (DayCount.YEAR_365, DayCount.YEAR_ACTUAL, DayCount.YEAR_360) and not frequency.weeks
    rents_in_base = 12 // frequency.months if per_year else 1
    assert result.exact == Fraction(minor(rent) * rents_in_base * result.days, result.of_days)


@pytest.mark.rule("M4")
@law
@given(rents, st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(1, 31))
def test_in_a_calendar_month_the_month_count_is_the_actual_count(rent: Money, first: date, days: int) -> None:
    month = month_of(first)
    occupied = Period(first, first + timedelta(days=days)).intersection(month)
    assert occupied is not None
    actual = prorate(rent, occupied=occupied, period=month)
    by_month = prorate(rent, occupied=occupied, period=month, day_count=DayCount.ACTUAL_MONTH)
    assert actual.exact == by_month.exact
    assert by_month.of_days == monthrange(first.year, first.month)[1]
