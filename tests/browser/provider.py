"""A payment provider on loopback: a page with a button, a webhook when it is pressed, and the way back."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs

from web_server import Server

PAGE = b"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Provider</title></head>
<body><h1>Provider</h1><form method="post"><button>Confirm</button></form></body></html>"""


@attrs.define
class Provider:
    """Where its pages are; what it pays at; whether its webhook arrives before the payer is back."""

    url: str
    server: Server | None = None
    prompt: bool = True


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that runs; give it the server it belongs to."""
    provider = Provider("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE)

        def do_POST(self) -> None:
            assert provider.server is not None
            webhook = provider.server.paid(f"{provider.url}{self.path}")
            if provider.prompt:
                to = f"{provider.server.url}/webhooks/memory"
                request = urllib.request.Request(to, webhook.body, webhook.headers, method="POST")
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
            self.send_response(303)
            self.send_header("Location", webhook.success_url)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        provider.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield provider
        httpd.shutdown()
        thread.join()
