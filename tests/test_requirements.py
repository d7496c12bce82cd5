"""Each requirement has a test, or says why it has none yet; docs/requirements.md says which, and is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from requirements_table import PAGE, REQUIREMENTS, ROOT, page, scan, unheld

IDS = {
    *(f"R{n}" for n in range(1, 20)),
    *(f"C{n}" for n in range(1, 10)),
    *(f"S{n}" for n in range(1, 14)),
    *(f"M{n}" for n in range(1, 12)),
    *(f"D{n}" for n in range(1, 7)),
    *(f"N{n}" for n in range(1, 5)),
    *(f"T{n}" for n in range(1, 3)),
    *(f"P{n}" for n in range(1, 6)),
}


def test_the_table_has_every_id_once() -> None:
    assert set(REQUIREMENTS) == IDS
    assert all(key == each.id and each.says for key, each in REQUIREMENTS.items())


def test_every_rule_marker_marks_a_test_and_cites_known_ids() -> None:
    problems = scan(ROOT).problems
    assert not problems, "\n" + "\n".join(problems)


def test_every_requirement_has_a_test() -> None:
    missing = unheld(scan(ROOT))
    assert not missing, "\n" + "\n".join(missing)


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / PAGE).read_text("utf-8")
    assert written == page(scan(ROOT)), "stale; run: python tests/requirements_table.py --write"


def plant(root: Path, text: str, name: str = "tests/test_planted.py") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return root


@pytest.mark.parametrize(
    "text, test",
    [
        ("@pytest.mark.rule('R4')\ndef test_it(): ...", "test_it"),
        ("@rule('R4')\ndef test_it(): ...", "test_it"),
        ("@pytest.mark.rule('R4')\nclass TestAll:\n  def test_it(self): ...", "TestAll"),
        ("class TestAll:\n  @pytest.mark.rule('R4')\n  def test_it(self): ...", "TestAll.test_it"),
        ("class TestAll:\n  pytestmark = pytest.mark.rule('R4')\n  def test_it(self): ...", "TestAll"),
        ("pytestmark = [pytest.mark.slow, pytest.mark.rule('R4')]\ndef test_it(): ...", ""),
        (
            "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.rule('R4'))])\ndef test_it(x): ...",
            "test_it",
        ),
    ],
)
def test_a_marker_is_read_wherever_pytest_takes_one(tmp_path: Path, text: str, test: str) -> None:
    found = scan(plant(tmp_path, text))
    assert [(held.ids, held.test) for held in found.held] == [(("R4",), test)]
    assert not found.problems
    assert not [line for line in unheld(found) if line.startswith("R4:")]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("@pytest.mark.rule('R99')\ndef test_it(): ...", "test_it cites 'R99', which is no requirement"),
        ("@pytest.mark.rule(R4)\ndef test_it(): ...", "cites ids as plain strings"),
        ("@pytest.mark.rule()\ndef test_it(): ...", "cites ids as plain strings"),
        ("@pytest.mark.rule('R4')\ndef helper(): ...", "marks no test"),
        ("x = pytest.mark.rule('R4')", "marks no test"),
    ],
)
def test_a_marker_that_holds_nothing_is_a_problem(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = scan(plant(tmp_path, text)).problems
    assert problem in found


def test_a_contract_counts_once_a_test_class_inherits_it(tmp_path: Path) -> None:
    contract = "class Part:\n  @pytest.mark.rule('N1')\n  def test_it(self): ...\nclass StoreContract(Part): ..."
    root = plant(tmp_path, contract, "src/invoicecore/testing/stores.py")
    assert scan(root).problems == [
        "src/invoicecore/testing/stores.py: contract Part holds rules, but no test class inherits it"
    ]
    plant(root, "class TestMemory(testing.StoreContract): ...")
    assert scan(root).problems == []


def test_a_rule_without_a_test_is_named(tmp_path: Path) -> None:
    missing = unheld(scan(plant(tmp_path, "")))
    assert "R4: no test holds it" in missing


def test_the_page_goes_stale_when_a_test_is_renamed(tmp_path: Path) -> None:
    before = page(scan(plant(tmp_path, "@pytest.mark.rule('R4')\ndef test_one(): ...")))
    after = page(scan(plant(tmp_path, "@pytest.mark.rule('R4')\ndef test_two(): ...")))
    assert "[test_planted.py](../tests/test_planted.py): `test_one`" in before
    assert before != after
