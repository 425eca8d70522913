"""What is refused before anything looks at it."""

from conftest import Server, serving

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


async def test_requests_of_our_own_page_pass(server: Server) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert (await server.http.post("/jobs", json=JOB, headers=headers)).status_code == 201


async def test_allowed_hosts_are_served(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url, role="api", allowed_hosts="queue.example, other.example") as server:
        assert (await server.http.get("/health", headers={"Host": "queue.example:443"})).status_code == 200
        assert (await server.http.get("/health", headers={"Host": "evil.example"})).status_code == 421


async def test_every_answer_carries_the_security_headers(server: Server) -> None:
    for path in ("/", "/health", "/nowhere", "/jobs"):
        headers = (await server.http.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in headers
        assert "server" not in headers
