"""The SQL store is a store: it passes the contract every store passes, on an SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from invoicecore.ports import Store
from invoicecore.testing import StoreContract
from invoicecore_adapters.sql.store import SqlStore


class FileStore(SqlStore):
    """The store under test, which remembers its URL so that it can be opened again."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class TestSqlStore(StoreContract):
    persistent = True

    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        numbers, opened = count(), []

        def fresh() -> Store:
            opened.append(FileStore(f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"))
            return opened[-1]

        yield fresh
        for store in opened:
            store.close()

    def reopen(self, store: Store) -> Store:
        if not isinstance(store, FileStore):
            pytest.fail("the contract handed over another store")
        store.close()
        return FileStore(store.url)
