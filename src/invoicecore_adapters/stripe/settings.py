"""What a gateway is configured with, checked at the door: a secret is never shown, wherever it is wrong."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from invoicecore.errors import InvalidValue
from invoicecore_adapters.stripe.wire import printed


def check_unprinted() -> None:
    if (switch := printed()) is not None:
        raise InvalidValue(
            switch, "…", "makes the SDK print what it sends and receives", f"unset {switch}; use logging instead"
        )


def check_secret(field: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidValue(field, "…", "is not a text, or an empty one", "give it as the provider's dashboard shows it")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise InvalidValue(field, "…", "has spaces or letters that no secret has", "copy it again from the dashboard")


def address_of(base_url: object) -> str:
    way_out = "write https://…, or http://127.0.0.1:port on this machine, without user, path or query"
    if not isinstance(base_url, str):
        raise InvalidValue("base_url", "…", "is not a text", way_out)
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidValue("base_url", "…", "cannot be read", way_out) from None
    if not host or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidValue("base_url", "…", "is more than a scheme, a host and a port", way_out)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise InvalidValue("base_url", f"{parts.scheme}://…", "would send the key unencrypted", way_out)
    return f"{parts.scheme}://{parts.netloc}"


def is_here(base_url: str) -> bool:
    """Whether an address is of this machine."""
    return _is_here(urlsplit(base_url).hostname or "")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
