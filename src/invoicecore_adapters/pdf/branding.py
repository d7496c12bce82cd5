"""What a business puts of its own on its documents."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import attrs

from invoicecore.errors import InvalidValue

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_OF_A_FOOTER, _LINES_OF_A_FOOTER = 400, 4


@attrs.frozen(kw_only=True)
class Brand:
    """A business's logo, colour, footer and font; each may be left out.

    `logo` is an SVG or PNG, or the path of one, read once, and `logo_alt` says what it shows (the issuer's name, when
    it is empty). `accent` is a colour such as `#1f5f8b`; it is used for lines, never for text, so that a pale one stays
    readable. `footer` stands at the foot of every page. `font` is the name of a family that the renderer has.
    Raises InvalidValue for a logo that is no picture, a colour of another form, a footer of more than four lines.
    """

    logo: bytes | Path | None = None
    logo_alt: str = ""
    accent: str = "#1f5f8b"
    footer: str = ""
    font: str | None = None
    picture: str | None = attrs.field(init=False, repr=False)
    """The logo as the text of an SVG file."""

    @picture.default
    def _picture(self) -> str | None:
        return None if self.logo is None else _svg(self.logo)

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch("#[0-9a-fA-F]{6}", self.accent):
            raise InvalidValue("accent", self.accent, "is not a colour", "write it as #rrggbb")
        if len(self.footer) > _MOST_OF_A_FOOTER or len(self.footer.splitlines()) > _LINES_OF_A_FOOTER:
            most = f"use at most {_LINES_OF_A_FOOTER} lines, and {_MOST_OF_A_FOOTER} letters in all"
            raise InvalidValue("footer", self.footer[:40], "is too long", most)


def _svg(logo: bytes | Path) -> str:
    name: object = logo if isinstance(logo, Path) else logo[:16]
    try:
        content = logo.read_bytes() if isinstance(logo, Path) else logo
        return _wrapped(content) if content.startswith(_PNG) else _checked(content)
    except (OSError, ValueError, struct.error, zlib.error, ElementTree.ParseError) as error:
        raise InvalidValue("logo", name, f"cannot be read: {error}", "give an SVG or PNG file") from error


def _checked(content: bytes) -> str:
    text = content.decode("utf-8-sig")
    if ElementTree.fromstring(text).tag != "{http://www.w3.org/2000/svg}svg":
        raise ValueError("it is neither PNG nor SVG")
    return text


def _wrapped(content: bytes) -> str:
    """A PNG as an SVG, for data goes to a template as text; checked here, since a broken one would just be missing."""
    chunks = list(_chunks(content))
    if not chunks or chunks[0][0] != b"IHDR" or chunks[-1][0] != b"IEND":
        raise ValueError("the PNG is not whole")
    zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    width, height = struct.unpack_from(">II", chunks[0][1])
    data = base64.b64encode(content).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/></svg>'
    )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + size]
        if struct.unpack_from(">I", content, at + 8 + size)[0] != zlib.crc32(kind + body):
            raise ValueError(f"the PNG is damaged at byte {at}")
        yield kind, body
        at += size + 12
