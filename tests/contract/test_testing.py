"""monoq.testing and its pytest plugin, as a user's own project uses them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import eventually
from pydantic import BaseModel

import monoq
from monoq.errors import ConfigError, InvalidJson
from monoq.testing import (
    Engines,
    advance,
    assert_not_submitted,
    assert_submitted,
    drain,
    run_handler,
    serving,
    submit,
)

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent.parent

app = monoq.App()


class Email(BaseModel):
    to: str
    tags: tuple[str, ...] = ()


@dataclass
class Moody:
    mood: str


@app.handler("send_email", max_attempts=2, backoff=monoq.Backoff(base=60, jitter=False))
async def send_email(payload: Email, ctx: monoq.JobContext) -> dict[str, Any]:
    if payload.to == "nobody":
        raise ValueError("there is no such person")
    return {"to": payload.to, "attempt": ctx.attempt, "of": ctx.tenant_id, "tags": payload.tags}


@app.handler(timeout=0.1, max_attempts=1)
async def slow() -> None:
    await asyncio.sleep(3600)


@app.handler
def moody(payload: Moody) -> Any:
    match payload.mood:
        case "snooze":
            return monoq.Snooze(5)
        case "cancel":
            raise monoq.Cancel("not today")
        case "retry":
            raise monoq.Retry("soon", delay=7)
        case "no JSON":
            return object()
    return payload.mood


@app.handler(isolated=True)
def apart(payload: int) -> int:
    return payload + 1


@pytest.fixture
def engines(database_url: str, redis_url: str) -> Engines:
    return Engines(database_url, redis_url)


async def test_a_handler_runs_by_itself_and_its_values_pass_through_json() -> None:
    run = await run_handler(send_email, Email(to="a", tags=("x",)), attempt=2, tenant_id="acme")
    assert run.status == "COMPLETED"
    assert run.result == {"to": "a", "attempt": 2, "of": "acme", "tags": ["x"]}
    assert (await run_handler(apart, 1)).result == 2
    with pytest.raises(InvalidJson):
        await run_handler(send_email, object())
    with pytest.raises(ConfigError, match="is not a handler"):
        await run_handler(print, 1)


async def test_each_end_of_a_handler_is_told() -> None:
    failed = await run_handler(send_email, Email(to="nobody"))
    assert (failed.status, failed.error) == ("PENDING", "ValueError: there is no such person")
    assert failed.delay == 60
    assert "raise ValueError" in repr(failed)
    last = await run_handler(send_email, Email(to="nobody"), attempt=2)
    assert (last.status, last.delay) == ("FAILED", None)
    unfit = await run_handler(send_email, {"to": 5})
    assert unfit.status == "FAILED"
    assert "does not fit" in str(unfit.error)
    timed_out = await run_handler(slow)
    assert (timed_out.status, timed_out.error) == ("FAILED", "timed out after 0.1 s")
    ends = {
        mood: (run.status, run.delay)
        for mood in ("snooze", "cancel", "retry", "no JSON", "calm")
        for run in [await run_handler(moody, Moody(mood))]
    }
    assert ends == {
        "snooze": ("PENDING", 5),
        "cancel": ("CANCELLED", None),
        "retry": ("PENDING", 7),
        "no JSON": ("FAILED", None),
        "calm": ("COMPLETED", None),
    }


@app.batch_handler("index")
async def index(jobs: list[monoq.BatchJob[int]]) -> list[int]:
    return [job.payload + len(jobs) for job in jobs]


async def test_a_batch_handler_runs_with_one_job() -> None:
    assert (await run_handler(index, 5)).result == 6


async def with_pool() -> AsyncIterator[str]:
    yield "a pool"


pooled = monoq.App(lifespan=with_pool)


@pooled.handler
async def talk(payload: int, ctx: monoq.JobContext) -> str:
    ctx.progress(0.5, "half")
    ctx.log("said", times=payload)
    return f"with {ctx.state}"


async def test_a_handler_alone_has_its_lifespan_and_what_it_says_is_kept() -> None:
    run = await run_handler(talk, 2)
    assert run.result == "with a pool"
    assert (run.progress, run.log) == ([(0.5, "half")], [("said", {"times": 2})])
    assert (await run_handler(talk, 2, state="a fake")).result == "with a fake"


async def test_drain_runs_all_that_is_due_and_counts_states(engines: Engines) -> None:
    for name in ("a", "b", "nobody"):
        await submit(engines, "acme", send_email, Email(to=name))
    await submit(engines, "acme", "moody", {"mood": "cancel"})
    await submit(engines, "acme", apart, 1)
    await submit(engines, "acme", send_email, Email(to="later"), delay_ms=3_600_000)
    assert await drain(app, engines) == {"PENDING": 2, "COMPLETED": 3, "CANCELLED": 1}
    assert await drain(app, engines, delayed=True) == {
        "COMPLETED": 4,
        "FAILED": 1,
        "CANCELLED": 1,
    }


async def test_time_moves_for_jobs_that_wait_for_theirs(engines: Engines) -> None:
    hour = 3_600_000
    for hours in (3, 1, 2):
        await submit(engines, "acme", moody, Moody(f"{hours}"), delay_ms=hours * hour)
    assert await advance(engines, 1800) == 3
    assert await drain(app, engines) == {"PENDING": 3}
    assert await advance(engines, 1800) == 3
    assert await drain(app, engines) == {"PENDING": 2, "COMPLETED": 1}
    assert await advance(engines) == 2
    assert await drain(app, engines) == {"PENDING": 1, "COMPLETED": 2}
    await drain(app, engines, delayed=True)
    jobs = await assert_submitted(engines, moody, count=3)
    by_end = sorted(jobs, key=lambda job: str(job["finishedAt"]))
    assert [job["result"] for job in by_end] == ["1", "2", "3"], "in the order of their times"


async def test_a_drain_that_does_not_end_names_the_jobs_that_are_left(
    engines: Engines, db: asyncpg.Connection
) -> None:
    await submit(engines, "acme", moody, Moody("calm"))
    await db.execute("INSERT INTO policies VALUES ('tenant', 'acme', 'paused', 1)")
    with pytest.raises(TimeoutError, match=r"after 0\.5 s .*\n  moody of acme, PENDING, attempt 0"):
        await drain(app, engines, timeout=0.5)


async def test_an_assertion_finds_jobs_and_lists_what_there_is(engines: Engines) -> None:
    with pytest.raises(AssertionError, match=r"no job of type 'send_email'; submitted: nothing$"):
        await assert_submitted(engines, send_email)
    await assert_not_submitted(engines, send_email)
    await submit(engines, "acme", "other", {"n": 1})
    await submit(engines, "acme", send_email, Email(to="a", tags=("x",)))
    await submit(engines, "beta", send_email, Email(to="b"))
    (job,) = await assert_submitted(engines, send_email, tenant_id="acme", match={"to": "a"})
    assert (job["tenantId"], job["status"]) == ("acme", "PENDING")
    assert len(await assert_submitted(engines, "send_email", count=2)) == 2
    await assert_submitted(engines, send_email, match=Email(to="b"), count=1)
    await assert_not_submitted(engines, "other", match={"n": True})
    with pytest.raises(AssertionError) as failed:
        await assert_submitted(engines, send_email, tenant_id="beta", match={"to": "c"})
    assert str(failed.value).splitlines() == [
        "no job of type 'send_email' of beta with a payload like {'to': 'c'}; submitted:",
        '  send_email of acme, PENDING, {"to": "a", "tags": ["x"]}',
        '  send_email of beta, PENDING, {"to": "b", "tags": []}',
        '  other of acme, PENDING, {"n": 1}',
    ]
    with pytest.raises(AssertionError, match="not 1 but 2 jobs of type 'send_email'; submitted:"):
        await assert_submitted(engines, send_email, count=1)
    with pytest.raises(AssertionError, match="1 job of type 'other'; submitted:"):
        await assert_not_submitted(engines, "other")


async def test_a_job_that_is_submitted_late_is_seen_within_the_time(engines: Engines) -> None:
    watching = asyncio.create_task(assert_not_submitted(engines, "other", within=10))
    await submit(engines, "acme", "other", 1)
    with pytest.raises(AssertionError, match="1 job of type 'other'"):
        await watching


async def test_an_api_in_the_test_takes_jobs_for_a_drain_or_runs_them(engines: Engines) -> None:
    async with serving(app, engines, worker=False) as url, monoq.Client(url) as client:
        job_id = await client.submit("acme", send_email, Email(to="a"))
        assert await drain(app, engines) == {"COMPLETED": 1}
        assert (await client.get(job_id))["status"] == "COMPLETED"
    async with serving(app, engines) as url, monoq.Client(url) as client:
        job_id = await client.submit("acme", apart, 1)
        assert (await client.wait(job_id))["result"] == 2

        async def other_types() -> bool:
            return "send_email" in {one["name"] for one in await client.types()}

        await eventually(other_types)


async def test_an_isolated_handler_of_an_app_that_no_child_can_find_is_named(
    engines: Engines,
) -> None:
    hidden = monoq.App()
    hidden.handler("apart", isolated=True)(lambda: None)
    with pytest.raises(ConfigError, match="'apart' is isolated: its App must be an attribute"):
        await drain(hidden, engines)


USERS_JOBS = """
import monoq

app = monoq.App()


@app.handler
def double(payload: int) -> int:
    return 2 * payload
"""
USERS_TESTS = """
import asyncio

import asyncpg
import monoq
import pytest
from jobs import app, double
from monoq.testing import assert_submitted, drain, submit


def place_order(database_url):
    async def store():
        connection = await asyncpg.connect(database_url)
        async with connection.transaction():
            await monoq.submit(connection, monoq.NewJob("acme", "double", 21))
        await connection.close()

    asyncio.run(store())


@pytest.mark.parametrize("time", ["first", "second"])
def test_an_order_submits_a_job_which_runs(monoq_engines, time):
    place_order(monoq_engines.database_url)
    (job,) = asyncio.run(assert_submitted(monoq_engines, double, match=21, count=1))
    assert asyncio.run(drain(app, monoq_engines)) == {"COMPLETED": 1}


def test_a_wrong_assertion(monoq_engines):
    place_order(monoq_engines.database_url)
    asyncio.run(assert_submitted(monoq_engines, double, match=22))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a pytest of its own, which finds this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def test_a_users_project_is_tested_with_the_plugin(project: pytest.Pytester) -> None:
    project.makepyfile(jobs=USERS_JOBS, test_jobs=USERS_TESTS)
    ran = project.runpytest_subprocess("-p", "monoq.testing.plugin", "-p", "no:cacheprovider")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(
        [
            "E*AssertionError: no job of type 'double' with a payload like 22; submitted:",
            "E*double of acme, PENDING, 21",
        ]
    )


def test_the_plugin_imports_no_part_of_monoq_that_is_large(project: pytest.Pytester) -> None:
    """Every pytest of an environment with monoq loads it."""
    project.makepyfile(
        """
        import sys

        def test_nothing_of_it_is_loaded():
            large = {"monoq.compose.root", "quart", "hypercorn", "httpx"}
            assert not large & sys.modules.keys()
        """
    )
    ran = project.runpytest_subprocess("-p", "monoq.testing.plugin", "-p", "no:cacheprovider")
    ran.assert_outcomes(passed=1)
