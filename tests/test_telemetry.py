"""What an installation tells of its work: the real OpenTelemetry and real log handlers hear it, and persons are not in it."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from desks import money, parameters, verb_of, wired
from hygiene import leaks
from invoicecore import Billing, Plugins, hookimpl
from invoicecore.errors import InvoicecoreError, MissingExtra, NotAllowed, NotFound, PluginError
from invoicecore.parties import Biller, Customer
from invoicecore.spans import NOTHING
from invoicecore.testing import FixedClock
from invoicecore_adapters import telemetry
from scenes import CALLS, stage
from test_cli import Command, command

__all__ = ["command"]  # fixtures


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(billing: Billing, spans: InMemorySpanExporter, clock: FixedClock) -> Billing:
    """The desk of each store, whose spans a collector gets."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return wired(billing, plugins=Plugins.of(telemetry.Telemetry(provider)))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a handler of the standard library writes of INFO and above."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(telemetry.JsonLines())
    log = logging.getLogger("invoicecore")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield heard
    log.removeHandler(handler)
    log.setLevel(before)


def told(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def facts(span: ReadableSpan) -> dict[str, object]:
    return {key.removeprefix("invoicecore."): value for key, value in (span.attributes or {}).items()}


def leased(billing: Billing, park: Biller, guest: Customer, count: int = 3) -> None:
    for n in range(count):
        billing.leases.add(biller=park, customer=guest, unit=f"{n}", rent=money(620), starts=date(2026, 3, 1))


# --- spans ------------------------------------------------------------------------------------------------------------


def test_a_run_is_a_span_with_its_counts_and_its_pages_are_within_it(
    traced: Billing, park: Biller, guest: Customer, spans: InMemorySpanExporter
) -> None:
    leased(traced, park, guest)
    spans.clear()
    traced.run()
    found = by_name(spans)
    assert set(found) == {"run", "billing.run"}, "one page, and the run: never one for each invoice"
    assert facts(found["billing.run"]) == {
        "created": 3, "existing": 0, "late": 3, "skipped": 0, "failed": 0, "warnings": 0,
    }  # fmt: skip
    assert facts(found["run"])["biller"] == park.id
    page, whole = found["run"], found["billing.run"]
    assert page.parent is not None
    assert page.parent.span_id == whole.context.span_id
    assert page.start_time >= whole.start_time
    assert page.end_time <= whole.end_time
    assert whole.instrumentation_scope.name == "invoicecore"


def test_a_verb_is_a_span_named_by_its_action(traced: Billing, guest: Customer, spans: InMemorySpanExporter) -> None:
    draft = traced.invoices.draft(biller=guest.biller, customer=guest, title="Stay", amount=money(100))
    traced.invoices.publish(draft)
    assert [span.name for span in spans.get_finished_spans()] == ["invoices.draft", "invoices.publish"]
    assert facts(by_name(spans)["invoices.publish"])["events"] == 1


def test_founding_a_biller_is_a_span_like_any_verb(traced: Billing, spans: InMemorySpanExporter) -> None:
    park = traced.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB")
    [span] = spans.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == (
        "billers.add",
        {"invoicecore.biller": park.id, "invoicecore.events": 1},
    )


def test_publishing_everything_and_sending_it_are_counted(
    traced: Billing, guest: Customer, spans: InMemorySpanExporter
) -> None:
    for n in range(3):
        traced.invoices.draft(biller=guest.biller, customer=guest, title=f"{n}", amount=money(100))
    traced.invoices.publish_all(biller=guest.biller)
    traced.deliver(biller=guest.biller)
    found = by_name(spans)
    assert facts(found["billing.invoices.publish_all"]) == {"biller": guest.biller, "published": 3, "failed": 0}
    assert facts(found["billing.deliver"]) == {
        "biller": guest.biller, "sent": 3, "deferred": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    assert facts(found["mailer.send"])["messages"] == 3
    assert [span.name for span in spans.get_finished_spans()].count("mailer.send") == 1


def test_a_request_to_a_provider_is_a_span_of_a_client(traced: Billing, spans: InMemorySpanExporter) -> None:
    scene = stage(traced)
    spans.clear()
    traced.collect()
    found = by_name(spans)
    assert found["gateway.charge"].kind is trace.SpanKind.CLIENT
    assert facts(found["gateway.charge"]) == {"gateway": "memory"}
    assert found["gateway.charge"].parent is not None
    assert found["gateway.charge"].parent.span_id == found["billing.collect"].context.span_id
    assert facts(found["billing.collect"])["succeeded"] == 1
    traced.reconcile(**CALLS["reconcile"](scene))  # type: ignore[arg-type]  # by name
    assert set(facts(by_name(spans)["billing.reconcile"])) == {"gateway", "compared", "foreign", "differences"}


def test_what_fails_says_of_what_kind_and_in_no_words(
    traced: Billing, guest: Customer, spans: InMemorySpanExporter, lines: io.StringIO
) -> None:
    paid = traced.invoices.draft(biller=guest.biller, customer=guest, title="Geheim", amount=money(100))
    traced.invoices.publish(paid)
    spans.clear()
    with pytest.raises(NotAllowed):
        traced.invoices.publish(paid)
    [span] = spans.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description is None
    assert (span.attributes or {})["error.type"] == "NotAllowed"
    assert span.events == ()
    record = told(lines)[-1]
    assert (record["event"], record["error"], record["level"]) == ("invoices.publish", "NotAllowed", "warning")


def test_spans_go_to_the_process_s_own_provider_once_there_is_one(
    billing: Billing, guest: Customer, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = wired(billing, plugins=Plugins.of(telemetry.Telemetry()))
    desk.credits.deposit(guest, money(5))
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)  # as set_tracer_provider does, once a process
    desk.credits.deposit(guest, money(5))
    assert [span.name for span in spans.get_finished_spans()] == ["credits.deposit"]


def test_without_opentelemetry_it_does_without(monkeypatch: pytest.MonkeyPatch, billing: Billing) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    desk = wired(billing, plugins=Plugins.of(telemetry.Telemetry()))
    assert desk.run().created == 0
    with pytest.raises(MissingExtra, match=r"invoicecore\[otel\]"):
        telemetry.Telemetry(TracerProvider())


# --- records ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> Billing:
    """The desk of each store, with logs and no OpenTelemetry."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    return wired(billing, plugins=Plugins.of(telemetry.Telemetry()))


def test_a_journey_is_one_record_with_its_facts(
    logged: Billing, park: Biller, guest: Customer, lines: io.StringIO, clock: FixedClock
) -> None:
    leased(logged, park, guest)
    logged.run(biller=park)
    *_, record = told(lines)
    assert {key: record[key] for key in ("level", "logger", "event", "biller", "created", "failed")} == {
        "level": "info", "logger": "invoicecore", "event": "billing.run", "biller": park.id, "created": 3, "failed": 0,
    }  # fmt: skip
    seconds = record["seconds"]
    assert isinstance(seconds, float)
    assert 0 < seconds < 60


def test_pages_and_requests_are_for_those_who_debug(
    logged: Billing, park: Biller, guest: Customer, lines: io.StringIO
) -> None:
    leased(logged, park, guest)
    logged.run()
    assert [each["event"] for each in told(lines)] == ["leases.add"] * 3 + ["billing.run"]
    logging.getLogger("invoicecore").setLevel(logging.DEBUG)
    logged.deliver()
    assert {"level": "debug", "event": "mailer.send"}.items() <= told(lines)[-2].items()


def test_any_handler_gets_the_facts_beside_the_words(
    logged: Billing, guest: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "invoicecore"):
        logged.credits.deposit(guest, money(5))
    [record] = caplog.records
    assert record.getMessage().startswith(f"credits.deposit biller={guest.biller} events=1 seconds=0.")
    assert vars(record)["invoicecore.event"] == "credits.deposit"
    assert vars(record)["invoicecore.biller"] == guest.biller


def test_other_records_are_lines_of_json_too() -> None:
    record = logging.LogRecord("web", logging.ERROR, "x.py", 1, "no %s", ("bread",), None)
    line = json.loads(telemetry.JsonLines().format(record))
    assert (line["level"], line["logger"], line["message"]) == ("error", "web", "no bread")
    assert line["at"].endswith("+00:00")


def test_a_host_that_sets_up_no_logging_hears_nothing(
    logged: Billing, guest: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = logged.invoices.draft(biller=guest.biller, customer=guest, title="x", amount=money(1))
    logged.invoices.delete_draft(draft)
    with pytest.raises(Exception, match="no invoice"):
        logged.invoices.publish(draft)
    assert capsys.readouterr().err == ""


@pytest.mark.rule("R18")
def test_no_person_no_amount_and_no_secret_is_in_what_is_told(
    traced: Billing, spans: InMemorySpanExporter, lines: io.StringIO
) -> None:
    logging.getLogger("invoicecore").setLevel(logging.DEBUG)
    scene = stage(traced)
    for name, call in CALLS.items():
        verb = verb_of(traced, name)
        actor = {"actor": "Zoé"} if "actor" in parameters(verb) else {}
        with suppress(InvoicecoreError):  # one that another one has made impossible tells of that too
            verb(**call(scene), **actor)
    everything = lines.getvalue() + "".join(
        f"{span.name} {dict(span.attributes or {})} {span.status.description} {[e.name for e in span.events]}\n"
        for span in spans.get_finished_spans()
    )
    assert everything.count("\n") > 100
    for private in ("Alice", "Bob", "example.com", "Les Pins", "Zoé", "62000", "620.00", "100.00", scene.token):
        assert private not in everything, private
    assert leaks(everything.encode()) == []


@pytest.mark.rule("R18")
def test_what_strangers_give_for_a_name_is_not_told(
    traced: Billing, spans: InMemorySpanExporter, lines: io.StringIO
) -> None:
    forged = "stripe\nINFO invoicecore billing.run created=812"
    with pytest.raises(NotFound):
        traced.receive(forged, b"", {})
    with pytest.raises(NotFound):
        traced.invoices.void("alice@example.com secret_inv_1")
    with pytest.raises(NotFound):
        traced.invoices.publish_all(biller="x" * 1_000_000)
    told = [dict(span.attributes or {}) for span in spans.get_finished_spans()]
    assert {told[0].get("invoicecore.gateway"), told[1].get("invoicecore.biller")} == {"?"}
    for private in ("812", "alice", "xxx"):
        assert private not in lines.getvalue() + repr(told), private


# --- the hook ---------------------------------------------------------------------------------------------------------


def test_nothing_is_made_when_no_plugin_asks() -> None:
    plugins = Plugins.of()
    assert plugins.span("run", biller="b1") is plugins.span("gateway.charge", gateway="memory") is NOTHING


class Around:
    """A plugin that keeps what it was put around, and may fail there."""

    def __init__(self, fails: str = "") -> None:
        self.seen: list[tuple[str, dict[str, object], str | None]] = []
        self.fails = fails

    @hookimpl
    def span(self, name: str, attributes: Mapping[str, object]) -> AbstractContextManager[None] | None:
        if self.fails == "asked":
            raise RuntimeError("asked")
        if self.fails == "nothing":
            return None
        return self._around(name, attributes)

    @contextmanager
    def _around(self, name: str, attributes: Mapping[str, object]) -> Iterator[None]:
        if self.fails == "before":
            raise RuntimeError("before")
        try:
            yield
        except Exception as error:
            self.seen.append((name, dict(attributes), type(error).__name__))
            if self.fails != "swallows":
                raise
        else:
            self.seen.append((name, dict(attributes), None))
        if self.fails == "after":
            raise RuntimeError("after")


class Other(Around):
    """Another one beside it."""


@pytest.mark.parametrize("fails", ["", "asked", "nothing", "before", "after", "swallows"])
def test_a_plugin_that_fails_around_work_disturbs_nothing(
    fails: str, billing: Billing, guest: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Around(fails), Other()
    for plugins in ((bad, good), (good, bad)):
        bad.seen.clear()
        good.seen.clear()
        desk = wired(billing, plugins=Plugins.of(*plugins))
        draft = desk.invoices.draft(biller=guest.biller, customer=guest, title="Stay", amount=money(100))
        desk.invoices.publish(draft)
        with pytest.raises(NotAllowed):
            desk.invoices.publish(draft)
        assert [(name, error) for name, _, error in good.seen] == [
            ("invoices.draft", None),
            ("invoices.publish", None),
            ("invoices.publish", "NotAllowed"),
        ]
        assert good.seen[1][1] == {"biller": guest.biller, "events": 1}
    assert ("failed around" in caplog.text) is (fails in ("asked", "before", "after"))


def test_a_log_that_cannot_be_written_does_not_make_what_is_done_look_undone(
    billing: Billing, guest: Customer, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log, handler = logging.getLogger("invoicecore"), logging.handlers.WatchedFileHandler(folder / "billing.log")
    desk = wired(billing, plugins=Plugins.of(telemetry.Telemetry()))
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.INFO)
    try:
        draft = desk.invoices.draft(biller=guest.biller, customer=guest, title="Stay", amount=money(100))
        invoice = desk.invoices.publish(draft)
        shutil.rmtree(folder)
        desk.payments.record(invoice, money(20))
        with pytest.raises(NotAllowed):
            desk.invoices.publish(invoice)
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        handler.close()
    assert desk.invoices.get(invoice.id).balance == money(80)


def test_a_hook_with_other_arguments_is_refused() -> None:
    class Wrong:
        @hookimpl
        def span(self, title: str) -> None:
            pass

    with pytest.raises(PluginError, match="title"):
        Plugins.of(Wrong())


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_logs_where_the_environment_asks_for_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discover = Plugins.discover
    given = () if "telemetry" in Plugins.discover().names else (telemetry.plugin,)
    monkeypatch.setattr(Plugins, "discover", lambda *more: discover(*more, *given))
    (tmp_path / "shop.json").write_text(
        json.dumps(
            {
                "billers": [{"ref": "p", "name": "P", "currency": "EUR", "timezone": "UTC", "locale": "en_GB"}],
                "customers": [{"ref": "c", "name": "Ana"}],
            }
        )
    )
    assert command("load", "shop.json").err == ""
    monkeypatch.setenv("INVOICECORE_LOG", "info")
    told = command("run", "--json")
    assert told.code == 0
    [line] = [json.loads(line) for line in told.err.splitlines()]
    assert (line["event"], line["created"]) == ("billing.run", 0)
    monkeypatch.setenv("INVOICECORE_LOG", "loud")
    assert command("run").code == 2
    monkeypatch.delenv("INVOICECORE_LOG")
    assert command("run").err == ""
