"""The fork server as a real process, without a worker around it."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from recorder import Recorder

from monoq.handlers import builtin
from monoq.handlers.options import Options
from monoq.job import Status
from monoq.worker import forks
from monoq.worker.children import Children
from monoq.worker.run import Ending, Run

MAX_RESULT = 1000
COMMAND = [
    sys.executable,
    "-m",
    "monoq.worker.fork_server",
    "",
    "0",
    str(MAX_RESULT),
    "info",
    "console",
]
SIZE = 3


def echo(payload: str) -> Run:
    handler = builtin(Options()).handlers["echo"]
    return Run(UUID(int=1), "acme", "echo", payload, 1, 1, 1, 3, 1, 0, 1, 60.0, handler)


@asynccontextmanager
async def children_of(command: list[str]) -> AsyncIterator[Children]:
    children = Children(command=command, size=SIZE, max_result=MAX_RESULT, reports=Recorder())
    try:
        yield children
    finally:
        await children.close()


async def test_a_child_says_how_its_job_ended_and_when_it_began() -> None:
    async with children_of(COMMAND) as children:
        run = echo('{"n": 1}')
        assert await children.run(run) == Ending(Status.COMPLETED, result='{"n":1}')
        assert run.deadline == run.started_at + 60 > 60
        ending = await children.run(echo(f'"{"x" * MAX_RESULT}"'))
        told = "the result is 1002 bytes; at most 1000 are stored (MONOQ_MAX_RESULT)"
        assert (ending.status, ending.error) == (Status.FAILED, told)
        assert not children.paused


async def test_no_child_is_free_while_the_fork_server_does_not_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with children_of([sys.executable, "-c", "raise SystemExit(3)"]) as children:
        run = echo("1")
        ending = await children.run(run)
        told = (ending.status, ending.attempts_back, ending.lost, ending.deaths)
        assert told == (Status.PENDING, 1, 0, 0)
        assert children.paused
        assert 500 <= ending.delay_ms <= 2500
        assert (await children.run(run)).status is Status.PENDING
    assert caplog.text.count("the fork server does not start: exit code 3") == 1


async def test_a_fork_server_that_hangs_is_replaced_and_its_jobs_are_not_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forks, "FORK_WITHIN_S", 0.5)
    async with children_of(COMMAND) as children:
        assert (await children.run(echo("1"))).status is Status.COMPLETED
        server = children._forks._server
        assert server
        os.kill(server.process.pid, signal.SIGSTOP)
        ending = await children.run(echo("1"))
        told = (ending.status, ending.attempts_back, ending.lost, ending.deaths)
        assert told == (Status.PENDING, 1, 0, 0)
        monkeypatch.undo()
        assert (await children.run(echo("1"))).status is Status.COMPLETED
        assert server.process.returncode == -signal.SIGKILL
