"""The store: what the core keeps, how it asks for it, and what a store promises.

A store author implements Store, Reader and Writer and adopts `invoicecore.testing.StoreContract`.
"""

from __future__ import annotations

from collections.abc import Collection as Many
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, TypeVar

import attrs

from invoicecore.alerts import Alert
from invoicecore.bookings import Booking, Group
from invoicecore.charges import Charge
from invoicecore.collection import Collection, SavedMethod
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.inbox import InboxEvent
from invoicecore.invoices import Invoice, InvoiceKind, Status
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.payments import Payment, Refund, Reversal


@attrs.frozen(kw_only=True)
class Event:
    """One step of a record's append-only timeline: what, when, who (R18).

    `subject` is the record's id, `version` the version it has after the step, `step` orders steps of one version.
    `at` is an instant in UTC, `on` the civil date the step counts for.
    """

    biller: str
    subject: str
    version: int
    action: str
    at: datetime
    on: date
    step: int = 0
    actor: str | None = None
    detail: str = ""

    @property
    def id(self) -> str:
        """The step's key within its biller."""
        return f"{self.subject}/{self.version}/{self.step}"


@attrs.frozen(kw_only=True)
class PayLink:
    """An invoice's unguessable token, which its pay page is found by; a revoked one opens nothing any more (T2).

    `id` is the token. An invoice has one that is not revoked at most.
    """

    id: str
    biller: str
    invoice: str
    made_at: datetime
    revoked_at: datetime | None = None
    version: int = 1


@attrs.frozen(kw_only=True)
class KeyUse:
    """An idempotency key and what it made: the digest of the request and the ids of its results (N3). `id` is the key."""

    id: str
    biller: str
    action: str
    digest: str
    results: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Counter:
    """The next number of a biller's series and the latest issue date given one (N1)."""

    next: int = 1
    last_on: date | None = None


class Order(StrEnum):
    """How a list of invoices is sorted; each ends with the id, so that pages are stable (S10).

    NUMBER lists published invoices only, since drafts have none, and sorts numbers as text: their zero padding makes
    that their order. Descending is the exact reverse, ties included. Ids and numbers sort by code point.
    """

    CREATED = "created"
    CREATED_DESC = "-created"
    DUE = "due"
    DUE_DESC = "-due"
    NUMBER = "number"
    NUMBER_DESC = "-number"
    TOTAL = "total"
    TOTAL_DESC = "-total"


@attrs.frozen(kw_only=True)
class InvoiceQuery:
    """Which invoices of a biller: every given field must match; None and empty match all (S10, D5).

    `status` is judged on the date `on`; a status matches exactly when `invoice.status_on(on)` does. `published` True
    means ever published (R8). `payable` means lifecycle OPEN with a balance above zero, `due_by` a due date on or before that day. `claims` means it claims a
    lease's period or a client's month (period_index or cycle is set; N2, C9). `leases` are the first and the last lease whose invoices
    match, by id, and all between them. `after` is the (sort value, id) of the last item of
    the page before: a date for DUE, minor units for TOTAL, the number for NUMBER, the id twice for CREATED.
    """

    biller: str
    on: date
    status: frozenset[Status] = frozenset()
    kinds: frozenset[InvoiceKind] = frozenset()
    customers: tuple[str, ...] = ()
    unit: str | None = None
    lease: str | None = None
    leases: tuple[str, str] | None = None
    period_index: int | None = None
    booking: str | None = None
    group: str | None = None
    number: str | None = None
    drafted_on: date | None = None
    published: bool | None = None
    payable: bool = False
    due_by: date | None = None
    claims: bool = False
    order: Order = Order.CREATED
    after: tuple[str | int | date, str] | None = None
    limit: int | None = None


@attrs.frozen(kw_only=True)
class Sums:
    """Counts per status and sums in minor units over the matching invoices, judged on the query's date (R16, S13).

    `total` (less what credit notes took off, P5), `paid` (money held), `refunded`, `open` and `overdue` (balances) are
    over published, non-void ones; total = open + overdue + paid + refunded.
    """

    counts: Mapping[Status, int]
    total: int = 0
    paid: int = 0
    refunded: int = 0
    open: int = 0
    overdue: int = 0


Record = (
    Biller
    | Unit
    | Customer
    | Charge
    | Lease
    | Booking
    | Group
    | Invoice
    | Payment
    | Reversal
    | Refund
    | CreditEntry
    | Event
    | Message
    | PayLink
    | KeyUse
    | SavedMethod
    | Collection
    | InboxEvent
    | Alert
    | CreditNote
)
R = TypeVar("R", bound=Record)

# The fields find() can be asked for, per kind of record; a store indexes each, led by the biller.
FINDABLE: Mapping[type[Record], tuple[str, ...]] = {
    Unit: ("number", "resident"),
    Customer: (),
    Charge: ("customer", "state", "invoice"),
    Lease: ("customer", "unit"),
    Booking: ("customer", "unit", "group"),
    Group: ("organiser",),
    Payment: ("customer", "invoice", "collection"),
    Reversal: ("payment",),
    Refund: ("invoice", "payment", "state"),
    CreditEntry: ("customer", "invoice"),
    Event: ("subject",),
    Message: ("invoice", "state"),
    PayLink: ("invoice",),
    KeyUse: (),
    SavedMethod: ("customer", "state"),
    Collection: ("invoice", "customer", "state"),
    InboxEvent: ("state",),
    Alert: ("invoice", "about", "state"),
    CreditNote: ("invoice", "customer", "number"),
}

# Records that carry an optimistic version: replace() checks it and stores it plus one.
VERSIONED: tuple[type[Record], ...] = (
    Biller, Unit, Customer, Charge, Lease, Booking, Group, Invoice, Payment, Reversal, Refund, Message, PayLink, SavedMethod,
    Collection, InboxEvent, Alert,
)  # fmt: skip


# Records that wait for their next_try_at, which due() is asked for.
WAITING: tuple[type[Record], ...] = (Message, Collection, Refund, InboxEvent, SavedMethod)


class Reader(Protocol):
    """One consistent view of the store."""

    def get(self, kind: type[R], biller: str, ids: Many[str]) -> dict[str, R]:
        """Records by id, those that exist, within a biller; thousands of ids may be asked for.

        A Biller is found under its own id only.
        """
        ...

    def find(
        self,
        kind: type[R],
        biller: str,
        where: Mapping[str, str | Many[str]],
        *,
        after: str = "",
        limit: int | None = None,
    ) -> list[R]:
        """Records whose fields equal (or are among) the given values, by id, those after `after`; fields of FINDABLE.

        No value to be among matches nothing. `after` is the id of the last record of the page before.
        Payment's `invoice` matches any of its allocations. Events come by (subject, version, step), credit entries
        by (customer, currency, seq).
        """
        ...

    def billers(self, *, after: str = "", limit: int = 1000) -> list[Biller]:
        """Billers by id, those after `after`."""
        ...

    def invoices(self, wanted: InvoiceQuery) -> list[Invoice]:
        """Matching invoices with their lines and taxes, in the query's order, at most its limit."""
        ...

    def sums(self, wanted: InvoiceQuery) -> Sums:
        """Counts and sums over all matching invoices, whatever the order, page and limit.

        A pending invoice is open or overdue by its due date; sums may pass 64 bits; a status nothing has may be left
        out of the counts (R16).
        """
        ...

    def count(self, wanted: InvoiceQuery) -> int:
        """How many invoices match, whatever the order, page and limit."""
        ...

    def due_leases(
        self,
        biller: str,
        on: date,
        *,
        after: tuple[date, str] | None,
        limit: int,
        among: tuple[str, str] | None = None,
    ) -> list[Lease]:
        """Leases whose next_run_on is on or before a date, by (next_run_on, id), those after `after` (S4).

        With `among` only those from the first to the last of two ids, by id, those after the id of `after`; the work
        is that of the leases between the two, however many others are due. In a writing transaction they are claimed:
        no other writer can have the same ones until it ends.
        """
        ...

    def due_spans(self, biller: str, on: date, *, size: int) -> list[tuple[str, str, int]]:
        """The due leases of a date in order of id, cut into spans of `size`: first id, last id, how many; the last may have fewer."""
        ...

    def due_customers(self, biller: str, on: date, *, after: tuple[date, str] | None, limit: int) -> list[Customer]:
        """Customers whose next_cycle_on is on or before a date, by (next_cycle_on, id), claimed likewise (C9)."""
        ...

    def due(
        self, kind: type[R], biller: str, at: datetime, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[R]:
        """Records of a kind of WAITING whose next_try_at is at or before an instant, by (next_try_at, id), claimed likewise (R7)."""
        ...

    def pay_link(self, token: str) -> PayLink | None:
        """The link of a token, whichever biller's it is, revoked ones too; None for a token never given out (T2)."""
        ...

    def last_credits(self, biller: str, customers: Many[str], currency: str) -> dict[str, CreditEntry]:
        """The newest credit entry of each customer that has one; its `balance` is the credit there is (C8)."""
        ...

    def counter(self, biller: str, series: str) -> Counter:
        """Where a series stands; a series never used stands at 1 (N1)."""
        ...

    def counters(self, biller: str) -> dict[str, Counter]:
        """Where each series stands that numbers were taken from, by its name (N1)."""
        ...


class Writer(Reader, Protocol):
    """One transaction: everything written in it becomes visible at once, or nothing does."""

    def add(self, records: Sequence[Record]) -> None:
        """Write new records, of any kinds, those that others refer to first. Raises Conflict when a key is taken.

        Unique within a biller: a unit's number; an invoice's number; (lease, period_index, revision) and
        (customer, cycle) of invoices (N2, C9); (payment, reference) of reversals that are
        not cancelled; (customer, currency, seq) of credit entries; (invoice, kind, about) of messages that have an `about`; an invoice's link that is not
        revoked, its collection that is unfinished; (kind, about) of alerts; a credit note's number.
        """
        ...

    def replace(self, records: Sequence[Record]) -> None:
        """Write VERSIONED records anew, each with its version plus one.

        Raises Conflict when a version is stale, a record is not there, or a unique key is taken.
        """
        ...

    def remove(self, invoices: Sequence[Invoice]) -> None:
        """Delete drafts with their lines. Raises Conflict when a version is stale."""
        ...

    def take_numbers(self, biller: str, series: str, count: int, on: date) -> Counter:
        """Move a series on by `count` and return where it stood before: its numbers are next … next + count − 1 (N1)."""
        ...


class Store(Protocol):
    """Where records live. Safe to share between threads; a transaction belongs to the thread that opened it."""

    def reading(self) -> AbstractContextManager[Reader]:
        """A consistent view for the length of a `with` block."""
        ...

    def writing(
        self, *, lasting: bool = True, biller: str | None = None, shared: bool = False
    ) -> AbstractContextManager[Writer]:
        """One transaction: committed when the `with` block ends, rolled back when it raises anything.

        A `lasting` one outlives a loss of power, another need only outlive this process; a store may treat both alike.
        One of a `biller` changes its records only and follows, one after the other, those of the same biller; `shared`
        ones may run beside each other, since they claim what they change. One of no biller is alone in
        the store, unless it is shared.
        Raises StoreError when this thread is writing already, Interrupted for what may be done again.
        """
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
