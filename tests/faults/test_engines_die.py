"""Redis and PostgreSQL vanish, freeze, fill up and lie; jobs go on, and every request is answered."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import eventually

from faults.load import JOB, Load, all_acknowledged_are_done
from faults.proxy import Proxy
from faults.world import World, free_port, world


async def completed(broken: World) -> int:
    return int(await broken.value("SELECT count(*) FROM jobs WHERE status = 'COMPLETED'"))


@pytest.mark.alone
async def test_a_wiped_redis_costs_less_than_a_second(tmp_path: Path) -> None:
    async with world(tmp_path, workers=1) as broken:
        await broken.submit_sql("work", "{}", 100_000)
        await eventually(lambda: completed(broken))
        for _ in range(5):
            await broken.cache("FLUSHALL")
            before, wiped = await completed(broken), time.monotonic()

            async def goes_on(before: int = before) -> bool:
                return await completed(broken) > before + 1000

            await eventually(goes_on)
            assert time.monotonic() - wiped < 2
        await broken.all_ended(120)
        assert len(broken.executions()) == 200_000


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_without_redis_jobs_are_accepted_and_run(tmp_path: Path, fault: str) -> None:
    async with world(tmp_path, apis=1, workers=2) as broken:
        async with Load(broken) as load:
            await load.more(100)
            if fault == "killed":
                broken.kill_redis()
            else:
                broken.redis_process().suspend()
            await load.more(300)

            async def catches_up() -> bool:
                return await completed(broken) >= len(load.acknowledged) - 100

            await eventually(catches_up)
            health = (await broken.http.get(f"{broken.apis[0].url}/health")).json()
            assert health["status"] == "degraded"
            if fault == "killed":
                await asyncio.to_thread(broken.redis.start)
            else:
                broken.redis_process().resume()
            await load.more(100)
        assert set(load.statuses) == {201}
        assert load.slowest_s < 3  # how much on an idle machine is `make measure`'s to say
        await all_acknowledged_are_done(broken, load)
        await eventually(lambda: _ok(broken))
        assert len(broken.workers) == 2


async def _ok(broken: World) -> bool:
    return bool((await broken.http.get(f"{broken.apis[0].url}/health")).json()["status"] == "ok")


@pytest.mark.parametrize("fault", ["full", "wrong type", "junk"])
async def test_a_redis_that_refuses_or_lies_does_no_harm(tmp_path: Path, fault: str) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        (finished,) = await broken.submit([JOB])
        await broken.all_ended()
        if fault == "full":
            await broken.cache("CONFIG", "SET", "maxmemory", "1")
        elif fault == "wrong type":
            await broken.cache("SET", "job_queue", "x")
        else:
            junk: list[Any] = [
                b"\xff\x00",
                "x" * 1_000_000,
                "0" * 36,
                "",
                finished,
                finished,
                *["11111111-1111-7111-8111-111111111111"] * 1000,
            ]
            await broken.cache("RPUSH", "job_queue", *junk)
        async with Load(broken) as load:
            await load.more(200)
        await all_acknowledged_are_done(broken, load)
        assert set(load.statuses) == {201}
        assert len(broken.executions()) == 2 * (len(load.acknowledged) + 1)
        if fault == "full":
            await broken.cache("CONFIG", "SET", "maxmemory", "0")
        await broken.submit([JOB] * 10)
        await broken.all_ended()
        await eventually(lambda: _empty(broken))


async def _empty(broken: World) -> bool:
    return bool(await broken.cache("EXISTS", "job_queue") == 0)


async def test_postgres_restarts_and_everything_goes_on_by_itself(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=2) as broken:
        await broken.submit_sql("work", '{"ms": 2500}', 20)
        await broken.busy_worker()
        async with Load(broken) as load:
            await load.more(100)
            for _ in range(2):
                await asyncio.to_thread(broken.kill_postgres)
                await eventually(lambda: 503 in load.statuses)
                await asyncio.to_thread(broken.postgres.start)
                started = time.monotonic()
                await load.more(1)
                assert time.monotonic() - started < 3
                await load.more(100)
        assert set(load.statuses) == {201, 503}
        assert load.slowest_s < 5.5
        await all_acknowledged_are_done(broken, load)
        assert all(member.alive for member in broken.members)
        assert await broken.value("SELECT count(*) FROM jobs WHERE deaths > 0") == 0


@pytest.mark.long
async def test_a_frozen_postgres_gets_every_request_an_answer_within_five_seconds(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        async with Load(broken) as load:
            await load.more(50)
            broken.freeze_postgres()
            frozen = time.monotonic()
            statuses: list[int] = []
            slowest = slowest_health = 0.0
            while time.monotonic() - frozen < 12:
                for path in ("/health", "/jobs?tenantId=acme", "/stats?tenantId=acme"):
                    began = time.monotonic()
                    statuses.append((await broken.http.get(f"{broken.apis[0].url}{path}")).status_code)
                    slowest = max(slowest, time.monotonic() - began)
                    if path == "/health":
                        slowest_health = max(slowest_health, time.monotonic() - began)
            broken.thaw_postgres()
            await load.more(50)
        assert set(statuses) == {503}
        assert slowest < 5
        assert slowest_health < 1.5  # it waits 0.7 s for an engine; a load balancer does not wait much longer
        assert load.slowest_s < 5
        assert set(load.statuses) <= {201, 503}
        await all_acknowledged_are_done(broken, load)
        assert all(member.alive for member in broken.members)


async def test_a_scrape_is_answered_within_two_seconds_while_both_engines_are_frozen(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1) as broken:
        worker = broken.member("worker", MONOQ_METRICS_PORT=str(port := free_port()))
        await broken.is_up(worker)
        await broken.submit([JOB] * 10)
        await broken.all_ended()
        urls = {f"{broken.apis[0].url}/metrics": 'monoq_jobs_submitted_total{type="work"} 10.0'}
        urls[f"http://127.0.0.1:{port}/metrics"] = 'monoq_jobs_completed_total{type="work"} 10.0'

        async def tells(up: int, url: str, counted: str) -> bool:
            began = time.monotonic()
            text = (await broken.http.get(url)).text
            assert time.monotonic() - began < 2
            assert counted in text
            assert ("monoq_jobs_waiting NaN" in text) is ("monoq_postgres_up 0.0" in text)
            return f"monoq_postgres_up {up}.0" in text and f"monoq_redis_up {up}.0" in text

        async def told(up: int) -> bool:
            return all(await asyncio.gather(*[tells(up, url, counted) for url, counted in urls.items()]))

        await eventually(lambda: told(1))
        broken.freeze_postgres()
        broken.redis_process().suspend()
        for _ in range(3):
            assert await told(0)
        broken.redis_process().resume()
        broken.thaw_postgres()
        await eventually(lambda: told(1))


async def test_a_postgres_that_turns_read_only_is_waited_out(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        async with Load(broken) as load:
            await load.more(50)
            await broken.fetch("ALTER SYSTEM SET default_transaction_read_only = on")
            await broken.fetch("SELECT pg_reload_conf()")
            await eventually(lambda: 503 in load.statuses)
            connection = await broken.connect()
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.close()
            await load.more(50)
        assert set(load.statuses) == {201, 503}
        await all_acknowledged_are_done(broken, load)
        assert all(member.alive for member in broken.members)


async def test_connections_cut_at_random_lose_nothing_and_free_no_live_workers_jobs(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=2) as broken:
        await broken.submit_sql("work", '{"ms": 3000}', 20)
        await broken.busy_worker()
        async with Load(broken) as load:
            for _ in range(12):
                await broken.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'monoq%' ORDER BY random() LIMIT 3"
                )
                await load.more(30)
        await all_acknowledged_are_done(broken, load)
        assert await broken.value("SELECT count(*) FROM jobs WHERE deaths > 0") == 0
        assert all(member.alive for member in broken.members)


async def test_too_many_connections_are_a_503_and_no_crash(tmp_path: Path) -> None:
    async with world(tmp_path, apis=1, workers=1) as broken:
        await broken.submit([JOB] * 10)
        await broken.all_ended()
        held: list[asyncpg.Connection] = []
        theirs = "FROM pg_stat_activity WHERE application_name IN ('monoq api', 'monoq worker')"
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                held.append(await broken.connect())
        await held[0].execute(f"SELECT pg_terminate_backend(pid) {theirs}")
        await eventually(lambda: held[0].fetchval(f"SELECT count(*) = 0 {theirs}"))
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                held.append(await broken.connect())
        answer = await broken.http.post(f"{broken.apis[0].url}/jobs", json=JOB)
        assert answer.status_code == 503
        for connection in held:
            await connection.close()
        await eventually(lambda: _accepted(broken))
        await broken.all_ended()
        assert all(member.alive for member in broken.members)


async def _accepted(broken: World) -> bool:
    return (await broken.http.post(f"{broken.apis[0].url}/jobs", json=JOB)).status_code == 201


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 400 MB; skips where none may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=700", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with world(disk, apis=1, workers=1) as broken:
            async with Load(broken) as load:
                await load.more(100)
                ballast = disk / "ballast"
                with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * 65536)
                await eventually(lambda: 503 in load.statuses, timeout=60)
                ballast.unlink()
                await asyncio.to_thread(broken.postgres.start)
                await load.more(100)
            assert set(load.statuses) == {201, 503}
            await all_acknowledged_are_done(broken, load)
            assert all(member.alive for member in broken.members)


async def test_a_redis_behind_a_black_hole_costs_no_answer(tmp_path: Path) -> None:
    async with world(tmp_path) as broken, Proxy(broken.redis_socket) as proxy:
        broken.redis_url = f"redis://127.0.0.1:{proxy.port}"
        for role in ("api", "worker"):
            await broken.is_up(broken.member(role))
        async with Load(broken) as load:
            await load.more(100)
            proxy.swallow = {"up", "down"}
            await load.more(300)
            proxy.swallow = set()
            proxy.cut()
            await load.more(50)
        assert set(load.statuses) == {201}
        assert load.slowest_s < 3  # how much on an idle machine is `make measure`'s to say
        await all_acknowledged_are_done(broken, load)
