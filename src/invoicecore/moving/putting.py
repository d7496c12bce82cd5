"""Putting pages into a store: each in a transaction of its own, and after an interruption from where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from invoicecore.errors import Conflict, Interrupted, InvalidValue
from invoicecore.moving.kinds import NAMES, missing
from invoicecore.moving.pages import ANY_DAY, Page
from invoicecore.parties import Biller
from invoicecore.ports import Counter, InvoiceQuery, Order, Reader, Record, Store, Writer

_EMPTY: Final = "move into a store without it; what an interruption left is gone on with by resume=True"
_AGAIN: Final = "let nobody work on either store meanwhile; begin again with an empty one"
_WHOLE: Final = "give what was exported from a store that has it"
_TRIES: Final = 5  # of a page that the store interrupts: the next transaction waits for a store that is restarting


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
                if (found := _stored(tx, ref)) is not None:
                    raise InvalidValue("biller", found.name, "is in that store already", _EMPTY)

    def put(self, page: Page) -> None:
        """Write one page whole, or nothing of it; what is there already is compared. Raises InvalidValue."""
        for left in reversed(range(_TRIES)):
            try:
                return self._put(page, afresh=not self._resume and left == _TRIES - 1)
            except Conflict as error:
                with self._store.reading() as tx:
                    found = missing(tx, page.biller, page.records)
                if not found:
                    raise
                raise InvalidValue("biller", page.biller, f"is not whole: {found[0]}", _WHOLE) from error
            except Interrupted:  # it may be written or not
                if not left:
                    raise

    def _put(self, page: Page, *, afresh: bool) -> None:
        last = page.counters is not None
        # A loss of power may take pages that were written hastily; the last one of a biller makes them all last.
        with self._store.writing(lasting=last, biller=page.biller) as tx:
            if page.records and isinstance(page.records[0], Biller):
                self._begin(tx, page.records[0], afresh=afresh)
            elif self._coming is not None:
                tx.add(page.records if afresh else self._missing(tx, page))
                if page.counters is not None:
                    self._end(tx, self._coming, page.counters)

    def _begin(self, tx: Writer, biller: Biller, *, afresh: bool) -> None:
        self._coming = biller
        begun = _unfinished(biller)
        found = _stored(tx, biller.id)
        if found is None:
            tx.add([begun])
        elif found == biller and not afresh:
            self._coming = None
        elif found != begun or afresh:
            raise InvalidValue(
                "biller", biller.name, "is in that store, and not as an interrupted move left it", _AGAIN
            )

    def _missing(self, tx: Writer, page: Page) -> Sequence[Record]:
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
        if _stored(tx, biller.id) == biller:
            return  # that was written before the store was interrupted
        if used := tx.counters(biller.id):
            raise InvalidValue("series", sorted(used), "gave numbers in that store", _AGAIN)
        for series, counter in counters.items():
            if counter.last_on is not None:
                tx.take_numbers(biller.id, series, counter.next - 1, counter.last_on)
        tx.replace([attrs.evolve(biller, version=biller.version - 1)])  # replacing stores the version after it


def _stored(tx: Reader, ref: str) -> Biller | None:
    return tx.get(Biller, ref, [ref]).get(ref)


def _unfinished(biller: Biller) -> Biller:
    """A biller while its records are on their way: nothing is billed or collected, and its last version is to come."""
    return attrs.evolve(biller, payments=False, version=biller.version - 1)


def is_arriving(tx: Reader, biller: Biller) -> bool:
    """Whether a biller is as `_unfinished` made it; one that was changed at its source only once there are invoices."""
    if biller.payments:
        return False
    if biller.version == 0:  # no other is before its first version
        return True
    # Its series come last, and every draft that was made here took a number of one.
    return not tx.counters(biller.id) and bool(
        tx.invoices(InvoiceQuery(biller=biller.id, on=ANY_DAY, order=Order.CREATED_DESC, limit=1))
    )
