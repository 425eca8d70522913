"""The commands that run here: serve, migrate, check, bench. A wrong setting ends with one line and
exit code 2."""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import uvloop

from monoq.cli.check import check_all, check_counts
from monoq.cli.deep import check_deep
from monoq.cli.finding import exit_code
from monoq.cli.flags import engines_of, setting
from monoq.cli.reload import Reloader, server_command, stop_with_the_parent
from monoq.cli.remote import errors_in_one_line
from monoq.compose.root import handlers_of
from monoq.compose.root import serve as serve_role
from monoq.compose.start import package_dir, raise_descriptor_limit, require_schema
from monoq.config import load_settings, unknown_variables
from monoq.errors import MonoqError
from monoq.observe import log
from monoq.store import migrate as schema


@click.command()
@setting("role", type=click.Choice(["api", "worker", "all"]))
@setting("app")
@setting("host")
@setting("port", type=int)
@setting("server", type=click.Choice(["hypercorn", "uvicorn"]))
@setting("database_url")
@setting("redis_url")
@setting("data_dir")
@setting("batch_size", type=int)
@setting("slots", type=int)
@setting("shutdown_timeout", type=float)
@setting("metrics_port", type=int)
@setting("log", type=click.Choice(["console", "json"]))
@setting("log_level")
@click.option("--reload", is_flag=True, help="restart when a module in this folder changes")
def serve(reload: bool, **flags: Any) -> None:
    """Run the API with its dashboard, a worker, or both, until Ctrl-C or SIGTERM."""
    stop_with_the_parent()
    with errors_in_one_line():
        settings = load_settings(**flags)
        log.configure(settings.log_level, settings.log)
        if reload:
            with _errors_as_records(settings.log == "json"), engines_of(settings):
                sys.exit(Reloader(server_command(), settings.data_dir).run())
        for stranger in unknown_variables(os.environ):
            logging.getLogger("monoq").warning("%s; it is ignored", stranger)
        raise_descriptor_limit()
        records = _errors_as_records(settings.log == "json")
        with records, engines_of(settings) as (database_url, redis_url):
            uvloop.run(require_schema(settings, database_url))
            healthy = uvloop.run(serve_role(settings, database_url, redis_url))
    sys.exit(0 if healthy else 1)


@click.command()
@setting("app")
@setting("database_url")
@setting("data_dir")
def migrate(**flags: Any) -> None:
    """Bring the database's schema up to date.

    Fails if the handlers cannot be loaded: in Compose, before anything else starts.
    """
    with errors_in_one_line():
        settings = load_settings(**flags)
        handlers_of(settings)
        with engines_of(settings, redis=False) as (database_url, _):
            applied = uvloop.run(schema.migrate(database_url, package_dir("migrations")))
    click.echo(f"applied {', '.join(applied)}" if applied else "the schema is up to date")


@click.command()
@setting("app")
@setting("database_url")
@setting("redis_url")
@setting("data_dir")
@click.option("--deep", is_flag=True, help="also look for future problems, and recount all jobs")
def check(deep: bool, **flags: Any) -> None:
    """Check the settings, both engines and the schema; start nothing else.

    Exit code 0: all is well. 1: a start would not succeed, or something fails (FAIL). 2: a setting
    is wrong. 3: it works, and something should be changed (WARN).
    """
    with errors_in_one_line():
        settings = load_settings(**flags)
        handlers_of(settings)
        with engines_of(settings) as (database_url, redis_url):
            findings = uvloop.run(
                check_all(settings, database_url, redis_url, package_dir("migrations"))
            )
            if deep and exit_code(findings) == 0:
                findings += uvloop.run(check_deep(settings, database_url, redis_url))
                findings += uvloop.run(check_counts(database_url))
    for finding in findings:
        click.echo(str(finding))
    sys.exit(exit_code(findings))


@click.command()
@click.argument(
    "measures",
    nargs=-1,
    type=click.Choice(
        [
            "submit",
            "drain",
            "latency",
            "scale",
            "mix",
            "beside",
            "fairness",
            "limits",
            "webhooks",
        ]
    ),
)
@click.option(
    "--jobs", type=click.IntRange(100), default=50_000, show_default=True, help="jobs per round"
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="measured rounds, after one warm-up round",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="worker processes that drain",
)
@click.option(
    "--history",
    multiple=True,
    type=int,
    default=(10_000, 1_000_000),
    show_default=True,
    help="finished jobs, for scale",
)
@click.option(
    "--tenants",
    multiple=True,
    type=int,
    default=(1, 1000, 10_000),
    show_default=True,
    help="tenants waiting, for scale",
)
@click.option(
    "--minutes",
    type=float,
    default=2.0,
    show_default=True,
    help="duration of mix and limits; fairness is longer",
)
@click.option(
    "--json", "save", type=click.Path(path_type=Path), help="write the result to this file"
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path, exists=True),
    help="show the ratio to an earlier --json",
)
@setting("database_url")
@setting("redis_url")
def bench(
    measures: tuple[str, ...], save: Path | None, compare: Path | None, **options: Any
) -> None:
    """Measure this installation: submit, drain, latency (these by default), scale, mix, beside,
    fairness, limits, webhooks.

    Uses embedded engines, or a scratch database on yours; nothing else may use that Redis
    meanwhile.
    """
    from monoq.bench import report
    from monoq.bench.run import run_bench

    flags = {name: options.pop(name) for name in ("database_url", "redis_url")}
    with errors_in_one_line(), tempfile.TemporaryDirectory(prefix="monoq-bench-") as folder:
        settings = load_settings(**flags, data_dir=folder)
        with engines_of(settings) as (database_url, redis_url):
            chosen = measures or ("submit", "drain", "latency")
            result = uvloop.run(
                run_bench(database_url, redis_url, package_dir("migrations"), chosen, **options)
            )
    report.show(result, compare)
    if save:
        save.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def _errors_as_records(wanted: bool) -> Iterator[None]:
    """With JSON logs, the reason of a failed start is a log record as well."""
    try:
        yield
    except MonoqError as error:
        if not wanted:
            raise
        logging.getLogger("monoq").critical("%s", error)
        sys.exit(2)
