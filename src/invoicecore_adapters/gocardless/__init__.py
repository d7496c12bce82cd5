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
from urllib.parse import parse_qsl

from invoicecore.errors import InvalidValue, MissingExtra
from invoicecore.plugins import hookimpl
from invoicecore.ports import PaymentGateway

__all__ = ["SECRETS", "TOKEN", "GoCardlessPlugin", "open_gocardless", "plugin"]

TOKEN: Final = "INVOICECORE_GOCARDLESS_TOKEN"
SECRETS: Final = "INVOICECORE_GOCARDLESS_WEBHOOK_SECRET"


_URL: Final = re.compile(r"(?i:gocardless)://(?P<environment>sandbox|live)(\?(?P<options>[!-~]+))?")
_OPTIONS: Final = frozenset({"api", "creditor"})


class GoCardlessPlugin:
    """Offers `gocardless://`."""

    @hookimpl
    def gateways(self) -> Mapping[str, Callable[[str], PaymentGateway]]:
        """The scheme and what makes a gateway of it; MissingExtra without the SDK."""
        return {"gocardless": open_gocardless}


def open_gocardless(url: str) -> PaymentGateway:
    """The gateway of `gocardless://sandbox` or `gocardless://live`, whose secrets are in the environment.

    Options: `creditor` (CR…) is needed where the account has several, `api` is another address of the API, such as a
    simulator's: `gocardless://sandbox?api=http://127.0.0.1:8000/`; https, or http on this machine only. Raises
    InvalidValue, which shows neither the URL nor a secret; MissingExtra without the SDK.
    """
    environment, options = _read(url)
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
        environment="live" if environment == "live" else "sandbox",
        base_url=options.get("api"),
        creditor=options.get("creditor"),
    )


def _read(url: str) -> tuple[str, Mapping[str, str]]:
    """Which environment, and the options; without a fragment, and each option once."""
    named = _URL.fullmatch(url)
    way_out = f"write gocardless://sandbox or gocardless://live, and the token into {TOKEN}"
    if named is None or "#" in url:
        raise InvalidValue("url", "gocardless://…", "is not one of GoCardless's environments", way_out)
    try:
        written = named["options"]
        pairs = parse_qsl(written, keep_blank_values=True, strict_parsing=True, errors="strict") if written else []
    except ValueError:
        raise InvalidValue("url", "gocardless://…", "cannot be read", way_out) from None
    options = dict(pairs)
    if len(options) != len(pairs) or not options.keys() <= _OPTIONS:
        known = ", ".join(sorted(_OPTIONS))
        raise InvalidValue("url", "gocardless://…", f"has an option twice, or another than {known}", way_out)
    return named["environment"], options


plugin = GoCardlessPlugin()
