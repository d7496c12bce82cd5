"""Billing for applications: rent, dues, stays and client charges, from draft to paid."""

from invoicecore.billing import Billing
from invoicecore.billing.outcomes import Report
from invoicecore.billing.sharding import Shard
from invoicecore.errors import InvoicecoreError
from invoicecore.invoices import Invoice, Item, Status
from invoicecore.money import Money, allocate
from invoicecore.parties import InvoiceMethod, Policy
from invoicecore.periods import Frequency, Period
from invoicecore.plugins import Plugins, hookimpl
from invoicecore.proration import DayCount, prorate
from invoicecore.taxes import TaxRate

__all__ = [
    "Billing",
    "DayCount",
    "Frequency",
    "Invoice",
    "InvoiceMethod",
    "InvoicecoreError",
    "Item",
    "Money",
    "Period",
    "Plugins",
    "Policy",
    "Report",
    "Shard",
    "Status",
    "TaxRate",
    "allocate",
    "hookimpl",
    "prorate",
]
