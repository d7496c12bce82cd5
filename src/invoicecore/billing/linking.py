"""Linking: an invoice's stable link to its pay page, what the page shows, and the provider's page behind its button."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs

from invoicecore.billing.desk import Desk, one
from invoicecore.billing.scheduling import close_pages
from invoicecore.collection import Collection, CollectionState
from invoicecore.errors import Conflict, NotAllowed, NotFound, NotWired, PaymentsOff
from invoicecore.invoices import Invoice, Lifecycle, Status
from invoicecore.money import zero
from invoicecore.parties import Biller, locale_of_payer
from invoicecore.payments import PaymentMethod, is_zero
from invoicecore.ports import PayLink, Reader, Writer

if TYPE_CHECKING:
    from invoicecore.ports import Checkout, HostedPage

# A link leaves the invoice's version as it is, so its place on the timeline is made of how many there were; the token is
# a secret and stands in no timeline.
_MADE, _REVOKED = 100_000, 200_000

_PAYER: Final = "payer"  # who acts on a pay page
_LASTS: Final = timedelta(hours=23)  # providers let a page last a day at most
_SOON: Final = timedelta(minutes=30)  # a page that ends sooner is not given out any more


class PayState(StrEnum):
    """What a pay page has to say: `payable` has a button, the others say why there is none (R12, T2).

    `in_flight`: what is owed is being collected; `off`: the biller takes no payments, or nothing here does online; `void`, `paid` and
    `refunded` as the statuses.
    """

    PAYABLE = "payable"
    IN_FLIGHT = "in_flight"
    OFF = "off"
    PAID = "paid"
    REFUNDED = "refunded"
    VOID = "void"


@attrs.frozen(kw_only=True)
class PayPage:
    """What a token opens: its one invoice, whose it is, and whether it can be paid now (T2)."""

    state: PayState
    invoice: Invoice
    biller: Biller
    locale: str


class Linking:
    """The links of `billing.payments`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def link(self, invoice: Invoice | str, *, on: date | None = None, actor: str | None = None) -> str:
        """The stable URL of an invoice's pay page: the same each time, until it is revoked (R12).

        It does not expire while the invoice can be paid. Raises NotAllowed for a draft and a void invoice (C6),
        PaymentsOff (R1), NotWired without a base URL, NotFound.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        self._desk.wiring.page("")  # refuses before anything is written
        with self._desk.change("payments.link", biller, on=on, actor=actor, subject=ref) as change:
            found = one(change.tx, Invoice, biller, ref)
            change.payments_on()
            if found.lifecycle is not Lifecycle.OPEN:
                raise NotAllowed("link", found.status_on(change.on).value, (), "only an open invoice has a pay page")
            links = change.tx.find(PayLink, biller, {"invoice": ref})
            live = _live(links)
            if not live:
                live = [_new(found, change.at)]
                change.tx.add(live)
                change.note(ref, found.version, "link made", step=_MADE + len(links))
            return self._desk.wiring.page(live[0].id)

    def revoke_link(self, invoice: Invoice | str, *, on: date | None = None, actor: str | None = None) -> int:
        """Make an invoice's link open nothing any more, and return how many there were; `link` then makes another."""
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.change("payments.revoke_link", biller, on=on, actor=actor, subject=ref) as change:
            found = one(change.tx, Invoice, biller, ref)
            links = change.tx.find(PayLink, biller, {"invoice": ref})
            live = _live(links)
            change.tx.replace([attrs.evolve(link, revoked_at=change.at) for link in live])
            close_pages(change, [found])  # opened by that link
            if live:
                change.note(ref, found.version, "link revoked", step=_REVOKED + len(links))
            return len(live)

    def page(self, token: str) -> PayPage | None:
        """What a link's token opens; None for one that was revoked or never given out, whatever it looks like (T2).

        It takes the same reads either way.
        """
        with self._desk.view() as tx:
            link = self._opened(tx, token)
            owner, ref = (link.biller, link.invoice) if link is not None else ("", "")
            biller, invoice = tx.get(Biller, owner, [owner]).get(owner), tx.get(Invoice, owner, [ref]).get(ref)
            if biller is None or invoice is None:
                return None
        state = _state(invoice, biller)
        if state is PayState.PAYABLE and invoice.facts.in_flight.amount > 0:
            state = PayState.IN_FLIGHT  # in part: nothing else is collected through a provider meanwhile
        if state is PayState.PAYABLE and not self._desk.wiring.takes_checkouts(invoice.currency):
            state = PayState.OFF
        return PayPage(state=state, invoice=invoice, biller=biller, locale=locale_of_payer(invoice.bill_to, biller))

    def checkout(self, token: str) -> str:
        """The provider's short-lived page for what is left to pay, made when the payer asks for it (R12).

        It is the same page as long as it asks for what is owed; one that does not any more is closed first, and what
        was paid there counts. Raises NotFound for a token that opens nothing, PaymentsOff, NotAllowed when there is
        nothing to pay now, NotWired without a gateway, StoreError inside a transaction (P2), GatewayError.
        """
        from invoicecore.billing.debiting import close_page
        from invoicecore.errors import GatewayError, KeyMismatch
        from invoicecore.ports import Capability

        self._desk.outside()
        stale: Collection | None = None
        for _ in range(4):
            page = self._payable(token)
            gateway = self._desk.wiring.gateway_for(Capability.CHECKOUT, currency=page.invoice.currency)
            if stale is not None:
                close_page(self._desk, stale, actor=_PAYER, action="payments.checkout")
            collection, stale = self._page_of(page, gateway.info.name)
            if collection is None:
                continue
            try:
                hosted = gateway.checkout(self._wanted(page, token, collection), collection.id)
            except KeyMismatch:  # something that is in the request has changed since
                stale = collection
                continue
            if hosted.reference == collection.reference or self._opened_as(collection, hosted):
                return hosted.url
            with suppress(GatewayError):  # nobody was sent there, and nobody will be
                gateway.expire(hosted.reference, f"{collection.id}/close")
        raise NotAllowed("pay online", "open", (), "its page is being changed", "Try again in a moment")

    def _payable(self, token: str) -> PayPage:
        page = self.page(token)
        if page is None:
            raise NotFound("link", "…")  # a token is a secret: it is in no message and no log
        if page.state is PayState.OFF:
            if page.biller.payments and not self._desk.wiring.gateways:
                raise NotWired("gateway", "give gateway= to Billing.open: one of your own, or the URL of one")
            raise PaymentsOff(page.biller.id, "pay online")
        if page.state is not PayState.PAYABLE:
            raise NotAllowed("pay online", page.state.value, (), "nothing is left to pay now")
        return page

    def _page_of(self, page: PayPage, gateway: str) -> tuple[Collection | None, Collection | None]:
        """(the collection to open a page for, None) or (None, the one whose page must be closed first)."""
        from invoicecore.billing.debiting import unfinished

        ref = page.invoice.id
        try:
            with self._desk.change("payments.checkout", page.biller.id, actor=_PAYER, subject=ref) as change:
                invoice = one(change.tx, Invoice, page.biller.id, ref)
                there = unfinished(change, ref)
                if there is not None and there.state in (CollectionState.OPEN, CollectionState.CLOSING):
                    lasts = there.expires_at is not None and there.expires_at > change.at + _SOON
                    same = there.amount == invoice.recordable and there.gateway == gateway
                    fits = there.state is CollectionState.OPEN and same and lasts
                    return (there, None) if fits else (None, there)
                if there is not None or is_zero(invoice.recordable):
                    return None, None  # it is being collected, or was paid: the page will say so
                opened = Collection(
                    id=change.ids("col")[0],
                    biller=invoice.biller,
                    invoice=ref,
                    customer=invoice.customer,
                    gateway=gateway,
                    kind=PaymentMethod.CARD,
                    amount=invoice.recordable,
                    collected=zero(invoice.currency),
                    made_at=change.at,
                    state=CollectionState.OPEN,
                    expires_at=change.at + _LASTS,
                    next_try_at=change.at + _LASTS,
                    actor=_PAYER,
                )
                change.tx.add([opened])
                return opened, None
        except Conflict:
            return None, None  # another click came first

    def _wanted(self, page: PayPage, token: str, collection: Collection) -> Checkout:
        from invoicecore.ports import Checkout

        url = self._desk.wiring.page(token)
        invoice = page.invoice
        return Checkout(
            amount=collection.amount,
            reference=invoice.reference,
            description=invoice.title,
            locale=page.locale,
            success_url=f"{url}?back=paid",
            cancel_url=url,
            expires_at=collection.expires_at or collection.made_at + _LASTS,
            email=invoice.bill_to.email if invoice.bill_to is not None else None,
        )

    def _opened_as(self, collection: Collection, hosted: HostedPage) -> bool:
        """Keep the name of a page that was made; False when it was called off while it was being made."""
        with self._desk.change("payments.checkout", collection.biller, actor=_PAYER, subject=collection.id) as change:
            found = one(change.tx, Collection, collection.biller, collection.id)
            if found.reference is None:
                change.tx.replace([attrs.evolve(found, reference=hosted.reference)])
            return found.state is CollectionState.OPEN

    def _opened(self, tx: Reader, token: str) -> PayLink | None:
        # What cannot be a token is looked for like one that is not there.
        given: object = token
        token = given if isinstance(given, str) else ""
        link = tx.pay_link(token if token.isascii() and token.isprintable() and len(token) <= 100 else "")
        if link is None or link.revoked_at is not None or self._desk.scope not in (None, link.biller):
            return None
        return link


def links_in(tx: Reader, biller: Biller, invoices: Iterable[Invoice]) -> list[PayLink]:
    """The links there are of some invoices, those that open something."""
    return _live(tx.find(PayLink, biller.id, {"invoice": [invoice.id for invoice in invoices]}))


def urls_of(desk: Desk, biller: Biller, invoices: Iterable[Invoice], live: Sequence[PayLink]) -> dict[str, str]:
    """The pay page of each invoice that can be paid, by its id; links that lack beside the `live` ones are made (R12).

    Empty where the host serves no pages or the biller takes no payments (R1).
    """
    payable = [invoice for invoice in invoices if _state(invoice, biller) is PayState.PAYABLE]
    if not payable or not desk.wiring.has_pages:
        return {}
    if {invoice.id for invoice in payable} - {link.invoice for link in live}:
        try:
            with desk.store.writing(biller=biller.id) as writer:
                live = _made(writer, biller, payable, desk.clock.now())
        except Conflict:  # somebody else made one between our look and our writing
            with desk.view() as tx:
                live = links_in(tx, biller, payable)
    return {link.invoice: desk.wiring.page(link.id) for link in live}


def _made(writer: Writer, biller: Biller, payable: Sequence[Invoice], at: datetime) -> list[PayLink]:
    live = links_in(writer, biller, payable)
    there = {link.invoice for link in live}
    fresh = [_new(invoice, at) for invoice in payable if invoice.id not in there]
    writer.add(fresh)
    return live + fresh


def _live(links: Iterable[PayLink]) -> list[PayLink]:
    return [link for link in links if link.revoked_at is None]


def _new(invoice: Invoice, at: datetime) -> PayLink:
    import secrets  # only who makes one pays for it

    # 192 random bits: nobody guesses one, and no two are the same.
    return PayLink(id=secrets.token_urlsafe(24), biller=invoice.biller, invoice=invoice.id, made_at=at)


def _state(invoice: Invoice, biller: Biller) -> PayState:
    phase = invoice.phase.value
    if phase in (Status.PAID.value, Status.REFUNDED.value, Status.VOID.value):
        return PayState(phase)
    if not biller.payments or not invoice.published:
        return PayState.OFF
    return PayState.IN_FLIGHT if is_zero(invoice.recordable) else PayState.PAYABLE
