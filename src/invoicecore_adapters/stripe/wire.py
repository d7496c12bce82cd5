"""How requests reach the provider: within a time, to where they were sent and nowhere else, and without a trace in logs.

Nothing is sent twice here: after a doubtful answer the core asks again under the same key, when it decides to.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Final

import requests
import stripe
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

_MOST: Final = 32 * 1024 * 1024
"""Bytes of the longest answer that is read."""

_AT_ONCE: Final = 16
"""Connections that are kept; more threads than these make their own."""

_THREADS_CALL: ContextVar[bool] = ContextVar("invoicecore_stripe_call", default=False)


class Unsent(stripe.APIConnectionError):
    """A request that never left this machine, for certain."""


class Wire(stripe.HTTPClient):
    """An HTTP client of the SDK: no redirect is followed, no answer takes longer than `timeout`, whatever it drips.

    A redirect followed would let whoever answers there speak for the provider.
    """

    name = "requests"

    def __init__(self, connect_timeout: float, timeout: float) -> None:
        """Give up connecting after `connect_timeout` seconds, and the answer after `timeout` seconds."""
        super().__init__()
        self._connect_timeout, self._timeout = connect_timeout, timeout
        self._session = requests.Session()
        self._session.auth = _as_it_is
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_AT_ONCE))
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_AT_ONCE))
        _listen_no_more()

    def request(  # type: ignore[override]  # as the SDK's own clients: without `_usage`, and bytes for an answer
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request and its answer; APIConnectionError, of the kind Unsent if nothing left."""
        ends = monotonic() + self._connect_timeout + self._timeout
        sent = {**(headers or {}), "User-Agent": f"{(headers or {}).get('User-Agent', '')} {_PRODUCT}".strip()}
        try:
            with self._session.request(
                method,
                url,
                headers=sent,
                data=post_data,
                timeout=(self._connect_timeout, self._timeout),
                allow_redirects=False,
                stream=True,
                verify=stripe.ca_bundle_path,
            ) as answer:
                return self._body(answer, ends), answer.status_code, answer.headers
        except Exception as error:  # requests raises its own, urllib3's and ValueError
            kind: type[Exception] = Unsent if _never_left(error) else stripe.APIConnectionError
            raise kind("no answer") from error

    def close(self) -> None:
        """End the connections; a later request makes new ones."""
        self._session.close()

    def _body(self, answer: requests.Response, ends: float) -> bytes:
        read = bytearray()
        # read1 gives what one packet brought, so that the clock is looked at however slowly they come.
        while piece := answer.raw.read1(65_536, decode_content=True):
            read += piece
            if len(read) > _MOST or monotonic() > ends:
                raise TimeoutError("the answer has no end")
        left = answer.raw.length_remaining
        if left:
            raise EOFError("the answer was cut short")
        return bytes(read)


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


def _never_left(error: BaseException) -> bool:
    """Whether a connection was never made: one of the causes says so. In doubt it may have left."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or each in seen:
            continue
        if isinstance(each, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError):
            return True  # NameResolutionError is a NewConnectionError
        if isinstance(each, ssl.SSLError) and each.reason == "WRONG_VERSION_NUMBER":
            return True  # what answers the greeting speaks no TLS
        seen.append(each)
        # Not __context__: it may be an earlier failure, which the caller was handling when this call was made.
        waiting += [each.__cause__, getattr(each, "reason", None), *each.args]
    return False
