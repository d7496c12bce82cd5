"""The mailer that prints: to see what would be sent."""

from __future__ import annotations

import sys
from typing import TextIO

from invoicecore.errors import MailUnavailable
from invoicecore.ports import Mail
from invoicecore_adapters.mail.headers import one_line
from invoicecore_adapters.mail.mime import message_bytes, message_id
from invoicecore_adapters.mail.urls import LOCAL_SENDER, sender_address, sender_of


class ConsoleMailer:
    """A Mailer onto a stream: the headers that matter, the names of the attachments, and the plain text."""

    def __init__(self, stream: TextIO | None = None, *, sender: str = LOCAL_SENDER) -> None:
        """Print to `stream`, by default to what `sys.stdout` is at that time; InvalidValue for a sender that is none."""
        self._stream = stream
        self._sender = sender_address(sender)

    @classmethod
    def from_url(cls, url: str) -> ConsoleMailer:
        """The mailer of `console://` or `console://?sender=…`; InvalidValue for another URL."""
        return cls(sender=sender_of(url))

    def send(self, mail: Mail) -> None:
        """Print one e-mail; MailRefused for an address that is none, MailUnavailable when the stream is closed."""
        message = message_bytes(mail, self._sender)
        shown = {
            "From": f"{one_line(mail.sender)} <{self._sender}>",
            "To": f"{one_line(mail.to_name)} <{mail.to}>",
            "Reply-To": mail.reply_to,
            "Subject": one_line(mail.content.subject),
            "Date": f"{mail.date:%Y-%m-%d %H:%M %Z}",
            "Message-ID": f"<{message_id(mail, self._sender)}>",
        }
        lines = [f"{name}: {value}" for name, value in shown.items() if value]
        lines += [f"Attached: {one_line(file.filename)} ({len(file.content)} bytes)" for file in mail.attachments]
        body = [one_line(line) if not line.isprintable() else line for line in mail.content.text.splitlines()]
        text = "\n".join([*lines, f"Size: {len(message)} bytes", "", *body, "", "-" * 72, ""])
        stream = sys.stdout if self._stream is None else self._stream
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:  # a pipe that was closed at its other end, a file that was closed
            raise MailUnavailable(f"nothing can be printed: {error}") from error

    def close(self) -> None:
        """The stream is not this mailer's to close."""
