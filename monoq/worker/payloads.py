"""Large payloads: read after the claim, within a budget of memory. Hundreds of megabytes may wait;
a worker must hold only a few of them."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from monoq.errors import DatabaseUnavailable
from monoq.process.service import Service
from monoq.store.jobs import JobStore
from monoq.worker.run import Run

log = logging.getLogger(__name__)

INLINE_BYTES = 4096  # up to this size, a payload comes with its claim
BUDGET_BYTES = 16 << 20  # of large payloads in hand, unless one alone is larger
READ_BYTES = 4 << 20  # of payloads read by one statement, unless one alone is larger
HOLD_S = 0.3  # how long a claimed job may wait for memory
RETRY_S = 0.25


class Payloads(Service):
    """`start` gets runs whose payload is there; `give_back` those for which there is no memory
    now."""

    name = "payloads"

    def __init__(
        self,
        *,
        jobs: JobStore,
        start: Callable[[Sequence[Run]], None],
        give_back: Callable[[Sequence[Run]], None],
        result_bytes: Callable[[], int],
    ) -> None:
        super().__init__()
        self._jobs = jobs
        self._start = start
        self._give_back = give_back
        self._result_bytes = result_bytes
        self._waiting: deque[Run] = deque()
        self._held: dict[Run, int] = {}
        self._held_bytes = 0
        self._mean_bytes = 0.0
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more jobs may be claimed: as many as there is memory for, if they are like those
        that came lately. Results that wait to be written count as well."""
        free = BUDGET_BYTES - self._held_bytes - self._result_bytes()
        if self._waiting or free <= 0:
            return 0
        return max(1, int(free / self._mean_bytes)) if self._mean_bytes > INLINE_BYTES else 1 << 30

    def complete(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Returns those that may start; the others start once their payload has been read."""
        if not runs:
            return runs
        self._mean_bytes = max(
            sum(run.payload_bytes for run in runs) / len(runs), self._mean_bytes / 2
        )
        large = [run for run in runs if not run.payload]
        if not large:
            return runs
        self._waiting.extend(large)
        self._changed.set()
        return [run for run in runs if run.payload]

    def settle(self, runs: Sequence[Run]) -> None:
        """The ends of these runs are written."""
        if self._held:
            for run in runs:
                self._held_bytes -= self._held.pop(run, 0)
            self._changed.set()

    def take_back(self) -> list[Run]:
        """What still waits for its payload."""
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def stop(self) -> None:
        super().stop()
        self._changed.set()

    async def run(self) -> None:
        while not self.stopping.is_set():
            self._changed.clear()
            await self._read_some()
            try:
                async with asyncio.timeout(HOLD_S if self._waiting else None):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _read_some(self) -> None:
        while self._waiting:
            late = time.monotonic() - HOLD_S
            batch: list[Run] = []
            size = 0
            while self._waiting:
                run = self._waiting[0]
                full = self._held and self._held_bytes + run.payload_bytes > BUDGET_BYTES
                if full and run.claimed_at < late:
                    self._give_back([self._waiting.popleft()])
                    continue
                if full or (batch and size + run.payload_bytes > READ_BYTES):
                    break
                batch.append(self._waiting.popleft())
                size += run.payload_bytes
                self._held[run] = run.payload_bytes
                self._held_bytes += run.payload_bytes
            if not batch:
                return
            await self._read(batch)

    async def _read(self, batch: list[Run]) -> None:
        try:
            payloads = await self._jobs.read_payloads([run.id for run in batch])
        except DatabaseUnavailable as error:
            log.debug("payloads not read: %s", error)
            self.settle(batch)
            self._give_back(batch)
            await self.pause(RETRY_S)
            return
        gone = [run for run in batch if run.id not in payloads]
        self.settle(gone)
        self._give_back(gone)
        ready = [run for run in batch if run.id in payloads]
        for run in ready:
            run.payload = payloads[run.id]
        self._start(ready)
