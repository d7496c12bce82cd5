"""How far the run of a day has come: `python progress.py 2026-04-24`."""

import sys
from datetime import date

from jobs import app, billing_tasks

with app.open():
    found = billing_tasks.progress(date.fromisoformat(sys.argv[1]))
print(f"{found.done} of {found.shards} shards done, {found.failed} failed, {found.left} left")
print(f"{found.report.created.count} invoices made, {found.report.failed.count} leases failed")
for outcome in found.report.failed:
    print(outcome.lease or outcome.customer, outcome.text)
