"""The auditor is clean on honest books and names every loss that is planted in them; it shares no code with what it judges."""

from __future__ import annotations

import ast
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor import Finding, Moved, Order, audit
from auditor_sums import aligned, billed, lines_of
from invoicecore import DayCount, Frequency
from invoicecore import leases as rules
from invoicecore.leases import Lease
from invoicecore.money import from_minor, minor
from plants import PLANTS
from plants_more import MORE
from soak import Size, Soak
from town import Town

HERE = Path(__file__).parent


# --- what it stands on ------------------------------------------------------------------------------------------------


ROOMS = sorted(path.stem for path in HERE.glob("auditor*.py"))


@pytest.mark.parametrize("name", ROOMS)
def test_the_auditor_knows_nothing_of_the_library_it_judges(name: str) -> None:
    wanted = {*ROOMS, "sqlalchemy"}
    for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text("utf-8"))):
        modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            root = module.partition(".")[0]
            assert root in wanted or not (HERE / f"{root}.py").exists(), f"{name} imports {module}, a room of the tests"
            assert not root.startswith("invoicecore"), f"{name} imports {module}"


DAYS = st.dates(date(2019, 1, 1), date(2031, 12, 31))


@given(
    frequency=st.sampled_from(Frequency),
    anchor=st.sampled_from([None, 1, 15, 29, 30, 31, -1]),
    starts=DAYS,
    length=st.none() | st.integers(0, 900),
    day_count=st.sampled_from(DayCount),
    rent=st.integers(1, 10**7),
    changes=st.dictionaries(DAYS, st.integers(1, 10**7), max_size=3),
    n=st.integers(0, 30),
)
@pytest.mark.rule("M2", "M4", "M5", "M9", "S3")
def test_what_it_works_out_a_second_time_is_what_the_library_worked_out(
    frequency: Frequency,
    anchor: int | None,
    starts: date,
    length: int | None,
    day_count: DayCount,
    rent: int,
    changes: dict[date, int],
    n: int,
) -> None:
    ends = None if length is None else starts + timedelta(days=length)
    anchor_day = anchor if frequency.months else None
    lease = Lease(
        id="l", biller="b", customer="c", unit=None, rent=from_minor(rent, "EUR"), frequency=frequency, starts=starts,
        ends=ends, anchor_day=anchor_day, day_count=day_count,
        changes=tuple(rules.RentChange(since=day, rent=from_minor(to, "EUR")) for day, to in sorted(changes.items())),
    )  # fmt: skip
    row = {
        "rent_minor": rent, "frequency": frequency.value, "starts": starts, "ends": ends, "anchor_day": anchor_day,
        "day_count": day_count.value, "changes": sorted(changes.items()),
    }  # fmt: skip
    whole, part = rules.aligned_period(lease, n), rules.billed_period(lease, n)
    assert aligned(row, n) == (whole.start, whole.end)
    assert billed(row, n, ends) == (None if part is None else (part.start, part.end))
    if part is not None:
        lines = rules.lease_lines(lease, whole, part, locale="en_GB")
        assert lines_of(row, aligned(row, n), (part.start, part.end)) == [
            (
                (line.period.start, line.period.end) if line.period else None,
                minor(line.unit_price),
                minor(line.amount),
                line.share.exact if line.share else None,
            )
            for line in lines
        ]


# --- an honest business -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town"))


def test_honest_books_are_clean(town: Town) -> None:
    assert audit(town.url, **town.evidence) == []


def test_months_of_six_businesses_are_clean(tmp_path: Path) -> None:
    play = Soak(f"sqlite:///{tmp_path / 'x.db'}", Size(leases=40, months=2, workers=1), 5, tmp_path, processes=False)
    try:
        verdict = play.play()
    finally:
        play.close()
    assert not verdict.findings, verdict
    assert not verdict.troubles, verdict
    assert verdict.figures["rows of invoices"] > 80


# --- what is planted --------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(town: Town, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The honest books in another file, as a thief opens it: nothing there is enforced."""
    shutil.copy(town.url.removeprefix("sqlite:///"), tmp_path / "town.db")
    with closing(sqlite3.connect(tmp_path / "town.db", isolation_level=None)) as connection:
        yield connection


def looked_at(copy: sqlite3.Connection, evidence: dict[str, Any]) -> list[Finding]:
    [(_, _, path)] = copy.execute("PRAGMA database_list").fetchall()
    return audit(f"sqlite:///{path}", **evidence)


@pytest.mark.parametrize("plant", [*PLANTS, *MORE], ids=str)
def test_a_loss_that_is_planted_is_found_and_named(plant: str, town: Town, copy: sqlite3.Connection) -> None:
    which, does, kind = (PLANTS | MORE)[plant]
    found = copy.execute(which).fetchone()
    assert found is not None, "there is nothing of the kind in the honest books"
    named = {"id": found[0]}
    changed = sum(max(0, copy.execute(statement, named).rowcount) for statement in does)
    assert changed > 0, "nothing was planted"
    findings = looked_at(copy, town.evidence)
    assert (kind, found[-1]) in {(each.kind, each.about) for each in findings}, findings


def _without(evidence: dict[str, Any], kind: str) -> Moved:
    return next(each for each in evidence["ledger"] if each.kind == kind)


def a_payment_the_provider_never_had(evidence: dict[str, Any]) -> str:
    gone = _without(evidence, "collected")
    evidence["ledger"] = [each for each in evidence["ledger"] if each.key != gone.key]
    return gone.key


def a_charge_made_twice(evidence: dict[str, Any]) -> str:
    twice = _without(evidence, "payment")
    evidence["ledger"] = [*evidence["ledger"], like(twice, reference="PM2")]
    return twice.key


def a_payment_that_came_and_is_not_here(evidence: dict[str, Any]) -> str:
    failed = {each.key for each in evidence["ledger"] if each.kind == "collected"}
    other = next(each for each in evidence["ledger"] if each.kind == "payment" and each.key not in failed)
    evidence["ledger"] = [*evidence["ledger"], like(other, kind="collected")]
    return other.key


def a_payment_under_a_key_that_is_not_here(evidence: dict[str, Any]) -> str:
    lost = like(_without(evidence, "payment"), key=_without(evidence, "payment").key + "x")
    evidence["ledger"] = [*evidence["ledger"], lost]
    return lost.key


def a_cent_more_at_the_provider(evidence: dict[str, Any]) -> str:
    moved = _without(evidence, "collected")
    more = like(moved, minor=moved.minor + 1)
    evidence["ledger"] = [more if each is moved else each for each in evidence["ledger"]]
    return moved.key


def a_refund_made_twice(evidence: dict[str, Any]) -> str:
    twice = _without(evidence, "refund")
    evidence["ledger"] = [*evidence["ledger"], like(twice, reference="RF2")]
    return twice.key


def a_charge_back_that_nobody_wrote_down(evidence: dict[str, Any]) -> str:
    taken = {each.key for each in evidence["ledger"] if each.kind == "reversal"}
    moved = next(each for each in evidence["ledger"] if each.kind == "collected" and each.key not in taken)
    evidence["ledger"] = [*evidence["ledger"], like(moved, kind="reversal")]
    return moved.key


def a_debit_that_still_waits_at_the_bank(evidence: dict[str, Any]) -> str:
    over = _without(evidence, "collected").key
    evidence["waiting"] = {*evidence["waiting"], over}
    return over


def money_received_and_never_recorded(evidence: dict[str, Any]) -> str:
    evidence["orders"] = [*evidence["orders"], Order("payments.record 999", "payments.record", 12_000)]
    return "payments.record 999"


def a_refusal_that_was_done(evidence: dict[str, Any]) -> str:
    first = evidence["orders"][0]
    evidence["orders"] = [Order(first.key, first.action, first.minor, done=False), *evidence["orders"][1:]]
    return str(first.key)


def a_receipt_of_another_amount(evidence: dict[str, Any]) -> str:
    first = evidence["orders"][0]
    evidence["orders"] = [Order(first.key, first.action, first.minor + 1), *evidence["orders"][1:]]
    return str(first.key)


def an_e_mail_that_never_went_out(evidence: dict[str, Any]) -> str:
    gone = next(iter(evidence["posted"]))
    evidence["posted"] = Counter({ref: times for ref, times in evidence["posted"].items() if ref != gone})
    return str(gone)


def an_e_mail_that_went_out_twice(evidence: dict[str, Any]) -> str:
    evidence["posted"] = evidence["posted"] + Counter([next(iter(evidence["posted"]))])
    return "outbox"


def like(moved: Moved, **changes: Any) -> Moved:
    """Another line of the ledger, but for some fields."""
    return Moved(**{**moved.__dict__, **changes})


OUTSIDE: dict[Callable[[dict[str, Any]], str], str] = {
    a_payment_the_provider_never_had: "unknown there",
    a_charge_made_twice: "charged twice",
    a_payment_that_came_and_is_not_here: "payment missing",
    a_payment_under_a_key_that_is_not_here: "unknown here",
    a_cent_more_at_the_provider: "payment missing",
    a_refund_made_twice: "refunded twice",
    a_charge_back_that_nobody_wrote_down: "taken back",
    a_debit_that_still_waits_at_the_bank: "state",
    money_received_and_never_recorded: "lost",
    a_refusal_that_was_done: "refused and done",
    a_receipt_of_another_amount: "amount",
    an_e_mail_that_never_went_out: "not sent",
    an_e_mail_that_went_out_twice: "sent twice",
}


@pytest.mark.parametrize("plant", OUTSIDE, ids=lambda plant: plant.__name__)
def test_what_differs_outside_is_found_and_named(plant: Callable[[dict[str, Any]], str], town: Town) -> None:
    evidence = dict(town.evidence)
    about = plant(evidence)
    assert (OUTSIDE[plant], about) in {(each.kind, each.about) for each in audit(town.url, **evidence)}


def test_days_that_pass_without_a_run_are_missed(town: Town) -> None:
    later: datetime = town.evidence["at"] + timedelta(days=40)
    kinds = {each.kind for each in audit(town.url, **{**town.evidence, "at": later})}
    assert {"period missing", "stuck"} <= kinds
