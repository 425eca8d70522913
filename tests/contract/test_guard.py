"""What is refused before anything looks at it."""

from ipaddress import ip_network

from conftest import Server, serving

from monoq.api.forwarded import TrustedProxies

JOB = {"tenantId": "acme", "type": "nothing"}


FOREIGN: list[tuple[dict[str, str], int]] = [
    ({"Host": "evil.example"}, 421),
    ({"Host": "localhost.evil.example"}, 421),
    ({"Host": ""}, 421),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Content-Type": "text/plain"}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
]


async def test_requests_of_other_sites_are_refused(server: Server) -> None:
    for headers, status in FOREIGN:
        answer = await server.http.post("/jobs", json=JOB, headers=headers)
        assert answer.status_code == status, headers
        assert answer.json()["status"] == status


async def test_a_request_without_a_body_needs_no_type(server: Server) -> None:
    """As `curl -X POST …/cancel` sends it."""
    answer = await server.http.post("/jobs", json={**JOB, "delayMs": 60_000})
    path = f"/jobs/{answer.json()['jobId']}/cancel"
    assert (await server.http.post(path, headers={"Origin": "null"})).status_code == 403
    assert (await server.http.post(path)).status_code == 200


async def test_requests_of_our_own_page_pass(server: Server) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert (await server.http.post("/jobs", json=JOB, headers=headers)).status_code == 201


FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.1.2.3",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "queue.example",
}


async def test_what_a_trusted_proxy_forwards_is_believed(database_url: str, redis_url: str) -> None:
    settings = {
        "role": "api",
        "allowed_hosts": "queue.example",
        "trusted_proxies": "10.0.0.0/8, 127.0.0.1",
    }
    async with serving(database_url, redis_url, **settings) as server:
        for origin, status in (
            ("https://queue.example", 201),
            ("http://queue.example", 403),
            (server.url, 403),
        ):
            answer = await server.http.post(
                "/jobs", json=JOB, headers=FORWARDED | {"Host": "inside:80", "Origin": origin}
            )
            assert answer.status_code == status, origin
        answer = await server.http.post(
            "/jobs", json=JOB, headers=FORWARDED | {"X-Forwarded-Host": "evil.example"}
        )
        assert answer.status_code == 421


async def test_what_anyone_else_forwards_is_not(database_url: str, redis_url: str) -> None:
    async with serving(
        database_url,
        redis_url,
        role="api",
        allowed_hosts="queue.example",
        trusted_proxies="10.0.0.0/8",
    ) as server:
        answer = await server.http.get("/health", headers=FORWARDED | {"Host": "evil.example"})
        assert answer.status_code == 421
        answer = await server.http.post(
            "/jobs", json=JOB, headers=FORWARDED | {"Origin": server.url}
        )
        assert answer.status_code == 201


def test_the_client_is_the_nearest_hop_that_is_no_trusted_proxy() -> None:
    proxies = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("::1")])

    def client_of(peer: str, *lines: str) -> str:
        scope = {
            "type": "http",
            "scheme": "http",
            "client": (peer, 1),
            "headers": [(b"x-forwarded-for", line.encode()) for line in lines],
        }
        resolved = proxies.resolve(scope)
        assert resolved["headers"] == []
        return str(resolved["client"][0])

    assert client_of("10.0.0.1", "6.6.6.6, 192.0.2.7, 10.1.2.3") == "192.0.2.7"
    assert client_of("10.0.0.1", "6.6.6.6", "192.0.2.7, 10.1.2.3") == "192.0.2.7"
    assert client_of("::1", "2001:db8::7") == "2001:db8::7"
    assert client_of("::ffff:10.0.0.1", "192.0.2.7") == "192.0.2.7"
    assert client_of("10.0.0.1", "10.0.0.2, 10.0.0.3") == "10.0.0.2"
    assert client_of("10.0.0.1", "192.0.2.7, nonsense") == "10.0.0.1"
    assert client_of("203.0.113.9", "192.0.2.7") == "203.0.113.9"


async def test_allowed_hosts_are_served(database_url: str, redis_url: str) -> None:
    async with serving(
        database_url, redis_url, role="api", allowed_hosts="queue.example, other.example"
    ) as server:
        assert (
            await server.http.get("/health", headers={"Host": "queue.example:443"})
        ).status_code == 200
        assert (
            await server.http.get("/health", headers={"Host": "evil.example"})
        ).status_code == 421


async def test_every_answer_carries_the_security_headers(server: Server) -> None:
    for path in ("/", "/health", "/nowhere", "/jobs"):
        headers = (await server.http.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in headers
        assert "server" not in headers
