"""The outside: catalogues as they lie in a package or a folder, and the one value that a process shares.

The only module of the inner rings that reads files or keeps state: words are data that come in files, whether they
are ours or a host's, and everything that speaks takes them from here.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import ENOENT
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class Shared(Generic[T]):
    """One value for the whole process, replaced as a whole: readers never wait and never see half a change."""

    __slots__ = ("_lock", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self._lock = Lock()

    def change(self, how: Callable[[T], T]) -> None:
        """Put `how` of the value in its place; changes of several threads come one after the other."""
        with self._lock:
            self.value = how(self.value)


def packaged(package: str, file: str) -> bytes | None:
    """A file of an installed package, out of a zip too; None where it has none of that name."""
    from pkgutil import get_data

    try:
        return get_data(package, file)
    except OSError as error:
        if error.errno in (ENOENT, 0):  # 0 is what a loader that reads from a zip says
            return None
        raise


def in_folder(folder: str | Path, suffix: str) -> dict[str, bytes]:
    """File name → content of every file in a folder that ends in `suffix`, by name; OSError as it comes."""
    from pathlib import Path  # a process without a host's catalogues does without it

    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.suffix == suffix}
