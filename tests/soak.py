"""The soak: simulated months of six businesses, worked by several processes that are killed, and then the auditor.

    python tests/soak.py sqlite            # the full size: 24 months, 2,000 leases, 3 workers
    python tests/soak.py postgres --seed 7

A driver lets simulated time pass, plays payers, staff and banks, and hands out the work. Each worker process does run,
publish, remind, collect, recover, receive and deliver by a clock of its own, hours apart from the others; it dies by
SIGKILL at random steps, and another one takes its place. Webhooks of both providers are lost, doubled, late and mixed;
requests break. At the end everything comes to rest and `auditor.audit` looks at all of it.

All chance comes from one seed (INVOICECORE_SOAK_SEED); what the processes make of it side by side does not repeat.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import multiprocessing.connection
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import soak_worker
from auditor import Finding, Moved, Order, audit
from invoicecore.money import minor
from invoicecore.payments import ReversalKind
from invoicecore.testing import FixedClock
from invoicecore.testing.gateway_bench import Fault
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.simulators.gocardless import GoCardlessBench
from invoicecore_adapters.simulators.stripe import StripeBench
from invoicecore_adapters.stripe.gateway import StripeGateway
from soak_worker import Answer, Fuse, Job, Outside, Shift
from soak_world import BEGINS, day_of, found, mandates

SEED = int(os.environ.get("INVOICECORE_SOAK_SEED", str(random.SystemRandom().randrange(10**6))))
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
CHILDREN: Any = multiprocessing.get_context(METHOD)
if METHOD == "forkserver":
    CHILDREN.set_forkserver_preload(["soak_worker", "invoicecore_adapters.sql.store"])

NEAR = timedelta(minutes=6)
"""How far apart the clocks of workers may be that deliver at once: a message is one deliverer's for 15 minutes."""

FAULTS = (
    Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HTML_502_BEFORE, Fault.HTML_502_AFTER, Fault.TRUNCATE_AFTER,
    Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER, Fault.RATE_LIMIT,
)  # fmt: skip
REQUESTS = ("charge", "charge", "charge", "payment", "refund", "method", "cancel", "retry")


@dataclass(frozen=True)
class Size:
    """How much is simulated: `step` days at a time; `kills` is the share of rounds in which a worker dies."""

    leases: int = 2000
    months: int = 24
    workers: int = 3
    step: int = 4
    kills: float = 0.6

    @property
    def days(self) -> int:
        return round(self.months * 30.44)


@dataclass
class Verdict:
    """What came of a soak: figures by name, what the auditor found, and what no worker should ever have said."""

    seed: int
    figures: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rows = [f"{name:32} {count:>10,}" for name, count in sorted(self.figures.items())]
        told = [f"  {each.kind}: {each.about}: {each.says}" for each in self.findings[:50]]
        verdict = f"the auditor: {len(self.findings)} findings" if self.findings else "the auditor: clean"
        return "\n".join(
            [f"seed {self.seed}", *rows, verdict, *told, *(f"trouble: {each}" for each in self.troubles[:50])]
        )


# --- what is outside: banks, and the wire from the providers to us ----------------------------------------------------


class Banks:
    """Both providers, and the banks and payers behind them, who decide when their day has come."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.debits = GoCardlessBench(
            lambda access: GoCardlessGateway(
                access_token=access.access_token, webhook_secrets=access.webhook_secrets, base_url=access.base_url
            )
        )
        self.debits.provider.clock.set(BEGINS)
        self.cards = StripeBench(
            lambda access: StripeGateway(
                api_key=access.api_key,
                webhook_secrets=access.webhook_secrets,
                base_url=access.base_url,
                clock=access.clock,
            ),
            at=BEGINS,
        )
        self._over: set[str] = set()
        self.calm = False

    def outside(self, url: str, box: str) -> Outside:
        """What a worker needs to reach them."""
        debits, cards = self.debits, self.cards
        return Outside(
            url=url,
            gocardless=(debits.server.url, *debits.secrets),
            stripe=(cards.simulator.server.url, *cards.secrets),
            box=box,
        )

    def press(self, gateway: str, url: str) -> None:
        """Be the customer on a provider's page: save a method."""
        (self.debits if gateway == "gocardless" else self.cards).save(url)

    def move(self, at: datetime) -> None:
        """Let time pass at both."""
        seconds = (at - self.debits.now()).total_seconds()
        self.debits.move(seconds)
        self.cards.move(seconds)

    def decide(self) -> None:
        """Every debit whose day has come is collected or fails, some are taken back later, refunds arrive or do not."""
        if self.calm:
            return
        chance, account, today = self._chance.random, self.debits.provider.account, self.debits.now().date()
        with self.debits.provider.lock:
            for payment in [each for each in account.payments.values() if each.id not in self._over]:
                roll = chance()
                match payment.status:
                    case "pending_submission" | "submitted" if payment.charge_date <= today:
                        if roll < 0.90:
                            self.debits.collect(payment.id)
                        elif roll < 0.96:
                            self.debits.fail(payment.id, "insufficient_funds")
                        elif roll < 0.97:
                            self.debits.fail(payment.id, "bank_account_closed")
                    case "confirmed":
                        if roll < 0.006:
                            self.debits.reverse(payment.id, ReversalKind.LATE_FAILURE)
                        elif roll < 0.012:
                            self.debits.reverse(payment.id, ReversalKind.CHARGEBACK)
                        elif roll < 0.3:
                            self.debits.pay_out(payment.id)
                    case "paid_out":
                        if roll < 0.003:
                            self.debits.reverse(payment.id, ReversalKind.CHARGEBACK)
                        elif roll < 0.1:
                            self._over.add(payment.id)
                    case "charged_back" if roll < 0.1:
                        self.debits.undo_reversal(payment.id)
                    case "cancelled":
                        self._over.add(payment.id)
            for refund in [each for each in account.refunds.values() if each.status in ("created", "submitted")]:
                if (roll := chance()) < 0.7:
                    self.debits.settle_refund(refund.id, failed=roll < 0.05)
            for mandate in [each for each in account.mandates.values() if each.status == "active"]:
                if chance() < 0.0004:
                    self.debits.revoke(mandate.id)
        self._disputes()

    def _disputes(self) -> None:
        with self.cards.simulator.account.lock:
            account = self.cards.simulator.account
            for intent in account.all("payment_intent"):
                if intent["status"] == "succeeded" and intent["id"] not in self._over:
                    if self._chance.random() < 0.004:
                        self.cards.reverse(intent["id"], ReversalKind.CHARGEBACK)
                    self._over.add(intent["id"])
            for dispute in account.all("dispute"):
                if dispute["status"] == "needs_response" and (roll := self._chance.random()) < 0.1:
                    self.cards.change_dispute(dispute["id"], "won" if roll < 0.05 else "lost")
            for method in account.all("payment_method"):
                if self._chance.random() < 0.01:
                    good = account.hidden[method["id"]]["decline"] is not None
                    account.hidden[method["id"]]["decline"] = None if good else "insufficient_funds"

    def break_something(self) -> None:
        """Have the next request of a kind go wrong."""
        bench = self._chance.choice((self.debits, self.debits, self.cards))
        bench.fault(self._chance.choice(REQUESTS), self._chance.choice(FAULTS))

    def ledger(self) -> list[Moved]:
        """What really happened at both, in one list."""
        effects = [*self.debits.effects(), *self.cards.effects()]
        return [
            Moved(each.kind.value, each.key or "", each.reference, minor(each.amount) if each.amount else 0)
            for each in effects
        ]

    def waiting(self) -> set[str]:
        """The keys of payments the banks have still to decide on."""
        undecided = ("pending_customer_approval", "pending_submission", "submitted")
        return {each.key or "" for each in self.debits.provider.account.payments.values() if each.status in undecided}

    def close(self) -> None:
        """Stop both servers."""
        self.debits.close()
        self.cards.close()


class Wire:
    """What both providers send, on its way to us: lost, doubled, late and out of order."""

    def __init__(self, banks: Banks, chance: random.Random, figures: Counter[str]) -> None:
        self._banks, self._chance, self._figures = banks, chance, figures
        self._late: list[tuple[int, str, bytes, dict[str, str]]] = []
        self._rounds = 0

    def arriving(self) -> list[Job]:
        """The webhooks that reach us in this round."""
        self._rounds += 1
        self._banks.debits.provider.deliveries.batch(self._chance.choice((1, 3, 10, 40, 250)))
        sent = [("gocardless", each) for each in self._banks.debits.deliveries()]
        sent += [("stripe", each) for each in self._banks.cards.deliveries()]
        arrived = []
        for gateway, each in sent:
            self._figures["webhooks sent"] += 1
            letter, roll = (gateway, each.body, dict(each.headers)), self._chance.random()
            if roll < 0.10:
                self._figures["webhooks lost"] += 1
            elif roll < 0.30:
                self._figures["webhooks late"] += 1
                self.later(*letter, rounds=self._chance.randint(1, 40))
            else:
                arrived.append(letter)
                if roll < 0.42:
                    self._figures["webhooks doubled"] += 1
                    self.later(*letter, rounds=self._chance.choice((0, 0, 1, 5)))
        arrived += [letter for when, *letter in self._late if when <= self._rounds]  # type: ignore[misc]  # of four
        self._late = [each for each in self._late if each[0] > self._rounds]
        self._chance.shuffle(arrived)
        return [self._job(*letter) for letter in arrived]

    def later(self, gateway: str, body: bytes, headers: dict[str, str], *, rounds: int) -> None:
        """Have a webhook arrive, or arrive again, some rounds from now."""
        self._late.append((self._rounds + rounds, gateway, body, headers))

    def _job(self, gateway: str, body: bytes, headers: dict[str, str]) -> Job:
        if gateway == "stripe":  # signed with the time at which it is sent, as it is when it is sent again
            headers = {**headers, **self._banks.cards.sign(body)}
        return Job("receive", {"gateway": gateway, "body": body, "headers": headers})


# --- who works --------------------------------------------------------------------------------------------------------


class Hand:
    """A worker process, and the next one in its place when it has died."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.skew = timedelta(0)
        self.start()

    def start(self) -> None:
        self.talk, theirs = CHILDREN.Pipe()
        self.process = CHILDREN.Process(target=soak_worker.work, args=(theirs, self._outside), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, shift: Shift) -> None:
        self.jobs, self.done = shift.jobs, dict[int, Answer]()
        self.talk.send(shift)

    def hear(self) -> bool:
        """Take one answer in; False when the shift, or the process, is at its end."""
        try:
            told = self.talk.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            self.talk.close()
            return False
        if told is not None:
            self.done[told[0]] = told[1]
        return told is not None

    @property
    def alive(self) -> bool:
        return not self.talk.closed

    def close(self) -> None:
        if self.alive:
            self.talk.close()
        self.process.join(60)


class Alone:
    """A worker within this process, for small worlds without deaths."""

    def __init__(self, outside: Outside) -> None:
        self.skew = timedelta(0)
        self._clock = FixedClock(BEGINS)
        self._desk = soak_worker.opened(outside, self._clock, Fuse())
        self.alive = True

    def give(self, shift: Shift) -> None:
        self._clock.set(shift.at)
        self.jobs = shift.jobs
        self.done = {n: soak_worker.act(self._desk, job) for n, job in enumerate(shift.jobs)}

    def close(self) -> None:
        self._desk.close()


class Soak:
    """One soak on a store that is empty."""

    def __init__(self, url: str, size: Size, seed: int, folder: Path, *, processes: bool = True) -> None:
        self.url, self.size, self.chance = url, size, random.Random(seed)
        self.verdict = Verdict(seed)
        self.figures = self.verdict.figures
        self.banks = Banks(self.chance)
        self.wire = Wire(self.banks, self.chance, self.figures)
        self.box = folder / "sent"
        self.box.touch()
        self.outside = self.banks.outside(url, str(self.box))
        self.at = BEGINS
        self.orders: list[Order] = []
        self._again: list[Job] = []
        self._numbers = itertools.count(1)
        self._engine = create_engine(url, poolclass=NullPool)
        self._found()
        self.hands: list[Any] = [(Hand if processes else Alone)(self.outside) for _ in range(size.workers)]
        self._took = 0.5  # seconds a round took on average, for deaths at a moment of the clock

    def _found(self) -> None:
        with soak_worker.opened(self.outside, FixedClock(BEGINS), Fuse()) as desk:
            for biller, people in found(desk, self.size.leases, self.size.days, self.chance):
                mandates(desk, biller, people, self.banks.press, self.chance)
            for job in self.wire.arriving():
                soak_worker.act(desk, job)

    def play(self) -> Verdict:
        """All of it; what the auditor says of it is in the answer."""
        began = time.monotonic()
        ends = BEGINS + timedelta(days=self.size.days)
        while self.at < ends:
            self._step()
            if self.at.day <= self.size.step and sys.stderr.isatty():
                print(
                    f"{self.at:%Y-%m}: {time.monotonic() - began:.0f} s, {self.figures['kills']} kills", file=sys.stderr
                )
        self._settle()
        self.figures["seconds played"] = round(time.monotonic() - began)
        self.judge()
        self.figures["seconds"] = round(time.monotonic() - began)
        return self.verdict

    def close(self) -> None:
        """End the workers and the providers."""
        for hand in self.hands:
            hand.close()
        self._engine.dispose()
        self.banks.close()

    # --- time ---------------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Some days later: two rounds of a working day, hours apart, so that what is doubtful is looked at in time."""
        self._move(timedelta(days=self.size.step, hours=self.chance.randint(-5, 5)))
        self.banks.decide()
        for hand in self.hands:
            hand.skew = self.chance.choice((timedelta(0), timedelta(0), timedelta(minutes=self.chance.randint(-5, 5)),
                                            timedelta(hours=self.chance.uniform(-5, 5))))  # fmt: skip
        staff = self._staff()
        self._round(staff[::2], kill=True, daily=True)
        self._move(timedelta(hours=4))
        if self.chance.random() < 0.5:
            self.banks.break_something()
        self._round(staff[1::2], kill=True)

    def _settle(self) -> None:
        """Days without staff, faults or deaths; then the banks rest too, and what was missed is fetched."""
        self.banks.debits.clear_faults()
        self.banks.cards.clear_faults()
        for hand in self.hands:
            hand.skew = timedelta(0)
        for _ in range(6):
            self._move(timedelta(hours=13))
            self.banks.decide()
            self._round([], kill=False, daily=True)
            self._person()
        self.banks.calm = True
        since = self.at - timedelta(days=60)
        fetch = [Job("receive_missed", {"gateway": name, "since": since}) for name in ("gocardless", "stripe")]
        for gap in (8, 8, 1, 0):
            self._move(timedelta(hours=gap))
            self._person()
            bulk = ("run", "remind", "collect", "recover", "deliver")
            jobs = [*self._again, *(Job(verb) for verb in bulk[:2]), *self._publishing(), *fetch]
            self._again = []
            self._work({0: [*jobs, *(Job(verb) for verb in bulk[2:]), Job("recover"), Job("deliver")]}, {}, None)

    def _move(self, by: timedelta) -> None:
        self.at += by
        self.banks.move(self.at)

    # --- rounds -------------------------------------------------------------------------------------------------------

    def _round(self, staff: Sequence[Job], *, kill: bool, daily: bool = False) -> None:
        shares: dict[int, list[Job]] = {n: [] for n in range(len(self.hands))}
        for job in [*staff, *self._again, *self.wire.arriving(), *(self._fetching(60) if daily else [])]:
            self.chance.choice(shares).append(job)
        self._again = []
        for n, share in shares.items():
            self.chance.shuffle(share)
            share += self._bulk(n, daily=daily)
        dies = self.chance.randrange(len(self.hands)) if kill and self.chance.random() < self.size.kills else None
        steps = {}
        after = None
        if dies is not None and self.chance.random() < 0.6:
            steps[dies] = self.chance.randint(1, self.chance.choice((20, 200, 2000)))
        elif dies is not None:
            after = (dies, self.chance.uniform(0, self._took))
        self._work(shares, steps, after)

    def _bulk(self, n: int, *, daily: bool) -> list[Job]:
        """The verbs of a host's timers that this worker calls in a round, in any order."""
        verbs = [verb for verb in ("run", "collect", "recover") if self.chance.random() < 0.7]
        if daily and n == self.chance.randrange(len(self.hands)):
            verbs.append("remind")
        far = [hand for hand in self.hands if abs(hand.skew) > NEAR]
        alone = self.hands.index(far[0]) if far else None  # whose clock is far off delivers alone
        if (alone is None and self.chance.random() < 0.7) or n == alone:
            verbs.append("deliver")
        self.chance.shuffle(verbs)
        published = self._publishing() if daily and self.chance.random() < 0.5 else []
        return [*(Job(verb) for verb in verbs), *published]

    def _fetching(self, days: int) -> list[Job]:
        """About once a week, what the providers had to tell lately, for webhooks that were lost."""
        if self.chance.random() > self.size.step / 7:
            return []
        since = self.at - timedelta(days=days)
        return [Job("receive_missed", {"gateway": name, "since": since}) for name in ("gocardless", "stripe")]

    def _publishing(self) -> list[Job]:
        return [Job("publish_all", {"biller": row["id"]}) for row in self._rows("SELECT id FROM billers")]

    def _work(self, shares: dict[int, list[Job]], steps: dict[int, int], after: tuple[int, float] | None) -> None:
        """Have the workers do their shares side by side, and kill who is to die meanwhile."""
        began = time.monotonic()
        busy = {}
        for n, jobs in shares.items():
            hand = self.hands[n]
            hand.give(Shift(at=self.at + hand.skew, jobs=tuple(jobs), steps=steps.get(n)))
            if isinstance(hand, Hand):
                busy[hand.talk] = hand
        while busy:
            left = None if after is None else max(0.0, began + after[1] - time.monotonic())
            for talk in multiprocessing.connection.wait([*busy], timeout=left):
                hand = busy[talk]  # type: ignore[index]  # what was waited for
                if not hand.hear():
                    del busy[talk]  # type: ignore[arg-type]  # as above
            if after is not None and time.monotonic() >= began + after[1]:
                victim = self.hands[after[0]]
                if victim.alive and victim.talk in busy:
                    victim.process.kill()
                after = None
        for n in shares:
            self._heard(self.hands[n])
        if not steps:
            self._took = 0.9 * self._took + 0.1 * (time.monotonic() - began)

    def _heard(self, hand: Any) -> None:
        for n, job in enumerate(hand.jobs):
            answer = hand.done.get(n)
            if answer is None:
                self._unheard(job)
            else:
                self._told(job, answer)
        if not hand.alive:
            self.figures["kills"] += 1
            hand.start()

    def _unheard(self, job: Job) -> None:
        """What a worker had not answered when it died is asked for again, under the same key; webhooks perhaps."""
        if job.verb == "receive":
            self.figures["webhooks at a worker that died"] += 1
            if self.chance.random() < 0.7:
                self.wire.later(**_letter(job), rounds=self.chance.randint(1, 6))
        elif job.verb not in _TIMERS:
            self._again.append(job)

    def _told(self, job: Job, answer: Answer) -> None:
        self.figures.update(answer.counts)
        kinds = {each.partition(":")[0] for each in answer.failed}
        # An issue date before the last one of its series is refused where the policy says so, and made a day later.
        self.verdict.troubles += [f"{job.verb}: {each}" for each in answer.failed if kinds - {"NotAllowed"}]
        if answer.error and not answer.known:
            self.verdict.troubles.append(f"{job.verb} {job.given}: {answer.error}: {answer.text}")
        elif answer.error and job.verb == "receive":
            self.figures[f"webhooks refused ({answer.error})"] += 1
            self.wire.later(**_letter(job), rounds=self.chance.randint(1, 3))
        elif answer.error in ("KeyReused",) or (answer.error and job.verb in _TIMERS and not answer.again):
            self.verdict.troubles.append(f"{job.verb}: {answer.error}: {answer.text}")
        elif answer.again and job.verb not in _TIMERS:
            self.figures[f"asked again ({answer.error})"] += 1
            self._again.append(job)
        elif job.key is not None and job.verb in _MONEY:
            self.orders.append(ordered(job, answer))
        if answer.error:
            self.figures[f"refused {job.verb}"] += 1
        elif job.verb not in _TIMERS and job.verb != "receive":
            self.figures[f"done {job.verb}"] += 1

    # --- staff and payers ---------------------------------------------------------------------------------------------

    def _rows(self, statement: str, **given: object) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), given).mappings()]

    def _written(self, day: date) -> object:
        """A date as the database compares it."""
        return day.isoformat() if self._engine.dialect.name == "sqlite" else day

    def _asked(self, verb: str, **given: Any) -> Job:
        return Job(verb, given, f"{verb} {next(self._numbers)}")

    def _some(self, rows: Sequence[dict[str, Any]], expected: float) -> list[dict[str, Any]]:
        """A few of some rows, as many as expected on average."""
        whole = int(expected) + (self.chance.random() < expected % 1)
        return self.chance.sample(rows, min(whole, len(rows)))

    def _staff(self) -> list[Job]:
        """What people do in the days of one step: pay, correct, complain, move out, move in."""
        busy = max(0.6, self.size.leases / 1000)  # a small world has enough of everything too
        today = day_of(self.at)
        jobs = [
            *self._paying(today),
            *self._correcting(busy),
            *self._leasing(busy, today),
            *self._charging(busy, today),
        ]
        self.chance.shuffle(jobs)
        return jobs

    def _paying(self, today: date) -> list[Job]:
        chance, jobs = self.chance, []
        due = self._rows(
            "SELECT i.id, i.customer, i.currency, i.total_minor - i.paid_minor - i.credit_minor - i.noted_minor AS owed,"
            " l.method FROM invoices i LEFT JOIN leases l ON l.biller = i.biller AND l.id = i.lease"
            " WHERE i.phase = 'due' AND i.in_flight_minor = 0 AND i.due_on <= :soon ORDER BY i.id",
            soon=self._written(today + timedelta(days=5)),
        )
        by_payer: dict[str, list[dict[str, Any]]] = {}
        for row in due:
            if chance.random() < (0.15 if row["method"] == "direct_debit" else 0.45):
                by_payer.setdefault(row["customer"], []).append(row)
        for mine in by_payer.values():
            owed, roll = sum(row["owed"] for row in mine), chance.random()
            asked = None if roll < 0.85 else max(1, owed // 2) if roll < 0.95 else owed + 500
            row = {"asked": asked, "rest": "credit" if asked is not None and asked > owed else None}
            bills = [each["id"] for each in mine]
            jobs.append(self._asked("payments.record", invoices=bills, currency=mine[0]["currency"], **row))
        return jobs

    def _correcting(self, busy: float) -> list[Job]:
        jobs = []
        paid = self._rows(
            "SELECT id, currency, customer, paid_minor - refunded_minor AS held FROM invoices"
            " WHERE phase = 'paid' AND paid_minor > refunded_minor AND customer IS NOT NULL ORDER BY id DESC LIMIT 400"
        )
        for row in self._some(paid, 4 * busy):
            asked = self.chance.choice((row["held"], max(1, row["held"] // 3)))
            to = self.chance.choice(("source", "credit", "gateway", "gateway"))
            jobs.append(self._asked("payments.refund", invoice=row["id"], asked=asked, currency=row["currency"], to=to))
        for row in self._some(paid, 1.5 * busy):
            asked = max(1, row["held"] // 4)
            jobs.append(self._asked("credit_notes.issue", invoice=row["id"], asked=asked, currency=row["currency"]))
        by_hand = self._rows(
            "SELECT id, amount_minor FROM payments WHERE collection IS NULL ORDER BY id DESC LIMIT 200"
        )
        for row in self._some(by_hand, 2 * busy):
            jobs.append(self._asked("payments.reverse", payment=row["id"], asked=row["amount_minor"]))
        unpaid = self._rows(
            "SELECT id, currency, total_minor FROM invoices WHERE lifecycle = 'open' AND paid_minor = 0"
            " AND in_flight_minor = 0 AND noted_minor = 0 ORDER BY id DESC LIMIT 300"
        )
        for row in self._some(unpaid, 3 * busy):
            release = self.chance.random() < 0.5
            jobs.append(self._asked("invoices.void", invoice=row["id"], release=release))
        for row in self._some(unpaid, 1.5 * busy):
            jobs.append(self._asked("payments.charge", invoice=row["id"]))
        for row in self._some(unpaid, 1.5 * busy):
            asked = max(1, row["total_minor"] // 5)
            jobs.append(self._asked("credit_notes.issue", invoice=row["id"], asked=asked, currency=row["currency"]))
        people = self._rows("SELECT c.id, b.currency FROM customers c JOIN billers b ON b.id = c.biller ORDER BY c.id")
        for row in self._some(people, 4 * busy):
            asked = self.chance.randint(1_000, 90_000)
            jobs.append(self._asked("credits.deposit", customer=row["id"], asked=asked, currency=row["currency"]))
        rich = self._rows(
            "SELECT customer AS id, currency, balance_minor FROM credit_entries WHERE balance_minor > 0"
            " ORDER BY biller, customer, seq DESC LIMIT 300"
        )
        for row in self._some(rich, 2 * busy):
            asked = self.chance.randint(1, row["balance_minor"])
            jobs.append(self._asked("credits.withdraw", customer=row["id"], asked=asked, currency=row["currency"]))
        owing = self._rows(
            "SELECT i.id FROM invoices i WHERE i.phase = 'due' AND EXISTS (SELECT 1 FROM credit_entries e"
            " WHERE e.biller = i.biller AND e.customer = i.customer AND e.balance_minor > 0) ORDER BY i.id LIMIT 200"
        )
        return jobs + [self._asked("credits.apply", invoice=row["id"]) for row in self._some(owing, 3 * busy)]

    def _leasing(self, busy: float, today: date) -> list[Job]:
        jobs = []
        void = self._rows(
            "SELECT DISTINCT v.lease AS id FROM invoices v WHERE v.lifecycle = 'void' AND v.lease IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.biller = v.biller AND i.lease = v.lease"
            " AND i.period_index = v.period_index AND i.lifecycle <> 'void') ORDER BY v.lease"
        )
        for row in self._some(void, 3 * busy):
            jobs.append(self._asked("leases.generate", lease=row["id"], reissue=True))
        by_hand = self._rows(
            "SELECT l.id FROM leases l LEFT JOIN invoices i ON i.biller = l.biller AND i.lease = l.id"
            " WHERE l.method = 'manual' AND NOT l.finished AND l.starts <= :soon GROUP BY l.biller, l.id"
            " HAVING MAX(i.period_end) IS NULL OR MAX(i.period_end) <= :soon ORDER BY l.id",
            soon=self._written(today + timedelta(days=12)),
        )
        jobs += [
            self._asked("leases.generate", lease=row["id"], reissue=False)
            for row in by_hand
            if self.chance.random() < 0.6
        ]
        going = self._rows(
            "SELECT l.id, l.currency, l.rent_minor, l.ends, l.next_run_on FROM leases l WHERE NOT l.finished"
            " AND l.next_run_on IS NOT NULL ORDER BY l.id"
        )
        for row in self._some(going, 3 * busy):
            since = _day(row["next_run_on"]) + timedelta(days=self.chance.randint(8, 80))
            asked = max(1, row["rent_minor"] * self.chance.randint(90, 125) // 100)
            jobs.append(
                self._asked("leases.change_rent", lease=row["id"], asked=asked, currency=row["currency"], since=since)
            )
        for row in self._some([row for row in going if row["ends"] is None], 1.5 * busy):
            last_day = today + timedelta(days=self.chance.randint(-25, 60))
            jobs.append(Job("leases.end", {"lease": row["id"], "last_day": last_day}))
        return jobs

    def _charging(self, busy: float, today: date) -> list[Job]:
        jobs = []
        clients = self._rows(
            "SELECT c.id, b.currency FROM customers c JOIN billers b ON b.id = c.biller"
            " WHERE c.billing_cycle = 'monthly' OR b.currency IN ('USD', 'CAD') ORDER BY c.id"
        )
        for row in self._some(clients, 12 * busy):
            rows = [
                (f"Work {n}", self.chance.randint(500, 40_000), today - timedelta(days=self.chance.randint(0, 9)))
                for n in range(self.chance.randint(1, 4))
            ]
            jobs.append(self._asked("charges.add", customer=row["id"], rows=rows, currency=row["currency"]))
        for row in self._some(clients, 2 * busy):
            jobs.append(self._asked("invoices.draft_from_charges", customer=row["id"]))
        for row in self._some(clients, 3 * busy):
            prices = [self.chance.randint(100, 30_000) for _ in range(self.chance.randint(1, 5))]
            jobs.append(self._asked("invoices.draft", customer=row["id"], prices=prices, currency=row["currency"]))
        drafts = self._rows("SELECT id FROM invoices WHERE lifecycle = 'draft' ORDER BY id")
        return jobs + [Job("invoices.delete_draft", {"invoice": row["id"]}) for row in self._some(drafts, busy)]

    def _person(self) -> None:
        """Look at the provider for what nobody can tell any more, and say what is there."""
        made = {moved.key for moved in self.banks.ledger() if moved.kind in ("payment", "refund")}
        jobs = []
        for verb, name in (("collections.resolve", "collection"), ("payments.resolve_refund", "refund")):
            left = self._rows(f"SELECT id FROM {name}s WHERE state = 'unknown' AND next_try_at IS NULL")
            jobs += [Job(verb, {name: row["id"]}) for row in left if row["id"] not in made]
        if jobs:
            self.figures["doubts left to a person"] += len(jobs)
            self._work({0: jobs}, {}, None)

    # --- the end ------------------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Have the auditor look, and count what there is."""
        posted = Counter(self.box.read_text().split())
        self.figures["e-mails sent twice"] = sum(posted.values()) - len(posted)
        for table in ("invoices", "payments", "refunds", "reversals", "collections", "messages", "events", "alerts"):
            self.figures[f"rows of {table}"] = self._rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]
        self.figures["late invoices"] = self._rows("SELECT count(*) AS n FROM invoices WHERE late")[0]["n"]
        self.verdict.troubles += [f"never done: {job}" for job in self._again]
        self._reconcile()
        self.verdict.findings = audit(self.url, **self.evidence(posted))

    def _reconcile(self) -> None:
        """Ask the library itself what differs between the providers' books and ours."""
        with soak_worker.opened(self.outside, FixedClock(self.at), Fuse()) as desk:
            for name in ("gocardless", "stripe"):
                told = desk.reconcile(name, since=max(BEGINS, self.at - timedelta(days=500)))
                self.figures["payments reconciled"] += told.compared
                self.verdict.troubles += [f"reconcile: {each}" for each in told.differences]

    def evidence(self, posted: Counter[str] | None = None) -> dict[str, Any]:
        """What the world outside knows, as the auditor takes it."""
        return {
            "at": self.at,
            "ledger": self.banks.ledger(),
            "waiting": self.banks.waiting(),
            "orders": self.orders,
            "posted": posted if posted is not None else Counter(self.box.read_text().split()),
            "repeats": self.figures["kills"],
            "apart": timedelta(days=1),
        }


_TIMERS = frozenset(("run", "publish_all", "remind", "deliver", "collect", "recover", "receive_missed"))
_MONEY = frozenset(
    (
        "payments.record",
        "payments.reverse",
        "payments.refund",
        "credits.deposit",
        "credits.withdraw",
        "credit_notes.issue",
    )
)


def ordered(job: Job, answer: Answer) -> Order:
    """What somebody asked for by hand, and what was answered, as the auditor takes it."""
    named = next((job.given[name] for name in ("invoices", "invoice", "payment", "customer") if name in job.given), ())
    of = (named,) if isinstance(named, str) else tuple(named)
    return Order(job.key or "", job.verb, answer.minor or 0, done=not answer.error, of=of)


def _letter(job: Job) -> dict[str, Any]:
    return {"gateway": job.given["gateway"], "body": job.given["body"], "headers": dict(job.given["headers"])}


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def soak(url: str, size: Size, seed: int, folder: Path) -> Verdict:
    """Play a soak of a size on an empty store, and have it judged."""
    town = Soak(url, size, seed, folder)
    try:
        return town.play()
    finally:
        town.close()


def quickest() -> str | None:
    """A folder in memory where there is one: a killed process loses nothing the kernel has, so it proves the same."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main(words: Iterable[str]) -> int:
    """Play the full size, or what is asked for, and print its figures; 1 when the auditor found something."""
    asked = argparse.ArgumentParser(description="Months of billing by workers that die, and the auditor at the end.")
    asked.add_argument("database", choices=("sqlite", "postgres"), nargs="?", default="sqlite")
    for name in ("leases", "months", "workers", "step"):
        asked.add_argument(f"--{name}", type=int, default=getattr(Size(), name))
    asked.add_argument("--kills", type=float, default=Size().kills)
    asked.add_argument("--seed", type=int, default=SEED)
    given = vars(asked.parse_args([*words]))
    database, seed = given.pop("database"), given.pop("seed")
    size = Size(**given)
    print(f"{database}, seed {seed}: {size}", flush=True)
    with tempfile.TemporaryDirectory(dir=quickest()) as folder:
        if database == "postgres":
            import postgres

            url = postgres.database()
        else:
            url = f"sqlite:///{folder}/soak.db"
        verdict = soak(url, size, seed, Path(folder))
    print(verdict)
    return int(bool(verdict.findings or verdict.troubles))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
