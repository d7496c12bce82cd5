"""Putting pages into a store: each in a transaction of its own, and after an interruption from where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from invoicecore.errors import InvalidValue
from invoicecore.moving.pages import NAMES, Page
from invoicecore.parties import Biller
from invoicecore.ports import Counter, Record, Store, Writer

_EMPTY: Final = "move into a store without it; what an interruption left is gone on with by resume=True"
_AGAIN: Final = "let nobody work on either store meanwhile; begin again with an empty one"


class Putting:
    """Where pages go: a store that has none of their billers, or with `resume` what an interruption left of them."""

    def __init__(self, store: Store, *, resume: bool) -> None:
        self._store = store
        self._resume = resume
        self._coming: Biller | None = None  # whose pages these are, as it will be at the end; None: it is there whole

    def check(self, billers: Iterable[str]) -> None:
        """Raise InvalidValue for a biller that is in the store, unless what is there is gone on with."""
        if self._resume:
            return
        with self._store.reading() as tx:
            for ref in billers:
                for found in tx.get(Biller, ref, [ref]).values():
                    raise InvalidValue("biller", found.name, "is in that store already", _EMPTY)

    def put(self, page: Page) -> None:
        """Write one page whole, or nothing of it; what is there already is compared. Raises InvalidValue."""
        # A loss of power may take pages that were written hastily; the last one of a biller makes them all last.
        with self._store.writing(lasting=page.counters is not None) as tx:
            if page.records and isinstance(page.records[0], Biller):
                self._begin(tx, page.records[0])
            elif self._coming is not None:
                tx.add(self._missing(tx, page) if self._resume else page.records)
                if page.counters is not None:
                    self._end(tx, self._coming, page.counters)

    def _begin(self, tx: Writer, biller: Biller) -> None:
        self._coming = biller
        begun = _unfinished(biller)
        found = tx.get(Biller, biller.id, [biller.id]).get(biller.id)
        if found is None:
            tx.add([begun])
        elif found == biller and self._resume:
            self._coming = None
        elif found != begun or not self._resume:
            raise InvalidValue(
                "biller", biller.name, "is in that store, and not as an interrupted move left it", _AGAIN
            )

    def _missing(self, tx: Writer, page: Page) -> list[Record]:
        """Those that are not in the store; what is there must be the same."""
        ids: dict[type[Record], list[str]] = {}
        for record in page.records:
            ids.setdefault(type(record), []).append(record.id)
        there = {kind: tx.get(kind, page.biller, some) for kind, some in ids.items()}
        missing = []
        for record in page.records:
            found = there[type(record)].get(record.id)
            if found is None:
                missing.append(record)
            elif found != record:
                raise InvalidValue(NAMES[type(record)], record.id, "is not the same in that store", _AGAIN)
        return missing

    def _end(self, tx: Writer, biller: Biller, counters: Mapping[str, Counter]) -> None:
        if used := tx.counters(biller.id):
            raise InvalidValue("series", sorted(used), "gave numbers in that store", _AGAIN)
        for series, counter in counters.items():
            if counter.last_on is not None:
                tx.take_numbers(biller.id, series, counter.next - 1, counter.last_on)
        tx.replace([attrs.evolve(biller, version=biller.version - 1)])  # replacing stores the version after it


def _unfinished(biller: Biller) -> Biller:
    """A biller while its records are on their way: nothing is billed or collected, and its last version is to come."""
    return attrs.evolve(biller, payments=False, version=biller.version - 1)
