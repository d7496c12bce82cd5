"""How the store in memory keeps its records: dictionaries, and an index for each question the port asks often."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from invoicecore.alerts import Alert
from invoicecore.collection import UNFINISHED, Collection
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Payment, Reversal
from invoicecore.ports import FINDABLE, WAITING, Counter, PayLink, Record

Kind = type[object]  # one of Record's; the port's type[R] fits where this is asked for
Value = str | int | date | None

FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = dict(FINDABLE.items())
QUERIED: Final = ("customer", "unit", "lease", "booking", "group", "number")
"""The fields of an invoice that are indexed."""
DUE: Final = ("due", "")
"""What a record is found by that has a day or an instant to be taken up at."""
_TAKEN_UP: Final[Mapping[Kind, str]] = {
    Lease: "next_run_on",
    Customer: "next_cycle_on",
    **dict.fromkeys(WAITING, "next_try_at"),
}


def biller_of(record: Record) -> str:
    """The biller a record belongs to; a Biller belongs to itself (T1)."""
    return record.id if isinstance(record, Biller) else record.biller


def index_keys(record: Record) -> list[tuple[str, Value]]:
    """The (field, value) pairs a record is found by."""
    if isinstance(record, Invoice):
        keys: list[tuple[str, Value]] = [(field, getattr(record, field)) for field in QUERIED]
        keys.append(("phase", record.phase))
    else:
        keys = [
            (field, getattr(record, field))
            for field in FIELDS.get(type(record), ())
            if not (isinstance(record, Payment) and field == "invoice")
        ]
    if isinstance(record, Payment):
        keys += [("invoice", invoice) for invoice in {part.invoice for part in record.allocations}]
    if getattr(record, _TAKEN_UP.get(type(record), ""), None) is not None:
        keys.append(DUE)
    return [key for key in keys if key[1] is not None]


def unique_keys(record: Record) -> list[tuple[Value, ...]]:
    """What only one record of its kind and biller may have, led by the words that name it (Writer.add)."""
    if isinstance(record, Unit):
        return [("unit number", record.number)]
    if isinstance(record, Reversal):
        return [("reversal of payment", record.payment, record.reference)] if record.cancelled_on is None else []
    if isinstance(record, CreditEntry):
        return [("credit entry", record.customer, record.amount.currency.code, record.seq)]
    if isinstance(record, Message):
        return [("message", record.invoice, record.kind, record.about)] if record.about is not None else []
    if isinstance(record, PayLink):
        return [("link of invoice", record.invoice)] if record.revoked_at is None else []
    if isinstance(record, Collection):
        return [("unfinished collection of invoice", record.invoice)] if record.state in UNFINISHED else []
    if isinstance(record, Alert):
        return [("alert", record.kind, record.about)]
    if isinstance(record, CreditNote):
        return [("credit note number", record.number)]
    keys: list[tuple[Value, ...]] = []
    if isinstance(record, Invoice):
        if record.number is not None:
            keys.append(("invoice number", record.number))
        if record.lease is not None and record.period_index is not None:
            keys.append(("lease period", record.lease, record.period_index, record.revision))
        if record.customer is not None and record.cycle is not None:
            keys.append(("customer cycle", record.customer, record.cycle))
    return keys


class Tables:
    """The records, their indexes and unique keys, and the counters; `put` is the only way in and keeps them in step."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Kind, str], dict[str, Record]] = {}
        self.found: dict[tuple[Kind, str, str, Value], dict[str, None]] = {}
        self.taken: dict[tuple[Kind, str, tuple[Value, ...]], str] = {}
        self.counters: dict[tuple[str, str], Counter] = {}

    def of(self, kind: Kind, biller: str) -> Mapping[str, Record]:
        """The records of one kind and biller, by id."""
        return self.rows.get((kind, biller), {})

    def put(self, kind: Kind, biller: str, id: str, record: Record | None) -> Record | None:
        """Make `record` (None: nothing) what stands under an id; returns what stood there."""
        fresh = ([], []) if record is None else (index_keys(record), unique_keys(record))
        rows = self.rows.setdefault((kind, biller), {})
        old = rows.pop(id, None)
        if old is not None:
            for field, value in index_keys(old):
                bucket = self.found[kind, biller, field, value]
                del bucket[id]
                if not bucket:
                    del self.found[kind, biller, field, value]
            for unique in unique_keys(old):
                del self.taken[kind, biller, unique]
        if record is not None:
            rows[id] = record
            for field, value in fresh[0]:
                self.found.setdefault((kind, biller, field, value), {})[id] = None
            for unique in fresh[1]:
                self.taken[kind, biller, unique] = id
        return old
