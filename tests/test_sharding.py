"""A run cut into shards: together they are the run, in any order, however often, and whoever does them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from itertools import islice
from typing import Any

import attrs
import pytest

from desks import all_of, everything, money, store_of
from invoicecore import Billing, Invoice, Report, Shard
from invoicecore.billing import outcomes, running
from invoicecore.billing.outcomes import Outcome
from invoicecore.errors import BadFile, InvalidValue, NotFound
from invoicecore.leases import Lease
from invoicecore.parties import Biller
from invoicecore.ports import Store, Writer
from invoicecore.serde import dumps, loads
from invoicecore.testing import FixedClock
from workers import Wrapped

ON = date(2026, 4, 24)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
KINDS = ("created", "existing", "late", "skipped", "failed", "warnings")


def tenants(billing: Billing, biller: Biller, count: int, **lease: object) -> list[Lease]:
    """So many leases of a biller, each of somebody: due on ON, most for one month, every fifth for two."""
    people = billing.customers.add_many(biller=biller, rows=[{"name": f"T{n}"} for n in range(count)])
    rows = [
        {
            "customer": who,
            "rent": money(600 + n, biller.currency),
            "starts": date(2026, 4, 1) if n % 5 == 0 else date(2026, 5, 1),
            **lease,
        }
        for n, who in enumerate(people)
    ]
    return billing.leases.add_many(biller=biller, rows=rows)


def clients(billing: Billing, biller: Biller, count: int) -> None:
    """So many clients of a biller, each with a charge and a month that is due on ON."""
    rows = [{"name": f"C{n}", "billing_cycle": "monthly"} for n in range(count)]
    for who in billing.customers.add_many(biller=biller, rows=rows, on=date(2026, 3, 20)):
        billing.charges.add(customer=who, description="Hour", amount=money(80, biller.currency), on=date(2026, 3, 24))


def counts(report: Report) -> dict[str, int]:
    return {kind: getattr(report, kind).count for kind in KINDS if getattr(report, kind)}


def told(report: Report) -> dict[str, list[tuple[object, ...]]]:
    """What a report says of each item, but ids that no two runs share."""
    return {
        kind: sorted((o.code, o.text, o.lease or "", o.customer or "", str(o.period), str(o.amount)) for o in tally)
        for kind in KINDS
        if (tally := getattr(report, kind))
    }


def assert_once(billing: Billing, biller: Biller, count: int) -> None:
    """So many invoices, none of a period twice, numbers without a gap, and nothing left to do."""
    invoices = all_of(store_of(billing), biller, Invoice)
    assert len({(invoice.lease, invoice.period_index) for invoice in invoices}) == len(invoices) == count
    assert sorted(i.number for i in invoices) == [f"INV-{n:06d}" for n in range(1, count + 1)]
    assert billing.shards(on=ON, biller=biller) == ()


@pytest.fixture
def businesses(billing: Billing, park: Biller, practice: Biller, condo: Biller) -> Billing:
    """A desk with 23 leases at the park, 4 clients of the practice that rents out 3 rooms, and a condo with nothing due."""
    tenants(billing, park, 23)
    clients(billing, practice, 4)
    tenants(billing, practice, 3)
    return billing


# --- cutting ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("N4", "S4")
@pytest.mark.parametrize("size", [1, 7, 23, 1000])
def test_every_due_lease_is_in_exactly_one_shard_and_a_billers_months_in_one(
    businesses: Billing, park: Biller, practice: Biller, size: int
) -> None:
    before = [everything(store_of(businesses), biller) for biller in (park, practice)]
    shards = businesses.shards(on=ON, size=size)
    assert [everything(store_of(businesses), biller) for biller in (park, practice)] == before, "nothing is written"
    mine = [shard for shard in shards if shard.biller == park.id]
    assert sum(shard.due for shard in mine) == 23
    assert all(shard.due == size for shard in mine[:-1])
    ids = sorted(lease.id for lease in all_of(store_of(businesses), park, Lease))
    covered = [id for id in ids for s in mine if s.leases and s.leases[0] <= id <= s.leases[1]]
    assert covered == ids
    assert {(shard.leases is None, shard.due) for shard in shards if shard.biller == practice.id} >= {(True, 0)}
    assert [shard for shard in shards if shard.leases is None] == [Shard(biller=practice.id, on=ON)]
    assert len({shard.key for shard in shards}) == len(shards)


def test_billers_take_turns_so_that_workers_side_by_side_seldom_wait_for_the_numbers_of_one(
    businesses: Billing, park: Biller
) -> None:
    each = [shard.biller for shard in businesses.shards(on=ON, size=7)]
    several = len(set(each))
    assert several > 1
    assert len(set(each[:several])) == several, "one of each first"
    assert each.count(park.id) == 4
    assert each[-1] == park.id, "who has most comes last"


def test_a_shard_is_the_same_after_a_journey_as_json(businesses: Billing) -> None:
    shards = businesses.shards(on=ON, size=7)
    assert tuple(loads(dumps(shard), Shard) for shard in shards) == shards
    assert {shard.leases is None for shard in shards} == {True, False}


@pytest.mark.rule("M1")
def test_without_a_date_each_biller_is_cut_for_its_own_day(
    businesses: Billing, park: Biller, clock: FixedClock
) -> None:
    far = businesses.billers.add(
        name="Far", currency="EUR", timezone="Pacific/Kiritimati", locale="en_GB", preset="stays"
    )
    tenants(businesses, far, 1)
    clock.set(clock.now().replace(month=4, day=24, hour=11))  # the 25th on Kiritimati
    days = {shard.biller: shard.on for shard in businesses.shards()}
    assert (days[park.id], days[far.id]) == (date(2026, 4, 24), date(2026, 4, 25))


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "10"])
def test_a_shard_has_a_lease_at_least(billing: Billing, size: int) -> None:
    with pytest.raises(InvalidValue, match="size"):
        billing.shards(on=ON, size=size)


@pytest.mark.rule("T1")
def test_a_run_is_cut_for_one_biller_and_a_scoped_desk_cuts_and_does_only_its_own(
    businesses: Billing, park: Biller, practice: Biller
) -> None:
    every = businesses.shards(on=ON, size=10)
    mine = tuple(shard for shard in every if shard.biller == park.id)
    assert businesses.shards(on=ON, biller=park, size=10) == mine
    desk = businesses.scoped(park)
    assert desk.shards(on=ON, size=10) == mine
    before = everything(store_of(businesses), practice)
    for theirs in set(every) - set(mine):
        with pytest.raises(NotFound) as caught:
            desk.run_shard(theirs)
        with pytest.raises(NotFound) as never:
            desk.run_shard(attrs.evolve(theirs, biller="nobody000000"))
        assert str(caught.value).replace(theirs.biller, "…") == str(never.value).replace("nobody000000", "…")
    assert everything(store_of(businesses), practice) == before


# --- doing -----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("N1", "N2", "S7", "C9")
@pytest.mark.parametrize("size, page", [(1, 1000), (7, 3), (1000, 1000)])
def test_shards_in_any_order_make_what_the_run_makes(
    businesses: Billing, park: Biller, size: int, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PAGE", page)
    wanted = businesses.run(on=ON, dry_run=True)
    shards = list(businesses.shards(on=ON, size=size))
    random.Random(size).shuffle(shards)
    report = Report.merged(businesses.run_shard(shard) for shard in shards)
    assert counts(report) == counts(wanted) == {"created": 36, "late": 6, "warnings": 23}
    assert told(report) == told(wanted)
    assert len(report.invoices) == 36
    assert counts(businesses.run(on=ON)) == {"existing": 36}
    assert_once(businesses, park, 28)


@pytest.mark.rule("N2")
def test_a_shard_that_is_done_again_makes_nothing_and_tells_what_is_there(businesses: Billing, park: Biller) -> None:
    shards = businesses.shards(on=ON, size=10)
    first = [businesses.run_shard(shard) for shard in shards]
    after = everything(store_of(businesses), park)
    again = [businesses.run_shard(shard) for shard in shards]
    assert [counts(report) for report in again] == [{"existing": report.created.count} for report in first]
    assert [sorted(o.invoice or "" for o in report.existing) for report in again] == [
        sorted(o.invoice or "" for o in report.created) for report in first
    ]
    assert everything(store_of(businesses), park) == after


@pytest.mark.rule("N2")
def test_shards_of_a_run_that_was_done_whole_meanwhile_make_nothing(businesses: Billing, park: Biller) -> None:
    shards = businesses.shards(on=ON, size=10)
    whole = businesses.run(on=ON)
    report = Report.merged(businesses.run_shard(shard) for shard in shards)
    assert counts(report) == {"existing": whole.created.count}
    assert_once(businesses, park, 28)


@pytest.mark.rule("S7", "N2")
def test_a_lease_that_is_due_later_is_in_no_shard_until_the_run_is_cut_again(billing: Billing, park: Biller) -> None:
    tenants(billing, park, 3)
    shards = billing.shards(on=ON)
    more = tenants(billing, park, 2)
    assert counts(Report.merged(map(billing.run_shard, shards)))["created"] == 4
    [again] = billing.shards(on=ON)
    assert (again.leases, again.due) == ((more[0].id, more[1].id), 2)
    assert counts(billing.run_shard(again)) == {"created": 3, "late": 1, "warnings": 2}


class Dying(Wrapped):
    """A store whose process dies at the end of one transaction, before it is committed."""

    def __init__(self, store: Store, at: int) -> None:
        super().__init__(store)
        self._left = at

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self._store.writing(**how) as tx:
            yield tx
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt


@pytest.mark.rule("N2", "N4", "S7")
@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_worker_that_dies_within_a_shard_costs_only_time(
    billing: Billing, park: Biller, clock: FixedClock, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PAGE", 3)
    tenants(billing, park, 12)
    tenants(billing, park, 8)
    first, second = billing.shards(on=ON, size=12)
    billing.run_shard(second)
    doomed = Billing(Dying(store_of(billing), at), clock=clock)
    with pytest.raises(KeyboardInterrupt):
        doomed.run_shard(first)
    done = sum([4, 4, 3][: at - 1])  # by its whole pages of 3 leases, of which every fifth has two periods
    assert len(all_of(store_of(billing), park, Invoice)) == 10 + done
    report = billing.run_shard(first)
    assert (report.created.count, report.existing.count) == (15 - done, done)
    assert_once(billing, park, 25)


@pytest.mark.rule("N2", "N1")
def test_workers_on_the_same_shard_at_once_and_on_the_whole_run_make_each_invoice_once(
    billing: Billing, park: Biller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PAGE", 2)
    tenants(billing, park, 20)
    shards = billing.shards(on=ON, size=10)
    jobs: list[Callable[[], Report]] = [lambda shard=shard: billing.run_shard(shard) for shard in shards * 2]  # type: ignore[misc]  # bound now
    jobs.append(lambda: billing.run(on=ON))
    with ThreadPoolExecutor(len(jobs)) as pool:
        reports = list(pool.map(lambda job: job(), jobs))
    assert sum(report.created.count for report in reports) == 24
    assert all(report.failed == 0 for report in reports)
    assert_once(billing, park, 24)


class Crossed(Wrapped):
    """A store in which somebody else comes each time after a credit was read."""

    def __init__(self, store: Store, other: Callable[[], object]) -> None:
        super().__init__(store)
        self._other = other

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self._store.writing(**how) as tx:
            read = tx.last_credits

            def last_credits(*given: Any) -> Any:
                found = read(*given)
                self._other()
                return found

            tx.last_credits = last_credits  # type: ignore[method-assign]  # until this transaction ends
            yield tx


@pytest.mark.rule("C8", "N4")
def test_two_years_billed_at_once_do_not_take_the_same_credit(clock: FixedClock) -> None:
    import postgres  # the browser's session has no PostgreSQL

    with (
        postgres.lent() as url,
        Billing.open(url, clock=clock) as billing,
        postgres.rows_of(url) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        server.autocommit = True
        park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        park = billing.billers.edit(park, policy=attrs.evolve(park.policy, apply_credit=True, yearly_numbers=True))
        who = billing.customers.add(biller=park, name="One")
        billing.credits.deposit(who, money(250))
        rows = [{"customer": who, "rent": money(100), "starts": date(2027, 1, 1)}] * 3
        billing.leases.add_many(biller=park, rows=rows)
        first, *others = [shard for shard in billing.shards(on=date(2026, 12, 31), size=1) if shard.leases]
        left, jobs = iter(others), []

        def next_year() -> None:
            for shard in islice(left, 1):
                jobs.append(job := pool.submit(billing.run_shard, attrs.evolve(shard, on=date(2027, 1, 1))))
                until = time.monotonic() + 60
                while not job.done() and not server.execute(WAITING).fetchall():
                    assert time.monotonic() < until
                    time.sleep(0.005)

        report = Billing(Crossed(store_of(billing), next_year), clock=clock).run_shard(first)
        for shard in left:  # those that did not come between
            jobs.append(pool.submit(billing.run_shard, attrs.evolve(shard, on=date(2027, 1, 1))))
        whole = Report.merged([report, *(job.result() for job in jobs)])
        assert (whole.created.count, whole.failed.count) == (3, 0)
        assert [row.balance for row in billing.credits.history(who)] == [money(250), money(150), money(50), money(0)]


@pytest.mark.rule("N4")
def test_a_bad_lease_of_a_shard_is_named_and_the_rest_is_made(billing: Billing, park: Biller) -> None:
    bad = tenants(billing, park, 6)[3]
    [shard] = billing.shards(on=ON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "lease_draft", failing_for(bad.id))
        report = billing.run_shard(shard)
    assert [outcome.lease for outcome in report.failed] == [bad.id]
    assert report.created == 7
    assert counts(billing.run_shard(shard))["created"] == 1, "it is still due, and done by the next who comes"
    assert_once(billing, park, 8)


def failing_for(lease: str) -> Callable[..., Invoice]:
    made = running.lease_draft

    def draft(of: Lease, *rest: object, **more: object) -> Invoice:
        if of.id == lease:
            raise ArithmeticError("it cannot be divided")
        return made(of, *rest, **more)  # type: ignore[arg-type]  # whatever it was given

    return draft


@pytest.mark.rule("R1", "S7")
def test_while_payments_are_off_a_shard_skips_what_is_due(billing: Billing, park: Biller) -> None:
    tenants(billing, park, 4)
    billing.billers.edit(park, payments=False)
    [shard] = billing.shards(on=ON)
    assert counts(billing.run_shard(shard)) == {"skipped": 4}
    billing.billers.edit(park, payments=True)
    assert counts(billing.run_shard(shard))["created"] == 5


@pytest.mark.rule("N2")
def test_a_shard_counts_what_exists_among_its_own_leases_only(billing: Billing, park: Biller) -> None:
    tenants(billing, park, 20)
    one, two = billing.shards(on=ON, size=10)
    for shard in (one, two):
        assert counts(billing.run_shard(shard)) == {"created": 12, "late": 2, "warnings": 10}
    assert counts(billing.run_shard(one)) == {"existing": 12}


# --- reports ---------------------------------------------------------------------------------------------------------


def report_of(count: int, first: int = 0, *, dry_run: bool = False) -> Report:
    report = Report(dry_run=dry_run)
    for n in range(first, first + count):
        outcome = Outcome(
            code="created", text=f"Rent {n}", biller="b", invoice=f"b_inv_{n}", data={"count": n, "name": "é"}
        )
        for kind in KINDS:
            report.tell(kind, attrs.evolve(outcome, code=kind, due_on=ON, amount=money(n)))
    return report


@pytest.mark.rule("N4", "S7")
def test_merged_reports_count_everything_and_keep_the_first_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "KEEP", 7)
    reports = [report_of(5), report_of(0), report_of(5, 5), report_of(900, 10)]
    whole = Report.merged(iter(reports))
    for kind in KINDS:
        tally = getattr(whole, kind)
        assert tally.count == 910
        assert [outcome.text for outcome in tally] == [f"Rent {n}" for n in range(7)]
        assert tally.truncated
    assert [counts(report) for report in reports[:3]] == [dict.fromkeys(KINDS, 5), {}, dict.fromkeys(KINDS, 5)]
    assert counts(Report.merged([])) == {}
    assert not Report.merged(reports).dry_run
    assert Report.merged([*reports, report_of(1, dry_run=True)]).dry_run
    assert counts(Report.merged([whole, whole])) == dict.fromkeys(KINDS, 1820)


def test_a_merged_report_keeps_the_first_invoices(businesses: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [businesses.run_shard(shard) for shard in businesses.shards(on=ON, size=10)]
    monkeypatch.setattr(outcomes, "KEEP", 20)
    whole = Report.merged(reports)
    assert list(whole.invoices) == [invoice for report in reports for invoice in report.invoices][:20]
    assert whole.created == 36


def test_a_report_comes_back_from_json_with_every_count_and_as_many_items_as_were_written() -> None:
    report = report_of(30)
    again = Report.loads(report.dumps())
    assert [getattr(again, kind) for kind in KINDS] == [getattr(report, kind) for kind in KINDS]
    assert [o.data for o in again.created] == [o.data for o in report.created]
    assert [o.invoice for o in again.created] == [o.invoice for o in report.created]
    short = Report.loads(report.dumps(items=2))
    for kind in KINDS:
        assert getattr(short, kind).count == 30
        assert getattr(short, kind).items == getattr(report, kind).items[:2]
    assert Report.loads(report_of(1, dry_run=True).dumps()).dry_run
    with pytest.raises(BadFile):
        Report.loads(report.dumps().replace('"count":30', '"count":"thirty"'))


def test_what_a_shard_told_comes_back_from_json(businesses: Billing) -> None:
    for shard in businesses.shards(on=ON, size=10):
        report = businesses.run_shard(shard)
        again = Report.loads(report.dumps())
        assert [getattr(again, kind) for kind in KINDS] == [getattr(report, kind) for kind in KINDS]
        assert again.invoices == ()
