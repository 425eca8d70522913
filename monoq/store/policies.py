"""The tables of policies: one method per statement, and one transaction that changes a policy."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import orjson

from monoq.policy import Policy, Room, Scope, Setting
from monoq.store.database import Database, Row, query


class PolicyStore:
    """Reads and changes policies. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, scope: Scope, name: str) -> Policy:
        """The policy as it was set; empty: there is none."""
        return _policy(await self._database.fetch(query("get_policy"), scope, name))

    async def effective(self, tenant_id: str) -> Row:
        """What holds now for a tenant: weight, max_running, rate, burst, max_waiting, paused."""
        (row,) = await self._database.fetch(query("effective_policy"), tenant_id)
        return row

    async def replace(self, scope: Scope, name: str, policy: Policy) -> Policy:
        """Sets the whole policy, which is in force when this returns; returns the one before.

        It waits for the claims in progress: none of them may miss it.
        """

        async def change(connection: asyncpg.Connection) -> Policy:
            await connection.execute(query("lock_claims"))
            before = _policy(await connection.fetch(query("get_policy"), scope, name))
            if before != policy:
                await connection.execute(query("remove_policy"), scope, name)
                await connection.execute(query("insert_policy"), scope, name, *_columns(policy))
                await connection.execute(
                    query("insert_policy_change"), scope, name, _json(before), _json(policy)
                )
            return before

        return await self._database.in_transaction(change)

    async def list(self, scope: Scope, after: str, limit: int) -> dict[str, Policy]:
        """The policies of the next `limit` names after `after`, by name."""
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in await self._database.fetch(query("list_policies"), scope, after, limit):
            rows[row["name"]].append(row)
        return {name: _policy(fields) for name, fields in rows.items()}

    async def history(
        self, scope: Scope, name: str, before: int, limit: int
    ) -> Sequence[tuple[int, datetime, Policy, Policy]]:
        """Changes older than version `before`, newest first: version, when (UTC), the policy before
        and after it."""
        rows = await self._database.fetch(query("list_policy_changes"), scope, name, before, limit)
        return [
            (row["version"], row["changed_at"], _read(row["before"]), _read(row["after"]))
            for row in rows
        ]

    async def has_limits(self) -> bool:
        """Whether any policy limits what may start."""
        ((found,),) = await self._database.fetch(query("has_limits"))
        return bool(found)

    async def weights(self) -> tuple[dict[str, float], float]:
        """The weights of tenants that have one, and that of all others."""
        rows = [row for row in await self._database.fetch(query("list_weights")) if row["weight"]]
        of_tenants = {row["name"]: row["weight"] for row in rows if row["scope"] == Scope.TENANT}
        return of_tenants, next((row["weight"] for row in rows if not row["name"]), 1.0)

    async def rooms(
        self, tenants: Sequence[str], types: Sequence[str]
    ) -> dict[tuple[Scope, str], Room]:
        """How many jobs may start now, of those tenants and types that have a limit."""
        rows = await self._database.fetch(query("limit_rooms"), tenants, types)
        return {
            (Scope(row["scope"]), row["name"]): Room(
                row["room"], row["held_by"], row["next_start_at"], row["rate"] is not None
            )
            for row in rows
        }


def _policy(rows: Sequence[Row]) -> Policy:
    return {row["field"]: Setting(row["value"], row["until"], row["afterwards"]) for row in rows}


def _columns(policy: Policy) -> list[list[object]]:
    settings = policy.values()
    return [
        list(policy),
        [setting.value for setting in settings],
        [setting.until for setting in settings],
        [setting.afterwards for setting in settings],
    ]


def _json(policy: Policy) -> str:
    return orjson.dumps(
        {
            field: [setting.value, setting.until, setting.afterwards]
            for field, setting in policy.items()
        }
    ).decode()


def _read(text: str) -> Policy:
    return {
        field: Setting(value, until and datetime.fromisoformat(until), afterwards)
        for field, (value, until, afterwards) in orjson.loads(text).items()
    }
