"""The pages of a simulated provider for people: what is asked, and a button for each answer."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qs

from invoicecore_adapters.simulators.provider import Request, Response

_STYLE = "body{font:1.1rem system-ui;max-width:30rem;margin:3rem auto}button{display:block;margin:.5rem 0;padding:.6rem 1rem}"


def page(title: str, text: str, buttons: Mapping[str, str], *, status: int = 200) -> Response:
    """A page with a button for each answer (its name → what it says), sent as a form to the page's own address."""
    forms = "".join(
        f'<form method="post"><button name="answer" value="{escape(name)}">{escape(says)}</button></form>'
        for name, says in buttons.items()
    )
    html = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(text)}</p>{forms}"
        "<p><small>A simulated provider: no money moves.</small></p></body></html>"
    )
    return Response(status=status, body=html.encode(), headers={"Content-Type": "text/html; charset=utf-8"})


def answered(request: Request) -> str | None:
    """The name of the button that was pressed; None while the page is only looked at."""
    if request.method != "POST":
        return None
    return parse_qs(request.body.decode("utf-8", "replace")).get("answer", [None])[0]


def go_to(url: str) -> Response:
    """Send the browser on to another address."""
    return Response(status=303, headers={"Location": url})
