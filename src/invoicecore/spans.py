"""Spans: what plugins put around a piece of work, so that it can be timed, traced and logged; they never disturb it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from types import MappingProxyType, TracebackType
from typing import Final, TypeAlias

Attribute: TypeAlias = str | int
"""What is said of a piece of work: the id of a biller, the name of a gateway, a count. Nothing of persons, no secrets."""

Around: TypeAlias = Callable[[str, Mapping[str, Attribute]], object]
"""What one plugin puts around work of a name: a context manager, or None."""


class _Nothing:
    """What is around work when no plugin asks: one object for all of it."""

    def __enter__(self) -> dict[str, Attribute]:
        return {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


NOTHING: Final = _Nothing()


class Span:
    """The context managers of several plugins around one piece of work; entering gives its attributes, to be added to.

    What a plugin raises is logged and goes no further, and no plugin can swallow what the work raises.
    """

    def __init__(self, around: Sequence[tuple[str, Around]], name: str, attributes: dict[str, Attribute]) -> None:
        self._around = around
        self._name = name
        self._attributes = attributes
        self._entered: list[tuple[str, AbstractContextManager[object]]] = []

    def __enter__(self) -> dict[str, Attribute]:
        seen = MappingProxyType(self._attributes)
        for plugin, around in self._around:
            try:
                made = around(self._name, seen)
                if isinstance(made, AbstractContextManager):
                    made.__enter__()
                    self._entered.append((plugin, made))
            except Exception:
                _failed(plugin, self._name)
        return self._attributes

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._entered:
            plugin, made = self._entered.pop()
            try:
                made.__exit__(kind, error, trace)
            except Exception:
                _failed(plugin, self._name)


def _failed(plugin: str, name: str) -> None:
    import logging  # only what goes wrong needs it

    # What failed may be the log itself, and the work that is told of is done: it must not look as if it were not.
    with suppress(Exception):
        logging.getLogger("invoicecore.plugins").warning("plugin %r failed around %s", plugin, name, exc_info=True)
