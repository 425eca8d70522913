"""A small world of real processes to break: engines of its own, some APIs and workers, and the
ledger that handlers write."""

import contextlib
import itertools
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from conftest import eventually, http_client

from faults.engines import Engines
from faults.member import Member, free_port
from faults.proxy import Proxy

HERE = Path(__file__).parent
START_WITHIN_S = 60.0
_names = itertools.count(1)


class World(Engines):
    """Engines and members. `settings` are environment variables for every member."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder)
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.database_url = self.postgres.url
        self.redis_url = self.redis.url
        self.members: list[Member] = []
        self.settings = {
            # not 10 s: what takes a lease, or half of one, is not to take the tests so long
            "MONOQ_LEASE": "4",
            "MONOQ_APP": "handlers_for_faults:app",
            "LEDGER": str(self.ledger),
            "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent.parent}",
        } | settings
        self.http = http_client(timeout=10)

    def member(self, role: str, **settings: str) -> Member:
        """A process of this role, started; with settings of its own."""
        port = free_port()
        urls = {
            "MONOQ_DATABASE_URL": self.database_url,
            "MONOQ_REDIS_URL": self.redis_url,
            "MONOQ_PORT": str(port),
        }
        env = os.environ | urls | self.settings | settings
        member = Member(
            role,
            [sys.executable, "-m", "monoq", "serve", f"--role={role}"],
            env,
            self.folder / f"{role}-{next(_names)}.log",
            port,
        )
        member.start()
        self.members.append(member)
        return member

    def through(self, postgres: Proxy | None = None, redis: Proxy | None = None) -> dict[str, str]:
        """Settings of a member that reaches its engines through these."""
        urls = {}
        if postgres:
            urls["MONOQ_DATABASE_URL"] = f"postgresql://monoq@127.0.0.1:{postgres.port}/monoq"
        if redis:
            urls["MONOQ_REDIS_URL"] = f"redis://127.0.0.1:{redis.port}"
        return urls

    @property
    def apis(self) -> list[Member]:
        return [member for member in self.members if member.role == "api" and member.alive]

    @property
    def workers(self) -> list[Member]:
        return [member for member in self.members if member.role == "worker" and member.alive]

    async def submit(self, jobs: list[dict[str, Any]], api: Member | None = None) -> list[str]:
        """Through an API; the ids are acknowledged."""
        answer = await self.http.post(
            f"{(api or self.apis[0]).url}/jobs/batch", json={"jobs": jobs}
        )
        answer.raise_for_status()
        return list(answer.json()["jobIds"])

    async def submit_sql(self, job_type: str, payload: str, times: int = 1) -> list[Any]:
        rows = await self.fetch(
            "SELECT monoq_submit('acme', $1, $2::jsonb) AS id FROM generate_series(1, $3::int)",
            job_type,
            payload,
            times,
        )
        return [row["id"] for row in rows]

    async def trusted(self) -> None:
        """Rescuers trust themselves only after half a lease of unbroken contact: until then nothing
        is to be timed."""
        lease_s = float(self.settings["MONOQ_LEASE"])
        enough = timedelta(seconds=lease_s / 2 + 0.5)
        await eventually(
            lambda: self.value("SELECT now() - max(started_at) > $1::interval FROM workers", enough)
        )

    async def all_ended(self, timeout: float = 60) -> None:
        await eventually(
            lambda: self.value(
                "SELECT NOT EXISTS (SELECT FROM jobs WHERE status IN ('PENDING', 'RUNNING'))"
            ),
            timeout=timeout,
        )

    async def running_on(self, member: Member) -> int:
        sql = (
            "SELECT count(*) FROM jobs JOIN workers ON workers.id = worker_id "
            "WHERE status = 'RUNNING' AND name LIKE '%:' || $1"
        )
        return int(await self.value(sql, str(member.pid)))

    async def busy_worker(self) -> Member:
        """A worker that is running something."""

        async def busy() -> Member | None:
            for member in self.workers:
                if await self.running_on(member):
                    return member
            return None

        return cast(Member, await eventually(busy))

    async def is_up(self, member: Member) -> None:
        """Returns when it serves. A start is a second of CPU, which a busy machine stretches."""
        if member.role == "api":

            async def healthy() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return (await self.http.get(f"{member.url}/health")).status_code == 200
                return False

            await eventually(healthy, timeout=START_WITHIN_S)
        else:
            await eventually(
                lambda: self.value(
                    "SELECT count(*) FROM workers WHERE name LIKE '%:' || $1", str(member.pid)
                ),
                timeout=START_WITHIN_S,
            )

    def executions(self) -> list[tuple[str, str, int]]:
        """(job id, "start" or "end", claim), in the order in which handlers wrote them."""
        lines = self.ledger.read_text().splitlines()
        return [
            (job_id, event, int(claim))
            for job_id, event, claim, _ in (line.split() for line in lines)
        ]

    def runs_in(self, member: Member) -> int:
        """How many handlers have begun and not ended in this process."""
        lines = [line.split() for line in self.ledger.read_text().splitlines()]
        return sum(
            1 if event == "start" else -1 for _, event, _, pid in lines if int(pid) == member.pid
        )

    def stale(self) -> int:
        """Results that came too late, as the workers' logs tell."""
        told = [
            re.findall(r"(\d+) results came too late", member.said()) for member in self.members
        ]
        return sum(int(n) for numbers in told for n in numbers)

    async def close(self) -> None:
        for member in self.members:
            if member.alive:
                member.thaw()
                member.kill()
        await self.http.aclose()
        await self.stop_engines()


@asynccontextmanager
async def world(
    folder: Path, *, apis: int = 0, workers: int = 0, **settings: str
) -> AsyncIterator[World]:
    """A world in which everything is up; fails at the end if a job was changed in a forbidden
    way."""
    made = World(folder, **settings)
    try:
        await made.start_engines()
        members = [
            made.member(role)
            for role, count in (("api", apis), ("worker", workers))
            for _ in range(count)
        ]
        for member in members:
            await made.is_up(member)
        yield made
        violations = await made.fetch("SELECT * FROM violations LIMIT 5")
        assert not violations, violations
    finally:
        await made.close()
        for member in made.members:
            print(f"--- {member.log.name}\n{member.said()[-3000:]}")
