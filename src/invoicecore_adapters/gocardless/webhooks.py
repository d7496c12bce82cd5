"""Webhooks: believed only when signed with one of our secrets, then read event by event."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from invoicecore.errors import WebhookRejected
from invoicecore.ports import About, Notice
from invoicecore_adapters.gocardless.reading import Raw, instant, key_of, link, text
from invoicecore_adapters.gocardless.schemes import NAME
from invoicecore_adapters.gocardless.snapshots import made_of

HEADER: Final = "webhook-signature"
_MOST_BYTES: Final = 2 * 2**20  # 250 events are a tenth of it
_NAME: Final = re.compile(r"[ -~]{1,255}")
"""What everybody can keep: a surrogate or a NUL in one event would lose all that came with it."""
_ENDS: Final = frozenset({"fulfilled", "cancelled", "failed"})


def verified(body: object, headers: object, secrets: Sequence[str]) -> object:
    """What the body of a webhook says, once it is certain that GoCardless signed it; WebhookRejected otherwise.

    What was signed and is no JSON raises whatever json does. The signature is the lower-case hex HMAC-SHA256 of the raw body. Every secret is tried, in constant time.
    """
    if not isinstance(body, bytes) or not isinstance(headers, Mapping) or len(body) > _MOST_BYTES:
        raise WebhookRejected(NAME, "malformed")
    given = headers.get(HEADER)
    if given is None or given == "":
        raise WebhookRejected(NAME, "missing")
    if not isinstance(given, str) or not given.isascii():
        raise WebhookRejected(NAME, "bad")
    right = False
    for secret in secrets:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        right |= hmac.compare_digest(digest, given)
    if not right:
        raise WebhookRejected(NAME, "bad")
    return json.loads(body.decode("utf-8"))


def notices(said: object, *, live: bool) -> tuple[Notice, ...]:
    """The events of a webhook's body in order; one that cannot be read is left out, for its object is polled anyway."""
    events = said.get("events") if isinstance(said, dict) else None
    if not isinstance(events, list):
        raise WebhookRejected(NAME, "malformed")
    return tuple(found for event in events if (found := notice(event, live=live)) is not None)


def notice(event: object, *, live: bool) -> Notice | None:
    """One event; None when it is none, or when its id, its kind, its reference or its key is no printable ASCII."""
    if not isinstance(event, dict):
        return None
    try:
        identity, kind = text(event, "id"), f"{text(event, 'resource_type')}.{text(event, 'action')}"
    except ValueError:
        return None
    about, reference = _about(event)
    key = key_of(event, "resource_metadata")
    if not all(_NAME.fullmatch(name) for name in (identity, kind, reference, key) if name is not None):
        return None
    return Notice(
        id=identity,
        kind=kind,
        about=about if reference else About.NOTHING,
        reference=reference or "",
        key=key,
        live=live,
        happened_at=_when(event.get("created_at")),
    )


def _about(event: Raw) -> tuple[About, str | None]:
    match event["resource_type"]:
        case "payments":
            return About.PAYMENT, link(event, "payment")
        case "refunds":
            return About.REFUND, link(event, "refund")
        case "mandates":
            return About.METHOD, link(event, "mandate")
        case "billing_requests" if event["action"] in _ENDS:
            pays = made_of(event, "payment") or link(event, "payment_request")
            saves = made_of(event, "mandate") or link(event, "mandate_request")
            about = About.PAYMENT if pays else About.METHOD if saves else About.NOTHING
            return about, link(event, "billing_request")
    return About.NOTHING, None


def _when(value: object) -> datetime | None:
    try:
        return instant(value)
    except ValueError:
        return None
