"""A full store in memory (`memory://`): the one to try things with, and the default for tests.

Everything is kept in dictionaries of frozen records, with an index for each question the port asks often. A
transaction holds the store's one lock and keeps an undo log, so rolling back costs what was written, not what is
there. Readers hold the lock too: what they see does not move under them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock

from invoicecore.errors import InvalidValue, StoreError
from invoicecore.plugins import hookimpl
from invoicecore.ports import PaymentGateway, Reader, Store, Writer
from invoicecore_adapters.memory.gateway import MemoryGateway, open_gateway
from invoicecore_adapters.memory.provider import MemoryProvider
from invoicecore_adapters.memory.tables import Tables
from invoicecore_adapters.memory.views import MemoryReader, MemoryWriter

__all__ = [
    "MemoryGateway",
    "MemoryPlugin",
    "MemoryProvider",
    "MemoryReader",
    "MemoryStore",
    "MemoryWriter",
    "Tables",
    "open_memory",
    "plugin",
]


class MemoryStore:
    """A Store whose records live as long as it does; safe to share between threads, one transaction at a time."""

    reader: type[MemoryReader] = MemoryReader
    writer: type[MemoryWriter] = MemoryWriter

    def __init__(self) -> None:
        self._lock = RLock()
        self._tables = Tables()
        self._writing = False
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """See Store.reading; waits while another thread writes."""
        with self._lock:
            self._usable()
            reader = self.reader(self._tables)
            try:
                yield reader
            finally:
                reader.end()

    @contextmanager
    def writing(self, *, lasting: bool = True, biller: str | None = None, shared: bool = False) -> Iterator[Writer]:
        """See Store.writing; StoreError when this thread is writing already.

        A Conflict that was swallowed inside the block is raised again at its end, and nothing is kept.
        """
        with self._lock:
            self._usable()
            if self._writing:
                raise StoreError("this thread is writing already; do it in the same transaction")
            writer = self.writer(self._tables)
            self._writing = True
            try:
                yield writer
                if writer.broken is not None:
                    raise writer.broken
            except BaseException:
                writer.roll_back()
                raise
            finally:
                writer.end()
                self._writing = False

    def close(self) -> None:
        """See Store.close; the records are gone."""
        with self._lock:
            self._closed = True
            self._tables = Tables()

    def _usable(self) -> None:
        if self._closed:
            raise StoreError("this store is closed; open another one")


class MemoryPlugin:
    """Offers `memory://`, a new and empty store each time it is opened."""

    @hookimpl
    def stores(self) -> Mapping[str, Callable[[str], Store]]:
        """The scheme and what opens it."""
        return {"memory": open_memory}

    @hookimpl
    def gateways(self) -> Mapping[str, Callable[[str], PaymentGateway]]:
        """The scheme and what makes a gateway of it."""
        return {"memory": open_gateway}


def open_memory(url: str) -> Store:
    """A new store for `memory://`; InvalidValue for anything after that, since there is nothing to name."""
    if url != "memory://":
        raise InvalidValue("url", url, "names something in memory", "write memory://, each is a store of its own")
    return MemoryStore()


plugin = MemoryPlugin()
