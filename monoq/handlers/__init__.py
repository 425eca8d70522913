"""The job types that ship with monoq. Each is written as a user's would be; none may reach into the
rest of the package."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from monoq.app.registry import App
from monoq.handlers.echo import echo
from monoq.handlers.email.app import email_app
from monoq.handlers.options import Options
from monoq.handlers.sleep import sleep


@dataclass
class BuiltinState:
    """`ctx.state` of the job types that ship. What a type needs is opened at its first job, so that
    a worker which never runs one does not pay for it."""

    options: Options


def builtin(options: Options) -> App:
    """The App of the job types that ship. Raises ConfigError for a bad option."""

    async def lifespan() -> AsyncIterator[BuiltinState]:
        yield BuiltinState(options)

    app = App(lifespan=lifespan)
    app.handler("echo")(echo)
    app.handler("sleep", timeout=3700)(sleep)
    app.include(email_app(options))
    return app
