"""What every peer's process does: it loads leases, runs, and tells what it wrote, as its parent asks, line by line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable


def serve(load: Callable[[int], None], run: Callable[[], float], written: Callable[[], dict[str, object]]) -> None:
    """Answer `load N`, `run` (seconds) and `written` until the parent closes the pipe; no connection is held between."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        told: object = None
        if word == "load":
            load(int(number))
        elif word == "run":
            told = run()
        else:
            told = written()
        print(json.dumps(told), file=answers, flush=True)
