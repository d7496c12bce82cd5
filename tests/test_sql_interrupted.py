"""What strikes in the midst of a transaction, as Ctrl-C, gevent's timeout and Celery's time limit do: nothing is left behind.

A profiler of one thread raises at one step after the other, so that whatever is called on the way is struck once. Cycles
are not collected meanwhile: what only the collector would close holds its locks till then.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from inspect import CO_GENERATOR
from itertools import count
from pathlib import Path
from traceback import extract_tb
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import event

import postgres
from invoicecore.charges import Charge
from invoicecore.errors import Interrupted
from invoicecore.testing import samples
from invoicecore.testing.samples import world
from invoicecore_adapters.sql.store import SqlStore

HERE = world()
LIMIT = 60.0  # seconds, of what hangs

# Of a connection that was struck while it was made: the driver says so as it goes, which may be in the next test.
pytestmark = pytest.mark.filterwarnings("ignore:.* was deleted while still open:ResourceWarning")


class Undone(BaseException):
    """As gevent.Timeout: no Exception, and no KeyboardInterrupt either, which drivers know."""


class Enough(Exception):
    """As Celery's SoftTimeLimitExceeded."""


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'rent.db'}?timeout=1"
    else:
        with postgres.lent() as made:
            yield f"{made}{'&' if '?' in made else '?'}timeout=1"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    made = SqlStore(url)
    with made.writing() as writer:
        writer.add(HERE.records)
    yield made
    made.close()


def alone(job: Callable[[], None]) -> BaseException | None:
    """What a job raised in a thread of its own, which may hang."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            job()
        except BaseException as error:
            error.add_note(" < ".join(f"{f.name}:{f.lineno}" for f in extract_tb(error.__traceback__)[:-8:-1]))
            error.__traceback__ = error.__context__ = error.__cause__ = None  # nothing of it is kept
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert raised, "it hangs"
    return raised[0]


def struck(job: Callable[[], None], step: int, error: type[BaseException]) -> BaseException | None:
    """What a job raises that is struck by an error at one of its steps; None when it had fewer."""
    steps = count()

    def strike(frame: FrameType, event: str, _: object) -> None:
        # Where Python itself looks for signals: as a function begins, and after one that is written in C. Raised as one
        # ends, or goes on after a yield, an error would pass by its `finally`, as no signal's does.
        begins = event == "call" and not frame.f_code.co_flags & CO_GENERATOR
        if (begins or event == "c_return") and next(steps) == step:
            raise error

    def run() -> None:
        sys.setprofile(strike)
        try:
            job()
        finally:
            sys.setprofile(None)

    return alone(run)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Undone, Enough])
@pytest.mark.parametrize("way", ["writing", "reading", "refused"])
def test_at_whatever_step_a_transaction_is_struck_the_next_one_begins_at_once(
    way: str, error: type[BaseException], url: str, store: SqlStore
) -> None:
    names = count()

    def transaction() -> None:
        if way == "reading":
            with store.reading() as reader:
                reader.get(Charge, "b1", ["x"])
            return
        with suppress(ZeroDivisionError), store.writing(biller="b1") as writer:
            writer.add([samples.charge(HERE, f"struck{next(names)}")])
            if way == "refused":
                raise ZeroDivisionError

    def another() -> None:
        with store.writing(biller="b1") as writer:
            writer.add([samples.charge(HERE, f"x{next(names)}")])

    transaction()  # what is done but once is done
    for step in count(step=1 if way == "writing" and url.startswith("sqlite") else 7):
        raised = struck(transaction, step, error)
        if raised is None:
            break
        # That it struck within the commit is for nobody to know.
        told = isinstance(raised, error) or (isinstance(raised, Interrupted) and raised.written is None)
        assert told, f"{raised!r} after {step} steps, in {raised.__notes__}"
        assert alone(another) is None, f"after {step} steps, in {raised.__notes__}"
    assert step > 100


def test_what_a_signal_raised_within_a_statement_comes_out_as_it_is(store: SqlStore) -> None:
    def too_late(*_: object) -> None:
        raise Enough

    event.listen(store._database._engine, "before_cursor_execute", too_late)  # type: ignore[attr-defined]
    with pytest.raises(Enough), store.reading() as reader:
        reader.get(Charge, "b1", ["x"])


def test_what_strikes_a_statement_undoes_it_also_when_it_is_swallowed(
    monkeypatch: pytest.MonkeyPatch, store: SqlStore
) -> None:
    dialect = store._database.dialect
    insert = dialect.insert

    def cut_off(*given: Any) -> None:
        insert(*given)
        raise Enough

    def swallow() -> None:
        with store.writing(biller="b1") as writer, suppress(Enough):
            writer.add([samples.charge(HERE, "x")])

    with monkeypatch.context() as patched:
        patched.setattr(dialect, "insert", cut_off)
        with pytest.raises(Interrupted) as told:
            swallow()
    assert told.value.written is False
    with store.reading() as reader:
        assert reader.get(Charge, "b1", ["x"]) == {}


def test_a_commit_that_a_signal_cut_off_is_told_as_what_became_of_it(url: str, store: SqlStore) -> None:
    def too_late(_: object) -> None:
        raise Enough

    event.listen(store._database._engine, "commit", too_late)  # type: ignore[attr-defined]
    # A file can be asked whether it still has the transaction; the server may have had the word.
    expected: type[Exception] = Enough if url.startswith("sqlite") else Interrupted
    with pytest.raises(expected) as told, store.writing(biller="b1") as writer:
        writer.add([samples.charge(HERE, "x")])
    assert getattr(told.value, "written", None) is None
    event.remove(store._database._engine, "commit", too_late)  # type: ignore[attr-defined]
    with store.writing(biller="b1") as writer:
        assert writer.get(Charge, "b1", ["x"]) == {}


def test_a_commit_that_a_signal_struck_when_it_was_done_is_never_told_as_undone(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = store._database._engine.dialect  # type: ignore[attr-defined]
    commit = dialect.do_commit

    def struck(connection: object) -> None:
        commit(connection)
        raise Enough

    with monkeypatch.context() as patched:
        patched.setattr(dialect, "do_commit", struck)
        with pytest.raises(Interrupted) as told, store.writing(biller="b1") as writer:
            writer.add([samples.charge(HERE, "x")])
    assert told.value.written is None
    with store.reading() as reader:
        assert reader.get(Charge, "b1", ["x"]).keys() == {"x"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, Undone, Enough])
def test_a_server_in_the_midst_of_a_long_statement_is_told_to_stop(error: type[BaseException]) -> None:
    def strike(_: int, __: FrameType | None) -> None:
        raise error

    def once_it_sleeps() -> None:
        with postgres.rows_of(url) as look:
            while not look.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchall():
                look.rollback()  # which ends the view it has of them
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, strike)
    with postgres.lent() as url, closing(SqlStore(f"{url}{'&' if '?' in url else '?'}timeout=5")) as store:
        with store.writing() as writer:
            writer.add(HERE.records)
        watch = threading.Thread(target=once_it_sleeps, daemon=True)
        watch.start()
        with pytest.raises(error), store.writing(biller="b1") as writer:
            writer._connection.exec_driver_sql("SELECT pg_sleep(600)")  # type: ignore[attr-defined]
        watch.join()
        with store.writing(biller="b1") as writer:
            writer.add([samples.charge(HERE, "x")])
    signal.signal(signal.SIGUSR1, before)
