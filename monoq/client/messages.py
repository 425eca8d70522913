"""One subscription of the Python client: a WebSocket, and what a server says on it."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from websockets.asyncio.client import connect

from monoq.errors import RequestRefused

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1
MAX_FRAME_BYTES = 16 * 1024 * 1024  # 500 updates with long errors


async def messages(
    url: str, tenant_id: str, cursor: str | None
) -> AsyncGenerator[dict[str, Any], None]:
    """What a server says of a tenant, from SUBSCRIBED or RESET on, until the connection ends.

    Raises the errors of `websockets` and OSError for a connection that fails, RequestRefused for a
    subscription that is refused.
    """
    subscribe = {"type": "SUBSCRIBE", "tenantId": tenant_id, "batch": True, "cursor": cursor}
    async with connect(
        "ws" + url.rstrip("/").removeprefix("http") + "/ws",
        proxy=None,
        compression=None,
        open_timeout=OPEN_TIMEOUT_S,
        max_size=MAX_FRAME_BYTES,
        close_timeout=CLOSE_TIMEOUT_S,
    ) as socket:
        await socket.send(json.dumps(subscribe))
        async for text in socket:
            message = json.loads(text)
            if message.get("type") == "ERROR":
                raise RequestRefused(422, {"detail": message["message"]})
            yield message
