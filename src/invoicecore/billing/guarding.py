"""Guarding: a gateway as the desk asks it: whatever it raises, or answers instead of an answer, is a GatewayError.

A gateway may be anybody's, and an error its author forgot to translate must stop nobody else's money. Plugins may put
something around its requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from invoicecore.errors import (
    GatewayError,
    GatewayFailed,
    InvalidValue,
    MissingExtra,
    PluginError,
    StoreError,
    WebhookRejected,
)
from invoicecore.money import exact
from invoicecore.ports import HostedPage, MethodSnapshot, NoticePage, PaymentSnapshot, RefundSnapshot
from invoicecore.spans import NOTHING

if TYPE_CHECKING:
    from invoicecore.plugins import Plugins
    from invoicecore.ports import PaymentGateway

_ANSWERS: Final[Mapping[str, tuple[type, ...]]] = {
    "checkout": (HostedPage,),
    "setup": (HostedPage,),
    "method": (MethodSnapshot,),
    "revoke": (MethodSnapshot,),
    "expire": (PaymentSnapshot,),
    "charge": (PaymentSnapshot,),
    "cancel": (PaymentSnapshot,),
    "retry": (PaymentSnapshot,),
    "payment": (PaymentSnapshot,),
    "payments": (PaymentSnapshot,),  # each of them
    "refund": (RefundSnapshot,),
    "refund_of": (RefundSnapshot,),
    "find": (PaymentSnapshot, RefundSnapshot, MethodSnapshot, NoneType),
    "missed": (NoticePage,),
    "notices": (Sequence,),
}
"""The port's verbs → what each answers with."""

_PASSING: Final = (GatewayError, WebhookRejected, MissingExtra, PluginError, StoreError)
"""What is said in the library's own words already: by the gateway, or by a host that is beneath it."""

_LONGEST: Final = 500  # characters of an exception that are told


class Guarded:
    """A gateway: each verb answers what the port says or raises GatewayError; all else of it is as it is."""

    def __init__(self, gateway: PaymentGateway, plugins: Plugins) -> None:
        self._gateway = gateway
        self._plugins = plugins

    def __getattr__(self, name: str) -> object:
        if name not in _ANSWERS:
            return getattr(self._gateway, name)
        if name == "payments":  # it goes on while it is read, so nothing is around it
            return lambda *given, **named: self._listed(given, named)

        def asked(*given: object, **named: object) -> object:
            asks_nobody = name == "notices"
            around = NOTHING if asks_nobody else self._plugins.span(f"gateway.{name}", gateway=self._gateway.info.name)
            with around:
                try:
                    told = getattr(self._gateway, name)(*given, **named)
                except _PASSING:
                    raise
                except Exception as error:
                    raise self._failed(name, error) from error
                return self._answer(name, told)

        return asked

    def _listed(self, given: Sequence[object], named: Mapping[str, Any]) -> Iterator[object]:
        try:
            for told in self._gateway.payments(*given, **named):  # type: ignore[arg-type]  # as they were given
                yield self._answer("payments", told)
        except _PASSING:
            raise
        except Exception as error:
            raise self._failed("payments", error) from error

    def _answer(self, name: str, told: object) -> object:
        if wrong := _wrong(told, _ANSWERS[name]):
            raise GatewayFailed(self._gateway.info.name, name, f"its answer is none: {wrong}")
        return told

    def _failed(self, name: str, error: Exception) -> GatewayFailed:
        return GatewayFailed(self._gateway.info.name, name, f"{type(error).__name__}: {error}"[:_LONGEST])


def _wrong(told: object, kinds: tuple[type, ...]) -> str:
    """What is wrong with an answer; nothing of what others made in the same account, in whatever money."""
    if not isinstance(told, kinds):
        return f"{type(told).__name__} in place of {' or '.join(kind.__name__ for kind in kinds)}"
    reference = getattr(told, "reference", "none is told")
    if not isinstance(reference, str) or not reference:
        return f"reference={reference!r} is no name"
    if not isinstance(told, PaymentSnapshot | RefundSnapshot) or told.key is None:
        return ""
    moneys: list[tuple[str, object]] = [("amount", told.amount)]
    if isinstance(told, PaymentSnapshot):
        moneys += [("collected", told.collected)]
        moneys += [("a reversal's amount", each.amount) for each in told.reversals]
        moneys += [("a refund's amount", each.amount) for each in told.refunds]
    try:
        code = exact(told.amount).currency.code
        for field, money in moneys:
            exact(money, field, currency=code)
    except InvalidValue as error:
        return str(error)
    return ""
