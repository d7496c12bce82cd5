"""Alerts: what a person must know of or decide, and how it was resolved."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs


class AlertKind(StrEnum):
    """What happened (D6, P4): see docs/collecting.md for what to do about each."""

    DOUBTFUL = "doubtful"
    MISMATCH = "mismatch"
    REFUSED = "refused"
    CONFIGURATION = "configuration"
    OVERPAID = "overpaid"
    LATE_FAILURE = "late_failure"
    CHARGEBACK = "chargeback"
    REVERSED_AFTER_REFUND = "reversed_after_refund"
    REFUND_FAILED = "refund_failed"
    REFUNDED_ELSEWHERE = "refunded_elsewhere"
    NO_METHOD = "no_method"
    UNRECOGNISED = "unrecognised"
    POISON = "poison"


class AlertState(StrEnum):
    """Whether somebody still has to look."""

    OPEN = "open"
    RESOLVED = "resolved"


@attrs.frozen(kw_only=True)
class Alert:
    """One thing for a person to look at; of one kind and one `about` there is one.

    `about` is the id of the collection, refund, payment, reversal or event, `invoice` its invoice if it has one; `text` says
    what happened, in English. `resolved_at`, `resolved_by` and `resolution` are empty until somebody resolves it.
    """

    id: str
    biller: str
    kind: AlertKind
    about: str
    text: str
    raised_at: datetime
    invoice: str | None = None
    state: AlertState = AlertState.OPEN
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: str = ""
    version: int = 1
