"""The billing run: every period and client month that is due, each invoiced once, whenever and however often it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desks import everything, save, store_of
from invoicecore import Billing, Frequency, Invoice, Money, Period, Plugins, Status, hookimpl
from invoicecore.billing import outcomes, running
from invoicecore.billing.outcomes import Outcome, Report, Tally
from invoicecore.charges import ChargeState
from invoicecore.errors import InvalidValue, NotFound, Refused
from invoicecore.leases import Lease
from invoicecore.messages import Message
from invoicecore.money import MAX_MINOR, from_minor, minor
from invoicecore.parties import Biller, Customer
from invoicecore.ports import Event, Reader, Record, Store, Writer
from invoicecore.testing import FixedClock

DAY = timedelta(days=1)
RENT = Money("620.00", "EUR")
KINDS = ("created", "existing", "late", "skipped", "failed", "warnings")


def d(text: str) -> date:
    return date.fromisoformat(text)


def span(first: str, last: str) -> Period:
    return Period.inclusive(d(first), d(last))


def add(billing: Billing, guest: Customer, **fields: object) -> Lease:
    """A lease of 620.00 a month on the 1st, from 1 April 2026."""
    wanted: dict[str, object] = {"customer": guest, "rent": RENT, "starts": d("2026-04-01"), **fields}
    return billing.leases.add(**wanted)  # type: ignore[arg-type]  # names of add()


def all_invoices(billing: Billing, biller: Biller) -> list[Invoice]:
    """Every invoice of a biller, voided ones and drafts too."""
    found: list[Invoice] = []
    after = None
    while True:
        page = billing.invoices.find(biller=biller, limit=1000, after=after)
        found += page.items
        after = page.next
        if after is None:
            return found


def of_lease(billing: Billing, lease: Lease) -> list[Invoice]:
    found = billing.invoices.find(lease=lease, limit=1000).items
    return sorted(found, key=lambda invoice: (invoice.period_index or 0, invoice.revision))


def periods(billing: Billing, lease: Lease) -> list[Period]:
    return [invoice.period for invoice in of_lease(billing, lease) if invoice.period is not None]


def counts(report: Report) -> dict[str, int]:
    """The tallies of a report that are not zero."""
    return {kind: getattr(report, kind).count for kind in KINDS if getattr(report, kind)}


def answers(report: Report) -> dict[str, object]:
    """All a report says but the ids and numbers that only a real run gives."""
    told: dict[str, object] = {kind: getattr(report, kind) for kind in KINDS}
    return told | {"totals": [(i.lease, i.customer, i.period, i.total, i.due_on, i.late) for i in report.invoices]}


def messages(billing: Billing, biller: Biller) -> list[Message]:
    with store_of(billing).reading() as tx:
        return tx.find(Message, biller.id, {})


def store_again(billing: Billing, *records: Lease | Customer) -> None:
    """Put records in the store as no verb would."""
    with store_of(billing).writing() as tx:
        tx.replace(records)


# --- what is made, and when ------------------------------------------------------------------------------------------


@pytest.mark.rule("S4", "S9")
@pytest.mark.parametrize(
    "method, own, first_day",
    [("email_pdf", None, "2026-03-25"), ("direct_debit", None, "2026-03-27"), ("direct_debit", 0, "2026-04-01")],
)
@pytest.mark.parametrize("frequency", ["weekly", "monthly", "yearly"])
def test_the_invoice_is_made_on_its_day_and_not_the_day_before(
    billing: Billing, park: Biller, guest: Customer, method: str, own: int | None, first_day: str, frequency: str
) -> None:
    lease = add(billing, guest, method=method, advance_days=own, frequency=frequency)
    assert counts(billing.run(on=d(first_day) - DAY)) == {}
    report = billing.run(on=d(first_day))
    assert report.created == 1
    (invoice,) = of_lease(billing, lease)
    assert report.invoices == (invoice,)
    assert (invoice.number, invoice.issued_on, invoice.due_on) == ("INV-000001", d(first_day), d("2026-03-31"))
    assert (invoice.customer, invoice.period_index, invoice.total) == (guest.id, 0, RENT)
    assert invoice.bill_to is not None
    assert invoice.bill_to.name == guest.name
    assert [step.action for step in billing.invoices.timeline(invoice)] == ["published"]


@pytest.mark.rule("S6", "S5")
@pytest.mark.parametrize(
    "on, late, status",
    [
        ("2026-03-31", False, Status.OPEN),
        ("2026-04-01", True, Status.OVERDUE),
        ("2026-04-02", True, Status.OVERDUE),
    ],
)
def test_an_invoice_is_late_from_its_first_day_on_keeps_its_due_date_and_is_overdue_at_birth(
    billing: Billing, guest: Customer, on: str, late: bool, status: Status
) -> None:
    lease = add(billing, guest)
    report = billing.run(on=d(on))
    (invoice,) = of_lease(billing, lease)
    assert (invoice.late, invoice.due_on) == (late, d("2026-03-31"))
    assert invoice.status_on(d(on)) is status
    assert (report.created == 1, report.late == 1) == (True, late)
    (told,) = report.created
    assert (told.code, told.late, told.amount) == ("created", late, RENT)
    assert told.period == span("2026-04-01", "2026-04-30")
    assert (told.invoice, told.lease, told.customer, told.due_on) == (invoice.id, lease.id, guest.id, d("2026-03-31"))


@pytest.mark.rule("S5", "S6")
@pytest.mark.parametrize(
    "offset, due, overdue_at_birth", [(-1, "2026-03-31", True), (0, "2026-04-01", False), (4, "2026-04-05", False)]
)
def test_a_late_invoice_is_overdue_at_birth_only_if_its_due_date_has_passed(
    billing: Billing, park: Biller, guest: Customer, offset: int, due: str, overdue_at_birth: bool
) -> None:
    billing.billers.edit(park, policy={"due_offset_days": offset})
    lease = add(billing, guest)
    billing.run(on=d("2026-04-01"))
    (invoice,) = of_lease(billing, lease)
    assert (invoice.late, invoice.due_on) == (True, d(due))
    assert (invoice.status_on(d("2026-04-01")) is Status.OVERDUE) is overdue_at_birth
    for offset_days in range(-2, 8):
        day = d(due) + offset_days * DAY
        found = billing.invoices.find(biller=park, status="overdue", on=day).items
        assert bool(found) is (invoice.status_on(day) is Status.OVERDUE) is (offset_days > 0)


@pytest.mark.rule("M2", "S3", "S2")
def test_a_lease_anchored_on_the_31st_is_billed_month_by_month(billing: Billing, park: Biller, guest: Customer) -> None:
    lease = add(billing, guest, starts=d("2026-01-20"), anchor_day=31, ends=d("2026-05-15"))
    billing.run(on=d("2026-12-31"))
    assert periods(billing, lease) == [
        span("2026-01-20", "2026-01-30"),
        span("2026-01-31", "2026-02-27"),
        span("2026-02-28", "2026-03-30"),
        span("2026-03-31", "2026-04-29"),
        span("2026-04-30", "2026-05-15"),
    ]
    assert [str(invoice.total.amount) for invoice in of_lease(billing, lease)] == [
        "220.00", "620.00", "620.00", "620.00", "320.00",  # 11/31 of a period from 31 December, 16/31 of one to 30 May
    ]  # fmt: skip


@pytest.mark.rule("M2", "M3")
@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"ends": d("2026-04-01")}, ["20.67"]),  # a lease of one day
        ({"starts": d("2026-04-10"), "ends": d("2026-04-20"), "anchor_day": 1}, ["227.33"]),  # inside one period
        ({"ends": d("2026-05-31")}, ["620.00", "620.00"]),  # ends on a boundary
        ({"ends": d("2026-06-01")}, ["620.00", "620.00", "20.67"]),
        ({"frequency": "weekly", "ends": d("2026-04-15")}, ["620.00", "620.00", "88.57"]),
    ],
)
def test_a_lease_that_ends_is_billed_to_its_last_day_and_then_finished(
    billing: Billing, guest: Customer, fields: dict[str, object], expected: list[str]
) -> None:
    lease = add(billing, guest, **fields)
    billing.run(on=d("2026-12-31"))
    assert [str(invoice.total.amount) for invoice in of_lease(billing, lease)] == expected
    after = billing.leases.get(lease)
    assert (after.finished, after.next_run_on, after.next_period) == (True, None, len(expected))
    assert counts(billing.run(on=d("2036-12-31"))) == {}


@pytest.mark.rule("M2")
def test_fifty_three_weekly_invoices_fall_in_a_year_of_fifty_three_thursdays(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    lease = add(billing, guest, starts=d("2026-01-01"), frequency="weekly", advance_days=0)
    days = [d("2026-01-01") + n * DAY for n in range(365)]
    made = sum(billing.run(on=day).created.count for day in days)
    assert made == len(periods(billing, lease)) == 53
    assert billing.run(on=d("2027-01-06")).created == 0


@pytest.mark.rule("S4")
def test_manual_leases_are_left_alone(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, method="manual", advance_days=30)
    assert counts(billing.run(on=d("2027-04-01"))) == {}
    assert billing.leases.get(lease) == lease


@pytest.mark.rule("M8", "M4", "S3")
@pytest.mark.parametrize("code", ["EUR", "JPY", "KWD"])
def test_leases_in_any_currency_up_to_64_bits_are_billed_in_full_and_in_part(billing: Billing, code: str) -> None:
    biller = billing.billers.add(name="Any", currency=code, timezone="UTC", locale="en_GB", preset="stays")
    who = billing.customers.add(biller=biller, name="Ann", email="ann@example.com")
    rent = from_minor(MAX_MINOR, code)
    large = add(billing, who, rent=rent, starts=d("2026-04-16"), anchor_day=1, ends=d("2026-05-31"))
    small = add(billing, who, rent=from_minor(1001, code), starts=d("2026-04-16"), anchor_day=1, ends=d("2026-05-31"))
    assert counts(billing.run(on=d("2026-04-24"))) == {"created": 4, "late": 2}
    assert [minor(invoice.total) for invoice in of_lease(billing, large)] == [2**62, MAX_MINOR]
    assert [minor(invoice.total) for invoice in of_lease(billing, small)] == [501, 1001]


@pytest.mark.rule("M10")
def test_a_period_that_comes_to_nothing_is_skipped_and_claimed(billing: Billing) -> None:
    biller = billing.billers.add(name="Any", currency="JPY", timezone="UTC", locale="en_GB", preset="stays")
    who = billing.customers.add(biller=biller, name="Ann", email="ann@example.com")
    lease = add(billing, who, rent=Money("10", "JPY"), starts=d("2026-04-30"), anchor_day=1)
    report = billing.run(on=d("2026-04-23"))  # one day of 30 at 10: a third of a yen
    assert counts(report) == {"skipped": 1}
    assert [(told.code, told.lease) for told in report.skipped] == [("nothing_due", lease.id)]
    assert billing.leases.get(lease).next_period == 1
    assert counts(billing.run(on=d("2026-04-24"))) == {"created": 1}


# --- catching up -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S7", "S6")
def test_a_run_missed_for_a_week_makes_what_was_due_late_where_it_is(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    begun = add(billing, guest, starts=d("2026-04-01"))
    ahead = add(billing, guest, starts=d("2026-04-08"))
    report = billing.run(on=d("2026-04-07"))  # nobody ran it since 24 March
    assert counts(report) == {"created": 2, "late": 1}
    assert [told.lease for told in report.late] == [begun.id]
    assert [invoice.late for invoice in of_lease(billing, ahead)] == [False]


@pytest.mark.rule("S7", "S6")
def test_a_run_missed_for_a_year_makes_every_period_once_and_warns(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    lease = add(billing, guest)
    report = billing.run(on=d("2027-04-01"))
    assert counts(report) == {"created": 13, "late": 13, "warnings": 1}
    assert [(told.code, told.lease) for told in report.warnings] == [("many_periods", lease.id)]
    assert "13" in next(iter(report.warnings)).text
    assert [invoice.due_on for invoice in of_lease(billing, lease)][:2] == [d("2026-03-31"), d("2026-04-30")]
    assert all(one.end == other.start for one, other in pairwise(periods(billing, lease)))
    assert [invoice.number for invoice in of_lease(billing, lease)] == [f"INV-{n:06d}" for n in range(1, 14)]


@pytest.mark.rule("S7")
@pytest.mark.parametrize("most, warns", [(1, True), (2, True), (3, False), (12, False)])
def test_the_run_warns_above_the_policys_number_of_periods(
    billing: Billing, park: Biller, guest: Customer, most: int, warns: bool
) -> None:
    billing.billers.edit(park, policy={"catch_up_warning": most})
    add(billing, guest)
    report = billing.run(on=d("2026-06-10"))  # April, May and June
    assert report.created == 3
    assert bool(report.warnings) is warns


@pytest.mark.rule("S7")
def test_a_sitting_tenant_is_billed_from_bill_from_on(billing: Billing, park: Biller, guest: Customer) -> None:
    lease = add(billing, guest, starts=d("2019-06-15"), bill_from=d("2026-03-20"))
    report = billing.run(on=d("2026-05-10"))
    assert periods(billing, lease) == [span("2026-04-15", "2026-05-14"), span("2026-05-15", "2026-06-14")]
    assert counts(report) == {"created": 2, "late": 1}
    assert of_lease(billing, lease)[0].period_index == 82


@pytest.mark.rule("S7", "N2")
def test_one_run_each_day_of_a_year_makes_what_one_run_at_its_end_makes(billing: Billing) -> None:
    shapes: Sequence[dict[str, object]] = (
        {"starts": d("2026-01-31")},
        {"starts": d("2026-02-10"), "anchor_day": -1, "method": "direct_debit"},
        {"starts": d("2025-11-30"), "frequency": "quarterly", "ends": d("2026-10-10"), "day_count": "thirty"},
        {"starts": d("2026-01-05"), "frequency": "weekly", "ends": d("2026-07-01")},
        {"starts": d("2026-03-03"), "ends": d("2026-03-03")},
        {"starts": d("2020-02-29"), "frequency": "yearly", "bill_from": d("2026-01-01")},
        {"starts": d("2026-05-02"), "advance_days": 90},
    )
    made: list[list[set[tuple[object, ...]]]] = []
    for days in ([d("2026-01-01") + n * DAY for n in range(365)], [d("2026-12-31")]):
        biller = billing.billers.add(name="Two", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        who = billing.customers.add(biller=biller, name="Ann", email="ann@example.com")
        leases = [add(billing, who, **shape) for shape in shapes]
        billing.leases.change_rent(leases[0], Money("700.00", "EUR"), d("2026-06-10"))
        for day in days:
            billing.run(on=day, biller=biller)
        of_each = [of_lease(billing, lease) for lease in leases]
        made.append([{(i.period_index, i.period, i.total, i.due_on, i.lines) for i in found} for found in of_each])
        assert [len(found) for found in of_each] == [len(keys) for keys in made[-1]]
    assert made[0] == made[1]
    assert [len(found) for found in made[0]] == [12, 12, 4, 26, 1, 1, 11]


@pytest.mark.rule("S3", "S7", "N2", "M5")
def test_a_lease_run_on_any_days_in_any_order_is_billed_for_each_of_its_days_once_and_never_above_its_rent(
    billing: Billing,
) -> None:
    @given(data=st.data())
    @settings(deadline=None, max_examples=40)
    def check(data: st.DataObject) -> None:
        draw = data.draw
        code = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
        biller = billing.billers.add(name="Law", currency=code, timezone="UTC", locale="en_GB", preset="stays")
        who = billing.customers.add(biller=biller, name="Ann", email="ann@example.com")
        frequency = draw(st.sampled_from(Frequency))
        starts = draw(st.dates(d("2025-12-01"), d("2026-12-31")))
        ends = draw(st.none() | st.integers(0, 500).map(lambda n: starts + n * DAY))
        anchors = st.none() if frequency.weeks else st.none() | st.just(-1) | st.integers(1, 31)
        rent = from_minor(draw(st.integers(10_000, 10**9)), code)
        advance = draw(st.none() | st.integers(0, 60))
        lease = add(
            billing, who, rent=rent, frequency=frequency, starts=starts, ends=ends, anchor_day=draw(anchors),
            advance_days=advance, method=draw(st.sampled_from(["email_pdf", "direct_debit"])),
        )  # fmt: skip
        ahead = timedelta(days=advance if advance is not None else 7 if lease.method == "email_pdf" else 5)
        days = draw(st.lists(st.dates(d("2025-11-01"), d("2027-12-31")), min_size=1, max_size=5))
        made = sum(billing.run(on=day, biller=biller).created.count for day in days)
        found = of_lease(billing, lease)
        assert len(found) == made
        tiles = [invoice.period for invoice in found if invoice.period is not None]
        reached = max(days) + ahead
        if starts > reached:
            assert not tiles
            return
        assert tiles[0].start == starts
        assert all(one.end == other.start for one, other in pairwise(tiles))
        assert tiles[-1].start <= reached
        assert tiles[-1].last_day == ends or tiles[-1].end > reached
        assert ends is None or tiles[-1].last_day <= ends
        assert [invoice.period_index for invoice in found] == list(range(len(found)))
        assert all(0 < minor(invoice.total) <= minor(rent) for invoice in found)
        assert all(invoice.total == rent for invoice in found[1:-1])
        for invoice, tile in zip(found, tiles, strict=True):
            assert invoice.due_on == tile.start - DAY
            assert invoice.late is (invoice.drafted_on >= tile.start)

    check()


# --- twice, at once, and dry ---------------------------------------------------------------------------------------------


@pytest.mark.rule("N2", "S7")
def test_running_again_the_same_day_or_later_makes_nothing_twice(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    for _ in range(3):
        add(billing, guest)
    first = billing.run(on=d("2026-04-24"))
    assert counts(first) == {"created": 6, "late": 3}
    before = everything(store_of(billing), park)
    again = billing.run(on=d("2026-04-24"))
    assert counts(again) == {"existing": 6}
    assert {told.invoice for told in again.existing} == {invoice.id for invoice in first.invoices}
    assert {told.code for told in again.existing} == {"already_there"}
    assert counts(billing.run(on=d("2026-04-25"))) == {}
    assert counts(billing.run(on=d("2026-04-01"))) == {}, "an earlier day"
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("N2")
def test_already_there_counts_what_claims_a_period_or_a_month_and_no_other_invoice(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    add(billing, guest)
    billing.run(on=d("2026-03-25"))
    billing.invoices.draft(biller=park, customer=guest, title="Firewood", amount=RENT, on=d("2026-03-25"))
    assert counts(billing.run(on=d("2026-03-25"))) == {"existing": 1}


@pytest.mark.rule("N2", "N1")
def test_runs_at_the_same_time_make_each_invoice_once(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PAGE", 3)
    row = {"customer": guest, "rent": RENT, "starts": d("2026-04-01")}
    billing.leases.add_many(biller=park, rows=[row] * 20)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: billing.run(on=d("2026-03-25")), range(4)))
    assert [dict(counts(report)).get("failed", 0) for report in reports] == [0] * 4
    found = all_invoices(billing, park)
    assert len(found) == len({invoice.lease for invoice in found}) == 20
    assert sum(report.created.count for report in reports) == 20
    assert sorted(invoice.number or "" for invoice in found) == [f"INV-{n:06d}" for n in range(1, 21)]


@pytest.fixture
def busy(billing: Billing, park: Biller, guest: Customer, practice: Biller) -> Billing:
    """A desk with something of everything due: catch-up, bad records, nothing due, no address, cycles."""
    silent = billing.customers.add(biller=park, name="Sam Silent")
    add(billing, guest)
    add(billing, silent, starts=d("2026-04-10"), anchor_day=1, unit="4")
    add(billing, guest, starts=d("2025-04-01"), method="direct_debit")
    add(billing, guest, ends=d("2026-04-15"))
    add(billing, guest, method="manual")
    store_again(billing, attrs.evolve(add(billing, guest), anchor_day=99))
    for name in ("Ann", "Bob"):
        client = billing.customers.add(biller=practice, name=name, billing_cycle="monthly", on=d("2026-03-02"))
        if name == "Ann":
            billing.charges.add(customer=client, description="Visit", amount=Money("80.00", "GBP"), on=d("2026-03-09"))
    return billing


@pytest.mark.rule("S7", "M10", "C9")
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_a_dry_run_gives_the_runs_answer_and_writes_nothing(
    busy: Billing, park: Biller, practice: Biller, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    on = d("2026-04-24")
    stored = [everything(store_of(busy), biller) for biller in (park, practice)]
    dry = busy.run(on=on, dry_run=True)
    assert [everything(store_of(busy), biller) for biller in (park, practice)] == stored
    wet = busy.run(on=on)
    assert answers(dry) == answers(wet)
    assert (dry.dry_run, wet.dry_run) == (True, False)
    assert counts(wet) == {"created": 19, "late": 16, "skipped": 1, "failed": 1, "warnings": 15}
    assert all(told.invoice is None for told in dry.created)
    assert all(told.invoice is not None for told in wet.created)
    dry, wet = busy.run(on=on, dry_run=True), busy.run(on=on)
    assert answers(dry) == answers(wet)
    assert counts(wet) == {"existing": 19, "failed": 1}


@pytest.mark.rule("N1", "N4")
def test_a_day_before_the_last_number_is_told_per_lease_and_a_dry_run_says_the_same(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    billing.billers.edit(park, policy={"chronological": True})
    for _ in range(3):
        add(billing, guest)
    made = billing.invoices.draft(biller=park, customer=guest, title="Firewood", amount=RENT, on=d("2026-04-30"))
    billing.invoices.publish(made, on=d("2026-05-01"))
    before = everything(store_of(billing), park)
    dry, wet = billing.run(on=d("2026-04-01"), dry_run=True), billing.run(on=d("2026-04-01"))
    assert counts(dry) == counts(wet) == {"failed": 3}
    assert answers(dry) == answers(wet)
    assert all("2026-05-01" in told.text for told in wet.failed)
    assert everything(store_of(billing), park) == before
    assert counts(billing.run(on=d("2026-05-01"))) == {"created": 6, "late": 6}


# --- one bad thing never stops the rest ------------------------------------------------------------------------------------


@pytest.mark.rule("S7", "N4")
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_a_bad_lease_is_named_and_the_rest_are_made(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    leases = [add(billing, guest) for _ in range(7)]
    bad = [leases[2], leases[5]]
    store_again(billing, *(attrs.evolve(lease, anchor_day=99) for lease in bad))
    for _ in range(2):
        report = billing.run(on=d("2026-03-25"))
        assert {told.lease for told in report.failed} == {lease.id for lease in bad}
        assert all("anchor_day" in told.text and told.biller == park.id for told in report.failed)
    assert {invoice.lease for invoice in all_invoices(billing, park)} == {
        lease.id for lease in leases if lease not in bad
    }
    stands = billing.leases.get(bad[0])
    store_again(billing, attrs.evolve(stands, anchor_day=None))
    assert [told.lease for told in billing.run(on=d("2026-03-26")).created] == [bad[0].id]


@pytest.mark.rule("N2", "N4")
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_a_period_found_already_invoiced_is_told_and_the_lease_goes_on(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    leases = [add(billing, guest) for _ in range(5)]
    billing.leases.generate(leases[2], on=d("2026-03-02"))
    # As a lease restored from a backup would stand: its first period is invoiced, and it does not know.
    stands = billing.leases.get(leases[2])
    store_again(billing, attrs.evolve(leases[2], version=stands.version))
    report = billing.run(on=d("2026-04-24"))
    assert counts(report) == {"created": 9, "late": 4, "existing": 1}
    assert [told.lease for told in report.existing] == [leases[2].id]
    assert Counter(invoice.lease for invoice in all_invoices(billing, park)) == {lease.id: 2 for lease in leases}
    assert sorted(i.number or "" for i in all_invoices(billing, park)) == [f"INV-{n:06d}" for n in range(1, 11)]


class Trouble:
    """A store that cannot write the invoices of one lease, for a reason nobody foresaw."""

    def __init__(self, store: Store, lease: str) -> None:
        self.store = store
        self.lease = lease

    def reading(self) -> object:
        return self.store.reading()

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self.store.writing(**how) as tx:
            yield Troubled(tx, self.lease)  # type: ignore[misc]  # it hands everything else on

    def close(self) -> None:
        self.store.close()


class Troubled:
    def __init__(self, tx: Writer, lease: str) -> None:
        self.tx = tx
        self.lease = lease

    def __getattr__(self, name: str) -> object:
        return getattr(self.tx, name)

    def add(self, records: Sequence[Record]) -> None:
        self.tx.add(records)
        if any(isinstance(record, Invoice) and record.lease == self.lease for record in records):
            raise ZeroDivisionError("the disk divided by zero")


@pytest.mark.rule("N4", "N1")
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
@pytest.mark.parametrize("issues", [True, False])
def test_an_unforeseen_failure_rolls_its_page_back_and_the_page_is_redone_lease_by_lease(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch, page: int, issues: bool
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    billing.billers.edit(park, policy={"run_issues": issues})
    leases = [add(billing, guest) for _ in range(7)]
    bad = sorted(leases, key=lambda lease: lease.id)[3]
    troubled = Billing(Trouble(store_of(billing), bad.id))  # type: ignore[arg-type]  # it hands everything else on
    report = troubled.run(on=d("2026-03-25"))
    assert counts(report) == {"created": 6, "failed": 1}
    assert [(told.lease, told.text) for told in report.failed] == [
        (bad.id, "ZeroDivisionError: the disk divided by zero")
    ]
    found = all_invoices(billing, park)
    assert {invoice.lease for invoice in found} == {lease.id for lease in leases} - {bad.id}
    if issues:
        assert sorted(i.number or "" for i in found) == [f"INV-{n:06d}" for n in range(1, 7)], "no gap"
        assert len(messages(billing, park)) == 6
    assert counts(billing.run(on=d("2026-03-25"))) == {"created": 1, "existing": 6}


class Deaf:
    """Observes, and fails at it."""

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        raise RuntimeError("cannot hear")


class Listening:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        self.heard += events


class Guard:
    """Refuses the run to everybody but the boss."""

    @hookimpl
    def authorise(self, action: str, actor: str | None) -> str | None:
        return "only the boss runs it" if action == "run" and actor != "boss" else None


@pytest.mark.rule("R18")
def test_observers_that_fail_are_warnings_and_everything_is_made(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PAGE", 2)
    for _ in range(3):
        add(billing, guest)
    ear = Listening()
    desk = Billing(store_of(billing), plugins=Plugins.of(ear, Deaf()))
    report = desk.run(on=d("2026-03-25"), actor="cron")
    assert counts(report) == {"created": 3, "warnings": 2}  # one a page
    assert {(told.code, told.biller) for told in report.warnings} == {("observer_failed", park.id)}
    assert {event.subject for event in ear.heard} == {invoice.id for invoice in all_invoices(billing, park)}
    assert {(event.action, event.actor, event.on) for event in ear.heard} == {("published", "cron", d("2026-03-25"))}


@pytest.mark.rule("R18")
def test_a_host_may_refuse_the_run(billing: Billing, park: Biller, guest: Customer) -> None:
    add(billing, guest)
    desk = Billing(store_of(billing), plugins=Plugins.of(Guard()))
    before = everything(store_of(billing), park)
    with pytest.raises(Refused, match="only the boss"):
        desk.run(on=d("2026-03-25"), actor="clerk")
    assert everything(store_of(billing), park) == before
    assert counts(desk.run(on=d("2026-03-25"), actor="boss")) == {"created": 1}


# --- payments off, drafts, mails ---------------------------------------------------------------------------------------------


@pytest.mark.rule("R1", "S7")
def test_while_payments_are_off_everything_due_is_skipped_and_caught_up_later(
    billing: Billing, park: Biller, guest: Customer, practice: Biller
) -> None:
    lease = add(billing, guest)
    client = billing.customers.add(biller=practice, name="Ann", billing_cycle="monthly")
    billing.charges.add(customer=client, description="Visit", amount=Money("80.00", "GBP"), on=d("2026-03-09"))
    for biller in (park, practice):
        billing.billers.edit(biller, payments=False)
    stored = [everything(store_of(billing), biller) for biller in (park, practice)]
    for day in ("2026-04-01", "2026-05-01"):
        report = billing.run(on=d(day))
        assert counts(report) == {"skipped": 2}
        assert {(told.code, told.lease, told.customer) for told in report.skipped} == {
            ("payments_off", lease.id, guest.id),
            ("payments_off", None, client.id),
        }
        assert answers(report) == answers(billing.run(on=d(day), dry_run=True))
    assert [everything(store_of(billing), biller) for biller in (park, practice)] == stored
    for biller in (park, practice):
        billing.billers.edit(biller, payments=True)
    assert counts(billing.run(on=d("2026-05-02"))) == {"created": 3, "late": 2}


@pytest.mark.rule("R1")
def test_one_billers_payments_being_off_does_not_stop_another(billing: Billing, park: Biller, guest: Customer) -> None:
    add(billing, guest)
    for n in range(3):
        off = billing.billers.add(name=f"Off {n}", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        add(billing, billing.customers.add(biller=off, name="Bob"))
        billing.billers.edit(off, payments=False)
    assert counts(billing.run(on=d("2026-03-25"))) == {"created": 1, "skipped": 3}


@pytest.mark.rule("S9", "R7", "R8")
def test_where_the_policy_does_not_issue_the_run_leaves_drafts_with_references(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    billing.billers.edit(park, policy={"run_issues": False})
    lease = add(billing, guest)
    report = billing.run(on=d("2026-04-24"))
    april, may = of_lease(billing, lease)
    assert counts(report) == {"created": 2, "late": 1}
    assert {invoice.status_on(d("2030-01-01")) for invoice in (april, may)} == {Status.DRAFT}
    assert (april.number, april.issued_on, april.bill_to, april.late) == (None, None, None, True)
    assert {april.draft_reference, may.draft_reference} == {"D-000001", "D-000002"}
    assert messages(billing, park) == []
    assert billing.invoices.visible_to(guest).items == ()
    assert [step.action for step in billing.invoices.timeline(april)] == ["drafted"]
    # An e-mailed lease stays one: its draft wishes the mail that the run would have queued.
    published = billing.invoices.publish(april, on=d("2026-04-25"))
    assert (published.due_on, published.late) == (d("2026-03-31"), True)
    assert [message.invoice for message in messages(billing, park)] == [april.id]


@pytest.mark.rule("S9", "C4")
@pytest.mark.parametrize(
    "method, wish, policy, mailed",
    [
        ("email_pdf", None, None, True),
        ("email_pdf", False, None, True),  # always
        ("email_pdf", None, False, True),
        ("direct_debit", None, None, False),
        ("direct_debit", True, None, True),
        ("direct_debit", None, True, True),
        ("direct_debit", False, True, False),
        ("no mandate", None, None, True),  # a link is sent in place of the debit, always
        ("no mandate", False, False, True),
    ],
)
def test_an_e_mailed_lease_always_queues_its_mail_and_another_follows_the_wishes(
    billing: Billing, park: Biller, method: str, wish: bool | None, policy: bool | None, mailed: bool
) -> None:
    billing.billers.edit(park, policy={"notify_on_publish": policy})
    who = billing.customers.add(biller=park, name="Ann", email="ann@example.com", locale="en_GB", notify=wish)
    if method == "direct_debit":
        save(billing, who)
    how = "email_pdf" if method == "email_pdf" else "direct_debit"
    by_run, by_hand = add(billing, who, method=how), add(billing, who, method=how)
    assert counts(billing.run(on=d("2026-03-20"))) == {}
    billing.leases.generate(by_hand, on=d("2026-03-25"))
    billing.run(on=d("2026-03-31"))
    wanted = {of_lease(billing, lease)[0].id for lease in (by_run, by_hand)} if mailed else set()
    queued = messages(billing, park)
    assert {message.invoice for message in queued} == wanted
    assert {(message.to, message.locale) for message in queued} <= {("ann@example.com", "en_GB")}


@pytest.mark.rule("S9", "R3")
def test_a_tenant_without_an_address_is_billed_with_a_warning(billing: Billing, park: Biller) -> None:
    silent = billing.customers.add(biller=park, name="Sam Silent")
    lease = add(billing, silent)
    debit = add(billing, silent, method="direct_debit")
    report = billing.run(on=d("2026-03-31"))
    assert counts(report) == {"created": 2, "warnings": 2}
    warnings = {warning.code: warning for warning in report.warnings}
    assert (warnings["no_email"].lease, warnings["no_method"].lease) == (lease.id, debit.id)
    assert "Sam Silent" in warnings["no_email"].text
    assert messages(billing, park) == []


# --- clients by the month (C9) -----------------------------------------------------------------------------------------------


def monthly(billing: Billing, practice: Biller, billing_day: int = 1, **rest: object) -> Customer:
    return billing.customers.add(
        biller=practice,
        name="Ann",
        email="ann@example.com",
        billing_cycle="monthly",
        billing_day=billing_day,
        **rest,  # type: ignore[arg-type]  # names of add()
    )


def charge(billing: Billing, client: Customer, on: str, amount: str = "80.00", what: str = "Visit") -> None:
    billing.charges.add(customer=client, description=what, amount=Money(amount, "GBP"), on=d(on))


@pytest.mark.rule("C9")
def test_the_months_charges_go_on_one_draft_and_those_dated_on_the_billing_day_wait(
    billing: Billing, practice: Biller
) -> None:
    client = monthly(billing, practice)
    for on, what in (("2026-03-31", "c"), ("2026-03-05", "a"), ("2026-03-20", "b"), ("2026-04-01", "d")):
        charge(billing, client, on, what=what)
    # March's billing day was reached with nothing dated before it.
    assert counts(billing.run(on=d("2026-03-31"))) == {"skipped": 1}
    assert counts(billing.run(on=d("2026-03-31"))) == {}
    assert counts(billing.run(on=d("2026-04-01"))) == {"created": 1}
    (invoice,) = all_invoices(billing, practice)
    assert [line.description for line in invoice.lines] == ["a", "b", "c"]
    assert (invoice.cycle, invoice.customer, invoice.total) == (d("2026-04-01"), client.id, Money("240.00", "GBP"))
    assert (invoice.drafted_on, invoice.due_on) == (d("2026-04-01"), d("2026-05-01"))  # 30 days
    assert (invoice.late, invoice.number, invoice.draft_reference) == (False, None, "D-000001")
    assert [left.description for left in billing.charges.open_for(client)] == ["d"]
    published = billing.invoices.publish(invoice, on=d("2026-04-10"))
    assert published.due_on == d("2026-05-10"), "issue + terms"
    assert counts(billing.run(on=d("2026-04-01"))) == {"existing": 1}
    assert counts(billing.run(on=d("2026-04-30"))) == {}
    assert counts(billing.run(on=d("2026-05-01"))) == {"created": 1}


@pytest.mark.rule("C9", "C4")
def test_a_month_is_finalized_and_locked_where_the_policy_issues(billing: Billing, practice: Biller) -> None:
    billing.billers.edit(practice, policy={"run_issues": True, "terms_days": 14})
    client = monthly(billing, practice, notify=True)
    charge(billing, client, "2026-03-05")
    billing.run(on=d("2026-04-03"))
    (invoice,) = all_invoices(billing, practice)
    assert (invoice.number, invoice.issued_on, invoice.due_on) == ("INV-000001", d("2026-04-03"), d("2026-04-17"))
    stored = billing.charges.get(invoice.lines[0].charge or "")
    assert (stored.state, stored.invoice) == (ChargeState.INVOICED, invoice.id)
    assert [message.invoice for message in messages(billing, practice)] == [invoice.id]


@pytest.mark.rule("C9")
def test_missed_months_merge_into_one_invoice(billing: Billing, practice: Biller) -> None:
    client = monthly(billing, practice)
    for on in ("2026-03-05", "2026-04-05", "2026-05-05", "2026-06-20"):
        charge(billing, client, on)
    assert counts(billing.run(on=d("2026-06-25"))) == {"created": 1}
    (invoice,) = all_invoices(billing, practice)
    assert (len(invoice.lines), invoice.cycle) == (3, d("2026-06-01"))
    assert billing.customers.get(client).next_cycle_on == d("2026-07-01")
    assert counts(billing.run(on=d("2026-07-01"))) == {"created": 1}


@pytest.mark.rule("C9", "M2")
@pytest.mark.parametrize(
    "billing_day, days",
    [
        (31, ["2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]),
        (-1, ["2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]),
        (30, ["2026-03-30", "2026-04-30", "2026-05-30", "2026-06-30"]),
        (2, ["2026-03-02", "2026-04-02", "2026-05-02", "2026-06-02"]),  # today counts
        (1, ["2026-04-01", "2026-05-01", "2026-06-01"]),
    ],
)
def test_a_billing_day_beyond_the_months_end_is_its_last_day(
    billing: Billing, practice: Biller, billing_day: int, days: list[str]
) -> None:
    client = monthly(billing, practice, billing_day)
    for n in range(130):
        on = d("2026-03-01") + n * DAY
        charge(billing, client, on.isoformat(), amount="1.00")
    runs = [d("2026-03-01") + n * DAY for n in range(122)]  # to 30 June
    made = [on for on in runs if billing.run(on=on).created]
    assert made == [d(day) for day in days]
    lines = [line for invoice in all_invoices(billing, practice) for line in invoice.lines]
    assert len(lines) == len({line.charge for line in lines}) == (made[-1] - d("2026-03-01")).days


@pytest.mark.rule("C9", "M10")
def test_a_month_with_nothing_or_less_to_bill_is_skipped_and_its_charges_wait(
    billing: Billing, practice: Biller
) -> None:
    empty, credit = monthly(billing, practice), monthly(billing, practice)
    charge(billing, credit, "2026-03-05", "30.00")
    charge(billing, credit, "2026-03-06", "-50.00")
    report = billing.run(on=d("2026-04-01"))
    assert counts(report) == {"skipped": 2}
    assert {(told.code, told.customer) for told in report.skipped} == {
        ("nothing_due", empty.id), ("nothing_due", credit.id),
    }  # fmt: skip
    assert counts(billing.run(on=d("2026-04-02"))) == {}, "told once"
    charge(billing, credit, "2026-04-06", "70.00")
    assert counts(billing.run(on=d("2026-05-01"))) == {"created": 1, "skipped": 1}
    (invoice,) = all_invoices(billing, practice)
    assert (invoice.total, len(invoice.lines)) == (Money("50.00", "GBP"), 3)


@pytest.mark.rule("C9", "C5", "N2")
def test_a_voided_month_keeps_its_claim_and_its_released_charges_go_on_the_next(
    billing: Billing, practice: Biller
) -> None:
    billing.billers.edit(practice, policy={"run_issues": True})
    client = monthly(billing, practice)
    charge(billing, client, "2026-03-05")
    billing.run(on=d("2026-04-01"))
    (first,) = all_invoices(billing, practice)
    billing.invoices.void(first, release_charges=True)
    for day in ("2026-04-01", "2026-04-02", "2026-04-30"):
        assert billing.run(on=d(day)).created == 0
    assert counts(billing.run(on=d("2026-05-01"))) == {"created": 1}
    assert {invoice.cycle for invoice in all_invoices(billing, practice)} == {d("2026-04-01"), d("2026-05-01")}


@pytest.mark.rule("C9", "C3")
def test_the_charges_of_a_deleted_month_go_on_the_next(billing: Billing, practice: Biller) -> None:
    client = monthly(billing, practice)
    charge(billing, client, "2026-03-05")
    billing.run(on=d("2026-04-01"))
    billing.invoices.delete_draft(all_invoices(billing, practice)[0])
    assert billing.run(on=d("2026-04-02")).created == 0
    assert counts(billing.run(on=d("2026-05-01"))) == {"created": 1}


@pytest.mark.rule("C9", "N4")
@pytest.mark.parametrize("page", [1, 1000])
def test_another_billing_day_in_a_month_that_has_its_invoice_makes_no_second_one_and_fails_nobody(
    billing: Billing, practice: Biller, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    moved, other = monthly(billing, practice), monthly(billing, practice, 15, on=d("2026-04-01"))
    charge(billing, moved, "2026-03-05")
    assert counts(billing.run(on=d("2026-04-01"))) == {"created": 1, "skipped": 1}
    billing.customers.edit(moved, billing_day=15, on=d("2026-04-02"))
    charge(billing, moved, "2026-04-05")
    charge(billing, other, "2026-04-05")
    dry, wet = billing.run(on=d("2026-04-15"), dry_run=True), billing.run(on=d("2026-04-15"))
    assert counts(wet).get("failed", 0) == 0
    assert wet.created == 1
    assert answers(dry) == answers(wet)
    assert {(i.customer, i.cycle) for i in all_invoices(billing, practice)} == {
        (moved.id, d("2026-04-01")), (other.id, d("2026-04-01")),
    }  # fmt: skip
    assert counts(billing.run(on=d("2026-04-16"))) == {}
    charge(billing, other, "2026-05-05")
    assert counts(billing.run(on=d("2026-05-15"))) == {"created": 2}


@pytest.mark.rule("C9", "N4")
@pytest.mark.parametrize("page", [1, 1000])
def test_a_month_found_already_invoiced_is_told_and_the_client_goes_on(
    billing: Billing, practice: Biller, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    restored = monthly(billing, practice)
    charge(billing, restored, "2026-03-05")
    billing.run(on=d("2026-04-01"))
    # As a client restored from a backup would stand: April is invoiced, and it does not know.
    store_again(billing, attrs.evolve(restored, version=billing.customers.get(restored).version))
    charge(billing, restored, "2026-03-06")
    other = monthly(billing, practice, on=d("2026-03-10"))
    charge(billing, other, "2026-03-10")
    report = billing.run(on=d("2026-04-02"))
    assert counts(report) == {"created": 1, "existing": 1}
    assert [told.customer for told in report.existing] == [restored.id]
    assert counts(billing.run(on=d("2026-05-01"))) == {"created": 1, "skipped": 1}


@pytest.mark.rule("C9")
def test_a_client_without_a_cycle_is_left_alone(billing: Billing, practice: Biller, client: Customer) -> None:
    charge(billing, client, "2026-03-05")
    assert counts(billing.run(on=d("2027-03-05"))) == {}


@pytest.mark.rule("C9", "N4")
def test_a_bad_client_is_named_and_the_rest_are_made(billing: Billing, practice: Biller) -> None:
    clients = [monthly(billing, practice) for _ in range(3)]
    for client in clients:
        charge(billing, client, "2026-03-05")
    store_again(billing, attrs.evolve(clients[1], billing_day=99))
    report = billing.run(on=d("2026-04-01"))
    assert counts(report) == {"created": 2, "failed": 1}
    assert [(told.customer, told.lease) for told in report.failed] == [(clients[1].id, None)]


# --- today (M1) ------------------------------------------------------------------------------------------------------------


def at(billing: Billing, zone: str) -> tuple[Biller, Customer]:
    biller = billing.billers.add(name=zone, currency="EUR", timezone=zone, locale="en_GB", preset="stays")
    return biller, billing.customers.add(biller=biller, name="Ann", email="ann@example.com")


@pytest.mark.rule("M1", "S6")
def test_at_one_instant_each_biller_is_on_its_own_day(billing: Billing, clock: FixedClock) -> None:
    east, one = at(billing, "Pacific/Kiritimati")
    west, two = at(billing, "Pacific/Pago_Pago")
    for who in (one, two):
        add(billing, who, advance_days=0)
        add(billing, who, advance_days=2)
    clock.set(datetime(2026, 3, 31, 10, 30, tzinfo=UTC))  # 00:30 on 1 April and 23:30 on 30 March
    report = billing.run()
    assert counts(report) == {"created": 3, "late": 2}
    assert {(i.biller, i.drafted_on, i.late) for i in report.invoices} == {
        (east.id, d("2026-04-01"), True), (west.id, d("2026-03-30"), False),
    }  # fmt: skip
    clock.set(datetime(2026, 4, 1, 11, 0, tzinfo=UTC))  # midnight in Pago Pago
    assert [(i.biller, i.drafted_on) for i in billing.run().invoices] == [(west.id, d("2026-04-01"))]


@pytest.mark.rule("M1")
def test_a_date_that_is_given_is_that_date_for_every_biller(billing: Billing, clock: FixedClock) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        add(billing, at(billing, zone)[1])
    clock.set(datetime(2026, 3, 31, 10, 30, tzinfo=UTC))
    report = billing.run(on=d("2026-03-25"))
    assert {(i.drafted_on, i.issued_on) for i in report.invoices} == {(d("2026-03-25"), d("2026-03-25"))}
    assert report.created == 2


@pytest.mark.rule("M1", "S6")
@pytest.mark.parametrize(
    "zone, first, before, after, day",
    [
        # Samoa had no 30 December 2011: the day before is the 29th, the next one the 31st.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T09:59", "2011-12-30T10:00", "2011-12-31"),
        # No midnight: the day begins at one o'clock.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T02:59", "2018-11-04T03:00", "2018-11-04"),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T21:59", "2026-03-28T22:00", "2026-03-29"),
        ("America/New_York", "2026-11-01", "2026-11-01T03:59", "2026-11-01T04:00", "2026-11-01"),  # 25 hours long
    ],
)
def test_days_that_are_missing_or_lack_a_midnight_break_nothing(
    billing: Billing, clock: FixedClock, zone: str, first: str, before: str, after: str, day: str
) -> None:
    _, who = at(billing, zone)
    lease = add(billing, who, starts=d(first), ends=d(first) + 20 * DAY, frequency="weekly", advance_days=0)
    clock.set(datetime.fromisoformat(before).replace(tzinfo=UTC))
    assert counts(billing.run()) == {}
    clock.set(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert counts(billing.run()) == {"created": 1, "late": 1}
    (invoice,) = of_lease(billing, lease)
    assert (invoice.drafted_on, invoice.period) == (d(day), Period(d(first), d(first) + 7 * DAY))
    assert billing.leases.generate(lease).drafted_on == d(day)


@pytest.mark.rule("M1")
def test_a_moment_is_not_a_day(billing: Billing, park: Biller) -> None:
    with pytest.raises(InvalidValue):
        billing.run(on=datetime(2026, 3, 25, tzinfo=UTC))


# --- pages and the report ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("S4", "N4")
@pytest.mark.parametrize("page", [1, 2, 3, 5, 10, 11])
def test_leases_due_on_the_same_day_are_paged_without_loss(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    row = {"customer": guest, "rent": RENT, "starts": d("2026-04-01")}
    leases = billing.leases.add_many(biller=park, rows=[row] * 10)
    done: list[int] = []
    report = billing.run(on=d("2026-03-25"), progress=done.append)
    assert counts(report) == {"created": 10}
    assert {invoice.lease for invoice in all_invoices(billing, park)} == {lease.id for lease in leases}
    assert [n for n in done if n < 10] == list(range(page, 10, page))
    assert done[-1] == 10


@pytest.mark.rule("S7", "N4")
@pytest.mark.parametrize("most, after_each", [(1, [4, 8, 12, 16, 20]), (5, [8, 16, 20]), (8, [8, 16, 20]), (100, [20])])
def test_a_page_stops_early_when_catching_up_makes_many_invoices(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch, most: int, after_each: list[int]
) -> None:
    monkeypatch.setattr(running, "PAGE_INVOICES", most)
    leases = [add(billing, guest) for _ in range(5)]
    done: list[int] = []
    report = billing.run(on=d("2026-07-01"), progress=done.append)  # April to July
    assert done == after_each
    assert counts(report) == {"created": 20, "late": 20, "warnings": 5}
    assert Counter(invoice.lease for invoice in all_invoices(billing, park)) == {lease.id: 4 for lease in leases}


@pytest.mark.rule("S7")
@pytest.mark.parametrize("keep", [1, 3, 100])
def test_a_report_counts_everything_and_keeps_the_first_of_each_kind(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    monkeypatch.setattr(outcomes, "KEEP", keep)
    for _ in range(7):
        add(billing, guest)
    report = billing.run(on=d("2026-04-01"))
    assert counts(report) == {"created": 7, "late": 7}
    assert len(report.created.items) == len(report.late.items) == len(report.invoices) == min(keep, 7)
    assert report.created.truncated is (keep < 7)
    again = billing.run(on=d("2026-04-01"))
    assert counts(again) == {"existing": 7}
    assert len(again.existing.items) == min(keep, 7)


@pytest.mark.rule("S7")
def test_a_tally_is_its_count_and_its_items() -> None:
    one, other = Tally(), Tally()
    assert not one
    told = Outcome(code="created", text="Rent", biller="b", invoice="b_inv_1")
    one.add(told)
    other.add(attrs.evolve(told, invoice=None))
    assert one == other == 1
    assert (len(one), list(one), bool(one)) == (1, [told], True)
    other.add(told)
    assert one != other
    assert one != 2
    assert one != "1"
    assert "created=1" in repr(_report_of(one))


def _report_of(created: Tally) -> Report:
    report = Report(dry_run=True)
    for each in created:
        report.tell("created", each)
    return report


@pytest.mark.rule("T1")
def test_a_run_may_be_of_one_biller_and_a_scoped_desk_runs_only_its_own(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    other, who = at(billing, "UTC")
    lease, theirs = add(billing, guest), add(billing, who)
    assert [told.lease for told in billing.run(on=d("2026-03-25"), biller=other).created] == [theirs.id]
    with pytest.raises(NotFound):
        billing.scoped(other).run(on=d("2026-03-25"), biller=park)
    assert counts(billing.scoped(other).run(on=d("2026-03-25"))) == {"existing": 1}
    assert [told.lease for told in billing.scoped(park).run(on=d("2026-03-25")).created] == [lease.id]


@pytest.mark.rule("C8")
def test_credit_pays_the_oldest_due_of_what_the_run_issues(billing: Billing, park: Biller, guest: Customer) -> None:
    billing.billers.edit(park, policy={"apply_credit": True})
    billing.credits.deposit(guest, Money("700.00", "EUR"))
    lease = add(billing, guest)
    billing.run(on=d("2026-04-24"))
    april, may = of_lease(billing, lease)
    assert [str(invoice.balance.amount) for invoice in (april, may)] == ["0.00", "540.00"]
    assert billing.credits.balance(guest) == Money("0.00", "EUR")
    assert april.status_on(d("2026-04-24")) is Status.PAID


@pytest.mark.rule("N2")
def test_a_view_of_the_store_sees_whole_leases_only(billing: Billing, park: Biller, guest: Customer) -> None:
    """The invoice and its lease's next period are written together: after a run none is due by that day."""
    for _ in range(4):
        add(billing, guest)
    billing.run(on=d("2026-04-24"))

    def due(tx: Reader) -> list[Lease]:
        return tx.due_leases(park.id, d("2026-04-24"), after=None, limit=10)

    with store_of(billing).reading() as tx:
        assert due(tx) == []
    assert all(lease.next_period == 2 and lease.invoiced for lease in billing.leases.find(biller=park))


@pytest.mark.rule("S4")
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_more_billers_than_a_page_are_all_billed_once(
    billing: Billing, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoicecore.billing._BILLERS", 2)
    for n in range(count):
        park = billing.billers.add(name=f"P{n}", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        add(billing, billing.customers.add(biller=park, name="Ana"), starts=d("2026-03-01"))
    report = billing.run(on=d("2026-03-02"))
    assert (report.created.count, report.existing.count) == (count, 0)
    assert len({outcome.biller for outcome in report.created}) == count


@pytest.mark.rule("R18")
def test_a_biller_whose_run_is_refused_does_not_stop_the_others(store_url: str, clock: FixedClock) -> None:
    closed: set[str] = set()

    class SomeAreClosed:
        @hookimpl
        def authorise(self, action: str, biller: str) -> str | None:
            return "not this one" if action == "run" and biller in closed else None

    with Billing.open(store_url, clock=clock, plugins=Plugins.discover(SomeAreClosed())) as billing:
        parks = [
            billing.billers.add(
                name=name, currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays", key=name
            )
            for name in ("A", "B", "C")
        ]
        refused = sorted(parks, key=lambda biller: biller.id)[1]
        closed.add(refused.id)
        for park in parks:
            add(billing, billing.customers.add(biller=park, name="Ana"), starts=d("2026-03-01"))
        report = billing.run(on=d("2026-03-02"))
        assert (report.created.count, report.failed.count) == (2, 1)
        (told,) = report.failed
        assert (told.code, told.biller, "not this one" in told.text) == ("refused", refused.id, True)
        with pytest.raises(Refused):
            billing.run(on=d("2026-03-02"), biller=refused)


@pytest.mark.rule("C9", "M1")
@pytest.mark.parametrize(
    "billing_day, cycle_day", [(1, "2026-11-01"), (15, "2026-11-15"), (30, "2026-10-30"), (-1, "2026-10-31")]
)
def test_a_clients_first_month_follows_from_the_runs_day_whenever_the_client_was_added(
    billing: Billing, practice: Biller, billing_day: int, cycle_day: str
) -> None:
    client = monthly(billing, practice, billing_day, on=d("2026-12-24"))
    charge(billing, client, "2026-03-10")
    charge(billing, client, cycle_day)
    assert counts(billing.run(on=d("2026-11-22"))) == {"created": 1}
    (invoice,) = all_invoices(billing, practice)
    assert invoice.cycle == d(cycle_day).replace(day=1)
    assert len(invoice.lines) == 1
    assert [left.on for left in billing.charges.open_for(client)] == [d(cycle_day)]
    assert counts(billing.run(on=d("2026-11-23"))) == {}


@pytest.mark.rule("S7")
def test_what_another_run_of_the_day_made_is_told_as_already_there(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    add(billing, guest, starts=d("2026-03-01"))
    assert counts(billing.run(on=d("2026-03-02"))) == {"created": 1, "late": 1}
    add(billing, guest, starts=d("2026-03-01"))
    assert counts(billing.run(on=d("2026-03-02"))) == {"created": 1, "late": 1, "existing": 1}
    report = billing.run(on=d("2026-03-02"))
    assert (report.existing >= 2, report.existing > 2, int(report.existing)) == (True, False, 2)
