"""What a mailer's URL says, read so that nothing of a password can end up in a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from invoicecore.errors import InvalidValue
from invoicecore_adapters.mail.headers import ascii_address

LOCAL_SENDER: Final = "billing@localhost"
"""The address that e-mails come from where they do not leave the machine and none was given."""


@attrs.frozen(kw_only=True)
class MailUrl:
    """A mailer's URL in parts; `whole` is what stands between `://` and `?`, decoded."""

    scheme: str
    whole: str
    host: str
    port: int | None
    path: str
    username: str | None
    password: str | None = attrs.field(repr=False)
    options: Mapping[str, str]


def read_url(url: str, options: Sequence[str]) -> MailUrl:
    """The parts of a URL that may have these options.

    Raises InvalidValue. A URL that cannot be read is never shown in it: any part of it may be of a password that is
    not percent-encoded.
    """
    scheme = url.partition("://")[0].lower()
    mended = "percent-encode what is not a letter or a digit in the user's name and the password"
    try:
        parts = urlsplit(url)
        port = parts.port
        host, username, password = parts.hostname or "", _decoded(parts.username), _decoded(parts.password)
    except ValueError:  # its text quotes the part that cannot be read
        raise InvalidValue("url", f"{scheme}://…", "cannot be read", mended) from None
    if "#" in url:  # what follows would be silently left out
        raise InvalidValue("url", f"{scheme}://…", "has a #", mended)
    try:
        whole = unquote(parts.netloc + parts.path, errors="strict")
    except UnicodeDecodeError:
        raise InvalidValue("url", f"{scheme}://…", "is not UTF-8 where it is percent-encoded", mended) from None
    return MailUrl(
        scheme=scheme,
        whole=whole,
        host=host,
        port=port,
        path=parts.path,
        username=username,
        password=password,
        options=_options(parts, scheme, options),
    )


def sender_of(url: str) -> str:
    """The sender that a URL without anything else names, such as `console://?sender=…`; InvalidValue for another URL."""
    read = read_url(url, ["sender"])
    if read.whole:
        raise InvalidValue("url", f"{read.scheme}://…", "has a host or a path", f"write {read.scheme}://")
    return read.options.get("sender", LOCAL_SENDER)


def sender_address(address: object) -> str:
    """The mailer's own address as it is written on the wire; InvalidValue for one that is none."""
    if not isinstance(address, str) or not address:
        way_out = "give the address that e-mails are sent from, as in ?sender=billing@example.org"
        raise InvalidValue("sender", address, "is not an e-mail address", way_out)
    try:
        return ascii_address(address)
    except ValueError as error:
        raise InvalidValue(
            "sender", address, f"is not an e-mail address: {error}", "write billing@example.org"
        ) from None


def _options(parts: SplitResult, scheme: str, known: Sequence[str]) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
    except ValueError:  # as above
        pairs = [("", "")]
    found = dict(pairs)
    if len(found) != len(pairs) or not found.keys() <= set(known):
        way_out = f"of ?sender=… and the like there can be {', '.join(known)}, each once"
        raise InvalidValue("url", f"{scheme}://…", "has an option that is unknown, twice there or unreadable", way_out)
    return found


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="strict")
