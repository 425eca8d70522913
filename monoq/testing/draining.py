"""Runs all jobs that wait, in this process."""

import asyncio

import asyncpg

from monoq.app.registry import App
from monoq.store.database import query
from monoq.testing.clock import advance
from monoq.testing.engines import Engines
from monoq.testing.server import running

LOOK_S = 0.02
MOST = 20  # jobs that an error names


async def drain(
    app: App, engines: Engines, *, delayed: bool = False, timeout: float = 30.0
) -> dict[str, int]:
    """Runs what is due until nothing is, with a worker in this process; returns how many jobs of
    the database have which status then.

    Args:
        app: The handlers.
        engines: Of this test.
        delayed: Then lets time pass (see `advance`) until nothing is PENDING: delayed jobs, retries
            and snoozed ones run, too.
        timeout: Seconds after which TimeoutError is raised, which names the jobs that are left.

    >>> assert await drain(app, monoq_engines) == {"COMPLETED": 3, "FAILED": 1}
    """
    connection = await asyncpg.connect(engines.database_url)
    try:
        async with running(app, engines, role="worker") as (_, supervised):
            try:
                async with asyncio.timeout(timeout):
                    while True:
                        while await connection.fetchval(query("has_unfinished")):
                            if supervised.done():
                                raise RuntimeError("the worker has ended; the log says why")
                            await asyncio.sleep(LOOK_S)
                        if not delayed or not await advance(engines):
                            break
            except TimeoutError:
                left = await connection.fetch(query("list_unfinished"), MOST)
                raise TimeoutError(_not_drained(timeout, left)) from None
        rows = await connection.fetch(query("count_by_status"))
        return {row["status"]: row["jobs"] for row in rows}
    finally:
        await connection.close()


def _not_drained(timeout: float, left: list[asyncpg.Record]) -> str:
    jobs = "".join(
        f"\n  {row['type']} of {row['tenant_id']}, {row['status']}, attempt {row['attempts']},"
        f" id {row['id']}" + (f": {row['error']}" if row["error"] else "")
        for row in left
    )
    return f"after {timeout:g} s these jobs still wait or run:{jobs or ' none any more'}"
