"""What the contracts share: exact comparison, threads that cannot hang a run, and the mark of a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Generic, TypeVar, cast

import attrs
from hypothesis import HealthCheck, settings

from invoicecore.invoices import Invoice
from invoicecore.money import Money
from invoicecore.ports import InvoiceQuery, R, Record, Store, Writer
from invoicecore.testing.samples import DAY

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

Step = Callable[[Writer], object]
"""Something to do in a transaction."""

PATIENCE = 60.0
"""Seconds after which a thread that has not ended is a failure."""

A_MOMENT = 0.2
"""Seconds given to a thread that may have to wait for another, to show what it would do if it did not."""


def rule(*ids: str) -> Callable[[F], F]:
    """Name the requirements a contract's test holds (docs/requirements.md).

    Not a pytest mark: a project that adopts a contract under `--strict-markers` would have to register ours.
    """

    def named(test: F) -> F:
        test.__dict__["rules"] = ids
        return test

    return named


def examples(most: int) -> settings:
    """Settings of a contract's property: so many examples, however slow the store is."""
    return settings(
        max_examples=most,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


def write(store: Store, *records: Record) -> None:
    """Add records in a transaction of their own."""
    with store.writing() as writer:
        writer.add(records)


def adding(*records: Record) -> Step:
    """The step that adds some records."""
    return lambda writer: writer.add(records)


def replacing(*records: Record) -> Step:
    """The step that replaces some records."""
    return lambda writer: writer.replace(records)


def removing(*invoices: Invoice) -> Step:
    """The step that removes some drafts."""
    return lambda writer: writer.remove(invoices)


def transact(store: Store, *steps: Step) -> None:
    """Take several steps in one transaction."""
    with store.writing() as writer:
        for step in steps:
            step(writer)


def read(store: Store, kind: type[R], biller: str, id: str) -> R | None:
    """One record in a view of its own, None when it is not there."""
    with store.reading() as reader:
        return reader.get(kind, biller, [id]).get(id)


def there(store: Store, kind: type[R], biller: str, id: str) -> R:
    """One record that must be there."""
    found = read(store, kind, biller, id)
    assert found is not None, f"no {kind.__name__} {id!r} of biller {biller!r} in the store"
    return found


def stored_invoices(store: Store, biller: str) -> list[Invoice]:
    """All invoices of a biller, by id."""
    with store.reading() as reader:
        return reader.invoices(InvoiceQuery(biller=biller, on=DAY))


def ids(records: Sequence[Record]) -> list[str]:
    """The records' ids, in their order."""
    return [record.id for record in records]


def assert_same(stored: object, given: object) -> None:
    """Fail unless two values are the same to the last digit and type; says where they part."""
    found = difference(stored, given)
    assert not found, found


def difference(stored: object, given: object, where: str = "") -> str:
    """Where and how two values differ, empty when they do not.

    Stricter than `==`: `Decimal("1.50")` is not `Decimal("1.5")`, since it prints differently, and a plain string is
    not an enum's member. Fields that do not take part in `==` are left out.
    """
    money = isinstance(given, Money) and isinstance(stored, Money)  # of either class: ours cannot be assigned to
    where = where or ("Money" if money else type(given).__name__)
    if isinstance(given, Mapping) and isinstance(stored, Mapping):
        return "" if dict(stored) == dict(given) else f"{where}: {stored!r} came back for {given!r}"
    if type(stored) is not type(given) and not money:
        return f"{where}: a {type(stored).__name__} came back ({stored!r}) for a {type(given).__name__} ({given!r})"
    parts: list[tuple[str, object, object]] = []
    if isinstance(given, tuple) and isinstance(stored, tuple):
        if len(stored) != len(given):
            return f"{where}: {len(stored)} came back for {len(given)}"
        parts = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(stored, given, strict=True))]
    elif isinstance(given, Money) and isinstance(stored, Money):
        parts = [
            (f"{where}.amount", stored.amount, given.amount),
            (f"{where}.currency", stored.currency.code, given.currency.code),
        ]
    elif attrs.has(type(given)):
        names = [field.name for field in attrs.fields(cast(type[attrs.AttrsInstance], type(given))) if field.eq]
        parts = [(f"{where}.{name}", getattr(stored, name), getattr(given, name)) for name in names]
    if parts:
        return next((found for name, a, b in parts if (found := difference(a, b, name))), "")
    alike = stored == given
    if isinstance(given, Decimal) and isinstance(stored, Decimal):
        alike = stored.as_tuple() == given.as_tuple()
    elif isinstance(given, datetime) and isinstance(stored, datetime):
        alike = stored == given and stored.utcoffset() == timedelta(0)
    return "" if alike else f"{where}: {stored!r} came back for {given!r}"


class Running(Generic[T]):
    """A function running in a thread of its own, from the moment this is made."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._function = function
        # A daemon, so that a store that never lets go of a lock fails the test and not the whole run.
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # handed to the thread that asks for the result
            self._errors.append(error)

    def within(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> T:
        """What it returned; raises what it raised, and AssertionError when it does not end."""
        assert self.within(PATIENCE), f"a thread is still waiting after {PATIENCE} s: a lock was never let go"
        if self._errors:
            raise self._errors[0]
        return self._results[0]


def all_at_once(count: int, function: Callable[[int], T]) -> list[T]:
    """What `function(0)` … `function(count - 1)` return, each called in a thread of its own."""
    running = [Running(lambda number=number: function(number)) for number in range(count)]  # type: ignore[misc]  # the default binds the loop's value
    return [each.result() for each in running]
