"""The auditor on leases: each period once, for the right days, at the right rent, made when it should be.

S3 to S7, N2, M2 to M9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction

from auditor_books import Books, grouped, rates
from auditor_sums import (
    DAY,
    Row,
    Span,
    advance,
    aligned,
    billed,
    due_by,
    first_period,
    lines_of,
    minor_of,
    says_dates,
    says_part,
    taxes_of,
)


def leases(books: Books) -> None:
    """Each period of each lease that was due by now has its invoice, and no other period has."""
    mine = grouped(books.tables["invoices"], "lease")
    known = {row["id"] for row in books.tables["leases"]}
    for ref in set(mine) - known - {None}:
        books.says("lease", ref, "it has invoices and is not there")
    for row in books.tables["leases"]:
        changes = sorted(
            (date.fromisoformat(each["since"]), minor_of(each["rent"]["amount"], row["currency"]))
            for each in json.loads(row["rent_changes"] or "[]")
        )
        lease = {**row, "changes": changes}
        _lease(books, lease, grouped(mine.get(row["id"], []), "period_index"))


def _lease(books: Books, lease: Row, invoices: Mapping[int, list[Row]]) -> None:
    ref, policy, today = lease["id"], books.policy[lease["biller"]], books.today(lease["biller"])
    owed = [(n, span) for n, span in due_by(lease, policy, today) if _costs(lease, n, span)]
    if lease["method"] == "manual":  # billed when somebody asks, one period after the other
        numbers = range(first_period(lease), lease["next_period"])
        spans = [(n, billed(lease, n, lease["ends"])) for n in numbers]
        owed = [(n, span) for n, span in spans if span is not None]
    # Whoever deletes a draft does not want its period back (N2).
    left_out = {step["detail"] for step in books.timeline.get(ref, ()) if step["action"] == "period skipped"}
    for n, span in owed:
        if n not in invoices and str(n) not in left_out:
            books.says("period missing", ref, f"period {n}, from {span[0]} to {span[1] - DAY}, has no invoice")
    repriced = bool(books.steps(ref, "rent changed"))
    wanted = {n for n, _ in owed}
    ends = _Ends(books, lease)
    for n, some in invoices.items():
        _revisions(books, ref, n, some)
        for invoice in some:
            found = ends.span(n, invoice)
            if found is None:
                have = f"{invoice['period_start']} to {invoice['period_end']}"
                books.says("period", invoice["id"], f"period {n} of its lease is not {have} (the day after)")
                continue
            beyond = lease["ends"] is not None and found[1] - DAY > lease["ends"]
            if n not in wanted and not beyond and invoice["id"] not in books.by_hand:
                books.says("period early", invoice["id"], f"period {n} of its lease is not due to be invoiced yet")
            _rent(books, lease, n, found, invoice, repriced=repriced and invoice["lifecycle"] == "void")
    if len(ends.first) > 1:
        books.says("period", ref, f"it began with one end, and was billed up to {sorted(ends.first)}")
    _schedule(books, lease)


class _Ends:
    """The last days a lease has had: its own now, those it was given, and the one it began with.

    Nothing but the invoices of that time tells of the last: they name one day, or were cut by none.
    """

    def __init__(self, books: Books, lease: Row) -> None:
        self._books, self._lease = books, lease
        steps = books.steps(lease["id"], "ended")
        self._given: list[date | None] = [date.fromisoformat(step["detail"]) for step in steps]
        self._until = steps[0]["happened_at"] + books.apart if steps else None
        self.first: set[date] = set()

    def span(self, n: int, invoice: Row) -> Span | None:
        """The billed period an invoice says it is for, if the lease had it with one of these ends."""
        said = invoice["period_start"], invoice["period_end"]
        for end in (self._lease["ends"], *((None, *self._given) if self._given else ())):
            if (span := billed(self._lease, n, end)) == said:
                return span
        began = self._books.timeline.get(invoice["id"])
        if self._until is None or not began or began[0]["happened_at"] > self._until or None in said:
            return None
        last = invoice["period_end"] - DAY
        span = billed(self._lease, n, last)
        if span == said:
            self.first.add(last)
        return span if span == said else None


def _revisions(books: Books, ref: str, n: int, some: Sequence[Row]) -> None:
    live = [row for row in some if row["lifecycle"] != "void"]
    if len(live) > 1:
        books.says("period twice", ref, f"period {n} has {len(live)} invoices that stand")
    books.differ(
        "period twice",
        ref,
        f"period {n}'s revisions",
        sorted(r["revision"] for r in some),
        [*range(1, len(some) + 1)],
    )


def _rent(books: Books, lease: Row, n: int, span: Span, invoice: Row, *, repriced: bool) -> None:
    ref, policy = invoice["id"], books.policy[lease["biller"]]
    since = books.changed_since(lease["id"], ref)
    if "customer" not in since:
        books.differ("customer", ref, "its payer", invoice["customer"], lease["customer"])
    books.differ("late", ref, "its late flag", bool(invoice["late"]), invoice["drafted_on"] >= span[0])
    if books.steps(ref, "edited"):  # as a draft: somebody gave it other lines, or another due date
        return
    books.differ("due", ref, "its due date", invoice["due_on"], span[0] + timedelta(policy["due_offset_days"]))
    ahead = ref in books.by_hand or since & {"method", "advance_days"}
    if lease["method"] != "manual" and invoice["revision"] == 1 and not ahead:
        soonest = span[0] - advance(lease, policy)
        if invoice["drafted_on"] < soonest:
            books.says("early", ref, f"it was made on {invoice['drafted_on']}, and not before {soonest} it should be")
    lines, whole = books.lines_by.get(ref, []), aligned(lease, n)
    wanted = lines_of(lease, whole, span)
    have = [((row["period_start"], row["period_end"]), row["unit_price_minor"], row["amount_minor"]) for row in lines]
    if have != [each[:3] for each in wanted]:
        if repriced or since & {"day_count"}:  # it was voided, and the rent of its days was changed afterwards
            return
        books.says("rent", ref, f"its lines are {have}, and should be {[each[:3] for each in wanted]}")
        return
    part = span != whole
    for row, (days, _, _, exact) in zip(lines, wanted, strict=True):
        told = Fraction(row["share_exact"]) if row["share_exact"] is not None else None
        books.differ("rent", ref, "what a line came to exactly", told, exact)
        if not says_dates(row["description"], days) or says_part(row["description"]) is not part:
            books.says("wording", ref, f"{row['description']!r} is not {days}, {'a part' if part else 'full'}")
        if "taxes" not in since:
            books.differ("tax", ref, "the rates of a line", rates(row["taxes"]), rates(lease["taxes"]))


def _schedule(books: Books, lease: Row) -> None:
    ref, today = lease["id"], books.today(lease["biller"])
    span = billed(lease, lease["next_period"], lease["ends"])
    books.differ("schedule", ref, "that it is finished", bool(lease["finished"]), span is None)
    if span is None or lease["method"] == "manual":
        books.differ("schedule", ref, "its next run", lease["next_run_on"], None)
        return
    soonest = span[0] - advance(lease, books.policy[lease["biller"]])
    books.differ("schedule", ref, "its next run", lease["next_run_on"], soonest)
    if soonest <= today:
        books.says("stuck", ref, f"period {lease['next_period']} has been due since {soonest}")


def _costs(lease: Row, n: int, span: Span) -> bool:
    """Whether a period comes to anything at all; what does not is not invoiced (M10)."""
    lines = [(amount, rates(lease["taxes"])) for _, _, amount, _ in lines_of(lease, aligned(lease, n), span)]
    return taxes_of(lines, included=False)[0] > 0
