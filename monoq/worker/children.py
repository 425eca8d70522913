"""Child processes that run one job at a time: suspects, which may kill their process, and isolated job types, which must be killable.
A child must never outlive its worker, its deadline, or a job that misbehaved."""

import asyncio
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson

from monoq.job import Status
from monoq.worker.call import failed_attempt, timed_out
from monoq.worker.run import Ending, Run

log = logging.getLogger(__name__)

MAX_REPLY_BYTES = 8 * 1024 * 1024
MAX_WAITING = 2  # jobs that may wait, per child; the others go back, for another worker or another moment
MAX_LOST = 3  # runs that took their process with them


@dataclass(slots=True, eq=False)
class _Child:
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Children:
    """A few children, started when first needed and used again as long as they live. `command` takes the number of its socket last."""

    def __init__(self, *, command: Sequence[str], size: int) -> None:
        self._command = list(command)
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._asked = 0
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()

    async def run(self, run: Run) -> Ending:
        """Runs a job alone in a child. If the child dies, the job has lost a run; the third time it has FAILED."""
        if self._asked >= self._size * (1 + MAX_WAITING):
            return Ending(Status.PENDING, delay_ms=random.randrange(200, 1000), attempts_back=1)  # noqa: S311 - spreads load
        self._asked += 1
        try:
            async with self._free:
                return await self._run_alone(run)
        except asyncio.CancelledError:
            return timed_out(run) if run.timed_out else Ending(Status.PENDING, attempts_back=1)
        finally:
            self._asked -= 1

    async def _run_alone(self, run: Run) -> Ending:
        child = self._idle.pop() if self._idle else await self._start()
        try:
            child.writer.write(orjson.dumps(_request(run)) + b"\n")
            reply = await child.reader.readline()
            ending = Ending(**orjson.loads(reply)) if reply.endswith(b"\n") else None
        except (OSError, ValueError) as error:  # also a reply that is too long
            log.warning("the child that ran job %s is useless: %s", run.id, error)
            ending = None
        except BaseException:
            await self._kill(child)
            raise
        if ending is None:
            with suppress(TimeoutError):  # its socket closes a little before it has an exit code
                async with asyncio.timeout(0.5):
                    await child.process.wait()
            return _died(run, await self._kill(child))
        self._idle.append(child)
        return ending._replace(status=Status(ending.status))

    async def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # its own group, so that it is killed with whatever it started
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_REPLY_BYTES)
        child = _Child(process, reader, writer)
        self._all.add(child)
        return child

    async def _kill(self, child: _Child) -> int:
        """Kills the child and its group; returns its exit code (negative: the signal)."""
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.writer.close()
        self._all.discard(child)
        return await child.process.wait()

    async def close(self) -> None:
        """Ends all children."""
        for child in list(self._all):
            await self._kill(child)
        self._idle.clear()


def _request(run: Run) -> dict[str, object]:
    return {
        "id": str(run.id),
        "tenant_id": run.tenant_id,
        "type": run.type,
        "payload": run.payload,
        "claim": run.claim,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "timeout_s": run.timeout_s,
        "left_s": run.deadline - time.monotonic(),
    }


def _died(run: Run, code: int) -> Ending:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    error = f"its process died ({how})"
    if run.lost + 1 >= MAX_LOST:
        return Ending(Status.FAILED, error=error, lost=1)
    return failed_attempt(run, error, lost=1)
