"""Loading a document through the desk: rehearsed in memory first, then written row by row under keys.

Every row has a key made from the business's own ref, so that loading the same file again writes nothing, a file that
grew adds what is new, and a row that changed under its ref is reported and left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from invoicecore.bookings import Group
from invoicecore.errors import BadFile, InvalidValue, InvoicecoreError, KeyReused, PluginError, Refused, StoreError
from invoicecore.invoices import Item
from invoicecore.money import Money
from invoicecore.parties import Biller, Customer
from invoicecore.plugins import hookimpl
from invoicecore.ports import Event
from invoicecore_adapters.cli.answers import sentence
from invoicecore_adapters.cli.documents import Document, Placed, judged, payer_of
from invoicecore_adapters.cli.rows import (
    SECTIONS,
    AssessmentRow,
    BillerRow,
    BookingRow,
    ChargeRow,
    CustomerRow,
    Fault,
    GroupRow,
    LeaseRow,
    Row,
    UnitRow,
)

if TYPE_CHECKING:
    from pathlib import Path

    from invoicecore import Billing

Progress = Callable[[int, int], None]

WHATS: Final = ("created", "existing", "changed", "blocked", "failed")
"""What can become of a row: written; there already, the same; there already, but other; waiting for a row that could
not be used; refused."""


@attrs.frozen(kw_only=True)
class Loaded:
    """What became of one row; `reason` says why it was not written."""

    section: str
    where: str
    ref: str
    what: str
    reason: str = ""


@attrs.frozen
class LoadReport:
    """What became of every row of a document."""

    source: str
    items: tuple[Loaded, ...]

    def count(self, what: str, section: str | None = None) -> int:
        """How many rows came to that, of one section or of all."""
        return sum(1 for item in self.items if item.what == what and section in (None, item.section))

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Section → what became of its rows → how many."""
        sections = dict.fromkeys(item.section for item in self.items)
        return {section: {what: self.count(what, section) for what in WHATS} for section in sections}

    @property
    def unwritten(self) -> tuple[Loaded, ...]:
        """The rows that are not in the store as the file has them."""
        return tuple(item for item in self.items if item.what not in ("created", "existing"))


class Heard:
    """A plugin that hears what was written: a replayed key writes nothing, so silence means it was there already."""

    plugin_name = "loading"

    def __init__(self) -> None:
        self.events = 0

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        """Count what one transaction wrote."""
        self.events += len(events)


def load(
    path: str | Path,
    into: Callable[[Heard], Billing],
    rehearsal: Callable[[], Billing],
    *,
    on: date | None = None,
    actor: str | None = None,
    progress: Progress | None = None,
    present: Callable[[], Billing | None] = lambda: None,
) -> LoadReport:
    """Load a JSON file or a folder of CSV files. Raises BadFile with every fault, and then nothing was written.

    `rehearsal` opens an empty desk to try the rows on: what the desk refuses there is a fault of the file. `into` opens
    the desk to write to, with the plugin given to it. `on` is the day the rows are registered for. `present` opens the
    desk only if it is there: what it has already is not judged by the calendar again.
    """
    document = checked(path, rehearsal, on=on, present=present)
    heard = Heard()
    with into(heard) as billing:
        return LoadReport(str(path), tuple(_written(document, billing, heard, on, actor, progress)))


def checked(
    path: str | Path,
    rehearsal: Callable[[], Billing],
    *,
    on: date | None = None,
    present: Callable[[], Billing | None] = lambda: None,
) -> Document:
    """The document of a file or folder, judged and rehearsed. Raises BadFile with every fault.

    A due date that has passed is a fault, but not of an assessment that the desk of `present` was given before.
    """
    document, faults = judged(path)
    late: list[_Late] = []
    with rehearsal() as desk:
        faults += _rehearsed(document, desk, {where for where, _, _ in faults}, on, late)
    before = _given_before(document, late, present) if late else set()
    faults += [one.fault for one in late if one.row.ref not in before]
    if faults:
        raise BadFile(str(path), faults)
    return document


def rehearsal() -> Billing:
    """An empty desk in memory, with no host's plugin that could refuse a rehearsal or hear of it."""
    from invoicecore import Billing, Plugins

    return Billing(Plugins.discover().store("memory://"))


@attrs.frozen
class _Late:
    """An assessment whose due date has passed, and its biller's id: one key gives one id in every store."""

    row: AssessmentRow
    biller: str
    fault: Fault


def _given_before(document: Document, late: Sequence[_Late], present: Callable[[], Billing | None]) -> set[str]:
    """The refs of the assessments that the desk was given before, whatever became of them since. Writes nothing."""
    billing = present()
    if billing is None:
        return set()
    with billing:
        return {one.row.ref for one in late if _Writing(document, billing, None, None).again(one.row, one.biller)}


def _rehearsed(
    document: Document, desk: Billing, wrong: set[str], on: date | None, late: list[_Late]
) -> Iterator[Fault]:
    """What the desk's own rules refuse, row by row; rows already found wrong and what hangs on them stay out.

    Due dates that have passed go to `late`.
    """
    writing = _Writing(document, desk, on, None)
    for placed in document.rows:
        if any(path.startswith((f"{placed.where}.", f"{placed.where} ")) or path == placed.where for path in wrong):
            continue
        if writing.missing(placed.row) is not None:
            continue
        try:
            writing.write(placed.row)
        except InvalidValue as error:
            field = error.field.replace("lines[", "items[").removeprefix("rows[0].")
            known = field.partition("[")[0] in {each.name for each in attrs.fields(type(placed.row))}
            place, value = (placed.at(field), placed.said(field, error.value)) if known else (placed.where, error.value)
            fault = (place, value, f"{error.reason}; {error.way_out}")
            if field == "due" and isinstance(placed.row, AssessmentRow):
                late.append(_Late(placed.row, writing.biller(placed.row).id, fault))
            else:
                yield fault
        except (StoreError, PluginError):
            raise
        except InvoicecoreError as error:
            yield placed.where, placed.row.ref, sentence(error)


def _written(
    document: Document, billing: Billing, heard: Heard, on: date | None, actor: str | None, progress: Progress | None
) -> Iterator[Loaded]:
    writing = _Writing(document, billing, on, actor)
    for done, placed in enumerate(document.rows, 1):
        yield _one(placed, writing, heard)
        if progress is not None:
            progress(done, len(document.rows))


def _one(placed: Placed, writing: _Writing, heard: Heard) -> Loaded:
    def told(what: str, reason: str = "") -> Loaded:
        return Loaded(section=placed.section, where=placed.where, ref=placed.row.ref, what=what, reason=reason)

    missing = writing.missing(placed.row)
    if missing is not None:
        return told("blocked", f"it needs {missing}, which could not be used")
    before = heard.events
    try:
        writing.write(placed.row)
    except KeyReused:
        return told("changed", "it was loaded before with other data and stays as it was; edit it at the desk")
    except (StoreError, PluginError, Refused):
        raise
    except InvoicecoreError as error:
        return told("failed", sentence(error))
    return told("created" if heard.events > before else "existing")


class _Writing:
    """The rows as calls of the desk; what was written is found again by the business's refs."""

    def __init__(self, document: Document, billing: Billing, on: date | None, actor: str | None) -> None:
        self._document = document
        self._billing = billing
        self._on = on
        self._actor = actor
        self._billers: dict[str, Biller] = {}
        self._customers: dict[str, Customer] = {}
        self._groups: dict[str, Group] = {}

    def missing(self, row: Row) -> str | None:
        """What a row needs that is not there, as `customer 'C-001'`; None when nothing is missing."""
        owner = self._document.biller_of(row)
        if not isinstance(row, BillerRow) and owner not in self._billers:
            return f"biller {owner!r}"
        who = row.resident if isinstance(row, UnitRow) else payer_of(row)
        if who is not None and who not in self._customers:
            return f"customer {who!r}"
        group = row.group if isinstance(row, BookingRow) else None
        return f"group {group!r}" if group is not None and group not in self._groups else None

    def again(self, row: AssessmentRow, biller: str) -> bool:
        """Whether the desk was given this assessment before, as it is or with other data. Writes nothing."""
        try:
            self._billers[self._document.biller_of(row) or ""] = self._billing.billers.get(biller)
            # On the day after it is due nothing new can be drafted: the key answers, or nobody does.
            self.write(attrs.evolve(row, on=row.due + timedelta(days=1)))
        except KeyReused:
            return True
        except (StoreError, PluginError, Refused):
            raise
        except InvoicecoreError:
            return False
        return True

    def write(self, row: Row) -> None:
        """Put one row to the desk. Raises what the desk raises."""
        billing, actor, key = self._billing, self._actor, f"load:{_SINGULAR[type(row)]}:{row.ref}"
        match row:
            case BillerRow():
                self._billers[row.ref] = billing.billers.add(
                    name=row.name,
                    currency=row.currency,
                    timezone=row.timezone,
                    locale=row.locale,
                    preset=row.preset,
                    policy=row.policy,
                    payments=row.payments,
                    address=row.address,
                    email=row.email,
                    actor=actor,
                    key=key,
                )
            case CustomerRow():
                self._customers[row.ref] = billing.customers.add(
                    biller=self.biller(row),
                    name=row.name,
                    email=row.email,
                    address=row.address,
                    locale=row.locale,
                    billing_cycle=row.billing_cycle,
                    billing_day=row.billing_day,
                    notify=row.notify,
                    on=self._on,
                    actor=actor,
                    key=key,
                )
            case UnitRow():
                resident = self._customers[row.resident] if row.resident is not None else None
                billing.units.add(biller=self.biller(row), number=row.number, resident=resident, actor=actor, key=key)
            case LeaseRow():
                billing.leases.add(
                    biller=self.biller(row),
                    customer=self._customers[row.customer],
                    unit=row.unit,
                    rent=self._money(row, row.rent),
                    frequency=row.frequency,
                    starts=row.starts,
                    ends=row.ends,
                    anchor_day=row.anchor_day,
                    method=row.method,
                    advance_days=row.advance_days,
                    day_count=row.day_count,
                    bill_from=row.bill_from,
                    description=row.description,
                    taxes=row.taxes,
                    actor=actor,
                    key=key,
                )
            case ChargeRow():
                billing.charges.add(
                    customer=self._customers[row.customer],
                    description=row.description,
                    amount=self._money(row, row.amount),
                    quantity=row.quantity,
                    taxes=row.taxes,
                    on=row.on,
                    actor=actor,
                    key=key,
                )
            case GroupRow():
                organiser = self._customers[row.organiser]
                self._groups[row.ref] = billing.groups.add(
                    biller=self.biller(row), name=row.name, organiser=organiser, actor=actor, key=key
                )
            case BookingRow():
                billing.bookings.add(
                    biller=self.biller(row),
                    customer=self._customers[row.customer],
                    unit=row.unit,
                    arrives=row.arrives,
                    departs=row.departs,
                    items=self._items(row),
                    group=self._groups[row.group] if row.group is not None else None,
                    actor=actor,
                    key=key,
                )
            case AssessmentRow():
                billing.invoices.draft_for_units(
                    biller=self.biller(row),
                    units=row.units,
                    title=row.title,
                    amount=self._money(row, row.amount) if row.amount is not None else None,
                    total=self._money(row, row.total) if row.total is not None else None,
                    shares=self._shares(row) if row.total is not None else None,
                    due=row.due,
                    description=row.description,
                    notify=row.notify,
                    on=row.on or self._on,
                    actor=actor,
                    key=key,
                )

    def biller(self, row: Row) -> Biller:
        """The biller of a row, as it was written."""
        return self._billers[self._document.biller_of(row) or ""]

    def _money(self, row: Row, amount: Decimal) -> Money:
        return Money(amount, self.biller(row).currency)

    def _items(self, row: BookingRow) -> list[Item]:
        return [
            Item(
                description=item.description,
                unit_price=self._money(row, item.unit_price),
                quantity=item.quantity,
                taxes=item.taxes,
            )
            for item in row.items
        ]

    def _shares(self, row: AssessmentRow) -> dict[str, Decimal] | None:
        """The shares of the units that are billed, None when the file gives none: then all weigh the same."""
        billed = shares_of(self._document, self._document.biller_of(row))
        return {n: s for n, s in billed.items() if row.units is None or n in row.units} or None


def shares_of(document: Document, biller: str | None) -> dict[str, Decimal]:
    """Unit number → share of a biller's units that have one."""
    units: Iterable[UnitRow] = document.of(UnitRow)
    return {u.number: u.share for u in units if u.share is not None and document.biller_of(u) == biller}


_SINGULAR: Final = {kind: name.removesuffix("s") for name, kind in SECTIONS.items()}
