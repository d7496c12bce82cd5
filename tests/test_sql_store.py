"""The SQL store is a store: it passes the contract every store passes, on an SQLite file and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import postgres
from invoicecore.ports import Store
from invoicecore.testing import StoreContract
from invoicecore_adapters.sql.store import SqlStore


class KeptStore(SqlStore):
    """The store under test, which remembers its URL so that it can be opened again."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class _Kept(StoreContract):
    persistent = True

    def reopen(self, store: Store) -> Store:
        if not isinstance(store, KeptStore):
            pytest.fail("the contract handed over another store")
        store.close()
        return KeptStore(store.url)


class TestSqlStore(_Kept):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        numbers, opened = count(), []

        def fresh() -> Store:
            opened.append(KeptStore(f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"))
            return opened[-1]

        yield fresh
        for store in opened:
            store.close()


class TestPostgresStore(_Kept):
    @pytest.fixture
    def store_factory(self) -> Iterator[Callable[[], Store]]:
        opened = []

        def fresh() -> Store:
            opened.append(KeptStore(postgres.new()))
            return opened[-1]

        yield fresh
        for store in opened:
            store.close()
            postgres.drop(store.url)
