"""`invoicecore doctor`: a verdict on each thing, what to do in the reader's language, and an exit code for a machine."""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
from contextlib import closing
from datetime import date
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from sqlalchemy import Connection

from invoicecore import Billing
from invoicecore.ports import Finding, Verdict
from invoicecore_adapters.cli import doctor
from invoicecore_adapters.sql import sqlite
from invoicecore_adapters.sql.migrations import PLAN, Plan, Step
from invoicecore_adapters.sql.store import SqlStore
from test_cli import Answer, Command, both, command, park
from test_sql_findings import overwritten

__all__ = ["both", "command", "park"]  # fixtures

# What the core and the SQL store can find that is not well.
CODES = {
    *(f"{name}.waiting" for name in ("mail", "collections", "refunds", "events", "methods")),
    *(f"{name}.failing" for name in ("mail", "collections", "refunds", "events")),
    *(f"{name}.{what}" for name in ("collections", "refunds") for what in ("submitting", "doubtful")),
    *("mail.failed", "events.parked", "alerts.open", "runs.missed", "drafts.left", "clock.ahead"),
    *("schema.columns", "schema.indexes", "journal.mode", "references.broken", "sqlite.reset"),
    *(
        "disk.low",
        "disk.full",
        "writing.refused",
        "writing.rights",
        "plugins.broken",
        "extras.missing",
        "extras.partly",
    ),
    *("server.fsync", "server.standby", "connections.few", "connections.idle"),
    "store.unusable",
    *("work.unreadable", "damage.found", "schema.constraints", "imports.unfinished"),
}


@pytest.fixture(autouse=True)
def _fit_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose SQLite is of this year."""
    monkeypatch.setattr(sqlite.sqlite3, "sqlite_version_info", (3, 51, 3))


def codes(answer: Answer, *verdicts: str) -> set[str]:
    return {each["code"] for each in answer.data["findings"] if each["verdict"] in (verdicts or ("warning", "problem"))}


def test_a_machine_that_is_well_gets_a_verdict_on_each_thing(park: Command) -> None:
    park("deliver", "--mailer", "files://post")
    told = park("doctor", "--lang", "en")
    assert told.code == 0, told.out
    assert told.out.splitlines()[-1].endswith("to look at: 0, problems: 0.")
    rows = [line.split()[0] for line in told.out.splitlines()[2:-2] if line]
    assert {"Library", "Plugin", "Extra", "Schema", "Journal", "Disk", "Writing", "E-mails", "Clock"} <= set(rows)
    data = park("doctor", "--json")
    assert (data.code, data.data["verdict"], codes(data)) == (0, "ok", set())


def test_a_warning_is_told_with_what_to_do_and_exits_0(park: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite.sqlite3, "sqlite_version_info", (3, 40, 1))
    told = park("doctor", "--lang", "fr")
    assert told.code == 0
    assert "attention" in told.out
    assert "passez à PostgreSQL" in told.out
    assert park("doctor", "--json").data["verdict"] == "warning"


def test_a_problem_exits_1(park: Command, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "invoicecore.db")) as hand:
        hand.execute("DROP INDEX invoices_by_customer")
    told = park("doctor", "--json")
    assert (told.code, told.data["verdict"], codes(told, "problem")) == (1, "problem", {"schema.indexes"})
    [found] = [each for each in told.data["findings"] if each["code"] == "schema.indexes"]
    assert "CREATE INDEX invoices_by_customer ON invoices" in found["advice"]
    assert park("doctor").code == 1


def test_a_store_that_is_not_there_or_newer_is_a_line_of_its_own(command: Command, tmp_path: Path) -> None:
    absent = command("doctor", "--json")
    assert (absent.code, codes(absent, "problem")) == (1, {"store.unusable"})
    assert not (tmp_path / "invoicecore.db").exists()

    def nothing(_: Connection) -> None:
        pass

    later = Plan(steps=[*PLAN.steps, Step(version=99, title="tomorrow", apply=nothing)])
    SqlStore(f"sqlite:///{tmp_path}/invoicecore.db", plan=later).close()
    newer = command("doctor", "--lang", "en")
    assert newer.code == 1
    assert "upgrade invoicecore" in newer.out
    assert command("doctor", "--db", "oracle://x", "--json").code == 1


def by_hand(folder: Path, *statements: str) -> None:
    """What somebody does to the database of these tests."""
    with closing(sqlite3.connect(folder / "invoicecore.db")) as hand:
        for statement in statements:
            hand.execute(statement)
        hand.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages DROP COLUMN error",
        "ALTER TABLE events DROP COLUMN actor",
        "DROP TABLE alerts",
        "ALTER TABLE billers DROP COLUMN address",
    ],
)
def test_a_schema_that_lacks_something_is_told_with_all_that_can_still_be_looked_at(
    statement: str, park: Command, tmp_path: Path
) -> None:
    by_hand(tmp_path, statement)
    told = park("doctor", "--json", "--lang", "en")
    assert (told.code, codes(told, "problem")) == (1, {"schema.columns", "work.unreadable"})
    assert {"journal", "references", "writing"} <= codes(told, "ok")
    [found] = [each for each in told.data["findings"] if each["code"] == "work.unreadable"]
    assert "somebody has changed the tables" in found["text"]
    assert "written" not in found["text"]
    assert "clock" not in codes(told, "ok"), "it was not looked at"


@pytest.mark.parametrize(
    "statement, told, ask",
    [
        ("UPDATE messages SET state = 'bounced'", "state: 'bounced'", ["deliver", "--mailer", "files://post"]),
        ("UPDATE invoices SET due_on = '2026-13-01'", "due_on: '2026-13-01'", ["invoices"]),
        ("UPDATE leases SET next_run_on = '2026-02-30'", "next_run_on: '2026-02-30'", ["run"]),
        ("UPDATE invoices SET currency = 'EURO'", "currency: ", ["invoices"]),
        ("UPDATE customers SET billing_cycle = 'lunar'", "billing_cycle: 'lunar'", ["export", "x.jsonl"]),
        ("UPDATE lines SET period_start = 'May'", "period_start: 'May'", ["invoices"]),
        ("UPDATE counters SET last_on = 'May'", "last_on: 'May'", ["export", "x.jsonl"]),
        ("UPDATE billers SET policy = '{\"x\":1}'", "billers ", ["invoices"]),
    ],
)
def test_a_stored_value_that_nobody_knows_is_told_with_the_record_that_has_it(
    statement: str, told: str, ask: list[str], park: Command, tmp_path: Path
) -> None:
    by_hand(tmp_path, statement)
    refused = park(*ask)
    assert refused.code == 4, refused
    assert told in refused.err
    assert "perhaps a newer invoicecore wrote it" in refused.err
    looked = park("doctor", "--json", "--lang", "en")
    assert looked.code in (0, 1)
    assert "schema" in codes(looked, "ok")


@pytest.mark.parametrize("language, advice", [("en", "restore a backup"), ("fr", "restaurez une sauvegarde")])
def test_damage_is_told_with_what_to_do(language: str, advice: str, park: Command, tmp_path: Path) -> None:
    overwritten(tmp_path / "invoicecore.db", "charges_by_invoice")
    told = park("doctor", "--json", "--lang", language)
    assert (told.code, codes(told, "problem")) == (1, {"damage.found"})
    [found] = [each for each in told.data["findings"] if each["code"] == "damage.found"]
    assert advice in found["advice"]


def test_of_a_file_that_may_not_be_written_nobody_says_that_it_may(
    park: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As for a user without the right to the file, who has it to the folder: the log beside it can be written.
    monkeypatch.setattr(sqlite.os, "access", lambda path, how: Path(path).is_dir())
    told = park("doctor", "--json")
    said = [each["code"] for each in told.data["findings"] if each["code"].startswith("writing")]
    assert said == ["writing.rights"]


def test_a_stored_value_that_nobody_knows_is_one_finding_of_the_doctor(park: Command, tmp_path: Path) -> None:
    by_hand(tmp_path, "UPDATE messages SET state = 'bounced', next_try_at = '2026-04-01 00:00:00+00:00'")
    told = park("doctor", "--json", "--lang", "fr")
    assert (told.code, codes(told, "problem")) == (1, {"work.unreadable"})
    [found] = [each for each in told.data["findings"] if each["code"] == "work.unreadable"]
    assert found["text"].startswith("messages ")
    assert "'bounced'" in found["text"]
    assert "corrigez" in found["advice"]


def test_the_doctor_speaks_the_billers_language_unless_told_otherwise(park: Command) -> None:
    assert park("doctor").out.startswith("Examiné")
    assert park("doctor", "--lang", "en").out.startswith("Looked at")


def test_one_billers_work_can_be_looked_at(both: Command) -> None:
    told = both("doctor", "--biller", "The Oaks", "--json")
    assert told.code == 0
    assert "schema" not in {each["code"] for each in told.data["findings"]}
    nobody = both("doctor", "--biller", "Nobody", "--json")
    assert codes(nobody, "problem") == {"store.unusable"}


# --- plugins and extras -----------------------------------------------------------------------------------------------


def install(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with one plugin, as pip would have put it there."""
    module = f"{name}_plugin"
    (folder / f"{module}.py").write_text(code, "utf-8")
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[invoicecore]\n{name} = {module}\n", "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.parametrize(
    "code, why",
    [
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("x = 1", "it implements no hook"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (
            "from invoicecore import hookimpl\n@hookimpl\ndef stores():\n    return {'sqlite': print}\n",
            "offers too",
        ),
    ],
)
def test_a_plugin_that_does_not_work_is_named_and_the_rest_is_looked_at(
    code: str, why: str, park: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    install(tmp_path / "site", "zz_broken", code, monkeypatch)
    assert park("summary").code == 4
    told = park("doctor", "--json")
    assert (told.code, codes(told, "problem")) == (1, {"plugins.broken"})
    [found] = [each for each in told.data["findings"] if each["code"] == "plugins.broken"]
    assert found["data"]["of"] == "zz_broken 1.2"
    assert why in found["data"]["why"]
    assert "writing" in codes(told, "ok"), "the store was looked at all the same"


STRANGER = """
from invoicecore import hookimpl
from invoicecore.ports import Finding, Verdict
from invoicecore_adapters.memory import MemoryStore


class Strange(MemoryStore):
    def findings(self):
        return [
            Finding(code="tape", text="it turns"),
            Finding(code="tape.worn", verdict=Verdict.WARNING, text="it is worn", advice="buy another"),
        ]


@hookimpl
def stores():
    return {"tape": lambda url: Strange()}
"""


def test_a_strangers_store_speaks_for_itself(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    install(tmp_path / "site", "tapes", STRANGER, monkeypatch)
    told = command("doctor", "--db", "tape://")
    assert told.code == 0
    [line] = [line for line in told.out.splitlines() if "worn" in line]
    assert line.split("  ")[0] == "tape"
    assert line.endswith("buy another")


def test_an_extra_says_what_it_lacks_and_what_for(park: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    version = doctor.version

    def without(*names: str) -> None:
        def asked(name: str) -> str:
            if name in names:
                raise PackageNotFoundError(name)
            return version(name)

        monkeypatch.setattr(doctor, "version", asked)

    without("typst")
    told = park("doctor", "--json", "--lang", "en")
    [found] = [each for each in told.data["findings"] if each["code"] == "extras.partly"]
    assert (found["data"], found["verdict"]) == ({"extra": "pdf", "packages": "typst"}, "warning")
    assert (found["text"], found["advice"]) == ("pdf lacks typst: PDFs", "pip install 'invoicecore[pdf]'")
    without("typst", "segno")
    told = park("doctor", "--json", "--lang", "en")
    [found] = [each for each in told.data["findings"] if each["code"] == "extras.missing"]
    assert (found["text"], found["verdict"]) == ("pdf is not installed: PDFs", "ok")


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "fr"])
def test_there_are_words_for_all_that_can_be_found(
    language: str, park: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {each.removeprefix("advice.") for each in doctor._ADVICE} == CODES
    data = dict.fromkeys(
        "count missing mending mode tables version free size why name of packages place taken places minutes billers".split(),
        "X",
    )
    every = [
        Finding(code=code, verdict=Verdict.WARNING, data={**data, "extra": "pdf", "since": date(2026, 4, 24)})
        for code in sorted(CODES)
    ]
    monkeypatch.setattr(Billing, "examine", lambda *_, **__: every)
    told = json.loads(park("doctor", "--json", "--lang", language).out)["findings"]
    said = {each["code"]: each for each in told}
    assert all(said[code]["text"] and said[code]["advice"] for code in CODES)
    assert "24/04/2026" in said["mail.waiting"]["text"]


def test_every_extra_of_the_project_has_its_use_in_words() -> None:
    extras = {each.data["extra"] for each in doctor._extras()}
    assert {f"extra.{extra}" for extra in extras} <= set(doctor._EXTRAS)
