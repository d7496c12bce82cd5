"""Header lines that hold one value and nothing else, whatever the value is (RFC 5322, RFC 2047, RFC 2231, RFC 5890)."""

from __future__ import annotations

import re
from binascii import b2a_base64
from functools import lru_cache
from typing import Final

_WIDTH: Final = 76
"""The longest line of a header with encoded words in it (RFC 2047, 2)."""

_ENCODED_WORD: Final = 75
_LONGEST_ADDRESS: Final = 254

# What ends a line somewhere, and controls: a run of them, spaces included, is one space. No-break spaces stay.
_BREAKS: Final = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
# What makes text read backwards (a file that looks like another one), and halves of characters.
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
_HALVES: Final = re.compile("[\ud800-\udfff]")

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
# The codec of the standard library maps these to other letters, and so to another domain than the one written.
_OTHER_DOMAIN: Final = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")

# In a display name these stand for themselves inside an encoded word (RFC 2047, 5(3)); "_" is the space.
_AS_IT_IS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")
_Q: Final = tuple("_" if n == 0x20 else chr(n) if n in _AS_IT_IS else f"={n:02X}" for n in range(256))
_PERCENT: Final = tuple(chr(n) if n < 128 and (chr(n).isalnum() or n in b"-._~") else f"%{n:02X}" for n in range(256))


def one_line(text: str) -> str:
    """`text` in one line: line breaks, controls and runs of spaces are one space, turning marks are gone."""
    return _HALVES.sub("\ufffd", _BREAKS.sub(" ", _TURNING.sub("", text))).strip(" ")


@lru_cache(maxsize=1024)
def ascii_address(value: str) -> str:
    """One address as it is written on the wire, the domain in its ASCII form; ValueError says why it cannot be one.

    The part before the `@` must be ASCII: what else there is needs servers that speak SMTPUTF8 all the way.
    """
    if len(value) > _LONGEST_ADDRESS:
        raise ValueError("it is longer than an address can be")
    local, at, domain = value.rpartition("@")
    if not at or not local.isascii():
        raise ValueError("it has letters beyond ASCII before the @" if at else "it has no @")
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        raise ValueError("what precedes the @ is not a mailbox's name")
    if not domain.isascii():
        if _OTHER_DOMAIN.search(domain):
            raise ValueError("its domain is ambiguous; write the domain in its xn-- form")
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("its domain is not a domain's name") from None
    if not all(_LABEL.fullmatch(label) and len(label) <= 63 for label in domain.split(".")):
        raise ValueError("its domain is not a domain's name")
    return f"{local}@{domain}"


@lru_cache(maxsize=1024)
def mailbox(header: str, name: str, address: str) -> str:
    """A header with one mailbox, such as `From: "Les Pins" <billing@example.org>`; `address` is an `ascii_address`."""
    name = one_line(name)
    if not name:
        return f"{header}: <{address}>"
    if name.isascii() and "=?" not in name and len(name) <= 60:
        phrase = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        phrase = _encoded(name, len(header) + 2)
    last = len(phrase) - phrase.rfind("\n")
    gap = " " if last + len(address) < _WIDTH - len(header) else "\r\n "
    return f"{header}: {phrase}{gap}<{address}>"


def unstructured(header: str, text: str) -> str:
    """A header of free text, such as `Subject: …`, folded."""
    text = one_line(text)
    if text.isascii() and "=?" not in text:
        if len(header) + 2 + len(text) <= _WIDTH + 2:
            return f"{header}: {text}"
        if len(max(text.split(" "), key=len)) < _WIDTH:
            return _folded(f"{header}:", text)
    return f"{header}: {_encoded(text, len(header) + 2)}"


def parameter(name: str, value: str) -> str:
    """`; name="value"` of a header, in the form of RFC 2231 when it is long or not ASCII; begins with a semicolon."""
    if value.isascii() and "=?" not in value and len(value) <= 60:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{quoted}"'
    pieces, line = [], "utf-8''"
    for byte in value.encode():
        piece = _PERCENT[byte]
        if len(line) + len(piece) > 60:
            pieces.append(line)
            line = ""
        line += piece
    pieces.append(line)
    if len(pieces) == 1:
        return f";\r\n {name}*={line}"
    return "".join(f";\r\n {name}*{n}*={piece}" for n, piece in enumerate(pieces))


def _encoded(text: str, taken: int) -> str:
    """`text` as encoded words; `taken` columns of the first line are not free."""
    raw = text.encode()
    if len(raw) <= _ENCODED_WORD:
        # In one word if it fits, the shorter of both kinds: readers differ in how they join two words of a name.
        quoted = "".join([_Q[byte] for byte in raw])
        if len(quoted) + 12 + taken <= _WIDTH and len(quoted) < len(raw) * 4 // 3:
            return f"=?utf-8?q?{quoted}?="
    words, start, room = [], 0, _WIDTH - taken
    while start < len(raw):
        end = start + (min(room, _ENCODED_WORD) - 12) // 4 * 3
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # a character is never cut in two
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(raw[start:end], newline=False).decode('ascii')}?=")
        start, room = end, _ENCODED_WORD
    return "\r\n ".join(words)


def _folded(line: str, text: str) -> str:
    lines = []
    first, *rest = text.split(" ")
    line += f" {first}"  # here in any case: a header's first line is never empty
    for word in rest:
        if len(line) + 1 + len(word) > _WIDTH + 2:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])
