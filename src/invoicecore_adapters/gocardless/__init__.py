"""GoCardless (extra `gocardless`): Direct Debit mandates, debits on them, and payments by bank, over its own SDK.

`gocardless://sandbox` and `gocardless://live` name the two environments. The secrets are in the environment's
variables INVOICECORE_GOCARDLESS_TOKEN and INVOICECORE_GOCARDLESS_WEBHOOK_SECRET, the latter with commas between several
while they change. Whoever keeps secrets elsewhere makes a `gateway.GoCardlessGateway`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from invoicecore.errors import InvalidValue, MissingExtra
from invoicecore.plugins import hookimpl
from invoicecore.ports import PaymentGateway

__all__ = ["SECRETS", "TOKEN", "GoCardlessPlugin", "open_gocardless", "plugin"]

TOKEN: Final = "INVOICECORE_GOCARDLESS_TOKEN"
SECRETS: Final = "INVOICECORE_GOCARDLESS_WEBHOOK_SECRET"


_URL: Final = re.compile(r"(?i:gocardless)://(?P<environment>sandbox|live)(\?creditor=(?P<creditor>CR[A-Za-z0-9]+))?")


class GoCardlessPlugin:
    """Offers `gocardless://`."""

    @hookimpl
    def gateways(self) -> Mapping[str, Callable[[str], PaymentGateway]]:
        """The scheme and what makes a gateway of it; MissingExtra without the SDK."""
        return {"gocardless": open_gocardless}


def open_gocardless(url: str) -> PaymentGateway:
    """The gateway of `gocardless://sandbox` or `gocardless://live`, with `?creditor=CR…` where there are several.

    Raises InvalidValue, which shows neither the URL nor a secret.
    """
    named = _URL.fullmatch(url)
    if named is None:
        way_out = f"write gocardless://sandbox or gocardless://live, and the token into {TOKEN}"
        raise InvalidValue("url", "gocardless://…", "is not one of GoCardless's environments", way_out)
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise InvalidValue(TOKEN, None, "is not set", "put the access token into this environment variable")
    secrets = [secret.strip() for secret in os.environ.get(SECRETS, "").split(",")]

    try:
        from invoicecore_adapters.gocardless.gateway import GoCardlessGateway  # the SDK takes a while to import
    except ModuleNotFoundError as error:
        raise MissingExtra("A gateway to GoCardless", "gocardless") from error
    return GoCardlessGateway(
        access_token=token,
        webhook_secrets=[secret for secret in secrets if secret],
        environment="live" if named["environment"] == "live" else "sandbox",
        creditor=named["creditor"],
    )


plugin = GoCardlessPlugin()
