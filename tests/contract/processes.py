"""Whole processes of monoq, started as a user would: those that go on, and commands that end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from conftest import eventually, http_client

MONOQ = [sys.executable, "-m", "monoq"]
HERE = Path(__file__).parent.parent


def environment(**settings: str) -> dict[str, str]:
    ours = f"{HERE.parent}{os.pathsep}{HERE}"  # this checkout's monoq, whatever is installed
    return os.environ | {"PYTHONPATH": ours} | settings


@contextmanager
def running(*arguments: str, cwd: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    with (cwd / f"log-{time.monotonic_ns()}").open("w+") as out:
        process = subprocess.Popen(
            [*MONOQ, *arguments],
            cwd=cwd,
            env=environment(**settings),
            stdout=out,
            stderr=out,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()
                out.seek(0)
                print(out.read())


def said(cwd: Path) -> str:
    """What the processes of this folder have said so far."""
    return "".join(log.read_text() for log in cwd.glob("log-*"))


async def healthy(port: int) -> None:
    async with http_client() as http:

        async def answers() -> bool:
            try:
                return (await http.get(f"http://127.0.0.1:{port}/health")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(answers, timeout=60)


async def call(*arguments: str, cwd: Path, settings: dict[str, str], code: int = 0) -> str:
    """What a command says, its errors last; fails if it does not end with this code."""
    process = await asyncio.create_subprocess_exec(
        *MONOQ,
        *arguments,
        cwd=cwd,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            said, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == code, (process.returncode, said, errors)
    return (said + errors).decode()
