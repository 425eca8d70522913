"""Faults beside ordinary work: long jobs, large payloads, a connection that is away for a while. No
innocent job is charged."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psutil
import pytest
from conftest import eventually

from faults.member import Member
from faults.proxy import Proxy
from faults.world import HERE, World, world

FATES = (
    "SELECT status::text, attempts, crashes, deaths, count(*) AS jobs FROM jobs GROUP BY 1, 2, 3, 4"
)
WORK = {
    "MONOQ_APP": "handlers_for_work:app",
    "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE, HERE.parent.parent))),
}
BOUND_MB = 150  # of a worker's memory, whatever the payloads


def busy_world(
    folder: Path, *, workers: int = 1, **settings: str
) -> AbstractAsyncContextManager[World]:
    """With the handlers of ordinary work."""
    return world(folder, apis=0, workers=workers, **(WORK | settings))


async def fates(broken: World) -> dict[tuple[object, ...], int]:
    return {tuple(row)[:4]: row["jobs"] for row in await broken.fetch(FATES)}


async def test_a_worker_that_is_cut_off_for_less_than_its_lease_keeps_its_jobs(
    tmp_path: Path,
) -> None:
    """It cannot beat for 3 s, though it runs; its lease is 5 s. Another worker looks for lost ones
    all the time."""
    async with (
        busy_world(tmp_path, MONOQ_LEASE="5") as broken,
        Proxy(broken.postgres_socket) as proxy,
    ):
        await broken.is_up(other := broken.workers[0])
        victim = broken.member("worker", **broken.through(postgres=proxy))
        await broken.is_up(victim)
        await broken.trusted()
        other.freeze()  # so that the victim takes them
        await broken.submit_sql("wait", "4", 60)
        await eventually(lambda: _running(broken, victim, 60))
        other.thaw()
        proxy.refuse = True
        proxy.cut()
        await asyncio.sleep(3)  # as long as it is away
        proxy.refuse = False
        await broken.all_ended(30)
        assert await fates(broken) == {("COMPLETED", 1, 0, 0): 60}
        assert await broken.value("SELECT max(claim) FROM jobs") == 1
        assert await broken.value("SELECT bool_and(NOT declared_lost) FROM workers")


async def _running(broken: World, member: Member, jobs: int) -> bool:
    return await broken.running_on(member) == jobs


async def test_a_lease_that_ran_out_while_nobody_looked_is_renewed_with_its_jobs(
    tmp_path: Path,
) -> None:
    """A short lease, and no rescuer but itself: only who takes the jobs ends the right to them."""
    async with (
        busy_world(tmp_path, workers=0, MONOQ_LEASE="2") as broken,
        Proxy(broken.postgres_socket) as proxy,
    ):
        worker = broken.member("worker", **broken.through(postgres=proxy))
        await broken.is_up(worker)
        await broken.submit_sql("wait", "6", 20)
        await eventually(lambda: _running(broken, worker, 20))
        proxy.refuse = True
        proxy.cut()
        await eventually(lambda: broken.value("SELECT bool_and(expires_at < now()) FROM workers"))
        proxy.refuse = False
        await broken.all_ended(30)
        assert await fates(broken) == {("COMPLETED", 1, 0, 0): 20}
        assert await broken.value("SELECT max(claim) FROM jobs") == 1


@pytest.mark.long
async def test_one_kill_of_a_worker_with_long_jobs_fails_none_of_them_and_charges_none(
    tmp_path: Path,
) -> None:
    """They run again as suspects, a few at a time: waiting for a child is no time of theirs, and a
    death no run of theirs."""
    async with busy_world(tmp_path, MONOQ_CHILDREN="16") as broken:
        (victim,) = broken.workers
        await broken.trusted()
        await broken.fetch(
            "INSERT INTO jobs (tenant_id, type, payload, timeout_ms, max_attempts)"
            " SELECT 't', 'wait', '1.5', 2500, 1 FROM generate_series(1, 48)"
        )
        await eventually(lambda: _running(broken, victim, 48))
        victim.kill()
        broken.member("worker")
        await broken.all_ended(60)
        assert {status for status, *_ in await fates(broken)} == {"COMPLETED"}
        assert await broken.value("SELECT max(attempts) FROM jobs") == 1
        assert await broken.value("SELECT max(crashes) FROM jobs") == 0
        assert await broken.value(
            "SELECT bool_and(jsonb_array_length(errors) = 1 AND claim >= 2) FROM jobs"
        )


async def test_the_death_of_a_worker_is_proved_by_its_neighbour_and_not_waited_for(
    tmp_path: Path,
) -> None:
    """The lease is an hour."""
    async with busy_world(tmp_path, MONOQ_LEASE="4") as broken:
        await broken.trusted()
        victim = broken.member("worker", MONOQ_LEASE="3600")
        await broken.is_up(victim)
        (other,) = [member for member in broken.workers if member is not victim]
        other.freeze()
        await broken.submit_sql("wait", "0.5", 10)
        await eventually(lambda: _running(broken, victim, 10))
        victim.kill()
        other.thaw()
        await broken.all_ended(30)
        assert {status for status, *_ in await fates(broken)} == {"COMPLETED"}


async def test_large_payloads_do_not_fill_the_memory_of_a_worker(tmp_path: Path) -> None:
    """300 payloads of 500 KB, 150 MB, are never in one process at once."""
    async with busy_world(tmp_path) as broken:
        (worker,) = broken.workers
        await broken.fetch(
            "INSERT INTO jobs (tenant_id, type, payload) "
            "SELECT 't', 'length', to_jsonb(repeat(md5(n::text), 15625))"
            " FROM generate_series(1, 300) AS n"
        )
        process = psutil.Process(worker.pid)
        largest = 0.0

        async def ended() -> bool:
            nonlocal largest
            largest = max(largest, process.memory_info().rss / 2**20)
            return bool(
                await broken.value("SELECT count(*) = 300 FROM jobs WHERE status = 'COMPLETED'")
            )

        await eventually(ended, timeout=60, every=0.02)
        assert await broken.value("SELECT bool_and(result = '500000') FROM jobs")
        assert await broken.value("SELECT max(attempts) FROM jobs") == 1
        assert largest < BOUND_MB
