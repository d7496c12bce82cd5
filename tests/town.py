"""An honest business that has lived through everything that moves money once, for the auditor to look at."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import soak_worker
from auditor import Order
from invoicecore import Frequency, InvoiceMethod, Item, Money
from invoicecore.bookings import Booking, Group
from invoicecore.invoices import Invoice
from invoicecore.money import from_minor, minor
from invoicecore.parties import Biller, Customer
from invoicecore.payments import ReversalKind
from invoicecore.taxes import TaxRate
from invoicecore.testing import FixedClock
from soak import Banks, ordered
from soak_worker import Answer, Fuse, Job
from soak_world import BACK, BEGINS


class Town:
    """A park, a practice and an inn in which everything that moves money has happened once, on an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.banks = Banks(random.Random(1))
        self.box = folder / "sent"
        self.url = f"sqlite:///{folder / 'town.db'}"
        self.clock = FixedClock(BEGINS)
        self.desk = soak_worker.opened(self.banks.outside(self.url, str(self.box)), self.clock, Fuse())
        self.orders: list[Order] = []
        self._live()
        evidence = Counter(self.box.read_text().split())
        self.evidence: dict[str, Any] = {
            "at": self.clock.now(), "ledger": self.banks.ledger(), "waiting": self.banks.waiting(),
            "orders": self.orders, "posted": evidence,
        }  # fmt: skip
        self.desk.close()
        self.banks.close()

    def by_hand(self, verb: str, **given: Any) -> Answer:
        """Something the business does itself, under a key."""
        key = f"{verb} {len(self.orders)}"
        answer = soak_worker.act(self.desk, Job(verb, given, key))
        assert not answer.error, answer
        if answer.minor is not None and verb != "credits.apply":
            self.orders.append(ordered(Job(verb, given, key), answer))
        return answer

    def day(self, days: float = 1, *verbs: str) -> None:
        """Let days pass, banks and webhooks come, and call what a host's timers call."""
        self.clock.advance(timedelta(days=days))
        self.banks.move(self.clock.now())
        for verb in verbs or ("run", "collect", "recover", "remind", "deliver"):
            assert not soak_worker.act(self.desk, Job(verb)).error
        self.hear()

    def hear(self) -> None:
        """Every webhook arrives."""
        for delivery in self.banks.debits.deliveries():
            self.desk.receive("gocardless", delivery.body, delivery.headers)

    def bank(self, act: Callable[[str], object]) -> None:
        """Have the banks do something with every debit that waits for them."""
        for payment in [*self.banks.debits.provider.account.payments.values()]:
            if payment.status in ("pending_submission", "submitted"):
                act(payment.id)
        self.hear()

    def _live(self) -> None:
        desk = self.desk
        park = desk.billers.add(
            name="Les Pins", currency="EUR", timezone="Europe/Paris", locale="fr_FR", preset="stays",
            policy={"reminders": (3,), "late_fee": {"amount": "5.00", "after_days": 5}},
        )  # fmt: skip
        alice, bob = desk.customers.add_many(
            biller=park, rows=[{"name": name, "email": f"{name}@example.com"} for name in ("alice", "bob")]
        )
        page = desk.methods.setup(bob, return_url=BACK)
        self.banks.press("gocardless", page.url)
        self.hear()
        vat = TaxRate(name="TVA", percent="10", category="S")
        self._leases(park, alice.id, bob.id, vat)
        self.day(0)
        self.day(20)
        self.bank(self.banks.debits.collect)
        bills = desk.invoices.visible_to(alice).items
        mine = {"currency": "EUR", "rest": None, "asked": None}
        self.by_hand("payments.record", invoices=[bills[0].id], **mine)
        self.by_hand("payments.record", invoices=[bills[1].id, bills[2].id], **mine)
        self.by_hand("payments.record", invoices=[bills[3].id], currency="EUR", rest="credit", asked=90_000)
        self.by_hand("payments.refund", invoice=bills[1].id, asked=1_000, currency="EUR", to="source")
        self.by_hand("payments.refund", invoice=bills[2].id, asked=700, currency="EUR", to="credit")
        self.by_hand("credits.deposit", customer=bob.id, asked=5_000, currency="EUR")
        self.by_hand("credits.withdraw", customer=bob.id, asked=1_500, currency="EUR")
        self.by_hand(
            "payments.reverse", payment=desk.payments.find(invoice=bills[0])[0].id, asked=minor(bills[0].total)
        )
        self.by_hand("credits.apply", invoice=bills[0].id)
        self.by_hand("credit_notes.issue", invoice=bills[3].id, asked=2_500, currency="EUR")
        lease = desk.leases.find(biller=park, customer=alice)[0]
        self.by_hand("leases.change_rent", lease=lease.id, asked=70_000, currency="EUR", since=date(2026, 3, 18))
        self.day(25)
        newest = desk.invoices.visible_to(alice).items[-1]
        self.by_hand("invoices.void", invoice=newest.id, release=False)
        self.by_hand("leases.generate", lease=newest.lease, reissue=True)
        debited = [each for each in desk.invoices.visible_to(bob).items if each.facts.paid.amount]
        self.by_hand("payments.refund", invoice=debited[0].id, asked=1_200, currency="EUR", to="gateway")
        came = [e.reference for e in self.banks.debits.effects() if e.kind.value == "collected"]
        self.banks.debits.reverse(came[1], ReversalKind.CHARGEBACK)
        self.bank(lambda name: self.banks.debits.fail(name, "insufficient_funds"))
        desk.leases.end(desk.leases.find(biller=park, customer=alice)[1], date(2026, 2, 25))
        self._practice()
        self._inn()
        for _ in range(3):
            self.day(9)
        for refund in [*self.banks.debits.provider.account.refunds.values()]:
            self.banks.debits.settle_refund(refund.id)
        self.hear()
        self.day(0)
        self.day(0.05)

    def _leases(self, park: Biller, alice: str, bob: str, vat: TaxRate) -> None:
        month, debit = Frequency.MONTHLY, InvoiceMethod.DIRECT_DEBIT

        def lease(who: str, unit: str, rent: int, starts: date, **more: Any) -> None:
            self.desk.leases.add(
                biller=park, customer=who, unit=unit, rent=from_minor(rent, "EUR"), starts=starts, **more
            )

        lease(alice, "1", 62_000, date(2025, 12, 10), frequency=month, anchor_day=1, taxes=(vat,))
        lease(alice, "2", 21_000, date(2026, 1, 3), frequency=Frequency.FORTNIGHTLY)
        lease(bob, "3", 80_000, date(2026, 1, 12), frequency=month, method=debit, ends=date(2026, 6, 5))
        lease(bob, "4", 9_000, date(2026, 1, 8), frequency=Frequency.WEEKLY, method=debit)

    def _practice(self) -> None:
        desk = self.desk
        practice = desk.billers.add(
            name="Harley", currency="GBP", timezone="Europe/London", locale="en_GB", preset="clients",
            policy={"run_issues": True},
        )  # fmt: skip
        desk.customers.add(biller=practice, name="dan", email="dan@example.com")
        client = desk.customers.add(
            biller=practice, name="carol", email="carol@example.com", billing_cycle="monthly", billing_day=1
        )
        rows = [("Hour", 8_000, date(2026, 2, 20)), ("Report", 12_345, date(2026, 2, 21))]
        self.by_hand("charges.add", customer=client.id, rows=rows, currency="GBP")

    def _inn(self) -> None:
        desk = self.desk
        inn = desk.billers.add(name="Le Phare", currency="EUR", timezone="Europe/Paris", locale="en_GB", preset="stays")
        dora, emil = (desk.customers.add(biller=inn, name=name) for name in ("dora", "emil"))
        vat = TaxRate(name="VAT", percent="20", category="S")

        def bill(who: Customer, **prices: int) -> Invoice:
            lines = [Item(description=name, unit_price=Money(to, "EUR"), taxes=(vat,)) for name, to in prices.items()]
            return desk.invoices.publish(desk.invoices.draft(biller=inn, customer=who, title="Extras", lines=lines))

        credited = bill(dora, cabin=100, boat=50)
        desk.credit_notes.issue(credited, {1: None})
        self.by_hand("credits.deposit", customer=dora.id, asked=7_000, currency="EUR")
        both = bill(dora, dinner=100)
        self.by_hand("payments.record", invoices=[both.id], asked=5_000, rest=None, currency="EUR")
        self.by_hand("credits.apply", invoice=both.id)
        self.by_hand("payments.refund", invoice=both.id, asked=8_000, currency="EUR", to="source")
        self.by_hand("payments.record", invoices=[bill(emil, bread=10).id], asked=3_000, rest="credit", currency="EUR")
        bounced = bill(emil, sauna=40)
        self.by_hand("payments.record", invoices=[bounced.id], asked=None, rest=None, currency="EUR")
        self.by_hand("payments.refund", invoice=bounced.id, asked=4_800, currency="EUR", to="source")
        paid = desk.payments.find(invoice=bounced)[0]
        self.by_hand("payments.reverse", payment=paid.id, asked=4_800)
        self._stays(inn, dora, emil, vat)

    def _stays(self, inn: Biller, dora: Customer, emil: Customer, vat: TaxRate) -> None:
        desk = self.desk

        def stay(who: Customer, unit: str, group: Group | None = None) -> Booking:
            nights = [Item(description="Night", unit_price=Money("33.33", "EUR"), quantity=Decimal(3), taxes=(vat,))]
            nights += [Item(description="Pet", unit_price=Money(7, "EUR"))]
            return desk.bookings.add(
                biller=inn, customer=who, unit=unit, group=group, items=nights,
                arrives=date(2026, 5, 1), departs=date(2026, 5, 4),
            )  # fmt: skip

        for payers in (None, {dora.id: 1, emil.id: 2}):
            group = desk.groups.add(biller=inn, name="Sailors", organiser=dora)
            for unit in ("A", "B"):
                stay(dora, unit, group)
            for each in desk.invoices.draft_group(group, payers=payers):
                desk.invoices.publish(each)
        desk.invoices.publish(desk.invoices.draft_booking(stay(emil, "C")))
