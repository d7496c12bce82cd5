"""Reading GoCardless's JSON: every field by its type, and nothing guessed of one that is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from invoicecore.money import Money, from_minor

METADATA_KEY: Final = "invoicecore"
"""The one metadata key that is ours; its value is the operation's key."""

Raw = Mapping[str, Any]
"""One resource as it came."""

_DIGITS: Final = re.compile(r"[0-9]{1,18}")


class Unreadable(ValueError):
    """An answer that is not what GoCardless documents: it proves nothing."""


def text(raw: Raw, field: str) -> str:
    """A text that has to be there."""
    value = raw.get(field)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"no {field}")
    return value


def money(raw: Raw, field: str = "amount") -> Money:
    """An amount in minor units of the resource's currency, as a whole number or its digits; never a float."""
    return from_minor(whole(raw, field), text(raw, "currency"))


def whole(raw: Raw, field: str) -> int:
    """A whole number that is not negative, or its digits: GoCardless's own libraries differ in which it is."""
    value = raw.get(field)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unreadable(f"no whole {field}")
    return value


def inner(raw: Raw, field: str) -> Raw:
    """An object inside a resource; an empty one when there is none."""
    value = raw.get(field)
    return value if isinstance(value, Mapping) else {}


def link(raw: Raw, name: str) -> str | None:
    """The id of a linked resource."""
    value = inner(raw, "links").get(name)
    return value if isinstance(value, str) and value else None


def key_of(raw: Raw, field: str = "metadata") -> str | None:
    """Our operation's key, None for what we did not make."""
    value = inner(raw, field).get(METADATA_KEY)
    return value if isinstance(value, str) and value else None


def instant(value: object) -> datetime:
    """An instant, in UTC; Unreadable without a zone, ValueError for what is none."""
    if not isinstance(value, str):
        raise Unreadable("no instant")
    read = datetime.fromisoformat(value)
    if read.tzinfo is None:
        raise Unreadable("an instant without a zone")
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise Unreadable("an instant before or after all time") from None


def day(value: object) -> date | None:
    """A day, None where there is none."""
    return date.fromisoformat(value) if isinstance(value, str) and value else None
