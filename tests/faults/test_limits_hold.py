"""Limits hold while workers die: judged by what handlers wrote, not by our tables."""

from pathlib import Path

from conftest import eventually

from faults.world import World, world
from monoq.store.recount import find_drift

CAP = 4
JOBS = 150


def mark(broken: World, event: str, pid: int) -> None:
    """From here on nothing runs in that process. The end of its lease is not awaited: a cap counts
    leases, so this can only make the judge milder between a death and its rescue."""
    with broken.ledger.open("a") as ledger:
        ledger.write(f"- {event} 0 {pid}\n")


def most_at_once(broken: World) -> int:
    """How many handlers have been between their start and their end at once."""
    most, runs = 0, set()
    for line in broken.ledger.read_text().splitlines():
        job, event, claim, pid = line.split()
        if event == "start":
            runs.add((job, claim, pid))
        elif event == "end":
            runs.discard((job, claim, pid))
        else:
            runs = {run for run in runs if run[2] != pid}
        most = max(most, len(runs))
    return most


async def test_a_cap_holds_while_workers_are_killed_and_frozen_and_the_cap_changes(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, apis=1, workers=3) as broken:
        policy = f"{broken.apis[0].url}/tenants/acme"

        async def cap(most: int) -> None:
            answer = await broken.http.put(policy, json={"maxRunning": most})
            answer.raise_for_status()

        await cap(CAP)
        await broken.submit_sql("work", '{"ms": 100}', JOBS)
        killed = await broken.busy_worker()
        await eventually(lambda: broken.runs_in(killed))
        killed.kill()
        mark(broken, "killed", killed.pid)
        await cap(2)
        frozen = await broken.busy_worker()
        frozen.freeze()
        mark(broken, "frozen", frozen.pid)
        await cap(CAP)
        lost = "SELECT declared_lost FROM workers WHERE name LIKE '%:' || $1"
        await eventually(lambda: broken.value(lost, str(frozen.pid)), timeout=30)
        frozen.thaw()
        await broken.all_ended()
        done = "SELECT count(*) FROM jobs WHERE status = 'COMPLETED'"
        assert await broken.value(done) == JOBS
        assert most_at_once(broken) == CAP, "never above it, and all of it is used"
        assert await find_drift(broken.database_url) == []
