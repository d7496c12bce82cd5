"""Values as JSON and back: nothing is lost, nothing is guessed, and a bad document names every fault."""

from __future__ import annotations

import importlib
import inspect
import json
import typing
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoicecore.errors import BadFile
from invoicecore.invoices import Caveat, Invoice, InvoiceKind, Lifecycle, Line, Status
from invoicecore.leases import Lease
from invoicecore.money import MAX_MINOR, MIN_MINOR, Money, from_minor
from invoicecore.parties import PRESETS, Biller, InvoiceMethod, LateFee, Policy
from invoicecore.payments import no_facts
from invoicecore.periods import Cycle, Frequency, Period
from invoicecore.ports import Attachment, InvoiceQuery, Mail, Sums
from invoicecore.proration import DayCount
from invoicecore.serde import dumps, loads, parsed, structure, unstructure
from invoicecore.taxes import TaxRate

ROOMS = (
    "alerts bookings charges collection credit_notes credits documents inbox invoices leases messages parties payments "
    "periods ports proration statements taxes wording"
).split()


def keyed_by_text(kind: type) -> bool:
    """Whether its mappings are what JSON calls objects; others are made and used within a call."""
    mappings = [hint for hint in typing.get_type_hints(kind).values() if typing.get_origin(hint) is Mapping]
    return all(issubclass(typing.get_args(hint)[0], str) for hint in mappings)


def values() -> list[type]:
    """Every attrs class that rings 0, 1 and the ports define."""
    found = {
        value
        for room in ROOMS
        for value in vars(importlib.import_module(f"invoicecore.{room}")).values()
        if inspect.isclass(value)
        and attrs.has(value)
        and value.__module__.startswith("invoicecore.")
        and keyed_by_text(value)
    } - {Attachment, Mail}  # bytes on their way to a mailer, and never kept
    return sorted(found, key=lambda kind: kind.__qualname__)


# --- any value of any of those classes --------------------------------------------------------------------------------

money = st.builds(
    from_minor, st.integers(MIN_MINOR, MAX_MINOR) | st.integers(-10_000, 10_000), st.sampled_from(["EUR", "JPY", "KWD"])
)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)
fractions = st.fractions()
days = st.dates()
zones = st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30)), timezone(timedelta(hours=14))])
percents = st.decimals(0, 100, places=4)
above_zero = st.decimals(min_value="0.001", max_value=10**9, places=3)
late_fees = st.builds(
    lambda how, **given: LateFee(**how, **given),
    st.builds(lambda value: {"amount": value}, above_zero)
    | st.builds(lambda value: {"percent": value}, st.decimals(min_value="0.001", max_value=1000, places=3)),
    after_days=st.integers(1, 3660),
    every_days=st.none() | st.integers(1, 3660),
    cap=st.none() | above_zero,
    bill_as=st.sampled_from(["charge", "invoice"]),
)
LEAVES: dict[object, st.SearchStrategy] = {
    str: st.text(max_size=20),
    int: st.integers(),
    bool: st.booleans(),
    type(None): st.none(),
    date: days,
    datetime: st.datetimes(timezones=zones),
    Decimal: decimals | st.just(Decimal("1E+3")),
    Fraction: fractions,
    Money: money,
    Period: st.builds(
        lambda start, n: Period(start, start + timedelta(n)), st.dates(max_value=date(9000, 1, 1)), st.integers(1, 400)
    ),
    TaxRate: st.builds(TaxRate, name=st.text(min_size=1).filter(str.strip), percent=percents),
    Cycle: st.builds(Cycle, starts=days, frequency=st.just(Frequency.MONTHLY), anchor_day=st.none() | st.just(-1)),
    LateFee: late_fees,
    Policy: st.builds(
        attrs.evolve,
        st.sampled_from(list(PRESETS.values())),
        terms_days=st.integers(0, 3660),
        notify_on_publish=st.none() | st.booleans(),
        own_labels=st.none() | st.just({"en": {"status": {"paid": "Settled"}}}),
        reminders=st.lists(st.integers(-366, 3660), unique=True, max_size=5),
        late_fee=st.none() | late_fees,
    ),
}


def later(kind: object) -> st.SearchStrategy:
    return st.deferred(lambda: of(kind))


def of(kind: object) -> st.SearchStrategy:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in LEAVES:
        return LEAVES[kind]
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if inspect.isclass(kind) and attrs.has(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{field.name: later(hints[field.name]) for field in attrs.fields(kind)})
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of, arguments))
    if origin is frozenset:
        return st.frozensets(of(arguments[0]))
    if origin is Mapping:
        return st.dictionaries(of(arguments[0]), of(arguments[1]), max_size=3)
    return st.one_of([of(argument) for argument in arguments])


def shape(value: object) -> object:
    """The types all the way down: a StrEnum equals its text, and must not come back as text."""
    if attrs.has(type(value)):
        fields = attrs.fields(typing.cast(typing.Any, type(value)))
        return type(value), [shape(getattr(value, field.name)) for field in fields]
    if isinstance(value, Mapping):
        return [(shape(key), shape(entry)) for key, entry in value.items()]
    if isinstance(value, tuple | frozenset):
        return type(value), sorted((shape(entry) for entry in value), key=repr)
    return type(value)


@pytest.mark.parametrize("kind", values(), ids=lambda kind: kind.__qualname__)
def test_every_value_survives_the_way_to_json_and_back(kind: typing.Any) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(of(kind))
    def check(value: object) -> None:
        text = dumps(value)
        back = loads(text, kind)
        assert back == value
        assert shape(back) == shape(attrs.evolve(value, warnings=()) if isinstance(value, Invoice) else value)
        assert dumps(back) == text
        assert "\n" not in text

    check()


def test_the_law_covers_the_records_of_the_store() -> None:
    names = {kind.__qualname__ for kind in values()}
    assert {"Invoice", "Line", "Lease", "Biller", "Policy", "Customer", "Charge", "Booking", "Group"} <= names
    assert {
        "Payment",
        "Refund",
        "Reversal",
        "CreditEntry",
        "Event",
        "Message",
        "PayLink",
        "LateFee",
        "Statement",
        "Sheet",
        "KeyUse",
        "InvoiceQuery",
        "Sums",
    } <= names


# --- the shapes -------------------------------------------------------------------------------------------------------

INVOICE = Invoice(
    id="p_i1",
    biller="p",
    kind=InvoiceKind.LEASE,
    lifecycle=Lifecycle.DRAFT,
    currency="EUR",
    title="Loyer",
    lines=(Line(description="Loyer", amount=Money("620.00", "EUR"), unit_price=Money("620.00", "EUR")),),
    taxes=(),
    total=Money("620.00", "EUR"),
    facts=no_facts("EUR"),
    drafted_on=date(2026, 4, 1),
    due_on=date(2026, 4, 30),
    period=Period(date(2026, 5, 1), date(2026, 6, 1)),
    warnings=(Caveat(code="no_resident", text="nobody"),),
)


def test_the_shapes_are_the_documented_ones() -> None:
    data = json.loads(dumps(INVOICE))
    assert data["total"] == {"amount": "620.00", "currency": "EUR"}
    assert data["period"] == {"start": "2026-05-01", "end": "2026-06-01"}
    assert data["due_on"] == "2026-04-30"
    assert data["kind"] == "lease"
    assert data["lines"][0]["quantity"] == "1"
    assert data["number"] is None
    assert unstructure(Fraction(5)) == "5/1"
    assert unstructure(DayCount.ACTUAL_MONTH) == "actual_month"
    assert unstructure(datetime(2026, 4, 1, 12, tzinfo=UTC)) == "2026-04-01T12:00:00+00:00"


def test_warnings_travel_with_a_result_and_not_with_the_record() -> None:
    assert "warnings" not in json.loads(dumps(INVOICE))
    assert loads(dumps(INVOICE), Invoice).warnings == ()


def test_json_is_compact_and_keeps_accents() -> None:
    assert dumps({"ville": "Québec", "n": [1, 2]}) == '{"ville":"Québec","n":[1,2]}'


def test_an_enum_comes_back_as_its_own_class_and_not_as_text() -> None:
    lease = loads(dumps(a_lease()), Lease)
    assert type(lease.method) is InvoiceMethod
    assert list(loads('{"counts":{"paid":3}}', Sums).counts) == [Status.PAID]
    assert all(type(key) is Status for key in loads('{"counts":{"paid":3}}', Sums).counts)


def test_the_place_after_a_page_keeps_its_type_even_when_a_number_looks_like_a_date() -> None:
    for place in ("2026-01-01", 20260101, date(2026, 1, 1)):
        wanted = InvoiceQuery(biller="p", on=date(2026, 1, 1), after=(place, "p_i1"))
        assert loads(dumps(wanted), InvoiceQuery) == wanted


def test_records_come_in_any_plain_collection() -> None:
    assert loads(dumps((a_lease(),)), tuple[Lease, ...]) == (a_lease(),)
    assert loads(dumps([a_lease()]), list[Lease]) == [a_lease()]
    assert loads(dumps({"a": a_lease()}), dict[str, Lease]) == {"a": a_lease()}


# --- refusals ---------------------------------------------------------------------------------------------------------


def a_lease() -> Lease:
    return Lease(
        id="p_l1",
        biller="p",
        customer="p_c1",
        unit=None,
        rent=Money("620.00", "EUR"),
        frequency=Frequency.MONTHLY,
        starts=date(2026, 4, 1),
        taxes=(TaxRate(name="TVA", percent=Decimal(20), category="S"),),
    )


def refusal(data: object, kind: type = Lease) -> BadFile:
    with pytest.raises(BadFile) as caught:
        structure(data, kind, source="leases.json")
    return caught.value


def with_field(field: str, value: object) -> dict[str, object]:
    return {**typing.cast(dict, unstructure(a_lease())), field: value}


@pytest.mark.parametrize(
    "field, value, path, reason",
    [
        ("rent", 620.0, "rent", "a number with a point where money"),
        (
            "rent",
            {"amount": 620.0, "currency": "EUR"},
            "rent.amount",
            "a number with a point where a decimal number in quotes",
        ),
        ("rent", {"amount": 620, "currency": "EUR"}, "rent.amount", "a whole number where a decimal number in quotes"),
        ("rent", {"amount": "NaN", "currency": "EUR"}, "rent.amount", "not a plain decimal number"),
        ("rent", {"amount": "1e3", "currency": "EUR"}, "rent.amount", "not a plain decimal number"),
        ("rent", {"amount": "6_20", "currency": "EUR"}, "rent.amount", "not a plain decimal number"),
        ("rent", {"amount": "٦٢٠", "currency": "EUR"}, "rent.amount", "not a plain decimal number"),
        ("rent", {"amount": "620.001", "currency": "EUR"}, "rent.amount", "more decimals than EUR has"),
        ("rent", {"amount": "92233720368547758.08", "currency": "EUR"}, "rent.amount", "beyond 64 bits"),
        ("rent", {"amount": "620.00", "currency": "XAU"}, "rent.currency", "metal"),
        ("rent", {"amount": "620.00", "currency": "EURO"}, "rent.currency", "not a known currency"),
        ("rent", {"amount": "620.00", "currency": 978}, "rent.currency", "not a currency code"),
        ("rent", {"amount": "620.00"}, "rent.currency", "is missing"),
        ("rent", {"amount": "620.00", "currency": "EUR", "vat": "1"}, "rent.vat", "not known here"),
        ("starts", "2026-04-01T00:00:00", "starts", "without a time"),
        ("starts", "01/04/2026", "starts", "not a date"),
        ("starts", "20260401", "starts", "not a date"),
        ("starts", "2026-02-29", "starts", "no day of the calendar"),
        ("starts", None, "starts", "null where a date"),
        ("frequency", "daily", "frequency", "not one of weekly, fortnightly"),
        ("method", "post", "method", "not one of email_pdf"),
        ("finished", 1, "finished", "a whole number where true or false"),
        ("version", True, "version", "a boolean where a whole number"),
        ("version", "1", "version", "text where a whole number"),
        ("description", 5, "description", "a whole number where text"),
        ("taxes", "TVA", "taxes", "text where a list"),
        ("taxes", [7], "taxes[0]", "a whole number where an object"),
        ("taxes", [{"name": " ", "percent": "20"}], "taxes[0].name", "needs a name"),
        ("taxes", [{"name": "TVA", "percent": 20.0}], "taxes[0].percent", "a number with a point"),
        ("taxes", [{"name": "TVA", "percent": "5", "category": "Z"}], "taxes[0].category", "asks for 0 %"),
        ("colour", "red", "colour", "not known here; known: advance_days"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_path_and_a_reason(
    field: str, value: object, path: str, reason: str
) -> None:
    ((where, found, why),) = refusal(with_field(field, value)).faults
    assert where == path
    assert reason in why
    leaf: typing.Any = value
    for step in path.replace("[", ".[").split(".")[1:]:
        leaf = leaf[int(step[1:-1])] if step.startswith("[") else leaf.get(step)
    assert found == leaf


@pytest.mark.rule("M8")
def test_every_fault_of_a_document_is_named_not_just_the_first() -> None:
    good = typing.cast(dict, unstructure(a_lease()))
    document = [
        good,
        {**good, "rent": {"amount": 620.0, "currency": "EURO"}, "starts": "soon", "colour": "red"},
        "lease",
        {key: value for key, value in good.items() if key not in ("customer", "frequency")},
    ]
    error = refusal(document, tuple[Lease, ...])
    assert [path for path, _, _ in error.faults] == [
        "[1].rent.amount",
        "[1].starts",
        "[1].colour",
        "[2]",
        "[3].customer",
        "[3].frequency",
    ]
    assert error.source == "leases.json"
    for path, value, reason in error.faults:
        assert f"{path}: {value!r}: {reason}" in str(error)


def test_paths_lead_through_objects_and_lists() -> None:
    data = {"leases": [with_field("rent", {"amount": "x", "currency": "EUR"})]}
    ((path, value, _),) = refusal(data, dict[str, tuple[Lease, ...]]).faults
    assert (path, value) == ("leases[0].rent.amount", "x")


def test_a_rule_of_the_value_itself_is_a_fault_at_its_field() -> None:
    biller = Biller(id="p", name="P", currency="EUR", timezone="UTC", locale="fr_FR", policy=PRESETS["stays"])
    data = typing.cast(dict, unstructure(biller))
    data["policy"]["terms_days"] = 99_999
    ((path, value, reason),) = refusal(data, Biller).faults
    assert (path, value) == ("policy.terms_days", 99_999)
    assert "out of range" in reason


def test_a_fraction_over_zero_and_an_instant_without_offset_are_refused() -> None:
    assert refusal("1/0", Fraction).faults[0][2].startswith("is not a fraction")
    assert refusal("0.5", Fraction).faults[0][2].startswith("is not a fraction")
    assert "no offset" in refusal("2026-04-01T12:00:00", datetime).faults[0][2]
    assert "not an instant" in refusal("noon", datetime).faults[0][2]


@pytest.mark.parametrize(
    "text, where, reason",
    [
        ("{", "line 1 column 2", "is not JSON"),
        ('{"id": "1",\n "id": "2"}', "id", "given twice"),
        ("[" * 100_000, "", "not JSON for us"),
        ("9" * 5_000, "", "not JSON for us"),
        ("", "line 1 column 1", "is not JSON"),
    ],
)
def test_text_that_is_no_json_is_a_bad_file_too(text: str, where: str, reason: str) -> None:
    with pytest.raises(BadFile) as caught:
        loads(text, Lease, source="leases.json")
    ((path, _, why),) = caught.value.faults
    assert path == where
    assert reason in why


def test_not_a_number_is_no_money() -> None:
    with pytest.raises(BadFile, match="a number with a point"):
        loads('{"amount": NaN, "currency": "EUR"}', Money)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_plain_data_is_a_value_or_a_bad_file(data: object) -> None:
    for kind in (Lease, Money, Fraction, tuple[TaxRate, ...], date):
        with suppress(BadFile):
            structure(data, kind)


@given(st.text())
def test_any_text_is_json_or_a_bad_file(text: str) -> None:
    with suppress(BadFile):
        parsed(text)
