"""Waiters for the ends of jobs, and what wakes them: one subscription per tenant, shared by all
that wait. It is a hint: a woken waiter reads the job, and it also polls now and then."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress

from websockets.exceptions import WebSocketException

from monoq.client.messages import messages
from monoq.errors import RequestRefused

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})

UNWOKEN_S = 15.0  # between two looks while the subscription is alive
AGAIN_S = (0.5, 1.0)  # before the next try of a subscription that failed, drawn at random
# how long a subscription outlives its last waiter: a caller that waits for one job after the other
# needs no new one for each
LINGER_S = 1.0


class Waits:
    """The waits of one client."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._tenants: dict[str, _Tenant] = {}

    @contextmanager
    def waiting_for(self, tenant_id: str, job_id: str) -> Iterator["Wait"]:
        """A wait for the end of a job, from now on."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            tenant = self._tenants[tenant_id] = _Tenant(self._url, tenant_id)
        wait = Wait(tenant)
        tenant.add(job_id, wait)
        try:
            yield wait
        finally:
            if tenant.remove(job_id, wait):
                asyncio.get_running_loop().call_later(LINGER_S, self._leave, tenant_id)

    async def close(self) -> None:
        """Ends all subscriptions."""
        tasks = [tenant.stop() for tenant in self._tenants.values()]
        self._tenants.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leave(self, tenant_id: str) -> None:
        tenant = self._tenants.get(tenant_id)
        if tenant is not None and not tenant.waits:
            tenant.stop()
            del self._tenants[tenant_id]


class Wait:
    """One waiter."""

    def __init__(self, tenant: "_Tenant") -> None:
        self.woken = asyncio.Event()
        self._tenant = tenant

    async def for_news(self, poll_s: float) -> None:
        """Returns when it is time to look: the job has ended, or may have; without a subscription
        after `poll_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(UNWOKEN_S if self._tenant.is_live else poll_s):
                await self.woken.wait()
        self.woken.clear()


class _Tenant:
    """The subscription to one tenant, and the waiters for its jobs."""

    def __init__(self, url: str, tenant_id: str) -> None:
        self.is_live = False
        self.waits: dict[str, set[Wait]] = {}
        self._url = url
        self._tenant_id = tenant_id
        self._task = asyncio.create_task(self._follow(), name=f"waits for jobs of {tenant_id}")

    def add(self, job_id: str, wait: Wait) -> None:
        self.waits.setdefault(job_id, set()).add(wait)

    def remove(self, job_id: str, wait: Wait) -> bool:
        """Whether no waiter is left."""
        self.waits[job_id].discard(wait)
        if not self.waits[job_id]:
            del self.waits[job_id]
        return not self.waits

    def stop(self) -> "asyncio.Task[None]":
        self._task.cancel()
        return self._task

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(messages(self._url, self._tenant_id, None)) as received:
                    async for message in received:
                        if not self.is_live:
                            # jobs that ended before the subscription began were not announced
                            self.is_live = True
                            self._wake(list(self.waits))
                        updates = message.get("updates", ())
                        self._wake([one["jobId"] for one in updates if one["status"] in FINAL])
            except (OSError, TimeoutError, WebSocketException, RequestRefused):
                pass  # without it, waiters poll more often
            finally:
                self.is_live = False
                self._wake(list(self.waits))
            await asyncio.sleep(random.uniform(*AGAIN_S))  # noqa: S311

    def _wake(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            for wait in self.waits.get(job_id, ()):
                wait.woken.set()
