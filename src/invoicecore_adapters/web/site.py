"""The app: its routes, and what each answers."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import attrs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from invoicecore import Billing
from invoicecore.errors import NotAllowed, NotFound, NotWired, PaymentsOff
from invoicecore.invoices import Invoice
from invoicecore_adapters.web.addresses import Proxies
from invoicecore_adapters.web.guard import Guard
from invoicecore_adapters.web.limits import Guesses
from invoicecore_adapters.web.logs import failed, log
from invoicecore_adapters.web.pages import Pages, locale_for
from invoicecore_adapters.web.webhooks import BODY_SECONDS, Webhooks

_FROM_HERE: Final = frozenset({"same-origin", "none"})
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def app(
    billing: Billing,
    *,
    templates: str | Path | None = None,
    trusted_proxies: Iterable[str] = (),
    body_seconds: float = BODY_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The ASGI app of a desk: mount it in one of yours, or run it with `serve` (R12, T2, R1).

    `templates` is a folder whose files go before the built-in ones. `trusted_proxies` are the addresses or networks
    of the proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. `body_seconds` is how long the body of a
    webhook may take. `clock` counts the seconds that the limit of wrong tokens goes by. The desk must know `base_url`,
    where this app is reached from outside. Raises InvalidValue for templates and proxies that are none, MissingExtra
    (when imported) without starlette and jinja2.
    """
    pages, proxies = Pages(templates), Proxies(trusted_proxies)
    site = Site(billing, pages, proxies, Guesses(clock))
    application = Starlette(
        routes=[
            Route("/pay/{token:path}/invoice.pdf", site.pdf, methods=["GET"]),
            Route("/pay/{token:path}", site.page, methods=["GET", "POST"]),
            Route("/webhooks/{gateway}", Webhooks(billing, body_seconds).receive, methods=["POST"]),
            Route("/health", site.health, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, proxies=proxies, style=pages.style, answer=site.failed)],
        exception_handlers={404: site.nothing},
    )
    application.router.redirect_slashes = False  # a link that is not right is not mended
    return application


@attrs.frozen
class Opened:
    """What a token opens: its invoice, what its page has to say (`PayPage.state`), and the payer's locale."""

    invoice: Invoice
    state: str
    locale: str


class Site:
    """The endpoints of the pages. They are plain functions, which the server runs in threads: a desk waits."""

    def __init__(self, billing: Billing, pages: Pages, proxies: Proxies, guesses: Guesses) -> None:
        self._billing = billing
        self._pages = pages
        self._proxies = proxies
        self._guesses = guesses
        self._told_of_proxy = False

    def page(self, request: Request) -> Response:
        """What a link opens, and what its button does."""
        return self.pay(request) if request.method == "POST" else self.show(request)

    def show(self, request: Request) -> Response:
        """The page of a token's invoice, or the one page for every token that opens nothing."""
        opened = self._opened(request)
        if isinstance(opened, Response):
            return opened
        back = request.query_params.get("back") == "paid"
        sheet = self._billing.invoices.sheet(opened.invoice)
        day = self._billing.today(opened.invoice.biller)
        html = self._pages.invoice(opened.invoice, sheet, state=opened.state, here=_quoted(request), on=day, back=back)
        return HTMLResponse(html)

    def pay(self, request: Request) -> Response:
        """To the provider's page, made now; back to ours where there is nothing to pay any more."""
        site = request.headers.get("sec-fetch-site")
        if self._proxies.elsewhere(request) if site is None else site not in _FROM_HERE:
            return self._message(request, "refused", "refused_text", 403)
        opened = self._opened(request)
        if isinstance(opened, Response):
            return opened
        token, back = _token(request), RedirectResponse(f"./{_quoted(request)}", 303)
        try:
            url = self._billing.payments.checkout(token)
        except (NotAllowed, PaymentsOff, NotFound):  # paid, voided or revoked since the page was shown: it will say so
            return back
        except Exception as error:  # the provider's fault or ours: the payer need not know which
            failed("a checkout", error, token)
            if isinstance(error, NotWired) and opened.state != "payable":  # the page says so where there is no gateway
                return back
            return self._message(request, "failed", "not_charged", 503, opened.locale)
        if urlsplit(url).scheme not in ("https", "http"):
            log.error("the gateway's page is no address of the web")
            return self._message(request, "failed", "not_charged", 503, opened.locale)
        return RedirectResponse(url, 303)

    def pdf(self, request: Request) -> Response:
        """The invoice as a PDF, as long as the token opens it."""
        opened = self._opened(request)
        if isinstance(opened, Response):
            return opened
        try:
            name = _UNSAFE.sub("-", self._billing.invoices.sheet(opened.invoice).filename) or "invoice"
            content = self._billing.invoices.pdf(opened.invoice)
        except Exception as error:
            failed("a PDF", error, _token(request))
            return self._message(request, "failed", "failed_text", 503, opened.locale)
        disposition = f'inline; filename="{name}.pdf"'
        return Response(content, media_type="application/pdf", headers={"Content-Disposition": disposition})

    def health(self, request: Request) -> Response:
        """That the server answers; the store is not asked."""
        return PlainTextResponse("ok")

    def nothing(self, request: Request, error: Exception) -> Response:
        """The page for an address that has none."""
        return self._message(request, "unknown", "unknown_text", 404)

    def failed(self, request: Request) -> Response:
        """The page for a failure; why it failed is in the log."""
        return self._message(request, "failed", "failed_text", 503)

    def _opened(self, request: Request) -> Opened | Response:
        """What the token opens, or the answer to give: a token is looked up whatever it looks like (T2)."""
        if self._proxies.unheeded(request) and not self._told_of_proxy:
            self._told_of_proxy = True
            log.warning("a proxy forwards requests and is not in trusted_proxies: all its clients count as one")
        client = self._proxies.client(request)
        wait = self._guesses.wait(client)
        if not wait:
            found = self._billing.payments.page(_token(request))
            if found is not None and found.invoice.published:  # a draft is nobody's business (C6)
                return Opened(found.invoice, found.state.value, found.locale)
            wait = self._guesses.wrong(client)
        if not wait:
            return self._message(request, "unknown", "unknown_text", 404)
        answer = self._message(request, "unknown", "unknown_text", 429)
        answer.headers["Retry-After"] = str(math.ceil(wait))
        return answer

    def _message(self, request: Request, key: str, text: str, status: int, locale: str | None = None) -> Response:
        spoken = locale or locale_for(request.headers.get("accept-language", ""))
        return HTMLResponse(self._pages.message(key, text, spoken), status, headers={"Vary": "Accept-Language"})


def _token(request: Request) -> str:
    return str(request.path_params["token"])


def _quoted(request: Request) -> str:
    """The token as it stands at the end of a relative address."""
    return quote(_token(request), safe="")
