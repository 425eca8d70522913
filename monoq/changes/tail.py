"""Reads the changes of the watched tenants from Postgres, every second and whenever the
subscription to Redis begins. So a lost message is made good: the tail, and not pub/sub, is the
guarantee. It must use only horizons that no crash can take back."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

import asyncpg

from monoq.changes.horizon import HorizonWatch
from monoq.live.change import Change
from monoq.live.cursor import Horizon, stream_id
from monoq.live.hub import Hub
from monoq.observe.metrics import Metrics
from monoq.observe.outage import Outage
from monoq.process.service import Service
from monoq.store.database import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    FRESH_PLANS,
    UNAVAILABLE,
    Row,
    query,
)
from monoq.store.stream import ChangesRead, StreamStore

log = logging.getLogger(__name__)

PERIOD_S = 1.0
GAP_S = 0.1  # at least, between two reads, however many are requested
PRUNED = 5_000  # rows in one statement
# changes of a tenant since the last read; more take longer to read than a statement may, and would
# at each retry
MAX_READ = 300_000


class Tail(Service):
    """Has one connection of its own.

    After a crash Postgres reuses the transaction ids that were not on disk. A change with such an
    id would lie below a horizon read before the crash, and be missed. So a horizon is used only
    after a later commit of the same connection was flushed. If the connection breaks before that,
    the horizon is dropped and the older one kept.

    After a restore or a failover, transaction ids mean something else. Then all horizons are
    dropped and all viewers are closed.
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
        self._requested = asyncio.Event()

    def read_soon(self) -> None:
        """Requests a read before the next second; requests made before it starts share it."""
        self._requested.set()

    def stop(self) -> None:
        super().stop()
        self._requested.set()

    async def run(self) -> None:
        connection: asyncpg.Connection | None = None
        outage = Outage(log, "reading changes")
        while not self.stopping.is_set():
            self._requested.clear()
            try:
                if connection is None or connection.is_closed():
                    self._pending = None
                    connection = await self._connect()
                await self._read(connection)
                outage.over()
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                self._watch.lose_sight()
                outage.failed(error)
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
                await self._requested.wait()

    async def _read(self, connection: asyncpg.Connection) -> None:
        await connection.fetch(query("make_horizon_durable"))
        self._durable, self._pending = self._pending or self._durable, None
        watched = self._hub.tenants
        rows: Sequence[Row] = ()
        if self._durable is None or not watched:
            snapshot = await connection.fetchval(query("read_snapshot"))
        else:
            read = await StreamStore(connection).read_changes(watched, self._durable, MAX_READ)
            snapshot = read.snapshot
            rows = self._readable(read, _oldest(self._durable))
        if set(self._hub.tenants) <= set(watched):
            self._pending = snapshot
        # else a viewer of another tenant came after `watched` was taken: the next read reaches back
        # as far as this one
        for row in rows:
            self._hub.tell(Change.of_row(row))
        if self._durable is not None and self._stream is not None:
            self._hub.advance(Horizon(self._stream, _oldest(self._durable)))
        await self._watch.look(connection, snapshot, time.monotonic())

    def _readable(self, read: ChangesRead, since: int) -> Sequence[Row]:
        """The rows to pass on. Closes viewers that cannot get all that they missed."""
        for tenant_id in read.too_many:
            log.warning(
                "tenant %s had more than %d changes since the last read; closing its viewers",
                tenant_id,
                MAX_READ,
            )
            self._hub.send_away(tenant_id)
        if read.kept_from <= since:
            return read.rows
        log.warning(
            "changes were not read for longer than they, or the jobs, are kept; closing all viewers"
        )
        self._hub.start_over()
        self._durable = None
        return ()

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
        """Finds out whether this is the stream of changes that we know."""
        # refused by a standby, which has no stream of its own
        await connection.fetch(query("make_horizon_durable"))
        stream = stream_id(await connection.fetchrow(query("read_stream")))
        if stream == self._stream:
            return
        if self._stream is not None:
            log.warning(
                "the database was restored, or another one has taken over; closing all viewers"
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
