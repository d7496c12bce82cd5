"""What tests that kill are about: three businesses with everything still to be billed, and what is true of them always."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import attrs

import workers
from databases import is_sqlite, rows_of
from desks import money
from invoicecore import Frequency, InvoiceMethod
from invoicecore.parties import Biller


@attrs.frozen(kw_only=True)
class World:
    """A database with a park (leases), a condo (drafts) and a practice (clients with a cycle)."""

    url: str
    park: Biller
    condo: Biller
    practice: Biller


def build(url: str) -> World:
    """A new world in an empty database: 24 leases, 30 drafts, 8 clients with three months of charges."""
    with workers.desk(url) as billing:
        park, condo, practice = (
            billing.billers.add(name=preset, currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset=preset)
            for preset in ("stays", "residents", "clients")
        )
        tenants = billing.customers.add_many(
            biller=park,
            rows=[{"name": f"T{n}", "email": f"t{n}@example.com" if n % 4 else None} for n in range(24)],
        )
        billing.leases.add_many(
            biller=park,
            rows=[
                {
                    "customer": tenant,
                    "unit": str(n),
                    "rent": money(600 + n),
                    "frequency": Frequency.MONTHLY if n % 3 else Frequency.FORTNIGHTLY,
                    "starts": date(2026, 1, 1) + timedelta(days=n * 3),
                    "ends": date(2026, 6, n) if n > 20 else None,
                    "method": InvoiceMethod.EMAIL_PDF if n % 2 else InvoiceMethod.DIRECT_DEBIT,
                }
                for n, tenant in enumerate(tenants)
            ],
        )
        people = billing.customers.add_many(
            biller=condo, rows=[{"name": f"R{n}", "email": f"r{n}@example.com"} for n in range(30)]
        )
        for n, who in enumerate(people):
            billing.units.add(biller=condo, number=str(n), resident=who)
        billing.invoices.draft_for_units(biller=condo, title="Dues", amount=money(100), due=date(2026, 7, 20))
        clients = billing.customers.add_many(
            biller=practice,
            rows=[
                {"name": f"C{n}", "email": f"c{n}@example.com", "billing_cycle": "monthly", "billing_day": 1 + n % 2}
                for n in range(8)
            ],
            on=date(2026, 1, 20),
        )
        for who in clients:
            billing.charges.add_many(
                customer=who,
                rows=[
                    {"description": "Hour", "amount": money(50 + day), "on": date(2026, month, day)}
                    for month in (1, 2, 4)
                    for day in (3, 17)
                ],
            )
        return World(url=url, park=park, condo=condo, practice=practice)


def outbox(url: str, count: int) -> str:
    """One park and so many e-mails to be sent, in an empty database, whose URL is returned."""
    with workers.desk(url) as billing:
        park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="fr_FR", preset="residents")
        people = billing.customers.add_many(
            biller=park, rows=[{"name": f"G{n}", "email": f"g{n}@example.com"} for n in range(count)]
        )
        for n, who in enumerate(people):
            billing.units.add(biller=park, number=str(n), resident=who)
        billing.invoices.draft_for_units(biller=park, title="Dues", amount=money(100), due=date(2026, 7, 20))
        billing.invoices.publish_all(biller=park)
    return url


def assert_sound(url: str) -> None:
    """The database is whole, and every invoice in it has all that belongs to it."""
    with rows_of(url) as ask:

        def none(statement: str) -> None:
            assert ask(statement) == [], statement

        if is_sqlite(url):
            assert ask("PRAGMA integrity_check") == [("ok",)]
            none("PRAGMA foreign_key_check")
        none(
            "SELECT i.id FROM invoices i LEFT JOIN lines l ON l.biller = i.biller AND l.invoice = i.id"
            " GROUP BY i.biller, i.id HAVING coalesce(sum(l.amount_minor), -1) <> i.total_minor"
        )
        none("SELECT invoice FROM lines WHERE (biller, invoice) NOT IN (SELECT biller, id FROM invoices)")
        # A timeline without a hole: one step at least for every version there was.
        none(
            "SELECT i.id FROM invoices i JOIN events e ON e.biller = i.biller AND e.subject = i.id"
            " GROUP BY i.biller, i.id HAVING count(DISTINCT e.version) <> i.version OR max(e.version) <> i.version"
        )
        none("SELECT id FROM invoices WHERE (biller, id) NOT IN (SELECT biller, subject FROM events)")
        none(
            "SELECT i.id FROM invoices i JOIN events e ON e.biller = i.biller AND e.subject = i.id"
            " GROUP BY i.biller, i.id HAVING count(CASE e.action WHEN 'published' THEN 1 END) <> count(DISTINCT i.number)"
        )
        # One notice for each published invoice whose payer has an address, and for no other: publish_all tells
        # everybody, and nobody has a mandate, so that what would be debited is sent a link.
        none(
            "SELECT i.id FROM invoices i JOIN customers c ON c.biller = i.biller AND c.id = i.customer"
            " LEFT JOIN messages m ON m.biller = i.biller AND m.invoice = i.id"
            " GROUP BY i.biller, i.id HAVING count(m.id) <>"
            " count(DISTINCT CASE WHEN i.number IS NOT NULL AND c.email IS NOT NULL THEN 1 END)"
        )
        none(
            "SELECT lease FROM invoices WHERE lease IS NOT NULL GROUP BY biller, lease, period_index HAVING count(*) > 1"
        )
        # A lease stands after exactly the periods it has invoices for; a client after its month.
        none(
            "SELECT l.id FROM leases l LEFT JOIN invoices i ON i.biller = l.biller AND i.lease = l.id"
            " GROUP BY l.biller, l.id HAVING count(i.id) <> l.next_period OR l.invoiced <> (count(i.id) > 0)"
        )
        none(
            "SELECT c.id FROM charges c LEFT JOIN invoices i ON i.biller = c.biller AND i.id = c.invoice"
            " WHERE c.state <> CASE WHEN i.id IS NULL THEN 'open' WHEN i.number IS NULL THEN 'drafted' ELSE 'invoiced' END"
        )
        none("SELECT charge FROM lines WHERE charge IS NOT NULL GROUP BY biller, charge HAVING count(*) > 1")
        for biller, following in ask("SELECT biller, next_number FROM counters WHERE series = 'invoice/INV-'"):
            numbers = [
                number
                for (number,) in ask(
                    "SELECT number FROM invoices WHERE biller = ? AND number IS NOT NULL ORDER BY number", biller
                )
            ]
            assert numbers == [f"INV-{n:06d}" for n in range(1, following)]
        none(
            "SELECT number FROM invoices WHERE number IS NOT NULL"
            " AND biller NOT IN (SELECT biller FROM counters WHERE series = 'invoice/INV-')"
        )


def outcome(url: str) -> list[tuple[object, ...]]:
    """What was billed, without what no two runs share: ids of invoices, instants, and whose number is whose."""
    with rows_of(url) as ask:
        lines: dict[tuple[object, object], list[object]] = {}
        for biller, invoice, *said in ask(
            "SELECT biller, invoice, description, amount_minor FROM lines ORDER BY position"
        ):
            lines.setdefault((biller, invoice), []).append(said)
        found = ask(
            "SELECT biller, id, kind, lifecycle, customer, unit, lease, period_index, cycle, total_minor,"
            " drafted_on, due_on, issued_on, late, bill_to_email, version FROM invoices"
        )
    return sorted(((row[0], *row[2:], lines[row[:2]]) for row in found), key=repr)


def without_days(found: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Without what depends on which run was first: a process a day ahead of another draws a period a day earlier.

    Runs of different days at once are one run late and one early; each invoice is made once all the same.
    """
    return sorted((tuple(row[n] for n in (0, 1, 3, 5, 6, 8, 15)) for row in found), key=repr)
