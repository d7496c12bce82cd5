"""The pages do what they say: their code runs, their results are right, their links lead somewhere.

What a page may contain, and what is done with it, in the order of the page, in a folder of the page's own:

- a `python` block runs; the blocks of one page share their names. A line that ends in `  # → text` ends an expression
  whose str() or repr() is that text; `  # → raises Name` ends a statement that raises that error, and
  `  # → raises Name: text` one with that message. A last `…` stands for the rest.
- an `output` block after a `python` block is what that block printed.
- a block with a second word, such as ```` ```json shop.json ````, is a file of that name.
- a `console` block is run when all its commands begin with `invoicecore `. Where commands are marked by `$ `, the other
  lines are what they print, `…` standing for anything, and `$ echo $?` prints how the last one exited; a command whose
  exit code is not shown exits with 0.
- a block with `include=`, such as ```` ```python include=examples/shop.py ````, is that file of this repository, whole,
  and is not run: the file has tests of its own. `python tests/test_docs.py --include` writes the files into the pages.
"""

from __future__ import annotations

import ast
import io
import re
import shlex
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from itertools import zip_longest
from pathlib import Path

import attrs
import pytest

from invoicecore.money import Money
from invoicecore.periods import Frequency, Period
from invoicecore.proration import DayCount, prorate
from test_proration import SKIPPED_BY_DESIGN

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
RUN = [page for page in (ROOT / "README.md", *DOCS, ROOT / "examples" / "README.md") if page.exists()]
LINKED = sorted({*ROOT.glob("*.md"), *RUN})

_FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<info>.*)")
_INCLUDE = "include="
_ARROW = re.compile(r"# → (?P<wanted>.+)")
_RAISES = re.compile(r"raises (?P<name>\w+)(: (?P<message>.+))?")


class Wrong(AssertionError):
    """What a page says and what is so are not the same; the message names the page and the line."""


@attrs.frozen
class Block:
    """One fenced block: what its opening fence says, the line its text begins on, and the text."""

    page: str
    line: int
    words: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def file(self) -> str | None:
        """The file of this repository that the block shows."""
        names = [word.removeprefix(_INCLUDE) for word in self.words if word.startswith(_INCLUDE)]
        return names[0] if names else None

    def wrong(self, line: int, problem: str) -> Wrong:
        """The error for a line of the page."""
        return Wrong(f"{self.page}:{line}: {problem}")


def blocks(text: str, page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = text.splitlines()
    n = 0
    while n < len(lines):
        fence = _FENCE.fullmatch(lines[n])
        n += 1
        if fence is None:
            continue
        first = n
        while n < len(lines) and lines[n].strip() != fence["marks"]:
            n += 1
        if n == len(lines):
            raise Wrong(f"{page}:{first}: the block is never closed")
        body = [line.removeprefix(fence["indent"]) for line in lines[first:n]]
        yield Block(page, first + 1, tuple(fence["info"].split()), "".join(f"{line}\n" for line in body))
        n += 1


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- running ----------------------------------------------------------------------------------------------------------

Command = Callable[[list[str]], tuple[int, str]]


class Runner:
    """Runs the blocks of one page in the current folder; `command` runs one call of the command line."""

    def __init__(self, command: Command | None = None) -> None:
        self._names: dict[str, object] = {"__name__": "page"}
        self._printed: str | None = None
        self._command = command

    def run(self, text: str, page: str) -> None:
        """Run every block of a page. Raises Wrong at the first that is not as the page says."""
        for block in blocks(text, page):
            if block.file is not None:
                self._shown(block, block.file)
            elif block.language == "output":
                self._output(block)
            elif len(block.words) > 1:
                file = Path(block.words[1])
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, "utf-8")
            elif block.language == "python":
                self._python(block)
            elif block.language == "console":
                self._console(block)

    def _shown(self, block: Block, file: str) -> None:
        wanted, found = whole(block, file).splitlines(), block.text.splitlines()
        for n, (line, shown) in enumerate(zip_longest(wanted, found)):
            if line != shown:
                raise block.wrong(block.line + n, f"is not {file}: run `python tests/test_docs.py --include`")

    def _output(self, block: Block) -> None:
        if self._printed is None:
            raise block.wrong(block.line, "an output block follows no python block")
        if not _like(self._printed, block.text):
            raise block.wrong(block.line, f"the block before printed\n{self._printed}")
        self._printed = None

    def _python(self, block: Block) -> None:
        try:
            tree = ast.parse(block.text)
        except SyntaxError as error:
            raise block.wrong(block.line + (error.lineno or 1) - 1, f"is not Python: {error.msg}") from error
        arrows = _arrows(block.text)
        printed = io.StringIO()
        with redirect_stdout(printed):
            for statement in tree.body:
                wanted = arrows.pop(statement.end_lineno or statement.lineno, None)
                ast.increment_lineno(statement, block.line - 1)
                self._statement(block, statement, wanted)
        for line in arrows:
            raise block.wrong(block.line + line - 1, "the arrow stands at no end of a statement")
        self._printed = printed.getvalue()

    def _statement(self, block: Block, statement: ast.stmt, wanted: str | None) -> None:
        at = statement.end_lineno or statement.lineno
        refusal = _RAISES.fullmatch(wanted) if wanted else None
        value: object = None
        try:
            if wanted and refusal is None:
                if not isinstance(statement, ast.Expr):
                    raise block.wrong(at, "only an expression has a value to compare")
                value = eval(compile(ast.Expression(statement.value), block.page, "eval"), self._names)
            else:
                exec(compile(ast.Module([statement], []), block.page, "exec"), self._names)
        except Wrong:
            raise
        except Exception as error:
            if refusal is None:
                lines = [
                    frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == block.page
                ]
                where = lines[-1] if lines and lines[-1] else at
                raise block.wrong(where, f"raises {type(error).__name__}: {error}") from error
            told = type(error).__name__ == refusal["name"]
            if not told or (refusal["message"] and not _is(str(error), refusal["message"])):
                raise block.wrong(at, f"raises {type(error).__name__}: {error}") from error
            return
        if refusal is not None:
            raise block.wrong(at, f"does not raise {refusal['name']}")
        if wanted and not _is(str(value), wanted) and not _is(repr(value), wanted):
            raise block.wrong(at, f"is {value!r}, not {wanted}")

    def _console(self, block: Block) -> None:
        steps = _steps(block)
        if self._command is None or not all(argv[:1] == ["invoicecore"] for _, argv, _ in steps if argv != _ASK):
            return
        code = 0
        for n, (line, argv, shown) in enumerate(steps):
            if argv == _ASK:
                if shown != [str(code)]:
                    raise block.wrong(line, f"it exited with {code}")
                continue
            code, printed = self._command(argv[1:])
            if code and (n + 1 == len(steps) or steps[n + 1][1] != _ASK):
                raise block.wrong(line, f"exits with {code}:\n{printed}")
            if shown and not _like(printed, "\n".join(shown)):
                raise block.wrong(line, f"prints\n{printed}")


_ASK = ["echo", "$?"]


def _steps(block: Block) -> list[tuple[int, list[str], list[str]]]:
    """(line, words of the command, what it prints) of a console block."""
    lines = list(enumerate(block.text.splitlines(), block.line))
    marked = any(line.startswith("$ ") for _, line in lines)
    steps: list[tuple[int, list[str], list[str]]] = []
    for n, line in lines:
        if not marked or line.startswith("$ "):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                steps.append((n, words, []))
        elif steps:
            steps[-1][2].append(line)
        else:
            raise block.wrong(n, "output before any command")
    return steps


def _arrows(text: str) -> dict[int, str]:
    """Line of the block → the text after its arrow; an arrow inside a string is none."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = ((token.start[0], _ARROW.match(token.string)) for token in tokens if token.type == tokenize.COMMENT)
    return {line: arrow["wanted"].strip() for line, arrow in comments if arrow}


def _is(found: str, wanted: str) -> bool:
    """Whether a text is the wanted one, or begins with it where that ends in `…`."""
    # What prints as a space is one: French amounts have three kinds of it.
    found = re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", found)
    return found.startswith(wanted[:-1]) if wanted.endswith("…") else found == wanted


def _like(printed: str, shown: str) -> bool:
    """Whether what was printed is what is shown, `…` standing for anything, spaces at the ends of lines for nothing."""

    def plain(text: str) -> str:
        spaced = re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", text)
        return "\n".join(line.rstrip() for line in spaced.strip("\n").splitlines())

    pattern = ".*".join(re.escape(part) for part in plain(shown).split("…"))
    return re.fullmatch(pattern, plain(printed), re.S) is not None


def command_line() -> Command | None:
    """The command, called in this process; None while there is none."""
    try:
        from invoicecore_adapters.cli import main
    except ImportError:
        return None

    def run(argv: list[str]) -> tuple[int, str]:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            try:
                code = main(argv)
            except SystemExit as exit:
                code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        return code or 0, printed.getvalue()

    return run


@pytest.mark.parametrize("page", RUN, ids=named)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INVOICECORE_DB", raising=False)
    Runner(command_line()).run(page.read_text("utf-8"), named(page))


# --- files that are shown ---------------------------------------------------------------------------------------------


def whole(block: Block, file: str) -> str:
    """The text of a file that a block shows."""
    try:
        return (ROOT / file).read_text("utf-8")
    except OSError:
        raise block.wrong(block.line - 1, f"there is no file {file}") from None


def with_files(text: str, page: str) -> str:
    """A page whose blocks show their files as they are now."""
    lines = text.splitlines()
    for block in reversed(list(blocks(text, page))):
        if block.file is not None:
            first = block.line - 1
            lines[first : first + len(block.text.splitlines())] = whole(block, block.file).splitlines()
    return "\n".join(lines) + "\n"


# --- links ------------------------------------------------------------------------------------------------------------


def links(page: Path) -> Iterator[tuple[int, str]]:
    """(line, target) of every link of a page that leads into this repository."""
    for n, line in enumerate(_prose(page), 1):
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", line):
            if not re.match(r"[a-z]+:", target):
                yield n, target


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; the second of a name ends in -1."""
    found: dict[str, int] = {}
    anchors = set()
    for line in _prose(page, code=True):
        heading = re.fullmatch(r"#{1,6} +(.+?) *#*", line)
        if heading:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1].lower())
            anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            anchors.add(f"{anchor}-{found[anchor]}" if anchor in found else anchor)
            found[anchor] = found.get(anchor, 0) + 1
    return anchors


def _prose(page: Path, *, code: bool = False) -> list[str]:
    """The page's lines, those of fenced blocks empty, and code within a line too unless `code`."""
    lines, inside = [], ""
    for line in page.read_text("utf-8").splitlines():
        fence = _FENCE.fullmatch(line)
        if inside:
            inside = "" if line.strip() == inside else inside
            lines.append("")
        elif fence:
            inside = fence["marks"]
            lines.append("")
        else:
            lines.append(line if code else re.sub(r"`[^`]*`", "", line))
    return lines


@pytest.mark.parametrize("page", LINKED, ids=named)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for line, target in links(page):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            broken.append(f"{named(page)}:{line}: {target}: there is no such file")
        elif heading and file.suffix == ".md" and heading not in headings(file):
            broken.append(f"{named(page)}:{line}: {target}: there is no such heading")
    assert not broken, "\n" + "\n".join(broken)


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    targets = {(index.parent / target.partition("#")[0]).resolve() for _, target in links(index)}
    assert not [named(page) for page in DOCS if page != index and page.resolve() not in targets]


# --- what a page says in tables ---------------------------------------------------------------------------------------

MONEY = ROOT / "docs" / "money-and-proration.md"


def table_rows(page: Path, heading: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of the rows of the tables below a heading, the header left out."""
    lines = page.read_text("utf-8").splitlines()
    starts = [n for n, line in enumerate(lines) if re.fullmatch(rf"#+ {re.escape(heading)}", line)]
    assert len(starts) == 1, f"{named(page)}: there is not one heading {heading!r}"
    rows = []
    for n, line in enumerate(lines[starts[0] + 1 :], starts[0] + 2):
        if line.startswith("#"):
            break
        if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line):
            rows.append((n, [cell.strip() for cell in line.strip("|").split("|")]))
    return rows[1:]


@pytest.mark.rule("M4", "S3")
@pytest.mark.parametrize("day_count", DayCount)
def test_the_worked_table_of_a_day_count_is_worked_right(day_count: DayCount) -> None:
    rows = table_rows(MONEY, f"`DayCount.{day_count.name}`")
    assert len(rows) >= 4
    for line, (rent, frequency, occupied, period, days, of_days, amount) in rows:
        number, code = rent.split()
        result = prorate(
            Money(number.replace(",", ""), code),
            occupied=_period(occupied),
            period=_period(period),
            frequency=Frequency(frequency),
            day_count=day_count,
        )
        shown = (str(result.days), str(result.of_days), f"{result.amount.amount:,}")
        assert shown == (days, of_days, amount), f"{named(MONEY)}:{line}: it is {shown}"


def _period(text: str) -> Period:
    first, last = map(date.fromisoformat, text.split(" to "))
    return Period.inclusive(first, last)


@pytest.mark.rule("M4")
def test_every_published_case_that_is_not_offered_is_listed_with_its_reason() -> None:
    rows = {cells[0].strip("`"): cells[-1] for _, cells in table_rows(MONEY, "Conventions that are not offered")}
    assert rows == SKIPPED_BY_DESIGN


# --- the checks themselves --------------------------------------------------------------------------------------------

SHOWN = "tests/example_plugin/pyproject.toml"
SHOWN_LINES = len((ROOT / SHOWN).read_text("utf-8").splitlines())

RIGHT = [
    "```python\nx = 1 + 1\nx  # → 2\n```",
    "```python\n'a'  # → a\n'a'  # → 'a'\n```",
    "```python\nx = 1\n```\n\n```python\nx  # → 1\n```",
    "```python\n(1,\n 2)  # → (1, 2)\n```",
    "```python\n1 / 0  # → raises ZeroDivisionError\nx = 1 / 0  # → raises ZeroDivisionError: division…\n```",
    "```python\n'# → 3'\n```",
    "```python\nprint('a')\nprint('b', 1)\n```\n\n```output\na\n…1\n```",
    "```text a.txt\nhello\n```\n\n```python\nfrom pathlib import Path\nPath('a.txt').read_text()  # → 'hello\\n'\n```",
    "```console\n$ invoicecore say hello\nhello\n$ invoicecore fail\n$ echo $?\n3\n```",
    "```console\ninvoicecore say hello   # a comment\n```",
    "```console\npython -m pip install nox\n```",
    f"```toml include={SHOWN}\n{(ROOT / SHOWN).read_text('utf-8')}```",
]
WRONG = [
    ("```python\nx = 1\nx  # → 2\n```", 3, "is 1, not 2"),
    ("text\n\n```python\nif True:\n    1  # → 2\n```", 5, "only an expression"),
    ("```python\nfor x in [1]:\n    x  # → 1\n    x\n```", 3, "no end of a statement"),
    ("```python\nx = (\n```", 2, "is not Python"),
    ("```python\n\ndef f():\n    1 / 0\n\nf()\n```", 4, "raises ZeroDivisionError"),
    ("```python\n1  # → raises ZeroDivisionError\n```", 2, "does not raise"),
    ("```python\n1 / 0  # → raises KeyError\n```", 2, "raises ZeroDivisionError"),
    ("```python\n1 / 0  # → raises ZeroDivisionError: something else\n```", 2, "division by zero"),
    ("```python\nprint('a')\n```\n\n```output\nb\n```", 6, "printed"),
    ("```output\nb\n```", 2, "follows no python block"),
    ("```python\nx = 1", 1, "never closed"),
    ("```console\n$ invoicecore say hello\nbye\n```", 2, "prints"),
    ("```console\ninvoicecore fail\n```", 2, "exits with 3"),
    ("```console\n$ invoicecore fail\n$ echo $?\n4\n```", 3, "exited with 3"),
    ("```console\nhello\n$ invoicecore fail\n```", 2, "before any command"),
    ("```text include=tests/nothing.txt\n```", 1, "there is no file"),
    (
        f"```toml include={SHOWN}\n{(ROOT / SHOWN).read_text('utf-8')}# more\n```",
        SHOWN_LINES + 2,
        "test_docs.py --include",
    ),
]


def pretended(argv: list[str]) -> tuple[int, str]:
    return (3, "no") if argv == ["fail"] else (0, " ".join(argv[1:]) + "\n")


@pytest.mark.parametrize("text", RIGHT)
def test_a_page_that_is_right_passes(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Runner(pretended).run(text, "page.md")


@pytest.mark.parametrize("text, line, problem", WRONG)
def test_a_page_that_is_wrong_fails_by_page_and_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(Wrong) as caught:
        Runner(pretended).run(text, "page.md")
    assert str(caught.value).startswith(f"page.md:{line}: ")
    assert problem in str(caught.value)


def test_a_page_is_given_its_files_and_nothing_else_of_it_changes() -> None:
    shown = (ROOT / SHOWN).read_text("utf-8")
    page = "# A page\n\n```toml include={0}\n{1}```\n\n```python\nx = 1\n```\n\n```toml include={0}\n{1}```\nEnd.\n"
    right = page.format(SHOWN, shown)
    assert with_files(page.format(SHOWN, "old\nlines\n"), "page.md") == right
    assert with_files(page.format(SHOWN, ""), "page.md") == with_files(right, "page.md") == right


def test_headings_have_the_anchors_that_links_use(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# `DayCount.ACTUAL`, or not\n\n```python\n# none\n```\n\n## Twice\n\n## Twice\n[a](#twice) `[b](c)`\n"
    )
    assert headings(page) == {"daycountactual-or-not", "twice", "twice-1"}
    assert list(links(page)) == [(10, "#twice")]


if __name__ == "__main__":
    if sys.argv[1:] != ["--include"]:
        sys.exit("usage: python tests/test_docs.py --include")
    for each in RUN:
        before = each.read_text("utf-8")
        if (now := with_files(before, named(each))) != before:
            each.write_text(now, "utf-8")
            print(f"{named(each)}: written")
