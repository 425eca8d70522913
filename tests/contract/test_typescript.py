"""clients/typescript: what it was generated from is what the API says now, and it works on a real
monoq."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import Server

from monoq.cli.main import main

CLIENT = Path(__file__).parent.parent.parent / "clients/typescript"
NPM, NODE = shutil.which("npm"), shutil.which("node")
OLD = "{} was made from another OpenAPI document: run `make client`, and commit what it changes"


def document() -> str:
    """The API's document, byte for byte as `make client` writes it."""
    printed = CliRunner().invoke(main, ["openapi"])
    assert printed.exit_code == 0, printed.output
    return printed.output


async def run(*command: str | Path, cwd: Path, **variables: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


@pytest.fixture
async def package(tmp_path: Path) -> Path:
    """The client with its packages: those of the checkout if they are the locked ones."""
    if NPM is None or NODE is None:
        pytest.skip("node and npm are not installed: the TypeScript client is not tested")
    folder = tmp_path / "typescript"
    shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "out"))
    installed = CLIENT / "node_modules"
    if _versions(installed / ".package-lock.json") == _versions(CLIENT / "package-lock.json"):
        (folder / "node_modules").symlink_to(installed)
        return folder
    code, told = await run(
        NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", cwd=folder
    )
    if code:
        pytest.skip(f"the packages of clients/typescript cannot be installed: {told[-300:]}")
    return folder


def _versions(lock: Path) -> dict[str, str]:
    if not lock.exists():
        return {}
    packages = json.loads(lock.read_text())["packages"]
    return {name: one["version"] for name, one in packages.items() if name}


def test_the_generated_types_are_those_of_the_document_of_now() -> None:
    told = re.search(r"sha256 of the document: (\w+)", (CLIENT / "src/schema.ts").read_text()[:300])
    assert told
    assert told[1] == sha256(document().encode()).hexdigest(), OLD.format("src/schema.ts")


def test_the_lock_file_has_exact_versions_and_names_no_registry() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
    locked = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in one for one in locked.values())
    assert all("integrity" in one for name, one in locked.items() if name)


@pytest.mark.soak
async def test_the_tool_writes_the_very_file_that_is_there(package: Path) -> None:
    (package / "openapi.json").write_text(document())
    code, told = await run("node", "generate.mjs", "openapi.json", "made.ts", cwd=package)
    assert code == 0, told
    made = (package / "made.ts").read_text()
    assert made == (CLIENT / "src/schema.ts").read_text(), OLD.format("src/schema.ts")


async def test_the_client_passes_its_compiler_and_its_tests_on_a_real_monoq(
    package: Path, server: Server
) -> None:
    code, told = await run("node_modules/.bin/tsc", "--pretty", "false", cwd=package)
    assert code == 0, told
    _, has_sockets = await run("node", "-p", "typeof WebSocket", cwd=package)
    flags = [] if "function" in has_sockets else ["--experimental-websocket", "--no-warnings"]
    code, told = await run(
        *("node", *flags, "test/client.test.mjs"),
        cwd=package,
        CLIENT="../out/src/index.js",
        MONOQ_URL=server.url,
    )
    assert code == 0, told
    assert "# fail 0" in told
