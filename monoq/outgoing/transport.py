"""The HTTP transport that connects only to checked addresses. The name stays what TLS and the Host
header say. Imported late: it brings the HTTP client along."""

import asyncio
import contextlib
import os
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from monoq.errors import RefusedUrl
from monoq.outgoing.addresses import Network
from monoq.outgoing.resolver import Resolver
from monoq.outgoing.urls import Endpoint, endpoint_of

MAX_TRIED = 4  # addresses of one name
IDLE_ENDPOINTS = 100  # whose connections are kept open
KEPT_CONNECTIONS = 10  # of each
KEPT_S = 30.0


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests of an httpx client. Each endpoint has a pool of its own: one that hangs takes
    no connection from another, and a pool scans all of its connections at each request.

    A request raises RefusedUrl, or httpx's own errors.
    """

    def __init__(self, resolver: Resolver, allowed: Iterable[Network], tls: ssl.SSLContext) -> None:
        self._network = CheckedNetwork(resolver)
        self._allowed = list(allowed)
        self._tls = tls
        self._pools: OrderedDict[Endpoint, httpcore.AsyncConnectionPool] = OrderedDict()
        self._requests: dict[Endpoint, int] = {}  # in progress

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one; the response's body is read, or closed, by the caller."""
        endpoint = endpoint_of(str(request.url), self._allowed)
        pool = self._enter(endpoint)
        try:
            with _as_httpx():
                answer = await pool.handle_async_request(
                    httpcore.Request(
                        method=request.method,
                        url=httpcore.URL(
                            scheme=request.url.raw_scheme,
                            host=request.url.raw_host,
                            port=request.url.port,
                            target=request.url.raw_path,
                        ),
                        headers=request.headers.raw,
                        content=request.stream,
                        extensions=request.extensions,
                    )
                )
        except BaseException:
            await self._leave(endpoint)
            raise
        assert isinstance(answer.stream, AsyncIterable)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, self, endpoint),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            await pool.aclose()

    def _enter(self, endpoint: Endpoint) -> httpcore.AsyncConnectionPool:
        if (pool := self._pools.get(endpoint)) is None:
            pool = self._pools[endpoint] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=None,  # callers have a cap of their own
                max_keepalive_connections=KEPT_CONNECTIONS,
                keepalive_expiry=KEPT_S,
                network_backend=self._network,
            )
        self._pools.move_to_end(endpoint)
        self._requests[endpoint] = self._requests.get(endpoint, 0) + 1
        return pool

    async def _leave(self, endpoint: Endpoint) -> None:
        self._requests[endpoint] -= 1
        if self._requests[endpoint] == 0:
            del self._requests[endpoint]
        if len(self._pools) - len(self._requests) > IDLE_ENDPOINTS:
            oldest = next(one for one in self._pools if one not in self._requests)
            await self._pools.pop(oldest).aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(
        self, answer: httpcore.Response, transport: GuardedTransport, endpoint: Endpoint
    ) -> None:
        self._answer = answer
        self._transport = transport
        self._endpoint = endpoint
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            with _as_httpx():
                await self._answer.aclose()
        finally:
            await self._transport._leave(self._endpoint)


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Looks a host up, checks all that it stands for, and connects to one of the checked addresses,
    never to a name: a second lookup could return another answer."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects within `timeout` seconds; raises RefusedUrl or httpcore's errors."""
        until = time.monotonic() + (timeout if timeout is not None else 60.0)
        try:
            async with _within(until):
                addresses = (await self._resolver.resolve(host))[:MAX_TRIED]
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved: {error}") from error
        for place, address in enumerate(addresses):
            left = max(until - time.monotonic(), 0.001)
            is_last = place == len(addresses) - 1
            try:
                stream = await self._network.connect_tcp(
                    str(address),
                    port,
                    left if is_last else left / 2,
                    local_address,
                    socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if is_last:
                    raise
                continue
            try:
                peer = (stream.get_extra_info("server_addr") or ("",))[0]
                self._resolver.check(ip_address(peer))
                if ip_address(peer) != address:
                    raise RefusedUrl(f"connected to {peer} instead of {address}")
            except BaseException:
                await stream.aclose()
                raise
            return stream
        raise AssertionError("a name without addresses is an error")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Refused."""
        raise RefusedUrl("a Unix socket may not be called")

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await self._network.sleep(seconds)


def tls_context() -> ssl.SSLContext:
    """What to trust: the authorities of `certifi`, or those of SSL_CERT_FILE or SSL_CERT_DIR. Made
    once: it takes 25 ms, and a process that is forked has it already."""
    return _tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _tls_context(*_: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


@contextlib.asynccontextmanager
async def _within(until: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(max(until - time.monotonic(), 0)):
            yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from error


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """httpcore's errors as those of httpx, which have the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        httpcore.ProxyError,
    ) as error:
        same: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.NetworkError)
        raise same(str(error)) from error
