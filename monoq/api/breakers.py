"""The route that lists the endpoints that get no webhooks, and why."""

from typing import Any

from quart import Blueprint

from monoq.job import timestamp
from monoq.store.breakers import BreakerStore

MAX_BREAKERS = 1000


def breakers_blueprint(*, breakers: BreakerStore) -> Blueprint:
    """The route, over what it needs."""
    blueprint = Blueprint("breakers", __name__)

    @blueprint.get("/breakers")
    async def list_breakers() -> dict[str, Any]:
        rows = await breakers.list(MAX_BREAKERS)
        return {
            "open": sum(row["state"] != "closed" for row in rows),
            "breakers": [
                {
                    "endpoint": row["endpoint"],
                    "state": row["state"],
                    "since": timestamp(row["since"]),
                    "reason": row["reason"],
                    "nextProbeAt": timestamp(row["next_probe_at"]),
                    "workerId": row["worker_id"],
                }
                for row in rows
            ],
        }

    return blueprint
