"""Moving: everything of some billers from one store to another, or to a file and back, with verified totals.

Built on the Store port alone, so that it works for every store. Nothing here knows of a day, an actor or a rule: what
was is copied to the letter, versions, numbers and timelines too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from invoicecore.moving.files import FileSource, new_file
from invoicecore.moving.pages import Page, StoreSource
from invoicecore.moving.putting import Putting, is_arriving
from invoicecore.moving.tallies import Difference, Tally, compared, merged, tallied
from invoicecore.parties import Biller
from invoicecore.ports import Store

__all__ = [
    "Difference",
    "FileSource",
    "Moved",
    "Page",
    "Source",
    "StoreSource",
    "Tally",
    "is_arriving",
    "move",
    "save",
]


class Source(Protocol):
    """Where records come from: a store, or a file that one was written to."""

    def billers(self) -> Sequence[Biller]:
        """Whose records there are, by id; a file is read through for them and refused whole if it is damaged."""
        ...

    def pages(self) -> Iterable[Page]:
        """Everything, biller by biller, what is referred to no later than what refers to it."""
        ...


@attrs.frozen(kw_only=True)
class Moved:
    """What was read and what was found afterwards where it went, by biller; read back from there, not remembered."""

    source: dict[str, Tally]
    target: dict[str, Tally]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Where the two are not the same; none when everything arrived."""
        return compared(self.source, self.target)

    @property
    def totals(self) -> tuple[Tally, Tally]:
        """All billers together, as they were read and as they arrived."""
        return merged(self.source.values()), merged(self.target.values())


Progress = Callable[[int], None]
"""Told how many records are done."""


def move(source: Source, store: Store, *, resume: bool = False, progress: Progress | None = None) -> Moved:
    """Write everything of a source into a store, in one transaction a page, and read it back.

    The store must have none of the source's billers. After an interruption `resume` goes on: what is there already is
    compared, never written twice. Until its last page is written a biller's payments are off in the store, so that
    nobody bills from half a book. Raises InvalidValue for a biller that is in the store, and for a record of an
    interrupted move that is not as the source has it; BadFile for a damaged file, before anything is written; StoreError
    for a record that refers to what is not there.
    """
    billers = [biller.id for biller in source.billers()]
    putting = Putting(store, resume=resume)
    putting.check(billers)
    wanted = tallied(source.pages(), then=putting.put, progress=progress)
    return Moved(source=wanted, target=tallied(StoreSource(store, billers).pages(checked=False)))


def save(source: Source, path: Path, *, progress: Progress | None = None) -> Moved:
    """Write everything of a source to a new file, and read that back; `.gz` at the end of its name has it compressed.

    Each biller is as it was at one moment. The file appears under its name when it is whole. Raises InvalidValue for a
    file that is there already, NotFound for a biller that is not, StoreError where the file cannot be written and for a
    record that refers to what is not there.
    """
    with new_file(path) as put:
        wanted = tallied(source.pages(), then=put, progress=progress)
    return Moved(source=wanted, target=tallied(FileSource(path).pages()))
