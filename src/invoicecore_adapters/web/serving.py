"""The app run by itself: uvicorn on one address, its log without tokens."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

import attrs
from starlette.types import ASGIApp

from invoicecore.errors import InvalidValue, MissingExtra
from invoicecore_adapters.web.logs import HideTokens

_LOGS: Final[dict[str, object]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"tokens": {"()": HideTokens}},
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "plain",
            "filters": ["tokens"],
        },
    },
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False}
        for name in ("uvicorn", "invoicecore_adapters.web")
    },
}


@attrs.frozen(kw_only=True)
class Limits:
    """What `serve` bears of its clients: seconds, and connections at a time.

    `head`: until a request's head has come. `answer`: until a client takes more of its answer. `idle`: between two
    requests. `stop`: for the requests under way once the process is told to end. `connections`: with more, every
    request is answered 503; with more than twice as many, a new connection is closed at once.
    """

    head: float = 10.0
    answer: float = 60.0
    idle: int = 5
    stop: int = 10
    connections: int = 256


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    limits: Limits | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run an app until the process is told to end; requests under way are finished then, within `limits`.

    Port 0 is any free one; `ready` is told the address once connections are taken. It speaks plain http: put a proxy
    with https before it, and name that one in `trusted_proxies`. Logs go to stderr. Raises InvalidValue for an
    address that cannot be listened on, MissingExtra without uvicorn.
    """
    bounds = limits if limits is not None else Limits()
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("A server of pay pages", "web") from error
    from invoicecore_adapters.web.connections import hurried

    if not 0 <= port <= 65535:
        raise InvalidValue("port", port, "is no port", "choose another, 0 for any free one")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = f"cannot be listened on: {error.strerror or error}"
        raise InvalidValue("address", f"{host}:{port}", reason, "choose another host or port") from error
    with listening:
        config = uvicorn.Config(
            app,
            http=hurried(bounds.head, bounds.answer, 2 * bounds.connections),
            ws="none",
            log_config=_LOGS,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=bounds.connections + 1,  # uvicorn refuses the one that reaches it
            backlog=min(bounds.connections, 128),
            timeout_keep_alive=bounds.idle,
            timeout_graceful_shutdown=bounds.stop,
        )
        if ready is not None:
            shown = f"[{host}]" if ":" in host else host
            ready(f"http://{shown}:{listening.getsockname()[1]}")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return  # it has ended in good order
