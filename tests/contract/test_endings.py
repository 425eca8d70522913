"""However a process ends, no embedded engine is left running, nothing is half made, and the exit
code says what happened."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually, http_client
from engine_processes import processes_in, running
from faults.member import free_port

from contract.processes import MONOQ, call, environment, healthy, said
from contract.processes import running as running_monoq

FORCED = "a second signal forces it"

SOAK = pytest.mark.soak


def settings_for(port: int, shutdown_timeout: float) -> dict[str, str]:
    return {
        "MONOQ_PORT": str(port),
        "MONOQ_APP": "handlers_for_tests:app",
        "MONOQ_SHUTDOWN_TIMEOUT": str(shutdown_timeout),
        "MONOQ_WATCHDOG": "0",
    }


async def submit_running(port: int, kind: str, payload: Any) -> None:
    """Submits a job, and returns when it runs."""
    url = f"http://127.0.0.1:{port}/jobs"
    async with http_client() as http:
        job = {"tenantId": "acme", "type": kind, "payload": payload}
        job_id = (await http.post(url, json=job)).json()["jobId"]

        async def runs() -> bool:
            return bool((await http.get(f"{url}/{job_id}")).json()["status"] == "RUNNING")

        await eventually(runs)


async def ended(process: "subprocess.Popen[Any]", within_s: float) -> int:
    return await asyncio.to_thread(process.wait, within_s)


@pytest.mark.parametrize("roles", [pytest.param(["all"], marks=SOAK), ["api", "worker"]])
async def test_serve_goes_on_after_both_engines_were_killed(
    tmp_path: Path,
    roles: list[str],
) -> None:
    port = free_port()
    settings = settings_for(port, 10)
    with ExitStack() as stack:
        for role in roles:
            monoq = running_monoq("serve", f"--role={role}", cwd=tmp_path, **settings)
            stack.enter_context(monoq)
        await healthy(port)
        before = running(tmp_path / ".monoq")
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: said(tmp_path).count("was gone; restarted after") == 2)
        await healthy(port)
        done = ["submit", "acme", "act", '{"do": "context"}', "--wait"]
        assert '"COMPLETED"' in await call(*done, cwd=tmp_path, settings=settings)
    assert not processes_in(tmp_path)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_stops_the_engines_too_and_a_third_changes_nothing(
    tmp_path: Path,
    signum: signal.Signals,
) -> None:
    port = free_port()
    settings = settings_for(port, 60)
    with running_monoq("serve", cwd=tmp_path, **settings) as process:
        await healthy(port)
        await submit_running(port, "sleep", {"delayMs": 3_000_000})
        process.send_signal(signum)
        await eventually(lambda: FORCED in said(tmp_path))
        for _ in range(3):
            process.send_signal(signum)
            await asyncio.sleep(0.05)  # or they would be one
        assert await ended(process, 10) == 130
        assert not processes_in(tmp_path)


async def test_a_second_signal_leaves_the_engines_to_another_process_that_uses_them(
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = settings_for(port, 60)
    with (
        running_monoq("serve", "--role=worker", cwd=tmp_path, **settings) as worker,
        running_monoq("serve", "--role=api", cwd=tmp_path, **settings),
    ):
        await healthy(port)
        await submit_running(port, "sleep", {"delayMs": 3_000_000})
        before = running(tmp_path / ".monoq")
        worker.send_signal(signal.SIGTERM)
        await eventually(lambda: FORCED in said(tmp_path))
        worker.send_signal(signal.SIGTERM)
        assert await ended(worker, 10) == 130
        await healthy(port)
        assert running(tmp_path / ".monoq") == before
    assert not processes_in(tmp_path)


async def test_a_handler_that_blocks_the_loop_is_cut_off_in_time_and_the_engines_stop(
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = settings_for(port, 1)
    with running_monoq("serve", cwd=tmp_path, **settings) as process:
        await healthy(port)
        await submit_running(port, "act", {"do": "block", "value": 3600})
        process.send_signal(signal.SIGTERM)
        # whether a second is enough for all is not what is asked
        assert await ended(process, 1 + 1 + 8) in (0, 1)
        assert not processes_in(tmp_path)


async def test_a_plain_handler_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(port, 6)
    with running_monoq("serve", cwd=tmp_path, **settings) as process:
        await healthy(port)
        await submit_running(port, "block", 3600)
        await submit_running(port, "block-elsewhere", 3600)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert await ended(process, 20) == 0
        assert time.monotonic() - began < 6 + 3
    assert not processes_in(tmp_path)


async def test_a_closed_terminal_is_as_sigterm(tmp_path: Path) -> None:
    port = free_port()
    with running_monoq("serve", cwd=tmp_path, **settings_for(port, 10)) as process:
        await healthy(port)
        process.send_signal(signal.SIGHUP)
        assert await ended(process, 20) == 0
    assert not processes_in(tmp_path)


async def test_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    port = free_port()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; a child inherits it
    try:
        serving = running_monoq("serve", cwd=tmp_path, **settings_for(port, 10))
        process = serving.__enter__()
    finally:
        signal.signal(signal.SIGHUP, before)
    await healthy(port)
    process.send_signal(signal.SIGHUP)
    await healthy(port)
    serving.__exit__(None, None, None)
    assert process.returncode == 0


STEPS: dict[str, Callable[[Path], bool]] = {
    "initdb begins": lambda folder: any(folder.glob("postgres.unfinished*")),
    "initdb works": lambda folder: any(folder.glob("postgres.unfinished*/global/pg_control")),
    "the cluster is made": lambda folder: (folder / "postgres").exists(),
    "PostgreSQL starts": lambda folder: (folder / "postgres/postmaster.pid").exists(),
    "Redis starts": lambda folder: (folder / "redis.pid").exists(),
}


@pytest.mark.parametrize(
    ("command", "signum", "step"),
    [
        ("serve", signal.SIGTERM, "initdb begins"),
        ("check", signal.SIGINT, "initdb works"),
        pytest.param("migrate", signal.SIGTERM, "the cluster is made", marks=SOAK),
        ("migrate", signal.SIGHUP, "PostgreSQL starts"),
        pytest.param("serve", signal.SIGINT, "PostgreSQL starts", marks=SOAK),
        pytest.param("check", signal.SIGTERM, "Redis starts", marks=SOAK),
        pytest.param("bench", signal.SIGINT, "Redis starts", marks=SOAK),
        ("bench", signal.SIGTERM, "PostgreSQL starts"),
    ],
)
async def test_a_command_that_is_interrupted_leaves_nothing_running_or_half_made(
    tmp_path: Path, command: str, signum: signal.Signals, step: str
) -> None:
    with started(tmp_path, command) as process:
        await eventually(lambda: process.poll() is not None or reached(tmp_path, step), every=0.005)
        process.send_signal(signum)
        assert await ended(process, 30) == 128 + signum
        assert not processes_in(tmp_path)
        assert not half_made(tmp_path)


@pytest.mark.parametrize(
    "step",
    [
        "initdb begins",
        pytest.param("initdb works", marks=SOAK),
        pytest.param("the cluster is made", marks=SOAK),
        "PostgreSQL starts",
        "Redis starts",
    ],
)
async def test_two_signals_during_a_start_leave_nothing_running(tmp_path: Path, step: str) -> None:
    with started(tmp_path, "serve") as process:
        await eventually(lambda: process.poll() is not None or reached(tmp_path, step), every=0.005)
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.02)  # or they would be one
        process.send_signal(signal.SIGTERM)
        assert await ended(process, 12) == 130
        # what was killed may take a moment to be gone
        await eventually(lambda: not processes_in(tmp_path))


@contextmanager
def started(folder: Path, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command at work, with the folder for whatever it keeps; killed at the end."""
    settings = {"MONOQ_PORT": str(free_port()), "TMPDIR": str(folder)}
    with subprocess.Popen([*MONOQ, *command], cwd=folder, env=environment(**settings)) as process:
        try:
            yield process
        finally:
            process.kill()


def reached(folder: Path, step: str) -> bool:
    made = [folder / ".monoq", *folder.glob("monoq-bench-*")]
    with suppress(FileNotFoundError):  # what is being made is also being renamed
        return any(STEPS[step](data_dir) for data_dir in made)
    return False


def half_made(folder: Path) -> list[Path]:
    return [*folder.glob(".monoq/postgres.unfinished*"), *folder.glob("monoq-bench-*")]


@pytest.mark.alone
async def test_a_benchmark_that_ends_by_force_leaves_no_process(tmp_path: Path) -> None:
    with started(tmp_path, "bench", "submit", "--jobs", "1000000") as process:
        await eventually(lambda: serving_in(tmp_path), timeout=60)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)  # or they would be one
        process.send_signal(signal.SIGTERM)
        assert await ended(process, 12) != 0
    await eventually(lambda: not processes_in(tmp_path))


def serving_in(folder: Path) -> bool:
    return any(" serve " in line for line in processes_in(folder))
