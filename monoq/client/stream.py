"""Follows the jobs of a tenant for the Python client, across lost connections. It must never yield
a version older than one before it, nor a cursor before the updates that it covers."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import islice
from typing import Self

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from monoq.client.messages import messages
from monoq.client.shapes import Job, JobPage, Update
from monoq.errors import CursorRefused, RequestRefused, ServerUnreachable

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
# the server said that it restarts: it is back soon, but not for all in the same instant
RESTART_DELAY_S = 1.0
REMEMBERED = 100_000  # versions
SERVICE_RESTART = 1012
PAGE = 500  # jobs read at once

ListJobs = Callable[..., Awaitable[JobPage]]  # as Client.list
Updates = AsyncGenerator[Update, None]


class Stream:
    """An async iterator of updates, made by `Client.stream`.

    `cursor` covers what was taken from it: keep it, and another stream continues from there. It is
    None until the first is known. `async with` closes its connection at the end of the block;
    without, one that is left by `break` is closed soon, at the latest with its client.

    >>> async with client.stream("acme", cursor=load_cursor()) as stream:
    ...     async for update in stream:
    ...         save(update, stream.cursor)
    """

    def __init__(
        self,
        url: str,
        list_jobs: ListJobs,
        tenant_id: str,
        cursor: str | None,
        snapshot: bool,
        *,
        left: Callable[[Updates], None],
    ) -> None:
        """`left` gets the connection of a stream that was never closed."""
        self._left = left
        self._follower = _Follower(url, list_jobs, tenant_id, cursor, snapshot)
        # It has no reference to this object, which is therefore freed once it is no longer
        # iterated.
        self._updates = self._follower.follow()

    @property
    def cursor(self) -> str | None:
        """What covers all that was taken from it; None: not known yet."""
        return self._follower.cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        return await anext(self._updates)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes its connection and ends the iteration."""
        await self._updates.aclose()

    def __del__(self) -> None:
        if getattr(self._updates, "ag_frame", None) is not None:  # it has not come to its end
            self._left(self._updates)


class _Follower:
    def __init__(
        self, url: str, list_jobs: ListJobs, tenant_id: str, cursor: str | None, snapshot: bool
    ) -> None:
        self.cursor = cursor
        self._url = url
        self._list_jobs = list_jobs
        self._tenant_id = tenant_id
        self._snapshot = snapshot
        self._versions: dict[str, int] = {}
        self._failures = 0
        self._restarts = False

    async def follow(self) -> Updates:
        while True:
            try:
                async with aclosing(self._follow_once()) as updates:
                    async for update in updates:
                        yield update
            except InvalidStatus as error:
                status = error.response.status_code
                if 400 <= status < 500:
                    raise RequestRefused(status, {}) from error
            except ConnectionClosed as error:
                self._restarts = error.rcvd is not None and error.rcvd.code == SERVICE_RESTART
            except RequestRefused as error:
                if error.status < 500:
                    raise
            except (OSError, TimeoutError, WebSocketException, ServerUnreachable):
                pass  # it recovers or not: the caller that iterates decides how long to wait
            await asyncio.sleep(self._next_delay())

    def _next_delay(self) -> float:
        """Seconds, drawn at random: thousands of clients must not reconnect at once."""
        backoff = min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S)
        longest = RESTART_DELAY_S if self._restarts else backoff
        self._failures = min(self._failures + 1, 10)
        self._restarts = False
        return longest * random.uniform(0.5, 1)  # noqa: S311

    async def _follow_once(self) -> Updates:
        """One connection."""
        async with aclosing(messages(self._url, self._tenant_id, self.cursor)) as received:
            async for message in received:
                kind = message.get("type")
                self._failures = 0
                if kind == "RESET" and not self._snapshot:
                    raise CursorRefused
                if kind == "RESET":
                    self._versions.clear()
                if self._snapshot and (
                    kind == "RESET" or (kind == "SUBSCRIBED" and self.cursor is None)
                ):
                    async with aclosing(self._read_all()) as jobs:
                        async for update in jobs:
                            yield update
                for update in message.get("updates", ()):
                    if self._is_news(update):
                        yield update
                self.cursor = message.get("cursor", self.cursor)

    async def _read_all(self) -> Updates:
        """The jobs as they are now; only after it a cursor of before it holds."""
        cursor: str | None = None
        while True:
            page = await self._list_jobs(self._tenant_id, limit=PAGE, cursor=cursor)
            for job in page["jobs"]:
                update = _update_of(job)
                if self._is_news(update):
                    yield update
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def _is_news(self, update: Update) -> bool:
        # put back at the end: those not heard of for longest are forgotten first
        known = self._versions.pop(update["jobId"], 0)
        self._versions[update["jobId"]] = max(known, update["version"])
        if len(self._versions) > REMEMBERED:
            self._versions = dict(islice(self._versions.items(), REMEMBERED // 2, None))
        return bool(update["version"] > known)


def _update_of(job: Job) -> Update:
    """The change that led to a job as it is now."""
    return {
        "jobId": job["id"],
        "tenantId": job["tenantId"],
        "type": job["type"],
        "status": job["status"],
        "attempts": job["attempts"],
        "version": job["version"],
        "error": job["error"],
        "workerId": job["workerId"],
        "updatedAt": job["updatedAt"],
    }
