"""The auditor on the world outside: what the provider did, and what the business did by hand, is what is here.

D2, D3, D6, P1, N3.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from auditor_books import GONE, Books, Moved, Order, grouped
from auditor_sums import Row


def provider(books: Books, ledger: Sequence[Moved], waiting: set[str]) -> None:
    """What the provider did is what is here: each payment once, each cent, what came back, what it still decides on."""
    by_key: defaultdict[tuple[str, str], list[Moved]] = defaultdict(list)
    for moved in ledger:
        if moved.key.partition("_")[0] in books.of_biller:
            by_key[moved.kind, moved.key].append(moved)
    collections = {row["id"]: row for row in books.tables["collections"]}
    brought = grouped([row for row in books.tables["payments"] if row["collection"]], "collection")
    back = grouped(books.tables["reversals"], "payment")
    for ref in set(brought) - set(collections):
        books.says("provider", ref, "a payment came by a collection that is not there")
    for key in {key for kind, key in by_key if kind == "payment"} - set(collections):
        books.says("unknown here", key, "the provider holds a payment under a key of ours that is not here")
    net: Counter[str] = Counter()
    for key, row in collections.items():
        made = by_key["payment", key]
        if len(made) > 1:
            books.says("charged twice", key, f"it was charged {len(made)} times")
        for moved in made:
            books.differ("provider", key, "its amount", row["amount_minor"], moved.minor)
        if not made and (row["state"] in ("pending", "succeeded") or brought.get(key)):
            books.says("unknown there", key, f"it is {row['state']} here, and the provider never had it")
        came = sorted(moved.minor for moved in by_key["collected", key])
        here = sorted(payment["amount_minor"] for payment in brought.get(key, []))
        if came != here:
            books.says("payment missing" if sum(came) > sum(here) else "payment too much", key,
                      f"{came} came at the provider, {here} is here")  # fmt: skip
        lost = sum(moved.minor for moved in by_key["reversal", key])
        lost -= sum(moved.minor for moved in by_key["reversal_cancelled", key])
        taken = sum(books.taken[payment["id"]] for payment in brought.get(key, []))
        credited = sum(payment["credited_minor"] for payment in brought.get(key, []))
        if not 0 <= lost - taken <= credited:  # credit that was spent cannot be taken back
            books.says("taken back", key, f"{lost} was taken back at the provider, {taken} here")
        told = [r for payment in brought.get(key, []) for r in back.get(payment["id"], [])]
        books.differ("taken back", key, "how often it was taken back", len(told), len(by_key["reversal", key]))
        net[row["invoice"]] += sum(came) - lost
        if (key in waiting) != (row["state"] == "pending") and not books.doubted(row):
            there = "waits for its bank" if key in waiting else "is over"
            books.says("state", key, f"it is {row['state']} here, and {there} at the provider")
    told_of = {row["invoice"] for row in books.tables["alerts"] if row["kind"] == "overpaid"}
    for ref, whole in net.items():
        if ref in books.invoice and whole > books.invoice[ref]["total_minor"] and ref not in told_of:
            books.says(
                "charged twice", ref, f"{whole} was collected for it, and it is {books.invoice[ref]['total_minor']}"
            )
    _refunded(books, by_key)


def _refunded(books: Books, by_key: Mapping[tuple[str, str], list[Moved]]) -> None:
    refunds = {row["id"]: row for row in books.tables["refunds"] if row["gateway"] is not None}
    elsewhere = {row["reference"]: ref for ref, row in refunds.items() if not by_key.get(("refund", ref))}
    kept: defaultdict[tuple[str, str], list[Moved]] = defaultdict(list)
    for (kind, key), some in by_key.items():
        for moved in some:
            # One that was not made from here, or by what a restored backup has forgotten, is known by its name.
            kept[kind, key if key in refunds else elsewhere.get(moved.reference, key)].append(moved)
    for key in {key for kind, key in kept if kind == "refund"} - set(refunds):
        books.says("unknown here", key, "the provider gave money back under a key of ours that is not here")
    for key, row in refunds.items():
        made = kept["refund", key]
        if len(made) > 1:
            books.says("refunded twice", key, f"it was refunded {len(made)} times")
        gone = sum(moved.minor for moved in made)
        gone -= sum(moved.minor for moved in kept["refund_failed", key])
        if not books.doubted(row):
            books.differ("refund", key, "what was given back", 0 if row["state"] in GONE else row["amount_minor"], gone)


# --- what the business did by hand (N3) --------------------------------------------------------------------------------


def by_hand(books: Books, orders: Sequence[Order]) -> None:
    """What was asked for by hand is here once, as much as was told, and nothing is here that nobody asked for."""
    uses = {row["id"]: row for row in books.tables["key_uses"]}
    rows: dict[str, Row] = {}
    for table in ("payments", "refunds", "reversals", "credit_entries", "credit_notes"):
        rows |= {row["id"]: row for row in books.tables[table]}
    asked = set()
    for order in orders:
        use = uses.get(order.key)
        if not order.done:
            if use is not None:
                books.says("refused and done", order.key, f"{order.action} was refused, and is here")
            continue
        if use is None:
            books.says("lost", order.key, f"{order.action} of {order.minor} was done, and is not here")
            continue
        for ref in json.loads(use["results"]):
            asked.add(ref)
            if ref not in rows:
                books.says("lost", order.key, f"{order.action} made {ref}, which is not there")
            else:
                amount = abs(rows[ref].get("amount_minor", rows[ref].get("total_minor")))
                # Of what is taken back, credit that was spent meanwhile stays lost.
                lost = _credited(books, rows[ref]) if order.action == "payments.reverse" else 0
                if not order.minor - lost <= amount <= order.minor:
                    books.says("amount", order.key, f"{order.action} was of {order.minor}, and is {amount} here")
                _as_asked(books, order, rows[ref])
    mine = [row for row in books.tables["payments"] if row["collection"] is None]
    mine += [row for row in books.tables["credit_entries"] if row["kind"] == "deposit"]
    mine += [r for r in books.tables["credit_entries"] if r["kind"] == "withdrawn" and r["payment"] is None]
    mine += [row for row in books.tables["reversals"] if row["kind"] == "by_hand"]
    of_notes = {row["refund"] for row in books.tables["credit_notes"]}
    mine += [row for row in books.tables["refunds"] if row["gateway"] is None and row["id"] not in of_notes]
    for row in mine:
        if row["id"] not in asked:
            books.says("nobody asked", row["id"], f"{row['amount_minor']} moved, and nobody asked for it")


def _credited(books: Books, reversal: Row) -> int:
    """What a payment that was taken back had left as credit."""
    payment = books.payment.get(reversal["payment"])
    return int(payment["credited_minor"]) if payment is not None else 0


def _as_asked(books: Books, order: Order, row: Row) -> None:
    """What was done by hand was done to what was named, and is of the day that was said."""
    parts = {part["invoice"] for part in books.allocations.get(row["id"], ())}
    named = {
        "payments.record": parts,
        "payments.reverse": {row.get("payment")},
        "payments.refund": {row.get("invoice")},
        "credit_notes.issue": {row.get("invoice")},
        "credits.deposit": {row.get("customer")},
        "credits.withdraw": {row.get("customer")},
    }.get(order.action, set())
    if order.of and not named <= set(order.of):
        books.says("misplaced", order.key, f"{order.action} was for {order.of}, and is on {sorted(map(str, named))}")
    if order.action == "payments.record":
        days = books.paid_on(row) if order.received is None else {order.received}
        if row["received_on"] not in days:
            books.says("dated", order.key, f"it is of {row['received_on']}, and came on {sorted(map(str, days))}")
