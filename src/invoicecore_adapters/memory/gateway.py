"""A payment gateway in memory: checkouts that a test or a demo pays, told by webhooks that are signed for real."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from threading import Lock
from urllib.parse import urlsplit

from invoicecore.errors import BadSignature, NotFound
from invoicecore.money import from_minor, minor
from invoicecore.ports import Checkout, Notice


class MemoryGateway:
    """A PaymentGateway that moves no money: `checkout` remembers, `pay` gives the webhook a provider would send."""

    name = "memory"

    def __init__(self, pages: str = "https://checkout.example") -> None:
        """`pages` is where its pages would be; nothing is served there."""
        self.checkouts: dict[str, Checkout] = {}
        self._pages = pages.rstrip("/")
        self._secret = secrets.token_bytes(32)
        self._by_key: dict[str, str] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"MemoryGateway({self._pages!r})"

    def checkout(self, wanted: Checkout) -> str:
        """See PaymentGateway.checkout; the same key gives the same page."""
        with self._lock:
            ref = self._by_key.setdefault(wanted.key, secrets.token_urlsafe(12))
            self.checkouts[ref] = wanted
        return f"{self._pages}/{ref}"

    def pay(self, url: str) -> tuple[bytes, dict[str, str]]:
        """Pay at a checkout's URL: the webhook's body and headers, to be handed to `billing.receive`."""
        ref = url.rpartition("/")[2]
        wanted = self.checkouts.get(ref)
        if wanted is None:
            raise NotFound("checkout", ref)
        event = {
            "id": f"evt_{ref}",
            "biller": wanted.biller,
            "invoice": wanted.invoice,
            "amount": minor(wanted.amount),
            "currency": wanted.amount.currency.code,
            "reference": ref,
        }
        body = json.dumps({"events": [event]}).encode()
        return body, {"memory-signature": self._signature(body)}

    def notices(self, body: bytes, headers: Mapping[str, str]) -> Sequence[Notice]:
        """See PaymentGateway.notices."""
        if not hmac.compare_digest(headers.get("memory-signature", "").encode(), self._signature(body).encode()):
            raise BadSignature(self.name)
        return [
            Notice(
                id=event["id"],
                biller=event["biller"],
                invoice=event["invoice"],
                amount=from_minor(event["amount"], event["currency"]),
                reference=event["reference"],
            )
            for event in json.loads(body)["events"]
        ]

    def _signature(self, body: bytes) -> str:
        return hmac.new(self._secret, body, hashlib.sha256).hexdigest()


def open_gateway(url: str) -> MemoryGateway:
    """The gateway of `memory://`, or of `memory://host:port/path` whose pages are there, by http."""
    parts = urlsplit(url)
    return MemoryGateway(f"http://{parts.netloc}{parts.path}") if parts.netloc else MemoryGateway()
