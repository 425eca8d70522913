"""Reads again, every second and when messages begin to arrive, what changed for the tenants watched
here, so that a lost message heals by itself. It, and not pub/sub, is the guarantee; it must use
only horizons that no crash can take back."""

import asyncio
import logging
import time
from contextlib import suppress

import asyncpg

from monoq.live.cursor import Horizon, stream_id
from monoq.live.hub import Hub
from monoq.live.wire import Change
from monoq.observe import Metrics
from monoq.service import Service
from monoq.store.database import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    FRESH_PLANS,
    UNAVAILABLE,
    query,
)
from monoq.upkeep.horizon import HorizonWatch

log = logging.getLogger(__name__)

PERIOD_S = 1.0
GAP_S = 0.1  # between two reads at least, however often somebody asks for one
PRUNED = 5_000  # rows in one statement
# changes of a tenant since the last read: more take longer to read than a statement may, again and
# again
MOST_READ = 300_000


class Tail(Service):
    """One connection of its own.

    After a crash Postgres hands out again the transaction ids that were not on disk; a change with
    such an id would lie below a horizon read before the crash and be missed. So a horizon is used
    only once a later commit of this same connection was flushed; if the connection breaks before
    that, the horizon is forgotten and the older one kept. In a database that was restored, or
    behind a failover, transaction ids mean something else: then all horizons are forgotten, and
    viewers are sent away.
    """

    name = "tail"

    def __init__(self, database_url: str, hub: Hub, metrics: Metrics) -> None:
        super().__init__()
        self._database_url = database_url
        self._hub = hub
        self._watch = HorizonWatch(metrics)
        self._stream: str | None = None  # what transaction ids belong to
        self._durable: str | None = None  # snapshots, as text
        self._pending: str | None = None
        self._asked = asyncio.Event()

    def read_soon(self) -> None:
        """Reads once more without waiting for the next second; all who ask before it share it."""
        self._asked.set()

    def stop(self) -> None:
        super().stop()
        self._asked.set()

    async def run(self) -> None:
        connection: asyncpg.Connection | None = None
        down_since: float | None = None
        while not self.stopping.is_set():
            self._asked.clear()
            try:
                if connection is None or connection.is_closed():
                    self._pending = None
                    connection = await self._connect()
                await self._read(connection)
                if down_since is not None:
                    log.warning(
                        "changes are read again after %.1f s", time.monotonic() - down_since
                    )
                    down_since = None
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                self._watch.lose_sight()
                if down_since is None:
                    down_since = time.monotonic()
                    log.warning("changes cannot be read: %s", error)
                if connection is not None:
                    connection.terminate()
                connection = None
            # at the start a second read follows at once: then cursors are known
            if connection is None or self._durable is not None:
                await self._rest()
        if connection is not None:
            with suppress(*UNAVAILABLE):  # closed by force, then, and nothing is lost
                await connection.close(timeout=1)

    async def _rest(self) -> None:
        await self.pause(GAP_S)
        if self.stopping.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(PERIOD_S - GAP_S):
                await self._asked.wait()

    async def _read(self, connection: asyncpg.Connection) -> None:
        await connection.fetch(query("make_horizon_durable"))
        self._durable, self._pending = self._pending or self._durable, None
        asked = self._hub.tenants
        if self._durable is None or not asked:
            rows, snapshot = [], await connection.fetchval(query("read_snapshot"))
        else:
            rows = await connection.fetch(query("read_changes"), asked, self._durable, MOST_READ)
            snapshot = rows[0]["snapshot"]
            for tenant_id in rows[0]["too_many"]:
                log.warning(
                    "tenant %s had more than %d changes at once; its viewers start anew",
                    tenant_id,
                    MOST_READ,
                )
                self._hub.send_away(tenant_id)
            if rows[0]["kept_from"] > _oldest(self._durable):
                log.warning(
                    "changes have not been read for longer than they are kept; viewers start anew"
                )
                self._hub.start_over()
                self._durable, rows = None, []
        if set(self._hub.tenants) <= set(asked):
            self._pending = snapshot
        # else somebody began to watch a tenant after the question was asked: the next one reaches
        # back as far as this one
        for row in rows:
            if row["id"] is not None:
                self._hub.tell(Change.of_row(row))
        if self._durable is not None and self._stream is not None:
            self._hub.advance(Horizon(self._stream, _oldest(self._durable)))
        await self._watch.look(connection, snapshot, time.monotonic())

    async def _connect(self) -> asyncpg.Connection:
        settings = FRESH_PLANS | {
            "application_name": "monoq tail",
            "synchronous_commit": "on",
            "statement_timeout": "4000",
        }
        # nothing here is sent again, so nothing may be undone
        settings["default_transaction_isolation"] = "read committed"
        connection = await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings=settings,
        )
        try:
            await self._recognise(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _recognise(self, connection: asyncpg.Connection) -> None:
        """Is it the stream of changes that we know?"""
        # refused by a standby, which has no stream of its own
        await connection.fetch(query("make_horizon_durable"))
        stream = stream_id(await connection.fetchrow(query("read_stream")))
        if stream == self._stream:
            return
        if self._stream is not None:
            log.warning(
                "the database was restored, or another one has taken over; viewers start anew"
            )
            self._hub.start_over()
        self._durable = self._pending = None
        await connection.fetch(query("begin_stream"))
        while await connection.fetchval(query("prune_changes"), PRUNED):
            pass
        self._stream = stream


def _oldest(snapshot: str) -> int:
    """The transaction below which all had ended."""
    return int(snapshot.split(":")[0])
