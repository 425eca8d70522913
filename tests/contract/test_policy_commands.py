"""`monoq tenants`, `monoq types`, `monoq defaults`: as people type them."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner
from conftest import Server

import monoq
from monoq.cli.main import main as command_line


async def cli(server: Server, *words: str) -> tuple[int, str]:
    """The exit code of a command, and what it says. It runs in a thread of this process: to start
    one takes longer than the command."""
    arguments = [*words, "--url", server.url]
    ran = await asyncio.to_thread(CliRunner().invoke, command_line, arguments, prog_name="monoq")
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


async def test_a_tenant_is_limited_paused_and_resumed_from_the_command_line(server: Server) -> None:
    code, said = await cli(server, "tenants", "set", "acme", "--max-running", "5", "--rate", "2.5")
    assert code == 0, said
    assert json.loads(said)["policy"] == {"maxRunning": 5, "ratePerSecond": 2.5}
    code, said = await cli(server, "tenants", "set", "acme", "--max-running", "9", "--until", "1h")
    overridden = json.loads(said)["policy"]["maxRunning"]
    assert (overridden["value"], overridden["then"]) == (9, 5), "the value of before comes back"
    code, said = await cli(server, "tenants", "set", "acme", "--unset", "rate")
    assert "ratePerSecond" not in json.loads(said)["policy"]
    code, said = await cli(server, "tenants", "pause", "acme")
    assert json.loads(said)["effective"]["paused"] is True
    code, said = await cli(server, "tenants", "resume", "acme")
    assert json.loads(said)["effective"]["paused"] is False
    code, said = await cli(server, "tenants", "history", "acme")
    assert len(json.loads(said)["changes"]) == 5


async def test_types_and_defaults_have_their_commands_and_mistakes_one_line(server: Server) -> None:
    code, said = await cli(server, "types", "set", "send/mail", "--max-running", "3")
    assert (code, json.loads(said)["policy"]) == (0, {"maxRunning": 3})
    code, said = await cli(server, "defaults", "set", "--max-waiting", "1000")
    assert (code, json.loads(said)["policy"]) == (0, {"maxWaiting": 1000})
    code, said = await cli(server, "tenants", "set", "acme", "--max-running", "-1")
    assert code == 1
    assert "maxRunning" in said
    assert said.count("\n") == 1
    code, said = await cli(server, "tenants", "set", "acme")
    assert code == 2
    await server.submit([{"tenantId": "acme", "type": "nothing"}])
    code, said = await cli(server, "tenants", "list")
    assert "acme" in said


async def test_a_job_is_submitted_from_a_file_or_standard_input_and_for_later(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"n": 1}')
    code, said = await cli(server, "submit", "acme", "echo", f"@{file}", "--run-at", "1h")
    assert code == 0, said
    job = await server.job(said.strip())
    assert job["payload"] == {"n": 1}
    assert job["runAt"] > job["createdAt"]
    code, said = await cli(server, "submit", "acme", "echo", "@no-such-file")
    assert code == 2
    code, said = await cli(server, "submit", "acme", "echo", "--run-at", "tomorrow")
    assert (code, "like 30m" in said) == (2, True)
    code, said = await cli(server, "jobs", "list", "acme", "--status", "pending")
    assert job["id"] in said, "a pipe gets whole ids"


async def test_the_client_reads_and_changes_policies(server: Server) -> None:
    async with monoq.Client(server.url) as client:
        await client.set_policy("types", "a/b", {"paused": True})
        assert (await client.policy("types", "a/b"))["policy"] == {"paused": True}
        assert (await client.remove_policy("types", "a/b"))["policy"] == {}
        changes = (await client.policy_history("types", "a/b"))["changes"]
        assert [change["after"] for change in changes] == [{}, {"paused": True}]
