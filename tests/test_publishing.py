"""Publishing: numbers, frozen payers, due dates, who is told; one by one, all at once, and by many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, cast

import attrs
import pytest

from desks import all_of, everything, store_of
from invoicecore import Billing, Money, Plugins, Status, hookimpl
from invoicecore.billing import publishing
from invoicecore.errors import Conflict, Interrupted, InvalidValue, KeyReused, NotAllowed, ObserverFailed
from invoicecore.invoices import Invoice
from invoicecore.messages import Message
from invoicecore.parties import Biller, BillTo, Customer
from invoicecore.ports import Event, Record, Store, Writer
from invoicecore.testing import FixedClock
from workers import Wrapped

TODAY = date(2026, 3, 2)
YESTERDAY = date(2026, 3, 1)
DUE = date(2026, 3, 20)

Draft = Callable[..., Invoice]


def cad(amount: str | int) -> Money:
    return Money(str(amount), "CAD")


@pytest.fixture
def draft(billing: Billing, condo: Biller, resident: Customer) -> Draft:
    """Drafts for unit 1 of the condo, where the resident lives."""

    def made(**changes: object) -> Invoice:
        given = {"biller": condo, "unit": "1", "title": "Dues", "amount": cad(100), "due": DUE, **changes}
        return billing.invoices.draft(**given)  # type: ignore[arg-type]  # any of its arguments

    return made


def mails(billing: Billing, biller: Biller) -> list[Message]:
    return all_of(store_of(billing), biller, Message)


def codes(invoice: Invoice) -> list[str]:
    return [warning.code for warning in invoice.warnings]


# --- one invoice ------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R10", "R8", "R19", "N1", "C4")
def test_publishing_opens_numbers_dates_and_names_the_payer(
    billing: Billing, condo: Biller, resident: Customer, draft: Draft
) -> None:
    made = draft()
    after = billing.invoices.publish(made, actor="ann")
    assert after.status_on(TODAY) is Status.OPEN
    assert (after.number, after.reference, after.draft_reference) == ("INV-000001", "INV-000001", "D-000001")
    assert (after.issued_on, after.due_on, after.customer, codes(after)) == (TODAY, DUE, resident.id, [])
    assert after.bill_to == BillTo(name="Noah Tremblay", email="noah@example.com", locale=condo.locale)
    assert billing.invoices.get(made) == after
    assert billing.invoices.get("INV-000001", biller=condo) == after
    assert billing.invoices.visible_to(resident).items == (after,)
    (step,) = billing.invoices.timeline(made)[1:]
    assert (step.action, step.detail, step.actor, step.on) == ("published", "INV-000001", "ann", TODAY)


@pytest.mark.rule("R19")
def test_bill_to_is_who_lives_there_at_publish_and_stays_so(
    billing: Billing, condo: Biller, resident: Customer, draft: Draft
) -> None:
    made = draft()
    next_one = billing.customers.add(
        biller=condo, name="Ada", email="ada@example.com", address="1 Maple\nToronto", locale="fr_CA"
    )
    billing.units.assign("1", next_one, biller=condo)
    preview = billing.invoices.preview_publish(made)
    after = billing.invoices.publish(made)
    frozen = BillTo(name="Ada", email="ada@example.com", address="1 Maple\nToronto", locale="fr_CA")
    assert (preview.bill_to, after.bill_to) == (frozen, frozen)
    billing.units.assign("1", resident, biller=condo)
    billing.customers.edit(next_one, name="Ada B.", email=None, address="elsewhere", locale="en_CA")
    billing.invoices.void(after)
    kept = billing.invoices.get(after)
    assert (kept.bill_to, kept.customer) == (frozen, next_one.id)
    assert [one.id for one in billing.invoices.visible_to(next_one).items] == [after.id]
    assert billing.invoices.visible_to(resident).items == ()


@pytest.mark.rule("R3", "R9", "R10", "R19")
def test_an_empty_unit_is_published_with_a_warning_and_later_occupants_never_see_it(
    billing: Billing, condo: Biller, resident: Customer
) -> None:
    unit = billing.units.add(biller=condo, number="2")
    made = billing.invoices.draft(biller=condo, unit=unit, title="Dues", amount=cad(1), notify=True)
    preview = billing.invoices.preview_publish(made)
    after = billing.invoices.publish(made)
    assert [warning.code for warning in preview.warnings] == codes(after) == ["no_resident"]
    assert "2" in after.warnings[0].text
    assert (after.bill_to, after.customer, mails(billing, condo)) == (None, None, [])
    billing.units.assign(unit, resident)
    assert billing.invoices.visible_to(resident).items == ()
    assert billing.invoices.get(after).bill_to is None


@pytest.mark.rule("R10")
@pytest.mark.parametrize("due", [TODAY, date(2026, 4, 1)])
def test_a_due_date_gone_by_is_a_warning_or_is_moved(billing: Billing, draft: Draft, due: date) -> None:
    late, moved = (draft(due=YESTERDAY, on=YESTERDAY) for _ in range(2))
    after = billing.invoices.publish(late)
    assert (codes(after), after.status_on(TODAY), after.due_on) == (["due_passed"], Status.OVERDUE, YESTERDAY)
    after = billing.invoices.publish(moved, due=due)
    assert (codes(after), after.status_on(TODAY), after.due_on) == ([], Status.OPEN, due)
    assert billing.invoices.get(moved).due_on == due


@pytest.mark.rule("R10", "R7")
@pytest.mark.parametrize(
    "wrong, field, reason",
    [
        ({"due": YESTERDAY}, "due", "is before 2026-03-02"),
        ({"due": "2026-03-20"}, "due", "a str is not a date"),
        ({"on": DUE, "due": TODAY}, "due", "is before 2026-03-20"),
        ({"notify": "no"}, "notify", "is not a yes or no"),
    ],
)
def test_a_wrong_publish_is_refused_and_takes_no_number(
    billing: Billing, condo: Biller, draft: Draft, wrong: dict[str, object], field: str, reason: str
) -> None:
    made = draft()
    before = everything(store_of(billing), condo)
    with pytest.raises(InvalidValue, match=reason) as refused:
        billing.invoices.publish(made, **wrong)  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field
    if field == "due":
        given = {name: value for name, value in wrong.items() if name != "notify"}
        with pytest.raises(InvalidValue, match=reason):
            billing.invoices.preview_publish(made, **given)  # type: ignore[arg-type]  # wrong on purpose
    assert everything(store_of(billing), condo) == before


@pytest.mark.rule("N3")
def test_a_publish_happens_once_per_key(billing: Billing, condo: Biller, draft: Draft, resident: Customer) -> None:
    made, other = draft(), draft()
    first = billing.invoices.publish(made, notify=True, due=DUE, key="p")
    after = everything(store_of(billing), condo)
    assert billing.invoices.publish(made.id, notify=True, due=DUE, key="p") == first
    for change in ({"notify": False}, {"notify": None}, {"due": None}):
        with pytest.raises(KeyReused):
            billing.invoices.publish(made, **{"notify": True, "due": DUE, **change}, key="p")  # type: ignore[arg-type]
    with pytest.raises(KeyReused):
        billing.invoices.publish(other, notify=True, due=DUE, key="p")
    assert everything(store_of(billing), condo) == after
    billing.payments.record(made)
    assert billing.invoices.publish(made, notify=True, due=DUE, key="p").status_on(TODAY) is Status.PAID
    assert len(mails(billing, condo)) == 1


# --- who is told ------------------------------------------------------------------------------------------------------

TOLD = [
    # call, client, policy, draft's wish, told by publish
    (True, False, False, False, True),
    (False, True, True, True, False),
    (None, True, False, False, True),
    (None, False, True, True, False),
    (None, None, True, False, True),
    (None, None, False, True, False),
    (None, None, None, True, True),
    (None, None, None, False, False),
]


@pytest.mark.rule("R7", "C4")
@pytest.mark.parametrize("call, client, policy, wish, told", TOLD)
def test_who_is_told_call_over_client_over_policy_over_wish(
    billing: Billing, condo: Biller, draft: Draft, resident: Customer,
    call: bool | None, client: bool | None, policy: bool | None, wish: bool, told: bool,
) -> None:  # fmt: skip
    billing.billers.edit(condo, policy={"notify_on_publish": policy})
    billing.customers.edit(resident, notify=client, locale="fr_CA")
    made = draft(notify=wish)
    assert mails(billing, condo) == []  # never when it is drafted
    assert billing.invoices.preview_publish(made).suggest_notify is True  # "has an address", whatever is wished
    billing.invoices.publish(made, notify=call)
    sent = mails(billing, condo)
    assert [(mail.invoice, mail.to, mail.locale) for mail in sent] == (
        [(made.id, "noah@example.com", "fr_CA")] if told else []
    )


@pytest.mark.rule("R7", "R11")
@pytest.mark.parametrize("call, told", [(None, 2), (True, 2), (False, 0)])
def test_publish_all_tells_everybody_with_an_address_unless_told_otherwise(
    billing: Billing, condo: Biller, draft: Draft, call: bool | None, told: int
) -> None:
    nobody = billing.customers.add(biller=condo, name="No Mail")
    draft(notify=False), draft(notify=True), draft(unit=None, customer=nobody)
    report = billing.invoices.publish_all(biller=condo, notify=call)
    assert len(mails(billing, condo)) == told
    warned = [codes(one.invoice) for one in report.published]
    assert warned == [[], [], [] if call is False else ["no_email"]]


@pytest.mark.rule("R7", "R3")
def test_a_wish_that_cannot_be_met_is_a_warning(billing: Billing, condo: Biller, draft: Draft) -> None:
    nobody = billing.customers.add(biller=condo, name="No Mail")
    wished = billing.invoices.publish(draft(unit=None, customer=nobody, notify=True))
    unwished = billing.invoices.publish(draft(unit=None, customer=nobody, notify=False))
    assert (codes(wished), codes(unwished)) == (["no_email"], [])
    assert "No Mail" in wished.warnings[0].text


@pytest.mark.rule("R7", "C8")
def test_credit_is_applied_before_notices_are_written(
    billing: Billing, condo: Biller, draft: Draft, resident: Customer
) -> None:
    billing.billers.edit(condo, policy={"apply_credit": True})
    billing.credits.deposit(resident, cad(150))
    first = billing.invoices.publish(draft(notify=True))
    second = billing.invoices.publish(draft(notify=True))
    assert (first.status_on(TODAY), first.balance) == (Status.PAID, cad(0))
    assert (second.balance, second.partly_paid) == (cad(50), True)
    assert billing.invoices.get(second) == second
    steps = [(step.action, step.step) for step in billing.invoices.timeline(first)]
    assert steps == [("drafted", 0), ("published", 0), ("credit applied", 1)]


# --- the preview ------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R9")
def test_the_preview_says_what_publishing_does_and_reserves_nothing(
    billing: Billing, condo: Biller, draft: Draft, resident: Customer
) -> None:
    first, second = draft(), draft(due=YESTERDAY, on=YESTERDAY)
    before = everything(store_of(billing), condo)
    preview = billing.invoices.preview_publish(first)
    assert (preview.reference, preview.expected_number, preview.amount) == ("D-000001", "INV-000001", cad(100))
    assert (preview.bill_to, preview.due_on) == (
        BillTo(name="Noah Tremblay", email="noah@example.com", locale=condo.locale),
        DUE,
    )
    assert (preview.can_email, preview.suggest_notify, preview.warnings) == (True, True, ())
    late = billing.invoices.preview_publish(second)
    assert (late.expected_number, [warning.code for warning in late.warnings]) == ("INV-000001", ["due_passed"])
    assert billing.invoices.preview_publish(second, due=DUE).warnings == ()
    assert everything(store_of(billing), condo) == before
    assert billing.invoices.publish(second).number == "INV-000001"
    assert billing.invoices.preview_publish(first).expected_number == "INV-000002"


@pytest.mark.rule("R9", "R3")
def test_the_preview_says_when_nobody_can_be_e_mailed(billing: Billing, condo: Biller, draft: Draft) -> None:
    nobody = billing.customers.add(biller=condo, name="No Mail")
    preview = billing.invoices.preview_publish(draft(unit=None, customer=nobody))
    assert (preview.can_email, preview.suggest_notify) == (False, False)
    assert [warning.code for warning in preview.warnings] == ["no_email"]


@pytest.mark.rule("R9", "N1", "R10")
def test_the_preview_refuses_what_publishing_would_refuse(billing: Billing, condo: Biller, draft: Draft) -> None:
    billing.billers.edit(condo, policy={"chronological": True})
    billing.invoices.publish(draft())
    late = draft(on=YESTERDAY)
    for call in (billing.invoices.preview_publish, billing.invoices.publish):
        with pytest.raises(NotAllowed, match="2026-03-01 is before the last issue date 2026-03-02"):
            call(late, on=YESTERDAY)
    void = billing.invoices.void(late)
    with pytest.raises(NotAllowed, match="cannot publish while void; allowed now: nothing"):
        billing.invoices.preview_publish(void)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("N1")
def test_numbers_count_on_over_the_years_unless_policy_says_yearly(
    billing: Billing, condo: Biller, draft: Draft
) -> None:
    def issued(on: date) -> str | None:
        return billing.invoices.publish(draft(), on=on, due=on).number

    assert [issued(date(2026, 12, 31)), issued(date(2027, 1, 1))] == ["INV-000001", "INV-000002"]
    billing.billers.edit(condo, policy={"yearly_numbers": True, "number_prefix": "F-", "number_digits": 4})
    days = [date(2026, 12, 30), date(2027, 1, 1), date(2026, 12, 31), date(2027, 1, 2)]
    assert [issued(day) for day in days] == ["F-2026-0001", "F-2027-0001", "F-2026-0002", "F-2027-0002"]


@pytest.mark.rule("N1")
def test_chronological_numbers_refuse_an_earlier_issue_date(billing: Billing, condo: Biller, draft: Draft) -> None:
    billing.invoices.publish(draft(), on=DUE)
    assert billing.invoices.publish(draft(), on=TODAY).number == "INV-000002"  # free by default
    billing.billers.edit(condo, policy={"chronological": True})
    billing.invoices.publish(draft(), on=DUE, due=DUE)
    made = draft()
    before = everything(store_of(billing), condo)
    with pytest.raises(NotAllowed) as refused:
        billing.invoices.publish(made, on=DUE - timedelta(days=1))
    assert str(refused.value) == (
        "cannot publish while draft: 2026-03-19 is before the last issue date 2026-03-20;"
        " allowed now: publish on a later day"
    )
    assert everything(store_of(billing), condo) == before
    assert billing.invoices.publish(made, on=DUE).number == "INV-000004"


@pytest.mark.rule("N1")
def test_yearly_and_chronological_judge_each_series_by_itself(billing: Billing, condo: Biller, draft: Draft) -> None:
    billing.billers.edit(condo, policy={"chronological": True, "yearly_numbers": True})
    assert billing.invoices.publish(draft(), on=date(2027, 1, 5), due=date(2027, 2, 1)).number == "INV-2027-000001"
    assert billing.invoices.publish(draft(), on=date(2026, 12, 31), due=date(2027, 2, 1)).number == "INV-2026-000001"
    with pytest.raises(NotAllowed, match="2026-12-30 is before the last issue date 2026-12-31"):
        billing.invoices.publish(draft(), on=date(2026, 12, 30), due=date(2027, 2, 1))


@pytest.mark.rule("N1")
def test_numbers_have_no_gap_where_drafts_are_voided_deleted_and_refused(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    def draft() -> Invoice:
        return billing.invoices.draft(biller=park, customer=guest, title="x", amount=Money("1", "EUR"), due=DUE)

    made = [draft() for _ in range(6)]
    billing.invoices.void(made[0])
    billing.invoices.delete_draft(made[1])
    with pytest.raises(InvalidValue):
        billing.invoices.publish(made[2], due=YESTERDAY)
    assert billing.invoices.publish(made[5]).number == "INV-000001"
    billing.invoices.void(made[5])
    report = billing.invoices.publish_all(biller=park)
    assert [one.invoice.number for one in report.published] == ["INV-000002", "INV-000003", "INV-000004"]


@pytest.mark.rule("N1")
def test_threads_that_publish_at_once_leave_no_gap_and_no_repeat(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    made = [
        billing.invoices.draft(biller=park, customer=guest, title=f"{n}", amount=Money("1", "EUR"), due=DUE)
        for n in range(12)
    ]

    def publish(n: int) -> str | None:
        # Every draft is published by three threads; every third call fails half-way.
        try:
            if n % 3 == 0:
                return billing.invoices.publish(made[n // 3], due=YESTERDAY).number
            return billing.invoices.publish(made[n // 3]).number
        except (NotAllowed, InvalidValue):
            return None

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(publish, range(36)))
    numbers = [number for number in results if number is not None]
    assert sorted(numbers) == [f"INV-{n:06d}" for n in range(1, 13)]
    for n in range(12):
        assert len([number for number in results[3 * n : 3 * n + 3] if number is not None]) == 1


# --- all drafts -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R11", "R7", "N4")
def test_all_drafts_are_counted_first_and_then_become_open(
    billing: Billing, condo: Biller, draft: Draft, resident: Customer
) -> None:
    nobody = billing.customers.add(biller=condo, name="No Mail")
    billing.units.add(biller=condo, number="2")
    made = [draft(amount=cad("10.50")), draft(unit="2"), draft(unit=None, customer=nobody), draft()]
    billing.invoices.publish(draft())
    billing.invoices.void(draft())
    before = everything(store_of(billing), condo)
    preview = billing.invoices.preview_publish_all(biller=condo)
    assert (preview.count, preview.total, preview.emails, preview.without_email) == (4, cad("310.50"), 2, 2)
    assert everything(store_of(billing), condo) == before
    ticks: list[int] = []
    report = billing.invoices.publish_all(biller=condo, progress=ticks.append)
    assert [one.reference for one in report.published] == [one.reference for one in made]
    assert [one.invoice.number for one in report.published] == [f"INV-00000{n}" for n in (2, 3, 4, 5)]
    assert {one.invoice.status_on(TODAY) for one in report.published} == {Status.OPEN}
    assert [one.invoice for one in report.published] == [billing.invoices.get(one) for one in made]
    assert (report.failed, ticks) == ((), [4])
    assert len(mails(billing, condo)) == preview.emails
    nothing = billing.invoices.preview_publish_all(biller=condo)
    assert (nothing.count, nothing.total) == (0, cad(0))
    assert billing.invoices.publish_all(biller=condo).published == ()


@pytest.mark.rule("R11", "N4", "N1")
def test_pages_of_drafts_are_published_in_order(
    billing: Billing, condo: Biller, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PAGE", 3)
    made = [draft() for _ in range(7)]
    ticks: list[int] = []
    preview = billing.invoices.preview_publish_all(biller=condo)
    assert (preview.count, preview.total, preview.emails) == (7, cad(700), 7)
    report = billing.invoices.publish_all(biller=condo, progress=ticks.append)
    assert [one.invoice.id for one in report.published] == [one.id for one in made]
    assert [one.invoice.number for one in report.published] == [f"INV-00000{n}" for n in range(1, 8)]
    assert ticks == [3, 6, 7]


class Picky:
    """A store that takes everything but the publishing of one title, as a row that breaks a constraint would be."""

    def __init__(self, store: Store, title: str) -> None:
        self.store, self.title, self.tried = store, title, 0
        self.reading, self.close = store.reading, store.close

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self.store.writing(**how) as tx:
            yield cast(Writer, PickyWriter(tx, self))


class PickyWriter:
    """A writer that refuses one invoice once it has a number."""

    def __init__(self, tx: Writer, picky: Picky) -> None:
        self._tx, self._picky = tx, picky

    def __getattr__(self, name: str) -> object:
        return getattr(self._tx, name)

    def replace(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, Invoice) and record.number and record.title == self._picky.title:
                self._picky.tried += 1
                raise Conflict(f"invoice {record.id}", "this one is bad")
        self._tx.replace(records)


@pytest.mark.rule("R11", "N4", "N1")
def test_one_bad_draft_does_not_stop_the_rest_and_costs_no_number(
    billing: Billing, clock: FixedClock, condo: Biller, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PAGE", 3)
    made = [draft(title=title) for title in ("a", "bad", "c", "d", "e")]
    picky = Picky(store_of(billing), "bad")
    desk = Billing(cast(Store, picky), clock=clock)
    ticks: list[int] = []
    report = desk.invoices.publish_all(biller=condo, progress=ticks.append)
    assert [one.reference for one in report.published] == [made[n].reference for n in (0, 2, 3, 4)]
    assert [one.invoice.number for one in report.published] == [f"INV-00000{n}" for n in (1, 2, 3, 4)]
    (failed,) = report.failed
    assert (failed.reference, failed.invoice) == (made[1].reference, made[1])
    assert isinstance(failed.error, Conflict)
    assert "this one is bad" in str(failed.error)
    assert (picky.tried, ticks) == (2, [3, 5])  # once with its page, once alone
    assert billing.invoices.get(made[1]) == made[1]
    assert len(mails(billing, condo)) == 4
    # and the next call picks up what was left
    (left,) = billing.invoices.publish_all(biller=condo).published
    assert (left.invoice.id, left.invoice.number) == (made[1].id, "INV-000005")


@pytest.mark.rule("R11", "N1", "N4")
def test_where_the_date_is_refused_each_draft_says_so(billing: Billing, condo: Biller, draft: Draft) -> None:
    billing.billers.edit(condo, policy={"chronological": True})
    billing.invoices.publish(draft(), on=DUE)
    draft(), draft()
    report = billing.invoices.publish_all(biller=condo)
    assert (len(report.published), len(report.failed)) == (0, 2)
    for one in report.failed:
        assert isinstance(one.error, NotAllowed)
        assert "is before the last issue date 2026-03-20" in str(one.error)
    assert billing.invoices.preview_publish_all(biller=condo).count == 2


@pytest.mark.rule("R11")
def test_publish_all_takes_a_notify_of_yes_or_no_only(billing: Billing, condo: Biller, draft: Draft) -> None:
    draft()
    with pytest.raises(InvalidValue, match="notify='no': is not a yes or no; give True or False"):
        billing.invoices.publish_all(biller=condo, notify="no")  # type: ignore[arg-type]  # wrong on purpose
    assert billing.invoices.preview_publish_all(biller=condo).count == 1


class Deaf:
    """Fails whenever it is told anything."""

    plugin_name = "deaf"

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        raise RuntimeError("no ears")


@pytest.mark.rule("R11", "R18", "N4")
def test_an_observer_that_fails_is_told_of_at_the_end_and_everything_is_published(
    billing: Billing, clock: FixedClock, condo: Biller, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PAGE", 1)
    made = [draft(), draft()]
    desk = Billing(store_of(billing), clock=clock, plugins=Plugins.of(Deaf()))
    with pytest.raises(ObserverFailed, match="the change is committed"):
        desk.invoices.publish_all(biller=condo)
    assert [billing.invoices.get(one).number for one in made] == ["INV-000001", "INV-000002"]


@pytest.mark.rule("R11", "N1")
def test_threads_that_publish_all_at_once_publish_each_draft_once(
    billing: Billing, condo: Biller, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PAGE", 2)
    made = [draft() for _ in range(9)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: billing.invoices.publish_all(biller=condo), range(4)))
    done = [one.invoice for report in reports for one in report.published]
    assert sorted(one.id for one in done) == sorted(one.id for one in made)
    assert sorted(one.number or "" for one in done) == [f"INV-00000{n}" for n in range(1, 10)]
    assert not [one for report in reports for one in report.failed]
    assert len(mails(billing, condo)) == 9


@pytest.mark.rule("R11", "R19")
def test_a_bulk_publish_freezes_each_payer_as_a_single_one_does(billing: Billing, condo: Biller, draft: Draft) -> None:
    single, bulk = draft(), draft()
    alone = billing.invoices.publish(single)
    (one,) = billing.invoices.publish_all(biller=condo).published
    same = {"id": alone.id, "number": alone.number, "draft_reference": alone.draft_reference}
    assert attrs.evolve(one.invoice, **same) == alone  # type: ignore[arg-type]  # three texts
    assert one.invoice.id == bulk.id


@pytest.mark.rule("N1")
def test_no_change_of_policy_and_back_prints_a_number_twice(billing: Billing, park: Biller, guest: Customer) -> None:
    policies: list[dict[str, object]] = [
        {"number_prefix": "INV-2026-", "yearly_numbers": False},
        {"number_prefix": "INV-", "yearly_numbers": True},
        {"number_prefix": "INV-", "yearly_numbers": False},
        {"number_prefix": "", "number_digits": 1},
        {"number_prefix": "INV-2026-", "yearly_numbers": False, "number_digits": 6},
    ]
    numbers = []
    for policy in policies * 2:
        billing.billers.edit(park, policy=policy)
        draft = billing.invoices.draft(biller=park, customer=guest, title="Pitch", amount=Money("1.00", "EUR"))
        numbers.append(billing.invoices.publish(draft).number)
    assert len(set(numbers)) == len(numbers)
    assert numbers[:2] == ["INV-2026-000001", "INV-2026-000002"]


@pytest.mark.rule("R4")
@pytest.mark.parametrize("odd", ["a\x00b", "a\ud800b", "x" * 2001, 7])
def test_words_for_the_timeline_that_not_every_store_takes_are_refused(
    billing: Billing, draft: Draft, odd: Any
) -> None:
    made = draft()
    with pytest.raises(InvalidValue, match="actor="):
        billing.invoices.publish(made, actor=odd)
    with pytest.raises(InvalidValue, match="actor="):
        billing.billers.add(name="Park", currency="EUR", timezone="UTC", locale="en_GB", actor=odd)
    with pytest.raises(InvalidValue, match="reason="):
        billing.invoices.void(made, reason=odd)
    assert billing.invoices.get(made) == made


# --- a store that is interrupted --------------------------------------------------------------------------------------


class Breaks(Wrapped):
    """Ends its writing transactions as planned: "taken", "undone" before the commit, "unknown" after it, or well."""

    plan: Sequence[str] = ()

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        [end, *self.plan] = self.plan or ["well"]
        with self._store.writing(**how) as tx:
            yield tx
            if end == "taken":
                raise Conflict("the invoice number", "it is taken")
            if end == "undone":
                raise Interrupted("the connection is gone", written=False)
        if end == "unknown":
            raise Interrupted("the connection is gone", written=None)


@pytest.mark.rule("R11", "N1")
@pytest.mark.parametrize(
    "plan",
    [
        ("taken", "undone"),
        ("taken", "unknown"),
        ("taken", "unknown", "undone"),
        ("unknown", "undone"),
        ("unknown", "undone", "unknown"),
        ("unknown", "taken"),
    ],
)
@pytest.mark.parametrize("size", [2, 3])
def test_whatever_is_interrupted_all_is_published_once_and_told(
    billing: Billing, condo: Biller, draft: Draft, size: int, plan: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PAGE", size)
    made = [draft() for _ in range(5)]
    store = Breaks(store_of(billing))
    desk = Billing(store, clock=billing._desk.clock)
    store.plan = plan
    report = desk.invoices.publish_all(biller=condo)
    assert report.failed == ()
    assert sorted(each.invoice.id for each in report.published) == sorted(each.id for each in made)
    numbers = [billing.invoices.get(each).number for each in made]
    assert sorted(map(str, numbers)) == [f"INV-{n:06d}" for n in range(1, 6)]


@pytest.mark.rule("R11")
def test_a_store_that_fails_while_drafts_are_redone_one_by_one_fails_the_call(
    billing: Billing, condo: Biller, draft: Draft
) -> None:
    made = draft()
    store = Breaks(store_of(billing))
    desk = Billing(store, clock=billing._desk.clock)
    store.plan = ("taken", *["undone"] * 9)
    with pytest.raises(Interrupted):
        desk.invoices.publish_all(biller=condo)
    assert billing.invoices.get(made) == made
