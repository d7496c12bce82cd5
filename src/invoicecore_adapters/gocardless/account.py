"""One account at GoCardless: the SDK's services, one request at a time, and their answers as they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gocardless_pro import services  # type: ignore[import-untyped]  # the SDK has no types

from invoicecore_adapters.gocardless.faults import after_effect
from invoicecore_adapters.gocardless.reading import Raw, Unreadable
from invoicecore_adapters.gocardless.wire import Answered, Wire

PAGE = 500
"""How many of a list are asked for at once; GoCardless gives no more."""


class Account:
    """The SDK's services over our wire, for one attempt each: whoever calls repeats, under the same key."""

    def __init__(self, wire: Wire) -> None:
        def made(service: Callable[..., Any]) -> Any:
            return service(wire, max_network_retries=1, retry_delay_in_seconds=0, raise_on_idempotency_conflict=True)

        self.bank_accounts = made(services.CustomerBankAccountsService)
        self.billing_requests = made(services.BillingRequestsService)
        self.events = made(services.EventsService)
        self.flows = made(services.BillingRequestFlowsService)
        self.mandates = made(services.MandatesService)
        self.payments = made(services.PaymentsService)
        self.refunds = made(services.RefundsService)

    def create(self, service: Any, params: Mapping[str, object], key: str, operation: str) -> tuple[Raw, bool]:
        """What the key makes, and whether it was made before: then it is read again, whatever was asked for now."""
        try:
            return raw(service.create(params=dict(params), headers={"Idempotency-Key": key})), False
        except Answered as answer:
            made = answer.made_before if answer.conflicts else None
            if made is None:
                raise
        try:
            return raw(service.get(made)), True
        except Exception as error:
            raise after_effect(error, operation) from None

    def act(self, action: Callable[..., Any], reference: str, key: str) -> Raw:
        """The object an action was done to. The SDK never repeats one, nor does this."""
        return raw(action(reference, params={}, headers={"Idempotency-Key": key}))

    def page(self, service: Any, params: Mapping[str, object]) -> tuple[list[Raw], str | None]:
        """One page of a list, newest first, and the cursor of the next one, None at the end."""
        answer = service.list(params={"limit": PAGE, **params})
        if not isinstance(getattr(answer, "records", None), list):
            raise Unreadable("no list")
        return [raw(record) for record in answer.records], answer.after

    def all(self, service: Any, params: Mapping[str, object]) -> Iterator[Raw]:
        """A whole list, page by page."""
        after: str | None = None
        while True:
            found, following = self.page(service, params if after is None else {**params, "after": after})
            yield from found
            if following is None or following == after:
                return
            after = following


def raw(resource: Any) -> Raw:
    """A resource's attributes as they came."""
    attributes = getattr(resource, "attributes", None)
    if not isinstance(attributes, dict):
        raise Unreadable("no object")
    return attributes
