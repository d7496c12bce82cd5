"""The gateways' contract, part G: what a gateway says when the network or the provider fails, and what it does next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from time import monotonic
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicecore.errors import (
    ConfigurationProblem,
    Executed,
    GatewayError,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
)
from invoicecore.ports import Capability, Operation, PaymentSnapshot, PayStatus
from invoicecore.testing.checks import examples
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore.testing.gateway_charging import MAKING, once
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import FOREVER, Making, Scene, Snapshot, currency_of, money

BROKEN: Final = (Fault.HTML_502_BEFORE, Fault.HTML_502_AFTER, Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER)
"""Answers of a provider, or of something before it, that is broken."""

STORED: Final = (Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER)
"""Answers that a provider may repeat for a key for as long as it remembers the key."""

READING: Final[Mapping[Fault, type[GatewayError]]] = {
    Fault.REFUSE: NotSent,
    Fault.RESET_BEFORE: OutcomeUnknown,
    Fault.HTML_502_AFTER: OutcomeUnknown,
    Fault.TRUNCATE_AFTER: OutcomeUnknown,
    Fault.HTML_200_AFTER: OutcomeUnknown,
    Fault.NONSENSE: GatewayError,
    Fault.RATE_LIMIT: RateLimited,
    Fault.UNAUTHORISED: ConfigurationProblem,
}
"""Faults of all other operations, and what is due where they are met."""

TEXTS: Final = st.text(max_size=30) | st.sampled_from(
    ["", "\0", "Loyer \r\nX: y", "é" * 300, "\N{PARTY POPPER}" * 20, "&amount=1", "INV-1 " * 100, "<b>"]
)
"""References and descriptions that an invoice may have; half a surrogate pair is no text of any store."""

DECIDED: Final = (PayStatus.SUCCEEDED, PayStatus.FAILED, PayStatus.CANCELLED)


def everything_else(scene: Scene) -> Mapping[str, Callable[[], object]]:
    """A call of each operation that reads or changes what is there, of those that are claimed."""
    gateway, info = scene.gateway, scene.gateway.info
    [spec, *_] = scene.needs(Capability.CHARGE)
    waiting, key = scene.charged(spec)
    paid = scene.paid(spec)
    method, other = (scene.bench.saved(spec.kind, currency_of(spec))[0] for _ in range(2))
    since = scene.bench.now() - timedelta(hours=1)
    calls: dict[str, Callable[[], object]] = {"payment": lambda: gateway.payment(paid.reference)}
    if info.can(Capability.SETUP):
        calls["method"] = lambda: gateway.method(method)
    if info.can(Capability.REVOKE, kind=spec.kind):
        calls["revoke"] = lambda: gateway.revoke(other, f"{key}-revoke")
    if info.can(Capability.CANCEL, kind=spec.kind):
        calls["cancel"] = lambda: gateway.cancel(waiting.reference, f"{key}-cancel")
    if info.can(Capability.EXPIRE):
        page = scene.gateway.checkout(scene.checkout(money(scene.needs(Capability.EXPIRE)[0], 5120)), scene.key())
        calls["expire"] = lambda: gateway.expire(page.reference, f"{key}-expire")
    if info.can(Capability.REFUND, kind=spec.kind):
        refund = gateway.refund(scene.refunding(paid, paid.amount), scene.key())
        calls["refund_of"] = lambda: gateway.refund_of(refund.reference)
    if info.can(Capability.LOOKUP):
        calls["find"] = lambda: gateway.find(Operation.CHARGE, key, since=since, within=waiting.method)
    if info.can(Capability.LISTING):
        calls["payments"] = lambda: list(gateway.payments(since, scene.bench.now()))
    if info.can(Capability.BACKFILL):
        calls["missed"] = lambda: gateway.missed(since)
    return calls


class FaultsContract(ItemsContract):
    """Every fault, on every operation that makes something."""

    @item(36)
    @MAKING
    def test_what_never_left_did_not_happen(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, Fault.REFUSE):
            self.raised(scene, making, key, NotSent)
        assert not scene.made(making)
        once(scene, making, key, making.do(key))

    @item(37)
    @MAKING
    def test_a_connection_lost_before_it_was_done_leaves_doubt(self, scene: Scene, operation: Operation) -> None:
        self.doubts(scene, operation, Fault.RESET_BEFORE)

    @item(38)
    @MAKING
    def test_a_connection_lost_after_it_was_done_leaves_doubt(self, scene: Scene, operation: Operation) -> None:
        self.doubts(scene, operation, Fault.RESET_AFTER)

    @item(40)
    @MAKING
    @pytest.mark.parametrize("fault", BROKEN, ids=str)
    def test_a_provider_that_is_broken_leaves_doubt(self, scene: Scene, operation: Operation, fault: Fault) -> None:
        self.doubts(scene, operation, fault)

    @item(41)
    @MAKING
    @pytest.mark.parametrize("fault", [Fault.TRUNCATE_AFTER, Fault.HTML_200_AFTER], ids=str)
    def test_an_answer_that_says_nothing_leaves_doubt(self, scene: Scene, operation: Operation, fault: Fault) -> None:
        self.doubts(scene, operation, fault)

    @item(38)
    @MAKING
    @pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.STALL_AFTER, Fault.TRUNCATE_AFTER], ids=str)
    def test_an_answer_lost_once_makes_nothing_twice(self, scene: Scene, operation: Operation, fault: Fault) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, fault, times=1):
            first = self.attempted(making, key)
        told = making.do(key)
        assert first is None or first.reference == told.reference
        once(scene, making, key, told)

    @item(39, 78)
    def test_an_answer_that_does_not_come_is_not_waited_for(self, scene: Scene) -> None:
        self.gives_up(scene, Fault.STALL_AFTER)

    @item(46, 78)
    def test_an_answer_that_never_ends_is_not_waited_for(self, scene: Scene) -> None:
        self.gives_up(scene, Fault.DRIP_AFTER)

    @item(42)
    @MAKING
    def test_too_many_requests_did_nothing_and_say_how_long_to_wait(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, Fault.RATE_LIMIT):
            error = self.raised(scene, making, key, RateLimited)
        assert isinstance(error, RateLimited)
        assert error.retry_after is not None
        assert error.retry_after > 0
        assert not scene.made(making)
        once(scene, making, key, making.do(key))

    @item(43)
    @MAKING
    def test_a_key_that_is_refused_is_our_problem_and_nobody_elses(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        before = len(scene.bench.exchanges())
        with self.failing(scene, operation, Fault.UNAUTHORISED):
            self.raised(scene, making, key, ConfigurationProblem)
        assert len(scene.requests(operation.value, before)) == 1, "what is refused is not tried again by itself"
        once(scene, making, key, making.do(key))

    @item(44)
    @MAKING
    def test_an_error_that_makes_no_sense_is_still_one_of_ours(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, Fault.NONSENSE):
            error = self.raised(scene, making, key, GatewayError)
        assert error.executed is not Executed.OTHER
        assert len({each.reference for each in scene.made(making)}) <= 1

    @item(45)
    @MAKING
    def test_more_than_is_documented_does_no_harm(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, Fault.UNKNOWN_FIELDS):
            told = making.do(key)
        once(scene, making, key, told)

    @item(45)
    def test_a_status_that_nobody_knows_claims_nothing(self, scene: Scene) -> None:
        making, key = scene.making(Operation.CHARGE), scene.key()
        with self.failing(scene, Operation.CHARGE, Fault.UNKNOWN_STATUS):
            told = self.attempted(making, key)
        if told is not None:
            assert isinstance(told, PaymentSnapshot)
            assert told.status not in DECIDED, f"a status that nobody knows became {told.status}"
            assert told.decline is None
        once(scene, making, key, making.do(key))

    @item(45)
    def test_a_status_that_nobody_knows_is_nothing_when_read_again(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHARGE)
        payment = scene.paid(spec)
        with self.failing(scene, "payment", Fault.UNKNOWN_STATUS):
            try:
                told = scene.gateway.payment(payment.reference)
            except GatewayError:
                return
        assert told.status not in DECIDED, f"a status that nobody knows became {told.status}"
        assert told.decline is None

    @item(44)
    @pytest.mark.parametrize("fault", READING, ids=str)
    def test_everything_else_fails_in_our_words_too(self, scene: Scene, fault: Fault) -> None:
        calls = everything_else(scene)
        met: list[GatewayError] = []
        for operation, call in calls.items():
            with self.failing(scene, operation, fault):
                try:
                    call()
                except GatewayError as error:  # not every gateway asks each time
                    met.append(error)
        assert met, "none of them met the fault"
        assert {type(error) for error in met if not isinstance(error, READING[fault])} == set()
        for operation, call in calls.items():
            with suppress(StateConflict) if operation == "cancel" else nullcontext():
                call()

    @item(44)
    def test_no_text_of_ours_breaks_it(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHARGE)
        wanted = scene.charge(spec)

        @examples(20)
        @given(text=TEXTS)
        def check(text: str) -> None:
            key = scene.key()
            try:
                told = scene.gateway.charge(attrs.evolve(wanted, reference=text, description=text), key)
            except InvalidRequest:
                assert not scene.effects(EffectKind.PAYMENT, key)
            else:
                assert told.amount == wanted.amount
            assert len(scene.effects(EffectKind.PAYMENT, key)) <= 1

        check()

    @item(47)
    def test_a_redirection_tells_nothing_of_a_payment(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.CHARGE)
        known, _ = scene.charged(spec)
        with self.failing(scene, "payment", Fault.REDIRECT):
            try:
                told = scene.gateway.payment(known.reference)
            except GatewayError:
                return
        assert told == known, "somebody else told of a payment, and was believed"

    @item(47)
    @MAKING
    def test_a_redirection_is_no_success_and_takes_no_secret_along(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        before = len(scene.bench.exchanges())
        with self.failing(scene, operation, Fault.REDIRECT):
            told = self.attempted(making, key)
        assert told is None or scene.made(making), "a success that somebody else told of"
        for exchange in scene.requests("", before):
            sent = f"{dict(exchange.headers)}"
            assert not [secret for secret in scene.bench.secrets if secret in sent]

    def doubts(self, scene: Scene, operation: Operation, fault: Fault) -> None:
        """Fail unless a fault leaves doubt, and the same again under the same key makes one thing in all."""
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, fault):
            self.raised(scene, making, key, OutcomeUnknown)
        try:
            told = making.do(key)
        except OutcomeUnknown:
            assert fault in STORED, f"after {fault} the same key gives nothing any more"
            references = {each.reference for each in scene.made(making)}
            assert len(references) == (fault is Fault.ERROR_500_AFTER)
            if scene.gateway.info.can(Capability.LOOKUP):
                assert (scene.find(making, key) is not None) == bool(references)
            return
        once(scene, making, key, told)

    def gives_up(self, scene: Scene, fault: Fault) -> None:
        """Fail unless a charge that is not answered leaves doubt in time."""
        making, key = scene.making(Operation.CHARGE), scene.key()
        with self.failing(scene, Operation.CHARGE, fault):
            began = monotonic()
            self.raised(scene, making, key, OutcomeUnknown)
            took = monotonic() - began
        assert took < self.patience * 1.2, f"it took {took:.1f} s"
        once(scene, making, key, making.do(key))

    @contextmanager
    def failing(self, scene: Scene, operation: str, fault: Fault, *, times: int = FOREVER) -> Iterator[None]:
        """Have an operation's requests go wrong in the block; the test is left out where that cannot happen."""
        if fault in self.impossible:
            pytest.skip(f"{fault} cannot happen: {self.impossible[fault]}")
        scene.bench.fault(str(operation), fault, times=times)
        try:
            yield
        finally:
            scene.bench.clear_faults()

    def raised(self, scene: Scene, making: Making, key: str, kind: type[GatewayError]) -> GatewayError:
        """The error of trying, which has to be of a kind, can be shown, and names no secret."""
        with pytest.raises(kind) as raised:
            making.do(key)
        error = raised.value
        shown = f"{error} {error!r} {error.why} {error.__cause__}"
        assert not [secret for secret in scene.bench.secrets if secret in shown]
        return error

    def attempted(self, making: Making, key: str) -> Snapshot | None:
        """What came of trying; None where an error of ours was raised."""
        try:
            return making.do(key)
        except GatewayError:
            return None
