"""Decides by the text of a URL whether it may be called. Pure; it must never resolve a name."""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from monoq.errors import RefusedUrl
from monoq.outgoing.addresses import Address, Network, refusal

MAX_URL = 2048  # characters
MAX_HOST = 253

# So strict that no two parsers can see two hosts in one URL: ASCII only, no user, no backslash, no
# percent sign or dot at the end of the host.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<name>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)|\[(?P<ipv6>[0-9a-f:.]{2,45})\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>[/?#][\x21-\x7e]*)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


class Endpoint(NamedTuple):
    """The endpoint of a URL. `str()` gives `https://example.com:443`."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def endpoint_of(url: str, allowed: Iterable[Network] = ()) -> Endpoint:
    """Checks a URL; raises RefusedUrl. An address in it must be one that may be called; what a name
    stands for is checked when it is called.

    Of all the ways to write an address only the usual one is taken: neither 0x7f.1, 2130706433 nor
    0177.0.0.1.
    """
    if len(url) > MAX_URL:
        raise RefusedUrl(f"a URL has at most {MAX_URL} characters")
    if not (found := _URL.fullmatch(url)):
        raise RefusedUrl(_what_is_wrong(url))
    host = (found["name"] or found["ipv6"]).lower()
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else {"http": 80, "https": 443}[scheme]
    if not 0 < port < 65_536:
        raise RefusedUrl("a port is a number from 1 to 65535")
    if (address := _literal(host, is_ipv6=found["name"] is None)) is None:
        _check_name(host)
    elif why := refusal(address, allowed):
        raise RefusedUrl(f"{host} may not be called: it is {why}")
    return Endpoint(scheme, host, port)


def _what_is_wrong(url: str) -> str:
    if not re.match(r"https?://", url, re.IGNORECASE):
        return "a URL begins with https:// or http://"
    if not re.fullmatch(r"[\x21-\x7e]*", url):
        return "a URL is ASCII without spaces; other characters are percent-encoded, names xn--…"
    if "@" in re.split(r"[/?#\\]", url.split("://", 1)[1], maxsplit=1)[0]:
        return "a URL with a user or password is not called"
    return "this is no URL that can be called; expected https://host/path"


def _literal(host: str, *, is_ipv6: bool) -> Address | None:
    """The address that the host is; None: it is a name."""
    try:
        if is_ipv6:
            return IPv6Address(host)
        # the system's resolver takes each name that ends so for an address
        return IPv4Address(host) if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]) else None
    except AddressValueError:
        raise RefusedUrl(
            f"{host} is not an address in the usual form, such as 192.0.2.1 or [2001:db8::1]"
        ) from None


def _check_name(name: str) -> None:
    labels = name.split(".")
    if len(name) > MAX_HOST or not all(0 < len(label) <= 63 for label in labels):
        raise RefusedUrl(f"{name[:80]} is not a host name")
