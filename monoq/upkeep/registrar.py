"""Registers the job types of this worker and their payload schemas for the APIs. It must never keep
a worker from working."""

import logging

from monoq import codec
from monoq.app.handler import Handler
from monoq.app.registry import App
from monoq.errors import InvalidJson
from monoq.store.types import TypeStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

log = logging.getLogger(__name__)

PERIOD_S = 3600.0
# a type that no worker has named for so long is forgotten: its API refuses it like a misspelt one
UNSEEN_S = 30 * 86_400.0


class TypeRegistrar(UpkeepLoop):
    """Registers the types once; then says every hour that they are still there. The schemas of
    the worker that started last apply: an older worker must not replace them."""

    name = "registrar"

    def __init__(self, app: App, types: TypeStore, troubles: Troubles) -> None:
        super().__init__(troubles)
        self._app = app
        self._types = types
        self._registered = False

    async def look(self) -> None:
        """Registers, or touches, the types of this worker."""
        if not self._registered:
            await self._types.register({one.name: schema_text(one) for one in self._app})
            self._registered = True
        else:
            await self._types.touch(list(self._app.handlers))
        await self._types.forget(UNSEEN_S)

    async def rest(self) -> None:
        if self._registered:
            await self.pause(PERIOD_S)


def schema_text(handler: Handler) -> str:
    """The JSON schema of a handler's payload as text that PostgreSQL stores; one that allows
    everything if there is none."""
    try:
        return codec.dumps(handler.schema())
    except InvalidJson as error:
        log.warning("the schema of the job type %s cannot be stored: %s", handler.name, error)
        return "{}"
