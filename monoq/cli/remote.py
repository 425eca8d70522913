"""The commands that talk to a running server: submit, jobs. They must know a server only by its
URL."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monoq.cli.moment import Moment
from monoq.cli.tables import age, show_table
from monoq.config import load_settings
from monoq.errors import MonoqError, RequestRefused, ServerUnreachable
from monoq.process.exit import Interrupted

# Imported where they are used: a worker is started by the same command line, and needs none of
# them.
if TYPE_CHECKING:
    from rich.console import Console

    from monoq.client.client import Client
    from monoq.client.shapes import Job

C = TypeVar("C", bound=Callable[..., Any])

FOLLOW_EVERY_S = 0.5


class Tag(click.ParamType[tuple[str, str]]):
    """A tag, as name:value."""

    name = "name:value"

    def convert(self, value: Any, param: Any, context: Any) -> tuple[str, str]:
        """Returns its name and its value."""
        name, colon, text = value.partition(":")
        if not colon:
            self.fail("it must be name:value", param, context)
        return name, text


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends the command with one line: exit code 1 for an error of a server, 2 for a wrong
    setting."""
    try:
        yield
    except (RequestRefused, ServerUnreachable) as error:
        click.echo(f"monoq: {error}", err=True)
        sys.exit(1)
    except MonoqError as error:
        click.echo(f"monoq: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except Interrupted as error:
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.exit(130)


def server_url(command: C) -> C:
    """The flag that says where the server is."""
    return click.option(
        "--url",
        envvar="MONOQ_URL",
        help="a running monoq  [env: MONOQ_URL; default: the configured port here]",
    )(command)


@click.command()
@click.argument("tenant")
@click.argument("type", metavar="TYPE")
@click.argument("payload", default="{}")
@click.option("--delay-ms", type=int, help="delay in milliseconds")
@click.option("--run-at", type=Moment(), help="when to run it: like 30m, or RFC 3339 with a zone")
@click.option("--priority", type=int, help="lower runs first")
@click.option("--max-attempts", type=int, help="maximum of runs, including the first")
@click.option("--timeout-ms", type=int, help="time limit of each run in milliseconds")
@click.option("--idempotency-key", help="a second submit with this key returns the first job")
@click.option("--callback-url", help="URL that gets a signed webhook when the job has ended")
@click.option("--tag", "tags", multiple=True, type=Tag(), help="name:value to find the job by")
@click.option(
    "--wait", is_flag=True, help="wait for the job to end and show it; exit code 1 unless COMPLETED"
)
@server_url
def submit(
    tenant: str,
    type: str,
    payload: str,
    wait: bool,
    url: str | None,
    tags: tuple[tuple[str, str], ...],
    **options: Any,
) -> None:
    """Create a job of TYPE for TENANT with a JSON PAYLOAD; print its id.

    PAYLOAD may be `-`, for standard input, or `@file`.
    """
    try:
        if payload == "-" or payload.startswith("@"):
            with click.open_file(payload.removeprefix("@")) as file:
                payload = file.read()
        parsed = json.loads(payload)
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="PAYLOAD") from None
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="PAYLOAD") from None

    async def create(client: "Client") -> "Job | None":
        job_id = await client.submit(tenant, type, parsed, tags=dict(tags) or None, **options)
        click.echo(job_id)
        if not job_id.created:
            click.echo("this earlier job has the same idempotency key", err=True)
        return await client.wait(job_id, timeout=86_400) if wait else None

    if job := ask(url, create):
        console().print_json(data=job)
        sys.exit(0 if job["status"] == "COMPLETED" else 1)


@click.group()
def jobs() -> None:
    """Inspect, explain, cancel or retry jobs."""


@jobs.command("list")
@click.argument("tenant")
@click.option(
    "--status",
    type=click.Choice(
        ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"], case_sensitive=False
    ),
)
@click.option("--type", "job_type")
@click.option("--created-after", type=Moment(past=True), help="like 2h (ago), or RFC 3339")
@click.option("--created-before", type=Moment(past=True), help="likewise")
@click.option("--error", help="prefix of the error of FAILED and CANCELLED jobs")
@click.option("--idempotency-key", help="the one job with this key")
@click.option(
    "--tag", "tags", multiple=True, type=Tag(), help="name:value; repeat it to require several"
)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--cursor", help="where to continue: printed below the last page")
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def list_jobs(
    tenant: str,
    status: str | None,
    job_type: str | None,
    tags: tuple[tuple[str, str], ...],
    as_json: bool,
    url: str | None,
    **filters: Any,
) -> None:
    """List the newest jobs of TENANT that match all filters."""
    page = ask(
        url,
        lambda client: client.list(
            tenant, status=status, type=job_type, tags=dict(tags), **filters
        ),
    )
    if as_json:
        return click.echo(json.dumps(page))
    show_table(
        ["id", "type", "status", "attempts", "age", "error"],
        [
            [
                job["id"],
                job["type"],
                job["status"],
                f"{job['attempts']}/{job['maxAttempts'] or '-'}",
                age(job["createdAt"]),
                " ".join((job["error"] or "").split())[:200],
            ]
            for job in page["jobs"]
        ],
        wrap="error",
    )
    if page["nextCursor"]:
        click.echo(f"more: --cursor {page['nextCursor']}")
    return None


@jobs.command()
@click.argument("job_id")
@server_url
def show(job_id: str, url: str | None) -> None:
    """Show a job with its payload, result and errors."""
    console().print_json(data=ask(url, lambda client: client.get(job_id)))


@jobs.command()
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def explain(job_id: str, as_json: bool, url: str | None) -> None:
    """Say why a job waits."""
    explained = ask(url, lambda client: client.explain(job_id))
    if as_json:
        return click.echo(json.dumps(explained))
    click.echo(f"{explained['status']}: {explained['message']}")
    for holder in explained["reason"].get("heldBy", ()):
        click.echo(f"  held by {holder}")
    return None


@jobs.command("log")
@click.argument("job_id")
@click.option("--follow", is_flag=True, help="continue until the job has ended")
@server_url
def show_log(job_id: str, follow: bool, url: str | None) -> None:
    """Show what a job's handler has logged."""
    after = 0
    while True:
        job = ask(url, lambda client: client.get(job_id)) if follow else None
        page = ask(url, lambda client: client.log(job_id, after=after))  # noqa: B023 - awaited here
        for line in page["lines"]:
            fields = "" if line["fields"] is None else f" {json.dumps(line['fields'])}"
            click.echo(f"{line['at']} {line['text']}{fields}")
        after = page["next"]
        if job is None or job["finishedAt"]:
            return
        time.sleep(FOLLOW_EVERY_S)


def console() -> "Console":
    """Where tables and JSON are shown."""
    from rich.console import Console

    # A pipe has no width: its reader wants whole lines.
    return Console() if sys.stdout.isatty() else Console(width=200)


def ask(url: str | None, call: Callable[["Client"], Coroutine[Any, Any, Any]]) -> Any:
    """What the server at `url`, or at the configured port here, answers to `call`. An error ends
    the command with one line."""
    from monoq.client.client import Client

    async def ask() -> Any:
        async with Client(url or f"http://127.0.0.1:{load_settings().port}") as client:
            return await call(client)

    with errors_in_one_line():
        return asyncio.run(ask())
