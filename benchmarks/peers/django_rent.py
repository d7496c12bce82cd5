"""A rent billing app in Django that keeps what ours keeps: its tables, and what a month of a lease comes to.

The rows that a run writes have the columns and indexes of ours, with Django's own integer keys, so that a ratio tells how
they are written and not how many there are. `django_loop` and `django_bulk` write them.
"""

import calendar
import sys
from datetime import date, timedelta
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings
from django.db import connection, models
from django.db.models import Max, Sum
from django.db.models.functions import Length
from population import MONTH, ON, tenancies

ADVANCE = timedelta(days=7)


def database(url):
    """What Django calls a database, from its URL."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(parts.path),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
            },
        }
    [host] = parse_qs(parts.query).get("host", [parts.hostname])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": host,
        "PORT": parts.port or "",
    }


settings.configure(
    DATABASES={"default": database(sys.argv[1])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[],
    USE_TZ=True,
)
django.setup()


class Row(models.Model):
    """What all tables share."""

    class Meta:
        abstract = True
        app_label = "rent"


class Biller(Row):
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    timezone = models.CharField(max_length=50)
    locale = models.CharField(max_length=10)


class OfBiller(Row):
    """Keys that lead with the biller find it already."""

    biller = models.ForeignKey(Biller, models.PROTECT, db_index=False)

    class Meta(Row.Meta):
        abstract = True


class Counter(OfBiller):
    series = models.CharField(max_length=20)
    next_number = models.BigIntegerField(default=1)

    class Meta(Row.Meta):
        constraints = (models.UniqueConstraint(fields=["biller", "series"], name="counters_one_a_series"),)


class Customer(OfBiller):
    name = models.CharField(max_length=200)
    email = models.EmailField(null=True)


class Unit(OfBiller):
    number = models.CharField(max_length=50)


class Group(OfBiller):
    name = models.CharField(max_length=200)


class Booking(OfBiller):
    group = models.ForeignKey(Group, models.PROTECT, null=True)


class Lease(OfBiller):
    customer = models.ForeignKey(Customer, models.PROTECT)
    rent_minor = models.BigIntegerField()
    starts = models.DateField()
    ends = models.DateField(null=True)
    next_period = models.IntegerField(default=0)
    next_run_on = models.DateField(null=True)

    class Meta(Row.Meta):
        indexes = (
            models.Index(
                fields=["biller", "next_run_on"], name="leases_due", condition=models.Q(next_run_on__isnull=False)
            ),
        )


def sparse(model, **options):
    """A reference that few rows have, indexed for those alone."""
    return models.ForeignKey(model, models.PROTECT, null=True, db_index=False, **options)


class Invoice(OfBiller):
    kind = models.CharField(max_length=10, default="lease")
    lifecycle = models.CharField(max_length=10, default="open")
    phase = models.CharField(max_length=10, default="due")
    number = models.CharField(max_length=20, null=True)
    draft_reference = models.CharField(max_length=20, null=True)
    title = models.CharField(max_length=200)
    description = models.TextField(default="")
    customer = models.ForeignKey(Customer, models.PROTECT, db_index=False)
    unit = sparse(Unit)
    lease = models.ForeignKey(Lease, models.PROTECT, null=True, db_index=False)
    booking = sparse(Booking)
    group = sparse(Group)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField(default=0)
    credit_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    refunded_credit_minor = models.BigIntegerField(default=0)
    in_flight_minor = models.BigIntegerField(default=0)
    noted_minor = models.BigIntegerField(default=0)
    prices_include_tax = models.BooleanField(default=False)
    notify = models.BooleanField(default=True)
    bill_to_name = models.CharField(max_length=200, null=True)
    bill_to_email = models.EmailField(null=True)
    bill_to_address = models.TextField(null=True)
    bill_to_locale = models.CharField(max_length=10, null=True)
    drafted_on = models.DateField()
    due_on = models.DateField()
    due_by_terms = models.BooleanField(default=False)
    issued_on = models.DateField(null=True)
    voided_on = models.DateField(null=True)
    late = models.BooleanField()
    period_start = models.DateField(null=True)
    period_end = models.DateField(null=True)
    period_index = models.IntegerField(null=True)
    revision = models.IntegerField(default=1)
    cycle = models.DateField(null=True)
    version = models.IntegerField(default=1)

    class Meta(Row.Meta):
        constraints = (
            models.UniqueConstraint(fields=["biller", "number"], name="invoices_one_a_number"),
            models.UniqueConstraint(fields=["lease", "period_index", "revision"], name="invoices_one_a_period"),
            models.UniqueConstraint(
                fields=["customer", "cycle"], name="invoices_one_a_cycle", condition=models.Q(cycle__isnull=False)
            ),
        )
        indexes = (
            models.Index(fields=["biller", "phase", "due_on"], name="invoices_by_due_on"),
            models.Index(fields=["biller", "phase"], name="invoices_by_phase"),
            models.Index(fields=["biller", "total_minor"], name="invoices_by_total"),
            models.Index(fields=["biller", "drafted_on"], name="invoices_by_drafted_on"),
            models.Index(fields=["customer"], name="invoices_by_customer"),
            models.Index(fields=["unit"], name="invoices_by_unit", condition=models.Q(unit__isnull=False)),
            models.Index(fields=["booking"], name="invoices_by_booking", condition=models.Q(booking__isnull=False)),
            models.Index(fields=["group"], name="invoices_by_group", condition=models.Q(group__isnull=False)),
        )


class Line(Row):
    invoice = models.ForeignKey(Invoice, models.CASCADE)
    position = models.IntegerField(default=0)
    description = models.TextField()
    quantity = models.DecimalField(max_digits=12, decimal_places=4, default=1)
    unit_price_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    taxes = models.TextField(null=True)
    period_start = models.DateField(null=True)
    period_end = models.DateField(null=True)
    share_days = models.IntegerField(null=True)
    share_of_days = models.IntegerField(null=True)
    share_day_count = models.CharField(max_length=20, null=True)
    share_exact = models.CharField(max_length=50, null=True)


class Event(Row):
    invoice = models.ForeignKey(Invoice, models.CASCADE)
    action = models.CharField(max_length=30)
    happened_at = models.DateTimeField()
    counts_on = models.DateField()
    actor = models.CharField(max_length=100, null=True)
    detail = models.TextField(default="")


class Message(OfBiller):
    kind = models.CharField(max_length=30)
    invoice = models.ForeignKey(Invoice, models.CASCADE)
    recipient = models.EmailField()
    locale = models.CharField(max_length=10)
    queued_at = models.DateTimeField()
    about = models.CharField(max_length=50, null=True)
    state = models.CharField(max_length=10, default="queued")
    tries = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(default="")
    version = models.IntegerField(default=1)

    class Meta(Row.Meta):
        constraints = (
            models.UniqueConstraint(
                fields=["invoice", "kind", "about"], name="messages_once", condition=models.Q(about__isnull=False)
            ),
        )
        indexes = (
            models.Index(fields=["biller", "state"], name="messages_by_state"),
            models.Index(
                fields=["biller", "next_try_at"], name="messages_due", condition=models.Q(next_try_at__isnull=False)
            ),
        )


class Term(NamedTuple):
    """One month of a lease: what it covers and costs, and when the next one is billed."""

    start: date
    last: date
    amount: int
    days: int
    of_days: int
    exact: Fraction | None
    next_run_on: date | None

    @property
    def text(self):
        """What the line says."""
        part = "" if self.exact is None else " (au prorata)"
        return f"Loyer - Mensuel{part}\n{self.start:%d/%m/%Y} - {self.last:%d/%m/%Y}"


def term(lease):
    """The lease's next month, in proportion where the lease covers part of it."""
    month = lease.starts.year * 12 + lease.starts.month - 1 + lease.next_period
    first = date(month // 12, month % 12 + 1, 1)
    of_days = calendar.monthrange(first.year, first.month)[1]
    end = first + timedelta(days=of_days - 1)
    start = max(first, lease.starts)
    last = min(end, lease.ends) if lease.ends else end
    days = (last - start).days + 1
    exact = Fraction(lease.rent_minor * days, of_days) if days < of_days else None
    amount = lease.rent_minor if exact is None else floor(exact + Fraction(1, 2))
    over = lease.ends is not None and lease.ends <= end
    return Term(start, last, amount, days, of_days, exact, None if over else end + timedelta(days=1) - ADVANCE)


def invoice_of(lease, month, number, on):
    """The invoice of a lease's month, not yet saved."""
    return Invoice(
        biller_id=lease.biller_id,
        customer_id=lease.customer_id,
        lease_id=lease.id,
        number=f"INV-{number:06}",
        title="Loyer - Mensuel",
        currency="EUR",
        total_minor=month.amount,
        bill_to_name=lease.customer.name,
        bill_to_email=lease.customer.email,
        bill_to_address="",
        bill_to_locale="fr_FR",
        drafted_on=on,
        issued_on=on,
        due_on=month.start - timedelta(days=1),
        late=on >= month.start,
        period_start=month.start,
        period_end=month.last + timedelta(days=1),
        period_index=lease.next_period,
    )


def line_of(invoice, month):
    """The invoice's one line, not yet saved."""
    share = {}
    if month.exact is not None:
        share = {
            "share_days": month.days,
            "share_of_days": month.of_days,
            "share_day_count": "actual",
            "share_exact": str(month.exact),
        }
    return Line(
        invoice=invoice,
        description=month.text,
        unit_price_minor=month.amount,
        amount_minor=month.amount,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        **share,
    )


def event_of(invoice, at):
    """The step of its timeline, not yet saved."""
    return Event(
        invoice=invoice, action="published", happened_at=at, counts_on=invoice.issued_on, detail=invoice.number
    )


def message_of(invoice, at):
    """Its notice in the outbox, not yet saved."""
    return Message(
        biller_id=invoice.biller_id,
        kind="invoice_issued",
        invoice=invoice,
        recipient=invoice.bill_to_email,
        locale=invoice.bill_to_locale,
        queued_at=at,
        next_try_at=at,
    )


def load(count):
    """Make the tables, the tenants and their leases."""
    with connection.schema_editor() as editor:
        for model in (Biller, Counter, Customer, Unit, Group, Booking, Lease, Invoice, Line, Event, Message):
            editor.create_model(model)
    park = Biller.objects.create(name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR")
    Counter.objects.create(biller=park, series="invoice")
    everyone = list(tenancies(count))
    tenants = Customer.objects.bulk_create(Customer(biller=park, name=each.name, email=each.email) for each in everyone)
    Lease.objects.bulk_create(
        Lease(
            biller=park,
            customer=tenant,
            rent_minor=each.rent,
            starts=each.starts,
            ends=each.ends,
            next_period=each.months_before,
            next_run_on=MONTH - ADVANCE,
        )
        for each, tenant in zip(everyone, tenants, strict=True)
    )
    connection.close()


def written():
    """What is in the tables now."""
    found = {
        "invoices": Invoice.objects.count(),
        "last number": int(Invoice.objects.aggregate(last=Max("number"))["last"][4:]),
        "total": Invoice.objects.aggregate(sum=Sum("total_minor"))["sum"],
        "due on": Invoice.objects.aggregate(last=Max("due_on"))["last"],
        "lines": Line.objects.count(),
        "texts": Line.objects.values("description").distinct().count(),
        "longest text": Line.objects.order_by(Length("description").desc())[0].description,
        "timeline": Event.objects.count(),
        "outbox": Message.objects.count(),
        "still due": Lease.objects.filter(next_run_on__lte=ON).count(),
    }
    connection.close()
    return {name: str(value) for name, value in found.items()}
