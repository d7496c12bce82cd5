"""Saved cards and mandates: set up on the provider's page, kept as the provider has them, found, and given up (C6, S9)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from desks import all_of, everything, gateway_of, money, resent, save, store_of, unreachable, wired
from invoicecore import Billing
from invoicecore.alerts import AlertKind
from invoicecore.collection import CollectionState, MethodState, SavedMethod
from invoicecore.errors import (
    GatewayError,
    InvalidValue,
    NoSavedMethod,
    NotAllowed,
    NotFound,
    NotSent,
    NotSupported,
    NotWired,
    OutcomeUnknown,
    PaymentsOff,
    StoreError,
)
from invoicecore.messages import MessageKind
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway

BACK = "https://app.example/back"


@pytest.fixture
def gateway(billing: Billing) -> MemoryGateway:
    return gateway_of(billing)


@pytest.mark.rule("C6", "S9")
@pytest.mark.parametrize("kind, scheme", [("card", "card"), ("direct_debit", "bank_debit")])
def test_a_method_can_be_charged_once_the_provider_says_it_is_saved_and_not_when_its_payer_comes_back(
    billing: Billing, gateway: MemoryGateway, guest: Customer, kind: str, scheme: str
) -> None:
    page = billing.methods.setup(guest, kind=kind, return_url=BACK)
    begun = page.method
    assert page.url.startswith("https://checkout.example/")
    assert page.url not in repr(page), "who has it may save a method"
    assert (begun.state, begun.chargeable, begun.customer, begun.gateway, begun.kind) == (
        MethodState.OPEN, False, guest.id, "memory", PaymentMethod(kind),
    )  # fmt: skip
    assert billing.methods.refresh(begun) == begun == billing.methods.get(begun.id)
    gateway.save(page.url)
    saved = billing.methods.refresh(begun)
    assert (saved.id, saved.state, saved.chargeable, saved.scheme) == (begun.id, MethodState.ACTIVE, True, scheme)
    assert saved.reference != saved.setup == begun.setup
    assert "••••" in saved.label
    assert billing.methods.get(begun) == saved
    assert [step.action for step in billing.invoices.timeline(saved.id)] == ["set-up begun", "method active"]


@pytest.mark.rule("C6", "D6")
def test_the_providers_webhook_tells_that_a_method_is_saved_once(
    billing: Billing, gateway: MemoryGateway, guest: Customer
) -> None:
    page = billing.methods.setup(guest, return_url=BACK)
    body, headers = gateway.save(page.url)
    [told] = billing.receive("memory", body, headers)
    saved = billing.methods.get(page.method)
    assert (told.state, saved.chargeable) == ("applied", True)
    [again] = billing.receive("memory", *resent(gateway, body))
    assert (again.state, billing.methods.get(saved)) == ("repeated", saved)
    assert billing.methods.refresh(saved) == saved


@pytest.mark.rule("C6")
def test_a_set_up_whose_answer_is_lost_is_no_method_and_the_customer_may_begin_again(
    billing: Billing, gateway: MemoryGateway, guest: Customer
) -> None:
    with pytest.raises(OutcomeUnknown), unreachable(gateway, after=True):
        billing.methods.setup(guest, return_url=BACK)
    [lost] = billing.methods.find(customer=guest)
    assert (lost.chargeable, billing.methods.refresh(lost)) == (False, lost)
    assert save(billing, guest).chargeable


@pytest.mark.rule("C6")
def test_a_method_given_up_here_is_given_up_at_the_provider_and_is_charged_no_more(
    billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer
) -> None:
    method = save(billing, guest, "card")
    gone = billing.methods.revoke(method, actor="ana")
    assert (gone.state, gone.chargeable) == (MethodState.INACTIVE, False)
    [there] = gateway.provider.held("method")
    assert there["state"] == "inactive"
    assert billing.methods.revoke(method) == gone, "harmless to repeat"
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(5))
    invoice = billing.invoices.publish(draft)
    for asked in ({}, {"method": method}):
        with pytest.raises(NoSavedMethod):
            billing.payments.charge(invoice, **asked)  # type: ignore[arg-type]  # one argument or none
    assert billing.invoices.timeline(method.id)[-1].actor == "ana"


@pytest.mark.rule("C6", "N3")
def test_giving_up_a_method_whose_answer_is_lost_is_looked_up_and_not_guessed(
    billing: Billing, gateway: MemoryGateway, guest: Customer
) -> None:
    method = save(billing, guest, "card")
    provider, answer = gateway.provider, gateway.provider.answer

    def once(ask: Any) -> Any:
        answer(ask)
        provider.answer = answer  # type: ignore[method-assign]  # the network is there again
        raise TimeoutError

    provider.answer = once  # type: ignore[method-assign]  # it goes away after the request
    assert billing.methods.revoke(method).state is MethodState.INACTIVE


@pytest.mark.rule("C6", "S9")
@pytest.mark.parametrize("how", ["webhook", "refresh"])
def test_what_was_to_be_collected_by_a_mandate_the_customer_gave_up_is_asked_for_with_a_link(
    billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer, how: str
) -> None:
    method = save(billing, guest)
    draft = billing.invoices.draft(biller=park, customer=guest, title="Stay", amount=money(50))
    invoice = billing.invoices.publish(draft, notify=False)
    with suppress(NotSent), unreachable(gateway):
        billing.payments.charge(invoice)
    [reserved] = billing.collections.find(invoice=invoice)
    assert reserved.state is CollectionState.RESERVED
    told = gateway.give_up(method.reference or "")
    if how == "webhook":
        billing.receive("memory", *told)
    assert billing.methods.refresh(method).state is MethodState.INACTIVE
    assert billing.collections.get(reserved).state is CollectionState.NOT_EXECUTED
    assert billing.invoices.get(invoice).recordable == money(50)
    assert [alert.kind for alert in billing.alerts.find(invoice=invoice)] == [AlertKind.NO_METHOD]
    assert MessageKind.COLLECTION_FAILED in [message.kind for message in billing.messages.find(invoice=invoice)]


@pytest.mark.rule("C6")
def test_a_method_the_bank_has_replaced_is_charged_by_its_new_name(
    billing: Billing, gateway: MemoryGateway, guest: Customer, clock: FixedClock
) -> None:
    method = save(billing, guest)
    new = gateway.provider.replace(method.reference or "")
    after = billing.methods.refresh(method)
    assert (after.id, after.reference) == (method.id, new)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"kind": "cash"}, NotSupported, "memory"),
    ({"kind": "voucher"}, InvalidValue, "kind"),
    ({"return_url": ""}, InvalidValue, "return_url"),
    ({"return_url": "x" * 2001}, InvalidValue, "return_url"),
    ({"cancel_url": ""}, InvalidValue, "cancel_url"),
    ({"scheme": "x" * 51}, InvalidValue, "scheme"),
    ({"customer": "nobody000000_cus_1"}, NotFound, "nobody000000"),
]


@pytest.mark.rule("C6")
@pytest.mark.parametrize("given, error, named", REFUSED, ids=range(len(REFUSED)))
def test_a_set_up_that_cannot_be_is_refused_and_nothing_is_written(
    billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer,
    given: dict[str, Any], error: type[Exception], named: str,
) -> None:  # fmt: skip
    before = everything(store_of(billing), park)
    with pytest.raises(error, match=named):
        billing.methods.setup(**{"customer": guest, "return_url": BACK, **given})
    assert everything(store_of(billing), park) == before
    assert list(gateway.provider.held("setup")) == []


@pytest.mark.rule("C6", "R1", "P2")
def test_a_set_up_needs_payments_a_gateway_and_no_transaction_around_it(
    billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer
) -> None:
    before = everything(store_of(billing), park)
    with pytest.raises(NotWired, match="gateway="):
        wired(billing, gateway=None).methods.setup(guest, return_url=BACK)
    with store_of(billing).writing(), pytest.raises(StoreError):
        billing.methods.setup(guest, return_url=BACK)
    assert everything(store_of(billing), park) == before
    park = billing.billers.edit(park, payments=False)
    with pytest.raises(PaymentsOff):
        billing.methods.setup(guest, return_url=BACK)
    assert all_of(store_of(billing), park, SavedMethod) == []
    assert list(gateway.provider.held("setup")) == []


@pytest.mark.rule("C6")
def test_a_method_that_is_not_set_up_yet_cannot_be_given_up(billing: Billing, guest: Customer) -> None:
    page = billing.methods.setup(guest, return_url=BACK)
    with pytest.raises(NotAllowed, match="it is not set up yet"):
        billing.methods.revoke(page.method)


def test_a_provider_that_cannot_be_reached_changes_nothing(
    billing: Billing, gateway: MemoryGateway, park: Biller, guest: Customer
) -> None:
    method = save(billing, guest)
    before = everything(store_of(billing), park)
    for verb in (billing.methods.refresh, billing.methods.revoke):
        with pytest.raises(GatewayError), unreachable(gateway):
            verb(method)
    assert everything(store_of(billing), park) == before


def test_methods_are_found_by_customer_and_state_in_pages(
    billing: Billing, park: Biller, guest: Customer, clock: FixedClock
) -> None:
    other = billing.customers.add(biller=park, name="Bob")
    made = []
    for who in (guest, other, guest):
        made.append(save(billing, who, "card"))
        clock.advance(timedelta(seconds=1))
    gone = billing.methods.revoke(made[0])
    assert billing.methods.find(biller=park) == [gone, *made[1:]]
    assert billing.methods.find(customer=guest) == [gone, made[2]]
    assert billing.methods.find(customer=guest, state="active") == [made[2]]
    assert billing.methods.find(biller=park, limit=1) == [gone]
    assert billing.methods.find(biller=park, after=gone.id, limit=1) == [made[1]]
    with pytest.raises(InvalidValue, match="state"):
        billing.methods.find(biller=park, state="gone")
    for strange in (f"{park.id}_cus_never", "nobody000000_cus_1"):
        with pytest.raises(NotFound):
            billing.methods.find(customer=strange)
    for strange in (f"{park.id}_met_never", "nobody000000_met_1"):
        with pytest.raises(NotFound, match="method"):
            billing.methods.get(strange)
