"""Under a biller's scope other billers do not exist: every verb of the desk, by introspection, on every store (T1).

`SLOTS` says for every verb which of its arguments name records. A new verb, or a new parameter that takes a record,
fails `test_every_argument_that_names_a_record_is_tried` until it is there, and then the tests below until it checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import attrs
import pytest

from desks import Verb, everything, faces, parameters, store_of, verb_of
from invoicecore import Billing, Plugins
from invoicecore.errors import InvoicecoreError, NotFound
from invoicecore.ports import Record
from invoicecore_adapters import memory
from scenes import CALLS, Arguments, Scene, stage

# What puts a strange record or id where a verb's argument named one; the word before the colon is its kind.
Slot = Callable[[Arguments, object], Arguments]


def plain(name: str) -> Slot:
    return lambda given, ref: {**given, name: ref}


def listed(name: str) -> Slot:
    def put(given: Arguments, ref: object) -> Arguments:
        [*rest] = given[name]  # type: ignore[misc]
        return {**given, name: [*rest, ref]}

    return put


def in_row(name: str) -> Slot:
    return lambda given, ref: {**given, "rows": [{**row, name: ref} for row in given["rows"]]}  # type: ignore[attr-defined]


def payer(given: Arguments, ref: object) -> Arguments:
    [(_, stays)] = given["payers"].items()  # type: ignore[attr-defined]
    return {**given, "payers": {getattr(ref, "id", ref): stays}}


def paid_stay(given: Arguments, ref: object) -> Arguments:
    [(who, stays)] = given["payers"].items()  # type: ignore[attr-defined]
    return {**given, "payers": {who: [*stays, ref]}}


def instead(drop: str, name: str) -> Slot:
    return lambda given, ref: {name: ref, **{k: v for k, v in given.items() if k != drop}}


def of_shard(given: Arguments, ref: object) -> Arguments:
    return {"shard": attrs.evolve(given["shard"], biller=getattr(ref, "id", ref))}  # type: ignore[misc]  # a Shard


# verb -> parameter -> (the field of Scene that is strange there, how to put it)
SLOTS: Mapping[str, Mapping[str, tuple[str, Slot]]] = {
    verb: {name: (scene, slot) for name, (scene, slot) in slots.items()}
    for verb, slots in {
        "run": {"biller": ("biller", plain("biller"))},
        "shards": {"biller": ("biller", plain("biller"))},
        "run_shard": {"shard": ("biller", of_shard)},
        "today": {"biller": ("biller", plain("biller"))},
        "remind": {"biller": ("biller", plain("biller"))},
        "deliver": {"biller": ("biller", plain("biller"))},
        "collect": {"biller": ("biller", plain("biller"))},
        "recover": {"biller": ("biller", plain("biller"))},
        "receive": {},
        "receive_missed": {},
        "reconcile": {"biller": ("biller", plain("biller"))},
        "examine": {"biller": ("biller", plain("biller"))},
        "billers.add": {},
        "billers.all": {},
        "billers.edit": {"biller": ("biller", plain("biller"))},
        "billers.get": {"biller": ("biller", plain("biller"))},
        "units.add": {"biller": ("biller", plain("biller")), "resident": ("customer", plain("resident"))},
        "units.assign": {
            "unit": ("unit", plain("unit")),
            "customer": ("customer", plain("customer")),
            "biller": ("biller", plain("biller")),
        },
        "units.find": {"biller": ("biller", plain("biller"))},
        "customers.add": {"biller": ("biller", plain("biller"))},
        "customers.add_many": {"biller": ("biller", plain("biller"))},
        "customers.edit": {"customer": ("customer", plain("customer"))},
        "customers.find": {"biller": ("biller", plain("biller"))},
        "customers.get": {"customer": ("customer", plain("customer"))},
        "customers.statement": {"customer": ("customer", plain("customer"))},
        "customers.statement_pdf": {"customer": ("customer", plain("customer"))},
        "charges.add": {"biller": ("biller", plain("biller")), "customer": ("customer", plain("customer"))},
        "charges.add_many": {"biller": ("biller", plain("biller")), "customer": ("customer", plain("customer"))},
        "charges.cancel": {"charge": ("charge", plain("charge"))},
        "charges.edit": {"charge": ("charge", plain("charge"))},
        "charges.get": {"charge": ("charge", plain("charge"))},
        "charges.release": {"charge": ("charge", plain("charge"))},
        "charges.open_for": {"customer": ("customer", plain("customer"))},
        "leases.add": {
            "biller": ("biller", plain("biller")),
            "customer": ("customer", plain("customer")),
            "unit": ("unit", plain("unit")),
        },
        "leases.add_many": {
            "biller": ("biller", plain("biller")),
            "rows customer": ("customer", in_row("customer")),
            "rows unit": ("unit", in_row("unit")),
        },
        "leases.change_rent": {"lease": ("lease", plain("lease"))},
        "leases.edit": {
            "lease": ("lease", plain("lease")),
            "changes customer": ("customer", plain("customer")),
            "changes unit": ("unit", plain("unit")),
        },
        "leases.end": {"lease": ("lease", plain("lease"))},
        "leases.find": {
            "biller": ("biller", plain("biller")),
            "customer": ("customer", plain("customer")),
            "unit": ("unit", plain("unit")),
        },
        "leases.generate": {"lease": ("lease", plain("lease"))},
        "leases.get": {"lease": ("lease", plain("lease"))},
        "bookings.add": {
            "biller": ("biller", plain("biller")),
            "customer": ("customer", plain("customer")),
            "unit": ("unit", plain("unit")),
            "group": ("group", plain("group")),
        },
        "bookings.find": {"biller": ("biller", plain("biller")), "group": ("group", plain("group"))},
        "bookings.get": {"booking": ("booking", plain("booking"))},
        "groups.add": {"biller": ("biller", plain("biller")), "organiser": ("customer", plain("organiser"))},
        "groups.find": {"biller": ("biller", plain("biller"))},
        "groups.get": {"group": ("group", plain("group"))},
        "invoices.delete_draft": {"invoice": ("draft", plain("invoice"))},
        "invoices.draft": {
            "biller": ("biller", plain("biller")),
            "unit": ("unit", plain("unit")),
            "customer": ("customer", plain("customer")),
        },
        "invoices.draft_booking": {"booking": ("booking", plain("booking"))},
        "invoices.draft_for_units": {"biller": ("biller", plain("biller")), "units": ("unit", listed("units"))},
        "invoices.draft_from_charges": {
            "biller": ("biller", plain("biller")),
            "customer": ("customer", plain("customer")),
            "charges": ("charge", listed("charges")),
        },
        "invoices.draft_group": {
            "group": ("group", plain("group")),
            "payers": ("customer", payer),
            "payers stays": ("member", paid_stay),
        },
        "invoices.edit": {"invoice": ("draft", plain("invoice"))},
        "invoices.find": {
            name: (name, plain(name)) for name in ("biller", "customer", "unit", "lease", "booking", "group")
        },
        "invoices.get": {"invoice": ("open", plain("invoice")), "biller": ("biller", plain("biller"))},
        "invoices.outstanding": {name: (name, plain(name)) for name in ("biller", "customer", "lease")},
        "invoices.pdf": {"invoice": ("open", plain("invoice"))},
        "invoices.sheet": {"invoice": ("open", plain("invoice"))},
        "invoices.preview_publish": {"invoice": ("draft", plain("invoice"))},
        "invoices.preview_publish_all": {"biller": ("biller", plain("biller"))},
        "invoices.publish": {"invoice": ("draft", plain("invoice"))},
        "invoices.publish_all": {"biller": ("biller", plain("biller"))},
        "invoices.summary": {
            name: (name, plain(name)) for name in ("biller", "customer", "unit", "lease", "booking", "group")
        },
        "invoices.timeline": {
            "record": ("open", plain("record")),
            "record lease": ("lease", plain("record")),
            "record biller": ("biller", plain("record")),
            "record payment": ("customer", plain("record")),
        },
        "invoices.visible_to": {"customer": ("customer", plain("customer"))},
        "invoices.void": {"invoice": ("open", plain("invoice"))},
        "payments.find": {
            "invoice": ("paid", plain("invoice")),
            "customer": ("customer", instead("invoice", "customer")),
        },
        "payments.charge": {"invoice": ("owed", plain("invoice")), "method": ("method", plain("method"))},
        "payments.checkout": {},
        "payments.get": {"payment": ("payment", plain("payment"))},
        "payments.link": {"invoice": ("open", plain("invoice"))},
        "payments.page": {},
        "payments.receipt": {"payment": ("payment", plain("payment"))},
        "payments.receipt_pdf": {"payment": ("payment", plain("payment"))},
        "payments.revoke_link": {"invoice": ("open", plain("invoice"))},
        "payments.record": {"invoice": ("open", plain("invoice")), "invoice listed": ("open", listed("invoice"))},
        "payments.refund": {"invoice": ("charged", plain("invoice")), "payment": ("online", plain("payment"))},
        "payments.refunds": {"invoice": ("paid", plain("invoice"))},
        "payments.reverse": {"payment": ("payment", plain("payment"))},
        "credits.apply": {"invoice": ("open", plain("invoice"))},
        "credits.balance": {"customer": ("customer", plain("customer"))},
        "credits.deposit": {"customer": ("customer", plain("customer"))},
        "credits.history": {"customer": ("customer", plain("customer"))},
        "credits.withdraw": {"customer": ("customer", plain("customer"))},
        "credit_notes.find": {
            "biller": ("biller", plain("biller")),
            "invoice": ("credited", plain("invoice")),
            "customer": ("customer", plain("customer")),
        },
        "credit_notes.get": {"note": ("note", plain("note"))},
        "credit_notes.issue": {"invoice": ("paid", plain("invoice"))},
        "credit_notes.pdf": {"note": ("note", plain("note"))},
        "credit_notes.propose": {"lease": ("lease", plain("lease"))},
        "credit_notes.sheet": {"note": ("note", plain("note"))},
        "messages.find": {"biller": ("biller", plain("biller")), "invoice": ("open", plain("invoice"))},
        "messages.get": {"message": ("message", plain("message"))},
        "messages.retry": {"message": ("message", plain("message"))},
        "methods.find": {"biller": ("biller", plain("biller")), "customer": ("customer", plain("customer"))},
        "methods.get": {"method": ("method", plain("method"))},
        "methods.refresh": {"method": ("fresh", plain("method"))},
        "methods.revoke": {"method": ("method", plain("method"))},
        "methods.setup": {"customer": ("customer", plain("customer"))},
        "collections.cancel": {"collection": ("reserved", plain("collection"))},
        "collections.find": {
            "biller": ("biller", plain("biller")),
            "invoice": ("charged", plain("invoice")),
            "customer": ("customer", plain("customer")),
        },
        "collections.get": {"collection": ("reserved", plain("collection"))},
        "collections.resolve": {"collection": ("doubtful", plain("collection"))},
        "payments.resolve_refund": {"refund": ("unsure", plain("refund"))},
        "alerts.find": {"biller": ("biller", plain("biller")), "invoice": ("owed", plain("invoice"))},
        "alerts.get": {"alert": ("alert", plain("alert"))},
        "alerts.resolve": {"alert": ("alert", plain("alert"))},
    }.items()
}

EACH_SLOT = [(verb, name) for verb, slots in SLOTS.items() for name in slots]

# Text that names no unit is the number of a new one: here an id of another biller is a number like any other.
REGISTERS = {
    ("leases.add", "unit"),
    ("leases.add_many", "rows unit"),
    ("leases.edit", "changes unit"),
    ("bookings.add", "unit"),
}

RECORD = re.compile(
    r"\b(Biller|Unit|Customer|Charge|Lease|Booking|Group|Invoice|Payment|Refund|Reversal|CreditEntry|Message|SavedMethod"
    r"|Collection(?!\[)|Alert|CreditNote|Shard)\b"
)


@pytest.fixture
def here(billing: Billing) -> Scene:
    return stage(billing)


@pytest.fixture
def there(billing: Billing) -> Scene:
    return stage(billing)


def takes_records(verb: Verb) -> Iterator[str]:
    for name, annotation in parameters(verb).items():
        if RECORD.search(annotation):
            yield name
    if "changes" in parameters(verb):
        yield "changes"


@pytest.mark.rule("T1")
def test_every_argument_that_names_a_record_is_tried() -> None:
    with Billing.open("memory://", plugins=Plugins.of(memory.plugin)) as billing:
        wanted = {name: set(takes_records(verb)) - {"changes"} for name, verb in faces(billing)}
    tried = {verb: {name.partition(" ")[0] for name in slots} - {"rows", "changes"} for verb, slots in SLOTS.items()}
    assert tried == wanted
    assert set(CALLS) == set(wanted)


def outcome(desk: Billing, verb: str, given: Arguments, ref: object) -> tuple[str, str]:
    """How a call ended, in words that name neither the record nor the biller."""
    try:
        made = verb_of(desk, verb)(**given)
    except InvoicecoreError as error:
        told = str(error).replace(repr(getattr(ref, "id", ref)), "…")
        return type(error).__name__, f"{getattr(error, 'kind', '')}: {told}"
    return "made", type(made).__name__


@pytest.mark.rule("T1")
@pytest.mark.parametrize("verb, name", EACH_SLOT)
def test_the_records_of_another_biller_are_as_never_given_out(
    billing: Billing, here: Scene, there: Scene, verb: str, name: str
) -> None:
    desk = billing.scoped(here.biller)
    field, put = SLOTS[verb][name]
    strange: Record = getattr(there, field)
    given = CALLS[verb](here)
    mark = strange.id.split("_")[1] if "_" in strange.id else ""
    never: list[object] = [f"{here.biller.id}_{mark}_never", f"{there.biller.id}_{mark}_never", "nobody_x_1", "never"]
    never.append(f"{here.biller.id}_{mark}_\0")  # which not every database can look for
    if not mark:
        never = ["nobody000000", "nobody\0"]
    before = everything(store_of(billing), here.biller), everything(store_of(billing), there.biller)
    if (verb, name) in REGISTERS:
        expected = ("NotFound", f"unit: {NotFound('unit', '*')}".replace("'*'", "…"))
        assert outcome(desk, verb, put(given, strange), strange) == expected
        assert outcome(desk, verb, put(given, strange.id), strange)[0] == "made"
        units = {unit.number: unit.biller for unit in desk.units.find()}
        assert units[strange.id] == here.biller.id
    else:
        found = {outcome(desk, verb, put(given, ref), ref) for ref in (strange, strange.id, *never)}
        kind = next(iter(found))[1].partition(":")[0]
        told = str(NotFound(kind, "*")).replace("'*'", "…")
        assert found == {("NotFound", f"{kind}: {told}")}
        assert everything(store_of(billing), here.biller) == before[0]
    assert everything(store_of(billing), there.biller) == before[1]


@pytest.mark.rule("T1")
@pytest.mark.parametrize("verb", [verb for verb in SLOTS if verb != "billers.add"])
def test_under_a_scope_every_verb_works_for_its_biller_and_shows_nothing_of_another(
    billing: Billing, here: Scene, there: Scene, verb: str
) -> None:
    before = everything(store_of(billing), there.biller)
    made = verb_of(billing.scoped(here.biller), verb)(**CALLS[verb](here))
    assert there.biller.id not in repr(made)
    assert everything(store_of(billing), there.biller) == before


@pytest.mark.rule("T1")
@pytest.mark.parametrize(
    "verb",
    [verb for verb, slots in SLOTS.items() if "biller" in slots and verb not in ("billers.get", "billers.edit")],
)
def test_under_a_scope_the_biller_need_not_be_named(billing: Billing, here: Scene, there: Scene, verb: str) -> None:
    given = {name: value for name, value in CALLS[verb](here).items() if name != "biller"}
    before = everything(store_of(billing), there.biller)
    made = verb_of(billing.scoped(here.biller), verb)(**given)
    assert there.biller.id not in repr(made)
    assert everything(store_of(billing), there.biller) == before


# Calls that, with this one argument put in, name one biller only.
ONE_BILLER = {("payments.find", "invoice"), ("payments.find", "customer"), ("payments.record", "invoice")}
SEVERAL = [(verb, name) for verb, name in EACH_SLOT if len(SLOTS[verb]) > 1 and not name.startswith("record")]


@pytest.mark.rule("T1")
@pytest.mark.parametrize("verb, name", [each for each in SEVERAL if each not in REGISTERS | ONE_BILLER])
def test_without_a_scope_no_call_mixes_the_records_of_two_billers(
    billing: Billing, here: Scene, there: Scene, verb: str, name: str
) -> None:
    field, put = SLOTS[verb][name]
    given = put(CALLS[verb](here), getattr(there, field))
    before = everything(store_of(billing), here.biller), everything(store_of(billing), there.biller)
    with pytest.raises(NotFound):
        verb_of(billing, verb)(**given)
    assert everything(store_of(billing), here.biller) == before[0]
    assert everything(store_of(billing), there.biller) == before[1]


@pytest.mark.rule("T1")
def test_a_scope_is_never_widened(billing: Billing, here: Scene, there: Scene) -> None:
    desk = billing.scoped(here.biller)
    for ref in (there.biller, there.biller.id, "nobody000000", ""):
        with pytest.raises(NotFound) as caught:
            desk.scoped(ref)
        assert caught.value.kind == "biller"
    assert desk.scoped(here.biller).billers.all() == [billing.billers.get(here.biller)]
    with pytest.raises(NotFound):
        billing.scoped("nobody000000")


@pytest.mark.rule("T1")
def test_a_run_under_a_scope_bills_nobody_else(billing: Billing, here: Scene, there: Scene) -> None:
    for scene in (here, there):
        billing.leases.add(
            biller=scene.biller, customer=scene.customer, rent=scene.open.total, starts=scene.open.drafted_on
        )
    before = everything(store_of(billing), there.biller)
    report = billing.scoped(here.biller).run()
    assert {invoice.biller for invoice in report.invoices} == {here.biller.id}
    assert report.created == 1
    assert everything(store_of(billing), there.biller) == before


@pytest.mark.rule("T2", "R8")
def test_a_customer_is_shown_no_invoice_of_another(billing: Billing, here: Scene, there: Scene) -> None:
    billing.invoices.draft(biller=here.biller, customer=here.other, title="T", amount=here.open.total)
    own = {here.open.id, here.paid.id, here.charged.id, here.owed.id, here.doubtful.invoice, here.reserved.invoice}
    shown = {each.id for each in billing.invoices.visible_to(here.customer, limit=100).items}
    assert own | {here.stranded.invoice} < shown
    assert {billing.invoices.get(ref).customer for ref in shown} == {here.customer.id}
    assert billing.invoices.visible_to(here.other).items == ()
