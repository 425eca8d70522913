"""The guard of all outgoing HTTP: every call to a user's URL goes through here. The HTTP client is
loaded at the first call."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from monoq.errors import CallFailed, RefusedUrl
from monoq.outgoing.addresses import Network
from monoq.outgoing.resolver import Lookup, Resolver
from monoq.outgoing.urls import Endpoint, endpoint_of

if TYPE_CHECKING:
    import httpx


class Outgoing:
    """HTTP calls to the public network and to `allowed_networks`, and to nothing else.

    Every answer of the resolver must be an address that may be called; the connection goes to that
    very address; there are no redirects, no proxies of the environment and no cookies.

    Args:
        allowed_networks: Internal networks that may be called, too.
        lookup: What looks names up, in a thread; socket.getaddrinfo by default.

    >>> outgoing = Outgoing([ip_network("10.1.0.0/16")])
    >>> async with outgoing.client(timeout=5) as client:
    ...     await client.post("https://example.com/hook", content=b"{}")
    """

    def __init__(
        self, allowed_networks: Iterable[Network] = (), lookup: Lookup | None = None
    ) -> None:
        self._allowed = list(allowed_networks)
        self._lookup = lookup

    def check(self, url: str) -> Endpoint:
        """The endpoint of a URL; raises RefusedUrl for one whose text shows that it may not be
        called. Looks no name up."""
        return endpoint_of(url, self._allowed)

    @asynccontextmanager
    async def client(self, *, timeout: float) -> "AsyncIterator[httpx.AsyncClient]":
        """A client for this event loop. Its calls raise RefusedUrl besides httpx's errors.

        `timeout`: seconds for connecting, and for each read and write; a bound on the whole call is
        asyncio.timeout.
        """
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx

        from monoq.outgoing.transport import GuardedTransport, tls_context

        resolver = Resolver(self._allowed, self._lookup)
        # One shared cookie jar would give one tenant's cookies to another.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        try:
            async with httpx.AsyncClient(
                transport=GuardedTransport(resolver, self._allowed, tls_context()),
                timeout=timeout,
                trust_env=False,
                follow_redirects=False,
                cookies=no_cookies,
                headers={"accept-encoding": "identity"},
            ) as client:
                yield client
        finally:
            resolver.close()

    @asynccontextmanager
    async def download(
        self, url: str, *, max_bytes: int, timeout: float, idle_timeout: float = 30.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a GET that is answered with 200, part by part, as it comes.

        `timeout`: seconds for the whole block; `idle_timeout`: for each wait. Raises RefusedUrl, or
        CallFailed: it cannot be reached, another status, too slow, more than `max_bytes`.

        >>> async with outgoing.download(url, max_bytes=1 << 30, timeout=600) as parts:
        ...     async for part in parts: ...
        """
        import httpx

        try:
            async with (
                asyncio.timeout(timeout),
                self.client(timeout=idle_timeout) as client,
                client.stream("GET", url) as answer,
            ):
                _check_answer(answer, max_bytes)
                yield _bounded(answer, max_bytes)
        except TimeoutError:
            raise CallFailed(f"no complete answer within {timeout:g} s") from None
        except httpx.InvalidURL as error:
            raise RefusedUrl(str(error)) from None
        except httpx.HTTPError as error:
            raise CallFailed(f"{type(error).__name__}: {error}".rstrip(": ")) from error


async def _bounded(answer: "httpx.Response", max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > max_bytes:
            raise CallFailed(f"the body is longer than {max_bytes} bytes")
        yield part


def _check_answer(answer: "httpx.Response", max_bytes: int) -> None:
    if answer.status_code != 200:
        told = " (redirects are not followed)" if answer.is_redirect else ""
        raise CallFailed(f"answered with status {answer.status_code}{told}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise CallFailed("the body is compressed, though no compression was requested")
    length = answer.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise CallFailed(f"the body is {length} bytes; at most {max_bytes} are read")
