"""The gateway in memory is a gateway: it passes the contract every gateway passes."""

from __future__ import annotations

import pytest

from invoicecore.testing.gateway_contract import GatewayContract
from invoicecore.testing.gateway_items import BenchFactory
from invoicecore_adapters.memory.bench import MemoryBench


class TestMemoryGateway(GatewayContract):
    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return MemoryBench
