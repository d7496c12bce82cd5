"""Guarding: a gateway as the desk asks it: whatever it raises, or answers instead of an answer, is a GatewayError.

A gateway may be anybody's, and an error its author forgot to translate must stop nobody else's money. Plugins may put
something around its requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from invoicecore.errors import (
    GatewayError,
    GatewayFailed,
    InvalidValue,
    MissingExtra,
    PluginError,
    StoreError,
    WebhookRejected,
)
from invoicecore.money import Money, exact
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

_KEPT: Final = (PaymentSnapshot, RefundSnapshot, MethodSnapshot, HostedPage)
_DAY: Final = date | None  # a datetime is one to Python

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
    if isinstance(told, PaymentSnapshot | RefundSnapshot) and told.key is None:
        return ""
    kind = next(each for each in kinds if isinstance(told, each))
    if kind in _KEPT and (misfit := _misfit(told, kind)):
        return misfit
    if not isinstance(told, PaymentSnapshot | RefundSnapshot):
        return ""
    moneys: list[tuple[str, object]] = [("amount", told.amount)]
    if isinstance(told, PaymentSnapshot):
        moneys += [("collected", told.collected)]
        moneys += [("a reversal's amount", each.amount) for each in told.reversals]
        moneys += [("a refund's amount", each.amount) for each in told.refunds]
    try:
        code = exact(told.amount).currency.code
        for field, money in moneys:
            if (given := exact(money, field, currency=code)).amount < 0:
                return f"{field} {given.amount} is below zero"
    except InvalidValue as error:
        return str(error)
    return ""


def _misfit(told: object, kind: type) -> str:
    """The first field that is not what the port says: no store would keep it, or give it back as it was."""
    for name, hint in _hints(kind).items():
        value = getattr(told, name)
        if get_origin(hint) is tuple:
            each_kind = get_args(hint)[0]
            if not isinstance(value, tuple | list) or not all(isinstance(each, each_kind) for each in value):
                return f"{name} are not each a {each_kind.__name__}"
            if misfit := next(filter(None, (_misfit(each, each_kind) for each in value)), ""):
                return f"of {name}, {misfit}"
        elif hint is not Money and not (isinstance(value, hint) and (hint != _DAY or type(value) is not datetime)):
            return f"{name} is a {type(value).__name__} in place of {getattr(hint, '__name__', hint)}"
    return ""


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)
