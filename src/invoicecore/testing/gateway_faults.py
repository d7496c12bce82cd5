"""The gateways' contract, part G: what a gateway says when the network or the provider fails, and what it does next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Final

import pytest

from invoicecore.errors import (
    ConfigurationProblem,
    Executed,
    GatewayError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
)
from invoicecore.ports import Capability, Operation, PaymentSnapshot, PayStatus
from invoicecore.testing.gateway_bench import Fault
from invoicecore.testing.gateway_charging import MAKING, once
from invoicecore.testing.gateway_items import ItemsContract, item
from invoicecore.testing.gateway_scene import FOREVER, Making, Scene, Snapshot

LOST: Final[Mapping[Fault, type[GatewayError]]] = {
    Fault.RESET_BEFORE: OutcomeUnknown,
    Fault.RESET_AFTER: OutcomeUnknown,
    Fault.HTML_502_BEFORE: OutcomeUnknown,
    Fault.HTML_502_AFTER: OutcomeUnknown,
    Fault.ERROR_500_BEFORE: OutcomeUnknown,
    Fault.ERROR_500_AFTER: OutcomeUnknown,
    Fault.TRUNCATE_AFTER: OutcomeUnknown,
    Fault.HTML_200_AFTER: OutcomeUnknown,
}
"""Faults that leave doubt."""

STORED: Final = (Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER)
"""Answers that a provider may repeat for a key for as long as it remembers the key."""

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

    @item(37, 38, 40, 41)
    @MAKING
    @pytest.mark.parametrize("fault", LOST, ids=str)
    def test_where_there_is_doubt_it_is_told_and_the_same_again_is_one_effect(
        self, scene: Scene, operation: Operation, fault: Fault
    ) -> None:
        making, key = scene.making(operation), scene.key()
        with self.failing(scene, operation, fault):
            self.raised(scene, making, key, LOST[fault])
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

    @item(39, 46, 78)
    @pytest.mark.parametrize("fault", [Fault.STALL_AFTER, Fault.DRIP_AFTER], ids=str)
    def test_an_answer_that_does_not_come_is_not_waited_for(self, scene: Scene, fault: Fault) -> None:
        making, key = scene.making(Operation.CHARGE), scene.key()
        with self.failing(scene, Operation.CHARGE, fault):
            began = monotonic()
            self.raised(scene, making, key, OutcomeUnknown)
            took = monotonic() - began
        assert took < self.patience * 1.2, f"it took {took:.1f} s"
        once(scene, making, key, making.do(key))

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

    @contextmanager
    def failing(self, scene: Scene, operation: Operation, fault: Fault, *, times: int = FOREVER) -> Iterator[None]:
        """Have an operation's requests go wrong in the block; the test is left out where that cannot happen."""
        if fault in self.impossible:
            pytest.skip(f"{fault} cannot happen: {self.impossible[fault]}")
        scene.bench.fault(operation.value, fault, times=times)
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
