"""Jobs with the same key run one at a time, in the order of their submits."""

import asyncio
from collections import defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving

from contract.processes import running
from monoq import NewJob, submit

APP = "handlers_with_keys:app"  # of `server`
pytestmark = pytest.mark.usefixtures("ledger")


def job(key: str | None, n: int, **more: Any) -> dict[str, Any]:
    wire: dict[str, Any] = {"tenantId": "acme", "type": "serial", "key": key}
    if "delayMs" in more:
        wire["delayMs"] = more.pop("delayMs")
    return wire | {"payload": {"key": key, "n": n, **more}}


def lines(ledger: Path) -> list[list[str]]:
    return [line.split() for line in ledger.read_text().splitlines()]


def begun(ledger: Path, key: str) -> list[int]:
    """The numbers of the jobs of a key, in the order in which they first began."""
    numbers = [int(n) for what, of, n, _ in lines(ledger) if (what, of) == ("begins", key)]
    return list(dict.fromkeys(numbers))


def side_by_side(ledger: Path) -> list[str]:
    """Keys of which two jobs ran at once, as their handlers saw it."""
    running_now: defaultdict[str, set[str]] = defaultdict(set)
    found: list[str] = []
    for what, key, n, _ in lines(ledger):
        if what == "begins":
            running_now[key].add(n)
            if len(running_now[key]) > 1:
                found.append(key)
        else:
            running_now[key].discard(n)
    return found


async def completed(server: Server, ids: list[str]) -> None:
    for job_id in ids:
        await server.job_when(job_id, "COMPLETED")


async def test_jobs_of_a_key_run_one_at_a_time_in_their_order_and_keys_side_by_side(
    server: Server, ledger: Path, db: asyncpg.Connection
) -> None:
    ids = await server.submit([job(f"k{n % 5}", n) for n in range(200)])
    await completed(server, ids)
    assert side_by_side(ledger) == []
    for key in range(5):
        assert begun(ledger, f"k{key}") == list(range(key, 200, 5))
    keys = [line[1] for line in lines(ledger)]
    assert len(set(keys[:20])) > 1, "one key does not wait for another"
    assert await db.fetchval("SELECT count(*) FROM job_keys") == 0
    assert await db.fetchval("SELECT count(*) FROM keyed_jobs") == 0


async def test_a_job_that_waits_for_another_attempt_holds_its_key(
    server: Server, ledger: Path
) -> None:
    ids = await server.submit([job("a", 0, fails=2), job("a", 1), job("b", 2)])
    await completed(server, ids)
    assert [n for what, key, n, _ in lines(ledger) if (what, key) == ("begins", "a")] == [
        *("0", "0", "0"),
        "1",
    ]


async def test_the_next_job_of_a_key_begins_soon_after_the_one_before_it(
    server: Server, ledger: Path
) -> None:
    ids = await server.submit([job("a", n, seconds=0) for n in range(60)])
    async with asyncio.timeout(60 * 0.15):  # a look each quarter of a second would take longer
        await completed(server, ids)
    assert begun(ledger, "a") == list(range(60))


async def test_a_waiting_job_of_a_key_can_be_cancelled_and_is_listed_and_explained(
    server: Server, ledger: Path
) -> None:
    first, second, third = await server.submit([job("a", n, seconds=1.0) for n in range(3)])
    await server.job_when(first, "RUNNING")
    answer = await server.http.get("/jobs?tenantId=acme&status=PENDING")
    assert [one["id"] for one in answer.json()["jobs"]] == [third, second]
    reason = (await server.http.get(f"/jobs/{third}/explain")).json()["reason"]
    assert reason == {"code": "key", "key": "a", "heldBy": [first]}
    assert (await server.http.post(f"/jobs/{second}/cancel")).status_code == 200
    await completed(server, [first, third])
    assert begun(ledger, "a") == [0, 2]
    assert (await server.job(third))["key"] == "a"


async def test_a_cancelled_holder_lets_the_next_one_run(server: Server, ledger: Path) -> None:
    first, second = await server.submit([job("a", 0, delayMs=3_600_000), job("a", 1)])
    assert (await server.job(second))["status"] == "PENDING"
    assert (await server.http.post(f"/jobs/{first}/cancel")).status_code == 200
    await completed(server, [second])
    assert (await server.http.post(f"/jobs/{first}/retry")).status_code == 200
    await completed(server, [first])
    assert begun(ledger, "a") == [1, 0]


async def test_a_revived_job_goes_behind_the_others_of_its_key(
    server: Server, ledger: Path
) -> None:
    first, second, third = await server.submit([job("a", 0), job("a", 1, seconds=1.0), job("a", 2)])
    assert (await server.http.post(f"/jobs/{third}/cancel")).status_code == 200
    await server.job_when(second, "RUNNING")
    (fourth,) = await server.submit([job("a", 3)])
    assert (await server.http.post(f"/jobs/{third}/retry")).status_code == 200
    await completed(server, [first, second, third, fourth])
    assert begun(ledger, "a") == [0, 1, 3, 2]


async def test_deleted_jobs_leave_their_key(
    server: Server, ledger: Path, db: asyncpg.Connection
) -> None:
    first, second = await server.submit([job("a", 0, delayMs=3_600_000), job("a", 1)])
    await db.execute("DELETE FROM jobs WHERE id = $1", first)
    await completed(server, [second])
    assert await db.fetchval("SELECT count(*) FROM job_keys") == 0


async def test_keys_of_tenants_are_their_own_and_a_bad_key_is_named(
    server: Server, ledger: Path
) -> None:
    ids = await server.submit([job("a", n, seconds=0.5) | {"tenantId": f"t{n}"} for n in range(10)])
    await completed(server, ids)
    assert ("begins", "begins") in pairwise(what for what, *_ in lines(ledger)), "side by side"
    for bad in ("", "x" * 257, 7):
        answer = await server.http.post("/jobs", json=job("a", 0) | {"key": bad})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "key"


@pytest.mark.parametrize("times", [10, pytest.param(25, marks=pytest.mark.soak)])
async def test_racing_submits_cancels_and_retries_strand_no_job_of_a_key(
    server: Server, ledger: Path, db: asyncpg.Connection, times: int
) -> None:
    """Many connections enter and leave three keys at once: whoever is left runs, one at a time."""
    ids: list[str] = []

    async def add(worker: int) -> None:
        for n in range(times):
            created = await server.http.post("/jobs", json=job(f"k{n % 3}", 100 * worker + n))
            ids.append(created.json()["jobId"])

    async def cancel() -> None:
        for _ in range(2 * times):
            await asyncio.sleep(0.01)
            for one in ids[-3:]:
                await server.http.post(f"/jobs/{one}/cancel")
            for one in ids[-30::7]:
                await server.http.post(f"/jobs/{one}/retry")

    await asyncio.gather(*(add(worker) for worker in range(6)), cancel(), cancel())

    async def all_ended() -> bool:
        return not await db.fetchval(
            "SELECT count(*) FROM jobs WHERE status IN ('PENDING', 'RUNNING')"
        )

    await eventually(all_ended, timeout=60)
    assert await db.fetchval("SELECT count(*) FROM job_keys") == 0
    assert await db.fetchval("SELECT count(*) FROM keyed_jobs") == 0


async def test_a_key_in_sql_and_in_the_callers_transaction(
    server: Server, ledger: Path, db: asyncpg.Connection
) -> None:
    payload = '{"key": "a", "n": 0, "seconds": 0.3}'
    first = await db.fetchval("SELECT monoq_submit('acme', 'serial', $1, key => 'a')", payload)
    (second,) = await submit(
        db, NewJob("acme", "serial", {"key": "a", "n": 1, "seconds": 0.1}, key="a")
    )
    await completed(server, [str(first), str(second.id)])
    assert begun(ledger, "a") == [0, 1]


SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    ("limited", "kills"),
    [(True, 1), pytest.param(True, 3, marks=SOAK), pytest.param(False, 3, marks=SOAK)],
)
async def test_a_key_holds_though_workers_are_killed(
    database_url: str,
    redis_url: str,
    ledger: Path,
    tmp_path: Path,
    db: asyncpg.Connection,
    limited: bool,
    kills: int,
) -> None:
    settings = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_APP": APP,
        "LEDGER": str(ledger),
    }
    async with serving(database_url, redis_url, app=APP, role="api") as api:
        if limited:
            policy = {"maxRunning": 100}
            assert (await api.http.put("/defaults", json=policy)).status_code == 200
        ids = await api.submit([job(f"k{n % 4}", n, seconds=0.02) for n in range(200)])

        async def begins_more(than: int) -> bool:
            return len(lines(ledger)) > than

        for _ in range(kills):
            with (
                running("serve", "--role=worker", cwd=tmp_path, **settings) as worker,
                running("serve", "--role=worker", cwd=tmp_path, **settings) as other,
            ):
                before = len(lines(ledger))
                await eventually(partial(begins_more, before + 10), timeout=30)
                for one in (worker, other):
                    one.kill()
                    await asyncio.to_thread(one.wait)
        with running("serve", "--role=worker", cwd=tmp_path, **settings):
            await completed(api, ids)
    for key in range(4):
        assert begun(ledger, f"k{key}") == list(range(key, 200, 4)), "in order, none left out"
    # A run that was killed never ended; what began after it is its own next run.
    open_runs: dict[str, str] = {}
    for what, of, n, _ in lines(ledger):
        if what == "begins":
            assert open_runs.get(of) in (None, n)
            open_runs[of] = n
        else:
            open_runs.pop(of, None)


async def test_a_submit_may_replace_the_job_of_its_key_that_waits(
    server: Server, ledger: Path
) -> None:
    async def post(n: int, **more: Any) -> tuple[int, str]:
        answer = await server.http.post("/jobs", json=job("a", n) | {"replace": True} | more)
        return answer.status_code, answer.json()["jobId"]

    status, first = await post(0, delayMs=3_600_000)
    assert status == 201
    for n in range(1, 5):
        assert await post(n, delayMs=3_600_000) == (200, first)
    assert (await server.job(first))["payload"]["n"] == 4
    assert await post(5) == (200, first)
    await completed(server, [first])
    assert begun(ledger, "a") == [5]
    assert (await post(6))[0] == 201, "what has ended is not replaced"


async def test_a_running_job_is_not_replaced_but_the_one_behind_it_is(
    server: Server, ledger: Path
) -> None:
    (first,) = await server.submit([job("a", 0, seconds=1.0)])
    await server.job_when(first, "RUNNING")
    ids = set()
    for n in range(1, 4):
        answer = await server.http.post("/jobs", json=job("a", n) | {"replace": True})
        ids.add(answer.json()["jobId"])
    (behind,) = ids
    await completed(server, [first, behind])
    assert begun(ledger, "a") == [0, 3]


async def test_of_racing_replacements_one_job_is_left(
    server: Server, ledger: Path, db: asyncpg.Connection
) -> None:
    wire = [job(f"k{n % 2}", n, delayMs=3_600_000) | {"replace": True} for n in range(80)]
    answers = await asyncio.gather(*(server.http.post("/jobs", json=one) for one in wire))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert await db.fetchval("SELECT count(*) FROM jobs") == 2
    assert len({answer.json()["jobId"] for answer in answers}) == 2


async def test_what_a_replacement_needs_is_named(server: Server, ledger: Path) -> None:
    for wrong in ({"key": None}, {"idempotencyKey": "x"}):
        answer = await server.http.post("/jobs", json=job("a", 0) | {"replace": True} | wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "replace"
