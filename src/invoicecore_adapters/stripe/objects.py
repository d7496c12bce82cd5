"""The provider's objects as they are now: fetched whole, with all that hangs on them, and told as port values.

Called inside of `faults.translate`: what the SDK raises passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import stripe

from invoicecore.errors import InvalidValue, ObjectNotFound
from invoicecore.payments import PaymentMethod
from invoicecore.ports import MethodSnapshot, PaymentSnapshot, RefundSnapshot
from invoicecore_adapters.stripe import snapshots
from invoicecore_adapters.stripe.reading import (
    NAME,
    Json,
    Unreadable,
    id_at,
    is_id,
    key_of,
    listed,
    named,
    needed,
    part,
    text,
)

if TYPE_CHECKING:
    from stripe.params import DisputeListParams, PaymentIntentListParams, RefundListParams
    from stripe.params.checkout import SessionListParams

ROWS: Final = 100
"""Objects of one page of a list, as many as the provider gives."""

_WHOLE: Final = "latest_charge.refunds"
_UNPAID: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


class Objects:
    """Reads the objects of one account; keeps nothing."""

    def __init__(self, client: stripe.StripeClient) -> None:
        """Read through this client."""
        self._client = client

    def payment(self, reference: str) -> PaymentSnapshot:
        """A payment by its own name or its page's; ObjectNotFound."""
        if is_id(reference, "cs"):
            page = self._client.v1.checkout.sessions.retrieve(reference, {"expand": [f"payment_intent.{_WHOLE}"]})
            whole = named(page.to_dict(), reference)
            if text(whole, "mode") != "payment":
                raise missing("payment")
            intent = part(whole, "payment_intent")
            return self.told(intent, whole) if intent else snapshots.page_alone(whole)
        if not is_id(reference, "pi"):
            raise missing("payment")
        asked = self._client.v1.payment_intents.retrieve(reference, {"expand": [_WHOLE]})
        return self.told(named(asked.to_dict(), reference))

    def told(self, intent: Json, page: Json | None = None) -> PaymentSnapshot:
        """The snapshot of an intent, with all that hangs on it: its page, its refunds and its disputes."""
        name = needed(intent, "id")
        if page is None and text(intent, "status") in _UNPAID:
            page = self.page_of(name)
        charge = part(intent, "latest_charge")
        refunds = part(charge, "refunds")
        given_back = listed(refunds) if refunds else ()
        if refunds.get("has_more"):
            given_back = list(self.refunds(of=name))
        disputes = list(self._disputes(name)) if charge.get("disputed") is True else ()
        return snapshots.payment(intent, page, refunds=given_back, disputes=disputes)

    def told_if_readable(self, intent: Json) -> PaymentSnapshot | None:
        """The snapshot of an intent, None for one that others made and we cannot read."""
        try:
            return self.told(intent)
        except (Unreadable, InvalidValue):
            if key_of(intent) is not None:
                raise
            return None

    def method(self, reference: str) -> MethodSnapshot:
        """A method by its own name, its page's or its set-up intent's; ObjectNotFound."""
        if is_id(reference, "cs"):
            paths = ["setup_intent.payment_method.customer", "setup_intent.mandate"]
            page = named(self._client.v1.checkout.sessions.retrieve(reference, {"expand": paths}).to_dict(), reference)
            if text(page, "mode") != "setup":
                raise missing("method")
            return snapshots.set_up(page, part(page, "setup_intent"))
        if is_id(reference, "seti"):
            paths = ["payment_method.customer", "mandate"]
            made_by = self._client.v1.setup_intents.retrieve(reference, {"expand": paths}).to_dict()
            return snapshots.set_up(None, named(made_by, reference))
        if not is_id(reference):
            raise missing("method")
        of = named(self._client.v1.payment_methods.retrieve(reference, {"expand": ["customer"]}).to_dict(), reference)
        card = snapshots.kind_of_type(text(of, "type")) is not PaymentMethod.DIRECT_DEBIT
        if card and id_at(of, "customer") is not None:
            return snapshots.method(of)
        # A debit's mandate is known to the set-up that made it, and to nothing nearer; so is our key, of what was taken
        # from its customer.
        made = self._client.v1.setup_intents.list({"payment_method": reference, "expand": ["data.mandate"]}).to_dict()
        setups = [each for each in listed(made) if text(each, "status") == "succeeded"]
        if not setups:
            return snapshots.method(of)
        return snapshots.method(of, key=key_of(setups[0]), mandate=part(setups[0], "mandate"))

    def refund(self, reference: str) -> RefundSnapshot:
        """A refund by its name; ObjectNotFound."""
        if not is_id(reference, "re", "pyr"):
            raise missing("refund_of")
        return snapshots.refund(named(self._client.v1.refunds.retrieve(reference).to_dict(), reference))

    def page_of(self, intent: str) -> Json | None:
        """The page an intent is paid on, None when it was made without one."""
        return next(self.pages(intent=intent), None)

    def owner_of(self, method: str | None) -> str | None:
        """The customer a method belongs to, None when that cannot be told."""
        if method is None or not is_id(method):
            return None
        try:
            return id_at(named(self._client.v1.payment_methods.retrieve(method).to_dict(), method), "customer")
        except stripe.InvalidRequestError:  # it is gone, and its payments are not
            return None

    def intents(self, *, since: int, until: int | None = None, owner: str | None = None) -> Iterator[Json]:
        """Payment intents made in a time, in seconds, newest first; of one customer if given."""

        def ask(after: str | None) -> Json:
            params: PaymentIntentListParams = {"created": {"gte": since}, "expand": [f"data.{_WHOLE}"], "limit": ROWS}
            if until is not None:
                params["created"] = {"gte": since, "lt": until}
            if owner is not None:
                params["customer"] = owner
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.payment_intents.list(params).to_dict()

        return _each(ask)

    def pages(self, *, since: int | None = None, intent: str | None = None) -> Iterator[Json]:
        """Checkout pages since a time, or the one of an intent."""

        def ask(after: str | None) -> Json:
            params: SessionListParams = {"limit": ROWS}
            if since is not None:
                params["created"] = {"gte": since}
            if intent is not None:
                params["payment_intent"] = intent
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.checkout.sessions.list(params).to_dict()

        return _each(ask)

    def refunds(self, *, since: int | None = None, of: str | None = None) -> Iterator[Json]:
        """Refunds since a time, of one payment if given."""

        def ask(after: str | None) -> Json:
            params: RefundListParams = {"limit": ROWS}
            if since is not None:
                params["created"] = {"gte": since}
            if of is not None:
                params["payment_intent"] = of
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.refunds.list(params).to_dict()

        return _each(ask)

    def _disputes(self, of: str) -> Iterator[Json]:
        def ask(after: str | None) -> Json:
            asked: DisputeListParams = {"payment_intent": of, "limit": ROWS}
            if after is not None:
                asked["starting_after"] = after
            return self._client.v1.disputes.list(asked).to_dict()

        return _each(ask)


def _each(ask: Callable[[str | None], Json]) -> Iterator[Json]:
    """Every object of a list, a page at a time."""
    after: str | None = None
    while True:
        page = ask(after)
        objects = listed(page)
        yield from objects
        if not (page.get("has_more") and objects):
            return
        after = needed(objects[-1], "id")


def missing(operation: str) -> ObjectNotFound:
    """What to raise for a reference that cannot be a name of what is meant, without asking."""
    return ObjectNotFound(NAME, operation, "the reference is no name of such an object here")
