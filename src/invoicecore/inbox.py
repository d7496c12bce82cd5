"""The inbox: a provider's events, stored once each before anything is made of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs


class InboxState(StrEnum):
    """What became of an event: WAITING is to be applied, PARKED was tried in vain and waits for a person."""

    WAITING = "waiting"
    APPLIED = "applied"
    IGNORED = "ignored"
    PARKED = "parked"


@attrs.frozen(kw_only=True)
class InboxEvent:
    """One event of a provider, normalised: no body is kept, since bodies name people. `id` is `{gateway}/{event}`.

    `about` says of what: payment, refund or method; `reference` is the provider's name of it. `tries` counts
    attempts to apply it, `error` says why the last one failed.
    """

    id: str
    biller: str
    gateway: str
    kind: str
    about: str
    reference: str
    received_at: datetime
    state: InboxState = InboxState.WAITING
    tries: int = 0
    next_try_at: datetime | None = None
    error: str = ""
    version: int = 1


WAITS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
)
"""How long to wait after each try in vain; after the last one the event is parked."""


def applied(event: InboxEvent) -> InboxEvent:
    """The event once what it tells of is written down."""
    return attrs.evolve(event, state=InboxState.APPLIED, next_try_at=None, error="")


def failed(event: InboxEvent, at: datetime, why: str) -> InboxEvent:
    """The event after a try in vain: tried again later, or parked after the last of WAITS."""
    tries = event.tries + 1
    if tries > len(WAITS):
        return attrs.evolve(event, state=InboxState.PARKED, tries=tries, next_try_at=None, error=why)
    return attrs.evolve(event, tries=tries, next_try_at=at + WAITS[tries - 1], error=why)
