"""The job types that ship with monoq. Each is written as a user's would be; of the rest of the
package they may use the guard of outgoing calls, and nothing else."""

from ipaddress import ip_network

from monoq.app.registry import App
from monoq.handlers.csv_profile.app import csv_app
from monoq.handlers.echo import echo
from monoq.handlers.email.app import email_app
from monoq.handlers.options import Options
from monoq.handlers.sleep import sleep
from monoq.handlers.webhook.app import webhook_app
from monoq.outgoing.board import Board
from monoq.outgoing.outgoing import Outgoing


def preload() -> None:
    """Loads what a job of these types would load at first: for a process that forks a child for
    each job, which would otherwise load it again."""
    from monoq.handlers.webhook import deliveries

    deliveries.preload()


def builtin(options: Options, board: Board | None = None) -> App:
    """The App of the built-in job types. `board` gets the states of the breakers. Raises
    ConfigError for a bad option."""
    outgoing = Outgoing(map(ip_network, options.allowed_networks))
    app = App()
    app.handler("echo")(echo)
    app.handler("sleep", timeout=3700)(sleep)
    app.include(webhook_app(options, outgoing, board))
    app.include(email_app(options))
    app.include(csv_app(options, outgoing))
    return app
