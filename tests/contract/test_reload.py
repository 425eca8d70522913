"""`monoq serve --reload`: a change of a module starts the server anew, and nothing is left behind,
however it ends."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from conftest import eventually

from contract.processes import MONOQ, call, environment, running, said

JOBS = """
import monoq
from answers import ANSWER

app = monoq.App()


@app.handler
def answer() -> int:
    return ANSWER
"""
pytestmark = pytest.mark.long

SERVE = ("serve", "--reload", "--app", "jobs:app", "--port", "0")


def tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants, engines excepted: they have no parent among them."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def left(processes: list[psutil.Process], folder: Path) -> list[str]:
    """Those of them that still live, and the engines of a folder."""
    found = [one for one in psutil.process_iter() if one in processes or _is_in(one, folder)]
    lives = []
    for one in found:
        with suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE:
                lives.append(f"{one.pid} {one.name()}")
    return lives


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.cwd().startswith(str(folder / ".monoq")))
    except psutil.Error:
        return False


def port(folder: Path, starts: int) -> int | None:
    """The port of the server after so many starts."""
    told = said(folder).split("the dashboard is at http://127.0.0.1:")
    return int(told[starts].split()[0]) if len(told) > starts else None


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers/__init__.py").write_text("ANSWER = 1\n")
    return tmp_path


async def result(folder: Path, starts: int) -> str:
    url = f"http://127.0.0.1:{await eventually(lambda: port(folder, starts), timeout=60)}"
    words = ("submit", "acme", "answer", "--wait", "--url", url)
    return await call(*words, cwd=folder, settings={})


async def test_a_change_starts_the_server_anew_on_the_same_engines(project: Path) -> None:
    with running(*SERVE, cwd=project) as process:
        assert '"result": 1' in await result(project, 1)
        database = (project / ".monoq/postgres/postmaster.pid").read_text().split()[0]
        (project / "answers/__init__.py").write_text("ANSWER = 2\n")
        assert '"result": 2' in await result(project, 2)
        # a mistake ends the server, and the next change starts it
        (project / "jobs.py").write_text("def (:\n")
        await eventually(lambda: "it starts again when a module changes" in said(project))
        assert "jobs.py, line 1" in said(project)
        (project / "later").mkdir()
        (project / "later/more.py").write_text("ANSWER = 3\n")
        (project / "jobs.py").write_text(JOBS.replace("answers", "later.more"))
        assert '"result": 3' in await result(project, 3)
        (project / "later/more.py").write_text("ANSWER = 4\n")
        assert '"result": 4' in await result(project, 4), "a folder that was new is watched, too"
        assert (project / ".monoq/postgres/postmaster.pid").read_text().split()[0] == database
        processes = tree(process.pid)
        assert len(processes) >= 3, "the reloader, the server and its fork server"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    await eventually(lambda: not left(processes, project))


class Terminal:
    """A terminal, and `serve --reload` as its foreground process."""

    def __init__(self, folder: Path) -> None:
        self._end, theirs = pty.openpty()
        program = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *MONOQ, *SERVE],
            cwd=folder,
            env=environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""
        threading.Thread(target=self._read, daemon=True).start()

    def press_ctrl_c(self) -> None:
        os.write(self._end, b"\x03")

    async def shows(self, pattern: str) -> str:
        """Waits until it shows this; returns the first group."""
        found = await eventually(lambda: re.search(pattern, self.shown), timeout=60)
        return str(found[1])

    def _read(self) -> None:
        with suppress(OSError):  # nobody is at the other end any more
            while read := os.read(self._end, 65_536):
                self.shown += re.sub(r"\x1b\[[0-9;]*m", "", read.decode())


@contextmanager
def in_a_terminal(folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(folder)
    try:
        yield terminal
    finally:
        print(terminal.shown)
        terminal.process.kill()
        terminal.process.wait()


BUSY = """
import time
import monoq

app = monoq.App()


@app.handler
def answer() -> None:
    print("busy", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("presses", [1, pytest.param(2, marks=pytest.mark.soak)])
async def test_ctrl_c_in_a_terminal_ends_all_processes(project: Path, presses: int) -> None:
    (project / "jobs.py").write_text(BUSY)
    with in_a_terminal(project) as terminal:
        url = await terminal.shows(r"dashboard is at (http:\S+)")
        await call("submit", "acme", "answer", "--url", url, cwd=project, settings={})
        await terminal.shows("(busy)")
        processes = tree(terminal.process.pid)
        terminal.press_ctrl_c()
        await terminal.shows("(a second signal forces it)")
        if presses == 2:
            terminal.press_ctrl_c()
        await eventually(lambda: terminal.process.poll() is not None, timeout=40)
        assert terminal.process.returncode == (130 if presses == 2 else 0)
    await eventually(lambda: not left(processes, project), timeout=30)


@pytest.mark.soak
async def test_the_server_stops_when_its_reloader_is_killed(project: Path) -> None:
    with running(*SERVE, cwd=project) as process:
        await eventually(lambda: port(project, 1), timeout=60)
        processes = tree(process.pid)
        process.kill()
        await eventually(lambda: not left(processes, project), timeout=30)
