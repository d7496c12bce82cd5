"""The auditor on what is told and what is still to be done: messages, alerts, and work that nobody would do any more.

R7, S9, P3, P4, D6, C6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from auditor_books import UNFINISHED, Books, grouped, phase
from auditor_sums import Row


def messages(books: Books, posted: Mapping[str, int] | None, repeats: int) -> None:
    """Each invoice's payer is told once of each thing, who is to be e-mailed was, and what is sent went out."""
    told = Counter((row["invoice"], row["kind"], row["about"]) for row in books.tables["messages"])
    for (ref, kind, about), times in told.items():
        if times > 1:
            books.says("told twice", ref, f"{kind} {about or ''} was queued {times} times")
        if ref not in books.invoice:
            books.says("told", ref, f"{kind} is about an invoice that is not there")
    by_mail = {row["id"] for row in books.tables["leases"] if row["method"] == "email_pdf"}
    # Who asked not to be told is not, where drafts are published by hand or in bulk (C4, S9).
    quiet = {row["id"] for row in books.tables["customers"] if row["notify"] is not None and not row["notify"]}
    quiet -= {row["id"] for row in books.tables["customers"] if books.policy[row["biller"]]["run_issues"]}
    for ref, row in books.invoice.items():
        wanted = row["number"] is not None and row["lease"] in by_mail and row["bill_to_email"] is not None
        if wanted and row["customer"] not in quiet and (ref, "invoice_issued", None) not in told:
            books.says("not told", ref, "its payer was never sent it")
    states = {row["id"]: row for row in books.tables["messages"]}
    for ref, row in states.items():
        if row["state"] in ("queued", "failed"):
            books.says("stuck", ref, f"a message is {row['state']}: {row['error']}")
        if posted is not None and row["state"] == "sent" and ref not in posted:
            books.says("not sent", ref, "it is said to be sent, and never went out")
    if posted is not None:
        for ref in set(posted) - set(states):
            books.says("not sent", ref, "it went out, and is not there")
        again = sum(times - 1 for times in posted.values())
        if again > repeats:
            books.says("sent twice", "outbox", f"{again} messages went out again, and {repeats} deliverers died")


# --- alerts (D6, P4) --------------------------------------------------------------------------------------------------


def alerts(books: Books) -> None:
    """What a person must know of was told to one: money too much, taken back, returned in vain or elsewhere, or lacking."""
    told = {(row["kind"], row["about"]) for row in books.tables["alerts"]}
    back = grouped(books.tables["reversals"], "payment")
    for row in books.tables["alerts"]:
        if row["state"] == "resolved" and (row["resolved_at"] is None or not row["resolution"]):
            books.says("alert", row["id"], "it is resolved, and nobody said how")
    for payment in books.tables["payments"]:
        # Who settled a doubt at the provider has seen what came; else too much of it is told.
        looked = books.alerts.get(payment["collection"])
        known = {payment["id"], *(row["id"] for row in back.get(payment["id"], ()))}  # perhaps of a charge-back won
        said = looked or any(("overpaid", each) in told for each in known)
        if payment["collection"] and payment["credited_minor"] and not said:
            books.says("nobody told", payment["id"], f"{payment['credited_minor']} too much came in")
    for row in books.tables["reversals"]:
        if row["kind"] != "by_hand" and row["cancelled_on"] is None and (row["kind"], row["id"]) not in told:
            books.says("nobody told", row["id"], f"{row['amount_minor']} was taken back ({row['kind']})")
    for row in books.tables["refunds"]:
        if row["state"] == "failed" and ("refund_failed", row["id"]) not in told:
            books.says("nobody told", row["id"], "a refund did not reach its payer")
    for ref, invoice in books.invoice.items():
        mine = Counter(row["kind"] for row in books.alerts_on.get(ref, ()))
        made = sum(step["detail"].endswith(" at the provider") for step in books.steps(ref, "refunded"))
        if made > mine["refunded_elsewhere"]:
            books.says("nobody told", ref, f"{made} refunds were made at the provider, not from here")
        held = invoice["paid_minor"] + invoice["credit_minor"] - invoice["refunded_minor"]
        # Of a receipt over several invoices that is taken back, one alert names one of them.
        parts = {part["payment"] for part in books.allocated.get(ref, ())}
        known = any(("reversed_after_refund", row["id"]) in told for each in parts for row in back.get(each, ()))
        if held < 0 and not (known or mine["reversed_after_refund"] or mine["refunded_elsewhere"]):
            books.says("less than nothing", ref, f"{-held} more went out of it than came in, and nobody was told")


# --- what should be collected and is not (S9, C6) ---------------------------------------------------------------------


GOOD = ("pending", "active")  # a mandate that its bank has not looked at yet may be debited too


def collecting(books: Books) -> None:
    """Each attempt was written down, and what is to be debited is: tried, tried again, or asked for in another way."""
    by_method = grouped([row for row in books.tables["collections"] if row["method"] is not None], "invoice")
    for ref in books.invoice:
        begun = len(books.steps(ref, "collection reserved"))
        books.differ("collections", ref, "how many are told of", begun, len(by_method.get(ref, [])))
    leases = {row["id"]: row for row in books.tables["leases"]}
    mandates = [r for r in books.tables["saved_methods"] if r["kind"] == "direct_debit" and r["state"] in GOOD]
    good = grouped(mandates, "customer")
    attempts = grouped(books.tables["collections"], "invoice")
    for ref, invoice in books.invoice.items():
        lease = leases.get(invoice["lease"])
        if lease is None or lease["method"] != "direct_debit" or phase(invoice) != "due":
            continue
        policy = books.policy[invoice["biller"]]
        if (invoice["late"] and not policy["collect_late"]) or not books.of_biller[invoice["biller"]]["payments"]:
            continue  # what is caught up late is collected by staff, or not (S7)
        if not policy["link_on_failure"] or books.changed_since(lease["id"], ref):
            continue
        mine = attempts.get(ref, [])
        under_way = any(row["state"] in UNFINISHED or row["next_try_at"] is not None for row in mine)
        mandate = any(_was_good(books, row, invoice) for row in good.get(invoice["customer"], ()))
        # A payer who was asked, or a person who was told or took something back, knows that it is owed.
        asked = {letter["kind"] for letter in books.letters.get(ref, ())} & {"collection_failed", "reminder"}
        if not books.steps(ref, "collection reserved"):  # else what was sent said that it would be debited
            asked |= {letter["kind"] for letter in books.letters.get(ref, ())} & {"invoice_issued"}
        known = asked or books.alerts_on.get(ref) or books.steps(ref, "payment reversed", "credit returned")
        if mandate and not under_way and not known and not _called_off(mine, invoice):
            books.says("not collected", ref, "nothing debits it, its mandate is good, and nobody was asked to pay")


def _was_good(books: Books, mandate: Row, invoice: Row) -> bool:
    """Whether a mandate could be charged when an invoice was published."""
    since = books.steps(mandate["id"], *(f"method {state}" for state in GOOD))
    issued = books.steps(invoice["id"], "published")
    return (
        bool(since and issued)
        and since[0]["happened_at"] + books.apart + timedelta(hours=1) <= issued[0]["happened_at"]
    )


def _called_off(mine: Sequence[Row], invoice: Row) -> bool:
    """Whether somebody called the last attempt off: then they know. What is not owed whole is called off by itself (C6)."""
    last = max(mine, key=lambda row: row["id"], default=None)
    if last is None or last["state"] not in ("not_executed", "cancelled"):
        return False
    owed = invoice["total_minor"] - invoice["paid_minor"] - invoice["credit_minor"] - invoice["noted_minor"]
    return bool(last["error"] == "called off" if last["state"] == "not_executed" else last["amount_minor"] <= owed)


# --- work that nobody would do any more --------------------------------------------------------------------------------


def work(books: Books) -> None:
    """Nothing that was due is still to be done, and nothing waits without a time to be looked at or a person told."""
    for row in books.tables["collections"]:
        due = row["next_try_at"] is not None and row["next_try_at"] <= books.at
        if due and row["state"] in (*UNFINISHED, "failed", "not_executed"):
            books.says("stuck", row["id"], f"it is {row['state']} and was to be looked at on {row['next_try_at']}")
        if row["next_try_at"] is None and row["state"] in UNFINISHED and not books.doubted(row):
            books.says("stuck", row["id"], f"it is {row['state']} and nobody looks at it")
        if row["state"] in ("submitting", "unknown") and not books.doubted(row):
            books.says("stuck", row["id"], f"it is {row['state']} though everything has come to rest")
    for ref, some in grouped(books.tables["collections"], "invoice").items():
        if sum(row["state"] in UNFINISHED for row in some) > 1:
            books.says("charged twice", ref, "it has two collections at once")
    for row in books.tables["refunds"]:
        if row["state"] in ("reserved", "submitting", "unknown") and not books.doubted(row):
            books.says("stuck", row["id"], f"a refund is {row['state']}")
    for row in books.tables["inbox_events"]:
        if row["state"] in ("waiting", "parked"):
            books.says("stuck", row["id"], f"an event of the provider is {row['state']}: {row['error']}")
    for row in books.tables["saved_methods"]:
        if row["next_try_at"] is not None and row["next_try_at"] <= books.at:
            books.says("stuck", row["id"], f"a saved method is {row['state']} and was to be asked for")
