"""`monoq url`: where the engines are, for other programs. It must start nothing."""

import sys

import click

from monoq.cli.remote import errors_in_one_line
from monoq.config import load_settings
from monoq.embedded import running_engines


@click.command()
@click.argument("engine", type=click.Choice(["postgres", "redis"]), default="postgres")
@click.option("--data-dir", help="data folder of the embedded engines  [env: MONOQ_DATA_DIR]")
def url(engine: str, data_dir: str | None) -> None:
    """Print the URL of ENGINE, postgres or redis: the one that is set, or that of the embedded
    engine while it runs.

    psql "$(monoq url)" opens the database.
    """
    with errors_in_one_line():
        settings = load_settings(data_dir=data_dir)
        own = running_engines(settings.data_dir)
    given = settings.database_url if engine == "postgres" else settings.redis_url
    found = given or (own.database_url if engine == "postgres" else own.redis_url)
    if found is None:
        click.echo(
            f"monoq: the embedded engine of {settings.data_dir} is not running;"
            " `monoq serve` starts it",
            err=True,
        )
        sys.exit(1)
    click.echo(found)
