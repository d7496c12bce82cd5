"""The auditor's own arithmetic: periods, rents in proportion, taxes and calendars, worked out a second time.

Written from the rules (M2 to M7, S2 to S5) and from docs/money-and-proration.md, and from nothing else: it imports
nothing of the library, so that a mistake there is not repeated here. Amounts are whole minor units, dates are dates,
periods are (first day, day after the last).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Span = tuple[date, date]
Row = Mapping[str, Any]

DAY = timedelta(days=1)
DECIMALS = {"EUR": 2, "GBP": 2, "CAD": 2, "USD": 2, "JPY": 0, "KWD": 3}
MONTHS = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}
WEEKS = {"weekly": 1, "fortnightly": 2, "four_weekly": 4}


def rounded(value: Fraction) -> int:
    """Half-up, away from zero (M4)."""
    sign = -1 if value < 0 else 1
    return sign * int(abs(value) + Fraction(1, 2))


def shared(parts: Sequence[Fraction]) -> list[int]:
    """Parts of one sign as whole numbers that add up to their rounded sum: largest remainder, ties by order (M5)."""
    if sum(parts, Fraction(0)) < 0:
        return [-each for each in shared([-part for part in parts])]
    whole = [int(part) for part in parts]
    left = rounded(sum(parts, Fraction(0))) - sum(whole)
    by_remainder = sorted(range(len(parts)), key=lambda n: (whole[n] - parts[n], n))
    for n in by_remainder[:left]:
        whole[n] += 1
    return whole


def minor_of(text: str, currency: str) -> int:
    """An amount as it is written on a timeline, in minor units."""
    value = Fraction(Decimal(text)) * 10 ** DECIMALS[currency]
    if value.denominator != 1:
        raise ValueError(f"{text} {currency} has a part of a minor unit")
    return int(value)


# --- periods (M2, M3) -------------------------------------------------------------------------------------------------


def day_in(year: int, month: int, day: int) -> date:
    """A day of a month, the last one where there is no such day, or for -1."""
    last = calendar.monthrange(year, month)[1]
    return date(year, month, last if day == -1 else min(day, last))


def aligned(lease: Row, n: int) -> Span:
    """Period n of a lease's cycle, from its anchor; the cycle begins on the last anchor day up to its start."""
    starts: date = lease["starts"]
    if lease["frequency"] in WEEKS:
        step = timedelta(weeks=WEEKS[lease["frequency"]])
        return starts + n * step, starts + (n + 1) * step
    anchor = lease["anchor_day"] if lease["anchor_day"] is not None else starts.day
    month = starts.year * 12 + starts.month - 1
    if day_in(starts.year, starts.month, anchor) > starts:
        month -= 1
    turns = (month + k * MONTHS[lease["frequency"]] for k in (n, n + 1))
    first, after = (day_in(turn // 12, turn % 12 + 1, anchor) for turn in turns)
    return first, after


def billed(lease: Row, n: int, ends: date | None) -> Span | None:
    """What of period n a lease that ends on a day reaches into (S3)."""
    first, after = aligned(lease, n)
    first = max(first, lease["starts"])
    after = after if ends is None else min(after, ends + DAY)
    return (first, after) if first < after else None


def first_period(lease: Row) -> int:
    """The first one to be billed: none that begins before `bill_from` (S7)."""
    if lease["bill_from"] is None or lease["bill_from"] <= lease["starts"]:
        return 0
    n = 0
    while aligned(lease, n)[0] < lease["bill_from"]:
        n += 1
    return n


def advance(lease: Row, policy: Row) -> timedelta:
    """How long before a billed period its invoice is made (S4)."""
    days = lease["advance_days"]
    if days is None:
        days = policy["advance_days_direct_debit" if lease["method"] == "direct_debit" else "advance_days_email_pdf"]
    return timedelta(days=days)


def due_by(lease: Row, policy: Row, on: date) -> Iterator[tuple[int, Span]]:
    """Every (index, billed period) of a lease that is to be invoiced by a day (S4, S7)."""
    n = first_period(lease)
    while (span := billed(lease, n, lease["ends"])) is not None and span[0] - advance(lease, policy) <= on:
        yield n, span
        n += 1


# --- what a period costs (M4, M5, M9, S3) -----------------------------------------------------------------------------


def rent_on(lease: Row, day: date) -> int:
    """The rent of a full period as it stands on a day."""
    return [lease["rent_minor"], *(rent for since, rent in lease["changes"] if since <= day)][-1]


def fraction_of(lease: Row, part: Span, whole: Span, day_count: str) -> Fraction:
    """What part of a full period's rent some occupied days cost, by a day count (M4)."""
    days, months, weeks = (part[1] - part[0]).days, MONTHS.get(lease["frequency"]), WEEKS.get(lease["frequency"])
    if day_count == "actual":
        return Fraction(days, (whole[1] - whole[0]).days)
    if day_count == "none":
        return Fraction(1)
    if months is None:
        return Fraction(days, 7 * (weeks or 0))
    first, last = part[0], part[1] - DAY
    in_month = calendar.monthrange(first.year, first.month)[1]
    match day_count:
        case "actual_month":
            return Fraction(days, in_month * months)
        case "thirty":
            return Fraction(days, 30 * months)
        case "thirty_strict":
            return Fraction(day_of_360(last) - day_of_360(first) + 1, 30 * months)
        case "year_365":
            return Fraction(days * 12, 365 * months)
        case "year_actual":
            return Fraction(days * 12, (366 if calendar.isleap(first.year) else 365) * months)
        case "year_360":
            return Fraction(days * 12, 360 * months)
    raise ValueError(f"no such day count: {day_count}")


def day_of_360(day: date) -> int:
    """A day's number where every month has 30, its last day being the 30th."""
    last = (day + DAY).day == 1
    return (day.year * 12 + day.month) * 30 + (30 if last else day.day)


def lines_of(lease: Row, whole: Span, span: Span) -> list[tuple[Span, int, int, Fraction | None]]:
    """(days, rent of a full period, amount, what it came to exactly) of each line of a billed period (M6, M9).

    Cut where the rent changes, never above its highest rent; the parts of a full one share it by its own days. A full
    rent has nothing to explain.
    """
    cuts = [since for since, _ in lease["changes"] if span[0] < since < span[1]]
    parts = [*zip([span[0], *cuts], [*cuts, span[1]], strict=True)]
    rents = [rent_on(lease, part[0]) for part in parts]
    full = span == whole
    if full and len(set(rents)) == 1:
        return [(span, rents[0], rents[0], None)]
    how, measure = "actual" if full else lease["day_count"], whole
    if how == "none" and len(parts) > 1:
        how, measure = "actual", span  # the whole rent is due, and its parts share it by the billed days
    costs = [rent * fraction_of(lease, part, measure, how) for part, rent in zip(parts, rents, strict=True)]
    most = max(rents)
    if (asked := sum(costs, Fraction(0))) > most:
        costs = [cost * most / asked for cost in costs]
    return [*zip(parts, rents, shared(costs), costs, strict=True)]


# --- taxes (M7) -------------------------------------------------------------------------------------------------------

Rate = tuple[str, str, str | None]


def taxes_of(lines: Sequence[tuple[int, Sequence[Rate]]], *, included: bool) -> tuple[int, dict[Rate, tuple[int, int]]]:
    """(total to pay, rate → (base, tax)) of an invoice's lines, per rate on its summed base."""
    sums: dict[frozenset[Rate], int] = {}
    order: dict[Rate, int] = {}
    for amount, rates in lines:
        for rate in rates:
            order.setdefault(rate, len(order))
        sums[frozenset(rates)] = sums.get(frozenset(rates), 0) + amount
    found = dict.fromkeys(order, (0, 0))
    if not included:
        for rate in order:
            base = sum(amount for rates, amount in sums.items() if rate in rates)
            found[rate] = base, rounded(base * Fraction(rate[1]) / 100)
        return sum(sums.values()) + sum(tax for _, tax in found.values()), found
    for rates, gross in sums.items():
        if not rates:
            continue
        ranked = sorted(rates, key=order.__getitem__)
        percents = [Fraction(rate[1]) for rate in ranked]
        net = rounded(gross / (1 + sum(percents) / 100))
        tax = gross - net
        parts = shared([tax * each / sum(percents) for each in percents]) if tax else [0] * len(ranked)
        for rate, part in zip(ranked, parts, strict=True):
            found[rate] = found[rate][0] + net, found[rate][1] + part
    return sum(sums.values()), found


# --- words (S2) -------------------------------------------------------------------------------------------------------


def says_dates(text: str, span: Span) -> bool:
    """Whether a line's second row has the first and the last day of its period, in whatever order days are written."""
    numbers = [int(each) for each in re.findall(r"\d+", text.partition("\n")[2])]
    first, last = span[0], span[1] - DAY
    wanted = [sorted((day.year, day.month, day.day)) for day in (first, last)]
    return len(numbers) == 6 and [sorted(numbers[:3]), sorted(numbers[3:])] == wanted


def says_part(text: str) -> bool:
    """Whether a line's first row says that it is for a part of a period."""
    return text.partition("\n")[0].endswith(("(pro-rata)", "(au prorata)"))
