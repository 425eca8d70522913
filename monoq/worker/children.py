"""Child processes, one per job: for suspects, which may kill their process, and for isolated job types, which must be killable.
A child must never outlive its worker, its deadline or its job."""

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from monoq.job import Status
from monoq.worker.call import failed_attempt, timed_out
from monoq.worker.run import RELEASED, Ending, Run

log = logging.getLogger(__name__)

MAX_REPLY_BYTES = 8 * 1024 * 1024
MAX_WAITING = 4  # jobs that may wait, per child; the others go back, for another worker or another moment
MAX_LOST = 3  # runs that took their process with them
CODE_WITHIN_S = 1.0  # a child's socket closes a little before its exit code is known


@dataclass(eq=False)
class _ForkServer:
    """The process that forks the children, and the exit codes it tells of."""

    process: asyncio.subprocess.Process
    control: socket.socket
    codes: dict[int, "asyncio.Future[int]"] = field(default_factory=dict)
    listening: "asyncio.Task[None] | None" = None

    def code_of(self, pid: int) -> "asyncio.Future[int]":
        return self.codes.setdefault(pid, asyncio.get_running_loop().create_future())

    async def listen(self, status: asyncio.StreamReader) -> None:
        while line := await status.readline():
            pid, code = map(int, line.split())
            if not (told := self.code_of(pid)).done():
                told.set_result(code)


class Children:
    """At most `size` children at once. `command` starts the fork server (monoq/fork_server.py) and takes two descriptors last."""

    def __init__(self, *, command: Sequence[str], size: int) -> None:
        self._command = list(command)
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._asked = 0
        self._fork_server: _ForkServer | None = None
        self._starting = asyncio.Lock()

    async def run(self, run: Run) -> Ending:
        """Runs a job alone in a child. If the child dies, the job has lost a run; the third time it has FAILED."""
        if self._asked >= self._size * (1 + MAX_WAITING):
            return Ending(Status.PENDING, delay_ms=random.randrange(200, 1000), attempts_back=1)  # noqa: S311 - spreads load
        self._asked += 1
        try:
            async with self._free:
                return await self._run_alone(run)
        except asyncio.CancelledError:
            return timed_out(run) if run.timed_out else RELEASED
        except OSError as error:  # no process, no descriptor to be had: the job is not to blame
            log.error("no child for job %s: %s", run.id, error)
            return Ending(Status.PENDING, delay_ms=1000, attempts_back=1)
        finally:
            self._asked -= 1

    async def _run_alone(self, run: Run) -> Ending:
        fork_server = await self._living_server()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(fork_server.control, [b"."], [theirs.fileno()])
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_REPLY_BYTES)
        pid = 0
        try:
            pid = int(await reader.readline() or 0)
            run.begin(time.monotonic())  # what it has waited for, a free child or a fork, is not its time
            writer.write(orjson.dumps(_request(run)) + b"\n")
            reply = await reader.readline()
            if reply.endswith(b"\n"):
                ending = Ending(**orjson.loads(reply))
                return ending._replace(status=Status(ending.status))
            return _died(run, await self._code(fork_server, pid))
        except ValueError:  # the reply is longer than MAX_REPLY_BYTES
            return Ending(Status.FAILED, error=f"the result is larger than {MAX_REPLY_BYTES} bytes")
        except ConnectionError:
            return _died(run, await self._code(fork_server, pid))
        finally:
            writer.transport.abort()
            fork_server.codes.pop(pid, None)
            if pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)  # and whatever the job may have started

    async def _code(self, fork_server: _ForkServer, pid: int) -> int | None:
        try:
            async with asyncio.timeout(CODE_WITHIN_S):
                return await fork_server.code_of(pid)
        except TimeoutError:
            return None

    async def _living_server(self) -> _ForkServer:
        async with self._starting:
            if self._fork_server is None or self._fork_server.process.returncode is not None:
                self._fork_server = await self._start()
            return self._fork_server

    async def _start(self) -> _ForkServer:
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                str(write_end),
                pass_fds=(theirs.fileno(), write_end),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the worker, which ends its children itself
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        finally:
            theirs.close()
            os.close(write_end)
        status = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(status), os.fdopen(read_end, "rb"))
        fork_server = _ForkServer(process, ours)
        fork_server.listening = asyncio.create_task(fork_server.listen(status), name="fork server")
        return fork_server

    async def close(self) -> None:
        """Ends the fork server, and with it every child."""
        if self._fork_server is None:
            return
        self._fork_server.control.close()
        with contextlib.suppress(ProcessLookupError):
            self._fork_server.process.kill()
        await self._fork_server.process.wait()
        if self._fork_server.listening:
            await self._fork_server.listening


def _request(run: Run) -> dict[str, object]:
    return {
        "id": str(run.id),
        "tenant_id": run.tenant_id,
        "type": run.type,
        "payload": run.payload,
        "claim": run.claim,
        "worker_id": run.worker_id,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "timeout_s": run.timeout_s,
    }


def _died(run: Run, code: int | None) -> Ending:
    how = "it did not say how" if code is None else f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    error = f"its process died ({how})"
    if run.lost + 1 >= MAX_LOST:
        return Ending(Status.FAILED, error=error, lost=1)
    return failed_attempt(run, error, lost=1)
