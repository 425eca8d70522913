"""What users import has types: a small module of theirs passes `mypy --strict`, and its mistakes
are found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import monoq

ROOT = Path(__file__).parent.parent.parent

USERS_MODULE = """
from datetime import UTC, datetime

import monoq
from pydantic import BaseModel

app = monoq.App()


class Email(BaseModel):
    to: str


@app.handler("send_email", max_attempts=5, timeout=30, backoff=monoq.Backoff(base=2))
async def send_email(payload: Email, ctx: monoq.JobContext) -> dict[str, int]:
    if ctx.attempt > 3:
        raise monoq.Retry(delay=60)
    return {"sent": len(payload.to)}


@app.handler
def count(payload: dict[str, int]) -> monoq.Snooze | None:
    return monoq.Snooze(5) if payload else None


@app.handler
async def rest() -> None: ...


@app.handler
def wake(ctx: monoq.JobContext) -> int:
    return ctx.attempt


@app.batch_handler("index", max_size=10)
async def index(jobs: list[monoq.BatchJob[Email]]) -> None: ...


def use_without_a_loop(url: str) -> str:
    with monoq.SyncClient(url) as client:
        job_id: str = client.submit("acme", send_email, Email(to="a"))
        client.submit("acme", rest, priority=1)
        job = client.wait(job_id, timeout=30)
        with client.stream("acme") as updates:
            for update in updates:
                job_id = update["jobId"]
                break
        client.set_policy("tenants", "acme", {"maxRunning": 20})
        return job["status"] + client.list("acme", limit=1)["jobs"][0]["id"]


async def use(url: str) -> str:
    called: dict[str, int] = await send_email(Email(to="a"), context())
    async with monoq.Client(url, timeout=5) as client:
        job_id: str = await client.submit(
            "acme", "send_email", {"to": "a"}, delay_ms=60_000, idempotency_key="order-7"
        )
        await client.submit("acme", "count", run_at=datetime.now(UTC), priority=-1)
        ids: list[monoq.JobId] = await client.submit_many([monoq.NewJob("acme", "count", called)])
        again: monoq.JobId = await client.submit("acme", send_email, Email(to="a"), delay_ms=5)
        assert again.created
        await client.submit("acme", count, {"a": 1}, run_at=datetime.now(UTC))
        await client.submit("acme", rest)
        await client.submit("acme", index, Email(to="a"), key="account:17", replace=True)
        await client.submit("acme", wake, idempotency_key="order-7")
        try:
            job = await client.wait(job_id, timeout=30)
        except monoq.ServerUnreachable:
            return "down"
        except monoq.RequestRefused as refused:
            return str(refused.status)
        async with client.stream("acme", cursor=None) as updates:
            async for update in updates:
                if update["version"] > job["version"]:
                    break
        page = await client.list("acme", status="FAILED", limit=10)
        return page["jobs"][0]["id"] + ids[0] + job["status"]


def context() -> monoq.JobContext: ...  # type: ignore[empty-body]
"""

MISTAKES = {
    "an option that does not exist": 'await client.submit("acme", "count", delayMs=5)',
    "a delay that is no number": 'await client.submit("acme", "count", delay_ms="5")',
    "a field that a job has not": '(await client.get("x"))["lost"]',
    "a payload where the tenant is": 'await client.submit({"to": "a"}, "count")',
    "a payload its handler does not take": 'await client.submit("acme", send_email, {"to": 1})',
    "a handler without its payload": 'await client.submit("acme", send_email)',
    "a payload for a handler that takes none": 'await client.submit("acme", rest, 5)',
    "a payload for a batch handler": 'await client.submit("acme", index, "a")',
    "an option of a handler that is no number": (
        'await client.submit("acme", send_email, Email(to="a"), priority="high")'
    ),
    "the wrong payload without a loop": 'monoq.SyncClient("u").submit("acme", send_email, 5)',
    "a number for the id without a loop": 'monoq.SyncClient("u").get(5)',
}


def check(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "shop.py"]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    command += ["--follow-imports", "silent", "--cache-dir", str(folder.parent / "mypy")]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_users_module_is_checked_strictly(tmp_path: Path) -> None:
    assert (ROOT / "monoq/py.typed").exists(), "or a checker looks at no type of an installed monoq"
    checked = check(tmp_path, USERS_MODULE)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    mistakes = [
        f"async def wrong_{place}(client: monoq.Client) -> None:\n    {line}\n\n\n"
        for place, line in enumerate(MISTAKES.values())
    ]
    text = USERS_MODULE + "\n\n" + "".join(mistakes)
    told = check(tmp_path, text).stdout
    lines = text.splitlines()
    wrong = {int(line) for line in re.findall(r"^shop\.py:(\d+): error", told, re.M)}
    assert [lines[number - 1].strip() for number in sorted(wrong)] == list(MISTAKES.values()), told


@pytest.mark.parametrize("name", [name for name in monoq.__all__ if name[0].isupper()])
def test_every_public_class_says_what_it_is_for(name: str) -> None:
    public = getattr(monoq, name)
    assert public.__doc__, name
