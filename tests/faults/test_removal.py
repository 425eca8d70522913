"""Old jobs are removed by processes that die at it."""

from functools import partial
from pathlib import Path

import pytest
from conftest import eventually

from faults.member import Member
from faults.world import World, world
from monoq.store.recount import find_drift

# 5,000 that ended a month and a day ago, and 50 that are kept
OLD = """
    INSERT INTO jobs (id, tenant_id, type, status, created_at, finished_at)
    SELECT encode(overlay(uuid_send(lowest_id(made)) PLACING int4send(n) FROM 13), 'hex')::uuid,
           't' || n % 7, 'x' || n % 2,
           (ARRAY['COMPLETED', 'FAILED', 'CANCELLED'])[n % 3 + 1]::job_status, made, made
    FROM generate_series(1, 5050) AS n,
         LATERAL (SELECT now() - CASE WHEN n > 5000 THEN 3 ELSE 31 END * interval '1 day')
             AS moment (made)
"""
# as if all viewers had been told of them
TOLD = "UPDATE retention SET told = pg_current_xact_id(), mark = pg_current_xact_id()"


def is_dead(member: Member) -> bool:
    return not member.alive


async def left(broken: World) -> int:
    return int(await broken.value("SELECT count(*) FROM jobs"))


async def test_whoever_removes_old_jobs_may_die_at_any_point(tmp_path: Path) -> None:
    """A batch is removed whole or not at all, with its counts; the next process goes on."""
    async with world(tmp_path) as broken:
        await broken.fetch(OLD)
        await broken.fetch(TOLD)
        there = 5050
        for failpoint, removes in (
            ("before_removal", False),
            ("within_removal", False),
            ("after_removal", True),
            ("within_removal", False),
        ):
            victim = broken.member("worker", MONOQ_FAILPOINT=f"{failpoint}:kill9")
            await eventually(partial(is_dead, victim), timeout=60)
            now = await left(broken)
            assert (now < there) == removes, failpoint
            assert await find_drift(broken.database_url) == [], failpoint
            there = now
        assert there > 50
        broken.member("worker")
        await eventually(lambda: broken.value("SELECT count(*) = 50 FROM jobs"), timeout=60)
        assert await find_drift(broken.database_url) == []
        assert await broken.value("SELECT bool_and(jobs >= 0) FROM job_counts")
        floor = "SELECT floor > '0' FROM stream"
        assert await broken.value(floor), "who was told nothing of them reads the table"


async def test_a_process_that_freezes_while_it_removes_holds_nothing_up_for_long(
    tmp_path: Path,
) -> None:
    """PostgreSQL ends its transaction, and with it the lock of whoever removes."""
    async with world(tmp_path) as broken:
        await broken.fetch(OLD)
        await broken.fetch(TOLD)
        victim = broken.member("worker", MONOQ_FAILPOINT="within_removal:stop")
        held = (
            "SELECT count(*) > 0 FROM pg_stat_activity"
            " WHERE state = 'idle in transaction' AND application_name = 'monoq upkeep'"
        )
        await eventually(lambda: broken.value(held), timeout=60)
        assert await left(broken) == 5050
        broken.member("worker")
        await eventually(lambda: broken.value("SELECT count(*) = 50 FROM jobs"), timeout=60)
        victim.thaw()
        assert await left(broken) == 50
        assert await find_drift(broken.database_url) == []


@pytest.mark.soak
async def test_jobs_that_are_kept_for_no_time_go_after_their_end_while_others_run(
    tmp_path: Path,
) -> None:
    """Two processes remove, and one of them is killed; what waits or runs stays."""
    keep = {"MONOQ_KEEP_COMPLETED_DAYS": "0", "MONOQ_KEEP_FAILED_DAYS": "0"}
    async with world(tmp_path, workers=2, apis=1, **keep) as broken:
        (slow,) = await broken.submit_sql("work", '{"ms": 15000}')
        ids = await broken.submit_sql("work", '{"ms": 5}', 500)
        gone = "SELECT count(*) < 400 FROM jobs"
        await eventually(lambda: broken.value(gone), timeout=60)
        broken.workers[0].kill()
        more = await broken.submit_sql("work", '{"ms": 5}', 200)
        await eventually(lambda: broken.value("SELECT count(*) = 0 FROM jobs"), timeout=90)
        done = {job_id for job_id, event, _ in broken.executions() if event == "end"}
        assert {str(job_id) for job_id in (slow, *ids, *more)} <= done
        assert await find_drift(broken.database_url) == []
