"""Builds what serves HTTP. `root.py` imports it only when needed: a worker without a metrics port
runs without Quart and Hypercorn."""

from collections.abc import Callable
from functools import partial
from typing import cast

from monoq import __version__
from monoq.api.application import create_quart
from monoq.api.breakers import breakers_blueprint
from monoq.api.dashboard import dashboard_blueprint
from monoq.api.explain import explain_blueprint
from monoq.api.forwarded import TrustedProxies
from monoq.api.guard import ASGIApp, Guard
from monoq.api.health import health_blueprint
from monoq.api.history import history_blueprint
from monoq.api.hosts import AllowedHosts
from monoq.api.intake import Intake
from monoq.api.jobs import jobs_blueprint
from monoq.api.known_types import KnownTypes
from monoq.api.metrics import Scrapes, metrics_blueprint
from monoq.api.metrics_server import MetricsServer
from monoq.api.oldest import OldestTenants
from monoq.api.operations import operations_blueprint
from monoq.api.policies import policies_blueprint
from monoq.api.scaling import scaling_blueprint
from monoq.api.schemas import Terms
from monoq.api.server import ApiServer
from monoq.api.tenants import tenants_blueprint
from monoq.api.types import types_blueprint
from monoq.api.workers import workers_blueprint
from monoq.changes.replayer import Replayer
from monoq.changes.tail import Tail
from monoq.changes.totals import TotalsReader
from monoq.changes.vacuum import VacuumWatch
from monoq.compose.shared import Shared
from monoq.compose.start import package_dir
from monoq.config import Settings
from monoq.live.hub import Hub
from monoq.live.sockets import Sockets
from monoq.live.subscriber import Subscriber
from monoq.live.totals import TotalsBoard
from monoq.outgoing.outgoing import Outgoing
from monoq.process.service import Service
from monoq.store.breakers import BreakerStore
from monoq.store.counts import CountStore
from monoq.store.database import Database
from monoq.store.explain import Explainer
from monoq.store.history import HistoryStore
from monoq.store.jobs import JobStore
from monoq.store.listing import JobLists
from monoq.store.operations import OperationStore
from monoq.store.policies import PolicyStore
from monoq.store.reports import ReportStore
from monoq.store.scaling import Scaling
from monoq.store.stream import StreamStore
from monoq.store.tenants import TenantStore
from monoq.store.totals import TotalsStore
from monoq.store.types import TypeStore
from monoq.store.vacuum import VacuumStore
from monoq.store.workers import WorkerStore
from monoq.submitting.pusher import Pusher
from monoq.submitting.submitter import LANES, Submitter

ServeHttp = Callable[[Guard, Sockets], Service]


def scrapes(shared: Shared) -> Scrapes:
    """Serves /metrics, on every port that has it."""
    return Scrapes(metrics=shared.metrics, counts=shared.counts, ready=shared.ready)


def metrics_server(shared: Shared, scrapes: Scrapes) -> MetricsServer:
    """The port for /metrics alone."""
    settings = shared.settings
    assert settings.metrics_port is not None
    quart = create_quart([metrics_blueprint(scrapes)])
    return MetricsServer(
        quart=quart,
        host=settings.metrics_host,
        port=settings.metrics_port,
        hosts=AllowedHosts(settings.allowed_hosts, bound=settings.metrics_host),
    )


def share_connections(connections: int) -> dict[str, int]:
    """An API's database connections, by purpose: slow lists must not delay submits, nor make a
    healthy API look unhealthy."""
    return {"submit": LANES, "health": 1, "api": connections - LANES - 1}


def api_services(
    shared: Shared, pools: dict[str, Database], scrapes: Scrapes, serve_http: ServeHttp | None
) -> list[Service]:
    """The API: its server, made by `serve_http` or our own, and the services behind it."""
    settings, app, publisher, metrics = (
        shared.settings,
        shared.app,
        shared.publisher,
        shared.metrics,
    )
    database = pools["api"]
    hub = Hub()
    replayer = Replayer(StreamStore(database), hub)
    tail = Tail(shared.database_url, hub, metrics)
    board = TotalsBoard()
    vacuum = VacuumWatch(VacuumStore(database), metrics)
    sockets = Sockets(hub, replayer, board, metrics)
    pusher = Pusher(shared.ready, metrics)
    submitter = Submitter(
        database=pools["submit"], pusher=pusher, publisher=publisher, metrics=metrics
    )
    oldest = OldestTenants(CountStore(database))
    types = KnownTypes(
        app,
        TypeStore(database),
        shared.troubles,
        accept_unknown=settings.accept_unknown_types,
    )
    server: Service

    def draining() -> bool:
        return server.stopping.is_set()

    quart = create_quart(
        [
            jobs_blueprint(
                store=JobStore(database),
                lists=JobLists(database),
                reports=ReportStore(database),
                publisher=publisher,
                pusher=pusher,
                metrics=metrics,
            ),
            operations_blueprint(operations=OperationStore(database)),
            explain_blueprint(explainer=Explainer(database, settings.max_share)),
            scaling_blueprint(scaling=Scaling(database)),
            tenants_blueprint(
                counts=CountStore(database),
                store=TenantStore(database),
                oldest=oldest,
                vacuum_held=lambda: vacuum.held,
            ),
            history_blueprint(history=HistoryStore(database)),
            breakers_blueprint(breakers=BreakerStore(database)),
            workers_blueprint(
                workers=WorkerStore(database),
                totals=TotalsStore(database),
                scaling=Scaling(database),
            ),
            policies_blueprint(policies=PolicyStore(database)),
            health_blueprint(
                database=pools["health"],
                ready=shared.ready,
                draining=draining,
                vacuum_held=lambda: vacuum.held,
            ),
            metrics_blueprint(scrapes),
            types_blueprint(types=types, version=__version__),
            dashboard_blueprint(static=package_dir("static")),
        ]
    )
    guard = Guard(
        Intake(
            cast(ASGIApp, quart),
            terms=Terms(types, Outgoing(settings.allowed_networks).check),
            submitter=submitter,
        ),
        sockets=sockets,
        hosts=AllowedHosts(settings.allowed_hosts, bound=settings.host),
        proxies=TrustedProxies(settings.trusted_proxies),
        draining=draining,
    )
    server = (serve_http or partial(_server, settings))(guard, sockets)
    return [
        server,
        types,
        submitter,
        pusher,
        replayer,
        oldest,
        Subscriber(shared.redis_url, hub, tail.read_soon),
        tail,
        vacuum,
        TotalsReader(TotalsStore(database), shared.ready.ping, board),
    ]


def _server(settings: Settings, guard: Guard, sockets: Sockets) -> ApiServer:
    return ApiServer(
        app=guard,
        sockets=sockets,
        host=settings.host,
        port=settings.port,
        drain_s=settings.drain,
        grace_s=settings.shutdown_timeout,
        server=settings.server,
    )
