"""The command's answers for machines: plain data that JSON has, derived facts beside the stored ones."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Final

import attrs

from invoicecore import Billing, Invoice, Money
from invoicecore.errors import BadFile, InvalidValue, NotWired
from invoicecore.money import zero
from invoicecore.parties import Biller
from invoicecore.serde import unstructure
from invoicecore.wording import label_set, status_label


def answer(data: object) -> None:
    """Print one JSON document on one line."""
    print(json.dumps(plain(data), ensure_ascii=False, separators=(",", ":")), file=sys.stdout)


def invoice_data(invoice: Invoice, biller: Biller, on: date, locale: str) -> dict[str, object]:
    """An invoice as stored, with its status on a day, its label and what follows from its money."""
    status = invoice.status_on(on)
    labels = label_set(biller.policy.labels, biller.policy.own_labels)
    nothing = zero(invoice.currency) if invoice.voided_on is not None else None  # a void invoice owes nothing
    stored = unstructure(invoice)
    return {
        **(stored if isinstance(stored, dict) else {}),
        "reference": invoice.reference,
        "status": status.value,
        "status_label": status_label(status, labels=labels, locale=locale),
        "status_on": on,
        "balance": invoice.balance if nothing is None else nothing,
        "settled": invoice.settled,
        "recordable": invoice.recordable if nothing is None else nothing,
        "warnings": invoice.warnings,
    }


def summary_data(billing: Billing, biller: Biller, on: date) -> dict[str, object]:
    """The summary cards and the counts of a biller."""
    cards = billing.invoices.summary(biller=biller, on=on)
    names = ("total", "open", "overdue", "paid", "refunded")
    return {
        "biller": {"id": biller.id, "name": biller.name},
        "on": on,
        "cards": {name: getattr(cards, name) for name in names},
        "counts": cards.counts,
    }


def report_data(report: object, kinds: Iterable[str]) -> dict[str, object]:
    """A report's tallies of these kinds: how many, and those that it keeps."""
    tallies = {kind: getattr(report, kind) for kind in kinds}
    return {kind: {"count": tally.count, "items": tally.items} for kind, tally in tallies.items()}


def error_data(error: Exception) -> dict[str, object]:
    """An error's code, its sentence and its data."""
    data = {name: plain(value) for name, value in vars(error).items() if not name.startswith("_")}
    data.pop("message", None)
    if isinstance(error, BadFile):
        data["faults"] = [{"path": p, "value": plain(v), "reason": r} for p, v, r in error.faults]
    return {"code": getattr(error, "code", "broken"), "message": sentence(error), **data}


def sentence(error: Exception) -> str:
    """What an error says to people at a terminal: values as they write them, and the options that they have."""
    if isinstance(error, BadFile):
        first, *more = error.faults
        if not more and not first[0]:
            return f"{error.source}: {first[2]}"
        lines = "\n".join(f"  {path}: {_shown(value)}{reason}" for path, value, reason in error.faults)
        return f"{error.source}: {len(error.faults)} fault(s), nothing was loaded; mend them and load again:\n{lines}"
    if isinstance(error, NotWired):
        return next((f"there is no {error.what} here; {how}" for what, how in _WIRED if what in error.what), str(error))
    told = str(error)
    if isinstance(error, InvalidValue):
        told = f"{error.field}: {_shown(error.value)}{error.reason}; {error.way_out}"
    return in_shell(told)


def in_shell(told: str) -> str:
    """A sentence of the library, with the ways out that there are at a terminal: a report keeps it as a text."""
    for what, how in _WIRED:
        told = re.sub(rf"give {what}= to Billing\.open: .*", how, told)
    for theirs, ours in _IN_PYTHON:
        told = told.replace(theirs, ours)
    return told


_WIRED: Final = (
    ("gateway", "give --gateway URL, such as stripe://, or set INVOICECORE_GATEWAY"),
    ("mailer", "give --mailer URL, such as smtp://mail.example.com, or set INVOICECORE_MAILER"),
    ("pay pages", "give --base-url URL, the address they are served at, or set INVOICECORE_BASE_URL"),
)
_IN_PYTHON: Final = (
    ("rest='credit'", "--rest credit"),
    ("call billing.recover()", "run invoicecore recover"),
    ("by resume=True", "by --resume"),
    ("see gateway.info for what it can do, and choose", "choose"),
)
"""What the library's sentences say to programmers, and what it is here."""


def _shown(value: object) -> str:
    """A value before the reason it is refused for; what is not there is left to the reason."""
    if value is None or value == ():
        return ""
    if isinstance(value, Money):
        return f"{value.amount} {value.currency}: "
    if isinstance(value, Decimal):
        return f"{value:f}: "
    if isinstance(value, str) and not isinstance(value, Enum):
        return f"'{value}': " if value.isprintable() else f"{json.dumps(value)}: "
    shown = plain(value)
    return f"{shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, default=str)}: "


def plain(value: object) -> object:
    """Anything as JSON has it; what serde does not know becomes text."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, Money | date | Decimal | Enum) or attrs.has(type(value)):
        return unstructure(value)
    return str(value)
