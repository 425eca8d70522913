"""Follows the jobs of a tenant for the Python client, across lost connections. It must never yield
a version older than one before it, nor a cursor before the updates that it covers."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import islice

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from monoq.client.shapes import Job, JobPage, Update
from monoq.errors import CursorRefused, RequestRefused, ServerUnreachable

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
# the server said that it restarts: it is back soon, but not for all in the same instant
RESTART_DELAY_S = 1.0
OPEN_TIMEOUT_S = 10.0
MAX_FRAME_BYTES = 16 * 1024 * 1024  # 500 updates with long errors
REMEMBERED = 100_000  # versions
SERVICE_RESTART = 1012
PAGE = 500  # jobs read at once

ListJobs = Callable[..., Awaitable[JobPage]]  # as Client.list


class Stream:
    """An async iterator of updates, made by `Client.stream`.

    `cursor` covers what was taken from it: keep it, and another stream goes on from there. It is
    None until the first is known.

    >>> stream = client.stream("acme", cursor=load_cursor())
    >>> async for update in stream:
    ...     save(update, stream.cursor)
    """

    def __init__(
        self, url: str, list_jobs: ListJobs, tenant_id: str, cursor: str | None, snapshot: bool
    ) -> None:
        self.cursor = cursor
        self._url = "ws" + url.rstrip("/").removeprefix("http") + "/ws"
        self._list_jobs = list_jobs
        self._tenant_id = tenant_id
        self._snapshot = snapshot
        self._versions: dict[str, int] = {}
        self._failures = 0
        self._restarts = False

    async def __aiter__(self) -> AsyncGenerator[Update, None]:
        while True:
            try:
                async for update in self._follow():
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
                pass  # it comes back, or it does not: whoever iterates decides how long to wait
            await asyncio.sleep(self._next_delay())

    def _next_delay(self) -> float:
        """Seconds, drawn at random: thousands of clients must not come back in one instant."""
        backoff = min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S)
        longest = RESTART_DELAY_S if self._restarts else backoff
        self._failures = min(self._failures + 1, 10)
        self._restarts = False
        return longest * random.uniform(0.5, 1)  # noqa: S311

    async def _follow(self) -> AsyncGenerator[Update, None]:
        """One connection."""
        subscribe = {
            "type": "SUBSCRIBE",
            "tenantId": self._tenant_id,
            "batch": True,
            "cursor": self.cursor,
        }
        async with connect(
            self._url,
            proxy=None,
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            max_size=MAX_FRAME_BYTES,
            close_timeout=1,
        ) as socket:
            await socket.send(json.dumps(subscribe))
            async for text in socket:
                message = json.loads(text)
                kind = message.get("type")
                if kind == "ERROR":
                    raise RequestRefused(422, {"detail": message["message"]})
                self._failures = 0
                if kind == "RESET" and not self._snapshot:
                    raise CursorRefused
                if kind == "RESET":
                    self._versions.clear()
                if self._snapshot and (
                    kind == "RESET" or (kind == "SUBSCRIBED" and self.cursor is None)
                ):
                    async for update in self._read_all():
                        yield update
                for update in message.get("updates", ()):
                    if self._is_news(update):
                        yield update
                self.cursor = message.get("cursor", self.cursor)

    async def _read_all(self) -> AsyncGenerator[Update, None]:
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
