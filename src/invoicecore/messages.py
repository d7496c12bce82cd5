"""The outbox: e-mails as rows, what becomes of each, and when one is tried again (R7, S9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from invoicecore.errors import legible


class MessageKind(StrEnum):
    """What an e-mail tells."""

    INVOICE_ISSUED = "invoice_issued"
    RECEIPT = "receipt"
    REFUND = "refund"
    REMINDER = "reminder"
    COLLECTION_NOTICE = "collection_notice"
    COLLECTION_FAILED = "collection_failed"
    PAYMENT_REVERSED = "payment_reversed"
    CREDIT_NOTE = "credit_note"


class MessageState(StrEnum):
    """What became of an e-mail; a queued one is tried when its `next_try_at` has come."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


RETRIES: Final[tuple[timedelta, ...]] = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=24),
)
"""How long to wait after each try that did not go through, as RFC 5321 advises (4.5.4.1): about three days in all."""

LEASE: Final = timedelta(minutes=15)
"""How long a deliverer has for the messages it took; after that another one may take them."""

UNANSWERED: Final = "taken by a deliverer that has not answered yet"
"""The `error` of a message from when it is taken until it is known what became of it."""


@attrs.frozen(kw_only=True)
class Message:
    """An e-mail to be sent, written in the transaction of the change that causes it (R7, S9).

    `about` is what it tells of: the payment, the refund, the reversal, the collection, the credit note, or a reminder's
    step ("+7"); of one kind, one invoice and
    one `about` there is one message. `tries` counts attempts, `error` says why the last one failed. The e-mail's
    Message-ID is made of `id`, so that a repeat is recognisable.
    """

    id: str
    biller: str
    kind: MessageKind
    invoice: str
    to: str
    locale: str
    queued_at: datetime
    about: str | None = None
    state: MessageState = MessageState.QUEUED
    tries: int = 0
    next_try_at: datetime | None = None
    sent_at: datetime | None = None
    error: str = ""
    version: int = 1

    @property
    def unanswered(self) -> bool:
        """Whether who took it last never said what became of it: a message that is due again may have killed its deliverer."""
        return self.state is MessageState.QUEUED and self.error == UNANSWERED


def taken(message: Message, at: datetime) -> Message:
    """The message while one deliverer has it: nobody else takes it before the lease is over.

    One that was never answered is given longer with each try, so that it kills a deliverer less and less often.
    """
    wait = max((LEASE, *RETRIES[message.tries : message.tries + 1])) if message.unanswered else LEASE
    return attrs.evolve(message, tries=message.tries + 1, next_try_at=at + wait, error=UNANSWERED)


def uncounted(message: Message) -> Message:
    """The message as it is kept while a deliverer has it among others: if it dies, it may be of any of them."""
    return attrs.evolve(message, tries=message.tries - 1)


def given_up(message: Message) -> Message | None:
    """The failed message, once it was never answered at the last of its tries; None while there is another one."""
    if not message.unanswered or message.tries <= len(RETRIES):
        return None
    why = f"never answered, at the last of {message.tries} tries: what makes and sends it dies or breaks off each time"
    return refused(message, f"{why}; find out why in that process's log, then queue it anew with messages.retry")


def sent(message: Message, at: datetime) -> Message:
    """The message once the mailer has accepted it."""
    return attrs.evolve(message, state=MessageState.SENT, sent_at=at, next_try_at=None, error="")


def cancelled(message: Message, why: str) -> Message:
    """The message when what it would say is no longer so: its invoice is void, its reminder's invoice paid (P3)."""
    return attrs.evolve(message, state=MessageState.CANCELLED, next_try_at=None, error=why)


def refused(message: Message, why: str) -> Message:
    """The message after a refusal that will not change: it is not tried again."""
    return attrs.evolve(message, state=MessageState.FAILED, next_try_at=None, error=legible(why))


def deferred(message: Message, at: datetime, why: str) -> Message:
    """The message after a try that may go through later; failed once every wait of RETRIES was in vain."""
    if message.tries > len(RETRIES):
        return refused(message, why)
    return attrs.evolve(message, next_try_at=at + RETRIES[max(message.tries, 1) - 1], error=legible(why))


def given_back(message: Message, at: datetime, why: str, *, behind: bool = False) -> Message:
    """The message that was taken and not tried, because nothing could be sent at all: the try does not count.

    One that met the trouble goes `behind` the others, so that it does not stand before them for ever if it is the cause.
    """
    later = at + RETRIES[1 if behind else 0]
    return attrs.evolve(message, tries=message.tries - 1, next_try_at=later, error=legible(why))


def tried_again(message: Message, at: datetime, to: str) -> Message:
    """The failed or cancelled message, queued anew, perhaps to another address."""
    return attrs.evolve(message, to=to, state=MessageState.QUEUED, tries=0, next_try_at=at, error="")
