"""What the source must never say, because no test could catch it often enough."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from monoq.queue.ready import BLOCK_S, Popper

ROOT = Path(__file__).parent.parent.parent
BLOCKING = {"blpop", "brpop", "blmpop", "blmove", "brpoplpush", "bzpopmin", "bzpopmax", "bzmpop"}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in (ROOT / "monoq").rglob("*.py"):
        yield path.relative_to(ROOT / "monoq"), ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", ""),
                node,
            )


def test_a_blocking_pop_is_bounded_by_the_server_and_by_nothing_that_could_cancel_it() -> None:
    """A pop that is cancelled loses what the server has just given it; so there is one, it ends by
    itself, and soon."""
    popping = [
        (str(path), call)
        for path, tree in trees()
        for name, call in calls(tree)
        if name.lower() in BLOCKING
    ]
    assert [path for path, _ in popping] == ["queue/ready.py"]
    ((_, pop),) = popping
    assert {word.arg: ast.unparse(word.value) for word in pop.keywords} == {"timeout": "BLOCK_S"}
    assert 0 < BLOCK_S < 0.5  # what a stop has to wait for
    kept = Popper("redis://127.0.0.1:1")._redis.connection_pool.connection_kwargs
    # or the client would give up what the server is about to send
    assert kept["socket_timeout"] > 2 * BLOCK_S
    users = [
        str(path)
        for path, tree in trees()
        if "Popper" in ast.dump(tree) and str(path) != "queue/ready.py"
    ]
    assert sorted(users) == ["worker/fetcher.py", "worker/source.py"]
    for path, tree in trees():
        if str(path) in ("queue/ready.py", *users):
            assert not {"cancel", "wait_for"} & {name for name, _ in calls(tree)}, path
            for block in ast.walk(tree):
                if isinstance(block, ast.AsyncWith) and "timeout" in ast.unparse(block.items[0]):
                    assert "pop" not in ast.unparse(block), f"{path}:{block.lineno}"


def test_nothing_waits_in_the_way_that_loses_cancellations() -> None:
    """asyncio.wait_for, on Python 3.11: a reply and a cancellation in the same tick lose the
    cancellation."""
    assert [
        str(path) for path, tree in trees() if "wait_for" in {name for name, _ in calls(tree)}
    ] == []
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "asyncio.wait_for" in settings["flake8-tidy-imports"]["banned-api"]
    code = (
        "import asyncio\n\n\nasync def main() -> None:\n"
        "    await asyncio.wait_for(asyncio.sleep(1), 1)\n"
    )
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--stdin-filename",
        "monoq/x.py",
        "-",
    ]
    refused = subprocess.run(
        command, cwd=ROOT, input=code, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "TID251" in refused.stdout
