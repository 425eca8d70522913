"""The commands that look at a running server as a whole: stats, workers, watch."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from monoq.cli.remote import ask, server_url
from monoq.cli.tables import age, show_table

if TYPE_CHECKING:
    from monoq.client.client import Client
    from monoq.client.shapes import Update

POOLS = ("loop", "threads", "children")
COLORS = {
    "PENDING": "cyan",
    "RUNNING": "blue",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
}


@click.command()
@click.argument("tenant", required=False)
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def stats(tenant: str | None, as_json: bool, url: str | None) -> None:
    """Count the jobs of TENANT, or of all, by status."""
    told = ask(url, lambda client: client.stats(tenant))
    if as_json:
        return click.echo(json.dumps(told))
    show_table(["status", "jobs"], [[name, str(jobs)] for name, jobs in told["counts"].items()])
    if (oldest := told["oldestWaitingSeconds"]) is not None:
        click.echo(f"the oldest has waited for {oldest:.1f} s")
    return None


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
@click.pass_context
def workers(context: click.Context, as_json: bool, url: str | None) -> None:
    """Look at live workers; drain one. Without a command: list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_workers, as_json=as_json, url=url)


@workers.command("list")
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def list_workers(as_json: bool, url: str | None) -> None:
    """List the live workers with their jobs."""
    live = ask(url, lambda client: client.workers())
    if as_json:
        return click.echo(json.dumps(live))
    show_table(
        ["id", "name", "version", "age", "state", *POOLS, "runs"],
        [
            [
                str(worker["id"]),
                worker["name"],
                worker["version"] or "",
                age(worker["startedAt"]),
                "draining" if worker["draining"] else "",
                *[_used(worker["pools"][pool]) for pool in POOLS],
                ", ".join(f"{one['type']} {one['jobs']}" for one in worker["running"]),
            ]
            for worker in live
        ],
        wrap="runs",
    )
    return None


@workers.command()
@click.argument("worker_id", metavar="ID", type=click.IntRange(1))
@server_url
def drain(worker_id: int, url: str | None) -> None:
    """Stop a worker from claiming jobs; its running jobs go on."""
    worker = ask(url, lambda client: client.drain_worker(worker_id))
    runs = sum(one["jobs"] for one in worker["running"])
    click.echo(f"worker {worker_id} ({worker['name']}) is draining; it runs {runs} jobs")


@workers.command()
@click.argument("worker_id", metavar="ID", type=click.IntRange(1))
@server_url
def resume(worker_id: int, url: str | None) -> None:
    """Let a worker that drains claim jobs again."""
    worker = ask(url, lambda client: client.resume_worker(worker_id))
    click.echo(f"worker {worker_id} ({worker['name']}) claims jobs again")


def _used(pool: dict[str, Any]) -> str:
    return f"{pool['used']}/{pool['slots']}"


@click.command()
@click.argument("tenant")
@click.option("--all", "snapshot", is_flag=True, help="first show the current state of all jobs")
@click.option("--json", "as_json", is_flag=True, help="print each change as a JSON object")
@server_url
def watch(tenant: str, snapshot: bool, as_json: bool, url: str | None) -> None:
    """Show each change of TENANT's jobs as it happens, until Ctrl-C."""
    show = _show_json if as_json else _show

    async def watched(client: "Client") -> None:
        from monoq.errors import CursorRefused

        await client.stats(tenant)  # no server here, or a wrong name: said at once
        click.echo(f"watching {tenant}; Ctrl-C ends it", err=True)
        while True:
            async with client.stream(tenant, snapshot=snapshot) as updates:
                try:
                    async for update in updates:
                        show(update)
                except CursorRefused:
                    click.echo("some changes were missed", err=True)

    ask(url, watched)


def _show_json(update: "Update") -> None:
    click.echo(json.dumps(update))
    sys.stdout.flush()  # the reader of a pipe wants each line at once


def _show(update: "Update") -> None:
    at = update["updatedAt"][11:23]
    status = click.style(f"{update['status']:9}", fg=COLORS.get(update["status"]))
    error: Any = "" if update["error"] is None else "  " + " ".join(update["error"].split())
    attempt = f"attempt {update['attempts']}" if update["attempts"] else "no attempt"
    click.echo(f"{at}  {status}  {update['jobId']}  {update['type']}  {attempt}{error}")
    sys.stdout.flush()
