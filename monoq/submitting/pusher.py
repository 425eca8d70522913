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
# The jobs of a tenant that stores few go to the front of a list: so many within twice this time.
FEW_S = 0.1
MAX_FRONTED = 4
MAX_SEEN = 20_000  # tenants that are remembered for it


class Stored(NamedTuple):
    """A job that was just stored, and is due."""

    id: UUID
    tenant_id: str
    type: str
    priority: int


class Pusher(Service):
    """Pushes the ids of committed jobs to their lists, where no earlier job waits for the place, so
    that no answer waits for Redis."""

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
        self._seen: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

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
        """For each list the ids of newcomers and of others. A tenant that has stored few jobs here
        lately is a newcomer: its jobs need not wait for the next look, which would put them in
        front as well."""
        window = int(time.monotonic() / FEW_S)
        by_list: defaultdict[str, tuple[list[UUID], list[UUID]]] = defaultdict(lambda: ([], []))
        for job in jobs:
            name = self._ready.lists.name_for(job.type)
            if name is None:
                continue
            is_newcomer = self._stores_few(job.tenant_id, window) and job.priority <= 0
            by_list[name][0 if is_newcomer else 1].append(job.id)
        return by_list

    def _stores_few(self, tenant_id: str, window: int) -> bool:
        """Counts one more job of a tenant; whether it has stored few in this window of FEW_S and in
        the one before."""
        last, stored, before = self._seen.pop(tenant_id, (window, 0, 0))
        if last != window:
            stored, before = 0, stored if last == window - 1 else 0
        self._seen[tenant_id] = window, stored + 1, before
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return stored + before < MAX_FRONTED
