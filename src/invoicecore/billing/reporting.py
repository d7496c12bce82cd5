"""Reporting: lists, pages, summary cards, what is owed, and the timeline."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from datetime import date
from typing import Generic, TypeVar

import attrs

from invoicecore.billing.desk import Desk, biller_in, invoice_in, one, ref_of, unit_in
from invoicecore.bookings import Booking, Group
from invoicecore.errors import InvalidValue, NotFound, legible
from invoicecore.invoices import Invoice, InvoiceKind, Status
from invoicecore.leases import Lease
from invoicecore.money import Money, from_minor, minor, unbounded
from invoicecore.parties import Biller, Customer, Unit, listed, member
from invoicecore.ports import Event, InvoiceQuery, Order, Reader

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """Some of a list: `items`, and `next` to give as `after=` for more (None at the end) (S10)."""

    items: tuple[T, ...]
    next: str | None


@attrs.frozen(kw_only=True)
class Summary:
    """The cards over published, non-void invoices; Total = Open + Overdue + Paid + refunded (R16).

    `paid` is money held, `open` and `overdue` are balances of disjoint sets. `counts` holds every status, drafts too.
    """

    total: Money
    paid: Money
    open: Money
    overdue: Money
    refunded: Money
    counts: Mapping[Status, int]


class Reporting:
    """The reading part of `billing.invoices`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def get(self, invoice: Invoice | str, *, biller: Biller | str | None = None) -> Invoice:
        """The invoice as it stands, by id, or by number within a biller; NotFound otherwise (T1)."""
        if biller is not None or self._desk.scope is not None:
            owner, ref = self._desk.biller_id(biller), ref_of("invoice", invoice)
        else:
            owner, ref = self._desk.owner("invoice", invoice)
        with self._desk.view() as tx:
            return invoice_in(tx, owner, ref, date.min)

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        status: Status | str | Collection[Status | str] | None = None,
        kind: InvoiceKind | str | None = None,
        customer: Customer | str | None = None,
        unit: Unit | str | None = None,
        lease: Lease | str | None = None,
        booking: Booking | str | None = None,
        group: Group | str | None = None,
        on: date | None = None,
        order: Order | str = Order.CREATED,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Invoice]:
        """One page of a biller's invoices; `status` is judged on the date `on` and agrees with status_on (S10, D5).

        The biller may be left out when another filter names it. `order` is created, due, number (published only) or
        total, with "-" in front for descending. Raises InvalidValue for an unknown status, order or `after` or a limit
        outside 1 to 1000; NotFound for what is another biller's.
        """
        filters = _Filters(biller, status, kind, customer, unit, lease, booking, group, on)
        return self._page(filters, order, after, limit)

    def visible_to(
        self,
        customer: Customer | str,
        *,
        status: Status | str | Collection[Status | str] | None = None,
        on: date | None = None,
        order: Order | str = Order.CREATED,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Invoice]:
        """One page of a customer's own invoices that were ever published, and of no others (R8, T2)."""
        return self._page(_Filters(status=status, customer=customer, on=on, published=True), order, after, limit)

    def summary(
        self,
        *,
        biller: Biller | str | None = None,
        status: Status | str | Collection[Status | str] | None = None,
        kind: InvoiceKind | str | None = None,
        customer: Customer | str | None = None,
        unit: Unit | str | None = None,
        lease: Lease | str | None = None,
        booking: Booking | str | None = None,
        group: Group | str | None = None,
        on: date | None = None,
    ) -> Summary:
        """The summary cards of a biller or of one filter, on a date; zeros without invoices (R16)."""
        with self._desk.view() as tx:
            filters = _Filters(biller, status, kind, customer, unit, lease, booking, group, on)
            owner, wanted = filters.query(self._desk, tx)
            sums = tx.sums(wanted)
        amounts = {
            name: unbounded(getattr(sums, name), owner.currency)
            for name in ("total", "paid", "open", "overdue", "refunded")
        }
        return Summary(**amounts, counts={status: sums.counts.get(status, 0) for status in Status})

    def outstanding(
        self,
        *,
        biller: Biller | str | None = None,
        customer: Customer | str | None = None,
        lease: Lease | str | None = None,
        on: date | None = None,
    ) -> Money:
        """Σ balances of published, non-void invoices of a customer, lease or biller, late and pending ones too (S13)."""
        cards = self.summary(biller=biller, customer=customer, lease=lease, on=on)
        return cards.open + cards.overdue

    def timeline(self, record: Invoice | Lease | Biller | str) -> list[Event]:
        """Every step of an invoice, lease, biller or other record: what, when, who, oldest first (R18)."""
        ref = ref_of("record", record)
        biller = ref.partition("_")[0]  # of a biller's own id the whole
        if self._desk.scope not in (None, biller):
            raise NotFound("record", ref)
        with self._desk.view() as tx:
            steps = tx.find(Event, biller, {"subject": ref})
        if not steps:
            raise NotFound("record", ref)
        return steps

    def _page(self, filters: _Filters, order: Order | str, after: str | None, limit: int) -> Page[Invoice]:
        if type(limit) is not int or not 1 <= limit <= 1000:
            raise InvalidValue("limit", limit, "is not 1 to 1000", "ask for smaller pages and follow Page.next")
        sort = member(Order, order, "order")
        with self._desk.view() as tx:
            _, wanted = filters.query(self._desk, tx)
            # One more than asked for tells whether there is a next page.
            found = tx.invoices(attrs.evolve(wanted, order=sort, after=_read_mark(after, sort), limit=limit + 1))
        items = tuple(found[:limit])
        return Page(items=items, next=_mark(items[-1], sort) if len(found) > limit else None)


@attrs.frozen
class _Filters:
    """What a caller may filter by, before names and ids are resolved."""

    biller: Biller | str | None = None
    status: Status | str | Collection[Status | str] | None = None
    kind: InvoiceKind | str | None = None
    customer: Customer | str | None = None
    unit: Unit | str | None = None
    lease: Lease | str | None = None
    booking: Booking | str | None = None
    group: Group | str | None = None
    on: date | None = None
    published: bool | None = None

    def query(self, desk: Desk, tx: Reader) -> tuple[Biller, InvoiceQuery]:
        """The biller and the store's query; NotFound when a filter is another biller's or does not exist (T1)."""
        named: dict[str, tuple[str, str]] = {}
        kinds = {"customer": Customer, "lease": Lease, "booking": Booking, "group": Group}
        for name in kinds:
            if (given := getattr(self, name)) is not None:
                named[name] = desk.owner(name, given)
        if self.biller is None and desk.scope is None and isinstance(self.unit, Unit):
            named["unit"] = desk.owner("unit", self.unit)
        owners = {biller for biller, _ in named.values()}
        owner = desk.biller_id(self.biller) if self.biller is not None or not owners else min(owners)
        for name, (its_biller, ref) in named.items():
            if its_biller != owner:
                raise NotFound(name, ref)
        biller = biller_in(tx, owner)
        for name, kind in kinds.items():
            if name in named:
                one(tx, kind, owner, named[name][1])
        unit = None
        if self.unit is not None:
            found = unit_in(tx, owner, self.unit)
            if found is None:
                raise NotFound("unit", self.unit)
            unit = found.id
        refs = {name: record for name, (_, record) in named.items()}
        return biller, InvoiceQuery(
            biller=owner,
            on=desk.day(biller, self.on),
            status=_statuses(self.status),
            kinds=frozenset() if self.kind is None else frozenset({member(InvoiceKind, self.kind, "kind")}),
            customers=(refs["customer"],) if "customer" in refs else (),
            unit=unit,
            lease=refs.get("lease"),
            booking=refs.get("booking"),
            group=refs.get("group"),
            published=self.published,
        )


def _statuses(status: Status | str | Collection[Status | str] | None) -> frozenset[Status]:
    if status is None:
        return frozenset()
    given = [status] if isinstance(status, str) else listed(status, "status", "statuses")
    if not given:
        raise InvalidValue("status", status, "is empty", "name at least one status, or leave it out for all")
    return frozenset(member(Status, one_status, "status") for one_status in given)


def _sort_value(invoice: Invoice, order: Order) -> str | int:
    name = order.value.lstrip("-")
    if name == "due":
        return invoice.due_on.isoformat()
    if name == "total":
        return minor(invoice.total)
    return (invoice.number or "") if name == "number" else invoice.id


def _mark(invoice: Invoice, order: Order) -> str:
    raw = json.dumps([order.value, _sort_value(invoice, order), invoice.id])
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _read_mark(after: str | None, order: Order) -> tuple[str | int | date, str] | None:
    if after is None:
        return None
    way_out = "give the `next` of a page in the same order"
    name = order.value.lstrip("-")
    try:
        sort, value, ref = json.loads(base64.urlsafe_b64decode(after.encode() + b"=" * (-len(after) % 4)))
        if legible(said := f"{value}{ref}") != said:  # JSON can spell what is no text of any store
            raise ValueError(said)
        if sort == order.value and isinstance(ref, str):
            if name == "total" and type(value) is int:
                return minor(from_minor(value, "XAF")), ref  # within 64 bits, as every total is
            if name == "due" and isinstance(value, str):
                return date.fromisoformat(value), ref
            if name in ("created", "number") and isinstance(value, str):
                return value, ref
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidValue("after", after, "is no page mark", way_out) from error
    raise InvalidValue("after", after, "belongs to another order", way_out)
