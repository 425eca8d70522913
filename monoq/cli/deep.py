"""`monoq check --deep`: harmful settings of the engines, clocks, dead rows, and what holds VACUUM
back. It must change nothing, and recommend an action for each finding."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from monoq.cli.finding import Finding, fail, ok, warn
from monoq.config import Settings
from monoq.errors import ConfigError
from monoq.queue import connection as redis_connection
from monoq.store.database import CONNECT_TIMEOUT_S, UNAVAILABLE, connection_error
from monoq.store.inspection import InspectionStore
from monoq.store.vacuum import KINDS, Holders, VacuumStore

UPKEEP_CONNECTIONS = 4
CLOCK_WARN_S, CLOCK_FAIL_S = 1.0, 60.0
OPEN_WARN_S, OPEN_FAIL_S = 60.0, 3600.0
BEHIND_WARN, BEHIND_FAIL = 1_000_000, 50_000_000  # transactions, where no time is known
DEAD_ROWS = 100_000  # fewer are no matter
DEAD_TO_LIVE = 3
MB = 1 << 20
# what must be on, and what happens while it is off
MUST_BE_ON = {
    "autovacuum": "dead rows are never removed: every table grows, and queries get slower",
    "track_counts": "autovacuum does not know when a table needs it",
    "fsync": "a crash of the machine may lose jobs that were accepted, or the whole database",
    "full_page_writes": "a crash of the machine may damage pages of the database",
}


async def check_deep(settings: Settings, database_url: str, redis_url: str) -> list[Finding]:
    """All but the recount of jobs, which takes a while."""
    # as a session has them that sets nothing itself, like one that submits in SQL
    words = {"application_name": "monoq check", "search_path": "public"}
    try:
        connection = await asyncpg.connect(
            database_url, timeout=CONNECT_TIMEOUT_S, server_settings=words
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        return [fail(str(connection_error(error, database_url)))]
    try:
        inspection = InspectionStore(connection)
        postgres = await inspection.settings()
        findings = [
            *judge_settings(postgres),
            judge_connections(postgres, settings),
            judge_clock(*await inspection.clock_offset()),
            *judge_tables(await inspection.tables()),
            *judge_holders(
                await VacuumStore(connection).find_holders(),
                sees_all=postgres["may see sessions"] == "true",
            ),
        ]
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        findings = [fail(f"PostgreSQL could not be inspected: {error}")]
    finally:
        connection.terminate()
    return [*findings, await check_redis(redis_url)]


def judge_settings(postgres: Mapping[str, str]) -> list[Finding]:
    """Of rows of read_settings.sql."""
    findings = [
        fail(f"{name} is off: {harm}", f"set {name} = on in postgresql.conf, and reload")
        for name, harm in MUST_BE_ON.items()
        if postgres[name] == "off"
    ]
    if postgres["synchronous_commit"] == "off":
        findings.append(
            warn(
                "synchronous_commit is off: monoq sets it for itself, but others' submits in"
                " SQL may be lost by a crash after their commit",
                "ALTER DATABASE … RESET synchronous_commit, or set it to on",
            )
        )
    if int(postgres["autovacuum_naptime"]) > 60:
        findings.append(
            warn(
                f"autovacuum runs only every {postgres['autovacuum_naptime']} s: the small tables"
                " collect dead rows every second",
                "set autovacuum_naptime = 15s",
            )
        )
    return findings or [ok("the settings of PostgreSQL are safe")]


def judge_connections(postgres: Mapping[str, str], settings: Settings) -> Finding:
    """Whether the connections of another process fit into max_connections."""
    each = UPKEEP_CONNECTIONS + (settings.database_connections + 1) * (
        2 if settings.role == "all" else 1
    )
    most = int(postgres["max_connections"])
    for reserved in ("superuser_reserved_connections", "reserved_connections"):
        most -= int(postgres.get(reserved, 0))
    taken = int(postgres["sessions"])
    text = (
        f"a process with these settings opens up to {each} connections;"
        f" PostgreSQL allows {most}, and has {taken}"
    )
    advice = "raise max_connections, or lower MONOQ_DATABASE_CONNECTIONS"
    if most < each:
        return fail(text, advice)
    if most - taken < each:
        return warn(f"{text}: no room for another process", advice)
    return ok(f"{text}: room for {(most - taken) // each} more")


def judge_clock(offset_s: float, unsure_s: float) -> Finding:
    """Postgres' clock decides what is due; ours is in the ids."""
    apart_s = max(0.0, abs(offset_s) - unsure_s)
    text = f"the clocks of PostgreSQL and this host are {apart_s:.2f} s apart"
    advice = "synchronize both with NTP: ids and the order of jobs depend on both"
    if apart_s > CLOCK_FAIL_S:
        return fail(text, advice)
    return warn(text, advice) if apart_s > CLOCK_WARN_S else ok(text)


def judge_tables(tables: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Of rows of read_tables.sql."""
    findings = []
    for table in tables:
        if table["unattended"]:
            findings.append(
                fail(
                    f"autovacuum is off for the table {table['name']}",
                    f"ALTER TABLE {table['name']} RESET (autovacuum_enabled)",
                )
            )
        dead, live = table["dead"], table["live"]
        if dead > DEAD_ROWS and dead > DEAD_TO_LIVE * live:
            findings.append(
                warn(
                    f"the table {table['name']} has {dead:,} dead rows beside {live:,} live ones,"
                    f" in {table['bytes'] // MB:,} MB",
                    "see below what holds VACUUM back; if nothing does, run"
                    f" VACUUM (INDEX_CLEANUP ON) {table['name']}",
                )
            )
    return findings or [ok("no table has many dead rows")]


def judge_holders(holders: Holders, *, sees_all: bool) -> list[Finding]:
    """What holds VACUUM back, and for how long."""
    findings = []
    for kind, holder, xid, open_s in holders.oldest:
        behind = holders.next - xid
        known = open_s if behind > 0 else 0.0
        age = f"{behind:,} transactions" if known is None else f"{known:.0f} s"
        text = f"VACUUM is held back for {age} by {KINDS[kind]}: {holder}"
        advice = "see docs/operations.md, What holds VACUUM back"
        if behind > BEHIND_FAIL or (known or 0) > OPEN_FAIL_S:
            findings.append(fail(text, advice))
        elif behind > BEHIND_WARN or (known or 0) > OPEN_WARN_S:
            findings.append(warn(text, advice))
    if not sees_all:
        findings.append(
            warn(
                "this role cannot see which sessions of other roles hold VACUUM back",
                "GRANT pg_monitor TO the role that monoq uses",
            )
        )
    return findings or [ok("nothing holds VACUUM back")]


async def check_redis(url: str) -> Finding:
    """Whether Redis may evict lists."""
    client = None
    try:
        client = redis_connection.connect(url)
        memory = await client.info("memory")
    except (*redis_connection.UNAVAILABLE, ConfigError) as error:
        return fail(f"the settings of Redis cannot be read: {error}")
    finally:
        if client is not None:
            await redis_connection.close(client)
    return judge_eviction(int(memory["maxmemory"]), str(memory["maxmemory_policy"]))


def judge_eviction(most: int, policy: str) -> Finding:
    """`most`: maxmemory in bytes, 0: no limit."""
    if most and policy != "noeviction":
        return warn(
            f"maxmemory-policy of Redis is {policy}, with a limit of {most // MB:,} MB: it may"
            " evict the list of the next jobs, which is then rebuilt each time",
            "set maxmemory-policy noeviction, and give monoq a Redis of its own",
        )
    return ok("Redis evicts nothing")
