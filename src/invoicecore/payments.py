"""Money facts: payments, reversals and refunds, and what each does to the money an invoice holds."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import attrs

from invoicecore.money import Money, minor, zero


class PaymentMethod(StrEnum):
    """How money arrived or was returned (C7)."""

    CASH = "cash"
    CHEQUE = "cheque"
    TRANSFER = "transfer"
    CARD = "card"
    DIRECT_DEBIT = "direct_debit"
    OTHER = "other"


@attrs.frozen(kw_only=True)
class Allocation:
    """The part of a payment that settles one invoice (C7)."""

    invoice: str
    amount: Money


@attrs.frozen(kw_only=True)
class Payment:
    """Money received: `amount` = Σ allocations + `credited`, the rest that became credit (C7, D6).

    `collection` is the one that brought it, None for money recorded by hand. Its allocations change only when money
    that had been taken back is there again and is not owed any more (D3).
    """

    id: str
    biller: str
    customer: str | None
    amount: Money
    method: PaymentMethod
    received_on: date
    allocations: tuple[Allocation, ...]
    credited: Money
    reference: str = ""
    actor: str | None = None
    collection: str | None = None
    version: int = 1


class ReversalKind(StrEnum):
    """Who took a payment back: whoever recorded it, the bank late, or the payer through their bank (D3)."""

    BY_HAND = "by_hand"
    LATE_FAILURE = "late_failure"
    CHARGEBACK = "chargeback"


@attrs.frozen(kw_only=True)
class Reversal:
    """A payment that bounced, was disputed or was recorded by mistake (D2, D3).

    `amount` is what was taken back, less what was paid out meanwhile of the credit the payment had left. `reference`
    is the provider's name of the reversal. `cancelled_on` is the day it was undone: a charge-back that was won.
    """

    id: str
    biller: str
    payment: str
    amount: Money
    reversed_on: date
    reason: str
    actor: str | None = None
    kind: ReversalKind = ReversalKind.BY_HAND
    reference: str = ""
    cancelled_on: date | None = None
    version: int = 1


class RefundState(StrEnum):
    """Where a refund stands; one recorded by hand has SUCCEEDED. NOT_EXECUTED and FAILED gave nothing back."""

    RESERVED = "reserved"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_EXECUTED = "not_executed"

    @property
    def counts(self) -> bool:
        """Whether its money is gone or going, so that it is not given back twice."""
        return self not in (RefundState.FAILED, RefundState.NOT_EXECUTED)


@attrs.frozen(kw_only=True)
class Refund:
    """Money of an invoice given back (S12).

    `amount` = what was given back in all; `to_credit` of it became credit, the rest went to the payer;
    `from_credit` of it had been paid by credit and may only go to credit. `of_credit` is the part of it that was taken
    from the credit its payment had become; it had left no invoice. One that a provider makes names its
    `gateway`, the `payment` it is of and how much of that was `refunded_before`; its `id` is the operation's key there,
    `reference` the provider's name of it, `failed_on` the day it came back. `reversible_until` travels with a result and is never stored: until
    when the payment itself can still be taken back (P4).
    """

    id: str
    biller: str
    invoice: str
    amount: Money
    to_credit: Money
    from_credit: Money
    method: PaymentMethod
    refunded_on: date
    reference: str = ""
    reason: str = ""
    actor: str | None = None
    state: RefundState = RefundState.SUCCEEDED
    gateway: str | None = None
    payment: str | None = None
    refunded_before: Money | None = None
    submitted_at: datetime | None = None
    next_try_at: datetime | None = None
    tries: int = 0
    failed_on: date | None = None
    error: str = ""
    version: int = 1
    of_credit: Money | None = None
    reversible_until: date | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def leaving(self) -> Money:
        """What of it left the invoice."""
        return self.amount if self.of_credit is None else self.amount - self.of_credit


@attrs.frozen(kw_only=True)
class Facts:
    """The money facts of one invoice, as sums over its recorded rows (D1, D2).

    `paid` = payments − reversals; `credit` = credit applied; `refunded` = money returned, of which `refunded_credit`
    had been paid by credit; `in_flight` = live collections; `noted` = what credit notes took off what is owed (P5).
    All in the invoice's currency.
    """

    paid: Money
    credit: Money
    refunded: Money
    refunded_credit: Money
    in_flight: Money
    noted: Money

    @property
    def settled(self) -> Money:
        """payments − reversals + credit applied (D2)."""
        return self.paid + self.credit

    @property
    def held(self) -> Money:
        """What is still held: settled − returned. Negative when a refunded payment bounced (P4)."""
        return self.settled - self.refunded

    @property
    def credit_held(self) -> Money:
        """The held part that was paid by credit; it may only go back to credit (S12)."""
        return self.credit - self.refunded_credit

    @property
    def cash_held(self) -> Money:
        """The held part that was paid with money."""
        return self.held - self.credit_held


def settles_yet(payment: Payment, taken: Money) -> tuple[Allocation, ...]:
    """What a payment settles of its invoices, in their order, once `taken` of it was taken back (D2, D3)."""
    there = []
    for part in payment.allocations:
        gone = min(taken, part.amount)
        taken = taken - gone
        if gone < part.amount:
            there.append(attrs.evolve(part, amount=part.amount - gone))
    return tuple(there)


def no_facts(currency: str) -> Facts:
    """The facts of an invoice nothing has happened to."""
    nothing = zero(currency)
    return Facts(
        paid=nothing, credit=nothing, refunded=nothing, refunded_credit=nothing, in_flight=nothing, noted=nothing
    )


def after_payment(facts: Facts, amount: Money) -> Facts:
    """The facts once `amount` of a payment was allocated here."""
    return attrs.evolve(facts, paid=facts.paid + amount)


def after_reversal(facts: Facts, amount: Money) -> Facts:
    """The facts once an allocation of `amount` was taken back; the balance rises again (D2)."""
    return attrs.evolve(facts, paid=facts.paid - amount)


def after_refund(facts: Facts, refund: Refund) -> Facts:
    """The facts once money was returned; the balance does not rise (D2)."""
    return attrs.evolve(
        facts, refunded=facts.refunded + refund.leaving, refunded_credit=facts.refunded_credit + refund.from_credit
    )


def after_failed_refund(facts: Facts, refund: Refund) -> Facts:
    """The facts once a refund came back: its money is held again."""
    return attrs.evolve(
        facts, refunded=facts.refunded - refund.leaving, refunded_credit=facts.refunded_credit - refund.from_credit
    )


def after_note(facts: Facts, amount: Money) -> Facts:
    """The facts once a credit note took `amount` off what is owed (P5)."""
    return attrs.evolve(facts, noted=facts.noted + amount)


def after_flight(facts: Facts, amount: Money) -> Facts:
    """The facts once a collection of `amount` went live; a negative amount when it is live no more (D2)."""
    return attrs.evolve(facts, in_flight=facts.in_flight + amount)


def after_credit(facts: Facts, amount: Money) -> Facts:
    """The facts once `amount` of credit was applied; a negative amount takes an application back (C8)."""
    return attrs.evolve(facts, credit=facts.credit + amount)


def refund_shares(facts: Facts, amount: Money, *, to_credit: bool) -> tuple[Money, Money]:
    """(to_credit, from_credit) of a refund of `amount`: the credit share only ever goes to credit (S12).

    Money goes first to where it came from: a refund to the payer takes the cash share first, a refund to credit the
    credit share first.
    """
    nothing = zero(amount.currency.code)
    if to_credit:
        return amount, min(amount, max(facts.credit_held, nothing))
    from_credit = max(amount - max(facts.cash_held, nothing), nothing)
    return from_credit, from_credit


def is_zero(amount: Money) -> bool:
    """Whether no minor unit is there."""
    return minor(amount) == 0
