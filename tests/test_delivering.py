"""The outbox: written with the change it tells of, sent once, whoever else delivers and whatever fails (R7, R12, S9)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import NOON
from desks import BASE, Drawer, Post, Scribe, all_of, everything, money, store_of, wired, wiring_of
from invoicecore import Billing, InvoiceMethod, Plugins, hookimpl
from invoicecore.billing import delivering
from invoicecore.billing.notifying import queue
from invoicecore.billing.outcomes import Deliveries, Outcome
from invoicecore.collection import Advice, Collection, CollectionState, Decline, DeclineCode, MethodState, SavedMethod
from invoicecore.documents import Letter, Sheet, SheetKind
from invoicecore.errors import (
    InvalidValue,
    MailDeferred,
    MailRefused,
    MailUnavailable,
    MissingExtra,
    NotAllowed,
    NotFound,
    NotWired,
    PluginError,
    Refused,
    RenderFailed,
    StoreError,
)
from invoicecore.invoices import Invoice
from invoicecore.messages import LEASE, RETRIES, Message, MessageKind, MessageState
from invoicecore.parties import Biller, Customer
from invoicecore.payments import PaymentMethod, RefundState, Reversal, ReversalKind, after_flight
from invoicecore.ports import Composed, Mail
from invoicecore.testing import FixedClock
from invoicecore.wording import say
from invoicecore_adapters import memory, sql

TODAY = date(2026, 3, 2)


@pytest.fixture
def post(billing: Billing) -> Post:
    made = wiring_of(billing).mailer
    assert isinstance(made, Post)
    return made


def issued(billing: Billing, biller: Biller, who: Customer | None, amount: str = "100", **given: Any) -> Invoice:
    given = {"title": "Stay", "notify": True, **given}
    notify = given.pop("notify")
    draft = billing.invoices.draft(biller=biller, customer=who, amount=money(amount, biller.currency), **given)
    return billing.invoices.publish(draft, notify=notify)


def outbox(billing: Billing, biller: Biller) -> list[Message]:
    return all_of(store_of(billing), biller, Message)


def states(billing: Billing, biller: Biller) -> list[str]:
    return [message.state.value for message in outbox(billing, biller)]


def failing(error: Exception, *, times: int = 10**6, to: str | None = None) -> Callable[[Mail], None]:
    """An answer of a mail server: an error so many times, for everybody or for one address."""
    left = [times]

    def answer(mail: Mail) -> None:
        if left[0] > 0 and to in (None, mail.to):
            left[0] -= 1
            raise error

    return answer


class Host:
    """An application that refuses to deliver for some billers."""

    plugin_name = "host"

    def __init__(self, *refused: str) -> None:
        self.refused = refused

    @hookimpl
    def authorise(self, action: str, biller: str) -> str | None:
        return "not now" if action == "deliver" and biller in self.refused else None


# --- written with the change ------------------------------------------------------------------------------------------


class Undone(BaseException):
    """What no bulk journey catches, as the end of the process would be."""


def paid(billing: Billing, invoice: Invoice) -> object:
    return billing.payments.record(invoice, money(30), notify=True)


CHANGES: dict[str, tuple[MessageKind, Callable[[Billing, Biller, Customer, Invoice], object]]] = {
    "publish": (
        MessageKind.INVOICE_ISSUED,
        lambda b, park, guest, _: b.invoices.publish(
            b.invoices.draft(biller=park, customer=guest, title="T", amount=money(5)), notify=True
        ),
    ),
    "publish_all": (
        MessageKind.INVOICE_ISSUED,
        lambda b, park, guest, _: (
            b.invoices.draft(biller=park, customer=guest, title="T", amount=money(5)),
            b.invoices.publish_all(biller=park),
        ),
    ),
    "run": (
        MessageKind.INVOICE_ISSUED,
        lambda b, park, guest, _: (
            b.leases.add(biller=park, customer=guest, rent=money(620), starts=TODAY, method=InvoiceMethod.EMAIL_PDF),
            b.run(biller=park),
        ),
    ),
    "receipt": (MessageKind.RECEIPT, lambda b, park, guest, invoice: paid(b, invoice)),
    "refund": (
        MessageKind.REFUND,
        lambda b, park, guest, invoice: (
            b.payments.record(invoice, money(30)),
            b.payments.refund(invoice, money(10), notify=True),
        ),
    ),
    "credit note": (
        MessageKind.CREDIT_NOTE,
        lambda b, park, guest, invoice: b.credit_notes.issue(invoice, notify=True),
    ),
    "reminder": (
        MessageKind.REMINDER,
        lambda b, park, guest, invoice: (
            b.billers.edit(park, policy={"reminders": (7,)}),
            b.remind(biller=park, on=invoice.due_on + timedelta(days=8)),
        ),
    ),
}


@pytest.mark.rule("R7", "S9", "C7", "S12", "P3")
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_that_tells_writes_its_message_with_it(
    billing: Billing, post: Post, park: Biller, guest: Customer, change: str
) -> None:
    invoice = issued(billing, park, guest, notify=False)
    kind, do = CHANGES[change]
    do(billing, park, guest, invoice)
    [message] = outbox(billing, park)
    assert (message.kind, message.to, message.locale) == (kind, "alice@example.com", "fr_FR")
    assert (message.state, message.tries, message.next_try_at) == (MessageState.QUEUED, 0, NOON)
    assert post.tried == [], "nothing is sent before it is delivered"
    assert billing.deliver().sent == 1
    assert [letter.kind for letter in post.letters] == [kind.value]


class Forgetful:
    """A store that fails after the last write of a transaction that queued a message."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.reading, self.close = store.reading, store.close

    @contextmanager
    def writing(self, **how: Any) -> Any:
        with self._store.writing(**how) as tx:
            yield tx
            if any(tx.find(Message, biller.id, {"state": "queued"}) for biller in tx.billers()):
                raise Undone


@pytest.mark.rule("R7", "S9")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_rolled_back_leaves_no_message_and_a_message_that_is_not_leaves_no_change(
    billing: Billing, park: Biller, guest: Customer, change: str
) -> None:
    invoice = issued(billing, park, guest, notify=False)
    desk = wired(billing, store=Forgetful(store_of(billing)))
    with pytest.raises(Undone):
        CHANGES[change][1](desk, park, guest, invoice)
    assert outbox(billing, park) == []
    fresh = [each for each in all_of(store_of(billing), park, Invoice) if each.published]
    assert [each.id for each in fresh] == [invoice.id], "nothing was published without its notice"


# --- one delivery -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("R7", "R12")
def test_an_accepted_message_is_sent_once_with_the_instant(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    clock.advance(timedelta(minutes=3))
    seen: list[int] = []
    report = billing.deliver(progress=seen.append)
    assert (report.sent, report.deferred, report.failed, report.cancelled, report.stopped) == (1, 0, 0, 0, "")
    [told] = report.sent.items
    assert (told.biller, told.invoice) == (park.id, invoice.id)
    [message] = outbox(billing, park)
    assert (message.state, message.sent_at, message.tries) == (MessageState.SENT, NOON + timedelta(minutes=3), 1)
    assert seen[-1] == 1
    assert billing.deliver().sent == 0
    [mail] = post.sent
    assert (mail.id, mail.to, mail.to_name, mail.sender) == (message.id, guest.email, "Alice Martin", "Les Pins")
    assert (mail.date, mail.language, mail.reply_to) == (NOON, "fr-FR", None)
    [pdf] = mail.attachments
    assert (pdf.filename, pdf.media_type) == ("Facture-INV-000001.pdf", "application/pdf")
    [letter] = post.letters
    assert pdf.content == Drawer().render(letter.sheet)
    assert letter.action is not None
    assert (letter.action.label, letter.action.value) == ("Payer maintenant", billing.payments.link(invoice))


@pytest.mark.rule("R7")
def test_what_the_server_defers_is_tried_at_each_wait_and_failed_after_the_last(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    issued(billing, park, guest)
    post.answer = failing(MailDeferred("451 greylisted"))
    at = NOON
    for count, wait in enumerate(RETRIES, 1):
        report = billing.deliver()
        assert (report.deferred, report.failed) == (1, 0)
        [message] = outbox(billing, park)
        assert (message.tries, message.next_try_at, message.error) == (count, at + wait, "451 greylisted")
        clock.set(at + wait - timedelta(seconds=1))
        assert billing.deliver().deferred == 0, "not before its time"
        at += wait
        clock.set(at)
    report = billing.deliver()
    assert (report.deferred, report.failed) == (0, 1)
    assert "451 greylisted" in report.failed.items[0].text
    [message] = outbox(billing, park)
    assert (message.state, message.error, message.next_try_at) == (MessageState.FAILED, "451 greylisted", None)
    clock.advance(timedelta(days=30))
    assert billing.deliver().sent == 0
    assert len(post.tried) == len(RETRIES) + 1
    assert {mail.id for mail in post.tried} == {message.id}
    assert len({mail.date for mail in post.tried}) == 1


@pytest.mark.rule("R7")
def test_what_the_server_refuses_is_failed_at_once_and_reported_and_the_others_go_out(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    wrong = billing.customers.add(biller=park, name="Bob", email="bob@example.com")
    refused, fine = issued(billing, park, wrong), issued(billing, park, guest)
    post.answer = failing(MailRefused("550 no such user"), to="bob@example.com")
    report = billing.deliver()
    assert (report.sent, report.failed, report.deferred) == (1, 1, 0)
    assert report.failed.items[0].invoice == refused.id
    assert "550 no such user" in report.failed.items[0].text
    [message] = billing.messages.find(invoice=refused)
    assert (message.state, message.error, message.tries) == (MessageState.FAILED, "550 no such user", 1)
    assert [m.state for m in billing.messages.find(invoice=fine)] == [MessageState.SENT]
    clock.advance(timedelta(days=1))
    assert billing.deliver().failed == 0


@pytest.mark.rule("R7")
@pytest.mark.parametrize("told", ["550 a\x00b", "550 a\udcffb"])
@pytest.mark.parametrize("fault", [OSError, MailRefused, MailUnavailable])
def test_words_that_no_store_takes_do_not_stop_the_others(
    billing: Billing, post: Post, park: Biller, guest: Customer, fault: type[Exception], told: str
) -> None:
    bad, _ = issued(billing, park, guest), issued(billing, park, guest)
    post.answer = failing(fault(told), times=1)
    billing.deliver()
    [message] = billing.messages.find(invoice=bad)
    assert message.error.endswith("550 a\ufffdb")
    post.answer = None
    with store_of(billing).reading() as tx:
        assert all(each.tries < 2 for each in tx.find(Message, park.id, {}))


@pytest.mark.rule("R7")
def test_a_failed_message_is_sent_to_another_address_under_the_same_id(
    billing: Billing, post: Post, park: Biller, guest: Customer
) -> None:
    issued(billing, park, guest)
    post.answer = failing(MailRefused("550"), times=1)
    billing.deliver()
    [message] = outbox(billing, park)
    again = billing.messages.retry(message, to="alice@home.example")
    assert (again.state, again.to, again.version) == (MessageState.QUEUED, "alice@home.example", message.version + 1)
    with pytest.raises(NotAllowed, match="only a failed or cancelled message"):
        billing.messages.retry(message)
    assert billing.deliver().sent == 1
    assert [(mail.id, mail.to) for mail in post.sent] == [(message.id, "alice@home.example")]
    with pytest.raises(NotAllowed):
        billing.messages.retry(message)
    assert billing.messages.get(message).to == "alice@home.example"


@pytest.mark.rule("R7")
@pytest.mark.parametrize("address", ["nobody", "a@b.c, d@e.f", "a@b.example\r\nBcc: x@y.example", "\ud800@x.example"])
def test_a_retry_to_no_address_is_refused(
    billing: Billing, post: Post, park: Biller, guest: Customer, address: str
) -> None:
    issued(billing, park, guest)
    post.answer = failing(MailRefused("550"))
    billing.deliver()
    [message] = outbox(billing, park)
    with pytest.raises(InvalidValue, match="to="):
        billing.messages.retry(message, to=address)
    assert outbox(billing, park) == [message]


@pytest.mark.rule("R7")
def test_a_server_that_is_down_stops_everything_and_counts_nothing(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer, condo: Biller, resident: Customer
) -> None:
    for biller, who in ((park, guest), (condo, resident)):
        for _ in range(3):
            issued(billing, biller, who)
    post.answer = failing(MailUnavailable("connection refused"))
    report = billing.deliver()
    assert (report.stopped, report.sent, report.failed) == ("connection refused", 0, 0)
    assert len(post.tried) == 1, "nobody else is asked of a server that is down"
    for biller in (park, condo):
        assert {(m.state, m.tries) for m in outbox(billing, biller)} == {(MessageState.QUEUED, 0)}
    post.answer = None
    clock.advance(RETRIES[0])
    assert billing.deliver().sent == 5, "the one that met the trouble goes behind the others"
    clock.advance(RETRIES[1])
    assert billing.deliver().sent == 1


@pytest.mark.rule("R7")
def test_a_server_that_goes_down_meanwhile_keeps_what_it_took(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    for _ in range(4):
        issued(billing, park, guest)
    post.answer = lambda mail: failing(MailUnavailable("421 going down"))(mail) if len(post.sent) == 2 else None
    report = billing.deliver()
    assert (report.sent, report.deferred, report.stopped) == (2, 2, "421 going down")
    assert sorted(states(billing, park)) == ["queued", "queued", "sent", "sent"]
    post.answer = None
    clock.advance(RETRIES[1])
    assert billing.deliver().sent == 2
    assert len({mail.id for mail in post.sent}) == 4


@pytest.mark.rule("R7")
def test_one_message_that_always_stops_the_server_does_not_stop_the_others_for_ever(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    for _ in range(4):
        issued(billing, park, guest)
    poison = outbox(billing, park)[0].id
    post.answer = lambda mail: failing(MailUnavailable("going down"))(mail) if mail.id == poison else None
    for _ in range(3):
        billing.deliver()
        clock.advance(RETRIES[0])
    assert len(post.sent) == 3


@pytest.mark.rule("R7", "T2")
def test_a_link_revoked_while_others_were_sent_goes_to_nobody(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    first, second = issued(billing, park, guest), issued(billing, park, guest)
    old = billing.payments.link(second)

    def meanwhile(mail: Mail) -> None:
        if not post.sent:
            clock.advance(timedelta(seconds=2))
            billing.payments.revoke_link(second)

    post.answer = meanwhile
    assert billing.deliver().sent == 2
    action = post.letters[-1].action
    assert action is not None
    assert action.value == billing.payments.link(second) != old
    assert first.number


@pytest.mark.rule("R7", "P3")
def test_what_happened_while_others_were_sent_is_asked_for_again(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    invoices = [issued(billing, park, guest) for _ in range(4)]

    def meanwhile(mail: Mail) -> None:
        if not post.sent:  # the first one takes its time, and in that time
            clock.advance(timedelta(seconds=2))
            billing.invoices.void(invoices[1])
            billing.payments.record(invoices[2], money(100))
            billing.payments.record(invoices[3], money(30))

    post.answer = meanwhile
    report = billing.deliver()
    assert (report.sent, report.cancelled) == (3, 1)
    _, paid, part = post.letters[-3:]
    assert paid.action is None
    assert any("70,00" in fact.value for fact in part.facts)


class Clumsy:
    """A renderer or a composer that fails for one title."""

    def __init__(self, title: str, error: BaseException) -> None:
        self.title, self.error = title, error

    def render(self, sheet: Sheet) -> bytes:
        if sheet.subject == self.title:
            raise self.error
        return Drawer().render(sheet)

    def compose(self, letter: Letter) -> Composed:
        if letter.sheet.subject == self.title:
            raise self.error
        return Scribe().compose(letter)


@pytest.mark.rule("R7", "S11")
@pytest.mark.parametrize("part", ["renderer", "composer", "mailer"])
@pytest.mark.parametrize("error", [RenderFailed("B", "no such font"), ZeroDivisionError("ouch")], ids=["ours", "any"])
def test_one_message_that_cannot_be_made_or_sent_is_deferred_and_stops_no_other(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer, part: str, error: Exception
) -> None:
    for title in ("A", "B", "C"):
        issued(billing, park, guest, title=title)
    post, made = Post(), Clumsy("B", error)

    def balk(mail: Mail) -> None:
        made.compose(Scribe.book[mail.content.text])

    parts: dict[str, Any] = {"mailer": post, part: Post(balk) if part == "mailer" else made}
    desk = wired(billing, **parts)
    report = desk.deliver()
    assert (report.sent, report.deferred, report.failed, report.stopped) == (2, 1, 0, "")
    [message] = billing.messages.find(biller=park, state="queued")
    assert (message.tries, message.next_try_at) == (1, NOON + RETRIES[0])
    assert message.error
    clock.advance(RETRIES[0])
    assert billing.deliver().sent == 1


@pytest.mark.rule("R7", "S11")
@pytest.mark.parametrize("made", [None, "%PDF-1.7", bytearray(b"%PDF-1.7")], ids=["nothing", "text", "bytearray"])
def test_a_document_that_is_no_bytes_is_not_sent_and_its_renderer_is_named(
    billing: Billing, park: Biller, guest: Customer, made: Any
) -> None:
    bad, _ = issued(billing, park, guest, title="A"), issued(billing, park, guest, title="B")

    class Odd(Drawer):
        def render(self, sheet: Sheet) -> Any:
            return made if sheet.subject == "A" else super().render(sheet)

    desk = wired(billing, mailer=(post := Post()), renderer=Odd())
    report = desk.deliver()
    assert (report.sent, report.deferred, report.stopped) == (1, 1, "")
    [message] = billing.messages.find(invoice=bad)
    assert (message.state, message.tries) == (MessageState.QUEUED, 1)
    assert f"'Odd': render answered with a {type(made).__name__}" in message.error
    assert [letter.sheet.subject for letter in post.letters] == ["B"]
    with pytest.raises(PluginError, match="Odd"):
        desk.invoices.pdf(bad)


@pytest.mark.rule("R7", "S11")
def test_one_document_that_cannot_be_worded_stops_no_other(
    billing: Billing, post: Post, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in ("A", "B", "C"):
        issued(billing, park, guest, title=title)
    real = delivering.sheets_of

    def worded(invoices: Sequence[Invoice], besides: Any, urls: Any) -> dict[str, Sheet]:
        if any(invoice.title == "B" for invoice in invoices):
            raise KeyError("a word of a host's catalogue")
        return real(invoices, besides, urls)

    monkeypatch.setattr(delivering, "sheets_of", worded)
    report = billing.deliver()
    assert (report.sent, report.deferred) == (2, 1)
    assert "host's catalogue" in outbox(billing, park)[1].error
    assert [letter.sheet.subject for letter in post.letters] == ["A", "C"]


@pytest.mark.rule("R7")
@pytest.mark.parametrize("part", ["renderer", "composer"])
def test_a_part_that_is_not_installed_gives_everything_back_and_says_what_to_install(
    billing: Billing, park: Biller, guest: Customer, part: str
) -> None:
    issued(billing, park, guest)

    class Absent:
        def render(self, sheet: Sheet) -> bytes:
            raise MissingExtra("pdf", "documents")

        def compose(self, letter: Letter) -> Composed:
            raise MissingExtra("mail", "letters")

    with pytest.raises(MissingExtra):
        wired(billing, **{part: Absent()}).deliver()
    assert {(m.state, m.tries) for m in outbox(billing, park)} == {(MessageState.QUEUED, 0)}


def test_without_a_mailer_nothing_is_taken_and_the_way_out_is_named(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    issued(billing, park, guest)
    before = outbox(billing, park)
    with pytest.raises(NotWired, match="mailer="):
        wired(billing, mailer=None).deliver()
    assert outbox(billing, park) == before


# --- what has been overtaken ------------------------------------------------------------------------------------------


@pytest.mark.rule("R7", "P3")
@pytest.mark.parametrize("kind", ["notice", "reminder"])
def test_the_notice_and_the_reminder_of_a_void_invoice_are_cancelled(
    billing: Billing, post: Post, park: Biller, guest: Customer, kind: str
) -> None:
    invoice = issued(billing, park, guest, notify=kind == "notice")
    if kind == "reminder":
        billing.billers.edit(park, policy={"reminders": (7,)})
        billing.remind(on=invoice.due_on + timedelta(days=7))
    billing.invoices.void(invoice)
    report = billing.deliver()
    assert (report.sent, report.cancelled) == (0, 1)
    [message] = outbox(billing, park)
    assert (message.state, message.error) == (MessageState.CANCELLED, "the invoice is void")
    assert post.tried == []


@pytest.mark.rule("P3")
@pytest.mark.parametrize("amount, sent", [("40", 1), ("100", 0)], ids=["in part", "in full"])
def test_the_reminder_of_an_invoice_that_was_paid_meanwhile_is_cancelled(
    billing: Billing, post: Post, park: Biller, guest: Customer, amount: str, sent: int
) -> None:
    invoice = issued(billing, park, guest, notify=False)
    billing.billers.edit(park, policy={"reminders": (7,)})
    billing.remind(on=invoice.due_on + timedelta(days=7))
    billing.payments.record(invoice, money(amount))
    report = billing.deliver()
    assert (report.sent, report.cancelled) == (sent, 1 - sent)
    if sent:
        assert any("60,00" in text for text in post.letters[0].paragraphs), "it asks for what is left"
    else:
        assert outbox(billing, park)[0].error == "nothing is left to ask for"


@pytest.mark.rule("C7", "D2")
def test_the_receipt_of_a_payment_that_was_reversed_meanwhile_is_cancelled(
    billing: Billing, post: Post, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest, notify=False)
    billing.payments.reverse(billing.payments.record(invoice, notify=True))
    assert billing.deliver().cancelled == 1
    assert outbox(billing, park)[0].error == "the payment was reversed"
    assert post.tried == []


# --- what a letter says -----------------------------------------------------------------------------------------------


@pytest.mark.rule("R7", "C8")
def test_with_nothing_left_to_pay_there_is_no_pay_now(
    billing: Billing, post: Post, park: Biller, guest: Customer
) -> None:
    billing.billers.edit(park, policy={"apply_credit": True})
    billing.credits.deposit(guest, money(100))
    issued(billing, park, guest)
    billing.deliver()
    [letter] = post.letters
    assert letter.action is None
    assert BASE not in repr(letter)


@pytest.mark.rule("R1", "R12")
@pytest.mark.parametrize("lacking", ["payments", "pages"])
def test_without_payments_or_pages_there_is_a_letter_and_no_link(
    billing: Billing, park: Biller, guest: Customer, lacking: str
) -> None:
    post = Post()
    issued(billing, park, guest)
    if lacking == "payments":
        billing.billers.edit(park, payments=False)
    report = wired(billing, mailer=post, base_url=None if lacking == "pages" else BASE).deliver()
    assert report.sent == 1
    [letter] = post.letters
    assert letter.action is None
    assert "/pay/" not in repr(letter)
    assert letter.sheet.pay is not None
    assert letter.sheet.pay.text in letter.paragraphs, "how to pay is said in words"


def mandate(billing: Billing, who: Customer) -> SavedMethod:
    """A mandate of the customer that may be debited."""
    saved = SavedMethod(
        id=f"{who.biller}_met_1", biller=who.biller, customer=who.id, gateway="memory", kind=PaymentMethod.DIRECT_DEBIT,
        made_at=NOON, state=MethodState.ACTIVE, reference="MD1", label="BNP •••• 3456",
    )  # fmt: skip
    with store_of(billing).writing() as tx:
        tx.add([saved])
    return saved


@pytest.mark.rule("S9", "R12", "C6")
@pytest.mark.parametrize("saved", [True, False])
def test_who_is_debited_is_not_asked_to_pay_as_well_and_who_cannot_be_is_asked(
    billing: Billing, post: Post, park: Biller, guest: Customer, saved: bool
) -> None:
    if saved:
        mandate(billing, guest)
    billing.customers.edit(guest, notify=True)
    billing.leases.add(
        biller=park, customer=guest, rent=money(620), starts=date(2026, 4, 1), method=InvoiceMethod.DIRECT_DEBIT
    )
    [invoice] = billing.run(biller=park, on=date(2026, 3, 27)).invoices
    billing.deliver()
    [letter] = post.letters
    assert (letter.action is None) == saved
    assert any("prélevés automatiquement" in text for text in letter.paragraphs) == saved
    if not saved:
        assert letter.action is not None
        assert letter.action.value == billing.payments.link(invoice)


# --- what collecting tells of -----------------------------------------------------------------------------------------


def tell(billing: Billing, kind: MessageKind, invoice: Invoice, who: Customer, about: str) -> None:
    """Queue an e-mail, as the journey that causes it does."""
    with billing._desk.change("tell", invoice.biller) as change:
        queue(change, kind, [(invoice, who)], about)


def attempt(billing: Billing, invoice: Invoice, **given: Any) -> Collection:
    """A collection of an invoice, whatever became of it; a live one's amount is in flight."""
    given = {"kind": PaymentMethod.DIRECT_DEBIT, "amount": invoice.total, "customer": invoice.customer, **given}
    made = Collection(
        id=f"{invoice.biller}_col_1", biller=invoice.biller, invoice=invoice.id, gateway="memory",
        collected=money(0), made_at=NOON, **given,
    )  # fmt: skip
    with store_of(billing).writing() as tx:
        tx.add([made])
        if made.live:
            tx.replace([attrs.evolve(invoice, facts=after_flight(invoice.facts, made.amount))])
    return made


def spaces(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


NOTICES = [
    ("en_GB", date(2026, 3, 9), True,
     "Invoice INV-000001 from Les Pins: €100.00 will be collected",
     "We will collect €100.00 for invoice INV-000001 on 09/03/2026 or just after. There is nothing for you to do.",
     {"Amount": "€100.00", "Expected on": "09/03/2026", "Method": "Direct Debit (BNP •••• 3456)"}),
    ("fr_FR", date(2026, 3, 9), True,
     "Facture INV-000001 de Les Pins : 100,00 € seront prélevés",
     "Nous prélèverons 100,00 € pour la facture INV-000001 le 09/03/2026 ou juste après. Vous n'avez rien à faire.",
     {"Montant": "100,00 €", "Prévu le": "09/03/2026", "Mode": "Prélèvement automatique (BNP •••• 3456)"}),
    ("en_GB", None, False,
     "Invoice INV-000001 from Les Pins: €100.00 will be collected",
     "We will collect €100.00 for invoice INV-000001 in the next few days. There is nothing for you to do.",
     {"Amount": "€100.00", "Method": "Direct Debit"}),
]  # fmt: skip


@pytest.mark.rule("S9", "M11")
@pytest.mark.parametrize("locale, day, labelled, subject, says, facts", NOTICES)
def test_a_collection_is_announced_with_its_amount_day_and_method(
    billing: Billing, post: Post, park: Biller, locale: str, day: date | None, labelled: bool, subject: str, says: str,
    facts: dict[str, str],
) -> None:  # fmt: skip
    who = billing.customers.add(biller=park, name="Zoé", email="zoe@example.com", locale=locale)
    invoice = issued(billing, park, who, notify=False)
    saved = mandate(billing, who) if labelled else None
    made = attempt(
        billing, invoice, state=CollectionState.PENDING, expected_on=day, method=saved.id if saved is not None else None
    )
    tell(billing, MessageKind.COLLECTION_NOTICE, invoice, who, made.id)
    assert billing.deliver().sent == 1
    [letter] = post.letters
    assert (letter.kind, spaces(letter.subject), letter.action) == ("collection_notice", subject, None)
    assert spaces(letter.paragraphs[0]) == says
    assert {fact.label: spaces(fact.value) for fact in letter.facts} == facts
    assert letter.sheet.kind is SheetKind.INVOICE


FAILED = [
    ("en_GB", "Invoice INV-000001 from Les Pins: the payment did not go through",
     ["We tried to collect €100.00 for invoice INV-000001, and the payment did not go through.",
      "There was not enough money in the account at that moment.",
      "€100.00 remains to be paid. You can pay it in another way with the link below."], "Pay Now"),
    ("fr_FR", "Facture INV-000001 de Les Pins : le paiement n'a pas abouti",
     ["Nous avons présenté un paiement de 100,00 € pour la facture INV-000001, et il n'a pas abouti.",
      "Le solde du compte était insuffisant à ce moment-là.",
      "Il reste 100,00 € à payer. Vous pouvez les régler autrement avec le lien ci-dessous."], "Payer maintenant"),
]  # fmt: skip


@pytest.mark.rule("S9", "R12", "D3")
@pytest.mark.parametrize("locale, subject, says, button", FAILED)
def test_a_payment_that_did_not_go_through_is_told_with_its_reason_and_the_link(
    billing: Billing, post: Post, park: Biller, locale: str, subject: str, says: list[str], button: str
) -> None:
    who = billing.customers.add(biller=park, name="Zoé", email="zoe@example.com", locale=locale)
    invoice = issued(billing, park, who, notify=False)
    decline = Decline(code=DeclineCode.INSUFFICIENT_FUNDS, advice=Advice.RETRY_LATER, raw_code="R01")
    made = attempt(billing, invoice, state=CollectionState.FAILED, decline=decline)
    tell(billing, MessageKind.COLLECTION_FAILED, invoice, who, made.id)
    assert billing.deliver().sent == 1
    [letter] = post.letters
    assert (letter.kind, spaces(letter.subject)) == ("collection_failed", subject)
    assert [spaces(text) for text in letter.paragraphs[:-1]] == says
    assert letter.action is not None
    assert (letter.action.label, letter.action.value) == (button, billing.payments.link(invoice))
    assert "R01" not in repr(letter), "the provider's own words are for the biller"


@pytest.mark.rule("S9")
def test_without_pay_pages_who_is_told_of_a_failure_is_asked_in_words(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    post = Post()
    invoice = issued(billing, park, guest, notify=False)
    made = attempt(billing, invoice, state=CollectionState.FAILED)  # and no reason is known
    tell(billing, MessageKind.COLLECTION_FAILED, invoice, guest, made.id)
    wired(billing, mailer=post, base_url=None).deliver()
    [letter] = post.letters
    assert letter.action is None
    assert spaces(letter.paragraphs[1]) == "Veuillez payer 100,00 € en rappelant la référence INV-000001."


@pytest.mark.rule("S9", "D4")
@pytest.mark.parametrize("locale, blaming", [("en_GB", ("you", "your")), ("fr_FR", ("vous", "votre", "vos"))])
def test_every_reason_has_words_of_its_own_that_blame_nobody(locale: str, blaming: tuple[str, ...]) -> None:
    said = [say(f"decline.{code.value}", locale) for code in DeclineCode]
    assert len(set(said)) == len(said)
    assert not [text for text in said for word in blaming if word in text.casefold().split()]


REVERSED = [
    ("en_GB", ReversalKind.LATE_FAILURE,
     ["€100.00 of your payment of 02/03/2026 has gone back to the account it came from.",
      "Invoice INV-000001 is therefore open again, and €100.00 remains to be paid.",
      "If you do not know why, your bank can tell you; we are glad to help."]),
    ("fr_FR", ReversalKind.CHARGEBACK,
     ["100,00 € de votre paiement du 02/03/2026 sont retournés sur le compte d'où ils venaient.",
      "La facture INV-000001 est donc de nouveau ouverte, et il reste 100,00 € à payer.",
      "Si vous n'en connaissez pas la raison, votre banque peut vous renseigner ; nous restons à votre disposition."]),
    ("en_GB", ReversalKind.BY_HAND,
     ["€100.00 of your payment of 02/03/2026 has been taken back in our books.",
      "Invoice INV-000001 is therefore open again, and €100.00 remains to be paid."]),
]  # fmt: skip


@pytest.mark.rule("D3", "R12")
@pytest.mark.parametrize("locale, kind, says", REVERSED)
def test_a_payment_that_was_taken_back_is_told_with_what_is_open_again_and_the_link(
    billing: Billing, post: Post, park: Biller, locale: str, kind: ReversalKind, says: list[str]
) -> None:
    who = billing.customers.add(biller=park, name="Zoé", email="zoe@example.com", locale=locale)
    invoice = issued(billing, park, who, notify=False)
    reversal = billing.payments.reverse(billing.payments.record(invoice))
    with store_of(billing).writing() as tx:
        tx.replace([attrs.evolve(reversal, kind=kind)])
    tell(billing, MessageKind.PAYMENT_REVERSED, invoice, who, reversal.id)
    assert billing.deliver().sent == 1
    [letter] = post.letters
    assert letter.kind == "payment_reversed"
    assert [spaces(text) for text in letter.paragraphs[:-1]] == says
    assert letter.action is not None
    assert letter.action.value == billing.payments.link(invoice)


Overtake = Callable[[Billing, Invoice, Customer], tuple[MessageKind, str, Callable[[], object]]]


def told_of_failure(billing: Billing, invoice: Invoice, then: Callable[[], object]) -> Any:
    return MessageKind.COLLECTION_FAILED, attempt(billing, invoice, state=CollectionState.FAILED).id, then


def told_of_reversal(billing: Billing, invoice: Invoice, then: Callable[[Reversal], object]) -> Any:
    reversal = billing.payments.reverse(billing.payments.record(invoice))
    return MessageKind.PAYMENT_REVERSED, reversal.id, lambda: then(reversal)


def told_of_collecting(billing: Billing, invoice: Invoice, state: CollectionState) -> Any:
    made = attempt(billing, invoice, state=CollectionState.PENDING)

    def then() -> None:
        with store_of(billing).writing() as tx:
            tx.replace([attrs.evolve(made, state=state)])

    return MessageKind.COLLECTION_NOTICE, made.id, then


def told_of_refund(billing: Billing, invoice: Invoice) -> Any:
    billing.payments.record(invoice)
    refund = billing.payments.refund(invoice)

    def then() -> None:
        with store_of(billing).writing() as tx:
            tx.replace([attrs.evolve(refund, state=RefundState.FAILED, failed_on=TODAY)])

    return MessageKind.REFUND, refund.id, then


def restore(billing: Billing, reversal: Reversal) -> None:
    with store_of(billing).writing() as tx:
        tx.replace([attrs.evolve(reversal, cancelled_on=TODAY)])


OVERTAKEN: dict[str, tuple[str, Overtake]] = {
    "failed, then paid": (
        "nothing is left to ask for",
        lambda b, i, who: told_of_failure(b, i, lambda: b.payments.record(i)),
    ),
    "failed, then collected again": (
        "nothing is left to ask for",
        lambda b, i, who: told_of_failure(
            b,
            i,
            lambda: _fly(b, i),
        ),
    ),
    "failed, then void": ("the invoice is void", lambda b, i, who: told_of_failure(b, i, lambda: b.invoices.void(i))),
    "failed, then credited": (
        "nothing is left to ask for",
        lambda b, i, who: told_of_failure(b, i, lambda: b.credit_notes.issue(i)),
    ),
    "reversed, then paid": (
        "nothing is left to ask for",
        lambda b, i, who: told_of_reversal(b, i, lambda _: b.payments.record(i)),
    ),
    "reversed, then restored": (
        "the payment was restored",
        lambda b, i, who: told_of_reversal(b, i, lambda reversal: restore(b, reversal)),
    ),
    "announced, then cancelled": (
        "the collection is cancelled",
        lambda b, i, who: told_of_collecting(b, i, CollectionState.CANCELLED),
    ),
    "announced, then collected": (
        "the collection is succeeded",
        lambda b, i, who: told_of_collecting(b, i, CollectionState.SUCCEEDED),
    ),
    "refunded, then it came back": ("the refund came back", lambda b, i, who: told_of_refund(b, i)),
}


def _fly(billing: Billing, invoice: Invoice) -> None:
    now = billing.invoices.get(invoice)
    with store_of(billing).writing() as tx:
        tx.replace([attrs.evolve(now, facts=after_flight(now.facts, now.balance))])


@pytest.mark.rule("P3", "S9", "D3", "S12")
@pytest.mark.parametrize("how", OVERTAKEN)
def test_what_was_overtaken_is_cancelled_and_says_why(
    billing: Billing, post: Post, park: Biller, guest: Customer, how: str
) -> None:
    invoice = issued(billing, park, guest, notify=False)
    why, arrange = OVERTAKEN[how]
    kind, about, then = arrange(billing, invoice, guest)
    tell(billing, kind, invoice, guest, about)
    then()
    assert billing.deliver().cancelled == 1
    assert post.tried == []
    [message] = outbox(billing, park)
    assert (message.state, message.error) == (MessageState.CANCELLED, why)


@pytest.mark.rule("R12")
def test_a_message_speaks_of_how_things_are_when_it_is_sent(
    billing: Billing, post: Post, park: Biller, guest: Customer
) -> None:
    invoice = issued(billing, park, guest)
    billing.payments.record(invoice, money(30))
    billing.deliver()
    assert any(fact.value == "70,00\N{NO-BREAK SPACE}€" for fact in post.letters[0].facts)


@pytest.mark.rule("M11", "C7")
@pytest.mark.parametrize(
    "currency, amount, shown", [("JPY", "1500", "1,500"), ("KWD", "1.250", "1.250"), ("USD", "12.50", "12.50")]
)
def test_amounts_have_the_decimals_of_their_currency(
    billing: Billing, post: Post, currency: str, amount: str, shown: str
) -> None:
    shop = billing.billers.add(name="S", currency=currency, timezone="UTC", locale="en_US", preset="clients")
    who = billing.customers.add(biller=shop, name="C", email="c@example.com")
    invoice = issued(billing, shop, who, amount)
    billing.payments.record(invoice, notify=True)
    billing.deliver()
    notice, receipt = (repr(letter.facts) + repr(letter.paragraphs) for letter in post.letters)
    for said in (notice, receipt):
        assert shown in said
        assert f"{shown}0" not in said
        assert f"{shown}.0" not in said


# --- who is told: the rules end to end --------------------------------------------------------------------------------


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    "wish, call, told",
    [(False, None, 0), (True, None, 1), (True, False, 0), (False, True, 1)],
)
def test_a_draft_tells_nobody_and_publishing_tells_by_the_call_or_the_wish(
    billing: Billing, post: Post, condo: Biller, resident: Customer, wish: bool, call: bool | None, told: int
) -> None:
    draft = billing.invoices.draft(biller=condo, unit="1", title="Dues", amount=money(9, "CAD"), notify=wish)
    assert billing.deliver().sent == 0
    billing.invoices.publish(draft, notify=call)
    assert billing.deliver().sent == told
    assert [mail.to for mail in post.sent] == ["noah@example.com"] * told


@pytest.mark.rule("R3", "R7", "R9")
def test_a_resident_without_an_address_is_told_nothing_and_the_invoice_stands(
    billing: Billing, post: Post, condo: Biller
) -> None:
    silent = billing.customers.add(biller=condo, name="Silent")
    billing.units.add(biller=condo, number="2", resident=silent)
    billing.units.add(biller=condo, number="3")
    for unit in ("2", "3"):
        draft = billing.invoices.draft(biller=condo, unit=unit, title="Dues", amount=money(9, "CAD"), notify=True)
        assert not billing.invoices.preview_publish(draft).can_email
        assert billing.invoices.publish(draft).warnings
    assert outbox(billing, condo) == []
    assert billing.deliver().sent == 0


@pytest.mark.rule("R11", "R7")
def test_publishing_all_tells_every_address_whatever_the_drafts_wished(
    billing: Billing, post: Post, condo: Biller, resident: Customer
) -> None:
    for n, email in enumerate(["a@example.com", None, "c@example.com"], 2):
        who = billing.customers.add(biller=condo, name=f"R{n}", email=email)
        billing.units.add(biller=condo, number=str(n), resident=who)
    billing.invoices.draft_for_units(biller=condo, title="Dues", amount=money(100, "CAD"), due=TODAY)
    billing.invoices.publish_all(biller=condo)
    assert billing.deliver().sent == 3
    assert sorted(mail.to for mail in post.sent) == ["a@example.com", "c@example.com", "noah@example.com"]


@pytest.mark.rule("C4")
@pytest.mark.parametrize(
    "policy, client_wish, call, told",
    [
        (None, None, None, 0),
        (True, None, None, 1),
        (True, False, None, 0),
        (False, True, None, 1),
        (True, False, True, 1),
        (True, True, False, 0),
    ],
)
def test_ready_for_payment_is_the_billers_policy_overridden_by_client_and_call(
    billing: Billing,
    practice: Biller,
    client: Customer,
    policy: bool | None,
    client_wish: bool | None,
    call: bool | None,
    told: int,
) -> None:
    billing.billers.edit(practice, policy={"notify_on_publish": policy})
    billing.customers.edit(client, notify=client_wish)
    billing.charges.add(customer=client, description="Hour", amount=money(80, "GBP"), on=TODAY)
    billing.invoices.publish(billing.invoices.draft_from_charges(client), notify=call)
    assert billing.deliver().sent == told


@pytest.mark.rule("S9", "R7")
def test_a_lease_that_is_e_mailed_always_queues_its_mail(
    billing: Billing, post: Post, park: Biller, guest: Customer
) -> None:
    billing.customers.edit(guest, notify=False)
    for method in (InvoiceMethod.EMAIL_PDF, InvoiceMethod.DIRECT_DEBIT):
        billing.leases.add(biller=park, customer=guest, rent=money(620), starts=TODAY, method=method)
    billing.run(biller=park)
    assert billing.deliver().sent == 2  # what cannot be debited, for lack of a mandate, is asked for by e-mail too (S9)
    assert post.sent[0].attachments[0].media_type == "application/pdf"


@pytest.mark.rule("C7", "S12", "R7")
@pytest.mark.parametrize("verb", ["record", "refund"])
@pytest.mark.parametrize(
    "policy, client_wish, call, told",
    [(False, None, None, 0), (True, None, None, 1), (True, False, None, 0), (False, False, True, 1), (True, None, False, 0)],
)  # fmt: skip
def test_a_receipt_is_sent_by_policy_client_and_call(
    billing: Billing,
    park: Biller,
    guest: Customer,
    verb: str,
    policy: bool,
    client_wish: bool | None,
    call: bool | None,
    told: int,
) -> None:
    invoice = issued(billing, park, guest, notify=False)
    if verb == "refund":
        billing.payments.record(invoice)
    billing.billers.edit(park, policy={"notify_on_payment": policy})
    billing.customers.edit(guest, notify=client_wish)
    getattr(billing.payments, verb)(invoice, money(10), notify=call)
    assert billing.deliver().sent == told


@pytest.mark.rule("C7", "N3")
def test_a_repeat_under_a_key_sends_no_second_receipt(billing: Billing, park: Biller, guest: Customer) -> None:
    invoice = issued(billing, park, guest, notify=False)
    for _ in range(2):
        billing.payments.record(invoice, money(10), notify=True, key="k")
    assert billing.deliver().sent == 1
    billing.payments.record(invoice, money(10), notify=True)
    assert billing.deliver().sent == 1


# --- whose messages ---------------------------------------------------------------------------------------------------


@pytest.mark.rule("T1")
def test_a_delivery_for_one_biller_leaves_the_others_alone(
    billing: Billing, post: Post, park: Biller, guest: Customer, condo: Biller, resident: Customer
) -> None:
    issued(billing, park, guest)
    issued(billing, condo, resident)
    before = everything(store_of(billing), condo)
    assert billing.scoped(park).deliver().sent == 1
    assert billing.deliver(biller=park).sent == 0
    assert everything(store_of(billing), condo) == before
    with pytest.raises(NotFound):
        billing.scoped(park).deliver(biller=condo)
    with pytest.raises(NotFound):
        billing.scoped(park).messages.get(outbox(billing, condo)[0])
    assert [mail.to for mail in post.sent] == [guest.email]
    assert billing.deliver().sent == 1


@pytest.mark.rule("R18")
def test_a_hook_can_refuse_a_delivery_and_then_nothing_is_taken(
    billing: Billing, park: Biller, guest: Customer
) -> None:
    issued(billing, park, guest)
    before = everything(store_of(billing), park)
    with pytest.raises(Refused, match="not now"):
        wired(billing, plugins=Plugins.of(Host(park.id))).deliver(biller=park)
    assert everything(store_of(billing), park) == before


@pytest.mark.rule("P2")
@pytest.mark.parametrize("due", [True, False], ids=["something due", "nothing due"])
def test_a_delivery_within_a_transaction_is_refused(
    billing: Billing, post: Post, park: Biller, guest: Customer, due: bool
) -> None:
    if due:
        issued(billing, park, guest)
    with pytest.raises(StoreError), store_of(billing).writing():
        billing.deliver()
    assert post.tried == []
    assert billing.deliver().sent == int(due)


@pytest.mark.rule("R7", "N4")
def test_more_messages_than_a_page_all_go_out_oldest_first(
    billing: Billing, post: Post, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PAGE", 4)
    ids = [issued(billing, park, guest, title=f"T{n}").id for n in range(11)]
    seen: list[int] = []
    assert billing.deliver(progress=seen.append).sent == 11
    assert [message.invoice for message in outbox(billing, park)] == ids
    assert len({mail.id for mail in post.sent}) == 11
    assert seen == sorted(seen)
    assert seen[-1] == 11


@pytest.mark.rule("R7")
def test_messages_are_found_by_state_invoice_and_page(
    billing: Billing, post: Post, park: Biller, guest: Customer
) -> None:
    invoices = [issued(billing, park, guest, title=f"T{n}") for n in range(3)]
    every = billing.messages.find(biller=park)
    assert [m.invoice for m in every] == [i.id for i in invoices]
    assert billing.messages.find(biller=park, after=every[0].id, limit=1) == [every[1]]
    billing.deliver()
    assert billing.messages.find(biller=park, state="queued") == []
    assert len(billing.messages.find(biller=park, state=MessageState.SENT)) == 3
    assert [m.id for m in billing.messages.find(invoice=invoices[1], state="sent")] == [every[1].id]
    with pytest.raises(InvalidValue, match="state"):
        billing.messages.find(biller=park, state="lost")
    with pytest.raises(NotFound):
        billing.messages.find(invoice=f"{park.id}_inv_never")


# --- several deliverers, and those that die ---------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a process: nothing catches it."""


@pytest.mark.rule("R7")
def test_what_a_dead_deliverer_had_is_taken_over_when_its_lease_is_over_under_the_same_id(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    for _ in range(3):
        issued(billing, park, guest)

    def die(mail: Mail) -> None:
        if len(dying.sent) == 1:
            dying.sent.append(mail)  # the server has it, and nobody wrote that down
            raise Killed

    dying = Post(die)
    with pytest.raises(Killed):
        wired(billing, mailer=dying).deliver()
    clock.advance(LEASE - timedelta(seconds=1))
    assert billing.deliver().sent == 0, "it may still be at work"
    clock.advance(timedelta(seconds=1))
    assert billing.deliver().sent == 2
    assert set(states(billing, park)) == {"sent"}
    once, twice = [mail.id for mail in dying.sent], [mail.id for mail in post.sent]
    assert len(set(once) | set(twice)) == 3
    assert set(once) & set(twice) == {once[1]}, "only the one in flight is repeated, and its id tells"
    assert [m.tries for m in outbox(billing, park)] == [1, 1, 1], "nobody knows of which of them it died"


@pytest.mark.rule("R7")
def test_a_message_that_kills_whoever_makes_it_holds_up_no_other_and_is_given_up(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer, condo: Biller, resident: Customer
) -> None:
    for title in ("A", "B", "C", "D"):
        issued(billing, park, guest, title=title)
    issued(billing, condo, resident, title="E")
    post, kills, deadly = Post(), [], Clumsy("B", Killed())
    desk = wired(billing, mailer=post, renderer=deadly)

    def deliver() -> Deliveries | None:
        try:
            return desk.deliver()
        except Killed:
            kills.append(clock.now())
            return None

    assert deliver() is None
    issued(billing, park, guest, title="F")
    clock.advance(LEASE)
    while len(post.sent) < 5 and clock.now() < NOON + 2 * LEASE:
        deliver()
        clock.advance(timedelta(minutes=1))
    subjects = [letter.sheet.subject for letter in post.letters]
    assert sorted(subjects) == ["A", "C", "D", "E", "F"], "each once, within two leases"
    assert subjects.index("F") < subjects.index("C"), "what nobody died of goes first"
    assert [m.tries for m in billing.messages.find(biller=park, state="sent")] == [1, 1, 1, 1]
    failed: list[Outcome] = []
    for _ in range(24 * 7):
        if (report := deliver()) is not None:
            failed += report.failed.items
        clock.advance(timedelta(hours=1))
    [given_up] = billing.messages.find(biller=park, state="failed")
    assert len(kills) == len(RETRIES) + 2, "once among others, and at each of its tries"
    assert (given_up.tries, given_up.next_try_at) == (len(RETRIES) + 1, None)
    assert "dies" in given_up.error
    [told] = failed
    assert (told.biller, told.invoice) == (park.id, given_up.invoice)
    billing.messages.retry(given_up)
    assert wired(billing, mailer=post).deliver().sent == 1


@pytest.mark.rule("R7")
def test_a_mailer_that_dies_once_it_has_sent_tells_nobody_for_ever(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    for _ in range(3):
        issued(billing, park, guest)

    def exits(mail: Mail) -> None:
        post.sent.append(mail)
        raise SystemExit(1)

    post = Post(exits)
    desk = wired(billing, mailer=post)
    for _ in range(24 * 7 * 2):
        with suppress(SystemExit):
            desk.deliver()
        clock.advance(timedelta(minutes=30))
    assert states(billing, park) == ["failed"] * 3
    assert max(Counter(mail.id for mail in post.sent).values()) <= len(RETRIES) + 2


@pytest.mark.rule("R7")
def test_deliverers_at_once_send_what_a_dead_one_had_exactly_once(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PAGE", 8)
    for n in range(20):
        issued(billing, park, guest, title="dead" if n in (3, 11) else f"T{n}")
    post = Post()
    for _ in range(2):
        with pytest.raises(Killed):
            wired(billing, mailer=post, renderer=Clumsy("dead", Killed())).deliver()
    clock.advance(LEASE)
    desks = [wired(billing, mailer=post) for _ in range(4)]
    start = threading.Barrier(len(desks))

    def deliver(desk: Billing) -> None:
        start.wait()
        while billing.messages.find(biller=park, state="queued"):
            desk.deliver()

    with ThreadPoolExecutor(len(desks)) as pool:
        list(pool.map(deliver, desks))
    sent = [mail.id for mail in post.sent]
    assert sorted(sent) == sorted(message.id for message in outbox(billing, park))
    assert states(billing, park) == ["sent"] * 20


@pytest.mark.rule("R7")
def test_a_deliverer_that_outlives_its_lease_does_not_overwrite_who_took_over(
    billing: Billing, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    issued(billing, park, guest)
    quick = Post()

    def crawl(mail: Mail) -> None:
        clock.advance(LEASE + timedelta(minutes=1))
        assert wired(billing, mailer=quick).deliver().sent == 1
        raise MailRefused("550 too late to tell")

    wired(billing, mailer=Post(crawl)).deliver()
    [message] = outbox(billing, park)
    assert (message.state, message.error) == (MessageState.SENT, ""), "the word of who has it now counts"
    assert [mail.id for mail in quick.sent] == [message.id]


@pytest.mark.rule("R7")
def test_a_slow_deliverer_gives_back_what_it_will_not_manage_within_its_lease(
    billing: Billing, post: Post, clock: FixedClock, park: Biller, guest: Customer
) -> None:
    for _ in range(5):
        issued(billing, park, guest)
    quick = Post()

    def crawl(mail: Mail) -> None:
        clock.advance(LEASE / 4)
        wired(billing, mailer=quick).deliver()  # another one, who takes what is free by now

    post.answer = crawl
    report = billing.deliver()
    assert (report.sent, report.deferred) == (3, 2)
    clock.advance(RETRIES[0])
    wired(billing, mailer=quick).deliver()
    assert set(states(billing, park)) == {"sent"}
    handed_over = [mail.id for mail in (*post.sent, *quick.sent)]
    assert len(handed_over) == len(set(handed_over)) == 5, "nothing twice"


@pytest.mark.rule("R7")
def test_deliverers_at_once_send_each_message_exactly_once(
    billing: Billing, park: Biller, guest: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PAGE", 3)
    ids = {issued(billing, park, guest, title=f"T{n}").id for n in range(40)}
    post = Post()
    desks = [wired(billing, mailer=post) for _ in range(4)]
    start = threading.Barrier(len(desks))

    def deliver(desk: Billing) -> int:
        start.wait()
        return desk.deliver().sent.count

    with ThreadPoolExecutor(len(desks)) as pool:
        counts = list(pool.map(deliver, desks))
    assert sum(counts) == 40
    assert len(post.sent) == 40
    assert {message.invoice for message in outbox(billing, park)} == ids
    assert {mail.id for mail in post.sent} == {message.id for message in outbox(billing, park)}


OUTCOMES: dict[str, Exception | None] = {
    "accepted": None,
    "later": MailDeferred("451"),
    "never": MailRefused("550"),
    "down": MailUnavailable("refused"),
    "bug": ValueError("bug"),
}


@pytest.mark.rule("R7")
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_whatever_the_server_answers_no_message_is_lost_and_none_is_sent_after_it_was_accepted(
    store: str, tmp_path: Path
) -> None:
    @settings(max_examples=40 if store == "memory" else 12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=40), st.integers(1, 5), st.integers(1, 4))
    def check(answers: list[str], count: int, page: int) -> None:
        script = iter(answers)

        def answer(mail: Mail) -> None:
            error = OUTCOMES[next(script, "accepted")]
            if error is not None:
                raise error

        clock, post = FixedClock(NOON), Post(answer)
        url = "memory://" if store == "memory" else f"sqlite:///{tmp_path / str(next(numbers))}.db"
        with (
            pytest.MonkeyPatch.context() as patch,
            Billing.open(url, clock=clock, plugins=Plugins.of(memory.plugin, sql.plugin)) as plain,
        ):
            patch.setattr(delivering, "PAGE", page)
            billing = wired(plain, mailer=post)
            park = billing.billers.add(name="P", currency="EUR", timezone="UTC", locale="en_GB", preset="stays")
            guest = billing.customers.add(biller=park, name="A", email="a@example.com")
            for n in range(count):
                issued(billing, park, guest, title=f"T{n}")
            for _ in range(len(RETRIES) + 45):
                billing.deliver()
                clock.advance(timedelta(days=1))
            found = {message.id: message for message in outbox(billing, park)}
            assert len(found) == count
            assert {message.state for message in found.values()} <= {MessageState.SENT, MessageState.FAILED}
            accepted = [mail.id for mail in post.sent]
            assert len(accepted) == len(set(accepted))
            assert set(accepted) == {id for id, message in found.items() if message.state is MessageState.SENT}
            assert all(message.error for message in found.values() if message.state is MessageState.FAILED)

    numbers = iter(range(10**6))
    check()


def test_the_desk_closes_its_mailer_once_it_is_done(park: Biller, billing: Billing) -> None:
    post = Post()
    desk = wired(billing, mailer=post, store=memory.MemoryStore())
    desk.close()
    assert post.closed == 1

    class Pigeons:
        @hookimpl
        def mailers(self) -> dict[str, Callable[[str], object]]:
            return {"pigeon": lambda url: pytest.fail("one that was never opened is opened to be closed")}

    with wired(billing, mailer="pigeon://", store=memory.MemoryStore(), plugins=Plugins.of(Pigeons())):
        pass
