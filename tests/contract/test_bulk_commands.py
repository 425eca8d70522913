"""`monoq jobs cancel|retry --all` and `monoq operations`: as people type them; and the client."""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from conftest import Server, eventually

import monoq
from contract.test_operations import FAILED, WAITING
from contract.test_policy_commands import cli


async def test_many_jobs_are_counted_cancelled_and_retried_from_the_command_line(
    server: Server, db: asyncpg.Connection
) -> None:
    await db.execute(WAITING, "acme", "nobody-runs-it", 1234)
    everything = ("jobs", "cancel", "--all", "--tenant", "acme", "--type", "nobody-runs-it")
    assert await cli(server, *everything, "--dry-run") == (0, "1,234 jobs match\n")
    code, said = await cli(server, *everything)  # nobody answers the question
    assert (code, "Cancel 1,234 jobs?" in said) == (1, True)
    assert await db.fetchval("SELECT count(*) FROM operations") == 0
    code, said = await cli(server, *everything, "--yes")
    assert (code, said.splitlines()[-1]) == (0, "COMPLETED: 1,234 jobs"), said
    code, said = await cli(server, "jobs", "retry", "--all", "--before", "1h", "--dry-run")
    assert (code, said) == (0, "0 jobs match\n"), "they are younger"
    again = ("jobs", "retry", "--all", "--after", "1h", "--status", "cancelled", "--yes")
    code, said = await cli(server, *again)
    assert (code, said.splitlines()[-1]) == (0, "COMPLETED: 1,234 jobs"), said
    code, said = await cli(server, "operations", "list")
    assert said.count("COMPLETED") == 2
    newest = json.loads((await cli(server, "operations", "list", "--json"))[1])[0]
    assert json.loads((await cli(server, "operations", "show", newest["id"]))[1]) == newest
    assert (await cli(server, "operations", "watch", newest["id"]))[0] == 0
    code, said = await cli(server, "operations", "abort", newest["id"])
    assert (code, "has ended" in said) == (1, True)


MISTAKES: list[tuple[str, ...]] = [
    ("cancel",),
    ("cancel", "--all"),
    ("cancel", "--tenant", "acme"),
    ("cancel", "00000000-0000-0000-0000-000000000000", "--all", "--tenant", "acme"),
    ("retry", "00000000-0000-0000-0000-000000000000", "--tenant", "acme"),
    ("retry", "--all", "--status", "running"),
    ("retry", "--all", "--after", "99999999999999d"),
]


async def test_a_mistake_changes_nothing_and_is_told(server: Server) -> None:
    for words in MISTAKES:
        code, said = await cli(server, "jobs", *words)
        assert code == 2, (words, said)
        assert "Traceback" not in said


async def test_ctrl_c_stops_watching_and_the_server_goes_on(
    server: Server, db: asyncpg.Connection, database_url: str
) -> None:
    await db.execute(WAITING, "acme", "nobody-runs-it", 3)
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM jobs FOR UPDATE")
    command = ("jobs", "cancel", "--all", "--tenant", "acme", "--yes", "--url", server.url)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monoq", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    looks = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '-- One operation.%'"
    await eventually(lambda: db.fetchval(looks))
    process.send_signal(signal.SIGINT)
    said = (await process.communicate())[0].decode()
    assert process.returncode == 130, said
    assert "it continues" in said
    await holder.close()
    await eventually(
        lambda: db.fetchval("SELECT count(*) = 3 FROM jobs WHERE status = 'CANCELLED'")
    )


async def test_the_client_counts_begins_follows_and_aborts_operations(
    server: Server, db: asyncpg.Connection
) -> None:
    await db.execute(FAILED, "acme", "nobody-runs-it", "timed out", 12)
    async with monoq.Client(server.url) as client:
        long_ago = datetime.now(UTC) - timedelta(days=1)
        counted = await client.count_matching("retry", error_prefix="timed", created_after=long_ago)
        assert counted["matched"] == 12
        begun = await client.retry_all(tenant_id="acme", error_prefix="timed")
        ended = await client.wait_for(begun["id"], timeout=20)
        assert (ended["state"], ended["done"]) == ("COMPLETED", 12)
        assert await client.operations(limit=1) == [ended]
        begun = await client.cancel_all(tenant_id="acme", status="PENDING")
        assert (await client.wait_for(begun["id"]))["done"] == 12
        with pytest.raises(monoq.RequestRefused) as refused:
            await client.abort(begun["id"])
        assert refused.value.status == 409
        with pytest.raises(TypeError, match="tenant"):
            await client.count_matching("retry", tenant="acme")
        with pytest.raises(monoq.RequestRefused):
            await client.cancel_all()
