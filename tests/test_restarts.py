"""A PostgreSQL server that goes down and comes back under workers, at random moments: they go on, each thing is done once.

It crashes and replays its log (SIGQUIT), one of its processes is killed and takes the others with it (SIGKILL), it is
shut down in order (SIGINT), an operator ends a session. `INVOICECORE_RESTARTS` sets how often each of the tests has that
happen (8 without it), and `INVOICECORE_KILL_SEED` repeats the moments, as far as a machine repeats itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from email import message_from_bytes
from functools import partial

import psycopg
import pytest

import postgres
import workers
from crews import CREW, Life, at_once, spin
from databases import Catalogue
from desks import all_of, money, store_of
from invoicecore.errors import StoreError
from invoicecore.invoices import Invoice
from invoicecore.messages import LEASE, Message
from invoicecore.payments import Payment
from invoicecore.testing.gateway_bench import EffectKind
from invoicecore.testing.samples import world
from invoicecore_adapters.sql.store import SqlStore
from providers import House, collect_and_tell
from smtp_server import running as smtp_server
from worlds import assert_sound, build, outbox, outcome, without_days

TIMES = int(os.environ.get("INVOICECORE_RESTARTS", "8"))
SEED = int(os.environ.get("INVOICECORE_KILL_SEED", str(random.SystemRandom().randrange(10**6))))

pytestmark = pytest.mark.skipif(not postgres.here(), reason="these tests need a server of their own")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A server as it is delivered: what it has committed is on its disk."""
    # After a crash it would have every file of its own written out one by one.
    syncing = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}
    made = postgres.Server(max_connections="60", **syncing)
    yield made
    made.stop()


@pytest.fixture
def databases(server: postgres.Server) -> Iterator[Catalogue]:
    """Databases of that server."""
    made = Catalogue(server.url)
    yield made
    made.close()


# One of the sessions there are, by preference a worker's within a transaction.
_BUSIEST = (
    "SELECT {} FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " ORDER BY datname NOT LIKE 'ic%', xact_start IS NULL, state_change DESC LIMIT 1"
)


class Trouble:
    """What happens to a server: each way in turn, in an order that chance decides."""

    def __init__(self, server: postgres.Server) -> None:
        self._server = server
        self._ways: dict[str, Callable[[], object]] = {
            "crashes": partial(server.restart, signal.SIGQUIT),
            "shutdowns": partial(server.restart, signal.SIGINT),
            "backends killed": self._kill,
            "sessions ended": self._end,
        }
        self._next: list[str] = []
        self.chance = random.Random(SEED)
        self.count = Counter[str]()

    @property
    def over(self) -> bool:
        """Whether there was enough of it."""
        return self.count.total() >= TIMES

    def strike(self) -> None:
        """Have the next thing happen."""
        if not self._next:
            self._next = self.chance.sample(list(self._ways), len(self._ways))
        way = self._next.pop()
        self._ways[way]()
        self.count[way] += 1

    def _kill(self) -> None:
        with (
            psycopg.connect(self._server.url, autocommit=True) as operator,
            contextlib.suppress(psycopg.OperationalError),
        ):
            while True:  # until the server has noticed, and ends everybody's session
                # One that was just leaving by itself dies without anybody noticing: then the next one.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(operator.execute(_BUSIEST.format("pid")).fetchall()[0][0], signal.SIGKILL)
        self._server.wait()

    def _end(self) -> None:
        own = contextlib.suppress(psycopg.errors.AdminShutdown)  # when there is no other
        with psycopg.connect(self._server.url, autocommit=True) as operator, own:
            operator.execute(_BUSIEST.format("pg_terminate_backend(pid)"))

    def __str__(self) -> str:
        return f"{', '.join(f'{times} {way}' for way, times in sorted(self.count.items()))}, seed {SEED}"


def through(trouble: Trouble, start: Callable[[], Life], *, steps: int) -> list[Life]:
    """Some lives at once that all come to their end, though trouble comes within so many steps of one, again and again."""
    done, chance = list[Life](), trouble.chance
    with at_once(start) as crew:
        while crew:
            one = chance.choice(crew)
            one.forget()
            for each in crew:
                each.may_go(chance.randrange(3))
            one.may_go(steps)
            if not trouble.over and one.runs_for(chance.randrange(1, steps)):
                spin(chance)
                trouble.strike()
            else:
                one.completes()
                crew.remove(one)
                done.append(one)
    return done


@pytest.mark.rule("N1", "N2", "N4", "R11", "S7", "C2", "C9", "S9")
def test_runs_and_bulk_publishes_go_on_by_themselves_and_bill_everything_once(
    server: postgres.Server, databases: Catalogue
) -> None:
    untouched = build(databases.new()).url
    alone = databases.copy(untouched)
    Life(workers.bill_everything, alone).completes()
    trouble = Trouble(server)
    while not trouble.over:
        url = databases.copy(untouched)
        through(trouble, partial(Life, workers.bill_everything, url, held=True), steps=40)
        assert_sound(url)
        assert without_days(outcome(url)) == without_days(outcome(alone)), str(trouble)
    print(f"billing: {trouble}")


@pytest.mark.rule("R7", "S9")
def test_deliverers_go_on_by_themselves_and_each_message_is_sent_once(
    server: postgres.Server, databases: Catalogue
) -> None:
    untouched = outbox(databases.new(), 80)
    trouble = Trouble(server)
    while not trouble.over:
        url, at = databases.copy(untouched), workers.NOON
        with smtp_server() as post:
            address = f"smtp://127.0.0.1:{post.port}?tls=none&sender=billing@example.org"
            for _ in range(2):  # what was taken by a commit whose answer was lost is free again the second time
                through(trouble, partial(Life, workers.deliver_everything, url, at, address, held=True), steps=12)
                at += LEASE
            got = Counter(str(message_from_bytes(each)["Message-ID"]) for each in post.messages)
        with workers.desk(url) as billing:
            [park] = billing.billers.all()
            messages = all_of(store_of(billing), park, Message)
        assert {message.state.value for message in messages} == {"sent"}, str(trouble)
        assert got == {f"<{message.id}@example.org>": 1 for message in messages}, str(trouble)
    print(f"delivering: {trouble}")


@pytest.mark.rule("D3", "D6", "P1", "S9")
def test_collectors_go_on_by_themselves_and_charge_each_invoice_once(
    server: postgres.Server, databases: Catalogue
) -> None:
    trouble = Trouble(server)
    house = House("stripe", databases.new(), policy={"collect_saved": True})
    with contextlib.closing(house):
        house.save()
        access = (house.bench.simulator.server.url, *house.bench.secrets)
        invoices: list[Invoice] = []
        while not trouble.over:
            invoices += [house.issue(due=house.clock.now().date()) for _ in range(20)]
            through(trouble, partial(Life, collect_and_tell, house.url, house.clock.now(), access, held=True), steps=20)
            house.move(minutes=20)
        house.check()
        assert len(house.charges()) == len(house.charges(EffectKind.COLLECTED)) == len(invoices), str(trouble)
        assert {house.status(invoice) for invoice in invoices} == {"paid"}
    print(f"collecting {len(invoices)} invoices: {trouble}")


@pytest.mark.rule("N1", "N3", "C7", "D6")
def test_what_was_interrupted_is_done_again_under_its_key_or_after_a_look(
    server: postgres.Server, databases: Catalogue
) -> None:
    url, count = databases.new(), 6 * TIMES
    with workers.desk(url) as billing:
        park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
        who = billing.customers.add(biller=park, name="C", email="c@example.com")
        ten = {"biller": park, "customer": who, "title": "Stay", "amount": money(10)}
        drafts = [billing.invoices.draft(**ten).id for _ in range(count)]  # type: ignore[arg-type]
    trouble, shares = Trouble(server), itertools.cycle([drafts[n::CREW] for n in range(CREW)])
    lives = through(trouble, lambda: Life(workers.issue_and_pay, url, next(shares), held=True), steps=30)
    assert trouble.over
    assert_sound(url)
    with workers.desk(url) as billing:
        invoices, payments = (all_of(store_of(billing), park, kind) for kind in (Invoice, Payment))
    assert sorted(each.number for each in invoices) == [f"INV-{n:06d}" for n in range(1, count + 1)], str(trouble)
    assert {each.balance for each in invoices} == {money(0)}
    assert Counter(each.amount for each in payments) == {money(4): count, money(6): count}
    told = sum((each.told for each in lives), Counter[bytes]())
    assert told[b"n"] + told[b"?"] > 0
    print(f"issuing and paying: {told[b'n']} times nothing was written, {told[b'?']} times nobody knew, {trouble}")


def test_a_standby_is_read_and_says_so_to_writers() -> None:
    server = postgres.Server(fsync="off")
    with contextlib.closing(SqlStore(postgres.database(server=server.url))) as store:
        with store.writing() as writer:
            writer.add(world().records)
        server.become_standby()
        for _ in range(2):
            with store.reading() as reader:
                assert len(reader.billers()) == 1
            with pytest.raises(StoreError, match="give the URL of the primary"), store.writing(biller="b1") as writer:
                writer.take_numbers("b1", "invoice", 1, date(2026, 7, 1))
    server.stop()
