"""django-silver: customers, plans and subscriptions, billed by its own command `generate_docs`, with its own defaults.

Its rent is the plan's, so that each distinct rent is a plan. It bills no date to come, so that all dates lie two years
back; and a month in proportion is a first one, since it has no last one billed in advance: those subscriptions begin on
the day that is billed. All others were billed up to the month before. Its invoices are issued at once (a setting of the
provider), as ours are: number, entry, archived customer, a row for the PDF to come, and the billing log.
"""

import sys
import time
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import django
from child import serve
from django.conf import settings
from django.core.management import call_command
from django.db.backends.signals import connection_created
from population import LAST, MONTH, partial, tenancies

BACK = 2  # years
FIRST = MONTH.replace(year=MONTH.year - BACK)
DAY = date(FIRST.year, FIRST.month, 32 - LAST.day)  # with as many days left as the leases that end have in theirs


def database(url):
    """What Django 3.2 calls a database, from its URL; it knows psycopg2, and no newer driver."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(parts.path)}
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
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "silver"],
    PAYMENT_METHOD_SECRET=b"",
    PAYMENT_PROCESSORS={},
    SECRET_KEY="unused",
    SILVER_AUTOMATICALLY_CREATE_TRANSACTIONS=False,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    USE_TZ=True,
)
django.setup()

from django.db import connection  # noqa: E402  # as these can be imported once there are settings
from django.db.models import Max, Sum  # noqa: E402
from silver.models import (  # noqa: E402
    BillingLog,
    Customer,
    DocumentEntry,
    Invoice,
    Plan,
    ProductCode,
    Provider,
    Subscription,
)


def durable(connection, **_):
    """As the others write: a log ahead, and each commit on the disk."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")


connection_created.connect(durable)


def load(count):
    """Make the tables, customers, plans and subscriptions, and what says that the months before are billed."""
    call_command("migrate", verbosity=0)
    rent = ProductCode.objects.create(value="rent")
    park = Provider.objects.create(
        name="Les Pins",
        address_1="1 chemin des Pins",
        city="Agde",
        country="FR",
        flow="invoice",
        invoice_series="INV",
        invoice_starting_number=1,
        default_document_state="issued",
    )
    plans = {}
    for n, each in enumerate(tenancies(count)):
        if each.rent not in plans:
            plans[each.rent] = Plan.objects.create(
                name="Loyer",
                interval="month",
                interval_count=1,
                amount=Decimal(each.rent) / 100,
                currency="EUR",
                product_code=rent,
                provider=park,
            )
        first, last = each.name.split()
        tenant = Customer.objects.create(
            first_name=first, last_name=last, email=each.email, address_1="1 allée", city="Agde", country="FR"
        )
        starts = DAY if partial(n) else each.starts.replace(year=each.starts.year - BACK)
        lease = Subscription.objects.create(plan=plans[each.rent], customer=tenant, start_date=starts, state="active")
        if not partial(n):
            BillingLog.objects.create(
                subscription=lease,
                billing_date=FIRST.replace(month=FIRST.month - 1),
                plan_billed_up_to=date.fromordinal(FIRST.toordinal() - 1),
                metered_features_billed_up_to=date.fromordinal(FIRST.toordinal() - 1),
            )
    connection.close()


def run():
    """Bill what is due; seconds."""
    connection.ensure_connection()
    begin = time.perf_counter()
    call_command("generate_docs", f"--date={DAY}", stdout=StringIO())
    took = time.perf_counter() - begin
    connection.close()
    return took


def written():
    """What is in the tables now; its totals differ from ours by what it rounds a month's part to, four decimals."""
    issued = Invoice.objects.filter(state="issued")
    found = {
        "invoices": issued.count(),
        "last number": issued.aggregate(last=Max("number"))["last"],
        "total": round(issued.aggregate(sum=Sum("_total"))["sum"] * 100),
        "lines": DocumentEntry.objects.count(),
        "texts": DocumentEntry.objects.values("description").distinct().count(),
    }
    connection.close()
    return {name: str(value) for name, value in found.items()}


if __name__ == "__main__":
    serve(load, run, written)
