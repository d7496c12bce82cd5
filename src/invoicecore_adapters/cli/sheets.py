"""A folder of CSV files, as a spreadsheet exports them, read as plain rows: nothing here knows what a row means.

UTF-8 with or without a byte order mark; columns apart by `;`, `,` or a tab, whichever the first line has most of;
blank lines are skipped. A header is read in any case, with spaces or underscores, in English or in French.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs

from invoicecore.errors import BadFile
from invoicecore.parties import InvoiceMethod, Policy
from invoicecore.periods import Frequency
from invoicecore.taxes import TaxRate
from invoicecore.wording import DATE_PATTERNS, LOCALES, frequency_name, locale_of, say
from invoicecore_adapters.cli.numbers import plain_number
from invoicecore_adapters.cli.rows import SECTIONS, Fault, ItemRow

ITEMS: Final = "booking_items"
"""The file of what bookings cost: a booking's ref, then the columns of an item."""

# A header without accents → the field it means. French, because the people who keep these sheets are.
_NAMES: Final = {
    "reference": "ref", "code": "ref", "id": "ref",
    "copropriete": "biller", "immeuble": "biller", "residence": "biller", "emetteur": "biller", "property": "biller",
    "nom": "name", "courriel": "email", "e_mail": "email", "mail": "email", "adresse": "address",
    "devise": "currency", "fuseau_horaire": "timezone", "time_zone": "timezone", "langue": "locale",
    "language": "locale", "modele": "preset", "paiements": "payments",
    "numero": "number", "lot": "unit", "unite": "unit", "emplacement": "unit", "site": "unit", "pitch": "unit",
    "occupant": "resident", "quote_part": "share", "tantiemes": "share",
    "client": "customer", "locataire": "customer", "tenant": "customer",
    "loyer": "rent", "frequence": "frequency", "debut": "starts", "start": "starts", "start_date": "starts",
    "fin": "ends", "end": "ends", "end_date": "ends", "mode": "method", "invoice_method": "method",
    "montant": "amount", "price": "amount", "quantite": "quantity", "qty": "quantity", "date": "on", "tax": "taxes",
    "arrivee": "arrives", "arrival": "arrives", "depart": "departs", "departure": "departs",
    "prix": "unit_price", "prix_unitaire": "unit_price", "reservation": "booking", "groupe": "group",
    "organisateur": "organiser", "organizer": "organiser", "titre": "title", "echeance": "due", "due_date": "due",
    "unites": "units",
}  # fmt: skip
_YES: Final = frozenset("yes y true 1 oui o vrai x".split())
_NO: Final = frozenset("no n false 0 non faux".split())
_TAX: Final = re.compile(r"(?P<name>.*\S)\s+(?P<percent>[0-9]+([.,][0-9]+)?)\s*%?(\s+(?P<category>[A-Z]{1,2}))?")


@attrs.frozen
class SheetRow:
    """One row: where it stands, its cells as JSON would have them, and the faults of cells that could not be read.

    `cells` are its texts as the sheet has them, `items` the rows of the other sheet that became its items.
    """

    where: str
    data: dict[str, object]
    faults: tuple[Fault, ...]
    cells: Mapping[str, str]
    items: list[SheetRow] = attrs.field(factory=list)


@attrs.frozen
class Sheets:
    """What a folder holds: rows by section, faults of whole files, and the sections those files would have had."""

    rows: dict[str, list[SheetRow]]
    faults: list[Fault]
    broken: frozenset[str]


@attrs.frozen
class _Cells:
    where: str
    cells: dict[str, str]


def read_folder(folder: Path) -> Sheets:
    """The CSV files of a folder; other files are none of its business.

    Raises BadFile for a folder without any such file.
    """
    faults: list[Fault] = []
    broken: set[str] = set()
    sheets: dict[str, tuple[list[_Cells], str]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".csv" or not path.is_file():
            continue
        section = path.stem.lower()
        if section not in SECTIONS and section != ITEMS:
            known = ", ".join(f"{name}.csv" for name in (*SECTIONS, ITEMS))
            faults.append((path.name, None, f"is not a file of ours; known: {known}"))
            continue
        try:
            sheets[section] = _sheet(path, section)
        except BadFile as error:
            faults += error.faults
            broken.add("bookings" if section == ITEMS else section)
    if not sheets and not faults:
        documents = sorted(folder.glob("*.json"))
        hint = f"; load its JSON file by itself: {documents[0]}" if documents else "; name the folder that has them"
        raise BadFile(str(folder), [("", None, f"has no CSV file such as billers.csv{hint}")])
    pattern = _pattern(sheets.get("billers", ([], ""))[0])
    rows = {
        name: [_typed(row, SECTIONS[name], comma, pattern) for row in cells]
        for name, (cells, comma) in sheets.items()
        if name != ITEMS
    }
    if ITEMS in sheets:
        cells, comma = sheets[ITEMS]
        faults += _put_items(rows.get("bookings", []), cells, comma, pattern)
    return Sheets(rows, faults, frozenset(broken))


def _sheet(path: Path, section: str) -> tuple[list[_Cells], str]:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _bad(
            path, line, raw[error.start : error.start + 10].decode("latin-1"), "is not UTF-8; save it as CSV UTF-8"
        ) from error
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r"sep=(.)\r?", first)  # a line some spreadsheets write before the header
    header = next((line for line in text.splitlines() if line.strip()), "")
    comma = declared[1] if declared else max(";,\t", key=header.count)
    lines = csv.reader(io.StringIO(rest if declared else text, newline=""), delimiter=comma, strict=True)
    before = 1 if declared else 0
    known = _fields(section)
    names: list[str | None] = []
    found: list[_Cells] = []
    try:
        while True:
            start = lines.line_num + before + 1
            cells = next(lines, None)
            if cells is None:
                return found, comma
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _header(path, start, cells, known, section)
                continue
            found.append(_Cells(f"{path.name}:{start}", _row(path, start, names, cells)))
    except csv.Error as error:
        raise _bad(path, lines.line_num + before, None, f"is not CSV: {error}") from error


def _header(path: Path, line: int, cells: list[str], known: frozenset[str], section: str) -> list[str | None]:
    names: list[str | None] = []
    faults: list[Fault] = []
    for cell in cells:
        name = _field(cell, known)
        if not cell.strip():
            names.append(None)
            continue
        if name is None:
            reason = f"is not a column of {section}; known: {', '.join(sorted(known))}"
            faults.append((f"{path.name}:{line}", cell.strip(), reason))
        elif name in names:
            faults.append((f"{path.name}:{line}", cell.strip(), f"is a second column for {name}; keep one"))
        names.append(name)
    if faults:
        raise BadFile(path.name, faults)
    return names


def _row(path: Path, line: int, names: list[str | None], cells: list[str]) -> dict[str, str]:
    found = {}
    for i, cell in enumerate(cells):
        if not cell.strip():
            continue
        name = names[i] if i < len(names) else None
        if name is None:
            raise _bad(path, line, cell, f"stands in column {i + 1}, which has no header; name the column or empty it")
        found[name] = cell.strip()
    return found


def _fields(section: str) -> frozenset[str]:
    if section == ITEMS:
        return frozenset({"booking", *(field.name for field in attrs.fields(ItemRow))})
    own = {field.name for field in attrs.fields(SECTIONS[section])} - {"items", "policy"}
    policies = {f"policy.{field.name}" for field in attrs.fields(Policy)} - {"policy.own_labels", "policy.preset"}
    return frozenset(own | policies if section == "billers" else own)


def _field(header: str, known: frozenset[str]) -> str | None:
    plain = unicodedata.normalize("NFKD", header.strip()).encode("ascii", "ignore").decode().casefold()
    name = re.sub(r"[\s'_-]+", "_", plain)
    for candidate in (name, _NAMES.get(name, "")):
        if candidate in known:
            return candidate
    # A sheet of units calls its first column Unit, one of booking items calls the price Amount.
    second = {"unit": "number", "amount": "unit_price"}.get(_NAMES.get(name, name), "")
    return second if second in known else None


def _bad(path: Path, line: int, value: object, reason: str) -> BadFile:
    return BadFile(path.name, [(f"{path.name}:{line}", value, reason)])


# --- cells ------------------------------------------------------------------------------------------------------------


def _pattern(billers: list[_Cells]) -> str | None:
    """The one way of writing dates that all billers share, None when they differ: then only ISO dates are certain."""
    patterns = set()
    for row in billers:
        locale = row.cells.get("locale", "")
        try:
            patterns.add(DATE_PATTERNS[locale_of(locale)])
        except ValueError:
            return None
    return patterns.pop() if len(patterns) == 1 else None


def _typed(row: _Cells, kind: type, comma: str, pattern: str | None) -> SheetRow:
    hints = get_type_hints(kind)
    policy = get_type_hints(Policy)
    data: dict[str, object] = {}
    faults: list[Fault] = []
    changes: dict[str, object] = {}
    for name, cell in row.cells.items():
        group, _, field = name.rpartition(".")
        try:
            value = _value(cell, policy[field] if group else hints[field], comma, pattern)
        except ValueError as error:
            faults.append((name, cell, str(error)))
            continue
        (changes if group else data)[field] = value
    if changes:
        data["policy"] = changes
    return SheetRow(row.where, data, tuple(faults), row.cells)


def _put_items(bookings: list[SheetRow], rows: list[_Cells], comma: str, pattern: str | None) -> Iterator[Fault]:
    """Put the items into their bookings; the faults of items are told by their own lines."""
    by_ref = {row.data.get("ref"): row for row in bookings}
    for booking in bookings:
        booking.data["items"] = []
    for row in rows:
        ref = row.cells.pop("booking", None)
        item = _typed(row, ItemRow, comma, pattern)
        for field, value, reason in item.faults:
            yield f"{row.where} {field}", value, reason
        if ref not in by_ref:
            yield f"{row.where} booking", ref, "is no booking of bookings.csv; give the ref of one"
            continue
        for field in ("description", "unit_price"):
            if field not in row.cells:
                yield f"{row.where} {field}", None, "is missing; give it"
        items = by_ref[ref].data["items"]
        if isinstance(items, list) and not item.faults and {"description", "unit_price"} <= set(row.cells):
            items.append(item.data)
            by_ref[ref].items.append(item)


def _value(cell: str, kind: Any, comma: str, pattern: str | None) -> object:
    """The cell as JSON would have it; ValueError with the reason when it is no such thing."""
    kinds = [each for each in get_args(kind) if each is not type(None)] if type(None) in get_args(kind) else [kind]
    wanted = kinds[0]
    if get_origin(wanted) is tuple:
        if get_args(wanted)[0] is TaxRate:
            return [_tax(part.strip()) for part in re.split(r"[+|]", cell)]
        return [part for part in re.split(r"[\s,;|]+", cell) if part]
    if wanted is Decimal:
        return _number(cell, comma)
    if wanted is date:
        return _date(cell, pattern)
    if wanted is bool:
        return _yes_or_no(cell)
    if wanted is int:
        if not re.fullmatch(r"-?[0-9]{1,9}", cell):
            raise ValueError("is not a whole number")
        return int(cell)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return _choice(cell, wanted)
    return cell


def _number(cell: str, comma: str) -> str:
    # A file that has its columns apart by commas cannot be French, so there a comma would group thousands, or cents.
    plain = plain_number(cell, comma=comma != ",")
    if plain is None:
        how = "1234.50" if comma == "," else "1234,50 or 1234.50"
        raise ValueError(f"is not a number; write {how}, without currency or signs between thousands")
    return plain


def _date(cell: str, pattern: str | None) -> str:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        return cell
    if pattern is not None:
        shape = (
            re.escape(pattern)
            .replace("yyyy", "(?P<y>[0-9]{4})")
            .replace("MM", "(?P<m>[0-9]{1,2})")
            .replace("dd", "(?P<d>[0-9]{1,2})")
        )
        found = re.fullmatch(shape, cell)
        if found:
            return f"{found['y']}-{found['m']:0>2}-{found['d']:0>2}"
    more = f" or {pattern}" if pattern not in (None, "yyyy-MM-dd") else ""
    raise ValueError(f"is not a date; write yyyy-MM-dd{more}")


def _yes_or_no(cell: str) -> bool:
    word = cell.casefold()
    if word not in _YES | _NO:
        raise ValueError("is not a yes or no; write yes or no, oui or non")
    return word in _YES


def _choice(cell: str, kind: type[Enum]) -> object:
    spoken = {_folded(member.value): member.value for member in kind}
    for locale in LOCALES:
        if kind is Frequency:
            spoken |= {_folded(frequency_name(member, locale)): member.value for member in Frequency}
        elif kind is InvoiceMethod:
            spoken |= {_folded(say(f"invoice_method.{member.value}", locale)): member.value for member in InvoiceMethod}
    found = spoken.get(_folded(cell))
    if found is None:
        raise ValueError(f"is not one of {', '.join(str(member.value) for member in kind)}")
    return found


def _folded(word: str) -> str:
    return re.sub(r"[\s_-]+", "_", word.casefold())


def _tax(part: str) -> dict[str, object]:
    found = _TAX.fullmatch(part)
    if not found:
        raise ValueError("is not a tax; write its name and percentage, such as TPS 5 % + TVQ 9,975 %")
    rate: dict[str, object] = {"name": found["name"], "percent": found["percent"].replace(",", ".")}
    return rate | ({"category": found["category"]} if found["category"] else {})
