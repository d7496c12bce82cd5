"""Saved methods: a customer's card or mandate is set up on the provider's page, kept by reference, and given up (C6)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import attrs

from invoicecore.billing.desk import Change, Desk, one
from invoicecore.collection import SETUP_POLLS, MethodState, SavedMethod
from invoicecore.errors import Conflict, Executed, GatewayError, NotAllowed, legible
from invoicecore.parties import Biller, Customer, member, text
from invoicecore.payments import PaymentMethod

if TYPE_CHECKING:
    from invoicecore.ports import MethodSnapshot, PaymentGateway


@attrs.frozen(kw_only=True)
class SetupPage:
    """A set-up that has begun: send the customer to `url`, which is not kept; `method` becomes chargeable once done."""

    method: SavedMethod
    url: str = attrs.field(repr=False)


class Methods:
    """Saved cards and mandates: `billing.methods`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def setup(
        self,
        customer: Customer | str,
        *,
        return_url: str,
        kind: PaymentMethod | str = PaymentMethod.DIRECT_DEBIT,
        cancel_url: str | None = None,
        gateway: str | None = None,
        scheme: str | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> SetupPage:
        """Begin the set-up of a card or a mandate on the provider's page, with the gateway named or the first that can.

        `return_url` is where the customer comes back to, which proves nothing: the provider's webhook, or `refresh`,
        tells whether the method can be charged (C6, S9). Raises NotWired and NotSupported without a gateway for it,
        PaymentsOff (R1), StoreError inside a transaction (P2), GatewayError, InvalidValue, NotFound, KeyReused.
        """
        from invoicecore.ports import Capability, Setup  # only who uses a gateway pays for it

        biller, who = self._desk.owner("customer", customer)
        how = member(PaymentMethod, kind, "kind")
        back = text(return_url, "return_url", longest=2000)
        away = text(cancel_url, "cancel_url", longest=2000) if cancel_url is not None else back
        with self._desk.view() as tx:
            currency = self._desk.currency(tx, biller)
        provider = self._desk.wiring.gateway_for(Capability.SETUP, currency=currency, kind=how, name=gateway)
        self._desk.outside()
        with self._desk.change("methods.setup", biller, on=on, actor=actor, subject=who) as change:
            payer = one(change.tx, Customer, biller, who)
            change.payments_on()
            asked = {"customer": who, "kind": how, "gateway": gateway, "scheme": scheme, "return_url": back}
            if (made := change.replayed(key, asked)) is not None:
                begun = change.again(SavedMethod, made)[0]
            else:
                begun = SavedMethod(
                    id=change.ids("met")[0],
                    biller=biller,
                    customer=who,
                    gateway=provider.info.name,
                    kind=how,
                    made_at=change.at,
                    scheme=text(scheme or "", "scheme", required=False, longest=50),
                    next_try_at=change.at + SETUP_POLLS[0],
                )
                change.tx.add([begun])
                change.made(begun.id)
                change.note(begun.id, 1, "set-up begun", f"{how.value} with {begun.gateway}")
            locale = payer.locale or change.biller.locale
        wanted = Setup(
            kind=how,
            currency=currency,
            name=payer.name,
            locale=locale,
            return_url=back,
            cancel_url=away,
            email=payer.email,
            scheme=begun.scheme or None,
        )
        page = provider.setup(wanted, begun.id)
        with self._desk.change("methods.setup", biller, on=on, actor=actor, subject=who) as change:
            found = one(change.tx, SavedMethod, biller, begun.id)
            if found.setup is None:
                change.tx.replace([attrs.evolve(found, setup=page.reference)])
            found = one(change.tx, SavedMethod, biller, begun.id)
        return SetupPage(method=found, url=page.url)

    def refresh(self, method: SavedMethod | str, *, actor: str | None = None) -> SavedMethod:
        """The method as the provider has it now; raises GatewayError, NotWired, NotFound."""
        found = self.get(method)
        name = found.reference or found.setup
        if name is None:
            return found
        self._desk.outside()
        snapshot = newest(self._desk.wiring.gateway_named(found.gateway), name)
        return take_method(self._desk, found, snapshot, actor=actor, action="methods.refresh")

    def revoke(self, method: SavedMethod | str, *, on: date | None = None, actor: str | None = None) -> SavedMethod:
        """Give a method up at the provider: it is never charged again (C6). What is in flight goes on.

        Harmless to repeat. Raises NotAllowed while it is being set up, NotSupported, GatewayError, NotFound.
        """
        biller, ref = self._desk.owner("method", method)
        self._desk.plugins.authorise(action="methods.revoke", actor=actor, biller=biller, subject=ref)
        found = self.get(method)
        if found.reference is None:
            raise NotAllowed(
                "revoke", found.state.value, (), "it is not set up yet", "Wait, or leave it: it is not charged"
            )
        gateway = self._desk.wiring.gateway_named(found.gateway)
        self._desk.outside()
        try:
            snapshot = gateway.revoke(found.reference, f"{found.id}/revoke")
        except GatewayError as error:
            if error.executed is Executed.UNKNOWN:
                snapshot = gateway.method(found.reference)  # it may have happened: look
            else:
                raise
        return take_method(self._desk, found, snapshot, actor=actor, action="methods.revoke", on=on)

    def get(self, method: SavedMethod | str) -> SavedMethod:
        """The method as it stands here; NotFound otherwise."""
        biller, ref = self._desk.owner("method", method)
        with self._desk.view() as tx:
            return one(tx, SavedMethod, biller, ref)

    def find(
        self,
        *,
        biller: Biller | str | None = None,
        customer: Customer | str | None = None,
        state: MethodState | str | None = None,
        after: str = "",
        limit: int = 50,
    ) -> list[SavedMethod]:
        """Saved methods of a biller or of one customer, in one state if given, oldest first, those after an id.

        Raises InvalidValue for an unknown state or a limit beyond 1000, NotFound.
        """
        where = {} if state is None else {"state": member(MethodState, state, "state").value}
        return self._desk.listed(SavedMethod, biller, after=after, limit=limit, customer=customer, **where)


def newest(gateway: PaymentGateway, reference: str) -> MethodSnapshot:
    """A method as the provider has it now, or the one that has replaced it; the key is the first one's."""
    told = gateway.method(reference)
    for _ in range(5):
        if told.replaced_by is None:
            break
        told = attrs.evolve(gateway.method(told.replaced_by), key=told.key)
    return told


def take_method(
    desk: Desk, method: SavedMethod, told: MethodSnapshot, *, actor: str | None, action: str, on: date | None = None
) -> SavedMethod:
    """Write down how the provider has a method now; one that was given up is not charged any more."""
    if method == _told(method, told):
        return method
    for _ in range(8):
        try:
            with desk.change(action, method.biller, on=on, actor=actor, subject=method.id) as change:
                return apply_method(change, one(change.tx, SavedMethod, method.biller, method.id), told)
        except Conflict:
            continue
    raise Conflict(f"method {method.id}", "others keep changing it")


def apply_method(change: Change, before: SavedMethod, told: MethodSnapshot) -> SavedMethod:
    """Write a method's snapshot down; once INACTIVE, what was about to be collected by it falls back to a link."""
    after = _told(before, told)
    if after == before:
        return before
    change.tx.replace([after])
    change.note(before.id, before.version + 1, f"method {after.state.value}", after.reason)
    if after.state is MethodState.INACTIVE and before.state is not MethodState.INACTIVE:
        from invoicecore.billing.applying import fail_reserved

        fail_reserved(change, after)
    return attrs.evolve(after, version=before.version + 1)


def _told(before: SavedMethod, told: MethodSnapshot) -> SavedMethod:
    if told.state is MethodState.OPEN:
        # A set-up that goes on says nothing of a method that is there already.
        return before if before.reference is not None else attrs.evolve(before, setup=before.setup or told.reference)
    return attrs.evolve(
        before,
        state=MethodState.PENDING if told.replaced_by is not None else told.state,
        tries=0,
        next_try_at=None,
        reference=told.replaced_by or told.reference,
        kind=told.kind,
        owner=told.owner or before.owner,
        scheme=legible(told.scheme) or before.scheme,
        label=legible(told.label) or before.label,
        reason=legible(told.reason),
    )
