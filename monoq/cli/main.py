"""`monoq` with all its commands. It must import a command only when somebody names it: what asks a
running server something needs nothing of what runs one, and starts in half the time. Each container
runs `monoq health` every few seconds."""

from importlib import import_module

import click

from monoq import __version__

# the module of each command; there it has the same name
COMMANDS = {
    "serve": "commands",
    "migrate": "commands",
    "check": "commands",
    "bench": "commands",
    "prune": "prune",
    "health": "health",
    "submit": "remote",
    "jobs": "bulk",  # it adds those for many jobs to those of remote
    "operations": "bulk",
    "stats": "look",
    "watch": "look",
    "workers": "look",
    "tenants": "policies",
    "types": "policies",
    "defaults": "policies",
    "url": "url",
    "init": "init",
    "openapi": "openapi",
}


class LazyGroup(click.Group):
    """The commands of COMMANDS. Help for the whole names each, and so imports them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"monoq.cli.{COMMANDS[cmd_name]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup)
@click.version_option(__version__)
def main() -> None:
    """monoq: a real-time multi-tenant job queue with a live dashboard."""
