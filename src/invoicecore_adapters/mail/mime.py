"""An e-mail as the bytes that go over the wire: the same Mail is always the same bytes, down to the boundaries."""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from email.utils import format_datetime
from hashlib import sha256
from struct import iter_unpack
from typing import Final

from invoicecore.errors import MailRefused
from invoicecore.ports import Attachment, Mail
from invoicecore_adapters.mail.headers import ascii_address, mailbox, one_line, parameter, unstructured

_ID: Final = re.compile(r"[A-Za-z0-9_](\.?[A-Za-z0-9_+=-])*")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,4}")
_MEDIA_TYPE: Final = re.compile(
    r"(?!message/|multipart/)[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
)
# NUL and its kind end a text early in one place or another; tabs, line ends and escape-free text stay.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What means something to one system or another: folders, drives, wildcards.
_NOT_IN_A_NAME: Final = re.compile(r'[<>:"/\\|?*]')
_LINE: Final = 76  # of base64 (RFC 2045, 6.8)
_LONGEST_NAME: Final = 150


def message_bytes(mail: Mail, sender: str) -> bytes:
    """The whole message with CRLF line ends; `sender` is the address it is sent from.

    Raises MailRefused for an address that is none and for an id that no Message-ID can be made of.
    """
    own = ascii_address(sender)
    boundary = sha256(mail.id.encode("utf-8", "replace")).hexdigest()[:32]
    lines = [
        mailbox("From", mail.sender, own),
        mailbox("To", mail.to_name, recipient(mail.to)),
        *([f"Reply-To: {recipient(mail.reply_to)}"] if mail.reply_to else []),
        unstructured("Subject", mail.content.subject),
        f"Date: {format_datetime(mail.date)}",
        f"Message-ID: <{message_id(mail, own)}>",
        *([f"Content-Language: {mail.language}"] if _LANGUAGE.fullmatch(mail.language) else []),
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ]
    # "=_" occurs neither in base64 nor in quoted-printable: no content can look like a boundary (RFC 2045, 6.7).
    both = f"=_a_{boundary}"
    parts = [
        f'Content-Type: multipart/alternative;\r\n boundary="{both}"\r\n'.encode("ascii"),
        _text("plain", mail.content.text, both),
        _text("html", mail.content.html, both),
        f"\r\n--{both}--\r\n".encode("ascii"),
    ]
    if mail.attachments:
        outer = f"=_m_{boundary}"
        parts = [
            f'Content-Type: multipart/mixed;\r\n boundary="{outer}"\r\n\r\n--{outer}\r\n'.encode("ascii"),
            *parts,
            *(_attached(file, outer) for file in mail.attachments),
            f"\r\n--{outer}--\r\n".encode("ascii"),
        ]
    return "\r\n".join([*lines, ""]).encode("ascii") + b"".join(parts)


def recipient(address: str) -> str:
    """The address as it is written on the wire; MailRefused for one that is none."""
    try:
        return ascii_address(address)
    except ValueError as error:
        raise MailRefused(f"it cannot go to {str(address)[:80]!a}: {error}") from None


def message_id(mail: Mail, sender: str) -> str:
    """What stands between the angle brackets of its Message-ID; MailRefused for an id that cannot."""
    if not _ID.fullmatch(mail.id) or len(mail.id) > 200:
        raise MailRefused(f"no Message-ID can be made of its id {mail.id[:80]!a}")
    return f"{mail.id}@{ascii_address(sender).rpartition('@')[2]}"


def _text(kind: str, text: str, boundary: str) -> bytes:
    text = _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    head = f"\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    # Line ends become CRLF at the end: b2a_qp breaks long lines by whichever kind it meets first, or by none it met.
    return head.encode("ascii") + b2a_qp(text.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")


def _attached(file: Attachment, boundary: str) -> bytes:
    return _attachment_head(file.filename, file.media_type, boundary).encode("ascii") + _base64(file.content)


def _attachment_head(filename: str, media_type: str, boundary: str) -> str:
    kind = media_type.lower()
    name = _NOT_IN_A_NAME.sub("-", one_line(filename)).strip() or "attachment"
    if len(name) > _LONGEST_NAME:
        stem, dot, extension = name.rpartition(".")
        keep = f".{extension}" if dot and len(extension) <= 10 else ""
        name = (stem if keep else name)[: _LONGEST_NAME - len(keep)] + keep
    return (
        f"\r\n--{boundary}\r\nContent-Type: {kind if _MEDIA_TYPE.fullmatch(kind) else 'application/octet-stream'}\r\n"
        f"Content-Disposition: attachment{parameter('filename', name)}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )


def _base64(content: bytes) -> bytes:
    encoded = b2a_base64(content, newline=False)
    whole = len(encoded) // _LINE * _LINE
    lines = [line for (line,) in iter_unpack(f"{_LINE}s", encoded[:whole])]
    return b"\r\n".join([*lines, encoded[whole:]]) if whole < len(encoded) else b"\r\n".join(lines)
