"""The commands for policies: `monoq tenants`, `monoq types`, `monoq defaults`. They talk to a
running server."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monoq.cli.moment import Moment
from monoq.cli.remote import ask, console, server_url
from monoq.cli.tables import show_table

if TYPE_CHECKING:
    from monoq.client.client import Client
    from monoq.client.policies import PolicyKind

C = TypeVar("C", bound=Callable[..., Any])

FIELDS = {
    "weight": ("weight", float, "share of the work beside other tenants; 1 is usual"),
    "max_running": ("maxRunning", int, "jobs that may run at once"),
    "rate": ("ratePerSecond", float, "starts a second"),
    "burst": ("burst", int, "starts at once after a pause, with --rate"),
    "max_waiting": ("maxWaiting", int, "jobs that may wait; a submit beyond is refused with 429"),
}
OF_TYPES = ("max_running", "rate", "burst")


@click.group()
def tenants() -> None:
    """List tenants; limit, weigh and pause them."""


@tenants.command("list")
@click.option(
    "--sort",
    type=click.Choice(["tenant", "backlog", "running", "oldest"]),
    default="tenant",
    show_default=True,
    help="by name, or by a number, greatest first",
)
@click.option("--order", type=click.Choice(["asc", "desc"]), help="ascending or descending")
@click.option("--prefix", default="", help="only names with this prefix")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", default="", help="where to continue: printed below the last page")
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def list_tenants(as_json: bool, url: str | None, **options: Any) -> None:
    """List tenants with their jobs."""
    page = ask(url, lambda client: client.tenants(**options))
    if as_json:
        click.echo(json.dumps(page))
        return
    rows = []
    for tenant in page["tenants"]:
        counts, oldest = tenant["counts"], tenant["oldestWaitingSeconds"]
        shown = [str(counts[status]) for status in ("PENDING", "RUNNING", "FAILED")]
        waits = "" if oldest is None else f"{oldest:.1f} s"
        shares = f"{tenant['runningShare']:.1%} of {tenant['weightShare']:.1%}"
        rows.append([tenant["id"], *shown, waits, tenant["heldBy"] or "", shares])
    headers = ["tenant", "waiting", "running", "failed", "oldest waits", "held by", "shares"]
    show_table(headers, rows)
    if page["nextCursor"]:
        click.echo(f"more: --cursor {page['nextCursor']}")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
@click.pass_context
def types(context: click.Context, as_json: bool, url: str | None) -> None:
    """List, limit and pause job types. Without a command: list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_types, as_json=as_json, url=url)


@types.command("list")
@click.option("--json", "as_json", is_flag=True, help="print the JSON of the API")
@server_url
def list_types(as_json: bool, url: str | None) -> None:
    """List job types with the fields of their payloads; an optional field has a question mark."""
    known = ask(url, lambda client: client.types())
    if as_json:
        return click.echo(json.dumps(known))
    rows = [[one["name"], _fields(one["schema"])] for one in known]
    show_table(["type", "payload"], rows, wrap="payload")
    return None


def _fields(schema: dict[str, Any]) -> str:
    """What a payload has, in short."""
    required = schema.get("required", ())
    names = [name if name in required else f"{name}?" for name in schema.get("properties", ())]
    return ", ".join(names) or str(schema.get("type", "any JSON"))


@click.group()
def defaults() -> None:
    """The limits of each tenant without a value of its own."""


def _commands(group: click.Group, kind: "PolicyKind", named: bool, fields: tuple[str, ...]) -> None:
    """show, set, remove, history, pause and resume, for policies of one kind."""

    def name_argument(command: C) -> C:
        return click.argument("name")(command) if named else command

    def set_options(command: C) -> C:
        for field in reversed(fields):
            _, parse, described = FIELDS[field]
            command = click.option(f"--{field.replace('_', '-')}", type=parse, help=described)(
                command
            )
        return command

    def change(url: str | None, name: str, **values: Any) -> None:
        async def changed(client: "Client") -> dict[str, Any]:
            policy = (await client.policy(kind, name))["policy"]
            for field, value in values.items():
                if value is None:
                    policy.pop(field, None)
                else:
                    policy[field] = value
            return await client.set_policy(kind, name, policy)

        console().print_json(data=ask(url, changed))

    @group.command()
    @name_argument
    @server_url
    def show(url: str | None, name: str = "") -> None:
        """Show the policy and its current values."""
        console().print_json(data=ask(url, lambda client: client.policy(kind, name)))

    @group.command("set")
    @name_argument
    @set_options
    @click.option("--until", type=Moment(), help="when these values expire: like 30m, or RFC 3339")
    @click.option("--unset", multiple=True, type=click.Choice(fields), help="remove this limit")
    @server_url
    def set_(
        url: str | None,
        until: datetime | None,
        unset: tuple[str, ...],
        name: str = "",
        **options: Any,
    ) -> None:
        """Set limits; the others stay unchanged. With --until the previous value comes back by
        itself."""
        wanted = {FIELDS[one][0]: value for one, value in options.items() if value is not None}

        async def changed(client: "Client") -> dict[str, Any]:
            policy = (await client.policy(kind, name))["policy"]
            for field, value in wanted.items():
                then = policy.get(field)
                if isinstance(then, dict):
                    then = then["then"]
                policy[field] = (
                    value
                    if until is None
                    else {"value": value, "until": until.isoformat(), "then": then}
                )
            for field in unset:
                policy.pop(FIELDS[field][0], None)
            return await client.set_policy(kind, name, policy)

        if not wanted and not unset:
            raise click.UsageError("name a limit to set, or --unset one")
        console().print_json(data=ask(url, changed))

    @group.command()
    @name_argument
    @server_url
    def remove(url: str | None, name: str = "") -> None:
        """Remove the whole policy."""
        console().print_json(data=ask(url, lambda client: client.remove_policy(kind, name)))

    @group.command()
    @name_argument
    @server_url
    def history(url: str | None, name: str = "") -> None:
        """List the changes of the policy, newest first."""
        console().print_json(data=ask(url, lambda client: client.policy_history(kind, name)))

    @group.command()
    @name_argument
    @click.option("--until", type=Moment(), help="when the pause ends: like 30m, or RFC 3339")
    @server_url
    def pause(url: str | None, until: datetime | None, name: str = "") -> None:
        """Start no more jobs; running jobs continue."""
        paused = (
            True
            if until is None
            else {
                "value": True,
                "until": until.isoformat(),
                "then": None,
            }
        )
        change(url, name, paused=paused)

    @group.command()
    @name_argument
    @server_url
    def resume(url: str | None, name: str = "") -> None:
        """Start jobs again."""
        change(url, name, paused=None)


_commands(tenants, "tenants", named=True, fields=tuple(FIELDS))
_commands(types, "types", named=True, fields=OF_TYPES)
_commands(defaults, "defaults", named=False, fields=tuple(FIELDS))
