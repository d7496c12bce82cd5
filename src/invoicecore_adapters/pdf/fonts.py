"""Fonts: which there are, and which characters they have, so that a text with others can be drawn all the same.

PDF/A forbids a text that no font of the document has, and typst refuses to write one. What a person typed must not
stop an invoice: each character that nobody can draw becomes a visible replacement.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterator, Sequence, Set
from itertools import pairwise
from pathlib import Path

import typst

from invoicecore.errors import RenderFailed

HERE = Path(__file__).parent / "typefaces"

BREAK = "\N{ZERO WIDTH SPACE}"
"""In a text for a template: a place where a line may end. It leaves no character in the document."""

REPLACEMENTS = "\N{REPLACEMENT CHARACTER}\N{WHITE SQUARE}?"
"""What stands for a character that no font has: the first of them that a font has."""

_LONG = 24
_RUN = re.compile(rf"[^\n ]{{{_LONG + 1},}}")
_AFTER = re.compile(r"(?<=[/?&=.,;:@#%+_-])(?=\w)")
# Scripts whose lines typst breaks between any two characters, or by a dictionary; they need no help of ours.
_BREAKS_BY_ITSELF = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# C0 and C1 controls; marks that embed, override or isolate a direction, and so make text read as what it is not; and
# the byte order mark, which PDF/A forbids.
_DROPPED = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_JOINER = "\N{ZERO WIDTH JOINER}"
# After these a mark has no letter to stand on, and is shown on a circle, as books about writing do.
_ENDS = ("\n", " ", BREAK)
_NO_LETTER = "\N{DOTTED CIRCLE}"


class Fonts:
    """The package's fonts and those of the directories given, no others: a document never depends on the machine.

    Raises RenderFailed naming a directory that is not there and a font file that cannot be read.
    """

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        for directory in directories:
            if not directory.is_dir():
                raise RenderFailed("a document", f"there is no font directory {str(directory)!r}")
        self.loaded = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[*map(str, (HERE, *directories))]
        )
        self.families = frozenset(self.loaded.families())
        files = sorted({(str(font.path), font.index) for font in self.loaded.fonts()})
        self._characters = [_characters(Path(path), index) for path, index in files]
        everything = frozenset[int]().union(*self._characters)
        self._replacement = next((mark for mark in REPLACEMENTS if ord(mark) in everything), "")
        # Most texts are of characters that stand alone in the package's own font, and one match says so.
        own = _characters(HERE / "Inter-Regular.otf", 0)
        alone = sorted(code for code in own if _stands_alone(chr(code)))
        self._plain = re.compile(f"[\n{_as_class(alone)}]*")

    def drawable(self, text: str, undrawn: Set[str] = frozenset()) -> str:
        """The text as it can be drawn, with BREAK where a very long word may be broken.

        Lines end in a line feed; control characters are gone; what no font has, and what is `undrawn`, is replaced, or
        left out where it would not be seen anyway.
        """
        for char in undrawn:
            text = text.replace(char, self._replacement)
        if not self._plain.fullmatch(text):
            text = _DROPPED.sub("", _LINE_ENDS.sub("\n", text).replace("\t", " "))
            text = "".join(map(self._cluster, _clusters(unicodedata.normalize("NFC", text))))
        seen = any(not (char.isspace() or _invisible(char)) for char in text)
        return _RUN.sub(_breakable, text) if seen else ""

    def _cluster(self, cluster: str) -> str:
        if cluster in _ENDS:
            return cluster
        while cluster and _continues(cluster[0]) and _invisible(cluster[0]):
            cluster = cluster[1:]
        if cluster and unicodedata.category(cluster[0]).startswith("M"):
            cluster = _NO_LETTER + cluster
        if not cluster:
            return ""
        # One font must have all of a cluster. The one that has its first character has the most to say.
        first = cluster[0] if self._has(cluster[0]) else self._replacement
        fonts = [characters for characters in self._characters if ord(first) in characters]
        if not fonts:
            return ""
        best = max(fonts, key=lambda characters: sum(ord(char) in characters for char in cluster))
        rest = (
            char if ord(char) in best and self._has(char) else "" if _invisible(char) else self._replacement
            for char in cluster[1:]
        )
        return ("" if first != cluster[0] and _invisible(cluster[0]) else first) + "".join(rest)

    def _has(self, char: str) -> bool:
        if unicodedata.category(char) in _FORBIDDEN or _noncharacter(char):
            return False
        return any(ord(char) in characters for characters in self._characters)


_FORBIDDEN = {"Co", "Cs"}  # private use says nothing to a reader (PDF/A-3a), half a surrogate pair is no character


def _noncharacter(char: str) -> bool:
    return ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF


def _invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or unicodedata.name(char, "").startswith("VARIATION SELECTOR")


def _continues(char: str) -> bool:
    """Whether a character belongs to what precedes it: marks, joiners, variations, the skin of an emoji."""
    return (
        unicodedata.category(char).startswith("M")
        or char in "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
        or 0x1F3FB <= ord(char) <= 0x1F3FF
    )


def _stands_alone(char: str) -> bool:
    category = unicodedata.category(char)
    return (
        category[0] in "LNPSZ"
        and category not in ("Zl", "Zp")
        and unicodedata.normalize("NFC", char) == char
        and not _noncharacter(char)
    )


def _clusters(text: str) -> Iterator[str]:
    """What is drawn as one: a character with its marks, and what a joiner joins."""
    cluster = ""
    for char in text:
        if cluster and cluster not in _ENDS and (_continues(char) or cluster[-1] == _JOINER):
            cluster += char
        else:
            if cluster:
                yield cluster
            cluster = char
    if cluster:
        yield cluster


def _breakable(run: re.Match[str]) -> str:
    """A long word with places to break it: after its punctuation, and anywhere in what is still too long."""
    return BREAK.join(
        part if len(part) <= _LONG else "".join(_broken(part)) for part in _AFTER.split(run[0].replace(BREAK, ""))
    )


def _broken(part: str) -> Iterator[str]:
    yield part[:1]
    for before, char in pairwise(part):
        bound = _continues(char) or before == _JOINER or _BREAKS_BY_ITSELF.match(char)
        yield char if bound else BREAK + char


def _as_class(codes: Sequence[int]) -> str:
    """The inside of a regular expression's class of these characters."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _characters(path: Path, index: int) -> frozenset[int]:
    """The characters a font file maps to glyphs of its own (OpenType `cmap`, formats 4 and 12)."""
    try:
        return frozenset(_mapped(path.read_bytes(), index))
    except (OSError, struct.error, IndexError, ValueError) as error:
        raise RenderFailed("a document", f"the font {str(path)!r} cannot be read: {error}") from error


def _mapped(data: bytes, index: int) -> Iterator[int]:
    start = struct.unpack_from(">I", data, 12 + 4 * index)[0] if data[:4] == b"ttcf" else 0
    tables = [
        struct.unpack_from(">4sIII", data, start + 12 + 16 * n)
        for n in range(struct.unpack_from(">H", data, start + 4)[0])
    ]
    cmap = next((offset for tag, _, offset, _ in tables if tag == b"cmap"), None)
    if cmap is None:
        raise ValueError("there is none")
    unicode_maps = []
    for n in range(struct.unpack_from(">H", data, cmap + 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHI", data, cmap + 4 + 8 * n)
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            unicode_maps.append((struct.unpack_from(">H", data, cmap + offset)[0], cmap + offset))
    for format, at in unicode_maps:
        if format == 12:
            for n in range(struct.unpack_from(">I", data, at + 12)[0]):
                first, last, glyph = struct.unpack_from(">III", data, at + 16 + 12 * n)
                yield from range(first + (glyph == 0), last + 1)
        elif format == 4:
            yield from _mapped_by_segments(data, at)


def _mapped_by_segments(data: bytes, at: int) -> Iterator[int]:
    count = struct.unpack_from(">H", data, at + 6)[0] // 2
    ends, starts, deltas, offsets = (
        struct.unpack_from(f">{count}H", data, at + 14 + 2 * (n * count + (n > 0))) for n in range(4)
    )
    for n, (first, last, delta, offset) in enumerate(zip(starts, ends, deltas, offsets, strict=True)):
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = code
            if offset:
                glyph = struct.unpack_from(">H", data, at + 16 + 2 * (3 * count + n) + offset + 2 * (code - first))[0]
                if not glyph:
                    continue
            if (glyph + delta) & 0xFFFF:
                yield code
