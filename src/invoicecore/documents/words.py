"""What every document shares: plain text out of what people entered, parties, papers, file names."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Final

from invoicecore.documents.sheet import Fact, Paper, Party, Sheet, SheetKind
from invoicecore.parties import Biller, BillTo
from invoicecore.wording import format_date, say

# Controls of direction reorder what stands beside them, so that a name could turn an amount around. Text in Arabic or
# Hebrew needs none of them: renderers set each text apart.
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SPACES: Final = re.compile(r"[^\S\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]+")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LETTER_COUNTRIES: Final = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "CR", "GT", "NI", "PA", "SV", "VE"})


def plain(text: str) -> str:
    """The text in one line, without controls of any kind."""
    shown = _shown(text)
    return _SPACES.sub(" ", shown).strip() if not shown.isprintable() or "  " in shown else shown.strip()


def plain_lines(text: str) -> tuple[str, ...]:
    """The text's lines that are not blank, each plain."""
    return tuple(line for line in map(plain, _shown(text).split("\n")) if line)


def _shown(text: str) -> str:
    if text.isprintable() and (text.isascii() or _TURNING.isdisjoint(text)):
        return text  # nearly always
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    kept = (" " if c == "\t" else c for c in unified if c in "\n\t" or (c not in _TURNING and not _control(c)))
    return "".join(kept)


def _control(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cs")


def issuer(biller: Biller, locale: str) -> Party:
    """The biller as it stands on its documents."""
    lines = plain_lines(biller.address) + ((biller.email,) if biller.email else ())
    return Party(heading=say("doc.from", locale), name=plain(biller.name), lines=lines)


def payer(who: BillTo, locale: str) -> Party:
    """The payer as frozen on the invoice (R19)."""
    lines = plain_lines(who.address) + ((who.email,) if who.email else ())
    return Party(heading=say("doc.bill_to", locale), name=plain(who.name), lines=lines)


def begun(
    kind: SheetKind, *, biller: Biller, locale: str, heading: str, reference: str, named: str, file: str, dated: date
) -> Sheet:
    """A sheet with what every kind of it has; `named` follows the heading in its title, `file` in its file name."""
    return Sheet(
        kind=kind,
        biller=biller.id,
        locale=locale,
        language=tag_of(locale),
        paper=paper_of(locale),
        title=f"{heading} {named} - {plain(biller.name)}",
        heading=heading,
        reference=reference,
        filename=filename_of(heading, file),
        dated=dated,
        issuer=issuer(biller, locale),
        customer=None,
        facts=(),
        page=say("doc.page", locale, page="{page}", pages="{pages}"),
    )


def days_text(first: date, last: date, locale: str) -> str:
    """A first and a last day, as lines write them (S2, M3)."""
    return f"{format_date(first, locale)} - {format_date(last, locale)}"


def fact(key: str, value: object, locale: str) -> Fact:
    """A heading of the catalogue and a value."""
    return Fact(label=say(key, locale), value=str(value))


def paper_of(locale: str) -> Paper:
    """Letter where that is the custom, else A4."""
    return Paper.LETTER if locale.rpartition("_")[2] in _LETTER_COUNTRIES else Paper.A4


def tag_of(locale: str) -> str:
    """The locale as a BCP 47 tag: `fr_CA` is `fr-CA`."""
    return locale.replace("_", "-")


def filename_of(*parts: str) -> str:
    """A name that is safe on every file system, of ASCII letters, digits, points and dashes."""
    whole = unicodedata.normalize("NFKD", "-".join(part for part in parts if part))
    return _UNSAFE.sub("-", whole.encode("ascii", "ignore").decode()).strip("-.")[:100] or "document"


def number_text(value: Decimal, locale: str) -> str:
    """A quantity or a percentage as the locale writes it, with the decimals it has."""
    from babel.numbers import format_decimal

    return format_decimal(value, locale=locale, decimal_quantization=False)


def percent_text(value: Decimal, locale: str) -> str:
    """A rate in per cent: `20 %` in French, `20%` in English."""
    space = "" if locale.startswith("en") else "\N{NO-BREAK SPACE}"
    return f"{number_text(value, locale)}{space}%"
