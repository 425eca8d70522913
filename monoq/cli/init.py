"""`monoq init`: a first handler and its test, to begin a project with. It must never overwrite a
file."""

import sys
from pathlib import Path

import click

JOBS = '''\
"""The jobs of this project: `monoq serve --app jobs:app` runs them."""

import monoq
from pydantic import BaseModel

app = monoq.App()


class Greeting(BaseModel):
    name: str


@app.handler("greet", max_attempts=3, timeout=10)
async def greet(payload: Greeting, ctx: monoq.JobContext) -> dict[str, str]:
    """The return value is the job's result; an exception means: try again later."""
    return {"text": f"Hello, {payload.name}! This is attempt {ctx.attempt}."}
'''
TESTS = '''\
"""`python -m pytest` runs these: on a PostgreSQL and a Redis that monoq starts for them."""

import asyncio

from jobs import Greeting, app, greet
from monoq.testing import drain, run_handler, submit


def test_a_greeting_has_the_name_in_it():
    run = asyncio.run(run_handler(greet, Greeting(name="Ada")))
    assert run.result == {"text": "Hello, Ada! This is attempt 1."}


def test_a_submitted_greeting_is_completed(monoq_engines):
    async def submit_and_run():
        await submit(monoq_engines, "acme", greet, Greeting(name="Ada"))
        return await drain(app, monoq_engines)

    assert asyncio.run(submit_and_run()) == {"COMPLETED": 1}
'''


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(folder: Path) -> None:
    """Write a first handler, jobs.py, and its test, test_jobs.py, into FOLDER."""
    files = {folder / "jobs.py": JOBS, folder / "test_jobs.py": TESTS}
    if there := [str(path) for path in files if path.exists()]:
        click.echo(f"monoq: {' and '.join(there)}: already exists; nothing was written", err=True)
        sys.exit(1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x") as file:
                file.write(text)
    except OSError as error:
        click.echo(f"monoq: {error.filename}: {error.strerror}", err=True)
        sys.exit(1)
    click.echo(
        f"wrote {', '.join(map(str, files))}\n"
        "next:  python -m pytest\n"
        "       monoq serve --app jobs:app\n"
        """       monoq submit acme greet '{"name": "Ada"}' --wait"""
    )
