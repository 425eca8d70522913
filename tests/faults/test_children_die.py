"""Children and their fork server are killed, by jobs and by others: charged is only who did it."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import eventually

from faults.member import Member
from faults.world import World, world

INNOCENT = ("COMPLETED", 1, 0)  # status, attempts, lost


def fork_servers(worker: Member) -> list[psutil.Process]:
    return list(psutil.Process(worker.pid).children())


def starts(broken: World, job_id: Any = None) -> list[str]:
    """A job's id for each of its runs that began; without one, those of all jobs."""
    began = [one for one, event, _ in broken.executions() if event == "start"]
    return [one for one in began if job_id is None or one == str(job_id)]


def break_handlers(broken: World) -> None:
    """From here on they do not load in a fork server."""
    Path(f"{broken.ledger}.broken").touch()


def mend_handlers(broken: World) -> None:
    Path(f"{broken.ledger}.broken").unlink()


async def began(broken: World, at_least: int, job_id: Any = None) -> None:
    """Returns when this many runs have begun, of all jobs or of this one."""
    await eventually(lambda: len(starts(broken, job_id)) >= at_least)


async def fates(broken: World, ids: list[Any]) -> set[tuple[str, int, int]]:
    sql = "SELECT status, attempts, crashes FROM jobs WHERE id = ANY ($1::uuid[])"
    return {
        (row["status"], row["attempts"], row["crashes"]) for row in await broken.fetch(sql, ids)
    }


async def test_a_job_that_ends_its_own_process_fails_after_three_runs(tmp_path: Path) -> None:
    ways = {
        "kill itself": "signal SIGKILL, killed by the job itself",
        "kill its group": "signal SIGKILL, killed by the job itself",
        "crash": "signal SIGSEGV",
        "exit": "exit code 0",
        "hang up": "it closed its connection to the worker",
        "talk": "it spoke on the connection",
    }
    async with world(tmp_path, workers=1) as broken:
        naps = await broken.submit_sql("nap", "0.5", 10)
        guilty = {way: (await broken.submit_sql("apart", f'"{way}"'))[0] for way in ways}
        await broken.all_ended()
        for way, said in ways.items():
            sql = "SELECT status, attempts, crashes, deaths, error FROM jobs WHERE id = $1"
            (row,) = await broken.fetch(sql, guilty[way])
            told = (row["status"], row["attempts"], row["crashes"], row["deaths"])
            assert told == ("FAILED", 3, 3, 0), (way, row["error"])
            assert row["error"].startswith(f"its process died ({said}"), way
            assert len(starts(broken, guilty[way])) == 3
        assert await fates(broken, naps) == {INNOCENT}


async def test_a_job_that_kills_the_fork_server_is_charged_and_nobody_else(tmp_path: Path) -> None:
    async with world(tmp_path, workers=1) as broken:
        naps = await broken.submit_sql("nap", "1", 10)
        await began(broken, 10)
        (guilty,) = await broken.submit_sql("apart", '"kill parent"')
        await broken.all_ended()
        assert await fates(broken, [guilty]) == {("FAILED", 3, 3)}
        assert len(starts(broken, guilty)) == 3
        assert await fates(broken, naps) == {INNOCENT}


async def test_twenty_jobs_complete_though_their_fork_server_is_killed_three_times(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, workers=1, MONOQ_CHILDREN="10") as broken:
        ids = await broken.submit_sql("nap", "1.5", 20)
        for _ in range(3):
            (fork_server,) = await eventually(lambda: fork_servers(broken.workers[0]))
            await eventually(fork_server.children)
            await began(broken, 1 + len(starts(broken)))
            fork_server.kill()
            await asyncio.to_thread(fork_server.wait)
        await broken.all_ended()
        assert await fates(broken, ids) == {INNOCENT}
        assert await broken.value("SELECT sum(crashes) FROM jobs") == 0
        assert broken.workers[0].said().count("the fork server died") == 3


async def test_a_job_whose_child_is_killed_by_another_runs_again_uncharged(tmp_path: Path) -> None:
    async with world(tmp_path, workers=1) as broken:
        (job_id,) = await broken.submit_sql("nap", "2")
        for run in (1, 2):
            await began(broken, run, job_id)
            (fork_server,) = fork_servers(broken.workers[0])
            (child,) = fork_server.children()
            child.kill()
        await broken.all_ended()
        sql = "SELECT attempts, crashes, deaths, status, errors::text AS errors FROM jobs"
        (row,) = await broken.fetch(sql)
        assert (row["status"], row["attempts"], row["crashes"], row["deaths"]) == (
            "COMPLETED",
            1,
            0,
            2,
        )
        assert row["errors"].count("its process was killed by another (signal SIGKILL)") == 2
        assert len(fork_servers(broken.workers[0])) == 1


async def test_the_time_of_a_job_does_not_run_while_it_waits_for_a_child(tmp_path: Path) -> None:
    async with world(tmp_path, workers=1, MONOQ_CHILDREN="1") as broken:
        ids = await broken.submit_sql("nap-briefly", "1", 4)
        await broken.all_ended()
        assert await fates(broken, ids) == {INNOCENT}


async def test_a_fork_server_that_cannot_load_its_handlers_is_tried_now_and_then(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, workers=1) as broken:
        (worker,) = broken.workers
        break_handlers(broken)
        ids = await broken.submit_sql("nap", "0", 5)
        others = await broken.submit_sql("work", "{}", 5)
        await eventually(lambda: worker.said().count("the next try is in 2 s"))
        assert await eventually(lambda: len(broken.executions())) == 10  # the others' lines
        assert await fates(broken, others) == {INNOCENT}
        assert "RuntimeError: the handlers do not load here" in worker.said()
        assert worker.said().count("the fork server does not start: exit code 1") == 2
        mend_handlers(broken)
        await broken.all_ended()
        assert await fates(broken, ids) == {INNOCENT}


async def test_a_worker_that_stops_lets_isolated_jobs_end_and_releases_the_others(
    tmp_path: Path,
) -> None:
    """All its processes get the signal, as from a service manager."""
    async with world(tmp_path, workers=1, MONOQ_SHUTDOWN_TIMEOUT="6") as broken:
        (worker,) = broken.workers
        ending = await broken.submit_sql("nap", "2", 3)
        hanging = await broken.submit_sql("apart", '"hang"', 3)
        await began(broken, 6)
        processes = psutil.Process(worker.pid).children(recursive=True)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        await asyncio.to_thread(worker.process.wait, 15)
        assert await fates(broken, ending) == {INNOCENT}
        assert await fates(broken, hanging) == {("PENDING", 0, 0)}
        assert await broken.value("SELECT sum(deaths) FROM jobs") == 0
        await eventually(lambda: not any(process.is_running() for process in processes))


@pytest.mark.parametrize("jobs", [40, pytest.param(200, marks=pytest.mark.soak)])
async def test_isolated_jobs_with_two_megabytes_each_run(tmp_path: Path, jobs: int) -> None:
    async with world(tmp_path, workers=1, MONOQ_BATCH_SIZE="5", MONOQ_SLOTS="40") as broken:
        await broken.submit_sql("weigh", f'"{"x" * 2_000_000}"', jobs)
        await broken.all_ended(120)
        rows = await broken.fetch("SELECT status, attempts, result::text AS result FROM jobs")
        ended = {(row["status"], row["attempts"], row["result"]) for row in rows}
        assert ended == {("COMPLETED", 1, "2000000")}


@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_every_line_that_isolated_jobs_print_reaches_the_log_whole(
    tmp_path: Path, unbuffered: str
) -> None:
    """Sixteen children print at once, into one file. Where Python does not buffer, a `print` of two
    words is four writes."""
    async with world(
        tmp_path, workers=1, PYTHONUNBUFFERED=unbuffered, MONOQ_CHILDREN="16"
    ) as broken:
        (worker,) = broken.workers
        ids = await broken.submit_sql("print-lines", "1000", 16)
        await broken.all_ended()
        assert await fates(broken, ids) == {INNOCENT}
        printed = Counter(line for line in worker.said().splitlines() if line.startswith("line"))
        assert printed == {f"line {n}": 16 for n in range(1000)}


async def test_what_an_isolated_job_printed_before_it_killed_itself_is_in_the_log(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, workers=1, PYTHONUNBUFFERED="") as broken:
        (worker,) = broken.workers
        await broken.submit_sql("print-and-die", "null")
        await broken.all_ended()
        assert worker.said().count("my last words\n") == 1
