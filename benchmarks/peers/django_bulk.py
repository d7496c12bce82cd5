"""The careful way: pages of 1,000 leases, a transaction and one move of the counter a page, bulk_create for every table.

The leases of a page move on by `one_update` or `bulk_update`, as the second argument says.
"""

import sys
import time

from child import serve
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django_rent import (
    Counter,
    Event,
    Invoice,
    Lease,
    Line,
    Message,
    event_of,
    invoice_of,
    line_of,
    load,
    message_of,
    term,
    written,
)
from population import ON

PAGE = 1000


def run():
    """Bill what is due; seconds."""
    connection.ensure_connection()
    begin = time.perf_counter()
    while _page():
        pass
    took = time.perf_counter() - begin
    connection.close()
    return took


@transaction.atomic
def _page():
    due = Lease.objects.filter(next_run_on__lte=ON).select_related("customer").order_by("id")
    leases = list(due.select_for_update(of=("self",))[:PAGE])
    if not leases:
        return False
    now = timezone.now()
    counter = Counter.objects.select_for_update().get(biller_id=leases[0].biller_id, series="invoice")
    months = [term(lease) for lease in leases]
    invoices = Invoice.objects.bulk_create(
        invoice_of(lease, month, number, ON)
        for number, (lease, month) in enumerate(zip(leases, months, strict=True), counter.next_number)
    )
    counter.next_number += len(invoices)
    counter.save(update_fields=["next_number"])
    Line.objects.bulk_create(line_of(invoice, month) for invoice, month in zip(invoices, months, strict=True))
    Event.objects.bulk_create(event_of(invoice, now) for invoice in invoices)
    Message.objects.bulk_create(message_of(invoice, now) for invoice in invoices)
    MOVE(leases, months)
    return True


def one_update(leases, months):
    """Move the leases on with one UPDATE for all that are billed again on the same day."""
    moved = {}
    for lease, month in zip(leases, months, strict=True):
        moved.setdefault(month.next_run_on, []).append(lease.id)
    for next_run_on, ids in moved.items():
        Lease.objects.filter(id__in=ids).update(next_period=F("next_period") + 1, next_run_on=next_run_on)


def bulk_update(leases, months):
    """Move the leases on with Django's own bulk_update."""
    for lease, month in zip(leases, months, strict=True):
        lease.next_period += 1
        lease.next_run_on = month.next_run_on
    Lease.objects.bulk_update(leases, ["next_period", "next_run_on"])


MOVE = {"one_update": one_update, "bulk_update": bulk_update}[sys.argv[2]]

if __name__ == "__main__":
    serve(load, run, written)
