"""The composition root: builds the parts of a role and hands each what it uses. The only module that may import all others."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

from monoq import __version__
from monoq.api.dashboard import dashboard_blueprint
from monoq.api.forwarded import TrustedProxies
from monoq.api.guard import ASGIApp
from monoq.api.health import health_blueprint
from monoq.api.intake import Intake
from monoq.api.jobs import jobs_blueprint
from monoq.api.metrics import MetricsServer, Scrapes, metrics_blueprint
from monoq.api.server import ApiServer, create_quart
from monoq.api.tenants import tenants_blueprint
from monoq.config import Settings
from monoq.handlers import builtin
from monoq.live.hub import Hub
from monoq.live.publisher import Publisher
from monoq.live.sockets import Sockets
from monoq.live.subscriber import Subscriber
from monoq.observe import Metrics
from monoq.queue.ready import Ready
from monoq.registry import App, load_app
from monoq.service import Service, supervise
from monoq.store.counts import CountStore
from monoq.store.database import Database, Plans
from monoq.store.due import Due
from monoq.store.jobs import JobStore
from monoq.store.stream import StreamStore
from monoq.store.workers import WorkerStore
from monoq.submit import Pusher, Submitter
from monoq.upkeep.counter import Counter
from monoq.upkeep.lag import LoopLag
from monoq.upkeep.replayer import Replayer
from monoq.upkeep.rescuer import Rescuer
from monoq.upkeep.stager import Stager
from monoq.upkeep.tail import Tail
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.picker import Picker
from monoq.worker.worker import Worker

log = logging.getLogger(__name__)

HARD_STOP_S = 1.0


def package_dir(name: str) -> Path:
    """`static` or `migrations`: inside an installed wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def handlers_of(settings: Settings) -> App:
    """The built-in job types and those of `--app`."""
    app = App()
    app.include(builtin)
    if settings.app:
        app.include(load_app(settings.app))
    return app


async def serve(settings: Settings, database_url: str, redis_url: str) -> bool:
    """Runs the role until SIGTERM or SIGINT; returns whether it ended as asked. A second signal forces the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, _asked_to_stop, stop, settings.shutdown_timeout)
    async with build(settings, database_url, redis_url) as stages:
        _collect_seldom()
        return await supervise(stages, stop, settings.shutdown_timeout)


def _collect_seldom() -> None:
    """Jobs come and go by the thousand and hardly ever form cycles: with Python's own thresholds, 15 % of a busy worker's time went
    into looking for them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _asked_to_stop(stop: asyncio.Event, grace_s: float) -> None:
    if stop.is_set():
        os._exit(130)  # whatever holds the process up, a second signal ends it
    log.info("stopping; a second signal forces it")
    stop.set()
    _end_by_force_after(grace_s + HARD_STOP_S)


def _end_by_force_after(seconds: float) -> None:
    """A stop is bounded, whatever clients, handlers and their threads do: what is not written by then is rescued by others."""
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


@asynccontextmanager
async def build(settings: Settings, database_url: str, redis_url: str) -> AsyncIterator[list[list[Service]]]:
    """The services of the role, in the stages in which they are to be stopped: what takes work in, what finishes it, what tells of it."""
    app = handlers_of(settings)
    metrics = Metrics(types=app.handlers, version=__version__)
    async with AsyncExitStack() as open_parts:
        database = await _database(open_parts, settings, database_url, "fresh", "monoq upkeep", connections=4)
        jobs, workers = JobStore(database), WorkerStore(database)
        ready = Ready(redis_url)
        open_parts.push_async_callback(ready.close)
        publisher = Publisher(redis_url, metrics)
        stager = Stager(due=Due(jobs), workers=workers, ready=ready)
        rescuer = Rescuer(jobs=jobs, workers=workers, publisher=publisher, ready=ready, metrics=metrics, lease_s=settings.lease)
        counts = CountStore(database)
        scrapes = Scrapes(metrics=metrics, counts=counts, ready=ready)
        open_parts.push_async_callback(scrapes.close)
        taking: list[Service] = [stager, rescuer, Counter(counts), LoopLag(metrics)]
        finishing: list[Service] = []
        if settings.role in ("api", "all"):
            database = await _database(open_parts, settings, database_url, "fresh", "monoq api")
            server, *behind = _api(settings, app, database, ready, publisher, metrics, scrapes, database_url, redis_url)
            taking.append(server)
            finishing += behind
        if settings.role in ("worker", "all"):
            database = await _database(open_parts, settings, database_url, "pinned", "monoq worker")
            picker = Picker(Due(jobs, list(app.handlers)))
            worker, heartbeat = await _worker(
                settings, app, JobStore(database), ready, picker, publisher, stager, metrics, database_url, redis_url
            )
            taking.append(worker)
            finishing.append(heartbeat)
        if settings.metrics_port is not None:
            taking.append(_metrics_server(settings, scrapes, settings.metrics_port))
        yield [taking, finishing, [publisher]]


async def _database(
    open_parts: AsyncExitStack, settings: Settings, url: str, plans: Plans, name: str, connections: int | None = None
) -> Database:
    database = await Database.connect(url, connections=connections or settings.database_connections, plans=plans, name=name)
    open_parts.push_async_callback(database.close)
    return database


def _api(
    settings: Settings,
    app: App,
    database: Database,
    ready: Ready,
    publisher: Publisher,
    metrics: Metrics,
    scrapes: Scrapes,
    database_url: str,
    redis_url: str,
) -> list[Service]:
    hub = Hub()
    replayer = Replayer(StreamStore(database), hub)
    tail = Tail(database_url, hub, metrics)
    sockets = Sockets(hub, replayer, metrics)
    pusher = Pusher(ready, metrics)
    submitter = Submitter(database=database, pusher=pusher, publisher=publisher, metrics=metrics)
    server: ApiServer
    quart = create_quart(
        [
            jobs_blueprint(store=JobStore(database), publisher=publisher, pusher=pusher, metrics=metrics),
            tenants_blueprint(counts=CountStore(database)),
            health_blueprint(database=database, ready=ready, draining=lambda: server.stopping.is_set()),
            metrics_blueprint(scrapes),
            dashboard_blueprint(static=package_dir("static"), app=app),
        ]
    )
    server = ApiServer(
        app=Intake(cast(ASGIApp, quart), app=app, accept_unknown=settings.accept_unknown_types, submitter=submitter),
        sockets=sockets,
        host=settings.host,
        port=settings.port,
        hosts=settings.allowed_hosts,
        proxies=TrustedProxies(settings.trusted_proxies),
        drain_s=settings.drain,
        grace_s=settings.shutdown_timeout,
        server=settings.server,
    )
    return [server, submitter, pusher, replayer, Subscriber(redis_url, hub, tail.read_soon), tail]


def _metrics_server(settings: Settings, scrapes: Scrapes, port: int) -> MetricsServer:
    quart = create_quart([metrics_blueprint(scrapes)])
    return MetricsServer(quart=quart, host=settings.metrics_host, port=port, hosts=settings.allowed_hosts)


async def _worker(
    settings: Settings,
    app: App,
    jobs: JobStore,
    ready: Ready,
    picker: Picker,
    publisher: Publisher,
    stager: Stager,
    metrics: Metrics,
    database_url: str,
    redis_url: str,
) -> tuple[Worker, Heartbeat]:
    heartbeat = Heartbeat(
        database_url=database_url,
        slots=settings.slots,
        types=list(app.handlers),
        lease_s=settings.lease,
        beat_s=settings.beat,
        watchdog_s=settings.watchdog,
    )
    await heartbeat.register()
    worker = Worker(
        app=app,
        jobs=jobs,
        redis_url=redis_url,
        ready=ready,
        picker=picker,
        publisher=publisher,
        heartbeat=heartbeat,
        stager=stager,
        metrics=metrics,
        batch_size=settings.batch_size,
        slots=settings.slots,
        threads=settings.threads,
        children=settings.children,
        child_command=[
            sys.executable,
            "-m",
            "monoq.nursery",
            settings.app or "",
            str(settings.child_memory),
            settings.log_level,
            settings.log,
        ],
        shutdown_timeout=settings.shutdown_timeout,
    )
    return worker, heartbeat
