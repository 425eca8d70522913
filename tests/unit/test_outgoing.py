"""The guard of outgoing calls against hostile addresses, URLs and resolvers. A listener on every
address of this machine counts who comes through."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest

from monoq.errors import CallFailed, RefusedUrl
from monoq.outgoing.addresses import carried, refusal
from monoq.outgoing.outgoing import Outgoing
from monoq.outgoing.resolver import Resolver
from monoq.outgoing.transport import CheckedNetwork
from monoq.outgoing.urls import endpoint_of

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]

HERE = Path(__file__).parent
ADDRESSES = (HERE / "hostile_addresses.txt").read_text().split()
IPV4_ADDRESSES = [one for one in ADDRESSES if ":" not in one]
ADDRESSES += [prefix + one for one in IPV4_ADDRESSES for prefix in ("::ffff:", "64:ff9b::")]
URLS = [
    *(HERE / "hostile_urls.txt").read_text().split("\n")[:-1],
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/ ",
    "http://127.0.0.1 :{port}/",
    "http://127.0.0.1:{port}/\n",
    "http://127.0.0.1:{port}/\r\nHost: x",
    "http://exa\tmple.com@127.0.0.1:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "http://127.0.0.1\x00.example.com:{port}/",
    "http://example.com\u2028@127.0.0.1:{port}/",
    "",
    " ",
    "http://",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 127 + "a/",
    "http://example.com/" + "a" * 2048,
]


class Listener:
    """Answers each connection, on all addresses of this machine, and counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self.answer = ANSWER

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head)
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, ["0.0.0.0", "::"], 0, ssl=tls)
    ports = [one.getsockname()[1] for one in server.sockets]
    if ports[0] != ports[-1]:  # one port for both families, so that no form of it is missed
        server.close()
        server = await asyncio.start_server(listener.serve, ["0.0.0.0", "::"], ports[0], ssl=tls)
    listener.port = ports[0]
    try:
        yield listener
    finally:
        server.close()
        if sys.version_info >= (3, 13):
            server.close_clients()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as one:
        yield one


class Names:
    """A resolver that answers as its owner likes; the n-th question gets the n-th answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: Any, **_: Any) -> list[Any]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, 0, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0))
            for one in answer
        ]


async def called(outgoing: Outgoing, url: str) -> Exception | httpx.Response:
    async with outgoing.client(timeout=2) as client:
        try:
            return await client.post(url, content=b"{}")
        except (RefusedUrl, httpx.HTTPError, httpx.InvalidURL) as error:
            return error


async def test_no_hostile_address_or_url_is_reached(listener: Listener) -> None:
    hosts = [f"[{one}]" if ":" in one else one for one in ADDRESSES]
    addresses = [f"http://{host}:{listener.port}/" for host in hosts]
    urls = [one.replace("{port}", str(listener.port)) for one in URLS]
    assert len(set(addresses)) >= 250
    assert len(set(urls)) >= 125
    through: list[str] = []
    async with Outgoing().client(timeout=2) as client:
        for url in addresses + urls:
            try:
                through.append(f"{url}: {await client.post(url, content=b'{}')}")
            except RefusedUrl:
                pass
            # of what is no URL, the client itself may say so
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if url in addresses:
                    through.append(f"{url}: {error!r}")
    assert not through
    assert listener.connections == 0


async def test_what_the_text_of_a_url_hides_is_found_when_it_is_connected(
    listener: Listener,
) -> None:
    """The text's check left out: every way to write an address ends at the resolver."""
    hosts = [
        *IPV4_ADDRESSES,
        *(one.split("://")[-1].rsplit(":", 1)[0] for one in URLS),
        "localhost",
    ]
    resolver = Resolver()
    network = CheckedNetwork(resolver)
    refused = 0
    for host in hosts:
        try:
            stream = await network.connect_tcp(host, listener.port, timeout=2)
        except RefusedUrl:
            refused += 1
        except httpcore.ConnectError:
            pass  # no name
        else:
            await stream.aclose()
    resolver.close()
    assert refused >= 100
    assert listener.connections == 0


async def test_the_same_listener_is_reached_where_the_network_is_allowed(
    listener: Listener,
) -> None:
    outgoing = Outgoing(LOOPBACK)
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
        outcome = await called(outgoing, f"http://{host}:{listener.port}/")
        assert isinstance(outcome, httpx.Response), (host, outcome)
    assert listener.connections == 4


@pytest.mark.parametrize("url", URLS)
def test_a_strange_url_is_refused_by_its_text(url: str) -> None:
    if "://localhost:" in url.lower():
        return  # a name like any other: it is refused once it is looked up
    with pytest.raises(RefusedUrl):
        endpoint_of(url.replace("{port}", "8000"))


async def test_no_name_may_stand_for_a_hostile_address() -> None:
    for address in ADDRESSES:
        for answers in ([address], ["1.1.1.1", address], [address, "2606:4700::1111"]):
            resolver = Resolver(lookup=Names(answers))
            with pytest.raises(RefusedUrl, match=r"example\.com may not be called") as refused:
                await resolver.resolve("example.com")
            assert str(ip_address(address)) not in str(refused.value).split()
            resolver.close()


def test_an_address_of_the_public_network_may_be_called() -> None:
    for address in (
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.0"),
        *("126.255.255.255", "128.0.0.1", "168.63.129.15", "172.15.255.255", "172.32.0.0"),
        *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("2001:200::1", "2001:4860:4860::8888", "2400:cb00::1", "2606:4700::1111"),
        *("2620:fe::fe", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    ):
        assert refusal(ip_address(address)) is None, address


def test_an_address_carries_those_that_it_leads_to() -> None:
    for address, inside in {
        "::ffff:10.0.0.1": ["10.0.0.1"],
        "::10.0.0.1": ["10.0.0.1"],
        "::ffff:0:10.0.0.1": ["10.0.0.1"],
        "64:ff9b::a9fe:a9fe": ["169.254.169.254"],
        "64:ff9b:1:a9fe:a9:fe00::": ["0.0.0.0", "169.254.169.254"],
        "2002:7f00:1::1": ["127.0.0.1"],
        "2001:0:4136:e378:8000:63bf:3fff:fdd2": ["65.54.227.120", "192.0.2.45"],
        "2606:4700::5efe:127.0.0.1": ["127.0.0.1"],
        "::1": [],
        "2606:4700::1111": [],
        "10.0.0.1": [],
    }.items():
        assert [str(one) for one in carried(ip_address(address))] == inside, address


def test_an_allowed_network_allows_no_address_that_hides_in_it() -> None:
    everything = [ip_network("2001::/16"), ip_network("64:ff9b::/32"), ip_network("2002::/16")]
    for address in ("2002:7f00:1::1", "64:ff9b::7f00:1", "2001:0:4136:e378:8000:63bf:80ff:fffe"):
        assert refusal(ip_address(address), everything), address
    assert refusal(ip_address("2002:808:808::1"), everything) is None
    assert refusal(ip_address("::ffff:10.1.2.3"), [ip_network("10.1.0.0/16")]) is None
    assert refusal(ip_address("10.2.0.1"), [ip_network("10.1.0.0/16")])


async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(
    listener: Listener,
) -> None:
    # `::1` is not allowed; whoever asked twice would be sent there
    names = Names(["127.0.0.1"], ["::1"])
    outgoing = Outgoing([ip_network("127.0.0.1/32")], names)
    async with outgoing.client(timeout=2) as client:
        answer = await client.get(f"http://rebound.example:{listener.port}/")
    assert answer.status_code == 200
    assert names.asked == 1
    assert f"host: rebound.example:{listener.port}".encode() in listener.requests[0].lower()
    assert isinstance(
        await called(outgoing, f"http://rebound.example:{listener.port}/"), RefusedUrl
    )
    assert listener.connections == 1


async def test_a_bad_answer_beside_a_good_one_is_refused_before_any_connection(
    listener: Listener,
) -> None:
    for answers in (
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1"] * 9 + ["::1"],
    ):
        outgoing = Outgoing([ip_network("127.0.0.1/32")], Names(answers))
        assert isinstance(await called(outgoing, f"http://a.example:{listener.port}/"), RefusedUrl)
    assert listener.connections == 0


async def test_a_name_that_hangs_is_given_up_in_time_and_holds_up_no_other(
    listener: Listener,
) -> None:
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    def lookup(host: str, port: Any, **_: Any) -> list[Any]:
        if host == "hangs.example":
            asyncio.run_coroutine_threadsafe(released.wait(), loop).result(30)
        return Names(["127.0.0.1"])(host, port)

    async with Outgoing(LOOPBACK, lookup).client(timeout=0.3) as client:
        hung = asyncio.gather(
            *(client.get(f"http://hangs.example:{listener.port}/") for _ in range(50)),
            return_exceptions=True,
        )
        answer = await client.get(f"http://other.example:{listener.port}/")
        assert answer.status_code == 200
        outcomes = await hung
        assert {type(one) for one in outcomes} == {httpx.ConnectTimeout}
        released.set()


async def test_the_second_address_is_tried_when_the_first_refuses() -> None:
    names = Names(["127.0.0.1", "::1"])
    async with only_on_ipv6() as (port, served):
        async with Outgoing(LOOPBACK, names).client(timeout=2) as client:
            assert (await client.get(f"http://both.example:{port}/")).status_code == 200
        assert served.connections == 1


@asynccontextmanager
async def only_on_ipv6() -> AsyncIterator[tuple[int, Listener]]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "::1", 0)
    yield server.sockets[0].getsockname()[1], listener
    server.close()


async def test_proxies_of_the_environment_are_not_asked(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    outcome = await called(Outgoing(lookup=Names(["10.0.0.1"])), "http://example.com/")
    assert isinstance(outcome, RefusedUrl)
    assert listener.connections == 0


async def test_a_redirect_is_an_answer_and_nothing_else(listener: Listener) -> None:
    place = f"http://127.0.0.1:{listener.port}/secret".encode()
    listener.answer = b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n"
    async with Outgoing(LOOPBACK).client(timeout=2) as client:
        answer = await client.get(f"http://127.0.0.1:{listener.port}/")
    assert answer.status_code == 302
    assert len(listener.requests) == 1


async def test_cookies_are_not_kept(listener: Listener) -> None:
    listener.answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: tenant=acme; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    async with Outgoing(LOOPBACK).client(timeout=2) as client:
        for _ in range(2):
            await client.get(f"http://localhost:{listener.port}/")
    assert listener.connections == 1  # which is kept
    assert b"cookie" not in listener.requests[1].lower()


async def test_a_download_is_bounded(listener: Listener) -> None:
    url = f"http://127.0.0.1:{listener.port}/data.csv"

    async def got(**limits: Any) -> bytes:
        whole = b""
        limits = {"max_bytes": 10, "timeout": 5} | limits
        async with Outgoing(LOOPBACK).download(url, **limits) as parts:
            async for part in parts:
                whole += part
        return whole

    assert await got() == b"ok"
    assert await got(max_bytes=2) == b"ok"
    for answer, word in {
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n": "11 bytes; at most 10",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\naaaaaa\r\n6\r\naaaaaa\r\n": (
            "longer than 10 bytes"
        ),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok": "compressed",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n": "status 404",
        b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n": "redirects",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbut": "no complete answer within 0.3 s",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n": "RemoteProtocolError",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000: "RemoteProtocolError",
    }.items():
        listener.answer = answer
        with pytest.raises(CallFailed, match=word):
            await got(timeout=0.3 if "0.3 s" in word else 20)
    with pytest.raises(RefusedUrl, match=r"127\.0\.0\.1 may not be called: it is loopback"):
        async with Outgoing().download(url, max_bytes=1, timeout=1):
            pass


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
async def test_tls_and_the_host_header_keep_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext "
        "subjectAltName=DNS:hooks.example"
    )
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    await asyncio.to_thread(
        subprocess.run, [*command.split(), *files], check=True, capture_output=True
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    named: list[str | None] = []
    tls.sni_callback = lambda _, name, __: named.append(name)
    async with listening(tls) as listener:
        outgoing = Outgoing(LOOPBACK, Names(["127.0.0.1"]))
        async with outgoing.client(timeout=5) as client:
            answer = await client.get(f"https://hooks.example:{listener.port}/")
            assert answer.status_code == 200
            assert named == ["hooks.example"]
            assert b"Host: hooks.example:" in listener.requests[0]
            with pytest.raises(httpx.ConnectError, match=r"(?i)hostname mismatch"):
                await client.get(f"https://other.example:{listener.port}/")


async def test_an_endpoint_of_many_does_not_keep_its_connections_for_ever(
    listener: Listener,
) -> None:
    outgoing = Outgoing(LOOPBACK, Names(["127.0.0.1"]))
    async with outgoing.client(timeout=5) as client:
        for number in range(300):
            await client.get(f"http://n{number}.example:{listener.port}/")
        pools = client._transport._pools  # type: ignore[attr-defined]
        assert len(pools) <= 101
        assert not client._transport._requests  # type: ignore[attr-defined]
    assert listener.connections == 300


def test_the_guard_loads_no_http_client_until_a_call() -> None:
    code = (
        "import sys; from monoq.outgoing.outgoing import Outgoing; Outgoing().check('http://a.b/');"
        " print(sorted({'httpx', 'httpcore', 'anyio'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
