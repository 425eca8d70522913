"""Job types that an API has not loaded: workers register them, and payloads are checked by their
schemas."""

from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving
from pydantic import BaseModel, ConfigDict, Field

import monoq
from monoq.app.registry import App
from monoq.store.types import TypeStore
from monoq.upkeep.registrar import schema_text

app = monoq.App()


class Line(BaseModel):
    sku: str = Field(pattern="^[a-z]+$")
    count: int = Field(ge=1)


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lines: list[Line]
    note: str | None = None


@app.handler("orders/place")
async def place(payload: Order) -> int:
    return len(payload.lines)


@app.handler
async def free() -> str:
    return "anything goes"


@app.handler
async def strange(payload: "type[Order] | None") -> None:
    """Pydantic has no schema for its payload."""


APP = f"{__name__}:app"
GOOD = {"lines": [{"sku": "bolt", "count": 1}]}


async def posted(server: Server, job_type: str, payload: Any) -> tuple[int, list[str]]:
    answer = await server.http.post(
        "/jobs", json={"tenantId": "acme", "type": job_type, "payload": payload}
    )
    return answer.status_code, [error["field"] for error in answer.json().get("errors", ())]


async def workers_of(server: Server) -> dict[str, int]:
    types = (await server.http.get("/types")).json()["types"]
    return {one["name"]: one["workers"] for one in types}


async def test_an_api_takes_the_types_of_live_workers_and_checks_their_payloads(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, role="api", app=None) as api:
        assert await posted(api, "orders/place", GOOD) == (422, ["type"])
        async with serving(database_url, redis_url, role="worker", app=APP):

            async def accepted() -> bool:
                return (await posted(api, "orders/place", GOOD))[0] == 201

            await eventually(accepted, every=0.3)
            for payload, fields in [
                ({}, ["payload.lines"]),
                ({"lines": 5}, ["payload.lines"]),
                ({"lines": [], "more": 1}, ["payload.more"]),
                (
                    {"lines": [{"sku": "BOLT", "count": 0}, {"count": "1"}]},
                    [
                        *("payload.lines.0.count", "payload.lines.0.sku"),
                        *("payload.lines.1.count", "payload.lines.1.sku"),
                    ],
                ),
            ]:
                status, found = await posted(api, "orders/place", payload)
                assert (status, sorted(found)) == (422, fields)
            answer = await api.http.post(
                "/jobs/batch",
                json={
                    "jobs": [
                        {"tenantId": "acme", "type": "orders/place", "payload": GOOD},
                        {"tenantId": "acme", "type": "orders/place", "payload": {"lines": [7]}},
                    ]
                },
            )
            assert [one["field"] for one in answer.json()["errors"]] == ["jobs.1.payload.lines.0"]
            assert await posted(api, "free", [1, "two"]) == (201, [])
            assert await posted(api, "strange", {"a": 1}) == (201, [])
            types = (await api.http.get("/types")).json()["types"]
            (order,) = [one for one in types if one["name"] == "orders/place"]
            assert order["schema"]["required"] == ["lines"]
            assert order["workers"] == 1
            assert await posted(api, "misspelt", {}) == (422, ["type"])


async def test_a_type_without_a_live_worker_is_known_and_flagged(
    database_url: str, redis_url: str
) -> None:
    async with (
        serving(database_url, redis_url, role="worker", app=APP),
        serving(database_url, redis_url, role="api", app=None) as api,
    ):

        async def registered() -> bool:
            return (await workers_of(api)).get("orders/place") == 1

        await eventually(registered)
    async with serving(database_url, redis_url, role="api", app=None) as api:

        async def known() -> bool:
            return "orders/place" in await workers_of(api)

        await eventually(known)
        assert (await workers_of(api))["orders/place"] == 0
        assert (await workers_of(api))["echo"] == 0
        assert await posted(api, "orders/place", {}) == (422, ["payload.lines"])
        assert await posted(api, "orders/place", GOOD) == (201, [])


async def test_the_schema_of_the_worker_that_started_last_holds(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    store = TypeStore(db)
    await store.register({"grow": '{"type": "integer"}'})
    async with serving(database_url, redis_url, role="api", app=None) as api:
        assert await posted(api, "grow", "text") == (422, ["payload"])
        await store.register({"grow": '{"type": "string"}'})

        async def changed() -> bool:
            return (await posted(api, "grow", "text"))[0] == 201

        await eventually(changed, every=0.2)
        assert await posted(api, "grow", 5) == (422, ["payload"])
        before = await store.list_types()
        await store.register({"grow": '{"type": "string"}'})
        assert await store.list_types() == before, "nothing to read anew"


async def test_a_type_that_no_worker_has_named_for_long_is_forgotten(
    db: asyncpg.Connection,
) -> None:
    store = TypeStore(db)
    await store.register({"old": "{}", "kept": "{}"})
    await db.execute("UPDATE job_types SET seen_at = now() - interval '40 days'")
    await store.touch(["kept"])
    await store.forget(30 * 86_400)
    assert [row["name"] for row in await store.list_types()] == ["kept"]


@pytest.mark.parametrize(
    "schema",
    ['{"type": "nonsense"}', '{"$ref": "http://127.0.0.1:9/schema"}', '"no schema"', "17"],
)
async def test_a_schema_that_is_no_use_allows_everything(
    database_url: str, redis_url: str, db: asyncpg.Connection, schema: str
) -> None:
    await TypeStore(db).register({"odd": schema})
    async with serving(database_url, redis_url, role="api", app=None) as api:
        assert await posted(api, "odd", {"any": "thing"}) == (201, [])
        assert (await api.http.get("/types")).status_code == 200


def test_a_schema_that_cannot_be_stored_is_replaced_by_an_empty_one() -> None:
    class Nul(BaseModel):
        text: str = "\x00"

    odd = App()

    @odd.handler
    def nul(payload: Nul) -> None: ...

    assert schema_text(odd.handlers["nul"]) == "{}"


async def test_own_types_are_checked_by_their_models_which_convert(
    database_url: str, redis_url: str
) -> None:
    text_for_a_number = {"lines": [{"sku": "bolt", "count": "3"}]}
    async with serving(database_url, redis_url, app=APP) as api:
        assert await posted(api, "orders/place", text_for_a_number) == (201, [])
