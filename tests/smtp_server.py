"""A real SMTP server on loopback for tests: it listens on a port of its own, encrypts, and answers as it is told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PATIENCE = 30.0
"""Seconds after which something that should have happened is a failure."""


class Act(Enum):
    """What the server may do in place of an answer."""

    DROP = "ends the connection"
    HANG = "never answers"


class Wire(SMTP):
    """One connection, which looks at the server's script before it answers."""

    def __init__(self, server: SmtpServer, **given: Any) -> None:
        self.server = server
        super().__init__(server, hostname="mx.example.org", ident="ESMTP", enable_SMTPUTF8=False, **given)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._original_transport is None:
            self.server.connections += 1
            self.server.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.open.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        """End the connection without a word."""
        for transport in (self.transport, self._original_transport):
            if transport is not None:
                transport.abort()

    async def scripted(self, step: str) -> bool:
        """Follow the script for this step; whether there was something in it."""
        self.server.steps.append(step)
        script = self.server.script[step]
        act = script.popleft() if script else None
        if isinstance(act, str):
            await self.push(act)
            if act.startswith("421"):
                self._writer.close()
        elif act is Act.DROP:
            self.cut()
        elif act is Act.HANG:
            await asyncio.Event().wait()  # until the server stops
        return act is not None

    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self.scripted("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:
        if not await self.scripted("STARTTLS"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:
        if not await self.scripted("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        if not await self.scripted("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        if not await self.scripted("RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_RSET(self, arg: str | None) -> None:
        if not await self.scripted("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str | None) -> None:
        if not await self.scripted("QUIT"):
            await super().smtp_QUIT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        if self.server.script["MIDDLE"]:
            await self.push("354 go on")
            await self._reader.readuntil(b"\r\n")
            await self.scripted("MIDDLE")
        elif not await self.scripted("DATA"):
            await super().smtp_DATA(arg)


class SmtpServer:
    """The server: what it got, how often it was called, and a script of what it does next.

    `script[step]` is a queue of answers (texts) and Acts for EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET, QUIT, DATA, MIDDLE
    (while a message is on its way) and END (once it is there); when it is empty, the server does what is right.
    """

    def __init__(
        self,
        *,
        tls: Literal["starttls", "tls", "none"] = "none",
        certificate: trustme.LeafCert | None = None,
        password: str | None = None,
        size: int | None = 33_554_432,
    ) -> None:
        self.script: dict[str, deque[str | Act]] = defaultdict(deque)
        self.steps: list[str] = []
        self.envelopes: list[Envelope] = []
        self.open: set[Wire] = set()
        self.connections = 0
        self.port = 0
        self._password = password
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            certificate.configure_cert(self._context)
        self._given: dict[str, Any] = {
            "data_size_limit": size,
            "tls_context": self._context if tls == "starttls" else None,
        }
        if password:
            self._given |= {
                "authenticator": self._let_in,
                "auth_required": False,
                # Over the other kind of TLS, aiosmtpd does not know that there is any.
                "auth_require_tls": tls == "starttls",
            }
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    @property
    def messages(self) -> list[bytes]:
        """The messages it accepted, as they came."""
        return [bytes(envelope.content or b"") for envelope in self.envelopes]

    async def handle_DATA(self, wire: Wire, session: Session, envelope: Envelope) -> str:
        """Keep the message, as the script says before or after."""
        script = wire.server.script["END"]
        if script and isinstance(script[0], str):
            self.steps.append("END")
            return str(script.popleft())
        self.envelopes.append(envelope)
        await wire.scripted("END")
        return "250 2.0.0 queued"

    def hang_up(self, last_words: bytes = b"") -> None:
        """End the connections that are open, as a server does with idle ones, and wait until they are ended."""

        async def end() -> None:
            for wire in tuple(self.open):
                if last_words and wire.transport is not None:
                    wire.transport.write(last_words)  # type: ignore[attr-defined]  # a stream's transport writes
                if wire.session is not None and wire.session.ssl is None:
                    wire._writer.close()
                else:  # a client that is idle does not answer TLS's own goodbye
                    wire.cut()

        self._do(end())
        self.wait_until_nobody_is_there()

    def wait_until_nobody_is_there(self) -> None:
        """Wait until every connection is ended, by whichever side."""

        async def wait() -> None:
            while self.open:
                await asyncio.sleep(0)

        self._do(wait())

    def start(self) -> None:
        """Listen; the port is known when this returns."""
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        """End every connection and task, and the thread."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server does not stop"
        self._loop.close()

    async def _listen(self) -> None:
        context = self._context if self._tls == "tls" else None
        self._server = await self._loop.create_server(
            lambda: Wire(self, loop=self._loop, **self._given), "127.0.0.1", 0, ssl=context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        for wire in tuple(self.open):
            wire.cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(what, self._loop)
        done.result(PATIENCE)

    def _let_in(
        self, wire: SMTP, session: Session, envelope: Envelope, mechanism: str, sent: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=sent.password.decode() == self._password, handled=False)


@contextmanager
def running(**given: Any) -> Iterator[SmtpServer]:
    """A server that listens until the block ends."""
    server = SmtpServer(**given)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def port_where_nobody_answers(*, listening: bool) -> Iterator[int]:
    """A port that takes connections and says nothing (`listening`), or takes none."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listening:
            taken.listen(8)
        yield taken.getsockname()[1]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts without being told to."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    """The server's certificate, for 127.0.0.1 and localhost."""
    return authority.issue_cert("127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's own certificate, in a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
