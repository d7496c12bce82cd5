"""Pennypay's bench: the payers, the banks and the time that the contract plays with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn
from urllib.request import ProxyHandler, build_opener

from invoicecore_pennypay.gateway import PennypayGateway
from simulator import API_KEY, WEBHOOK_SECRET, Pennypay

from invoicecore_adapters.simulators.server import LoopbackServer


class PennypayBench:
    """A GatewayBench. What Pennypay does not have is never asked of it: its gateway does not claim it."""

    secrets = (API_KEY, WEBHOOK_SECRET)
    return_urls = ("https://host.example/paid", "https://host.example/back")

    def __init__(self) -> None:
        self.provider = Pennypay()
        self.server = LoopbackServer(self.provider).start()
        self.provider.url = self.server.url
        self.now = self.provider.clock.now
        self.effects = self.provider.ledger.effects
        self.deliveries = self.provider.deliveries.take
        self.exchanges = self.server.exchanges
        self.fault = self.server.fault
        self.clear_faults = self.server.clear_faults
        self.close = self.server.close

    def gateway(self, *, webhook_secrets: Sequence[str] | None = None) -> PennypayGateway:
        secrets = (WEBHOOK_SECRET,) if webhook_secrets is None else webhook_secrets
        return PennypayGateway(API_KEY, secrets, api=self.server.url, timeout=1.0, clock=self.provider.clock)

    def move(self, seconds: float) -> None:
        self.provider.clock.advance(timedelta(seconds=seconds))

    def pay(self, url: str, *, decline: str | None = None) -> None:
        opened(url, b"answer=pay" if decline is None else b"answer=decline")

    def leave(self, url: str) -> None:
        opened(url)

    def settle_refund(self, reference: str, *, failed: bool = False) -> None:
        if failed:  # they all go through at once
            self.provider.fail(reference)

    def declines(self) -> Mapping[str, str]:
        return {"empty": "insufficient_funds", "weather": "unspecified"}

    def sign(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> Mapping[str, str]:
        return self.provider.sign(body, WEBHOOK_SECRET if secret is None else secret, at or self.now())

    def never(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError("Pennypay has nothing of the kind")

    save = saved = collect = fail = pay_out = reverse = undo_reversal = revoke = never


def opened(url: str, form: bytes | None = None) -> None:
    """Look at a page, or press one of its buttons; past any proxy, which has no business on this machine."""
    build_opener(ProxyHandler({})).open(url, form, timeout=5).close()
