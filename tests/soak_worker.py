"""One worker of the soak: a process that does what it is told by its own clock, and may die at any step of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from desks import BASE, Drawer, wiring
from invoicecore import Billing, Plugins
from invoicecore.errors import GatewayError, InvoicecoreError
from invoicecore.invoices import Item
from invoicecore.money import from_minor, minor
from invoicecore.ports import Composed, Mail, Writer
from invoicecore.testing import FixedClock
from invoicecore_adapters import sql
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.stripe.gateway import StripeGateway
from workers import Wrapped, _Told


@dataclass(frozen=True)
class Outside:
    """Where everything is: the store's URL, the two providers' (address, key, webhook secret), the file of sent e-mails."""

    url: str
    gocardless: tuple[str, str, str]
    stripe: tuple[str, str, str]
    box: str


@dataclass(frozen=True)
class Job:
    """One thing to do: a verb of `VERBS`, what it is given, and under which key; amounts in minor units."""

    verb: str
    given: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a job: what it moved in minor units, or counts by name; `error` is the name of what refused it.

    `again` is whether it is worth asking for once more, `failed` what a bulk verb could not deal with, by its text.
    """

    minor: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    text: str = ""
    again: bool = False
    known: bool = True
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shift:
    """The jobs of one round, the instant at which they are done, and after how many steps the process dies, if it does."""

    at: datetime
    jobs: tuple[Job, ...]
    steps: int | None = None


class Fuse:
    """Kills this process at the last of so many steps; what it has been doing is as far as it has got."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Stepping(Wrapped):
    """A store that counts a step before each write and on either side of each commit."""

    def __init__(self, store: Any, fuse: Fuse) -> None:
        super().__init__(store)
        self._fuse = fuse

    @contextmanager
    def writing(self, **how: Any) -> Iterator[Writer]:
        with self._store.writing(**how) as tx:
            yield _Told(tx, self._fuse.step)  # type: ignore[misc]  # every method of a Writer, by its name
            self._fuse.step()  # what follows is the commit
        self._fuse.step()


class SteppingGateway:
    """A gateway that counts a step on either side of each request."""

    def __init__(self, gateway: Any, fuse: Fuse) -> None:
        self._gateway = gateway
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        if not callable(found):
            return found

        def asked(*given: Any, **named: Any) -> Any:
            self._fuse.step()
            answer = found(*given, **named)
            self._fuse.step()
            return answer

        return asked


class Postbox:
    """A mailer that writes down, for good, the id of each message it was handed."""

    def __init__(self, path: str, fuse: Fuse) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._fuse = fuse

    def send(self, mail: Mail) -> None:
        self._fuse.step()
        os.write(self._file, f"{mail.id}\n".encode())
        self._fuse.step()

    def close(self) -> None:
        os.close(self._file)


class Plain:
    """A composer that keeps nothing and lays nothing out."""

    def compose(self, letter: Any) -> Composed:
        return Composed(subject=letter.subject, text=letter.subject, html=f"<p>{letter.subject}</p>")


def opened(outside: Outside, clock: FixedClock, fuse: Fuse) -> Billing:
    """A desk on the store, with both providers and an outbox."""
    plugins = Plugins.of(sql.plugin)
    address, token, secret = outside.gocardless
    debits = GoCardlessGateway(access_token=token, webhook_secrets=(secret,), base_url=address, timeout=60.0)
    address, token, secret = outside.stripe
    cards = StripeGateway(api_key=token, webhook_secrets=(secret,), base_url=address, timeout=60.0, clock=clock)
    gateways = [SteppingGateway(gateway, fuse) for gateway in (debits, cards)]
    mailer = Postbox(outside.box, fuse)
    wired = wiring(plugins, clock, mailer=mailer, renderer=Drawer(), composer=Plain(), gateway=gateways, base_url=BASE)
    return Billing(Stepping(plugins.store(outside.url), fuse), clock=clock, plugins=plugins, wiring=wired)


_ERROR = re.compile(r"[A-Z]\w+: ")


# --- what it can be told to do ----------------------------------------------------------------------------------------


def _run(billing: Billing, **given: Any) -> Answer:
    report = billing.run()
    failed = tuple(told.text for told in report.failed)
    return Answer(counts={"invoices": report.created.count, "late": report.late.count}, failed=failed)


def _publish_all(billing: Billing, *, biller: str) -> Answer:
    report = billing.invoices.publish_all(biller=biller)
    failed = tuple(f"{type(each.error).__name__}: {each.error}" for each in report.failed)
    return Answer(counts={"published": len(report.published)}, failed=failed)


def _remind(billing: Billing) -> Answer:
    report = billing.remind()
    return Answer(counts={"reminders and fees": report.created.count}, failed=tuple(t.text for t in report.failed))


def _deliver(billing: Billing) -> Answer:
    report = billing.deliver()
    failed = tuple(told.text for told in report.failed)
    return Answer(counts={"e-mails": report.sent.count}, failed=failed)


def _work(verb: str) -> Callable[..., Answer]:
    def work(billing: Billing) -> Answer:
        report = getattr(billing, verb)()
        # A decline is an answer; what has the name of an error is not one of ours.
        odd = tuple(told.text for told in report.failed if told.code == "failed" and _ERROR.match(told.text))
        return Answer(counts={f"dealt with by {verb}": report.count}, failed=odd)

    return work


def _receive(billing: Billing, *, gateway: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    told = billing.receive(gateway, body, headers)
    return Answer(counts={f"events {state}": sum(t.state == state for t in told) for state in {t.state for t in told}})


def _missed(billing: Billing, *, gateway: str, since: datetime) -> Answer:
    told = billing.receive_missed(gateway, since=since)
    return Answer(counts={"events fetched": sum(each.state == "applied" for each in told)})


def _record(
    billing: Billing, key: str | None, *, invoices: list[str], asked: int | None, rest: str | None, currency: str
) -> Answer:
    amount = from_minor(asked, currency) if asked is not None else None
    return Answer(minor=minor(billing.payments.record(invoices, amount, rest=rest, key=key).amount))


def _reverse(billing: Billing, key: str | None, *, payment: str, asked: int) -> Answer:
    billing.payments.reverse(payment, reason="bounced", key=key)
    return Answer(minor=asked)


def _deposit(billing: Billing, key: str | None, *, customer: str, asked: int, currency: str) -> Answer:
    return Answer(minor=minor(billing.credits.deposit(customer, from_minor(asked, currency), key=key).amount))


def _withdraw(billing: Billing, key: str | None, *, customer: str, asked: int, currency: str) -> Answer:
    return Answer(minor=-minor(billing.credits.withdraw(customer, from_minor(asked, currency), key=key).amount))


def _apply(billing: Billing, key: str | None, *, invoice: str) -> Answer:
    return Answer(minor=-minor(billing.credits.apply(invoice, key=key).amount))


def _refund(billing: Billing, key: str | None, *, invoice: str, asked: int, currency: str, to: str) -> Answer:
    made = billing.payments.refund(invoice, from_minor(asked, currency), to=to, key=key)
    return Answer(minor=minor(made.amount))


def _credit(billing: Billing, key: str | None, *, invoice: str, asked: int, currency: str) -> Answer:
    return Answer(minor=minor(billing.credit_notes.issue(invoice, amount=from_minor(asked, currency), key=key).total))


def _void(billing: Billing, key: str | None, *, invoice: str, release: bool) -> Answer:
    billing.invoices.void(invoice, release_charges=release, key=key)
    return Answer()


def _generate(billing: Billing, key: str | None, *, lease: str, reissue: bool) -> Answer:
    billing.leases.generate(lease, reissue=reissue, key=key)
    return Answer(counts={"invoices": 1})


def _reprice(billing: Billing, key: str | None, *, lease: str, asked: int, currency: str, since: Any) -> Answer:
    billing.leases.change_rent(lease, from_minor(asked, currency), since, key=key)
    return Answer()


def _end(billing: Billing, *, lease: str, last_day: Any) -> Answer:
    billing.leases.end(lease, last_day)
    return Answer()


def _charge(billing: Billing, key: str | None, *, invoice: str) -> Answer:
    billing.payments.charge(invoice, key=key)
    return Answer()


def _charges(
    billing: Billing, key: str | None, *, customer: str, rows: list[tuple[str, int, Any]], currency: str
) -> Answer:
    written = [{"description": what, "amount": from_minor(asked, currency), "on": day} for what, asked, day in rows]
    billing.charges.add_many(written, customer=customer, key=key)
    return Answer()


def _draft_charges(billing: Billing, key: str | None, *, customer: str) -> Answer:
    billing.invoices.draft_from_charges(customer, key=key)
    return Answer()


def _draft(billing: Billing, key: str | None, *, customer: str, prices: list[int], currency: str) -> Answer:
    lines = [Item(description=f"Item {n}", unit_price=from_minor(each, currency)) for n, each in enumerate(prices)]
    billing.invoices.draft(biller=customer.partition("_")[0], customer=customer, title="Extra", lines=lines, key=key)
    return Answer()


def _delete(billing: Billing, *, invoice: str) -> Answer:
    billing.invoices.delete_draft(invoice)
    return Answer()


def _resolve(billing: Billing, *, collection: str) -> Answer:
    billing.collections.resolve(collection, outcome="not_collected", note="the provider never had it")
    return Answer()


def _resolve_refund(billing: Billing, *, refund: str) -> Answer:
    billing.payments.resolve_refund(refund, outcome="not_refunded", note="the provider never had it")
    return Answer()


VERBS: Mapping[str, Callable[..., Answer]] = {
    "run": _run,
    "publish_all": _publish_all,
    "remind": _remind,
    "deliver": _deliver,
    "collect": _work("collect"),
    "recover": _work("recover"),
    "receive": _receive,
    "receive_missed": _missed,
    "payments.record": _record,
    "payments.reverse": _reverse,
    "payments.refund": _refund,
    "payments.resolve_refund": _resolve_refund,
    "payments.charge": _charge,
    "credits.deposit": _deposit,
    "credits.withdraw": _withdraw,
    "credits.apply": _apply,
    "credit_notes.issue": _credit,
    "invoices.void": _void,
    "invoices.draft": _draft,
    "invoices.draft_from_charges": _draft_charges,
    "invoices.delete_draft": _delete,
    "leases.generate": _generate,
    "leases.change_rent": _reprice,
    "leases.end": _end,
    "charges.add": _charges,
    "collections.resolve": _resolve,
}

PASSING = ("Conflict", "StoreError", "Interrupted")
"""Errors that say nothing about what was asked for: it may be asked for again."""


def act(billing: Billing, job: Job) -> Answer:
    """Do one job; what refuses it is in the answer, and what is a defect is not `known`."""
    named = {"key": job.key} if job.key is not None else {}
    try:
        return VERBS[job.verb](billing, **named, **job.given)
    except Exception as error:
        name = type(error).__name__
        again = name in PASSING or isinstance(error, GatewayError)
        return Answer(error=name, text=str(error), again=again, known=isinstance(error, InvoicecoreError))


def work(talk: Connection, outside: Outside) -> None:
    """Do shifts until there are none: each answer is told at once, and None after the last one of a shift."""
    fuse, clock = Fuse(), None
    billing = None
    with contextlib.suppress(EOFError):
        while True:
            shift: Shift = talk.recv()
            if billing is None or clock is None:
                clock = FixedClock(shift.at)
                billing = opened(outside, clock, fuse)
            clock.set(shift.at)
            fuse.left = shift.steps
            for n, job in enumerate(shift.jobs):
                talk.send((n, act(billing, job)))
            fuse.left = None
            talk.send(None)
