"""The composition root: builds the parts of a role and hands each what it uses. Only it,
`http.py` and `worker.py` may import all others."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from monoq import __version__
from monoq.app.loading import load_app
from monoq.app.registry import App
from monoq.compose.shared import Shared
from monoq.compose.worker import check_callbacks, worker_services
from monoq.config import Settings
from monoq.handlers import builtin
from monoq.handlers.options import Options
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.outgoing.board import Board
from monoq.outgoing.outgoing import Outgoing
from monoq.process.exit import UnwaitedThreads, force_exit, on_signals
from monoq.process.service import Service, supervise
from monoq.queue.ready import Ready
from monoq.store.counts import CountStore
from monoq.store.database import Database, Plans
from monoq.store.history import HistoryStore
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.store.operations import OperationStore
from monoq.store.policies import PolicyStore
from monoq.store.retention import Kept
from monoq.store.stream import StreamStore
from monoq.store.workers import WorkerStore
from monoq.upkeep.counter import Counter
from monoq.upkeep.lag import LoopLag
from monoq.upkeep.operations import Operations
from monoq.upkeep.promoter import Promoter
from monoq.upkeep.pruner import Pruner
from monoq.upkeep.rescuer import Rescuer
from monoq.upkeep.retention import Retention
from monoq.upkeep.stager import Stager
from monoq.upkeep.troubles import Troubles

if TYPE_CHECKING:
    from monoq.compose.http import ServeHttp

log = logging.getLogger(__name__)

HARD_STOP_S = 1.0
DAY_S = 86_400.0
# how long a computing handler may hold up the other threads; with Python's own 5 ms, each round
# trip would wait that long
SWITCH_S = 0.001


def options_of(settings: Settings, database_url: str = "") -> Options:
    """What the built-in job types need of the settings."""
    return Options(
        allowed_networks=[str(network) for network in settings.allowed_networks],
        webhook_secrets=[secret.get_secret_value() for secret in settings.webhook_secrets],
        database_url=database_url,
        smtp_url=settings.smtp_url.get_secret_value() if settings.smtp_url else "",
        smtp_from=settings.smtp_from or "",
        smtp_connections=settings.smtp_connections,
        files_dir=str(settings.files_dir or ""),
        csv_max_bytes=settings.csv_max_bytes,
    )


def kept_of(settings: Settings) -> Kept:
    """For how long jobs are kept."""
    return Kept(settings.keep_completed_days * DAY_S, settings.keep_failed_days * DAY_S)


def handlers_of(
    settings: Settings,
    database_url: str = "",
    board: Board | None = None,
    own: App | None = None,
) -> App:
    """The job types of `own`, or of `--app`, and, where they have none of that name, the built-in
    ones; without a `database_url` not all of them can run. `board` gets the states of breakers.
    Raises ConfigError, also for a `callback_url` that may not be called."""
    app = App()
    if own is not None:
        app.include(own)
    elif settings.app:
        app.include(load_app(settings.app))
    app.include(builtin(options_of(settings, database_url), board), missing_only=True)
    check_callbacks(app, Outgoing(settings.allowed_networks))
    return app


async def serve(settings: Settings, database_url: str, redis_url: str) -> bool:
    """Runs the role until SIGTERM, SIGINT or SIGHUP; a second signal forces the exit. Returns
    whether the stop went well."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(UnwaitedThreads())

    def request_stop(_: int) -> None:
        # A stop is bounded, whatever clients, handlers and their threads do: others rescue what is
        # not written by then. The time runs from here, because a handler may block the loop.
        force_exit(1, settings.shutdown_timeout + HARD_STOP_S)
        loop.call_soon_threadsafe(_stop, stop)

    with on_signals(request_stop):
        async with build(settings, database_url, redis_url) as phases:
            _say_what_starts(settings)
            collect_seldom()
            sys.setswitchinterval(SWITCH_S)
            healthy = await supervise(phases, stop, settings.shutdown_timeout)
            # If a part died, no signal came; the rest of the stop is bounded, too.
            force_exit(1, settings.shutdown_timeout + HARD_STOP_S)
        return healthy


def _say_what_starts(settings: Settings) -> None:
    engines = [
        f"{name} {'embedded' if url is None else 'given'}"
        for name, url in (("PostgreSQL", settings.database_url), ("Redis", settings.redis_url))
    ]
    log.info("monoq %s, role %s; %s", __version__, settings.role, ", ".join(engines))
    if settings.role != "api":
        log.info(
            "worker: %d slots, %d threads, %d children; job types: %s",
            settings.slots,
            settings.threads,
            settings.children,
            ", ".join(sorted(handlers_of(settings).handlers)),
        )


def _stop(stop: asyncio.Event) -> None:
    log.info("stopping; a second signal forces it")
    stop.set()


def collect_seldom() -> None:
    """Makes garbage collection rare. Jobs come and go by the thousand and hardly ever form cycles:
    with Python's own thresholds, collection took 15 % of a busy worker's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@asynccontextmanager
async def build(
    settings: Settings,
    database_url: str,
    redis_url: str,
    serve_http: "ServeHttp | None" = None,
    own: App | None = None,
) -> AsyncIterator[list[list[Service]]]:
    """The services of the role, by the phase in which they stop: first those that take work, then
    those that finish it, last those that announce it.

    `serve_http` makes the service that serves the API; without it our own server does. `own` has
    the handlers, instead of `settings.app`.
    """
    board = Board()
    app = handlers_of(settings, database_url, board, own)
    metrics = Metrics(types=app.handlers, version=__version__)
    async with AsyncExitStack() as open_parts:
        database = await _database(
            open_parts, settings, database_url, "fresh", "monoq upkeep", connections=5
        )
        jobs, workers, counts = JobStore(database), WorkerStore(database), CountStore(database)
        ready = Ready(redis_url)
        open_parts.push_async_callback(ready.close)
        publisher = Publisher(redis_url, metrics)
        troubles = Troubles(metrics)
        limits = Limits(PolicyStore(database))
        stager = Stager(jobs=jobs, workers=workers, limits=limits, ready=ready, troubles=troubles)
        rescuer = Rescuer(
            jobs=jobs,
            workers=workers,
            publisher=publisher,
            metrics=metrics,
            lease_s=settings.lease,
            troubles=troubles,
        )
        shared = Shared(
            settings,
            database_url,
            redis_url,
            app,
            metrics,
            jobs,
            limits,
            counts,
            ready,
            publisher,
            stager,
            troubles,
        )
        taking: list[Service] = [
            stager,
            Promoter(jobs, troubles),
            rescuer,
            Counter(counts, HistoryStore(database), troubles),
            Pruner(StreamStore(database), troubles),
            Retention(
                database=database,
                kept=kept_of(settings),
                keys_kept_s=settings.keep_keys_days * DAY_S,
                metrics=metrics,
                troubles=troubles,
            ),
            Operations(OperationStore(database), publisher, metrics, troubles),
            LoopLag(metrics),
        ]
        finishing: list[Service] = []
        if settings.role in ("api", "all") or settings.metrics_port is not None:
            # not in every worker: Quart and Hypercorn take 10 MB and 0.14 s
            from monoq.compose import http

            scrapes = http.scrapes(shared)
            open_parts.push_async_callback(scrapes.close)
            if settings.role in ("api", "all"):
                pools = {
                    name: await _database(
                        open_parts, settings, database_url, "fresh", f"monoq {name}", connections
                    )
                    for name, connections in http.share_connections(
                        settings.database_connections
                    ).items()
                }
                server, *behind = http.api_services(shared, pools, scrapes, serve_http)
                taking.append(server)
                finishing += behind
            if settings.metrics_port is not None:
                taking.append(http.metrics_server(shared, scrapes))
        if settings.role in ("worker", "all"):
            pinned = await _database(open_parts, settings, database_url, "pinned", "monoq worker")
            parts = await worker_services(
                shared,
                pinned,
                upkeep=database,
                options=options_of(settings, database_url),
                board=board,
            )
            taking += parts.taking
            finishing += parts.finishing
        yield [taking, finishing, [publisher]]


async def _database(
    open_parts: AsyncExitStack,
    settings: Settings,
    url: str,
    plans: Plans,
    name: str,
    connections: int | None = None,
) -> Database:
    database = await Database.connect(
        url, connections=connections or settings.database_connections, plans=plans, name=name
    )
    open_parts.push_async_callback(database.close)
    return database
