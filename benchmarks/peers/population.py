"""Who rents what: the same leases for every peer, as plain values, whatever Python and libraries read this file.

The population is that of `benchmarks/run.py`, but every tenth lease covers part of its month: its line is in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

ON = date(2026, 4, 24)  # a week before the month that is billed
MONTH = date(2026, 5, 1)
LAST = date(2026, 5, 20)  # of the leases that end within it


class Tenancy(NamedTuple):
    """A tenant and their lease: rent in cents, days inclusive, months counted from the first."""

    name: str
    email: str
    rent: int
    starts: date
    ends: date | None

    @property
    def months_before(self) -> int:
        """How many months of it lie before the month that is billed."""
        return (MONTH.year - self.starts.year) * 12 + MONTH.month - self.starts.month


def tenancies(count: int) -> Iterator[Tenancy]:
    """So many leases, each due for one period."""
    for n in range(count):
        yield Tenancy(
            name=f"Locataire {n}",
            email=f"t{n}@example.org",
            rent=(400 + n % 500) * 100 + 50,
            starts=date(2025, 1 + n % 12, 1 + n % 28),
            ends=LAST if partial(n) else None,
        )


def partial(n: int) -> bool:
    """Whether the n-th lease covers only part of the month."""
    return n % 10 == 9
