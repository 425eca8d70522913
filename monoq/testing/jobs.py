"""Which jobs were submitted, and submitting some."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Unpack

import asyncpg

from monoq import codec
from monoq.app.declared import handler_of
from monoq.client.requests import SubmitOptions
from monoq.job import NewJob, job_json
from monoq.store.database import query
from monoq.store.jobs import JobStore
from monoq.submitting.insert import submit as insert
from monoq.testing.engines import Engines

LOOK_S = 0.02
MOST = 20  # jobs that a message names
MOST_OF_A_PAYLOAD = 200  # characters


async def submit(
    engines: Engines,
    tenant_id: str,
    job_type: str | Callable[..., Any],
    payload: Any = None,
    **options: Unpack[SubmitOptions],
) -> str:
    """Stores a job, as `Client.submit` does; returns its id.

    >>> await submit(monoq_engines, "acme", greet, Greeting(name="Ada"))
    """
    if not isinstance(job_type, str):
        handler = handler_of(job_type)
        job_type, payload = handler.name, handler.plain(payload)
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    job = NewJob(tenant_id, job_type, {} if payload is None else payload, **given)
    connection = await asyncpg.connect(engines.database_url)
    try:
        (submitted,) = await insert(connection, job)
        return str(submitted.id)
    finally:
        await connection.close()


async def assert_submitted(
    engines: Engines,
    job_type: str | Callable[..., Any],
    *,
    tenant_id: str | None = None,
    match: Any = None,
    count: int | None = None,
) -> list[dict[str, Any]]:
    """Fails unless such a job was submitted; says which were. Returns those found, oldest first, as
    GET /jobs/{id} answers them.

    Args:
        engines: Of this test.
        job_type: The name of the type, or its handler.
        tenant_id: Whose; None: anybody's.
        match: What the payload has at least: of an object these fields, with these values.
        count: The exact number; None: at least one.

    >>> await assert_submitted(monoq_engines, send_email, match={"to": "a@example.com"})
    """
    all_jobs = await _read(engines)
    found = _found(all_jobs, job_type, tenant_id, match)
    if not found if count is None else len(found) != count:
        wanted = "no job" if count is None else f"not {count} but {len(found)} jobs"
        raise AssertionError(_message(wanted, all_jobs, job_type, tenant_id, match))
    return found


async def assert_not_submitted(
    engines: Engines,
    job_type: str | Callable[..., Any],
    *,
    tenant_id: str | None = None,
    match: Any = None,
    within: float = 0.0,
) -> None:
    """Fails if such a job was submitted, or is within so many seconds; says which were.

    >>> await assert_not_submitted(monoq_engines, send_email, within=0.2)
    """
    end = asyncio.get_running_loop().time() + within
    while True:
        all_jobs = await _read(engines)
        if found := _found(all_jobs, job_type, tenant_id, match):
            jobs = f"{len(found)} job{'s' * (len(found) > 1)}"
            raise AssertionError(_message(jobs, all_jobs, job_type, tenant_id, match))
        if asyncio.get_running_loop().time() >= end:
            return
        await asyncio.sleep(LOOK_S)


async def _read(engines: Engines) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(engines.database_url)
    try:
        store = JobStore(connection)
        ids = await connection.fetch(query("list_all_ids"))
        rows = [await store.get_job(row["id"]) for row in ids]
        return [job_json(row) for row in rows if row is not None]
    finally:
        await connection.close()


def _found(
    jobs: list[dict[str, Any]],
    job_type: str | Callable[..., Any],
    tenant_id: str | None,
    match: Any,
) -> list[dict[str, Any]]:
    name = _name(job_type)
    wanted = None if match is None else json.loads(codec.dumps(codec.payload(match)))
    return [
        job
        for job in jobs
        if job["type"] == name
        and (tenant_id is None or job["tenantId"] == tenant_id)
        and (wanted is None or _matches(job["payload"], wanted))
    ]


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(value, dict):
        return all(name in value and _matches(value[name], wanted[name]) for name in wanted)
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _name(job_type: str | Callable[..., Any]) -> str:
    return job_type if isinstance(job_type, str) else handler_of(job_type).name


def _message(
    how_many: str,
    jobs: list[dict[str, Any]],
    job_type: str | Callable[..., Any],
    tenant_id: str | None,
    match: Any,
) -> str:
    name = _name(job_type)
    whose = "" if tenant_id is None else f" of {tenant_id}"
    like = "" if match is None else f" with a payload like {match!r}"
    alike = sorted(jobs, key=lambda job: job["type"] != name)  # of this type first
    shown = "".join(
        f"\n  {job['type']} of {job['tenantId']}, {job['status']}, {_short(job['payload'])}"
        for job in alike[:MOST]
    )
    more = f"\n  and {len(jobs) - MOST} more" if len(jobs) > MOST else ""
    return f"{how_many} of type {name!r}{whose}{like}; submitted:{shown or ' nothing'}{more}"


def _short(payload: Any) -> str:
    text = json.dumps(payload, ensure_ascii=False)
    return text if len(text) <= MOST_OF_A_PAYLOAD else text[: MOST_OF_A_PAYLOAD - 1] + "…"
