"""The whole system behind nginx, on the configuration that the container runs: two APIs, three
workers, one nginx in front."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio
from conftest import eventually, http_client
from faults.member import Member, free_port
from faults.world import World, world

NGINX = Path(__file__).parent.parent.parent / "docker" / "nginx"


class Site:
    """A world and the door to it."""

    def __init__(self, inside: World, folder: Path) -> None:
        self.inside = inside
        self.port = free_port()
        self.url, self.ws_url = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}/ws"
        self.http = http_client(
            base_url=self.url, timeout=20, limits=httpx.Limits(max_connections=200)
        )
        self.apis = inside.apis
        self._out = folder / "access.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes]

    async def start(self) -> None:
        """Only where the APIs are differs from the container."""
        shutil.copytree(NGINX, self._folder / "nginx")
        servers = [f"server 127.0.0.1:{api.port} max_fails=0;\n" for api in self.apis]
        (self._folder / "nginx" / "servers.conf").write_text("".join(servers))
        # else the workers are nobody, who may not enter pytest's folders
        as_root = ["user root;"] if os.getuid() == 0 else []
        command = [
            "sh",
            str(self._folder / "nginx" / "start.sh"),
            str(self._folder / "run"),
            *as_root,
        ]
        env = os.environ | {
            "PORT": str(self.port),
            "MONOQ_ALLOWED_HOSTS": "queue.example, other.example",
        }
        with self._out.open("wb") as out, (self._folder / "error.log").open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
                command, env=env, stdout=out, stderr=errors
            )

        async def up() -> bool:
            try:
                return (await self.http.get("/health")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(up)

    async def stop(self) -> None:
        """As Docker stops it."""
        await self.http.aclose()
        processes = [*psutil.Process(self._process.pid).children(), self._process]
        self._process.send_signal(signal.SIGQUIT)
        try:
            assert await asyncio.to_thread(self._process.wait, 15) == 0
            assert len(processes) > 1
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            print((self._folder / "error.log").read_text()[-5000:])

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The access log; every line is JSON, or this fails."""
        return [json.loads(line) for line in self._out.read_text().splitlines()[since:]]

    async def logged(self, count: int, **what: Any) -> list[dict[str, Any]]:
        """The first `count` lines like this: a line is written a moment after the answer."""

        async def found() -> list[dict[str, Any]]:
            lines = [line for line in self.log() if what.items() <= line.items()]
            return lines[:count] if len(lines) >= count else []

        return list(await eventually(found, timeout=5))

    @staticmethod
    def requests_per_api(lines: list[dict[str, Any]]) -> Counter[str]:
        """By the address that answered last."""
        return Counter(line["upstream"].split(", ")[-1] for line in lines if line["upstream"])

    def jobs_per_worker(self, ids: set[str]) -> Counter[int]:
        """By process id, from the ledger that the handlers write."""
        lines = [line.split() for line in self.inside.ledger.read_text().splitlines()]
        return Counter(
            int(pid) for job_id, event, _, pid in lines if event == "end" and job_id in ids
        )

    async def submit(self, jobs: list[dict[str, Any]]) -> list[str]:
        """Through the door."""
        answer = await self.http.post("/jobs/batch", json={"jobs": jobs})
        assert answer.status_code == 201, answer.text
        return list(answer.json()["jobIds"])

    async def raw(self, text: str, more: bytes = b"", timeout: float = 15) -> bytes:
        """What comes back for these bytes until the connection ends or a head is complete."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(text.encode("latin-1") + more)
            async with asyncio.timeout(timeout):
                try:
                    return await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError as ended:
                    return ended.partial
                except ConnectionError:
                    return b""
        finally:
            writer.transport.abort()

    async def restart(self, api: Member) -> int:
        """SIGTERM, wait, start anew; returns the exit code."""
        api.send(signal.SIGTERM)
        code = await asyncio.to_thread(api.process.wait, 15)
        api.start()
        await self.inside.is_up(api)
        return int(code)


@asynccontextmanager
async def behind_nginx(folder: Path) -> AsyncIterator[Site]:
    settings = {
        "MONOQ_DRAIN": "3",  # as in docker-compose.yml
        "MONOQ_ALLOWED_HOSTS": "queue.example",
        "MONOQ_TRUSTED_PROXIES": "127.0.0.0/8",
        "MONOQ_BATCH_SIZE": "20",
        "MONOQ_SLOTS": "40",  # so that a hundred jobs are work for more than one
    }
    async with world(folder, apis=2, workers=3, **settings) as inside:
        site = Site(inside, folder)
        await site.start()
        try:
            yield site
        finally:
            await site.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Shared by the tests of a file."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not on PATH")
    async with behind_nginx(tmp_path_factory.mktemp("site")) as running:
        yield running
