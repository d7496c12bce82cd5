"""The mailer over SMTP: one connection, encrypted and reused, and each failure under its right name (RFC 5321)."""

from __future__ import annotations

import ipaddress
import math
import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final, Literal, NoReturn, cast, get_args

from invoicecore.errors import InvalidValue, MailDeferred, MailRefused, MailUnavailable
from invoicecore.forking import renew_in_children
from invoicecore.ports import Mail
from invoicecore_adapters.mail.headers import one_line
from invoicecore_adapters.mail.mime import message_bytes, recipient
from invoicecore_adapters.mail.urls import read_url, sender_address

Security = Literal["starttls", "tls", "none"]
"""How the connection is encrypted: after a plain greeting, from its first byte, or not at all."""

_PORTS: Final[dict[str, int]] = {"starttls": 587, "tls": 465, "none": 25}
_POLITE: Final = 5.0
"""Seconds that saying goodbye may take."""

_SIGN_IN_FIRST: Final = 530  # RFC 4954: said of any command, and never the recipient's fault
_SHUTTING_DOWN: Final = 421  # RFC 5321, 4.2.3: the server closes the connection after it
_IN_DOUBT: Final = "the connection was lost after the message was handed over, so it may have arrived"


class SmtpMailer:
    """A Mailer that hands e-mails to an SMTP server; one call at a time.

    The connection is made at the first e-mail and kept; one that the server has closed in the meantime is made again.
    Encryption is required and certificates are verified unless told otherwise.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        sender: str,
        username: str | None = None,
        password: str | None = None,
        security: Security = "starttls",
        timeout: float = 30.0,
        ca: str | Path | None = None,
    ) -> None:
        """Send through `host`, from the address `sender`; nothing is connected yet.

        `timeout` is in seconds and holds for each answer of the server, `ca` is the file of a private certificate
        authority, which is then the only one trusted. Raises InvalidValue naming the field; a password is not sent
        unencrypted, except to this machine.
        """
        if not host or not host.isprintable() or any(letter in " /@?#<>" for letter in host):
            raise InvalidValue("host", host, "is not a server's name", "write it as mail.example.org")
        if security not in get_args(Security):
            raise InvalidValue("security", security, "is not known", f"choose from {', '.join(get_args(Security))}")
        if port is not None and not 0 < port < 65_536:
            raise InvalidValue("port", port, "is out of range", "give a port from 1 to 65535, or leave it out")
        if not (math.isfinite(timeout) and 0 < timeout <= 600):
            raise InvalidValue("timeout", timeout, "is out of range", "give seconds, more than 0 and up to 600")
        if bool(username) != bool(password):
            missing = "password" if username else "username"
            raise InvalidValue(missing, None, "is missing", "give both the user's name and the password, or neither")
        for field, secret in (("username", username), ("password", password)):
            if secret and not (secret.isascii() and secret.isprintable()):
                raise InvalidValue(field, "…", "has characters that SMTP cannot carry", "use printable ASCII")
        if password and security == "none" and not _is_here(host):
            way_out = "leave out tls=none, so that the connection is encrypted"
            raise InvalidValue("security", security, "would send the password unencrypted", way_out)
        self._host, self._port = host, port or _PORTS[security]
        self._sender = sender_address(sender)
        self._username, self._password = username, password
        self._security = security
        self._timeout = timeout
        self._tls = None if security == "none" else _trusting(ca)
        self._connection: smtplib.SMTP | None = None
        self._of_parents: list[smtplib.SMTP] = []
        self._one_at_a_time = Lock()
        renew_in_children(self)

    @classmethod
    def from_url(cls, url: str) -> SmtpMailer:
        """The mailer of `smtp://user:password@host:587?sender=billing@example.org` or of `smtps://…`.

        Options: `sender` (needed), `timeout`, `ca`, and for `smtp` `tls=none`. Raises InvalidValue naming the field.
        """
        read = read_url(url, ["sender", "timeout", "ca", "tls"])
        if read.path not in ("", "/"):
            raise InvalidValue("url", f"{read.scheme}://…", "has a path", "percent-encode a / of the password as %2F")
        security: Security = "tls" if read.scheme == "smtps" else "starttls"
        match read.scheme, read.options.get("tls"):
            case _, None:
                pass
            case "smtp", "none":
                security = "none"
            case "smtp", other:
                raise InvalidValue("tls", other, "is not known", "write tls=none, or leave it out for STARTTLS")
            case _, other:
                raise InvalidValue("tls", other, "contradicts smtps://", "leave it out, or write smtp://")
        try:
            timeout = float(read.options.get("timeout", "30"))
        except ValueError:
            timeout = math.nan
        if math.isnan(timeout):
            raise InvalidValue("timeout", read.options["timeout"], "is not a number", "give seconds, such as 30")
        return cls(
            read.host,
            read.port,
            sender=read.options.get("sender", ""),
            username=read.username,
            password=read.password,
            security=security,
            timeout=timeout,
            ca=read.options.get("ca"),
        )

    def __repr__(self) -> str:
        who = f", username={self._username!r}" if self._username else ""
        return f"SmtpMailer({self._host!r}, {self._port}, sender={self._sender!r}{who}, security={self._security!r})"

    def send(self, mail: Mail) -> None:
        """Hand one e-mail to the server; it is accepted when this returns.

        Raises MailRefused for an answer that will not change (5xx to the recipient or the message), MailDeferred for
        one that may (4xx, or a connection lost on the way: its text says whether the message may have arrived), and
        MailUnavailable when the server cannot be reached, does not let us in, or does not take this sender.
        """
        message = message_bytes(mail, self._sender)
        to = recipient(mail.to)
        # What two say on one connection would become one envelope with somebody else's letter.
        with self._one_at_a_time, self._dropping_what_is_broken():
            connection = self._begun()
            limit = connection.esmtp_features.get("size", "")
            if limit.isdecimal() and 0 < int(limit) < len(message):
                raise MailRefused(f"it has {len(message)} bytes and the server takes {limit} at most")
            self._expect(connection.docmd("RCPT", f"TO:<{to}>"), 2, of="the recipient")
            self._expect(connection.docmd("DATA"), 3, of="the message")
            try:
                # Lines end in CRLF already; what remains is that a line may not begin with a dot (RFC 5321, 4.5.2).
                connection.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                answer = connection.getreply()
            except (OSError, smtplib.SMTPException) as error:
                raise MailDeferred(f"{_IN_DOUBT} ({self._told(error)})") from error
            if answer[0] < 200 or answer[0] > 599:
                raise MailDeferred(f"{_IN_DOUBT} (the answer was not understood)")
            self._expect(answer, 2, of="the message")

    def forked(self) -> None:
        """See Inherited.forked; a child begins with a connection of its own."""
        self._one_at_a_time = Lock()
        if self._connection is not None:
            # Kept and never touched again: another thread of the parent may be in the middle of a word on it.
            self._of_parents.append(self._connection)
            self._connection = None

    def close(self) -> None:
        """Say goodbye and end the connection; a later send() makes a new one."""
        with self._one_at_a_time:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(OSError, smtplib.SMTPException):
            if connection.sock is not None:
                connection.sock.settimeout(min(self._timeout, _POLITE))
            connection.quit()
        connection.close()

    @contextmanager
    def _dropping_what_is_broken(self) -> Iterator[None]:
        """Keep the connection after a refusal of one e-mail, drop it after everything else that goes wrong."""
        try:
            yield
        except MailUnavailable:
            self._drop()
            raise
        except (MailRefused, MailDeferred):
            self._forget_the_message()
            raise
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise MailDeferred(
                f"the connection was lost before the message was handed over ({self._told(error)})"
            ) from error
        except BaseException:  # an interrupt in the middle of a command: what the server says next fits nothing
            self._drop()
            raise

    def _begun(self) -> smtplib.SMTP:
        """A connection on which MAIL FROM was accepted; one that turns out to be closed is replaced once."""
        kept = self._connection
        if kept is not None:
            try:
                answer = kept.docmd("MAIL", f"FROM:<{self._sender}>")
            except (OSError, smtplib.SMTPException):
                answer = (_SHUTTING_DOWN, b"")
            if answer[0] not in (_SHUTTING_DOWN, -1):
                return self._taken(kept, answer)
            self._drop()
        fresh = self._connection = self._connected()
        try:
            return self._taken(fresh, fresh.docmd("MAIL", f"FROM:<{self._sender}>"))
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable(f"{self._host}:{self._port} closed the connection ({self._told(error)})") from error

    def _taken(self, connection: smtplib.SMTP, answer: tuple[int, bytes]) -> smtplib.SMTP:
        code, text = answer
        if code // 100 == 2:
            return connection
        if 400 <= code < 500 and code != _SHUTTING_DOWN:
            raise MailDeferred(f"the server does not take it now: {self._quoted(code, text)}")
        raise MailUnavailable(f"the server does not take e-mail from {self._sender}: {self._quoted(code, text)}")

    def _expect(self, answer: tuple[int, bytes], wanted: int, of: str) -> None:
        code, text = answer
        if code // 100 == wanted:  # the first digit is what counts (RFC 5321, 4.2.1)
            return
        if code == _SHUTTING_DOWN:
            # It was greeted and took the sender, so it may be this one e-mail it will not have: the others go on over
            # a new connection, which tells whether the server is really going down.
            self._drop()
            raise MailDeferred(f"the server ended the connection at {of}: {self._quoted(code, text)}")
        if code == _SIGN_IN_FIRST or not 400 <= code < 600:
            raise MailUnavailable(f"the server does not take {of}: {self._quoted(code, text)}")
        failure = MailRefused if code >= 500 else MailDeferred
        raise failure(f"the server {'refused' if code >= 500 else 'does not take'} {of}: {self._quoted(code, text)}")

    def _connected(self) -> smtplib.SMTP:
        """A new connection: encrypted, greeted and signed in. Raises MailUnavailable."""
        connection: smtplib.SMTP | None = None
        try:
            # A name is given so that none is looked up, which may take seconds; the real greeting is below.
            if self._security == "tls":
                connection = smtplib.SMTP_SSL(
                    self._host, self._port, local_hostname="localhost", timeout=self._timeout, context=self._tls
                )
            else:
                connection = smtplib.SMTP(self._host, self._port, local_hostname="localhost", timeout=self._timeout)
            return self._let_in(connection)
        except smtplib.SMTPAuthenticationError as error:
            _abandon(connection)
            why = f"the server does not let us in: {self._quoted(error.smtp_code, error.smtp_error)}"
            raise MailUnavailable(why) from None  # the chain would show what the server quotes of the password
        except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: a challenge that cannot be read
            _abandon(connection)
            why = f"{self._host}:{self._port} cannot be used ({self._told(error)})"
            raise MailUnavailable(why) from error
        except BaseException:
            _abandon(connection)
            raise

    def _let_in(self, connection: smtplib.SMTP) -> smtplib.SMTP:
        sock = cast(socket.socket, connection.sock)
        # The last piece of a message would wait for the server to confirm the others.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = _own_name(sock)
        self._greeted(connection, name)
        if self._security == "starttls":
            if not connection.has_extn("starttls"):
                self._not_usable("does not offer STARTTLS, so nothing was sent; if that is right, say tls=none")
            connection.starttls(context=self._tls)  # raises for any answer but a yes
            self._greeted(connection, name)
        if self._username and self._password:
            if not connection.has_extn("auth"):
                self._not_usable("does not offer to sign in, and a password was given")
            connection.login(self._username, self._password)
        return connection

    def _greeted(self, connection: smtplib.SMTP, name: str) -> None:
        code, text = connection.ehlo(name)
        if code != 250:
            self._not_usable(f"does not greet us: {self._quoted(code, text)}")

    def _not_usable(self, why: str) -> NoReturn:
        raise MailUnavailable(f"{self._host}:{self._port} {why}")

    def _forget_the_message(self) -> None:
        """Take back what was begun, so that the next e-mail begins anew; drop a connection that cannot."""
        if self._connection is None:
            return
        try:
            usable = self._connection.rset()[0] == 250
        except (OSError, smtplib.SMTPException):
            usable = False
        if not usable:
            self._drop()

    def _drop(self) -> None:
        _abandon(self._connection)
        self._connection = None

    def _quoted(self, code: int, text: bytes | str) -> str:
        """An answer of the server in one line, short, and without the password should it be in there."""
        told = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        line = one_line(f"{code} {told}")
        for secret in self._secrets():
            line = line.replace(secret, "…")
        return line if len(line) <= 300 else f"{line[:299]}…"

    def _told(self, error: Exception) -> str:
        if isinstance(error, smtplib.SMTPResponseException):
            return self._quoted(error.smtp_code, error.smtp_error)
        if isinstance(error, TimeoutError) or "timed out" in str(error):
            return f"no answer within {self._timeout:g} seconds"
        return self._quoted(0, str(error) or type(error).__name__).removeprefix("0 ")

    def _secrets(self) -> Iterator[str]:
        if self._password:
            yield self._password
            for plain in (self._password, f"\0{self._username}\0{self._password}"):
                yield b64encode(plain.encode()).decode("ascii")


def _abandon(connection: smtplib.SMTP | None) -> None:
    if connection is not None:
        with suppress(OSError):
            connection.close()


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_name(sock: socket.socket) -> str:
    """What a client says it is when it has no name that others can look up: its address (RFC 5321, 4.1.4)."""
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _trusting(ca: str | Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        way_out = "give a file with certificates in PEM form"
        raise InvalidValue("ca", str(ca), "cannot be read as certificates", way_out) from error
