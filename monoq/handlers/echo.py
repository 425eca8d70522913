"""`echo`: returns its payload. For trying things out and for measuring the queue itself."""

from typing import Any


async def echo(payload: Any) -> Any:
    """Any payload, returned as the result."""
    return payload
