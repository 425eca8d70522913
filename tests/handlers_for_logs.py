"""Handlers that log what their payload says, on the loop, in a thread and in a process of their
own."""

import asyncio
import logging
from typing import Any

from monoq import App

app = App()
log = logging.getLogger("shop")


def _say(payload: dict[str, Any]) -> None:
    if "raise" in payload:
        raise RuntimeError(payload["raise"])
    log.info(payload["message"], *payload.get("args", ()), extra=payload.get("extra", {}))


@app.handler("say", max_attempts=1)
async def say(payload: dict[str, Any]) -> None:
    await asyncio.sleep(payload.get("pause", 0))
    _say(payload)


@app.handler("say-in-thread", max_attempts=1)
def say_in_thread(payload: dict[str, Any]) -> None:
    _say(payload)


@app.handler("say-isolated", max_attempts=1, isolated=True)
def say_isolated(payload: dict[str, Any]) -> None:
    _say(payload)
