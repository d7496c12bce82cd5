"""What there is of a biller, in figures that two copies can be compared by."""

from __future__ import annotations

import hashlib
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from invoicecore.credits import CreditEntry
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.money import Money, minor
from invoicecore.moving.kinds import NAMES
from invoicecore.moving.pages import Page
from invoicecore.ports import Counter

_BITS: Final = 256


@attrs.frozen(kw_only=True)
class Tally:
    """The figures of one biller, or of several.

    `counts` and `digests` are by kind of record: how many, and a sum over the SHA-256 of each record, in hexadecimal,
    whatever their order, and of where the series stand. `sums` are by what and currency, in minor units: `total`, `paid` (money held) and `balance`
    of published invoices that are not void, `credit` of the ledger. `counters` are by series.
    """

    counts: Mapping[str, int] = attrs.Factory(dict)
    digests: Mapping[str, str] = attrs.Factory(dict)
    sums: Mapping[str, Mapping[str, int]] = attrs.Factory(dict)
    counters: Mapping[str, Counter] = attrs.Factory(dict)

    @property
    def digest(self) -> str:
        """One digest of all records there are."""
        return hashlib.sha256(repr(sorted(self.digests.items())).encode()).hexdigest()


@attrs.frozen(kw_only=True)
class Difference:
    """One figure that is not the same: whose, of which part of a Tally, by which key, and what each side has."""

    biller: str
    part: str
    key: str
    source: object
    target: object


class Counting:
    """The tally of one biller while its pages pass by."""

    def __init__(self) -> None:
        self._counts: Counts[str] = Counts()
        self._digests: Counts[str] = Counts()
        self._sums: dict[str, Counts[str]] = {}
        self._counters: Mapping[str, Counter] = {}

    def add(self, page: Page) -> None:
        """Count a page."""
        for record, line in zip(page.records, page.lines, strict=True):
            name = NAMES[type(record)]
            self._counts[name] += 1
            self._digests[name] += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")
            if isinstance(record, Invoice) and record.published and record.lifecycle is not Lifecycle.VOID:
                for what, money in (("total", record.total), ("paid", record.facts.held), ("balance", record.balance)):
                    self._sum(what, money)
            elif isinstance(record, CreditEntry):
                self._sum("credit", record.amount)
        if page.counters is not None:
            self._counters = dict(sorted(page.counters.items()))
            for series, counter in self._counters.items():
                line = f"{series} {counter.next} {counter.last_on}"
                self._digests["counters"] += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")

    def _sum(self, what: str, money: Money) -> None:
        self._sums.setdefault(what, Counts())[money.currency.code] += minor(money)

    def tally(self) -> Tally:
        """What was counted."""
        return Tally(
            counts=dict(self._counts),
            digests={name: _hex(whole) for name, whole in self._digests.items()},
            sums={what: dict(by_currency) for what, by_currency in self._sums.items()},
            counters=self._counters,
        )


def _hex(whole: int) -> str:
    return f"{whole % 2**_BITS:064x}"


def tallied(
    pages: Iterable[Page],
    *,
    then: Callable[[Page], None] = lambda page: None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tally]:
    """The tally of each biller whose pages these are; `then` is called with each page, `progress` after each."""
    found: dict[str, Counting] = {}
    done = 0
    for page in pages:
        found.setdefault(page.biller, Counting()).add(page)
        then(page)
        done += len(page.records)
        if progress is not None:
            progress(done)
    return {biller: counting.tally() for biller, counting in found.items()}


def merged(tallies: Iterable[Tally]) -> Tally:
    """Several billers' figures in one; their series, which are each biller's own, left out."""
    counts: Counts[str] = Counts()
    digests: Counts[str] = Counts()
    sums: dict[str, Counts[str]] = {}
    for tally in tallies:
        counts.update(tally.counts)
        digests.update({name: int(digest, 16) for name, digest in tally.digests.items()})
        for what, by_currency in tally.sums.items():
            sums.setdefault(what, Counts()).update(by_currency)
    return Tally(
        counts=dict(counts),
        digests={name: _hex(whole) for name, whole in digests.items()},
        sums={what: dict(by_currency) for what, by_currency in sums.items()},
    )


def compared(source: Mapping[str, Tally], target: Mapping[str, Tally]) -> tuple[Difference, ...]:
    """Every figure that is not the same on both sides, by biller."""
    found: list[Difference] = []
    nothing = Tally()
    for biller in sorted(source.keys() | target.keys()):
        ours, theirs = source.get(biller, nothing), target.get(biller, nothing)
        parts: list[tuple[str, Mapping[str, object], Mapping[str, object]]] = [
            ("counts", ours.counts, theirs.counts),
            ("digests", ours.digests, theirs.digests),
            ("sums", _flat(ours.sums), _flat(theirs.sums)),
            ("counters", ours.counters, theirs.counters),
        ]
        for part, one, other in parts:
            for key in sorted(one.keys() | other.keys()):
                if one.get(key) != other.get(key):
                    found.append(
                        Difference(biller=biller, part=part, key=key, source=one.get(key), target=other.get(key))
                    )
    return tuple(found)


def _flat(sums: Mapping[str, Mapping[str, int]]) -> dict[str, object]:
    return {f"{what} {code}": whole for what, by_currency in sums.items() for code, whole in by_currency.items()}
