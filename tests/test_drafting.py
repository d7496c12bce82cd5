"""Drafting one-time invoices: what is asked for, what is refused, and what may still be done to a draft."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from desks import everything, store_of
from invoicecore import Billing, Item, Money, Plugins, Status, TaxRate, hookimpl
from invoicecore.errors import (
    CurrencyMismatch,
    InvalidMoney,
    InvalidValue,
    KeyReused,
    NotFound,
    NothingToBill,
    PaymentsOff,
    Refused,
)
from invoicecore.invoices import Invoice, InvoiceKind, Line
from invoicecore.money import MAX_MINOR, from_minor, total
from invoicecore.parties import Biller, Customer, Unit
from invoicecore.periods import Period
from invoicecore.testing import FixedClock

TODAY = date(2026, 3, 2)
DUE = date(2026, 3, 20)
VAT20 = TaxRate(name="VAT 20 %", percent=Decimal(20), category="S")
VAT10 = TaxRate(name="VAT 10 %", percent=Decimal(10), category="S")

Draft = Callable[..., Invoice]


def cad(amount: str | int) -> Money:
    return Money(str(amount), "CAD")


@pytest.fixture
def draft(billing: Billing, condo: Biller, resident: Customer) -> Draft:
    """Drafts for unit 1 of the condo: 100 CAD of dues, whatever else is asked for."""

    def made(**changes: object) -> Invoice:
        given = {"biller": condo, "unit": "1", "title": "Dues", "amount": cad(100), **changes}
        return billing.invoices.draft(**given)  # type: ignore[arg-type]  # wrong on purpose in some tests

    return made


# --- what is drafted --------------------------------------------------------------------------------------------------


@pytest.mark.rule("R2", "R4", "R6", "R8", "N1")
def test_a_one_time_invoice_for_a_unit_is_a_draft_with_all_that_was_said(billing: Billing, draft: Draft) -> None:
    made = draft(title="  Roof works ", amount=cad("1234.50"), due=DUE, description="Two lines\nof text")
    assert made.status_on(TODAY) is Status.DRAFT
    assert (made.title, made.description, made.total) == ("Roof works", "Two lines\nof text", cad("1234.50"))
    assert (made.due_on, made.drafted_on, made.due_by_terms) == (DUE, TODAY, False)
    assert (made.number, made.reference, made.kind) == (None, "D-000001", InvoiceKind.STANDALONE)
    assert (made.notify, made.customer, made.bill_to) == (False, None, None)
    assert made.lines == (Line(description="Roof works", amount=cad("1234.50"), unit_price=cad("1234.50")),)
    assert billing.invoices.get(made) == made


@pytest.mark.rule("R2")
def test_units_list_in_natural_order_lived_in_or_not(billing: Billing, condo: Biller, resident: Customer) -> None:
    for number in ("10", "2", "B-1", "A-10", "A-9", "02b"):
        billing.units.add(biller=condo, number=number)
    assert [unit.number for unit in billing.units.find(biller=condo)] == ["1", "2", "02b", "10", "A-9", "A-10", "B-1"]


@pytest.mark.rule("R8", "R15")
def test_a_customer_sees_neither_a_draft_nor_a_voided_draft(billing: Billing, draft: Draft, resident: Customer) -> None:
    shown = draft(customer=resident)
    voided = draft(customer=resident)
    billing.invoices.void(voided)
    assert billing.invoices.visible_to(resident).items == ()
    assert billing.invoices.get(voided).status_on(TODAY) is Status.VOID
    billing.invoices.publish(shown)
    assert [invoice.id for invoice in billing.invoices.visible_to(resident).items] == [shown.id]
    assert billing.invoices.visible_to(resident, status=Status.VOID).items == ()


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    "email, lives_there, code, words",
    [
        ("b@example.com", True, (), ""),
        (None, True, ("no_email",), "Bo"),
        (None, False, ("no_resident",), "7"),
    ],
)
def test_a_missing_resident_or_address_is_a_warning_and_no_obstacle(
    billing: Billing, condo: Biller, email: str | None, lives_there: bool, code: tuple[str, ...], words: str
) -> None:
    who = billing.customers.add(biller=condo, name="Bo", email=email)
    billing.units.add(biller=condo, number="7", resident=who if lives_there else None)
    made = billing.invoices.draft(biller=condo, unit="7", title="Dues", amount=cad(1), key="k")
    again = billing.invoices.draft(biller=condo, unit="7", title="Dues", amount=cad(1), key="k")
    (bulk,) = billing.invoices.draft_for_units(biller=condo, units=["7"], title="Dues", amount=cad(1), key="all")
    (bulk_again,) = billing.invoices.draft_for_units(biller=condo, units=["7"], title="Dues", amount=cad(1), key="all")
    edited = billing.invoices.edit(made, title="Dues!")
    for invoice in (made, again, bulk, bulk_again, edited):
        assert tuple(warning.code for warning in invoice.warnings) == code
        assert all(words in warning.text for warning in invoice.warnings)
    assert billing.invoices.get(made).warnings == ()  # they travel with a result and are not stored


@pytest.mark.rule("R5", "C9")
def test_without_a_due_date_the_terms_count_from_the_issue(billing: Billing, draft: Draft, condo: Biller) -> None:
    billing.billers.edit(condo, policy={"terms_days": 10})
    made = draft()
    assert (made.due_on, made.due_by_terms) == (TODAY + timedelta(days=10), True)
    later = billing.invoices.publish(made, on=date(2026, 3, 31))
    assert (later.due_on, later.issued_on) == (date(2026, 4, 10), date(2026, 3, 31))


@pytest.mark.rule("M7", "M10", "M11", "R4")
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize(
    "currency, price, net, net_of_gross",
    [("EUR", "99.99", "99.99", "83.33"), ("JPY", "999", "999", "833"), ("KWD", "9.999", "9.999", "8.333")],
)
def test_prices_with_and_without_tax_in_each_currency(
    billing: Billing, inclusive: bool, currency: str, price: str, net: str, net_of_gross: str
) -> None:
    biller = billing.billers.add(name="B", currency=currency, timezone="UTC", locale="en_GB")
    who = billing.customers.add(biller=biller, name="P")
    made = billing.invoices.draft(
        biller=biller, customer=who, title="It", amount=Money(price, currency), taxes=[VAT20],
        prices_include_tax=inclusive,
    )  # fmt: skip
    stored = billing.invoices.get(made)
    assert stored == made
    assert str(stored.net.amount) == (net_of_gross if inclusive else net)
    assert stored.net + stored.taxes[0].tax == stored.total
    assert (stored.total == Money(price, currency)) is inclusive


@pytest.mark.rule("M10", "M7")
def test_an_invoice_of_several_lines_sums_rounded_lines(billing: Billing, draft: Draft) -> None:
    lines = [
        Item(description="Hours", unit_price=cad("33.33"), quantity=Decimal("1.5"), taxes=(VAT20,)),  # 49.995
        Item(description="Discount", unit_price=cad("-10.00"), taxes=(VAT20,)),
        Item(description="Stamps", unit_price=cad("1.15")),
    ]
    made = draft(amount=None, lines=lines)
    assert [line.amount for line in made.lines] == [cad("50.00"), cad("-10.00"), cad("1.15")]
    assert made.total == cad("49.15")
    assert billing.invoices.get(made) == made


@pytest.mark.rule("M8", "R4")
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_the_largest_amount_of_64_bits_can_be_billed(billing: Billing, currency: str) -> None:
    biller = billing.billers.add(name="B", currency=currency, timezone="UTC", locale="en_GB")
    who = billing.customers.add(biller=biller, name="P", email="p@example.com")
    most = from_minor(MAX_MINOR, currency)
    for _ in range(2):
        billing.invoices.draft(biller=biller, customer=who, title="Everything", amount=most)
    preview = billing.invoices.preview_publish_all(biller=biller)
    assert (preview.count, preview.total.amount) == (2, 2 * most.amount)
    assert [one.invoice.total for one in billing.invoices.publish_all(biller=biller).published] == [most, most]


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED = [
    ({"title": ""}, InvalidValue, "title", "is blank"),
    ({"title": " \n "}, InvalidValue, "title", "is blank"),
    ({"title": None}, InvalidValue, "title", "is not text"),
    ({"title": "a\x07b"}, InvalidValue, "title", "control characters"),
    ({"title": "x" * 501}, InvalidValue, "title", "longer than 500"),
    ({"amount": cad(0)}, InvalidMoney, "amount", "must be greater than zero"),
    ({"amount": cad(-1)}, InvalidMoney, "amount", "must be greater than zero"),
    ({"amount": cad("0.001")}, InvalidMoney, "amount", "more decimals than CAD has (2)"),
    ({"amount": cad("NaN")}, InvalidMoney, "amount", "not a finite amount"),
    ({"amount": cad("Infinity")}, InvalidMoney, "amount", "not a finite amount"),
    ({"amount": cad("92233720368547758.08")}, InvalidMoney, "amount", "beyond 64 bits"),
    ({"amount": Money("1", "USD")}, CurrencyMismatch, "amount", "is in USD where CAD is expected"),
    ({"amount": 100}, InvalidMoney, "amount", "int is not money"),
    ({"amount": 100.0}, InvalidMoney, "amount", "a float is not money"),
    ({"amount": None}, InvalidValue, "amount", "exactly one is needed"),
    ({"lines": [Item(description="x", unit_price=cad(1))]}, InvalidValue, "amount", "exactly one is needed"),
    ({"amount": None, "lines": []}, InvalidValue, "lines", "is empty"),
    (
        {"amount": None, "lines": [Item(description="x", unit_price=cad(1))], "taxes": [VAT20]},
        InvalidValue,
        "taxes",
        "goes with amount",
    ),
    ({"taxes": VAT20}, InvalidValue, "taxes", "is not a list of TaxRate"),
    ({"taxes": [VAT20, VAT20]}, InvalidValue, "taxes", "names the same tax twice"),
    ({"due": date(2026, 3, 1)}, InvalidValue, "due", "is before 2026-03-02"),
    ({"due": datetime(2026, 3, 20)}, InvalidValue, "due", "is a moment, not a day"),
    ({"due": "2026-03-20"}, InvalidValue, "due", "a str is not a date"),
    ({"on": "2026-03-20"}, InvalidValue, "on", "a str is not a date"),
    ({"on": date.max}, InvalidValue, "on", "leaves no room for the terms"),
    ({"notify": "yes"}, InvalidValue, "notify", "is not a yes or no"),
    ({"prices_include_tax": 1}, InvalidValue, "prices_include_tax", "is not a yes or no"),
    ({"description": None}, InvalidValue, "description", "is not text"),
    ({"description": "x" * 5001}, InvalidValue, "description", "longer than 5000"),
    ({"unit": None}, InvalidValue, "unit", "and customer are missing"),
    ({"unit": 1}, InvalidValue, "unit", "neither a unit nor its number"),
    ({"key": " "}, InvalidValue, "key", "is blank"),
    ({"key": "k" * 256}, InvalidValue, "key", "longer than 255"),
]


@pytest.mark.rule("R4", "R5", "M8")
@pytest.mark.parametrize("wrong, error, field, reason", REFUSED)
def test_a_wrong_value_is_refused_with_field_value_and_way_out(
    billing: Billing,
    condo: Biller,
    draft: Draft,
    wrong: dict[str, object],
    error: type[InvalidValue],
    field: str,
    reason: str,
) -> None:
    before = everything(store_of(billing), condo)
    with pytest.raises(error) as refused:
        draft(**wrong)
    said = refused.value
    assert (type(said), said.field) == (error, field)
    assert reason in str(said)
    assert f"{field}={said.value!r}" in str(said)
    assert str(said).endswith(said.way_out)
    assert everything(store_of(billing), condo) == before


@pytest.mark.rule("R4", "M10")
def test_lines_that_come_to_nothing_are_refused(billing: Billing, draft: Draft) -> None:
    with pytest.raises(NothingToBill, match=r"nothing to bill for Dues: the total is 0\.00 CAD; add what is owed"):
        draft(amount=None, lines=[Item(description="x", unit_price=cad(5)), Item(description="y", unit_price=cad(-5))])


@pytest.mark.rule("R2")
@pytest.mark.parametrize("wrong", [{"unit": "99"}, {"unit": None, "customer": "nobody"}, {"biller": "nobody"}])
def test_nobody_and_nowhere_are_not_found(draft: Draft, wrong: dict[str, object]) -> None:
    with pytest.raises(NotFound, match="check the id and the biller it was given by"):
        draft(**wrong)


@pytest.mark.rule("R5", "M1")
@pytest.mark.parametrize(
    "timezone, today",
    [
        ("Pacific/Kiritimati", date(2026, 3, 3)),  # UTC+14
        ("UTC", date(2026, 3, 2)),
        ("Pacific/Pago_Pago", date(2026, 3, 1)),  # UTC-11
    ],
)
def test_today_is_the_billers_own(billing: Billing, clock: FixedClock, timezone: str, today: date) -> None:
    clock.set(datetime(2026, 3, 2, 10, 30, tzinfo=UTC))
    biller = billing.billers.add(name="B", currency="CAD", timezone=timezone, locale="en_CA")
    billing.units.add(biller=biller, number="1")
    made = billing.invoices.draft(biller=biller, unit="1", title="Dues", amount=cad(1), due=today)
    assert (made.due_on, made.drafted_on) == (today, today)
    with pytest.raises(InvalidValue, match=f"is before {today}; give that day or a later one"):
        billing.invoices.draft(biller=biller, unit="1", title="Dues", amount=cad(1), due=today - timedelta(days=1))


@pytest.mark.rule("R1")
def test_payments_off_refuses_what_is_new_and_nothing_else(
    billing: Billing, condo: Biller, resident: Customer, draft: Draft
) -> None:
    open_draft = draft()
    owed = billing.invoices.publish(draft(customer=resident))
    charge = billing.charges.add(customer=resident, description="Key", amount=cad(5))
    group = billing.groups.add(biller=condo, name="Party", organiser=resident)
    stay = billing.bookings.add(
        customer=resident, arrives=TODAY, departs=DUE, items=[Item(description="Pitch", unit_price=cad(9))], group=group
    )
    billing.billers.edit(condo, payments=False)
    before = everything(store_of(billing), condo)
    refused: list[tuple[str, Callable[[], object]]] = [
        ("invoices.draft", draft),
        (
            "invoices.draft_for_units",
            lambda: billing.invoices.draft_for_units(biller=condo, title="Dues", amount=cad(1)),
        ),
        ("charges.add", lambda: billing.charges.add(customer=resident, description="Key", amount=cad(5))),
        ("invoices.draft_from_charges", lambda: billing.invoices.draft_from_charges(resident, [charge])),
        ("invoices.draft_booking", lambda: billing.invoices.draft_booking(stay)),
        ("invoices.draft_group", lambda: billing.invoices.draft_group(group)),
    ]
    for verb, call in refused:
        with pytest.raises(PaymentsOff) as off:
            call()
        assert (off.value.biller, off.value.action) == (condo.id, verb)
        assert str(off.value).endswith("switch them on with billers.edit(payments=True)")
    assert everything(store_of(billing), condo) == before
    assert billing.invoices.publish(open_draft).status_on(TODAY) is Status.OPEN
    payment = billing.payments.record(owed)
    billing.payments.refund(owed, cad(40))
    billing.payments.reverse(payment)
    billing.invoices.void(open_draft)
    billing.billers.edit(condo, payments=True)
    assert draft().status_on(TODAY) is Status.DRAFT


# --- once per key -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("N3")
def test_the_same_key_gives_the_first_draft_back(billing: Billing, condo: Biller, draft: Draft) -> None:
    first = draft(key="roof")
    after = everything(store_of(billing), condo)
    assert draft(key="roof") == first
    assert draft(key="roof", title=" Dues ", amount=cad("100.00")) == first  # the same data, written otherwise
    assert everything(store_of(billing), condo) == after
    assert draft(key="other") != first


@pytest.mark.rule("N3")
@pytest.mark.parametrize(
    "other",
    [
        {"title": "Other"},
        {"amount": cad(101)},
        {"due": DUE},
        {"description": "x"},
        {"notify": True},
        {"taxes": [VAT20]},
        {"prices_include_tax": True},
        {"unit": "2"},
    ],
)
def test_other_data_under_a_key_is_an_error(
    billing: Billing, condo: Biller, draft: Draft, other: dict[str, object]
) -> None:
    billing.units.add(biller=condo, number="2")
    draft(key="roof")
    before = everything(store_of(billing), condo)
    with pytest.raises(KeyReused, match=r"key 'roof' was used before for other data.*use a new key"):
        draft(key="roof", **other)
    with pytest.raises(KeyReused):
        billing.units.add(biller=condo, number="3", key="roof")
    assert everything(store_of(billing), condo) == before


@pytest.mark.rule("N3")
def test_a_key_answers_whatever_happened_since(
    billing: Billing, clock: FixedClock, condo: Biller, resident: Customer, draft: Draft
) -> None:
    first = draft(key="one", due=TODAY)
    bulk = billing.invoices.draft_for_units(biller=condo, title="All", total=cad(100), key="all")
    billing.units.add(biller=condo, number="2")
    billing.invoices.publish(first)
    billing.billers.edit(condo, payments=False)
    clock.advance(timedelta(days=40))
    assert draft(key="one", due=TODAY).number == "INV-000001"  # the same invoice, as it stands now
    again = billing.invoices.draft_for_units(biller=condo, title="All", total=cad(100), key="all")
    assert [one.id for one in again] == [one.id for one in bulk]
    assert len(billing.invoices.find(biller=condo).items) == 2


@pytest.mark.rule("N3")
def test_a_key_of_a_deleted_draft_drafts_no_second_one(billing: Billing, park: Biller, guest: Customer) -> None:
    def call() -> Invoice:
        return billing.invoices.draft(biller=park, customer=guest, title="x", amount=Money("1", "EUR"), key="k")

    made = call()
    billing.invoices.delete_draft(made)
    with pytest.raises(NotFound, match=made.id):
        call()
    assert billing.invoices.find(biller=park).items == ()


# --- editing ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R14")
def test_editing_changes_what_is_given_and_leaves_the_rest(billing: Billing, draft: Draft) -> None:
    made = draft(due=DUE, description="Old", notify=True, taxes=[VAT20])
    for change, wanted in (
        ({"title": "New"}, {"title": "New", "lines": (attrs.evolve(made.lines[0], description="New"),)}),
        ({"description": ""}, {"description": ""}),
        ({"notify": False}, {"notify": False}),
        ({"due": date(2026, 4, 1)}, {"due_on": date(2026, 4, 1)}),
    ):
        before = billing.invoices.get(made)
        after = billing.invoices.edit(made, **change)  # type: ignore[arg-type]  # one field at a time
        assert after == attrs.evolve(before, version=before.version + 1, **wanted)  # type: ignore[arg-type]  # as above
        assert billing.invoices.get(made) == after


@pytest.mark.rule("R14", "M7")
def test_another_amount_keeps_the_tax_and_works_it_out_again(billing: Billing, draft: Draft) -> None:
    made = draft(taxes=[VAT20])
    after = billing.invoices.edit(made, amount=cad(200))
    assert (after.lines[0].taxes, after.net, after.total) == ((VAT20,), cad(200), cad(240))
    both = [Item(description=name, unit_price=cad(10), taxes=(VAT20,)) for name in ("a", "b")]
    billing.invoices.edit(made, lines=both)
    assert billing.invoices.edit(made, amount=cad(50)).total == cad(60)
    mixed = [Item(description=str(rate.percent), unit_price=cad(10), taxes=(rate,)) for rate in (VAT20, VAT10)]
    billing.invoices.edit(made, lines=mixed)
    with pytest.raises(InvalidValue, match=r"amount=.*does not say which tax is on what; give lines="):
        billing.invoices.edit(made, amount=cad(50))


@pytest.mark.rule("R14", "S2")
def test_another_amount_of_a_rent_still_says_what_it_covers(billing: Billing, park: Biller, guest: Customer) -> None:
    billing.billers.edit(park, policy={"run_issues": False})
    billing.leases.add(biller=park, customer=guest, unit="4", rent=Money("500", "EUR"), starts=date(2026, 3, 10))
    (made,) = billing.run(on=date(2026, 3, 3)).invoices
    after = billing.invoices.edit(made, amount=Money("450", "EUR"))
    (was,), (now,) = made.lines, after.lines
    assert (now.description, now.period) == (was.description, Period(date(2026, 3, 10), date(2026, 4, 10)))
    assert (after.total, after.period_index) == (Money("450", "EUR"), 0)
    assert billing.invoices.get(made) == after


@pytest.mark.rule("R14", "R4", "R5")
@pytest.mark.parametrize(
    "wrong, error, field",
    [
        ({"title": ""}, InvalidValue, "title"),
        ({"amount": cad(0)}, InvalidMoney, "amount"),
        ({"amount": Money("1", "EUR")}, CurrencyMismatch, "amount"),
        ({"amount": cad(1), "lines": [Item(description="x", unit_price=cad(1))]}, InvalidValue, "amount"),
        ({"lines": []}, InvalidValue, "lines"),
        ({"due": date(2026, 3, 1)}, InvalidValue, "due"),
        ({"notify": 1}, InvalidValue, "notify"),
        ({"description": 1}, InvalidValue, "description"),
    ],
)
def test_a_wrong_edit_is_refused_and_writes_nothing(
    billing: Billing,
    condo: Biller,
    draft: Draft,
    wrong: dict[str, object],
    error: type[InvalidValue],
    field: str,
) -> None:
    made = draft()
    before = everything(store_of(billing), condo)
    with pytest.raises(error) as refused:
        billing.invoices.edit(made, **wrong)  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field
    assert everything(store_of(billing), condo) == before


# --- many units at once -----------------------------------------------------------------------------------------------


@pytest.fixture
def units(billing: Billing, condo: Biller, resident: Customer) -> list[Unit]:
    """Units 1, 2, 3, 10 and 11 of the condo, entered out of order; 1 is lived in."""
    for number in ("11", "2", "10", "3"):
        billing.units.add(biller=condo, number=number)
    return billing.units.find(biller=condo)


def numbers(billing: Billing, condo: Biller, invoices: tuple[Invoice, ...]) -> list[str]:
    by_id = {unit.id: unit.number for unit in billing.units.find(biller=condo)}
    return [by_id[invoice.unit or ""] for invoice in invoices]


@pytest.mark.rule("R17", "R2")
def test_an_assessment_goes_to_every_unit_in_natural_order(billing: Billing, condo: Biller, units: list[Unit]) -> None:
    made = billing.invoices.draft_for_units(biller=condo, title="Roof", amount=cad(250), due=DUE, notify=True)
    assert numbers(billing, condo, made) == ["1", "2", "3", "10", "11"]
    assert [one.reference for one in made] == [f"D-00000{n}" for n in range(1, 6)]
    assert {(one.total, one.due_on, one.notify, one.title) for one in made} == {(cad(250), DUE, True, "Roof")}
    assert [len(one.warnings) for one in made] == [0, 1, 1, 1, 1]
    assert list(billing.invoices.find(biller=condo).items) == list(made)


@pytest.mark.rule("R17")
def test_chosen_units_are_billed_in_the_order_given(billing: Billing, condo: Biller, units: list[Unit]) -> None:
    made = billing.invoices.draft_for_units(biller=condo, units=["10", units[0], "2"], title="Roof", amount=cad(1))
    assert numbers(billing, condo, made) == ["10", "1", "2"]


@pytest.mark.rule("R17", "M5")
@pytest.mark.parametrize(
    "shares, parts",
    [
        (
            None,
            ["20.01", "20.00", "20.00", "20.00", "20.00"],
        ),  # the odd cent goes to the first unit, not the first entered
        ({"1": 1, "2": 1, "3": 1}, ["33.34", "33.34", "33.33"]),
        ({"1": 150, "2": 0, "3": 850, "10": Decimal("0.0001")}, ["15.00", "85.01"]),
        ({"11": 1}, ["100.01"]),
    ],
)
def test_shares_of_a_total_add_up(
    billing: Billing, condo: Biller, units: list[Unit], shares: dict[str, int | Decimal] | None, parts: list[str]
) -> None:
    made = billing.invoices.draft_for_units(biller=condo, title="Roof", total=cad("100.01"), shares=shares)
    assert [str(one.total.amount) for one in made] == parts
    assert total([one.total for one in made], "CAD") == cad("100.01")


@pytest.mark.rule("R17", "M5")
def test_shares_go_by_id_or_by_number(billing: Billing, condo: Biller, units: list[Unit]) -> None:
    made = billing.invoices.draft_for_units(
        biller=condo, title="Roof", total=cad(100), shares={units[0].id: 1, units[1].number: 3}
    )
    assert numbers(billing, condo, made) == ["1", "2"]
    assert [one.total for one in made] == [cad(25), cad(75)]


@pytest.mark.rule("R17", "N3")
def test_a_bulk_draft_happens_once_per_key(billing: Billing, condo: Biller, units: list[Unit]) -> None:
    def call(**changes: object) -> tuple[Invoice, ...]:
        given = {"title": "Roof", "total": cad(100), "shares": {"1": 1, "2": 2}, "key": "roof", **changes}
        return billing.invoices.draft_for_units(biller=condo, **given)  # type: ignore[arg-type]  # one field at a time

    first = call()
    after = everything(store_of(billing), condo)
    assert call() == first
    assert call(shares={"2": 2, "1": 1}) == first
    others: list[dict[str, object]] = [
        {"total": cad(101)},
        {"shares": {"1": 2, "2": 2}},
        {"shares": None},
        {"units": ["1", "2"]},
        {"total": None, "amount": cad(100), "shares": None},
        {"title": "Other"},
        {"due": DUE},
        {"notify": True},
        {"description": "x"},
    ]
    for other in others:
        with pytest.raises(KeyReused):
            call(**other)
    assert everything(store_of(billing), condo) == after


@pytest.mark.rule("R17", "R4", "R5")
@pytest.mark.parametrize(
    "wrong, error, words",
    [
        ({"amount": None}, InvalidValue, "amount=None: and total: exactly one is needed"),
        ({"total": cad(1)}, InvalidValue, "and total: exactly one is needed"),
        ({"amount": cad(0)}, InvalidMoney, "amount=.*must be greater than zero"),
        ({"amount": None, "total": cad(-1)}, InvalidMoney, "total=.*must be greater than zero"),
        ({"amount": None, "total": Money("1", "EUR")}, CurrencyMismatch, "total=.*is in EUR where CAD is expected"),
        ({"shares": {"1": 1}}, InvalidValue, "shares=.*goes with total"),
        ({"amount": None, "total": cad(1), "shares": {"99": 1}}, InvalidValue, "shares='99': is no unit of this call"),
        ({"amount": None, "total": cad(1), "shares": {"1": 0}}, InvalidValue, "shares=.*all weights are zero"),
        ({"amount": None, "total": cad(1), "shares": {"1": -1}}, InvalidValue, "shares=.*a weight is below zero"),
        ({"amount": None, "total": cad(1), "shares": {"1": 0.5}}, InvalidValue, "shares=.*not an exact number"),
        ({"units": ["1", "1"]}, InvalidValue, "units=.*names a unit twice"),
        ({"units": ["1", "99"]}, NotFound, "no unit '99'"),
        ({"units": []}, NothingToBill, "there is no unit to bill"),
        ({"title": " "}, InvalidValue, "title=.*is blank"),
        ({"due": date(2026, 3, 1)}, InvalidValue, "due=.*is before 2026-03-02"),
        ({"notify": None}, InvalidValue, "notify=None: is not a yes or no"),
        ({"description": "\x00"}, InvalidValue, "description=.*control characters"),
    ],
)
def test_a_wrong_bulk_draft_is_refused_whole(
    billing: Billing,
    condo: Biller,
    units: list[Unit],
    wrong: dict[str, object],
    error: type[Exception],
    words: str,
) -> None:
    before = everything(store_of(billing), condo)
    given = {"title": "Roof", "amount": cad(250), **wrong}
    with pytest.raises(error, match=words):
        billing.invoices.draft_for_units(biller=condo, **given)  # type: ignore[arg-type]  # wrong on purpose
    assert everything(store_of(billing), condo) == before


# --- who may, and who hears -------------------------------------------------------------------------------------------


class Roles:
    """Lets only the treasurer act on invoices, and keeps what it was told."""

    plugin_name = "roles"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.heard: list[tuple[str, str | None]] = []

    @hookimpl
    def authorise(self, action: str, actor: str | None, subject: str | None) -> str | None:
        self.asked.append((action, actor, subject))
        return "only the treasurer may" if action.startswith("invoices.") and actor != "treasurer" else None

    @hookimpl
    def observe(self, events: tuple[object, ...]) -> None:
        self.heard += [(event.action, event.actor) for event in events]  # type: ignore[attr-defined]  # they are Events


@pytest.mark.rule("R18")
def test_a_host_refuses_an_action_by_role_and_nothing_is_written(
    billing: Billing, clock: FixedClock, condo: Biller, draft: Draft
) -> None:
    made, roles = draft(actor="ann"), Roles()
    desk = Billing(store_of(billing), clock=clock, plugins=Plugins.of(roles))
    before = everything(store_of(billing), condo)
    calls: list[tuple[str, Callable[[str], object]]] = [
        (
            "invoices.draft",
            lambda who: desk.invoices.draft(biller=condo, unit="1", title="x", amount=cad(1), actor=who),
        ),
        (
            "invoices.draft_for_units",
            lambda who: desk.invoices.draft_for_units(biller=condo, title="x", amount=cad(1), actor=who),
        ),
        ("invoices.edit", lambda who: desk.invoices.edit(made, title="x", actor=who)),
        ("invoices.publish", lambda who: desk.invoices.publish(made, actor=who)),
        ("invoices.publish_all", lambda who: desk.invoices.publish_all(biller=condo, actor=who)),
        ("invoices.void", lambda who: desk.invoices.void(made, actor=who)),
    ]
    for action, call in calls:
        with pytest.raises(Refused) as refused:
            call("clerk")
        assert (refused.value.action, refused.value.actor) == (action, "clerk")
        assert str(refused.value) == f"{action} refused for clerk: only the treasurer may; act as somebody who may"
    assert everything(store_of(billing), condo) == before
    assert roles.heard == []
    assert ("invoices.publish", "clerk", made.id) in roles.asked
    for _, call in calls:
        call("treasurer")
    assert ("voided", "treasurer") in roles.heard
    steps = [(step.action, step.actor) for step in billing.invoices.timeline(made)]
    assert steps == [("drafted", "ann"), *[(word, "treasurer") for word in ("edited", "published", "voided")]]
