"""Delivering: the outbox goes out, each message once, whoever else delivers and whatever dies meanwhile (R7, S9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

import attrs

from invoicecore.billing.desk import Desk, acting, again, biller_in
from invoicecore.billing.documenting import besides_of, notes_of, receipts_of, sheets_of
from invoicecore.billing.linking import links_in, urls_of
from invoicecore.billing.outcomes import Deliveries, Outcome
from invoicecore.collection import Collection, SavedMethod
from invoicecore.credit_notes import CreditNote
from invoicecore.documents import Letter, Sheet
from invoicecore.documents.letter import (
    collection_failed_letter,
    collection_notice_letter,
    credit_note_letter,
    invoice_letter,
    payment_reversed_letter,
    receipt_letter,
    refund_letter,
    reminder_letter,
)
from invoicecore.errors import (
    Busy,
    Conflict,
    MailRefused,
    MailUnavailable,
    MissingExtra,
    NotFound,
    NotWired,
    Refused,
    StoreError,
)
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import (
    LEASE,
    Message,
    MessageKind,
    MessageState,
    cancelled,
    deferred,
    given_back,
    given_up,
    refused,
    sent,
    taken,
    uncounted,
)
from invoicecore.parties import Biller
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.ports import Attachment, Mail
from invoicecore.reminders import remindable

R = TypeVar("R", Invoice, Payment, CreditNote)

PAGE = 50  # messages taken at a time: few enough to be sent within their lease by a slow server

_FRESH = timedelta(seconds=1)  # how old what a letter says may be; what happened since is asked for again

_WIRING = (NotWired, MissingExtra)


@attrs.frozen(kw_only=True)
class _Page:
    """The messages one deliverer has, and what their letters are made of; `on` is the biller's day."""

    on: date
    messages: Sequence[Message]
    invoices: Mapping[str, Invoice]
    sheets: Mapping[str, Sheet | Exception]
    urls: Mapping[str, str]
    payments: Mapping[str, Payment]
    receipts: Mapping[str, Sheet | Exception]
    refunds: Mapping[str, Refund]
    notes: Mapping[str, CreditNote]
    note_sheets: Mapping[str, Sheet | Exception]
    collections: Mapping[str, Collection]
    methods: Mapping[str, SavedMethod]
    reversals: Mapping[str, Reversal]


class Delivering:
    """One call of `Billing.deliver`: biller by biller, a page of messages at a time, no transaction open while sending."""

    def __init__(self, desk: Desk, *, actor: str | None, progress: Callable[[int], None] | None) -> None:
        self._desk = desk
        self._actor = acting(actor)
        self._progress = progress
        self._began = False
        desk.wiring.mailer  # noqa: B018  # a mailer that is missing or wrong shows now, not when something is due
        self.report = Deliveries()

    def deliver_each(self, billers: Iterable[Biller]) -> None:
        """Deliver for one biller after the other, until nothing can be sent at all.

        One that a hook refuses or another writer keeps is reported and stops no other (R18).
        """
        for biller in billers:
            try:
                self.deliver(biller)
            except (Refused, Busy) as error:
                self.report.tell("failed", Outcome(code=error.code, text=str(error), biller=biller.id))
            if self.report.stopped:
                return

    def deliver(self, biller: Biller) -> None:
        """Send what is due of one biller."""
        self._desk.plugins.authorise(action="deliver", actor=self._actor, biller=biller.id)
        if not self._began:
            self._desk.outside()  # refused within a transaction, also when nothing is due (P2)
            self._began = True
        # Look first without the writer's lock: at most times most billers have nothing to send.
        due = again(lambda: self._look(biller))
        while due and not self.report.stopped:
            # What it takes to send is asked for before anything is taken.
            self._desk.wiring.composer, self._desk.wiring.renderer  # noqa: B018  # opens them
            due, lost = again(lambda: self._take(biller))
            for message in lost:
                self.report.tell("failed", _outcome(message))
            if due:
                with self._desk.plugins.span("mailer.send", biller=biller.id, messages=len(due)):
                    self._send_page(biller, due)
            if self._progress is not None:
                self._progress(self.report.sent.count)

    def _look(self, biller: Biller) -> list[Message]:
        with self._desk.view() as tx:
            return tx.due(Message, biller.id, self._desk.clock.now(), after=None, limit=1)

    def _take(self, biller: Biller) -> tuple[list[Message], list[Message]]:
        """What this deliverer has now, and what is given up.

        A message that was taken and never answered may have killed its deliverer. Those are taken when nothing else is
        due, and one by one: what dies then has died of that one, which is counted at once.
        """
        at, after, doubtful = self._desk.clock.now(), None, list[Message]()
        with self._desk.store.writing(biller=biller.id, shared=True) as tx:
            while due := tx.due(Message, biller.id, at, after=after, limit=PAGE):
                if mine := [taken(message, at) for message in due if not message.unanswered]:
                    tx.replace([uncounted(message) for message in mine])
                    return _written(mine), []
                doubtful += due
                after = (due[-1].next_try_at or at, due[-1].id)
            lost = [failed for message in doubtful if (failed := given_up(message)) is not None]
            mine = [taken(message, at) for message in doubtful if given_up(message) is None][:1]
            tx.replace([*lost, *mine])
        return _written(mine), lost

    def _send_page(self, biller: Biller, messages: Sequence[Message]) -> None:
        read_at = self._desk.clock.now()
        until = read_at + LEASE / 2  # a message begun later might not be done within the lease
        page = again(lambda: self._page(biller, messages))
        maker = ThreadPoolExecutor(max_workers=1)  # e-mails are made, in order, while those before are on their way
        try:
            making = [maker.submit(self._mail, biller, message, page) for message in messages]
            for n, (message, mail) in enumerate(zip(messages, making, strict=True)):
                if self._desk.clock.now() > until:
                    self._give_back(messages[n:], "the deliverer ran out of time")
                    return
                try:
                    fresh = None
                    if self._desk.clock.now() - read_at > _FRESH:
                        fresh = again(partial(self._changed, biller, message, page))
                    if fresh is not None:
                        mail = maker.submit(self._mail, fresh, message, again(partial(self._page, fresh, [message])))
                    after = self._send(message, mail)
                except _WIRING as error:
                    self._give_back(messages[n:], str(error))
                    raise
                except MailUnavailable as error:
                    self.report.stopped = error.why
                    self._give_back(messages[n:], error.why, first_behind=True)
                    return
                self._record(after)
        finally:
            maker.shutdown(cancel_futures=True)

    def _changed(self, biller: Biller, message: Message, page: _Page) -> Biller | None:
        """The biller as it stands, if something happened since a message's page was read: to the biller, to the invoice,
        or to its link; None if nothing did."""
        before = page.invoices.get(message.invoice)
        with self._desk.view() as tx:
            fresh, now = biller_in(tx, biller.id), tx.get(Invoice, biller.id, [message.invoice]).get(message.invoice)
            live = links_in(tx, biller, [now]) if now is not None else []
        url = page.urls.get(message.invoice)
        same_link = url is None or any(self._desk.wiring.page(link.id) == url for link in live)
        versions = [each.version if each is not None else 0 for each in (fresh, now, biller, before)]
        return None if same_link and versions[:2] == versions[2:] else fresh

    def _send(self, message: Message, mail: Future[Mail | str]) -> Message:
        """Send one message; the message as it is afterwards. Raises MailUnavailable, and what is wrong with the wiring."""
        try:
            made = mail.result()
            if isinstance(made, str):
                return cancelled(message, made)
            with self._desk.wiring.sending:
                self._desk.wiring.mailer.send(made)
        except (MailUnavailable, *_WIRING):
            raise
        except MailRefused as error:
            return refused(message, error.why)
        except Exception as error:  # one message that cannot be made or sent never stops the others
            return deferred(message, self._desk.clock.now(), getattr(error, "why", f"{type(error).__name__}: {error}"))
        return sent(message, self._desk.clock.now())

    def _mail(self, biller: Biller, message: Message, page: _Page) -> Mail | str:
        """The e-mail of a message, or why it has been overtaken."""
        if (why := _overtaken(message, page)) is not None:
            return why
        letter, sheet = _letter(biller, message, page)
        pdf = self._desk.wiring.draw(sheet)
        return Mail(
            id=message.id,
            to_name=sheet.customer.name if sheet.customer is not None else "",
            to=message.to,
            sender=letter.sender,
            reply_to=biller.email,
            language=letter.language,
            date=message.queued_at,
            content=self._desk.wiring.composer.compose(letter),
            attachments=(Attachment(filename=f"{sheet.filename}.pdf", media_type="application/pdf", content=pdf),),
        )

    def _page(self, biller: Biller, messages: Sequence[Message]) -> _Page:
        refs = {message.invoice for message in messages}

        def about(*kinds: MessageKind) -> set[str]:
            return {message.about for message in messages if message.kind in kinds and message.about is not None}

        with self._desk.view() as tx:
            invoices = tx.get(Invoice, biller.id, refs)
            besides, live = besides_of(tx, biller, list(invoices.values())), links_in(tx, biller, invoices.values())
            reversals = tx.get(Reversal, biller.id, about(MessageKind.PAYMENT_REVERSED))
            received = tx.get(Payment, biller.id, about(MessageKind.RECEIPT))
            receipts = _each(lambda some: receipts_of(tx, biller, some), received)
            notes = tx.get(CreditNote, biller.id, about(MessageKind.CREDIT_NOTE))
            note_sheets = _each(lambda some: notes_of(tx, biller, some), notes)
            given = {note.refund for note in notes.values() if note.refund is not None}
            refunds = tx.get(Refund, biller.id, about(MessageKind.REFUND) | given)
            kinds = (MessageKind.COLLECTION_NOTICE, MessageKind.COLLECTION_FAILED)
            collections = tx.get(Collection, biller.id, about(*kinds))
            saved = {each.method for each in collections.values() if each.method is not None}
            methods = tx.get(SavedMethod, biller.id, saved)
            payments = received | tx.get(Payment, biller.id, {each.payment for each in reversals.values()})
        urls = urls_of(self._desk, biller, invoices.values(), live)
        return _Page(
            on=self._desk.today(biller),
            messages=messages,
            invoices=invoices,
            urls=urls,
            sheets=_each(lambda some: sheets_of(some, besides, urls), invoices),
            payments=payments,
            receipts=receipts,
            refunds=refunds,
            notes=notes,
            note_sheets=note_sheets,
            collections=collections,
            methods=methods,
            reversals=reversals,
        )

    def _record(self, message: Message) -> None:
        # One commit for each: what a server has accepted cannot be taken back, and must not be forgotten either. It
        # does not wait for the disk: a loss of power may repeat the last few, which their Message-ID tells.
        self._write([message], lasting=False)
        state = {MessageState.QUEUED: "deferred"}.get(message.state, message.state.value)
        self.report.tell(state, _outcome(message))

    def _give_back(self, messages: Sequence[Message], why: str, *, first_behind: bool = False) -> None:
        at = self._desk.clock.now()
        back = [given_back(message, at, why, behind=first_behind and not n) for n, message in enumerate(messages)]
        self._write(back)
        for message in back:
            self.report.tell("deferred", _outcome(message))

    def _write(self, messages: Sequence[Message], *, lasting: bool = True) -> None:
        def write() -> None:
            with self._desk.store.writing(lasting=lasting, biller=messages[0].biller, shared=True) as tx:
                tx.replace(messages)

        try:
            again(write)
        except Conflict:
            # It was written by a commit that was interrupted; or the lease was over and another deliverer has it now:
            # its word counts.
            return


def _written(messages: Sequence[Message]) -> list[Message]:
    return [attrs.evolve(message, version=message.version + 1) for message in messages]


def _each(make: Callable[[Sequence[R]], dict[str, Sheet]], records: Mapping[str, R]) -> Mapping[str, Sheet | Exception]:
    """The sheet of each record, or why it has none: one that cannot be made never stops the others."""
    try:
        return make(list(records.values()))
    except StoreError:
        raise
    except Exception:  # one of them cannot be made: find out which, and make the others
        found: dict[str, Sheet | Exception] = {}
        for ref, record in records.items():
            try:
                found |= make([record])
            except Exception as error:
                found[ref] = error
        return found


def _made(sheet: Sheet | Exception) -> Sheet:
    if isinstance(sheet, Exception):
        raise sheet
    return sheet


_ASKING = (
    MessageKind.REMINDER,
    MessageKind.COLLECTION_FAILED,
    MessageKind.PAYMENT_REVERSED,
)  # which ask for money


def _overtaken(message: Message, page: _Page) -> str | None:
    """Why what a message would say is no longer so (P3); None when it still is."""
    invoice, about = page.invoices.get(message.invoice), message.about or ""
    if invoice is None:
        raise NotFound("invoice", message.invoice)
    kind = message.kind
    about_debt = kind in (MessageKind.INVOICE_ISSUED, *_ASKING)
    if about_debt and invoice.lifecycle is Lifecycle.VOID:
        return "the invoice is void"
    if kind is MessageKind.PAYMENT_REVERSED and page.reversals[about].cancelled_on is not None:
        return "the payment was restored"
    if kind in _ASKING and not remindable(invoice):
        return "nothing is left to ask for"
    if kind is MessageKind.COLLECTION_NOTICE and not page.collections[about].live:
        return f"the collection is {page.collections[about].state.value}"
    if kind is MessageKind.RECEIPT:
        receipt = page.receipts[about]
        if isinstance(receipt, Sheet) and any(mark.code == "reversed" for mark in receipt.marks):
            return "the payment was reversed"
    if kind is MessageKind.REFUND and not page.refunds[about].state.counts:
        return "the refund came back"
    return None


def _letter(biller: Biller, message: Message, page: _Page) -> tuple[Letter, Sheet]:
    """What a message says, and the document that goes with it."""
    invoice, about = page.invoices[message.invoice], message.about or ""
    url = page.urls.get(invoice.id)
    if message.kind is MessageKind.RECEIPT:
        receipt = _made(page.receipts[about])
        return receipt_letter(page.payments[about], invoice, receipt, biller), receipt
    if message.kind is MessageKind.CREDIT_NOTE:
        note, paper = page.notes[about], _made(page.note_sheets[about])
        return credit_note_letter(note, page.refunds.get(note.refund or ""), invoice, paper, biller), paper
    sheet = _made(page.sheets[message.invoice])
    if message.kind is MessageKind.REFUND:
        return refund_letter(page.refunds[about], invoice, sheet, biller), sheet
    if message.kind is MessageKind.REMINDER:
        return reminder_letter(invoice, sheet, biller, int(about), on=page.on, url=url), sheet
    if message.kind is MessageKind.COLLECTION_NOTICE:
        collection = page.collections[about]
        method = page.methods.get(collection.method or "")
        label = method.label if method is not None else ""
        return collection_notice_letter(collection, label, invoice, sheet, biller), sheet
    if message.kind is MessageKind.COLLECTION_FAILED:
        return collection_failed_letter(page.collections[about], invoice, sheet, biller, url=url), sheet
    if message.kind is MessageKind.PAYMENT_REVERSED:
        reversal = page.reversals[about]
        payment = page.payments[reversal.payment]
        return payment_reversed_letter(reversal, payment, invoice, sheet, biller, url=url), sheet
    return invoice_letter(invoice, sheet, biller), sheet


def _outcome(message: Message) -> Outcome:
    text = f"{message.to}: {message.error}" if message.error else message.to
    return Outcome(code=message.kind.value, text=text, biller=message.biller, invoice=message.invoice)
