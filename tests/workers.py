"""What the child processes of test_processes do. Each function here runs in a process of its own, on a real file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, date, datetime
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from desks import Post, wiring
from invoicecore import Billing, Money, Plugins, hookimpl
from invoicecore.billing import delivering, publishing, reminding, running
from invoicecore.errors import Interrupted, InvoicecoreError, NotEnough, ObserverFailed, StoreError
from invoicecore.ports import Event, Mail, Mailer, Reader, Store, Writer
from invoicecore.testing import FixedClock
from invoicecore_adapters import sql
from invoicecore_adapters.mail.smtp import SmtpMailer

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
RUNS = tuple(date(2026, month, day) for month in (2, 3, 4, 5) for day in (1, 24)) + (date(2026, 7, 1),)
SMALL = 7  # drafts or leases a transaction, so that a small world has many

Wrap = Callable[[Store], Store]
T = TypeVar("T")


def desk(url: str, *, wrap: Wrap = lambda store: store, plugins: Sequence[object] = ()) -> Billing:
    """A desk of this process, on the file."""
    return Billing(wrap(sql.open_sql(url)), clock=FixedClock(NOON), plugins=Plugins.of(*plugins))


class Wrapped:
    """A store around another one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reading(self) -> AbstractContextManager[Reader]:
        return self._store.reading()

    def writing(self, **how: Any) -> AbstractContextManager[Writer]:
        return self._store.writing(**how)

    def close(self) -> None:
        self._store.close()


class Pace:
    """How far a process has come: it writes each step to a pipe, and waits for its turns from another where it is held."""

    def __init__(self, told: int, turns: int | None = None) -> None:
        self._told = told
        self._turns = turns

    def step(self, kind: bytes = b".") -> None:
        """Tell of one step, a byte each."""
        os.write(self._told, kind)

    def turn(self) -> None:
        """Wait for one byte; at the end of them nothing holds it back any more."""
        if self._turns is not None:
            os.read(self._turns, 1)


class Telling(Wrapped):
    """Tells each step of each transaction: whoever reads it knows where this process is."""

    def __init__(self, store: Store, pace: Pace) -> None:
        super().__init__(store)
        self._pace = pace

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self._pace.turn()  # here and nowhere within: nobody else waits for one that is held back
        self._pace.step()
        with self._store.writing(**how) as tx:
            yield _Told(tx, self._pace.step)  # type: ignore[misc]  # every method of a Writer, by its name
            self._pace.step()  # what follows is the commit
        self._pace.step()


class _Told:
    def __init__(self, writer: Writer, tell: Callable[[], None]) -> None:
        self._writer = writer
        self._tell = tell

    def __getattr__(self, name: str) -> object:
        self._tell()
        return getattr(self._writer, name)


class Failing(Wrapped):
    """Fails at the end of every third transaction, when everything in it has been written."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.count = 0

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        self.count += 1
        with self._store.writing(**how) as tx:
            yield tx
            if self.count % 3 == 0:
                raise StoreError("the disk is full")


class Deaf:
    """An observer that fails every time."""

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        raise RuntimeError("the wire is cut")


def bill_everything(url: str, pace: Pace) -> None:
    """The whole work of a business: the run on each day, then all drafts published."""
    running.PAGE = publishing.PAGE = SMALL
    with desk(url, wrap=lambda store: Telling(store, pace)) as billing:
        for day in RUNS:
            billing.run(on=day)
        for biller in looked(billing.billers.all):
            billing.invoices.publish_all(biller=biller)


def looked(look: Callable[[], T]) -> T:
    """What a look finds, however often it is interrupted."""
    while True:
        with suppress(Interrupted):
            return look()


class TellingPost:
    """A real mailer, and a step before and after each e-mail it hands over."""

    def __init__(self, url: str, pace: Pace) -> None:
        self._mailer = SmtpMailer.from_url(url)
        self._pace = pace
        self.close = self._mailer.close

    def send(self, mail: Mail) -> None:
        self._pace.turn()
        self._pace.step()
        self._mailer.send(mail)
        self._pace.step()


def posting(url: str, at: datetime, mailer: Mailer) -> Billing:
    """A desk on the file at an instant, whose e-mails go out by this mailer."""
    plugins = Plugins.of()
    wired = wiring(plugins, mailer=mailer, base_url=None)
    return Billing(sql.open_sql(url), clock=FixedClock(at), plugins=plugins, wiring=wired)


def deliver_everything(url: str, at: datetime, server: str, pace: Pace) -> None:
    """The whole outbox at an instant, to a real server."""
    delivering.PAGE = 2 * SMALL
    with posting(url, at, TellingPost(server, pace)) as billing:
        billing.deliver()


def deliver_beside_others(talk: Connection, url: str) -> list[str]:
    """The ids of the messages this process sent."""
    delivering.PAGE = SMALL
    post = Post()
    with posting(url, NOON, post) as billing:
        ready(talk)
        billing.deliver()
    return [mail.id for mail in post.sent]


def remind_beside_others(talk: Connection, url: str, on: date) -> int:
    """How many reminders and fees this process made."""
    reminding.PAGE = SMALL
    with desk(url) as billing:
        ready(talk)
        report = billing.remind(on=on)
        assert report.failed == 0
        return report.created.count


def publish_some(talk: Connection, url: str, drafts: Sequence[str], how: str) -> list[tuple[str, str]]:
    """(draft, number) of each of these drafts in the order they got them, however often that fails on the way."""
    wrap: Wrap = Failing if how == "failing" else lambda store: store
    done = []
    with desk(url, wrap=wrap, plugins=[Deaf()] if how == "deaf" else []) as billing:
        ready(talk)
        for draft in drafts:
            while True:
                try:
                    done.append((draft, billing.invoices.publish(draft).number or ""))
                    break
                except ObserverFailed:  # it is committed all the same
                    done.append((draft, billing.invoices.get(draft).number or ""))
                    break
                except StoreError:
                    continue
            talk.send_bytes(b".")
    return done


def run_on_days(talk: Connection, url: str, days: Sequence[date]) -> list[tuple[int, int, int]]:
    """(created, existing or skipped, failed) of the run of each day."""
    running.PAGE = SMALL
    reports = []
    with desk(url) as billing:
        ready(talk)
        for day in days:
            report = billing.run(on=day)
            reports.append((report.created.count, report.skipped.count, report.failed.count))
    return reports


def pay_with_keys(talk: Connection, url: str, invoices: Sequence[str]) -> list[str]:
    """The payment each invoice got, under a key of its own."""
    with desk(url) as billing:
        ready(talk)
        return [billing.payments.record(invoice, key=f"pay {invoice}").id for invoice in invoices]


def pay_without_keys(talk: Connection, url: str, invoices: Sequence[str]) -> list[str]:
    """The payments this process got in, or the code of what refused it."""
    with desk(url) as billing:
        ready(talk)
        return [_told(lambda each=invoice: billing.payments.record(each).id) for invoice in invoices]  # type: ignore[misc]


def withdraw_all(talk: Connection, url: str, customer: str) -> int:
    """How often one euro of the customer's credit could be withdrawn."""
    count = 0
    with desk(url) as billing:
        ready(talk)
        one = billing.credits.balance(customer) / 20
        try:
            while True:
                billing.credits.withdraw(customer, one)
                count += 1
        except NotEnough:
            return count


def issue_and_pay(url: str, drafts: Sequence[str], pace: Pace) -> None:
    """Publish drafts and record two payments of each, whatever comes between: every second one under keys."""

    def insist(verb: Callable[[], object], there: Callable[[], bool], *, keyed: bool) -> None:
        unknown = False
        while True:
            try:
                verb()
                return
            except Interrupted as error:
                pace.step(b"n" if error.written is False else b"?")
                unknown = unknown or error.written is None
                found = looked(there)
                if found and not unknown:
                    raise AssertionError("it was said that nothing was written") from error
                if found and not keyed:
                    return

    with desk(url, wrap=lambda store: Telling(store, pace)) as billing:
        for n, draft in enumerate(drafts):
            keys = [f"{verb} {draft}" if n % 2 else None for verb in ("publish", "pay 4", "pay 6")]
            insist(
                lambda draft=draft, key=keys[0]: billing.invoices.publish(draft, notify=True, key=key),  # type: ignore[misc]
                lambda draft=draft: billing.invoices.get(draft).number is not None,  # type: ignore[misc]
                keyed=bool(n % 2),
            )
            for amount, key in ((Money("4", "EUR"), keys[1]), (Money("6", "EUR"), keys[2])):
                insist(
                    lambda draft=draft, amount=amount, key=key: billing.payments.record(draft, amount, key=key),  # type: ignore[misc]
                    lambda draft=draft, amount=amount: (
                        amount in [p.amount for p in billing.payments.find(invoice=draft)]
                    ),  # type: ignore[misc]
                    keyed=bool(n % 2),
                )


def draft_charges(talk: Connection, url: str, customers: Sequence[str]) -> list[str]:
    """The drafts this process made of the clients' open charges, or the code of what refused it."""
    with desk(url) as billing:
        ready(talk)
        return [_told(lambda who=customer: billing.invoices.draft_from_charges(who).id) for customer in customers]  # type: ignore[misc]


def found_biller(talk: Connection, url: str, number: int) -> str:
    """A biller of this process, in a file that several open at once while it is not there yet."""
    ready(talk)
    with desk(url) as billing:
        made = billing.billers.add(name=f"B{number}", currency="EUR", timezone="UTC", locale="en_GB")
        assert billing.billers.add(name="Same", currency="EUR", timezone="UTC", locale="en_GB", key="k").name == "Same"
        return made.id


def _told(verb: Callable[[], str]) -> str:
    try:
        return verb()
    except InvoicecoreError as error:
        return error.code


def ready(talk: Connection) -> None:
    """Say that this process stands at the line, and wait for the start."""
    talk.send("ready")
    talk.recv()


def at_the_line(talk: Connection, job: Callable[..., object], *given: object) -> None:
    """Do a job and send what came of it."""
    try:
        result: object = job(talk, *given)
    except BaseException as error:
        result = error
    talk.send(("done", result))
    talk.close()
