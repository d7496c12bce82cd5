"""The bench of the gateway in memory, for the contract of gateways and its mutants; needs the extra `testing`."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import Final

from invoicecore.money import from_minor
from invoicecore.testing.clock import FixedClock
from invoicecore.testing.gateway_bench import Delivery, Effect, EffectKind, Exchange, Fault
from invoicecore_adapters.memory.gateway import MemoryGateway
from invoicecore_adapters.memory.held import Answer, Ask, signed
from invoicecore_adapters.memory.provider import MemoryProvider
from invoicecore_adapters.memory.reading import DECLINES

_HTML: Final = b"<!DOCTYPE html><title>Bad gateway</title>"

_INSTEAD: Final = {
    Fault.HTML_502_BEFORE: Answer(status=502, body=_HTML),
    Fault.ERROR_500_BEFORE: Answer(status=500, body=b'{"error": {"type": "broken", "message": "it is broken"}}'),
    Fault.RATE_LIMIT: Answer(status=429, body=b"{}", headers={"retry-after": "7"}),
    Fault.UNAUTHORISED: Answer(status=401, body=b'{"error": {"type": "unauthorised", "message": "no such API key"}}'),
    Fault.NONSENSE: Answer(status=418, body=b'{"error": {"type": "astonished", "message": null, "errors": null}}'),
    Fault.REDIRECT: Answer(
        status=302,
        body=b'{"object": "payment", "id": "pay_elsewhere", "status": "succeeded"}',
        headers={"location": "https://elsewhere.example"},
    ),
}

_RAISED: Final[Mapping[Fault, type[OSError]]] = {
    Fault.REFUSE: ConnectionRefusedError,
    Fault.RESET_BEFORE: ConnectionResetError,
    Fault.RESET_AFTER: ConnectionResetError,
    # Where there is no network a deadline is over at once: that the gateway gives up is what its client would do.
    Fault.STALL_AFTER: TimeoutError,
    Fault.DRIP_AFTER: TimeoutError,
}

_BEFORE: Final = frozenset(_INSTEAD) | {Fault.REFUSE, Fault.RESET_BEFORE}


class FaultyProvider(MemoryProvider):
    """A provider in memory behind a network that fails as it is told, and keeps what arrived."""

    def __init__(self) -> None:
        super().__init__("https://pages.memory.example", clock=FixedClock(datetime(2026, 4, 24, 9, 30, tzinfo=UTC)))
        self.exchanges: list[Exchange] = []
        self.planned: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._arriving = RLock()

    def answer(self, ask: Ask) -> Answer:
        """Record a request, and answer it as the provider and the network do."""
        with self._arriving:
            planned = self.planned[ask.operation]
            fault = planned.popleft() if planned else None
            if fault is not Fault.REFUSE:
                self.exchanges.append(
                    Exchange(
                        operation=ask.operation,
                        method="POST",
                        path=f"/{ask.operation}",
                        headers=dict(ask.headers),
                        body=ask.body,
                        key=ask.headers.get("idempotency-key"),
                    )
                )
        if fault is None:
            return super().answer(ask)
        answered = None if fault in _BEFORE else super().answer(ask)
        if fault in _RAISED:
            raise _RAISED[fault](fault.value)
        return _INSTEAD[fault] if answered is None else _altered(fault, answered)


def _altered(fault: Fault, answer: Answer) -> Answer:
    match fault:
        case Fault.TRUNCATE_AFTER:
            return Answer(status=200, body=answer.body[: len(answer.body) // 2])
        case Fault.HTML_200_AFTER | Fault.HTML_502_AFTER:
            return Answer(status=200 if fault is Fault.HTML_200_AFTER else 502, body=_HTML)
        case Fault.ERROR_500_AFTER:
            return _INSTEAD[Fault.ERROR_500_BEFORE]
    told = json.loads(answer.body)
    if fault is Fault.UNKNOWN_FIELDS:
        told |= {"surprise": [{"of": None}], "Another": 1}
    else:
        told |= {name: "levitating" for name in ("status", "state") if name in told}
    return Answer(status=answer.status, body=json.dumps(told).encode())


class MemoryBench:
    """A GatewayBench for MemoryGateway; `provider` is what everything happens to."""

    gateways: type[MemoryGateway] = MemoryGateway
    """What `gateway` makes: a class of one's own to see what the contract says of it."""

    def __init__(self) -> None:
        self.provider = FaultyProvider()
        self.now = self.provider.now
        self.move = self.provider.move
        self.save = self.provider.save
        self.saved = self.provider.saved
        self.collect = self.provider.collect
        self.fail = self.provider.fail
        self.pay_out = self.provider.pay_out
        self.reverse = self.provider.reverse
        self.undo_reversal = self.provider.undo_reversal
        self.settle_refund = self.provider.settle_refund
        self.revoke = self.provider.revoke

    @property
    def secrets(self) -> tuple[str, ...]:
        """See GatewayBench.secrets."""
        return (self.provider.api_key, self.provider.webhook_secret)

    @property
    def return_urls(self) -> tuple[str, str]:
        """See GatewayBench.return_urls."""
        return "https://host.example/paid", "https://host.example/cancelled"

    def gateway(self, *, webhook_secrets: Sequence[str] | None = None) -> MemoryGateway:
        """See GatewayBench.gateway."""
        return self.gateways(provider=self.provider, webhook_secrets=webhook_secrets)

    def pay(self, url: str, *, decline: str | None = None) -> None:
        """See GatewayBench.pay."""
        self.provider.pay(url, decline)

    def leave(self, url: str) -> None:
        """See GatewayBench.leave; nothing is told to anybody."""

    def declines(self) -> Mapping[str, str]:
        """See GatewayBench.declines."""
        return {code: known.value for code, (known, _) in DECLINES.items()} | {"weather": "unspecified"}

    def effects(self) -> Sequence[Effect]:
        """See GatewayBench.effects."""
        return [
            Effect(
                kind=EffectKind(each.kind),
                key=each.key,
                reference=each.reference,
                amount=None if each.amount is None or each.currency is None else from_minor(each.amount, each.currency),
                at=each.at,
            )
            for each in list(self.provider.ledger)
        ]

    def exchanges(self) -> Sequence[Exchange]:
        """See GatewayBench.exchanges."""
        return list(self.provider.exchanges)

    def fault(self, operation: str, fault: Fault, *, times: int = 1) -> None:
        """See GatewayBench.fault."""
        self.provider.planned[operation].extend([fault] * times)

    def clear_faults(self) -> None:
        """See GatewayBench.clear_faults."""
        self.provider.planned.clear()

    def deliveries(self) -> Sequence[Delivery]:
        """See GatewayBench.deliveries."""
        return [Delivery(body=body, headers=headers) for body, headers in self.provider.webhooks()]

    def sign(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> Mapping[str, str]:
        """See GatewayBench.sign."""
        return signed(body, self.provider.webhook_secret if secret is None else secret, at or self.provider.now())

    def close(self) -> None:
        """See GatewayBench.close; there are no servers."""
