"""Numbers as people write them: nothing that could be read in two ways is read at all."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from invoicecore.money import decimals

# No-break and thin spaces are what French spreadsheets group thousands with.
_SPACES: Final = "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]"
_SPACE: Final = re.compile(_SPACES)
# Spaces stand between groups of three or nowhere: 1 0 0,5 is a slip of the hand, not a hundred and a half.
_NUMBER: Final = re.compile(rf"-?([0-9]{{1,60}}|[0-9]{{1,3}}({_SPACES}[0-9]{{3}}){{1,20}})([.,][0-9]{{1,60}})?")


def plain_number(text: str, *, comma: bool) -> str | None:
    """The number with a point and without spaces, None for what is none; `comma`: a decimal comma is read as well."""
    if not _NUMBER.fullmatch(text.strip()) or ("," in text and not comma):
        return None
    return _SPACE.sub("", text.strip()).replace(",", ".")


def finer_than(amount: Decimal, currency: str) -> tuple[str, str] | None:
    """Why a written amount has more decimals than the currency, and the way out; None when it has not.

    Zeros count: `1.000` EUR is a thousand to who groups by points, and one to who does not.
    """
    exponent, places = amount.as_tuple().exponent, decimals(currency)
    if not isinstance(exponent, int) or -exponent <= places:
        return None
    reason = f"has {-exponent} decimals where {currency} has {places}: a separator of thousands, or too many decimals"
    example = Decimal(100000).scaleb(-places) if places else Decimal(1000)
    return reason, f"write a thousand as {example:f}, and no more than {places} decimals"
