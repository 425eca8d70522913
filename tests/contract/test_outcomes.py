"""How handlers end, and what becomes of their jobs."""

from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually


async def ended(server: Server, job_type: str, **act: Any) -> dict[str, Any]:
    (job_id,) = await server.submit([{"tenantId": "acme", "type": job_type, "payload": act}])
    return await server.job_when(job_id, "COMPLETED", "FAILED", "CANCELLED")


@pytest.mark.parametrize("job_type", ["act", "act-in-thread", "act-apart"])
async def test_the_traceback_of_each_failed_attempt_is_kept(server: Server, job_type: str) -> None:
    job = await ended(server, job_type, do="raise", value="x" * 20_000)
    assert len(job["errors"]) == 3
    for one in job["errors"]:
        assert len(one["traceback"]) <= 16 * 1024
        assert one["traceback"].rstrip().endswith("xxx"), "the end of it tells what happened"
    job = await ended(server, job_type, do="raise", value="boom")
    assert "handlers_for_tests.py" in job["errors"][0]["traceback"]
    job = await ended(server, job_type, do="fail")
    assert "traceback" not in job["errors"][0], "a way to end is no accident"


@pytest.mark.parametrize("job_type", ["act", "act-in-thread"])
async def test_an_error_is_retried_until_the_attempts_are_used_up(
    server: Server, job_type: str
) -> None:
    job = await ended(server, job_type, do="raise", value="boom")
    assert (job["status"], job["attempts"], job["maxAttempts"], job["error"]) == (
        "FAILED",
        3,
        3,
        "RuntimeError: boom",
    )
    assert [(one["attempt"], one["error"]) for one in job["errors"]] == [
        (n, "RuntimeError: boom") for n in (1, 2, 3)
    ]


@pytest.mark.parametrize("job_type", ["act", "act-in-thread"])
async def test_a_retry_that_succeeds_completes(server: Server, job_type: str) -> None:
    job = await ended(server, job_type, do="raise", times=2)
    assert (job["status"], job["attempts"], job["error"], job["result"]) == (
        "COMPLETED",
        3,
        None,
        {"attempt": 3},
    )
    assert len(job["errors"]) == 2


@pytest.mark.parametrize("job_type", ["act", "act-in-thread", "act-apart"])
async def test_a_payload_that_does_not_fit_fails_for_good_and_an_error_of_the_handler_is_retried(
    server: Server, db: asyncpg.Connection, job_type: str
) -> None:
    job = await ended(server, job_type, do="parse in vain", times=1)
    assert (job["status"], job["attempts"], job["result"]) == ("COMPLETED", 2, {"attempt": 2})
    assert job["errors"][0]["error"].startswith("ValidationError: 1 validation error for Act")
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": job_type, "payload": {"do": "return"}, "delayMs": 3_600_000}]
    )
    await db.execute(
        "UPDATE jobs SET payload = '{}', run_at = now() WHERE id = $1::text::uuid", job_id
    )
    job = await server.job_when(job_id, "FAILED")
    assert job["attempts"] == 1
    assert job["error"].startswith("the payload does not fit its handler: 1 validation error")


@pytest.mark.parametrize("job_type", ["cancels-itself", "cancels-itself-apart"])
async def test_a_handler_that_cancels_its_own_task_has_failed_its_attempt(
    server: Server, job_type: str
) -> None:
    ids = await server.submit(
        [
            {"tenantId": "acme", "type": job_type, "payload": at_the_end}
            for at_the_end in (False, True)
        ]
    )
    job = await server.job_when(ids[0], "FAILED", "COMPLETED")
    assert (job["status"], job["attempts"], job["error"]) == ("FAILED", 3, "CancelledError: ")
    job = await server.job_when(ids[1], "FAILED", "COMPLETED")
    assert (job["status"], job["attempts"], job["result"]) == ("COMPLETED", 1, True)
    await server.job_when(
        (await server.submit([{"tenantId": "acme", "type": "block", "payload": 0}]))[0], "COMPLETED"
    )


async def test_an_own_maximum_of_attempts_counts(server: Server) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "act", "payload": {"do": "raise"}, "maxAttempts": 1}]
    )
    job = await server.job_when(job_id, "FAILED")
    assert (job["attempts"], job["maxAttempts"]) == (1, 1)


async def test_a_handler_may_ask_for_another_run_or_end_its_job_by_itself(server: Server) -> None:
    asked = await ended(server, "act", do="retry", times=1)
    assert (asked["status"], asked["attempts"], asked["errors"][0]["error"]) == (
        "COMPLETED",
        2,
        "not yet",
    )
    cancelled = await ended(server, "act", do="cancel")
    assert (cancelled["status"], cancelled["error"]) == ("CANCELLED", "no longer wanted")
    failed = await ended(server, "act", do="fail")
    assert (failed["status"], failed["attempts"], failed["error"]) == ("FAILED", 1, "no use")


async def test_a_snooze_does_not_count_as_an_attempt(server: Server) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "act", "payload": {"do": "snooze"}}]
    )

    async def snoozed_often() -> bool:
        return bool((await server.job(job_id))["version"] >= 7)

    await eventually(snoozed_often)
    job = (await server.http.post(f"/jobs/{job_id}/cancel", json={})).json()
    assert job["attempts"] <= 1
    assert job["errors"] == []


async def test_a_handler_that_takes_too_long_has_failed_its_attempt(server: Server) -> None:
    (job_id,) = await server.submit([{"tenantId": "acme", "type": "slow"}])
    job = await server.job_when(job_id, "FAILED")
    assert (job["attempts"], job["error"]) == (2, "timed out after 0.2 s")


async def test_a_bad_row_does_not_spoil_its_batch(server: Server) -> None:
    bad = [
        {"do": do} for do in ("nul", "deep", "huge error", "surrogate error", "bad error", "exit")
    ]
    good = [{"do": "return", "value": n} for n in range(50)]
    ids = await server.submit(
        [
            {"tenantId": "acme", "type": "act", "payload": act}
            for pair in zip(bad * 9, good, strict=False)
            for act in pair
        ]
    )
    for job_id in ids[1::2]:
        await server.job_when(job_id, "COMPLETED")
    for job_id in ids[0::2]:
        await server.job_when(job_id, "FAILED")


async def test_sync_handlers_run_in_threads_and_know_their_context(server: Server) -> None:
    job = await ended(server, "act-in-thread", do="context")
    assert job["result"]["jobId"] == job["id"]
    assert job["result"]["tenantId"] == "acme"
    assert job["result"]["thread"].startswith("handler")
