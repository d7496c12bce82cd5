"""The auditor on credit notes: each line and each tax of one is the invoice's, and never more of it than there is (P5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from auditor_books import Books, grouped, rates
from auditor_sums import Rate, Row, taxes_of


def notes(books: Books) -> None:
    """Notes add up, name their refund, and are together never more than their invoice, line by line and tax by tax."""
    lines, taxes = (grouped(books.tables[f"credit_note_{name}"], "credit_note") for name in ("lines", "taxes"))
    refunds = {row["id"]: row for row in books.tables["refunds"]}
    for note in books.tables["credit_notes"]:
        ref = note["id"]
        whole = sum(row["amount_minor"] for row in lines.get(ref, []))
        whole += 0 if note["prices_include_tax"] else sum(row["tax_minor"] for row in taxes.get(ref, []))
        books.differ("note", ref, "its total", note["total_minor"], whole)
        if not 0 <= note["settled_minor"] <= note["total_minor"]:
            books.says("note", ref, f"it settles {note['settled_minor']} of {note['total_minor']}")
        refund = refunds.get(note["refund"])
        if note["refund"] is not None and refund is None:
            books.says("note", ref, "the refund it names is not there")
        if refund is not None:
            books.differ("note", ref, "the invoice of its refund", refund["invoice"], note["invoice"])
    for ref, some in books.notes_of.items():
        whole = sum(note["total_minor"] for note in some)
        if ref not in books.invoice or whole > books.invoice[ref]["total_minor"]:
            books.says("note", ref, f"{whole} was credited of it, which is more than it is")
        if ref in books.invoice:
            _of_lines(books, books.invoice[ref], some, lines, taxes)
    for ref in ({*lines} | {*taxes}) - {note["id"] for note in books.tables["credit_notes"]}:
        books.says("note", ref, "it has lines and is not there")


def _of_lines(
    books: Books,
    invoice: Row,
    some: Sequence[Row],
    lines: Mapping[str, Sequence[Row]],
    taxes: Mapping[str, Sequence[Row]],
) -> None:
    """What all notes of an invoice take of each line and of each rate's tax, against what is on it."""
    ref = invoice["id"]
    there = {row["position"]: row for row in books.lines_by.get(ref, ())}
    credited: Counter[int] = Counter()
    for note in some:
        for row in lines.get(note["id"], ()):
            line = there.get(row["line"])
            if line is None:
                books.says("note", note["id"], f"it credits line {row['line']}, which is not on its invoice")
                continue
            credited[row["line"]] += row["amount_minor"]
            have = (row["description"], rates(row["taxes"]))
            books.differ("note", note["id"], "what it credits", have, (line["description"], rates(line["taxes"])))
            if row["amount_minor"] * line["amount_minor"] <= 0:
                books.says("note", note["id"], f"it credits {row['amount_minor']} of a line of {line['amount_minor']}")
    for place, amount in credited.items():
        if abs(amount) > abs(there[place]["amount_minor"]):
            books.says("note", ref, f"{amount} was credited of line {place}, which is {there[place]['amount_minor']}")
    _of_taxes(books, invoice, some, credited, taxes)


def _of_taxes(
    books: Books, invoice: Row, some: Sequence[Row], credited: Counter[int], taxes: Mapping[str, Sequence[Row]]
) -> None:
    """The tax of all notes is the tax of all they credit, but for a few minor units where one came to an asked amount."""
    ref, lines = invoice["id"], books.lines_by.get(invoice["id"], [])
    had: Counter[Rate] = Counter()
    bases: Counter[Rate] = Counter()
    for note in some:
        for row in taxes.get(note["id"], ()):
            rate = row["name"], row["percent"], row["category"]
            had[rate] += row["tax_minor"]
            bases[rate] += row["base_minor"]
    included = bool(invoice["prices_include_tax"])
    _, whole = taxes_of([(row["amount_minor"], rates(row["taxes"])) for row in lines], included=included)
    pairs = [(credited[row["position"]], rates(row["taxes"])) for row in lines]
    _, wanted = taxes_of(pairs, included=included)
    all_of_it = all(credited[row["position"]] == row["amount_minor"] for row in lines)
    slack = 0 if all_of_it else len(some) * (1 + len(whole))
    for rate in {*had, *wanted}:
        base, tax = wanted.get(rate, (0, 0))
        if rate not in whole:
            books.says("note", ref, f"the tax {rate[0]} was credited, which is not on it")
        elif abs(had[rate] - tax) > slack or abs(bases[rate] - base) > slack:
            books.says(
                "note",
                ref,
                f"{had[rate]} of {bases[rate]} was credited of the tax {rate[0]}, and it is {tax} of {base}",
            )
        elif abs(had[rate]) > abs(whole[rate][1]):
            books.says("note", ref, f"{had[rate]} was credited of the tax {rate[0]}, which is {whole[rate][1]}")
