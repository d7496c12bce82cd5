"""Where each kind of record is kept: its table, its row, and the record made of it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, cast

import attrs
from sqlalchemy import Table

from invoicecore.alerts import Alert
from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge
from invoicecore.collection import Collection, SavedMethod
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.inbox import InboxEvent
from invoicecore.invoices import Invoice
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.ports import Event, KeyUse, PayLink, Record
from invoicecore_adapters.sql import collecting, collecting_schema, schema
from invoicecore_adapters.sql.dialects import Row
from invoicecore_adapters.sql.records import Page
from invoicecore_adapters.sql.rows import Batch

_RowOf: TypeAlias = Callable[[Batch, Record], Row]
_RowsOf: TypeAlias = Callable[[Batch, Record], Iterator[Row]]
_RecordOf: TypeAlias = Callable[..., Record]


@attrs.frozen
class Shelf:
    """Where one kind of record is kept: its table, how its row is made, and the tables of its parts.

    `record` makes one of a page, its row, and the rows of its parts, table by table. `noun` names it in a message;
    `fields` maps a record's field to the column of another name.
    """

    noun: str
    table: Table
    row: _RowOf
    record: _RecordOf
    parts: tuple[tuple[Table, _RowsOf], ...] = ()
    fields: Mapping[str, str] = attrs.Factory(dict)


def _shelf(noun: str, table: Table, row: object, record: object, *parts: tuple[Table, object], **fields: str) -> Shelf:
    # Each of these takes or makes its own kind; SHELVES pairs them with it, which a type cannot say.
    cast_parts = tuple((table, cast(_RowsOf, rows)) for table, rows in parts)
    return Shelf(noun, table, cast(_RowOf, row), cast(_RecordOf, record), cast_parts, fields)


# What is referred to comes before what refers to it; add() writes in this order.
SHELVES: Final[Mapping[type[object], Shelf]] = {
    Biller: _shelf("biller", schema.billers, Batch.biller, Page.biller),
    Customer: _shelf("customer", schema.customers, Batch.customer, Page.customer),
    Unit: _shelf("unit", schema.units, Batch.unit, Page.unit),
    Group: _shelf("group", schema.booking_groups, Batch.group, Page.group),
    Booking: _shelf("booking", schema.bookings, Batch.booking, Page.booking, group="booking_group"),
    Lease: _shelf("lease", schema.leases, Batch.lease, Page.lease),
    Invoice: _shelf(
        "invoice",
        schema.invoices,
        Batch.invoice,
        Page.invoice,
        (schema.lines, Batch.lines),
        (schema.invoice_taxes, Batch.taxes),
    ),
    Charge: _shelf("charge", schema.charges, Batch.charge, Page.charge),
    SavedMethod: _shelf(
        "saved method", collecting_schema.saved_methods, collecting.saved_method_row, collecting.saved_method
    ),
    Collection: _shelf("collection", collecting_schema.collections, collecting.collection_row, collecting.collection),
    Payment: _shelf("payment", schema.payments, Batch.payment, Page.payment, (schema.allocations, Batch.allocations)),
    Reversal: _shelf("reversal", schema.reversals, Batch.reversal, Page.reversal),
    Refund: _shelf("refund", schema.refunds, Batch.refund, Page.refund),
    CreditNote: _shelf(
        "credit note",
        collecting_schema.credit_notes,
        collecting.credit_note_row,
        collecting.credit_note,
        (collecting_schema.credit_note_lines, collecting.credit_line_rows),
        (collecting_schema.credit_note_taxes, Batch.taxes),
    ),
    CreditEntry: _shelf("credit entry", schema.credit_entries, Batch.credit_entry, Page.credit_entry),
    Event: _shelf("event", schema.events, Batch.event, Page.event),
    Message: _shelf(
        "message",
        schema.messages,
        Batch.message,
        Page.message,
        to="recipient",
    ),
    PayLink: _shelf("link", schema.pay_links, Batch.pay_link, Page.pay_link),
    KeyUse: _shelf("key", schema.key_uses, Batch.key_use, Page.key_use),
    InboxEvent: _shelf("event", collecting_schema.inbox_events, collecting.inbox_event_row, collecting.inbox_event),
    Alert: _shelf("alert", collecting_schema.alerts, collecting.alert_row, collecting.alert),
}
