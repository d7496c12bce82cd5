"""What the auditor reads and keeps at hand: the tables as they are, rows by what they belong to, and what it found."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from auditor_sums import Rate, Row, minor_of


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
    """One thing the business asked for by hand: under which key, which action, how much, and whether it was done.

    `of` are the ids it named: the invoices of a receipt, the invoice of a refund or a note, the payment that is taken
    back, the customer of a deposit. `received` is the day money was said to have come, None when nobody said.
    """

    key: str
    action: str
    minor: int
    done: bool = True
    of: tuple[str, ...] = ()
    received: date | None = None


LIVE = ("reserved", "submitting", "pending", "unknown")
UNFINISHED = (*LIVE, "open", "closing")
GONE = ("failed", "not_executed")  # states in which a refund gave nothing back

TABLES = (
    "billers customers leases charges invoices lines invoice_taxes payments allocations reversals refunds "
    "credit_entries events messages key_uses counters saved_methods collections inbox_events alerts credit_notes "
    "credit_note_lines credit_note_taxes units bookings booking_groups"
).split()
DAYS = (
    "starts ends bill_from next_run_on drafted_on due_on issued_on voided_on period_start period_end cycle "
    "next_cycle_on charged_on counts_on cancelled_on last_on received_on refunded_on reversed_on entered_on failed_on "
    "arrives departs"
).split()


def read(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table the auditor looks at, its dates and instants as such on either database."""
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


def grouped(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    """Rows by one of their columns, or by several."""
    found: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)].append(row)
    return found


def rates(written: str | None) -> list[Rate]:
    """The rates that are written on a line, a charge or a lease."""
    return [(each["name"], each["percent"], each["category"]) for each in json.loads(written or "[]")]


class Books:
    """Rows by what they belong to, and what was found."""

    def __init__(
        self, tables: Mapping[str, list[dict[str, Any]]], at: datetime, apart: timedelta, by_hand: Iterable[str]
    ) -> None:
        self.tables, self.at, self.apart = tables, at, apart
        self.found: list[Finding] = []
        self.of_biller = {row["id"]: row for row in tables["billers"]}
        self.policy = {row["id"]: json.loads(row["policy"]) for row in tables["billers"]}
        self.invoice = {row["id"]: row for row in tables["invoices"]}
        self.lines_by = grouped(sorted(tables["lines"], key=lambda row: row["position"]), "invoice")
        steps = sorted(tables["events"], key=lambda row: (row["version"], row["step"]))
        self.timeline = grouped(steps, "subject")
        self.allocations = grouped(sorted(tables["allocations"], key=lambda row: row["position"]), "payment")
        self.refunds = [row for row in tables["refunds"] if row["state"] not in GONE]
        self.refunds_of = grouped(self.refunds, "invoice")
        self.customer = {row["id"]: row for row in tables["customers"]}
        self.unit = {row["id"]: row for row in tables["units"]}
        self.payment = {row["id"]: row for row in tables["payments"]}
        self.collection = {row["id"]: row for row in tables["collections"]}
        self.notes_of = grouped(tables["credit_notes"], "invoice")
        self.allocated = grouped(tables["allocations"], "invoice")
        standing = [row for row in tables["reversals"] if row["cancelled_on"] is None]
        self.taken: Counter[str] = Counter()
        for row in standing:
            self.taken[row["payment"]] += row["amount_minor"]
        self.credit_of = grouped(tables["credit_entries"], "payment")
        self.undone: set[str] = set()  # payments that were taken back and are there again
        self.undone_on: defaultdict[tuple[str, date], list[Row]] = defaultdict(list)
        for row in tables["reversals"]:
            brought = self.collection.get(self.payment.get(row["payment"], {}).get("collection"))
            if row["cancelled_on"] is not None:
                self.undone.add(row["payment"])
            if brought is not None and row["cancelled_on"] is not None:
                self.undone_on[brought["invoice"], row["cancelled_on"]].append(row)
        self.fees: dict[str, list[tuple[Row, int]]] = {}  # what each invoice's story tells of late fees
        self.alerts = grouped(tables["alerts"], "about")
        self.alerts_on = grouped(tables["alerts"], "invoice")
        self.letters = grouped(tables["messages"], "invoice")
        asked = [row for row in tables["key_uses"] if row["action"] == "leases.generate"]
        self.by_hand = {ref for row in asked for ref in json.loads(row["results"])} | set(by_hand)

    def says(self, kind: str, about: object, sentence: str) -> None:
        """A finding."""
        self.found.append(Finding(kind, str(about), sentence))

    def differ(self, kind: str, about: object, what: str, here: object, wanted: object) -> None:
        """A finding unless what is here is what is wanted."""
        if here != wanted:
            self.says(kind, about, f"{what} is {here}, and should be {wanted}")

    def steps(self, subject: str, *actions: str) -> list[Row]:
        """The steps of a record's timeline that have one of these names, in their order."""
        return [step for step in self.timeline.get(subject, ()) if step["action"] in actions]

    def changed_since(self, subject: str, invoice: str) -> set[str]:
        """What of a lease, customer or biller was edited since an invoice was begun; `""` where it is not told what.

        Clocks of two who work at once may be apart, so what was changed a little before counts too.
        """
        began = (
            self.timeline[invoice][0]["happened_at"] if invoice in self.timeline else datetime.min.replace(tzinfo=UTC)
        )
        late = [s for s in self.steps(subject, "edited") if s["happened_at"] + self.apart >= began]
        return {name for step in late for name in step["detail"].split(", ")}

    def told(self, step: Row, row: Row) -> int:
        """How much a step tells of, in the currency of a row; its detail begins with it."""
        return minor_of(step["detail"].partition(" ")[0], row["currency"])

    def paid_on(self, payment: Row) -> set[date]:
        """The days on which a payment was written down, by the timelines of what it settled, or by its own."""
        ref = payment["id"]
        parts = self.allocations.get(ref, ())
        steps = [(step, part) for part in parts for step in self.steps(part["invoice"], "paid")]
        sure = [step for step, part in steps if self.told(step, payment) == part["amount_minor"]]
        if ref in self.undone and payment["collection"] in self.collection:
            # What was taken back and is there again may have become credit since: its parts are not what they were.
            sure = self.steps(self.collection[payment["collection"]]["invoice"], "paid")
        return {step["counts_on"] for step in (*sure, *self.steps(ref, "paid"))}

    def doubted(self, row: Row) -> bool:
        """Whether a person was told to look at a collection or a refund, and has not yet."""
        asks = ("doubtful", "mismatch", "unrecognised")
        return any(a["state"] == "open" and a["kind"] in asks for a in self.alerts.get(row["id"], []))

    def today(self, biller: str) -> date:
        """The civil date of the audit where a biller is (M1)."""
        return self.at.astimezone(ZoneInfo(self.of_biller[biller]["timezone"])).date()


def sums(rows: Iterable[Row], name: str, of: Callable[[Row], int]) -> Counter[Any]:
    """What some rows come to, by one of their columns."""
    found: Counter[Any] = Counter()
    for row in rows:
        found[row[name]] += of(row)
    return found


def phase(invoice: Row) -> str:
    """What an invoice's facts make of it, without a date (D2)."""
    if invoice["lifecycle"] in ("draft", "void"):
        return str(invoice["lifecycle"])
    settled = invoice["paid_minor"] + invoice["credit_minor"]
    owed = invoice["total_minor"] - settled - invoice["noted_minor"]
    if owed <= 0:
        return "refunded" if 0 < settled <= invoice["refunded_minor"] else "paid"
    return "pending" if invoice["in_flight_minor"] >= owed else "due"
