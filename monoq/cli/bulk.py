"""The commands that cancel or retry a job or many: `monoq jobs cancel|retry`, and `monoq
operations`. They talk to a running server."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from monoq.cli.moment import Moment
from monoq.cli.remote import ask, console, jobs, server_url

if TYPE_CHECKING:
    from monoq.client.client import Client
    from monoq.client.shapes import Operation

C = TypeVar("C", bound=Callable[..., Any])
Kind = Literal["cancel", "retry"]

POLL_S = 0.25
VERBS = {"cancel": "Cancel", "retry": "Retry"}
STATUSES = {"cancel": ["PENDING", "RUNNING"], "retry": ["FAILED", "CANCELLED"]}
FILTERS = ("tenant_id", "type", "status", "error_prefix", "created_after", "created_before")


def _options(kind: Kind) -> Callable[[C], C]:
    """JOB_ID, or --all and its filter."""
    choice = click.Choice(STATUSES[kind], case_sensitive=False)
    options = [
        click.argument("job_id", required=False),
        click.option("--all", "whole", is_flag=True, help="all jobs that the options below match"),
        click.option("--tenant", "tenant_id", help="jobs of this tenant"),
        click.option("--type", "type", help="jobs of this type"),
        click.option("--status", type=choice, help="jobs in this status"),
        click.option("--error", "error_prefix", help="jobs whose last error has this prefix"),
        click.option(
            "--after", "created_after", type=Moment(past=True), help="created at this time or later"
        ),
        click.option(
            "--before", "created_before", type=Moment(past=True), help="created before this time"
        ),
        click.option("--dry-run", is_flag=True, help="only count them"),
        click.option("--yes", is_flag=True, help="skip the confirmation"),
        click.option("--detach", is_flag=True, help="return without waiting for the end"),
        server_url,
    ]

    def decorate(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _change(kind: Kind, job_id: str | None, whole: bool, url: str | None, **options: Any) -> None:
    said = {name: options[name] for name in FILTERS if options[name] is not None}
    if whole == (job_id is not None):
        raise click.UsageError("name a JOB_ID, or --all with what to match")
    if job_id is not None:
        if said or options["dry_run"]:
            raise click.UsageError("a JOB_ID needs no further option")
        return click.echo(ask(url, lambda client: getattr(client, kind)(job_id))["status"])
    if not said:
        needed = "--tenant, --type, --status, --error, --after, --before"
        raise click.UsageError(f"--all needs one of {needed}")
    if options["dry_run"] or not options["yes"]:
        counted = ask(url, lambda client: client.count_matching(kind, **said))
        count = f"{'' if counted['matchedIsExact'] else 'at least '}{counted['matched']:,}"
        if options["dry_run"]:
            return click.echo(f"{count} jobs match")
        click.confirm(f"{VERBS[kind]} {count} jobs?", abort=True)
    operation = ask(url, lambda client: getattr(client, f"{kind}_all")(**said))
    if options["detach"]:
        return click.echo(operation["id"])
    return _follow(url, operation["id"])


@jobs.command()
@_options("cancel")
def cancel(**options: Any) -> None:
    """Cancel the waiting or running job JOB_ID, or --all that match.

    Ctrl-C stops watching; the server continues.
    """
    _change("cancel", **options)


@jobs.command()
@_options("retry")
def retry(**options: Any) -> None:
    """Retry the failed or cancelled job JOB_ID, or --all that match.

    Ctrl-C stops watching; the server continues.
    """
    _change("retry", **options)


@click.group()
def operations() -> None:
    """Show and abort operations that cancel or retry many jobs."""


@operations.command("list")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def list_operations(limit: int, as_json: bool, url: str | None) -> None:
    """List the newest operations."""
    found = ask(url, lambda client: client.operations(limit=limit))
    if as_json:
        return click.echo(json.dumps(found))
    from rich.table import Column, Table

    table = Table(Column("id", no_wrap=True), "kind", "state", "done", "of", "created", "filter")
    for one in found:
        of = f"{'' if one['matchedIsExact'] else '≥ '}{one['matched']:,}"
        said = ", ".join(f"{name} {value}" for name, value in one["filter"].items())
        table.add_row(
            one["id"], one["kind"], one["state"], f"{one['done']:,}", of, one["createdAt"], said
        )
    return console().print(table)


@operations.command()
@click.argument("operation_id")
@server_url
def show(operation_id: str, url: str | None) -> None:
    """Show one operation."""
    console().print_json(data=ask(url, lambda client: client.operation(operation_id)))


@operations.command()
@click.argument("operation_id")
@server_url
def watch(operation_id: str, url: str | None) -> None:
    """Wait for the end of an operation. Ctrl-C stops watching; the operation continues."""
    _follow(url, operation_id)


@operations.command()
@click.argument("operation_id")
@server_url
def abort(operation_id: str, url: str | None) -> None:
    """Abort an operation; finished changes stay."""
    _tell(ask(url, lambda client: client.abort(operation_id)))


def _follow(url: str | None, operation_id: str) -> None:
    """Shows the progress up to the end; exit code 1 unless it is COMPLETED."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )

    async def watch(client: "Client") -> "Operation":
        with Progress(*columns, console=Console(stderr=True)) as progress:
            shown = progress.add_task(operation_id, total=None)
            while True:
                now = await client.operation(operation_id)
                seen = now["done"] + now["skipped"]
                total = max(now["matched"], seen) if now["matchedIsExact"] else None
                progress.update(shown, description=now["kind"], completed=seen, total=total)
                if now["finishedAt"] is not None:
                    return now
                await asyncio.sleep(POLL_S)

    try:
        ended = ask(url, watch)
    except SystemExit as error:
        if error.code == 130:
            hint = f"it continues; `monoq operations watch|abort {operation_id}`"
            click.echo(hint, err=True)
        raise
    _tell(ended)
    sys.exit(0 if ended["state"] == "COMPLETED" else 1)


def _tell(operation: "Operation") -> None:
    skipped = f", {operation['skipped']:,} skipped" if operation["skipped"] else ""
    error = f": {operation['error']}" if operation["error"] else ""
    click.echo(f"{operation['state']}: {operation['done']:,} jobs{skipped}{error}")
