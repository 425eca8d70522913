"""What a run leaves for the runs after it: that it began to send, and what is known of each
recipient. It must be written before the server may have the mail: a run that finds a send that has
begun and not ended cannot know whether the mail was sent."""

import asyncio
import json
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from monoq.handlers.email.delivery import Outcome, Outcomes

UNKNOWN = "unknown: "  # how the error of a job begins whose mail may have been sent
CONNECTIONS = 2  # a note takes a millisecond or two, a mail a hundred
CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 3.0
MAX_NEEDLESS = 1000

# Errors of an outage. Anything else is a bug.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
)


class NoteUnavailable(Exception):  # noqa: N818
    """PostgreSQL is away."""


class Note(NamedTuple):
    """What earlier runs recorded of the mail whose digest is `mail`. `is_open`: the last run began
    to send and recorded no end; `told`: its job has FAILED as unknown since, and a person has
    retried it."""

    claim: int
    mail: str
    is_open: bool
    outcomes: Outcomes
    told: bool


class Sends:
    """The table `email_sends`. Every method raises NoteUnavailable if PostgreSQL is away."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._needless: deque[UUID] = deque(maxlen=MAX_NEEDLESS)

    async def read(self, job_id: UUID) -> Note | None:
        """What earlier runs of a job wrote down; None: none of them began to send."""
        row = await self._fetchrow("read_email_send", job_id, f"{UNKNOWN}%")
        if row is None:
            return None
        outcomes = {
            address: Outcome(*outcome) for address, outcome in json.loads(row["outcomes"]).items()
        }
        return Note(row["claim"], row["mail"], row["is_open"], outcomes, row["told"])

    async def begin(
        self, job_id: UUID, claim: int, mail: str, seen: Note | None, outcomes: Outcomes
    ) -> bool:
        """Writes down that a run begins to send; False: the job is not the run's any more, or
        another run wrote something since `seen` was read."""
        row = await self._fetchrow(
            "begin_email_send",
            job_id,
            claim,
            json.dumps(outcomes),
            seen.claim if seen else None,
            list(self._needless),
            mail,
        )
        self._needless.clear()
        return row is not None

    async def end(self, job_id: UUID, claim: int, *, is_open: bool, outcomes: Outcomes) -> None:
        """Writes down what a run knows in the end."""
        await self._fetchrow("end_email_send", job_id, claim, is_open, json.dumps(outcomes))

    def is_needless(self, job_id: UUID) -> None:
        """The note of a job is not needed any more, once the job is COMPLETED."""
        self._needless.append(job_id)

    async def close(self) -> None:
        """Closes the connections."""
        if self._pool:
            self._pool.terminate()

    async def _fetchrow(self, name: str, *args: Any) -> asyncpg.Record | None:
        try:
            pool = await self._open()
            async with asyncio.timeout(CONNECT_TIMEOUT_S + COMMAND_TIMEOUT_S):
                return await pool.fetchrow(statement(name), *args)
        except UNAVAILABLE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise NoteUnavailable(f"PostgreSQL cannot be used: {reason}") from error

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=COMMAND_TIMEOUT_S,
                    max_inactive_connection_lifetime=30,
                    reset=_no_reset,
                    server_settings={
                        "application_name": "monoq email",
                        "synchronous_commit": "on",  # it must outlive a crash
                        "statement_timeout": str(int(COMMAND_TIMEOUT_S * 1000)),
                        "timezone": "UTC",
                        "search_path": "public",
                        "jit": "off",
                    },
                )
            return self._pool


@cache
def statement(name: str) -> str:
    """The text of `handlers/queries/<name>.sql`."""
    return (Path(__file__).parent.parent / "queries" / f"{name}.sql").read_text()


async def _no_reset(connection: asyncpg.Connection) -> None:
    """We leave no session state behind."""
