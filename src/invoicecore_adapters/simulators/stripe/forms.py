"""Form-encoded parameters in bracket notation, checked against what the SDK's generated types say there may be.

Stripe's SDK sends whatever it is given; Stripe does not take it. What is unknown, missing, empty, of another type or
not one of the values listed is refused here with Stripe's codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import stripe
from stripe import RequestOptions

from invoicecore_adapters.simulators.stripe.refusals import refused

Tree = dict[str, Any]
"""Parameters as they were nested: a text, or another tree, under each name; a list is a tree of numbered names."""

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_KNOWN_TO_TYPE_CHECKERS_ONLY: Final = {"StripeContext": object, "Mapping": Mapping}
_METADATA: Final = (50, 40, 500)  # how many, how long a name, how long a value


def parameters(body: str, shape: type) -> dict[str, Any]:
    """The checked values of a form or a query: ints, bools, texts, lists and dicts as `shape`, a TypedDict, has them."""
    tree: Tree = {}
    for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body), encoding="utf-8"):
        _put(tree, name, value)
    return _typed(tree, shape, "")


def _put(tree: Tree, name: str, value: str) -> None:
    match = _NAME.fullmatch(name)
    if match is None:
        raise refused(f"Invalid parameter name: {name}", code="parameter_unknown", param=name)
    parts = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    here = tree
    for part in parts[:-1]:
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            raise refused(f"Invalid {name}: given twice", param=name)
    last = parts[-1] or str(len(here))  # a[]=x&a[]=y
    if last in here:
        raise refused(f"Invalid {name}: given twice", param=name)
    here[last] = value


@cache
def _fields(shape: type) -> dict[str, Any]:
    hints = get_type_hints(shape, localns=_KNOWN_TO_TYPE_CHECKERS_ONLY)
    return {name: hint for name, hint in hints.items() if name not in RequestOptions.__annotations__}


def _typed(tree: Tree, shape: type, path: str) -> dict[str, Any]:
    fields = _fields(shape)
    required: frozenset[str] = getattr(shape, "__required_keys__", frozenset())
    for name in tree:
        if name not in fields:
            raise refused(
                f"Received unknown parameter: {_at(path, name)}", code="parameter_unknown", param=_at(path, name)
            )
    for name in sorted(required & set(fields)):
        if name not in tree:
            raise refused(
                f"Missing required param: {_at(path, name)}.", code="parameter_missing", param=_at(path, name)
            )
    return {name: _value(value, fields[name], _at(path, name)) for name, value in tree.items()}


def _value(value: object, hint: object, path: str) -> Any:
    choices = list(_alternatives(hint))
    if isinstance(value, dict):
        for choice in choices:
            if hasattr(choice, "__required_keys__"):  # a TypedDict, of whichever library
                return _typed(value, choice, path)
            if get_origin(choice) is dict:
                pairs = {name: _value(one, get_args(choice)[1], _at(path, name)) for name, one in value.items()}
                return _metadata(pairs, path) if path.endswith("metadata") else pairs
            if get_origin(choice) is list:
                return [_value(value[name], get_args(choice)[0], _at(path, name)) for name in _numbered(value, path)]
        raise refused(f"Invalid string: {value}", param=path)
    if not isinstance(value, str):
        raise refused(f"Invalid value: {value}", param=path)
    words = [word for choice in choices if get_origin(choice) is Literal for word in get_args(choice)]
    if value in words:
        return value
    if value == "":
        if _is_text_to_clear(path):
            return value
        raise refused(f"You passed an empty string for '{path}'.", code="parameter_invalid_empty", param=path)
    if bool in choices and value in ("true", "false"):
        return value == "true"
    if int in choices and _NUMBER.fullmatch(value):
        return int(value)
    if any(words):  # the SDK writes `Literal[…] | str` where Stripe takes only what is listed
        listed = ", ".join(str(word) for word in words if word)
        raise refused(f"Invalid {path}: must be one of {listed}", param=path)
    if str in choices:
        return value
    if int in choices:
        raise refused(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
    if bool in choices:
        raise refused(f"Invalid boolean: {value}", param=path)
    raise refused(f"Invalid object: {value}", param=path)


def _alternatives(hint: object) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _alternatives(part)
    else:
        yield hint


def _is_text_to_clear(path: str) -> bool:
    return "metadata[" in path  # an empty value takes the name away


def _numbered(value: Tree, path: str) -> list[str]:
    if not all(name.isdecimal() for name in value):
        raise refused(f"Invalid array: {path}", param=path)
    return sorted(value, key=int)


def _metadata(pairs: dict[str, str], path: str) -> dict[str, str]:
    most, longest_name, longest_value = _METADATA
    if len(pairs) > most:
        raise refused(f"You can only have up to {most} metadata keys", param=path)
    for name, value in pairs.items():
        if len(name) > longest_name:
            raise refused(f"Metadata keys can be up to {longest_name} characters; yours has {len(name)}", param=path)
        if len(value) > longest_value:
            raise refused(
                f"Metadata values can have up to {longest_value} characters, but you passed in a value that is "
                f"{len(value)} characters.",
                param=_at(path, name),
            )
    return {name: value for name, value in pairs.items() if value}


def _at(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def blank(shape: type[stripe.StripeObject]) -> dict[str, Any]:
    """An object with every field the SDK knows of it, all null."""
    return {name: None for name in shape.__annotations__ if not name.startswith("_") and name != "OBJECT_NAME"}
