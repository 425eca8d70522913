"""What people type: `monoq submit`, `jobs`, `stats`, `types`, `watch`, `url` and `init`."""

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FACT_TIMEOUT_S, Server, eventually

import monoq
from contract.processes import MONOQ, call, environment, running, said
from contract.test_policy_commands import cli
from monoq.embedded.binaries import installed

WIDTH = 80  # of a terminal that nobody made wider


async def in_a_terminal(server: Server, *words: str) -> str:
    """What a command shows in a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *MONOQ,
        *words,
        "--url",
        server.url,
        env=environment(COLUMNS=str(WIDTH), TERM="xterm"),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += await asyncio.to_thread(os.read, ours, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    await process.wait()
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


async def test_a_list_of_jobs_cuts_no_id_in_a_terminal_nor_in_a_pipe(server: Server) -> None:
    long_type = "nothing"
    ids = await server.submit(
        [
            {"tenantId": "acme", "type": long_type, "delayMs": 3_600_000},
            {"tenantId": "acme", "type": "act", "payload": {"do": "fail"}},
        ]
    )
    await server.job_when(ids[1], "FAILED")
    shown = await in_a_terminal(server, "jobs", "list", "acme")
    lines = shown.splitlines()
    assert all(len(line) <= WIDTH for line in lines), shown
    for job_id, status in zip(ids, ["PENDING", "FAILED"], strict=True):
        assert [line for line in lines if line.startswith(job_id) and status in line], shown
    code, piped = await cli(server, "jobs", "list", "acme", "--status", "failed")
    assert code == 0
    header, line = piped.splitlines()
    assert header.split() == ["id", "type", "status", "attempts", "age", "error"]
    assert re.fullmatch(rf"{ids[1]}  act +FAILED  1/3 +\d+[sm] +no use", line), line


async def test_a_job_is_submitted_with_tags_and_found_by_them(server: Server) -> None:
    tags = ("--tag", "order:17", "--tag", "by:hand:twice")
    code, job_id = await cli(server, "submit", "acme", "echo", *tags)
    assert code == 0
    await cli(server, "submit", "acme", "echo", "--tag", "order:18")
    for words in (("--tag", "order:17"), tags, ("--tag", "order:17", "--created-after", "1h")):
        code, page = await cli(server, "jobs", "list", "acme", "--json", *words)
        assert [job["id"] for job in json.loads(page)["jobs"]] == [job_id.strip()], words
    assert (await server.job(job_id.strip()))["tags"] == {"order": "17", "by": "hand:twice"}
    code, said = await cli(server, "jobs", "list", "acme", "--tag", "order")
    assert (code, "name:value" in said) == (2, True)


async def test_a_payload_comes_from_a_file_or_standard_input(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "payload.json").write_text('{"from": "a file"}')
    code, job_id = await cli(server, "submit", "acme", "echo", f"@{tmp_path / 'payload.json'}")
    assert (code, (await server.job(job_id.strip()))["payload"]) == (0, {"from": "a file"})
    process = await asyncio.create_subprocess_exec(
        *MONOQ,
        *("submit", "acme", "echo", "-", "--run-at", "2h", "--timeout-ms", "500"),
        *("--url", server.url),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    told, _ = await process.communicate(b'{"from": "a pipe"}')
    job = await server.job(told.decode().strip())
    assert (job["payload"], job["runAt"] > job["createdAt"]) == ({"from": "a pipe"}, True)
    for payload, why in [("@nowhere.json", "No such file"), ("{", "not JSON")]:
        code, told_ = await cli(server, "submit", "acme", "echo", payload)
        assert (code, why in told_) == (2, True), told_


async def test_a_repeated_submit_says_that_the_job_is_an_earlier_one(server: Server) -> None:
    words = ("submit", "acme", "nothing", "--idempotency-key", "order-7")
    _, first = await cli(server, *words)
    code, again = await cli(server, *words)
    assert (code, again) == (0, f"{first}this earlier job has the same idempotency key\n")


async def test_stats_types_and_workers_are_shown_as_tables_and_as_json(server: Server) -> None:
    await server.submit([{"tenantId": "acme", "type": "nothing", "delayMs": 3_600_000}] * 3)
    code, told = await cli(server, "stats", "acme")
    assert (code, re.findall(r"PENDING +(\d+)", told)) == (0, ["3"])
    code, told = await cli(server, "stats", "--json")
    assert json.loads(told)["counts"]["PENDING"] == 3
    for words in (["types"], ["types", "list"]):
        code, told = await cli(server, *words)
        assert code == 0
        assert re.search(r"^act +do, ledger\?, times\?, value\?$", told, re.M), told
        assert re.search(r"^sleep +delayMs$", told, re.M)
    code, told = await cli(server, "workers")
    assert re.search(r"^1 +\S+ +\S* +\d+[smh] +0/2000 +0/16 +0/32$", told, re.M), told
    code, told = await cli(server, "types", "--json")
    assert "act" in {one["name"] for one in json.loads(told)}


async def test_watch_shows_each_change_as_it_comes_and_ctrl_c_ends_it(server: Server) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*MONOQ, "watch", "acme", "--url", server.url),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    assert b"watching acme" in await process.stderr.readline()

    async def sockets() -> bool:
        return "\nmonoq_sockets_open 1.0" in (await server.http.get("/metrics")).text

    await eventually(sockets)
    async with monoq.Client(server.url) as client:
        failing = await client.submit("acme", "act", {"do": "fail"})
    lines: list[str] = []
    async with asyncio.timeout(FACT_TIMEOUT_S):
        while not lines or "FAILED" not in lines[-1]:
            lines.append((await process.stdout.readline()).decode())
    assert re.search(rf"FAILED     {failing}  act  attempt 1  no use$", lines[-1]), lines
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"")
    code, told = await cli(server, "watch", "no tenant")
    assert (code, told.count("\n")) == (1, 1), told


async def test_url_leads_to_the_embedded_engines_while_they_run(tmp_path: Path) -> None:
    told = await call("url", cwd=tmp_path, settings={}, code=1)
    assert "is not running" in told
    assert not (tmp_path / ".monoq").exists(), "to ask makes nothing"
    with running("serve", "--port", "0", cwd=tmp_path):
        await eventually(lambda: "the dashboard is at" in said(tmp_path), timeout=60)
        url = (await call("url", cwd=tmp_path, settings={})).strip()
        query = "SELECT monoq_submit('acme', 'echo', '1')"
        psql = installed() / "bin" / "psql"
        command = [str(psql), url, "-Atc", query]
        ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        assert re.fullmatch(r"[0-9a-f-]{36}\n", ran.stdout), ran.stderr
        redis_url = (await call("url", "redis", cwd=tmp_path, settings={})).strip()
        assert redis_url.startswith("unix://")
    given = {"DATABASE_URL": "postgresql://x@db/x", "MONOQ_REDIS_URL": "redis://r"}
    assert await call("url", cwd=tmp_path, settings=given) == "postgresql://x@db/x\n"
    assert await call("url", "redis", cwd=tmp_path, settings=given) == "redis://r\n"


async def test_init_writes_a_project_whose_test_passes_and_overwrites_nothing(
    tmp_path: Path,
) -> None:
    told = await call("init", "shop", cwd=tmp_path, settings={})
    assert "monoq serve --app jobs:app" in told
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN],
        cwd=tmp_path / "shop",
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
    (tmp_path / "shop/jobs.py").write_text("mine")
    (tmp_path / "shop/test_jobs.py").unlink()
    told = await call("init", "shop", cwd=tmp_path, settings={}, code=1)
    assert told == "monoq: shop/jobs.py: already exists; nothing was written\n"
    assert (tmp_path / "shop/jobs.py").read_text() == "mine"
    assert not (tmp_path / "shop/test_jobs.py").exists()
    (tmp_path / "a file").write_text("")
    told = await call("init", "a file/shop", cwd=tmp_path, settings={}, code=1)
    assert told.count("\n") == 1


PLUGIN = "monoq.testing.plugin"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", "127.0.0.1:1"),
        ("postgresql://127.0.0.1,127.0.0.2:2/x?port=3", "127.0.0.1:3, 127.0.0.2:2"),
        ("postgresql:///x?host=/nowhere", "the socket in /nowhere"),
    ],
)
async def test_an_unreachable_postgresql_is_named(url: str, place: str, tmp_path: Path) -> None:
    settings = {"MONOQ_DATABASE_URL": url, "MONOQ_START_TIMEOUT": "0"}
    told = await call("migrate", cwd=tmp_path, settings=settings, code=2)
    assert told.startswith(f"monoq: PostgreSQL cannot be reached at {place}: "), told
    assert "secret" not in told
    assert told.count("\n") == 1


def test_the_shell_completes_commands() -> None:
    assert shutil.which("bash")
    told = subprocess.check_output(
        MONOQ,
        env=environment(_MONOQ_COMPLETE="bash_complete", COMP_WORDS="monoq st", COMP_CWORD="1"),
        text=True,
    )
    assert told == "plain,stats\n"
