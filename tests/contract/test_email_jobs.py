"""Jobs of the type `email` in whole workers, and what becomes of them when those die."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import Server, eventually, serving
from mail import MailServer, mail_server

from contract.processes import MONOQ, environment, running

ANN = "ann@example.com"
MAIL = {"tenantId": "acme", "type": "email", "payload": {"to": [ANN], "text": "t"}}


def smtp(mails: MailServer) -> dict[str, str]:
    return {"smtp_url": f"smtp://127.0.0.1:{mails.port}", "smtp_from": "shop@example.com"}


async def test_an_email_job_ends_with_what_became_of_each_recipient(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    async with mail_server() as mails, serving(database_url, redis_url, **smtp(mails)) as server:
        mails.answers = {"bob@example.com": "450 4.2.0 greylisted"}
        payload = {"to": [ANN, "bob@example.com"], "subject": "Hello", "text": "t"}
        (job_id,) = await server.submit([MAIL | {"payload": payload}])
        await eventually(lambda: "RCPT bob@example.com" in mails.commands)
        job = await server.job_when(job_id, "PENDING")
        assert job["error"] == "refused for now: bob@example.com: 450 4.2.0 greylisted"
        mails.answers = {}
        await db.execute("UPDATE jobs SET run_at = now()")  # nobody waits for the backoff
        job = await server.job_when(job_id, "COMPLETED")
        accepted = {"status": "accepted", "code": 250, "text": "2.0.0 taken"}
        assert job["result"] == {
            "messageId": mails.mails[0].message["Message-ID"],
            "recipients": [
                {"address": ANN} | accepted,
                {"address": "bob@example.com"} | accepted,
            ],
        }
        assert [mail.recipients for mail in mails.mails] == [[ANN], ["bob@example.com"]]
    await eventually(lambda: mails.open == 0)  # at the stop of the worker


async def test_a_payload_that_is_no_mail_is_refused_when_it_is_submitted(server: Server) -> None:
    for payload, field in (
        ({"text": "t"}, "payload"),
        ({"to": [ANN], "text": "t", "subject": "a\nBcc: b@c.de"}, "payload.subject"),
        ({"to": ["ann"], "text": "t"}, "payload.to.0"),
    ):
        answer = await server.http.post("/jobs", json=MAIL | {"payload": payload})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field


async def test_without_a_mail_server_the_job_says_what_to_set(server: Server) -> None:
    (job_id,) = await server.submit([MAIL])
    job = await server.job_when(job_id, "FAILED")
    assert job["error"] == "no mail server is configured: set MONOQ_SMTP_URL"


@pytest.mark.parametrize("command", [["serve"], ["check"]])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MONOQ_SMTP_URL", "smtp://ann:geheim@mail:port", "MONOQ_SMTP_URL: it is not a URL"),
        ("MONOQ_SMTP_URL", "https://ann:geheim@mail", "MONOQ_SMTP_URL: it must begin with"),
        ("MONOQ_SMTP_FROM", "shop", "MONOQ_SMTP_FROM: not an address"),
    ],
)
def test_a_bad_setting_ends_a_start_with_one_line_and_without_the_password(
    tmp_path: Path,
    own_engines: Any,
    command: list[str],
    name: str,
    value: str,
    said: str,
) -> None:
    urls = {
        "MONOQ_DATABASE_URL": own_engines.database_url,
        "MONOQ_REDIS_URL": own_engines.redis_url,
        "MONOQ_PORT": "0",
    }
    ended = subprocess.run(
        [*MONOQ, *command],
        cwd=tmp_path,
        env=environment(**urls, **{name: value}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert said in line
    assert "geheim" not in ended.stderr + ended.stdout


async def all_ended(db: asyncpg.Connection) -> bool:
    return bool(
        await db.fetchval("SELECT count(*) = 0 FROM jobs WHERE status IN ('PENDING', 'RUNNING')")
    )


@pytest.mark.parametrize("moment", ["before DATA", "after DATA"])
async def test_a_worker_killed_in_the_middle_of_a_send_sends_no_mail_twice_and_loses_none(
    database_url: str, redis_url: str, db: asyncpg.Connection, tmp_path: Path, moment: str
) -> None:
    jobs = 6
    came = 0
    may_go_on = asyncio.Event()

    async def wait() -> None:
        nonlocal came
        came += 1
        await may_go_on.wait()

    async with mail_server() as mails:
        if moment == "before DATA":
            mails.before_rcpt = wait
        else:
            mails.before_answer = wait
        settings = {
            "MONOQ_DATABASE_URL": database_url,
            "MONOQ_REDIS_URL": redis_url,
            "MONOQ_SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
            "MONOQ_SMTP_FROM": "shop@example.com",
            "MONOQ_LEASE": "2",
            "MONOQ_BEAT": "0.2",
            "MONOQ_WATCHDOG": "0",
        }
        async with serving(database_url, redis_url, role="api", lease=2.0, beat=0.2) as server:
            with running("serve", "--role", "worker", cwd=tmp_path, **settings) as worker:
                ids = await server.submit([MAIL] * jobs)
                await eventually(lambda: came == jobs, timeout=60)
                worker.kill()
                worker.wait()
            mails.before_rcpt = mails.before_answer = None
            may_go_on.set()
            with running("serve", "--role", "worker", cwd=tmp_path, **settings):
                await eventually(lambda: all_ended(db), timeout=60)
                ended = [await server.job(id_) for id_ in ids]
                sent = [mail.message["Message-ID"][1:].partition(".")[0] for mail in mails.mails]
                assert sorted(sent) == sorted(ids)
                if moment == "before DATA":
                    assert {job["status"] for job in ended} == {"COMPLETED"}
                    return
                for job in ended:
                    assert job["status"] == "FAILED"
                    assert job["error"].startswith(
                        "unknown: an earlier run was lost while it sent the mail"
                    )
                (await server.http.post(f"/jobs/{ids[0]}/retry", json={})).raise_for_status()
                assert (await server.job_when(ids[0], "COMPLETED"))["attempts"] == 1
                assert len(mails.mails) == jobs + 1


async def test_a_worker_that_is_stopped_while_the_server_thinks_leaves_the_mail_unknown(
    database_url: str, redis_url: str
) -> None:
    got = asyncio.Event()

    async def never() -> None:
        got.set()
        await asyncio.sleep(60)

    async with mail_server() as mails:
        mails.before_answer = never
        flags = smtp(mails) | {"shutdown_timeout": 4.0}
        async with serving(database_url, redis_url, **flags) as server:
            (job_id,) = await server.submit([MAIL])
            await got.wait()
        mails.before_answer = None
        async with serving(database_url, redis_url, **flags) as server:
            job = await server.job_when(job_id, "FAILED")
            assert job["error"].startswith("unknown: ")
            assert len(mails.mails) == 1
