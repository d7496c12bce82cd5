"""Webhooks: a provider's request, byte for byte, to the desk, and what became of its events back (D6, N3)."""

from __future__ import annotations

from typing import Final

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from invoicecore import Billing
from invoicecore.errors import NotFound, WebhookRejected
from invoicecore_adapters.web.logs import failed, log

MOST_BYTES: Final = 1 << 20
"""The longest body that is read."""

BODY_SECONDS: Final = 10.0
"""How long a body may take to come, unless the host says otherwise."""

_NOT_DONE: Final = ("waiting", "parked")


class Webhooks:
    """`POST /webhooks/{gateway}`."""

    def __init__(self, billing: Billing, body_seconds: float = BODY_SECONDS) -> None:
        self._billing = billing
        self._body_seconds = body_seconds

    async def receive(self, request: Request) -> Response:
        """200 once each event is applied, stored or of no use; anything else makes the provider tell it again."""
        try:
            with anyio.fail_after(self._body_seconds):
                body = await _body(request)
        except TimeoutError:
            answer = _refused("too_slow", 408)
            if request.scope.get("http_version", "1.1").startswith("1"):  # HTTP/2 has no such header
                answer.headers["Connection"] = "close"
            return answer
        except ClientDisconnect:
            return _refused("incomplete", 400)
        if body is None:
            return _refused("too_large", 413)
        return await run_in_threadpool(self._received, request.path_params["gateway"], body, _headers(request))

    def _received(self, gateway: str, body: bytes, headers: dict[str, str]) -> Response:
        try:
            events = self._billing.receive(gateway, body, headers)
        except WebhookRejected as error:
            return _refused(error.code, self._rejected(gateway))
        except Exception as error:  # the provider keeps the event and tries again, whatever went wrong here
            if isinstance(error, NotFound) and error.kind == "gateway":
                return _refused("not_found", 404)
            failed(f"a webhook of {gateway[:40]!r}", error)
            return _refused("failed", 500)
        for event in events:
            if event.state in _NOT_DONE:  # it is stored, so its provider need not tell it again
                log.warning("the event %s of %s is %s: %s", event.event, gateway, event.state, event.why)
        told = [
            {"event": event.event, "state": event.state, "invoice": event.invoice, "payment": event.payment}
            for event in events
        ]
        return JSONResponse({"events": told})

    def _rejected(self, gateway: str) -> int:
        """What a gateway's provider expects as the answer to what is not its own."""
        return next((info.bad_signature_status for info in self._billing.gateways if info.name == gateway), 400)


async def _body(request: Request) -> bytes | None:
    """The body; None when it is longer than is read, which is known at the latest when too much has come."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:20]) > MOST_BYTES:
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _headers(request: Request) -> dict[str, str]:
    """Headers by lower-case name; one given twice is a list, as HTTP reads it."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def _refused(code: str, status: int) -> Response:
    return JSONResponse({"error": code}, status_code=status)
