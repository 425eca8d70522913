"""Workers and PostgreSQL are killed while jobs with a callback end: no end is without its webhook,
and no webhook without its end."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from webhook_peer import Peer, peer

from faults.load import JOB
from faults.world import World, world

LOOPBACK = {"MONOQ_ALLOWED_NETWORKS": "127.0.0.0/8"}


def jobs(receiver: Peer, count: int) -> list[dict[str, Any]]:
    """Some complete, and some fail for good: both ways to write an end."""
    return [
        JOB | {"callbackUrl": receiver.url("/ok"), "payload": {"fail": n % 4 == 0}}
        | ({"maxAttempts": 1} if n % 8 == 0 else {})
        for n in range(count)
    ]  # fmt: skip


async def each_end_is_told(broken: World, receiver: Peer, ids: list[str]) -> None:
    """Exactly one webhook for each end, and each has come to the receiver, none for something
    else."""
    await broken.all_ended()
    made = Counter(
        row["told"]
        for row in await broken.fetch(
            "SELECT payload #>> '{body,id}' AS told FROM jobs WHERE type = 'webhook'"
        )
    )
    ended = await broken.fetch("SELECT id::text, status::text FROM jobs WHERE type = 'work'")
    statuses = {row["id"]: row["status"] for row in ended}
    assert set(statuses) >= set(ids)  # acknowledged, all of them; others may be stored, too
    assert set(statuses.values()) == {"COMPLETED", "FAILED"}
    assert made == Counter(dict.fromkeys(statuses, 1))
    told = {}
    for request in receiver.requests:
        body = json.loads(request.body)
        told[body["id"]] = body["status"]
    assert told == statuses
    # at least once: a repeat has the id of the first
    messages = {request.headers["webhook-id"] for request in receiver.requests}
    assert len(messages) == len(statuses)


@pytest.mark.soak
async def test_no_end_is_without_its_callback_wherever_a_worker_dies(tmp_path: Path) -> None:
    async with peer() as receiver, world(tmp_path, workers=1, apis=1, **LOOPBACK) as broken:
        ids: list[str] = []
        for failpoint in (
            *("after_pop", "after_claim", "before_finish", "after_finish"),
            # past the first batch: webhooks are under way by then
            *("before_finish:kill9:4", "after_finish:kill9:4"),
        ):
            spec = failpoint if ":" in failpoint else f"{failpoint}:kill9"
            victim = broken.member("worker", MONOQ_FAILPOINT=spec)
            await broken.is_up(victim)
            while victim.alive:
                ids += await broken.submit(jobs(receiver, 20))
                await eventually(lambda: few_wait(broken))  # or a slow machine makes thousands
            await each_end_is_told(broken, receiver, ids)


async def few_wait(broken: World) -> bool:
    return bool(await broken.value("SELECT count(*) < 100 FROM waiting_jobs"))


async def some_ended(broken: World, enough: int) -> None:
    ended = "SELECT count(*) >= $1 FROM jobs WHERE finished_at IS NOT NULL"
    await eventually(lambda: broken.value(ended, enough), every=0.005)


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_no_end_is_without_its_callback_when_postgres_is_killed(
    tmp_path: Path, kills: int
) -> None:
    async with peer() as receiver, world(tmp_path, workers=2, apis=1, **LOOPBACK) as broken:
        ids: list[str] = []
        for _ in range(kills):
            ids += await broken.submit(jobs(receiver, 120))
            await some_ended(broken, len(ids) - 100)
            await asyncio.to_thread(broken.kill_postgres)
            await asyncio.to_thread(broken.postgres.start)
            await broken.is_up(broken.apis[0])
        await each_end_is_told(broken, receiver, ids)
