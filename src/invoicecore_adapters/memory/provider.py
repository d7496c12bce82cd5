"""A payment provider in memory: what it holds, what its payers and banks do, and how it answers a gateway.

It answers requests in JSON as one over HTTP would, compares what comes under a key it knows, forgets keys after a day,
and signs its webhooks. Several gateways on one provider see the same things, as after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from invoicecore.errors import StateConflict
from invoicecore.payments import PaymentMethod, ReversalKind
from invoicecore.ports import Clock
from invoicecore_adapters.memory.answering import Answering
from invoicecore_adapters.memory.held import Object


class MemoryProvider(Answering):
    """A provider whose payers, banks and network do what its methods say; `answer` is what a gateway talks to.

    They raise NotFound for what it does not hold and StateConflict for what cannot happen to it now. `clock` is the
    provider's time; `pages` is where its pages would be, nothing is served there.
    """

    def __init__(self, pages: str = "https://checkout.example", *, clock: Clock | None = None) -> None:
        super().__init__(pages, clock)
        self._told = 0

    def __repr__(self) -> str:
        return f"MemoryProvider({self.pages!r})"

    def pay(self, url: str, decline: str | None = None) -> tuple[bytes, dict[str, str]]:
        """Pay at a checkout's URL, or try to with a card declined with that code: the webhook this causes."""
        with self._lock:
            page = self._page(url, "checkout")
            if self._status(page) != "open":
                raise self._cannot("pay", f"the page is {self._status(page)}")
            if decline is not None:
                return self._event("checkout.declined", page)
            made = self._payment(page["key"], page, kind="card")
            page["made"] = made["id"]
            return self._collected(made)

    def save(self, url: str) -> tuple[bytes, dict[str, str]]:
        """Save a good method at a set-up's URL: the webhook this causes."""
        with self._lock:
            page = self._page(url, "setup")
            if page["made"] is not None:
                raise self._cannot("save", "the page has been used")
            made = self._method(page["key"], page["kind"], page["currency"], None)
            page["made"] = made["id"]
            return self._event("method.active", made)

    def saved(self, kind: PaymentMethod, currency: str, *, decline: str | None = None) -> tuple[str, str]:
        """(method, owner) of a method saved without a page; its charges are declined with that code if given."""
        with self._lock:
            made = self._method(None, kind.value, currency, decline)
            return made["id"], made["owner"]

    def collect(self, reference: str) -> tuple[bytes, dict[str, str]]:
        """Have a pending debit's money arrive: the webhook this causes."""
        with self._lock:
            payment = self._waiting("collect", reference)
            if payment["method"] and (code := self._things[payment["method"]]["declines"]) is not None:
                return self.fail(reference, code)
            return self._collected(payment)

    def fail(self, reference: str, code: str, *, again: bool = False) -> tuple[bytes, dict[str, str]]:
        """Have a pending debit fail; `again` says that the provider will try again by itself."""
        with self._lock:
            payment = self._waiting("fail", reference)
            payment |= {"waits": False, "state": "failed", "decline": {"code": code, "will_retry": again}}
            return self._event("payment.failed", payment)

    def pay_out(self, reference: str) -> tuple[bytes, dict[str, str]]:
        """Have a collected payment's money paid out."""
        with self._lock:
            payment = self._get(reference, "payment")
            payment["paid_out"] = True
            return self._event("payment.paid_out", payment)

    def reverse(self, reference: str, kind: ReversalKind = ReversalKind.CHARGEBACK) -> tuple[bytes, dict[str, str]]:
        """Have a payment's money taken back, whatever was refunded of it: the webhook this causes."""
        with self._lock:
            payment = self._get(reference, "payment")
            if self._kept(payment) < payment["amount"]:
                raise self._cannot("reverse", "nothing of it is left to take back")
            taken = {"id": self._new("rev"), "kind": kind.value, "amount": payment["amount"], "cancelled": False}
            payment["reversals"].append(taken)
            self._happened("reversal", payment)
            return self._event("payment.reversed", payment)

    def undo_reversal(self, reference: str) -> tuple[bytes, dict[str, str]]:
        """Have the last reversal of a payment cancelled, as a charge-back that is won."""
        with self._lock:
            payment = self._get(reference, "payment")
            live = [each for each in payment["reversals"] if not each["cancelled"]]
            if not live:
                raise self._cannot("undo", "nothing of it was taken back")
            live[-1]["cancelled"] = True
            self._happened("reversal_cancelled", payment)
            return self._event("payment.reversal_cancelled", payment)

    def settle_refund(self, reference: str, *, failed: bool = False) -> tuple[bytes, dict[str, str]]:
        """Have a pending refund go through, or any refund come back."""
        with self._lock:
            refund = self._get(reference, "refund")
            if refund["state"] == "failed" or (refund["state"] == "succeeded" and not failed):
                raise self._cannot("settle", f"the refund has {refund['state']}")
            refund["state"] = "failed" if failed else "succeeded"
            if failed:
                self._happened("refund_failed", refund)
            return self._event(f"refund.{refund['state']}", refund)

    def revoke(self, method: str) -> tuple[bytes, dict[str, str]]:
        """Have the customer give a method up at their bank: the webhook this causes."""
        with self._lock:
            self._give_up(method, "revoked by the customer")
            return self._webhook(self.events[-1:])

    def replace(self, method: str) -> str:
        """Have the customer's bank replace a method by a new one, and return that."""
        with self._lock:
            old = self._get(method, "method")
            new = self._method(old["key"], old["kind"], old["currency"], None)
            old |= {"state": "inactive", "replaced_by": new["id"], "reason": "replaced"}
            self._event("method.replaced", old)
            return str(new["id"])

    def webhooks(self) -> Sequence[tuple[bytes, dict[str, str]]]:
        """(body, headers) of every webhook since this was last asked, one event each, signed now.

        Those that were returned by what caused them come again, as webhooks do.
        """
        with self._lock:
            fresh, self._told = self.events[self._told :], len(self.events)
            return [self._webhook([event]) for event in fresh]

    def held(self, *objects: str) -> Sequence[Object]:
        """What it holds of "checkout", "setup", "payment", "refund" or "method", oldest first, as it keeps them."""
        with self._lock:
            return [dict(each) for each in self._things.values() if each["object"] in objects]

    def _page(self, url: str, *objects: str) -> Object:
        return self._get(url.rpartition("/")[2], *objects)

    def _waiting(self, what: str, reference: str) -> Object:
        payment = self._get(reference, "payment")
        if not payment["waits"]:
            raise self._cannot(what, f"the payment is {self._status(payment)}")
        return payment

    def _cannot(self, what: str, why: str) -> StateConflict:
        return StateConflict("memory", what, why)
