"""What tests of a desk share: its verbs by introspection, everything that is stored, and the sums over its rows."""

from __future__ import annotations

import inspect
import threading
import typing
from collections.abc import Callable, Iterator
from datetime import date

from invoicecore import Billing, Money
from invoicecore.billing.wiring import Wiring
from invoicecore.credits import CreditEntry
from invoicecore.documents import Letter, Sheet
from invoicecore.invoices import Invoice
from invoicecore.money import total, zero
from invoicecore.parties import Biller
from invoicecore.payments import Facts, Payment, Refund, Reversal
from invoicecore.plugins import Plugins
from invoicecore.ports import FINDABLE, Composed, InvoiceQuery, Mail, Record, Store
from invoicecore_adapters.memory import MemoryGateway

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
    "messages",
)
"""The attributes of Billing that have verbs of their own; `faces` fails when there is another one."""

FACE = ("open", "close", "scoped", "today", "run", "remind", "deliver", "receive")
"""The verbs of Billing itself; `faces` fails when there is another one."""

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


def wiring(plugins: Plugins, **parts: typing.Any) -> Wiring:
    """A desk's outside in memory: a mailer, a renderer, a composer, a gateway and pay pages, or what is given instead."""
    given = {"mailer": Post(), "renderer": Drawer(), "composer": Scribe(), "gateway": MemoryGateway(), "base_url": BASE}
    return Wiring(plugins, **{**given, **parts})


def wired(billing: Billing, **parts: typing.Any) -> Billing:
    """A desk on the same store, clock and plugins, with another outside."""
    plugins = parts.pop("plugins", billing._desk.plugins)
    store, clock = parts.pop("store", billing._desk.store), parts.pop("clock", billing._desk.clock)
    return Billing(store, clock=clock, plugins=plugins, wiring=wiring(plugins, **parts))


def wiring_of(billing: Billing) -> Wiring:
    """The outside of a desk, to be shared with another one."""
    return billing._desk.wiring


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
    """The money facts of an invoice added up from its payments, reversals, refunds and credit entries alone (D1)."""
    with store.reading() as tx:
        payments = tx.find(Payment, biller.id, {"invoice": invoice.id})
        bounced = {r.payment for r in tx.find(Reversal, biller.id, {"payment": [p.id for p in payments]})}
        refunds = tx.find(Refund, biller.id, {"invoice": invoice.id})
        entries = tx.find(CreditEntry, biller.id, {"invoice": invoice.id})
    cash = [
        part.amount
        for payment in payments
        if payment.id not in bounced
        for part in payment.allocations
        if part.invoice == invoice.id
    ]
    to_credit = total([refund.to_credit for refund in refunds], invoice.currency)
    return Facts(
        paid=total(cash, invoice.currency),
        # What the ledger gave the invoice, less what a void took back; what refunds returned is counted as refunded.
        credit=zero(invoice.currency) - total([row.amount for row in entries], invoice.currency) + to_credit,
        refunded=total([refund.amount for refund in refunds], invoice.currency),
        refunded_credit=total([refund.from_credit for refund in refunds], invoice.currency),
        in_flight=invoice.facts.in_flight,  # collections have no rows yet
    )


def money(amount: str | int, currency: str = "EUR") -> Money:
    """`money("12.50")` in euros."""
    return Money(str(amount), currency)
