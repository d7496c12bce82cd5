"""E-mail: mailers over SMTP, into a folder, to the console and in memory, and the composer that lays letters out.

Nothing that costs time to import is imported before a mailer or the composer is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from invoicecore.plugins import hookimpl
from invoicecore.ports import Composer, Mailer


class MailPlugin:
    """Offers the mailers by URL scheme, and the composer `letters` (extra `mail`)."""

    @hookimpl
    def mailers(self) -> Mapping[str, Callable[[str], Mailer]]:
        """Scheme → what makes a mailer of such a URL."""
        return {"smtp": _smtp, "smtps": _smtp, "files": _files, "console": _console, "memory": _memory}

    @hookimpl
    def composers(self) -> Mapping[str, Callable[[], Composer]]:
        """Name → what makes a composer; MissingExtra without jinja2."""
        return {"letters": _letters}


def _smtp(url: str) -> Mailer:
    from invoicecore_adapters.mail.smtp import SmtpMailer

    return SmtpMailer.from_url(url)


def _files(url: str) -> Mailer:
    from invoicecore_adapters.mail.folder import FilesMailer

    return FilesMailer.from_url(url)


def _console(url: str) -> Mailer:
    from invoicecore_adapters.mail.console import ConsoleMailer

    return ConsoleMailer.from_url(url)


def _memory(url: str) -> Mailer:
    from invoicecore_adapters.mail.memory import MemoryMailer

    return MemoryMailer.from_url(url)


def _letters() -> Composer:
    from invoicecore_adapters.mail.letters import Letters

    return Letters()


plugin = MailPlugin()
