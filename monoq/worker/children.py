"""Child processes, one per job: for suspects, which may kill their process, and for isolated job
types, which must be killable. A child must never outlive its worker, its deadline or its job, and a
job must never be charged for what others did to its child."""

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import orjson

from monoq.job import Status
from monoq.worker.call import failed_attempt, timed_out
from monoq.worker.environment import Reports
from monoq.worker.forked import KILLING, REPORT, Child, Death
from monoq.worker.forks import Forks, NoChild
from monoq.worker.run import RELEASED, Ending, Run

log = logging.getLogger(__name__)

MAX_LOST = 3  # runs that took their process with them
MAX_DEATHS = 100  # processes killed from outside while they ran the job
AGAIN_S = 1.0  # about when a job runs again whose child was killed
ROOM = 64 * 1024  # for what a child says besides its result: an error, mostly


class Children:
    """At most `size` children at once. `command` starts the fork server; it takes two descriptors,
    last. `variables` are added to its environment."""

    def __init__(
        self,
        *,
        command: Sequence[str],
        size: int,
        max_result: int,
        reports: Reports,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        # A result is JSON in JSON: at worst each character of it is escaped.
        self._forks = Forks(
            command=command, line_bytes=2 * max_result + ROOM, variables=variables or {}
        )
        self.size = size
        self._reports = reports
        self._slots = asyncio.Semaphore(size)
        self._waiting: set[Run] = set()

    @property
    def paused(self) -> bool:
        """Whether no child can be had for now."""
        return bool(self._forks.pause_s)

    def waiting(self, claimed_before: float) -> list[Run]:
        """The runs that wait for a child and were claimed so long ago."""
        return [run for run in self._waiting if run.claimed_at <= claimed_before]

    async def run(self, run: Run) -> Ending:
        """Runs a job alone in a child, when one is free. Its time begins with the child."""
        self._waiting.add(run)
        try:
            async with self._slots:
                self._waiting.discard(run)
                return await self._run_alone(run)
        except asyncio.CancelledError:
            return timed_out(run) if run.timed_out else RELEASED
        except (NoChild, OSError) as error:  # no process, no descriptor: the job is not to blame
            log.info("no child for job %s: %s", run.id, error)
            delay_ms = int(self._forks.pause_s * 1000) + _soon_ms()
            return Ending(Status.PENDING, delay_ms=delay_ms, attempts_back=1)
        finally:
            self._waiting.discard(run)

    async def _run_alone(self, run: Run) -> Ending:
        child = await self._forks.fork()
        try:
            run.begin(time.monotonic())
            killing, reply = await _ask(child, run, self._reports)
            if reply:
                return _ending(run, reply)
            return _died(run, await child.death(), killing)
        finally:
            child.end()

    async def close(self) -> None:
        """Ends the fork server, and with it every child."""
        await self._forks.close()


async def _ask(child: Child, run: Run, reports: Reports) -> tuple[bool, bytes]:
    """Whether the job said that it kills its process or those above it, and its reply: b"" if the
    child died without one."""
    killing = False
    try:
        child.writer.write(orjson.dumps(_request(run)) + b"\n")
        await child.writer.drain()
        while reply := await child.reader.readline():
            if reply == KILLING:
                killing = True
            elif reply.startswith(REPORT):
                _pass_on(run, reply.removeprefix(REPORT), reports)
            else:
                break
    except ConnectionError:
        return killing, b""
    except ValueError:  # longer than any that ends in `_end_of`
        return killing, b"?"
    return killing, reply if reply.endswith(b"\n") else b""


def _pass_on(run: Run, report: bytes, reports: Reports) -> None:
    with suppress(ValueError, TypeError, KeyError):  # a child may say anything
        match orjson.loads(report):
            case {"progress": [fraction, text]}:
                reports.progress(run, float(fraction), str(text))
            case {"log": [text, fields]}:
                reports.log(run, str(text), dict(fields))


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


def _ending(run: Run, reply: bytes) -> Ending:
    try:
        ending = Ending(**orjson.loads(reply))
        return ending._replace(status=Status(ending.status))
    except (ValueError, TypeError):
        return _died(run, Death("it spoke on the connection to the worker", "itself"))


def _died(run: Run, death: Death, killing: bool = False) -> Ending:
    """A job is charged only if it killed its own process or, by its own notice, a parent
    process."""
    if killing or death.by == "itself":
        by = ", killed by the job itself" if killing else ""
        error = f"its process died ({death.words}{by})"
        # A job whose type is not isolated runs here because of a death: maybe the first of the
        # three.
        lost = run.lost + 1 + (1 if run.deaths and not run.handler.isolated else 0)
        if lost >= MAX_LOST:
            return Ending(Status.FAILED, error=error, lost=1)
        return failed_attempt(run, error, lost=1)
    error = f"its process was killed by another ({death.words})"
    if run.deaths + 1 >= MAX_DEATHS:
        error = f"{run.deaths + 1} processes that held it died; the last: {death.words}"
        return Ending(Status.FAILED, error=error, deaths=1)
    return Ending(Status.PENDING, error=error, delay_ms=_soon_ms(), attempts_back=1, deaths=1)


def _soon_ms() -> int:
    return int(AGAIN_S * random.uniform(500, 1500))  # noqa: S311 - spreads load
