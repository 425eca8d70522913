"""Webhooks to 10,000 endpoints, all alive or one of them dead: what the others notice of it."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager

import orjson

from monoq.bench.connection import Connection
from monoq.bench.measures import Samples
from monoq.bench.system import System
from monoq.errors import MonoqError
from monoq.process.exit import before_exit, not_before_exit

ENDPOINTS = 10_000
PER_S = 100  # webhooks submitted, steadily
BUSY_SHARE = 20  # each twentieth goes to one endpoint, alive or dead
STEP_S = 0.03
JOBS_PER_ROUND = 10  # of the requested jobs, one in so many: a webhook costs more than a no-op
FEWEST = 100  # so that a few go to the busy endpoint
OTHERS_DONE = """
    SELECT NOT EXISTS (SELECT FROM jobs
                       WHERE status IN ('PENDING', 'RUNNING') AND payload->>'url' NOT LIKE $1)"""
LATENCY = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::float,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::float,
           count(*) FILTER (WHERE status <> 'COMPLETED' OR attempts <> 1)
    FROM (SELECT status, attempts, extract(epoch FROM finished_at - created_at) * 1000 AS ms
          FROM jobs WHERE payload->>'url' NOT LIKE $1) AS others"""
NOTICED = "SELECT EXISTS (SELECT FROM breakers WHERE endpoint = $1)"
OPENED = """
    SELECT extract(epoch FROM (SELECT since FROM breakers WHERE endpoint = $1)
                              - (SELECT min(created_at) FROM jobs))::float"""


async def webhooks(system: System, jobs: int, rounds: int) -> AsyncIterator[Samples]:
    """Milliseconds from the submit to the end of a webhook, without those to the busy endpoint; and
    seconds until that one, dead, is left alone."""
    await system.clear()
    settings = {"MONOQ_ALLOWED_NETWORKS": "127.0.0.0/8"}
    with _receiver() as port:
        async with system.api(**settings) as (api_port, _):
            with closing(Connection(api_port)) as http, system.process("worker", settings=settings):
                await system.until("SELECT count(*) > 0 FROM workers")
                for round_ in range(rounds):
                    samples: Samples = {}
                    for label, busy in (("", "127.9"), (", 1 of 10,000 dead", "127.8")):
                        endpoint = f"http://{busy}.0.{round_ + 1}:{port}"
                        await system.clear_jobs()
                        await _submit(http, max(jobs // JOBS_PER_ROUND, FEWEST), port, endpoint)
                        await system.until(OTHERS_DONE, f"{endpoint}%", every_s=0.25)
                        p50, p99, wrong = await system.connection.fetchrow(LATENCY, f"{endpoint}%")
                        if wrong:
                            raise MonoqError(f"{wrong} webhooks to live endpoints failed")
                        samples[f"webhooks{label}, p50 ms"] = [p50]
                        samples[f"webhooks{label}, p99 ms"] = [p99]
                    await system.until(NOTICED, endpoint, every_s=0.25, within_s=10)
                    opened_s = await system.connection.fetchval(OPENED, endpoint)
                    yield samples | {"webhooks, dead endpoint left alone after s": [opened_s]}


async def _submit(http: Connection, jobs: int, port: int, busy: str) -> None:
    began = time.monotonic()
    numbers = itertools.count()
    submitted = 0
    while submitted < jobs:
        due = min(jobs, int((time.monotonic() - began) * PER_S) + 1) - submitted
        urls = [_url(next(numbers), port, busy) for _ in range(due)]
        batch = [{"tenantId": "t", "type": "webhook", "payload": {"url": url}} for url in urls]
        status, answer = await http.post("/jobs/batch", orjson.dumps({"jobs": batch}))
        if status != 201:
            raise MonoqError(f"the server answered {status}: {answer.decode()[:200]}")
        submitted += due
        await asyncio.sleep(STEP_S)


def _url(number: int, port: int, busy: str) -> str:
    if number % BUSY_SHARE == 0:
        return f"{busy}/{number}"
    place = number * 7919 % ENDPOINTS  # no two of one endpoint soon after one another
    return f"http://127.1.{place // 200}.{place % 200 + 1}:{port}/"


@contextmanager
def _receiver() -> Iterator[int]:
    command = [sys.executable, "-m", "monoq.bench.receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - ourselves
        before_exit(process.kill)
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()
            not_before_exit(process.kill)
