"""The job types that ship with monoq. Each is written as a user's would be; of the rest of the
package they may use the guard of outgoing calls, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING

from monoq.app.registry import App
from monoq.handlers import webhook
from monoq.handlers.csv_profile.app import csv_app
from monoq.handlers.echo import echo
from monoq.handlers.email.app import email_app
from monoq.handlers.options import Options
from monoq.handlers.sleep import sleep
from monoq.outgoing.board import Board
from monoq.outgoing.outgoing import Outgoing

if TYPE_CHECKING:
    from monoq.handlers.deliveries import Deliveries


@dataclass
class BuiltinState:
    """`ctx.state` of the job types that ship. What a type needs is opened at its first job, so that
    a worker which never runs one does not pay for it."""

    options: Options
    outgoing: Outgoing
    board: Board | None
    opened: AsyncExitStack
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _deliveries: "Deliveries | None" = None

    async def deliveries(self) -> "Deliveries":
        """What posts webhooks."""
        async with self._opening:
            if self._deliveries is None:
                from monoq.handlers.deliveries import delivering

                self._deliveries = await self.opened.enter_async_context(
                    delivering(self.outgoing, self.options.webhook_secrets, self.board)
                )
            return self._deliveries


def builtin(options: Options, board: Board | None = None) -> App:
    """The App of the job types that ship. `board` is told of the breakers of endpoints. Raises
    ConfigError for a bad option."""
    outgoing = Outgoing(map(ip_network, options.allowed_networks))

    async def lifespan() -> AsyncIterator[BuiltinState]:
        async with AsyncExitStack() as opened:
            yield BuiltinState(options, outgoing, board, opened)

    app = App(lifespan=lifespan)
    app.handler("echo")(echo)
    app.handler("sleep", timeout=3700)(sleep)
    app.handler(
        "webhook",
        max_attempts=webhook.MAX_ATTEMPTS,
        timeout=webhook.TIMEOUT_S,
        backoff=webhook.SCHEDULE,
    )(webhook.webhook_handler(outgoing))
    app.include(email_app(options))
    app.include(csv_app(options, outgoing))
    return app
