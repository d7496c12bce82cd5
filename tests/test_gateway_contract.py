"""The gateway in memory is a gateway: it passes the contract every gateway passes, whatever it claims.

Besides: what the contract reports, and what the gateway in memory is for, demos and the tests of hosts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from invoicecore.collection import DeclineCode, MethodState
from invoicecore.errors import KeyMismatch, NotFound, StateConflict
from invoicecore.money import Money
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.plugins import Plugins
from invoicecore.ports import About, Capability, Charge, Checkout, GatewayInfo, PayStatus, Setup
from invoicecore.testing import FixedClock, GatewayContract, conformance
from invoicecore.testing.gateway_bench import Fault
from invoicecore.testing.gateway_items import BenchFactory
from invoicecore.testing.gateway_mutants import play
from invoicecore.testing.gateway_scene import Scene
from invoicecore_adapters import memory
from invoicecore_adapters.memory import MemoryGateway, MemoryProvider
from invoicecore_adapters.memory.bench import MemoryBench


class GatewayThatClaimsLittle(MemoryGateway):
    """Debits of saved methods, and nothing else."""

    @property
    def info(self) -> GatewayInfo:
        whole = super().info
        [debits] = [spec for spec in whole.methods if spec.kind is PaymentMethod.DIRECT_DEBIT]
        return attrs.evolve(whole, methods=(attrs.evolve(debits, can=frozenset({Capability.CHARGE})),))


class BenchThatClaimsLittle(MemoryBench):
    gateways = GatewayThatClaimsLittle


class TestMemoryGateway(GatewayContract):
    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return MemoryBench


class TestGatewayThatClaimsLittle(GatewayContract):
    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return BenchThatClaimsLittle


class GatewayOfPages(MemoryGateway):
    """Cards on pages, and no method that is saved."""

    @property
    def info(self) -> GatewayInfo:
        whole = super().info
        [cards] = [spec for spec in whole.methods if spec.kind is PaymentMethod.CARD]
        can = frozenset(
            map(Capability, "checkout expire refund partial_refund lookup webhooks backfill listing".split())
        )
        return attrs.evolve(whole, methods=(attrs.evolve(cards, can=can),))


class BenchOfPages(MemoryBench):
    gateways = GatewayOfPages


class TestGatewayOfPages(GatewayContract):
    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return BenchOfPages


@pytest.mark.parametrize(
    "test",
    [
        "test_an_answer_that_does_not_come_is_not_waited_for",
        "test_an_answer_that_never_ends_is_not_waited_for",
        "test_everything_else_fails_in_our_words_too",
        "test_no_text_of_ours_breaks_it",
        "test_a_status_that_nobody_knows_is_nothing_when_read_again",
        "test_a_redirection_tells_nothing_of_a_payment",
        "test_what_is_many_pages_back_is_found_and_listed",
        "test_no_log_has_a_secret",
    ],
)
def test_what_needs_a_payment_is_shown_by_one_paid_on_a_page_too(test: str) -> None:
    class Adopted(GatewayContract):
        pass

    play(Adopted, test, BenchOfPages)
    [played] = Adopted.__subclasses__()
    report = conformance(played)
    assert (report.passed, report.unclaimed) == (tuple(sorted(getattr(Adopted, test).items)), ())


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_shown_and_why_the_rest_was_not(tmp_path: Path) -> None:
    class Adopted(GatewayContract):
        waived = {27: "its provider gives no second try"}  # noqa: RUF012  # as an author writes it
        impossible = {Fault.REFUSE: "there is no network"}  # noqa: RUF012  # as above
        conformance_file = tmp_path / "conformance.json"

    class ShowsItsSecrets(MemoryGateway):
        def __repr__(self) -> str:
            return self.provider.api_key

    class Bench(MemoryBench):
        gateways = ShowsItsSecrets

    adopted = Adopted()
    scene = Scene(Bench())
    adopted.test_it_says_how_long_a_key_is_good_for(scene)
    adopted.test_less_than_it_takes_is_never_collected(scene)
    with pytest.raises(AssertionError):
        adopted.test_no_secret_is_in_what_it_looks_like(scene)
    with pytest.raises(pytest.skip.Exception, match="waived: its provider gives no second try"):
        adopted.test_a_payment_tried_again_keeps_its_name_and_is_collected_once(scene)
    with pytest.raises(pytest.skip.Exception, match="refuse cannot happen: there is no network"):
        adopted.test_what_never_left_did_not_happen(scene, "charge")
    Adopted.teardown_class()
    told = json.loads(Adopted.conformance_file.read_text("utf-8"))
    assert told == json.loads(conformance(Adopted).json())
    assert (told["passed"], told["failed"], told["unclaimed"]) == ([4], [5], [8, 36])
    assert told["waived"] == {"27": "its provider gives no second try", "fault refuse": "there is no network"}
    assert set(told["elsewhere"]) == {"20", "34", "66", "71"}
    known = {4, 5, 8, 36, 27, 20, 34, 66, 71}
    assert told["missing"] == [number for number in range(1, 81) if number not in known]


def test_every_item_has_a_test_or_says_who_shows_it() -> None:
    tests = [getattr(GatewayContract, name) for name in dir(GatewayContract) if name.startswith("test_")]
    assert {number for test in tests for number in test.items} == set(range(1, 81)) - {20, 34, 66, 71}


# --- demos, and the tests of hosts ------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def gateway(clock: FixedClock) -> MemoryGateway:
    return MemoryGateway(clock=clock)


def checkout(amount: str = "12.50") -> Checkout:
    return Checkout(
        amount=Money(amount, "EUR"),
        reference="INV-000012",
        description="Rent",
        locale="fr_FR",
        success_url="https://host.example/paid",
        cancel_url="https://host.example/back",
        expires_at=NOW + timedelta(hours=2),
        email="elodie@example.net",
    )


def charge(gateway: MemoryGateway, on: date | None = None, decline: str | None = None) -> Charge:
    method, owner = gateway.saved(PaymentMethod.DIRECT_DEBIT, "EUR", decline=decline)
    return Charge(
        method=method, owner=owner, amount=Money("50", "EUR"), reference="INV-1", description="Rent", charge_on=on
    )


def test_a_payer_pays_and_the_webhook_is_there_to_be_handed_over(gateway: MemoryGateway) -> None:
    page = gateway.checkout(checkout(), "key-1")
    assert page.url == f"https://checkout.example/{page.reference}"
    assert gateway.checkouts == {page.reference: checkout()}
    body, headers = gateway.pay(page.url)
    [notice] = gateway.notices(body, headers)
    assert (notice.about, notice.key, notice.happened_at) == (About.PAYMENT, "key-1", NOW)
    assert gateway.payment(notice.reference).status is PayStatus.SUCCEEDED
    assert [gateway.notices(*each) for each in gateway.webhooks()] == [(notice,)]
    assert gateway.webhooks() == []


@pytest.mark.parametrize(
    "what, error",
    [
        (lambda gateway: gateway.pay("https://checkout.example/nothing"), NotFound),
        (lambda gateway: gateway.save("https://checkout.example/nothing"), NotFound),
        (lambda gateway: gateway.collect("pay_nothing"), NotFound),
        (lambda gateway: gateway.give_up("met_nothing"), NotFound),
        (lambda gateway: [gateway.pay(gateway.checkout(checkout(), "k").url) for _ in "12"], StateConflict),
        (
            lambda gateway: [gateway.fail(gateway.charge(charge(gateway), "k").reference, "x") for _ in "12"],
            KeyMismatch,
        ),
    ],
    ids=["no page", "no set-up", "no payment", "no method", "paid already", "another method under the key"],
)
def test_what_cannot_happen_is_said(
    gateway: MemoryGateway, what: Callable[[MemoryGateway], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        what(gateway)


def test_gateways_on_one_provider_see_the_same_as_after_a_restart(clock: FixedClock) -> None:
    provider = MemoryProvider("http://127.0.0.1:8000/pay", clock=clock)
    first, second = MemoryGateway(provider=provider), MemoryGateway(provider=provider)
    page = first.checkout(checkout(), "key-1")
    second.pay(page.url)
    assert first.payment(page.reference) == second.payment(page.reference)
    assert MemoryGateway(clock=clock).checkouts == {}


def test_a_debit_arrives_when_it_is_said_and_on_a_working_day(gateway: MemoryGateway) -> None:
    told = gateway.charge(charge(gateway), "key-1")
    assert (told.status, told.expected_on) == (PayStatus.PENDING, date(2026, 11, 25))
    weekend = gateway.charge(charge(gateway, on=date(2026, 11, 28)), "key-2")
    assert weekend.expected_on == date(2026, 11, 30)
    gateway.collect(told.reference)
    gateway.reverse(told.reference, ReversalKind.LATE_FAILURE)
    told = gateway.payment(told.reference)
    assert (told.status, told.collected, len(told.reversals)) == (PayStatus.SUCCEEDED, Money("50.00", "EUR"), 1)


def test_a_method_that_is_declined_is_so_when_its_money_is_due(gateway: MemoryGateway) -> None:
    told = gateway.charge(charge(gateway, decline="bank_account_closed"), "key-1")
    assert told.status is PayStatus.PENDING
    gateway.collect(told.reference)
    told = gateway.payment(told.reference)
    assert told.status is PayStatus.FAILED
    assert told.decline is not None
    assert told.decline.code is DeclineCode.ACCOUNT_CLOSED


def test_a_provider_that_tries_again_by_itself_says_so(gateway: MemoryGateway) -> None:
    told = gateway.charge(charge(gateway), "key-1")
    gateway.provider.fail(told.reference, "insufficient_funds", again=True)
    decline = gateway.payment(told.reference).decline
    assert decline is not None
    assert decline.provider_will_retry


def test_a_method_that_the_bank_replaced_names_the_new_one(gateway: MemoryGateway) -> None:
    page = gateway.setup(
        Setup(
            kind=PaymentMethod.DIRECT_DEBIT,
            currency="EUR",
            name="Élodie",
            locale="fr_FR",
            return_url="https://host.example/saved",
            cancel_url="https://host.example/back",
        ),
        "key-1",
    )
    gateway.save(page.url)
    old = gateway.method(page.reference)
    new = gateway.provider.replace(old.reference)
    assert (gateway.method(old.reference).state, gateway.method(old.reference).replaced_by) == (
        MethodState.INACTIVE,
        new,
    )
    assert (gateway.method(new).state, gateway.method(new).key) == (MethodState.ACTIVE, "key-1")


def test_a_key_is_forgotten_after_its_window_as_real_providers_do(gateway: MemoryGateway, clock: FixedClock) -> None:
    wanted = charge(gateway)
    first = gateway.charge(wanted, "key-1")
    clock.advance(gateway.info.key_window)
    assert gateway.charge(wanted, "key-1").reference == first.reference
    clock.advance(timedelta(seconds=1))
    assert gateway.charge(wanted, "key-1").reference != first.reference


@pytest.mark.parametrize(
    "url, pages",
    [("memory://", "https://checkout.example/"), ("memory://127.0.0.1:8000/pay", "http://127.0.0.1:8000/pay/")],
)
def test_it_is_opened_by_its_url(url: str, pages: str) -> None:
    opened = Plugins.of(memory.plugin).gateway(url)
    assert opened.checkout(checkout(), "key-1").url.startswith(pages)
