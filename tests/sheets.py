"""Sheets to draw: the sizes and kinds that a business meets, and any at all for properties."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
from invoicecore.money import from_minor
from invoicecore.testing.renderer_contract import INVOICE, RECEIPT
from invoicecore.wording import format_money

DRAFT = attrs.evolve(INVOICE, reference="Draft", marks=(Mark(code="draft", label="Draft"),), pay=None)
VOID = attrs.evolve(INVOICE, marks=(Mark(code="void", label="Void"),), pay=None)
LATE = attrs.evolve(INVOICE, marks=(Mark(code="late", label="Late by 12 days"),))

FRENCH = attrs.evolve(
    INVOICE,
    locale="fr_CA",
    language="fr-CA",
    paper=Paper.LETTER,
    title="Facture FAC-000204, Le Cœur du Lac",
    heading="Facture",
    reference="FAC-000204",
    issuer=Party(
        heading="",
        name="Le Cœur du Lac – Résidences",
        lines=("1250, chemin de l’Église", "Saint-Élie-de-Caxton (Québec) G0X 2N0", "TPS 123456789 RT0001"),
    ),
    customer=Party(heading="Facturé à", name="Anaïs Lœuillet-Prévost", lines=("Unité 4 b", "anais@example.ca")),
    facts=(
        Fact(label="Date", value="24 avril 2026"),
        Fact(label="Échéance", value="1 mai 2026"),
        Fact(label="État", value="Émise"),
    ),
    subject="Loyer de mai 2026 – « emplacement n° 12 »",
    description="Payable d’avance, le premier du mois.",
    tables=(
        Table(
            columns=(
                Column(heading="Désignation"),
                Column(heading="Quantité", number=True),
                Column(heading="Prix unitaire", number=True),
                Column(heading="Montant", number=True),
            ),
            groups=(
                Rows(
                    rows=(
                        ("Loyer mensuel\n1 mai – 31 mai 2026", "1", "1 250,00 $", "1 250,00 $"),
                        ("Électricité", "184", "0,12 $", "22,08 $"),
                        ("Rabais fidélité", "1", "−50,00 $", "−50,00 $"),
                    )
                ),
            ),
        ),
    ),
    figures=(
        Figure(label="Sous-total", value="1 222,08 $"),
        Figure(label="TPS 5 %", value="61,10 $"),
        Figure(label="TVQ 9,975 %", value="121,90 $"),
        Figure(label="Solde dû", value="1 405,08 $", strong=True),
    ),
    pay=HowToPay(
        heading="Comment payer",
        text="Payez en ligne par ce lien, ou balayez le code avec votre téléphone.",
        url="https://payer.example.ca/f/01JABCDEFGHJKMNPQRSTVWXYZ0",
        alternative="Code QR du lien de paiement",
    ),
    notes=("Merci de votre séjour !",),
    page="Page {page} de {pages}",
)
"""French, on Letter paper, with two taxes and narrow no-break spaces."""

GROUP = attrs.evolve(
    INVOICE,
    title="Invoice INV-000047, Les Pins",
    reference="INV-000047",
    customer=Party(
        heading="Bill to", name="Cycling Club of the Landes", lines=("7 rue des Écoles", "40000 Mont-de-Marsan")
    ),
    subject="Group stay, 12 – 19 July 2026",
    description="Three pitches, booked together.",
    tables=(
        Table(
            columns=INVOICE.tables[0].columns,
            groups=tuple(
                Rows(
                    heading=f"Pitch {site}",
                    rows=(
                        ("Stay\n12/07/2026 - 19/07/2026", "7", "€28.00", "€196.00"),
                        ("Tourist tax, two adults", "14", "€0.66", "€9.24"),
                        *((("Electricity 10 A", "7", "€4.50", "€31.50"),) if site != "15" else ()),
                    ),
                    subtotal=Fact(label=f"Pitch {site}", value="€236.74" if site != "15" else "€205.24"),
                )
                for site in ("12", "14", "15")
            ),
        ),
    ),
    figures=(
        Figure(label="Subtotal", value="€678.72"),
        Figure(label="VAT 10 % on €588.00", value="€58.80"),
        Figure(label="VAT 20 % on €63.00", value="€12.60"),
        Figure(label="Total", value="€750.12"),
        Figure(label="Deposit received on 3 March 2026", value="−€200.00"),
        Figure(label="Balance due", value="€550.12", strong=True),
    ),
)
"""Per site, with subtotals and two taxes."""


def long_invoice(rows: int) -> Sheet:
    """An invoice of so many lines, each with a text of its own."""
    (table,) = INVOICE.tables
    lines = tuple((f"Charge no. {n} of the assessment", "1", "€10.00", f"€{n}.00") for n in range(1, rows + 1))
    return attrs.evolve(INVOICE, tables=(attrs.evolve(table, groups=(Rows(rows=lines),)),))


# --- tables with more in a row than a line can hold -------------------------------------------------------------------

FIVE = (
    Column(heading="Désignation"),
    Column(heading="Quantité", number=True),
    Column(heading="Prix unitaire", number=True),
    Column(heading="Taxe", number=True),
    Column(heading="Montant", number=True),
)
TWO_TAXES = "Taxe sur la valeur ajoutée 20\N{NO-BREAK SPACE}% + Taxe de séjour départementale 9,975\N{NO-BREAK SPACE}%"
_LEDGER = (Column(heading="Date"), Column(heading="Désignation"), *FIVE[2:])
_MOST = 2**63 - 1


def with_rows(
    columns: tuple[Column, ...], rows: tuple[tuple[str, ...], ...], subtotal: Fact | None = None, base: Sheet = FRENCH
) -> Sheet:
    """A sheet of one table."""
    return attrs.evolve(base, tables=(Table(columns=columns, groups=(Rows(rows=rows, subtotal=subtotal),)),))


def _amount(minor: int, currency: str, locale: str) -> str:
    return format_money(from_minor(minor, currency), locale)


def _ugly() -> Iterator[tuple[str, Sheet]]:
    for currency in ("KWD", "EUR", "JPY"):
        for locale in ("fr_FR", "en_US"):
            for minor in (123_456_789, -1_543_209_863_000, _MOST, -_MOST):
                money = _amount(minor, currency, locale)
                for what in ("Séjour", "x" * 300):
                    lines = with_rows(FIVE, ((what, "12,5", money, TWO_TAXES, money),), Fact(label=what, value=money))
                    yield f"lines-{currency}-{locale}-{minor}-{what:.1}", lines
                ledger = with_rows(_LEDGER, (("01/02/2026", "Facture INV-00012", *[money] * 3),))
                figures = tuple(
                    Figure(label=label, value=money, strong=len(label) > 9) for label in ("Total", "x" * 60)
                )
                yield f"ledger-{currency}-{locale}-{minor}", attrs.evolve(ledger, figures=figures)
                facts = (Fact(label="Montant", value=money), Fact(label="Zahlungseingangsdatum", value=money))
                yield f"receipt-{currency}-{locale}-{minor}", attrs.evolve(RECEIPT, facts=facts, figures=figures)
    rows = (("Séjour", "12,5", "1 234 567,89 €", TWO_TAXES, "15 432 098,63 €"),)
    yield "tax", with_rows(FIVE, rows)
    rows = (("x" * 300, "12,5", "123 456,78 €", "15 432 098,63 €"),)
    yield "long", with_rows((*FIVE[:3], FIVE[4]), rows)
    digits = "12 345 678 901 234 567 890,00 €"
    yield "twenty", with_rows(FIVE, ((digits,) * 5,) * 3, Fact(label=digits, value=digits))
    yield "hundred", with_rows(FIVE, (("1 234" * 20, "9" * 100, digits * 4, "W" * 24, "−" * 100),))
    headings = tuple(Column(heading="Donaudampfschifffahrten" + "!" * n, number=n > 0) for n in range(9))
    yield "headings", with_rows(headings, (("1",) * 9,), Fact(label="Donaudampfschifffahrten", value="1"))
    yield "thirty", with_rows((FIVE[0], *FIVE[1:2] * 29), ((digits,) * 30,), Fact(label=digits, value=digits))
    yield "narrow", with_rows(FIVE[1:3], (("1", "2"),), Fact(label="W" * 24, value="W" * 24))
    yield "hyphens", with_rows(FIVE, (("1-2-" * 80, "1-2-" * 10, "A-" * 60, "a/" * 60, "1.2." * 50),))
    long = "W" * 24
    party = Party(heading=long, name=long, lines=(long,))
    facts = (Fact(label=long, value=long), Fact(label="i" * 24, value="W W W " * 9))
    yield "head", attrs.evolve(RECEIPT, heading=long, reference=long, issuer=party, customer=party, facts=facts)


UGLY = dict(_ugly())
"""Sheets with wide numbers, long words and many columns."""


def wide_sheets() -> SearchStrategy[Sheet]:
    """A sheet with a table that may want far more room than there is."""
    amounts = st.builds(
        _amount,
        st.integers(-_MOST, _MOST) | st.integers(-999_999, 999_999),
        st.sampled_from(("KWD", "EUR", "JPY", "CAD", "XOF")),
        st.sampled_from(("fr_FR", "en_US", "fr_CA", "en_CA")),
    )
    words = st.text("abcdefghijklmnoWMÉ0123456789 -/,%+", max_size=60)
    texts = st.one_of(
        amounts, amounts, words, st.sampled_from((TWO_TAXES, "x" * 300, "W" * 24, "12,5", "", "a\nb" * 9))
    )
    facts = st.builds(Fact, label=texts, value=texts)
    figures = st.builds(Figure, label=texts, value=texts, strong=st.booleans())
    tables = _few(st.integers(1, 8).flatmap(lambda columns: _tables(texts, columns)))
    return st.builds(
        lambda facts, figures, tables, paper: attrs.evolve(
            INVOICE, facts=facts, figures=figures, tables=tables, paper=paper
        ),
        _few(facts),
        _few(figures),
        tables,
        st.sampled_from(Paper),
    )


# --- any at all -------------------------------------------------------------------------------------------------------

_TEXTS = st.one_of(
    st.sampled_from(("", "Rent", "€1,234.50", "1 234,50 €", "Loyer\nmai", '#x *y* `z` \\ "', "日本", "x" * 90)),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.text(max_size=12),
)


def sheets(texts: SearchStrategy[str] = _TEXTS) -> SearchStrategy[Sheet]:
    """Any sheet, its texts of the kind given."""
    facts = st.builds(Fact, label=texts, value=texts)
    parties = st.builds(Party, heading=texts, name=texts, lines=_few(texts))
    codes = st.sampled_from(("draft", "void", "late", "reversed", "new"))
    pay = st.builds(HowToPay, heading=texts, text=texts, url=st.none() | texts | _URLS, alternative=texts)
    return st.builds(
        Sheet,
        kind=st.sampled_from(SheetKind),
        biller=st.just("b1"),
        locale=st.just("en_GB"),
        language=st.sampled_from(("en", "fr-CA", "zh-Hant-TW", "de-1996", "es-419", "", "x-none")),
        paper=st.sampled_from(Paper),
        title=texts,
        heading=texts,
        reference=texts,
        filename=st.just("document"),
        dated=st.dates(date(1, 1, 1), date(9999, 12, 31)),
        issuer=parties,
        customer=st.none() | parties,
        facts=_few(facts),
        subject=texts,
        description=texts,
        marks=_few(st.builds(Mark, code=codes, label=texts)),
        tables=_few(st.integers(1, 5).flatmap(lambda columns: _tables(texts, columns))),
        figures=_few(st.builds(Figure, label=texts, value=texts, strong=st.booleans())),
        pay=st.none() | pay,
        notes=_few(texts),
        page=st.sampled_from(("{page} / {pages}", "Page {page} de {pages}", "{page}", "")),
    )


_URLS = st.from_regex(r"https://pay\.example\.org/[a-zA-Z0-9/?=&%._-]{0,80}", fullmatch=True)


def _few(values: SearchStrategy[st.Ex]) -> SearchStrategy[tuple[st.Ex, ...]]:
    return st.lists(values, max_size=3).map(tuple)


def _tables(texts: SearchStrategy[str], columns: int) -> SearchStrategy[Table]:
    row = st.tuples(*[texts] * columns)
    subtotals = st.none() | st.builds(Fact, label=texts, value=texts)
    return st.builds(
        Table,
        columns=st.tuples(*[st.builds(Column, heading=texts, number=st.booleans())] * columns),
        groups=_few(st.builds(Rows, rows=_few(row), heading=texts, subtotal=subtotals)),
        title=texts,
    )
