"""The App of the job type `webhook`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from monoq.app.context import JobContext
from monoq.app.registry import App
from monoq.errors import RefusedUrl
from monoq.handlers.options import Options
from monoq.handlers.webhook.payload import Webhook
from monoq.handlers.webhook.policy import MAX_ATTEMPTS, SCHEDULE, TIMEOUT_S
from monoq.outgoing.board import Board
from monoq.outgoing.outgoing import Outgoing

if TYPE_CHECKING:
    from monoq.handlers.webhook.deliveries import Deliveries


class Opener:
    """Opens what posts webhooks at the first of them: a worker that runs none loads no HTTP
    client."""

    def __init__(self, outgoing: Outgoing, options: Options, board: Board | None) -> None:
        self._outgoing = outgoing
        self._options = options
        self._board = board
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._deliveries: Deliveries | None = None

    async def deliveries(self) -> "Deliveries":
        """What posts webhooks, one for all."""
        async with self._opening:
            if self._deliveries is None:
                from monoq.handlers.webhook.deliveries import delivering

                self._deliveries = await self._opened.enter_async_context(
                    delivering(self._outgoing, self._options.webhook_secrets, self._board)
                )
            return self._deliveries

    async def close(self) -> None:
        """Closes what was opened."""
        await self._opened.aclose()


def webhook_app(options: Options, outgoing: Outgoing, board: Board | None) -> App:
    """A payload's URL must be one that `outgoing` calls. `board` gets the states of breakers."""

    async def lifespan() -> AsyncIterator[Opener]:
        opener = Opener(outgoing, options, board)
        try:
            yield opener
        finally:
            await opener.close()

    def checked(url: str) -> str:
        try:
            outgoing.check(url)
        except RefusedUrl as error:
            raise ValueError(str(error)) from None
        return url

    class CheckedWebhook(Webhook):
        __doc__ = Webhook.__doc__

        url: Annotated[str, AfterValidator(checked)]

    app = App(lifespan=lifespan)

    @app.handler("webhook", max_attempts=MAX_ATTEMPTS, timeout=TIMEOUT_S, backoff=SCHEDULE)
    async def webhook(payload: CheckedWebhook, ctx: JobContext) -> dict[str, Any]:
        opener: Opener = ctx.state
        deliveries = await opener.deliveries()
        return await deliveries.post(payload, ctx)

    return app
