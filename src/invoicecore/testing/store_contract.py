"""What every store must do: adopt this class, pass, and the whole library works on your store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoicecore.ports import Store
from invoicecore.testing.store_collecting import CollectingContract
from invoicecore.testing.store_queries import QueriesContract
from invoicecore.testing.store_records import RecordsContract, StoreFactory
from invoicecore.testing.store_threads import ThreadsContract
from invoicecore.testing.store_writing import WritingContract


class StoreContract(RecordsContract, WritingContract, QueriesContract, CollectingContract, ThreadsContract):
    """The contract of `invoicecore.ports.Store`, as tests to inherit.

    Give one fixture, `store_factory`, that returns a function; each call makes a new, empty store:

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store_factory(self, tmp_path):
                numbers = itertools.count()
                return lambda: MyStore(tmp_path / f"{next(numbers)}.db")

    A store that keeps what it is told also sets `persistent = True` and overrides `reopen(store)`, which closes a
    store and opens what it wrote again.

    Nothing is skipped. Every test uses a store of its own (properties draw a biller of their own for every example);
    records are written after what they refer to, so foreign keys may be on. Run it in one process at least once.
    """

    @pytest.fixture
    def store(self, store_factory: StoreFactory) -> Iterator[Store]:
        """A new, empty store, closed after the test."""
        store = store_factory()
        yield store
        store.close()
