"""Paper and post: what draws documents, lays e-mails out, and sends them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:  # documents are imported when one is made
    from invoicecore.documents import Letter, Sheet


@attrs.frozen(kw_only=True)
class Attachment:
    """A file that goes with an e-mail."""

    filename: str
    media_type: str
    content: bytes


@attrs.frozen(kw_only=True)
class Composed:
    """An e-mail laid out: its subject in one line, and the same content as plain text and as HTML."""

    subject: str
    text: str
    html: str


@attrs.frozen(kw_only=True)
class Mail:
    """One e-mail, ready to go.

    `id` is the message's: the Message-ID is made of it and of the sender's domain and of nothing else, so that a
    repeat is recognisable. The address it is sent from is the mailer's own; `sender` is the name shown beside it,
    `reply_to` the biller's address.
    """

    id: str
    to_name: str
    to: str
    sender: str
    reply_to: str | None
    language: str
    date: datetime
    content: Composed
    attachments: tuple[Attachment, ...] = ()


class Mailer(Protocol):
    """What sends e-mails; safe to share between threads. An author adopts `invoicecore.testing.MailerContract`."""

    def send(self, mail: Mail) -> None:
        """Hand one e-mail over; it is accepted when this returns.

        Raises MailRefused when it will never be accepted, MailDeferred when it may be later, MailUnavailable when
        nothing can be sent at present.
        """
        ...

    def close(self) -> None:
        """End connections and files; a later send() opens them again."""
        ...


class Renderer(Protocol):
    """What draws documents; an author adopts `invoicecore.testing.RendererContract`."""

    def render(self, sheet: Sheet) -> bytes:
        """The sheet as a PDF; the same sheet gives the same bytes (S11). Safe to call from several threads.

        Raises RenderFailed naming what cannot be drawn.
        """
        ...


class Composer(Protocol):
    """What lays e-mails out."""

    def compose(self, letter: Letter) -> Composed:
        """The letter as subject, text and HTML; what a person entered is data in it, never markup.

        Raises RenderFailed naming the template and what is wrong with it.
        """
        ...
