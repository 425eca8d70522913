"""Which addresses may be called. Pure; it must never resolve a name."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# `is_global` alone is not enough: in Python 3.11 it is true of NAT64, 6to4, site-local and
# multicast addresses, among others. So these are listed, and what is left must be global, too.
REFUSED_IPV4 = {
    "0.0.0.0/8": "of this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "of a carrier's NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "of a cloud's own services",  # of Azure, inside each virtual machine
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "of protocol assignments",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
REFUSED_IPV6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "64:ff9b:1::/48": "of a local NAT64",
    "100::/64": "discard-only",
    "2001::/23": "of protocol assignments",  # Teredo, benchmarks, ORCHID
    "2001:db8::/32": "for documentation",
    "2002::/16": "6to4",
    "3ffe::/16": "of the former 6bone",
    "3fff::/20": "for documentation",
    "5f00::/16": "of segment routing",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_REFUSED: list[tuple[Network, str]] = [
    (ip_network(network), word) for network, word in (REFUSED_IPV4 | REFUSED_IPV6).items()
]
_UNICAST = IPv6Network("2000::/3")  # all that was ever assigned for the public network

# An address of these is the IPv4 address in its last 32 bits, and nothing besides.
_WRAPPERS = [
    IPv6Network("::ffff:0:0/96"),  # mapped
    IPv6Network("::ffff:0:0:0/96"),  # translated (SIIT)
    IPv6Network("64:ff9b::/96"),  # NAT64
]
_COMPATIBLE = IPv6Network("::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_OWN = (IPv6Address("::"), IPv6Address("::1"))
_ISATAP = (0x00005EFE, 0x02005EFE)  # bits 64 to 95


def refusal(address: Address, allowed: Iterable[Network] = ()) -> str | None:
    """Why this address may not be called: what it is, such as "private"; None: it may.

    It may if it, and each address that it carries, is in one of `allowed` or is an ordinary address
    of the public network.
    """
    if isinstance(address, IPv6Address) and address.scope_id:
        return "for one interface"
    allowed = list(allowed)
    for one in (address, *carried(address)):
        word = None if _is_wrapper(one) else _refused_as(one)
        if word and not any(one.version == net.version and one in net for net in allowed):
            return word
    return None


def carried(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to: mapped, translated, compatible, NAT64,
    6to4, ISATAP, and both of Teredo (its server, its client)."""
    if isinstance(address, IPv4Address) or address in _OWN:
        return
    if _is_wrapper(address) or address in _LOCAL_NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:  # with its prefix of 48 bits, around bits 64 to 71 (RFC 6052)
        yield IPv4Address((int(address) >> 64 & 0xFFFF) << 16 | int(address) >> 40 & 0xFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_wrapper(address: Address) -> bool:
    if isinstance(address, IPv4Address) or address in _OWN:
        return False
    return address in _COMPATIBLE or any(address in network for network in _WRAPPERS)


def _refused_as(address: Address) -> str | None:
    for network, word in _REFUSED:
        if address.version == network.version and address in network:
            return word
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return "not assigned"
    # what a later Python knows and these lists do not
    ordinary = address.is_global and not address.is_multicast and not address.is_reserved
    return None if ordinary else "not of the public network"
