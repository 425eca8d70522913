"""What nginx lets through, to whom, and what it refuses: on the configuration of the container."""

import asyncio
import json
import statistics
import time

import pytest
import websockets

from proxy.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDSHAKE = (
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
)
H2C = (
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
)


def work(ms: int = 0) -> dict[str, object]:
    return {"tenantId": "acme", "type": "work", "payload": {"ms": ms}}


async def test_requests_reach_both_apis_and_the_log_names_them(site: Site) -> None:
    for answer in await asyncio.gather(
        *[site.http.get("/stats?tenantId=reach") for _ in range(40)]
    ):
        assert answer.status_code == 200
    lines = await site.logged(
        40,
        method="GET",
        uri="/stats?tenantId=reach",
        status=200,
        upstream_status="200",
        client="127.0.0.1",
    )
    reached = site.requests_per_api(lines)
    assert set(reached) == {f"127.0.0.1:{api.port}" for api in site.apis}
    assert all(0 <= line["seconds"] < 10 and line["id"] for line in lines)
    print("requests per API:", sorted(reached.values()))


async def test_jobs_reach_all_workers_and_a_socket_sees_what_each_does(site: Site) -> None:
    async with websockets.connect(site.ws_url) as socket:
        assert socket.response is not None
        # this client offers compression
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await socket.send(json.dumps({"type": "SUBSCRIBE", "tenantId": "acme"}))
        await socket.send(json.dumps({"type": "?"}))
        # so the subscription before it holds
        assert json.loads(await socket.recv())["type"] == "ERROR"
        waiting = set(await site.submit([work(20) for _ in range(300)]))
        ids = set(waiting)
        async with asyncio.timeout(30):
            while waiting:
                heard = json.loads(await socket.recv())
                if heard["status"] == "COMPLETED":
                    waiting.discard(heard["jobId"])
    did = site.jobs_per_worker(ids)
    assert set(did) == {worker.pid for worker in site.inside.workers}
    assert did.total() == 300
    print("jobs per worker:", sorted(did.values()))


@pytest.mark.parametrize("host", ["evil.example", "queue.example.evil.example", "10.0.0.1"])
async def test_a_foreign_host_gets_no_answer_at_all(site: Site, host: str) -> None:
    for rest in (
        f"Connection: Upgrade\r\nUpgrade: websocket\r\n{HANDSHAKE}",
        "Connection: close\r\n",
    ):
        assert await site.raw(f"GET /ws HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n") == b""
    assert await site.raw("GET /health HTTP/1.0\r\n\r\n") == b""
    await site.logged(2, status=444, host=host)


async def test_hosts_that_are_allowed_are_passed_on(site: Site) -> None:
    for host, status in (("queue.example", 200), ("queue.example:8443", 200), ("localhost", 200)):
        assert (await site.http.get("/health", headers={"Host": host})).status_code == status
    # the API's own list counts too
    assert (await site.http.get("/health", headers={"Host": "other.example"})).status_code == 421


async def test_what_a_client_says_of_itself_does_not_reach_the_api(site: Site) -> None:
    """The API believes this nginx. Were the client's own words passed on, an http page would be
    refused, and evil.example served."""
    lies = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "6.6.6.6",
        "Forwarded": "host=evil.example",
    }
    answer = await site.http.post("/jobs", json=work(), headers=lies | {"Origin": site.url})
    assert answer.status_code == 201


async def test_upgrades_pass_for_the_websocket_only(site: Site) -> None:
    host = f"Host: 127.0.0.1:{site.port}\r\n"
    websocket = f"Connection: Upgrade\r\nUpgrade: websocket\r\n{HANDSHAKE}"
    cases = {
        f"GET /ws HTTP/1.1\r\n{host}{websocket}": b"HTTP/1.1 101 ",
        f"GET /ws HTTP/1.1\r\n{host}{H2C}": b"HTTP/1.1 426 ",
        (
            f"GET /ws HTTP/1.1\r\n{host}{websocket.replace('websocket', 'websocket, h2c')}"
        ): b"HTTP/1.1 426 ",
        f"GET /ws HTTP/1.1\r\n{host}": b"HTTP/1.1 426 ",
        # some clients ask each server for h2c: they get HTTP/1.1
        f"GET /health HTTP/1.1\r\n{host}{H2C}": b"HTTP/1.1 200 ",
        f"GET /health HTTP/1.1\r\n{host}{websocket}": b"HTTP/1.1 200 ",
        "PRI * HTTP/2.0\r\n": b"HTTP/1.1 400 ",
    }
    for request, status in cases.items():
        head = await site.raw(f"{request}\r\n")
        assert head.startswith(status), (request, head)
        assert b"sec-websocket-extensions" not in head.lower()
    # what the rule is for:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.apis[0].port)
    writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n{H2C}\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
    writer.transport.abort()


async def test_metrics_are_not_for_the_public(site: Site) -> None:
    for path in ("/metrics", "//metrics", "/%6detrics", "/metrics/", "/x/../metrics"):
        head = await site.raw(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        assert head.startswith(b"HTTP/1.1 404 "), path
        await site.logged(1, uri=path, upstream="")


async def test_bodies_are_bounded_and_the_refusal_is_json(site: Site) -> None:
    fits = work() | {"payload": {"ms": 0, "pad": "x" * 250_000}}
    assert (await site.http.post("/jobs", json=fits)).status_code == 201
    answer = await site.http.post("/jobs", json=work() | {"payload": {"pad": "x" * 300_000}})
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "nginx/" not in answer.headers["Server"]
    jobs = [work() | {"payload": {"ms": 0, "pad": "x" * 250_000}} for _ in range(20)]
    assert len(await site.submit(jobs)) == 20  # 5 MB
    assert (
        await site.http.post(
            "/jobs/batch", content=b" " * (17 << 20), headers={"Content-Type": "application/json"}
        )
    ).status_code == 413


@pytest.mark.parametrize("path", ["/jobs", "/jobs/batch"])
async def test_a_gigabyte_is_refused_early(site: Site, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    assert (await site.raw(f"{head}Content-Length: {1 << 30}\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    answer = asyncio.create_task(reader.readline())
    sent = 0
    while not answer.done() and sent < 1 << 30:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()
        await asyncio.wait([answer], timeout=0.001)  # a client that looks up now and then
        sent += 65536
    writer.transport.abort()
    assert (await answer).startswith(b"HTTP/1.1 413 ")
    assert sent < 64 << 20
    print(f"{path}: refused after {sent >> 10} KiB")


async def test_a_header_of_a_megabyte_is_refused(site: Site) -> None:
    head = await site.raw(
        f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {'x' * (1 << 20)}\r\n\r\n"
    )
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    many = "".join(f"X-{n}: {'x' * 4000}\r\n" for n in range(8))
    assert (await site.raw(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n{many}\r\n")).startswith(
        b"HTTP/1.1 400 "
    )


async def test_slow_clients_are_cut_and_idle_ones_hinder_nobody(site: Site) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(600)]
    began = time.monotonic()
    took: list[float] = []

    async def serve_others() -> None:
        while time.monotonic() - began < 3:
            asked = time.monotonic()
            assert (await site.http.get("/stats?tenantId=acme")).status_code == 200
            took.append(time.monotonic() - asked)

    async def cut_after(text: str) -> float:
        head = await site.raw(text)
        assert head == b"" or head.startswith(b"HTTP/1.1 408 ")
        return time.monotonic() - began

    post = (
        "POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n{"
    )
    slow = await asyncio.gather(
        cut_after("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "), cut_after(post), serve_others()
    )
    assert max(slow[:2]) < 8
    assert statistics.median(took) < 0.5
    for reader, writer in idle:  # they sent nothing, and are gone by now
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.transport.abort()
    print(
        f"cut after {slow[0]:.1f} s (header), {slow[1]:.1f} s (body); median answer meanwhile "
        f"{statistics.median(took) * 1000:.0f} ms"
    )


async def test_slow_batches_of_one_client_and_of_many_keep_nobody_out(site: Site) -> None:
    """Each of them sends a byte every four seconds, and is cut by the API; nginx would wait for
    five."""
    head = (
        "POST /jobs/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 16000000\r\n\r\n"
    )

    async def drip(address: str) -> bytes:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", site.port, local_addr=(address, 0)
        )
        writer.write(head.encode())
        answer = asyncio.create_task(reader.read())
        while not answer.done():
            writer.write(b"{")
            await asyncio.wait([answer], timeout=4)
        writer.transport.abort()
        return answer.result()

    addresses = ["127.0.0.2"] * 24 + [f"127.0.0.{n}" for n in range(3, 27)]
    began = time.monotonic()
    dripping = [asyncio.create_task(drip(address)) for address in addresses]
    for _ in range(5):
        await site.submit([work() for _ in range(100)])
        await asyncio.sleep(0.1)  # a client that comes back now and then, while they drip
    assert not any(task.done() for task in dripping), "they were not slow"
    answers = await asyncio.gather(*dripping)
    assert {answer.split(b" ")[1] for answer in answers} == {b"408"}
    assert time.monotonic() - began < 12
    assert (await site.http.get("/health")).status_code == 200


async def test_a_large_batch_is_passed_on_as_it_comes(site: Site) -> None:
    jobs = [work() | {"payload": {"ms": 0, "pad": "x" * 1_000_000}} for _ in range(15)]
    assert len(await site.submit(jobs)) == 15


async def test_log_lines_stay_json_whatever_is_asked(site: Site) -> None:
    agent = 'a"b\\c\x1b[31m\x07'
    head = await site.raw(
        f'GET /x?"\\ HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}{"z" * 1000}\r\n'
        "Connection: close\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 404 ")
    (line,) = await site.logged(1, uri='/x?"\\')
    assert line["agent"] == (agent + "z" * 1000)[:256]
    assert (await site.raw("GET /\x1b\x07 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).startswith(
        b"HTTP/1.1 400 "
    )
    await site.logged(1, uri="", status=400)  # refused before it was read as a URI
