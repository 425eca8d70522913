"""Builds the services of a worker, and hands each what it uses."""

import json
import sys
from typing import NamedTuple

from monoq.app.pool import Pool
from monoq.app.registry import App
from monoq.compose.shared import Shared
from monoq.errors import ConfigError, RefusedUrl
from monoq.handlers.options import Options
from monoq.outgoing.board import Board
from monoq.outgoing.outgoing import Outgoing
from monoq.process.service import Service
from monoq.store.breakers import BreakerStore
from monoq.store.database import Database
from monoq.store.history import HistoryStore
from monoq.store.jobs import JobStore
from monoq.store.reports import ReportStore
from monoq.store.types import TypeStore
from monoq.upkeep.breakers import BreakerKeeper
from monoq.upkeep.registrar import TypeRegistrar
from monoq.worker.children import Children
from monoq.worker.environment import Environment
from monoq.worker.heartbeat import Heartbeat
from monoq.worker.reporter import Reporter
from monoq.worker.times import TimeKeeper
from monoq.worker.worker import Sizes, Worker


class WorkerServices(NamedTuple):
    """By the phase in which they stop: those that take work, and those that finish it."""

    taking: list[Service]
    finishing: list[Service]


def check_callbacks(app: App, outgoing: Outgoing) -> None:
    """Raises ConfigError for a handler whose `callback_url` may not be called."""
    for handler in app:
        try:
            if handler.callback_url is not None:
                outgoing.check(handler.callback_url)
        except RefusedUrl as error:
            raise ConfigError(f"handler {handler.name!r}: callback_url: {error}") from None


async def worker_services(
    shared: Shared, database: Database, *, upkeep: Database, options: Options, board: Board
) -> WorkerServices:
    """`database` has the plans for claims and ends; `upkeep` serves what is not in a job's way."""
    settings, app = shared.settings, shared.app
    sizes = Sizes(
        settings.batch_size,
        settings.slots,
        settings.threads,
        settings.children,
        settings.max_share,
    )
    heartbeat = Heartbeat(
        database_url=shared.database_url,
        sizes=(sizes.slots, sizes.threads, sizes.children),
        types=[app.types_of(pool) for pool in Pool],
        lease_s=settings.lease,
        beat_s=settings.beat,
        watchdog_s=settings.watchdog,
    )
    # before the first claim: no job of a type may end without its callback
    await TypeStore(upkeep).register_callbacks({one.name: one.callback_url for one in app})
    await heartbeat.register()
    fork_server = [
        settings.app or "",
        str(settings.child_memory),
        str(settings.max_result),
        settings.log_level,
        settings.log,
    ]
    times = TimeKeeper(HistoryStore(upkeep))
    reporter = Reporter(store=ReportStore(database), publisher=shared.publisher)
    children = Children(
        reports=reporter,
        command=[sys.executable, "-m", "monoq.worker.fork_server", *fork_server],
        size=sizes.children,
        max_result=settings.max_result,
        variables={"MONOQ_HANDLER_OPTIONS": json.dumps(options)},
    )
    worker = Worker(
        app=app,
        jobs=JobStore(database),
        looks=shared.jobs,
        limits=shared.limits,
        redis_url=shared.redis_url,
        ready=shared.ready,
        publisher=shared.publisher,
        heartbeat=heartbeat,
        stager=shared.stager,
        metrics=shared.metrics,
        sizes=sizes,
        children=children,
        environment=Environment(settings.max_result, reporter),
        reporter=reporter,
        times=times,
        shutdown_timeout=settings.shutdown_timeout,
    )
    keeper = BreakerKeeper(
        board=board,
        breakers=BreakerStore(upkeep),
        worker_id=lambda: heartbeat.worker_id,
        metrics=shared.metrics,
        troubles=shared.troubles,
    )
    registrar = TypeRegistrar(app, TypeStore(upkeep), shared.troubles)
    return WorkerServices([worker, keeper, registrar], [heartbeat, times])
