"""Pay pages, invoice PDFs and webhooks as a small ASGI app, to be mounted or run by itself (extra `web`).

`GET /pay/{token}` is the page a link opens, `POST` to it leads to the payment provider (R12, T2);
`/pay/{token}/invoice.pdf` is its document, `/webhooks/{gateway}` is where a provider tells of payments, `/health`
answers "ok".
"""

from __future__ import annotations

from importlib.util import find_spec

from invoicecore.errors import MissingExtra

if not all(map(find_spec, ("jinja2", "starlette"))):
    raise MissingExtra("A site of pay pages", "web")

from invoicecore_adapters.web.logs import HideTokens
from invoicecore_adapters.web.serving import Limits, serve
from invoicecore_adapters.web.site import app

__all__ = ["HideTokens", "Limits", "app", "serve"]
