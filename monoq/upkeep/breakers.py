"""Publishes this worker's breakers: in the table `breakers`, and in the metrics. They work without
it."""

import time
from collections.abc import Callable

from monoq.observe.metrics import Metrics
from monoq.outgoing.board import Board
from monoq.store.breakers import BreakerRow, BreakerStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

LOOK_S = 0.25
REPEAT_S = 60.0  # what has closed long ago is not shown for ever


class BreakerKeeper(UpkeepLoop):
    """Writes what `board` shows under the worker's id of the moment: an id may be lost."""

    name = "breakers"

    def __init__(
        self,
        *,
        board: Board,
        breakers: BreakerStore,
        worker_id: Callable[[], int],
        metrics: Metrics,
        troubles: Troubles,
    ) -> None:
        super().__init__(troubles)
        self._board = board
        self._breakers = breakers
        self._worker_id = worker_id
        self._metrics = metrics
        self._written = (0, 0)  # nothing is shown
        self._again_at = float("inf")
        metrics.breakers_open.set_function(lambda: board.open)

    async def look(self) -> None:
        for state, changes in self._board.take_changes().items():
            self._metrics.breaker_changes.labels(state).inc(changes)
        now = time.monotonic()
        version = self._board.version
        if version == 0 or ((version, self._worker_id()) == self._written and now < self._again_at):
            return
        worker_id = self._worker_id()
        shown = self._board.read(now)
        await self._breakers.write(
            worker_id,
            [
                BreakerRow(one.endpoint, one.state, now - one.since, one.reason, one.probe_at - now)
                for one in shown
            ],
        )
        self._written = (version, worker_id)
        self._again_at = now + REPEAT_S if shown else float("inf")

    async def rest(self) -> None:
        await self.pause(LOOK_S)
