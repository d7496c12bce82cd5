"""A provider on loopback: an HTTP server that records what reaches it and breaks as it is told to.

How a simulator is written: a subclass of `Provider` answers requests (`handle`), names them in the port's words
(`operation`), and puts what the provider says of errors into the provider's own shape (`refusal`). It writes every
real effect to its `Ledger` and every webhook to its `Deliveries`. `LoopbackServer(provider)` serves it:

    server = LoopbackServer(MyProvider()).start()
    server.fault("charge", Fault.RESET_AFTER)          # the next charge is made, and its answer is lost
    gateway = MyGateway(base_url=server.url)
    ...
    server.close()

`handle` is called by several threads at once. What it answers is whole before anything goes wrong on the wire, so
"after" faults leave the effect and "before" faults leave none. Connections are closed after every answer, so each
request meets what is planned for it. Nothing sleeps to let time pass; a stalled answer waits for its client to leave.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections import defaultdict, deque
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import repeat
from threading import Event, Lock, Thread
from typing import Final
from urllib.parse import urlsplit

from invoicecore.errors import InvalidValue
from invoicecore.testing.gateway_bench import Exchange, Fault
from invoicecore_adapters.simulators.provider import Provider, Request, Response

_PATIENCE: Final = 30.0
"""Seconds a client may take to send its request."""

_DRIP: Final = 0.05
"""Seconds between two bytes of a dripping answer."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_ODD_WAITS: Final = ("inf", "nan", "-1", "9" * 400, "86401", "soon")
_LARGEST: Final = 2**20
_ELSEWHERE: Final = "/elsewhere/"
_HTML: Final = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>502</h1>proxy-7</body></html>"
_BEFORE: Final = frozenset(
    {
        Fault.RESET_BEFORE,
        Fault.HTML_502_BEFORE,
        Fault.ERROR_500_BEFORE,
        Fault.REDIRECT,
        Fault.RATE_LIMIT,
        Fault.UNAUTHORISED,
        Fault.NONSENSE,
    }
)


__all__ = ["LoopbackServer", "Provider", "Request", "Response"]


class Drip(Enum):
    """From where on an answer drips: its body, its status line, or what may come before it, which has no end."""

    BODY = auto()
    HEAD = auto()
    BEFORE = auto()


class LoopbackServer:
    """Serves a provider on 127.0.0.1, on a port of its own, until it is closed."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._lock = Lock()
        self._plan: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._exchanges: list[Exchange] = []
        self._redirected: list[Request] = []
        self._open: set[socket.socket] = set()
        self._bugs: list[Exception] = []
        self._drips = 0
        self._waits = 0
        self.closing = Event()
        self._listener: _Listener | None = None
        self._thread: Thread | None = None
        self._reserved: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> LoopbackServer:
        """Listen, in a thread of its own; the port stays the same from the first time on."""
        if self._listener is None:
            if self._reserved is not None:
                self._reserved.close()
                self._reserved = None
            self._listener = _Listener(self, self.port)
            self.port = self._listener.server_address[1]
            serve = self._listener.serve_forever
            self._thread = Thread(target=serve, args=(0.02,), name=f"simulator-{self.port}", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop, and end every connection; harmless to repeat.

        Raises what the provider raised while it answered: its mistake is not to be taken for a fault that was planned.
        """
        self.closing.set()
        with self._lock:
            for connection in self._open:
                _shut(connection)
        self._stop_listening()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        bugs, self._bugs = self._bugs, []
        if bugs:
            raise ExceptionGroup("the simulator is wrong", bugs)

    def __enter__(self) -> LoopbackServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def exchanges(self) -> tuple[Exchange, ...]:
        """Every request that arrived so far, in order."""
        with self._lock:
            return tuple(self._exchanges)

    def fault(self, operation: str, fault: Fault, *, times: int = 1) -> None:
        """Have the next `times` requests of an operation go wrong.

        REFUSE holds for every operation and until `clear_faults()`: who is refused is not seen, so nobody can count.
        """
        if times < 1:
            raise InvalidValue("times", times, "is not positive", "give how many requests go wrong")
        if fault is Fault.REFUSE:
            if self._reserved is not None:
                return
            self._stop_listening()
            # Bound but not listening: the port stays ours, and whoever connects is refused.
            self._reserved = socket.socket()
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind(("127.0.0.1", self.port))
            return
        with self._lock:
            self._plan[operation].extend([fault] * times)

    def clear_faults(self) -> None:
        """Have everything work again."""
        with self._lock:
            self._plan.clear()
        if not self.closing.is_set():
            self.start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None and self._thread is not None:
            listener.shutdown()
            listener.server_close()
            self._thread.join()

    # --- called by the connections' threads ---

    def opened(self, connection: socket.socket) -> None:
        """A connection was made; after `close()` it ends at once."""
        with self._lock:
            self._open.add(connection)
            if self.closing.is_set():
                _shut(connection)

    def closed(self, connection: socket.socket) -> None:
        """A connection has ended."""
        with self._lock:
            self._open.discard(connection)

    def met(self, request: Request) -> tuple[Fault | None, Response]:
        """Record a request, and give what is to be answered and how that goes wrong."""
        try:
            return self._meet(request)
        except Exception as error:
            self.wrong(error)
            return None, Response(status=500, body=b"the simulator is wrong", headers={"Content-Type": "text/plain"})

    def dripping(self) -> Drip:
        """How the next dripping answer drips: of four, two never begin."""
        with self._lock:
            self._drips += 1
            return (Drip.BEFORE, Drip.BODY, Drip.BEFORE, Drip.HEAD)[self._drips % 4]

    def wrong(self, error: Exception) -> None:
        """Keep a mistake of the provider's or of ours, for `close()` to raise."""
        with self._lock:
            self._bugs.append(error)

    def _meet(self, request: Request) -> tuple[Fault | None, Response]:
        if request.path.startswith(_ELSEWHERE):
            self._record("", request)
            number = request.path.removeprefix(_ELSEWHERE)
            known = number.isdecimal() and int(number) < len(self._redirected)
            return None, self._provider.pretended(self._redirected[int(number)]) if known else Response(status=404)
        operation = self._provider.operation(request)
        if operation is None:
            return None, self._provider.handle(request)
        fault = self._record(operation, request)
        if fault is None:
            return None, self._provider.handle(request)
        if fault in _BEFORE:
            return fault, self._instead(fault, request)
        return fault, self._after(fault, request, self._provider.handle(request))

    def _record(self, operation: str, request: Request) -> Fault | None:
        path = f"{request.path}?{request.query}" if request.query else request.path
        with self._lock:
            self._exchanges.append(
                Exchange(
                    operation=operation,
                    method=request.method,
                    path=path,
                    headers=request.headers,
                    body=request.body,
                    key=self._provider.key(request),
                )
            )
            planned = self._plan[operation]
            return planned.popleft() if planned else None

    def _instead(self, fault: Fault, request: Request) -> Response:
        match fault:
            case Fault.HTML_502_BEFORE:
                return _html(502)
            case Fault.REDIRECT:
                with self._lock:
                    self._redirected.append(request)
                    number = len(self._redirected) - 1
                # Every second one asks for the same request again, body and all.
                return Response(
                    status=307 if number % 2 else 302, headers={"Location": f"{self.url}{_ELSEWHERE}{number}"}
                )
            case Fault.RATE_LIMIT:
                return self._too_many(self._provider.refusal(fault))
            case Fault.RESET_BEFORE:
                return Response()
            case _:
                return self._provider.refusal(fault)

    def _too_many(self, response: Response) -> Response:
        """What the provider says the first time; later its time to wait is none, in one of the ways of `_ODD_WAITS`."""
        with self._lock:
            number, self._waits = self._waits, self._waits + 1
        if number == 0:
            return response
        odd = _ODD_WAITS[number % len(_ODD_WAITS)]
        headers = {name: odd if name.lower() == "retry-after" else value for name, value in response.headers.items()}
        return Response(status=response.status, body=response.body, headers=headers)

    def _after(self, fault: Fault, request: Request, response: Response) -> Response:
        match fault:
            case Fault.HTML_502_AFTER:
                return _html(502)
            case Fault.HTML_200_AFTER:
                return _html(200)
            case Fault.ERROR_500_AFTER:
                broken = self._provider.refusal(fault)
                self._provider.remember(request, broken)
                return broken
            case Fault.UNKNOWN_FIELDS | Fault.UNKNOWN_STATUS:
                return self._provider.altered(fault, response)
            case _:
                return response


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them: none outlives its server
    request_queue_size = 128

    def __init__(self, owner: LoopbackServer, port: int) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), _Connection)

    def server_bind(self) -> None:
        # HTTPServer would look up this machine's name, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news; anything else is a mistake of ours."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.owner.wrong(error)


class _Connection(BaseHTTPRequestHandler):
    server: _Listener
    timeout = _PATIENCE

    def setup(self) -> None:
        self.server.owner.opened(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.owner.closed(self.request)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what arrived is in the exchanges."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LARGEST:
            self.send_error(413)
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
        )
        fault, response = self.server.owner.met(request)
        match fault:
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                self._reset()
            case Fault.STALL_AFTER:
                # Ends when the client leaves, or when the server is closed and shuts this connection down.
                self.connection.settimeout(None)
                self.connection.recv(1)
            case Fault.DRIP_AFTER:
                self._drip(response, self.server.owner.dripping())
            case Fault.TRUNCATE_AFTER:
                self._head(response, len(response.body) + 100)
                self.wfile.write(response.body[: len(response.body) // 2])
            case _:
                self._head(response, len(response.body))
                self.wfile.write(response.body)

    def _drip(self, response: Response, way: Drip) -> None:
        body, head = response.body + b" " * _LARGEST, BytesIO()
        wire, self.wfile = self.wfile, head
        self._head(response, len(body))
        self.wfile = wire
        if way is Drip.BODY:
            self.wfile.write(head.getvalue())
        else:
            body = head.getvalue() + body
        drops = repeat(_CONTINUE) if way is Drip.BEFORE else (body[at : at + 1] for at in range(len(body)))
        for drop in drops:
            self.wfile.write(drop)
            if self.server.owner.closing.wait(_DRIP):
                return

    def _head(self, response: Response, length: int) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # it holds the socket too: only the last to close it sends the reset
        self.connection.close()


def _html(status: int) -> Response:
    return Response(status=status, body=_HTML, headers={"Content-Type": "text/html; charset=utf-8"})


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is gone already
        return
