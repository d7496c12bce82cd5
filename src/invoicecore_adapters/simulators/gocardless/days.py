"""Working days: when a debit can be collected at the earliest, and where a day rolls to on which no bank works."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Scheme:
    """A debit scheme: the working days of notice for a new mandate and for an active one."""

    name: str
    currency: str
    notice_new: int
    notice_active: int
    with_first_payment: bool = False  # its mandates are submitted and activated with their first payment
    expires: bool = True


SCHEMES: Final = {
    each.name: each
    for each in (
        Scheme(name="bacs", currency="GBP", notice_new=5, notice_active=3),
        Scheme(name="sepa_core", currency="EUR", notice_new=3, notice_active=2, with_first_payment=True),
        Scheme(name="ach", currency="USD", notice_new=3, notice_active=2, with_first_payment=True),
        Scheme(name="autogiro", currency="SEK", notice_new=7, notice_active=3, expires=False),
        Scheme(name="becs", currency="AUD", notice_new=3, notice_active=2, with_first_payment=True),
        Scheme(name="becs_nz", currency="NZD", notice_new=3, notice_active=2, with_first_payment=True, expires=False),
        Scheme(name="betalingsservice", currency="DKK", notice_new=10, notice_active=3),
        Scheme(name="pad", currency="CAD", notice_new=5, notice_active=3, expires=False),
    )
}
"""Every scheme a mandate may have, by name; GBP is collected by Bacs and EUR by SEPA."""

INSTANT: Final = {"GBP": "faster_payments", "EUR": "sepa_instant_credit_transfer"}
"""Currencies of instant bank payments, and how they are paid."""

# Enough of the calendars for a day to roll: the fixed days on which neither Bacs nor SEPA works.
_HOLIDAYS: Final = {(1, 1), (12, 25), (12, 26)}


def scheme_for(currency: str) -> Scheme | None:
    """The scheme that collects a currency."""
    return next((each for each in SCHEMES.values() if each.currency == currency), None)


def works(day: date) -> bool:
    """Whether banks work on a day."""
    return day.weekday() < 5 and (day.month, day.day) not in _HOLIDAYS


def rolled(day: date) -> date:
    """The day itself, or the next on which banks work."""
    while not works(day):
        day += timedelta(days=1)
    return day


def after_working_days(day: date, count: int) -> date:
    """`count` working days after a day."""
    for _ in range(count):
        day = rolled(day + timedelta(days=1))
    return day
