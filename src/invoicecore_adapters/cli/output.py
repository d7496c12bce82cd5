"""Streams that never raise: what was written to the store is done, whoever reads or does not read the answer."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast


class Kept:
    """A text stream whose first failure is kept in `error` instead of raised; what comes after it is dropped."""

    def __init__(self, stream: TextIO | None) -> None:
        # Opened before any database: a closed descriptor 1 must not become the descriptor of a file.
        self._stream: TextIO = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w") if stream is None else stream
        self.error: OSError | ValueError | None = BrokenPipeError("it is closed") if stream is None else None

    def write(self, text: str) -> int:
        """Write, or drop the text where writing has failed."""
        if self.error is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Flush, unless writing has failed."""
        if self.error is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fail(error)

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        try:
            return self.error is None and self._stream.isatty()
        except ValueError:
            return False

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _fail(self, error: OSError | ValueError) -> None:
        self.error = error
        # What is still in the buffer goes nowhere: Python would try again while it shuts down, and exit with 120.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def kept_streams() -> Iterator[tuple[Kept, Kept]]:
    """Standard output and error that never raise, for the time of one command."""
    before = sys.stdout, sys.stderr
    for stream in before:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(OSError, ValueError):
                reconfigure(encoding="utf-8", errors="replace")
    out, err = Kept(before[0]), Kept(before[1])
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out, err
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
