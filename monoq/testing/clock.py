"""Time that can be moved, for jobs that wait for theirs."""

import asyncpg

from monoq.store.database import query
from monoq.testing.engines import Engines


async def advance(engines: Engines, seconds: float | None = None) -> int:
    """Lets so many seconds pass for the jobs that wait for their time: their `run_at` moves back by
    as much. Without a number, as many as the next of them needs to be due. Returns how many waited.

    No clock is touched: rates, pauses and the ages of jobs are as before.

    >>> await client.submit("acme", "remind", delay_ms=3_600_000)
    >>> await advance(monoq_engines, 3600)
    """
    connection = await asyncpg.connect(engines.database_url)
    try:
        moved = await connection.fetch(query("advance_delayed_jobs"), seconds)
        return len(moved)
    finally:
        await connection.close()
