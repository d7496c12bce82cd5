"""What the command itself says to people; invoices and statuses speak through the library.

The words are in the `catalogues` folder beside this module; an entry has `msgctxt "cli"`, there and in a host's files.
"""

from __future__ import annotations

import os
from typing import Final

from invoicecore.wording import AddedCatalogues, Catalogue, add_catalogues

_WORDS: Final = Catalogue("invoicecore_adapters.cli", domain="cli")
_added: Final[list[AddedCatalogues]] = []


def learn() -> None:
    """Speak by the catalogues in the folders that INVOICECORE_CATALOGUES names, separated as in PATH.

    A command that runs in a process of others forgets what an earlier one had learned. Raises InvalidValue.
    """
    while _added:
        _added.pop().remove()
    for folder in filter(None, os.environ.get("INVOICECORE_CATALOGUES", "").split(os.pathsep)):
        _added.append(add_catalogues(folder))


def tell(key: str, locale: str, **data: object) -> str:
    """One sentence of the command, in the locale's language."""
    return _WORDS.sentence(key, locale, data)


def fact(name: str, value: str, locale: str) -> str:
    """A name and its value, with the colon as the language sets it."""
    return tell("fact", locale, name=name, value=value)
