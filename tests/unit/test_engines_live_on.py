"""Embedded engines that are killed, stopped or robbed of their data while somebody uses them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import FACT_TIMEOUT_S, eventually
from engine_processes import ask, is_alive, processes_in, running, user_process

from monoq.embedded import engines
from monoq.embedded import watch as watch_module
from monoq.embedded.engine import Engine
from monoq.embedded.postgres import PostgresEngine

pytestmark = pytest.mark.xdist_group("embedded")

POSTGRES, REDIS = Path("postgres/postmaster.pid"), Path("redis.pid")
AGAIN = "restarted after"
GONE_WITHIN_S = 5  # the children of a killed server end when they notice


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short data folder of its own; fails if the test leaves a process in it."""
    made = Path(tempfile.mkdtemp(prefix="monoq-"))
    yield made
    end = time.monotonic() + GONE_WITHIN_S
    while (left := processes_in(made)) and time.monotonic() < end:
        time.sleep(0.05)
    shutil.rmtree(made, ignore_errors=True)
    assert not left


def pid_in(file: Path) -> int:
    """The pid of a living engine; 0 if there is none, or its file is half written."""
    try:
        pid = int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pid if is_alive(pid) else 0


def delete(folder: Path) -> None:
    """While the engines work in it, and may make a file meanwhile."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def comes_true(fact: object) -> None:
    asyncio.run(eventually(fact))  # type: ignore[arg-type]


def told(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("file", "signum"),
    [
        (POSTGRES, signal.SIGKILL),
        (POSTGRES, signal.SIGINT),  # a fast shutdown, by somebody else
        (REDIS, signal.SIGKILL),
        (REDIS, signal.SIGTERM),
    ],
)
def test_an_engine_that_is_gone_is_started_again_while_somebody_uses_it(
    folder: Path, file: Path, signum: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    with engines(folder) as own:
        ask(own, "CREATE TABLE kept AS SELECT 42 AS answer")
        before = pid_in(folder / file)
        os.kill(before, signum)
        comes_true(lambda: pid_in(folder / file) not in (0, before))
        comes_true(lambda: told(caplog, AGAIN))
        assert ask(own, "SELECT answer FROM kept") == 42
    assert told(caplog, AGAIN) == 1


def test_of_three_processes_exactly_one_starts_a_killed_engine_again(folder: Path) -> None:
    log = folder / "user.log"
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(user_process(folder))
        for count in (1, 2, 3):
            for pid in (before := running(folder)):
                os.kill(pid, signal.SIGKILL)
            for name in ("PostgreSQL", "Redis"):
                words = f"the embedded {name} was gone; {AGAIN}"
                comes_true(lambda words=words, count=count: log.read_text().count(words) >= count)
                assert log.read_text().count(words) == count
            assert len(running(folder)) == 2
            assert not set(before) & set(running(folder))
        with engines(folder) as own:
            assert ask(own) == 1
            stack.close()


def test_an_engine_that_does_not_start_is_tried_on_and_its_reason_is_told_once(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []
    restart = PostgresEngine.restart

    def counted(engine: PostgresEngine) -> None:
        tries.append(1)
        restart(engine)

    monkeypatch.setattr(PostgresEngine, "restart", counted)
    monkeypatch.setattr(watch_module, "LOOK_S", 0.05)
    monkeypatch.setattr(watch_module, "FIRST_PAUSE_S", 0.05)
    with engines(folder) as own:
        settings = folder / "postgres" / "postgresql.auto.conf"
        good = settings.read_text()
        settings.write_text("work_mem = nonsense\n")
        os.kill(pid_in(folder / POSTGRES), signal.SIGKILL)
        comes_true(lambda: len(tries) >= 3)
        assert told(caplog, "is gone and does not start: PostgreSQL did not start") == 1
        settings.write_text(good)
        comes_true(lambda: told(caplog, AGAIN))
        assert ask(own) == 1


@pytest.mark.parametrize("stage", ["restart", "_launch", "_begin", "_answers"])
def test_who_leaves_while_an_engine_is_being_started_again_leaves_nothing_running(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    reached, gone = threading.Event(), threading.Event()
    step = getattr(PostgresEngine, stage)

    def seen(engine: Engine, *words: object) -> object:
        if gone.is_set():
            reached.set()
        return step(engine, *words)

    others = set(threading.enumerate())  # the engines of other tests among them
    with engines(folder):
        monkeypatch.setattr(PostgresEngine, stage, seen)
        gone.set()
        os.kill(pid_in(folder / POSTGRES), signal.SIGKILL)
        assert reached.wait(FACT_TIMEOUT_S)
    assert not running(folder)
    comes_true(lambda: "engines" not in {one.name for one in set(threading.enumerate()) - others})
    assert not running(folder)


def test_a_deleted_data_folder_is_told_of_once_and_what_ran_in_it_is_stopped(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    others = set(threading.enumerate())  # the engines of other tests among them
    with engines(folder):
        pids = running(folder)
        delete(folder)
        comes_true(lambda: told(caplog, "deleted or replaced"))
        comes_true(
            lambda: "engines" not in {one.name for one in set(threading.enumerate()) - others}
        )
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)
    assert told(caplog, "deleted or replaced") == 1
    assert not folder.exists()


def test_who_leaves_a_folder_that_was_replaced_does_not_touch_the_engines_of_the_new_one(
    folder: Path,
) -> None:
    old = engines(folder)
    old.__enter__()
    pids = running(folder)
    delete(folder)
    with engines(folder) as own:
        old.__exit__(None, None, None)
        assert not any(is_alive(pid) for pid in pids)
        assert ask(own) == 1


def test_a_cluster_that_was_deleted_is_not_replaced_by_an_empty_one(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with engines(folder):
        pid = pid_in(folder / POSTGRES)
        (folder / "postgres").rename(folder / "elsewhere")
        os.kill(pid, signal.SIGKILL)
        comes_true(lambda: told(caplog, "does not start: its data folder"))
        assert not (folder / "postgres").exists()


LEAVES_NOT = """
import os, sys
from pathlib import Path
from monoq.embedded import engines
own = engines(Path(sys.argv[1]))
own.__enter__()
if sys.argv[2] == "a fork ends":
    if os.fork() == 0:
        sys.exit()
    os.wait()
    print("forked", flush=True)
    sys.stdin.read()
"""


def test_a_program_that_ends_without_leaving_stops_the_engines(folder: Path) -> None:
    command = [sys.executable, "-c", LEAVES_NOT, str(folder), "just so"]
    subprocess.run(command, check=True, timeout=60)
    assert not processes_in(folder)


def test_the_end_of_a_fork_stops_no_engine(folder: Path) -> None:
    command = [sys.executable, "-c", LEAVES_NOT, str(folder), "a fork ends"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as user:
        assert user.stdout
        assert user.stdout.readline() == "forked\n"
        assert len(running(folder)) == 2
        user.communicate(timeout=FACT_TIMEOUT_S)
    assert not processes_in(folder)
