"""GET /metrics: what was counted is what happened."""

import asyncio
import math
import re
import signal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import websockets
from conftest import Server, eventually, serving
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from tables import register

from contract.processes import running

Samples = dict[str, float]


def read(text: str) -> Samples:
    return {
        sample.name
        + "".join(f"[{value}]" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(http: httpx.AsyncClient, url: str = "/metrics") -> Samples:
    answer = await http.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return read(answer.text)


async def when(server: Server, **facts: float) -> Samples:
    """The samples once they are these; names without `monoq_`."""

    async def so() -> Samples | None:
        samples = await scrape(server.http)
        return (
            samples
            if all(samples[f"monoq_{name}"] == value for name, value in facts.items())
            else None
        )

    return dict(await eventually(so))


async def test_counters_move_by_exactly_what_happened(server: Server) -> None:
    before = await scrape(server.http)
    acts: list[tuple[int, dict[str, Any]]] = [
        (20, {"do": "return"}),
        (3, {"do": "raise"}),  # three attempts each: two retries, then it has failed
        (4, {"do": "raise", "times": 1}),
        (2, {"do": "fail"}),
        (5, {"do": "cancel"}),
        (6, {"do": "snooze", "times": 0}),
    ]
    jobs = [
        {"tenantId": "acme", "type": "act", "payload": act}
        for times, act in acts
        for _ in range(times)
    ]
    jobs += [
        {"tenantId": "umbrella", "type": "act-in-thread", "payload": {"do": "return"}}
        for _ in range(7)
    ]
    later = {"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 1}, "delayMs": 3_600_000}
    *ids, waiting = await server.submit([*jobs, later])
    for job_id in ids:
        await server.job_when(job_id, "COMPLETED", "FAILED", "CANCELLED")
    assert (await server.http.post(f"/jobs/{waiting}/cancel", json={})).status_code == 200
    failed = ids[27]
    assert (await server.http.post(f"/jobs/{failed}/retry", json={})).status_code == 200
    await server.job_when(failed, "FAILED")
    after = await when(server, jobs_waiting=0, jobs_running=0)
    moved = {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0)
    }
    jobs_moved = {
        name: value for name, value in moved.items() if re.match(r"monoq_jobs_\w+_total", name)
    }
    assert jobs_moved == {
        "monoq_jobs_submitted_total[act]": 40,
        "monoq_jobs_submitted_total[act-in-thread]": 7,
        "monoq_jobs_submitted_total[sleep]": 1,
        "monoq_jobs_completed_total[act]": 30,
        "monoq_jobs_completed_total[act-in-thread]": 7,
        "monoq_jobs_failed_total[act]": 6,
        "monoq_jobs_cancelled_total[act]": 5,
        "monoq_jobs_cancelled_total[sleep]": 1,
        "monoq_jobs_retried_total[act]": 10,
        "monoq_jobs_revived_total[act]": 1,
    }
    runs = 20 + 3 * 3 + 4 * 2 + 2 + 1 + 5 + 6
    assert (
        moved["monoq_job_run_seconds_count[act]"]
        == moved["monoq_job_run_seconds_bucket[+Inf][act]"]
        == runs
    )
    assert moved["monoq_job_run_seconds_count[act-in-thread]"] == 7
    assert moved["monoq_job_wait_seconds_count"] == runs + 7
    assert moved["monoq_insert_jobs_sum"] == 48
    assert 0 < moved["monoq_job_wait_seconds_sum"] < 60 * (runs + 7)


async def test_a_snooze_is_returned_and_not_retried(server: Server) -> None:
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "act", "payload": {"do": "snooze"}}]
    )
    await eventually(lambda: has_version(server, job_id, 5))
    await server.http.post(f"/jobs/{job_id}/cancel", json={})
    samples = await scrape(server.http)
    assert samples["monoq_jobs_returned_total[act]"] >= 2
    assert samples["monoq_jobs_retried_total[act]"] == 0


async def has_version(server: Server, job_id: str, version: int) -> bool:
    return bool((await server.job(job_id))["version"] >= version)


async def test_run_times_and_waits_are_seconds(server: Server) -> None:
    ids = await server.submit(
        [
            {"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 300}, "delayMs": 200}
            for _ in range(10)
        ]
    )
    for job_id in ids:
        await server.job_when(job_id, "COMPLETED")
    samples = await scrape(server.http)
    assert samples["monoq_job_run_seconds_bucket[0.25][sleep]"] == 0
    assert samples["monoq_job_run_seconds_bucket[5.0][sleep]"] == 10
    assert 3 <= samples["monoq_job_run_seconds_sum[sleep]"] < 20
    # from the moment it is due, not from its creation
    assert samples["monoq_job_wait_seconds_sum"] < 10 * 5


async def test_a_result_that_comes_too_late_is_a_stale_write(server: Server) -> None:
    async def one_more() -> float:
        (job_id,) = await server.submit([{"tenantId": "acme", "type": "block", "payload": 0.2}])
        await server.job_when(job_id, "RUNNING")
        await server.http.post(f"/jobs/{job_id}/cancel", json={})
        # unless the auditor came first and stopped it
        return (await when(server, worker_slots_used=0))["monoq_stale_writes_total"]

    assert await eventually(one_more) == 1


async def test_types_without_a_handler_are_one_series(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url, role="api", accept_unknown_types=True) as server:
        await server.submit([{"tenantId": f"t{n}", "type": f"made-up-{n}"} for n in range(100)])
        samples = await scrape(server.http)
        assert samples["monoq_jobs_submitted_total[other]"] == 100
        assert not [name for name in samples if "made-up" in name or "[t1]" in name]


async def test_waiting_running_the_oldest_and_the_runway_are_told(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    await db.execute(
        "SELECT monoq_submit('a', 'echo', delay => n * '-1 hour'::interval) "
        "FROM generate_series(-3, 2) AS n"
    )
    await db.execute("UPDATE jobs SET priority = 5 WHERE run_at < now() - interval '90 minutes'")
    await register(db, "echo")  # what nobody listens for stands in no list
    async with serving(database_url, redis_url, role="api") as server:
        samples = await when(server, runway_jobs=3)
        assert (samples["monoq_jobs_waiting"], samples["monoq_jobs_running"]) == (6, 0)
        assert 7200 <= samples["monoq_oldest_waiting_seconds"] < 7300
        assert (samples["monoq_postgres_up"], samples["monoq_redis_up"]) == (1, 1)
        async with serving(database_url, redis_url, role="worker"):
            assert (await when(server, jobs_waiting=3))["monoq_oldest_waiting_seconds"] == 0


async def test_rescues_are_counted_by_fate(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    await db.execute("SELECT monoq_submit('a', 'echo') FROM generate_series(1, 5)")
    await db.execute(
        "UPDATE jobs SET status = 'RUNNING', worker_id = 4711, deadline_at = now() + interval '1 "
        "hour'"
    )
    await db.execute("UPDATE jobs SET deaths = 99 WHERE id IN (SELECT id FROM jobs LIMIT 2)")
    async with serving(database_url, redis_url, role="api", lease=1.5, beat=0.5) as server:
        samples = await when(server, **{"jobs_rescued_total[waiting]": 3})
        assert (
            samples["monoq_jobs_rescued_total[failed]"]
            == samples["monoq_jobs_failed_total[echo]"]
            == 2
        )


async def test_a_scrape_without_redis_tells_what_it_knows(database_url: str) -> None:
    async with serving(database_url, "redis://127.0.0.1:1") as server:
        (job_id,) = await server.submit([{"tenantId": "acme", "type": "echo", "payload": 1}])
        await server.job_when(job_id, "COMPLETED")
        samples = await when(server, **{"jobs_completed_total[echo]": 1})
        assert (samples["monoq_postgres_up"], samples["monoq_redis_up"]) == (1, 0)
        assert math.isnan(samples["monoq_runway_jobs"])
        assert samples["monoq_direct_picks_total"] >= 1  # two lanes may pick the same one
        assert samples["monoq_failed_pushes_total"] == 1
        assert samples["monoq_unpublished_messages_total"] >= 1


async def test_the_format_is_the_one_the_scraper_asks_for(server: Server) -> None:
    asked = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = await server.http.get("/metrics", headers={"Accept": asked})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in openmetrics_families(answer.text)}
    assert families["monoq_build"].samples[0].labels["version"]
    assert {"process_resident_memory_bytes", "process_open_fds"} <= families.keys()
    for accept in (
        "",
        "*/*",
        "application/openmetrics-text;version=none",
        "text/plain;version=x;escaping=\N{SNOWMAN}",
    ):
        assert read(
            (await server.http.get("/metrics", headers=[(b"Accept", accept.encode())])).text
        )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_worker_has_a_port_for_metrics_alone(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection, host: str
) -> None:
    await db.execute("SELECT monoq_submit('a', 'echo', '1') FROM generate_series(1, 10)")
    urls = {"MONOQ_DATABASE_URL": database_url, "MONOQ_REDIS_URL": redis_url}
    own = {"MONOQ_METRICS_PORT": "0", "MONOQ_METRICS_HOST": host, "MONOQ_ALLOWED_HOSTS": "worker-1"}
    with running("serve", "--role=worker", cwd=tmp_path, **urls, **own) as worker:
        url = await eventually(lambda: metrics_url(tmp_path))
        async with httpx.AsyncClient(trust_env=False, base_url=url, timeout=10) as http:

            async def done() -> bool:
                return (await scrape(http))["monoq_jobs_completed_total[echo]"] == 10

            await eventually(done)
            samples = await scrape(http)
            assert samples["monoq_jobs_waiting"] == 0
            assert samples["monoq_worker_slots"] == 2000
            assert (await http.get("/jobs")).status_code == (await http.get("/")).status_code == 404
            assert (await http.post("/metrics")).status_code == 405
            assert (await http.get("/metrics", headers={"Host": "evil.example"})).status_code == 421
            assert (
                await http.get("/metrics", headers={"Host": "worker-1:9100"})
            ).status_code == 200
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 10) == 0


async def metrics_url(folder: Path) -> str | None:
    (log,) = folder.glob("log-*")  # noqa: ASYNC240
    found = re.search(r"metrics are at (http://\S+)/metrics", log.read_text())
    return found[1] if found else None


async def test_closed_sockets_are_counted_by_code(server: Server) -> None:
    url = server.ws_url
    async with websockets.connect(url), websockets.connect(url) as binary:
        await when(server, sockets_open=2)
        await binary.send(b"\x00")
        await when(server, sockets_open=1, **{"sockets_closed_total[1003]": 1})
    await when(server, sockets_open=0, **{"sockets_closed_total[client]": 1})
