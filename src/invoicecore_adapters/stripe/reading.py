"""What the provider's JSON says, read without trust: a part of another type than documented is Unreadable."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

NAME: Final = "stripe"
"""What the gateway is called in its declaration, its errors and its URLs."""

KEY: Final = "invoicecore"
"""The one metadata key: the operation's key stands under it, verbatim."""

Json: TypeAlias = "Mapping[str, object]"
"""An object of the provider's API, as plain values."""

_ID: Final = re.compile(r"[a-z]{2,12}_[A-Za-z0-9_]{1,200}")


class Unreadable(ValueError):
    """An answer that lacks what it must have; what was asked may have happened all the same."""


def part(of: Json, *path: str) -> Json:
    """The object at a path, an empty one where there is none, or only its id."""
    for name in path:
        found = of.get(name)
        of = cast(Json, found) if isinstance(found, Mapping) else {}
    return of


def text(of: Json, *path: str) -> str | None:
    """The text at a path, None where there is none."""
    found = part(of, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) and found else None


def needed(of: Json, name: str) -> str:
    """A text that must be there; Unreadable."""
    found = text(of, name)
    if found is None:
        raise Unreadable(f"{name} is missing")
    return found


def whole(of: Json, name: str) -> int:
    """A whole number that must be there; Unreadable. A bool or a float is none."""
    found = of.get(name)
    if type(found) is not int:
        raise Unreadable(f"{name} is no whole number")
    return found


def instant(of: Json, name: str) -> datetime:
    """A time that must be there, from seconds since 1970; Unreadable."""
    try:
        return datetime.fromtimestamp(whole(of, name), UTC)
    except (OverflowError, OSError, ValueError):
        raise Unreadable(f"{name} is no time") from None


def listed(of: Json, name: str = "data") -> Sequence[Json]:
    """The objects of a list that must be there; Unreadable."""
    found = of.get(name)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise Unreadable(f"{name} is no list of objects")
    return cast("Sequence[Json]", found)


def id_at(of: Json, *path: str) -> str | None:
    """The id of the object at a path, whether it stands there whole or by its id only."""
    return text(of, *path) or text(part(of, *path), "id")


def named(of: Json, reference: str) -> Json:
    """An answer, if it is about the object that was asked for; Unreadable."""
    if of.get("id") != reference:
        raise Unreadable("the answer is about another object")
    return of


def key_of(of: Json) -> str | None:
    """The key of the operation that made an object, None for what was not made by us."""
    return text(of, "metadata", KEY)


def is_id(reference: object, *prefixes: str) -> bool:
    """Whether a reference is an id of the provider's making, with one of these prefixes if any are given."""
    if not isinstance(reference, str) or not _ID.fullmatch(reference):
        return False
    return not prefixes or reference.partition("_")[0] in prefixes
