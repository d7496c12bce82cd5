"""What happened to a payment, read from its events: how often its money came, and each time it was taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from invoicecore.payments import ReversalKind
from invoicecore_adapters.gocardless.declines import cause_of
from invoicecore_adapters.gocardless.reading import instant, text


@attrs.frozen(kw_only=True)
class TakenBack:
    """One time that money was taken back; `id` is its event's."""

    id: str
    kind: ReversalKind
    reason: str
    cancelled: bool = False


@attrs.frozen(kw_only=True)
class History:
    """A payment's past.

    `whole` is whether it begins with the payment's creation: events older than 18 months are no longer told. `times`
    is how often its money was collected, `held` whether it is collected and not taken back since, `failure` the
    details of what failed last.
    """

    whole: bool = False
    times: int = 0
    held: bool = False
    taken_back: tuple[TakenBack, ...] = ()
    failure: Mapping[str, Any] = attrs.Factory(dict)


def history(events: Iterable[Mapping[str, Any]]) -> History:
    """A payment's past from its events, newest first as GoCardless lists them; their instants decide the order.

    `*_settled` and `surcharge_*` are about payouts and fees: they move nothing.
    """
    # A list is newest first, so what happened within one millisecond is told from its end.
    oldest_first = [*events][::-1]
    past = History()
    for event in sorted(oldest_first, key=lambda event: instant(event.get("created_at"))):
        if event.get("resource_type") == "payments":
            past = _after(past, event)
    return past


def _after(past: History, event: Mapping[str, Any]) -> History:
    details = event.get("details")
    if not isinstance(details, Mapping):
        details = {}
    match event.get("action"):
        case "created":
            return attrs.evolve(past, whole=True)
        case "confirmed" | "paid_out":
            return _collected(past)
        case "failed" if past.held:
            return _taken_back(past, event, ReversalKind.LATE_FAILURE, details)
        case "failed":
            return attrs.evolve(past, failure=details)
        case "charged_back":
            # Only what was collected is charged back, whether its confirmation is still told or not.
            return _taken_back(_collected(past), event, ReversalKind.CHARGEBACK, details)
        case "chargeback_cancelled":
            return _given_back(past)
    return past


def _collected(past: History) -> History:
    return past if past.held else attrs.evolve(past, times=past.times + 1, held=True)


def _taken_back(past: History, event: Mapping[str, Any], kind: ReversalKind, details: Mapping[str, Any]) -> History:
    taken = TakenBack(id=text(event, "id"), kind=kind, reason=cause_of(details))
    return attrs.evolve(past, held=False, taken_back=(*past.taken_back, taken), failure=details)


def _given_back(past: History) -> History:
    standing = [
        index
        for index, each in enumerate(past.taken_back)
        if each.kind is ReversalKind.CHARGEBACK and not each.cancelled
    ]
    if not standing:  # it is no longer told; that the money is there now is certain
        return _collected(past)
    taken = list(past.taken_back)
    taken[standing[-1]] = attrs.evolve(taken[standing[-1]], cancelled=True)
    return attrs.evolve(past, held=True, taken_back=tuple(taken))
