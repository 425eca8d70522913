"""Claims jobs for one pool of a worker. It must take an id for a job of ours only once Postgres has
said "claimed"."""

import time
from collections.abc import Sequence
from functools import partial

from monoq.app.pool import Pool
from monoq.app.registry import App
from monoq.job import Status
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.payloads import INLINE_BYTES
from monoq.worker.run import Run


class Claimer:
    """`takes`: pairs of (suspect, type) that run in `pool`."""

    def __init__(
        self,
        pool: Pool,
        takes: frozenset[tuple[bool, str]],
        *,
        app: App,
        jobs: JobStore,
        heartbeat: Heartbeat,
        limits: Limits,
        publisher: Publisher,
        metrics: Metrics,
    ) -> None:
        self.pool = pool
        self._handlers = {handler.name: handler for handler in app}
        self._timeouts_ms = {
            suspect: {
                handler.name: int(handler.timeout_s * 1000)
                for handler in app
                if (suspect, handler.name) in takes
            }
            for suspect in (False, True)
        }
        self._jobs = jobs
        self._heartbeat = heartbeat
        self._limits = limits
        self._publisher = publisher
        self._metrics = metrics

    async def claim(self, ids: Sequence[str]) -> Sequence[Run]:
        """The jobs among these that are ours to run now. Raises DatabaseUnavailable."""
        runs: list[Run] = []
        for suspects, timeouts_ms in self._timeouts_ms.items():
            # A list has suspects only for children, where a second statement is nothing beside a
            # fork.
            if timeouts_ms:
                runs += await self._claim_some(ids, timeouts_ms, suspects)
        return runs

    async def claim_of_others(
        self, ids: Sequence[str], tenants: Sequence[str], most: int
    ) -> Sequence[Run]:
        """The same of up to `most`, without jobs of these tenants. Raises DatabaseUnavailable."""
        others = await self._jobs.select_ids_of_others(ids, tenants)
        return await self.claim(others[:most]) if others else ()

    async def _claim_some(
        self, ids: Sequence[str], timeouts_ms: dict[str, int], suspects: bool
    ) -> Sequence[Run]:
        worker_id = self._heartbeat.worker_id
        claim = partial(
            self._jobs.claim_jobs,
            ids,
            worker_id,
            timeouts_ms,
            suspects=suspects,
            inline_bytes=INLINE_BYTES,
        )
        limited = self._limits.active
        rows = await claim(limited=limited)
        if not rows and not limited and await self._limits.look():
            rows = await claim(limited=True)
        if not rows:
            return ()
        claimed_at = time.monotonic()
        runs: list[Run] = []
        waits: list[float] = []
        changes = Changes(Status.RUNNING, at=rows[0]["at"], worker_id=worker_id)
        for row in rows:
            (
                job_id,
                tenant_id,
                job_type,
                payload,
                claim,
                attempt,
                max_attempts,
                timeout_ms,
                version,
                lost,
                deaths,
                payload_bytes,
                waited_s,
                _,
                xid,
                keyed,
            ) = row
            handler = self._handlers[job_type]
            runs.append(
                Run(
                    job_id,
                    tenant_id,
                    job_type,
                    payload or "",
                    claim,
                    worker_id,
                    attempt,
                    max_attempts or handler.max_attempts,
                    version,
                    lost,
                    deaths,
                    handler.timeout_s if timeout_ms is None else timeout_ms / 1000,
                    handler,
                    claimed_at,
                    payload_bytes,
                    xid,
                    keyed,
                    waited_s,
                )
            )
            changes.add(tenant_id, job_id, version, job_type, attempt)
            waits.append(waited_s)
        self._metrics.wait.observe(waits)
        self._publisher.publish(changes)
        return runs
