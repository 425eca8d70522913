"""The route that tells which workers live and what they run, and the one that tells how each type
does."""

import asyncio
from typing import Any

from quart import Blueprint

from monoq.job import Status, timestamp
from monoq.store.database import Row
from monoq.store.scaling import Scaling
from monoq.store.totals import TotalsStore
from monoq.store.workers import POOLS, WorkerStore, pool_of

MAX_LOOKED_AT = 5000  # running jobs, for one answer


def workers_blueprint(*, workers: WorkerStore, totals: TotalsStore, scaling: Scaling) -> Blueprint:
    """The routes, over what they need."""
    blueprint = Blueprint("workers", __name__)

    @blueprint.get("/workers")
    async def list_workers() -> dict[str, Any]:
        live = await workers.list_workers()
        runs, complete = await workers.runs(live, MAX_LOOKED_AT)
        return {
            "workers": [_worker_json(worker, runs[worker["id"]]) for worker in live],
            "runsAreComplete": complete,
        }

    @blueprint.get("/stats/types")
    async def list_types() -> dict[str, Any]:
        by_type, live, run_s = await asyncio.gather(
            totals.count_types(), workers.list_workers(), scaling.run_seconds()
        )
        names = {*by_type, *run_s}
        return {
            "types": [
                {
                    "type": name,
                    "counts": by_type.get(name, dict.fromkeys(Status, 0)),
                    "workers": sum(pool_of(worker, name, False) is not None for worker in live),
                    "meanRunSeconds": run_s.get(name),
                }
                for name in sorted(names)
            ]
        }

    return blueprint


def _worker_json(worker: Row, runs: list[Row]) -> dict[str, Any]:
    used = dict.fromkeys(POOLS, 0)
    by_type: dict[str, int] = {}
    for run in runs:
        by_type[run["type"]] = by_type.get(run["type"], 0) + run["jobs"]
        if pool := pool_of(worker, run["type"], run["suspect"]):
            used[pool] += run["jobs"]
    return {
        "id": worker["id"],
        "name": worker["name"],
        "version": worker["version"],
        "startedAt": timestamp(worker["started_at"]),
        "silentSeconds": round(max(worker["silent_s"], 0.0), 3),
        "hungHandlers": worker["hung_handlers"],
        "pools": {
            pool: {"slots": worker[size], "used": used[pool], "types": list(worker[types])}
            for pool, (size, types) in POOLS.items()
        },
        "running": [{"type": name, "jobs": jobs} for name, jobs in sorted(by_type.items())],
    }
