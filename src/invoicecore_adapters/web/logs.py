"""What is written to logs: what failed and where, and never a link's token, which opens an invoice."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Final

from invoicecore.errors import MissingExtra, NotWired

log: Final = logging.getLogger("invoicecore_adapters.web")

_HIDDEN: Final = "…"
_IN_A_PATH: Final = re.compile(r"(/pay/)[^\s\"'?#]+")


class HideTokens(logging.Filter):
    """A logging filter that keeps tokens out of access logs: `/pay/…` for whatever followed `/pay/`.

    `serve` uses it. Where your own server runs the app, add it to the handlers or the logger of that server's access
    log: `logging.getLogger("uvicorn.access").addFilter(HideTokens())`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide tokens in the message and its data; every record is kept."""
        record.msg = _without(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without, record.args))
        elif record.args:
            record.args = {name: _without(value) for name, value in record.args.items()}
        return True


def failed(what: str, error: BaseException, token: str = "") -> None:
    """Log what failed, with its traceback, in which the token is hidden wherever an error quotes it.

    What the host has not wired or installed is one line: it says itself what to do.
    """
    known = isinstance(error, NotWired | MissingExtra)
    lines = str(error) if known else "".join(traceback.format_exception(error))
    for form in {token, repr(token)[1:-1]} - {""}:
        lines = lines.replace(form, _HIDDEN)
    log.error("%s failed: %s" if known else "%s failed\n%s", what, _without(lines))


def _without(value: object) -> object:
    return _IN_A_PATH.sub(rf"\1{_HIDDEN}", value) if isinstance(value, str) else value
