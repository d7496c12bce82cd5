"""The SQL store is a store: it passes the contract every store passes, on an SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from invoicecore.ports import Store
from invoicecore.testing import StoreContract
from invoicecore_adapters.sql import open_sql


class TestSqlStore(StoreContract):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        opened: list[Store] = []

        def fresh() -> Store:
            opened.append(open_sql(f"sqlite:///{tmp_path / f'{len(opened)}.db'}"))
            return opened[-1]

        yield fresh
        for store in opened:
            store.close()
