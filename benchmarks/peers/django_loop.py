"""The ordinary way: lease by lease, everything of one invoice in one transaction, through Django's ORM."""

import time

from child import serve
from django.db import connection, transaction
from django.utils import timezone
from django_rent import Counter, Lease, event_of, invoice_of, line_of, load, message_of, term, written
from population import ON


def run():
    """Bill what is due; seconds."""
    connection.ensure_connection()
    begin = time.perf_counter()
    for lease in Lease.objects.filter(next_run_on__lte=ON).select_related("customer").order_by("id"):
        with transaction.atomic():
            _bill(lease)
    took = time.perf_counter() - begin
    connection.close()
    return took


def _bill(lease):
    month, now = term(lease), timezone.now()
    counter = Counter.objects.select_for_update().get(biller_id=lease.biller_id, series="invoice")
    invoice = invoice_of(lease, month, counter.next_number, ON)
    counter.next_number += 1
    counter.save(update_fields=["next_number"])
    invoice.save(force_insert=True)
    line_of(invoice, month).save(force_insert=True)
    event_of(invoice, now).save(force_insert=True)
    message_of(invoice, now).save(force_insert=True)
    lease.next_period += 1
    lease.next_run_on = month.next_run_on
    lease.save(update_fields=["next_period", "next_run_on"])


if __name__ == "__main__":
    serve(load, run, written)
