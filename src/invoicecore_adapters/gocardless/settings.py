"""What a gateway is set up with, checked once: no later request fails because of it, and no secret is ever shown."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Sequence
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

import attrs

from invoicecore.errors import InvalidValue

Environment = Literal["sandbox", "live"]
"""Which of GoCardless's two worlds: in the sandbox no money moves."""

_ADDRESSES: Final = {"sandbox": "https://api-sandbox.gocardless.com", "live": "https://api.gocardless.com"}
_CREDITOR: Final = re.compile(r"CR[A-Za-z0-9]{1,62}")


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of one gateway; `here` is whether its API is on this machine, as in tests."""

    access_token: str = attrs.field(repr=False)
    webhook_secrets: tuple[str, ...] = attrs.field(repr=False)
    environment: Environment
    base_url: str
    here: bool
    creditor: str | None
    timeout: float
    connect_timeout: float


def checked(
    *,
    access_token: object,
    webhook_secrets: object,
    environment: object,
    base_url: object,
    creditor: object,
    timeout: object,
    connect_timeout: object,
) -> Settings:
    """The settings, if every one of them is usable; InvalidValue naming the first that is not, without showing it."""
    if environment not in get_args(Environment):
        raise InvalidValue("environment", "…", "is not known", "write sandbox or live")
    found: Environment = "sandbox" if environment == "sandbox" else "live"
    address, here = _address(_ADDRESSES[found] if base_url is None else base_url)
    if isinstance(webhook_secrets, str | bytes) or not isinstance(webhook_secrets, Sequence):
        raise InvalidValue("webhook_secrets", "…", "is not several", "give them in a tuple, if it is one too")
    if creditor is not None and not (isinstance(creditor, str) and _CREDITOR.fullmatch(creditor)):
        raise InvalidValue("creditor", "…", "is not a creditor's id", "write it as CR123, or leave it out")
    return Settings(
        access_token=_secret("access_token", access_token),
        webhook_secrets=tuple(_secret("webhook_secrets", secret) for secret in webhook_secrets),
        environment=found,
        base_url=address,
        here=here,
        creditor=creditor,
        timeout=_seconds("timeout", timeout),
        connect_timeout=_seconds("connect_timeout", connect_timeout),
    )


def _secret(field: str, value: object) -> str:
    way_out = "copy it whole from GoCardless's dashboard"
    if not isinstance(value, str) or not value:
        raise InvalidValue(field, "…", "is empty or no text", way_out)
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise InvalidValue(field, "…", "has characters that no secret of GoCardless has", way_out)
    return value


def _address(base_url: object) -> tuple[str, bool]:
    way_out = "give https://host, or http://127.0.0.1:port on this machine, without a path, or leave it out"
    try:
        parts = urlsplit(base_url) if isinstance(base_url, str) else None
        usable = parts is not None and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable, parts = False, None
    if not usable or parts is None or parts.hostname is None:
        raise InvalidValue("base_url", "…", "is not an address", way_out)
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        # The SDK would leave a path out without a word.
        raise InvalidValue("base_url", "…", "has more than a host and a port", way_out)
    here = _is_here(parts.hostname)
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise InvalidValue("base_url", "…", "would send the access token unencrypted", way_out)
    return f"{parts.scheme}://{parts.netloc}", here


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and 0 < value <= 600):
        raise InvalidValue(field, "…", "is no number of seconds", "give more than 0 and up to 600")
    return float(value)
