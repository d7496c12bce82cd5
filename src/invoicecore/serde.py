"""Values as JSON and back, through one converter; a bad document names every fault in it (M8).

Shapes: money is `{"amount": "620.00", "currency": "EUR"}`, a decimal is a string, a fraction is `"n/d"`, a date is
`"2026-04-01"`, an instant is ISO 8601 with its offset, an enum is its value, a period is `{"start", "end"}` (half-open),
a tuple is a list. Numbers with a point, unknown keys and keys given twice are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any, Final, TypeVar, get_args, get_origin

import attrs
from cattrs import (
    AttributeValidationNote,
    ClassValidationError,
    Converter,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from invoicecore.errors import BadFile, InvalidValue
from invoicecore.invoices import Invoice
from invoicecore.money import Money, currency_of, exact

__all__ = ["dumps", "loads", "parsed", "structure", "unstructure"]

T = TypeVar("T")

# ASCII digits only: Decimal() and int() also read "1_000", " 12 " and digits of other scripts.
_DECIMAL: Final = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")
_FRACTION: Final = re.compile(r"-?[0-9]{1,400}/[0-9]{1,400}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def unstructure(value: object) -> object:
    """The value as what JSON has: dicts, lists, strings, whole numbers, booleans and None.

    An invoice leaves its `warnings` out: they travel with a result and are no part of the record.
    """
    return _converter.unstructure(value)


def structure(data: object, type: type[T], *, source: str = "value") -> T:
    """A value of `type` from what `unstructure` makes.

    Raises BadFile with every fault as (path, value, reason), paths as in `leases[3].rent.amount`; `source` names where
    the data came from.
    """
    try:
        return _converter.structure(data, type)
    except Exception as error:
        raise BadFile(source, _faults(error, data, "")) from error


def dumps(value: object) -> str:
    """The value as compact JSON, on one line, keys in the order of the fields."""
    return json.dumps(unstructure(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def loads(text: str, type: type[T], *, source: str = "value") -> T:
    """A value of `type` from JSON. Raises BadFile with every fault, as `structure` does, also for text that is no JSON."""
    return structure(parsed(text, source=source), type, source=source)


def parsed(text: str, *, source: str = "value") -> object:
    """JSON text as plain data; BadFile for text that is no JSON or gives a key twice."""
    doubled: list[tuple[str, object, str]] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                doubled.append((key, value, "is given twice in one object; keep one"))
            found[key] = value
        return found

    try:
        data: object = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        near = error.doc[max(error.pos - 10, 0) : error.pos + 10]
        raise BadFile(
            source, [(f"line {error.lineno} column {error.colno}", near, f"is not JSON: {error.msg}")]
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a whole number of thousands of digits
        raise BadFile(source, [("", text[:20], f"is not JSON for us: {error}")]) from error
    if doubled:
        raise BadFile(source, doubled)
    return data


# --- refusing ---------------------------------------------------------------------------------------------------------


class _Wrong(ValueError):
    """One value that does not fit; `below` is the path from where cattrs stands to it."""

    def __init__(self, reason: str, below: str = "") -> None:
        self.reason = reason
        self.below = below
        super().__init__(reason)


def _json_name(value: object) -> str:
    names = ((type(None), "null"), (bool, "a boolean"), (int, "a whole number"), (float, "a number with a point"))
    more = ((str, "text"), (list, "a list"), (tuple, "a list"), (Mapping, "an object"))
    return next((name for kind, name in names + more if isinstance(value, kind)), f"a {type(value).__name__}")


def _must_be(kind: type, value: object, wanted: str) -> None:
    # bool is an int to Python and not to anybody who writes a file.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _Wrong(f"is {_json_name(value)} where {wanted} is expected")


def _faults(error: BaseException, data: object, path: str) -> list[tuple[str, object, str]]:
    """Every fault in cattrs' tree of errors, with the value found in the data at its path."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        noted, rest = error.group_exceptions()
        found: list[tuple[str, object, str]] = []
        for inner, note in noted:
            key = note.name if isinstance(note, AttributeValidationNote) else note.index
            if type(inner) is KeyError and isinstance(data, Mapping) and key not in data:
                found.append((_joined(path, key), None, "is missing; give it"))
            else:
                found += _faults(inner, _at(data, key), _joined(path, key))
        for inner in rest:
            found += _faults(inner, data, path)
        return found
    if isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(sorted(field.name for field in attrs.fields(error.cl)))
        reason = f"is not known here; known: {known}"
        return [(_joined(path, key), _at(data, key), reason) for key in sorted(map(str, error.extra_fields))]
    if isinstance(error, _Wrong):
        return [(_joined(path, error.below) if error.below else path, _at(data, error.below), error.reason)]
    if isinstance(error, InvalidValue):
        # A constructor names its own field ("policy.terms_days"); where the data has it, so does the path.
        key = error.field.rpartition(".")[2]
        here = isinstance(data, Mapping) and key in data
        where, value = (_joined(path, key), _at(data, key)) if here else (path, error.value)
        return [(where, value, f"{error.reason}; {error.way_out}")]
    if isinstance(error, ValueError | TypeError | ArithmeticError):
        return [(path, data, str(error))]
    raise error  # not about the data: a mistake of the program, which must not be read as a bad file


def _joined(path: str, key: object) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _at(data: object, key: object) -> object:
    if key == "":
        return data
    try:
        return data[key]  # type: ignore[index]  # whatever was given; what cannot be asked answers in the except
    except (TypeError, KeyError, IndexError):
        return None


# --- the shapes -------------------------------------------------------------------------------------------------------


def _strict(kind: type, wanted: str) -> Callable[[object, object], object]:
    def take(value: object, _: object) -> object:
        _must_be(kind, value, wanted)
        return value

    return take


def _decimal(value: object, _: object = None) -> Decimal:
    # Not from a JSON number: a reader along the way may have made a float of it, and an integer could mean cents.
    _must_be(str, value, "a decimal number in quotes, such as '12.50',")
    if not _DECIMAL.fullmatch(str(value)):
        raise _Wrong("is not a plain decimal number; write it as '12.50'")
    return Decimal(str(value))


def _fraction(value: object, _: object) -> Fraction:
    _must_be(str, value, "a fraction in quotes, such as '2/3',")
    numerator, _slash, denominator = str(value).partition("/")
    if not _FRACTION.fullmatch(str(value)) or int(denominator) == 0:
        raise _Wrong("is not a fraction; write it as '2/3'")
    return Fraction(int(numerator), int(denominator))


def _date(value: object, _: object) -> date:
    _must_be(str, value, "a date in quotes, such as '2026-04-01',")
    if not _DAY.fullmatch(str(value)):
        raise _Wrong("is not a date; write year-month-day without a time, such as '2026-04-01'")
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise _Wrong("is no day of the calendar; write one that is, such as '2026-04-01'") from None


def _instant(value: object, _: object) -> datetime:
    _must_be(str, value, "an instant in quotes, such as '2026-04-01T12:00:00+00:00',")
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise _Wrong("is not an instant; write it as '2026-04-01T12:00:00+00:00'") from None
    if instant.tzinfo is None:
        raise _Wrong("has no offset from UTC; write it as '2026-04-01T12:00:00+00:00'")
    return instant


def _money(value: object, _: object) -> Money:
    _must_be(Mapping, value, 'money, such as {"amount": "12.50", "currency": "EUR"},')
    faults = [_Wrong("is missing; give it", key) for key in ("amount", "currency") if _at(value, key) is None]
    keys = value if isinstance(value, Mapping) else {}
    faults += [
        _Wrong("is not known here; known: amount, currency", str(k)) for k in keys if k not in ("amount", "currency")
    ]
    if faults:
        raise IterableValidationError("money", faults, Money)
    try:
        amount = _decimal(_at(value, "amount"))
    except _Wrong as wrong:
        raise _Wrong(wrong.reason, "amount") from None
    try:
        currency = currency_of(keys["currency"])
    except InvalidValue as error:
        raise _Wrong(f"{error.reason}; {error.way_out}", "currency") from error
    try:
        return exact(Money(amount, currency), "amount")
    except InvalidValue as error:
        raise _Wrong(f"{error.reason}; {error.way_out}", "amount") from error


def _from_money(money: Money) -> dict[str, str]:
    guarded = exact(money)
    return {"amount": format(guarded.amount, "f"), "currency": guarded.currency.code}


def _enum(value: object, kind: type[Enum]) -> Enum:
    for member in kind:
        if member.value == value and isinstance(value, str):
            return member
    raise _Wrong(f"is not one of {', '.join(str(member.value) for member in kind)}")


def _plain(value: object, _: object) -> object:
    """One of text, whole number and day, as the sort value of a page's last item is; a day says that it is one."""
    if isinstance(value, Mapping) and set(value) == {"day"}:
        return _date(value["day"], date)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _Wrong(f'is {_json_name(value)} where text, a whole number or {{"day": "2026-04-01"}} is expected')
    return value


def _from_plain(value: object) -> object:
    return {"day": value.isoformat()} if isinstance(value, date) else value


# --- the converter ----------------------------------------------------------------------------------------------------

# `Any`: cattrs' hooks are functions of anything; the types come back at structure() and unstructure().
_Hook = Callable[[Any, Any], Any]


def _made() -> Converter:
    made = Converter(
        forbid_extra_keys=True, detailed_validation=True, unstruct_collection_overrides={tuple: list, frozenset: sorted}
    )

    # cattrs alone would take a string for a list of its letters, and report each field of what is no object.
    def record(wanted: Any) -> _Hook:
        if wanted is Invoice:
            return _guarded(Mapping, "an object", make_dict_structure_fn(Invoice, made, warnings=override(omit=True)))
        return _guarded(Mapping, "an object", make_dict_structure_fn(wanted, made))

    def mapping(wanted: Any) -> _Hook:
        return _guarded(Mapping, "an object", made.gen_structure_mapping(wanted))

    def collection(wanted: Any) -> _Hook:
        arguments = get_args(wanted)
        if get_origin(wanted) is tuple and arguments[1:] != (...,):
            return _guarded(list, "a list", made.gen_structure_hetero_tuple(wanted))
        return _guarded(list, "a list", _each(get_origin(wanted), arguments[0], made))

    made.register_structure_hook_factory(attrs.has, record)
    made.register_structure_hook_factory(_comes_from(dict, Mapping), mapping)
    made.register_structure_hook_factory(_comes_from(tuple, list, frozenset), collection)
    made.register_unstructure_hook_factory(
        lambda kind: kind is Invoice,
        lambda kind: make_dict_unstructure_fn(kind, made, warnings=override(omit=True)),
    )
    leaves: tuple[tuple[type, _Hook, Callable[[Any], object]], ...] = (
        (str, _strict(str, "text"), lambda value: value),
        (int, _strict(int, "a whole number"), lambda value: value),
        (bool, _strict(bool, "true or false"), lambda value: value),
        (Enum, _enum, lambda member: member.value),
        (StrEnum, _enum, lambda member: member.value),  # named too: by its bases it is a str before it is an Enum
        (Money, _money, _from_money),
        (Decimal, _decimal, lambda value: format(value, "f")),
        (Fraction, _fraction, lambda value: f"{value.numerator}/{value.denominator}"),
        (date, _date, date.isoformat),
        (datetime, _instant, datetime.isoformat),
    )
    for leaf, take, give in leaves:
        made.register_structure_hook(leaf, take)
        made.register_unstructure_hook(leaf, give)
    made.register_structure_hook_func(lambda kind: kind == _PLAIN, _plain)
    made.register_unstructure_hook_func(lambda kind: kind == _PLAIN, _from_plain)
    return made


def _comes_from(*origins: object) -> Callable[[Any], bool]:
    return lambda wanted: get_origin(wanted) in origins


def _guarded(kind: type, wanted: str, hook: _Hook) -> _Hook:
    def take(value: object, given: object) -> object:
        _must_be(kind, value, wanted)
        return hook(value, given)

    return take


def _each(into: Any, element: Any, made: Converter) -> _Hook:
    """A list's elements, each structured, all their faults together."""
    hook = made.get_structure_hook(element)

    def take(values: list[object], given: object) -> object:
        taken, wrong = [], []
        for index, value in enumerate(values):
            try:
                taken.append(hook(value, element))
            except Exception as error:
                error.add_note(IterableValidationNote(f"at {index}", index, element))
                wrong.append(error)
        if wrong:
            raise IterableValidationError("a list", wrong, given)  # type: ignore[arg-type]  # it only keeps it
        return into(taken)

    return take


_PLAIN: Final = str | int | date
_converter: Final = _made()
