"""The composer of e-mails: the words of a Letter laid out by templates, ours or the host's (extra `mail`)."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from invoicecore.documents import Letter
from invoicecore.errors import InvalidValue, MissingExtra, RenderFailed
from invoicecore.ports import Composed
from invoicecore_adapters.mail.headers import one_line

try:
    import jinja2
except ImportError as error:
    raise MissingExtra("E-mail", "mail") from error

_OURS: Final = Path(__file__).parent / "templates"
_SAFE: Final = re.compile(r"[A-Za-z0-9_@-]+")
# What a person entered may hold them; they would turn the rest of the line around, or end it.
_HARMFUL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
_BLANK_LINES: Final = re.compile(r"\n(?:[ \t]*\n){2,}")
_URL: Final = re.compile(r"https?://[^\s<>\"\x00-\x20\x7f]+", re.IGNORECASE)


class Letters:
    """A Composer on Jinja templates; `templates` is a folder whose templates go before the built-in ones.

    For each format, `txt` and `html`, the first of these that is there is used, in the host's folder and then in ours:
    `{kind}.{locale}`, `{kind}.{language}`, `{kind}`, `letter.{locale}`, `letter.{language}`, `letter`, each with
    `.txt.jinja` or `.html.jinja`. A template is given `letter`, the whole Letter. `invoicecore/letter.html.jinja` and
    `invoicecore/letter.txt.jinja` are the built-in ones, to extend or include. Which one is used is looked up once; what
    is in it may change while this runs.
    """

    def __init__(self, templates: str | Path | None = None) -> None:
        """Lay letters out by the templates in this folder and by the built-in ones.

        Raises InvalidValue when there is no such folder, MissingExtra (when imported) without jinja2.
        """
        if templates is not None and not Path(templates).is_dir():
            raise InvalidValue("templates", str(templates), "is not a folder", "give the folder with the templates")
        self._folders = [(Path(templates), "")] if templates is not None else []
        self._folders.append((_OURS, "invoicecore/"))
        self._names: dict[tuple[str, str, str], str] = {}
        built_in = jinja2.FileSystemLoader(_OURS)
        loaders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(templates)] if templates is not None else []
        self._jinja = jinja2.Environment(
            loader=jinja2.ChoiceLoader([*loaders, built_in, jinja2.PrefixLoader({"invoicecore": built_in})]),
            autoescape=lambda name: not (name or "").endswith(".txt.jinja"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def compose(self, letter: Letter) -> Composed:
        """The letter as subject, text and HTML; whatever a person entered is escaped in the HTML.

        Raises RenderFailed naming the template, the line and what is wrong with it, and for an action that does not
        lead to a web address.
        """
        if letter.action is not None and not _leads_to_the_web(letter.action.value):
            raise RenderFailed(f"the e-mail {letter.kind!r}", "its button leads to no http or https address")
        text, html = (_HARMFUL.sub("", self._laid_out(letter, form)) for form in ("txt", "html"))
        return Composed(
            subject=one_line(letter.subject),
            text=_BLANK_LINES.sub("\n\n", text).strip("\n") + "\n",
            html=html,
        )

    def _laid_out(self, letter: Letter, form: str) -> str:
        wanted = (letter.kind, letter.locale, form)
        name = self._names.get(wanted)
        if name is None:
            name = self._names[wanted] = self._template_for(letter, form)
        try:
            return self._jinja.get_template(name).render(letter=letter)
        except jinja2.TemplateSyntaxError as error:
            where = f"{error.filename or error.name or name}, line {error.lineno}"
            raise RenderFailed(f"the e-mail {letter.kind!r}", f"{where}: {error.message}") from error
        except jinja2.TemplateNotFound as error:
            problem = f"{_where(error, name)}: there is no template {error.message}"
            raise RenderFailed(f"the e-mail {letter.kind!r}", problem) from error
        except Exception as error:  # a template runs code of the host's, which may raise anything
            problem = f"{_where(error, name)}: {type(error).__name__}: {error}"
            raise RenderFailed(f"the e-mail {letter.kind!r}", problem) from error

    def _template_for(self, letter: Letter, form: str) -> str:
        """The name of the most particular template there is, the host's before ours."""
        language = re.split(r"[-_]", letter.locale, maxsplit=1)[0]
        suffixes = [f".{one}" for one in (letter.locale, language) if _SAFE.fullmatch(one)]
        kinds = [kind for kind in (letter.kind, "letter") if _SAFE.fullmatch(kind)]
        names = [f"{kind}{suffix}.{form}.jinja" for kind in kinds for suffix in (*suffixes, "")]
        for folder, prefix in self._folders:
            for name in names:
                if (folder / name).is_file():
                    return prefix + name
        return f"invoicecore/letter.{form}.jinja"


def _leads_to_the_web(url: str) -> bool:
    try:
        return bool(_URL.fullmatch(url) and urlsplit(url).hostname)
    except ValueError:
        return False


def _where(error: BaseException, name: str) -> str:
    """The template and the line in which an error arose."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".jinja")]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else name
