"""Stripe: cards and bank debits through its hosted Checkout and its API (extra `stripe`).

Nothing of its SDK is imported before a gateway is asked for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from invoicecore.errors import InvalidValue
from invoicecore.plugins import hookimpl
from invoicecore.ports import PaymentGateway

KEY_VARIABLE: Final = "INVOICECORE_STRIPE_KEY"
"""The environment variable that holds the API key, unless a URL names another."""

SECRETS_VARIABLE: Final = "INVOICECORE_STRIPE_WEBHOOK_SECRET"
"""The environment variable that holds the webhooks' secrets, separated by commas while they are being replaced."""

_OPTIONS: Final = frozenset({"key", "webhook_secret", "api", "timeout"})


class StripePlugin:
    """Offers `stripe://`."""

    @hookimpl
    def gateways(self) -> Mapping[str, Callable[[str], PaymentGateway]]:
        """The scheme and what makes a gateway of it."""
        return {"stripe": open_stripe}


def open_stripe(url: str) -> PaymentGateway:
    """The gateway of `stripe://`, whose secrets are in the environment and never in the URL.

    Options: `key` and `webhook_secret` name other environment variables than INVOICECORE_STRIPE_KEY and
    INVOICECORE_STRIPE_WEBHOOK_SECRET, `api` is another address of the API, `timeout` is in
    seconds. Without a webhook secret webhooks are refused. Raises InvalidValue, MissingExtra without the SDK.
    """
    options = _options(url)
    key_variable = options.get("key", KEY_VARIABLE)
    if not (key := os.environ.get(key_variable, "").strip()):
        raise InvalidValue("key", key_variable, "is not set in the environment", f"set {key_variable} to the API key")
    secrets = os.environ.get(options.get("webhook_secret", SECRETS_VARIABLE), "").split(",")
    try:
        timeout = float(options.get("timeout", "20"))
    except ValueError:
        timeout = math.nan  # refused below
    from invoicecore_adapters.stripe.gateway import StripeGateway

    return StripeGateway(
        key,
        webhook_secrets=tuple(secret.strip() for secret in secrets if secret.strip()),
        base_url=options.get("api"),
        timeout=timeout,
    )


def _options(url: str) -> Mapping[str, str]:
    # Nothing of what was given is shown: whoever writes a key into a URL is not to find it in a log.
    scheme, separator, rest = url.partition("://")
    way_out = f"write stripe://, or stripe://?key=NAME; the key itself goes into the environment, as {KEY_VARIABLE}"
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
    except ValueError:
        raise InvalidValue("url", "stripe://…", "cannot be read", way_out) from None
    if scheme.lower() != "stripe" or not separator or "#" in rest or rest.partition("?")[0].strip("/"):
        raise InvalidValue("url", "stripe://…", "has more than options in it", way_out)
    options = dict(pairs)
    if len(options) != len(pairs) or not options.keys() <= _OPTIONS:
        known = ", ".join(sorted(_OPTIONS))
        raise InvalidValue("url", "stripe://…", f"has an option twice, or another than {known}", way_out)
    for name in ("key", "webhook_secret"):
        if name in options and not (options[name].isidentifier() and options[name].isupper()):
            raise InvalidValue(name, "…", "is not the name of an environment variable", way_out)
    return options


plugin = StripePlugin()
