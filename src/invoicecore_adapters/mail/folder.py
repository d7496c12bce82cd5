"""The mailer that writes a file per e-mail: to look at them, to test with, or for another program to pick up."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from invoicecore.errors import InvalidValue, MailUnavailable
from invoicecore.ports import Mail
from invoicecore_adapters.mail.mime import message_bytes
from invoicecore_adapters.mail.urls import LOCAL_SENDER, read_url, sender_address


class FilesMailer:
    """A Mailer into a folder: `<id>.eml`, which any mail program opens, readable by its owner only.

    A file is there whole or not at all, and the same e-mail sent again takes the place of its file.
    """

    def __init__(self, folder: str | Path, *, sender: str = LOCAL_SENDER) -> None:
        """Write into `folder`, which is made when the first e-mail comes; InvalidValue for a sender that is none."""
        self._folder = Path(folder)
        self._sender = sender_address(sender)

    @classmethod
    def from_url(cls, url: str) -> FilesMailer:
        """The mailer of `files:///absolute/folder` or `files://folder`, with `?sender=…` if wanted."""
        read = read_url(url, ["sender"])
        if not read.whole or "\0" in read.whole:
            raise InvalidValue(
                "url", "files://…", "names no folder", "write files:///var/spool/mail-out or files://out"
            )
        return cls(read.whole, sender=read.options.get("sender", LOCAL_SENDER))

    def send(self, mail: Mail) -> None:
        """Write one e-mail; MailRefused for an address that is none, MailUnavailable where nothing can be written."""
        message = message_bytes(mail, self._sender)  # what it accepts as an id is safe as a file's name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(message, self._folder / f"{mail.id}.eml")
        except OSError as error:
            raise MailUnavailable(f"{self._folder} cannot be written to: {error.strerror or error}") from error

    def close(self) -> None:
        """Nothing is open."""

    def _write(self, message: bytes, path: Path) -> None:
        descriptor, temporary = mkstemp(dir=self._folder, prefix=".", suffix=".tmp")
        try:
            with open(descriptor, "wb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:  # an interrupt too: nothing half written stays
            with suppress(OSError):
                os.unlink(temporary)
            raise
