"""The command line and whole processes, started as a user would."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from conftest import eventually
from faults.member import free_port

from contract.processes import HERE, call, healthy, running, said
from monoq.cli.main import main as command_line
from monoq.compose.start import package_dir
from monoq.store.migrate import migrate


async def test_two_terminals_share_the_embedded_engines_and_a_second_start_finds_the_data(
    tmp_path: Path,
) -> None:
    port = str(free_port())
    settings = {"MONOQ_PORT": port, "MONOQ_APP": "handlers_for_tests:app"}
    with running("serve", "--role=api", cwd=tmp_path, **settings):
        await healthy(int(port))
        with running("serve", "--role=worker", cwd=tmp_path, **settings):
            shown = await call(
                "submit",
                "acme",
                "act",
                '{"do": "context"}',
                "--wait",
                cwd=tmp_path,
                settings=settings,
            )
        job_id = shown.split()[0]
        assert json.loads(shown[len(job_id) :])["status"] == "COMPLETED"
        assert job_id in await call(
            "jobs", "list", "acme", "--json", cwd=tmp_path, settings=settings
        )
    assert not list((tmp_path / ".monoq" / "run").glob("*.sock"))
    with running("serve", cwd=tmp_path, **settings):
        await healthy(int(port))
        assert '"COMPLETED"' in await call("jobs", "show", job_id, cwd=tmp_path, settings=settings)
        assert "COMPLETED" in await call(
            "jobs", "retry", job_id, cwd=tmp_path, code=1, settings=settings
        )
        assert await call("health", cwd=tmp_path, settings=settings) == "ok\n"
    assert "no monoq server answers" in await call(
        "health", cwd=tmp_path, code=1, settings=settings
    )


async def test_a_worker_without_a_port_loads_no_web_framework_and_no_http_client(
    database_url: str, redis_url: str
) -> None:
    code = """
import asyncio, sys
from monoq import config
from monoq.cli import commands
from monoq.compose import root

async def main():
    settings = config.load_settings(role="worker", database_url=sys.argv[1], redis_url=sys.argv[2])
    async with root.build(settings, sys.argv[1], sys.argv[2]):
        print(*sys.modules)

asyncio.run(main())
"""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, database_url, redis_url],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded = set(ran.stdout.split())
    assert "monoq.worker.worker" in loaded
    assert not {"quart", "hypercorn", "httpx", "websockets"} & loaded


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MONOQ_BATCH_SIZE": "0"}, "MONOQ_BATCH_SIZE"),
        ({"MONOQ_APP": "nowhere:app"}, "nowhere:app"),
        ({"MONOQ_APP": "json:loads"}, "not a monoq.App"),
        ({"MONOQ_DATABASE_URL": "nonsense"}, "MONOQ_DATABASE_URL"),
        (
            {"MONOQ_START_TIMEOUT": "0", "MONOQ_DATABASE_URL": "postgresql://127.0.0.1:1/x"},
            "PostgreSQL cannot be reached",
        ),
        ({"MONOQ_DATA_DIR": "/proc/nowhere"}, "MONOQ_DATA_DIR"),
        ({"MONOQ_HOST": "203.0.113.1"}, "cannot listen on 203.0.113.1"),
    ],
)
async def test_a_wrong_setting_ends_the_start_with_one_line_and_exit_code_2(
    tmp_path: Path, database_url: str, redis_url: str, settings: dict[str, str], said: str
) -> None:
    urls = {"MONOQ_DATABASE_URL": database_url, "MONOQ_REDIS_URL": redis_url}
    if "MONOQ_DATA_DIR" in settings:
        urls = {}
    output = await call("serve", cwd=tmp_path, code=2, settings=urls | settings)
    assert said in output
    assert len(output.strip().splitlines()) == 1, output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"BATCH_SIZE": "many"}, "MONOQ_BATCH_SIZE"),
        ({"PORT": "99999"}, "MONOQ_PORT"),
        ({"MONOQ_ROLE": "boss"}, "MONOQ_ROLE"),
        ({"MONOQ_LEASE": "1"}, "MONOQ_LEASE must be at least three times MONOQ_BEAT"),
        ({"MONOQ_WATCHDOG": "1"}, "MONOQ_WATCHDOG must be 0 or at least three times MONOQ_BEAT"),
        ({"MONOQ_DRAIN": "6"}, "MONOQ_DRAIN must be at most half of MONOQ_SHUTDOWN_TIMEOUT"),
        ({"MONOQ_TRUSTED_PROXIES": "nginx"}, "MONOQ_TRUSTED_PROXIES"),
    ],
)
def test_a_variable_without_sense_is_refused_before_anything_starts(
    settings: dict[str, str], said: str
) -> None:
    ran = CliRunner(env=settings).invoke(command_line, ["serve"])
    assert (ran.exit_code, said in ran.output) == (2, True), ran.output
    assert len(ran.output.strip().splitlines()) == 1, ran.output


async def test_a_port_in_use_is_one_line_and_exit_code_2(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        urls = {"MONOQ_DATABASE_URL": database_url, "MONOQ_REDIS_URL": redis_url}
        output = await call("serve", "--port", port, cwd=tmp_path, code=2, settings=urls)
    assert output.strip() == (
        f"monoq: cannot listen on 127.0.0.1:{port} (MONOQ_HOST, MONOQ_PORT): Address already in use"
    )


async def test_serve_refuses_a_schema_that_is_not_current_and_names_the_command(
    tmp_path: Path, own_engines: object, database_url: str, redis_url: str
) -> None:
    admin = await asyncpg.connect(database_url)
    await admin.execute("DROP DATABASE IF EXISTS bare")
    await admin.execute("CREATE DATABASE bare TEMPLATE template0")
    bare = re.sub(r"/test_[0-9_]+\?", "/bare?", database_url)
    urls = {"MONOQ_DATABASE_URL": bare, "MONOQ_REDIS_URL": redis_url}
    assert "monoq migrate" in await call("serve", cwd=tmp_path, code=2, settings=urls)
    assert "FAIL" in await call("check", cwd=tmp_path, code=1, settings=urls)
    output, others = await asyncio.gather(
        call("migrate", cwd=tmp_path, settings=urls),
        asyncio.gather(*[migrate(bare, package_dir("migrations")) for _ in range(9)]),
    )
    assert [output.startswith("applied"), *map(bool, others)].count(True) == 1
    assert "ok   PostgreSQL answers, the schema is up to date" in await call(
        "check", cwd=tmp_path, settings=urls
    )
    misspelt = await call("check", cwd=tmp_path, code=1, settings=urls | {"MONOQ_PROT": "1"})
    assert "FAIL MONOQ_PROT is no setting; is MONOQ_PORT meant?" in misspelt
    await admin.execute("DROP DATABASE bare")
    await admin.close()


async def test_a_deep_check_finds_counts_that_differ(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    urls = {"MONOQ_DATABASE_URL": database_url, "MONOQ_REDIS_URL": redis_url}
    await db.execute("SELECT monoq_submit('a', 'no-such-handler') FROM generate_series(1, 3)")
    output = await call("check", "--deep", cwd=tmp_path, settings=urls)
    assert "ok   the counts are those of the jobs" in output
    await db.execute(
        "INSERT INTO job_count_changes (tenant_id, type, status, jobs)"
        " VALUES ('a', 'no-such-handler', 'RUNNING', 1)"
    )
    output = await call("check", "--deep", cwd=tmp_path, code=1, settings=urls)
    assert "FAIL tenant a, type no-such-handler: 1 RUNNING are counted, 0 are there" in output
    assert "FAIL all tenants, type no-such-handler: 1 RUNNING are counted" in output
    assert "FAIL" not in await call("check", cwd=tmp_path, settings=urls), "it does not count"


async def test_sigterm_lets_running_jobs_finish_and_gives_waiting_ones_back(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    quick, endless = (
        await db.fetchval("""SELECT monoq_submit('a', 'sleep', '{"delayMs": 700}')"""),
        await db.fetchval("""SELECT monoq_submit('a', 'sleep', '{"delayMs": 3000000}')"""),
    )
    urls = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_SHUTDOWN_TIMEOUT": "3",
    }
    with running("serve", "--role=worker", cwd=tmp_path, **urls) as worker:
        await eventually(lambda: db.fetchval("SELECT bool_and(status = 'RUNNING') FROM jobs"))
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert await asyncio.to_thread(worker.wait, 10) == 0
        # how long it takes on an idle machine is tests/faults' to say
        assert time.monotonic() - began < 3 + 1 + 2
    rows = {
        row["id"]: row
        for row in await db.fetch("SELECT id, status, attempts, claim, errors FROM jobs")
    }
    assert rows[quick]["status"] == "COMPLETED"
    assert (
        rows[endless]["status"],
        rows[endless]["attempts"],
        rows[endless]["claim"],
        rows[endless]["errors"],
    ) == ("PENDING", 0, 1, "[]")


async def test_a_worker_is_well_while_its_lease_is_valid(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    urls = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_ROLE": "worker",
        "MONOQ_LEASE": "2",
    }
    assert "no worker of" in await call("health", cwd=tmp_path, code=1, settings=urls)
    with running("serve", cwd=tmp_path, **urls) as worker:
        await eventually(lambda: db.fetchval("SELECT count(*) FROM workers"))
        assert "worker 1" in await call("health", cwd=tmp_path, settings=urls)
        worker.send_signal(signal.SIGSTOP)
        await eventually(lambda: db.fetchval("SELECT expires_at < now() FROM workers"))
        assert "no worker of" in await call(
            "health", "--role=worker", cwd=tmp_path, code=1, settings=urls
        )
        worker.send_signal(signal.SIGCONT)
    elsewhere = urls | {"MONOQ_DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    assert "PostgreSQL cannot be" in await call("health", cwd=tmp_path, code=1, settings=elsewhere)


async def test_a_second_signal_forces_the_end(
    tmp_path: Path, database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    await db.fetchval("""SELECT monoq_submit('a', 'sleep', '{"delayMs": 3000000}')""")
    urls = {
        "MONOQ_DATABASE_URL": database_url,
        "MONOQ_REDIS_URL": redis_url,
        "MONOQ_SHUTDOWN_TIMEOUT": "60",
    }
    with running("serve", "--role=worker", cwd=tmp_path, **urls) as worker:
        await eventually(lambda: db.fetchval("SELECT bool_and(status = 'RUNNING') FROM jobs"))
        worker.send_signal(signal.SIGINT)
        # two signals at once would be one
        await eventually(lambda: "a second signal forces it" in said(tmp_path))
        worker.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(worker.wait, 5) != 0


def test_an_installed_wheel_finds_its_files(tmp_path: Path) -> None:
    root = HERE.parent
    build = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(tmp_path),
    ]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(target)], check=True)
    code = (
        "from monoq.compose.start import package_dir; print(package_dir('static'), "
        "package_dir('migrations'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    static, migrations = map(Path, found.stdout.split())
    assert static.is_relative_to(target)
    assert (migrations / "0001_schema.sql").exists()
