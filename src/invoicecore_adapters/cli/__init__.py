"""The `invoicecore` command: a thin shell over `Billing`, for people and, with --json, for machines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

DONE, REFUSED, USAGE, PARTLY, UNUSABLE, BROKEN = range(6)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `--help` says what each code means."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    # Only what --help needs is imported before the command is known.
    from invoicecore_adapters.cli.arguments import parsed

    try:
        arguments = parsed(argv)
    except SystemExit as stop:  # argparse has said what is wrong, or has helped
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        from invoicecore_adapters.cli.commands import COMMANDS

        code = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has read enough, as `head` does. Without this, Python complains once more while it shuts down.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _told(error, as_json=arguments.json)


def _told(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong in one sentence on stderr, and return the exit code for it."""
    try:
        from invoicecore.errors import InvoicecoreError, MissingExtra, ObserverFailed, PluginError, StoreError
        from invoicecore_adapters.cli.answers import error_data
        from invoicecore_adapters.cli.choosing import Unclear
    except Exception:  # the installation is broken, and that is what `error` says
        print(f"invoicecore: {type(error).__name__}: {error} (reinstall invoicecore)", file=sys.stderr)
        return UNUSABLE
    if isinstance(error, Unclear):
        code = USAGE
    elif isinstance(error, ObserverFailed):
        code = PARTLY  # what was asked for is done and written; somebody who was to be told was not
    elif isinstance(error, StoreError | PluginError | MissingExtra):
        code = UNUSABLE
    elif isinstance(error, InvoicecoreError):
        code = REFUSED
    else:
        code = BROKEN
        if os.environ.get("INVOICECORE_TRACEBACK"):
            raise error
    with contextlib.suppress(BrokenPipeError):
        if as_json:
            print(json.dumps({"error": error_data(error)}, ensure_ascii=False, default=str), file=sys.stderr)
        elif code == BROKEN:
            hint = "this is a mistake in invoicecore, not yours; set INVOICECORE_TRACEBACK=1 and report it"
            print(f"invoicecore: {type(error).__name__}: {error} ({hint})", file=sys.stderr)
        else:
            print(f"invoicecore: {error}", file=sys.stderr)
    return code
