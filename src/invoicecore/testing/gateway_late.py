"""The gateways' contract, parts K and L: facts that come late or in another order, what was missed, and good manners."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from invoicecore.errors import GatewayError, WebhookRejected
from invoicecore.money import minor
from invoicecore.payments import ReversalKind
from invoicecore.ports import About, Capability, Notice, Operation, PaymentSnapshot, PayStatus
from invoicecore.testing.checks import all_at_once
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore.testing.gateway_charging import fail
from invoicecore.testing.gateway_faults import FaultsContract
from invoicecore.testing.gateway_items import BenchFactory, item
from invoicecore.testing.gateway_reading import missed
from invoicecore.testing.gateway_scene import Scene, Unclaimed, lower


class LateContract(FaultsContract):
    """Late facts, missed events, threads and traces."""

    # --- K. Order and late facts --------------------------------------------------------------------------------------

    @item(68)
    def test_in_whatever_order_it_is_told_a_payment_is_what_it_is(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.WEBHOOKS, Capability.DISPUTES)
        scene.bench.deliveries()
        payment = scene.paid(spec)
        scene.bench.reverse(payment.reference, ReversalKind.CHARGEBACK)
        scene.bench.undo_reversal(payment.reference)
        deliveries = list(scene.bench.deliveries())
        last = scene.gateway.payment(payment.reference)
        assert (last.status, last.collected) == (PayStatus.SUCCEEDED, payment.amount)
        shuffled = random.Random(68)
        for _ in range(24):
            shuffled.shuffle(deliveries)
            told = [scene.gateway.notices(each.body, lower(each.headers)) for each in [*deliveries, deliveries[0]]]
            assert {notice.about for notices in told for notice in notices} >= {About.PAYMENT}
            assert scene.gateway.payment(payment.reference) == last

    @item(69)
    def test_a_debit_that_fails_after_it_was_collected_was_collected_and_taken_back(self, scene: Scene) -> None:
        tried = False
        for spec in scene.needs(Capability.CHARGE, Capability.DISPUTES):
            if spec.synchronous:
                continue
            tried, payment = True, scene.paid(spec)
            scene.bench.reverse(payment.reference, ReversalKind.LATE_FAILURE)
            told = scene.gateway.payment(payment.reference)
            assert (told.status, told.collected) == (PayStatus.SUCCEEDED, payment.amount), "its collection is a fact"
            assert len(told.reversals) == 1
            reversal = told.reversals[0]
            assert (reversal.kind, reversal.amount, reversal.cancelled) == (
                ReversalKind.LATE_FAILURE,
                payment.amount,
                False,
            )
            assert scene.gateway.payment(payment.reference).reversals == (reversal,), "it has the same name each time"
        if not tried:
            raise Unclaimed("debits")

    @item(69)
    def test_what_is_collected_again_after_that_was_collected_twice(self, scene: Scene) -> None:
        tried = False
        for spec in scene.needs(Capability.CHARGE, Capability.RETRY, Capability.DISPUTES):
            tried, payment = True, scene.paid(spec)
            scene.bench.reverse(payment.reference, ReversalKind.LATE_FAILURE)
            scene.gateway.retry(payment.reference, scene.key())
            scene.bench.collect(payment.reference)
            told = scene.gateway.payment(payment.reference)
            assert (told.status, minor(told.collected)) == (PayStatus.SUCCEEDED, 2 * minor(payment.amount))
            assert [(each.kind, each.amount) for each in told.reversals] == [
                (ReversalKind.LATE_FAILURE, payment.amount)
            ]
        assert tried

    @item(70)
    def test_a_charge_back_that_is_won_is_told_as_cancelled(self, scene: Scene) -> None:
        for spec in scene.needs(Capability.DISPUTES):
            payment = scene.paid(spec)
            scene.notices()
            scene.bench.reverse(payment.reference, ReversalKind.CHARGEBACK)
            if scene.gateway.info.can(Capability.WEBHOOKS):
                assert payment.reference in {each.reference for each in scene.notices() if each.about is About.PAYMENT}
            lost = scene.gateway.payment(payment.reference)
            assert (lost.status, lost.collected) == (PayStatus.SUCCEEDED, payment.amount)
            assert len(lost.reversals) == 1
            reversal = lost.reversals[0]
            assert (reversal.kind, reversal.amount) == (ReversalKind.CHARGEBACK, payment.amount)
            assert not reversal.cancelled
            scene.bench.undo_reversal(payment.reference)
            won = scene.gateway.payment(payment.reference)
            assert [(each.id, each.amount, each.cancelled) for each in won.reversals] == [
                (reversal.id, payment.amount, True)
            ]
            assert (won.status, won.collected) == (PayStatus.SUCCEEDED, payment.amount)

    @item(72)
    def test_a_webhook_that_comes_before_the_answer_leads_to_our_key(self, scene: Scene) -> None:
        scene.needs(Capability.WEBHOOKS)
        making, key = scene.making(Operation.CHARGE), scene.key()
        scene.notices()
        with self.failing(scene, Operation.CHARGE, Fault.RESET_AFTER):
            self.attempted(making, key)
        told = [notice for notice in scene.notices() if notice.about is About.PAYMENT]
        assert told, "a payment was made and nothing tells of it"
        assert {scene.gateway.payment(notice.reference).key for notice in told} == {key}
        assert {notice.key for notice in told} <= {key, None}

    # --- L. What was missed, and manners ------------------------------------------------------------------------------

    @item(73)
    def test_whatever_was_delivered_can_be_asked_for_too(self, scene: Scene) -> None:
        scene.needs(Capability.BACKFILL)
        since = scene.bench.now() - timedelta(minutes=1)
        scene.notices()
        happen(scene)
        delivered = {notice.id for notice in scene.notices() if notice.about is not About.NOTHING}
        asked = missed(scene, since)
        if scene.gateway.info.can(Capability.WEBHOOKS):
            assert delivered
            assert delivered <= {notice.id for notice in asked}
        assert {notice.about for notice in asked} >= {About.PAYMENT}
        assert len({notice.id for notice in asked}) == len(asked), "an event is told once"

    @item(74)
    def test_who_stops_between_two_pages_goes_on_where_it_was(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.BACKFILL, Capability.CHARGE)
        since = scene.bench.now() - timedelta(minutes=1)
        charge = scene.charge(spec)
        for _ in range(self.rows + 5):
            scene.gateway.charge(charge, scene.key())
        first = scene.gateway.missed(since)
        assert first.cursor is not None, f"more than {self.rows} events come in one page; set `rows`"
        rest: list[Notice] = []
        cursor: str | None = first.cursor
        while cursor is not None:
            page = scene.bench.gateway().missed(since, cursor)
            rest += page.notices
            cursor = page.cursor
        together = [notice.id for notice in [*first.notices, *rest]]
        assert len(together) == len(set(together))
        delivered = {notice.id for notice in scene.notices() if notice.about is not About.NOTHING}
        assert delivered <= set(together)

    @item(75)
    def test_sixteen_threads_share_a_gateway(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHARGE)
        charges = [(scene.charge(spec, 1000 + 10 * n), scene.key()) for n in range(16)]

        def work(n: int) -> PaymentSnapshot:
            charge, key = charges[n]
            told = scene.gateway.charge(charge, key)
            assert scene.gateway.charge(charge, key).reference == told.reference
            with pytest.raises(GatewayError):
                scene.gateway.payment("nobody")
            with pytest.raises((WebhookRejected, GatewayError)):
                scene.gateway.notices(b"{}", {})
            assert scene.gateway.method(charge.method).reference == charge.method
            return scene.gateway.payment(told.reference)

        told = all_at_once(len(charges), work)
        assert [(each.amount, each.key, each.method) for each in told] == [
            (charge.amount, key, charge.method) for charge, key in charges
        ]
        assert len({each.reference for each in scene.effects(EffectKind.PAYMENT)}) == len(charges)

    @item(76)
    def test_two_accounts_in_one_process_are_two(self, scene: Scene, bench_factory: BenchFactory) -> None:
        other = Scene(bench_factory())
        try:
            for each in (scene, other, scene, other):
                [spec, *_] = each.needs(Capability.CHARGE)
                told, key = each.charged(spec)
                assert [effect.reference for effect in each.effects(EffectKind.PAYMENT, key)] == [told.reference]
                assert each.gateway.payment(told.reference).key == key
            for each, stranger in ((scene, other), (other, scene)):
                sent = f"{[dict(exchange.headers) for exchange in each.bench.exchanges()]}"
                foreign = set(stranger.bench.secrets) - set(each.bench.secrets)
                assert not [secret for secret in foreign if secret in sent], "one account's key is sent for the other"
        finally:
            other.gateway.close()
            other.bench.close()

    @item(77)
    def test_no_log_has_a_secret(self, scene: Scene) -> None:
        with logged() as lines:
            happen(scene)
            for fault in (Fault.ERROR_500_AFTER, Fault.UNAUTHORISED, Fault.NONSENSE, Fault.RESET_AFTER):
                if fault not in self.impossible:
                    operation = scene.asking()
                    making = scene.making(operation)
                    with self.failing(scene, operation, fault):
                        self.attempted(making, scene.key())
            if scene.gateway.info.can(Capability.WEBHOOKS):
                with pytest.raises(WebhookRejected):
                    scene.gateway.notices(b"{}", lower(scene.bench.sign(b"{} ")))
        found = [line for line in lines for secret in scene.bench.secrets if secret in line]
        assert not found, f"{len(found)} lines of the log have a secret"

    @item(79)
    def test_closing_it_twice_is_closing_it(self, scene: Scene) -> None:
        before = set(threading.enumerate())
        gateway = scene.bench.gateway()
        with pytest.raises(GatewayError):
            gateway.payment("nobody")
        gateway.close()
        gateway.close()
        for _ in range(50):  # a server may take a moment to see that a connection has ended
            if not set(threading.enumerate()) - before:
                break
            threading.Event().wait(0.02)
        left = set(threading.enumerate()) - before
        assert not left, f"it leaves threads behind: {left}"

    @item(80)
    def test_it_says_who_it_is(self, scene: Scene) -> None:
        happen(scene)
        agents = {lower(each.headers).get("user-agent", "") for each in scene.bench.exchanges() if each.operation}
        assert agents
        assert all("invoicecore" in agent for agent in agents), agents


def happen(scene: Scene) -> None:
    """Something of everything that the gateway claims, made by us and done by payers and banks."""
    for operation in Operation:
        try:
            making = scene.making(operation)
        except Unclaimed:
            continue
        making.do(scene.key())
    for spec in scene.gateway.info.methods[:1]:
        payment = scene.paid(spec)
        if Capability.DISPUTES in spec.can:
            scene.bench.reverse(payment.reference, ReversalKind.CHARGEBACK)
            scene.bench.undo_reversal(payment.reference)
        if not spec.synchronous and Capability.CHARGE in spec.can:
            fail(scene, scene.charged(spec)[0])


@contextmanager
def logged() -> Iterator[list[str]]:
    """Every line that is logged in the block, from DEBUG on, whatever the loggers' own levels are."""
    lines: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.exc_info} {record.__dict__}")

    handler = Keeping(logging.DEBUG)
    named = [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    before = [(each, each.level) for each in [logging.getLogger(), *named]]
    for each, _ in before:
        each.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(handler)
        for each, level in before:
            each.setLevel(level)
