"""The gateways' contract, part G, of what is there: reads, searches, lists and changes that fail, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from typing import Final

import attrs
import pytest

from invoicecore.errors import (
    ConfigurationProblem,
    Executed,
    GatewayError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
)
from invoicecore.ports import Capability, MethodSnapshot, Notice, Operation, PaymentSnapshot, PayStatus
from invoicecore.testing.gateway_bench import Fault
from invoicecore.testing.gateway_charging import MAKING, fail
from invoicecore.testing.gateway_faults import DECIDED, FaultsContract
from invoicecore.testing.gateway_items import item
from invoicecore.testing.gateway_scene import Scene, Unclaimed, currency_of, money, zoned

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
"""Faults of all operations that make nothing, and what is due where they are met."""

LOST: Final = (Fault.RESET_AFTER, Fault.STALL_AFTER, Fault.ERROR_500_AFTER)
"""Faults of a change that was made, and of which nothing is heard."""

CHANGES: Final = ("expire", "revoke", "cancel", "retry")
"""Operations that change what is there."""


@attrs.frozen(kw_only=True)
class Change:
    """A change of something, the same under the same key each time, and how that something is read."""

    key: str
    do: Callable[[], object]
    read: Callable[[], PaymentSnapshot | MethodSnapshot]


def change(scene: Scene, operation: str) -> Change:
    """One of CHANGES, ready to be done; ends the test where it is not claimed."""
    gateway, key = scene.gateway, scene.key()
    if operation == "expire":
        [spec, *_] = scene.needs(Capability.CHECKOUT, Capability.EXPIRE)
        reference = gateway.checkout(scene.checkout(money(spec, 5120)), scene.key()).reference
        return Change(key=key, do=lambda: gateway.expire(reference, key), read=lambda: gateway.payment(reference))
    if operation == "revoke":
        [spec, *_] = scene.needs(Capability.REVOKE)
        method, _ = scene.bench.saved(spec.kind, currency_of(spec))
        return Change(key=key, do=lambda: gateway.revoke(method, key), read=lambda: gateway.method(method))
    verb = {"cancel": gateway.cancel, "retry": gateway.retry}[operation]
    charged = (scene.charged(spec)[0] for spec in scene.needs(Capability.CHARGE, Capability(operation)))
    waiting = next((told for told in charged if told.status is PayStatus.PENDING), None)
    if waiting is None:
        raise Unclaimed("payments that wait")
    if operation == "retry":
        fail(scene, waiting)
    return Change(key=key, do=lambda: verb(waiting.reference, key), read=lambda: gateway.payment(waiting.reference))


def everything_else(scene: Scene) -> Mapping[str, Callable[[], object]]:
    """A call of each operation that reads or changes what is there, of those that are claimed."""
    gateway, info = scene.gateway, scene.gateway.info
    [spec, *_] = scene.payable()
    making, key = scene.making(scene.asking()), scene.key()
    making.do(key)
    paid = scene.paid(spec)
    since = scene.bench.now() - timedelta(hours=1)
    calls: dict[str, Callable[[], object]] = {"payment": lambda: gateway.payment(paid.reference)}
    if info.can(Capability.SETUP) and info.can(Capability.CHARGE):
        method, _ = scene.bench.saved(spec.kind, currency_of(spec))
        calls["method"] = lambda: gateway.method(method)
    for operation in CHANGES:
        with suppress(Unclaimed):
            calls[operation] = change(scene, operation).do
    if Capability.REFUND in spec.can:
        refund = gateway.refund(scene.refunding(paid, paid.amount), scene.key())
        calls["refund_of"] = lambda: gateway.refund_of(refund.reference)
    if info.can(Capability.LOOKUP):
        calls["find"] = lambda: scene.find(making, key)
    if info.can(Capability.LISTING):
        calls["payments"] = lambda: list(gateway.payments(since, scene.bench.now()))
    if info.can(Capability.BACKFILL):
        calls["missed"] = lambda: gateway.missed(since)
    return calls


class ReadingContract(FaultsContract):
    """Operations that make nothing: what they answer, and what they say when something goes wrong."""

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
        for each in met:
            self.can_be_shown(scene, each)
        for operation, call in calls.items():
            with suppress(StateConflict) if operation in ("cancel", "retry") else nullcontext():
                call()

    @item(38, 40)
    @pytest.mark.parametrize("operation", CHANGES)
    @pytest.mark.parametrize("fault", LOST, ids=str)
    def test_what_was_changed_without_an_answer_is_not_said_to_be_as_it_was(
        self, scene: Scene, operation: str, fault: Fault
    ) -> None:
        changing = change(scene, operation)
        before, said = changing.read(), Executed.UNKNOWN
        so_far = len(scene.bench.exchanges())
        with self.failing(scene, operation, fault):
            try:
                changing.do()
            except GatewayError as error:
                self.can_be_shown(scene, error)
                said = error.executed
        if said is Executed.NO:
            assert changing.read() == before, "it is said that nothing happened, and it did"
        with suppress(StateConflict, OutcomeUnknown):  # it is done already, or the failure is remembered
            changing.do()
        keys = {each.key for each in scene.requests(operation, so_far) if each.key is not None}
        assert all(each.startswith(changing.key) for each in keys), f"keys of its own making: {keys}"

    @item(48, 49)
    @MAKING
    @pytest.mark.parametrize("fault", READING, ids=str)
    def test_a_search_that_fails_does_not_say_that_there_is_nothing(
        self, scene: Scene, operation: Operation, fault: Fault
    ) -> None:
        scene.needs(Capability.LOOKUP)
        making, key = scene.making(operation), scene.key()
        making.do(key)
        for asked in scene.operations(lambda: scene.find(making, key)):
            with self.failing(scene, asked, fault):
                try:
                    found = scene.find(making, key)
                except GatewayError as error:
                    self.can_be_shown(scene, error)
                else:
                    assert found is not None, f"{fault} became 'there is nothing', and it is made again"
                    assert found.key == key

    @item(44)
    @pytest.mark.parametrize("listing", [Capability.LISTING, Capability.BACKFILL], ids=str)
    @pytest.mark.parametrize("fault", READING, ids=str)
    def test_a_list_that_fails_does_not_say_that_it_ends(self, scene: Scene, listing: Capability, fault: Fault) -> None:
        scene.needs(listing)
        [spec, *_] = scene.payable()
        since = scene.bench.now()
        scene.paid(spec)
        until = since + timedelta(minutes=1)

        def told() -> Sequence[object]:
            if listing is Capability.LISTING:
                return list(scene.gateway.payments(since, until))
            return missed(scene, since)

        whole = told()
        assert whole
        for asked in scene.operations(told):
            with self.failing(scene, asked, fault):
                try:
                    part = told()
                except GatewayError as error:
                    self.can_be_shown(scene, error)
                else:
                    assert part == whole, f"{fault} became the end of the list"

    @item(50)
    def test_payments_are_listed_from_a_time_on_to_before_another(self, scene: Scene) -> None:
        [spec, *_] = scene.needs(Capability.LISTING)
        made: list[tuple[datetime, PaymentSnapshot]] = []
        for _ in range(3):
            made.append((scene.bench.now(), scene.paid(spec)))
            scene.bench.move(60)
        for since, payment in made:
            until = since + timedelta(seconds=60)
            told = list(scene.gateway.payments(since, until))
            assert [each.reference for each in told] == [payment.reference], "not what was made from then to then"
            assert zoned(told[0].created_at), "an instant without a zone cannot be compared"
            assert since <= told[0].created_at < until
        assert not list(scene.gateway.payments(scene.bench.now(), scene.bench.now() + timedelta(days=1)))

    @item(9)
    def test_what_is_answered_is_what_was_asked_about(self, scene: Scene) -> None:
        gateway = scene.gateway
        [spec, *_] = scene.payable()
        paid = [scene.paid(spec) for _ in range(2)]
        for payment in (*paid, *paid):
            told = gateway.payment(payment.reference)
            assert (told.reference, told.key) == (payment.reference, payment.key), "it tells of another payment"
            assert zoned(told.created_at), "an instant without a zone cannot be compared"
        if Capability.REFUND in spec.can:
            refunds = [gateway.refund(scene.refunding(each, each.amount), scene.key()) for each in paid]
            for refund in (*refunds, *refunds):
                again = gateway.refund_of(refund.reference)
                assert (again.reference, again.payment) == (refund.reference, refund.payment), "of another refund"
        if Capability.CHARGE in spec.can:
            methods = [scene.bench.saved(spec.kind, currency_of(spec))[0] for _ in range(2)]
            for method in (*methods, *methods):
                assert gateway.method(method).reference == method, "it tells of another method"

    @item(45)
    def test_a_status_that_nobody_knows_is_nothing_when_read_again(self, scene: Scene) -> None:
        [spec, *_] = scene.payable()
        payment = scene.paid(spec)
        with self.failing(scene, "payment", Fault.UNKNOWN_STATUS):
            try:
                told = scene.gateway.payment(payment.reference)
            except GatewayError:
                return
        assert told.status not in DECIDED, f"a status that nobody knows became {told.status}"
        assert told.decline is None

    @item(47)
    def test_a_redirection_tells_nothing_of_a_payment(self, scene: Scene) -> None:
        [spec, *_] = scene.payable()
        known = scene.paid(spec)
        with self.failing(scene, "payment", Fault.REDIRECT):
            try:
                told = scene.gateway.payment(known.reference)
            except GatewayError:
                return
        assert told == known, "somebody else told of a payment, and was believed"


def missed(scene: Scene, since: datetime) -> Sequence[Notice]:
    """All pages of what was missed."""
    found: list[Notice] = []
    cursor: str | None = None
    while True:
        page = scene.gateway.missed(since, cursor)
        found += page.notices
        cursor = page.cursor
        if cursor is None:
            return found
