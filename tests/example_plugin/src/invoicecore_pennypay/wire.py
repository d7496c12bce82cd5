"""One request to Pennypay over HTTP, and what became of it: an answer that was read, or an error that says whether it
may have happened. That question is the whole of a gateway's care; everything else is translation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from time import monotonic
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from invoicecore import errors
from invoicecore_pennypay import __version__

NAME: Final = "pennypay"

OURS: Final = "invoicecore"
"""Where our key is in the metadata of what was made; what has none was not made by us."""

REFUSALS: Final[Mapping[object, type[errors.GatewayError]]] = {
    "unauthorised": errors.ConfigurationProblem,
    "not_found": errors.ObjectNotFound,
    "invalid": errors.InvalidRequest,
    "not_possible": errors.StateConflict,
    "key_reused": errors.KeyMismatch,
}
"""Pennypay's types of errors, in the port's words. Whatever is not in this table leaves doubt: OutcomeUnknown."""

A_DAY: Final = 86_400
"""Seconds: what asks to wait for longer is read as if it did not say."""

T = TypeVar("T")
Json = dict[str, Any]


class Until(RawIOBase):
    """What a connection gives until a moment of `monotonic()`, from its first byte on. Its own timeout begins anew with
    every byte, and an answer may have no end, or any number of "100 Continue" before its beginning.
    """

    def __init__(self, ends: float, connection: socket) -> None:
        self._ends = ends
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any, /) -> int:
        if (left := self._ends - monotonic()) <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(room)

    def makefile(self, *_: object) -> BufferedReader:
        return BufferedReader(self)


class Wire:
    """Pennypay's API at an address. Each request has a connection of its own, which is what makes threads safe.

    `timeout` is in seconds. Raises InvalidValue for a key that cannot be sent, and for an address that is neither https
    nor this machine; neither is shown.
    """

    def __init__(self, api: str, api_key: str, timeout: float) -> None:
        if not re.fullmatch("[!-~]+", api_key):
            raise errors.InvalidValue("api_key", "…", "is no key", "copy it from Pennypay's dashboard")
        where = urlsplit(api)
        if not where.hostname or not (where.scheme == "https" or where.hostname in ("127.0.0.1", "localhost")):
            raise errors.InvalidValue("api", "…", "is not safe", "give an address with https, or a simulator's")
        self._connection = HTTPSConnection if where.scheme == "https" else HTTPConnection
        self._host = where.netloc
        self._timeout = timeout
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "User-Agent": f"invoicecore-pennypay/{__version__}",
        }

    def get(self, operation: str, path: str, read: Callable[[Json], T]) -> T:
        """What `read` makes of something that is there."""
        return self._ask(operation, "GET", path, read, None, {})

    def post(self, operation: str, path: str, key: str, asked: Json, read: Callable[[Json], T]) -> T:
        """Change something: our key says which operation it is, and marks what is made as ours."""
        body = json.dumps({**asked, "metadata": {OURS: key}}).encode()
        return self._ask(operation, "POST", path, read, body, {"Idempotency-Key": key})

    def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        read: Callable[[Json], T],
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> T:
        connection = self._connection(self._host, timeout=self._timeout)
        try:
            connection.connect()
        except Exception as error:
            raise errors.NotSent(NAME, operation, f"no connection ({type(error).__name__})") from None

        # From here on it may have happened. It is not tried again, and no redirection is followed: whoever calls
        # comes back with the same key.
        ends = monotonic() + self._timeout
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            with HTTPResponse(Until(ends, connection.sock), method=method) as answer:  # type: ignore[arg-type]  # all it asks of a socket is makefile()
                answer.begin()
                told = json.loads(answer.read())
            if answer.status == 200:
                return read(told)
            refusal = REFUSALS.get(told["error"]["type"]) if answer.status < 500 else None
        except Exception as error:
            raise errors.OutcomeUnknown(NAME, operation, f"no answer to read ({type(error).__name__})") from None
        finally:
            connection.close()

        if answer.status == 429:
            wait = answer.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() and float(wait) <= A_DAY else None
            raise errors.RateLimited(NAME, operation, "too many requests", seconds)
        # In our own words: what a provider writes may quote a name, an address or a key.
        raise (refusal or errors.OutcomeUnknown)(NAME, operation, f"it was answered with {answer.status}")
