"""Our own PostgreSQL and Redis, for a machine that has none: started by the first monoq process that needs them, shared by all
that use the same data folder, stopped by the last. It must never touch anything outside that folder and its socket folder."""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from monoq.embedded.postgres import PostgresEngine
from monoq.embedded.redis import RedisEngine
from monoq.errors import EmbeddedError

MAX_SOCKET_FOLDER = 80  # characters: the kernel takes 107 for a socket's path, and `/.s.PGSQL.5432.lock` belongs to it


@dataclass(frozen=True)
class Engines:
    """Where the engines answer; None for one that was not asked for."""

    database_url: str | None
    redis_url: str | None


@contextmanager
def engines(data_dir: Path, *, postgres: bool = True, redis: bool = True) -> Iterator[Engines]:
    """The engines of a data folder, running until the last of their users leaves. Raises EmbeddedError, in one line.

    Each user holds `users.lock` shared; whoever leaves and can take it alone was the last. The kernel drops the lock of a
    process that was killed, so a crash blocks nobody: engines that it left behind are used by the next start.
    """
    if not (postgres or redis):
        yield Engines(None, None)
        return
    data_dir, users = _open(data_dir)
    with users:
        sockets = _socket_folder(data_dir)
        database = PostgresEngine(data_dir, sockets)
        queue = RedisEngine(data_dir, sockets)
        try:
            with _locked(data_dir / "start.lock"):
                fcntl.flock(users, fcntl.LOCK_SH)
                with ThreadPoolExecutor() as threads:
                    wanted = [*([database.start] if postgres else []), *([queue.start] if redis else [])]
                    for started in [threads.submit(start) for start in wanted]:
                        started.result()
            yield Engines(database.url if postgres else None, queue.url if redis else None)
        finally:
            with _locked(data_dir / "start.lock"):
                if _is_alone(users):
                    queue.stop()
                    database.stop()


def _open(data_dir: Path) -> tuple[Path, IO[str]]:
    """The folder by its one real name, since the name decides where deep folders have their sockets, and its list of users."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir = data_dir.resolve()
        return data_dir, (data_dir / "users.lock").open("a")
    except OSError as error:
        raise EmbeddedError(f"the data folder {data_dir} (MONOQ_DATA_DIR) cannot be written: {error.strerror}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
