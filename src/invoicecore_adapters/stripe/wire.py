"""How requests reach the provider: within a time, to where they were sent and nowhere else, and without a trace in logs.

Nothing is sent twice here: after a doubtful answer the core asks again under the same key, when it decides to. Each
request has a connection of its own: what is left over on one, or shared with a forked process, answers nobody else.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from importlib.metadata import PackageNotFoundError, version
from socket import socket
from time import monotonic
from typing import Any, Final

import requests
import stripe
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST: Final = 32 * 1024 * 1024
"""Bytes of the longest answer that is read."""

_PRINTING: Final = frozenset({"debug", "info"})
"""Levels at which the SDK prints to stderr."""

_THREADS_CALL: ContextVar[bool] = ContextVar("invoicecore_stripe_call", default=False)


class Unsent(stripe.APIConnectionError):
    """A request that never left this machine, for certain."""


class Wire(stripe.HTTPClient):
    """An HTTP client of the SDK: no redirect is followed, no answer takes longer than `timeout`, whatever it drips.

    A redirect followed would let whoever answers there speak for the provider.
    """

    name = "requests"

    def __init__(self, connect_timeout: float, timeout: float, *, here: bool = False) -> None:
        """`timeout` is seconds from a request's start to the end of its answer; `here`: the API is on this machine."""
        super().__init__()
        self._connect_timeout, self._timeout, self._here = min(connect_timeout, timeout), timeout, here
        _listen_no_more()

    def request(  # type: ignore[override]  # as the SDK's own clients: without `_usage`, and bytes for an answer
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request and its answer; APIConnectionError, of the kind Unsent if nothing left."""
        attempt = _Attempt(monotonic() + self._timeout)
        agent = f"{(headers or {}).get('User-Agent', '')} {_PRODUCT}".strip()
        sent = {**(headers or {}), "User-Agent": agent, "Accept-Encoding": "identity", "Connection": "close"}
        try:
            with (
                _Session(attempt, here=self._here) as session,
                session.request(
                    method,
                    url,
                    headers=sent,
                    data=post_data,
                    timeout=(self._connect_timeout, self._timeout),
                    allow_redirects=False,
                    stream=True,
                    verify=stripe.ca_bundle_path,
                ) as answer,
            ):
                return _body(answer), answer.status_code, answer.headers
        except Exception as error:  # requests raises its own, urllib3's and ValueError
            kind: type[Exception] = stripe.APIConnectionError if attempt.connected else Unsent
            raise kind("no answer") from error

    def close(self) -> None:
        """Nothing is kept open between requests."""


def _body(answer: requests.Response) -> bytes:
    # A few bytes that are compressed may be many: none were asked for.
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ValueError("the answer is encoded")
    read = bytearray()
    while piece := answer.raw.read1(65_536, decode_content=False):
        read += piece
        if len(read) > _MOST:
            raise ValueError("the answer has no end")
    if answer.raw.length_remaining:
        raise EOFError("the answer was cut short")
    return bytes(read)


class _Attempt:
    """One request on its way: when it has to be over, and whether anything can have been sent."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connected = False


class _Session(requests.Session):
    """What one attempt is made with."""

    def __init__(self, attempt: _Attempt, *, here: bool) -> None:
        super().__init__()
        self.auth = _as_it_is
        self.trust_env = not here  # a proxy has no way to this machine, and would read what is sent in clear
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Once(attempt))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: even of a redirect that is not followed, requests would read the body whole, and decoded."""
        return None


class _Once(HTTPAdapter):
    """Makes the connection of one attempt."""

    def __init__(self, attempt: _Attempt) -> None:
        self._pools = _pools(attempt)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(attempt: _Attempt) -> dict[str, type[HTTPConnectionPool]]:
    # Only what fails before connect() has returned, the greeting of TLS included, is certain not to have been sent:
    # no kind of error says so, for the same ones come later too.
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
        self._sock, self._attempt = sock, attempt

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._sock, self._attempt))


class _Reading(io.RawIOBase):
    """What a socket gives until the deadline. Its own timeout begins anew with every byte, this one does not."""

    def __init__(self, sock: socket, attempt: _Attempt) -> None:
        self._sock, self._attempt = sock, attempt
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._attempt.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the deadline is over")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def printed() -> str | None:
    """What makes the SDK print requests and answers whole to stderr, past every logger; None if nothing does."""
    if stripe.log in _PRINTING:
        return "stripe.log"
    # The SDK reads the environment once, when it is imported.
    return "STRIPE_LOG" if getattr(stripe._util, "STRIPE_LOG", os.environ.get("STRIPE_LOG")) in _PRINTING else None


@contextmanager
def hushed() -> Iterator[None]:
    """Keep the SDK's own log records of this thread's calls back: they quote requests and answers whole."""
    token = _THREADS_CALL.set(True)
    try:
        yield
    finally:
        _THREADS_CALL.reset(token)


class _Hush(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _THREADS_CALL.get()


_HUSH: Final = _Hush()


def _listen_no_more() -> None:
    # A filter of the logger, since the SDK has no switch but global ones. It drops records of our calls only: other
    # uses of the SDK in this process log as they did. Adding it again changes nothing.
    logging.getLogger("stripe").addFilter(_HUSH)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authorise nothing more: without this, a `.netrc` file would replace the key of the request."""
    return request


def _product() -> str:
    try:
        return f"invoicecore/{version('invoicecore')}"
    except PackageNotFoundError:  # run from a folder that was never installed
        return "invoicecore"


_PRODUCT: Final = _product()
