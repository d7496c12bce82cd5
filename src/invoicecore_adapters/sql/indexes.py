"""The indexes and unique keys of the tables, each led by the biller but one (T1, T2).

They are few on purpose, for each one is paid for by every invoice of a run. Which query each of them answers is held
by `tests/test_sqlite_behaviour.py`, from the database's own query plans.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Index, Table

from invoicecore.collection import UNFINISHED
from invoicecore_adapters.sql import collecting_schema, schema


def _index(
    table: Table,
    *columns: str,
    unique: bool = False,
    given: str | None = None,
    where: ColumnElement[bool] | None = None,
) -> None:
    # Rows without a value in the column `given` (by default the first that may be NULL) are left out: nobody looks
    # for them, and an index entry that is not written costs nothing. `where` says itself which rows are in.
    named = [name for name in columns if name not in ("biller", "id")]
    optional = given or next((name for name in named if table.c[name].nullable), None)
    if where is None and optional:
        where = table.c[optional].is_not(None)
    name = f"{table.name}_{'unique' if unique else 'by'}_{'_'.join(named)}"
    Index(name, *(table.c[c] for c in columns), unique=unique, sqlite_where=where, postgresql_where=where)


_index(schema.customers, "biller", "next_cycle_on", "id")
_index(schema.leases, "biller", "next_run_on", "id")
_index(schema.units, "biller", "number", unique=True)
_index(schema.units, "biller", "resident", "id")
_index(schema.booking_groups, "biller", "organiser", "id")
_index(schema.bookings, "biller", "customer", "id")
_index(schema.bookings, "biller", "unit", "id")
_index(schema.bookings, "biller", "booking_group", "id")
_index(schema.leases, "biller", "customer", "id")
_index(schema.leases, "biller", "unit", "id")
_index(schema.charges, "biller", "customer", "state", "id")
_index(schema.charges, "biller", "state", "id")
_index(schema.charges, "biller", "invoice", "id")
# Lists by status, and by due date: one walk per phase, merged (queries.py); the id keeps pages stable.
_index(schema.invoices, "biller", "phase", "due_on", "id")
_index(schema.invoices, "biller", "phase", "id")
_index(schema.invoices, "biller", "total_minor", "id")
_index(schema.invoices, "biller", "drafted_on", "id")
_index(schema.invoices, "biller", "customer", "id")
_index(schema.invoices, "biller", "unit", "id")
_index(schema.invoices, "biller", "booking", "id")
_index(schema.invoices, "biller", "booking_group", "id")
_index(schema.invoices, "biller", "number", unique=True)
_index(schema.invoices, "biller", "lease", "period_index", "revision", unique=True)
_index(schema.invoices, "biller", "customer", "cycle", unique=True, given="cycle")
_index(schema.payments, "biller", "customer", "id")
_index(schema.allocations, "biller", "invoice", "payment")
_index(schema.payments, "biller", "collection", "id")
_index(schema.reversals, "biller", "payment", "id")
_index(schema.reversals, "biller", "payment", "reference", unique=True, where=schema.reversals.c.cancelled_on.is_(None))
_index(schema.refunds, "biller", "invoice", "id")
_index(schema.refunds, "biller", "payment", "id")
_index(schema.refunds, "biller", "state", "id")
_index(schema.refunds, "biller", "next_try_at", "id")
_index(schema.credit_entries, "biller", "customer", "currency", "seq", unique=True)
_index(schema.credit_entries, "biller", "invoice", "customer", "currency", "seq")
_index(schema.messages, "biller", "invoice", "id")
_index(schema.messages, "biller", "state", "id")
_index(schema.messages, "biller", "next_try_at", "id")
_index(schema.messages, "biller", "invoice", "kind", "about", unique=True)
_index(schema.pay_links, "biller", "invoice", "id")
# A link is found by its token alone, before anybody knows whose it is: the one index that the biller does not lead.
Index("pay_links_by_token", schema.pay_links.c.id)
_index(schema.pay_links, "biller", "invoice", unique=True, where=schema.pay_links.c.revoked_at.is_(None))
_index(collecting_schema.saved_methods, "biller", "customer", "id")
_index(collecting_schema.saved_methods, "biller", "state", "id")
_index(collecting_schema.saved_methods, "biller", "next_try_at", "id")
_index(collecting_schema.collections, "biller", "invoice", "id")
_index(
    collecting_schema.collections,
    *("biller", "invoice"),
    unique=True,
    where=collecting_schema.collections.c.state.in_(sorted(state.value for state in UNFINISHED)),
)
_index(collecting_schema.collections, "biller", "customer", "id")
_index(collecting_schema.collections, "biller", "state", "id")
_index(collecting_schema.collections, "biller", "next_try_at", "id")
_index(collecting_schema.inbox_events, "biller", "state", "id")
_index(collecting_schema.inbox_events, "biller", "next_try_at", "id")
_index(collecting_schema.alerts, "biller", "invoice", "id")
_index(collecting_schema.alerts, "biller", "about", "id")
_index(collecting_schema.alerts, "biller", "state", "id")
_index(collecting_schema.alerts, "biller", "kind", "about", unique=True)
_index(collecting_schema.credit_notes, "biller", "invoice", "id")
_index(collecting_schema.credit_notes, "biller", "customer", "id")
_index(collecting_schema.credit_notes, "biller", "number", unique=True)

# A unique key in the words of the domain, by its columns after the biller.
UNIQUE_KEYS: Final = {
    ("units", "number"): "the unit number",
    ("invoices", "number"): "the invoice number",
    ("invoices", "lease", "period_index", "revision"): "the lease's period (lease, period, revision)",
    ("invoices", "customer", "cycle"): "the customer's billing month",
    ("reversals", "payment", "reference"): "the payment's reversal",
    ("credit_entries", "customer", "currency", "seq"): "the customer's next credit entry",
    ("messages", "invoice", "kind", "about"): "the message",
    ("pay_links", "invoice"): "the invoice's link",
    ("collections", "invoice"): "the invoice's unfinished collection",
    ("alerts", "kind", "about"): "the alert",
    ("credit_notes", "number"): "the credit note's number",
}
