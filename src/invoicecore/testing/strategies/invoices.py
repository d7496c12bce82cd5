"""Strategies for invoices in every phase, for sets of them, and for questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from invoicecore.invoices import Invoice, InvoiceKind, Lifecycle, Phase, Status
from invoicecore.money import MAX_MINOR, minor
from invoicecore.parties import BillTo
from invoicecore.payments import Facts
from invoicecore.ports import InvoiceQuery, Order
from invoicecore.taxes import TaxAmount
from invoicecore.testing.samples import DAY, World, facts
from invoicecore.testing.strategies.values import dates, lines, maybe, minors, moneys, periods, tax_rates, texts

T = TypeVar("T")

NEAR = st.integers(-3, 3).map(lambda days: DAY + timedelta(days=days))
"""Days so close together that they are often the same."""


def bill_tos() -> SearchStrategy[BillTo]:
    """Payers as frozen on an invoice."""
    return st.builds(
        BillTo,
        name=texts(),
        email=maybe(st.just("someone@example.org")),
        address=texts(required=False),
        locale=maybe(st.just("fr_FR")),
    )


@composite
def money_facts(draw: DrawFn, phase: Phase, total: int, currency: str) -> Facts:
    """Facts that put an invoice of `total` minor units into a phase; partly paid, refunded and credited ones too."""
    if phase is Phase.DRAFT:
        return facts(currency)
    if phase in (Phase.VOID, Phase.DUE, Phase.PENDING):
        settled = draw(_amount(total - 1))
        noted = draw(_amount(total - 1 - settled))
        owed = total - settled - noted
        in_flight = {
            Phase.PENDING: draw(st.sampled_from([owed, total])),
            Phase.DUE: draw(_amount(owed - 1)),
            Phase.VOID: 0,
        }[phase]
        # A refunded payment that bounced leaves more returned than settled (P4).
        returned = draw(_amount(min(settled + 2, total)))
    else:
        # A payment may exceed the total only where there is room for it in 64 bits.
        # What was credited whole is paid without a payment, but never refunded.
        noted = draw(_amount(total if phase is Phase.PAID else total - 1))
        settled = draw(st.sampled_from([total - noted, min(total - noted + 1, MAX_MINOR)]))
        in_flight = draw(_amount(total))
        returned = draw(_amount(settled - 1)) if phase is Phase.PAID else settled
    credit = draw(_amount(settled))
    return facts(
        currency,
        paid=settled - credit,
        credit=credit,
        refunded=returned,
        refunded_credit=min(draw(_amount(returned)), credit),
        in_flight=in_flight,
        noted=noted,
    )


@composite
def invoices(
    draw: DrawFn,
    here: World,
    id: str,
    *,
    number: str = "INV-000001",
    revision: int = 1,
    phase: Phase | None = None,
    largest: int = MAX_MINOR,
    detailed: bool = True,
) -> Invoice:
    """An invoice of one id in any phase, or a given one; `number` is its number if it was ever published.

    Its kind says what it refers to. `detailed` ones have lines, taxes and every optional field; the total is drawn by
    itself, up to `largest` minor units, and the lines do not add up to it.
    """
    code = here.biller.currency
    phase = phase or draw(st.sampled_from(Phase))
    kind = draw(st.sampled_from(InvoiceKind))
    total = draw(minors(1, largest))
    lifecycle = {Phase.DRAFT: Lifecycle.DRAFT, Phase.VOID: Lifecycle.VOID}.get(phase, Lifecycle.OPEN)
    published = lifecycle is Lifecycle.OPEN or (phase is Phase.VOID and draw(st.booleans()))
    # What was never published has never been paid.
    holds = draw(money_facts(phase if published else Phase.DRAFT, total, code))
    invoice = Invoice(
        id=id,
        biller=here.id,
        kind=kind,
        lifecycle=lifecycle,
        currency=code,
        title=f"Invoice {id}",
        lines=(),
        taxes=(),
        total=here.money(total),
        facts=holds,
        drafted_on=draw(NEAR),
        due_on=draw(NEAR | dates()),
        draft_reference=f"D-{id}",
        number=number if published else None,
        customer=draw(_id([customer.id for customer in here.customers])),
        unit=draw(_id([unit.id for unit in here.units])),
        lease=draw(st.sampled_from([lease.id for lease in here.leases])) if kind is InvoiceKind.LEASE else None,
        booking=draw(st.sampled_from([each.id for each in here.bookings])) if kind is InvoiceKind.BOOKING else None,
        group=draw(st.sampled_from([group.id for group in here.groups])) if kind is InvoiceKind.GROUP else None,
        issued_on=draw(NEAR) if published else None,
        voided_on=draw(NEAR) if lifecycle is Lifecycle.VOID else None,
        period=draw(periods()) if kind is InvoiceKind.LEASE else None,
        period_index=draw(st.integers(0, 2)) if kind is InvoiceKind.LEASE else None,
        revision=revision,
    )
    if not detailed:
        return invoice
    taxes = st.builds(TaxAmount, rate=tax_rates(), base=moneys(code), tax=moneys(code))
    return attrs.evolve(
        invoice,
        title=draw(texts()),
        lines=draw(st.lists(lines(code), max_size=3).map(tuple)),
        taxes=draw(st.lists(taxes, max_size=2, unique_by=lambda tax: tax.rate).map(tuple)),
        due_by_terms=draw(st.booleans()),
        draft_reference=draw(maybe(texts(20))),
        description=draw(texts(required=False)),
        prices_include_tax=draw(st.booleans()),
        notify=draw(st.booleans()),
        bill_to=draw(maybe(bill_tos())),
        late=draw(st.booleans()),
        cycle=draw(maybe(dates())) if kind is InvoiceKind.CHARGES else None,
        version=draw(st.integers(1, 1000)),
    )


@composite
def invoice_sets(draw: DrawFn, here: World, *, largest: int = 3_000, most: int = 10) -> list[Invoice]:
    """Some invoices of one biller, alike enough that many tie and many match; ids, numbers and claims are their own."""
    count = draw(st.integers(0, most))
    # The order of numbers is not the order of ids.
    order = draw(st.permutations(range(count)))
    return [
        draw(
            invoices(here, f"i{n:02d}", number=f"INV-{place:06d}", revision=n + 1, largest=largest, detailed=False)
            | invoices(here, f"i{n:02d}", number=f"INV-{place:06d}", revision=n + 1, largest=2, detailed=False)
        )
        for n, place in enumerate(order)
    ]


@composite
def queries(draw: DrawFn, here: World) -> InvoiceQuery:
    """Questions about a world's invoices: any filters, alone and combined, any order; no page."""
    return InvoiceQuery(
        biller=here.id,
        on=draw(NEAR | dates()),
        status=draw(_set(list(Status))),
        kinds=draw(_set(list(InvoiceKind))),
        customers=draw(st.just(()) | st.lists(st.sampled_from(["c1", "c2", "c3", "nobody"]), max_size=3).map(tuple)),
        unit=draw(_rarely(["u1", "u2", "none"])),
        lease=draw(_rarely(["l1", "l2", "none"])),
        leases=draw(_rarely([("l1", "l1"), ("l1", "l2"), ("l3", "l9")])),
        period_index=draw(st.none() | _rarely([0, 1, 7])),
        booking=draw(_rarely(["k1", "k2", "none"])),
        group=draw(_rarely(["g1", "g2", "none"])),
        number=draw(_rarely(["INV-000000", "INV-000001", "none"])),
        drafted_on=draw(st.none() | _rarely([DAY, DAY + timedelta(days=1)])),
        published=draw(_rarely([True, False])),
        payable=draw(st.sampled_from([False, False, False, True])),
        claims=draw(st.sampled_from([False, False, False, True])),
        order=draw(st.sampled_from(Order)),
    )


def sort_value(invoice: Invoice, order: Order) -> str | int | date:
    """What an invoice is sorted by before its id, as InvoiceQuery.after spells it."""
    by = order.value.removeprefix("-")
    if by == "due":
        return invoice.due_on
    if by == "total":
        return minor(invoice.total)
    return (invoice.number or "") if by == "number" else invoice.id


def _amount(most: int) -> SearchStrategy[int]:
    return st.sampled_from([0, most, most // 2]) | st.integers(0, most) if most > 0 else st.just(0)


def _id(ids: Sequence[str]) -> SearchStrategy[str | None]:
    return st.sampled_from([None, *ids])


def _set(values: Sequence[T]) -> SearchStrategy[frozenset[T]]:
    return st.just(frozenset()) | st.frozensets(st.sampled_from(values), max_size=3)


def _rarely(values: Sequence[T]) -> SearchStrategy[T | None]:
    # Rarely, because two filters at once seldom leave anything to see.
    return st.sampled_from([*[None] * (3 * len(values)), *values])
