"""What tests ask of embedded engines: which of them live, whether they answer, who uses them."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import redis

from monoq.embedded import Engines

USER = """
import logging
import sys
from pathlib import Path
from monoq.embedded import engines
logging.basicConfig(level="WARNING", filename=Path(sys.argv[1]) / "user.log")
with engines(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def running(folder: Path) -> list[int]:
    """The pids of the engines that live in a data folder."""
    files = (folder / "postgres" / "postmaster.pid", folder / "redis.pid")
    pids = [int(file.read_text().split()[0]) for file in files if file.exists()]
    return [pid for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ask(own: Engines, statement: str = "SELECT 1") -> Any:
    """The answer of PostgreSQL, after Redis gave one too."""

    async def fetch() -> Any:
        connection = await asyncpg.connect(own.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    with redis.Redis.from_url(own.redis_url or "") as client:
        assert client.ping()
    return asyncio.run(fetch())


@contextmanager
def user_process(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that uses the engines; killed with -9 at the end at the latest."""
    command = [sys.executable, "-c", USER, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        try:
            assert user.stdout
            assert user.stdout.readline() == "in\n"
            yield user
        finally:
            user.kill()


def processes_in(folder: Path) -> list[str]:
    """The command lines of all processes that work in a folder, also in one that is deleted."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.cwd().startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found
