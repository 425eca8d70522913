"""`monoq prune`: removes old jobs now, as the background loop does by and by. It must remove
nothing before it has shown how many jobs are due."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monoq.cli.flags import engines_of, setting
from monoq.cli.moment import Duration
from monoq.cli.remote import errors_in_one_line
from monoq.compose.root import kept_of
from monoq.compose.start import require_schema
from monoq.config import load_settings
from monoq.store.database import Database
from monoq.store.retention import FIRST, Kept, RetentionStore
from monoq.upkeep.retention import BatchSize

SHARE = 0.5  # of the time of one connection: a user waits, and other work continues


@click.command()
@click.option(
    "--older-than",
    type=Duration(),
    help="remove jobs of any status that ended longer ago than this, like 30d or 12h; by default"
    " those that the settings do not keep",
)
@click.option("--dry-run", is_flag=True, help="only count; remove nothing")
@click.option("--yes", is_flag=True, help="skip the confirmation")
@setting("database_url")
@setting("data_dir")
def prune(older_than: float | None, dry_run: bool, yes: bool, **flags: Any) -> None:
    """Remove jobs that ended long ago. What waits or runs always stays."""
    with errors_in_one_line():
        settings = load_settings(**flags)
        kept = kept_of(settings) if older_than is None else Kept(older_than, older_than)

        def confirm(jobs: int) -> bool:
            if jobs and not dry_run and not yes:
                click.confirm(f"Remove {jobs:,} jobs for good?", abort=True)
            return not dry_run

        with engines_of(settings, redis=False) as (database_url, _):
            uvloop.run(require_schema(settings, database_url))
            due, removed = uvloop.run(_prune(database_url, kept, confirm))
    click.echo(f"{due:,} jobs would be removed" if dry_run else f"removed {removed:,} jobs")


async def _prune(url: str, kept: Kept, confirm: Callable[[int], bool]) -> tuple[int, int]:
    """Returns how many jobs are due and how many were removed."""
    database = await Database.connect(url, connections=1, plans="fresh", name="monoq prune")
    try:
        told = await RetentionStore(database).oldest_transaction()
        due = await _walk(database, kept, told, dry=True, total=None)
        if not confirm(due) or not due:
            return due, 0
        return due, await _walk(database, kept, told, dry=False, total=due)
    finally:
        await database.close()


async def _walk(database: Database, kept: Kept, told: int, *, dry: bool, total: int | None) -> int:
    """Goes through all old jobs, a batch a transaction; returns how many were due, or removed."""
    store, size, after, found = RetentionStore(database), BatchSize(), FIRST, 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("counting" if dry else "removing", total=total)
        while True:
            began, limit = time.monotonic(), size.limit
            batch = await store.remove_jobs(after, kept, limit, told, dry=dry)
            found += batch.due if dry else batch.removed
            progress.update(task, completed=found)
            if batch.looked < limit or batch.reached is None:
                return found
            after = batch.reached
            took_s = time.monotonic() - began
            size.took(took_s)
            await asyncio.sleep(took_s * (1 / SHARE - 1))
