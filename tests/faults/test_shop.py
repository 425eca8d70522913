"""examples/shop from end to end, with `kill -9` in the middle: no job is lost, nobody is charged
twice, and no receipt comes twice unless its job said that it may have been sent."""

import asyncio
import csv
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving
from contract.processes import HERE, running
from mail import MailServer, mail_server
from webhook_peer import Peer, peer

SHOP = HERE.parent / "examples" / "shop"


async def submit(server: Server, job_type: str, payload: dict[str, Any], key: str) -> str:
    job = {"tenantId": "shop", "type": job_type, "payload": payload, "idempotencyKey": key}
    answer = await server.http.post("/jobs", json=job)
    answer.raise_for_status()
    return str(answer.json()["jobId"])


async def all_ended(db: asyncpg.Connection) -> bool:
    """Whether each job has ended; nobody waits for a backoff."""
    await db.execute("UPDATE jobs SET run_at = now() WHERE status = 'PENDING' AND run_at > now()")
    return bool(
        await db.fetchval("SELECT count(*) = 0 FROM jobs WHERE status IN ('PENDING', 'RUNNING')")
    )


def receipts(mails: MailServer) -> Counter[str]:
    """How many there are, by order."""
    return Counter(str(mail.message["X-Order"]) for mail in mails.mails)


def shipments(warehouse: Peer) -> Counter[str]:
    return Counter(json.loads(request.body)["order"] for request in warehouse.requests)


@pytest.mark.long
@pytest.mark.parametrize(
    ("order_count", "kills"), [(30, 2), pytest.param(60, 4, marks=pytest.mark.soak)]
)
async def test_a_shop_loses_no_job_and_mails_nobody_twice_while_its_workers_are_killed(
    database_url: str,
    redis_url: str,
    db: asyncpg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order_count: int,
    kills: int,
) -> None:
    monkeypatch.syspath_prepend(SHOP)
    (tmp_path / "reports").mkdir()
    orders = [f"o-{n}" for n in range(order_count)]

    async def think() -> None:
        await asyncio.sleep(0.05)  # the mail server, before each answer: most kills hit it

    async with (
        mail_server() as mails,
        peer() as warehouse,
        serving(database_url, redis_url, role="api", app="shop:app", lease=2.0, beat=0.2,
                allowed_networks="127.0.0.0/8") as server,
    ):  # fmt: skip
        mails.before_answer = think
        settings = {
            "MONOQ_DATABASE_URL": database_url,
            "MONOQ_REDIS_URL": redis_url,
            "MONOQ_SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
            "MONOQ_SMTP_FROM": "Shop <shop@example.com>",
            "MONOQ_SMTP_CONNECTIONS": "4",
            "MONOQ_ALLOWED_NETWORKS": "127.0.0.0/8",
            "MONOQ_FILES_DIR": str(tmp_path / "reports"),
            "MONOQ_URL": server.url,
            "MONOQ_LEASE": "2",
            "MONOQ_BEAT": "0.2",
            "MONOQ_WATCHDOG": "0",
            "SHOP_DATABASE": str(tmp_path / "shop.db"),
            "WAREHOUSE_URL": warehouse.url("/ok"),
        }
        for id_ in orders:
            order = {"id": id_, "email": f"{id_}@example.com", "item": "tea", "cents": 450}
            await submit(server, "shop.order", order, id_)
        worker = ("serve", "--role", "worker", "--app", "shop:app")
        (tmp_path / "shop.py").symlink_to(SHOP / "shop.py")
        for n in range(1, kills + 1):
            goal = n * order_count // (kills + 2)
            with running(*worker, cwd=tmp_path, **settings) as process:
                await eventually(lambda goal=goal: len(mails.mails) >= goal, timeout=60)  # type: ignore[misc]
                process.kill()
                process.wait()
        with running(*worker, cwd=tmp_path, **settings):
            await eventually(lambda: all_ended(db), timeout=60)
            unknown = await judge(db, orders, mails, warehouse, tmp_path)
            for job_id in unknown.values():  # a person who looks at each
                (await server.http.post(f"/jobs/{job_id}/retry", json={})).raise_for_status()
            await eventually(lambda: all_ended(db), timeout=60)
            counts = receipts(mails)
            assert set(counts) == set(orders)
            assert all(count == 1 or id_ in unknown for id_, count in counts.items())
            assert max(counts.values()) <= 2
            await the_report_is_right(server, orders, tmp_path)


async def judge(
    db: asyncpg.Connection,
    orders: list[str],
    mails: MailServer,
    warehouse: Peer,
    folder: Path,
) -> dict[str, str]:
    """What must be true when all has ended; returns the receipts that may have been sent, with
    their jobs."""
    jobs = await db.fetch(
        "SELECT id::text, type, status::text, error, payload FROM jobs ORDER BY id"
    )
    by_type = Counter(job["type"] for job in jobs)
    assert by_type == dict.fromkeys(("shop.order", "shop.charge", "email", "webhook"), len(orders))
    bad = [job for job in jobs if job["status"] != "COMPLETED"]
    assert {(job["type"], job["status"]) for job in bad} <= {("email", "FAILED")}
    assert all(job["error"].startswith("unknown: ") for job in bad), bad
    unknown = {json.loads(job["payload"])["headers"]["X-Order"]: job["id"] for job in bad}
    counts = receipts(mails)
    assert max(counts.values()) == 1, "a receipt came twice without the word for it"
    assert set(orders) - set(counts) <= set(unknown), "a receipt was lost without the word for it"
    assert bad, "no kill hit a mail: the test has shown nothing"
    assert set(shipments(warehouse)) == set(orders)
    with sqlite3.connect(folder / "shop.db") as shop:
        payments = shop.execute("SELECT order_id, count(*), sum(cents) FROM payments GROUP BY 1")
        assert sorted(payments) == sorted((id_, 1, 450) for id_ in orders)
    return unknown


async def the_report_is_right(server: Server, orders: list[str], folder: Path) -> None:
    report = await server.job_when(
        await submit(server, "shop.report", {"name": "today"}, "report"), "COMPLETED", "FAILED"
    )
    assert report["status"] == "COMPLETED", report["error"]
    profile = await server.job_when(report["result"]["profile"], "COMPLETED", "FAILED")
    assert profile["status"] == "COMPLETED", profile["error"]
    assert profile["result"]["rows"] == len(orders)
    cents = profile["result"]["columns"][2]
    assert (cents["name"], cents["min"], cents["max"]) == ("cents", 450, 450)
    with (folder / "reports" / "today.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(orders)
