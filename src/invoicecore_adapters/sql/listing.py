"""An InvoiceQuery as SQL: lists that walk an index in their order, and sums that walk one per phase (D5, S10, R16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)

from invoicecore.invoices import Phase, Status
from invoicecore.ports import InvoiceQuery, Order, Sums
from invoicecore_adapters.sql.dialects import unindexed
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
_LIVE: Final = frozenset({Phase.DRAFT, Phase.DUE, Phase.PENDING})
_DATED: Final = (Phase.DUE, Phase.PENDING)  # of which the due date says whether they are overdue
# What credit notes took off is out of the total, and so of what is owed and of the sums (R16, P5).
_AMOUNTS: Final = (
    invoices.c.total_minor - invoices.c.noted_minor,
    invoices.c.paid_minor,
    invoices.c.credit_minor,
    invoices.c.refunded_minor,
)
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


def listed(wanted: InvoiceQuery, *, merging: bool) -> Listing | None:
    """The rows of invoices that match, in the query's order and from its place on; None when none can match.

    A database that is not `merging` the parts of a union by itself (Dialect) is given parts that are in order.
    """
    arms = arms_of(wanted)
    if arms is not None and not arms:
        return None
    order = _SORTED_BY[wanted.order]
    way = _way(wanted, arms, order)
    base = select(invoices).where(*_filters(wanted, way), *_place(wanted, order, way))
    if order == "number":
        base = base.where(_column("number", way).is_not(None))
    statement: Listing
    if way.merged:
        # No index has all statuses in this order, but one has each of them: walk them side by side and merge.
        arms = _ANY if arms is None else arms
        parts = [base.where(*_side(wanted, phase, past, way)) for phase, past in arms.items()]
        if not merging and wanted.limit is not None:
            in_order = _sorted(wanted, [_column(name, way) for name in _keys(order)])
            parts = [part.order_by(*in_order).limit(wanted.limit) for part in parts]
        union = union_all(*parts)
        statement = union.order_by(*_sorted(wanted, [union.selected_columns[name] for name in _keys(order)]))
    else:
        if arms is not None:
            base = base.where(_any_side(wanted, arms, way))
        statement = base.order_by(*_sorted(wanted, [_column(name, way) for name in _keys(order)]))
    return statement if wanted.limit is None else statement.limit(wanted.limit)


def counted(wanted: InvoiceQuery) -> Listing | None:
    """How many invoices match; None when none can."""
    arms = arms_of(wanted)
    if arms is not None and not arms:
        return None
    narrow = _narrow(wanted)
    way = Way(narrow) if narrow else Way("phase", "due_on")
    query = select(func.count()).select_from(invoices).where(*_filters(wanted, way))
    return query if arms is None else query.where(_any_side(wanted, arms, way))


def summed(wanted: InvoiceQuery) -> Listing | None:
    """One row per phase and side of the date: (phase, past, count, and each amount's high and low half summed)."""
    asked = arms_of(wanted)
    arms = _ANY if asked is None else asked
    if not arms:
        return None
    if narrow := _narrow(wanted):  # what a filter leaves is gone through once
        way = Way(narrow)
        dated = and_(_column("phase", way).in_([phase.value for phase in _DATED]), _column("due_on", way) < wanted.on)
        phase, past = _column("phase", way), dated.label("past")
        query = select(phase, past, *_SUMMED).where(*_filters(wanted, way))
        if asked is not None:
            query = query.where(_any_side(wanted, asked, way))
        return query.group_by(phase, literal_column("past"))  # by its name: what is bound twice is not the same
    parts = []
    for each, side in arms.items():
        way = Way(*(("phase", "due_on") if each in _DATED else ("phase",)))
        for late in ((False, True) if side is None else (side,)) if each in _DATED else (None,):
            parts.append(
                select(
                    literal(each.value),
                    literal(bool(late)),
                    *(_COUNTED if each in (Phase.DRAFT, Phase.VOID) else _SUMMED),
                )
                .select_from(invoices)
                .where(*_filters(wanted, way), *_side(wanted, each, late, way))
            )
    return union_all(*parts)


def sums_of(rows: Iterable[Sequence[Any]]) -> Sums:
    """The answer of `summed` put together: counts per status, and sums over published, non-void invoices (R16).

    `billed` is what was billed less what credit notes took off, so that total = open + overdue + paid + refunded.
    """
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
        if phase in _DATED:  # the others have no balance (D2)
            owed = billed - received - applied
            if past:
                overdue += owed
            else:
                unpaid += owed
    return Sums(counts=counts, total=total, paid=paid, refunded=refunded, open=unpaid, overdue=overdue)


class Way:
    """The columns by which an index is to be used; no other is reason to use one."""

    def __init__(self, *columns: str, merged: bool = False) -> None:
        self.columns = frozenset(columns)
        self.merged = merged


def _way(wanted: InvoiceQuery, arms: Arms | None, order: str) -> Way:
    """How to find and sort: by a filter that leaves few, by status, or by walking the order's own index."""
    narrow = _narrow(wanted)
    if narrow:
        # These indexes end with the id, so pages in order of creation need no sorting; the others leave a handful.
        in_order = order == "id" and narrow not in ("lease", "number") and len(wanted.customers) <= 1
        return Way(narrow, "id") if in_order else Way(narrow, "period_index")
    if order in ("id", "due_on"):
        if arms is None and order == "id":
            return Way("id")
        split = _ANY if arms is None else arms
        return Way("phase", order, "id", merged=len(split) > 1)
    # By number or total there is no index per status: what is still to be dealt with is little and is sorted, what is
    # settled is most of what there is and is met soon enough when all is walked in order.
    if arms is not None and _LIVE.issuperset(arms):
        return Way("phase", "due_on")
    return Way(order, "id")


def _narrow(wanted: InvoiceQuery) -> str | None:
    """The column of the filter that leaves the fewest."""
    for column, value in (
        ("number", wanted.number),
        ("lease", wanted.lease),
        ("booking", wanted.booking),
        ("booking_group", wanted.group),
        ("customer", wanted.customers or None),
        ("unit", wanted.unit),
        ("lease", wanted.leases),
        ("drafted_on", wanted.drafted_on),
    ):
        if value is not None:
            return column
    return None


def _column(name: str, way: Way) -> ColumnElement[Any]:
    column: ColumnElement[Any] = invoices.c[name]
    return column if name in way.columns else unindexed(column)


def _halves() -> list[ColumnElement[int]]:
    # A sum of 64-bit amounts overflows 64 bits; the sums of their halves do not, and Python puts them together.
    published = unindexed(invoices.c.number).is_not(None)
    halves: list[ColumnElement[int]] = []
    for amount in _AMOUNTS:
        halves += [
            func.sum(amount.bitwise_rshift(literal_column(str(_HALF)))).filter(published),
            func.sum(amount.bitwise_and((1 << _HALF) - 1)).filter(published),
        ]
    return halves


# Made once: building these expressions takes longer than most databases take to answer.
_COUNTED: Final = [func.count(), *[literal(0)] * (2 * len(_AMOUNTS))]
_SUMMED: Final = [func.count(), *_halves()]


def _filters(wanted: InvoiceQuery, way: Way) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [invoices.c.biller == wanted.biller]
    if wanted.kinds:
        found.append(invoices.c.kind.in_(sorted(kind.value for kind in wanted.kinds)))
    if len(wanted.customers) == 1:
        found.append(_column("customer", way) == wanted.customers[0])
    elif wanted.customers:
        found.append(_column("customer", way).in_(wanted.customers))
    for name, value in (
        ("unit", wanted.unit),
        ("lease", wanted.lease),
        ("period_index", wanted.period_index),
        ("booking", wanted.booking),
        ("booking_group", wanted.group),
        ("number", wanted.number),
        ("drafted_on", wanted.drafted_on),
    ):
        if value is not None:
            found.append(_column(name, way) == value)
    if wanted.leases is not None:
        found += [_column("lease", way) >= wanted.leases[0], _column("lease", way) <= wanted.leases[1]]
    if wanted.due_by is not None:
        found.append(_column("due_on", way) <= wanted.due_by)
    if wanted.published is not None:
        number = unindexed(invoices.c.number)
        found.append(number.is_not(None) if wanted.published else number.is_(None))
    if wanted.claims:
        found.append(or_(*(unindexed(invoices.c[name]).is_not(None) for name in ("period_index", "cycle"))))
    return found


def _side(wanted: InvoiceQuery, phase: Phase, past: bool | None, way: Way) -> list[ColumnElement[bool]]:
    same = _column("phase", way) == phase.value
    if past is None:
        return [same]
    due_on = _column("due_on", way)
    return [same, due_on < wanted.on if past else due_on >= wanted.on]


def _any_side(wanted: InvoiceQuery, arms: Arms, way: Way) -> ColumnElement[bool]:
    phase = _column("phase", way)
    names = [each.value for each in arms]
    if len(arms) == 1 or not any(past is not None for past in arms.values()):
        of_these = phase == names[0] if len(names) == 1 else phase.in_(names)
        return and_(of_these, *(part for each, past in arms.items() for part in _side(wanted, each, past, way)[1:]))
    # An index is used for what must hold, not for what is one of two: so the phases are also said by themselves.
    sides = [and_(*_side(wanted, each, past, Way())) for each, past in arms.items()]
    return and_(phase.in_(names), or_(*sides))


def _place(wanted: InvoiceQuery, order: str, way: Way) -> list[ColumnElement[bool]]:
    if wanted.after is None:
        return []
    value, id = wanted.after
    descending = wanted.order in _DESCENDING
    if order == "id":
        mine = _column("id", way)
        return [mine < id if descending else mine > id]
    here = tuple_(_column(order, way), _column("id", way))
    there = tuple_(literal(value, invoices.c[order].type), literal(id, invoices.c.id.type))
    return [here < there if descending else here > there]


def _keys(order: str) -> tuple[str, ...]:
    return (order,) if order in ("id", "number") else (order, "id")  # a number is one invoice's (N1)


def _sorted(wanted: InvoiceQuery, columns: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [column.desc() if wanted.order in _DESCENDING else column for column in columns]
