"""An InvoiceQuery as SQL: lists that walk an index in their order, and sums that walk one per phase (D5, S10, R16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, func, literal, or_, select, tuple_, union_all

from invoicecore.invoices import Phase, Status
from invoicecore.ports import InvoiceQuery, Order, Sums
from invoicecore_adapters.sql.schema import invoices

Listing: TypeAlias = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]

# Each phase asked for, and which side of the query's date: True past due, False not, None either.
Arms: TypeAlias = Mapping[Phase, bool | None]

_ANY: Final[Arms] = dict.fromkeys(Phase)
_DESCENDING: Final = frozenset({Order.CREATED_DESC, Order.DUE_DESC, Order.NUMBER_DESC, Order.TOTAL_DESC})
_SORTED_BY: Final = {
    Order.CREATED: "id",
    Order.CREATED_DESC: "id",
    Order.DUE: "due_on",
    Order.DUE_DESC: "due_on",
    Order.NUMBER: "number",
    Order.NUMBER_DESC: "number",
    Order.TOTAL: "total_minor",
    Order.TOTAL_DESC: "total_minor",
}
_AMOUNTS: Final = ("total_minor", "paid_minor", "credit_minor", "refunded_minor")
_HALF: Final = 32


def arms_of(wanted: InvoiceQuery) -> Arms | None:
    """The phases a query asks for; None when it asks for any, empty when it asks for what cannot be."""
    if not wanted.status and not wanted.payable:
        return None
    arms: dict[Phase, bool | None] = {}
    due = wanted.status & {Status.OPEN, Status.OVERDUE}
    if due or not wanted.status:
        arms[Phase.DUE] = None if len(due) != 1 else Status.OVERDUE in due
    for status in wanted.status - {Status.OPEN, Status.OVERDUE} or (set() if wanted.status else {Status.PENDING}):
        arms[Phase(status.value)] = None
    if wanted.payable:  # OPEN with a balance, which is what these two phases mean (D2)
        arms = {phase: side for phase, side in arms.items() if phase in (Phase.DUE, Phase.PENDING)}
    return arms


def listed(wanted: InvoiceQuery) -> Listing | None:
    """The rows of invoices that match, in the query's order and from its place on; None when none can match."""
    arms = arms_of(wanted)
    if arms is not None and not arms:
        return None
    column = _SORTED_BY[wanted.order]
    base = select(invoices).where(*_filters(wanted), *_place(wanted, column))
    if column == "number":
        base = base.where(invoices.c.number.is_not(None))
    descending = wanted.order in _DESCENDING
    statement: Listing
    # No index has every status in order of due date or id, but one has each: walk them side by side and merge.
    merged = not _narrow(wanted) and (column == "due_on" or (column == "id" and arms is not None))
    split = (arms or _ANY) if merged else {}
    if len(split) > 1:
        union = union_all(*(base.where(*_side(wanted, phase, past)) for phase, past in split.items()))
        columns = union.selected_columns
        statement = union.order_by(*_order(columns, column, descending))
    else:
        if arms is not None:
            base = base.where(_any_side(wanted, arms))
        statement = base.order_by(*_order(invoices.c, column, descending))
    return statement if wanted.limit is None else statement.limit(wanted.limit)


def summed(wanted: InvoiceQuery) -> CompoundSelect[*tuple[Any, ...]] | None:
    """One row per phase and side of the date: (phase, past, count, and each amount's high and low half summed)."""
    asked = arms_of(wanted)
    arms = _ANY if asked is None else asked
    filters = _filters(wanted)
    parts = []
    for phase, side in arms.items():
        dated = phase in (Phase.DUE, Phase.PENDING)
        for past in ((False, True) if side is None else (side,)) if dated else (None,):
            parts.append(
                select(literal(phase.value), literal(bool(past)), func.count(), *_halves())
                .select_from(invoices)
                .where(*filters, *_side(wanted, phase, past))
            )
    return union_all(*parts) if parts else None


def sums_of(rows: Iterable[Sequence[Any]]) -> Sums:
    """The answer of `summed` put together: counts per status, and sums over published, non-void invoices (R16)."""
    counts = dict.fromkeys(Status, 0)
    total = paid = refunded = unpaid = overdue = 0
    for name, past, count, *halves in rows:
        phase = Phase(name)
        if phase is Phase.DUE:
            counts[Status.OVERDUE if past else Status.OPEN] += count
        else:
            counts[Status(name)] += count
        if phase in (Phase.DRAFT, Phase.VOID):
            continue
        billed, received, applied, returned = (
            (int(high or 0) << _HALF) + int(low or 0) for high, low in zip(halves[::2], halves[1::2], strict=True)
        )
        total += billed
        paid += received + applied - returned
        refunded += returned
        if phase in (Phase.DUE, Phase.PENDING):  # the others have no balance (D2)
            owed = billed - received - applied
            if past:
                overdue += owed
            else:
                unpaid += owed
    return Sums(counts=counts, total=total, paid=paid, refunded=refunded, open=unpaid, overdue=overdue)


def _halves() -> list[ColumnElement[int]]:
    # A sum of 64-bit amounts overflows 64 bits; the sums of their halves do not, and Python puts them together.
    published = invoices.c.number.is_not(None)
    halves: list[ColumnElement[int]] = []
    for name in _AMOUNTS:
        amount = invoices.c[name]
        halves += [
            func.sum(amount.bitwise_rshift(_HALF)).filter(published),
            func.sum(amount.bitwise_and((1 << _HALF) - 1)).filter(published),
        ]
    return halves


def _narrow(wanted: InvoiceQuery) -> bool:
    """Whether some filter leaves so few that they are better fetched and sorted."""
    return bool(
        wanted.customers
        or wanted.unit is not None
        or wanted.lease is not None
        or wanted.booking is not None
        or wanted.group is not None
        or wanted.number is not None
        or wanted.drafted_on is not None
    )


def _filters(wanted: InvoiceQuery) -> list[ColumnElement[bool]]:
    c = invoices.c
    found: list[ColumnElement[bool]] = [c.biller == wanted.biller]
    if wanted.kinds:
        found.append(c.kind.in_(sorted(kind.value for kind in wanted.kinds)))
    if len(wanted.customers) == 1:
        found.append(c.customer == wanted.customers[0])
    elif wanted.customers:
        found.append(c.customer.in_(wanted.customers))
    for column, value in (
        (c.unit, wanted.unit),
        (c.lease, wanted.lease),
        (c.period_index, wanted.period_index),
        (c.booking, wanted.booking),
        (c.booking_group, wanted.group),
        (c.number, wanted.number),
        (c.drafted_on, wanted.drafted_on),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.published is not None:
        found.append(c.number.is_not(None) if wanted.published else c.number.is_(None))
    return found


def _side(wanted: InvoiceQuery, phase: Phase, past: bool | None) -> list[ColumnElement[bool]]:
    same = invoices.c.phase == phase.value
    if past is None:
        return [same]
    return [same, invoices.c.due_on < wanted.on if past else invoices.c.due_on >= wanted.on]


def _any_side(wanted: InvoiceQuery, arms: Arms) -> ColumnElement[bool]:
    whole = [phase for phase, past in arms.items() if past is None]
    parts = [and_(*_side(wanted, phase, past)) for phase, past in arms.items() if past is not None]
    if len(whole) == 1:
        parts.append(invoices.c.phase == whole[0].value)
    elif whole:
        parts.append(invoices.c.phase.in_([phase.value for phase in whole]))
    return or_(*parts) if len(parts) > 1 else parts[0]


def _place(wanted: InvoiceQuery, column: str) -> list[ColumnElement[bool]]:
    if wanted.after is None:
        return []
    value, id = wanted.after
    descending = wanted.order in _DESCENDING
    if column == "id":
        return [invoices.c.id < id if descending else invoices.c.id > id]
    here, there = (
        tuple_(invoices.c[column], invoices.c.id),
        tuple_(literal(value, invoices.c[column].type), literal(id, invoices.c.id.type)),
    )
    return [here < there if descending else here > there]


def _order(columns: Any, column: str, descending: bool) -> list[ColumnElement[Any]]:
    names = [column] if column in ("id", "number") else [column, "id"]  # a number is one invoice's (N1)
    return [columns[name].desc() if descending else columns[name] for name in names]
