"""The desk's lease verbs: added, edited, repriced, ended, and billed by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from invoicecore import Billing, DayCount, Frequency, Invoice, InvoiceMethod, Money, Period, Status, TaxRate
from invoicecore.errors import (
    AlreadyBilled,
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    KeyReused,
    LeaseFrozen,
    NotAllowed,
    NotFound,
    NothingToBill,
    PaymentsOff,
)
from invoicecore.leases import Lease
from invoicecore.parties import Biller, Customer
from invoicecore.testing import FixedClock
from invoicecore.wording import label_set, late_badge, status_label

RENT = Money("620.00", "EUR")
DAY = timedelta(days=1)


def d(text: str) -> date:
    return date.fromisoformat(text)


def span(first: str, last: str) -> Period:
    return Period.inclusive(d(first), d(last))


def add(billing: Billing, guest: Customer, **fields: object) -> Lease:
    """The lease of pitch 12: 620.00 a month on the 1st, from 1 April 2026."""
    wanted: dict[str, object] = {"customer": guest, "unit": "12", "rent": RENT, "starts": d("2026-04-01"), **fields}
    return billing.leases.add(**wanted)  # type: ignore[arg-type]  # names of add()


def invoices(billing: Billing, lease: Lease) -> list[Invoice]:
    """A lease's invoices by period and revision, voided ones too."""
    found = billing.invoices.find(lease=lease, limit=1000).items
    return sorted(found, key=lambda invoice: (invoice.period_index or 0, invoice.revision))


def drafting(billing: Billing, biller: Biller) -> None:
    """Make the run leave drafts."""
    billing.billers.edit(biller, policy={"run_issues": False})


# --- adding --------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S3", "M2", "M3")
def test_a_lease_is_kept_as_it_was_given(billing: Billing, guest: Customer) -> None:
    vat = TaxRate(name="TVA", percent=20, category="S")
    added = add(
        billing, guest, frequency="quarterly", ends=d("2027-03-31"), anchor_day=-1, method="direct_debit",
        advance_days=3, day_count="thirty", bill_from=d("2026-05-31"), description="Emplacement", taxes=[vat],
    )  # fmt: skip
    stored = billing.leases.get(added)
    assert stored == billing.leases.get(added.id) == added
    assert (stored.rent, stored.starts, stored.ends, stored.anchor_day) == (RENT, d("2026-04-01"), d("2027-03-31"), -1)
    assert (stored.frequency, stored.method) == (Frequency.QUARTERLY, InvoiceMethod.DIRECT_DEBIT)
    assert (stored.day_count, stored.advance_days) == (DayCount.THIRTY, 3)
    assert (stored.bill_from, stored.description, stored.taxes) == (d("2026-05-31"), "Emplacement", (vat,))
    assert (stored.next_period, stored.next_run_on) == (1, d("2026-06-27"))
    assert billing.invoices.timeline(stored)[0].action == "added"


@pytest.mark.rule("S10")
def test_leases_are_found_by_customer_and_unit_and_a_new_pitch_is_registered_once(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    other = billing.customers.add(biller=park, name="Bob")
    first, second, third = add(billing, guest), add(billing, other), add(billing, other, unit="7")
    assert [unit.number for unit in billing.units.find(biller=park)] == ["7", "12"]
    assert {lease.id for lease in billing.leases.find(biller=park)} == {first.id, second.id, third.id}
    assert {lease.id for lease in billing.leases.find(customer=other)} == {second.id, third.id}
    assert {lease.id for lease in billing.leases.find(biller=park, unit="12")} == {first.id, second.id}
    with pytest.raises(NotFound):
        billing.leases.find(biller=park, unit="99")


@pytest.mark.rule("M8", "M2", "S3")
@pytest.mark.parametrize(
    "fields, field, error",
    [
        ({"rent": Money("620.00", "USD")}, "rent", CurrencyMismatch),
        ({"rent": Money("620.005", "EUR")}, "rent", InvalidMoney),
        ({"rent": Money("0.00", "EUR")}, "rent", InvalidMoney),
        ({"rent": Money("-1.00", "EUR")}, "rent", InvalidMoney),
        ({"rent": 620}, "rent", InvalidMoney),
        ({"rent": None}, "rent", InvalidMoney),
        ({"starts": "2026-04-01"}, "starts", InvalidValue),
        ({"starts": None}, "starts", InvalidValue),
        ({"ends": d("2026-03-31")}, "ends", InvalidValue),
        ({"frequency": "daily"}, "frequency", InvalidValue),
        ({"frequency": "weekly", "anchor_day": 1}, "anchor_day", InvalidValue),
        ({"anchor_day": 99}, "anchor_day", InvalidValue),
        ({"method": "fax"}, "method", InvalidValue),
        ({"day_count": "lunar"}, "day_count", InvalidValue),
        ({"advance_days": 400}, "advance_days", InvalidValue),
        ({"taxes": ["20 %"]}, "taxes", InvalidValue),
        ({"unit": "x" * 51}, "unit", InvalidValue),
    ],
)
def test_a_lease_that_cannot_be_is_refused_with_its_field_named(
    billing: Billing, park: Biller, guest: Customer, fields: dict[str, object], field: str, error: type[InvalidValue]
) -> None:
    with pytest.raises(error) as caught:
        add(billing, guest, **fields)
    assert caught.value.field == field
    row = {"customer": guest, "unit": "12", "rent": RENT, "starts": d("2026-04-01")}
    with pytest.raises(error) as caught:
        billing.leases.add_many(biller=park, rows=[row, {**row, **fields}])
    assert caught.value.field == f"rows[1].{field}"
    assert billing.leases.find(biller=park) == [], "one bad row refuses them all"
    assert billing.units.find(biller=park) == []


@pytest.mark.rule("N3")
def test_the_same_key_gives_the_same_lease_back_and_other_data_is_an_error(billing: Billing, guest: Customer) -> None:
    first = add(billing, guest, key="lease 12")
    assert add(billing, guest, key="lease 12") == first
    with pytest.raises(KeyReused):
        add(billing, guest, key="lease 12", unit="13")
    changed = billing.leases.change_rent(first, Money("700.00", "EUR"), d("2026-06-01"), key="rise")
    assert billing.leases.change_rent(first, Money("700.00", "EUR"), d("2026-06-01"), key="rise") == changed
    made = billing.leases.generate(first, key="april")
    assert billing.leases.generate(first, key="april").id == made.id
    assert len(invoices(billing, first)) == 1


@pytest.mark.rule("M1")
def test_the_timeline_says_the_day_a_verb_was_told_to_count_for(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, on=d("2026-01-01"), actor="ann")
    billing.leases.edit(lease, description="Pitch", on=d("2026-01-02"))
    billing.leases.change_rent(lease, Money("700.00", "EUR"), d("2026-06-01"), on=d("2026-01-03"))
    billing.leases.end(lease, d("2026-09-30"), on=d("2026-01-04"))
    billing.leases.edit(lease, description="Plot")
    steps = billing.invoices.timeline(lease)
    assert [(step.action, step.on) for step in steps] == [
        ("added", d("2026-01-01")),
        ("edited", d("2026-01-02")),
        ("rent changed", d("2026-01-03")),
        ("ended", d("2026-01-04")),
        ("edited", d("2026-03-02")),
    ]
    assert steps[0].actor == "ann"


@pytest.mark.rule("T1")
def test_another_billers_customer_or_lease_does_not_exist(billing: Billing, condo: Biller, guest: Customer) -> None:
    lease = add(billing, guest)
    desk = billing.scoped(condo)
    for verb in (
        lambda: desk.leases.get(lease),
        lambda: desk.leases.edit(lease, description="mine"),
        lambda: desk.leases.change_rent(lease, Money("1.00", "CAD"), d("2026-05-01")),
        lambda: desk.leases.end(lease, d("2026-05-01")),
        lambda: desk.leases.generate(lease),
        lambda: desk.leases.find(customer=guest),
        lambda: add(desk, guest),
        lambda: billing.leases.add(biller=condo, customer=guest, rent=Money("1.00", "CAD"), starts=d("2026-04-01")),
    ):
        with pytest.raises(NotFound):
            verb()


# --- editing -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("M9")
def test_until_it_is_invoiced_everything_of_a_lease_may_change(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    after = billing.leases.edit(
        lease, starts=d("2026-04-15"), frequency="weekly", bill_from=d("2026-04-22"), unit="7", method="manual"
    )
    assert after == billing.leases.get(lease)
    assert (after.starts, after.frequency, after.next_period) == (d("2026-04-15"), Frequency.WEEKLY, 1)
    assert after.next_run_on is None
    assert after.unit != lease.unit


@pytest.mark.rule("M9")
@pytest.mark.parametrize(
    "changes",
    [
        {"starts": d("2026-04-02")},
        {"frequency": "weekly"},
        {"anchor_day": 5},
        {"bill_from": d("2026-05-01")},
    ],
)
def test_once_invoiced_its_start_frequency_and_anchor_are_frozen(
    billing: Billing, guest: Customer, changes: dict[str, object]
) -> None:
    lease = add(billing, guest, anchor_day=1)
    billing.run(on=d("2026-03-25"))
    before = billing.leases.get(lease)
    with pytest.raises(LeaseFrozen) as caught:
        billing.leases.edit(lease, **changes)
    assert caught.value.field == next(iter(changes))
    assert billing.leases.get(lease) == before


@pytest.mark.rule("M9", "S4")
def test_once_invoiced_the_rest_may_change_and_saying_the_same_again_is_no_change(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest, anchor_day=1)
    billing.run(on=d("2026-03-25"))
    after = billing.leases.edit(
        lease, starts=lease.starts, frequency="monthly", anchor_day=1, method="direct_debit", description="Pitch"
    )
    assert (after.next_period, after.next_run_on) == (1, d("2026-04-26"))
    assert after.invoiced
    assert billing.leases.edit(lease, advance_days=20).next_run_on == d("2026-04-11")
    assert billing.leases.edit(lease, method=InvoiceMethod.MANUAL).next_run_on is None


@pytest.mark.rule("M9")
@pytest.mark.parametrize("changes", [{"rent": RENT}, {"ends": None}, {"colour": "blue"}])
def test_rent_and_end_have_verbs_of_their_own(billing: Billing, guest: Customer, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        billing.leases.edit(add(billing, guest), **changes)


@pytest.mark.rule("S4")
def test_other_advance_days_in_the_policy_move_the_next_run_of_the_leases_that_follow_it(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    mailed = add(billing, guest)
    debited = add(billing, guest, method="direct_debit")
    own = add(billing, guest, advance_days=2)
    manual = add(billing, guest, method="manual")
    billing.billers.edit(park, policy={"advance_days_email_pdf": 14, "advance_days_direct_debit": 0})
    stands = [billing.leases.get(lease).next_run_on for lease in (mailed, debited, own, manual)]
    assert stands == [d("2026-03-18"), d("2026-04-01"), d("2026-03-30"), None]
    assert billing.run(on=d("2026-03-17")).created == 0
    assert [outcome.lease for outcome in billing.run(on=d("2026-03-18")).created] == [mailed.id]


# --- rent ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("M9", "S3")
@pytest.mark.parametrize("since", ["2026-05-20", "2026-06-01"])
def test_the_rent_from_a_start_that_was_moved_counts_more_than_changes_before_it(
    billing: Billing, guest: Customer, since: str
) -> None:
    lease = add(billing, guest, rent=Money("600.00", "EUR"))
    billing.leases.change_rent(lease, Money("700.00", "EUR"), d("2026-05-01"))
    billing.leases.change_rent(lease, Money("900.00", "EUR"), d("2026-07-01"))
    billing.leases.edit(lease, starts=d("2026-06-01"))
    billing.leases.change_rent(lease, Money("800.00", "EUR"), d(since))
    billing.run(on=d("2026-07-01"))
    assert [str(invoice.total.amount) for invoice in invoices(billing, lease)] == ["800.00", "900.00"]


@pytest.mark.rule("M9", "S2")
def test_a_rent_change_splits_the_period_it_falls_into_on_the_invoice(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, rent=Money("600.00", "EUR"))
    billing.leases.change_rent(lease, Money("660.00", "EUR"), d("2026-06-16"))
    billing.run(on=d("2026-07-01"))
    april, may, june, july = invoices(billing, lease)
    assert [str(invoice.total.amount) for invoice in (april, may, june, july)] == [
        "600.00",
        "600.00",
        "630.00",
        "660.00",
    ]
    assert [(line.description, line.amount, line.period) for line in june.lines] == [
        ("Loyer - Mensuel\n01/06/2026 - 15/06/2026", Money("300.00", "EUR"), span("2026-06-01", "2026-06-15")),
        ("Loyer - Mensuel\n16/06/2026 - 30/06/2026", Money("330.00", "EUR"), span("2026-06-16", "2026-06-30")),
    ]
    assert june.title == "Loyer - Mensuel"
    assert june.period == span("2026-06-01", "2026-06-30")


@pytest.mark.rule("M9")
def test_a_rent_change_in_a_period_that_is_invoiced_is_refused_and_nothing_changes(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    before = billing.leases.get(lease)
    for since in ("2026-03-01", "2026-04-01", "2026-04-30"):
        with pytest.raises(InvalidValue) as caught:
            billing.leases.change_rent(lease, Money("700.00", "EUR"), d(since))
        assert caught.value.field == "since"
    with pytest.raises(CurrencyMismatch):
        billing.leases.change_rent(lease, Money("700.00", "USD"), d("2026-05-01"))
    assert billing.leases.get(lease) == before
    assert billing.leases.change_rent(lease, Money("700.00", "EUR"), d("2026-05-01")).changes[0].since == d(
        "2026-05-01"
    )


@pytest.mark.rule("M9", "R14", "N2")
def test_a_wrong_rent_is_corrected_by_void_change_and_reissue(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    billing.invoices.void(invoices(billing, lease)[0])
    after = billing.leases.change_rent(lease, Money("500.00", "EUR"), d("2026-04-01"))
    assert (after.rent, after.changes, after.next_period) == (Money("500.00", "EUR"), (), 1)
    assert billing.leases.generate(lease, period=0, reissue=True).total == Money("500.00", "EUR")
    billing.run(on=d("2026-04-24"))
    assert [str(invoice.total.amount) for invoice in invoices(billing, lease)] == ["620.00", "500.00", "500.00"]


# --- ending --------------------------------------------------------------------------------------------------------


@pytest.mark.rule("M9")
def test_ending_early_names_the_periods_to_credit_with_their_amounts_and_changes_nothing_silently(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest, advance_days=60)
    billing.run(on=d("2026-04-15"))  # April, May and June
    before = invoices(billing, lease)
    assert len(before) == 3
    result = billing.leases.end(lease, d("2026-05-10"), on=d("2026-05-02"))
    assert [(each.invoice, each.reference) for each in result.to_credit] == [
        (invoice.id, invoice.number) for invoice in before[1:]
    ]
    may, june = result.to_credit
    assert (may.period, may.unused) == (span("2026-05-01", "2026-05-31"), span("2026-05-11", "2026-05-31"))
    assert may.amount == Money("420.00", "EUR")  # 620.00 less 10/31 of it
    assert (june.unused, june.amount) == (span("2026-06-01", "2026-06-30"), RENT)
    assert result.lease == billing.leases.get(lease)
    assert (result.lease.ends, result.lease.finished) == (d("2026-05-10"), True)
    assert invoices(billing, lease) == before
    assert billing.run(on=d("2026-12-31")).created == 0


@pytest.mark.rule("M9")
def test_a_lease_that_ends_on_a_boundary_or_after_what_is_invoiced_leaves_nothing_to_credit(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-04-01"))
    assert billing.leases.end(lease, d("2026-08-12")).to_credit == ()
    assert billing.leases.end(lease, d("2026-04-30")).to_credit == ()


@pytest.mark.rule("M9", "M4")
def test_a_period_begun_that_is_due_whole_is_not_to_be_credited(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, day_count="none", advance_days=40)
    billing.run(on=d("2026-04-01"))
    _, may = invoices(billing, lease)
    result = billing.leases.end(lease, d("2026-04-10"))
    assert [(each.invoice, each.amount) for each in result.to_credit] == [(may.id, RENT)]


@pytest.mark.rule("M9")
def test_a_voided_period_is_not_to_be_credited(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-04-01"))
    billing.invoices.void(invoices(billing, lease)[0])
    assert billing.leases.end(lease, d("2026-04-10")).to_credit == ()


@pytest.mark.rule("M9")
def test_an_end_set_by_mistake_can_be_taken_back(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-04-01"))
    assert len(billing.leases.end(lease, d("2026-04-15")).to_credit) == 1
    again = billing.leases.end(lease, d("2026-12-31"))
    assert again.to_credit == ()
    assert (again.lease.finished, again.lease.next_run_on) == (False, d("2026-04-24"))
    billing.run(on=d("2027-06-01"))
    periods = [invoice.period for invoice in invoices(billing, lease) if invoice.period is not None]
    assert (len(periods), periods[0].start, periods[-1].last_day) == (9, d("2026-04-01"), d("2026-12-31"))


@pytest.mark.rule("M9")
def test_a_lease_billed_pro_rata_to_its_end_cannot_grow_past_it(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, ends=d("2026-04-20"))
    billing.run(on=d("2026-04-01"))
    with pytest.raises(LeaseFrozen, match="successor"):
        billing.leases.end(lease, d("2026-06-30"))
    assert billing.leases.get(lease).ends == d("2026-04-20")
    billing.invoices.void(invoices(billing, lease)[0])
    assert billing.leases.end(lease, d("2026-06-30")).lease.finished is False


@pytest.mark.rule("M9", "P5")
def test_a_lease_whose_days_were_credited_when_it_ended_cannot_grow_back_over_them(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest, rent=Money("300.00", "EUR"))
    billing.run(on=d("2026-04-01"))
    billing.leases.end(lease, d("2026-04-20"))
    (proposal,) = billing.credit_notes.propose(lease)
    note = billing.credit_notes.issue(proposal.invoice, proposal.lines, on=d("2026-04-10"))
    for day in ("2026-04-21", "2026-12-31"):
        with pytest.raises(LeaseFrozen) as caught:
            billing.leases.end(lease, d(day))
        (april,) = invoices(billing, lease)
        assert all(named in str(caught.value) for named in (april.reference, note.number, "2026-04-21"))
    assert billing.leases.get(lease).ends == d("2026-04-20")
    for day in ("2026-04-10", "2026-04-20"):  # it may still shrink, and grow back to what was not credited
        assert billing.leases.end(lease, d(day)).lease.ends == d(day)
    successor = add(billing, guest, rent=Money("300.00", "EUR"), starts=d("2026-04-21"), anchor_day=1)
    billing.run(on=d("2026-04-21"))
    assert invoices(billing, successor)[0].total == note.total, "the way out bills what was credited"


@pytest.mark.rule("M9", "P5")
def test_a_lease_whose_whole_period_was_credited_cannot_grow_back_over_it(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-04-24"))
    billing.leases.end(lease, d("2026-04-30"))
    (proposal,) = billing.credit_notes.propose(lease)
    billing.credit_notes.issue(proposal.invoice, proposal.lines, on=d("2026-04-24"))
    with pytest.raises(LeaseFrozen, match="2026-05-01"):
        billing.leases.end(lease, d("2026-05-31"))


@pytest.mark.rule("M9", "P5")
def test_a_credit_for_something_else_holds_no_lease_where_it_ended(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, ends=d("2026-05-31"))
    billing.run(on=d("2026-04-24"))
    april, may = invoices(billing, lease)
    for invoice in (april, may):
        billing.credit_notes.issue(invoice, amount=Money("20.00", "EUR"), on=d("2026-04-24"))
    assert billing.leases.end(lease, d("2026-12-31")).to_credit == ()
    assert billing.leases.get(lease).next_run_on == d("2026-05-25")


@pytest.mark.rule("M9", "M10")
def test_a_last_period_that_came_to_nothing_is_billed_once_the_lease_goes_on(billing: Billing, guest: Customer) -> None:
    cent = Money("0.01", "EUR")  # ten days of thirty come to nothing
    lease = add(billing, guest, rent=cent, ends=d("2026-06-10"))
    billing.run(on=d("2026-06-01"))
    assert len(invoices(billing, lease)) == 2
    assert billing.leases.get(lease).finished
    assert billing.leases.end(lease, d("2026-07-31")).lease.next_period == 2
    billing.run(on=d("2026-07-01"))
    june = invoices(billing, lease)[2]
    assert june.period is not None
    assert (june.period.start, june.period.last_day, june.total) == (d("2026-06-01"), d("2026-06-30"), cent)
    assert len(invoices(billing, lease)) == 4


@pytest.mark.rule("M9", "M3")
@pytest.mark.parametrize("last", ["2026-03-31", "2026-03-01"])
def test_a_lease_does_not_end_before_it_starts(billing: Billing, guest: Customer, last: str) -> None:
    with pytest.raises(InvalidValue):
        billing.leases.end(add(billing, guest), d(last))


# --- billing by hand -------------------------------------------------------------------------------------------------


@pytest.mark.rule("S4", "S6", "S3", "S5")
@pytest.mark.parametrize("on, late", [("2026-04-09", False), ("2026-04-10", True), ("2027-01-01", True)])
def test_a_manual_lease_is_billed_when_asked_and_is_late_like_any_other(
    billing: Billing, guest: Customer, on: str, late: bool
) -> None:
    lease = add(billing, guest, method="manual", starts=d("2026-04-10"), anchor_day=1)
    assert billing.run(on=d("2027-06-01")).created == 0
    first = billing.leases.generate(lease, on=d(on))
    assert (first.period, first.total, first.due_on) == (
        span("2026-04-10", "2026-04-30"), Money("434.00", "EUR"), d("2026-04-09"),
    )  # fmt: skip
    assert (first.late, first.number, first.revision) == (late, "INV-000001", 1)
    assert first.status_on(d(on)) is (Status.OVERDUE if late else Status.OPEN)
    second = billing.leases.generate(lease, on=d(on))
    assert second.period == span("2026-05-01", "2026-05-31")
    assert billing.leases.get(lease).next_run_on is None
    assert [invoice.id for invoice in invoices(billing, lease)] == [first.id, second.id]


@pytest.mark.rule("S6")
def test_late_is_stored_at_generation_and_never_recomputed(
    billing: Billing, park: Biller, guest: Customer, clock: FixedClock
) -> None:
    drafting(billing, park)
    lease = add(billing, guest)
    on_time = billing.leases.generate(lease, on=d("2026-03-31"))
    late = billing.leases.generate(lease, on=d("2026-05-01"))
    clock.advance(timedelta(days=500))
    for invoice, flag in ((on_time, False), (late, True)):
        billing.invoices.edit(invoice, description="later")
        published = billing.invoices.publish(invoice)
        assert published.late is billing.invoices.get(invoice).late is flag
        assert billing.invoices.void(published).late is flag


@pytest.mark.rule("S6", "R8")
def test_the_tenant_sees_that_an_invoice_was_late(billing: Billing, park: Biller, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-04-01"))
    (seen,) = billing.invoices.visible_to(guest).items
    assert seen.late is True
    assert seen == invoices(billing, lease)[0]
    assert late_badge(labels=label_set(park.policy.labels), locale="fr_FR") == "Émise tardivement"


@pytest.mark.rule("S4")
def test_a_period_may_be_asked_for_by_a_day_or_an_index_up_to_the_next_one(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, ends=d("2026-12-31"), bill_from=d("2026-05-01"))
    for period in (0, -1, d("2026-04-30"), d("2026-03-31"), 2, d("2026-06-15"), d("2027-01-01")):
        with pytest.raises(InvalidValue) as caught:
            billing.leases.generate(lease, period=period)
        assert caught.value.field == "period"
    assert billing.leases.generate(lease, period=d("2026-05-20")).period_index == 1
    assert billing.leases.generate(lease, period=2).period == span("2026-06-01", "2026-06-30")
    assert billing.leases.generate(lease).period_index == 3


@pytest.mark.rule("N2", "S4")
def test_what_was_billed_by_hand_ahead_of_its_day_is_not_billed_again_by_the_run(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest)
    billing.leases.generate(lease, on=d("2026-03-02"))
    assert billing.run(on=d("2026-04-20")).created == 0
    assert [outcome.period for outcome in billing.run(on=d("2026-04-24")).created] == [span("2026-05-01", "2026-05-31")]
    with pytest.raises(AlreadyBilled):
        billing.leases.generate(lease, period=0)
    with pytest.raises(AlreadyBilled):
        billing.leases.generate(lease, period=d("2026-05-31"), reissue=True)  # it is live


@pytest.mark.rule("S4")
def test_a_lease_whose_last_period_is_billed_has_nothing_left(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest, ends=d("2026-04-30"), method="manual")
    billing.leases.generate(lease)
    for period in (None, 1):
        with pytest.raises(NothingToBill):
            billing.leases.generate(lease, period=period)
    assert billing.leases.get(lease).finished


@pytest.mark.rule("R1")
def test_with_payments_off_nothing_is_billed_by_hand(billing: Billing, park: Biller, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.billers.edit(park, payments=False)
    before = billing.leases.get(lease)
    with pytest.raises(PaymentsOff):
        billing.leases.generate(lease)
    assert (billing.leases.get(lease), invoices(billing, lease)) == (before, [])


@pytest.mark.rule("S9", "R7")
def test_a_lease_billed_by_hand_is_published_and_mailed_or_left_a_draft_as_the_run_would(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    lease = add(billing, guest, method="manual")
    published = billing.leases.generate(lease)
    assert (published.number, published.issued_on) == ("INV-000001", d("2026-03-02"))
    assert [step.action for step in billing.invoices.timeline(published)] == ["published"]
    drafting(billing, park)
    draft = billing.leases.generate(lease)
    assert (draft.number, draft.status_on(d("2030-01-01"))) == (None, Status.DRAFT)
    assert draft.draft_reference is not None
    assert [step.action for step in billing.invoices.timeline(draft)] == ["drafted"]
    assert billing.invoices.visible_to(guest).items == (billing.invoices.get(published),)


@pytest.mark.rule("M9", "P5")
def test_an_end_set_by_mistake_is_taken_back_though_something_else_was_credited_before(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    (april,) = invoices(billing, lease)
    billing.credit_notes.issue(april, amount=Money("31.00", "EUR"), on=d("2026-03-26"))
    billing.leases.end(lease, d("2026-04-20"))
    assert billing.leases.end(lease, d("2026-12-31")).to_credit == ()
    billing.leases.end(lease, d("2026-04-20"))
    billing.credit_notes.issue(april, amount=Money("31.00", "EUR"), on=d("2026-04-20"))
    with pytest.raises(LeaseFrozen, match="CN-000002 credited days after it"):
        billing.leases.end(lease, d("2026-12-31"))


@pytest.mark.rule("M9", "N2")
def test_an_end_taken_back_names_the_voided_periods_that_no_run_bills(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-05-25"))
    _, may, june = invoices(billing, lease)
    ended = billing.leases.end(lease, d("2026-04-30"))
    assert [each.invoice for each in ended.to_credit] == [may.id, june.id]
    for each in (may, june):
        billing.invoices.void(each)
    assert billing.leases.end(lease, d("2026-04-30")).to_reissue == ()
    back = billing.leases.end(lease, d("2026-06-15"))
    assert (back.to_credit, back.to_reissue) == ((), (may.period, span("2026-06-01", "2026-06-15")))
    assert billing.run(on=d("2026-05-25")).created.count == 0
    again = [billing.leases.generate(lease, period=each.start, reissue=True) for each in back.to_reissue]
    assert [each.period for each in again] == list(back.to_reissue)
    assert billing.leases.end(lease, d("2026-06-15")).to_reissue == ()


@pytest.mark.rule("S4", "M10")
@pytest.mark.parametrize("asked", [None, d("2026-02-10"), 1])
def test_a_first_part_that_comes_to_nothing_keeps_no_manual_lease_from_its_next_period(
    billing: Billing, asked: date | int | None
) -> None:
    biller = billing.billers.add(name="J", currency="JPY", timezone="Asia/Tokyo", locale="en_GB", preset="stays")
    who = billing.customers.add(biller=biller, name="Ken")
    lease = billing.leases.add(
        biller=biller, customer=who, rent=Money("10", "JPY"), starts=d("2026-01-31"), ends=d("2026-03-01"), anchor_day=1,
        method="manual",
    )  # fmt: skip
    with pytest.raises(NothingToBill):
        billing.leases.generate(lease, period=0)
    with pytest.raises(InvalidValue, match="bill period 1 first"):
        billing.leases.generate(lease, period=2)
    february = billing.leases.generate(lease, period=asked)
    assert (february.period_index, february.total) == (1, Money("10", "JPY"))
    with pytest.raises(NothingToBill):  # and one day of March
        billing.leases.generate(lease)


# --- void, delete, reissue (N2) --------------------------------------------------------------------------------------


@pytest.mark.rule("N2")
def test_a_void_keeps_its_claim_and_a_reissue_is_the_next_revision(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    (first,) = invoices(billing, lease)
    billing.invoices.void(first)
    assert billing.run(on=d("2026-03-25")).created == 0
    assert billing.run(on=d("2026-04-10")).created == 0
    with pytest.raises(AlreadyBilled):
        billing.leases.generate(lease, period=0)
    second = billing.leases.generate(lease, period=0, reissue=True, on=d("2026-03-26"))
    assert (second.revision, second.period_index, second.total) == (2, 0, first.total)
    assert second.number != first.number
    with pytest.raises(AlreadyBilled):
        billing.leases.generate(lease, period=0, reissue=True)
    billing.invoices.void(second)
    third = billing.leases.generate(lease, period=d("2026-04-30"), reissue=True)
    assert third.revision == 3
    assert billing.run(on=d("2026-04-24")).created == 1
    assert [(invoice.period_index, invoice.revision) for invoice in invoices(billing, lease)] == [
        (0, 1), (0, 2), (0, 3), (1, 1),
    ]  # fmt: skip


@pytest.mark.rule("N2")
def test_reissuing_without_naming_a_period_bills_the_last_voided_one_and_never_the_next(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest)
    with pytest.raises(NothingToBill):
        billing.leases.generate(lease, reissue=True)
    billing.run(on=d("2026-06-01"))
    april, may, june = invoices(billing, lease)
    for invoice in (april, may):
        billing.invoices.void(invoice)
    assert billing.leases.generate(lease, reissue=True).period == may.period
    assert billing.leases.generate(lease, reissue=True).period == april.period
    with pytest.raises(NothingToBill):
        billing.leases.generate(lease, reissue=True)
    assert invoices(billing, lease)[-1].id == june.id


@pytest.mark.rule("N2", "S6")
def test_a_reissue_on_the_first_day_or_after_is_late_of_its_own(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    (first,) = invoices(billing, lease)
    billing.invoices.void(first)
    again = billing.leases.generate(lease, period=0, reissue=True, on=d("2026-04-01"))
    assert (billing.invoices.get(first).late, again.late) == (False, True)


@pytest.mark.rule("N2", "M9")
def test_a_reissue_after_an_early_end_bills_the_days_that_are_left(billing: Billing, guest: Customer) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-04-24"))
    april, may = invoices(billing, lease)
    billing.leases.end(lease, d("2026-04-15"))
    billing.invoices.void(april)
    billing.invoices.void(may)
    again = billing.leases.generate(lease, period=0, reissue=True)
    assert (again.period, again.total) == (span("2026-04-01", "2026-04-15"), Money("310.00", "EUR"))
    with pytest.raises(NothingToBill):
        billing.leases.generate(lease, period=1, reissue=True)
    assert billing.leases.end(lease, d("2026-04-15")).to_credit == ()


@pytest.mark.rule("N2", "C3")
def test_deleting_a_draft_frees_its_period_and_the_run_does_not_bring_it_back(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    drafting(billing, park)
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    (draft,) = invoices(billing, lease)
    billing.invoices.delete_draft(draft)
    assert invoices(billing, lease) == []
    for day in ("2026-03-25", "2026-03-26", "2026-04-10"):
        assert billing.run(on=d(day)).created == 0
    assert billing.invoices.timeline(lease)[-1].action == "period skipped"
    assert [outcome.period for outcome in billing.run(on=d("2026-04-24")).created] == [span("2026-05-01", "2026-05-31")]
    again = billing.leases.generate(lease, period=0)
    assert (again.period, again.revision) == (span("2026-04-01", "2026-04-30"), 1)


@pytest.mark.rule("N2")
def test_a_reissue_of_an_earlier_period_brings_no_deleted_draft_of_a_later_one_back(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    day = d("2026-05-01")
    drafting(billing, park)
    lease = add(billing, guest)
    billing.run(on=day)
    first, second = invoices(billing, lease)
    billing.invoices.void(billing.invoices.publish(first, on=day), on=day)
    billing.invoices.delete_draft(second)
    billing.leases.generate(lease, period=0, reissue=True, on=day)
    assert billing.leases.get(lease).next_period == 2
    assert billing.run(on=day).created == 0
    assert [each.period_index for each in invoices(billing, lease)] == [0, 0]


@pytest.mark.rule("N2")
def test_a_voided_draft_keeps_its_claim_too(billing: Billing, park: Biller, guest: Customer) -> None:
    drafting(billing, park)
    lease = add(billing, guest)
    billing.run(on=d("2026-03-25"))
    billing.invoices.void(invoices(billing, lease)[0])
    assert billing.run(on=d("2026-03-26")).created == 0
    assert billing.leases.generate(lease, period=0, reissue=True).revision == 2


# --- what became of them ---------------------------------------------------------------------------------------------


@pytest.mark.rule("S8", "D1")
def test_a_lease_invoice_shows_the_statuses_of_stays(billing: Billing, park: Biller, guest: Customer) -> None:
    drafting(billing, park)
    lease = add(billing, guest)
    labels = label_set(park.policy.labels)
    shown: list[str] = []

    def look(on: str) -> None:
        status = billing.invoices.get(invoice).status_on(d(on))
        shown.append(status_label(status, labels=labels, locale="en_GB"))

    invoice = billing.leases.generate(lease)
    look("2026-04-15")
    billing.invoices.publish(invoice)
    look("2026-03-31")
    look("2026-04-01")
    payment = billing.payments.record(invoice)
    look("2026-04-15")
    billing.payments.reverse(payment)
    look("2026-04-15")
    billing.payments.record(invoice)
    billing.payments.refund(invoice)
    look("2026-04-15")
    other = billing.leases.generate(lease)
    invoice = billing.invoices.void(other)
    look("2026-04-15")
    assert shown == ["Draft", "Unpaid", "Overdue", "Paid", "Overdue", "Refunded", "Voided"]


@pytest.mark.rule("S13", "S6")
def test_what_is_outstanding_counts_late_invoices_and_neither_drafts_nor_voids(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    lease, other = add(billing, guest), add(billing, guest, rent=Money("100.00", "EUR"), ends=d("2026-04-30"))
    billing.run(on=d("2026-04-24"))  # April is late, May is not
    april, _ = invoices(billing, lease)
    assert billing.invoices.outstanding(lease=lease) == Money("1240.00", "EUR")
    assert billing.invoices.outstanding(customer=guest) == Money("1340.00", "EUR")
    assert billing.invoices.outstanding(biller=park) == Money("1340.00", "EUR")
    billing.payments.record(april, Money("20.00", "EUR"))
    assert billing.invoices.outstanding(lease=lease) == Money("1220.00", "EUR")
    billing.invoices.void(invoices(billing, other)[0])
    drafting(billing, park)
    billing.leases.generate(lease)
    assert billing.invoices.outstanding(biller=park) == Money("1220.00", "EUR")


@pytest.mark.rule("S10", "D5", "S5")
def test_the_list_of_a_leases_overdue_invoices_agrees_with_each_invoice_on_every_day(
    billing: Billing, guest: Customer
) -> None:
    lease = add(billing, guest)
    billing.run(on=d("2026-07-10"))
    april, may, june, july = invoices(billing, lease)
    billing.payments.record(may)
    billing.invoices.void(june)
    for offset in range(-3, 40):
        on = d("2026-03-31") + offset * timedelta(days=3)
        for status in Status:
            found = {i.id for i in billing.invoices.find(lease=lease, status=status, on=on).items}
            assert found == {i.id for i in invoices(billing, lease) if i.status_on(on) is status}
    overdue = billing.invoices.find(lease=lease, status="overdue", on=d("2026-07-10")).items
    assert {invoice.id for invoice in overdue} == {april.id, july.id}


@pytest.mark.rule("R14")
def test_a_published_lease_invoice_is_not_edited(billing: Billing, guest: Customer) -> None:
    invoice = billing.leases.generate(add(billing, guest))
    with pytest.raises(NotAllowed):
        billing.invoices.edit(invoice, title="Rent")


@pytest.mark.rule("M7", "M6")
def test_taxes_come_on_top_of_a_prorated_rent(billing: Billing, guest: Customer) -> None:
    vat = TaxRate(name="TVA", percent=10, category="S")
    lease = add(billing, guest, starts=d("2026-04-10"), anchor_day=1, taxes=[vat])
    invoice = billing.leases.generate(lease)
    assert (invoice.net, invoice.total) == (Money("434.00", "EUR"), Money("477.40", "EUR"))
    stored = billing.invoices.get(invoice)
    assert stored.lines[0].share == invoice.lines[0].share
    assert stored.lines[0].share is not None
    assert (stored.lines[0].share.days, stored.lines[0].share.of_days) == (21, 30)
