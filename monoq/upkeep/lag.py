"""Measures how late the event loop is. It must do nothing else: its delay is the measurement."""

import time

from monoq.observe.metrics import Metrics
from monoq.process.service import Service

PERIOD_S = 0.5


class LoopLag(Service):
    """Sleeps, and looks how much too long that took: a handler or a query result that blocked the
    loop shows here."""

    name = "loop lag"

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    async def run(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            await self.pause(PERIOD_S)
            self._metrics.loop_lag.observe([max(0.0, time.monotonic() - began - PERIOD_S)])
