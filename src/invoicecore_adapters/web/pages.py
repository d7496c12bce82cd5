"""The pages as HTML: a link's invoice, and short messages; templates and style are ours or the host's."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from invoicecore.documents import Fact, Sheet
from invoicecore.errors import InvalidValue
from invoicecore.invoices import Invoice, Status
from invoicecore.wording import format_date, format_money, locale_of, say

_OURS: Final = Path(__file__).parent / "templates"
_LONGEST_HEADER: Final = 500


class Pages:
    """Lays pages out; `templates` is a folder whose files go before the built-in ones."""

    def __init__(self, templates: str | Path | None = None) -> None:
        """Raises InvalidValue when there is no such folder, or for a page.css that would end its element."""
        if templates is not None and not Path(templates).is_dir():
            raise InvalidValue("templates", str(templates), "is not a folder", "give the folder with the templates")
        built_in = jinja2.FileSystemLoader(_OURS)
        loaders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(templates)] if templates is not None else []
        self._jinja = jinja2.Environment(
            loader=jinja2.ChoiceLoader([*loaders, built_in, jinja2.PrefixLoader({"invoicecore": built_in})]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        own = Path(templates) / "page.css" if templates is not None else _OURS / "page.css"
        self.style = "\n" + (own if own.is_file() else _OURS / "page.css").read_text("utf-8").strip() + "\n"
        if "</" in self.style:
            raise InvalidValue("templates", str(own), "has </ in it", "leave it out of the style sheet")

    def invoice(self, invoice: Invoice, sheet: Sheet, *, state: str, here: str, on: date, back: bool) -> str:
        """The page of a link's invoice on a day.

        `state` is `PayPage.state`, `here` the page's own relative address, `back` is for a payer who comes from the
        provider's page.
        """
        locale = sheet.locale
        waiting = back and state in ("payable", "in_flight")
        owed = state in ("payable", "off", "in_flight")
        amount = invoice.recordable if state == "payable" else invoice.balance if owed else invoice.total
        label = say("page.amount_due" if owed else "heading.total", locale)
        overdue = invoice.status_on(on) is Status.OVERDUE
        key = "thanks" if waiting else "overdue" if state == "payable" and overdue else state
        return self._laid_out(
            "pay.html.jinja",
            locale,
            amount=Fact(label=label, value=format_money(amount, locale)),
            due=Fact(label=say("doc.due_date", locale), value=format_date(invoice.due_on, locale)) if owed else None,
            here=here,
            pdf=f"{here}/invoice.pdf",
            payable=state == "payable" and not waiting,
            sentence=say(f"page.{key}", locale, due=invoice.due_on, name=sheet.issuer.name),
            sheet=sheet,
            state=key,
            title=sheet.title,
        )

    def message(self, key: str, text: str, locale: str) -> str:
        """A page of a title and a sentence, which tells nothing of any invoice."""
        title = say(f"page.{key}", locale)
        return self._laid_out("message.html.jinja", locale, state=key, title=title, text=say(f"page.{text}", locale))

    def _laid_out(self, name: str, locale: str, **data: object) -> str:
        return self._jinja.get_template(name).render(
            language=locale.replace("_", "-"), say=partial(_said, locale), style=Markup(self.style), **data
        )


def _said(locale: str, key: str, **data: object) -> str:
    return say(key, locale, **data)


def locale_for(accepted: str) -> str:
    """The locale of an `Accept-Language` header that is spoken here, the one it likes best; else English."""
    wishes = []
    for n, wish in enumerate(accepted[:_LONGEST_HEADER].split(",")):
        tag, _, weight = wish.partition(";")
        given = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        quality = float(given[1]) if given else 0.0 if weight.strip() else 1.0
        if quality > 0:
            wishes.append((-quality, n, tag.strip()))
    for _, _, tag in sorted(wishes):
        for name in (tag, re.split("[-_]", tag, maxsplit=1)[0]):
            try:
                return locale_of(name)
            except InvalidValue:
                continue
    return locale_of("en")
