"""Pushes the ids of committed jobs to the lists in Redis. A push is a hint: it may be lost, so no
answer waits for it, and the stager finds what it missed."""

import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from monoq.errors import QueueUnavailable
from monoq.observe.metrics import Metrics
from monoq.process.batching import Batches, Pace, up_to
from monoq.process.service import Service
from monoq.queue.ready import Ready, join

log = logging.getLogger(__name__)

# A lone job is pushed at once. From a stream of them, a call to Redis for each would cost the event
# loop as much as the requests.
PUSH_EVERY_S = 0.002
MAX_UNPUSHED = 20_000  # ids that wait for Redis; more are dropped, for the stager to find
MAX_PUSHED = 5_000  # ids of one INSERT that are pushed
NEWCOMER_S = 0.1  # a tenant that stored nothing for this long is a newcomer
MAX_FRONTED = 4  # jobs of a newcomer that go to the front of a list
MAX_SEEN = 20_000  # tenants that are remembered for it


class Stored(NamedTuple):
    """A job that was just stored, and is due."""

    id: UUID
    tenant_id: str
    type: str
    priority: int


class Pusher(Service):
    """Puts the ids of committed jobs on their lists, as far as nobody else waits for the room, so
    that nobody's answer waits for Redis."""

    name = "pusher"

    def __init__(self, ready: Ready, metrics: Metrics) -> None:
        super().__init__()
        self._ready = ready
        self._metrics = metrics
        self._jobs: Batches[Stored] = Batches(
            self._push,
            up_to(MAX_UNPUSHED),
            gather=Pace(PUSH_EVERY_S).wait,
            keep=MAX_UNPUSHED,
        )
        self._seen: OrderedDict[str, float] = OrderedDict()

    def push(self, jobs: Sequence[Stored]) -> None:
        """Takes jobs to push; returns at once."""
        self._jobs.add(jobs[:MAX_PUSHED])  # what cannot fit is the stager's

    def stop(self) -> None:
        super().stop()
        self._jobs.close()

    async def run(self) -> None:
        await self._jobs.run()

    async def _push(self, jobs: Sequence[Stored]) -> None:
        for name, (newcomers, others) in self._by_list(jobs).items():
            try:
                await self._ready.push(name, join(others), join(newcomers))
            except QueueUnavailable as error:
                self._metrics.failed_pushes.inc()
                log.debug("%d ids not pushed: %s", len(newcomers) + len(others), error)

    def _by_list(self, jobs: Sequence[Stored]) -> dict[str, tuple[list[UUID], list[UUID]]]:
        """For each list the ids of newcomers and of others. A tenant that stored nothing here a
        moment ago is a newcomer: its jobs need not wait for the next look, which would put them in
        front as well."""
        now = time.monotonic()
        new_here = {
            tenant for tenant in {job.tenant_id for job in jobs} if self._is_newcomer(tenant, now)
        }
        by_list: defaultdict[str, tuple[list[UUID], list[UUID]]] = defaultdict(lambda: ([], []))
        fronted: defaultdict[str, int] = defaultdict(int)
        for job in jobs:
            name = self._ready.lists.name_for(job.type)
            if name is None:
                continue
            newcomers, others = by_list[name]
            if (
                job.tenant_id in new_here
                and job.priority <= 0
                and fronted[job.tenant_id] < MAX_FRONTED
            ):
                fronted[job.tenant_id] += 1
                newcomers.append(job.id)
            else:
                others.append(job.id)
        return by_list

    def _is_newcomer(self, tenant_id: str, now: float) -> bool:
        last = self._seen.pop(tenant_id, 0.0)
        self._seen[tenant_id] = now
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return now - last > NEWCOMER_S
