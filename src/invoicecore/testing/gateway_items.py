"""The items of the gateways' contract by number, and what became of each: a report that machines can read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import ClassVar, Final, TypeVar, cast

import attrs
import pytest

from invoicecore.ports import GatewayInfo, Operation
from invoicecore.testing.gateway_bench import Fault, GatewayBench
from invoicecore.testing.gateway_scene import Scene, Unclaimed

Test = TypeVar("Test", bound=Callable[..., None])

LAST: Final = 80

ELSEWHERE: Final[Mapping[int, str]] = {
    20: "no bench can replace a method: a gateway that tells of `replaced_by` tests it on its own provider",
    34: "a gateway keeps nothing between calls, so nothing is tried again by itself: 33 and 79 show it",
    66: "no bench has a second mode: a gateway that tells test from live tests `Notice.live` itself",
    71: "no bench has inquiries: a gateway whose provider has them tests that they move no money",
}
"""Items that this contract cannot show, and who does."""

BenchFactory = Callable[[], GatewayBench]

_WORST_LAST: Final = ("unclaimed", "passed", "failed")


class ItemsContract:
    """What every part of the gateways' contract has: the scene it is played on, and the record of what it showed."""

    waived: ClassVar[Mapping[int, str]] = {}
    """Items that do not hold, each with the reason; they are skipped, and reported."""

    impossible: ClassVar[Mapping[Fault, str]] = {}
    """Faults that cannot happen to this gateway, each with the reason."""

    patience: ClassVar[float] = 10.0
    """Seconds within which a call ends whatever the network does: all of its own retries and timeouts together."""

    rows: ClassVar[int] = 50
    """The most rows of one page of the provider's lists, as the gateway asks for them."""

    conformance_file: ClassVar[str | Path | None] = None
    """Where the report is written once the class's tests have run, as JSON."""

    @pytest.fixture
    def scene(self, bench_factory: BenchFactory) -> Iterator[Scene]:
        """A new bench with a gateway on it, closed after the test."""
        bench = bench_factory()
        scene = Scene(bench)
        record_of(type(self)).info = scene.gateway.info
        try:
            yield scene
            scene.gateway.close()
        finally:
            bench.close()

    @classmethod
    def teardown_class(cls) -> None:
        """Write the report, if it is wanted."""
        if cls.conformance_file is not None:
            Path(cls.conformance_file).write_text(conformance(cls).json(), "utf-8")


@attrs.define
class Record:
    """What the tests of one class have shown so far."""

    info: GatewayInfo | None = None
    outcomes: dict[int, dict[str, str]] = attrs.Factory(dict)

    def note(self, number: int, test: str, outcome: str) -> None:
        """Write down how a test ended; of one that runs several times the worst end counts."""
        known = self.outcomes.setdefault(number, {})
        known[test] = max(known.get(test, outcome), outcome, key=_WORST_LAST.index)


_records: dict[type[ItemsContract], Record] = {}


def record_of(contract: type[ItemsContract]) -> Record:
    """The record of a class that adopts the contract."""
    return _records.setdefault(contract, Record())


def item(*numbers: int, refunds: int | None = None) -> Callable[[Test], Test]:
    """Name the items a test shows, so that what became of them is recorded.

    `refunds` is the item it shows instead where its parameter `operation` is a refund.
    """

    def named(test: Test) -> Test:
        @wraps(test)
        def run(self: ItemsContract, *args: object, **kwargs: object) -> None:
            record = record_of(type(self))
            shown = numbers
            if refunds is not None and kwargs.get("operation") is Operation.REFUND:
                shown = (refunds,)
            for number in shown:
                if number in self.waived:
                    pytest.skip(f"item {number} is waived: {self.waived[number]}")
            outcome = "failed"
            try:
                test(self, *args, **kwargs)
                outcome = "passed"
            except Unclaimed:
                outcome = "unclaimed"
            except pytest.skip.Exception:  # a fault that cannot happen
                outcome = "unclaimed"
                raise
            finally:
                for number in shown:
                    record.note(number, test.__name__, outcome)

        run.__dict__["items"] = numbers if refunds is None else (*numbers, refunds)
        return cast(Test, run)

    return named


@attrs.frozen(kw_only=True)
class Conformance:
    """What a gateway claims, and which items of the contract it was shown to keep.

    `claimed` is by scheme. `unclaimed` are items about what it does not claim, which it refuses without a request;
    `waived` those its author gives a reason for, faults that cannot happen to it among them; `elsewhere` those that
    this contract cannot show; `missing` those whose tests did not run.
    """

    gateway: str
    provider_api_version: str
    port_version: int
    claimed: Mapping[str, tuple[str, ...]]
    passed: tuple[int, ...]
    failed: tuple[int, ...]
    unclaimed: tuple[int, ...]
    missing: tuple[int, ...]
    waived: Mapping[str, str]
    elsewhere: Mapping[str, str]

    def json(self) -> str:
        """The report as JSON, the same for the same result."""
        return json.dumps(attrs.asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def conformance(contract: type[ItemsContract]) -> Conformance:
    """What the tests of a class have shown in this process; ask once they have run."""
    record = record_of(contract)
    info = record.info
    worst = {number: max(outcomes.values(), key=_WORST_LAST.index) for number, outcomes in record.outcomes.items()}

    def which(outcome: str) -> tuple[int, ...]:
        return tuple(sorted(number for number, each in worst.items() if each == outcome))

    waived = {str(number): why for number, why in sorted(contract.waived.items())}
    return Conformance(
        gateway=info.name if info else "",
        provider_api_version=info.provider_api_version if info else "",
        port_version=info.port_version if info else 0,
        claimed={spec.scheme: tuple(sorted(spec.can)) for spec in info.methods} if info else {},
        passed=which("passed"),
        failed=which("failed"),
        unclaimed=which("unclaimed"),
        missing=tuple(sorted(set(range(1, LAST + 1)) - set(worst) - set(contract.waived) - set(ELSEWHERE))),
        waived=waived | {f"fault {fault}": why for fault, why in contract.impossible.items()},
        elsewhere={str(number): why for number, why in ELSEWHERE.items()},
    )
