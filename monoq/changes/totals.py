"""Reads the totals of all tenants for their viewers: once a second, whatever the number of viewers
and tenants. It must report an engine that is away or does not answer, and wait for none.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import asyncpg

from monoq.errors import DatabaseUnavailable, QueueUnavailable
from monoq.job import Status
from monoq.live.totals import TotalsBoard
from monoq.process.service import Service
from monoq.store.totals import MAX_NOT_DUE, Totals, TotalsStore

log = logging.getLogger(__name__)

PERIOD_S = 1.0
UNWATCHED_S = 10.0  # so that a new viewer sees the last minutes
SHARE = 10  # a rest takes so many times as long as the reading before it
ANSWER_WITHIN_S = 2.0  # a busy machine is not an outage
STOP_S = 1.0

Answer = TypeVar("Answer")


class _Question(Generic[Answer]):
    """A query to an engine. One that is not answered in time continues: to cancel it would wait for
    a frozen engine, too."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Answer] | None = None

    async def answer(self) -> tuple[Answer | None, str]:
        """Its answer and "ok", or what is wrong."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._asked(), name="totals")
        await asyncio.wait([self._asking], timeout=ANSWER_WITHIN_S)
        if not self._asking.done():
            return None, "no answer in time"
        asked, self._asking = self._asking, None
        try:
            return asked.result(), "ok"
        except (DatabaseUnavailable, QueueUnavailable) as error:
            return None, str(error)
        except asyncpg.PostgresError as error:  # of a schema that is being upgraded, say
            log.debug("the totals cannot be read", exc_info=error)
            return None, f"the totals cannot be read: {error}"

    async def _asked(self) -> Answer:
        return await self._ask()

    async def close(self) -> None:
        """Ends a query in progress."""
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking], timeout=STOP_S)
            with suppress(asyncio.CancelledError, DatabaseUnavailable, QueueUnavailable):
                self._asking.result()


class TotalsReader(Service):
    """Publishes the totals on the board. `ping` raises QueueUnavailable unless Redis answers."""

    name = "totals"

    def __init__(
        self, store: TotalsStore, ping: Callable[[], Awaitable[None]], board: TotalsBoard
    ) -> None:
        super().__init__()
        self._board = board
        self._database = _Question(store.read)
        self._queue = _Question(ping)

    def stop(self) -> None:
        super().stop()
        self._board.arrived.set()

    async def run(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            self._board.arrived.clear()
            (totals, database), (_, queue) = await asyncio.gather(
                self._database.answer(), self._queue.answer()
            )
            if totals:
                self._board.sample(int(totals.at * 1000), list(totals.jobs.values()))
            self._board.tell(_message(totals, {"database": database, "queue": queue}))
            await self._rest(time.monotonic() - began if totals else 0.0)
        await asyncio.gather(self._database.close(), self._queue.close())

    async def _rest(self, took_s: float) -> None:
        await self.pause(max(PERIOD_S - took_s, took_s * SHARE))
        if not self._board.watched and not self.stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(UNWATCHED_S):
                    await self._board.arrived.wait()


def _message(totals: Totals | None, engines: dict[str, str]) -> dict[str, Any]:
    """A TOTALS message; without the values of PostgreSQL, if it does not answer."""
    if totals is None:
        return {"engines": engines}
    return {
        "engines": engines,
        "at": int(totals.at * 1000),
        "counts": {str(status): jobs for status, jobs in totals.jobs.items()},
        "due": max(totals.jobs[Status.PENDING] - totals.not_due, 0),
        "notDue": totals.not_due,
        "notDueIsExact": totals.not_due < MAX_NOT_DUE,
        "oldestWaitingSeconds": None if totals.oldest_s is None else round(totals.oldest_s, 3),
        "workers": totals.workers,
        "draining": totals.draining,
        "pools": {
            name: {"slots": pool.slots, "used": pool.used} for name, pool in totals.pools.items()
        },
        "withoutWorker": [{"type": name, "due": due} for name, due in totals.lacking.items()],
    }
