"""Leases: which periods fall due, what each costs, and what ending or repricing one means."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache

import attrs

from invoicecore.altering import altered
from invoicecore.errors import InvalidValue, LeaseFrozen
from invoicecore.invoices import Line, Share
from invoicecore.money import Money, from_minor, half_up, minor, split_exact, total, zero
from invoicecore.parties import InvoiceMethod, Policy
from invoicecore.periods import Cycle, Frequency, Period
from invoicecore.proration import DayCount, prorate
from invoicecore.taxes import TaxRate
from invoicecore.wording import rent_line

_DAY = timedelta(days=1)


@attrs.frozen(kw_only=True)
class RentChange:
    """Another rent from a date on, that day included (M9)."""

    since: date
    rent: Money


@attrs.frozen(kw_only=True, slots=False)  # as `altered` needs it
class Lease:
    """Rent billed in advance, a period at a time.

    `rent` is the price of one full period of `frequency` (S3). `ends` is the last day, inclusive; None is open-ended
    (M3). `bill_from`: no period that begins before it is generated (S7). `advance_days` overrides the policy's (S4).
    `next_period` is the index of the next period to bill and `next_run_on` the day from which the run makes it
    (None: the run leaves this lease alone). `invoiced`: it has had an invoice, so its cycle is frozen (M9).
    """

    id: str
    biller: str
    customer: str
    unit: str | None
    rent: Money
    frequency: Frequency
    starts: date
    ends: date | None = None
    anchor_day: int | None = None
    method: InvoiceMethod = InvoiceMethod.EMAIL_PDF
    advance_days: int | None = None
    day_count: DayCount = DayCount.ACTUAL
    bill_from: date | None = None
    description: str = ""
    taxes: tuple[TaxRate, ...] = ()
    changes: tuple[RentChange, ...] = ()
    next_period: int = 0
    next_run_on: date | None = None
    finished: bool = False
    invoiced: bool = False
    version: int = 1


@attrs.frozen(kw_only=True)
class Overbilled:
    """A period that was invoiced beyond a lease's new end: `unused` of it, worth `amount` with tax, is to be credited (M9)."""

    invoice: str
    reference: str
    period: Period
    unused: Period
    amount: Money


@lru_cache(maxsize=65_536)
def _aligned(starts: date, frequency: Frequency, anchor_day: int | None, index: int) -> Period:
    # Thousands of leases share a few cycles; working each period out once is most of the run's speed.
    return Cycle(starts=starts, frequency=frequency, anchor_day=anchor_day).period(index)


def aligned_period(lease: Lease, index: int) -> Period:
    """Period `index` of the lease's cycle, not clipped to its ends (M2, S3)."""
    return _aligned(lease.starts, lease.frequency, lease.anchor_day, index)


def clip(lease: Lease, aligned: Period) -> Period | None:
    """The billed part of an aligned period, None when the lease does not reach into it (S3)."""
    ends = lease.ends
    # Never the day after `ends` unless the period has it: imported leases end on 31/12/9999.
    whole = ends is None or aligned.last_day <= ends
    if whole and aligned.start >= lease.starts:
        return aligned
    start = max(aligned.start, lease.starts)
    end = aligned.end if whole or ends is None else ends + _DAY
    return Period(start, end) if start < end else None


def billed_period(lease: Lease, index: int) -> Period | None:
    """Period `index` as billed: clipped to the lease, None outside it (S3)."""
    return clip(lease, aligned_period(lease, index))


def period_index(lease: Lease, day: date) -> int:
    """The index of the period a day falls in; InvalidValue for a day outside the lease."""
    if day < lease.starts or (lease.ends is not None and day > lease.ends):
        raise InvalidValue(
            "period",
            day,
            f"is outside the lease ({lease.starts} to {lease.ends or 'open-ended'})",
            "give a day within it",
        )
    return Cycle(starts=lease.starts, frequency=lease.frequency, anchor_day=lease.anchor_day).index_of(day)


def first_index(lease: Lease) -> int:
    """The first period to bill: 0, or the first that begins on or after `bill_from` (S7)."""
    if lease.bill_from is None or lease.bill_from <= lease.starts:
        return 0
    cycle = Cycle(starts=lease.starts, frequency=lease.frequency, anchor_day=lease.anchor_day)
    index = cycle.index_of(lease.bill_from)
    return index if cycle.period(index).start == lease.bill_from else index + 1


def advance_days(lease: Lease, policy: Policy) -> int:
    """Days before the billed period at which its invoice is made: the lease's own, else the policy's (S4)."""
    return lease.advance_days if lease.advance_days is not None else policy.advance_days(lease.method)


def run_date(lease: Lease, policy: Policy, billed: Period) -> date:
    """The day from which the run makes the invoice of a billed period (S4)."""
    return date.fromordinal(max(billed.start.toordinal() - advance_days(lease, policy), 1))


def due_date(policy: Policy, billed: Period) -> date:
    """The due date of a billed period, by default the day before it begins (S5)."""
    return billed.start + timedelta(days=policy.due_offset_days)


def is_late(billed: Period, on: date) -> bool:
    """Generated on or after the billed period's first day (S6)."""
    return on >= billed.start


def due_periods(lease: Lease, policy: Policy, on: date) -> Iterator[tuple[int, Period]]:
    """(index, billed period) of every period to be made by `on`, from the next one on (S4, S7)."""
    index = lease.next_period
    while (billed := billed_period(lease, index)) is not None and run_date(lease, policy, billed) <= on:
        yield index, billed
        index += 1


def moved_on(lease: Lease, policy: Policy, next_period: int, *, invoiced: bool) -> Lease:
    """The lease once its periods before `next_period` are dealt with: when it is next due, or that it is finished."""
    billed = billed_period(lease, next_period)
    automatic = billed is not None and lease.method is not InvoiceMethod.MANUAL
    return altered(
        lease,
        next_period=next_period,
        next_run_on=run_date(lease, policy, billed) if automatic and billed is not None else None,
        finished=billed is None,
        invoiced=lease.invoiced or invoiced,
    )


def scheduled(lease: Lease, policy: Policy) -> Lease:
    """A new lease with its first period and run date set (S4, S7). Raises InvalidValue for a lease that cannot be."""
    if lease.ends is not None and lease.ends < lease.starts:
        raise InvalidValue(
            "ends", lease.ends, f"is before the lease starts on {lease.starts}", "give its last day, or None"
        )
    if minor(lease.rent) <= 0:
        raise InvalidValue("rent", str(lease.rent), "is not more than zero", "give the price of one full period")
    if lease.advance_days is not None and not (type(lease.advance_days) is int and 0 <= lease.advance_days <= 366):
        raise InvalidValue(
            "advance_days", lease.advance_days, "is not 0 to 366 days", "give whole days, or None for the policy's"
        )
    return moved_on(lease, policy, first_index(lease), invoiced=False)


def rent_on(lease: Lease, day: date) -> Money:
    """The rent of one full period as it stands on a day (M9)."""
    rent = lease.rent
    for change in lease.changes:
        if change.since <= day:
            rent = change.rent
    return rent


def segments(lease: Lease, billed: Period) -> list[tuple[Period, Money]]:
    """The billed period cut at each rent change inside it, each part with its rent (M9)."""
    cuts = [c.since for c in lease.changes if billed.start < c.since < billed.end]
    edges = [billed.start, *cuts, billed.end]
    return [(Period(a, b), rent_on(lease, a)) for a, b in itertools.pairwise(edges)]


def lease_lines(lease: Lease, aligned: Period, billed: Period, *, locale: str) -> tuple[Line, ...]:
    """The lines of one period: the rent when full, in proportion when partial, split where the rent changes (S2, S3, M9).

    Segments add up to the exact sum rounded once, and never exceed the highest rent of the period (S3, M5).
    """
    what = lease.description or None
    if not lease.changes and billed == aligned:
        line = rent_line(frequency=lease.frequency, period=billed, partial=False, locale=locale, what=what)
        return (Line(description=line, amount=lease.rent, unit_price=lease.rent, taxes=lease.taxes, period=billed),)
    partial = billed != aligned
    parts = segments(lease, billed) if lease.changes else [(billed, lease.rent)]
    if not partial and len({minor(rent) for _, rent in parts}) == 1:
        parts = [(billed, parts[0][1])]
    # A full period's segments share it by its own days, so that they add up to a full rent whatever the day count.
    day_count = lease.day_count if partial else DayCount.ACTUAL
    # The share of one minor unit, times the rent: a literal day count may exceed the rent, and so 64 bits, before it is
    # clamped below.
    one = from_minor(1, lease.rent.currency.code)
    # Where the whole rent is due for a part of a period, its segments share it by the billed days.
    shared = (billed, DayCount.ACTUAL) if day_count is DayCount.NONE and len(parts) > 1 else (aligned, day_count)
    shares = [
        prorate(one, occupied=part, period=shared[0], frequency=lease.frequency, day_count=shared[1])
        for part, _ in parts
    ]
    exacts = [share.exact * minor(rent) for share, (_, rent) in zip(shares, parts, strict=True)]
    ceiling = max(Fraction(minor(rent)) for _, rent in parts)
    whole = sum(exacts, Fraction(0))
    if whole > ceiling:
        exacts = [value * ceiling / whole for value in exacts]
    amounts = split_exact(exacts, lease.rent.currency.code)
    return tuple(
        Line(
            description=rent_line(frequency=lease.frequency, period=part, partial=partial, locale=locale, what=what),
            amount=amount,
            unit_price=rent,
            taxes=lease.taxes,
            period=part,
            share=Share(days=share.days, of_days=share.of_days, day_count=day_count, exact=value)
            if partial or len(parts) > 1
            else None,
        )
        for (part, rent), share, value, amount in zip(parts, shares, exacts, amounts, strict=True)
    )


def next_worth(lease: Lease) -> int:
    """The next period to bill by hand: one before it that comes to nothing is dealt with by that (M10)."""
    index = lease.next_period
    while (billed := billed_period(lease, index)) is not None and _is_nothing(lease, index, billed):
        index += 1
    return index if billed is not None else lease.next_period


def with_rent(lease: Lease, rent: Money, since: date, billed: Iterable[Period] = ()) -> Lease:
    """The lease with another rent from a date on; a later change at the same date replaces the earlier (M9).

    `billed` are the periods of its live invoices: a voided one may be reissued at another rent (R14). Raises
    InvalidValue when the date lies after the lease or before the end of a period that is invoiced.
    """
    if minor(rent) <= 0:
        raise InvalidValue("rent", str(rent), "is not more than zero", "give the price of one full period")
    if lease.ends is not None and since > lease.ends:
        raise InvalidValue("since", since, f"is after the lease ends on {lease.ends}", "give a day within it")
    free = max((period.end for period in billed), default=since)
    if since < free:
        raise InvalidValue(
            "since",
            since,
            f"is before {free}, the day up to which it is invoiced",
            "give that day or a later one, or void those invoices and reissue them",
        )
    if since <= lease.starts:
        # What was to change before that would count for longer than this: of a start that was moved, it may.
        later = tuple(change for change in lease.changes if change.since > since)
        return attrs.evolve(lease, rent=rent, changes=later)
    changes = sorted(
        [*(c for c in lease.changes if c.since != since), RentChange(since=since, rent=rent)], key=lambda c: c.since
    )
    return attrs.evolve(lease, changes=tuple(changes))


def ended(lease: Lease, policy: Policy, last_day: date, billed: Iterable[tuple[int, Period]] = ()) -> Lease:
    """The lease with another last day, inclusive; `billed` are the (index, period) of its live invoices (M3, M9).

    A last period whose few days were worth nothing is billed once it grows (M10). Raises InvalidValue when it lies
    before the start, LeaseFrozen when the lease would grow past a period billed only up to an earlier end (add a
    successor lease instead).
    """
    if last_day < lease.starts:
        raise InvalidValue("last_day", last_day, f"is before the lease starts on {lease.starts}", "give its last day")
    after = attrs.evolve(lease, ends=last_day)
    known = dict(billed)
    for index, period in known.items():
        whole = billed_period(after, index)
        if whole is not None and period.end < whole.end:
            field = f"end ({period.last_day}, billed pro-rata up to it)"
            raise LeaseFrozen(lease.id, field, f"add a successor lease from {period.end}")
    last = lease.next_period - 1
    again = last not in known and _grows_from_nothing(lease, after, last)
    return moved_on(after, policy, last if again else lease.next_period, invoiced=False)


def _grows_from_nothing(before: Lease, after: Lease, index: int) -> bool:
    """Whether a period gets more days by another end, and those it had came to nothing, so that none were billed."""
    had = billed_period(before, index) if index >= first_index(before) else None
    now = billed_period(after, index)
    if had is None or now is None or now.end <= had.end:
        return False
    return _is_nothing(before, index, had)


def _is_nothing(lease: Lease, index: int, billed: Period) -> bool:
    lines = lease_lines(lease, aligned_period(lease, index), billed, locale="en")
    return all(minor(line.amount) <= 0 for line in lines)


def unused_part(lease: Lease, invoiced: Period) -> Period | None:
    """The part of an invoiced period that lies after the lease's last day; None when there is none (M9)."""
    if lease.ends is None or invoiced.last_day <= lease.ends:
        return None
    return Period(max(invoiced.start, lease.ends + _DAY), invoiced.end)


def rent_charged(lines: Sequence[Line]) -> Money:
    """What the lines of a lease's invoice charge for its days, before tax and less every discount (M9)."""
    return total([lines[place].amount for place in _rent_places(lines)], lines[0].amount.currency.code)


def unused_amount(lease: Lease, aligned: Period, billed: Period, unused: Period, charged: Money) -> Money:
    """What an invoiced period cost beyond the lease's new end, of the rent that was `charged`, before tax (M9).

    All of it less the worth of what is kept; of a rent that was edited, the same share of that.
    """
    nothing = zero(charged.currency.code)
    if unused.start <= billed.start:
        return max(charged, nothing)

    def worth(part: Period) -> Money:
        return total([line.amount for line in lease_lines(lease, aligned, part, locale="en")], charged.currency.code)

    whole = worth(billed)
    rest = max(whole - worth(Period(billed.start, unused.start)), nothing)
    if charged == whole or whole.amount <= 0:
        return rest
    return max(
        from_minor(half_up(Fraction(minor(charged) * minor(rest), minor(whole))), charged.currency.code), nothing
    )


def unused_lines(lines: Sequence[Line], worth: Money) -> dict[int, Money]:
    """How `worth` of the rent charged for a period lies on its lines by their place: the last days first (M9).

    What else is on the invoice stays, and one with a discount gives back of its rent and its discount alike.
    """
    places = _rent_places(lines)
    whole = total([lines[place].amount for place in places], worth.currency.code)
    if worth >= whole or any(lines[place].amount.amount < 0 for place in places):
        shares = [minor(lines[place].amount) * Fraction(minor(worth), minor(whole)) for place in places]
        parts = dict(zip(places, split_exact(shares, worth.currency.code), strict=True))
        return {place: part for place, part in parts.items() if part.amount}
    taken: dict[int, Money] = {}
    left = worth
    for place in reversed(places):
        part = min(left, lines[place].amount)
        if part.amount > 0:
            taken[place] = part
            left = left - part
    return taken


def _rent_places(lines: Sequence[Line]) -> list[int]:
    """Where the lines of a lease's days are, and the discounts; of a draft written anew, whose lines do not say, all."""
    dated = any(line.period is not None for line in lines)
    return [n for n, line in enumerate(lines) if line.period is not None or not dated or line.amount.amount < 0]
