"""How PostgreSQL answers the public lists on many rows: by an index, asked of its planner and not of a clock (S10, D5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

import postgres
from invoicecore import Billing, Money
from invoicecore.charges import Charge
from invoicecore.credits import CreditEntry
from invoicecore.invoices import Status
from invoicecore.ports import FINDABLE, WAITING, Event, InvoiceQuery, Order, Reader
from invoicecore.testing import FixedClock
from invoicecore.testing.samples import DAY
from invoicecore_adapters.sql.store import SqlStore

NOW = datetime(2026, 4, 24, 12, tzinfo=UTC)
BILLERS, EACH = 8, 8_000  # invoices a biller: enough that going through them all is never the cheapest
LIVE = (Status.DRAFT, Status.OPEN, Status.OVERDUE, Status.PENDING)

# Ids as the desk makes them sort by time; most invoices are settled, a few are not, as in a business that is some years old.
FILL = f"""
CREATE TEMP TABLE n AS SELECT 'b' || b AS b, lpad(n::text, 7, '0') AS i, n, date '2020-01-01' + n / 4 AS d,
    'c' || n / 24 AS c, 'l' || n / 24 AS l, timestamptz '2020-01-01' + n * interval '6 hours' AS at
    FROM generate_series(1, {BILLERS}) AS b, generate_series(1, {EACH}) AS n;
INSERT INTO billers SELECT DISTINCT b, 'B', 'EUR', 'UTC', 'en_GB', '{{}}', true, '', NULL, 1 FROM n;
INSERT INTO customers SELECT DISTINCT b, c, 'C', NULL, '', NULL, 'none', 1, NULL::boolean, NULL::date, 1 FROM n;
UPDATE customers SET next_cycle_on = '2026-05-01' WHERE id LIKE '%7';
INSERT INTO units SELECT b, 'u' || i, i, c, 1 FROM n WHERE n % 10 = 0;
INSERT INTO booking_groups SELECT b, 'g' || i, 'G', c, 1 FROM n WHERE n % 20 = 0;
INSERT INTO bookings SELECT b, 'k' || i, c, NULL, 'g' || lpad((n / 20 * 20)::text, 7, '0'), d, d + 3, '[]', 1
    FROM n WHERE n % 4 = 0 AND n >= 20;
INSERT INTO leases SELECT b, 'l' || i, c, NULL, 'EUR', 50000, 'monthly', d, NULL, NULL, 'email_pdf', NULL, 'actual',
    NULL, '', NULL, NULL, n % 30, date '2026-01-01' + n % 300, false, true, 1 FROM n WHERE n % 2 = 0;
INSERT INTO invoices (biller, id, kind, lifecycle, phase, number, title, description, customer, unit, lease, booking,
    booking_group, currency, total_minor, paid_minor, credit_minor, refunded_minor, refunded_credit_minor,
    in_flight_minor, prices_include_tax, notify, drafted_on, due_on, due_by_terms, issued_on, late, period_index,
    revision, cycle, version, noted_minor)
    SELECT b, 'i' || i, 'lease', CASE WHEN n % 100 = 3 THEN 'void' WHEN n > {EACH} - 40 THEN 'draft' ELSE 'open' END,
    CASE WHEN n % 100 = 3 THEN 'void' WHEN n > {EACH} - 40 THEN 'draft' WHEN n % 50 = 7 THEN 'due'
        WHEN n % 400 = 9 THEN 'pending' WHEN n % 300 = 11 THEN 'refunded' ELSE 'paid' END,
    CASE WHEN n > {EACH} - 40 THEN NULL ELSE 'INV-' || i END, 'T', '', c,
    CASE WHEN n % 10 = 0 THEN 'u' || i END, CASE WHEN n % 2 = 0 THEN 'l' || i END, CASE WHEN n % 4 = 0 AND n >= 20 THEN 'k' || i END,
    CASE WHEN n % 20 = 0 THEN 'g' || i END, 'EUR', n * 7 % 90000 + 100, 0, 0, 0, 0, 0, false, false, d, d + 30, false, d,
    false, CASE WHEN n % 2 = 0 THEN n % 30 END, 0, NULL, 1, 0 FROM n;
INSERT INTO lines SELECT b, 'i' || i, 0, 'L', '1', 100, 100, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM n;
INSERT INTO charges SELECT b, 'x' || i, c, 'X', 'EUR', 100, '1', d, NULL,
    CASE WHEN n % 60 = 1 THEN 'open' ELSE 'invoiced' END, 'i' || i, 1 FROM n WHERE n % 3 = 0;
INSERT INTO payments SELECT b, 'p' || i, c, 'EUR', 100, 0, 'card', d, '', NULL, 'o' || i, 1 FROM n WHERE n % 2 = 0;
INSERT INTO allocations SELECT b, 'p' || i, 0, 'i' || i, 100 FROM n WHERE n % 2 = 0;
INSERT INTO reversals SELECT b, 'r' || i, 'p' || i, 'EUR', 100, d, '', NULL, 'by_hand', '', NULL, 1 FROM n WHERE n % 8 = 0;
INSERT INTO refunds (biller, id, invoice, currency, amount_minor, to_credit_minor, from_credit_minor, method, refunded_on,
    reference, reason, state, payment, next_try_at, tries, error, version) SELECT b, 'f' || i, 'i' || i, 'EUR', 100, 0, 0, 'card', d, '', '',
    CASE WHEN n % 800 = 0 THEN 'pending' ELSE 'succeeded' END, 'p' || i, CASE WHEN n % 800 = 0 THEN at END, 0, '', 1
    FROM n WHERE n % 8 = 0;
INSERT INTO credit_entries SELECT b, 'e' || i, c, 'EUR', n % 24, 'deposit', 100, 100 * n, d, 'i' || i, NULL, '', NULL FROM n;
INSERT INTO events SELECT b, 'i' || i, 1, 0, 'drafted', at, d, NULL, '' FROM n;
INSERT INTO messages SELECT b, 'm' || i, 'invoice_issued', 'i' || i, 'a@b.c', 'en_GB', at, 'x' || i,
    CASE WHEN n % 200 = 1 THEN 'queued' ELSE 'sent' END, 0, CASE WHEN n % 200 = 1 THEN at END, NULL, '', 1 FROM n;
INSERT INTO pay_links SELECT b, md5(b || i), 'i' || i, at, NULL, 1 FROM n;
INSERT INTO saved_methods SELECT b, 's' || i, c, 'x', 'card', at, CASE WHEN n % 500 = 1 THEN 'pending' ELSE 'active' END,
    NULL, i, NULL, '', '', '', 0, CASE WHEN n % 500 = 1 THEN at END, 1 FROM n WHERE n % 5 = 1;
INSERT INTO collections (biller, id, invoice, customer, gateway, kind, currency, amount_minor, collected_minor, made_at,
    state, attempt, next_try_at, tries, error, version) SELECT b, 'o' || i, 'i' || i, c, 'x', 'card', 'EUR', 100, 0, at,
    CASE WHEN n % 200 = 0 THEN 'reserved' ELSE 'succeeded' END, 1, CASE WHEN n % 200 = 0 THEN at END, 0, '', 1
    FROM n WHERE n % 2 = 0;
INSERT INTO inbox_events SELECT b, 'y' || i, 'x', 'k', 'a', 'r', at, CASE WHEN n % 500 = 1 THEN 'waiting' ELSE 'applied' END,
    0, CASE WHEN n % 500 = 1 THEN at END, '', 1 FROM n;
INSERT INTO alerts SELECT b, 'a' || i, 'mismatch', 'o' || i, 'i' || i, 't', at,
    CASE WHEN n % 100 = 0 THEN 'open' ELSE 'resolved' END, NULL, NULL, '', 1 FROM n WHERE n % 4 = 0;
INSERT INTO credit_notes (biller, id, invoice, number, customer, currency, total_minor, settled_minor, issued_on,
    prices_include_tax, reason) SELECT b, 'z' || i, 'i' || i, 'CRN-' || i, c, 'EUR', 100, 100, d, false, '' FROM n WHERE n % 3 = 0;
INSERT INTO invoice_taxes SELECT b, 'i' || i, 0, 'VAT', '20', NULL, 100, 20 FROM n;
INSERT INTO credit_note_lines SELECT b, 'z' || i, 0, 0, 'L', 100, NULL FROM n WHERE n % 3 = 0;
INSERT INTO key_uses SELECT b, i, 'x', 'd', '[]' FROM n;
INSERT INTO credit_note_taxes SELECT b, 'z' || i, 0, 'VAT', '20', NULL, 100, 20 FROM n WHERE n % 3 = 0;
"""


@pytest.fixture(scope="module")
def store() -> Iterator[SqlStore]:
    """A store of some years of eight billers, which is only asked."""
    url = postgres.new()
    with postgres.rows_of(url) as db:
        db.execute("SET session_replication_role = replica")  # what refers to what does not matter here
        db.execute(FILL.encode())
        db.commit()
        db.autocommit = True
        db.execute("VACUUM (ANALYZE)")
    made = SqlStore(url)
    yield made
    made.close()
    postgres.drop(url)


class Plan:
    """The steps of one statement, from EXPLAIN."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found
        self.steps = list(_steps(found))
        self.scans = [step for step in self.steps if step["Node Type"].endswith("Scan") and "Relation Name" in step]
        self.indexes = {step["Index Name"] for step in self.steps if "Index Name" in step}
        self.sorted = max((step["Plan Rows"] for step in self.steps if step["Node Type"] == "Sort"), default=0)

    def __repr__(self) -> str:
        return f"{self.found}"


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for part in step.get("Plans", ()):
        yield from _steps(part)


def plans(store: SqlStore, question: Callable[[Reader], object]) -> list[Plan]:
    """The plan of each statement of a question; none of them goes through a whole table."""
    found = []
    with store.reading() as reader:
        with _sent_by(store) as sent:
            question(reader)
        driver = reader._connection.connection.driver_connection  # type: ignore[attr-defined]  # the store's own reader
        for statement, values in sent:
            (row,) = driver.execute(f"EXPLAIN (FORMAT JSON) {statement}", values).fetchone()
            found.append(Plan(row[0]["Plan"]))
    assert found, "nothing was asked"
    for plan in found:
        assert not [step for step in plan.steps if step["Node Type"] == "Seq Scan"], plan
    return found


@contextmanager
def _sent_by(store: SqlStore) -> Iterator[list[tuple[str, Any]]]:
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, ___: object, ____: object) -> None:
        sent.append((statement, values))

    engine = store._database._engine  # type: ignore[attr-defined]  # of PostgreSQL
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def asked(**wanted: Any) -> Callable[[Reader], object]:
    """A page of invoices, without its lines."""
    return lambda reader: reader.invoices(InvoiceQuery(biller="b1", on=DAY, limit=50, **wanted))


HALF = f"{EACH // 2:07}"
PLACES: dict[str, tuple[Any, str]] = {
    "created": (f"i{HALF}", f"i{HALF}"),
    "due": (DAY, f"i{HALF}"),
    "number": (f"INV-{HALF}", f"i{HALF}"),
    "total": (45_000, f"i{HALF}"),
}
PAGES = pytest.mark.parametrize("further", [False, True], ids=["first page", "page in the middle"])


@pytest.mark.rule("S10")
@PAGES
@pytest.mark.parametrize("order", list(Order))
def test_every_order_walks_an_index_and_sorts_nothing(order: Order, further: bool, store: SqlStore) -> None:
    after = PLACES[order.value.lstrip("-")] if further else None
    plan, *_ = plans(store, asked(order=order, after=after))
    assert plan.indexes, plan
    assert not plan.sorted, plan


@pytest.mark.rule("D5", "S10")
@PAGES
@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("statuses", [*([one] for one in Status), [Status.OPEN, Status.PENDING], LIVE], ids=str)
def test_every_status_is_found_by_index_in_every_order(
    statuses: list[Status], order: Order, further: bool, store: SqlStore
) -> None:
    after = PLACES[order.value.lstrip("-")] if further else None
    plan, *_ = plans(store, asked(order=order, after=after, status=frozenset(statuses)))
    assert plan.indexes, plan
    assert plan.sorted < EACH / 10, plan  # what is not settled is little, and may be sorted


@pytest.mark.rule("S10", "T2")
@PAGES
@pytest.mark.parametrize("order", [Order.CREATED, Order.DUE_DESC, Order.NUMBER, Order.TOTAL])
@pytest.mark.parametrize(
    "wanted",
    [
        {"customers": ("c9",)},
        {"customers": ("c9", "c10")},
        {"customers": ("c9",), "published": True},
        {"customers": ("c9",), "payable": True},
        {"unit": f"u{HALF}"},
        {"lease": f"l{HALF}"},
        {"lease": f"l{HALF}", "period_index": 3},
        {"booking": f"k{HALF}"},
        {"group": f"g{HALF}"},
        {"number": f"INV-{HALF}"},
        {"drafted_on": DAY},
    ],
    ids=str,
)
def test_every_filter_leaves_few_by_an_index(
    wanted: dict[str, Any], order: Order, further: bool, store: SqlStore
) -> None:
    after = PLACES[order.value.lstrip("-")] if further else None
    plan, *_ = plans(store, asked(order=order, after=after, **wanted))
    assert all(step["Plan Rows"] < 500 for step in plan.scans), plan


@pytest.mark.rule("R16", "S13")
@pytest.mark.parametrize("wanted", [{}, {"lease": f"l{HALF}"}, {"customers": ("c9",)}], ids=str)
def test_sums_keep_to_the_biller(wanted: dict[str, Any], store: SqlStore) -> None:
    for plan in plans(store, lambda reader: reader.sums(InvoiceQuery(biller="b1", on=DAY, **wanted))):
        assert all(step["Plan Rows"] <= EACH for step in plan.scans), plan


@pytest.mark.rule("S4", "C9", "N4")
@pytest.mark.parametrize("after", [None, (DAY - timedelta(days=3), "l5")], ids=["first page", "further page"])
def test_what_is_due_is_walked_in_order(after: Any, store: SqlStore) -> None:
    (leases,) = plans(store, lambda reader: reader.due_leases("b1", DAY, after=after, limit=50))
    (customers,) = plans(store, lambda reader: reader.due_customers("b1", DAY, after=after, limit=50))
    assert leases.indexes == {"leases_by_next_run_on"}
    assert customers.indexes == {"customers_by_next_cycle_on"}
    (part,) = plans(
        store, lambda reader: reader.due_leases("b1", DAY, after=None, limit=50, among=("l0000100", "l0000200"))
    )
    assert part.indexes == {"leases_pkey"}
    assert part.sorted < 200


@pytest.mark.rule("S10", "T1")
@pytest.mark.parametrize("kind, field", [(kind, field) for kind, fields in FINDABLE.items() for field in fields])
@pytest.mark.parametrize("several", [False, True], ids=["one value", "several"])
def test_every_findable_field_has_its_index(kind: type[Any], field: str, several: bool, store: SqlStore) -> None:
    known = {"state": "open", "customer": "c9", "invoice": f"i{HALF}", "number": HALF, "unit": f"u{HALF}"}
    wanted: Any = known.get(field, f"x{HALF}")
    where = {field: [wanted, "nothing"] if several else wanted}
    for plan in plans(store, lambda reader: reader.find(kind, "b1", where, limit=50)):
        assert plan.indexes, plan


@pytest.mark.parametrize("kind", list(FINDABLE))
def test_pages_of_every_kind_walk_its_key(kind: type[Any], store: SqlStore) -> None:
    after = {CreditEntry: f"e{HALF}", Event: f"i{HALF}/1/0"}.get(kind, HALF)
    for plan in plans(store, lambda reader: reader.find(kind, "b1", {}, after=after, limit=50)):
        assert not plan.sorted, plan


@pytest.mark.rule("R7", "C6")
@pytest.mark.parametrize("kind", WAITING)
@pytest.mark.parametrize("after", [None, (NOW, "m1")], ids=["first page", "further page"])
def test_what_waits_is_found_by_its_instant(kind: type[Any], after: Any, store: SqlStore) -> None:
    plan, *_ = plans(store, lambda reader: reader.due(kind, "b1", NOW, after=after, limit=50))
    assert {name.partition("_by_")[2] for name in plan.indexes} == {"next_try_at"}


@pytest.mark.rule("C8", "T2", "P3")
def test_the_rest_is_found_by_index_too(store: SqlStore) -> None:
    (link,) = plans(store, lambda reader: reader.pay_link("token"))
    assert link.indexes == {"pay_links_by_token"}
    plans(store, lambda reader: reader.last_credits("b1", ["c1", "c2"], "EUR"))
    plans(store, lambda reader: reader.find(Charge, "b1", {"customer": ["c9"], "state": "open"}))
    statuses = frozenset({Status.OPEN, Status.OVERDUE})
    reminders, *_ = plans(store, asked(order=Order.DUE, status=statuses, due_by=DAY))
    assert not reminders.sorted, reminders


@pytest.mark.rule("N4")
def test_a_biller_that_came_after_the_statistics_is_billed_by_index_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the planner knows of it is that it has no rows; each of them was then compared with all that were to change."""
    plans: list[str] = []
    execute = psycopg.Cursor.execute

    def explained(self: Any, query: Any, *given: Any, **how: Any) -> Any:
        if str(query).startswith("UPDATE leases"):
            plans.append("\n".join(row[0] for row in execute(self, f"EXPLAIN {query}", *given).fetchall()))
        return execute(self, query, *given, **how)

    url = postgres.new()
    with Billing(SqlStore(url), clock=FixedClock(NOW)) as billing:
        for name, leases in (("Early", 50), ("Late", 1_000)):
            biller = billing.billers.add(name=name, currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
            people = billing.customers.add_many(biller=biller, rows=[{"name": "C"}] * leases)
            terms = {"rent": Money("500", "EUR"), "starts": DAY}
            billing.leases.add_many(biller=biller, rows=[{"customer": who, **terms} for who in people])
            if name == "Early":
                with postgres.rows_of(url) as db:
                    db.execute("ANALYZE")
        monkeypatch.setattr(psycopg.Cursor, "execute", explained)
        assert billing.run(on=DAY, biller=biller).created.count == 1_000
        monkeypatch.undo()
    [plan] = plans
    assert "Nested Loop" not in plan, plan
    assert "Seq Scan" not in plan, plan
    postgres.drop(url)
