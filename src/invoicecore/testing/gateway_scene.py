"""What the contract of gateways is played with: a bench, its gateway, and requests that differ where a test says so."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Final, Protocol

import attrs
import pytest

from invoicecore.errors import GatewayError, InvalidRequest, NotSupported
from invoicecore.money import Money, decimals, from_minor, minor, zero
from invoicecore.payments import PaymentMethod
from invoicecore.ports import (
    Capability,
    Charge,
    Checkout,
    HostedPage,
    MethodSnapshot,
    MethodSpec,
    Notice,
    Operation,
    PaymentGateway,
    PaymentSnapshot,
    PayStatus,
    RefundRequest,
    RefundSnapshot,
    Setup,
)
from invoicecore.testing.gateway_bench import Delivery, Effect, EffectKind, Exchange, GatewayBench

EMAIL: Final = "elodie.tremblay@example.net"
NAME: Final = "Élodie Tremblay-Côté"
"""Who pays: neither may be seen in a notice."""

FOREVER: Final = 50
"""How many requests of a fault that does not go away; more than any gateway makes for one call."""

NOWHERE: Final = "KPW IRR SYP CUP ERN SSP MNT KMF".split()
"""Currencies that hardly any provider takes."""

Snapshot = PaymentSnapshot | RefundSnapshot | MethodSnapshot | HostedPage


class Unclaimed(Exception):
    """Ends a test of what the gateway does not claim, once it was shown to refuse it without any request."""


class Act(Protocol):
    """One of the operations that make something: called with a key, it does the same again each time."""

    def __call__(self, key: str, gateway: PaymentGateway | None = None) -> Snapshot:
        """Do it under a key, through another gateway than the scene's if given."""
        ...


@attrs.frozen(kw_only=True)
class Making:
    """An operation that makes something: how to do it, what that leaves in the ledger, and how it is found again.

    `others` do it with another amount, and for somebody else. `since` is how many lines the ledger had before.
    """

    operation: Operation
    do: Act
    others: Sequence[Act]
    effect: EffectKind
    within: str | None
    since: int


class Scene:
    """A bench with a gateway on it."""

    def __init__(self, bench: GatewayBench) -> None:
        self.bench = bench
        self.gateway = bench.gateway()
        self._numbers = count(1)

    def key(self) -> str:
        """A key that was not used before."""
        return f"k3j4h5g6f7d8_col_{next(self._numbers):016x}"

    # --- what it claims -----------------------------------------------------------------------------------------------

    def needs(self, *capabilities: Capability) -> list[MethodSpec]:
        """One method of each kind that claims all of these; ends the test where there is none."""
        found: dict[PaymentMethod, MethodSpec] = {}
        for spec in self.gateway.info.methods:
            if spec.can.issuperset(capabilities):
                found.setdefault(spec.kind, spec)
        if not found:
            for capability in capabilities:
                if not self.gateway.info.can(capability):
                    self.refuses(capability)
            raise Unclaimed(", ".join(capabilities))
        return list(found.values())

    def asking(self) -> Operation:
        """How money is asked for: by a charge where that is claimed, else on a page; ends the test where neither is."""
        if self.gateway.info.can(Capability.CHARGE):
            return Operation.CHARGE
        self.needs(Capability.CHECKOUT)
        return Operation.CHECKOUT

    def payable(self) -> list[MethodSpec]:
        """One method of each kind that money is asked of in that way."""
        return self.needs(Capability(self.asking().value))

    def refuses(self, capability: Capability) -> None:
        """Fail unless what is not claimed raises NotSupported without any request."""
        if (call := self.calls().get(capability)) is not None:
            with self.untouched(), pytest.raises(NotSupported):
                call()

    def calls(self) -> Mapping[Capability, Callable[[], object]]:
        """A call of what each capability is about, with references that nobody has; those without one are left out."""
        gateway, now = self.gateway, self.bench.now()
        currency = currency_of(gateway.info.methods[0])
        amount = from_minor(5000, currency)
        kind = gateway.info.methods[0].kind
        charge = Charge(method="nobody", owner=None, amount=amount, reference="INV-1", description="Rent")
        refund = RefundRequest(payment="nobody", amount=amount, refunded_before=zero(currency))
        return {
            Capability.CHECKOUT: lambda: gateway.checkout(self.checkout(amount), self.key()),
            Capability.EXPIRE: lambda: gateway.expire("nobody", self.key()),
            Capability.SETUP: lambda: gateway.setup(self.setup(kind, currency), self.key()),
            Capability.REVOKE: lambda: gateway.revoke("nobody", self.key()),
            Capability.CHARGE: lambda: gateway.charge(charge, self.key()),
            Capability.CANCEL: lambda: gateway.cancel("nobody", self.key()),
            Capability.RETRY: lambda: gateway.retry("nobody", self.key()),
            Capability.REFUND: lambda: gateway.refund(refund, self.key()),
            Capability.LOOKUP: lambda: gateway.find(Operation.CHARGE, self.key(), since=now - timedelta(days=1)),
            Capability.WEBHOOKS: lambda: gateway.notices(b"{}", {}),
            Capability.BACKFILL: lambda: gateway.missed(now - timedelta(days=1)),
            Capability.LISTING: lambda: list(gateway.payments(now - timedelta(days=1), now)),
        }

    # --- requests -----------------------------------------------------------------------------------------------------

    def checkout(self, amount: Money) -> Checkout:
        """A request for a page that lasts most of a day."""
        success, cancel = self.bench.return_urls
        return Checkout(
            amount=amount,
            reference="INV-000012",
            description="Rent, April 2026",
            locale="fr_FR",
            success_url=success,
            cancel_url=cancel,
            expires_at=self.bench.now() + timedelta(hours=20),
            email=EMAIL,
        )

    def setup(self, kind: PaymentMethod, currency: str) -> Setup:
        """A request for a page on which a method is saved."""
        back, cancel = self.bench.return_urls
        return Setup(
            kind=kind, currency=currency, name=NAME, locale="fr_FR", return_url=back, cancel_url=cancel, email=EMAIL
        )

    def charge(
        self,
        spec: MethodSpec,
        units: int = 5120,
        *,
        currency: str | None = None,
        decline: str | None = None,
        method: tuple[str, str | None] | None = None,
    ) -> Charge:
        """A request to charge so many minor units to a method: one saved before, with what its charges are declined with."""
        amount = money(spec, units, currency)
        reference, owner = method or self.bench.saved(spec.kind, amount.currency.code, decline=decline)
        return Charge(
            method=reference,
            owner=owner,
            amount=amount,
            reference="INV-000012",
            description="Rent, April 2026",
        )

    def charged(self, spec: MethodSpec, units: int = 5120) -> tuple[PaymentSnapshot, str]:
        """A charge that has just been made, and its key."""
        key = self.key()
        return self.gateway.charge(self.charge(spec, units), key), key

    def paid(self, spec: MethodSpec, units: int = 5120) -> PaymentSnapshot:
        """A payment whose money has arrived, by a charge where that is claimed and on a page where not."""
        if Capability.CHARGE in spec.can:
            return self.settled(self.charged(spec, units)[0])
        page = self.gateway.checkout(self.checkout(money(spec, units)), self.key())
        self.bench.pay(page.url)
        return self.settled(self.gateway.payment(page.reference))

    def settled(self, payment: PaymentSnapshot) -> PaymentSnapshot:
        """A payment read again once its money has arrived."""
        if payment.status is PayStatus.PENDING:
            self.bench.collect(payment.reference)
        found = self.gateway.payment(payment.reference)
        assert found.status is PayStatus.SUCCEEDED, f"it is {found.status} although its money has arrived"
        return found

    def refunding(self, payment: PaymentSnapshot, amount: Money, before: Money | None = None) -> RefundRequest:
        """A request to give some of a payment back."""
        return RefundRequest(
            payment=payment.reference, amount=amount, refunded_before=before or zero(amount.currency.code)
        )

    def try_to_pay(self, url: str) -> None:
        """Be a payer on a page that may be no good any more, however it says so."""
        with suppress(Exception):
            self.bench.pay(url)

    def making(self, operation: Operation) -> Making:
        """One of the four operations that make something, ready to be done; ends the test where it is not claimed."""
        gateway = self.gateway
        if operation is Operation.CHECKOUT:
            [spec, *_] = self.needs(Capability.CHECKOUT)
            pages = [self.checkout(money(spec, units)) for units in (5120, 6230)]
            return Making(
                operation=operation,
                do=lambda key, through=None: (through or gateway).checkout(pages[0], key),
                others=[lambda key, through=None: (through or gateway).checkout(pages[1], key)],
                effect=EffectKind.CHECKOUT,
                within=None,
                since=len(self.bench.effects()),
            )
        if operation is Operation.SETUP:
            [spec, *_] = self.needs(Capability.SETUP)
            asked = self.setup(spec.kind, currency_of(spec))
            return Making(
                operation=operation,
                do=lambda key, through=None: (through or gateway).setup(asked, key),
                others=[],
                effect=EffectKind.SETUP,
                within=None,
                since=len(self.bench.effects()),
            )
        if operation is Operation.CHARGE:
            [spec, *_] = self.needs(Capability.CHARGE)
            charge = self.charge(spec)
            dearer = attrs.evolve(charge, amount=money(spec, 6230))
            elsewhere = self.charge(spec)
            return Making(
                operation=operation,
                do=lambda key, through=None: (through or gateway).charge(charge, key),
                others=[
                    lambda key, through=None: (through or gateway).charge(dearer, key),
                    lambda key, through=None: (through or gateway).charge(elsewhere, key),
                ],
                effect=EffectKind.PAYMENT,
                within=charge.method,
                since=len(self.bench.effects()),
            )
        [spec, *_] = self.needs(Capability.REFUND, Capability.PARTIAL_REFUND)
        payment, another = self.paid(spec), self.paid(spec)
        part = self.refunding(payment, money(spec, 1000))
        more = self.refunding(payment, money(spec, 1100))
        elsewhere_too = self.refunding(another, money(spec, 1000))
        return Making(
            operation=operation,
            do=lambda key, through=None: (through or gateway).refund(part, key),
            others=[
                lambda key, through=None: (through or gateway).refund(more, key),
                lambda key, through=None: (through or gateway).refund(elsewhere_too, key),
            ],
            effect=EffectKind.REFUND,
            within=payment.reference,
            since=len(self.bench.effects()),
        )

    def refunded_once(self, making: Making, first: Snapshot) -> Making:
        """The same refund again, by somebody who knows of the first one."""
        if not isinstance(first, RefundSnapshot):
            raise TypeError("only a refund was refunded")
        more = RefundRequest(payment=first.payment, amount=first.amount, refunded_before=first.amount)
        return attrs.evolve(making, do=lambda key, through=None: (through or self.gateway).refund(more, key))

    def find(
        self, making: Making, key: str, gateway: PaymentGateway | None = None
    ) -> PaymentSnapshot | RefundSnapshot | MethodSnapshot | None:
        """What was made under a key, looked for as after a crash."""
        since = self.bench.now() - timedelta(hours=1)
        return (gateway or self.gateway).find(making.operation, key, since=since, within=making.within)

    # --- what really happened -----------------------------------------------------------------------------------------

    def effects(self, kind: EffectKind, key: str | None = None) -> Sequence[Effect]:
        """The ledger's lines of a kind, those under a key if given."""
        return [each for each in self.bench.effects() if each.kind is kind and key in (None, each.key)]

    def operations(self, call: Callable[[], object]) -> Sequence[str]:
        """The operations whose requests a call makes, when nothing goes wrong."""
        before = len(self.bench.exchanges())
        call()
        return sorted({each.operation for each in self.bench.exchanges()[before:]})

    def made(self, making: Making) -> Sequence[Effect]:
        """What an operation has left in the ledger since it was made ready, under whatever key."""
        return [each for each in self.bench.effects()[making.since :] if each.kind is making.effect]

    def collected(self, key: str) -> int:
        """How many minor units arrived under a key."""
        return sum(minor(each.amount) for each in self.effects(EffectKind.COLLECTED, key) if each.amount is not None)

    def requests(self, operation: Operation | str, since: int = 0) -> Sequence[Exchange]:
        """The requests of an operation that arrived, after the first so many of all."""
        return [each for each in self.bench.exchanges()[since:] if each.operation == operation]

    def leaked(self, error: BaseException) -> Sequence[str]:
        """The secrets that an error shows: in its text, its traceback, its attributes, or those of what led to it."""
        seen = "".join(f"{each} {each!r} {vars(each)} {traceback.format_exception(each)}" for each in causes(error))
        return [secret for secret in self.bench.secrets if secret in seen]

    def untouched(self) -> Untouched:
        """Fail unless nothing is asked of the provider in the block."""
        return Untouched(self)

    def told(self) -> list[tuple[Delivery, Sequence[Notice]]]:
        """The webhooks since this was last asked, and what the gateway makes of them."""
        return [(each, self.gateway.notices(each.body, lower(each.headers))) for each in self.bench.deliveries()]

    def notices(self) -> list[Notice]:
        """The notices of all webhooks since they were last asked for."""
        return [notice for _, notices in self.told() for notice in notices]


class Untouched:
    """A block in which nothing may be asked of the provider."""

    def __init__(self, scene: Scene) -> None:
        self._bench = scene.bench
        self._before = 0

    def __enter__(self) -> None:
        self._before = len(self._bench.exchanges())

    def __exit__(self, *_: object) -> None:
        asked = self._bench.exchanges()[self._before :]
        assert not asked, f"the provider was asked: {[(each.method, each.path) for each in asked]}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, whether it is shown with it or not: a host's tools look there too."""
    todo, seen = [error], set[int]()
    while todo:
        if id(each := todo.pop()) not in seen:
            seen.add(id(each))
            todo += [led for led in (each.__cause__, each.__context__) if led is not None]
            yield each


def zoned(*instants: datetime | None) -> bool:
    """Whether these instants, where there are any, say in which zone they are: others cannot be compared with ours."""
    return all(each is None or each.utcoffset() is not None for each in instants)


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as `notices` takes them."""
    return {name.lower(): value for name, value in headers.items()}


def currency_of(spec: MethodSpec) -> str:
    """The currency a method is tried in."""
    return next((code for code in ("EUR", "GBP", "USD", "JPY") if code in spec.currencies), min(spec.currencies))


def money(spec: MethodSpec, units: int, currency: str | None = None) -> Money:
    """So many minor units in a method's currency, never less than it takes; a multiple of ten where it has three decimals."""
    code = currency or currency_of(spec)
    units = max(units, spec.least.get(code, 1))
    if decimals(code) == 3:
        units = -(-units // 10) * 10
    return from_minor(units, code)


def is_zero(amount: Money) -> bool:
    """Whether it is no money at all."""
    return minor(amount) == 0


def refused(call: Callable[[], object], *errors: type[GatewayError]) -> GatewayError:
    """The error a call raises, one of these."""
    with pytest.raises(errors or InvalidRequest) as raised:
        call()
    return raised.value
