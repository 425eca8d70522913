"""Lists of a tenant's jobs among very many: they cost what they show, not what the tenant has."""

import json
from uuid import UUID

import asyncpg
import pytest
from conftest import Server, serving
from tables import nodes_of

from monoq.store import listing
from monoq.store.database import FRESH_PLANS, query

MANY = """
    INSERT INTO jobs (tenant_id, type, status, finished_at)
    SELECT $1, $2, $3::job_status, CASE WHEN $3::job_status <> 'PENDING' THEN now() END
    FROM generate_series(1, $4::int)
"""


@pytest.mark.parametrize("with_statistics", [False, True])
async def test_a_list_reads_what_it_shows_whatever_is_asked(
    db: asyncpg.Connection, with_statistics: bool
) -> None:
    if not with_statistics:
        await db.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    await db.execute(MANY, "acme", "rare", "COMPLETED", 5)
    for n in range(4):
        await db.execute(MANY, "acme", f"frequent-{n}", "COMPLETED", 10_000)
    for n in range(20):
        await db.execute(MANY, f"other-{n}", "frequent-1", "COMPLETED", 1000)
    if with_statistics:
        await db.execute("ANALYZE jobs")
    for name, value in FRESH_PLANS.items():
        await db.execute(f"SET {name} = {value}")
    newest = (
        "SELECT id FROM jobs WHERE tenant_id = 'acme' AND ($1::text IS NULL OR type = $1) "
        "ORDER BY id DESC LIMIT 50"
    )
    for job_type in (None, "rare", "frequent-2", "unheard-of"):
        arguments = ("acme", None, job_type, None, None, 50, 50)
        rows = await db.fetch(query("list_jobs"), *arguments)
        assert [row["id"] for row in rows if row["id"]] == [
            row["id"] for row in await db.fetch(newest, job_type)
        ]
        shown = json.loads(
            await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query("list_jobs"), *arguments)
        )
        nodes = list(nodes_of(shown[0]["Plan"]))
        read = sum(
            node["Actual Rows"] * node["Actual Loops"] for node in nodes if "Index Name" in node
        )
        assert read < 400, shown
        assert not [node for node in nodes if node["Node Type"] == "Seq Scan"], shown
        assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) < 10, shown


async def test_few_that_ended_well_among_many_that_wait_are_found_page_by_page(
    database_url: str, redis_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOK_DEPTH", 100)
    await db.execute(MANY, "acme", "work", "COMPLETED", 30)
    await db.execute(MANY, "acme", "later", "PENDING", 1500)
    await db.execute(MANY, "acme", "work", "COMPLETED", 7)
    done = await db.fetch("SELECT id FROM jobs WHERE status = 'COMPLETED' ORDER BY id DESC")

    async def listed(server: Server, patience_s: float) -> tuple[list[UUID], int]:
        monkeypatch.setattr(listing, "LOOK_S", patience_s)
        ids: list[UUID] = []
        pages, cursor = 0, None
        while pages == 0 or cursor:
            query = {"tenantId": "acme", "status": "COMPLETED", "limit": "10"} | (
                {"cursor": cursor} if cursor else {}
            )
            page = (await server.http.get("/jobs", params=query)).json()
            ids += [UUID(job["id"]) for job in page["jobs"]]
            pages, cursor = pages + 1, page["nextCursor"]
        return ids, pages

    async with serving(database_url, redis_url, role="api") as server:
        assert await listed(server, 20) == ([row["id"] for row in done], 4)
        ids, pages = await listed(server, -1)
        assert ids == [row["id"] for row in done]
        assert pages > 10, "each look is a page, though most find nothing"
