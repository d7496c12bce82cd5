"""What tests of a desk share: its verbs by introspection, everything that is stored, and the sums over its rows."""

from __future__ import annotations

import inspect
import threading
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import attrs

from invoicecore import Billing, Money
from invoicecore.billing.wiring import Wiring
from invoicecore.collection import Collection, CollectionState, SavedMethod
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.documents import Letter, Sheet
from invoicecore.invoices import Invoice
from invoicecore.money import total, zero
from invoicecore.parties import Biller, Customer
from invoicecore.payments import Facts, Payment, PaymentMethod, Refund, Reversal
from invoicecore.plugins import Plugins
from invoicecore.ports import FINDABLE, Clock, Composed, InvoiceQuery, Mail, Record, Store
from invoicecore_adapters.memory import MemoryGateway
from invoicecore_adapters.memory.held import Answer, Ask, signed

SECTIONS = (
    "billers",
    "units",
    "customers",
    "charges",
    "leases",
    "bookings",
    "groups",
    "invoices",
    "payments",
    "credits",
    "credit_notes",
    "messages",
    "methods",
    "collections",
    "alerts",
)
"""The attributes of Billing that have verbs of their own; `faces` fails when there is another one."""

FACE = (
    *("open", "close", "gateways", "scoped"),
    *("today", "run", "shards", "run_shard", "remind", "deliver", "collect", "recover"),
    *("receive", "receive_missed", "reconcile", "examine"),
)
"""What Billing itself has, its verbs from `today` on; `faces` fails when there is something else."""

ANY_DAY = date(2026, 3, 2)
"""For questions that ask for a date and do not depend on it."""

Verb = Callable[..., object]


BASE = "https://pay.example.com"
"""Where the pay pages of a wired desk are."""


class Post:
    """A mailer that keeps what it accepted; `answer(mail)` may raise in place of accepting, or call the desk."""

    def __init__(self, answer: Callable[[Mail], object] | None = None) -> None:
        self.answer = answer
        self.sent: list[Mail] = []
        self.tried: list[Mail] = []
        self.closed = 0
        self._lock = threading.Lock()

    def send(self, mail: Mail) -> None:
        with self._lock:
            self.tried.append(mail)
        if self.answer is not None:
            self.answer(mail)
        with self._lock:
            self.sent.append(mail)

    def close(self) -> None:
        self.closed += 1

    @property
    def letters(self) -> list[Letter]:
        """What the accepted e-mails say, by the scribe's own book."""
        return [Scribe.book[mail.content.text] for mail in self.sent]


class Scribe:
    """A composer whose text is the letter's words, and which remembers what letter they came from."""

    book: typing.ClassVar[dict[str, Letter]] = {}

    def compose(self, letter: Letter) -> Composed:
        text = repr(letter)
        self.book[text] = letter
        return Composed(subject=letter.subject, text=text, html=f"<p>{len(text)}</p>")


class Drawer:
    """A renderer whose documents are the sheet's words."""

    def render(self, sheet: Sheet) -> bytes:
        return b"%PDF " + repr(sheet).encode()


def wiring(plugins: Plugins, clock: Clock | None = None, **parts: typing.Any) -> Wiring:
    """A desk's outside in memory: a mailer, a renderer, a composer, a gateway and pay pages, or what is given instead."""
    given = {"mailer": Post(), "renderer": Drawer(), "composer": Scribe(), "base_url": BASE}
    return Wiring(plugins, **{**given, "gateway": MemoryGateway(clock=clock), **parts})


def wired(billing: Billing, **parts: typing.Any) -> Billing:
    """A desk on the same store, clock and plugins, with another outside."""
    plugins = parts.pop("plugins", billing._desk.plugins)
    store, clock = parts.pop("store", billing._desk.store), parts.pop("clock", billing._desk.clock)
    return Billing(store, clock=clock, plugins=plugins, wiring=wiring(plugins, clock, **parts))


def wiring_of(billing: Billing) -> Wiring:
    """The outside of a desk, to be shared with another one."""
    return billing._desk.wiring


def gateway_of(billing: Billing) -> MemoryGateway:
    """The one gateway of a desk, which is in memory."""
    [gateway] = wiring_of(billing).gateways
    gateway = getattr(gateway, "_gateway", gateway)  # the desk asks it through a guard
    assert isinstance(gateway, MemoryGateway)
    return gateway


def resent(gateway: MemoryGateway, body: bytes) -> tuple[bytes, dict[str, str]]:
    """A webhook as its provider sends it again now: the same body, signed with the time."""
    return body, signed(body, gateway.provider.webhook_secret, gateway.provider.now())


@contextmanager
def unreachable(gateway: MemoryGateway, *, after: bool = False) -> Iterator[None]:
    """The provider cannot be reached meanwhile; with `after`, it does what it is asked and its answer is lost."""
    provider, answer = gateway.provider, gateway.provider.answer

    def lost(ask: Ask) -> Answer:
        if not after:
            raise ConnectionRefusedError
        answer(ask)
        raise TimeoutError

    provider.answer = lost  # type: ignore[method-assign]  # what a network does to it
    try:
        yield
    finally:
        provider.answer = answer  # type: ignore[method-assign]  # as it was


def save(billing: Billing, who: Customer, kind: str = "direct_debit") -> SavedMethod:
    """A card or mandate that a customer has saved at the gateway in memory, and that can be charged."""
    page = billing.methods.setup(who, kind=kind, return_url="https://app.example/")
    gateway_of(billing).save(page.url)
    return billing.methods.refresh(page.method)


def fly(billing: Billing, invoice: Invoice, amount: Money) -> None:
    """Have so much of an invoice be in flight and no more: a debit that is on its way, or none."""
    ref, owner = invoice.id, invoice.biller
    with store_of(billing).writing() as tx:
        now = tx.get(Invoice, owner, [ref])[ref]
        before = [each for each in tx.find(Collection, owner, {"invoice": ref}) if each.live]
        tx.replace([attrs.evolve(each, state=CollectionState.CANCELLED) for each in before])
        if amount.amount > 0:
            flying = Collection(
                id=f"{owner}_col_{ref.rpartition('_')[2]}{now.version}",
                biller=owner,
                invoice=ref,
                customer=now.customer,
                gateway="memory",
                kind=PaymentMethod.DIRECT_DEBIT,
                amount=amount,
                collected=zero(now.currency),
                made_at=billing._desk.clock.now(),
                state=CollectionState.PENDING,
            )
            tx.add([flying])
        tx.replace([attrs.evolve(now, facts=attrs.evolve(now.facts, in_flight=amount))])


def faces(billing: Billing) -> Iterator[tuple[str, Verb]]:
    """Every public verb there is, as (`section.verb`, the bound method); `run`, `remind` and their like among them."""
    sections = {name for name, value in vars(billing).items() if not name.startswith("_")}
    assert sections == set(SECTIONS), "a new part of the desk: give it a place in these tests"
    own = {name for name in dir(billing) if not name.startswith("_") and name not in sections}
    assert own == set(FACE), "a new verb of Billing: give it a place in these tests"
    for name in FACE[FACE.index("today") :]:
        yield name, getattr(billing, name)
    for section in SECTIONS:
        part = getattr(billing, section)
        for name in dir(part):
            if not name.startswith("_"):
                assert inspect.ismethod(getattr(part, name)), f"{section}.{name} is no method"
                yield f"{section}.{name}", getattr(part, name)


def parameters(verb: Verb) -> dict[str, str]:
    """The parameters of a verb and how they are annotated."""
    return {name: str(each.annotation) for name, each in inspect.signature(verb).parameters.items()}


def verb_of(billing: Billing, name: str) -> Verb:
    """The verb of that name on this desk."""
    section, _, verb = name.partition(".")
    return typing.cast(Verb, getattr(getattr(billing, section), verb) if verb else getattr(billing, section))


def store_of(billing: Billing) -> Store:
    """The store below a desk: what is there, whatever the desk says of it."""
    return billing._desk.store


def everything(store: Store, biller: Biller) -> dict[str, object]:
    """Every record of a biller, and where its numbers stand; two of them are equal when nothing was written."""
    with store.reading() as tx:
        found: dict[str, object] = {kind.__name__: tx.find(kind, biller.id, {}) for kind in FINDABLE}
        found["Biller"] = tx.get(Biller, biller.id, [biller.id])
        found["Invoice"] = tx.invoices(InvoiceQuery(biller=biller.id, on=ANY_DAY))
        found["counters"] = [tx.counter(biller.id, series) for series in ("invoice/INV-", "draft", "invoice/INV-2026-")]
    return found


def all_of(store: Store, biller: Biller, kind: type[Record]) -> list[typing.Any]:
    """Every record of one kind of a biller."""
    with store.reading() as tx:
        if kind is Invoice:
            return list(tx.invoices(InvoiceQuery(biller=biller.id, on=ANY_DAY)))
        return list(tx.find(kind, biller.id, {}))


def facts_from_rows(store: Store, biller: Biller, invoice: Invoice) -> Facts:
    """The money facts of an invoice added up from its own rows alone: payments, refunds, credit, collections, notes (D1)."""
    with store.reading() as tx:
        payments = tx.find(Payment, biller.id, {"invoice": invoice.id})
        reversals = tx.find(Reversal, biller.id, {"payment": [payment.id for payment in payments]})
        refunds = [each for each in tx.find(Refund, biller.id, {"invoice": invoice.id}) if each.state.counts]
        entries = tx.find(CreditEntry, biller.id, {"invoice": invoice.id})
        collections = tx.find(Collection, biller.id, {"invoice": invoice.id})
        notes = tx.find(CreditNote, biller.id, {"invoice": invoice.id})
    nothing = zero(invoice.currency)
    paid = nothing
    for payment in payments:
        taken = total(
            [r.amount for r in reversals if r.payment == payment.id and r.cancelled_on is None], nothing.currency.code
        )
        for part in payment.allocations:  # what is taken back is taken from them in their order, then from the credit
            back = min(taken, part.amount)
            taken = taken - back
            if part.invoice == invoice.id:
                paid = paid + part.amount - back
    to_credit = total([refund.to_credit for refund in refunds], invoice.currency)
    return Facts(
        paid=paid,
        # What the ledger gave the invoice, less what a void took back; what refunds returned is counted as refunded.
        credit=nothing - total([row.amount for row in entries], invoice.currency) + to_credit,
        refunded=total([refund.leaving for refund in refunds], invoice.currency),
        refunded_credit=total([refund.from_credit for refund in refunds], invoice.currency),
        in_flight=total([each.amount for each in collections if each.live], invoice.currency),
        noted=total([note.settled for note in notes], invoice.currency),
    )


def money(amount: str | int, currency: str = "EUR") -> Money:
    """`money("12.50")` in euros."""
    return Money(str(amount), currency)
