"""Many large requests at once: they take turns, and nobody else notices."""

import asyncio
import importlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
from conftest import Server, eventually, serving
from faults.member import free_port

from contract.processes import healthy, running
from monoq.api import intake

submitting = importlib.import_module("monoq.submitting.submitter")
MB = 1024 * 1024


def batch(jobs: int, payload: Any) -> bytes:
    return json.dumps(
        {"jobs": [{"tenantId": "acme", "type": "echo", "payload": payload}] * jobs}
    ).encode()


BATCHES = {
    "ten thousand jobs": batch(9_900, {"text": "x" * 1540}),
    "one job": batch(1, "x" * (16 * MB - 100)),
}


@pytest.mark.alone
@pytest.mark.long
@pytest.mark.parametrize(
    "kind", ["ten thousand jobs", pytest.param("one job", marks=pytest.mark.soak)]
)
async def test_twenty_four_batches_of_16_mb_at_once_take_an_api_to_300_mb_at_most(
    database_url: str, redis_url: str, tmp_path: Path, kind: str
) -> None:
    port = free_port()
    body = BATCHES[kind]
    assert 15 * MB < len(body) <= 16 * MB
    settings = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_PORT": str(port),
    }
    with running("serve", "--role=api", cwd=tmp_path, **settings) as process:
        await healthy(port)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            timeout=60,
            trust_env=False,
            headers={"Content-Type": "application/json"},
        ) as http:
            batches = [
                asyncio.create_task(http.post("/jobs/batch", content=body)) for _ in range(24)
            ]
            slowest = 0.0
            while not all(task.done() for task in batches):
                began = time.monotonic()
                answer = await http.post("/jobs", json={"tenantId": "small", "type": "echo"})
                slowest = max(slowest, time.monotonic() - began)
                assert answer.status_code == 201, answer.text
            answers = await asyncio.gather(*batches)
            assert all(
                answer.headers["retry-after"] for answer in answers if answer.status_code == 503
            )
            statuses = Counter(answer.status_code for answer in answers)
            assert set(statuses) <= {201, 503}
            assert statuses[201] >= 2
            most = max(
                _most_memory(child)
                for child in [process.pid, *(c.pid for c in psutil.Process(process.pid).children())]
            )
            print(
                f"{kind}: {most} MB at most, {dict(statuses)}, a small one waited {slowest:.2f} "
                "s at most"
            )
            assert most <= 300


def _most_memory(pid: int) -> int:
    """Megabytes, over its life."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(lines["VmHWM"].split()[0]) // 1024


async def test_a_body_that_comes_too_slowly_is_given_up_long_before_its_time(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that had a quick start, too."""
    monkeypatch.setattr(intake, "STEP_S", 1)
    async with serving(database_url, redis_url, role="api") as server:
        for start in (0, 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            head = (
                "POST /jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                "application/json\r\nContent-Length: 1000000\r\n\r\n"
            )
            writer.write(head.encode() + b" " * start)
            began = time.monotonic()
            answer = asyncio.create_task(reader.readline())
            while not answer.done():
                writer.write(b" ")
                await asyncio.wait([answer], timeout=0.1)
            assert answer.result().startswith(b"HTTP/1.1 408 ")
            assert 0.9 < time.monotonic() - began < 8
            writer.transport.abort()


async def test_what_waits_for_postgres_is_bounded(
    server: Server, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "WAITING_BYTES", MB)
    body = batch(100, "x" * 1000)
    transaction = db.transaction()
    await transaction.start()
    await db.execute("LOCK TABLE jobs")
    posts = [
        asyncio.create_task(
            server.http.post(
                "/jobs/batch", content=body, headers={"Content-Type": "application/json"}
            )
        )
        for _ in range(20)
    ]
    await eventually(lambda: sum(post.done() for post in posts) >= 14)
    done, waiting = await asyncio.wait(posts, timeout=0.1)
    assert len(waiting) == 6, "160 KB each"
    for post in done:
        assert (post.result().status_code, post.result().headers["retry-after"]) == (503, "1")
    await transaction.rollback()
    assert {(await post).status_code for post in waiting} == {201}
    assert await db.fetchval("SELECT count(*) FROM jobs") == 600


async def test_an_insert_is_bounded_in_bytes(
    database_url: str, redis_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "GROUP_BYTES", 50_000)
    async with serving(database_url, redis_url, role="api") as server:
        transaction = db.transaction()
        await transaction.start()
        await db.execute("LOCK TABLE jobs")
        posts = []
        for size in (1000, 1000, *[10_000] * 12, 200_000):
            job = {"tenantId": "acme", "type": "echo", "payload": "x" * size}
            posts.append(asyncio.create_task(server.http.post("/jobs", json=job)))
        # Only pg_locks: what else tells of sessions stays as it was for the length of a
        # transaction.
        blocked = """SELECT count(*) >= 2 FROM pg_locks
                     WHERE NOT granted AND relation = 'jobs'::regclass
                       AND mode = 'RowExclusiveLock'"""
        await eventually(lambda: db.fetchval(blocked))
        await transaction.rollback()
        assert {(await post).status_code for post in posts} == {201}
    inserts = await db.fetch(
        "SELECT sum(length(payload::text)) AS bytes, count(*) AS jobs FROM jobs GROUP BY xmin"
    )
    assert len(inserts) >= 4
    assert all(row["bytes"] <= 50_000 or row["jobs"] == 1 for row in inserts), inserts
