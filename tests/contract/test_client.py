"""The Python clients: waiting, submitting by handler, payloads of any kind, and code without an
event loop."""

import asyncio
import inspect
import pickle
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import handlers_for_tests
import pytest
from conftest import Server, eventually, serving
from pydantic import BaseModel, ConfigDict, Field, computed_field

import monoq
from monoq.client import waits
from monoq.errors import ConfigError, InvalidJson, RequestRefused

ROOT = Path(__file__).parent.parent.parent
NEVER = 3600.0  # seconds between two looks: a wait returns if, and only if, the stream told it


class Money(BaseModel):
    """A payload with an alias, a computed field, and fields that JSON has not."""

    model_config = ConfigDict(extra="forbid")

    amount: Decimal = Field(alias="theAmount")
    due: datetime
    owner: UUID

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cents(self) -> int:
        return int(self.amount * 100)


@dataclass
class Part:
    name: str
    weight: Decimal


OWNER = UUID("0198c0de-0000-7000-8000-000000000001")
DUE = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
MONEY = Money(theAmount=Decimal("1.50"), due=DUE, owner=OWNER)

money_app = monoq.App()


@money_app.handler("pay")
async def pay(payload: Money, ctx: monoq.JobContext) -> str:
    return f"{payload.amount} {payload.cents} {payload.due:%Y} {payload.owner}"


@money_app.handler("weigh")
def weigh(payload: Part) -> str:
    return str(payload.weight + 1)


@money_app.handler
async def rest() -> str:
    return "rested"


async def sockets_are(server: Server, number: int) -> None:
    """Waits until so many WebSockets are open."""

    async def told() -> bool:
        text = (await server.http.get("/metrics")).text
        return f"\nmonoq_sockets_open {float(number)}\n" in text

    await eventually(told)


@pytest.fixture(autouse=True)
def _no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "UNWOKEN_S", NEVER)


async def test_a_wait_returns_at_the_end_of_a_job_without_polling(server: Server) -> None:
    async with monoq.Client(server.url) as client:
        ids = [await client.submit("acme", "sleep", {"delayMs": 300}) for _ in range(50)]
        jobs = await asyncio.gather(*[client.wait(job_id, poll=NEVER) for job_id in ids])
        assert [job["id"] for job in jobs] == ids
        assert {job["status"] for job in jobs} == {"COMPLETED"}
        done = await client.wait(ids[0], poll=NEVER)  # ended before
        assert done["status"] == "COMPLETED"


async def test_waits_for_jobs_of_one_tenant_share_a_connection_that_ends_soon_after(
    server: Server,
) -> None:
    async with monoq.Client(server.url) as client:
        ids = [await client.submit("acme", "nothing", delay_ms=3_600_000) for _ in range(20)]
        waiting = [asyncio.create_task(client.wait(job_id, poll=NEVER)) for job_id in ids]
        await sockets_are(server, 1)
        for job_id in ids:
            await client.cancel(job_id)
        assert {job["status"] for job in await asyncio.gather(*waiting)} == {"CANCELLED"}
        await sockets_are(server, 0)


async def test_a_wait_goes_on_while_its_server_restarts(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as server:
        port = server.port
        client = monoq.Client(server.url)
        job_id = await client.submit("acme", "nothing", delay_ms=3_600_000)
        waiting = asyncio.create_task(client.wait(job_id, timeout=30, poll=0.1))
        await sockets_are(server, 1)
    assert not waiting.done()
    async with serving(database_url, redis_url, port=port) as server:
        await server.http.post(f"/jobs/{job_id}/cancel")
        assert (await waiting)["status"] == "CANCELLED"
        await client.aclose()


async def test_a_wait_polls_where_no_stream_can_be_had(server: Server) -> None:
    """A proxy that passes requests on, and no WebSocket."""

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" in head.lower():
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            refused.append(head)
        else:
            there, back = await asyncio.open_connection("127.0.0.1", server.port)
            head = head.replace(b"keep-alive", b"close")
            back.write(head.replace(f":{port}".encode(), f":{server.port}".encode()))
            writer.write(await there.read())
            back.close()
        writer.close()

    refused: list[bytes] = []
    proxy = await asyncio.start_server(passed_on, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    (job_id,) = await server.submit(
        [{"tenantId": "acme", "type": "sleep", "payload": {"delayMs": 500}}]
    )
    async with proxy, monoq.Client(f"http://127.0.0.1:{port}") as client:
        assert (await client.wait(job_id, poll=0.05))["status"] == "COMPLETED"
    assert refused


async def test_a_wait_that_takes_too_long_raises_and_leaves_nothing_behind(server: Server) -> None:
    async with monoq.Client(server.url) as client:
        job_id = await client.submit("acme", "nothing", delay_ms=3_600_000)
        with pytest.raises(TimeoutError):
            await client.wait(job_id, timeout=0.2)
        with pytest.raises(RequestRefused) as refused:
            await client.wait(str(OWNER))
        assert refused.value.status == 404
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not {name for name in names if name.startswith("waits for")}


async def test_models_and_dataclasses_are_payloads_that_their_handlers_read(
    database_url: str, redis_url: str
) -> None:
    async with (
        serving(database_url, redis_url, app=f"{__name__}:money_app") as server,
        monoq.Client(server.url) as client,
    ):
        part = Part("bolt", Decimal("1.5"))
        ids = [
            await client.submit("acme", "pay", MONEY),
            await client.submit("acme", pay, MONEY),
            *await client.submit_many(
                [
                    {"tenantId": "acme", "type": "pay", "payload": MONEY},
                    monoq.NewJob("acme", "pay", MONEY),
                ]
            ),
            await client.submit("acme", "weigh", part),
            await client.submit("acme", weigh, part),
            await client.submit("acme", rest, delay_ms=1),
        ]
        results = [(await client.wait(job_id))["result"] for job_id in ids]
    paid = f"1.50 150 2030 {OWNER}"
    assert results == [paid] * 4 + ["2.5", "2.5", "rested"]


async def test_datetimes_and_uuids_in_a_payload_are_text(server: Server) -> None:
    async with monoq.Client(server.url) as client:
        job_id = await client.submit("acme", "echo", {"at": DUE, "who": [OWNER]})
        assert (await client.get(job_id))["payload"] == {
            "at": "2030-01-02T03:04:05Z",
            "who": [str(OWNER)],
        }


class Locked(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    lock: Any


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"a": [1, {"b": Decimal("1")}]}, r"\$\.payload\.a\[1\]\.b: Decimal has no JSON form"),
        ({"to": Path("/")}, r"\$\.payload\.to: PosixPath has no JSON form"),
        (threading.Lock(), "lock has no JSON form"),
        (Locked(lock=threading.Lock()), "the payload, a Locked, has no JSON form: .*lock"),
    ],
)
async def test_a_payload_that_cannot_be_sent_is_named(payload: Any, said: str) -> None:
    async with monoq.Client("http://127.0.0.1:9") as client:
        with pytest.raises(InvalidJson, match=f"(?i){said}"):
            await client.submit("acme", "echo", payload)


async def test_a_repeat_by_idempotency_key_is_told(server: Server) -> None:
    async with monoq.Client(server.url) as client:
        first = await client.submit("acme", "nothing", idempotency_key="order-7")
        again = await client.submit("acme", "nothing", idempotency_key="order-7")
        assert (first.created, again.created) == (True, False)
        assert first == again
        known = {"tenantId": "acme", "type": "nothing", "idempotencyKey": "order-7"}
        other = {"tenantId": "acme", "type": "nothing"}
        ids = await client.submit_many([other, known, other])
        assert [job_id.created for job_id in ids] == [True, False, True]
        assert ids[1] == first
    copied = pickle.loads(pickle.dumps(again))
    assert (copied, copied.created) == (again, False)


async def test_what_is_no_handler_cannot_be_submitted_and_is_named(server: Server) -> None:
    async with monoq.Client(server.url) as client:

        def plain(payload: int) -> None: ...

        with pytest.raises(ConfigError, match="plain is not a handler: decorate it"):
            await client.submit("acme", plain, 1)
        with pytest.raises(ConfigError, match="'cancels-itself', 'cancels-itself-apart': name the"):
            await client.submit("acme", handlers_for_tests.cancels_itself, True)
        with pytest.raises(TypeError, match="delayMs"):
            await client.submit("acme", "nothing", delayMs=5)  # type: ignore[call-overload]


async def test_a_sync_client_does_the_same_in_any_thread(server: Server) -> None:
    def work() -> None:
        with monoq.SyncClient(server.url) as client:
            first = client.submit("acme", "sleep", {"delayMs": 200}, idempotency_key="a")
            assert not client.submit("acme", "sleep", {"delayMs": 200}, idempotency_key="a").created
            job = client.wait(first, poll=NEVER)
            assert (job["status"], client.get(first)["id"]) == ("COMPLETED", first)
            assert client.submit("acme", handlers_for_tests.block, 0.0)
            assert [one["id"] for one in client.list("acme", status="COMPLETED")["jobs"]][-1]
            assert client.stats("acme")["counts"]["COMPLETED"] >= 1
            with client.stream("acme") as updates:
                for update in updates:
                    assert update["tenantId"] == "acme"
                    break
            for _ in client.stream("acme"):
                break
            with pytest.raises(RequestRefused):
                client.retry(first)
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            client.get(first)

    await asyncio.to_thread(work)
    names = {thread.name for thread in threading.enumerate()}
    assert "monoq.SyncClient" not in names


def test_a_sync_client_has_every_method_of_the_client() -> None:
    def methods(of: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(of, callable) if not name.startswith("_")}

    assert methods(monoq.Client) - {"aclose"} == methods(monoq.SyncClient) - {"close"}
    for name in methods(monoq.Client) - {"aclose", "submit", "stream"}:
        there, here = getattr(monoq.Client, name), getattr(monoq.SyncClient, name)
        assert inspect.signature(there) == inspect.signature(here), name
        assert there.__doc__ == here.__doc__


def test_ctrl_c_ends_a_call_of_the_sync_client(database_url: str) -> None:
    script = (
        "import monoq, os, signal, sys, threading\n"
        "client = monoq.SyncClient(sys.argv[1], timeout=60)\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try: client.health()\n"
        "except KeyboardInterrupt: client.close(); print('interrupted')\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ran = subprocess.run(
            [sys.executable, "-c", script, f"http://127.0.0.1:{silent.getsockname()[1]}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert ran.stdout == "interrupted\n", ran.stderr


LEFT_BY_BREAK = """
import asyncio, sys, monoq

async def main():
    async with monoq.Client(sys.argv[1]) as client:
        async for update in client.stream("acme"):
            break
        stream = client.stream("acme")
        async for update in stream:
            break
        async with client.stream("acme") as updates:
            async for update in updates:
                print("seen")
                break
    careless = monoq.Client(sys.argv[1])
    async for update in careless.stream("acme"):
        break

asyncio.run(main())
"""


async def test_a_stream_that_is_left_by_break_ends_without_a_word(server: Server) -> None:
    await server.submit([{"tenantId": "acme", "type": "nothing"}])
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LEFT_BY_BREAK, server.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("seen\n", "", 0)


async def test_a_stream_that_is_left_frees_its_socket_though_its_client_lives_on(
    server: Server,
) -> None:
    await server.submit([{"tenantId": "acme", "type": "nothing"}])
    async with monoq.Client(server.url) as client:
        for _ in range(5):
            async for _update in client.stream("acme"):
                break
        await sockets_are(server, 0)
