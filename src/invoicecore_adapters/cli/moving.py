"""What the commands that move whole books do: into a file, out of one, from store to store, with totals to compare."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from invoicecore.errors import BadFile
from invoicecore.money import unbounded
from invoicecore.moving import FileSource, Moved, StoreSource, Tally, move, save
from invoicecore.parties import Biller
from invoicecore.ports import Counter, Store
from invoicecore.wording import format_date, format_money
from invoicecore_adapters.cli.answers import answer
from invoicecore_adapters.cli.choosing import Unclear, named, opened_store, spoken_by
from invoicecore_adapters.cli.speech import fact, tell
from invoicecore_adapters.cli.tables import Cell, Column, Screen, progress

_DONE, _PARTLY = 0, 3
_STREAM: Final = "-"
_SHOWN: Final = 20  # series and differences that people are told; machines get all
_SHORT: Final = 12  # digits of a digest

# What the command calls each figure, in whole: what follows the point is the library's name of it.
_KINDS: Final = (
    "kind.biller", "kind.customer", "kind.unit", "kind.group", "kind.booking", "kind.lease", "kind.charge",
    "kind.invoice", "kind.saved_method", "kind.payment", "kind.reversal", "kind.refund", "kind.credit_note",
    "kind.credit_entry", "kind.event", "kind.pay_link", "kind.key_use", "kind.alert", "kind.collection",
    "kind.inbox_event", "kind.message",
)  # fmt: skip
_SUMS: Final = ("sum.total", "sum.paid", "sum.balance", "sum.credit")
_PARTS: Final = ("part.counts", "part.digests", "part.sums", "part.counters")


def _export(args: argparse.Namespace) -> int:
    if (args.file is None) == (args.to is None):
        raise Unclear("name a file to write, or give --to the URL of a store")
    if args.resume and args.to is None:
        raise Unclear("--resume goes on with a store; a file is written whole or not at all")
    if args.file == _STREAM:
        raise Unclear("what is written is read again to compare; name a file, and pack or send it afterwards")
    with _open(args.db) as store:
        source = StoreSource(store)
        billers = source.billers()
        if args.biller is not None:
            billers = [named(billers, args.biller)]
            source = StoreSource(store, [billers[0].id])
        locale = spoken_by(billers, args.lang)[1]
        with progress(tell("exporting", locale)) as bar:
            if args.to is None:
                told = save(source, Path(args.file), progress=lambda done: bar(done, None))
            else:
                with _open(args.to, new=True) as target:
                    told = move(source, target, resume=args.resume, progress=lambda done: bar(done, None))
    return _answered(args, told, billers, locale)


def _import(args: argparse.Namespace) -> int:
    if args.file == _STREAM:
        raise Unclear("the file is read twice, before anything is written and then to write it; name a file")
    source = FileSource(Path(args.file))
    try:
        billers = source.billers()  # a damaged file makes no database
    except BadFile as error:
        if _no_book(error):
            why = "is no export of books: `import` reads what `export` wrote; to read a file of your own, use `load`"
            raise BadFile(args.file, [("", None, why)]) from error
        raise
    locale = spoken_by(billers, args.lang)[1]
    with (
        _open(args.db, new=True) as store,
        progress(tell("importing", locale)) as bar,
    ):
        told = move(source, store, resume=args.resume, progress=lambda done: bar(done, None))
    return _answered(args, told, billers, locale)


def _no_book(error: BadFile) -> bool:
    """Whether a file is something else from its first line on, and not an export that is damaged or of a later format."""
    [(where, value, _), *_] = error.faults
    other = where == "line 1" and isinstance(value, dict) and "invoicecore" not in value
    return other or error.source.endswith(", line 1")


@contextmanager
def _open(url: str, *, new: bool = False) -> Iterator[Store]:
    store = opened_store(url, new=new)
    try:
        yield store
    finally:
        store.close()


def _answered(args: argparse.Namespace, told: Moved, billers: list[Biller], locale: str) -> int:
    if args.json:
        answer({"source": told.source, "target": told.target, "differences": told.differences})
    else:
        _show(Screen(), told, {biller.id: biller.name for biller in billers}, locale)
    return _PARTLY if told.differences else _DONE


def _show(screen: Screen, told: Moved, names: Mapping[str, str], locale: str) -> None:
    source, target = told.totals
    columns = [
        Column(""),
        Column(tell("head.read", locale), right=True),
        Column(tell("head.arrived", locale), right=True),
    ]
    screen.table(columns, [_row(*row) for row in _figures(source, target, locale)])
    series = [
        (names.get(biller, biller), key, told.source.get(biller, Tally()), told.target.get(biller, Tally()))
        for biller in sorted(told.source.keys() | told.target.keys())
        for key in sorted({*_series(told.source, biller), *_series(told.target, biller)})
    ]
    if series:
        screen.line()
        screen.table(
            [Column(tell("head.biller", locale)), Column(tell("head.series", locale)), *columns[1:]],
            [
                (name, *_row(key, _number(one.counters.get(key), locale), _number(other.counters.get(key), locale)))
                for name, key, one, other in series[:_SHOWN]
            ],
        )
        if len(series) > _SHOWN:
            screen.line(tell("and_more", locale, count=len(series) - _SHOWN))
    screen.line()
    for each in told.differences[:_SHOWN]:
        what = tell(_key(_PARTS, each.part), locale, what=each.key)
        screen.line(fact(names.get(each.biller, each.biller), what, locale), "red")
    if len(told.differences) > _SHOWN:
        screen.line(tell("and_more", locale, count=len(told.differences) - _SHOWN))
    if told.differences:
        screen.line(tell("not_arrived", locale, count=len(told.differences)), "bold red")
    else:
        screen.line(tell("arrived", locale, count=sum(source.counts.values())), "green")


def _figures(source: Tally, target: Tally, locale: str) -> Iterator[tuple[str, str, str]]:
    for kind in {**source.counts, **target.counts}:
        key = _key(_KINDS, kind)
        yield tell(key, locale), str(source.counts.get(kind, 0)), str(target.counts.get(kind, 0))
    for what in {**source.sums, **target.sums}:
        ours, theirs = source.sums.get(what, {}), target.sums.get(what, {})
        for code in sorted(ours.keys() | theirs.keys()):
            one, other = (format_money(unbounded(side.get(code, 0), code), locale) for side in (ours, theirs))
            yield tell(_key(_SUMS, what), locale), one, other
    yield tell("digest", locale), source.digest[:_SHORT], target.digest[:_SHORT]


def _key(keys: tuple[str, ...], name: str) -> str:
    return next(key for key in keys if key.partition(".")[2] == name)


def _row(name: str, one: str, other: str) -> tuple[str, str, Cell]:
    return name, one, Cell(other, "" if one == other else "red")


def _series(tallies: Mapping[str, Tally], biller: str) -> Mapping[str, Counter]:
    return tallies[biller].counters if biller in tallies else {}


def _number(counter: Counter | None, locale: str) -> str:
    if counter is None:
        return ""
    on = f" ({format_date(counter.last_on, locale)})" if counter.last_on is not None else ""
    return f"{counter.next}{on}"


MOVING: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {"export": _export, "import": _import}
