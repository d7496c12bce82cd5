"""The gateways' contract, parts H and I: what was made under a key is found again, and money is given back."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from invoicecore.errors import GatewayError, InProgress, InvalidRequest, NotExecuted, StateConflict
from invoicecore.money import Money, decimals, from_minor, minor
from invoicecore.payments import RefundState, ReversalKind
from invoicecore.ports import (
    Capability,
    HostedPage,
    Lookup,
    Operation,
    PaymentSnapshot,
    PayStatus,
    RefundSnapshot,
)
from invoicecore.testing.checks import all_at_once
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore.testing.gateway_charging import MAKING, fail, once
from invoicecore.testing.gateway_faults import FaultsContract
from invoicecore.testing.gateway_items import item
from invoicecore.testing.gateway_scene import Scene, refused

WHOLE = 5120
"""The minor units of a payment that is given back."""


PARTS = (1999, 820, 29)
"""Minor units that are one too few once they were a float times a hundred."""


class RefundsContract(FaultsContract):
    """Lookups and refunds."""

    # --- H. Lookup ----------------------------------------------------------------------------------------------------

    @item(48)
    @MAKING
    @pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.HTML_502_AFTER], ids=str)
    def test_what_was_made_without_an_answer_is_found(self, scene: Scene, operation: Operation, fault: Fault) -> None:
        scene.needs(Capability.LOOKUP)
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, fault):
            self.attempted(making, key)
        found = scene.find(making, key, scene.bench.gateway())
        assert found is not None, "what was made is not found"
        assert found.key == key
        told = making.do(key)
        once(scene, making, key, told)
        if not isinstance(told, HostedPage):
            assert found.reference == told.reference
            assert scene.find(making, key) == found

    @item(49)
    @MAKING
    def test_what_was_not_made_is_not_found(self, scene: Scene, operation: Operation) -> None:
        scene.needs(Capability.LOOKUP)
        assert scene.gateway.info.lookup in Lookup
        making = scene.making(operation)
        assert scene.find(making, scene.key()) is None
        key = scene.key()
        with self.failing(scene, operation, Fault.RESET_BEFORE):
            self.attempted(making, key)
        assert scene.find(making, key) is None

    @item(50)
    def test_what_is_many_pages_back_is_found_and_listed(self, scene: Scene) -> None:
        info = scene.gateway.info
        if not info.can(Capability.LISTING):
            scene.needs(Capability.LOOKUP)
        operation, since = scene.asking(), scene.bench.now() - timedelta(minutes=1)
        making, keys = scene.making(operation), [scene.key() for _ in range(2 * self.rows + 1)]
        made = [making.do(key) for key in keys]
        for at in (0, len(keys) // 2, len(keys) - 1):
            if info.can(Capability.LOOKUP):
                found = scene.find(making, keys[at])
                assert found is not None, f"the one made as number {at + 1} of {len(keys)} is not found"
                assert found.key == keys[at]
        if info.can(Capability.LISTING):
            for page in made:
                if isinstance(page, HostedPage):
                    scene.bench.pay(page.url)
            until = scene.bench.now() + timedelta(minutes=1)
            listed = list(scene.gateway.payments(since, until))
            assert sorted(f"{each.key}" for each in listed) == keys
            assert len({each.reference for each in listed}) == len(keys)
            if Fault.RESET_BEFORE not in self.impossible:
                self.breaks_off_loudly(scene, since, until, len(keys))

    @item(51)
    @MAKING
    def test_a_key_is_not_found_by_a_part_of_it(self, scene: Scene, operation: Operation) -> None:
        scene.needs(Capability.LOOKUP)
        making, key = scene.making(operation), scene.key()
        making.do(f"{key}0")
        for other in (key, f"{key}00", key[1:], "", "%", key.upper()):
            assert scene.find(making, other) is None, f"{other!r} finds what was made under {key}0"

    # --- I. Refunds ---------------------------------------------------------------------------------------------------

    @item(52)
    def test_a_payment_is_given_back_in_whole(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND):
            payment, key = scene.paid(spec, WHOLE), scene.key()
            told = scene.gateway.refund(scene.refunding(payment, payment.amount), key)
            assert (told.payment, told.amount, told.key) == (payment.reference, payment.amount, key)
            assert told.state in (RefundState.SUCCEEDED, RefundState.PENDING)
            assert scene.gateway.refund_of(told.reference) == told
            now = scene.gateway.payment(payment.reference)
            assert (now.status, now.collected, now.refunds) == (PayStatus.SUCCEEDED, payment.collected, (told,))
            one = from_minor(1, payment.amount.currency.code)
            self.refuses_more(scene, payment, payment.amount, one)

    @item(52)
    def test_a_payment_is_given_back_in_parts_and_never_more_than_all_of_it(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND, Capability.PARTIAL_REFUND):
            payment = scene.paid(spec, WHOLE)
            code, whole = payment.amount.currency.code, minor(payment.amount)
            sums = [0, 1000, 1010, whole]
            for before, after in pairwise(sums):
                wanted = scene.refunding(payment, from_minor(after - before, code), from_minor(before, code))
                scene.gateway.refund(wanted, scene.key())
            told = scene.gateway.payment(payment.reference)
            assert sorted(minor(each.amount) for each in told.refunds) == sorted(b - a for a, b in pairwise(sums))
            assert told.collected == payment.collected
            self.refuses_more(scene, payment, payment.amount, from_minor(1, code))

    @item(6, 52)
    def test_what_is_given_back_is_to_the_cent_what_was_asked_for(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND, Capability.PARTIAL_REFUND):
            payment, before = scene.paid(spec, 30_000), 0
            code = payment.amount.currency.code
            for units in PARTS:
                part, key = units * (10 if decimals(code) == 3 else 1), scene.key()
                amount = from_minor(part, code)
                told = scene.gateway.refund(scene.refunding(payment, amount, from_minor(before, code)), key)
                assert told.amount == amount
                assert [each.amount for each in scene.effects(EffectKind.REFUND, key)] == [amount]
                before += part
            assert sum(minor(each.amount) for each in scene.gateway.payment(payment.reference).refunds) == before

    @item(52)
    def test_more_than_was_paid_is_not_given_back(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND):
            payment = scene.paid(spec, WHOLE)
            too_much = from_minor(minor(payment.amount) + 10, payment.amount.currency.code)
            self.refuses_more(scene, payment, None, too_much)

    @item(53)
    def test_what_did_not_arrive_is_not_given_back(self, scene: Scene) -> None:
        tried = False
        for spec in scene.needs(Capability.REFUND, Capability.CHARGE):
            if not spec.synchronous:
                waiting, _ = scene.charged(spec)
                self.refuses_more(scene, waiting, None, waiting.amount)
                failed = fail(scene, waiting)
                self.refuses_more(scene, failed, None, failed.amount)
            tried = True
        assert tried

    @item(54)
    def test_two_who_refund_the_whole_at_once_give_it_back_once(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND):
            payment = scene.paid(spec, WHOLE)
            wanted = scene.refunding(payment, payment.amount)
            keys = [scene.key() for _ in range(4)]

            def attempt(n: int) -> RefundSnapshot | None:
                try:
                    return scene.gateway.refund(wanted, keys[n])  # noqa: B023  # called before the loop goes on
                except (StateConflict, InvalidRequest, InProgress):
                    return None

            told = [each for each in all_at_once(len(keys), attempt) if each is not None]
            assert len(told) == 1
            assert len([each for key in keys for each in scene.effects(EffectKind.REFUND, key)]) == 1

    @item(55)
    def test_a_refund_that_comes_back_is_told_as_failed(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND):
            payment = scene.paid(spec, WHOLE)
            told = scene.gateway.refund(scene.refunding(payment, payment.amount), scene.key())
            if told.state is RefundState.PENDING:
                scene.bench.settle_refund(told.reference)
            assert scene.gateway.refund_of(told.reference).state is RefundState.SUCCEEDED
            scene.bench.settle_refund(told.reference, failed=True)
            failed = scene.gateway.refund_of(told.reference)
            assert (failed.reference, failed.amount, failed.state) == (told.reference, told.amount, RefundState.FAILED)
            now = scene.gateway.payment(payment.reference)
            assert (now.collected, now.refunds) == (payment.collected, (failed,))

    @item(56)
    def test_what_was_charged_back_is_not_given_back_unseen(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REFUND, Capability.DISPUTES):
            payment = scene.paid(spec, WHOLE)
            scene.bench.reverse(payment.reference, ReversalKind.CHARGEBACK)
            try:
                scene.gateway.refund(scene.refunding(payment, payment.amount), scene.key())
            except (StateConflict, InvalidRequest):
                assert not scene.gateway.payment(payment.reference).refunds
            told = scene.gateway.payment(payment.reference)
            assert [each.amount for each in told.reversals] == [payment.amount]

    def breaks_off_loudly(self, scene: Scene, since: datetime, until: datetime, payments: int) -> None:
        """Fail if a list ends as if it were whole where its next page does not come."""
        asked = scene.operations(lambda: list(scene.gateway.payments(since, until)))
        listing = scene.gateway.payments(since, until)
        next(listing)
        with ExitStack() as broken:
            for each in asked:
                broken.enter_context(self.failing(scene, each, Fault.RESET_BEFORE))
            with suppress(GatewayError):
                assert len(list(listing)) == payments - 1, "a page that did not come became the end of the list"

    def refuses_more(self, scene: Scene, payment: PaymentSnapshot, before: Money | None, amount: Money) -> None:
        """Fail unless a refund is refused without an effect."""
        key = scene.key()
        wanted = scene.refunding(payment, amount, before)
        error = refused(lambda: scene.gateway.refund(wanted, key), NotExecuted)
        assert isinstance(error, StateConflict | InvalidRequest), f"{error!r}"
        assert not scene.effects(EffectKind.REFUND, key)
