"""Several processes on one SQLite file, and processes that are killed: nothing doubled, missing or half-written.

`INVOICECORE_KILLS` sets how many processes are killed (SIGKILL, at random moments; 40 without it), and
`INVOICECORE_KILL_SEED` repeats the moments of a run that failed, as far as a machine repeats itself.
"""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.reduction
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from email import message_from_bytes
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest

import workers
from desks import all_of, everything, money, store_of
from invoicecore import Frequency, InvoiceMethod
from invoicecore.charges import Charge
from invoicecore.credits import CreditEntry
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import LEASE, Message
from invoicecore.parties import Biller
from invoicecore.payments import Payment
from smtp_server import running as smtp_server

KILLS = int(os.environ.get("INVOICECORE_KILLS", "40"))
SEED = int(os.environ.get("INVOICECORE_KILL_SEED", str(random.SystemRandom().randrange(10**6))))

# A fork server has the library imported already, and hands out processes that share nothing with this one.
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
CHILDREN: Any = multiprocessing.get_context(METHOD)
if METHOD == "forkserver":
    CHILDREN.set_forkserver_preload(["workers", "invoicecore_adapters.sql.store"])


@attrs.frozen(kw_only=True)
class World:
    """A file with a park (leases), a condo (drafts) and a practice (clients with a cycle)."""

    url: str
    park: Biller
    condo: Biller
    practice: Biller


def build(folder: Path) -> World:
    """A new file in a folder: 24 leases, 30 drafts, 8 clients with three months of charges."""
    url = f"sqlite:///{folder / 'x.db'}"
    with workers.desk(url) as billing:
        park, condo, practice = (
            billing.billers.add(name=preset, currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset=preset)
            for preset in ("stays", "residents", "clients")
        )
        tenants = billing.customers.add_many(
            biller=park,
            rows=[{"name": f"T{n}", "email": f"t{n}@example.com" if n % 4 else None} for n in range(24)],
        )
        billing.leases.add_many(
            biller=park,
            rows=[
                {
                    "customer": tenant,
                    "unit": str(n),
                    "rent": money(600 + n),
                    "frequency": Frequency.MONTHLY if n % 3 else Frequency.FORTNIGHTLY,
                    "starts": date(2026, 1, 1) + timedelta(days=n * 3),
                    "ends": date(2026, 6, n) if n > 20 else None,
                    "method": InvoiceMethod.EMAIL_PDF if n % 2 else InvoiceMethod.DIRECT_DEBIT,
                }
                for n, tenant in enumerate(tenants)
            ],
        )
        people = billing.customers.add_many(
            biller=condo, rows=[{"name": f"R{n}", "email": f"r{n}@example.com"} for n in range(30)]
        )
        for n, who in enumerate(people):
            billing.units.add(biller=condo, number=str(n), resident=who)
        billing.invoices.draft_for_units(biller=condo, title="Dues", amount=money(100), due=date(2026, 7, 20))
        clients = billing.customers.add_many(
            biller=practice,
            rows=[
                {"name": f"C{n}", "email": f"c{n}@example.com", "billing_cycle": "monthly", "billing_day": 1 + n % 2}
                for n in range(8)
            ],
            on=date(2026, 1, 20),
        )
        for who in clients:
            billing.charges.add_many(
                customer=who,
                rows=[
                    {"description": "Hour", "amount": money(50 + day), "on": date(2026, month, day)}
                    for month in (1, 2, 4)
                    for day in (3, 17)
                ],
            )
        return World(url=url, park=park, condo=condo, practice=practice)


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing the kernel has, so it proves the same."""
    memory = "/dev/shm"
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def world(quick: Path) -> World:
    return build(quick)


def file_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def copied(world: World, folder: Path) -> World:
    """The same world in another file; the desk that made it is closed, so all of it is in the one file."""
    folder.mkdir()
    shutil.copy(file_of(world.url), folder / "x.db")
    return attrs.evolve(world, url=f"sqlite:///{folder / 'x.db'}")


@contextmanager
def rows_of(url: str) -> Iterator[sqlite3.Connection]:
    """The file as a stranger opens it, without this library."""
    with closing(sqlite3.connect(file_of(url))) as connection:
        yield connection


def assert_sound(url: str) -> None:
    """The file is whole, and every invoice in it has all that belongs to it."""
    with rows_of(url) as db:

        def none(statement: str, *given: object) -> None:
            assert db.execute(statement, given).fetchall() == [], statement

        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        none("PRAGMA foreign_key_check")
        none(
            "SELECT i.id FROM invoices i LEFT JOIN lines l ON l.biller = i.biller AND l.invoice = i.id"
            " GROUP BY i.biller, i.id HAVING coalesce(sum(l.amount_minor), -1) <> i.total_minor"
        )
        none("SELECT invoice FROM lines WHERE (biller, invoice) NOT IN (SELECT biller, id FROM invoices)")
        # A timeline without a hole: one step at least for every version there was.
        none(
            "SELECT i.id FROM invoices i JOIN events e ON e.biller = i.biller AND e.subject = i.id"
            " GROUP BY i.biller, i.id HAVING count(DISTINCT e.version) <> i.version OR max(e.version) <> i.version"
        )
        none("SELECT id FROM invoices WHERE (biller, id) NOT IN (SELECT biller, subject FROM events)")
        none(
            "SELECT i.id FROM invoices i JOIN events e ON e.biller = i.biller AND e.subject = i.id"
            " GROUP BY i.biller, i.id HAVING sum(e.action = 'published') <> (i.number IS NOT NULL)"
        )
        # One notice for each published invoice whose payer has an address, and for no other: publish_all tells
        # everybody, and nobody has a mandate, so that what would be debited is sent a link.
        none(
            "SELECT i.id FROM invoices i JOIN customers c ON c.biller = i.biller AND c.id = i.customer"
            " LEFT JOIN messages m ON m.biller = i.biller AND m.invoice = i.id"
            " GROUP BY i.biller, i.id HAVING count(m.id) <>"
            " (i.number IS NOT NULL AND c.email IS NOT NULL)"
        )
        none(
            "SELECT lease FROM invoices WHERE lease IS NOT NULL GROUP BY biller, lease, period_index HAVING count(*) > 1"
        )
        # A lease stands after exactly the periods it has invoices for; a client after its month.
        none(
            "SELECT l.id FROM leases l LEFT JOIN invoices i ON i.biller = l.biller AND i.lease = l.id"
            " GROUP BY l.biller, l.id HAVING count(i.id) <> l.next_period OR l.invoiced <> (count(i.id) > 0)"
        )
        none(
            "SELECT c.id FROM charges c LEFT JOIN invoices i ON i.biller = c.biller AND i.id = c.invoice"
            " WHERE c.state <> CASE WHEN i.id IS NULL THEN 'open' WHEN i.number IS NULL THEN 'drafted' ELSE 'invoiced' END"
        )
        none("SELECT charge FROM lines WHERE charge IS NOT NULL GROUP BY biller, charge HAVING count(*) > 1")
        for biller, following in db.execute(
            "SELECT biller, next_number FROM counters WHERE series = 'invoice/INV-'"
        ).fetchall():
            numbers = [n for (n,) in db.execute(
                "SELECT number FROM invoices WHERE biller = ? AND number IS NOT NULL ORDER BY number", (biller,)
            )]  # fmt: skip
            assert numbers == [f"INV-{n:06d}" for n in range(1, following)]
        none(
            "SELECT number FROM invoices WHERE number IS NOT NULL"
            " AND biller NOT IN (SELECT biller FROM counters WHERE series = 'invoice/INV-')"
        )


def outcome(world: World) -> list[tuple[object, ...]]:
    """What the business billed, without what no two runs share: ids of invoices, instants, and whose number is whose."""
    with rows_of(world.url) as db:
        return db.execute(
            "SELECT i.biller, i.kind, i.lifecycle, i.customer, i.unit, i.lease, i.period_index, i.cycle, i.total_minor,"
            " i.drafted_on, i.due_on, i.issued_on, i.late, i.bill_to_email, i.version, group_concat(l.description || l.amount_minor)"
            " FROM invoices i JOIN lines l ON l.biller = i.biller AND l.invoice = i.id"
            " GROUP BY i.biller, i.id ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
        ).fetchall()


class Life:
    """One child process that bills everything, and the pipe on which it tells each step."""

    def __init__(self, world: World) -> None:
        self.steps, theirs = CHILDREN.Pipe(duplex=False)
        self.process = CHILDREN.Process(target=_live, args=(world.url, theirs))
        self.process.start()
        theirs.close()

    def runs_for(self, steps: int) -> bool:
        """Wait for so many steps; False when its work was done before."""
        return all(os.read(self.steps.fileno(), 1) for _ in range(steps))

    def killed(self) -> bool:
        """Kill it; False when it had come to its end by itself."""
        self.process.kill()
        return self.ended() == -signal.SIGKILL

    def ended(self) -> int | None:
        """Wait for its end; how it ended."""
        self.process.join(120)
        self.steps.close()
        code: int | None = self.process.exitcode
        return code


def _live(url: str, pipe: Connection) -> None:
    workers.bill_everything(url, pipe.fileno())


def steps_of(world: World) -> int:
    """How many steps the whole work takes when nobody disturbs it."""
    life = Life(world)
    count = 0
    while os.read(life.steps.fileno(), 1):
        count += 1
    assert life.ended() == 0
    return count


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")
@pytest.mark.rule("N1", "N2", "N4", "S7", "C2", "C9", "S9")
def test_whenever_a_process_is_killed_the_next_one_completes_its_work(
    world: World, tmp_path: Path, quick: Path
) -> None:
    chance = random.Random(SEED)
    undisturbed = copied(world, quick / "undisturbed")
    whole = steps_of(undisturbed)
    assert_sound(undisturbed.url)
    wanted = outcome(undisturbed)
    assert len(wanted) > 200

    kills = lives = 0
    while kills < KILLS:
        lives += 1
        folder = tmp_path if lives % 4 == 1 else quick  # on a disk commits take longer, and are killed more often
        disturbed = copied(world, folder / f"life {lives}")
        done = False
        while not done:
            # Most moments early enough that the work takes several processes, some close to its end.
            life = Life(disturbed)
            if life.runs_for(chance.randrange(1, whole // chance.choice((1, 4, 8)))):
                for _ in range(chance.randrange(40_000)):
                    pass  # on into the step: where a process is killed is no round number of steps
                killed = life.killed()
            else:
                killed = False
                assert life.ended() == 0, f"seed {SEED}"
            kills += killed
            done = not killed
            try:
                assert_sound(disturbed.url)
            except AssertionError as error:
                error.add_note(f"seed {SEED}, kill {kills}")
                raise
            if kills >= KILLS and not done:
                life = Life(disturbed)
                assert life.runs_for(10**9) is False
                assert life.ended() == 0
                done = True
        assert_sound(disturbed.url)
        assert outcome(disturbed) == wanted, f"seed {SEED}"
        with workers.desk(disturbed.url) as billing:
            assert billing.run(on=workers.RUNS[-1]).created == 0, "nothing is left to do"
            for biller in billing.billers.all():
                assert billing.invoices.publish_all(biller=biller).published == ()
    print(f"{kills} kills in {lives} lives of {whole} steps, seed {SEED}")


class Crew:
    """Child processes that start one job at the same moment."""

    def __init__(self, jobs: Sequence[tuple[object, ...]]) -> None:
        self.members: list[tuple[Any, Connection]] = []
        for job in jobs:
            mine, theirs = CHILDREN.Pipe()
            process = CHILDREN.Process(target=workers.at_the_line, args=(theirs, *job))
            process.start()
            theirs.close()
            self.members.append((process, mine))
        for _, talk in self.members:
            assert talk.recv() == "ready"

    def start(self) -> None:
        for _, talk in self.members:
            talk.send("go")

    def results(self, *, but: Sequence[int] = ()) -> list[Any]:
        """What came of each, in order; an error of one of them is raised here."""
        found = []
        for number, (process, talk) in enumerate(self.members):
            if number in but:
                continue
            while True:
                told = talk.recv_bytes()
                if told != b".":
                    break
            _, result = multiprocessing.reduction.ForkingPickler.loads(told)
            process.join(120)
            talk.close()
            if isinstance(result, BaseException):
                raise result
            assert process.exitcode == 0
            found.append(result)
        return found


def together(*jobs: tuple[object, ...]) -> list[Any]:
    crew = Crew(jobs)
    crew.start()
    return crew.results()


@pytest.mark.rule("N1", "R11")
def test_eight_processes_publishing_at_once_some_failing_give_numbers_without_gap_or_repeat(quick: Path) -> None:
    url = f"sqlite:///{quick / 'x.db'}"
    with workers.desk(url) as billing:
        park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        who = billing.customers.add(biller=park, name="C", email="c@example.com")
        drafts = [
            billing.invoices.draft(biller=park, customer=who, title=str(n), amount=money(n + 1)).id for n in range(160)
        ]
    ways = ["plain", "failing", "deaf", "plain", "failing", "killed", "failing", "plain"]
    shares = [drafts[n :: len(ways)] for n in range(len(ways))]
    crew = Crew([(workers.publish_some, url, share, how) for share, how in zip(shares, ways, strict=True)])
    crew.start()
    victim, talk = crew.members[ways.index("killed")]
    for _ in range(7):
        assert talk.recv_bytes() == b"."
    victim.kill()
    victim.join(120)
    talk.close()
    done = crew.results(but=[ways.index("killed")])
    rest = shares[ways.index("killed")]
    with workers.desk(url) as billing:
        left = [ref for ref in rest if billing.invoices.get(ref).lifecycle is Lifecycle.DRAFT]
        assert len(rest) - len(left) >= 7, "what it told was committed stays"
        report = billing.invoices.publish_all(biller=park)
        assert {each.invoice.id for each in report.published} == set(left)
        stored = {each.id: each.number for each in all_of(store_of(billing), park, Invoice)}
    assert sorted(stored.values()) == [f"INV-{n:06d}" for n in range(1, 161)]
    for share in done:
        assert [number for _, number in share] == sorted(number for _, number in share), "in the order of commits"
        assert all(stored[ref] == number for ref, number in share)
    with rows_of(url) as db:
        assert db.execute("SELECT next_number FROM counters WHERE series = 'invoice/INV-'").fetchall() == [(161,)]
        published = db.execute("SELECT subject, detail FROM events WHERE action = 'published'").fetchall()
    assert sorted(published) == sorted(stored.items())


@pytest.mark.rule("N2", "N4", "C9", "S7")
@pytest.mark.parametrize("processes", [2, 4])
def test_runs_at_the_same_time_make_each_invoice_once(world: World, quick: Path, processes: int) -> None:
    alone = copied(world, quick / "alone")
    [reports] = together((workers.run_on_days, alone.url, workers.RUNS))
    created = [made for made, _, _ in reports]
    assert sum(created) > 200
    crowd = together(*[(workers.run_on_days, world.url, workers.RUNS)] * processes)
    assert sum(made for reports in crowd for made, _, _ in reports) == sum(created)
    assert sum(failed for reports in crowd for _, _, failed in reports) == 0
    assert_sound(world.url)
    assert without_days(outcome(world)) == without_days(outcome(alone))


def without_days(found: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Without what depends on which run was first: a process a day ahead of another draws a period a day earlier.

    Runs of different days at once are one run late and one early; each invoice is made once all the same.
    """
    return sorted((tuple(row[n] for n in (0, 1, 3, 5, 6, 8, 15)) for row in found), key=repr)


@pytest.mark.rule("N3", "C7")
def test_the_same_key_from_four_processes_makes_one_payment(world: World) -> None:
    with workers.desk(world.url) as billing:
        report = billing.invoices.publish_all(biller=world.condo)
        refs = [each.invoice.id for each in report.published]
    found = together(*[(workers.pay_with_keys, world.url, refs)] * 4)
    assert found == [found[0]] * 4
    with workers.desk(world.url) as billing:
        assert sorted(each.id for each in all_of(store_of(billing), world.condo, Payment)) == sorted(found[0])
        assert billing.invoices.summary(biller=world.condo).paid == money(100 * len(refs))


@pytest.mark.rule("C7", "D6")
def test_the_same_balance_is_recorded_once_whoever_comes_first(world: World) -> None:
    with workers.desk(world.url) as billing:
        refs = [each.invoice.id for each in billing.invoices.publish_all(biller=world.condo).published]
    found = together(*[(workers.pay_without_keys, world.url, refs)] * 4)
    for answers in zip(*found, strict=True):
        assert sorted(answer == "not_allowed" for answer in answers) == [False, True, True, True]
    with workers.desk(world.url) as billing:
        assert billing.invoices.summary(biller=world.condo).paid == money(100 * len(refs))


@pytest.mark.rule("C8")
def test_credit_withdrawn_by_four_processes_at_once_is_never_negative(world: World) -> None:
    with workers.desk(world.url) as billing:
        who = billing.customers.find(biller=world.condo)[0]
        billing.credits.deposit(who, money(20))
    found = together(*[(workers.withdraw_all, world.url, who.id)] * 4)
    assert sum(found) == 20
    with workers.desk(world.url) as billing:
        rows = billing.credits.history(who)
        assert [row.seq for row in rows] == list(range(1, 22))
        assert [row.balance for row in rows] == [money(20 - n) for n in range(21)]
        assert len(all_of(store_of(billing), world.condo, CreditEntry)) == 21


@pytest.mark.rule("C2")
def test_a_charge_is_on_one_draft_however_many_draft_it_at_once(world: World) -> None:
    with workers.desk(world.url) as billing:
        clients = [who.id for who in billing.customers.find(biller=world.practice)]
    found = together(*[(workers.draft_charges, world.url, clients)] * 4)
    for answers in zip(*found, strict=True):
        assert sorted(answer == "nothing_to_bill" for answer in answers) == [False, True, True, True]
    assert_sound(world.url)
    with workers.desk(world.url) as billing:
        assert {each.state for each in all_of(store_of(billing), world.practice, Charge)} == {"drafted"}


@pytest.mark.rule("T1", "N3")
def test_eight_processes_may_open_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    made = together(*[(workers.found_biller, url, n) for n in range(8)])
    with workers.desk(url) as billing:
        assert {each.id for each in billing.billers.all() if each.name != "Same"} == set(made)
        assert len(billing.billers.all()) == 9, "the one under a key is one"


# --- the outbox -------------------------------------------------------------------------------------------------------


def outbox_of(folder: Path, count: int) -> str:
    """A file with one park and so many e-mails to be sent."""
    url = f"sqlite:///{folder / 'outbox.db'}"
    with workers.desk(url) as billing:
        park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="fr_FR", preset="residents")
        people = billing.customers.add_many(
            biller=park, rows=[{"name": f"G{n}", "email": f"g{n}@example.com"} for n in range(count)]
        )
        for n, who in enumerate(people):
            billing.units.add(biller=park, number=str(n), resident=who)
        billing.invoices.draft_for_units(biller=park, title="Dues", amount=money(100), due=date(2026, 7, 20))
        billing.invoices.publish_all(biller=park)
    return url


def _deliver(url: str, at: datetime, server: str, pipe: Connection) -> None:
    workers.deliver_everything(url, at, server, pipe.fileno())


class Delivery(Life):
    """One child process that delivers everything at an instant."""

    def __init__(self, url: str, at: datetime, server: str) -> None:
        self.steps, theirs = CHILDREN.Pipe(duplex=False)
        self.process = CHILDREN.Process(target=_deliver, args=(url, at, server, theirs))
        self.process.start()
        theirs.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")
@pytest.mark.rule("R7", "S9")
def test_whenever_a_deliverer_is_killed_every_message_arrives_and_only_the_one_in_flight_twice(quick: Path) -> None:
    chance, at, count = random.Random(SEED), workers.NOON, 1_000
    url = outbox_of(quick, count)
    with smtp_server() as server:
        address = f"smtp://127.0.0.1:{server.port}?tls=none&sender=billing@example.org"
        ids: list[list[str]] = []
        kills = 0
        while True:
            before = len(server.messages)
            life = Delivery(url, at, address)
            # Most lives early on, on either side of an e-mail's way; the last ones may come to their end.
            alive = life.runs_for(chance.randrange(1, 160))
            for _ in range(chance.randrange(40_000)):
                pass
            killed = alive and life.killed()
            if not alive:
                assert life.ended() == 0, f"seed {SEED}"
            kills += killed
            while server.open:  # what was on its way when the process died is still read by the server
                time.sleep(0.01)
            ids.append([str(message_from_bytes(each)["Message-ID"]) for each in server.messages[before:]])
            at += LEASE  # what a dead process had is free again
            if not killed:
                break
        every = [one for life_ids in ids for one in life_ids]
    with workers.desk(url) as billing:
        [park] = billing.billers.all()
        messages = all_of(store_of(billing), park, Message)
    assert {message.state.value for message in messages} == {"sent"}, f"seed {SEED}"
    assert len(messages) == len(set(every)) == count, "each arrived, and no id stands for two"
    assert all(any(message.id in one for one in set(every)) for message in messages[:5])
    for life_number, handed_over in enumerate(ids):
        again = set(handed_over) & set(itertools.chain(*ids[life_number + 1 :]))
        assert len(again) <= 1, f"seed {SEED}: more than the one in flight"
        assert again <= set(handed_over[-1:]), f"seed {SEED}: and it was the last one"
    assert len(every) - count <= kills
    assert kills > 3
    print(f"{kills} deliverers killed, {len(every) - count} messages twice, seed {SEED}")


@pytest.mark.rule("R7")
def test_processes_that_deliver_at_once_send_each_message_once(quick: Path) -> None:
    url = outbox_of(quick, 120)
    sent = together(*[(workers.deliver_beside_others, url)] * 4)
    with workers.desk(url) as billing:
        [park] = billing.billers.all()
        messages = all_of(store_of(billing), park, Message)
    assert sorted(id for ids in sent for id in ids) == sorted(message.id for message in messages)
    assert {(message.state.value, message.tries) for message in messages} == {("sent", 1)}


@pytest.mark.rule("P3")
@pytest.mark.parametrize("bill_as", ["charge", "invoice"])
def test_processes_that_remind_at_once_remind_and_charge_each_invoice_once(quick: Path, bill_as: str) -> None:
    url = outbox_of(quick, 40)
    with workers.desk(url) as billing:
        [park] = billing.billers.all()
        billing.billers.edit(park, policy={"reminders": (7,), "late_fee": {"amount": 5, "bill_as": bill_as}})
    counts = together(*[(workers.remind_beside_others, url, date(2026, 7, 30))] * 4)
    assert sum(counts) == 80
    with workers.desk(url) as billing:
        reminders = [m for m in all_of(store_of(billing), park, Message) if m.kind == "reminder"]
        assert len({message.invoice for message in reminders}) == len(reminders) == 40
        charges, invoices = (all_of(store_of(billing), park, kind) for kind in (Charge, Invoice))
        assert len(charges) + len(invoices) == 40 + 40


@pytest.mark.rule("N1")
def test_what_was_told_as_committed_is_there_for_a_stranger(world: World) -> None:
    with workers.desk(world.url) as billing:
        billing.invoices.publish_all(biller=world.condo)
        before = everything(store_of(billing), world.condo)
        with rows_of(world.url) as db:
            assert db.execute("SELECT count(*) FROM invoices WHERE number IS NOT NULL").fetchone() == (30,)
    with workers.desk(world.url) as billing:
        assert everything(store_of(billing), world.condo) == before
