"""Redis vanishes, freezes, fills up and lies; jobs are accepted and run as if nothing had
happened."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually

from faults.load import JOB, Load, all_acknowledged_are_done
from faults.proxy import Proxy
from faults.world import World, world


async def completed(broken: World) -> int:
    return int(await broken.value("SELECT count(*) FROM jobs WHERE status = 'COMPLETED'"))


@pytest.mark.alone
@pytest.mark.parametrize("jobs", [25_000, pytest.param(100_000, marks=pytest.mark.soak)])
async def test_a_wiped_redis_costs_less_than_two_seconds(tmp_path: Path, jobs: int) -> None:
    async with world(tmp_path, workers=1) as broken:
        await broken.submit_sql("work", "{}", jobs)
        await eventually(lambda: completed(broken))
        for _ in range(5):
            await broken.cache("FLUSHALL")
            before, wiped = await completed(broken), time.monotonic()

            async def goes_on(before: int = before) -> bool:
                return await completed(broken) > before + 1000

            await eventually(goes_on)
            assert time.monotonic() - wiped < 2
        await broken.all_ended(120)
        assert len(broken.executions()) == 2 * jobs


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_without_redis_jobs_are_accepted_and_run(tmp_path: Path, fault: str) -> None:
    async with world(tmp_path, apis=1, workers=2) as broken:
        async with Load(broken) as load:
            await load.more(30)
            if fault == "killed":
                broken.kill_redis()
            else:
                broken.redis_process().suspend()
            await load.more(150)

            async def catches_up() -> bool:
                return await completed(broken) >= len(load.acknowledged) - 100

            await eventually(catches_up)
            health = (await broken.http.get(f"{broken.apis[0].url}/health")).json()
            assert health["status"] == "degraded"
            if fault == "killed":
                await asyncio.to_thread(broken.redis.start)
            else:
                broken.redis_process().resume()
            await load.more(30)
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
            await load.more(80)
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


async def test_a_redis_behind_a_black_hole_costs_no_answer(tmp_path: Path) -> None:
    async with world(tmp_path) as broken, Proxy(broken.redis_socket) as proxy:
        broken.redis_url = f"redis://127.0.0.1:{proxy.port}"
        for role in ("api", "worker"):
            await broken.is_up(broken.member(role))
        async with Load(broken) as load:
            await load.more(30)
            proxy.swallow = {"up", "down"}
            await load.more(300)  # longer than Redis may be silent
            proxy.swallow = set()
            proxy.cut()
            await load.more(30)
        assert set(load.statuses) == {201}
        assert load.slowest_s < 3  # how much on an idle machine is `make measure`'s to say
        await all_acknowledged_are_done(broken, load)
