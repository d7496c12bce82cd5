"""Tables for people: aligned, in the biller's words and language, without colour or wrapping in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final

import attrs

from invoicecore import Billing, Invoice, Status
from invoicecore.errors import MissingExtra
from invoicecore.parties import Biller, Unit
from invoicecore.wording import (
    CARDS,
    LabelSet,
    card_label,
    format_date,
    format_money,
    heading,
    label_set,
    late_badge,
    say,
    status_label,
)
from invoicecore_adapters.cli.speech import tell

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS: Final[Mapping[Status, str]] = {
    Status.DRAFT: "dim",
    Status.OPEN: "cyan",
    Status.PAID: "green",
    Status.PENDING: "yellow",
    Status.OVERDUE: "bold red",
    Status.VOID: "dim",
    Status.REFUNDED: "magenta",
}
# Wider than any table of ours: in a pipe nothing may be cut or wrapped.
_ENDLESS: Final = 2000


@attrs.frozen
class Column:
    """One column: its heading, whether it is aligned to the right, and whether it may be wrapped on a narrow screen."""

    heading: str
    right: bool = False
    wraps: bool = False


@attrs.frozen
class Cell:
    """A text with a colour, shown on a screen only."""

    text: str
    colour: str = ""


class Screen:
    """Where tables and sentences go: a terminal, or a pipe that gets the same without colour and without an edge."""

    def __init__(self) -> None:
        self._console = _console(error=False)

    def line(self, text: str = "", colour: str = "") -> None:
        """One line, never cut."""
        from rich.text import Text

        self._console.print(Text(text, style=colour), soft_wrap=True)

    def title(self, text: str) -> None:
        """A line that stands over what follows."""
        self.line(text, "bold")

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]]) -> None:
        """Rows under headings. Columns that are blank in every row are left out."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        shown = [i for i, _ in enumerate(columns) if any(_text(row[i]) for row in rows)]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
        for i in shown:
            column = columns[i]
            table.add_column(
                Text(column.heading),
                justify="right" if column.right else "left",
                no_wrap=not column.wraps,
                overflow="fold" if column.wraps else "ellipsis",
            )
        for row in rows:
            cells = [cell if isinstance(cell, Cell) else Cell(cell) for cell in (row[i] for i in shown)]
            table.add_row(*(Text(cell.text, style=cell.colour) for cell in cells))
        if self._console.is_terminal:
            self._console.print(table)
            return
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            self.line(line.rstrip())


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr while something takes its time, on a terminal only: (done, of how many or None)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    console = _console(error=True)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console(*, error: bool) -> Console:
    try:
        from rich.console import Console
    except ImportError as missing:
        raise MissingExtra("the tables of the command line (--json works without)", "cli") from missing
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else _ENDLESS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _text(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


# --- invoices ---------------------------------------------------------------------------------------------------------


class Names:
    """The names and unit numbers that a list of invoices shows, each read once."""

    def __init__(self, billing: Billing) -> None:
        self._billing = billing
        self._customers: dict[str, str] = {}
        self._units: dict[str, dict[str, Unit]] = {}

    def customer(self, ref: str | None) -> str:
        """A customer's name, blank for none."""
        if ref is not None and ref not in self._customers:
            self._customers[ref] = self._billing.customers.get(ref).name
        return self._customers[ref] if ref is not None else ""

    def unit(self, biller: str, ref: str | None) -> str:
        """A unit's number, blank for none."""
        unit = self._unit(biller, ref)
        return unit.number if unit is not None else ""

    def _unit(self, biller: str, ref: str | None) -> Unit | None:
        if ref is not None and biller not in self._units:
            self._units[biller] = {unit.id: unit for unit in self._billing.units.find(biller=biller)}
        return self._units[biller].get(ref) if ref is not None else None

    def payer(self, invoice: Invoice) -> str:
        """Who an invoice is billed to: as frozen on it, or as it stands while it is a draft."""
        if invoice.bill_to is not None or invoice.published:
            return invoice.bill_to.name if invoice.bill_to is not None else ""
        unit = self._unit(invoice.biller, invoice.unit)
        return self.customer(invoice.customer or (unit.resident if unit is not None else None))


def labels_of(biller: Biller) -> LabelSet:
    """The biller's own words for statuses and cards."""
    return label_set(biller.policy.labels, biller.policy.own_labels)


def status_cell(invoice: Invoice, biller: Biller, on: date, locale: str) -> Cell:
    """The status on a day in the biller's words, with what is true beside it: late, partly paid, partly refunded."""
    labels, status = labels_of(biller), invoice.status_on(on)
    beside = [late_badge(labels=labels, locale=locale)] if invoice.late else []
    beside += [say("partly_paid", locale)] if invoice.partly_paid and invoice.published else []
    beside += [say("partly_refunded", locale)] if invoice.partly_refunded else []
    words = [status_label(status, labels=labels, locale=locale), *beside]
    return Cell(" · ".join(words), _COLOURS[status])


def invoice_table(
    screen: Screen, names: Names, biller: Biller, invoices: Sequence[Invoice], on: date, locale: str
) -> None:
    """A list of invoices, amounts to the right."""
    if not invoices:
        screen.line(say("no_invoices", locale))
        return
    columns = [
        Column(heading("number", locale)),
        Column(heading("unit", locale)),
        Column(heading("customer", locale), wraps=True),
        Column(heading("title", locale), wraps=True),
        Column(heading("issued", locale)),
        Column(heading("due", locale)),
        Column(heading("total", locale), right=True),
        Column(heading("balance", locale), right=True),
        Column(heading("status", locale), wraps=True),
    ]
    rows = [
        (
            invoice.reference,
            names.unit(invoice.biller, invoice.unit),
            names.payer(invoice),
            invoice.title,
            format_date(invoice.issued_on, locale) if invoice.issued_on else "",
            format_date(invoice.due_on, locale),
            format_money(invoice.total, locale),
            format_money(invoice.balance, locale) if invoice.published and invoice.voided_on is None else "",
            status_cell(invoice, biller, on, locale),
        )
        for invoice in invoices
    ]
    screen.table(columns, rows)


def cards(screen: Screen, billing: Billing, biller: Biller, on: date, locale: str) -> None:
    """The summary cards and the count of each status, in the biller's words (R16)."""
    labels = labels_of(biller)
    found = billing.invoices.summary(biller=biller, on=on)
    columns = [Column(card_label(card, labels=labels, locale=locale), right=True) for card in CARDS]
    amounts = [format_money(getattr(found, card), locale) for card in CARDS]
    if found.refunded.amount:
        columns.append(Column(heading("refunded", locale), right=True))
        amounts.append(format_money(found.refunded, locale))
    screen.table(columns, [amounts])
    counts = [
        f"{status_label(status, labels=labels, locale=locale)} {count}"
        for status, count in found.counts.items()
        if count
    ]
    screen.line(f"{tell('counts', locale)}: {', '.join(counts)}" if counts else say("no_invoices", locale))
