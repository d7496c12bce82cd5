"""The SDK's way to GoCardless with what it lacks: one attempt with one deadline, no redirects, and who answered what.

The SDK's own client tries up to three times within a call. A second try that is refused would then hide that the first
one arrived, so whoever calls repeats instead, under the same key. It follows redirects too, and a stranger's answer
would count as GoCardless's.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from importlib.metadata import version
from socket import socket
from time import monotonic
from typing import Any, Final

from gocardless_pro.api_client import ApiClient  # type: ignore[import-untyped]  # the SDK has no types
from gocardless_pro.errors import IdempotentCreationConflictError  # type: ignore[import-untyped]  # nor here
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_AGENT: Final = f"invoicecore/{version('invoicecore')}"
_MOST_BYTES: Final = 16 * 2**20  # of an answer, its headers too; 500 objects are a twentieth of it
_LONGEST_WAIT: Final = 86_400.0
_SECONDS: Final = re.compile(r"[0-9]+")


class NotConnected(Exception):
    """No connection came about, so nothing was sent: its text is the kind of failure."""


class NoAnswer(Exception):
    """The request may have been sent, and no whole answer came: its text is the kind of failure."""


class Answered(Exception):
    """An answer that is not a success: `status` is HTTP's, `why` what the SDK made of it, `retry_after` in seconds."""

    def __init__(self, status: int, why: Exception | None, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.why = why
        self.retry_after = retry_after

    @property
    def conflicts(self) -> bool:
        """Whether the key has made something before."""
        return isinstance(self.why, IdempotentCreationConflictError)

    @property
    def made_before(self) -> str | None:
        """The name of what the key has made before."""
        try:
            made = self.why.conflicting_resource_id if self.why is not None else None  # type: ignore[attr-defined]  # of a conflict
        except Exception:  # the SDK expects every list and every key to be there
            return None
        return made if isinstance(made, str) else None


class Wire(ApiClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client of the API; safe to share between threads: each request has a connection of its own."""

    def __init__(self, base_url: str, access_token: str, *, timeout: float, connect_timeout: float, here: bool) -> None:
        """`timeout` is seconds from the request's start to the end of its answer; `here`: the API is on this machine."""
        super().__init__(base_url, access_token, timeout=timeout)
        self._connect_timeout = min(connect_timeout, timeout)
        self._here = here

    def get(
        self, path: str, params: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """See ApiClient.get."""
        return self._send("GET", path, headers, params=params)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Response:
        """See ApiClient.post."""
        return self._send("POST", path, headers, data=json.dumps(body))

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str | int] | None = None,
        data: str | None = None,
    ) -> Response:
        attempt = _Attempt(monotonic() + self.timeout)
        try:
            with Session() as session:
                # The environment's proxies are asked for what is elsewhere: a proxy's loopback is not ours.
                session.trust_env = not self._here
                for scheme in ("https://", "http://"):
                    session.mount(scheme, _Once(attempt))
                response = session.request(
                    method,
                    self._url_for(path),
                    params=params,
                    data=data,
                    # What is packed may be a thousand times as long when it is not.
                    headers={**self._headers(headers), "Accept-Encoding": "identity"},
                    auth=_as_it_is,  # not what a netrc says
                    verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
                    timeout=(self._connect_timeout, self.timeout),
                    allow_redirects=False,
                )
        except Exception as error:
            kind = type(error).__name__
            raise NoAnswer(kind) if attempt.connected else NotConnected(kind) from None
        if not 200 <= response.status_code < 300 and response.status_code < 400:
            raise Answered(response.status_code, None)
        try:
            self._handle_errors(response)
        except Exception as error:
            raise Answered(response.status_code, error, _wait(response.headers)) from None
        return response

    def _user_agent(self) -> str:
        return f"{super()._user_agent()} {_AGENT}"


def _as_it_is(request: PreparedRequest) -> PreparedRequest:
    return request


def _wait(headers: Mapping[str, str]) -> float | None:
    """How many seconds to wait, from one to a day's; by GoCardless's clock where it tells the time."""
    after = headers.get("retry-after", "")
    if _SECONDS.fullmatch(after):
        return _bounded(float(after))
    try:
        reset = parsedate_to_datetime(headers["ratelimit-reset"])
        now = parsedate_to_datetime(headers["date"])
        return _bounded((reset - now).total_seconds())
    except (LookupError, TypeError, ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 1.0), _LONGEST_WAIT)


class _Attempt:
    """One request on its way: when it has to be over, how much was answered, and whether anything can have been sent."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.answered = 0
        self.connected = False


class _Once(HTTPAdapter):
    """Makes the connection of one attempt."""

    def __init__(self, attempt: _Attempt) -> None:
        self._pools = _pools(attempt)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def send(self, *args: Any, **kwargs: Any) -> Response:
        """See HTTPAdapter.send; the body is still to be read, and is as it is."""
        response = super().send(*args, **kwargs)
        if "content-encoding" in response.headers:
            response.close()
            raise ValueError("a packed answer, which was not asked for")
        response.encoding = "utf-8"  # not guessed from megabytes of anything
        return response

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(attempt: _Attempt) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            attempt.connected = True

        def response_class(self, sock: socket, *args: Any, **kwargs: Any) -> HTTPResponse:  # type: ignore[override]  # is called like the class
            return HTTPResponse(_Bounded(sock, attempt), *args, **kwargs)  # type: ignore[arg-type]  # uses makefile only

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            attempt.connected = True

        response_class = Plain.response_class  # type: ignore[assignment]  # as above

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Bounded:
    """A socket to read an answer from, as far as http.client uses one."""

    def __init__(self, sock: socket, attempt: _Attempt) -> None:
        self._sock = sock
        self._attempt = attempt

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._sock, self._attempt))


class _Reading(io.RawIOBase):
    """What a socket gives until the deadline, and up to a size. Its own timeout begins anew with every byte."""

    def __init__(self, sock: socket, attempt: _Attempt) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._attempt = attempt

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._attempt.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the deadline is over")
        self._sock.settimeout(left)
        read = self._file.readinto(buffer)
        self._attempt.answered += read or 0
        if self._attempt.answered > _MOST_BYTES:
            raise OSError("the answer has no end")
        return read

    def close(self) -> None:
        self._file.close()
        super().close()
