"""Several processes on one database, and processes that are killed: nothing doubled, missing or half-written.

Every test is about an SQLite file and a PostgreSQL server. `INVOICECORE_KILLS` sets how many processes each of the
tests that kill kills (SIGKILL, at random moments; 12 without it), and `INVOICECORE_KILL_SEED` repeats the moments of a run
that failed, as far as a machine repeats itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from email import message_from_bytes
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest

import workers
from crews import Crew, Life, harassed, spin, together
from databases import Catalogue, Databases, Files, rows_of
from desks import all_of, everything, money, store_of
from invoicecore.charges import Charge
from invoicecore.collection import Collection, CollectionState
from invoicecore.credits import CreditEntry
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import LEASE, Message
from invoicecore.payments import Payment
from invoicecore.testing.gateway_bench import EffectKind
from providers import House, collect_and_tell
from smtp_server import running as smtp_server
from worlds import World, assert_sound, build, outbox, outcome, without_days

KILLS = int(os.environ.get("INVOICECORE_KILLS", "12"))
SEED = int(os.environ.get("INVOICECORE_KILL_SEED", str(random.SystemRandom().randrange(10**6))))

DOUBTFUL = {CollectionState.SUBMITTING, CollectionState.UNKNOWN}

posix = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a signal of POSIX")


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing the kernel has, so it proves the same."""
    memory = "/dev/shm"
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, quick: Path, tmp_path: Path) -> Iterator[Databases]:
    """Where the databases of a test come from; every test runs once with each kind."""
    made: Databases = Files(quick, tmp_path) if request.param == "sqlite" else Catalogue()
    yield made
    made.close()


@pytest.fixture
def world(databases: Databases) -> World:
    return build(databases.new())


def copied(world: World, databases: Databases) -> World:
    """The same world in another database; the desk that made it is closed, so nobody has it open."""
    return attrs.evolve(world, url=databases.copy(world.url))


# --- processes that are killed ----------------------------------------------------------------------------------------


def undisturbed(world: World, databases: Databases) -> tuple[int, list[tuple[object, ...]]]:
    """How many steps the whole work takes one process when nobody disturbs it, and what it bills."""
    copy = copied(world, databases)
    steps = Life(workers.bill_everything, copy.url).completes()
    assert_sound(copy.url)
    wanted = outcome(copy.url)
    assert len(wanted) > 200
    return steps, wanted


def assert_complete(world: World) -> None:
    """Nothing is left to do."""
    with workers.desk(world.url) as billing:
        assert billing.run(on=workers.RUNS[-1]).created == 0
        for biller in billing.billers.all():
            assert billing.invoices.publish_all(biller=biller).published == ()


@posix
@pytest.mark.rule("N1", "N2", "N4", "S7", "C2", "C9", "S9")
def test_whenever_a_process_is_killed_the_next_one_completes_its_work(world: World, databases: Databases) -> None:
    chance = random.Random(SEED)
    whole, wanted = undisturbed(world, databases)
    kills = lives = 0
    while kills < KILLS:
        lives += 1
        disturbed = copied(world, databases)
        done = False
        while not done:
            # Most moments early enough that the work takes several processes, some close to its end.
            life = Life(workers.bill_everything, disturbed.url)
            if kills < KILLS and life.runs_for(chance.randrange(1, whole // chance.choice((1, 4, 8)))):
                spin(chance)
                done = not life.killed()
            else:
                life.completes()
                done = True
            kills += not done
            try:
                assert_sound(disturbed.url)
            except AssertionError as error:
                error.add_note(f"seed {SEED}, kill {kills}")
                raise
        assert outcome(disturbed.url) == wanted, f"seed {SEED}"
        assert_complete(disturbed)
    print(f"{kills} kills in {lives} lives of {whole} steps, seed {SEED}")


@posix
@pytest.mark.rule("N1", "N2", "N4", "R11", "S7", "C2", "C9", "S9")
def test_while_one_after_the_other_is_killed_the_others_go_on_and_bill_everything_once(
    world: World, databases: Databases
) -> None:
    chance = random.Random(SEED)
    _, wanted = undisturbed(world, databases)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        disturbed = copied(world, databases)
        start = partial(Life, workers.bill_everything, disturbed.url, held=True)
        kills += len(harassed(start, chance, kills=KILLS - kills, steps=30))
        assert_sound(disturbed.url)
        assert without_days(outcome(disturbed.url)) == without_days(wanted), f"seed {SEED}"
        assert_complete(disturbed)
    print(f"{kills} of three that bill killed in {rounds} rounds, seed {SEED}")


@posix
@pytest.mark.rule("R7", "S9")
def test_whenever_a_deliverer_is_killed_every_message_arrives_and_only_the_one_in_flight_twice(
    databases: Databases,
) -> None:
    chance, at, count = random.Random(SEED), workers.NOON, 15 * KILLS
    url = outbox(databases.new(), count)
    with smtp_server() as server:
        numbers = itertools.count()
        names: dict[Life, str] = {}

        def start() -> Life:
            sender = f"life-{next(numbers)}@example.org"
            address = f"smtp://127.0.0.1:{server.port}?tls=none&sender={sender}"
            life = Life(workers.deliver_everything, url, at, address, held=True)
            names[life] = sender
            return life

        dead = list[Life]()
        while some := harassed(start, chance, kills=KILLS - len(dead), steps=10):
            dead += some
            at += LEASE  # what the dead had is free again
        while server.open:  # what was on its way when its process died is still read by the server
            time.sleep(0.01)
        got = [message_from_bytes(each) for each in server.messages]
    told: dict[str, list[str]] = {name: [] for name in names.values()}
    for each in got:
        told[parseaddr(str(each["From"]))[1]].append(str(each["Message-ID"]))
    with workers.desk(url) as billing:
        [park] = billing.billers.all()
        messages = all_of(store_of(billing), park, Message)
    assert {message.state.value for message in messages} == {"sent"}, f"seed {SEED}"
    arrived = Counter(itertools.chain(*told.values()))
    assert len(messages) == len(arrived) == count, "each arrived, and no id stands for two"
    assert set(arrived) == {f"<{message.id}@example.org>" for message in messages}
    in_flight = {told[names[life]][-1] for life in dead if told[names[life]]}
    assert {id for id, times in arrived.items() if times > 1} <= in_flight, f"seed {SEED}: more than what was in flight"
    assert len(dead) == KILLS
    assert len(got) - count <= KILLS
    print(f"{len(dead)} of three deliverers killed, {len(got) - count} messages twice, seed {SEED}")


@posix
@pytest.mark.rule("D3", "D6", "P1", "S9")
def test_while_one_after_the_other_is_killed_the_others_go_on_and_collect_each_invoice_once(
    databases: Databases,
) -> None:
    chance, count = random.Random(SEED), 3 * KILLS
    house = House("stripe", databases.new(), policy={"collect_saved": True})
    with contextlib.closing(house):
        house.save()
        invoices = [house.issue(due=house.clock.now().date()) for _ in range(count)]
        access = (house.bench.simulator.server.url, *house.bench.secrets)
        start = partial(Life, collect_and_tell, house.url, house.clock.now(), access, held=True)
        dead = harassed(start, chance, kills=KILLS, steps=20)
        assert len(dead) == KILLS
        under_way = sum(each.state in DOUBTFUL for each in all_of(store_of(house.desk), house.park, Collection))
        house.move(minutes=20)
        house.check()
        assert len(house.charges()) == len(house.charges(EffectKind.COLLECTED)) == count, f"seed {SEED}"
        assert {house.status(invoice) for invoice in invoices} == {"paid"}
    print(f"{len(dead)} of three collectors killed, {under_way} of {count} left to the next, seed {SEED}")


# --- processes at the same time ---------------------------------------------------------------------------------------


@pytest.mark.rule("N1", "R11")
def test_eight_processes_publishing_at_once_some_failing_give_numbers_without_gap_or_repeat(
    databases: Databases,
) -> None:
    url = databases.new()
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
    with rows_of(url) as ask:
        assert ask("SELECT next_number FROM counters WHERE series = 'invoice/INV-'") == [(161,)]
        published = ask("SELECT subject, detail FROM events WHERE action = 'published'")
    assert sorted(published) == sorted(stored.items())


@pytest.mark.rule("N2", "N4", "C9", "S7")
def test_runs_at_the_same_time_make_each_invoice_once(world: World, databases: Databases) -> None:
    alone = copied(world, databases)
    [reports] = together((workers.run_on_days, alone.url, workers.RUNS))
    created = [made for made, _, _ in reports]
    assert sum(created) > 200
    crowd = together(*[(workers.run_on_days, world.url, workers.RUNS)] * 4)
    assert sum(made for reports in crowd for made, _, _ in reports) == sum(created)
    assert sum(failed for reports in crowd for _, _, failed in reports) == 0
    assert_sound(world.url)
    assert without_days(outcome(world.url)) == without_days(outcome(alone.url))


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
def test_eight_processes_may_open_a_database_that_has_nothing_in_it_yet(databases: Databases) -> None:
    url = databases.new(bare=True)
    made = together(*[(workers.found_biller, url, n) for n in range(8)])
    with workers.desk(url) as billing:
        assert {each.id for each in billing.billers.all() if each.name != "Same"} == set(made)
        assert len(billing.billers.all()) == 9, "the one under a key is one"


@pytest.mark.rule("R7")
def test_processes_that_deliver_at_once_send_each_message_once(databases: Databases) -> None:
    url = outbox(databases.new(), 120)
    sent = together(*[(workers.deliver_beside_others, url)] * 4)
    with workers.desk(url) as billing:
        [park] = billing.billers.all()
        messages = all_of(store_of(billing), park, Message)
    assert sorted(id for ids in sent for id in ids) == sorted(message.id for message in messages)
    assert {(message.state.value, message.tries) for message in messages} == {("sent", 1)}


@pytest.mark.rule("P3")
@pytest.mark.parametrize("bill_as", ["charge", "invoice"])
def test_processes_that_remind_at_once_remind_and_charge_each_invoice_once(databases: Databases, bill_as: str) -> None:
    url = outbox(databases.new(), 40)
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
        with rows_of(world.url) as ask:
            assert ask("SELECT count(*) FROM invoices WHERE number IS NOT NULL") == [(30,)]
    with workers.desk(world.url) as billing:
        assert everything(store_of(billing), world.condo) == before
