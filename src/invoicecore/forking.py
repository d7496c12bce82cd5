"""Forks: a child has its parent's memory and none of its other threads, so what those held would be held for ever."""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """What a forked process finds in its memory and must not go on with as it is: locks, connections."""

    def forked(self) -> None:
        """Make anew what belongs to the parent; nobody else runs in this process yet."""
        ...


_inherited: Final[WeakSet[Inherited]] = WeakSet()


def renew_in_children(thing: Inherited) -> None:
    """Have `thing.forked()` called in every process forked from this one, for as long as the thing is there."""
    _inherited.add(thing)


def _renew() -> None:
    for thing in list(_inherited):
        thing.forked()


if hasattr(os, "register_at_fork"):  # there are systems without forks
    os.register_at_fork(after_in_child=_renew)
