"""The gateways' contract, parts A and B: what a gateway declares, and amounts that stay what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.errors import InvalidRequest, InvoicecoreError, NotSupported
from invoicecore.money import Money, decimals, from_minor, minor
from invoicecore.ports import PORT_VERSION, Capability, GatewayInfo, Operation, PayStatus
from invoicecore.testing.checks import examples
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import NOWHERE, Scene, Unclaimed, currency_of, money, refused

ODD: Final = ("EUR", "JPY", "KWD", "ISK", "UGX", "TND", "HUF")
"""Currencies with two, no and three decimals, and those that a provider treats in a way of its own."""

AWKWARD: Final = (113, 115, 201, 410, 510, 829, 6549)
"""Minor units that are one too few once they were a float times a hundred."""

NOT_MONEY: Final[dict[str, object]] = {
    "float": 5.0,
    "int": 500,
    "bool": True,
    "text": "5.00",
    "decimal": Decimal("5.00"),
    "nothing": None,
    "zero": Money("0.00", "EUR"),
    "negative": Money("-5.00", "EUR"),
    "too fine": Money("5.001", "EUR"),
    "not a number": Money(Decimal("NaN"), "EUR"),
}


class DeclaredContract(ItemsContract):
    """What a gateway says of itself, and what it does with amounts."""

    # --- A. Declaration -----------------------------------------------------------------------------------------------

    @item(1)
    def test_what_it_declares_is_data_and_the_same_for_every_instance(self, scene: Scene) -> None:
        info = scene.gateway.info
        assert type(info) is GatewayInfo
        assert info == scene.bench.gateway().info == scene.gateway.info
        assert info.port_version == PORT_VERSION
        assert info.name
        assert info.methods
        assert all(spec.can and spec.currencies and spec.scheme for spec in info.methods)
        told = json.loads(json.dumps(attrs.asdict(info, value_serializer=_plain)))
        assert told["name"] == info.name
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            info.name = "another"  # type: ignore[misc]  # to show that it cannot be

    @item(2)
    def test_what_is_not_claimed_is_refused_without_a_request_and_what_is_claimed_is_not(self, scene: Scene) -> None:
        for capability, call in scene.calls().items():
            if not scene.gateway.info.can(capability):
                scene.refuses(capability)
                continue
            try:
                call()
            except NotSupported as error:
                raise AssertionError(f"{capability} is claimed") from error
            except InvoicecoreError:  # nobody has what it is about
                continue

    @item(3)
    def test_a_currency_it_does_not_take_is_refused_without_a_request(self, scene: Scene) -> None:
        gateway, tried = scene.gateway, False
        for capability in (Capability.CHECKOUT, Capability.CHARGE, Capability.SETUP):
            claiming = [spec for spec in gateway.info.methods if capability in spec.can]
            taken = {code for spec in claiming for code in spec.currencies}
            foreign = next((code for code in NOWHERE if code not in taken), None)
            if not claiming or foreign is None:
                continue
            amount = from_minor(50_000, foreign)
            calls: dict[Capability, Callable[[], object]] = {
                Capability.CHECKOUT: lambda amount=amount: gateway.checkout(scene.checkout(amount), scene.key()),  # type: ignore[misc]  # the default binds the loop's value
                Capability.SETUP: lambda spec=claiming[0], code=foreign: gateway.setup(  # type: ignore[misc]  # as above
                    scene.setup(spec.kind, code), scene.key()
                ),
            }
            if capability is Capability.CHARGE:
                wanted = attrs.evolve(scene.charge(claiming[0]), amount=amount)
                calls[Capability.CHARGE] = lambda wanted=wanted: gateway.charge(wanted, scene.key())  # type: ignore[misc]  # as above
            tried = True
            with scene.untouched():
                refused(calls[capability], InvalidRequest)
        if not tried:
            raise Unclaimed("a currency to try")

    @item(4)
    def test_it_says_how_long_a_key_is_good_for(self, scene: Scene) -> None:
        assert scene.gateway.info.key_window > timedelta(0), "without it nothing is ever sent twice"

    @item(5)
    def test_no_secret_is_in_what_it_looks_like(self, scene: Scene) -> None:
        seen = f"{scene.gateway!r} {scene.gateway} {scene.gateway.info!r}"
        assert scene.bench.secrets, "a bench names every secret that its gateway is configured with"
        assert not [secret for secret in scene.bench.secrets if secret in seen]

    # --- B. Money -----------------------------------------------------------------------------------------------------

    @item(6)
    def test_an_amount_arrives_as_it_was_asked_for(self, scene: Scene) -> None:
        takes = [
            (spec, code)
            for capability in (Capability.CHARGE, Capability.CHECKOUT)
            for spec in scene.gateway.info.methods
            if capability in spec.can
            for code in ODD
            if code in spec.currencies and (capability is Capability.CHARGE or Capability.CHARGE not in spec.can)
        ]
        if not takes:
            raise Unclaimed("none of the currencies to try")

        @examples(20)
        @given(which=st.integers(0, len(takes) - 1), units=st.sampled_from(AWKWARD) | st.integers(100, 9_999_999))
        def check(which: int, units: int) -> None:
            spec, code = takes[which]
            amount, key = from_minor(max(units, spec.least.get(code, 1)), code), scene.key()
            try:
                if Capability.CHARGE in spec.can:
                    wanted = attrs.evolve(scene.charge(spec, currency=code), amount=amount)
                    snapshot = scene.gateway.charge(wanted, key)
                else:
                    snapshot = scene.gateway.payment(scene.gateway.checkout(scene.checkout(amount), key).reference)
            except InvalidRequest:
                # A provider may not take the last digit of some currencies; then nothing may have come of it.
                assert (decimals(code) == 3 and minor(amount) % 10) or code in ("ISK", "UGX", "HUF"), (code, amount)
                assert not [each for each in scene.bench.effects() if each.key == key]
                return
            assert snapshot.amount == amount
            assert {each.amount for each in scene.bench.effects() if each.key == key and each.amount} <= {amount}

        check()

    @item(7)
    @pytest.mark.parametrize("amount", NOT_MONEY.values(), ids=NOT_MONEY)
    def test_what_is_not_money_is_refused_without_a_request(self, scene: Scene, amount: object) -> None:
        gateway = scene.gateway
        calls: list[Callable[[], object]] = []
        if gateway.info.can(Capability.CHARGE):
            [spec, *_] = scene.needs(Capability.CHARGE)
            charge = attrs.evolve(scene.charge(spec), amount=amount)  # type: ignore[arg-type]  # that is the test
            calls.append(lambda: gateway.charge(charge, scene.key()))
        if gateway.info.can(Capability.CHECKOUT):
            page = scene.checkout(amount)  # type: ignore[arg-type]  # as above
            calls.append(lambda: gateway.checkout(page, scene.key()))
        if gateway.info.can(Capability.REFUND):
            [spec, *_] = scene.needs(Capability.REFUND)
            refund = attrs.evolve(scene.refunding(scene.paid(spec), money(spec, 100)), amount=amount)  # type: ignore[arg-type]  # as above
            calls.append(lambda: gateway.refund(refund, scene.key()))
        for call in calls:
            with scene.untouched():
                refused(call, InvalidRequest)

    @item(8)
    def test_less_than_it_takes_is_never_collected(self, scene: Scene) -> None:
        tried = False
        for spec in scene.needs(Capability.CHARGE):
            code = currency_of(spec)
            if spec.least.get(code, 1) < 2:
                continue
            tried, key = True, scene.key()
            wanted = attrs.evolve(scene.charge(spec), amount=from_minor(spec.least[code] - 1, code))
            with suppress(InvalidRequest):
                assert scene.gateway.charge(wanted, key).status is PayStatus.FAILED
            assert scene.collected(key) == 0
        if not tried:
            raise Unclaimed("a smallest amount")

    @item(9)
    def test_what_is_told_is_what_was_asked_for(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE):
            charge, key = scene.charge(spec, 7310), scene.key()
            told = [scene.gateway.charge(charge, key)]
            told.append(scene.gateway.payment(told[0].reference))
            told.append(scene.settled(told[0]))
            assert {each.amount for each in told} == {charge.amount}
            assert {each.method for each in told} <= {charge.method, None}
            assert {each.kind for each in told} == {spec.kind}
            assert told[-1].collected == charge.amount

    @item(10)
    def test_no_amount_is_written_with_a_fraction(self, scene: Scene) -> None:
        for operation in Operation:
            try:
                scene.making(operation).do(scene.key())
            except Unclaimed:
                continue
        sent = [each for each in scene.bench.exchanges() if each.body]
        assert sent, "nothing was sent"
        for exchange in sent:
            for name, value in _numbers(exchange.body):
                assert not set(value) & set(".eE"), f"{exchange.path} has {name}={value}"


def _numbers(body: bytes) -> list[tuple[str, str]]:
    """The names and texts of what may be an amount in a body that is JSON or a form."""
    text = body.decode()
    if not text.lstrip().startswith(("{", "[")):
        return [(name, value) for name, value in parse_qsl(text) if "amount" in name]
    found: list[tuple[str, str]] = []

    def number(value: str) -> str:
        found.append(("a number", value))
        return value

    json.loads(text, parse_float=number)
    return found


def _plain(instance: object, field: object, value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.total_seconds() if isinstance(value, timedelta) else value
