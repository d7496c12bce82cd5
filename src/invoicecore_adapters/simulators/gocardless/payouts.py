"""Payouts: when collected money is sent to the merchant, less what has to be taken back."""

from __future__ import annotations

from invoicecore_adapters.simulators.gocardless.account import CREDITOR, Account
from invoicecore_adapters.simulators.gocardless.records import Payment, Payout, Refund
from invoicecore_adapters.simulators.gocardless.refusals import Json

_SETTLED = {
    "payment_failed": "late_failure_settled",
    "payment_charged_back": "chargeback_settled",
    "payment_refunded": "refund_settled",
}


def pay_out(account: Account, payment: Payment) -> Payout:
    """A confirmed payment's money leaves GoCardless, with whatever of its currency waits to be taken back."""
    payout = _new(account, payment.currency)
    payment.status, payment.payout = "paid_out", payout.id
    payout.items.append(("payment_paid_out", payment.amount, {"payment": payment.id, "mandate": payment.mandate}))
    _send(account, payout, payment)
    return payout


def settle(account: Account, currency: str) -> Payout:
    """A payout of nothing but what has to be taken back: late failures, charge-backs, refunds."""
    payout = _new(account, currency)
    _send(account, payout, None)
    return payout


def bounce(account: Account, payout: Payout) -> None:
    """The merchant's bank sent it back."""
    payout.status = "bounced"
    account.event(payout, "bounced", "payout_bounced", origin="bank")


def _new(account: Account, currency: str) -> Payout:
    payout = Payout(id=account.new_id("PO"), created_at=account.now(), creditor=CREDITOR, currency=currency)
    account.payouts[payout.id] = payout
    return payout


def _send(account: Account, payout: Payout, paid: Payment | None) -> None:
    due = [(kind, _debited(account, id)) for kind, id in account.debits]
    due = [(kind, record) for kind, record in due if record.currency == payout.currency]
    account.debits = [(kind, id) for kind, id in account.debits if _debited(account, id).currency != payout.currency]
    payout.items += [(kind, -record.amount, _links(record)) for kind, record in due]
    payout.status = "paid"
    parent = account.event(payout, "paid", "payout_paid")
    links = {"payout": payout.id}
    if paid is not None:
        account.event(paid, "paid_out", "payment_paid_out", links=links, parent=parent)
    for kind, record in due:
        if isinstance(record, Refund):
            record.settled = True
        account.event(record, _SETTLED[kind], _SETTLED[kind], links=links, parent=parent)


def _debited(account: Account, id: str) -> Payment | Refund:
    return account.payments[id] if id in account.payments else account.refunds[id]


def _links(record: Payment | Refund) -> Json:
    if isinstance(record, Refund):
        return {"refund": record.id, "payment": record.payment}
    return {"payment": record.id, "mandate": record.mandate}
