"""Our own PostgreSQL and Redis, for a machine that has none: started by the first monoq process
that needs them, shared by all that use the same data folder, stopped by the last. It must never
touch anything outside that folder and its socket folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monoq.embedded.postgres import PostgresEngine
from monoq.embedded.redis import RedisEngine
from monoq.embedded.sockets import socket_folder
from monoq.embedded.use import Use, cannot_be_written


@dataclass(frozen=True)
class Engines:
    """The URLs of the engines; None for one that was not requested."""

    database_url: str | None
    redis_url: str | None


@contextmanager
def engines(data_dir: Path, *, postgres: bool = True, redis: bool = True) -> Iterator[Engines]:
    """The engines of a data folder, running until the last of their users leaves.

    One that is killed meanwhile is started again by its users. A process that ends by force leaves,
    too (see `monoq.process.exit`). Raises EmbeddedError, in one line.
    """
    if not (postgres or redis):
        yield Engines(None, None)
        return
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Its one real name, which decides where deep folders have their sockets.
        data_dir = data_dir.resolve()
    except OSError as error:
        raise cannot_be_written(data_dir, error) from error
    sockets = socket_folder(data_dir)
    database, queue = PostgresEngine(data_dir, sockets), RedisEngine(data_dir, sockets)
    wanted = [*([queue] if redis else []), *([database] if postgres else [])]
    use = Use(data_dir, sockets, [queue, database], wanted)
    try:
        use.enter()
        yield Engines(database.url if postgres else None, queue.url if redis else None)
    finally:
        use.leave()


def running_engines(data_dir: Path) -> Engines:
    """The engines of a data folder that run at this moment; starts and stops nothing."""
    data_dir = data_dir.resolve()
    sockets = socket_folder(data_dir)
    database, queue = PostgresEngine(data_dir, sockets), RedisEngine(data_dir, sockets)
    return Engines(
        database.url if database.pid() is not None else None,
        queue.url if queue.pid() is not None else None,
    )
