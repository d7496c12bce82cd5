"""How often wrong tokens may be tried, by address and by all together; right ones cost nothing (T2)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import attrs

_NO_TIME: Final = 1e-6  # what is left over when many fractions of a second are added


@attrs.frozen
class Rate:
    """`burst` at once, and then one each `every` seconds."""

    burst: int
    every: float

    def wait(self, spent: float, now: float) -> float:
        """Seconds until one more is allowed; 0 for now. `spent` is when all that was used will have come back."""
        wait = spent - now - (self.burst - 1) * self.every
        return wait if wait > _NO_TIME else 0.0

    def use(self, spent: float, now: float) -> float:
        """`spent` after one more."""
        return max(spent, now) + self.every


EACH: Final = Rate(burst=20, every=6.0)
"""What one address may get wrong: twenty, then ten a minute."""

ALL: Final = Rate(burst=600, every=0.2)
"""What all addresses together may get wrong: six hundred, then three hundred a minute."""

REMEMBERED: Final = 10_000
"""Addresses of which it is known what they got wrong; the one that has been quiet longest is forgotten first."""


class Guesses:
    """Counts wrong tokens. An address that used up its own is refused before its token is looked at.

    Once all together have used up theirs, so is every address that got one wrong lately; any other is still looked
    after, so that a flood from many places locks no payer out.
    """

    def __init__(
        self, clock: Callable[[], float], *, each: Rate = EACH, together: Rate = ALL, remembered: int = REMEMBERED
    ) -> None:
        """`clock` counts seconds and never goes back."""
        self._clock = clock
        self._each = each
        self._together = together
        self._remembered = remembered
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._all_spent = float("-inf")
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._spent)

    def wait(self, address: str) -> float:
        """Seconds for which an address is refused; 0 when it may ask."""
        with self._lock:
            now = self._clock()
            spent = self._spent.get(address, now)
            own = self._each.wait(spent, now)
            return max(own, self._together.wait(self._all_spent, now)) if spent > now else own

    def wrong(self, address: str) -> float:
        """Count a wrong one; seconds to wait if it is one more than all together may, else 0."""
        with self._lock:
            now = self._clock()
            self._spent[address] = self._each.use(self._spent.get(address, now), now)
            self._spent.move_to_end(address)
            while len(self._spent) > self._remembered:
                self._spent.popitem(last=False)
            over = self._together.wait(self._all_spent, now)
            if not over:
                self._all_spent = self._together.use(self._all_spent, now)
            return over
