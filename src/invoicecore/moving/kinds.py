"""Every kind of record, what each refers to, and what is said where that is not there: by hand, rows can be deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

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
from invoicecore.ports import Event, KeyUse, PayLink, Reader, Record

KINDS: Final[Mapping[str, type[Record]]] = {
    "biller": Biller,
    "customer": Customer,
    "unit": Unit,
    "group": Group,
    "booking": Booking,
    "lease": Lease,
    "charge": Charge,
    "invoice": Invoice,
    "saved_method": SavedMethod,
    "payment": Payment,
    "reversal": Reversal,
    "refund": Refund,
    "credit_note": CreditNote,
    "credit_entry": CreditEntry,
    "event": Event,
    "pay_link": PayLink,
    "key_use": KeyUse,
    "alert": Alert,
    "collection": Collection,
    "inbox_event": InboxEvent,
    "message": Message,
}
"""Every kind of record by its name, what is referred to first; what workers take up by itself comes last."""

NAMES: Final[Mapping[type[object], str]] = {kind: name for name, kind in KINDS.items()}

REFERENCES: Final[Mapping[type[Record], Mapping[str, type[Record]]]] = {
    Unit: {"resident": Customer},
    Group: {"organiser": Customer},
    Booking: {"customer": Customer, "unit": Unit, "group": Group},
    Lease: {"customer": Customer, "unit": Unit},
    Charge: {"customer": Customer, "invoice": Invoice},
    Invoice: {"customer": Customer, "unit": Unit, "lease": Lease, "booking": Booking, "group": Group},
    SavedMethod: {"customer": Customer},
    Payment: {"customer": Customer},
    Reversal: {"payment": Payment},
    Refund: {"invoice": Invoice},
    CreditNote: {"invoice": Invoice, "customer": Customer, "refund": Refund},
    CreditEntry: {"customer": Customer, "invoice": Invoice, "payment": Payment},
    PayLink: {"invoice": Invoice},
    Alert: {"invoice": Invoice},
    Collection: {"invoice": Invoice, "customer": Customer, "method": SavedMethod},
    Message: {"invoice": Invoice},
}
"""The fields of each kind that name another record; parts of records name some more."""


def missing(tx: Reader, biller: str, records: Sequence[Record]) -> list[str]:
    """What is not whole among records of a biller, a sentence each.

    They may refer to each other and to what is in the store.
    """
    here = {(type(record), record.id) for record in records}
    told: list[str] = []
    named: dict[type[Record], dict[str, Record]] = {}
    for record in records:
        if isinstance(record, Invoice) and not record.lines:
            told.append(f"{_called(record)} has no lines")
        for kind, ref in _referred(record):
            if (kind, ref) not in here:
                named.setdefault(kind, {}).setdefault(ref, record)
    for kind, refs in named.items():
        there = tx.get(kind, biller, sorted(refs))
        told += [
            f"{_called(record)} refers to {_noun(kind)} {ref}, which is not there"
            for ref, record in refs.items()
            if ref not in there
        ]
    return told


def _referred(record: Record) -> Iterator[tuple[type[Record], str]]:
    for field, kind in REFERENCES.get(type(record), {}).items():
        if (ref := getattr(record, field)) is not None:
            yield kind, ref
    if isinstance(record, Invoice):
        yield from ((Charge, line.charge) for line in record.lines if line.charge is not None)
    elif isinstance(record, Payment):
        yield from ((Invoice, part.invoice) for part in record.allocations)


def _called(record: Record) -> str:
    return f"{_noun(type(record))} {record.id}"


def _noun(kind: type[Record]) -> str:
    return NAMES[kind].replace("_", " ")
