"""What tests of collecting stand on: a desk whose provider can go wrong, and what is saved, issued and agreed upon.

`conftest` takes the fixtures; `providers`, which needs the vendors' libraries, is imported by those who use them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import attrs
import pytest

from desks import money, wired
from invoicecore import Billing, Frequency, InvoiceMethod, Status
from invoicecore.alerts import AlertKind, AlertState
from invoicecore.collection import Collection, SavedMethod
from invoicecore.invoices import Invoice
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod
from invoicecore.ports import Lookup
from invoicecore.testing import FixedClock
from invoicecore_adapters.memory import MemoryGateway

if TYPE_CHECKING:
    from providers import Faulty

TODAY = date(2026, 3, 2)
DUE = date(2026, 3, 20)
YEARS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))

INFO = "invoicecore_adapters.memory.gateway.INFO"

Save = Callable[..., SavedMethod]
Issue = Callable[..., Invoice]
Agree = Callable[[], None]
Shows = Callable[..., None]


@pytest.fixture
def gateway(clock: FixedClock) -> Faulty:
    """A provider in memory whose requests can be made to go wrong."""
    from providers import Faulty

    return Faulty(MemoryGateway(clock=clock))


@pytest.fixture
def desk(billing: Billing, gateway: Faulty) -> Billing:
    """The desk of each store, with that gateway."""
    return wired(billing, gateway=gateway)


@pytest.fixture
def agree(desk: Billing, park: Biller, gateway: Faulty, clock: FixedClock) -> Agree:
    """Bring everything to rest, and hold what is stored against what the provider holds (I1–I4, I7)."""
    from providers import books_agree, deliver, until_quiet

    def check() -> None:
        def step() -> None:
            deliver(desk, gateway)
            desk.recover()

        until_quiet(desk, park, step)
        books_agree(desk, park, gateway.inner.payments(*YEARS))
        keys = [effect.key for effect in gateway.inner.provider.ledger if effect.kind == "payment" and effect.key]
        assert len(keys) == len(set(keys)), "a key was charged twice (I1)"

    return check


@pytest.fixture
def save(desk: Billing, guest: Customer, gateway: Faulty) -> Save:
    """Saves a method of a customer, by default the guest's mandate."""
    from providers import deliver

    def made(kind: PaymentMethod = PaymentMethod.DIRECT_DEBIT, who: Customer = guest) -> SavedMethod:
        page = desk.methods.setup(who, kind=kind, return_url="https://host.example/back")
        gateway.inner.save(page.url)
        deliver(desk, gateway)
        return desk.methods.get(page.method)

    return made


@pytest.fixture
def issue(desk: Billing, guest: Customer) -> Issue:
    """Publishes an invoice, by default 100 to the guest."""

    def made(amount: str | int = 100, *, due: date = DUE, who: Customer = guest, **rest: object) -> Invoice:
        draft = desk.invoices.draft(biller=who.biller, customer=who, title="Stay", amount=money(amount), due=due)
        return desk.invoices.publish(draft, **rest)  # type: ignore[arg-type]

    return made


@pytest.fixture
def finds_only(monkeypatch: pytest.MonkeyPatch, gateway: Faulty) -> None:
    """A provider that finds what is there, and cannot say that something is not."""
    monkeypatch.setattr(INFO, attrs.evolve(gateway.info, lookup=Lookup.FINDS_IF_PRESENT))


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch, gateway: Faulty) -> Shows:
    """Has the provider show its payments with other fields than they have, from now on."""

    def otherwise(**fields: object) -> None:
        shown = gateway.inner.payment
        monkeypatch.setattr(gateway.inner, "payment", lambda reference: attrs.evolve(shown(reference), **fields))

    return otherwise


def ring(desk: Billing, gateway: Faulty, made: Collection) -> None:
    """Have the provider send a webhook of a payment that tells nothing new by itself: it is looked at afresh."""
    from providers import deliver

    gateway.inner.pay_out(made.reference)
    deliver(desk, gateway)


def status(desk: Billing, invoice: Invoice, on: date = TODAY) -> Status:
    """An invoice's status."""
    return desk.invoices.get(invoice).status_on(on)


def alerts(desk: Billing, biller: Biller, state: AlertState | None = AlertState.OPEN) -> list[AlertKind]:
    """The kinds of a biller's alerts, those that are open unless another state is given."""
    return [each.kind for each in desk.alerts.find(biller=biller, state=state)]


def told(desk: Billing, invoice: Invoice) -> list[str]:
    """What a payer was e-mailed about an invoice, beyond the invoice and the day it is debited."""
    kinds = [each.kind.value for each in desk.messages.find(invoice=invoice)]
    return [kind for kind in kinds if kind not in ("invoice_issued", "collection_notice")]


def token_of(desk: Billing, invoice: Invoice) -> str:
    """The token of an invoice's link."""
    return desk.payments.link(invoice).rsplit("/", 1)[1]


def lease_by_debit(desk: Billing, park: Biller, guest: Customer) -> Invoice:
    """A lease by Direct Debit whose first period the run of today invoices, due on Friday."""
    desk.leases.add(
        biller=park, customer=guest, unit="12", rent=money(620), frequency=Frequency.MONTHLY,
        starts=date(2026, 3, 7), method=InvoiceMethod.DIRECT_DEBIT,
    )  # fmt: skip
    (made,) = desk.run(on=TODAY).invoices
    return made
