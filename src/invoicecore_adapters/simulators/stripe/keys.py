"""Stripe's idempotency: the first answer under a key is the answer, for a day at least."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import attrs

from invoicecore_adapters.simulators.server import Response
from invoicecore_adapters.simulators.stripe.refusals import refused

_KEPT: Final = timedelta(hours=24)
_LONGEST: Final = 255


@attrs.define
class _Kept:
    path: str
    params: object
    since: datetime
    response: Response | None = None  # None while the first request is at work


class Keys:
    """What was answered under each key; refusals of it are in Stripe's words."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._lock = Lock()

    def claim(self, key: str, path: str, params: object, now: datetime) -> Response | None:
        """The stored answer, or None: then whoever asks finds one, and stores it."""
        if len(key) > _LONGEST:
            raise refused(f"Idempotency keys can be up to {_LONGEST} characters; yours has {len(key)}")
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or now - kept.since >= _KEPT:
                self._kept[key] = _Kept(path, params, now)
                return None
            if kept.path != path:
                raise refused(
                    "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                    f"('{kept.path}' vs '{path}'). Try using a key other than '{key}' if you meant to execute a "
                    "different request.",
                    type="idempotency_error",
                )
            if kept.params != params:
                raise refused(
                    "Keys for idempotent requests can only be used with the same parameters they were first used "
                    f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                    type="idempotency_error",
                )
            if kept.response is None:
                raise refused(
                    "There is currently another in-progress request using this Idempotent Key (that probably means "
                    f"you submitted twice, and the other request is still going through): {key}. Please try again "
                    "later.",
                    code="idempotency_key_in_use",
                    status=409,
                )
            return kept.response

    def store(self, key: str, response: Response) -> None:
        """Keep an answer: whatever began to be done has one, a 500 too."""
        with self._lock:
            if key in self._kept:
                self._kept[key].response = response
