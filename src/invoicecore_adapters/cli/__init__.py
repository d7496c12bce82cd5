"""The `invoicecore` command: a thin shell over `Billing`, for people and, with --json, for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from invoicecore_adapters.cli.output import Kept

__all__ = ["main"]

DONE, REFUSED, USAGE, PARTLY, UNUSABLE, BROKEN = range(6)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `--help` says what each code means."""
    from invoicecore_adapters.cli.output import kept_streams

    with kept_streams() as (out, _):
        return _run(argv, out)


def _run(argv: Sequence[str] | None, out: Kept) -> int:
    # Only what --help needs is imported before the command is known.
    from invoicecore_adapters.cli.arguments import Misused, parsed, wants_json

    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = parsed(words)
    except Misused as error:
        if wants_json(words):
            told = {"error": {"code": "usage", "message": str(error)}}
            print(json.dumps(told, ensure_ascii=False), file=sys.stderr)
        else:
            print(f"{error.usage}invoicecore: {error}", file=sys.stderr)
        return USAGE
    except SystemExit as stop:  # argparse has helped
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        from invoicecore_adapters.cli.commands import COMMANDS, ready
        from invoicecore_adapters.cli.logs import logged

        ready(arguments)
        with logged():
            code = COMMANDS[arguments.command](arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _told(error, as_json=arguments.json)
    out.flush()
    return _answered(code, arguments, out)


def _answered(code: int, arguments: argparse.Namespace, out: Kept) -> int:
    """The exit code once the answer is out, or is known not to be: a change that is written is not undone by that."""
    if out.error is None:
        return code
    why = getattr(out.error, "strerror", None) or str(out.error)
    if _changes(arguments):
        message = f"done and written to the store, but the answer could not be told ({why}); do not repeat it"
    elif isinstance(out.error, BrokenPipeError):
        return code  # the reader has read enough, as `head` does
    else:
        code, message = UNUSABLE, f"the answer could not be written: {why}; give it another place"
    if arguments.json:
        print(json.dumps({"error": {"code": "output", "message": message}}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"invoicecore: {message}", file=sys.stderr)
    return code


def _changes(arguments: argparse.Namespace) -> bool:
    if arguments.command in (
        "invoices",
        "show",
        "summary",
        "plugins",
        "pdf",
        "statement",
        "web",
        "reconcile",
        "doctor",
    ):
        return False
    if arguments.command == "export":
        return getattr(arguments, "to", None) is not None
    if arguments.command in ("alerts", "mandates"):
        return any(getattr(arguments, what, None) is not None for what in ("resolve", "set_up", "revoke"))
    return not (getattr(arguments, "check", False) or getattr(arguments, "dry_run", False))


def _told(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong in one sentence on stderr, and return the exit code for it."""
    try:
        from invoicecore.errors import (
            ConfigurationProblem,
            InvoicecoreError,
            MissingExtra,
            NotSent,
            ObserverFailed,
            OutcomeUnknown,
            PluginError,
            RateLimited,
            StoreError,
        )
        from invoicecore_adapters.cli.answers import error_data, sentence
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
    elif isinstance(error, NotSent | RateLimited | ConfigurationProblem | OutcomeUnknown):
        code = UNUSABLE  # the provider, not what was asked of it
    elif isinstance(error, InvoicecoreError):
        code = REFUSED
    else:
        code = BROKEN
        if os.environ.get("INVOICECORE_TRACEBACK"):
            raise error
    if as_json:
        print(json.dumps({"error": error_data(error)}, ensure_ascii=False, default=str), file=sys.stderr)
    elif code == BROKEN:
        hint = "this is a mistake in invoicecore, not yours; set INVOICECORE_TRACEBACK=1 and report it"
        print(f"invoicecore: {type(error).__name__}: {error} ({hint})", file=sys.stderr)
    else:
        print(f"invoicecore: {sentence(error)}", file=sys.stderr)
    return code
