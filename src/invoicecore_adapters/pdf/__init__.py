"""Documents as PDF: a renderer on typst (extra `pdf`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from invoicecore.errors import MissingExtra
from invoicecore.plugins import hookimpl
from invoicecore.ports import Renderer

if TYPE_CHECKING:
    from invoicecore_adapters.pdf.branding import Brand
    from invoicecore_adapters.pdf.renderer import TypstRenderer

__all__ = ["Brand", "PdfPlugin", "TypstRenderer", "open_pdf", "plugin"]


class PdfPlugin:
    """Offers the renderer of PDFs; what it costs to import is paid when it is made."""

    @hookimpl
    def renderers(self) -> Mapping[str, Callable[[], Renderer]]:
        """Format → what makes a renderer of it."""
        return {"pdf": open_pdf}


def open_pdf() -> Renderer:
    """A renderer without a brand; MissingExtra without typst or segno."""
    return cast(Callable[[], Renderer], __getattr__("TypstRenderer"))()


def __getattr__(name: str) -> object:
    """`Brand` and `TypstRenderer`, imported when they are asked for; MissingExtra without typst or segno."""
    try:
        if name == "Brand":
            from invoicecore_adapters.pdf.branding import Brand

            return Brand
        if name == "TypstRenderer":
            from invoicecore_adapters.pdf.renderer import TypstRenderer

            return TypstRenderer
    except ModuleNotFoundError as error:
        raise MissingExtra("Drawing PDF documents", "pdf") from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


plugin = PdfPlugin()
