"""A lease: which periods fall due and when, what each costs, and what repricing or ending it means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import count as naturals
from itertools import pairwise, takewhile

import attrs
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from invoicecore.errors import InvalidValue, LeaseFrozen
from invoicecore.invoices import Line
from invoicecore.leases import (
    Lease,
    RentChange,
    aligned_period,
    billed_period,
    due_date,
    due_periods,
    ended,
    first_index,
    is_late,
    lease_lines,
    moved_on,
    period_index,
    run_date,
    scheduled,
    unused_amount,
    unused_part,
    with_rent,
)
from invoicecore.money import MAX_MINOR, Money, from_minor, half_up, minor
from invoicecore.parties import PRESETS, InvoiceMethod, changed_policy
from invoicecore.periods import Frequency, Period
from invoicecore.proration import DayCount

STAYS = PRESETS["stays"]
DAY = timedelta(days=1)
law = settings(deadline=None, max_examples=200)


def d(text: str) -> date:
    return date.fromisoformat(text)


def eur(amount: str) -> Money:
    return Money(amount, "EUR")


def span(first: str, last: str) -> Period:
    return Period.inclusive(d(first), d(last))


def a_lease(**fields: object) -> Lease:
    """Rent of 620.00 EUR a month from 10 April 2026 on the 1st of each month, as the desk would have added it."""
    given_fields: dict[str, object] = {
        "id": "b_lea_1",
        "biller": "b",
        "customer": "b_cus_1",
        "unit": None,
        "rent": eur("620.00"),
        "frequency": Frequency.MONTHLY,
        "starts": d("2026-04-10"),
        "anchor_day": 1,
        **fields,
    }
    if given_fields["frequency"].weeks:  # type: ignore[attr-defined]  # a Frequency
        given_fields["anchor_day"] = None
    return scheduled(Lease(**given_fields), STAYS)  # type: ignore[arg-type]  # Lease's own fields


def billed(lease: Lease, limit: int = 400) -> list[Period]:
    """The billed periods from the first one on, until the lease ends or there are `limit`."""
    found = (billed_period(lease, index) for index in range(first_index(lease), first_index(lease) + limit))
    return list(takewhile(bool, found))  # type: ignore[arg-type]  # no Period is false


def lines(lease: Lease, index: int, locale: str = "en_GB") -> tuple[Line, ...]:
    period = billed_period(lease, index)
    assert period is not None
    return lease_lines(lease, aligned_period(lease, index), period, locale=locale)


def amounts(made: Sequence[Line]) -> list[str]:
    return [str(line.amount.amount) for line in made]


def due_by(lease: Lease, on: date) -> list[Period]:
    return [period for _, period in due_periods(lease, STAYS, on)]


@st.composite
def leases(draw: st.DrawFn, *, changes: bool = False) -> Lease:
    """Leases of every frequency, anchor, length and day count, in currencies of no, two and three decimals."""
    frequency = draw(st.sampled_from(Frequency))
    starts = draw(st.dates(d("2023-12-01"), d("2028-03-31")))
    length = draw(st.none() | st.integers(0, 800))
    ends = None if length is None else starts + timedelta(days=length)
    code = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    rents = st.integers(1, 10**7).map(lambda units: from_minor(units, code))
    lease = a_lease(
        rent=draw(rents),
        frequency=frequency,
        starts=starts,
        ends=ends,
        anchor_day=draw(st.none() | st.just(-1) | st.integers(1, 31)),
        day_count=draw(st.sampled_from(DayCount)),
        bill_from=draw(st.none() | st.integers(-40, 400).map(lambda days: starts + timedelta(days=days))),
    )
    if changes:
        days = draw(st.lists(st.integers(1, 120), unique=True, max_size=3).map(sorted))
        for after in days:
            lease = attrs.evolve(
                lease, changes=(*lease.changes, RentChange(since=starts + timedelta(days=after), rent=draw(rents)))
            )
    return lease


# --- periods -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("M2", "S3")
@pytest.mark.parametrize(
    "starts, frequency, anchor, firsts",
    [
        ("2026-01-31", "monthly", None, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", "monthly", 31, ["2028-01-31", "2028-02-29", "2028-03-31"]),
        ("2026-01-30", "monthly", None, ["2026-01-30", "2026-02-28", "2026-03-30", "2026-04-30"]),
        ("2026-01-29", "monthly", None, ["2026-01-29", "2026-02-28", "2026-03-29"]),
        ("2028-01-29", "monthly", 29, ["2028-01-29", "2028-02-29", "2028-03-29"]),
        ("2026-02-28", "monthly", -1, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        # the first day of a lease is billed, whatever the anchor: the first period is partial
        ("2026-02-10", "monthly", -1, ["2026-02-10", "2026-02-28", "2026-03-31"]),
        ("2026-02-28", "monthly", 31, ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-04-10", "monthly", 31, ["2026-04-10", "2026-04-30", "2026-05-31"]),
        ("2026-04-30", "monthly", 31, ["2026-04-30", "2026-05-31"]),
        ("2028-02-29", "yearly", None, ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2027-02-28", "yearly", 29, ["2027-02-28", "2028-02-29", "2029-02-28"]),
        ("2025-11-30", "quarterly", None, ["2025-11-30", "2026-02-28", "2026-05-30", "2026-08-30"]),
        ("2025-08-31", "half_yearly", None, ["2025-08-31", "2026-02-28", "2026-08-31"]),
        ("2026-04-10", "quarterly", 1, ["2026-04-10", "2026-07-01", "2026-10-01"]),
        ("2026-04-10", "yearly", 15, ["2026-04-10", "2027-03-15"]),
        ("2026-12-30", "weekly", None, ["2026-12-30", "2027-01-06", "2027-01-13"]),
        ("2026-02-27", "fortnightly", None, ["2026-02-27", "2026-03-13"]),
        ("2026-02-27", "four_weekly", None, ["2026-02-27", "2026-03-27", "2026-04-24"]),
    ],
)
def test_periods_begin_on_the_anchor_of_their_own_month_never_on_the_clamped_one_before(
    starts: str, frequency: str, anchor: int | None, firsts: list[str]
) -> None:
    lease = a_lease(starts=d(starts), frequency=Frequency(frequency), anchor_day=anchor)
    assert [period.start for period in billed(lease, len(firsts))] == [d(first) for first in firsts]


@pytest.mark.rule("M2")
def test_a_weekly_lease_is_charged_53_times_in_a_year_that_has_53_of_its_weekday() -> None:
    thursdays = a_lease(frequency=Frequency.WEEKLY, starts=d("2026-01-01"))
    for year, times in ((2026, 53), (2027, 52), (2032, 53)):
        assert sum(period.start.year == year for period in billed(thursdays)) == times


@pytest.mark.rule("M2", "S3")
def test_the_53rd_week_of_a_lease_that_ends_with_the_year_is_one_day() -> None:
    lease = a_lease(frequency=Frequency.WEEKLY, rent=eur("210.00"), starts=d("2026-01-01"), ends=d("2026-12-31"))
    periods = billed(lease)
    assert len(periods) == 53
    assert periods[-1] == span("2026-12-31", "2026-12-31")
    assert amounts(lines(lease, 52)) == ["30.00"]
    assert amounts(lines(lease, 51)) == ["210.00"]


@pytest.mark.rule("S3", "M3")
@pytest.mark.parametrize(
    "starts, ends, expected",
    [
        ("2026-04-10", "2026-04-10", [("2026-04-10", "2026-04-10", "20.67")]),  # 620 / 30
        ("2026-04-01", "2026-04-01", [("2026-04-01", "2026-04-01", "20.67")]),
        ("2026-04-30", "2026-04-30", [("2026-04-30", "2026-04-30", "20.67")]),
        ("2026-04-05", "2026-04-14", [("2026-04-05", "2026-04-14", "206.67")]),  # inside one period
        ("2026-04-01", "2026-04-30", [("2026-04-01", "2026-04-30", "620.00")]),  # exactly one
        ("2026-04-01", "2026-05-31", [("2026-04-01", "2026-04-30", "620.00"), ("2026-05-01", "2026-05-31", "620.00")]),
        # the day before the boundary, and the boundary's own first day
        ("2026-04-01", "2026-05-30", [("2026-04-01", "2026-04-30", "620.00"), ("2026-05-01", "2026-05-30", "600.00")]),
        ("2026-04-01", "2026-05-01", [("2026-04-01", "2026-04-30", "620.00"), ("2026-05-01", "2026-05-01", "20.00")]),
        ("2026-04-10", "2026-05-31", [("2026-04-10", "2026-04-30", "434.00"), ("2026-05-01", "2026-05-31", "620.00")]),
    ],
)
def test_a_lease_is_billed_for_its_days_and_no_others(
    starts: str, ends: str, expected: list[tuple[str, str, str]]
) -> None:
    lease = a_lease(starts=d(starts), ends=d(ends))
    assert billed(lease) == [span(first, last) for first, last, _ in expected]
    assert [amounts(lines(lease, index)) for index in range(len(expected))] == [[amount] for _, _, amount in expected]


@pytest.mark.rule("S3", "M3")
@given(lease=leases())
@law
def test_the_billed_periods_tile_the_lease(lease: Lease) -> None:
    lease = attrs.evolve(lease, bill_from=None)
    periods = billed(lease, 130)
    assert periods[0].start == lease.starts
    assert all(one.end == other.start for one, other in pairwise(periods))
    if lease.ends is None:
        assert len(periods) == 130
    elif len(periods) < 130:
        assert periods[-1].last_day == lease.ends
    for index, period in enumerate(periods):
        assert period_index(lease, period.start) == period_index(lease, period.last_day) == index


@pytest.mark.rule("S3")
@given(lease=leases())
@law
def test_only_the_first_and_the_last_period_of_a_lease_can_be_partial(lease: Lease) -> None:
    lease = attrs.evolve(lease, bill_from=None)
    periods = billed(lease, 130)
    for index in range(1, len(periods) - 1):
        assert billed_period(lease, index) == aligned_period(lease, index)


@pytest.mark.rule("M3")
def test_a_lease_may_end_on_the_last_day_there_is() -> None:
    lease = a_lease(starts=d("2026-04-01"), ends=date.max)
    assert billed(lease, 2) == [span("2026-04-01", "2026-04-30"), span("2026-05-01", "2026-05-31")]
    assert not lease.finished
    assert unused_part(lease, span("2026-04-01", "2026-04-30")) is None


@pytest.mark.rule("S4")
def test_a_lease_may_start_on_the_first_day_there_is() -> None:
    lease = a_lease(starts=date.min, anchor_day=None, bill_from=d("2026-04-01"))
    assert due_by(lease, d("2026-03-25")) == [span("2026-04-01", "2026-04-30")]
    assert scheduled(attrs.evolve(lease, bill_from=None), STAYS).next_run_on == date.min


# --- when: bill_from, advance days, due dates, lateness -------------------------------------------------------------


@pytest.mark.rule("S7")
@pytest.mark.parametrize(
    "bill_from, first",
    [
        (None, "2026-04-10"),
        ("2026-01-01", "2026-04-10"),  # before the lease: everything
        ("2026-04-10", "2026-04-10"),
        ("2026-04-11", "2026-05-01"),  # the running period began before it
        ("2026-04-30", "2026-05-01"),
        ("2026-05-01", "2026-05-01"),
        ("2026-05-02", "2026-06-01"),
        ("2027-01-01", "2027-01-01"),
    ],
)
def test_nothing_that_begins_before_bill_from_is_billed(bill_from: str | None, first: str) -> None:
    lease = a_lease(bill_from=d(bill_from) if bill_from else None)
    assert billed(lease, 3)[0].start == d(first)
    assert due_by(lease, d("2027-02-01"))[0].start == d(first)


@pytest.mark.rule("S7")
def test_a_lease_that_ends_before_bill_from_is_finished_at_once() -> None:
    lease = a_lease(ends=d("2026-06-30"), bill_from=d("2026-06-15"))
    assert (lease.finished, lease.next_run_on) == (True, None)
    assert due_by(lease, d("2030-01-01")) == []


@pytest.mark.rule("S7")
@given(lease=leases())
@law
def test_with_bill_from_exactly_the_periods_that_begin_before_it_are_missing(lease: Lease) -> None:
    whole = billed(attrs.evolve(lease, bill_from=None), 130)
    wanted = [period for period in whole if lease.bill_from is None or period.start >= lease.bill_from]
    assert billed(lease, 130)[: len(wanted)] == wanted


@pytest.mark.rule("S4")
@pytest.mark.parametrize(
    "method, own, on",
    [
        (InvoiceMethod.EMAIL_PDF, None, "2026-04-03"),
        (InvoiceMethod.DIRECT_DEBIT, None, "2026-04-05"),
        (InvoiceMethod.EMAIL_PDF, 0, "2026-04-10"),
        (InvoiceMethod.DIRECT_DEBIT, 30, "2026-03-11"),
        (InvoiceMethod.EMAIL_PDF, 366, "2025-04-09"),
    ],
)
@pytest.mark.parametrize("frequency", Frequency)
def test_an_invoice_is_made_advance_days_before_the_billed_period_whatever_the_frequency(
    method: InvoiceMethod, own: int | None, on: str, frequency: Frequency
) -> None:
    lease = a_lease(method=method, advance_days=own, frequency=frequency)
    assert lease.next_run_on == d(on)
    assert due_by(lease, d(on) - DAY) == []
    assert due_by(lease, d(on))[0].start == d("2026-04-10")


@pytest.mark.rule("S4")
def test_the_policy_says_how_many_days_unless_the_lease_does() -> None:
    policy = changed_policy(STAYS, {"advance_days_email_pdf": 14, "advance_days_direct_debit": 1})
    april = span("2026-04-10", "2026-04-30")
    assert run_date(a_lease(), policy, april) == d("2026-03-27")
    assert run_date(a_lease(method=InvoiceMethod.DIRECT_DEBIT), policy, april) == d("2026-04-09")
    assert run_date(a_lease(advance_days=3), policy, april) == d("2026-04-07")


@pytest.mark.rule("S4")
def test_a_manual_lease_is_never_due_by_itself() -> None:
    lease = a_lease(method=InvoiceMethod.MANUAL, advance_days=30)
    assert (lease.next_run_on, lease.finished) == (None, False)
    assert moved_on(lease, STAYS, 1, invoiced=True).next_run_on is None


@pytest.mark.rule("S5")
@pytest.mark.parametrize("offset, due", [(-1, "2026-04-09"), (0, "2026-04-10"), (4, "2026-04-14"), (-10, "2026-03-31")])
def test_it_is_due_the_day_before_the_billed_period_or_where_the_policy_says(offset: int, due: str) -> None:
    policy = changed_policy(STAYS, {"due_offset_days": offset})
    assert due_date(policy, span("2026-04-10", "2026-04-30")) == d(due)


@pytest.mark.rule("S6")
@pytest.mark.parametrize("on, late", [("2026-04-09", False), ("2026-04-10", True), ("2026-04-11", True)])
def test_it_is_late_from_the_billed_first_day_on_that_day_included(on: str, late: bool) -> None:
    assert is_late(span("2026-04-10", "2026-04-30"), d(on)) is late


@pytest.mark.rule("S3", "S6")
def test_lateness_and_due_date_go_by_the_billed_period_and_not_the_aligned_one() -> None:
    lease = a_lease()
    period = billed_period(lease, 0)
    assert period is not None
    assert aligned_period(lease, 0).start == d("2026-04-01")
    assert not is_late(period, d("2026-04-09"))
    assert due_date(STAYS, period) == d("2026-04-09")


@pytest.mark.rule("S4", "S7")
@given(lease=leases(), on=st.dates(d("2023-06-01"), d("2029-12-31")))
@law
def test_a_run_makes_every_period_due_by_then_in_order_and_the_next_run_makes_the_rest(lease: Lease, on: date) -> None:
    expected = [p for p in billed(lease, 400) if p.start - timedelta(days=7) <= on]
    made = list(due_periods(lease, STAYS, on))
    assert [period for _, period in made] == expected
    after = moved_on(lease, STAYS, first_index(lease) + len(made), invoiced=True)
    assert list(due_periods(after, STAYS, on)) == []
    assert after.next_run_on is None or after.next_run_on > on
    assert after.finished is (after.next_run_on is None)


# --- amounts -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S2", "S3")
@pytest.mark.parametrize(
    "index, locale, what, description",
    [
        (0, "en_GB", "", "Rent - Monthly (pro-rata)\n10/04/2026 - 30/04/2026"),
        (1, "en_GB", "", "Rent - Monthly\n01/05/2026 - 31/05/2026"),
        (0, "fr_FR", "", "Loyer - Mensuel (au prorata)\n10/04/2026 - 30/04/2026"),
        (1, "en_US", "", "Rent - Monthly\n05/01/2026 - 05/31/2026"),
        (1, "fr_CA", "Emplacement 12", "Emplacement 12 - Mensuel\n2026-05-01 - 2026-05-31"),
    ],
)
def test_a_line_says_what_it_covers(index: int, locale: str, what: str, description: str) -> None:
    assert [line.description for line in lines(a_lease(description=what), index, locale)] == [description]


@pytest.mark.rule("S3")
@pytest.mark.parametrize("frequency", Frequency)
@pytest.mark.parametrize("day_count", DayCount)
def test_a_full_period_costs_the_rent_whatever_the_day_count(frequency: Frequency, day_count: DayCount) -> None:
    lease = a_lease(frequency=frequency, day_count=day_count, starts=d("2026-01-01"))
    for index in range(30):
        (line,) = lines(lease, index)
        assert line.amount == line.unit_price == eur("620.00")
        assert line.share is None
        assert "pro-rata" not in line.description


@pytest.mark.rule("M4", "S3")
@pytest.mark.parametrize(
    "code, rent, amount",
    [("EUR", "620.05", "434.04"), ("JPY", "62005", "43404"), ("KWD", "620.005", "434.004")],  # × 21/30
)
def test_a_partial_period_is_rounded_half_up_once_to_its_currencys_unit(code: str, rent: str, amount: str) -> None:
    (line,) = lines(a_lease(rent=Money(rent, code)), 0)
    assert line.amount == Money(amount, code)
    assert line.unit_price == Money(rent, code)


@pytest.mark.rule("M4")
@pytest.mark.parametrize(
    "day_count, amount",
    [
        (DayCount.ACTUAL, "434.00"),  # 21/30
        (DayCount.ACTUAL_MONTH, "434.00"),
        (DayCount.THIRTY, "434.00"),
        (DayCount.THIRTY_STRICT, "434.00"),
        (DayCount.YEAR_365, "428.05"),  # 620 × 12 × 21 / 365
        (DayCount.YEAR_ACTUAL, "428.05"),
        (DayCount.YEAR_360, "434.00"),
        (DayCount.NONE, "620.00"),
    ],
)
def test_a_lease_prorates_by_its_own_day_count(day_count: DayCount, amount: str) -> None:
    (line,) = lines(a_lease(day_count=day_count), 0)
    assert str(line.amount.amount) == amount
    assert line.share is not None
    assert line.share.day_count is day_count


@pytest.mark.rule("M6")
def test_a_prorated_line_keeps_how_it_came_about() -> None:
    (line,) = lines(a_lease(rent=eur("100.00"), starts=d("2026-05-11")), 0)
    assert line.period == span("2026-05-11", "2026-05-31")
    assert line.share is not None
    assert (line.share.days, line.share.of_days) == (21, 31)
    assert line.share.exact == Fraction(10000 * 21, 31)
    assert line.share.day_count is DayCount.ACTUAL


@pytest.mark.rule("S3", "M4")
@pytest.mark.parametrize("day_count", [DayCount.ACTUAL_MONTH, DayCount.THIRTY, DayCount.THIRTY_STRICT])
def test_a_partial_quarter_never_costs_more_than_the_rent(day_count: DayCount) -> None:
    # 91 of 92 days: a literal 30-day month would make it 91/90 of the rent
    lease = a_lease(
        frequency=Frequency.QUARTERLY, day_count=day_count, anchor_day=1, starts=d("2026-07-02"), rent=eur("900.00")
    )
    assert minor(lines(lease, 0)[0].amount) <= 90000


@pytest.mark.rule("S3", "M4")
@given(lease=leases(changes=True), index=st.integers(0, 12))
@law
def test_no_period_costs_more_than_its_highest_rent_and_none_less_than_nothing(lease: Lease, index: int) -> None:
    assume(billed_period(lease, index) is not None)
    made = lines(lease, index)
    assert sum(minor(line.amount) for line in made) <= max(minor(line.unit_price) for line in made)
    assert all(minor(line.amount) >= 0 for line in made)
    whole = sum((line.share.exact for line in made if line.share is not None), Fraction(0))
    if all(line.share is not None for line in made):
        assert sum(minor(line.amount) for line in made) == half_up(whole)
    else:
        assert [line.amount for line in made] == [made[0].unit_price]


@pytest.mark.rule("M8", "S3")
@pytest.mark.parametrize("code", ["EUR", "JPY", "KWD"])
@pytest.mark.parametrize("day_count", DayCount)
@pytest.mark.parametrize("frequency", [Frequency.MONTHLY, Frequency.QUARTERLY, Frequency.YEARLY, Frequency.WEEKLY])
def test_the_largest_rent_there_is_can_be_billed_in_full_and_in_part(
    code: str, day_count: DayCount, frequency: Frequency
) -> None:
    rent = from_minor(MAX_MINOR, code)
    lease = a_lease(rent=rent, day_count=day_count, frequency=frequency, starts=d("2026-07-02"), ends=d("2027-07-06"))
    assert [line.amount for line in lines(lease, 1)] <= [rent]
    for index in range(len(billed(lease))):
        assert 0 < minor(lines(lease, index)[0].amount) <= MAX_MINOR


# --- another rent from a date on -----------------------------------------------------------------------------------


def repriced(lease: Lease, *changes: tuple[str, str]) -> Lease:
    for since, rent in changes:
        lease = with_rent(lease, Money(rent, lease.rent.currency.code), d(since))
    return lease


@pytest.mark.rule("M9", "S2", "M5")
def test_a_rent_change_inside_a_full_period_splits_it_without_calling_it_pro_rata() -> None:
    lease = repriced(a_lease(rent=eur("600.00")), ("2026-06-16", "660.00"))
    made = lines(lease, 2)
    assert [line.description for line in made] == [
        "Rent - Monthly\n01/06/2026 - 15/06/2026",
        "Rent - Monthly\n16/06/2026 - 30/06/2026",
    ]
    assert amounts(made) == ["300.00", "330.00"]
    assert [line.unit_price for line in made] == [eur("600.00"), eur("660.00")]
    assert [(line.share.days, line.share.of_days) for line in made if line.share] == [(15, 30), (15, 30)]
    assert [amounts(lines(lease, index)) for index in (1, 3)] == [["600.00"], ["660.00"]]


@pytest.mark.rule("M9", "S2")
def test_a_rent_change_inside_a_partial_period_splits_it_and_both_parts_say_pro_rata() -> None:
    lease = repriced(a_lease(rent=eur("600.00")), ("2026-04-21", "660.00"))
    made = lines(lease, 0)
    assert amounts(made) == ["220.00", "220.00"]  # 11/30 of 600, 10/30 of 660
    assert all("(pro-rata)" in line.description for line in made)
    assert [line.period for line in made] == [span("2026-04-10", "2026-04-20"), span("2026-04-21", "2026-04-30")]


@pytest.mark.rule("M9")
@pytest.mark.parametrize(
    "changes, expected",
    [
        ([("2026-05-01", "660.00")], ["660.00"]),  # on the boundary: one line
        ([("2026-06-01", "660.00")], ["600.00"]),  # the period after
        ([("2026-05-31", "660.00")], ["580.65", "21.29"]),
        ([("2026-05-11", "660.00"), ("2026-05-21", "720.00")], ["193.55", "212.90", "255.49"]),
        ([("2026-05-11", "660.00"), ("2026-05-11", "690.00")], ["193.55", "467.42"]),  # the later word counts
        ([("2026-05-11", "600.00")], ["600.00"]),  # nothing changes: nothing to split
        ([("2026-05-11", "300.00")], ["193.55", "203.22"]),  # cheaper
        ([("2026-05-21", "720.00"), ("2026-05-11", "660.00")], ["193.55", "212.90", "255.49"]),  # told in any order
    ],
)
def test_a_full_month_is_cut_at_each_change_of_rent(changes: list[tuple[str, str]], expected: list[str]) -> None:
    lease = repriced(a_lease(rent=eur("600.00"), starts=d("2026-04-01")), *changes)
    assert amounts(lines(lease, 1)) == expected


@pytest.mark.rule("M9", "M5")
def test_segments_add_up_to_one_rounding_where_each_alone_would_round_up() -> None:
    # half a month of 1.01 and half of 1.01+0.02: 0.505 + 0.515 = 1.02, not 0.51 + 0.52
    lease = repriced(a_lease(rent=eur("1.01"), starts=d("2026-04-01")), ("2026-06-16", "1.03"))
    assert amounts(lines(lease, 2)) == ["0.51", "0.51"]


@pytest.mark.rule("M9", "M4", "M5")
@given(lease=leases(changes=True), index=st.integers(0, 6))
@law
def test_by_actual_days_a_period_costs_what_its_days_cost_each_at_its_own_rent_rounded_once(
    lease: Lease, index: int
) -> None:
    lease = attrs.evolve(lease, day_count=DayCount.ACTUAL)
    period = billed_period(lease, index)
    if period is None:
        reject()
    of_days = aligned_period(lease, index).days
    owed = Fraction(0)
    for offset in range(period.days):
        rent = lease.rent
        for change in lease.changes:
            if change.since <= period.start + timedelta(days=offset):
                rent = change.rent
        owed += Fraction(minor(rent), of_days)
    made = lines(lease, index)
    assert sum(minor(line.amount) for line in made) == half_up(owed)
    parts = [line.period for line in made if line.period is not None]
    assert len(parts) == len(made)
    assert (parts[0].start, parts[-1].end) == (period.start, period.end)
    assert all(one.end == other.start for one, other in pairwise(parts))


@pytest.mark.rule("M9", "S3")
@given(lease=leases(changes=True), index=st.integers(0, 6))
@law
def test_a_full_period_is_never_called_pro_rata_and_a_partial_one_always(lease: Lease, index: int) -> None:
    period = billed_period(lease, index)
    assume(period is not None)
    partial = period != aligned_period(lease, index)
    assert all(("pro-rata" in line.description) is partial for line in lines(lease, index))


@pytest.mark.rule("M9")
def test_a_full_period_with_a_change_costs_between_the_two_rents_whatever_the_day_count() -> None:
    for day_count in DayCount:
        lease = repriced(
            a_lease(rent=eur("600.00"), day_count=day_count, starts=d("2026-05-01")), ("2026-05-16", "660.00")
        )
        assert amounts(lines(lease, 0)) == ["290.32", "340.65"]


@pytest.mark.rule("M9")
def test_without_proration_a_partial_period_with_a_change_costs_between_the_two_rents() -> None:
    lease = repriced(a_lease(rent=eur("600.00"), day_count=DayCount.NONE), ("2026-04-21", "660.00"))
    made = lines(lease, 0)
    assert amounts(made) == ["314.29", "314.28"]  # 11/21 of 600 = 314.2857…, 10/21 of 660 = 314.2857…: 628.57 in all


@pytest.mark.rule("M9")
@pytest.mark.parametrize("since", ["2026-04-10", "2026-04-01", "2020-01-01"])
def test_before_anything_is_billed_a_change_from_the_start_is_simply_the_rent(since: str) -> None:
    lease = repriced(a_lease(), (since, "700.00"))
    assert (lease.rent, lease.changes) == (eur("700.00"), ())


@pytest.mark.rule("M9")
@pytest.mark.parametrize(
    "since, allowed",
    [
        ("2026-06-01", True),
        ("2026-09-30", True),
        ("2026-05-31", False),  # inside a period that is invoiced
        ("2026-05-01", False),
        ("2026-04-10", False),
        ("2026-01-01", False),
        ("2026-10-01", False),  # after the lease
    ],
)
def test_a_rent_changes_from_the_day_after_what_is_invoiced_to_the_end_of_the_lease(since: str, allowed: bool) -> None:
    lease = moved_on(a_lease(ends=d("2026-09-30")), STAYS, 2, invoiced=True)
    billed = [span("2026-05-01", "2026-05-31"), span("2026-04-10", "2026-04-30")]
    if allowed:
        assert with_rent(lease, eur("700.00"), d(since), billed).changes[0].since == d(since)
    else:
        with pytest.raises(InvalidValue) as caught:
            with_rent(lease, eur("700.00"), d(since), billed)
        assert caught.value.field == "since"


@pytest.mark.rule("M9", "R4")
@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_a_rent_is_more_than_zero(amount: str) -> None:
    with pytest.raises(InvalidValue, match="rent"):
        with_rent(a_lease(), eur(amount), d("2026-05-01"))
    with pytest.raises(InvalidValue, match="rent"):
        a_lease(rent=eur(amount))


# --- ending --------------------------------------------------------------------------------------------------------


@pytest.mark.rule("M9", "M3")
@pytest.mark.parametrize(
    "ends, unused",
    [
        ("2026-05-31", None),
        ("2026-05-30", ("2026-05-31", "2026-05-31")),
        ("2026-05-10", ("2026-05-11", "2026-05-31")),
        ("2026-05-01", ("2026-05-02", "2026-05-31")),
        ("2026-04-30", ("2026-05-01", "2026-05-31")),
        ("2026-04-15", ("2026-05-01", "2026-05-31")),
    ],
)
def test_what_lies_after_the_last_day_of_an_invoiced_period_is_unused(
    ends: str, unused: tuple[str, str] | None
) -> None:
    lease = a_lease(ends=d(ends))
    assert unused_part(lease, span("2026-05-01", "2026-05-31")) == (span(*unused) if unused else None)


@pytest.mark.rule("M9")
@pytest.mark.parametrize(
    "ends, worth",
    [("2026-05-30", "20.00"), ("2026-05-10", "420.00"), ("2026-05-01", "600.00"), ("2026-04-30", "620.00")],
)
def test_the_unused_part_is_worth_what_was_charged_less_what_is_kept(ends: str, worth: str) -> None:
    lease = a_lease(ends=d(ends))
    may = span("2026-05-01", "2026-05-31")
    unused = unused_part(lease, may)
    assert unused is not None
    assert unused_amount(lease, may, may, unused, eur("620.00")) == eur(worth)


@pytest.mark.rule("M9")
def test_the_unused_part_of_a_period_with_a_rent_change_is_worth_its_own_rents() -> None:
    lease = repriced(a_lease(rent=eur("600.00"), starts=d("2026-06-01")), ("2026-06-16", "660.00"))
    june = span("2026-06-01", "2026-06-30")
    shorter = attrs.evolve(lease, ends=d("2026-06-20"))
    unused = unused_part(shorter, june)
    assert unused == span("2026-06-21", "2026-06-30")
    assert unused_amount(shorter, june, june, unused, eur("630.00")) == eur("220.00")  # 10/30 of 660


@pytest.mark.rule("M9")
def test_without_proration_a_period_that_has_begun_is_worth_nothing_back() -> None:
    lease = a_lease(day_count=DayCount.NONE, ends=d("2026-05-10"))
    may = span("2026-05-01", "2026-05-31")
    assert unused_amount(lease, may, may, span("2026-05-11", "2026-05-31"), eur("620.00")) == eur("0.00")


@pytest.mark.rule("M9", "M4")
@given(lease=leases(changes=True), index=st.integers(0, 6), data=st.data())
@law
def test_what_is_kept_and_what_is_unused_add_up_to_what_was_charged(
    lease: Lease, index: int, data: st.DataObject
) -> None:
    period = billed_period(lease, index)
    if period is None:
        reject()
    charged = from_minor(sum(minor(line.amount) for line in lines(lease, index)), lease.rent.currency.code)
    last = data.draw(st.dates(period.start, period.last_day))
    shorter = attrs.evolve(lease, ends=last)
    unused = unused_part(shorter, period)
    kept = sum(minor(line.amount) for line in lines(shorter, index))
    if unused is None:
        assert last == period.last_day
    else:
        worth = unused_amount(shorter, aligned_period(lease, index), period, unused, charged)
        assert minor(worth) == max(minor(charged) - kept, 0)


@pytest.mark.rule("M9", "M3")
def test_a_lease_ends_on_its_last_day_and_is_finished_when_nothing_is_left_to_bill() -> None:
    lease = moved_on(a_lease(), STAYS, 2, invoiced=True)  # April and May are billed
    for last, finished, run in (
        ("2026-05-31", True, None),
        ("2026-05-20", True, None),
        ("2026-04-10", True, None),
        ("2026-06-01", False, d("2026-05-25")),
        ("2026-08-15", False, d("2026-05-25")),
    ):
        after = ended(lease, STAYS, d(last))
        assert (after.ends, after.finished, after.next_run_on) == (d(last), finished, run)
        assert after.next_period == 2


@pytest.mark.rule("M9")
def test_a_lease_cannot_end_before_it_starts() -> None:
    with pytest.raises(InvalidValue, match="before the lease starts"):
        ended(a_lease(), STAYS, d("2026-04-09"))


@pytest.mark.rule("M9")
@pytest.mark.parametrize(
    "invoiced, last, grows",
    [
        ([], "2026-12-31", True),
        ([(0, "2026-04-10", "2026-04-30"), (1, "2026-05-01", "2026-05-31")], "2026-12-31", True),
        ([(1, "2026-05-01", "2026-05-15")], "2026-05-15", True),
        ([(1, "2026-05-01", "2026-05-15")], "2026-05-10", True),  # it shrinks
        ([(1, "2026-05-01", "2026-05-15")], "2026-05-16", False),
        ([(1, "2026-05-01", "2026-05-15"), (2, "2026-06-01", "2026-06-30")], "2026-12-31", False),
    ],
)
def test_a_lease_grows_unless_days_would_be_left_that_nothing_bills(
    invoiced: list[tuple[int, str, str]], last: str, grows: bool
) -> None:
    lease = moved_on(a_lease(ends=d("2026-05-15")), STAYS, 2, invoiced=True)
    known = [(index, span(first, end)) for index, first, end in invoiced]
    if grows:
        assert ended(lease, STAYS, d(last), known).ends == d(last)
    else:
        with pytest.raises(LeaseFrozen, match="pro-rata"):
            ended(lease, STAYS, d(last), known)


# --- the door ------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S4", "M3")
@pytest.mark.parametrize(
    "fields, field",
    [
        ({"ends": d("2026-04-09")}, "ends"),
        ({"advance_days": -1}, "advance_days"),
        ({"advance_days": 367}, "advance_days"),
        ({"advance_days": 1.5}, "advance_days"),
        ({"advance_days": True}, "advance_days"),
        ({"anchor_day": 0}, "anchor_day"),
        ({"anchor_day": 32}, "anchor_day"),
        ({"anchor_day": -2}, "anchor_day"),
    ],
)
def test_a_lease_that_cannot_be_is_refused_with_its_field_named(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        a_lease(**fields)
    assert caught.value.field == field


@pytest.mark.rule("M3")
@pytest.mark.parametrize("day", ["2026-04-09", "2026-10-01"])
def test_a_day_outside_the_lease_is_in_none_of_its_periods(day: str) -> None:
    with pytest.raises(InvalidValue, match="outside the lease"):
        period_index(a_lease(ends=d("2026-09-30")), d(day))


@pytest.mark.rule("M2")
def test_the_index_of_a_period_goes_by_the_aligned_one_so_a_successor_counts_from_its_own_start() -> None:
    lease = a_lease()
    assert [period_index(lease, d(day)) for day in ("2026-04-10", "2026-04-30", "2026-05-01", "2027-04-01")] == [
        0, 0, 1, 12,
    ]  # fmt: skip
    assert next(index for index in naturals() if billed_period(lease, index) == span("2026-05-01", "2026-05-31")) == 1
