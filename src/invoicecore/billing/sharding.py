"""Sharding: a day's run cut into parts that workers can do in any order, each as often as it likes (N2, N4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import zip_longest
from typing import Final

import attrs

from invoicecore.billing.desk import Desk, again
from invoicecore.errors import InvalidValue
from invoicecore.parties import Biller

_MOST: Final = 1_000_000  # leases of a shard


@attrs.frozen(kw_only=True)
class Shard:
    """Part of a run: one biller's leases from the first id to the last that are due on a day, or its clients' months.

    `leases` are the first and the last id, None for the months; `due` is how many of them were due when the run was
    cut. `invoicecore.serde` turns it into JSON and back.
    """

    biller: str
    on: date
    leases: tuple[str, str] | None = None
    due: int = 0

    @property
    def key(self) -> str:
        """What tells it from every other one."""
        return f"{self.biller}/{self.on.isoformat()}/{'-'.join(self.leases) if self.leases else 'months'}"


class Sharding:
    """One call of `Billing.shards`: biller by biller, what is due on its day."""

    def __init__(self, desk: Desk, *, on: date | None, size: int) -> None:
        if type(size) is not int or not 1 <= size <= _MOST:
            way_out = f"give 1 to {_MOST}; 1000 is a transaction's worth"
            raise InvalidValue("size", size, "is no number of leases", way_out)
        self._desk = desk
        self._on = on
        self._size = size
        self._at = desk.clock.now()  # read once: every biller's local date follows from this instant (M1)
        self._cut: list[list[Shard]] = []

    def cut(self, biller: Biller) -> None:
        """Cut the run of one biller."""
        on = self._desk.day(biller, self._on, self._at)

        def look() -> tuple[bool, list[tuple[str, str, int]]]:
            with self._desk.view() as tx:
                months = bool(tx.due_customers(biller.id, on, after=None, limit=1))
                return months, tx.due_spans(biller.id, on, size=self._size)

        months, spans = again(look)
        shards = [Shard(biller=biller.id, on=on)] if months else []
        shards += [Shard(biller=biller.id, on=on, leases=(first, last), due=due) for first, last, due in spans]
        self._cut.append(shards)

    def cut_each(self, billers: Iterable[Biller]) -> None:
        """Cut the run of each."""
        for biller in billers:
            self.cut(biller)

    def by_turns(self) -> tuple[Shard, ...]:
        """One of each biller, then the next of each: workers side by side seldom wait for the numbers of one biller."""
        return tuple(shard for turn in zip_longest(*self._cut) for shard in turn if shard is not None)
