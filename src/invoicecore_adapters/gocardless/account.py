"""One account at GoCardless: the SDK's services, a request at a time, and their answers as they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeVar

from gocardless_pro import services  # type: ignore[import-untyped]  # the SDK has no types

from invoicecore.errors import InvalidRequest, ObjectNotFound, OutcomeUnknown, StateConflict
from invoicecore_adapters.gocardless.faults import after_effect, translate
from invoicecore_adapters.gocardless.reading import Raw, Unreadable
from invoicecore_adapters.gocardless.wire import Answered, Wire

PAGE: Final = 500
"""How many of a list are asked for at once; GoCardless gives no more."""

S = TypeVar("S")


class Service(Protocol):
    """One of the SDK's services, as far as it is used; what it answers is taken for nothing before it was looked at."""

    def create(self, *, params: Mapping[str, object], headers: Mapping[str, str] | None = None) -> object: ...

    def get(self, identity: str) -> object: ...

    def list(self, *, params: Mapping[str, object]) -> object: ...


class Changing(Service, Protocol):
    """A service whose objects can be acted on."""

    def cancel(self, identity: str, *, params: Mapping[str, object], headers: Mapping[str, str]) -> object: ...

    def retry(self, identity: str, *, params: Mapping[str, object], headers: Mapping[str, str]) -> object: ...


class Account:
    """The SDK's services over our wire, for one attempt each: whoever calls repeats, under the same key."""

    def __init__(self, wire: Wire, secrets: tuple[str, ...]) -> None:
        def made(service: Callable[..., Any]) -> Any:
            return service(wire, max_network_retries=1, retry_delay_in_seconds=0, raise_on_idempotency_conflict=True)

        self.secrets = secrets
        self.bank_accounts: Service = made(services.CustomerBankAccountsService)
        self.billing_requests: Changing = made(services.BillingRequestsService)
        self.events: Service = made(services.EventsService)
        self.flows: Service = made(services.BillingRequestFlowsService)
        self.mandates: Changing = made(services.MandatesService)
        self.payments: Changing = made(services.PaymentsService)
        self.refunds: Service = made(services.RefundsService)

    def read(self, service: Service, reference: str) -> Raw:
        """One object by its name; Unreadable when the answer is of another."""
        found = _attributes(service.get(reference))
        if found.get("id") != reference:
            raise Unreadable("it is of another object")
        return found

    def create(self, service: Service, params: Mapping[str, object], key: str, operation: str) -> tuple[Raw, bool]:
        """What the key makes, and whether it did before: then it is as it is now, whatever is asked for now."""
        try:
            return _attributes(service.create(params=dict(params), headers={"Idempotency-Key": key})), False
        except Answered as answer:
            made = answer.made_before if answer.conflicts else None
            if made is None:
                raise
        return self.after(lambda: self.read(service, made), operation), True

    def act(
        self,
        operation: str,
        action: Callable[..., object],
        reference: str,
        key: str,
        read: Callable[[], S],
        done: Callable[[S], bool],
        *,
        when_too_late: bool = True,
    ) -> S:
        """Have something done to an object, and read it again; `done` says whether it stands as it was to.

        GoCardless does not know the key of an action, so it is never repeated: when the answer is lost, or says that
        it is too late, the object shows whether it was done (not `when_too_late`: that it is, is final).
        """
        try:
            action(reference, params={}, headers={"Idempotency-Key": key})
        except Exception as error:
            fault = translate(error, operation, self.secrets)
        else:
            return self.after(read, operation)
        too_late = isinstance(fault, StateConflict) and not isinstance(fault, ObjectNotFound)
        if isinstance(fault, OutcomeUnknown) or (too_late and when_too_late):
            try:
                now = read()
            except Exception:  # the look told nothing: what the action itself said stands
                raise fault from None
            if done(now):
                return now
        raise fault

    def after(self, step: Callable[[], S], operation: str) -> S:
        """A later step, when an earlier one had its effect: it never fails as if nothing had happened."""
        try:
            return step()
        except Exception as error:
            raise after_effect(error, operation, self.secrets) from None

    def page_for(self, params: Mapping[str, object], operation: str) -> Raw:
        """A new page for a billing request; GoCardless makes another each time, whatever the key.

        InvalidRequest is told as it is: a billing request without a page does nothing.
        """
        try:
            return _attributes(self.flows.create(params=dict(params)))
        except Exception as error:
            fault = translate(error, operation, self.secrets)
            raise fault if isinstance(fault, InvalidRequest) else after_effect(fault, operation) from None

    def page(self, service: Service, params: Mapping[str, object]) -> tuple[list[Raw], str | None]:
        """One page of a list, newest first, and the cursor of the next one, None at the end."""
        answer = service.list(params={"limit": PAGE, **params})
        records, after = getattr(answer, "records", None), getattr(answer, "after", None)
        if not isinstance(records, list) or not isinstance(after, str | None):
            raise Unreadable("no list")
        return [_attributes(record) for record in records], after

    def all(self, service: Service, params: Mapping[str, object]) -> Iterator[Raw]:
        """A whole list, page by page."""
        after: str | None = None
        while True:
            found, following = self.page(service, params if after is None else {**params, "after": after})
            yield from found
            if following is None or following == after:
                return
            after = following


def _attributes(resource: object) -> Raw:
    attributes = getattr(resource, "attributes", None)
    if not isinstance(attributes, dict):
        raise Unreadable("no object")
    return attributes
