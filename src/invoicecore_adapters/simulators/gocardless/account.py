"""One merchant's account at the simulated GoCardless: its resources, its idempotency keys and its events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Final, TypeVar

from invoicecore_adapters.simulators.gocardless.records import (
    BankAccount,
    BillingRequest,
    Customer,
    Event,
    Flow,
    Mandate,
    Payment,
    Payout,
    Record,
    Refund,
    Webhook,
    instant,
)
from invoicecore_adapters.simulators.gocardless.refusals import Json, conflict, not_found
from invoicecore_adapters.simulators.ledger import Ledger

R = TypeVar("R", bound=Record)

CREDITOR: Final = "CR000SIMULATED"


class Account:
    """Everything that is kept, each kind by id and in the order of creation; not safe for threads by itself.

    `can_refund` is whether the account may make refunds at all, `balance` what is there for them in minor units, None
    for enough. `keys_first` is whether a used key is noticed before what is asked for is looked at: GoCardless does not
    say, so a gateway should be right either way.
    """

    def __init__(self, ledger: Ledger, put: Callable[[Mapping[str, object]], None]) -> None:
        """`put` is told of every event, as it is shown, when it happens."""
        self.ledger = ledger
        self.customers: dict[str, Customer] = {}
        self.bank_accounts: dict[str, BankAccount] = {}
        self.mandates: dict[str, Mandate] = {}
        self.payments: dict[str, Payment] = {}
        self.refunds: dict[str, Refund] = {}
        self.billing_requests: dict[str, BillingRequest] = {}
        self.flows: dict[str, Flow] = {}
        self.events: dict[str, Event] = {}
        self.payouts: dict[str, Payout] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.debits: list[tuple[str, str]] = []  # what the next payout takes back: (kind of item, payment or refund)
        self.verification_status = "successful"
        self.can_refund = True
        self.keys_first = True
        self.balance: int | None = None
        self._put = put
        self._keys: dict[str, str] = {}
        self._numbers = count(1)

    def now(self) -> datetime:
        """GoCardless's time."""
        return self.ledger.clock.now()

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has."""
        return f"{prefix}{next(self._numbers):08d}"

    def unused(self, key: str | None) -> None:
        """Refusal for an idempotency key that made something before, whatever the request says now."""
        if key is not None and key in self._keys:
            raise conflict(self._keys[key])

    def used(self, key: str | None, made: str) -> None:
        """A key has made a resource; it is for that one alone, of whatever kind."""
        if key is not None:
            self._keys[key] = made

    def creditor(self) -> Json:
        """The merchant, as shown."""
        return {
            "id": CREDITOR,
            "created_at": instant(self.now()),
            "name": "Simulated Merchant",
            "country_code": "GB",
            "creditor_type": "company",
            "can_create_refunds": self.can_refund,
            "verification_status": self.verification_status,
            "scheme_identifiers": [],
            "links": {},
        }

    def event(
        self,
        about: Record,
        action: str,
        cause: str,
        *,
        origin: str = "gocardless",
        links: Mapping[str, str] | None = None,
        parent: Event | None = None,
        **details: object,
    ) -> Event:
        """Something happened to a resource: kept, and told by webhook."""
        resource_type, name = _TYPES[type(about)]
        event = Event(
            id=self.new_id("EV"),
            created_at=self.now(),
            resource_type=resource_type,
            action=action,
            details={
                "origin": origin,
                "cause": cause,
                "description": f"{cause.replace('_', ' ').capitalize()}.",
                **{field: value for field, value in details.items() if value is not None},
            },
            links={name: about.id, **(links or {}), **({"parent_event": parent.id} if parent else {})},
            resource_metadata=dict(about.metadata),
        )
        self.events[event.id] = event
        self._put(event.shown())
        return event

    def tell_again(self, webhook: Webhook) -> None:
        """Send the events of a webhook once more."""
        for event in json.loads(webhook.body)["events"]:
            self._put(event)


_TYPES: Final[Mapping[type[Record], tuple[str, str]]] = {
    BillingRequest: ("billing_requests", "billing_request"),
    Mandate: ("mandates", "mandate"),
    Payment: ("payments", "payment"),
    Payout: ("payouts", "payout"),
    Refund: ("refunds", "refund"),
}


def one(records: Mapping[str, R], id: str) -> R:
    """The record of that id; Refusal when there is none."""
    found = records.get(id)
    if found is None:
        raise not_found()
    return found
