"""Notifying: what is written to the outbox, in the transaction of the change it tells of (R7, C4, S9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from invoicecore.billing.desk import Change, Desk, one
from invoicecore.errors import NotAllowed
from invoicecore.invoices import Invoice
from invoicecore.messages import Message, MessageKind, MessageState, tried_again
from invoicecore.parties import Biller, Customer, email_address, member


def queue(
    change: Change, kind: MessageKind, told: Sequence[tuple[Invoice, Customer]], about: str | None = None
) -> None:
    """Queue an e-mail of one kind about each invoice to its customer, those with an address."""
    reached = [(invoice, who) for invoice, who in told if who.email]
    ids = change.ids("msg", len(reached))
    change.tx.add(
        [
            Message(
                id=id,
                biller=change.biller.id,
                kind=kind,
                invoice=invoice.id,
                about=about,
                to=who.email or "",
                locale=who.locale or change.biller.locale,
                queued_at=change.at,
                next_try_at=change.at,
            )
            for id, (invoice, who) in zip(ids, reached, strict=True)
        ]
    )


def tell_payer(change: Change, kind: MessageKind, invoice: Invoice, about: str, *, notify: bool | None) -> None:
    """Queue a receipt or a refund's e-mail, if it is wished: by the call, else the client, else the biller's policy."""
    if invoice.customer is None:
        return
    who = one(change.tx, Customer, change.biller.id, invoice.customer)
    wished = change.biller.policy.notify_on_payment and who.notify is not False
    if notify if notify is not None else wished:
        queue(change, kind, [(invoice, who)], about)


def tell_once(change: Change, kind: MessageKind, invoice: Invoice, about: str) -> bool:
    """Queue an e-mail to an invoice's payer unless it was before; False when there is nobody with an address."""
    who = change.tx.get(Customer, change.biller.id, [invoice.customer]) if invoice.customer is not None else {}
    payer = who.get(invoice.customer or "")
    if payer is None or not payer.email:
        return False
    queued = change.tx.find(Message, change.biller.id, {"invoice": invoice.id})
    if not any(message.kind is kind and message.about == about for message in queued):
        queue(change, kind, [(invoice, payer)], about)
    return True


class Messages:
    """The outbox: `billing.messages`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        invoice: Invoice | str | None = None,
        state: MessageState | str | None = None,
        after: str = "",
        limit: int = 50,
    ) -> list[Message]:
        """Messages of a biller, of one invoice or in one state if given, oldest first; those after an id (R7).

        Raises InvalidValue for an unknown state or a limit beyond 1000, NotFound.
        """
        where = {} if state is None else {"state": member(MessageState, state, "state").value}
        return self._desk.listed(Message, biller, after=after, limit=limit, invoice=invoice, **where)

    def get(self, message: Message | str) -> Message:
        """The message as it stands; NotFound otherwise."""
        biller, ref = self._desk.owner("message", message)
        with self._desk.view() as tx:
            return one(tx, Message, biller, ref)

    def retry(
        self, message: Message | str, *, to: str | None = None, on: date | None = None, actor: str | None = None
    ) -> Message:
        """Queue a failed or cancelled message again, to another address if given; it keeps its Message-ID.

        Raises NotAllowed for one that is queued or sent, InvalidValue for what is no address, NotFound.
        """
        biller, ref = self._desk.owner("message", message)
        with self._desk.change("messages.retry", biller, on=on, actor=actor, subject=ref) as change:
            before = one(change.tx, Message, biller, ref)
            if before.state in (MessageState.QUEUED, MessageState.SENT):
                raise NotAllowed("retry", before.state.value, (), "only a failed or cancelled message is sent again")
            after = tried_again(before, change.at, email_address(to, "to") or before.to)
            change.tx.replace([after])
            change.note(ref, before.version + 1, "retried", after.to)
            return one(change.tx, Message, biller, ref)
