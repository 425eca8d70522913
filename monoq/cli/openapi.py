"""`monoq openapi`: the API's document without a server, for what generates clients. It must start
nothing."""

import json
from typing import Any

import click

from monoq import __version__
from monoq.api.openapi import document
from monoq.cli.flags import setting
from monoq.cli.remote import errors_in_one_line
from monoq.compose.root import handlers_of
from monoq.config import load_settings


@click.command()
@setting("app")
def openapi(**flags: Any) -> None:
    """Print the OpenAPI document of the HTTP API, with the job types of --app and those that
    ship: what GET /openapi.json of their server answers.
    """
    with errors_in_one_line():
        app = handlers_of(load_settings(**flags))
        types = {handler.name: handler.schema() for handler in app}
    click.echo(json.dumps(document(dict(sorted(types.items())), __version__), indent=1))
