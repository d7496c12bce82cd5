"""Whose request it is: the address that wrong tokens are counted by, and whether it came by https."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.requests import Request

from invoicecore.errors import InvalidValue

Address = IPv4Address | IPv6Address

_MOST_HOPS = 20


class Proxies:
    """The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; none unless they are named."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Addresses or networks, such as `127.0.0.1` and `10.0.0.0/8`; InvalidValue for what is neither."""
        self._trusted: list[IPv4Network | IPv6Network] = []
        for each in [trusted] if isinstance(trusted, str) else trusted:
            try:
                self._trusted.append(ip_network(each))
            except ValueError:
                way_out = "write it as 127.0.0.1 or 10.0.0.0/8"
                raise InvalidValue("trusted_proxies", each, "is no address and no network", way_out) from None

    def trusts(self, address: Address | None) -> bool:
        """Whether an address is one of these proxies'."""
        return address is not None and any(address in network for network in self._trusted)

    def client(self, request: Request) -> str:
        """What stands for the client: its address, of IPv6 the /64 it is in; empty where the server knows none.

        Behind a trusted proxy it is the last address of `X-Forwarded-For` that is not a trusted proxy's: what stands
        before it is whatever the client wrote.
        """
        here = _peer(request)
        if self.trusts(here):
            hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
            for hop in reversed(hops[-_MOST_HOPS:]):
                before = _address(hop)
                if before is None:
                    break
                here = before
                if not self.trusts(here):
                    break
        return _counted(here)

    def https(self, request: Request) -> bool:
        """Whether the client came by https, as the server or a trusted proxy says."""
        if request.scope.get("scheme") == "https":
            return True
        said = request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        return said == "https" and self.trusts(_peer(request))

    def elsewhere(self, request: Request) -> bool:
        """Whether a browser says that a page of another site, or one without a name, sent this (`Origin`).

        Ours is the request's host, or the one that a trusted proxy says it was asked for.
        """
        written = request.headers.get("origin")
        if written is None:
            return False
        origin = _origin(written)
        if origin is None or (origin[0] == "http" and self.https(request)):
            return True
        hosts = [request.headers.get("host", "")]
        if self.trusts(_peer(request)):
            hosts.append(request.headers.get("x-forwarded-host", "").rpartition(",")[2].strip())
        # A proxy may have taken https off without saying so: a host without a port has the port of the origin's scheme.
        return origin not in [_origin(f"{origin[0]}://{host}") for host in hosts]

    def unheeded(self, request: Request) -> bool:
        """Whether a proxy on this machine seems to stand before the app, and was not named."""
        peer = _peer(request)
        local = peer is None or peer.is_loopback or peer.is_private
        return local and not self.trusts(peer) and "x-forwarded-for" in request.headers


def _peer(request: Request) -> Address | None:
    return _address(request.client.host) if request.client is not None else None


def _address(written: str) -> Address | None:
    """An address as proxies write it: with a port or without, IPv6 in brackets or not."""
    bare = written.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _origin(written: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None for `null` and whatever else is none."""
    try:
        parts = urlsplit(written)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    return parts.scheme, host, port if port is not None else {"http": 80, "https": 443}[parts.scheme]


def _counted(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address or "")
