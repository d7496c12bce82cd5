"""What is collected in the demo: both providers on this machine, who pays through them, and what becomes of it.

GoCardless and Stripe are simulated, each by an HTTP server of its own on loopback, and spoken to through their own
libraries: no account is needed, and no money moves. Needs the extras stripe, gocardless and testing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import attrs

from invoicecore import Billing, Invoice
from invoicecore.alerts import Alert, AlertState
from invoicecore.collection import Collection, CollectionState
from invoicecore.messages import Message, MessageKind, MessageState
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, Refund, RefundState, ReversalKind
from invoicecore.ports import PaymentGateway
from invoicecore.testing import FixedClock
from invoicecore.wording import format_date, format_money, heading, method_name, say, status_label
from invoicecore_adapters.cli.speech import fact, tell
from invoicecore_adapters.cli.tables import Cell, Column, Screen, labels_of, status_cell
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.simulators.gocardless import GoCardlessBench
from invoicecore_adapters.simulators.stripe import StripeBench
from invoicecore_adapters.stripe.gateway import StripeGateway

_BACK: Final = "https://pay.example.com/thanks"
_CLEARS: Final = timedelta(days=2)  # a debit's money arrives so long after the day it is asked for
_OFFICE_OPENS: Final = time(9, tzinfo=UTC)

# What is said of each kind of e-mail.
_MAILS: Final[Mapping[MessageKind, str]] = {
    MessageKind.INVOICE_ISSUED: "story.mail_invoice",
    MessageKind.COLLECTION_NOTICE: "story.mail_notice",
    MessageKind.COLLECTION_FAILED: "story.mail_failed",
    MessageKind.PAYMENT_REVERSED: "story.mail_reversed",
    MessageKind.RECEIPT: "story.mail_receipt",
    MessageKind.REFUND: "story.mail_refund",
    MessageKind.REMINDER: "story.mail_reminder",
}

News = Collection | Refund | Alert | Message
"""What can be new about an invoice in the evening."""


class Providers:
    """Both providers, and the clock by which they and the desks live."""

    def __init__(self, first: date) -> None:
        self.clock = FixedClock(datetime.combine(first, _OFFICE_OPENS))
        self.bank = GoCardlessBench(
            lambda access: GoCardlessGateway(
                access_token=access.access_token, webhook_secrets=access.webhook_secrets, base_url=access.base_url
            )
        )
        self.bank.provider.clock.set(self.clock.now())
        self.cards = StripeBench(
            lambda access: StripeGateway(
                access.api_key,
                webhook_secrets=access.webhook_secrets,
                base_url=access.base_url,
                clock=access.clock,
            ),
            at=self.clock.now(),
        )

    def gateways(self) -> Sequence[PaymentGateway]:
        """The gateways to them, as real ones are: the first that can do what is needed does it."""
        return [self.cards.gateway(), self.bank.gateway()]

    def rise(self, day: date) -> None:
        """Another day begins, for the desks and the providers."""
        self.clock.set(datetime.combine(day, _OFFICE_OPENS))
        for bench in (self.bank, self.cards):
            bench.move((self.clock.now() - bench.now()).total_seconds())

    def send(self, billing: Billing) -> None:
        """Their webhooks arrive, each signed, as they would at the pay pages."""
        for name, bench in (("gocardless", self.bank), ("stripe", self.cards)):
            for delivery in bench.deliveries():
                billing.receive(name, delivery.body, delivery.headers)

    def close(self) -> None:
        """Stop their servers."""
        self.bank.close()
        self.cards.close()


@contextmanager
def providers(first: date) -> Iterator[Providers]:
    """Both providers, from the first day on."""
    made = Providers(first)
    try:
        yield made
    finally:
        made.close()


@attrs.frozen(kw_only=True)
class Evening:
    """One invoice as it stood on a day on which something was new about it, and what that was."""

    on: date
    invoice: Invoice
    news: tuple[News, ...]


@attrs.define
class Story:
    """An invoice that is followed from day to day."""

    customer: Customer
    invoice: str
    evenings: list[Evening] = attrs.Factory(list)
    _known: set[tuple[str, str]] = attrs.Factory(set)

    def begin(self, billing: Billing) -> None:
        """Follow it from here on: what was before is no news."""
        self._known.update((each.id, each.state.value) for each in self._found(billing))

    def look(self, billing: Billing, on: date) -> None:
        """Look at the invoice in the evening, and keep it where there is news."""
        news = [each for each in self._found(billing) if (each.id, each.state.value) not in self._known]
        if news:
            self._known.update((each.id, each.state.value) for each in news)
            self.evenings.append(Evening(on=on, invoice=billing.invoices.get(self.invoice), news=tuple(news)))

    def _found(self, billing: Billing) -> list[News]:
        found: list[News] = [
            *billing.collections.find(invoice=self.invoice),
            *billing.payments.refunds(self.invoice),
            *billing.alerts.find(invoice=self.invoice),
            *(mail for mail in billing.messages.find(invoice=self.invoice) if mail.kind in _MAILS),
        ]
        return [each for each in found if each.state in _TOLD]


_TOLD: Final = frozenset(
    {
        CollectionState.PENDING,
        CollectionState.SUCCEEDED,
        CollectionState.FAILED,
        RefundState.PENDING,
        RefundState.SUCCEEDED,
        AlertState.OPEN,
        MessageState.SENT,
    }
)
"""States that are news; the others are on the way to one of them."""


@attrs.define
class Collected:
    """The people and the banks around the providers: what they do on which day, and the stories that come of it."""

    billing: Billing
    billers: Mapping[str, Biller]
    providers: Providers
    stories: list[Story] = attrs.Factory(list)

    def morning(self, day: date) -> None:
        """A day begins: the bank moves the money of debits that are due, and what people do is done."""
        self.providers.rise(day)
        for debit in self._pending():
            if debit.expected_on is not None and debit.expected_on + _CLEARS <= day and day.weekday() < 5:
                self.providers.bank.collect(debit.reference or "")
        self._do(day, self._mornings())

    def afternoon(self, day: date) -> None:
        """What people do once the run is through; then what is due is collected."""
        self._do(day, self._afternoons())
        self.billing.collect(actor="nightly run")
        self.billing.recover(actor="nightly run")
        self.providers.send(self.billing)

    def evening(self, day: date) -> None:
        """Each invoice that is followed is looked at."""
        for story in self.stories:
            story.look(self.billing, day)

    def of(self, biller: Biller) -> list[Story]:
        """The stories of one biller."""
        return [story for story in self.stories if story.customer.biller == biller.id]

    def _do(self, day: date, plan: Mapping[date, Callable[[date], None]]) -> None:
        if day in plan:
            plan[day](day)
        self.providers.send(self.billing)

    def _pending(self) -> list[Collection]:
        park = self.billers["stays"]
        return self.billing.collections.find(biller=park, state=CollectionState.PENDING, limit=500)

    def _customer(self, preset: str, name: str) -> Customer:
        return next(one for one in self.billing.customers.find(biller=self.billers[preset]) if name in one.name)

    def _newest(self, customer: Customer) -> Invoice:
        return max(self.billing.invoices.find(customer=customer).items, key=lambda invoice: invoice.id)

    def _follow(self, customer: Customer, invoice: Invoice) -> None:
        self.stories.append(Story(customer, invoice.id))
        self.stories[-1].begin(self.billing)

    # --- one day each -------------------------------------------------------------------------------------------------

    def _mornings(self) -> Mapping[date, Callable[[date], None]]:
        return {
            date(2026, 1, 2): lambda day: self._mandate("Okafor"),
            date(2026, 2, 2): lambda day: self._mandate("Qureshi"),
            date(2026, 3, 24): self._guest_pays,
            date(2026, 4, 14): self._resident_pays,
            date(2026, 5, 18): self._fails_late,
        }

    def _afternoons(self) -> Mapping[date, Callable[[date], None]]:
        return {
            date(2026, 2, 24): lambda day: self._follow_debit("Qureshi"),
            date(2026, 3, 20): self._booked,
            date(2026, 3, 27): self._refund,
            date(2026, 4, 10): self._card_is_declined,
            date(2026, 4, 29): lambda day: self._follow_debit("Okafor"),
        }

    def _mandate(self, name: str) -> None:
        tenant = self._customer("stays", name)
        page = self.billing.methods.setup(tenant, gateway="gocardless", return_url=_BACK, actor="office")
        self.providers.bank.save(page.url)

    def _follow_debit(self, name: str) -> None:
        tenant = self._customer("stays", name)
        self._follow(tenant, self._newest(tenant))

    def _fails_late(self, day: date) -> None:
        tenant = self._customer("stays", "Okafor")
        invoice = next(story.invoice for story in self.stories if story.customer == tenant)
        debit = self.billing.collections.find(invoice=invoice)[0]
        self.providers.bank.reverse(debit.reference or "", ReversalKind.LATE_FAILURE)

    def _booked(self, day: date) -> None:
        guest = self._customer("stays", "Anneke")
        self._follow(guest, self._newest(guest))

    def _guest_pays(self, day: date) -> None:
        self._pay_by_link(self._customer("stays", "Anneke"))

    def _refund(self, day: date) -> None:
        # The guest fell ill a week before the stay.
        invoice = self._newest(self._customer("stays", "Anneke"))
        self.billing.payments.refund(invoice, to="gateway", reason="cancelled by the guest", actor="office")

    def _card_is_declined(self, day: date) -> None:
        resident = self._customer("residents", "Lemieux")
        page = self.billing.methods.setup(
            resident, kind=PaymentMethod.CARD, gateway="stripe", return_url=_BACK, actor="Mme Lavoie"
        )
        self.providers.cards.pay(page.url, decline="expired_card")  # it is saved, and its charges are declined
        self.providers.send(self.billing)
        dues = self._newest(resident)
        self._follow(resident, dues)
        self.billing.payments.charge(dues, actor="Mme Lavoie")

    def _resident_pays(self, day: date) -> None:
        self._pay_by_link(self._customer("residents", "Lemieux"))

    def _pay_by_link(self, customer: Customer) -> None:
        link = self.billing.payments.link(self._newest(customer))
        self.providers.cards.pay(self.billing.payments.checkout(link.rpartition("/")[2]))


# --- what of it is told -----------------------------------------------------------------------------------------------


def story_data(story: Story, biller: Biller, locale: str) -> dict[str, object]:
    """A story for machines."""
    return {
        "customer": {"id": story.customer.id, "name": story.customer.name},
        "invoice": story.evenings[-1].invoice.reference,
        "days": [
            {
                "on": evening.on,
                "status": evening.invoice.status_on(evening.on).value,
                "status_label": status_label(
                    evening.invoice.status_on(evening.on), labels=labels_of(biller), locale=locale
                ),
                "news": [_said(each, locale) for each in evening.news],
            }
            for evening in story.evenings
        ],
    }


def show_stories(screen: Screen, stories: Sequence[Story], biller: Biller, locale: str) -> None:
    """The stories of a biller in one table, a line for each thing that was new."""
    screen.title(tell("story.title", locale))
    columns = [
        Column(tell("head.customer", locale), wraps=True, spare=1),
        Column(tell("head.invoice", locale)),
        Column(tell("head.on", locale)),
        Column(heading("status", locale)),
        Column(tell("head.text", locale), wraps=True),
    ]
    rows: list[list[str | Cell]] = []
    for story in stories:
        who: tuple[str, str] = (story.customer.name, story.evenings[-1].invoice.reference)
        for evening in story.evenings:
            day: tuple[str, str | Cell] = (
                format_date(evening.on, locale),
                status_cell(evening.invoice, biller, evening.on, locale),
            )
            for each in evening.news:
                rows.append([*who, *day, _said(each, locale)])
                who, day = ("", ""), ("", "")
    screen.table(columns, rows)


def _said(news: News, locale: str) -> str:
    match news:
        case Alert():
            return fact(tell("head.alert", locale), say(f"alert.{news.kind.value}", locale), locale)
        case Message():
            return fact(tell("story.mail", locale), tell(_MAILS[news.kind], locale), locale)
        case Refund():
            return tell("story.refunded", locale, amount=format_money(news.amount, locale))
    amount, how = format_money(news.amount, locale), method_name(news.kind, locale)
    if news.decline is not None:
        return fact(how, say(f"decline.{news.decline.code.value}", locale), locale)
    if news.state is CollectionState.PENDING and news.expected_on is not None:
        day = format_date(news.expected_on, locale)
        return fact(how, tell("story.pending", locale, amount=amount, day=day), locale)
    return fact(how, tell("story.collected" if news.method else "story.paid", locale, amount=amount), locale)
