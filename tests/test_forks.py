"""What a forked child does with what it finds in its memory: the parent's locks, its connections, its pauses."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

import postgres
from conftest import NOON
from desks import BASE, Drawer, Scribe, money
from invoicecore import Billing, Plugins
from invoicecore.billing import ids
from invoicecore.billing.desk import uncollected
from invoicecore.billing.wiring import Wiring
from invoicecore.charges import Charge
from invoicecore.errors import StoreError
from invoicecore.ports import Mail
from invoicecore.testing import FixedClock, samples
from invoicecore.testing.checks import ids as stored
from invoicecore_adapters import sql
from invoicecore_adapters.mail.smtp import SmtpMailer
from invoicecore_adapters.sql.store import SqlStore
from mails import SENDER, a_mail
from smtp_server import PATIENCE, running

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # on purpose
]


def in_a_child(job: Callable[[], object]) -> None:
    """Do a job in a forked process; it fails when the job does, or hangs."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(int(PATIENCE))  # it ends this process
            job()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status), "the child waited for what its parent held"
    assert os.WEXITSTATUS(status) == 0


@contextmanager
def a_thread_within(work: Callable[[Callable[[], None]], object]) -> Iterator[None]:
    """A thread that is in the middle of its work: where it calls what it is given."""
    reached, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        assert go_on.wait(PATIENCE)

    thread = threading.Thread(target=work, args=(pause,))
    thread.start()
    assert reached.wait(PATIENCE)
    try:
        yield
    finally:
        go_on.set()
        thread.join()


def test_a_child_does_not_speak_on_the_connection_of_its_parent() -> None:
    with (
        running() as server,
        closing(SmtpMailer("127.0.0.1", server.port, sender=SENDER, security="none", timeout=10)) as mailer,
    ):
        mailer.send(a_mail(id="before"))
        in_a_child(lambda: mailer.send(a_mail(id="child")))
        assert server.connections == 2
        mailer.send(a_mail(id="after"))
        assert server.connections == 2, "and the parent goes on with its own"
        assert len(server.messages) == 3


class Held:
    """A mailer that is in the middle of its first e-mail until it may go on."""

    def __init__(self) -> None:
        self.pause: Callable[[], None] | None = None

    def send(self, mail: Mail) -> None:
        if self.pause is not None:
            self.pause()

    def close(self) -> None: ...


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/x.db" if request.param == "sqlite" else stack.enter_context(postgres.lent())
        yield stack.enter_context(closing(SqlStore(url)))


@pytest.mark.parametrize("leaves", [None, ZeroDivisionError, SystemExit])
def test_a_child_forked_within_a_transaction_leaves_it_to_its_parent(
    leaves: type[BaseException] | None, sql_store: SqlStore
) -> None:
    here, inside = samples.world(), ExitStack()
    with sql_store.writing() as writer:
        writer.add(here.records)

    def leave() -> None:
        with inside:
            if leaves is not None:
                raise leaves

    def child() -> None:
        with pytest.raises(leaves or StoreError):
            leave()
        gc.collect()  # what is left of it says nothing to the server either

    with inside:
        writer = inside.enter_context(sql_store.writing(biller=here.id))
        writer.add([samples.charge(here, "x1")])
        in_a_child(child)
        writer.add([samples.charge(here, "x2")])
    with sql_store.reading() as reader:
        assert stored(reader.find(Charge, here.id, {})) == ["x1", "x2"]


def test_a_child_delivers_while_a_thread_of_its_parent_does(tmp_path: Path) -> None:
    mailer = Held()
    wiring = Wiring(Plugins.of(), mailer=mailer, renderer=Drawer(), composer=Scribe(), base_url=BASE)
    billing = Billing(sql.open_sql(f"sqlite:///{tmp_path / 'rent.db'}"), clock=FixedClock(NOON), wiring=wiring)
    parks = [
        billing.billers.add(name=name, currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays")
        for name in ("One", "Two")
    ]
    for park in parks:
        who = billing.customers.add(biller=park, name="Tenant", email="tenant@example.org")
        draft = billing.invoices.draft(biller=park, customer=who, title="Stay", amount=money(100))
        billing.invoices.publish(draft, notify=True)

    def deliver(pause: Callable[[], None]) -> None:
        mailer.pause = pause
        billing.deliver(biller=parks[0])

    def child() -> None:
        mailer.pause = None
        assert billing.deliver(biller=parks[1]).sent == 1

    with closing(billing), a_thread_within(deliver):
        in_a_child(child)


def test_a_child_makes_ids_while_a_thread_of_its_parent_does() -> None:
    def make(pause: Callable[[], None]) -> None:
        with ids._stems._lock:
            pause()

    with a_thread_within(make):
        in_a_child(lambda: next(ids.id_stream("b1", "inv", NOON)))


def test_the_collector_of_a_child_does_not_wait_for_a_page_of_its_parent() -> None:
    def page(pause: Callable[[], None]) -> None:
        with uncollected():
            pause()

    def child() -> None:
        assert gc.isenabled()

    with a_thread_within(page):
        assert not gc.isenabled()
        in_a_child(child)
    assert gc.isenabled()


def test_a_collector_that_the_host_switched_off_stays_off_in_a_child() -> None:
    def child() -> None:
        assert not gc.isenabled()

    gc.disable()
    try:
        in_a_child(child)
    finally:
        gc.enable()
