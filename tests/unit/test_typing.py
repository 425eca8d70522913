"""What users import has types: a small module of theirs passes `mypy --strict`, and its mistakes
are found."""

import os
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


async def use(url: str) -> str:
    called: dict[str, int] = await send_email(Email(to="a"), context())
    async with monoq.Client(url, timeout=5) as client:
        job_id: str = await client.submit(
            "acme", "send_email", {"to": "a"}, delay_ms=60_000, idempotency_key="order-7"
        )
        await client.submit("acme", "count", run_at=datetime.now(UTC), priority=-1)
        ids: list[str] = await client.submit_many([monoq.NewJob("acme", "count", called)])
        try:
            job = await client.wait(job_id, timeout=30)
        except monoq.ServerUnreachable:
            return "down"
        except monoq.RequestRefused as refused:
            return str(refused.status)
        async for update in client.stream("acme", cursor=None):
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
    found = {}
    for mistake, line in MISTAKES.items():
        text = f"import monoq\n\n\nasync def use(client: monoq.Client) -> None:\n    {line}\n"
        found[mistake] = check(tmp_path, text).returncode
    assert found == dict.fromkeys(MISTAKES, 1)


@pytest.mark.parametrize("name", [name for name in monoq.__all__ if name[0].isupper()])
def test_every_public_class_says_what_it_is_for(name: str) -> None:
    public = getattr(monoq, name)
    assert public.__doc__, name
