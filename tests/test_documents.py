"""Documents in words: invoices and receipts, the same on whatever day they are asked for (S11, S1, S2, R12, C7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON
from desks import BASE, Drawer, money, store_of, wired
from invoicecore import Billing, InvoiceMethod, Item
from invoicecore.collection import Collection, CollectionState, MethodState, SavedMethod
from invoicecore.documents import Paper, Sheet, SheetKind
from invoicecore.documents.words import filename_of, plain, plain_lines
from invoicecore.errors import NotFound
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod
from invoicecore.taxes import TaxRate
from invoicecore.testing import FixedClock

TODAY = date(2026, 3, 2)


def issued(billing: Billing, biller: Biller, who: Customer | None, amount: str = "100", **given: Any) -> Invoice:
    on = given.pop("on", None)
    given = {"title": "Stay", "customer": who, "amount": money(amount, biller.currency), **given}
    if "lines" in given:
        del given["amount"]
    return billing.invoices.publish(billing.invoices.draft(biller=biller, **given), notify=False, on=on)


def spaces(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def figures(sheet: Sheet) -> list[tuple[str, str]]:
    return [(spaces(figure.label), spaces(figure.value)) for figure in sheet.figures]


def facts(sheet: Sheet) -> dict[str, str]:
    return {fact.label: spaces(fact.value) for fact in sheet.facts}


def rows(sheet: Sheet) -> list[tuple[str, ...]]:
    return [tuple(map(spaces, row)) for group in sheet.tables[0].groups for row in group.rows]


def words(sheet: object) -> list[str]:
    """Every text of a sheet, however deep."""
    if isinstance(sheet, str):
        return [sheet]
    if isinstance(sheet, tuple):
        return [word for each in sheet for word in words(each)]
    if attrs.has(type(sheet)):
        fields = attrs.fields(type(sheet))  # type: ignore[arg-type]  # has() has just said so
        return [word for field in fields for word in words(getattr(sheet, field.name))]
    return []


# --- what an invoice says ---------------------------------------------------------------------------------------------


@pytest.mark.rule("S11", "R12")
@pytest.mark.parametrize(
    "locale, expected",
    [
        ("fr_FR", ("Facture", "Numéro", "Échéance", "20/03/2026", "1 234,50 €", "fr-FR", Paper.A4)),
        ("en_GB", ("Invoice", "Number", "Due date", "20/03/2026", "€1,234.50", "en-GB", Paper.A4)),
        ("en_US", ("Invoice", "Number", "Due date", "03/20/2026", "€1,234.50", "en-US", Paper.LETTER)),
        ("fr_CA", ("Facture", "Numéro", "Échéance", "2026-03-20", "1 234,50 €", "fr-CA", Paper.LETTER)),
        ("en_CA", ("Invoice", "Number", "Due date", "2026-03-20", "€1,234.50", "en-CA", Paper.LETTER)),
    ],
)
def test_an_invoice_is_in_the_payers_language_with_its_dates_amounts_and_paper(
    billing: Billing, park: Biller, locale: str, expected: tuple[Any, ...]
) -> None:
    who = billing.customers.add(
        biller=park, name="A", email="a@example.com", locale=locale, address="1 Rue\n75001 Paris"
    )
    invoice = issued(billing, park, who, "1234.50", due=date(2026, 3, 20), description="For\nthe pitch")
    sheet = billing.invoices.sheet(invoice)
    heading, number, due, day, amount, language, paper = expected
    assert (sheet.kind, sheet.heading, sheet.reference, sheet.language, sheet.paper, sheet.locale) == (
        SheetKind.INVOICE, heading, "INV-000001", language, paper, locale,
    )  # fmt: skip
    assert facts(sheet)[number] == "INV-000001"
    assert (
        next(value for label, value in facts(sheet).items() if ("ch" in label and value == day) or label == due) == day
    )
    assert figures(sheet)[0][1] == amount
    assert sheet.dated == TODAY
    assert sheet.customer is not None
    assert (sheet.customer.name, sheet.customer.lines) == ("A", ("1 Rue", "75001 Paris", "a@example.com"))
    assert (sheet.subject, sheet.description) == ("Stay", "For\nthe pitch")
    assert sheet.pay is not None
    assert sheet.pay.url == billing.payments.link(invoice)
    assert heading in sheet.filename
    assert sheet.marks == ()
    assert "{page}" in sheet.page
    assert "{pages}" in sheet.page


@pytest.mark.rule("S11", "D1")
def test_a_document_is_the_same_on_any_day(billing: Billing, clock: FixedClock, park: Biller, guest: Customer) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="D", amount=money(1), due=TODAY + timedelta(3))
    invoice = issued(billing, park, guest, due=TODAY + timedelta(days=3))
    payment = billing.payments.record(invoice, money(40))
    before = [billing.invoices.pdf(each) for each in (draft, invoice)], billing.payments.receipt_pdf(payment)
    clock.advance(timedelta(days=500))
    assert billing.invoices.get(invoice).status_on(billing.today(park)).value == "overdue"
    assert ([billing.invoices.pdf(each) for each in (draft, invoice)], billing.payments.receipt_pdf(payment)) == before


@pytest.mark.rule("R19", "S11")
def test_later_changes_of_the_payer_do_not_change_what_was_published(
    billing: Billing, condo: Biller, resident: Customer
) -> None:
    invoice = issued(billing, condo, None, unit="1")
    before = billing.invoices.pdf(invoice)
    billing.customers.edit(resident, name="Someone Else", email="else@example.com", locale="fr_CA")
    billing.units.assign("1", billing.customers.add(biller=condo, name="Next"), biller=condo)
    assert billing.invoices.pdf(invoice) == before
    assert facts(billing.invoices.sheet(invoice))["Unit"] == "1"


@pytest.mark.rule("S11", "S6", "R13")
def test_drafts_void_and_late_ones_are_marked(billing: Billing, park: Biller, guest: Customer) -> None:
    def marks(invoice: Invoice) -> list[tuple[str, str]]:
        return [(mark.code, mark.label) for mark in billing.invoices.sheet(invoice).marks]

    draft = billing.invoices.draft(biller=park, customer=guest, title="D", amount=money(1))
    assert marks(draft) == [("draft", "Brouillon")]
    sheet = billing.invoices.sheet(draft)
    assert (sheet.pay, sheet.customer.name if sheet.customer else "") == (None, "Alice Martin")
    assert BASE not in repr(sheet)
    void = billing.invoices.void(issued(billing, park, guest))
    assert [code for code, _ in marks(void)] == ["void"]
    sheet = billing.invoices.sheet(void)
    assert sheet.pay is None
    assert [label for label, _ in figures(sheet)] == ["Total"], "nothing is asked for"
    assert any("02/03/2026" in fact.value for fact in sheet.facts)
    billing.leases.add(biller=park, customer=guest, rent=money(620), starts=TODAY)
    [late] = billing.run(biller=park).invoices
    assert marks(late) == [("late", "Émise tardivement")]
    sheet = billing.invoices.sheet(late)
    assert sheet.pay is not None
    assert "01/03/2026" not in sheet.pay.text, "nobody is asked to pay by a day that was gone"


@pytest.mark.rule("S2", "M3", "M6")
def test_a_lease_invoice_says_what_it_covers(billing: Billing, park: Biller, guest: Customer) -> None:
    lease = billing.leases.add(
        biller=park, customer=guest, unit="12", rent=money(620), starts=date(2026, 3, 10), anchor_day=1
    )
    [invoice] = billing.run(biller=park, on=date(2026, 3, 9)).invoices
    assert invoice.lease == lease.id
    sheet = billing.invoices.sheet(invoice)
    [(said, *_, amount)] = rows(sheet)
    assert said.split("\n") == ["Loyer - Mensuel (au prorata)", "10/03/2026 - 31/03/2026", "22 jours sur 31"]
    assert amount == "440,00 €"
    assert "10/03/2026 - 31/03/2026" in facts(sheet).values()
    assert "12" in facts(sheet).values()


def mandate(billing: Billing, who: Customer) -> SavedMethod:
    """A mandate of the customer that may be debited."""
    saved = SavedMethod(
        id=f"{who.biller}_met_1", biller=who.biller, customer=who.id, gateway="memory", kind=PaymentMethod.DIRECT_DEBIT,
        made_at=NOON, state=MethodState.ACTIVE, reference="MD1", label="BNP •••• 3456",
    )  # fmt: skip
    with store_of(billing).writing() as tx:
        tx.add([saved])
    return saved


def by_debit(billing: Billing, who: Customer) -> Invoice:
    """The invoice of a lease by Direct Debit, made a few days before it is due."""
    billing.leases.add(customer=who, rent=money(620), starts=date(2026, 3, 7), method=InvoiceMethod.DIRECT_DEBIT)
    [invoice] = billing.run(biller=who.biller, on=TODAY).invoices
    return billing.invoices.get(invoice)


@pytest.mark.rule("S9", "C6")
def test_who_is_debited_is_told_so_and_is_not_asked_to_pay_as_well(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    mandate(billing, guest)
    invoice = by_debit(billing, guest)
    sheet = billing.invoices.sheet(invoice)
    assert sheet.pay is not None
    assert (spaces(sheet.pay.text), sheet.pay.url) == (
        "620,00 € seront prélevés automatiquement ; vous n'avez rien à faire.", None,
    )  # fmt: skip


@pytest.mark.rule("S9", "D3")
@pytest.mark.parametrize(
    "state, again, debited",
    [
        ("reserved", False, True), ("pending", False, True), ("failed", True, True), ("failed", False, False),
        ("cancelled", False, False), ("succeeded", False, False), (None, False, False),
    ],
)  # fmt: skip
def test_nobody_is_told_to_wait_for_a_debit_that_does_not_come(
    billing: Billing, park: Biller, guest: Customer, state: str | None, again: bool, debited: bool
) -> None:
    invoice = by_debit(billing, guest)  # there is nothing to debit
    if state is not None:
        made = Collection(
            id=f"{park.id}_col_1", biller=park.id, invoice=invoice.id, customer=guest.id, gateway="memory",
            kind=PaymentMethod.DIRECT_DEBIT, amount=invoice.total, collected=money(0), made_at=NOON,
            state=CollectionState(state), next_try_at=NOON if again else None,
        )  # fmt: skip
        with store_of(billing).writing() as tx:
            tx.add([made])
    sheet = billing.invoices.sheet(invoice)
    assert sheet.pay is not None
    assert ("prélevés" in sheet.pay.text, sheet.pay.url is None) == (debited, debited)


@pytest.mark.rule("S1", "M5")
def test_a_group_invoice_has_a_breakdown_whose_subtotals_add_up(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    group = billing.groups.add(biller=park, name="Cyclists", organiser=guest)
    for unit, price in (("3", "20.35"), ("4", "17.10"), ("10", "9.99")):
        billing.bookings.add(
            biller=park, customer=guest, unit=unit, group=group, arrives=date(2026, 5, 1), departs=date(2026, 5, 4),
            items=[Item(description="Pitch", unit_price=money(price), quantity=Decimal(3)), Item(description="Pet", unit_price=money(2))],
        )  # fmt: skip
    [draft] = billing.invoices.draft_group(group)
    sheet = billing.invoices.sheet(draft)
    groups = sheet.tables[0].groups
    assert [each.heading for each in groups] == ["Emplacement 3", "Emplacement 4", "Emplacement 10"]

    def amount(text: str) -> Decimal:
        return Decimal(re.sub(r"[^\d,-]", "", text).replace(",", "."))

    for each in groups:
        assert each.subtotal is not None
        assert sum(amount(row[-1]) for row in each.rows) == amount(each.subtotal.value)
    assert sum(amount(each.subtotal.value) for each in groups if each.subtotal) == draft.total.amount
    assert amount(figures(sheet)[0][1]) == draft.total.amount
    assert {len(row) for row in rows(sheet)} == {len(sheet.tables[0].columns)} == {4}, "quantities and prices are told"


@pytest.mark.rule("M7")
@pytest.mark.parametrize(
    "included, expected",
    [
        (False, [("Total hors taxes", "110,00 €"), ("TVA 20 % sur 100,00 €", "20,00 €"),
                 ("Séjour 5,5 % sur 10,00 €", "0,55 €"), ("Total", "130,55 €"), ("Solde à payer", "130,55 €")]),
        (True, [("Total", "110,00 €"), ("dont TVA 20 % sur 83,33 €", "16,67 €"),
                ("dont Séjour 5,5 % sur 9,48 €", "0,52 €"), ("Total hors taxes", "92,81 €"), ("Solde à payer", "110,00 €")]),
    ],
    ids=["added", "included"],
)  # fmt: skip
def test_taxes_are_told_per_rate_added_or_included(
    billing: Billing, park: Biller, guest: Customer, included: bool, expected: list[tuple[str, str]]
) -> None:
    items = [
        Item(description="Pitch", unit_price=money(100), taxes=(TaxRate(name="TVA 20 %", percent=Decimal(20)),)),
        Item(description="Bread", unit_price=money(10), taxes=(TaxRate(name="Séjour", percent=Decimal("5.5")),)),
    ]
    invoice = issued(billing, park, guest, lines=items, prices_include_tax=included)
    sheet = billing.invoices.sheet(invoice)
    assert figures(sheet) == expected
    assert [row[1] for row in rows(sheet)] == ["TVA 20 %", "Séjour 5,5 %"]


@pytest.mark.rule("S11", "D2", "C8", "S12")
def test_an_invoice_tells_what_was_paid_and_what_is_left(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    bounced = billing.payments.record(invoice, money(10), method="cheque")
    billing.payments.reverse(bounced)
    billing.payments.record(invoice, money(30), method="cash", received_on=TODAY)
    billing.credits.deposit(guest, money(20))
    billing.credits.apply(invoice)
    sheet = billing.invoices.sheet(invoice)
    assert figures(sheet) == [
        ("Total", "100,00 €"),
        ("Paiement du 02/03/2026 (Espèces)", "-30,00 €"),
        ("Crédit appliqué", "-20,00 €"),
        ("Solde à payer", "50,00 €"),
    ]
    assert sheet.pay is not None
    assert "50,00" in sheet.pay.text
    billing.payments.record(invoice)
    sheet = billing.invoices.sheet(invoice)
    assert (figures(sheet)[-1], sheet.pay, sheet.notes) == (("Solde à payer", "0,00 €"), None, ("Plus rien à payer",))
    billing.payments.refund(invoice, money(15))
    billing.payments.refund(invoice, money(5), to="credit")
    notes = [spaces(note) for note in billing.invoices.sheet(invoice).notes]
    assert notes[:2] == ["15,00 € remboursés le 02/03/2026.", "5,00 € rendus sous forme de crédit le 02/03/2026."]


@pytest.mark.rule("R1", "R12")
def test_without_payments_or_pages_there_is_no_link_on_it(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest)
    sheet = wired(billing, base_url=None).invoices.sheet(invoice)
    assert sheet.pay is not None
    assert (sheet.pay.url, sheet.pay.alternative) == (None, "")
    assert "INV-000001" in sheet.pay.text
    billing.billers.edit(park, payments=False)
    assert BASE not in repr(billing.invoices.sheet(invoice))


@pytest.mark.rule("M11")
@pytest.mark.parametrize("currency, amount, shown", [("JPY", "1500", "¥1,500"), ("KWD", "1.250", "KWD 1.250")])
def test_amounts_have_the_decimals_of_their_currency(billing: Billing, currency: str, amount: str, shown: str) -> None:
    shop = billing.billers.add(name="S", currency=currency, timezone="UTC", locale="en_US", preset="clients")
    invoice = issued(billing, shop, billing.customers.add(biller=shop, name="C"), amount)
    assert figures(billing.invoices.sheet(invoice))[0] == ("Total", shown)


@pytest.mark.rule("T1")
def test_the_documents_of_another_biller_are_not_found(
    billing: Billing, park: Biller, condo: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    payment = billing.payments.record(invoice)
    desk = billing.scoped(condo)
    calls: list[Callable[[], object]] = [
        lambda: desk.invoices.pdf(invoice),
        lambda: desk.invoices.sheet(invoice.id),
        lambda: desk.payments.receipt(payment),
        lambda: desk.payments.receipt_pdf(payment.id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


# --- what people entered is data --------------------------------------------------------------------------------------

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
HOSTILE = {
    "direction": f"Pay {TURNING}001",
    "a line break": "Alice\r\nBcc: x@y.example",
    "other breaks": "a\u2028b\u2029c\x85d\x0be",
    "NUL and escape": "a\0b\x1b[31mc\x7f",
    "half a character": "a\ud800b",
    "braces": "{0} {page} {amount!r} %s",
    "markup": "<script>alert(1)</script> #eval(1) $x$ \\n",
}


@pytest.mark.rule("S11")
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_text_in_stored_values_is_neutral_on_every_document(
    billing: Billing, park: Biller, guest: Customer, hostile: str
) -> None:
    """As if written by another version, or by hand into the database: past every check at the door."""
    if not hostile.isascii() and "\ud800" in hostile and "sqlite" in repr(store_of(billing)).lower():
        pytest.skip("a database of UTF-8 cannot hold it")
    unit = billing.units.add(biller=park, number="7", resident=guest)
    invoice = issued(billing, park, guest, unit="7")
    payment = billing.payments.record(invoice, money(40))
    billing.payments.refund(invoice, money(5))
    try:
        with store_of(billing).writing() as tx:
            [one] = tx.get(Invoice, park.id, [invoice.id]).values()
            who = attrs.evolve(one.bill_to, name=hostile, address=hostile)  # type: ignore[type-var]  # it was published
            [line] = one.lines
            tx.replace([
                attrs.evolve(one, title=hostile, description=hostile, bill_to=who, lines=(attrs.evolve(line, description=hostile),)),
                attrs.evolve(billing.billers.get(park), name=hostile, address=hostile),
                attrs.evolve(unit, number=hostile),
            ])  # fmt: skip
    except Exception:  # this store cannot hold it, which is as good
        return
    sheets = [billing.invoices.sheet(invoice), billing.payments.receipt(payment)]
    for sheet in sheets:
        for word in words(sheet):
            assert not set(word) & set(TURNING), word
            assert not any(
                c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000) for c in word
            )
            assert "\u2028" not in word
            assert "\u2029" not in word
        for word in (sheet.title, sheet.subject, sheet.reference, sheet.filename, sheet.issuer.name):
            assert "\n" not in word
        assert re.fullmatch(r"[A-Za-z0-9._-]+", sheet.filename)
        assert plain(hostile) in repr(words(sheet)) or plain(hostile) in " ".join(words(sheet))


@pytest.mark.rule("S11")
@given(st.text(max_size=60))
def test_plain_text_is_one_line_without_controls_and_stays_what_it_is(text: str) -> None:
    once = plain(text)
    assert plain(once) == once
    assert "\n" not in once
    assert "  " not in once
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in once)
    assert not set(once) & set(TURNING)
    for line in plain_lines(text):
        assert line == plain(line) != ""


@pytest.mark.rule("S11")
@given(st.lists(st.text(max_size=80), max_size=4))
def test_a_file_name_is_safe_everywhere(parts: list[str]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]([A-Za-z0-9._-]{0,98}[A-Za-z0-9._-])?", filename_of(*parts))


# --- receipts ---------------------------------------------------------------------------------------------------------


def lease_invoice(billing: Billing, biller: Biller, who: Customer, **given: Any) -> Invoice:
    billing.leases.add(biller=biller, customer=who, unit="12", rent=money(620), starts=date(2026, 3, 1), **given)
    [invoice] = billing.run(biller=biller).invoices
    return invoice


def pay_in_full(billing: Billing, invoice: Invoice) -> object:
    return billing.payments.record(invoice)


def pay_in_part(billing: Billing, invoice: Invoice) -> object:
    return billing.payments.record(invoice, money(600))


def pay_and_refund(billing: Billing, invoice: Invoice) -> object:
    payment = billing.payments.record(invoice)
    billing.payments.refund(invoice, money(1))
    return payment


def pay_and_bounce(billing: Billing, invoice: Invoice) -> object:
    payment = billing.payments.record(invoice)
    billing.payments.reverse(payment)
    return payment


@pytest.mark.rule("C7", "S11", "D2")
@pytest.mark.parametrize(
    "locale, kind, pay, heading",
    [
        ("fr_FR", "lease", pay_in_full, "Quittance de loyer"),
        ("fr_FR", "lease", pay_in_part, "Reçu"),
        ("fr_FR", "lease", pay_and_refund, "Reçu"),
        ("fr_FR", "lease", pay_and_bounce, "Reçu"),
        ("fr_FR", "one-time", pay_in_full, "Reçu"),
        ("fr_CA", "lease", pay_in_full, "Reçu"),
        ("en_GB", "lease", pay_in_full, "Receipt"),
    ],
)
def test_a_quittance_is_for_french_rent_paid_in_full_and_kept(
    billing: Billing, locale: str, kind: str, pay: Any, heading: str
) -> None:
    park = billing.billers.add(name="P", currency="EUR", timezone="Europe/Paris", locale=locale, preset="stays")
    who = billing.customers.add(biller=park, name="A")
    invoice = lease_invoice(billing, park, who) if kind == "lease" else issued(billing, park, who, "620")
    sheet = billing.payments.receipt(pay(billing, invoice))
    assert (sheet.kind, sheet.heading) == (SheetKind.RECEIPT, heading)
    assert any("quittance" in note for note in sheet.notes) == (heading == "Quittance de loyer")
    assert [mark.code for mark in sheet.marks] == (["reversed"] if pay is pay_and_bounce else [])


@pytest.mark.rule("C7")
def test_a_quittance_is_in_the_tenants_language_and_under_the_landlords_law(billing: Billing, park: Biller) -> None:
    abroad = billing.customers.add(biller=park, name="A", locale="en_GB")
    assert (
        billing.payments.receipt(billing.payments.record(lease_invoice(billing, park, abroad))).heading
        == "Rent receipt"
    )


@pytest.mark.rule("C7")
def test_the_receipt_of_a_part_stays_one_when_the_rest_is_paid(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = lease_invoice(billing, park, guest)
    first, second = (billing.payments.record(invoice, money(part)) for part in ("100", "520"))
    assert billing.payments.receipt(first).heading == "Reçu"
    assert billing.payments.receipt(second).heading == "Quittance de loyer"


@pytest.mark.rule("C7")
@pytest.mark.parametrize("parts", [("600", "20"), ("620",), ("700",)], ids=["in parts", "in one", "and more"])
def test_a_quittance_is_of_the_whole_rent_and_of_nothing_else(
    billing: Billing, park: Biller, guest: Customer, parts: tuple[str, ...]
) -> None:
    invoice = lease_invoice(billing, park, guest)
    for part in parts:
        payment = billing.payments.record(invoice, money(part), rest="credit")
    sheet = billing.payments.receipt(payment)
    assert sheet.heading == "Quittance de loyer"
    assert "la somme de 620,00 €" in spaces(sheet.notes[0])


@pytest.mark.rule("C7", "P5")
def test_a_quittance_is_of_the_rent_that_a_credit_note_left(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = lease_invoice(billing, park, guest)
    billing.credit_notes.issue(invoice, amount=money(120))
    sheet = billing.payments.receipt(billing.payments.record(invoice))
    assert sheet.heading == "Quittance de loyer"
    assert "la somme de 500,00 €" in spaces(sheet.notes[0])


@pytest.mark.rule("D3")
def test_a_payment_that_was_restored_stands_on_its_invoice_and_receipt_again(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    payment = billing.payments.record(invoice, money(40))
    reversal = billing.payments.reverse(payment)
    before = [label for label, _ in figures(billing.invoices.sheet(invoice))]
    assert billing.payments.receipt(payment).marks != ()
    with store_of(billing).writing() as tx:
        tx.replace([attrs.evolve(reversal, cancelled_on=TODAY)])
    after = [label for label, _ in figures(billing.invoices.sheet(invoice))]
    assert [label for label in after if label not in before] == ["Paiement du 02/03/2026 (Virement bancaire)"]
    assert billing.payments.receipt(payment).marks == ()


@pytest.mark.rule("C7")
def test_a_receipt_over_several_invoices_tells_what_each_got_and_what_is_left(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    invoices = [issued(billing, park, guest, amount) for amount in ("100", "50", "80")]
    payment = billing.payments.record(invoices, money(170), reference="CHQ 7", method="cheque")
    sheet = billing.payments.receipt(payment)
    assert [(row[1], row[2]) for row in rows(sheet)] == [
        ("100,00 €", "100,00 €"), ("50,00 €", "50,00 €"), ("80,00 €", "20,00 €"),
    ]  # fmt: skip
    assert sheet.reference == "INV-000001, INV-000002, INV-000003"
    assert figures(sheet)[0][1] == "170,00 €"
    assert "CHQ 7" in facts(sheet).values()
    [left] = sheet.notes
    assert "60,00" in left
    assert "INV-000003" in left


@pytest.mark.rule("C7", "C8")
def test_a_receipt_tells_what_became_credit(billing: Billing, park: Biller, guest: Customer) -> None:
    payment = billing.payments.record(issued(billing, park, guest), money(130), rest="credit")
    assert [value for _, value in figures(billing.payments.receipt(payment))] == ["130,00 €", "30,00 €"]
    assert billing.payments.receipt_pdf(payment) == Drawer().render(billing.payments.receipt(payment))


@pytest.mark.rule("C7", "S12")
def test_a_receipt_is_frozen_to_who_paid_then(billing: Billing, park: Biller, guest: Customer) -> None:
    payment = billing.payments.record(issued(billing, park, guest))
    before = billing.payments.receipt_pdf(payment)
    billing.customers.edit(guest, name="Someone Else", locale="en_GB")
    assert billing.payments.receipt_pdf(payment) == before
