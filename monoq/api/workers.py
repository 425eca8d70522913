"""The routes of live workers and their jobs, of draining one, and of statistics per job type."""

import asyncio
import re
from typing import Any

from quart import Blueprint

from monoq.api.problems import Problem
from monoq.job import Status, timestamp
from monoq.store.database import Row
from monoq.store.scaling import Scaling
from monoq.store.totals import TotalsStore
from monoq.store.workers import POOLS, WorkerStore, pool_of

MAX_LOOKED_AT = 5000  # running jobs, for one answer
AN_ID = re.compile(r"[0-9]{1,18}")  # a bigint, of whatever digits


def workers_blueprint(*, workers: WorkerStore, totals: TotalsStore, scaling: Scaling) -> Blueprint:
    """The routes, over what they need."""
    blueprint = Blueprint("workers", __name__)

    @blueprint.get("/workers")
    async def list_workers() -> dict[str, Any]:
        live = await workers.list_live_workers()
        runs, complete = await workers.runs(live, MAX_LOOKED_AT)
        return {
            "workers": [_worker_json(worker, runs[worker["id"]]) for worker in live],
            "runsAreComplete": complete,
        }

    @blueprint.post("/workers/<worker_id>/drain")
    async def drain_worker(worker_id: str) -> dict[str, Any]:
        return await drain(worker_id, draining=True)

    @blueprint.post("/workers/<worker_id>/resume")
    async def resume_worker(worker_id: str) -> dict[str, Any]:
        return await drain(worker_id, draining=False)

    async def drain(text: str, *, draining: bool) -> dict[str, Any]:
        worker = await workers.drain(int(text), draining) if AN_ID.fullmatch(text) else None
        if worker is None:
            raise Problem(404, f"there is no live worker {text[:100]}")
        runs, _ = await workers.runs([worker], MAX_LOOKED_AT)
        return _worker_json(worker, runs[worker["id"]])

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
        "draining": worker["draining"],
        "pools": {
            pool: {"slots": worker[size], "used": used[pool], "types": list(worker[types])}
            for pool, (size, types) in POOLS.items()
        },
        "running": [{"type": name, "jobs": jobs} for name, jobs in sorted(by_type.items())],
    }
