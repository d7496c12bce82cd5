"""The gateways' contract, parts C and D: pages to pay on, pages to save a method on, and the methods saved."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import attrs
import pytest

from invoicecore.collection import MethodState
from invoicecore.errors import GatewayError, InvalidRequest, NotExecuted, ObjectNotFound, StateConflict
from invoicecore.ports import About, Capability, PayStatus
from invoicecore.testing.checks import Running
from invoicecore.testing.gateway_bench import EffectKind
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import Scene, currency_of, is_zero, money, refused

GOOD = (MethodState.ACTIVE, MethodState.PENDING)


class PagesContract(ItemsContract):
    """A provider's pages, and the methods that are saved on them."""

    # --- C. Pages to pay on -------------------------------------------------------------------------------------------

    @item(11)
    def test_a_page_has_an_address_of_its_own_that_is_safe_to_send(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT)
        wanted, key = scene.checkout(money(spec, 5120)), scene.key()
        page = scene.gateway.checkout(wanted, key)
        again = scene.gateway.checkout(wanted, key)
        other = scene.gateway.checkout(wanted, scene.key())
        for each in (page, again, other):
            parts = urlsplit(each.url)
            assert parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost"), "a page comes over https"
            assert parts.hostname
        assert page.reference == again.reference, "the same key gives a page for the same payment"
        assert other.reference != page.reference
        assert other.url != page.url

    @item(12)
    def test_what_a_payer_pays_is_told_with_our_key(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHECKOUT):
            wanted, key = scene.checkout(money(spec, 5120)), scene.key()
            page = scene.gateway.checkout(wanted, key)
            before = scene.gateway.payment(page.reference)
            assert (before.status, before.key, before.amount) == (PayStatus.OPEN, key, wanted.amount)
            assert is_zero(before.collected)
            scene.bench.pay(page.url)
            told = scene.gateway.payment(page.reference)
            assert told.status in (PayStatus.SUCCEEDED, PayStatus.PENDING)
            assert told.key == key
            paid = scene.settled(told)
            assert (paid.key, paid.amount, paid.collected) == (key, wanted.amount, wanted.amount)
            by_page = scene.gateway.payment(page.reference)
            assert (by_page.status, by_page.collected) == (PayStatus.SUCCEEDED, wanted.amount)

    @item(13)
    def test_a_page_nobody_pays_on_stays_open_and_ends(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT)
        wanted, key = scene.checkout(money(spec, 5120)), scene.key()
        page = scene.gateway.checkout(wanted, key)
        assert scene.gateway.payment(page.reference).status is PayStatus.OPEN
        end = page.expires_at or wanted.expires_at
        scene.bench.move((end - scene.bench.now()).total_seconds() + timedelta(minutes=1).total_seconds())
        scene.try_to_pay(page.url)
        told = scene.gateway.payment(page.reference)
        assert told.status in (PayStatus.CANCELLED, PayStatus.OPEN)
        assert is_zero(told.collected)
        assert scene.collected(key) == 0, "it was paid after it had ended"

    @item(14)
    def test_coming_back_from_a_page_proves_nothing(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT)
        key = scene.key()
        page = scene.gateway.checkout(scene.checkout(money(spec, 5120)), key)
        scene.bench.leave(page.url)
        told = scene.gateway.payment(page.reference)
        assert told.status in (PayStatus.OPEN, PayStatus.CANCELLED)
        assert is_zero(told.collected)
        assert scene.collected(key) == 0

    @item(15)
    def test_a_page_that_is_closed_is_not_paid_any_more(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT, Capability.EXPIRE)
        key = scene.key()
        page = scene.gateway.checkout(scene.checkout(money(spec, 5120)), key)
        assert scene.gateway.expire(page.reference, scene.key()).status is PayStatus.CANCELLED
        scene.try_to_pay(page.url)
        assert scene.gateway.expire(page.reference, scene.key()).status is PayStatus.CANCELLED
        assert scene.gateway.payment(page.reference).status is PayStatus.CANCELLED
        assert scene.collected(key) == 0

    @item(15)
    def test_closing_a_page_that_was_paid_tells_of_the_payment(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT, Capability.EXPIRE)
        wanted = scene.checkout(money(spec, 5120))
        page = scene.gateway.checkout(wanted, scene.key())
        scene.bench.pay(page.url)
        scene.settled(scene.gateway.payment(page.reference))
        told = scene.gateway.expire(page.reference, scene.key())
        assert (told.status, told.collected) == (PayStatus.SUCCEEDED, wanted.amount)

    @item(15)
    def test_of_paying_and_closing_at_once_one_wins_and_it_is_told_which(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT, Capability.EXPIRE)
        for _ in range(4):
            key = scene.key()
            page = scene.gateway.checkout(scene.checkout(money(spec, 5120)), key)
            closing = Running(lambda page=page: scene.gateway.expire(page.reference, scene.key()))  # type: ignore[misc]  # the default binds the loop's value
            paying = Running(lambda page=page: scene.try_to_pay(page.url))  # type: ignore[misc]  # as above
            paying.result()
            with suppress(StateConflict):
                closing.result()
            told = scene.gateway.payment(page.reference)
            if told.status is PayStatus.PENDING:
                told = scene.settled(told)
            paid = scene.collected(key) > 0
            assert told.status is (PayStatus.SUCCEEDED if paid else PayStatus.CANCELLED)

    @item(16)
    def test_a_page_is_paid_once(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHECKOUT)
        wanted, key = scene.checkout(money(spec, 5120)), scene.key()
        page = scene.gateway.checkout(wanted, key)
        again = scene.gateway.checkout(wanted, key)
        scene.bench.pay(page.url)
        scene.try_to_pay(page.url)
        scene.try_to_pay(again.url)
        paid = scene.settled(scene.gateway.payment(page.reference))
        assert paid.collected == wanted.amount
        assert len(scene.effects(EffectKind.COLLECTED, key)) == 1

    # --- D. Methods ---------------------------------------------------------------------------------------------------

    @item(17)
    def test_a_method_that_is_saved_can_be_charged_and_hides_its_number(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.SETUP):
            key = scene.key()
            page = scene.gateway.setup(scene.setup(spec.kind, currency_of(spec)), key)
            before = scene.gateway.method(page.reference)
            assert (before.state, before.key, before.kind) == (MethodState.OPEN, key, spec.kind)
            scene.bench.save(page.url)
            saved = scene.gateway.method(page.reference)
            assert saved.state in GOOD
            assert (saved.key, saved.kind) == (key, spec.kind)
            assert saved.reference != page.reference
            assert not re.search(r"\d{5}", re.sub(r"\W", "", saved.label)), f"{saved.label!r} shows its number"
            assert scene.gateway.method(saved.reference) == saved

    @item(17)
    def test_a_set_up_that_is_left_saves_nothing(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.SETUP)
        page = scene.gateway.setup(scene.setup(spec.kind, currency_of(spec)), scene.key())
        scene.bench.leave(page.url)
        assert scene.gateway.method(page.reference).state not in GOOD

    @item(18)
    def test_a_method_just_saved_is_charged_at_once(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.SETUP, Capability.CHARGE):
            page = scene.gateway.setup(scene.setup(spec.kind, currency_of(spec)), scene.key())
            scene.bench.save(page.url)
            saved = scene.gateway.method(page.reference)
            charge = scene.charge(spec, method=(saved.reference, saved.owner))
            charged = scene.gateway.charge(charge, scene.key())
            assert charged.status is (PayStatus.SUCCEEDED if spec.synchronous else PayStatus.PENDING)

    @item(19)
    def test_a_method_given_up_at_the_bank_is_told_of_and_charged_no_more(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.CHARGE):
            charge, key = scene.charge(spec), scene.key()
            assert scene.gateway.method(charge.method).state in GOOD
            scene.notices()
            scene.bench.revoke(charge.method)
            assert scene.gateway.method(charge.method).state is MethodState.INACTIVE
            if scene.gateway.info.can(Capability.WEBHOOKS):
                told = [notice for notice in scene.notices() if notice.about is About.METHOD]
                assert charge.method in {notice.reference for notice in told}
            refused(lambda charge=charge, key=key: scene.gateway.charge(charge, key), StateConflict)  # type: ignore[misc]  # the defaults bind the loop's values
            assert not scene.effects(EffectKind.COLLECTED, key)

    @item(21)
    def test_giving_a_method_up_twice_is_giving_it_up(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.REVOKE):
            method, _ = scene.bench.saved(spec.kind, currency_of(spec))
            key = scene.key()
            for each in (key, key, scene.key()):
                assert scene.gateway.revoke(method, each).state is MethodState.INACTIVE
            assert scene.gateway.method(method).state is MethodState.INACTIVE

    @item(2)
    @pytest.mark.parametrize("what", ["payment", "method", "refund"])
    def test_what_nobody_has_is_not_found(self, scene: Scene, what: str) -> None:
        gateway = scene.gateway
        if what != "payment":
            scene.needs(Capability.REFUND if what == "refund" else Capability.SETUP)
        read = {"payment": gateway.payment, "method": gateway.method, "refund": gateway.refund_of}[what]
        for reference in ("nobody", "pay_0000000000000000", "../nobody", "x" * 200, "no body\r\n", "é"):
            error: GatewayError = refused(lambda reference=reference: read(reference), NotExecuted)  # type: ignore[misc]  # the default binds the loop's value
            assert isinstance(error, ObjectNotFound | InvalidRequest), f"{error!r} is no ObjectNotFound"

    @item(2)
    def test_nothing_is_made_of_what_nobody_has(self, scene: Scene) -> None:
        if scene.gateway.info.can(Capability.CHARGE):
            [spec, *_] = scene.needs(Capability.CHARGE)
            charge, key = scene.charge(spec, method=("nobody", None)), scene.key()
            refused(lambda: scene.gateway.charge(charge, key), NotExecuted)
            assert not scene.effects(EffectKind.PAYMENT, key)
        if scene.gateway.info.can(Capability.REFUND):
            [spec, *_] = scene.needs(Capability.REFUND)
            refund = attrs.evolve(scene.refunding(scene.paid(spec), money(spec, 1000)), payment="nobody")
            refused(lambda: scene.gateway.refund(refund, scene.key()), NotExecuted)
            assert not scene.effects(EffectKind.REFUND)
