"""A fork server that runs, and its children: what they say, and how they died. The other side is
monoq/worker/fork_server.py."""

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

# What is said on the wires.
READY = b"ready\n"
KILLING = b"killing\n"
REPORT = b"report "  # then JSON: {"progress": [fraction, text]} or {"log": [text, fields]}
NUMBER_BYTES = 8

# A child's socket closes a little before its exit code is known. A job may close it and live on.
CODE_WITHIN_S = (2.0, 5.0)


class Death(NamedTuple):
    """How a child died, and what killed it: its own job, the end of its fork server, or something
    else."""

    words: str
    by: Literal["itself", "fork server", "another"]


@dataclass(eq=False)
class ForkServer:
    """A running fork server, and the exit codes that it reports, by the numbers of the children."""

    process: asyncio.subprocess.Process
    control: socket.socket
    pipe: asyncio.ReadTransport
    codes: "dict[int, asyncio.Future[int]]"
    listening: "asyncio.Task[None]"

    @property
    def alive(self) -> bool:
        return self.process.returncode is None and not self.listening.done()

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        self.control.close()
        self.pipe.close()
        await asyncio.wait([self.listening])


@dataclass(eq=False)
class Child:
    """A process of its own for one job."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: ForkServer
    number: int
    pid: int = 0

    async def death(self) -> Death:
        """Why it says nothing more."""
        code, listening = self.server.codes[self.number], self.server.listening
        either: set[asyncio.Future[Any]] = {code, listening}
        told = asyncio.FIRST_COMPLETED
        for patience_s in CODE_WITHIN_S:
            await asyncio.wait(either, timeout=patience_s, return_when=told)
            if code.done():
                by_kill = code.result() == -signal.SIGKILL
                return Death(words(code.result()), "another" if by_kill else "itself")
            if not self.server.alive:  # whose children the kernel kills
                return Death("its fork server died", "fork server")
            if _lives(self.pid):
                return Death("it closed its connection to the worker", "itself")
        return Death("it is not known how", "another")

    def end(self) -> None:
        """Ends it, and whatever it may have started."""
        self.writer.transport.abort()
        self.server.codes.pop(self.number, None)
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


async def listen(
    status: asyncio.StreamReader,
    ready: "asyncio.Future[None]",
    codes: "dict[int, asyncio.Future[int]]",
) -> None:
    while line := await status.readline():
        if line == READY:
            ready.set_result(None)
            continue
        number, code = map(int, line.split())
        if (told := codes.get(number)) and not told.done():  # else nobody asks any more
            told.set_result(code)


def words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # one of those for real time
        return f"signal {-code}"


def _lives(pid: int) -> bool:
    """Whether a process has not ended. A zombie has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
