"""What every renderer must do: adopt this class, pass, and its documents can be archived, mailed and sent again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import attrs
import pytest

from invoicecore.documents.sheet import (
    Column,
    Fact,
    Figure,
    HowToPay,
    Mark,
    Paper,
    Party,
    Rows,
    Sheet,
    SheetKind,
    Table,
)
from invoicecore.ports import Renderer
from invoicecore.testing.checks import all_at_once, rule

RendererFactory = Callable[[], Renderer]
"""Makes a new renderer."""

INVOICE = Sheet(
    kind=SheetKind.INVOICE,
    biller="b1",
    locale="en_GB",
    language="en-GB",
    paper=Paper.A4,
    title="Invoice INV-000012, Les Pins",
    heading="Invoice",
    reference="INV-000012",
    filename="INV-000012",
    dated=date(2026, 4, 24),
    issuer=Party(
        heading="",
        name="Les Pins",
        lines=("12 route du Lac", "40160 Parentis-en-Born, France", "office@lespins.example", "VAT no. FR40303265045"),
    ),
    customer=Party(heading="Bill to", name="Claire Martin", lines=("Pitch 12", "claire.martin@example.org")),
    facts=(
        Fact(label="Date", value="24 April 2026"),
        Fact(label="Due date", value="1 May 2026"),
        Fact(label="Period", value="1 May – 31 May 2026"),
        Fact(label="Status", value="Issued"),
    ),
    subject="Pitch rent, May 2026",
    description="Rent for pitch 12, payable in advance.",
    tables=(
        Table(
            columns=(
                Column(heading="Description"),
                Column(heading="Quantity", number=True),
                Column(heading="Unit price", number=True),
                Column(heading="Amount", number=True),
            ),
            groups=(
                Rows(
                    rows=(
                        ("Rent - Monthly\n01/05/2026 - 31/05/2026", "1", "€620.00", "€620.00"),
                        ("Electricity\n184 kWh", "184", "€0.25", "€46.00"),
                        ("Second vehicle", "1", "€15.00", "€15.00"),
                    )
                ),
            ),
        ),
    ),
    figures=(
        Figure(label="Subtotal", value="€681.00"),
        Figure(label="VAT 20 %", value="€136.20"),
        Figure(label="Total", value="€817.20"),
        Figure(label="Balance due", value="€817.20", strong=True),
    ),
    pay=HowToPay(
        heading="How to pay",
        text="Pay online with this link, or scan the code with your telephone.",
        url="https://pay.example.org/i/01JABCDEFGHJKMNPQRSTVWXYZ0",
        alternative="QR code of the payment link",
    ),
    notes=("Thank you for staying with us.",),
    page="Page {page} of {pages}",
)
"""An invoice that can be paid online."""

STATEMENT = attrs.evolve(
    INVOICE,
    kind=SheetKind.STATEMENT,
    title="Statement of account, Claire Martin, Les Pins",
    heading="Statement",
    reference="24 April 2026",
    filename="statement-2026-04-24",
    facts=(Fact(label="From", value="1 January 2026"), Fact(label="To", value="24 April 2026")),
    subject="",
    description="",
    tables=(
        Table(
            title="Invoices",
            columns=(
                Column(heading="Invoice"),
                Column(heading="Due"),
                Column(heading="Status"),
                Column(heading="Total", number=True),
                Column(heading="Balance", number=True),
            ),
            groups=(
                Rows(
                    rows=(
                        ("INV-000003", "1 February 2026", "Paid", "€620.00", "€0.00"),
                        ("INV-000007", "1 March 2026", "Partly paid", "€620.00", "€120.00"),
                        ("INV-000012", "1 May 2026", "Issued", "€817.20", "€817.20"),
                    )
                ),
            ),
        ),
        Table(
            title="Payments",
            columns=(Column(heading="Date"), Column(heading="By"), Column(heading="Amount", number=True)),
            groups=(
                Rows(rows=(("28 January 2026", "Card", "€620.00"), ("27 February 2026", "Bank transfer", "€500.00"))),
            ),
        ),
    ),
    figures=(Figure(label="You owe", value="€937.20", strong=True),),
    pay=None,
    notes=(),
)
"""A statement of account, of two tables."""

RECEIPT = attrs.evolve(
    INVOICE,
    kind=SheetKind.RECEIPT,
    title="Receipt for INV-000012, Les Pins",
    heading="Receipt",
    reference="INV-000012",
    filename="receipt-INV-000012",
    marks=(Mark(code="reversed", label="Reversed"),),
    facts=(
        Fact(label="Received", value="28 April 2026"),
        Fact(label="By", value="Card"),
        Fact(label="Amount", value="€817.20"),
    ),
    tables=(),
    figures=(Figure(label="Received", value="€817.20", strong=True),),
    pay=None,
)
"""A receipt of a payment that was reversed."""

SAMPLES = (INVOICE, STATEMENT, RECEIPT)
"""One sheet of each kind."""

HOSTILE = (
    '#panic() *bold* _it_ $x$ @ref <label> `raw` \\ [a] {b} // c /* d */ "quotes" \' ~ - + = #import "/etc/passwd"',
    "<b>&amp;</b><script>alert(1)</script> \\def\\x{} %s {0} {{ x }} {% y %} (parens) \\",
    "\u202eoverride\u202c \u2066isolate\u2069 \u202aembedding \ufeffmark",
    "\x00\x01\x07\x08\x0b\x0c\x1b[31m\x7f\x85\x9f",
    "two\nlines\r\nand\rmore\u2028of\u2029them\n\n",
    "👨‍👩‍👧‍👦 🏕️ 🇫🇷 日本語 العربية עברית हिन्दी ไทย e\u0301\u0302\u0323 \ue000 \U0010ffff \ud800",
    "W" * 300,
    "A very long title " * 570,
    " ",
    "",
)
"""Texts that have broken somebody's documents before."""


def hostile(sheet: Sheet, text: str) -> Sheet:
    """The sheet with one text in every place where a text may stand."""
    party = Party(heading=text, name=text, lines=(text, text))
    return attrs.evolve(
        sheet,
        title=text,
        heading=text,
        reference=text,
        filename=text,
        issuer=party,
        customer=party,
        facts=(Fact(label=text, value=text),),
        subject=text,
        description=text,
        marks=(Mark(code="late", label=text), Mark(code="draft", label=text), Mark(code=text, label=text)),
        tables=(
            Table(
                title=text,
                columns=(Column(heading=text), Column(heading=text, number=True)),
                groups=(Rows(rows=((text, text),), heading=text, subtotal=Fact(label=text, value=text)),),
            ),
        ),
        figures=(Figure(label=text, value=text), Figure(label=text, value=text, strong=True)),
        pay=HowToPay(heading=text, text=text, url=text or None, alternative=text),
        notes=(text,),
        page=text,
    )


class RendererContract:
    """The contract of `invoicecore.ports.Renderer`, as tests to inherit.

    Give one fixture, `renderer_factory`, that returns a function; each call makes a new renderer:

        class TestMyRenderer(RendererContract):
            @pytest.fixture
            def renderer_factory(self):
                return MyRenderer

    What a document looks like is the renderer's own affair, and is tested with it.
    """

    @pytest.fixture
    def renderer(self, renderer_factory: RendererFactory) -> Renderer:
        """A new renderer."""
        return renderer_factory()

    @rule("S11")
    @pytest.mark.parametrize("sheet", SAMPLES, ids=lambda sheet: sheet.kind.value)
    def test_each_kind_of_sheet_becomes_a_pdf(self, renderer: Renderer, sheet: Sheet) -> None:
        pdf = renderer.render(sheet)
        assert type(pdf) is bytes
        assert pdf.startswith(b"%PDF-"), f"it starts with {pdf[:8]!r}"
        assert b"%%EOF" in pdf[-1024:], "its end is missing"

    @rule("S11")
    @pytest.mark.parametrize("sheet", SAMPLES, ids=lambda sheet: sheet.kind.value)
    def test_the_same_sheet_gives_the_same_bytes(
        self, renderer: Renderer, renderer_factory: RendererFactory, sheet: Sheet
    ) -> None:
        first = renderer.render(sheet)
        renderer.render(attrs.evolve(sheet, reference="something else"))
        assert renderer.render(sheet) == first, "a second time"
        assert renderer_factory().render(attrs.evolve(sheet)) == first, "by a second renderer"

    @rule("S11")
    def test_another_sheet_gives_other_bytes(self, renderer: Renderer) -> None:
        changed = (
            attrs.evolve(INVOICE, reference="INV-000013"),
            attrs.evolve(INVOICE, subject="Pitch rent, June 2026"),
            attrs.evolve(INVOICE, marks=(Mark(code="void", label="Void"),)),
            attrs.evolve(INVOICE, paper=Paper.LETTER),
            attrs.evolve(INVOICE, dated=date(2026, 4, 25)),
            attrs.evolve(INVOICE, pay=None),
            attrs.evolve(INVOICE, figures=()),
        )
        documents = [renderer.render(sheet) for sheet in (INVOICE, *changed)]
        assert len(set(documents)) == len(documents)

    @rule("S11")
    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_whatever_a_person_typed_is_drawn(self, renderer: Renderer, text: str) -> None:
        assert renderer.render(hostile(INVOICE, text)).startswith(b"%PDF-")

    @rule("S11")
    def test_a_sheet_with_little_on_it_is_drawn(self, renderer: Renderer) -> None:
        bare = attrs.evolve(
            INVOICE,
            issuer=Party(heading="", name="Les Pins"),
            customer=None,
            facts=(),
            subject="",
            description="",
            tables=(),
            figures=(),
            pay=None,
            notes=(),
        )
        assert renderer.render(bare).startswith(b"%PDF-")

    @rule("S11")
    def test_a_table_of_many_rows_is_drawn(self, renderer: Renderer) -> None:
        (table,) = INVOICE.tables
        rows = tuple((f"Line {n}", "1", "€1.00", "€1.00") for n in range(1, 301))
        long = attrs.evolve(INVOICE, tables=(attrs.evolve(table, groups=(Rows(rows=rows),)),))
        assert renderer.render(long).startswith(b"%PDF-")

    @rule("S11")
    def test_threads_may_share_a_renderer(self, renderer: Renderer) -> None:
        sheets = [attrs.evolve(INVOICE, reference=f"INV-{n:06}") for n in range(8)]
        alone = [renderer.render(sheet) for sheet in sheets]
        assert all_at_once(len(sheets), lambda n: renderer.render(sheets[n])) == alone
