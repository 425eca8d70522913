"""Names to addresses that may be called. All that a name stands for must pass: of one good and one
bad answer, a second lookup would get the bad one."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from monoq.errors import RefusedUrl
from monoq.outgoing.addresses import Address, Network, refusal
from monoq.process.exit import UnwaitedThreads

THREADS = 32  # a lookup that hangs holds one for as long as the system's resolver waits
GOOD_S = 30.0  # for which an answer is used again
BAD_S = 2.0
MAX_NAMES = 10_000  # remembered
MAX_ANSWERS = 64

log = logging.getLogger(__name__)

Lookup = Callable[..., Sequence[Any]]  # socket.getaddrinfo


class Resolver:
    """Looks names up, each once at a time, and checks the answers. For one event loop.

    Raises RefusedUrl for a name that stands for an address which may not be called, OSError for one
    that cannot be found.
    """

    def __init__(self, allowed: Iterable[Network] = (), lookup: Lookup | None = None) -> None:
        self._allowed = list(allowed)
        self._lookup: Lookup = lookup or socket.getaddrinfo
        self._threads: Executor | None = None
        self._known: dict[str, tuple[float, list[Address] | BaseException]] = {}
        self._asked: dict[str, asyncio.Task[list[Address]]] = {}

    async def resolve(self, host: str) -> list[Address]:
        """The addresses of a host, checked, in the order in which to try them."""
        with suppress(ValueError):
            address = ip_address(host)  # in its usual form; the system knows more ways to write it
            self.check(address)
            return [address]
        if (known := self._known.get(host)) and known[0] > time.monotonic():
            if isinstance(known[1], BaseException):
                raise known[1].with_traceback(None)
            return known[1]
        if (task := self._asked.get(host)) is None:
            task = self._asked[host] = asyncio.create_task(self._ask(host))
            task.add_done_callback(lambda done: self._told(host, done))
        return await asyncio.shield(task)  # others may wait for the same answer

    def check(self, address: Address) -> None:
        """Raises RefusedUrl for an address that may not be called."""
        if why := refusal(address, self._allowed):
            raise RefusedUrl(f"{address} may not be called: it is {why}")

    def close(self) -> None:
        """Forgets all and lets idle threads end."""
        for task in self._asked.values():
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    async def _ask(self, host: str) -> list[Address]:
        # threads of its own: a hundred names without an answer must not hold up what else runs in
        # threads
        if self._threads is None:
            self._threads = UnwaitedThreads(THREADS, "names")
        answers = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: self._lookup(host, None, type=socket.SOCK_STREAM)
        )
        addresses: list[Address] = []
        for family, _, _, _, place in answers:
            if family in (socket.AF_INET, socket.AF_INET6):
                addresses.append(ip_address(place[0]))
        addresses = list(dict.fromkeys(addresses))
        if not addresses or len(addresses) > MAX_ANSWERS:
            raise OSError(f"{host} has {len(addresses)} addresses")
        for address in addresses:
            if why := refusal(address, self._allowed):
                # the caller must not learn internal addresses
                log.info("%s is not called: %s is %s", host, address, why)
                raise RefusedUrl(f"{host} may not be called: one of its addresses is {why}")
        return addresses

    def _told(self, host: str, done: "asyncio.Task[list[Address]]") -> None:
        self._asked.pop(host, None)
        if done.cancelled():
            return
        error = done.exception()
        while len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known.pop(host, None)  # the newest are last
        self._known[host] = (
            time.monotonic() + (BAD_S if error else GOOD_S),
            error or done.result(),
        )
