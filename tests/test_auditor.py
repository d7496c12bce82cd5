"""The auditor is clean on honest books and names every loss that is planted in them; it shares no code with what it judges."""

from __future__ import annotations

import ast
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import soak_worker
from auditor import Finding, Moved, Order, audit
from auditor_sums import aligned, billed, lines_of
from invoicecore import DayCount, Frequency, InvoiceMethod
from invoicecore import leases as rules
from invoicecore.leases import Lease
from invoicecore.money import from_minor, minor
from invoicecore.parties import Biller
from invoicecore.taxes import TaxRate
from invoicecore.testing import FixedClock
from soak import Banks, Size, Soak
from soak_worker import Answer, Fuse, Job
from soak_world import BACK, BEGINS

HERE = Path(__file__).parent


# --- what it stands on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["auditor", "auditor_sums"])
def test_the_auditor_knows_nothing_of_the_library_it_judges(name: str) -> None:
    wanted = {"auditor_sums", "sqlalchemy"}
    for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text("utf-8"))):
        modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            root = module.partition(".")[0]
            assert root in wanted or not (HERE / f"{root}.py").exists(), f"{name} imports {module}, a room of the tests"
            assert not root.startswith("invoicecore"), f"{name} imports {module}"


DAYS = st.dates(date(2019, 1, 1), date(2031, 12, 31))


@given(
    frequency=st.sampled_from(Frequency),
    anchor=st.sampled_from([None, 1, 15, 29, 30, 31, -1]),
    starts=DAYS,
    length=st.none() | st.integers(0, 900),
    day_count=st.sampled_from(DayCount),
    rent=st.integers(1, 10**7),
    changes=st.dictionaries(DAYS, st.integers(1, 10**7), max_size=3),
    n=st.integers(0, 30),
)
@pytest.mark.rule("M2", "M4", "M5", "M9", "S3")
def test_what_it_works_out_a_second_time_is_what_the_library_worked_out(
    frequency: Frequency,
    anchor: int | None,
    starts: date,
    length: int | None,
    day_count: DayCount,
    rent: int,
    changes: dict[date, int],
    n: int,
) -> None:
    ends = None if length is None else starts + timedelta(days=length)
    anchor_day = anchor if frequency.months else None
    lease = Lease(
        id="l", biller="b", customer="c", unit=None, rent=from_minor(rent, "EUR"), frequency=frequency, starts=starts,
        ends=ends, anchor_day=anchor_day, day_count=day_count,
        changes=tuple(rules.RentChange(since=day, rent=from_minor(to, "EUR")) for day, to in sorted(changes.items())),
    )  # fmt: skip
    row = {
        "rent_minor": rent, "frequency": frequency.value, "starts": starts, "ends": ends, "anchor_day": anchor_day,
        "day_count": day_count.value, "changes": sorted(changes.items()),
    }  # fmt: skip
    whole, part = rules.aligned_period(lease, n), rules.billed_period(lease, n)
    assert aligned(row, n) == (whole.start, whole.end)
    assert billed(row, n, ends) == (None if part is None else (part.start, part.end))
    if part is not None:
        lines = rules.lease_lines(lease, whole, part, locale="en_GB")
        assert lines_of(row, aligned(row, n), (part.start, part.end)) == [
            (
                (line.period.start, line.period.end) if line.period else None,
                minor(line.unit_price),
                minor(line.amount),
                line.share.exact if line.share else None,
            )
            for line in lines
        ]


# --- an honest business -----------------------------------------------------------------------------------------------


class Town:
    """A park and a practice in which everything that moves money has happened once, on an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.banks = Banks(random.Random(1))
        self.box = folder / "sent"
        self.url = f"sqlite:///{folder / 'town.db'}"
        self.clock = FixedClock(BEGINS)
        self.desk = soak_worker.opened(self.banks.outside(self.url, str(self.box)), self.clock, Fuse())
        self.orders: list[Order] = []
        self._live()
        evidence = Counter(self.box.read_text().split())
        self.evidence: dict[str, Any] = {
            "at": self.clock.now(), "ledger": self.banks.ledger(), "waiting": self.banks.waiting(),
            "orders": self.orders, "posted": evidence,
        }  # fmt: skip
        self.desk.close()
        self.banks.close()

    def by_hand(self, verb: str, **given: Any) -> Answer:
        """Something the business does itself, under a key."""
        key = f"{verb} {len(self.orders)}"
        answer = soak_worker.act(self.desk, Job(verb, given, key))
        assert not answer.error, answer
        if answer.minor is not None and verb != "credits.apply":
            self.orders.append(Order(key, verb, answer.minor))
        return answer

    def day(self, days: float = 1, *verbs: str) -> None:
        """Let days pass, banks and webhooks come, and call what a host's timers call."""
        self.clock.advance(timedelta(days=days))
        self.banks.move(self.clock.now())
        for verb in verbs or ("run", "collect", "recover", "remind", "deliver"):
            assert not soak_worker.act(self.desk, Job(verb)).error
        self.hear()

    def hear(self) -> None:
        """Every webhook arrives."""
        for delivery in self.banks.debits.deliveries():
            self.desk.receive("gocardless", delivery.body, delivery.headers)

    def bank(self, act: Callable[[str], object]) -> None:
        """Have the banks do something with every debit that waits for them."""
        for payment in [*self.banks.debits.provider.account.payments.values()]:
            if payment.status in ("pending_submission", "submitted"):
                act(payment.id)
        self.hear()

    def _live(self) -> None:
        desk = self.desk
        park = desk.billers.add(
            name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays",
            policy={"reminders": (3,), "late_fee": {"amount": "5.00", "after_days": 5}},
        )  # fmt: skip
        alice, bob = desk.customers.add_many(
            biller=park, rows=[{"name": name, "email": f"{name}@example.com"} for name in ("alice", "bob")]
        )
        page = desk.methods.setup(bob, return_url=BACK)
        self.banks.press("gocardless", page.url)
        self.hear()
        vat = TaxRate(name="TVA", percent="10", category="S")
        self._leases(park, alice.id, bob.id, vat)
        self.day(0)
        self.day(20)
        self.bank(self.banks.debits.collect)
        bills = desk.invoices.visible_to(alice).items
        mine = {"currency": "EUR", "rest": None, "asked": None}
        self.by_hand("payments.record", invoices=[bills[0].id], **mine)
        self.by_hand("payments.record", invoices=[bills[1].id, bills[2].id], **mine)
        self.by_hand("payments.record", invoices=[bills[3].id], currency="EUR", rest="credit", asked=90_000)
        self.by_hand("payments.refund", invoice=bills[1].id, asked=1_000, currency="EUR", to="source")
        self.by_hand("payments.refund", invoice=bills[2].id, asked=700, currency="EUR", to="credit")
        self.by_hand("credits.deposit", customer=bob.id, asked=5_000, currency="EUR")
        self.by_hand("credits.withdraw", customer=bob.id, asked=1_500, currency="EUR")
        self.by_hand(
            "payments.reverse", payment=desk.payments.find(invoice=bills[0])[0].id, asked=minor(bills[0].total)
        )
        self.by_hand("credits.apply", invoice=bills[0].id)
        self.by_hand("credit_notes.issue", invoice=bills[3].id, asked=2_500, currency="EUR")
        lease = desk.leases.find(biller=park, customer=alice)[0]
        self.by_hand("leases.change_rent", lease=lease.id, asked=70_000, currency="EUR", since=date(2026, 3, 18))
        self.day(25)
        newest = desk.invoices.visible_to(alice).items[-1]
        self.by_hand("invoices.void", invoice=newest.id, release=False)
        self.by_hand("leases.generate", lease=newest.lease, reissue=True)
        debited = [each for each in desk.invoices.visible_to(bob).items if each.facts.paid.amount]
        self.by_hand("payments.refund", invoice=debited[0].id, asked=1_200, currency="EUR", to="gateway")
        came = [e.reference for e in self.banks.debits.effects() if e.kind.value == "collected"]
        self.banks.debits.reverse(came[1], soak_chargeback())
        self.bank(lambda name: self.banks.debits.fail(name, "insufficient_funds"))
        desk.leases.end(desk.leases.find(biller=park, customer=alice)[1], date(2026, 2, 25))
        self._practice()
        for _ in range(3):
            self.day(9)
        for refund in [*self.banks.debits.provider.account.refunds.values()]:
            self.banks.debits.settle_refund(refund.id)
        self.hear()
        self.day(0)
        self.day(0.05)

    def _leases(self, park: Biller, alice: str, bob: str, vat: TaxRate) -> None:
        month, debit = Frequency.MONTHLY, InvoiceMethod.DIRECT_DEBIT

        def lease(who: str, unit: str, rent: int, starts: date, **more: Any) -> None:
            self.desk.leases.add(
                biller=park, customer=who, unit=unit, rent=from_minor(rent, "EUR"), starts=starts, **more
            )

        lease(alice, "1", 62_000, date(2025, 12, 10), frequency=month, anchor_day=1, taxes=(vat,))
        lease(alice, "2", 21_000, date(2026, 1, 3), frequency=Frequency.FORTNIGHTLY)
        lease(bob, "3", 80_000, date(2026, 1, 12), frequency=month, method=debit, ends=date(2026, 6, 5))
        lease(bob, "4", 9_000, date(2026, 1, 8), frequency=Frequency.WEEKLY, method=debit)

    def _practice(self) -> None:
        desk = self.desk
        practice = desk.billers.add(
            name="Harley", currency="GBP", timezone="Europe/London", locale="en_GB", preset="clients",
            policy={"run_issues": True},
        )  # fmt: skip
        client = desk.customers.add(
            biller=practice, name="carol", email="carol@example.com", billing_cycle="monthly", billing_day=1
        )
        rows = [("Hour", 8_000, date(2026, 2, 20)), ("Report", 12_345, date(2026, 2, 21))]
        self.by_hand("charges.add", customer=client.id, rows=rows, currency="GBP")


def soak_chargeback() -> Any:
    """A payer who has their bank take a debit back."""
    from invoicecore.payments import ReversalKind

    return ReversalKind.CHARGEBACK


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town"))


def test_honest_books_are_clean(town: Town) -> None:
    assert audit(town.url, **town.evidence) == []


def test_months_of_six_businesses_are_clean(tmp_path: Path) -> None:
    play = Soak(f"sqlite:///{tmp_path / 'x.db'}", Size(leases=40, months=2, workers=1), 5, tmp_path, processes=False)
    try:
        verdict = play.play()
    finally:
        play.close()
    assert not verdict.findings, verdict
    assert not verdict.troubles, verdict
    assert verdict.figures["rows of invoices"] > 80


# --- what is planted --------------------------------------------------------------------------------------------------

PAID = "SELECT id FROM invoices WHERE phase = 'paid' AND kind = 'lease'"
BY_HAND = "SELECT p.id, a.invoice FROM payments p JOIN allocations a ON a.payment = p.id WHERE p.collection IS NULL AND p.id NOT IN (SELECT payment FROM reversals)"
DEBITED = "SELECT p.id, p.collection FROM payments p WHERE p.collection IS NOT NULL AND p.id NOT IN (SELECT payment FROM reversals)"
OF_TWO_LINES = "SELECT invoice FROM lines GROUP BY invoice HAVING count(*) > 1 AND count(period_start) = count(*)"
WITH_TAX = "SELECT invoice FROM invoice_taxes"

# what is done: which record (and what a finding is about, if not that), by which statements, and the kind of finding
PLANTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    # leases and their periods
    "an invoice is deleted": (
        "SELECT id, lease FROM invoices WHERE phase = 'due' AND kind = 'lease' AND in_flight_minor = 0",
        ("DELETE FROM lines WHERE invoice = :id", "DELETE FROM invoice_taxes WHERE invoice = :id",
         "DELETE FROM events WHERE subject = :id", "DELETE FROM messages WHERE invoice = :id",
         "DELETE FROM invoices WHERE id = :id"),
        "period missing",
    ),
    "a period is invoiced twice": (
        PAID.replace("id", "id, lease", 1) + " AND revision = 1",
        ("UPDATE invoices SET lease = (SELECT lease FROM invoices WHERE id = :id), revision = 2,"
         " period_index = (SELECT period_index FROM invoices WHERE id = :id)"
         " WHERE id = (SELECT i.id FROM invoices i WHERE i.id <> :id AND i.kind = 'lease' AND i.lifecycle = 'open' LIMIT 1)",),
        "period twice",
    ),
    "a period is a day longer": (PAID, ("UPDATE invoices SET period_end = date(period_end, '+1 day') WHERE id = :id",), "period"),
    "a late flag is taken off": ("SELECT id FROM invoices WHERE late", ("UPDATE invoices SET late = 0 WHERE id = :id",), "late"),
    "a late flag is put on": (
        "SELECT id FROM invoices WHERE NOT late AND kind = 'lease'", ("UPDATE invoices SET late = 1 WHERE id = :id",), "late",
    ),
    "a due date is moved": (PAID, ("UPDATE invoices SET due_on = date(due_on, '+1 day') WHERE id = :id",), "due"),
    "it is made to look as if it had been drafted in time": (
        "SELECT id FROM invoices WHERE late",
        ("UPDATE invoices SET late = 0, drafted_on = date(period_start, '-3 days') WHERE id = :id",),
        "timeline",
    ),
    "it was made long before its time": (
        "SELECT id FROM invoices WHERE kind = 'lease' AND NOT late",
        ("UPDATE invoices SET drafted_on = date(drafted_on, '-9 days') WHERE id = :id",
         "UPDATE events SET counts_on = date(counts_on, '-9 days') WHERE subject = :id"),
        "early",
    ),
    "a revision is skipped": ("SELECT id, lease FROM invoices WHERE revision = 2", ("UPDATE invoices SET revision = 3 WHERE id = :id",), "period twice"),
    "a lease forgets its next run": (
        "SELECT id FROM leases WHERE next_run_on IS NOT NULL", ("UPDATE leases SET next_run_on = NULL WHERE id = :id",), "schedule",
    ),
    "a lease is put off": (
        "SELECT id FROM leases WHERE next_run_on IS NOT NULL",
        ("UPDATE leases SET next_run_on = date(next_run_on, '+1 year') WHERE id = :id",),
        "schedule",
    ),
    "a lease skips a period": (
        "SELECT id FROM leases WHERE next_run_on IS NOT NULL", ("UPDATE leases SET next_period = next_period + 1 WHERE id = :id",), "schedule",
    ),
    "a lease is closed": ("SELECT id FROM leases WHERE NOT finished", ("UPDATE leases SET finished = 1 WHERE id = :id",), "schedule"),
    "an invoice has another payer than its lease": (
        PAID, ("UPDATE invoices SET customer = (SELECT id FROM customers c WHERE c.id <> customer LIMIT 1) WHERE id = :id",), "customer",
    ),
    # amounts
    "a cent is taken off a line": (PAID, ("UPDATE lines SET amount_minor = amount_minor - 1 WHERE invoice = :id",), "rent"),
    "a cent is moved from one line to another": (
        OF_TWO_LINES,
        ("UPDATE lines SET amount_minor = amount_minor + CASE position WHEN 0 THEN 1 ELSE -1 END WHERE invoice = :id AND position < 2",),
        "rent",
    ),
    "a line, its total and its payment are a cent less": (
        BY_HAND.replace("p.id, a.invoice", "a.invoice"),
        ("UPDATE lines SET amount_minor = amount_minor - 1 WHERE invoice = :id AND position = 0",
         "UPDATE invoices SET total_minor = total_minor - 1 WHERE id = :id"),
        "rent",
    ),
    "a price by the hour is changed": (
        "SELECT invoice FROM lines WHERE charge IS NOT NULL", ("UPDATE lines SET unit_price_minor = unit_price_minor - 1 WHERE invoice = :id",), "line",
    ),
    "a total is a cent more": (PAID, ("UPDATE invoices SET total_minor = total_minor + 1 WHERE id = :id",), "total"),
    "a tax is a cent less": (WITH_TAX, ("UPDATE invoice_taxes SET tax_minor = tax_minor - 1 WHERE invoice = :id",), "tax"),
    "a tax is left off": (
        WITH_TAX,
        ("UPDATE invoices SET total_minor = total_minor - (SELECT tax_minor FROM invoice_taxes WHERE invoice = :id) WHERE id = :id",
         "DELETE FROM invoice_taxes WHERE invoice = :id", "UPDATE lines SET taxes = NULL WHERE invoice = :id"),
        "tax",
    ),
    "what a line came to is forgotten": (
        "SELECT invoice FROM lines WHERE share_exact IS NOT NULL", ("UPDATE lines SET share_exact = '1/3' WHERE invoice = :id",), "rent",
    ),
    "a line is said to be for other days": (
        PAID, ("UPDATE lines SET description = replace(description, '/20', '/19') WHERE invoice = :id",), "wording",
    ),
    # numbers
    "a number is shifted": (
        "SELECT id, biller || ' invoice/INV-' FROM invoices WHERE number IS NOT NULL ORDER BY number",
        ("UPDATE invoices SET number = 'INV-000999' WHERE id = :id", "UPDATE events SET detail = 'INV-000999' WHERE subject = :id AND action = 'published'"),
        "number gap",
    ),
    "a number is given twice": (
        "SELECT id, biller || ' invoice/INV-' FROM invoices WHERE number IS NOT NULL ORDER BY number DESC",
        ("DROP INDEX invoices_unique_number",
         "UPDATE invoices SET number = 'INV-000001' WHERE id = :id"),
        "number twice",
    ),
    "a counter has moved on": (
        "SELECT biller, biller || ' invoice/INV-' FROM counters WHERE series = 'invoice/INV-'",
        ("UPDATE counters SET next_number = next_number + 1 WHERE biller = :id AND series = 'invoice/INV-'",),
        "number gap",
    ),
    "an invoice was dated back": (
        "SELECT id FROM invoices WHERE number = (SELECT max(number) FROM invoices)",
        ("UPDATE invoices SET issued_on = date(issued_on, '-20 days') WHERE id = :id",
         "UPDATE events SET counts_on = date(counts_on, '-20 days') WHERE subject = :id AND action = 'published'"),
        "number order",
    ),
    "a credit note is deleted": (
        "SELECT id, biller || ' credit_note/CN-' FROM credit_notes", ("DELETE FROM credit_note_lines WHERE credit_note = :id",
        "DELETE FROM credit_note_taxes WHERE credit_note = :id", "DELETE FROM credit_notes WHERE id = :id"), "number gap",
    ),
    "a credit note says more than its lines": ("SELECT id FROM credit_notes", ("UPDATE credit_notes SET total_minor = total_minor + 1 WHERE id = :id",), "note"),
    # money
    "a payment by hand is deleted": (BY_HAND, ("DELETE FROM allocations WHERE payment = :id", "DELETE FROM payments WHERE id = :id"), "facts"),
    "a payment by hand is deleted and its invoice owes again": (
        "SELECT p.id, u.id FROM payments p JOIN key_uses u ON u.results LIKE '%' || p.id || '%' WHERE p.credited_minor = 0",
        ("UPDATE invoices SET paid_minor = paid_minor - (SELECT amount_minor FROM allocations a WHERE a.payment = :id AND a.invoice = invoices.id)"
         " WHERE id IN (SELECT invoice FROM allocations WHERE payment = :id)",
         "UPDATE invoices SET phase = 'due' WHERE id IN (SELECT invoice FROM allocations WHERE payment = :id)",
         "DELETE FROM events WHERE action = 'paid' AND subject IN (SELECT invoice FROM allocations WHERE payment = :id)",
         "DELETE FROM reversals WHERE payment = :id",
         "DELETE FROM allocations WHERE payment = :id", "DELETE FROM payments WHERE id = :id"),
        "lost",
    ),
    "a payment of the provider's is deleted": (
        DEBITED, ("DELETE FROM allocations WHERE payment = :id", "DELETE FROM payments WHERE id = :id"), "payment missing",
    ),
    "a payment is a cent less": (BY_HAND.replace(", a.invoice", ""), ("UPDATE payments SET amount_minor = amount_minor - 1 WHERE id = :id",), "payment"),
    "a payment that was taken back is on another invoice": (
        "SELECT payment, (SELECT invoice FROM allocations a WHERE a.payment = r.payment) FROM reversals r WHERE kind = 'by_hand'",
        ("UPDATE allocations SET invoice = (SELECT id FROM invoices WHERE phase = 'due' LIMIT 1) WHERE payment = :id",),
        "told",
    ),
    "a payment is on another invoice": (
        BY_HAND, ("UPDATE allocations SET invoice = (SELECT id FROM invoices WHERE phase = 'due' LIMIT 1) WHERE payment = :id",), "facts",
    ),
    "a payment is there twice": (
        DEBITED,
        ("INSERT INTO payments SELECT biller, id || 'x', customer, currency, amount_minor, credited_minor, method, received_on, reference, actor, collection, version FROM payments WHERE id = :id",
         "INSERT INTO allocations SELECT biller, payment || 'x', position, invoice, amount_minor FROM allocations WHERE payment = :id"),
        "payment too much",
    ),
    "money appears from nowhere": (
        BY_HAND.replace("p.id, a.invoice", "p.id, p.id || 'x'"),
        ("INSERT INTO payments SELECT biller, id || 'x', customer, currency, amount_minor, credited_minor, method, received_on, reference, actor, collection, version FROM payments WHERE id = :id",),
        "nobody asked",
    ),
    "a fact is a cent more": (PAID, ("UPDATE invoices SET paid_minor = paid_minor + 1 WHERE id = :id",), "facts"),
    "a fact in flight is forgotten": (
        "SELECT id FROM invoices WHERE in_flight_minor > 0", ("UPDATE invoices SET in_flight_minor = 0 WHERE id = :id",), "facts",
    ),
    "a reversal is deleted": ("SELECT r.id, a.invoice FROM reversals r JOIN allocations a ON a.payment = r.payment", ("DELETE FROM reversals WHERE id = :id",), "facts"),
    "a charge-back is made undone": (
        "SELECT r.id, p.collection FROM reversals r JOIN payments p ON p.id = r.payment WHERE r.kind = 'chargeback'",
        ("UPDATE reversals SET cancelled_on = reversed_on WHERE id = :id",),
        "taken back",
    ),
    "a refund is deleted": ("SELECT id, invoice FROM refunds WHERE gateway IS NULL AND to_credit_minor = 0", ("DELETE FROM refunds WHERE id = :id",), "facts"),
    "a refund by the provider is said to have failed": (
        "SELECT id FROM refunds WHERE gateway IS NOT NULL", ("UPDATE refunds SET state = 'failed' WHERE id = :id",), "refund",
    ),
    "a refund is a cent more": (
        "SELECT r.id, u.id FROM refunds r JOIN key_uses u ON u.results LIKE '%' || r.id || '%'",
        ("UPDATE refunds SET amount_minor = amount_minor + 1 WHERE id = :id",),
        "amount",
    ),
    "an invoice is said to be paid": ("SELECT id FROM invoices WHERE phase = 'due'", ("UPDATE invoices SET phase = 'paid' WHERE id = :id",), "status"),
    "an invoice is made void": (
        "SELECT id FROM invoices WHERE phase = 'due'", ("UPDATE invoices SET phase = 'void', lifecycle = 'void' WHERE id = :id",), "lifecycle",
    ),
    "a paid one is void": (
        PAID + " AND refunded_minor = 0",
        ("UPDATE invoices SET phase = 'void', lifecycle = 'void', voided_on = issued_on WHERE id = :id",),
        "void with money",
    ),
    "a step of a timeline is deleted": (PAID, ("DELETE FROM events WHERE subject = :id AND action = 'paid'",), "told"),
    # credit
    "a credit entry is deleted": ("SELECT id, customer FROM credit_entries WHERE kind = 'deposit'", ("DELETE FROM credit_entries WHERE id = :id",), "credit"),
    "a balance is a cent more": (
        "SELECT id FROM credit_entries", ("UPDATE credit_entries SET balance_minor = balance_minor + 1 WHERE id = :id",), "credit",
    ),
    "a deposit is a cent less, and all that follows": (
        "SELECT c.id, u.id FROM credit_entries c JOIN key_uses u ON u.results LIKE '%' || c.id || '%' WHERE c.kind = 'deposit'",
        ("UPDATE credit_entries SET balance_minor = balance_minor - 1 WHERE customer = (SELECT customer FROM credit_entries WHERE id = :id)"
         " AND seq >= (SELECT seq FROM credit_entries WHERE id = :id)",
         "UPDATE credit_entries SET amount_minor = amount_minor - 1 WHERE id = :id"),
        "amount",
    ),
    "an overpayment is forgotten": (
        "SELECT id FROM payments WHERE credited_minor > 0", ("UPDATE payments SET credited_minor = 0 WHERE id = :id",), "payment",
    ),
    # collections
    "a collection is deleted": (
        "SELECT id FROM collections WHERE state = 'succeeded'", ("DELETE FROM collections WHERE id = :id",), "unknown here",
    ),
    "a debit on its way is said to have failed": (
        "SELECT id FROM collections WHERE state = 'pending'", ("UPDATE collections SET state = 'failed' WHERE id = :id",), "state",
    ),
    "a debit nobody looks at": (
        "SELECT id FROM collections WHERE state = 'pending'", ("UPDATE collections SET next_try_at = NULL WHERE id = :id",), "stuck",
    ),
    "a debit in doubt nobody is told of": (
        "SELECT id FROM collections WHERE state = 'succeeded'", ("UPDATE collections SET state = 'unknown' WHERE id = :id",), "stuck",
    ),
    "an event that nobody applies": ("SELECT id FROM inbox_events", ("UPDATE inbox_events SET state = 'waiting' WHERE id = :id",), "stuck"),
    # charges
    "a charge is open though it is invoiced": (
        "SELECT id FROM charges WHERE state = 'invoiced'", ("UPDATE charges SET state = 'open' WHERE id = :id",), "charge",
    ),
    "a charge is left behind": (
        "SELECT id FROM charges WHERE state = 'invoiced'",
        ("UPDATE charges SET state = 'open', invoice = NULL, version = 1 WHERE id = :id", "DELETE FROM lines WHERE charge = :id"),
        "charge left",
    ),
    "a charge is on two invoices": (
        "SELECT charge FROM lines WHERE charge IS NOT NULL",
        ("INSERT INTO lines SELECT biller, (SELECT id FROM invoices WHERE lifecycle = 'open' AND kind = 'lease' LIMIT 1), 9, description, quantity, unit_price_minor,"
         " amount_minor, taxes, period_start, period_end, share_days, share_of_days, share_day_count, share_exact, charge, site FROM lines WHERE charge = :id",),
        "charge twice",
    ),
    # messages
    "a message is deleted": (
        "SELECT m.id, m.invoice FROM messages m JOIN invoices i ON i.id = m.invoice JOIN leases l ON l.id = i.lease"
        " WHERE m.kind = 'invoice_issued' AND l.method = 'email_pdf'",
        ("DELETE FROM messages WHERE id = :id",), "not told",
    ),
    "a message is queued twice": (
        "SELECT id, invoice FROM messages WHERE about IS NULL",
        ("INSERT INTO messages SELECT biller, id || 'x', kind, invoice, recipient, locale, queued_at, about, state, tries, next_try_at, sent_at, error, version FROM messages WHERE id = :id",),
        "told twice",
    ),
    "a message is never sent": ("SELECT id FROM messages WHERE state = 'sent'", ("UPDATE messages SET state = 'queued' WHERE id = :id",), "stuck"),
    # tenants
    "a record is of another tenant": (
        "SELECT id FROM payments", ("UPDATE payments SET biller = (SELECT id FROM billers WHERE billers.id <> payments.biller LIMIT 1) WHERE id = :id",), "biller",
    ),
}  # fmt: skip


@pytest.fixture
def copy(town: Town, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The honest books in another file, as a thief opens it: nothing there is enforced."""
    shutil.copy(town.url.removeprefix("sqlite:///"), tmp_path / "town.db")
    with closing(sqlite3.connect(tmp_path / "town.db", isolation_level=None)) as connection:
        yield connection


def looked_at(copy: sqlite3.Connection, evidence: dict[str, Any]) -> list[Finding]:
    [(_, _, path)] = copy.execute("PRAGMA database_list").fetchall()
    return audit(f"sqlite:///{path}", **evidence)


@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_loss_that_is_planted_is_found_and_named(plant: str, town: Town, copy: sqlite3.Connection) -> None:
    which, does, kind = PLANTS[plant]
    found = copy.execute(which).fetchone()
    assert found is not None, "there is nothing of the kind in the honest books"
    named = {"id": found[0]}
    changed = sum(max(0, copy.execute(statement, named).rowcount) for statement in does)
    assert changed > 0, "nothing was planted"
    findings = looked_at(copy, town.evidence)
    assert (kind, found[-1]) in {(each.kind, each.about) for each in findings}, findings


def _without(evidence: dict[str, Any], kind: str) -> Moved:
    return next(each for each in evidence["ledger"] if each.kind == kind)


def a_payment_the_provider_never_had(evidence: dict[str, Any]) -> str:
    gone = _without(evidence, "collected")
    evidence["ledger"] = [each for each in evidence["ledger"] if each.key != gone.key]
    return gone.key


def a_charge_made_twice(evidence: dict[str, Any]) -> str:
    twice = _without(evidence, "payment")
    evidence["ledger"] = [*evidence["ledger"], like(twice, reference="PM2")]
    return twice.key


def a_payment_that_came_and_is_not_here(evidence: dict[str, Any]) -> str:
    failed = {each.key for each in evidence["ledger"] if each.kind == "collected"}
    other = next(each for each in evidence["ledger"] if each.kind == "payment" and each.key not in failed)
    evidence["ledger"] = [*evidence["ledger"], like(other, kind="collected")]
    return other.key


def a_payment_under_a_key_that_is_not_here(evidence: dict[str, Any]) -> str:
    lost = like(_without(evidence, "payment"), key=_without(evidence, "payment").key + "x")
    evidence["ledger"] = [*evidence["ledger"], lost]
    return lost.key


def a_cent_more_at_the_provider(evidence: dict[str, Any]) -> str:
    moved = _without(evidence, "collected")
    more = like(moved, minor=moved.minor + 1)
    evidence["ledger"] = [more if each is moved else each for each in evidence["ledger"]]
    return moved.key


def a_refund_made_twice(evidence: dict[str, Any]) -> str:
    twice = _without(evidence, "refund")
    evidence["ledger"] = [*evidence["ledger"], like(twice, reference="RF2")]
    return twice.key


def a_charge_back_that_nobody_wrote_down(evidence: dict[str, Any]) -> str:
    taken = {each.key for each in evidence["ledger"] if each.kind == "reversal"}
    moved = next(each for each in evidence["ledger"] if each.kind == "collected" and each.key not in taken)
    evidence["ledger"] = [*evidence["ledger"], like(moved, kind="reversal")]
    return moved.key


def a_debit_that_still_waits_at_the_bank(evidence: dict[str, Any]) -> str:
    over = _without(evidence, "collected").key
    evidence["waiting"] = {*evidence["waiting"], over}
    return over


def money_received_and_never_recorded(evidence: dict[str, Any]) -> str:
    evidence["orders"] = [*evidence["orders"], Order("payments.record 999", "payments.record", 12_000)]
    return "payments.record 999"


def a_refusal_that_was_done(evidence: dict[str, Any]) -> str:
    first = evidence["orders"][0]
    evidence["orders"] = [Order(first.key, first.action, first.minor, done=False), *evidence["orders"][1:]]
    return str(first.key)


def a_receipt_of_another_amount(evidence: dict[str, Any]) -> str:
    first = evidence["orders"][0]
    evidence["orders"] = [Order(first.key, first.action, first.minor + 1), *evidence["orders"][1:]]
    return str(first.key)


def an_e_mail_that_never_went_out(evidence: dict[str, Any]) -> str:
    gone = next(iter(evidence["posted"]))
    evidence["posted"] = Counter({ref: times for ref, times in evidence["posted"].items() if ref != gone})
    return str(gone)


def an_e_mail_that_went_out_twice(evidence: dict[str, Any]) -> str:
    evidence["posted"] = evidence["posted"] + Counter([next(iter(evidence["posted"]))])
    return "outbox"


def like(moved: Moved, **changes: Any) -> Moved:
    """Another line of the ledger, but for some fields."""
    return Moved(**{**moved.__dict__, **changes})


OUTSIDE: dict[Callable[[dict[str, Any]], str], str] = {
    a_payment_the_provider_never_had: "unknown there",
    a_charge_made_twice: "charged twice",
    a_payment_that_came_and_is_not_here: "payment missing",
    a_payment_under_a_key_that_is_not_here: "unknown here",
    a_cent_more_at_the_provider: "payment missing",
    a_refund_made_twice: "refunded twice",
    a_charge_back_that_nobody_wrote_down: "taken back",
    a_debit_that_still_waits_at_the_bank: "state",
    money_received_and_never_recorded: "lost",
    a_refusal_that_was_done: "refused and done",
    a_receipt_of_another_amount: "amount",
    an_e_mail_that_never_went_out: "not sent",
    an_e_mail_that_went_out_twice: "sent twice",
}


@pytest.mark.parametrize("plant", OUTSIDE, ids=lambda plant: plant.__name__)
def test_what_differs_outside_is_found_and_named(plant: Callable[[dict[str, Any]], str], town: Town) -> None:
    evidence = dict(town.evidence)
    about = plant(evidence)
    assert (OUTSIDE[plant], about) in {(each.kind, each.about) for each in audit(town.url, **evidence)}


def test_days_that_pass_without_a_run_are_missed(town: Town) -> None:
    later: datetime = town.evidence["at"] + timedelta(days=40)
    kinds = {each.kind for each in audit(town.url, **{**town.evidence, "at": later})}
    assert {"period missing", "stuck"} <= kinds
