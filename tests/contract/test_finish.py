"""The end of a job inside its handler's own transaction: once in the tables of the user."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving

from contract.processes import running

APP = "handlers_that_report:app"  # of `server`


@pytest.fixture(autouse=True)
async def _table(
    database_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", database_url)
    await db.execute("CREATE TABLE invoices (job_id uuid, attempt int)")


async def submit(server: Server, job_type: str = "invoice", **payload: Any) -> str:
    (job_id,) = await server.submit([{"tenantId": "acme", "type": job_type, "payload": payload}])
    return job_id


async def invoices(db: asyncpg.Connection) -> list[tuple[str, int]]:
    rows = await db.fetch("SELECT job_id, attempt FROM invoices")
    return [(str(row["job_id"]), row["attempt"]) for row in rows]


@pytest.mark.parametrize("job_type", ["invoice", "invoice-apart"])
async def test_the_job_and_the_writes_of_its_handler_are_committed_together(
    server: Server, db: asyncpg.Connection, job_type: str
) -> None:
    job_id = await submit(server, job_type)
    job = await server.job_when(job_id, "COMPLETED", "FAILED")
    assert (job["status"], job["result"], job["attempts"]) == ("COMPLETED", {"attempt": 1}, 1)
    assert await invoices(db) == [(job_id, 1)]
    assert "monoq_stale_writes_total 0.0" in (await server.http.get("/metrics")).text


async def test_the_callback_of_a_job_belongs_to_its_handlers_transaction(
    server: Server, db: asyncpg.Connection
) -> None:
    job = {"tenantId": "acme", "type": "invoice", "callbackUrl": "https://example.com/done"}
    (job_id,) = await server.submit([job | {"payload": {"rolls_back": 1}}])
    await server.job_when(job_id, "COMPLETED", "FAILED")
    made = await db.fetch(
        "SELECT payload #>> '{body,id}', payload #>> '{body,attempts}' FROM jobs"
        " WHERE type = 'webhook'"
    )
    assert [tuple(row) for row in made] == [(job_id, "2")]


async def test_a_transaction_that_was_rolled_back_is_a_failed_attempt(
    server: Server, db: asyncpg.Connection
) -> None:
    job_id = await submit(server, rolls_back=1)
    job = await server.job_when(job_id, "COMPLETED", "FAILED")
    assert (job["status"], job["result"], job["attempts"]) == ("COMPLETED", {"attempt": 2}, 2)
    assert "was not committed" in job["errors"][0]["error"]
    assert await invoices(db) == [(job_id, 2)]


async def test_an_error_after_the_commit_changes_nothing(
    server: Server, db: asyncpg.Connection
) -> None:
    job_id = await submit(server, raises=True)
    (other,) = await server.submit([{"tenantId": "acme", "type": "echo"}])
    await server.job_when(other, "COMPLETED")
    job = await server.job_when(job_id, "COMPLETED", "FAILED")
    assert (job["status"], job["attempts"], job["errors"]) == ("COMPLETED", 1, [])
    assert await invoices(db) == [(job_id, 1)]


async def test_a_job_cancelled_meanwhile_takes_the_writes_back(
    server: Server, db: asyncpg.Connection
) -> None:
    job_id = await submit(server, waits=1.0)
    await server.job_when(job_id, "RUNNING")
    assert (await server.http.post(f"/jobs/{job_id}/cancel")).status_code == 200
    await eventually(lambda: _nobody_writes(db))
    assert (await server.job(job_id))["status"] == "CANCELLED"
    assert await invoices(db) == []


async def _nobody_writes(db: asyncpg.Connection) -> bool:
    return not await db.fetchval(
        "SELECT count(*) FROM pg_locks WHERE relation = 'invoices'::regclass"
        " AND pid <> pg_backend_pid()"
    )


async def test_without_a_transaction_it_is_refused(server: Server) -> None:
    job = await server.job_when(await submit(server, "finishes-outside"), "COMPLETED", "FAILED")
    assert job["error"] == "ctx.finish needs a connection inside a transaction"


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_each_job_is_invoiced_once_though_workers_are_killed(
    database_url: str, redis_url: str, db: asyncpg.Connection, tmp_path: Path, kills: int
) -> None:
    settings = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_APP": APP,
        "TEST_DATABASE_URL": database_url,
    }
    async with serving(database_url, redis_url, app="handlers_for_tests:app", role="api",
                       accept_unknown_types=True) as api:  # fmt: skip
        ids = await api.submit(
            [
                {"tenantId": "acme", "type": "invoice", "payload": {"waits": n % 7 / 20}}
                for n in range(50 * (kills + 1))
            ]
        )
        for _ in range(kills):
            with running("serve", "--role=worker", cwd=tmp_path, **settings) as worker:
                before = len(await invoices(db))

                async def goes_on(before: int = before) -> bool:
                    return len(await invoices(db)) > before

                await eventually(goes_on, timeout=30)
                worker.kill()
                await asyncio.to_thread(worker.wait)
        with running("serve", "--role=worker", cwd=tmp_path, **settings):

            async def all_ended() -> bool:
                return not await db.fetchval(
                    "SELECT count(*) FROM jobs WHERE status IN ('PENDING', 'RUNNING')"
                )

            await eventually(all_ended, timeout=60)
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE status = 'COMPLETED'") == len(ids)
    assert sorted(job_id for job_id, _ in await invoices(db)) == sorted(ids)
