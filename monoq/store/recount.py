"""Recounts all jobs and reports where the counts that limits use differ. It must change nothing."""

import asyncpg

from monoq.store.database import CONNECT_TIMEOUT_S, UNAVAILABLE, connection_error, query

MOST = 20  # lines; drift is never expected, so the first ones are enough


async def find_drift(url: str) -> list[str]:
    """A line for each difference, at most 20. It reads the whole table, however long that takes, so
    it has a connection of its own. Raises DatabaseUnavailable, or ConfigError for a bad URL."""
    settings = {"application_name": "monoq check", "search_path": "public"}
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
    except Exception as error:
        raise connection_error(error, url) from error
    try:
        rows = await connection.fetch(query("find_drift"), MOST)
    except asyncpg.UndefinedTableError:
        return []  # the schema is made at the first start: there is no job
    except UNAVAILABLE as error:
        raise connection_error(error, url) from error
    finally:
        connection.terminate()
    return [
        f"{'all tenants' if row['tenant_id'] is None else 'tenant ' + row['tenant_id']},"
        f" type {row['type']}: {row['counted']} {row['status']} are counted,"
        f" {row['jobs']} are there"
        for row in rows
    ]
