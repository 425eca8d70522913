"""The command line: reads flags, calls one thing, says what came of it. Wrong settings end with one line and exit code 2."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
import uvloop
from rich.console import Console
from rich.table import Table

from monoq import __version__, app, log
from monoq.check import check_all
from monoq.client import Client, RequestRefused, ServerUnreachable
from monoq.config import Settings, env_names, load_settings
from monoq.embedded import engines
from monoq.errors import ConfigError, DatabaseUnavailable, MonoqError
from monoq.store import migrate as schema

C = TypeVar("C", bound=Callable[..., Any])


def setting(name: str, **kwargs: Any) -> Callable[[C], C]:
    """A flag for a setting. It has no default of its own: that lives in Settings."""
    described = f"{Settings.model_fields[name].description}  [env: {', '.join(env_names(name))}]"
    return click.option(f"--{name.replace('_', '-')}", name, default=None, help=described, **kwargs)


def server_url(command: C) -> C:
    """The flag of commands that talk to a server."""
    return click.option("--url", envvar="MONOQ_URL", help="a running monoq  [env: MONOQ_URL; default: the configured port here]")(command)


@click.group()
@click.version_option(__version__)
def main() -> None:
    """monoq: a real-time multi-tenant job queue with a live dashboard."""


@main.command()
@setting("role", type=click.Choice(["api", "worker", "all"]))
@setting("app")
@setting("host")
@setting("port", type=int)
@setting("database_url")
@setting("redis_url")
@setting("data_dir")
@setting("batch_size", type=int)
@setting("slots", type=int)
@setting("shutdown_timeout", type=float)
@setting("log_level")
def serve(**flags: Any) -> None:
    """Run the API with its dashboard, a worker, or both, until Ctrl-C or SIGTERM."""
    with _errors_in_one_line():
        settings = load_settings(**flags)
        log.configure(settings.log_level)
        with _engines(settings) as (database_url, redis_url):
            uvloop.run(_current_schema(settings, database_url))
            healthy = uvloop.run(app.serve(settings, database_url, redis_url))
    sys.exit(0 if healthy else 1)


@main.command()
@setting("database_url")
@setting("data_dir")
def migrate(**flags: Any) -> None:
    """Bring the database's schema up to date."""
    with _errors_in_one_line():
        settings = load_settings(**flags)
        with _engines(settings, redis=False) as (database_url, _):
            applied = uvloop.run(schema.migrate(database_url, app.package_dir("migrations")))
    click.echo(f"applied {', '.join(applied)}" if applied else "the schema is current")


@main.command()
@setting("app")
@setting("database_url")
@setting("redis_url")
@setting("data_dir")
def check(**flags: Any) -> None:
    """Validate the settings, reach both engines, compare the schema; start nothing else. Exit code 0: all is well."""
    with _errors_in_one_line():
        settings = load_settings(**flags)
        app.handlers_of(settings)
        with _engines(settings) as (database_url, redis_url):
            findings = uvloop.run(check_all(settings, database_url, redis_url, app.package_dir("migrations")))
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.text}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command()
@server_url
def health(url: str | None) -> None:
    """Ask a running server whether it can accept jobs. Exit code 0: yes."""
    answer = _ask(url, lambda client: client.health())
    click.echo(answer["status"])


@main.command()
@click.argument("tenant")
@click.argument("type", metavar="TYPE")
@click.argument("payload", default="{}")
@click.option("--delay-ms", type=int, help="run it that much later")
@click.option("--priority", type=int, help="the lower runs first")
@click.option("--max-attempts", type=int, help="all runs, the first included")
@click.option("--idempotency-key", help="the same key again brings back the first job")
@click.option("--wait", is_flag=True, help="wait for its end and show it; exit code 1 unless it is COMPLETED")
@server_url
def submit(tenant: str, type: str, payload: str, wait: bool, url: str | None, **options: Any) -> None:
    """Create a job of TYPE for TENANT with a JSON PAYLOAD; prints its id."""
    try:
        parsed = json.loads(payload)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="PAYLOAD") from None
    names = {"delay_ms": "delayMs", "priority": "priority", "max_attempts": "maxAttempts", "idempotency_key": "idempotencyKey"}
    given = {names[name]: value for name, value in options.items() if value is not None}

    async def create(client: Client) -> dict[str, Any] | None:
        job_id = await client.submit(tenant, type, parsed, **given)
        click.echo(job_id)
        return await client.wait(job_id, timeout=86_400) if wait else None

    if job := _ask(url, create):
        Console().print_json(data=job)
        sys.exit(0 if job["status"] == "COMPLETED" else 1)


@main.group()
def jobs() -> None:
    """Look at jobs, cancel or retry them."""


@jobs.command("list")
@click.argument("tenant")
@click.option("--status", type=click.Choice(["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]))
@click.option("--type", "job_type")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--cursor", help="where the last page ended")
@click.option("--json", "as_json", is_flag=True, help="as the API answers")
@server_url
def list_jobs(
    tenant: str, status: str | None, job_type: str | None, limit: int, cursor: str | None, as_json: bool, url: str | None
) -> None:
    """The newest jobs of TENANT."""
    page = _ask(url, lambda client: client.list(tenant, status=status, type=job_type, limit=limit, cursor=cursor))
    if as_json:
        return click.echo(json.dumps(page))
    table = Table("id", "type", "status", "attempts", "created", "error")
    for job in page["jobs"]:
        attempts = f"{job['attempts']}/{job['maxAttempts'] or '-'}"
        table.add_row(job["id"], job["type"], job["status"], attempts, job["createdAt"], (job["error"] or "")[:60])
    Console().print(table)
    if page["nextCursor"]:
        click.echo(f"more: --cursor {page['nextCursor']}")
    return None


@jobs.command()
@click.argument("job_id")
@server_url
def show(job_id: str, url: str | None) -> None:
    """One job with its payload, result and errors."""
    Console().print_json(data=_ask(url, lambda client: client.get(job_id)))


@jobs.command()
@click.argument("job_id")
@server_url
def cancel(job_id: str, url: str | None) -> None:
    """Cancel a waiting or running job."""
    click.echo(_ask(url, lambda client: client.cancel(job_id))["status"])


@jobs.command()
@click.argument("job_id")
@server_url
def retry(job_id: str, url: str | None) -> None:
    """Put a failed or cancelled job back."""
    click.echo(_ask(url, lambda client: client.retry(job_id))["status"])


def _ask(url: str | None, call: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    async def ask() -> Any:
        async with Client(url or f"http://127.0.0.1:{load_settings().port}") as client:
            return await call(client)

    with _errors_in_one_line():
        return asyncio.run(ask())


async def _current_schema(settings: Settings, database_url: str) -> None:
    """Our own engine's schema is ours to migrate; somebody else's is only looked at. One that is restarting is waited for."""
    migrations = app.package_dir("migrations")
    if settings.database_url is None:
        await schema.migrate(database_url, migrations)
        return
    end = time.monotonic() + settings.start_timeout
    while True:
        try:
            missing = await schema.missing_migrations(database_url, migrations)
            break
        except DatabaseUnavailable:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.2)
    if missing:
        raise ConfigError(f"the schema is not current (missing {', '.join(missing)}): run `monoq migrate`")


@contextmanager
def _engines(settings: Settings, *, redis: bool = True) -> Iterator[tuple[str, str]]:
    """The URLs to use: those that are set, and the embedded engines for the others."""
    with engines(settings.data_dir, postgres=settings.database_url is None, redis=redis and settings.redis_url is None) as own:
        yield settings.database_url or own.database_url or "", settings.redis_url or own.redis_url or ""


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except (RequestRefused, ServerUnreachable) as error:
        click.echo(f"monoq: {error}", err=True)
        sys.exit(1)
    except MonoqError as error:
        click.echo(f"monoq: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
