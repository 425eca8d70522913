"""Requests that are answered before their body has come: the client must see the answer, and know
that the connection ends with it."""

import asyncio
import http.client
import json
from typing import Any

import pytest
from conftest import Server, serving

MB = 1024 * 1024
JOB = {"tenantId": "acme", "type": "nothing"}
UNREAD = "/jobs/01890a5d-ac96-774b-bcce-b302099a8057/cancel"  # its route looks at no body

JSON = "application/json"
REFUSED = [
    ("/jobs", JSON, 300_000, 413),
    ("/jobs", JSON, 20 * MB, 413),
    ("/jobs/batch", JSON, 30 * MB, 413),
    (UNREAD, JSON, 30 * MB, 404),
    ("/jobs", "text/plain", 20 * MB, 415),
]


@pytest.mark.parametrize("http_server", ["hypercorn", "uvicorn"])
async def test_the_next_request_of_a_client_that_was_refused_works(
    database_url: str, redis_url: str, http_server: str
) -> None:
    async with serving(database_url, redis_url, role="api", server=http_server) as server:
        for refused in REFUSED:
            await asyncio.to_thread(_refused_then_accepted, server.port, *refused)


def _refused_then_accepted(port: int, path: str, kind: str, size: int, status: int) -> None:
    """This client sends all it has before it looks up, and keeps its connection unless it is told
    that it ends."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", path, b"x" * size, {"Content-Type": kind})
    answer = client.getresponse()
    answer.read()
    assert answer.status == status, path
    client.request("POST", "/jobs", json.dumps(JOB), {"Content-Type": JSON})
    assert client.getresponse().status == 201, path
    client.close()


async def test_only_an_answer_that_came_early_ends_its_connection(server: Server) -> None:
    ports = set()
    requests: list[tuple[dict[str, Any], int]] = [
        ({"json": JOB}, 201),
        ({"json": JOB | {"type": "?"}}, 422),
        ({"data": JOB}, 415),
    ]
    for request, status in requests:
        answer = await server.http.post("/jobs", **request)
        assert answer.status_code == status
        assert "connection" not in answer.headers
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1


async def test_a_client_that_looks_up_only_when_all_is_sent_sees_why_it_was_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it is listened to for a second, in which a busy machine does not send it all
    monkeypatch.setattr("monoq.api.hypercorn_patches.LINGER_S", 20.0)
    for path in ("/jobs", "/jobs/batch", UNREAD):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(head.encode())
        chunk = b"100000\r\n" + b" " * MB + b"\r\n"
        for _ in range(30):
            writer.write(chunk)
            await writer.drain()
        answer = await reader.read()
        assert answer.startswith((b"HTTP/1.1 413", b"HTTP/1.1 404")), answer[:100]
        assert b"\r\nconnection: close\r\n" in answer
        writer.close()
