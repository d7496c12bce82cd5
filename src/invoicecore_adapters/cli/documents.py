"""A business's data as one document: read from JSON or a folder of CSV files, and judged before anything is written.

What a row refers to is in the same document, by the business's own refs. Every fault is reported at once: what cannot
be read, what no such value can be, what refers to nothing, what is there twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import attrs

from invoicecore.errors import BadFile, InvalidValue
from invoicecore.money import currency_of
from invoicecore.serde import parsed, structure
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
    amounts_of,
    faults_of,
    readable,
)
from invoicecore_adapters.cli.sheets import SheetRow, read_folder

R = TypeVar("R")

# A field → the others its fault may come from.
_JUDGED_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "ends": ("starts",),
    "departs": ("arrives",),
    "amount": ("total",),
    "biller": ("customer", "organiser"),
    "customer": ("biller",),
    "organiser": ("biller",),
    "resident": ("biller",),
    "units": ("biller",),
    "total": ("biller", "units"),
}


@attrs.frozen
class Placed:
    """A row and where it stands: `leases[3]` of a JSON file, `leases.csv:12` of a folder."""

    section: str
    where: str
    row: Row
    unread: frozenset[str] = frozenset()
    """Fields that could not be read and hold a stand-in: nothing is judged by them."""
    sheet: SheetRow | None = None
    """The row of the sheet it was read from."""

    def at(self, field: str) -> str:
        """The path of one of its fields; an item's is in the sheet of items."""
        item = self._item(field)
        return place_of(item.where, field.partition("].")[2]) if item is not None else place_of(self.where, field)

    def said(self, field: str, value: object) -> object:
        """What the file says there: the text of a sheet's cell for what was read from it."""
        item = self._item(field)
        sheet, name = (item, field.partition("].")[2]) if item is not None else (self.sheet, field)
        return sheet.cells.get(name, value) if sheet is not None and not isinstance(value, str) else value

    def _item(self, field: str) -> SheetRow | None:
        found = re.fullmatch(r"items\[([0-9]+)\]\..+", field)
        items = self.sheet.items if self.sheet is not None and found else []
        return items[int(found[1])] if found and int(found[1]) < len(items) else None

    def told(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """The faults of its fields with their paths, without those a stand-in could have caused."""
        for field, value, reason in faults:
            root = field.partition("[")[0].partition(".")[0]
            if not self.unread & {root, *_JUDGED_WITH.get(root, ())}:
                yield self.at(field), self.said(field, value), reason


@attrs.frozen(slots=False)
class Document:
    """All rows of a business, in the order in which they are written, and where they came from."""

    source: str
    rows: tuple[Placed, ...]

    def of(self, kind: type[R]) -> list[R]:
        """The rows of one kind."""
        return [placed.row for placed in self.rows if isinstance(placed.row, kind)]

    def biller_of(self, row: Row) -> str | None:
        """The ref of the biller a row belongs to: its own, its customer's, or the only one there is."""
        if isinstance(row, BillerRow):
            return row.ref
        if row.biller is not None:
            return row.biller
        customer = payer_of(row)
        if customer is not None:
            found = self._customers.get(customer)
            if found is not None:
                return self.biller_of(found)
        return self.billers[0] if len(self.billers) == 1 else None

    @cached_property
    def _customers(self) -> dict[str, CustomerRow]:
        return {row.ref: row for row in self.of(CustomerRow)}

    @cached_property
    def billers(self) -> list[str]:
        """The refs of the billers there are."""
        return list(self.currencies)

    @cached_property
    def currencies(self) -> dict[str, str]:
        """Biller ref → the code of its currency, as the file has it."""
        return {row.ref: row.currency for row in self.of(BillerRow)}


def place_of(where: str, field: str) -> str:
    """A field's path below a row: `leases[3].rent`, `leases.csv:12 rent`."""
    return f"{where}.{field}" if where.endswith("]") else f"{where} {field}"


def payer_of(row: Row) -> str | None:
    """The ref of the customer a row is about, if any."""
    return row.organiser if isinstance(row, GroupRow) else getattr(row, "customer", None)


def read(path: str | Path) -> Document:
    """The document of a JSON file or of a folder of CSV files. Raises BadFile with every fault in it."""
    document, faults = judged(path)
    if faults:
        raise BadFile(str(path), faults)
    return document


def judged(path: str | Path) -> tuple[Document, list[Fault]]:
    """The rows that could be read and every fault of the others. Raises BadFile for what cannot be read at all."""
    place = Path(path)
    rows: list[tuple[str, str, object, SheetRow | None]]
    if os.path.isdir(place):  # what cannot be looked at is told when it is read
        sheets = read_folder(place)
        faults, broken = list(sheets.faults), sheets.broken
        rows = [(name, row.where, row.data, row) for name in SECTIONS for row in sheets.rows.get(name, [])]
    else:
        sections, faults = _sections(place)
        broken = frozenset()
        rows = [
            (name, f"{name}[{i}]", data, None) for name in SECTIONS for i, data in enumerate(sections.get(name, []))
        ]
    placed: list[Placed] = []
    for section, where, data, sheet in rows:
        found, one = _placed(section, where, data, sheet)
        faults += found
        if one is not None:
            placed.append(one)
        if one is None or one.unread & {"ref", "number"}:
            broken |= {section}  # others may well refer to this row
    document = Document(str(path), tuple(placed))
    return document, [*faults, *_relations(document, broken)]


def _placed(section: str, where: str, data: object, sheet: SheetRow | None) -> tuple[list[Fault], Placed | None]:
    """One row and its faults; what could not be read is stood in for, so that the rest of it is judged all the same."""
    kind = SECTIONS[section]
    found = list(sheet.faults) if sheet is not None else []
    unread = {field.partition(".")[0] for field, _, _ in found}
    try:
        row = structure(data, kind)
    except BadFile as error:
        # A cell that could not be read was left out, so it is not missing as well.
        found += [fault for fault in error.faults if fault[0] not in unread]
        unread |= {field.partition("[")[0].partition(".")[0] for field, _, _ in error.faults}
        if not isinstance(data, Mapping):
            return [(place_of(where, field) if field else where, value, why) for field, value, why in found], None
        row = structure(readable(data, kind, unread), kind)
    placed = Placed(section, where, row, frozenset(unread), sheet)
    faults = [(placed.at(field), value, reason) for field, value, reason in found]
    return [*faults, *placed.told(faults_of(row))], placed


def _sections(place: Path) -> tuple[Mapping[str, list[object]], list[Fault]]:
    if place.suffix.lower() == ".csv" and os.path.isfile(place):
        way_out = "load the folder it stands in, with billers.csv beside it"
        raise BadFile(str(place), [("", None, f"is one CSV file; {way_out}")])
    try:
        text = place.read_text("utf-8-sig")
    except FileNotFoundError:
        raise BadFile(str(place), [("", None, "there is no such file or folder; check its name")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadFile(str(place), [("", None, f"is not UTF-8, see its line {line}; save it as UTF-8")]) from error
    except OSError as error:
        raise BadFile(str(place), [("", None, f"cannot be read: {error.strerror or error}")]) from error
    data = parsed(text, source=str(place))
    if not isinstance(data, Mapping):
        raise BadFile(str(place), [("", None, f"is not an object with {', '.join(SECTIONS)}")])
    faults: list[Fault] = []
    sections: dict[str, list[object]] = {}
    for name, rows in data.items():
        if name not in SECTIONS:
            faults.append((name, None, f"is not a section; known: {', '.join(SECTIONS)}"))
        elif not isinstance(rows, list):
            faults.append((name, rows, "is not a list"))
        else:
            sections[name] = rows
    return sections, faults


# --- what rows are to each other --------------------------------------------------------------------------------------

_POINTS_AT: Final = (
    (LeaseRow, "customer", "customers"),
    (ChargeRow, "customer", "customers"),
    (BookingRow, "customer", "customers"),
    (GroupRow, "organiser", "customers"),
    (UnitRow, "resident", "customers"),
    (BookingRow, "group", "groups"),
)


def _relations(document: Document, broken: frozenset[str]) -> Iterator[Fault]:
    """What is there twice, refers to nothing, or belongs to two billers; silent about what could not be read."""
    refs: dict[str, dict[str, Placed]] = {name: {} for name in SECTIONS}
    for placed in document.rows:
        row, field = placed.row, "number" if isinstance(placed.row, UnitRow) else "ref"
        name = f"{document.biller_of(row)}\0{row.ref}" if isinstance(row, UnitRow) else row.ref
        first = refs[placed.section].setdefault(name, placed)
        if first is not placed:
            yield from placed.told([(field, row.ref, f"is there already at {first.where}; give each its own")])
    for placed in document.rows:
        yield from placed.told(_owned(document, placed.row, broken))
        yield from placed.told(_pointing(document, placed.row, refs, broken))
        if isinstance(placed.row, AssessmentRow) and "units" not in broken:
            yield from placed.told(_assessed(document, placed.row))
        yield from placed.told(_priced(document, placed.row))


def _owned(document: Document, row: Row, broken: frozenset[str]) -> Iterator[Fault]:
    billers, owner = document.billers, document.biller_of(row)
    if "billers" in broken or isinstance(row, BillerRow):
        return
    if owner is None and ("customers" not in broken or payer_of(row) is None):
        yield "biller", None, f"is missing, and the file has {len(billers)}; name one of its billers"
    elif owner is not None and owner not in billers:
        yield "biller", owner, "is no biller of this file; give the ref of one"


def _pointing(
    document: Document, row: Row, refs: Mapping[str, Mapping[str, Placed]], broken: frozenset[str]
) -> Iterator[Fault]:
    owner = document.biller_of(row)
    for kind, field, section in _POINTS_AT:
        ref = getattr(row, field) if isinstance(row, kind) else None
        if ref is None or section in broken:
            continue
        target = refs[section].get(ref)
        if target is None:
            yield field, ref, f"is none of the {section} of this file; give the ref of one"
        elif section == "customers" and owner in document.billers and "biller" not in target.unread:
            other = document.biller_of(target.row)
            if other not in (owner, None):
                yield field, ref, f"belongs to biller {other!r}, the row to {owner!r}; bill it there"


def _assessed(document: Document, row: AssessmentRow) -> Iterator[Fault]:
    owner = document.biller_of(row)
    placed = [p for p in document.rows if isinstance(p.row, UnitRow) and document.biller_of(p.row) == owner]
    units = {p.row.number: p.row for p in placed if isinstance(p.row, UnitRow)}
    for number in row.units or ():
        if number not in units:
            yield "units", number, "is none of the units of this biller; give the number of one"
    billed = [unit for unit in units.values() if row.units is None or unit.number in row.units]
    without = [unit.number for unit in billed if unit.share is None]
    sure = not any("share" in p.unread for p in placed)
    if sure and row.total is not None and without and len(without) < len(billed):
        reason = f"cannot be split: {', '.join(without)} without a share; give all units a share, or none"
        yield "total", row.total, reason


def _priced(document: Document, row: Row) -> Iterator[Fault]:
    owner = document.biller_of(row)
    code = document.currencies.get(owner or "")
    try:
        currency = currency_of(code) if code is not None else None
    except InvalidValue:
        return  # told at the biller
    if currency is not None:
        yield from amounts_of(row, currency.code)
