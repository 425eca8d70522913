"""Who is charged when a child dies, and how the job's own deed is told from another's."""

import os
import signal
import socket
from uuid import UUID

import pytest

from monoq import App, Backoff
from monoq.job import Status
from monoq.worker.children import MAX_DEATHS, _died, _ending
from monoq.worker.fork_server import _word_before_a_kill
from monoq.worker.forked import KILLING, Death
from monoq.worker.run import Ending, Run

CRASH = Death("signal SIGSEGV", "itself")
KILLED = Death("signal SIGKILL", "another")
ORPHANED = Death("its fork server died", "fork server")


def run_of(*, isolated: bool = True, lost: int = 0, deaths: int = 0) -> Run:
    app = App()
    backoff = Backoff(base=1, max=1)
    declare = app.handler("test", max_attempts=9, backoff=backoff, isolated=isolated)
    declare(lambda payload: None)
    handler = app.handlers["test"]
    return Run(UUID(int=1), "acme", "test", "{}", 1, 1, 1, 9, 1, lost, deaths, 5.0, handler)


@pytest.mark.parametrize(
    ("isolated", "lost", "deaths", "ends"),
    [
        (True, 0, 0, Status.PENDING),
        (True, 1, 5, Status.PENDING),
        (True, 2, 0, Status.FAILED),
        (False, 0, 1, Status.PENDING),  # one run killed its worker, one its child
        (False, 1, 1, Status.FAILED),  # the third
        (False, 1, 0, Status.PENDING),
        (False, 2, 0, Status.FAILED),
    ],
)
def test_the_third_run_that_took_its_process_with_it_is_the_last(
    isolated: bool,
    lost: int,
    deaths: int,
    ends: Status,
) -> None:
    ending = _died(run_of(isolated=isolated, lost=lost, deaths=deaths), CRASH)
    told = (ending.status, ending.lost, ending.deaths, ending.attempts_back)
    assert told == (ends, 1, 0, 0)
    assert ending.error == "its process died (signal SIGSEGV)"


def test_what_others_kill_runs_again_uncharged_but_not_for_ever() -> None:
    ending = _died(run_of(lost=2, deaths=MAX_DEATHS - 2), KILLED)
    told = (ending.status, ending.lost, ending.deaths, ending.attempts_back)
    assert told == (Status.PENDING, 0, 1, 1)
    assert 500 <= ending.delay_ms <= 1500
    ending = _died(run_of(deaths=MAX_DEATHS - 1), KILLED)
    assert (ending.status, ending.lost, ending.deaths) == (Status.FAILED, 0, 1)
    assert ending.error
    assert ending.error.startswith("100 processes that held it died; ")


def test_nobody_is_charged_for_the_death_of_the_fork_server_but_who_killed_it() -> None:
    ending = _died(run_of(lost=2, deaths=MAX_DEATHS - 2), ORPHANED)
    told = (ending.status, ending.lost, ending.deaths, ending.attempts_back)
    assert told == (Status.PENDING, 0, 1, 1)
    for death in (ORPHANED, KILLED):
        ending = _died(run_of(), death, killing=True)
        assert (ending.status, ending.lost, ending.attempts_back) == (Status.PENDING, 1, 0)


NO_ENDINGS = [b"?", b"", b"null\n", b"[]\n", b'{"status": "LOST"}\n', b'{"x": 1}\n', b"\xff\n"]


@pytest.mark.parametrize("reply", NO_ENDINGS)
def test_a_reply_that_is_no_ending_is_the_jobs_own_doing(reply: bytes) -> None:
    ending = _ending(run_of(), reply)
    assert (ending.status, ending.lost) == (Status.PENDING, 1)
    assert ending.error == "its process died (it spoke on the connection to the worker)"


def test_a_reply_is_an_ending() -> None:
    reply = b'{"status": "COMPLETED", "result": "1"}\n'
    assert _ending(run_of(), reply) == Ending(Status.COMPLETED, result="1")


FORK_SERVER, WORKER, ANOTHER = 400_001, os.getppid(), 400_003
ME = os.getpid()


@pytest.mark.parametrize(
    ("event", "target", "signum", "told"),
    [
        ("os.kill", ME, signal.SIGKILL, True),
        ("os.kill", 0, signal.SIGKILL, True),
        ("os.kill", -ME, signal.SIGKILL, True),
        ("os.kill", -1, signal.SIGKILL, True),
        ("os.kill", FORK_SERVER, signal.SIGKILL, True),
        ("os.kill", FORK_SERVER, signal.SIGSEGV, True),
        ("os.kill", WORKER, signal.SIGKILL, True),
        ("os.killpg", ME, signal.SIGKILL, True),
        ("os.killpg", 0, signal.SIGKILL, True),
        ("os.killpg", FORK_SERVER, signal.SIGKILL, True),
        ("signal.pthread_kill", 12345, signal.SIGKILL, True),
        ("os.kill", ME, signal.SIGUSR1, False),  # if it kills, the exit code tells
        ("os.kill", FORK_SERVER, 0, False),
        ("os.kill", ANOTHER, signal.SIGKILL, False),
        ("os.killpg", ANOTHER, signal.SIGKILL, False),
        ("open", ME, signal.SIGKILL, False),
    ],
    ids=lambda value: str(value).replace(str(ME), "me").replace(str(WORKER), "worker"),
)
def test_a_job_that_is_about_to_kill_what_it_lives_in_says_so_first(
    event: str,
    target: int,
    signum: int,
    told: bool,
) -> None:
    worker, job = socket.socketpair()
    with worker, job:
        _word_before_a_kill(job, FORK_SERVER, WORKER)(event, (target, signum))
        job.close()
        assert worker.recv(100) == (KILLING if told else b"")


def test_a_word_that_nobody_hears_stops_nothing() -> None:
    worker, job = socket.socketpair()
    worker.close()
    job.close()
    _word_before_a_kill(job, FORK_SERVER, WORKER)("os.kill", (ME, signal.SIGKILL))
