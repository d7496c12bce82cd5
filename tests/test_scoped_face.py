"""Under a scope the whole public face knows nothing of another biller: its ids, records, tokens, numbers and pages (T1).

test_tenancy.py puts one strange thing at a time into a call that works. Here a call is strange as a whole, in the other
biller's own words; and whatever an argument that is text could name is looked at: a new one fails until it has its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from desks import everything, faces, gateway_of, parameters, store_of, verb_of, wired
from invoicecore import Billing, Plugins
from invoicecore.errors import InvoicecoreError, NotFound
from invoicecore.ports import InvoiceQuery
from invoicecore_adapters import memory
from scenes import CALLS, TODAY, Arguments, Scene, stage
from test_tenancy import SLOTS

NOBODY = "nobody000000"
"""A biller's id that was never given out."""

# Verbs whose arguments name nothing of anybody, and what they show under a scope.
UNNAMED: Mapping[str, str] = {
    "billers.all": "the one biller",
    "receive_missed": "what became of its own events",
    "receive": "its body says whose it is: below",
}

# Text that names no record, whatever is in it.
FREE = frozenset(
    "name description title reason note resolution reference address email to locale timezone currency preset kind "
    "status state order method outcome rest return_url cancel_url scheme gateway frequency day_count actor key number "
    "billing_cycle".split()
)
# Text that does, and the test that looks at it.
NAMING = {
    ("payments.page", "token"): "test_a_link_of_another_biller_opens_what_one_never_given_out_does",
    ("payments.checkout", "token"): "test_a_link_of_another_biller_opens_what_one_never_given_out_does",
    ("credit_notes.find", "number"): "test_a_number_of_another_biller_is_one_never_given",
    ("units.add", "number"): "test_a_number_of_another_biller_is_one_never_given",
    ("invoices.find", "after"): "test_the_end_of_another_billers_page_leads_to_nothing_of_it",
    ("invoices.visible_to", "after"): "test_the_end_of_another_billers_page_leads_to_nothing_of_it",
    ("messages.find", "after"): "test_the_end_of_another_billers_page_leads_to_nothing_of_it",
    ("methods.find", "after"): "test_the_end_of_another_billers_page_leads_to_nothing_of_it",
    ("collections.find", "after"): "test_the_end_of_another_billers_page_leads_to_nothing_of_it",
    ("alerts.find", "after"): "test_the_end_of_another_billers_page_leads_to_nothing_of_it",
    ("invoices.draft_for_units", "shares"): "test_shares_of_another_billers_units_are_shares_of_none",
    ("receive", "headers"): "test_an_event_of_another_biller_is_one_of_nobody",
    ("customers.add_many", "rows"): "test_rows_name_nothing_but_what_is_looked_up",
    ("charges.add_many", "rows"): "test_rows_name_nothing_but_what_is_looked_up",
    ("billers.add", "policy"): "",  # its words and numbers are the biller's own
    ("billers.edit", "policy"): "",
}


@pytest.fixture
def here(billing: Billing) -> Scene:
    return stage(billing)


@pytest.fixture
def there(billing: Billing) -> Scene:
    return stage(billing)


def with_ids(value: Any, change: Callable[[str], str] = str) -> Any:
    """Arguments with ids where records were, each id changed; a shard is a value that names its biller and leases."""
    if isinstance(value, str):
        return change(value)
    if type(value).__name__ == "Shard":
        return attrs.evolve(value, biller=change(value.biller), leases=tuple(map(change, value.leases)))
    if isinstance(getattr(value, "id", None), str):
        return change(value.id)
    if isinstance(value, Mapping):
        return {with_ids(name, change): with_ids(each, change) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_ids(each, change) for each in value]
    return value


def outcome(desk: Billing, verb: str, given: Arguments, *ids: str) -> tuple[str, str]:
    """How a call ended, in words that name no biller of `ids`."""
    try:
        made = verb_of(desk, verb)(**given)
    except InvoicecoreError as error:
        told = f"{getattr(error, 'kind', '')}: {error}"
        for each in ids:
            told = told.replace(each, "…")
        return type(error).__name__, told
    return "answered", repr(made)


@pytest.mark.rule("T1")
def test_every_call_in_another_billers_words_ends_as_one_in_words_never_given_out(
    billing: Billing, here: Scene, there: Scene
) -> None:
    desk = billing.scoped(here.biller)
    mine, theirs = here.biller.id, there.biller.id
    before = everything(store_of(billing), here.biller), everything(store_of(billing), there.biller)
    named = 0
    for verb, call in CALLS.items():
        if verb in UNNAMED:
            continue
        given = call(there)
        wanted = outcome(desk, verb, with_ids(given, lambda text: text.replace(theirs, NOBODY)), NOBODY)
        for strange in (given, with_ids(given)):
            assert outcome(desk, verb, strange, theirs) == wanted, verb
        if verb == "payments.page":
            assert wanted == ("answered", "None")
        else:
            named += 1
            assert wanted[0] == "NotFound", f"{verb}: {wanted}"
            assert re.fullmatch(r"\w+: no \w+ '.*' here; check the id and the biller it was given by", wanted[1]), verb
        assert mine not in wanted[1]
        after = everything(store_of(billing), here.biller), everything(store_of(billing), there.biller)
        assert after == before, verb
    assert named == len(CALLS) - len(UNNAMED) - 1


@pytest.mark.rule("T1")
def test_what_names_nobody_shows_its_own_biller_only(billing: Billing, here: Scene, there: Scene) -> None:
    desk = billing.scoped(here.biller)
    before = everything(store_of(billing), there.biller)
    assert [biller.id for biller in desk.billers.all()] == [here.biller.id]
    told = desk.receive_missed(**CALLS["receive_missed"](there))  # type: ignore[arg-type]  # its arguments
    assert told
    assert there.biller.id not in repr(told)
    assert everything(store_of(billing), there.biller) == before


def texts() -> set[tuple[str, str]]:
    """Every (verb, parameter) that takes text of some kind and no record, or rows of it."""
    with Billing.open("memory://", plugins=Plugins.of(memory.plugin)) as billing:
        return {
            (verb, name)
            for verb, method in faces(billing)
            for name, annotation in parameters(method).items()
            if re.search(r"\bstr\b|object", annotation) and name not in SLOTS[verb]
        }


@pytest.mark.rule("T1")
def test_every_argument_that_is_text_has_its_place_in_these_tests() -> None:
    by_rows = {(verb, slot.partition(" ")[0]) for verb, slots in SLOTS.items() for slot in slots if " " in slot}
    unplaced = {each for each in texts() if each[1] not in FREE and each not in NAMING and each not in by_rows}
    assert unplaced == {("customers.edit", "changes")}, "its fields are those of add"
    assert {name for name in NAMING.values() if name} <= set(globals())
    assert set(NAMING) <= texts()


@pytest.mark.rule("T1", "T2")
def test_a_link_of_another_biller_opens_what_one_never_given_out_does(
    billing: Billing, here: Scene, there: Scene
) -> None:
    desk, never = billing.scoped(here.biller), "x" * len(there.token)
    assert desk.payments.page(here.token) is not None
    assert desk.payments.page(there.token) is desk.payments.page(never) is None
    told = {outcome(desk, "payments.checkout", {"token": token}) for token in (there.token, never)}
    assert told == {("NotFound", f"link: {NotFound('link', '…')}")}


@pytest.mark.rule("T1", "N1")
def test_a_number_of_another_biller_is_one_never_given(billing: Billing, here: Scene, there: Scene) -> None:
    desk, unscoped = billing.scoped(here.biller), billing
    second = unscoped.credit_notes.issue(there.paid, amount=there.paid.total / 10)  # here there is one note only
    found = [desk.credit_notes.find(number=number) for number in (second.number, "CN-999999")]
    assert not any(found)
    assert [note.id for note in desk.credit_notes.find(number=here.note.number)] == [here.note.id]
    for number in (there.open.number, there.paid.number):
        assert desk.invoices.get(number).biller == here.biller.id, "a number is the scope's own"
    before = everything(store_of(billing), there.biller)
    assert desk.units.add(number=there.unit.id).biller == here.biller.id, "a text like any other"
    assert everything(store_of(billing), there.biller) == before


LISTS = ("invoices.find", "messages.find", "methods.find", "collections.find", "alerts.find")


@pytest.mark.rule("T1", "S10")
@pytest.mark.parametrize("verb", [*LISTS, "invoices.visible_to"])
def test_the_end_of_another_billers_page_leads_to_nothing_of_it(
    billing: Billing, here: Scene, there: Scene, verb: str
) -> None:
    own = {"customer": here.customer} if verb == "invoices.visible_to" else {}
    others = {"customer": there.customer} if own else {"biller": there.biller}
    page = verb_of(billing, verb)(**others, limit=1)
    after = getattr(page, "next", None) or [each.id for each in page][-1]  # type: ignore[attr-defined]  # a list
    shown = outcome(billing.scoped(here.biller), verb, {**own, "after": after}, there.biller.id)
    assert there.biller.id not in shown[1]
    assert shown[0] in ("answered", "InvalidValue")
    assert {each[1] for each in NAMING if each[0] == verb} == {"after"}


@pytest.mark.rule("T1", "R17")
def test_shares_of_another_billers_units_are_shares_of_none(billing: Billing, here: Scene, there: Scene) -> None:
    desk = billing.scoped(here.biller)

    def told(unit: str) -> tuple[str, str]:
        given: Arguments = {"title": "Water", "total": here.open.total, "shares": {here.unit.number: 1, unit: 1}}
        return outcome(desk, "invoices.draft_for_units", given, there.biller.id, NOBODY)

    assert told(there.unit.id) == told(there.unit.id.replace(there.biller.id, NOBODY))
    assert told(there.unit.id)[0] != "answered"


@pytest.mark.rule("T1", "D6")
def test_an_event_of_another_biller_is_one_of_nobody(billing: Billing, here: Scene, there: Scene) -> None:
    """Told again until a desk hears of it that may write it down, so it is neither swallowed nor told apart."""
    desk = billing.scoped(here.biller)
    with Billing.open("memory://", plugins=Plugins.of(memory.plugin)) as elsewhere:
        unknown = stage(wired(elsewhere, clock=billing._desk.clock, gateway=gateway_of(billing)))
    before = everything(store_of(billing), here.biller), everything(store_of(billing), there.biller)
    told = {
        outcome(desk, "receive", {"gateway": "memory", "body": body, "headers": headers})
        for body, headers in (there.webhook, unknown.webhook)
    }
    assert told == {("NotFound", f"biller: {NotFound('biller', '…')}")}
    assert (everything(store_of(billing), here.biller), everything(store_of(billing), there.biller)) == before
    assert [one.state for one in desk.receive("memory", *here.webhook)] == ["applied"]


@pytest.mark.rule("T1")
def test_rows_name_nothing_but_what_is_looked_up(billing: Billing, here: Scene, there: Scene) -> None:
    """A row's field is one that is known, so nothing in it can say whose it is."""
    desk = billing.scoped(here.biller)
    before = everything(store_of(billing), there.biller)
    for verb, extra in (("customers.add_many", "biller"), ("charges.add_many", "customer"), ("charges.add_many", "id")):
        given = CALLS[verb](here)
        [row, *_] = given["rows"]  # type: ignore[misc]  # a list of them
        strange = {"biller": there.biller, "customer": there.customer, "id": there.charge.id}[extra]
        told = outcome(desk, verb, {**given, "rows": [{**row, extra: strange}]}, there.biller.id)
        assert told[0] in ("InvalidValue", "NotFound"), told
        assert everything(store_of(billing), there.biller) == before


@pytest.mark.rule("T1")
def test_a_shard_of_ones_own_with_another_billers_leases_bills_nobody(
    billing: Billing, here: Scene, there: Scene
) -> None:
    lease = billing.leases.add(
        biller=there.biller, customer=there.customer, rent=there.open.total, starts=there.open.drafted_on
    )
    desk, before = billing.scoped(here.biller), everything(store_of(billing), there.biller)
    [shard] = [each for each in billing.shards(on=TODAY, biller=there.biller) if each.leases]
    report = desk.run_shard(attrs.evolve(shard, biller=here.biller.id))
    assert (report.created, report.existing) == (0, 0)
    assert everything(store_of(billing), there.biller) == before
    with store_of(billing).reading() as tx:
        assert tx.invoices(InvoiceQuery(biller=there.biller.id, on=TODAY, lease=lease.id)) == []
