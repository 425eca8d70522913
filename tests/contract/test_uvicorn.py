"""The same application on uvicorn: what differs between the servers must not be seen by clients."""

import asyncio
import json
import sys

import pytest
from conftest import serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from monoq.errors import ConfigError


async def test_a_start_without_uvicorn_says_what_to_install(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match="pip install 'monoq\\[uvicorn\\]'"):
        async with serving(database_url, redis_url, server="uvicorn"):
            pass


async def test_uvicorn_serves_jobs_and_sockets_and_sends_them_elsewhere_at_a_stop(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, server="uvicorn") as server:
        url = server.ws_url
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, origin=Origin("http://elsewhere.example"))
        assert refused.value.response.status_code == 403
        assert (
            await server.http.get("/health", headers={"Host": "elsewhere.example"})
        ).status_code == 421
        assert (
            await server.http.post(
                "/jobs", content=b"x" * 300_000, headers={"content-type": "application/json"}
            )
        ).status_code == 413
        socket = await connect(url, compression="deflate")
        assert "Sec-WebSocket-Extensions" not in (
            socket.response.headers if socket.response else {}
        )
        await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": "acme"}))
        (job_id,) = await server.submit([{"tenantId": "acme", "type": "echo", "payload": {"n": 1}}])
        seen = []
        async with asyncio.timeout(10):
            while "COMPLETED" not in seen:
                told = json.loads(await socket.recv())
                assert told["jobId"] == job_id
                seen.append(told["status"])
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
