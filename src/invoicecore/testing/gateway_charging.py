"""The gateways' contract, parts E and F: charging a saved method, and one effect under one key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import attrs
import pytest

from invoicecore.collection import Advice, DeclineCode
from invoicecore.errors import InProgress, InvalidRequest, KeyMismatch, StateConflict
from invoicecore.money import minor
from invoicecore.ports import Capability, HostedPage, MethodSnapshot, MethodSpec, Operation, PaymentSnapshot, PayStatus
from invoicecore.testing.checks import all_at_once
from invoicecore.testing.gateway_bench import EffectKind
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import Making, Scene, Snapshot, Unclaimed, is_zero, refused

MAKING = pytest.mark.parametrize("operation", list(Operation), ids=str)
"""The four operations that make something."""

THREADS = 8


class ChargingContract(ItemsContract):
    """Charging, and keys."""

    # --- E. Charging --------------------------------------------------------------------------------------------------

    @item(22)
    def test_a_charge_is_decided_at_once_or_pending_until_its_money_arrives(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE):
            told, key = scene.charged(spec)
            assert told.key == key
            assert told.decline is None
            if spec.synchronous:
                assert (told.status, told.collected) == (PayStatus.SUCCEEDED, told.amount)
                continue
            for pending in (told, scene.gateway.payment(told.reference)):
                assert pending.status is PayStatus.PENDING
                assert is_zero(pending.collected), "a pending payment has collected nothing"
            assert scene.collected(key) == 0
            paid = scene.settled(told)
            assert (paid.reference, paid.collected) == (told.reference, told.amount)
            scene.bench.pay_out(told.reference)
            assert scene.gateway.payment(told.reference).collected == told.amount

    @item(23)
    def test_a_decline_says_why_in_our_words(self, scene: Scene) -> None:
        codes = scene.bench.declines()
        assert DeclineCode.UNSPECIFIED in codes.values(), "a bench has a code that nobody knows"
        for spec in scene.needs(Capability.CHARGE):
            for code, expected in codes.items():
                told = declined(scene, spec, code)
                assert told.status in (PayStatus.FAILED, PayStatus.REQUIRES_ACTION)
                assert is_zero(told.collected)
                if told.decline is not None or told.status is PayStatus.FAILED:
                    assert told.decline is not None, f"nothing says why {code!r} failed"
                    assert told.decline.code == expected, f"{code!r} is {told.decline.code}, not {expected}"
                    assert told.decline.raw_code == code

    @item(23)
    def test_a_payer_who_was_declined_may_try_again(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT, Capability.REFUND)
        making, key = scene.making(Operation.CHECKOUT), scene.key()
        page = made(HostedPage, making.do(key))
        code = next(code for code, known in scene.bench.declines().items() if known == DeclineCode.INSUFFICIENT_FUNDS)
        scene.bench.pay(page.url, decline=code)
        told = scene.gateway.payment(page.reference)
        assert told.status in (PayStatus.OPEN, PayStatus.FAILED), spec
        assert is_zero(told.collected)
        if told.status is PayStatus.FAILED:
            assert told.decline is not None
            assert told.decline.code is DeclineCode.INSUFFICIENT_FUNDS
        assert scene.collected(key) == 0

    @item(24)
    def test_what_only_the_payer_can_do_is_told_with_the_payments_name(self, scene: Scene) -> None:
        codes = [code for code, known in scene.bench.declines().items() if known == DeclineCode.AUTHENTICATION_REQUIRED]
        if not codes:
            raise Unclaimed("charges that the payer has to confirm")
        for spec in scene.needs(Capability.CHARGE):
            if not spec.synchronous:
                continue
            told = declined(scene, spec, codes[0])
            assert told.reference
            assert scene.gateway.payment(told.reference).reference == told.reference
            if told.status is not PayStatus.REQUIRES_ACTION:
                assert told.status is PayStatus.FAILED
                assert told.decline is not None
                assert told.decline.code is DeclineCode.AUTHENTICATION_REQUIRED
                assert told.decline.advice is Advice.PAYER_ACTION

    @item(25)
    def test_a_debit_comes_on_the_day_that_is_told(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE, Capability.CHARGE_DATE):
            asked = scene.charge(spec)
            first = scene.gateway.method(asked.method).next_charge_on
            assert first is not None, "a method that is charged on a day says from which"
            for later in range(8):  # one of them is no working day
                day = first + timedelta(days=14 + later)
                told = scene.gateway.charge(attrs.evolve(asked, charge_on=day), scene.key())
                assert told.expected_on is not None
                assert day <= told.expected_on <= day + timedelta(days=5), f"{day} became {told.expected_on}"
                assert scene.gateway.payment(told.reference).expected_on == told.expected_on
            soon = scene.gateway.charge(asked, scene.key())
            assert soon.expected_on is not None
            assert soon.expected_on >= first

    @item(25)
    def test_a_day_that_is_too_early_is_refused_or_moved(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE, Capability.CHARGE_DATE):
            asked, key = scene.charge(spec), scene.key()
            first = scene.gateway.method(asked.method).next_charge_on
            assert first is not None
            early = attrs.evolve(asked, charge_on=first - timedelta(days=1))
            try:
                told = scene.gateway.charge(early, key)
            except (InvalidRequest, StateConflict):
                assert not scene.effects(EffectKind.PAYMENT, key)
            else:
                assert told.expected_on is not None
                assert told.expected_on >= first

    @item(26)
    def test_a_payment_is_cancelled_until_it_is_too_late(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE, Capability.CANCEL):
            waiting, key = scene.charged(spec)
            if waiting.status is not PayStatus.PENDING:
                continue
            assert scene.gateway.cancel(waiting.reference, scene.key()).status is PayStatus.CANCELLED
            assert scene.gateway.payment(waiting.reference).status is PayStatus.CANCELLED
            assert scene.collected(key) == 0
            paid = scene.paid(spec)
            refused(lambda paid=paid: scene.gateway.cancel(paid.reference, scene.key()), StateConflict)  # type: ignore[misc]  # the default binds the loop's value
            assert scene.gateway.payment(paid.reference) == paid

    @item(27)
    def test_a_payment_tried_again_keeps_its_name_and_is_collected_once(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE, Capability.RETRY):
            told, key = scene.charged(spec)
            failed = fail(scene, told)
            assert failed.status is PayStatus.FAILED
            assert is_zero(failed.collected)
            again = scene.gateway.retry(told.reference, scene.key())
            assert (again.reference, again.status, again.key) == (told.reference, PayStatus.PENDING, key)
            assert again.decline is None
            refused(lambda told=told: scene.gateway.retry(told.reference, scene.key()), StateConflict)  # type: ignore[misc]  # the default binds the loop's value
            paid = scene.settled(again)
            assert (paid.reference, paid.collected) == (told.reference, told.amount)
            assert scene.collected(key) == minor(told.amount)

    # --- F. Keys ------------------------------------------------------------------------------------------------------

    @item(28, refunds=35)
    @MAKING
    def test_the_same_again_under_the_same_key_is_one_effect(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        first, again = making.do(key), making.do(key)
        assert again.reference == first.reference
        once(scene, making, key, first)

    @item(29, refunds=35)
    @MAKING
    def test_the_same_from_many_threads_is_one_effect(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()

        def attempt(_: int) -> Snapshot | None:
            try:
                return making.do(key)
            except InProgress:
                return None

        told = {each.reference for each in all_at_once(THREADS, attempt) if each is not None}
        assert len(told) == 1, f"{len(told)} things were made under one key"
        once(scene, making, key, making.do(key))

    @item(30, refunds=35)
    @MAKING
    def test_a_key_that_has_made_something_makes_nothing_else(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        first = making.do(key)
        for other in making.others:
            refused(lambda other=other: other(key), KeyMismatch)  # type: ignore[misc]  # the default binds the loop's value
        once(scene, making, key, first)

    @item(31, refunds=35)
    @MAKING
    def test_the_same_under_another_key_is_another_effect(self, scene: Scene, operation: Operation) -> None:
        making, keys = scene.making(operation), [scene.key(), scene.key()]
        first = making.do(keys[0])
        if operation is Operation.REFUND:
            making = scene.refunded_once(making, first)
        second = making.do(keys[1])
        assert first.reference != second.reference
        once(scene, making, keys[0], first, others=keys[1:])
        once(scene, making, keys[1], second, others=keys[:1])

    @item(32)
    @MAKING
    def test_the_key_reaches_the_provider_as_it_is(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        before = len(scene.bench.exchanges())
        making.do(key)
        making.do(key)
        keys = [each.key for each in scene.requests(operation.value, before) if each.key is not None]
        assert keys.count(key) >= 2, f"{key!r} was sent as {keys}"
        assert all(each.startswith(key) for each in keys), f"a key of its own making: {keys}"
        assert {each.key for each in scene.made(making)} == {key}, "what was made does not say that it is ours"

    @item(33)
    @MAKING
    def test_the_same_after_a_restart_is_one_effect(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        first = making.do(key)
        again = making.do(key, scene.bench.gateway())
        assert again.reference == first.reference
        once(scene, making, key, first)


def declined(scene: Scene, spec: MethodSpec, code: str) -> PaymentSnapshot:
    """A charge that was declined with a code, at once or later."""
    if spec.synchronous:
        charge = scene.charge(spec, decline=code)
        told = scene.gateway.charge(charge, scene.key())
        again = scene.gateway.payment(told.reference)
        assert (again.status, again.decline) == (told.status, told.decline)
        return told
    told, _ = scene.charged(spec)
    scene.bench.fail(told.reference, code)
    return scene.gateway.payment(told.reference)


def fail(scene: Scene, payment: PaymentSnapshot) -> PaymentSnapshot:
    """A pending payment, read again once it has failed for want of money."""
    code = next(code for code, known in scene.bench.declines().items() if known == DeclineCode.INSUFFICIENT_FUNDS)
    scene.bench.fail(payment.reference, code)
    return scene.gateway.payment(payment.reference)


def made(kind: type[HostedPage], told: Snapshot) -> HostedPage:
    """A page, of what may have been made."""
    assert isinstance(told, kind)
    return told


def once(scene: Scene, making: Making, key: str, told: Snapshot, *, others: Sequence[str] = ()) -> None:
    """Fail unless one thing was made, under a key: what was told; `others` are keys that made something else."""
    effects = [each for each in scene.made(making) if each.key not in others]
    assert {each.key for each in effects} == {key}, f"one thing under {key!r} became {effects}"
    assert len({each.reference for each in effects}) == 1, f"{len(effects)} effects under one key: {effects}"
    if not isinstance(told, HostedPage | MethodSnapshot):
        assert [(each.reference, each.amount) for each in effects] == [(told.reference, told.amount)]
