"""Gateways that are wrong in one way each, made of a good one: what GatewayContract has to notice.

    for name, mutant in MUTANTS.items():
        with pytest.raises(AssertionError):
            play(MyContract, "test_…", mutated(MyBench, mutant))

Each passes everything on to a good gateway of any bench and breaks one thing on the way.
"""

from __future__ import annotations

import inspect
import itertools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final, cast

import attrs
import pytest

from invoicecore.collection import Advice, Decline, DeclineCode
from invoicecore.errors import GatewayError, KeyMismatch, NotExecuted, NotSent, OutcomeUnknown, WebhookRejected
from invoicecore.money import Money, from_minor, zero
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.ports import (
    Charge,
    Checkout,
    HostedPage,
    MethodSnapshot,
    Notice,
    Operation,
    PaymentGateway,
    PaymentSnapshot,
    PayStatus,
    RefundRequest,
    RefundSnapshot,
)
from invoicecore.testing.gateway_bench import GatewayBench
from invoicecore.testing.gateway_items import BenchFactory, ItemsContract
from invoicecore.testing.gateway_scene import Scene, lower

_numbers = itertools.count(1)


class Mutant:
    """A gateway that passes everything on; what a mutant does otherwise, it overrides."""

    def __init__(self, inner: PaymentGateway, bench: GatewayBench) -> None:
        self.inner = inner
        self.bench = bench

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


class ReadsWrongly(Mutant):
    """One that makes something else of every payment it reads."""

    def read(self, told: PaymentSnapshot) -> PaymentSnapshot:
        """What it makes of a payment."""
        return told

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        return self.read(self.inner.charge(wanted, key))

    def payment(self, reference: str) -> PaymentSnapshot:
        """See PaymentGateway.payment."""
        return self.read(self.inner.payment(reference))

    def retry(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.retry."""
        return self.read(self.inner.retry(reference, key))

    def expire(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.expire."""
        return self.read(self.inner.expire(reference, key))

    def cancel(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.cancel."""
        return self.read(self.inner.cancel(reference, key))


class ChargesWrongly(Mutant):
    """One that does charges and refunds in another way."""

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        return cast(PaymentSnapshot, self.doing(self.inner.charge, wanted, key))

    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        """See PaymentGateway.refund."""
        return cast(RefundSnapshot, self.doing(self.inner.refund, wanted, key))

    def doing(self, operation: Callable[..., object], wanted: Charge | RefundRequest, key: str) -> object:
        """How it does one."""
        return operation(wanted, key)


class DropsTheKey(ChargesWrongly):
    """M1: it sends none of our keys."""

    def doing(self, operation: Callable[..., object], wanted: Charge | RefundRequest, key: str) -> object:
        """Under a key of its own."""
        return operation(wanted, f"own-{next(_numbers)}")

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """See PaymentGateway.checkout."""
        return self.inner.checkout(wanted, f"own-{next(_numbers)}")


class TakesANewKeyForEachTry(ChargesWrongly):
    """M2: it tries again by itself, under another key."""

    def doing(self, operation: Callable[..., object], wanted: Charge | RefundRequest, key: str) -> object:
        """Twice, if need be."""
        try:
            return operation(wanted, key)
        except OutcomeUnknown:
            return operation(wanted, f"{key}-{next(_numbers)}")


class TakesDoubtForFailure(Mutant):
    """M3: what it heard nothing of has failed."""

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        try:
            return self.inner.charge(wanted, key)
        except OutcomeUnknown:
            return PaymentSnapshot(
                reference="",
                key=key,
                status=PayStatus.FAILED,
                amount=wanted.amount,
                collected=zero(wanted.amount.currency.code),
                kind=PaymentMethod.CARD,
                created_at=self.bench.now(),
                decline=Decline(code=DeclineCode.PROCESSING_ERROR, advice=Advice.RETRY_LATER),
            )


class TakesPendingForPaid(ReadsWrongly):
    """M4: a payment on its way has arrived."""

    def read(self, told: PaymentSnapshot) -> PaymentSnapshot:
        """Pending is paid."""
        if told.status is not PayStatus.PENDING:
            return told
        return attrs.evolve(told, status=PayStatus.SUCCEEDED, collected=told.amount)


class ReadsTheFirstEventOnly(Mutant):
    """M5: of a webhook's events it reads one."""

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        return self.inner.notices(body, headers)[:1]


class BelievesEverybody(Mutant):
    """M6: it verifies nothing."""

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        bench = cast(MutatedBench, self.bench).inner
        return bench.gateway().notices(body, lower(bench.sign(body)))


class SwallowsARejection(Mutant):
    """M6: what is not the provider's is no events, and no error."""

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        try:
            return self.inner.notices(body, headers)
        except WebhookRejected:
            return ()


class CountsInFloats(Mutant):
    """M7: minor units are the float times a hundred, whatever the currency."""

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        amount: object = wanted.amount
        if not isinstance(amount, Money):
            return self.inner.charge(wanted, key)  # which refuses it
        cents = from_minor(int(float(amount.amount) * 100), amount.currency.code)
        return self.inner.charge(attrs.evolve(wanted, amount=cents), key)


class TakesTheUnknownForFailure(ReadsWrongly):
    """M8: a status that nobody knows is a failure."""

    def read(self, told: PaymentSnapshot) -> PaymentSnapshot:
        """Unrecognised is failed."""
        if told.status is not PayStatus.UNRECOGNISED:
            return told
        decline = Decline(code=DeclineCode.UNSPECIFIED, advice=Advice.RETRY_LATER)
        return attrs.evolve(told, status=PayStatus.FAILED, decline=decline)


class TakesAnotherForItsOwn(ChargesWrongly):
    """M9: where the key has made something else, it says that it made what is asked for now."""

    def doing(self, operation: Callable[..., object], wanted: Charge | RefundRequest, key: str) -> object:
        """What was made before, with the new amount."""
        try:
            return operation(wanted, key)
        except KeyMismatch:
            kind = Operation.CHARGE if isinstance(wanted, Charge) else Operation.REFUND
            found = self.inner.find(kind, key, since=self.bench.now())
            if not isinstance(found, PaymentSnapshot | RefundSnapshot):
                raise
            return attrs.evolve(found, amount=wanted.amount)


class ForgetsThatItWasCollected(ReadsWrongly):
    """M10: what failed late has failed, and was never collected."""

    def read(self, told: PaymentSnapshot) -> PaymentSnapshot:
        """Failed, with nothing collected."""
        if not any(each.kind is ReversalKind.LATE_FAILURE for each in told.reversals):
            return told
        nothing = zero(told.amount.currency.code)
        return attrs.evolve(told, status=PayStatus.FAILED, collected=nothing, reversals=())


class AddsUpEachTime(ReadsWrongly):
    """M11: whatever it reads of refunds and reversals comes on top of what it read before."""

    def __init__(self, inner: PaymentGateway, bench: GatewayBench) -> None:
        super().__init__(inner, bench)
        self._read: dict[str, PaymentSnapshot] = {}

    def read(self, told: PaymentSnapshot) -> PaymentSnapshot:
        """What was told before, and this."""
        if (before := self._read.get(told.reference)) is not None:
            told = attrs.evolve(
                told, refunds=before.refunds + told.refunds, reversals=before.reversals + told.reversals
            )
        self._read[told.reference] = told
        return told


class SharesOneAccount(Mutant):
    """M12: the account is the process's, that of the gateway made last."""

    account: ClassVar[PaymentGateway]

    def __init__(self, inner: PaymentGateway, bench: GatewayBench) -> None:
        super().__init__(inner, bench)
        type(self).account = inner

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        return self.account.charge(wanted, key)


class FindsByAmount(Mutant):
    """M13: any payment will do where none has the key."""

    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """See PaymentGateway.find."""
        found = self.inner.find(operation, key, since=since, within=within)
        if found is None and operation in (Operation.CHARGE, Operation.REFUND):
            return next(iter(self.inner.payments(since, datetime.max.replace(tzinfo=since.tzinfo))), None)
        return found


class TriesAgainWhatWasRefused(ChargesWrongly):
    """M14: it tries again what the provider has refused."""

    def doing(self, operation: Callable[..., object], wanted: Charge | RefundRequest, key: str) -> object:
        """Three times."""
        for _ in range(2):
            try:
                return operation(wanted, key)
            except NotExecuted:
                continue
        return operation(wanted, key)


class LogsTheHeaders(Mutant):
    """M15: what it sends is in the log."""

    def charge(self, wanted: Charge, key: str) -> PaymentSnapshot:
        """See PaymentGateway.charge."""
        try:
            return self.inner.charge(wanted, key)
        finally:
            for exchange in self.bench.exchanges()[-1:]:
                logging.getLogger("wire").debug("sent %s", dict(exchange.headers))


class ReadsBeforeItVerifies(Mutant):
    """M16: it reads a webhook before it knows whose it is."""

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            raise WebhookRejected(self.inner.info.name, "malformed") from None
        return self.inner.notices(body, headers)


class TakesComingBackForPaying(Mutant):
    """M17: a payer who comes back from the page has paid."""

    def checkout(self, wanted: Checkout, key: str) -> HostedPage:
        """See PaymentGateway.checkout; the bench says when its payer leaves."""
        page = self.inner.checkout(wanted, key)
        cast(MutatedBench, self.bench).pages[page.url] = page.reference
        return page

    def payment(self, reference: str) -> PaymentSnapshot:
        """See PaymentGateway.payment."""
        told = self.inner.payment(reference)
        if reference not in cast(MutatedBench, self.bench).left:
            return told
        return attrs.evolve(told, status=PayStatus.SUCCEEDED, collected=told.amount)


class RefundsInFloats(Mutant):
    """M18: minor units of a refund are the float times a hundred."""

    def refund(self, wanted: RefundRequest, key: str) -> RefundSnapshot:
        """See PaymentGateway.refund."""
        amount: object = wanted.amount
        if not isinstance(amount, Money):
            return self.inner.refund(wanted, key)  # which refuses it
        cents = from_minor(int(float(amount.amount) * 100), amount.currency.code)
        return self.inner.refund(attrs.evolve(wanted, amount=cents), key)


class SaysThatNothingHappened(Mutant):
    """M19: a change it heard nothing of never left."""

    def retry(self, reference: str, key: str) -> PaymentSnapshot:
        """See PaymentGateway.retry."""
        try:
            return self.inner.retry(reference, key)
        except OutcomeUnknown:
            raise NotSent(self.inner.info.name, "retry", "no connection") from None


class SaysThatNothingIsThere(Mutant):
    """M20: where a search fails, there is nothing to find."""

    def find(
        self, operation: Operation, key: str, *, since: datetime, within: str | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """See PaymentGateway.find."""
        try:
            return self.inner.find(operation, key, since=since, within=within)
        except GatewayError:
            return None


class TellsOfAnother(Mutant):
    """M21: it tells of what it was asked about before, as on a connection that two share."""

    _before: PaymentSnapshot | None = None

    def payment(self, reference: str) -> PaymentSnapshot:
        """See PaymentGateway.payment."""
        told = self.inner.payment(reference)
        before, self._before = self._before, told
        return before or told


MUTANTS: Final[Mapping[str, type[Mutant]]] = {
    "M1": DropsTheKey,
    "M2": TakesANewKeyForEachTry,
    "M3": TakesDoubtForFailure,
    "M4": TakesPendingForPaid,
    "M5": ReadsTheFirstEventOnly,
    "M6": BelievesEverybody,
    "M6b": SwallowsARejection,
    "M7": CountsInFloats,
    "M8": TakesTheUnknownForFailure,
    "M9": TakesAnotherForItsOwn,
    "M10": ForgetsThatItWasCollected,
    "M11": AddsUpEachTime,
    "M12": SharesOneAccount,
    "M13": FindsByAmount,
    "M14": TriesAgainWhatWasRefused,
    "M15": LogsTheHeaders,
    "M16": ReadsBeforeItVerifies,
    "M17": TakesComingBackForPaying,
    "M18": RefundsInFloats,
    "M19": SaysThatNothingHappened,
    "M20": SaysThatNothingIsThere,
    "M21": TellsOfAnother,
}
"""The mutants that every adoption of the contract has to notice, by their numbers."""


class MutatedBench:
    """A bench whose gateways are mutants; it passes everything else on to a good one."""

    def __init__(self, inner: GatewayBench, mutant: type[Mutant]) -> None:
        self.inner = inner
        self.pages: dict[str, str] = {}
        self.left: set[str] = set()
        self._mutant = mutant

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def gateway(self, *, webhook_secrets: Sequence[str] | None = None) -> PaymentGateway:
        """See GatewayBench.gateway; it is a mutant."""
        inner = self.inner.gateway(webhook_secrets=webhook_secrets)
        return cast(PaymentGateway, self._mutant(inner, cast(GatewayBench, self)))

    def leave(self, url: str) -> None:
        """See GatewayBench.leave."""
        self.left.add(self.pages.get(url, ""))
        self.inner.leave(url)


def mutated(bench_factory: BenchFactory, mutant: type[Mutant]) -> BenchFactory:
    """Benches whose gateways are mutants of the good ones."""
    return lambda: cast(GatewayBench, MutatedBench(bench_factory(), mutant))


def play(contract: type[ItemsContract], test: str, bench_factory: BenchFactory) -> None:
    """One test of a contract, with each of its parameters, outside of pytest's collection; raises what it raises."""
    # A class of its own, so that what becomes of a mutant is not in the report of the good gateway.
    method = getattr(type("Played", (contract,), {})(), test)
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(tuple(mark.args[1]) for mark in marks)):
        given = dict(zip((mark.args[0] for mark in marks), values, strict=True))
        bench = bench_factory()
        scene = Scene(bench)
        if "bench_factory" in inspect.signature(method).parameters:
            given["bench_factory"] = bench_factory
        try:
            method(scene=scene, **given)
        except pytest.skip.Exception:
            continue
        finally:
            scene.gateway.close()
            bench.close()
