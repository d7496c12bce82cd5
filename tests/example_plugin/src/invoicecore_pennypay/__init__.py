"""Pennypay for invoicecore: `Billing.open(…, gateway="pennypay://")`, with its secrets in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from invoicecore.errors import InvalidValue
from invoicecore.plugins import hookimpl
from invoicecore.ports import PaymentGateway

__all__ = ["PennypayPlugin", "open_pennypay", "plugin"]

__version__ = "1.0.0"


class PennypayPlugin:
    """Offers `pennypay://`."""

    @hookimpl
    def gateways(self) -> Mapping[str, Callable[[str], PaymentGateway]]:
        """The scheme and what makes a gateway of such a URL; nothing is imported or read before somebody asks."""
        return {"pennypay": open_pennypay}


def open_pennypay(url: str) -> PaymentGateway:
    """The gateway of `pennypay://`, or of `pennypay://127.0.0.1:8123` where a simulator is.

    PENNYPAY_KEY is the API key, PENNYPAY_WEBHOOK_SECRET the webhooks' secret: two, with a comma between them, while
    one replaces the other. Raises InvalidValue, which shows neither.
    """
    from invoicecore_pennypay.gateway import LIVE, PennypayGateway

    if not (key := os.environ.get("PENNYPAY_KEY", "").strip()):
        raise InvalidValue("PENNYPAY_KEY", None, "is not set", "put the API key into this environment variable")
    secrets = (secret.strip() for secret in os.environ.get("PENNYPAY_WEBHOOK_SECRET", "").split(","))
    host = url.partition("://")[2]
    return PennypayGateway(key, [secret for secret in secrets if secret], api=f"http://{host}" if host else LIVE)


plugin = PennypayPlugin()
