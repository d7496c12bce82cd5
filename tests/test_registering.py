"""Billers, units and customers: what is registered, what is refused, and what may change, on every store."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desks import all_of, everything, money, store_of
from invoicecore import Billing, Frequency, Status
from invoicecore.errors import InvalidValue, KeyReused, NotFound
from invoicecore.parties import PRESETS, Biller, BillingCycle, Customer, InvoiceMethod, Unit, natural_key
from invoicecore.testing import FixedClock
from invoicecore.wording import CARDS, card_label, label_set, late_badge, status_label

BILLER = {"name": "B", "currency": "EUR", "timezone": "Europe/Paris", "locale": "fr_FR"}
TODAY = date(2026, 3, 2)


@pytest.mark.rule("R1", "D4")
@pytest.mark.parametrize("preset", PRESETS)
def test_a_biller_starts_from_a_preset_and_changes_it_field_by_field(billing: Billing, preset: str) -> None:
    made = billing.billers.add(
        **BILLER, preset=preset, policy={"terms_days": 14, "number_prefix": "F"}, address="1 rue\nParis", email="a@b.fr"
    )
    assert made.policy == attrs.evolve(PRESETS[preset], terms_days=14, number_prefix="F")
    assert (made.payments, made.address, made.email, made.version) == (True, "1 rue\nParis", "a@b.fr", 1)
    assert billing.billers.get(made) == billing.billers.get(made.id) == made
    after = billing.billers.edit(made, policy={"terms_days": 7}, name="C", payments=False, email="", locale="en_GB")
    assert after == billing.billers.get(made)
    assert (after.policy.terms_days, after.policy.number_prefix) == (7, "F")
    assert (after.name, after.payments, after.email, after.locale, after.address) == (
        "C",
        False,
        None,
        "en_GB",
        made.address,
    )
    assert (after.currency, after.timezone, after.version) == (made.currency, made.timezone, 2)


BAD_POLICIES: list[tuple[object, str]] = [
    ({"colour": "red"}, "policy"),
    ("red", "policy"),
    (5, "policy"),
    ({"terms_days": -1}, "policy.terms_days"),
    ({"terms_days": 3661}, "policy.terms_days"),
    ({"terms_days": 1.5}, "policy.terms_days"),
    ({"terms_days": True}, "policy.terms_days"),
    ({"terms_days": "30"}, "policy.terms_days"),
    ({"advance_days_email_pdf": -1}, "policy.advance_days_email_pdf"),
    ({"advance_days_direct_debit": 367}, "policy.advance_days_direct_debit"),
    ({"due_offset_days": -367}, "policy.due_offset_days"),
    ({"number_digits": 0}, "policy.number_digits"),
    ({"number_digits": 13}, "policy.number_digits"),
    ({"catch_up_warning": 0}, "policy.catch_up_warning"),
    ({"apply_credit": 1}, "policy.apply_credit"),
    ({"run_issues": None}, "policy.run_issues"),
    ({"void_drafts": "no"}, "policy.void_drafts"),
    ({"delete_drafts": "no"}, "policy.delete_drafts"),
    ({"yearly_numbers": "no"}, "policy.yearly_numbers"),
    ({"chronological": "no"}, "policy.chronological"),
    ({"notify_on_publish": "yes"}, "policy.notify_on_publish"),
    ({"number_prefix": "x" * 21}, "policy.number_prefix"),
    ({"number_prefix": "INV\n"}, "policy.number_prefix"),
    ({"number_prefix": "INV-2"}, "policy.number_prefix"),
    ({"number_prefix": 5}, "policy.number_prefix"),
    ({"number_prefix": "\ud800"}, "policy.number_prefix"),
    ({"labels": "hotels"}, "labels"),
    ({"labels": None}, "labels"),
    ({"own_labels": {"en": {}}}, "own_labels"),
    ({"own_labels": 5}, "own_labels"),
]


@pytest.mark.rule("D4", "R1", "M8")
@pytest.mark.parametrize(
    "given, field",
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "XAU"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"currency": None}, "currency"),
        ({"timezone": "Paris"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"timezone": "Europe"}, "timezone"),
        ({"timezone": None}, "timezone"),
        ({"timezone": 5}, "timezone"),
        ({"locale": "xx"}, "locale"),
        ({"locale": None}, "locale"),
        ({"preset": "hotels"}, "preset"),
        ({"preset": None}, "preset"),
        ({"payments": "yes"}, "payments"),
        ({"payments": 1}, "payments"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.fr\nBcc: c@d.fr"}, "email"),
        ({"email": "a@b.fr, c@d.fr"}, "email"),
        ({"address": "a\x00b"}, "address"),
        ({"key": ""}, "key"),
        ({"key": 5}, "key"),
        *(({"policy": policy}, field) for policy, field in BAD_POLICIES),
    ],
)
def test_a_biller_that_cannot_be_is_refused_with_the_field_named(
    billing: Billing, given: Mapping[str, object], field: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        billing.billers.add(**{**BILLER, **given})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert billing.billers.all() == []


@pytest.mark.rule("D4", "R1")
@pytest.mark.parametrize(
    "given, field",
    [
        ({"name": ""}, "name"),
        ({"locale": "xx"}, "locale"),
        ({"payments": "no"}, "payments"),
        ({"address": 5}, "address"),
        ({"email": "nobody"}, "email"),
        *(({"policy": policy}, field) for policy, field in BAD_POLICIES),
    ],
)
def test_an_edit_that_cannot_be_changes_nothing(
    billing: Billing, park: Biller, given: Mapping[str, object], field: str
) -> None:
    before = everything(store_of(billing), park)
    with pytest.raises(InvalidValue) as caught:
        billing.billers.edit(park, **given)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("M1")
@pytest.mark.parametrize("field", ["currency", "timezone", "preset"])
def test_a_biller_keeps_its_currency_and_time_zone_for_good(billing: Billing, park: Biller, field: str) -> None:
    with pytest.raises(TypeError):
        billing.billers.edit(park, **{field: "UTC"})


@pytest.mark.rule("N3")
def test_the_same_key_finds_the_same_biller(billing: Billing) -> None:
    first = billing.billers.add(**BILLER, key="k")
    assert billing.billers.add(**BILLER, key="k") == first
    with pytest.raises(KeyReused):
        billing.billers.add(**{**BILLER, "name": "Another"}, key="k")
    assert billing.billers.add(**BILLER).id != first.id
    assert len(billing.billers.all()) == 2


@pytest.mark.rule("T1")
def test_all_billers_are_listed_by_id_and_one_under_a_scope(billing: Billing, park: Biller, condo: Biller) -> None:
    assert billing.billers.all() == sorted([park, condo], key=lambda each: each.id)
    assert billing.scoped(park).billers.all() == [park]
    with pytest.raises(NotFound):
        billing.scoped(park).billers.add(**BILLER)


@pytest.mark.rule("T1")
def test_a_scoped_desk_that_is_closed_leaves_the_store_open(billing: Billing, park: Biller) -> None:
    with billing.scoped(park) as desk:
        assert desk.billers.get(park) == park
    assert billing.billers.get(park) == park


def own_labels() -> dict[str, dict[str, dict[str, str]]]:
    status = {each.value: f"<{each.value}>" for each in Status}
    cards = {card: f"[{card}]" for card in CARDS}
    return {language: {"status": status, "card": cards, "badge": {"late": "(late)"}} for language in ("en", "fr")}


@pytest.mark.rule("D4", "R13")
def test_a_biller_may_bring_a_label_set_of_its_own(billing: Billing, park: Biller) -> None:
    billing.billers.edit(park, policy={"own_labels": own_labels()})
    policy = billing.billers.get(park).policy
    labels = label_set(policy.labels, policy.own_labels)
    for locale in ("en_GB", "fr_FR"):
        assert status_label(Status.OVERDUE, labels=labels, locale=locale) == "<overdue>"
        assert card_label("total", labels=labels, locale=locale) == "[total]"
        assert late_badge(labels=labels, locale=locale) == "(late)"


@pytest.mark.rule("D4", "R13")
@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    "part, key", [("status", each.value) for each in Status] + [("badge", "late"), ("card", "paid")]
)
def test_a_label_set_that_lacks_one_label_is_refused(
    billing: Billing, park: Biller, language: str, part: str, key: str
) -> None:
    labels = own_labels()
    labels[language] = {**labels[language], part: {k: v for k, v in labels[language][part].items() if k != key}}
    with pytest.raises(InvalidValue, match=rf"{language}\.{part}\.{key} lacks"):
        billing.billers.edit(park, policy={"own_labels": labels})


@pytest.mark.rule("S4")
def test_new_advance_days_move_the_leases_that_follow_the_policy_and_no_others(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    def lease(**rest: object) -> str:
        return billing.leases.add(
            biller=park,
            customer=guest,
            rent=money(620),
            frequency=Frequency.MONTHLY,
            starts=date(2026, 6, 1),
            **rest,  # type: ignore[arg-type]
        ).id

    mail, debit = lease(), lease(method=InvoiceMethod.DIRECT_DEBIT)
    own, manual = lease(advance_days=1), lease(method=InvoiceMethod.MANUAL)
    billing.billers.edit(park, policy={"advance_days_email_pdf": 10, "advance_days_direct_debit": 2})
    found = {ref: billing.leases.get(ref).next_run_on for ref in (mail, debit, own, manual)}
    assert found == {mail: date(2026, 5, 22), debit: date(2026, 5, 30), own: date(2026, 5, 31), manual: None}
    unmoved = billing.leases.get(own)
    billing.billers.edit(park, policy={"terms_days": 5})
    assert billing.leases.get(own) == unmoved


@pytest.mark.rule("R2")
def test_units_are_listed_in_natural_order_lived_in_or_not(billing: Billing, condo: Biller, resident: Customer) -> None:
    numbers = ["10", "2", "A10", "a2", "B1", "2b", "2A", "0", "Lot 9", "Lot 10"]
    for number in numbers:
        billing.units.add(biller=condo, number=number)
    listed = [unit.number for unit in billing.units.find(biller=condo)]
    assert listed == ["0", "1", "2", "2A", "2b", "10", "a2", "A10", "B1", "Lot 9", "Lot 10"]
    assert [unit.number for unit in billing.units.find(biller=condo) if unit.resident] == ["1"]


@pytest.mark.rule("R2")
@given(st.lists(st.text(max_size=12), max_size=10))
def test_any_two_unit_numbers_can_be_put_in_order(numbers: list[str]) -> None:
    ordered = sorted(numbers, key=natural_key)
    keys = [natural_key(number) for number in ordered]
    assert all(a <= b for a, b in itertools.combinations(keys, 2))


@pytest.mark.rule("R2")
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["", "A", "Lot "]))
def test_numbers_are_compared_as_numbers(a: int, b: int, word: str) -> None:
    assert (natural_key(f"{word}{a}") < natural_key(f"{word}{b}")) == (a < b)


@pytest.mark.rule("R2", "T1")
def test_a_unit_number_is_taken_once_a_biller(billing: Billing, condo: Biller, park: Biller) -> None:
    made = billing.units.add(biller=condo, number=" 12 ")
    assert made.number == "12"
    billing.units.add(biller=park, number="12")
    with pytest.raises(InvalidValue, match="number='12': is another unit's; give each unit a number of its own"):
        billing.units.add(biller=condo, number="12")
    assert [unit.number for unit in billing.units.find(biller=condo)] == ["12"]


@pytest.mark.rule("R2")
@pytest.mark.parametrize("number", ["", " ", None, 12, "x" * 51, "1\n2"])
def test_a_unit_number_is_short_text(billing: Billing, condo: Biller, number: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        billing.units.add(biller=condo, number=number)
    assert caught.value.field == "number"
    assert billing.units.find(biller=condo) == []


@pytest.mark.rule("R19", "R18")
def test_a_resident_is_assigned_replaced_and_taken_away(billing: Billing, condo: Biller, resident: Customer) -> None:
    [unit] = billing.units.find(biller=condo)
    later = billing.customers.add(biller=condo, name="Later")
    assert billing.units.assign(unit, later).resident == later.id
    assert billing.units.assign(unit.id, resident.id).resident == resident.id
    assert billing.units.assign("1", None, biller=condo).resident is None
    assert billing.scoped(condo).units.assign(" 1", later).resident == later.id
    [stored] = billing.units.find(biller=condo)
    assert (stored.resident, stored.version) == (later.id, 5)
    steps = [(step.action, step.detail) for step in billing.invoices.timeline(unit.id)]
    assert steps == [
        ("added", ""),
        ("assigned", later.id),
        ("assigned", resident.id),
        ("assigned", ""),
        ("assigned", later.id),
    ]


@pytest.mark.rule("R2", "T1")
@pytest.mark.parametrize("unit, error", [("99", NotFound), (5, InvalidValue), (None, InvalidValue)])
def test_only_a_unit_that_is_there_is_assigned(
    billing: Billing, condo: Biller, unit: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        billing.units.assign(unit, None, biller=condo)
    with pytest.raises(error):
        billing.scoped(condo).units.assign(unit, None)


@pytest.mark.rule("T1", "R19")
def test_nobody_elses_customer_becomes_a_resident(
    billing: Billing, condo: Biller, resident: Customer, guest: Customer
) -> None:
    before = everything(store_of(billing), condo)
    for who in (guest, guest.id, f"{condo.id}_cus_never"):
        with pytest.raises(NotFound):
            billing.units.assign("1", who, biller=condo)
        with pytest.raises(NotFound):
            billing.units.add(biller=condo, number="2", resident=who)
    assert everything(store_of(billing), condo) == before


BAD_CUSTOMERS: list[tuple[dict[str, object], str]] = [
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"email": "nobody"}, "email"),
    ({"email": 5}, "email"),
    ({"email": "a@b"}, "email"),
    ({"address": None}, "address"),
    ({"locale": "xx"}, "locale"),
    ({"billing_cycle": "weekly"}, "billing_cycle"),
    ({"billing_day": 0}, "billing_day"),
    ({"billing_day": 32}, "billing_day"),
    ({"billing_day": -2}, "billing_day"),
    ({"billing_day": "1"}, "billing_day"),
    ({"billing_day": True}, "billing_day"),
    ({"notify": "yes"}, "notify"),
]


@pytest.mark.rule("R3", "C9")
@pytest.mark.parametrize("given, field", BAD_CUSTOMERS)
def test_a_customer_that_cannot_be_is_refused_by_add_and_edit(
    billing: Billing, park: Biller, guest: Customer, given: dict[str, object], field: str
) -> None:
    before = everything(store_of(billing), park)
    for verb in (
        lambda: billing.customers.add(biller=park, **{"name": "C", **given}),  # type: ignore[arg-type]
        lambda: billing.customers.edit(guest, **given),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidValue) as caught:
            verb()
        assert caught.value.field == field
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("R3")
def test_one_bad_row_refuses_all_and_says_where(billing: Billing, park: Biller) -> None:
    for bad, field in (*BAD_CUSTOMERS, ({"colour": "red"}, "colour")):
        with pytest.raises(InvalidValue) as caught:
            billing.customers.add_many(biller=park, rows=[{"name": "A"}, {"name": "B", **bad}])
        assert caught.value.field == f"rows[1].{field}"
    assert billing.customers.find(biller=park) == []


@pytest.mark.rule("R3", "N3")
@pytest.mark.parametrize("bad", ["Ann", 5, None, {1: "Ann"}, ["name"]])
@pytest.mark.parametrize("section", ["customers", "charges", "leases"])
def test_a_row_that_is_no_mapping_is_refused_by_every_bulk_verb(
    billing: Billing, park: Biller, guest: Customer, section: str, bad: object
) -> None:
    whose = {"customer": guest} if section == "charges" else {"biller": park}
    for key in (None, "k"):
        with pytest.raises(InvalidValue) as caught:
            getattr(billing, section).add_many(**whose, rows=[bad], key=key)
        assert caught.value.field == "rows[0]"


@pytest.mark.rule("N3")
def test_no_rows_make_no_customers(billing: Billing, park: Biller) -> None:
    assert billing.customers.add_many(biller=park, rows=[], key="k") == []
    assert billing.customers.add_many(biller=park, rows=[], key="k") == []


@pytest.mark.rule("R3")
def test_a_customer_is_added_edited_and_listed_oldest_first(billing: Billing, park: Biller, clock: FixedClock) -> None:
    first = billing.customers.add(
        biller=park, name=" Ann ", email="", address="1 rue\nParis", locale="fr_FR", notify=True
    )
    clock.advance(timedelta(seconds=1))
    second = billing.customers.add(biller=park.id, name="Bob", email="bob@example.com")
    assert (first.name, first.email, first.address, first.notify) == ("Ann", None, "1 rue\nParis", True)
    assert billing.customers.find(biller=park) == [first, second]
    after = billing.customers.edit(second, email=None, notify=False)
    assert after == billing.customers.get(second)
    assert (after.name, after.email, after.notify, after.version) == ("Bob", None, False, 2)
    with pytest.raises(InvalidValue, match="is not a field here"):
        billing.customers.edit(second, biller=park)


@pytest.mark.rule("C9")
def test_a_monthly_cycle_is_due_at_once_and_the_run_says_for_which_month(billing: Billing, practice: Biller) -> None:
    who = billing.customers.add(biller=practice, name="C", billing_cycle="monthly", billing_day=15)
    assert (who.billing_cycle, who.next_cycle_on) == (BillingCycle.MONTHLY, date.min)
    assert billing.customers.edit(who, billing_cycle="none").next_cycle_on is None
    assert billing.customers.edit(who, name="D", billing_cycle="monthly").next_cycle_on == date.min
    billing.run(on=date(2026, 3, 20))
    assert billing.customers.get(who).next_cycle_on == date(2026, 4, 15)
    assert billing.customers.edit(who, name="E").next_cycle_on == date(2026, 4, 15)


@pytest.mark.rule("D4")
def test_a_policy_may_be_given_whole(billing: Billing, park: Biller) -> None:
    policy = attrs.evolve(park.policy, terms_days=5)
    assert billing.billers.edit(park, policy=policy).policy == policy
    made = billing.billers.add(
        name="B", currency="EUR", timezone="UTC", locale="en_GB", policy=attrs.evolve(PRESETS["clients"], terms_days=9)
    )
    assert (made.policy.preset, made.policy.terms_days) == ("clients", 9)


@pytest.mark.rule("C9")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([{"billing_day": 15}], id="a later day in a month that was billed"),
        pytest.param([{"billing_cycle": "none"}, {"billing_cycle": "monthly", "billing_day": 28}], id="off and on"),
    ],
)
def test_a_new_billing_day_never_bills_a_month_twice(
    billing: Billing, practice: Biller, changes: list[dict[str, object]]
) -> None:
    who = billing.customers.add(biller=practice, name="C", billing_cycle="monthly", billing_day=1, on=date(2026, 2, 10))

    def charge(on: date) -> None:
        billing.charges.add(customer=who, description="Hour", amount=money(100, "GBP"), on=on)

    charge(date(2026, 2, 20))
    assert billing.run(on=date(2026, 3, 1)).created == 1
    for change in changes:
        who = billing.customers.edit(who, on=TODAY, **change)
    assert who.next_cycle_on is not None
    assert (who.next_cycle_on.year, who.next_cycle_on.month) == (2026, 4)
    charge(date(2026, 3, 10))
    reports = [billing.run(on=date(2026, 3, 2) + timedelta(days=n)) for n in range(60)]
    assert [report.failed.count for report in reports] == [0] * 60
    made = billing.invoices.find(customer=who, order="created").items
    assert sorted(str(each.cycle) for each in made) == ["2026-03-01", "2026-04-01"]


@pytest.mark.rule("T1")
@pytest.mark.parametrize("section", ["customers", "units"])
def test_the_records_of_a_biller_that_is_not_there_are_not_found(billing: Billing, section: str) -> None:
    for ref in ("nobody", "", "a_b"):
        with pytest.raises(NotFound) as caught:
            getattr(billing, section).find(biller=ref)
        assert (caught.value.kind, caught.value.key) == ("biller", ref)


@pytest.mark.rule("R2")
def test_leases_and_bookings_register_a_unit_they_name_first(billing: Billing, park: Biller, guest: Customer) -> None:
    for _ in range(2):
        billing.leases.add(biller=park, customer=guest, unit="12", rent=money(1), starts=TODAY)
    assert [unit.number for unit in all_of(store_of(billing), park, Unit)] == ["12"]
