"""What an App opens for its handlers, once in each worker process."""

import asyncio
import os
from pathlib import Path
from typing import Any

from conftest import Server, eventually, serving

from contract.processes import running, said

APP = "handlers_with_state:app"


def lines_of(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines()


async def results(server: Server, *types: str) -> list[Any]:
    ids = await server.submit([{"tenantId": "acme", "type": one} for one in types])
    return [(await server.job_when(job_id, "COMPLETED", "FAILED"))["result"] for job_id in ids]


async def test_a_lifespan_is_entered_once_and_left_at_the_stop_and_each_app_has_its_own(
    database_url: str, redis_url: str, ledger: Path
) -> None:
    me = os.getpid()
    async with serving(database_url, redis_url, app=APP) as server:
        assert await results(server, "in-loop", "in-loop", "in-thread", "of-other", "without") == [
            [True, "handlers"],
            [True, "handlers"],
            ["handler", "handlers"],
            "other",
            None,
        ]
        assert lines_of(ledger) == [f"opened {me}", f"other opened {me}"]
    assert lines_of(ledger)[2:] == [f"other closed {me}", f"closed {me}"]


async def test_an_isolated_job_has_the_lifespan_of_its_type_in_its_own_process(
    database_url: str, redis_url: str, ledger: Path
) -> None:
    async with serving(database_url, redis_url, app=APP) as server:
        assert await results(server, "apart") == [[True, "MainThread"]]
        lines = [line.rsplit(" ", 1) for line in lines_of(ledger)]
        of_child = [what for what, pid in lines if int(pid) != os.getpid()]
        assert of_child == ["opened", "ran", "closed"]


async def test_a_lifespan_that_fails_ends_the_worker_and_charges_no_job(
    database_url: str, redis_url: str, ledger: Path, tmp_path: Path
) -> None:
    ledger.with_name("ledger.broken").touch()
    settings = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_APP": APP,
        "LEDGER": str(ledger),
    }
    async with serving(database_url, redis_url, app=APP, role="api") as api:
        (job_id,) = await api.submit([{"tenantId": "acme", "type": "in-loop"}])
        with running("serve", "--role=worker", cwd=tmp_path, **settings) as worker:
            assert await asyncio.to_thread(worker.wait, 60) == 1
        assert "ConnectionError: the mail server is away" in said(tmp_path)
        assert (await api.job(job_id))["attempts"] == 0
        ledger.with_name("ledger.broken").unlink()
        with running("serve", "--role=worker", cwd=tmp_path, **settings):
            assert (await api.job_when(job_id, "COMPLETED"))["attempts"] == 1


async def test_a_lifespan_is_entered_again_for_the_loop_that_takes_the_place_of_a_stuck_one(
    database_url: str, redis_url: str, ledger: Path
) -> None:
    async with serving(database_url, redis_url, app=APP) as server:
        await server.submit([{"tenantId": "acme", "type": "sticks", "payload": 8.0}])
        await eventually(lambda: ledger.read_text().count("\nopened") == 1, timeout=30)
        assert await results(server, "in-loop", "in-thread") == [
            [True, "handlers"],
            ["handler", "handlers"],
        ]
        # The stuck one returns at last, and leaves what it had entered.
        await eventually(lambda: ledger.read_text().count("\nclosed") == 1, timeout=30)
