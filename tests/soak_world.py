"""The world of the soak: six businesses in six currencies and time zones, their customers, and leases of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from invoicecore import Billing, DayCount, Frequency, InvoiceMethod
from invoicecore.money import from_minor
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod
from invoicecore.taxes import TaxRate

BEGINS = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""The Monday on which the simulated time begins."""

BACK = "https://host.example/back"


@dataclass(frozen=True)
class Business:
    """A biller of the soak: how it is added, what share of the leases it has, what its rents are like."""

    name: str
    currency: str
    timezone: str
    locale: str
    preset: str
    share: float
    rents: tuple[int, int]
    policy: dict[str, Any]
    locales: tuple[str | None, ...] = (None,)
    taxes: tuple[TaxRate, ...] = ()


BUSINESSES = (
    Business(
        name="Les Pins",
        currency="EUR",
        timezone="Europe/Paris",
        locale="fr_FR",
        preset="stays",
        share=0.34,
        rents=(18_000, 95_000),
        policy={"yearly_numbers": True, "reminders": (0, 7, 21), "notify_on_payment": True, "link_on_failure": True},
        locales=(None, "en_GB", "fr_FR"),
        taxes=(TaxRate(name="TVA 10 %", percent="10", category="S"),),
    ),
    Business(
        name="Glen Pitches",
        currency="GBP",
        timezone="Europe/London",
        locale="en_GB",
        preset="stays",
        share=0.26,
        rents=(15_001, 80_000),
        policy={"chronological": True, "collect_late": True, "collection_retries": (3, 7), "number_prefix": "GP/"},
    ),
    Business(
        name="Maple Court",
        currency="CAD",
        timezone="America/Toronto",
        locale="fr_CA",
        preset="residents",
        share=0.15,
        rents=(60_000, 240_000),
        policy={
            "due_offset_days": 0,
            "late_fee": {"amount": "25.00", "after_days": 10, "bill_as": "invoice"},
            "apply_credit": True,
        },
        locales=(None, "en_CA"),
        taxes=(TaxRate(name="GST", percent="5"), TaxRate(name="QST", percent="9.975")),
    ),
    Business(
        name="Harley & Co",
        currency="USD",
        timezone="America/Los_Angeles",
        locale="en_US",
        preset="clients",
        share=0.10,
        rents=(40_000, 300_000),
        policy={
            "collect_saved": True,
            "apply_credit": True,
            "run_issues": True,
            "notify_on_publish": True,
            "late_fee": {"percent": "1.5", "after_days": 20, "every_days": 30, "cap": "90.00"},
        },
    ),
    Business(
        name="Sakura",
        currency="JPY",
        timezone="Asia/Tokyo",
        locale="en_US",
        preset="stays",
        share=0.10,
        rents=(30_000, 190_000),
        policy={"number_digits": 4, "advance_days_email_pdf": 14},
        taxes=(TaxRate(name="Consumption tax", percent="10"),),
    ),
    Business(
        name="Souk Storage",
        currency="KWD",
        timezone="Asia/Kuwait",
        locale="en_GB",
        preset="stays",
        share=0.05,
        rents=(20_000, 120_000),
        policy={"due_offset_days": -3, "reminders": (5,)},
    ),
)

FREQUENCIES = {
    Frequency.WEEKLY: 4,
    Frequency.FORTNIGHTLY: 6,
    Frequency.FOUR_WEEKLY: 8,
    Frequency.MONTHLY: 60,
    Frequency.QUARTERLY: 12,
    Frequency.HALF_YEARLY: 5,
    Frequency.YEARLY: 5,
}
"""How often each is drawn."""

METHODS = {InvoiceMethod.EMAIL_PDF: 60, InvoiceMethod.DIRECT_DEBIT: 28, InvoiceMethod.MANUAL: 12}
DEBITED = ("EUR", "GBP")  # whose banks the provider's simulator knows
CARDS = "USD"


def found(billing: Billing, leases: int, days: int, chance: random.Random) -> Iterator[tuple[Biller, list[Customer]]]:
    """Add the businesses, and so many leases over so many days; each biller with its customers."""
    for business in BUSINESSES:
        count = max(3, round(leases * business.share))
        biller = billing.billers.add(
            name=business.name,
            currency=business.currency,
            timezone=business.timezone,
            locale=business.locale,
            preset=business.preset,
            policy=business.policy,
        )
        people = billing.customers.add_many(
            biller=biller, rows=[_customer(business, n, chance) for n in range(round(count * 0.9))]
        )
        rows = [_lease(business, people[n % len(people)], n, days, chance) for n in range(count)]
        billing.leases.add_many(biller=biller, rows=rows)
        yield biller, people


def _customer(business: Business, n: int, chance: random.Random) -> dict[str, object]:
    row: dict[str, object] = {
        "name": f"{business.name} {n}",
        "email": f"c{n}@{business.currency.lower()}.example" if chance.random() < 0.9 else None,
        "locale": chance.choice(business.locales),
        "notify": chance.choice((None, None, None, True, False)),
    }
    if business.preset == "clients" and chance.random() < 0.7:
        row |= {"billing_cycle": "monthly", "billing_day": chance.randint(1, 28)}
    return row


def _lease(business: Business, who: Customer, n: int, days: int, chance: random.Random) -> dict[str, object]:
    frequency = chance.choices([*FREQUENCIES], [*FREQUENCIES.values()])[0]
    first = BEGINS.date()
    starts = first + timedelta(days=chance.randint(-150, days * 2 // 3))
    length = chance.choice((None, None, None, chance.randint(1, 45), chance.randint(60, 700)))
    rent = chance.randint(*business.rents) if chance.random() > 0.01 else chance.randint(1, 3)
    row: dict[str, object] = {
        "customer": who,
        "unit": str(n + 1),
        "rent": from_minor(rent, business.currency),
        "frequency": frequency,
        "starts": starts,
        "ends": starts + timedelta(days=length) if length is not None else None,
        "method": chance.choices([*METHODS], [*METHODS.values()])[0],
        "advance_days": chance.choice((None, None, None, 0, 3, 21)),
        "day_count": chance.choice((DayCount.ACTUAL, DayCount.ACTUAL, *DayCount)),
        "description": chance.choice(("", "", "Pitch rental")),
        "taxes": business.taxes if chance.random() < 0.6 else (),
    }
    if frequency.months:
        row["anchor_day"] = chance.choice((None, None, 1, 1, 15, 30, 31, -1))
    if starts < first and chance.random() < 0.6:
        row["bill_from"] = first - timedelta(days=chance.randint(0, 20))
    return row


def mandates(
    billing: Billing, biller: Biller, people: list[Customer], press: Callable[[str, str], None], chance: random.Random
) -> None:
    """Have most of those who are to be debited give a mandate, and some clients a card, on their provider's page."""
    kind = PaymentMethod.CARD if biller.currency == CARDS else PaymentMethod.DIRECT_DEBIT
    if biller.currency not in (*DEBITED, CARDS):
        return
    debited = {
        lease.customer
        for lease in billing.leases.find(biller=biller)
        if lease.method is InvoiceMethod.DIRECT_DEBIT or (biller.currency == CARDS and chance.random() < 0.4)
    }
    for who in people:
        if who.id in debited and chance.random() < 0.92:
            page = billing.methods.setup(who, kind=kind, return_url=BACK)
            press(page.method.gateway, page.url)


def day_of(instant: datetime) -> date:
    """The civil date in UTC, which is within a day of everybody's."""
    return instant.astimezone(UTC).date()
