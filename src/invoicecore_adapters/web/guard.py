"""Around every answer: the headers that keep a page and its token to itself, and a plain answer when anything fails."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invoicecore_adapters.web.addresses import Proxies
from invoicecore_adapters.web.logs import failed

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # The address of a page has its token in it, and none is sent. "no-referrer" would make a browser call the origin of
    # our own form "null", which is what the form of a stranger's page may have.
    "Referrer-Policy": "strict-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
"""What every answer says, whatever it is; besides these its Content-Security-Policy."""

_HSTS: Final = "max-age=31536000"


class Guard:
    """ASGI middleware; `style` is the one style sheet that pages may have, `answer` makes the page for a failure."""

    def __init__(self, app: ASGIApp, *, proxies: Proxies, style: str, answer: Callable[[Request], Response]) -> None:
        self._app = app
        self._proxies = proxies
        self._answer = answer
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; "
            "base-uri 'none'; frame-ancestors 'none'; form-action 'self' https:"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        https = self._proxies.https(request)
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in HEADERS.items():
                    headers[name] = value
                # The button's form is answered with a redirect to the provider, which browsers count as its action.
                headers["Content-Security-Policy"] = self._policy if https else f"{self._policy} http:"
                if https:
                    headers["Strict-Transport-Security"] = _HSTS
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # whatever it is, the payer gets a page, and the log has it without the token
            failed(f"{scope['method']} of a page", error, _token(scope["path"]))
            if not begun:
                await self._answer(request)(scope, receive, guarded)


def _token(path: str) -> str:
    return path.partition("/pay/")[2].removesuffix("/invoice.pdf")
