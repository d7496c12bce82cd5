"""The log of a command, for machines that run it by themselves: INVOICECORE_LOG=info tells of each journey on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from invoicecore_adapters.cli.choosing import Unclear

_LEVELS: Final = {"info": logging.INFO, "debug": logging.DEBUG, "warning": logging.WARNING}


@contextmanager
def logged() -> Iterator[None]:
    """JSON lines on standard error while a command runs, if the environment asks for them. Raises Unclear."""
    wanted = os.environ.get("INVOICECORE_LOG", "")
    if not wanted:
        yield
        return
    if wanted not in _LEVELS:
        raise Unclear(f"INVOICECORE_LOG is {wanted!r}; set it to {', '.join(_LEVELS)}, or to nothing")
    from invoicecore_adapters.telemetry import NAME, JsonLines

    log, handler = logging.getLogger(NAME), logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    before = log.level
    log.addHandler(handler)
    log.setLevel(_LEVELS[wanted])
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
