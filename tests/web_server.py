"""A real server of pay pages, in a process of its own on an SQLite file that a test prepared.

`with serving(file, log=…) as server` starts it and waits until it says where it is; it ends when its stdin does, and
so with the test, whatever becomes of that. Its gateway is one in memory: `server.paid(url)` is the webhook a provider
would send once the checkout at `url` is paid.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""The instant at which the desk of the server is, always."""


@attrs.frozen(kw_only=True)
class Webhook:
    """What a provider sends, and the page it sends the payer back to."""

    body: bytes
    headers: dict[str, str]
    success_url: str


@attrs.frozen
class Server:
    """A server that runs: where it is, the desk's `base_url`, and what it writes to its log."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    def paid(self, checkout: str) -> Webhook:
        """Pay at a checkout of its gateway: the webhook that tells of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(checkout + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return Webhook(body=base64.b64decode(told["body"]), headers=told["headers"], success_url=told["success_url"])

    def end(self) -> int:
        """Tell it to end as a service manager does, and wait: how it ended."""
        self.process.terminate()
        return self.process.wait(60)


@contextmanager
def serving(
    store: str,
    log: Path,
    *,
    pages: str = "https://checkout.example",
    body_seconds: float = 10.0,
    limits: Mapping[str, float] | None = None,
) -> Iterator[Server]:
    """A server on the store of a URL; `pages` is where its gateway's checkouts are, `limits` are of `Limits`."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, __file__, store, pages, str(body_seconds), json.dumps(dict(limits or {}))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        assert url, f"the server did not start:\n{log.read_text('utf-8')}"
        yield Server(url, log, child)
        if child.poll() is None:
            child.stdin.close()
            assert child.wait(60) == 0, log.read_text("utf-8")


def main(store: str, pages: str, body_seconds: str, limits: str) -> None:
    """The child: serve on a free port, and answer what comes on stdin."""
    import socket

    from invoicecore import Billing, Plugins
    from invoicecore.testing import FixedClock
    from invoicecore_adapters import memory, pdf, sql
    from invoicecore_adapters.memory import MemoryGateway
    from invoicecore_adapters.web import Limits, app, serve

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    clock = FixedClock(NOW)
    gateway = MemoryGateway(pages, clock=clock)

    def answer() -> None:
        for line in sys.stdin:
            checkout = line.strip()
            body, headers = gateway.pay(checkout)
            wanted = gateway.checkouts[checkout.rpartition("/")[2]]
            told = {
                "body": base64.b64encode(body).decode(),
                "headers": headers,
                "success_url": wanted.success_url,
            }
            print(json.dumps(told), flush=True)
        os.kill(os.getpid(), signal.SIGINT)

    def ready(url: str) -> None:
        print(url, flush=True)
        threading.Thread(target=answer, daemon=True).start()

    with Billing.open(
        store,
        base_url=f"http://127.0.0.1:{port}",
        gateway=gateway,
        clock=clock,
        plugins=Plugins.of(memory.plugin, sql.plugin, pdf.plugin),
    ) as billing:
        site = app(billing, body_seconds=float(body_seconds))
        serve(site, port=port, limits=Limits(**json.loads(limits)), ready=ready)


if __name__ == "__main__":
    main(*sys.argv[1:])
