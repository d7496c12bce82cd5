"""The store in memory passes the contract, and what it does beyond it."""

from __future__ import annotations

import pytest

from invoicecore.testing import StoreContract
from invoicecore_adapters.memory import MemoryStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store_factory(self):
        return MemoryStore
