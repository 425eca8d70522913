"""Carries operations out: many jobs cancelled or retried, a batch at a time. It must keep nothing
in memory that the next process would need."""

import logging
import time

from monoq.errors import DatabaseUnavailable
from monoq.live.change import Changes
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.process import failpoint
from monoq.store.operations import Batch, Kind, OperationStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

log = logging.getLogger(__name__)

PERIOD_S = 0.5  # between two looks for an operation
BATCH = 1000  # jobs in one transaction
MIN_BATCH = 20
REST_S = 0.01  # between two batches, at most
HELD_S = 0.1  # before another try of jobs that others hold
PRUNE_EVERY_S = 3600.0
KEPT_S = 30 * 86_400.0  # how long an operation can be looked at after its end


class Operations(UpkeepLoop):
    """Every process looks for operations; only one at a time carries one out."""

    name = "operations"

    def __init__(
        self,
        operations: OperationStore,
        publisher: Publisher,
        metrics: Metrics,
        troubles: Troubles,
    ) -> None:
        super().__init__(troubles)
        self._operations = operations
        self._publisher = publisher
        self._metrics = metrics
        self._size = BATCH
        self._pruned_at = time.monotonic()  # a starting process has more urgent work

    async def look(self) -> None:
        """Carries out operations until none is open, or other processes have them."""
        if time.monotonic() - self._pruned_at > PRUNE_EVERY_S:
            self._pruned_at = time.monotonic()
            await self._operations.prune(KEPT_S)
        if not await self._operations.has_open():
            return
        while not self.stopping.is_set():
            began = time.monotonic()
            batch = await self._operations.go_on(self._size)
            if batch is None:
                return
            self._size = min(self._size + MIN_BATCH, BATCH)
            self._tell(batch)
            failpoint.hit("after_operation_batch")
            # About as long as it took: what is submitted and run meanwhile has half of the time.
            rest_s = min(time.monotonic() - began, REST_S)
            await self.pause(HELD_S if batch.behind and not batch.changed else rest_s)

    async def rest(self) -> None:
        await self.pause(PERIOD_S)

    def failed(self, error: Exception) -> None:
        if isinstance(error, DatabaseUnavailable) and error.timed_out:
            self._size = max(self._size // 4, MIN_BATCH)

    def _tell(self, batch: Batch) -> None:
        if not batch.changed:
            return
        of_kind = {Kind.CANCEL: self._metrics.cancelled, Kind.RETRY: self._metrics.revived}
        self._metrics.many(of_kind[batch.kind], [row["type"] for row in batch.changed])
        self._publisher.publish(*Changes.of_rows(batch.changed))
