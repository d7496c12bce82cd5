"""Ours: `Billing.run` on the database that the first argument names."""

from __future__ import annotations

import sys
import time

from child import serve
from population import MONTH, ON, tenancies
from sqlalchemy import create_engine, text

from invoicecore import Billing, Money

URL = sys.argv[1].replace("postgresql://", "postgresql+psycopg://", 1)
WRITTEN = {
    "invoices": "SELECT count(*) FROM invoices",
    "last number": "SELECT max(CAST(substr(number, 5) AS INTEGER)) FROM invoices",
    "total": "SELECT sum(total_minor) FROM invoices",
    "due on": "SELECT max(due_on) FROM invoices",
    "lines": "SELECT count(*) FROM lines",
    "texts": "SELECT count(DISTINCT description) FROM lines",
    "longest text": "SELECT description FROM lines ORDER BY length(description) DESC LIMIT 1",
    "timeline": "SELECT count(*) FROM events WHERE subject IN (SELECT id FROM invoices)",
    "outbox": "SELECT count(*) FROM messages",
    "still due": f"SELECT count(*) FROM leases WHERE next_run_on <= '{ON}'",
}


def load(count: int) -> None:
    """Register the tenants and their leases."""
    with Billing.open(URL) as billing:
        park = billing.billers.add(
            name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays"
        )
        everyone = list(tenancies(count))
        for begin in range(0, count, 5000):
            some = everyone[begin : begin + 5000]
            tenants = billing.customers.add_many(
                biller=park, rows=[{"name": each.name, "email": each.email} for each in some]
            )
            billing.leases.add_many(
                biller=park,
                rows=[
                    {
                        "customer": tenant,
                        "rent": Money(each.rent, "EUR") / 100,
                        "starts": each.starts,
                        "ends": each.ends,
                        "anchor_day": 1,
                        "bill_from": MONTH,
                    }
                    for each, tenant in zip(some, tenants, strict=True)
                ],
            )


def run() -> float:
    """Bill what is due; seconds."""
    with Billing.open(URL) as billing:
        begin = time.perf_counter()
        report = billing.run(on=ON)
        took = time.perf_counter() - begin
    if report.failed:
        raise SystemExit(f"failed: {list(report.failed)[:3]}")
    return took


def written() -> dict[str, object]:
    """What is in the tables now."""
    engine = create_engine(URL)
    with engine.connect() as connection:
        found: dict[str, object] = {name: connection.scalar(text(query)) for name, query in WRITTEN.items()}
    engine.dispose()
    return {name: str(value) for name, value in found.items()}


if __name__ == "__main__":
    serve(load, run, written)
