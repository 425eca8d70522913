"""`monoq check --deep` finds what hurts later, and says what to do about it."""

import asyncio
import re

import asyncpg
import pytest
import redis.asyncio

from monoq.cli.check import check_counts
from monoq.cli.deep import (
    check_deep,
    judge_clock,
    judge_connections,
    judge_eviction,
    judge_holders,
    judge_settings,
    judge_tables,
)
from monoq.cli.finding import Finding, Severity, exit_code, fail, ok, warn
from monoq.config import load_settings
from monoq.store.vacuum import Holder, Holders

SAFE = {
    "autovacuum": "on",
    "track_counts": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum_naptime": "15",
    "max_connections": "100",
    "superuser_reserved_connections": "3",
    "sessions": "10",
}


async def found(database_url: str, redis_url: str) -> list[Finding]:
    return await check_deep(load_settings(), database_url, redis_url)


def about(findings: list[Finding], words: str) -> Finding:
    (finding,) = [finding for finding in findings if words in finding.text]
    return finding


async def test_engines_as_we_start_them_are_well(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    findings = await found(database_url, redis_url)
    assert [finding for finding in findings if finding.severity is Severity.FAIL] == []
    assert about(findings, "clocks").ok
    assert about(findings, "Redis").severity is Severity.OK
    assert about(findings, "dead rows").severity is Severity.OK


async def test_what_hurts_is_found_in_real_engines(
    database_url: str, cache: "redis.asyncio.Redis", redis_url: str, db: asyncpg.Connection
) -> None:
    name = await db.fetchval("SELECT current_database()")
    await db.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await db.execute("ALTER TABLE waiting_jobs SET (autovacuum_enabled = off)")
    await db.execute("INSERT INTO jobs (tenant_id, type) VALUES ('acme', 'x')")
    await db.execute("UPDATE job_count_changes SET jobs = 7")
    await cache.config_set("maxmemory", "100mb")
    await cache.config_set("maxmemory-policy", "allkeys-lru")
    try:
        findings = await found(database_url, redis_url)
    finally:
        await cache.config_set("maxmemory", "0")
        await cache.config_set("maxmemory-policy", "noeviction")
    assert about(findings, "synchronous_commit is off").severity is Severity.WARN
    assert about(findings, "table waiting_jobs").severity is Severity.FAIL
    assert about(findings, "allkeys-lru").severity is Severity.WARN
    assert all(finding.advice for finding in findings if finding.severity is not Severity.OK), (
        findings
    )
    assert exit_code(findings) == 1
    drift = await check_counts(database_url)
    assert drift
    assert all(finding.severity is Severity.FAIL for finding in drift)


async def test_a_role_that_does_not_see_the_sessions_of_others_is_told(
    database_url: str, redis_url: str, db: asyncpg.Connection
) -> None:
    await db.execute("DROP ROLE IF EXISTS humble; CREATE ROLE humble LOGIN")
    try:
        url = re.sub(r"//\w*@", "//humble@", database_url)
        findings = await found(url, redis_url)
        assert about(findings, "cannot see").severity is Severity.WARN
        assert "pg_monitor" in about(findings, "cannot see").advice
    finally:
        await db.execute("DROP ROLE humble")


async def test_engines_that_do_not_answer_are_findings() -> None:
    nowhere = "postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1"
    findings = await asyncio.gather(found(*nowhere))
    assert [finding.severity for finding in findings[0]] == [Severity.FAIL]


@pytest.mark.parametrize("name", ["autovacuum", "track_counts", "fsync", "full_page_writes"])
def test_a_setting_that_must_be_on_fails_when_it_is_off(name: str) -> None:
    (finding,) = judge_settings(SAFE | {name: "off"})
    assert finding.severity is Severity.FAIL
    assert name in finding.text
    assert name in finding.advice
    assert judge_settings(SAFE)[0].severity is Severity.OK
    assert judge_settings(SAFE | {"autovacuum_naptime": "600"})[0].severity is Severity.WARN


def test_connections_are_compared_with_what_a_process_opens() -> None:
    settings = load_settings(role="api", database_connections=10)

    def judged(**values: str) -> Severity:
        return judge_connections(SAFE | values, settings).severity

    assert judged() is Severity.OK
    assert judged(max_connections="27") is Severity.WARN
    assert judged(max_connections="17") is Severity.FAIL
    assert judged(max_connections="27", reserved_connections="10") is Severity.FAIL


def test_clocks_dead_rows_and_evictions_are_judged() -> None:
    assert judge_clock(0.9, 0).severity is Severity.OK
    assert judge_clock(1.4, 0.5).severity is Severity.OK
    assert judge_clock(-1.4, 0.01).severity is Severity.WARN
    assert judge_clock(-3600, 0.01).severity is Severity.FAIL
    table = {"name": "waiting_jobs", "live": 10, "dead": 50_000, "bytes": 1, "unattended": False}
    assert judge_tables([table])[0].severity is Severity.OK
    assert judge_tables([table | {"dead": 200_000}])[0].severity is Severity.WARN
    assert judge_tables([table | {"dead": 200_000, "live": 100_000}])[0].severity is Severity.OK
    assert judge_eviction(0, "allkeys-lru").severity is Severity.OK
    assert judge_eviction(1, "noeviction").severity is Severity.OK
    assert judge_eviction(1, "volatile-ttl").severity is Severity.WARN


def test_whoever_holds_vacuum_back_is_judged_by_time_or_by_transactions() -> None:
    def judged(kind: str, behind: int, open_s: float | None) -> Severity:
        holders = Holders(10**9, [Holder(kind, "x", 10**9 - behind, open_s)])
        return judge_holders(holders, sees_all=True)[0].severity

    assert judged("session", 5, 10) is Severity.OK
    assert judged("session", 0, 4000) is Severity.OK, "nothing was written since"
    assert judged("session", 5, 100) is Severity.WARN
    assert judged("prepared", 5, 4000) is Severity.FAIL
    assert judged("slot", 10, None) is Severity.OK
    assert judged("slot", 2_000_000, None) is Severity.WARN
    assert judged("standby", 60_000_000, None) is Severity.FAIL


def test_the_worst_finding_is_the_exit_code() -> None:
    assert exit_code([ok("a")]) == 0
    assert exit_code([ok("a"), warn("b")]) == 3
    assert exit_code([warn("b"), fail("c"), ok("a")]) == 1
    assert str(ok("a")) == "ok   a"
    assert str(warn("b", "do")) == "WARN b\n     do"
