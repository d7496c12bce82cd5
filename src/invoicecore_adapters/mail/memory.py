"""The mailer for a host's own tests: it keeps what it is given, and fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable

from invoicecore.errors import MailError
from invoicecore.ports import Mail
from invoicecore_adapters.mail.mime import message_bytes
from invoicecore_adapters.mail.urls import LOCAL_SENDER, sender_address, sender_of


class MemoryMailer:
    """A Mailer that sends nothing: `sent` are the e-mails it accepted, `messages` the same as bytes.

    It refuses what every mailer refuses. `failing(mail)` may answer with an error, which is then raised in place of
    accepting the e-mail; it can be set and taken away (None) at any time.
    """

    def __init__(
        self, *, sender: str = LOCAL_SENDER, failing: Callable[[Mail], MailError | None] | None = None
    ) -> None:
        self.sent: list[Mail] = []
        self.messages: list[bytes] = []
        self.failing = failing
        self._sender = sender_address(sender)

    @classmethod
    def from_url(cls, url: str) -> MemoryMailer:
        """The mailer of `memory://` or `memory://?sender=…`; InvalidValue for another URL."""
        return cls(sender=sender_of(url))

    def send(self, mail: Mail) -> None:
        """Keep one e-mail; MailRefused for an address that is none, and what `failing` says."""
        message = message_bytes(mail, self._sender)
        error = self.failing(mail) if self.failing else None
        if error is not None:
            raise error
        self.sent.append(mail)
        self.messages.append(message)

    def close(self) -> None:
        """Nothing is open; what was sent stays."""
