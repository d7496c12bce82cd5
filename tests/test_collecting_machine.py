"""F36: everything that can happen to a collection, in any order, against the provider's own ledger.

A state machine publishes, charges, pays, collects, fails, takes back, refunds and voids; loses, repeats and mixes
webhooks; kills the process before and after effects and commits; breaks the network; lets time pass; collects and
recovers. At the end everything comes to rest and `House.check` holds the books against the ledger (I1 to I7).

`INVOICECORE_STEPS=long` runs many more; a failure prints what to do to see it again (`@reproduce_failure`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    run_state_machine_as_test,
)
from hypothesis.stateful import (
    rule as step,
)

from desks import all_of, money, store_of
from invoicecore.collection import Collection, CollectionState, SavedMethod
from invoicecore.errors import InvoicecoreError
from invoicecore.invoices import Invoice
from invoicecore.payments import Refund, RefundState, ReversalKind
from invoicecore.testing.gateway_bench import EffectKind, Fault
from invoicecore_adapters.simulators.gocardless.refusals import Refusal
from invoicecore_adapters.simulators.stripe.refusals import Refused
from providers import NOON, House, Killed

LONG = os.environ.get("INVOICECORE_STEPS") == "long"

QUICK_FAULTS = (
    Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HTML_502_BEFORE, Fault.HTML_502_AFTER, Fault.TRUNCATE_AFTER,
    Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER, Fault.RATE_LIMIT, Fault.UNAUTHORISED, Fault.UNKNOWN_STATUS,
)  # fmt: skip
"""What goes wrong at once; those that wait for a deadline are in the gateway contract."""

OPERATIONS = ("charge", "charge", "refund", "payment", "checkout", "expire", "method", "cancel", "retry", "find")
MOST = 6  # invoices a run has at most, so that things happen to the same ones

REFUSED = (InvoicecoreError,)
"""What a rule may answer: that it cannot be done now. Anything else is a defect."""


class Collecting(RuleBasedStateMachine):
    """The rules; `provider` is whose simulator it is, `on_disk` whether the store is a file."""

    provider: ClassVar[str] = "memory"
    on_disk: ClassVar[bool] = False
    seen: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=_fastest())) if self.on_disk else None
        self.house = House(self.provider, f"sqlite:///{self.folder / 'x.db'}" if self.folder else "memory://")
        self.invoices: list[Invoice] = []
        self.methods: list[SavedMethod] = []
        self.pages: list[str] = []

    def teardown(self) -> None:
        try:
            self._note()
            self.house.check()
            self._note()
            self._resolve()
            self.house.check()
        finally:
            self.house.close()
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self) -> None:
        """Remember what this run came through."""
        found = self.house.desk.collections.find(biller=self.house.park, limit=500)
        self.seen.update(each.state.value for each in found)
        self.seen.update(each.kind.value for each in self.house.bench.effects())
        self.seen.update(self.house.status(each) for each in self.invoices)

    def _resolve(self) -> None:
        """Be the person whom a doubt is left to: look at the provider's ledger, and say what is there."""
        made = {effect.key for effect in self.house.charges()}
        for found in self.house.desk.collections.find(biller=self.house.park, state="unknown", limit=500):
            if found.id not in made:
                self.house.desk.collections.resolve(found, outcome="not_collected", note="it is not there")

    @contextlib.contextmanager
    def _may_die(self) -> Iterator[None]:
        """What is within may be refused, and may kill the process; another one goes on then."""
        try:
            with contextlib.suppress(*REFUSED):
                yield
        except Killed:
            self.house.store.lives()
            self.house.gateway.plans.clear()
            self.house.restart()

    def _one(self, of: list[Any], index: int) -> Any:
        return of[index % len(of)]

    # --- the business ---

    @initialize(retries=st.sampled_from([(), (1,), (1, 2)]), by_itself=st.booleans())
    def begin(self, retries: tuple[int, ...], by_itself: bool) -> None:
        policy = {"collection_retries": retries, "collect_saved": by_itself, "notify_on_payment": True}
        self.house.park = self.house.desk.billers.edit(self.house.park, policy=policy)
        self.methods.append(self.house.save())
        self.publish(100, False)

    @precondition(lambda self: len(self.invoices) < MOST)
    @step(amount=st.sampled_from([100, 40, "12.34"]), soon=st.booleans())
    def publish(self, amount: str | int, soon: bool) -> None:
        with self._may_die():
            due = self.house.desk.today(self.house.park) if soon else date(2026, 12, 1)
            self.invoices.append(self.house.issue(amount, due=due))

    @precondition(lambda self: len(self.methods) < 3)
    @step()
    def save(self) -> None:
        with self._may_die():
            self.methods.append(self.house.save())

    @step(n=st.integers(0, 5))
    def charge(self, n: int) -> None:
        with self._may_die():
            self.house.desk.payments.charge(self._one(self._open(), n))

    def _open(self) -> list[Invoice]:
        """The invoices something is owed of, if there are any."""
        now = [self.house.desk.invoices.get(each) for each in self.invoices]
        return [each for each in now if each.recordable.amount > 0] or self.invoices

    @step(n=st.integers(0, 5), fault=st.sampled_from(QUICK_FAULTS))
    def charge_over_a_broken_wire(self, n: int, fault: Fault) -> None:
        self.house.bench.fault("charge", fault)
        self.charge(n)

    @step(operation=st.sampled_from(["charge", "refund", "payment"]), fault=st.sampled_from(QUICK_FAULTS))
    def look_over_a_broken_wire(self, operation: str, fault: Fault) -> None:
        self.house.bench.fault(operation, fault)
        self.house.move(hours=1)
        self.recover()

    @precondition(lambda self: self._came())
    @step(n=st.integers(0, 5), fault=st.sampled_from(QUICK_FAULTS))
    def refund_over_a_broken_wire(self, n: int, fault: Fault) -> None:
        self.house.bench.fault("refund", fault)
        self.refund(n, 10)

    @step(n=st.integers(0, 5), when=st.sampled_from(["before", "after"]), operation=st.sampled_from(["charge", ""]))
    def charge_and_die(self, n: int, when: str, operation: str) -> None:
        if operation:
            self.house.gateway.plan(operation, Killed(), when=when)
        else:
            self.house.store.dies(n % 3 + 1, when)
        self.charge(n)

    @step(n=st.integers(0, 5))
    def open_page(self, n: int) -> None:
        with self._may_die():
            self.pages.append(self.house.page(self._one(self._open(), n)))

    @precondition(lambda self: len(self.invoices) > 2)
    @step(n=st.integers(0, 5), some=st.sampled_from([None, 10, 10]))
    def record(self, n: int, some: int | None) -> None:
        with self._may_die():
            self.house.desk.payments.record(self._one(self.invoices, n), money(some) if some else None)

    @step(n=st.integers(0, 5))
    def apply_credit(self, n: int) -> None:
        with self._may_die():
            self.house.desk.credits.apply(self._one(self.invoices, n))

    @precondition(lambda self: len(self.invoices) == MOST)
    @step(n=st.integers(0, 5))
    def void(self, n: int) -> None:
        with self._may_die():
            self.house.desk.invoices.void(self._one(self.invoices, n))

    @precondition(lambda self: self._came())
    @step(n=st.integers(0, 9), some=st.sampled_from([None, 10, 30]))
    def refund(self, n: int, some: int | None) -> None:
        found = self.house.desk.collections.find(biller=self.house.park, limit=500)
        some_of = [each for each in found if each.collected.amount > 0]
        if some_of:
            with self._may_die():
                whole = money(some) if some else None
                self.house.desk.payments.refund(self._one(some_of, n).invoice, whole, to="gateway")

    @step(n=st.integers(0, 9))
    def call_off(self, n: int) -> None:
        found = self.house.desk.collections.find(biller=self.house.park, limit=500)
        if found:
            with self._may_die():
                self.house.desk.collections.cancel(self._one(found, n))

    @step()
    def collect(self) -> None:
        with self._may_die():
            self.house.desk.collect()

    @step()
    def recover(self) -> None:
        with self._may_die():
            self.house.desk.recover()

    @step(hours=st.sampled_from([0.1, 0.3, 1, 5, 26, 80]))
    def time_passes(self, hours: float) -> None:
        self.house.move(hours=hours)

    # --- payers and banks: what cannot happen now is passed over ---

    def _names(self, fit: Callable[[str], bool]) -> list[str]:
        return [each.reference for each in self.house.charges() if fit(each.reference)]

    def _came(self) -> list[str]:
        return self._names(lambda name: self._kept(name) > 0)

    @precondition(lambda self: self.pages)
    @step(n=st.integers(0, 9), decline=st.sampled_from([False, False, True]))
    def payer_pays(self, n: int, decline: bool) -> None:
        code = sorted(self.house.bench.declines())[0] if decline else None
        with _nothing_if_impossible():
            self.house.bench.pay(self._one(self.pages[::-1], n), decline=code)

    @precondition(lambda self: self._names(self._waits))
    @step(n=st.integers(0, 9))
    def bank_collects(self, n: int) -> None:
        with _nothing_if_impossible():
            self.house.bench.collect(self._one(self._names(self._waits), n))

    @precondition(lambda self: self._names(self._waits))
    @step(lost=st.booleans())
    def bank_collects_all(self, lost: bool) -> None:
        for name in self._names(self._waits):
            with _nothing_if_impossible():
                self.house.bench.collect(name)
        if not lost:
            self.webhooks_come()

    @precondition(lambda self: self._names(self._waits))
    @step(n=st.integers(0, 9), code=st.sampled_from(["insufficient_funds"] * 3 + ["bank_account_closed"]))
    def bank_refuses(self, n: int, code: str) -> None:
        with _nothing_if_impossible():
            self.house.bench.fail(self._one(self._names(self._waits), n), code)

    @precondition(lambda self: self._came())
    @step(n=st.integers(0, 9), late=st.booleans())
    def bank_takes_back(self, n: int, late: bool) -> None:
        with _nothing_if_impossible():
            self.house.bench.reverse(
                self._one(self._came(), n), ReversalKind.LATE_FAILURE if late else ReversalKind.CHARGEBACK
            )

    @precondition(lambda self: self._names(self._disputed))
    @step(n=st.integers(0, 9))
    def bank_gives_again(self, n: int) -> None:
        with _nothing_if_impossible():
            self.house.bench.undo_reversal(self._one(self._names(self._disputed), n))

    @precondition(lambda self: self.house.charges(EffectKind.REFUND))
    @step(n=st.integers(0, 9), failed=st.booleans())
    def refund_settles(self, n: int, failed: bool) -> None:
        given = [each for each in all_of(store_of(self.house.desk), self.house.park, Refund) if each.reference]
        if given:
            refund = self._one(given, n)
            over = {e.reference for e in self.house.charges(EffectKind.REFUND_FAILED)}
            if refund.reference not in over:
                with _nothing_if_impossible():
                    self.house.bench.settle_refund(refund.reference, failed=failed)

    @precondition(lambda self: len(self.invoices) > 3)
    @step(n=st.integers(0, 3))
    def payer_gives_up_a_method(self, n: int) -> None:
        if self.methods and (reference := self._one(self.methods, n).reference):
            with _nothing_if_impossible():
                self.house.bench.revoke(reference)

    def _waits(self, name: str) -> bool:
        """Whether the bank has still to decide on a payment."""
        match self.provider:
            case "stripe":
                return bool(self.house.bench.simulator.account.objects[name]["status"] == "processing")
            case "gocardless":
                payment = self.house.bench.provider.account.payments[name]
                return payment.status in ("pending_submission", "submitted") and payment.mandate in (
                    self.house.bench.provider.account.mandates
                )
        return bool(self.house.bench.provider._things[name]["waits"])

    def _kept(self, name: str) -> int:
        """What of a payment came and was not taken back, in minor units, by the provider's ledger."""
        key = next(each.key for each in self.house.charges() if each.reference == name)
        signs = {EffectKind.COLLECTED: 1, EffectKind.REVERSAL: -1, EffectKind.REVERSAL_CANCELLED: 1}
        mine = [each for each in self.house.bench.effects() if each.key == key and each.kind in signs and each.amount]
        return int(sum(each.amount.amount * 100 * signs[each.kind] for each in mine if each.amount))

    def _disputed(self, name: str) -> bool:
        if self.provider == "gocardless":
            return bool(self.house.bench.provider.account.payments[name].status == "charged_back")
        if self.provider == "stripe":
            last = [d for d in self.house.bench.simulator.account.all("dispute") if d["payment_intent"] == name]
            return bool(last) and last[0]["status"] == "needs_response"
        return any(not each["cancelled"] for each in self.house.bench.provider._things[name]["reversals"])

    # --- the wire ---

    @step()
    def webhooks_come(self) -> None:
        with self._may_die():
            self.house.deliver()

    @step()
    def webhooks_are_lost(self) -> None:
        self.house.sent()

    @step(order=st.randoms(use_true_random=False))
    def webhooks_come_twice_and_mixed(self, order: Any) -> None:
        some = self.house.sent() * 2
        order.shuffle(some)
        with self._may_die():
            for each in some:
                with contextlib.suppress(*REFUSED):
                    self.house.hand(each)

    def _meanwhile(self, operation: str, what: str) -> None:
        """Have the payer or the bank act, and the webhook of it come, while the next such request is under way."""

        def does() -> None:
            if what == "bank":
                for name in self._names(self._waits):
                    self.house.bench.collect(name)
            if what == "payer" and self.pages:
                with _nothing_if_impossible():
                    self.house.bench.pay(self.pages[-1])
            if what == "dispute":
                for name in self._came():
                    self.house.bench.reverse(name, ReversalKind.CHARGEBACK)
            with contextlib.suppress(*REFUSED):
                self.house.deliver()

        self.house.gateway.when(operation, "after", does)

    @step(n=st.integers(0, 5), what=st.sampled_from(["bank", "payer", "dispute"]))
    def charge_while_something_happens(self, n: int, what: str) -> None:
        self._meanwhile("charge", what)
        self.charge(n)

    @step(what=st.sampled_from(["bank", "payer", "dispute"]), hours=st.sampled_from([1, 80]))
    def look_while_something_happens(self, what: str, hours: int) -> None:
        self._meanwhile("payment", what)
        self.house.move(hours=hours)
        self.recover()

    @invariant()
    def one_at_a_time(self) -> None:
        """At no moment do two things collect one invoice, nor is anything said that the provider knows otherwise."""
        found = all_of(store_of(self.house.desk), self.house.park, Collection)
        live = Counter(each.invoice for each in found if each.unfinished)
        assert set(live.values()) <= {1}, f"two collections of one invoice: {live}"
        there = {each.key for each in self.house.charges(EffectKind.COLLECTED)}
        early = [each.id for each in found if each.state is CollectionState.SUCCEEDED and each.id not in there]
        assert not early, f"I3: {early} is said to be collected, the provider has nothing"
        made = {each.key for each in self.house.charges()}
        denied = [each.id for each in found if each.state is CollectionState.NOT_EXECUTED and each.id in made]
        assert not denied, f"{denied} is said not to have happened, and did"
        given = {each.key for each in self.house.charges(EffectKind.REFUND)}
        refunds = all_of(store_of(self.house.desk), self.house.park, Refund)
        denied = [each.id for each in refunds if each.state is RefundState.NOT_EXECUTED and each.id in given]
        assert not denied, f"{denied} is said not to have been given back, and was"

    @step()
    def missed_are_fetched(self) -> None:
        with self._may_die():
            self.house.desk.receive_missed(self.provider, since=NOON)

    @step(operation=st.sampled_from(OPERATIONS), fault=st.sampled_from(QUICK_FAULTS))
    def the_wire_breaks(self, operation: str, fault: Fault) -> None:
        self.house.bench.fault(operation, fault)

    @step()
    def the_wire_is_mended(self) -> None:
        self.house.bench.clear_faults()

    @step(operation=st.sampled_from(OPERATIONS), when=st.sampled_from(["before", "after"]))
    def killed_at_a_request(self, operation: str, when: str) -> None:
        self.house.gateway.plan(operation, Killed(), when=when)

    @step(transaction=st.integers(1, 6), when=st.sampled_from(["before", "after"]))
    def killed_at_a_commit(self, transaction: int, when: str) -> None:
        self.house.store.dies(transaction, when)


class OverMemory(Collecting):
    """The memory gateway."""


class OverStripe(Collecting):
    """The Stripe adapter, its SDK, and its simulator; a file."""

    provider = "stripe"
    on_disk = True


class OverGoCardless(Collecting):
    """The GoCardless adapter, its SDK, and its simulator; a file."""

    provider = "gocardless"
    on_disk = True


@contextlib.contextmanager
def _nothing_if_impossible() -> Iterator[None]:
    """A provider's world refuses what cannot happen there now."""
    with contextlib.suppress(InvoicecoreError, Refusal, Refused, LookupError):
        yield


def _fastest() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


ALWAYS = {"collected", "reversal", "refund", "succeeded", "cancelled", "not_executed", "unknown", "paid", "open"}
"""What a run of each machine must have come through, or it tells nothing."""

MACHINES = [
    (OverMemory, 300, ALWAYS | {"failed", "pending", "reversal_cancelled", "refunded"}),
    (OverStripe, 14, ALWAYS),
    (OverGoCardless, 18, ALWAYS | {"failed", "pending"}),
]


@pytest.mark.rule("D3", "D6", "P2", "S9", "S12")
@pytest.mark.parametrize(("machine", "examples", "through"), MACHINES, ids=lambda each: getattr(each, "provider", ""))
def test_f36_whatever_happens_in_whatever_order_the_books_agree_with_the_provider_s_ledger(
    machine: type[Collecting], examples: int, through: set[str]
) -> None:
    machine.seen = set()
    sized = settings(
        max_examples=examples * (20 if LONG else 1),
        stateful_step_count=50,
        derandomize=not LONG,
        deadline=None,
        print_blob=True,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=sized)
    assert machine.seen >= through, f"never came through {through - machine.seen}"
