"""How we connect to Redis: short timeouts, no retries. A library's retry sent one push twice and
took 15 s to report a dead server."""

from contextlib import suppress

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from monoq.errors import ConfigError

CALL_TIMEOUT_S = 0.5

# What tells that Redis cannot be used now. It is soft everywhere: the rows are in Postgres.
UNAVAILABLE = (RedisError, OSError, TimeoutError)


def connect(
    url: str, *, timeout_s: float = CALL_TIMEOUT_S, connections: int = 4
) -> "redis.asyncio.Redis":
    """A client that fails within `timeout_s` seconds per call and never repeats one by itself.
    Connects at first use."""
    try:
        return redis.asyncio.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=CALL_TIMEOUT_S,
            health_check_interval=5,
            retry=Retry(NoBackoff(), 0),
            max_connections=connections,
        )
    except ValueError as error:
        raise ConfigError(f"MONOQ_REDIS_URL: {error}") from error


async def close(client: "redis.asyncio.Redis") -> None:
    """Closes a client's connections. It never fails: one that does not close in time is no reason
    to end a process."""
    with suppress(*UNAVAILABLE):
        await client.aclose()
