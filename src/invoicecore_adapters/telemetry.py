"""What an installation tells of its work: a structured log record and an OpenTelemetry span for each journey.

Records go to the logger `invoicecore` of the standard library, spans to whatever OpenTelemetry is set up (extra `otel`).
Both say what was done, for which biller, how many and how long: no names, no addresses, no amounts, no secrets, and of
an error its kind and not its words, which may name somebody.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from invoicecore.errors import MissingExtra
from invoicecore.plugins import hookimpl

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

NAME: Final = "invoicecore"
"""The name of the logger, of the tracer, and what the names of all attributes begin with."""

_log: Final = logging.getLogger(NAME)
_log.addHandler(logging.NullHandler())  # a host that sets up no logging hears nothing
_CLIENT: Final = "gateway."  # names of requests to somebody else's server

# Work within work is told at DEBUG: of a run that is INFO, its pages.
_within: ContextVar[bool] = ContextVar("invoicecore_within", default=False)


class Telemetry:
    """A plugin that tells of every journey: register it by itself where no plugin is discovered.

    Spans go to `provider`, by default the process's own. Raises MissingExtra for a provider without OpenTelemetry.
    """

    plugin_name = "telemetry"

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer: Callable[[], Tracer | None] = _tracers(provider)
        if provider is not None and self._tracer() is None:
            raise MissingExtra("telling OpenTelemetry", "otel")

    @hookimpl
    def span(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[object] | None:
        """A record in the log and a span, as far as somebody listens."""
        heard, tracer = _log.isEnabledFor(logging.WARNING), self._tracer()
        if tracer is None:
            return _recorded(name, attributes) if heard else None
        return _both(name, attributes, tracer) if heard else _traced(tracer, name, attributes)


def _tracers(provider: TracerProvider | None) -> Callable[[], Tracer | None]:
    """Where spans go, asked each time: a host may set OpenTelemetry up after the plugins are found."""

    @cache
    def tracer() -> Tracer:
        from opentelemetry.trace import get_tracer

        return get_tracer(NAME, tracer_provider=provider)

    absent = False

    def found() -> Tracer | None:
        nonlocal absent
        if absent:
            return None
        try:
            from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
        except ImportError:  # looking for it costs more than a span does
            absent = True
            return None
        nobody = provider is None and isinstance(get_tracer_provider(), ProxyTracerProvider)
        return None if nobody else tracer()

    return found


@contextmanager
def _both(name: str, attributes: Mapping[str, str | int], tracer: Tracer) -> Iterator[None]:
    # The record within the span, so that a handler of OpenTelemetry's finds the span it belongs to.
    with _traced(tracer, name, attributes), _recorded(name, attributes):
        yield


@contextmanager
def _recorded(name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
    level = logging.DEBUG if _within.get() else logging.INFO
    began, outer = time.perf_counter(), _within.set(True)
    error: str | None = None
    try:
        yield
    except BaseException as raised:
        error, level = type(raised).__name__, logging.WARNING
        raise
    finally:
        _within.reset(outer)
        if _log.isEnabledFor(level):
            facts: dict[str, object] = {**attributes, "seconds": round(time.perf_counter() - began, 6)}
            if error is not None:
                facts["error"] = error
            words = " ".join(f"{key}={value}" for key, value in facts.items())
            _log.log(
                level,
                "%s %s",
                name,
                words,
                extra={_EVENT: name} | {f"{NAME}.{key}": fact for key, fact in facts.items()},
            )


@contextmanager
def _traced(tracer: Tracer, name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
    from opentelemetry.trace import SpanKind, Status, StatusCode

    kind = SpanKind.CLIENT if name.startswith(_CLIENT) else SpanKind.INTERNAL
    # The words of an error would be recorded by itself, and its trace.
    with tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.set_attributes({f"{NAME}.{key}": value for key, value in attributes.items()})


_EVENT: Final = f"{NAME}.event"


class JsonLines(logging.Formatter):
    """A formatter that writes each record as one line of JSON: when, level, logger, and a journey's facts or a message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        facts = {key.partition(".")[2]: value for key, value in vars(record).items() if key.startswith(f"{NAME}.")}
        told |= facts or {"message": record.getMessage()}
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


plugin = Telemetry()
