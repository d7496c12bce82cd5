"""Hypothesis strategies for every kind of record, money at its bounds and text as people write it included.

Records that refer to others take the `World` they live in, so that whatever is drawn could be stored with foreign
keys. Ids are arguments: a caller that needs several records numbers them.
"""

from __future__ import annotations

from invoicecore.testing.strategies.invoices import bill_tos, invoice_sets, invoices, queries, sort_value
from invoicecore.testing.strategies.records import (
    billers,
    bookings,
    charges,
    credit_entries,
    customers,
    events,
    groups,
    key_uses,
    leases,
    messages,
    pay_links,
    payments,
    policies,
    refunds,
    reversals,
    units,
)
from invoicecore.testing.strategies.values import (
    CURRENCIES,
    currencies,
    dates,
    instants,
    items,
    lines,
    maybe,
    minors,
    moneys,
    periods,
    quantities,
    rates,
    shares,
    tax_rates,
    texts,
)

__all__ = [
    "CURRENCIES",
    "bill_tos",
    "billers",
    "bookings",
    "charges",
    "credit_entries",
    "currencies",
    "customers",
    "dates",
    "events",
    "groups",
    "instants",
    "invoice_sets",
    "invoices",
    "items",
    "key_uses",
    "leases",
    "lines",
    "maybe",
    "messages",
    "minors",
    "moneys",
    "pay_links",
    "payments",
    "periods",
    "policies",
    "quantities",
    "queries",
    "rates",
    "refunds",
    "reversals",
    "shares",
    "sort_value",
    "tax_rates",
    "texts",
    "units",
]
