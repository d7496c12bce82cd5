"""Credit notes: numbered documents that take a published invoice, or some of its lines, back."""

from __future__ import annotations

from datetime import date

import attrs

from invoicecore.money import Money
from invoicecore.parties import BillTo
from invoicecore.taxes import TaxAmount, TaxRate


@attrs.frozen(kw_only=True)
class CreditLine:
    """What a credit note takes back of one invoice line: `line` is that line's place, from 0; `amount` is positive."""

    line: int
    description: str
    amount: Money
    taxes: tuple[TaxRate, ...] = ()


@attrs.frozen(kw_only=True)
class CreditNote:
    """A published document that names its invoice and lines and credits them, never beyond the invoice (P5, EN 16931 type 381).

    `total` = Σ lines with their tax, positive. `settled` of it was taken off what the invoice still owed; the rest was
    given back by `refund`, the id of the refund to the payer or to credit.
    """

    id: str
    biller: str
    invoice: str
    number: str
    currency: str
    lines: tuple[CreditLine, ...]
    taxes: tuple[TaxAmount, ...]
    total: Money
    settled: Money
    issued_on: date
    prices_include_tax: bool = False
    customer: str | None = None
    bill_to: BillTo | None = None
    reason: str = ""
    refund: str | None = None
    actor: str | None = None
