"""The auditor on invoices: they add up, are whose they say, and say what their timeline says; numbers have no gap.

M7, M10, D1, D2, N1, R5, R10, R19, T1.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from auditor_books import TABLES, Books, grouped, phase, rates
from auditor_sums import Row, rounded, taxes_of

REFERS = {
    "customer": "customers", "invoice": "invoices", "lease": "leases", "payment": "payments", "charge": "charges",
    "collection": "collections", "unit": "units", "booking": "bookings", "booking_group": "booking_groups",
    "organiser": "customers", "resident": "customers", "credit_note": "credit_notes", "refund": "refunds",
}  # fmt: skip
"""What a column of that name refers to."""


def made(books: Books) -> None:
    """What was made under a key is there, unless it was a draft that somebody deleted (N3)."""
    known = {row["id"] for table in TABLES for row in books.tables[table] if "id" in row}
    for use in books.tables["key_uses"]:
        for ref in json.loads(use["results"]):
            if "_" in ref and ref not in known and not books.steps(ref, "deleted"):
                books.says("lost", use["id"], f"{use['action']} made {ref}, which is not there")


def whose(books: Books) -> bool:
    """Every row is of a biller that is there, in its currency, and what it refers to is there and of the same one (T1).

    False when a biller is not there: without its policy and its calendar nothing can be worked out.
    """
    known = {table: {row["id"] for row in books.tables[table]} for table in {*REFERS.values()}}
    orphans = False
    for table in TABLES[1:]:
        rows = books.tables[table]
        names = [name for name in REFERS if rows and name in rows[0]]
        for row in rows:
            about = row.get("id", next((row[name] for name in names), row["biller"]))
            if row["biller"] not in books.of_biller:
                books.says("biller", about, f"a row of {table} is of no biller")
                orphans = True
                continue
            if "currency" in row:
                currency = books.of_biller[row["biller"]]["currency"]
                books.differ("currency", about, f"the currency of a row of {table}", row["currency"], currency)
            for name in names:
                if row[name] is None:
                    continue
                if not row[name].startswith(row["biller"] + "_"):
                    books.says("biller", about, f"its {name} is another biller's")
                elif row[name] not in known[REFERS[name]]:
                    books.says("nobody there", about, f"its {name} {row[name]} is not there")
    methods = {row["id"] for row in books.tables["saved_methods"]}
    for row in books.tables["collections"]:
        if row["method"] is not None and row["method"] not in methods:
            books.says("nobody there", row["id"], f"the method it is by, {row['method']}, is not there")
    return not orphans


def invoices(books: Books) -> None:
    """Each invoice adds up, and its dates and lifecycle are those of its timeline (M7, M10, D1, R10)."""
    taxes = grouped(books.tables["invoice_taxes"], "invoice")
    for ref in set(books.lines_by) - set(books.invoice):
        books.says("lines", ref, "it has lines and is not there")
    for ref, invoice in books.invoice.items():
        lines = books.lines_by.get(ref, [])
        for row in lines:
            if row["period_start"] is None:
                cost = rounded(Fraction(Decimal(row["quantity"])) * row["unit_price_minor"])
                books.differ("line", ref, f"line {row['position']}", row["amount_minor"], cost)
        pairs = [(row["amount_minor"], rates(row["taxes"])) for row in lines]
        whole, per_rate = taxes_of(pairs, included=bool(invoice["prices_include_tax"]))
        books.differ("total", ref, "its total", invoice["total_minor"], whole)
        have = {
            (row["name"], row["percent"], row["category"]): (row["base_minor"], row["tax_minor"])
            for row in taxes.get(ref, [])
        }
        books.differ("tax", ref, "its taxes", have, per_rate)
        _life(books, invoice)
        _due(books, invoice)
        _payer(books, invoice)


def _life(books: Books, invoice: Row) -> None:
    ref, steps = invoice["id"], books.timeline.get(invoice["id"], [])
    if not steps:
        books.says("timeline", ref, "nothing was ever written down of it")
        return
    books.differ("timeline", ref, "the day it was made", invoice["drafted_on"], steps[0]["counts_on"])
    published = [step for step in steps if step["action"] in ("published", "reissued")]
    books.differ("timeline", ref, "how often it was published", len(published), int(invoice["number"] is not None))
    if published and invoice["number"] is not None:
        books.differ("timeline", ref, "its number", invoice["number"], published[0]["detail"])
        books.differ("timeline", ref, "its issue date", invoice["issued_on"], published[0]["counts_on"])
    voided = [step["counts_on"] for step in steps if step["action"] == "voided"]
    life = "void" if voided else "open" if published else "draft"
    books.differ("lifecycle", ref, "its lifecycle", invoice["lifecycle"], life)
    books.differ("timeline", ref, "the day it was voided", invoice["voided_on"], voided[0] if voided else None)
    if steps[-1]["version"] > invoice["version"]:
        books.says("timeline", ref, f"its timeline is at {steps[-1]['version']}, it at {invoice['version']}")
    books.differ("status", ref, "its stored phase", invoice["phase"], phase(invoice))


def _due(books: Books, invoice: Row) -> None:
    """What is due by the biller's terms is due so many days after it was issued, and nothing before it was made (R5)."""
    ref, policy = invoice["id"], books.policy[invoice["biller"]]
    if invoice["kind"] == "lease":  # the due date of a lease's is worked out with its period
        return
    if invoice["due_on"] < invoice["drafted_on"]:
        books.says("due", ref, f"it was due on {invoice['due_on']}, before it was made")
    # Published in the run, or as a fee: nobody could say another day.
    by_terms = invoice["due_by_terms"] or invoice["kind"] == "fee"
    if by_terms and invoice["issued_on"] is not None and not books.changed_since(invoice["biller"], ref):
        wanted = invoice["issued_on"] + timedelta(policy["terms_days"])
        books.differ("due", ref, "its due date", invoice["due_on"], wanted)


_FROZEN = ("bill_to_name", "bill_to_email", "bill_to_address", "bill_to_locale")


def _payer(books: Books, invoice: Row) -> None:
    """The payer on an invoice is its customer as they were when it was published, on its notes and letters too (R19)."""
    ref, payer = invoice["id"], books.customer.get(invoice["customer"])
    frozen = tuple(invoice[name] or "" for name in _FROZEN)
    for note in books.notes_of.get(ref, ()):
        books.differ("payer", note["id"], "its customer", note["customer"], invoice["customer"])
        books.differ("payer", note["id"], "who it is made out to", tuple(note[name] or "" for name in _FROZEN), frozen)
    if invoice["issued_on"] is None:
        return
    for letter in books.letters.get(ref, ()):
        if letter["kind"] == "invoice_issued" and not books.steps(letter["id"], "retried"):
            books.differ("payer", ref, "the address it is made out to", invoice["bill_to_email"], letter["recipient"])
    if invoice["customer"] is None:
        books.differ("payer", ref, "who it is made out to", frozen, ("", "", "", ""))
    elif payer is not None and not books.changed_since(payer["id"], ref) | books.changed_since(invoice["biller"], ref):
        locale = payer["locale"] or books.of_biller[invoice["biller"]]["locale"]
        wanted = (payer["name"], payer["email"] or "", payer["address"] or "", locale)
        books.differ("payer", ref, "who it is made out to", frozen, wanted)


# --- numbers (N1) ------------------------------------------------------------------------------------------------------


def numbers(books: Books) -> None:
    """The numbers of each series of each biller run from 1 without gap or repeat, in the order of issue."""
    given = [("invoice", "number_prefix", row) for row in books.tables["invoices"] if row["number"] is not None]
    given += [("credit_note", "credit_note_prefix", row) for row in books.tables["credit_notes"]]
    series: defaultdict[tuple[str, str], list[tuple[int, Row]]] = defaultdict(list)
    for kind, prefix, row in given:
        policy = books.policy[row["biller"]]
        stem = policy[prefix] + (f"{row['issued_on'].year}-" if policy["yearly_numbers"] else "")
        told = re.fullmatch(re.escape(stem) + r"(\d+)", row["number"])
        if told is None or len(told[1]) < policy["number_digits"]:
            books.says("number", row["id"], f"{row['number']} is no number of the series {stem}")
            continue
        series[row["biller"], f"{kind}/{stem}"].append((int(told[1]), row))
    counters = {(row["biller"], row["series"]): row for row in books.tables["counters"]}
    for key in [*series, *(key for key in counters if key not in series and key[1] != "draft")]:
        some = sorted(series.get(key, []), key=lambda pair: pair[0])
        numbers = [n for n, _ in some]
        following = counters[key]["next_number"] if key in counters else 1
        for n in sorted(set(range(1, following)) - set(numbers)):
            books.says("number gap", f"{key[0]} {key[1]}", f"number {n} is nobody's")
        for n, times in Counter(numbers).items():
            if times > 1 or not 1 <= n < following:
                books.says(
                    "number twice", f"{key[0]} {key[1]}", f"number {n} was given {times} times, next {following}"
                )
        latest = max((row["issued_on"] for _, row in some), default=None)
        if key in counters:
            books.differ("number", f"{key[0]} {key[1]}", "the day of its last one", counters[key]["last_on"], latest)
        slack = timedelta(0) if books.policy[key[0]]["chronological"] else books.apart
        for (_, before), (n, after) in itertools.pairwise(some):
            if before["issued_on"] - slack > after["issued_on"]:
                books.says("number order", after["id"], f"number {n} is dated before the one before it")
    drafts = Counter((row["biller"], row["draft_reference"]) for row in books.tables["invoices"])
    for (biller, reference), times in drafts.items():
        if reference is not None and times > 1:
            books.says("number twice", biller, f"{times} drafts are called {reference}")
