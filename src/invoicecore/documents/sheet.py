"""The sheet: everything a document says, in words, so that whoever draws it only lays out (S11).

An invoice, a credit note, a statement and a receipt are sheets; a renderer makes one a PDF, a composer and the pay page
show parts of it. All text is in the sheet's locale, amounts and dates written as it writes them, and plain: whatever a
person entered is data, never markup.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import attrs


class SheetKind(StrEnum):
    """What a sheet is."""

    INVOICE = "invoice"
    STATEMENT = "statement"
    RECEIPT = "receipt"
    CREDIT_NOTE = "credit_note"


class Paper(StrEnum):
    """The size of its pages."""

    A4 = "a4"
    LETTER = "us-letter"


@attrs.frozen(kw_only=True)
class Mark:
    """What must catch the eye: `draft` and `void` across the page, `late` and `reversed` as badges. `label` is in words."""

    code: str
    label: str


@attrs.frozen(kw_only=True)
class Party:
    """Who issues or who pays: a `heading` ("Bill to"), the name, and lines of address and e-mail."""

    heading: str
    name: str
    lines: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Fact:
    """A label and its value, as in "Due date: 2026-05-01"."""

    label: str
    value: str


@attrs.frozen(kw_only=True)
class Column:
    """One column of a table; `number` ones are aligned to the right and never broken."""

    heading: str
    number: bool = False


@attrs.frozen(kw_only=True)
class Rows:
    """Rows that belong together, under a heading of their own and with a subtotal if they have one (a site, S1).

    A row has a text for each column; the texts of the first column may have several lines.
    """

    rows: tuple[tuple[str, ...], ...]
    heading: str = ""
    subtotal: Fact | None = None


@attrs.frozen(kw_only=True)
class Table:
    """A table: its columns, and its rows in one or more groups. `title` is empty for the main one of a sheet."""

    columns: tuple[Column, ...]
    groups: tuple[Rows, ...]
    title: str = ""


@attrs.frozen(kw_only=True)
class Figure:
    """One of the sums under the tables, such as a tax or the balance due; `strong` is the one that matters."""

    label: str
    value: str
    strong: bool = False


@attrs.frozen(kw_only=True)
class HowToPay:
    """The way to pay: a heading, a sentence, and the stable link, if there is one, to print and to put in a QR code.

    `alternative` says in words what the QR code is, for whoever cannot see it.
    """

    heading: str
    text: str
    url: str | None = None
    alternative: str = ""


@attrs.frozen(kw_only=True)
class Sheet:
    """A document in words, ready to be drawn.

    `dated` is the document's own date, from what is stored; `title` is its full name for a window or a library
    ("Invoice INV-000012, Les Pins"), `heading` and `reference` stand at its top ("Invoice", "INV-000012").
    `subject` is what it is for, `page` the pattern of page numbers with `{page}` and `{pages}`, `filename` a safe
    name without extension. `language` is a BCP 47 tag such as `fr-CA`.
    """

    kind: SheetKind
    biller: str
    locale: str
    language: str
    paper: Paper
    title: str
    heading: str
    reference: str
    filename: str
    dated: date
    issuer: Party
    customer: Party | None
    facts: tuple[Fact, ...]
    subject: str = ""
    description: str = ""
    marks: tuple[Mark, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    pay: HowToPay | None = None
    notes: tuple[str, ...] = ()
    page: str = "{page} / {pages}"


@attrs.frozen(kw_only=True)
class Letter:
    """An e-mail in words: what a composer lays out as text and HTML (R7, R12).

    `kind` is the message's (`invoice_issued`, `reminder`, `receipt`, `credit_note` and so on), `step` a reminder's days from the due
    date. `action` is the button: its label, and the URL as its value; None where there is nothing left to pay (R7).
    `sheet` is the document it is about, attached as `attachment` says ("The invoice is attached as a PDF.").
    """

    kind: str
    locale: str
    language: str
    subject: str
    greeting: str
    paragraphs: tuple[str, ...]
    facts: tuple[Fact, ...]
    action: Fact | None
    closing: str
    sender: str
    sheet: Sheet
    step: int | None = None
