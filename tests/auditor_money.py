"""The auditor on money: every cent of each payment, of each invoice, of each customer's credit, of each till.

D1, D2, D6, C7, C8, S12. What the timeline tells of it is read in `auditor_story`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

from auditor_books import LIVE, Books, grouped, sums
from auditor_sums import Row


def money(books: Books) -> None:
    """The facts of each invoice follow from rows, and those from the timeline; nothing came from nowhere."""
    paid: Counter[str] = Counter()
    for payment in books.tables["payments"]:
        ref, parts = payment["id"], books.allocations.get(payment["id"], [])
        whole = sum(row["amount_minor"] for row in parts) + payment["credited_minor"]
        books.differ("payment", ref, "the sum of its parts", whole, payment["amount_minor"])
        left = books.taken[ref]
        if left > payment["amount_minor"]:
            books.says("payment", ref, f"{left} of its {payment['amount_minor']} was taken back")
        for row in parts:
            if payment["customer"] is not None and row["invoice"] in books.invoice:
                books.differ(
                    "payment", ref, "its payer", books.invoice[row["invoice"]]["customer"], payment["customer"]
                )
            _where(books, payment, row)
            back = min(left, row["amount_minor"])
            left -= back
            paid[row["invoice"]] += row["amount_minor"] - back
    payments = {row["id"] for row in books.tables["payments"]}
    for table, name in (("allocations", "payment"), ("reversals", "payment"), ("refunds", "payment")):
        for row in books.tables[table]:
            if row[name] is not None and row[name] not in payments:
                books.says("payment", row[name], f"it has {table} and is not there")
    facts = {
        "paid": paid,
        "refunded": sums(books.refunds, "invoice", lambda row: row["amount_minor"] - (row["of_credit_minor"] or 0)),
        "refunded_credit": sums(books.refunds, "invoice", lambda row: row["from_credit_minor"]),
        "credit": sums(books.tables["credit_entries"], "invoice", lambda row: -row["amount_minor"]),
        "in_flight": sums(
            [row for row in books.tables["collections"] if row["state"] in LIVE], "invoice", lambda row: row["amount_minor"]
        ),
        "noted": sums(books.tables["credit_notes"], "invoice", lambda row: row["settled_minor"]),
    }  # fmt: skip
    # What a refund turned into credit left the ledger's side of the invoice, not what was applied to it.
    facts["credit"] += sums(books.refunds, "invoice", lambda row: row["to_credit_minor"])
    for name, per_invoice in facts.items():
        for ref in set(per_invoice) - set(books.invoice) - {None}:
            books.says("facts", ref, f"something is {name} on it and it is not there")
        for ref, invoice in books.invoice.items():
            books.differ("facts", ref, name, invoice[f"{name}_minor"], per_invoice[ref])
    for reversal in books.tables["reversals"]:
        _taken_back(books, reversal)
    _dated(books)
    _every_cent(books)


def _where(books: Books, payment: Row, part: Row) -> None:
    """What a collection brought is on its invoice, and on no other."""
    collection = books.collection.get(payment["collection"])
    if collection is not None:
        books.differ("payment", payment["id"], "how it came", payment["method"], collection["kind"])
    if collection is not None and part["invoice"] != collection["invoice"]:
        books.says("misplaced", payment["id"], f"it came for {collection['invoice']}, and settles {part['invoice']}")


def _taken_back(books: Books, reversal: Row) -> None:
    """A payment by hand is taken back whole, but for credit it left that was spent meanwhile (D2)."""
    payment = books.payment.get(reversal["payment"])
    if payment is None or reversal["kind"] != "by_hand":
        return
    lost = payment["amount_minor"] - reversal["amount_minor"]
    if not 0 <= lost <= payment["credited_minor"]:
        books.says(
            "reversal",
            reversal["id"],
            f"{reversal['amount_minor']} of a payment of {payment['amount_minor']} was taken back",
        )


def _dated(books: Books) -> None:
    """What moved is dated as its step on the timeline is; only who records money by hand may say another day (C7)."""
    for payment in books.tables["payments"]:
        days = books.paid_on(payment)
        latest = max(days, default=None)
        if payment["collection"] is not None and payment["received_on"] not in days:
            books.says("dated", payment["id"], f"it is of {payment['received_on']}, and was written down on {latest}")
        elif latest is None or payment["received_on"] > latest:
            books.says("dated", payment["id"], f"it is of {payment['received_on']}, after it was written down")
    for reversal in books.tables["reversals"]:
        parts = books.allocations.get(reversal["payment"], [])
        days = {step["counts_on"] for part in parts for step in books.steps(part["invoice"], "payment reversed")}
        if parts and reversal["payment"] not in books.undone and reversal["reversed_on"] not in days:
            books.says("dated", reversal["id"], f"no step of {reversal['reversed_on']} tells of it")
    told: Counter[tuple[str, int, date]] = Counter()
    for ref, invoice in books.invoice.items():
        for step in books.steps(ref, "credit applied"):
            told[ref, books.told(step, invoice), step["counts_on"]] += 1
    for entry in books.tables["credit_entries"]:
        if entry["kind"] == "applied":
            told[entry["invoice"], -entry["amount_minor"], entry["entered_on"]] -= 1
        for step in books.timeline.get(entry["id"], ()):
            books.differ("dated", entry["id"], "its day", entry["entered_on"], step["counts_on"])
    for (ref, amount, day), more in told.items():
        if more:
            books.says("told", ref, f"that credit of {amount} was applied on {day} is told {more:+} times")


def _every_cent(books: Books) -> None:
    """What came from each customer and went back to them is what is held on their invoices and as their credit."""
    came: defaultdict[tuple[str, str | None], int] = defaultdict(int)
    held: defaultdict[tuple[str, str | None], int] = defaultdict(int)

    def of(invoice: str | None) -> str | None:
        return books.invoice[invoice]["customer"] if invoice in books.invoice else None

    for payment in books.tables["payments"]:
        came[payment["biller"], payment["customer"]] += payment["amount_minor"] - books.taken[payment["id"]]
    for entry in books.tables["credit_entries"]:
        who = entry["biller"], entry["customer"]
        if entry["kind"] == "deposit" or (entry["kind"] == "withdrawn" and entry["payment"] is None):
            came[who] += entry["amount_minor"]
        held[who] += entry["amount_minor"]
    for refund in books.refunds:
        came[refund["biller"], of(refund["invoice"])] -= refund["amount_minor"] - refund["to_credit_minor"]
    for invoice in books.tables["invoices"]:
        here = invoice["paid_minor"] + invoice["credit_minor"] - invoice["refunded_minor"]
        held[invoice["biller"], invoice["customer"]] += here
    for who in {*came, *held}:
        books.differ("every cent", who[1] or who[0], "what is held, in minor units,", held[who], came[who])
    # Sums of a biller hold however its money is spread, so what two customers' mistakes hide is no excuse.
    for biller in books.of_biller:
        whole = [sum(each[who] for who in each if who[0] == biller) for each in (held, came)]
        books.differ("every cent", biller, "what is held in all, in minor units,", *whole)


# --- credit (C8) -------------------------------------------------------------------------------------------------------


def credit(books: Books) -> None:
    """Each customer's ledger counts from 1, adds up row by row and is never negative; overpayments are all there."""
    for (customer, _), some in grouped(books.tables["credit_entries"], "customer", "currency").items():
        rows, balance = sorted(some, key=lambda row: row["seq"]), 0
        books.differ("credit", customer, "its rows", [row["seq"] for row in rows], [*range(1, len(rows) + 1)])
        for row in rows:
            balance += row["amount_minor"]
            books.differ("credit", row["id"], "its balance", row["balance_minor"], balance)
            if row["balance_minor"] < 0:
                books.says("credit", row["id"], "the balance is below zero")
            gives = {"deposit": 1, "returned": 1, "overpayment": 1, "applied": -1, "withdrawn": -1}[row["kind"]]
            if row["amount_minor"] * gives <= 0:
                books.says("credit", row["id"], f"{row['amount_minor']} is nothing that is {row['kind']}")
            _whose(books, row)
    here: Counter[str] = Counter()
    for row in books.tables["credit_entries"]:
        if row["kind"] in ("overpayment", "withdrawn") and row["payment"] is not None:
            here[row["payment"]] += row["amount_minor"]
    given = sums(books.refunds, "payment", lambda row: row["of_credit_minor"] or 0)
    for payment in books.tables["payments"]:
        ref = payment["id"]
        settles = payment["amount_minor"] - payment["credited_minor"]
        left = payment["credited_minor"] - max(0, books.taken[ref] - settles) - given[ref]
        if payment["customer"] is not None:
            books.differ("credit", ref, "the credit it left", here[ref], left)


def _whose(books: Books, entry: Row) -> None:
    """A row of a ledger is of the customer whose invoice or payment it is about."""
    for name, rows in (("invoice", books.invoice), ("payment", books.payment)):
        about = rows.get(entry[name])
        if about is not None:
            books.differ("credit", entry["id"], f"the customer of its {name}", about["customer"], entry["customer"])
