"""The auditor: everything a store holds, worked out a second time from leases, ledgers and what the provider did.

It reads the tables with plain SQL and imports nothing of the library: no period, no amount, no status and no balance
is asked of the code that wrote it. What it answers is a list of findings; none is a clean bill of health.

It is given what the world outside knows: the provider's append-only ledger (`Moved`), which payments the banks have
still to decide on, what the business did with its own hands (`Order`), and the e-mails that really went out.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from auditor_sums import (
    DAY,
    Rate,
    Row,
    Span,
    advance,
    aligned,
    billed,
    due_by,
    first_period,
    lines_of,
    minor_of,
    rounded,
    says_dates,
    says_part,
    taxes_of,
)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: which rule, about which record, in a sentence."""

    kind: str
    about: str
    says: str


@dataclass(frozen=True)
class Moved:
    """One line of a provider's ledger: `kind` as in `EffectKind`, the operation's key, the amount in minor units."""

    kind: str
    key: str
    reference: str
    minor: int


@dataclass(frozen=True)
class Order:
    """One thing the business asked for by hand: under which key, which action, how much, and whether it was done."""

    key: str
    action: str
    minor: int
    done: bool = True


LIVE = ("reserved", "submitting", "pending", "unknown")
UNFINISHED = (*LIVE, "open", "closing")
GONE = ("failed", "not_executed")  # states in which a refund gave nothing back

TABLES = (
    "billers customers leases charges invoices lines invoice_taxes payments allocations reversals refunds "
    "credit_entries events messages key_uses counters saved_methods collections inbox_events alerts credit_notes "
    "credit_note_lines credit_note_taxes"
).split()
DAYS = (
    "starts ends bill_from next_run_on drafted_on due_on issued_on voided_on period_start period_end cycle "
    "next_cycle_on charged_on counts_on cancelled_on last_on"
).split()


def audit(
    url: str,
    *,
    at: datetime,
    ledger: Iterable[Moved] = (),
    waiting: Collection[str] = (),
    orders: Sequence[Order] | None = None,
    posted: Mapping[str, int] | None = None,
    repeats: int = 0,
    apart: timedelta = timedelta(0),
) -> list[Finding]:
    """What is wrong in a store when everything has come to rest at an instant, the last run being of that day.

    `waiting` are the keys of payments the banks have still to decide on, `posted` the ids of messages a mail server
    accepted and how often, of which `repeats` may be twice because a deliverer died. `apart` is how far the clocks of
    those who issued invoices were apart. What is None is not looked at.
    """
    books = _Auditor(_read(url), at, apart)
    books.billers()
    books.leases()
    books.invoices()
    books.numbers()
    books.money()
    books.credit()
    books.notes()
    books.charges()
    books.provider(list(ledger), set(waiting))
    books.messages(posted, repeats)
    books.work()
    if orders is not None:
        books.by_hand(orders)
    return books.found


def _read(url: str) -> dict[str, list[dict[str, Any]]]:
    engine = create_engine(url, poolclass=NullPool)
    found = {}
    with engine.connect() as connection:
        for table in TABLES:
            rows = [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]
            for name in set(DAYS) & set(rows[0] if rows else ()):
                for row in rows:
                    if isinstance(row[name], str):
                        row[name] = date.fromisoformat(row[name])
            for name in [name for name in (rows[0] if rows else ()) if name.endswith("_at")]:
                for row in rows:
                    if isinstance(row[name], str):
                        row[name] = datetime.fromisoformat(row[name])
            found[table] = rows
    engine.dispose()
    return found


def _grouped(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    found: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)].append(row)
    return found


def _rates(written: str | None) -> list[Rate]:
    return [(each["name"], each["percent"], each["category"]) for each in json.loads(written or "[]")]


class _Auditor:
    """Rows by what they belong to, and what was found."""

    def __init__(self, tables: Mapping[str, list[dict[str, Any]]], at: datetime, apart: timedelta) -> None:
        self.tables, self.at, self.apart = tables, at, apart
        self.found: list[Finding] = []
        self.of_biller = {row["id"]: row for row in tables["billers"]}
        self.policy = {row["id"]: json.loads(row["policy"]) for row in tables["billers"]}
        self.invoice = {row["id"]: row for row in tables["invoices"]}
        self.lines_by = _grouped(sorted(tables["lines"], key=lambda row: row["position"]), "invoice")
        steps = sorted(tables["events"], key=lambda row: (row["version"], row["step"]))
        self.timeline = _grouped(steps, "subject")
        self.allocations = _grouped(sorted(tables["allocations"], key=lambda row: row["position"]), "payment")
        self.refunds = [row for row in tables["refunds"] if row["state"] not in GONE]
        self.refunds_of = _grouped(self.refunds, "invoice")
        self.allocated = _grouped(tables["allocations"], "invoice")
        standing = [row for row in tables["reversals"] if row["cancelled_on"] is None]
        self.taken: Counter[str] = Counter()
        for row in standing:
            self.taken[row["payment"]] += row["amount_minor"]
        self.alerts = _grouped(tables["alerts"], "about")

    def says(self, kind: str, about: object, sentence: str) -> None:
        self.found.append(Finding(kind, str(about), sentence))

    def differ(self, kind: str, about: object, what: str, here: object, wanted: object) -> None:
        """A finding unless what is here is what is wanted."""
        if here != wanted:
            self.says(kind, about, f"{what} is {here}, and should be {wanted}")

    def today(self, biller: str) -> date:
        """The civil date of the audit where a biller is (M1)."""
        return self.at.astimezone(ZoneInfo(self.of_biller[biller]["timezone"])).date()

    # --- billers ------------------------------------------------------------------------------------------------------

    def billers(self) -> None:
        """Every row is of a biller that is there, and what it refers to is of the same one (T1)."""
        for table in TABLES[1:]:
            for row in self.tables[table]:
                if row["biller"] not in self.of_biller:
                    self.says("biller", row.get("id", row), f"a row of {table} is of no biller")
                for name in ("customer", "invoice", "lease", "payment", "collection", "charge"):
                    if row.get(name) is not None and not row[name].startswith(row["biller"] + "_"):
                        self.says("biller", row.get("id", row), f"its {name} is another biller's")

    # --- leases: each period once, right (S3 to S7, N2, M2 to M9) -----------------------------------------------------

    def leases(self) -> None:
        """Each period of each lease that was due by now has its invoice, and no other period has."""
        mine = _grouped(self.tables["invoices"], "lease")
        known = {row["id"] for row in self.tables["leases"]}
        for ref in set(mine) - known - {None}:
            self.says("lease", ref, "it has invoices and is not there")
        for row in self.tables["leases"]:
            changes = sorted(
                (date.fromisoformat(each["since"]), minor_of(each["rent"]["amount"], row["currency"]))
                for each in json.loads(row["rent_changes"] or "[]")
            )
            lease = {**row, "changes": changes}
            self._lease(lease, _grouped(mine.get(row["id"], []), "period_index"))

    def _lease(self, lease: Row, invoices: Mapping[int, list[Row]]) -> None:
        ref, policy, today = lease["id"], self.policy[lease["biller"]], self.today(lease["biller"])
        owed = [(n, span) for n, span in due_by(lease, policy, today) if _costs(lease, n, span)]
        if lease["method"] == "manual":  # billed when somebody asks, one period after the other
            numbers = range(first_period(lease), lease["next_period"])
            spans = [(n, billed(lease, n, lease["ends"])) for n in numbers]
            owed = [(n, span) for n, span in spans if span is not None]
        # Whoever deletes a draft does not want its period back (N2).
        left_out = {step["detail"] for step in self.timeline.get(ref, ()) if step["action"] == "period skipped"}
        for n, span in owed:
            if n not in invoices and str(n) not in left_out:
                self.says("period missing", ref, f"period {n}, from {span[0]} to {span[1] - DAY}, has no invoice")
        steps = self.timeline.get(ref, ())
        ended = [date.fromisoformat(step["detail"]) for step in steps if step["action"] == "ended"]
        repriced = any(step["action"] == "rent changed" for step in steps)
        wanted = {n for n, _ in owed}
        for n, some in invoices.items():
            self._revisions(ref, n, some)
            for invoice in some:
                before = [day for day in (None, *ended) if ended]
                span = _same_span(lease, n, [lease["ends"]], invoice) or _same_span(lease, n, before, invoice)
                if span is None:
                    have = f"{invoice['period_start']} to {invoice['period_end']}"
                    self.says("period", invoice["id"], f"period {n} of its lease is not {have} (the day after)")
                    continue
                beyond = lease["ends"] is not None and span[1] - DAY > lease["ends"]
                if n not in wanted and not beyond:
                    self.says("period early", invoice["id"], f"period {n} of its lease is not due to be invoiced yet")
                self._rent(lease, n, span, invoice, repriced=repriced and invoice["lifecycle"] == "void")
        self._schedule(lease)

    def _revisions(self, ref: str, n: int, some: Sequence[Row]) -> None:
        live = [row for row in some if row["lifecycle"] != "void"]
        if len(live) > 1:
            self.says("period twice", ref, f"period {n} has {len(live)} invoices that stand")
        self.differ(
            "period twice",
            ref,
            f"period {n}'s revisions",
            sorted(r["revision"] for r in some),
            [*range(1, len(some) + 1)],
        )

    def _rent(self, lease: Row, n: int, span: Span, invoice: Row, *, repriced: bool) -> None:
        ref, policy = invoice["id"], self.policy[lease["biller"]]
        self.differ("customer", ref, "its payer", invoice["customer"], lease["customer"])
        self.differ("late", ref, "its late flag", bool(invoice["late"]), invoice["drafted_on"] >= span[0])
        self.differ("due", ref, "its due date", invoice["due_on"], span[0] + timedelta(policy["due_offset_days"]))
        if lease["method"] != "manual" and invoice["revision"] == 1:
            soonest = span[0] - advance(lease, policy)
            if invoice["drafted_on"] < soonest:
                self.says(
                    "early", ref, f"it was made on {invoice['drafted_on']}, and not before {soonest} it should be"
                )
        lines, whole = self.lines_by.get(ref, []), aligned(lease, n)
        wanted = lines_of(lease, whole, span)
        have = [
            ((row["period_start"], row["period_end"]), row["unit_price_minor"], row["amount_minor"]) for row in lines
        ]
        if have != [each[:3] for each in wanted]:
            if repriced:  # it was voided, and the rent of its days was changed afterwards
                return
            self.says("rent", ref, f"its lines are {have}, and should be {[each[:3] for each in wanted]}")
            return
        part = span != whole
        for row, (days, _, _, exact) in zip(lines, wanted, strict=True):
            told = Fraction(row["share_exact"]) if row["share_exact"] is not None else None
            self.differ("rent", ref, "what a line came to exactly", told, exact)
            if not says_dates(row["description"], days) or says_part(row["description"]) is not part:
                self.says("wording", ref, f"{row['description']!r} is not {days}, {'a part' if part else 'full'}")
            self.differ("tax", ref, "the rates of a line", _rates(row["taxes"]), _rates(lease["taxes"]))

    def _schedule(self, lease: Row) -> None:
        ref, today = lease["id"], self.today(lease["biller"])
        span = billed(lease, lease["next_period"], lease["ends"])
        self.differ("schedule", ref, "that it is finished", bool(lease["finished"]), span is None)
        if span is None or lease["method"] == "manual":
            self.differ("schedule", ref, "its next run", lease["next_run_on"], None)
            return
        soonest = span[0] - advance(lease, self.policy[lease["biller"]])
        self.differ("schedule", ref, "its next run", lease["next_run_on"], soonest)
        if soonest <= today:
            self.says("stuck", ref, f"period {lease['next_period']} has been due since {soonest}")

    # --- invoices: sums, lifecycle, what was written down of them -------------------------------------------------------

    def invoices(self) -> None:
        """Each invoice adds up, and its dates and lifecycle are those of its timeline (M7, M10, D1, R10)."""
        taxes = _grouped(self.tables["invoice_taxes"], "invoice")
        for ref in set(self.lines_by) - set(self.invoice):
            self.says("lines", ref, "it has lines and is not there")
        for ref, invoice in self.invoice.items():
            lines = self.lines_by.get(ref, [])
            for row in lines:
                if row["period_start"] is None:
                    cost = rounded(Fraction(Decimal(row["quantity"])) * row["unit_price_minor"])
                    self.differ("line", ref, f"line {row['position']}", row["amount_minor"], cost)
            pairs = [(row["amount_minor"], _rates(row["taxes"])) for row in lines]
            whole, per_rate = taxes_of(pairs, included=bool(invoice["prices_include_tax"]))
            self.differ("total", ref, "its total", invoice["total_minor"], whole)
            have = {
                (row["name"], row["percent"], row["category"]): (row["base_minor"], row["tax_minor"])
                for row in taxes.get(ref, [])
            }
            self.differ("tax", ref, "its taxes", have, per_rate)
            self._life(invoice)

    def _life(self, invoice: Row) -> None:
        ref, steps = invoice["id"], self.timeline.get(invoice["id"], [])
        if not steps:
            self.says("timeline", ref, "nothing was ever written down of it")
            return
        self.differ("timeline", ref, "the day it was made", invoice["drafted_on"], steps[0]["counts_on"])
        published = [step for step in steps if step["action"] in ("published", "reissued")]
        self.differ("timeline", ref, "how often it was published", len(published), int(invoice["number"] is not None))
        if published and invoice["number"] is not None:
            self.differ("timeline", ref, "its number", invoice["number"], published[0]["detail"])
            self.differ("timeline", ref, "its issue date", invoice["issued_on"], published[0]["counts_on"])
        voided = [step["counts_on"] for step in steps if step["action"] == "voided"]
        life = "void" if voided else "open" if published else "draft"
        self.differ("lifecycle", ref, "its lifecycle", invoice["lifecycle"], life)
        self.differ("timeline", ref, "the day it was voided", invoice["voided_on"], voided[0] if voided else None)
        if steps[-1]["version"] > invoice["version"]:
            self.says("timeline", ref, f"its timeline is at {steps[-1]['version']}, it at {invoice['version']}")
        self.differ("status", ref, "its stored phase", invoice["phase"], _phase(invoice))

    # --- numbers (N1) -------------------------------------------------------------------------------------------------

    def numbers(self) -> None:
        """The numbers of each series of each biller run from 1 without gap or repeat, in the order of issue."""
        given = [("invoice", "number_prefix", row) for row in self.tables["invoices"] if row["number"] is not None]
        given += [("credit_note", "credit_note_prefix", row) for row in self.tables["credit_notes"]]
        series: defaultdict[tuple[str, str], list[tuple[int, Row]]] = defaultdict(list)
        for kind, prefix, row in given:
            policy = self.policy[row["biller"]]
            stem = policy[prefix] + (f"{row['issued_on'].year}-" if policy["yearly_numbers"] else "")
            told = re.fullmatch(re.escape(stem) + r"(\d+)", row["number"])
            if told is None or len(told[1]) < policy["number_digits"]:
                self.says("number", row["id"], f"{row['number']} is no number of the series {stem}")
                continue
            series[row["biller"], f"{kind}/{stem}"].append((int(told[1]), row))
        counters = {(row["biller"], row["series"]): row for row in self.tables["counters"]}
        for key in [*series, *(key for key in counters if key not in series and key[1] != "draft")]:
            some = sorted(series.get(key, []), key=lambda pair: pair[0])
            numbers = [n for n, _ in some]
            following = counters[key]["next_number"] if key in counters else 1
            for n in sorted(set(range(1, following)) - set(numbers)):
                self.says("number gap", f"{key[0]} {key[1]}", f"number {n} is nobody's")
            for n, times in Counter(numbers).items():
                if times > 1 or not 1 <= n < following:
                    self.says(
                        "number twice", f"{key[0]} {key[1]}", f"number {n} was given {times} times, next {following}"
                    )
            slack = timedelta(0) if self.policy[key[0]]["chronological"] else self.apart
            for (_, before), (n, after) in itertools.pairwise(some):
                if before["issued_on"] - slack > after["issued_on"]:
                    self.says("number order", after["id"], f"number {n} is dated before the one before it")
        drafts = Counter((row["biller"], row["draft_reference"]) for row in self.tables["invoices"])
        for (biller, reference), times in drafts.items():
            if reference is not None and times > 1:
                self.says("number twice", biller, f"{times} drafts are called {reference}")

    # --- money: every cent of each payment, and of each invoice (D1, D2, D6, C7, S12) -----------------------------------

    def money(self) -> None:
        """The facts of each invoice follow from rows, and those from the timeline; nothing came from nowhere."""
        paid: Counter[str] = Counter()
        for payment in self.tables["payments"]:
            ref, parts = payment["id"], self.allocations.get(payment["id"], [])
            whole = sum(row["amount_minor"] for row in parts) + payment["credited_minor"]
            self.differ("payment", ref, "the sum of its parts", whole, payment["amount_minor"])
            left = self.taken[ref]
            if left > payment["amount_minor"]:
                self.says("payment", ref, f"{left} of its {payment['amount_minor']} was taken back")
            for row in parts:
                if payment["customer"] is not None and row["invoice"] in self.invoice:
                    self.differ(
                        "payment", ref, "its payer", self.invoice[row["invoice"]]["customer"], payment["customer"]
                    )
                back = min(left, row["amount_minor"])
                left -= back
                paid[row["invoice"]] += row["amount_minor"] - back
        payments = {row["id"] for row in self.tables["payments"]}
        for table, name in (("allocations", "payment"), ("reversals", "payment"), ("refunds", "payment")):
            for row in self.tables[table]:
                if row[name] is not None and row[name] not in payments:
                    self.says("payment", row[name], f"it has {table} and is not there")
        facts = {
            "paid": paid,
            "refunded": _sums(self.refunds, "invoice", lambda row: row["amount_minor"] - (row["of_credit_minor"] or 0)),
            "refunded_credit": _sums(self.refunds, "invoice", lambda row: row["from_credit_minor"]),
            "credit": _sums(self.tables["credit_entries"], "invoice", lambda row: -row["amount_minor"]),
            "in_flight": _sums(
                [row for row in self.tables["collections"] if row["state"] in LIVE], "invoice", lambda row: row["amount_minor"]
            ),
            "noted": _sums(self.tables["credit_notes"], "invoice", lambda row: row["settled_minor"]),
        }  # fmt: skip
        # What a refund turned into credit left the ledger's side of the invoice, not what was applied to it.
        facts["credit"] += _sums(self.refunds, "invoice", lambda row: row["to_credit_minor"])
        for name, sums in facts.items():
            for ref in set(sums) - set(self.invoice) - {None}:
                self.says("facts", ref, f"something is {name} on it and it is not there")
            for ref, invoice in self.invoice.items():
                self.differ("facts", ref, name, invoice[f"{name}_minor"], sums[ref])
        for ref, invoice in self.invoice.items():
            self._story(invoice)
            held = invoice["paid_minor"] + invoice["credit_minor"] - invoice["refunded_minor"]
            if invoice["lifecycle"] == "draft" and (held or invoice["in_flight_minor"]):
                self.says("draft with money", ref, f"{held} is held on a draft")
            if invoice["lifecycle"] == "void" and held > 0 and invoice["customer"] is not None:
                self.says("void with money", ref, f"{held} is held on a void invoice")
        self._every_cent()

    def _story(self, invoice: Row) -> None:
        """What the timeline tells of an invoice's money, step by step, against the facts that are stored."""
        told: Counter[str] = Counter()
        for step in self.timeline.get(invoice["id"], ()):
            sign = _TOLD.get(step["action"])
            if sign is not None:
                amount = minor_of(step["detail"].partition(" ")[0], invoice["currency"])
                told[sign[0]] += sign[1] * amount
                told["came"] += amount if step["action"] == "paid" else 0
                told["again"] += step["action"] == "reversal cancelled"
        given = sum(row["amount_minor"] for row in self.refunds_of.get(invoice["id"], ()))
        if not told["again"]:  # money that is there again may have become credit, and is on it no more
            here = sum(row["amount_minor"] for row in self.allocated.get(invoice["id"], ()))
            self.differ("told", invoice["id"], "what the timeline says came in", told["came"], here)
        self.differ("told", invoice["id"], "what the timeline says was paid", told["paid"], invoice["paid_minor"])
        self.differ("told", invoice["id"], "what it says was credit", told["credit"], invoice["credit_minor"])
        self.differ("told", invoice["id"], "what it says was given back", told["gone"], given)

    def _every_cent(self) -> None:
        """What came in and went out of each biller's till is what is held on invoices and in credit."""
        for biller, row in self.of_biller.items():

            def sums(rows: Iterable[Row], name: str, of: str = biller) -> int:
                return sum(each[name] for each in rows if each["biller"] == of)

            entries = [each for each in self.tables["credit_entries"] if each["biller"] == biller]
            came = sums(self.tables["payments"], "amount_minor")
            came -= sums([each for each in self.tables["reversals"] if each["cancelled_on"] is None], "amount_minor")
            came += sum(each["amount_minor"] for each in entries if each["kind"] == "deposit")
            came += sum(each["amount_minor"] for each in entries if each["kind"] == "withdrawn" and not each["payment"])
            came -= sums(self.refunds, "amount_minor") - sums(self.refunds, "to_credit_minor")
            held = sum(
                sign * sums(self.tables["invoices"], f"{name}_minor")
                for name, sign in (("paid", 1), ("credit", 1), ("refunded", -1))
            )
            newest = {(each["customer"], each["currency"]): each for each in sorted(entries, key=lambda e: e["seq"])}
            held += sum(each["balance_minor"] for each in newest.values())
            self.differ("every cent", row["name"], f"what is held, in minor units of {row['currency']},", held, came)

    # --- credit (C8) --------------------------------------------------------------------------------------------------

    def credit(self) -> None:
        """Each customer's ledger counts from 1, adds up row by row and is never negative; overpayments are all there."""
        for (customer, _), some in _grouped(self.tables["credit_entries"], "customer", "currency").items():
            rows, balance = sorted(some, key=lambda row: row["seq"]), 0
            self.differ("credit", customer, "its rows", [row["seq"] for row in rows], [*range(1, len(rows) + 1)])
            for row in rows:
                balance += row["amount_minor"]
                self.differ("credit", row["id"], "its balance", row["balance_minor"], balance)
                if row["balance_minor"] < 0:
                    self.says("credit", row["id"], "the balance is below zero")
                gives = {"deposit": 1, "returned": 1, "overpayment": 1, "applied": -1, "withdrawn": -1}[row["kind"]]
                if row["amount_minor"] * gives <= 0:
                    self.says("credit", row["id"], f"{row['amount_minor']} is nothing that is {row['kind']}")
        here: Counter[str] = Counter()
        for row in self.tables["credit_entries"]:
            if row["kind"] in ("overpayment", "withdrawn") and row["payment"] is not None:
                here[row["payment"]] += row["amount_minor"]
        given = _sums(self.refunds, "payment", lambda row: row["of_credit_minor"] or 0)
        for payment in self.tables["payments"]:
            ref = payment["id"]
            settles = payment["amount_minor"] - payment["credited_minor"]
            left = payment["credited_minor"] - max(0, self.taken[ref] - settles) - given[ref]
            if payment["customer"] is not None:
                self.differ("credit", ref, "the credit it left", here[ref], left)

    # --- credit notes (P5) --------------------------------------------------------------------------------------------

    def notes(self) -> None:
        """Notes add up, and are together never more than their invoice."""
        lines, taxes = (_grouped(self.tables[f"credit_note_{name}"], "credit_note") for name in ("lines", "taxes"))
        refunds = {row["id"] for row in self.tables["refunds"]}
        for note in self.tables["credit_notes"]:
            ref = note["id"]
            whole = sum(row["amount_minor"] for row in lines.get(ref, []))
            whole += 0 if note["prices_include_tax"] else sum(row["tax_minor"] for row in taxes.get(ref, []))
            self.differ("note", ref, "its total", note["total_minor"], whole)
            if not 0 <= note["settled_minor"] <= note["total_minor"]:
                self.says("note", ref, f"it settles {note['settled_minor']} of {note['total_minor']}")
            if note["refund"] is not None and note["refund"] not in refunds:
                self.says("note", ref, "the refund it names is not there")
        for ref, some in _grouped(self.tables["credit_notes"], "invoice").items():
            whole = sum(note["total_minor"] for note in some)
            if ref not in self.invoice or whole > self.invoice[ref]["total_minor"]:
                self.says("note", ref, f"{whole} was credited of it, which is more than it is")

    # --- charges (C1, C2, C9) -------------------------------------------------------------------------------------------

    def charges(self) -> None:
        """Each charge is on one invoice that stands at most, in the state that says so; none was left behind."""
        on: defaultdict[str, list[str]] = defaultdict(list)
        for ref, lines in self.lines_by.items():
            for row in lines:
                if row["charge"] is not None and ref in self.invoice and self.invoice[ref]["lifecycle"] != "void":
                    on[row["charge"]].append(ref)
        known = {row["id"] for row in self.tables["charges"]}
        for ref in set(on) - known:
            self.says("charge", ref, "it is on an invoice and is not there")
        monthly = {row["id"]: row for row in self.tables["customers"] if row["billing_cycle"] == "monthly"}
        for charge in self.tables["charges"]:
            ref, live = charge["id"], on.get(charge["id"], [])
            if len(live) > 1:
                self.says("charge twice", ref, f"it is on {len(live)} invoices that stand")
            holder = self.invoice.get(charge["invoice"])
            state = "open" if holder is None else "drafted" if holder["lifecycle"] == "draft" else "invoiced"
            if charge["state"] != "cancelled":
                self.differ("charge", ref, "its state", charge["state"], state)
            if holder is not None and holder["lifecycle"] != "void" and live != [holder["id"]]:
                self.says("charge", ref, f"it says it is on {holder['id']}, and is on {live}")
            payer = monthly.get(charge["customer"])
            if charge["state"] == "open" and payer is not None and charge["version"] == 1:
                self._left(charge, payer)
        for payer in monthly.values():
            if payer["next_cycle_on"] <= self.today(payer["biller"]):
                self.says("stuck", payer["id"], f"its month has been due since {payer['next_cycle_on']}")

    def _left(self, charge: Row, payer: Row) -> None:
        """A charge that was there, and dated, before a billing day has been invoiced on it or after (C9)."""
        added = self.timeline[charge["id"]][0]["counts_on"] + self.apart + DAY
        billing_day = payer["next_cycle_on"]
        before = (billing_day.replace(day=1) - DAY).replace(day=min(payer["billing_day"], 28))
        if max(added, charge["charged_on"]) < before:
            self.says("charge left", charge["id"], f"the month of {before} has gone by without it")

    # --- the provider (D2, D3, D6, P1) ----------------------------------------------------------------------------------

    def provider(self, ledger: Sequence[Moved], waiting: set[str]) -> None:
        """What the provider did is what is here: each payment once, each cent, what came back, what it still decides on."""
        by_key: defaultdict[tuple[str, str], list[Moved]] = defaultdict(list)
        for moved in ledger:
            if moved.key.partition("_")[0] in self.of_biller:
                by_key[moved.kind, moved.key].append(moved)
        collections = {row["id"]: row for row in self.tables["collections"]}
        brought = _grouped([row for row in self.tables["payments"] if row["collection"]], "collection")
        back = _grouped(self.tables["reversals"], "payment")
        for ref in set(brought) - set(collections):
            self.says("provider", ref, "a payment came by a collection that is not there")
        for key in {key for kind, key in by_key if kind == "payment"} - set(collections):
            self.says("unknown here", key, "the provider holds a payment under a key of ours that is not here")
        net: Counter[str] = Counter()
        for key, row in collections.items():
            made = by_key["payment", key]
            if len(made) > 1:
                self.says("charged twice", key, f"it was charged {len(made)} times")
            for moved in made:
                self.differ("provider", key, "its amount", row["amount_minor"], moved.minor)
            if not made and (row["state"] in ("pending", "succeeded") or brought.get(key)):
                self.says("unknown there", key, f"it is {row['state']} here, and the provider never had it")
            came = sorted(moved.minor for moved in by_key["collected", key])
            here = sorted(payment["amount_minor"] for payment in brought.get(key, []))
            if came != here:
                self.says("payment missing" if sum(came) > sum(here) else "payment too much", key,
                          f"{came} came at the provider, {here} is here")  # fmt: skip
            lost = sum(moved.minor for moved in by_key["reversal", key])
            lost -= sum(moved.minor for moved in by_key["reversal_cancelled", key])
            taken = sum(self.taken[payment["id"]] for payment in brought.get(key, []))
            credited = any(payment["credited_minor"] for payment in brought.get(key, []))
            if taken != lost and not (credited and taken < lost):  # credit that was spent cannot be taken back
                self.says("taken back", key, f"{lost} was taken back at the provider, {taken} here")
            told = [r for payment in brought.get(key, []) for r in back.get(payment["id"], [])]
            self.differ("taken back", key, "how often it was taken back", len(told), len(by_key["reversal", key]))
            net[row["invoice"]] += sum(came) - lost
            if (key in waiting) != (row["state"] == "pending") and not self._doubted(row):
                there = "waits for its bank" if key in waiting else "is over"
                self.says("state", key, f"it is {row['state']} here, and {there} at the provider")
        told_of = {row["invoice"] for row in self.tables["alerts"] if row["kind"] == "overpaid"}
        for ref, whole in net.items():
            if ref in self.invoice and whole > self.invoice[ref]["total_minor"] and ref not in told_of:
                self.says(
                    "charged twice", ref, f"{whole} was collected for it, and it is {self.invoice[ref]['total_minor']}"
                )
        self._refunded(by_key)

    def _doubted(self, row: Row) -> bool:
        """Whether a person was told to look."""
        asks = ("doubtful", "mismatch", "unrecognised")
        return any(a["state"] == "open" and a["kind"] in asks for a in self.alerts.get(row["id"], []))

    def _refunded(self, by_key: Mapping[tuple[str, str], list[Moved]]) -> None:
        refunds = {row["id"]: row for row in self.tables["refunds"] if row["gateway"] is not None}
        elsewhere = {row["reference"]: ref for ref, row in refunds.items() if not by_key.get(("refund", ref))}
        kept: defaultdict[tuple[str, str], list[Moved]] = defaultdict(list)
        for (kind, key), some in by_key.items():
            for moved in some:
                # One that was not made from here, or by what a restored backup has forgotten, is known by its name.
                kept[kind, key if key in refunds else elsewhere.get(moved.reference, key)].append(moved)
        for key in {key for kind, key in kept if kind == "refund"} - set(refunds):
            self.says("unknown here", key, "the provider gave money back under a key of ours that is not here")
        for key, row in refunds.items():
            made = kept["refund", key]
            if len(made) > 1:
                self.says("refunded twice", key, f"it was refunded {len(made)} times")
            gone = sum(moved.minor for moved in made)
            gone -= sum(moved.minor for moved in kept["refund_failed", key])
            if not self._doubted(row):
                self.differ(
                    "refund", key, "what was given back", 0 if row["state"] in GONE else row["amount_minor"], gone
                )

    # --- messages (R7, S9, P3) ----------------------------------------------------------------------------------------

    def messages(self, posted: Mapping[str, int] | None, repeats: int) -> None:
        """Each invoice's payer is told once of each thing, who is to be e-mailed was, and what is sent went out."""
        told = Counter((row["invoice"], row["kind"], row["about"]) for row in self.tables["messages"])
        for (ref, kind, about), times in told.items():
            if times > 1:
                self.says("told twice", ref, f"{kind} {about or ''} was queued {times} times")
            if ref not in self.invoice:
                self.says("told", ref, f"{kind} is about an invoice that is not there")
        by_mail = {row["id"] for row in self.tables["leases"] if row["method"] == "email_pdf"}
        # Who asked not to be told is not, where drafts are published by hand or in bulk (C4, S9).
        quiet = {row["id"] for row in self.tables["customers"] if row["notify"] is not None and not row["notify"]}
        quiet -= {row["id"] for row in self.tables["customers"] if self.policy[row["biller"]]["run_issues"]}
        for ref, row in self.invoice.items():
            wanted = row["number"] is not None and row["lease"] in by_mail and row["bill_to_email"] is not None
            if wanted and row["customer"] not in quiet and (ref, "invoice_issued", None) not in told:
                self.says("not told", ref, "its payer was never sent it")
        states = {row["id"]: row for row in self.tables["messages"]}
        for ref, row in states.items():
            if row["state"] in ("queued", "failed"):
                self.says("stuck", ref, f"a message is {row['state']}: {row['error']}")
            if posted is not None and row["state"] == "sent" and ref not in posted:
                self.says("not sent", ref, "it is said to be sent, and never went out")
        if posted is not None:
            for ref in set(posted) - set(states):
                self.says("not sent", ref, "it went out, and is not there")
            again = sum(times - 1 for times in posted.values())
            if again > repeats:
                self.says("sent twice", "outbox", f"{again} messages went out again, and {repeats} deliverers died")

    # --- work that nobody would do any more -----------------------------------------------------------------------------

    def work(self) -> None:
        """Nothing that was due is still to be done, and nothing waits without a time to be looked at or a person told."""
        for row in self.tables["collections"]:
            due = row["next_try_at"] is not None and row["next_try_at"] <= self.at
            if due and row["state"] in (*UNFINISHED, "failed", "not_executed"):
                self.says("stuck", row["id"], f"it is {row['state']} and was to be looked at on {row['next_try_at']}")
            if row["next_try_at"] is None and row["state"] in UNFINISHED and not self._doubted(row):
                self.says("stuck", row["id"], f"it is {row['state']} and nobody looks at it")
            if row["state"] in ("submitting", "unknown") and not self._doubted(row):
                self.says("stuck", row["id"], f"it is {row['state']} though everything has come to rest")
        for ref, some in _grouped(self.tables["collections"], "invoice").items():
            if sum(row["state"] in UNFINISHED for row in some) > 1:
                self.says("charged twice", ref, "it has two collections at once")
        for row in self.tables["refunds"]:
            if row["state"] in ("reserved", "submitting", "unknown") and not self._doubted(row):
                self.says("stuck", row["id"], f"a refund is {row['state']}")
        for row in self.tables["inbox_events"]:
            if row["state"] in ("waiting", "parked"):
                self.says("stuck", row["id"], f"an event of the provider is {row['state']}: {row['error']}")
        for row in self.tables["saved_methods"]:
            if row["next_try_at"] is not None and row["next_try_at"] <= self.at:
                self.says("stuck", row["id"], f"a saved method is {row['state']} and was to be asked for")

    # --- what the business did by hand (N3) -----------------------------------------------------------------------------

    def by_hand(self, orders: Sequence[Order]) -> None:
        """What was asked for by hand is here once, as much as was told, and nothing is here that nobody asked for."""
        uses = {row["id"]: row for row in self.tables["key_uses"]}
        rows: dict[str, Row] = {}
        for table in ("payments", "refunds", "reversals", "credit_entries", "credit_notes"):
            rows |= {row["id"]: row for row in self.tables[table]}
        asked = set()
        for order in orders:
            use = uses.get(order.key)
            if not order.done:
                if use is not None:
                    self.says("refused and done", order.key, f"{order.action} was refused, and is here")
                continue
            if use is None:
                self.says("lost", order.key, f"{order.action} of {order.minor} was done, and is not here")
                continue
            for ref in json.loads(use["results"]):
                asked.add(ref)
                if ref not in rows:
                    self.says("lost", order.key, f"{order.action} made {ref}, which is not there")
                else:
                    amount = abs(rows[ref].get("amount_minor", rows[ref].get("total_minor")))
                    # Of what is taken back, credit that was spent meanwhile stays lost.
                    if amount != order.minor and not (order.action == "payments.reverse" and amount < order.minor):
                        self.says("amount", order.key, f"{order.action} was of {order.minor}, and is {amount} here")
        mine = [row for row in self.tables["payments"] if row["collection"] is None]
        mine += [row for row in self.tables["credit_entries"] if row["kind"] == "deposit"]
        mine += [r for r in self.tables["credit_entries"] if r["kind"] == "withdrawn" and r["payment"] is None]
        mine += [row for row in self.tables["reversals"] if row["kind"] == "by_hand"]
        of_notes = {row["refund"] for row in self.tables["credit_notes"]}
        mine += [row for row in self.tables["refunds"] if row["gateway"] is None and row["id"] not in of_notes]
        for row in mine:
            if row["id"] not in asked:
                self.says("nobody asked", row["id"], f"{row['amount_minor']} moved, and nobody asked for it")


_TOLD = {
    "paid": ("paid", 1),
    "payment reversed": ("paid", -1),
    "reversal cancelled": ("paid", 1),
    "credit applied": ("credit", 1),
    "credit returned": ("credit", -1),
    "refunded": ("gone", 1),
    "refund failed": ("gone", -1),
}
"""What a step of a timeline does to an invoice's money; its detail begins with how much."""


def _sums(rows: Iterable[Row], name: str, of: Callable[[Row], int]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for row in rows:
        found[row[name]] += of(row)
    return found


def _costs(lease: Row, n: int, span: Span) -> bool:
    """Whether a period comes to anything at all; what does not is not invoiced (M10)."""
    lines = [(amount, _rates(lease["taxes"])) for _, _, amount, _ in lines_of(lease, aligned(lease, n), span)]
    return taxes_of(lines, included=False)[0] > 0


def _same_span(lease: Row, n: int, ends: Sequence[date | None], invoice: Row) -> Span | None:
    """The billed period an invoice says it is for, if the lease had it with one of these ends."""
    said = invoice["period_start"], invoice["period_end"]
    return next((span for end in ends if (span := billed(lease, n, end)) == said), None)


def _phase(invoice: Row) -> str:
    """What an invoice's facts make of it, without a date (D2)."""
    if invoice["lifecycle"] in ("draft", "void"):
        return str(invoice["lifecycle"])
    settled = invoice["paid_minor"] + invoice["credit_minor"]
    owed = invoice["total_minor"] - settled - invoice["noted_minor"]
    if owed <= 0:
        return "refunded" if 0 < settled <= invoice["refunded_minor"] else "paid"
    return "pending" if invoice["in_flight_minor"] >= owed else "due"
