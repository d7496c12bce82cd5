"""What collecting through providers leaves behind: its rows, and the records made of them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from invoicecore.alerts import Alert, AlertKind, AlertState
from invoicecore.collection import (
    Advice,
    Collection,
    CollectionState,
    Decline,
    DeclineCode,
    MethodState,
    SavedMethod,
)
from invoicecore.credit_notes import CreditLine, CreditNote
from invoicecore.inbox import InboxEvent, InboxState
from invoicecore.parties import BillTo
from invoicecore.payments import PaymentMethod
from invoicecore.taxes import TaxRate
from invoicecore_adapters.sql.dialects import Row
from invoicecore_adapters.sql.records import Found, Page
from invoicecore_adapters.sql.rows import Batch

# --- rows -------------------------------------------------------------------------------------------------------------


def saved_method_row(batch: Batch, it: SavedMethod) -> Row:
    """A row of saved_methods."""
    return (
        it.biller,
        it.id,
        it.customer,
        it.gateway,
        it.kind.value,
        batch.instants[it.made_at],
        it.state.value,
        it.setup,
        it.reference,
        it.owner,
        it.scheme,
        it.label,
        it.reason,
        it.tries,
        batch.instants[it.next_try_at],
        it.version,
    )


def collection_row(batch: Batch, it: Collection) -> Row:
    """A row of collections."""
    currency, no = it.amount.currency.code, it.decline
    return (
        it.biller,
        it.id,
        it.invoice,
        it.customer,
        it.method,
        it.gateway,
        it.kind.value,
        currency,
        batch.minor(it.amount, currency),
        batch.minor(it.collected, currency),
        batch.instants[it.made_at],
        it.state.value,
        it.attempt,
        batch.days[it.charge_on],
        batch.days[it.expected_on],
        batch.days[it.reversible_until],
        it.reference,
        batch.instants[it.submitted_at],
        batch.instants[it.expires_at],
        batch.instants[it.next_try_at],
        it.tries,
        *(
            (None, None, None, None)
            if no is None
            else (no.code.value, no.advice.value, no.raw_code, batch.flags[no.provider_will_retry])
        ),
        it.error,
        it.actor,
        it.version,
    )


def inbox_event_row(batch: Batch, it: InboxEvent) -> Row:
    """A row of inbox_events."""
    return (
        it.biller,
        it.id,
        it.gateway,
        it.kind,
        it.about,
        it.reference,
        batch.instants[it.received_at],
        it.state.value,
        it.tries,
        batch.instants[it.next_try_at],
        it.error,
        it.version,
    )


def alert_row(batch: Batch, it: Alert) -> Row:
    """A row of alerts."""
    return (
        it.biller,
        it.id,
        it.kind.value,
        it.about,
        it.invoice,
        it.text,
        batch.instants[it.raised_at],
        it.state.value,
        batch.instants[it.resolved_at],
        it.resolved_by,
        it.resolution,
        it.version,
    )


def credit_note_row(batch: Batch, it: CreditNote) -> Row:
    """A row of credit_notes."""
    payer = it.bill_to
    return (
        it.biller,
        it.id,
        it.invoice,
        it.number,
        it.customer,
        it.currency,
        batch.minor(it.total, it.currency),
        batch.minor(it.settled, it.currency),
        batch.days[it.issued_on],
        batch.flags[it.prices_include_tax],
        *((None, None, None, None) if payer is None else (payer.name, payer.email, payer.address, payer.locale)),
        it.reason,
        it.refund,
        it.actor,
        batch.days[it.lease_ends],
    )


def credit_line_rows(batch: Batch, it: CreditNote) -> Iterator[Row]:
    """A credit note's rows of credit_note_lines."""
    for position, line in enumerate(it.lines):
        amount = batch.minor(line.amount, it.currency)
        yield (it.biller, it.id, position, line.line, line.description, amount, batch.json(line.taxes))


# --- records ----------------------------------------------------------------------------------------------------------


def saved_method(page: Page, row: Found) -> SavedMethod:
    """A saved method of its row."""
    # fmt: off
    (
        biller, id, customer, gateway, kind, made_at, state, setup, reference, owner, scheme, label, reason, tries,
        next_try_at, version,
    ) = row
    # fmt: on
    return SavedMethod(
        id=id,
        biller=biller,
        customer=customer,
        gateway=gateway,
        kind=PaymentMethod(kind),
        made_at=made_at,
        state=MethodState(state),
        setup=setup,
        reference=reference,
        owner=owner,
        scheme=scheme,
        label=label,
        reason=reason,
        tries=tries,
        next_try_at=next_try_at,
        version=version,
    )


def collection(page: Page, row: Found) -> Collection:
    """A collection of its row."""
    # fmt: off
    (
        biller, id, invoice, customer, method, gateway, kind, currency, amount, collected, made_at, state, attempt,
        charge_on, expected_on, reversible_until, reference, submitted_at, expires_at, next_try_at, tries,
        code, advice, raw_code, will_retry, error, actor, version,
    ) = row
    # fmt: on
    moneys = page.moneys[currency]
    return Collection(
        id=id,
        biller=biller,
        invoice=invoice,
        customer=customer,
        gateway=gateway,
        kind=PaymentMethod(kind),
        amount=moneys[amount],
        collected=moneys[collected],
        made_at=made_at,
        method=method,
        state=CollectionState(state),
        attempt=attempt,
        charge_on=charge_on,
        expected_on=expected_on,
        reversible_until=reversible_until,
        reference=reference,
        submitted_at=submitted_at,
        expires_at=expires_at,
        next_try_at=next_try_at,
        tries=tries,
        decline=None
        if code is None
        else Decline(code=DeclineCode(code), advice=Advice(advice), raw_code=raw_code, provider_will_retry=will_retry),
        error=error,
        actor=actor,
        version=version,
    )


def inbox_event(page: Page, row: Found) -> InboxEvent:
    """An event of a provider of its row."""
    biller, id, gateway, kind, about, reference, received_at, state, tries, next_try_at, error, version = row
    return InboxEvent(
        id=id,
        biller=biller,
        gateway=gateway,
        kind=kind,
        about=about,
        reference=reference,
        received_at=received_at,
        state=InboxState(state),
        tries=tries,
        next_try_at=next_try_at,
        error=error,
        version=version,
    )


def alert(page: Page, row: Found) -> Alert:
    """An alert of its row."""
    biller, id, kind, about, invoice, words, raised_at, state, resolved_at, resolved_by, resolution, version = row
    return Alert(
        id=id,
        biller=biller,
        kind=AlertKind(kind),
        about=about,
        text=words,
        raised_at=raised_at,
        invoice=invoice,
        state=AlertState(state),
        resolved_at=resolved_at,
        resolved_by=resolved_by,
        resolution=resolution,
        version=version,
    )


def credit_note(page: Page, row: Found, lines: Iterable[Found], taxes: Iterable[Found]) -> CreditNote:
    """A credit note of its row and those of its lines and taxes, in their order."""
    # fmt: off
    (
        biller, id, invoice, number, customer, currency, total, settled, issued_on, inclusive,
        name, email, address, locale, reason, refund, actor, lease_ends,
    ) = row
    # fmt: on
    moneys = page.moneys[currency]
    return CreditNote(
        id=id,
        biller=biller,
        invoice=invoice,
        number=number,
        currency=currency,
        lines=tuple(
            CreditLine(
                line=line, description=words, amount=moneys[amount], taxes=page.json(rates, tuple[TaxRate, ...], ())
            )
            for _, _, _, line, words, amount, rates in lines
        ),
        taxes=tuple(page.tax(tax, moneys) for tax in taxes),
        total=moneys[total],
        settled=moneys[settled],
        issued_on=issued_on,
        prices_include_tax=inclusive,
        customer=customer,
        bill_to=None if name is None else BillTo(name=name, email=email, address=address, locale=locale),
        reason=reason,
        refund=refund,
        actor=actor,
        lease_ends=lease_ends,
    )
