"""The commands that move whole books, and what they say of it."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from invoicecore.moving import FileSource, move
from invoicecore.ports import Writer
from invoicecore_adapters.sql import writing
from invoicecore_adapters.sql.store import SqlStore
from test_cli import RUN, Command, both, command, park
from test_moving import Cut, Dying

__all__ = ["both", "command", "park"]  # fixtures


def test_export_and_import_tell_what_was_read_and_what_arrived(both: Command, tmp_path: Path) -> None:
    told = both("export", "book.jsonl.gz", "--lang", "en")
    assert told.code == 0, told.err
    rows = {line.split("  ")[0]: line.split() for line in told.out.splitlines() if line}
    assert rows["Customers"][-2:] == ["3", "3"]
    assert rows["Invoiced"][-2:] == ["€1,683.00", "€1,683.00"]
    assert rows["The Oaks"][-2:] == ["1", "1"] or "draft" in told.out
    assert told.out.splitlines()[-1].startswith("Everything arrived, ")
    again = both("import", "book.jsonl.gz", "--db", "sqlite:///new.db", "--lang", "en")
    assert (again.code, again.out) == (0, told.out)
    on = ("--on", "2026-04-20", "--json")
    assert both("summary", "--db", "sqlite:///new.db", *on).data == both("summary", *on).data


def test_export_to_a_store_answers_in_json_and_in_the_billers_language(park: Command) -> None:
    data = park("export", "--to", "sqlite:///new.db", "--json").data
    assert data["differences"] == []
    [tally] = data["source"].values()
    assert [tally] == list(data["target"].values())
    assert tally["sums"]["total"] == {"EUR": 168_300}
    assert tally["counters"]["invoice/INV-"] == {"next": 3, "last_on": "2026-04-05"}
    told = park("export", "--to", "sqlite:///new.db", "--resume")
    assert told.code == 0
    assert "Tout est arrivé" in told.out


def test_one_biller_is_exported_by_its_name(both: Command) -> None:
    assert both("export", "oaks.jsonl", "--biller", "the oaks").code == 0
    assert both("import", "oaks.jsonl", "--db", "sqlite:///oaks.db").code == 0
    assert both("summary", "--db", "sqlite:///oaks.db", "--json").data["billers"][0]["biller"]["name"] == "The Oaks"
    assert both("export", "x.jsonl", "--biller", "nobody").code == 1


def test_what_stands_in_the_way_is_refused_with_the_way_out(park: Command, tmp_path: Path) -> None:
    park("export", "book.jsonl")
    again = park("export", "book.jsonl")
    assert (again.code, "is there already" in again.err) == (1, True)
    there = park("import", "book.jsonl")
    assert there.code == 1
    assert "'Les Pins': is in that store already" in there.err
    assert "--resume" in there.err
    assert park("export").code == 2
    assert park("export", "x.jsonl", "--to", "sqlite:///new.db").code == 2
    assert park("export", "x.jsonl", "--resume").code == 2
    assert park("export", "x.jsonl", "--db", "sqlite:///nowhere.db").code == 4
    (tmp_path / "book.jsonl").write_text((tmp_path / "book.jsonl").read_text()[:-9])
    cut = park("import", "book.jsonl", "--db", "sqlite:///new.db")
    assert cut.code == 1
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("text", ['{"billers": []}', '{\n  "billers": []\n}\n', "ref;name\n"])
def test_a_file_that_is_no_book_is_told_apart_from_one_that_is_damaged(
    park: Command, tmp_path: Path, text: str
) -> None:
    (tmp_path / "shop.json").write_text(text, "utf-8")
    told = park("import", "shop.json", "--db", "sqlite:///new.db")
    assert told.code == 1
    assert told.err.startswith("invoicecore: shop.json: is no export of books: ")
    assert told.err.endswith("to read a file of your own, use `load`\n")
    assert not (tmp_path / "new.db").exists()
    (tmp_path / "later.jsonl").write_text('{"invoicecore":"export","format":99}\n', "utf-8")
    assert "upgrade it" in park("import", "later.jsonl", "--db", "sqlite:///new.db").err


def test_a_difference_exits_3_and_is_named(park: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    add = writing.SqlWriter.add

    def lossy(self: Writer, records: list[object]) -> None:
        add(self, [record for record in records if type(record).__name__ != "Message"])  # type: ignore[arg-type]  # records they are

    monkeypatch.setattr(writing.SqlWriter, "add", lossy)
    told = park("export", "--to", "sqlite:///new.db", "--lang", "en")
    assert told.code == 3
    assert "Les Pins: the number of message records is not the same" in told.out
    assert told.out.splitlines()[-1] == "Differences: 2. Do not use what was written."
    again = park("export", "--to", "sqlite:///other.db", "--json")
    assert again.code == 3
    assert [each["part"] for each in json.loads(again.out)["differences"]] == ["counts", "digests"]


@pytest.mark.parametrize("language, advice", [("en", "`import --resume`"), ("fr", "recommencez dans une base vide")])
def test_a_book_that_is_still_arriving_is_told_until_it_has_arrived(
    language: str, advice: str, park: Command, tmp_path: Path
) -> None:
    park("export", "book.jsonl")
    with closing(SqlStore(f"sqlite:///{tmp_path}/new.db")) as store:
        with pytest.raises(Cut):
            move(FileSource(tmp_path / "book.jsonl"), Dying(store, 2, after=True))
        with store.reading() as tx:
            [biller] = tx.billers()
    told = park("doctor", "--db", "sqlite:///new.db", "--json", "--lang", language)
    assert told.code == 1
    [found] = [each for each in told.data["findings"] if each["code"] == "imports.unfinished"]
    assert found["data"] == {"count": 1, "billers": biller.id}
    assert biller.id in found["text"]
    assert advice in found["advice"]
    assert park("import", "book.jsonl", "--db", "sqlite:///new.db", "--resume").code == 0
    again = park("doctor", "--db", "sqlite:///new.db", "--json")
    assert "imports" in {each["code"] for each in again.data["findings"] if each["verdict"] == "ok"}


def test_a_book_that_comes_through_a_pipe_is_refused_and_makes_no_database(park: Command, tmp_path: Path) -> None:
    park("export", "book.jsonl")
    words = ["import", "/dev/stdin", "--db", "sqlite:///new.db"]
    with (tmp_path / "book.jsonl").open("rb") as book:
        piped = subprocess.run([*RUN, *words], input=book.read(), capture_output=True, check=False)
        assert piped.returncode == 1
        assert b"is a folder, a pipe or a device, and the file is read twice" in piped.stderr
        assert not (tmp_path / "new.db").exists()
        book.seek(0)
        redirected = subprocess.run([*RUN, *words], stdin=book, capture_output=True, check=False)
    assert redirected.returncode == 0, redirected.stderr


def test_a_book_is_neither_written_to_standard_output_nor_read_from_standard_input(
    park: Command, tmp_path: Path
) -> None:
    for verb in ("export", "import"):
        told = park(verb, "-")
        assert (told.code, "name a file" in told.err) == (2, True)
    assert not (tmp_path / "-").exists()


def test_a_place_where_no_file_can_be_is_not_called_a_mistake_of_invoicecore(park: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file/x", "x" * 300):
        for words in (
            ("export", place),
            ("invoices", "--db", f"sqlite:///{place}"),
            ("load", "park.json", "--db", f"sqlite:///{place}"),
            ("export", "--to", f"sqlite:///{place}"),
            ("demo", "--dir", place),
        ):
            told = park(*words)
            assert (told.code, "not yours" in told.err) == (4, False), (words, told.err)
        for words in (("import", place), ("load", place), ("pdf", "INV-000001", "--out", place)):
            told = park(*words)
            assert (told.code, "not yours" in told.err) == (1, False), (words, told.err)


AS_NOBODY = """
import os, sys
from pathlib import Path
from invoicecore.errors import StoreError
from invoicecore.moving.files import new_file
from invoicecore_adapters.cli.choosing import opened
from invoicecore_adapters.sql.sqlite import SqliteFile
folder = sys.argv[1]
os.setgid(65534)
os.setuid(65534)
for use in (
    lambda: opened(f"sqlite:///{folder}/x.db"),
    lambda: SqliteFile(f"sqlite:///{folder}/x.db"),
    lambda: new_file(Path(folder, "x.jsonl")).__enter__(),
):
    try:
        use()
    except StoreError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not enter a folder")
def test_a_folder_that_may_not_be_entered_is_not_called_a_mistake_of_invoicecore(tmp_path: Path) -> None:
    told = subprocess.run([*RUN[:2], AS_NOBODY, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert [("Permission denied" in line, str(tmp_path) in line) for line in told.stdout.splitlines()] == [
        (True, True)
    ] * 3


@pytest.mark.parametrize("verb", ["doctor", "invoices", "summary"])
def test_an_empty_file_is_no_database_for_commands_that_make_none(verb: str, park: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    told = park(verb, "--db", "sqlite:///empty.db", "--lang", "en")
    assert told.code == (1 if verb == "doctor" else 4)
    assert "there is no database empty.db here" in told.out + told.err
    assert (tmp_path / "empty.db").stat().st_size == 0
    assert park("load", "park.json", "--db", "sqlite:///empty.db").code == 0
