"""`monoq health`: whether the process on this host works. Containers run it every few seconds, so
it must import little and start nothing."""

import asyncio
import json
import socket
import sys
import urllib.error
import urllib.request

import click

from monoq.config import Settings, load_settings
from monoq.errors import MonoqError
from monoq.store.database import Database
from monoq.store.workers import WorkerStore

TIMEOUT_S = 2.0
# an address that stands for all is reached at one of them
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@click.command()
@click.option(
    "--role",
    type=click.Choice(["api", "worker", "all"]),
    help="the role to check  [env: MONOQ_ROLE]",
)
@click.option(
    "--url",
    envvar="MONOQ_URL",
    help="a running monoq  [env: MONOQ_URL; default: the configured port here]",
)
def health(role: str | None, url: str | None) -> None:
    """Check whether monoq works here. Exit code 0: yes; 1: no; 2: a wrong setting.

    An API is checked over HTTP. A worker is healthy while PostgreSQL has a valid lease of a worker
    of this host.
    """
    try:
        settings = load_settings(role=role)
        if settings.role == "worker" and not url:
            well, said = asyncio.run(_worker_here(settings))
        else:
            well, said = _server(url or _url_here(settings))
    except MonoqError as error:
        click.echo(f"monoq: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    click.echo(said, err=not well)
    sys.exit(0 if well else 1)


def _url_here(settings: Settings) -> str:
    host = ANY.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _server(url: str) -> tuple[bool, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/health", timeout=TIMEOUT_S) as answer:
            return True, json.load(answer)["status"]
    except urllib.error.HTTPError as error:
        return False, f"monoq: {error.read(1000).decode(errors='replace') or error}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return False, f"monoq: no monoq server answers at {url}: {error}"


async def _worker_here(settings: Settings) -> tuple[bool, str]:
    if settings.database_url is None:
        return False, "monoq: a worker is checked in its database: set MONOQ_DATABASE_URL"
    host = socket.gethostname()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            database = await Database.connect(
                settings.database_url, connections=1, plans="fresh", name="monoq health"
            )
            workers = await WorkerStore(database).live_workers_of(host)
            await database.close()
    except (MonoqError, TimeoutError) as error:
        return False, f"monoq: {error or 'PostgreSQL does not answer'}"
    return bool(workers), ", ".join(
        f"worker {row['id']}" for row in workers
    ) or f"monoq: no worker of {host} has a valid lease"
