"""Reminders and late fees: which step on which day, once, and what being late costs (P3, S5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from desks import Post, all_of, everything, money, store_of, wired, wiring_of
from invoicecore import Billing, Money, Plugins, hookimpl
from invoicecore.billing import reminding
from invoicecore.charges import Charge
from invoicecore.errors import InvalidMoney, InvalidValue
from invoicecore.invoices import Invoice, InvoiceKind
from invoicecore.messages import Message, MessageKind
from invoicecore.parties import Biller, Customer, LateFee, Policy, policy_for
from invoicecore.payments import Facts
from invoicecore.serde import dumps, loads
from invoicecore.testing import FixedClock

TODAY = date(2026, 3, 2)
DUE = date(2026, 3, 20)


def day(count: int) -> date:
    """So many days after the due date."""
    return DUE + timedelta(days=count)


def issued(billing: Billing, biller: Biller, who: Customer | None, amount: str = "100", **given: Any) -> Invoice:
    given = {"title": "Stay", "due": DUE, **given}
    draft = billing.invoices.draft(biller=biller, customer=who, amount=money(amount, biller.currency), **given)
    return billing.invoices.publish(draft, notify=False)


def with_policy(billing: Billing, biller: Biller, **policy: Any) -> Biller:
    return billing.billers.edit(biller, policy=policy)


def told(billing: Billing, biller: Biller) -> list[tuple[str, str | None]]:
    return [(m.invoice, m.about) for m in all_of(store_of(billing), biller, Message) if m.kind is MessageKind.REMINDER]


def steps(billing: Billing, invoice: Invoice) -> list[str | None]:
    return [m.about for m in billing.messages.find(invoice=invoice) if m.kind is MessageKind.REMINDER]


# --- which step, on which day -----------------------------------------------------------------------------------------


@pytest.mark.rule("P3")
@pytest.mark.parametrize(
    "policy, on, step",
    [
        ((-3, 0, 7, 21), -4, None),
        ((-3, 0, 7, 21), -3, "-3"),
        ((-3, 0, 7, 21), -1, "-3"),
        ((-3, 0, 7, 21), 0, "0"),
        ((-3, 0, 7, 21), 6, "0"),
        ((-3, 0, 7, 21), 7, "+7"),
        ((-3, 0, 7, 21), 20, "+7"),
        ((-3, 0, 7, 21), 21, "+21"),
        ((-3, 0, 7, 21), 3000, "+21"),
        ((21, 7), 8, "+7"),
        ((1,), 0, None),
        ((3660,), 3660, "+3660"),
        ((), 3000, None),
    ],
)
def test_the_latest_step_whose_day_has_come_is_told_and_only_it(
    billing: Billing, park: Biller, guest: Customer, policy: tuple[int, ...], on: int, step: str | None
) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=policy)
    report = billing.remind(on=day(on))
    assert steps(billing, invoice) == ([step] if step else [])
    assert report.created == (1 if step else 0)
    if step:
        [outcome] = report.created.items
        assert (outcome.code, outcome.invoice, outcome.customer, outcome.amount, outcome.due_on) == (
            "reminder", invoice.id, guest.id, money(100), DUE,
        )  # fmt: skip
        assert step in outcome.text


@pytest.mark.rule("P3", "S5", "R10")
@pytest.mark.parametrize(
    "on, step",
    [(0, None), (10, None), (11, "+1"), (16, "+1"), (17, "+7")],
    ids=["at the due date", "on the issue day", "a day later", "six days later", "a week later"],
)
def test_what_was_issued_late_is_counted_from_its_issue(
    billing: Billing, park: Biller, guest: Customer, on: int, step: str | None
) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(5), due=DUE)
    invoice = billing.invoices.publish(draft, on=day(10), notify=False)
    assert invoice.due_on == DUE
    with_policy(billing, park, reminders=(-3, 0, 1, 7))
    billing.remind(on=day(on))
    assert steps(billing, invoice) == ([step] if step else [])


@pytest.mark.rule("P3")
def test_days_up_to_the_issue_do_not_count(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest, due=TODAY + timedelta(days=2))
    with_policy(billing, park, reminders=(-5, -2, -1))
    assert billing.remind(on=TODAY).created == 0, "the invoice itself was sent today"
    assert billing.remind(on=TODAY + timedelta(days=1)).created == 1
    assert steps(billing, invoice) == ["-1"]


@pytest.mark.rule("P3")
def test_each_step_is_told_once_in_turn_and_missed_ones_are_left_out(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=(-3, 0, 7, 21, 35))
    for on in (-3, -3, -2, 8, 9, 36, 36):
        billing.remind(on=day(on))
    assert steps(billing, invoice) == ["-3", "+7", "+35"]
    late = billing.remind(on=day(8))
    assert (late.created, late.existing) == (0, 1), "a day that is past brings no earlier step back"
    assert steps(billing, invoice) == ["-3", "+7", "+35"]


@pytest.mark.rule("P3")
def test_an_edited_policy_counts_from_its_next_step(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=(0,))
    billing.remind(on=day(1))
    with_policy(billing, park, reminders=(3,))
    assert billing.remind(on=day(2)).created == 0
    assert billing.remind(on=day(3)).created == 1
    with_policy(billing, park, reminders=())
    assert billing.remind(on=day(30)).created == 0
    assert steps(billing, invoice) == ["0", "+3"]


# --- who is not reminded ----------------------------------------------------------------------------------------------


def in_flight(billing: Billing, invoice: Invoice, amount: str) -> None:
    with store_of(billing).writing() as tx:
        now = tx.get(Invoice, invoice.biller, [invoice.id])[invoice.id]
        facts: Facts = attrs.evolve(now.facts, in_flight=money(amount))
        tx.replace([attrs.evolve(now, facts=facts)])


MEANWHILE: dict[str, tuple[int, Callable[[Billing, Invoice], object]]] = {
    "nothing": (1, lambda b, i: None),
    "paid": (0, lambda b, i: b.payments.record(i)),
    "paid in part": (1, lambda b, i: b.payments.record(i, money(99))),
    "void": (0, lambda b, i: b.invoices.void(i)),
    "settled by credit": (0, lambda b, i: (b.credits.deposit(i.customer, money(100)), b.credits.apply(i))),
    "being collected": (0, lambda b, i: in_flight(b, i, "100")),
    "being collected in part": (1, lambda b, i: in_flight(b, i, "99")),
    "paid and bounced": (1, lambda b, i: b.payments.reverse(b.payments.record(i))),
    "paid and refunded": (0, lambda b, i: (b.payments.record(i), b.payments.refund(i))),
}


@pytest.mark.rule("P3", "D2")
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_a_reminder_stops_at_balance_zero_void_or_a_collection_that_covers_it(
    billing: Billing, park: Biller, guest: Customer, meanwhile: str
) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=(7,), late_fee={"amount": "5.00"})
    count, do = MEANWHILE[meanwhile]
    do(billing, invoice)
    report = billing.remind(on=day(7))
    assert len(steps(billing, invoice)) == count
    assert len(all_of(store_of(billing), park, Charge)) == count
    assert (report.created, report.failed) == (2 * count, 0)


@pytest.mark.rule("P3", "R3", "C4")
@pytest.mark.parametrize(
    "changes, code",
    [({"email": None}, "no_address_to_notify"), ({"notify": False}, "no_wish_to_be_told"), ({"notify": True}, None)],
)
def test_who_cannot_or_does_not_wish_to_be_told_is_skipped_and_reported(
    billing: Billing, park: Biller, guest: Customer, changes: dict[str, Any], code: str | None
) -> None:
    invoice = issued(billing, park, guest)
    billing.customers.edit(guest, **changes)
    with_policy(billing, park, reminders=(7,))
    report = billing.remind(on=day(7))
    assert [outcome.code for outcome in report.skipped] == ([code] if code else [])
    assert len(steps(billing, invoice)) == (0 if code else 1)
    if code:
        billing.customers.edit(guest, email="new@example.com", notify=None)
        assert billing.remind(on=day(8)).created == 1, "what was skipped is not claimed"


@pytest.mark.rule("P3", "R3")
def test_an_invoice_nobody_pays_is_skipped(billing: Billing, condo: Biller) -> None:
    billing.units.add(biller=condo, number="7")
    draft = billing.invoices.draft(biller=condo, unit="7", title="Dues", amount=money(9, "CAD"), due=DUE)
    billing.invoices.publish(draft)
    with_policy(billing, condo, reminders=(0,), late_fee={"amount": 5})
    report = billing.remind(on=day(30))
    assert (report.created, [each.code for each in report.skipped]) == (0, ["no_address_to_notify"])


# --- once, whatever happens -------------------------------------------------------------------------------------------


@pytest.mark.rule("P3", "M1")
def test_a_dry_run_says_what_the_run_does_and_writes_nothing(billing: Billing, park: Biller, guest: Customer) -> None:
    silent = billing.customers.add(biller=park, name="Bob")
    for who in (guest, silent, guest):
        issued(billing, park, who)
    for bill_as in ("charge", "invoice"):
        with_policy(billing, park, reminders=(0, 7), late_fee={"percent": 10, "every_days": 7, "bill_as": bill_as})
        before = everything(store_of(billing), park)
        for on in (day(1), day(9), day(30)):
            dry = billing.remind(on=on, dry_run=True)
            assert everything(store_of(billing), park) == before
            wet = billing.remind(on=on)
            for name in ("created", "existing", "skipped", "failed", "late", "warnings"):
                assert getattr(dry, name) == getattr(wet, name), (bill_as, on, name)
            before = everything(store_of(billing), park)
            assert billing.remind(on=on).created == 0
            assert everything(store_of(billing), park) == before, "a repeat writes nothing"


@pytest.mark.rule("P3")
@pytest.mark.parametrize("bill_as", ["charge", "invoice"])
def test_two_calls_at_once_remind_and_charge_once(
    billing: Billing, park: Biller, guest: Customer, bill_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminding, "PAGE", 3)
    invoices = [issued(billing, park, guest, title=f"T{n}") for n in range(10)]
    with_policy(billing, park, reminders=(7,), late_fee={"amount": "5.00", "every_days": 7, "bill_as": bill_as})
    start = threading.Barrier(4)

    def remind(_: int) -> int:
        start.wait()
        report = billing.remind(on=day(9))
        assert report.failed == 0
        return report.created.count

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(remind, range(4)))
    assert sum(counts) == 10 + 20, "a reminder and two fees of each"
    assert sorted(told(billing, park)) == sorted((invoice.id, "+7") for invoice in invoices)
    fees = [each for each in all_of(store_of(billing), park, Invoice) if each.kind is InvoiceKind.FEE]
    assert len(fees) + len(all_of(store_of(billing), park, Charge)) == 20
    assert len({fee.number for fee in fees}) == len(fees)


@pytest.mark.rule("P3", "N4")
def test_more_invoices_than_a_page_are_all_reminded_by_due_date(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminding, "PAGE", 4)
    for n in range(11):
        issued(billing, park, guest, title=f"T{n}", due=DUE if n % 2 else day(-5))
    with_policy(billing, park, reminders=(7,), late_fee={"amount": 1})
    seen: list[int] = []
    report = billing.remind(on=day(7), progress=seen.append)
    assert (report.created, len(told(billing, park))) == (22, 11)
    assert seen == sorted(seen)
    assert seen[-1] == 22
    assert len(set(told(billing, park))) == 11


class Host:
    plugin_name = "host"

    def __init__(self, refused: str) -> None:
        self.refused = refused

    @hookimpl
    def authorise(self, action: str, biller: str) -> str | None:
        return "not theirs" if (action, biller) == ("remind", self.refused) else None


@pytest.mark.rule("P3", "R18")
def test_one_refused_biller_does_not_stop_the_others(billing: Billing) -> None:
    parks = []
    for n in range(3):
        park = billing.billers.add(name=f"P{n}", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        issued(billing, park, billing.customers.add(biller=park, name="A", email="a@example.com"))
        parks.append(with_policy(billing, park, reminders=(0,)))
    middle = sorted(park.id for park in parks)[1]
    report = wired(billing, plugins=Plugins.of(Host(middle))).remind(on=day(1))
    assert report.created == 2
    assert [(each.code, each.biller) for each in report.failed] == [("refused", middle)]


@pytest.mark.rule("P3", "N4")
def test_one_invoice_at_fault_does_not_stop_the_rest(billing: Billing, park: Biller, guest: Customer) -> None:
    invoices = [issued(billing, park, guest, title=f"T{n}") for n in range(3)]
    with_policy(billing, park, reminders=(0,), late_fee={"amount": 5, "bill_as": "invoice"}, chronological=True)
    later = issued(billing, park, guest, title="later")
    billing.invoices.publish(
        billing.invoices.draft(biller=park, customer=guest, title="X", amount=money(1)), on=day(40), notify=False
    )
    report = billing.remind(on=day(30))  # no fee's invoice can be dated before the last of its series
    assert report.failed == 4
    assert report.created == 0
    assert {each.invoice for each in report.failed} == {invoice.id for invoice in (*invoices, later)}
    assert billing.remind(on=day(41)).created == 8, "and later all of it is done"


@pytest.mark.rule("P3", "N4")
def test_a_fee_beyond_all_money_stops_neither_its_page_nor_other_billers(
    billing: Billing, park: Biller, condo: Biller, guest: Customer, resident: Customer
) -> None:
    whole = [issued(billing, park, guest, amount) for amount in ("10", "90000000000000000")]
    other = issued(billing, condo, resident)
    for each in (park, condo):
        with_policy(billing, each, reminders=(1,), late_fee={"percent": "150"})
    for report in (billing.remind(on=day(2), dry_run=True), billing.remind(on=day(2))):
        (failed,) = report.failed
        assert (failed.biller, failed.invoice) == (park.id, whole[1].id)
        assert "beyond 64 bits" in failed.text
        assert report.created == 5  # three reminders, and the fees of the two others
    assert [steps(billing, invoice) for invoice in (*whole, other)] == [["+1"]] * 3


@pytest.mark.rule("P3")
def test_a_policy_that_was_emptied_meanwhile_ends_the_call(billing: Billing, park: Biller, guest: Customer) -> None:
    issued(billing, park, guest)
    with_policy(billing, park, reminders=(0,))

    class Editing:
        plugin_name = "editing"

        @hookimpl
        def authorise(self, action: str) -> str | None:
            if action == "remind":
                with_policy(billing, park, reminders=())
            return None

    report = wired(billing, plugins=Plugins.of(Editing())).remind(on=day(1))
    assert (report.created, report.failed) == (0, 0)
    assert told(billing, park) == []


@pytest.mark.rule("P3", "R18")
def test_every_reminder_and_fee_is_on_the_timeline(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=(0, 7), late_fee={"amount": "5.00", "every_days": 7})
    for on in (0, 8):
        billing.remind(on=day(on), actor="ana")
    found = [event for event in billing.invoices.timeline(invoice) if event.action in ("reminded", "late fee")]
    assert [(event.action, event.detail, event.on, event.actor) for event in found] == [
        ("reminded", "0", DUE, "ana"),
        ("reminded", "+7", day(8), "ana"),
        ("late fee", "5.00", day(8), "ana"),
        ("late fee", "5.00", day(8), "ana"),
    ]
    assert billing.invoices.get(invoice) == invoice, "the invoice itself is as it was"


@pytest.mark.rule("P3", "M1")
def test_without_a_day_each_biller_has_its_own(billing: Billing, clock: FixedClock) -> None:
    clock.set(clock.now().replace(month=3, day=20, hour=23, minute=30))
    made = {}
    for zone in ("Europe/Paris", "America/Toronto"):  # the 21st there, still the 20th here
        park = billing.billers.add(name=zone, currency="EUR", timezone=zone, locale="en_GB", preset="stays")
        who = billing.customers.add(biller=park, name="A", email="a@example.com")
        draft = billing.invoices.draft(biller=park, customer=who, title="T", amount=money(5), on=TODAY, due=DUE)
        made[zone] = billing.invoices.publish(draft, on=TODAY, notify=False)
        with_policy(billing, park, reminders=(1,))
    assert billing.remind().created == 1
    assert steps(billing, made["Europe/Paris"]) == ["+1"]
    assert steps(billing, made["America/Toronto"]) == []


@pytest.mark.rule("P3")
def test_what_a_reminder_says_depends_on_the_day_it_goes_out(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    post = wiring_of(billing).mailer
    assert isinstance(post, Post)
    issued(billing, park, guest)
    with_policy(billing, park, reminders=(-3, 7))
    for on in (-3, 7):
        billing.remind(on=day(on))
        clock.set(datetime.combine(day(on), time(12), UTC))
        billing.deliver()
    before, after = post.letters
    assert (before.step, after.step) == (-3, 7)
    assert before.subject != after.subject
    assert all("100,00" in letter.paragraphs[0] and "20/03/2026" in letter.paragraphs[0] for letter in post.letters)
    assert all(letter.action is not None for letter in post.letters)


@pytest.mark.rule("P3")
def test_a_step_that_was_caught_up_does_not_speak_of_the_past_as_to_come(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    post = wiring_of(billing).mailer
    assert isinstance(post, Post)
    issued(billing, park, guest)
    with_policy(billing, park, reminders=(-3,))
    clock.set(datetime.combine(day(30), time(12), UTC))
    billing.remind()
    billing.deliver()
    assert post.letters[0].step == -3
    assert "impayée" in post.letters[0].subject


@pytest.mark.rule("P3")
def test_a_fee_on_the_next_invoice_comes_to_no_fee_there(billing: Billing, practice: Biller, client: Customer) -> None:
    issued(billing, practice, client)
    with_policy(billing, practice, late_fee={"percent": "10"})
    billing.remind(on=day(5))
    alone = billing.invoices.publish(billing.invoices.draft_from_charges(client, on=day(5)), on=day(5))
    assert billing.remind(on=day(100)).created == 0, "an invoice of nothing but fees comes to none"
    billing.charges.add(customer=client, description="Advice", amount=money(40, "GBP"), on=day(100))
    billing.invoices.void(alone, release_charges=True, on=day(100))
    billing.invoices.publish(billing.invoices.draft_from_charges(client, on=day(100)), on=day(100))
    [charged] = billing.remind(on=day(300)).created
    assert charged.amount == money(4, "GBP"), "ten per cent of the advice, not of the fee beside it"


@pytest.mark.rule("P3")
def test_many_fees_at_once_are_charged_with_a_warning(billing: Billing, park: Biller, guest: Customer) -> None:
    issued(billing, park, guest)
    with_policy(billing, park, late_fee={"amount": "1.00", "every_days": 7})
    report = billing.remind(on=day(1 + 3 * 7))
    assert (report.created, report.warnings) == (4, 1)
    assert next(iter(report.warnings)).code == "many_fees"


# --- late fees --------------------------------------------------------------------------------------------------------


def fees(billing: Billing, biller: Biller) -> list[Money]:
    charges = [charge.unit_price for charge in all_of(store_of(billing), biller, Charge)]
    return charges + [i.total for i in all_of(store_of(billing), biller, Invoice) if i.kind is InvoiceKind.FEE]


@pytest.mark.rule("P3")
@pytest.mark.parametrize(
    "fee, on, charged",
    [
        ({"amount": "5.00"}, 0, []),
        ({"amount": "5.00"}, 1, ["5.00"]),
        ({"amount": "5.00"}, 400, ["5.00"]),
        ({"amount": "5.00", "after_days": 10}, 9, []),
        ({"amount": "5.00", "after_days": 10}, 10, ["5.00"]),
        ({"amount": "5.00", "every_days": 7}, 7, ["5.00"]),
        ({"amount": "5.00", "every_days": 7}, 8, ["5.00", "5.00"]),
        ({"amount": "5.00", "every_days": 7, "cap": "12.00"}, 50, ["5.00", "5.00", "2.00"]),
        ({"amount": "5.00", "cap": "3.00"}, 5, ["3.00"]),
        ({"percent": "1.5"}, 1, ["1.50"]),
        ({"percent": "0.125"}, 1, ["0.13"]),
        ({"percent": "0.001"}, 1, []),
        ({"percent": 10, "every_days": 1, "cap": 25}, 9, ["10.00", "10.00", "5.00"]),
    ],
)
@pytest.mark.parametrize("bill_as", ["charge", "invoice"])
def test_what_being_late_costs(
    billing: Billing, park: Biller, guest: Customer, fee: dict[str, Any], on: int, charged: list[str], bill_as: str
) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, late_fee={**fee, "bill_as": bill_as})
    report = billing.remind(on=day(on))
    assert fees(billing, park) == [money(amount) for amount in charged]
    assert [(each.code, each.amount, each.invoice) for each in report.created] == [
        ("late_fee", money(amount), invoice.id) for amount in charged
    ]
    assert billing.invoices.get(invoice) == invoice, "never a line on a published one"
    assert billing.remind(on=day(on)).created == 0


@pytest.mark.rule("P3", "M8")
@pytest.mark.parametrize(
    "currency, balance, percent, fee", [("JPY", "1550", "10", "155"), ("JPY", "1505", "0.1", "2"), ("KWD", "1.005", "10", "0.101")]
)  # fmt: skip
def test_a_percentage_is_rounded_once_to_the_currencys_own_unit(
    billing: Billing, currency: str, balance: str, percent: str, fee: str
) -> None:
    shop = billing.billers.add(
        name="S", currency=currency, timezone="UTC", locale="en_US", preset="stays", policy={"late_fee": {"percent": percent}}
    )  # fmt: skip
    issued(billing, shop, billing.customers.add(biller=shop, name="C"), balance)
    billing.remind(on=day(1))
    assert fees(billing, shop) == [Money(fee, currency)]


@pytest.mark.rule("P3", "S5")
def test_the_fee_of_what_was_issued_late_counts_from_its_issue(billing: Billing, park: Biller, guest: Customer) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(100), due=DUE)
    billing.invoices.publish(draft, on=day(10), notify=False)
    with_policy(billing, park, late_fee={"amount": 5, "after_days": 3})
    assert billing.remind(on=day(12)).created == 0
    assert billing.remind(on=day(13)).created == 1


@pytest.mark.rule("P3")
def test_the_fee_is_of_what_is_left_to_pay(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    billing.payments.record(invoice, money(60))
    with_policy(billing, park, late_fee={"percent": 10})
    billing.remind(on=day(1))
    assert fees(billing, park) == [money(4)]


@pytest.mark.rule("P3", "C1")
def test_a_fee_that_is_a_charge_goes_on_the_next_invoice(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, late_fee={"amount": 5})
    billing.remind(on=day(1))
    [charge] = billing.charges.open_for(guest)
    assert (charge.description, charge.on) == (f"Frais de retard, facture {invoice.number}", day(1))
    assert billing.invoices.draft_from_charges(guest).total == money(5)


@pytest.mark.rule("P3", "N1")
def test_a_fee_that_is_an_invoice_is_published_told_of_and_never_charged_a_fee_itself(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=(30,), late_fee={"amount": 5, "every_days": 30, "bill_as": "invoice"})
    report = billing.remind(on=day(1))
    [fee] = report.invoices
    assert (fee.kind, fee.number, fee.customer, fee.issued_on, fee.total) == (
        InvoiceKind.FEE, "INV-000002", guest.id, day(1), money(5),
    )  # fmt: skip
    assert invoice.number is not None
    assert invoice.number in fee.title
    assert report.created.items[0].due_on == fee.due_on > day(1)
    assert [m.kind for m in billing.messages.find(invoice=fee)] == [MessageKind.INVOICE_ISSUED]
    billing.remind(on=day(400))
    others = [i for i in all_of(store_of(billing), park, Invoice) if i.kind is InvoiceKind.FEE]
    assert all(invoice.number in other.title for other in others), "no fee of a fee"
    assert "+30" in steps(billing, fee), "but it is reminded of"


@pytest.mark.rule("R1", "P3")
def test_with_payments_off_nothing_is_charged_and_reminders_go_on(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    with_policy(billing, park, reminders=(1,), late_fee={"amount": 5})
    billing.billers.edit(park, payments=False)
    assert billing.remind(on=day(1)).created == 1
    assert fees(billing, park) == []
    assert steps(billing, invoice) == ["+1"]
    billing.billers.edit(park, payments=True)
    assert billing.remind(on=day(1)).created == 1
    assert fees(billing, park) == [money(5)]


@pytest.mark.rule("P3")
def test_a_fee_is_charged_whether_or_not_somebody_can_be_told(billing: Billing, park: Biller) -> None:
    silent = billing.customers.add(biller=park, name="Bob", notify=False)
    issued(billing, park, silent)
    with_policy(billing, park, reminders=(1,), late_fee={"amount": 5})
    report = billing.remind(on=day(1))
    assert (report.created, report.skipped) == (1, 1)
    assert fees(billing, park) == [money(5)]


# --- what a policy may say --------------------------------------------------------------------------------------------


@pytest.mark.rule("P3", "M8")
@pytest.mark.parametrize(
    "given, field",
    [
        ({}, "late_fee"),
        ({"amount": 5, "percent": 5}, "late_fee"),
        ({"amount": 0}, "late_fee.amount"),
        ({"amount": "-1"}, "late_fee.amount"),
        ({"amount": "NaN"}, "late_fee.amount"),
        ({"amount": "Infinity"}, "late_fee.amount"),
        ({"amount": 5.0}, "late_fee.amount"),
        ({"amount": True}, "late_fee.amount"),
        ({"amount": "five"}, "late_fee.amount"),
        ({"amount": " 1_0 "}, "late_fee.amount"),
        ({"percent": "1e-61"}, "late_fee.percent"),
        ({"percent": "1001"}, "late_fee.percent"),
        ({"percent": 5, "cap": "x"}, "late_fee.cap"),
        ({"percent": 0}, "late_fee.percent"),
        ({"percent": 5, "cap": 0}, "late_fee.cap"),
        ({"amount": 5, "after_days": 0}, "late_fee.after_days"),
        ({"amount": 5, "after_days": 3661}, "late_fee.after_days"),
        ({"amount": 5, "after_days": None}, "late_fee.after_days"),
        ({"amount": 5, "after_days": True}, "late_fee.after_days"),
        ({"amount": 5, "every_days": 0}, "late_fee.every_days"),
        ({"amount": 5, "every_days": 1.5}, "late_fee.every_days"),
        ({"amount": 5, "bill_as": "line"}, "late_fee.bill_as"),
        ({"amount": 5, "of": "x"}, "late_fee.of"),
    ],
)
def test_a_fee_that_cannot_be_is_refused_by_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        policy_for("stays", {"late_fee": given})
    assert caught.value.field == field


@pytest.mark.rule("P3")
@pytest.mark.parametrize(
    "given", [(1, 1), (-367,), (3661,), (1.5,), (True,), ("1",), "12", tuple(range(31)), 1.5, None], ids=repr
)
def test_steps_that_cannot_be_are_refused(given: object) -> None:
    with pytest.raises(InvalidValue, match="reminders"):
        policy_for("stays", {"reminders": given})


@pytest.mark.rule("P3")
@pytest.mark.parametrize(
    "given, kept", [((7, -3, 0), (-3, 0, 7)), ([21], (21,)), (7, (7,)), ((), ()), ((-366, 3660), (-366, 3660))]
)
def test_steps_are_kept_in_order(given: Any, kept: tuple[int, ...]) -> None:
    assert Policy(reminders=given).reminders == kept


@pytest.mark.rule("P3", "M8")
@pytest.mark.parametrize("field", ["amount", "cap"])
@pytest.mark.parametrize("currency, value", [("EUR", "5.001"), ("JPY", "5.5"), ("KWD", "1.0001")])
def test_a_fee_the_currency_cannot_express_is_refused_when_the_policy_is_set(
    billing: Billing, field: str, currency: str, value: str
) -> None:
    fee = {"percent": 5, "cap": value} if field == "cap" else {"amount": value}
    place = {"currency": currency, "timezone": "UTC", "locale": "en_GB", "preset": "stays"}
    with pytest.raises(InvalidMoney, match=f"late_fee.{field}"):
        billing.billers.add(name="S", policy={"late_fee": fee}, **place)
    shop = billing.billers.add(name="S", **place)
    with pytest.raises(InvalidMoney, match=f"late_fee.{field}"):
        with_policy(billing, shop, late_fee=fee)
    assert billing.billers.get(shop).policy.late_fee is None


@pytest.mark.rule("P3")
def test_a_policy_with_reminders_and_fees_survives_json_and_the_store(billing: Billing, park: Biller) -> None:
    fee = LateFee(percent=Decimal("1.50"), after_days=5, every_days=30, cap=Decimal("50"), bill_as="invoice")
    edited = with_policy(billing, park, reminders=(-3, 7), late_fee=fee)
    assert loads(dumps(edited.policy), Policy) == edited.policy
    assert billing.billers.get(park).policy.late_fee == fee
    assert with_policy(billing, park, late_fee=None).policy.late_fee is None


@pytest.mark.parametrize("changes", [{"preset": 5}, {"preset": "zz"}, {"reminders": b"ab"}, {"reminders": "7"}])
def test_a_policy_that_no_store_could_read_again_is_refused(
    billing: Billing, park: Biller, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidValue):
        with_policy(billing, park, **changes)
    assert billing.billers.get(park) == park
