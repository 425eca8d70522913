"""Thousands of connections that ask for nothing, where descriptors are few: others are served, and
the engines keep theirs."""

import asyncio
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
import websockets
from conftest import eventually, http_client
from contract.processes import environment, healthy

from faults.member import free_port

FEW = 1024
JOB = {"tenantId": "acme", "type": "nothing"}


@asynccontextmanager
async def served(
    folder: Path, soft: int, hard: int, **settings: str
) -> AsyncIterator[tuple[int, psutil.Process, Path]]:
    """API and worker in one process, which may have so many descriptors."""
    port, log = free_port(), folder / "log"
    command = [
        sys.executable,
        "-m",
        "monoq",
        "serve",
        "--role=all",
        "--app",
        "handlers_for_tests:app",
    ]
    limits = ["prlimit", f"--nofile={soft}:{hard}"]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
            [*limits, *command],
            cwd=folder,
            env=environment(MONOQ_PORT=str(port), **settings),
            stdout=out,
            stderr=out,
        )
    try:
        await healthy(port)
        yield port, psutil.Process(process.pid), log
    finally:
        process.terminate()
        code = await asyncio.to_thread(process.wait, 30)
        print(log.read_text())
    assert code == 0


@pytest.mark.alone
@pytest.mark.parametrize(
    ("hard", "many"),
    [
        (FEW, 1300),
        pytest.param(8 * FEW, 1500, marks=pytest.mark.soak),
        pytest.param(FEW, 3000, marks=pytest.mark.soak),
        pytest.param(8 * FEW, 3000, marks=pytest.mark.soak),
    ],
)
async def test_more_idle_connections_than_descriptors_keep_nobody_out(
    database_url: str, redis_url: str, db: asyncpg.Connection, tmp_path: Path, hard: int, many: int
) -> None:
    """`hard` is how many descriptors the process may have, if it asks for more than `FEW`."""
    mine, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < many + 1000:
        pytest.skip("this process may not open so many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(mine, many + 1000), most))
    engines = {"MONOQ_DATABASE_URL": database_url, "MONOQ_REDIS_URL": redis_url}
    async with (
        served(tmp_path, FEW, hard, **engines) as (port, process, log),
        # it does not read all: a full queue would hold up the end of the connection
        websockets.connect(f"ws://127.0.0.1:{port}/ws", max_queue=None) as viewer,
    ):
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)
        await viewer.send('{"type": "SUBSCRIBE", "tenantId": "acme"}')
        idle = await asyncio.to_thread(
            lambda: [socket.create_connection(("127.0.0.1", port), 20) for _ in range(many)]
        )
        await eventually(lambda: process.num_fds() >= min(many, hard - 256))
        for _ in range(20):
            async with http_client(base_url=f"http://127.0.0.1:{port}", timeout=5) as http:
                assert (await http.post("/jobs", json=JOB)).status_code == 201
                assert (await http.get("/health")).status_code == 200
            assert process.num_fds() < hard - 100
        async with asyncio.timeout(20):
            while '"COMPLETED"' not in str(await viewer.recv()):
                pass
        await eventually(
            lambda: db.fetchval("SELECT count(*) = 20 FROM jobs WHERE status = 'COMPLETED'")
        )
        assert await db.fetchval("SELECT count(*) = 1 FROM workers WHERE expires_at > now()")
        assert "heartbeat" not in log.read_text()
        cut = [_is_closed(one) for one in idle]
        assert sum(cut) >= many - hard + 256
        assert not any(cut[-200:]), "those that came last have waited the least"
        for one in idle:
            one.close()


def _is_closed(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
