"""What a simulated provider keeps: a ledger of what really happened, and the webhooks it has still to send."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener
from urllib.request import Request as HttpRequest

from invoicecore.errors import InvalidValue
from invoicecore.money import Money
from invoicecore.testing.clock import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Effect, EffectKind

Event = Mapping[str, object]
"""One event in the provider's own shape."""


class Ledger:
    """An append-only list of effects, by the provider's clock, which stands still until it is moved."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self._effects: list[Effect] = []
        self._lock = Lock()

    def add(self, kind: EffectKind, reference: str, *, key: str | None, amount: Money | None = None) -> None:
        """Something really happened to `reference`, under an operation's key."""
        with self._lock:
            effect = Effect(kind=kind, key=key, reference=reference, amount=amount, at=self.clock.now())
            self._effects.append(effect)

    def effects(self) -> tuple[Effect, ...]:
        """All of them, in order."""
        with self._lock:
            return tuple(self._effects)


class Deliveries:
    """Webhooks to be sent: each event once and in order, until told to lose, repeat, mix, keep back or batch them.

    `pack` makes one signed webhook of events; it is called when they are sent, so they are signed with that time.
    """

    def __init__(self, pack: Callable[[Sequence[Event]], Delivery]) -> None:
        self._pack = pack
        self._lock = Lock()
        self._waiting: list[Event] = []
        self.normal()

    def normal(self) -> None:
        """Each event once, in order, alone; what was kept back is sent."""
        self._dropping = self._holding = False
        self._copies, self._size = 1, 1
        self._chance: random.Random | None = None

    def drop_all(self) -> None:
        """Lose what waits and what comes."""
        self._dropping = True

    def duplicate_all(self, copies: int = 2) -> None:
        """Send each webhook several times."""
        self._copies = _positive("copies", copies)

    def shuffle_all(self, seed: int) -> None:
        """Send in an order that the seed decides."""
        self._chance = random.Random(seed)

    def delay_all(self) -> None:
        """Keep everything back until `normal()`."""
        self._holding = True

    def batch(self, size: int) -> None:
        """Send up to `size` events in one webhook, where the provider does so."""
        self._size = _positive("size", size)

    def put(self, event: Event) -> None:
        """An event happened."""
        with self._lock:
            self._waiting.append(event)

    def take(self) -> tuple[Delivery, ...]:
        """What is sent now, signed; it waits no longer."""
        with self._lock:
            if self._holding:
                return ()
            events, self._waiting = self._waiting, []
            if self._dropping:
                return ()
            if self._chance is not None:
                self._chance.shuffle(events)
            batches = [events[at : at + self._size] for at in range(0, len(events), self._size)] * self._copies
            if self._chance is not None:
                self._chance.shuffle(batches)
        return tuple(self._pack(batch) for batch in batches)

    def deliver_to(self, url: str, *, timeout: float = 10.0) -> tuple[int, ...]:
        """POST what is sent now to `url`; each answer's status, 0 where nobody answered. Nothing is sent again."""
        # A proxy of the environment has no business between two programs on one machine.
        opener = build_opener(ProxyHandler({}))
        statuses = []
        for delivery in self.take():
            request = HttpRequest(url, data=delivery.body, headers=dict(delivery.headers), method="POST")
            try:
                with opener.open(request, timeout=timeout) as answer:
                    statuses.append(int(answer.status))
            except HTTPError as refused:
                with refused:
                    statuses.append(refused.code)
            except (URLError, OSError):
                statuses.append(0)
        return tuple(statuses)


def _positive(field: str, value: int) -> int:
    if value < 1:
        raise InvalidValue(field, value, "is not positive", "give a whole number, 1 or more")
    return value
