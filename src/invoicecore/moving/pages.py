"""Everything of a biller in pages that can be written one by one, and how it is read from a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Final

import attrs

from invoicecore.charges import Charge
from invoicecore.errors import NotFound, StoreError
from invoicecore.invoices import Invoice
from invoicecore.moving.kinds import KINDS, NAMES, missing
from invoicecore.parties import Biller
from invoicecore.ports import Counter, InvoiceQuery, Order, Reader, Record, Store
from invoicecore.serde import dumps

PAGE: Final = 1000
"""Records a page, and a transaction; of invoices, that many with their charges."""

ANY_DAY: Final = date(2000, 1, 1)
"""For queries that ask for no status."""

_SHOWN: Final = 5  # of what is not there


@attrs.frozen(kw_only=True)
class Page:
    """Records of one biller that are written together: all they refer to is among them or on an earlier page.

    A biller's first page is the biller alone; the last has no records, and in `counters` where every series stands.
    """

    biller: str
    records: tuple[Record, ...] = ()
    counters: Mapping[str, Counter] | None = None

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Each record as one line of JSON under the name of its kind."""
        return tuple([f'{{"{NAMES[type(record)]}":{dumps(record)}}}' for record in self.records])


class StoreSource:
    """The billers of a store, all of them or some."""

    def __init__(self, store: Store, billers: Sequence[str] | None = None) -> None:
        self._store = store
        self._wanted = billers

    def billers(self) -> list[Biller]:
        """See Source.billers. Raises NotFound for one that is wanted and not there."""
        found: list[Biller] = []
        with self._store.reading() as tx:
            if self._wanted is not None:
                return [_biller(tx, ref) for ref in sorted(self._wanted)]
            while page := tx.billers(after=found[-1].id if found else ""):
                found += page
        return found

    def pages(self, *, checked: bool = True) -> Iterator[Page]:
        """See Source.pages; each biller in one view, as it was when that began.

        Raises StoreError for a record that refers to what is not there, and an invoice without lines; what is read only
        to be compared need not be `checked`.
        """
        for biller in self.billers():
            with self._store.reading() as tx:
                yield Page(biller=biller.id, records=(_biller(tx, biller.id),))
                for records in _records(tx, biller.id):
                    if checked and (found := missing(tx, biller.id, records)):
                        raise StoreError(
                            f"biller {biller.id} is not whole: {'; '.join(found[:_SHOWN])}; restore a backup, or put "
                            "back what was deleted by hand"
                        )
                    yield Page(biller=biller.id, records=tuple(records))
                yield Page(biller=biller.id, counters=tx.counters(biller.id))


def _biller(tx: Reader, ref: str) -> Biller:
    found = tx.get(Biller, ref, [ref]).get(ref)
    if found is None:
        raise NotFound("biller", ref)
    return found


def _records(tx: Reader, biller: str) -> Iterator[Sequence[Record]]:
    for kind in KINDS.values():
        if kind is Charge:
            yield from _charges_and_invoices(tx, biller)
        elif kind not in (Biller, Invoice):
            yield from _of_one_kind(tx, biller, kind)


def _of_one_kind(tx: Reader, biller: str, kind: type[Record]) -> Iterator[list[Record]]:
    after = ""
    while page := tx.find(kind, biller, {}, after=after, limit=PAGE):
        yield page
        after = page[-1].id


def _charges_and_invoices(tx: Reader, biller: str) -> Iterator[Sequence[Record]]:
    # A charge names its invoice and an invoice's line its charge, so they go together, but for charges on no invoice.
    billed = 0
    for page in _of_one_kind(tx, biller, Charge):
        free = [charge for charge in page if isinstance(charge, Charge) and charge.invoice is None]
        billed += len(page) - len(free)
        if free:
            yield free
    for together in _invoices(tx, biller):
        billed -= sum(1 for record in together if isinstance(record, Charge))
        yield together
    if billed:
        raise StoreError(f"{billed} charges of biller {biller} are on invoices that are not there; restore a backup")


def _invoices(tx: Reader, biller: str) -> Iterator[list[Record]]:
    """Invoices with the charges that are on them, the newest first.

    A line may name a charge that has gone to another invoice since its own was voided. That one is newer, so it is
    there already; where ids do not sort by time it is pulled along, and remembered as being `ahead`.
    """
    ahead: set[str] = set()
    query = InvoiceQuery(biller=biller, on=ANY_DAY, order=Order.CREATED_DESC, limit=PAGE)
    while page := tx.invoices(query):
        last = page[-1].id
        query = attrs.evolve(query, after=(last, last))
        fresh = [invoice for invoice in page if invoice.id not in ahead]
        ahead -= {invoice.id for invoice in page}
        together: list[Record] = []
        while fresh:
            charges = tx.find(Charge, biller, {"invoice": [invoice.id for invoice in fresh]})
            together += [*fresh, *charges]
            here = {charge.id for charge in charges}
            named = {line.charge for invoice in fresh for line in invoice.lines if line.charge is not None}
            elsewhere = tx.get(Charge, biller, sorted(named - here)).values()
            owners = {charge.invoice for charge in elsewhere if charge.invoice is not None}
            pulled = sorted(ref for ref in owners - ahead if ref < last)
            fresh = list(tx.get(Invoice, biller, pulled).values())
            ahead |= {invoice.id for invoice in fresh}
        if together:
            yield together
