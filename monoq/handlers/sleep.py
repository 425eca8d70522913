"""`sleep`: waits. For seeing a job run."""

import asyncio

from pydantic import BaseModel, ConfigDict, Field


class Sleep(BaseModel):
    """How long to wait, in milliseconds; an hour at most."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"delayMs": 3000}]})

    delayMs: int = Field(ge=0, le=3_600_000)  # noqa: N815 - the wire's name


async def sleep(payload: Sleep) -> None:
    """Waits for `delayMs`."""
    await asyncio.sleep(payload.delayMs / 1000)
