"""The gateways' contract, part G: what a gateway says when the network or the provider fails, and what it does next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
)
from invoicecore.ports import Capability, Charge, Operation, PaymentSnapshot, PayStatus
from invoicecore.testing.checks import Running, examples
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore.testing.gateway_charging import MAKING, once
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import FOREVER, Making, Scene, Snapshot, money

BROKEN: Final = (Fault.HTML_502_BEFORE, Fault.HTML_502_AFTER, Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER)
"""Answers of a provider, or of something before it, that is broken."""

STORED: Final = (Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER)
"""Answers that a provider may repeat for a key for as long as it remembers the key."""

TEXTS: Final = st.text(max_size=30) | st.sampled_from(
    ["", "\0", "Loyer \r\nX: y", "é" * 300, "\N{PARTY POPPER}" * 20, "&amount=1", "INV-1 " * 100, "<b>"]
)
"""References and descriptions that an invoice may have; half a surrogate pair is no text of any store."""

A_DAY: Final = 86_400
"""Seconds: who is told to wait for longer, or for no time that can be counted, was told nothing."""

WAITS: Final = 6
"""How many times more it is asked too often: a provider may say how long to wait in words that are no time."""

DECIDED: Final = (PayStatus.SUCCEEDED, PayStatus.FAILED, PayStatus.CANCELLED)


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
        self.gives_up(scene, Fault.DRIP_AFTER, times=3)  # from its body on, before it, and from its first byte on

    @item(42)
    @MAKING
    def test_too_many_requests_did_nothing_and_say_how_long_to_wait(self, scene: Scene, operation: Operation) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, Fault.RATE_LIMIT):
            error = self.raised(scene, making, key, RateLimited)
        assert isinstance(error, RateLimited)
        assert error.retry_after is not None
        assert error.retry_after > 0
        with self.failing(scene, operation, Fault.RATE_LIMIT):
            for _ in range(WAITS):
                self.raised(scene, making, key, RateLimited)
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

    @item(44)
    def test_no_text_of_ours_breaks_it(self, scene: Scene) -> None:
        [spec, *_] = scene.payable()
        charges = scene.asking() is Operation.CHARGE
        wanted = scene.charge(spec) if charges else scene.checkout(money(spec, 5120))
        effect = EffectKind.PAYMENT if charges else EffectKind.CHECKOUT

        @examples(20)
        @given(text=TEXTS)
        def check(text: str) -> None:
            key, asked = scene.key(), attrs.evolve(wanted, reference=text, description=text)
            try:
                told = (
                    scene.gateway.charge(asked, key)
                    if isinstance(asked, Charge)
                    else scene.gateway.payment(scene.gateway.checkout(asked, key).reference)
                )
            except InvalidRequest:
                assert not scene.effects(effect, key)
            else:
                assert told.amount == wanted.amount
            assert len(scene.effects(effect, key)) <= 1

        check()

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

    def gives_up(self, scene: Scene, fault: Fault, *, times: int = 1) -> None:
        """Fail unless a payment that is asked for and not answered leaves doubt in time, each time."""
        operation = scene.asking()
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, fault):
            for _ in range(times):
                trying = Running(lambda: self.raised(scene, making, key, OutcomeUnknown))
                assert trying.within(self.patience * 1.2), f"it waits for longer than {self.patience} s"
                trying.result()
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
        self.can_be_shown(scene, raised.value)
        return raised.value

    def can_be_shown(self, scene: Scene, error: GatewayError) -> None:
        """Fail if an error shows a secret, or asks to wait for no time or for ever."""
        assert not scene.leaked(error), f"{type(error).__name__} shows a secret"
        if isinstance(error, RateLimited) and error.retry_after is not None:
            assert 0 <= error.retry_after <= A_DAY, f"nobody waits for {error.retry_after} seconds"

    def attempted(self, making: Making, key: str) -> Snapshot | None:
        """What came of trying; None where an error of ours was raised."""
        try:
            return making.do(key)
        except GatewayError:
            return None
