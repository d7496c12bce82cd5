"""The composer: what a letter looks like, whose template is used, and what a wrong one says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicecore.documents import Fact, Letter
from invoicecore.errors import InvalidValue, RenderFailed
from invoicecore.plugins import Plugins
from invoicecore_adapters import mail
from invoicecore_adapters.mail.letters import Letters
from mails import ENGLISH, FRENCH, PAY

LETTERS = Letters()
Host = Callable[[dict[str, str]], Letters]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Makes a composer with these templates of the host's: name without `.jinja` → text."""

    def make(templates: dict[str, str]) -> Letters:
        for name, text in templates.items():
            (tmp_path / f"{name}.jinja").write_text(text, "utf-8")
        return Letters(templates=tmp_path)

    return make


class Page(HTMLParser):
    """The HTML as a browser has it: tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and "title" not in self._open:
            self.text += data


# --- ours -------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R12")
def test_the_text_has_every_word_and_the_link() -> None:
    assert LETTERS.compose(ENGLISH).text == (
        "Dear Alice Martin,\n\n"
        "Your invoice for Rent, May 2026 is ready for payment. It covers the\n"
        "period from 1 May 2026 to 31 May 2026 for unit 12.\n\n"
        "The invoice is attached as a PDF.\n\n"
        "Invoice: INV-000012\nUnit: 12\nDue date: 30 April 2026\nBalance due: £620.00\n\n"
        f"Pay Now: {PAY}\n\n"
        "Kind regards,\nMaple Court\n"
    )


@pytest.mark.rule("R12")
@pytest.mark.parametrize("letter", [ENGLISH, FRENCH], ids=["English", "French"])
def test_the_page_has_every_word_and_a_button(letter: Letter) -> None:
    page = Page(LETTERS.compose(letter).html)
    told = [letter.subject, letter.greeting, *letter.paragraphs, letter.closing, letter.sender, PAY]
    told += [text for fact in letter.facts for text in (fact.label, fact.value)]
    assert [text for text in told if text not in page.text] == []
    assert [tag["href"] for name, tag in page.tags if name == "a"] == [PAY, PAY]
    assert page.tags[0] == ("html", {"lang": letter.language})


def test_french_has_its_space_before_a_colon() -> None:
    text = LETTERS.compose(FRENCH).text
    assert f"Payer maintenant\N{NO-BREAK SPACE}: {PAY}\n" in text
    assert "Facture\N{NO-BREAK SPACE}: INV-000012\n" in text


@pytest.mark.rule("R7")
def test_without_anything_to_pay_there_is_no_button() -> None:
    composed = LETTERS.compose(attrs.evolve(ENGLISH, action=None, facts=()))
    assert "<a " not in composed.html
    assert "http" not in composed.text
    assert "attached as a PDF.\n\nKind regards,\nMaple Court\n" in composed.text


def test_it_can_be_read_without_pictures_or_anything_from_elsewhere() -> None:
    html = LETTERS.compose(attrs.evolve(ENGLISH, action=None)).html
    assert not re.search(r"<(img|script|link|iframe|object|form)|url\(|@import|https?:", html, re.IGNORECASE)


def test_text_of_people_is_isolated_whichever_way_it_runs() -> None:
    hebrew = attrs.evolve(ENGLISH, facts=(Fact(label="Unit", value="שלום 12"),), sender="שלום")
    page = Page(LETTERS.compose(hebrew).html)
    assert sum(name == "bdi" for name, _ in page.tags) == 4  # the sender twice, a label and its value
    assert (
        sum(tag.get("dir") == "auto" for _, tag in page.tags) == 6
    )  # sender, heading, greeting, 2 paragraphs, closing


def test_text_that_turns_around_and_controls_are_gone() -> None:
    composed = LETTERS.compose(
        attrs.evolve(ENGLISH, greeting="Hello \u202eecilA\x1b[31m\0\x9b", subject="a\r\nb\u202e")
    )
    for told in (composed.text, composed.html, composed.subject):
        assert not set(told) & set("\u202e\x1b\0\x9b\r")
    assert composed.subject == "a b"


MARKUP = '<script>x</script><a href="//evil.example">&amp;{{ 7 * 7 }}{% raw %}'


def test_what_a_person_entered_is_never_markup() -> None:
    hostile = attrs.evolve(
        ENGLISH,
        subject=MARKUP,
        greeting=MARKUP,
        paragraphs=(MARKUP,),
        facts=(Fact(label=MARKUP, value=MARKUP),),
        closing=MARKUP,
        sender=MARKUP,
        language=f'en"{MARKUP}',
        action=Fact(label=MARKUP, value="https://pay.example.com/?a=1&b="),
    )
    composed = LETTERS.compose(hostile)
    page = Page(composed.html)
    assert page.text.count(MARKUP) == 9
    assert {name for name, _ in page.tags} <= set(
        "html head meta title style body table tr td th h1 p a br bdi".split()
    )
    assert [tag["href"] for name, tag in page.tags if name == "a"] == ["https://pay.example.com/?a=1&b="] * 2
    assert composed.text.count(MARKUP) == 7, "plain text is as it was entered"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_words_make_a_page_that_is_whole(words: str, others: str) -> None:
    letter = attrs.evolve(
        ENGLISH, greeting=words, paragraphs=(others, words), facts=(Fact(label=words, value=others),), sender=others
    )
    composed = LETTERS.compose(letter)
    assert len(Page(composed.html).tags) == len(Page(LETTERS.compose(ENGLISH).html).tags) - 3 * 5


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//pay.example.com/x",
        "pay.example.com/x",
        "https://",
        "https:///x",
        "http://[x",
        'https://pay.example.com/"onclick="x',
        "https://pay.example.com/\nBcc: x",
        " https://pay.example.com/",
        "",
    ],
)
def test_a_button_leads_to_the_web_or_nowhere(url: str) -> None:
    with pytest.raises(RenderFailed, match="no http or https address"):
        LETTERS.compose(attrs.evolve(ENGLISH, action=Fact(label="Pay Now", value=url)))


def test_the_same_letter_is_the_same_e_mail() -> None:
    assert Letters().compose(FRENCH) == LETTERS.compose(FRENCH)


# --- a host's own -----------------------------------------------------------------------------------------------------

ORDER = [f"{kind}{where}" for kind in ("invoice_issued", "letter") for where in (".fr_CA.html", ".fr.html", ".html")]


def test_the_most_particular_template_is_used(host: Host) -> None:
    for n, name in enumerate(reversed(ORDER)):
        assert host({name: f"this is {n}"}).compose(FRENCH).html == f"this is {n}"


def test_a_general_template_of_the_host_goes_before_ours(host: Host) -> None:
    composed = host({"letter.txt": "Dear you: {{ letter.subject }}"}).compose(ENGLISH)
    assert composed.text == "Dear you: Invoice INV-000012 from Maple Court\n"
    assert composed.html == LETTERS.compose(ENGLISH).html, "the other format is still ours"


def test_a_template_for_another_kind_or_language_is_left_alone(host: Host) -> None:
    other = host(
        {"receipt.html": "no", "letter.en_US.html": "no", "letter.fr.html": "no", "invoice_issued.de.txt": "no"}
    )
    assert other.compose(ENGLISH) == LETTERS.compose(ENGLISH)


def test_a_host_may_change_one_block_of_ours(host: Host) -> None:
    extended = host(
        {
            "letter.html": '{% extends "invoicecore/letter.html.jinja" %}{% block greeting %}<p>Hi <i>you</i></p>{% endblock %}'
        }
    )
    page = Page(extended.compose(ENGLISH).html)
    assert "Hi you" in page.text
    assert ENGLISH.greeting not in page.text
    assert ENGLISH.closing in page.text


def test_a_hosts_page_is_escaped_too_and_its_text_is_not(host: Host) -> None:
    own = host({"letter.html": "<b>{{ letter.sender }}</b>", "letter.txt": "{{ letter.sender }}"})
    composed = own.compose(attrs.evolve(ENGLISH, sender="<&>"))
    assert (composed.html, composed.text) == ("<b>&lt;&amp;&gt;</b>", "<&>\n")


def test_the_whole_letter_is_there(host: Host) -> None:
    composed = host({"letter.txt": "{{ letter.sheet.reference }} {{ letter.kind }} {{ letter.step }}"}).compose(ENGLISH)
    assert composed.text == "INV-000012 invoice_issued None\n"


@pytest.mark.parametrize("kind", ["../secret", "a/b", "", "a\0b"])
def test_a_kind_never_leads_out_of_the_folder(kind: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt.jinja").write_text("secret", "utf-8")
    (tmp_path / "own").mkdir()
    composed = Letters(templates=tmp_path / "own").compose(attrs.evolve(ENGLISH, kind=kind, locale="../../x"))
    assert composed.text == LETTERS.compose(ENGLISH).text


@pytest.mark.parametrize(
    "text, line, problem",
    [
        ("a\n{{ letter.subjekt }}", 2, "has no attribute 'subjekt'"),
        ("a\n\n{{ invoice }}", 3, "'invoice' is undefined"),
        ("a\n{% if %}", 2, "Expected an expression"),
        ("a\n{% for x in letter.facts %}", 2, "Unexpected end of template"),
        ("{{ 1 / 0 }}", 1, "ZeroDivisionError"),
        ("a\n{% include 'nowhere.jinja' %}", 2, "nowhere.jinja"),
        ("{% extends 'letter.html.jinja' %}", 1, "recursion"),
    ],
)
def test_a_wrong_template_is_named_with_its_line(text: str, line: int, problem: str, host: Host) -> None:
    with pytest.raises(RenderFailed) as caught:
        host({"letter.html": text}).compose(ENGLISH)
    assert re.search(rf"letter\.html\.jinja, line {line}: .*{re.escape(problem)}", caught.value.problem), caught.value
    assert caught.value.what == "the e-mail 'invoice_issued'"


def test_a_template_that_is_no_text_is_named(host: Host, tmp_path: Path) -> None:
    (tmp_path / "letter.txt.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(RenderFailed, match=r"letter\.txt\.jinja"):
        host({}).compose(ENGLISH)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="is not a folder"):
        Letters(templates=tmp_path / "nowhere")


# --- how it is wired --------------------------------------------------------------------------------------------------


def test_the_plugin_offers_the_letters() -> None:
    assert type(Plugins.of(mail.plugin).composer()) is Letters


def test_without_jinja_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from invoicecore.plugins import Plugins; from invoicecore_adapters import mail\n"
        "try: Plugins.of(mail.plugin).composer()\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == "MissingExtra E-mail needs an extra: pip install 'invoicecore[mail]'"
