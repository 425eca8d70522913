"""A port for /metrics alone: for workers, which serve no HTTP otherwise.

It runs on the HTTP server that is here anyway. prometheus-client's own server starts a thread per
connection, without a bound, and checks no Host.
"""

import logging

from hypercorn.asyncio import serve
from quart import Quart, request

from monoq.api.hosts import AllowedHosts
from monoq.api.hypercorn_config import hypercorn_config
from monoq.api.listener import listen, url_of
from monoq.api.problems import Problem
from monoq.process.service import Service

log = logging.getLogger(__name__)

BACKLOG = 16
STOP_S = 0.5


class MetricsServer(Service):
    """Serves `quart`, which has the route, to requests with an allowed Host."""

    name = "metrics"

    def __init__(self, *, quart: Quart, host: str, port: int, hosts: AllowedHosts) -> None:
        super().__init__()
        settings = "MONOQ_METRICS_HOST, MONOQ_METRICS_PORT"
        self._socket = listen(host, port, backlog=BACKLOG, settings=settings)
        self._quart = quart

        @quart.before_request
        async def refuse_foreign_hosts() -> None:
            if foreign := hosts.refusal(request.headers.get("Host", "").lower()):
                raise Problem(421, foreign)

    async def run(self) -> None:
        log.info("metrics are at %s/metrics", url_of(self._socket))
        config = hypercorn_config(stop_s=STOP_S)
        # from here on it is Hypercorn's to close
        config.bind = [f"fd://{self._socket.detach()}"]
        await serve(self._quart, config, shutdown_trigger=self._stopped)

    async def _stopped(self) -> None:
        await self.stopping.wait()
