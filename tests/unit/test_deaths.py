"""Who is dead is proved, by real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import eventually

from monoq.upkeep import deaths

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def row(pid: int, pid_started: int | None, worker_id: int = 7) -> dict[str, Any]:
    return {"id": worker_id, "pid": pid, "pid_started": pid_started}


async def test_a_process_is_alive_until_it_is_killed(process: "subprocess.Popen[bytes]") -> None:
    started_at = deaths.started_at(process.pid)
    assert started_at
    assert deaths.dead([row(process.pid, started_at)]) == []
    process.kill()
    # Nobody has asked for its exit code yet: it is a zombie, and its pid is taken.
    await eventually(lambda: deaths.dead([row(process.pid, started_at)]) == [7])
    os.kill(process.pid, 0)
    process.wait()
    assert deaths.started_at(process.pid) is None
    assert deaths.dead([row(process.pid, started_at)]) == [7]


def test_another_process_with_its_pid_is_not_it(process: "subprocess.Popen[bytes]") -> None:
    started_at = deaths.started_at(process.pid)
    assert started_at
    assert deaths.dead([row(process.pid, started_at - 1)]) == [7]


def test_each_is_judged_by_itself(process: "subprocess.Popen[bytes]") -> None:
    rows = [
        row(process.pid, deaths.started_at(process.pid), 1),
        row(process.pid, 1, 2),
        row(os.getpid(), deaths.started_at(os.getpid()), 3),
    ]
    assert deaths.dead(rows) == [2]


def test_a_name_with_blanks_and_brackets_is_read_over(tmp_path: Any) -> None:
    """The second field of /proc/<pid>/stat is the name of the program, whatever it is."""
    program = tmp_path / "a) R (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([str(program), "-c", "input()"], stdin=subprocess.PIPE) as started:
        now = deaths.started_at(os.getpid())
        assert now
        assert (deaths.started_at(started.pid) or 0) >= now
        started.kill()


def test_a_host_is_its_boot_and_the_namespace_of_its_pids() -> None:
    key = deaths.host_key()
    assert key == deaths.host_key()
    other = subprocess.run(
        [sys.executable, "-c", "from monoq.upkeep.deaths import host_key; print(host_key())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == key
