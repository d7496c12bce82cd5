"""Sheets drawn as PDF by typst: tagged and archivable (PDF/UA-1, PDF/A-3a), the same bytes for the same sheet."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Sequence, Set
from datetime import UTC, date, datetime, time
from pathlib import Path
from threading import Lock

import attrs
import segno
import typst

from invoicecore.documents.sheet import Sheet
from invoicecore.errors import RenderFailed
from invoicecore_adapters.pdf.branding import Brand
from invoicecore_adapters.pdf.fonts import BREAK, Fonts

TEMPLATE = "document.typ"
"""The file that a directory of templates must have."""

STANDARDS: list[typst.PDFStandard] = ["a-3a", "ua-1"]
"""What each document conforms to."""

_PACKAGE = re.compile(r"@preview/([\w-]+):(\d+\.\d+\.\d+)")
_LANGUAGE = re.compile(r"(?P<language>[a-zA-Z]{2,3})(-[a-zA-Z]{4})?(-(?P<region>[a-zA-Z]{2}))?(-.*)?")
_MOST_OF_A_LINK = 2000

# A forked child has the parent's memory and none of its threads. Typst, once it has worked in the parent, would wait in
# the child for threads that do not exist, and wait for ever.
_worked_in: int | None = None


class TypstRenderer:
    """Draws sheets as PDF.

    `brand` is one for all or a function from a biller's id. `templates` is a directory whose `document.typ` replaces
    ours, `fonts` are directories with more fonts; nothing of the machine's own is used, and nothing is fetched.
    Raises RenderFailed for a directory, a template or a font that is not there.
    """

    def __init__(
        self,
        brand: Brand | Callable[[str], Brand] = Brand(),  # noqa: B008  # frozen, so that one will do for all
        templates: Path | None = None,
        fonts: Sequence[Path] = (),
    ) -> None:
        self._brand = brand
        self._fonts = Fonts(fonts)
        self._root = templates or Path(__file__).parent
        if not (self._root / TEMPLATE).is_file():
            raise RenderFailed("a document", f"there is no {TEMPLATE} in {str(self._root)!r}")
        _refuse_to_fetch(self._root)
        self._compiler = self._new_compiler()
        self._lock = Lock()

    def render(self, sheet: Sheet) -> bytes:
        """The sheet as a PDF; safe to call from several threads, which take turns.

        Raises RenderFailed naming the template's file and line, the font or the table that is wrong, and in a process
        that was forked after typst had worked in its parent.
        """
        what = _named(sheet)
        brand = self._brand(sheet.biller) if callable(self._brand) else self._brand
        if brand.font is not None and brand.font.lower() not in {family.lower() for family in self._fonts.families}:
            known = ", ".join(sorted(self._fonts.families))
            raise RenderFailed(what, f"there is no font {brand.font!r}, the renderer has {known}")
        _stop_in_a_forked_process()
        undrawn: set[str] = set()
        while True:
            data = json.dumps(self._data(sheet, brand, undrawn))
            try:
                return self._compiled(what, data, sheet.dated)
            except typst.TypstError as error:
                # The tables of fonts do not tell everything: some characters cannot be drawn beside some others.
                more = _undrawn(error.message) - undrawn
                if not more:
                    raise RenderFailed(what, _told(error)) from error
                undrawn |= more

    def _compiled(self, what: str, data: str, dated: date) -> bytes:
        with self._lock:
            try:
                pdf, warnings = self._compiler.compile_with_warnings(
                    format="pdf",
                    sys_inputs={"data": data},
                    pdf_standards=STANDARDS,
                    timestamp=datetime.combine(dated, time(), UTC),
                )
            except BaseException as error:
                if type(error).__name__ != "PanicException":
                    raise
                # A fault within typst, which no `except Exception` would stop; the compiler may be unfit for more.
                self._compiler = self._new_compiler()
                raise RenderFailed(what, f"typst failed: {error}") from error
        for warning in warnings:
            if "font" in warning.message:  # typst only warns, and would draw with another one
                raise RenderFailed(what, _told(warning))
        if not isinstance(pdf, bytes):
            raise RenderFailed(what, "typst gave no document")
        return pdf

    def _new_compiler(self) -> typst.Compiler:
        return typst.Compiler(
            str(self._root / TEMPLATE),
            root=str(self._root),
            font_paths=self._fonts.loaded,
            ignore_system_fonts=True,
            package_path=str(self._root / "packages"),
        )

    def _data(self, sheet: Sheet, brand: Brand, undrawn: Set[str] = frozenset()) -> dict[str, object]:
        """Everything a template needs, as data: no text in it is ever read as markup."""
        _refuse_odd_tables(sheet)

        def drawable(text: str) -> str:
            return self._fonts.drawable(text, undrawn)

        def plain(text: str) -> str:
            return " ".join(drawable(text).replace(BREAK, "").split())

        def value(_owner: object, _field: object, given: object) -> object:
            if isinstance(given, str):
                return drawable(given)
            return given.isoformat() if isinstance(given, date) else given

        tag = _LANGUAGE.fullmatch(sheet.language)
        url = sheet.pay.url if sheet.pay and sheet.pay.url and plain(sheet.pay.url) else None
        if sheet.pay:
            says = plain(sheet.pay.alternative) or plain(url or "")  # PDF/UA wants some words for each picture
            sheet = attrs.evolve(sheet, pay=attrs.evolve(sheet.pay, url=url, alternative=says))
        words = attrs.asdict(sheet, value_serializer=value)
        return {
            "sheet": words,
            "document": {
                "title": plain(sheet.title) or plain(sheet.filename) or sheet.kind.value,
                "author": plain(sheet.issuer.name),
                "language": tag["language"].lower() if tag else "und",
                "region": tag["region"].upper() if tag and tag["region"] else None,
                "date": {"year": sheet.dated.year, "month": sheet.dated.month, "day": sheet.dated.day},
            },
            "brand": {
                "accent": brand.accent,
                "logo": brand.picture,
                "logo_alt": plain(brand.logo_alt) or plain(sheet.issuer.name) or "Logo",
                "footer": drawable(brand.footer),
                "font": brand.font,
            },
            "link": url if url and _is_link(url) else None,
            "qr": _qr_code(url) if url else None,
        }


def _refuse_odd_tables(sheet: Sheet) -> None:
    for table in sheet.tables:
        for row in (row for group in table.groups for row in group.rows):
            if len(row) != len(table.columns):
                wrong = f"has {len(row)} texts for {len(table.columns)} columns: {row!r:.80}"
                raise RenderFailed(_named(sheet), f"a row of table {table.title!r} {wrong}")
        if not table.columns:
            raise RenderFailed(_named(sheet), f"table {table.title!r} has no columns")


def _named(sheet: Sheet) -> str:
    return f"{sheet.kind.value} {sheet.reference[:80]!r}"


def _qr_code(url: str) -> dict[str, object] | None:
    """The QR code as SVG, and how many modules it is wide; None for a text that none can hold."""
    try:
        # A mask of our choice is as readable as the one segno would take 6 ms to find.
        code = segno.make_qr(url, error="m", mask=3, boost_error=False)
    except ValueError:
        return None
    svg = io.BytesIO()
    code.save(svg, kind="svg", border=0, xmldecl=False, omitsize=True)
    return {"svg": svg.getvalue().decode(), "modules": code.symbol_size(border=0)[0]}


def _is_link(url: str) -> bool:
    return (
        url.isascii() and url.isprintable() and len(url) <= _MOST_OF_A_LINK and url.startswith(("https://", "http://"))
    )


def _told(problem: typst.TypstError | typst.TypstWarning) -> str:
    """What typst says, in one line, with the file and line it names."""
    place = re.search(r"┌─ (.+)", problem.diagnostic)
    hints = "".join(f" ({hint})" for hint in problem.hints)
    return " ".join(f"{problem.message}{hints}{f', at {place[1]}' if place else ''}".split())


def _undrawn(message: str) -> set[str]:
    """The characters that typst says no font can draw, as it quotes them."""
    found = re.search(r'the text `"(.*)"` could not be displayed', message, re.S)
    if found is None:
        return set()
    return set(re.sub(r"\\u\{(\w+)\}", lambda code: chr(int(code[1], 16)), found[1]))


def _refuse_to_fetch(root: Path) -> None:
    """Raise RenderFailed for a package that typst would download: what an invoice looks like is not the network's."""
    for path in sorted(root.rglob("*.typ")):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            for name, version in _PACKAGE.findall(line):
                if not (root / "packages" / "preview" / name / version).is_dir():
                    where = f"packages/preview/{name}/{version}"
                    raise RenderFailed(
                        f"{path}:{number}", f"packages are not fetched, and there is no {where} beside it"
                    )


def _stop_in_a_forked_process() -> None:
    global _worked_in
    here = os.getpid()
    if _worked_in not in (None, here):
        raise RenderFailed(
            "a document in a forked process", "typst worked in its parent already, so start workers with 'spawn'"
        )
    _worked_in = here
