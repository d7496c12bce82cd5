"""The auditor on timelines: what happened to the money of an invoice, lived through step by step.

Before each step stands what was held at that moment, so a refund's shares (S12), what a credit note settles and gives
back (P5), what a void leaves (R14) and what a late fee comes to (P3) are worked out from what was there, and not from
what was made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor_books import GONE, Books, grouped
from auditor_sums import Row, minor_of

TOLD = {
    "paid": ("paid", 1),
    "payment reversed": ("paid", -1),
    "reversal cancelled": ("paid", 1),
    "credit applied": ("credit", 1),
    "credit returned": ("credit", -1),
    "refunded": ("gone", 1),
    "refund failed": ("gone", -1),
}
"""What a step of a timeline does to an invoice's money; its detail begins with how much."""


@dataclass
class Life:
    """The money of an invoice as it stands after some steps of its timeline, and who has been found to be of which."""

    invoice: Row
    paid: int = 0
    credit: int = 0
    gone: int = 0  # what was given back and had been held here
    gone_credit: int = 0  # of that, what had been paid by credit
    noted: int = 0
    void: bool = False
    since_void: int = 0  # what refunds that failed brought back after it was voided
    given: list[Row] = field(default_factory=list)  # refunds that have been made so far
    failed: list[Row] = field(default_factory=list)  # of those, which came back
    fees: list[tuple[Row, int]] = field(default_factory=list)  # (step, what was owed then)

    @property
    def held(self) -> int:
        return self.paid + self.credit - self.gone

    @property
    def cash(self) -> int:
        return self.held - (self.credit - self.gone_credit)

    @property
    def owed(self) -> int:
        return max(0, int(self.invoice["total_minor"]) - self.paid - self.credit - self.noted)


def stories(books: Books) -> None:
    """Live through each invoice, and leave its late fees to be looked at."""
    refunds = grouped(books.tables["refunds"], "invoice")
    for ref, invoice in books.invoice.items():
        life = Life(invoice)
        _live(books, life, refunds.get(ref, []))
        _told(books, invoice)
        held = invoice["paid_minor"] + invoice["credit_minor"] - invoice["refunded_minor"]
        if invoice["lifecycle"] == "draft" and (held or invoice["in_flight_minor"]):
            books.says("draft with money", ref, f"{held} is held on a draft")
        # A refund may come back after its invoice was voided: then it is held, and an alert says so.
        if invoice["lifecycle"] == "void" and held > life.since_void and invoice["customer"] is not None:
            books.says("void with money", ref, f"{held} is held on a void invoice")
        books.fees[ref] = life.fees
        for note in books.notes_of.get(ref, ()):
            if not any(step["detail"].startswith(f"{note['number']} ") for step in books.steps(ref, "credited")):
                books.says("note", note["id"], "the timeline of its invoice does not tell of it")
    for refund in books.tables["refunds"]:
        if refund["invoice"] not in books.invoice:
            books.says("facts", refund["invoice"], "a refund is of it, and it is not there")


def _live(books: Books, life: Life, refunds: Sequence[Row]) -> None:
    ref, currency = life.invoice["id"], life.invoice["currency"]
    crediting: tuple[int, Row, int] | None = None  # a note just issued: at which version, and what it has to give back
    for step in books.timeline.get(ref, ()):
        if crediting is not None and step["version"] != crediting[0]:
            _nothing_given(books, *crediting[1:])
            crediting = None
        action = step["action"]
        if action == "late fee":
            life.fees.append((step, life.owed))
        elif action == "voided":
            life.void = True
            if life.cash > 0:
                books.says("void with money", ref, f"{life.cash} was held on it when it was voided")
        elif action == "credited":
            crediting = _credited(books, life, step)
        elif action == "refunded":
            amount = minor_of(step["detail"].partition(" ")[0], currency)
            _refunded(books, life, step, amount, refunds, crediting[1:] if crediting else None)
            crediting = None
        elif action == "refund failed":
            _failed(books, life, minor_of(step["detail"].partition(" ")[0], currency))
        elif action in TOLD:
            name, sign = TOLD[action]
            amount = sign * minor_of(step["detail"].partition(" ")[0], currency)
            setattr(life, name, getattr(life, name) + amount)
            if action == "reversal cancelled":
                _there_again(books, life, step)
    if crediting is not None:
        _nothing_given(books, *crediting[1:])
    for refund in refunds:
        if not any(refund is each for each in life.given):
            books.says("refund", refund["id"], f"no step of {refund['refunded_on']} on the timeline tells of it")


# --- credit notes (P5) ------------------------------------------------------------------------------------------------


def _credited(books: Books, life: Life, step: Row) -> tuple[int, Row, int] | None:
    """A note settles what is owed first; what it has to give back is the rest, as far as that is held."""
    ref = life.invoice["id"]
    number, _, told = step["detail"].rpartition(" ")
    note = next((each for each in books.notes_of.get(ref, ()) if each["number"] == number), None)
    if note is None:
        books.says("note", ref, f"its timeline tells of {number}, which is not there")
        return None
    whole = minor_of(told, life.invoice["currency"])
    books.differ("note", note["id"], "its total", note["total_minor"], whole)
    books.differ("note", note["id"], "its day", note["issued_on"], step["counts_on"])
    settles = min(note["total_minor"], life.owed)
    books.differ("note", note["id"], "what it settles", note["settled_minor"], settles)
    back = min(note["total_minor"] - settles, max(life.held, 0))
    life.noted += note["settled_minor"]
    return step["version"], note, back


def _nothing_given(books: Books, note: Row, back: int) -> None:
    books.differ("note", note["id"], "what it gives back", 0, back)
    books.differ("note", note["id"], "its refund", note["refund"], None)


# --- refunds (S12) ----------------------------------------------------------------------------------------------------


def _refunded(
    books: Books, life: Life, step: Row, amount: int, refunds: Sequence[Row], of: tuple[Row, int] | None
) -> None:
    ref, to = life.invoice["id"], step["detail"].partition(" ")[2]
    again = [each for each in life.failed if each["amount_minor"] == amount]
    if not to and again:  # it was thought to have failed, and had not
        life.failed = [each for each in life.failed if each is not again[0]]
        _gives(life, again[0])
        return
    of_notes = {note["refund"] for note in books.notes_of.get(ref, ())}
    fresh = [
        each
        for each in refunds
        if each["amount_minor"] == amount
        and each["refunded_on"] == step["counts_on"]
        and not any(each is other for other in life.given)
        and (each["id"] == of[0]["refund"] if of is not None else each["id"] not in of_notes)
    ]
    if not fresh:
        books.says("told", ref, f"{amount} was refunded on {step['counts_on']}, and no such refund is here")
        if of is not None:
            books.differ("note", of[0]["id"], "what it gives back", None, of[1])
        return
    if of is not None:
        books.differ("note", of[0]["id"], "what it gives back", amount, of[1])
    # Two of one day and amount are told apart by their shares; then it does not matter which is which.
    wanted = [_shares(life, each, to) for each in fresh]
    have = [(each["to_credit_minor"], each["from_credit_minor"]) for each in fresh]
    n = next((n for n in range(len(fresh)) if have[n] == wanted[n]), 0)
    books.differ("shares", fresh[n]["id"], "what went to credit, and had been paid by credit,", have[n], wanted[n])
    life.given.append(fresh[n])
    _gives(life, fresh[n])


def _gives(life: Life, refund: Row) -> None:
    life.gone += refund["amount_minor"] - (refund["of_credit_minor"] or 0)
    life.gone_credit += refund["from_credit_minor"]


def _shares(life: Life, refund: Row, to: str) -> tuple[int, int]:
    """(to credit, from credit): what was paid by credit goes to credit only, and last unless all of it goes there."""
    amount = refund["amount_minor"]
    if refund["gateway"] is not None:
        return 0, 0
    if to == "to credit":
        return amount, min(amount, max(life.credit - life.gone_credit, 0))
    from_credit = max(amount - max(life.cash, 0), 0)
    return from_credit, from_credit


def _failed(books: Books, life: Life, amount: int) -> None:
    out = [r for r in life.given if r["amount_minor"] == amount and not any(r is each for each in life.failed)]
    found = next((each for each in out if each["state"] in GONE), out[0] if out else None)
    if found is None:
        books.says("told", life.invoice["id"], f"a refund of {amount} failed that was never made")
        return
    life.failed.append(found)
    life.gone -= found["amount_minor"] - (found["of_credit_minor"] or 0)
    life.gone_credit -= found["from_credit_minor"]
    if life.void:
        life.since_void += found["amount_minor"] - (found["of_credit_minor"] or 0)


# --- what is there again (D3, D6) -------------------------------------------------------------------------------------


def _there_again(books: Books, life: Life, step: Row) -> None:
    """A charge-back that is won makes good what the invoice lacks before it becomes anybody's credit."""
    if life.held >= 0:
        return
    for reversal in books.undone_on.get((life.invoice["id"], step["counts_on"]), ()):
        came = [e for e in books.credit_of.get(reversal["payment"], ()) if e["entered_on"] == step["counts_on"]]
        if any(each["kind"] == "overpayment" for each in came):
            books.says(
                "less than nothing", life.invoice["id"], f"{-life.held} is lacking on it, and what came back is credit"
            )


def _told(books: Books, invoice: Row) -> None:
    """What the timeline tells of an invoice's money in all, against the facts that are stored."""
    told: Counter[str] = Counter()
    for step in books.timeline.get(invoice["id"], ()):
        sign = TOLD.get(step["action"])
        if sign is not None:
            amount = minor_of(step["detail"].partition(" ")[0], invoice["currency"])
            told[sign[0]] += sign[1] * amount
            told["came"] += amount if step["action"] == "paid" else 0
            told["again"] += step["action"] == "reversal cancelled"
    given = sum(row["amount_minor"] for row in books.refunds_of.get(invoice["id"], ()))
    if not told["again"]:  # money that is there again may have become credit, and is on it no more
        here = sum(row["amount_minor"] for row in books.allocated.get(invoice["id"], ()))
        books.differ("told", invoice["id"], "what the timeline says came in", told["came"], here)
    books.differ("told", invoice["id"], "what the timeline says was paid", told["paid"], invoice["paid_minor"])
    books.differ("told", invoice["id"], "what it says was credit", told["credit"], invoice["credit_minor"])
    books.differ("told", invoice["id"], "what it says was given back", told["gone"], given)
