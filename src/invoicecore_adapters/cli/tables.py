"""Tables for people: aligned, in the biller's words and language, without colour or wrapping in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final

import attrs

from invoicecore import Billing, Invoice, Status
from invoicecore.errors import InvoicecoreError, MissingExtra
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
from invoicecore_adapters.cli.speech import fact, tell

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
_GAP: Final = 3  # between two columns
_LONGEST_WORD: Final = 24  # a longer one is broken, in a column that wraps


@attrs.frozen
class Column:
    """One column: its heading, whether it is aligned to the right, and what a narrow screen may do to it.

    One that `wraps` is broken between words; of those that can be spared the one with the highest `spare` goes first.
    """

    heading: str
    right: bool = False
    wraps: bool = False
    spare: int = 0


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
        """Rows under headings. Columns that are blank in every row are left out.

        A screen too narrow for them does without those that can be spared; where that is not enough, each row is
        told line by line. No number is cut, and no word.
        """
        from rich import box
        from rich.table import Table
        from rich.text import Text

        shown = [i for i, _ in enumerate(columns) if any(_text(row[i]) for row in rows)]
        least = {i: _least(columns[i], [_text(row[i]) for row in rows]) for i in shown}
        while sum(least[i] + _GAP for i in shown) - _GAP > self._console.width:
            spared = max(shown, key=lambda i: columns[i].spare)
            if not columns[spared].spare:
                self._line_by_line([columns[i].heading for i in shown], [[row[i] for i in shown] for row in rows])
                return
            shown.remove(spared)
        widths = {
            i: max(_cells(line) for line in (columns[i].heading, *(_text(row[i]) for row in rows))) for i in shown
        }
        for _ in range(sum(widths[i] + _GAP for i in shown) - _GAP - self._console.width):
            widths[max(shown, key=lambda i: widths[i] - least[i])] -= 1
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
        for i in shown:
            column = columns[i]
            table.add_column(
                Text(column.heading),
                justify="right" if column.right else "left",
                no_wrap=not column.wraps,
                width=widths[i],
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
        for line in captured.get().removesuffix("\n").split("\n"):  # a name may have what Unicode calls a line's end
            self.line(line.rstrip())

    def _line_by_line(self, headings: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
        for i, row in enumerate(rows):
            if i:
                self.line()
            for name, cell in zip(headings, row, strict=True):
                if _text(cell):
                    self.line(f"{name} {_text(cell)}".strip(), cell.colour if isinstance(cell, Cell) else "")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr while something takes its time, on a terminal only: (done, of how many or None)."""
    try:
        console = _console(error=True) if sys.stderr.isatty() else None
    except MissingExtra:
        console = None  # --json works without rich, on a terminal too
    if console is None:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def can_show() -> None:
    """Find out whether tables can be shown, before anything is done. Raises MissingExtra."""
    _console(error=False)


def _console(*, error: bool) -> Console:
    try:
        from rich.console import Console
    except ImportError as missing:
        raise MissingExtra("showing tables (--json works without)", "cli") from missing
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else _ENDLESS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _least(column: Column, texts: Sequence[str]) -> int:
    """The least width at which a column breaks no word, or nothing where it does not wrap."""
    if not column.wraps:
        return max(_cells(text) for text in (column.heading, *texts))
    longest = max(_cells(word) for text in (column.heading, *texts) for word in text.split(" "))
    return min(longest, _LONGEST_WORD)


def _cells(text: str) -> int:
    """How wide a text is on a screen: an ideograph takes two places."""
    from rich.cells import cell_len

    return max(cell_len(line) for line in text.split("\n"))


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

    def subject(self, customer: str | None, lease: str | None, biller: str) -> tuple[str, str]:
        """Who an outcome of a run is about: the customer, or the biller, and the unit of the lease."""
        unit = ""
        if lease is not None:
            try:
                found = self._billing.leases.get(lease)
            except InvoicecoreError:
                return self.customer(customer) or lease, ""  # removed since
            customer, unit = customer or found.customer, self.unit(biller, found.unit) or (found.unit or "")
        return self.customer(customer) or self._billing.billers.get(biller).name, unit

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
        return self.customer(self.payer_id(invoice))

    def payer_id(self, invoice: Invoice) -> str | None:
        """The customer an invoice is for: its own, or who lives in its unit while it is a draft."""
        unit = self._unit(invoice.biller, invoice.unit) if invoice.customer is None and not invoice.published else None
        return unit.resident if unit is not None else invoice.customer


def labels_of(biller: Biller) -> LabelSet:
    """The biller's own words for statuses and cards."""
    return label_set(biller.policy.labels, biller.policy.own_labels)


def status_cell(invoice: Invoice, biller: Biller, on: date, locale: str) -> Cell:
    """The status on a day in the biller's words, with what is true beside it: late, partly paid, partly refunded."""
    labels, status, void = labels_of(biller), invoice.status_on(on), invoice.voided_on is not None
    beside = [late_badge(labels=labels, locale=locale)] if invoice.late else []
    beside += [say("partly_paid", locale)] if invoice.partly_paid and invoice.published and not void else []
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
        Column(heading("unit", locale), spare=1),
        Column(heading("customer", locale), wraps=True, spare=2),
        Column(heading("title", locale), wraps=True, spare=4),
        Column(heading("issued", locale), spare=5),
        Column(heading("due", locale), spare=3),
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
        columns.append(Column(card_label("refunded", labels=labels, locale=locale), right=True))
        amounts.append(format_money(found.refunded, locale))
    screen.table(columns, [amounts])
    counts = [
        f"{status_label(status, labels=labels, locale=locale)} {count}"
        for status, count in found.counts.items()
        if count
    ]
    screen.line(fact(tell("counts", locale), ", ".join(counts), locale) if counts else say("no_invoices", locale))
