"""Loading a business's files: what is read, what is refused and how it is named, and what loading twice does."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from invoicecore import Billing, InvoiceMethod, Money, Plugins
from invoicecore.errors import BadFile
from invoicecore.periods import Frequency
from invoicecore_adapters.cli.documents import judged, read
from invoicecore_adapters.cli.loading import Heard, LoadReport, load, rehearsal
from invoicecore_adapters.cli.rows import (
    SECTIONS,
    AssessmentRow,
    BillerRow,
    BookingRow,
    ChargeRow,
    CustomerRow,
    LeaseRow,
    UnitRow,
)

EXAMPLES = Path(__file__).parents[1] / "examples"
FIRST = date(2026, 1, 1)

PINES: dict[str, object] = {
    "ref": "pins",
    "name": "Les Pins",
    "currency": "EUR",
    "timezone": "Europe/Paris",
    "locale": "fr_FR",
    "preset": "stays",
}
TENANT: dict[str, object] = {"ref": "C-1", "name": "Ana Lima", "email": "ana@example.org"}
LEASE: dict[str, object] = {
    "ref": "L-1",
    "customer": "C-1",
    "unit": "12",
    "rent": "620.00",
    "frequency": "monthly",
    "starts": "2026-04-10",
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A JSON file of these sections."""

    def write(**sections: object) -> Path:
        path = tmp_path / "data.json"
        path.write_text(json.dumps({"billers": [PINES], "customers": [TENANT], **sections}), "utf-8")
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder of CSV files with these texts."""

    def write(encoding: str = "utf-8", **sheets: str) -> Path:
        place = tmp_path / "sheets"
        place.mkdir(exist_ok=True)
        billers = "ref,name,currency,timezone,locale,preset\npins,Les Pins,EUR,Europe/Paris,fr_FR,stays\n"
        for name, text in {"billers": billers, **sheets}.items():
            (place / f"{name}.csv").write_bytes(text.encode(encoding))
        return place

    return write


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'rent.db'}"


@pytest.fixture
def desk(url: str) -> Iterator[Billing]:
    with Billing.open(url) as billing:
        yield billing


def loaded(path: Path, url: str, **more: object) -> LoadReport:
    def into(heard: Heard) -> Billing:
        return Billing.open(url, plugins=Plugins.discover(heard))

    return load(path, into, rehearsal, **{"on": FIRST, **more})  # type: ignore[arg-type]  # passed through


def faults(path: Path) -> list[tuple[str, object, str]]:
    with pytest.raises(BadFile) as caught:
        load(path, lambda heard: pytest.fail("nothing may be written"), rehearsal, on=FIRST)
    return list(caught.value.faults)


def paths(path: Path) -> list[str]:
    return [where for where, _, _ in faults(path)]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_a_json_file_holds_every_section(written: Callable[..., Path]) -> None:
    path = written(
        units=[{"number": "12", "resident": "C-1", "share": "12.5"}],
        leases=[LEASE],
        charges=[{"ref": "X", "customer": "C-1", "description": "Clé", "amount": "12.00", "on": "2026-04-01"}],
        groups=[{"ref": "G", "name": "Scouts", "organiser": "C-1"}],
        bookings=[
            {
                "ref": "B",
                "customer": "C-1",
                "unit": "A4",
                "group": "G",
                "arrives": "2026-07-01",
                "departs": "2026-07-05",
                "items": [{"description": "Nuit", "unit_price": "20.00", "quantity": "4"}],
            }
        ],
        assessments=[{"ref": "A", "title": "Toiture", "due": "2026-05-01", "total": "100.00"}],
    )
    document = read(path)
    assert [placed.section for placed in document.rows] == list(SECTIONS)
    (lease,) = document.of(LeaseRow)
    assert (lease.rent, lease.frequency, lease.method) == (
        Decimal("620.00"),
        Frequency.MONTHLY,
        InvoiceMethod.EMAIL_PDF,
    )
    assert {document.biller_of(placed.row) for placed in document.rows} == {"pins"}


@pytest.mark.parametrize("bom", ["", "\N{ZERO WIDTH NO-BREAK SPACE}"])
@pytest.mark.parametrize("comma", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_spreadsheets_export_is_read_whatever_its_commas_and_line_ends(
    folder: Callable[..., Path], bom: str, comma: str, end: str
) -> None:
    lines = ["", "ref;name;Courriel ", "", 'C-1;"Lima; Ana";ana@example.org', " ; ; ", "C-2;Žofie;", ""]
    cells = [next(csv.reader([line], delimiter=";"), []) for line in lines]
    text = bom + end.join(comma.join(f'"{c}"' if comma in c else c for c in line) for line in cells)
    first, second = read(folder(customers=text)).of(CustomerRow)
    assert (first.name, first.email) == ("Lima; Ana", "ana@example.org")
    assert (second.name, second.email) == ("Žofie", None)


def test_headers_are_read_in_any_case_in_french_and_with_accents(folder: Callable[..., Path]) -> None:
    place = folder(
        customers="RÉFÉRENCE;Nom;E-mail\nC-1;Ana;ana@example.org\n",
        units="Unité;Résident;Quote-part\n12;C-1;38,40\n",
        leases="Référence;Locataire;Emplacement;Loyer;Fréquence;Début;Fin;Mode;Anchor Day\n"
        "L-1;C-1;12;1 620,50;Mensuel;10/04/2026;15/09/2026;Prélèvement automatique;1\n",
    )
    document = read(place)
    (unit,), (lease,) = document.of(UnitRow), document.of(LeaseRow)
    assert unit == UnitRow(number="12", resident="C-1", share=Decimal("38.40"))
    assert (lease.rent, lease.starts, lease.ends) == (Decimal("1620.50"), date(2026, 4, 10), date(2026, 9, 15))
    assert (lease.method, lease.anchor_day) == (InvoiceMethod.DIRECT_DEBIT, 1)


@pytest.mark.parametrize(
    "cell, amount",
    [
        ("620", "620"),
        ("620,00", "620.00"),
        ("620.00", "620.00"),
        ("1 620,50", "1620.50"),
        ("1\N{NO-BREAK SPACE}620,50", "1620.50"),
        ("1\N{NARROW NO-BREAK SPACE}620,50", "1620.50"),
        ("-12,00", "-12.00"),
    ],
)
def test_a_sheet_apart_by_semicolons_may_write_a_decimal_comma(
    folder: Callable[..., Path], cell: str, amount: str
) -> None:
    place = folder(
        customers="ref;name\nC-1;Ana\n", charges=f"ref;customer;description;amount;on\nX;C-1;Clé;{cell};2026-04-01\n"
    )
    (charge,) = read(place).of(ChargeRow)
    assert str(charge.amount) == amount


@pytest.mark.parametrize("cell", ["1.620,50", "620,00 €", "1,620", "12,3,4", "NaN", "1e3", "٦٢٠", "--1", "12 €"])
def test_an_amount_that_could_be_read_in_two_ways_is_refused(folder: Callable[..., Path], cell: str) -> None:
    comma = "," if cell == "1,620" else ";"
    head = comma.join(["ref", "customer", "description", "amount", "on"])
    row = comma.join(["X", "C-1", "Key", f'"{cell}"', "2026-04-01"])
    place = folder(customers="ref;name\nC-1;Ana\n", charges=f"{head}\n{row}\n")
    ((where, value, reason),) = faults(place)
    assert (where, value) == ("charges.csv:2 amount", cell)
    assert "is not a number; write" in reason


def test_dates_follow_the_billers_pattern_and_only_while_all_billers_share_one(folder: Callable[..., Path]) -> None:
    customers = "biller,ref,name\npins,C-1,Ana\n"
    charges = "ref,customer,description,amount,on\nX,C-1,Key,1.00,2/4/2026\n"
    (charge,) = read(folder(customers=customers, charges=charges)).of(ChargeRow)
    assert charge.on == date(2026, 4, 2)
    two = (
        "ref,name,currency,timezone,locale\n"
        "pins,Les Pins,EUR,Europe/Paris,fr_FR\noaks,Oaks,USD,America/New_York,en_US\n"
    )
    ((where, value, reason),) = faults(folder(billers=two, customers=customers, charges=charges))
    assert (where, value) == ("charges.csv:2 on", "2/4/2026")
    assert reason == "is not a date; write yyyy-MM-dd"


def test_taxes_of_a_cell_are_named_rates(folder: Callable[..., Path]) -> None:
    place = folder(
        customers="ref;name\nC-1;Ana\n",
        charges="ref;customer;description;amount;on;taxes\nX;C-1;Clé;1,00;2026-04-01;TPS 5 % + TVQ 9,975 %\n"
        "Y;C-1;Clé;1,00;2026-04-01;TVA 20 S\n",
    )
    first, second = read(place).of(ChargeRow)
    assert [(tax.name, tax.percent) for tax in first.taxes] == [("TPS", 5), ("TVQ", Decimal("9.975"))]
    assert second.taxes[0].category == "S"


def test_items_of_bookings_come_from_their_own_sheet(folder: Callable[..., Path]) -> None:
    place = folder(
        customers="ref,name\nC-1,Ana\n",
        bookings="ref,customer,site,arrives,departs\nB,C-1,A4,2026-07-01,2026-07-05\n",
        booking_items="booking,description,price,quantity\nB,Night,20.00,4\nB,Dog,2.50,4\n",
    )
    (booking,) = read(place).of(BookingRow)
    assert [(item.description, item.unit_price) for item in booking.items] == [
        ("Night", Decimal("20.00")),
        ("Dog", Decimal("2.50")),
    ]


def test_a_policy_is_changed_field_by_field_in_both_formats(
    folder: Callable[..., Path], written: Callable[..., Path]
) -> None:
    sheet = (
        "ref,name,currency,timezone,locale,preset,policy.terms_days,policy.apply_credit\n"
        "pins,Les Pins,EUR,Europe/Paris,fr_FR,clients,15,oui\n"
    )
    (biller,) = read(folder(billers=sheet)).of(BillerRow)
    assert biller.policy == {"terms_days": 15, "apply_credit": True}
    (again,) = read(written(billers=[{**PINES, "policy": {"terms_days": 15}}])).of(BillerRow)
    assert again.policy == {"terms_days": 15}


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.rule("M8")
def test_every_fault_of_a_json_file_is_named_with_its_path_value_and_reason(written: Callable[..., Path]) -> None:
    path = written(
        billers=[{**PINES, "currency": "EURO", "timezone": "Paris", "policy": {"terms_days": -1, "colour": "red"}}],
        customers=[{**TENANT, "email": "no address"}, {"ref": "C-1", "name": " ", "billing_day": 40}, "Ana"],
        units=[{"number": "12"}, {"number": "12", "share": "-1"}],
        leases=[
            {**LEASE, "rent": 620.0},
            {**LEASE, "ref": "L-2", "frequency": "daily", "starts": "2026-02-30", "pets": 2},
            {**LEASE, "ref": "L-3", "ends": "2026-01-01", "anchor_day": 32},
        ],
        pitches=[],
    )
    assert paths(path) == [
        "pitches",
        "billers[0].currency",
        "billers[0].timezone",
        "billers[0].policy.colour",
        "customers[0].email",
        "customers[1].name",
        "customers[1].billing_day",
        "customers[2]",
        "units[1].share",
        "leases[0].rent",
        "leases[1].frequency",
        "leases[1].starts",
        "leases[1].pets",
        "leases[2].anchor_day",
        "leases[2].ends",
        "customers[1].ref",
        "units[1].number",
    ]


def test_every_fault_of_a_folder_is_named_with_its_file_and_line(folder: Callable[..., Path]) -> None:
    place = folder(
        customers="ref,name,email,notify\nC-1,Ana,ana(at)example.org,maybe\n\nC-2,,,\n",
        leases="ref,customer,unit,rent,frequency,starts\nL-1,C-9,12,-5,monthly,soon\nL-2,C-1,13,1.005,sometimes,2026-04-01\n",
        charges="ref,customer,descripton,amount\n",
        pitches="number\n1\n",
    )
    found = faults(place)
    assert [(where, value) for where, value, _ in found] == [
        ("charges.csv:1", "descripton"),
        ("pitches.csv", None),
        ("customers.csv:2 notify", "maybe"),
        ("customers.csv:2 email", "ana(at)example.org"),
        ("customers.csv:4 name", None),
        ("leases.csv:2 starts", "soon"),
        ("leases.csv:3 frequency", "sometimes"),
        ("leases.csv:2 customer", "C-9"),
        ("leases.csv:2 rent", "-5"),
        ("leases.csv:3 rent", "1.005"),
    ]
    assert "known: amount, biller, customer" in found[0][2]


def test_a_line_break_in_a_cell_does_not_shift_the_lines_that_are_named(folder: Callable[..., Path]) -> None:
    place = folder(customers='ref,name,address\nC-1,Ana,"1 rue\nA\nB"\nC-2, ,\n')
    assert paths(place) == ["customers.csv:5 name"]


@pytest.mark.parametrize(
    "customers, where, reason",
    [
        ("ref,name,Name\nC-1,a,b\n", "customers.csv:1", "second column for name"),
        ("ref,name\nC-1,Ana,stray\n", "customers.csv:2", "column 3, which has no header"),
        ('ref,name\nC-1,"Ana" x\n', "customers.csv:2", "is not CSV"),
        ("ref,name\nC-1,Ana\0\n", "customers.csv:2", ""),
    ],
)
def test_a_sheet_that_is_not_in_order_is_refused_at_its_line(
    folder: Callable[..., Path], customers: str, where: str, reason: str
) -> None:
    found = faults(folder(customers=customers))
    assert found[0][0].startswith(where)
    assert reason in found[0][2]


def test_a_sheet_in_another_encoding_is_refused_with_the_way_out(folder: Callable[..., Path]) -> None:
    ((where, _, reason),) = faults(folder("latin-1", customers="ref,name\nC-1,Zoé\n"))
    assert where == "customers.csv:2"
    assert "save it as CSV UTF-8" in reason


@pytest.mark.parametrize(
    "sections, where, value",
    [
        ({"leases": [{**LEASE, "customer": "C-9"}]}, "leases[0].customer", "C-9"),
        ({"leases": [LEASE, LEASE]}, "leases[1].ref", "L-1"),
        ({"leases": [{**LEASE, "biller": "oaks"}]}, "leases[0].biller", "oaks"),
        ({"units": [{"number": "12", "resident": "C-9"}]}, "units[0].resident", "C-9"),
        ({"groups": [{"ref": "G", "name": "Scouts", "organiser": "C-9"}]}, "groups[0].organiser", "C-9"),
        ({"leases": [{**LEASE, "rent": "620.005"}]}, "leases[0].rent", Decimal("620.005")),
        ({"leases": [{**LEASE, "rent": "-1.00"}]}, "leases[0].rent", Decimal("-1.00")),
        ({"leases": [{**LEASE, "frequency": "weekly", "anchor_day": 3}]}, "leases[0].anchor_day", 3),
        ({"leases": [{**LEASE, "advance_days": 999}]}, "leases[0].advance_days", 999),
        (
            {"assessments": [{"ref": "A", "title": "T", "due": "2026-05-01", "total": "9.00", "units": ["7"]}]},
            "assessments[0].units",
            "7",
        ),
        (
            {
                "assessments": [{"ref": "A", "title": "T", "due": "2025-05-01", "total": "9.00"}],
                "units": [{"number": "1"}],
            },
            "assessments[0].due",
            date(2025, 5, 1),
        ),
        ({"assessments": [{"ref": "A", "title": "T", "due": "2026-05-01"}]}, "assessments[0].amount", None),
        ({"billers": []}, "customers[0].biller", None),
    ],
)
def test_what_refers_to_nothing_or_breaks_a_rule_of_the_desk_is_a_fault_of_its_row(
    written: Callable[..., Path], sections: dict[str, object], where: str, value: object
) -> None:
    ((at, found, reason),) = faults(written(**sections))
    assert (at, found) == (where, value)
    assert reason


def test_a_charge_while_payments_are_off_is_a_fault_before_anything_is_written(written: Callable[..., Path]) -> None:
    charge = {"ref": "X", "customer": "C-1", "description": "Key", "amount": "12.00", "on": "2026-04-01"}
    ((at, _, reason),) = faults(written(billers=[{**PINES, "payments": False}], charges=[charge]))
    assert at == "charges[0]"
    assert "payments are off" in reason


def test_a_row_of_two_billers_is_refused(written: Callable[..., Path]) -> None:
    oaks = {**PINES, "ref": "oaks", "name": "Oaks"}
    customers = [{**TENANT, "biller": "pins"}]
    assert paths(written(billers=[PINES, oaks], customers=customers, leases=[{**LEASE, "biller": "oaks"}])) == [
        "leases[0].customer"
    ]


def test_a_unit_without_a_share_among_those_that_have_one_is_refused(written: Callable[..., Path]) -> None:
    units = [{"number": "1", "share": "10"}, {"number": "2"}]
    rows = [{"ref": "A", "title": "T", "due": "2026-05-01", "total": "9.00"}]
    ((at, _, reason),) = faults(written(units=units, assessments=rows))
    assert at == "assessments[0].total"
    assert "2 without a share" in reason


@pytest.mark.parametrize("text", ["", "[]", "{", '{"billers": {}}', '{"billers": [], "billers": []}', "7"])
def test_a_file_that_is_no_document_is_a_bad_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text, "utf-8")
    assert faults(path)


def test_a_file_or_folder_that_is_not_there_or_empty_is_a_bad_file(tmp_path: Path) -> None:
    assert faults(tmp_path / "nothing.json")
    assert faults(tmp_path)


# --- what is written --------------------------------------------------------------------------------------------------


def test_a_load_is_written_through_the_desk(written: Callable[..., Path], url: str, desk: Billing) -> None:
    report = loaded(written(units=[{"number": "12", "resident": "C-1"}], leases=[LEASE]), url, actor="ana")
    assert report.counts["leases"]["created"] == 1
    assert not report.unwritten
    (biller,) = desk.billers.all()
    (lease,) = desk.leases.find(biller=biller)
    assert (biller.name, lease.rent, lease.starts) == ("Les Pins", Money("620.00", "EUR"), date(2026, 4, 10))
    assert desk.invoices.timeline(lease)[0].actor == "ana"


@pytest.mark.rule("N3")
@pytest.mark.parametrize("example", ["residents", "clients/practice.json", "stays/campground.json"])
def test_loading_twice_is_harmless(example: str, url: str) -> None:
    first, again = loaded(EXAMPLES / example, url), loaded(EXAMPLES / example, url)
    assert first.count("created") == len(first.items) > 20
    assert again.count("existing") == len(first.items)


def test_a_file_that_grew_adds_what_is_new(written: Callable[..., Path], url: str) -> None:
    loaded(written(leases=[LEASE]), url)
    report = loaded(written(leases=[LEASE, {**LEASE, "ref": "L-2", "unit": "13"}]), url)
    assert [(item.ref, item.what) for item in report.items if item.section == "leases"] == [
        ("L-1", "existing"),
        ("L-2", "created"),
    ]


def test_a_row_that_changed_under_its_ref_is_reported_and_left_as_it_was(
    written: Callable[..., Path], url: str, desk: Billing
) -> None:
    loaded(written(leases=[LEASE]), url)
    report = loaded(written(leases=[{**LEASE, "rent": "700.00"}]), url)
    (changed,) = report.unwritten
    assert (changed.where, changed.ref, changed.what) == ("leases[0]", "L-1", "changed")
    (lease,) = desk.leases.find(biller=desk.billers.all()[0])
    assert lease.rent == Money("620.00", "EUR")


def test_what_hangs_on_a_changed_row_is_blocked_and_says_by_what(written: Callable[..., Path], url: str) -> None:
    loaded(written(), url)
    report = loaded(written(customers=[{**TENANT, "name": "Ana Lima-Costa"}], leases=[LEASE]), url)
    assert [(item.section, item.what) for item in report.unwritten] == [("customers", "changed"), ("leases", "blocked")]
    assert "customer 'C-1'" in report.unwritten[1].reason


def test_nothing_is_written_when_one_row_has_a_fault(written: Callable[..., Path], tmp_path: Path, url: str) -> None:
    assert faults(written(leases=[LEASE, {**LEASE, "ref": "L-2", "starts": "soon"}]))
    assert not (tmp_path / "rent.db").exists()


def test_progress_counts_every_row(written: Callable[..., Path], url: str) -> None:
    told: list[tuple[int, int | None]] = []
    loaded(written(leases=[LEASE]), url, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.rule("R17")
def test_an_assessment_is_split_by_the_shares_of_the_units_and_adds_up(url: str, desk: Billing) -> None:
    loaded(EXAMPLES / "residents", url)
    (biller,) = desk.billers.all()
    page = desk.invoices.find(biller=biller, on=FIRST, limit=100)
    dues = [invoice for invoice in page.items if invoice.title.startswith("Cotisations")]
    assert len(dues) == 24
    assert sum((invoice.total for invoice in dues), Money(0, "CAD")) == Money("9850.00", "CAD")
    (assessment, _) = read(EXAMPLES / "residents").of(AssessmentRow)
    assert assessment.total == Decimal("9850.00")


@pytest.mark.rule("R3")
def test_the_condominium_has_units_without_resident_and_residents_without_address() -> None:
    document, found = judged(EXAMPLES / "residents")
    assert not found
    assert len(document.of(UnitRow)) == 24
    assert [unit.number for unit in document.of(UnitRow) if unit.resident is None] == ["203", "305"]
    assert sum(1 for one in document.of(CustomerRow) if one.email is None) == 3
    assert sum(unit.share or 0 for unit in document.of(UnitRow)) == 1000


# --- what people slip on ----------------------------------------------------------------------------------------------


@pytest.mark.rule("M8")
@pytest.mark.parametrize("cell", ["1.000", "1,000", "1 000,000", "-1.000"])
def test_more_decimals_than_the_currency_has_are_refused_also_zeros(folder: Callable[..., Path], cell: str) -> None:
    head = "ref;customer;description;amount;on\n"
    place = folder(customers="ref;name\nC-1;Ana\n", charges=f"{head}X;C-1;Clé;{cell};2026-04-01\n")
    ((where, value, reason),) = faults(place)
    assert (where, value) == ("charges.csv:2 amount", cell)
    assert "a separator of thousands, or too many decimals; write a thousand as 1000.00" in reason


@pytest.mark.parametrize("cell", ["1 0 0,5", "10 00", "1  000", "1000 000"])
def test_groups_that_are_not_of_three_are_refused(folder: Callable[..., Path], cell: str) -> None:
    head = "ref;customer;description;amount;on\n"
    place = folder(customers="ref;name\nC-1;Ana\n", charges=f"{head}X;C-1;Clé;{cell};2026-04-01\n")
    ((_, value, reason),) = faults(place)
    assert value == cell
    assert "is not a number; write" in reason


@pytest.mark.parametrize("currency, rent, fine", [("JPY", "1.00", False), ("JPY", "1", True), ("KWD", "1.000", True)])
def test_how_many_decimals_is_the_currencys(written: Callable[..., Path], currency: str, rent: str, fine: bool) -> None:
    path = written(billers=[{**PINES, "currency": currency}], leases=[{**LEASE, "rent": rent}])
    assert paths_of(path) == ([] if fine else ["leases[0].rent"])


def paths_of(path: Path) -> list[str]:
    _, found = judged(path)
    return [where for where, _, _ in found]


def test_an_item_is_named_by_its_own_line_and_text(folder: Callable[..., Path]) -> None:
    place = folder(
        customers="ref;name\nC-1;Ana\n",
        bookings="ref;customer;site;arrives;departs\nB;C-1;A4;2026-07-01;2026-07-05\n",
        booking_items="booking;description;price\nB;Night;20,00\nB;Dog;1,000\n",
    )
    ((where, value, _),) = faults(place)
    assert (where, value) == ("booking_items.csv:3 unit_price", "1,000")


@pytest.mark.rule("N3")
def test_what_was_loaded_before_is_not_judged_by_the_calendar_again(
    written: Callable[..., Path], url: str, desk: Billing
) -> None:
    def again(path: Path) -> LoadReport:
        return loaded(path, url, on=date(2026, 6, 1), present=lambda: Billing.open(url))

    units = [{"number": "1"}]
    row = {"ref": "A", "title": "Toiture", "due": "2026-05-01", "total": "9.00"}
    path = written(units=units, assessments=[row])
    loaded(path, url)
    assert again(path).count("existing") == 4
    changed = again(written(units=units, assessments=[{**row, "title": "Toit"}]))
    assert [item.what for item in changed.unwritten] == ["changed"]
    with pytest.raises(BadFile) as caught:
        again(written(units=units, assessments=[row, {**row, "ref": "B"}]))
    assert [where for where, _, _ in caught.value.faults] == ["assessments[1].due"]
    assert len(desk.invoices.find(biller=desk.billers.all()[0], on=FIRST).items) == 1


def test_what_cannot_be_loaded_at_all_is_one_clear_sentence(tmp_path: Path, folder: Callable[..., Path]) -> None:
    from invoicecore_adapters.cli.answers import sentence

    def told(path: Path) -> str:
        with pytest.raises(BadFile) as caught:
            judged(path)
        return sentence(caught.value)

    (tmp_path / "latin.json").write_bytes('{"billers": "é"}'.encode("latin-1"))
    only = tmp_path / "only"
    only.mkdir()
    (only / "data.json").write_text("{}", "utf-8")
    assert told(tmp_path / "none.json").endswith("none.json: there is no such file or folder; check its name")
    assert told(tmp_path / "latin.json").endswith("latin.json: is not UTF-8, see its line 1; save it as UTF-8")
    assert "is one CSV file; load the folder" in told(folder(customers="ref,name\n") / "customers.csv")
    assert told(only).endswith(f"load its JSON file by itself: {only / 'data.json'}")


def test_a_fault_is_told_without_words_of_python(written: Callable[..., Path]) -> None:
    from invoicecore_adapters.cli.answers import sentence

    rows = [{"ref": "A", "title": "T", "due": "2025-05-01", "total": "9.00"}, {"ref": "B", "title": "T"}]
    path = written(units=[{"number": "1"}], assessments=rows, leases=[{**LEASE, "rent": "-5"}])
    with pytest.raises(BadFile) as caught:
        loaded(path, "memory://")
    said = sentence(caught.value)
    assert "assessments[0].due: 2025-05-01: is before 2026-01-01" in said
    assert "leases[0].rent: -5: " in said
    assert "assessments[1].due: is missing; give it" in said
    assert not any(word in said for word in ("datetime", "Decimal", "None"))
