"""`callback_url` of a type: the end of each of its jobs is told, whoever submitted it and whoever
ends it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from conftest import eventually, serving
from webhook_peer import Peer, peer

import monoq
from monoq.app.registry import App
from monoq.compose.root import build
from monoq.config import load_settings
from monoq.errors import ConfigError
from monoq.store.types import TypeStore

TYPE, JOB = "https://example.com/of-the-type", "https://example.com/of-the-job"
END = "UPDATE jobs SET status = $1::job_status, finished_at = now() WHERE type = 'told'"


@pytest.fixture
async def receiver() -> AsyncIterator[Peer]:
    async with peer() as one:
        yield one


@pytest.fixture
async def told(db: asyncpg.Connection) -> asyncpg.Connection:
    """A database whose type `told` has a callback."""
    await TypeStore(db).register_callbacks({"told": TYPE, "untold": None})
    return db


async def called(db: asyncpg.Connection) -> dict[str, str]:
    """Who is told of which status."""
    rows = await db.fetch("SELECT payload FROM jobs WHERE type = 'webhook'")
    payloads = [json.loads(row["payload"]) for row in rows]
    return {one["url"]: one["body"]["status"] for one in payloads}


async def test_each_end_of_a_type_is_told_and_a_job_s_own_callback_goes_before_it(
    database_url: str, redis_url: str, db: asyncpg.Connection, receiver: Peer
) -> None:
    """The worker's own word is there before its first claim: these jobs wait when it starts."""
    app = monoq.App()

    @app.handler("told", callback_url=receiver.url("/ok"), max_attempts=1)
    async def told(payload: dict[str, Any]) -> str:
        if payload.get("fail"):
            raise ValueError("no use")
        return "done"

    submits: list[tuple[str, str | None]] = [
        ('{"n": 1}', None),
        ('{"fail": true}', None),
        ('{"n": 2}', receiver.url("/410")),
    ]
    ids = [
        str(
            await db.fetchval(
                "SELECT monoq_submit('acme', 'told', $1, callback_url => $2)", payload, url
            )
        )
        for payload, url in submits
    ]
    globals()["app"] = app
    async with serving(
        database_url, redis_url, app=f"{__name__}:app", allowed_networks="127.0.0.0/8"
    ) as server:
        await eventually(lambda: len(receiver.requests) >= 3)
        got = {json.loads(one.body)["id"]: one for one in receiver.requests}
        assert [got[one].path for one in ids] == ["/ok", "/ok", "/410"]
        bodies = [json.loads(got[one].body) for one in ids]
        assert [one["status"] for one in bodies] == ["COMPLETED", "FAILED", "COMPLETED"]
        assert (bodies[0]["result"], bodies[1]["result"]) == ("done", None)

        async def shown() -> bool:
            types = (await server.http.get("/types")).json()["types"]
            urls = {one["name"]: one["callbackUrl"] for one in types}
            return bool(urls.get("told") == receiver.url("/ok") and urls["echo"] is None)

        await eventually(shown)


async def test_the_type_s_word_of_the_moment_of_the_end_holds(told: asyncpg.Connection) -> None:
    for job_type in ("told", "untold"):
        await told.execute("SELECT monoq_submit('acme', $1)", job_type)
    await told.execute("SELECT monoq_submit('acme', 'told', callback_url => $1)", JOB)
    later = TYPE + "-now"
    await TypeStore(told).register_callbacks({"told": later, "untold": None})
    await told.execute(END, "CANCELLED")
    await told.execute(END.replace("'told'", "'untold'"), "COMPLETED")
    assert await called(told) == {later: "CANCELLED", JOB: "CANCELLED"}


async def test_a_type_that_has_no_callback_any_more_tells_nobody(told: asyncpg.Connection) -> None:
    types = TypeStore(told)
    await types.register({"told": "{}"})
    await told.execute("UPDATE job_types SET seen_at = now() - interval '40 days'")
    await types.forget(30 * 86_400)
    assert await told.fetch("SELECT FROM type_callbacks") == []
    await types.register_callbacks({"told": TYPE})
    await types.register_callbacks({"told": None})
    await told.execute("SELECT monoq_submit('acme', 'told')")
    await told.execute(END, "COMPLETED")
    assert await called(told) == {}


async def test_where_no_type_has_one_fifty_ends_look_once_at_an_empty_table(
    db: asyncpg.Connection,
) -> None:
    read = """SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
              FROM pg_statio_user_tables WHERE relname = 'type_callbacks'"""
    await db.execute(
        "INSERT INTO jobs (tenant_id, type) SELECT 'acme', 'told' FROM generate_series(1, 52)"
    )
    pages = []
    for ends in (1, 1, 50):
        await db.execute(
            "UPDATE jobs SET status = 'COMPLETED', finished_at = now() WHERE id IN"
            " (SELECT id FROM jobs WHERE status = 'PENDING' LIMIT $1)",
            ends,
        )
        await db.execute("SELECT pg_stat_force_next_flush()")
        pages.append(await db.fetchval(read))
    assert pages[2] - pages[1] <= 1, pages  # before, the planner looks, too


def test_a_callback_that_cannot_be_is_refused_with_the_handler_s_name() -> None:
    app = App()
    for name, url, why in (
        ("a", "ftp://a/", "callback_url must be an http:// or https:// URL"),
        ("a", "https://a b/", "callback_url must be an http:// or https:// URL"),
        ("a", 5, "callback_url must be an http:// or https:// URL"),
        ("webhook", TYPE, "a callback is a webhook itself"),
    ):
        with pytest.raises(ConfigError, match=why):
            app.handler(name, callback_url=url)(lambda: None)  # type: ignore[arg-type]


async def test_a_callback_that_may_not_be_called_stops_the_start(
    database_url: str, redis_url: str
) -> None:
    own = App()
    own.handler("inner", callback_url="http://10.0.0.1/")(lambda: None)
    settings = load_settings(database_url=database_url, redis_url=redis_url, role="worker")
    with pytest.raises(ConfigError, match=r"'inner': callback_url: 10\.0\.0\.1 may not be called"):
        async with build(settings, database_url, redis_url, own=own):
            pass


def test_a_batch_handler_takes_one_too() -> None:
    app = App()

    @app.batch_handler("many", callback_url=TYPE)
    async def many(jobs: list[monoq.BatchJob[Any]]) -> None: ...

    assert app.handlers["many"].callback_url == TYPE
