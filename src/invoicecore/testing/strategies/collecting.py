"""Strategies for what collecting through providers leaves behind, and for credit notes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
from invoicecore.payments import PaymentMethod
from invoicecore.taxes import TaxAmount
from invoicecore.testing.samples import World
from invoicecore.testing.strategies.invoices import bill_tos
from invoicecore.testing.strategies.values import dates, instants, maybe, moneys, rates, tax_rates, texts


def saved_methods(here: World, id: str) -> SearchStrategy[SavedMethod]:
    """Saved methods of one id."""
    return st.builds(
        SavedMethod,
        id=st.just(id),
        biller=st.just(here.id),
        customer=_customer(here),
        gateway=_gateway(),
        kind=st.sampled_from(PaymentMethod),
        made_at=instants(),
        state=st.sampled_from(MethodState),
        setup=maybe(texts(20)),
        reference=maybe(texts(20)),
        owner=maybe(texts(20)),
        scheme=st.sampled_from(["", "sepa_core"]),
        label=texts(20, required=False),
        reason=texts(required=False),
        tries=st.integers(0, 20),
        next_try_at=maybe(instants()),
        version=st.integers(1, 1000),
    )


def declines() -> SearchStrategy[Decline]:
    """Why somebody said no."""
    return st.builds(
        Decline,
        code=st.sampled_from(DeclineCode),
        advice=st.sampled_from(Advice),
        raw_code=texts(20, required=False),
        provider_will_retry=st.booleans(),
    )


def collections(here: World, id: str, invoice: str, method: str | None = None) -> SearchStrategy[Collection]:
    """Collections of one id, of an invoice, by a saved method when one is named."""
    amounts = moneys(here.biller.currency, low=0)
    return st.builds(
        Collection,
        id=st.just(id),
        biller=st.just(here.id),
        invoice=st.just(invoice),
        customer=maybe(_customer(here)),
        gateway=_gateway(),
        kind=st.sampled_from(PaymentMethod),
        amount=amounts,
        collected=amounts,
        made_at=instants(),
        method=st.just(method),
        state=st.sampled_from(CollectionState),
        attempt=st.integers(1, 20),
        charge_on=maybe(dates()),
        expected_on=maybe(dates()),
        reversible_until=maybe(dates()),
        reference=maybe(texts(20)),
        submitted_at=maybe(instants()),
        expires_at=maybe(instants()),
        next_try_at=maybe(instants()),
        tries=st.integers(0, 20),
        decline=maybe(declines()),
        error=texts(required=False),
        actor=maybe(texts(20)),
        version=st.integers(1, 1000),
    )


def inbox_events(here: World, id: str) -> SearchStrategy[InboxEvent]:
    """A provider's events of one id."""
    return st.builds(
        InboxEvent,
        id=st.just(id),
        biller=st.just(here.id),
        gateway=_gateway(),
        kind=texts(20),
        about=st.sampled_from(["payment", "refund", "method"]),
        reference=texts(20),
        received_at=instants(),
        state=st.sampled_from(InboxState),
        tries=st.integers(0, 20),
        next_try_at=maybe(instants()),
        error=texts(required=False),
        version=st.integers(1, 1000),
    )


def alerts(here: World, id: str, invoice: str | None = None) -> SearchStrategy[Alert]:
    """Alerts of one id, about anything, of an invoice when one is named."""
    return st.builds(
        Alert,
        id=st.just(id),
        biller=st.just(here.id),
        kind=st.sampled_from(AlertKind),
        about=texts(20),
        text=texts(),
        raised_at=instants(),
        invoice=st.just(invoice),
        state=st.sampled_from(AlertState),
        resolved_at=maybe(instants()),
        resolved_by=maybe(texts(20)),
        resolution=texts(required=False),
        version=st.integers(1, 1000),
    )


def credit_notes(here: World, id: str, invoice: str, refund: str | None = None) -> SearchStrategy[CreditNote]:
    """Credit notes of one id on an invoice; the number is the id, and nothing in them adds up."""
    code = here.biller.currency
    amounts = moneys(code)
    lines = st.builds(CreditLine, line=st.integers(0, 200), description=texts(), amount=amounts, taxes=rates())
    taxes = st.builds(TaxAmount, rate=tax_rates(), base=amounts, tax=amounts)
    return st.builds(
        CreditNote,
        id=st.just(id),
        biller=st.just(here.id),
        invoice=st.just(invoice),
        number=st.just(f"CN-{id}"),
        currency=st.just(code),
        lines=st.lists(lines, max_size=3).map(tuple),
        taxes=st.lists(taxes, max_size=2, unique_by=lambda tax: tax.rate).map(tuple),
        total=moneys(code, low=0),
        settled=moneys(code, low=0),
        issued_on=dates(),
        prices_include_tax=st.booleans(),
        customer=maybe(_customer(here)),
        bill_to=maybe(bill_tos()),
        reason=texts(required=False),
        refund=st.just(refund),
        actor=maybe(texts(20)),
    )


def _customer(here: World) -> SearchStrategy[str]:
    return st.sampled_from([customer.id for customer in here.customers])


def _gateway() -> SearchStrategy[str]:
    return st.sampled_from(["cards", "debits", "memory"])
