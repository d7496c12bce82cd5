"""Pennypay keeps the contract of gateways; what the contract cannot know of it is below."""

from __future__ import annotations

from contextlib import closing

import pytest
from bench import PennypayBench
from simulator import ROWS

from invoicecore import Plugins
from invoicecore.errors import InvalidValue, OutcomeUnknown
from invoicecore.money import Money
from invoicecore.ports import PayStatus
from invoicecore.testing import GatewayContract
from invoicecore.testing.gateway_bench import Fault
from invoicecore.testing.gateway_items import BenchFactory
from invoicecore.testing.gateway_scene import Scene


class TestPennypay(GatewayContract):
    conformance_file = "conformance.json"
    patience = 2.0
    rows = ROWS

    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return PennypayBench

    def test_an_answer_about_another_order_is_no_answer(self) -> None:
        with closing(PennypayBench()) as bench:
            scene = Scene(bench)
            one, other = (scene.gateway.checkout(scene.checkout(Money("5.00", "EUR")), scene.key()) for _ in range(2))
            bench.provider.astray = other.reference
            with pytest.raises(OutcomeUnknown):
                scene.gateway.payment(one.reference)

    def test_an_order_in_a_state_that_nobody_knows_is_unrecognised(self, scene: Scene) -> None:
        page = scene.gateway.checkout(scene.checkout(Money("5.00", "EUR")), scene.key())
        scene.bench.fault("payment", Fault.UNKNOWN_STATUS)
        assert scene.gateway.payment(page.reference).status is PayStatus.UNRECOGNISED

    def test_it_is_found_by_its_url_with_its_key_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PENNYPAY_KEY", raising=False)
        with pytest.raises(InvalidValue, match="PENNYPAY_KEY"):
            Plugins.discover().gateway("pennypay://")
        monkeypatch.setenv("PENNYPAY_KEY", "penny_key")
        assert Plugins.discover().gateway("pennypay://").info.name == "pennypay"
