"""The job types that the benchmark runs: one that does nothing, one that says when it started."""

import time
from typing import Any

from monoq.registry import App

app = App()


@app.handler("bench-noop")
async def noop(payload: Any) -> None:
    """Nothing."""


@app.handler("bench-clock")
async def clock() -> int:
    """The wall clock at the handler's start, in microseconds."""
    return time.time_ns() // 1000
