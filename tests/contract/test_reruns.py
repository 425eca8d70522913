"""A job that was made by running another one again: both tell of it."""

import asyncpg
from conftest import Server


async def test_a_rerun_and_its_original_tell_of_one_another(
    server: Server, db: asyncpg.Connection
) -> None:
    job = {"tenantId": "acme", "type": "echo", "payload": 1}
    (first,) = await server.submit([job])
    told = await server.job(first)
    assert (told["rerunOf"], told["reruns"]) == (None, [])
    again = job | {"tags": {"rerunOf": first, "order": "17"}}
    (second, third) = await server.submit([again, again])
    stranger = job | {"tenantId": "another", "tags": {"rerunOf": first}}
    (fourth,) = await server.submit([stranger])
    assert (await server.job(second))["rerunOf"] == first
    assert (await server.job(first))["reruns"] == [third, second], "newest first"
    assert (await server.job(second))["tags"]["order"] == "17"
    tags = "jsonb_build_object('rerunOf', $1::text)"
    submit = f"SELECT monoq_submit('acme', 'echo', '1', tags => {tags})::text"
    fifth = await db.fetchval(submit, second)
    assert (await server.job(second))["reruns"] == [fifth], "each of its own original"
    for job_id in second, third:
        await server.job_when(job_id, "COMPLETED")
    await db.execute("DELETE FROM jobs WHERE id = ANY ($1::uuid[])", [third, fourth])
    assert (await server.job(first))["reruns"] == [second]
    await db.execute("DELETE FROM jobs WHERE id = $1::text::uuid", first)
    assert (await server.job(second))["rerunOf"] == first, "also when it is gone"
    (delayed,) = await server.submit([job | {"delayMs": 60_000}])
    (sixth, *_) = await server.submit([job | {"tags": {"rerunOf": delayed}}] * 25)
    for change in "cancel", "retry":
        answer = (await server.http.post(f"/jobs/{delayed}/{change}")).json()
        assert (len(answer["reruns"]), sixth in answer["reruns"]) == (20, False), "the newest"


async def test_a_rerun_of_what_is_no_job_is_refused_and_named(server: Server) -> None:
    job = {"tenantId": "acme", "type": "echo", "tags": {"rerunOf": "the first one"}}
    answer = await server.http.post("/jobs/batch", json={"jobs": [job]})
    assert answer.status_code == 422, answer.text
    told = [{"field": "jobs.0.tags.rerunOf", "message": "it must be the id of a job"}]
    assert answer.json()["errors"] == told
