"""What the benchmark prints and keeps: median, minimum and maximum, the machine, the versions, and
the ratio to an earlier run."""

import json
import os
import platform
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from monoq.queue.connection import connect

Result = dict[str, Any]


async def conditions(connection: asyncpg.Connection, redis_url: str) -> dict[str, str]:
    """The machine and the versions."""
    redis = connect(redis_url)
    info = await redis.info("server")
    await redis.aclose()
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("monoq", "asyncpg", "redis", "quart", "hypercorn", "uvloop")
    )
    return {
        "machine": (
            f"{os.cpu_count()} cores, {platform.machine()},"
            f" {platform.system()} {platform.release()}"
        ),
        "python": platform.python_version(),
        "postgres": str(await connection.fetchval("SHOW server_version")),
        "synchronous_commit, fsync": ", ".join(
            [
                await connection.fetchval("SHOW synchronous_commit"),
                await connection.fetchval("SHOW fsync"),
            ]
        ),
        "redis": str(info["redis_version"]),
        "packages": packages,
    }


def summary(figures: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median, minimum and maximum of each figure."""
    return {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in figures.items()
    }


def show(result: Result, earlier: Path | None) -> None:
    """Prints a table; with an earlier result, the ratio of the medians."""
    before = json.loads(earlier.read_text())["figures"] if earlier else {}
    table = Table("", "median", "min", "max", *(["ratio"] if earlier else []))
    for name, figure in result["figures"].items():
        # none, or 0: CPU comes in hundredths of a second, and few jobs may use less
        base = before.get(name, {}).get("median")
        ratio = [f"{figure['median'] / base:.2f}" if base else "-"] if earlier else []
        table.add_row(name, *(f"{figure[key]:,.1f}" for key in ("median", "min", "max")), *ratio)
    console = Console()
    console.print(table)
    for name, value in result["conditions"].items():
        console.print(f"{name}: {value}", style="dim", highlight=False)
