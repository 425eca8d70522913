"""Checks Host, Origin and content type of every request before anything else sees it. Plain ASGI;
it must never read a body."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from monoq.api.forwarded import TrustedProxies
from monoq.api.hosts import AllowedHosts
from monoq.api.problems import problem_json

Event = MutableMapping[str, Any]
ASGIApp = Callable[
    [Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]
]

SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
NO_STORE = (b"cache-control", b"no-store")
# so that no proxy sends a request on a connection that is about to close
LAST_ANSWER = (b"connection", b"close")


class Guard:
    """Allows: known Hosts (against DNS rebinding), WebSockets and writes from our own pages or from
    no page at all (against cross-site requests), bodies of type JSON (which no plain form can
    send)."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        sockets: ASGIApp,
        hosts: AllowedHosts,
        proxies: TrustedProxies,
        draining: Callable[[], bool],
    ) -> None:
        self._app = app
        self._sockets = sockets
        self._hosts = hosts
        self._proxies = proxies
        self._draining = draining

    async def __call__(
        self,
        scope: Event,
        receive: Callable[[], Awaitable[Event]],
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        scope = self._proxies.resolve(scope)
        headers = dict(scope["headers"])
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal or scope["path"] != "/ws":
                await receive()
                # before the accept: the server answers 403
                return await send({"type": "websocket.close", "code": 1008})
            return await self._sockets(scope, receive, send)

        async def send_secured(event: Event) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], *SECURITY_HEADERS]
                if not any(name == b"cache-control" for name, _ in event["headers"]):
                    event["headers"].append(NO_STORE)
                if self._draining() and scope["http_version"].startswith("1"):
                    event["headers"].append(LAST_ANSWER)
            await send(event)

        if refusal:
            status, detail = refusal
            body = problem_json(status, detail)
            start = [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
            ]
            await send_secured({"type": "http.response.start", "status": status, "headers": start})
            return await send_secured({"type": "http.response.body", "body": body})
        return await self._app(scope, receive, send_secured)

    def _refusal(self, scope: Event, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if foreign := self._hosts.refusal(host):
            return 421, foreign
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
            return 403, "requests from pages of other sites are refused"
        origin = headers.get(b"origin")
        # as a proxy reports it: then a page loaded without TLS is of another site
        secure = scope["scheme"] in ("https", "wss")
        ours = (f"https://{host}",) if secure else (f"http://{host}", f"https://{host}")
        if origin is not None and origin.decode("latin-1").lower() not in ours:
            return 403, "requests from pages of other origins are refused"
        if (
            scope["type"] == "http"
            and not _has_no_body(headers)
            and headers.get(b"content-type", b"").split(b";")[0].strip().lower()
            != b"application/json"
        ):
            return 415, "send the body as Content-Type: application/json"
        return None


def _has_no_body(headers: Mapping[bytes, bytes]) -> bool:
    """A form of another site always has a type, so a request without one and without a body, like
    `curl -X POST …/retry`, is none."""
    return (
        b"content-type" not in headers
        and b"transfer-encoding" not in headers
        and headers.get(b"content-length", b"0") == b"0"
    )
