"""Handlers that take many jobs in one call."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving

from contract.processes import running

APP = "handlers_in_batches:app"  # of `server`
pytestmark = pytest.mark.usefixtures("ledger")


def calls(ledger: Path, what: str = "call") -> list[list[Any]]:
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    return [numbers for kind, numbers in lines if kind == what]


async def ended(
    server: Server, count: int, do: dict[int, str], job_type: str = "index"
) -> list[dict[str, Any]]:
    """How `count` jobs ended that were submitted together; what the others do is in `do`."""
    ids = await server.submit(
        [
            {"tenantId": "acme", "type": job_type, "payload": {"n": n, "do": do.get(n, "")}}
            for n in range(count)
        ]
    )

    async def all_ended() -> list[dict[str, Any]] | None:
        jobs = [await server.job(job_id) for job_id in ids]
        return jobs if all(job["finishedAt"] for job in jobs) else None

    return list(await eventually(all_ended, timeout=60, every=0.1))


async def test_many_jobs_take_few_calls_and_each_has_its_own_result(
    server: Server, ledger: Path
) -> None:
    jobs = await ended(server, 500, {})
    assert [job["result"] for job in jobs] == [{"n": n} for n in range(500)]
    assert {job["attempts"] for job in jobs} == {1}
    assert sorted(n for call in calls(ledger) for n in call) == list(range(500))
    assert max(map(len, calls(ledger))) <= 64
    assert len(calls(ledger)) < 50


async def test_each_job_of_a_call_ends_in_its_own_way(server: Server, ledger: Path) -> None:
    do = {1: "retry", 2: "fail", 3: "cancel", 4: "error", 5: "forget"}
    jobs = await ended(server, 10, do)
    assert [(job["status"], job["attempts"], job["error"]) for job in jobs[1:6]] == [
        ("FAILED", 2, "again"),
        ("FAILED", 1, "no use"),
        ("CANCELLED", 1, "no longer"),
        ("FAILED", 2, "KeyError: 'own'"),
        ("FAILED", 2, "NoOutcome: the batch handler returned no outcome for this job"),
    ]
    assert {job["status"] for job in [jobs[0], *jobs[6:]]} == {"COMPLETED"}
    assert sorted(calls(ledger, "failed")) == sorted(
        [job["error"]] for job in jobs if job["status"] == "FAILED"
    )


@pytest.mark.parametrize("bad", [0, 17, 63])
async def test_when_a_call_raises_the_one_to_blame_is_found_and_nobody_else_is_charged(
    server: Server, ledger: Path, bad: int
) -> None:
    jobs = await ended(server, 64, {bad: "raise"})
    for n, job in enumerate(jobs):
        if n == bad:
            assert (job["status"], job["attempts"]) == ("FAILED", 2)
            assert job["error"] == f"RuntimeError: bad {bad}"
            assert "handlers_in_batches.py" in job["errors"][0]["traceback"]
        else:
            assert (job["status"], job["attempts"], job["errors"]) == ("COMPLETED", 1, [])
    first = next(call for call in calls(ledger) if bad in call)  # the others came in more batches
    of_the_bad = [
        call
        for call in calls(ledger)
        if set(call) <= set(first) and (len(call) > 1 or call == [bad])
    ]
    most = 2 * math.log2(max(len(first), 4)) + 3
    assert len(of_the_bad) <= most, "one more call is its second run"


async def test_several_bad_ones_are_found_too(server: Server) -> None:
    bad = {3: "raise", 4: "raise", 40: "raise"}
    jobs = await ended(server, 50, bad)
    for n, job in enumerate(jobs):
        assert job["status"] == ("FAILED" if n in bad else "COMPLETED")
        assert n in bad or job["errors"] == []


async def test_a_call_that_hangs_times_out_one_job_alone(server: Server) -> None:
    jobs = await ended(server, 8, {5: "hang"}, "index-soon")
    assert jobs[5]["status"] == "FAILED"
    assert jobs[5]["error"] == "timed out after 0.7 s"
    for n in (0, 1, 2, 3, 4, 6, 7):
        assert (jobs[n]["status"], jobs[n]["errors"]) == ("COMPLETED", [])


async def test_a_batch_that_blocks_the_loop_is_taken_apart_in_processes_of_its_jobs(
    server: Server,
) -> None:
    jobs = await ended(server, 6, {2: "block"}, "index-soon")
    assert (jobs[2]["status"], jobs[2]["error"]) == ("FAILED", "timed out after 0.7 s")
    for n in (0, 1, 3, 4, 5):
        assert (jobs[n]["status"], jobs[n]["attempts"]) == ("COMPLETED", 1)


async def test_a_payload_that_does_not_fit_fails_alone(server: Server, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    bad = await connection.fetchval("""SELECT monoq_submit('acme', 'index', '{"n": "x"}')""")
    await connection.close()
    jobs = await ended(server, 5, {})
    assert {job["status"] for job in jobs} == {"COMPLETED"}
    job = await server.job_when(str(bad), "FAILED")
    assert "does not fit" in job["error"]


async def test_the_jobs_of_a_call_are_of_one_tenant_unless_the_handler_takes_any(
    server: Server, ledger: Path
) -> None:
    for job_type in ("index", "index-soon"):
        ids = await server.submit(
            [{"tenantId": f"t{n % 2}", "type": job_type, "payload": {"n": n}} for n in range(8)]
        )
        for job_id in ids:
            await server.job_when(job_id, "COMPLETED")
        parities = {frozenset(n % 2 for n in call) for call in calls(ledger)}
        assert (frozenset({0, 1}) in parities) == (job_type == "index-soon")


async def test_a_cancelled_job_leaves_its_batch_and_the_others_go_on(server: Server) -> None:
    ids = await server.submit(
        [
            {"tenantId": "acme", "type": "index", "payload": {"n": n, "do": "sleep"}}
            for n in range(4)
        ]
    )
    await server.job_when(ids[1], "RUNNING")
    assert (await server.http.post(f"/jobs/{ids[1]}/cancel")).status_code == 200
    for job_id in (ids[0], ids[2], ids[3]):
        assert (await server.job_when(job_id, "COMPLETED"))["attempts"] == 1
    assert (await server.job(ids[1]))["status"] == "CANCELLED"


async def test_an_answer_of_the_wrong_shape_is_told(server: Server) -> None:
    jobs = await ended(server, 3, {}, "wrong")
    for job in jobs:
        assert job["status"] == "FAILED"
        assert "one outcome per job" in job["error"]


async def test_a_job_that_kills_the_process_of_its_batch_fails_alone(
    database_url: str, redis_url: str, ledger: Path, tmp_path: Path
) -> None:
    settings = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_APP": APP,
        "LEDGER": str(ledger),
    }
    async with serving(database_url, redis_url, app=APP, role="api") as api:
        jobs = asyncio.create_task(ended(api, 6, {4: "exit"}))
        with running("serve", "--role=worker", cwd=tmp_path, **settings) as worker:
            assert await asyncio.to_thread(worker.wait, 60) == 7
        with running("serve", "--role=worker", cwd=tmp_path, **settings):
            ends = await jobs
    assert (ends[4]["status"], ends[4]["error"]) == ("FAILED", "its process died (exit code 7)")
    for n in (0, 1, 2, 3, 5):
        assert (ends[n]["status"], ends[n]["attempts"], ends[n]["crashes"]) == ("COMPLETED", 1, 0)
