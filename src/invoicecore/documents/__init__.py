"""Documents in words: invoices, statements, receipts and letters, ready for whoever draws or sends them (S11, R12)."""

from __future__ import annotations

from invoicecore.documents.sheet import (
    Column,
    Fact,
    Figure,
    HowToPay,
    Letter,
    Mark,
    Paper,
    Party,
    Rows,
    Sheet,
    SheetKind,
    Table,
)

__all__ = [
    "Column",
    "Fact",
    "Figure",
    "HowToPay",
    "Letter",
    "Mark",
    "Paper",
    "Party",
    "Rows",
    "Sheet",
    "SheetKind",
    "Table",
]
