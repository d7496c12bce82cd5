"""The gateway in memory is a gateway: it passes the contract every gateway passes, whatever it claims."""

from __future__ import annotations

import attrs
import pytest

from invoicecore.payments import PaymentMethod
from invoicecore.ports import Capability, GatewayInfo
from invoicecore.testing import GatewayContract
from invoicecore.testing.gateway_items import BenchFactory
from invoicecore_adapters.memory import MemoryGateway
from invoicecore_adapters.memory.bench import MemoryBench


class GatewayThatClaimsLittle(MemoryGateway):
    """Debits of saved methods, and nothing else."""

    @property
    def info(self) -> GatewayInfo:
        whole = super().info
        [debits] = [spec for spec in whole.methods if spec.kind is PaymentMethod.DIRECT_DEBIT]
        return attrs.evolve(whole, methods=(attrs.evolve(debits, can=frozenset({Capability.CHARGE})),))


class BenchThatClaimsLittle(MemoryBench):
    gateways = GatewayThatClaimsLittle


class TestMemoryGateway(GatewayContract):
    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return MemoryBench


class TestGatewayThatClaimsLittle(GatewayContract):
    @pytest.fixture
    def bench_factory(self) -> BenchFactory:
        return BenchThatClaimsLittle
