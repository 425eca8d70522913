"""What whole processes write to standard error, as the programs and people that read it see it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import eventually

from contract.processes import HERE, MONOQ, environment

TYPES = ("say", "say-in-thread", "say-isolated")
HOSTILE = 'one\ntwo\r\x1b[31mred\x07\x85\u2028{"level": "critical"}'
ALWAYS = {"timestamp", "level", "logger", "event"}


@contextmanager
def talking(folder: Path, database_url: str, redis_url: str, **settings: str) -> Iterator[Path]:
    """A worker with the handlers that log; its output."""
    urls = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_APP": "handlers_for_logs:app",
    }
    output = folder / "output"
    with output.open("w") as out:
        command = [*MONOQ, "serve", "--role=worker"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment(**urls, **settings), stdout=out, stderr=out
        )
        try:
            yield output
        finally:
            process.terminate()
            assert process.wait(20) == 0
            print(output.read_text(errors="replace"))


async def run(db: asyncpg.Connection, *jobs: tuple[str, dict[str, Any]]) -> list[str]:
    """Submits jobs and waits for their ends; their ids."""
    ids = [
        str(await db.fetchval("SELECT monoq_submit('acme', $1, $2)", job_type, json.dumps(payload)))
        for job_type, payload in jobs
    ]
    await eventually(
        lambda: db.fetchval("SELECT bool_and(status IN ('COMPLETED', 'FAILED')) FROM jobs")
    )
    return ids


def records(output: Path) -> list[dict[str, Any]]:
    """Every line of the output, none of which may be anything but a record."""
    read = [json.loads(line) for line in output.read_text().splitlines()]
    assert all(record.keys() >= ALWAYS for record in read)
    return read


async def test_every_line_is_a_json_object_and_a_run_is_named_wherever_its_handler_runs(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    settings = {"MONOQ_LOG": "json", "MONOQ_LOG_LEVEL": "debug", "MONOQ_METRICS_PORT": "0"}
    with talking(tmp_path, database_url, redis_url, **settings) as output:
        ids = await run(
            db,
            *[(job_type, {"message": f"hello from {job_type}"}) for job_type in TYPES],
            *[(job_type, {"raise": f"{HOSTILE} in {job_type}"}) for job_type in TYPES],
        )
        worker_id = await db.fetchval("SELECT id FROM workers")
    told = records(output)
    for job_type, said, failed in zip(TYPES, ids[:3], ids[3:], strict=True):
        whose = {"tenant": "acme", "type": job_type, "attempt": 1, "worker": worker_id}
        (hello,) = [record for record in told if record["event"] == f"hello from {job_type}"]
        assert hello.items() >= ({"level": "info", "logger": "shop", "job": said} | whose).items()
        (failure,) = [
            record for record in told if record.get("job") == failed and "exception" in record
        ]
        assert (
            failure.items() >= ({"level": "debug", "logger": "monoq.worker.call"} | whose).items()
        )
        assert failure["exception"].startswith("Traceback (most recent call last):\n")
        assert f"in {job_type}" in failure["exception"].splitlines()[-1]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", failure["exception"])
    assert any(
        record["event"].startswith("metrics are at") and "job" not in record for record in told
    )


async def test_a_record_is_short_one_line_and_without_secrets(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    extra = {
        "password": "p1",
        "Authorization": "p2",
        "apiToken": "p3",
        "tokens": 3,
        "url": "redis://me:p4@host/0",
        "headers": {"authorization": "Bearer p5", "x": 1},
        "nothing": None,
        "big": 10**30,
        "ratio": 0.5,
        "long": "y" * 100_000,
        HOSTILE: HOSTILE,
        "job": "somebody else's",
        "level": "none",
    }
    with talking(tmp_path, database_url, redis_url, MONOQ_LOG="json") as output:
        (job_id, *_) = await run(
            db,
            (
                "say",
                {
                    "message": "login with password=p6 at https://u:p7@host/?token=p8&n=1",
                    "extra": extra,
                },
            ),
            ("say", {"message": HOSTILE}),
            ("say", {"message": "x" * 100_000}),
            ("say", {"message": "half of a pair: %c and NUL: %c", "args": [0xD800, 0]}),
            ("say", {"message": "%d", "args": ["not a number"]}),
        )
    told = {record["event"]: record for record in records(output) if record["logger"] == "shop"}
    assert not re.search(r"p[1-8]\b", output.read_text())
    secret = told["login with password=*** at https://u:***@host/?token=***&n=1"]
    assert (
        secret["job"],
        secret["level"],
        secret["tokens"],
        secret["nothing"],
        secret["ratio"],
    ) == (job_id, "none", 3, None, 0.5)
    assert secret["big"] == "1" + "0" * 30
    assert len(secret["long"]) == 1000
    assert r'one\ntwo\r\x1b[31mred\x07\x85\u2028{"level": "critical"}' in told
    assert r"half of a pair: \ud800 and NUL: \x00" in told
    assert "a record could not be formatted: TypeError" in told
    assert max(map(len, told)) == 4000
    assert max(map(len, output.read_text().splitlines())) < 6000


async def test_people_read_one_line_a_record_without_colour_in_a_file(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    with talking(tmp_path, database_url, redis_url, MONOQ_LOG_LEVEL="debug") as output:
        (job_id, _) = await run(db, ("say", {"message": HOSTILE}), ("say", {"raise": HOSTILE}))
    text = output.read_text()
    assert "\x1b" not in text
    (line,) = [line for line in text.splitlines() if "two" in line and "[shop]" in line]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \[info +\] one\\ntwo", line)
    assert f"job={job_id} tenant=acme type=say attempt=1 worker=" in line
    # What a handler says cannot begin a line: neither of its traceback nor of its job's end.
    last, failed = [line for line in text.splitlines() if "RuntimeError: " in line]
    assert last.startswith("    RuntimeError: one")
    assert "of tenant acme failed in attempt 1 of 1: RuntimeError: one\\ntwo" in failed


def test_there_is_colour_on_a_terminal() -> None:
    code = (
        "import logging; from monoq.observe.log import configure; configure('info'); "
        "logging.getLogger('x').warning('look')"
    )
    ours, theirs = os.openpty()
    subprocess.run(
        [sys.executable, "-c", code],
        stderr=theirs,
        check=True,
        env=environment(TERM="xterm"),
        cwd=HERE.parent,
    )
    assert b"\x1b[" in os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    "settings",
    [{"MONOQ_APP": "nowhere:app"}, {"MONOQ_DATABASE_URL": "postgresql://u:sesame@127.0.0.1:1/x"}],
)
async def test_why_a_start_failed_is_a_record_too(
    tmp_path: Path, database_url: str, redis_url: str, settings: dict[str, str]
) -> None:
    urls = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_START_TIMEOUT": "0",
    }
    ended = await asyncio.to_thread(
        subprocess.run,
        [*MONOQ, "serve", "--log", "json"],
        cwd=tmp_path,
        env=environment(**(urls | settings)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert json.loads(ended.stderr)["level"] == "critical"
    assert "sesame" not in ended.stderr + ended.stdout


def test_an_uncaught_exception_is_a_record() -> None:
    code = """
import threading, warnings
from monoq.observe.log import configure
configure("info", "json")
threading.Thread(target=lambda: 1 / 0).start()
warnings.warn("look here")
class Stubborn:
    def __del__(self): raise ValueError("in del")
del (stubborn := [Stubborn()])[0]
raise RuntimeError("the end")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=HERE.parent
    )
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.returncode == 1
    assert sorted(
        record["exception"].splitlines()[-1] for record in told if "exception" in record
    ) == [
        "RuntimeError: the end",
        "ValueError: in del",
        "ZeroDivisionError: division by zero",
    ]
    assert any("look here" in record["event"] and record["level"] == "warning" for record in told)
