"""The job type `webhook` against a real receiver on loopback."""

import asyncio
import base64
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import asyncpg
import pytest
import standardwebhooks
from conftest import Server, eventually, serving
from webhook_peer import Peer, peer

from monoq import Client
from monoq.config import load_settings
from monoq.errors import ConfigError
from monoq.handlers.webhook.policy import MAX_ATTEMPTS

LOOPBACK = "127.0.0.0/8"
OLD = "whsec_" + base64.b64encode(b"old secret, 32 bytes of it......").decode()
NEW = "whsec_" + base64.b64encode(b"new secret, 32 bytes of it......").decode()


@pytest.fixture
async def receiver() -> AsyncIterator[Peer]:
    async with peer() as one:
        yield one


@pytest.fixture
async def server(database_url: str, redis_url: str, receiver: Peer) -> AsyncIterator[Server]:
    """It signs with two secrets and may call the loopback."""
    settings = {"allowed_networks": LOOPBACK, "webhook_secrets": f"{NEW},{OLD}"}
    async with serving(database_url, redis_url, **settings) as running:
        yield running


def job(url: str, **payload: Any) -> dict[str, Any]:
    return {"tenantId": "acme", "type": "webhook", "payload": {"url": url, **payload}}


async def sent(server: Server, url: str, **payload: Any) -> str:
    return (await server.submit([job(url, **payload)]))[0]


async def waits_again(server: Server, job_id: str) -> dict[str, Any]:
    """The job, once its attempt has failed."""

    async def failed() -> dict[str, Any] | None:
        found = await server.job(job_id)
        return found if found["status"] == "PENDING" and found["errors"] else None

    return dict(await eventually(failed))


def delay_s(found: dict[str, Any]) -> float:
    times = [datetime.fromisoformat(found[name]) for name in ("runAt", "updatedAt")]
    return (times[0] - times[1]).total_seconds()


async def test_a_webhook_is_posted_signed_by_both_secrets_and_its_result_has_no_body(
    server: Server, receiver: Peer
) -> None:
    body = {"event": "order.paid", "amount": 12.5, "name": "Zoë", "list": [1, None, True]}
    headers = {"X-Tenant": "acme", "Authorization": "Bearer abc"}
    job_id = await sent(server, receiver.url("/ok?x=1"), body=body, headers=headers)
    ended = await server.job_when(job_id, "COMPLETED", "FAILED")
    assert ended["status"] == "COMPLETED", ended["error"]
    assert set(ended["result"]) == {"status", "durationMs"}
    assert ended["result"]["status"] == 200
    assert 0 <= ended["result"]["durationMs"] < 5000
    (request,) = receiver.requests
    assert request.path == "/ok?x=1"
    assert json.loads(request.body) == body
    assert request.headers["webhook-id"] == job_id
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-tenant"] == "acme"
    assert request.headers["authorization"] == "Bearer abc"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (NEW, OLD):
        assert standardwebhooks.Webhook(secret).verify(request.body, request.headers) == body
    first = {**request.headers}
    first["webhook-signature"] = first["webhook-signature"].split(" ")[0]
    standardwebhooks.Webhook(NEW).verify(request.body, first)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLD).verify(request.body, first)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(NEW).verify(request.body + b" ", request.headers)


async def test_an_attempt_that_failed_comes_again_with_the_same_id_and_a_new_time(
    server: Server, receiver: Peer, db: asyncpg.Connection
) -> None:
    job_id = await sent(server, receiver.url("/status/500"))
    first = await waits_again(server, job_id)
    assert 5 <= delay_s(first) <= 5.6
    assert first["errors"][0]["error"].startswith("answered with status 500 after ")
    assert "secret" not in json.dumps(first)
    for attempt, (least, most) in enumerate(
        [(300, 331), (1800, 1981), (7200, 7921), (18_000, 19_801), (36_000, 39_601)], 2
    ):
        await db.execute("UPDATE jobs SET run_at = now()")

        async def tried(attempt: int = attempt) -> bool:
            found = await server.job(job_id)
            return len(found["errors"]) == attempt and found["status"] == "PENDING"

        await eventually(tried)
        assert least <= delay_s(await server.job(job_id)) <= most
    await db.execute("UPDATE jobs SET run_at = now()")
    ended = await server.job_when(job_id, "FAILED")
    assert ended["attempts"] == MAX_ATTEMPTS == len(receiver.requests)
    assert {request.headers["webhook-id"] for request in receiver.requests} == {job_id}
    for request in receiver.requests:
        standardwebhooks.Webhook(NEW).verify(request.body, request.headers)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/status/404", "answered with status 404"),
        ("/status/429", "answered with status 429"),
        ("/status/502", "answered with status 502"),
        ("/redirect", "redirects are not followed"),
        ("/hang", "no answer within 0.3 s"),
        ("/close", "RemoteProtocolError"),
    ],
)
async def test_what_failed_is_tried_again_and_says_why(
    server: Server, receiver: Peer, path: str, error: str
) -> None:
    job_id = await sent(server, receiver.url(path), timeoutMs=300)
    failed = await waits_again(server, job_id)
    assert error in failed["error"]
    assert 5 <= delay_s(failed) <= 5.6
    assert failed["attempts"] == 1
    assert len(receiver.requests) == 1  # the redirect least of all


async def test_a_port_that_nobody_listens_on_is_tried_again(server: Server) -> None:
    failed = await waits_again(server, await sent(server, "http://127.0.0.1:9/"))
    assert "ConnectError" in failed["error"]


async def test_an_endless_answer_is_an_answer(server: Server, receiver: Peer) -> None:
    job_id = await sent(server, receiver.url("/endless"))
    assert (await server.job_when(job_id, "COMPLETED"))["result"]["status"] == 200


async def test_gone_is_the_end(server: Server, receiver: Peer) -> None:
    ended = await server.job_when(await sent(server, receiver.url("/status/410")), "FAILED")
    assert ended["attempts"] == 1
    assert "wants no more" in ended["error"]


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("120", 119, 121),
        ("1", 5, 5.6),  # less than the schedule has
        ("99999999999999999999", 86_399, 86_401),  # a day at most
        ("-5", 5, 5.6),
        ("soon", 5, 5.6),
        ("date", 3500, 3601),
    ],
)
async def test_retry_after_is_honoured_within_bounds(
    server: Server, receiver: Peer, asked: str, least: float, most: float
) -> None:
    if asked == "date":
        asked = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    job_id = await sent(server, receiver.url(f"/after/{asked.replace(' ', '_')}"))
    assert least <= delay_s(await waits_again(server, job_id)) <= most


REFUSED_PAYLOADS: list[tuple[dict[str, Any], str]] = [
    ({"url": "http://10.0.0.1/"}, "url"),
    ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
    ({"url": "http://[::1]/"}, "url"),
    ({"url": "http://0x7f000001/"}, "url"),
    ({"url": "ftp://example.com/"}, "url"),
    ({"url": "http://user:pass@example.com/"}, "url"),
    ({"url": "https://example.com/" + "x" * 2048}, "url"),
    ({"url": 5}, "url"),
    ({}, "url"),
    ({"headers": {"Host": "x"}}, "headers"),
    ({"headers": {"content-length": "0"}}, "headers"),
    ({"headers": {"Transfer-Encoding": "chunked"}}, "headers"),
    ({"headers": {"Connection": "close"}}, "headers"),
    ({"headers": {"Webhook-Signature": "v1,x"}}, "headers"),
    ({"headers": {"webhook-id": "x"}}, "headers"),
    ({"headers": {"X": "a\r\nHost: evil"}}, "headers"),
    ({"headers": {"X": "a\nb"}}, "headers"),
    ({"headers": {"X\r\nY": "a"}}, "headers"),
    ({"headers": {"X Y": "a"}}, "headers"),
    ({"headers": {"": "a"}}, "headers"),
    ({"headers": {"X": "é"}}, "headers"),
    ({"headers": {"X": " a"}}, "headers"),
    ({"headers": {"X": 1}}, "headers.X"),
    ({"headers": {"X": "a", "x": "b"}}, "headers"),
    ({"headers": {f"X-{n}": "a" for n in range(33)}}, "headers"),
    ({"headers": {f"X-{n}": "a" * 1000 for n in range(9)}}, "headers"),
    ({"timeoutMs": 60_001}, "timeoutMs"),
    ({"timeoutMs": 0}, "timeoutMs"),
    ({"timeoutMs": "1000"}, "timeoutMs"),
    ({"secret": NEW}, "secret"),
    ({"method": "GET"}, "method"),
]


async def test_a_payload_that_does_not_fit_is_refused_when_it_is_submitted(server: Server) -> None:
    for payload, field in REFUSED_PAYLOADS:
        whole = {"url": "https://example.com/"} | payload if payload else {}
        answer = await server.http.post(
            "/jobs", json={"tenantId": "acme", "type": "webhook", "payload": whole}
        )
        assert answer.status_code == 422, (payload, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [f"payload.{field}"]


async def test_a_name_that_stands_for_an_internal_address_fails_for_good(
    database_url: str, redis_url: str, receiver: Peer
) -> None:
    async with serving(database_url, redis_url) as server:
        url = receiver.url("/ok", "localhost")
        ended = await server.job_when(await sent(server, url), "FAILED")
        assert ended["attempts"] == 1
        assert "localhost may not be called" in ended["error"]
        # an address in the URL: what came past the API, too
        await server.http.post("/jobs", json=job(receiver.url("/ok")))
    assert receiver.connections == 0


async def test_without_a_secret_nothing_is_signed(
    database_url: str, redis_url: str, receiver: Peer
) -> None:
    async with serving(database_url, redis_url, allowed_networks=LOOPBACK) as server:
        await server.job_when(await sent(server, receiver.url("/ok")), "COMPLETED")
    assert "webhook-id" in receiver.requests[0].headers
    assert "webhook-signature" not in receiver.requests[0].headers


async def test_a_suspect_is_posted_and_signed_in_its_own_process(
    server: Server, receiver: Peer, db: asyncpg.Connection
) -> None:
    await db.execute(
        "INSERT INTO jobs (tenant_id, type, payload, deaths)"
        " VALUES ('acme', 'webhook', jsonb_build_object('url', $1::text), 1)",
        receiver.url("/ok"),
    )
    await eventually(lambda: db.fetchval("SELECT status = 'COMPLETED' FROM jobs"))
    (request,) = receiver.requests
    standardwebhooks.Webhook(NEW).verify(request.body, request.headers)


async def breakers(server: Server) -> list[dict[str, Any]]:
    return list((await server.http.get("/breakers")).json()["breakers"])


async def states(server: Server) -> dict[str, str]:
    return {one["endpoint"]: one["state"] for one in await breakers(server)}


@pytest.mark.alone
async def test_a_dead_endpoint_is_left_alone_within_five_seconds_and_charges_nobody_meanwhile(
    server: Server, receiver: Peer, db: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="monoq.outgoing.endpoints")
    assert await states(server) == {}
    endpoint = f"http://127.0.0.7:{receiver.port}"
    receiver.dead = True
    ids = await server.submit(
        [job(receiver.url(f"/ok?{n}", "127.0.0.7"), timeoutMs=6000) for n in range(100)]
    )
    await eventually(lambda: opened(server, endpoint))
    (shown,) = await breakers(server)
    since = datetime.fromisoformat(shown["since"])
    assert since.timestamp() - min(request.at for request in receiver.requests) < 5
    assert "no answer" in shown["reason"]
    assert shown["workerId"]
    assert since < datetime.fromisoformat(shown["nextProbeAt"])
    metrics = (await server.http.get("/metrics")).text
    assert "\nmonoq_breakers_open 1.0" in metrics
    assert 'monoq_breaker_changes_total{state="open"} 1.0' in metrics
    # those that were under way fail; nobody else has been charged or has called
    await eventually(lambda: db.fetchval("SELECT count(*) >= 20 FROM jobs WHERE errors <> '[]'"))
    assert receiver.most_at_once == 20
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE attempts > 0 AND errors = '[]'") <= 1
    receiver.dead = False
    await db.execute("UPDATE jobs SET run_at = least(run_at, now() + interval '12 s')")
    for job_id in ids:
        await server.job_when(job_id, "COMPLETED")
    assert await states(server) == {endpoint: "closed"}
    assert (await breakers(server))[0]["nextProbeAt"] is None
    assert await db.fetchval("SELECT count(*) FROM jobs WHERE attempts = 1") >= 80
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith(f"{endpoint} is not called for 5 s: no answer") for line in told)
    assert f"{endpoint} answers again; its breaker is closed" in told


async def opened(server: Server, endpoint: str) -> bool:
    return (await states(server)).get(endpoint) in ("open", "half-open")


async def test_an_endpoint_that_refuses_connections_opens_its_breaker_and_no_other(
    server: Server, receiver: Peer
) -> None:
    await server.submit([job("http://127.0.0.9:9/") for _ in range(10)])
    await eventually(lambda: opened(server, "http://127.0.0.9:9"))
    async with Client(server.url) as client:
        told = await client.breakers()
    assert (told["open"], told["breakers"][0]["endpoint"]) == (1, "http://127.0.0.9:9")
    (other,) = await server.submit([job(receiver.url("/ok", "127.0.0.9"))])
    await server.job_when(other, "COMPLETED")
    assert list(await states(server)) == ["http://127.0.0.9:9"]


async def test_a_time_limit_of_the_job_that_is_shorter_than_the_calls_opens_it_too(
    server: Server, receiver: Peer
) -> None:
    short = job(receiver.url("/hang", "127.0.0.8")) | {"timeoutMs": 200, "maxAttempts": 1}
    await server.submit([short] * 6)
    await eventually(lambda: opened(server, f"http://127.0.0.8:{receiver.port}"))


async def test_a_busy_endpoint_gets_at_most_twenty_calls_at_once_and_all_in_the_end(
    server: Server, receiver: Peer
) -> None:
    ids = await server.submit([job(receiver.url(f"/slow/0.05?{n}")) for n in range(120)])
    for job_id in ids:
        ended = await server.job_when(job_id, "COMPLETED")
        assert ended["attempts"] == 1
    assert 5 < receiver.most_at_once <= 20
    assert len(receiver.requests) == 120
    assert await states(server) == {}


async def test_the_breakers_of_a_worker_that_is_gone_are_not_shown(
    server: Server, db: asyncpg.Connection
) -> None:
    worker = await db.fetchval(
        "INSERT INTO workers (name, slots, expires_at) VALUES ('gone', 1, now() + interval '1 h')"
        " RETURNING id"
    )
    await db.execute(
        "INSERT INTO breakers VALUES ('http://a:80', $1, 'open', now(), 'why', now())", worker
    )
    assert await states(server) == {"http://a:80": "open"}
    await db.execute("UPDATE workers SET expires_at = now() WHERE id = $1", worker)
    assert await states(server) == {}


def test_a_secret_that_cannot_sign_is_named_and_not_shown() -> None:
    for value in ("whsec_c2hvcnQ=", "hush-hush", "whsec_***", f"{NEW},{OLD},{NEW}"):
        with pytest.raises(ConfigError) as refused:
            load_settings(webhook_secrets=value)
        assert "MONOQ_WEBHOOK_SECRETS" in str(refused.value)
        assert value.removeprefix("whsec_")[:8] not in str(refused.value)
    assert NEW not in repr(load_settings(webhook_secrets=NEW))


async def test_secrets_are_in_no_log_and_no_job(
    server: Server, receiver: Peer, db: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await server.job_when(await sent(server, receiver.url("/ok")), "COMPLETED")
    await waits_again(server, await sent(server, receiver.url("/status/500")))
    everything = caplog.text + str(await db.fetch("SELECT jobs::text FROM jobs"))
    for secret in (NEW, OLD):
        assert secret.removeprefix("whsec_") not in everything


async def test_a_worker_that_runs_no_webhook_loads_no_http_client(
    database_url: str, redis_url: str
) -> None:
    code = (
        "import sys; from monoq.handlers import builtin; from monoq.handlers.options import"
        " Options; builtin(Options()); print(sorted({'httpx', 'httpcore'} & set(sys.modules)))"
    )
    done = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", code], text=True)
    assert done.strip() == "[]"
