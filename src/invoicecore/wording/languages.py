"""A third language, and a host's own words: catalogues that are dropped into a folder (D4, M11)."""

from __future__ import annotations

from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

from invoicecore.errors import InvalidValue
from invoicecore.wording.labels import LABEL_SETS
from invoicecore.wording.locales import SPOKEN, Layer, Spoken, ancestors, known, speaking
from invoicecore.wording.outside import in_folder
from invoicecore.wording.sentences import CORE, DOMAINS

if TYPE_CHECKING:
    from pathlib import Path

    from invoicecore.wording.catalogue import PoFile


class AddedCatalogues:
    """What `add_catalogues` added: `remove()` takes it away again, and so does leaving a `with` block."""

    __slots__ = ("_layer", "locales")

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self.locales: tuple[str, ...] = tuple(layer)
        """The languages and locales that have a file, such as `es` and `es_MX`."""

    def remove(self) -> None:
        """Speak as before; a second time does nothing.

        Raises InvalidValue where catalogues that were added later need these: remove those first.
        """
        SPOKEN.change(lambda now: speaking([layer for layer in now.layers if layer is not self._layer]))

    def __enter__(self) -> AddedCatalogues:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.remove()


def add_catalogues(folder: str | Path) -> AddedCatalogues:
    """Speak by the .po files of a folder too, from now on and in the whole process: call it once, at start-up.

    A file is called by its language (`es.po`) or by its language and country (`es_MX.po`). It adds a language, a
    country, or other words for what we say already; its words go before ours, and a folder's before those of a folder
    added earlier. What it lacks is said in English. A new locale needs `locale.date_pattern`; `locale.region` says
    which country a language alone means, and without it CLDR's likely one is meant.

    Adds everything or, with InvalidValue, nothing: for a folder without a .po file, a file that is not one, a locale
    that CLDR does not know, a date without all four digits of its year, unknown sentences, placeholders that differ
    from the English ones, plural forms that do not count, and a Late that is the word for Overdue (R13).
    """
    from invoicecore.wording.catalogue import read

    try:
        files = in_folder(folder, ".po")
    except OSError as error:
        raise InvalidValue(
            "catalogues", str(folder), f"cannot be read ({error.strerror})", "give the folder that has the .po files"
        ) from None
    if not files:
        raise InvalidValue("catalogues", str(folder), "has no .po file", "give the folder that has the .po files")
    found: dict[str, PoFile] = {}
    for name, data in files.items():
        file = read(data, name)
        if file.locale in found:
            raise InvalidValue(
                "catalogues", name, f"speaks for {file.locale}, as {found[file.locale].name} does", "keep one of them"
            )
        found[file.locale] = file
    layer: Layer = MappingProxyType(found)

    def with_these(now: Spoken) -> Spoken:
        then = speaking([*now.layers, layer])
        _check(then, layer)
        return then

    SPOKEN.change(with_these)
    return AddedCatalogues(layer)


def missing(locale: str) -> tuple[str, ...]:
    """The sentences that are said in English because nobody has translated them, as a translator's list of what to do.

    Keys of `en.po`; those of another package have its domain before a colon, as `cli:dry_run`, and only packages that
    are imported are known. Empty for English and French. Raises InvalidValue for an unsupported locale.
    """
    names, spoken = ancestors(known(locale)), SPOKEN.value
    lacking = []
    for domain, catalogue in sorted(DOMAINS.items()):
        there = {key for name in names for key in (*catalogue.ours(name), *catalogue.added(spoken, name))}
        lacking += [f"{domain}:{key}" if domain else key for key in sorted(catalogue.ours("en")) if key not in there]
    return tuple(lacking)


def _check(then: Spoken, layer: Layer) -> None:
    """Refuse words that cannot stand in for ours, of every package that is imported; the others look when they speak."""
    for catalogue in tuple(DOMAINS.values()):
        for name in layer:
            catalogue.added(then, name)
    for locale in then.patterns:
        files = [layer[name] for name in ancestors(locale) if name in layer]
        words = CORE.merged(then, locale) if files else {}
        for preset in LABEL_SETS if files else ():
            late, overdue = (str(words[f"label.{preset}.{key}"]).casefold() for key in ("badge.late", "status.overdue"))
            if late == overdue:
                raise InvalidValue(
                    "catalogues",
                    files[-1].name,
                    f"label.{preset}.badge.late is the word for Overdue",
                    "say how the invoice was made: it was issued late",
                )
