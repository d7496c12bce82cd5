"""What a PDF of ours is: structure, words, looks and limits of the renderer on typst."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from struct import pack

import attrs
import pikepdf
import pypdf
import pypdfium2
import pypdfium2.raw as raw
import pytest
import zxingcpp
from hypothesis import HealthCheck, given, settings

from invoicecore.documents.sheet import Column, Fact, Mark, Paper, Rows, Sheet, Table
from invoicecore.errors import InvalidValue, RenderFailed
from invoicecore.plugins import Plugins
from invoicecore.testing.renderer_contract import (
    HOSTILE,
    INVOICE,
    RECEIPT,
    SAMPLES,
    STATEMENT,
    RendererContract,
    hostile,
)
from invoicecore_adapters import pdf
from invoicecore_adapters.pdf import Brand, TypstRenderer
from invoicecore_adapters.pdf.fonts import BREAK, HERE, Fonts
from sheets import (
    DRAFT,
    FIVE,
    FRENCH,
    GROUP,
    LATE,
    TWO_TAXES,
    UGLY,
    VOID,
    long_invoice,
    sheets,
    wide_sheets,
    with_rows,
)

EVERY = {
    **{sheet.kind.value: sheet for sheet in SAMPLES},
    "draft": DRAFT,
    "void": VOID,
    "late": LATE,
    "french": FRENCH,
    "group": GROUP,
    "long": long_invoice(300),
}
SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


class TestTypstRenderer(RendererContract):
    @pytest.fixture
    def renderer_factory(self) -> type[TypstRenderer]:
        return TypstRenderer


@pytest.fixture(scope="module")
def renderer() -> TypstRenderer:
    return TypstRenderer()


@pytest.fixture(params=EVERY.values(), ids=EVERY)
def sheet(request: pytest.FixtureRequest) -> Sheet:
    found: Sheet = request.param
    return found


# --- reading a document -----------------------------------------------------------------------------------------------


def words(text: str) -> str:
    """A text without what layout may change: spaces, line breaks, soft hyphens, composed or not."""
    return re.sub(r"[\s\u200b\u00ad\x00\x02\ufffe]", "", unicodedata.normalize("NFC", text))


def pages(document: bytes) -> list[str]:
    """The text of each page, in the order in which it was written."""
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages]


def texts(value: object) -> Iterator[str]:
    """Every text of a sheet that is to be seen on paper."""
    match value:
        case str():
            yield value
        case tuple():
            for each in value:
                yield from texts(each)
        case Mark():
            yield value.label
        case Column():
            yield value.heading
        case _ if attrs.has(type(value)):
            hidden = {"kind", "biller", "locale", "language", "paper", "title", "filename", "page", "alternative"}
            for field in attrs.fields(type(value)):
                if field.name not in hidden or (field.name == "title" and isinstance(value, Table)):
                    yield from texts(getattr(value, field.name))


def objects(document: pikepdf.Pdf, kind: str) -> list[pikepdf.Dictionary]:
    """The structure elements of one kind."""
    return [each for each in document.objects if isinstance(each, pikepdf.Dictionary) and each.get("/S") == kind]


def boxes(
    document: bytes, pages: int = 20
) -> Iterator[tuple[int, tuple[float, float, float, float], tuple[float, float]]]:
    """(page, (left, bottom, right, top), (width, height) of the page) of the characters seen on the first pages."""
    read = pypdfium2.PdfDocument(document)
    try:
        for number, page in enumerate(islice(read, pages)):
            text = page.get_textpage()
            for index in range(text.count_chars()):
                if text.get_text_range(index, 1).strip():
                    yield number, text.get_charbox(index), page.get_size()
    finally:
        read.close()


def places(document: bytes, pages: int = 20) -> Iterator[tuple[dict[int, list[float]], tuple[float, float]]]:
    """Of each page: the box of each cell, heading or other element with a text of its own, and the page's size."""
    owners = owners_of_content(document)
    read = pypdfium2.PdfDocument(document)
    for number, page in enumerate(islice(read, pages)):
        text = page.get_textpage()
        elements: dict[int, list[float]] = {}
        for index in range(text.count_chars()):
            drawn_by = raw.FPDFText_GetTextObject(text.raw, index)
            content = raw.FPDFPageObj_GetMarkedContentID(drawn_by) if drawn_by else -1
            if content < 0 or chr(raw.FPDFText_GetUnicode(text.raw, index)).isspace():
                continue
            box = text.get_charbox(index)
            known = elements.setdefault(owners[number, content], list(box))
            known[:] = *map(min, known[:2], box[:2]), *map(max, known[2:], box[2:])
        yield elements, page.get_size()
    read.close()


def owners_of_content(document: bytes) -> dict[tuple[int, int], int]:
    """Which structure element each piece of content is of, by its page and number."""
    owners = {}
    with pikepdf.open(io.BytesIO(document)) as read:
        numbers = {page.objgen: number for number, page in enumerate(read.pages)}
        for owner, element in enumerate(read.objects):
            if isinstance(element, pikepdf.Dictionary) and "/S" in element and "/K" in element:
                for kid in element.K if isinstance(element.K, pikepdf.Array) else [element.K]:
                    if isinstance(kid, int):
                        owners[numbers[element.Pg.objgen], kid] = owner
                    elif isinstance(kid, pikepdf.Dictionary) and "/MCID" in kid:
                        owners[numbers[kid.get("/Pg", element.get("/Pg")).objgen], int(kid.MCID)] = owner
    return owners


def muddle(document: bytes) -> list[object]:
    """What stands over or too near to something else beside it, or in the margins."""
    wrong: list[object] = []
    for number, (elements, (width, _)) in enumerate(places(document)):
        boxes = sorted(elements.values())
        wrong += [(number, box) for box in boxes if box[0] < EDGE - 1 or box[2] > width - EDGE + 1]
        for n, one in enumerate(boxes):
            for other in boxes[n + 1 :]:
                if one[2] + 2 > other[0] and min(one[3], other[3]) - max(one[1], other[1]) > 0.5:
                    wrong.append((number, one, other))
    return wrong


EDGE = 20 / 25.4 * 72


# --- what a document is -----------------------------------------------------------------------------------------------


@pytest.mark.rule("S11")
def test_a_document_is_tagged_and_archivable(renderer: TypstRenderer, sheet: Sheet) -> None:
    with pikepdf.open(io.BytesIO(renderer.render(sheet))) as document:
        root = document.Root
        assert root.MarkInfo.Marked
        assert root.StructTreeRoot.K is not None
        assert str(root.Lang) == sheet.language
        assert root.ViewerPreferences.DisplayDocTitle
        with document.open_metadata() as metadata:
            assert metadata["dc:title"] == sheet.title
            assert metadata["dc:creator"] == [sheet.issuer.name]
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["xmp:CreateDate"].startswith(sheet.dated.isoformat())


@pytest.mark.rule("S11")
def test_every_font_of_a_document_is_in_it(renderer: TypstRenderer, sheet: Sheet) -> None:
    with pikepdf.open(io.BytesIO(renderer.render(sheet))) as document:
        fonts = [each for each in document.objects if isinstance(each, pikepdf.Dictionary) and "/FontName" in each]
        assert len(fonts) >= 2
        for font in fonts:
            assert "/FontFile2" in font or "/FontFile3" in font, font.FontName


def test_the_headings_of_a_table_are_header_cells_and_its_rows_are_not(renderer: TypstRenderer) -> None:
    with pikepdf.open(io.BytesIO(renderer.render(GROUP))) as document:
        (table,) = GROUP.tables
        assert len(objects(document, "/Table")) == 1
        assert len(objects(document, "/TH")) == len(table.columns) + len(table.groups)
        cells = sum(len(row) for group in table.groups for row in group.rows)
        assert len(objects(document, "/TD")) == cells + 2 * len(table.groups)


def test_the_code_says_what_it_is_and_the_link_can_be_followed(renderer: TypstRenderer) -> None:
    with pikepdf.open(io.BytesIO(renderer.render(INVOICE))) as document:
        assert INVOICE.pay is not None
        (figure,) = objects(document, "/Figure")
        assert str(figure.Alt) == INVOICE.pay.alternative
        links = [each for page in document.pages for each in page.get("/Annots", []) if each.Subtype == "/Link"]
        assert {str(each.A.URI) for each in links} == {INVOICE.pay.url}


def test_the_headings_of_a_document_begin_at_one_and_miss_no_level(renderer: TypstRenderer, sheet: Sheet) -> None:
    with pikepdf.open(io.BytesIO(renderer.render(sheet))) as document:
        assert len(objects(document, "/H1")) == 1
        assert not objects(document, "/H3")


@pytest.mark.rule("S11")
@pytest.mark.parametrize("dated", [date(1, 1, 1), date(1969, 12, 31), date(2024, 2, 29), date(9999, 12, 31)])
def test_a_document_has_the_date_of_its_sheet_and_no_other(renderer: TypstRenderer, dated: date) -> None:
    document = renderer.render(attrs.evolve(INVOICE, dated=dated))
    found = set(re.findall(rb"\(D:(\d{8})", document))
    assert found == {dated.strftime("%Y%m%d").rjust(8, "0").encode()}


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("S11")
def test_everything_a_sheet_says_is_in_its_document(renderer: TypstRenderer, sheet: Sheet) -> None:
    found = words("".join(pages(renderer.render(sheet))))
    assert [text for text in texts(sheet) if words(text) not in found] == []


@pytest.mark.rule("S11")
@given(sheet=sheets())
@SOME
def test_everything_any_sheet_says_is_in_its_document(renderer: TypstRenderer, sheet: Sheet) -> None:
    document = renderer.render(sheet)
    # In logical order, whatever a reader makes of the direction of lines: every character as often as it must be.
    found = words("".join(pages(document)))
    for char in set(wanted := words("".join(map(renderer._fonts.drawable, texts(sheet))))):
        if unicodedata.bidirectional(char) in ("L", "EN") and unicodedata.category(char)[0] in "LN":
            assert found.count(char) >= wanted.count(char), (char, ascii(char))


def test_lines_of_a_text_stay_lines(renderer: TypstRenderer) -> None:
    (page,) = pages(renderer.render(INVOICE))
    lines = [line.strip() for line in page.splitlines()]
    assert any(line.startswith("Rent - Monthly") for line in lines)
    assert any(line.startswith("01/05/2026 - 31/05/2026") for line in lines)


def test_spaces_that_do_not_break_and_accents_are_copied_as_they_were_typed(renderer: TypstRenderer) -> None:
    value = "1\N{NARROW NO-BREAK SPACE}234,50\N{NO-BREAK SPACE}€"
    sheet = attrs.evolve(INVOICE, facts=(Fact(label="« Œuvre » ça Ωδ Жя", value=value),))
    document = pypdfium2.PdfDocument(renderer.render(sheet))
    text = document[0].get_textpage().get_text_range()
    document.close()
    assert value in text
    assert "« Œuvre » ça Ωδ Жя" in text


def test_digits_are_of_one_width(renderer: TypstRenderer) -> None:
    rows = tuple((f"{n}", f"{n}" * 8) for n in range(10))
    table = Table(columns=(Column(heading="A"), Column(heading="B", number=True)), groups=(Rows(rows=rows),))
    sheet = attrs.evolve(STATEMENT, tables=(table,), facts=(), figures=(), pay=None)
    read = pypdfium2.PdfDocument(renderer.render(sheet))
    text = read[0].get_textpage()
    starts = set()
    for n in range(10):
        index, _ = text.search(f"{n}" * 8).get_next()
        starts.add(round(text.get_charbox(index, loose=True)[0], 1))
    read.close()
    assert len(starts) == 1


@pytest.mark.parametrize("locale_number", ["1 250,00 $", "−€1,234,567.00", "12 345 678 901,00 $ CA"])
def test_a_number_is_never_broken(renderer: TypstRenderer, locale_number: str) -> None:
    columns = (Column(heading="A long heading"), *(Column(heading=f"N{n}", number=True) for n in range(3)))
    rows = (("words " * 40, *[locale_number] * 3), ("x", *["−0,00 $"] * 3))
    sheet = attrs.evolve(STATEMENT, tables=(Table(columns=columns, groups=(Rows(rows=rows),)),))
    read = pypdfium2.PdfDocument(renderer.render(sheet))
    text = read[0].get_textpage()
    found = text.search(locale_number)
    times = 0
    while at := found.get_next():
        bottoms = {round(text.get_charbox(i, loose=True)[1]) for i in range(at[0], at[0] + at[1])}
        assert len(bottoms) == 1, "over two lines"
        times += 1
    read.close()
    assert times == 3


@pytest.mark.rule("S11")
@pytest.mark.parametrize("sheet", [*EVERY.values(), *UGLY.values()], ids=[*EVERY, *UGLY])
def test_nothing_stands_over_anything_else(renderer: TypstRenderer, sheet: Sheet) -> None:
    for paper in Paper:
        assert muddle(renderer.render(attrs.evolve(sheet, paper=paper))) == []


@pytest.mark.rule("S11")
@given(sheet=wide_sheets())
@SOME
def test_nothing_stands_over_anything_else_on_any_sheet_of_wide_tables(renderer: TypstRenderer, sheet: Sheet) -> None:
    assert muddle(renderer.render(sheet)) == []


@pytest.mark.rule("S11")
@pytest.mark.parametrize("number", ["−9 223 372 036 854 775,81 €", "-$92,233,720,368,547,758.07", "9.223.372 KWD"])
def test_a_text_gives_way_to_the_numbers_beside_it(renderer: TypstRenderer, number: str) -> None:
    rows = (("x" * 300, "12,5", number, TWO_TAXES, number),)
    read = pypdfium2.PdfDocument(renderer.render(with_rows(FIVE, rows)))
    lines = read[0].get_textpage().get_text_range().splitlines()
    read.close()
    assert sum(line.count(number) for line in lines) == 2


def test_a_long_table_repeats_its_headings_and_numbers_its_pages(renderer: TypstRenderer) -> None:
    sheet = long_invoice(300)
    found = pages(renderer.render(sheet))
    assert len(found) > 5
    for number, page in enumerate(found, 1):
        assert f"Page {number} of {len(found)}" in page
        assert ("Unit price" in page) == ("Charge no." in page)
    everything = "\n".join(found)
    assert [int(n) for n in re.findall(r"Charge no. (\d+) of", everything)] == list(range(1, 301))


def test_a_sheet_of_one_page_is_one_page(renderer: TypstRenderer) -> None:
    for sheet in (*SAMPLES, DRAFT, VOID, LATE, FRENCH):
        assert len(pages(renderer.render(sheet))) == 1


@pytest.mark.parametrize("paper, size", [(Paper.A4, (595.28, 841.89)), (Paper.LETTER, (612, 792))])
def test_pages_are_of_the_paper_asked_for(renderer: TypstRenderer, paper: Paper, size: tuple[float, float]) -> None:
    for page in pypdf.PdfReader(io.BytesIO(renderer.render(attrs.evolve(long_invoice(60), paper=paper)))).pages:
        assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(size, abs=0.01)


def test_a_draft_and_a_void_invoice_say_so_across_every_page(renderer: TypstRenderer) -> None:
    for code, label in (("draft", "Brouillon"), ("void", "Annulée")):
        found = pages(renderer.render(attrs.evolve(long_invoice(100), marks=(Mark(code=code, label=label),))))
        assert [page.count(label) for page in found] == [2] + [1] * (len(found) - 1)
    found = pages(renderer.render(attrs.evolve(long_invoice(100), marks=LATE.marks)))
    assert "".join(found).count("Late by 12 days") == 1


@pytest.mark.parametrize("url", ["https://pay.example.org/i/1", f"https://pay.example.org/{'a1-' * 60}?x=é"])
def test_the_code_on_paper_can_be_read(renderer: TypstRenderer, url: str) -> None:
    assert INVOICE.pay is not None
    sheet = attrs.evolve(INVOICE, pay=attrs.evolve(INVOICE.pay, url=url))
    assert url in [code.text for page in drawn(renderer.render(sheet)) for code in zxingcpp.read_barcodes(page)]


def test_a_link_too_long_for_a_code_is_still_printed(renderer: TypstRenderer) -> None:
    assert INVOICE.pay is not None
    url = "https://pay.example.org/" + "0123456789" * 240
    document = renderer.render(attrs.evolve(INVOICE, tables=(), figures=(), pay=attrs.evolve(INVOICE.pay, url=url)))
    assert b"/Figure" not in document
    assert url in words("".join(pages(document)))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "https://пример.example/", "call us"])
def test_only_addresses_of_the_web_become_links(renderer: TypstRenderer, url: str) -> None:
    assert INVOICE.pay is not None
    document = renderer.render(attrs.evolve(INVOICE, pay=attrs.evolve(INVOICE.pay, url=url)))
    assert b"/URI" not in document
    assert words(url) in words("".join(pages(document)))


def drawn(document: bytes, scale: float = 3) -> Iterator[memoryview]:
    """Each page as a picture of grey levels."""
    read = pypdfium2.PdfDocument(document)
    for page in read:
        picture = page.render(scale=scale, grayscale=True)
        rows = [
            bytes(picture.buffer)[at : at + picture.width]
            for at in range(0, picture.stride * picture.height, picture.stride)
        ]
        yield memoryview(b"".join(rows)).cast("B", (picture.height, picture.width))
    read.close()


# --- what people type -------------------------------------------------------------------------------------------------


@pytest.mark.rule("S11")
@pytest.mark.parametrize("sheet", SAMPLES, ids=lambda sheet: sheet.kind.value)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_runs_off_the_paper(renderer: TypstRenderer, sheet: Sheet, text: str) -> None:
    # The marks across the page may; everything else stays clear of the edge.
    hurt = attrs.evolve(hostile(sheet, text), marks=(Mark(code="late", label=text), Mark(code="reversed", label=text)))
    off = [
        (page, box)
        for page, box, (width, height) in boxes(renderer.render(hurt), pages=60)
        if box[0] < 50 or box[2] > width - 50 or box[1] < 15 or box[3] > height - 15
    ]
    assert off == []


@pytest.mark.parametrize("text", HOSTILE[:2])
def test_markup_is_printed_as_it_was_typed(renderer: TypstRenderer, text: str) -> None:
    found = words("".join(pages(renderer.render(attrs.evolve(INVOICE, subject=text, description=text)))))
    assert found.count(words(text)) == 2


def test_nothing_of_a_long_title_is_lost(renderer: TypstRenderer) -> None:
    title = " ".join(f"word{n}" for n in range(1300))
    assert len(title) > 10_000
    for field in ("heading", "reference", "subject", "description"):
        found = words("".join(pages(renderer.render(attrs.evolve(INVOICE, **{field: title})))))
        missing = [n for n in range(1300) if f"word{n}" not in found]
        assert missing == [], field


def test_nothing_of_a_word_without_spaces_is_lost(renderer: TypstRenderer) -> None:
    word = "".join(f"{n:03}" for n in range(100))
    row = (word, "1", "€1.00", word)
    (table,) = INVOICE.tables
    sheet = attrs.evolve(INVOICE, reference=word, tables=(attrs.evolve(table, groups=(Rows(rows=(row,)),)),))
    found = words("".join(pages(renderer.render(sheet))))
    assert all(f"{n:03}" in found for n in range(100))
    assert found.count("9") >= 3 * word.count("9") - 20


@pytest.mark.parametrize(
    "text, shown",
    [
        ("日本", "��"),
        ("a日b", "a�b"),
        ("\ue000", "�"),
        ("\ud800", "�"),
        ("\ufffe\U0010ffff", "��"),
        ("👨‍👩‍👧", "�‍�‍�"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("tab\tnul\0esc\x1b", "tab nulesc"),
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("\u202eevil\u202c \u2066x\u2069\ufeff", "evil x"),
        ("שלום Ωмир", "שלום Ωмир"),
        ("☺ → ✓ ½ ₽", "☺ → ✓ ½ ₽"),
        ("\u05b0 \u0301\n\u0301", "◌\u05b0 ◌\u0301\n◌\u0301"),
        ("\u200d\ufe0f", ""),
        (" \u200b\n\u00a0", ""),
        ("", ""),
    ],
)
def test_what_cannot_be_drawn_is_replaced(text: str, shown: str) -> None:
    found = Fonts().drawable(text)
    assert found.replace("\N{ZERO WIDTH JOINER}", "") == shown.replace("\N{ZERO WIDTH JOINER}", "")


def test_a_mark_that_the_font_of_its_letter_lacks_is_replaced_and_not_a_crash(renderer: TypstRenderer) -> None:
    marks = [chr(code) for code in range(0x300, 0x370)] + ["\u05b0", "\u0651", "\u20dd", "\u0939", "\ufe0f", "\u3099"]
    text = " ".join(base + mark for base in ("", "\r", *"aΩя×א€☺�") for mark in marks)
    assert renderer.render(attrs.evolve(INVOICE, description=text)).startswith(b"%PDF")


def test_what_typst_cannot_draw_after_all_is_replaced_too() -> None:
    renderer = TypstRenderer()
    renderer._fonts._characters.append(frozenset(map(ord, "日本")))  # as if a font lied
    found = pages(renderer.render(attrs.evolve(INVOICE, subject="a日b本c", notes=("日",))))
    assert "a�b�c" in found[0]


def test_a_fault_within_typst_is_an_error_of_ours(tmp_path: Path) -> None:
    # Two headers in a row are more than typst 0.15 can take.
    heads = "table.header(level: 1)[a], table.header(level: 2)[b], table.header(level: 2)[c]"
    broken = TypstRenderer(templates=template(tmp_path, f"{MINE}\n#table(columns: 1, {heads}, [d])"))
    with pytest.raises(RenderFailed, match="typst failed"):
        broken.render(INVOICE)
    template(tmp_path, MINE)
    assert broken.render(INVOICE).startswith(b"%PDF")


def test_every_character_of_the_basic_plane_can_be_given(renderer: TypstRenderer) -> None:
    lines = ["".join(map(chr, range(start, start + 64))) for start in range(0, 0x10000, 64)]
    for at in range(0, len(lines), 128):
        sheet = attrs.evolve(INVOICE, notes=tuple(lines[at : at + 128]))
        assert renderer.render(sheet).startswith(b"%PDF")


def test_long_words_get_places_to_break_and_others_do_not() -> None:
    fonts = Fonts()
    assert fonts.drawable("a word of ordinary length") == "a word of ordinary length"
    assert fonts.drawable("https://pay.example.org/i/1234") == BREAK.join(
        ["https://", "pay.", "example.", "org/", "i/", "1234"]
    )
    assert fonts.drawable("x" * 25) == BREAK.join("x" * 25)
    assert fonts.drawable("e\N{COMBINING DOT BELOW}\N{COMBINING CIRCUMFLEX ACCENT}q\u0308" * 20).count(BREAK) == 39


# --- brands -----------------------------------------------------------------------------------------------------------

LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#ff0000"/></svg>'
)


def png(width: int = 2, height: int = 1) -> bytes:
    """A green picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + b"\x00\xff\x00" * width) * height
    head = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def colours(document: bytes) -> set[tuple[int, ...]]:
    """The colours of the first page."""
    read = pypdfium2.PdfDocument(document)
    picture = read[0].render(scale=4, rev_byteorder=True)
    bytes_of_a_pixel = [iter(bytes(picture.buffer))] * picture.n_channels
    read.close()
    return {pixel[:3] for pixel in set(zip(*bytes_of_a_pixel, strict=True))}


@pytest.mark.parametrize("logo, colour", [(LOGO, (255, 0, 0)), (png(), (0, 255, 0))], ids=["svg", "png"])
def test_a_brand_is_on_the_document(logo: bytes, colour: tuple[int, int, int], tmp_path: Path) -> None:
    (tmp_path / "logo").write_bytes(logo)
    footer = "Les Pins SARL – capital 10 000 €\nRCS Mont-de-Marsan"
    for given_logo in (logo, tmp_path / "logo"):
        brand = Brand(logo=given_logo, logo_alt="A tree", accent="#aa00cc", footer=footer)
        document = TypstRenderer(brand).render(INVOICE)
        assert {colour, (0xAA, 0x00, 0xCC)} <= colours(document)
        assert words(footer) in words("".join(pages(document)))
        with pikepdf.open(io.BytesIO(document)) as read:
            assert "A tree" in {str(each.Alt) for each in objects(read, "/Figure")}


def test_each_biller_may_have_a_brand_of_its_own() -> None:
    renderer = TypstRenderer(lambda biller: Brand(footer=f"This is {biller}"))
    assert "This is b1" in pages(renderer.render(INVOICE))[0]
    assert "This is b2" in pages(renderer.render(attrs.evolve(INVOICE, biller="b2")))[0]


@pytest.mark.parametrize("footer", ["W" * 400, "word " * 80, "a\nb\nc\nd"])
def test_a_long_footer_does_not_run_into_the_text_or_off_the_paper(footer: str) -> None:
    document = TypstRenderer(Brand(footer=footer)).render(long_invoice(60))
    off = [box for _, box, size in boxes(document) if min(box) < 15 or box[2] > size[0] - 15 or box[3] > size[1] - 15]
    assert off == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"accent": "red"},
        {"accent": "#12345"},
        {"accent": '#123456"'},
        {"footer": "x" * 401},
        {"footer": "a\n" * 8},
        {"logo": b"GIF89a"},
        {"logo": b"<html/>"},
        {"logo": b"<svg"},
        {"logo": png()[:-20]},
        {"logo": png().replace(b"IHDR", b"IHDX")},
        {"logo": Path("no-such-logo.png")},
    ],
    ids=str,
)
def test_a_brand_that_cannot_be_drawn_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValue) as caught:
        Brand(**wrong)  # type: ignore[arg-type]  # that is the point
    assert caught.value.field in wrong


# --- fonts and templates ----------------------------------------------------------------------------------------------


def test_a_font_that_is_not_there_is_named(renderer: TypstRenderer) -> None:
    with pytest.raises(RenderFailed, match=r"font 'Comic Sans'.*DejaVu Sans, Inter"):
        TypstRenderer(Brand(font="Comic Sans")).render(INVOICE)
    with pytest.raises(RenderFailed, match="no font directory 'no-such"):
        TypstRenderer(fonts=[Path("no-such-directory")])


def test_a_font_of_the_hosts_own_is_used(tmp_path: Path) -> None:
    (tmp_path / "other.ttf").write_bytes((HERE / "DejaVuSans.ttf").read_bytes())
    document = TypstRenderer(Brand(font="DejaVu Sans"), fonts=[tmp_path]).render(INVOICE)
    with pikepdf.open(io.BytesIO(document)) as read:
        names = {
            str(each.FontName) for each in read.objects if isinstance(each, pikepdf.Dictionary) and "/FontName" in each
        }
    assert {name.partition("+")[2].partition("-")[0] for name in names} == {"DejaVuSans"}


def test_a_file_that_is_no_font_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "other.ttf").write_bytes(b"\0\1\0\0 not a font")
    assert TypstRenderer(fonts=[tmp_path]).render(INVOICE) == TypstRenderer().render(INVOICE)


def template(directory: Path, text: str) -> Path:
    (directory / "document.typ").write_text(text, "utf-8")
    return directory


MINE = """\
#let data = json(bytes(sys.inputs.data))
#set document(title: data.document.title, date: datetime(..data.document.date))
#set text(font: "Inter", lang: data.document.language)
= My own: #data.sheet.heading #data.sheet.reference
"""


def test_a_template_of_the_hosts_own_is_used(tmp_path: Path) -> None:
    document = TypstRenderer(templates=template(tmp_path, MINE)).render(INVOICE)
    assert "My own: Invoice INV-000012" in pages(document)[0]


@pytest.mark.parametrize(
    "text, told",
    [
        (MINE + "\n#data.sheet.nonsense", r"nonsense.*document\.typ:6"),
        (MINE + "\n#let x = (", r"unclosed delimiter.*document\.typ:6"),
        (MINE.replace("Inter", "Grotesk"), r"grotesk"),
        (MINE + '\n#image("logo.png")', r"file not found.*document\.typ:6"),
        (MINE + '\n#read("/../../etc/passwd")', r"document\.typ:6"),
        (MINE + "\n\ue000", r"document\.typ:6"),
    ],
)
def test_what_is_wrong_with_a_template_is_told_with_its_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RenderFailed, match=told):
        TypstRenderer(templates=template(tmp_path, text)).render(INVOICE)


def test_a_directory_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RenderFailed, match=r"no document\.typ"):
        TypstRenderer(templates=tmp_path)


def test_no_package_is_fetched(tmp_path: Path) -> None:
    directory = template(tmp_path, MINE + '\n#import "@preview/nice:0.1.0": shout\n#shout("hello")')
    with pytest.raises(RenderFailed, match=r"document\.typ:6.*not fetched.*packages/preview/nice/0\.1\.0"):
        TypstRenderer(templates=directory)
    package = tmp_path / "packages" / "preview" / "nice" / "0.1.0"
    package.mkdir(parents=True)
    (package / "typst.toml").write_text('[package]\nname = "nice"\nversion = "0.1.0"\nentrypoint = "lib.typ"\n')
    (package / "lib.typ").write_text("#let shout(it) = upper(it)\n")
    assert "HELLO" in pages(TypstRenderer(templates=directory).render(INVOICE))[0]


@pytest.mark.parametrize(
    "columns, rows, told",
    [
        (("A", "B"), (("1",),), "1 texts for 2 columns"),
        ((), (("1",),), "1 texts for 0 columns"),
        ((), (), "no columns"),
    ],
)
def test_a_table_that_does_not_fit_its_columns_is_told(
    renderer: TypstRenderer, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], told: str
) -> None:
    headings = tuple(Column(heading=heading) for heading in columns)
    table = Table(title="Charges", columns=headings, groups=(Rows(rows=rows),))
    with pytest.raises(RenderFailed, match=f"table 'Charges' .*{told}"):
        renderer.render(attrs.evolve(INVOICE, tables=(table,)))


# --- the plugin, processes, time --------------------------------------------------------------------------------------


def test_the_renderer_is_found_by_its_name() -> None:
    assert Plugins.of(pdf.plugin).renderer("pdf").render(RECEIPT) == TypstRenderer().render(RECEIPT)


@pytest.mark.parametrize("missing", ["typst", "segno"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from invoicecore.errors import MissingExtra\n"
        "from invoicecore_adapters import pdf\n"
        "for ask in (pdf.open_pdf, lambda: pdf.TypstRenderer):\n"
        "    try: ask()\n"
        "    except MissingExtra as error: print(error)\n"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert child.stdout.count("pip install 'invoicecore[pdf]'") == 2, child.stderr


def test_importing_the_plugin_imports_no_typst() -> None:
    script = "import sys, invoicecore_adapters.pdf; print('typst' in sys.modules, 'segno' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert child.stdout.split() == ["False", "False"], child.stderr


FORKING = """
import os, sys
from invoicecore.errors import RenderFailed
from invoicecore.testing.renderer_contract import INVOICE
from invoicecore_adapters.pdf import TypstRenderer
renderer = TypstRenderer()
if {first}:
    renderer.render(INVOICE)
child = os.fork()
if not child:
    for each in (renderer, TypstRenderer):
        try:
            (each if each is renderer else each()).render(INVOICE)
            print("drawn", flush=True)
        except RenderFailed as error:
            print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_is_told_instead_of_waiting_for_ever() -> None:
    assert in_a_child(FORKING.format(first=True)).count("start workers with 'spawn'") == 2
    assert in_a_child(FORKING.format(first=False)).split() == ["drawn", "drawn"]


def in_a_child(script: str) -> str:
    """What a script prints; the whole group of its processes is ended when it hangs."""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        return child.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        raise


def test_memory_does_not_grow_with_the_documents() -> None:
    script = (
        "import attrs, resource\n"
        "from invoicecore.testing.renderer_contract import INVOICE\n"
        "from invoicecore_adapters.pdf import TypstRenderer\n"
        "renderer = TypstRenderer()\n"
        "for n in range(400):\n"
        "    renderer.render(attrs.evolve(INVOICE, reference=f'INV-{n}'))\n"
        "    if n in (199, 399): print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    half, whole = map(int, in_a_child(script).split())
    assert whole < half * 1.1
