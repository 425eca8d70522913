"""The pool of connections, whatever becomes of those who use it."""

import asyncio

import asyncpg
import pytest
from conftest import eventually

from monoq.store.database import Database

STATE = "SELECT state FROM pg_stat_activity WHERE application_name = 'given-up'"


async def test_a_statement_given_up_before_its_execution_leaves_its_connection_at_rest(
    database_url: str, db: asyncpg.Connection
) -> None:
    """Else the next user gets "canceling statement due to statement timeout" for nothing."""
    database = await Database.connect(database_url, connections=1, plans="fresh", name="given-up")
    prepared = asyncio.Event()

    async def give_up() -> None:
        async with database.connection() as connection:
            await connection.prepare("SELECT $1::int")
            prepared.set()
            await asyncio.Event().wait()

    giving_up = asyncio.create_task(give_up())
    await prepared.wait()
    assert await db.fetchval(STATE) == "active", "the clock of statement_timeout runs"
    giving_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giving_up

    async def at_rest() -> bool:
        return bool(await db.fetchval(STATE) == "idle")

    assert await eventually(at_rest, timeout=2)
    assert await database.fetch("SELECT 2")
    await database.close()
