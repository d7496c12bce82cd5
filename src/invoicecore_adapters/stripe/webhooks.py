"""Webhooks: verified first, then read as far as to know what to fetch. Nothing is asked for here."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from invoicecore.errors import WebhookRejected
from invoicecore.ports import About, Notice
from invoicecore_adapters.stripe.reading import NAME, Json, id_at, instant, is_id, key_of, needed, part, text

TOLERANCE: Final = 300
"""Seconds that a signature may be old, or ahead of our clock."""

_LARGEST: Final = 1024 * 1024

_LONGEST: Final = 255
"""Characters of the longest name of an event or an object, and of the longest key."""

_HEADER: Final = "stripe-signature"

_FAMILIES: Final = (
    "charge.",
    "checkout.session.",
    "mandate.",
    "payment_intent.",
    "payment_method.",
    "refund.",
    "setup_intent.",
)
"""What the events that we use are called; one that is new among them rings like the others."""


def notices(body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now: datetime) -> tuple[Notice, ...]:
    """The one event of a webhook, signed with one of the secrets; raises WebhookRejected and nothing else.

    None when it is one that nobody could keep.
    """
    try:
        _verify(body, headers.get(_HEADER), secrets, now)
        event = json.loads(body)
        if not isinstance(event, dict):
            raise WebhookRejected(NAME, "malformed")
        found = notice(event)
        return () if found is None else (found,)
    except WebhookRejected:
        raise
    except Exception:  # RecursionError of deep JSON, UnicodeDecodeError, Unreadable, headers that are none
        pass
    raise WebhookRejected(NAME, "malformed")


def notice(event: Json) -> Notice | None:
    """An event as a doorbell: the object to fetch afresh; Unreadable for what is no event.

    None for one with a name, a reference or a key that is no printable ASCII, or too long: no store need take it.
    """
    object, kind = part(event, "data", "object"), needed(event, "type")
    about, reference = _subject(object) if kind.startswith(_FAMILIES) else (About.NOTHING, None)
    # An event of an account that is connected to ours: our key cannot fetch its objects. A thin one names its object
    # another way, and is of none of the kinds that we use.
    if text(event, "account") is not None or text(event, "object") != "event" or not is_id(reference):
        about, reference = About.NOTHING, id_at(event, "data", "object")
    reference = reference or ""
    id, key = needed(event, "id"), key_of(object)
    if not all(
        each.isascii() and each.isprintable() and len(each) <= _LONGEST for each in (id, kind, reference, key or "")
    ):
        return None
    return Notice(
        id=id,
        kind=kind,
        about=about,
        reference=reference,
        key=key,
        live=event.get("livemode") is True,
        happened_at=instant(event, "created") if type(event.get("created")) is int else None,
    )


def _subject(object: Json) -> tuple[About, str | None]:
    match text(object, "object"):
        case "payment_intent":
            return About.PAYMENT, text(object, "id")
        case "checkout.session":
            about = {"payment": About.PAYMENT, "setup": About.METHOD}.get(text(object, "mode") or "", About.NOTHING)
            return about, text(object, "id")
        case "charge" | "dispute":
            return About.PAYMENT, id_at(object, "payment_intent")
        case "refund":
            return About.REFUND, text(object, "id")
        case "setup_intent" | "payment_method":
            return About.METHOD, text(object, "id")
        case "mandate":
            return About.METHOD, id_at(object, "payment_method")
        case _:
            return About.NOTHING, None


def _verify(body: object, header: object, secrets: Sequence[str], now: datetime) -> None:
    """Fail unless one of the secrets signed these very bytes, within TOLERANCE of now (docs.stripe.com/webhooks).

    Written here, and not left to the SDK: its own takes any text for a time and the first of several, lets times of
    the future pass, and cannot verify what is no UTF-8.
    """
    if not isinstance(header, str) or not header.strip():
        raise WebhookRejected(NAME, "missing")
    if not isinstance(body, bytes) or len(body) > _LARGEST:
        raise WebhookRejected(NAME, "malformed")
    items = [item.strip() for item in header.split(",")]
    times = [item[2:] for item in items if item.startswith("t=")]
    given = [item[3:].encode("utf-8", "replace") for item in items if item.startswith("v1=")]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal() and len(times[0]) <= 12):
        raise WebhookRejected(NAME, "bad")
    signed = times[0].encode() + b"." + body
    made = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets]
    # Each is compared with each, whichever fits: how long it takes says nothing.
    if sum(hmac.compare_digest(mine, theirs) for mine in made for theirs in given) == 0:
        raise WebhookRejected(NAME, "bad")
    if abs(now.timestamp() - int(times[0])) > TOLERANCE:
        raise WebhookRejected(NAME, "stale")
