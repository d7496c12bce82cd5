"""How a part of an installation is, as it says itself: what `Billing.examine` and `invoicecore doctor` ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import attrs


class Verdict(StrEnum):
    """What a finding asks for: nothing, a look when there is time, or somebody now."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was looked at: a code such as `mail.waiting`, whose first word is what was looked at.

    `data` is what a sentence about it takes, without personal data and secrets. `text` and `advice` say in English what
    is so and what to do, for codes that the command `invoicecore doctor` has no words for.
    """

    code: str
    verdict: Verdict = Verdict.OK
    data: Mapping[str, object] = attrs.Factory(dict)
    text: str = ""
    advice: str = ""


class Examinable(Protocol):
    """What a store offers besides, if it can say how it is."""

    def findings(self) -> Sequence[Finding]:
        """What it looked at and found, changing nothing. Raises StoreError when it cannot be looked at."""
        ...
