"""Ids that sort by time and name their biller, and the keys under which something happens once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from invoicecore.forking import renew_in_children
from invoicecore.parties import text

if TYPE_CHECKING:
    import hashlib

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(value: int, width: int) -> str:
    out = ""
    for _ in range(width):
        out = _DIGITS[value & 31] + out
        value >>= 5
    return out


def new_biller_id(key: str | None = None) -> str:
    """A biller's id: random, or made from an idempotency key so that the same key finds the same biller (N3)."""
    raw = digest(checked_key(key)).digest()[:8] if key is not None else os.urandom(8)
    return _base32(int.from_bytes(raw, "big"), 12)


class _Stems:
    """Stems of ids that never go backwards within a process, also while the clock stands still."""

    def __init__(self) -> None:
        self._last = (0, 0)
        self.forked()
        renew_in_children(self)

    def forked(self) -> None:
        """See Inherited.forked."""
        self._lock = threading.Lock()

    def next(self, at: datetime) -> str:
        """Nine digits of milliseconds and eight that begin at random and grow by random steps."""
        # The random start keeps processes of one millisecond apart, the random step those that forked from one state.
        step = int.from_bytes(os.urandom(5), "big")
        with self._lock:
            instant, low = int(at.timestamp() * 1000), step >> 1
            if instant == self._last[0]:
                low = self._last[1] + 1 + (step & 0xFFFFF)
            self._last = (instant, low)
        return _base32(instant, 9) + _base32(low, 8)


_stems = _Stems()


def id_stream(biller: str, kind: str, at: datetime) -> Iterator[str]:
    """Ids of one kind that sort by time and name their biller (T1)."""
    # The biller stands first so that an id alone tells where to look.
    stem = f"{biller}_{kind}_{_stems.next(at)}"
    return (f"{stem}{n:05x}" for n in count())


def first_id(biller: str, kind: str, at: datetime) -> str:
    """What comes before every id of a kind that was made at an instant or later."""
    return f"{biller}_{kind}_{_base32(int(at.timestamp() * 1000), 9)}"


def checked_key(key: str) -> str:
    """An idempotency key as it was given; InvalidValue unless it is 1 to 255 printable characters (N3)."""
    text(key, "key", longest=255)
    return key


def digest(said: str) -> hashlib._Hash:
    """What tells two texts apart, whatever is in them."""
    import hashlib  # only keys need it

    return hashlib.sha256(said.encode("utf-8", "surrogatepass"))
