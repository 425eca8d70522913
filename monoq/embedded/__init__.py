"""Our own PostgreSQL and Redis, for a machine that has none: started by the first monoq process that needs them, shared by all
that use the same data folder, stopped by the last. It must never touch anything outside that folder and its socket folder."""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monoq.embedded.postgres import PostgresEngine
from monoq.embedded.redis import RedisEngine
from monoq.embedded.use import Use, cannot_be_written
from monoq.errors import EmbeddedError

MAX_SOCKET_FOLDER = 80  # characters: the kernel takes 107 for a socket's path, and `/.s.PGSQL.5432.lock` belongs to it


@dataclass(frozen=True)
class Engines:
    """Where the engines answer; None for one that was not asked for."""

    database_url: str | None
    redis_url: str | None


@contextmanager
def engines(data_dir: Path, *, postgres: bool = True, redis: bool = True) -> Iterator[Engines]:
    """The engines of a data folder, running until the last of their users leaves.

    One that is killed meanwhile is started again by its users. A process that ends by force leaves,
    too (see `monoq.ending`). Raises EmbeddedError, in one line.
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
    sockets = _socket_folder(data_dir)
    database, queue = PostgresEngine(data_dir, sockets), RedisEngine(data_dir, sockets)
    wanted = [*([queue] if redis else []), *([database] if postgres else [])]
    use = Use(data_dir, [queue, database], wanted)
    try:
        use.enter()
        yield Engines(database.url if postgres else None, queue.url if redis else None)
    finally:
        use.leave()


def _socket_folder(data_dir: Path) -> Path:
    """Where the sockets lie: in the data folder, or, if its name is too long for a socket or means something else in a URL or a list
    of folders, in a private folder with a plain, short name."""
    folder = data_dir / "run"
    if len(str(folder)) > MAX_SOCKET_FOLDER or not re.fullmatch(r"[A-Za-z0-9._/-]+", str(folder)):
        name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"monoq-{os.getuid()}-{name}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EmbeddedError(f"the folder of the sockets, {folder}, cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedError(f"{folder} must be a folder of this user's that nobody else may enter")
    return folder
