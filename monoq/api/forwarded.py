"""The client behind a proxy: X-Forwarded-For, -Proto and -Host. They must be believed from a
trusted address only."""

from collections.abc import Iterable, Iterator, MutableMapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Event = MutableMapping[str, Any]
Network = IPv4Network | IPv6Network

PREFIX = b"x-forwarded-"
SECURE = {"http": "https", "ws": "wss"}


class TrustedProxies:
    """The addresses of proxies whose headers are believed."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def resolve(self, scope: Event) -> Event:
        """The scope with the client, scheme and Host that trusted proxies report, without the
        headers themselves, so that later code cannot trust a stranger's."""
        forwarded = [(name, value) for name, value in scope["headers"] if name.startswith(PREFIX)]
        if not forwarded:
            return scope
        resolved = {
            **scope,
            "headers": [header for header in scope["headers"] if not header[0].startswith(PREFIX)],
        }
        peer = _address((scope.get("client") or ("",))[0])
        if not self._trusts(peer):
            return resolved
        # Each proxy appends a value: the last one is from the nearest proxy, the one before it from
        # the peer that the nearest names.
        if client := self._client(_values(forwarded, b"x-forwarded-for")):
            resolved["client"] = (client, 0)
        if next(_values(forwarded, b"x-forwarded-proto"), "") == "https":
            resolved["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
        if host := next(_values(forwarded, b"x-forwarded-host"), ""):
            resolved["headers"] = [
                header for header in resolved["headers"] if header[0] != b"host"
            ] + [(b"host", host.encode("latin-1"))]
        return resolved

    def _client(self, hops: Iterator[str]) -> str | None:
        """The nearest hop that is no trusted proxy: anyone can write what stands before it."""
        client = None
        for hop in hops:
            address = _address(hop)
            if address is None:
                break
            client = str(address)
            if not self._trusts(address):
                break
        return client

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> Iterator[str]:
    """The values of a list header, over all its lines, the last one first."""
    for name, line in reversed(headers):
        if name == wanted:
            yield from (value.strip() for value in reversed(line.decode("latin-1").split(",")))
