"""What a call is given in a wrong shape is refused by name and with a way out, before anything is done with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from desks import Post, everything, money, store_of, wired
from invoicecore import Billing, Frequency, Item
from invoicecore.charges import Charge
from invoicecore.errors import InvalidValue, NotFound, PluginError
from invoicecore.money import allocate
from invoicecore.parties import Biller, Customer, Policy
from invoicecore.taxes import TaxRate

Call = Callable[[Billing, Biller, Customer], object]

ITEM = Item(description="Pitch", unit_price=money(10))


@pytest.fixture
def park(billing: Billing) -> Biller:
    """A biller with units whose numbers are parts of one another."""
    park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
    for number in ("1", "2", "12"):
        billing.units.add(biller=park, number=number)
    return park


@pytest.fixture
def guest(billing: Billing, park: Biller) -> Customer:
    """A customer with a charge."""
    guest = billing.customers.add(biller=park, name="Ana")
    billing.charges.add(customer=guest, description="Wood", amount=money(5))
    return guest


def for_units(units: Any) -> Call:
    """An assessment of some units."""
    return lambda billing, park, guest: billing.invoices.draft_for_units(
        biller=park, units=units(billing, park), title="T", amount=money(1)
    )


def of_charges(charges: Callable[[Charge], Any]) -> Call:
    """An invoice of what is said of the guest's charge."""
    return lambda billing, park, guest: billing.invoices.draft_from_charges(
        guest, charges(billing.charges.open_for(guest)[0])
    )


def of_lines(lines: Any) -> Call:
    """An invoice of those lines."""
    return lambda billing, park, guest: billing.invoices.draft(biller=park, customer=guest, title="T", lines=lines)


ONE_ALONE: dict[str, tuple[Call, str]] = {
    "a unit's number": (for_units(lambda billing, park: "12"), "units"),
    "a unit": (for_units(lambda billing, park: billing.units.find(biller=park)[0]), "units"),
    "a charge": (of_charges(lambda charge: charge), "charges"),
    "a charge's id": (of_charges(lambda charge: charge.id), "charges"),
    "an item": (of_lines(ITEM), "lines"),
    "a weight": (lambda *_: allocate(money(1), cast("Any", 3)), "weights"),
    "weights by name": (lambda *_: allocate(money(1), cast("Any", {"a": 1})), "weights"),
    "no rows": (lambda billing, park, _: billing.customers.add_many(cast("Any", None), biller=park), "rows"),
    "a row": (lambda billing, park, _: billing.customers.add_many(cast("Any", {"name": "Ana"}), biller=park), "rows"),
}


@pytest.mark.parametrize("name", ONE_ALONE)
def test_one_thing_where_a_list_is_wanted_is_refused_and_nothing_is_written(
    name: str, billing: Billing, park: Biller, guest: Customer
) -> None:
    call, field = ONE_ALONE[name]
    before = everything(store_of(billing), park)
    with pytest.raises(InvalidValue, match=r"is not a list of .*; give a list") as refused:
        call(billing, park, guest)
    assert refused.value.field == field
    assert everything(store_of(billing), park) == before


def test_any_iterable_is_a_list(billing: Billing, park: Biller, guest: Customer) -> None:
    made = billing.invoices.draft_for_units(biller=park, units=iter(("12", "1")), title="T", amount=money(1))
    assert len(made) == 2
    assert len(billing.invoices.draft_from_charges(guest, set(billing.charges.open_for(guest))).lines) == 1


@pytest.mark.parametrize(
    "given, field, told",
    [
        ({"renderer": "pdf"}, "renderer", "has no render"),
        ({"composer": "letters"}, "composer", "has no compose"),
        ({"mailer": 5}, "mailer", "has no send"),
        ({"mailer": Post}, "mailer", "has no send"),
        ({"gateway": 5}, "gateway", "has no info"),
        ({"gateway": [5]}, "gateway", "has no info"),
        ({"gateway": "stripe"}, "url", "has no scheme"),
        ({"mailer": "mail.example.org"}, "url", "has no scheme"),
        ({"clock": datetime(2026, 3, 2)}, "clock", "has no now"),
        ({"plugins": []}, "plugins", "is not Plugins"),
    ],
)
def test_a_part_that_cannot_do_its_work_is_refused_when_a_desk_is_opened(
    given: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(InvalidValue, match=told) as refused:
        Billing.open("memory://", **given)
    assert refused.value.field == field


@pytest.mark.parametrize("given", [{"mailer": "smpt://mail.example.org"}, {"gateway": ["stipe://sk_test_1"]}])
def test_a_scheme_nobody_offers_is_refused_when_a_desk_is_opened_and_no_secret_is_shown(given: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match="no plugin offers it") as refused:
        Billing.open("memory://", **given)
    assert "sk_test_1" not in str(refused.value)


@pytest.mark.parametrize("url", [None, Path("rent.db"), 5])
def test_what_is_no_text_is_no_url_of_a_store(url: Any) -> None:
    with pytest.raises(InvalidValue, match="is not text; write it as memory://"):
        Billing.open(url)


def test_no_day_has_no_status(billing: Billing, park: Biller, guest: Customer) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(1))
    for day in ("2026-03-02", datetime(2026, 3, 2), None):
        with pytest.raises(InvalidValue, match=r"^day="):
            draft.status_on(day)


@pytest.mark.parametrize("verb", ["run", "remind", "deliver", "collect", "recover"])
def test_who_acts_is_text_also_where_no_work_is_due(verb: str, billing: Billing) -> None:
    with pytest.raises(InvalidValue, match="actor=5: is not text"):
        getattr(wired(billing), verb)(actor=5)


@pytest.mark.parametrize("verb", ["run", "remind"])
def test_whether_it_is_a_dry_run_is_a_yes_or_no(verb: str, billing: Billing) -> None:
    with pytest.raises(InvalidValue, match="dry_run='no': is not a yes or no"):
        getattr(billing, verb)(dry_run="no")


def test_other_yes_or_nos_are_asked_for(billing: Billing, park: Biller, guest: Customer) -> None:
    draft = billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(1))
    with pytest.raises(InvalidValue, match="release_charges='no'"):
        billing.invoices.void(draft, release_charges="no")
    lease = billing.leases.add(
        biller=park, customer=guest, rent=money(5), frequency=Frequency.MONTHLY, starts=date(2026, 3, 1)
    )
    with pytest.raises(InvalidValue, match="reissue='no'"):
        billing.leases.generate(lease, reissue="no")


def test_a_shard_is_a_shard(billing: Billing) -> None:
    with pytest.raises(InvalidValue, match="is not a Shard"):
        billing.run_shard({})


def test_a_policy_of_another_preset_is_not_taken_in_silence(billing: Billing) -> None:
    with pytest.raises(InvalidValue, match="preset='stays': is not that of the policy, residents"):
        billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays", policy=Policy())
    own = Policy(preset="clients", labels="clients")
    made = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", policy=own)
    assert made.policy == own


def test_a_policys_text_of_digits_is_no_number() -> None:
    with pytest.raises(InvalidValue, match="terms_days='30': is not a whole number"):
        Policy(terms_days="30")


def test_a_gateway_that_is_not_here_says_how_it_comes_here(billing: Billing) -> None:
    with pytest.raises(NotFound, match=r"no gateway 'stripe' here; check its name, and give it to Billing\.open"):
        billing.receive("stripe", b"", {})


@pytest.mark.rule("M8")
@pytest.mark.parametrize("name", ["VAT\0", "VAT\n20", "VAT\ud800", "x" * 101])
def test_a_taxs_name_is_one_short_line_at_every_door(
    name: str, billing: Billing, park: Biller, guest: Customer
) -> None:
    taxes = (TaxRate(name=name, percent="20"),)
    before = everything(store_of(billing), park)
    doors: dict[str, Callable[[], object]] = {
        "draft": lambda: billing.invoices.draft(biller=park, customer=guest, title="T", amount=money(1), taxes=taxes),
        "lines": lambda: billing.invoices.draft(
            biller=park, customer=guest, title="T", lines=[Item(description="a", unit_price=money(1), taxes=taxes)]
        ),
        "charge": lambda: billing.charges.add(customer=guest, description="a", amount=money(1), taxes=taxes),
        "lease": lambda: billing.leases.add(
            biller=park, customer=guest, rent=money(5), starts=date(2026, 3, 1), taxes=taxes
        ),
    }
    for door, enter in doors.items():
        with pytest.raises(InvalidValue, match="is not one line of at most 100 characters") as refused:
            enter()
        assert refused.value.field.endswith("taxes.name"), door
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("M8")
@pytest.mark.parametrize("site", ["12\0", "12\ud800", b"12", 12, ["12"], "x" * 51, " "])
def test_an_items_site_is_short_text(site: Any, billing: Billing, park: Biller, guest: Customer) -> None:
    with pytest.raises(InvalidValue) as refused:
        billing.invoices.draft(
            biller=park, customer=guest, title="T", lines=[Item(description="a", unit_price=money(1), site=site)]
        )
    assert refused.value.field == "lines[0].site"


HALF = "x\ud800"
"""What JSON can spell and no store can keep."""


@pytest.mark.rule("T1")
@pytest.mark.parametrize("ref", [f"{HALF}_inv_1", "x\0_inv_1", "x\n_inv_1"])
def test_an_id_that_no_store_could_keep_is_one_never_given_out_and_takes_no_connection(
    ref: str, billing: Billing, park: Biller
) -> None:
    owner = ref.partition("_")[0]
    calls: tuple[Callable[[], object], ...] = (
        lambda: billing.invoices.void(ref),
        lambda: billing.payments.record(ref, money(1)),
        lambda: billing.invoices.publish_all(biller=owner),
        lambda: billing.run(biller=owner),
        lambda: billing.units.assign(owner, park),
    )
    for call in calls * 4:  # more than a pool has
        with pytest.raises((NotFound, InvalidValue)):
            call()
    assert billing.billers.get(park) == park


@pytest.mark.parametrize("said", ["\0", HALF])
@pytest.mark.parametrize("sort", ["created", "number"])
def test_a_page_mark_that_no_store_could_keep_is_none(said: str, sort: str, billing: Billing, park: Biller) -> None:
    mark = base64.urlsafe_b64encode(json.dumps([sort, said, said]).encode()).decode().rstrip("=")
    with pytest.raises(InvalidValue, match="is no page mark"):
        billing.invoices.find(biller=park, order=sort, after=mark)
    with pytest.raises(InvalidValue, match="is no id"):
        billing.messages.find(biller=park, after=said)


def test_a_shard_has_a_most_of_leases(billing: Billing) -> None:
    with pytest.raises(InvalidValue, match=r"size=.* give 1 to 1000000"):
        billing.shards(size=2**70)


@pytest.mark.rule("R17")
def test_shares_that_name_a_unit_twice_lose_no_weight_in_silence(billing: Billing, park: Biller) -> None:
    one = billing.units.find(biller=park)[0]
    with pytest.raises(InvalidValue, match="names a unit twice"):
        billing.invoices.draft_for_units(
            biller=park, title="T", total=money(100), shares={one.number: 1, one.id: 3, "2": 1}
        )


def test_a_list_where_one_name_is_wanted_is_refused(billing: Billing, park: Biller, guest: Customer) -> None:
    given: dict[str, Callable[[Any], object]] = {
        "unit": lambda some: billing.leases.add(
            biller=park, customer=guest, unit=some, rent=money(5), starts=date(2026, 3, 1)
        ),
        "preset": lambda some: billing.billers.add(
            name="P", currency="EUR", timezone="UTC", locale="en_GB", preset=some
        ),
        "category": lambda some: TaxRate(name="VAT", percent="20", category=some),
    }
    for field, call in given.items():
        for some in ([], {}, 5):
            with pytest.raises(InvalidValue) as refused:
                call(some)
            assert refused.value.field == field


def test_statuses_are_a_list(billing: Billing, park: Biller) -> None:
    for verb in (billing.invoices.find, billing.invoices.summary):
        with pytest.raises(InvalidValue, match="status=0: is not a list of statuses"):
            verb(biller=park, status=cast("Any", 0))
