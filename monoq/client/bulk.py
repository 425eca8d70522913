"""Calls that change many jobs at once. They must know nothing of a server but its URL."""

import asyncio
import builtins
from datetime import datetime
from typing import Any, Literal, cast

from monoq.client.calls import Calls
from monoq.client.shapes import Matched, Operation


class BulkCalls(Calls):
    """Cancels and retries many jobs."""

    async def count_matching(
        self, kind: Literal["cancel", "retry"], /, **jobs: str | datetime | None
    ) -> Matched:
        """How many jobs `cancel_all` or `retry_all` would change; takes the same filter.

        >>> (await client.count_matching("retry", tenant_id="acme"))["matched"]
        """
        body = {"filter": _filter(jobs), "dryRun": True}
        return cast(Matched, await self._send("POST", f"/jobs/{kind}", body))

    async def cancel_all(
        self,
        *,
        tenant_id: str | None = None,
        type: str | None = None,
        status: Literal["PENDING", "RUNNING"] | None = None,
        error_prefix: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Operation:
        """Cancels the waiting and running jobs for which all that is said is true; returns the
        operation, which the server carries out by and by (see `operation` and `wait_for`).

        Args:
            tenant_id: Whose jobs.
            type: Of which type.
            status: Only those in this status.
            error_prefix: What the error of their last attempt begins with.
            created_after: Created then or later; with a time zone.
            created_before: Created before then.

        Raises:
            RequestRefused: 422 names each bad field; so it is if nothing is said.

        >>> operation = await client.cancel_all(tenant_id="acme", type="send_email")
        >>> (await client.wait_for(operation["id"]))["done"]
        """
        return await self._begin(
            "cancel",
            tenant_id=tenant_id,
            type=type,
            status=status,
            error_prefix=error_prefix,
            created_after=created_after,
            created_before=created_before,
        )

    async def retry_all(
        self,
        *,
        tenant_id: str | None = None,
        type: str | None = None,
        status: Literal["FAILED", "CANCELLED"] | None = None,
        error_prefix: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Operation:
        """Puts failed and cancelled jobs back, with all their attempts; otherwise as `cancel_all`.

        >>> await client.retry_all(tenant_id="acme", status="FAILED", error_prefix="timed out")
        """
        return await self._begin(
            "retry",
            tenant_id=tenant_id,
            type=type,
            status=status,
            error_prefix=error_prefix,
            created_after=created_after,
            created_before=created_before,
        )

    async def operation(self, operation_id: str) -> Operation:
        """An operation: how far it is, and how it ended. RequestRefused with status 404: there is
        none.

        >>> (await client.operation(operation["id"]))["state"]
        """
        return cast(Operation, await self._get(f"/operations/{operation_id}"))

    async def operations(self, *, limit: int = 50) -> builtins.list[Operation]:
        """The newest operations.

        >>> [one["state"] for one in await client.operations()]
        """
        page = await self._get("/operations", limit=limit)
        return cast(builtins.list[Operation], page["operations"])

    async def abort(self, operation_id: str) -> Operation:
        """Ends an operation after the current batch; finished changes stay. RequestRefused with
        status 409: it has ended.

        >>> await client.abort(operation["id"])
        """
        return cast(Operation, await self._send("POST", f"/operations/{operation_id}/abort", {}))

    async def wait_for(
        self, operation_id: str, *, timeout: float = 3600.0, poll: float = 0.2
    ) -> Operation:
        """The operation once it has ended: COMPLETED, ABORTED or FAILED.

        Args:
            operation_id: As `cancel_all` or `retry_all` returned it.
            timeout: Seconds after which TimeoutError is raised; the operation continues.
            poll: Seconds between two looks.

        >>> operation = await client.wait_for(operation["id"], timeout=60)
        """
        async with asyncio.timeout(timeout):
            while (now := await self.operation(operation_id))["finishedAt"] is None:  # noqa: ASYNC110
                await asyncio.sleep(poll)  # the fact is in another process
            return now

    async def _begin(self, kind: str, **jobs: Any) -> Operation:
        body = {"filter": _filter(jobs)}
        return cast(Operation, await self._send("POST", f"/jobs/{kind}", body))


_NAMES = {
    "tenant_id": "tenantId",
    "type": "type",
    "status": "status",
    "error_prefix": "errorPrefix",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
}


def _filter(jobs: dict[str, Any]) -> dict[str, Any]:
    """As POST /jobs/cancel takes it. Raises TypeError for an argument that is none."""
    if unknown := jobs.keys() - _NAMES.keys():
        raise TypeError(f"unknown filter: {', '.join(sorted(unknown))}")
    return {
        _NAMES[name]: value.isoformat() if isinstance(value, datetime) else value
        for name, value in jobs.items()
        if value is not None
    }
