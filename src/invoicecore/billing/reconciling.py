"""Reconciling: what a provider holds against what is held here, for a period, with every difference named (D6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import TypeVar

import attrs

from invoicecore.billing.desk import Desk
from invoicecore.billing.ids import first_id
from invoicecore.collection import LIVE, Collection, CollectionState
from invoicecore.errors import InvalidValue, ObjectNotFound
from invoicecore.money import Money, total, zero
from invoicecore.parties import Biller
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.ports import PaymentSnapshot, PayStatus, Reader

T = TypeVar("T")

PAGE = 500  # payments compared at once
_BACK = timedelta(days=400)


class DifferenceKind(StrEnum):
    """In what the provider and we differ.

    UNKNOWN_HERE: it holds a payment under a key of ours that is not stored here. MISSING_THERE: we hold money, or a
    debit on its way, that it does not list. AMOUNT, COLLECTED, TAKEN_BACK, REFUNDED: other money. STATE: it is over
    there and not here, or the other way round.
    """

    UNKNOWN_HERE = "unknown_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    COLLECTED = "collected"
    TAKEN_BACK = "taken_back"
    REFUNDED = "refunded"
    STATE = "state"


@attrs.frozen(kw_only=True)
class Difference:
    """One difference: of which payment, and what is there and here, as amounts or words."""

    kind: DifferenceKind
    biller: str
    reference: str
    there: str
    here: str
    collection: str | None = None
    invoice: str | None = None


@attrs.frozen(kw_only=True)
class Sides:
    """What one currency adds up to over the period's payments, at the provider and here."""

    currency: str
    there: Money
    here: Money


@attrs.frozen(kw_only=True)
class Reconciliation:
    """A provider's payments made from `since` to before `until`, compared with ours.

    `compared` payments are ours, `foreign` ones are not and take no part. `collected` are the sums by currency.
    """

    gateway: str
    since: datetime
    until: datetime
    compared: int
    foreign: int
    differences: tuple[Difference, ...]
    collected: tuple[Sides, ...]


class Reconciling:
    """One call of `Billing.reconcile`."""

    def __init__(self, desk: Desk, name: str, since: datetime, until: datetime) -> None:
        given: tuple[tuple[str, object], ...] = (("since", since), ("until", until))
        for field, instant in given:
            if not isinstance(instant, datetime) or instant.tzinfo is None:
                raise InvalidValue(field, instant, "is no instant with its time zone", "give an aware datetime")
        if until <= since:
            raise InvalidValue("until", until, f"is not after {since}", "give a later instant")
        self._desk = desk
        self._gateway = desk.wiring.gateway_named(name)
        self._since = since
        self._until = until

    def compare(self, billers: Sequence[Biller]) -> Reconciliation:
        """Compare for these billers; the provider is asked with nothing open."""
        self._desk.outside()
        mine = {biller.id for biller in billers}
        seen: set[str] = set()
        foreign = 0
        differences: list[Difference] = []
        sums: dict[str, tuple[Money, Money]] = {}
        for page in _pages(self._gateway.payments(self._since, self._until)):
            by_biller: dict[str, list[PaymentSnapshot]] = {}
            for told in page:
                owner = (told.key or "").partition("_")[0]
                if owner in mine:
                    by_biller.setdefault(owner, []).append(told)
                elif self._desk.scope is None:  # for a scoped desk other billers' payments do not exist (T1)
                    foreign += 1
            for owner, some in by_biller.items():
                with self._desk.view() as tx:
                    books = _Books.of(tx, owner, [told.key for told in some if told.key is not None])
                for told in some:
                    seen.add(told.key or "")
                    differences += _compared(owner, told, books)
                    there, here = sums.get(told.amount.currency.code, (zero(told.amount.currency.code),) * 2)
                    ours = books.collected(told.key or "", told.amount.currency.code)
                    sums[told.amount.currency.code] = (there + told.collected, here + ours)
        for biller in billers:
            differences += self._missing(biller, seen)
        return Reconciliation(
            gateway=self._gateway.info.name,
            since=self._since,
            until=self._until,
            compared=len(seen),
            foreign=foreign,
            differences=tuple(differences),
            collected=tuple(Sides(currency=code, there=a, here=b) for code, (a, b) in sorted(sums.items())),
        )

    def _missing(self, biller: Biller, seen: set[str]) -> Iterator[Difference]:
        # Made, perhaps, long before it was submitted: a card is charged on its due date.
        after, name = first_id(biller.id, "col", self._since - _BACK), self._gateway.info.name
        while True:
            with self._desk.view() as tx:
                page = tx.find(Collection, biller.id, {}, after=after, limit=PAGE)
            for found in page:
                there = found.submitted_at or found.made_at
                sent = found.reference is not None and found.state in (
                    CollectionState.SUCCEEDED,
                    CollectionState.PENDING,
                )
                inside = found.id not in seen and self._since <= there < self._until
                if found.gateway == name and sent and inside and not self._later(found):
                    yield Difference(
                        kind=DifferenceKind.MISSING_THERE,
                        biller=biller.id,
                        reference=found.reference or "",
                        there="nothing",
                        here=f"{found.amount.amount} {found.amount.currency.code} {found.state.value}",
                        collection=found.id,
                        invoice=found.invoice,
                    )
            if len(page) < PAGE:
                return
            after = page[-1].id

    def _later(self, found: Collection) -> bool:
        """Whether it is a page of this period whose payment was made after it."""
        if found.method is not None:
            return False
        try:
            return self._gateway.payment(found.reference or "").created_at >= self._until
        except ObjectNotFound:
            return False


@attrs.frozen
class _Books:
    """What is held here of some collections."""

    collections: Mapping[str, Collection]
    payments: Mapping[str, Sequence[Payment]]
    reversals: Mapping[str, Sequence[Reversal]]
    refunds: Mapping[str, Sequence[Refund]]

    @classmethod
    def of(cls, tx: Reader, biller: str, keys: Sequence[str]) -> _Books:
        """The books of the collections of those keys."""
        found = tx.get(Collection, biller, keys)
        payments = tx.find(Payment, biller, {"collection": list(found)}) if found else []
        wanted = {"payment": [payment.id for payment in payments]}
        reversals = tx.find(Reversal, biller, wanted) if payments else []
        refunds = tx.find(Refund, biller, wanted) if payments else []
        of = {payment.id: payment.collection or "" for payment in payments}
        return cls(
            collections=found,
            payments=_grouped((payment.collection or "", payment) for payment in payments),
            reversals=_grouped((of[reversal.payment], reversal) for reversal in reversals),
            refunds=_grouped((of[refund.payment or ""], refund) for refund in refunds),
        )

    def collected(self, key: str, currency: str) -> Money:
        """All that was recorded of a collection."""
        return total([payment.amount for payment in self.payments.get(key, ())], currency)


def _compared(biller: str, told: PaymentSnapshot, books: _Books) -> Iterator[Difference]:
    key, code = told.key or "", told.amount.currency.code
    mine = books.collections.get(key)

    def differ(kind: DifferenceKind, there: object, here: object) -> Difference:
        return Difference(
            kind=kind,
            biller=biller,
            reference=told.reference,
            there=str(there),
            here=str(here),
            collection=mine.id if mine is not None else None,
            invoice=mine.invoice if mine is not None else None,
        )

    if mine is None:
        yield differ(DifferenceKind.UNKNOWN_HERE, f"{told.collected.amount} {code} under {key}", "nothing")
        return
    if mine.amount != told.amount:
        yield differ(DifferenceKind.AMOUNT, _plain(told.amount), _plain(mine.amount))
        return
    if (ours := books.collected(key, code)) != told.collected:
        yield differ(DifferenceKind.COLLECTED, _plain(told.collected), _plain(ours))
    there = {reversal.id for reversal in told.reversals if not reversal.cancelled}
    here = {each.reference for each in books.reversals.get(key, ()) if each.cancelled_on is None and each.reference}
    if there != here:
        yield differ(
            DifferenceKind.TAKEN_BACK, ", ".join(sorted(there)) or "nothing", ", ".join(sorted(here)) or "nothing"
        )
    theirs = total([refund.amount for refund in told.refunds if refund.state.counts], code)
    given = total([refund.amount for refund in books.refunds.get(key, ()) if refund.state.counts], code)
    if theirs != given:
        yield differ(DifferenceKind.REFUNDED, _plain(theirs), _plain(given))
    over = told.status in (PayStatus.SUCCEEDED, PayStatus.FAILED, PayStatus.CANCELLED)
    if over == (mine.state in LIVE) and (over or told.status is PayStatus.PENDING):
        yield differ(DifferenceKind.STATE, told.status.value, mine.state.value)


def _pages(payments: Iterable[PaymentSnapshot]) -> Iterator[list[PaymentSnapshot]]:
    rest = iter(payments)
    while page := list(islice(rest, PAGE)):
        yield page


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for key, each in pairs:
        found.setdefault(key, []).append(each)
    return found


def _plain(money: Money) -> str:
    return f"{money.amount} {money.currency.code}"
