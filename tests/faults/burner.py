"""Transaction ids that a crash hands out again: of transactions that were rolled back, and that no
log on disk tells of."""

from typing import Any, cast

import asyncpg

from faults.world import World
from monoq.changes.tail import Tail
from monoq.store.database import query


async def burning(broken: World, tail: Tail) -> asyncpg.Connection:
    """A connection for the tail's reads. After it only a commit flushes the log: PostgreSQL itself
    would every 0.2 s."""
    await broken.fetch("ALTER SYSTEM SET wal_writer_delay = '10 s'")
    await broken.fetch("SELECT pg_reload_conf()")
    return cast(asyncpg.Connection, Burner(await tail._connect(), await broken.connect()))


class Burner:
    """The tail's connection; transactions begin and are rolled back right after each of its
    flushes."""

    def __init__(self, connection: asyncpg.Connection, other: asyncpg.Connection) -> None:
        self._connection = connection
        self._other = other

    async def fetch(self, sql: str, *args: Any) -> Any:
        rows = await self._connection.fetch(sql, *args)
        if sql == query("make_horizon_durable"):
            for _ in range(5):
                transaction = self._other.transaction()
                await transaction.start()
                await self._other.fetchval("SELECT pg_current_xact_id()")
                await transaction.rollback()
        return rows

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._connection.fetchval(sql, *args)
